//! Evidence beside the file: what revocation lists and time stamps change, and what they must not.

use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SM2_WITH_SM3, SignatureAlgorithm};
use yinxin::crypto::digest::digest;
use yinxin::crypto::{PublicKey, Signer as _};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use yinxin::format::cms::{Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2};
use yinxin::format::der::{ObjectIdentifier, Writer};
use yinxin::format::ses::SesSignature;
use yinxin::format::tsp::{GenTime, MessageImprint, NewTstInfo, TST_INFO, TimeStampResp};
use yinxin::format::x509::crl::{NewCrl, NewEntries, NewRevokedCertificate, RevocationReason};
use yinxin::format::x509::extension::{ExtendedKeyUsage, SubjectKeyIdentifier, TIME_STAMPING};
use yinxin::format::x509::{Certificate, KeyUsage, NewCertificate, NewExtension, NewName};

use crate::bench::{Bench, Issue, Party, VALUE, at, ca, rich};
use crate::{Expected, Variant, variant};

/// The claimed time of the base file is 2025-06-01T02:03:04Z.
const BEFORE: &str = "2025-05-01T00:00:00Z";
const AFTER: &str = "2025-09-01T00:00:00Z";
const STAMPED: &str = "2025-06-01T02:03:05Z";
const LATE: &str = "2025-12-01T00:00:00Z";

/// A list of that authority, good at the moment of verification.
struct List {
    by: Party,
    from: &'static str,
    until: &'static str,
    entries: Vec<(Vec<u8>, &'static str, RevocationReason, Option<&'static str>)>,
}

impl List {
    fn of(revoked: &Party, since: &'static str, reason: RevocationReason) -> Self {
        let serial = Certificate::parse(&revoked.certificate).unwrap().serial.to_vec();
        let entries = vec![(serial, since, reason, None)];
        Self { by: ca(), from: "2026-06-01T00:00:00Z", until: "2045-01-01T00:00:00Z", entries }
    }

    fn to_der(&self) -> Vec<u8> {
        let issuer = Certificate::parse(&self.by.certificate).unwrap();
        let key = issuer.extension_of::<SubjectKeyIdentifier<'_>>().unwrap();
        let mut entries = NewEntries::default();
        for (serial, since, reason, lost) in &self.entries {
            entries.push(&NewRevokedCertificate {
                serial,
                revocation_date: at(since),
                reason: *reason,
                invalidity_date: lost.map(at),
                certificate_issuer: None,
            });
        }
        let tbs = NewCrl {
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: issuer.subject.raw(),
            this_update: at(self.from),
            next_update: at(self.until),
            authority_key_identifier: key.map_or(&[0; 20], |key| key.0),
            number: &[5],
            delta_base: None,
            issuing_distribution_point: None,
            freshest: None,
            others: &[],
        }
        .to_tbs(&entries)
        .unwrap();
        NewCrl::assemble(&tbs, OID_SM2_WITH_SM3, &self.by.sign(&tbs))
    }
}

/// A list of a day ago, of the authority above signers and makers, that names neither.
pub(crate) fn fresh_list() -> Vec<u8> {
    let other = Issue::default().by(Some(&ca()));
    List { from: "2026-11-22T00:00:00Z", ..List::of(&other, BEFORE, RevocationReason::KeyCompromise) }.to_der()
}

/// A time stamp of an authority that is trusted.
pub(crate) fn time_stamp(over: &[u8]) -> Vec<u8> {
    token(&lasting(), over, STAMPED)
}

/// A time-stamping authority under that issuer.
pub(crate) fn stamper(issuer: &Party, until: &str) -> Party {
    let party = Issue { name: "time", key: 0x51, ..Issue::default() }.by(None);
    let own = PublicKey::Sm2(party.key().public_key());
    let above = Certificate::parse(&issuer.certificate).unwrap();
    let tbs = NewCertificate {
        serial: &[0x51, 7],
        signature_algorithm: OID_SM2_WITH_SM3,
        issuer: above.subject.raw(),
        not_before: at("2020-01-01T00:00:00Z"),
        not_after: at(until),
        subject: &NewName { organisation: "test".to_owned(), common_name: "time".to_owned() }.to_der(),
        public_key: &subject_public_key_info(&own),
        extensions: &[
            NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
            NewExtension::new(true, &ExtendedKeyUsage(vec![TIME_STAMPING])),
        ],
    }
    .to_tbs();
    Party { certificate: NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &issuer.sign(&tbs)), ..party }
}

pub(crate) fn lasting() -> Party {
    stamper(&ca(), "2045-01-01T00:00:00Z")
}

