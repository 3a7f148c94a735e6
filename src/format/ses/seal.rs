//! The electronic seal, SESeal (GB/T 38540-2020, clause 6 as remembered; GM/T 0031-2014 and GM/T 0031-2025 as open
//! implementations have them).
//!
//! ```text
//! SESeal ::= SEQUENCE {
//!   eSealInfo SES_SealInfo, cert OCTET STRING, signAlgID OBJECT IDENTIFIER, signedValue BIT STRING }
//! SES_SealInfo ::= SEQUENCE { header SES_Header, esID IA5String, property SES_ESPropertyInfo,
//!                             picture SES_ESPictrueInfo, extDatas ExtensionDatas OPTIONAL }
//! SES_Header ::= SEQUENCE { ID IA5String ("ES"), version INTEGER (4), Vid IA5String }
//! SES_ESPropertyInfo ::= SEQUENCE { type INTEGER, name UTF8String, certListType INTEGER (1 | 2),
//!   certList SES_CertList, createDate GeneralizedTime, validStart GeneralizedTime, validEnd GeneralizedTime }
//! SES_CertList ::= CHOICE { certs SEQUENCE OF OCTET STRING, certDigestList SEQUENCE OF CertDigestObj }
//! CertDigestObj ::= SEQUENCE { type PrintableString, value OCTET STRING }
//! SES_ESPictrueInfo ::= SEQUENCE { type IA5String, data OCTET STRING, width INTEGER, height INTEGER }
//! ExtData ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
//! ```
//!
//! Version 1 has no certListType, whole certificates only, UTCTime, and the maker's part in a structure of its own:
//!
//! ```text
//! SESeal ::= SEQUENCE { esealInfo SES_SealInfo, signInfo SES_SignInfo }
//! SES_SignInfo ::= SEQUENCE { cert OCTET STRING, signatureAlgorithm OBJECT IDENTIFIER, signData BIT STRING }
//! ```
//!
//! Its maker signs `SEQUENCE { esealInfo, cert, signatureAlgorithm }`. Version 5 is version 4 with
//! `timeStamp [0] EXPLICIT BIT STRING OPTIONAL` at the end of SESeal: a token of RFC 3161 (GB/T 20520) over the octets of
//! signedValue. That it is there is seen in an open implementation; what it is over is recollection, by analogy with
//! the time stamp of a signature.

use std::borrow::Cow;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::ses::signature::read_time_stamp;
use crate::format::ses::{Deviation, Error, Kind, Versions};

/// Where the structure is defined.
pub const CLAUSE: &str = "GB/T 38540-2020 6";

/// One extension of a seal or of a signature, `ExtData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionValue<'a> {
    /// `extnID`.
    pub oid: ObjectIdentifier,
    /// `critical`.
    pub critical: bool,
    /// `extnValue`.
    pub value: &'a [u8],
}

/// A digest of a certificate that may use the seal, `CertDigestObj`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateDigest<'a> {
    /// `type`: free text of the maker.
    pub kind: &'a str,
    /// `value`: the digest of the whole DER certificate; its length tells the algorithm.
    pub value: &'a [u8],
}

/// Who may use the seal, `SES_CertList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateList<'a> {
    /// Whole certificates (`certListType` 1).
    Certificates(Vec<&'a [u8]>),
    /// Their digests (`certListType` 2).
    Digests(Vec<CertificateDigest<'a>>),
}

/// Which structure a seal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// GM/T 0031-2014.
    V1,
    /// GB/T 38540-2020.
    V4,
    /// GM/T 0031-2025.
    V5,
}

impl Layout {
    /// `header.version`.
    #[must_use]
    pub const fn version(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// The kind of a signature with such a seal.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::V1 => Kind::SesV1,
            Self::V4 => Kind::SesV4,
            Self::V5 => Kind::SesV5,
        }
    }
}

/// A seal as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SesSeal<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// Its structure.
    pub layout: Layout,
    /// `eSealInfo`.
    pub info: &'a [u8],
    /// `cert` and `signatureAlgorithm` with their tags, which the maker of a seal of version 1 signs too.
    signed_beside: Option<(&'a [u8], &'a [u8])>,
    /// `header.version`.
    pub version: u32,
    /// `header.Vid`: who made the software.
    pub vendor: &'a str,
    /// `esID`: the seal's number; 14 digits in government seals, free text elsewhere.
    pub es_id: &'a str,
    /// `property.type`: vendor-defined.
    pub kind: u32,
    /// `property.name`.
    pub name: &'a str,
    /// `property.certList`.
    pub certificates: CertificateList<'a>,
    /// `property.createDate`.
    pub created: Timestamp,
    /// `property.validStart`.
    pub valid_start: Timestamp,
    /// `property.validEnd`.
    pub valid_end: Timestamp,
    /// `picture.type`: `png`, `ofd`, … in any case.
    pub picture_type: &'a str,
    /// `picture.data`: not looked into.
    pub picture: &'a [u8],
    /// `picture.width`, millimetres.
    pub width: u32,
    /// `picture.height`, millimetres.
    pub height: u32,
    /// `extDatas`.
    pub extensions: Vec<ExtensionValue<'a>>,
    /// `cert`: the maker's certificate.
    pub maker_certificate: &'a [u8],
    /// `signAlgID`.
    pub signature_algorithm: ObjectIdentifier,
    /// `signedValue` without the octet that counts unused bits.
    pub signed_value: &'a [u8],
    /// `timeStamp` of version 5: not looked into.
    pub time_stamp: Option<&'a [u8]>,
    /// Departures from the standard, sorted, each once.
    pub deviations: Vec<Deviation>,
}

