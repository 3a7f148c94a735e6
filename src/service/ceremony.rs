//! A key ceremony: the authorities of a reviewed plan, their first revocation lists and a signed transcript, made in an
//! installation that nobody has used before.
//!
//! The steps know no folder: whoever calls them keeps the installation in one that nobody uses until all of it is done, so
//! that a ceremony that breaks off leaves nothing that anybody could take for its result.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::Signer;
use crate::crypto::digest::{hex, sha256, sm3};
use crate::crypto::secrecy::equal;
use crate::crypto::sm2::KeyTables;
use crate::domain::audit::{Actor, EventBody};
use crate::domain::ca::ceremony::{
    Attendance, Custodian, Person, Plan, PlannedAuthority, PlannedCertificate, Protection, ShareRecord, Step,
    Transcript, TranscriptError, Verified, prepare_signature, verify,
};
use crate::domain::ca::possession::{Asked, PossessionError, prove_authority};
use crate::domain::ca::{self, Profiles};
use crate::domain::key::{KeyAttributes, KeyLocation, KeyPurpose, KeySourceKind, KeySuspensionReason, Owner, Profile};
use crate::domain::trust::{Budget, PathFailure, TrustAnchors, TrustError, find_path};
use crate::format::x509::Certificate;
use crate::service::authorities::{self, AuthorityKey, NewAuthority};
use crate::service::authority_requests::{OutsideOrder, certify};
use crate::service::issuance::{Issuance, Issued, Order, Wanted};
use crate::service::keys::making::generate;
use crate::service::keys::shares::{self, Share, ShareError};
use crate::service::keys::{self, NewKey, fresh, life_cycle, made_bits};
use crate::service::publication::Plan as Publishing;
use crate::service::revocation_lists::{self, Kind};
use crate::service::{self, Services};
use crate::store::crls::ShardKey;

const BY: &Actor = &Actor::Operator;
/// The profile of the key that signs the transcript.
const SIGNER_PROFILE: &str = "log";

/// Why a ceremony breaks off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An authority is not made, or its list is not signed.
    #[error("authority {authority}")]
    Authority {
        /// Which.
        authority: String,
        /// Why.
        #[source]
        source: Box<service::Error>,
    },
    /// The key that signs the transcript is not made, or not certified.
    #[error("the key of the transcript")]
    TranscriptKey(#[source] Box<service::Error>),
    /// An authority that was made finds no path to its root.
    #[error("authority {authority} finds no path to its root")]
    Path {
        /// Which.
        authority: String,
        /// Why.
        #[source]
        source: Box<PathFailure>,
    },
    /// A root that was made is not its own.
    #[error("root {authority}")]
    Root {
        /// Which.
        authority: String,
        /// Why.
        #[source]
        source: PossessionError,
    },
    /// What was made cannot be trusted as it is.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The plan wants a device, or none, and the configuration says otherwise.
    #[error("the plan keeps its keys by {planned}; the configuration is of profile {profile}")]
    OtherProfile {
        /// By the plan.
        planned: KeySourceKind,
        /// By the configuration.
        profile: Profile,
    },
    /// The key above all others is not shared out.
    #[error(transparent)]
    Shares(#[from] ShareError),
    /// The key store refused or failed.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The transcript is not written, or does not verify.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// Rows cannot be written or read.
    #[error(transparent)]
    Service(#[from] Box<service::Error>),
    /// A computation was cut off.
    #[error("a computation was cut off")]
    Interrupted,
}

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Authority { source, .. } | Self::TranscriptKey(source) | Self::Service(source) => source.code(),
            Self::Path { source, .. } => source.code(),
            Self::Root { source, .. } => source.code(),
            Self::Trust(_) => "trust",
            Self::OtherProfile { .. } => "plan-other-profile",
            Self::Shares(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Transcript(error) => error.code(),
            Self::Interrupted => "interrupted",
        }
    }
}

/// What the program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    sha256: String,
    self_tests: u64,
}

impl Program {
    /// The program with these octets, which any tool for SHA-256 knows again, after so many known answers.
    #[must_use]
    pub fn new(octets: &[u8], self_tests: usize) -> Self {
        Self { sha256: hex(&sha256(octets)), self_tests: u64::try_from(self_tests).unwrap_or(u64::MAX) }
    }
}