/// A token of that authority over those octets.
pub(crate) fn token(by: &Party, over: &[u8], gen_time: &str) -> Vec<u8> {
    let (kind, algorithm) = (DigestAlgorithm::Sm3, SignatureAlgorithm::Sm2Sm3);
    let info = NewTstInfo {
        policy: ObjectIdentifier::new_unwrap("1.2.156.1.2.3"),
        imprint: &MessageImprint::write(kind.oid(), &digest(kind, over)),
        serial: &[1],
        gen_time: GenTime::new(at(gen_time), 0).unwrap(),
        accuracy: None,
        ordering: false,
        nonce: None,
        tsa: None,
    }
    .to_der();
    let certificate = Certificate::parse(&by.certificate).unwrap();
    let names = (certificate.issuer.raw(), certificate.serial);
    let attributes = vec![
        NewAttribute::content_type(TST_INFO),
        NewAttribute::message_digest(&digest(kind, &info)),
        signing_certificate_v2(kind.oid(), &digest(kind, certificate.raw), names),
    ];
    let value = by.key().sign(&NewAttribute::to_sign(&attributes), &SystemRandom).unwrap();
    let signer = NewSigner {
        identifier: SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial },
        digest_algorithm: &digest_algorithm_identifier(kind),
        signed_attributes: &attributes,
        signature_algorithm: &signature_algorithm_identifier(algorithm),
        signature: &encode_value(algorithm, &value),
        unsigned_attributes: &[],
    };
    NewSignedData {
        family: Family::Cms,
        content_type: TST_INFO,
        content: Some(&info),
        certificates: &[&by.certificate],
        crls: &[],
        signers: &[signer],
    }
    .to_der()
}

/// The octets of the signature's value.
fn value(b: &Bench) -> Vec<u8> {
    SesSignature::parse(b.pack.get(VALUE)).unwrap().signature.to_vec()
}

/// Puts a time stamp beside the value, as GB/T 38540-2020 7 has it.
fn attach(b: &mut Bench, time_stamp: &[u8]) {
    let bytes = b.pack.get(VALUE).to_vec();
    let read = SesSignature::parse(&bytes).unwrap();
    let mut writer = Writer::new();
    writer.sequence(|outer| {
        outer.raw(read.tbs).octet_string(read.certificate).oid(read.signature_algorithm).bit_string(read.signature);
        outer.context(0, |tagged| _ = tagged.bit_string(time_stamp));
    });
    *b.pack.get_mut(VALUE) = writer.into_bytes();
}

fn stamped(b: &mut Bench, by: &Party, gen_time: &str) {
    let token = token(by, &value(b), gen_time);
    attach(b, &token);
}

/// The signer's certificate, or the maker's, is revoked since then.
pub(crate) fn now_revoked(b: &mut Bench, whose: &str, since: &'static str, reason: RevocationReason) {
    let party = if whose == "maker" { b.plan.maker.clone() } else { b.plan.signer.clone() };
    b.crls = vec![List::of(&party, since, reason).to_der()];
}

fn revoked(b: &mut Bench, since: &'static str, reason: RevocationReason) {
    let signer = b.plan.signer.clone();
    b.crls.push(List::of(&signer, since, reason).to_der());
}

/// Signed by one whose certificate has ended since.
fn ended(b: &mut Bench) {
    let to = "2026-01-01T00:00:00Z";
    b.plan.sign_as(Issue { to, ..Issue::default() }.by(Some(&ca())));
    b.seal_again();
}

/// Signed by one under an authority of its own, which is given back.
fn below_another(b: &mut Bench, to: &'static str) -> Party {
    let between = Issue { to, ..Issue::authority("between", 0x61) }.by(Some(&ca()));
    b.others.push(between.certificate.clone());
    b.plan.sign_as(Issue::default().by(Some(&between)));
    b.seal_again();
    between
}

const LOST: RevocationReason = RevocationReason::KeyCompromise;
const LEFT: RevocationReason = RevocationReason::CessationOfOperation;

const fn no_proof(codes: &'static [&'static str]) -> Expected {
    Expected::unsure("OUT_OF_BOUNDS_NO_POE", codes)
}

const GOOD: &[(&str, &str)] = &[("revocation", "ok")];
const BAD: &[(&str, &str)] = &[("revocation", "failed")];
const PROVED: &[(&str, &str)] = &[("time", "ok")];

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = revocation();
    all.extend(time());
    all.extend(both());
    all
}

