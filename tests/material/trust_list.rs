//! A trust list of one anchor, signed by a keeper who was made for it.

use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2::PrivateKey;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::format::trust_list::{ListAlgorithm, ListSignature, ListSigner, ListedAnchor, SignedTrustList, TrustList};

/// The list of that name, issued a day before that moment and in force for thirty days from it.
pub(crate) fn signed_list(name: &str, anchor: ListedAnchor, now: Timestamp) -> SignedTrustList {
    let keeper = PrivateKey::generate(&SystemRandom).unwrap();
    let info = subject_public_key_info(&Signer::public_key(&keeper));
    let list = TrustList {
        anchors: vec![anchor],
        expires: now.plus_days(30),
        issued: now.plus_days(-1),
        lists: Vec::new(),
        name: name.into(),
        number: 1,
        operator: "示例".into(),
        signers: vec![ListSigner { key: info.clone(), name: "甲".into() }],
        threshold: 1,
        version: 1,
    };
    let unsigned = SignedTrustList::unsigned(list).unwrap();
    let (algorithm, key_sm3) = (ListAlgorithm::Sm2Sm3, sm3(&info));
    let value = keeper.sign(&unsigned.signing_input(algorithm, &key_sm3), &SystemRandom).unwrap();
    unsigned.with_signature(ListSignature { algorithm, key_sm3, value }).unwrap()
}
