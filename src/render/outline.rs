//! Filled outlines in millimetres, y downward, and the letters that become such outlines.

use std::fmt::Write;

use ttf_parser::{Face, GlyphId, OutlineBuilder, Rect};

use crate::render::{Error, SEAL_FONT};

/// The middle of the ideographic square above the base line, in thousandths of the type size.
const MIDDLE: f64 = 380.0;

/// White on each side of what is no ideograph, in squares: about what ideographs have.
const BEARING: f64 = 0.07;

/// The least that a character takes, in squares.
const NARROWEST: f64 = 0.3;

/// How far the handles of a cubic curve stand from its ends, so that four of them make a circle (error below 0.03 %).
const CIRCLE_HANDLE: f64 = 0.552_284_75;

/// A point of the drawing, in millimetres from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Rightward.
    pub x: f64,
    /// Downward.
    pub y: f64,
}

/// One step of an outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Starts a contour.
    Move(Point),
    /// A straight line.
    Line(Point),
    /// A quadratic curve: handle, end.
    Quadratic(Point, Point),
    /// A cubic curve: two handles, end.
    Cubic(Point, Point, Point),
    /// Closes the contour.
    Close,
}

/// A shape filled by the non-zero rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outline {
    /// Its contours, one after the other.
    pub steps: Vec<Step>,
}

impl Outline {
    /// A closed polygon.
    #[must_use]
    pub fn polygon(corners: &[Point]) -> Self {
        let mut corners = corners.iter().copied();
        let mut steps: Vec<Step> = corners.next().map(Step::Move).into_iter().collect();
        steps.extend(corners.map(Step::Line));
        steps.push(Step::Close);
        Self { steps }
    }

    /// A ring: an ellipse with a hole, whose contours run against each other. `outer` and `inner` are halves of width
    /// and height.
    #[must_use]
    pub fn ring(centre: Point, outer: (f64, f64), inner: (f64, f64)) -> Self {
        let mut ring = Self::default();
        ring.ellipse(centre, outer, 1.0);
        ring.ellipse(centre, inner, -1.0);
        ring
    }

    /// A rectangular frame, so wide all round.
    #[must_use]
    pub fn frame(width: f64, height: f64, line: f64) -> Self {
        let at = |x, y| Point { x, y };
        let mut frame = Self::polygon(&[at(0.0, 0.0), at(width, 0.0), at(width, height), at(0.0, height)]);
        let (right, foot) = (width - line, height - line);
        // The inner contour runs the other way.
        let hole = Self::polygon(&[at(line, line), at(line, foot), at(right, foot), at(right, line)]);
        frame.steps.extend(hole.steps);
        frame
    }

    /// The ends and handles of all steps: their hull holds the outline.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.steps.iter().flat_map(|step| {
            let points = match *step {
                Step::Move(end) | Step::Line(end) => [Some(end), None, None],
                Step::Quadratic(handle, end) => [Some(handle), Some(end), None],
                Step::Cubic(first, second, end) => [Some(first), Some(second), Some(end)],
                Step::Close => [None; 3],
            };
            points.into_iter().flatten()
        })
    }

    fn ellipse(&mut self, centre: Point, half: (f64, f64), direction: f64) {
        let at = |x: f64, y: f64| Point { x: centre.x + x * half.0, y: centre.y + y * half.1 * direction };
        let k = CIRCLE_HANDLE;
        self.steps.extend([
            Step::Move(at(0.0, -1.0)),
            Step::Cubic(at(k, -1.0), at(1.0, -k), at(1.0, 0.0)),
            Step::Cubic(at(1.0, k), at(k, 1.0), at(0.0, 1.0)),
            Step::Cubic(at(-k, 1.0), at(-1.0, k), at(-1.0, 0.0)),
            Step::Cubic(at(-1.0, -k), at(-k, -1.0), at(0.0, -1.0)),
            Step::Close,
        ]);
    }

    /// The `d` of an SVG path.
    #[must_use]
    pub fn svg_path(&self) -> String {
        self.written("M", "L", "Q", "C", "Z")
    }

    /// The `AbbreviatedData` of an OFD PathObject (GB/T 33190-2016 §9.1).
    #[must_use]
    pub fn ofd_path(&self) -> String {
        self.written("M", "L", "Q", "B", "C")
    }

    fn written(&self, start: &str, line: &str, quadratic: &str, cubic: &str, close: &str) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let (letter, points) = match step {
                Step::Move(end) => (start, vec![*end]),
                Step::Line(end) => (line, vec![*end]),
                Step::Quadratic(handle, end) => (quadratic, vec![*handle, *end]),
                Step::Cubic(first, second, end) => (cubic, vec![*first, *second, *end]),
                Step::Close => (close, Vec::new()),
            };
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(letter);
            for point in points {
                // Writing into a String cannot fail.
                let _ = write!(text, " {} {}", millimetres(point.x), millimetres(point.y));
            }
        }
        text
    }
}

