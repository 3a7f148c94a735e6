//! The OCSP responder (RFC 6960, the profile of RFC 5019): answers signed ahead, or at once where a nonce asks for it.
//!
//! An answer is never older than a change of status by a second: who changes a status calls [`Answers::forget`] after the
//! commit, and before a kept answer is given the changes of others are read, if that was not done within the last
//! `FRESH`. Where they cannot be read, nothing kept is given.

mod asked;
mod cache;
mod desk;
mod rotation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest::{hex, sm3};
use crate::domain::trust::key::encode_value;
use crate::format::x509::crl::RevocationReason;
use crate::format::x509::ocsp::{
    CertificateStatus, NewBasicResponse, NewSingleResponse, OcspRefusal, OcspRequest, ResponderId,
};
use crate::service::publication::Error as Refusal;
use crate::service::responder::asked::Asked;
use crate::service::responder::cache::{Cache, Question};
use crate::service::responder::desk::{Desk, Desks};
use crate::service::{Error, Services};
use crate::store::issued_certificates::{self, IssuedCertificate, StoredStatus};

pub use cache::Answer;
pub use rotation::{end_old, ensure};

/// The profile of responders' certificates.
pub const PROFILE: &str = "ocsp-responder";

/// How long after the changes of others were read a kept answer is given without reading them again.
const FRESH: Duration = Duration::from_millis(800);
/// Changes read at once.
const CHANGES: i64 = 500;

/// The responder's memory. Belongs to [`Services`].
pub struct Answers {
    cache: Cache,
    desks: Desks,
    /// The last change that was read, and when; nothing before the first time.
    seen: tokio::sync::Mutex<Option<(i64, Instant)>>,
    /// Behind which certificate of each authority signing ahead goes on, and how many it has looked at in this turn.
    ahead: Mutex<HashMap<AuthorityId, (i64, usize)>>,
}

impl Answers {
    /// With room for that many answers.
    pub(in crate::service) fn new(room: usize) -> Self {
        let (seen, ahead) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { cache: Cache::new(room), desks: Desks::default(), seen, ahead }
    }

    /// Forgets what is kept about a certificate. To be called after the change of its status is committed.
    pub fn forget(&self, authority: &AuthorityId, serial: &[u8; 16]) {
        self.cache.forget(authority, serial);
    }

    /// Forgets who answers for an authority, and what it signed. To be called when its responder is another one, or the
    /// status of a responder's certificate changed.
    pub fn forget_responder(&self, authority: &AuthorityId) {
        self.desks.forget(authority);
        self.cache.forget_all();
    }

    /// Forgets what a change of status makes wrong.
    pub(in crate::service) fn forget_changed(&self, changed: &IssuedCertificate) {
        self.cache.forget(&changed.authority, &changed.serial);
        if changed.profile == PROFILE {
            self.forget_responder(&changed.authority);
        }
    }

    /// How many answers are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cache.count()
    }
}

/// A response to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer that others may keep for as long as it says: one question, no nonce.
    Kept(Arc<Answer>),
    /// An answer to this request alone, DER.
    Fresh(Vec<u8>),
    /// None.
    Refused(OcspRefusal),
}

impl Reply {
    /// The OCSPResponse, DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        match self {
            Self::Kept(answer) => answer.der.to_vec(),
            Self::Fresh(der) => der.clone(),
            Self::Refused(refusal) => refusal.to_der(),
        }
    }
}

/// Answers a request that came for that authority. Whatever fails becomes a refusal of the protocol; the cause goes to the
/// log.
pub async fn answer(services: &Services, authority: &AuthorityId, request: &[u8]) -> Reply {
    match respond(services, authority, request).await {
        Ok(reply) => reply,
        Err(Error::Publishing(Refusal::UnknownAuthority)) => Reply::Refused(OcspRefusal::Unauthorized),
        Err(error) => {
            tracing::warn!(code = error.code(), %authority, "no OCSP answer");
            let passes = match &error {
                Error::Keys(error) => error.passes(),
                Error::Store(_) | Error::Interrupted | Error::Random(_) => true,
                _ => false,
            };
            Reply::Refused(if passes { OcspRefusal::TryLater } else { OcspRefusal::InternalError })
        }
    }
}

