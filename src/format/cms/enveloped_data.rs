//! EnvelopedData (RFC 5652 6; GB/T 35275) and SignedAndEnvelopedData (GB/T 35275, PKCS#7 11).
//!
//! Nothing is decrypted here. Recipients that hold a transported key are read in full; those of other kinds are named
//! and kept as they arrived.

use crate::format::cms::attribute::Attribute;
use crate::format::cms::content::{ContentInfo, ContentType, Family, context, primitive};
use crate::format::cms::signed_data::{CertificateChoice, RevocationChoice, SignerIdentifier, SignerInfo, set, tail};
use crate::format::cms::{Error, in_order};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::AlgorithmIdentifier;

/// SM2 public key encryption, the value being an SM2Cipher (GM/T 0009 7.2): what both families transport keys with.
pub const SM2_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301.3");

/// EnvelopedData as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopedData<'a> {
    /// Which family names it.
    pub family: Family,
    /// `version`.
    pub version: u32,
    /// `recipientInfos`.
    pub recipients: Vec<Recipient<'a>>,
    /// `encryptedContentInfo`.
    pub content: EncryptedContent<'a>,
    /// `unprotectedAttrs`.
    pub unprotected_attributes: Vec<Attribute<'a>>,
}

/// One of `recipientInfos` (RFC 5652 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// `ktri`: the key encrypted to a public key.
    KeyTransport(KeyTransport<'a>),
    /// `kari [1]`: the key wrapped under an agreed one; not read further.
    KeyAgreement(&'a [u8]),
    /// `kekri [2]`, `pwri [3]`, `ori [4]`: not read further.
    Other(&'a [u8]),
}

/// `KeyTransRecipientInfo` (RFC 5652 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTransport<'a> {
    /// `rid`.
    pub identifier: SignerIdentifier<'a>,
    /// `keyEncryptionAlgorithm`.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// `encryptedKey`: an SM2Cipher where the algorithm is [`SM2_ENCRYPTION`].
    pub encrypted_key: &'a [u8],
}

/// `EncryptedContentInfo` (RFC 5652 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptedContent<'a> {
    /// `contentType`.
    pub content_type: ObjectIdentifier,
    /// `contentEncryptionAlgorithm`.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// `encryptedContent`; `None` where it is kept elsewhere.
    pub ciphertext: Option<&'a [u8]>,
}

impl<'a> EncryptedContent<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        const WHAT: &str = "encryptedContentInfo";
        let mut inner = reader.sequence(WHAT)?;
        let content_type = inner.oid("contentType")?;
        let algorithm = AlgorithmIdentifier::read(&mut inner, "contentEncryptionAlgorithm")?;
        let ciphertext = inner.optional(primitive(0), "encryptedContent")?.map(|value| value.content());
        inner.finish(WHAT)?;
        Ok(Self { content_type, algorithm, ciphertext })
    }
}

fn read_recipient<'a>(reader: &mut Reader<'a>) -> Result<Recipient<'a>, Error> {
    const WHAT: &str = "recipientInfos";
    let value = reader.value(WHAT)?;
    match value.tag() {
        Tag::Sequence => {
            let mut inner = value.inside();
            let version = inner.small("RecipientInfo.version")?;
            if version > 2 {
                return Err(Error::Version { what: "RecipientInfo", version });
            }
            let identifier = SignerIdentifier::read(&mut inner, "rid")?;
            let algorithm = AlgorithmIdentifier::read(&mut inner, "keyEncryptionAlgorithm")?;
            let encrypted_key = inner.octet_string("encryptedKey")?;
            inner.finish(WHAT)?;
            Ok(Recipient::KeyTransport(KeyTransport { identifier, algorithm, encrypted_key }))
        }
        tag if tag == context(1) => Ok(Recipient::KeyAgreement(value.raw())),
        tag if (2..=4).any(|number| tag == context(number)) => Ok(Recipient::Other(value.raw())),
        found => Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found }.into()),
    }
}

impl<'a> EnvelopedData<'a> {
    /// Reads a ContentInfo that fills the bytes.
    ///
    /// # Errors
    /// Not DER, not this structure, another content type.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "EnvelopedData";
        let info = ContentInfo::parse(der)?;
        let (family, mut inner) = info.expect(ContentType::EnvelopedData)?;
        let version = inner.small("EnvelopedData.version")?;
        if version > 4 {
            return Err(Error::Version { what: WHAT, version });
        }
        inner.optional(context(0), "originatorInfo")?;
        let recipients = set(inner.expect(Tag::Set, "recipientInfos")?, "recipientInfos", read_recipient)?;
        let content = EncryptedContent::read(&mut inner)?;
        let unprotected_attributes = match inner.optional(context(1), "unprotectedAttrs")? {
            Some(value) => Attribute::read_many(value.inside())?,
            None => Vec::new(),
        };
        inner.finish(WHAT)?;
        Ok(Self { family, version, recipients, content, unprotected_attributes })
    }

    /// Those that a public key opens.
    pub fn key_transports(&self) -> impl Iterator<Item = &KeyTransport<'a>> {
        self.recipients.iter().filter_map(|recipient| match recipient {
            Recipient::KeyTransport(transport) => Some(transport),
            _ => None,
        })
    }
}

