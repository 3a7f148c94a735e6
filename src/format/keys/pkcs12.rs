//! Keys and certificates in one file: PKCS#12 (RFC 7292).
//!
//! Read with the BER that Java writes; see [`ber`]. Only the privacy and integrity modes with a passphrase are read.
//! Attributes of bags are passed over: keys and certificates are told to belong together by the public key.

use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, ber};
use crate::format::keys::pbe::{Scheme, read_iterations, read_salt};
use crate::format::keys::sec1::context;
use crate::format::keys::wiped::copy;
use crate::format::keys::{AlgorithmIdentifier, Error, MAX_FILE_BYTES, oid};

/// Contents of an AuthenticatedSafe; genuine files have two.
pub const MAX_CONTENTS: usize = 16;
/// Bags of one content, nested ones counted.
pub const MAX_BAGS: usize = 64;
/// Nesting of the constructed values; genuine files have 7.
const MAX_DEPTH: usize = 16;
/// Depth of bags in bags; nobody is known to nest them.
const MAX_NESTING: usize = 4;

/// The digest under the MAC (RFC 7292 4, `MacData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacDigest {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SM3.
    Sm3,
}

/// `MacData ::= SEQUENCE { mac DigestInfo, macSalt OCTET STRING, iterations INTEGER DEFAULT 1 }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mac {
    /// The digest of the HMAC and of the derivation.
    pub digest: MacDigest,
    /// The value.
    pub value: Vec<u8>,
    /// The salt of the derivation.
    pub salt: Vec<u8>,
    /// How often: 1 to [`crate::format::keys::pbe::MAX_ITERATIONS`].
    pub iterations: u32,
}

/// `PFX ::= SEQUENCE { version INTEGER 3, authSafe ContentInfo, macData MacData OPTIONAL }`.
#[derive(Debug)]
pub struct Pfx {
    /// The octets that the MAC is over: an AuthenticatedSafe as it arrived.
    pub auth_safe: Vec<u8>,
    /// The MAC, if there is one.
    pub mac: Option<Mac>,
}

/// One content of the AuthenticatedSafe.
#[derive(Debug)]
pub enum Content {
    /// SafeContents in the clear.
    Plain(Vec<u8>),
    /// SafeContents under the passphrase.
    Encrypted {
        /// How.
        scheme: Scheme,
        /// The octets.
        encrypted: Vec<u8>,
    },
}

/// One bag.
#[derive(Debug)]
pub enum Bag {
    /// A PrivateKeyInfo in the clear.
    Key(Secret),
    /// An EncryptedPrivateKeyInfo.
    ShroudedKey(Vec<u8>),
    /// An X.509 certificate.
    Certificate(Vec<u8>),
    /// Something else: a CRL, a secret, another kind of certificate.
    Other(ObjectIdentifier),
}

impl Pfx {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure; [`Error::Unsupported`] for integrity by a signature or a MAC that is not read;
    /// [`Error::TooManyIterations`], [`Error::TooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "PFX";
        if bytes.len() > MAX_FILE_BYTES {
            return Err(Error::TooLong { what: WHAT, limit: MAX_FILE_BYTES });
        }
        let der = to_der(bytes, WHAT)?;
        let mut outer = Reader::new(&der);
        let mut inner = outer.sequence(WHAT)?;
        if inner.small("version")? != 3 {
            return Err(der::Error::InvalidValue { what: "version" }.into());
        }
        let (kind, mut content) = content_info(&mut inner, "authSafe")?;
        if kind != oid::DATA {
            return Err(Error::Unsupported { what: "authSafe", oid: kind });
        }
        let auth_safe = content.octet_string("authSafe")?.to_vec();
        content.finish("authSafe")?;
        let mac = if inner.is_empty() { None } else { Some(read_mac(&mut inner)?) };
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { auth_safe, mac })
    }

    /// `AuthenticatedSafe ::= SEQUENCE OF ContentInfo`.
    ///
    /// # Errors
    /// Not this structure; [`Error::Unsupported`] for contents enveloped to a public key, and other encryptions;
    /// [`Error::TooMany`], [`Error::TooManyIterations`].
    pub fn contents(&self) -> Result<Vec<Content>, Error> {
        const WHAT: &str = "AuthenticatedSafe";
        let der = to_der(&self.auth_safe, WHAT)?;
        let mut outer = Reader::new(&der);
        let mut inner = outer.sequence(WHAT)?;
        let mut contents = Vec::new();
        while !inner.is_empty() {
            if contents.len() == MAX_CONTENTS {
                return Err(Error::TooMany { what: WHAT, limit: MAX_CONTENTS });
            }
            let (kind, mut content) = content_info(&mut inner, "ContentInfo")?;
            contents.push(match kind {
                oid::DATA => Content::Plain(content.octet_string("ContentInfo")?.to_vec()),
                oid::ENCRYPTED_DATA => read_encrypted(&mut content)?,
                oid => return Err(Error::Unsupported { what: "ContentInfo", oid }),
            });
            content.finish("ContentInfo")?;
        }
        outer.finish(WHAT)?;
        Ok(contents)
    }
}