async fn respond(services: &Services, authority: &AuthorityId, request: &[u8]) -> Result<Reply, Error> {
    let Ok(request) = OcspRequest::parse(request) else {
        return Ok(Reply::Refused(OcspRefusal::MalformedRequest));
    };
    // RFC 5280 4.2, which RFC 6960 4.4 takes over: nobody answers over an extension that must be understood.
    if request.unknown_critical().is_some() {
        return Ok(Reply::Refused(OcspRefusal::MalformedRequest));
    }
    let (answers, now) = (services.publication.answers(), services.clock.now());
    refresh(services).await?;
    let Some(desk) = answers.desks.of(services, authority, now).await? else {
        // There is no responder yet, or its certificate has ended.
        return Ok(Reply::Refused(OcspRefusal::TryLater));
    };
    let asked = request.requests.iter().map(|single| desk.issuer.read(&single.cert_id)).collect::<Vec<_>>();
    if asked.iter().all(|asked| *asked == Asked::Others) {
        return Ok(Reply::Refused(OcspRefusal::Unauthorized));
    }
    let question = match (&asked[..], &request.requests[..], request.nonce) {
        ([Asked::Ours(digest, serial)], [single], None) => {
            // An answer repeats the CertID of the question; without parameters, or with others, it would be another one.
            let usual = single.cert_id.hash_algorithm.parameters == Some(&[5, 0]);
            usual.then(|| Question { authority: authority.clone(), serial: *serial, digest: *digest })
        }
        _ => None,
    };
    let usable = |kept: &Arc<Answer>| {
        let half = kept.next_update.unix().saturating_sub(kept.this_update.unix()) / 2;
        now >= kept.this_update && now < kept.this_update.plus_seconds(half)
    };
    if let Some(kept) = question.as_ref().and_then(|question| answers.cache.find(question)).filter(usable) {
        return Ok(Reply::Kept(kept));
    }
    let changes = answers.cache.changes();
    let statuses = statuses(services, authority, &asked).await?;
    let never_issued = statuses.iter().all(|(status, _)| *status == CertificateStatus::Unknown);
    let next_update = now.plus_seconds(services.publication.plan().answer_validity).min(desk.not_after);
    let singles = request.requests.iter().zip(&statuses).map(|(single, (status, invalidity_date))| NewSingleResponse {
        cert_id: single.cert_id.raw,
        status: *status,
        this_update: now,
        next_update: Some(next_update),
        archive_cutoff: None,
        invalidity_date: *invalidity_date,
    });
    let singles = singles.collect::<Vec<_>>();
    let der = sign(services, &desk, &singles, request.nonce, now).await?;
    match question.filter(|_| !never_issued) {
        Some(question) => {
            let tag = hex(sm3(&der).first_chunk::<12>().map_or(&[][..], |octets| octets));
            let answer = Arc::new(Answer { der: der.into(), this_update: now, next_update, tag });
            answers.cache.keep(question, Arc::clone(&answer), changes);
            Ok(Reply::Kept(answer))
        }
        None => Ok(Reply::Fresh(der)),
    }
}

/// How each certificate stands: unknown, where we issued none of that number.
async fn statuses(
    services: &Services,
    authority: &AuthorityId,
    asked: &[Asked],
) -> Result<Vec<(CertificateStatus, Option<Timestamp>)>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::with_capacity(asked.len());
            for asked in asked {
                let row = match asked {
                    Asked::Ours(_, serial) => issued_certificates::find(tx, authority, serial).await?,
                    Asked::NeverIssued | Asked::Others => None,
                };
                found.push(row.map_or((CertificateStatus::Unknown, None), |row| status(row.status, row.status_since)));
            }
            Ok::<_, Error>(found)
        })
    });
    steps.await
}

fn status(status: StoredStatus, since: Timestamp) -> (CertificateStatus, Option<Timestamp>) {
    match status {
        StoredStatus::Active => (CertificateStatus::Good, None),
        StoredStatus::Suspended => {
            (CertificateStatus::Revoked { since, reason: Some(RevocationReason::CertificateHold) }, None)
        }
        StoredStatus::Revoked { reason, invalidity_date } => {
            (CertificateStatus::Revoked { since, reason: RevocationReason::from_number(reason) }, invalidity_date)
        }
    }
}

