//! SignedData (RFC 5652 5; GB/T 35275, PKCS#7 9): read as borrowed slices, written as DER.

use crate::format::cms::attribute::{Attribute, NewAttribute, SignedAttributes};
use crate::format::cms::content::{ContentInfo, ContentType, Family, context, primitive};
use crate::format::cms::{Deviation, Error, MAX_ELEMENTS, in_order, write_integer};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Value, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::{Certificate, Name, extension};

/// SignedData as it arrived. Parsed is not verified.
///
/// ```text
/// SignedData ::= SEQUENCE { version INTEGER, digestAlgorithms SET OF AlgorithmIdentifier,
///     encapContentInfo SEQUENCE { eContentType OBJECT IDENTIFIER, eContent [0] EXPLICIT ANY OPTIONAL },
///     certificates [0] IMPLICIT SET OPTIONAL, crls [1] IMPLICIT SET OPTIONAL, signerInfos SET OF SignerInfo }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData<'a> {
    /// The whole ContentInfo.
    pub raw: &'a [u8],
    /// Which family names it.
    pub family: Family,
    /// `version`.
    pub version: u32,
    /// `digestAlgorithms`: a hint only; each signer names its own.
    pub digest_algorithms: Vec<AlgorithmIdentifier<'a>>,
    /// `eContentType`.
    pub content_type: ObjectIdentifier,
    /// `eContent`; `None` where the content is detached. An OCTET STRING in CMS, any type in GB/T 35275 and PKCS#7.
    pub content: Option<Value<'a>>,
    /// `certificates`, in the order of the file.
    pub certificates: Vec<CertificateChoice<'a>>,
    /// `crls`.
    pub crls: Vec<RevocationChoice<'a>>,
    /// `signerInfos`; none where the message only carries certificates.
    pub signers: Vec<SignerInfo<'a>>,
    /// Departures from the standard.
    pub deviations: Vec<Deviation>,
}

