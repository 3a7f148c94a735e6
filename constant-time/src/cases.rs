//! What is measured: each use of a secret in the product, with the classes that tell a leak.

use yinxin::base::random::{Random, RandomUnavailable};
use yinxin::crypto::aead::{AeadAlgorithm, AeadKey};
use yinxin::crypto::ghash::{self, GhashKey};
use yinxin::crypto::sm2::{Initiator, PrivateKey};
use yinxin::crypto::sm3::Hmac;
use yinxin::crypto::sm4::ccm::Sm4Ccm;
use yinxin::crypto::sm4::gcm::Sm4Gcm;
use yinxin::crypto::sm4::{Block, Engine, Sm4, cbc, ctr};
use yinxin::shares;

use crate::statistics::{Class, Coin, Subject};

/// What stands in for the key whose class is fixed; any other would do.
const KEY: [u8; 16] = [0x5a; 16];

/// Bytes of the class: always the same, or new ones.
fn secret<const N: usize>(class: Class, coin: &mut Coin) -> [u8; N] {
    if class == Class::Fixed { [0x5a; N] } else { coin.bytes() }
}

/// A guess at `right` that is wrong in its first byte, or somewhere.
fn guess<const N: usize>(right: [u8; N], class: Class, coin: &mut Coin) -> [u8; N] {
    let at = if class == Class::Fixed { 0 } else { coin.next() as usize % N };
    let mut wrong = right;
    wrong[at] ^= 1;
    wrong
}

/// All subjects; the control first.
pub fn subjects() -> Vec<Subject> {
    let mut all = vec![Subject::new(
        "control",
        "a comparison that stops at the first difference: there at the start, or anywhere",
        |class, coin| guess([0; 32], class, coin),
        |guess| early_exit(guess, &[0; 32]),
    )];
    all.extend(sm2());
    all.extend(sm3());
    for engine in Engine::available() {
        all.extend(sm4(engine));
    }
    all.extend(ghash::Engine::available().map(ghash));
    all.extend(aead());
    all
}

/// Randomness that was decided upon beforehand.
struct Given([u8; 32]);

impl Random for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        // A batch asks for more at once; its digests differ, so its nonces do.
        buffer.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// A private key that has signed, so that what every signature needs again is there.
fn signer(scalar: [u8; 32]) -> PrivateKey {
    let key = PrivateKey::from_bytes(&scalar).expect("no draw of a test is ever above n");
    key.sign_prehashed_unchecked(&[1; 32], &Given([1; 32])).expect("signs");
    key
}

fn sm2() -> Vec<Subject> {
    let sign = |(key, e, random): &mut (PrivateKey, [u8; 32], Given)| key.sign_prehashed_unchecked(e, random);
    vec![
        Subject::new(
            "sm2 make a key",
            "the randomness, which is the key",
            |class, coin| Given(secret(class, coin)),
            |random| PrivateKey::generate(random),
        )
        .leaky(),
        Subject::new(
            "sm2 sign, key",
            "the key",
            |class, coin| (signer(secret(class, coin)), [2; 32], Given(coin.bytes())),
            sign,
        ),
        Subject::new(
            "sm2 sign, nonce",
            "the randomness, under one key and message: the nonce",
            |class, coin| (signer([0x5a; 32]), [2; 32], Given(secret(class, coin))),
            sign,
        )
        .leaky(),
        Subject::new(
            "sm2 sign, message",
            "the digest, under one key and random nonces",
            |class, coin| (signer([0x5a; 32]), secret(class, coin), Given(coin.bytes())),
            sign,
        ),
        Subject::new(
            "sm2 first signature",
            "the key, with the inversion of 1 + d",
            |class, coin| {
                let key =
                    PrivateKey::from_bytes(&secret::<32>(class, coin)).expect("no draw of a test is ever above n");
                (key, [2; 32], Given(coin.bytes()))
            },
            sign,
        ),
        Subject::new(
            "sm2 sign a batch of 4",
            "key and randomness",
            |class, coin| (signer(secret(class, coin)), Given(secret(class, coin))),
            |(key, random)| key.sign_batch_unchecked(&[[1; 32], [2; 32], [3; 32], [4; 32]], random),
        )
        .leaky(),
        Subject::new(
            "sm2 decrypt",
            "the key, for texts that decrypt",
            |class, coin| {
                let key =
                    PrivateKey::from_bytes(&secret::<32>(class, coin)).expect("no draw of a test is ever above n");
                let text = key.public_key().encrypt(&[7; 32], &Given(coin.bytes())).expect("encrypts");
                (key, text)
            },
            |(key, text)| key.decrypt(text),
        )
        .leaky(),
        Subject::new(
            "sm2 key exchange",
            "key and randomness of the one who begins",
            |class, coin| {
                let key =
                    PrivateKey::from_bytes(&secret::<32>(class, coin)).expect("no draw of a test is ever above n");
                (
                    key,
                    Given(secret(class, coin)),
                    PrivateKey::from_bytes(&[0x33; 32]).expect("in the range").public_key(),
                )
            },
            |(key, random, peer)| {
                let begun = Initiator::start((key, b"A"), (peer, b"B"), 48, random)?;
                begun.finish_unconfirmed(&peer.to_bytes())
            },
        )
        .leaky(),
    ]
}

