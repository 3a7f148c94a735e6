//! Our SM2 against three independent ones: libsm, RustCrypto's `sm2` and OpenSSL, on keys and messages from a fixed seed.
//!
//! `YINXIN_DIFFERENTIAL_SIGNATURES` says how many signature cases (200; a long run takes 100 000); all processors share
//! them, and each block of them has a seed of its own, so that a case is the same on every machine. The field and the
//! scalars are compared with fiat-crypto beside their code, where they are visible.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

use std::convert::Infallible;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use libsm::sm2::signature::{SigCtx, Signature};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use sm2::dsa::signature::hazmat::PrehashVerifier as _;
use sm2::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use sm2::elliptic_curve::sec1::ToSec1Point as _;
use yinxin::base::random::{Random, RandomUnavailable};
use yinxin::crypto::Error;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2::{Ciphertext, DEFAULT_ID, KeyTable, PrivateKey, PublicKey};
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;

/// SM3 of a counter: repeatable, and good enough for tests.
struct Seeded(Mutex<u64>);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        let mut counter = self.0.lock().unwrap();
        for chunk in buffer.chunks_mut(32) {
            *counter += 1;
            chunk.copy_from_slice(&sm3(&counter.to_be_bytes())[..chunk.len()]);
        }
        Ok(())
    }
}

/// The same for RustCrypto.
struct Theirs<'a>(&'a Seeded);

impl TryRng for Theirs<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(buffer).unwrap();
        Ok(())
    }
}

impl TryCryptoRng for Theirs<'_> {}

fn seeded() -> Seeded {
    Seeded(Mutex::new(0x5eed))
}

fn cases() -> u64 {
    std::env::var("YINXIN_DIFFERENTIAL_SIGNATURES").map_or(200, |count| count.parse().unwrap())
}

/// d = 1, 2, n-2, n-6 (whose window form meets the exceptional addition), runs of ones and zeros, then drawn ones.
fn private_keys(random: &dyn Random) -> Vec<PrivateKey> {
    let text = [
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000002",
        "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121",
        "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d5411d",
        "fffffffe00000000ffffffff00000000ffffffff00000000ffffffff00000000",
        "00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "8000000000000000000000000000000000000000000000000000000000000000",
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000100000000000000000000000000000000",
    ];
    let edge = text.iter().map(|text| {
        let bytes: Vec<u8> = (0..64).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect();
        PrivateKey::from_bytes(&bytes).unwrap()
    });
    edge.chain((0..7).map(|_| PrivateKey::generate(random).unwrap())).collect()
}

/// OpenSSL on the digest: its own doors for messages use an empty signer ID.
struct OpenSsl {
    group: EcGroup,
    context: BigNumContext,
}

impl OpenSsl {
    fn new() -> Self {
        Self { group: EcGroup::from_curve_name(Nid::SM2).unwrap(), context: BigNumContext::new().unwrap() }
    }

    fn public(&mut self, key: &PublicKey) -> PKey<Public> {
        let point = EcPoint::from_bytes(&self.group, &key.to_bytes(), &mut self.context).unwrap();
        PKey::from_ec_key(EcKey::from_public_key(&self.group, &point).unwrap()).unwrap()
    }

    fn private(&mut self, key: &PrivateKey) -> PKey<Private> {
        let point = EcPoint::from_bytes(&self.group, &key.public_key().to_bytes(), &mut self.context).unwrap();
        let scalar = BigNum::from_slice(key.to_bytes().expose()).unwrap();
        PKey::from_ec_key(EcKey::from_private_components(&self.group, &scalar, &point).unwrap()).unwrap()
    }

    fn verifies(key: &PKey<Public>, e: &[u8; 32], value: &[u8]) -> bool {
        let (r, s) = value.split_at(32);
        let (r, s) = (BigNum::from_slice(r).unwrap(), BigNum::from_slice(s).unwrap());
        let der = EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap();
        let mut context = PkeyCtx::new(key).unwrap();
        context.verify_init().unwrap();
        context.verify(e, &der).unwrap_or(false)
    }

    fn signs(key: &PKey<Private>, e: &[u8; 32]) -> Vec<u8> {
        let mut context = PkeyCtx::new(key).unwrap();
        context.sign_init().unwrap();
        let mut der = Vec::new();
        context.sign_to_vec(e, &mut der).unwrap();
        let value = EcdsaSig::from_der(&der).unwrap();
        [value.r().to_vec_padded(32).unwrap(), value.s().to_vec_padded(32).unwrap()].concat()
    }
}

/// Cases that one seed serves.
const BLOCK: u64 = 100;

