//! The axis *logged* of kinds without a seal: a proof that names their signature value.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{SealId, SignatureId};
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, ed25519};
use yinxin::domain::audit::checkpoint::{Verifier, checkpoint_text};
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::audit::{Actor, Entry, Event, EventBody};
use yinxin::domain::trust::{Budget, TrustAnchors};
use yinxin::domain::verify::logged::{LogProofRefused, MOST_LOG_PROOFS};
use yinxin::domain::verify::report::{SignatureReport, Warning};
use yinxin::domain::verify::{Case, Evidence, Ground, Remembered, ofd_sign, verify};
use yinxin::format::cms::SignedData;
use yinxin::format::jose::{NewHeader, to_base64url};

use crate::{KEYS, OpenSsl, jws_value, policy};

const ORIGIN: &str = "log.example/audit";
const SALT: [u8; 32] = [7; 32];

/// The proof, in a log of one leaf, that a signature of that value was made; and the key of the log, a test key.
fn proof(value: &[u8]) -> (String, Verifier) {
    let signer = ed25519::PrivateKey::from_bytes(&[0x12; 32]).unwrap();
    let tree = TreeHash::Sha256;
    let key = Verifier::of_log(&tree.origin(ORIGIN), &Signer::public_key(&signer)).unwrap();
    let body = EventBody::DocumentSigned {
        signature: SignatureId::parse("s-1").unwrap(),
        seal: SealId::parse("seal-1").unwrap(),
        document_sm3: [1; 32],
        signed_value_sm3: sm3(value),
        result_sm3: [2; 32],
    };
    let event = Event { at: Timestamp::from_unix(1_795_392_000), actor: Actor::Operator, request: None, body };
    let root = tree.leaf(&Entry::of(&event, &SALT).unwrap().to_octets());
    let text = checkpoint_text(ORIGIN, tree, 1, &root);
    let note = yinxin::format::tlog::Note::write(&text, &[key.sign(&text, &signer, &SystemRandom).unwrap()]).unwrap();
    let extra = [SALT.as_slice(), &event.to_der()].concat();
    (yinxin::format::tlog::LogProof::write(Some(&extra), 0, &[], &note), key)
}

/// What is at hand beside the file.
struct Hand<'a> {
    anchor: &'a [u8],
    certificate: &'a [u8],
    now: Timestamp,
    policy: &'a str,
}

impl Hand<'_> {
    fn with<T>(&self, proofs: &[String], keys: &[Verifier], judge: impl FnOnce(&Ground<'_>) -> T) -> T {
        let mut trust = TrustAnchors::none();
        trust.add_anchors(self.anchor, "anchor").unwrap();
        let mut evidence = Evidence::none();
        evidence.add_certificate(self.certificate).unwrap();
        proofs.iter().for_each(|proof| evidence.add_log_proof(proof.as_bytes()).unwrap());
        judge(&Ground {
            trust: &trust,
            policy: &policy(self.policy),
            now: self.now,
            limits: &Limits::DEFAULT,
            remembered: &Remembered::default(),
            evidence: &evidence,
            log_keys: keys,
        })
    }
}

/// Each value of the axis, for one file.
fn each_value(what: &str, hand: &Hand<'_>, value: &[u8], judge: &dyn Fn(&Ground<'_>) -> SignatureReport) {
    let (right, key) = proof(value);
    let (foreign, _) = proof(b"another value");
    let keys = std::slice::from_ref(&key);
    let default = Hand { policy: "default", ..*hand };
    // The code of the axis, and whether the verdict asks for a proof.
    let of = |hand: &Hand<'_>, proofs: &[String], keys: &[Verifier]| {
        let report = hand.with(proofs, keys, |ground| judge(ground));
        (report.logged.code.clone(), report.has(Case::Unlogged))
    };
    let axis = |code: &str, is_asked: bool| (code.to_owned(), is_asked);
    assert_eq!(of(hand, &[], &[]), axis("not-in-log", false), "{what}");
    assert_eq!(of(hand, std::slice::from_ref(&right), keys), axis("in-log", false), "{what}");
    for proofs in [vec![], vec![foreign]] {
        assert_eq!(of(hand, &proofs, keys), axis("receipt-missing", true), "{what}");
        assert_eq!(of(&default, &proofs, keys), axis("receipt-missing", false), "{what}");
    }
    assert_eq!(of(hand, &[right], &[]), axis("log-unknown", false), "{what}");
}

