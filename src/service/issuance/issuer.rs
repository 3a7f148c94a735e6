//! An authority that may issue now: its row, its certificate, its key and where it publishes.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, RequestId};
use crate::crypto::{PublicKey, Signer};
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::{self, Issuer, Publication, ThrowAwayKeys};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::format::x509::Certificate;
use crate::service::authorities::publication;
use crate::service::issuance::UnitRole;
use crate::service::publication::{bundle_location, crosses_of};
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::issuance_batches::{self, Item, encode_items};
use crate::store::issued_certificates::StoredStatus;
use crate::store::{Tx, audit, authorities, certificates, issued_certificates};

/// No chain of ours is longer.
const MOST_ABOVE: usize = 16;

/// An authority with all that issuing needs.
pub(in crate::service) struct ReadyIssuer {
    /// Its row.
    pub(in crate::service) authority: StoredAuthority,
    /// Its certificate in DER.
    pub(in crate::service) certificate: Vec<u8>,
    /// Signs with its key.
    pub(in crate::service) signer: Arc<dyn Signer>,
    /// Its public key.
    pub(in crate::service) key: PublicKey,
    publication: Publication,
    throw_away: Arc<ThrowAwayKeys>,
    /// Why it issues nothing but its own responders.
    barred: Option<Barred>,
}

/// Why an authority issues no more. Its lists and answers are still signed, so that a responder it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Barred {
    Retired,
    NotActive,
}

impl From<Barred> for Error {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Retired => Self::AuthorityRetired,
            Barred::NotActive => Self::AuthorityNotActive,
        }
    }
}

impl ReadyIssuer {
    /// Opens the authority's key.
    ///
    /// # Errors
    /// No such authority; it or its key may not issue now.
    pub(in crate::service) async fn load(services: &Services, id: &AuthorityId, now: Timestamp) -> Result<Self, Error> {
        let issuer = Self::load_any(services, id, now).await?;
        issuer.permits(None)?;
        Ok(issuer)
    }

    /// As [`Self::load`]; one that may issue nothing but its responders comes too, and says so by [`Self::permits`].
    pub(in crate::service) async fn load_any(
        services: &Services,
        id: &AuthorityId,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let steps = services.store.read(|tx| {
            Box::pin(async move {
                let (authority, barred) = may_issue(tx, id).await?;
                let kept = certificates::find(tx, &authority.certificate).await?.ok_or(Error::UnknownCertificate)?;
                let signer = services.keys.signer(tx, &authority.key, KeyPurpose::CertificateAuthority, now).await?;
                let is_crossed = !crosses_of(tx, &kept.der, now).await?.is_empty();
                Ok::<_, Error>((authority, barred, (kept.der, signer), is_crossed))
            })
        });
        let (authority, barred, own, is_crossed) = steps.await?;
        // From the first cross certificate on, what is issued names the place of all of them too (RFC 5280 4.2.2.1).
        let bundle = bundle_location(&authority).filter(|_| is_crossed);
        let mut issuer = Self { barred, ..Self::of(services, authority, own)? };
        if let Some(bundle) = bundle {
            issuer.publication = issuer.publication.also_issuers(&bundle)?;
        }
        Ok(issuer)
    }

    /// One whose row is not kept yet.
    ///
    /// # Errors
    /// Its base URL leads to no locations.
    pub(in crate::service) fn of(
        services: &Services,
        authority: StoredAuthority,
        (certificate, signer): (Vec<u8>, Arc<dyn Signer>),
    ) -> Result<Self, Error> {
        let publication = publication(services, &authority)?;
        let throw_away = Arc::clone(&services.throw_away);
        Ok(Self { key: signer.public_key(), authority, certificate, signer, publication, throw_away, barred: None })
    }

    /// Refuses what the authority may not issue any more.
    pub(in crate::service) fn permits(&self, unit: Option<UnitRole>) -> Result<(), Error> {
        match self.barred {
            Some(barred) if unit != Some(UnitRole::Responder) => Err(barred.into()),
            _ => Ok(()),
        }
    }

