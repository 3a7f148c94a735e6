//! Requests for certificates through a door: the officer is the caller, and each step is a signature by the caller's
//! registered key.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId, CallerId, RequestId};
use crate::base::random::array;
use crate::domain::audit::{Actor, EventBody};
use crate::domain::ca::Profiles;
use crate::domain::ca::identity::IdentityKind;
use crate::domain::ca::request::{Approval, Hand, RefusalReason, RequestState, Submitted, WithdrawalReason};
use crate::domain::ca::submission::Words;
use crate::domain::officer::request::Request;
use crate::domain::officer::statement::check_submitter;
use crate::format::x509::Name;
use crate::service::door::{EncryptionRecord, OrderedCertificate};
use crate::service::escrow::{self, IssuedPair};
use crate::service::idempotency::noted_receipt_again;
use crate::service::issuance::{Issuance, request_in};
use crate::service::keys::enveloping::envelope_pem;
use crate::service::officers::{fixed_value, officer_in};
use crate::service::registration::{self, NewRequest, Signed, asked_of, subject_of, submission_of};
use crate::service::{Error, Services, inventory};
use crate::store::certificate_requests::{self, StoredCheck, StoredRequest};

/// A request for a certificate that would be taken, once it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftedRequest {
    /// The request's own random number; it comes back with the signature.
    pub nonce: [u8; 32],
    /// The subject that the certificate will have, for people.
    pub subject: String,
    /// The octets that the applicant signs.
    pub to_sign: Vec<u8>,
}

/// What an officer does with a request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestStep {
    /// States that it agrees with its evidence.
    Check,
    /// Agrees that it is issued.
    Approve,
    /// Says no.
    Refuse {
        /// Why.
        reason: RefusalReason,
        /// Why, in words.
        explanation: String,
    },
    /// Takes it back.
    Withdraw {
        /// Why.
        reason: WithdrawalReason,
    },
}

/// An officer's approval of a request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Whose.
    pub officer: CallerId,
    /// SM3 of the officer's SubjectPublicKeyInfo.
    pub key_sm3: [u8; 32],
    /// The signature's value, of fixed width.
    pub signature: Vec<u8>,
    /// When it arrived.
    pub at: Timestamp,
}

impl From<Approval> for ApprovalRecord {
    fn from(Approval { hand, signature, at }: Approval) -> Self {
        Self { officer: hand.officer, key_sm3: hand.key_sm3, signature, at }
    }
}

/// A request for a certificate as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Its name here.
    pub id: ApplicationId,
    /// `submitted`, `checked`, `approved`, `issued`, `refused` or `withdrawn`.
    pub state: &'static str,
    /// When it last moved.
    pub since: Timestamp,
    /// Who shall issue.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// The subject, for people.
    pub subject: String,
    /// The kinds of the numbers of identity that are asked for; the numbers stand in the request of PKCS#10 alone.
    pub identity: Vec<&'static str>,
    /// End of validity that was asked for.
    pub not_after: Option<Timestamp>,
    /// Where a pair is asked for: the profile of its encryption certificate.
    pub encryption_profile: Option<String>,
    /// The request of PKCS#10, DER.
    pub csr: Vec<u8>,
    /// SM3 of the evidence on file.
    pub evidence_sm3: [u8; 32],
    /// Its own random number.
    pub nonce: [u8; 32],
    /// Who submitted it.
    pub applicant: CallerId,
    /// When.
    pub submitted_at: Timestamp,
    /// Who checked it, and when.
    pub checked: Option<(CallerId, Timestamp)>,
    /// The approvals so far.
    pub approvals: Vec<ApprovalRecord>,
    /// Who refused it; nobody where it lapsed.
    pub refused_by: Option<CallerId>,
    /// Why it was refused or withdrawn.
    pub reason: Option<&'static str>,
    /// Why it was refused, in words.
    pub explanation: Option<String>,
    /// SM3 of the certificate that was issued for it.
    pub certificate_sm3: Option<[u8; 32]>,
}

