//! Private keys: their making, and signatures by them, one or many at a time (GB/T 32918.2 6.1).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use zeroize::{Zeroize as _, Zeroizing};

use super::comb;
use super::field::{self, FieldElement};
use super::key::PublicKey;
use super::nonce::NonceKey;
use super::point::{Affine, Jacobian};
use super::scalar::Scalar;
use super::tables::{KeyTable, WORTH_A_TABLE};
use crate::base::random::{Random, RandomUnavailable};
use crate::base::secret::Secret;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::secrecy::declassify;
use crate::crypto::{Error, Signer};

/// How often a draw outside its range is repeated. Each repetition has a chance of 2^-32 or less with a generator that
/// works, so more of them mean one that does not.
const ATTEMPTS: u8 = 8;

/// A private scalar; wiped when dropped, never printed.
pub struct PrivateKey {
    scalar: Zeroizing<Scalar>,
    public: PublicKey,
    /// What every signature needs again; made at the first one.
    signing: OnceLock<Signing>,
    /// Signatures checked so far, up to the one that makes the table worth its building.
    checks: AtomicU32,
    /// The key's own table, for checking its signatures.
    table: OnceLock<KeyTable>,
}

/// What every signature of a key needs again.
struct Signing {
    /// 1/(1+d) mod n.
    inverse: Zeroizing<Scalar>,
    nonces: NonceKey,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sm2::PrivateKey(..)")
    }
}

/// A scalar in 1..=n-2, drawn by rejection (GB/T 32918.1 6.1). Whether a draw was rejected may be seen: it is thrown away.
pub(super) fn draw(random: &dyn Random) -> Result<Zeroizing<Scalar>, Error> {
    for _ in 0..ATTEMPTS {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        random.fill(bytes.as_mut())?;
        if let Some(scalar) = in_range(&bytes) {
            return Ok(scalar);
        }
    }
    Err(Error::Random(RandomUnavailable))
}

/// The scalar if it is in 1..=n-2. One mask decides; nothing else about the scalar is seen.
fn in_range(bytes: &[u8; 32]) -> Option<Zeroizing<Scalar>> {
    let (scalar, below_n) = Scalar::from_bytes(bytes);
    let scalar = Zeroizing::new(scalar);
    let last = scalar.add(&Scalar::ONE).mask_is_zero();
    let good = below_n & !scalar.mask_is_zero() & !last;
    // A draw outside is thrown away, and a key that is read is refused in the open.
    (declassify(core::hint::black_box(good)) != 0).then_some(scalar)
}

