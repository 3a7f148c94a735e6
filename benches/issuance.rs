//! What issuing costs: certificates a second, durable and logged, beside what deciding and signing alone would allow.
//!
//! `cargo bench --bench issuance`. SM2 on SQLite in a temporary folder; each certificate is for a request of PKCS#10 whose
//! signature is verified. The ceiling reads, decides, lints, signs and checks on as many threads as there are cores, and
//! keeps nothing. The job counts from its run, not from its file. Asserts nothing.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::Instant;

use yinxin::base::clock::{Clock as _, SystemClock, Timestamp};
use yinxin::base::id::AuthorityId;
use yinxin::base::random::{SystemRandom, array};
use yinxin::base::secret::Secret;
use yinxin::config::profiles::built_in;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::audit::Actor;
use yinxin::domain::ca::possession::Proved;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::subject::Attributes;
use yinxin::domain::ca::{Issuer, Profiles, Publication, Request, ThrowAwayKeys, prepare};
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::keys::write_pem;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::csr::NewCertificationRequest;
use yinxin::format::x509::name::NameAttributes;
use yinxin::service::Services;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::issuance::{Issuance, Order, Wanted};
use yinxin::service::issuance_jobs::{self, NewJob, Pace};
use yinxin::service::keys::KeySource;

/// Orders that wait at the same time.
const AT_ONCE: usize = 512;
/// Certificates of one round.
const COUNT: usize = 8192;
const ROUNDS: usize = 5;
const PROFILE: &str = "officer";
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::Sm2Sm3;
static THROW_AWAY: LazyLock<ThrowAwayKeys> = LazyLock::new(|| ThrowAwayKeys::new(Arc::new(SystemRandom)));

fn attributes(pairs: &[(AttributeKind, &str)]) -> Attributes {
    pairs.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect()
}

/// A request for an officer.
fn request() -> Vec<u8> {
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let subject = attributes(&[
        (AttributeKind::Organisation, "示例局"),
        (AttributeKind::OrganisationalUnit, "制证科"),
        (AttributeKind::SerialNumber, "1"),
        (AttributeKind::CommonName, "经办人"),
    ]);
    let subject = NameAttributes(subject.into_iter().map(|(kind, value)| (kind.oid(), value)).collect()).to_der();
    let public_key = subject_public_key_info(&Signer::public_key(&key));
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    };
    let tbs = new.to_tbs();
    let value = Signer::sign(&key, &tbs, &SystemRandom).unwrap();
    NewCertificationRequest::assemble(&tbs, ALGORITHM.oid().unwrap(), &encode_value(ALGORITHM, &value))
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays in the temporary folder is the system's to remove.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let folder = Folder(std::env::temp_dir().join(format!("yinxin-issuance-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (profiles, csr) = (Arc::new(built_in().unwrap()), request());
    let (services, order, publication) = runtime.block_on(authority(&folder.0, &profiles, &csr));
    let own = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let above = root(&profiles, &own);
    let mut rates = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rates.0.push(runtime.block_on(durable(&services, &profiles, &order)));
        rates.1.push(runtime.block_on(job(&services, &profiles, &csr)));
        rates.2.push(ceiling(|| one(&profiles, &csr, &own, &above, &publication)));
    }
    let rows = [
        ("issued, durable and logged", rates.0),
        ("issued by a job, each row with its result", rates.1),
        ("decided and signed only (ceiling)", rates.2),
    ];
    for (name, mut rates) in rows {
        rates.sort_by(f64::total_cmp);
        println!("{name:<52} {:>12.0} certificates/s", rates.get(ROUNDS / 2).copied().unwrap_or(f64::NAN));
    }
    runtime.block_on(services.store.close());
}