/// Which requests for certificates. Whatever is nothing is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestQuery {
    /// In this state.
    pub state: Option<String>,
    /// Behind this one.
    pub after: Option<ApplicationId>,
    /// At most so many.
    pub limit: i64,
}

/// A page of requests for certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPage {
    /// Oldest first.
    pub requests: Vec<RequestRecord>,
    /// What the query for the next page gives as `after`; nothing on the last one.
    pub next: Option<ApplicationId>,
}

/// The use cases of registration with what they need.
#[derive(Clone)]
pub struct RequestDesk {
    services: Services,
    profiles: Arc<Profiles>,
    issuance: Issuance,
}

impl RequestDesk {
    /// Under these profiles, before that engine.
    #[must_use]
    pub const fn new(services: Services, profiles: Arc<Profiles>, issuance: Issuance) -> Self {
        Self { services, profiles, issuance }
    }

    /// Judges a request, and gives what its applicant signs. Nothing is kept.
    ///
    /// # Errors
    /// As [`registration::draft`].
    pub async fn draft(&self, officer: &CallerId, new: NewRequest) -> Result<DraftedRequest, Error> {
        let (new, nonce) = (in_der(new), array(&*self.services.random)?);
        let submission = registration::draft(&self.services, &self.profiles, officer, &new, nonce).await?.submission;
        let subject = Name::parse(&submission.subject, "subject").map_or_else(|_| String::new(), |name| name.display());
        Ok(DraftedRequest { nonce, subject, to_sign: submission.to_submit() })
    }

    /// Takes a request that the officer signed; the same again is the same request, with the receipt of the first answer.
    ///
    /// # Errors
    /// As [`registration::draft`] and [`registration::submit`].
    pub async fn submit(&self, new: NewRequest, nonce: [u8; 32], signed: Signed<'_>) -> Result<RequestRecord, Error> {
        let (new, services, profiles) = (in_der(new), &self.services, &self.profiles);
        if let Some(before) = submitted_before(services, profiles, &new, &nonce, signed).await? {
            let noted = services.store.read(|tx| Box::pin(certificate_requests::submission_event(tx, &before.id)));
            let is_its = |body: &EventBody| matches!(body, EventBody::ApplicationSubmitted { application, .. } if *application == before.id);
            noted_receipt_again(services, signed.call, noted.await?, is_its).await;
            return record_of(before);
        }
        let draft = registration::draft(services, profiles, signed.officer, &new, nonce).await?;
        record_of(registration::submit(services, draft, signed).await?)
    }

    /// The request of that name.
    ///
    /// # Errors
    /// As [`registration::find`].
    pub async fn find(&self, id: &ApplicationId) -> Result<RequestRecord, Error> {
        record_of(registration::find(&self.services, id).await?)
    }

    /// Requests, page by page.
    ///
    /// # Errors
    /// As [`registration::list`].
    pub async fn list(&self, query: &RequestQuery) -> Result<RequestPage, Error> {
        let RequestQuery { state, after, limit } = query;
        let page = registration::list(&self.services, state.as_deref(), after.as_ref(), *limit).await?;
        let requests = page.requests.into_iter().map(record_of).collect::<Result<_, _>>()?;
        Ok(RequestPage { requests, next: page.next })
    }

    /// The octets that the officer signs to take that step now.
    ///
    /// # Errors
    /// As [`registration::to_check`] and the others.
    pub async fn octets(&self, officer: &CallerId, id: &ApplicationId, step: &RequestStep) -> Result<Vec<u8>, Error> {
        let services = &self.services;
        match step {
            RequestStep::Check => registration::to_check(services, id, officer).await,
            RequestStep::Approve => registration::to_approve(services, id).await,
            RequestStep::Refuse { reason, explanation } => {
                registration::to_refuse(services, id, officer, (*reason, explanation)).await
            }
            RequestStep::Withdraw { reason } => registration::to_withdraw(services, id, officer, *reason).await,
        }
    }

