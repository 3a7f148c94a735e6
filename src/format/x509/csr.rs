//! Requests for certificates, PKCS#10 (RFC 2986): read as borrowed slices, written as DER.
//!
//! Accepted beyond RFC 2986, since real requesters write so: no `attributes` at all; extensionRequest more than once;
//! challengePassword and the temporary key of CFCA's requests without the SET around their value. Refused: anything
//! that is not DER, trailing bytes, a version other than 0, an attribute without a value, one extension asked for twice.

use crate::base::limits::Limits;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::certificate::write_signature_algorithm;
use crate::format::x509::extension::{Extension, NewExtension};
use crate::format::x509::name::Name;

/// `challengePassword` (RFC 2985 5.4.1).
pub const CHALLENGE_PASSWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
/// `extensionRequest` (RFC 2985 5.4.2).
pub const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");
/// The temporary public key of CFCA's requests for two certificates: the private key of encryption comes back under it.
/// Not of any standard; known from requests that CFCA's test authority answered.
pub const TEMPORARY_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.63");

/// Attributes of one request.
const MAX_ATTRIBUTES: usize = 64;

/// A request as it arrived. Parsed is not proved: whether the requester has the key, `signature` over `tbs` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificationRequest<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `certificationRequestInfo`: what was signed.
    pub tbs: &'a [u8],
    /// `subject`.
    pub subject: Name<'a>,
    /// `subjectPKInfo`.
    pub public_key: SubjectPublicKeyInfo<'a>,
    /// `attributes`, in order.
    pub attributes: Vec<RequestAttribute<'a>>,
    /// `signatureAlgorithm`.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// `signature` without the octet that counts unused bits.
    pub signature: &'a [u8],
}

/// One `Attribute` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestAttribute<'a> {
    /// `type`.
    pub kind: ObjectIdentifier,
    /// `values`, one after the other, each DER.
    pub values: &'a [u8],
    /// Whether the SET around them is missing, as in CFCA's requests.
    pub is_bare: bool,
}

impl<'a> RequestAttribute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "attribute";
        let mut inner = reader.sequence(WHAT)?;
        let kind = inner.oid(WHAT)?;
        let found = inner.value(WHAT)?;
        inner.finish(WHAT)?;
        der::walk(found.raw(), Limits::DEFAULT.der_depth)?;
        match found.tag() {
            Tag::Set if found.content().is_empty() => Err(der::Error::Missing { what: WHAT }),
            Tag::Set => Ok(Self { kind, values: found.content(), is_bare: false }),
            _ if matches!(kind, CHALLENGE_PASSWORD | TEMPORARY_PUBLIC_KEY) => {
                Ok(Self { kind, values: found.raw(), is_bare: true })
            }
            tag => Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Set, found: tag }),
        }
    }
}

