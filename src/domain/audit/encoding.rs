//! The canonical encoding of events: the few DER forms they need, written and read one way only.
//!
//! It is apart from `format::der`, which reads what strangers write: this one may never change.

use crate::base::clock::Timestamp;
use crate::base::id::{
    ApplicationId, AuthorisationId, AuthorityId, BatchId, CallerId, EncryptionKeyId, JobId, KeyId, RequestId, SealId,
    SignatureId, VerificationBatchId,
};
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::alarm::AlarmKind;
use crate::domain::audit::reason::{AbandonmentReason, ErasureReason, RevocationReason, SuspensionReason};
use crate::domain::caller::{Role, Roles};
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeySourceKind, KeySuspensionReason, SealingAlgorithm};

/// Why octets are not the encoding of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// A length leads beyond the end.
    #[error("the event ends too early")]
    Truncated,
    /// Something follows the last field.
    #[error("octets follow where the event or one of its parts should end")]
    TrailingOctets,
    /// Another field stands where this one should.
    #[error("a field with tag octet 0x{expected:02x} should stand here")]
    UnexpectedTag {
        /// The tag octet that should stand there.
        expected: u8,
    },
    /// A length, integer, text or set in a form that we never write (DER, X.690 8.3.2, 10.1).
    #[error("a value is not in its canonical form")]
    NotCanonical,
    /// A newer version wrote it.
    #[error("events of version {version} are not known")]
    UnknownVersion {
        /// Its version.
        version: u64,
    },
    /// A class that we do not know.
    #[error("events of class {class} are not known")]
    UnknownClass {
        /// Its number.
        class: u64,
    },
    /// A number that its closed list does not have.
    #[error("field [{tag}] holds a number that its list does not have")]
    UnknownMember {
        /// The field.
        tag: u8,
    },
}

const SEQUENCE: u8 = 0x30;
const CONTEXT: u8 = 0x80;
const CONSTRUCTED: u8 = 0xa0;

/// A value that can be a field.
pub(super) trait Field: Sized {
    /// Its content octets; nothing when it is absent.
    fn content(&self) -> Option<Vec<u8>>;
    /// What content octets say; absent ones are an error unless the field is optional.
    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError>;
    /// As text for whoever watches from outside; nothing when it is absent.
    fn told(&self) -> Option<String>;
}

/// Writes fields in order.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn field(&mut self, tag: u8, value: &impl Field) {
        if let Some(content) = value.content() {
            self.put(CONTEXT | tag, &content);
        }
    }

    pub(super) fn nested(&mut self, tag: u8, fields: Self) {
        self.put(CONSTRUCTED | tag, &fields.0);
    }

    pub(super) fn into_sequence(self) -> Vec<u8> {
        let mut outer = Self::default();
        outer.put(SEQUENCE, &self.0);
        outer.0
    }

    fn put(&mut self, tag: u8, content: &[u8]) {
        self.0.push(tag);
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => self.0.push(length),
            _ => {
                let length = minimal(&content.len().to_be_bytes(), false);
                self.0.push(0x80 | u8::try_from(length.len()).unwrap_or(0x7f));
                self.0.extend_from_slice(&length);
            }
        }
        self.0.extend_from_slice(content);
    }
}

/// Reads fields in order.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn sequence(der: &'a [u8]) -> Result<Self, EncodingError> {
        let mut outer = Self(der);
        let inner = outer.take(SEQUENCE)?.ok_or(EncodingError::UnexpectedTag { expected: SEQUENCE })?;
        outer.end()?;
        Ok(Self(inner))
    }

    pub(super) fn field<T: Field>(&mut self, tag: u8) -> Result<T, EncodingError> {
        T::from_content(self.take(CONTEXT | tag)?, tag)
    }

    pub(super) fn nested(&mut self, tag: u8) -> Result<Self, EncodingError> {
        let expected = CONSTRUCTED | tag;
        self.take(expected)?.map(Self).ok_or(EncodingError::UnexpectedTag { expected })
    }

    pub(super) fn end(&self) -> Result<(), EncodingError> {
        if self.0.is_empty() { Ok(()) } else { Err(EncodingError::TrailingOctets) }
    }

    fn take(&mut self, tag: u8) -> Result<Option<&'a [u8]>, EncodingError> {
        let Some(rest) = self.0.strip_prefix(&[tag]) else { return Ok(None) };
        let (first, rest) = rest.split_first().ok_or(EncodingError::Truncated)?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(EncodingError::Truncated)?;
            let length = unsigned(octets).filter(|length| *length >= 0x80 && octets.first() != Some(&0));
            let length = length.ok_or(EncodingError::NotCanonical)?;
            (usize::try_from(length).map_err(|_| EncodingError::NotCanonical)?, rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(EncodingError::Truncated)?;
        self.0 = rest;
        Ok(Some(content))
    }
}

/// Up to eight octets as a number.
fn unsigned(octets: &[u8]) -> Option<u64> {
    (octets.len() <= 8).then(|| octets.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet)))
}

/// Big-endian octets without those that say nothing: for an integer, such that the sign stays readable (X.690 8.3.2).
fn minimal(octets: &[u8], signed: bool) -> Vec<u8> {
    let mut rest = octets;
    while let [first, tail @ ..] = rest {
        let Some(next) = tail.first() else { break };
        let superfluous =
            if signed { (*first == 0 && *next < 0x80) || (*first == 0xff && *next >= 0x80) } else { *first == 0 };
        if !superfluous {
            break;
        }
        rest = tail;
    }
    rest.to_vec()
}

