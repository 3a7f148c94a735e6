//! Attributes of a signer: those that the signature covers, and the certificates that they name (RFC 5652 11, RFC 5035).

use crate::base::clock::Timestamp;
use crate::format::cms::{Error, MAX_ELEMENTS, in_order, write_integer};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Value, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::{GeneralName, Name};

/// `contentType` (RFC 5652 11.1).
pub const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// `messageDigest` (RFC 5652 11.2).
pub const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// `signingTime` (RFC 5652 11.3).
pub const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
/// `signingCertificate` (RFC 2634 5.4): names certificates by SHA-1.
pub const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// `signingCertificateV2` (RFC 5035 3).
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// `countersignature`, an unsigned attribute (RFC 5652 11.4).
pub const COUNTERSIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
/// `timeStampToken`, an unsigned attribute (RFC 3161 A).
pub const TIME_STAMP_TOKEN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");

/// Those that may stand once, with one value.
const ONCE: [ObjectIdentifier; 5] =
    [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2];

/// `Attribute ::= SEQUENCE { attrType OBJECT IDENTIFIER, attrValues SET OF ANY }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// All of it, as it arrived.
    pub raw: &'a [u8],
    /// `attrType`.
    pub oid: ObjectIdentifier,
    /// `attrValues`, as they arrived.
    pub values: Vec<Value<'a>>,
}

impl<'a> Attribute<'a> {
    /// Reads one that fills the octets.
    ///
    /// # Errors
    /// Not this structure, or too many values.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der);
        let attribute = Self::read(&mut reader)?;
        reader.finish("Attribute")?;
        Ok(attribute)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        const WHAT: &str = "Attribute";
        let value = reader.expect(Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let oid = inner.oid("attrType")?;
        let mut set = inner.expect(Tag::Set, "attrValues")?.inside();
        inner.finish(WHAT)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            if values.len() >= MAX_ELEMENTS {
                return Err(der::Error::TooMany { what: "attrValues", limit: MAX_ELEMENTS }.into());
            }
            values.push(set.value("attrValues")?);
        }
        Ok(Self { raw: value.raw(), oid, values })
    }

    /// The attributes of a SET whose content the reader stands at.
    pub(super) fn read_many(mut reader: Reader<'a>) -> Result<Vec<Self>, Error> {
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            if attributes.len() >= MAX_ELEMENTS {
                return Err(der::Error::TooMany { what: "attributes", limit: MAX_ELEMENTS }.into());
            }
            attributes.push(Self::read(&mut reader)?);
        }
        Ok(attributes)
    }
}

/// `signedAttrs` (authenticatedAttributes): what the signature covers, instead of the content itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAttributes<'a> {
    raw: &'a [u8],
    /// All of them in order, those below too.
    pub attributes: Vec<Attribute<'a>>,
    /// `contentType`.
    pub content_type: Option<ObjectIdentifier>,
    /// `messageDigest`.
    pub message_digest: Option<&'a [u8]>,
    /// `signingTime`: the signer's claim.
    pub signing_time: Option<Timestamp>,
    /// The first certificate of `signingCertificateV2`, else of `signingCertificate`: the signer's own (RFC 5035 3).
    pub signing_certificate: Option<EssCertificate<'a>>,
}

