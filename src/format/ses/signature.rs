//! The electronic seal signature, SES_Signature (GB/T 38540-2020, clause 7 as remembered; GM/T 0031-2014 as open
//! implementations have it).
//!
//! ```text
//! SES_Signature ::= SEQUENCE { toSign TBS_Sign, cert OCTET STRING, signatureAlgID OBJECT IDENTIFIER,
//!                              signature BIT STRING, timeStamp [0] EXPLICIT BIT STRING OPTIONAL }
//! TBS_Sign ::= SEQUENCE { version INTEGER, eseal SESeal, timeInfo GeneralizedTime, dataHash BIT STRING,
//!                         propertyInfo IA5String, extDatas [0] EXPLICIT ExtensionDatas OPTIONAL }
//! ```
//!
//! Version 5 has the same shape. In version 1 certificate and algorithm are signed too, and timeInfo is free:
//!
//! ```text
//! SES_Signature ::= SEQUENCE { toSign TBS_Sign, signature BIT STRING }
//! TBS_Sign ::= SEQUENCE { version INTEGER, eseal SESeal, timeInfo BIT STRING, dataHash BIT STRING,
//!                         propertyInfo IA5String, cert OCTET STRING, signatureAlgorithm OBJECT IDENTIFIER }
//! ```

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::ses::seal::{ExtensionValue, Layout, SesSeal, read_extensions};
use crate::format::ses::time_info::{TimeInfo, Zone};
use crate::format::ses::{Deviation, Error, Kind, Versions};

/// Where the structure is defined.
pub const CLAUSE: &str = "GB/T 38540-2020 7";

const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(0) };

/// A seal signature as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SesSignature<'a> {
    /// Its version, by structure.
    pub kind: Kind,
    /// `toSign`: what the signer signed. Certificate, algorithm and time stamp lie outside of it, but in version 1.
    pub tbs: &'a [u8],
    /// `toSign.version`.
    pub version: u32,
    /// `toSign.eseal`.
    pub seal: SesSeal<'a>,
    /// `toSign.timeInfo`: when the signer says that it signed; `None` where version 1 says nothing that can be read.
    pub time: Option<Timestamp>,
    /// Whether the time came without a zone and was read as China's.
    pub time_zone_assumed: bool,
    /// `toSign.timeInfo` as text; empty where it is none.
    pub time_text: &'a str,
    /// `toSign.dataHash`.
    pub data_hash: &'a [u8],
    /// `toSign.propertyInfo`: the absolute path of Signature.xml in all genuine files.
    pub property_info: &'a str,
    /// `toSign.extDatas`.
    pub extensions: Vec<ExtensionValue<'a>>,
    /// `cert`: the signer's certificate.
    pub certificate: &'a [u8],
    /// `signatureAlgID`.
    pub signature_algorithm: ObjectIdentifier,
    /// `signature` without the octet that counts unused bits.
    pub signature: &'a [u8],
    /// `timeStamp`: a token (GB/T 20520), not looked into.
    pub time_stamp: Option<&'a [u8]>,
    /// Departures from the standard, those of the seal inside included; sorted, each once.
    pub deviations: Vec<Deviation>,
}

