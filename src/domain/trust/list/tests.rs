//! Lists made on the spot, and the exact verdicts on them.

use super::*;
use crate::base::limits::Limits;
use crate::base::random::SystemRandom;
use crate::crypto::algorithm::OID_SM2_WITH_SM3;
use crate::crypto::sm2::KeyTables;
use crate::crypto::{Signer, ecdsa, sm2};
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::domain::trust::list_diff::diff;
use crate::domain::trust::{
    AnchorDemand, Budget, Computed, PathCache, PathFailure, PathPolicy, PathQuestion, TrustedPath, find_path,
    find_path_for,
};
use crate::format::trust_list::{
    ListSignature, ListedAnchor, Region, StatusKind, StatusService, TrustBundle, TrustListError,
};
use crate::format::x509::extension::{BasicConstraints, KeyUsage};
use crate::format::x509::name::{COMMON_NAME, NameAttributes, STATE_OR_PROVINCE};
use crate::format::x509::{NewCertificate, NewExtension};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A key that signs lists.
struct Keeper {
    name: &'static str,
    key: Box<dyn Signer>,
}

impl Keeper {
    fn sm2(name: &'static str) -> Self {
        Self { name, key: Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()) }
    }

    fn p256(name: &'static str) -> Self {
        Self { name, key: Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()) }
    }

    fn listed(&self) -> ListSigner {
        ListSigner { key: subject_public_key_info(&self.key.public_key()), name: self.name.into() }
    }

    fn sign(&self, signed: SignedTrustList) -> SignedTrustList {
        let info = self.listed().key;
        let (_, algorithm) = list_key(&info).unwrap();
        let key_sm3 = sm3(&info);
        let value = self.key.sign(&signed.signing_input(algorithm, &key_sm3), &SystemRandom).unwrap();
        signed.with_signature(ListSignature { algorithm, key_sm3, value: value.to_vec() }).unwrap()
    }
}

fn list(name: &str, number: u64, signers: &[&Keeper], threshold: u64) -> TrustList {
    TrustList {
        anchors: Vec::new(),
        expires: NOW.plus_days(30),
        issued: NOW.plus_days(-1),
        lists: Vec::new(),
        name: name.into(),
        number,
        operator: "示例省密码管理局".into(),
        signers: signers.iter().map(|one| one.listed()).collect(),
        threshold,
        version: 1,
    }
}

fn checked(list: TrustList, by: &[&Keeper]) -> Result<CheckedList, ListRefused> {
    let signed = by.iter().fold(SignedTrustList::unsigned(list).unwrap(), |signed, one| one.sign(signed));
    let again = SignedTrustList::parse(&signed.to_json()).unwrap();
    assert_eq!(again, signed);
    CheckedList::check(again, &AlgorithmPolicy::whatever_we_compute(), NOW)
}

fn name(common_name: &str, province: Option<&str>) -> Vec<u8> {
    let province = province.map(|province| (STATE_OR_PROVINCE, province.to_owned()));
    let all = province.into_iter().chain([(COMMON_NAME, common_name.to_owned())]);
    NameAttributes(all.collect()).to_der()
}

fn certificate(
    (subject, key): (&[u8], &sm2::PrivateKey),
    (issuer, issuer_key): (&[u8], &sm2::PrivateKey),
    is_authority: bool,
) -> Vec<u8> {
    let mut extensions = Vec::new();
    if is_authority {
        extensions.push(NewExtension::new(true, &BasicConstraints { authority: true, path_length: None }));
        extensions.push(NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN)));
    }
    let tbs = NewCertificate {
        serial: &[1],
        signature_algorithm: OID_SM2_WITH_SM3,
        issuer,
        not_before: NOW.plus_days(-1000),
        not_after: NOW.plus_days(1000),
        subject,
        public_key: &subject_public_key_info(&Signer::public_key(key)),
        extensions: &extensions,
    }
    .to_tbs();
    let value = issuer_key.sign(&tbs, &SystemRandom).unwrap();
    NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(SignatureAlgorithm::Sm2Sm3, &value))
}

fn sm2_key() -> sm2::PrivateKey {
    sm2::PrivateKey::generate(&SystemRandom).unwrap()
}

fn root() -> (Vec<u8>, Vec<u8>, sm2::PrivateKey) {
    let (subject, key) = (name("root", None), sm2_key());
    (certificate((&subject, &key), (&subject, &key), true), subject, key)
}