/// One of `certificates` (RFC 5652 10.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateChoice<'a> {
    /// An X.509 certificate, not parsed.
    X509(&'a [u8]),
    /// A PKCS#6 extended certificate `[0]`, obsolete.
    Extended(&'a [u8]),
    /// An attribute certificate of version 1 `[1]`, obsolete.
    AttributeV1(&'a [u8]),
    /// An attribute certificate of version 2 `[2]`.
    AttributeV2(&'a [u8]),
    /// Another kind `[3]`.
    Other(&'a [u8]),
}

/// One of `crls` (RFC 5652 10.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationChoice<'a> {
    /// A CRL, not parsed.
    Crl(&'a [u8]),
    /// `[1]`: another kind, such as an OCSP response (RFC 5940).
    Other {
        /// `otherRevInfoFormat`.
        format: ObjectIdentifier,
        /// `otherRevInfo`, tag and length included.
        value: &'a [u8],
    },
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo that fills the bytes.
    ///
    /// # Errors
    /// Not DER, not this structure, another content type, an attribute twice that may stand once.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "SignedData";
        let info = ContentInfo::parse(der)?;
        let (family, mut inner) = info.expect(ContentType::SignedData)?;
        let version = inner.small("SignedData.version")?;
        if !(1..=5).contains(&version) {
            return Err(Error::Version { what: WHAT, version });
        }
        let digest_algorithms = set(inner.expect(Tag::Set, "digestAlgorithms")?, "digestAlgorithms", |reader| {
            Ok(AlgorithmIdentifier::read(reader, "digestAlgorithms")?)
        })?;
        let mut encapsulated = inner.sequence("encapContentInfo")?;
        let content_type = encapsulated.oid("eContentType")?;
        let content = match encapsulated.optional(context(0), "eContent")? {
            Some(value) => {
                let mut content = value.inside();
                let value = content.value("eContent")?;
                content.finish("eContent")?;
                Some(value)
            }
            None => None,
        };
        encapsulated.finish("encapContentInfo")?;
        let (certificates, crls, signers) = tail(&mut inner)?;
        inner.finish(WHAT)?;
        let mut read = Self {
            raw: der,
            family,
            version,
            digest_algorithms,
            content_type,
            content,
            certificates,
            crls,
            signers,
            deviations: Vec::new(),
        };
        read.deviations = read.find_deviations();
        Ok(read)
    }

    fn find_deviations(&self) -> Vec<Deviation> {
        let signers = self.signers.iter();
        let attributes = signers.clone().filter_map(|signer| signer.signed_attributes.as_ref());
        let found = [
            (self.version != self.version_by_rule(), Deviation::SignedDataVersion),
            (signers.clone().any(|signer| signer.version != signer.identifier.version()), Deviation::SignerVersion),
            (attributes.clone().any(|attributes| !attributes.are_in_order()), Deviation::AttributeOrder),
        ];
        found.into_iter().filter_map(|(is, deviation)| is.then_some(deviation)).collect()
    }

    /// The version that RFC 5652 5.1 computes; GB/T 35275 knows only 1.
    fn version_by_rule(&self) -> u32 {
        let certificate = |kind: fn(&CertificateChoice<'_>) -> bool| self.certificates.iter().any(kind);
        let plain = ContentType::from_oid(self.content_type).is_some_and(|(_, kind)| kind == ContentType::Data);
        if self.family == Family::Gm {
            1
        } else if certificate(|choice| matches!(choice, CertificateChoice::Other(_)))
            || self.crls.iter().any(|choice| matches!(choice, RevocationChoice::Other { .. }))
        {
            5
        } else if certificate(|choice| matches!(choice, CertificateChoice::AttributeV2(_))) {
            4
        } else if certificate(|choice| matches!(choice, CertificateChoice::AttributeV1(_)))
            || self.signers.iter().any(|signer| signer.version == 3)
            || !plain
        {
            3
        } else {
            1
        }
    }

    /// The X.509 certificates, not parsed.
    pub fn x509_certificates(&self) -> impl Iterator<Item = &'a [u8]> {
        self.certificates.iter().filter_map(|choice| match choice {
            CertificateChoice::X509(raw) => Some(*raw),
            _ => None,
        })
    }

    /// The octets of attached content that signatures are over: without tag and length (RFC 5652 5.4, PKCS#7 9.3).
    #[must_use]
    pub fn content_octets(&self) -> Option<&'a [u8]> {
        self.content.map(|value| value.content())
    }
}

type Tail<'a> = (Vec<CertificateChoice<'a>>, Vec<RevocationChoice<'a>>, Vec<SignerInfo<'a>>);

/// Certificates, CRLs and signers: the end of SignedData and of SignedAndEnvelopedData.
pub(super) fn tail<'a>(inner: &mut Reader<'a>) -> Result<Tail<'a>, Error> {
    let certificates = match inner.optional(context(0), "certificates")? {
        Some(value) => set(value, "certificates", read_certificate)?,
        None => Vec::new(),
    };
    let crls = match inner.optional(context(1), "crls")? {
        Some(value) => set(value, "crls", read_revocation)?,
        None => Vec::new(),
    };
    let signers = set(inner.expect(Tag::Set, "signerInfos")?, "signerInfos", SignerInfo::read)?;
    Ok((certificates, crls, signers))
}

/// The elements of a SET, bounded in number.
pub(super) fn set<'a, T>(
    value: Value<'a>,
    what: &'static str,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let (mut reader, mut elements) = (value.inside(), Vec::new());
    while !reader.is_empty() {
        if elements.len() >= MAX_ELEMENTS {
            return Err(der::Error::TooMany { what, limit: MAX_ELEMENTS }.into());
        }
        elements.push(read(&mut reader)?);
    }
    Ok(elements)
}

fn read_certificate<'a>(reader: &mut Reader<'a>) -> Result<CertificateChoice<'a>, Error> {
    const WHAT: &str = "certificates";
    let value = reader.value(WHAT)?;
    let raw = value.raw();
    Ok(match value.tag() {
        Tag::Sequence => CertificateChoice::X509(raw),
        tag if tag == context(0) => CertificateChoice::Extended(raw),
        tag if tag == context(1) => CertificateChoice::AttributeV1(raw),
        tag if tag == context(2) => CertificateChoice::AttributeV2(raw),
        tag if tag == context(3) => CertificateChoice::Other(raw),
        found => return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found }.into()),
    })
}

fn read_revocation<'a>(reader: &mut Reader<'a>) -> Result<RevocationChoice<'a>, Error> {
    const WHAT: &str = "crls";
    let value = reader.value(WHAT)?;
    match value.tag() {
        Tag::Sequence => Ok(RevocationChoice::Crl(value.raw())),
        tag if tag == context(1) => {
            let mut inner = value.inside();
            let format = inner.oid("otherRevInfoFormat")?;
            let other = inner.value("otherRevInfo")?.raw();
            inner.finish(WHAT)?;
            Ok(RevocationChoice::Other { format, value: other })
        }
        found => Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found }.into()),
    }
}

