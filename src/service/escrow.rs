//! Pairs of certificates, and the encryption keys that are kept for their owners.
//!
//! What a crash means at each arrow of `make → intend → sign → keep → answer`: before *intend* nothing happened; between
//! *intend* and *keep* the next start abandons the batch, and neither key nor certificates are there; after *keep* the
//! pair is there though nobody was told: [`pair_of`] gives the same answer again, as long as the key is kept.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId, KeyId, RequestId};
use crate::crypto::PublicKey;
use crate::crypto::digest::sm3;
use crate::crypto::sm2;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::pair::{PairError, PairTokens, prepare_pair};
use crate::domain::ca::possession::{Asked, PossessionError, Proved};
use crate::domain::ca::subject::Attributes;
use crate::domain::ca::{self, Profile, Profiles, Request};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, Owner};
use crate::domain::trust::key::subject_public_key_info;
use crate::service::callers::algorithm_of;
use crate::service::inventory::Retention;
use crate::service::issuance::issuer::ReadyIssuer;
use crate::service::issuance::together::{Decision, Together};
use crate::service::issuance::{Issued, serial};
use crate::service::issuance_jobs::approval::wants_approval;
use crate::service::keys::enveloping::{Envelope, EnvelopeForm, check_pair, envelope};
use crate::service::keys::{NewKey, made_bits};
use crate::service::{Error, Services, registration};
use crate::store::escrowed_keys::{self, EscrowedKey};
use crate::store::{audit, certificate_requests, issued_certificates};

/// Keys that one transaction destroys: others wait no longer than that takes.
const MOST_DESTROYED: i64 = 20;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewPair {
    /// Who issues.
    pub authority: AuthorityId,
    /// The profile of the signing certificate.
    pub signing_profile: String,
    /// The profile of the encryption certificate.
    pub encryption_profile: String,
    /// The request of PKCS#10, DER: its signature proves that the subject holds the signing key.
    pub csr: Vec<u8>,
    /// Stands in for the subject of the request, where somebody else knows better.
    pub subject: Option<Attributes>,
    /// Start of validity; now where nothing is told.
    pub not_before: Option<Timestamp>,
    /// End of validity of both; the profiles' usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// Who orders.
    pub actor: Actor,
    /// In which request.
    pub request: Option<RequestId>,
}

/// A pair that is kept and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedPair {
    /// For the subject's own key.
    pub signing: Issued,
    /// For the key that is kept.
    pub encryption: Issued,
    /// The encryption key for its owner.
    pub envelope: Envelope,
    /// The name of the encryption key.
    pub key: KeyId,
}

/// What was decided, before anything is signed.
struct Decided {
    key: NewKey,
    owner: Owner,
    owner_key_sm3: [u8; 32],
    envelope: Envelope,
    tokens: PairTokens,
    serials: ([u8; 16], [u8; 16]),
}

/// Issues both certificates of a pair: both are kept with the encryption key and their events, or nothing is.
///
/// The envelope is for the signing key, or for the temporary key that a request of CFCA's form names
/// (`format::x509::csr::TEMPORARY_PUBLIC_KEY`; that the answer to it is this structure is recollection).
///
/// # Errors
/// [`Error::Possession`], [`Error::Pair`] and what else keeps a certificate from being issued; under a profile that has
/// no private keys outside the device [`crate::service::keys::Error::SoftwareKeysForbidden`], for a device of GM/T 0018
/// gives no key out that another could use; [`Error::TemporaryKey`].
pub async fn issue_pair(services: &Services, profiles: &Arc<Profiles>, new: &NewPair) -> Result<IssuedPair, Error> {
    issue(services, profiles, new, None).await
}

