//! Applications for seals as persisted workflows: submitted, checked, approved by different officers, then fulfilled,
//! refused, withdrawn or lapsed.
//!
//! Every step of an officer is a signature by the officer's registered key over octets that fit this step of this
//! application only; it is verified in the transaction that keeps the step, together with the officer's standing and
//! division at that moment. What was approved is done by `seal_fulfilment`, which verifies every approval again.

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, CallerId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::state::RevocationReason;
use crate::domain::ca::{self, Profiles};
use crate::domain::officer::request::{RefusalReason, RequestEvent, RequestState, Submitted as _, WithdrawalReason};
use crate::domain::officer::statement::{Statement, check_submitter};
use crate::domain::officer::{Approval, ApprovalPolicy, Hand, Officer};
use crate::domain::seal::application::{
    Existing, MOST_DOCUMENTS, Purpose, SealApplication, SealForm, SealSubmission, SignerList, examine,
};
use crate::domain::seal::kind::SealKinds;
use crate::domain::seal::order::OrderWithdrawal;
use crate::service::officers::fixed_value;
use crate::service::registration::{MOST_IN_PAGE, Signed, refusal};
use crate::service::seal_making::national;
use crate::service::seal_officers::{officer_in, officer_still};
use crate::service::{Error, Services, certificate_status, seal_fulfilment, seal_uses};
use crate::store::certificate_requests::StoredCheck;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::seal_applications::StoredApplication;
use crate::store::seal_orders::StoredOrder;
use crate::store::seal_records::StoredSealRecord;
use crate::store::{self, Tx, audit, callers, seal_applications, seal_makings, seal_orders, seal_records, seals};

/// The most octets of a document that comes with an application: a scan.
pub const MOST_DOCUMENT: usize = 10 << 20;
/// The most octets of a seal's picture.
pub const MOST_PICTURE: usize = 1 << 20;
/// Applications that one transaction lets lapse.
const MOST_AT_ONCE: i64 = 200;
/// What a PNG begins with (ISO/IEC 15948 5.2).
const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// What an applicant asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApplication {
    /// What is asked for. Where something is to be made it names the SM3 of the picture.
    pub purpose: Purpose,
    /// The division that decides.
    pub division: Division,
    /// The documents.
    pub documents: Vec<Vec<u8>>,
    /// The picture, PNG, where something is to be made.
    pub picture: Option<Vec<u8>>,
}

/// What an applicant asks for, its files by their SM3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As [`NewApplication::purpose`].
    pub purpose: Purpose,
    /// The division that decides.
    pub division: Division,
    /// SM3 of each document.
    pub documents: Vec<[u8; 32]>,
}

impl Asked {
    /// As that person submits it at that moment.
    pub(in crate::service) fn submission(
        &self,
        nonce: [u8; 32],
        applicant: Hand,
        submitted_at: Timestamp,
    ) -> SealSubmission {
        let Self { purpose, division, documents } = self.clone();
        SealSubmission { nonce, purpose, division, documents, applicant, submitted_at }
    }
}

/// An application that would be taken, and waits for the applicant's signature over [`SealSubmission::to_submit`].
#[derive(Debug, Clone)]
pub struct Draft {
    /// What will be on record.
    pub submission: SealSubmission,
    files: Vec<(i64, Vec<u8>)>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The applications, oldest first.
    pub applications: Vec<StoredApplication>,
    /// Behind which one the next page begins; nothing when there is none.
    pub next: Option<ApplicationId>,
}

/// Judges what an applicant asks for: documents, names, division, duplicates, the seal that it is about, its keeper, its
/// picture, and whether the authority would issue the signer's certificate. What is hopeless is refused here with its exact
/// reason; what is taken waits for the signature.
///
/// `nonce` is the application's own random number, the applicant's choice.
///
/// # Errors
/// Why no such application is taken; the officer is none, or acts for another division.
pub async fn draft(
    services: &Services,
    profiles: &Profiles,
    officer: &CallerId,
    new: NewApplication,
    nonce: [u8; 32],
) -> Result<Draft, Error> {
    let files = files(&new)?;
    let documents = new.documents.iter().map(|document| sm3(document)).collect();
    let asked = Asked { purpose: new.purpose, division: new.division, documents };
    Ok(Draft { submission: judge(services, profiles, officer, asked, nonce).await?, files })
}

