//! A time stamp in process, without a database, beside the bare signature and its check. The bar: a ratio of 0.6.

use std::cell::{Cell, RefCell};

use yinxin::base::clock::Timestamp;
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::Signer;
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SM2_WITH_SM3, OID_SM3, SignatureAlgorithm};
use yinxin::crypto::digest::digest;
use yinxin::crypto::sm2::{KeyTables, PrivateKey};
use yinxin::domain::stamp::{Authority, ClockDiscipline, Offer, Reading, Rules, judge, prepare};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::tsp::NewTimeStampReq;
use yinxin::format::x509::extension::{ExtendedKeyUsage, TIME_STAMPING};
use yinxin::format::x509::{KeyUsage, NewCertificate, NewExtension, NewName};

use crate::measure::{compare, work};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Prints both medians.
pub(crate) fn stamp() {
    let key = PrivateKey::generate(&SystemRandom).unwrap();
    let certificate = certificate(&key);
    let mut rules = Rules::new(0);
    rules.offer_development_policy();
    let offer =
        Offer { chain: &[], policies: &rules.policies, digests: &rules.digests, tsa: None, family: rules.family };
    let authority = Authority::new(&certificate, key.algorithm(), offer).unwrap();
    let clock = RefCell::new(ClockDiscipline::new(rules.thresholds, rules.precision, false, None));
    let (moved, tables) = (Cell::new(0_u32), KeyTables::default());
    let request = NewTimeStampReq {
        algorithm: OID_SM3,
        digest: &digest(DigestAlgorithm::Sm3, b"text"),
        policy: None,
        nonce: Some(&[1; 8]),
        certificate_wanted: true,
    }
    .to_der();
    let stamp = || {
        let accepted = judge(&request, &authority).unwrap();
        moved.set(moved.get().saturating_add(1));
        let wall = NOW.unix().saturating_mul(1_000_000).saturating_add(i64::from(moved.get()));
        let reading = Reading { monotonic: u64::from(moved.get()), wall, sources: &[] };
        let time = clock.borrow_mut().stamp(&reading).unwrap();
        let serial: [u8; 16] = array(&SystemRandom).unwrap();
        let token = prepare(&accepted, &authority, time, &serial).unwrap();
        let value = Signer::sign(&key, token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value, &tables).unwrap()
    };
    let (public, algorithm, message) = (Signer::public_key(&key), key.algorithm(), [0x5A; 256]);
    let bare = || {
        let value = Signer::sign(&key, &message, &SystemRandom).unwrap();
        assert!(public.verify_by(&tables, algorithm, &message, &value));
    };
    compare(
        work("a time stamp, SM2: request to response", stamp),
        vec![work("floor: SM2 sign, then verify, 256 octets", bare)],
    );
}

fn certificate(key: &PrivateKey) -> Vec<u8> {
    let name = NewName { organisation: "示例".into(), common_name: "时间戳".into() }.to_der();
    let extensions = [
        NewExtension::new(true, &ExtendedKeyUsage(vec![TIME_STAMPING])),
        NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
    ];
    let tbs = NewCertificate {
        serial: &[1],
        signature_algorithm: OID_SM2_WITH_SM3,
        issuer: &name,
        not_before: NOW.plus_days(-1),
        not_after: NOW.plus_days(1),
        subject: &name,
        public_key: &subject_public_key_info(&Signer::public_key(key)),
        extensions: &extensions,
    }
    .to_tbs();
    let value = Signer::sign(key, &tbs, &SystemRandom).unwrap();
    NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(SignatureAlgorithm::Sm2Sm3, &value))
}