/// Issues the pair that officers approved, for their request: both certificates, the kept key and the end of the request
/// are there, or nothing is. Anybody may ask for it: the approvals decide.
///
/// # Errors
/// As [`issue_pair`] and [`registration::issue`], where [`Error::NotAsApproved`] is for a request that asks for no pair.
pub async fn issue_approved_pair(
    services: &Services,
    profiles: &Arc<Profiles>,
    (actor, call): (&Actor, Option<&RequestId>),
    id: &ApplicationId,
) -> Result<IssuedPair, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let stored = certificate_requests::find(tx, id).await?.ok_or(Error::UnknownRequest)?;
            registration::confirm(tx, profiles, &stored).await?;
            Ok::<_, Error>(stored.request.submission)
        })
    });
    let submission = steps.await?;
    let asked = submission.asked()?;
    let Some(encryption_profile) = submission.encryption_profile else {
        return Err(Error::NotAsApproved { field: registration::ENCRYPTION_PROFILE });
    };
    let new = NewPair {
        authority: submission.authority,
        signing_profile: submission.profile,
        encryption_profile,
        csr: submission.csr,
        subject: None,
        not_before: None,
        not_after: submission.not_after,
        actor: actor.clone(),
        request: call.cloned(),
    };
    issue(services, profiles, &new, Some((id, asked))).await
}

async fn issue(
    services: &Services,
    profiles: &Arc<Profiles>,
    new: &NewPair,
    approved: Option<(&ApplicationId, Asked)>,
) -> Result<IssuedPair, Error> {
    services.keys.permit_software()?;
    let (application, asked) = approved.unzip();
    let now = services.clock.now();
    let issuer = Arc::new(ReadyIssuer::load(services, &new.authority, now).await?);
    let deciding = {
        let (services, profiles, issuer, new) =
            (services.clone(), Arc::clone(profiles), Arc::clone(&issuer), new.clone());
        tokio::task::spawn_blocking(move || decide(&services, &profiles, &issuer, (&new, asked), now))
    };
    let decided = deciding.await.map_err(|_| Error::Interrupted)??;
    let Decided { key, owner, owner_key_sm3, envelope, tokens, serials } = decided;
    let id = KeyId::fresh(now, &*services.random)?;
    let decision =
        |(serial, token), profile: &str, own_key| Decision { serial, token, profile: profile.to_owned(), own_key };
    let decisions = vec![
        decision((serials.0, tokens.signing), &new.signing_profile, None),
        decision((serials.1, tokens.encryption), &new.encryption_profile, Some(id.clone())),
    ];
    let by = (&new.actor, new.request.as_ref());
    let signed = Together::sign(services, issuer, by, decisions, now).await?;
    let [signing, encryption] = signed.rows() else { return signed.settle(services, Err(Error::Interrupted)).await };
    let escrowed = EscrowedKey {
        key: id.clone(),
        certificate: encryption.sm3,
        signing_certificate: signing.sm3,
        owner_key_sm3,
        recipient_sm3: envelope.recipient_sm3,
        envelope: envelope.der.clone(),
        ends_at: encryption.not_after,
        created_at: now,
        destroyed_at: None,
        version: 1,
    };
    let event = |body| Event { at: now, actor: new.actor.clone(), request: new.request.clone(), body };
    let kept = event(EventBody::KeyEscrowed {
        key: id.clone(),
        certificate_sm3: encryption.sm3,
        signing_certificate_sm3: signing.sm3,
        recipient_sm3: envelope.recipient_sm3,
    });
    let attributes = key.attributes(owner);
    let (key, attributes, escrowed, kept, event, id_of, together) =
        (&key, &attributes, &escrowed, &kept, &event, &id, &signed);
    let steps = services.store.run("keep pair", |tx| {
        Box::pin(async move {
            let pair = (&key.private, &key.public[..]);
            let made = services.keys.keep(tx, id_of, attributes, pair, now).await?;
            audit::append(tx, &event(made)).await?;
            together.keep(services, tx, now).await?;
            escrowed_keys::insert(tx, escrowed).await?;
            audit::append(tx, kept).await?;
            if let Some(application) = application {
                let pair = (signing, Some(encryption));
                let ended = registration::fulfil(tx, profiles, application, pair, now).await?;
                audit::append(tx, &event(ended)).await?;
            }
            Ok::<_, Error>(())
        })
    });
    signed.settle(services, steps.await).await?;
    Ok(IssuedPair { signing: signing.into(), encryption: encryption.into(), envelope, key: id })
}

