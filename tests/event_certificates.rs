//! Certificates for one act of a person, used and misused: each misuse with its exact reason, and the untouched one passes.
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
#[path = "material/trust_list.rs"]
mod trust_list;

use std::sync::Arc;

use yinxin::base::clock::Timestamp;
use yinxin::base::id::SignatureId;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::{digest, hex, sm3};
use yinxin::crypto::sm2::PrivateKey;
use yinxin::crypto::{Signer, algorithm};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::{Issuer, Publication, Request, ThrowAwayKeys, Transaction, prepare};
use yinxin::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use yinxin::domain::seal::person::{self, PersonDraft};
use yinxin::domain::seal::signing::Placement;
use yinxin::domain::trust::key::encode_value;
use yinxin::domain::trust::{AlgorithmPolicy, CheckedList, TrustAnchors, add_trust_list};
use yinxin::domain::verify::Report;
use yinxin::format::cms::{ContentType, Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier};
use yinxin::format::der::{ObjectIdentifier, Writer};
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::signing::replace_part;
use yinxin::format::ses::{Layout, NewSeal, NewSignature, NewSigners, SesSignature};
use yinxin::format::trust_list::{ListedAnchor, SignerIdRule, TrustUse};
use yinxin::format::x509::event::{BoundDigest, CONTEXT_TYPE, EventStatement, MESSAGE_DIGEST};
use yinxin::format::x509::extension::{
    AuthenticationContext, AuthenticationContexts, SUBJECT_DIRECTORY_ATTRIBUTES, SubjectDirectoryAttributes,
};
use yinxin::format::x509::{AssuranceLevel, Certificate, EventBinding, NewCertificate, NewExtension};

use material::{Material, certificate, document, policy};
use trust_list::signed_list;

const SM2: algorithm::SignatureAlgorithm = algorithm::SignatureAlgorithm::Sm2Sm3;
const PLACE: Placement = Placement { page: 1, x_mm: 20.0, y_mm: 200.0, lock: false };

/// An authority, a maker, and the key of one act.
struct Counter {
    root: PrivateKey,
    maker: PrivateKey,
    maker_der: Vec<u8>,
    made: Material,
    key: PrivateKey,
}

fn act() -> SignatureId {
    SignatureId::parse("act-1").unwrap()
}

fn statement(now: Timestamp) -> EventStatement {
    EventStatement {
        transaction: act(),
        digest: BoundDigest::Sm3,
        level: AssuranceLevel::new(4).unwrap(),
        procedure: "live-face".into(),
        proven_at: now,
        person: "p-1".into(),
    }
}

impl Counter {
    fn new() -> Self {
        let [root, maker, signer, key] = [(); 4].map(|()| PrivateKey::generate(&SystemRandom).unwrap());
        let made = Material::new(&root, &maker, signer, b"picture");
        let maker_der = certificate(&root, "演示制章", &Signer::public_key(&maker), "seal-maker", made.now, 2);
        Self { root, maker, maker_der, made, key }
    }

