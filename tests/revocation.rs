//! CRLs and OCSP answers of others read by us, and ours read by others.
//!
//! The files stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they or a peer are
//! absent each test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use yinxin::base::clock::{Clock, SystemClock, Timestamp};
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::OID_SHA1;
use yinxin::crypto::digest::sha1_identifier;
use yinxin::crypto::sm2::KeyTables;
use yinxin::crypto::{Signer, ecdsa, rsa};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::revocation::CrlEvidence;
use yinxin::domain::trust::{
    Budget, Computed, OcspEvidence, RevocationEvidence, RevocationPolicy, RevocationQuestion, RevocationStatus,
    SignerId, status_of,
};
use yinxin::format::keys::{SubjectPublicKeyInfo, write_pem};
use yinxin::format::x509::crl::{NewCrl, NewEntries, NewRevokedCertificate, RevocationReason};
use yinxin::format::x509::extension::SubjectKeyIdentifier;
use yinxin::format::x509::ocsp::{CertificateStatus, NewBasicResponse, NewCertId, NewSingleResponse, ResponderId};
use yinxin::format::x509::{
    BasicConstraints, Certificate, CertificateList, KeyUsage, Name, NewCertificate, NewExtension, NewName, OcspRequest,
    OcspResponse,
};

fn is_required() -> bool {
    std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require")
}

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("pki");
    if root.join("pkits/crls").is_dir() {
        return Some(root);
    }
    assert!(!is_required(), "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| wanted(name))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Reads all, compares with a second parser, and gives what was refused.
fn refused(files: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    for (name, bytes) in files {
        let read = match CertificateList::parse(bytes) {
            Ok(read) => read,
            Err(error) => {
                refused.push((name.clone(), error.to_string()));
                continue;
            }
        };
        assert_eq!(read.raw, bytes, "{name}");
        let (_, peer) = x509_parser::parse_x509_crl(bytes).unwrap();
        assert_eq!(peer.issuer().as_raw(), read.issuer.raw(), "{name}");
        assert_eq!(peer.last_update().timestamp(), read.this_update.unix(), "{name}");
        assert_eq!(peer.next_update().map(|time| time.timestamp()), read.next_update.map(|time| time.unix()), "{name}");
        assert_eq!(peer.extensions().len(), read.extensions.len(), "{name}");
        let theirs: Vec<_> = peer.iter_revoked_certificates().collect();
        assert_eq!(theirs.len(), read.count(), "{name}");
        for (theirs, ours) in theirs.iter().zip(read.entries()) {
            assert_eq!(theirs.raw_serial(), ours.serial, "{name}");
            assert_eq!(theirs.revocation_date.timestamp(), ours.revocation_date.unix(), "{name}");
            let reason = theirs.reason_code().map(|(_, reason)| reason.0);
            assert_eq!(reason, ours.reason.map(|reason| reason.number()), "{name}");
        }
    }
    refused
}

#[test]
fn every_crl_of_pkits_is_read_as_a_second_parser_reads_it() {
    let Some(root) = fixtures("every_crl_of_pkits_is_read_as_a_second_parser_reads_it") else { return };
    let files = files(&root.join("pkits/crls"), |name| name.ends_with(".crl"));
    assert_eq!(files.len(), 173);
    assert_eq!(refused(&files), []);
}

#[test]
fn every_sm2_crl_is_read_as_a_second_parser_reads_it() {
    let Some(root) = fixtures("every_sm2_crl_is_read_as_a_second_parser_reads_it") else { return };
    let files = files(&root.join("sm2-certs"), |name| name.starts_with("crl-"));
    assert_eq!(files.len(), 47);
    assert_eq!(refused(&files), []);
}

/// An authority with a certificate of its own and one below it, serial numbers 1 and 0x91.
struct Made {
    signer: Box<dyn Signer>,
    name: Vec<u8>,
    key_hash: [u8; 20],
    authority: Vec<u8>,
    end: Vec<u8>,
    now: Timestamp,
}

impl Made {
    fn new(signer: Box<dyn Signer>) -> Self {
        let now = SystemClock.now();
        let name = |common_name: &str| NewName { organisation: "Example".into(), common_name: common_name.into() };
        let (authority, end) = (name("Authority").to_der(), name("End").to_der());
        let key = subject_public_key_info(&signer.public_key());
        let key_hash = sha1_identifier(SubjectPublicKeyInfo::parse(&key).unwrap().key);
        let usage = KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN | KeyUsage::DIGITAL_SIGNATURE);
        let extensions = [
            NewExtension::new(true, &BasicConstraints { authority: true, path_length: None }),
            NewExtension::new(true, &usage),
            NewExtension::new(false, &SubjectKeyIdentifier(&key_hash)),
        ];
        let mut made = Self { signer, name: authority.clone(), key_hash, authority: Vec::new(), end: Vec::new(), now };
        let certify = |serial: &[u8], subject: &[u8], extensions: &[NewExtension]| {
            let tbs = NewCertificate {
                serial,
                signature_algorithm: made.signer.algorithm().oid().unwrap(),
                issuer: &authority,
                not_before: now.plus_days(-1),
                not_after: now.plus_days(9),
                subject,
                public_key: &key,
                extensions,
            }
            .to_tbs();
            NewCertificate::assemble(&tbs, made.signer.algorithm().oid().unwrap(), &made.sign(&tbs))
        };
        let (of_authority, of_end) = (certify(&[1], &authority, &extensions), certify(&[0x91], &end, &[]));
        (made.authority, made.end) = (of_authority, of_end);
        made
    }

    fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        encode_value(self.signer.algorithm(), &self.signer.sign(tbs, &SystemRandom).unwrap())
    }

    fn crl(&self, delta_base: Option<&[u8]>, revokes: bool) -> Vec<u8> {
        let mut entries = NewEntries::default();
        if revokes {
            entries.push(&NewRevokedCertificate {
                serial: &[0x91],
                revocation_date: self.now.plus_seconds(-60),
                reason: RevocationReason::KeyCompromise,
                invalidity_date: Some(self.now.plus_days(-1)),
                certificate_issuer: None,
            });
        }
        let oid = self.signer.algorithm().oid().unwrap();
        let new = NewCrl {
            signature_algorithm: oid,
            issuer: &self.name,
            this_update: self.now.plus_seconds(-60),
            next_update: self.now.plus_days(1),
            authority_key_identifier: &self.key_hash,
            number: &[2],
            delta_base,
            issuing_distribution_point: None,
            freshest: None,
            others: &[],
        };
        let tbs = new.to_tbs(&entries).unwrap();
        NewCrl::assemble(&tbs, oid, &self.sign(&tbs))
    }

    fn answer(&self, status: CertificateStatus, by_key: bool) -> Vec<u8> {
        let name_hash = sha1_identifier(&self.name);
        let id = NewCertId {
            hash_algorithm: OID_SHA1,
            issuer_name_hash: &name_hash,
            issuer_key_hash: &self.key_hash,
            serial: &[0x91],
        };
        let single = NewSingleResponse {
            cert_id: &id.to_der(),
            status,
            this_update: self.now.plus_seconds(-60),
            next_update: Some(self.now.plus_days(1)),
            archive_cutoff: None,
            invalidity_date: None,
        };
        let name = Name::parse(&self.name, "name").unwrap();
        let responder = if by_key { ResponderId::Key(&self.key_hash) } else { ResponderId::Name(name) };
        let tbs = NewBasicResponse { responder, produced_at: self.now, responses: &[single], nonce: None }.to_tbs();
        NewBasicResponse::assemble(&tbs, self.signer.algorithm().oid().unwrap(), &self.sign(&tbs), &[])
    }
}

