//! Why a seal face cannot be drawn.

use std::fmt;

/// The parts of a face that carry text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPart {
    /// The name on the arc, or the whole text of a square or rectangular seal.
    Name,
    /// A level line: below the star, or below the taxpayer's number.
    Line,
    /// The number across the middle of an oval seal.
    Middle,
    /// The free text on the inner lower arc.
    Note,
}

impl fmt::Display for TextPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name",
            Self::Line => "a level line",
            Self::Middle => "the number in the middle",
            Self::Note => "the note on the lower arc",
        })
    }
}

/// Characters that no seal shows, whatever the typeface holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// Control characters (category Cc).
    Control,
    /// They change the direction of a text.
    Direction,
    /// Marks that combine with the letter before.
    Combining,
    /// They choose among the shapes of the letter before.
    Variation,
    /// Code points without a public meaning.
    PrivateUse,
    /// Invisible characters: joiners, soft hyphens, tags.
    Invisible,
    /// Spaces: they show nothing.
    Blank,
}

impl Forbidden {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Control => "text-control-character",
            Self::Direction => "text-direction-character",
            Self::Combining => "text-combining-mark",
            Self::Variation => "text-variation-selector",
            Self::PrivateUse => "text-private-use",
            Self::Invisible => "text-invisible-character",
            Self::Blank => "text-blank-character",
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "is a control character",
            Self::Direction => "changes the direction of text",
            Self::Combining => "is a combining mark",
            Self::Variation => "is a variation selector",
            Self::PrivateUse => "is of private use",
            Self::Invisible => "is invisible",
            Self::Blank => "shows nothing on a seal",
        })
    }
}

/// A refused face, or a failure of our own drawing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text has fewer characters than its place asks for.
    #[error("{part} has at least {least} characters, not {characters}")]
    TextTooShort {
        /// Which text.
        part: TextPart,
        /// How many characters it has.
        characters: usize,
        /// How many it needs.
        least: usize,
    },
    /// A text does not fit its place in letters of the least height, or has more characters than any face takes.
    #[error("{part} has {characters} characters; on this face fit {fit}")]
    TextTooLong {
        /// Which text.
        part: TextPart,
        /// How many characters it has.
        characters: usize,
        /// How many ideographs fit.
        fit: usize,
    },
    /// More lines than the face has places for.
    #[error("a face has at most {most} level lines, not {lines}")]
    TooManyLines {
        /// How many there are.
        lines: usize,
        /// How many it takes.
        most: usize,
    },
    /// The code of the seal is not fourteen ASCII digits.
    #[error("the code of a seal is 14 digits")]
    Code,
    /// The taxpayer's number is not 15 to 20 ASCII digits and capital letters.
    #[error("a taxpayer's number is 15 to 20 digits and capital letters")]
    TaxNumber,
    /// The size is out of bounds.
    #[error("such a seal is not {width_mm} × {height_mm} mm large")]
    Size {
        /// The width asked for.
        width_mm: u16,
        /// The height asked for.
        height_mm: u16,
    },
    /// A character that no seal shows.
    #[error("U+{code_point:04X} {kind}")]
    ForbiddenCharacter {
        /// What sort of character it is.
        kind: Forbidden,
        /// Its code point.
        code_point: u32,
    },
    /// The typeface of seals lacks a character of the text.
    #[error("the typeface of seals lacks {character} (U+{code_point:04X})")]
    MissingGlyph {
        /// The character.
        character: char,
        /// Its code point.
        code_point: u32,
    },
    /// The typeface that we ship cannot be read.
    #[error("the typeface of seals cannot be read")]
    Font(#[source] ttf_parser::FaceParsingError),
    /// The SVG that we drew cannot be read back.
    #[error("the drawing cannot be read back")]
    Svg(#[source] resvg::usvg::Error),
    /// The drawing cannot be turned into pixels.
    #[error("the drawing cannot be turned into a PNG")]
    Pixels,
    /// The drawing cannot be packed as OFD.
    #[error("the drawing cannot be packed as OFD")]
    Container(#[source] std::io::Error),
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TextTooShort { .. } => "text-too-short",
            Self::TextTooLong { .. } => "text-too-long",
            Self::TooManyLines { .. } => "seal-face-lines",
            Self::Code => "seal-code-malformed",
            Self::TaxNumber => "tax-number-malformed",
            Self::Size { .. } => "seal-size",
            Self::ForbiddenCharacter { kind, .. } => kind.code(),
            Self::MissingGlyph { .. } => "glyph-missing",
            Self::Font(_) | Self::Svg(_) | Self::Pixels | Self::Container(_) => "seal-face-drawing-failed",
        }
    }
}
