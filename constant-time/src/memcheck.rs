//! Each use of a secret in the product, run once with the secret marked as undefined memory: valgrind reports every
//! branch and every address that depends on it, in whichever of our functions, whatever its effect on time.
//!
//! What comes out is marked public again before the harness looks at it. What the product itself makes public on the
//! way is marked by its `crypto::secrecy::declassify`.

use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::base::secret::Secret;
use yinxin::crypto::Error;
use yinxin::crypto::aead::{AeadAlgorithm, AeadKey};
use yinxin::crypto::ghash::{self, GhashKey};
use yinxin::crypto::sm2::{Ciphertext, Initiator, PrivateKey, Responder};
use yinxin::crypto::sm3::{self, Hmac, digest_many_with, sm3};
use yinxin::crypto::sm4::ccm::Sm4Ccm;
use yinxin::crypto::sm4::gcm::Sm4Gcm;
use yinxin::crypto::sm4::{Engine, Sm4, cbc, ctr};
use yinxin::shares;
use yinxin::valgrind::{make_public, make_secret, reports};

use crate::Outcome;

/// Randomness that is secret.
pub struct SecretRandom;

impl Random for SecretRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        SystemRandom.fill(buffer)?;
        make_secret(buffer);
        Ok(())
    }
}

/// That many secret bytes.
fn secret<const N: usize>(byte: u8) -> [u8; N] {
    let mut bytes = [byte; N];
    make_secret(&mut bytes);
    bytes
}

/// A copy that may be looked at.
fn public(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    make_public(copy.as_mut_ptr(), copy.len());
    copy
}

/// An answer that may be looked at.
fn answer(mut answer: bool) -> bool {
    make_public((&raw mut answer).cast(), 1);
    answer
}

/// One use: its name, whether the leaky build leaks there, and the use itself.
struct Use {
    name: String,
    leaks_when_leaky: bool,
    run: Box<dyn Fn()>,
}

impl Use {
    fn new(name: impl Into<String>, run: impl Fn() + 'static) -> Self {
        Self { name: name.into(), leaks_when_leaky: false, run: Box::new(run) }
    }

    /// The same, and the leaky build leaks here.
    fn leaky(mut self) -> Self {
        self.leaks_when_leaky = true;
        self
    }
}

/// Every use, the control first.
fn uses() -> Vec<Use> {
    let mut all = vec![Use::new("control", control)];
    all.extend(sm2());
    all.extend(hashes());
    for engine in Engine::available() {
        all.extend(sm4(engine));
    }
    all.extend(ghash::Engine::available().map(ghash));
    all.extend(aead());
    all
}

/// An address and a branch that depend on a secret.
fn control() {
    let table = [0_u8; 256];
    let [index] = secret(3);
    if std::hint::black_box(table)[usize::from(index)] == index {
        std::hint::black_box(());
    }
}

fn sm2() -> Vec<Use> {
    let key = || PrivateKey::from_bytes(&secret::<32>(0x5a)).expect("in the range");
    vec![
        Use::new("sm2 make a key", || {
            let key = PrivateKey::generate(&SecretRandom).expect("the system gives randomness");
            let again = PrivateKey::from_bytes(&public(key.to_bytes().expose())).expect("in the range");
            assert_eq!(key.public_key(), again.public_key());
        })
        .leaky(),
        Use::new("sm2 sign", move || {
            let key = key();
            for length in [0, 32, 100] {
                let message = secret::<100>(1);
                let digest = key.public_key().digest(b"1234567812345678", &message[..length]).expect("a short ID");
                let signature = key.sign_prehashed(&digest, &SecretRandom).expect("signs");
                assert!(key.public_key().verify_prehashed(&public(&digest).try_into().expect("as long"), &signature));
            }
        })
        .leaky(),
        Use::new("sm2 sign a batch", move || {
            let digests = [secret::<32>(1), secret(2), secret(3), secret(4), secret(5)];
            let signatures = key().sign_batch(&digests, &SecretRandom).expect("signs");
            assert_eq!(signatures.len(), digests.len());
        })
        .leaky(),
        Use::new("sm2 encrypt", || {
            let key = PrivateKey::from_bytes(&[0x5a; 32]).expect("in the range");
            for length in [1, 32, 100] {
                let made = key.public_key().encrypt(&secret::<100>(7)[..length], &SecretRandom).expect("encrypts");
                let made = Ciphertext::from_c1c3c2(&public(&made.to_c1c3c2())).expect("three parts");
                assert_eq!(key.decrypt(&made).expect("decrypts").expose(), &[7; 100][..length]);
            }
        })
        .leaky(),
        Use::new("sm2 decrypt", move || {
            let key = key();
            for length in [1, 32, 100] {
                let mut made = key.public_key().encrypt(&[7; 100][..length], &SystemRandom).expect("encrypts");
                let text = key.decrypt(&made).expect("decrypts");
                assert_eq!(public(text.expose()), &[7; 100][..length]);
                made.c3[0] ^= 1;
                assert_eq!(key.decrypt(&made).unwrap_err(), Error::Decryption);
            }
        })
        .leaky(),
        Use::new("sm2 key exchange", move || {
            let (a, b) = (key(), PrivateKey::from_bytes(&secret::<32>(0x33)).expect("in the range"));
            let (of_a, of_b) = (a.public_key(), b.public_key());
            let start = || Initiator::start((&a, b"A"), (&of_b, b"B"), 48, &SecretRandom).expect("starts");
            let begun = start();
            let answer =
                Responder::respond((&b, b"B"), (&of_a, b"A"), 48, &begun.point(), &SecretRandom).expect("answers");
            let confirmation = public(&answer.confirmation()).try_into().expect("as long");
            let agreed = begun.finish(&answer.point(), &confirmation).expect("confirmed");
            let confirmation = public(&agreed.confirmation).try_into().expect("as long");
            let key = answer.confirm(&confirmation).expect("confirmed");
            assert_eq!(public(key.expose()), public(agreed.key.expose()));
        })
        .leaky(),
    ]
}

