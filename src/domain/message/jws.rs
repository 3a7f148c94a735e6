//! JSON Web Signatures (RFC 7515) with the certificates and the time inside the protected header (`x5c`; `sigT` of JAdES,
//! ETSI TS 119 182-1).
//!
//! A value is over the header and the payload, so no bare digest is enough. JAdES has a way: the header holds the digest of a
//! named object, `sigD` by the mechanism ObjectIdByURIHash (5.2.8.3.3), and the payload is empty. With `b64` false (RFC 7797)
//! that digest is over the object's octets; without it, over their Base64url, which nobody has who has the digest of a file.

use crate::crypto::PublicKey;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::domain::message::{Content, Error, Form, Signer};
use crate::format::jose::{NewHeader, NewSignedObject, to_base64url};

/// Names of `alg` that are computed (RFC 7518 3.1, RFC 8037 3.1, RFC 9864 2.2), and ours: SM2 with SM3 and the signer ID
/// `1234567812345678` (GB/T 32918.2, GB/T 35276 10) has no registered name; its value is r‖s, as ECDSA's (RFC 7518 3.4).
pub const ALGORITHMS: [(&str, SignatureAlgorithm); 12] = [
    ("RS256", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256)),
    ("RS384", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha384)),
    ("RS512", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha512)),
    ("PS256", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha256)),
    ("PS384", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha384)),
    ("PS512", SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha512)),
    ("ES256", SignatureAlgorithm::EcdsaP256Sha256),
    ("ES384", SignatureAlgorithm::EcdsaSha384),
    ("ES512", SignatureAlgorithm::EcdsaSha512),
    ("EdDSA", SignatureAlgorithm::Ed25519),
    ("Ed25519", SignatureAlgorithm::Ed25519),
    ("SM2-SM3", SignatureAlgorithm::Sm2Sm3),
];

/// Names of `hashM` (ETSI TS 119 182-1 5.2.8.3.3), and ours for SM3, which has none.
pub const DIGESTS: [(&str, DigestAlgorithm); 4] = [
    ("S256", DigestAlgorithm::Sha256),
    ("S384", DigestAlgorithm::Sha384),
    ("S512", DigestAlgorithm::Sha512),
    ("SM3", DigestAlgorithm::Sm3),
];

/// Characters of a content's name.
const NAME: usize = 1024;

/// Whether the algorithm is the key's: a name of ECDSA names the curve too (RFC 7518 3.4).
#[must_use]
pub fn belongs(key: &PublicKey, algorithm: SignatureAlgorithm) -> bool {
    let curve = match algorithm {
        SignatureAlgorithm::EcdsaSha384 => Some("p384-key"),
        SignatureAlgorithm::EcdsaSha512 => Some("p521-key"),
        _ => None,
    };
    key.signs_with(algorithm) && curve.is_none_or(|curve| key.name() == curve)
}

/// A signature that lacks only its value.
#[derive(Debug)]
pub(super) struct Draft {
    form: Form,
    protected: String,
    payload: Place,
}

/// Where the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Attached,
    Detached,
}

impl Draft {
    /// The draft, and the bytes to sign.
    pub(super) fn of(signer: &Signer<'_>, key: &PublicKey, content: Content<'_>) -> Result<(Self, Vec<u8>), Error> {
        let algorithm = signer.algorithm;
        let named = ALGORITHMS.iter().find(|(_, known)| *known == algorithm && belongs(key, algorithm));
        let (name, _) = named.ok_or_else(|| signer.unfit())?;
        let (time, certificates) = (signer.now.to_string(), signer.certificates());
        let header = NewHeader { algorithm: name, certificates: &certificates, signing_time: Some(&time) };
        let form = signer.form;
        let (protected, payload, place) = match content {
            Content::Attached(octets) => (header.to_base64url(), to_base64url(octets), Place::Attached),
            Content::Detached(octets) => (header.to_base64url(), to_base64url(octets), Place::Detached),
            Content::Digest(handed) => {
                handed.check_length()?;
                let cure =
                    "name the content by a URI reference, which sigD of JAdES holds with the digest, or hand it in";
                let uri = handed.uri.ok_or(Error::DigestNotEnough { form: form.name(), cure })?;
                if !is_reference(uri) {
                    return Err(Error::ContentName { limit: NAME });
                }
                let (given, needed) = (handed.algorithm.name(), "sm3, sha256, sha384 or sha512");
                let method = DIGESTS.iter().find(|(_, known)| *known == handed.algorithm);
                let (digest_method, _) = method.ok_or(Error::DigestOfAnotherAlgorithm { given, needed })?;
                let object = NewSignedObject { uri, digest_method, digest: handed.value };
                (header.to_base64url_of(&object), String::new(), Place::Detached)
            }
        };
        let to_sign = format!("{protected}.{payload}").into_bytes();
        Ok((Self { form, protected, payload: place }, to_sign))
    }

    /// The signature, from what was signed and its value.
    pub(super) fn assemble(self, signed: Vec<u8>, value: &[u8]) -> Vec<u8> {
        let value = to_base64url(value);
        if self.form != Form::JwsJson {
            let mut compact = if self.payload == Place::Attached { signed } else { self.protected.into_bytes() };
            compact.extend_from_slice(if self.payload == Place::Attached { b"." } else { b".." });
            compact.extend_from_slice(value.as_bytes());
            return compact;
        }
        let mut json = vec![b'{'];
        if self.payload == Place::Attached {
            json.extend_from_slice(b"\"payload\":\"");
            json.extend_from_slice(signed.get(self.protected.len().saturating_add(1)..).unwrap_or_default());
            json.extend_from_slice(b"\",");
        }
        json.extend_from_slice(format!(r#""protected":"{}","signature":"{value}"}}"#, self.protected).as_bytes());
        json
    }
}

/// Whether text has only characters of a URI reference (RFC 3986 2) and a bearable length.
fn is_reference(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&octet);
    (1..=NAME).contains(&text.len()) && text.bytes().all(fits)
}