/// The same for files that are known by their SM3 alone: gives what would be on record, and what the applicant signs.
///
/// # Errors
/// As [`draft`], but for what only the files tell.
pub async fn judge(
    services: &Services,
    profiles: &Profiles,
    officer: &CallerId,
    asked: Asked,
    nonce: [u8; 32],
) -> Result<SealSubmission, Error> {
    let (now, asked) = (services.clock.now(), &asked);
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (applicant, _) = officer_in(tx, officer).await?;
            let submission = asked.submission(nonce, Hand::of(&applicant.officer), now);
            applicant.acts_for(&submission.division)?;
            may_be(tx, &services.seal_kinds, &submission).await?;
            Ok::<_, Error>(submission)
        })
    });
    let submission = steps.await?;
    if let Some(wanted) = submission.purpose.wanted() {
        if wanted.form == SealForm::V1 && wanted.list == SignerList::Digests {
            return Err(Error::SealForm);
        }
        seal_fulfilment::rehearse(services, profiles, wanted).await?;
    }
    Ok(submission)
}

/// The files that are kept with an application, by their numbers.
fn files(new: &NewApplication) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    let picture = || Error::SealPicture { most: MOST_PICTURE };
    match (new.purpose.wanted(), &new.picture) {
        (None, None) => {}
        (Some(wanted), Some(octets)) => {
            let fits = octets.len() <= MOST_PICTURE && octets.starts_with(&PNG) && sm3(octets) == wanted.picture_sm3;
            if !fits {
                return Err(picture());
            }
            files.push((0, octets.clone()));
        }
        _ => return Err(picture()),
    }
    // Counted by `examine`; here only what would be kept in vain.
    for (number, document) in (1..).zip(new.documents.iter().take(MOST_DOCUMENTS)) {
        if !(1..=MOST_DOCUMENT).contains(&document.len()) {
            return Err(Error::SealDocument { most: MOST_DOCUMENT });
        }
        files.push((number, document.clone()));
    }
    Ok(files)
}

/// Whether what is asked for can be, as of now.
pub(in crate::service) async fn may_be(
    tx: &mut Tx<'_>,
    kinds: &SealKinds,
    submission: &SealSubmission,
) -> Result<(), Error> {
    let existing = existing(tx, submission).await?;
    examine(submission, kinds, &existing)?;
    if let Some(wanted) = submission.purpose.wanted() {
        may_keep(tx, &wanted.keeper).await?;
    }
    Ok(())
}

/// Every seal of the holder, and the one that it is about.
async fn existing(tx: &mut Tx<'_>, submission: &SealSubmission) -> Result<Vec<Existing>, Error> {
    let mut records = Vec::new();
    if let Some(wanted) = submission.purpose.wanted() {
        records = seal_records::of_holder(tx, &wanted.holder.credit_code).await?;
    }
    if let Some(seal) = submission.purpose.seal()
        && !records.iter().any(|record| record.seal == *seal)
    {
        records.extend(seal_records::find(tx, seal).await?);
    }
    existing_of(tx, records).await
}

/// Every seal of a holder.
pub(in crate::service) async fn of_holder(tx: &mut Tx<'_>, holder: &CreditCode) -> Result<Vec<Existing>, Error> {
    let records = seal_records::of_holder(tx, holder).await?;
    existing_of(tx, records).await
}

async fn existing_of(tx: &mut Tx<'_>, records: Vec<StoredSealRecord>) -> Result<Vec<Existing>, Error> {
    let mut existing = Vec::with_capacity(records.len());
    for record in records {
        let stored = seals::find(tx, &record.seal).await?.ok_or(Error::UnknownSeal)?;
        let (seal, kind, name, holder) = (record.seal, record.kind, record.name, record.holder);
        existing.push(Existing { seal, kind, name, holder, state: stored.state });
    }
    Ok(existing)
}

/// Whether that caller may keep a seal: it is let in, and cares for seals (so it is none of the three administrators).
pub(in crate::service) async fn may_keep(tx: &mut Tx<'_>, keeper: &CallerId) -> Result<callers::StoredCaller, Error> {
    let found = callers::find(tx, keeper).await?.ok_or(Error::SealKeeper)?;
    seal_uses::may_keep(&found).map_err(|_| Error::SealKeeper)?;
    Ok(found)
}

