//! Units of the installation: a key and a certificate under an authority of ours for one duty, such as time stamps or
//! signed reports; made, listed and retired by one piece.
//!
//! What a crash means at each arrow of `make key → order`: after *make key* a key is there that no certificate names: it
//! signs nothing, and the next unit of its role, kind and place is made with it. *order* keeps certificate, unit and events
//! together or none of them, and in the same transaction looks that no other unit has the key: of two units that are made
//! at once and find one key, one gets it, and the other looks again.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::domain::audit::Actor;
use crate::domain::ca::possession::Asked;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::state::RevocationReason;
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyState, Owner};
use crate::format::x509::Certificate;
use crate::service::certificate_status::{self, Change};
use crate::service::issuance::{Issuance, Issued, Order, Wanted};
use crate::service::keys::life_cycle::{discard, discard_uncertified};
use crate::service::keys::making::{generate, public_key_of};
use crate::service::{Error, Services, authorities};
use crate::store::issued_certificates::{IssuedCertificate, StoredStatus};
use crate::store::keys::{Custody, StoredKey};
use crate::store::{Tx, certificates, issued_certificates, keys};

pub use crate::service::issuance::UnitRole;

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
    /// The profile of its certificate: the one of its role ([`UnitRole::profile`]), or another one for the same duty.
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

/// Makes a key for that duty and its certificate, issued by that authority of ours as every certificate is. A service at
/// work takes it up by itself. A key of that purpose, kind and place that no certificate names is used instead of a new
/// one: what a unit left that did not come about.
///
/// # Errors
/// The authority may not issue; the profile refuses; the algorithm policy lets nobody make such a key or certificate; the
/// key store's or the device's refusal; the database's.
pub async fn establish(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    duty: (&AuthorityId, UnitRole),
    new: NewUnit,
) -> Result<Issued, Error> {
    establish_for(services, issuance, (actor, &Owner::installation()), duty, new).await
}

/// As [`establish`], with a key of that owner's.
///
/// # Errors
/// As [`establish`].
pub(in crate::service) async fn establish_for(
    services: &Services,
    issuance: &Issuance,
    (actor, owner): (&Actor, &Owner),
    (authority, role): (&AuthorityId, UnitRole),
    new: NewUnit,
) -> Result<Issued, Error> {
    // Before a key is made for nothing.
    authorities::find(services, authority).await?;
    let attributes = KeyAttributes::new(owner.clone(), role.purpose(), new.algorithm);
    let location = new.location.unwrap_or_else(|| services.keys.own_location());
    if location == KeyLocation::Software {
        services.keys.permit_software()?;
    }
    for _ in 1..MOST_TURNS {
        match try_establish(services, issuance, actor, (authority, role), (location, &attributes), &new).await {
            Err(error) if is_taken(&error) => {}
            outcome => return outcome,
        }
    }
    try_establish(services, issuance, actor, (authority, role), (location, &attributes), &new).await
}

/// Whether another unit was quicker.
fn is_taken(error: &Error) -> bool {
    match error {
        Error::UnitKeyInUse => true,
        Error::Shared(error) => is_taken(error),
        _ => false,
    }
}

/// One turn: with the key that is left over now, or with a new one.
async fn try_establish(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    (authority, role): (&AuthorityId, UnitRole),
    (location, attributes): (KeyLocation, &KeyAttributes),
    new: &NewUnit,
) -> Result<Issued, Error> {
    let left = unused(services, attributes, location).await?;
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
        wanted: Wanted::Unit { asked, key: key.id.clone(), role },
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

/// A key of that owner, purpose and kind that may be used and that no certificate names.
async fn unused(
    services: &Services,
    wanted: &KeyAttributes,
    location: KeyLocation,
) -> Result<Option<StoredKey>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            for key in keys::of_purpose(tx, wanted.purpose).await? {
                let KeyAttributes { owner, algorithm: kind, validity, .. } = &key.attributes;
                let bounded = validity.not_before.is_some() || validity.not_after.is_some();
                let fits = *owner == wanted.owner && *kind == wanted.algorithm && !bounded;
                let usable = matches!(key.state, KeyState::Active { .. }) && place(&key.custody) == location;
                if fits && usable && certificates::of_key(tx, &key.id).await?.is_empty() {
                    return Ok(Some(key));
                }
            }
            Ok::<_, Error>(None)
        })
    });
    steps.await
}

/// Every unit of that role that an authority of ours certified, newest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services, role: UnitRole) -> Result<Vec<KnownUnit>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut units = Vec::new();
            for row in certificates::in_role(tx, role.name()).await? {
                let issued = issued_certificates::find_by_sm3(tx, &row.sm3).await?;
                let (Some(certificate), Some(key)) = (issued, row.key) else { continue };
                let Some(stored) = keys::find(tx, &key).await? else { continue };
                let (algorithm, key_state) = (stored.attributes.algorithm, stored.state);
                units.push(KnownUnit { certificate, key, algorithm, key_state });
            }
            Ok::<_, Error>(units)
        })
    });
    steps.await
}

/// Ends a unit of that role for ever: its certificate is revoked because it ceases, and its key destroyed. Stamps that it
/// made stay good (RFC 3161 4 (1)).
///
/// # Errors
/// [`Error::UnknownCertificate`]: it is no unit's of that role; its certificate is revoked and its key destroyed already.
pub async fn retire(
    services: &Services,
    actor: &Actor,
    (role, sm3): (UnitRole, &[u8; 32]),
) -> Result<IssuedCertificate, Error> {
    let unit = list(services, role).await?.into_iter().find(|unit| unit.certificate.sm3 == *sm3);
    let unit = unit.ok_or(Error::UnknownCertificate)?;
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
pub(in crate::service) async fn is_active(tx: &mut Tx<'_>, sm3: &[u8; 32]) -> Result<bool, Error> {
    let issued = issued_certificates::find_by_sm3(tx, sm3).await?;
    Ok(issued.is_none_or(|issued| issued.status == StoredStatus::Active))
}

/// The certificates above that we hold, as far as their names lead. A client checks them; we only hand them out.
pub(in crate::service) async fn above(
    services: &Services,
    certificate: &Certificate<'_>,
) -> Result<Vec<Vec<u8>>, Error> {
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
