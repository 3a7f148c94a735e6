//! Who stamps: units with a key and a certificate under an authority of ours; made, listed, retired, and found again.
//!
//! What a crash means at each arrow of `make key → order`: after *make key* a key is there that no certificate names: it
//! stamps nothing, and the next unit of its kind and place is made with it. *order* keeps certificate, unit and events
//! together or none of them, and in the same transaction looks that no other unit has the key: of two units that are made
//! at once and find one key, one gets it, and the other looks again.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::audit::Actor;
use crate::domain::ca::possession::Asked;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::state::RevocationReason;
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeyState, Owner};
use crate::domain::stamp::{Authority, Offer, Rules};
use crate::format::x509::Certificate;
use crate::service::certificate_status::{self, Change};
use crate::service::issuance::{Issuance, Issued, Order, UnitRole, Wanted};
use crate::service::keys::life_cycle::{discard, discard_uncertified};
use crate::service::keys::making::{generate, public_key_of};
use crate::service::stamping::Error;
use crate::service::stamping::clock::WatchedClock;
use crate::service::stamping::unit::Unit;
use crate::service::{self, Services};
use crate::store::certificates::StoredCertificate;
use crate::store::issued_certificates::{IssuedCertificate, StoredStatus};
use crate::store::keys::{Custody, StoredKey};
use crate::store::{certificates, issued_certificates, keys};

/// The role of a unit's certificate in the store.
pub const ROLE: &str = UnitRole::TimeStamping.name();

/// So often a unit that is made looks for a key, where others are quicker.
const MOST_TURNS: usize = 8;

/// Certificates above a unit's that are looked for.
const HEIGHT: usize = 8;

/// What is asked for when a unit is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUnit {
    /// The kind of its key: SM2, RSA or P-256.
    pub algorithm: KeyAlgorithm,
    /// Where its key is made; where the installation's own keys lie when nothing is told.
    pub location: Option<KeyLocation>,
    /// Its name; the profile adds what it fixes.
    pub subject: Vec<(AttributeKind, String)>,
    /// The profile of its certificate: `tsa`, or another one for time stamps.
    pub profile: String,
    /// When its certificate ends; the profile's usual end when nothing is told.
    pub not_after: Option<Timestamp>,
}

/// A unit that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUnit {
    /// Its certificate, with its status.
    pub certificate: IssuedCertificate,
    /// Its key.
    pub key: KeyId,
    /// The kind of its key.
    pub algorithm: KeyAlgorithm,
    /// The key's state.
    pub key_state: KeyState,
}

/// Makes a key for time stamps and its certificate, issued by that authority of ours as every certificate is. A service at
/// work takes it up by itself. A key of that kind and place that no certificate names is used instead of a new one: what a
/// unit left that did not come about.
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
) -> Result<Issued, service::Error> {
    // Before a key is made for nothing.
    service::authorities::find(services, authority).await?;
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::TimeStamping, new.algorithm);
    let location = new.location.unwrap_or_else(|| services.keys.own_location());
    if location == KeyLocation::Software {
        services.keys.permit_software()?;
    }
    for _ in 1..MOST_TURNS {
        match try_establish(services, issuance, actor, (authority, location, &attributes), &new).await {
            Err(error) if is_taken(&error) => {}
            outcome => return outcome,
        }
    }
    try_establish(services, issuance, actor, (authority, location, &attributes), &new).await
}

/// Whether another unit was quicker.
fn is_taken(error: &service::Error) -> bool {
    match error {
        service::Error::UnitKeyInUse => true,
        service::Error::Shared(error) => is_taken(error),
        _ => false,
    }
}

