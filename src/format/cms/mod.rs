//! Cryptographic messages: SignedData and EnvelopedData of CMS (RFC 5652, PKCS#7) and of GB/T 35275 (GM/T 0010).
//!
//! Both families are one structure under two sets of object identifiers; [`Family`] tells which. Reading borrows and
//! keeps every slice that was signed as it arrived: the signed attributes, the content, the certificates.
//!
//! Accepted: DER throughout, nested up to [`MAX_DEPTH`]; content of any type beside the OCTET STRING (GB/T 35275,
//! PKCS#7); certificates and signers in any order of their SETs, since nothing is hashed over it. Accepted and named
//! ([`Deviation`]): signed attributes out of DER's order, since the signer hashed them as they stand; a version that
//! is not the one RFC 5652 computes. BER's indefinite lengths and cut strings, in which others stream, are rewritten
//! before ([`ber`]). Refused: an attribute twice that may stand once, more elements than [`MAX_ELEMENTS`].
//!
//! Nothing is verified here: see `domain::trust::signed_data`.

pub mod attribute;
pub mod ber;
pub mod content;
pub mod enveloped_data;
pub mod signed_data;

pub use attribute::{
    Attribute, EssCertificate, NewAttribute, SignedAttributes, signing_certificate, signing_certificate_v2,
};
pub use content::{ContentInfo, ContentType, Family};
pub use enveloped_data::{
    EncryptedContent, EnvelopedData, KeyTransport, NewEnvelopedData, NewKeyTransport, Recipient, SignedAndEnvelopedData,
};
pub use signed_data::{
    CertificateChoice, NewSignedData, NewSigner, RevocationChoice, SignedData, SignerIdentifier, SignerInfo,
};

use crate::format::der::{self, ObjectIdentifier, Writer};

/// Depth of nested values. A time stamp with its certificates inside a signature's attributes reaches 25.
pub const MAX_DEPTH: usize = 48;

/// Elements of one SET: certificates, CRLs, signers, attributes, recipients.
pub const MAX_ELEMENTS: usize = 256;

/// Why bytes are not such a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the structure.
    #[error(transparent)]
    Der(#[from] der::Error),
    /// Another content type stands where one was asked for.
    #[error("the content type is {found}, not {expected}")]
    ContentType {
        /// What was asked for.
        expected: &'static str,
        /// What stands there.
        found: ObjectIdentifier,
    },
    /// A version that no edition of the standards has.
    #[error("{what} has version {version}, which no edition of the standard knows")]
    Version {
        /// Whose version.
        what: &'static str,
        /// The version.
        version: u32,
    },
    /// An attribute that may stand once stands twice, or has no or several values (RFC 5652 11, RFC 5035 3).
    #[error("the attribute {attribute} must stand once with one value")]
    NotOnce {
        /// The attribute's type.
        attribute: ObjectIdentifier,
    },
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Der(_) => "cms-malformed",
            Self::ContentType { .. } => "cms-content-type",
            Self::Version { .. } => "cms-version",
            Self::NotOnce { .. } => "cms-attribute-not-once",
        }
    }
}

/// A departure from the standard that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Deviation {
    /// SignedData has another version than RFC 5652 5.1 computes.
    SignedDataVersion,
    /// A SignerInfo has another version than its identifier asks for (RFC 5652 5.3).
    SignerVersion,
    /// The signed attributes are not in the order of DER (X.690 11.6). The signature covers them as they stand.
    AttributeOrder,
}

impl Deviation {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedDataVersion => "signed-data-version",
            Self::SignerVersion => "signer-version",
            Self::AttributeOrder => "attribute-order",
        }
    }
}

/// Elements of a SET OF in the order of DER (X.690 11.6): by their encodings, the shorter padded with zeros at its end.
#[must_use]
pub(crate) fn in_order(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    elements.concat()
}

/// An INTEGER from its content octets, as another structure had them: a negative serial number stays what it is.
pub(crate) fn write_integer(writer: &mut Writer, content: &[u8]) {
    let mut value = Writer::new();
    value.octet_string(content);
    let mut bytes = value.into_bytes();
    if let Some(tag) = bytes.first_mut() {
        *tag = 2;
    }
    writer.raw(&bytes);
}
