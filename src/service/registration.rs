//! Requests for certificates as persisted workflows: submitted, checked, approved by different officers, then issued,
//! refused, withdrawn or lapsed.
//!
//! Every step of an officer is a signature by the officer's registered key over octets that fit this step of this request
//! only; it is verified in the transaction that keeps the step, together with the officer's standing at that moment. A
//! certificate is ordered like any other; the transaction that keeps it verifies every approval again and ends the request
//! (`fulfil`). So there is a certificate for a request exactly when the request says so, whatever process stopped where:
//! before that transaction the request is approved and can be issued again, after it it is issued, once.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId, CallerId, RequestId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::possession::{Asked, Proved};
use crate::domain::ca::request::{
    Approval, CertificateRequest, Hand, Officer, RefusalReason, RequestEvent, RequestState, Submission, Submitted,
    WithdrawalReason,
};
use crate::domain::ca::subject::Attributes;
use crate::domain::ca::submission::{Words, check_identity};
use crate::domain::ca::{self, Profile, Profiles, Request, prepare};
use crate::domain::officer::statement::{Statement, check_submitter};
use crate::format::x509::{Certificate, Name};
use crate::service::escrow;
use crate::service::issuance::issuer::ReadyIssuer;
use crate::service::issuance::{Completion, Issuance, Issued, Order, Wanted, serial};
use crate::service::officers::{fixed_value, officer_in, officer_still};
use crate::service::{Error, Services, seal_applications};
use crate::store::certificate_requests::{self, StoredCheck, StoredRequest};
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::{self, Tx, audit};

pub use crate::service::inventory::forget_requests as forget;

/// The most that one page of a list holds.
pub const MOST_IN_PAGE: i64 = 500;
/// Octets of an explanation in words.
pub const MOST_EXPLANATION: usize = 4096;
/// Requests that one transaction lets lapse or forgets: others wait no longer than that takes.
const MOST_AT_ONCE: i64 = 200;
/// From one look for requests that lapse to the next.
const LOOK: Duration = Duration::from_secs(600);

/// Where a request for a pair and one for a single certificate differ.
pub(in crate::service) const ENCRYPTION_PROFILE: &str = "encryptionProfile";

/// What an applicant asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// Who shall issue.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// The request of PKCS#10 in DER: its signature proves that the subject holds the key.
    pub csr: Vec<u8>,
    /// Stands in for the subject of the request, where the officer knows better.
    pub subject: Option<Attributes>,
    /// End of validity; the profile's usual one, from the day of issue, where nothing is told.
    pub not_after: Option<Timestamp>,
    /// Where a pair is asked for: the profile of its encryption certificate, for a key that is made and kept here.
    pub encryption_profile: Option<String>,
    /// SM3 of the evidence on file.
    pub evidence_sm3: [u8; 32],
}

/// A request that would be taken, and waits for the applicant's signature over [`Submission::to_submit`].
#[derive(Debug, Clone)]
pub struct Draft {
    /// What will be on record.
    pub submission: Submission,
}

/// An officer's signature over the octets of a step: DER, or r‖s of 64 octets for SM2 and P-256.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Who says to have signed.
    pub officer: &'a CallerId,
    /// The value.
    pub signature: &'a [u8],
    /// In which call, if in one.
    pub call: Option<&'a RequestId>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The requests, oldest first.
    pub requests: Vec<StoredRequest>,
    /// Behind which one the next page begins; nothing when there is none.
    pub next: Option<ApplicationId>,
}

/// SM3 of evidence.
#[must_use]
pub fn evidence_sm3(octets: &[u8]) -> [u8; 32] {
    sm3(octets)
}

/// The subject of a request, for people.
#[must_use]
pub fn subject_of(request: &CertificateRequest) -> String {
    Name::parse(&request.submission.subject, "subject").map_or_else(|_| String::new(), |name| name.display())
}

/// Judges what an applicant asks for as issuing would: proof of possession, names, key, validity, every lint rule, the
/// authority. What is hopeless is refused here with its exact reason; what is taken waits for the signature.
///
/// `nonce` is the request's own random number, the applicant's choice.
///
/// # Errors
/// Why no such certificate would be issued; the officer is none.
pub async fn draft(
    services: &Services,
    profiles: &Arc<Profiles>,
    officer: &CallerId,
    new: &NewRequest,
    nonce: [u8; 32],
) -> Result<Draft, Error> {
    let now = services.clock.now();
    let (applicant, _) = services.store.read(|tx| Box::pin(officer_in(tx, officer))).await?;
    let issuer = ReadyIssuer::load(services, &new.authority, now).await?;
    let (services, profiles, wanted) = (services.clone(), Arc::clone(profiles), new.clone());
    let judging = tokio::task::spawn_blocking(move || judge(&services, &profiles, &issuer, &wanted, now));
    let words = judging.await.map_err(|_| Error::Interrupted)??;
    Ok(Draft { submission: submission_of(new, words, nonce, (&applicant, now)) })
}

