//! X.509 certificates (RFC 5280 4.1, GB/T 20518 5): read as borrowed slices, written as DER.
//!
//! Accepted: version 3 and version 1 without extensions; SM2 parameters NULL or absent; an explicit `critical FALSE`.
//! Refused: anything that is not DER, trailing bytes, two extensions of one kind, a signature algorithm that differs
//! inside and outside (RFC 5280 4.1.1.2), empty validity is not judged here.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::format::der::{self, ObjectIdentifier, Tag, Writer};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::extension::{self, BasicConstraints, Extension, ExtensionValue, KeyUsage, NewExtension};
use crate::format::x509::name::Name;

/// What an issuer writes otherwise than RFC 5280 demands, and genuine certificates are read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deviation {
    /// A moment before 2050 as GeneralizedTime instead of UTCTime (RFC 5280 4.1.2.5).
    EarlyGeneralizedTime,
    /// A negative serial number (RFC 5280 4.1.2.2).
    NegativeSerial,
    /// The serial number zero (RFC 5280 4.1.2.2).
    ZeroSerial,
    /// A serial number of more than 20 octets (RFC 5280 4.1.2.2).
    LongSerial,
    /// An issuer without a name (RFC 5280 4.1.2.4).
    EmptyIssuer,
    /// A unique identifier of issuer or subject (RFC 5280 4.1.2.8).
    UniqueIdentifier,
}

impl Deviation {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EarlyGeneralizedTime => "early-generalized-time",
            Self::NegativeSerial => "negative-serial",
            Self::ZeroSerial => "zero-serial",
            Self::LongSerial => "long-serial",
            Self::EmptyIssuer => "empty-issuer",
            Self::UniqueIdentifier => "unique-identifier",
        }
    }
}

