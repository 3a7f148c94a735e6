//! Authorities pass to new keys and certify each other, on both databases; paths through the new certificates are found by
//! our validation and by OpenSSL.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::AuthorityId;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::config::profiles::built_in;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca;
use yinxin::domain::ca::possession::PossessionError;
use yinxin::domain::ca::state::RevocationReason;
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::{Budget, PathFailure, TrustAnchors, find_path};
use yinxin::format::cms::SignedData;
use yinxin::format::x509::csr::NewCertificationRequest;
use yinxin::format::x509::extension::NameConstraints;
use yinxin::format::x509::{Certificate, GeneralName};
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::cross_certificates::{Constraints, CrossOrder, Subject, constraints, cross};
use yinxin::service::keys::KeySource;
use yinxin::service::rollover::{RolledOver, RolloverOrder, rollover};
use yinxin::service::verification::pem_of;
use yinxin::service::{Error, Services, inventory, publication};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::issued_certificates::StoredStatus;

use crate::service::authority::{issuance, new_authority, order, request};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("crossing");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("crossing on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("crossing-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let services = place.open().await;
    a_root_passes_to_a_new_key(&services, &place).await;
    an_authority_below_passes_to_a_new_key(&services).await;
    what_cannot_be_rolled_over_leaves_nothing(&services, &place).await;
    another_installation_s_authority_is_crossed(&services, &place).await;
}

fn id(name: &str) -> AuthorityId {
    AuthorityId::parse(name).unwrap()
}

fn p256(id: &str, profile: &str, parent: Option<&StoredAuthority>) -> NewAuthority {
    NewAuthority { key: AuthorityKey::Generated(KeyAlgorithm::EcdsaP256), ..new_authority(id, profile, parent) }
}

async fn make(services: &Services, new: &NewAuthority) -> (StoredAuthority, Vec<u8>) {
    let made = authorities::create(services, &built_in().unwrap(), BY, new).await.unwrap();
    authorities::find(services, &made.id).await.unwrap()
}

async fn leaf(services: &Services, authority: &StoredAuthority, number: usize) -> Vec<u8> {
    issuance(services).issue(order(authority, request(number))).await.unwrap().der
}

fn roll(old: &str, new: &str, algorithm: KeyAlgorithm) -> RolloverOrder {
    let key = AuthorityKey::Generated(algorithm);
    RolloverOrder { old: id(old), new: id(new), name: format!("后继 {new}"), key, not_after: None }
}

async fn rolled(services: &Services, order: &RolloverOrder) -> Result<RolledOver, Error> {
    rollover(services, &built_in().unwrap(), BY, order).await
}

fn judged(anchor: &[u8], between: &[&[u8]], end: &[u8]) -> Result<usize, PathFailure> {
    let mut trust = TrustAnchors::none();
    trust.add_anchors(anchor, "anchor").unwrap();
    for der in between {
        trust.add_certificates(der, "between").unwrap();
    }
    let (end, tables) = (Certificate::parse(end).unwrap(), sm2::KeyTables::default());
    find_path(&end, &trust, NOW, &mut Budget::new(&Limits::DEFAULT), &tables).map(|path| path.subjects().len())
}

/// Leaf certificates of SM2 keys are no matter: the signatures on the path are of P-256.
fn openssl(folder: &Path, (anchor, between, end): (&[u8], &[&[u8]], &[u8])) -> Option<bool> {
    fs::write(folder.join("anchor.pem"), pem_of(anchor)).unwrap();
    fs::write(folder.join("between.pem"), between.iter().map(|der| pem_of(der)).collect::<String>()).unwrap();
    fs::write(folder.join("end.pem"), pem_of(end)).unwrap();
    let at = NOW.unix().to_string();
    let arguments = ["verify", "-attime", &at, "-CAfile", "anchor.pem", "-untrusted", "between.pem", "end.pem"];
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().ok()?;
    Some(output.status.success())
}

