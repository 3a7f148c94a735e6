//! The seal inside of the signature, and its times.

use yinxin::crypto::digest::sm3;
use yinxin::format::ses::SesSeal;

use crate::bench::{Bench, DESCRIPTION, Issue, Party, Plan, SEAL, VALUE, at, basic, ca, certificate, rich, stored};
use crate::{Expected, Variant, variant};

const SEAL_WRONG: Expected = Expected::failed("SIG_CRYPTO_FAILURE", &["seal-signature-wrong"]).axes(&[
    ("intact", "ok"),
    ("signature", "ok"),
    ("seal", "failed"),
    ("trusted", "ok"),
]);
const MALFORMED: Expected = Expected::failed("FORMAT_FAILURE", &["signature-malformed"]);

/// Changes the seal's bytes and signs over it again: the attacker is the signer, not the maker.
fn forge(b: &mut Bench, change: impl FnOnce(&mut Vec<u8>)) {
    let mut seal = b.plan.seal();
    change(&mut seal);
    *b.pack.get_mut(SEAL) = seal;
    b.pack.digest_again();
    b.sign_again();
}

fn swap(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let place = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[place..place + from.len()].copy_from_slice(to);
}

/// Seals again after the plan was changed: the attacker holds the maker's key and the signer's.
fn plan(b: &mut Bench, change: impl FnOnce(&mut Plan)) {
    change(&mut b.plan);
    b.seal_again();
}

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = forged();
    all.extend(odd_structures());
    all.extend(times());
    all
}