/// A certificate as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `tbsCertificate`: what was signed.
    pub tbs: &'a [u8],
    /// `serialNumber`, content octets.
    pub serial: &'a [u8],
    /// `signatureAlgorithm`, the same inside and outside.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// `issuer`.
    pub issuer: Name<'a>,
    /// `notBefore`.
    pub not_before: Timestamp,
    /// `notAfter`.
    pub not_after: Timestamp,
    /// `subject`.
    pub subject: Name<'a>,
    /// `subjectPublicKeyInfo`.
    pub public_key: SubjectPublicKeyInfo<'a>,
    /// `issuerUniqueID` (RFC 5280 4.1.2.8), content octets of the BIT STRING.
    pub issuer_unique_id: Option<&'a [u8]>,
    /// `subjectUniqueID`, content octets of the BIT STRING.
    pub subject_unique_id: Option<&'a [u8]>,
    /// `extensions`, in order.
    pub extensions: Vec<Extension<'a>>,
    /// `signatureValue` without the octet that counts unused bits.
    pub signature: &'a [u8],
    /// `basicConstraints`, if present.
    pub basic_constraints: Option<BasicConstraints>,
    /// `keyUsage`, if present.
    pub key_usage: Option<KeyUsage>,
    /// The types of `notBefore` and `notAfter`.
    time_tags: [Tag; 2],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as RFC 5280 4.1 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "certificate";
        let raw = der::reader::only(der, WHAT)?;
        if raw.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: raw.tag() });
        }
        let mut outer = raw.inside();
        let tbs = outer.expect(Tag::Sequence, "tbsCertificate")?;
        let outer_algorithm = AlgorithmIdentifier::read(&mut outer, "signatureAlgorithm")?;
        let signature = outer.bit_string("signatureValue")?;
        outer.finish(WHAT)?;

        let mut inner = tbs.inside();
        let version = match inner.optional(context(0), "version")? {
            Some(value) => {
                let mut reader = value.inside();
                let number = reader.small("version")?;
                reader.finish("version")?;
                number
            }
            None => 0,
        };
        let serial = inner.integer("serialNumber")?;
        let signature_algorithm = AlgorithmIdentifier::read(&mut inner, "signature")?;
        if signature_algorithm != outer_algorithm {
            return Err(der::Error::InvalidValue { what: "signatureAlgorithm" });
        }
        let issuer = Name::read(&mut inner, "issuer")?;
        let mut validity = inner.sequence("validity")?;
        let mut time_tags = [Tag::UtcTime; 2];
        let [first, second] = &mut time_tags;
        let mut time = |tag: &mut Tag, what| {
            *tag = validity.peek().unwrap_or(*tag);
            validity.time(what)
        };
        let (not_before, not_after) = (time(first, "notBefore")?, time(second, "notAfter")?);
        validity.finish("validity")?;
        let subject = Name::read(&mut inner, "subject")?;
        let public_key = SubjectPublicKeyInfo::read(&mut inner)?;
        let mut unique = |number| {
            let tag = Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(number) };
            Ok::<_, der::Error>(inner.optional(tag, "unique identifier")?.map(|found| found.content()))
        };
        let (issuer_unique_id, subject_unique_id) = (unique(1)?, unique(2)?);
        let extensions = match inner.optional(context(3), "extensions")? {
            Some(value) => read_extensions(value)?,
            None => Vec::new(),
        };
        inner.finish("tbsCertificate")?;
        if version > 2 || (version < 2 && !extensions.is_empty()) {
            return Err(der::Error::InvalidValue { what: "version" });
        }
        let find = |oid| extensions.iter().find(|e: &&Extension<'_>| e.oid == oid).map(|e| e.value);
        let basic_constraints = find(extension::BASIC_CONSTRAINTS).map(BasicConstraints::parse).transpose()?;
        let key_usage = find(extension::KEY_USAGE).map(KeyUsage::parse).transpose()?;
        Ok(Self {
            raw: raw.raw(),
            tbs: tbs.raw(),
            serial,
            signature_algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            public_key,
            issuer_unique_id,
            subject_unique_id,
            extensions,
            signature,
            basic_constraints,
            key_usage,
            time_tags,
        })
    }

    /// The extension of that kind.
    #[must_use]
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The extension of that type, read: `certificate.extension_of::<NameConstraints<'_>>()`.
    ///
    /// # Errors
    /// It is there, and is not what its standard writes.
    pub fn extension_of<T: ExtensionValue<'a>>(&self) -> Result<Option<T>, der::Error> {
        self.extension(T::OID).map(|extension| T::from_value(extension.value)).transpose()
    }

    /// What it does otherwise than RFC 5280 demands of issuers, though it is read: for those who judge how an authority
    /// writes, not for a verdict.
    #[must_use]
    pub fn deviations(&self) -> Vec<Deviation> {
        let mut found = Vec::new();
        let is_early = |moment: Timestamp| moment.to_utc().year() < 2050;
        let [first, second] = self.time_tags;
        if [(first, self.not_before), (second, self.not_after)]
            .into_iter()
            .any(|(tag, moment)| tag == Tag::GeneralizedTime && is_early(moment))
        {
            found.push(Deviation::EarlyGeneralizedTime);
        }
        match self.serial {
            [0x80..=0xff, ..] => found.push(Deviation::NegativeSerial),
            [0] => found.push(Deviation::ZeroSerial),
            serial if serial.len() > 20 => found.push(Deviation::LongSerial),
            _ => {}
        }
        if self.issuer.is_empty() {
            found.push(Deviation::EmptyIssuer);
        }
        if self.issuer_unique_id.is_some() || self.subject_unique_id.is_some() {
            found.push(Deviation::UniqueIdentifier);
        }
        found
    }

    /// Whether keyUsage, where present, allows signatures over documents and seals: digitalSignature or nonRepudiation
    /// (RFC 5280 4.2.1.3).
    #[must_use]
    pub fn allows_signing(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage.any(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION))
    }

    /// Whether the certificate names where its revocation can be asked (RFC 5280 4.2.1.13, 4.2.2.1).
    #[must_use]
    pub fn names_revocation_source(&self) -> bool {
        self.extension(extension::CRL_DISTRIBUTION_POINTS).is_some()
            || self.extension(extension::AUTHORITY_INFO_ACCESS).is_some()
    }
}

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) }
}