async fn a_root_passes_to_a_new_key(services: &Services, place: &Place) {
    let (old, old_der) = make(services, &p256("old", "root", None)).await;
    let (below, below_der) = make(services, &p256("below", "intermediate", Some(&old))).await;
    let (deeper, deeper_der) = make(services, &p256("deeper", "seal-issuing-ca", Some(&below))).await;
    let old_leaf = leaf(services, &below, 1).await;
    let before = events(services).await.len();
    let done = rolled(services, &roll("old", "new", KeyAlgorithm::EcdsaP256)).await.unwrap();
    let (new, new_der) = authorities::find(services, &id("new")).await.unwrap();
    assert_eq!((&done.authority, new.parent.as_ref(), new.name.as_str()), (&new, None, "后继 new"));
    let (old_with_new, new_with_old) = done.between.unwrap();
    let told = events(services).await;
    let classes = told.iter().skip(before).map(|event| event.class().name()).collect::<Vec<_>>();
    let expected = [
        "issuance-intended",
        "key-created",
        "certificate-issued",
        "authority-created",
        "certificate-issued",
        "certificate-issued",
        "authority-rolled-over",
    ];
    assert_eq!(classes, expected);
    let last = EventBody::AuthorityRolledOver {
        old: old.id.clone(),
        new: new.id.clone(),
        old_with_new: Some(old_with_new.sm3),
        new_with_old: Some(new_with_old.sm3),
    };
    assert_eq!(told.last().unwrap().body, last);

    // RFC 4210 4.4.1: one name, the other's key, and no bound that the roots do not have.
    let [before, after] = [&old_der, &new_der].map(|der| Certificate::parse(der).unwrap());
    assert_eq!(before.subject, after.subject);
    for (row, by, subject, issuer) in [(&old_with_new, "new", &before, &after), (&new_with_old, "old", &after, &before)]
    {
        let read = Certificate::parse(&row.der).unwrap();
        assert_eq!((read.subject, read.issuer, read.public_key), (subject.subject, issuer.subject, subject.public_key));
        assert_eq!(read.basic_constraints.unwrap().path_length, None);
        let found = inventory::find(services, &row.sm3).await.unwrap();
        assert_eq!((found.authority.as_str(), found.profile.as_str()), (by, "intermediate"));
        assert_eq!(found.status, StoredStatus::Active);
    }

    // What was below the old root is trusted through the new one, and the reverse; not without these certificates.
    let (fresh, fresh_der) = make(services, &p256("fresh", "intermediate", Some(&new))).await;
    let new_leaf = leaf(services, &fresh, 2).await;
    let (by_new, by_old) = (&old_with_new.der[..], &new_with_old.der[..]);
    assert_eq!(judged(&new_der, &[by_new, &below_der], &old_leaf).unwrap(), 4);
    assert_eq!(judged(&old_der, &[by_old, &fresh_der], &new_leaf).unwrap(), 4);
    assert_eq!(judged(&new_der, &[by_new, &below_der], &deeper_der).unwrap(), 4);
    assert_eq!(judged(&new_der, &[&fresh_der], &new_leaf).unwrap(), 3);
    let refused = |anchor: &[u8], between: &[u8], end: &[u8]| judged(anchor, &[between], end).unwrap_err().code();
    let codes = [refused(&new_der, &below_der, &old_leaf), refused(&old_der, &fresh_der, &new_leaf)];
    assert_eq!(codes, ["certificate-signature-wrong"; 2]);
    let folder = place.folder.path();
    match openssl(folder, (&new_der, &[by_new, &below_der], &old_leaf)) {
        None => crate::skip("a root's rollover judged by OpenSSL", "openssl"),
        Some(passed) => {
            assert!(passed, "old leaf, new root");
            assert_eq!(openssl(folder, (&old_der, &[by_old, &fresh_der], &new_leaf)), Some(true), "new leaf, old root");
            assert_eq!(openssl(folder, (&new_der, &[&below_der], &old_leaf)), Some(false), "no way between");
        }
    }

    // Whoever asks for the new root's certificate finds the way to the old one too.
    let bundled = async || {
        let bundle = publication::authority_bundle(services, &new.id).await.unwrap().unwrap();
        let read = SignedData::parse(&bundle).unwrap();
        assert_eq!((read.signers.len(), read.content_octets()), (0, None));
        let mut all = read.x509_certificates().map(<[u8]>::to_vec).collect::<Vec<_>>();
        all.sort();
        (bundle, all)
    };
    let (bundle, all) = bundled().await;
    let mut expected = [new_der.clone(), new_with_old.der.clone()];
    expected.sort();
    assert_eq!(all, expected);
    fs::write(folder.join("new.p7c"), &bundle).unwrap();
    let printing = ["pkcs7", "-inform", "DER", "-in", "new.p7c", "-print_certs"];
    match Command::new("openssl").args(printing).current_dir(folder).output() {
        Err(_) => crate::skip("a bundle of certificates read by OpenSSL", "openssl"),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{text}");
        }
    }
    assert_eq!(publication::authority_bundle(services, &id("nobody")).await.unwrap(), None);
    // Certificates name the bundle from the first cross certificate on.
    let says = |der: &[u8], location: &str| der.windows(location.len()).any(|part| part == location.as_bytes());
    assert!(says(&fresh_der, "/aia/new.cer") && says(&fresh_der, "/aia/new.p7c"));
    assert!(says(&below_der, "/aia/old.cer") && !says(&below_der, "/aia/old.p7c"));

    // The old root goes on until it is retired; what it issued is still changed.
    leaf(services, &deeper, 3).await;
    authorities::retire(services, BY, &old.id).await.unwrap();
    let refused = rolled(services, &roll("old", "newer", KeyAlgorithm::Sm2)).await.unwrap_err();
    assert!(matches!(refused, Error::AuthorityRetired), "{refused:?}");
    let reason = Change::Revoke { reason: RevocationReason::Superseded, invalidity_date: None };
    change(services, (BY, None), &new_with_old.sm3, reason).await.unwrap();
    assert_eq!(bundled().await.1, std::slice::from_ref(&new_der), "a revoked cross certificate is handed out no more");
}

