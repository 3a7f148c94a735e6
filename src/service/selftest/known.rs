//! The rows: each algorithm, mode and engine with the answer that a standard, or another implementation, gives.

use std::num::NonZeroU32;

use ring::hmac;

use crate::base::random::{HealthChecked, HealthFailure, Random, RandomUnavailable, check_sample};
use crate::crypto::aead::{AeadAlgorithm, AeadKey};
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::{digest, hmac_sm3, sm3};
use crate::crypto::ecdsa_large::{self, Curve};
use crate::crypto::kdf::{Argon2Parameters, Pbkdf2Prf, argon2id, hkdf_sha256, hkdf_sm3, pbkdf2};
use crate::crypto::rsa::PssParameters;
use crate::crypto::sm4::ccm::Sm4Ccm;
use crate::crypto::sm4::gcm::Sm4Gcm;
use crate::crypto::sm4::{self, Sm4, cbc, ctr};
use crate::crypto::{PublicKey, Signer, ecdsa, ed25519, ghash, rsa, sm2, sm3};
use crate::service::selftest::answers::*;
use crate::service::selftest::{SelfTest, octets};

/// A generator that gives one octet for ever, in place of the salts and nonces of a known answer.
struct Fixed(u8);

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        buffer.fill(self.0);
        Ok(())
    }
}

/// A generator that gives these octets and no others, as a standard's annex has them.
struct Given(Vec<u8>);

impl Random for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        if buffer.len() != self.0.len() {
            return Err(RandomUnavailable);
        }
        buffer.copy_from_slice(&self.0);
        Ok(())
    }
}

/// Every known answer, for every engine that this processor runs.
#[must_use]
pub fn known_answers() -> Vec<SelfTest> {
    let mut tests = Vec::new();
    digests(&mut tests);
    sm4_modes(&mut tests);
    derivations(&mut tests);
    sm2_rows(&mut tests);
    rsa_rows(&mut tests);
    curves(&mut tests);
    generator(&mut tests);
    tests
}

