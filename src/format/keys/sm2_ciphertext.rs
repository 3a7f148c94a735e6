//! SM2 ciphertexts in DER (GM/T 0009 7.2).

use crate::format::der::{self, Reader, Writer};
use crate::format::keys::Error;

/// Bytes of ciphertext that are read; keys and short messages are what SM2 encrypts.
pub const MAX_CIPHERTEXT: usize = 64 << 10;

/// The parts of a ciphertext at fixed width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sm2Ciphertext {
    /// C1: the point 04‖x‖y.
    pub c1: [u8; 65],
    /// C3: the SM3 value.
    pub c3: [u8; 32],
    /// C2: as long as the message.
    pub c2: Vec<u8>,
}

impl Sm2Ciphertext {
    /// `SM2Cipher ::= SEQUENCE { XCoordinate INTEGER, YCoordinate INTEGER, HASH OCTET STRING, CipherText OCTET STRING }`
    /// from where the reader stands.
    ///
    /// Not checked: that the point is on the curve; decryption does.
    ///
    /// # Errors
    /// Not this structure; [`Error::TooLong`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        const WHAT: &str = "SM2Cipher";
        let mut inner = reader.sequence(WHAT)?;
        let (x, y) = (inner.unsigned("XCoordinate")?, inner.unsigned("YCoordinate")?);
        let hash = inner.octet_string("HASH")?;
        let c2 = inner.octet_string("CipherText")?;
        inner.finish(WHAT)?;
        let mut c1 = [0; 65];
        let (form, coordinates) = c1.split_at_mut(1);
        form.fill(4);
        let (to_x, to_y) = coordinates.split_at_mut(32);
        place(to_x, x, "XCoordinate")?;
        place(to_y, y, "YCoordinate")?;
        let c3 = hash.try_into().map_err(|_| der::Error::InvalidValue { what: "HASH" })?;
        if c2.len() > MAX_CIPHERTEXT {
            return Err(Error::TooLong { what: "CipherText", limit: MAX_CIPHERTEXT });
        }
        Ok(Self { c1, c3, c2: c2.to_vec() })
    }

    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let ciphertext = Self::read(&mut reader)?;
        reader.finish("SM2Cipher")?;
        Ok(ciphertext)
    }

    /// The structure.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let (_, coordinates) = self.c1.split_at(1);
        let (x, y) = coordinates.split_at(32);
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.unsigned(x).unsigned(y).octet_string(&self.c3).octet_string(&self.c2);
        });
        writer.into_bytes()
    }
}

/// A magnitude at the end of 32 bytes.
fn place(to: &mut [u8], magnitude: &[u8], what: &'static str) -> Result<(), der::Error> {
    let missing = to.len().checked_sub(magnitude.len()).ok_or(der::Error::InvalidValue { what })?;
    for (to, from) in to.iter_mut().skip(missing).zip(magnitude) {
        *to = *from;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_fixed_width() {
        let mut c1 = [0; 65];
        c1[0] = 4;
        c1[2..33].fill(0x81); // x begins with a zero byte, then with a high bit
        c1[33..].fill(0xff);
        let ciphertext = Sm2Ciphertext { c1, c3: [3; 32], c2: b"message".to_vec() };
        let der = ciphertext.to_der();
        assert_eq!(Sm2Ciphertext::parse(&der), Ok(ciphertext));
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(Sm2Ciphertext::parse(&longer), Err(der::Error::TrailingBytes { what: "SM2Cipher" }.into()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let write = |x: &[u8], hash: &[u8], text: usize| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.unsigned(x).unsigned(&[1]).octet_string(hash).octet_string(&vec![0; text]);
            });
            Sm2Ciphertext::parse(&writer.into_bytes())
        };
        let invalid = |what| Err(Error::from(der::Error::InvalidValue { what }));
        assert!(write(&[1; 32], &[0; 32], MAX_CIPHERTEXT).is_ok());
        assert_eq!(write(&[1; 33], &[0; 32], 1), invalid("XCoordinate"));
        assert_eq!(write(&[1; 32], &[0; 31], 1), invalid("HASH"));
        let long = Error::TooLong { what: "CipherText", limit: MAX_CIPHERTEXT };
        assert_eq!(write(&[1; 32], &[0; 32], MAX_CIPHERTEXT + 1), Err(long));
    }
}
