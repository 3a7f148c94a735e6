//! Why a page cannot be drawn at all. What is only missing on it is listed with the drawing.

use crate::format::ofd;

/// A page that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The package, the document or the page's content cannot be read.
    #[error("the page cannot be read")]
    Package(#[from] ofd::Error),
    /// The package has no document of that number.
    #[error("the package has no document number {index}")]
    BodyUnknown {
        /// The number asked for, from zero.
        index: usize,
    },
    /// The document has no page of that number.
    #[error("the document has {count} pages and none with the number {index}")]
    PageUnknown {
        /// The number asked for, from zero.
        index: usize,
        /// How many pages there are.
        count: usize,
    },
    /// The page is larger or smaller than pages are, or says no size at all.
    #[error("a page is 1 to 5000 mm wide and high")]
    PageSize,
    /// The page cannot be turned into pixels.
    #[error("the page cannot be turned into pixels")]
    Svg(#[source] resvg::usvg::Error),
    /// There is no memory for the pixels, or none were asked for.
    #[error("the page cannot be turned into a PNG")]
    Pixels,
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Package(source) => source.code(),
            Self::BodyUnknown { .. } => "document-unknown",
            Self::PageUnknown { .. } => "page-unknown",
            Self::PageSize => "page-size",
            Self::Svg(_) | Self::Pixels => "page-drawing-failed",
        }
    }
}
