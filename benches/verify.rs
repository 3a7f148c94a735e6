//! What verification costs: files of others beside their floor, one sealed file on every axis, and the SM2 and SM3 beneath
//! it against named peers.
//!
//! `cargo bench --bench verify`. A ratio is the peer's median over ours: above 1, ours is faster. The floor of a file is
//! what nobody can leave out: every entry inflated, every protected part digested, every signature value of the verdict
//! checked, all by our own primitives. The files are those of `YINXIN_FIXTURES`; without them that part is left out.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

#[path = "material/floor.rs"]
mod floor;
mod material;
#[path = "material/measure.rs"]
mod measure;

use libsm::sm2::signature::{SigCtx, Signature};
use libsm::sm3::hash::Sm3Hash;
use openssl::hash::MessageDigest;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2::{DEFAULT_ID, PrivateKey};
use yinxin::domain::verify::Indication;

use measure::{compare, work};

fn main() {
    floor::files();
    let key = || PrivateKey::generate(&SystemRandom).unwrap();
    let made = material::Material::new(&key(), &key(), key(), &[7; 4096]);
    let (trust, policy) = (made.trust(), material::policy());
    for pages in [1, 100] {
        let sealed = made.seal(&material::document(&vec!["page"; pages]), false).document;
        let passed = made.judge(&sealed, &trust, &policy);
        assert_eq!(passed.indication, Indication::TotalPassed);
        let name = format!("verify a sealed OFD of {pages} page(s), every axis");
        compare(work(&name, || made.judge(&sealed, &trust, &policy)), Vec::new());
    }

    let (key, message) = (key(), [0x5A; 1024]);
    let (public, value) = (key.public_key(), key.sign(&message, &SystemRandom).unwrap());
    let peer = SigCtx::new();
    let point = peer.load_pubkey(&public.to_bytes()).unwrap();
    let (r, s) = value.split_at(32);
    let signature = Signature::new(r, s);
    assert!(peer.verify(&message, &point, &signature).unwrap() && public.verify(DEFAULT_ID, &message, &value));
    compare(
        work("SM2 verify, 1 KiB: Yinxin", || public.verify(DEFAULT_ID, &message, &value)),
        vec![work("SM2 verify, 1 KiB: libsm", || peer.verify(&message, &point, &signature))],
    );

    let message = vec![0x5A; 1 << 20];
    let evp = || openssl::hash::hash(MessageDigest::sm3(), &message).unwrap();
    assert!(sm3(&message)[..] == *evp() && sm3(&message) == Sm3Hash::new(&message).get_hash());
    compare(
        work("SM3, 1 MiB: Yinxin", || sm3(&message)),
        vec![work("SM3, 1 MiB: OpenSSL (EVP)", evp), work("SM3, 1 MiB: libsm", || Sm3Hash::new(&message).get_hash())],
    );
}