/// Begins the transcript.
///
/// # Errors
/// [`Error::OtherProfile`]: the plan is for an installation of another profile.
pub fn open(
    (plan, text): (&Plan, &[u8]),
    profile: Profile,
    program: &Program,
    at: Timestamp,
) -> Result<Transcript, Error> {
    let planned = match plan.protection {
        Protection::Shares { .. } => KeySourceKind::Shares,
        Protection::Device => KeySourceKind::Device,
    };
    if (planned == KeySourceKind::Device) != (profile == Profile::Gm3) {
        return Err(Error::OtherProfile { planned, profile });
    }
    let attendance = |person: &Person| Attendance { name: person.name.clone(), part: person.part.name().to_owned() };
    let mut transcript = Transcript::default();
    let step = Step::Opened {
        title: plan.title.clone(),
        plan_sm3: hex(&sm3(text)),
        program: concat!("yinxin ", env!("CARGO_PKG_VERSION")).to_owned(),
        program_sha256: program.sha256.clone(),
        self_tests: program.self_tests,
        profile: profile.name().to_owned(),
        present: plan.present.iter().map(attendance).collect(),
    };
    transcript.add(at, step)?;
    Ok(transcript)
}

/// A share, and who takes it.
#[derive(Debug)]
pub struct Handed<'a> {
    /// Who.
    pub custodian: &'a Custodian,
    share: Share,
}

impl Handed<'_> {
    /// The text that the custodian keeps.
    #[must_use]
    pub fn text(&self) -> Secret {
        self.share.to_text()
    }
}

/// Shares a fresh key out among the custodians. The key itself is kept nowhere: the shares that come back give it.
///
/// # Errors
/// No randomness; numbers that do not go together.
pub fn share_out<'a>(
    (threshold, custodians): (u8, &'a [Custodian]),
    transcript: &mut Transcript,
    random: &dyn Random,
    at: Timestamp,
) -> Result<Vec<Handed<'a>>, Error> {
    let key = fresh(random)?;
    let secret = key.expose().try_into().map_err(|_| keys::Error::Derivation)?; // to be shared
    let count = u8::try_from(custodians.len()).unwrap_or(u8::MAX);
    let shares = shares::split(secret, (threshold, count), random).map_err(keys::Error::from)??;
    let set = shares.first().map_or_else(String::new, Share::set);
    let handed = custodians.iter().zip(shares).map(|(custodian, share)| Handed { custodian, share });
    let handed = handed.collect::<Vec<_>>();
    let record = |one: &Handed<'_>| ShareRecord {
        custodian: one.custodian.name.clone(),
        number: one.share.number(),
        sm3: hex(&sm3(one.text().expose())), // its fingerprint
    };
    let shares = handed.iter().map(record).collect();
    transcript.add(at, Step::SharesMade { set, threshold, shares })?;
    Ok(handed)
}

/// Whether that is the custodian's share; then the transcript says so.
///
/// # Errors
/// The transcript's.
pub fn confirm(handed: &Handed<'_>, given: &Secret, transcript: &mut Transcript, at: Timestamp) -> Result<bool, Error> {
    let Ok(share) = Share::parse(given.expose(), 1) else { return Ok(false) };
    if !equal(share.to_text().expose(), handed.text().expose()) {
        return Ok(false);
    }
    let (custodian, share) = (handed.custodian.name.clone(), handed.share.number());
    transcript.add(at, Step::ShareConfirmed { custodian, share })?;
    Ok(true)
}

/// A file that a ceremony makes: its name and its octets.
pub type Named = (String, Vec<u8>);

/// A certificate that a ceremony made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The authority's name, or `transcript`.
    pub name: String,
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// Its subject.
    pub subject: String,
    /// From when until when it is valid.
    pub validity: (Timestamp, Timestamp),
    /// How many authorities may follow below it, where that is bounded.
    pub path_length: Option<u32>,
}