impl<'a> SignedAttributes<'a> {
    /// Reads the attributes of a `[0] IMPLICIT SET OF Attribute`.
    pub(super) fn read(value: Value<'a>) -> Result<Self, Error> {
        let attributes = Attribute::read_many(value.inside())?;
        let one = |oid: ObjectIdentifier| -> Result<Option<Value<'a>>, Error> {
            let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
            match (found.next(), found.next()) {
                (None, _) => Ok(None),
                (Some(Attribute { values, .. }), None) => match values.as_slice() {
                    [value] => Ok(Some(*value)),
                    _ => Err(Error::NotOnce { attribute: oid }),
                },
                _ => Err(Error::NotOnce { attribute: oid }),
            }
        };
        let [content_type, message_digest, signing_time, first, second] = ONCE.map(one);
        let content_type = content_type?.map(|value| Reader::new(value.raw()).oid("contentType")).transpose()?;
        let message_digest =
            message_digest?.map(|value| Reader::new(value.raw()).octet_string("messageDigest")).transpose()?;
        let signing_time = signing_time?.map(|value| Reader::new(value.raw()).time("signingTime")).transpose()?;
        let first = first?.map(|value| EssCertificate::read_first(value, false)).transpose()?;
        let second = second?.map(|value| EssCertificate::read_first(value, true)).transpose()?;
        let signing_certificate = second.or(first);
        Ok(Self { raw: value.raw(), attributes, content_type, message_digest, signing_time, signing_certificate })
    }

    /// As they arrived, with the `[0]` tag.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The bytes that were signed: the same with the tag of a SET in the place of `[0]` (RFC 5652 5.4).
    #[must_use]
    pub fn to_sign(&self) -> Vec<u8> {
        let mut bytes = self.raw.to_vec();
        if let Some(tag) = bytes.first_mut() {
            *tag = 0x31;
        }
        bytes
    }

    /// Whether they stand in the order of DER (X.690 11.6).
    #[must_use]
    pub fn are_in_order(&self) -> bool {
        self.attributes.is_sorted_by(|a, b| a.raw <= b.raw)
    }
}

/// Whether octets could themselves be read as signed attributes: a SET of attributes with a content type and a digest.
///
/// Such content, signed without attributes, gives a value that also fits attributes of a forger's choice, and the
/// other way round (RFC 5652 5.3 leaves the two apart only by the signer's choice).
#[must_use]
pub fn reads_as_attributes(content: &[u8]) -> bool {
    let Ok(value) = der::reader::only(content, "content") else { return false };
    value.tag() == Tag::Set
        && Attribute::read_many(value.inside()).is_ok_and(|attributes| {
            [CONTENT_TYPE, MESSAGE_DIGEST].iter().all(|oid| attributes.iter().any(|found| found.oid == *oid))
        })
}

/// A certificate named by its digest, `ESSCertID` (RFC 2634 5.4.1) or `ESSCertIDv2` (RFC 5035 4).
///
/// ```text
/// ESSCertIDv2 ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier DEFAULT {id-sha256}, certHash OCTET STRING,
///                            issuerSerial SEQUENCE { issuer GeneralNames, serialNumber INTEGER } OPTIONAL }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EssCertificate<'a> {
    /// `hashAlgorithm`: SHA-1 for the first version, SHA-256 for the second where it is absent (RFC 5816 2.2.1).
    pub hash_algorithm: ObjectIdentifier,
    /// `certHash`.
    pub hash: &'a [u8],
    /// `issuerSerial`: the issuer's name, if it is one directory name, and the serial number.
    pub issuer_serial: Option<(Option<Name<'a>>, &'a [u8])>,
}

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

impl<'a> EssCertificate<'a> {
    /// The first of `SigningCertificate ::= SEQUENCE { certs SEQUENCE OF ESSCertID, policies SEQUENCE OPTIONAL }`; the
    /// rest is read for its form.
    fn read_first(value: Value<'a>, second: bool) -> Result<Self, Error> {
        const WHAT: &str = "SigningCertificate";
        let mut outer = Reader::new(value.raw()).sequence(WHAT)?;
        let mut list = outer.sequence("certs")?;
        outer.optional(Tag::Sequence, "policies")?;
        outer.finish(WHAT)?;
        let first = Self::read(&mut list, second)?;
        let mut count = 1_usize;
        while !list.is_empty() {
            count = count.saturating_add(1);
            if count > MAX_ELEMENTS {
                return Err(der::Error::TooMany { what: "certs", limit: MAX_ELEMENTS }.into());
            }
            Self::read(&mut list, second)?;
        }
        Ok(first)
    }

