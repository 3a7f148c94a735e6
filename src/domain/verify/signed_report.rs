//! Signing reports: a report is a message of three forms, and its refusals have their own codes.
//!
//! A JSON Web Signature (RFC 7515, compact, with `x5c` and `sigT`) or CAdES-B (RFC 5652; GB/T 35275 for SM2) around the report's
//! JSON; or a document of GB/T 33190 that shows the report, with a signature of type Sign over every part of it.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::sm2::KeyTables;
use crate::domain::message::{self, Content, MessageToken, Order};
use crate::format::ofd;

pub use crate::domain::message::Signatory;

/// In which form a report is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON Web Signature, compact.
    Jws,
    /// SignedData around the JSON.
    Cms,
    /// A document for people, with the JSON attached.
    Ofd,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Jws, Self::Cms, Self::Ofd];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jws => "jws",
            Self::Cms => "cms",
            Self::Ofd => "ofd",
        }
    }

    const fn message(self) -> message::Form {
        match self {
            Self::Jws => message::Form::Jws,
            Self::Cms => message::Form::CadesB,
            Self::Ofd => message::Form::OfdSign,
        }
    }
}

/// Why a report is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate cannot be read, is not for signing, is of another key, or its algorithm has no name in this form.
    #[error("the certificate of the report key is unusable")]
    Certificate,
    /// The certificate is not valid now.
    #[error("the certificate of the report key is valid from {start} to {end} only")]
    NotValid {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The report's own document cannot be read back.
    #[error("the report's document cannot be signed")]
    Document(#[from] ofd::Error),
    /// What came back from the key store is not the report key's signature.
    #[error("the signature is not the report key's over this report")]
    Signature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Certificate => "report-certificate-unusable",
            Self::NotValid { .. } => "report-certificate-outside-validity",
            Self::Document(_) => "report-not-written",
            Self::Signature => "report-not-signed",
        }
    }
}

impl From<message::Error> for Error {
    fn from(error: message::Error) -> Self {
        match error {
            message::Error::NotValid { start, end } => Self::NotValid { start, end },
            message::Error::Document(error) => Self::Document(error),
            message::Error::Signature => Self::Signature,
            // The others are about digests, names and time stamps, of which a report has none.
            _ => Self::Certificate,
        }
    }
}

/// A report that lacks only the signature's value.
#[derive(Debug)]
pub struct ReportToken<'a>(MessageToken<'a>);

/// Decides everything about the signature. `content` is the report's JSON, or the unsigned document.
///
/// # Errors
/// The certificate does not allow it now, or the document cannot be read; nothing is signed.
pub fn prepare<'a>(
    form: Form,
    content: &'a [u8],
    signatory: Signatory<'a>,
    now: Timestamp,
    limits: &Limits,
) -> Result<ReportToken<'a>, Error> {
    let order = Order { form: form.message(), content: Content::Attached(content), lock: true };
    Ok(ReportToken(message::prepare(&order, signatory, now, limits)?))
}

impl ReportToken<'_> {
    /// The bytes to sign.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        self.0.to_sign()
    }

    /// The signed report, from the value of fixed width that the report key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong, and nothing leaves; [`Error::Document`].
    pub fn assemble(self, value: &[u8], tables: &KeyTables) -> Result<Vec<u8>, Error> {
        Ok(self.0.value(value, tables)?.assemble(None)?)
    }
}