impl Made {
    fn new(name: &str, der: Vec<u8>) -> Result<Self, Error> {
        let unreadable = |error| Box::new(service::Error::from(ca::Error::Unreadable(error)));
        let certificate = Certificate::parse(&der).map_err(unreadable)?;
        let subject = certificate.subject.display();
        let validity = (certificate.not_before, certificate.not_after);
        let path_length = certificate.basic_constraints.and_then(|constraints| constraints.path_length);
        Ok(Self { name: name.to_owned(), der, subject, validity, path_length })
    }
}

/// What a ceremony made, besides the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The transcript.
    pub transcript: String,
    /// Its signature, a detached SignedData.
    pub signature: Vec<u8>,
    /// The transcript, judged.
    pub verified: Verified,
    /// Certificates: of each authority in the order of the plan, then of the transcript's key.
    pub certificates: Vec<Made>,
    /// Revocation lists in DER, under authority and shard.
    pub lists: Vec<Named>,
}

/// Makes all that the plan says in an installation that was just opened, signs the transcript, and judges it. `requests` are
/// those of the plan's certificates for others, in its order.
///
/// # Errors
/// The first step that is refused or fails. What was made until then must not be used.
pub async fn hold(
    services: &Services,
    profiles: Arc<Profiles>,
    (plan, text, requests): (&Plan, &[u8], &[Vec<u8>]),
    mut transcript: Transcript,
) -> Result<Held, Error> {
    // Deltas are for authorities that are at work: a certificate made here names none.
    let services = &services.clone().with_plan(Publishing { delta_every: None, ..Publishing::default() });
    let now = || services.clock.now();
    let protection = match plan.protection {
        Protection::Shares { .. } => KeySourceKind::Shares,
        Protection::Device => KeySourceKind::Device,
    };
    let key_encryption_key = services.keys.encryption_key_id().to_string();
    let protection = protection.name().to_owned();
    transcript.add(now(), Step::InstallationOpened { key_encryption_key, protection })?;

    let mut certificates = Vec::new();
    for planned in &plan.authorities {
        let made = authority(services, &profiles, planned, &mut transcript).await;
        let wrong = |source| Error::Authority { authority: planned.id.to_string(), source: Box::new(source) };
        certificates.push(Made::new(planned.id.as_str(), made.map_err(wrong)??)?);
    }
    for (planned, request) in plan.certificates.iter().zip(requests) {
        let made = certified(services, &profiles, (planned, request), &mut transcript).await;
        let wrong = |source| Error::Authority { authority: planned.id.to_string(), source: Box::new(source) };
        certificates.push(Made::new(planned.id.as_str(), made.map_err(wrong)??)?);
    }
    let signing = transcript_key(services, Arc::clone(&profiles), plan).await;
    let (issued, signer) = signing.map_err(|source| Error::TranscriptKey(Box::new(source)))?;
    let step = Step::TranscriptKeyMade {
        authority: plan.transcript.authority.to_string(),
        algorithm: plan.transcript.algorithm.name().to_owned(),
        certificate_sm3: hex(&issued.sm3),
        certificate: STANDARD.encode(&issued.der),
    };
    transcript.add(now(), step)?;

    let mut lists = Vec::new();
    for planned in &plan.authorities {
        for shard in 0..planned.crl_shards {
            let signed = list(services, planned, shard, &mut transcript).await;
            let wrong = |source| Error::Authority { authority: planned.id.to_string(), source: Box::new(source) };
            lists.push((format!("{}-{shard}", planned.id), signed.map_err(wrong)??));
        }
    }
    validate(plan, &certificates, &mut transcript, now())?;
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    transcript.add(now(), Step::Closed { authorities: count(plan.authorities.len()), lists: count(lists.len()) })?;

    let below = plan.authorities.iter().zip(&certificates).filter(|(planned, _)| planned.parent.is_some());
    let between = below.map(|(_, made)| &made.der[..]).collect::<Vec<_>>();
    let signature = sign(services, &transcript, (&issued, &signer), &between).await?;
    let verified = verify(transcript.text().as_bytes(), &signature, Some(text))?;
    verified.follows(plan)?;
    let body = EventBody::CeremonyHeld { plan_sm3: sm3(text), transcript_sm3: verified.sm3 };
    services.record(BY, None, body).await.map_err(Box::new)?;
    certificates.push(Made::new("transcript", issued.der)?);
    Ok(Held { transcript: transcript.text().to_owned(), signature, verified, certificates, lists })
}

