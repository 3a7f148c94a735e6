//! Graphs of certificates made on the spot, and the exact verdicts on them.

use std::cell::Cell;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::base::random::SystemRandom;
use crate::crypto::Signer;
use crate::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
use crate::crypto::digest::sm3;
use crate::crypto::sm2::{KeyTables, PrivateKey};
use crate::domain::trust::acceptance::{Acceptance, Term};
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::domain::trust::{
    AlgorithmPolicy, Budget, CheckSignature, Computed, CrlEvidence, Exhausted, PathCache, PathFailure, PathPolicy,
    PathQuestion, PurposeNesting, Refusal, RevocationDemand, RevocationEvidence, RevocationPolicy, RevocationScope,
    Signed, SignerId, SignerIdPolicy, TrustAnchors, TrustedPath, find_path,
};
use crate::format::der::ObjectIdentifier;
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::crl::{CertificateList, NewCrl, NewEntries, NewRevokedCertificate, RevocationReason};
use crate::format::x509::extension::{
    CLIENT_AUTH, CertificatePolicies, EMAIL_PROTECTION, ExtendedKeyUsage, GeneralSubtree, NameConstraints,
    PolicyConstraints, PolicyInformation, SERVER_AUTH, SubjectAltName,
};
use crate::format::x509::{
    BasicConstraints, Certificate, GeneralName, KeyUsage, NewCertificate, NewExtension, NewName,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn key() -> PrivateKey {
    PrivateKey::generate(&SystemRandom).unwrap()
}

fn name(common_name: &str) -> Vec<u8> {
    NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der()
}

/// A certificate to be issued; the rest is set by the tests that look at it.
struct Made<'a> {
    subject: &'a str,
    key: &'a PrivateKey,
    days: (i64, i64),
    id: SignerId,
    serial: u8,
    extensions: Vec<NewExtension>,
}

impl<'a> Made<'a> {
    fn end(subject: &'a str, key: &'a PrivateKey) -> Self {
        Self { subject, key, days: (-1, 1), id: SignerId::Default, serial: 1, extensions: Vec::new() }
    }

    fn authority(subject: &'a str, key: &'a PrivateKey, path_length: Option<u32>) -> Self {
        Self::end(subject, key)
            .with(true, &BasicConstraints { authority: true, path_length })
            .with(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN))
    }

    fn with<'v, T: crate::format::x509::ExtensionValue<'v>>(mut self, critical: bool, value: &T) -> Self {
        self.extensions.push(NewExtension::new(critical, value));
        self
    }

    fn by(self, issuer: &str, issuer_key: &PrivateKey) -> Vec<u8> {
        let tbs = NewCertificate {
            serial: &[self.serial],
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &name(issuer),
            not_before: NOW.plus_days(self.days.0),
            not_after: NOW.plus_days(self.days.1),
            subject: &name(self.subject),
            public_key: &subject_public_key_info(&Signer::public_key(self.key)),
            extensions: &self.extensions,
        }
        .to_tbs();
        let value = issuer_key.sign_as(self.id.octets(), &tbs, &SystemRandom).unwrap();
        NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(SignatureAlgorithm::Sm2Sm3, &value))
    }
}

fn trust(anchors: &[Vec<u8>], others: &[Vec<u8>]) -> TrustAnchors {
    let mut trust = TrustAnchors::none();
    for anchor in anchors {
        trust.add_anchors(anchor, "anchors").unwrap();
    }
    for other in others {
        trust.add_certificates(other, "others").unwrap();
    }
    trust
}

fn budget() -> Budget {
    Budget::new(&Limits::DEFAULT)
}

fn ask(end: &[u8], trust: &TrustAnchors, policy: &PathPolicy) -> Result<TrustedPath, PathFailure> {
    let end = Certificate::parse(end).unwrap();
    let tables = KeyTables::default();
    PathQuestion { end: &end, trust, beside: &[], at: NOW, policy, tables: &tables, check: &Computed, revocation: None }
        .answer(&mut budget())
}

