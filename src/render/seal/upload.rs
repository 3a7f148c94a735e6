//! Pictures of seals and signatures that somebody hands in: judged, and redrawn as our own are.
//!
//! Of the file nothing stays but how much ink lies where. The format is told by content; the size is bounded before
//! anything is decoded; paper becomes transparent; the picture is cut to its ink and brought to 600 dots per inch of the
//! stated size, in the red that our faces have, or the black or blue of writing. Rules and codes: docs/pictures.md.
//! Not checked: what the picture shows, and whether its owner may use it. A person looks at it before it becomes a seal.

use resvg::tiny_skia::{BlendMode, Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::{Options, Tree};

use crate::base::limits::SEAL_PICTURE_BYTES;
use crate::render::outline::{Place, Point, Typeface};
use crate::render::page::picture::{self, Fault};
use crate::render::png;
use crate::render::seal::ink::{Coverage, Span};
use crate::render::seal::{Error, SPECIMEN, Trust};

pub use crate::render::seal::ink::Ink;

/// Pixels of a side, and of the whole: a scan of 100 mm at 600 dots per inch is 2362 wide.
const SIDES: std::ops::RangeInclusive<u32> = 16..=5000;
const MOST_PIXELS: u32 = 8_000_000;

/// Millimetres of a side of a seal, and of a written signature.
const SEAL_SIZES: std::ops::RangeInclusive<u16> = 8..=80;
const WRITING_WIDTHS: std::ops::RangeInclusive<u16> = 10..=80;
const WRITING_HEIGHTS: std::ops::RangeInclusive<u16> = 5..=40;

/// Dots per inch that the ink must have at the stated size: below, strokes of small letters run together.
const LEAST_DOTS_SEAL: usize = 150;
const LEAST_DOTS_WRITING: usize = 100;

/// In a hundred: how far the shape of the ink may be from the stated one.
const ASPECT_TOLERANCE: usize = 5;

/// In a thousand pixels of what is inked.
const LEAST_FILLED: usize = 8;
const MOST_FILLED_SEAL: usize = 750;
const MOST_FILLED_WRITING: usize = 450;

/// In a hundred: pixels between paper and ink among all that are no paper. Edges of letters are; faces are more.
const MOST_HALF_TONES: usize = 60;

/// In a hundred: fully inked pixels that are of the ink.
const LEAST_OF_INK: usize = 90;

/// What to do about the colour of a seal's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InkChoice {
    /// It must be red.
    MustBeRed,
    /// It is of one ink, red, blue or black, and is redrawn in red.
    Recolour,
}

/// What a picture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// A seal: its ink reaches the edges of the stated size.
    Seal(InkChoice),
    /// A signature by hand, black or blue, placed in the middle of the stated size.
    Writing,
}

/// What an upload must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureRule {
    /// What it is of.
    pub kind: PictureKind,
    /// The stated width on paper.
    pub width_mm: u16,
    /// The stated height on paper.
    pub height_mm: u16,
    /// Under development trust 样章 is drawn across it.
    pub trust: Trust,
}

/// A picture as we keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPicture {
    /// Width on paper.
    pub width_mm: u16,
    /// Height on paper.
    pub height_mm: u16,
    /// The ink that it is drawn in.
    pub ink: Ink,
    /// PNG, 600 dots per inch, transparent outside the ink; nothing of the file that came but its shapes.
    pub png: Vec<u8>,
}

