//! Encodings of keys and signature values: SM2 values (GM/T 0009, GB/T 35276), SubjectPublicKeyInfo, PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::format::der::{self, ObjectIdentifier, Reader, Writer};

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
    let parsed = (|| {
        let mut outer = Reader::new(value);
        let mut inner = outer.sequence(WHAT)?;
        let (r, s) = (inner.unsigned(WHAT)?, inner.unsigned(WHAT)?);
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        let mut fixed = Vec::with_capacity(64);
        for number in [r, s] {
            let padding = 32_usize.checked_sub(number.len()).ok_or(der::Error::InvalidValue { what: WHAT })?;
            fixed.extend(std::iter::repeat_n(0, padding));
            fixed.extend_from_slice(number);
        }
        Ok((fixed, Sm2Encoding::Der))
    })();
    if parsed.is_err() && value.len() == 64 { Ok((value.to_vec(), Sm2Encoding::Raw)) } else { parsed }
}

/// r‖s as `SEQUENCE { INTEGER r, INTEGER s }` (GM/T 0009 7.3).
#[must_use]
pub fn write_sm2_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at_checked(32).unwrap_or((fixed, &[]));
    let mut writer = Writer::new();
    writer.sequence(|inner| {
        inner.unsigned(r).unsigned(s);
    });
    writer.into_bytes()
}

/// An `AlgorithmIdentifier` (RFC 5280 4.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmIdentifier<'a> {
    /// The algorithm.
    pub oid: ObjectIdentifier,
    /// Its parameters as they arrived, tag and length included; NULL and absent are both common beside SM2.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> AlgorithmIdentifier<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, der::Error> {
        let mut inner = reader.sequence(what)?;
        let oid = inner.oid(what)?;
        let parameters = if inner.is_empty() { None } else { Some(inner.value(what)?.raw()) };
        inner.finish(what)?;
        Ok(Self { oid, parameters })
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectPublicKeyInfo<'a> {
    /// The whole structure, as it arrived.
    pub raw: &'a [u8],
    /// Which kind of key.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// The key's octets: a point for SM2, an RSAPublicKey for RSA.
    pub key: &'a [u8],
}

impl<'a> SubjectPublicKeyInfo<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "subjectPublicKeyInfo";
        let value = reader.expect(der::Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let algorithm = AlgorithmIdentifier::read(&mut inner, WHAT)?;
        let key = inner.bit_string(WHAT)?;
        inner.finish(WHAT)?;
        Ok(Self { raw: value.raw(), algorithm, key })
    }

    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        let mut reader = Reader::new(der);
        let info = Self::read(&mut reader)?;
        reader.finish("subjectPublicKeyInfo")?;
        Ok(info)
    }
}

/// `RSAPublicKey` (RFC 8017 A.1.1): modulus and exponent, big-endian.
///
/// # Errors
/// Not this structure.
pub fn read_rsa_public_key(der: &[u8]) -> Result<(&[u8], &[u8]), der::Error> {
    const WHAT: &str = "RSAPublicKey";
    let mut outer = Reader::new(der);
    let mut inner = outer.sequence(WHAT)?;
    let numbers = (inner.unsigned(WHAT)?, inner.unsigned(WHAT)?);
    inner.finish(WHAT)?;
    outer.finish(WHAT)?;
    Ok(numbers)
}

/// The contents of all PEM blocks with that label (RFC 7468), in order; other text is passed over.
///
/// A block whose Base64 is broken ends the search with `None`.
#[must_use]
pub fn read_pem(text: &str, label: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(begin.as_str()) {
        let (body, after) = after.split_once(end.as_str())?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        blocks.push(STANDARD.decode(body).ok()?);
        rest = after;
    }
    Some(blocks)
}

/// One PEM block (RFC 7468), lines of 64.
#[must_use]
pub fn write_pem(der: &[u8], label: &str) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
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

    #[test]
    fn pem_there_and_back() {
        let text = format!("noise\n{}{}", write_pem(&[1; 100], "X"), write_pem(&[2], "X"));
        assert_eq!(read_pem(&text, "X"), Some(vec![vec![1; 100], vec![2]]));
        assert_eq!(read_pem(&text, "Y"), Some(vec![]));
        assert_eq!(read_pem("-----BEGIN X-----\n*\n-----END X-----", "X"), None);
    }
}