/// Which certificate verifies a signature, or opens a key (RFC 5652 5.3, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerIdentifier<'a> {
    /// `issuerAndSerialNumber`.
    IssuerAndSerial {
        /// `issuer`.
        issuer: Name<'a>,
        /// `serialNumber`, content octets.
        serial: &'a [u8],
    },
    /// `subjectKeyIdentifier`.
    SubjectKeyIdentifier(&'a [u8]),
}

impl<'a> SignerIdentifier<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, Error> {
        if let Some(value) = reader.optional(primitive(0), what)? {
            return Ok(Self::SubjectKeyIdentifier(value.content()));
        }
        let mut inner = reader.sequence(what)?;
        let issuer = Name::read(&mut inner, "issuer")?;
        let serial = inner.integer("serialNumber")?;
        inner.finish(what)?;
        Ok(Self::IssuerAndSerial { issuer, serial })
    }

    /// Whether it names that certificate. Names are compared as bytes: both come from the certificate.
    #[must_use]
    pub fn names(&self, certificate: &Certificate<'_>) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                issuer.raw() == certificate.issuer.raw() && *serial == certificate.serial
            }
            Self::SubjectKeyIdentifier(identifier) => {
                let Some(found) = certificate.extension(extension::SUBJECT_KEY_IDENTIFIER) else { return false };
                Reader::new(found.value).octet_string("subjectKeyIdentifier") == Ok(*identifier)
            }
        }
    }

    /// The version of a SignerInfo with it (RFC 5652 5.3).
    const fn version(&self) -> u32 {
        match self {
            Self::IssuerAndSerial { .. } => 1,
            Self::SubjectKeyIdentifier(_) => 3,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                writer.sequence(|inner| {
                    inner.raw(issuer.raw());
                    write_integer(inner, serial);
                });
            }
            Self::SubjectKeyIdentifier(identifier) => _ = writer.context_primitive(0, identifier),
        }
    }
}

/// One signer.
///
/// ```text
/// SignerInfo ::= SEQUENCE { version INTEGER, sid SignerIdentifier, digestAlgorithm AlgorithmIdentifier,
///     signedAttrs [0] IMPLICIT SET OPTIONAL, signatureAlgorithm AlgorithmIdentifier, signature OCTET STRING,
///     unsignedAttrs [1] IMPLICIT SET OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerInfo<'a> {
    /// All of it, as it arrived.
    pub raw: &'a [u8],
    /// `version`.
    pub version: u32,
    /// `sid`.
    pub identifier: SignerIdentifier<'a>,
    /// `digestAlgorithm`.
    pub digest_algorithm: AlgorithmIdentifier<'a>,
    /// `signedAttrs`.
    pub signed_attributes: Option<SignedAttributes<'a>>,
    /// `signatureAlgorithm`; PKCS#7 and GB/T 35275 call it digestEncryptionAlgorithm.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// `signature`.
    pub signature: &'a [u8],
    /// `unsignedAttrs`.
    pub unsigned_attributes: Vec<Attribute<'a>>,
}

impl<'a> SignerInfo<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        const WHAT: &str = "SignerInfo";
        let value = reader.expect(Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let version = inner.small("SignerInfo.version")?;
        if !matches!(version, 1 | 3) {
            return Err(Error::Version { what: WHAT, version });
        }
        let identifier = SignerIdentifier::read(&mut inner, "sid")?;
        let digest_algorithm = AlgorithmIdentifier::read(&mut inner, "digestAlgorithm")?;
        let signed_attributes = inner.optional(context(0), "signedAttrs")?.map(SignedAttributes::read).transpose()?;
        let signature_algorithm = AlgorithmIdentifier::read(&mut inner, "signatureAlgorithm")?;
        let signature = inner.octet_string("signature")?;
        let unsigned_attributes = match inner.optional(context(1), "unsignedAttrs")? {
            Some(value) => Attribute::read_many(value.inside())?,
            None => Vec::new(),
        };
        inner.finish(WHAT)?;
        Ok(Self {
            raw: value.raw(),
            version,
            identifier,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }

    /// The signers of this signature's value, in order (RFC 5652 11.4); an error in the place of one that is none.
    pub fn countersignatures(&self) -> impl Iterator<Item = Result<SignerInfo<'a>, Error>> {
        let attributes = self.unsigned_attributes.iter();
        attributes
            .filter(|attribute| attribute.oid == crate::format::cms::attribute::COUNTERSIGNATURE)
            .flat_map(|attribute| &attribute.values)
            .map(|value| {
                let mut reader = Reader::new(value.raw());
                let signer = Self::read(&mut reader)?;
                reader.finish("countersignature")?;
                Ok(signer)
            })
    }

    /// Time stamps over the signature value, each a ContentInfo (RFC 3161 A).
    pub fn time_stamps(&self) -> impl Iterator<Item = &'a [u8]> {
        let attributes = self.unsigned_attributes.iter();
        attributes
            .filter(|attribute| attribute.oid == crate::format::cms::attribute::TIME_STAMP_TOKEN)
            .flat_map(|attribute| attribute.values.iter().map(|value| value.raw()))
    }
}