/// `ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT }` (RFC 5652 3): the type, and a reader over the
/// content.
fn content_info<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<(ObjectIdentifier, Reader<'a>), der::Error> {
    let mut inner = reader.sequence(what)?;
    let kind = inner.oid(what)?;
    let content = inner.expect(context(0), what)?.inside();
    inner.finish(what)?;
    Ok((kind, content))
}

fn read_mac(reader: &mut Reader<'_>) -> Result<Mac, Error> {
    const WHAT: &str = "macData";
    let mut inner = reader.sequence(WHAT)?;
    let mut info = inner.sequence("mac")?;
    let algorithm = AlgorithmIdentifier::read(&mut info, "mac")?;
    let (digest, size) = match algorithm.oid {
        oid::SHA1 => (MacDigest::Sha1, 20),
        oid::SHA256 => (MacDigest::Sha256, 32),
        oid::SHA384 => (MacDigest::Sha384, 48),
        oid::SHA512 => (MacDigest::Sha512, 64),
        oid::SM3 => (MacDigest::Sm3, 32),
        oid => return Err(Error::Unsupported { what: "mac", oid }),
    };
    if algorithm.parameters.is_some_and(|parameters| parameters != [5, 0]) {
        return Err(der::Error::InvalidValue { what: "mac" }.into());
    }
    let value = info.octet_string("mac")?.to_vec();
    info.finish("mac")?;
    if value.len() != size {
        return Err(der::Error::InvalidValue { what: "mac" }.into());
    }
    let salt = read_salt(inner.octet_string("macSalt")?)?;
    let iterations = if inner.is_empty() { 1 } else { read_iterations(&mut inner)? };
    inner.finish(WHAT)?;
    Ok(Mac { digest, value, salt, iterations })
}

/// `EncryptedData ::= SEQUENCE { version INTEGER 0, encryptedContentInfo SEQUENCE { contentType, algorithm,
/// encryptedContent [0] IMPLICIT OCTET STRING } }` (RFC 5652 8).
fn read_encrypted(reader: &mut Reader<'_>) -> Result<Content, Error> {
    const WHAT: &str = "EncryptedData";
    let mut inner = reader.sequence(WHAT)?;
    if inner.small("version")? != 0 {
        return Err(der::Error::InvalidValue { what: "version" }.into());
    }
    let mut info = inner.sequence("encryptedContentInfo")?;
    inner.finish(WHAT)?;
    if info.oid("contentType")? != oid::DATA {
        return Err(der::Error::InvalidValue { what: "contentType" }.into());
    }
    let scheme = Scheme::read(&mut info)?;
    let value = info.value("encryptedContent")?;
    info.finish("encryptedContentInfo")?;
    let encrypted = match value.tag() {
        IMPLICIT => value.content().to_vec(),
        // Java cuts the string into pieces; the type of the pieces is then universal (X.690 8.14.4).
        tag if tag == context(0) => {
            let (mut pieces, mut octets) = (value.inside(), Vec::new());
            while !pieces.is_empty() {
                octets.extend_from_slice(pieces.octet_string("encryptedContent")?);
            }
            octets
        }
        found => {
            return Err(der::Error::UnexpectedTag { what: "encryptedContent", expected: IMPLICIT, found }.into());
        }
    };
    Ok(Content::Encrypted { scheme, encrypted })
}

const IMPLICIT: Tag = Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(0) };

/// The structure as DER: RFC 7292 4 asks for BER, and Java's libraries stream it so.
fn to_der(bytes: &[u8], what: &'static str) -> Result<Zeroizing<Vec<u8>>, der::Error> {
    if bytes.is_empty() { Err(der::Error::Missing { what }) } else { ber::to_der(bytes, what, MAX_DEPTH) }
}

