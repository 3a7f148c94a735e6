//! Lists read, written and refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::format::der::ObjectIdentifier;
use crate::format::tlog::{NoteKey, VerifierKey};
use crate::format::trust_list::{
    ListAlgorithm, ListSignature, ListSigner, ListedAnchor, Region, SignedTrustList, SignerIdRule, StatusKind,
    StatusService, TrustBundle, TrustList, TrustListError, TrustUse,
};
use crate::format::x509::NewCertificate;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// The key of nobody: an octet string where the point would be.
fn key(octet: u8) -> Vec<u8> {
    let mut writer = crate::format::der::Writer::new();
    writer.sequence(|info| {
        info.sequence(|algorithm| {
            algorithm.oid(oid("1.2.840.10045.2.1")).oid(oid("1.2.156.10197.1.301"));
        });
        info.bit_string(&[octet; 65]);
    });
    writer.into_bytes()
}

fn certificate(octet: u8) -> Vec<u8> {
    let algorithm = oid("1.2.156.10197.1.501");
    let name = crate::format::x509::NewName { organisation: "示例".into(), common_name: "根".into() }.to_der();
    let new = NewCertificate {
        serial: &[octet],
        signature_algorithm: algorithm,
        issuer: &name,
        not_before: NOW,
        not_after: NOW.plus_days(1),
        subject: &name,
        public_key: &key(octet),
        extensions: &[],
    };
    NewCertificate::assemble(&new.to_tbs(), algorithm, &[octet])
}

/// C2SP signed-note, its example of a verifier key.
const LOG: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn anchor(octet: u8) -> ListedAnchor {
    ListedAnchor {
        certificate: certificate(octet),
        from: Some(NOW),
        logs: vec![LOG.into()],
        name: "示例根证书".into(),
        regions: vec![Region { code: "330000".into(), names: vec!["浙江省".into()] }],
        signer_id: SignerIdRule::DefaultOrEmpty,
        status: vec![StatusService { kind: StatusKind::Ocsp, url: "http://ocsp.example/".into() }],
        until: Some(NOW.plus_days(9)),
        uses: vec![TrustUse::SealMaking, TrustUse::SealSigning],
    }
}

fn list() -> TrustList {
    TrustList {
        anchors: vec![anchor(1)],
        expires: NOW.plus_days(30),
        issued: NOW,
        lists: Vec::new(),
        name: "zj-1".into(),
        number: 1,
        operator: "示例 \"局\"".into(),
        signers: vec![ListSigner { key: key(7), name: "甲".into() }],
        threshold: 1,
        version: 1,
    }
}

fn payload() -> Value {
    serde_json::from_slice(&list().to_canonical().unwrap()).unwrap()
}

#[test]
fn the_canonical_form_is_fixed() {
    let (der, key) = (STANDARD.encode(certificate(1)), STANDARD.encode(key(7)));
    let of = |logs: &str| {
        format!(
            "{{\"anchors\":[{{\"certificate\":\"{der}\",\"from\":\"2027-01-15T08:00:00Z\",{logs}\"name\":\"示例根证书\",\
         \"regions\":[{{\"code\":\"330000\",\"names\":[\"浙江省\"]}}],\"signer_id\":\"default-or-empty\",\
         \"status\":[{{\"kind\":\"ocsp\",\"url\":\"http://ocsp.example/\"}}],\"until\":\"2027-01-24T08:00:00Z\",\
         \"uses\":[\"seal-making\",\"seal-signing\"]}}],\"expires\":\"2027-02-14T08:00:00Z\",\
         \"issued\":\"2027-01-15T08:00:00Z\",\"name\":\"zj-1\",\"number\":1,\"operator\":\"示例 \\\"局\\\"\",\
         \"signers\":[{{\"key\":\"{key}\",\"name\":\"甲\"}}],\"threshold\":1,\"version\":1}}"
        )
    };
    // What says nothing of logs is written as it was before there were any.
    let mut silent = list();
    silent.anchors[0].logs.clear();
    assert_eq!(String::from_utf8(silent.to_canonical().unwrap()).unwrap(), of(""));
    let logs = serde_json::to_string(&list().anchors[0].logs).unwrap();
    let octets = list().to_canonical().unwrap();
    assert_eq!(String::from_utf8(octets.clone()).unwrap(), of(&format!("\"logs\":{logs},")));
    assert_eq!(TrustList::from_canonical(&octets), Ok(list()));
    // RFC 8785 3.2.3: the members of every object stand in the order of their names.
    fn sorted(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.values().all(sorted),
            Value::Array(all) => all.iter().all(sorted),
            _ => true,
        }
    }
    assert!(sorted(&payload()));
    assert_eq!(serde_json::to_vec(&payload()).unwrap(), octets);
}