fn read_extensions(value: der::Value<'_>) -> Result<Vec<Extension<'_>>, der::Error> {
    const WHAT: &str = "extensions";
    let mut outer = value.inside();
    let mut list = outer.sequence(WHAT)?;
    outer.finish(WHAT)?;
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let extension = Extension::read(&mut list)?;
        if extensions.iter().any(|known| known.oid == extension.oid) {
            return Err(der::Error::InvalidValue { what: WHAT });
        }
        if extensions.len() >= Limits::DEFAULT.seal_certificates {
            return Err(der::Error::TooMany { what: WHAT, limit: Limits::DEFAULT.seal_certificates });
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

/// What a certificate of ours shall say, before its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate<'a> {
    /// `serialNumber`, big-endian magnitude.
    pub serial: &'a [u8],
    /// The signature algorithm that the issuer will use.
    pub signature_algorithm: ObjectIdentifier,
    /// Issuer's name as DER.
    pub issuer: &'a [u8],
    /// `notBefore`.
    pub not_before: Timestamp,
    /// `notAfter`.
    pub not_after: Timestamp,
    /// Subject's name as DER.
    pub subject: &'a [u8],
    /// Subject's SubjectPublicKeyInfo as DER.
    pub public_key: &'a [u8],
    /// `extensions`, in this order; none is written for an empty list.
    pub extensions: &'a [NewExtension],
}

impl NewCertificate<'_> {
    /// The DER of `tbsCertificate` (RFC 5280 4.1.2): the bytes to sign.
    #[must_use]
    pub fn to_tbs(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.context(0, |version| {
                version.small(2);
            });
            tbs.unsigned(self.serial);
            write_signature_algorithm(tbs, self.signature_algorithm);
            tbs.raw(self.issuer);
            tbs.sequence(|validity| {
                validity.time(self.not_before).time(self.not_after);
            });
            tbs.raw(self.subject).raw(self.public_key);
            if !self.extensions.is_empty() {
                tbs.context(3, |outer| {
                    outer.sequence(|list| self.extensions.iter().for_each(|extension| extension.write(list)));
                });
            }
        });
        writer.into_bytes()
    }

    /// The certificate from its signed part and the encoded signature value.
    #[must_use]
    pub fn assemble(tbs: &[u8], signature_algorithm: ObjectIdentifier, signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|certificate| {
            certificate.raw(tbs);
            write_signature_algorithm(certificate, signature_algorithm);
            certificate.bit_string(signature);
        });
        writer.into_bytes()
    }
}