fn forged() -> Vec<Variant> {
    vec![
        variant("seal: picture changed", rich, |b| forge(b, |seal| swap(seal, &[0x89; 40], &[0x88; 40])), SEAL_WRONG),
        variant(
            "seal: name changed",
            rich,
            |b| forge(b, |seal| swap(seal, "测试".as_bytes(), "国家".as_bytes())),
            SEAL_WRONG,
        ),
        variant("seal: validity extended", rich, |b| forge(b, |seal| swap(seal, b"20400101", b"20990101")), SEAL_WRONG),
        variant(
            "seal: number changed",
            rich,
            |b| forge(b, |seal| swap(seal, b"11010100000001", b"11010100000002")),
            SEAL_WRONG,
        ),
        variant(
            "seal: size of the picture changed",
            rich,
            |b| forge(b, |seal| swap(seal, &[2, 1, 40, 2, 1, 40], &[2, 1, 60, 2, 1, 60])),
            SEAL_WRONG,
        ),
        variant(
            "seal: another signer put into its list",
            rich,
            |b| {
                let info = b.plan.seal();
                let value = SesSeal::parse(&info).unwrap().signed_value.to_vec();
                b.plan.sign_as(Issue::default().by(Some(&ca())));
                let maker = b.plan.maker.certificate.clone();
                let sm2 = yinxin::crypto::algorithm::OID_SM2_WITH_SM3;
                let seal = yinxin::format::ses::NewSeal::assemble(
                    yinxin::format::ses::Layout::V4,
                    &b.plan.own_info(),
                    &maker,
                    sm2,
                    &value,
                );
                *b.pack.get_mut(SEAL) = seal;
                b.pack.digest_again();
                b.sign_again();
            },
            SEAL_WRONG,
        ),
        variant(
            "seal: extension changed",
            rich,
            |b| {
                b.plan.extensions = vec![None];
                forge(b, |seal| swap(seal, &[6, 3, 42, 3, 4, 4, 1, 1], &[6, 3, 42, 3, 4, 4, 1, 2]));
            },
            SEAL_WRONG,
        ),
        variant(
            "seal: a seal of another maker under this maker's certificate",
            rich,
            |b| {
                let maker = b.plan.maker.certificate.clone();
                b.plan.maker = Issue { name: "another maker", ..Issue::default() }.by(Some(&ca()));
                b.plan.maker.certificate = maker;
                b.seal_again();
            },
            SEAL_WRONG,
        ),
        variant(
            "seal: made by a self-signed maker",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "a maker of its own", ..Issue::default() }.by(None);
                })
            },
            Expected::unsure("NO_CERTIFICATE_CHAIN_FOUND", &["no-certificate-chain"])
                .says("maker")
                .axes(&[("seal", "ok"), ("trusted", "unknown")]),
        ),
        variant(
            "seal: maker's certificate cut",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker.certificate.pop();
                });
            },
            Expected::failed("FORMAT_FAILURE", &["maker-certificate-malformed"])
                .axes(&[("seal", "unknown"), ("signature", "ok")]),
        ),
        variant(
            "seal: maker's key is not for signing",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "maker", usage: 1 << 2, ..Issue::default() }.by(Some(&ca()));
                })
            },
            Expected::unsure("CHAIN_CONSTRAINTS_FAILURE", &["maker-key-usage"]),
        ),
        variant(
            "seal: lists another certificate",
            rich,
            |b| plan(b, |p| p.list = vec![p.maker.certificate.clone()]),
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]),
        ),
        variant(
            "seal: lists another digest",
            rich,
            |b| {
                plan(b, |p| {
                    p.list_type = 2;
                    p.list = vec![sm3(b"another").to_vec()];
                })
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]),
        ),
        variant(
            "seal: lists the digest of the signer's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.list_type = 2;
                    p.list = vec![sm3(&p.signer.certificate).to_vec()];
                })
            },
            Expected::passed(),
        ),
        variant(
            "seal: lists the empty digest",
            rich,
            |b| {
                plan(b, |p| {
                    p.list_type = 2;
                    p.list = vec![Vec::new()];
                })
            },
            Expected::failed("FORMAT_FAILURE", &["signer-not-listed"]),
        ),
        variant(
            "seal file differs from the sealed one",
            rich,
            |b| {
                let other = { Plan { name: "另一枚电子印章用", ..b.plan.clone() }.seal() };
                *b.pack.get_mut(SEAL) = b.plan.seal();
                let inside = b.pack.get(SEAL).to_vec();
                *b.pack.get_mut(SEAL) = other;
                b.pack.digest_again();
                let value = b.plan.value(&inside, b.pack.get(DESCRIPTION));
                *b.pack.get_mut(VALUE) = value;
            },
            Expected::failed("FORMAT_FAILURE", &["seal-file-differs"]),
        ),
        variant(
            "seal named where none was signed with",
            basic,
            |b| {
                let foreign = stored("v4_no_seal_file");
                b.pack.replace(DESCRIPTION, "50 50 40 40", "50 50 40 41");
                *b.pack.get_mut(VALUE) = foreign.pack.get(VALUE).to_vec();
                *b.pack.get_mut(SEAL) = b"none".to_vec();
            },
            Expected::failed("HASH_FAILURE", &["data-hash-wrong", "reference-wrong", "seal-file-differs"]),
        ),
    ]
}