impl<'a> CertificationRequest<'a> {
    /// Reads a request that fills the bytes.
    ///
    /// # Errors
    /// The first thing that is not as RFC 2986 4 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "certificationRequest";
        let raw = der::reader::only(der, WHAT)?;
        if raw.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: raw.tag() });
        }
        let mut outer = raw.inside();
        let tbs = outer.expect(Tag::Sequence, "certificationRequestInfo")?;
        let signature_algorithm = AlgorithmIdentifier::read(&mut outer, "signatureAlgorithm")?;
        let signature = outer.bit_string("signature")?;
        outer.finish(WHAT)?;

        let mut inner = tbs.inside();
        if inner.small("version")? != 0 {
            return Err(der::Error::InvalidValue { what: "version" });
        }
        let subject = Name::read(&mut inner, "subject")?;
        let public_key = SubjectPublicKeyInfo::read(&mut inner)?;
        let tag = Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(0) };
        let mut attributes: Vec<RequestAttribute<'a>> = Vec::new();
        if let Some(value) = inner.optional(tag, "attributes")? {
            let mut list = value.inside();
            while !list.is_empty() {
                if attributes.len() >= MAX_ATTRIBUTES {
                    return Err(der::Error::TooMany { what: "attributes", limit: MAX_ATTRIBUTES });
                }
                let attribute = RequestAttribute::read(&mut list)?;
                let is_twice = attributes.iter().any(|known| known.kind == attribute.kind);
                if is_twice && attribute.kind != EXTENSION_REQUEST {
                    return Err(der::Error::InvalidValue { what: "attributes" });
                }
                attributes.push(attribute);
            }
        }
        inner.finish("certificationRequestInfo")?;
        let raw = raw.raw();
        Ok(Self { raw, tbs: tbs.raw(), subject, public_key, attributes, signature_algorithm, signature })
    }

    /// The extensions that are asked for, in order (RFC 2985 5.4.2).
    ///
    /// # Errors
    /// Not Extensions, an empty list of them, one extension twice.
    pub fn extensions(&self) -> Result<Vec<Extension<'a>>, der::Error> {
        const WHAT: &str = "extensionRequest";
        let mut extensions: Vec<Extension<'a>> = Vec::new();
        for attribute in self.attributes.iter().filter(|attribute| attribute.kind == EXTENSION_REQUEST) {
            let mut values = Reader::new(attribute.values);
            let mut list = values.sequence(WHAT)?;
            values.finish(WHAT)?;
            if list.is_empty() {
                return Err(der::Error::Missing { what: WHAT });
            }
            while !list.is_empty() {
                let extension = Extension::read(&mut list)?;
                if extensions.iter().any(|known| known.oid == extension.oid) {
                    return Err(der::Error::InvalidValue { what: WHAT });
                }
                if extensions.len() >= MAX_ATTRIBUTES {
                    return Err(der::Error::TooMany { what: WHAT, limit: MAX_ATTRIBUTES });
                }
                extensions.push(extension);
            }
        }
        Ok(extensions)
    }

    fn single(&self, kind: ObjectIdentifier, what: &'static str) -> Result<Option<der::Value<'a>>, der::Error> {
        let attribute = self.attributes.iter().find(|attribute| attribute.kind == kind);
        attribute.map(|attribute| der::reader::only(attribute.values, what)).transpose()
    }

    /// The challenge password (RFC 2985 5.4.1): a shared secret, so never to be shown.
    ///
    /// # Errors
    /// More than one value; not a string in ASCII or UTF-8.
    pub fn challenge_password(&self) -> Result<Option<&'a str>, der::Error> {
        const WHAT: &str = "challengePassword";
        let Some(value) = self.single(CHALLENGE_PASSWORD, WHAT)? else { return Ok(None) };
        let text = std::str::from_utf8(value.content()).ok();
        let fits = |text: &&str| match value.tag() {
            Tag::Utf8String => true,
            Tag::PrintableString | Tag::Ia5String => text.is_ascii(),
            _ => false,
        };
        text.filter(fits).map(Some).ok_or(der::Error::InvalidValue { what: WHAT })
    }

    /// The point of the temporary key of CFCA's requests, `04‖x‖y`; whether it lies on the curve is not judged here.
    ///
    /// The value is `OCTET STRING { SEQUENCE { INTEGER 1, OCTET STRING } }`; the inner octets are 8 fixed ones, then x and
    /// y, each followed by 32 zeros: the fields of 64 octets of GM/T 0018's ECCrefPublicKey, filled from the left.
    ///
    /// # Errors
    /// Not this structure.
    pub fn temporary_key(&self) -> Result<Option<[u8; 65]>, der::Error> {
        const WHAT: &str = "temporary public key";
        const BEGINNING: [u8; 8] = [0, 0xb4, 0, 0, 0, 1, 0, 0];
        let invalid = || der::Error::InvalidValue { what: WHAT };
        let Some(value) = self.single(TEMPORARY_PUBLIC_KEY, WHAT)? else { return Ok(None) };
        if value.tag() != Tag::OctetString {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::OctetString, found: value.tag() });
        }
        let mut outer = value.inside();
        let mut inner = outer.sequence(WHAT)?;
        outer.finish(WHAT)?;
        let version = inner.small(WHAT)?;
        let fields = inner.octet_string(WHAT)?;
        inner.finish(WHAT)?;
        let (beginning, fields) = fields.split_at_checked(BEGINNING.len()).ok_or_else(invalid)?;
        let parts: Vec<&[u8]> = fields.chunks(32).collect();
        let [x, zeros, y, more_zeros] = *parts.as_slice() else { return Err(invalid()) };
        let is_padding = |octets: &[u8]| octets == [0; 32];
        if version != 1 || beginning != BEGINNING || !is_padding(zeros) || !is_padding(more_zeros) {
            return Err(invalid());
        }
        <[u8; 65]>::try_from([&[4], x, y].concat()).map(Some).map_err(|_| invalid())
    }
}