impl<'a> SesSignature<'a> {
    /// Reads a signature of version 4 that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as the standard writes it and no [`Deviation`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        Self::parse_versions(der, Versions::Four)
    }

    /// Reads a signature of any known version that fills the bytes.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_any(der: &'a [u8]) -> Result<Self, Error> {
        Self::parse_versions(der, Versions::Any)
    }

    fn parse_versions(der: &'a [u8], versions: Versions) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let mut outer = reader.sequence("SES_Signature").map_err(structure)?;
        reader.finish("SES_Signature").map_err(structure)?;
        let tbs = outer.expect(Tag::Sequence, "toSign").map_err(structure)?;
        if versions == Versions::Any && outer.peek() == Some(Tag::BitString) {
            let signature = outer.bit_string("signature").map_err(structure)?;
            outer.finish("SES_Signature").map_err(structure)?;
            return Self::read_v1(tbs, signature);
        }
        let certificate = outer.octet_string("cert").map_err(structure)?;
        let signature_algorithm = outer.oid("signatureAlgID").map_err(structure)?;
        let signature = outer.bit_string("signature").map_err(structure)?;
        let mut deviations = Vec::new();
        let time_stamp = read_time_stamp(&mut outer, &mut deviations).map_err(structure)?;
        outer.finish("SES_Signature").map_err(structure)?;

        let mut inner = tbs.inside();
        let version = inner.small("version").map_err(structure)?;
        let seal = SesSeal::read(&mut inner, versions)?;
        if seal.layout == Layout::V1 {
            return Err(Error::VersionOfStructure { found: seal.version });
        }
        let mut clock = inner.clone();
        let time = inner.generalized_time("timeInfo").map_err(structure)?;
        let time_text = clock.value("timeInfo").map_err(structure)?.content();
        let time_text = std::str::from_utf8(time_text).unwrap_or_default();
        let data_hash = inner.bit_string("dataHash").map_err(structure)?;
        let property_info = inner.ia5("propertyInfo").map_err(structure)?;
        let extensions = match inner.optional(CONTEXT_0, "extDatas").map_err(structure)? {
            Some(tagged) => {
                let mut wrapped = tagged.inside();
                let list = wrapped.sequence("extDatas").map_err(structure)?;
                wrapped.finish("extDatas").map_err(structure)?;
                read_extensions(list, &mut deviations)?
            }
            None => Vec::new(),
        };
        inner.finish("toSign").map_err(structure)?;
        let deviations = with_those_of(&seal, deviations);
        Ok(Self {
            kind: seal.layout.kind(),
            tbs: tbs.raw(),
            version,
            seal,
            time: Some(time),
            time_zone_assumed: false,
            time_text,
            data_hash,
            property_info,
            extensions,
            certificate,
            signature_algorithm,
            signature,
            time_stamp,
            deviations,
        })
    }

    /// GM/T 0031-2014, and the layout that puts a seal of version 4 there.
    fn read_v1(tbs: der::Value<'a>, signature: &'a [u8]) -> Result<Self, Error> {
        let mut deviations = Vec::new();
        let mut inner = tbs.inside();
        let version = inner.small("version").map_err(structure)?;
        let seal = SesSeal::read(&mut inner, Versions::Any)?;
        let kind = match seal.layout {
            Layout::V1 => Kind::SesV1,
            Layout::V4 | Layout::V5 => {
                deviations.push(Deviation::HybridLayout);
                Kind::SesHybrid
            }
        };
        let time_info = if inner.peek() == Some(Tag::OctetString) {
            deviations.push(Deviation::TimeInfoOctetString);
            inner.octet_string("timeInfo").map_err(structure)?
        } else {
            inner.bit_string("timeInfo").map_err(structure)?
        };
        let time_info = TimeInfo::read(time_info);
        let data_hash = inner.bit_string("dataHash").map_err(structure)?;
        let property_info = inner.ia5("propertyInfo").map_err(structure)?;
        let certificate = inner.octet_string("cert").map_err(structure)?;
        let signature_algorithm = inner.oid("signatureAlgorithm").map_err(structure)?;
        inner.finish("toSign").map_err(structure)?;
        let deviations = with_those_of(&seal, deviations);
        Ok(Self {
            kind,
            tbs: tbs.raw(),
            version,
            seal,
            time: time_info.moment.map(|(moment, _)| moment),
            time_zone_assumed: time_info.moment.is_some_and(|(_, zone)| zone == Zone::Assumed),
            time_text: time_info.text,
            data_hash,
            property_info,
            extensions: Vec::new(),
            certificate,
            signature_algorithm,
            signature,
            time_stamp: None,
            deviations,
        })
    }
}

/// `timeStamp [0] EXPLICIT BIT STRING OPTIONAL`, of a signature or of a seal of version 5.
pub(in crate::format::ses) fn read_time_stamp<'a>(
    outer: &mut Reader<'a>,
    deviations: &mut Vec<Deviation>,
) -> Result<Option<&'a [u8]>, der::Error> {
    if outer.is_empty() {
        return Ok(None);
    }
    if let Some(tagged) = outer.optional(CONTEXT_0, "timeStamp")? {
        let mut inner = tagged.inside();
        let token = inner.bit_string("timeStamp")?;
        inner.finish("timeStamp")?;
        return Ok(Some(token));
    }
    deviations.push(Deviation::UntaggedTimeStamp);
    outer.bit_string("timeStamp").map(Some)
}

fn with_those_of(seal: &SesSeal<'_>, mut deviations: Vec<Deviation>) -> Vec<Deviation> {
    deviations.extend_from_slice(&seal.deviations);
    deviations.sort_unstable();
    deviations.dedup();
    deviations
}

const fn structure(source: der::Error) -> Error {
    Error::Structure { clause: CLAUSE, source }
}

