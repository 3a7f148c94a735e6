//! The signature value: what is signed, and what lies around it.

use yinxin::crypto::algorithm::{OID_RSA, OID_SHA256_RSA};
use yinxin::crypto::digest::sm3;
use yinxin::format::der::{ObjectIdentifier, Writer};
use yinxin::format::keys::read_sm2_signature;
use yinxin::format::ses::{NewSignature, SesSignature};

use crate::bench::{Bench, DESCRIPTION, Issue, LIST, Party, SEAL, VALUE, at, basic, ca, certificate, rich, stored};
use crate::{Expected, Variant, variant};

const WRONG: Expected = Expected::failed("SIG_CRYPTO_FAILURE", &["signature-wrong"]).axes(&[
    ("intact", "ok"),
    ("signature", "failed"),
    ("seal", "ok"),
    ("trusted", "ok"),
]);
const MALFORMED: Expected =
    Expected::failed("FORMAT_FAILURE", &["signature-malformed"]).axes(&[("signature", "failed"), ("seal", "unknown")]);

/// The order of the curve's base point (GB/T 32918.5).
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x72, 0x03, 0xDF,
    0x6B, 0x21, 0xC6, 0x05, 0x2B, 0x53, 0xBB, 0xF4, 0x09, 0x39, 0xD5, 0x41, 0x23,
];

/// r and s, each 32 bytes.
fn halves(value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (fixed, _) = read_sm2_signature(value).unwrap();
    (fixed[..32].to_vec(), fixed[32..].to_vec())
}

fn pair(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|inner| {
        inner.unsigned(r).unsigned(s);
    });
    writer.into_bytes()
}

/// `SEQUENCE { INTEGER 00 r, INTEGER s }` with one zero byte too many.
fn padded(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |content: Vec<u8>| [vec![2, u8::try_from(content.len()).unwrap()], content].concat();
    let content = [integer([&[0, 0], r].concat()), integer([&[0], s].concat())].concat();
    Writer::sequence_of(&content)
}

/// Adds bytes after the signature inside of the outer SEQUENCE.
fn append(b: &mut Bench, fill: impl FnOnce(&mut Writer)) {
    let bytes = b.pack.get(VALUE).to_vec();
    let parsed = SesSignature::parse(&bytes).unwrap();
    let mut writer = Writer::new();
    writer.sequence(|outer| {
        outer.raw(parsed.tbs).octet_string(parsed.certificate).oid(parsed.signature_algorithm);
        outer.bit_string(parsed.signature);
        fill(outer);
    });
    *b.pack.get_mut(VALUE) = writer.into_bytes();
}

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = encodings();
    all.extend(around());
    all.extend(signed());
    all
}