/// Makes one authority; gives its certificate.
async fn authority(
    services: &Services,
    profiles: &Profiles,
    planned: &PlannedAuthority,
    transcript: &mut Transcript,
) -> Result<Result<Vec<u8>, TranscriptError>, service::Error> {
    let key = match services.keys.profile() {
        Profile::Standard => AuthorityKey::Generated(planned.algorithm),
        Profile::Gm3 => {
            let purpose = KeyPurpose::CertificateAuthority;
            let attributes = KeyAttributes::new(Owner::installation(), purpose, planned.algorithm);
            AuthorityKey::Named(generate(services, BY, KeyLocation::Sdf, &attributes).await?.id)
        }
    };
    let new = NewAuthority {
        id: Some(planned.id.clone()),
        name: planned.name.clone(),
        profile: planned.profile.clone(),
        parent: planned.parent.clone(),
        subject: planned.subject.clone(),
        key,
        not_after: planned.not_after,
        base_url: planned.base_url.clone(),
        crl_shards: planned.crl_shards,
    };
    let made = authorities::create(services, profiles, BY, &new).await?;
    let (_, der) = authorities::find(services, &made.id).await?;
    let step = Step::AuthorityMade {
        authority: made.id.to_string(),
        name: made.name,
        profile: planned.profile.clone(),
        parent: made.parent.map(|parent| parent.to_string()),
        key: made.key.to_string(),
        algorithm: planned.algorithm.name().to_owned(),
        certificate_sm3: hex(&made.certificate),
        certificate: STANDARD.encode(&der),
    };
    Ok(transcript.add(services.clock.now(), step).map(|()| der))
}

/// Certifies an authority of another installation; gives its certificate.
async fn certified(
    services: &Services,
    profiles: &Profiles,
    (planned, request): (&PlannedCertificate, &[u8]),
    transcript: &mut Transcript,
) -> Result<Result<Vec<u8>, TranscriptError>, service::Error> {
    let order = OutsideOrder {
        issuer: planned.issuer.clone(),
        csr: request.to_vec(),
        profile: planned.profile.clone(),
        not_after: planned.not_after,
    };
    let issued = certify(services, profiles, BY, &order).await?;
    let step = Step::AuthorityCertified {
        authority: planned.id.to_string(),
        profile: planned.profile.clone(),
        issuer: planned.issuer.to_string(),
        request_sm3: hex(&sm3(request)),
        request: STANDARD.encode(request),
        certificate_sm3: hex(&issued.sm3),
        certificate: STANDARD.encode(&issued.der),
    };
    Ok(transcript.add(services.clock.now(), step).map(|()| issued.der))
}

/// Makes the key that signs the transcript and nothing else: in memory, where it is gone with this process, or in the
/// device, where it rests afterwards.
async fn transcript_key(
    services: &Services,
    profiles: Arc<Profiles>,
    plan: &Plan,
) -> Result<(Issued, Arc<dyn Signer>), service::Error> {
    const PURPOSE: KeyPurpose = KeyPurpose::Log;
    let planned = &plan.transcript;
    let attributes = KeyAttributes::new(Owner::installation(), PURPOSE, planned.algorithm);
    let now = services.clock.now();
    let (signer, key) = match services.keys.profile() {
        Profile::Standard => {
            services.keys.permit_new(&attributes, made_bits(PURPOSE, planned.algorithm), now)?;
            let (random, algorithm) = (Arc::clone(&services.random), planned.algorithm);
            let making = tokio::task::spawn_blocking(move || NewKey::generate(PURPOSE, algorithm, &*random));
            (making.await.map_err(|_| service::Error::Interrupted)??.signer, None)
        }
        Profile::Gm3 => {
            let id = generate(services, BY, KeyLocation::Sdf, &attributes).await?.id;
            let named = &id;
            let steps = services.store.read(|tx| Box::pin(services.keys.signer(tx, named, PURPOSE, now)));
            let signer = steps.await?;
            life_cycle::suspend(services, BY, &id, KeySuspensionReason::Retired).await?;
            (signer, Some(id))
        }
    };
    let asked = Asked {
        subject: planned.subject.clone(),
        alternative_names: Vec::new(),
        identity: Vec::new(),
        key: signer.public_key(),
    };
    let order = Order {
        authority: planned.authority.clone(),
        profile: SIGNER_PROFILE.to_owned(),
        wanted: Wanted::Decided { asked, key },
        not_before: None,
        not_after: None,
        transaction: None,
        actor: BY.clone(),
        request: None,
        completes: None,
    };
    let issued = Issuance::start(services.clone(), profiles).issue(order).await?;
    Ok((issued, signer))
}

