//! Certificates of every profile and kind of key, judged by software that is not ours: pkilint, OpenSSL, Bouncy Castle.
//!
//! `scripts/test-peers` installs the peers. Where one is absent each test says SKIPPED by name; it fails instead under
//! `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::config::profiles::built_in;
use yinxin::config::{algorithms, profiles};
use yinxin::crypto::{PublicKey, Signer, ecdsa, ed25519, rsa, sm2};
use yinxin::domain::ca::identity::{IdentityKind, IdentityValue};
use yinxin::domain::ca::pair::{PairError, prepare_pair};
use yinxin::domain::ca::profile::{AlternativeNameKind, AttributeKind, Pattern, Position, Presence};
use yinxin::domain::ca::renewal::{RenewalError, RenewalPolicy, RenewedKey, renew};
use yinxin::domain::ca::rollover::{Rollover, prepare_cross, prepare_rollover};
use yinxin::domain::ca::state::{CertificateState, RevocationReason};
use yinxin::domain::ca::{Error, Issuer, Profile, Profiles, Publication, Request, ThrowAwayKeys, prepare};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::format::x509::extension::SubjectKeyIdentifier;
use yinxin::format::x509::{Certificate, NewGeneralName};

/// 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const CREDIT_CODE: &str = "99990000000000001F";

static PROFILES: LazyLock<Profiles> = LazyLock::new(|| built_in().unwrap());
static POLICY: LazyLock<AlgorithmPolicy> = LazyLock::new(|| algorithms::built_in(&|_| String::new()).unwrap());
static THROW_AWAY: LazyLock<ThrowAwayKeys> = LazyLock::new(|| ThrowAwayKeys::new(Arc::new(SystemRandom)));
static PUBLICATION: LazyLock<Publication> = LazyLock::new(|| {
    let crl = (Some("http://pki.a.example/crl/{shard}.crl"), Some("http://pki.a.example/crl/{shard}-delta.crl"));
    Publication::new(crl, 16, &["http://pki.a.example/ocsp"], &["http://pki.a.example/ca.cer"]).unwrap()
});
static AUTHORITIES: LazyLock<[Authorities; 3]> = LazyLock::new(|| {
    let sm2 = || -> Arc<dyn Signer> { Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()) };
    let p256 = || -> Arc<dyn Signer> { Arc::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()) };
    // Roots and intermediates of RSA have 4096 bits; one key serves here for all three.
    let rsa_key: Arc<dyn Signer> = Arc::new(rsa::PrivateKey::generate(4096).unwrap());
    let rsa = || Arc::clone(&rsa_key);
    [Authorities::new("sm2-key", &sm2), Authorities::new("rsa-key", &rsa), Authorities::new("p256-key", &p256)]
});
/// Keys of subjects, by their names in the registry of algorithms.
static KEYS: LazyLock<BTreeMap<&'static str, PublicKey>> = LazyLock::new(|| {
    let keys: [Box<dyn Signer>; 4] = [
        Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()),
        Box::new(rsa::PrivateKey::generate(3072).unwrap()),
        Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()),
        Box::new(ed25519::PrivateKey::generate(&SystemRandom).unwrap()),
    ];
    keys.iter().map(|key| (key.public_key().name(), key.public_key())).collect()
});

/// A root, an authority below it and one below that, of one kind of key.
struct Authorities {
    kind: &'static str,
    keys: [Arc<dyn Signer>; 3],
    certificates: [Vec<u8>; 3],
}

impl Authorities {
    fn new(kind: &'static str, key: &dyn Fn() -> Arc<dyn Signer>) -> Self {
        let keys = [key(), key(), key()];
        let issue = |at: usize, profile: &str, above: Option<(&[u8], &dyn Signer)>| {
            let profile = PROFILES.require(profile).unwrap();
            let by = above.unwrap_or((&[], &*keys[at]));
            let subject = subject(profile, &format!("机构{at}"));
            let public = keys[at].public_key();
            let serial = [0x10 + u8::try_from(at).unwrap(); 16];
            let request = Request { serial: &serial, ..request(profile, &subject, &public) };
            issue(&request, above.map(|(der, _)| der), by.1).unwrap()
        };
        let root = issue(0, "root", None);
        let intermediate = issue(1, "intermediate", Some((&root, &*keys[0])));
        let issuing = issue(2, "seal-issuing-ca", Some((&intermediate, &*keys[1])));
        Self { kind, keys, certificates: [root, intermediate, issuing] }
    }
}