fn anchor(der: &[u8], uses: &[TrustUse]) -> ListedAnchor {
    ListedAnchor {
        certificate: der.to_vec(),
        from: None,
        logs: Vec::new(),
        name: "根".into(),
        regions: Vec::new(),
        signer_id: SignerIdRule::Default,
        status: Vec::new(),
        until: None,
        uses: uses.to_vec(),
    }
}

fn province(code: &str, name: &str) -> Region {
    Region { code: code.into(), names: vec![name.into()] }
}

#[test]
fn keys_of_logs_are_real_ones() {
    let keeper = Keeper::sm2("甲");
    let (der, _, _) = root();
    let of = |logs: Vec<String>| {
        let anchor = ListedAnchor { logs, ..anchor(&der, &[TrustUse::SealMaking]) };
        TrustList { anchors: vec![anchor], ..list("a", 1, &[&keeper], 1) }
    };
    const LOG: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let named = checked(of(vec![LOG.into()]), &[&keeper]).unwrap();
    let mut trust = TrustAnchors::none();
    add_trust_list(&mut trust, &checked(of(Vec::new()), &[&keeper]).unwrap());
    assert!(!trust.names_logs());
    add_trust_list(&mut trust, &named);
    assert!(trust.names_logs());
    let other = LOG.replace("530d903a", "530d903b");
    let refused = checked(of(vec![other.clone()]), &[&keeper]).unwrap_err();
    assert_eq!(refused, ListRefused::LogKey { anchor: "根".into(), key: other });
    assert_eq!(refused.code(), "trust-list-log-key");
    let changes = diff(Some(&of(Vec::new())), &of(vec![LOG.into()]));
    assert!(changes[0].detail.ends_with(&format!("→ 根: seal-making, in the log {LOG}")), "{changes:?}");
}

#[test]
fn enough_right_signatures_of_the_own_signers_are_needed() {
    let (one, two, stranger) = (Keeper::sm2("甲"), Keeper::p256("乙"), Keeper::sm2("丙"));
    let made = || list("a", 1, &[&one, &two], 2);
    let right = checked(made(), &[&one, &two]).unwrap();
    assert_eq!(right.sm3(), &sm3(&made().to_canonical().unwrap()));
    let too_few = Err(ListRefused::TooFewSignatures { right: 1, needed: 2 });
    assert_eq!(checked(made(), &[&one]), too_few);
    assert_eq!(checked(made(), &[&one, &stranger]), too_few);
    assert_eq!(checked(made(), &[]), Err(ListRefused::TooFewSignatures { right: 0, needed: 2 }));

    // A signature over another version, by a key of this one.
    let other = two.sign(SignedTrustList::unsigned(list("a", 2, &[&one, &two], 2)).unwrap());
    let moved = one.sign(SignedTrustList::unsigned(made()).unwrap()).with_signature(other.signatures()[0].clone());
    let policy = AlgorithmPolicy::whatever_we_compute();
    let wrong = CheckedList::check(moved.unwrap(), &policy, NOW);
    assert_eq!(wrong, Err(ListRefused::SignatureWrong { signer: "乙".into() }));

    // The right key under the name of another algorithm.
    let unsigned = SignedTrustList::unsigned(made()).unwrap();
    let key_sm3 = sm3(&two.listed().key);
    let crossed = ListSignature { algorithm: ListAlgorithm::Sm2Sm3, key_sm3, value: vec![1; 64] };
    let crossed = CheckedList::check(unsigned.with_signature(crossed).unwrap(), &policy, NOW);
    assert_eq!(crossed, Err(ListRefused::SignerKey { signer: "乙".into() }));

    assert_eq!(right.in_force(NOW), Ok(()));
    let (until, issued) = (NOW.plus_days(30), NOW.plus_days(-1));
    assert_eq!(right.in_force(until), Ok(()));
    assert_eq!(right.in_force(until.plus_seconds(1)), Err(ListRefused::Expired { until }));
    assert_eq!(right.in_force(issued.plus_seconds(-301)), Err(ListRefused::NotYetIssued { issued }));
    assert_eq!(right.in_force(issued.plus_seconds(-300)), Ok(()));
}