fn sm3() -> Vec<Subject> {
    vec![
        Subject::new("hmac-sm3 key", "the key", secret::<32>, |key| {
            let key = Hmac::new(key);
            let mut run = key.start();
            run.update(b"message");
            run.finish()
        }),
        Subject::new(
            "hmac-sm3 compare",
            "a wrong code that differs in its first byte, or anywhere",
            |class, coin| {
                let key = Hmac::new(&KEY);
                let code = guess(key.start().finish(), class, coin);
                (key, code)
            },
            |(key, code)| key.start().verify(code),
        )
        .leaky(),
    ]
}

fn sm4(engine: Engine) -> Vec<Subject> {
    let of = |what: &str| format!("sm4 {what}, {}", engine.name());
    let cipher = move |key: &[u8; 16]| Sm4::with_engine(engine, key).expect("the engine is there");
    // Engines of GHASH are measured by themselves.
    let gcm = move |key: &[u8; 16]| {
        let ghash =
            if engine == Engine::Portable { Some(ghash::Engine::Portable) } else { ghash::Engine::available().last() };
        Sm4Gcm::with_engines(engine, ghash.expect("one runs everywhere"), key).expect("the engine is there")
    };
    // Tables are an affair of the portable engine, and show while the lines they are in do not stay in the cache.
    let tabled = |subject: Subject| if engine == Engine::Portable { subject.leaky().evicted() } else { subject };
    vec![
        Subject::new(of("key"), "the key, expanded", secret, move |key| cipher(key)),
        tabled(Subject::new(
            of("block, key"),
            "the key, one block",
            move |class, coin| (cipher(&secret(class, coin)), KEY),
            |(cipher, block)| cipher.encrypt_block(block),
        )),
        tabled(Subject::new(
            of("block, text"),
            "the text, one block",
            move |class, coin| (cipher(&KEY), secret(class, coin)),
            |(cipher, block): &mut (Sm4, Block)| cipher.encrypt_block(block),
        )),
        Subject::new(
            of("ctr"),
            "key and text, 1 KiB",
            move |class, coin| (cipher(&secret(class, coin)), secret::<1024>(class, coin)),
            |(cipher, text)| ctr::apply(cipher, &[0; 16], text),
        ),
        Subject::new(
            of("cbc decrypt"),
            "key and text, 1 KiB, and a padding of one length",
            move |class, coin| {
                let key = secret(class, coin);
                let sealed = cbc::encrypt(&cipher(&key), &[0; 16], &secret::<1020>(class, coin));
                (cipher(&key), sealed)
            },
            |(cipher, sealed)| cbc::decrypt(cipher, &[0; 16], sealed),
        ),
        Subject::new(
            of("ccm tag"),
            "a wrong tag that differs in its first byte, or anywhere",
            move |class, coin| {
                let key = Sm4Ccm::with_cipher(cipher(&KEY), 16).expect("a length of the standard");
                let mut text = [0x5a; 64];
                let tag = key.seal_in_place(&[0; 12], b"context", &mut text).expect("short enough");
                let tag: [u8; 16] = tag.try_into().expect("sixteen bytes");
                (key, text, guess(tag, class, coin))
            },
            |(key, text, tag)| key.open_in_place(&[0; 12], b"context", text, tag).is_ok(),
        )
        .leaky(),
        Subject::new(
            of("gcm seal"),
            "key and text, 1 KiB",
            move |class, coin| (gcm(&secret(class, coin)), secret::<1024>(class, coin)),
            |(key, text)| key.seal_in_place(&[0; 12], b"context", text),
        ),
        Subject::new(
            of("gcm tag"),
            "a wrong tag that differs in its first byte, or anywhere",
            move |class, coin| {
                let key = gcm(&KEY);
                let mut text = [0x5a; 64];
                let tag = key.seal_in_place(&[0; 12], b"context", &mut text).expect("short enough");
                (key, text, guess(tag, class, coin))
            },
            |(key, text, tag)| key.open_in_place(&[0; 12], b"context", text, tag).is_ok(),
        )
        .leaky(),
    ]
}

fn ghash(engine: ghash::Engine) -> Subject {
    Subject::new(
        format!("ghash, {}", engine.name()),
        "key and text, 1 KiB",
        move |class, coin| {
            let key = GhashKey::with_engine(engine, &secret(class, coin)).expect("the engine is there");
            (key, secret::<1024>(class, coin))
        },
        |(key, text)| key.hash(b"context", text),
    )
}

/// How the key store unwraps a private key.
fn aead() -> Vec<Subject> {
    let unwrap = |algorithm: AeadAlgorithm| {
        Subject::new(
            format!("unwrap a key, {}", algorithm.name()),
            "both keys",
            move |class, coin| {
                let bytes: [u8; 32] = secret(class, coin);
                let key = AeadKey::new(algorithm, &bytes[..algorithm.key_len()]).expect("of that length");
                let sealed = key.seal(&[1; 12], b"context", &secret::<32>(class, coin)).expect("short enough");
                (key, sealed)
            },
            |(key, sealed)| key.open(&[1; 12], b"context", sealed),
        )
    };
    let shares = Subject::new(
        "combine 3 shares",
        "the shared secret, and with it the shares",
        |class, coin| {
            let random = Given(secret(class, coin));
            let made = shares::split(&secret(class, coin), (3, 5), &random).expect("randomness is given");
            let mut made = made.expect("3 of 5");
            made.truncate(3);
            made
        },
        |shares| shares::combine(shares).is_ok(),
    );
    AeadAlgorithm::ALL.iter().map(|algorithm| unwrap(*algorithm)).chain([shares]).collect()
}

/// Leaks on purpose: the place of the first difference shows.
#[inline(never)]
fn early_exit(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(x, y)| std::hint::black_box(x) == std::hint::black_box(y))
}