impl PrivateKey {
    /// A fresh key from that source of randomness (GB/T 32918.1 6.1).
    ///
    /// # Errors
    /// The source failed, or gave only numbers outside the range.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        draw(random).and_then(Self::from_scalar)
    }

    /// Reads a scalar, 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::NotAScalar`]: zero, n-1 or more, or another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = <&[u8; 32]>::try_from(bytes).map_err(|_| Error::NotAScalar)?;
        in_range(bytes).ok_or(Error::NotAScalar).and_then(Self::from_scalar)
    }

    fn from_scalar(scalar: Zeroizing<Scalar>) -> Result<Self, Error> {
        let product = Zeroizing::new(comb::multiply_base(&scalar));
        // Only the multiple 0 is infinity, so this happens on a faulty machine only.
        let point = product.to_affine().ok_or(Error::Fault)?;
        // The public key.
        let public = PublicKey { point: declassify(point) };
        let (signing, table) = (OnceLock::new(), OnceLock::new());
        Ok(Self { scalar, public, signing, checks: AtomicU32::new(0), table })
    }

    /// The scalar, 32 bytes, for sealing under a key-encryption key.
    #[must_use]
    pub fn to_bytes(&self) -> Secret {
        let bytes = Zeroizing::new(self.scalar.to_bytes());
        Secret::new(bytes.to_vec())
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The scalar, for decryption and key exchange.
    pub(super) fn scalar(&self) -> &Scalar {
        &self.scalar
    }

    fn signing(&self) -> &Signing {
        self.signing.get_or_init(|| {
            let bytes = Zeroizing::new(self.scalar.to_bytes());
            let mut sum = self.scalar.add(&Scalar::ONE);
            let inverse = Zeroizing::new(sum.invert());
            sum.zeroize();
            Signing { inverse, nonces: NonceKey::new(&bytes) }
        })
    }

    /// Signs the message for that signer ID: r‖s, verified before it is given out.
    ///
    /// # Errors
    /// [`Error::IdTooLong`]; the randomness failed; [`Error::Fault`].
    pub fn sign_as(&self, id: &[u8], message: &[u8], random: &dyn Random) -> Result<[u8; 64], Error> {
        self.sign_prehashed(&self.public.digest(id, message)?, random)
    }

    /// Signs the digest e: r‖s, verified before it is given out.
    ///
    /// # Errors
    /// The randomness failed; [`Error::Fault`].
    pub fn sign_prehashed(&self, e: &[u8; 32], random: &dyn Random) -> Result<[u8; 64], Error> {
        let signature = self.sign_prehashed_unchecked(e, random)?;
        self.checked(e, signature)
    }

    /// Signs the digest e without verifying the signature afterwards: for measurements, and for callers that verify
    /// it themselves. A signature made on a faulty machine can give the key away.
    ///
    /// # Errors
    /// The randomness failed.
    pub fn sign_prehashed_unchecked(&self, e: &[u8; 32], random: &dyn Random) -> Result<[u8; 64], Error> {
        for attempt in 0..ATTEMPTS {
            let nonce = self.nonce(e, random, attempt)?;
            let point = Zeroizing::new(comb::multiply_base(&nonce));
            let inverse = Zeroizing::new(point.z.invert());
            if let Some(signature) = self.signature(e, &nonce, &abscissa(&point, &inverse)) {
                return Ok(signature);
            }
        }
        Err(Error::Fault)
    }

    /// Signs many digests, with one inversion for all; each with a nonce of its own, each verified. All or none.
    ///
    /// # Errors
    /// The randomness failed; [`Error::Fault`].
    pub fn sign_batch(&self, digests: &[[u8; 32]], random: &dyn Random) -> Result<Vec<[u8; 64]>, Error> {
        let signatures = self.sign_batch_unchecked(digests, random)?;
        digests.iter().zip(signatures).map(|(e, signature)| self.checked(e, signature)).collect()
    }

    /// As [`PrivateKey::sign_batch`], without verifying, under the conditions of [`PrivateKey::sign_prehashed_unchecked`].
    ///
    /// # Errors
    /// The randomness failed; [`Error::Fault`].
    pub fn sign_batch_unchecked(&self, digests: &[[u8; 32]], random: &dyn Random) -> Result<Vec<[u8; 64]>, Error> {
        // Fresh bytes for every nonce, asked for at once: the system call costs more than they do.
        let mut fresh = Zeroizing::new(vec![[0_u8; 32]; digests.len()]);
        random.fill(fresh.as_flattened_mut())?;
        let nonces = self.signing().nonces.nonces(digests, &fresh);
        let mut points = Zeroizing::new(Vec::with_capacity(digests.len()));
        for nonce in nonces.iter() {
            // A zero nonce would spoil the common inversion; it is as likely as a guessed key.
            // Such a batch is given up.
            if declassify(core::hint::black_box(nonce.mask_is_zero())) != 0 {
                return Err(Error::Fault);
            }
            points.push(comb::multiply_base(nonce));
        }
        let mut inverses: Zeroizing<Vec<FieldElement>> = Zeroizing::new(points.iter().map(|p| p.z).collect());
        field::invert_all(&mut inverses);
        let made = digests.iter().zip(nonces.iter()).zip(points.iter().zip(inverses.iter()));
        made.map(|((e, nonce), (point, inverse))| match self.signature(e, nonce, &abscissa(point, inverse)) {
            Some(signature) => Ok(signature),
            None => self.sign_prehashed_unchecked(e, random),
        })
        .collect()
    }

    fn nonce(&self, e: &[u8; 32], random: &dyn Random, attempt: u8) -> Result<Zeroizing<Scalar>, Error> {
        let mut fresh = Zeroizing::new([0_u8; 32]);
        random.fill(fresh.as_mut())?;
        Ok(self.signing().nonces.nonce(e, &fresh, attempt))
    }

    /// The signature of e with that nonce k and the abscissa x of k·G: r = e + x, s = (k - r·d)/(1+d) = (k + r)/(1+d) - r.
    ///
    /// None if k = 0, r = 0, r + k = n or s = 0 (GB/T 32918.2 6.1, A5 and A6): the caller takes another nonce.
    fn signature(&self, e: &[u8; 32], nonce: &Scalar, x: &Scalar) -> Option<[u8; 64]> {
        let r = Scalar::reduce_bytes(e).add(x);
        let sum = Zeroizing::new(r.add(nonce));
        let s = self.signing().inverse.multiply(&sum).sub(&r);
        let refused = nonce.mask_is_zero() | r.mask_is_zero() | sum.mask_is_zero() | s.mask_is_zero();
        // A refused nonce is thrown away.
        if declassify(core::hint::black_box(refused)) != 0 {
            return None;
        }
        let mut signature = [0; 64];
        signature.iter_mut().zip(r.to_bytes().iter().chain(&s.to_bytes())).for_each(|(to, from)| *to = *from);
        // It goes to whoever asked, and before that through the verification, which takes variable time.
        Some(declassify(signature))
    }

    /// The signature, if it verifies. A key that signs often gets a table for that.
    fn checked(&self, e: &[u8; 32], signature: [u8; 64]) -> Result<[u8; 64], Error> {
        // Whoever has signature and public key can compute e = r - x from them, so it is no more secret than they.
        let e = &declassify(*e);
        let table = self.table.get().or_else(|| {
            let worth = self.checks.fetch_add(1, Ordering::Relaxed) >= WORTH_A_TABLE;
            worth.then(|| self.table.get_or_init(|| KeyTable::new(&self.public)))
        });
        let right = match table {
            Some(table) => table.verify_prehashed(e, &signature),
            None => self.public.verify_prehashed(e, &signature),
        };
        if right { Ok(signature) } else { Err(Error::Fault) }
    }
}