fn request<'a>(profile: &'a Profile, subject: &'a [(AttributeKind, String)], key: &'a PublicKey) -> Request<'a> {
    Request {
        profile,
        subject,
        alternative_names: &[],
        identity: &[],
        key,
        not_before: NOW,
        not_after: None,
        serial: &[0x5a; 16],
        transaction: None,
        name_constraints: None,
    }
}

fn issue(request: &Request<'_>, above: Option<&[u8]>, by: &dyn Signer) -> Result<Vec<u8>, Error> {
    let certificate = above.map(|der| Certificate::parse(der).unwrap());
    let key = by.public_key();
    let issuer = Issuer {
        certificate: certificate.as_ref(),
        key: &key,
        algorithm: by.algorithm(),
        publication: &PUBLICATION,
        throw_away: &THROW_AWAY,
    };
    let token = prepare(request, &issuer, (&POLICY, NOW))?;
    let value = by.sign(token.to_sign(), &SystemRandom).unwrap();
    token.assemble(&value)
}

/// A value for each attribute that the profile has a rule for and does not fix.
fn subject(profile: &Profile, name: &str) -> Vec<(AttributeKind, String)> {
    let value = |kind: AttributeKind, pattern: Pattern| match pattern {
        Pattern::Country => "CN".to_owned(),
        Pattern::Digits(count) => "9".repeat(count),
        Pattern::CreditCode => CREDIT_CODE.to_owned(),
        Pattern::CreditCodeAndName => format!("{CREDIT_CODE}示例局"),
        Pattern::HostName => "www.a.example".to_owned(),
        Pattern::Identifier => "a-1".to_owned(),
        _ if kind == AttributeKind::CommonName => name.to_owned(),
        _ => "示例".to_owned(),
    };
    let rules = profile.rules().subject.iter().filter(|rule| !matches!(rule.presence, Presence::Fixed(_)));
    rules.map(|rule| (rule.kind, value(rule.kind, rule.pattern))).collect()
}

/// A name of each kind that the profile allows.
fn alternative_names(profile: &Profile) -> Vec<NewGeneralName> {
    let name = |kind: &AlternativeNameKind| match kind {
        AlternativeNameKind::Dns => NewGeneralName::Dns("www.a.example".into()),
        AlternativeNameKind::WildcardDns => NewGeneralName::Dns("*.a.example".into()),
        AlternativeNameKind::Ip => NewGeneralName::Ip(vec![192, 0, 2, 1]),
        AlternativeNameKind::Email => NewGeneralName::Rfc822("somebody@a.example".into()),
        AlternativeNameKind::Uri => NewGeneralName::Uri("https://a.example/system".into()),
        other => panic!("{other:?}"),
    };
    profile.rules().alternative_names.kinds.iter().map(name).collect()
}

/// A number of identity for each extension that the profile allows.
fn identity(profile: &Profile) -> Vec<IdentityValue> {
    let value = |kind: IdentityKind| match kind {
        IdentityKind::ResidentIdentityNumber => "11010519491231002X",
        IdentityKind::MilitaryOfficerCard => "军字第1234567号",
        IdentityKind::PassportNumber => "E12345678",
        IdentityKind::SocialInsuranceNumber => "SI00000001",
        IdentityKind::UnifiedSocialCreditCode => CREDIT_CODE,
        IdentityKind::OrganisationCode => "00000000-0",
        IdentityKind::EnterpriseRegistrationNumber => "110108000000016",
        IdentityKind::TaxationNumber => "91350100M000100Y43",
        other => panic!("{other:?}"),
    };
    let mut values = Vec::<IdentityValue>::new();
    for rule in &profile.rules().identity {
        if !values.iter().any(|known| known.kind().oid() == rule.kind.oid()) {
            values.push(IdentityValue::new(rule.kind, value(rule.kind)).unwrap());
        }
    }
    values
}

/// One certificate with those above it, as files.
struct Case {
    profile: String,
    key: &'static str,
    issuer: &'static str,
    der: PathBuf,
    pem: PathBuf,
    root: PathBuf,
    above: PathBuf,
    /// DER of those above, the anchor first.
    chain: Vec<PathBuf>,
    /// PEM of the one that signed it.
    direct: PathBuf,
}