fn hashes() -> Vec<Use> {
    vec![
        Use::new("sm3 message", || {
            for length in [0, 55, 56, 64, 300] {
                let message = secret::<300>(1);
                let _ = public(&sm3(&message[..length]));
            }
        }),
        Use::new("sm3 many messages", || {
            let message = secret::<300>(1);
            let messages = (0..40).map(|length| &message[..length * 7]).collect::<Vec<_>>();
            for engine in sm3::Engine::available() {
                let _ = public(digest_many_with(engine, &messages).as_flattened());
            }
        }),
        Use::new("hmac-sm3 key, message", || {
            let key = Hmac::new(&secret::<32>(7));
            let mut run = key.start();
            run.update(&secret::<100>(8));
            let _ = public(&run.finish());
            let _ = Hmac::new(&secret::<100>(7));
        }),
        Use::new("hmac-sm3 compare", || {
            let key = Hmac::new(&secret::<32>(7));
            let code = public(&key.start().finish());
            assert!(answer(key.start().verify(&code)), "the code is right");
            assert!(!answer(key.start().verify(&[0; 32])), "the code is wrong");
        })
        .leaky(),
    ]
}

fn sm4(engine: Engine) -> Vec<Use> {
    let of = |what: &str| format!("sm4 {what}, {}", engine.name());
    let cipher = move || Sm4::with_engine(engine, &secret(0x5a)).expect("the engine is there");
    let gcm = move || {
        let ghash =
            if engine == Engine::Portable { Some(ghash::Engine::Portable) } else { ghash::Engine::available().last() };
        Sm4Gcm::with_engines(engine, ghash.expect("one runs everywhere"), &secret(0x5a)).expect("the engine is there")
    };
    let tabled = |each: Use| if engine == Engine::Portable { each.leaky() } else { each };
    vec![
        tabled(Use::new(of("blocks"), move || {
            let cipher = cipher();
            for count in [1, 2, 3, 8, 16, 17, 64, 100] {
                let mut blocks = vec![[1; 16]; count];
                make_secret(blocks.as_flattened_mut());
                cipher.encrypt_blocks(&mut blocks);
                cipher.decrypt_blocks(&mut blocks);
                assert_eq!(public(blocks.as_flattened()), vec![1; 16 * count]);
            }
        })),
        tabled(Use::new(of("ctr"), move || {
            let cipher = cipher();
            for length in [1, 16, 17, 300, 2000] {
                let mut text = secret::<2000>(2);
                ctr::apply(&cipher, &[9; 16], &mut text[..length]).expect("the counter does not end");
            }
        })),
        tabled(Use::new(of("cbc"), move || {
            let cipher = cipher();
            for length in [0, 1, 16, 300, 2000] {
                let sealed = public(&cbc::encrypt(&cipher, &[9; 16], &secret::<2000>(2)[..length]));
                let opened = cbc::decrypt(&cipher, &[9; 16], &sealed).expect("the padding is right");
                assert_eq!(public(opened.expose()), vec![2; length]);
                assert_eq!(cbc::decrypt(&cipher, &[9; 16], &[1; 32]).unwrap_err(), Error::Undecryptable);
            }
        })),
        Use::new(of("ccm"), move || {
            let key = Sm4Ccm::with_cipher(cipher(), 16).expect("a length of the standard");
            for length in [0, 1, 16, 300] {
                let mut text = secret::<300>(3);
                let text = &mut text[..length];
                let tag = key.seal_in_place(&[0; 12], b"context", text).expect("short enough");
                let tag = public(&tag);
                let mut sealed = public(text);
                assert_eq!(key.open_in_place(&[0; 12], b"context", &mut sealed, &[0; 16]), Err(Error::Unauthentic));
                let mut sealed = public(&sealed);
                key.open_in_place(&[0; 12], b"context", &mut sealed, &tag).expect("the tag is right");
                assert_eq!(public(&sealed), vec![3; length]);
            }
        })
        .leaky(),
        Use::new(of("gcm"), move || {
            let key = gcm();
            for length in [0, 1, 16, 17, 300, 2000] {
                let mut text = secret::<2000>(3);
                let text = &mut text[..length];
                let tag = key.seal_in_place(&[0; 12], b"context", text).expect("short enough");
                let tag = public(&tag);
                let mut sealed = public(text);
                assert_eq!(key.open_in_place(&[0; 12], b"context", &mut sealed, &[0; 16]), Err(Error::Unauthentic));
                key.open_in_place(&[0; 12], b"context", &mut sealed, &tag).expect("the tag is right");
                assert_eq!(public(&sealed), vec![3; length]);
            }
        })
        .leaky(),
    ]
}

