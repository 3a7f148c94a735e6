//! A list with its signatures: JWS in its general JSON form (RFC 7515 7.2.1), of two algorithms only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::format::trust_list::error::TrustListError;
use crate::format::trust_list::list::{MOST_PAYLOAD, MOST_SIGNERS, TrustList, shape};

/// `typ` of every signature (RFC 8725 3.11): nothing else that is signed by the same key is taken for a list.
pub const TYPE: &str = "yinxin-trust-list+jws";
/// Octets of a signed list: the payload in base64url and its signatures.
pub const MOST_SIGNED: usize = 6 << 20;
/// Signatures of one list: those of its signers and those of the version before.
const MOST_SIGNATURES: usize = 2 * MOST_SIGNERS;

/// How a list is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListAlgorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// SM2 with SM3 and the signer ID `1234567812345678` (GB/T 32918.2, GB/T 35276 10), value r‖s: a private name, as
    /// RFC 7515 4.1.1 allows.
    #[serde(rename = "SM2-SM3")]
    Sm2Sm3,
}

/// The protected header: these three members and no other, so that a `crit` is refused (RFC 7515 4.1.11).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: ListAlgorithm,
    kid: String,
    typ: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::format::trust_list) struct RawSigned {
    payload: String,
    signatures: Vec<RawSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    protected: String,
    signature: String,
}

/// One signature of a list. Whether it is right is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSignature {
    /// How.
    pub algorithm: ListAlgorithm,
    /// SM3 of the signer's SubjectPublicKeyInfo in DER: `kid`, hexadecimal.
    pub key_sm3: [u8; 32],
    /// r‖s, 64 octets.
    pub value: Vec<u8>,
}

/// A list with its signatures, as many as there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTrustList {
    payload: Vec<u8>,
    list: TrustList,
    signatures: Vec<ListSignature>,
}

impl SignedTrustList {
    /// A list that nobody has signed yet.
    ///
    /// # Errors
    /// The list breaks a rule of the format.
    pub fn unsigned(list: TrustList) -> Result<Self, TrustListError> {
        Ok(Self { payload: list.to_canonical()?, list, signatures: Vec::new() })
    }

    /// The list that a file holds. Its signatures are not checked.
    ///
    /// # Errors
    /// The file holds something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustListError> {
        if bytes.len() > MOST_SIGNED {
            return Err(TrustListError::TooLarge { what: "signed list", most: MOST_SIGNED });
        }
        let raw: RawSigned = serde_json::from_slice(bytes).map_err(|error| shape("signed list", &error))?;
        Self::from_raw(&raw)
    }

    pub(in crate::format::trust_list) fn from_raw(raw: &RawSigned) -> Result<Self, TrustListError> {
        if raw.payload.len() / 4 * 3 > MOST_PAYLOAD {
            return Err(TrustListError::TooLarge { what: "list", most: MOST_PAYLOAD });
        }
        let payload = base64url(&raw.payload, "the payload")?;
        let list = TrustList::from_canonical(&payload)?;
        if raw.signatures.len() > MOST_SIGNATURES {
            return Err(TrustListError::Member { member: "signatures", rule: "are 32 at most" });
        }
        let mut signed = Self { payload, list, signatures: Vec::with_capacity(raw.signatures.len()) };
        for (index, raw) in raw.signatures.iter().enumerate() {
            let signature = signature_of(raw, index.saturating_add(1))?;
            signed = signed.with_signature(signature)?;
        }
        Ok(signed)
    }

    pub(in crate::format::trust_list) fn to_raw(&self) -> RawSigned {
        let raw = |signature: &ListSignature| RawSignature {
            protected: header(signature.algorithm, &signature.key_sm3),
            signature: URL_SAFE_NO_PAD.encode(&signature.value),
        };
        RawSigned {
            payload: URL_SAFE_NO_PAD.encode(&self.payload),
            signatures: self.signatures.iter().map(raw).collect(),
        }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut octets = serde_json::to_vec(&self.to_raw()).unwrap_or_default();
        octets.push(b'\n');
        octets
    }

    /// The list.
    #[must_use]
    pub const fn list(&self) -> &TrustList {
        &self.list
    }

    /// The canonical form of the list: what its fingerprint is over.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures.
    #[must_use]
    pub fn signatures(&self) -> &[ListSignature] {
        &self.signatures
    }

    /// The octets that a key signs (RFC 7515 5.1).
    #[must_use]
    pub fn signing_input(&self, algorithm: ListAlgorithm, key_sm3: &[u8; 32]) -> Vec<u8> {
        format!("{}.{}", header(algorithm, key_sm3), URL_SAFE_NO_PAD.encode(&self.payload)).into_bytes()
    }

    /// The list with one more signature.
    ///
    /// # Errors
    /// The value has another length, the same key has signed already, or there are too many.
    pub fn with_signature(mut self, signature: ListSignature) -> Result<Self, TrustListError> {
        let wrong = |member, rule| Err(TrustListError::Member { member, rule });
        if signature.value.len() != 64 {
            return wrong("signature", "is r and s of 32 octets each");
        }
        if self.signatures.iter().any(|known| known.key_sm3 == signature.key_sm3) {
            return wrong("signatures", "are one for each key");
        }
        if self.signatures.len() >= MOST_SIGNATURES {
            return wrong("signatures", "are 32 at most");
        }
        self.signatures.push(signature);
        Ok(self)
    }
}

fn signature_of(raw: &RawSignature, index: usize) -> Result<ListSignature, TrustListError> {
    let wrong = |rule| TrustListError::Header { index, rule };
    let octets = base64url(&raw.protected, "a protected header")?;
    let read = serde_json::from_slice::<Header>(&octets);
    let read = read.map_err(|_| wrong("alg of ES256 or SM2-SM3, kid, typ, and nothing else"))?;
    if read.typ != TYPE {
        return Err(wrong("typ is yinxin-trust-list+jws"));
    }
    let key_sm3 = hexadecimal(&read.kid).ok_or_else(|| wrong("kid is SM3 of the key, 64 hexadecimal digits"))?;
    // The octets that were signed are written again from what was read: another form of the same header is not taken.
    if header(read.alg, &key_sm3) != raw.protected {
        return Err(wrong("it is written in its canonical form (RFC 8785)"));
    }
    Ok(ListSignature { algorithm: read.alg, key_sm3, value: base64url(&raw.signature, "a signature")? })
}

fn header(alg: ListAlgorithm, key_sm3: &[u8; 32]) -> String {
    let kid = key_sm3.iter().map(|octet| format!("{octet:02x}")).collect();
    let octets = serde_json::to_vec(&Header { alg, kid, typ: TYPE.to_owned() });
    URL_SAFE_NO_PAD.encode(octets.unwrap_or_default())
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digit = |b: &u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn base64url(text: &str, what: &'static str) -> Result<Vec<u8>, TrustListError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TrustListError::Base64 { what })
}