/// A row whose answer is written in hexadecimal. An answer that cannot be read is never met.
fn row(
    told: (&'static str, &'static str, &'static str),
    expected: &str,
    compute: impl Fn(&dyn Random) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> SelfTest {
    SelfTest::new(told, octets(expected).unwrap_or_default(), compute)
}

/// A row that answers yes and no: each question with the answer that it must have.
fn questions<const N: usize>(
    told: (&'static str, &'static str, &'static str),
    expected: [bool; N],
    ask: impl Fn(&dyn Random) -> Option<[bool; N]> + Send + Sync + 'static,
) -> SelfTest {
    let written = |answers: [bool; N]| answers.map(u8::from).to_vec();
    SelfTest::new(told, written(expected), move |random| ask(random).map(written))
}

fn digests(tests: &mut Vec<SelfTest>) {
    const ABC: [(DigestAlgorithm, &str, &str, &str, &str); 4] = [
        (DigestAlgorithm::Sm3, "sm3", "GB/T 32905-2016 A.1", "own", SM3_ABC),
        (DigestAlgorithm::Sha256, "sha256", "FIPS 180-4, example \"abc\"", "ring", SHA256_ABC),
        (DigestAlgorithm::Sha384, "sha384", "FIPS 180-4, example \"abc\"", "ring", SHA384_ABC),
        (DigestAlgorithm::Sha512, "sha512", "FIPS 180-4, example \"abc\"", "ring", SHA512_ABC),
    ];
    for (algorithm, name, standard, engine, expected) in ABC {
        tests.push(row((name, standard, engine), expected, move |_| Some(digest(algorithm, b"abc"))));
    }
    let long = ("sm3 1027 octets", "OpenSSL 3.0", "own");
    tests.push(row(long, SM3_PATTERN, |_| Some(sm3(&pattern(1027)).to_vec())));
    for engine in sm3::Engine::available() {
        let named = match engine {
            sm3::Engine::Portable => "portable",
            sm3::Engine::Avx2 => "avx2",
            sm3::Engine::Avx512 => "avx512",
        };
        // More messages than one pass takes, no two of one length.
        tests.push(row(("sm3 of many messages", "OpenSSL 3.0, 37 messages", named), SM3_MANY, move |_| {
            let messages: Vec<_> = (0_usize..37).map(|number| pattern(number * 11)).collect();
            let messages: Vec<_> = messages.iter().map(Vec::as_slice).collect();
            Some(sm3(&sm3::digest_many_with(engine, &messages).concat()).to_vec())
        }));
    }
    tests.push(row(("hmac-sm3", "GM/T 0042 D.3, first", "own"), HMAC_SM3, |_| {
        let key = octets(HMAC_SM3_KEY)?;
        // The text of the example is 56 octets, twice.
        let text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".as_bytes();
        Some(hmac_sm3(&key, &[text, text]).to_vec())
    }));
    tests.push(row(("hmac-sha256", "RFC 4231 4.3", "ring"), HMAC_SHA256, |_| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        Some(hmac::sign(&key, b"what do ya want for nothing?").as_ref().to_vec())
    }));
}

/// Octets that no block shares with the next.
fn pattern(length: usize) -> Vec<u8> {
    (0_u8..=255).cycle().zip(0_usize..length).map(|(low, at)| low.wrapping_mul(7).wrapping_add(block_of(at))).collect()
}

/// Which 256 octets one stands in.
fn block_of(at: usize) -> u8 {
    u8::try_from(at / 256 % 256).unwrap_or(0)
}

fn sm4_modes(tests: &mut Vec<SelfTest>) {
    for engine in sm4::Engine::available() {
        let expand = move || Sm4::with_engine(engine, &SM4_KEY);
        let told = |name| (name, "GB/T 32907-2016 A.1", engine.name());
        tests.push(row(told("sm4 block"), SM4_BLOCK, move |_| {
            let (cipher, mut block) = (expand()?, SM4_KEY);
            cipher.encrypt_block(&mut block);
            let sealed = block;
            cipher.decrypt_block(&mut block);
            (block == SM4_KEY).then(|| sealed.to_vec())
        }));
        tests.push(row(("sm4-ctr", "OpenSSL 3.0, 1027 octets", engine.name()), SM4_CTR, move |_| {
            let mut text = pattern(1027);
            ctr::apply(&expand()?, &SM4_IV, &mut text).ok()?;
            Some(sm3(&text).to_vec())
        }));
        tests.push(row(("sm4-cbc", "OpenSSL 3.0, 1027 octets", engine.name()), SM4_CBC, move |_| {
            let (cipher, text) = (expand()?, pattern(1027));
            let sealed = cbc::encrypt(&cipher, &SM4_IV, &text);
            let opened = cbc::decrypt(&cipher, &SM4_IV, &sealed).ok()?;
            (opened.expose() == text).then(|| sm3(&sealed).to_vec()) // a pattern
        }));
        tests.push(row(("sm4-ccm", "RFC 8998 A.2", engine.name()), SM4_CCM, move |_| {
            let cipher = Sm4Ccm::with_cipher(expand()?, 16).ok()?;
            let (nonce, aad, mut text) = (octets(AEAD_NONCE)?, octets(AEAD_AAD)?, octets(AEAD_PLAINTEXT)?);
            let tag = cipher.seal_in_place(&nonce, &aad, &mut text).ok()?;
            let mut answer = text.clone();
            answer.extend(&tag);
            let mut changed = tag.clone();
            *changed.first_mut()? ^= 1;
            let refused = cipher.open_in_place(&nonce, &aad, &mut text.clone(), &changed).is_err();
            cipher.open_in_place(&nonce, &aad, &mut text, &tag).ok()?;
            (refused && octets(AEAD_PLAINTEXT) == Some(text)).then_some(answer)
        }));
        for multiplier in ghash::Engine::available() {
            // Each of both in each combination: the name tells the multiplier, the engine the cipher.
            let name = match multiplier.name() {
                "portable" => "sm4-gcm, ghash portable",
                "clmul" => "sm4-gcm, ghash clmul",
                _ => "sm4-gcm, ghash clmul-avx512",
            };
            tests.push(row((name, "RFC 8998 A.1; OpenSSL 3.0, 1027 octets", engine.name()), SM4_GCM, move |_| {
                let cipher = Sm4Gcm::with_engines(engine, multiplier, &SM4_KEY)?;
                let mut text = octets(AEAD_PLAINTEXT)?;
                let (nonce, aad) = (octets(AEAD_NONCE)?, octets(AEAD_AAD)?);
                let tag = cipher.seal_in_place(&nonce, &aad, &mut text).ok()?;
                let mut answer = text.clone();
                answer.extend(tag);
                // A changed tag must not open, the right one must.
                let mut changed = tag;
                if let Some(first) = changed.first_mut() {
                    *first ^= 1;
                }
                if cipher.open_in_place(&nonce, &aad, &mut text.clone(), &changed).is_ok() {
                    return None;
                }
                cipher
                    .open_in_place(&nonce, &aad, &mut text, &tag)
                    .ok()
                    .filter(|()| octets(AEAD_PLAINTEXT) == Some(text))?;
                let mut long = pattern(1027);
                let tag = cipher.seal_in_place(SM4_IV.get(..12)?, pattern(37).as_slice(), &mut long).ok()?;
                long.extend(tag);
                answer.extend(sm3(&long));
                Some(answer)
            }));
        }
    }
}

fn derivations(tests: &mut Vec<SelfTest>) {
    tests.push(row(("aes-256-gcm", "GCM specification, test case 16", "ring"), AES_256_GCM, |_| {
        let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &octets(AES_KEY)?).ok()?;
        let nonce = octets(AES_NONCE)?.try_into().ok()?;
        let (aad, text) = (octets(AEAD_AAD)?, octets(AES_PLAINTEXT)?);
        let sealed = key.seal(&nonce, &aad, &text).ok()?;
        let mut changed = sealed.clone();
        *changed.last_mut()? ^= 1;
        let opens = key.open(&nonce, &aad, &sealed)?.expose() == text; // a published example
        (opens && key.open(&nonce, &aad, &changed).is_none()).then_some(sealed)
    }));
    tests.push(row(("hkdf-sha256", "RFC 5869 A.1", "ring"), HKDF_SHA256, |_| {
        let (salt, info) = (octets(HKDF_SALT)?, octets(HKDF_INFO)?);
        let key = hkdf_sha256(&salt, &[0x0b; 22], &[&info], 42).ok()?;
        Some(key.expose().to_vec()) // a published example
    }));
    tests.push(row(("hkdf-sm3", "RFC 5869 A.1 with SM3; OpenSSL 3", "own"), HKDF_SM3, |_| {
        let (salt, info) = (octets(HKDF_SALT)?, octets(HKDF_INFO)?);
        let key = hkdf_sm3(&salt, &[0x0b; 22], &[&info], 42).ok()?;
        Some(key.expose().to_vec()) // an example
    }));
    tests.push(row(("pbkdf2-hmac-sha256", "RFC 7914 11", "ring"), PBKDF2_SHA256, |_| {
        let key = pbkdf2(Pbkdf2Prf::HmacSha256, b"passwd", b"salt", NonZeroU32::MIN, 64).ok()?;
        Some(key.expose().to_vec()) // a published example
    }));
    tests.push(row(("pbkdf2-hmac-sm3", "OpenSSL 3.0, 1000 rounds", "own"), PBKDF2_SM3, |_| {
        let key = pbkdf2(Pbkdf2Prf::HmacSm3, b"password", b"NaCl and more", NonZeroU32::new(1000)?, 32).ok()?;
        Some(key.expose().to_vec()) // an example
    }));
    tests.push(row(("argon2id", "reference implementation, test.c", "argon2"), ARGON2ID, |_| {
        let cost = Argon2Parameters { memory: 256, passes: 2, lanes: 2 };
        let key = argon2id(b"password", b"somesalt", cost, 32).ok()?;
        Some(key.expose().to_vec()) // a published example
    }));
}

fn sm2_rows(tests: &mut Vec<SelfTest>) {
    const MESSAGE_OF_THE_ANNEX: &[u8] = b"message digest";
    let public = || sm2::PublicKey::from_bytes(&octets(SM2_PUBLIC)?).ok();
    let private = || sm2::PrivateKey::from_bytes(&octets(SM2_PRIVATE)?).ok();
    tests.push(row(("sm2 public key", "GB/T 32918.5-2017 A.2", "own"), SM2_PUBLIC, move |_| {
        Some(private()?.public_key().to_bytes().to_vec())
    }));
    // The digest e of the annex, then the signature under the nonce that 32 octets 5a in place of randomness give.
    let told = ("sm2-sm3 sign", "GB/T 32918.2-2016 6.1, integers of Python", "own");
    tests.push(row(told, SM2_SIGNED, move |_| {
        let (key, id) = (private()?, sm2::DEFAULT_ID);
        let mut answer = key.public_key().digest(id, MESSAGE_OF_THE_ANNEX).ok()?.to_vec();
        answer.extend(key.sign_as(id, MESSAGE_OF_THE_ANNEX, &Fixed(0x5a)).ok()?);
        Some(answer)
    }));
    let told = ("sm2-sm3 sign, a batch", "GB/T 32918.2-2016 6.1, integers of Python", "own");
    tests.push(row(told, SM2_BATCH, move |_| {
        let key = private()?;
        let first = key.public_key().digest(sm2::DEFAULT_ID, MESSAGE_OF_THE_ANNEX).ok()?;
        Some(key.sign_batch(&[first, sm3(b"second")], &Fixed(0x5a)).ok()?.concat())
    }));
    let told = ("sm2-sm3 verify", "GB/T 32918.5-2017 A.2", "own");
    tests.push(questions(told, [true, false, false, false], move |_| {
        let (key, value) = (public()?, octets(SM2_SIGNATURE)?);
        let mut changed = value.clone();
        *changed.last_mut()? ^= 1;
        Some([
            key.verify(sm2::DEFAULT_ID, MESSAGE_OF_THE_ANNEX, &value),
            key.verify(sm2::DEFAULT_ID, b"message digesu", &value),
            key.verify(b"", MESSAGE_OF_THE_ANNEX, &value),
            key.verify(sm2::DEFAULT_ID, MESSAGE_OF_THE_ANNEX, &changed),
        ])
    }));
    let told = ("sm2-sm3 verify, a table of the key", "GB/T 32918.5-2017 A.2", "own");
    tests.push(questions(told, [true, false], move |_| {
        let (key, value) = (public()?, octets(SM2_SIGNATURE)?);
        let (table, e) = (sm2::KeyTable::new(&key), key.digest(sm2::DEFAULT_ID, MESSAGE_OF_THE_ANNEX).ok()?);
        Some([table.verify_prehashed(&e, &value), table.verify_prehashed(&sm3(b"second"), &value)])
    }));
    // A carry that a multiplication by special instructions once lost, in another library (gmsm issue 560).
    let told = ("sm2-sm3 verify, digest zero", "found by another library's users", "own");
    tests.push(questions(told, [true, false], |_| {
        let key = sm2::PublicKey::from_bytes(&octets(SM2_ZERO_PUBLIC)?).ok()?;
        let value = octets(SM2_ZERO_SIGNATURE)?;
        Some([key.verify_prehashed(&[0; 32], &value), key.verify_prehashed(&[1; 32], &value)])
    }));
    sm2_secrecy(tests);
    pairwise(tests, "sm2-sm3 sign and verify", "own", |random| Some(Box::new(sm2::PrivateKey::generate(random).ok()?)));
}

/// Encryption and key exchange of the standard's annex, with the annex's random numbers.
fn sm2_secrecy(tests: &mut Vec<SelfTest>) {
    const TEXT: &[u8] = b"encryption standard";
    let told = ("sm2-encryption", "GB/T 32918.5-2017 annex A", "own");
    tests.push(row(told, SM2_CIPHERTEXT, |_| {
        let key = sm2::PrivateKey::from_bytes(&octets(SM2_PRIVATE)?).ok()?;
        let sealed = key.public_key().encrypt(TEXT, &Given(octets(SM2_NONCE)?)).ok()?;
        let opened = key.decrypt(&sealed).ok()?;
        let mut changed = sealed.clone();
        *changed.c3.first_mut()? ^= 1;
        let opens = opened.expose() == TEXT && key.decrypt(&changed).is_err(); // the annex's text
        opens.then(|| sealed.to_c1c3c2())
    }));
    let told = ("sm2-key-exchange", "GB/T 32918.5-2017 annex A", "own");
    tests.push(row(told, SM2_EXCHANGED, |_| {
        let (id, private) = (sm2::DEFAULT_ID, |digits| sm2::PrivateKey::from_bytes(&octets(digits)?).ok());
        let (a, b) = (private(SM2_EXCHANGE_A)?, private(SM2_EXCHANGE_B)?);
        let (public_a, public_b) = (a.public_key(), b.public_key());
        let random = |digits| octets(digits).map(Given);
        let first = sm2::Initiator::start((&a, id), (&public_b, id), 16, &random(SM2_EXCHANGE_RANDOM_A)?).ok()?;
        let random_b = random(SM2_EXCHANGE_RANDOM_B)?;
        let second = sm2::Responder::respond((&b, id), (&public_a, id), 16, &first.point(), &random_b).ok()?;
        let (point, confirmation) = (second.point(), second.confirmation());
        let agreed = first.finish(&point, &confirmation).ok()?;
        let key = second.confirm(&agreed.confirmation).ok()?;
        let same = key.expose() == agreed.key.expose(); // the annex's key
        same.then(|| [key.expose(), &confirmation, &agreed.confirmation].concat())
    }));
}

/// A fresh key signs; what it signs verifies, and nothing else does.
fn pairwise(
    tests: &mut Vec<SelfTest>,
    name: &'static str,
    engine: &'static str,
    make: impl Fn(&dyn Random) -> Option<Box<dyn Signer>> + Send + Sync + 'static,
) {
    tests.push(questions((name, "pairwise, a fresh key", engine), [true, false], move |random| {
        let signer = make(random)?;
        let value = signer.sign(MESSAGE, random).ok()?;
        let verify = |message: &[u8]| signer.public_key().verify(signer.algorithm(), message, &value);
        Some([verify(MESSAGE), verify(b"another message")])
    }));
}

fn rsa_rows(tests: &mut Vec<SelfTest>) {
    const ROWS: [(&str, SignatureAlgorithm, &str); 8] = [
        ("rsa-sm3", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sm3), RSA_PKCS1_SM3),
        ("rsa-sha256", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), RSA_PKCS1_SHA256),
        ("rsa-sha384", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha384), RSA_PKCS1_SHA384),
        ("rsa-sha512", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha512), RSA_PKCS1_SHA512),
        ("rsa-pss-sm3", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sm3), RSA_PSS_SM3),
        ("rsa-pss-sha256", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha256), RSA_PSS_SHA256),
        ("rsa-pss-sha384", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha384), RSA_PSS_SHA384),
        ("rsa-pss-sha512", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha512), RSA_PSS_SHA512),
    ];
    let key = || rsa::PrivateKey::from_bytes(&octets(RSA_KEY)?).ok();
    let engine = |algorithm| match algorithm {
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sm3) | SignatureAlgorithm::RsaPss(DigestAlgorithm::Sm3) => {
            "openssl"
        }
        _ => "openssl, ring",
    };
    for (name, algorithm, expected) in ROWS {
        let told = (name, "RFC 8017 8.1, 8.2, integers of Python", engine(algorithm));
        tests.push(row(told, expected, move |_| {
            // The salt of the known answer is 5a for all its length. Signing verifies.
            let (key, value) = (key()?, octets(expected)?);
            let wrong = key.public_key().verify_with(algorithm, b"another message", &value);
            if wrong { None } else { key.sign_with(algorithm, MESSAGE, &Fixed(0x5a)).ok() }
        }));
    }
    let told = ("rsa-pss-sha256 other salts", "RFC 8017 9.1.2", "openssl");
    tests.push(questions(told, [true, false, false], move |_| {
        // Our own decoding of what ring decodes elsewhere, and the same value under lengths that it does not have.
        let (key, value) = (key()?, octets(RSA_PSS_SHA256_SALT_8)?);
        let usual = PssParameters::usual(DigestAlgorithm::Sha256);
        let verify = |salt| key.public_key().verify_pss(&PssParameters { salt, ..usual }, MESSAGE, &value);
        Some([verify(8), verify(9), verify(32)])
    }));
    let told = ("rsa-oaep-sha256 decrypt", "RFC 8017 7.1.2, sealed by OpenSSL", "openssl");
    tests.push(SelfTest::new(told, MESSAGE.to_vec(), move |_| {
        let (key, sealed) = (key()?, octets(RSA_OAEP)?);
        let foreign = key.decrypt_oaep_sha256(&sealed, b"another label").is_ok();
        let opened = key.decrypt_oaep_sha256(&sealed, b"").ok()?;
        if foreign { None } else { Some(opened.expose().to_vec()) } // the message of the test
    }));
}