    fn read(list: &mut Reader<'a>, second: bool) -> Result<Self, Error> {
        const WHAT: &str = "ESSCertID";
        let mut inner = list.sequence(WHAT)?;
        let hash_algorithm = match (second, inner.peek()) {
            (false, _) => SHA1,
            (true, Some(Tag::Sequence)) => AlgorithmIdentifier::read(&mut inner, "hashAlgorithm")?.oid,
            (true, _) => SHA256,
        };
        let hash = inner.octet_string("certHash")?;
        let issuer_serial = match inner.optional(Tag::Sequence, "issuerSerial")? {
            Some(value) => {
                let mut both = value.inside();
                let names = both.sequence("issuer")?;
                let serial = both.integer("serialNumber")?;
                both.finish("issuerSerial")?;
                Some((one_directory_name(names)?, serial))
            }
            None => None,
        };
        inner.finish(WHAT)?;
        Ok(Self { hash_algorithm, hash, issuer_serial })
    }
}

/// GeneralNames with exactly one directoryName (RFC 5280 4.2.1.6); `None` for others.
fn one_directory_name(mut names: Reader<'_>) -> Result<Option<Name<'_>>, Error> {
    let first = GeneralName::read(&mut names)?;
    let mut alone = true;
    while !names.is_empty() {
        GeneralName::read(&mut names)?;
        alone = false;
    }
    Ok(match first {
        GeneralName::Directory(name) if alone => Some(name),
        _ => None,
    })
}

/// An attribute to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttribute {
    /// `attrType`.
    pub oid: ObjectIdentifier,
    /// Its one value as DER.
    pub value: Vec<u8>,
}

impl NewAttribute {
    /// `contentType`.
    #[must_use]
    pub fn content_type(content_type: ObjectIdentifier) -> Self {
        Self { oid: CONTENT_TYPE, value: written(|writer| _ = writer.oid(content_type)) }
    }

    /// `messageDigest`.
    #[must_use]
    pub fn message_digest(digest: &[u8]) -> Self {
        Self { oid: MESSAGE_DIGEST, value: written(|writer| _ = writer.octet_string(digest)) }
    }

    /// `signingTime`.
    #[must_use]
    pub fn signing_time(moment: Timestamp) -> Self {
        Self { oid: SIGNING_TIME, value: written(|writer| _ = writer.time(moment)) }
    }

    /// `timeStampToken`, unsigned: a ContentInfo over the signature's value (RFC 3161 A).
    #[must_use]
    pub fn time_stamp_token(token: &[u8]) -> Self {
        Self { oid: TIME_STAMP_TOKEN, value: token.to_vec() }
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        written(|writer| {
            writer.sequence(|inner| {
                inner.oid(self.oid);
                inner.set_of_one(|set| {
                    set.raw(&self.value);
                });
            });
        })
    }

    /// The bytes to sign: a SET of the attributes in the order of DER (RFC 5652 5.4).
    #[must_use]
    pub fn to_sign(attributes: &[Self]) -> Vec<u8> {
        let ordered = in_order(attributes.iter().map(Self::to_der).collect());
        written(|writer| {
            writer.set_of_one(|set| {
                set.raw(&ordered);
            });
        })
    }
}

/// `signingCertificateV2` with one certificate (RFC 5035 3); the algorithm is left out where it is the default SHA-256.
#[must_use]
pub fn signing_certificate_v2(
    algorithm: ObjectIdentifier,
    hash: &[u8],
    (issuer, serial): (&[u8], &[u8]),
) -> NewAttribute {
    let value = written(|writer| {
        writer.sequence(|outer| {
            outer.sequence(|certs| {
                certs.sequence(|id| {
                    if algorithm != SHA256 {
                        id.sequence(|identifier| {
                            identifier.oid(algorithm);
                        });
                    }
                    id.octet_string(hash);
                    write_issuer_serial(id, issuer, serial);
                });
            });
        });
    });
    NewAttribute { oid: SIGNING_CERTIFICATE_V2, value }
}