/// What a request of ours shall say, before its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificationRequest<'a> {
    /// Subject's name as DER.
    pub subject: &'a [u8],
    /// Subject's SubjectPublicKeyInfo as DER.
    pub public_key: &'a [u8],
    /// The extensions to ask for; none is written for an empty list.
    pub extensions: &'a [NewExtension],
    /// The challenge password.
    pub challenge_password: Option<&'a str>,
}

impl NewCertificationRequest<'_> {
    /// The DER of `certificationRequestInfo` (RFC 2986 4.1): the bytes to sign.
    #[must_use]
    pub fn to_tbs(&self) -> Vec<u8> {
        let attribute = |kind, fill: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.oid(kind).set_of_one(fill);
            });
            writer.into_bytes()
        };
        let mut attributes = Vec::new();
        if let Some(password) = self.challenge_password {
            attributes.push(attribute(CHALLENGE_PASSWORD, &|set| {
                set.utf8(password);
            }));
        }
        if !self.extensions.is_empty() {
            attributes.push(attribute(EXTENSION_REQUEST, &|set| {
                set.sequence(|list| self.extensions.iter().for_each(|extension| extension.write(list)));
            }));
        }
        // SET OF is ordered by the encodings (X.690 11.6).
        attributes.sort_unstable();
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.small(0).raw(self.subject).raw(self.public_key).context(0, |list| {
                for attribute in &attributes {
                    list.raw(attribute);
                }
            });
        });
        writer.into_bytes()
    }

    /// The request from its signed part and the encoded signature value.
    #[must_use]
    pub fn assemble(tbs: &[u8], signature_algorithm: ObjectIdentifier, signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|request| {
            request.raw(tbs);
            write_signature_algorithm(request, signature_algorithm);
            request.bit_string(signature);
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::extension::{KeyUsage, SubjectAltName};
    use crate::format::x509::general_name::GeneralName;
    use crate::format::x509::name::NewName;
    use x509_parser::prelude::FromDer as _;

    const SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

    fn key() -> Vec<u8> {
        SubjectPublicKeyInfo::write(crate::format::keys::pkcs8::KeyKind::Sm2, &[4; 65])
    }

    /// A request with these bytes as attributes, tag and length included.
    fn with_attributes(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let subject = NewName { organisation: "示例".into(), common_name: "甲".into() }.to_der();
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.small(0).raw(&subject).raw(&key());
            fill(tbs);
        });
        NewCertificationRequest::assemble(&writer.into_bytes(), SM2_WITH_SM3, &[9; 70])
    }

    fn one(kind: ObjectIdentifier, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        with_attributes(|tbs| {
            tbs.context(0, |list| {
                list.sequence(|attribute| {
                    attribute.oid(kind);
                    fill(attribute);
                });
            });
        })
    }

    #[test]
    fn what_is_written_is_read_and_a_second_parser_agrees() {
        let subject = NewName { organisation: "示例".into(), common_name: "甲".into() }.to_der();
        let names = SubjectAltName(vec![GeneralName::Dns("a.example")]);
        let extensions =
            [NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)), NewExtension::new(false, &names)];
        let new = NewCertificationRequest {
            subject: &subject,
            public_key: &key(),
            extensions: &extensions,
            challenge_password: Some("口令"),
        };
        let der = NewCertificationRequest::assemble(&new.to_tbs(), SM2_WITH_SM3, &[9; 70]);
        let read = CertificationRequest::parse(&der).unwrap();
        assert_eq!((read.raw, read.tbs), (der.as_slice(), new.to_tbs().as_slice()));
        assert_eq!(read.subject.display(), "C=CN, O=示例, CN=甲");
        assert_eq!(read.challenge_password(), Ok(Some("口令")));
        assert_eq!(read.temporary_key(), Ok(None));
        let asked = read.extensions().unwrap();
        assert_eq!(asked.iter().map(|e| e.critical).collect::<Vec<_>>(), [true, false]);
        assert_eq!(asked.last().map(|e| SubjectAltName::parse(e.value)), Some(Ok(names.clone())));

        let (rest, peer) = x509_parser::certification_request::X509CertificationRequest::from_der(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(peer.certification_request_info.subject.as_raw(), read.subject.raw());
        assert_eq!(peer.certification_request_info.raw, read.tbs);
        let found: Vec<_> = peer.requested_extensions().unwrap().map(|e| format!("{e:?}")).collect();
        assert!(found.iter().any(|text| text.contains("a.example")), "{found:?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn no_attributes_are_read_whether_the_tag_is_there_or_not() {
        for der in [
            with_attributes(|_| {}),
            with_attributes(|tbs| {
                tbs.context(0, |_| {});
            }),
        ] {
            let read = CertificationRequest::parse(&der).unwrap();
            assert_eq!((read.attributes.len(), read.extensions()), (0, Ok(Vec::new())));
        }
    }

    #[test]
    fn the_key_of_cfca_is_read_without_its_set() {
        let point = [vec![1; 32], vec![0; 32], vec![2; 32], vec![0; 32]].concat();
        let value = |octets: &[u8]| {
            let mut inner = Writer::new();
            inner.sequence(|key| {
                key.small(1).octet_string(octets);
            });
            inner.into_bytes()
        };
        let octets = [&[0, 0xb4, 0, 0, 0, 1, 0, 0], point.as_slice()].concat();
        let der = one(TEMPORARY_PUBLIC_KEY, |attribute| {
            attribute.octet_string(&value(&octets));
        });
        let read = CertificationRequest::parse(&der).unwrap();
        assert!(read.attributes.iter().all(|attribute| attribute.is_bare));
        let expected: [u8; 65] = [vec![4], vec![1; 32], vec![2; 32]].concat().try_into().unwrap();
        assert_eq!(read.temporary_key(), Ok(Some(expected)));
        for wrong in [octets[..135].to_vec(), [&octets[..135], &[1]].concat(), [&[1], &octets[1..]].concat()] {
            let der = one(TEMPORARY_PUBLIC_KEY, |attribute| {
                attribute.octet_string(&value(&wrong));
            });
            let refused = Err(der::Error::InvalidValue { what: "temporary public key" });
            assert_eq!(CertificationRequest::parse(&der).unwrap().temporary_key(), refused);
        }
    }

    #[test]
    fn what_rfc_2986_does_not_write_is_refused() {
        let refuse = |der: &[u8]| CertificationRequest::parse(der).unwrap_err();
        let attribute = "attribute";
        // A value without its SET, where nobody is known to write so.
        let bare = one(EXTENSION_REQUEST, |inner| {
            inner.sequence(|_| {});
        });
        let expected = der::Error::UnexpectedTag { what: attribute, expected: Tag::Set, found: Tag::Sequence };
        assert_eq!(refuse(&bare), expected);
        let empty = one(CHALLENGE_PASSWORD, |inner| {
            inner.set_of_one(|_| {});
        });
        assert_eq!(refuse(&empty), der::Error::Missing { what: attribute });
        let twice = with_attributes(|tbs| {
            tbs.context(0, |list| {
                for _ in 0..2 {
                    list.sequence(|inner| {
                        inner.oid(CHALLENGE_PASSWORD).set_of_one(|set| {
                            set.utf8("x");
                        });
                    });
                }
            });
        });
        assert_eq!(refuse(&twice), der::Error::InvalidValue { what: "attributes" });
        let mut trailing = with_attributes(|_| {});
        trailing.push(0);
        assert_eq!(refuse(&trailing), der::Error::TrailingBytes { what: "certificationRequest" });
        let after = with_attributes(|tbs| {
            tbs.null();
        });
        assert_eq!(refuse(&after), der::Error::TrailingBytes { what: "certificationRequestInfo" });
    }

    #[test]
    fn one_extension_is_asked_for_once() {
        let usage = NewExtension::new(true, &KeyUsage(1));
        let twice = one(EXTENSION_REQUEST, |attribute| {
            attribute.set_of_one(|set| {
                set.sequence(|list| {
                    usage.write(list);
                    usage.write(list);
                });
            });
        });
        let read = CertificationRequest::parse(&twice).unwrap();
        assert_eq!(read.extensions(), Err(der::Error::InvalidValue { what: "extensionRequest" }));
        let none = one(EXTENSION_REQUEST, |attribute| {
            attribute.set_of_one(|set| {
                set.sequence(|_| {});
            });
        });
        let read = CertificationRequest::parse(&none).unwrap();
        assert_eq!(read.extensions(), Err(der::Error::Missing { what: "extensionRequest" }));
    }
}