fn encodings() -> Vec<Variant> {
    vec![
        variant(
            "value: a bit of r",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (mut r, s) = halves(&o.value);
                    r[31] ^= 1;
                    o.value = pair(&r, &s);
                })
            },
            WRONG,
        ),
        variant(
            "value: a bit of s",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (r, mut s) = halves(&o.value);
                    s[0] ^= 1;
                    o.value = pair(&r, &s);
                })
            },
            WRONG,
        ),
        variant("value: r is 0", basic, |b| b.rebuild(|o| o.value = pair(&[0], &halves(&o.value).1)), WRONG),
        variant("value: s is 0", basic, |b| b.rebuild(|o| o.value = pair(&halves(&o.value).0, &[0])), WRONG),
        variant("value: s is n", basic, |b| b.rebuild(|o| o.value = pair(&halves(&o.value).0, &ORDER)), WRONG),
        variant("value: r is n", basic, |b| b.rebuild(|o| o.value = pair(&ORDER, &halves(&o.value).1)), WRONG),
        variant("value: r and s are 0", basic, |b| b.rebuild(|o| o.value = pair(&[0], &[0])), WRONG),
        variant(
            "value: r and s swapped",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (r, s) = halves(&o.value);
                    o.value = pair(&s, &r);
                })
            },
            WRONG,
        ),
        variant("value: a byte after the SEQUENCE", basic, |b| b.rebuild(|o| o.value.push(0)), WRONG),
        variant(
            "value: padded integer",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (r, s) = halves(&o.value);
                    o.value = padded(&r, &s);
                })
            },
            WRONG,
        ),
        variant(
            "value: negative integer",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (r, _) = halves(&o.value);
                    let integers = [vec![2, 1, 0x80], vec![2, 33, 0], r].concat();
                    o.value = Writer::sequence_of(&integers);
                })
            },
            WRONG,
        ),
        variant(
            "value: three integers",
            basic,
            |b| {
                b.rebuild(|o| {
                    let (r, s) = halves(&o.value);
                    let mut writer = Writer::new();
                    writer.sequence(|inner| {
                        inner.unsigned(&r).unsigned(&s).small(1);
                    });
                    o.value = writer.into_bytes();
                })
            },
            WRONG,
        ),
        variant("value: empty", basic, |b| b.rebuild(|o| o.value.clear()), WRONG),
        variant("value: 64 zero bytes", basic, |b| b.rebuild(|o| o.value = vec![0; 64]), WRONG),
        variant(
            "value: cut by one byte",
            basic,
            |b| {
                b.rebuild(|o| {
                    o.value.pop();
                })
            },
            WRONG,
        ),
        variant(
            "value: raw, tolerated",
            basic,
            |b| b.rebuild(|o| o.value = read_sm2_signature(&o.value).unwrap().0),
            Expected::passed(),
        ),
        variant(
            "value: raw, not tolerated",
            || stored("v4_raw_rs_signature"),
            |b| b.policy("strict"),
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:raw-rs", "revocation-unknown"]),
        ),
        variant(
            "value: raw with a bit changed",
            || stored("v4_raw_rs_signature"),
            |b| b.rebuild(|o| o.value[40] ^= 4),
            WRONG,
        ),
        variant("value: RSA, a bit changed", || stored("v4_rsa_sha256"), |b| b.rebuild(|o| o.value[100] ^= 4), WRONG),
        variant(
            "value: RSA, a zero byte before",
            || stored("v4_rsa_sha256"),
            |b| b.rebuild(|o| o.value.insert(0, 0)),
            WRONG,
        ),
        variant(
            "RSA key shorter than the policy asks",
            || stored("v4_rsa_sha256"),
            |b| b.policy.rsa_bits = 3072,
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["rsa-key-too-short"])
                .axes(&[("signature", "ok"), ("algorithm", "failed")]),
        ),
        variant(
            "RSA key after the end of its term",
            || stored("v4_rsa_sha256"),
            |b| with_algorithms(b, "until 2030-12-31", "until 2020-01-01"),
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["algorithm-ended"])
                .axes(&[("signature", "ok"), ("algorithm", "failed")]),
        ),
        variant(
            "SM2 refused by the algorithm policy",
            basic,
            |b| {
                let rule = |term| format!("name = \"sm2-sm3\"\nissue = \"{term}\"\naccept = \"{term}\"\n");
                with_algorithms(b, &rule("always"), &rule("never"));
            },
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["algorithm-not-accepted"])
                .axes(&[("signature", "ok"), ("algorithm", "failed")]),
        ),
    ]
}

/// Judges by the shipped algorithm policy with one change.
fn with_algorithms(bench: &mut Bench, from: &str, to: &str) {
    let text = yinxin::config::algorithms::BUILT_IN;
    assert!(text.contains(from), "{from}");
    let policy = yinxin::config::algorithms::parse(&text.replace(from, to), "changed", &|_| String::new());
    bench.policy.algorithms = policy.unwrap().into();
}