#[test]
fn another_form_of_the_same_list_is_refused() {
    let octets = String::from_utf8(list().to_canonical().unwrap()).unwrap();
    let refused = |text: String| TrustList::from_canonical(text.as_bytes()).unwrap_err();
    let same = [
        octets.replacen(':', ": ", 1),
        octets.replace("2027-01-15T08:00:00Z", "2027-01-15T16:00:00+08:00"),
        octets.replace("2027-01-15T08:00:00Z", "2027-01-15T08:00:00.5Z"),
        octets.replace("示例根", "\\u793a例根"),
        octets.replace("\"issued\"", "\"lists\":[],\"issued\""),
        format!("{octets}\n"),
    ];
    for text in same {
        assert_eq!(refused(text.clone()), TrustListError::NotCanonical, "{text}");
    }
    let other = [
        octets.replacen("\"name\"", "\"names\"", 1),
        octets.replace("\"issued\"", "\"extra\":1,\"issued\""),
        octets.replace("\"threshold\":1", "\"threshold\":1,\"threshold\":1"),
        octets.replace("\"threshold\":1", "\"threshold\":1.0"),
        octets.replace("seal-making", "everything"),
        octets[..octets.len() - 1].to_owned(),
        String::new(),
    ];
    for text in other {
        assert!(matches!(refused(text.clone()), TrustListError::Shape { what: "list", .. }), "{text}");
    }
}

/// What a change to a list, or to its first anchor, is refused with.
fn member(change: impl FnOnce(&mut TrustList)) -> &'static str {
    let mut list = list();
    change(&mut list);
    match list.to_canonical() {
        Err(TrustListError::Member { member, .. }) => member,
        other => panic!("{other:?}"),
    }
}

fn in_anchor(change: impl FnOnce(&mut ListedAnchor)) -> &'static str {
    member(|list| change(&mut list.anchors[0]))
}