    /// A certificate for that digest, as the authority issues it.
    fn certified(&self, digest: &[u8; 32], statement: Option<&EventStatement>) -> Vec<u8> {
        let profiles = yinxin::config::profiles::built_in().unwrap();
        let above = Certificate::parse(&self.made.root).unwrap();
        let (by, publication) = (Signer::public_key(&self.root), Publication::nowhere());
        let throw_away = ThrowAwayKeys::new(Arc::new(SystemRandom));
        let issuer = Issuer {
            certificate: Some(&above),
            key: &by,
            algorithm: SM2,
            publication: &publication,
            throw_away: &throw_away,
        };
        let request = Request {
            profile: profiles.require("event").unwrap(),
            subject: &[
                (AttributeKind::SerialNumber, "act-1".to_owned()),
                (AttributeKind::CommonName, "样章人".to_owned()),
            ],
            alternative_names: &[],
            identity: &[],
            key: &Signer::public_key(&self.key),
            not_before: self.made.now,
            not_after: None,
            serial: &[9; 16],
            transaction: Some(Transaction { digest, statement }),
            name_constraints: None,
        };
        let token = prepare(&request, &issuer, (&policy().algorithms, self.made.now)).unwrap();
        let value = self.root.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    /// The same with other extensions, signed by the authority all the same.
    fn rewritten(&self, der: &[u8], change: impl FnOnce(&mut Vec<NewExtension>)) -> Vec<u8> {
        let read = Certificate::parse(der).unwrap();
        let kept = read.extensions.iter().map(|one| NewExtension {
            oid: one.oid,
            critical: one.critical,
            value: one.value.to_vec(),
        });
        let mut extensions = kept.collect();
        change(&mut extensions);
        let oid = SM2.oid().unwrap();
        let tbs = NewCertificate {
            serial: read.serial,
            signature_algorithm: oid,
            issuer: read.issuer.raw(),
            not_before: read.not_before,
            not_after: read.not_after,
            subject: read.subject.raw(),
            public_key: read.public_key.raw,
            extensions: &extensions,
        }
        .to_tbs();
        let value = self.root.sign(&tbs, &SystemRandom).unwrap();
        NewCertificate::assemble(&tbs, oid, &encode_value(SM2, &value))
    }

    fn request<'a>(&self, es_id: &'a str, signers: &'a [&'a [u8]]) -> SealRequest<'a> {
        SealRequest {
            kind: 99,
            es_id,
            name: "样章人",
            signers,
            created: self.made.now,
            valid_end: self.made.now.plus_seconds(600),
            picture_type: "png",
            picture: b"handwriting",
            size_mm: (30, 12),
            form: SealForm::V4,
            list: SignerList::Certificates,
        }
    }

    fn seal_of_act(&self, certificate: &[u8]) -> Vec<u8> {
        let signers = [certificate];
        let request = self.request("act-1", &signers);
        let policy = policy().algorithms;
        let token = maker::prepare_of_person(&request, &act(), &self.maker_der, (SM2, &policy)).unwrap();
        let value = self.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    fn seal_of_organisation(&self, signers: &[&[u8]]) -> Vec<u8> {
        let request = SealRequest { kind: 1, ..self.request("99000000000001", signers) };
        let token = maker::prepare(&request, &self.maker_der, SM2, &policy().algorithms).unwrap();
        let value = self.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    fn draft(&self, text: &str) -> PersonDraft {
        person::prepare(&document(&[text]), (30, 12), &PLACE.into(), self.made.now, &Limits::DEFAULT).unwrap()
    }

    fn signed(&self, draft: PersonDraft, seal: &[u8], certificate: &[u8]) -> Vec<u8> {
        let token = draft.into_token(seal, certificate).unwrap();
        let value = self.key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.value(&value).unwrap().assemble(None).unwrap().document
    }

    fn judge(&self, bytes: &[u8]) -> Report {
        self.made.judge(bytes, &self.made.trust(), &policy())
    }

    /// Verdict, sub-indication and code.
    fn verdict(&self, bytes: &[u8]) -> (String, String, String) {
        let report = self.judge(bytes);
        let told = serde_json::to_value(&report).unwrap();
        let one = &told["signatures"][0];
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        (text("indication"), text("sub_indication"), text("code"))
    }
}

fn failed(code: &str) -> (String, String, String) {
    ("TOTAL_FAILED".to_owned(), "FORMAT_FAILURE".to_owned(), code.to_owned())
}

fn passed() -> (String, String, String) {
    ("TOTAL_PASSED".to_owned(), String::new(), "passed".to_owned())
}

/// All reasons of the first signature.
fn codes(report: &Report) -> Vec<String> {
    let told = serde_json::to_value(report).unwrap();
    let reasons = told["signatures"][0]["reasons"].as_array().unwrap().iter();
    reasons.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_bound_is_read_back_and_passes() {
    let counter = Counter::new();
    let (now, draft) = (counter.made.now, counter.draft("甲"));
    let digest = *draft.digest();
    let der = counter.certified(&digest, Some(&statement(now)));
    let read = Certificate::parse(&der).unwrap();
    let expected = EventBinding { digest, statement: Some(statement(now)) };
    assert_eq!(EventBinding::of(&read), Ok(Some(expected)));
    assert_eq!(read.not_after, now.plus_seconds(599));
    let signed = counter.signed(draft, &counter.seal_of_act(&der), &der);
    assert_eq!(counter.verdict(&signed), passed());
    let told = serde_json::to_value(counter.judge(&signed)).unwrap();
    let event = &told["signatures"][0]["details"]["event"];
    assert_eq!(
        event,
        &serde_json::json!({
            "digest": hex(&digest),
            "digest_algorithm": "sm3",
            "bound": "ok",
            "transaction": "act-1",
            "level": 4,
            "procedure": "live-face",
            "proven_at": now.to_string(),
            "person": "p-1",
        })
    );
}

/// The authority on a trust list, for those uses.
fn listed(counter: &Counter, uses: Vec<TrustUse>) -> TrustAnchors {
    let now = counter.made.now;
    let anchor = ListedAnchor {
        certificate: counter.made.root.clone(),
        from: None,
        logs: Vec::new(),
        name: "root".into(),
        regions: Vec::new(),
        signer_id: SignerIdRule::Default,
        status: Vec::new(),
        until: None,
        uses,
    };
    let signed = signed_list("list", anchor, now);
    let list = CheckedList::check(signed, &AlgorithmPolicy::whatever_we_compute(), now).unwrap();
    let mut trust = TrustAnchors::none();
    add_trust_list(&mut trust, &list);
    trust
}

#[test]
fn an_authority_that_is_listed_for_seals_alone_certifies_no_person() {
    let counter = Counter::new();
    let draft = counter.draft("甲");
    let der = counter.certified(draft.digest(), Some(&statement(counter.made.now)));
    let signed = counter.signed(draft, &counter.seal_of_act(&der), &der);
    let judged = |uses: Vec<TrustUse>| {
        let report = counter.made.judge(&signed, &listed(&counter, uses), &policy());
        let told = serde_json::to_value(&report).unwrap();
        let one = &told["signatures"][0];
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let missing = one["trusted"]["evidence"].as_array().cloned().unwrap_or_default();
        let whose = missing.iter().filter_map(|one| one.as_str()?.split(':').next().map(str::to_owned));
        (text("indication"), text("sub_indication"), text("code"), whose.collect::<Vec<_>>())
    };
    let refused = ["INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND", "no-certificate-chain"].map(str::to_owned);
    let [indication, sub, code] = refused;
    let no_path = |whose: &str| (indication.clone(), sub.clone(), code.clone(), vec![whose.to_owned()]);
    assert_eq!(judged(vec![TrustUse::SealMaking, TrustUse::SealSigning]), no_path("signer"));
    assert_eq!(judged(vec![TrustUse::Identity]), no_path("maker"));
    let both = judged(vec![TrustUse::Identity, TrustUse::SealMaking]);
    assert_eq!((both.0.as_str(), both.2.as_str()), ("TOTAL_PASSED", "passed"));
}

#[test]
fn a_certificate_is_for_one_document_and_one_seal() {
    let counter = Counter::new();
    let statement = statement(counter.made.now);
    let first = counter.draft("甲");
    let der = counter.certified(first.digest(), Some(&statement));
    let seal = counter.seal_of_act(&der);
    // The same key and certificate on a second document, everything else right.
    let second = counter.signed(counter.draft("乙"), &seal, &der);
    assert_eq!(counter.verdict(&second), failed("transaction-differs"));
    // A digest of nothing that was signed.
    let other = counter.certified(&[7; 32], Some(&statement));
    let signed = counter.signed(counter.draft("甲"), &counter.seal_of_act(&other), &other);
    assert_eq!(counter.verdict(&signed), failed("transaction-differs"));
    // By another algorithm than the one that it names.
    let sha = EventStatement { digest: BoundDigest::Sha256, ..statement.clone() };
    let other = counter.certified(first.digest(), Some(&sha));
    let signed = counter.signed(counter.draft("甲"), &counter.seal_of_act(&other), &other);
    assert_eq!(counter.verdict(&signed), failed("transaction-differs"));
    // An organisation's seal, alone and beside its own signer; the seal of another act; a digest alone speaks for no person.
    let alone = counter.seal_of_organisation(&[&der]);
    assert_eq!(counter.verdict(&counter.signed(counter.draft("甲"), &alone, &der)), failed("event-certificate-seal"));
    let beside = counter.seal_of_organisation(&[&counter.made.signer, &der]);
    assert_eq!(counter.verdict(&counter.signed(counter.draft("甲"), &beside, &der)), failed("event-certificate-seal"));
    let elsewhere = EventStatement { transaction: SignatureId::parse("act-2").unwrap(), ..statement };
    let other = counter.certified(first.digest(), Some(&elsewhere));
    let signed = counter.signed(counter.draft("甲"), &counter.seal_of_act(&other), &other);
    assert_eq!(counter.verdict(&signed), failed("event-certificate-seal"));
    let silent = counter.certified(first.digest(), None);
    let signed = counter.signed(counter.draft("甲"), &counter.seal_of_act(&silent), &silent);
    assert_eq!(counter.verdict(&signed), failed("event-certificate-seal"));
    // What was right is right still.
    assert_eq!(counter.verdict(&counter.signed(first, &seal, &der)), passed());
}

#[test]
fn the_maker_makes_no_other_seal_of_a_person() {
    let counter = Counter::new();
    let der = counter.certified(counter.draft("甲").digest(), Some(&statement(counter.made.now)));
    let how = || policy().algorithms;
    let refused = |request: &SealRequest<'_>| {
        maker::prepare_of_person(request, &act(), &counter.maker_der, (SM2, &how())).map(|_| ()).unwrap_err()
    };
    let one = [&der[..]];
    let two = [&der[..], &counter.made.signer[..]];
    assert_eq!(refused(&counter.request("99000000000001", &one)), maker::Error::EsId);
    assert_eq!(refused(&counter.request("act-1", &two)), maker::Error::Signers);
    // Nor an organisation's without its number.
    let plain = maker::prepare(&counter.request("act-1", &one), &counter.maker_der, SM2, &how());
    assert_eq!(plain.map(|_| ()), Err(maker::Error::EsId));
}

#[test]
fn statements_that_are_not_of_the_form_are_refused() {
    let counter = Counter::new();
    let text = statement(counter.made.now).to_text();
    let draft = || counter.draft("甲");
    let good = counter.certified(draft().digest(), Some(&statement(counter.made.now)));
    let contexts = |all: &[(&str, Option<&str>)]| {
        let one = |(kind, context_info): &(&str, Option<&str>)| AuthenticationContext {
            context_type: if *kind == "own" { CONTEXT_TYPE } else { "urn:other" },
            context_info: context_info.map(|text| &*text.to_owned().leak()),
        };
        NewExtension::new(false, &AuthenticationContexts(all.iter().map(one).collect()))
    };
    let with = |extension: NewExtension| {
        counter.rewritten(&good, |all| {
            all.retain(|one| one.oid != extension.oid);
            all.push(extension);
        })
    };
    let judged = |der: &[u8]| counter.verdict(&counter.signed(draft(), &counter.seal_of_act(der), der));
    let twice = contexts(&[("own", Some(&text)), ("own", Some(&text))]);
    let malformed = [
        with(contexts(&[("own", None)])),
        with(contexts(&[("own", Some("level=5"))])),
        with(contexts(&[("own", Some(&text.replace("level=4", "level=9")))])),
        with(twice),
        counter.rewritten(&good, |all| all.retain(|one| one.oid != SUBJECT_DIRECTORY_ATTRIBUTES)),
        with(NewExtension::new(false, &SubjectDirectoryAttributes(vec![(MESSAGE_DIGEST, &[4, 2, 1, 1])]))),
    ];
    for der in malformed {
        assert_eq!(judged(&der), failed("event-certificate-malformed"));
    }
    // Contexts of others beside ours change nothing.
    assert_eq!(judged(&with(contexts(&[("other", Some("x")), ("own", Some(&text))]))), passed());
}

/// A message of GB/T 35275 over that content, by the key of the act.
fn message(counter: &Counter, content: &[u8], certificate: &[u8]) -> Vec<u8> {
    let read = Certificate::parse(certificate).unwrap();
    let (sm3_identifier, sm2_identifier) = (identifier(SM2.digest().oid()), identifier(SM2.oid().unwrap()));
    let data = Family::Cms.oid(ContentType::Data);
    let attributes = [
        NewAttribute::content_type(data),
        NewAttribute::signing_time(counter.made.now),
        NewAttribute::message_digest(&digest(SM2.digest(), content)),
    ];
    let value = counter.key.sign(&NewAttribute::to_sign(&attributes), &SystemRandom).unwrap();
    let value = encode_value(SM2, &value);
    let signer = NewSigner {
        identifier: SignerIdentifier::IssuerAndSerial { issuer: read.issuer, serial: read.serial },
        digest_algorithm: &sm3_identifier,
        signed_attributes: &attributes,
        signature_algorithm: &sm2_identifier,
        signature: &value,
        unsigned_attributes: &[],
    };
    NewSignedData {
        family: Family::Cms,
        content_type: data,
        content: Some(content),
        certificates: &[certificate],
        crls: &[],
        signers: &[signer],
    }
    .to_der()
}

fn identifier(oid: ObjectIdentifier) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|identifier| {
        identifier.oid(oid);
    });
    writer.into_bytes()
}

