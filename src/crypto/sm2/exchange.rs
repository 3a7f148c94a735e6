//! Key exchange with confirmation (GB/T 32918.3 6.1): an initiator A, a responder B, one key of any length.
//!
//! The states are types: [`Initiator`] after A's ephemeral point was made, [`Responder`] after B knows the key and waits for
//! A's confirmation. Each is used up by the step that follows it.

use zeroize::Zeroizing;

use super::comb;
use super::derivation::derive;
use super::digest::identity;
use super::key::PublicKey;
use super::limbs::Limbs;
use super::multiply::{multiply_public, multiply_secret};
use super::point::Affine;
use super::private::{PrivateKey, draw};
use super::scalar::Scalar;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::secrecy::{self, declassify};
use crate::crypto::sm3::Sm3;

/// The longest key that may be agreed on, in bytes: a bound of ours.
const MAX_KEY: usize = 65_536;

/// Which side of the exchange one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A, who sends the first ephemeral point.
    Initiator,
    /// B.
    Responder,
}

/// One side's long-term part: what is known before any ephemeral point arrives.
struct Side<'a> {
    own: &'a PrivateKey,
    peer: PublicKey,
    own_identity: [u8; 32],
    peer_identity: [u8; 32],
    length: usize,
}

/// An agreed key.
pub struct Agreed {
    /// The key.
    pub key: Secret,
    /// The confirmation that goes to the other side: S_A from the initiator, S_B from the responder.
    pub confirmation: [u8; 32],
}

/// A after its first step: its ephemeral point is to be sent.
pub struct Initiator<'a> {
    side: Side<'a>,
    scalar: Zeroizing<Scalar>,
    point: Affine,
}

/// B after its step: its ephemeral point and S_B are to be sent, A's confirmation is awaited.
pub struct Responder {
    key: Secret,
    point: Affine,
    confirmation: [u8; 32],
    expected: [u8; 32],
}

impl<'a> Side<'a> {
    fn new(own: (&'a PrivateKey, &[u8]), peer: (&PublicKey, &[u8]), length: usize) -> Result<Self, Error> {
        if length == 0 || length > MAX_KEY {
            return Err(Error::DerivedLength { length });
        }
        let (own, own_id) = own;
        let (peer, peer_id) = peer;
        let own_identity = identity(own_id, &own.public_key())?;
        Ok(Self { own, peer: *peer, own_identity, peer_identity: identity(peer_id, peer)?, length })
    }

    /// The key, S_B and S_A (A5 to A10, B5 to B9).
    fn agree(
        &self,
        role: Role,
        scalar: &Scalar,
        own_point: &Affine,
        peer_point: &Affine,
    ) -> Result<(Secret, [u8; 32], [u8; 32]), Error> {
        // t = d + x̄·r; the shared point is t·(P + x̄'·R), the cofactor being 1.
        let own_factor = Zeroizing::new(factor(own_point).multiply(scalar));
        let t = Zeroizing::new(self.own.scalar().add(&own_factor));
        let mut sum = multiply_public(&factor(peer_point), peer_point);
        sum.add_affine_public(&self.peer.point);
        let sum = sum.to_affine().ok_or(Error::KeyExchange)?;
        let product = Zeroizing::new(multiply_secret(&t, &sum));
        let shared = Zeroizing::new(product.to_affine().ok_or(Error::KeyExchange)?);
        let (x, y) = (Zeroizing::new(shared.x.to_bytes()), Zeroizing::new(shared.y.to_bytes()));
        let (za, zb, ra, rb) = match role {
            Role::Initiator => (&self.own_identity, &self.peer_identity, own_point, peer_point),
            Role::Responder => (&self.peer_identity, &self.own_identity, peer_point, own_point),
        };
        let key = derive(&[x.as_ref(), y.as_ref(), za, zb], self.length);
        let inner = digest(&[x.as_ref(), za, zb, &coordinates(ra), &coordinates(rb)]);
        let confirmation = |tag: u8| digest(&[&[tag], y.as_ref(), inner.as_ref()]);
        Ok((Secret::new(key.to_vec()), *confirmation(2), *confirmation(3)))
    }
}

impl<'a> Initiator<'a> {
    /// Begins an exchange as A, with one's own key and signer ID, the other side's, and the length of the key in bytes.
    ///
    /// # Errors
    /// [`Error::IdTooLong`]; [`Error::DerivedLength`] for none or more than 65,536 bytes; the randomness failed.
    pub fn start(
        own: (&'a PrivateKey, &[u8]),
        peer: (&PublicKey, &[u8]),
        length: usize,
        random: &dyn Random,
    ) -> Result<Self, Error> {
        let side = Side::new(own, peer, length)?;
        let (scalar, point) = ephemeral(random)?;
        Ok(Self { side, scalar, point })
    }

    /// R_A, the ephemeral point to send.
    #[must_use]
    pub fn point(&self) -> [u8; 65] {
        self.point.to_uncompressed()
    }

    /// The key, from B's ephemeral point R_B and B's confirmation S_B; S_A is to be sent.
    ///
    /// # Errors
    /// [`Error::NotAPoint`]; [`Error::KeyExchange`]: the confirmation differs, or the shared point is infinity.
    pub fn finish(self, peer_point: &[u8], confirmation: &[u8; 32]) -> Result<Agreed, Error> {
        let peer_point = Affine::from_uncompressed(peer_point).ok_or(Error::NotAPoint)?;
        let (key, s_b, s_a) = self.side.agree(Role::Initiator, &self.scalar, &self.point, &peer_point)?;
        if secrecy::equal(&s_b, confirmation) {
            return Ok(Agreed { key, confirmation: s_a });
        }
        Err(Error::KeyExchange)
    }

    /// The key without confirmation, which GB/T 32918.3 leaves to the parties: nothing proves that B has it.
    ///
    /// # Errors
    /// [`Error::NotAPoint`]; [`Error::KeyExchange`]: the shared point is infinity.
    pub fn finish_unconfirmed(self, peer_point: &[u8]) -> Result<Secret, Error> {
        let peer_point = Affine::from_uncompressed(peer_point).ok_or(Error::NotAPoint)?;
        Ok(self.side.agree(Role::Initiator, &self.scalar, &self.point, &peer_point)?.0)
    }
}

impl Responder {
    /// Answers A's ephemeral point R_A as B, with one's own key and signer ID, the other side's, and the length of the key.
    ///
    /// # Errors
    /// [`Error::NotAPoint`]; [`Error::IdTooLong`]; [`Error::DerivedLength`]; [`Error::KeyExchange`]: the shared point is
    /// infinity; the randomness failed.
    pub fn respond(
        own: (&PrivateKey, &[u8]),
        peer: (&PublicKey, &[u8]),
        length: usize,
        peer_point: &[u8],
        random: &dyn Random,
    ) -> Result<Self, Error> {
        let side = Side::new(own, peer, length)?;
        let peer_point = Affine::from_uncompressed(peer_point).ok_or(Error::NotAPoint)?;
        let (scalar, point) = ephemeral(random)?;
        let (key, confirmation, expected) = side.agree(Role::Responder, &scalar, &point, &peer_point)?;
        Ok(Self { key, point, confirmation, expected })
    }

