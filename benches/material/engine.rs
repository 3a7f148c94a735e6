//! The pieces of work that `benches/crypto.rs` measures: ours first in each group, then the peers.

use std::rc::Rc;

use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::symm::Cipher;
use ring::signature as by_ring;
use sm2::dsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use sm3::Digest as _;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::Signer;
use yinxin::crypto::algorithm::DigestAlgorithm;
use yinxin::crypto::ghash::Engine as GhashEngine;
use yinxin::crypto::rsa;
use yinxin::crypto::sm2::{KeyTables, PrivateKey};
use yinxin::crypto::sm3::{Engine as LaneEngine, digest_many_with, sm3};
use yinxin::crypto::sm4::{Engine as BlockEngine, Sm4, ctr as sm4_ctr, gcm::Sm4Gcm};

use crate::measure::{Work, work};

/// Pieces that are measured by turns; the first is ours.
type Group = (&'static str, Vec<Work<'static>>);

/// A message digest to sign.
const E: [u8; 32] = [0x5A; 32];

/// All groups.
pub(crate) fn groups() -> Vec<Group> {
    let mut groups = vec![sm2_sign(), sm2_sign_batch(), sm2_key_pair()];
    groups.extend(sm2_verify());
    groups.extend([64, 1 << 10, 16 << 10, 1 << 20].map(sm3_single));
    groups.push(sm3_lanes());
    groups.extend(sm4());
    groups.extend([2048, 3072, 4096].map(rsa_sizes).into_iter().flatten());
    groups
}

/// Keeps a result from being optimised away.
fn kept<T>(result: T) {
    let _ = std::hint::black_box(result);
}

/// One key in every peer's form.
struct Peers {
    ours: PrivateKey,
    rustcrypto: sm2::dsa::SigningKey,
    efficient: efficient_sm2::KeyPair,
    libsm_sign: Box<dyn Fn() -> libsm::sm2::signature::Signature>,
    libsm_verify: Box<dyn Fn(&libsm::sm2::signature::Signature) -> bool>,
    openssl: PKey<Private>,
    ring: by_ring::EcdsaKeyPair,
    ring_random: ring::rand::SystemRandom,
}

impl Peers {
    fn new() -> Rc<Self> {
        let ours = PrivateKey::generate(&SystemRandom).unwrap();
        let secret = ours.to_bytes();
        let d = secret.expose();
        let public = ours.public_key().to_bytes();
        let rustcrypto = sm2::dsa::SigningKey::from_slice("1234567812345678", d).unwrap();
        let efficient = efficient_sm2::KeyPair::new(d).unwrap();
        let (signs, verifies) = (libsm::sm2::signature::SigCtx::new(), libsm::sm2::signature::SigCtx::new());
        let (scalar, point) = (signs.load_seckey(d).unwrap(), signs.load_pubkey(&public).unwrap());
        let libsm_sign = Box::new(move || signs.sign_raw(&E, &scalar).unwrap());
        let libsm_verify = Box::new(move |value: &_| verifies.verify_raw(&E, &point, value).unwrap());
        let group = EcGroup::from_curve_name(Nid::SM2).unwrap();
        let number = openssl::bn::BigNum::from_slice(d).unwrap();
        let mut numbers = BigNumContext::new().unwrap();
        let at = openssl::ec::EcPoint::from_bytes(&group, &public, &mut numbers).unwrap();
        let openssl = PKey::from_ec_key(EcKey::from_private_components(&group, &number, &at).unwrap()).unwrap();
        let ring_random = ring::rand::SystemRandom::new();
        let kind = &by_ring::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = by_ring::EcdsaKeyPair::generate_pkcs8(kind, &ring_random).unwrap();
        let ring = by_ring::EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &ring_random).unwrap();
        Rc::new(Self { ours, rustcrypto, efficient, libsm_sign, libsm_verify, openssl, ring, ring_random })
    }

    fn openssl_sign(&self) -> Vec<u8> {
        let mut context = PkeyCtx::new(&self.openssl).unwrap();
        context.sign_init().unwrap();
        let mut value = Vec::new();
        context.sign_to_vec(&E, &mut value).unwrap();
        value
    }
}