#[test]
fn a_message_is_bound_to_its_content_as_a_document_is() {
    let counter = Counter::new();
    let der = counter.certified(&sm3(b"agreed"), Some(&statement(counter.made.now)));
    assert_eq!(counter.verdict(&message(&counter, b"agreed", &der)), passed());
    assert_eq!(counter.verdict(&message(&counter, b"refused", &der)), failed("transaction-differs"));
}

#[test]
fn nobody_makes_seals_by_a_certificate_of_one_act() {
    let counter = Counter::new();
    let statement = statement(counter.made.now);
    let draft = counter.draft("甲");
    let der = counter.certified(draft.digest(), Some(&statement));
    let oid = SM2.oid().unwrap();
    // A seal that the holder of the key of an act made for itself.
    let info = NewSeal {
        layout: Layout::V4,
        vendor: "yinxin",
        es_id: "act-1",
        kind: 99,
        name: "样章人",
        signers: NewSigners::Certificates(&[&der]),
        created: counter.made.now,
        valid_start: counter.made.now,
        valid_end: counter.made.now.plus_seconds(600),
        picture_type: "png",
        picture: b"handwriting",
        width: 30,
        height: 12,
    }
    .to_info();
    let to_sign = NewSeal::to_sign(Layout::V4, &info, &der, oid);
    let value = encode_value(SM2, &counter.key.sign(&to_sign, &SystemRandom).unwrap());
    let seal = NewSeal::assemble(Layout::V4, &info, &der, oid, &value);
    let signed = counter.signed(draft, &seal, &der);
    let report = counter.judge(&signed);
    assert_eq!(codes(&report), ["event-certificate-misused"]);
}