/// Signs the first list of a shard, which is in force for as long as the plan says.
async fn list(
    services: &Services,
    planned: &PlannedAuthority,
    shard: u32,
    transcript: &mut Transcript,
) -> Result<Result<Vec<u8>, TranscriptError>, service::Error> {
    // A list is in force half as long again as its period: two thirds of the days, in seconds.
    let full_every = i64::from(planned.crl_days).saturating_mul(57_600);
    let plan = Publishing { full_every, delta_every: None, ..Publishing::default() };
    let services = &services.clone().with_plan(plan);
    let key = ShardKey { authority: planned.id.clone(), shard };
    let head = revocation_lists::issue(services, BY, &key, Kind::Full).await?;
    let list = revocation_lists::current(services, &key, Kind::Full).await?;
    let der = list.ok_or(service::Error::UnknownAuthority)?.der.to_vec();
    let step = Step::ListSigned {
        authority: planned.id.to_string(),
        shard,
        list_number: head.number,
        next_update: head.next_update.to_string(),
        list_sm3: hex(&head.sm3),
        list: STANDARD.encode(&der),
    };
    Ok(transcript.add(services.clock.now(), step).map(|()| der))
}

/// Each authority finds its path to its root, by the same validation as everybody's certificates.
fn validate(plan: &Plan, certificates: &[Made], transcript: &mut Transcript, at: Timestamp) -> Result<(), Error> {
    let mut trust = TrustAnchors::none();
    for (planned, made) in plan.authorities.iter().zip(certificates) {
        match planned.parent {
            None => trust.add_anchors(&made.der, planned.id.as_str())?,
            Some(_) => trust.add_certificates(&made.der, planned.id.as_str())?,
        }
    }
    let tables = KeyTables::default();
    // Behind the plan's own authorities stand those of other installations, each below one of them.
    let own = plan.authorities.iter().map(|planned| (&planned.id, planned.parent.is_some()));
    let all = own.chain(plan.certificates.iter().map(|planned| (&planned.id, true)));
    for ((id, below), made) in all.zip(certificates) {
        let authority = id.to_string();
        let certificate = Certificate::parse(&made.der).map_err(ca::Error::Unreadable);
        let certificate = certificate.map_err(|error| Box::new(service::Error::from(error)))?;
        let path = if below {
            let found = find_path(&certificate, &trust, at, &mut Budget::new(&Limits::DEFAULT), &tables);
            let path =
                found.map_err(|source| Error::Path { authority: authority.clone(), source: Box::new(source) })?;
            path.subjects().into_iter().map(str::to_owned).collect()
        } else {
            prove_authority(&certificate, None)
                .map_err(|source| Error::Root { authority: authority.clone(), source })?;
            vec![certificate.subject.display()]
        };
        transcript.add(at, Step::PathValidated { authority, path })?;
    }
    Ok(())
}

/// Signs the transcript.
async fn sign(
    services: &Services,
    transcript: &Transcript,
    (issued, signer): (&Issued, &Arc<dyn Signer>),
    between: &[&[u8]],
) -> Result<Vec<u8>, Error> {
    let certificate = Certificate::parse(&issued.der).map_err(|_| TranscriptError::Signer)?;
    let (text, at) = (transcript.text().as_bytes(), services.clock.now());
    let token = prepare_signature(text, &certificate, signer.algorithm(), at)?;
    let random: Arc<dyn Random> = Arc::clone(&services.random);
    let value = services.pool.sign(Arc::clone(signer), token.to_sign().to_vec(), random).await?;
    Ok(token.assemble(&value, between)?)
}