pub(in crate::service) fn submission_of(
    new: &NewRequest,
    words: Words,
    nonce: [u8; 32],
    (by, at): (&Officer, Timestamp),
) -> Submission {
    Submission {
        nonce,
        authority: new.authority.clone(),
        profile: new.profile.clone(),
        subject: words.subject,
        alternative_names: words.alternative_names,
        public_key: words.public_key,
        not_after: new.not_after,
        encryption_profile: new.encryption_profile.clone(),
        csr: new.csr.clone(),
        evidence_sm3: new.evidence_sm3,
        applicant: Hand::of(by),
        submitted_at: at,
    }
}

/// What is asked for.
pub(in crate::service) fn asked_of(profile: &Profile, new: &NewRequest) -> Result<Asked, Error> {
    let proved = Proved::read(&new.csr)?;
    let mut asked = proved.asked(profile)?;
    check_identity(&proved, &asked)?;
    if let Some(subject) = &new.subject {
        asked.subject.clone_from(subject);
    }
    Ok(asked)
}

fn judge(
    services: &Services,
    profiles: &Profiles,
    issuer: &ReadyIssuer,
    new: &NewRequest,
    now: Timestamp,
) -> Result<Words, Error> {
    let profile = profiles.require(&new.profile).map_err(ca::Error::from)?;
    if profile.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let asked = asked_of(profile, new)?;
    if let Some(name) = &new.encryption_profile {
        escrow::check_kinds(services, (profile, profiles.require(name).map_err(ca::Error::from)?), &asked.key)?;
    }
    let above = issuer.certificate()?;
    if new.not_after.is_some_and(|end| end > above.not_after) {
        // Where the profile shortens, the end would not be the one that was approved.
        return Err(ca::Error::BeyondIssuer { from: above.not_before, to: above.not_after }.into());
    }
    let Asked { subject, alternative_names, identity, key } = &asked;
    let request = Request {
        profile,
        subject,
        alternative_names,
        identity,
        key,
        not_before: now,
        not_after: new.not_after,
        serial: &serial(&*services.random)?,
        transaction: None,
        name_constraints: None,
    };
    // The token is dropped: nothing is signed here.
    prepare(&request, &issuer.as_issuer(&above), (&services.algorithms, now))?;
    Ok(Words::of(profile, &asked).map_err(ca::Error::from)?)
}

/// Takes a request that the applicant signed.
///
/// # Errors
/// The signature is not the applicant's; [`Error::RequestExists`] for a nonce that came before.
pub async fn submit(services: &Services, draft: Draft, signed: Signed<'_>) -> Result<StoredRequest, Error> {
    let Draft { submission } = draft;
    let now = services.clock.now();
    let id = ApplicationId::fresh(now, &*services.random)?;
    let (submission, id) = (&submission, &id);
    let steps = services.store.run("submit certificate request", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let value = fixed_value(&officer, signed.signature);
            check_submitter(submission, &officer, &value)?;
            let stored = StoredRequest {
                id: id.clone(),
                request: CertificateRequest::new(submission.clone()),
                submission_signature: value,
                check: None,
                end_signature: None,
                explanation: None,
                version: 1,
            };
            certificate_requests::insert(tx, &stored).await?;
            let body = EventBody::ApplicationSubmitted {
                application: id.clone(),
                application_sm3: sm3(&submission.to_approve()),
                profile: submission.profile.clone(),
            };
            let event = Event { at: now, actor, request: signed.call.cloned(), body };
            let number = audit::append(tx, &event).await?;
            certificate_requests::note_submission(tx, id, number).await?;
            Ok(stored)
        })
    });
    match steps.await {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::RequestExists),
        outcome => outcome,
    }
}

/// The request of that name.
///
/// # Errors
/// [`Error::UnknownRequest`].
pub async fn find(services: &Services, id: &ApplicationId) -> Result<StoredRequest, Error> {
    let found = services.store.read(|tx| Box::pin(certificate_requests::find(tx, id))).await?;
    found.ok_or(Error::UnknownRequest)
}