/// The signature that its key makes anew, over what it wants, is the same to everybody but for the certificate.
#[test]
fn no_certificate_is_exchanged_for_another_of_the_same_key() {
    let counter = Counter::new();
    let statement = statement(counter.made.now);
    let draft = counter.draft("甲");
    let (der, other) =
        (counter.certified(draft.digest(), Some(&statement)), counter.certified(&[7; 32], Some(&statement)));
    let signed = counter.signed(draft, &counter.seal_of_act(&der), &der);
    let container = Container::read(&signed, &Limits::DEFAULT).unwrap();
    let name = container.names().find(|name| name.as_str().ends_with("SignedValue.dat")).unwrap();
    let value = container.part(name).unwrap();
    let read = SesSignature::parse(value).unwrap();
    let parts = (read.tbs, &other[..]);
    let exchanged =
        NewSignature::assemble_stamped(Layout::V4, parts, read.signature_algorithm, read.signature, read.time_stamp);
    let spliced = replace_part(&container, &signed, name, exchanged, &Limits::DEFAULT).unwrap();
    assert_eq!(codes(&counter.judge(&spliced)), ["signer-not-listed", "transaction-differs", "event-certificate-seal"]);
}

#[test]
fn bouncy_castle_accepts_a_persons_signature_and_refuses_what_was_changed() {
    let counter = Counter::new();
    let draft = counter.draft("甲");
    let der = counter.certified(draft.digest(), Some(&statement(counter.made.now)));
    let signed = counter.signed(draft, &counter.seal_of_act(&der), &der);
    // A page that was changed behind the signature.
    let container = Container::read(&signed, &Limits::DEFAULT).unwrap();
    let page = container.names().find(|name| name.as_str().ends_with("Content.xml")).unwrap();
    let other = String::from_utf8(container.part(page).unwrap().to_vec()).unwrap().replace('甲', "乙");
    let changed = replace_part(&container, &signed, page, other.into_bytes(), &Limits::DEFAULT).unwrap();
    let files = [("right.ofd", signed), ("changed.ofd", changed)].map(|(name, document)| (name.to_owned(), document));
    let test = "bouncy_castle_accepts_a_persons_signature_and_refuses_what_was_changed";
    let Some(told) = bouncycastle::judged(test, &counter.made.root, &files) else { return };
    assert_eq!(told, [("right.ofd".to_owned(), Vec::new()), ("changed.ofd".to_owned(), vec!["references"])]);
}
