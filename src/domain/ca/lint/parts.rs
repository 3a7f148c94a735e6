//! A certificate taken apart without judgement: what the rules look at.

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use crate::format::x509::{ExtensionValue, Name};

/// Extensions of one certificate.
const MAX_EXTENSIONS: usize = 64;

/// A time with the type it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// UTCTime or GeneralizedTime.
    pub tag: Tag,
    /// The moment.
    pub moment: Timestamp,
}

/// An extension, and whether a default was written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LintedExtension<'a> {
    /// `extnID`.
    pub oid: ObjectIdentifier,
    /// `critical`.
    pub critical: bool,
    /// `critical FALSE` stands there.
    pub default_written: bool,
    /// The content of `extnValue`.
    pub value: &'a [u8],
}

/// The parts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `version`, 0 where absent.
    pub version: u32,
    /// `serialNumber`, content octets.
    pub serial: &'a [u8],
    /// `signature`, inside.
    pub inner_algorithm: AlgorithmIdentifier<'a>,
    /// `signatureAlgorithm`, outside.
    pub outer_algorithm: AlgorithmIdentifier<'a>,
    /// `issuer`.
    pub issuer: Name<'a>,
    /// `notBefore`.
    pub not_before: Time,
    /// `notAfter`.
    pub not_after: Time,
    /// `subject`.
    pub subject: Name<'a>,
    /// `subjectPublicKeyInfo`.
    pub public_key: SubjectPublicKeyInfo<'a>,
    /// A unique identifier stands there.
    pub unique_identifier: bool,
    /// `extensions`, in order.
    pub extensions: Vec<LintedExtension<'a>>,
}

impl<'a> Parts<'a> {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// It has not the outline of a certificate.
    pub fn read(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "certificate";
        let context = |number| Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) };
        let mut whole = Reader::new(der);
        let mut outer = whole.sequence(WHAT)?;
        whole.finish(WHAT)?;
        let mut inner = outer.sequence("tbsCertificate")?;
        let outer_algorithm = AlgorithmIdentifier::read(&mut outer, "signatureAlgorithm")?;
        outer.bit_string("signatureValue")?;
        outer.finish(WHAT)?;
        let version = match inner.optional(context(0), "version")? {
            Some(value) => value.inside().small("version")?,
            None => 0,
        };
        let serial = inner.expect(Tag::Integer, "serialNumber")?.content();
        let inner_algorithm = AlgorithmIdentifier::read(&mut inner, "signature")?;
        let issuer = Name::read(&mut inner, "issuer")?;
        let mut validity = inner.sequence("validity")?;
        let mut time = |what| {
            let tag = validity.peek().unwrap_or(Tag::Null);
            validity.time(what).map(|moment| Time { tag, moment })
        };
        let (not_before, not_after) = (time("notBefore")?, time("notAfter")?);
        let subject = Name::read(&mut inner, "subject")?;
        let public_key = SubjectPublicKeyInfo::read(&mut inner)?;
        let mut unique_identifier = false;
        for number in [1, 2] {
            let tag = Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(number) };
            unique_identifier |= inner.optional(tag, "unique identifier")?.is_some();
        }
        let extensions = match inner.optional(context(3), "extensions")? {
            Some(value) => read_extensions(&mut value.inside().sequence("extensions")?)?,
            None => Vec::new(),
        };
        inner.finish("tbsCertificate")?;
        Ok(Self {
            raw: der,
            version,
            serial,
            inner_algorithm,
            outer_algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            public_key,
            unique_identifier,
            extensions,
        })
    }

    /// The first extension of that kind.
    #[must_use]
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&LintedExtension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The value of the first extension of that kind, if it can be read.
    #[must_use]
    pub fn value<T: ExtensionValue<'a>>(&self) -> Option<T> {
        T::from_value(self.extension(T::OID)?.value).ok()
    }

    /// Whether basicConstraints say so.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.value::<BasicConstraints>().is_some_and(|constraints| constraints.authority)
    }

    /// The bits of keyUsage; none where it is absent.
    #[must_use]
    pub fn key_usage(&self) -> u16 {
        self.value::<KeyUsage>().map_or(0, |usage| usage.0)
    }

    /// The purposes of extKeyUsage; none where it is absent.
    #[must_use]
    pub fn purposes(&self) -> Vec<ObjectIdentifier> {
        self.value::<ExtendedKeyUsage>().map_or_else(Vec::new, |usage| usage.0)
    }

    /// Whether subject and issuer have one name, octet for octet.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer.raw() == self.subject.raw()
    }
}

fn read_extensions<'a>(list: &mut Reader<'a>) -> Result<Vec<LintedExtension<'a>>, der::Error> {
    const WHAT: &str = "extension";
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() >= MAX_EXTENSIONS {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_EXTENSIONS });
        }
        let mut inner = list.sequence(WHAT)?;
        let oid = inner.oid(WHAT)?;
        let written = if inner.peek() == Some(Tag::Boolean) { Some(inner.boolean(WHAT)?) } else { None };
        let value = inner.octet_string(WHAT)?;
        inner.finish(WHAT)?;
        let critical = written.unwrap_or(false);
        found.push(LintedExtension { oid, critical, default_written: written == Some(false), value });
    }
    Ok(found)
}
