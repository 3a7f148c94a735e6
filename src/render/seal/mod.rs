//! Faces of seals: round, oval, square and rectangular, as outlines, SVG, PNG and OFD drawing.
//!
//! Sizes and what stands where: docs/pictures.md, with sources. A face is a function of its arguments alone; whether an
//! organisation may use it is not checked here. Every face says under which trust it is made: under development trust
//! it carries 样章, and there is no way to draw one without saying so.

mod arcs;
mod error;
mod grid;
mod ink;
mod ofd;
mod text;
mod track;
pub mod upload;

pub use error::{Error, Forbidden, TextPart};
pub use ofd::ofd_face;
pub use upload::{Ink, InkChoice, PictureKind, PictureRule, UploadError, UploadedPicture, normalise};

use crate::render::outline::{Outline, Typeface};
use crate::render::png;

/// Millimetres that a round or oval seal measures, each way.
pub const ROUND_SIZES: std::ops::RangeInclusive<u16> = 20..=60;
/// Millimetres that a square or rectangular seal measures, each way.
pub const ANGULAR_SIZES: std::ops::RangeInclusive<u16> = 8..=80;
/// Characters of an organisation's name.
pub const ORGANISATION_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;
/// Characters of a level line.
pub const LINE_LENGTHS: std::ops::RangeInclusive<usize> = 1..=10;
/// Level lines of a round seal.
pub const MOST_LINES: usize = 2;
/// Characters of the note on the inner lower arc.
pub const NOTE_LENGTHS: std::ops::RangeInclusive<usize> = 1..=20;
/// Characters of the text of a square seal.
pub const SQUARE_LENGTHS: std::ops::RangeInclusive<usize> = 2..=16;
/// Characters of the text of a rectangular seal.
pub const RECTANGLE_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;
/// Digits of a seal's code (印章编码).
pub const CODE_DIGITS: usize = 14;
/// Characters of a taxpayer's number.
pub const TAX_NUMBER_LENGTHS: std::ops::RangeInclusive<usize> = 15..=20;
/// The mark of a specimen.
pub const SPECIMEN: &str = "样章";

/// The red of the ink, as sRGB.
pub const INK: [u8; 3] = [200, 0, 0];

/// What a seal that carries the face can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: keys that anybody may have. The face carries 样章.
    Development,
    /// The word of the organisation.
    Production,
}

/// What stands in the middle of a round seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centre {
    /// A five-pointed star.
    Star,
    /// Nothing is drawn, and nothing else stands there: the place of the national emblem, which is never ours to draw.
    EmblemSlot,
    /// Nothing; the level lines stand there.
    Empty,
}

/// A round seal: organisations, their finance and contract seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundFace {
    /// The organisation's name, on the upper arc.
    pub organisation: String,
    /// What stands in the middle.
    pub centre: Centre,
    /// Level lines, such as 财务专用章 and （1）: below the star, or in the middle where nothing else stands.
    pub lines: Vec<String>,
    /// The code of the seal (印章编码, 防伪码), 14 digits, on the lower arc.
    pub code: Option<String>,
    /// A free text on an arc inside of the code.
    pub note: Option<String>,
    /// 40, 42 or 45 for most bodies; 20 to 60 are drawn.
    pub diameter_mm: u16,
}

/// An oval seal: invoices (发票专用章), and some finance seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OvalFace {
    /// The organisation's name, on the upper arc.
    pub organisation: String,
    /// The taxpayer's number (纳税人识别号), across the middle.
    pub tax_number: Option<String>,
    /// The line below, such as 发票专用章.
    pub line: Option<String>,
    /// The number of this seal among several of the same purpose, such as （1）.
    pub number: Option<String>,
    /// The code of the seal (印章编码, 防伪码), 14 digits, on the lower arc.
    pub code: Option<String>,
    /// The long axis.
    pub width_mm: u16,
    /// The short axis.
    pub height_mm: u16,
}

/// What stands behind a person's name on a square seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameEnding {
    /// Nothing.
    None,
    /// What makes four characters, as the custom is: 之印 behind two, 印 behind three, nothing otherwise.
    Customary,
}

/// A square seal with a person's name (法定代表人名章).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SquareFace {
    /// The name.
    pub name: String,
    /// What stands behind it.
    pub ending: NameEnding,
    /// The side.
    pub side_mm: u16,
}

