//! Electronic seals and seal signatures: GM/T 0031-2014 (version 1), GB/T 38540-2020 (version 4), GM/T 0031-2025
//! (version 5), and the layout between the first two.
//!
//! Read strictly and without re-encoding: [`SesSeal::info`] and [`SesSignature::tbs`] are the slices that arrived,
//! since the maker and the signer signed those bytes. Accepted besides the standards' forms, each recorded as a
//! [`Deviation`] for a policy to judge: an extension's `critical FALSE` written out, critical extensions that nobody
//! knows, UTCTime in the validity of a seal of version 4, GeneralizedTime in one of version 1, a time stamp without its
//! `[0]` tag, timeInfo of version 1 as OCTET STRING, a seal of version 4 in a signature of the shape of version 1.
//! Refused: everything else, trailing bytes, other versions. [`recognise()`] tells the versions and the other kinds of
//! value apart. `parse` reads version 4 alone, which is what is issued; `parse_any` reads them all.
//!
//! The structures follow two independent open implementations and genuine seals; the standard's text was not at
//! hand, so clause numbers below section level are from memory.

pub mod recognise;
pub mod seal;
pub mod signature;
mod time_info;

pub use recognise::{Kind, recognise};
pub use seal::{CertificateDigest, CertificateList, ExtensionValue, Layout, NewSeal, NewSigners, SesSeal};
pub use signature::{NewSignature, SesSignature};

use crate::format::der;

/// A way in which a structure departs from the standard without making its signed bytes ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Deviation {
    /// `critical FALSE` written out although it is the default (X.690 11.5); genuine tax seals, 2020 to 2022.
    ExplicitDefaultFalse,
    /// An extension that is critical and that we do not know; genuine Shandong seals, 2020.
    CriticalUnknownExtension,
    /// The seal's dates are UTCTime where version 4 has GeneralizedTime.
    SealTimesUtcTime,
    /// The time stamp lacks its `[0]` tag, as one public implementation writes it.
    UntaggedTimeStamp,
    /// The dates of a seal of version 1 are GeneralizedTime where it has UTCTime; one public parser expects both.
    SealTimesGeneralizedTime,
    /// timeInfo of version 1 is an OCTET STRING, not a BIT STRING; one public parser expects both.
    TimeInfoOctetString,
    /// A seal of version 4 in a signature of the shape of version 1, as one public parser describes it.
    HybridLayout,
}

/// Which versions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// Version 4.
    Four,
    /// All that are known.
    Any,
}

/// Why bytes are not a seal or a seal signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not DER, or another structure.
    #[error("not the structure of {clause}")]
    Structure {
        /// Where the structure is defined.
        clause: &'static str,
        /// What was wrong.
        source: der::Error,
    },
    /// The header's ID is not `ES`.
    #[error("the header's ID is not ES")]
    HeaderId,
    /// A version that we do not read.
    #[error("version {found} where 4 is expected")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A version that does not belong to the structure around it.
    #[error("version {found} does not belong to this structure")]
    VersionOfStructure {
        /// The version found.
        found: u32,
    },
    /// `certListType` is neither 1 nor 2.
    #[error("certListType is {found}, neither 1 nor 2")]
    CertListType {
        /// The type found.
        found: u32,
    },
    /// A list with no entry, or more entries than anybody needs.
    #[error("{what} has {found} entries, outside 1 to {limit}")]
    ListLength {
        /// The list.
        what: &'static str,
        /// Entries found (counting stops one past the limit).
        found: usize,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// The clause that the bytes depart from.
    #[must_use]
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::Structure { clause, .. } => clause,
            Self::HeaderId
            | Self::Version { .. }
            | Self::VersionOfStructure { .. }
            | Self::CertListType { .. }
            | Self::ListLength { .. } => seal::CLAUSE,
        }
    }
}