async fn sign(
    services: &Services,
    desk: &Desk,
    responses: &[NewSingleResponse<'_>],
    nonce: Option<&[u8]>,
    now: Timestamp,
) -> Result<Vec<u8>, Error> {
    let responder = ResponderId::Key(&desk.key_hash);
    let tbs = NewBasicResponse { responder, produced_at: now, responses, nonce }.to_tbs();
    let signer = Arc::clone(&desk.signer);
    let (algorithm, oid) = (signer.algorithm(), signer.algorithm().oid().ok_or(Refusal::Algorithm)?);
    let value = services.pool.sign(signer, tbs.clone(), Arc::clone(&services.random)).await?;
    Ok(NewBasicResponse::assemble(&tbs, oid, &encode_value(algorithm, &value), &[&desk.certificate]))
}

/// Signs answers ahead for at most `limit` certificates of that authority, oldest first, behind those of the last call; at
/// the end, or when as many were looked at as answers are kept, the next call begins again. Gives for how many an answer
/// stands now. They are told by SHA-1, as most clients ask (RFC 5019 2.1.1).
///
/// # Errors
/// There is no such authority, or nobody answers for it; the store's.
pub async fn sign_ahead(services: &Services, authority: &AuthorityId, limit: usize) -> Result<usize, Error> {
    let (now, answers) = (services.clock.now(), services.publication.answers());
    let desk = answers.desks.of(services, authority, now).await?;
    let desk = desk.ok_or(Refusal::UnknownAuthority)?;
    let filter = issued_certificates::Filter {
        authority: Some(authority.clone()),
        ends_from: Some(now),
        ..issued_certificates::Filter::default()
    };
    let place = |place: Option<(i64, usize)>| {
        let mut places = answers.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        match place {
            Some(place) => places.insert(authority.clone(), place),
            None => places.remove(authority),
        }
    };
    let room = services.publication.plan().answers;
    let (mut after, mut looked) = place(None).unwrap_or((0, 0));
    let (mut signed, mut left) = (0_usize, limit.min(room.saturating_sub(looked)));
    while left > 0 {
        let part = i64::try_from(left).unwrap_or(CHANGES).min(CHANGES);
        let rows = services.store.read(|tx| Box::pin(issued_certificates::search(tx, &filter, after, part))).await;
        let rows = rows.map_err(Error::from)?;
        for (number, row) in &rows {
            after = *number;
            let request = desk.issuer.request(&row.serial);
            if matches!(answer(services, authority, &request).await, Reply::Kept(_)) {
                signed = signed.saturating_add(1);
            }
        }
        (left, looked) = (left.saturating_sub(rows.len()), looked.saturating_add(rows.len()));
        if i64::try_from(rows.len()).is_ok_and(|count| count < part) {
            return Ok(signed);
        }
    }
    if looked < room {
        place(Some((after, looked)));
    }
    Ok(signed)
}

/// Reads the changes of others, unless that was done a moment ago.
async fn refresh(services: &Services) -> Result<(), Error> {
    let mut seen = services.publication.answers().seen.lock().await;
    if seen.is_some_and(|(_, at)| at.elapsed() < FRESH) {
        return Ok(());
    }
    read_changes(services, &mut seen).await
}

/// Reads the changes of others now, and forgets the answers that they make wrong.
///
/// # Errors
/// The store's: then no kept answer is given until they can be read.
pub async fn catch_up(services: &Services) -> Result<(), Error> {
    let mut seen = services.publication.answers().seen.lock().await;
    read_changes(services, &mut seen).await
}

async fn read_changes(services: &Services, seen: &mut Option<(i64, Instant)>) -> Result<(), Error> {
    // Whatever is committed later than this moment is not promised to be among them.
    let started = Instant::now();
    let answers = services.publication.answers();
    let Some((mut last, _)) = *seen else {
        let last = services.store.read(|tx| Box::pin(issued_certificates::last_change(tx))).await;
        let last = last.map_err(Error::from)?;
        answers.cache.forget_all();
        *seen = Some((last, started));
        return Ok(());
    };
    loop {
        let rows = services.store.read(|tx| Box::pin(issued_certificates::changed_since(tx, last, CHANGES))).await;
        let rows = rows.map_err(Error::from)?;
        for row in &rows {
            answers.forget_changed(row);
            last = row.status_event.unwrap_or(last).max(last);
        }
        if i64::try_from(rows.len()).is_ok_and(|count| count < CHANGES) {
            break;
        }
    }
    *seen = Some((last, started));
    Ok(())
}
