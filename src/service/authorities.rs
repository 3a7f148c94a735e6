//! Certification authorities of ours: made, listed, retired.
//!
//! What a crash means at each arrow of `prepare → intend → sign → keep`: before *intend* nothing happened; between
//! *intend* and *keep* the next start abandons the batch of the authority above, and neither key nor certificate of the
//! new one is there; after *keep* the authority is there. A root has nobody above it who could intend: what its key
//! signed of itself before *keep* is trusted by nobody and was never released.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, KeyId};
use crate::base::random::Random;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::publication::InvalidPublication;
use crate::domain::ca::subject::Attributes;
use crate::domain::ca::{self, IssuanceToken, Issuer, Profiles, Publication, Request, prepare};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyUse, Owner};
use crate::format::x509::Certificate;
use crate::service::issuance::batch::certificate_row;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::serial;
use crate::service::keys::{NewKey, made_bits};
use crate::service::publication::locations;
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::certificates::StoredCertificate;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::{
    self, Tx, audit, authorities, authority_requests, certificates, issuance_batches, issued_certificates,
};

/// The role of their rows among the certificates.
pub(in crate::service) const ROLE: &str = "authority";

/// The key of a new authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorityKey {
    /// Made with it, in the software store.
    Generated(KeyAlgorithm),
    /// There already, in the software store or in a device; no other authority's.
    Named(KeyId),
}

/// What is asked when an authority is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuthority {
    /// Its name here and in the addresses of what it publishes; a fresh one where nothing is told.
    pub id: Option<AuthorityId>,
    /// What it is called.
    pub name: String,
    /// `root`, `intermediate`, `seal-issuing-ca`, or another profile of an authority.
    pub profile: String,
    /// The authority above it; nothing for a root.
    pub parent: Option<AuthorityId>,
    /// The subject's attributes.
    pub subject: Attributes,
    /// Its key.
    pub key: AuthorityKey,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// Where its CRLs, its certificate and its OCSP answers will be found: `http://host` or `http://host/path`.
    pub base_url: String,
    /// Among how many CRLs its certificates are shared out.
    pub crl_shards: u32,
}

/// Where an authority publishes, as its certificates say from now on: deltas are named where the service's plan has them.
///
/// # Errors
/// The address is not of a form that certificates can say, or there are too many CRLs.
pub fn publication(services: &Services, authority: &StoredAuthority) -> Result<Publication, InvalidPublication> {
    let deltas = services.publication.plan().delta_every.is_some();
    locations(&authority.id, &authority.base_url, authority.crl_shards, deltas)
}

/// The key that the authority will have.
pub(in crate::service) enum OwnKey {
    /// Made in memory.
    Made(NewKey),
    /// Kept before.
    There(Arc<dyn Signer>),
}

impl OwnKey {
    /// Signs with it.
    pub(in crate::service) fn signer(&self) -> &Arc<dyn Signer> {
        match self {
            Self::Made(key) => &key.signer,
            Self::There(signer) => signer,
        }
    }
}

/// What was signed for a new authority, and is not kept yet.
pub(in crate::service) struct Signed {
    /// Its certificate.
    pub(in crate::service) certificate: StoredCertificate,
    /// Where an authority of ours issued it.
    issued: Option<IssuedCertificate>,
    event: EventBody,
}

/// Makes an authority: key, certificate and rows come into being together.
///
/// # Errors
/// The profile, the algorithm policy or the authority above refuses; the name or the key is taken; the key store or the
/// database fails. Then nothing is there.
pub async fn create(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    new: &NewAuthority,
) -> Result<StoredAuthority, Error> {
    make(services, profiles, actor, (new, None)).await
}