fn required(content: Option<&[u8]>, tag: u8) -> Result<&[u8], EncodingError> {
    content.ok_or(EncodingError::UnexpectedTag { expected: CONTEXT | tag })
}

fn text(content: Option<&[u8]>, tag: u8) -> Result<&str, EncodingError> {
    std::str::from_utf8(required(content, tag)?).map_err(|_| EncodingError::NotCanonical)
}

impl Field for i64 {
    fn content(&self) -> Option<Vec<u8>> {
        Some(minimal(&self.to_be_bytes(), true))
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        let content = required(content, tag)?;
        let negative = content.first().is_some_and(|first| *first >= 0x80);
        let mut octets = if negative { [0xff; 8] } else { [0; 8] };
        let start = octets.len().checked_sub(content.len()).ok_or(EncodingError::NotCanonical)?;
        octets.iter_mut().skip(start).zip(content).for_each(|(to, from)| *to = *from);
        let value = Self::from_be_bytes(octets);
        if value.content().as_deref() == Some(content) { Ok(value) } else { Err(EncodingError::NotCanonical) }
    }

    fn told(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Field for u64 {
    fn content(&self) -> Option<Vec<u8>> {
        i64::try_from(*self).unwrap_or(i64::MAX).content()
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        Self::try_from(i64::from_content(content, tag)?).map_err(|_| EncodingError::NotCanonical)
    }

    fn told(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Field for Timestamp {
    fn content(&self) -> Option<Vec<u8>> {
        self.unix().content()
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        let seconds = i64::from_content(content, tag)?;
        let moment = Self::from_unix(seconds);
        if moment.unix() == seconds { Ok(moment) } else { Err(EncodingError::NotCanonical) }
    }

    fn told(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Field for String {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.as_bytes().to_vec())
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        text(content, tag).map(Self::from)
    }

    fn told(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Field for Vec<u8> {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.clone())
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        required(content, tag).map(<[u8]>::to_vec)
    }

    fn told(&self) -> Option<String> {
        // Lists of many certificates among them: their hash is as good, to whoever has the event.
        Some(if self.len() > 32 { format!("sm3:{}", hex(&sm3(self))) } else { hex(self) })
    }
}

/// Numbers that rise, each of eight octets.
impl Field for Vec<u64> {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.iter().flat_map(|number| number.to_be_bytes()).collect())
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        let (numbers, rest) = required(content, tag)?.as_chunks::<8>();
        let numbers = numbers.iter().map(|octets| u64::from_be_bytes(*octets)).collect::<Self>();
        let rises = numbers.iter().zip(numbers.iter().skip(1)).all(|(one, next)| one < next);
        if rest.is_empty() && rises { Ok(numbers) } else { Err(EncodingError::NotCanonical) }
    }

    fn told(&self) -> Option<String> {
        Some(self.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
    }
}

impl Field for [u8; 32] {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.to_vec())
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        Self::try_from(required(content, tag)?).map_err(|_| EncodingError::NotCanonical)
    }

    fn told(&self) -> Option<String> {
        Some(hex(self))
    }
}

impl Field for Roles {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.iter().filter_map(|role| u8::try_from(role.number()).ok()).collect())
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        let content = required(content, tag)?;
        let unknown = EncodingError::UnknownMember { tag };
        let roles = content.iter().map(|number| Role::from_number(u64::from(*number))).collect::<Option<Vec<_>>>();
        let roles = Self::new(roles.ok_or(unknown)?).map_err(|_| EncodingError::NotCanonical)?;
        if roles.content().as_deref() == Some(content) { Ok(roles) } else { Err(EncodingError::NotCanonical) }
    }

    fn told(&self) -> Option<String> {
        Some(self.to_names())
    }
}

impl<T: Field> Field for Option<T> {
    fn content(&self) -> Option<Vec<u8>> {
        self.as_ref().and_then(T::content)
    }

    fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
        content.map(|content| T::from_content(Some(content), tag)).transpose()
    }

    fn told(&self) -> Option<String> {
        self.as_ref().and_then(T::told)
    }
}

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Field for $id {
            fn content(&self) -> Option<Vec<u8>> {
                Some(self.as_str().as_bytes().to_vec())
            }

            fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
                Self::parse(text(content, tag)?).map_err(|_| EncodingError::NotCanonical)
            }

            fn told(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}
ids!(ApplicationId, AuthorityId, BatchId, CallerId, EncryptionKeyId, JobId, KeyId, RequestId, SealId, SignatureId);
ids!(AuthorisationId, VerificationBatchId);

macro_rules! members {
    ($($list:ty),*) => {$(
        impl Field for $list {
            fn content(&self) -> Option<Vec<u8>> {
                self.number().content()
            }

            fn from_content(content: Option<&[u8]>, tag: u8) -> Result<Self, EncodingError> {
                Self::from_number(u64::from_content(content, tag)?).ok_or(EncodingError::UnknownMember { tag })
            }

            fn told(&self) -> Option<String> {
                Some(self.name().to_owned())
            }
        }
    )*};
}
members!(KeyAlgorithm, KeyPurpose, KeySourceKind, KeySuspensionReason, SealingAlgorithm);
members!(SuspensionReason, RevocationReason, AbandonmentReason, ErasureReason, AlarmKind);