/// Reads the request, makes the encryption key and decides both certificates. Blocks for as long as an RSA key takes.
fn decide(
    services: &Services,
    profiles: &Profiles,
    issuer: &ReadyIssuer,
    (new, approved): (&NewPair, Option<Asked>),
    now: Timestamp,
) -> Result<Decided, Error> {
    let signs = profiles.require(&new.signing_profile).map_err(ca::Error::from)?;
    let encrypts = profiles.require(&new.encryption_profile).map_err(ca::Error::from)?;
    let wanted = [signs, encrypts].iter().any(|profile| wants_approval(profile, &new.actor));
    if wanted && approved.is_none() {
        return Err(Error::ApprovalNeeded);
    }
    if signs.rules().authority || encrypts.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let proved = Proved::read(&new.csr)?;
    let temporary = proved.request().temporary_key().map_err(PossessionError::Malformed)?;
    let asked = match approved {
        Some(asked) => asked,
        None => proved.asked(signs)?,
    };
    let Asked { subject, alternative_names, identity, key: signing_key } = asked;
    let subject = new.subject.as_ref().unwrap_or(&subject);
    let algorithm = encrypting(&signing_key)?;
    let recipient = match temporary {
        None => signing_key.clone(),
        Some(point) => PublicKey::Sm2(sm2::PublicKey::from_bytes(&point).map_err(|_| Error::TemporaryKey)?),
    };
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Escrow, algorithm);
    services.keys.permit_new(&attributes, made_bits(KeyPurpose::Escrow, algorithm), now)?;
    let key = NewKey::generate(KeyPurpose::Escrow, algorithm, &*services.random)?;
    let public = key.public_key();
    check_pair(algorithm, &key.private, &public, &*services.random)?;
    let serials = (serial(&*services.random)?, serial(&*services.random)?);
    let request = |profile, key, serial| Request {
        profile,
        subject,
        alternative_names: &alternative_names,
        identity: &identity,
        key,
        not_before: new.not_before.unwrap_or(now),
        not_after: new.not_after,
        serial,
        transaction: None,
        name_constraints: None,
    };
    let pair = (&request(signs, &signing_key, &serials.0), &request(encrypts, &public, &serials.1));
    let certificate = issuer.certificate()?;
    let tokens = prepare_pair(pair, &issuer.as_issuer(&certificate), (&services.algorithms, now))?;
    let envelope = envelope((algorithm, &key.private, &key.public), &recipient, &*services.random)?;
    let owner_key_sm3 = sm3(&subject_public_key_info(&signing_key));
    Ok(Decided { key, owner: owner_of(subject), owner_key_sm3, envelope, tokens, serials })
}

/// The kind of a key that has an encryption key beside it.
fn encrypting(signing_key: &PublicKey) -> Result<KeyAlgorithm, PairError> {
    match algorithm_of(signing_key) {
        Some(algorithm @ (KeyAlgorithm::Sm2 | KeyAlgorithm::Rsa)) => Ok(algorithm),
        Some(KeyAlgorithm::EcdsaP256 | KeyAlgorithm::Ed25519) | None => {
            Err(PairError::NoEncryption { kind: signing_key.name() })
        }
    }
}

/// Whether a pair could be issued for that key, as far as its profiles and kind say: what is hopeless is refused before
/// officers look at it.
///
/// # Errors
/// As [`issue_pair`].
pub(in crate::service) fn check_kinds(
    services: &Services,
    (signs, encrypts): (&Profile, &Profile),
    key: &PublicKey,
) -> Result<(), Error> {
    services.keys.permit_software()?;
    if encrypts.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    if signs.encrypts() || !encrypts.encrypts() {
        return Err(PairError::Usage.into());
    }
    encrypting(key)?;
    Ok(())
}

