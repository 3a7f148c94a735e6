//! Making and replacing OCSP responders: a key and a short certificate of its own for each authority (RFC 6960 4.2.2.2).
//!
//! What a crash means at each arrow of `make key → order → end old keys`: after *make key* a key is there that no
//! certificate names: it signs nothing that anybody takes, and is found among the keys. *order* keeps certificate, responder
//! and events together or none of them. Keys of responders that ended are destroyed in the next round where one was missed.

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::domain::audit::Actor;
use crate::domain::ca::possession::Asked;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::key::{KeyAttributes, KeyPurpose, KeyUse, Owner};
use crate::service::issuance::{Issuance, Order, UnitRole, Wanted};
use crate::service::keys::life_cycle::discard;
use crate::service::keys::making::{generate, public_key_of};
use crate::service::publication::Error as Refusal;
use crate::service::responder::PROFILE;
use crate::service::{Error, Services};
use crate::store::issued_certificates::StoredStatus;
use crate::store::responders::{self, StoredResponder};
use crate::store::{self, Tx, authorities, issued_certificates, keys};

/// Characters of an authority's name that stand in its responder's: 64 are the most (RFC 5280 A.1).
const NAME: usize = 48;

/// The authority's responder: the newest one, or, when there is none, it is revoked or on hold, its key may not be used, or
/// two thirds of its time are over, a new one. Its key is made where keys of the installation lie: in the device under
/// profile `gm3`.
///
/// # Errors
/// There is no such authority, or its key may not be used; the profile or the algorithm policy refuses; the store or the
/// device refuses.
pub async fn ensure(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    id: &AuthorityId,
) -> Result<StoredResponder, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, id).await?.ok_or(Refusal::UnknownAuthority)?;
            let newest = responders::newest(tx, id).await?;
            let usable = match &newest {
                Some(responder) => {
                    let wanted = (KeyPurpose::Ocsp, KeyUse::Sign);
                    is_active(tx, &responder.certificate).await?
                        && services.keys.permitted(tx, &responder.key, wanted, now).await.is_ok()
                }
                None => false,
            };
            if let Some(responder) = newest.filter(|responder| usable && is_young(responder, now)) {
                return Ok((authority, Err(responder)));
            }
            let key = keys::find(tx, &authority.key).await?.ok_or(Refusal::Certificate)?;
            Ok::<_, Error>((authority, Ok(key.attributes.algorithm)))
        })
    });
    let (authority, found) = steps.await?;
    // A responder's key is of the kind of its authority's, so that whoever can check the one can check the other.
    let algorithm = match found {
        Err(young) => return Ok(young),
        Ok(algorithm) => algorithm,
    };
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Ocsp, algorithm);
    let key = generate(services, actor, services.keys.own_location(), &attributes).await?;
    let name = authority.name.chars().take(NAME).collect::<String>().trim().to_owned();
    let subject =
        vec![(AttributeKind::Organisation, name.clone()), (AttributeKind::CommonName, format!("{name} OCSP"))];
    let (alternative_names, identity) = (Vec::new(), Vec::new());
    let asked = Asked { subject, alternative_names, identity, key: public_key_of(&key)? };
    let order = Order {
        authority: id.clone(),
        profile: PROFILE.to_owned(),
        wanted: Wanted::Unit { asked, key: key.id.clone(), role: UnitRole::Responder },
        not_before: Some(now),
        not_after: None,
        transaction: None,
        actor: actor.clone(),
        request: None,
        completes: None,
    };
    if let Err(error) = issuance.issue(order).await {
        discard(services, actor, &key.id).await;
        return Err(error);
    }
    services.publication.answers().forget_responder(id);
    let newest = services.store.read(|tx| Box::pin(responders::newest(tx, id))).await?;
    Ok(newest.ok_or(Refusal::Certificate)?)
}

fn is_young(responder: &StoredResponder, now: Timestamp) -> bool {
    let lifetime = responder.not_after.unix().saturating_sub(responder.not_before.unix());
    responder.not_before <= now && now < responder.not_before.plus_seconds(lifetime.saturating_mul(2) / 3)
}

/// Whether a responder's certificate is neither on hold nor revoked.
pub(in crate::service::responder) async fn is_active(
    tx: &mut Tx<'_>,
    certificate: &[u8; 32],
) -> Result<bool, store::Error> {
    let issued = issued_certificates::find_by_sm3(tx, certificate).await?;
    Ok(issued.is_none_or(|issued| issued.status == StoredStatus::Active))
}

/// Destroys the keys of an authority's responders that have ended or are revoked, and forgets their rows; gives how many.
/// The pairs of an SDF device are laid to rest: its own administration alone destroys them (GM/T 0018).
///
/// # Errors
/// The store's.
pub async fn end_old(services: &Services, actor: &Actor, id: &AuthorityId) -> Result<usize, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut ended = Vec::new();
            for responder in responders::of_authority(tx, id).await? {
                let issued = issued_certificates::find_by_sm3(tx, &responder.certificate).await?;
                let revoked = issued.is_some_and(|issued| matches!(issued.status, StoredStatus::Revoked { .. }));
                if revoked || responder.not_after < now {
                    ended.push(responder);
                }
            }
            Ok::<_, Error>(ended)
        })
    });
    let ended = steps.await?;
    for responder in &ended {
        discard(services, actor, &responder.key).await;
        let certificate = &responder.certificate;
        services.store.run("forget responder", |tx| Box::pin(responders::forget(tx, certificate))).await?;
    }
    Ok(ended.len())
}