/// A signer to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSigner<'a> {
    /// `sid`.
    pub identifier: SignerIdentifier<'a>,
    /// `digestAlgorithm`, DER of the AlgorithmIdentifier.
    pub digest_algorithm: &'a [u8],
    /// `signedAttrs`; those that were signed, in any order. None: the content itself was signed.
    pub signed_attributes: &'a [NewAttribute],
    /// `signatureAlgorithm`, DER of the AlgorithmIdentifier.
    pub signature_algorithm: &'a [u8],
    /// `signature`.
    pub signature: &'a [u8],
    /// `unsignedAttrs`.
    pub unsigned_attributes: &'a [NewAttribute],
}

impl NewSigner<'_> {
    fn to_der(&self, family: Family) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(if family == Family::Gm { 1 } else { self.identifier.version() });
            self.identifier.write(inner);
            inner.raw(self.digest_algorithm);
            write_attributes(inner, 0, self.signed_attributes);
            inner.raw(self.signature_algorithm).octet_string(self.signature);
            write_attributes(inner, 1, self.unsigned_attributes);
        });
        writer.into_bytes()
    }
}

fn write_attributes(writer: &mut Writer, number: u8, attributes: &[NewAttribute]) {
    if !attributes.is_empty() {
        let ordered = in_order(attributes.iter().map(NewAttribute::to_der).collect());
        writer.context(number, |set| {
            set.raw(&ordered);
        });
    }
}

/// SignedData to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignedData<'a> {
    /// Which family names it.
    pub family: Family,
    /// `eContentType`.
    pub content_type: ObjectIdentifier,
    /// `eContent`, the octets of an OCTET STRING; `None` leaves the content detached.
    pub content: Option<&'a [u8]>,
    /// `certificates`, DER each.
    pub certificates: &'a [&'a [u8]],
    /// `crls`, DER each.
    pub crls: &'a [&'a [u8]],
    /// `signerInfos`.
    pub signers: &'a [NewSigner<'a>],
}