/// Takes an application that the applicant signed. It is judged once more.
///
/// # Errors
/// As [`draft`]; the signature is not the applicant's; [`Error::ApplicationExists`] for a nonce that came before.
pub async fn submit(services: &Services, draft: Draft, signed: Signed<'_>) -> Result<StoredApplication, Error> {
    let Draft { submission, files } = draft;
    let now = services.clock.now();
    let id = ApplicationId::fresh(now, &*services.random)?;
    let files = files.iter().map(|(number, octets)| (*number, &octets[..])).collect::<Vec<_>>();
    let (submission, files, id) = (&submission, &files, &id);
    let steps = services.store.run("submit seal application", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let value = fixed_value(&officer.officer, signed.signature);
            check_submitter(submission, &officer.officer, &value)?;
            officer.acts_for(&submission.division)?;
            may_be(tx, &services.seal_kinds, submission).await?;
            let stored = StoredApplication {
                id: id.clone(),
                application: SealApplication::new(submission.clone()),
                submission_signature: value,
                check: None,
                end_signature: None,
                explanation: None,
                version: 1,
            };
            seal_applications::insert(tx, &stored, files).await?;
            let body = EventBody::SealApplicationSubmitted {
                application: id.clone(),
                application_sm3: sm3(&submission.to_approve()),
                purpose: submission.purpose.name().to_owned(),
                seal: submission.purpose.seal().cloned(),
            };
            let event = Event { at: now, actor, request: signed.call.cloned(), body };
            let number = audit::append(tx, &event).await?;
            seal_applications::note_submission(tx, id, number).await?;
            Ok(stored)
        })
    });
    match steps.await {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::ApplicationExists),
        outcome => outcome,
    }
}

/// The application of that name.
///
/// # Errors
/// [`Error::UnknownApplication`].
pub async fn find(services: &Services, id: &ApplicationId) -> Result<StoredApplication, Error> {
    let found = services.store.read(|tx| Box::pin(seal_applications::find(tx, id))).await?;
    found.ok_or(Error::UnknownApplication)
}

/// The order at the national system for an application, where there is one.
///
/// # Errors
/// The store's.
pub async fn order(services: &Services, id: &ApplicationId) -> Result<Option<StoredOrder>, Error> {
    Ok(services.store.read(|tx| Box::pin(seal_orders::find(tx, id))).await?)
}

/// The picture (number 0) or a document (from 1) that came with an application.
///
/// # Errors
/// [`Error::UnknownApplication`]; there is no such file, or it is not the one whose SM3 the application names.
pub async fn file(services: &Services, id: &ApplicationId, number: i64) -> Result<Vec<u8>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
            Ok::<_, Error>(seal_applications::file(tx, &stored, number).await?)
        })
    });
    steps.await
}

/// Applications in that state (`submitted`, `checked`, `approved`, `fulfilled`, `refused`, `withdrawn`) or in any, oldest
/// first, from the one behind `after` on, at most `limit` and [`MOST_IN_PAGE`].
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
    let steps = services.store.read(|tx| Box::pin(seal_applications::search(tx, state, after, more)));
    let mut applications = steps.await?;
    let full = i64::try_from(applications.len()) == Ok(more);
    if full {
        applications.pop();
    }
    let next = applications.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Page { applications, next })
}

/// The octets that an approver signs: [`SealSubmission::to_approve`].
///
/// # Errors
/// [`Error::UnknownApplication`].
pub async fn to_approve(services: &Services, id: &ApplicationId) -> Result<Vec<u8>, Error> {
    Ok(find(services, id).await?.application.submission.to_approve())
}

/// The octets that this officer signs to check an application now.
///
/// # Errors
/// [`Error::UnknownApplication`]; the officer is none.
pub async fn to_check(services: &Services, id: &ApplicationId, officer: &CallerId) -> Result<Vec<u8>, Error> {
    to_state(services, id, officer, &Statement::Check).await
}

/// The octets that this officer signs to refuse an application now.
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