fn revocation() -> Vec<Variant> {
    vec![
        variant(
            "a list without the signer",
            rich,
            |b| {
                let other = Issue::default().by(Some(&ca()));
                b.crls.push(List::of(&other, BEFORE, LOST).to_der());
            },
            Expected::passed().axes(GOOD),
        ),
        variant(
            "revoked before the claimed time",
            rich,
            |b| revoked(b, BEFORE, LEFT),
            Expected::failed("REVOKED", &["signer-revoked"])
                .axes(BAD)
                .says("2025-05-01T00:00:00Z (cessation-of-operation)"),
        ),
        variant(
            "revoked after the claimed time",
            rich,
            |b| revoked(b, AFTER, LEFT),
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]).axes(BAD),
        ),
        variant(
            "suspended",
            rich,
            |b| revoked(b, BEFORE, RevocationReason::CertificateHold),
            Expected::unsure("TRY_LATER", &["signer-suspended"]).axes(BAD),
        ),
        variant(
            "a list that another key signed",
            rich,
            |b| {
                let forger = Party { certificate: ca().certificate, ..Issue::authority("forger", 0x62).by(None) };
                let signer = b.plan.signer.clone();
                b.crls.push(List { by: forger, ..List::of(&signer, BEFORE, LOST) }.to_der());
            },
            Expected::passed().axes(&[("revocation", "warning")]),
        ),
        variant(
            "a list out of date without the signer",
            rich,
            |b| {
                let other = Issue::default().by(Some(&ca()));
                b.crls.push(List { until: "2026-07-01T00:00:00Z", ..List::of(&other, BEFORE, LOST) }.to_der());
            },
            Expected::passed().axes(&[("revocation", "warning")]),
        ),
        variant(
            "a list out of date with the signer",
            rich,
            |b| {
                let signer = b.plan.signer.clone();
                b.crls.push(List { until: "2026-07-01T00:00:00Z", ..List::of(&signer, BEFORE, LOST) }.to_der());
            },
            Expected::failed("REVOKED", &["signer-revoked"]).axes(BAD),
        ),
        variant(
            "a list older than the policy takes",
            rich,
            |b| {
                b.policy("strict");
                let other = Issue::default().by(Some(&ca()));
                b.crls.push(List::of(&other, BEFORE, LOST).to_der());
            },
            Expected::unsure("TRY_LATER", &["revocation-unknown"]).axes(&[("revocation", "unknown")]),
        ),
        variant(
            "maker lost its key later",
            rich,
            |b| {
                let maker = b.plan.maker.clone();
                b.crls.push(List::of(&maker, AFTER, LOST).to_der());
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]).axes(BAD),
        ),
        variant(
            "maker ended its work later",
            rich,
            |b| {
                let maker = b.plan.maker.clone();
                b.crls.push(List::of(&maker, AFTER, LEFT).to_der());
            },
            Expected::passed().axes(GOOD),
        ),
        variant(
            "maker revoked before it made the seal",
            rich,
            |b| {
                let maker = b.plan.maker.clone();
                b.plan.created = at("2024-01-01T00:00:00Z");
                b.seal_again();
                b.crls.push(List::of(&maker, "2023-01-01T00:00:00Z", LEFT).to_der());
            },
            Expected::failed("REVOKED", &["maker-revoked"]).axes(BAD),
        ),
        variant(
            "an authority between is revoked",
            rich,
            |b| {
                let between = below_another(b, "2045-01-01T00:00:00Z");
                b.crls.push(List::of(&between, AFTER, LOST).to_der());
            },
            Expected::unsure("REVOKED_CA_NO_POE", &["authority-revoked-no-proof-of-time"]).axes(BAD),
        ),
    ]
}

