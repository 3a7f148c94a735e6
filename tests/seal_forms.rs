//! Seals of every form that we make, used on a document, and judged; beside each what must not pass.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

#[path = "../benches/material/mod.rs"]
#[expect(dead_code, reason = "shared with the benchmarks")]
mod material;

#[path = "interop/bouncycastle/asked.rs"]
mod bouncycastle;

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::DigestAlgorithm;
use yinxin::crypto::digest::digest;
use yinxin::crypto::sm2::{KeyTables, PrivateKey};
use yinxin::crypto::{PublicKey, Signer};
use yinxin::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use yinxin::domain::seal::{signing, taking};
use yinxin::domain::stamp::clock::Precision;
use yinxin::domain::stamp::{Authority, ClockDiscipline, Offer, Reading, Thresholds, judge, prepare};
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::format::cms::Family;
use yinxin::format::der::ObjectIdentifier;
use yinxin::format::ses::{Layout, SesSeal};
use yinxin::format::tsp::NewTimeStampReq;

use material::{Material, certificate, document, policy};

const FORMS: [(SealForm, SignerList, &str); 5] = [
    (SealForm::V1, SignerList::Certificates, "ses-v1"),
    (SealForm::V4, SignerList::Certificates, "ses-v4"),
    (SealForm::V4, SignerList::Digests, "ses-v4"),
    (SealForm::V5, SignerList::Certificates, "ses-v5"),
    (SealForm::V5, SignerList::Digests, "ses-v5"),
];

const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4");

struct Workshop {
    root: PrivateKey,
    maker: PrivateKey,
    made: Material,
    maker_der: Vec<u8>,
}

impl Workshop {
    fn new() -> Self {
        let [root, maker, signer] = [(); 3].map(|()| PrivateKey::generate(&SystemRandom).unwrap());
        let made = Material::new(&root, &maker, signer, b"picture");
        let maker_der = certificate(&root, "演示制章", &Signer::public_key(&maker), "seal-maker", made.now, 2);
        Self { root, maker, made, maker_der }
    }

    fn request<'a>(&self, form: SealForm, list: SignerList, signers: &'a [&'a [u8]]) -> SealRequest<'a> {
        SealRequest {
            es_id: "99000000000001",
            name: "印信演示专用章",
            signers,
            created: self.made.now,
            valid_end: self.made.now.plus_days(300),
            picture_type: "png",
            picture: b"picture",
            size_mm: (45, 30),
            kind: 3,
            form,
            list,
        }
    }

    fn make(&self, request: &SealRequest<'_>) -> Result<Vec<u8>, maker::Error> {
        let token = maker::prepare(request, &self.maker_der, self.maker.algorithm(), &policy().algorithms)?;
        let value = self.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value)
    }

    fn seal(&self, form: SealForm, list: SignerList) -> Vec<u8> {
        self.make(&self.request(form, list, &[&self.made.signer])).unwrap()
    }

    /// A seal of version 5 with a time stamp by that authority over those octets, or over the maker's value.
    fn stamped(&self, authority: &PrivateKey, over: Option<&[u8]>) -> Vec<u8> {
        let signers: [&[u8]; 1] = [&self.made.signer];
        let request = self.request(SealForm::V5, SignerList::Certificates, &signers);
        let token = maker::prepare(&request, &self.maker_der, self.maker.algorithm(), &policy().algorithms).unwrap();
        let value = self.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        let value = token.value(&value).unwrap();
        let token = self.token(authority, over.unwrap_or(value.octets()));
        value.assemble(Some(&token)).unwrap()
    }

    fn token(&self, key: &PrivateKey, over: &[u8]) -> Vec<u8> {
        let public = Signer::public_key(key);
        let certificate = certificate(&self.root, "演示时间戳", &public, "tsa", self.made.now, 7);
        let (policies, digests) = ([POLICY], [DigestAlgorithm::Sm3]);
        let offer = Offer { chain: &[], policies: &policies, digests: &digests, tsa: None, family: Family::Cms };
        let authority = Authority::new(&certificate, key.algorithm(), offer).unwrap();
        let request = NewTimeStampReq {
            algorithm: DigestAlgorithm::Sm3.oid(),
            digest: &digest(DigestAlgorithm::Sm3, over),
            policy: None,
            nonce: Some(&[0x11; 8]),
            certificate_wanted: true,
        }
        .to_der();
        let accepted = judge(&request, &authority).unwrap();
        let thresholds = Thresholds { sources: 0, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(thresholds, Precision::Milliseconds, false, None);
        let wall = self.made.now.unix() * 1_000_000;
        let time = clock.stamp(&Reading { monotonic: 0, wall, sources: &[] }).unwrap();
        let token = prepare(&accepted, &authority, time, &[0x81; 16]).unwrap();
        let value = key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value, &KeyTables::default()).unwrap().token
    }