#[test]
fn numbers_only_rise_and_the_signers_before_hand_over() {
    let (one, two) = (Keeper::sm2("甲"), Keeper::p256("乙"));
    let first = checked(list("a", 5, &[&one], 1), &[&one]).unwrap();
    assert_eq!(first.introduced(None, &[]), Ok(Introduction::Paper));
    let next = |number, by: &[&Keeper]| checked(list("a", number, &[&two], 1), by).unwrap();
    for offered in [1, 5] {
        let refused = next(offered, &[&one, &two]).introduced(Some(&first), &[]);
        assert_eq!(refused, Err(ListRefused::Rollback { known: 5, offered }));
    }
    // A new key hands itself the list.
    let refused = next(6, &[&two]).introduced(Some(&first), &[]);
    assert_eq!(refused, Err(ListRefused::NotByPredecessor { number: 5, right: 0, needed: 1 }));
    assert_eq!(next(6, &[&two, &one]).introduced(Some(&first), &[]), Ok(Introduction::Predecessor));
    assert_eq!(next(9, &[&two, &one]).introduced(Some(&first), &[]), Ok(Introduction::Predecessor));
    let other = checked(list("b", 6, &[&one], 1), &[&one]).unwrap();
    let refused = other.introduced(Some(&first), &[]);
    assert_eq!(refused, Err(ListRefused::OtherName { known: "a".into(), offered: "b".into() }));
    let early = TrustList { issued: NOW.plus_days(-2), ..list("a", 6, &[&one], 1) };
    let refused = checked(early, &[&one]).unwrap().introduced(Some(&first), &[]);
    assert_eq!(refused, Err(ListRefused::Backdated));
}

#[test]
fn the_list_above_says_who_signs_and_for_what() {
    let (nation, one, two) = (Keeper::sm2("国"), Keeper::sm2("甲"), Keeper::p256("乙"));
    let der = root().0;
    let said = |signers: &[&Keeper]| ListedList {
        address: None,
        name: "zj".into(),
        regions: vec![province("330000", "浙江省")],
        signers: signers.iter().map(|one| one.listed()).collect(),
        threshold: 1,
        uses: vec![TrustUse::SealMaking, TrustUse::SealSigning],
    };
    let above =
        |lists: Vec<ListedList>| checked(TrustList { lists, ..list("cn", 1, &[&nation], 1) }, &[&nation]).unwrap();
    let below = |anchors: Vec<ListedAnchor>, by: &Keeper| {
        checked(TrustList { anchors, ..list("zj", 1, &[by], 1) }, &[by]).unwrap()
    };
    let regional = |code: &str, uses: &[TrustUse]| {
        let anchor = anchor(&der, uses);
        below(vec![ListedAnchor { regions: vec![province(code, "某地")], ..anchor }], &one)
    };
    let cn = above(vec![said(&[&one])]);
    let good = regional("330100", &[TrustUse::SealMaking]);
    assert_eq!(good.introduced(None, &[&cn]), Ok(Introduction::Above { list: "cn".into() }));
    assert_eq!(good.still_named(&cn), Ok(()));
    let above_name = || "cn".to_owned();
    let refused = regional("330000", &[TrustUse::SealMaking, TrustUse::TimeStamp]).introduced(None, &[&cn]);
    let (anchor_name, wanted) = ("根".to_owned(), "time-stamp");
    assert_eq!(refused, Err(ListRefused::BeyondUses { anchor: anchor_name.clone(), wanted, above: above_name() }));
    let beyond = Err(ListRefused::BeyondRegions { anchor: anchor_name, above: above_name() });
    assert_eq!(regional("320000", &[TrustUse::SealMaking]).introduced(None, &[&cn]), beyond);
    let everywhere = below(vec![anchor(&der, &[TrustUse::SealMaking])], &one);
    assert_eq!(everywhere.introduced(None, &[&cn]), beyond);
    let by_other = below(Vec::new(), &two).introduced(None, &[&cn]);
    assert_eq!(by_other, Err(ListRefused::NotByNamedAbove { above: above_name(), right: 0, needed: 1 }));
    let third = checked(
        TrustList { lists: vec![ListedList { name: "hz".into(), ..said(&[&two]) }], ..list("zj", 1, &[&one], 1) },
        &[&one],
    );
    assert_eq!(third.unwrap().introduced(None, &[&cn]), Err(ListRefused::ThirdStorey { above: above_name() }));
    assert_eq!(good.introduced(None, &[&cn, &above(vec![said(&[&one])])]), Err(ListRefused::NamedTwice));

    // The list above changes its mind: what it introduced counts no more.
    let gone = above(vec![ListedList { name: "js".into(), ..said(&[&one]) }]);
    assert_eq!(good.still_named(&gone), Err(ListRefused::NoLongerNamed { above: above_name() }));
    let other_key = above(vec![said(&[&two])]);
    let refused = Err(ListRefused::NotByNamedAbove { above: above_name(), right: 0, needed: 1 });
    assert_eq!(good.still_named(&other_key), refused);
    // The list above counts more than the version before: a lost key is replaced from above. Numbers rise all the same.
    let later = checked(TrustList { ..list("zj", 2, &[&two], 1) }, &[&two]).unwrap();
    assert_eq!(later.introduced(Some(&good), &[&other_key]), Ok(Introduction::Above { list: "cn".into() }));
    let again = checked(list("zj", 1, &[&two], 1), &[&two]).unwrap();
    assert_eq!(again.introduced(Some(&good), &[&other_key]), Err(ListRefused::Rollback { known: 1, offered: 1 }));
}

