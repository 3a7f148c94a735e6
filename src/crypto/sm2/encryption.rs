//! Public-key encryption (GB/T 32918.4): C1 the ephemeral point, C3 the digest, C2 the text under a derived key stream.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::comb;
use super::derivation::{MAX_LENGTH, derive};
use super::key::PublicKey;
use super::multiply::multiply_secret;
use super::point::Affine;
use super::private::{PrivateKey, draw};
use super::scalar::Scalar;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::secrecy::declassify;
use crate::crypto::sm3::Sm3;

/// How often another ephemeral scalar is taken if the key stream is all zeros; for one byte the chance is 1 in 256 each time.
const ATTEMPTS: u8 = 64;

/// The three parts of a ciphertext. Its DER form (GM/T 0009 7.2) is written and read in `format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// The ephemeral point, 04‖x‖y; whether it lies on the curve is found out when decrypting.
    pub c1: [u8; 65],
    /// SM3 of x‖text‖y of the shared point.
    pub c3: [u8; 32],
    /// The text under the key stream, as long as the text.
    pub c2: Vec<u8>,
}

impl Ciphertext {
    /// C1‖C3‖C2, the order of GB/T 32918.4-2016.
    #[must_use]
    pub fn to_c1c3c2(&self) -> Vec<u8> {
        [&self.c1[..], &self.c3, &self.c2].concat()
    }

    /// C1‖C2‖C3, the order of GM/T 0003-2010 drafts that older products write.
    #[must_use]
    pub fn to_c1c2c3(&self) -> Vec<u8> {
        [&self.c1[..], &self.c2, &self.c3].concat()
    }

    /// Cuts C1‖C3‖C2; none if the text would be empty.
    #[must_use]
    pub fn from_c1c3c2(bytes: &[u8]) -> Option<Self> {
        let (c1, rest) = bytes.split_first_chunk::<65>()?;
        let (c3, c2) = rest.split_first_chunk::<32>()?;
        (!c2.is_empty()).then(|| Self { c1: *c1, c3: *c3, c2: c2.to_vec() })
    }

    /// Cuts C1‖C2‖C3; none if the text would be empty.
    #[must_use]
    pub fn from_c1c2c3(bytes: &[u8]) -> Option<Self> {
        let (c1, rest) = bytes.split_first_chunk::<65>()?;
        let (c2, c3) = rest.split_last_chunk::<32>()?;
        (!c2.is_empty()).then(|| Self { c1: *c1, c3: *c3, c2: c2.to_vec() })
    }
}

/// The coordinates of the shared point, secret.
struct Shared {
    x: Zeroizing<[u8; 32]>,
    y: Zeroizing<[u8; 32]>,
}

impl Shared {
    /// `scalar·point`; none if that is infinity, which no scalar below n but 0 gives.
    fn new(scalar: &Scalar, point: &Affine) -> Option<Self> {
        let product = Zeroizing::new(multiply_secret(scalar, point));
        let point = Zeroizing::new(product.to_affine()?);
        Some(Self { x: Zeroizing::new(point.x.to_bytes()), y: Zeroizing::new(point.y.to_bytes()) })
    }

    fn stream(&self, length: usize) -> Zeroizing<Vec<u8>> {
        derive(&[self.x.as_ref(), self.y.as_ref()], length)
    }

    /// C3 = SM3(x‖text‖y).
    fn digest(&self, text: &[u8]) -> [u8; 32] {
        let mut hash = Sm3::new();
        hash.update(self.x.as_ref());
        hash.update(text);
        hash.update(self.y.as_ref());
        hash.finish()
    }
}

/// Whether all bytes are zero, found without branching on any of them.
fn is_zero(bytes: &[u8]) -> bool {
    core::hint::black_box(bytes.iter().fold(0, |all, byte| all | byte)) == 0
}

fn is_covered(length: usize) -> bool {
    length > 0 && u64::try_from(length).is_ok_and(|length| length <= MAX_LENGTH)
}

impl PublicKey {
    /// Encrypts a text for the holder of the private key (GB/T 32918.4 6.1).
    ///
    /// # Errors
    /// [`Error::TextLength`]; the randomness failed.
    pub fn encrypt(&self, text: &[u8], random: &dyn Random) -> Result<Ciphertext, Error> {
        if !is_covered(text.len()) {
            return Err(Error::TextLength { length: text.len() });
        }
        for _ in 0..ATTEMPTS {
            let scalar = draw(random)?;
            if let Some(ciphertext) = self.encrypt_with(&scalar, text) {
                return Ok(ciphertext);
            }
        }
        Err(Error::Fault)
    }

