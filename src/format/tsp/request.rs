//! TimeStampReq (RFC 3161 2.4.1): what a client asks for.

use crate::format::cms::content::context;
use crate::format::cms::{MAX_DEPTH, write_integer};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::tsp::{Error, MAX_OCTETS, bounded_integer, read_extensions};
use crate::format::x509::Extension;

/// `MessageImprint ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, hashedMessage OCTET STRING }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageImprint<'a> {
    /// All of it, as it arrived: the token repeats it.
    pub raw: &'a [u8],
    /// `hashAlgorithm`.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// `hashedMessage`.
    pub digest: &'a [u8],
}

impl<'a> MessageImprint<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        const WHAT: &str = "messageImprint";
        let value = reader.expect(Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let algorithm = AlgorithmIdentifier::read(&mut inner, "hashAlgorithm")?;
        let digest = inner.octet_string("hashedMessage")?;
        inner.finish(WHAT)?;
        if digest.is_empty() || digest.len() > MAX_OCTETS {
            return Err(der::Error::InvalidValue { what: "hashedMessage" }.into());
        }
        Ok(Self { raw: value.raw(), algorithm, digest })
    }

    /// The structure; the parameters are left out (RFC 5754 2).
    #[must_use]
    pub fn write(algorithm: ObjectIdentifier, digest: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|imprint| {
            imprint.sequence(|identifier| {
                identifier.oid(algorithm);
            });
            imprint.octet_string(digest);
        });
        writer.into_bytes()
    }
}

/// A request as it arrived.
///
/// ```text
/// TimeStampReq ::= SEQUENCE { version INTEGER { v1(1) }, messageImprint MessageImprint, reqPolicy OBJECT IDENTIFIER
///     OPTIONAL, nonce INTEGER OPTIONAL, certReq BOOLEAN DEFAULT FALSE, extensions [0] IMPLICIT Extensions OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampReq<'a> {
    /// `messageImprint`.
    pub imprint: MessageImprint<'a>,
    /// `reqPolicy`.
    pub policy: Option<ObjectIdentifier>,
    /// `nonce`, content octets.
    pub nonce: Option<&'a [u8]>,
    /// `certReq`: whether the authority's certificate shall be in the token.
    pub certificate_wanted: bool,
    /// `extensions`.
    pub extensions: Vec<Extension<'a>>,
}

impl<'a> TimeStampReq<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure; [`Error::Version`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "TimeStampReq";
        let value = der::reader::only(der, WHAT)?;
        if value.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: value.tag() }.into());
        }
        der::walk(der, MAX_DEPTH)?;
        let mut inner = value.inside();
        let version = inner.small("version")?;
        if version != 1 {
            return Err(Error::Version { what: WHAT, version });
        }
        let imprint = MessageImprint::read(&mut inner)?;
        let policy = if inner.peek() == Some(Tag::ObjectIdentifier) { Some(inner.oid("reqPolicy")?) } else { None };
        let nonce = if inner.peek() == Some(Tag::Integer) { Some(bounded_integer(&mut inner, "nonce")?) } else { None };
        let certificate_wanted = inner.peek() == Some(Tag::Boolean) && inner.boolean("certReq")?;
        let extensions = match inner.optional(context(0), "extensions")? {
            Some(value) => read_extensions(value.inside())?,
            None => Vec::new(),
        };
        inner.finish(WHAT)?;
        Ok(Self { imprint, policy, nonce, certificate_wanted, extensions })
    }
}

/// A request to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTimeStampReq<'a> {
    /// The digest algorithm.
    pub algorithm: ObjectIdentifier,
    /// The digest.
    pub digest: &'a [u8],
    /// `reqPolicy`.
    pub policy: Option<ObjectIdentifier>,
    /// `nonce`, content octets of an INTEGER.
    pub nonce: Option<&'a [u8]>,
    /// `certReq`.
    pub certificate_wanted: bool,
}

impl NewTimeStampReq<'_> {
    /// The request as DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(1).raw(&MessageImprint::write(self.algorithm, self.digest));
            if let Some(policy) = self.policy {
                inner.oid(policy);
            }
            if let Some(nonce) = self.nonce {
                write_integer(inner, nonce);
            }
            if self.certificate_wanted {
                inner.boolean(true);
            }
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");

    #[test]
    fn every_form_there_and_back() {
        let policy = ObjectIdentifier::new_unwrap("1.2.3.4");
        for policy in [None, Some(policy)] {
            for nonce in [None, Some(&[0x80, 1][..])] {
                for certificate_wanted in [false, true] {
                    let new = NewTimeStampReq { algorithm: SM3, digest: &[7; 32], policy, nonce, certificate_wanted };
                    let der = new.to_der();
                    let read = TimeStampReq::parse(&der).unwrap();
                    assert_eq!((read.imprint.algorithm.oid, read.imprint.digest), (SM3, &[7; 32][..]));
                    assert_eq!(read.imprint.raw, MessageImprint::write(SM3, &[7; 32]));
                    assert_eq!((read.policy, read.nonce), (policy, nonce));
                    assert_eq!((read.certificate_wanted, read.extensions), (certificate_wanted, vec![]));
                }
            }
        }
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        let write = |fill: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.sequence(|inner| fill(inner));
            TimeStampReq::parse(&writer.into_bytes()).map(drop)
        };
        let imprint = MessageImprint::write(SM3, &[7; 32]);
        let extension = |inner: &mut Writer| {
            inner.sequence(|extension| {
                extension.oid(SM3).octet_string(b"");
            });
        };
        assert_eq!(write(&|inner| _ = inner.small(1).raw(&imprint).boolean(false)), Ok(()));
        assert_eq!(
            write(&|inner| _ = inner.small(2).raw(&imprint)),
            Err(Error::Version { what: "TimeStampReq", version: 2 })
        );
        let invalid = |what| Err(Error::Der(der::Error::InvalidValue { what }));
        assert_eq!(write(&|inner| _ = inner.small(1).raw(&imprint).unsigned(&[1; 65])), invalid("nonce"));
        let long = MessageImprint::write(SM3, &[7; 65]);
        assert_eq!(write(&|inner| _ = inner.small(1).raw(&long)), invalid("hashedMessage"));
        let none = MessageImprint::write(SM3, &[]);
        assert_eq!(write(&|inner| _ = inner.small(1).raw(&none)), invalid("hashedMessage"));
        assert_eq!(
            write(&|inner| _ = inner.small(1).raw(&imprint).null()),
            Err(Error::Der(der::Error::TrailingBytes { what: "TimeStampReq" }))
        );
        let with_extensions = |count: usize| {
            write(&|inner| {
                inner.small(1).raw(&imprint).context(0, |list| (0..count).for_each(|_| extension(list)));
            })
        };
        assert_eq!(with_extensions(1), Ok(()));
        assert_eq!(with_extensions(2), invalid("extensions"));
    }
}