/// Whoever hands in as many proofs as are taken keeps none of the service's own log out.
#[test]
fn what_is_handed_in_leaves_the_own_log_its_room() {
    let (proof, _) = proof(b"a value");
    let mut handed_in = Evidence::none();
    for _ in 0..MOST_LOG_PROOFS {
        handed_in.add_log_proof(proof.as_bytes()).unwrap();
    }
    let one_more = handed_in.add_log_proof(proof.as_bytes());
    assert_eq!(one_more, Err(LogProofRefused::TooMany { limit: MOST_LOG_PROOFS }));
    let mut at_hand = Evidence::beside(&handed_in);
    at_hand.add_log_proof(proof.as_bytes()).unwrap();
    assert_eq!(at_hand.log_proofs().len(), MOST_LOG_PROOFS + 1);
}

#[test]
fn values_without_a_seal_are_asked_for_their_proof() {
    let Some(peer) = OpenSsl::start("logged::values_without_a_seal_are_asked_for_their_proof") else { return };
    let document = b"the document";
    peer.write("document", document);
    let (name, key) = KEYS[1];
    peer.end(name, key, "end");
    let bench = peer.bench();
    let certificate = peer.der(&format!("{name}.pem"));
    let now = Timestamp::from_unix(bench.now);
    let hand = Hand { anchor: &bench.anchors[0], certificate: &certificate, now, policy: "strict" };
    let file = |bytes: &[u8], ground: &Ground<'_>| verify("file", bytes, Some(document), ground).signatures.remove(0);

    peer.run(&format!(
        "cms -sign -md sha256 -signer {name}.pem -inkey {name}.key -binary -in document -outform DER -out message"
    ));
    let message = peer.read("message");
    let value = SignedData::parse(&message).unwrap().signers[0].signature.to_vec();
    each_value("message", &hand, &value, &|ground| file(&message, ground));

    let claimed = Timestamp::from_unix(bench.now - 60).to_string();
    let header = NewHeader { algorithm: "ES256", certificates: &[&certificate], signing_time: Some(&claimed) };
    let signed = format!("{}.{}", header.to_base64url(), to_base64url(document));
    let value = jws_value(&peer, name, "ES256", signed.as_bytes());
    let compact = format!("{signed}.{}", to_base64url(&value));
    each_value("JWS", &hand, &value, &|ground| file(compact.as_bytes(), ground));

    peer.run(&format!("dgst -sha256 -sign {name}.key -out value document"));
    let value = peer.read("value");
    each_value("bare value", &hand, &value, &|ground| file(&value, ground));

    // The values of signatures of type Sign in a package: a message, and nothing but a value.
    let in_package = |octets: &[u8], ground: &Ground<'_>| {
        let mut report = SignatureReport::blank("1", "gbt35275");
        let (mut budget, mut warnings) = (Budget::new(ground.limits), Vec::<Warning>::new());
        let place = ofd_sign::Place { original: document, date_time: None };
        ofd_sign::judge(&mut report, octets, &place, ground, &mut budget, &mut warnings);
        report
    };
    let in_message = SignedData::parse(&message).unwrap().signers[0].signature.to_vec();
    each_value("message in a package", &hand, &in_message, &|ground| in_package(&message, ground));
    each_value("value in a package", &hand, &value, &|ground| in_package(&value, ground));
}
