//! Applications for seals through the door: an officer deals with those of the own division and of those in it.

use crate::base::id::ApplicationId;
use crate::base::random::array;
use crate::crypto::digest::sm3;
use crate::domain::audit::EventBody;
use crate::domain::officer::Hand;
use crate::domain::officer::request::{RequestState, Submitted as _};
use crate::domain::officer::statement::check_submitter;
use crate::service::idempotency::noted_receipt_again;
use crate::service::officers::fixed_value;
use crate::service::registration_desk::{KeptSteps, RequestStep};
use crate::service::seal_applications::{self, Asked, NewApplication};
use crate::service::seal_desk::{ApplicationQuery, ApplicationRecord, Asker, SealAnswer, SealDesk, lists};
use crate::service::seal_fulfilment::Means;
use crate::service::seal_officers::officer_in;
use crate::service::stamping::Stamping;
use crate::service::{Error, seal_fulfilment};
use crate::store::seal_applications::StoredApplication;
use crate::store::{Tx, seal_applications as rows, seal_records};

/// What is asked about applications for seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationRequest {
    /// Judges what is applied for, its files by their SM3; nothing is kept.
    Draft(Asked),
    /// Takes an application that the caller signed. The same again is the same application.
    Submit {
        /// What is applied for, with its files.
        new: NewApplication,
        /// As it was drafted.
        nonce: [u8; 32],
        /// The applicant's.
        signature: Vec<u8>,
    },
    /// Applications of the caller's division, page by page.
    List(ApplicationQuery),
    /// One application.
    Show(ApplicationId),
    /// The picture (0) or a document (from 1) that came with an application.
    File(ApplicationId, i64),
    /// The octets that the caller signs to take that step now.
    Octets(ApplicationId, RequestStep),
    /// Takes a step that the caller signed. The same signature again is the same step.
    Step(ApplicationId, RequestStep, Vec<u8>),
    /// Does what was approved. Of an application that was fulfilled it gives the seal again.
    Fulfil(ApplicationId),
}

impl ApplicationRequest {
    pub(super) const fn endpoint(&self) -> (&'static str, &'static str) {
        match self {
            Self::Draft(_) => ("POST", "/api/v1/seal-applications/draft"),
            Self::Submit { .. } => ("POST", "/api/v1/seal-applications"),
            Self::List(_) => ("GET", "/api/v1/seal-applications"),
            Self::Show(_) => ("GET", "/api/v1/seal-applications/{id}"),
            Self::File(_, 0) => ("GET", "/api/v1/seal-applications/{id}/picture"),
            Self::File(..) => ("GET", "/api/v1/seal-applications/{id}/documents/{number}"),
            Self::Octets(..) => ("POST", "/api/v1/seal-applications/{id}/to-sign"),
            Self::Step(_, RequestStep::Check, _) => ("POST", "/api/v1/seal-applications/{id}/check"),
            Self::Step(_, RequestStep::Approve, _) => ("POST", "/api/v1/seal-applications/{id}/approval"),
            Self::Step(_, RequestStep::Refuse { .. }, _) => ("POST", "/api/v1/seal-applications/{id}/refusal"),
            Self::Step(_, RequestStep::Withdraw { .. }, _) => ("POST", "/api/v1/seal-applications/{id}/withdrawal"),
            Self::Fulfil(_) => ("POST", "/api/v1/seal-applications/{id}/seal"),
        }
    }
}

