//! What messages carry beside their signatures: lists that say good or revoked, and countersignatures.

use serde_json::Value;
use yinxin::format::der::{ObjectIdentifier, Reader, Writer};
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;

use crate::{KEYS, OpenSsl, PASSED, short};

const COUNTERSIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
const REVOCATION_VALUES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.24");

/// The elements of a constructed value.
fn elements(der: &[u8]) -> Vec<&[u8]> {
    let mut inside = Reader::new(der).value("value").unwrap().inside();
    let mut found = Vec::new();
    while !inside.is_empty() {
        found.push(inside.value("element").unwrap().raw());
    }
    found
}

/// The message with lists beside its certificates, and unsigned attributes of its one signer.
fn rebuilt(message: &[u8], lists: &[&[u8]], unsigned: &[(ObjectIdentifier, Vec<u8>)]) -> Vec<u8> {
    let outer = elements(message);
    let parts = elements(elements(outer[1])[0]);
    let (before, infos) = parts.split_at(parts.len() - 1);
    let signer = elements(elements(infos[0])[0]);
    let mut writer = Writer::new();
    writer.sequence(|info| {
        info.raw(outer[0]).context(0, |explicit| {
            explicit.sequence(|data| {
                before.iter().for_each(|part| _ = data.raw(part));
                if !lists.is_empty() {
                    data.context(1, |crls| lists.iter().for_each(|list| _ = crls.raw(list)));
                }
                data.set_of_one(|infos| {
                    infos.sequence(|info| {
                        signer.iter().for_each(|part| _ = info.raw(part));
                        if !unsigned.is_empty() {
                            info.context(1, |all| {
                                for (oid, value) in unsigned {
                                    all.sequence(|attribute| {
                                        attribute.oid(*oid).set_of_one(|set| _ = set.raw(value));
                                    });
                                }
                            });
                        }
                    });
                });
            });
        });
    });
    writer.into_bytes()
}

fn list(peer: &OpenSsl) -> Vec<u8> {
    peer.run("ca -gencrl -config config -keyfile root.key -cert root.pem -out list.pem");
    read_pem(std::str::from_utf8(&peer.read("list.pem")).unwrap(), "X509 CRL").unwrap().remove(0)
}

fn message(peer: &OpenSsl, name: &str) -> Vec<u8> {
    peer.run(&format!(
        "cms -sign -nodetach -md sha256 -signer {name}.pem -inkey {name}.key -binary -in document -outform DER -out message"
    ));
    peer.read("message")
}

/// crlVals of revocation-values.
fn revocation_values(list: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|values| {
        values.context(0, |crls| {
            crls.sequence(|all| _ = all.raw(list));
        });
    });
    writer.into_bytes()
}

#[test]
fn lists_inside_a_message_are_evidence_and_are_believed_as_any() {
    let Some(peer) = OpenSsl::start("lists_inside_a_message_are_evidence_and_are_believed_as_any") else { return };
    peer.write("document", b"content");
    peer.end("p256", KEYS[1].1, "end");
    let bench = peer.bench();
    let good = list(&peer);
    let plain = message(&peer, "p256");
    let status = |report: &Value| report["signatures"][0]["revocation"]["status"].as_str().unwrap().to_owned();
    let judged = |file: &[u8]| bench.judge(file, None);
    assert_eq!((short(&judged(&plain)).as_str(), status(&judged(&plain)).as_str()), (PASSED, "warning"));
    for (how, file) in [
        ("beside the certificates", rebuilt(&plain, &[&good], &[])),
        ("in revocation-values", rebuilt(&plain, &[], &[(REVOCATION_VALUES, revocation_values(&good))])),
    ] {
        let report = judged(&file);
        assert_eq!((short(&report).as_str(), status(&report).as_str()), (PASSED, "ok"), "{how}");
    }
    // A list whose signature is wrong says nothing, and one that cannot be read is said.
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(status(&judged(&rebuilt(&plain, &[&forged], &[]))), "warning");
    let broken = judged(&rebuilt(&plain, &[&[0x30, 3, 2, 1, 0]], &[]));
    assert_eq!(short(&broken), PASSED);
    assert!(broken["warnings"].to_string().contains("carried-evidence-not-used"), "{broken}");

    // What was signed before is older by a second at least.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    peer.run("ca -revoke p256.pem -config config -keyfile root.key -cert root.pem");
    let revoked = list(&peer);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let late = message(&peer, "p256");
    for file in [
        rebuilt(&late, &[&revoked], &[]),
        rebuilt(&late, &[&good, &revoked], &[]),
        rebuilt(&late, &[&revoked, &good], &[]),
        rebuilt(&late, &[&good], &[(REVOCATION_VALUES, revocation_values(&revoked))]),
    ] {
        assert_eq!(short(&judged(&file)), "TOTAL_FAILED REVOKED signer-revoked");
    }
    assert_eq!(
        short(&judged(&rebuilt(&plain, &[&revoked], &[]))),
        "INDETERMINATE REVOKED_NO_POE revoked-no-proof-of-time"
    );
}

