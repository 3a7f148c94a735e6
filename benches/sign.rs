//! What sealing costs: one document (prepare, sign, assemble), and the SM2 beneath it against a named peer.
//!
//! `cargo bench --bench sign`. A ratio is the peer's median over ours: above 1, ours is faster. Ours verifies each
//! signature before it gives it out; the peer does not, so its line with the check is the fair one.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

mod material;
#[path = "material/measure.rs"]
mod measure;

use libsm::sm2::signature::SigCtx;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::sm2::{DEFAULT_ID, PrivateKey};
use yinxin::domain::verify::Indication;

use measure::{compare, work};

fn main() {
    let key = || PrivateKey::generate(&SystemRandom).unwrap();
    let made = material::Material::new(&key(), &key(), key(), &[7; 4096]);
    for pages in [1, 100] {
        let original = material::document(&vec!["page"; pages]);
        let sealed = made.seal(&original, false).document;
        let passed = made.judge(&sealed, &made.trust(), &material::policy());
        assert_eq!(passed.indication, Indication::TotalPassed);
        let name = format!("seal an OFD of {pages} page(s)");
        compare(work(&name, || made.seal(&original, false)), Vec::new());
    }

    let (key, message) = (key(), [0x5A; 1024]);
    let public = key.public_key();
    let peer = SigCtx::new();
    let point = peer.load_pubkey(&public.to_bytes()).unwrap();
    let secret = peer.load_seckey(key.to_bytes().expose()).unwrap();
    let by_peer = peer.sign(&message, &secret, &point).unwrap();
    let value = [by_peer.get_r(), by_peer.get_s()].map(|number| {
        let mut fixed = [0; 32];
        let bytes = number.to_bytes_be();
        fixed.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
        fixed
    });
    assert!(public.verify(DEFAULT_ID, &message, &value.concat()));
    compare(
        work("SM2 sign and check, 1 KiB: Yinxin", || key.sign(&message, &SystemRandom).unwrap()),
        vec![
            work("SM2 sign and check, 1 KiB: libsm", || {
                let signature = peer.sign(&message, &secret, &point).unwrap();
                peer.verify(&message, &point, &signature).unwrap()
            }),
            work("SM2 sign alone, 1 KiB: libsm", || peer.sign(&message, &secret, &point).unwrap()),
        ],
    );
}
