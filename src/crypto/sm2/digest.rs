//! What is signed: e = SM3(Z‖M), where Z binds the signer's ID and key (GB/T 32918.2 5.5, 6.1).

use super::field::FieldElement;
use super::key::PublicKey;
use crate::crypto::Error;
use crate::crypto::sm3::Sm3;

/// The signer ID where nothing else is agreed (GM/T 0009 10).
pub const DEFAULT_ID: &[u8] = b"1234567812345678";

/// The longest ID, in bytes: its length in bits, ENTL, has two bytes (GB/T 32918.2 5.5).
pub const MAX_ID: usize = 8191;

/// Z = SM3(ENTL‖ID‖a‖b‖Gx‖Gy‖x‖y) (GB/T 32918.2 5.5). An empty ID is allowed.
pub(super) fn identity(id: &[u8], key: &PublicKey) -> Result<[u8; 32], Error> {
    let bits = u16::try_from(id.len()).ok().filter(|_| id.len() <= MAX_ID).and_then(|bytes| bytes.checked_mul(8));
    let bits = bits.ok_or(Error::IdTooLong { length: id.len() })?;
    let mut hash = Sm3::new();
    hash.update(&bits.to_be_bytes());
    hash.update(id);
    let three = FieldElement::ONE.double().add(&FieldElement::ONE);
    for coordinate in [three.negate(), FieldElement::B, FieldElement::GX, FieldElement::GY] {
        hash.update(&coordinate.to_bytes());
    }
    let point = key.to_bytes();
    let (_, coordinates) = point.split_at(1);
    hash.update(coordinates);
    Ok(hash.finish())
}

/// The digest of a message that comes in pieces.
#[derive(Clone)]
pub struct MessageDigest(Sm3);

impl MessageDigest {
    /// Begins a message to be signed under that ID and key.
    ///
    /// # Errors
    /// [`Error::IdTooLong`].
    pub fn new(id: &[u8], key: &PublicKey) -> Result<Self, Error> {
        let mut hash = Sm3::new();
        hash.update(&identity(id, key)?);
        Ok(Self(hash))
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest e.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finish()
    }
}