/// The row of a new authority, without its certificate, and the key that it will have. Nothing is kept yet.
pub(in crate::service) async fn begin(
    services: &Services,
    profiles: &Profiles,
    new: &NewAuthority,
    now: Timestamp,
) -> Result<(StoredAuthority, OwnKey), Error> {
    if !profiles.require(&new.profile).map_err(ca::Error::from)?.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let id = new.id.clone().map_or_else(|| AuthorityId::fresh(now, &*services.random), Ok)?;
    let base_url = new.base_url.trim_end_matches('/').to_owned();
    locations(&id, &base_url, new.crl_shards, true)?;
    let known = list(services).await?;
    if known.iter().any(|authority| authority.id == id) {
        return Err(Error::AuthorityExists);
    }
    if let AuthorityKey::Named(key) = &new.key {
        services.store.read(|tx| Box::pin(free(tx, (&id, key)))).await?;
    }
    let (key_id, key) = own_key(services, new, &known, now).await?;
    let authority = StoredAuthority {
        id,
        name: new.name.clone(),
        certificate: [0; 32],
        key: key_id,
        parent: new.parent.clone(),
        base_url,
        crl_shards: new.crl_shards,
        created_at: now,
        retired_at: None,
        version: 1,
    };
    Ok((authority, key))
}

/// As [`create`], and where it takes the place of another authority below the same one, an event that says so.
pub(in crate::service) async fn make(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    (new, succeeded): (&NewAuthority, Option<&AuthorityId>),
) -> Result<StoredAuthority, Error> {
    let now = services.clock.now();
    let (authority, key) = begin(services, profiles, new, now).await?;
    let above = match &new.parent {
        Some(parent) => Some(Arc::new(ReadyIssuer::load(services, parent, now).await?)),
        None => None,
    };
    let (serial, token) = decide(services, profiles, new, (&key, above.as_ref()), now).await?;
    let by = (actor, succeeded);
    let Some(above) = above else {
        let value = sign(services, key.signer(), &token).await?;
        let signed = self_signed(token, &value, serial, &authority.key, now)?;
        return keep(services, by, authority, (&key, signed), None, now).await;
    };
    let items = [(serial, sm3(token.to_sign()))];
    let batch = above.intend(services, (actor, None), &items, now).await?;
    let finish = async {
        let value = sign(services, &above.signer, &token).await?;
        let signed = below(&above, (token, &value), serial, &new.profile, &authority.key, now)?;
        keep(services, by, authority, (&key, signed), Some((&above, &batch)), now).await
    };
    let outcome = finish.await;
    if let Err(error) = &outcome {
        abandon(services, &batch, &items, reason_of(error)).await;
    }
    outcome
}

/// The signature over what was decided.
pub(in crate::service) async fn sign(
    services: &Services,
    signer: &Arc<dyn Signer>,
    token: &IssuanceToken,
) -> Result<Vec<u8>, Error> {
    let random: Arc<dyn Random> = Arc::clone(&services.random);
    Ok(services.pool.sign(Arc::clone(signer), token.to_sign().to_vec(), random).await?)
}

/// The key that is asked for: made in memory, or opened.
async fn own_key(
    services: &Services,
    new: &NewAuthority,
    known: &[StoredAuthority],
    now: Timestamp,
) -> Result<(KeyId, OwnKey), Error> {
    const PURPOSE: KeyPurpose = KeyPurpose::CertificateAuthority;
    match &new.key {
        AuthorityKey::Named(id) => {
            if known.iter().any(|authority| authority.key == *id) {
                return Err(Error::AuthorityKeyInUse);
            }
            let signer = services.store.read(|tx| Box::pin(services.keys.signer(tx, id, PURPOSE, now))).await?;
            Ok((id.clone(), OwnKey::There(signer)))
        }
        AuthorityKey::Generated(algorithm) => {
            let algorithm = *algorithm;
            services.keys.permit_software()?;
            let attributes = KeyAttributes::new(Owner::installation(), PURPOSE, algorithm);
            services.keys.permit_new(&attributes, made_bits(PURPOSE, algorithm), now)?;
            let random = Arc::clone(&services.random);
            let making = tokio::task::spawn_blocking(move || NewKey::generate(PURPOSE, algorithm, &*random));
            let made = making.await.map_err(|_| Error::Interrupted)??;
            Ok((KeyId::fresh(now, &*services.random)?, OwnKey::Made(made)))
        }
    }
}