/// The abscissa of a point modulo n, given 1/Z.
fn abscissa(point: &Jacobian, inverse: &FieldElement) -> Scalar {
    let Affine { x, .. } = point.to_affine_with(inverse);
    Scalar::reduce(&x.to_canonical())
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Sm2Sm3
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::Sm2(self.public)
    }

    fn sign(&self, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error> {
        Ok(self.sign_as(super::DEFAULT_ID, message, random)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    /// A generator that gives one byte for ever.
    struct Stuck(u8);

    impl Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    fn key() -> PrivateKey {
        PrivateKey::from_bytes(&[7; 32]).unwrap()
    }

    fn abscissa_of(nonce: &Scalar) -> Scalar {
        let point = comb::multiply_base(nonce);
        abscissa(&point, &point.z.invert())
    }

    fn bytes(text: &serde_json::Value) -> [u8; 32] {
        let text = text.as_str().unwrap();
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    #[test]
    fn given_nonces_give_the_signatures_of_the_table() {
        let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sm2/sm2.json"));
        let table: serde_json::Value = serde_json::from_str(table).unwrap();
        let rows = table["sign"].as_array().unwrap().iter().filter(|row| row["valid"] == true);
        let mut count = 0;
        for row in rows {
            let key = PrivateKey::from_bytes(&bytes(&row["priv_hex"])).unwrap();
            let (nonce, _) = Scalar::from_bytes(&bytes(&row["k_hex"]));
            let found = key.signature(&bytes(&row["e_hex"]), &nonce, &abscissa_of(&nonce)).unwrap();
            assert_eq!(found.to_vec(), [bytes(&row["r_hex"]), bytes(&row["s_hex"])].concat(), "{}", row["name"]);
            count += 1;
        }
        assert_eq!(count, 12);
    }

    /// GB/T 32918.2 6.1, A5 and A6.
    #[test]
    fn nonces_that_would_give_the_key_away_are_refused() {
        let key = key();
        let nonce = Scalar::reduce(&[5, 6, 7, 8]);
        let x = abscissa_of(&nonce);
        let refused = |r: Scalar, nonce: &Scalar, x: &Scalar| key.signature(&r.sub(x).to_bytes(), nonce, x).is_none();
        assert!(!refused(Scalar::ONE, &nonce, &x));
        assert!(refused(Scalar::ONE, &Scalar::ZERO, &x), "k = 0");
        assert!(refused(Scalar::ZERO, &nonce, &x), "r = 0");
        assert!(refused(Scalar::ZERO.sub(&nonce), &nonce, &x), "r + k = n");
        assert!(refused(nonce.multiply(&key.scalar.invert()), &nonce, &x), "s = 0, since k = r·d");
    }

    #[test]
    fn keys_outside_the_range_are_refused() {
        let n = |last: u8| {
            let mut bytes = super::super::limbs::to_be_bytes(&super::super::scalar::N);
            bytes[31] = last;
            PrivateKey::from_bytes(&bytes).map(|key| key.to_bytes().expose()[31])
        };
        assert_eq!(
            (n(0x21), n(0x22), n(0x23), n(0x24)),
            (Ok(0x21), Err(Error::NotAScalar), Err(Error::NotAScalar), Err(Error::NotAScalar))
        );
        for wrong in [&[0; 32][..], &[0xff; 32], &[1; 31], &[1; 33], &[]] {
            assert_eq!(PrivateKey::from_bytes(wrong).unwrap_err(), Error::NotAScalar);
        }
    }

    #[test]
    fn without_randomness_nothing_is_made() {
        let dead = Error::Random(RandomUnavailable);
        assert_eq!(PrivateKey::generate(&DeadRandom).unwrap_err(), dead);
        assert_eq!(PrivateKey::generate(&Stuck(0)).unwrap_err(), dead);
        assert_eq!(PrivateKey::generate(&Stuck(0xff)).unwrap_err(), dead);
        assert_eq!(key().sign_prehashed(&[1; 32], &DeadRandom).unwrap_err(), dead);
        assert_eq!(key().sign_prehashed_unchecked(&[1; 32], &DeadRandom).unwrap_err(), dead);
        assert_eq!(key().sign_batch(&[[1; 32]; 3], &DeadRandom).unwrap_err(), dead);
        assert_eq!(key().sign_as(b"", b"", &DeadRandom).unwrap_err(), dead);
        assert_eq!(Signer::sign(&key(), b"", &DeadRandom).unwrap_err(), dead);
        assert_eq!(key().public_key().encrypt(b"text", &DeadRandom).unwrap_err(), dead);
    }

    /// A generator that repeats itself repeats signatures, but never a nonce for another digest.
    #[test]
    fn a_stuck_generator_repeats_no_nonce() {
        let key = key();
        let made = key.sign_batch(&[[1; 32], [2; 32], [1; 32]], &Stuck(9)).unwrap();
        assert_eq!(made[0], made[2]);
        let x = |e: u8, value: &[u8; 64]| {
            Scalar::reduce_bytes(value.first_chunk().unwrap()).sub(&Scalar::reduce_bytes(&[e; 32]))
        };
        assert_ne!(x(1, &made[0]), x(2, &made[1]));
    }

    #[test]
    fn a_faulty_signature_is_withheld() {
        let mut key = key();
        key.public = PrivateKey::from_bytes(&[8; 32]).unwrap().public;
        assert!(key.sign_prehashed_unchecked(&[1; 32], &SystemRandom).is_ok());
        // Again and again, until the table for checking is in use too.
        for _ in 0..WORTH_A_TABLE + 2 {
            assert_eq!(key.sign_prehashed(&[1; 32], &SystemRandom), Err(Error::Fault));
        }
        assert!(key.table.get().is_some());
        assert_eq!(key.sign_batch(&[[1; 32]; 2], &SystemRandom), Err(Error::Fault));
        assert_eq!(key.sign_as(b"id", b"message", &SystemRandom), Err(Error::Fault));
        assert_eq!(Signer::sign(&key, b"message", &SystemRandom), Err(Error::Fault));
    }

    #[test]
    fn batches_are_signatures() {
        let key = key();
        let digests: Vec<[u8; 32]> = (0..33).map(|i| [i; 32]).collect();
        let made = key.sign_batch(&digests, &SystemRandom).unwrap();
        assert!(made.len() == 33 && digests.iter().zip(&made).all(|(e, value)| key.public.verify_prehashed(e, value)));
        assert_eq!(key.sign_batch(&[], &SystemRandom), Ok(Vec::new()));
        let value = key.sign_as(b"id", b"message", &SystemRandom).unwrap();
        assert!(key.public.verify(b"id", b"message", &value));
        assert!(!key.public.verify(b"ID", b"message", &value) && !key.public.verify(b"id", b"massage", &value));
        assert_eq!(key.sign_as(&[0; 8192], b"", &SystemRandom), Err(Error::IdTooLong { length: 8192 }));
    }

    #[test]
    fn private_keys_are_not_printed() {
        assert_eq!(format!("{:?} {:?}", key(), key().to_bytes()), "sm2::PrivateKey(..) Secret(..)");
    }
}
