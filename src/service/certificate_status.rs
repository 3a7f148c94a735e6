//! The status of certificates that we issued: suspended, resumed, revoked. Row and event change together.

use crate::base::clock::Timestamp;
use crate::base::id::RequestId;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::state::{CertificateEvent, CertificateState, InvalidTransition, RevocationReason};
use crate::service::{Error, Services};
use crate::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use crate::store::{self, Tx, audit};

/// A change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Put on hold (certificateHold).
    Suspend,
    /// In use again (removeFromCRL).
    Resume,
    /// At its end, for ever.
    Revoke {
        /// Why.
        reason: RevocationReason,
        /// Since when it is suspected to have been invalid (RFC 5280 5.3.2).
        invalidity_date: Option<Timestamp>,
    },
}

impl Change {
    fn of(self, state: CertificateState, now: Timestamp, not_after: Timestamp) -> Result<Next, InvalidTransition> {
        match self {
            Self::Suspend => state.suspend(now, not_after),
            Self::Resume => state.resume(now, not_after),
            Self::Revoke { reason, invalidity_date } => state.revoke(now, not_after, reason, invalidity_date),
        }
    }
}

type Next = (CertificateState, CertificateEvent);

/// The state that a row tells.
///
/// # Errors
/// A reason that nobody writes.
pub fn state_of(certificate: &IssuedCertificate) -> Result<CertificateState, Error> {
    let since = certificate.status_since;
    match certificate.status {
        StoredStatus::Active => Ok(CertificateState::Active { since }),
        StoredStatus::Suspended => Ok(CertificateState::Suspended { since }),
        StoredStatus::Revoked { reason, invalidity_date } => {
            let row = || crate::crypto::digest::hex(&certificate.sm3);
            let wrong = || store::Error::Inconsistent { table: "issued_certificates", row: row() };
            let reason = RevocationReason::from_number(reason).ok_or_else(wrong)?;
            Ok(CertificateState::Revoked { at: since, reason, invalidity_date })
        }
    }
}

fn stored(state: CertificateState) -> StoredStatus {
    match state {
        CertificateState::Active { .. } => StoredStatus::Active,
        CertificateState::Suspended { .. } => StoredStatus::Suspended,
        CertificateState::Revoked { reason, invalidity_date, .. } => {
            StoredStatus::Revoked { reason: reason.number(), invalidity_date }
        }
    }
}

fn told(event: CertificateEvent, certificate_sm3: [u8; 32]) -> EventBody {
    match event {
        CertificateEvent::Suspended => EventBody::CertificateSuspended { certificate_sm3 },
        CertificateEvent::Resumed => EventBody::CertificateResumed { certificate_sm3 },
        CertificateEvent::Revoked { reason, invalidity_date } => {
            EventBody::CertificateRevoked { certificate_sm3, reason: reason.number().into(), invalidity_date }
        }
    }
}

/// As [`change`], in a transaction. What the service remembers of the certificate is forgotten after it by
/// `services.publication.answers().forget_changed`.
pub(in crate::service) async fn change_in(
    tx: &mut Tx<'_>,
    (actor, request): (&Actor, Option<&RequestId>),
    sm3: &[u8; 32],
    change: Change,
    now: Timestamp,
) -> Result<IssuedCertificate, Error> {
    let found = issued_certificates::find_by_sm3(tx, sm3).await?.ok_or(Error::UnknownCertificate)?;
    let (next, event) = change.of(state_of(&found)?, now, found.not_after)?;
    let body = told(event, *sm3);
    let event = Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let number = audit::append(tx, &event).await?;
    Ok(issued_certificates::change_status(tx, &found, (stored(next), now), number).await?)
}

/// Revokes the certificate in a transaction, where it is there, has not ended and is not revoked yet.
pub(in crate::service) async fn end_in(
    tx: &mut Tx<'_>,
    by: (&Actor, Option<&RequestId>),
    sm3: &[u8; 32],
    reason: RevocationReason,
    now: Timestamp,
) -> Result<Option<IssuedCertificate>, Error> {
    match change_in(tx, by, sm3, Change::Revoke { reason, invalidity_date: None }, now).await {
        Ok(changed) => Ok(Some(changed)),
        Err(Error::UnknownCertificate | Error::CertificateState(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes the status of the certificate with that SM3; gives it as it is now.
///
/// The same change asked for twice is refused the second time with one code, `certificate-state`, and changes nothing.
///
/// # Errors
/// [`Error::UnknownCertificate`]; [`Error::CertificateState`]: the state, the certificate's end or the invalidity date
/// does not allow it.
pub async fn change(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    sm3: &[u8; 32],
    change: Change,
) -> Result<IssuedCertificate, Error> {
    let now = services.clock.now();
    let steps = services.store.run("change certificate", |tx| {
        Box::pin(async move { change_in(tx, (actor, request), sm3, change, now).await })
    });
    let changed = steps.await?;
    // Here it is told at once; other services look for changes at least every second.
    services.publication.answers().forget_changed(&changed);
    Ok(changed)
}
