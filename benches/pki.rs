//! What certificates and time stamps cost: a path against the signature checks that it cannot do without, a stamp
//! against the signature in it.
//!
//! `cargo bench --bench pki`. A ratio is the floor's median over ours: below 1, ours is slower than the floor.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

#[path = "material/measure.rs"]
mod measure;
#[path = "material/stamps.rs"]
mod stamps;

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
use yinxin::crypto::sm2::{KeyTables, PrivateKey};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::{
    Budget, CheckSignature, Computed, PathCache, PathPolicy, PathQuestion, Signed, SignerId, TrustAnchors,
};
use yinxin::format::x509::extension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use yinxin::format::x509::{BasicConstraints, Certificate, KeyUsage, NewCertificate, NewExtension, NewName};

use measure::{compare, work};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn main() {
    path();
    stamps::stamp();
}

/// A root, an authority, an end certificate.
fn path() {
    let [root, authority, end] = [(); 3].map(|()| PrivateKey::generate(&SystemRandom).unwrap());
    let chain = [
        certificate(("end", &end), ("authority", &authority), false),
        certificate(("authority", &authority), ("root", &root), true),
        certificate(("root", &root), ("root", &root), true),
    ];
    let [below, above, top] = chain.each_ref().map(|der| Certificate::parse(der).unwrap());
    let mut trust = TrustAnchors::none();
    trust.add_anchors(top.raw, "root").unwrap();
    let (tables, policy, cache) = (KeyTables::default(), PathPolicy::strict(), PathCache::default());
    let beside = [above.clone()];
    let question = PathQuestion {
        end: &below,
        trust: &trust,
        beside: &beside,
        at: NOW,
        policy: &policy,
        tables: &tables,
        check: &Computed,
        revocation: None,
    };
    let budget = || Budget::new(&Limits::DEFAULT);
    while !(tables.holds(&root.public_key()) && tables.holds(&authority.public_key())) {
        assert_eq!(question.answer(&mut budget()).unwrap().certificates().len(), 3);
    }
    let floor = || {
        for (child, issuer) in [(&below, &above), (&above, &top)] {
            let signed = (child.tbs, child.signature);
            let with = (&tables, &[SignerId::Default][..]);
            let checked = Computed.check(&issuer.public_key, &child.signature_algorithm, signed, with);
            assert!(matches!(checked, Signed::Right { .. }));
        }
    };
    compare(
        work("path validation, 3-certificate SM2 chain, warm keys", || question.answer(&mut budget()).unwrap()),
        vec![
            work("floor: its two signature checks alone", floor),
            work("the same path, remembered", || cache.answer(&question, &mut budget()).unwrap()),
        ],
    );
}

fn certificate(
    (subject, key): (&str, &PrivateKey),
    (issuer, issuer_key): (&str, &PrivateKey),
    is_authority: bool,
) -> Vec<u8> {
    let name = |common_name: &str| NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der();
    let identifier = |key: &PrivateKey| yinxin::crypto::digest::sm3(&key.public_key().to_bytes());
    let (own, of_issuer) = (identifier(key), identifier(issuer_key));
    let of_issuer = AuthorityKeyIdentifier { key_identifier: Some(&of_issuer), issuer: Vec::new(), serial: None };
    let mut extensions =
        vec![NewExtension::new(false, &SubjectKeyIdentifier(&own)), NewExtension::new(false, &of_issuer)];
    if is_authority {
        extensions.push(NewExtension::new(true, &BasicConstraints { authority: true, path_length: None }));
        extensions.push(NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)));
    } else {
        extensions.push(NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)));
    }
    let tbs = NewCertificate {
        serial: &[1],
        signature_algorithm: OID_SM2_WITH_SM3,
        issuer: &name(issuer),
        not_before: NOW.plus_days(-1),
        not_after: NOW.plus_days(1),
        subject: &name(subject),
        public_key: &subject_public_key_info(&Signer::public_key(key)),
        extensions: &extensions,
    }
    .to_tbs();
    let value = issuer_key.sign(&tbs, &SystemRandom).unwrap();
    NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(SignatureAlgorithm::Sm2Sm3, &value))
}