/// Why an uploaded picture is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The file is larger than any picture of a seal.
    #[error("a picture has at most {most} bytes, not {bytes}")]
    FileSize {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// It is no PNG, JPEG, GIF or BMP that we read.
    #[error("a picture is PNG, JPEG, GIF or plain BMP; this is {name}")]
    Format {
        /// What it is, as far as we know.
        name: &'static str,
    },
    /// It is a drawing (SVG, OFD, PDF), which could show more or other things than we check.
    #[error("drawings are not taken, since they can show different things to different readers: {name}")]
    Drawing {
        /// What it is.
        name: &'static str,
    },
    /// It cannot be decoded.
    #[error("the picture cannot be decoded")]
    Broken,
    /// Too many or too few pixels.
    #[error("a picture has sides of 16 to 5000 pixels and at most 8 million in all")]
    Pixels,
    /// The stated size is out of bounds.
    #[error("such a picture is not {width_mm} × {height_mm} mm large")]
    Size {
        /// The stated width.
        width_mm: u16,
        /// The stated height.
        height_mm: u16,
    },
    /// Hardly any ink.
    #[error("the picture is blank")]
    Blank,
    /// Hardly any paper between the ink.
    #[error("the picture is all ink")]
    Overfull,
    /// Shades as a photograph has.
    #[error("the picture is a photograph: {percent} in a hundred of its pixels are shades")]
    Photograph {
        /// Shades in a hundred pixels that are no paper.
        percent: usize,
    },
    /// The ink is not of the colour, or of several.
    #[error("the ink is not of one right colour: {percent} in a hundred pixels are")]
    InkColour {
        /// How many in a hundred inked pixels have it.
        percent: usize,
    },
    /// The ink has another shape than the stated size.
    #[error("the ink is {width} × {height} pixels, another shape than {width_mm} × {height_mm} mm")]
    Aspect {
        /// The ink's width.
        width: usize,
        /// The ink's height.
        height: usize,
        /// The stated width.
        width_mm: u16,
        /// The stated height.
        height_mm: u16,
    },
    /// Too few pixels for the stated size.
    #[error("the ink has {found} dots per inch at the stated size; it needs {least}")]
    Coarse {
        /// How many it has.
        found: usize,
        /// How many it needs.
        least: usize,
    },
    /// A failure of our own drawing.
    #[error("the picture cannot be redrawn")]
    Redrawing(#[from] Error),
}

impl UploadError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FileSize { .. } => "picture-too-large",
            Self::Format { .. } => "picture-format",
            Self::Drawing { .. } => "picture-drawing",
            Self::Broken => "picture-broken",
            Self::Pixels => "picture-pixels",
            Self::Size { .. } => "picture-size",
            Self::Blank => "picture-blank",
            Self::Overfull => "picture-overfull",
            Self::Photograph { .. } => "picture-photograph",
            Self::InkColour { .. } => "picture-ink-colour",
            Self::Aspect { .. } => "picture-aspect",
            Self::Coarse { .. } => "picture-coarse",
            Self::Redrawing(source) => source.code(),
        }
    }
}

/// Judges a picture and redraws it.
///
/// # Errors
/// What is wrong with it, by name.
pub fn normalise(file: &[u8], rule: PictureRule) -> Result<UploadedPicture, UploadError> {
    let PictureRule { kind, width_mm, height_mm, trust } = rule;
    let (widths, heights) = match kind {
        PictureKind::Seal(_) => (SEAL_SIZES, SEAL_SIZES),
        PictureKind::Writing => (WRITING_WIDTHS, WRITING_HEIGHTS),
    };
    if !widths.contains(&width_mm) || !heights.contains(&height_mm) {
        return Err(UploadError::Size { width_mm, height_mm });
    }
    let pixmap = decoded(file)?;
    let (coverage, census) = Coverage::of(&pixmap);
    drop(pixmap);
    let span = coverage.inked().ok_or(UploadError::Blank)?;
    let filled = coverage.filled(span);
    if filled < LEAST_FILLED {
        return Err(UploadError::Blank);
    }
    let shades = census.partly.saturating_mul(100) / census.partly.saturating_add(census.full).max(1);
    if shades > MOST_HALF_TONES {
        return Err(UploadError::Photograph { percent: shades });
    }
    let most = if kind == PictureKind::Writing { MOST_FILLED_WRITING } else { MOST_FILLED_SEAL };
    if filled > most {
        return Err(UploadError::Overfull);
    }
    let (chief, percent) = census.chief();
    let (ink, percent) = match kind {
        PictureKind::Seal(InkChoice::MustBeRed) => (Ink::Red, census.of(Ink::Red)),
        PictureKind::Seal(InkChoice::Recolour) => (Ink::Red, percent),
        // Writing in red is refused, since it would pass for a seal.
        PictureKind::Writing if chief == Ink::Red => (chief, 0),
        PictureKind::Writing => (chief, percent),
    };
    if percent < LEAST_OF_INK {
        return Err(UploadError::InkColour { percent });
    }
    let redrawn = placed(&coverage, span, rule)?;
    let mut pixmap = painted(&redrawn, ink)?;
    if trust == Trust::Development {
        mark(&mut pixmap, rule, ink)?;
    }
    Ok(UploadedPicture { width_mm, height_mm, ink, png: png::encode(&pixmap)? })
}