impl<'a> SesSeal<'a> {
    /// Reads a seal of version 4 that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as the standard writes it and no [`Deviation`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        Self::parse_versions(der, Versions::Four)
    }

    /// Reads a seal of any known version that fills the bytes.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_any(der: &'a [u8]) -> Result<Self, Error> {
        Self::parse_versions(der, Versions::Any)
    }

    fn parse_versions(der: &'a [u8], versions: Versions) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let seal = Self::read(&mut reader, versions)?;
        reader.finish("SESeal").map_err(structure)?;
        Ok(seal)
    }

    /// What the maker signed: eSealInfo, in version 1 together with certificate and algorithm.
    #[must_use]
    pub fn signed_bytes(&self) -> Cow<'a, [u8]> {
        match self.signed_beside {
            None => Cow::Borrowed(self.info),
            Some((certificate, algorithm)) => {
                Cow::Owned(Writer::sequence_of(&[self.info, certificate, algorithm].concat()))
            }
        }
    }

    /// Reads a seal from where the reader stands.
    pub(in crate::format::ses) fn read(reader: &mut Reader<'a>, versions: Versions) -> Result<Self, Error> {
        let raw = reader.expect(Tag::Sequence, "SESeal").map_err(structure)?;
        let mut deviations = Vec::new();
        let mut outer = raw.inside();
        let info = outer.expect(Tag::Sequence, "eSealInfo").map_err(structure)?;
        let is_v1 = versions == Versions::Any && outer.peek() == Some(Tag::Sequence);
        let mut of_maker = if is_v1 { outer.sequence("signInfo").map_err(structure)? } else { outer.clone() };
        let certificate = of_maker.expect(Tag::OctetString, "cert").map_err(structure)?;
        let mut algorithm = of_maker.clone();
        let signature_algorithm = of_maker.oid("signAlgID").map_err(structure)?;
        let algorithm = algorithm.value("signAlgID").map_err(structure)?;
        let signed_value = of_maker.bit_string("signedValue").map_err(structure)?;
        let mut time_stamp = None;
        if is_v1 {
            of_maker.finish("signInfo").map_err(structure)?;
        } else {
            outer = of_maker;
            if versions == Versions::Any {
                time_stamp = read_time_stamp(&mut outer, &mut deviations).map_err(structure)?;
            }
        }
        outer.finish("SESeal").map_err(structure)?;

        let mut inner = info.inside();
        let mut header = inner.sequence("header").map_err(structure)?;
        if header.ia5("ID").map_err(structure)? != "ES" {
            return Err(Error::HeaderId);
        }
        let version = header.small("version").map_err(structure)?;
        let layout = match (versions, is_v1, version) {
            (_, false, 4) if time_stamp.is_none() => Layout::V4,
            (Versions::Any, true, 1) => Layout::V1,
            (Versions::Any, false, 5) => Layout::V5,
            (Versions::Any, _, found) => return Err(Error::VersionOfStructure { found }),
            (Versions::Four, _, found) => return Err(Error::Version { found }),
        };
        let vendor = header.ia5("Vid").map_err(structure)?;
        header.finish("header").map_err(structure)?;
        let es_id = inner.ia5("esID").map_err(structure)?;
        let property = inner.sequence("property").map_err(structure)?;
        let property = Property::read(property, layout, &mut deviations)?;
        let mut picture = inner.sequence("picture").map_err(structure)?;
        let picture_type = picture.ia5("picture type").map_err(structure)?;
        let picture_bytes = picture.octet_string("picture data").map_err(structure)?;
        let width = picture.small("picture width").map_err(structure)?;
        let height = picture.small("picture height").map_err(structure)?;
        picture.finish("picture").map_err(structure)?;
        let extensions = if inner.is_empty() {
            Vec::new()
        } else {
            let list = inner.sequence("extDatas").map_err(structure)?;
            read_extensions(list, &mut deviations)?
        };
        inner.finish("eSealInfo").map_err(structure)?;
        deviations.sort_unstable();
        deviations.dedup();
        Ok(Self {
            raw: raw.raw(),
            layout,
            info: info.raw(),
            signed_beside: is_v1.then(|| (certificate.raw(), algorithm.raw())),
            version,
            vendor,
            es_id,
            kind: property.kind,
            name: property.name,
            certificates: property.certificates,
            created: property.created,
            valid_start: property.valid_start,
            valid_end: property.valid_end,
            picture_type,
            picture: picture_bytes,
            width,
            height,
            extensions,
            maker_certificate: certificate.content(),
            signature_algorithm,
            signed_value,
            time_stamp,
            deviations,
        })
    }
}