impl SealDesk {
    pub(super) async fn application(
        &self,
        asker: Asker<'_>,
        stamping: Option<&Stamping>,
        request: ApplicationRequest,
    ) -> Result<SealAnswer, Error> {
        let (services, profiles) = (&self.services, &self.profiles);
        match request {
            ApplicationRequest::Draft(asked) => {
                let nonce = array(&*services.random)?;
                let drafted = seal_applications::judge(services, profiles, asker.caller, asked, nonce).await?;
                Ok(SealAnswer::Drafted { nonce, to_sign: drafted.to_submit() })
            }
            ApplicationRequest::Submit { new, nonce, signature } => self.submit(asker, new, nonce, &signature).await,
            ApplicationRequest::List(query) => lists::applications(services, asker, query).await,
            ApplicationRequest::Show(id) => self.shown(asker, &id).await,
            ApplicationRequest::File(id, number) => {
                let submission = self.own(asker, &id).await?.application.submission;
                let is_there = match usize::try_from(number) {
                    Ok(0) => submission.purpose.wanted().is_some(),
                    Ok(number) => number <= submission.documents.len(),
                    Err(_) => false,
                };
                if !is_there {
                    return Err(Error::UnknownDocument);
                }
                Ok(SealAnswer::File(seal_applications::file(services, &id, number).await?))
            }
            ApplicationRequest::Octets(id, step) => {
                self.own(asker, &id).await?;
                let octets = match &step {
                    RequestStep::Check => seal_applications::to_check(services, &id, asker.caller).await?,
                    RequestStep::Approve => seal_applications::to_approve(services, &id).await?,
                    RequestStep::Refuse { reason, explanation } => {
                        seal_applications::to_refuse(services, &id, asker.caller, (*reason, explanation)).await?
                    }
                    RequestStep::Withdraw { reason } => {
                        seal_applications::to_withdraw(services, &id, asker.caller, *reason).await?
                    }
                };
                Ok(SealAnswer::Octets(octets))
            }
            ApplicationRequest::Step(id, step, signature) => self.step(asker, &id, &step, &signature).await,
            ApplicationRequest::Fulfil(id) => self.fulfil(asker, stamping, &id).await,
        }
    }

    async fn submit(
        &self,
        asker: Asker<'_>,
        new: NewApplication,
        nonce: [u8; 32],
        signature: &[u8],
    ) -> Result<SealAnswer, Error> {
        let (services, signed) = (&self.services, asker.signed(signature));
        if let Some(before) = self.submitted_before(asker, &new, &nonce, signature).await? {
            let noted = services.store.read(|tx| Box::pin(rows::submission_event(tx, &before.id)));
            let is_its = |body: &EventBody| matches!(body, EventBody::SealApplicationSubmitted { application, .. } if *application == before.id);
            noted_receipt_again(services, Some(asker.call), noted.await?, is_its).await;
            return self.told(before).await;
        }
        let draft = seal_applications::draft(services, &self.profiles, asker.caller, new, nonce).await?;
        self.told(seal_applications::submit(services, draft, signed).await?).await
    }