fn around() -> Vec<Variant> {
    vec![
        variant(
            "algorithm changed to RSA",
            basic,
            |b| b.rebuild(|o| o.algorithm = OID_SHA256_RSA),
            Expected::failed(
                "FORMAT_FAILURE",
                &["algorithm-not-of-key", "tolerance-off:datahash-not-of-signature-algorithm"],
            )
            .axes(&[("signature", "failed"), ("algorithm", "failed")]),
        ),
        variant(
            "algorithm of an RSA signature changed to SM2",
            || stored("v4_rsa_sha256"),
            |b| b.rebuild(|o| o.algorithm = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501")),
            Expected::failed(
                "FORMAT_FAILURE",
                &["algorithm-not-of-key", "tolerance-off:datahash-not-of-signature-algorithm"],
            ),
        ),
        variant(
            "algorithm unknown",
            basic,
            |b| b.rebuild(|o| o.algorithm = ObjectIdentifier::new_unwrap("1.2.3.4")),
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["algorithm-not-accepted"])
                .axes(&[("signature", "unknown")]),
        ),
        variant(
            "algorithm is a key type",
            basic,
            |b| b.rebuild(|o| o.algorithm = OID_RSA),
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["algorithm-not-accepted"]),
        ),
        variant(
            "algorithm is SHA-1 with RSA",
            || stored("v4_rsa_sha256"),
            |b| b.rebuild(|o| o.algorithm = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5")),
            Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["algorithm-not-accepted"]),
        ),
        variant(
            "certificate cut",
            basic,
            |b| {
                b.rebuild(|o| {
                    o.certificate.pop();
                })
            },
            Expected::failed("FORMAT_FAILURE", &["signer-certificate-malformed", "signer-not-listed"])
                .axes(&[("signature", "unknown")]),
        ),
        variant(
            "certificate followed by a byte",
            basic,
            |b| b.rebuild(|o| o.certificate.push(0)),
            Expected::failed("FORMAT_FAILURE", &["signer-certificate-malformed", "signer-not-listed"]),
        ),
        variant(
            "certificate empty",
            basic,
            |b| b.rebuild(|o| o.certificate.clear()),
            Expected::failed("FORMAT_FAILURE", &["signer-certificate-malformed", "signer-not-listed"]),
        ),
        variant(
            "certificate of somebody else",
            basic,
            |b| b.rebuild(|o| o.certificate = certificate("other.pem")),
            Expected::failed("SIG_CRYPTO_FAILURE", &["signature-wrong", "signer-not-listed"]),
        ),
        variant(
            "another certificate of the same key",
            basic,
            |b| {
                let renewed = Issue { name: "renewed", ..Issue::default() };
                let renewed = renewed.for_key(Party::stored("signer").scalar, Some(&ca()));
                b.rebuild(|o| o.certificate = renewed.certificate);
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]).axes(&[
                ("signature", "ok"),
                ("seal", "failed"),
                ("trusted", "ok"),
            ]),
        ),
        variant(
            "another certificate of the same key, digests listed",
            || stored("v4_certdigest_list"),
            |b| {
                let renewed = Issue { name: "renewed", ..Issue::default() };
                let renewed = renewed.for_key(Party::stored("signer").scalar, Some(&ca()));
                b.rebuild(|o| o.certificate = renewed.certificate);
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]),
        ),
        variant(
            "self-made certificate of the same key",
            basic,
            |b| {
                let own = Issue::default().for_key(Party::stored("signer").scalar, None);
                b.rebuild(|o| o.certificate = own.certificate);
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed", "no-certificate-chain"]),
        ),
        variant(
            "time stamp made up",
            basic,
            |b| {
                append(b, |w| {
                    w.context(0, |inner| {
                        inner.bit_string(b"no token");
                    });
                })
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["time-stamp-malformed"]).axes(&[("time", "failed")]),
        ),
        variant(
            "time stamp without its tag",
            basic,
            |b| {
                append(b, |w| {
                    w.bit_string(b"no token");
                })
            },
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:time-stamp-untagged", "time-stamp-malformed"]),
        ),
        variant(
            "something else where the time stamp stands",
            basic,
            |b| {
                append(b, |w| {
                    w.small(1);
                })
            },
            MALFORMED.says("BIT STRING"),
        ),
        variant(
            "two time stamps",
            || stored("v4_timestamp"),
            |b| {
                append(b, |w| {
                    for _ in 0..2 {
                        w.context(0, |inner| {
                            inner.bit_string(b"no token");
                        });
                    }
                })
            },
            MALFORMED,
        ),
        variant("bytes after the value file's SEQUENCE", basic, |b| b.pack.get_mut(VALUE).push(0), MALFORMED),
        variant(
            "value file cut",
            basic,
            |b| {
                b.pack.get_mut(VALUE).pop();
            },
            MALFORMED,
        ),
        variant("value file empty", basic, |b| b.pack.get_mut(VALUE).clear(), MALFORMED),
        variant("value file is the seal", basic, |b| *b.pack.get_mut(VALUE) = b.pack.get(SEAL).to_vec(), MALFORMED),
        variant(
            "value file is a bare value",
            basic,
            |b| *b.pack.get_mut(VALUE) = vec![7; 64],
            Expected::failed("FORMAT_FAILURE", &["seal-not-signed", "signer-certificate-missing"]),
        ),
        variant(
            "value file in indefinite length",
            basic,
            |b| {
                let value = b.pack.get_mut(VALUE);
                value.splice(1..4, [0x80]);
                value.extend([0, 0]);
            },
            MALFORMED,
        ),
        variant(
            "unused bits in the signature",
            basic,
            |b| {
                let bytes = b.pack.get(VALUE).to_vec();
                let length = SesSignature::parse(&bytes).unwrap().signature.len();
                let unused = bytes.len() - length - 1;
                b.pack.get_mut(VALUE)[unused] = 1;
            },
            MALFORMED,
        ),
    ]
}