/// A folder of its own for one test, if `openssl` runs.
fn folder(test: &str) -> Option<PathBuf> {
    if !Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success()) {
        assert!(!is_required(), "{test} needs openssl, and it is absent");
        eprintln!("SKIPPED {test}: openssl absent");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    // Of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

/// What `openssl` says, on both channels.
fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn openssl_accepts_what_we_write() {
    let Some(folder) = folder("openssl_accepts_what_we_write") else { return };
    let p256: Box<dyn Signer> = Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
    let rsa: Box<dyn Signer> = Box::new(rsa::PrivateKey::generate(3072).unwrap());
    for signer in [p256, rsa] {
        let made = Made::new(signer);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
        write("ca.pem", write_pem(&made.authority, "CERTIFICATE").as_bytes());
        write("end.pem", write_pem(&made.end, "CERTIFICATE").as_bytes());
        for (name, crl) in
            [("full", made.crl(None, true)), ("clean", made.crl(None, false)), ("delta", made.crl(Some(&[1]), true))]
        {
            write(&format!("{name}.der"), &crl);
            write(&format!("{name}.pem"), write_pem(&crl, "X509 CRL").as_bytes());
            let said = openssl(&folder, &format!("crl -inform DER -in {name}.der -CAfile ca.pem -noout -text"));
            assert!(said.contains("verify OK"), "{said}");
            assert_eq!(said.contains("Serial Number: 91"), name != "clean", "{said}");
            assert_eq!(said.contains("X509v3 Delta CRL Indicator: critical"), name == "delta", "{said}");
            assert_eq!(said.contains("Key Compromise"), name != "clean", "{said}");
        }
        let said = openssl(&folder, "verify -crl_check -CAfile ca.pem -CRLfile full.pem end.pem");
        assert!(said.contains("certificate revoked"), "{said}");
        let said = openssl(&folder, "verify -crl_check -CAfile ca.pem -CRLfile clean.pem end.pem");
        assert!(said.contains("end.pem: OK"), "{said}");

        let since = made.now.plus_seconds(-60);
        let revoked = CertificateStatus::Revoked { since, reason: Some(RevocationReason::KeyCompromise) };
        for (status, word) in
            [(CertificateStatus::Good, "good"), (revoked, "revoked"), (CertificateStatus::Unknown, "unknown")]
        {
            for by_key in [false, true] {
                write("answer.der", &made.answer(status, by_key));
                let asked = "ocsp -respin answer.der -issuer ca.pem -cert end.pem -CAfile ca.pem -no_nonce";
                let said = openssl(&folder, asked);
                assert!(said.contains("Response verify OK"), "{said}");
                assert!(said.contains(&format!("end.pem: {word}")), "{said}");
                assert_eq!(said.contains("Reason: keyCompromise"), word == "revoked", "{said}");
            }
        }
    }
}

/// A request and answers of `openssl ocsp`, and a list of `openssl ca`: read and judged by us.
#[test]
fn what_openssl_answers_is_judged() {
    let Some(folder) = folder("what_openssl_answers_is_judged") else { return };
    let run = |arguments: &str| openssl(&folder, arguments);
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9";
    run(&format!("req -x509 {key} -subj /CN=ca -keyout ca.key -out ca.pem"));
    run(&format!(
        "req -x509 {key} -subj /CN=end -set_serial 4097 -CA ca.pem -CAkey ca.key -keyout end.key -out end.pem"
    ));
    run("x509 -in ca.pem -outform DER -out ca.der");
    run("x509 -in end.pem -outform DER -out end.der");
    let (authority, end) = (fs::read(folder.join("ca.der")).unwrap(), fs::read(folder.join("end.der")).unwrap());
    let (authority, end) = (Certificate::parse(&authority).unwrap(), Certificate::parse(&end).unwrap());
    let configuration = "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\ncrl_extensions=e\n[e]\n\
                         authorityKeyIdentifier=keyid\n";
    fs::write(folder.join("ca.cnf"), configuration).unwrap();
    for (index, expected) in [
        ("V\t401231235959Z\t\t1001\tunknown\t/CN=end\n", "not-revoked"),
        ("R\t401231235959Z\t250101000000Z,keyCompromise\t1001\tunknown\t/CN=end\n", "revoked"),
        ("R\t401231235959Z\t250101000000Z,certificateHold\t1001\tunknown\t/CN=end\n", "suspended"),
    ] {
        fs::write(folder.join("index.txt"), index).unwrap();
        run("ocsp -issuer ca.pem -cert end.pem -reqout request.der");
        run(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin request.der -respout answer.der -ndays 1",
        );
        run("ca -gencrl -config ca.cnf -cert ca.pem -keyfile ca.key -crldays 1 -out crl.pem");
        run("crl -in crl.pem -outform DER -out crl.der");
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let (request, answer, crl) = (read("request.der"), read("answer.der"), read("crl.der"));
        let request = OcspRequest::parse(&request).unwrap();
        assert_eq!(request.requests.len(), 1);
        assert_eq!(request.requests[0].cert_id.serial, end.serial);
        let nonce = request.nonce.unwrap();
        let (answer, list) = (OcspResponse::parse(&answer).unwrap(), CertificateList::parse(&crl).unwrap());
        let ask = |evidence: RevocationEvidence<'_>| -> RevocationStatus {
            let question = RevocationQuestion {
                certificate: &end,
                issuer: &authority,
                evidence: &evidence,
                at: SystemClock.now(),
                policy: &RevocationPolicy::default(),
                tables: &KeyTables::default(),
                check: &Computed,
                signer_ids: &[SignerId::Default],
                authorise: &|_| false,
            };
            status_of(&question, &mut Budget::new(&Limits::DEFAULT))
        };
        let ocsp = |nonce| {
            ask(RevocationEvidence { ocsp: &[OcspEvidence { response: &answer, nonce }], ..Default::default() })
        };
        assert_eq!(ocsp(Some(nonce)).code(), expected);
        assert_eq!(ocsp(Some(&[1; 32])).code(), "ocsp-nonce-other");
        let crls = [CrlEvidence { list: &list, index: None }];
        assert_eq!(ask(RevocationEvidence { crls: &crls, ..Default::default() }).code(), expected);
    }
}