/// A SignerInfo over that value by that certificate: with a digest in its attributes, or over the value itself.
fn countersigned(peer: &OpenSsl, name: &str, over: &[u8], attributes: Option<bool>) -> Vec<u8> {
    const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
    const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
    let der = peer.der(&format!("{name}.pem"));
    let certificate = Certificate::parse(&der).unwrap();
    let mut signed = Writer::new();
    signed.set_of_one(|set| {
        if attributes == Some(true) {
            set.sequence(|attribute| {
                attribute.oid(CONTENT_TYPE).set_of_one(|values| _ = values.oid(DATA));
            });
        }
        set.sequence(|attribute| {
            attribute.oid(MESSAGE_DIGEST).set_of_one(|values| {
                values.octet_string(&yinxin::crypto::digest::sha256(over));
            });
        });
    });
    let signed = signed.into_bytes();
    peer.write("signed", if attributes.is_some() { &signed[..] } else { over });
    peer.run(&format!("dgst -sha256 -sign {name}.key -out value signed"));
    let mut writer = Writer::new();
    writer.sequence(|info| {
        info.small(1);
        info.sequence(|names| {
            names.raw(certificate.issuer.raw()).unsigned(certificate.serial);
        });
        info.sequence(|algorithm| _ = algorithm.oid(SHA256));
        if attributes.is_some() {
            info.context(0, |implicit| elements(&signed).iter().for_each(|attribute| _ = implicit.raw(attribute)));
        }
        info.sequence(|algorithm| _ = algorithm.oid(ECDSA_SHA256));
        info.octet_string(&peer.read("value"));
    });
    writer.into_bytes()
}

#[test]
fn countersignatures_are_judged_as_signatures_of_their_own() {
    let Some(peer) = OpenSsl::start("countersignatures_are_judged_as_signatures_of_their_own") else { return };
    peer.write("document", b"content");
    peer.end("p256", KEYS[1].1, "end");
    peer.end("second", KEYS[1].1, "end");
    let mut bench = peer.bench();
    bench.evidence = vec![peer.der("second.pem")];
    let plain = message(&peer, "p256");
    let read = yinxin::format::cms::SignedData::parse(&plain).unwrap();
    let over = read.signers[0].signature.to_vec();
    let judged =
        |counter: Vec<u8>| bench.judge(&rebuilt(&plain, &[], &[(COUNTERSIGNATURE, counter)]), Some(b"content"));
    let second = |report: &Value| {
        let all = report["signatures"].as_array().unwrap();
        assert_eq!((all.len(), short(report).as_str(), all[1]["id"].as_str()), (2, PASSED, Some("1.1")));
        let sub = all[1]["sub_indication"].as_str().unwrap_or("-");
        format!("{} {sub} {}", all[1]["indication"].as_str().unwrap(), all[1]["code"].as_str().unwrap())
    };
    for attributes in [None, Some(false)] {
        let counter = countersigned(&peer, "second", &over, attributes);
        let report = judged(counter.clone());
        assert_eq!(second(&report), PASSED, "{report:#}");
        assert_eq!(report["indication"], "TOTAL_PASSED");
        assert!(report["signatures"][1]["signer"]["subject"].as_str().unwrap().contains("second"));
        let mut wrong = counter;
        *wrong.last_mut().unwrap() ^= 1;
        let report = judged(wrong);
        assert_eq!(second(&report), "TOTAL_FAILED SIG_CRYPTO_FAILURE signature-wrong");
        assert_eq!(report["indication"], "TOTAL_FAILED");
    }
    let of_another = countersigned(&peer, "second", b"another value", Some(false));
    assert_eq!(second(&judged(of_another)), "TOTAL_FAILED HASH_FAILURE message-digest-mismatch");
    let typed = countersigned(&peer, "second", &over, Some(true));
    assert_eq!(second(&judged(typed)), "TOTAL_FAILED FORMAT_FAILURE countersignature-content-type");
    let none = second(&judged(vec![0x30, 0]));
    assert!(none.starts_with("TOTAL_FAILED FORMAT_FAILURE"), "{none}");
}