fn curves(tests: &mut Vec<SelfTest>) {
    tests.push(row(("p256 public key", "RFC 6979 A.2.5", "openssl"), P256_PUBLIC, |_| {
        Some(ecdsa::PrivateKey::from_bytes(&octets(P256_PRIVATE)?).ok()?.public_key().to_bytes().to_vec())
    }));
    let told = ("ecdsa-p256-sha256 verify", "RFC 6979 A.2.5, SHA-256 of \"sample\"", "ring");
    tests.push(questions(told, [true, false], |_| {
        let key = PublicKey::EcdsaP256(ecdsa::PublicKey::from_bytes(&octets(P256_PUBLIC)?).ok()?);
        let value = octets(P256_SIGNATURE)?;
        let verify = |message: &[u8]| key.verify(SignatureAlgorithm::EcdsaP256Sha256, message, &value);
        Some([verify(b"sample"), verify(b"samplf")])
    }));
    pairwise(tests, "ecdsa-p256-sha256 sign and verify", "ring", |random| {
        Some(Box::new(ecdsa::PrivateKey::generate(random).ok()?))
    });
    larger_curves(tests);
    tests.push(row(("ed25519 sign", "RFC 8032 7.1, test 3", "ring"), ED25519_SIGNATURE, |random| {
        let key = ed25519::PrivateKey::from_bytes(&octets(ED25519_SEED)?).ok()?;
        key.sign(&octets(ED25519_MESSAGE)?, random).ok()
    }));
    tests.push(questions(("ed25519 verify", "RFC 8032 7.1, test 3", "ring"), [true, false], |_| {
        let key = ed25519::PublicKey::from_bytes(&octets(ED25519_PUBLIC)?).ok()?;
        let (message, value) = (octets(ED25519_MESSAGE)?, octets(ED25519_SIGNATURE)?);
        Some([key.verify(&message, &value), key.verify(b"", &value)])
    }));
}