/// What is signed, by the signer or by another valid one.
fn signed() -> Vec<Variant> {
    vec![
        variant(
            "dataHash of something else, signed again",
            rich,
            |b| {
                b.plan.data_hash = Some(sm3(b"something else").to_vec());
                b.sign_again();
            },
            Expected::failed("HASH_FAILURE", &["data-hash-wrong"]).axes(&[("intact", "failed"), ("signature", "ok")]),
        ),
        variant(
            "dataHash empty, signed again",
            rich,
            |b| {
                b.plan.data_hash = Some(Vec::new());
                b.sign_again();
            },
            Expected::failed("HASH_FAILURE", &["data-hash-wrong"]),
        ),
        variant(
            "dataHash by SHA-256, signed again",
            rich,
            |b| {
                let digest = yinxin::crypto::digest::digest(
                    yinxin::crypto::algorithm::DigestAlgorithm::Sha256,
                    b.pack.get(DESCRIPTION),
                );
                b.plan.data_hash = Some(digest);
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:datahash-not-of-signature-algorithm"]),
        ),
        variant(
            "propertyInfo names another path, signed again",
            rich,
            |b| {
                b.plan.path = "/Doc_0/Signs/Sign_1/Signature.xml";
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["property-info-differs"]).says("Sign_1"),
        ),
        variant(
            "propertyInfo is no path",
            rich,
            |b| {
                b.plan.path = "s001";
                b.sign_again();
            },
            Expected::passed(),
        ),
        variant(
            "signature moved to another place",
            basic,
            |b| {
                let moved = "Doc_0/Signs/Sign_7/Signature.xml";
                let description = b.pack.get(DESCRIPTION).to_vec();
                b.pack.add(moved, &description);
                b.pack.replace(LIST, DESCRIPTION, moved);
            },
            Expected::failed("FORMAT_FAILURE", &["property-info-differs"]),
        ),
        variant(
            "version of the signature is 5, signed again",
            rich,
            |b| {
                b.plan.version = 5;
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["version-differs"]),
        ),
        variant(
            "signed by another valid signer",
            rich,
            |b| {
                b.plan.signer = Issue::default().by(Some(&ca()));
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]).axes(&[
                ("intact", "ok"),
                ("signature", "ok"),
                ("seal", "failed"),
                ("trusted", "ok"),
            ]),
        ),
        variant(
            "signed by another valid signer under the listed certificate",
            rich,
            |b| {
                let certificate = b.plan.signer.certificate.clone();
                b.plan.signer = Party { certificate, ..Issue::default().by(Some(&ca())) };
                b.sign_again();
            },
            Expected::failed("SIG_CRYPTO_FAILURE", &["signature-wrong"]),
        ),
        variant(
            "page changed and signed by another valid signer",
            rich,
            |b| {
                b.pack.replace("Doc_0/Pages/Page_0/Content.xml", "Writer", "Waiter");
                b.pack.digest_again();
                b.plan.signer = Issue::default().by(Some(&ca()));
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]),
        ),
        variant(
            "value of another file",
            basic,
            |b| {
                let foreign = stored("v4_no_seal_file");
                *b.pack.get_mut(VALUE) = foreign.pack.get(VALUE).to_vec();
            },
            Expected::failed("HASH_FAILURE", &["data-hash-wrong", "seal-file-differs"]),
        ),
        variant(
            "claimed time put back",
            basic,
            |b| {
                let value = b.pack.get_mut(VALUE);
                let place = value.windows(15).position(|window| window == b"20250601020304Z").unwrap();
                value[place + 3] = b'1';
            },
            WRONG,
        ),
        variant(
            "an ECDSA value of the same key",
            rich,
            |b| {
                use openssl::{bn::BigNum, ec, ecdsa::EcdsaSig, nid::Nid};
                let curve = ec::EcGroup::from_curve_name(Nid::SM2).unwrap();
                let signer = Party::stored("signer");
                let scalar = BigNum::from_slice(&signer.scalar).unwrap();
                let mut context = openssl::bn::BigNumContext::new().unwrap();
                let point =
                    ec::EcPoint::from_bytes(&curve, &signer.key().public_key().to_bytes(), &mut context).unwrap();
                let key = ec::EcKey::from_private_components(&curve, &scalar, &point).unwrap();
                let bytes = b.pack.get(VALUE).to_vec();
                let parsed = SesSignature::parse(&bytes).unwrap();
                let digest = sm3(parsed.tbs);

                let value = EcdsaSig::sign(&digest, &key).unwrap().to_der().unwrap();
                *b.pack.get_mut(VALUE) = NewSignature::assemble(
                    parsed.seal.layout,
                    parsed.tbs,
                    parsed.certificate,
                    parsed.signature_algorithm,
                    &value,
                );
            },
            WRONG,
        ),
        variant(
            "claimed time later than now",
            rich,
            |b| {
                b.now = at("2025-06-01T02:03:04Z").plus_seconds(-301);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["claimed-time-in-future"]).axes(&[("time", "unknown")]),
        ),
        variant(
            "claimed time five minutes later than now",
            rich,
            |b| {
                b.now = at("2025-06-01T02:03:04Z").plus_seconds(-300);
            },
            Expected::passed(),
        ),
        variant(
            "claimed time is no time",
            basic,
            |b| {
                let value = b.pack.get_mut(VALUE);
                let place = value.windows(15).position(|window| window == b"20250601020304Z").unwrap();
                value[place + 4] = b'9';
            },
            MALFORMED.says("timeInfo"),
        ),
    ]
}