fn odd_structures() -> Vec<Variant> {
    vec![
        variant(
            "seal: header says version 5",
            rich,
            |b| plan(b, |p| p.seal_version = 5),
            Expected::failed("FORMAT_FAILURE", &["version-differs"]).says("its seal 5"),
        ),
        variant("seal: header says version 3", rich, |b| plan(b, |p| p.seal_version = 3), MALFORMED.says("version 3")),
        variant("seal: header is not ES", rich, |b| plan(b, |p| p.header = "SE"), MALFORMED.says("not ES")),
        variant("seal: certListType 3", rich, |b| plan(b, |p| p.list_type = 3), MALFORMED.says("certListType is 3")),
        variant(
            "seal: certListType 2 over certificates",
            rich,
            |b| {
                forge(b, |seal| {
                    let place = seal.windows(5).position(|window| window == [2, 1, 1, 0x30, 0x82]).unwrap();
                    seal[place + 2] = 2;
                })
            },
            MALFORMED.says("CertDigestObj"),
        ),
        variant("seal: empty list", rich, |b| plan(b, |p| p.list.clear()), MALFORMED.says("certList has 0 entries")),
        variant(
            "seal: a list of 65",
            rich,
            |b| plan(b, |p| p.list = vec![p.signer.certificate.clone(); 65]),
            MALFORMED.says("certList has 65 entries"),
        ),
        variant(
            "seal: critical FALSE written out, strict",
            rich,
            |b| {
                plan(b, |p| p.extensions = vec![Some(false)]);
                b.policy("strict");
            },
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:explicit-default-false", "revocation-unknown"]),
        ),
        variant(
            "seal: critical FALSE written out, tolerated",
            rich,
            |b| plan(b, |p| p.extensions = vec![Some(false)]),
            Expected::passed(),
        ),
        variant(
            "seal: critical unknown extension, strict",
            rich,
            |b| {
                plan(b, |p| p.extensions = vec![None, Some(true)]);
                b.policy("strict");
            },
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:critical-unknown-extension", "revocation-unknown"]),
        ),
        variant(
            "seal: critical unknown extension, tolerated",
            rich,
            |b| plan(b, |p| p.extensions = vec![Some(true)]),
            Expected::passed(),
        ),
        variant(
            "seal: both kinds of extension, strict",
            rich,
            |b| {
                plan(b, |p| p.extensions = vec![Some(true), Some(false)]);
                b.policy("strict");
            },
            Expected::failed(
                "FORMAT_FAILURE",
                &[
                    "tolerance-off:explicit-default-false",
                    "tolerance-off:critical-unknown-extension",
                    "revocation-unknown",
                ],
            ),
        ),
        variant(
            "seal: too many extensions",
            rich,
            |b| plan(b, |p| p.extensions = vec![None; 65]),
            MALFORMED.says("extDatas has 65 entries"),
        ),
        variant(
            "seal: dates in UTCTime",
            rich,
            |b| plan(b, |p| p.utc_times = true),
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:seal-times-utctime"]),
        ),
        variant(
            "seal: dates in UTCTime, tolerated",
            rich,
            |b| {
                plan(b, |p| p.utc_times = true);
                b.policy("lenient-field");
            },
            Expected::passed(),
        ),
        variant(
            "seal: a boolean that is neither 00 nor FF",
            rich,
            |b| {
                b.plan.extensions = vec![Some(true)];
                forge(b, |seal| swap(seal, &[1, 1, 0xFF, 4, 1, 1], &[1, 1, 1, 4, 1, 1]));
            },
            MALFORMED.says("critical"),
        ),
    ]
}