fn time() -> Vec<Variant> {
    vec![
        variant("signer ended, nothing proves the time", rich, ended, no_proof(&["no-proof-of-time"])),
        variant(
            "signer ended, stamped before",
            rich,
            |b| {
                ended(b);
                stamped(b, &lasting(), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "signer ended, a time stamp from elsewhere",
            rich,
            |b| {
                ended(b);
                b.tokens.push(token(&lasting(), &value(b), STAMPED));
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "signer ended, a time stamp of another value",
            rich,
            |b| {
                ended(b);
                b.tokens.push(token(&lasting(), b"another", STAMPED));
            },
            no_proof(&["no-proof-of-time"]),
        ),
        variant(
            "signer ended, stamped afterwards",
            rich,
            |b| {
                ended(b);
                stamped(b, &lasting(), "2026-03-01T00:00:00Z");
            },
            no_proof(&["no-proof-of-time"]),
        ),
        variant(
            "signer ended, stamped by nobody known",
            rich,
            |b| {
                ended(b);
                stamped(b, &stamper(&Issue::authority("elsewhere", 0x63).by(None), "2045-01-01T00:00:00Z"), STAMPED);
            },
            no_proof(&["no-proof-of-time"]).axes(&[("time", "warning")]),
        ),
        variant(
            "signer ended, stamper ended",
            rich,
            |b| {
                ended(b);
                stamped(b, &stamper(&ca(), "2026-02-01T00:00:00Z"), STAMPED);
            },
            no_proof(&["no-proof-of-time"]),
        ),
        variant(
            "signer ended, stamper ended, for an archive",
            rich,
            |b| {
                b.policy("archive");
                ended(b);
                stamped(b, &stamper(&ca(), "2026-02-01T00:00:00Z"), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "an authority between has ended",
            rich,
            |b| {
                below_another(b, "2026-01-01T00:00:00Z");
            },
            no_proof(&["no-proof-of-time"]),
        ),
        variant(
            "an authority between has ended, stamped before",
            rich,
            |b| {
                below_another(b, "2026-01-01T00:00:00Z");
                stamped(b, &lasting(), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "stamped before the claimed time",
            rich,
            |b| stamped(b, &lasting(), BEFORE),
            Expected::unsure("TIMESTAMP_ORDER_FAILURE", &["claimed-after-time-stamp"]).axes(&[("time", "unknown")]),
        ),
        variant(
            "stamped tomorrow",
            rich,
            |b| stamped(b, &lasting(), "2027-01-01T00:00:00Z"),
            Expected::passed().axes(&[("time", "warning")]),
        ),
        variant(
            "a time stamp of something else",
            rich,
            |b| {
                let token = token(&lasting(), b"something else", STAMPED);
                attach(b, &token);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["token-imprint"]).axes(&[("time", "failed")]),
        ),
        variant(
            "a time stamp with a changed time",
            rich,
            |b| {
                let mut token = token(&lasting(), &value(b), STAMPED);
                let place = token.windows(15).position(|window| window == b"20250601020305Z").unwrap();
                token[place + 3] = b'4';
                attach(b, &token);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["message-digest-mismatch"]).axes(&[("time", "failed")]),
        ),
        variant(
            "octets in the place of a time stamp",
            rich,
            |b| attach(b, b"no token"),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-malformed"]).axes(&[("time", "failed")]),
        ),
        variant(
            "a whole response as time stamp",
            rich,
            |b| {
                let response = TimeStampResp::granted(&token(&lasting(), &value(b), STAMPED));
                attach(b, &response);
            },
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:time-stamp-response"]),
        ),
        variant(
            "a whole response as time stamp, tolerated",
            rich,
            |b| {
                b.policy("lenient-field");
                let response = TimeStampResp::granted(&token(&lasting(), &value(b), STAMPED));
                attach(b, &response);
            },
            Expected::passed().axes(PROVED),
        ),
    ]
}

fn both() -> Vec<Variant> {
    vec![
        variant(
            "stamped, then revoked",
            rich,
            |b| {
                revoked(b, AFTER, LOST);
                stamped(b, &lasting(), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "revoked, then stamped",
            rich,
            |b| {
                revoked(b, AFTER, LEFT);
                stamped(b, &lasting(), LATE);
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]),
        ),
        variant(
            "stamped, and the key was lost before",
            rich,
            |b| {
                let signer = b.plan.signer.clone();
                let mut list = List::of(&signer, AFTER, LOST);
                list.entries[0].3 = Some("2025-05-20T00:00:00Z");
                b.crls.push(list.to_der());
                stamped(b, &lasting(), STAMPED);
            },
            Expected::unsure("REVOKED_NO_POE", &["revoked-no-proof-of-time"]),
        ),
        variant(
            "revoked before the claimed time, and stamped",
            rich,
            |b| {
                revoked(b, BEFORE, LEFT);
                stamped(b, &lasting(), STAMPED);
            },
            Expected::failed("REVOKED", &["signer-revoked"]),
        ),
        variant(
            "maker lost its key after the time stamp",
            rich,
            |b| {
                let maker = b.plan.maker.clone();
                b.crls.push(List::of(&maker, AFTER, LOST).to_der());
                stamped(b, &lasting(), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
        variant(
            "signer ended, stamper lost its key",
            rich,
            |b| {
                ended(b);
                let stamper = lasting();
                b.crls.push(List::of(&stamper, AFTER, LOST).to_der());
                stamped(b, &stamper, STAMPED);
            },
            no_proof(&["no-proof-of-time"]),
        ),
        variant(
            "an old list for an archive",
            rich,
            |b| {
                b.policy("archive");
                ended(b);
                let signer = b.plan.signer.clone();
                let list = List::of(&signer, AFTER, LEFT);
                b.crls.push(List { from: LATE, until: "2025-12-08T00:00:00Z", ..list }.to_der());
                stamped(b, &lasting(), STAMPED);
            },
            Expected::passed().axes(PROVED),
        ),
    ]
}

/// A moment, so that the constants above are known to be in order.
#[test]
fn the_moments_are_in_order() {
    let order: Vec<Timestamp> = [BEFORE, STAMPED, AFTER, LATE].into_iter().map(at).collect();
    assert!(order.is_sorted());
}