/// What a signature of ours shall say, before its signer signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignature<'a> {
    /// In which structure: that of the seal.
    pub layout: Layout,
    /// `toSign.eseal`: the seal, byte for byte.
    pub seal: &'a [u8],
    /// `toSign.timeInfo`; in version 1 a UTCTime with its tag, inside the BIT STRING.
    pub time: Timestamp,
    /// `toSign.dataHash`: the digest of Signature.xml.
    pub data_hash: &'a [u8],
    /// `toSign.propertyInfo`: the absolute path of Signature.xml, ASCII.
    pub property_info: &'a str,
    /// `cert`: the signer's certificate, which is signed too in version 1.
    pub certificate: &'a [u8],
    /// `signatureAlgID`, which is signed too in version 1.
    pub signature_algorithm: ObjectIdentifier,
}

impl NewSignature<'_> {
    /// The DER of `toSign`: the bytes that the signer signs.
    #[must_use]
    pub fn to_tbs(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.small(self.layout.version()).raw(self.seal);
            if self.layout == Layout::V1 {
                let mut moment = Writer::new();
                moment.time(self.time);
                tbs.bit_string(moment.as_bytes());
            } else {
                tbs.generalized_time(self.time);
            }
            tbs.bit_string(self.data_hash).ia5(self.property_info);
            if self.layout == Layout::V1 {
                tbs.octet_string(self.certificate).oid(self.signature_algorithm);
            }
        });
        writer.into_bytes()
    }

    /// The signature from its signed part, the signer's certificate, and the encoded signature value.
    #[must_use]
    pub fn assemble(
        layout: Layout,
        tbs: &[u8],
        certificate: &[u8],
        signature_algorithm: ObjectIdentifier,
        signature: &[u8],
    ) -> Vec<u8> {
        Self::assemble_stamped(layout, (tbs, certificate), signature_algorithm, signature, None)
    }

    /// The same with a time stamp over the octets of the value (GB/T 38540-2020 7); version 1 has no place for one.
    #[must_use]
    pub fn assemble_stamped(
        layout: Layout,
        (tbs, certificate): (&[u8], &[u8]),
        signature_algorithm: ObjectIdentifier,
        signature: &[u8],
        time_stamp: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.raw(tbs);
            if layout != Layout::V1 {
                outer.octet_string(certificate).oid(signature_algorithm);
            }
            outer.bit_string(signature);
            if let Some(token) = time_stamp.filter(|_| layout != Layout::V1) {
                outer.context(0, |tagged| {
                    tagged.bit_string(token);
                });
            }
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ses::{Kind, recognise, seal};

    const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

    fn sample() -> Vec<u8> {
        of_layout(Layout::V4)
    }

    fn of_layout(layout: Layout) -> Vec<u8> {
        let seal = seal::tests::of_layout(layout);
        let new = NewSignature {
            layout,
            seal: &seal,
            time: Timestamp::from_unix(1_750_000_000),
            data_hash: &[3; 32],
            property_info: "/Doc_0/Signs/Sign_0/Signature.xml",
            certificate: &[1],
            signature_algorithm: SM2,
        };
        NewSignature::assemble(layout, &new.to_tbs(), &[1], SM2, &[2; 70])
    }

    #[test]
    fn each_layout_is_written_as_it_is_read() {
        for layout in [Layout::V1, Layout::V4, Layout::V5] {
            let der = of_layout(layout);
            assert_eq!(recognise(&der), layout.kind());
            let read = SesSignature::parse_any(&der).unwrap();
            assert_eq!((read.kind, read.version), (layout.kind(), layout.version()));
            assert_eq!((read.time.map(Timestamp::unix), read.time_zone_assumed), (Some(1_750_000_000), false));
            assert_eq!((read.data_hash, read.certificate, read.signature_algorithm), (&[3; 32][..], &[1][..], SM2));
            assert_eq!((read.signature, &read.deviations[..]), (&[2; 70][..], &[][..]));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let der = sample();
        assert_eq!(recognise(&der), Kind::SesV4);
        let read = SesSignature::parse(&der).unwrap();
        assert_eq!(read.seal.raw, seal::tests::sample());
        assert_eq!((read.version, read.data_hash, read.certificate), (4, &[3; 32][..], &[1][..]));
        assert_eq!((read.time.map(Timestamp::unix), read.time_text), (Some(1_750_000_000), "20250615150640Z"));
        assert_eq!(SesSignature::parse_any(&der).as_ref(), Ok(&read));
        assert_eq!(read.property_info, "/Doc_0/Signs/Sign_0/Signature.xml");
        assert_eq!((read.time_stamp, read.deviations), (None, vec![]));
    }

    /// A seal of version 1 and a signature over it; `version` of the header, `time` with its tag.
    fn sample_v1(version: u32, time: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.sequence(|tbs| {
                tbs.small(1).sequence(|seal| {
                    seal.sequence(|info| {
                        info.sequence(|header| {
                            header.ia5("ES").small(version).ia5("yinxin");
                        });
                        info.ia5("99000000000001").sequence(|property| {
                            property.small(1).utf8("示例章").sequence(|list| {
                                list.octet_string(&[1, 2, 3]);
                            });
                            for date in [b"200101000000Z", b"200101000000Z", b"400101000000Z"] {
                                property.raw(&[&[0x17, 13], &date[..]].concat());
                            }
                        });
                        info.sequence(|picture| {
                            picture.ia5("png").octet_string(&[9]).small(42).small(42);
                        });
                    });
                    seal.sequence(|maker| {
                        maker.octet_string(&[5, 6]).oid(SM2).bit_string(&[7; 70]);
                    });
                });
                tbs.raw(time).bit_string(&[3; 32]).ia5("/Signature.xml").octet_string(&[1, 2, 3]).oid(SM2);
            });
            outer.bit_string(&[2; 70]);
        });
        writer.into_bytes()
    }

    fn bits(content: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bit_string(content);
        writer.into_bytes()
    }

    #[test]
    fn version_1_is_read_with_its_free_time() {
        let der = sample_v1(1, &bits(b"2025-06-01 10:03:04"));
        assert_eq!(recognise(&der), Kind::SesV1);
        let read = SesSignature::parse_any(&der).unwrap();
        assert_eq!((read.kind, read.seal.layout, read.time_zone_assumed), (Kind::SesV1, Layout::V1, true));
        assert_eq!((read.time.map(Timestamp::unix), read.deviations.len()), (Some(1_748_743_384), 0));
        let signed = read.seal.signed_bytes();
        let end = [&[4, 2, 5, 6][..], &[6, 8, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75]].concat();
        assert!(signed.starts_with(&[0x30]) && signed.ends_with(&end));
        let octets = [&[4, 19][..], b"2025-06-01 10:03:04"].concat();
        let der = sample_v1(1, &octets);
        let read = SesSignature::parse_any(&der).unwrap();
        assert_eq!(read.deviations, [Deviation::TimeInfoOctetString]);
        let der = sample_v1(4, &octets);
        assert_eq!(SesSignature::parse_any(&der), Err(Error::VersionOfStructure { found: 4 }));
        // What is issued is version 4 alone.
        assert!(matches!(SesSignature::parse(&der), Err(Error::Structure { .. })));
    }

    #[test]
    fn a_seal_of_version_4_in_the_shape_of_version_1_is_told() {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.sequence(|tbs| {
                tbs.small(4).raw(&seal::tests::sample()).bit_string(b"20250601020304Z").bit_string(&[3; 32]);
                tbs.ia5("/Signature.xml").octet_string(&[1]).oid(SM2);
            });
            outer.bit_string(&[2; 70]);
        });
        let der = writer.into_bytes();
        assert_eq!(recognise(&der), Kind::SesHybrid);
        let read = SesSignature::parse_any(&der).unwrap();
        assert_eq!((read.kind, read.deviations), (Kind::SesHybrid, vec![Deviation::HybridLayout]));
        assert_eq!(read.seal.signed_bytes(), read.seal.info);
    }

    #[test]
    fn a_time_stamp_is_written_as_it_is_read() {
        let der = sample();
        let read = SesSignature::parse(&der).unwrap();
        let parts = (read.tbs, read.certificate);
        let stamped = NewSignature::assemble_stamped(Layout::V4, parts, SM2, read.signature, Some(&[9; 20]));
        let again = SesSignature::parse(&stamped).unwrap();
        assert_eq!((again.time_stamp, again.tbs, again.deviations.len()), (Some(&[9; 20][..]), read.tbs, 0));
        let without = NewSignature::assemble_stamped(Layout::V4, parts, SM2, read.signature, None);
        assert_eq!(without, der);
    }

    #[test]
    fn every_truncation_is_refused() {
        let der = sample();
        for length in 0..der.len() {
            let refused = SesSignature::parse(&der[..length]).unwrap_err();
            assert!(matches!(refused, Error::Structure { clause: CLAUSE, .. }), "{length}: {refused:?}");
        }
    }
}
