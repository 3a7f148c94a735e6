//! Who signs reports: keys of purpose `report`, each with a certificate under an authority of ours; made, listed, retired,
//! and found again.

use std::sync::Arc;

use crate::base::id::{AuthorityId, KeyId};
use crate::crypto::Signer;
use crate::domain::audit::Actor;
use crate::domain::ca::possession::Asked;
use crate::domain::key::{KeyAttributes, KeyLocation, KeyPurpose, Owner};
use crate::format::x509::Certificate;
use crate::service::issuance::{Issuance, Issued, Order, UnitRole, Wanted};
use crate::service::keys::life_cycle::discard;
use crate::service::keys::making::{generate, public_key_of};
use crate::service::stamping::authority::{KnownUnit, NewUnit, above, list_in, retire_in};
use crate::service::{Error, Services};
use crate::store::issued_certificates::{IssuedCertificate, StoredStatus};
use crate::store::{Tx, certificates, issued_certificates};

/// The role of a report key's certificate in the store.
pub const ROLE: &str = UnitRole::Report.name();

/// A key that may sign reports now.
pub(super) struct Unit {
    pub(super) certificate: Vec<u8>,
    /// Certificates above, without roots.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) key: KeyId,
    pub(super) signer: Arc<dyn Signer>,
}

/// Makes a key for reports and its certificate, issued by that authority of ours as every certificate is. A service at
/// work uses it from the next report on.
///
/// # Errors
/// The authority may not issue; the profile refuses; the algorithm policy lets nobody make such a key or certificate; the
/// key store's or the device's refusal; the database's.
pub async fn establish(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    authority: &AuthorityId,
    new: NewUnit,
) -> Result<Issued, Error> {
    // Before a key is made for nothing.
    crate::service::authorities::find(services, authority).await?;
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Report, new.algorithm);
    let location = new.location.unwrap_or_else(|| services.keys.own_location());
    if location == KeyLocation::Software {
        services.keys.permit_software()?;
    }
    let key = generate(services, actor, location, &attributes).await?;
    let (alternative_names, identity) = (Vec::new(), Vec::new());
    let asked = Asked { subject: new.subject, alternative_names, identity, key: public_key_of(&key)? };
    let order = Order {
        authority: authority.clone(),
        profile: new.profile,
        wanted: Wanted::Unit { asked, key: key.id.clone(), role: UnitRole::Report },
        not_before: None,
        not_after: new.not_after,
        transaction: None,
        actor: actor.clone(),
        request: None,
        completes: None,
    };
    let issued = issuance.issue(order).await;
    if issued.is_err() {
        discard(services, actor, &key.id).await;
    }
    issued
}

/// Every report key that an authority of ours certified, newest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<KnownUnit>, Error> {
    list_in(services, ROLE).await
}

/// Ends a report key for ever: its certificate is revoked because it ceases, and the key destroyed.
///
/// # Errors
/// [`Error::UnknownCertificate`]: it is no report key's; its certificate is revoked and its key destroyed already.
pub async fn retire(services: &Services, actor: &Actor, sm3: &[u8; 32]) -> Result<IssuedCertificate, Error> {
    retire_in(services, actor, (ROLE, sm3)).await
}

/// Whether the certificate is neither on hold nor revoked.
pub(super) async fn is_active(tx: &mut Tx<'_>, sm3: &[u8; 32]) -> Result<bool, Error> {
    let issued = issued_certificates::find_by_sm3(tx, sm3).await?;
    Ok(issued.is_none_or(|issued| issued.status == StoredStatus::Active))
}

/// The newest report key that may be used now: its certificate valid and active, the key in use.
pub(super) async fn current(services: &Services) -> Result<Option<Unit>, Error> {
    let now = services.clock.now();
    let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, ROLE))).await?;
    for row in rows {
        let (Some(key), sm3) = (row.key, row.sm3) else { continue };
        let Ok(parsed) = Certificate::parse(&row.der) else { continue };
        if now < parsed.not_before || now > parsed.not_after {
            continue;
        }
        let named = &key;
        let found = services.store.read(|tx| {
            Box::pin(async move {
                if !is_active(tx, &sm3).await? {
                    return Ok(None);
                }
                Ok::<_, Error>(Some(services.keys.signer(tx, named, KeyPurpose::Report, now).await?))
            })
        });
        match found.await {
            Ok(Some(signer)) => {
                let mut chain = above(services, &parsed).await?;
                // Whoever checks has the root, or does not believe it (RFC 5280 6.1).
                chain.retain(|der| Certificate::parse(der).is_ok_and(|one| one.subject.raw() != one.issuer.raw()));
                let certificate = row.der.clone();
                return Ok(Some(Unit { certificate, chain, key, signer }));
            }
            Ok(None) => {}
            // One key that may not be used keeps no other from its work.
            Err(error) => tracing::warn!(key = %key, code = error.code(), "a report key is left out: {error}"),
        }
    }
    Ok(None)
}