    fn use_seal(&self, seal: &[u8]) -> Result<Vec<u8>, signing::Error> {
        let place = signing::Placement { page: 1, x_mm: 100.0, y_mm: 200.0, lock: false };
        let (key, der) = (&self.made.signer_key, &self.made.signer);
        let original = document(&["one", "two"]);
        let token =
            signing::prepare(&original, seal, der, key.algorithm(), &place.into(), self.made.now, &Limits::DEFAULT)?;
        let value = key.sign(token.to_sign(), &SystemRandom).unwrap();
        Ok(token.assemble(&value)?.document)
    }
}

#[test]
fn seals_of_every_form_are_made_used_and_judged_right() {
    let workshop = Workshop::new();
    let trust = workshop.made.trust();
    for (form, list, kind) in FORMS {
        let seal = workshop.seal(form, list);
        let read = SesSeal::parse_any(&seal).unwrap();
        assert_eq!((read.width, read.height, read.kind), (45, 30, 3));
        let own = subject_public_key_info(&Signer::public_key(&workshop.made.signer_key));
        assert_eq!(taking::examine(&seal, &workshop.made.signer, &own).map(|(seal, _)| seal.layout), Ok(read.layout));
        let sealed = workshop.use_seal(&seal).unwrap();
        let report = workshop.made.judge(&sealed, &trust, &policy());
        let told = serde_json::to_value(&report).unwrap();
        let signature = &told["signatures"][0];
        assert_eq!(told["indication"], "TOTAL_PASSED", "{kind}: {told:#}");
        assert_eq!(signature["kind"], kind);
        assert_eq!(signature["tolerances"], serde_json::Value::Null, "no tolerance is needed: {signature:#}");
    }
}

