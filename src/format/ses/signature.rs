//! The electronic seal signature, SES_Signature (GB/T 38540-2020, clause 7 as remembered).
//!
//! ```text
//! SES_Signature ::= SEQUENCE { toSign TBS_Sign, cert OCTET STRING, signatureAlgID OBJECT IDENTIFIER,
//!                              signature BIT STRING, timeStamp [0] EXPLICIT BIT STRING OPTIONAL }
//! TBS_Sign ::= SEQUENCE { version INTEGER, eseal SESeal, timeInfo GeneralizedTime, dataHash BIT STRING,
//!                         propertyInfo IA5String, extDatas [0] EXPLICIT ExtensionDatas OPTIONAL }
//! ```

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::ses::seal::{ExtensionValue, SesSeal, read_extensions};
use crate::format::ses::{Deviation, Error};

/// Where the structure is defined.
pub const CLAUSE: &str = "GB/T 38540-2020 7";

const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(0) };

/// A seal signature as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SesSignature<'a> {
    /// `toSign`: what the signer signed. Certificate, algorithm and time stamp lie outside of it.
    pub tbs: &'a [u8],
    /// `toSign.version`.
    pub version: u32,
    /// `toSign.eseal`.
    pub seal: SesSeal<'a>,
    /// `toSign.timeInfo`: when the signer says that it signed.
    pub time: Timestamp,
    /// `toSign.timeInfo` as text.
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
        let mut reader = Reader::new(der);
        let mut outer = reader.sequence("SES_Signature").map_err(structure)?;
        reader.finish("SES_Signature").map_err(structure)?;
        let tbs = outer.expect(Tag::Sequence, "toSign").map_err(structure)?;
        let certificate = outer.octet_string("cert").map_err(structure)?;
        let signature_algorithm = outer.oid("signatureAlgID").map_err(structure)?;
        let signature = outer.bit_string("signature").map_err(structure)?;
        let mut deviations = Vec::new();
        let time_stamp = if outer.is_empty() {
            None
        } else if let Some(tagged) = outer.optional(CONTEXT_0, "timeStamp").map_err(structure)? {
            let mut inner = tagged.inside();
            let token = inner.bit_string("timeStamp").map_err(structure)?;
            inner.finish("timeStamp").map_err(structure)?;
            Some(token)
        } else {
            deviations.push(Deviation::UntaggedTimeStamp);
            Some(outer.bit_string("timeStamp").map_err(structure)?)
        };
        outer.finish("SES_Signature").map_err(structure)?;

        let mut inner = tbs.inside();
        let version = inner.small("version").map_err(structure)?;
        let seal = SesSeal::read(&mut inner)?;
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
        deviations.extend_from_slice(&seal.deviations);
        deviations.sort_unstable();
        deviations.dedup();
        Ok(Self {
            tbs: tbs.raw(),
            version,
            seal,
            time,
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
}

const fn structure(source: der::Error) -> Error {
    Error::Structure { clause: CLAUSE, source }
}

/// What a signature of ours shall say, before its signer signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignature<'a> {
    /// `toSign.eseal`: the seal, byte for byte.
    pub seal: &'a [u8],
    /// `toSign.timeInfo`.
    pub time: Timestamp,
    /// `toSign.dataHash`: the digest of Signature.xml.
    pub data_hash: &'a [u8],
    /// `toSign.propertyInfo`: the absolute path of Signature.xml, ASCII.
    pub property_info: &'a str,
}

impl NewSignature<'_> {
    /// The DER of `toSign`: the bytes that the signer signs.
    #[must_use]
    pub fn to_tbs(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.small(4).raw(self.seal).generalized_time(self.time);
            tbs.bit_string(self.data_hash).ia5(self.property_info);
        });
        writer.into_bytes()
    }

    /// The signature from its signed part, the signer's certificate, and the encoded signature value.
    #[must_use]
    pub fn assemble(
        tbs: &[u8],
        certificate: &[u8],
        signature_algorithm: ObjectIdentifier,
        signature: &[u8],
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.raw(tbs).octet_string(certificate).oid(signature_algorithm).bit_string(signature);
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
        let seal = seal::tests::sample();
        let new = NewSignature {
            seal: &seal,
            time: Timestamp::from_unix(1_750_000_000),
            data_hash: &[3; 32],
            property_info: "/Doc_0/Signs/Sign_0/Signature.xml",
        };
        NewSignature::assemble(&new.to_tbs(), &[1], SM2, &[2; 70])
    }

    #[test]
    fn what_is_written_is_read() {
        let der = sample();
        assert_eq!(recognise(&der), Kind::SesV4);
        let read = SesSignature::parse(&der).unwrap();
        assert_eq!(read.seal.raw, seal::tests::sample());
        assert_eq!((read.version, read.data_hash, read.certificate), (4, &[3; 32][..], &[1][..]));
        assert_eq!((read.time.unix(), read.time_text), (1_750_000_000, "20250615150640Z"));
        assert_eq!(read.property_info, "/Doc_0/Signs/Sign_0/Signature.xml");
        assert_eq!((read.time_stamp, read.deviations), (None, vec![]));
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