fn decoded(file: &[u8]) -> Result<Pixmap, UploadError> {
    if file.len() > SEAL_PICTURE_BYTES {
        return Err(UploadError::FileSize { bytes: file.len(), most: SEAL_PICTURE_BYTES });
    }
    // A text that begins with spaces or a mark of its encoding is still a drawing, and no picture.
    let text = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file).trim_ascii_start();
    for (magic, name) in [("<", "SVG or other XML"), ("PK", "OFD"), ("%PDF", "PDF"), ("%!PS", "PostScript")] {
        if text.starts_with(magic.as_bytes()) {
            return Err(UploadError::Drawing { name });
        }
    }
    let picture = picture::read(file).map_err(|fault| match fault {
        Fault::Format(name) => UploadError::Format { name },
        Fault::TooLarge => UploadError::Pixels,
        Fault::Broken => UploadError::Broken,
    })?;
    let (width, height) = picture.size;
    if !SIDES.contains(&width) || !SIDES.contains(&height) || width.saturating_mul(height) > MOST_PIXELS {
        return Err(UploadError::Pixels);
    }
    picture.pixels().ok_or(UploadError::Broken)
}

/// The ink on the grid of 600 dots per inch: a seal fills the stated size, writing keeps its shape.
fn placed(coverage: &Coverage, span: Span, rule: PictureRule) -> Result<Placed, UploadError> {
    let PictureRule { kind, width_mm, height_mm, .. } = rule;
    let side = |millimetres: u16| usize::try_from(png::pixels(millimetres)).unwrap_or(0);
    let (width, height) = (side(width_mm), side(height_mm));
    // Both sides of the comparison of shapes, as products.
    let (wide, high) = (span.width.saturating_mul(height), span.height.saturating_mul(width));
    let dots = |pixels: usize, millimetres: u16| {
        pixels.saturating_mul(254) / usize::from(millimetres).saturating_mul(10).max(1)
    };
    let (found, least, inner) = match kind {
        PictureKind::Seal(_) => {
            if wide.abs_diff(high).saturating_mul(100) > wide.max(high).saturating_mul(ASPECT_TOLERANCE) {
                let Span { width, height, .. } = span;
                return Err(UploadError::Aspect { width, height, width_mm, height_mm });
            }
            let found = dots(span.width, width_mm).min(dots(span.height, height_mm));
            (found, LEAST_DOTS_SEAL, (width, height))
        }
        PictureKind::Writing if wide >= high => {
            let inner = (width, span.height.saturating_mul(width).checked_div(span.width).unwrap_or(0).max(1));
            (dots(span.width, width_mm), LEAST_DOTS_WRITING, inner)
        }
        PictureKind::Writing => {
            let inner = (span.width.saturating_mul(height).checked_div(span.height).unwrap_or(0).max(1), height);
            (dots(span.height, height_mm), LEAST_DOTS_WRITING, inner)
        }
    };
    if found < least {
        return Err(UploadError::Coarse { found, least });
    }
    let ink = coverage.resampled(span, inner.0, inner.1);
    Ok(Placed { ink, width, height })
}