#[test]
fn bouncy_castle_accepts_every_form_and_refuses_what_was_changed() {
    let workshop = Workshop::new();
    let mut files = Vec::new();
    for (which, (form, list, _)) in FORMS.into_iter().enumerate() {
        let seal = workshop.seal(form, list);
        let at = seal.windows(6).position(|octets| octets == "印信".as_bytes()).unwrap();
        let mut changed = seal.clone();
        changed[at + 2] ^= 1; // another sign, still UTF-8
        for (name, seal) in [("right", seal), ("changed", changed)] {
            files.push((format!("{which}-{name}.ofd"), workshop.use_seal(&seal).unwrap()));
        }
    }
    let test = "bouncy_castle_accepts_every_form_and_refuses_what_was_changed";
    let Some(told) = bouncycastle::judged(test, &workshop.made.root, &files) else { return };
    let expected = files.iter().map(|(name, _)| {
        let unsound = if name.ends_with("-changed.ofd") { vec!["seal"] } else { Vec::new() };
        (name.clone(), unsound)
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[test]
fn a_seal_of_version_5_has_a_time_stamp_of_its_own_and_others_have_none() {
    let workshop = Workshop::new();
    let key = PrivateKey::generate(&SystemRandom).unwrap();
    let seal = workshop.stamped(&key, None);
    let document = workshop.use_seal(&seal).unwrap();
    let told = serde_json::to_value(workshop.made.judge(&document, &workshop.made.trust(), &policy())).unwrap();
    let one = &told["signatures"][0];
    assert_eq!(told["indication"], "TOTAL_PASSED", "{told:#}");
    assert_eq!((&one["details"]["seal_time_stamp"], &one["seal"]["status"]), (&"present".into(), &"ok".into()));
    assert!(one["details"]["seal_proved_time"].is_string(), "{one:#}");
    let own = subject_public_key_info(&Signer::public_key(&workshop.made.signer_key));
    assert_eq!(taking::examine(&seal, &workshop.made.signer, &own).map(|(seal, _)| seal.layout), Ok(Layout::V5));
    for form in [SealForm::V1, SealForm::V4] {
        let signers: [&[u8]; 1] = [&workshop.made.signer];
        let request = workshop.request(form, SignerList::Certificates, &signers);
        let algorithms = policy().algorithms;
        let token = maker::prepare(&request, &workshop.maker_der, workshop.maker.algorithm(), &algorithms).unwrap();
        let value = workshop.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        let value = token.value(&value).unwrap();
        assert_eq!(
            (value.has_time_stamp(), value.assemble(Some(b"token"))),
            (false, Err(maker::Error::TimeStampInForm))
        );
    }
}

#[test]
fn bouncy_castle_judges_the_time_stamp_of_a_seal() {
    let workshop = Workshop::new();
    let key = PrivateKey::generate(&SystemRandom).unwrap();
    let mut files = vec![
        ("right.ofd".to_owned(), workshop.stamped(&key, None)),
        ("another.ofd".to_owned(), workshop.stamped(&key, Some(b"the value of another seal"))),
    ];
    let mut changed = workshop.stamped(&key, None);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    files.push(("changed.ofd".to_owned(), changed));
    let files = files.into_iter().map(|(name, seal)| (name, workshop.use_seal(&seal).unwrap())).collect::<Vec<_>>();
    let test = "bouncy_castle_judges_the_time_stamp_of_a_seal";
    let Some(told) = bouncycastle::judged(test, &workshop.made.root, &files) else { return };
    let unsound = vec!["sealTimeStamp"];
    let expected = [("right.ofd", vec![]), ("another.ofd", unsound.clone()), ("changed.ofd", unsound)];
    assert_eq!(told, expected.map(|(name, checks)| (name.to_owned(), checks)));
    let codes = files.iter().map(|(_, document)| {
        let report = workshop.made.judge(document, &workshop.made.trust(), &policy());
        report.signatures[0].code.clone()
    });
    assert_eq!(codes.collect::<Vec<_>>(), ["passed", "token-imprint", "signature-wrong"]);
}

#[test]
fn what_was_changed_in_any_form_does_not_pass() {
    let workshop = Workshop::new();
    let trust = workshop.made.trust();
    for (form, list, kind) in FORMS {
        let seal = workshop.seal(form, list);
        // The maker's signature covers the name, and in version 1 the maker's certificate.
        let at = seal.windows(6).position(|octets| octets == "印信".as_bytes()).unwrap();
        let mut changed = seal.clone();
        changed[at + 2] ^= 1; // another sign, still UTF-8
        let sealed = workshop.use_seal(&changed).unwrap();
        let told = serde_json::to_value(workshop.made.judge(&sealed, &trust, &policy())).unwrap();
        assert_eq!(told["indication"], "TOTAL_FAILED", "{kind}");
        assert_eq!(told["signatures"][0]["sub_indication"], "SIG_CRYPTO_FAILURE", "{kind}: {told:#}");
    }
}

#[test]
fn a_seal_that_lists_others_is_not_used() {
    let workshop = Workshop::new();
    let key = PrivateKey::generate(&SystemRandom).unwrap();
    let public = PublicKey::Sm2(key.public_key());
    let other = certificate(&workshop.root, "演示签章人", &public, "seal-signer", workshop.made.now, 9);
    for (form, list, kind) in FORMS {
        let seal = workshop.make(&workshop.request(form, list, &[&other])).unwrap();
        assert_eq!(workshop.use_seal(&seal).map(|_| ()), Err(signing::Error::NotListed), "{kind}");
        let own = subject_public_key_info(&Signer::public_key(&workshop.made.signer_key));
        let refused = taking::examine(&seal, &workshop.made.signer, &own).map(|_| ());
        assert_eq!(refused, Err(taking::Error::NotListed), "{kind}");
    }
}

#[test]
fn version_1_has_no_digests_and_no_year_after_2049() {
    let workshop = Workshop::new();
    let signers: [&[u8]; 1] = [&workshop.made.signer];
    let digests = workshop.request(SealForm::V1, SignerList::Digests, &signers);
    assert_eq!(workshop.make(&digests), Err(maker::Error::DigestsInV1));
    let late = Timestamp::from_unix(2_524_608_000);
    let request =
        |form, valid_end| SealRequest { valid_end, ..workshop.request(form, SignerList::Certificates, &signers) };
    assert_eq!(workshop.make(&request(SealForm::V1, late)), Err(maker::Error::BeyondV1));
    let last = workshop.make(&request(SealForm::V1, late.plus_seconds(-1))).unwrap();
    let read = SesSeal::parse_any(&last).unwrap();
    assert_eq!((read.layout, read.valid_end), (Layout::V1, late.plus_seconds(-1)));
    assert!(workshop.make(&request(SealForm::V4, late)).is_ok());
}