/// The code, and the `CN` of the certificate that is named.
fn blamed(outcome: &Result<TrustedPath, PathFailure>) -> (&'static str, &str) {
    match outcome {
        Ok(_) => ("ok", ""),
        Err(failure) => {
            let named = match failure {
                PathFailure::Refused { certificate, .. } | PathFailure::IssuerMissing { certificate, .. } => {
                    certificate.subject.rsplit('=').next().unwrap()
                }
                _ => "",
            };
            (failure.code(), named)
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let (root, end_key) = (key(), key());
    let der = Made::end("end", &end_key).by("lost", &root);
    let end = Certificate::parse(&der).unwrap();
    let find = |trust: &TrustAnchors| find_path(&end, trust, NOW, &mut budget(), &KeyTables::default());
    let issuer = "C=CN, O=示例, CN=lost".to_owned();
    assert_eq!(find(&TrustAnchors::none()), Err(PathFailure::NoAnchors { issuer: issuer.clone() }));
    let other = Made::authority("other", &root, None).by("other", &root);
    let certificate = crate::domain::trust::NamedCertificate::of(&end);
    let missing = find(&trust(&[other], &[])).unwrap_err();
    let sm3 = crate::crypto::digest::hex(&sm3(&der));
    let text = format!("no certificate of the issuer {issuer} is at hand, who issued C=CN, O=示例, CN=end (SM3 {sm3})");
    assert_eq!(missing.to_string(), text);
    assert_eq!(missing, PathFailure::IssuerMissing { issuer, certificate });
}

/// Authorities that certify each other in a ring and never reach the anchor: no authority stands twice, so the search
/// ends; a graph where all certify all ends by the budget, and a path that is too long by its length.
#[test]
fn mazes_end() {
    let keys: Vec<_> = (0..10).map(|_| key()).collect();
    let far = Made::authority("far", &keys[0], None).by("far", &keys[0]);
    let names: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    let ring: Vec<_> = (0..10)
        .map(|at| Made::authority(&names[at], &keys[at], None).by(&names[(at + 1) % 10], &keys[(at + 1) % 10]))
        .collect();
    let end_key = key();
    let der = Made::end("end", &end_key).by("a0", &keys[0]);
    let end = Certificate::parse(&der).unwrap();
    let find = |trust: &TrustAnchors, mut budget| find_path(&end, trust, NOW, &mut budget, &KeyTables::default());
    let given_up = |spent| Err(PathFailure::GivenUp { spent });
    let only = trust(std::slice::from_ref(&far), &ring);
    let outcome = find(&only, budget().with_length(20));
    assert_eq!(blamed(&outcome), ("issuer-missing", "a9"));
    assert_eq!(find(&only, budget().with_length(2)), given_up(Exhausted::Length));
    assert_eq!(find(&only, budget().with_length(20).with_checks(5)), given_up(Exhausted::Checks));

    let mut all = Vec::new();
    for (subject, subject_key) in names.iter().zip(&keys) {
        for (issuer, issuer_key) in names.iter().zip(&keys).filter(|(issuer, _)| *issuer != subject) {
            all.push(Made::authority(subject, subject_key, None).by(issuer, issuer_key));
        }
    }
    assert_eq!(find(&trust(&[far], &all), budget().with_checks(1000).with_length(20)), given_up(Exhausted::Steps));
}

/// A cross certificate whose issuer is not trusted, another that has expired, and a good one.
#[test]
fn the_way_through_cross_certificates_is_found() {
    let (old, new, authority, end_key) = (key(), key(), key(), key());
    let good = Made::authority("new", &new, None).by("new", &new);
    let others = [
        Made::authority("authority", &authority, None).by("old", &old),
        Made { days: (-9, -5), ..Made::authority("authority", &authority, None) }.by("new", &new),
        Made::authority("authority", &authority, None).by("new", &new),
    ];
    let end = Made::end("end", &end_key).by("authority", &authority);
    let path = ask(&end, &trust(&[good], &others), &PathPolicy::field()).unwrap();
    let subjects = ["end", "authority", "new"].map(|name| format!("C=CN, O=示例, CN={name}"));
    assert_eq!(path.subjects(), subjects);
    assert_eq!(path.certificates().nth(1), Some(&*others[2]));
    assert_eq!(path.signatures().len(), 2);
    assert_eq!(path.signer_ids().collect::<Vec<_>>(), [Some(SignerId::Default); 2]);
}

#[test]
fn the_most_telling_failure_is_reported() {
    let (root, authority, end_key, stranger) = (key(), key(), key(), key());
    let anchor = Made::authority("root", &root, Some(0)).by("root", &root);
    let end = Made::end("end", &end_key).by("authority", &authority);
    let field = PathPolicy::field();
    let with = |other: Vec<u8>| ask(&end, &trust(std::slice::from_ref(&anchor), &[other]), &field);
    let plain = || Made::authority("authority", &authority, None);
    assert_eq!(blamed(&with(plain().by("root", &root))), ("path-length-exceeded", "root"));
    assert_eq!(blamed(&with(plain().by("root", &stranger))), ("path-length-exceeded", "root"));
    let expired = Made { days: (-9, -5), ..plain() }.by("root", &root);
    let until = NOW.plus_days(-5);
    let outcome = with(expired);
    assert_eq!(blamed(&outcome), ("certificate-expired", "authority"));
    assert!(matches!(outcome, Err(PathFailure::Refused { reason: Refusal::Expired { until: at }, .. }) if at == until));
    assert_eq!(
        blamed(&with(Made::end("authority", &authority).by("root", &root))),
        ("issuer-without-basic-constraints", "authority")
    );
    let no_authority = Made::end("authority", &authority).with(true, &BasicConstraints::default());
    assert_eq!(blamed(&with(no_authority.by("root", &root))), ("issuer-not-an-authority", "authority"));
    let other_use = Made::end("authority", &authority)
        .with(true, &BasicConstraints { authority: true, path_length: None })
        .with(true, &KeyUsage(KeyUsage::CRL_SIGN));
    assert_eq!(blamed(&with(other_use.by("root", &root))), ("issuer-key-usage", "authority"));
    let mut unknown = plain();
    let oid = ObjectIdentifier::new_unwrap("1.2.3.4");
    unknown.extensions.push(NewExtension { oid, critical: true, value: vec![5, 0] });
    let outcome = with(unknown.by("root", &root));
    assert_eq!(blamed(&outcome), ("critical-extension-unknown", "authority"));

    let anchor = Made::authority("root", &root, None).by("root", &root);
    let forged = Made::authority("authority", &authority, None).by("root", &stranger);
    assert_eq!(blamed(&ask(&end, &trust(&[anchor], &[forged]), &field)), ("certificate-signature-wrong", "authority"));
}

#[test]
fn names_purposes_and_policies_are_judged_downward() {
    let (root, authority, end_key) = (key(), key(), key());
    let anchor = Made::authority("root", &root, None).by("root", &root);
    let judge = |authority_made: Made<'_>, end: Made<'_>, policy: &PathPolicy| {
        let other = authority_made.by("root", &root);
        ask(&end.by("authority", &authority), &trust(std::slice::from_ref(&anchor), &[other]), policy)
    };
    let (plain, end) = (|| Made::authority("authority", &authority, None), || Made::end("end", &end_key));
    let field = PathPolicy::field();

    let base = GeneralSubtree { base: GeneralName::Dns("example.com"), minimum: 0, maximum: None };
    let constrained = || plain().with(true, &NameConstraints { permitted: vec![base], excluded: vec![] });
    let named = |host| end().with(false, &SubjectAltName(vec![GeneralName::Dns(host)]));
    assert!(judge(constrained(), named("a.example.com"), &field).is_ok());
    let outcome = judge(constrained(), named("example.org"), &field);
    assert_eq!(blamed(&outcome), ("name-not-permitted", "end"));
    assert!(
        matches!(&outcome, Err(PathFailure::Refused { reason: Refusal::NameNotPermitted { name }, .. }) if name == "example.org")
    );

    let server = PathPolicy { purposes: vec![SERVER_AUTH], ..PathPolicy::field() };
    let nested = PathPolicy { nesting: PurposeNesting::Enforced, ..server.clone() };
    let for_mail = || plain().with(false, &ExtendedKeyUsage(vec![EMAIL_PROTECTION]));
    let for_servers = || end().with(false, &ExtendedKeyUsage(vec![SERVER_AUTH]));
    assert!(judge(for_mail(), for_servers(), &server).is_ok());
    assert_eq!(blamed(&judge(for_mail(), for_servers(), &nested)), ("certificate-purpose", "authority"));
    let for_clients = end().with(false, &ExtendedKeyUsage(vec![CLIENT_AUTH]));
    assert_eq!(blamed(&judge(plain(), for_clients, &server)), ("certificate-purpose", "end"));
    let exchange = PathPolicy { key_usage: KeyUsage::KEY_AGREEMENT, ..PathPolicy::field() };
    let signs = end().with(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!(blamed(&judge(plain(), signs, &exchange)), ("certificate-key-usage", "end"));

    let policy = |number| ObjectIdentifier::new_unwrap("1.2.3").push_arc(number).unwrap();
    let under = |number| CertificatePolicies(vec![PolicyInformation { policy: policy(number), qualifiers: &[] }]);
    let explicit = PolicyConstraints { require_explicit_policy: Some(0), inhibit_policy_mapping: None };
    let found = judge(plain().with(true, &explicit).with(false, &under(1)), end().with(false, &under(1)), &field);
    assert!(found.unwrap().policies().policies.contains(&policy(1)));
    let outcome = judge(plain().with(true, &explicit).with(false, &under(1)), end().with(false, &under(2)), &field);
    assert_eq!(blamed(&outcome), ("no-acceptable-policy", "end"));
    assert_eq!(blamed(&judge(plain(), end(), &PathPolicy::strict())), ("certificate-nonconforming", "end"));
}

#[test]
fn another_signer_id_counts_only_where_the_anchor_says_so() {
    let (root, authority, end_key) = (key(), key(), key());
    let anchor = Made::authority("root", &root, None).by("root", &root);
    let other = Made { id: SignerId::Empty, ..Made::authority("authority", &authority, None) }.by("root", &root);
    let end = Made::end("end", &end_key).by("authority", &authority);
    let field = PathPolicy::field();
    let mut trust = trust(std::slice::from_ref(&anchor), &[other]);
    assert_eq!(blamed(&ask(&end, &trust, &field)), ("certificate-signature-wrong", "authority"));
    // Another anchor's permission does not help.
    let second = Made::authority("second", &root, None).by("second", &root);
    trust.add_anchors_with(&second, "second", SignerIdPolicy::DefaultOrEmpty).unwrap();
    assert_eq!(blamed(&ask(&end, &trust, &field)), ("signer-id-not-allowed", "authority"));
    assert!(trust.distrust(&sm3(&anchor)));
    assert_eq!(blamed(&ask(&end, &trust, &field)), ("issuer-missing", "authority"));
    trust.add_anchors_with(&anchor, "root", SignerIdPolicy::DefaultOrEmpty).unwrap();
    let path = ask(&end, &trust, &field).unwrap();
    assert_eq!(path.signer_ids().collect::<Vec<_>>(), [Some(SignerId::Default), Some(SignerId::Empty)]);
    assert_eq!(path.anchor_origin(), "root");
}

/// A stranger's certificate, however often it comes, costs no table; one that leads to an anchor gets them, for
/// itself and for its authority, and is judged the same with them.
#[test]
fn only_keys_that_lead_to_an_anchor_get_tables() {
    let (root, end_key) = (key(), key());
    let anchor = Made::authority("root", &root, None).by("root", &root);
    let (known, strange) =
        (Made::end("end", &end_key).by("root", &root), Made::end("end", &end_key).by("root", &end_key));
    let (known, strange) = (Certificate::parse(&known).unwrap(), Certificate::parse(&strange).unwrap());
    let (trust, tables) = (trust(&[anchor], &[]), KeyTables::default());
    let find = |end| find_path(end, &trust, NOW, &mut budget(), &tables);
    for _ in 0..20 {
        assert_eq!(blamed(&find(&strange)), ("certificate-signature-wrong", "end"));
    }
    assert_eq!(tables.count(), 0);
    let first = find(&known).unwrap();
    for _ in 0..20 {
        assert_eq!(find(&known), Ok(first.clone()));
    }
    assert!(tables.holds(&root.public_key()) && tables.holds(&end_key.public_key()));
    assert_eq!(blamed(&find(&strange)), ("certificate-signature-wrong", "end"));
}

/// Counts how often a signature is computed.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl Counting {
    fn count(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl CheckSignature for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn check(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        signed: (&[u8], &[u8]),
        with: (&KeyTables, &[SignerId]),
    ) -> Signed {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Computed.check(key, algorithm, signed, with)
    }
}

#[test]
fn remembered_paths_forget_what_is_no_longer_so() {
    let (root, authority, end_key) = (key(), key(), key());
    let anchor = Made::authority("root", &root, None).by("root", &root);
    let other = Made::authority("authority", &authority, None).by("root", &root);
    let der = Made { days: (-1, 5), ..Made::end("end", &end_key) }.by("authority", &authority);
    let end = Certificate::parse(&der).unwrap();
    let (mut trust, counting, cache) =
        (trust(std::slice::from_ref(&anchor), &[other]), Counting::default(), PathCache::new(2));
    let (tables, asked) = (KeyTables::default(), Cell::new(0));
    let ask = |trust: &TrustAnchors, policy: &PathPolicy, at| {
        let question = PathQuestion {
            end: &end,
            trust,
            beside: &[],
            at,
            policy,
            tables: &tables,
            check: &counting,
            revocation: None,
        };
        let before = counting.count();
        let outcome = cache.answer(&question, &mut budget());
        asked.set(counting.count() - before);
        outcome
    };
    let field = PathPolicy::field();
    let first = ask(&trust, &field, NOW).unwrap();
    assert_eq!(asked.get(), 2);
    assert_eq!(ask(&trust, &field, NOW), Ok(first.clone()));
    assert_eq!(asked.get(), 0);

    // Time is judged on every call, and the dates of algorithms are the caller's on every path.
    assert_eq!(blamed(&ask(&trust, &field, NOW.plus_days(2))), ("certificate-expired", "authority"));
    assert_eq!(ask(&trust, &field, NOW), Ok(first.clone()));
    assert_eq!(asked.get(), 0);
    let always = Acceptance { issue: Term::Never, accept_from: None, accept: Term::Always };
    let until = Acceptance { accept: Term::Until(NOW), ..always };
    let never = Acceptance { accept: Term::Never, ..always };
    let rules = crate::crypto::algorithm::REGISTRY.iter().map(|row| {
        let rule = if row.name == "sm2-sm3" {
            until
        } else if row.computed {
            always
        } else {
            never
        };
        (row.name, if row.name == "rsa-key" { 2048 } else { 0 }, rule)
    });
    let policy = AlgorithmPolicy::new("dated".into(), String::new(), rules).unwrap();
    assert_eq!(first.algorithms_accepted(&policy, NOW), Ok(()));
    let ended = first.algorithms_accepted(&policy, NOW.plus_seconds(1)).unwrap_err();
    assert_eq!(ended.code(), "algorithm-ended");

    // Another policy, or another purpose, is another question.
    let server = PathPolicy { purposes: vec![SERVER_AUTH], ..PathPolicy::field() };
    assert!(ask(&trust, &server, NOW).is_ok());
    assert_eq!(asked.get(), 2);
    let strict = PathPolicy::strict();
    assert_eq!(blamed(&ask(&trust, &strict, NOW)), ("certificate-nonconforming", "end"));

    // After a distrust the very next call knows; trusted again, it is the same list again.
    assert!(trust.distrust(&sm3(&anchor)));
    assert_eq!(blamed(&ask(&trust, &field, NOW)).0, "no-trust-anchor");
    assert!(!trust.distrust(&sm3(&anchor)));
    trust.add_anchors(&anchor, "anchors").unwrap();
    assert_eq!(ask(&trust, &field, NOW), Ok(first));

    // Two are kept, the least recently used goes.
    let client = PathPolicy { purposes: vec![CLIENT_AUTH], ..PathPolicy::field() };
    assert!(ask(&trust, &client, NOW).is_ok());
    assert_eq!(cache.count(), 2);
    assert!(ask(&trust, &field, NOW).is_ok());
    assert_eq!(asked.get(), 0);
    assert!(ask(&trust, &server, NOW).is_ok());
    assert_eq!(asked.get(), 2);
}

/// Which of two is taken depends on the moment: an answer that was remembered would say the other one.
#[test]
fn where_there_was_a_choice_nothing_is_remembered() {
    let (root, authority, end_key) = (key(), key(), key());
    let anchor = Made { days: (-9, 9), ..Made::authority("root", &root, None) }.by("root", &root);
    let early = Made { days: (-9, 1), ..Made::authority("authority", &authority, None) }.by("root", &root);
    let late = Made { days: (-2, 9), serial: 2, ..Made::authority("authority", &authority, None) }.by("root", &root);
    let der = Made { days: (-9, 9), ..Made::end("end", &end_key) }.by("authority", &authority);
    let end = Certificate::parse(&der).unwrap();
    let (cache, tables, policy) = (PathCache::new(9), KeyTables::default(), PathPolicy::field());
    let ask = |others: &[Vec<u8>], days, cache: &PathCache| {
        let trust = trust(std::slice::from_ref(&anchor), others);
        let at = NOW.plus_days(days);
        let (tables, policy) = (&tables, &policy);
        let (end, trust) = (&end, &trust);
        let question = PathQuestion { end, trust, beside: &[], at, policy, tables, check: &Computed, revocation: None };
        let path = cache.answer(&question, &mut budget()).unwrap();
        path.certificates().nth(1).unwrap().to_vec()
    };
    let both = [early.clone(), late.clone()];
    for days in [0, -5, 5, 0] {
        let alone = ask(&both, days, &PathCache::new(0));
        assert_eq!(ask(&both, days, &cache), alone, "{days}");
        assert!(days == 0 || alone == *if days < 0 { &early } else { &late });
        assert_eq!(cache.count(), 0);
    }
    assert_eq!(ask(std::slice::from_ref(&late), 0, &cache), late);
    assert_eq!(cache.count(), 1);
}

/// A report is the same whatever was judged before: what is remembered costs what it cost.
#[test]
fn remembered_paths_are_paid_for() {
    let (root, authority, end_key) = (key(), key(), key());
    let anchor = Made::authority("root", &root, None).by("root", &root);
    let other = Made::authority("authority", &authority, None).by("root", &root);
    let der = Made::end("end", &end_key).by("authority", &authority);
    let end = Certificate::parse(&der).unwrap();
    let trust = trust(std::slice::from_ref(&anchor), &[other]);
    let (cache, tables, policy) = (PathCache::new(9), KeyTables::default(), PathPolicy::field());
    let (tables, policy) = (&tables, &policy);
    let (end, trust) = (&end, &trust);
    let question =
        PathQuestion { end, trust, beside: &[], at: NOW, policy, tables, check: &Computed, revocation: None };
    cache.answer(&question, &mut budget()).unwrap();
    for limited in [budget(), budget().with_checks(2), budget().with_checks(1), budget().with_length(2)] {
        let (mut new, mut known) = (limited.clone(), limited);
        assert_eq!(cache.answer(&question, &mut known), question.answer(&mut new));
        assert_eq!(known, new);
    }
    assert_eq!(cache.answer(&question, &mut budget().with_checks(1)), Err(PathFailure::from(Exhausted::Checks)));
}

fn list(issuer: &str, issuer_key: &PrivateKey, number: u8, serials: &[u8]) -> Vec<u8> {
    let mut entries = NewEntries::default();
    for serial in serials {
        entries.push(&NewRevokedCertificate {
            serial: &[*serial],
            revocation_date: NOW.plus_days(-1),
            reason: RevocationReason::KeyCompromise,
            invalidity_date: None,
            certificate_issuer: None,
        });
    }
    let new = NewCrl {
        signature_algorithm: OID_SM2_WITH_SM3,
        issuer: &name(issuer),
        this_update: NOW.plus_days(-1),
        next_update: NOW.plus_days(1),
        authority_key_identifier: &[1; 20],
        number: &[number],
        delta_base: None,
        issuing_distribution_point: None,
        freshest: None,
        others: &[],
    };
    let tbs = new.to_tbs(&entries).unwrap();
    let value = issuer_key.sign(&tbs, &SystemRandom).unwrap();
    NewCrl::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(SignatureAlgorithm::Sm2Sm3, &value))
}

/// After a revocation the next call knows, remembered path or not; where another path holds, it is taken.
#[test]
fn revocation_is_judged_on_every_call() {
    let (root, other_root, authority, end_key) = (key(), key(), key(), key());
    let anchors = [("root", &root), ("other", &other_root)].map(|(n, k)| Made::authority(n, k, None).by(n, k));
    let first = Made { serial: 7, ..Made::authority("authority", &authority, None) }.by("root", &root);
    let second = Made { serial: 8, ..Made::authority("authority", &authority, None) }.by("other", &other_root);
    let der = Made { serial: 9, ..Made::end("end", &end_key) }.by("authority", &authority);
    let end = Certificate::parse(&der).unwrap();
    let (cache, tables, field) = (PathCache::new(9), KeyTables::default(), PathPolicy::field());
    let ask = |trust: &TrustAnchors, lists: &[Vec<u8>]| {
        let lists: Vec<_> = lists.iter().map(|der| CertificateList::parse(der).unwrap()).collect();
        let crls: Vec<_> = lists.iter().map(|list| CrlEvidence { list, index: None }).collect();
        let evidence = RevocationEvidence { crls: &crls, ..RevocationEvidence::default() };
        let policy = RevocationPolicy::default();
        let demand = RevocationDemand { evidence: &evidence, policy: &policy, scope: RevocationScope::Path, at: NOW };
        let (policy, revocation) = (&field, Some(&demand));
        let question = PathQuestion {
            end: &end,
            trust,
            beside: &[],
            at: NOW,
            policy,
            tables: &tables,
            check: &Computed,
            revocation,
        };
        cache.answer(&question, &mut budget())
    };
    let one = trust(&anchors[..1], std::slice::from_ref(&first));
    let (of_authority, of_root) = (list("authority", &authority, 1, &[]), list("root", &root, 1, &[]));
    assert_eq!(blamed(&ask(&one, &[])), ("certificate-revocation-unknown", "end"));
    assert_eq!(
        blamed(&ask(&one, std::slice::from_ref(&of_authority))),
        ("certificate-revocation-unknown", "authority")
    );
    let good = [of_authority.clone(), of_root];
    assert_eq!(ask(&one, &good).unwrap().statuses().len(), 2);
    assert_eq!(ask(&one, &good).unwrap().statuses().len(), 2);
    let revoked = [of_authority.clone(), list("root", &root, 2, &[7])];
    let outcome = ask(&one, &revoked);
    assert_eq!(blamed(&outcome), ("certificate-revoked", "authority"));
    let (since, reason) = (NOW.plus_days(-1), RevocationReason::KeyCompromise);
    assert!(matches!(outcome, Err(PathFailure::Refused { reason: Refusal::Revoked { since: at, reason: why }, .. })
        if (at, why) == (since, reason)));
    assert_eq!(
        blamed(&ask(&one, &[list("authority", &authority, 2, &[9]), good[1].clone()])),
        ("certificate-revoked", "end")
    );
    // A list that somebody else signed says nothing.
    let forged = [of_authority.clone(), list("root", &other_root, 3, &[])];
    assert_eq!(blamed(&ask(&one, &forged)), ("certificate-revocation-unknown", "authority"));

    let both = trust(&anchors, &[first, second]);
    let lists = [of_authority, list("root", &root, 2, &[7]), list("other", &other_root, 1, &[])];
    assert_eq!(ask(&both, &lists).unwrap().subjects()[2], "C=CN, O=示例, CN=other");
}