fn sm2_sign() -> Group {
    let peers = Peers::new();
    let with = |run: fn(&Peers)| {
        let peers = Rc::clone(&peers);
        move || run(&peers)
    };
    let pieces = vec![
        work("SM2 sign: Yinxin", with(|p| kept(p.ours.sign_prehashed_unchecked(&E, &SystemRandom).unwrap()))),
        work("SM2 sign and check: Yinxin", with(|p| kept(p.ours.sign_prehashed(&E, &SystemRandom).unwrap()))),
        work("P-256 sign: ring", with(|p| kept(p.ring.sign(&p.ring_random, &E).unwrap()))),
        work(
            "SM2 sign: efficient-sm2",
            with(|p| {
                kept(p.efficient.sign_digest(&mut efficient_sm2::DefaultRand(rand::rng()), &E).unwrap());
            }),
        ),
        work("SM2 sign: libsm", with(|p| kept((p.libsm_sign)()))),
        work("SM2 sign: RustCrypto", with(|p| kept(p.rustcrypto.sign_prehash(&E).unwrap()))),
        work("SM2 sign: OpenSSL", with(|p| kept(p.openssl_sign()))),
    ];
    ("SM2 sign, digest given", pieces)
}

fn sm2_sign_batch() -> Group {
    let key = Rc::new(PrivateKey::generate(&SystemRandom).unwrap());
    let single = Rc::clone(&key);
    let pieces = vec![
        work("SM2 sign, batch of 32: Yinxin", move || key.sign_batch_unchecked(&[E; 32], &SystemRandom).unwrap()),
        work("SM2 sign, 32 times one: Yinxin", move || {
            for _ in 0..32 {
                std::hint::black_box(single.sign_prehashed_unchecked(&E, &SystemRandom).unwrap());
            }
        }),
    ];
    ("SM2 sign, batch of 32 (without the check, both)", pieces)
}

fn sm2_key_pair() -> Group {
    let group = EcGroup::from_curve_name(Nid::SM2).unwrap();
    let context = libsm::sm2::signature::SigCtx::new();
    let pieces = vec![
        work("SM2 key pair: Yinxin", || PrivateKey::generate(&SystemRandom).unwrap().public_key()),
        work("SM2 key pair: efficient-sm2", || {
            efficient_sm2::KeyPair::new(&efficient_sm2::create_key_slice()).unwrap()
        }),
        work("SM2 key pair: libsm", move || context.new_keypair().unwrap()),
        work("SM2 key pair: OpenSSL", move || EcKey::generate(&group).unwrap()),
    ];
    ("SM2 key pair", pieces)
}

fn sm2_verify() -> Vec<Group> {
    let peers = Peers::new();
    let value = Rc::new(peers.ours.sign_prehashed(&E, &SystemRandom).unwrap());
    let public = peers.ours.public_key();
    let (r, s) = value.split_at(32);
    let of_libsm = libsm::sm2::signature::Signature::new(r, s);
    let of_efficient = efficient_sm2::Signature::new(r, s).unwrap();
    let of_rustcrypto = sm2::dsa::Signature::from_slice(&value[..]).unwrap();
    let (of_openssl, of_ring) = (peers.openssl_sign(), peers.ring.sign(&peers.ring_random, &E).unwrap());
    let ring_key = by_ring::KeyPair::public_key(&peers.ring).as_ref().to_vec();
    let ring_verify = move || {
        by_ring::UnparsedPublicKey::new(&by_ring::ECDSA_P256_SHA256_FIXED, &ring_key)
            .verify(&E, of_ring.as_ref())
            .unwrap();
    };
    let openssl_verify = {
        let peers = Rc::clone(&peers);
        move || {
            let mut context = PkeyCtx::new(&peers.openssl).unwrap();
            context.verify_init().unwrap();
            assert!(context.verify(&E, &of_openssl).unwrap());
        }
    };

    let single = KeyTables::default();
    warm(&single, &peers.ours);
    let (new, cached) = (public, public);
    let (by_new, by_cached) = (Rc::clone(&value), Rc::clone(&value));
    let many: Vec<_> = (0..64).map(|_| PrivateKey::generate(&SystemRandom).unwrap()).collect();
    let tables = KeyTables::default();
    let many: Vec<_> = many
        .iter()
        .map(|key| {
            warm(&tables, key);
            (key.public_key(), key.sign_prehashed(&E, &SystemRandom).unwrap())
        })
        .collect();
    let turn = std::cell::Cell::new(0_usize);

    let first = (
        "SM2 verify, digest given",
        vec![
            work("SM2 verify, new key: Yinxin", move || assert!(new.verify_prehashed(&E, &by_new[..]))),
            work("P-256 verify: ring", ring_verify.clone()),
            work("SM2 verify: efficient-sm2", {
                let peers = Rc::clone(&peers);
                move || of_efficient.verify_digest(&peers.efficient.public_key(), &E).unwrap()
            }),
            work("SM2 verify: RustCrypto", {
                let peers = Rc::clone(&peers);
                move || peers.rustcrypto.verifying_key().verify_prehash(&E, &of_rustcrypto).unwrap()
            }),
            work("SM2 verify: libsm", {
                let peers = Rc::clone(&peers);
                move || assert!((peers.libsm_verify)(&of_libsm))
            }),
            work("SM2 verify: OpenSSL", openssl_verify.clone()),
        ],
    );
    let second = (
        "SM2 verify, key in the cache",
        vec![
            work("SM2 verify, cached key: Yinxin", move || {
                assert!(single.verify_prehashed(&cached, &E, &by_cached[..]));
            }),
            work("P-256 verify: ring (beside the cache)", ring_verify.clone()),
            work("SM2 verify: OpenSSL (beside the cache)", openssl_verify),
        ],
    );
    let third = (
        "SM2 verify, 64 keys in the cache by turns",
        vec![
            work("SM2 verify, 64 cached keys: Yinxin", move || {
                let index = turn.get();
                turn.set((index + 1) % 64);
                let (key, value) = many.get(index).unwrap();
                assert!(tables.verify_prehashed(key, &E, &value[..]));
            }),
            work("P-256 verify: ring (beside 64 keys)", ring_verify),
        ],
    );
    vec![first, second, third]
}

