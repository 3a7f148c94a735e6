//! How the subject of a certificate was authenticated (RFC 7773 3).

use crate::format::der::{self, Reader, Tag, Writer};
use crate::format::x509::extension::{list, write_sequence};

/// `AuthenticationContexts`: one context or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationContexts<'a>(pub Vec<AuthenticationContext<'a>>);

/// One context.
///
/// ```text
/// AuthenticationContext ::= SEQUENCE {
///   contextType  UTF8String,
///   contextInfo  UTF8String OPTIONAL }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticationContext<'a> {
    /// `contextType`: a URI that says what `contextInfo` is.
    pub context_type: &'a str,
    /// `contextInfo`.
    pub context_info: Option<&'a str>,
}

impl<'a> AuthenticationContexts<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one context, each with its type.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        list(value, "authContext", AuthenticationContext::read).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|contexts: &mut Writer| {
            for AuthenticationContext { context_type, context_info } in &self.0 {
                contexts.sequence(|one| {
                    one.utf8(context_type);
                    if let Some(info) = context_info {
                        one.utf8(info);
                    }
                });
            }
        })
    }
}

impl<'a> AuthenticationContext<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "authContext";
        let mut inner = reader.sequence(WHAT)?;
        let context_type = inner.utf8(WHAT)?;
        let context_info = if inner.peek() == Some(Tag::Utf8String) { Some(inner.utf8(WHAT)?) } else { None };
        inner.finish(WHAT)?;
        if context_type.is_empty() {
            return Err(der::Error::Missing { what: WHAT });
        }
        Ok(Self { context_type, context_info })
    }
}