/// Whose the key is, as one line of at most 200 characters.
fn owner_of(subject: &Attributes) -> Owner {
    let values = subject.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
    let line = values.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>();
    Owner::parse(line.trim()).unwrap_or_else(|_| Owner::not_recorded())
}

/// The row of the key that is kept for that encryption certificate, or for the pair of that signing certificate.
///
/// # Errors
/// [`Error::UnknownEscrow`].
pub async fn find(services: &Services, certificate: &[u8; 32]) -> Result<EscrowedKey, Error> {
    let found = services.store.read(|tx| Box::pin(escrowed_keys::find_by_certificate(tx, certificate))).await?;
    found.ok_or(Error::UnknownEscrow)
}

/// A pair as it was issued: the same answer again, for whoever lost the first one. Nobody's key is opened for it.
///
/// # Errors
/// [`Error::UnknownEscrow`]; [`Error::EscrowDestroyed`]; [`Error::UnknownCertificate`]: records of certificates were
/// forgotten.
pub async fn pair_of(services: &Services, certificate: &[u8; 32]) -> Result<IssuedPair, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let found = escrowed_keys::find_by_certificate(tx, certificate).await?.ok_or(Error::UnknownEscrow)?;
            if found.destroyed_at.is_some() {
                return Err(Error::EscrowDestroyed);
            }
            let signing = issued_certificates::find_by_sm3(tx, &found.signing_certificate).await?;
            let encryption = issued_certificates::find_by_sm3(tx, &found.certificate).await?;
            let (signing, encryption) = signing.zip(encryption).ok_or(Error::UnknownCertificate)?;
            let form = EnvelopeForm::of(&found.envelope);
            let envelope = Envelope { form, der: found.envelope, recipient_sm3: found.recipient_sm3 };
            Ok((signing, encryption, envelope, found.key))
        })
    });
    let (signing, encryption, envelope, key) = steps.await?;
    Ok(IssuedPair { signing: (&signing).into(), encryption: (&encryption).into(), envelope, key })
}

/// Destroys the keys whose certificates ended so long ago, each with its events; gives how many. A key whose recovery is
/// ordered waits until the order has ended; one that somebody suspended waits until it is resumed, since courts suspend
/// keys so that they are kept.
///
/// How long keys are kept is the operator's to say: as long as the records of their certificates at least.
///
/// # Errors
/// The store's; what was destroyed before stays destroyed.
pub async fn destroy_ended(services: &Services, actor: &Actor, retention: Retention) -> Result<u64, Error> {
    let now = services.clock.now();
    let bounds = (retention.bound(now), now);
    let mut gone = 0_u64;
    // Nearly always nothing is, and no writer is kept waiting.
    if services.store.read(|tx| Box::pin(escrowed_keys::ended(tx, bounds, 1))).await?.is_empty() {
        return Ok(gone);
    }
    loop {
        let steps = services.store.run("destroy escrowed keys", |tx| {
            Box::pin(async move {
                // Read in the transaction that destroys them: nobody else does, or orders a recovery, in between.
                let page = escrowed_keys::ended(tx, bounds, MOST_DESTROYED).await?;
                for row in &page {
                    for event in services.keys.destroy_escrowed(tx, &row.key, now).await? {
                        let event = Event { at: now, actor: actor.clone(), request: None, body: event.into() };
                        audit::append(tx, &event).await?;
                    }
                    escrowed_keys::destroyed(tx, row, now).await?;
                }
                Ok::<_, Error>(u64::try_from(page.len()).unwrap_or(u64::MAX))
            })
        });
        match steps.await? {
            0 => break,
            count => gone = gone.saturating_add(count),
        }
    }
    services.store.forget_deleted().await?;
    Ok(gone)
}
