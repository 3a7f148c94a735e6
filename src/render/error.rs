//! Why a seal face cannot be drawn.

/// A refused face, or a failure of our own drawing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The organisation's name is too short or too long to stand on the arc.
    #[error("an organisation's name on a seal has 2 to 40 characters, not {characters}")]
    OrganisationLength {
        /// How many it has.
        characters: usize,
    },
    /// The text below the star is empty or too long to stand on one line.
    #[error("the text below the star has 1 to 10 characters, not {characters}")]
    CentreTextLength {
        /// How many it has.
        characters: usize,
    },
    /// The code of the seal is not fourteen ASCII digits.
    #[error("the code of a seal is 14 digits")]
    Serial,
    /// The diameter is out of bounds.
    #[error("a seal is 20 to 60 mm wide, not {millimetres}")]
    Diameter {
        /// The diameter asked for.
        millimetres: u16,
    },
    /// A character of the text shows nothing, such as a space.
    #[error("U+{code_point:04X} shows nothing on a seal")]
    BlankCharacter {
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
            Self::OrganisationLength { .. } => "seal-face-organisation-length",
            Self::CentreTextLength { .. } => "seal-face-centre-text-length",
            Self::Serial => "seal-face-serial",
            Self::Diameter { .. } => "seal-face-diameter",
            Self::BlankCharacter { .. } => "seal-face-blank-character",
            Self::MissingGlyph { .. } => "seal-face-missing-glyph",
            Self::Font(_) | Self::Svg(_) | Self::Pixels | Self::Container(_) => "seal-face-drawing-failed",
        }
    }
}