/// Coverage, to lie in the middle of so many pixels.
struct Placed {
    ink: Coverage,
    width: usize,
    height: usize,
}

fn painted(placed: &Placed, ink: Ink) -> Result<Pixmap, Error> {
    let side = |side: usize| u32::try_from(side).map_err(|_| Error::Pixels);
    let mut pixmap = Pixmap::new(side(placed.width)?, side(placed.height)?).ok_or(Error::Pixels)?;
    let left = placed.width.saturating_sub(placed.ink.width) / 2;
    let top = placed.height.saturating_sub(placed.ink.height) / 2;
    let [red, green, blue] = ink.colour();
    let pixels = pixmap.pixels_mut().chunks_exact_mut(placed.width.max(1)).skip(top);
    for (line, row) in pixels.zip(placed.ink.rows()) {
        for (pixel, covered) in line.iter_mut().skip(left).zip(row) {
            let part = |colour: u8| {
                let product = u16::from(colour).saturating_mul(u16::from(*covered)).saturating_add(127) / 255;
                u8::try_from(product).unwrap_or(255)
            };
            let premultiplied = PremultipliedColorU8::from_rgba(part(red), part(green), part(blue), *covered);
            *pixel = premultiplied.ok_or(Error::Pixels)?;
        }
    }
    Ok(pixmap)
}

/// How far the mark of a specimen is turned.
const MARK_TURN: f32 = -24.0;

/// 样章 across the middle, on a band that is cut out of the picture.
fn mark(pixmap: &mut Pixmap, rule: PictureRule, ink: Ink) -> Result<(), Error> {
    let (width, height) = (f64::from(rule.width_mm), f64::from(rule.height_mm));
    let size = (width * 0.22).min(height * 0.4);
    let middle = Point { x: width / 2.0, y: height / 2.0 };
    let typeface = Typeface::open()?;
    let mut paths = String::new();
    for (character, side) in SPECIMEN.chars().zip([-0.62, 0.62]) {
        let centre = Point { x: middle.x + side * size, ..middle };
        let letter = typeface.letter(character, Place { centre, width: size, height: size, turn: 0.0 })?;
        paths += &format!("<path d=\"{}\"/>", letter.svg_path());
    }
    let [red, green, blue] = ink.colour();
    let turned = format!("rotate({MARK_TURN} {} {})", middle.x, middle.y);
    let drawn = |fill: &str, what: &str| {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\
             <g fill=\"{fill}\" transform=\"{turned}\">{what}</g></svg>"
        );
        Tree::from_str(&svg, &Options::default()).map_err(Error::Svg)
    };
    let side = |side: u32| Ok::<f32, Error>(f32::from(u16::try_from(side).map_err(|_| Error::Pixels)?));
    let (across, down) = (side(pixmap.width())?, side(pixmap.height())?);
    let scale = Transform::from_scale(across / f32::from(rule.width_mm), down / f32::from(rule.height_mm));
    let half = (size * 1.25, size * 0.62);
    let band = format!(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        middle.x - half.0,
        middle.y - half.1,
        half.0 * 2.0,
        half.1 * 2.0
    );
    let mut hole = Pixmap::new(pixmap.width(), pixmap.height()).ok_or(Error::Pixels)?;
    resvg::render(&drawn("#000", &band)?, scale, &mut hole.as_mut());
    let paint = resvg::tiny_skia::PixmapPaint { blend_mode: BlendMode::DestinationOut, ..Default::default() };
    pixmap.draw_pixmap(0, 0, hole.as_ref(), &paint, Transform::identity(), None);
    resvg::render(&drawn(&format!("#{red:02x}{green:02x}{blue:02x}"), &paths)?, scale, &mut pixmap.as_mut());
    Ok(())
}