/// One turn: with the key that is left over now, or with a new one.
async fn try_establish(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    (authority, location, attributes): (&AuthorityId, KeyLocation, &KeyAttributes),
    new: &NewUnit,
) -> Result<Issued, service::Error> {
    let left = unused(services, location, new.algorithm).await?;
    let is_new = left.is_none();
    let key = match left {
        Some(key) => key,
        None => generate(services, actor, location, attributes).await?,
    };
    let (alternative_names, identity) = (Vec::new(), Vec::new());
    let asked = Asked { subject: new.subject.clone(), alternative_names, identity, key: public_key_of(&key)? };
    let order = Order {
        authority: authority.clone(),
        profile: new.profile.clone(),
        wanted: Wanted::Unit { asked, key: key.id.clone(), role: UnitRole::TimeStamping },
        not_before: None,
        not_after: new.not_after,
        transaction: None,
        actor: actor.clone(),
        request: None,
        completes: None,
    };
    let issued = issuance.issue(order).await;
    match &issued {
        // A key that another unit took is that unit's.
        Err(error) if is_new && !is_taken(error) => discard_uncertified(services, actor, &key.id).await,
        _ => {}
    }
    issued
}

const fn place(custody: &Custody) -> KeyLocation {
    match custody {
        Custody::Software { .. } => KeyLocation::Software,
        Custody::Device { location, .. } => *location,
    }
}

/// A key for time stamps of the installation's own that may be used and that no certificate names.
async fn unused(
    services: &Services,
    location: KeyLocation,
    algorithm: KeyAlgorithm,
) -> Result<Option<StoredKey>, service::Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            for key in keys::of_purpose(tx, KeyPurpose::TimeStamping).await? {
                let KeyAttributes { owner, algorithm: kind, validity, .. } = &key.attributes;
                let bounded = validity.not_before.is_some() || validity.not_after.is_some();
                let fits = *owner == Owner::installation() && *kind == algorithm && !bounded;
                let usable = matches!(key.state, KeyState::Active { .. }) && place(&key.custody) == location;
                if fits && usable && certificates::of_key(tx, &key.id).await?.is_empty() {
                    return Ok(Some(key));
                }
            }
            Ok::<_, service::Error>(None)
        })
    });
    steps.await
}

/// Every unit that an authority of ours certified, newest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<KnownUnit>, service::Error> {
    list_in(services, ROLE).await
}

/// As [`list`], of the units of that role.
pub(in crate::service) async fn list_in(
    services: &Services,
    role: &'static str,
) -> Result<Vec<KnownUnit>, service::Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut units = Vec::new();
            for row in certificates::in_role(tx, role).await? {
                let issued = issued_certificates::find_by_sm3(tx, &row.sm3).await?;
                let (Some(certificate), Some(key)) = (issued, row.key) else { continue };
                let Some(stored) = keys::find(tx, &key).await? else { continue };
                let (algorithm, key_state) = (stored.attributes.algorithm, stored.state);
                units.push(KnownUnit { certificate, key, algorithm, key_state });
            }
            Ok::<_, service::Error>(units)
        })
    });
    steps.await
}

/// Ends a unit for ever: its certificate is revoked because it ceases, and its key destroyed. Stamps that it made stay good
/// (RFC 3161 4 (1)).
///
/// # Errors
/// [`service::Error::UnknownCertificate`]: it is no unit's; its certificate is revoked and its key destroyed already.
pub async fn retire(services: &Services, actor: &Actor, sm3: &[u8; 32]) -> Result<IssuedCertificate, service::Error> {
    retire_in(services, actor, (ROLE, sm3)).await
}