fn pem(certificates: &[&[u8]]) -> String {
    let one = |der: &&[u8]| {
        let text = STANDARD.encode(der);
        let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    certificates.iter().map(one).collect()
}

/// Every profile with every kind of key that it certifies, written once for all tests.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("profiles");
    // Of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let write = |name: String, octets: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, octets).unwrap();
        path
    };
    let mut cases = Vec::new();
    for authorities in &*AUTHORITIES {
        let kind = authorities.kind;
        let [root, intermediate, issuing] = &authorities.certificates;
        let root_file = write(format!("{kind}-root.pem"), pem(&[root]).as_bytes());
        let above = write(format!("{kind}-above.pem"), pem(&[intermediate, issuing]).as_bytes());
        let chain = [("root", root), ("intermediate", intermediate), ("issuing", issuing)];
        let chain = chain.map(|(name, der)| {
            write(format!("{kind}-{name}.pem"), pem(&[der]).as_bytes());
            write(format!("{kind}-{name}.der"), der)
        });
        let mut keep = |profile: &str, key: &'static str, der: &[u8], chain: &[PathBuf]| {
            let name = format!("{kind}-{profile}-{key}");
            cases.push(Case {
                profile: profile.to_owned(),
                key,
                issuer: kind,
                der: write(format!("{name}.der"), der),
                pem: write(format!("{name}.pem"), pem(&[der]).as_bytes()),
                root: root_file.clone(),
                above: above.clone(),
                chain: chain.to_vec(),
                direct: chain.last().map_or_else(|| root_file.clone(), |der| der.with_extension("pem")),
            });
        };
        keep("root", kind, root, &[]);
        keep("intermediate", kind, intermediate, &chain[..1]);
        keep("seal-issuing-ca", kind, issuing, &chain[..2]);
        for profile in PROFILES.iter().filter(|profile| profile.rules().position == Position::End) {
            for (name, key) in &*KEYS {
                let same_kind = *name == kind || (*name == "ed25519-key" && kind == "p256-key");
                if !same_kind || !profile.certifies(key) {
                    continue;
                }
                let (subject, names) = (subject(profile, "示例系统"), alternative_names(profile));
                let identity = identity(profile);
                let transaction = profile.rules().transaction.then_some((&[0xd1; 32]).into());
                let request = request(profile, &subject, key);
                let request = Request { alternative_names: &names, identity: &identity, transaction, ..request };
                let der = issue(&request, Some(issuing), &*authorities.keys[2]).unwrap();
                keep(profile.name(), name, &der, &chain);
            }
        }
    }
    cases
});

fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(path)
}

fn runs(command: &str, argument: &str) -> bool {
    Command::new(command).arg(argument).output().is_ok_and(|output| output.status.success())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_profile_is_issued_for_every_key_that_it_certifies() {
    assert_eq!(profiles::BUILT_IN.len(), 17);
    for profile in PROFILES.iter() {
        let issued: Vec<_> = CASES.iter().filter(|case| case.profile == profile.name()).map(|case| case.key).collect();
        let mut wanted: Vec<_> = profile.rules().keys.iter().map(|rule| rule.algorithm.as_str()).collect();
        wanted.sort_by_key(|name| issued.iter().position(|found| found == name));
        assert_eq!(issued, wanted, "{}", profile.name());
        assert!(issued.contains(&"sm2-key"), "{}", profile.name());
    }
}

#[test]
fn pkilint_finds_nothing_that_our_rules_missed() {
    let interpreter = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    let mut command = Command::new(&interpreter);
    if !interpreter.exists() {
        return skip("pkilint_finds_nothing_that_our_rules_missed", "target/peers");
    }
    command.arg(script("python/lint_certificates.py")).args(CASES.iter().map(|case| &case.der));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), CASES.len());
    for (line, case) in lines.iter().zip(&*CASES) {
        // It computes neither with SM2 nor with SM3, and says so.
        let unknown = ["pkix.unsupported_algorithm", "pkix.unknown_subject_key_identifier_calculation_method"];
        // An SM2 key encrypts (GB/T 32918.4); RFC 5480, by which it judges every key of a curve, knows no such key.
        let encrypts = "pkix.key_usage_value_prohibited_for_ec";
        let excused = |finding: &&Value| {
            let known = |code: &str| finding["code"] == *code;
            // Wildcards are those of RFC 6125 6.4.3, which came after RFC 5280.
            let wildcard = known("pkix.invalid_domain_name_syntax")
                && finding["message"].as_str().is_some_and(|message| message.ends_with("\"*.a.example\""));
            wildcard && case.profile == "tls-server"
                || case.key == "sm2-key"
                    && (unknown.iter().any(|code| known(code))
                        || (case.profile == "person-encryption" && known(encrypts)))
        };
        let findings: Vec<_> =
            line["findings"].as_array().unwrap().iter().filter(|finding| !excused(finding)).collect();
        assert_eq!(findings, Vec::<&Value>::new(), "{} {}", case.profile, case.key);
    }
}