/// `SafeContents ::= SEQUENCE OF SafeBag`: all bags, nested ones in their place.
///
/// # Errors
/// Not this structure; [`Error::TooMany`].
pub fn read_safe_contents(bytes: &[u8]) -> Result<Vec<Bag>, Error> {
    let der = to_der(bytes, SAFE)?;
    let mut bags = Vec::new();
    let mut outer = Reader::new(&der);
    let mut inner = outer.sequence(SAFE)?;
    outer.finish(SAFE)?;
    read_bags(&mut inner, &mut bags, 0)?;
    Ok(bags)
}

const SAFE: &str = "SafeContents";

/// `SafeBag ::= SEQUENCE { bagId, bagValue [0] EXPLICIT, bagAttributes SET OPTIONAL }` (RFC 7292 4.2).
fn read_bags(reader: &mut Reader<'_>, bags: &mut Vec<Bag>, depth: usize) -> Result<(), Error> {
    const WHAT: &str = "SafeBag";
    if depth > MAX_NESTING {
        return Err(der::Error::TooDeep { limit: MAX_NESTING }.into());
    }
    while !reader.is_empty() {
        if bags.len() == MAX_BAGS {
            return Err(Error::TooMany { what: SAFE, limit: MAX_BAGS });
        }
        let mut inner = reader.sequence(WHAT)?;
        let kind = inner.oid("bagId")?;
        let mut value = inner.expect(context(0), "bagValue")?.inside();
        inner.optional(Tag::Set, "bagAttributes")?;
        inner.finish(WHAT)?;
        if kind == oid::SAFE_CONTENTS_BAG {
            let mut nested = value.sequence(SAFE)?;
            value.finish("bagValue")?;
            read_bags(&mut nested, bags, depth.saturating_add(1))?;
            continue;
        }
        let content = value.value("bagValue")?;
        value.finish("bagValue")?;
        bags.push(match kind {
            oid::KEY_BAG => Bag::Key(copy(content.raw())),
            oid::SHROUDED_KEY_BAG => Bag::ShroudedKey(content.raw().to_vec()),
            oid::CERT_BAG => {
                let mut bag = Reader::new(content.raw()).sequence("CertBag")?;
                let kind = bag.oid("certId")?;
                let mut certificate = bag.expect(context(0), "certValue")?.inside();
                bag.finish("CertBag")?;
                if kind == oid::X509_CERTIFICATE {
                    let octets = certificate.octet_string("certValue")?;
                    certificate.finish("certValue")?;
                    Bag::Certificate(octets.to_vec())
                } else {
                    Bag::Other(kind)
                }
            }
            other => Bag::Other(other),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::Writer;
    use crate::format::keys::pbe::Pkcs12Cipher;

    fn content_info(writer: &mut Writer, kind: ObjectIdentifier, content: impl FnOnce(&mut Writer)) {
        writer.sequence(|info| {
            info.oid(kind).context(0, content);
        });
    }

    fn bag(writer: &mut Writer, kind: ObjectIdentifier, value: impl FnOnce(&mut Writer)) {
        writer.sequence(|bag| {
            bag.oid(kind).context(0, value);
        });
    }

    fn certificate(writer: &mut Writer, octets: &[u8]) {
        bag(writer, oid::CERT_BAG, |value| {
            value.sequence(|inner| {
                inner.oid(oid::X509_CERTIFICATE).context(0, |inside| {
                    inside.octet_string(octets);
                });
            });
        });
    }

    fn sequence(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(fill);
        writer.into_bytes()
    }

    fn pfx(version: u32, auth_safe: &[u8], mac: Option<(ObjectIdentifier, u32, usize)>) -> Vec<u8> {
        sequence(|outer| {
            outer.small(version);
            content_info(outer, oid::DATA, |content| {
                content.octet_string(auth_safe);
            });
            if let Some((digest, iterations, size)) = mac {
                outer.sequence(|data| {
                    data.sequence(|info| {
                        info.sequence(|algorithm| {
                            algorithm.oid(digest).null();
                        })
                        .octet_string(&vec![1; size]);
                    });
                    data.octet_string(&[2; 8]);
                    if iterations != 1 {
                        data.small(iterations);
                    }
                });
            }
        })
    }

    #[test]
    fn contents_and_bags_in_order() {
        let safe = sequence(|safe| {
            certificate(safe, b"one");
            bag(safe, oid::KEY_BAG, |value| {
                value.sequence(|_| {});
            });
            bag(safe, oid::SAFE_CONTENTS_BAG, |value| {
                value.sequence(|nested| certificate(nested, b"two"));
            });
            bag(safe, oid::SHROUDED_KEY_BAG, |value| {
                value.null();
            });
            bag(safe, oid::SM3, |value| {
                value.null();
            });
        });
        let bags = read_safe_contents(&safe).unwrap();
        assert!(
            matches!(&bags[..], [Bag::Certificate(one), Bag::Key(key), Bag::Certificate(two), Bag::ShroudedKey(shrouded), Bag::Other(oid::SM3)]
                if one == b"one" && key.expose() == [0x30, 0] && two == b"two" && *shrouded == [5, 0]),
            "{bags:?}"
        );
        let scheme = Scheme::Pkcs12 { cipher: Pkcs12Cipher::Rc2Bits40, salt: vec![1; 8], iterations: 9 };
        let auth_safe = sequence(|all| {
            content_info(all, oid::DATA, |content| {
                content.octet_string(&safe);
            });
            content_info(all, oid::ENCRYPTED_DATA, |content| {
                content.sequence(|data| {
                    data.small(0).sequence(|info| {
                        info.oid(oid::DATA).raw(&scheme.to_der()).context(0, |pieces| {
                            pieces.octet_string(b"encr").octet_string(b"ypted");
                        });
                    });
                });
            });
        });
        let read = Pfx::parse(&pfx(3, &auth_safe, Some((oid::SHA1, 1, 20)))).unwrap();
        let mac = Mac { digest: MacDigest::Sha1, value: vec![1; 20], salt: vec![2; 8], iterations: 1 };
        assert_eq!((&read.auth_safe, read.mac.as_ref()), (&auth_safe, Some(&mac)));
        let contents = read.contents().unwrap();
        assert!(
            matches!(&contents[..], [Content::Plain(plain), Content::Encrypted { scheme: found, encrypted }]
                if *plain == safe && *found == scheme && encrypted == b"encrypted"),
            "{contents:?}"
        );
    }

    #[test]
    fn bounds_and_other_algorithms() {
        let refusal = |bytes: &[u8]| Pfx::parse(bytes).unwrap_err();
        let invalid = |what| Error::from(der::Error::InvalidValue { what });
        assert_eq!(refusal(&pfx(2, &[], None)), invalid("version"));
        assert_eq!(refusal(&pfx(3, &[], Some((oid::SHA1, 1, 19)))), invalid("mac"));
        let bomb = pfx(3, &[], Some((oid::SHA256, 2_000_001, 32)));
        assert_eq!(refusal(&bomb), Error::TooManyIterations { limit: 2_000_000 });
        let md5 = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
        assert_eq!(refusal(&pfx(3, &[], Some((md5, 1, 16)))), Error::Unsupported { what: "mac", oid: md5 });
        assert_eq!(refusal(&vec![0; MAX_FILE_BYTES + 1]), Error::TooLong { what: "PFX", limit: MAX_FILE_BYTES });

        let many = sequence(|all| {
            for _ in 0..=MAX_CONTENTS {
                content_info(all, oid::DATA, |content| {
                    content.octet_string(&[]);
                });
            }
        });
        let refused = Pfx { auth_safe: many, mac: None }.contents().unwrap_err();
        assert_eq!(refused, Error::TooMany { what: "AuthenticatedSafe", limit: 16 });
        let enveloped = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
        let auth_safe = sequence(|all| {
            content_info(all, enveloped, |content| {
                content.null();
            })
        });
        let refused = Pfx { auth_safe, mac: None }.contents().unwrap_err();
        assert_eq!(refused, Error::Unsupported { what: "ContentInfo", oid: enveloped });

        let many = sequence(|safe| (0..65).for_each(|_| certificate(safe, b"x")));
        assert_eq!(read_safe_contents(&many).unwrap_err(), Error::TooMany { what: "SafeContents", limit: 64 });
        let mut deep = sequence(|_| {});
        for _ in 0..4 {
            deep = sequence(|safe| {
                bag(safe, oid::SAFE_CONTENTS_BAG, |value| {
                    value.raw(&deep);
                })
            });
        }
        assert_eq!(read_safe_contents(&deep).unwrap().len(), 0);
        deep = sequence(|safe| {
            bag(safe, oid::SAFE_CONTENTS_BAG, |value| {
                value.raw(&deep);
            })
        });
        let refused = read_safe_contents(&deep).unwrap_err();
        assert!(matches!(refused, Error::Der(der::Error::TooDeep { .. })), "{refused:?}");
    }
}
