//! Extensions that bind what stands below an authority: basicConstraints and nameConstraints (RFC 5280 4.2.1.9, 4.2.1.10).

use crate::format::der::{self, Reader, Tag, Writer};
use crate::format::x509::extension::{context, elements, sequence, small, small_content, write_sequence};
use crate::format::x509::general_name::GeneralName;

/// `BasicConstraints` (RFC 5280 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BasicConstraints {
    /// `cA`.
    pub authority: bool,
    /// `pathLenConstraint`.
    pub path_length: Option<u32>,
}

impl BasicConstraints {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "basicConstraints";
        let mut inner = sequence(value, WHAT)?;
        let authority = inner.peek() == Some(Tag::Boolean) && inner.boolean(WHAT)?;
        let path_length = if inner.is_empty() { None } else { Some(inner.small(WHAT)?) };
        inner.finish(WHAT)?;
        Ok(Self { authority, path_length })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|inner| {
            if self.authority {
                inner.boolean(true);
            }
            if let Some(length) = self.path_length {
                inner.small(length);
            }
        })
    }
}

/// `GeneralSubtree` (RFC 5280 4.2.1.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralSubtree<'a> {
    /// `base`.
    pub base: GeneralName<'a>,
    /// `minimum`; RFC 5280 demands 0.
    pub minimum: u32,
    /// `maximum`; RFC 5280 demands that it is absent.
    pub maximum: Option<u32>,
}

impl<'a> GeneralSubtree<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "GeneralSubtree";
        let mut inner = reader.sequence(WHAT)?;
        let base = GeneralName::read_base(&mut inner)?;
        let minimum = match inner.optional(context(0, false), WHAT)? {
            Some(found) => match small(found.content(), WHAT)? {
                // The default is not written (X.690 11.5).
                0 => return Err(der::Error::InvalidValue { what: WHAT }),
                number => number,
            },
            None => 0,
        };
        let maximum = inner.optional(context(1, false), WHAT)?.map(|found| small(found.content(), WHAT)).transpose()?;
        inner.finish(WHAT)?;
        Ok(Self { base, minimum, maximum })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|inner| {
            self.base.write(inner);
            if self.minimum != 0 {
                inner.context_primitive(0, &small_content(self.minimum));
            }
            if let Some(maximum) = self.maximum {
                inner.context_primitive(1, &small_content(maximum));
            }
        });
    }
}

/// `NameConstraints` (RFC 5280 4.2.1.10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameConstraints<'a> {
    /// `permittedSubtrees`; empty where absent.
    pub permitted: Vec<GeneralSubtree<'a>>,
    /// `excludedSubtrees`; empty where absent.
    pub excluded: Vec<GeneralSubtree<'a>>,
}

impl<'a> NameConstraints<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; no subtree at all, or an empty list of them.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "nameConstraints";
        let mut inner = sequence(value, WHAT)?;
        let mut subtrees = |number| match inner.optional(context(number, true), WHAT)? {
            Some(found) => elements(found.inside(), WHAT, GeneralSubtree::read),
            None => Ok(Vec::new()),
        };
        let (permitted, excluded) = (subtrees(0)?, subtrees(1)?);
        inner.finish(WHAT)?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(der::Error::Missing { what: WHAT });
        }
        Ok(Self { permitted, excluded })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|inner| {
            for (number, subtrees) in [(0, &self.permitted), (1, &self.excluded)] {
                if !subtrees.is_empty() {
                    inner.context(number, |list| subtrees.iter().for_each(|subtree| subtree.write(list)));
                }
            }
        })
    }
}
