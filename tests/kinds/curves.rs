//! The larger curves in every kind, as OpenSSL makes them; and every octet of certificates, lists and bare values.

use crate::{Bench, KEYS, OpenSsl, PASSED, VALUE, short};
use yinxin::format::jose::{NewHeader, to_base64url};
use yinxin::format::keys::{read_ecdsa_signature, read_pem};
use yinxin::format::tsp::TimeStampResp;

const CURVES: [(&str, &str, &str, usize); 2] = [
    ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "ES384", 48),
    ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "ES512", 66),
];

#[test]
fn larger_curves_sign_messages_time_stamps_lists_and_jws() {
    let Some(peer) = OpenSsl::start("larger_curves_sign_messages_time_stamps_lists_and_jws") else { return };
    peer.write("document", b"content");
    let bench = peer.bench();
    for (name, key, algorithm, octets) in CURVES {
        peer.end(name, key, "end");
        for (md, used) in [("sha256", "ecdsa-sha256"), ("sha384", "ecdsa-sha384"), ("sha512", "ecdsa-sha512")] {
            peer.run(&format!(
                "cms -sign -nodetach -md {md} -signer {name}.pem -inkey {name}.key -binary -in document -outform DER -out message"
            ));
            let report = bench.judge(&peer.read("message"), Some(b"content"));
            assert_eq!(short(&report), PASSED, "{name} {md}");
            let said = report["signatures"][0]["signature"]["detail"].as_str().unwrap().to_owned();
            assert!(said.contains(used), "{said}");
        }
        let other = bench.verdict(&peer.read("message"), Some(b"contend"));
        assert_eq!(other, "TOTAL_FAILED HASH_FAILURE data-hash-wrong");

        // A list and an end certificate below an authority of that curve.
        let root = format!("root-{name}");
        peer.run(&format!("genpkey {key} -out {root}.key"));
        peer.run(&format!(
            "req -x509 -new -key {root}.key -subj /C=CN/O=peers/CN={root} -days 100 -config config -extensions root -out {root}.pem"
        ));
        let above = Bench { anchors: vec![peer.der(&format!("{root}.pem"))], evidence: Vec::new(), now: bench.now };
        peer.run(&format!("ca -gencrl -config config -keyfile {root}.key -cert {root}.pem -out list.pem"));
        assert_eq!(above.verdict(&peer.read("list.pem"), None), PASSED, "{name}");
        assert_eq!(above.verdict(&peer.read(&format!("{root}.pem")), None), PASSED, "{name}");

        peer.end(&format!("tsa-{name}"), key, "tsa");
        peer.run("ts -query -data document -sha384 -cert -out query");
        peer.run(&format!(
            "ts -reply -queryfile query -signer tsa-{name}.pem -inkey tsa-{name}.key -config config -section tsa_config -out reply"
        ));
        let reply = peer.read("reply");
        assert!(TimeStampResp::parse(&reply).unwrap().token.is_some());
        assert_eq!(bench.verdict(&reply, Some(b"content")), PASSED, "{name}");

        let certificate = peer.der(&format!("{name}.pem"));
        let jws = |algorithm: &str| {
            let protected = NewHeader { algorithm, certificates: &[&certificate], signing_time: None }.to_base64url();
            let signed = format!("{protected}.{}", to_base64url(b"payload"));
            peer.write("signed", signed.as_bytes());
            peer.run(&format!("dgst -sha{} -sign {name}.key -out value signed", &algorithm[2..]));
            let value = read_ecdsa_signature(&peer.read("value"), octets).unwrap();
            format!("{signed}.{}", to_base64url(&value))
        };
        assert_eq!(bench.verdict(jws(algorithm).as_bytes(), None), PASSED, "{algorithm}");
        // A name of RFC 7518 3.4 names its curve too.
        for wrong in ["ES256", "ES384", "ES512"].into_iter().filter(|wrong| *wrong != algorithm) {
            let expected = "TOTAL_FAILED FORMAT_FAILURE algorithm-not-of-key";
            assert_eq!(bench.verdict(jws(wrong).as_bytes(), None), expected, "{name} {wrong}");
        }
    }
}

/// P-256 keys sign with the longer digests too (RFC 5758 3.2).
#[test]
fn a_key_of_p256_signs_with_every_digest() {
    let Some(peer) = OpenSsl::start("a_key_of_p256_signs_with_every_digest") else { return };
    peer.write("document", b"content");
    peer.end("p256", KEYS[1].1, "end");
    for md in ["sha256", "sha384", "sha512"] {
        peer.run(&format!(
            "cms -sign -nodetach -md {md} -signer p256.pem -inkey p256.key -binary -in document -outform DER -out message"
        ));
        assert_eq!(peer.bench().verdict(&peer.read("message"), None), PASSED, "{md}");
    }
}

/// No octet of a certificate, a list or a bare value is free.
#[test]
fn no_changed_octet_of_certificates_lists_and_values_passes() {
    let Some(peer) = OpenSsl::start("no_changed_octet_of_certificates_lists_and_values_passes") else { return };
    peer.write("document", b"content");
    let bench = peer.bench();
    peer.end("p256", KEYS[1].1, "end");
    peer.run("ca -gencrl -config config -keyfile root.key -cert root.pem -out list.pem");
    peer.run("dgst -sha256 -sign p256.key -out value document");
    let certificate = peer.der("p256.pem");
    let list = read_pem(std::str::from_utf8(&peer.read("list.pem")).unwrap(), "X509 CRL").unwrap().remove(0);
    let handed = Bench { anchors: bench.anchors.clone(), evidence: vec![certificate.clone()], now: bench.now };
    for (what, file, original) in
        [("certificate", certificate, None), ("list", list, None), ("value", peer.read("value"), Some(&b"content"[..]))]
    {
        assert_eq!(handed.verdict(&file, original), PASSED, "{what}");
        for at in 0..file.len() {
            for flip in [0x01, 0x10, 0x80] {
                let mut changed = file.clone();
                changed[at] ^= flip;
                let verdict = handed.judge(&changed, original)["indication"].clone();
                assert_ne!(verdict, "TOTAL_PASSED", "{what}: octet {at}");
            }
        }
        let mut wrong = file.clone();
        *wrong.last_mut().unwrap() ^= 1;
        if what != "value" {
            assert_eq!(handed.verdict(&wrong, original), VALUE, "{what}");
        }
    }
}