struct Property<'a> {
    kind: u32,
    name: &'a str,
    certificates: CertificateList<'a>,
    created: Timestamp,
    valid_start: Timestamp,
    valid_end: Timestamp,
}

impl<'a> Property<'a> {
    fn read(mut property: Reader<'a>, layout: Layout, deviations: &mut Vec<Deviation>) -> Result<Self, Error> {
        let kind = property.small("property type").map_err(structure)?;
        let name = property.utf8("name").map_err(structure)?;
        let list_type = if layout == Layout::V1 { 1 } else { property.small("certListType").map_err(structure)? };
        let mut list = property.sequence("certList").map_err(structure)?;
        let limit = Limits::DEFAULT.seal_certificates;
        let mut length = 0_usize;
        let mut certificates = match list_type {
            1 => CertificateList::Certificates(Vec::new()),
            2 => CertificateList::Digests(Vec::new()),
            found => return Err(Error::CertListType { found }),
        };
        while !list.is_empty() && length <= limit {
            length = length.saturating_add(1);
            match &mut certificates {
                // A genuine writer put a string where it had no certificate. Such an entry lists nobody.
                CertificateList::Certificates(_) if layout == Layout::V1 && list.peek() == Some(Tag::Ia5String) => {
                    list.ia5("certificate of certList").map_err(structure)?;
                }
                CertificateList::Certificates(all) => {
                    all.push(list.octet_string("certificate of certList").map_err(structure)?);
                }
                CertificateList::Digests(all) => {
                    let mut digest = list.sequence("CertDigestObj").map_err(structure)?;
                    let kind = digest.printable("CertDigestObj type").map_err(structure)?;
                    let value = digest.octet_string("CertDigestObj value").map_err(structure)?;
                    digest.finish("CertDigestObj").map_err(structure)?;
                    all.push(CertificateDigest { kind, value });
                }
            }
        }
        if length == 0 || length > limit {
            return Err(Error::ListLength { what: "certList", found: length, limit });
        }
        let mut date = |what| match (property.peek(), layout) {
            (Some(Tag::UtcTime), Layout::V1) => property.utc_time(what).map_err(structure),
            (Some(Tag::GeneralizedTime), Layout::V1) => {
                deviations.push(Deviation::SealTimesGeneralizedTime);
                property.generalized_time(what).map_err(structure)
            }
            (Some(Tag::UtcTime), _) => {
                deviations.push(Deviation::SealTimesUtcTime);
                property.utc_time(what).map_err(structure)
            }
            _ => property.generalized_time(what).map_err(structure),
        };
        let (created, valid_start, valid_end) = (date("createDate")?, date("validStart")?, date("validEnd")?);
        property.finish("property").map_err(structure)?;
        Ok(Self { kind, name, certificates, created, valid_start, valid_end })
    }
}

const fn structure(source: der::Error) -> Error {
    Error::Structure { clause: CLAUSE, source }
}

/// `ExtensionDatas ::= SEQUENCE OF ExtData`, of a seal or of a signature.
pub(in crate::format::ses) fn read_extensions<'a>(
    mut list: Reader<'a>,
    deviations: &mut Vec<Deviation>,
) -> Result<Vec<ExtensionValue<'a>>, Error> {
    let limit = Limits::DEFAULT.seal_certificates;
    let mut extensions = Vec::new();
    while !list.is_empty() {
        if extensions.len() == limit {
            return Err(Error::ListLength { what: "extDatas", found: limit.saturating_add(1), limit });
        }
        let mut item = list.sequence("ExtData").map_err(structure)?;
        let oid = item.oid("extnID").map_err(structure)?;
        let mut critical = false;
        if item.peek() == Some(Tag::Boolean) {
            critical = item.boolean("critical").map_err(structure)?;
            deviations.push(if critical {
                Deviation::CriticalUnknownExtension
            } else {
                Deviation::ExplicitDefaultFalse
            });
        }
        let value = item.octet_string("extnValue").map_err(structure)?;
        item.finish("ExtData").map_err(structure)?;
        extensions.push(ExtensionValue { oid, critical, value });
    }
    Ok(extensions)
}