async fn an_authority_below_passes_to_a_new_key(services: &Services) {
    let done = rolled(services, &roll("fresh", "fresh-2", KeyAlgorithm::Sm2)).await.unwrap();
    assert_eq!(done.between, None);
    let (next, der) = authorities::find(services, &id("fresh-2")).await.unwrap();
    let (fresh, fresh_der) = authorities::find(services, &id("fresh")).await.unwrap();
    assert_eq!((next.parent, next.base_url, next.crl_shards), (fresh.parent, fresh.base_url, fresh.crl_shards));
    let [old, new] = [&fresh_der, &der].map(|der| Certificate::parse(der).unwrap());
    assert_eq!((old.subject, old.issuer), (new.subject, new.issuer));
    assert_ne!(old.public_key, new.public_key);
    let told = events(services).await;
    let last = EventBody::AuthorityRolledOver { old: fresh.id, new: next.id, old_with_new: None, new_with_old: None };
    assert_eq!(told.last().unwrap().body, last);
}

async fn what_cannot_be_rolled_over_leaves_nothing(services: &Services, place: &Place) {
    let count = async || {
        let mut counts = Vec::new();
        for table in ["authorities", "certificates", "issued_certificates", "keys", "issuance_batches"] {
            counts.push(place.count(table).await);
        }
        counts
    };
    let before = count().await;
    let taken = rolled(services, &roll("new", "below", KeyAlgorithm::Sm2)).await.unwrap_err();
    assert!(matches!(taken, Error::AuthorityExists), "{taken:?}");
    let unknown = rolled(services, &roll("nobody", "newer", KeyAlgorithm::Sm2)).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownAuthority), "{unknown:?}");
    // No root has such a key.
    let other = rolled(services, &roll("new", "newer", KeyAlgorithm::Ed25519)).await.unwrap_err();
    assert!(matches!(other, Error::Issuance(ca::Error::Key { bits: 256, .. })), "{other:?}");
    assert_eq!(count().await, before);
}

fn to(subject: Subject) -> CrossOrder {
    let (profile, constraints) = ("intermediate".to_owned(), Constraints::default());
    CrossOrder { issuer: id("new"), subject, profile, constraints, not_after: None }
}