fn ask(wanted: TrustUse, end: &[u8], trust: &TrustAnchors, at: Timestamp) -> Result<TrustedPath, PathFailure> {
    let end = Certificate::parse(end).unwrap();
    find_path_for(wanted, &end, trust, at, &mut Budget::new(&Limits::DEFAULT), &KeyTables::default())
}

fn code(outcome: &Result<TrustedPath, PathFailure>) -> &'static str {
    outcome.as_ref().map_or_else(PathFailure::code, |_| "ok")
}

fn trusting(anchors: Vec<ListedAnchor>) -> TrustAnchors {
    let keeper = Keeper::sm2("甲");
    let list = checked(TrustList { anchors, ..list("a", 7, &[&keeper], 1) }, &[&keeper]).unwrap();
    let mut trust = TrustAnchors::none();
    add_trust_list(&mut trust, &list);
    trust
}

#[test]
fn an_anchor_carries_only_what_its_list_says() {
    use TrustUse::{Identity, Licence, SealMaking, SealSigning, TimeStamp};
    let (der, subject, key) = root();
    let end = certificate((&name("end", Some("浙江省")), &sm2_key()), (&subject, &key), false);
    let trust = trusting(vec![anchor(&der, &[SealMaking])]);
    assert_eq!(trust.anchor_count(), 1);
    let path = ask(SealMaking, &end, &trust, NOW).unwrap();
    assert!(path.anchor_origin().starts_with("trust list a number 7 (SM3 "), "{}", path.anchor_origin());
    assert_eq!(path.anchor_scope().unwrap().list.number, 7);
    // A maker's anchor does not carry a signer, nor anybody else.
    for wanted in [SealSigning, Identity, Licence, TimeStamp] {
        let outcome = ask(wanted, &end, &trust, NOW);
        assert_eq!(code(&outcome), "anchor-not-for-this-use", "{wanted:?}");
        let words = outcome.unwrap_err().to_string();
        assert!(words.contains(&format!("does not trust it for {}", wanted.name())), "{words}");
    }
    // Whoever does not say what for gets nothing from a list.
    let end_read = Certificate::parse(&end).unwrap();
    let whatever = find_path(&end_read, &trust, NOW, &mut Budget::new(&Limits::DEFAULT), &KeyTables::default());
    assert_eq!(code(&whatever), "anchor-not-for-this-use");
    // The same certificate named by itself is restricted by nobody.
    let mut both = trust.clone();
    both.add_anchors(&der, "file").unwrap();
    assert_eq!(ask(SealSigning, &end, &both, NOW).unwrap().anchor_origin(), "file");
    assert_ne!(both.version(), trust.version());
    // Two entries: each carries its own.
    let two = trusting(vec![anchor(&der, &[SealMaking]), anchor(&der, &[SealSigning])]);
    assert_eq!(code(&ask(SealSigning, &end, &two, NOW)), "ok");
    assert_eq!(code(&ask(TimeStamp, &end, &two, NOW)), "anchor-not-for-this-use");
    // The anchor itself as the end.
    assert_eq!(code(&ask(SealMaking, &der, &trust, NOW)), "ok");
    assert_eq!(code(&ask(SealSigning, &der, &trust, NOW)), "anchor-not-for-this-use");
}