/// Uses a key until the cache has built its table.
fn warm(tables: &KeyTables, key: &PrivateKey) {
    let (public, value) = (key.public_key(), key.sign_prehashed(&E, &SystemRandom).unwrap());
    for _ in 0..64 {
        tables.admit(&public, &[0; 32]);
        assert!(tables.verify_prehashed(&public, &E, &value[..]));
    }
    assert!(tables.holds(&public));
}

fn sm3_single(size: usize) -> Group {
    let message: Rc<[u8]> = vec![0x5A; size].into();
    let with = |run: fn(&[u8])| {
        let message = Rc::clone(&message);
        move || run(&message)
    };
    let (title, names) = match size {
        64 => ("SM3, 64 B", ["SM3 64 B: Yinxin", "SM3 64 B: sm3 crate", "SM3 64 B: libsm", "SM3 64 B: OpenSSL"]),
        1024 => ("SM3, 1 KiB", ["SM3 1 KiB: Yinxin", "SM3 1 KiB: sm3 crate", "SM3 1 KiB: libsm", "SM3 1 KiB: OpenSSL"]),
        16384 => {
            ("SM3, 16 KiB", ["SM3 16 KiB: Yinxin", "SM3 16 KiB: sm3 crate", "SM3 16 KiB: libsm", "SM3 16 KiB: OpenSSL"])
        }
        _ => ("SM3, 1 MiB", ["SM3 1 MiB: Yinxin", "SM3 1 MiB: sm3 crate", "SM3 1 MiB: libsm", "SM3 1 MiB: OpenSSL"]),
    };
    let [ours, by_crate, by_libsm, by_openssl] = names;
    let pieces = vec![
        work(ours, with(|m| kept(sm3(m)))),
        work(by_crate, with(|m| kept(::sm3::Sm3::digest(m)))),
        work(by_libsm, with(|m| kept(libsm::sm3::hash::Sm3Hash::new(m).get_hash()))),
        work(
            by_openssl,
            with(|m| {
                let kind = MessageDigest::from_name("sm3").unwrap();
                kept(openssl::hash::hash(kind, m).unwrap());
            }),
        ),
    ];
    (title, pieces)
}

/// 64 messages of 16 KiB: each engine that this machine has, and one after the other.
fn sm3_lanes() -> Group {
    let messages: Rc<Vec<Vec<u8>>> = Rc::new((0..64_u8).map(|n| vec![n; 16 << 10]).collect());
    let mut pieces = vec![work("SM3 64 × 16 KiB, one stream: Yinxin", {
        let messages = Rc::clone(&messages);
        move || messages.iter().map(|message| sm3(message)).collect::<Vec<_>>()
    })];
    for engine in LaneEngine::available() {
        let messages = Rc::clone(&messages);
        pieces.push(work(Box::leak(format!("SM3 64 × 16 KiB, {engine:?}: Yinxin").into_boxed_str()), move || {
            let inputs: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            digest_many_with(engine, &inputs)
        }));
    }
    ("SM3, 64 messages of 16 KiB (ratios: below 1, the lanes are faster than one stream)", pieces)
}