/// An AlgorithmIdentifier of a signature: parameters absent for SM2 (as CEGN and ofdrw write it), NULL for RSA
/// (RFC 8017 A.2.4), with SM3 too.
pub fn write_signature_algorithm(writer: &mut Writer, oid: ObjectIdentifier) {
    const RSA_ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1");
    const SM3_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.504");
    writer.sequence(|inner| {
        inner.oid(oid);
        if oid.parent() == Some(RSA_ARC) || oid == SM3_RSA {
            inner.null();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::extension::{NameConstraints, SubjectKeyIdentifier};
    use crate::format::x509::name::NewName;

    fn sample() -> Vec<u8> {
        let name = NewName { organisation: "示例".into(), common_name: "根".into() };
        let mut key = Writer::new();
        key.sequence(|info| {
            info.sequence(|algorithm| {
                algorithm.oid(ObjectIdentifier::new_unwrap("1.2.3"));
            });
            info.bit_string(&[1, 2, 3]);
        });
        let oid = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
        let new = NewCertificate {
            serial: &[0x91, 2],
            signature_algorithm: oid,
            issuer: &name.to_der(),
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::MAX,
            subject: &name.to_der(),
            public_key: &key.into_bytes(),
            extensions: &[
                NewExtension::new(true, &BasicConstraints { authority: true, path_length: Some(1) }),
                NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)),
                NewExtension::new(false, &SubjectKeyIdentifier(&[5; 20])),
            ],
        };
        NewCertificate::assemble(&new.to_tbs(), oid, &[9; 70])
    }

    #[test]
    fn what_is_written_is_read_and_a_second_parser_agrees() {
        let der = sample();
        let read = Certificate::parse(&der).unwrap();
        assert_eq!(read.serial, [0, 0x91, 2]);
        assert_eq!(read.subject.display(), "C=CN, O=示例, CN=根");
        assert_eq!(read.not_after, Timestamp::MAX);
        assert_eq!(read.basic_constraints, Some(BasicConstraints { authority: true, path_length: Some(1) }));
        assert_eq!(read.key_usage, Some(KeyUsage(0x60)));
        assert_eq!(read.signature, [9; 70]);
        assert!(!read.names_revocation_source());
        assert_eq!(read.extension_of::<SubjectKeyIdentifier<'_>>(), Ok(Some(SubjectKeyIdentifier(&[5; 20]))));
        assert_eq!(read.extension_of::<NameConstraints<'_>>(), Ok(None));

        let (rest, peer) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert!(rest.is_empty());
        assert!(peer.is_ca());
        assert!(peer.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert_eq!(peer.validity().not_before.timestamp(), 0);
    }

    #[test]
    fn trailing_bytes_and_differing_algorithms_are_refused() {
        let mut der = sample();
        der.push(0);
        assert_eq!(Certificate::parse(&der), Err(der::Error::TrailingBytes { what: "certificate" }));
        let tbs = Certificate::parse(&sample()).unwrap().tbs.to_vec();
        let other = NewCertificate::assemble(&tbs, ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), &[1]);
        assert_eq!(Certificate::parse(&other), Err(der::Error::InvalidValue { what: "signatureAlgorithm" }));
    }

    #[test]
    fn deviations_of_issuers_are_named() {
        let name = NewName { organisation: "示例".into(), common_name: "根".into() }.to_der();
        let oid = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
        let write = |serial: &[u8], issuer: &[u8], times: &[&[u8]], unique: bool| {
            let mut writer = Writer::new();
            writer.sequence(|tbs| {
                tbs.context_primitive(0, &[]).raw(serial);
                write_signature_algorithm(tbs, oid);
                tbs.raw(issuer).raw(&Writer::sequence_of(&times.concat())).raw(&name);
                tbs.raw(&SubjectPublicKeyInfo::write(crate::format::keys::pkcs8::KeyKind::Sm2, &[4; 65]));
                if unique {
                    tbs.context_primitive(2, &[0, 1]);
                }
            });
            let tbs = writer.into_bytes();
            // Version 2, under a tag that the writer has no short way for.
            let place = tbs.windows(2).position(|window| window == [0x80, 0]).unwrap();
            let inside = [&[0xa0, 3, 2, 1, 1], tbs.get(place + 2..).unwrap()].concat();
            NewCertificate::assemble(&Writer::sequence_of(&inside), oid, &[1])
        };
        let utc: &[u8] = b"\x17\x0d300101000000Z";
        let general: &[u8] = b"\x18\x0f20300101000000Z";
        let late: &[u8] = b"\x18\x0f20500101000000Z";
        let deviations = |der: &[u8]| Certificate::parse(der).unwrap().deviations();
        let plain = &[2, 1, 5];
        assert_eq!(deviations(&write(plain, &name, &[utc, late], false)), []);
        assert_eq!(deviations(&write(plain, &name, &[utc, general], false)), [Deviation::EarlyGeneralizedTime]);
        assert_eq!(deviations(&write(plain, &name, &[general, late], false)), [Deviation::EarlyGeneralizedTime]);
        assert_eq!(deviations(&write(&[2, 1, 0x85], &name, &[utc, utc], false)), [Deviation::NegativeSerial]);
        assert_eq!(deviations(&write(&[2, 1, 0], &name, &[utc, utc], false)), [Deviation::ZeroSerial]);
        let long = [&[2, 21][..], &[5; 21]].concat();
        assert_eq!(deviations(&write(&long, &name, &[utc, utc], false)), [Deviation::LongSerial]);
        assert_eq!(deviations(&write(plain, &[0x30, 0], &[utc, utc], false)), [Deviation::EmptyIssuer]);
        let der = write(plain, &name, &[utc, utc], true);
        assert_eq!(deviations(&der), [Deviation::UniqueIdentifier]);
        assert_eq!(Certificate::parse(&der).unwrap().subject_unique_id, Some(&[0, 1][..]));
        let names: std::collections::BTreeSet<_> = [
            Deviation::EarlyGeneralizedTime,
            Deviation::NegativeSerial,
            Deviation::ZeroSerial,
            Deviation::LongSerial,
            Deviation::EmptyIssuer,
            Deviation::UniqueIdentifier,
        ]
        .map(Deviation::name)
        .into();
        assert_eq!(names.len(), 6);
    }
}