/// Decides what the certificate says, and lints it.
pub(in crate::service) async fn decide(
    services: &Services,
    profiles: &Profiles,
    new: &NewAuthority,
    (key, above): (&OwnKey, Option<&Arc<ReadyIssuer>>),
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken), Error> {
    let profile = profiles.require(&new.profile).map_err(ca::Error::from)?.clone();
    let serial = serial(&*services.random)?;
    let (subject, not_after) = (new.subject.clone(), new.not_after);
    let (signer, above) = (Arc::clone(key.signer()), above.map(Arc::clone));
    let (algorithms, throw_away) = (Arc::clone(&services.algorithms), Arc::clone(&services.throw_away));
    let deciding = tokio::task::spawn_blocking(move || {
        let public = signer.public_key();
        let request = Request {
            profile: &profile,
            subject: &subject,
            alternative_names: &[],
            identity: &[],
            key: &public,
            not_before: now,
            not_after,
            serial: &serial,
            transaction: None,
            name_constraints: None,
        };
        let Some(above) = above else {
            let (algorithm, publication) = (signer.algorithm(), &Publication::nowhere());
            let throw_away = &throw_away;
            let issuer = Issuer { certificate: None, key: &public, algorithm, publication, throw_away };
            return Ok(prepare(&request, &issuer, (&algorithms, now))?);
        };
        let certificate = above.certificate()?;
        Ok::<_, Error>(prepare(&request, &above.as_issuer(&certificate), (&algorithms, now))?)
    });
    Ok((serial, deciding.await.map_err(|_| Error::Interrupted)??))
}

/// A root's certificate by its own key.
pub(in crate::service) fn self_signed(
    token: IssuanceToken,
    value: &[u8],
    serial: [u8; 16],
    key: &KeyId,
    now: Timestamp,
) -> Result<Signed, Error> {
    let der = token.assemble(value)?;
    signed(der, serial, key, None, now)
}

fn below(
    above: &ReadyIssuer,
    made: (IssuanceToken, &[u8]),
    serial: [u8; 16],
    profile: &str,
    key: &KeyId,
    now: Timestamp,
) -> Result<Signed, Error> {
    let (row, _) = certificate_row(above, made, serial, profile, now)?;
    signed(row.der.clone(), serial, key, Some(row), now)
}

fn signed(
    der: Vec<u8>,
    serial: [u8; 16],
    key: &KeyId,
    issued: Option<IssuedCertificate>,
    now: Timestamp,
) -> Result<Signed, Error> {
    let written = Certificate::parse(&der).map_err(ca::Error::Unreadable)?;
    let (subject, issuer) = (written.subject.raw().to_vec(), written.issuer.raw().to_vec());
    let digest = sm3(&der);
    let event = EventBody::CertificateIssued {
        serial: serial.to_vec(),
        issuer_sm3: sm3(&issuer),
        certificate_sm3: digest,
        key: Some(key.clone()),
    };
    let certificate = StoredCertificate {
        sm3: digest,
        serial: serial.to_vec(),
        subject,
        issuer,
        key: Some(key.clone()),
        der,
        role: ROLE.to_owned(),
        issued_at: now,
    };
    Ok(Signed { certificate, issued, event })
}

/// Keeps key, certificate and authority with their events.
pub(in crate::service) async fn insert(
    services: &Services,
    tx: &mut Tx<'_>,
    actor: &Actor,
    authority: &StoredAuthority,
    (key, signed): (&OwnKey, &Signed),
    now: Timestamp,
) -> Result<(), Error> {
    let event = |body| Event { at: now, actor: actor.clone(), request: None, body };
    match key {
        OwnKey::Made(key) => {
            let attributes = key.attributes(Owner::installation());
            let pair = (&key.private, &key.public[..]);
            let body = services.keys.keep(tx, &authority.key, &attributes, pair, now).await?;
            audit::append(tx, &event(body)).await?;
        }
        OwnKey::There(_) => {
            let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
            services.keys.permitted(tx, &authority.key, wanted, now).await?;
        }
    }
    free(tx, (&authority.id, &authority.key)).await?;
    certificates::insert(tx, &signed.certificate).await?;
    authorities::insert(tx, authority).await?;
    audit::append(tx, &event(signed.event.clone())).await?;
    let body = EventBody::AuthorityCreated {
        authority: authority.id.clone(),
        certificate_sm3: authority.certificate,
        key: authority.key.clone(),
        parent: authority.parent.clone(),
    };
    audit::append(tx, &event(body)).await?;
    Ok(())
}