/// SignedAndEnvelopedData: content encrypted, its digest signed.
///
/// ```text
/// SEQUENCE { version, recipientInfos SET, digestAlgorithms SET, encryptedContentInfo, certificates [0] OPTIONAL,
///            crls [1] OPTIONAL, signerInfos SET }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAndEnvelopedData<'a> {
    /// Which family names it.
    pub family: Family,
    /// `version`.
    pub version: u32,
    /// `recipientInfos`.
    pub recipients: Vec<Recipient<'a>>,
    /// `digestAlgorithms`.
    pub digest_algorithms: Vec<AlgorithmIdentifier<'a>>,
    /// `encryptedContentInfo`.
    pub content: EncryptedContent<'a>,
    /// `certificates`.
    pub certificates: Vec<CertificateChoice<'a>>,
    /// `crls`.
    pub crls: Vec<RevocationChoice<'a>>,
    /// `signerInfos`; the signatures are over the content that was encrypted.
    pub signers: Vec<SignerInfo<'a>>,
}

impl<'a> SignedAndEnvelopedData<'a> {
    /// Reads a ContentInfo that fills the bytes.
    ///
    /// # Errors
    /// Not DER, not this structure, another content type.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "SignedAndEnvelopedData";
        let info = ContentInfo::parse(der)?;
        let (family, mut inner) = info.expect(ContentType::SignedAndEnvelopedData)?;
        let version = inner.small("SignedAndEnvelopedData.version")?;
        if version != 1 {
            return Err(Error::Version { what: WHAT, version });
        }
        let recipients = set(inner.expect(Tag::Set, "recipientInfos")?, "recipientInfos", read_recipient)?;
        let digest_algorithms = set(inner.expect(Tag::Set, "digestAlgorithms")?, "digestAlgorithms", |reader| {
            Ok(AlgorithmIdentifier::read(reader, "digestAlgorithms")?)
        })?;
        let content = EncryptedContent::read(&mut inner)?;
        let (certificates, crls, signers) = tail(&mut inner)?;
        inner.finish(WHAT)?;
        Ok(Self { family, version, recipients, digest_algorithms, content, certificates, crls, signers })
    }
}

/// A recipient to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeyTransport<'a> {
    /// `rid`.
    pub identifier: SignerIdentifier<'a>,
    /// `keyEncryptionAlgorithm`, DER of the AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    /// `encryptedKey`.
    pub encrypted_key: &'a [u8],
}

/// EnvelopedData to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnvelopedData<'a> {
    /// Which family names it.
    pub family: Family,
    /// `recipientInfos`.
    pub recipients: &'a [NewKeyTransport<'a>],
    /// `contentType`.
    pub content_type: ObjectIdentifier,
    /// `contentEncryptionAlgorithm`, DER of the AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    /// `encryptedContent`.
    pub ciphertext: &'a [u8],
}

impl NewEnvelopedData<'_> {
    /// The ContentInfo as DER. Versions are those of RFC 5652 6.1 and 6.2.1: 0 throughout where all recipients are
    /// named by issuer and serial number, else 2; GB/T 35275 has 1.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let by_name =
            |identifier: &SignerIdentifier<'_>| matches!(identifier, SignerIdentifier::IssuerAndSerial { .. });
        let version = |plain: bool| match self.family {
            Family::Gm => 1,
            Family::Cms if plain => 0,
            Family::Cms => 2,
        };
        let recipients = self.recipients.iter().map(|recipient| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.small(version(by_name(&recipient.identifier)));
                recipient.identifier.write(inner);
                inner.raw(recipient.algorithm).octet_string(recipient.encrypted_key);
            });
            writer.into_bytes()
        });
        let recipients = in_order(recipients.collect());
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(version(self.recipients.iter().all(|recipient| by_name(&recipient.identifier))));
            inner.set_of_one(|set| {
                set.raw(&recipients);
            });
            inner.sequence(|content| {
                content.oid(self.content_type).raw(self.algorithm).context_primitive(0, self.ciphertext);
            });
        });
        ContentInfo::write(self.family.oid(ContentType::EnvelopedData), &writer.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::{Name, NewName};

    #[test]
    fn envelopes_there_and_back() {
        let issuer = NewName { organisation: "示例".into(), common_name: "根".into() }.to_der();
        let issuer = Name::read(&mut Reader::new(&issuer), "x").unwrap();
        let mut algorithm = Writer::new();
        algorithm.sequence(|inner| _ = inner.oid(SM2_ENCRYPTION));
        let algorithm = algorithm.into_bytes();
        let named = SignerIdentifier::IssuerAndSerial { issuer, serial: &[5] };
        let keyed = SignerIdentifier::SubjectKeyIdentifier(&[7; 20]);
        for family in Family::ALL {
            for (identifiers, version) in [(vec![named], 0), (vec![keyed], 2), (vec![named, keyed], 2)] {
                let recipients: Vec<_> = identifiers
                    .iter()
                    .map(|identifier| NewKeyTransport {
                        identifier: *identifier,
                        algorithm: &algorithm,
                        encrypted_key: b"key",
                    })
                    .collect();
                let content_type = family.oid(ContentType::Data);
                let (recipients, algorithm) = (recipients.as_slice(), algorithm.as_slice());
                let der =
                    NewEnvelopedData { family, recipients, content_type, algorithm, ciphertext: b"text" }.to_der();
                let read = EnvelopedData::parse(&der).unwrap();
                assert_eq!((read.family, read.version), (family, if family == Family::Gm { 1 } else { version }));
                assert_eq!(read.content.ciphertext, Some(&b"text"[..]));
                let found: Vec<_> = read.key_transports().collect();
                assert_eq!(found.len(), identifiers.len());
                for transport in found {
                    assert!(identifiers.contains(&transport.identifier));
                    assert_eq!((transport.algorithm.oid, transport.encrypted_key), (SM2_ENCRYPTION, &b"key"[..]));
                }
                let expected = Error::ContentType {
                    expected: "signedAndEnvelopedData",
                    found: family.oid(ContentType::EnvelopedData),
                };
                assert_eq!(SignedAndEnvelopedData::parse(&der), Err(expected));
            }
        }
    }
}