#[test]
fn an_anchor_carries_only_when_and_where_its_list_says() {
    let (der, subject, key) = root();
    let (from, until) = (NOW.plus_days(-10), NOW.plus_days(10));
    let wanted = TrustUse::SealSigning;
    let timed = trusting(vec![ListedAnchor { from: Some(from), until: Some(until), ..anchor(&der, &[wanted]) }]);
    let end = certificate((&name("end", None), &sm2_key()), (&subject, &key), false);
    for (at, expected) in [
        (from.plus_seconds(-1), "anchor-not-yet-trusted"),
        (from, "ok"),
        (until, "ok"),
        (until.plus_seconds(1), "anchor-trust-ended"),
    ] {
        assert_eq!(code(&ask(wanted, &end, &timed, at)), expected, "{at}");
    }
    // A remembered path forgets it too.
    let (cache, tables, policy) = (PathCache::new(4), KeyTables::default(), PathPolicy::seal_for(wanted));
    let read = Certificate::parse(&end).unwrap();
    let at = |at| {
        let (trust, beside, check, revocation) = (&timed, &[][..], &Computed, None);
        let question =
            PathQuestion { end: &read, trust, beside, at, policy: &policy, tables: &tables, check, revocation };
        cache.answer(&question, &mut Budget::new(&Limits::DEFAULT))
    };
    assert_eq!((code(&at(NOW)), code(&at(until.plus_seconds(1))), code(&at(NOW))), ("ok", "anchor-trust-ended", "ok"));

    let regions = vec![province("330000", "浙江省"), province("310000", "上海市")];
    let regional = trusting(vec![ListedAnchor { regions, ..anchor(&der, &[wanted]) }]);
    for (place, expected) in [
        (Some("浙江省"), "ok"),
        (Some("上海市"), "ok"),
        (Some("江苏省"), "anchor-not-for-this-region"),
        (Some("浙江"), "anchor-not-for-this-region"),
        (None, "anchor-not-for-this-region"),
    ] {
        let end = certificate((&name("end", place), &sm2_key()), (&subject, &key), false);
        let outcome = ask(wanted, &end, &regional, NOW);
        assert_eq!(code(&outcome), expected, "{place:?}");
        let read = Certificate::parse(&end).unwrap();
        let policy = PathPolicy { anchor: AnchorDemand::ForAnything, ..PathPolicy::seal() };
        let (trust, beside, check, revocation) = (&regional, &[][..], &Computed, None);
        let anything =
            PathQuestion { end: &read, trust, beside, at: NOW, policy: &policy, tables: &tables, check, revocation };
        assert_eq!(code(&anything.answer(&mut Budget::new(&Limits::DEFAULT))), expected, "{place:?}");
    }
}

/// An anchor that is not trusted yet is passed by; later it ends the path. What was remembered must not say otherwise.
#[test]
fn a_path_beside_an_anchor_that_is_barred_for_now_is_not_remembered() {
    let (der, subject, key) = root();
    let (middle_name, middle_key) = (name("middle", None), sm2_key());
    let middle = certificate((&middle_name, &middle_key), (&subject, &key), true);
    let end = certificate((&name("end", None), &sm2_key()), (&middle_name, &middle_key), false);
    let wanted = TrustUse::SealSigning;
    let later = ListedAnchor { from: Some(NOW.plus_days(5)), ..anchor(&middle, &[wanted]) };
    let trust = trusting(vec![later, anchor(&der, &[wanted])]);
    let (cache, tables, policy) = (PathCache::new(4), KeyTables::default(), PathPolicy::seal_for(wanted));
    let read = Certificate::parse(&end).unwrap();
    for (at, length) in [(NOW, 3), (NOW.plus_days(6), 2), (NOW, 3)] {
        let (trust, beside, check, revocation) = (&trust, &[][..], &Computed, None);
        let question =
            PathQuestion { end: &read, trust, beside, at, policy: &policy, tables: &tables, check, revocation };
        let answer = cache.answer(&question, &mut Budget::new(&Limits::DEFAULT));
        assert_eq!(answer, question.answer(&mut Budget::new(&Limits::DEFAULT)));
        assert_eq!(answer.unwrap().certificates().len(), length, "{at}");
    }
}

/// A certificate that is an anchor for one thing can stand below another anchor for another thing.
#[test]
fn a_barred_anchor_is_still_an_authority_below_another() {
    use TrustUse::{SealMaking, SealSigning};
    let (der, subject, key) = root();
    let (middle_name, middle_key) = (name("middle", None), sm2_key());
    let middle = certificate((&middle_name, &middle_key), (&subject, &key), true);
    let end = certificate((&name("end", None), &sm2_key()), (&middle_name, &middle_key), false);
    let trust = trusting(vec![anchor(&middle, &[SealMaking]), anchor(&der, &[SealSigning])]);
    assert_eq!(ask(SealMaking, &end, &trust, NOW).unwrap().certificates().len(), 2);
    assert_eq!(ask(SealSigning, &end, &trust, NOW).unwrap().certificates().len(), 3);
    let alone = trusting(vec![anchor(&middle, &[SealMaking])]);
    assert_eq!(code(&ask(SealSigning, &end, &alone, NOW)), "anchor-not-for-this-use");
}