#[test]
fn signatures_mean_the_same_to_all() {
    let keys = private_keys(&seeded());
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let peers = SignaturePeers::new(&keys);
                loop {
                    let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                    if first >= cases() {
                        break;
                    }
                    // Far apart, so that no two blocks draw the same.
                    let random = Seeded(Mutex::new(0x5eed + (first << 20)));
                    for case in first..(first + BLOCK).min(cases()) {
                        peers.compare(&keys, case, &random);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(done.into_inner(), cases());
    println!("signatures: {} cases, {} keys, 4 implementations", cases(), keys.len());
}

/// The four implementations' forms of one key.
struct PeerKey {
    openssl: (PKey<Public>, PKey<Private>),
    libsm: libsm::sm2::ecc::Point,
    rust_crypto: sm2::dsa::VerifyingKey,
    table: KeyTable,
}

/// The other implementations, with the keys that they all take.
struct SignaturePeers {
    libsm: SigCtx,
    keys: Vec<PeerKey>,
}

impl SignaturePeers {
    fn new(keys: &[PrivateKey]) -> Self {
        let (mut openssl, libsm) = (OpenSsl::new(), SigCtx::new());
        let load = |key: &PrivateKey| {
            let public = key.public_key();
            let point = sm2::PublicKey::from_sec1_bytes(&public.to_bytes()).unwrap();
            PeerKey {
                openssl: (openssl.public(&public), openssl.private(key)),
                libsm: libsm.load_pubkey(&public.to_bytes()).unwrap(),
                rust_crypto: sm2::dsa::VerifyingKey::new("1234567812345678", point).unwrap(),
                table: KeyTable::new(&public),
            }
        };
        let keys = keys.iter().map(load).collect();
        Self { libsm, keys }
    }

    /// The same answer from all, on our signature, OpenSSL's, and ours with one bit changed.
    fn compare(&self, keys: &[PrivateKey], case: u64, random: &Seeded) {
        let index = usize::try_from(case).unwrap() % keys.len();
        let (key, public, peer) = (&keys[index], keys[index].public_key(), &self.keys[index]);
        let message = sm3(&case.to_le_bytes());
        let e = public.digest(DEFAULT_ID, &message).unwrap();
        let mut changed = key.sign_prehashed_unchecked(&e, random).unwrap().to_vec();
        let bit = usize::try_from(case).unwrap() % 512;
        changed[bit / 8] ^= 1 << (bit % 8);
        let made = key.sign_as(DEFAULT_ID, &message, random).unwrap().to_vec();
        for (value, right) in [(made, true), (OpenSsl::signs(&peer.openssl.1, &e), true), (changed, false)] {
            assert_eq!(public.verify_prehashed(&e, &value), right, "{case}");
            assert_eq!(peer.table.verify_prehashed(&e, &value), right, "{case}");
            assert_eq!(OpenSsl::verifies(&peer.openssl.0, &e, &value), right, "{case}");
            let theirs = sm2::dsa::Signature::from_slice(&value);
            assert_eq!(theirs.is_ok_and(|value| peer.rust_crypto.verify_prehash(&e, &value).is_ok()), right, "{case}");
            let theirs = Signature::new(&value[..32], &value[32..]);
            assert_eq!(self.libsm.verify(&message, &peer.libsm, &theirs).unwrap_or(false), right, "{case}");
        }
    }
}

#[test]
fn points_mean_the_same_to_all() {
    let random = seeded();
    for key in private_keys(&random) {
        let public = key.public_key();
        let theirs = sm2::SecretKey::from_slice(key.to_bytes().expose()).unwrap().public_key();
        assert_eq!(theirs.to_sec1_point(false).as_bytes(), public.to_bytes());
        assert_eq!(theirs.to_sec1_point(true).as_bytes(), public.to_compressed());
    }
    // Half of all abscissas have no point; both must agree which.
    let (mut on, mut off) = (0, 0);
    for case in 0..cases() {
        let x = sm3(&[&b"x"[..], &case.to_be_bytes()].concat());
        for tag in [2, 3] {
            let bytes = [&[tag], &x[..]].concat();
            let ours = PublicKey::from_compressed(&bytes);
            match sm2::PublicKey::from_sec1_bytes(&bytes) {
                Ok(theirs) => {
                    assert_eq!(theirs.to_sec1_point(false).as_bytes(), ours.unwrap().to_bytes());
                    on += 1;
                }
                Err(_) => {
                    assert_eq!(ours, Err(Error::NotAPoint));
                    off += 1;
                }
            }
        }
    }
    assert!(cases() < 20 || (on > 0 && off > 0));
    println!("points: {on} decompressed, {off} refused");
}

#[test]
fn what_one_encrypts_the_other_decrypts() {
    let random = seeded();
    let mut openssl = OpenSsl::new();
    for (index, key) in private_keys(&random).iter().enumerate() {
        let text = sm3(&[u8::try_from(index).unwrap()]).repeat(index + 1);
        let text = &text[..index * 7 + 1];
        let theirs = sm2::SecretKey::from_slice(key.to_bytes().expose()).unwrap();
        let decrypting = sm2::pke::DecryptingKey::new(theirs.clone());
        let ours = key.public_key().encrypt(text, &random).unwrap();
        assert_eq!(decrypting.decrypt(&ours.to_c1c3c2()).unwrap(), text);
        let made = sm2::pke::EncryptingKey::new(theirs.public_key()).encrypt(&mut Theirs(&random), text).unwrap();
        let made = Ciphertext::from_c1c3c2(&made).unwrap();
        assert_eq!(key.decrypt(&made).unwrap().expose(), text);
        let mut changed = made;
        changed.c3[index] ^= 1;
        assert_eq!(key.decrypt(&changed).map(|_| ()), Err(Error::Decryption));
        // OpenSSL speaks DER.
        let private = openssl.private(key);
        let der = Sm2Ciphertext { c1: ours.c1, c3: ours.c3, c2: ours.c2 }.to_der();
        let mut opened = Vec::new();
        let mut context = PkeyCtx::new(&private).unwrap();
        context.decrypt_init().unwrap();
        context.decrypt_to_vec(&der, &mut opened).unwrap();
        assert_eq!(opened, text);
        let mut sealed = Vec::new();
        let mut context = PkeyCtx::new(&private).unwrap();
        context.encrypt_init().unwrap();
        context.encrypt_to_vec(text, &mut sealed).unwrap();
        let sealed = Sm2Ciphertext::parse(&sealed).unwrap();
        let sealed = Ciphertext { c1: sealed.c1, c3: sealed.c3, c2: sealed.c2 };
        assert_eq!(key.decrypt(&sealed).unwrap().expose(), text);
    }
}