/// Curves under which values of others are verified, and nothing is signed.
fn larger_curves(tests: &mut Vec<SelfTest>) {
    const P384: (Curve, &str) = (Curve::P384, P384_PUBLIC);
    const P521: (Curve, &str) = (Curve::P521, P521_PUBLIC);
    for (name, source, (curve, point)) in
        [("p384 public key", "RFC 6979 A.2.6", P384), ("p521 public key", "RFC 6979 A.2.7", P521)]
    {
        tests.push(questions((name, source, "openssl"), [true, false], move |_| {
            let mut point = octets(point)?;
            let read = ecdsa_large::PublicKey::from_bytes(curve, &point).is_ok();
            *point.last_mut()? ^= 1; // off the curve
            Some([read, ecdsa_large::PublicKey::from_bytes(curve, &point).is_ok()])
        }));
    }
    for (name, source, (curve, point), digest, value) in [
        ("ecdsa-sha256 verify", "RFC 6979 A.2.6, SHA-256 of \"sample\"", P384, DigestAlgorithm::Sha256, P384_SHA256),
        ("ecdsa-sha384 verify", "RFC 6979 A.2.6, SHA-384 of \"sample\"", P384, DigestAlgorithm::Sha384, P384_SHA384),
        ("ecdsa-sha512 verify", "RFC 6979 A.2.7, SHA-512 of \"sample\"", P521, DigestAlgorithm::Sha512, P521_SHA512),
    ] {
        tests.push(questions((name, source, "openssl"), [true, false], move |_| {
            let (key, value) = (ecdsa_large::PublicKey::from_bytes(curve, &octets(point)?).ok()?, octets(value)?);
            Some([key.verify(digest, b"sample", &value), key.verify(digest, b"samplf", &value)])
        }));
    }
}

/// The generator at work, and that the tests which watch it would notice.
fn generator(tests: &mut Vec<SelfTest>) {
    let sample = ("random", "monobit and poker test of 16 KiB", "source");
    tests.push(questions(sample, [true], |random| Some([check_sample(random).is_ok()])));
    let told = ("random health", "SP 800-90B 4.4.1, a stuck source", "own");
    tests.push(questions(told, [true, false, true], |_| {
        let stuck = HealthChecked::new(Fixed(0));
        let refused = stuck.fill(&mut [0; 16]).is_err();
        let given_again = stuck.fill(&mut [0; 1]).is_ok();
        Some([refused, given_again, stuck.failure() == Some(HealthFailure::Repetition)])
    }));
}