    /// The application that this officer submitted with this nonce before, with the same content. So a submission whose
    /// answer was lost is repeated, and is one.
    async fn submitted_before(
        &self,
        asker: Asker<'_>,
        new: &NewApplication,
        nonce: &[u8; 32],
        signature: &[u8],
    ) -> Result<Option<StoredApplication>, Error> {
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let (officer, _) = officer_in(tx, asker.caller).await?;
                Ok::<_, Error>((officer.officer, rows::with_nonce(tx, nonce).await?))
            })
        });
        let (officer, found) = steps.await?;
        let Some(stored) = found else { return Ok(None) };
        let kept = &stored.application.submission;
        let documents = new.documents.iter().map(|document| sm3(document)).collect();
        let asked = Asked { purpose: new.purpose.clone(), division: new.division.clone(), documents };
        let again = asked.submission(*nonce, Hand::of(&officer), kept.submitted_at);
        let is_signed = check_submitter(kept, &officer, &fixed_value(&officer, signature)).is_ok();
        if again == *kept && is_signed { Ok(Some(stored)) } else { Err(Error::ApplicationExists) }
    }

    /// A step of an officer. The step again with the same signature is the step that was taken: it gives the application as it
    /// stands, whatever happened to it since.
    async fn step(
        &self,
        asker: Asker<'_>,
        id: &ApplicationId,
        step: &RequestStep,
        signature: &[u8],
    ) -> Result<SealAnswer, Error> {
        let (services, signed) = (&self.services, asker.signed(signature));
        let taken = match step {
            RequestStep::Check => seal_applications::check(services, id, signed).await,
            RequestStep::Approve => seal_applications::approve(services, &self.profiles, id, signed).await,
            RequestStep::Refuse { reason, explanation } => {
                seal_applications::refuse(services, id, (*reason, explanation), signed).await
            }
            RequestStep::Withdraw { reason } => seal_applications::withdraw(services, id, *reason, signed).await,
        };
        let error = match taken {
            Err(error @ Error::RequestStep(_)) => error,
            taken => return self.told(taken?).await,
        };
        let steps = services.store.read(|tx| {
            Box::pin(async move {
                let (officer, _) = officer_in(tx, asker.caller).await?;
                let stored = rows::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
                Ok::<_, Error>((officer.officer, stored))
            })
        });
        let (officer, stored) = steps.await?;
        let (hand, value) = (Hand::of(&officer), fixed_value(&officer, signature));
        let kept = KeptSteps { check: &stored.check, end: &stored.end_signature, explanation: &stored.explanation };
        match kept.have(&stored.application, step, (&hand, &value)) {
            true => self.told(stored).await,
            false => Err(error),
        }
    }

    async fn fulfil(
        &self,
        asker: Asker<'_>,
        stamping: Option<&Stamping>,
        id: &ApplicationId,
    ) -> Result<SealAnswer, Error> {
        let (services, by) = (&self.services, asker.actor());
        let stored = self.own(asker, id).await?;
        let by = (&by, Some(asker.call));
        let means = Means { issuance: &self.issuance, stamping };
        let seal = match seal_fulfilment::fulfil(services, &self.profiles, means, by, id).await {
            Ok(fulfilled) => fulfilled.seal,
            Err(error) => match self.own(asker, id).await?.application.state {
                RequestState::Fulfilled { .. } => {
                    let about = stored.application.submission.purpose;
                    let made = services.store.read(|tx| Box::pin(seal_records::of_application(tx, id))).await?;
                    let seal = made.map(|record| record.seal).or_else(|| about.seal().cloned());
                    seal.ok_or(Error::UnknownSeal)?
                }
                _ => return Err(error),
            },
        };
        self.found(asker, &seal).await
    }

    async fn shown(&self, asker: Asker<'_>, id: &ApplicationId) -> Result<SealAnswer, Error> {
        let stored = self.own(asker, id).await?;
        self.told(stored).await
    }

    async fn told(&self, stored: StoredApplication) -> Result<SealAnswer, Error> {
        let record = self.services.store.read(|tx| Box::pin(record_of(tx, stored.clone()))).await?;
        Ok(SealAnswer::Application(Box::new(record)))
    }

    /// An application that is decided in the asker's division.
    async fn own(&self, asker: Asker<'_>, id: &ApplicationId) -> Result<StoredApplication, Error> {
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let (officer, _) = officer_in(tx, asker.caller).await?;
                let stored = rows::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
                officer.acts_for(&stored.application.submission.division)?;
                Ok(stored)
            })
        });
        steps.await
    }
}

/// A row as the door tells it.
pub(super) async fn record_of(tx: &mut Tx<'_>, stored: StoredApplication) -> Result<ApplicationRecord, Error> {
    let made = match stored.application.state {
        RequestState::Fulfilled { .. } => seal_records::of_application(tx, &stored.id).await?,
        _ => None,
    };
    let checked = stored.check.map(|check| (check.by.officer, check.at));
    Ok(ApplicationRecord {
        id: stored.id,
        approvals: stored.application.approvals().to_vec(),
        application: stored.application,
        checked,
        explanation: stored.explanation,
        made: made.map(|record| record.seal),
    })
}