async fn another_installation_s_authority_is_crossed(services: &Services, place: &Place) {
    let folder = Folder::new("crossed");
    let source = KeySource::File { path: folder.path().join("key"), create: true };
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let theirs = Services::open(&url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap();
    let (root, root_der) = make(&theirs, &new_authority("their-root", "root", None)).await;
    let (below, below_der) = make(&theirs, &new_authority("their-below", "intermediate", Some(&root))).await;
    let end = leaf(&theirs, &below, 9).await;
    let foreign = |der: &[u8], request: Option<Vec<u8>>| Subject::Foreign { certificate: der.to_vec(), request };
    let profiles = built_in().unwrap();

    // Nobody proves a key by another one's signature, or by none.
    let batches = place.count("issuance_batches").await;
    let mut changed = root_der.clone();
    *changed.last_mut().unwrap() ^= 1;
    let key = below.key.clone();
    let steps = theirs.store.read(|tx| Box::pin(theirs.keys.signer(tx, &key, KeyPurpose::CertificateAuthority, NOW)));
    let signer = steps.await.unwrap();
    let proof = {
        let subject = Certificate::parse(&below_der).unwrap();
        let new = NewCertificationRequest {
            subject: subject.subject.raw(),
            public_key: &subject_public_key_info(&signer.public_key()),
            extensions: &[],
            challenge_password: None,
        };
        let tbs = new.to_tbs();
        let value = signer.sign(&tbs, &SystemRandom).unwrap();
        let algorithm = SignatureAlgorithm::Sm2Sm3;
        NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &encode_value(algorithm, &value))
    };
    for (subject, expected) in [
        (foreign(&changed, None), PossessionError::NotProved),
        (foreign(&below_der, None), PossessionError::NotProved),
        (foreign(&below_der, Some(request(10))), PossessionError::OtherKey),
        (foreign(&root_der, Some(proof.clone())), PossessionError::OtherKey),
    ] {
        let refused = cross(services, &profiles, BY, &to(subject)).await.unwrap_err();
        assert!(matches!(&refused, Error::Possession(found) if *found == expected), "{refused:?}");
    }
    let no_authority = cross(services, &profiles, BY, &to(foreign(&end, Some(request(9))))).await.unwrap_err();
    assert!(matches!(no_authority, Error::Possession(PossessionError::OtherKey)), "{no_authority:?}");
    let own = cross(services, &profiles, BY, &to(Subject::Ours(id("new")))).await.unwrap_err();
    assert!(matches!(own, Error::Issuance(ca::Error::Position)), "{own:?}");
    let wrong = CrossOrder { profile: "officer".to_owned(), ..to(foreign(&root_der, None)) };
    let wrong = cross(services, &profiles, BY, &wrong).await.unwrap_err();
    assert!(matches!(wrong, Error::Issuance(ca::Error::NoAuthority)), "{wrong:?}");
    let past = CrossOrder { not_after: Some(NOW.plus_days(-1)), ..to(foreign(&root_der, None)) };
    let past = cross(services, &profiles, BY, &past).await.unwrap_err();
    assert!(matches!(past, Error::Issuance(ca::Error::EmptyValidity)), "{past:?}");
    assert_eq!(place.count("issuance_batches").await, batches);

    // Their root, bound to names; then what they issued is trusted here, until the cross certificate is revoked.
    let (_, ours) = authorities::find(services, &id("new")).await.unwrap();
    assert_eq!(judged(&ours, &[&root_der, &below_der], &end).unwrap_err().code(), "issuer-missing");
    let bound = constraints((&["their.example".to_owned()], &[], &[]), &["not.their.example".to_owned()]).unwrap();
    let end_of_it = NOW.plus_days(400);
    let asked = CrossOrder { constraints: bound, not_after: Some(end_of_it), ..to(foreign(&root_der, None)) };
    let crossed = cross(services, &profiles, BY, &asked).await.unwrap();
    let read = Certificate::parse(&crossed.der).unwrap();
    let names = read.extension_of::<NameConstraints<'_>>().unwrap().unwrap();
    assert_eq!(names.permitted[0].base, GeneralName::Dns("their.example"));
    assert_eq!(names.excluded[0].base, GeneralName::Dns("not.their.example"));
    assert_eq!((read.not_after, read.basic_constraints.unwrap().path_length), (end_of_it, Some(1)));
    assert_eq!(judged(&ours, &[&crossed.der, &below_der], &end).unwrap(), 4);
    let last = EventBody::AuthorityCrossed {
        authority: id("new"),
        certificate_sm3: crossed.sm3,
        subject_sm3: sm3(&root_der),
        subject: None,
    };
    assert_eq!(events(services).await.last().unwrap().body, last);
    let found = inventory::find(services, &crossed.sm3).await.unwrap();
    assert_eq!((found.status, found.profile.as_str()), (StoredStatus::Active, "intermediate"));
    let reason = Change::Revoke { reason: RevocationReason::CessationOfOperation, invalidity_date: None };
    change(services, (BY, None), &crossed.sm3, reason).await.unwrap();

    // An authority below a root proves its key by a request; one of ours needs no proof.
    let direct = cross(services, &profiles, BY, &to(foreign(&below_der, Some(proof)))).await.unwrap();
    assert_eq!(judged(&ours, &[&direct.der], &end).unwrap(), 3);
    let below = cross(services, &profiles, BY, &to(Subject::Ours(id("below")))).await.unwrap();
    let read = Certificate::parse(&below.der).unwrap();
    assert_eq!(read.basic_constraints.unwrap().path_length, Some(1));
    assert_eq!(place.count("issuance_batches WHERE state = 'issuing'").await, 0);
}