/// Requests in that state (`submitted`, `checked`, `approved`, `issued`, `refused`, `withdrawn`) or in any, oldest first,
/// from the one behind `after` on, at most `limit` and [`MOST_IN_PAGE`].
///
/// # Errors
/// The store's.
pub async fn list(
    services: &Services,
    state: Option<&str>,
    after: Option<&ApplicationId>,
    limit: i64,
) -> Result<Page, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    let more = limit.saturating_add(1);
    let steps = services.store.read(|tx| Box::pin(certificate_requests::search(tx, state, after, more)));
    let mut requests = steps.await?;
    let full = i64::try_from(requests.len()) == Ok(more);
    if full {
        requests.pop();
    }
    let next = requests.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Page { requests, next })
}

/// The octets that an approver signs: [`Submission::to_approve`].
///
/// # Errors
/// [`Error::UnknownRequest`].
pub async fn to_approve(services: &Services, id: &ApplicationId) -> Result<Vec<u8>, Error> {
    Ok(find(services, id).await?.request.submission.to_approve())
}

/// The octets that this officer signs to check a request now.
///
/// # Errors
/// [`Error::UnknownRequest`]; the officer is none.
pub async fn to_check(services: &Services, id: &ApplicationId, officer: &CallerId) -> Result<Vec<u8>, Error> {
    to_state(services, id, officer, &Statement::Check).await
}

/// The octets that this officer signs to refuse a request now.
///
/// # Errors
/// As [`to_check`]; [`Error::Explanation`].
pub async fn to_refuse(
    services: &Services,
    id: &ApplicationId,
    officer: &CallerId,
    (reason, explanation): (RefusalReason, &str),
) -> Result<Vec<u8>, Error> {
    to_state(services, id, officer, &refusal(reason, explanation)?).await
}

/// The octets that this officer signs to withdraw a request now.
///
/// # Errors
/// As [`to_check`].
pub async fn to_withdraw(
    services: &Services,
    id: &ApplicationId,
    officer: &CallerId,
    reason: WithdrawalReason,
) -> Result<Vec<u8>, Error> {
    to_state(services, id, officer, &Statement::Withdraw { reason }).await
}

async fn to_state(
    services: &Services,
    id: &ApplicationId,
    officer: &CallerId,
    statement: &Statement,
) -> Result<Vec<u8>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, officer).await?;
            let stored = certificate_requests::find(tx, id).await?.ok_or(Error::UnknownRequest)?;
            Ok(stored.request.to_state(&officer, statement))
        })
    });
    steps.await
}

/// What an officer states who refuses, with an explanation that is not too long.
pub(in crate::service) fn refusal(reason: RefusalReason, explanation: &str) -> Result<Statement, Error> {
    if explanation.len() > MOST_EXPLANATION {
        return Err(Error::Explanation { most: MOST_EXPLANATION });
    }
    Ok(Statement::Refuse { reason, explanation_sm3: sm3(explanation.as_bytes()) })
}

/// A checker states that a request agrees with its evidence.
///
/// # Errors
/// Why the step is not taken, as [`Error::RequestStep`]; the officer is none.
pub async fn check(services: &Services, id: &ApplicationId, signed: Signed<'_>) -> Result<StoredRequest, Error> {
    let take = |stored: StoredRequest, officer: &Officer, value: Vec<u8>, now| {
        stored.request.check_statement(officer, &Statement::Check, &value)?;
        let (request, event) = stored.request.check(officer, now)?;
        let check = Some(StoredCheck { by: Hand::of(officer), at: now, signature: value });
        Ok((StoredRequest { request, check, ..stored }, event, None))
    };
    advance(services, "check certificate request", id, signed, take).await
}

/// An officer approves by a signature over [`to_approve`]; with the last one that the profile asks for the request is
/// approved.
///
/// # Errors
/// As [`check`]; the profile is no more.
pub async fn approve(
    services: &Services,
    profiles: &Profiles,
    id: &ApplicationId,
    signed: Signed<'_>,
) -> Result<StoredRequest, Error> {
    let take = |stored: StoredRequest, officer: &Officer, value: Vec<u8>, now| {
        let profile = profiles.require(&stored.request.submission.profile).map_err(ca::Error::from)?;
        let (request, event) = stored.request.approve(officer, &value, now, profile.approval())?;
        Ok((StoredRequest { request, ..stored }, event, None))
    };
    advance(services, "approve certificate request", id, signed, take).await
}