    /// Takes a step that the officer signed. The step again with the same signature is the step that was taken: it gives the
    /// request as it stands, whatever happened to it since.
    ///
    /// # Errors
    /// As [`registration::check`] and the others.
    pub async fn step(
        &self,
        id: &ApplicationId,
        step: &RequestStep,
        signed: Signed<'_>,
    ) -> Result<RequestRecord, Error> {
        let services = &self.services;
        let stored = match step {
            RequestStep::Check => registration::check(services, id, signed).await,
            RequestStep::Approve => registration::approve(services, &self.profiles, id, signed).await,
            RequestStep::Refuse { reason, explanation } => {
                registration::refuse(services, id, (*reason, explanation), signed).await
            }
            RequestStep::Withdraw { reason } => registration::withdraw(services, id, *reason, signed).await,
        };
        match stored {
            Err(error @ Error::RequestStep(_)) => {
                let stored = registration::find(services, id).await?;
                if was_taken(services, &stored, step, signed).await? { record_of(stored) } else { Err(error) }
            }
            stored => record_of(stored?),
        }
    }

    /// Issues what was approved. For a request that was issued, by whomever, it gives the certificate again.
    ///
    /// # Errors
    /// As [`registration::issue`].
    pub async fn issue(
        &self,
        (actor, call): (&Actor, Option<&RequestId>),
        id: &ApplicationId,
    ) -> Result<OrderedCertificate, Error> {
        let (services, profiles) = (&self.services, &self.profiles);
        let asked = registration::find(services, id).await?.request.submission;
        let pair = asked.encryption_profile.is_some();
        let issued = if pair {
            escrow::issue_approved_pair(services, profiles, (actor, call), id).await.map(|pair| pair.signing)
        } else {
            registration::issue(services, profiles, &self.issuance, (actor, call), id).await
        };
        let sm3 = match issued {
            Ok(issued) => issued.sm3,
            Err(error) => match registration::find(services, id).await?.request.state {
                RequestState::Fulfilled { result_sm3, .. } => result_sm3,
                _ => return Err(error),
            },
        };
        let encryption = if pair {
            let IssuedPair { encryption, envelope, .. } = escrow::pair_of(services, &sm3).await?;
            Some(EncryptionRecord { sm3: encryption.sm3, der: encryption.der, envelope: envelope_pem(&envelope) })
        } else {
            None
        };
        let kept = inventory::find(services, &sm3).await?;
        Ok(OrderedCertificate {
            sm3,
            serial: kept.serial,
            authority: kept.authority,
            profile: kept.profile,
            not_before: kept.not_before,
            not_after: kept.not_after,
            der: kept.der,
            encryption,
        })
    }
}

/// Whether this officer took this step of the request by this very signature.
async fn was_taken(
    services: &Services,
    stored: &StoredRequest,
    step: &RequestStep,
    signed: Signed<'_>,
) -> Result<bool, Error> {
    let (officer, _) = services.store.read(|tx| Box::pin(officer_in(tx, signed.officer))).await?;
    let (hand, value) = (Hand::of(&officer), fixed_value(&officer, signed.signature));
    let kept = KeptSteps { check: &stored.check, end: &stored.end_signature, explanation: &stored.explanation };
    Ok(kept.have(&stored.request, step, (&hand, &value)))
}

/// What is kept of the steps of a request beside its state.
pub(in crate::service) struct KeptSteps<'a> {
    pub(in crate::service) check: &'a Option<StoredCheck>,
    pub(in crate::service) end: &'a Option<Vec<u8>>,
    pub(in crate::service) explanation: &'a Option<String>,
}