    /// R_B, the ephemeral point to send.
    #[must_use]
    pub fn point(&self) -> [u8; 65] {
        self.point.to_uncompressed()
    }

    /// S_B, the confirmation to send.
    #[must_use]
    pub fn confirmation(&self) -> [u8; 32] {
        self.confirmation
    }

    /// The key, once A's confirmation S_A is right.
    ///
    /// # Errors
    /// [`Error::KeyExchange`]: it differs.
    pub fn confirm(self, confirmation: &[u8; 32]) -> Result<Secret, Error> {
        if secrecy::equal(&self.expected, confirmation) { Ok(self.key) } else { Err(Error::KeyExchange) }
    }

    /// The key without A's confirmation: nothing proves that A has it.
    #[must_use]
    pub fn unconfirmed(self) -> Secret {
        self.key
    }
}

/// An ephemeral scalar and its multiple of G.
fn ephemeral(random: &dyn Random) -> Result<(Zeroizing<Scalar>, Affine), Error> {
    let scalar = draw(random)?;
    let point = Zeroizing::new(comb::multiply_base(&scalar)).to_affine().ok_or(Error::Fault)?;
    // The point is sent to the other side.
    Ok((scalar, declassify(point)))
}

/// x̄ = 2^127 + (x mod 2^127) of an ephemeral point (w = 127, GB/T 32918.3 6.1).
fn factor(point: &Affine) -> Scalar {
    let [low, high, _, _]: Limbs = point.x.to_canonical();
    Scalar::reduce(&[low, high | 1 << 63, 0, 0])
}

fn coordinates(point: &Affine) -> [u8; 64] {
    let mut bytes = [0; 64];
    let (x, y) = (point.x.to_bytes(), point.y.to_bytes());
    bytes.iter_mut().zip(x.iter().chain(&y)).for_each(|(to, from)| *to = *from);
    bytes
}

fn digest(parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hash = Sm3::new();
    for part in parts {
        hash.update(part);
    }
    Zeroizing::new(hash.finish())
}