/// Whom a seal of ours lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSigners<'a> {
    /// Whole certificates (`certListType` 1).
    Certificates(&'a [&'a [u8]]),
    /// Digests of certificates (`certListType` 2); version 1 knows none.
    Digests(&'a [CertificateDigest<'a>]),
}

/// What a seal of ours shall say, before its maker signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSeal<'a> {
    /// In which structure.
    pub layout: Layout,
    /// `header.Vid`.
    pub vendor: &'a str,
    /// `esID`, ASCII.
    pub es_id: &'a str,
    /// `property.type`.
    pub kind: u32,
    /// `property.name`.
    pub name: &'a str,
    /// Who may use the seal.
    pub signers: NewSigners<'a>,
    /// `property.createDate`.
    pub created: Timestamp,
    /// `property.validStart`.
    pub valid_start: Timestamp,
    /// `property.validEnd`.
    pub valid_end: Timestamp,
    /// `picture.type`, ASCII.
    pub picture_type: &'a str,
    /// `picture.data`.
    pub picture: &'a [u8],
    /// `picture.width`, millimetres.
    pub width: u32,
    /// `picture.height`, millimetres.
    pub height: u32,
}

impl NewSeal<'_> {
    /// The DER of `eSealInfo`.
    ///
    /// A seal of version 1 has times of two digits for the year (UTCTime, to 2049), and lists certificates: digests are
    /// written as nobody there, which no reader takes.
    #[must_use]
    pub fn to_info(&self) -> Vec<u8> {
        let is_v1 = self.layout == Layout::V1;
        let mut writer = Writer::new();
        writer.sequence(|info| {
            info.sequence(|header| {
                header.ia5("ES").small(self.layout.version()).ia5(self.vendor);
            });
            info.ia5(self.es_id);
            info.sequence(|property| {
                property.small(self.kind).utf8(self.name);
                if !is_v1 {
                    property.small(if matches!(self.signers, NewSigners::Certificates(_)) { 1 } else { 2 });
                }
                property.sequence(|list| self.write_list(list));
                for moment in [self.created, self.valid_start, self.valid_end] {
                    if is_v1 {
                        property.time(moment)
                    } else {
                        property.generalized_time(moment)
                    };
                }
            });
            info.sequence(|picture| {
                picture.ia5(self.picture_type).octet_string(self.picture);
                picture.small(self.width).small(self.height);
            });
        });
        writer.into_bytes()
    }

    fn write_list(&self, list: &mut Writer) {
        match self.signers {
            NewSigners::Certificates(all) => {
                for certificate in all {
                    list.octet_string(certificate);
                }
            }
            NewSigners::Digests(_) if self.layout == Layout::V1 => {}
            NewSigners::Digests(all) => {
                for digest in all {
                    list.sequence(|entry| {
                        entry.printable(digest.kind).octet_string(digest.value);
                    });
                }
            }
        }
    }

    /// What the maker signs: `eSealInfo`, in version 1 together with the maker's certificate and algorithm.
    #[must_use]
    pub fn to_sign(
        layout: Layout,
        info: &[u8],
        maker_certificate: &[u8],
        signature_algorithm: ObjectIdentifier,
    ) -> Vec<u8> {
        if layout != Layout::V1 {
            return info.to_vec();
        }
        let mut writer = Writer::new();
        writer.sequence(|signed| {
            signed.raw(info).octet_string(maker_certificate).oid(signature_algorithm);
        });
        writer.into_bytes()
    }

    /// The seal from its `eSealInfo`, the maker's certificate, and the encoded signature value.
    #[must_use]
    pub fn assemble(
        layout: Layout,
        info: &[u8],
        maker_certificate: &[u8],
        signature_algorithm: ObjectIdentifier,
        signed_value: &[u8],
    ) -> Vec<u8> {
        Self::assemble_stamped(layout, info, maker_certificate, signature_algorithm, (signed_value, None))
    }

    /// The same with a time stamp over the octets of the value, which version 5 alone has a place for.
    #[must_use]
    pub fn assemble_stamped(
        layout: Layout,
        info: &[u8],
        maker_certificate: &[u8],
        signature_algorithm: ObjectIdentifier,
        (signed_value, time_stamp): (&[u8], Option<&[u8]>),
    ) -> Vec<u8> {
        let of_maker = |to: &mut Writer| {
            to.octet_string(maker_certificate).oid(signature_algorithm).bit_string(signed_value);
        };
        let mut writer = Writer::new();
        writer.sequence(|seal| {
            seal.raw(info);
            match layout {
                Layout::V1 => {
                    seal.sequence(of_maker);
                }
                Layout::V4 | Layout::V5 => of_maker(seal),
            }
            if let Some(token) = time_stamp.filter(|_| layout == Layout::V5) {
                seal.context(0, |tagged| {
                    tagged.bit_string(token);
                });
            }
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
pub(in crate::format::ses) mod tests;