    /// As the domain wants it; `certificate` is its own, read.
    pub(in crate::service) fn as_issuer<'a>(&'a self, certificate: &'a Certificate<'a>) -> Issuer<'a> {
        Issuer {
            certificate: Some(certificate),
            key: &self.key,
            algorithm: self.signer.algorithm(),
            publication: &self.publication,
            throw_away: &self.throw_away,
        }
    }

    /// Its certificate, read.
    pub(in crate::service) fn certificate(&self) -> Result<Certificate<'_>, Error> {
        Ok(Certificate::parse(&self.certificate).map_err(|_| ca::Error::NoAuthority)?)
    }

    /// Whether it and its key may still issue, in the transaction that keeps what they signed. One that was barred before
    /// signed nothing but a responder's certificate.
    pub(in crate::service) async fn still_may(
        &self,
        services: &Services,
        tx: &mut Tx<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (_, barred) = may_issue(tx, &self.authority.id).await?;
        if let Some(barred) = barred.filter(|_| self.barred.is_none()) {
            return Err(barred.into());
        }
        let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
        services.keys.permitted(tx, &self.authority.key, wanted, now).await?;
        Ok(())
    }

    /// Keeps what is about to be signed, with its event: before the key is used.
    pub(in crate::service) async fn intend(
        &self,
        services: &Services,
        (actor, request): (&Actor, Option<&RequestId>),
        items: &[Item],
        now: Timestamp,
    ) -> Result<BatchId, Error> {
        let batch = BatchId::fresh(now, &*services.random)?;
        let (authority, id) = (&self.authority.id, &batch);
        let body = EventBody::IssuanceIntended {
            batch: batch.clone(),
            authority: authority.clone(),
            items: encode_items(items),
        };
        let event = &Event { at: now, actor: actor.clone(), request: request.cloned(), body };
        let steps = services.store.run("intend issuance", |tx| {
            Box::pin(async move {
                self.still_may(services, tx, now).await?;
                issuance_batches::record_intent(tx, id, authority, items, now).await?;
                audit::append(tx, event).await?;
                Ok::<_, Error>(())
            })
        });
        steps.await?;
        Ok(batch)
    }
}

/// The authority of that name, and why it may not issue as far as rows tell.
async fn may_issue(tx: &mut Tx<'_>, id: &AuthorityId) -> Result<(StoredAuthority, Option<Barred>), Error> {
    let authority = authorities::find(tx, id).await?.ok_or(Error::UnknownAuthority)?;
    if authority.retired_at.is_some() {
        return Ok((authority, Some(Barred::Retired)));
    }
    // What stands below a certificate on hold or revoked finds no path, so nothing new is put there.
    let (mut certificate, mut parent) = (authority.certificate, authority.parent.clone());
    for _ in 0..MOST_ABOVE {
        let Some(above) = parent else { return Ok((authority, None)) };
        let issued = issued_certificates::find_by_sm3(tx, &certificate).await?;
        if issued.is_none_or(|issued| issued.status != StoredStatus::Active) {
            break;
        }
        let above = authorities::find(tx, &above).await?.ok_or(Error::UnknownAuthority)?;
        (certificate, parent) = (above.certificate, above.parent);
    }
    Ok((authority, Some(Barred::NotActive)))
}

/// Closes an intent of which nothing was released; the next start does it where this fails.
pub(in crate::service) async fn abandon(
    services: &Services,
    batch: &BatchId,
    items: &[Item],
    reason: AbandonmentReason,
) {
    let (now, items) = (services.clock.now(), encode_items(items));
    let body = EventBody::IssuanceAbandoned { batch: batch.clone(), reason, items };
    let event = &Event { at: now, actor: Actor::Operator, request: None, body };
    let steps = services.store.run("abandon issuance", |tx| {
        Box::pin(async move {
            issuance_batches::abandon(tx, batch, now).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(())
        })
    });
    if let Err(error) = steps.await {
        tracing::warn!(code = error.code(), "an intent to issue stays open until the next start");
    }
}

/// Why an intent came to nothing, by the error that ended it.
pub(in crate::service) const fn reason_of(error: &Error) -> AbandonmentReason {
    match error {
        Error::Issuance(_) => AbandonmentReason::SelfCheckFailed,
        Error::Keys(_) | Error::Interrupted => AbandonmentReason::KeyFailed,
        _ => AbandonmentReason::NotKept,
    }
}