/// A rectangular seal with a name or a short text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RectangleFace {
    /// The text: one to three rows, read from left to right, rows from top to bottom.
    pub text: String,
    /// The width.
    pub width_mm: u16,
    /// The height.
    pub height_mm: u16,
}

/// What a seal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealFace {
    /// A round seal.
    Round(RoundFace),
    /// An oval seal.
    Oval(OvalFace),
    /// A square name seal.
    Square(SquareFace),
    /// A rectangular seal.
    Rectangle(RectangleFace),
}

impl SealFace {
    /// Width and height in millimetres.
    #[must_use]
    pub const fn size_mm(&self) -> (u16, u16) {
        match self {
            Self::Round(face) => (face.diameter_mm, face.diameter_mm),
            Self::Oval(face) => (face.width_mm, face.height_mm),
            Self::Square(face) => (face.side_mm, face.side_mm),
            Self::Rectangle(face) => (face.width_mm, face.height_mm),
        }
    }

    fn title(&self) -> &str {
        match self {
            Self::Round(face) => &face.organisation,
            Self::Oval(face) => &face.organisation,
            Self::Square(face) => &face.name,
            Self::Rectangle(face) => &face.text,
        }
    }
}

/// What a piece of a face is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The ring or frame.
    Border,
    /// The star.
    Star,
    /// A letter of the name.
    Name,
    /// A letter of a level line, counted from the top.
    Line(usize),
    /// A character of the number across the middle.
    Middle,
    /// A digit of the code.
    Code,
    /// A letter of the note.
    Note,
    /// A letter of 样章.
    Specimen,
}

/// One outline of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What it is.
    pub part: Part,
    /// Where its ink is, in millimetres from the upper left corner.
    pub outline: Outline,
}

/// A drawn seal face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealPicture {
    /// Width of the stamp on paper.
    pub width_mm: u16,
    /// Height of the stamp on paper.
    pub height_mm: u16,
    /// The drawing as outlines, in millimetres; needs no font.
    pub svg: String,
    /// The drawing at 600 dots per inch, transparent outside the ink, resolution noted inside.
    pub png: Vec<u8>,
}

/// Draws a face as SVG and PNG.
///
/// # Errors
/// What is wrong with the face, by name: sizes, lengths, characters; the rest are failures of ours.
pub fn draw(face: &SealFace, trust: Trust) -> Result<SealPicture, Error> {
    let svg = svg(face, &pieces(face, trust)?);
    let (width_mm, height_mm) = face.size_mm();
    let png = png::rasterise(&svg, width_mm, height_mm)?;
    Ok(SealPicture { width_mm, height_mm, svg, png })
}

/// Everything on the face, outermost first.
///
/// # Errors
/// As [`draw`].
pub fn pieces(face: &SealFace, trust: Trust) -> Result<Vec<Piece>, Error> {
    let (width_mm, height_mm) = face.size_mm();
    let sizes = match face {
        SealFace::Round(_) | SealFace::Oval(_) => ROUND_SIZES,
        SealFace::Square(_) | SealFace::Rectangle(_) => ANGULAR_SIZES,
    };
    // Letters of an oval would meet at its ends if it were much flatter than seals are.
    let flat = matches!(face, SealFace::Oval(_)) && !(height_mm <= width_mm && width_mm <= height_mm.saturating_mul(2));
    if !sizes.contains(&width_mm) || !sizes.contains(&height_mm) || flat {
        return Err(Error::Size { width_mm, height_mm });
    }
    let typeface = Typeface::open()?;
    match face {
        SealFace::Round(face) => arcs::round(&typeface, face, trust),
        SealFace::Oval(face) => arcs::oval(&typeface, face, trust),
        SealFace::Square(face) => grid::square(&typeface, face, trust),
        SealFace::Rectangle(face) => grid::rectangle(&typeface, face, trust),
    }
}

fn svg(face: &SealFace, pieces: &[Piece]) -> String {
    let (width, height) = face.size_mm();
    let [red, green, blue] = INK;
    let name = escaped(face.title());
    let paths: String = pieces.iter().map(|piece| format!("<path d=\"{}\"/>\n", piece.outline.svg_path())).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{name}</title>\n<g fill=\"#{red:02x}{green:02x}{blue:02x}\">\n{paths}</g>\n</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Labels outlines.
fn labelled(part: Part, outlines: Vec<Outline>) -> impl Iterator<Item = Piece> {
    outlines.into_iter().map(move |outline| Piece { part, outline })
}
