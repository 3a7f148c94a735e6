//! Extensions that name a party in other ways (RFC 5280 4.2.1.6 to 4.2.1.8).

use crate::base::limits::Limits;
use crate::format::der::{self, ObjectIdentifier, Writer};
use crate::format::x509::extension::{list, sequence, write_sequence};
use crate::format::x509::general_name::GeneralName;

/// `SubjectAltName` (RFC 5280 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectAltName<'a>(pub Vec<GeneralName<'a>>);

/// `IssuerAltName` (RFC 5280 4.2.1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerAltName<'a>(pub Vec<GeneralName<'a>>);

impl<'a> SubjectAltName<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one name.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "subjectAltName";
        GeneralName::read_many(&mut sequence(value, WHAT)?, WHAT).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_names(&self.0)
    }
}

impl<'a> IssuerAltName<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one name.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "issuerAltName";
        GeneralName::read_many(&mut sequence(value, WHAT)?, WHAT).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_names(&self.0)
    }
}

fn write_names(names: &[GeneralName<'_>]) -> Vec<u8> {
    write_sequence(|list| names.iter().for_each(|name| name.write(list)))
}

/// `SubjectDirectoryAttributes` (RFC 5280 4.2.1.8): types, each with the content octets of its SET of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectDirectoryAttributes<'a>(pub Vec<(ObjectIdentifier, &'a [u8])>);

impl<'a> SubjectDirectoryAttributes<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one attribute, each with at least one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "subjectDirectoryAttributes";
        let attributes = list(value, WHAT, |reader| {
            let mut inner = reader.sequence(WHAT)?;
            let kind = inner.oid(WHAT)?;
            let values = inner.expect(der::Tag::Set, WHAT)?;
            inner.finish(WHAT)?;
            der::walk(values.raw(), Limits::DEFAULT.der_depth)?;
            if values.content().is_empty() {
                Err(der::Error::Missing { what: WHAT })
            } else {
                Ok((kind, values.content()))
            }
        });
        attributes.map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|attributes: &mut Writer| {
            for (kind, values) in &self.0 {
                attributes.sequence(|inner| {
                    inner.oid(*kind).set_of_one(|set| {
                        set.raw(values);
                    });
                });
            }
        })
    }
}