#[test]
fn openssl_accepts_every_chain() {
    if !runs("openssl", "version") {
        return skip("openssl_accepts_every_chain", "openssl");
    }
    // Its own signature on an SM2 root it checks without the signer ID; Bouncy Castle does that.
    for case in CASES.iter().filter(|case| case.issuer != "sm2-key" || !case.chain.is_empty()) {
        let purpose = match case.profile.as_str() {
            "tls-server" => Some("sslserver"),
            "tsa" => Some("timestampsign"),
            "business-system" | "officer" => Some("sslclient"),
            "ocsp-responder" => Some("ocsphelper"),
            _ => None,
        };
        let verify = |moment: Timestamp| {
            let mut command = Command::new("openssl");
            command.args(["verify", "-x509_strict", "-attime", &moment.unix().to_string()]);
            if case.issuer == "sm2-key" {
                // It takes the signer ID for one certificate only: so that of the direct issuer is the anchor.
                command.args(["-partial_chain", "-vfyopt", "distid:1234567812345678", "-CAfile"]).arg(&case.direct);
            } else {
                command.arg("-check_ss_sig").arg("-CAfile").arg(&case.root).arg("-untrusted").arg(&case.above);
            }
            if let Some(purpose) = purpose {
                command.args(["-purpose", purpose]);
            }
            command.arg(&case.pem).output().unwrap()
        };
        let output = verify(NOW.plus_seconds(60));
        assert!(output.status.success(), "{} {} {}", case.profile, case.key, said(&output));
        let output = verify(NOW.plus_days(60 * 365));
        assert!(said(&output).contains("certificate has expired"), "{} {}", case.profile, said(&output));
    }
}

#[test]
fn bouncy_castle_accepts_every_chain() {
    let jar = Path::new("/usr/share/java/bcprov.jar");
    if !runs("java", "-version") || !jar.exists() {
        return skip("bouncy_castle_accepts_every_chain", "Java with Bouncy Castle");
    }
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(jar)
        .arg(script("bouncycastle/VerifyCertificates.java"))
        .arg(NOW.plus_seconds(60).unix().to_string());
    let cases: Vec<_> = CASES.iter().filter(|case| !case.chain.is_empty() && case.key != "ed25519-key").collect();
    for case in &cases {
        // The anchor first, the certificate last.
        let paths: Vec<_> = case.chain.iter().chain([&case.der]).map(|path| path.display().to_string()).collect();
        command.arg(paths.join(","));
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), cases.len(), "{}", said(&output));
    for (line, case) in lines.iter().zip(cases) {
        assert_eq!(*line, "ok", "{} {}", case.profile, case.key);
    }
}