/// `signingCertificate` with one certificate (RFC 2634 5.4): for peers that ask for it; the hash is SHA-1's.
#[must_use]
pub fn signing_certificate(hash: &[u8; 20], (issuer, serial): (&[u8], &[u8])) -> NewAttribute {
    let value = written(|writer| {
        writer.sequence(|outer| {
            outer.sequence(|certs| {
                certs.sequence(|id| {
                    id.octet_string(hash);
                    write_issuer_serial(id, issuer, serial);
                });
            });
        });
    });
    NewAttribute { oid: SIGNING_CERTIFICATE, value }
}

fn write_issuer_serial(id: &mut Writer, issuer: &[u8], serial: &[u8]) {
    id.sequence(|both| {
        both.sequence(|names| {
            names.context(4, |name| {
                name.raw(issuer);
            });
        });
        write_integer(both, serial);
    });
}

fn written(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    fill(&mut writer);
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: &[NewAttribute]) -> Result<(), Error> {
        let mut bytes = NewAttribute::to_sign(attributes);
        bytes[0] = 0xa0;
        let value = der::reader::only(&bytes, "x").unwrap();
        SignedAttributes::read(value).map(|read| {
            assert_eq!(read.to_sign(), NewAttribute::to_sign(attributes));
            assert!(read.are_in_order());
        })
    }

    #[test]
    fn each_attribute_stands_once() {
        let data = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
        let name = crate::format::x509::NewName { organisation: "o".into(), common_name: "c".into() }.to_der();
        let all = [
            NewAttribute::message_digest(&[7; 32]),
            NewAttribute::content_type(data),
            NewAttribute::signing_time(Timestamp::from_unix(1_800_000_000)),
            signing_certificate_v2(ObjectIdentifier::new_unwrap("1.2.156.10197.1.401"), &[1; 32], (&name, &[5])),
            signing_certificate(&[1; 20], (&name, &[5])),
        ];
        assert_eq!(read(&all), Ok(()));
        for one in &all {
            let twice = [all.as_slice(), std::slice::from_ref(one)].concat();
            assert_eq!(read(&twice), Err(Error::NotOnce { attribute: one.oid }), "{}", one.oid);
            let mut two_values = one.clone();
            two_values.value.extend_from_slice(&one.value);
            assert_eq!(read(&[two_values]), Err(Error::NotOnce { attribute: one.oid }), "{}", one.oid);
        }
        // Others may.
        let unknown = NewAttribute { oid: ObjectIdentifier::new_unwrap("1.2.3"), value: vec![5, 0, 5, 0] };
        assert_eq!(read(&[unknown.clone(), unknown]), Ok(()));
    }

    #[test]
    fn defaults_of_named_certificates() {
        let name = crate::format::x509::NewName { organisation: "o".into(), common_name: "c".into() }.to_der();
        let sm3 = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");
        for (attribute, second, algorithm) in [
            (signing_certificate_v2(SHA256, &[1; 32], (&name, &[0x85])), true, SHA256),
            (signing_certificate_v2(sm3, &[1; 32], (&name, &[0x85])), true, sm3),
            (signing_certificate(&[1; 20], (&name, &[0x85])), false, SHA1),
        ] {
            let value = der::reader::only(&attribute.value, "x").unwrap();
            let read = EssCertificate::read_first(value, second).unwrap();
            assert_eq!(read.hash_algorithm, algorithm);
            let (issuer, serial) = read.issuer_serial.unwrap();
            assert_eq!((issuer.unwrap().raw(), serial), (name.as_slice(), &[0x85][..]));
        }
    }

    #[test]
    fn content_that_could_be_attributes_is_told() {
        let data = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
        let both = NewAttribute::to_sign(&[NewAttribute::message_digest(&[7; 32]), NewAttribute::content_type(data)]);
        assert!(reads_as_attributes(&both));
        assert!(!reads_as_attributes(&NewAttribute::to_sign(&[NewAttribute::content_type(data)])));
        assert!(!reads_as_attributes(b"text"));
        assert!(!reads_as_attributes(&Writer::sequence_of(&both)));
    }
}
