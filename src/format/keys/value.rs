//! Signature values of two numbers: SM2 as GM/T 0009 writes them, and as genuine seals do; ECDSA.

use crate::format::der::{self, Reader, Writer};

/// How an SM2 signature value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sm2Encoding {
    /// `SEQUENCE { INTEGER r, INTEGER s }` (GM/T 0009 7.3).
    Der,
    /// r‖s, 64 bytes: not the standard's form, but met in genuine seals (tolerance `raw-rs`).
    Raw,
}

/// An SM2 signature value as r‖s, and how it was written.
///
/// Not checked: that r and s are below n; verification does.
///
/// # Errors
/// Neither form.
pub fn read_sm2_signature(value: &[u8]) -> Result<(Vec<u8>, Sm2Encoding), der::Error> {
    const WHAT: &str = "SM2 signature value";
    // A DER value of exactly 64 bytes would need two integers of 29 bytes: possible, so DER goes first.
    let parsed = read_numbers(value, 32, WHAT).map(|fixed| (fixed, Sm2Encoding::Der));
    if parsed.is_err() && value.len() == 64 { Ok((value.to_vec(), Sm2Encoding::Raw)) } else { parsed }
}

/// `ECDSA-Sig-Value` (RFC 3279 2.2.3) as r‖s of that many octets each; nothing but DER.
///
/// # Errors
/// Another form, or a number that is longer.
pub fn read_ecdsa_signature(value: &[u8], octets: usize) -> Result<Vec<u8>, der::Error> {
    read_numbers(value, octets, "ECDSA-Sig-Value")
}

fn read_numbers(value: &[u8], octets: usize, what: &'static str) -> Result<Vec<u8>, der::Error> {
    let mut outer = Reader::new(value);
    let mut inner = outer.sequence(what)?;
    let (r, s) = (inner.unsigned(what)?, inner.unsigned(what)?);
    inner.finish(what)?;
    outer.finish(what)?;
    let mut fixed = Vec::with_capacity(octets.saturating_mul(2));
    for number in [r, s] {
        let padding = octets.checked_sub(number.len()).ok_or(der::Error::InvalidValue { what })?;
        fixed.extend(std::iter::repeat_n(0, padding));
        fixed.extend_from_slice(number);
    }
    Ok(fixed)
}

/// r‖s, halves of one length, as `SEQUENCE { INTEGER r, INTEGER s }` (GM/T 0009 7.3, RFC 3279 2.2.3).
#[must_use]
pub fn write_sm2_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at_checked(fixed.len() / 2).unwrap_or((fixed, &[]));
    let mut writer = Writer::new();
    writer.sequence(|inner| {
        inner.unsigned(r).unsigned(s);
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm2_values_in_both_forms() {
        let mut fixed = vec![0; 64];
        for (index, byte) in fixed.iter_mut().enumerate().skip(1) {
            *byte = u8::try_from(index).unwrap() | 0x80;
        }
        assert_eq!(read_sm2_signature(&fixed), Ok((fixed.clone(), Sm2Encoding::Raw)));
        let written = write_sm2_signature(&fixed);
        assert_eq!(read_sm2_signature(&written), Ok((fixed, Sm2Encoding::Der)));
        let mut long = written.clone();
        long.push(0);
        let trailing = der::Error::TrailingBytes { what: "SM2 signature value" };
        assert_eq!(read_sm2_signature(&long), Err(trailing));
    }
}