#[test]
fn every_rule_of_the_format_is_held() {
    assert_eq!(member(|list| list.number = 0), "number");
    assert_eq!(member(|list| list.number = 1 << 53), "number");
    assert_eq!(member(|list| list.expires = list.issued), "expires");
    for name in ["", "-a", "a-", "A", "省", &"a".repeat(64)] {
        assert_eq!(member(|list| list.name = name.into()), "name", "{name}");
    }
    for text in ["", " a", "a\u{7}b", "a\n", &"局".repeat(201)] {
        assert_eq!(member(|list| list.operator = text.into()), "operator", "{text}");
        assert_eq!(in_anchor(|anchor| anchor.name = text.into()), "anchors.name", "{text}");
    }
    assert_eq!(member(|list| list.signers.clear()), "signers");
    assert_eq!(member(|list| list.signers.push(list.signers[0].clone())), "signers");
    assert_eq!(member(|list| list.threshold = 0), "threshold");
    assert_eq!(member(|list| list.threshold = 2), "threshold");
    assert_eq!(member(|list| list.anchors.push(list.anchors[0].clone())), "anchors");
    assert_eq!(in_anchor(|anchor| anchor.uses.clear()), "anchors.uses");
    assert_eq!(in_anchor(|anchor| anchor.uses.reverse()), "anchors.uses");
    assert_eq!(in_anchor(|anchor| anchor.until = anchor.from), "anchors.until");
    for code in ["33", "33000a", "000000", "3300000"] {
        assert_eq!(in_anchor(|anchor| anchor.regions[0].code = code.into()), "anchors.regions", "{code}");
    }
    assert_eq!(in_anchor(|anchor| anchor.regions.push(anchor.regions[0].clone())), "anchors.regions");
    assert_eq!(in_anchor(|anchor| anchor.regions[0].names.clear()), "anchors.regions");
    for url in ["ftp://a", "http://", "http://a b", "http://u@a", "https:///x", "http://a/#f"] {
        assert_eq!(in_anchor(|anchor| anchor.status[0].url = url.into()), "anchors.status", "{url}");
    }
    let witness = VerifierKey { name: "a", key_id: [0; 4], key: NoteKey::Cosignature([1; 32]) }.to_string();
    for log in ["", "example.com/foo", &LOG.replace("foo", "f oo"), &LOG[..LOG.len() - 1], &witness] {
        assert_eq!(in_anchor(|anchor| anchor.logs = vec![log.into()]), "anchors.logs", "{log}");
    }
    assert_eq!(in_anchor(|anchor| anchor.logs = vec![LOG.into(); 2]), "anchors.logs");
    let many =
        (0..17_u8).map(|n| VerifierKey { name: "a", key_id: [n; 4], key: NoteKey::Ed25519([1; 32]) }.to_string());
    assert_eq!(in_anchor(|anchor| anchor.logs = many.collect()), "anchors.logs");
    let mut broken = list();
    broken.anchors[0].certificate = vec![0x30, 0];
    let source = crate::format::der::Error::Missing { what: "tbsCertificate" };
    let malformed = TrustListError::Malformed { what: "the certificate of anchor", index: 1, source };
    assert_eq!(broken.to_canonical(), Err(malformed));
    assert_eq!(TrustList { version: 2, ..list() }.to_canonical(), Err(TrustListError::Version { found: 2 }));
    let both = json!({ "lists": [{ "name": "b", "signers": [{ "key": STANDARD.encode(key(9)), "name": "乙" }],
                       "threshold": 1, "uses": ["identity"] }] });
    let mut with = payload();
    with["lists"] = both["lists"].clone();
    let refused = TrustList::from_canonical(&serde_json::to_vec(&with).unwrap()).unwrap_err();
    assert!(matches!(refused, TrustListError::Member { member: "lists", .. }), "{refused:?}");
    with.as_object_mut().unwrap().remove("anchors");
    let read = TrustList::from_canonical(&serde_json::to_vec(&with).unwrap()).unwrap();
    assert_eq!(read.lists[0].name, "b");
    with["lists"][0]["name"] = "zj-1".into();
    let refused = TrustList::from_canonical(&serde_json::to_vec(&with).unwrap()).unwrap_err();
    assert!(matches!(refused, TrustListError::Member { member: "lists", .. }), "{refused:?}");
}

#[test]
fn regions_hold_what_lies_in_them() {
    let region = |code: &str| Region { code: code.into(), names: vec!["某地".into()] };
    assert!(region("330000").contains(&region("330102")));
    assert!(region("330100").contains(&region("330102")));
    assert!(region("330102").contains(&region("330102")));
    assert!(!region("330100").contains(&region("330000")));
    assert!(!region("330100").contains(&region("330202")));
}

fn signed() -> SignedTrustList {
    let signature = ListSignature { algorithm: ListAlgorithm::Sm2Sm3, key_sm3: [0xab; 32], value: vec![3; 64] };
    SignedTrustList::unsigned(list()).unwrap().with_signature(signature).unwrap()
}

fn header_refused(header: &Value) -> TrustListError {
    let mut file: Value = serde_json::from_slice(&signed().to_json()).unwrap();
    file["signatures"][0]["protected"] = URL_SAFE_NO_PAD.encode(header.to_string()).into();
    SignedTrustList::parse(&serde_json::to_vec(&file).unwrap()).unwrap_err()
}