impl KeptSteps<'_> {
    /// Whether this person took this step by this very signature.
    pub(in crate::service) fn have<S: Submitted>(
        &self,
        request: &Request<S>,
        step: &RequestStep,
        (hand, value): (&Hand, &Vec<u8>),
    ) -> bool {
        let ended = self.end.as_ref() == Some(value);
        match (step, &request.state) {
            (RequestStep::Check, _) => {
                self.check.as_ref().is_some_and(|check| check.by == *hand && check.signature == *value)
            }
            (
                RequestStep::Approve,
                RequestState::Checked { approvals, .. }
                | RequestState::Approved { approvals, .. }
                | RequestState::Fulfilled { approvals, .. },
            ) => approvals.iter().any(|given| given.hand == *hand && given.signature == *value),
            (RequestStep::Refuse { reason, explanation }, RequestState::Refused { by, reason: why, .. }) => {
                ended && by.as_ref() == Some(hand) && reason == why && self.explanation.as_ref() == Some(explanation)
            }
            (RequestStep::Withdraw { reason }, RequestState::Withdrawn { reason: why, .. }) => {
                ended && request.submission.applicant() == hand && reason == why
            }
            _ => false,
        }
    }
}

/// The request that this officer submitted with this nonce before, asking for the same. So a submission whose answer was
/// lost is repeated, and is one.
///
/// # Errors
/// [`Error::RequestExists`]: another request has the nonce; the officer is none.
async fn submitted_before(
    services: &Services,
    profiles: &Profiles,
    new: &NewRequest,
    nonce: &[u8; 32],
    signed: Signed<'_>,
) -> Result<Option<StoredRequest>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, signed.officer).await?;
            Ok::<_, Error>((officer, certificate_requests::with_nonce(tx, nonce).await?))
        })
    });
    let (officer, found) = steps.await?;
    let Some(stored) = found else { return Ok(None) };
    let kept = &stored.request.submission;
    let profile = profiles.require(&new.profile).map_err(|_| Error::RequestExists)?;
    let asked = asked_of(profile, new).map_err(|_| Error::RequestExists)?;
    let words = Words::of(profile, &asked).map_err(|_| Error::RequestExists)?;
    let again = submission_of(new, words, *nonce, (&officer, kept.submitted_at));
    let is_signed = check_submitter(kept, &officer, &fixed_value(&officer, signed.signature)).is_ok();
    if again == *kept && is_signed { Ok(Some(stored)) } else { Err(Error::RequestExists) }
}

/// PEM or DER came.
fn in_der(new: NewRequest) -> NewRequest {
    NewRequest { csr: request_in(&new.csr), ..new }
}

/// A row as the door tells it.
fn record_of(stored: StoredRequest) -> Result<RequestRecord, Error> {
    let StoredRequest { id, request, check, explanation, .. } = stored;
    let (state, since, subject) = (request.state_name(), request.since(), subject_of(&request));
    let submission = request.submission;
    let identity = submission.identity_kinds()?.into_iter().map(IdentityKind::name).collect();
    let (mut kept, mut refused_by, mut reason, mut certificate_sm3) = (Vec::new(), None, None, None);
    match request.state {
        RequestState::Checked { approvals, .. } | RequestState::Approved { approvals, .. } => kept = approvals,
        RequestState::Fulfilled { approvals, result_sm3: sm3, .. } => {
            kept = approvals;
            certificate_sm3 = Some(sm3);
        }
        RequestState::Refused { by, reason: why, .. } => {
            refused_by = by.map(|hand| hand.officer);
            reason = Some(why.name());
        }
        RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name()),
        _ => {}
    }
    Ok(RequestRecord {
        id,
        state,
        since,
        authority: submission.authority,
        profile: submission.profile,
        subject,
        identity,
        not_after: submission.not_after,
        encryption_profile: submission.encryption_profile,
        csr: submission.csr,
        evidence_sm3: submission.evidence_sm3,
        nonce: submission.nonce,
        applicant: submission.applicant.officer,
        submitted_at: submission.submitted_at,
        checked: check.map(|check| (check.by.officer, check.at)),
        approvals: kept.into_iter().map(ApprovalRecord::from).collect(),
        refused_by,
        reason,
        explanation,
        certificate_sm3,
    })
}