fn ghash(engine: ghash::Engine) -> Use {
    Use::new(format!("ghash, {}", engine.name()), move || {
        let key = GhashKey::with_engine(engine, &secret(4)).expect("the engine is there");
        for length in [0, 1, 16, 17, 300, 2000] {
            let _ = public(&key.hash(&secret::<20>(5), &secret::<2000>(6)[..length]));
        }
    })
}

/// How the key store wraps a private key; what it unwraps is the secret.
fn aead() -> Vec<Use> {
    let key = |algorithm: AeadAlgorithm| {
        let bytes = secret::<32>(0x5a);
        AeadKey::new(algorithm, &bytes[..algorithm.key_len()]).expect("of that length")
    };
    vec![
        Use::new("unwrap a key, sm4-gcm", move || {
            let key = key(AeadAlgorithm::Sm4Gcm);
            let sealed = public(&key.seal(&[1; 12], b"context", &secret::<32>(9)).expect("short enough"));
            let opened = key.open(&[1; 12], b"context", &sealed).as_ref().map(Secret::expose).map(public);
            assert_eq!(opened, Some(vec![9; 32]));
            assert!(key.open(&[2; 12], b"context", &sealed).is_none(), "another nonce");
        })
        .leaky(),
        Use::new("combine 3 shares", || {
            let made = shares::split(&secret(8), (3, 5), &SystemRandom).expect("the system gives randomness");
            let mut made = made.expect("3 of 5");
            made.truncate(3);
            let secret = shares::combine(&made).expect("of one set");
            assert_eq!(public(secret.expose()), [8; 32]);
        }),
        // Opening is left out: `ring` answers its own comparison with a branch, which nothing of ours can declare public.
        Use::new("wrap a key, aes-256-gcm", move || {
            let key = key(AeadAlgorithm::Aes256Gcm);
            let _ = public(&key.seal(&[1; 12], b"context", &secret::<32>(9)).expect("short enough"));
        }),
    ]
}

/// What this processor, as valgrind plays it, offers to the code that asks.
fn features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("AES-NI", is_x86_feature_detected!("aes")),
            ("PCLMULQDQ", is_x86_feature_detected!("pclmulqdq")),
            ("BMI2", is_x86_feature_detected!("bmi2")),
            ("ADX", is_x86_feature_detected!("adx")),
            ("GFNI", is_x86_feature_detected!("gfni")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
        ];
        let named = |wanted: bool| {
            all.iter().filter(|(_, is)| *is == wanted).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
        };
        format!(
            "valgrind's processor has {}; it lacks {}: paths for those fall back and are not judged here",
            named(true),
            named(false)
        )
    }
    #[cfg(not(target_arch = "x86_64"))]
    String::from("portable paths")
}

/// Runs every use, or the one named, and the control; prints a line for each.
pub fn run(only: Option<&str>) -> Option<Outcome> {
    let (mut leak, mut blind, mut any) = (false, false, false);
    println!("{}", features());
    println!("{:<28} {:>8}  verdict", "subject", "reports");
    for each in uses() {
        let is_control = each.name == "control";
        if only.is_some_and(|name| !each.name.starts_with(name)) && !is_control {
            continue;
        }
        any |= !is_control;
        let before = reports();
        (each.run)();
        let found = reports().saturating_sub(before);
        let expected = is_control || (cfg!(yinxin_leaky) && each.leaks_when_leaky);
        let verdict = match (found > 0, expected) {
            (true, true) => "REPORTED, as meant",
            (true, false) => "REPORTED",
            (false, true) => "MISSED",
            (false, false) => "no report",
        };
        leak |= found > 0 && !is_control;
        blind |= expected && found == 0;
        println!("{:<28} {found:>8}  {verdict}", each.name);
    }
    match (any, blind, leak) {
        (false, ..) => None,
        (_, true, _) => Some(Outcome::Blind),
        (.., true) => Some(Outcome::Leak),
        _ => Some(Outcome::Clean),
    }
}