/// A checker or an approver refuses a request, with a reason of the closed list and an explanation in words. The words stay
/// in the request's row; the audit log gets their SM3.
///
/// # Errors
/// As [`check`]; [`Error::Explanation`].
pub async fn refuse(
    services: &Services,
    id: &ApplicationId,
    (reason, explanation): (RefusalReason, &str),
    signed: Signed<'_>,
) -> Result<StoredRequest, Error> {
    let statement = refusal(reason, explanation)?;
    let take = |stored: StoredRequest, officer: &Officer, value: Vec<u8>, now| {
        stored.request.check_statement(officer, &statement, &value)?;
        let (request, event) = stored.request.refuse(officer, reason, now)?;
        let explanation = Some(explanation.to_owned());
        let words_sm3 = Some(sm3(explanation.as_deref().unwrap_or_default().as_bytes()));
        Ok((StoredRequest { request, explanation, end_signature: Some(value), ..stored }, event, words_sm3))
    };
    advance(services, "refuse certificate request", id, signed, take).await
}

/// The applicant takes a request back.
///
/// # Errors
/// As [`check`].
pub async fn withdraw(
    services: &Services,
    id: &ApplicationId,
    reason: WithdrawalReason,
    signed: Signed<'_>,
) -> Result<StoredRequest, Error> {
    let take = |stored: StoredRequest, officer: &Officer, value: Vec<u8>, now| {
        stored.request.check_statement(officer, &Statement::Withdraw { reason }, &value)?;
        let (request, event) = stored.request.withdraw(officer, reason, now)?;
        Ok((StoredRequest { request, end_signature: Some(value), ..stored }, event, None))
    };
    advance(services, "withdraw certificate request", id, signed, take).await
}

/// The row after a step, what it tells, and the SM3 of an explanation.
type Taken = Result<(StoredRequest, RequestEvent, Option<[u8; 32]>), Error>;

/// One officer's step: officer and request as they are now, the step, its row and its event in one transaction.
async fn advance(
    services: &Services,
    name: &'static str,
    id: &ApplicationId,
    signed: Signed<'_>,
    take: impl Fn(StoredRequest, &Officer, Vec<u8>, Timestamp) -> Taken + Send + Sync,
) -> Result<StoredRequest, Error> {
    let (now, take) = (services.clock.now(), &take);
    let steps = services.store.run(name, |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = certificate_requests::find(tx, id).await?.ok_or(Error::UnknownRequest)?;
            let value = fixed_value(&officer, signed.signature);
            let (next, event, words_sm3) = take(stored, &officer, value, now)?;
            let kept = certificate_requests::update(tx, &next).await?;
            let body = told(&kept, &event, words_sm3);
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(kept)
        })
    });
    steps.await
}

/// What a step tells the audit log.
fn told(stored: &StoredRequest, event: &RequestEvent, words_sm3: Option<[u8; 32]>) -> EventBody {
    let (application, application_sm3) = (stored.id.clone(), sm3(&stored.request.submission.to_approve()));
    match event {
        RequestEvent::Checked { .. } => EventBody::ApplicationChecked { application, application_sm3 },
        RequestEvent::Approved { signature_sm3, .. } => {
            EventBody::ApplicationApproved { application, application_sm3, signature_sm3: *signature_sm3 }
        }
        RequestEvent::Fulfilled { result_sm3 } => {
            EventBody::ApplicationFulfilled { application, certificate_sm3: *result_sm3 }
        }
        RequestEvent::Refused { by: None, .. } => EventBody::ApplicationLapsed { application },
        RequestEvent::Refused { by: Some(_), .. } => {
            EventBody::ApplicationRefused { application, reason_sm3: words_sm3.unwrap_or_default() }
        }
        RequestEvent::Withdrawn { .. } => EventBody::ApplicationWithdrawn { application },
    }
}