fn sm4() -> Vec<Group> {
    const SIZE: usize = 16 << 10;
    type CrateCtr = ctr::Ctr128BE<::sm4::Sm4>;
    let (key, nonce) = ([7; 16], [9; 16]);
    let by_crate = move || {
        let mut buffer = vec![0x5A; SIZE];
        CrateCtr::new(&key.into(), &nonce.into()).apply_keystream(&mut buffer);
        buffer
    };
    let by_openssl = move || openssl::symm::encrypt(Cipher::sm4_ctr(), &key, Some(&nonce), &[0x5A; SIZE]).unwrap();
    let ours_ctr = |engine: BlockEngine| {
        let cipher = Sm4::with_engine(engine, &key).unwrap();
        move || {
            let mut buffer = vec![0x5A; SIZE];
            sm4_ctr::apply(&cipher, &nonce, &mut buffer).unwrap();
            buffer
        }
    };
    let ours_gcm = |engine: BlockEngine| {
        // The GHASH of a processor that has nothing better than this engine.
        let fits = |ghash: &GhashEngine| match engine {
            BlockEngine::Portable => *ghash == GhashEngine::Portable,
            BlockEngine::GfniAvx512 => true,
            _ => *ghash != GhashEngine::ClmulAvx512,
        };
        let ghash = GhashEngine::available().rfind(fits).unwrap();
        let cipher = Sm4Gcm::with_engines(engine, ghash, &key).unwrap();
        move || {
            let mut buffer = vec![0x5A; SIZE];
            (cipher.seal_in_place(&[9; 12], b"", &mut buffer).unwrap(), buffer)
        }
    };
    let named = |mode: &str, engine: BlockEngine| -> &'static str {
        Box::leak(format!("SM4-{mode} 16 KiB, {}: Yinxin", engine.name()).into_boxed_str())
    };
    let fastest = BlockEngine::fastest();
    let others = || BlockEngine::available().filter(move |engine| *engine != fastest);
    let mut ctr = vec![
        work("SM4-CTR 16 KiB: Yinxin", ours_ctr(fastest)),
        work("SM4-CTR 16 KiB: sm4 crate", by_crate),
        work("SM4-CTR 16 KiB: OpenSSL", by_openssl),
    ];
    ctr.extend(others().map(|engine| work(named("CTR", engine), ours_ctr(engine))));
    let mut gcm = vec![
        work("SM4-GCM 16 KiB: Yinxin", ours_gcm(fastest)),
        // The crate's GCM costs its CTR and a GHASH; its CTR alone is the harder peer.
        work("SM4-CTR 16 KiB: sm4 crate (beside GCM)", by_crate),
    ];
    gcm.extend(others().map(|engine| work(named("GCM", engine), ours_gcm(engine))));
    vec![("SM4-CTR, 16 KiB", ctr), ("SM4-GCM, 16 KiB", gcm)]
}

fn rsa_sizes(bits: u32) -> Vec<Group> {
    let pair = openssl::rsa::Rsa::generate(bits).unwrap();
    let der = pair.private_key_to_der().unwrap();
    let ours = Rc::new(rsa::PrivateKey::from_bytes(&der).unwrap());
    let ring = Rc::new(by_ring::RsaKeyPair::from_der(&der).unwrap());
    let openssl = Rc::new(PKey::from_rsa(pair).unwrap());
    let value = ours.sign(&E, &SystemRandom).unwrap();
    let named = |text: &str| -> &'static str { Box::leak(format!("RSA-{bits} {text}").into_boxed_str()) };
    let random = ring::rand::SystemRandom::new();
    let ring_public = by_ring::KeyPair::public_key(&*ring).as_ref().to_vec();
    let (public, ring_value, openssl_value) = (ours.public_key().clone(), value.clone(), value.clone());
    let openssl_signs = Rc::clone(&openssl);
    #[expect(clippy::disallowed_methods, reason = "RSA; the trap is SM2")]
    let openssl_sign = move || {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &openssl_signs).unwrap();
        signer.sign_oneshot_to_vec(&E).unwrap()
    };
    let sign = vec![
        work(named("sign: Yinxin"), {
            let ours = Rc::clone(&ours);
            move || ours.sign(&E, &SystemRandom).unwrap()
        }),
        work(named("sign: OpenSSL"), openssl_sign),
        work(named("sign: ring"), move || {
            let mut value = vec![0; ring.public().modulus_len()];
            ring.sign(&by_ring::RSA_PKCS1_SHA256, &random, &E, &mut value).unwrap();
            value
        }),
    ];
    let verify = vec![
        work(named("verify: Yinxin"), move || assert!(public.verify(DigestAlgorithm::Sha256, &E, &value))),
        work(named("verify: OpenSSL"), move || {
            let mut context = PkeyCtx::new(&openssl).unwrap();
            context.verify_init().unwrap();
            context.set_rsa_padding(openssl::rsa::Padding::PKCS1).unwrap();
            context.set_signature_md(openssl::md::Md::sha256()).unwrap();
            assert!(context.verify(ring::digest::digest(&ring::digest::SHA256, &E).as_ref(), &openssl_value).unwrap());
        }),
        work(named("verify: ring"), move || {
            let key = by_ring::UnparsedPublicKey::new(&by_ring::RSA_PKCS1_2048_8192_SHA256, &ring_public);
            key.verify(&E, &ring_value).unwrap();
        }),
    ];
    vec![(named("sign (ours with its check), SHA-256"), sign), (named("verify, SHA-256"), verify)]
}