/// A length to the micrometre, so that no platform's arithmetic shows in the bytes.
fn millimetres(length: f64) -> String {
    let text = format!("{length:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Where a letter stands: the middle of its square, its size, and how far it is turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The middle of the letter's square.
    pub centre: Point,
    /// The width of a full square.
    pub width: f64,
    /// The height of a full square.
    pub height: f64,
    /// Clockwise turn in radians; 0 stands upright.
    pub turn: f64,
}

/// The typeface of seals, opened.
#[derive(Debug)]
pub struct Typeface {
    face: Face<'static>,
    units: f64,
}

impl Typeface {
    /// Opens the typeface that we ship.
    ///
    /// # Errors
    /// [`Error::Font`] when it is damaged.
    pub fn open() -> Result<Self, Error> {
        let face = Face::parse(SEAL_FONT, 0).map_err(Error::Font)?;
        let units = f64::from(face.units_per_em());
        Ok(Self { face, units })
    }

    /// How much of a full square the character takes along the line: 1 for an ideograph, less for digits, dots and brackets.
    ///
    /// What is no ideograph is measured by its ink, so that brackets, which fill half of their square, stand no farther
    /// from their neighbours than letters do.
    ///
    /// # Errors
    /// [`Error::MissingGlyph`] for a character that the typeface lacks.
    pub fn cell(&self, character: char) -> Result<f64, Error> {
        let (_, ink) = self.glyph(character)?;
        if is_ideograph(character) {
            return Ok(1.0);
        }
        Ok(((f64::from(ink.x_max) - f64::from(ink.x_min)) / self.units + 2.0 * BEARING).max(NARROWEST))
    }

    fn glyph(&self, character: char) -> Result<(GlyphId, Rect), Error> {
        let glyph = self.face.glyph_index(character).ok_or_else(|| missing(character))?;
        // A glyph without an outline has no box: an empty box of the typeface, never a letter.
        let ink = self.face.glyph_bounding_box(glyph).ok_or_else(|| missing(character))?;
        Ok((glyph, ink))
    }

    /// The character's outline at a place: no part of it lies above or below its square.
    ///
    /// # Errors
    /// [`Error::MissingGlyph`] for a character that the typeface lacks, or for which it draws nothing.
    pub fn letter(&self, character: char, place: Place) -> Result<Outline, Error> {
        let (glyph, ink) = self.glyph(character)?;
        let middle = if is_ideograph(character) {
            0.5
        } else {
            (f64::from(ink.x_min) + f64::from(ink.x_max)) / 2.0 / self.units
        };
        let (top, bottom) = (f64::from(ink.y_max) / self.units, f64::from(ink.y_min) / self.units);
        let (head, foot) = (MIDDLE / 1000.0 + 0.5, MIDDLE / 1000.0 - 0.5);
        // What is taller than the square is made as tall; what only hangs out of it is moved in.
        let shrink = (1.0 / (top - bottom).max(f64::EPSILON)).min(1.0);
        let (top, bottom) = (top * shrink, bottom * shrink);
        let rise = (head - top).min(0.0) + (foot - bottom).max(0.0);
        let (sin, cos) = place.turn.sin_cos();
        let mut pen = Pen { outline: Outline::default(), units: self.units, middle, shrink, rise, place, sin, cos };
        if self.face.outline_glyph(glyph, &mut pen).is_none() || pen.outline.steps.is_empty() {
            return Err(missing(character));
        }
        Ok(pen.outline)
    }
}

/// Ideographs stand in equal squares: 〇, the unified ones with their extensions.
fn is_ideograph(character: char) -> bool {
    matches!(character, '〇' | '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn missing(character: char) -> Error {
    Error::MissingGlyph { character, code_point: u32::from(character) }
}

/// Carries a glyph from the typeface's units, y upward, to its place.
struct Pen {
    outline: Outline,
    units: f64,
    middle: f64,
    shrink: f64,
    rise: f64,
    place: Place,
    sin: f64,
    cos: f64,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> Point {
        let right = (f64::from(x) / self.units - self.middle) * self.place.width;
        let up = f64::from(y) / self.units * self.shrink + self.rise;
        let down = (MIDDLE / 1000.0 - up) * self.place.height;
        Point {
            x: self.place.centre.x + right * self.cos - down * self.sin,
            y: self.place.centre.y + right * self.sin + down * self.cos,
        }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let step = Step::Move(self.at(x, y));
        self.outline.steps.push(step);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let step = Step::Line(self.at(x, y));
        self.outline.steps.push(step);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let step = Step::Quadratic(self.at(x1, y1), self.at(x, y));
        self.outline.steps.push(step);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let step = Step::Cubic(self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.outline.steps.push(step);
    }

    fn close(&mut self) {
        self.outline.steps.push(Step::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { centre: Point { x: 10.0, y: 10.0 }, width: 10.0, height: 10.0, turn: 0.0 };

    /// The committed list of the 8105 characters of 通用规范汉字表 (2013).
    const TABLE: &str = include_str!("../../assets/fonts/tongyong-guifan-hanzi.txt");

    #[test]
    fn every_character_of_the_table_has_an_outline() {
        let typeface = Typeface::open().unwrap();
        let characters: Vec<char> = TABLE.chars().filter(|c| *c != '\n').collect();
        let distinct: std::collections::BTreeSet<char> = characters.iter().copied().collect();
        assert_eq!((characters.len(), distinct.len()), (8105, 8105));
        assert!(characters.iter().any(|c| u32::from(*c) > 0xFFFF), "some stand outside the basic plane");
        let refused: Vec<String> =
            characters.iter().filter_map(|c| typeface.letter(*c, PLACE).err().map(|error| error.to_string())).collect();
        assert_eq!(refused, Vec::<String>::new());
    }

    #[test]
    fn other_writing_of_official_names_has_outlines() {
        let typeface = Typeface::open().unwrap();
        let ascii = (0x21..=0x7Eu32).chain(0xFF01..=0xFF5E).filter_map(char::from_u32);
        for character in ascii.chain("〇·、。《》“”‘’（）—…".chars()) {
            assert!(typeface.letter(character, PLACE).is_ok(), "{character}");
        }
    }

    #[test]
    fn a_letter_stands_in_its_square() {
        let typeface = Typeface::open().unwrap();
        let points = |turn| -> Vec<Point> {
            let outline = typeface.letter('国', Place { turn, width: 6.0, ..PLACE }).unwrap();
            let ends = outline.steps.iter().filter_map(|step| match step {
                Step::Move(end) | Step::Line(end) | Step::Quadratic(_, end) | Step::Cubic(_, _, end) => Some(*end),
                Step::Close => None,
            });
            ends.collect()
        };
        let upright = points(0.0);
        assert!(upright.iter().all(|p| (7.0..=13.0).contains(&p.x) && (5.0..=15.0).contains(&p.y)));
        let span = upright.iter().map(|p| p.y).fold(0.0, f64::max) - upright.iter().map(|p| p.y).fold(20.0, f64::min);
        assert!(span > 8.0, "it fills its height: {span}");
        let lying = points(std::f64::consts::FRAC_PI_2);
        for (before, after) in upright.iter().zip(&lying) {
            assert!((after.x - (20.0 - before.y)).abs() < 1e-9 && (after.y - before.x).abs() < 1e-9, "a quarter turn");
        }
    }

    #[test]
    fn outlines_are_written_to_the_micrometre() {
        let square = Outline::polygon(&[Point { x: -0.000_1, y: 1.0 / 3.0 }, Point { x: 2.5, y: 10.0 }]);
        assert_eq!(square.svg_path(), "M 0 0.333 L 2.5 10 Z");
        assert_eq!(square.ofd_path(), "M 0 0.333 L 2.5 10 C");
        let ring = Outline::ring(Point { x: 1.0, y: 1.0 }, (1.0, 1.0), (0.5, 0.5)).ofd_path();
        assert!(ring.starts_with("M 1 0 B 1.552 0 2 0.448 2 1 B "), "{ring}");
    }

    #[test]
    fn a_missing_glyph_is_named() {
        let typeface = Typeface::open().unwrap();
        let refused = typeface.letter('龘', PLACE).unwrap_err();
        assert!(matches!(refused, Error::MissingGlyph { character: '龘', code_point: 0x9F98 }));
        assert_eq!(refused.code(), "glyph-missing");
        assert_eq!(refused.to_string(), "the typeface of seals lacks 龘 (U+9F98)");
    }
}
