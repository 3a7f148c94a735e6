//! What logs say, handed in beside the files: which of it reaches the use case, and what is refused.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{SealId, SignatureId};
use yinxin::base::limits::{EVIDENCE_BYTES, EVIDENCE_PARTS};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::{Signer, ed25519};
use yinxin::domain::audit::checkpoint::{Verifier, checkpoint_text};
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::audit::{Actor, Entry, Event, EventBody};
use yinxin::format::keys::write_pem;
use yinxin::format::tlog::{LogProof, Note};

use crate::client::{Request, Server};

const PATH: &str = "/api/v1/verifications";
const FILE: (&str, Option<&str>, &[u8]) = ("file", Some("a.ofd"), b"PK");

/// A proof that opens its event, in a log of one leaf, signed by a test key.
fn proof() -> Vec<u8> {
    let signer = ed25519::PrivateKey::from_bytes(&[0x12; 32]).unwrap();
    let (origin, tree, salt) = ("log.example/audit", TreeHash::Sha256, [7; 32]);
    let key = Verifier::of_log(&tree.origin(origin), &Signer::public_key(&signer)).unwrap();
    let body = EventBody::DocumentSigned {
        signature: SignatureId::parse("s-1").unwrap(),
        seal: SealId::parse("seal-1").unwrap(),
        document_sm3: [1; 32],
        signed_value_sm3: [3; 32],
        result_sm3: [2; 32],
    };
    let event = Event { at: Timestamp::from_unix(1_795_392_000), actor: Actor::Operator, request: None, body };
    let root = tree.leaf(&Entry::of(&event, &salt).unwrap().to_octets());
    let text = checkpoint_text(origin, tree, 1, &root);
    let note = Note::write(&text, &[key.sign(&text, &signer, &SystemRandom).unwrap()]).unwrap();
    LogProof::write(Some(&[salt.as_slice(), &event.to_der()].concat()), 0, &[], &note).into_bytes()
}

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Request {
    Request::new("POST", PATH).form(parts)
}

/// Evidence may stand anywhere in the form, between the halves of a pair too; it counts for each file, and once.
#[tokio::test]
async fn evidence_reaches_each_file() {
    let server = Server::start().await;
    let proof = proof();
    let pem = write_pem(&proof, "TLOG PROOF");
    let parts = [
        ("signature", Some("s"), b"s".as_slice()),
        ("evidence", Some("1.tlog-proof"), &proof),
        ("original", None, b"o"),
        FILE,
        ("evidence", None, pem.as_bytes()),
    ];
    let reports = server.send(&form(&parts)).await.json();
    assert_eq!((&reports[0]["original"], &reports[1]["file"]), (&"o".into(), &"a.ofd".into()));
    assert_eq!([&reports[0]["evidence"], &reports[1]["evidence"]], [pem.as_str(); 2]);
    // As many, and as large, as are taken.
    let mut largest = pem.clone().into_bytes();
    largest.resize(EVIDENCE_BYTES, b'\n');
    let most = vec![("evidence", None, largest.as_slice()); EVIDENCE_PARTS];
    assert_eq!(server.send(&form(&[vec![FILE], most].concat())).await.json()["evidence"], pem.as_str());
}

#[tokio::test]
async fn what_is_no_evidence_of_a_log_is_refused() {
    let server = Server::start().await;
    let proof = proof();
    let large = [write_pem(&proof, "TLOG PROOF").into_bytes(), vec![b'\n'; EVIDENCE_BYTES]].concat();
    let part = |octets| ("evidence", None, octets);
    let of_kind = |label| write_pem(&[0], label).into_bytes();
    let (list, certificate) = (of_kind("X509 CRL"), of_kind("CERTIFICATE"));
    let beside = [write_pem(&proof, "TLOG PROOF").into_bytes(), certificate.clone()].concat();
    let other = (400, "field-malformed", "evidence 2 is neither a proof nor a receipt of a log.");
    let cut = &proof[..proof.len() / 2];
    let too_many = format!("At most {EVIDENCE_PARTS} parts of evidence are taken at once.");
    let too_large = format!("At most {EVIDENCE_BYTES} bytes of one part of evidence are taken.");
    let cases = [
        ("nothing", part(b"".as_slice()), other),
        ("a file", part(b"PK12"), other),
        ("a statement", part(b"yinxin statement v1\nlog.example/audit\n"), other),
        ("a revocation list", part(&list), other),
        ("a certificate", part(&certificate), other),
        ("a certificate beside a proof", part(&beside), other),
        ("too large", part(&large), (413, "too-large", &too_large)),
    ];
    for (name, refused, expected) in cases {
        let answer = server.send(&form(&[FILE, part(&proof), refused])).await;
        let (status, code) = answer.refusal();
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!((status, code.as_str(), detail.as_str()), expected, "{name}");
    }
    for (broken, kind) in [(cut, "proof"), (b"yinxin promise v1\n", "receipt")] {
        let answer = server.send(&form(&[FILE, part(broken)])).await;
        assert_eq!(answer.refusal(), (400, "field-malformed".to_owned()));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("evidence 1 holds a {kind} of a log that cannot be read: ")), "{detail}");
    }
    let many = vec![part(proof.as_slice()); EVIDENCE_PARTS + 1];
    let answer = server.send(&form(&[vec![FILE], many].concat())).await;
    assert_eq!(answer.refusal(), (413, "too-many-files".to_owned()));
    assert_eq!(answer.json()["detail"], too_many.as_str());
    // Evidence alone is no file; nothing but the form takes any.
    assert_eq!(server.send(&form(&[part(&proof)])).await.refusal(), (400, "field-missing".to_owned()));
    let raw = Request::new("POST", &format!("{PATH}?evidence=x")).body("application/ofd", b"PK");
    assert_eq!(server.send(&raw).await.refusal(), (400, "query-malformed".to_owned()));
    let page = server.send(&Request::new("POST", "/verify").form(&[FILE, part(&proof)])).await;
    assert!((page.status, page.text().contains("<code>field-unknown</code>")) == (400, true), "{}", page.text());
}
