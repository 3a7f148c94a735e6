//! Messages that others stream in BER, as DER (RFC 5652 5.2): content is signed without tags and lengths, and the signed
//! attributes as DER, whatever way they travel (RFC 5652 5.4).

use crate::format::cms::MAX_DEPTH;
use crate::format::der::{Error, ber};

pub use ber::is_streamed;

/// The message as DER. Nothing may follow it.
///
/// # Errors
/// As [`ber::to_der`], for values nested up to [`MAX_DEPTH`].
pub fn to_der(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    ber::to_der(bytes, "BER", MAX_DEPTH).map(|mut der| std::mem::take(&mut *der))
}