/// Refuses a name or a key that another authority has, or one that waits for its certificate.
pub(in crate::service) async fn free(tx: &mut Tx<'_>, (id, key): (&AuthorityId, &KeyId)) -> Result<(), Error> {
    let known = authorities::all(tx).await?;
    let waiting = authority_requests::all(tx).await?;
    let ids = known.iter().map(|one| &one.id).chain(waiting.iter().map(|one| &one.id));
    if ids.into_iter().any(|known| known == id) {
        return Err(Error::AuthorityExists);
    }
    let mut keys = known.iter().map(|one| &one.key).chain(waiting.iter().map(|one| &one.key));
    if keys.any(|known| known == key) { Err(Error::AuthorityKeyInUse) } else { Ok(()) }
}

/// What a name that is taken means for whoever made an authority.
pub(in crate::service) fn kept(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::AuthorityExists),
        outcome => outcome,
    }
}

/// Keeps key, certificate and authority with their events, all or nothing.
async fn keep(
    services: &Services,
    (actor, succeeded): (&Actor, Option<&AuthorityId>),
    authority: StoredAuthority,
    (key, signed): (&OwnKey, Signed),
    above: Option<(&Arc<ReadyIssuer>, &BatchId)>,
    now: Timestamp,
) -> Result<StoredAuthority, Error> {
    let authority = &StoredAuthority { certificate: signed.certificate.sm3, ..authority };
    let signed = &signed;
    let steps = services.store.run("make authority", |tx| {
        Box::pin(async move {
            insert(services, tx, actor, authority, (key, signed), now).await?;
            if let (Some((above, batch)), Some(issued)) = (above, &signed.issued) {
                // Retired, revoked or suspended since the intent, the authority above or its key: nothing is released.
                above.still_may(services, tx, now).await?;
                issued_certificates::insert_many(tx, std::slice::from_ref(issued)).await?;
                issuance_batches::complete(tx, batch, now).await?;
            }
            if let Some(old) = succeeded {
                let (old, new) = (old.clone(), authority.id.clone());
                let body = EventBody::AuthorityRolledOver { old, new, old_with_new: None, new_with_old: None };
                audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            }
            Ok::<_, Error>(())
        })
    });
    kept(steps.await)?;
    Ok(authority.clone())
}

/// All authorities, oldest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<StoredAuthority>, Error> {
    Ok(services.store.read(|tx| Box::pin(authorities::all(tx))).await?)
}

/// The authority of that name and its certificate in DER.
///
/// # Errors
/// [`Error::UnknownAuthority`].
pub async fn find(services: &Services, id: &AuthorityId) -> Result<(StoredAuthority, Vec<u8>), Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, id).await?.ok_or(Error::UnknownAuthority)?;
            let kept = certificates::find(tx, &authority.certificate).await?.ok_or(Error::UnknownCertificate)?;
            Ok::<_, Error>((authority, kept.der))
        })
    });
    steps.await
}

/// Ends an authority's issuing. What it issued can still be suspended and revoked, and its lists are still signed.
///
/// # Errors
/// [`Error::UnknownAuthority`]; [`Error::AuthorityRetired`]: it was before.
pub async fn retire(services: &Services, actor: &Actor, id: &AuthorityId) -> Result<StoredAuthority, Error> {
    let now = services.clock.now();
    let body = EventBody::AuthorityRetired { authority: id.clone() };
    let event = &Event { at: now, actor: actor.clone(), request: None, body };
    let steps = services.store.run("retire authority", |tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, id).await?.ok_or(Error::UnknownAuthority)?;
            if authority.retired_at.is_some() {
                return Err(Error::AuthorityRetired);
            }
            let retired = authorities::update(tx, &StoredAuthority { retired_at: Some(now), ..authority }).await?;
            audit::append(tx, event).await?;
            Ok(retired)
        })
    });
    steps.await
}
