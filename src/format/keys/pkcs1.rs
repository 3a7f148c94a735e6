//! RSA private keys as PKCS#1 writes them (RFC 8017 A.1.2).

use crate::base::secret::Secret;
use crate::format::der::{self, Reader};
use crate::format::keys::Error;
use crate::format::keys::wiped::copy;

/// Bytes of the longest RSAPrivateKey that is read: one of 8192 bits has 4700.
const MAX_BYTES: usize = 8192;

/// `RSAPrivateKey ::= SEQUENCE { version, modulus, publicExponent, privateExponent, prime1, prime2, exponent1,
/// exponent2, coefficient }`, all INTEGER.
///
/// Not checked: that the numbers fit each other, nor how large they are.
#[derive(Debug)]
pub struct RsaPrivateKey {
    /// The modulus, big-endian, without leading zeros.
    pub modulus: Vec<u8>,
    /// The public exponent, likewise.
    pub exponent: Vec<u8>,
    /// The whole structure.
    pub private: Secret,
}

impl RsaPrivateKey {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure, or numbers too long for the modulus; [`Error::MultiPrime`] for version 1; [`Error::TooLong`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "RSAPrivateKey";
        if der.len() > MAX_BYTES {
            return Err(Error::TooLong { what: WHAT, limit: MAX_BYTES });
        }
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        match inner.small("version")? {
            0 => {}
            1 => return Err(Error::MultiPrime),
            _ => return Err(der::Error::InvalidValue { what: "version" }.into()),
        }
        let modulus = inner.unsigned("modulus")?;
        let whole = modulus.len();
        // Two primes of a product are half as long as it is; a longer one would cost minutes to test for primality.
        let half = whole.div_ceil(2).saturating_add(1);
        let mut bounded = |what, most: usize| match inner.unsigned(what)? {
            number if number.len() > most => Err(der::Error::InvalidValue { what }),
            number => Ok(number),
        };
        let exponent = bounded("publicExponent", whole)?;
        bounded("privateExponent", whole)?;
        for what in ["prime1", "prime2", "exponent1", "exponent2", "coefficient"] {
            bounded(what, half)?;
        }
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec(), private: copy(der) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::Writer;

    fn write(version: u32, numbers: u32) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|key| {
            key.small(version);
            for number in 1..=numbers {
                key.small(number);
            }
        });
        writer.into_bytes()
    }

    #[test]
    fn eight_numbers_and_two_primes() {
        let der = write(0, 8);
        let key = RsaPrivateKey::parse(&der).unwrap();
        assert_eq!((&*key.modulus, &*key.exponent, key.private.expose()), (&[1][..], &[2][..], &*der));
        let refusal = |der: &[u8]| RsaPrivateKey::parse(der).unwrap_err();
        assert_eq!(refusal(&write(1, 9)), Error::MultiPrime);
        assert_eq!(refusal(&write(2, 8)), der::Error::InvalidValue { what: "version" }.into());
        assert_eq!(refusal(&write(0, 7)), der::Error::Missing { what: "coefficient" }.into());
        assert_eq!(refusal(&write(0, 9)), der::Error::TrailingBytes { what: "RSAPrivateKey" }.into());
        let mut long = Writer::new();
        long.sequence(|key| {
            key.small(0).unsigned(&[1; 4]).small(3).small(5).unsigned(&[1; 4]);
            (0..4).for_each(|_| {
                key.small(1);
            });
        });
        assert_eq!(refusal(&long.into_bytes()), der::Error::InvalidValue { what: "prime1" }.into());
        assert_eq!(refusal(&[0; 8193]), Error::TooLong { what: "RSAPrivateKey", limit: 8192 });
    }
}
