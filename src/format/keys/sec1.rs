//! Private keys of elliptic curves as SEC 1 writes them (RFC 5915).

use crate::base::secret::Secret;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::wiped::{INTEGER, OCTET_STRING, SEQUENCE, secret, wrap};
use crate::format::keys::{Error, oid};

/// Bytes of a scalar, for both curves.
const SCALAR: usize = 32;

/// The curves whose keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// The curve of GB/T 32918.5.
    Sm2,
    /// P-256 (FIPS 186-5).
    P256,
}

impl Curve {
    /// Its object identifier.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sm2 => oid::SM2_CURVE,
            Self::P256 => oid::P256_CURVE,
        }
    }

    /// Reads `ECParameters` (RFC 5480 2.1.1) that fill the bytes: a named curve and nothing else.
    ///
    /// # Errors
    /// [`Error::ExplicitCurve`], [`Error::Unsupported`], or not this structure.
    pub fn read_parameters(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let curve = Self::read(&mut reader)?;
        reader.finish("ECParameters")?;
        Ok(curve)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        const WHAT: &str = "ECParameters";
        if reader.peek() == Some(Tag::Sequence) {
            return Err(Error::ExplicitCurve);
        }
        match reader.oid(WHAT)? {
            oid::SM2_CURVE => Ok(Self::Sm2),
            oid::P256_CURVE => Ok(Self::P256),
            oid => Err(Error::Unsupported { what: WHAT, oid }),
        }
    }
}

/// `ECPrivateKey ::= SEQUENCE { version INTEGER 1, privateKey OCTET STRING, parameters [0] ECParameters OPTIONAL,
/// publicKey [1] BIT STRING OPTIONAL }` (RFC 5915 3).
///
/// Not checked: that the scalar is in its range, nor that the public key belongs to it.
#[derive(Debug)]
pub struct EcPrivateKey {
    /// The curve, if the structure names it.
    pub curve: Option<Curve>,
    /// The scalar, 32 bytes, big-endian.
    pub scalar: Secret,
    /// The point as it arrived, if it is there: 04‖x‖y or compressed.
    pub public: Option<Vec<u8>>,
}

impl EcPrivateKey {
    /// Reads one that fills the bytes.
    ///
    /// RFC 5915 3 asks for 32 bytes of scalar; writers that dropped leading zeros are remembered, so fewer are accepted.
    ///
    /// # Errors
    /// Not this structure; [`Error::ExplicitCurve`], [`Error::Unsupported`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "ECPrivateKey";
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        if inner.small("version")? != 1 {
            return Err(der::Error::InvalidValue { what: "version" }.into());
        }
        let scalar = read_scalar(inner.octet_string("privateKey")?)?;
        let curve = match inner.optional(context(0), "parameters")? {
            Some(value) => {
                let mut inside = value.inside();
                let curve = Curve::read(&mut inside)?;
                inside.finish("parameters")?;
                Some(curve)
            }
            None => None,
        };
        let public = match inner.optional(context(1), "publicKey")? {
            Some(value) => {
                let mut inside = value.inside();
                let point = inside.bit_string("publicKey")?;
                inside.finish("publicKey")?;
                if !matches!((point.first(), point.len()), (Some(4), 65) | (Some(2 | 3), 33)) {
                    return Err(der::Error::InvalidValue { what: "publicKey" }.into());
                }
                Some(point.to_vec())
            }
            None => None,
        };
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { curve, scalar, public })
    }

    /// The structure for a scalar of 32 bytes and its point; the curve is named only where nothing around names it.
    #[must_use]
    pub fn write(curve: Option<Curve>, scalar: &Secret, public: &[u8]) -> Secret {
        let mut rest = Writer::new();
        if let Some(curve) = curve {
            rest.context(0, |inside| {
                inside.oid(curve.oid());
            });
        }
        rest.context(1, |inside| {
            inside.bit_string(public);
        });
        let version = wrap(INTEGER, &[&[1]]);
        let scalar = wrap(OCTET_STRING, &[scalar.expose()]); // to be written
        secret(wrap(SEQUENCE, &[&version, &scalar, &rest.into_bytes()]))
    }
}

/// A scalar as 32 bytes.
pub(in crate::format::keys) fn read_scalar(octets: &[u8]) -> Result<Secret, Error> {
    let missing = SCALAR.checked_sub(octets.len()).filter(|_| !octets.is_empty());
    let missing = missing.ok_or(der::Error::InvalidValue { what: "privateKey" })?;
    let mut scalar = Vec::with_capacity(SCALAR);
    scalar.resize(missing, 0);
    scalar.extend_from_slice(octets);
    Ok(Secret::new(scalar))
}

pub(in crate::format::keys) const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(version: u32, scalar: &[u8], parameters: Option<&[u8]>, point: Option<&[u8]>) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|key| {
            key.small(version).octet_string(scalar);
            if let Some(parameters) = parameters {
                key.context(0, |inside| {
                    inside.raw(parameters);
                });
            }
            if let Some(point) = point {
                key.context(1, |inside| {
                    inside.bit_string(point);
                });
            }
        });
        writer.into_bytes()
    }

    #[test]
    fn there_and_back() {
        let (scalar, point) = (Secret::new(vec![7; 32]), [&[4][..], &[9; 64]].concat());
        for curve in [None, Some(Curve::Sm2), Some(Curve::P256)] {
            let written = EcPrivateKey::write(curve, &scalar, &point);
            let read = EcPrivateKey::parse(written.expose()).unwrap();
            assert_eq!((read.curve, read.scalar.expose(), &read.public), (curve, &[7; 32][..], &Some(point.clone())));
            assert!(!format!("{read:?}").contains("7, 7"));
        }
    }

    #[test]
    fn short_scalars_are_filled_up_and_the_rest_is_refused() {
        let read = EcPrivateKey::parse(&structure(1, &[5; 30], None, None)).unwrap();
        assert_eq!(read.scalar.expose(), [&[0, 0][..], &[5; 30]].concat());
        assert_eq!((read.curve, read.public), (None, None));
        let refusal = |der: &[u8]| EcPrivateKey::parse(der).unwrap_err();
        let invalid = |what| Error::from(der::Error::InvalidValue { what });
        assert_eq!(refusal(&structure(1, &[5; 33], None, None)), invalid("privateKey"));
        assert_eq!(refusal(&structure(1, &[], None, None)), invalid("privateKey"));
        assert_eq!(refusal(&structure(0, &[5; 32], None, None)), invalid("version"));
        assert_eq!(refusal(&structure(1, &[5; 32], None, Some(&[4; 64]))), invalid("publicKey"));
        assert_eq!(refusal(&structure(1, &[5; 32], Some(&[0x30, 0]), None)), Error::ExplicitCurve);
        let oid = ObjectIdentifier::new_unwrap("1.3.132.0.10");
        let mut secp256k1 = Writer::new();
        secp256k1.oid(oid);
        let unsupported = Error::Unsupported { what: "ECParameters", oid };
        assert_eq!(refusal(&structure(1, &[5; 32], Some(&secp256k1.into_bytes()), None)), unsupported);
    }
}