/// The octets that this officer signs to withdraw an application now.
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
            let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
            Ok(stored.application.to_state(&officer.officer, statement))
        })
    });
    steps.await
}

/// How many officers must approve: as many as the profile of the signer's certificate says, one where nothing is made.
pub(in crate::service) fn approvals_of(
    profiles: &Profiles,
    submission: &SealSubmission,
) -> Result<ApprovalPolicy, Error> {
    match submission.purpose.wanted() {
        Some(wanted) => Ok(profiles.require(&wanted.profile).map_err(ca::Error::from)?.approval()),
        None => Ok(ApprovalPolicy::ONE),
    }
}

/// A checker states that an application agrees with its documents.
///
/// # Errors
/// Why the step is not taken, as [`Error::RequestStep`]; the officer is none, or acts for another division.
pub async fn check(services: &Services, id: &ApplicationId, signed: Signed<'_>) -> Result<StoredApplication, Error> {
    let take = |stored: StoredApplication, officer: &Officer, value: Vec<u8>, now| {
        stored.application.check_statement(officer, &Statement::Check, &value)?;
        let (application, event) = stored.application.check(officer, now)?;
        let check = Some(StoredCheck { by: Hand::of(officer), at: now, signature: value });
        Ok((StoredApplication { application, check, ..stored }, event, None))
    };
    advance(services, "check seal application", id, signed, take).await
}

/// An officer approves by a signature over [`to_approve`]; with the last one that is asked for the application is approved.
///
/// # Errors
/// As [`check`]; the profile is no more.
pub async fn approve(
    services: &Services,
    profiles: &Profiles,
    id: &ApplicationId,
    signed: Signed<'_>,
) -> Result<StoredApplication, Error> {
    let take = |stored: StoredApplication, officer: &Officer, value: Vec<u8>, now| {
        let policy = approvals_of(profiles, &stored.application.submission)?;
        let (application, event) = stored.application.approve(officer, &value, now, policy)?;
        Ok((StoredApplication { application, ..stored }, event, None))
    };
    advance(services, "approve seal application", id, signed, take).await
}

/// A checker or an approver refuses an application, with a reason of the closed list and an explanation in words. The words
/// stay in the application's row; the audit log gets their SM3. A certificate that was issued for it is revoked.
///
/// # Errors
/// As [`check`]; [`Error::Explanation`].
pub async fn refuse(
    services: &Services,
    id: &ApplicationId,
    (reason, explanation): (RefusalReason, &str),
    signed: Signed<'_>,
) -> Result<StoredApplication, Error> {
    let statement = refusal(reason, explanation)?;
    let take = |stored: StoredApplication, officer: &Officer, value: Vec<u8>, now| {
        stored.application.check_statement(officer, &statement, &value)?;
        let (application, event) = stored.application.refuse(officer, reason, now)?;
        let words_sm3 = Some(sm3(explanation.as_bytes()));
        let explanation = Some(explanation.to_owned());
        let end_signature = Some(value);
        Ok((StoredApplication { application, explanation, end_signature, ..stored }, event, words_sm3))
    };
    advance(services, "refuse seal application", id, signed, take).await
}

/// The applicant takes an application back. A certificate that was issued for it is revoked.
///
/// # Errors
/// As [`check`].
pub async fn withdraw(
    services: &Services,
    id: &ApplicationId,
    reason: WithdrawalReason,
    signed: Signed<'_>,
) -> Result<StoredApplication, Error> {
    let take = |stored: StoredApplication, officer: &Officer, value: Vec<u8>, now| {
        stored.application.check_statement(officer, &Statement::Withdraw { reason }, &value)?;
        let (application, event) = stored.application.withdraw(officer, reason, now)?;
        Ok((StoredApplication { application, end_signature: Some(value), ..stored }, event, None))
    };
    advance(services, "withdraw seal application", id, signed, take).await
}

/// The row after a step, what it tells, and the SM3 of an explanation.
type Taken = Result<(StoredApplication, RequestEvent, Option<[u8; 32]>), Error>;