/// Issues what was approved, and nothing else. Anybody may ask for it: the approvals decide.
///
/// # Errors
/// [`Error::RequestStep`]: the request is not approved, was issued before, or an approval does not hold any more;
/// [`Error::NotAsApproved`]: it is for a pair, see [`escrow::issue_approved_pair`]; why the authority does not issue it.
pub async fn issue(
    services: &Services,
    profiles: &Profiles,
    issuance: &Issuance,
    (actor, call): (&Actor, Option<&RequestId>),
    id: &ApplicationId,
) -> Result<Issued, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let stored = certificate_requests::find(tx, id).await?.ok_or(Error::UnknownRequest)?;
            confirm(tx, profiles, &stored).await?;
            Ok::<_, Error>(stored.request.submission)
        })
    });
    let submission = steps.await?;
    if submission.encryption_profile.is_some() {
        return Err(Error::NotAsApproved { field: ENCRYPTION_PROFILE });
    }
    let asked = submission.asked()?;
    let order = Order {
        authority: submission.authority,
        profile: submission.profile,
        wanted: Wanted::Decided { asked, key: None },
        not_before: None,
        not_after: submission.not_after,
        transaction: None,
        actor: actor.clone(),
        request: call.cloned(),
        completes: Some(Completion::Application(id.clone())),
    };
    issuance.issue(order).await
}

/// Verifies every approval of a request with the officers as they are now.
pub(in crate::service) async fn confirm(
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    stored: &StoredRequest,
) -> Result<(), Error> {
    let mut officers = Vec::new();
    if let RequestState::Approved { approvals, .. } = &stored.request.state {
        for Approval { hand, .. } in approvals {
            officers.extend(officer_still(tx, &hand.officer).await?);
        }
    }
    let profile = profiles.require(&stored.request.submission.profile).map_err(ca::Error::from)?;
    stored.request.confirm(profile.approval(), |id| officers.iter().find(|officer| officer.id == *id))?;
    Ok(())
}

/// Ends a request in the transaction that keeps its certificate: the approvals are verified once more, and the certificate
/// must be the approved one; of a pair the signing certificate, beside one under the encryption profile that was approved,
/// which has the same names and end as it (`domain::ca::pair`). Gives what the audit log is told.
///
/// # Errors
/// As [`issue`]; [`Error::NotAsApproved`].
pub(in crate::service) async fn fulfil(
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    id: &ApplicationId,
    (certificate, encryption): (&IssuedCertificate, Option<&IssuedCertificate>),
    now: Timestamp,
) -> Result<EventBody, Error> {
    let stored = certificate_requests::find(tx, id).await?.ok_or(Error::UnknownRequest)?;
    confirm(tx, profiles, &stored).await?;
    let submission = &stored.request.submission;
    if certificate.authority != submission.authority {
        return Err(Error::NotAsApproved { field: "authority" });
    }
    if certificate.profile != submission.profile {
        return Err(Error::NotAsApproved { field: "profile" });
    }
    if encryption.map(|encryption| &encryption.profile) != submission.encryption_profile.as_ref() {
        return Err(Error::NotAsApproved { field: ENCRYPTION_PROFILE });
    }
    let written = Certificate::parse(&certificate.der).map_err(ca::Error::Unreadable)?;
    submission.check_certificate(&written).map_err(|differs| Error::NotAsApproved { field: differs.field })?;
    let (request, event) = stored.request.clone().fulfilled(certificate.sm3, now)?;
    let kept = certificate_requests::update(tx, &StoredRequest { request, ..stored }).await?;
    Ok(told(&kept, &event, None))
}

/// Refuses, as lapsed, every request that did not move for so many days; gives how many.
///
/// # Errors
/// The store's; what lapsed before stays lapsed.
pub async fn lapse(services: &Services, days: u32) -> Result<u64, Error> {
    let now = services.clock.now();
    let bound = now.plus_days(-i64::from(days));
    let mut lapsed = 0_u64;
    loop {
        let steps = services.store.run("let certificate requests lapse", |tx| {
            Box::pin(async move {
                let waiting = certificate_requests::waiting_since(tx, bound, MOST_AT_ONCE).await?;
                let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
                for stored in waiting {
                    let (request, event) = stored.request.clone().lapse(now)?;
                    let kept = certificate_requests::update(tx, &StoredRequest { request, ..stored }).await?;
                    let body = told(&kept, &event, None);
                    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
                }
                Ok::<_, Error>(count)
            })
        });
        match steps.await? {
            0 => return Ok(lapsed),
            count => lapsed = lapsed.saturating_add(count),
        }
    }
}

/// Lets requests for certificates and applications for seals lapse until it is dropped: the timer of a service at work.
pub async fn keep_lapsing(services: Services, days: u32) {
    loop {
        for (what, lapsed) in [
            ("requests for certificates", lapse(&services, days).await),
            ("applications for seals", seal_applications::lapse(&services, days).await),
        ] {
            match lapsed {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "{what} waited too long and are refused"),
                Err(error) => tracing::warn!(code = error.code(), "{what} cannot lapse"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
