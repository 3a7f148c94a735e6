//! Who stamps: making a unit's key and certificate under an authority of ours, and finding them again.

use std::sync::Arc;

use crate::base::id::KeyId;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::audit::{Actor, Event};
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::{self, Profiles};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, Owner};
use crate::domain::stamp::{Authority, Offer, Rules};
use crate::format::x509::Certificate;
use crate::service::certificates::{Above, issue};
use crate::service::keys::{NewKey, made_bits};
use crate::service::stamping::Error;
use crate::service::stamping::clock::WatchedClock;
use crate::service::stamping::unit::Unit;
use crate::service::{self, Services};
use crate::store::certificates::StoredCertificate;
use crate::store::{audit, certificates};

/// The role of a unit's certificate in the store.
pub const ROLE: &str = "tsa";

/// Certificates above a unit's that are looked for.
const HEIGHT: usize = 8;

/// What is asked for when a unit is made.
#[derive(Debug, Clone)]
pub struct NewUnit<'a> {
    /// The kind of its key: SM2, RSA or P-256.
    pub algorithm: KeyAlgorithm,
    /// Its name; the profile `tsa` adds what it fixes.
    pub subject: &'a [(AttributeKind, String)],
    /// Days that its certificate lasts.
    pub days: i64,
}

/// Makes a key for time stamps and its certificate of profile `tsa`, issued by the authority of that certificate, whose
/// key is ours. Key, certificate and their events are kept together. The next start of the service works with it.
///
/// # Errors
/// [`Error::NoAuthorityAbove`]; the profile refuses; the algorithm policy lets nobody make such a key or certificate;
/// the key store's; the database's.
pub async fn establish(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    above: &[u8; 32],
    new: NewUnit<'_>,
) -> Result<StoredCertificate, service::Error> {
    services.keys.permit_software()?;
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let found = certificates::find(tx, above).await?;
            let found = found.and_then(|row| row.key.clone().map(|key| (row, key)));
            let (row, key) = found.ok_or(Error::NoAuthorityAbove)?;
            let signer = services.keys.signer(tx, &key, KeyPurpose::CertificateAuthority, now).await?;
            Ok::<_, service::Error>((row.der, signer))
        })
    });
    let (authority, signer) = steps.await?;
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::TimeStamping, new.algorithm);
    services.keys.permit_new(&attributes, made_bits(new.algorithm), now)?;
    let (id, random) = (KeyId::fresh(now, &*services.random)?, Arc::clone(&services.random));
    let algorithm = new.algorithm;
    let generating =
        tokio::task::spawn_blocking(move || NewKey::generate(KeyPurpose::TimeStamping, algorithm, &*random));
    let key = generating.await.map_err(|_| service::Error::Interrupted)??;
    let role = (profiles.require("tsa").map_err(ca::Error::from)?, ROLE);
    let validity = (now, now.plus_days(new.days));
    let above = Above::Authority(&authority, &signer);
    let issued = &issue((&key, &id), new.subject, role, &above, validity, (services, now)).await?;
    let (id, key) = (&id, &key);
    let keep = services.store.run("establish time-stamping unit", |tx| {
        Box::pin(async move {
            let event = |body| Event { at: now, actor: actor.clone(), request: None, body };
            let attributes = key.attributes(Owner::installation());
            let made = services.keys.keep(tx, id, &attributes, (&key.private, &key.public), now).await?;
            audit::append(tx, &event(made)).await?;
            certificates::insert(tx, &issued.row).await?;
            audit::append(tx, &event(issued.event.clone())).await?;
            Ok::<_, service::Error>(())
        })
    });
    keep.await?;
    Ok(issued.row.clone())
}

/// A unit for each kind of key: the newest certificate of role `tsa` that is valid now and whose key may be used.
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
async fn above(services: &Services, certificate: &Certificate<'_>) -> Result<Vec<Vec<u8>>, service::Error> {
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