impl NewSignedData<'_> {
    /// The ContentInfo as DER, with the version that RFC 5652 5.1 computes (GB/T 35275: 1).
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let with_identifier = |signer: &NewSigner<'_>| signer.identifier.version() == 3;
        let plain = ContentType::from_oid(self.content_type).is_some_and(|(_, kind)| kind == ContentType::Data);
        let version = match self.family {
            Family::Cms if !plain || self.signers.iter().any(with_identifier) => 3,
            _ => 1,
        };
        let mut algorithms: Vec<Vec<u8>> = self.signers.iter().map(|signer| signer.digest_algorithm.to_vec()).collect();
        algorithms.sort();
        algorithms.dedup();
        let copies = |list: &[&[u8]]| list.iter().map(|der| der.to_vec()).collect::<Vec<_>>();
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(version);
            inner.set_of_one(|set| {
                set.raw(&algorithms.concat());
            });
            inner.sequence(|encapsulated| {
                encapsulated.oid(self.content_type);
                if let Some(content) = self.content {
                    encapsulated.context(0, |inner| {
                        inner.octet_string(content);
                    });
                }
            });
            for (number, list) in [(0, self.certificates), (1, self.crls)] {
                if !list.is_empty() {
                    inner.context(number, |set| {
                        set.raw(&in_order(copies(list)));
                    });
                }
            }
            inner.set_of_one(|set| {
                set.raw(&in_order(self.signers.iter().map(|signer| signer.to_der(self.family)).collect()));
            });
        });
        ContentInfo::write(self.family.oid(ContentType::SignedData), &writer.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::NewName;

    const SM3: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x11];

    fn name() -> Vec<u8> {
        NewName { organisation: "示例".into(), common_name: "签名人".into() }.to_der()
    }

    fn signer<'a>(issuer: &'a [u8], attributes: &'a [NewAttribute]) -> NewSigner<'a> {
        let issuer = Name::read(&mut Reader::new(issuer), "x").unwrap();
        NewSigner {
            identifier: SignerIdentifier::IssuerAndSerial { issuer, serial: &[0xff, 0x01] },
            digest_algorithm: SM3,
            signed_attributes: attributes,
            signature_algorithm: SM3,
            signature: b"value",
            unsigned_attributes: &[],
        }
    }

    #[test]
    fn both_families_and_all_forms_there_and_back() {
        let issuer = name();
        for family in Family::ALL {
            let data = family.oid(ContentType::Data);
            let attributes = [NewAttribute::message_digest(&[7; 32]), NewAttribute::content_type(data)];
            for content in [None, Some(b"text".as_slice())] {
                for attributes in [&[][..], &attributes] {
                    let signers = [signer(&issuer, attributes)];
                    let certificate = Writer::sequence_of(b"");
                    let new = NewSignedData {
                        family,
                        content_type: data,
                        content,
                        certificates: &[&certificate],
                        crls: &[],
                        signers: &signers,
                    };
                    let der = new.to_der();
                    let read = SignedData::parse(&der).unwrap();
                    assert_eq!((read.family, read.version, read.content_octets()), (family, 1, content));
                    assert_eq!(read.x509_certificates().collect::<Vec<_>>(), [&certificate[..]]);
                    assert_eq!(read.deviations, []);
                    let [found] = read.signers.as_slice() else { panic!() };
                    assert_eq!((found.identifier, found.signature), (signers[0].identifier, &b"value"[..]));
                    let signed = found.signed_attributes.as_ref();
                    assert_eq!(signed.is_some(), !attributes.is_empty());
                    if let Some(signed) = signed {
                        assert_eq!(signed.to_sign(), NewAttribute::to_sign(attributes));
                        assert_eq!(signed.message_digest, Some(&[7; 32][..]));
                        assert_eq!(signed.content_type, Some(data));
                    }
                }
            }
        }
    }

    #[test]
    fn deviations_are_named_and_versions_bounded() {
        let issuer = name();
        let data = Family::Cms.oid(ContentType::Data);
        let attributes = [NewAttribute::message_digest(&[7; 32]), NewAttribute::content_type(data)];
        let signers = [signer(&issuer, &attributes)];
        let new = NewSignedData {
            family: Family::Cms,
            content_type: data,
            content: None,
            certificates: &[],
            crls: &[],
            signers: &signers,
        };
        let good = new.to_der();
        let version = good.windows(3).position(|found| found == [2, 1, 1]).unwrap() + 2;
        let with = |number: u8| {
            let mut bytes = good.clone();
            bytes[version] = number;
            SignedData::parse(&bytes).map(|read| read.deviations)
        };
        assert_eq!(with(3), Ok(vec![Deviation::SignedDataVersion]));
        assert_eq!(with(0), Err(Error::Version { what: "SignedData", version: 0 }));
        assert_eq!(with(6), Err(Error::Version { what: "SignedData", version: 6 }));
        // The two attributes change places.
        let mut bytes = good.clone();
        let ordered = NewAttribute::to_sign(&attributes);
        let at = bytes.windows(ordered.len() - 2).position(|found| *found == ordered[2..]).unwrap();
        let first = usize::from(ordered[3]) + 2;
        bytes[at..at + ordered.len() - 2].rotate_left(first);
        let read = SignedData::parse(&bytes).unwrap();
        assert_eq!(read.deviations, [Deviation::AttributeOrder]);
        let signed = read.signers[0].signed_attributes.as_ref().unwrap();
        assert_ne!(signed.to_sign(), ordered, "what arrived is what was signed");
    }

    #[test]
    fn other_content_and_what_follows_are_refused() {
        let enveloped = Family::Cms.oid(ContentType::EnvelopedData);
        let der = ContentInfo::write(enveloped, &[0x30, 0]);
        let refused = Error::ContentType { expected: "signedData", found: enveloped };
        assert_eq!(SignedData::parse(&der), Err(refused));
        let (issuer, data) = (name(), Family::Cms.oid(ContentType::Data));
        let signers = vec![signer(&issuer, &[]); MAX_ELEMENTS + 1];
        let (content_type, family) = (data, Family::Cms);
        let new =
            NewSignedData { family, content_type, content: None, certificates: &[], crls: &[], signers: &signers };
        let many = der::Error::TooMany { what: "signerInfos", limit: MAX_ELEMENTS };
        assert_eq!(SignedData::parse(&new.to_der()), Err(Error::Der(many)));
    }
}