/// One officer's step: officer and application as they are now, the step, its row and its event in one transaction.
async fn advance(
    services: &Services,
    name: &'static str,
    id: &ApplicationId,
    signed: Signed<'_>,
    take: impl Fn(StoredApplication, &Officer, Vec<u8>, Timestamp) -> Taken + Send + Sync,
) -> Result<StoredApplication, Error> {
    let (now, take) = (services.clock.now(), &take);
    let steps = services.store.run(name, |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
            officer.acts_for(&stored.application.submission.division)?;
            let value = fixed_value(&officer.officer, signed.signature);
            let (next, event, words_sm3) = take(stored, &officer.officer, value, now)?;
            let kept = seal_applications::update(tx, &next).await?;
            let body = told(&kept, &event, words_sm3);
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: signed.call.cloned(), body }).await?;
            let revoked = match kept.application.is_open() {
                true => None,
                false => end_certificate(tx, &actor, &kept, now).await?,
            };
            Ok::<_, Error>((kept, revoked))
        })
    });
    let (kept, revoked) = steps.await?;
    forget(services, revoked.as_ref());
    Ok(kept)
}

/// What became of a certificate is told anew.
pub(in crate::service) fn forget(services: &Services, revoked: Option<&IssuedCertificate>) {
    if let Some(revoked) = revoked {
        services.publication.answers().forget_changed(revoked);
    }
}

/// Revokes the certificate that was issued for an application which comes to nothing, or withdraws its order. Its code stays
/// taken.
async fn end_certificate(
    tx: &mut Tx<'_>,
    actor: &Actor,
    stored: &StoredApplication,
    now: Timestamp,
) -> Result<Option<IssuedCertificate>, Error> {
    let ended = OrderWithdrawal::ApplicationEnded;
    national::withdraw(tx, &stored.id, (ended, ended.name()), now).await?;
    let making = seal_makings::find(tx, &stored.id).await?;
    let Some(sm3) = making.and_then(|making| making.certificate_sm3) else { return Ok(None) };
    certificate_status::end_in(tx, (actor, None), &sm3, RevocationReason::CessationOfOperation, now).await
}

/// What a step tells the audit log.
fn told(stored: &StoredApplication, event: &RequestEvent, words_sm3: Option<[u8; 32]>) -> EventBody {
    let (application, application_sm3) = (stored.id.clone(), sm3(&stored.application.submission.to_approve()));
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

/// Verifies every approval of an application with the officers as they are now; each must act for its division still.
pub(in crate::service) async fn confirm(
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    stored: &StoredApplication,
) -> Result<(), Error> {
    let submission = &stored.application.submission;
    let mut officers = Vec::new();
    if let RequestState::Approved { approvals, .. } = &stored.application.state {
        for Approval { hand, .. } in approvals {
            let still = officer_still(tx, &hand.officer).await?;
            officers.extend(still.filter(|officer| officer.acts_for(&submission.division).is_ok()));
        }
    }
    let policy = approvals_of(profiles, submission)?;
    let known = |id: &CallerId| officers.iter().map(|one| &one.officer).find(|officer| officer.id == *id);
    stored.application.confirm(policy, known)?;
    Ok(())
}

/// Refuses, as lapsed, every application that did not move for so many days; gives how many. Certificates that were issued
/// for them are revoked.
///
/// # Errors
/// The store's; what lapsed before stays lapsed.
pub async fn lapse(services: &Services, days: u32) -> Result<u64, Error> {
    let now = services.clock.now();
    let bound = now.plus_days(-i64::from(days));
    let mut lapsed = 0_u64;
    loop {
        let steps = services.store.run("let seal applications lapse", |tx| {
            Box::pin(async move {
                let waiting = seal_applications::waiting_since(tx, bound, MOST_AT_ONCE).await?;
                let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
                let mut revoked = Vec::new();
                for stored in waiting {
                    let (application, event) = stored.application.clone().lapse(now)?;
                    let kept = seal_applications::update(tx, &StoredApplication { application, ..stored }).await?;
                    let body = told(&kept, &event, None);
                    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
                    revoked.extend(end_certificate(tx, &Actor::Operator, &kept, now).await?);
                }
                Ok::<_, Error>((count, revoked))
            })
        });
        let (count, revoked) = steps.await?;
        revoked.iter().for_each(|one| forget(services, Some(one)));
        match count {
            0 => return Ok(lapsed),
            count => lapsed = lapsed.saturating_add(count),
        }
    }
}