    /// None if the key stream is all zeros (A5): another ephemeral scalar is needed.
    fn encrypt_with(&self, scalar: &Scalar, text: &[u8]) -> Option<Ciphertext> {
        let own = Zeroizing::new(comb::multiply_base(scalar));
        let c1 = own.to_affine()?.to_uncompressed();
        let shared = Shared::new(scalar, &self.point)?;
        let stream = shared.stream(text.len());
        let c2 = text.iter().zip(stream.iter()).map(|(text, key)| text ^ key).collect();
        // Such a stream is thrown away with its scalar.
        (!declassify(is_zero(&stream))).then(|| Ciphertext { c1, c3: shared.digest(text), c2 })
    }
}

impl PrivateKey {
    /// Decrypts (GB/T 32918.4 7.1). Constant time in the key; the answer does not say which check failed.
    ///
    /// # Errors
    /// [`Error::Decryption`]: C1 is no point of the curve, the key stream is all zeros, or C3 differs.
    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Result<Secret, Error> {
        let point = Affine::from_uncompressed(&ciphertext.c1).ok_or(Error::Decryption)?;
        if !is_covered(ciphertext.c2.len()) {
            return Err(Error::Decryption);
        }
        let shared = Shared::new(self.scalar(), &point).ok_or(Error::Decryption)?;
        let stream = shared.stream(ciphertext.c2.len());
        let text: Zeroizing<Vec<u8>> =
            Zeroizing::new(ciphertext.c2.iter().zip(stream.iter()).map(|(text, key)| text ^ key).collect());
        let right = shared.digest(&text).ct_eq(&ciphertext.c3) & !subtle::Choice::from(u8::from(is_zero(&stream)));
        // The caller says so in the open.
        if declassify(bool::from(right)) { Ok(Secret::new(text.to_vec())) } else { Err(Error::Decryption) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{RandomUnavailable, SystemRandom};

    struct Given(std::sync::Mutex<Vec<[u8; 32]>>);

    impl Random for Given {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
            let next = self.0.lock().unwrap().pop().ok_or(RandomUnavailable)?;
            buffer.copy_from_slice(&next);
            Ok(())
        }
    }

    /// A key stream of zeros would send the text in the clear (GB/T 32918.4 6.1 A5, 7.1 B4).
    #[test]
    fn a_key_stream_of_zeros_is_not_used() {
        let key = PrivateKey::from_bytes(&[7; 32]).unwrap();
        let public = key.public_key();
        let bytes = |k: u64| Scalar::reduce(&[k, 0, 0, 0]).to_bytes();
        let k = (1..5000).find(|k| public.encrypt_with(&Scalar::from_bytes(&bytes(*k)).0, b"x").is_none()).unwrap();
        let scalar = Scalar::from_bytes(&bytes(k)).0;
        let other = (1..).find(|k| public.encrypt_with(&Scalar::from_bytes(&bytes(*k)).0, b"x").is_some()).unwrap();
        let random = Given(std::sync::Mutex::new(vec![bytes(other), bytes(k)]));
        let expected = public.encrypt_with(&Scalar::from_bytes(&bytes(other)).0, b"x").unwrap();
        assert_eq!(public.encrypt(b"x", &random), Ok(expected));
        let stuck = Given(std::sync::Mutex::new(vec![bytes(k); 64]));
        assert_eq!(public.encrypt(b"x", &stuck), Err(Error::Fault));
        let shared = Shared::new(&scalar, &public.point).unwrap();
        let c1 = comb::multiply_base(&scalar).to_affine().unwrap().to_uncompressed();
        let forged = Ciphertext { c1, c3: shared.digest(b"x"), c2: b"x".to_vec() };
        assert_eq!(key.decrypt(&forged).map(|_| ()), Err(Error::Decryption));
    }

    #[test]
    fn any_change_is_refused_alike() {
        let key = PrivateKey::from_bytes(&[7; 32]).unwrap();
        let made = key.public_key().encrypt(b"a text of some length, longer than one block", &SystemRandom).unwrap();
        assert!(key.decrypt(&made).is_ok());
        let whole = made.to_c1c3c2();
        for position in 0..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 0x10;
            let changed = Ciphertext::from_c1c3c2(&changed).unwrap();
            assert_eq!(key.decrypt(&changed).map(|_| ()), Err(Error::Decryption), "{position}");
        }
        let empty = Ciphertext { c2: Vec::new(), ..made };
        assert_eq!(key.decrypt(&empty).map(|_| ()), Err(Error::Decryption));
        assert_eq!(key.public_key().encrypt(b"", &SystemRandom), Err(Error::TextLength { length: 0 }));
        assert_eq!((Ciphertext::from_c1c3c2(&whole[..97]), Ciphertext::from_c1c2c3(&whole[..97])), (None, None));
        assert_eq!((Ciphertext::from_c1c3c2(&[]), Ciphertext::from_c1c2c3(&whole[..64])), (None, None));
    }
}
