//! Renewal: a later certificate for the same subject, with the same key or a new one.

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::domain::ca::identity::{IdentityError, IdentityValue};
use crate::domain::ca::profile::Profile;
use crate::domain::ca::state::{CertificateState, Standing};
use crate::domain::ca::subject::{self, Attributes, SubjectError};
use crate::domain::trust::key::public_key;
use crate::format::der::{self, Writer};
use crate::format::x509::extension::SubjectAltName;
use crate::format::x509::{Certificate, NewGeneralName};

/// When and with which key a certificate is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalPolicy {
    /// So many days before its end a certificate may be renewed.
    pub days_before: i64,
    /// So many days after its end it still may.
    pub days_after: i64,
    /// So many days in all one key may be certified (NIST SP 800-57 part 1 5.3.6).
    pub key_days: i64,
}

impl RenewalPolicy {
    /// Where a profile says nothing: from sixty days before the end, not after it, with one key for three years in all
    /// (NIST SP 800-57 part 1 rev. 5 5.3.6 has one to three years for keys that sign).
    pub const USUAL: Self = Self { days_before: 60, days_after: 0, key_days: 1_096 };
}

/// The version of [`to_sign`].
pub const VERSION: u32 = 1;

/// The octets that the old key signs when a certificate is renewed: one encoding for one request, for ever.
///
/// `Renewal ::= SEQUENCE { domain UTF8String ("yinxin certificate renewal"), version INTEGER, renewed OCTET STRING,
/// request OCTET STRING }`, DER. `renewed` is SM3 of the old certificate, so that the signature serves once; `request` is
/// the request of PKCS#10 for the new key, empty where the key stays.
#[must_use]
pub fn to_sign(renewed_sm3: &[u8; 32], request: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|fields| {
        fields.utf8("yinxin certificate renewal").small(VERSION).octet_string(renewed_sm3).octet_string(request);
    });
    writer.into_bytes()
}

/// Which key the new certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewedKey<'a> {
    /// That of the old one, certified since that moment.
    Same {
        /// When the key was certified first.
        certified_since: Timestamp,
    },
    /// Another; its possession is proved elsewhere.
    New(&'a PublicKey),
}

/// What the new certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The subject's attributes.
    pub subject: Attributes,
    /// Alternative names.
    pub alternative_names: Vec<NewGeneralName>,
    /// Numbers that identify the subject.
    pub identity: Vec<IdentityValue>,
    /// The key.
    pub key: PublicKey,
    /// The latest end; `None` where only the profile bounds it.
    pub not_after_at_most: Option<Timestamp>,
}

/// Why a certificate is not renewed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// It is revoked or on hold: the subject is to be judged anew.
    #[error("a certificate that is {state} is not renewed")]
    NotActive {
        /// The state's name.
        state: &'static str,
    },
    /// Too early.
    #[error("a certificate is renewed from {from} on")]
    TooEarly {
        /// From when on.
        from: Timestamp,
    },
    /// Too late: a new request is needed.
    #[error("a certificate was renewed until {until}")]
    TooLate {
        /// Until when.
        until: Timestamp,
    },
    /// The new key is the old one.
    #[error("the new key is the old one")]
    KeyNotNew,
    /// The key has been certified long enough.
    #[error("the key was to be used until {until}")]
    KeyTooOld {
        /// Until when.
        until: Timestamp,
    },
    /// The key of the old certificate is none that we compute.
    #[error("the key of the old certificate is none that is certified")]
    Key,
    /// The key encrypts: its owner cannot sign with it.
    #[error("a certificate whose key encrypts is renewed by a new pair")]
    Encrypts,
    /// The signature is not by the old certificate's key over this renewal.
    #[error("the signature is not by the old certificate's key over this renewal")]
    Signature,
    /// The certificate has a successor that is active.
    #[error("the certificate was renewed already")]
    Repeated,
    /// A transaction's certificate has no successor.
    #[error("a certificate for one transaction is not renewed")]
    Transaction,
    /// The old names cannot be certified any more.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The old numbers of identity cannot be certified any more.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The old certificate's alternative names cannot be read.
    #[error("the alternative names of the old certificate cannot be read")]
    Unreadable(#[source] der::Error),
}

impl RenewalError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotActive { .. } => "renewal-not-active",
            Self::TooEarly { .. } => "renewal-too-early",
            Self::TooLate { .. } => "renewal-too-late",
            Self::KeyNotNew => "renewal-key-not-new",
            Self::KeyTooOld { .. } => "renewal-key-too-old",
            Self::Key => "renewal-key",
            Self::Encrypts => "renewal-encryption",
            Self::Signature => "renewal-signature",
            Self::Repeated => "renewal-repeated",
            Self::Transaction => "renewal-transaction",
            Self::Subject(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Unreadable(_) => "renewal-unreadable",
        }
    }
}

/// Decides whether and as what a certificate is renewed now. The profile and the issuer judge the outcome as any request.
///
/// # Errors
/// Why not.
pub fn renew(
    (old, state): (&Certificate<'_>, &CertificateState),
    key: RenewedKey<'_>,
    profile: &Profile,
    policy: &RenewalPolicy,
    now: Timestamp,
) -> Result<Renewal, RenewalError> {
    if profile.rules().transaction {
        return Err(RenewalError::Transaction);
    }
    if profile.encrypts() {
        return Err(RenewalError::Encrypts);
    }
    if !matches!(state, CertificateState::Active { .. }) {
        return Err(RenewalError::NotActive { state: state.name() });
    }
    let from = old.not_after.plus_days(policy.days_before.saturating_neg());
    if now < from || state.standing(now, (old.not_before, old.not_after)) == Standing::NotYetValid {
        return Err(RenewalError::TooEarly { from });
    }
    let until = old.not_after.plus_days(policy.days_after);
    if now > until {
        return Err(RenewalError::TooLate { until });
    }
    let known = public_key(&old.public_key).ok_or(RenewalError::Key)?;
    let (key, not_after_at_most) = match key {
        RenewedKey::New(new) if *new == known => return Err(RenewalError::KeyNotNew),
        RenewedKey::New(new) => (new.clone(), None),
        RenewedKey::Same { certified_since } => {
            let until = certified_since.min(old.not_before).plus_days(policy.key_days);
            if until <= now {
                return Err(RenewalError::KeyTooOld { until });
            }
            (known, Some(until))
        }
    };
    let names = old.extension_of::<SubjectAltName<'_>>().map_err(RenewalError::Unreadable)?;
    let owned = names.iter().flat_map(|names| &names.0).map(|name| subject::alternative_name(name));
    let alternative_names = owned.collect::<Option<Vec<_>>>().ok_or(SubjectError::AlternativeName)?;
    let mut identity = Vec::new();
    for extension in &old.extensions {
        identity.extend(IdentityValue::from_extension(extension.oid, extension.value)?);
    }
    let subject = subject::attributes_of(&old.subject)?;
    Ok(Renewal { subject, alternative_names, identity, key, not_after_at_most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::hex;

    /// Written by hand from the ASN.1 above.
    #[test]
    fn what_the_old_key_signs_does_not_change() {
        let domain = hex(b"yinxin certificate renewal");
        let expected = ["3046", "0c1a", &domain, "020101", "0420", &"07".repeat(32), "0403", "010203"].concat();
        assert_eq!(hex(&to_sign(&[7; 32], &[1, 2, 3])), expected);
        assert_ne!(to_sign(&[7; 32], &[]), to_sign(&[8; 32], &[]));
    }
}
