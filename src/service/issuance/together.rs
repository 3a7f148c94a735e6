//! Certificates that belong together: signed under one intent and kept in one transaction with what else must be there,
//! or none of them.
//!
//! What a crash means at each arrow of `intend → sign → keep` is as in `batch.rs`.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{BatchId, KeyId, RequestId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::IssuanceToken;
use crate::format::x509::Certificate;
use crate::service::issuance::Issued;
use crate::service::issuance::batch::certificate_row;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::{Error, Services};
use crate::store::issuance_batches::Item;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::renewals::{self, CertifiedKey};
use crate::store::{Tx, audit, issuance_batches, issued_certificates};

/// A decision to issue one of them.
pub(in crate::service) struct Decision {
    /// Its serial number.
    pub(in crate::service) serial: [u8; 16],
    /// What it says.
    pub(in crate::service) token: IssuanceToken,
    /// Under which profile.
    pub(in crate::service) profile: String,
    /// Its key, where that is ours.
    pub(in crate::service) own_key: Option<KeyId>,
}

/// Certificates that are signed, and not kept yet.
pub(in crate::service) struct Together {
    issuer: Arc<ReadyIssuer>,
    batch: BatchId,
    items: Vec<Item>,
    rows: Vec<IssuedCertificate>,
    certified: Vec<CertifiedKey>,
    events: Vec<Event>,
}

impl Together {
    /// Intends all of them, then signs all of them; where one fails, the intent is closed.
    ///
    /// # Errors
    /// The authority or its key may not issue now; a signature fails.
    pub(in crate::service) async fn sign(
        services: &Services,
        issuer: Arc<ReadyIssuer>,
        (actor, request): (&Actor, Option<&RequestId>),
        decisions: Vec<Decision>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let item = |decision: &Decision| (decision.serial, sm3(decision.token.to_sign()));
        let items = decisions.iter().map(item).collect::<Vec<_>>();
        let batch = issuer.intend(services, (actor, request), &items, now).await?;
        let (rows, certified, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut signed = Self { issuer, batch, items, rows, certified, events };
        for decision in decisions {
            let outcome = signed.add(services, (actor, request), decision, now).await;
            signed.settle(services, outcome).await?;
        }
        Ok(signed)
    }

    async fn add(
        &mut self,
        services: &Services,
        (actor, request): (&Actor, Option<&RequestId>),
        decision: Decision,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Decision { serial, token, profile, own_key } = decision;
        let (signer, random) = (Arc::clone(&self.issuer.signer), Arc::clone(&services.random));
        let value = services.pool.sign(signer, token.to_sign().to_vec(), random).await?;
        let (row, issuer_sm3) = certificate_row(&self.issuer, (token, &value), serial, &profile, now)?;
        let body = EventBody::CertificateIssued {
            serial: serial.to_vec(),
            issuer_sm3,
            certificate_sm3: row.sm3,
            key: own_key,
        };
        self.events.push(Event { at: now, actor: actor.clone(), request: request.cloned(), body });
        self.certified.extend(certified_key(&row));
        self.rows.push(row);
        Ok(())
    }

    /// What was signed, in the order of the decisions.
    pub(in crate::service) fn rows(&self) -> &[IssuedCertificate] {
        &self.rows
    }

    /// Keeps all of them with their events and closes the intent, in the open transaction.
    ///
    /// # Errors
    /// The authority or its key may not issue any more; the store's.
    pub(in crate::service) async fn keep(
        &self,
        services: &Services,
        tx: &mut Tx<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        // Retired, revoked or suspended since the intent, the authority or its key: nothing is released.
        self.issuer.still_may(services, tx, now).await?;
        issued_certificates::insert_many(tx, &self.rows).await?;
        renewals::certified(tx, &self.certified).await?;
        issuance_batches::complete(tx, &self.batch, now).await?;
        audit::append_many(tx, &self.events).await?;
        Ok(())
    }

    /// Hands an outcome on; where it is an error, the intent is closed: nothing of it is released.
    ///
    /// # Errors
    /// The outcome's.
    pub(in crate::service) async fn settle<T>(
        &self,
        services: &Services,
        outcome: Result<T, Error>,
    ) -> Result<T, Error> {
        if let Err(error) = &outcome {
            abandon(services, &self.batch, &self.items, reason_of(error)).await;
        }
        outcome
    }
}

impl From<&IssuedCertificate> for Issued {
    fn from(row: &IssuedCertificate) -> Self {
        let IssuedCertificate { sm3, serial, not_before, not_after, .. } = *row;
        Self { sm3, serial, der: row.der.clone(), not_before, not_after }
    }
}

/// Which key a certificate of ours certifies, and how long.
pub(in crate::service) fn certified_key(row: &IssuedCertificate) -> Option<CertifiedKey> {
    let certificate = Certificate::parse(&row.der).ok()?;
    let (not_before, not_after) = (row.not_before, row.not_after);
    Some(CertifiedKey { key_sm3: sm3(certificate.public_key.raw), certificate: row.sm3, not_before, not_after })
}