#[test]
fn headers_say_three_things_and_nothing_else() {
    let good = json!({ "alg": "SM2-SM3", "kid": "ab".repeat(32), "typ": "yinxin-trust-list+jws" });
    let file: Value = serde_json::from_slice(&signed().to_json()).unwrap();
    assert_eq!(file["signatures"][0]["protected"], URL_SAFE_NO_PAD.encode(good.to_string()));
    let mut headers = Vec::new();
    for alg in ["none", "HS256", "RS256", "es256", "SM2"] {
        headers.push(json!({ "alg": alg, "kid": good["kid"], "typ": good["typ"] }));
    }
    for member in ["crit", "jwk", "x5c", "b64"] {
        let mut header = good.clone();
        header[member] = json!([]);
        headers.push(header);
    }
    headers.push(json!({ "alg": "ES256", "kid": good["kid"], "typ": "JWT" }));
    headers.push(json!({ "alg": "ES256", "kid": "AB".repeat(32), "typ": good["typ"] }));
    headers.push(json!({ "alg": "ES256", "kid": "ab", "typ": good["typ"] }));
    headers.push(json!({ "alg": "ES256", "typ": good["typ"] }));
    for header in headers {
        assert!(matches!(header_refused(&header), TrustListError::Header { index: 1, .. }), "{header}");
    }
}

#[test]
fn files_of_another_shape_are_refused() {
    let good: Value = serde_json::from_slice(&signed().to_json()).unwrap();
    assert_eq!(SignedTrustList::parse(&serde_json::to_vec_pretty(&good).unwrap()), Ok(signed()));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file);
        SignedTrustList::parse(&serde_json::to_vec(&file).unwrap()).unwrap_err()
    };
    let shape = |refused| matches!(refused, TrustListError::Shape { what: "signed list", .. });
    assert!(shape(with(&|file| file["header"] = json!({}))));
    assert!(shape(with(&|file| file["signatures"][0]["header"] = json!({}))));
    let padded = |file: &mut Value| file["payload"] = format!("{}=", good["payload"].as_str().unwrap()).into();
    assert_eq!(with(&padded), TrustListError::Base64 { what: "the payload" });
    let short = URL_SAFE_NO_PAD.encode([3; 63]);
    let refused = with(&|file| file["signatures"][0]["signature"] = short.clone().into());
    assert!(matches!(refused, TrustListError::Member { member: "signature", .. }), "{refused:?}");
    let twice = with(&|file| {
        let one = file["signatures"][0].clone();
        file["signatures"].as_array_mut().unwrap().push(one);
    });
    assert_eq!(twice, TrustListError::Member { member: "signatures", rule: "are one for each key" });
    let large = TrustListError::TooLarge { what: "signed list", most: 6 << 20 };
    assert_eq!(SignedTrustList::parse(&vec![b' '; (6 << 20) + 1]), Err(large));
    let deep = vec![b'['; 100_000];
    assert!(matches!(SignedTrustList::parse(&deep), Err(TrustListError::Shape { .. })));
    assert!(matches!(TrustBundle::parse(&deep), Err(TrustListError::Shape { .. })));
    let version = json!({ "lists": [], "version": 2 });
    let version = TrustBundle::parse(&serde_json::to_vec(&version).unwrap());
    assert_eq!(version, Err(TrustListError::Version { found: 2 }));
}

proptest! {
    /// No change of one octet gives the same list, or breaks the reader.
    #[test]
    fn one_changed_octet_is_another_list_or_none(at in 0..10_000_usize, to in any::<u8>()) {
        let octets = list().to_canonical().unwrap();
        let at = at % octets.len();
        let mut changed = octets.clone();
        changed[at] = to;
        match TrustList::from_canonical(&changed) {
            Ok(read) => {
                prop_assert_eq!(read.to_canonical().unwrap(), changed.clone());
                prop_assert_eq!(read == list(), changed == octets);
            }
            Err(_) => prop_assert_ne!(changed, octets),
        }
    }
}