/// `cargo test --release --test revocation -- --ignored --nocapture` prints how long large lists take.
#[test]
#[ignore = "measures; release only"]
fn large_lists() {
    for entries in [10_000_u32, 1_000_000] {
        let started = std::time::Instant::now();
        let mut list = NewEntries::with_room(usize::try_from(entries).unwrap());
        for serial in 0..entries {
            let serial = u128::from(serial).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
            list.push(&NewRevokedCertificate {
                serial: &serial,
                revocation_date: Timestamp::from_unix(1_700_000_000),
                reason: RevocationReason::Superseded,
                invalidity_date: None,
                certificate_issuer: None,
            });
        }
        let name = NewName { organisation: "Example".into(), common_name: "Authority".into() }.to_der();
        let signer = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        let oid = signer.algorithm().oid().unwrap();
        let new = NewCrl {
            signature_algorithm: oid,
            issuer: &name,
            this_update: Timestamp::from_unix(1_700_000_000),
            next_update: Timestamp::from_unix(1_800_000_000),
            authority_key_identifier: &[1; 20],
            number: &[1],
            delta_base: None,
            issuing_distribution_point: None,
            freshest: None,
            others: &[],
        };
        let tbs = new.to_tbs(&list).unwrap();
        let value = encode_value(signer.algorithm(), &signer.sign(&tbs, &SystemRandom).unwrap());
        let der = NewCrl::assemble(&tbs, oid, &value);
        let built = started.elapsed();
        let started = std::time::Instant::now();
        let read = CertificateList::parse(&der).unwrap();
        let parsed = started.elapsed();
        let started = std::time::Instant::now();
        let index = yinxin::format::x509::crl::CrlIndex::new(&read, 2_000_000).unwrap();
        let indexed = started.elapsed();
        let (issuer, last) = (Name::parse(&name, "name").unwrap(), read.entries().last().unwrap());
        let started = std::time::Instant::now();
        assert_eq!(index.find(&read, last.serial, &issuer), Some(last));
        let found = started.elapsed();
        println!(
            "{entries} entries, {} bytes: built and signed {built:?}, read {parsed:?}, indexed {indexed:?}, found {found:?}",
            der.len()
        );
        assert!(built.as_millis() < if entries == 10_000 { 20 } else { 2_000 }, "{built:?}");
    }
}