fn times() -> Vec<Variant> {
    vec![
        variant(
            "signed after the signer's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.sign_as(Issue { to: "2022-01-01T00:00:00Z", ..Issue::default() }.by(Some(&ca())));
                })
            },
            Expected::failed("EXPIRED", &["signer-certificate-expired"]).axes(&[
                ("time", "failed"),
                ("signature", "ok"),
                ("trusted", "ok"),
            ]),
        ),
        variant(
            "signed under an expired certificate of the same key, listed",
            rich,
            |b| {
                b.plan.sign_as(Party { certificate: certificate("signer_expired.pem"), ..Party::stored("signer") });
                b.seal_again();
            },
            Expected::failed("EXPIRED", &["signer-certificate-expired"]).axes(&[("signature", "ok"), ("seal", "ok")]),
        ),
        variant(
            "signed under an encryption certificate of the same key, listed",
            rich,
            |b| {
                let encryption = certificate("signer_keyEncipherment_only.pem");
                b.plan.sign_as(Party { certificate: encryption, ..Party::stored("signer") });
                b.seal_again();
            },
            Expected::unsure("CHAIN_CONSTRAINTS_FAILURE", &["signer-key-usage"]).axes(&[("signature", "ok")]),
        ),
        variant(
            "certificate replaced by a self-signed one",
            basic,
            |b| b.rebuild(|o| o.certificate = certificate("signer_selfsigned.pem")),
            Expected::failed("SIG_CRYPTO_FAILURE", &["signature-wrong", "signer-not-listed", "no-certificate-chain"]),
        ),
        variant(
            "signed before the signer's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.sign_as(Issue { from: "2025-06-01T02:03:05Z", ..Issue::default() }.by(Some(&ca())));
                })
            },
            Expected::failed("NOT_YET_VALID", &["signer-certificate-not-yet-valid"]).axes(&[("time", "failed")]),
        ),
        variant(
            "signed in the last second of the certificate",
            rich,
            |b| {
                plan(b, |p| p.sign_as(Issue { to: "2025-06-01T02:03:04Z", ..Issue::default() }.by(Some(&ca()))));
                b.now = at("2025-06-01T02:03:04Z");
            },
            Expected::passed(),
        ),
        variant(
            "signed after the seal",
            rich,
            |b| plan(b, |p| p.valid[1] = at("2025-06-01T02:03:03Z")),
            Expected::failed("EXPIRED", &["seal-expired"]).axes(&[("time", "failed"), ("seal", "ok")]),
        ),
        variant(
            "signed before the seal",
            rich,
            |b| plan(b, |p| p.valid[0] = at("2025-06-01T02:03:05Z")),
            Expected::failed("NOT_YET_VALID", &["seal-not-yet-valid"]).axes(&[("time", "failed")]),
        ),
        variant(
            "validity of the seal ends before it starts",
            rich,
            |b| plan(b, |p| p.valid.reverse()),
            Expected::failed("NOT_YET_VALID", &["seal-not-yet-valid"]),
        ),
        variant(
            "signed after seal and certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.valid[1] = at("2024-01-01T00:00:00Z");
                    p.sign_as(Issue { to: "2024-01-01T00:00:00Z", ..Issue::default() }.by(Some(&ca())));
                })
            },
            Expected::failed("EXPIRED", &["seal-expired", "signer-certificate-expired"]),
        ),
        variant(
            "seal made 31 days before the maker's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "maker", from: "2020-02-01T00:00:00Z", ..Issue::default() }.by(Some(&ca()));
                })
            },
            Expected::failed("NOT_YET_VALID", &["maker-certificate-not-yet-valid"]),
        ),
        variant(
            "seal made 30 days before the maker's certificate, tolerated",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "maker", from: "2020-01-31T00:00:00Z", ..Issue::default() }.by(Some(&ca()));
                })
            },
            Expected::passed(),
        ),
        variant(
            "seal made 30 days before the maker's certificate, strict",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "maker", from: "2020-01-31T00:00:00Z", ..Issue::default() }.by(Some(&ca()))
                });
                b.policy("strict");
            },
            Expected::failed("NOT_YET_VALID", &["maker-certificate-not-yet-valid", "revocation-unknown"]),
        ),
        variant(
            "seal made after the maker's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.created = at("2021-01-01T00:00:01Z");
                    p.maker = Issue { name: "maker", to: "2021-01-01T00:00:00Z", ..Issue::default() }.by(Some(&ca()));
                })
            },
            Expected::failed("EXPIRED", &["maker-certificate-expired"]),
        ),
        variant(
            "seal outlives its maker's certificate",
            rich,
            |b| {
                plan(b, |p| {
                    p.maker = Issue { name: "maker", to: "2021-01-01T00:00:00Z", ..Issue::default() }.by(Some(&ca()));
                })
            },
            Expected::passed(),
        ),
        variant(
            "signer's certificate ended by now",
            rich,
            |b| {
                plan(b, |p| p.sign_as(Issue { to: "2026-01-01T00:00:00Z", ..Issue::default() }.by(Some(&ca()))));
            },
            Expected::unsure("OUT_OF_BOUNDS_NO_POE", &["no-proof-of-time"]).axes(&[("time", "ok"), ("trusted", "ok")]),
        ),
        variant(
            "judged when all certificates have ended",
            basic,
            |b| b.now = at("2050-01-01T00:00:00Z"),
            Expected::unsure("OUT_OF_BOUNDS_NO_POE", &["no-proof-of-time"]),
        ),
        variant(
            "a time stamp whose authority has ended proves nothing",
            || stored("v4_timestamp"),
            |b| b.now = at("2050-01-01T00:00:00Z"),
            Expected::unsure("OUT_OF_BOUNDS_NO_POE", &["no-proof-of-time"]).axes(&[("time", "warning")]),
        ),
        variant(
            "signer's key is not for signing",
            rich,
            |b| {
                plan(b, |p| {
                    p.sign_as(Issue { usage: 1 << 2, ..Issue::default() }.by(Some(&ca())));
                })
            },
            Expected::unsure("CHAIN_CONSTRAINTS_FAILURE", &["signer-key-usage"]),
        ),
    ]
}
