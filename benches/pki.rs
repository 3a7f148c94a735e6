//! What authorities cost beside the bare cryptography in them: stamps made in process, without a database.
//!
//! `cargo bench --bench pki`. A ratio is the bare work's median over ours: at 0.6 and above, the bar is held.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

#[expect(dead_code, reason = "other benches use the rest")]
mod material;
#[path = "material/measure.rs"]
mod measure;

use std::cell::{Cell, RefCell};

use yinxin::base::clock::Timestamp;
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::Signer;
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SM3};
use yinxin::crypto::digest::digest;
use yinxin::crypto::sm2::{KeyTables, PrivateKey};
use yinxin::domain::stamp::{Authority, ClockDiscipline, Offer, Reading, Rules, judge, prepare};
use yinxin::format::tsp::NewTimeStampReq;

use measure::{compare, work};

fn main() {
    let now = Timestamp::from_unix(1_800_000_000);
    let (root, key) = (PrivateKey::generate(&SystemRandom).unwrap(), PrivateKey::generate(&SystemRandom).unwrap());
    let certificate = material::certificate(&root, "演示时间戳", &Signer::public_key(&key), "tsa", now, 4);
    let mut rules = Rules::new(0);
    rules.offer_development_policy();
    let offer =
        Offer { chain: &[], policies: &rules.policies, digests: &rules.digests, tsa: None, family: rules.family };
    let authority = Authority::new(&certificate, key.algorithm(), offer).unwrap();
    let clock = RefCell::new(ClockDiscipline::new(rules.thresholds, rules.precision, false, None));
    let monotonic = Cell::new(0);
    let tables = KeyTables::default();
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
        let moved: u32 = monotonic.get() + 1;
        monotonic.set(moved);
        let reading =
            Reading { monotonic: u64::from(moved), wall: now.unix() * 1_000_000 + i64::from(moved), sources: &[] };
        let time = clock.borrow_mut().stamp(&reading).unwrap();
        let serial: [u8; 16] = array(&SystemRandom).unwrap();
        let token = prepare(&accepted, &authority, time, &serial).unwrap();
        let value = Signer::sign(&key, token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value, &tables).unwrap()
    };
    let bytes = stamp().token.len();
    println!("a token has {bytes} octets");
    let message = [0x5A; 256];
    let (public, algorithm) = (Signer::public_key(&key), key.algorithm());
    let bare = || {
        let value = Signer::sign(&key, &message, &SystemRandom).unwrap();
        assert!(public.verify_by(&tables, algorithm, &message, &value));
    };
    compare(
        work("a time stamp, SM2: request to response", stamp),
        vec![work("SM2 sign, then verify, 256 octets", bare)],
    );
}