#[test]
fn a_status_service_of_the_list_is_a_named_source() {
    let (der, subject, key) = root();
    let end = certificate((&name("end", None), &sm2_key()), (&subject, &key), false);
    let wanted = TrustUse::Identity;
    let silent = ask(wanted, &end, &trusting(vec![anchor(&der, &[wanted])]), NOW).unwrap();
    assert!(!silent.names_revocation_source());
    let status = vec![StatusService { kind: StatusKind::Ocsp, url: "http://ocsp.example/a".into() }];
    let asked = ask(wanted, &end, &trusting(vec![ListedAnchor { status, ..anchor(&der, &[wanted]) }]), NOW).unwrap();
    assert!(asked.names_revocation_source());
}

#[test]
fn fingerprints_are_read_from_paper() {
    let sm3 = sm3(b"abc");
    let text = fingerprint(&sm3);
    assert_eq!(text, "66c7 f0f4 62ee edd9 d1f2 d46b dc10 e4e2 4167 c487 5cf2 f7a2 297d a02b 8f4b a8e0");
    assert!(is_fingerprint(&text, &sm3));
    assert!(is_fingerprint("66C7F0F4-62EEEDD9 d1f2d46bdc10e4e24167c4875cf2f7a2\n297da02b8f4ba8e0", &sm3));
    assert!(!is_fingerprint(&text[..75], &sm3));
    assert!(!is_fingerprint(&text.replace("66c7", "66c8"), &sm3));
    assert!(!is_fingerprint("", &sm3));
}

#[test]
fn every_change_is_told_once() {
    use TrustUse::{SealMaking, SealSigning};
    let (one, two) = (Keeper::sm2("甲"), Keeper::p256("乙"));
    let (first, second) = (root().0, root().0);
    let old = TrustList { anchors: vec![anchor(&first, &[SealMaking])], ..list("a", 1, &[&one], 1) };
    let new = TrustList {
        anchors: vec![anchor(&first, &[SealMaking, SealSigning]), anchor(&second, &[SealMaking])],
        ..list("a", 2, &[&two], 1)
    };
    let told = |old, new| -> Vec<String> {
        let words = diff(old, new);
        words.iter().map(|change| format!("{} {}: {}", change.what, change.of, change.detail)).collect()
    };
    let expected = [
        "changed number: 1 → 2",
        "changed anchor: 根: seal-making → 根: seal-making, seal-signing",
        "added anchor: 根: seal-making",
    ];
    let all = told(Some(&old), &new);
    for line in expected {
        assert!(all.contains(&line.to_owned()), "{all:?}");
    }
    assert!(all.contains(&"removed signer: 甲".to_owned()) && all.contains(&"added signer: 乙".to_owned()), "{all:?}");
    assert_eq!(all.len(), 5);
    assert_eq!(told(Some(&old), &old), Vec::<String>::new());
    assert_eq!(told(None, &old), ["added signer: 甲", "added anchor: 根: seal-making"]);
}

#[test]
fn a_bundle_travels_whole() {
    let keeper = Keeper::p256("甲");
    let der = root().0;
    let signed = checked(list("a", 1, &[&keeper], 1), &[&keeper]).unwrap().signed().clone();
    let alone = TrustBundle::parse(&signed.to_json()).unwrap();
    assert_eq!(alone, TrustBundle { lists: vec![signed.clone()], ..TrustBundle::default() });
    let bundle = TrustBundle { lists: vec![signed], certificates: vec![der], crls: Vec::new() };
    assert_eq!(TrustBundle::parse(&bundle.to_json()), Ok(bundle.clone()));
    assert!(TrustBundle::recognises(&bundle.to_json()) && !TrustBundle::recognises(&bundle.certificates[0]));
    let broken = TrustBundle { certificates: vec![vec![0x30, 0]], ..bundle };
    let refused = TrustBundle::parse(&broken.to_json()).unwrap_err();
    assert!(matches!(refused, TrustListError::Malformed { what: "certificate", index: 1, .. }), "{refused:?}");
}
