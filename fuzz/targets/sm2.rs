//! Any points, scalars and signatures through our SM2, against RustCrypto's `sm2` and `libsm`, with and without tables.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use libsm::sm2::encrypt::DecryptCtx;
use libsm::sm2::signature::{SigCtx, Signature};
use sm2::dsa::signature::hazmat::PrehashVerifier;
use sm2::elliptic_curve::sec1::ToSec1Point;
use yinxin::base::random::{Random, RandomUnavailable};
use yinxin::crypto::Error;
use yinxin::crypto::sm2::{Ciphertext, DEFAULT_ID, KeyTable, PrivateKey, PublicKey};

/// Its parameters take longer to set up than a case does to run.
static LIBSM: LazyLock<SigCtx> = LazyLock::new(SigCtx::new);

/// n, p, and their neighbourhood, where carries run long.
#[rustfmt::skip]
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x72, 0x03, 0xdf, 0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x23,
];
#[rustfmt::skip]
const P: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// Takes one number off the input: a selector, then 32 bytes unless it names an edge; the edges move by its upper bits.
fn number(input: &mut &[u8]) -> Option<[u8; 32]> {
    let (selector, rest) = input.split_first()?;
    *input = rest;
    let mut edge = match selector & 15 {
        0 => [0; 32],
        1 => N,
        2 => P,
        3 => [0xff; 32],
        4 => std::array::from_fn(|i| u8::from(i == usize::from(*selector) / 8)),
        _ => {
            let (number, rest) = input.split_first_chunk::<32>()?;
            *input = rest;
            return Some(*number);
        }
    };
    // Minus eight to plus seven, wrapping.
    let step = i16::from(selector >> 4) - 8;
    let mut carry = step;
    for byte in edge.iter_mut().rev() {
        let sum = i16::from(*byte) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    Some(edge)
}

/// Randomness from the input; when it ends, the rest is zeros.
struct Given([u8; 32]);

impl Random for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        buffer.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

/// Whether `libsm` is asked too: one case in thirty-two, and the edges.
fn asks_libsm(number: &[u8; 32]) -> bool {
    number[31] & 31 == 0
}

/// What the other two say of a signature.
fn peers(key: &PublicKey, e: &[u8; 32], signature: &[u8; 64]) -> bool {
    let point = sm2::PublicKey::from_sec1_bytes(&key.to_bytes()).expect("we took it");
    let peer = sm2::dsa::VerifyingKey::new("", point).expect("a short ID");
    let rust_crypto = sm2::dsa::Signature::from_slice(signature).is_ok_and(|s| peer.verify_prehash(e, &s).is_ok());
    // It takes a hundred times as long under the sanitizer, so it is asked now and then only.
    if asks_libsm(e) {
        let (r, s) = signature.split_at(32);
        let point = LIBSM.load_pubkey(&key.to_bytes()).expect("we took it");
        let libsm = LIBSM.verify_raw(e, &point, &Signature::new(r, s)).unwrap_or(false);
        assert_eq!(rust_crypto, libsm, "the peers differ");
    }
    rust_crypto
}

/// What we say, with and without a table, which must be what the others say.
fn judged(key: &PublicKey, table: &KeyTable, e: &[u8; 32], signature: &[u8; 64]) -> bool {
    let ours = key.verify_prehashed(e, signature);
    assert_eq!(table.verify_prehashed(e, signature), ours, "by table");
    assert_eq!(peers(key, e, signature), ours, "{key:?} {e:02x?} {signature:02x?}");
    ours
}

/// A private key, its signatures, and what becomes of them when they are changed.
fn signatures(mut input: &[u8]) -> Option<()> {
    let (scalar, e) = (number(&mut input)?, number(&mut input)?);
    let read = PrivateKey::from_bytes(&scalar);
    // GB/T 32918.1 6.1: 1 to n-2.
    let last = std::array::from_fn(|i| N[i] - u8::from(i == 31));
    if scalar == [0; 32] || scalar >= last {
        assert_eq!(read.unwrap_err(), Error::NotAScalar);
        return None;
    }
    let key = read.expect("in the range");
    assert_eq!(key.to_bytes().expose(), scalar);
    let public = key.public_key();
    let peer = sm2::dsa::SigningKey::from_slice("", &scalar).expect("in the range");
    assert_eq!(peer.verifying_key().as_affine().to_sec1_point(false).as_bytes(), public.to_bytes());

    let table = KeyTable::new(&public);
    let random = Given(number(&mut input)?);
    let signature = key.sign_prehashed(&e, &random).expect("signs");
    assert!(judged(&public, &table, &e, &signature));
    let batch = key.sign_batch(&[e, scalar], &random).expect("signs");
    assert!(judged(&public, &table, &e, &batch[0]) && judged(&public, &table, &scalar, &batch[1]));

    // Any r and s, then the right ones changed.
    let (r, s) = (number(&mut input)?, number(&mut input)?);
    let any = [r, s].concat().try_into().expect("64 bytes");
    judged(&public, &table, &e, &any);
    let mixed = [&r[..], &signature[32..]].concat().try_into().expect("64 bytes");
    judged(&public, &table, &e, &mixed);
    let changed: [u8; 64] = std::array::from_fn(|i| signature[i] ^ input.get(i).copied().unwrap_or(0));
    assert_eq!(judged(&public, &table, &e, &changed), changed == signature);
    assert!(!public.verify_prehashed(&e, input) || input == signature);
    Some(())
}

/// What we encrypt, both others decrypt; what was changed, nobody does.
fn ciphertexts(mut input: &[u8]) -> Option<()> {
    let (scalar, random) = (number(&mut input)?, number(&mut input)?);
    let key = PrivateKey::from_bytes(&scalar).ok()?;
    let (text, change) = input.split_at(input.len() / 2);
    let made = match key.public_key().encrypt(text, &Given(random)) {
        Ok(made) => made,
        Err(Error::TextLength { length: 0 }) if text.is_empty() => return None,
        // The scalar was outside its range, or one byte's key stream zero, every time.
        Err(Error::Random(_) | Error::Fault) => return None,
        Err(other) => panic!("{other:?}"),
    };
    let rust_crypto = sm2::pke::DecryptingKey::from_slice(&scalar).expect("in the range");
    let number = LIBSM.load_seckey(&scalar).expect("in the range");
    let libsm = |made: &Ciphertext| DecryptCtx::new(made.c2.len(), number.clone()).decrypt(&made.to_c1c2c3());
    assert_eq!(key.decrypt(&made).expect("decrypts").expose(), text);
    assert_eq!(rust_crypto.decrypt(&made.to_c1c3c2()).expect("RustCrypto decrypts"), text);
    if asks_libsm(&random) {
        assert_eq!(libsm(&made).expect("libsm decrypts"), text);
    }

    // Changed anywhere, and then a stranger's bytes as they come.
    let whole = made.to_c1c3c2();
    let changed = (0..whole.len()).map(|i| whole[i] ^ change.get(i).copied().unwrap_or(0)).collect::<Vec<_>>();
    for other in [&changed[..], change] {
        let Some(made) = Ciphertext::from_c1c3c2(other) else { continue };
        assert_eq!(made.to_c1c3c2(), other);
        assert_eq!(Ciphertext::from_c1c2c3(&made.to_c1c2c3()).as_ref(), Some(&made));
        match key.decrypt(&made) {
            Ok(opened) => assert_eq!(rust_crypto.decrypt(other).expect("RustCrypto decrypts too"), opened.expose()),
            Err(error) => {
                assert_eq!(error, Error::Decryption);
                assert!(made.c1[0] != 4 || rust_crypto.decrypt(other).is_err(), "RustCrypto decrypts {other:02x?}");
            }
        }
        assert!(other == whole || key.decrypt(&made).is_err(), "nobody finds a text with its digest");
    }
    Some(())
}

/// Any bytes as a point, compressed or not.
fn points(input: &[u8]) {
    let ours = match input {
        [4, ..] => PublicKey::from_bytes(input),
        [2 | 3, ..] => PublicKey::from_compressed(input),
        _ => {
            assert_eq!(PublicKey::from_bytes(input), Err(Error::NotAPoint));
            assert_eq!(PublicKey::from_compressed(input), Err(Error::NotAPoint));
            return;
        }
    };
    let peer = sm2::PublicKey::from_sec1_bytes(input);
    let Ok(point) = ours else {
        assert!(peer.is_err(), "a peer takes {input:02x?}");
        return;
    };
    let peer = peer.expect("a peer takes it too");
    assert_eq!(peer.to_sec1_point(false).as_bytes(), point.to_bytes());
    assert_eq!(PublicKey::from_bytes(&point.to_bytes()), Ok(point));
    assert_eq!(PublicKey::from_compressed(&point.to_compressed()), Ok(point));
    assert!(point.to_compressed() == input || point.to_bytes() == input);
    // A stranger's key and signature.
    let table = KeyTable::new(&point);
    let e = point.digest(DEFAULT_ID, input).expect("a short ID");
    let signature = std::array::from_fn(|i| input.get(i).copied().unwrap_or(1));
    judged(&point, &table, &e, &signature);
}

/// `libsm` and we make tables at first use, which take seconds under the sanitizer.
fn make_tables() {
    let one = std::array::from_fn::<u8, 32, _>(|i| u8::from(i == 31));
    let number = LIBSM.load_seckey(&one).expect("in the range");
    LIBSM.pk_from_sk(&number).expect("the base point");
    let key = PrivateKey::from_bytes(&one).expect("in the range");
    let signature = key.sign_prehashed(&one, &Given(one)).expect("signs");
    assert!(key.public_key().verify_prehashed(&one, &signature));
}

fuzz_target!(init: make_tables(), |input: &[u8]| {
    match input {
        [0, rest @ ..] => points(rest),
        // A compressed point has a chance of one half.
        [1, rest @ ..] => points(&[&[2 + (rest.len() & 1) as u8][..], &rest[..rest.len().min(32)]].concat()),
        [2, rest @ ..] => {
            ciphertexts(rest);
        }
        [_, rest @ ..] => {
            signatures(rest);
        }
        [] => {}
    }
});