/// As [`retire`], of a unit of that role.
pub(in crate::service) async fn retire_in(
    services: &Services,
    actor: &Actor,
    (role, sm3): (&'static str, &[u8; 32]),
) -> Result<IssuedCertificate, service::Error> {
    let unit = list_in(services, role).await?.into_iter().find(|unit| unit.certificate.sm3 == *sm3);
    let unit = unit.ok_or(service::Error::UnknownCertificate)?;
    let reason = RevocationReason::CessationOfOperation;
    let revoke = Change::Revoke { reason, invalidity_date: None };
    let revoked = matches!(unit.certificate.status, StoredStatus::Revoked { .. });
    // Revoked before, perhaps for its key's sake: what is left is the key.
    let certificate = if revoked && !matches!(unit.key_state, KeyState::Destroyed { .. }) {
        unit.certificate
    } else {
        certificate_status::change(services, (actor, None), sm3, revoke).await?
    };
    discard(services, actor, &unit.key).await;
    Ok(certificate)
}

/// Whether a unit's certificate may be worked with: neither on hold nor revoked.
///
/// # Errors
/// The store's.
pub(in crate::service::stamping) async fn is_active(
    services: &Services,
    certificate: &StoredCertificate,
) -> Result<bool, service::Error> {
    let sm3 = &certificate.sm3;
    let issued = services.store.read(|tx| Box::pin(issued_certificates::find_by_sm3(tx, sm3))).await?;
    Ok(issued.is_none_or(|issued| issued.status == StoredStatus::Active))
}

/// A unit for each kind of key: the newest certificate of role `tsa` that is valid and active now and whose key may be used.
pub(in crate::service::stamping) async fn units(
    services: &Services,
    rules: &Arc<Rules>,
    clock: &Arc<WatchedClock>,
) -> Result<Vec<Unit>, service::Error> {
    let now = services.clock.now();
    let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, ROLE))).await?;
    let mut units: Vec<Unit> = Vec::new();
    for row in rows {
        let Some(key) = row.key.clone() else { continue };
        let parsed = Certificate::parse(&row.der).map_err(|error| Error::from(unfit(error)))?;
        let validity = (parsed.not_before, parsed.not_after);
        if now < validity.0 || now > validity.1 {
            tracing::warn!(key = %key, "the certificate of a time-stamping unit is not valid now; it is left out");
            continue;
        }
        if !is_active(services, &row).await? {
            tracing::warn!(key = %key, "the certificate of a time-stamping unit is not active; it is left out");
            continue;
        }
        let named = &key;
        let steps = services
            .store
            .read(|tx| Box::pin(async move { services.keys.signer(tx, named, KeyPurpose::TimeStamping, now).await }));
        let signer = match steps.await {
            Ok(signer) => signer,
            Err(error) => {
                // One key that may not be used keeps no other unit from its work.
                tracing::warn!(key = %key, code = error.code(), "a time-stamping unit is left out: {error}");
                continue;
            }
        };
        let kind = |algorithm: SignatureAlgorithm| algorithm == SignatureAlgorithm::Sm2Sm3;
        if units.iter().any(|known| kind(known.signer.algorithm()) == kind(signer.algorithm())) {
            continue;
        }
        let offer =
            Offer { chain: &[], policies: &rules.policies, digests: &rules.digests, tsa: None, family: rules.family };
        Authority::new(&row.der, signer.algorithm(), offer).map_err(Error::from)?;
        let chain = above(services, &parsed).await?;
        units.push(Unit {
            certificate: row.der.clone(),
            chain,
            validity,
            key,
            signer,
            rules: Arc::clone(rules),
            clock: Arc::clone(clock),
            services: services.clone(),
        });
    }
    Ok(units)
}

fn unfit(error: crate::format::der::Error) -> crate::domain::stamp::UnfitAuthority {
    crate::domain::stamp::UnfitAuthority::Certificate(error)
}

/// The certificates above that we hold, as far as their names lead. A client checks them; we only hand them out.
pub(in crate::service) async fn above(
    services: &Services,
    certificate: &Certificate<'_>,
) -> Result<Vec<Vec<u8>>, service::Error> {
    let (mut subject, mut issuer) = (certificate.subject.raw().to_vec(), certificate.issuer.raw().to_vec());
    let mut chain = Vec::new();
    while subject != issuer && chain.len() < HEIGHT {
        let wanted = &issuer;
        let found = services.store.read(|tx| Box::pin(certificates::of_subject(tx, wanted))).await?;
        let Some(row) = found.into_iter().next() else { break };
        (subject, issuer) = (row.subject, row.issuer);
        chain.push(row.der);
    }
    Ok(chain)
}
