//! An authority of a test's own with certificates, on a database of its own, at a time that the test sets.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use yinxin::base::clock::{Clock, Timestamp};
use yinxin::base::id::{AuthorityId, KeyId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, ecdsa, rsa};
use yinxin::domain::audit::{Actor, Event, EventBody};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::{self, Issuer, Publication, Request, ThrowAwayKeys, prepare};
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose, Owner};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::format::x509::Certificate;
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::{KeySource, NewKey};
use yinxin::service::publication::{Plan, locations};
use yinxin::service::{KeySettings, Services};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::certificates::StoredCertificate;
use yinxin::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use yinxin::store::{audit, authorities, certificates};

/// The moment at which these tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Throw-away keys of all tests.
static THROW_AWAY: LazyLock<ThrowAwayKeys> = LazyLock::new(|| ThrowAwayKeys::new(Arc::new(SystemRandom)));

/// A clock that the test sets.
pub(crate) struct Hands(AtomicI64);

impl Hands {
    pub(crate) fn set(&self, moment: Timestamp) {
        self.0.store(moment.unix(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

/// A folder that goes at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("yinxin-publication-{name}-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// What everything stands on.
pub(crate) struct Desk {
    pub(crate) services: Services,
    pub(crate) clock: Arc<Hands>,
    pub(crate) folder: Folder,
}

/// An authority of ours.
pub(crate) struct Authority {
    pub(crate) id: AuthorityId,
    pub(crate) certificate: Vec<u8>,
    signer: Arc<dyn Signer>,
    publication: Publication,
    shards: u32,
}

/// Where certificates are ordered.
pub(crate) fn issuance(services: &Services) -> Issuance {
    Issuance::start(services.clone(), Arc::new(built_in().unwrap()))
}

impl Desk {
    pub(crate) async fn new(name: &str, plan: Plan) -> Self {
        let (folder, clock) = (Folder::new(name), Arc::new(Hands(AtomicI64::new(NOW.unix()))));
        let services = open(folder.path(), clock.clone()).await.with_plan(plan);
        Self { services, clock, folder }
    }

    /// A second service on the same database: another node.
    pub(crate) async fn second(&self, plan: Plan) -> Services {
        let source = KeySource::File { path: self.folder.path().join("key-encryption.key"), create: false };
        let settings = KeySettings::from_source(source);
        let (url, clock) = (url(self.folder.path()), self.clock.clone());
        let (services, _) = Services::attach(&url, &settings, clock, Arc::new(SystemRandom)).await.unwrap();
        services.with_plan(plan)
    }

    pub(crate) async fn authority(&self, name: &str, algorithm: KeyAlgorithm, base: &str, shards: u32) -> Authority {
        authority(&self.services, name, algorithm, (base, shards)).await
    }

    pub(crate) async fn status(&self, row: &IssuedCertificate, status: StoredStatus) -> IssuedCertificate {
        change(&self.services, row, status).await
    }

    /// The whole log.
    pub(crate) async fn events(&self) -> Vec<EventBody> {
        let events = self.services.store.read(|tx| Box::pin(audit::read(tx, 0, 10_000))).await.unwrap();
        events.into_iter().map(|(_, event)| event.body).collect()
    }
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("yinxin.db").display())
}

pub(crate) async fn open(folder: &Path, clock: Arc<dyn Clock>) -> Services {
    let source = KeySource::File { path: folder.join("key-encryption.key"), create: true };
    Services::open(&url(folder), &source, clock, Arc::new(SystemRandom)).await.unwrap()
}

/// Roots have RSA keys of 4096 bits.
fn key_pair(algorithm: KeyAlgorithm) -> NewKey {
    let purpose = KeyPurpose::CertificateAuthority;
    if algorithm != KeyAlgorithm::Rsa {
        return NewKey::generate(purpose, algorithm, &SystemRandom).unwrap();
    }
    let key = rsa::PrivateKey::generate(4096).unwrap();
    let private = key.to_bytes().unwrap();
    let signer: Arc<dyn Signer> = Arc::new(key);
    NewKey { purpose, algorithm, private, public: subject_public_key_info(&signer.public_key()), signer }
}

pub(crate) async fn authority(
    services: &Services,
    name: &str,
    algorithm: KeyAlgorithm,
    (base, shards): (&str, u32),
) -> Authority {
    let now = services.clock.now();
    let id = AuthorityId::parse(name).unwrap();
    let key = key_pair(algorithm);
    let profiles = built_in().unwrap();
    let public = key.public_key();
    let serial: [u8; 16] = array(&SystemRandom).unwrap();
    let subject = [(AttributeKind::Organisation, "示例".to_owned()), (AttributeKind::CommonName, name.to_owned())];
    let request = Request {
        profile: profiles.require("root").unwrap(),
        subject: &subject,
        alternative_names: &[],
        identity: &[],
        key: &public,
        not_before: now,
        not_after: Some(now.plus_days(3650)),
        serial: &serial,
        transaction: None,
        name_constraints: None,
    };
    let nowhere = Publication::nowhere();
    let issuer = Issuer {
        certificate: None,
        key: &public,
        algorithm: key.signer.algorithm(),
        publication: &nowhere,
        throw_away: &THROW_AWAY,
    };
    let token = prepare(&request, &issuer, (&AlgorithmPolicy::whatever_we_compute(), now)).unwrap();
    let value = key.signer.sign(token.to_sign(), &SystemRandom).unwrap();
    let der = token.assemble(&value).unwrap();
    let written = Certificate::parse(&der).unwrap();
    let key_id = KeyId::fresh(now, &SystemRandom).unwrap();
    let row = StoredCertificate {
        sm3: sm3(&der),
        serial: serial.to_vec(),
        subject: written.subject.raw().to_vec(),
        issuer: written.issuer.raw().to_vec(),
        key: Some(key_id.clone()),
        der: der.clone(),
        role: "authority".into(),
        issued_at: now,
    };
    let stored = StoredAuthority {
        id: id.clone(),
        name: name.to_owned(),
        certificate: row.sm3,
        key: key_id.clone(),
        parent: None,
        base_url: base.to_owned(),
        crl_shards: shards,
        created_at: now,
        retired_at: None,
        version: 1,
    };
    let (key, row, stored, key_id) = (&key, &row, &stored, &key_id);
    let keep = services.store.run("make authority", |tx| {
        Box::pin(async move {
            let attributes = key.attributes(Owner::installation());
            let pair = (&key.private, &key.public[..]);
            services.keys.keep(tx, key_id, &attributes, pair, now).await?;
            certificates::insert(tx, row).await?;
            authorities::insert(tx, stored).await?;
            Ok::<_, yinxin::service::Error>(())
        })
    });
    keep.await.unwrap();
    let publication = locations(&id, base, shards, true).unwrap();
    Authority { id, certificate: der, signer: Arc::clone(&key.signer), publication, shards }
}

impl Authority {
    /// Issues certificates that last that long, and keeps their rows.
    pub(crate) async fn issue(&self, services: &Services, count: usize, days: i64) -> Vec<IssuedCertificate> {
        let now = services.clock.now();
        let (profiles, policy) = (built_in().unwrap(), AlgorithmPolicy::whatever_we_compute());
        let own = Certificate::parse(&self.certificate).unwrap();
        let issuer_key = self.signer.public_key();
        let issuer = Issuer {
            certificate: Some(&own),
            key: &issuer_key,
            algorithm: self.signer.algorithm(),
            publication: &self.publication,
            throw_away: &THROW_AWAY,
        };
        let subject_key = Signer::public_key(&ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
        let rows = (0..count).map(|number| {
            let serial: [u8; 16] = array(&SystemRandom).unwrap();
            let subject = [
                (AttributeKind::Organisation, "99990000000000001F示例市印信演示局".to_owned()),
                (AttributeKind::CommonName, format!("99000000{number:06}")),
            ];
            let request = Request {
                profile: profiles.require("seal-signer").unwrap(),
                subject: &subject,
                alternative_names: &[],
                identity: &[],
                key: &subject_key,
                not_before: now,
                not_after: Some(now.plus_days(days)),
                serial: &serial,
                transaction: None,
                name_constraints: None,
            };
            let token = prepare(&request, &issuer, (&policy, now)).unwrap();
            let value = self.signer.sign(token.to_sign(), &SystemRandom).unwrap();
            let der = token.assemble(&value).unwrap();
            IssuedCertificate {
                authority: self.id.clone(),
                serial,
                sm3: sm3(&der),
                shard: ca::shard(&serial, self.shards),
                profile: "seal-signer".into(),
                subject: "signer".into(),
                not_before: now,
                not_after: now.plus_days(days),
                der,
                issued_at: now,
                status: StoredStatus::Active,
                status_since: now,
                status_event: None,
                version: 1,
            }
        });
        let rows = rows.collect::<Vec<_>>();
        let kept = &rows;
        services.store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, kept))).await.unwrap();
        rows
    }
}

/// Changes a status as a service does: row and event in one transaction.
pub(crate) async fn change(services: &Services, row: &IssuedCertificate, status: StoredStatus) -> IssuedCertificate {
    let (now, certificate_sm3) = (services.clock.now(), row.sm3);
    let body = match status {
        StoredStatus::Active => EventBody::CertificateResumed { certificate_sm3 },
        StoredStatus::Suspended => EventBody::CertificateSuspended { certificate_sm3 },
        StoredStatus::Revoked { reason, invalidity_date } => {
            EventBody::CertificateRevoked { certificate_sm3, reason: u64::from(reason), invalidity_date }
        }
    };
    let event = &Event { at: now, actor: Actor::Operator, request: None, body };
    let steps = services.store.run("change", |tx| {
        Box::pin(async move {
            let number = audit::append(tx, event).await?;
            issued_certificates::change_status(tx, row, (status, now), number).await
        })
    });
    steps.await.unwrap()
}

pub(crate) const REVOKED: StoredStatus = StoredStatus::Revoked { reason: 1, invalidity_date: None };
