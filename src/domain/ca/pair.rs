//! Pairs of certificates (双证书): one to sign, for the subject's own key; one to encrypt, for a key that key management
//! makes and keeps. GB/T 20518, GM/T 0034 (recollection).

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::domain::ca::issuance::{self, IssuanceToken, Issuer, Request, prepare};
use crate::domain::trust::AlgorithmPolicy;
use crate::format::keys::enveloped_key::Sm2EnvelopedKey;

/// Why two requests are no pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The first is to sign, the second to encrypt.
    #[error("a pair has one profile that signs and one that encrypts")]
    Usage,
    /// Two keys make a pair.
    #[error("the two certificates of a pair are for two keys")]
    SameKey,
    /// A pair is of one kind of key.
    #[error("the two keys of a pair are of one kind")]
    OtherKind,
    /// Keys of that kind do not encrypt.
    #[error("pairs are of SM2 or RSA keys; a {kind} does not encrypt")]
    NoEncryption {
        /// The kind.
        kind: &'static str,
    },
    /// A pair is of one subject.
    #[error("the two certificates of a pair have one subject")]
    OtherSubject,
    /// A pair lives as one.
    #[error("the two certificates of a pair have one validity")]
    OtherValidity,
    /// One serial number for both.
    #[error("the two certificates of a pair have two serial numbers")]
    SameSerial,
    /// One of them is not issued.
    #[error(transparent)]
    Issuance(#[from] issuance::Error),
}

impl PairError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Usage => "pair-usage",
            Self::SameKey => "pair-same-key",
            Self::OtherKind | Self::NoEncryption { .. } => "pair-kind",
            Self::OtherSubject => "pair-subject",
            Self::OtherValidity => "pair-validity",
            Self::SameSerial => "pair-serial",
            Self::Issuance(error) => error.code(),
        }
    }
}

/// Two decisions that belong together: both are signed, or neither is given out.
#[derive(Debug)]
pub struct PairTokens {
    /// The signing certificate.
    pub signing: IssuanceToken,
    /// The encryption certificate.
    pub encryption: IssuanceToken,
}

/// Decides both certificates of a pair.
///
/// # Errors
/// The requests do not belong together, or one of them is refused.
pub fn prepare_pair(
    (signing, encryption): (&Request<'_>, &Request<'_>),
    issuer: &Issuer<'_>,
    rules: (&AlgorithmPolicy, Timestamp),
) -> Result<PairTokens, PairError> {
    if signing.profile.encrypts() || !encryption.profile.encrypts() {
        return Err(PairError::Usage);
    }
    if signing.key == encryption.key {
        return Err(PairError::SameKey);
    }
    if signing.key.name() != encryption.key.name() {
        return Err(PairError::OtherKind);
    }
    let one_subject = signing.subject == encryption.subject && signing.identity == encryption.identity;
    if !one_subject || signing.alternative_names != encryption.alternative_names {
        return Err(PairError::OtherSubject);
    }
    if signing.serial == encryption.serial {
        return Err(PairError::SameSerial);
    }
    let tokens =
        PairTokens { signing: prepare(signing, issuer, rules)?, encryption: prepare(encryption, issuer, rules)? };
    if signing.not_before != encryption.not_before || tokens.signing.not_after() != tokens.encryption.not_after() {
        return Err(PairError::OtherValidity);
    }
    Ok(tokens)
}

/// Whether the enveloped private key that goes to the subject is that of the encryption certificate's key.
///
/// Not checked: that the envelope opens by the signing key; only the subject can see that.
#[must_use]
pub fn delivers(enveloped: &Sm2EnvelopedKey<'_>, encryption_key: &PublicKey) -> bool {
    matches!(encryption_key, PublicKey::Sm2(key) if key.to_bytes() == *enveloped.public)
}