/// RFC 4210 4.4: who trusts the old root reaches what the new key signed, and the reverse; a cross certificate does it for
/// another authority. Chains are judged by OpenSSL.
#[test]
fn a_root_passes_to_a_new_key_and_is_crossed() {
    let profile = PROFILES.require("root").unwrap();
    let cross = PROFILES.require("intermediate").unwrap();
    let keys = [(); 3].map(|()| ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
    let publics = keys.each_ref().map(Signer::public_key);
    let name = subject(profile, "根");
    let make = |at: usize, name: &[(AttributeKind, String)], from: Timestamp| {
        let serial = [u8::try_from(at).unwrap() + 1; 16];
        let request = Request { not_before: from, serial: &serial, ..request(profile, name, &publics[at]) };
        issue(&request, None, &keys[at]).unwrap()
    };
    let (old_der, new_der) = (make(0, &name, NOW), make(1, &name, NOW.plus_days(1)));
    let other_der = make(2, &subject(profile, "别的根"), NOW);
    let [old, new, other] = [&old_der, &new_der, &other_der].map(|der| Certificate::parse(der).unwrap());
    let rules = (&*POLICY, NOW.plus_days(1));
    let issuer = |certificate, at: usize| Issuer {
        certificate: Some(certificate),
        key: &publics[at],
        algorithm: keys[at].algorithm(),
        publication: &PUBLICATION,
        throw_away: &THROW_AWAY,
    };
    let sign = |token: yinxin::domain::ca::IssuanceToken, at: usize| {
        let value = keys[at].sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    };
    let roll = |which, by, at| prepare_rollover(which, (&old, &new), (cross, &[9; 16]), &issuer(by, at), rules);
    let old_with_new = sign(roll(Rollover::OldWithNew, &new, 1).unwrap(), 1);
    let new_with_old = sign(roll(Rollover::NewWithOld, &old, 0).unwrap(), 0);
    assert_eq!(roll(Rollover::NewWithOld, &new, 1).unwrap_err(), Error::Position);
    let token = prepare_cross(&other, (cross, &[8; 16]), &issuer(&old, 0), (None, None), rules).unwrap();
    let crossed = sign(token, 0);
    for (der, subject, end) in
        [(&old_with_new, &old, old.not_after), (&new_with_old, &new, old.not_after), (&crossed, &other, old.not_after)]
    {
        let read = Certificate::parse(der).unwrap();
        assert_eq!((read.subject, read.public_key), (subject.subject, subject.public_key));
        assert_eq!(
            read.extension_of::<SubjectKeyIdentifier<'_>>().unwrap(),
            subject.extension_of::<SubjectKeyIdentifier<'_>>().unwrap()
        );
        assert_eq!(read.not_after, end.min(subject.not_after));
    }
    if !runs("openssl", "version") {
        return skip("a_root_passes_to_a_new_key_and_is_crossed", "openssl");
    }
    // An end certificate under the new key, trusted through the old root, and one under the other's.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rollover");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let tsa = PROFILES.require("tsa").unwrap();
    let names = subject(tsa, "时间戳");
    for (trusted, between, above, at) in [
        (&old_der, &new_with_old, &new_der, 1),
        (&new_der, &old_with_new, &old_der, 0),
        (&old_der, &crossed, &other_der, 2),
    ] {
        let end_request = Request { not_before: NOW.plus_days(1), ..request(tsa, &names, &publics[2]) };
        let end = issue(&end_request, Some(above), &keys[at]).unwrap();
        for (file, der) in [("root.pem", trusted), ("between.pem", between), ("end.pem", &end)] {
            fs::write(folder.join(file), pem(&[der])).unwrap();
        }
        let mut command = Command::new("openssl");
        command.current_dir(&folder).args(["verify", "-x509_strict", "-attime", &NOW.plus_days(2).unix().to_string()]);
        let output = command.args(["-CAfile", "root.pem", "-untrusted", "between.pem", "end.pem"]).output().unwrap();
        assert!(output.status.success(), "{at} {}", said(&output));
    }
}

#[test]
fn a_pair_is_one_subject_and_two_keys() {
    let (signing, encryption) =
        (PROFILES.require("person-signing").unwrap(), PROFILES.require("person-encryption").unwrap());
    let authorities = &AUTHORITIES[0];
    let above = Certificate::parse(&authorities.certificates[2]).unwrap();
    let by = authorities.keys[2].public_key();
    let algorithm = authorities.keys[2].algorithm();
    let issuer =
        Issuer { certificate: Some(&above), key: &by, algorithm, publication: &PUBLICATION, throw_away: &THROW_AWAY };
    let made = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let made = Signer::public_key(&made);
    let names = subject(signing, "某人");
    let other_names = subject(signing, "别人");
    let first = request(signing, &names, &KEYS["sm2-key"]);
    let second = Request { serial: &[0x5b; 16], ..request(encryption, &names, &made) };
    let rules = (&*POLICY, NOW);
    let pair = |first: &Request<'_>, second: &Request<'_>| prepare_pair((first, second), &issuer, rules);
    let tokens = pair(&first, &second).unwrap();
    let assembled = [tokens.signing, tokens.encryption].map(|token| {
        let value = authorities.keys[2].sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    });
    let [signs, encrypts] = assembled.each_ref().map(|der| Certificate::parse(der).unwrap());
    assert_eq!((signs.subject, signs.not_after), (encrypts.subject, encrypts.not_after));
    assert_eq!((signs.key_usage.unwrap().0, encrypts.key_usage.unwrap().0), (0b11, 0b1100));
    let refuse = |first: Request<'_>, second: Request<'_>| pair(&first, &second).unwrap_err();
    assert_eq!(refuse(second, first), PairError::Usage);
    assert_eq!(refuse(first, Request { key: &KEYS["sm2-key"], ..second }), PairError::SameKey);
    assert_eq!(refuse(first, Request { key: &KEYS["rsa-key"], ..second }), PairError::OtherKind);
    assert_eq!(refuse(first, Request { subject: &other_names, ..second }), PairError::OtherSubject);
    assert_eq!(refuse(first, Request { serial: first.serial, ..second }), PairError::SameSerial);
    assert_eq!(refuse(first, Request { not_after: Some(NOW.plus_days(9)), ..second }), PairError::OtherValidity);
}

#[test]
fn renewal_is_for_active_certificates_near_their_end() {
    let profile = PROFILES.require("officer").unwrap();
    let names = subject(profile, "某员");
    let authorities = &AUTHORITIES[0];
    let der =
        issue(&request(profile, &names, &KEYS["sm2-key"]), Some(&authorities.certificates[2]), &*authorities.keys[2])
            .unwrap();
    let old = Certificate::parse(&der).unwrap();
    let policy = RenewalPolicy { days_before: 30, days_after: 7, key_days: 500 };
    let active = CertificateState::Active { since: NOW };
    let (same, now) = (RenewedKey::Same { certified_since: NOW }, old.not_after.plus_days(-10));
    let renewed = renew((&old, &active), same, profile, &policy, now).unwrap();
    assert_eq!(renewed.key, KEYS["sm2-key"]);
    assert_eq!(renewed.not_after_at_most, Some(NOW.plus_days(500)));
    // What is renewed is issued as any request is.
    let again = Request { serial: &[0x5c; 16], ..request(profile, &names, &renewed.key) };
    assert!(renewed.subject.iter().filter(|(kind, _)| *kind != AttributeKind::Country).all(|one| names.contains(one)));
    let again = Request { subject: &renewed.subject, ..again };
    let again = issue(&again, Some(&authorities.certificates[2]), &*authorities.keys[2]).unwrap();
    assert_eq!(Certificate::parse(&again).unwrap().subject, old.subject);
    let new = renew((&old, &active), RenewedKey::New(&KEYS["p256-key"]), profile, &policy, now).unwrap();
    assert_eq!((new.key, new.not_after_at_most), (KEYS["p256-key"].clone(), None));
    let refuse = |state: &CertificateState, key, policy: &RenewalPolicy, now| {
        renew((&old, state), key, profile, policy, now).unwrap_err()
    };
    let (from, until) = (old.not_after.plus_days(-30), old.not_after.plus_days(7));
    assert_eq!(refuse(&active, same, &policy, from.plus_seconds(-1)), RenewalError::TooEarly { from });
    assert_eq!(refuse(&active, same, &policy, until.plus_seconds(1)), RenewalError::TooLate { until });
    assert_eq!(refuse(&active, RenewedKey::New(&KEYS["sm2-key"]), &policy, now), RenewalError::KeyNotNew);
    let short = RenewalPolicy { key_days: 300, ..policy };
    assert_eq!(refuse(&active, same, &short, now), RenewalError::KeyTooOld { until: NOW.plus_days(300) });
    let suspended = CertificateState::Suspended { since: NOW };
    assert_eq!(refuse(&suspended, same, &policy, now), RenewalError::NotActive { state: "suspended" });
    let revoked = CertificateState::Revoked { at: NOW, reason: RevocationReason::KeyCompromise, invalidity_date: None };
    assert_eq!(refuse(&revoked, same, &policy, now), RenewalError::NotActive { state: "revoked" });
    let event = PROFILES.require("event").unwrap();
    assert_eq!(renew((&old, &active), same, event, &policy, now), Err(RenewalError::Transaction));
}