/// An installation with a root; an order to it, and where it publishes.
async fn authority(folder: &Path, profiles: &Profiles, csr: &[u8]) -> (Services, Order, Publication) {
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let source = KeySource::Passphrase(Secret::new(b"correct horse battery".to_vec()));
    let services = Services::open(&url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let new = NewAuthority {
        id: Some(AuthorityId::parse("root").unwrap()),
        name: "root".into(),
        profile: "root".into(),
        parent: None,
        subject: attributes(&[(AttributeKind::Organisation, "示例局"), (AttributeKind::CommonName, "根")]),
        key: AuthorityKey::Generated(KeyAlgorithm::Sm2),
        not_after: None,
        base_url: "http://ca.example".into(),
        crl_shards: 16,
    };
    let root = authorities::create(&services, profiles, &Actor::Operator, &new).await.unwrap();
    let publication = authorities::publication(&services, &root).unwrap();
    let order = Order {
        authority: root.id,
        profile: PROFILE.into(),
        wanted: Wanted::Request { csr: csr.to_vec(), subject: None },
        not_before: None,
        not_after: None,
        transaction: None,
        actor: Actor::Operator,
        request: None,
        completes: None,
    };
    (services, order, publication)
}

/// Certificates a second through the service.
async fn durable(services: &Services, profiles: &Arc<Profiles>, order: &Order) -> f64 {
    let issuance = Issuance::start(services.clone(), Arc::clone(profiles));
    let started = Instant::now();
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (issuance, order) = (issuance.clone(), order.clone());
        work.spawn(async move {
            for _ in 0..COUNT / AT_ONCE {
                issuance.issue(order.clone()).await.unwrap();
            }
        });
    }
    work.join_all().await;
    rate(COUNT, started)
}

/// Certificates a second through a job that was submitted before.
async fn job(services: &Services, profiles: &Arc<Profiles>, csr: &[u8]) -> f64 {
    let csr = write_pem(csr, "CERTIFICATE REQUEST").replace('\n', "\\n");
    let file = (0..COUNT).map(|number| format!("{{\"name\":\"{number}\",\"csr\":\"{csr}\"}}\n")).collect::<String>();
    let (authority, profile) = (AuthorityId::parse("root").unwrap(), PROFILE.to_owned());
    let new = NewJob { authority, profile, file: file.into_bytes() };
    let submitted = issuance_jobs::submit(services, profiles, &Actor::Operator, &new).await.unwrap();
    let issuance = Issuance::start(services.clone(), Arc::clone(profiles));
    let started = Instant::now();
    let done = issuance_jobs::run(services, &issuance, &submitted.id, Pace::default(), &|_| {}).await.unwrap();
    assert_eq!(usize::try_from(done.job.issued), Ok(COUNT));
    rate(COUNT, started)
}

/// Certificates a second when nothing is kept.
fn ceiling(one: impl Fn() + Sync) -> f64 {
    let threads = available_parallelism().map_or(1, usize::from);
    let (one, started) = (&one, Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || (0..COUNT / threads).for_each(|_| one()));
        }
    });
    rate(COUNT, started)
}

/// A root that signs itself by that key.
fn root(profiles: &Profiles, own: &sm2::PrivateKey) -> Vec<u8> {
    let (public, now) = (Signer::public_key(own), SystemClock.now());
    let request = Request {
        profile: profiles.require("root").unwrap(),
        subject: &attributes(&[(AttributeKind::Organisation, "示例局"), (AttributeKind::CommonName, "根")]),
        alternative_names: &[],
        identity: &[],
        key: &public,
        not_before: now,
        not_after: None,
        serial: &[0x40; 16],
        transaction: None,
        name_constraints: None,
    };
    let publication = &Publication::nowhere();
    sign(
        &request,
        &Issuer { certificate: None, key: &public, algorithm: ALGORITHM, publication, throw_away: &THROW_AWAY },
        own,
        now,
    )
}

/// What the service does for one order, but for its rows.
fn one(profiles: &Profiles, csr: &[u8], own: &sm2::PrivateKey, above: &[u8], publication: &Publication) {
    let (profile, now) = (profiles.require(PROFILE).unwrap(), SystemClock.now());
    let asked = Proved::read(csr).unwrap().asked(profile).unwrap();
    let (certificate, public) = (Certificate::parse(above).unwrap(), Signer::public_key(own));
    let request = Request {
        profile,
        subject: &asked.subject,
        alternative_names: &asked.alternative_names,
        identity: &asked.identity,
        key: &asked.key,
        not_before: now,
        not_after: None,
        serial: &array(&SystemRandom).unwrap(),
        transaction: None,
        name_constraints: None,
    };
    let throw_away = &*THROW_AWAY;
    let issuer =
        Issuer { certificate: Some(&certificate), key: &public, algorithm: ALGORITHM, publication, throw_away };
    assert!(!sign(&request, &issuer, own, now).is_empty());
}

fn sign(request: &Request<'_>, issuer: &Issuer<'_>, own: &sm2::PrivateKey, now: Timestamp) -> Vec<u8> {
    let token = prepare(request, issuer, (&AlgorithmPolicy::whatever_we_compute(), now)).unwrap();
    let value = Signer::sign(own, token.to_sign(), &SystemRandom).unwrap();
    token.assemble(&value).unwrap()
}

fn rate(count: usize, started: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / started.elapsed().as_secs_f64()
}
