//! Round and oval faces: a ring, a name over the top, lines in the middle, a code along the bottom.
//!
//! Lengths are millimetres of a model: a round seal of 42 mm, an oval one of 30 mm height. They scale with the seal,
//! down to the least height of letters that can be read at 600 dots per inch.

use std::f64::consts::PI;

use crate::render::Error;
use crate::render::outline::{Outline, Point, Typeface};
use crate::render::seal::error::TextPart;
use crate::render::seal::text::{Arc, Level, LowerArc, characters, count};
use crate::render::seal::track::Ellipse;
use crate::render::seal::{
    CODE_DIGITS, Centre, LINE_LENGTHS, MOST_LINES, NOTE_LENGTHS, ORGANISATION_LENGTHS, OvalFace, Part, Piece,
    RoundFace, SPECIMEN, TAX_NUMBER_LENGTHS, Trust, labelled,
};

const MODEL_DIAMETER: f64 = 42.0;
const MODEL_HEIGHT: f64 = 30.0;

/// The least height of a name's letters: below it the strokes of a dense character are thinner than two dots.
const NAME_LEAST: f64 = 2.0;
/// The least height of a level line's letters.
const LINE_LEAST: f64 = 1.7;
/// The least height of a digit's square on the lower arc.
const CODE_LEAST: f64 = 1.5;

/// Inner to outer corners of a five-pointed star whose sides run straight through.
const STAR_WAIST: f64 = 0.381_966;
const STAR_RADIUS: f64 = 7.0;

/// White kept around a level line.
const CLEARANCE: f64 = 0.9;

/// Half of the width that is free around the middle between two heights: no outline, and no point beyond the ring.
fn room(pieces: &[Piece], inner: Ellipse, (top, bottom): (f64, f64), clearance: f64) -> f64 {
    let (top, bottom) = (top - clearance, bottom + clearance);
    let edge = [top, bottom].into_iter().map(|y| {
        let part = (y - inner.centre.y) / inner.b;
        inner.a * (1.0 - part * part).max(0.0).sqrt()
    });
    let edge = edge.fold(f64::MAX, f64::min);
    let mut free = edge;
    for piece in pieces.iter().filter(|piece| piece.part != Part::Border) {
        let mut points = piece.outline.points();
        let Some(mut before) = points.next() else { continue };
        for point in points {
            // The control polygon holds the curve, so what it leaves free is free.
            let (low, high) = if before.y <= point.y { (before, point) } else { (point, before) };
            if low.y < bottom && high.y > top {
                let at = |y: f64| {
                    let part = if high.y > low.y { (y - low.y) / (high.y - low.y) } else { 0.0 };
                    (low.x + (high.x - low.x) * part.clamp(0.0, 1.0) - inner.centre.x).abs()
                };
                free = free.min(at(top.max(low.y))).min(at(bottom.min(high.y)));
            }
            before = point;
        }
    }
    (free - clearance).max(0.0)
}

fn code_digits(code: &str) -> Result<Vec<char>, Error> {
    if code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(code.chars().collect())
    } else {
        Err(Error::Code)
    }
}

/// A digit of a code and the white behind it, in heights of its square: all digits alike.
const CODE_STEP: f64 = 0.65;
const CODE_GAP: f64 = 0.03;

fn code_arc(middle: f64, height: f64) -> LowerArc {
    let pitch = Some(CODE_STEP - CODE_GAP);
    LowerArc { middle, height, narrow: 1.0, gap: CODE_GAP, pitch, share: 0.3 }
}

fn star(centre: Point, radius: f64) -> Outline {
    let corners: Vec<Point> = (0..10u8)
        .map(|n| {
            let (radius, turn) = (if n % 2 == 0 { radius } else { radius * STAR_WAIST }, f64::from(n) * PI / 5.0);
            Point { x: centre.x + radius * turn.sin(), y: centre.y - radius * turn.cos() }
        })
        .collect();
    Outline::polygon(&corners)
}

/// A level line of a face: which part, how high its middle lies, how tall its letters are.
struct Row<'a> {
    part: Part,
    text: &'a [char],
    middle: f64,
    tallest: f64,
    slender: f64,
}

/// What a face is drawn on, and what is on it already.
struct Ground<'t> {
    typeface: &'t Typeface,
    ellipse: Ellipse,
    /// The inner edge of the ring.
    inner: Ellipse,
    /// What a millimetre of the model is here.
    unit: f64,
    pieces: Vec<Piece>,
}

impl<'t> Ground<'t> {
    fn new(typeface: &'t Typeface, ellipse: Ellipse, unit: f64, line: f64) -> Self {
        let inner = Ellipse { a: ellipse.a - line, b: ellipse.b - line, ..ellipse };
        let ring = Outline::ring(ellipse.centre, (ellipse.a, ellipse.b), (inner.a, inner.b));
        Self { typeface, ellipse, inner, unit, pieces: vec![Piece { part: Part::Border, outline: ring }] }
    }

    fn add(&mut self, part: Part, outlines: Vec<Outline>) {
        self.pieces.extend(labelled(part, outlines));
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Row { part, text, middle, tallest, slender } = *row;
        let middle = Point { x: self.ellipse.centre.x, y: self.ellipse.centre.y + middle };
        // Two or three letters look lost when they stand close.
        let gap = if text.len() <= 3 { 0.35 } else { 0.12 };
        let least = LINE_LEAST.min(tallest);
        let set = |tallest: f64| {
            let band = (middle.y - tallest / 2.0, middle.y + tallest / 2.0);
            let room = room(&self.pieces, self.inner, band, CLEARANCE * self.unit);
            Level { middle, room, tallest, least, slender, gap }.set(self.typeface, TextPart::Line, text)
        };
        // A lower line may have more room beside it: by how the places are narrowed, one try lower is enough.
        let outlines = set(tallest).or_else(|refused| set(least.max(tallest * 0.6)).map_err(|_| refused))?;
        self.add(part, outlines);
        Ok(())
    }

    /// 样章 on either side of the middle.
    fn specimen_beside(&mut self, middle: f64, aside: f64, height: f64) -> Result<(), Error> {
        for (character, side) in SPECIMEN.chars().zip([-1.0, 1.0]) {
            let centre = Point { x: self.ellipse.centre.x + side * aside, y: self.ellipse.centre.y + middle };
            let level = Level { middle: centre, room: height, tallest: height, least: 0.0, slender: 1.1, gap: 0.0 };
            let set = level.set(self.typeface, TextPart::Line, &[character])?;
            self.add(Part::Specimen, set);
        }
        Ok(())
    }
}

/// A round face.
pub(super) fn round(typeface: &Typeface, face: &RoundFace, trust: Trust) -> Result<Vec<Piece>, Error> {
    let name =
        characters(TextPart::Name, &face.organisation, *ORGANISATION_LENGTHS.start(), *ORGANISATION_LENGTHS.end())?;
    if face.lines.len() > MOST_LINES {
        return Err(Error::TooManyLines { lines: face.lines.len(), most: MOST_LINES });
    }
    let lines = face
        .lines
        .iter()
        .map(|line| characters(TextPart::Line, line, *LINE_LENGTHS.start(), *LINE_LENGTHS.end()))
        .collect::<Result<Vec<_>, _>>()?;
    let code = face.code.as_deref().map(code_digits).transpose()?;
    let note = face.note.as_deref();
    let note = note.map(|note| characters(TextPart::Note, note, 1, *NOTE_LENGTHS.end())).transpose()?;

    let unit = f64::from(face.diameter_mm) / MODEL_DIAMETER;
    let ellipse = Ellipse::of(face.diameter_mm, face.diameter_mm);
    let mut ground = Ground::new(typeface, ellipse, unit, 1.2 * unit);
    if face.centre == Centre::Star {
        ground.add(Part::Star, vec![star(ellipse.centre, STAR_RADIUS * unit)]);
    }
    // On a small seal the code, which has a least height, takes more of the round; the name gets the rest.
    let code_height = (2.1 * unit).max(CODE_LEAST);
    let code_middle = 2.05 * unit + code_height / 2.0;
    let round = 2.0 * PI * (ellipse.a - code_middle);
    let taken = count(CODE_DIGITS) * CODE_STEP * code_height / round;
    let rest = if code.is_some() { 1.0 - taken - 0.05 } else { 1.0 };
    let share = (rest.min(0.733), rest.min(0.775));
    let arc = Arc { heads: 2.0 * unit, tallest: 6.6 * unit, least: NAME_LEAST, share };
    let outlines = arc.set(typeface, ellipse, &name)?;
    ground.add(Part::Name, outlines);
    if let Some(code) = &code {
        let outlines = code_arc(code_middle, code_height).set(typeface, ellipse, code)?;
        ground.add(Part::Code, outlines);
    }
    if let Some(note) = &note {
        let height = (1.8 * unit).max(CODE_LEAST);
        let middle = if code.is_some() { 5.5 * unit } else { 3.2 * unit };
        let lower = LowerArc { middle, height, narrow: 1.25, gap: 0.06, pitch: None, share: 0.24 };
        let outlines = lower.set(typeface, ellipse, note)?;
        ground.add(Part::Note, outlines);
    }
    // A note above the code leaves the lines less height.
    let crowded = code.is_some() && note.is_some();
    let below = match (crowded, lines.len() < 2) {
        (false, true) => [(11.4, 4.4), (0.0, 0.0)],
        (true, true) => [(10.5, 4.4), (0.0, 0.0)],
        (false, false) => [(9.9, 3.7), (14.1, 2.9)],
        (true, false) => [(8.4, 3.2), (11.9, 2.3)],
    };
    let specimen: Vec<char> = SPECIMEN.chars().collect();
    let marked = trust == Trust::Development;
    let middle = face.centre == Centre::Empty && !lines.is_empty();
    let places = match (middle, lines.len()) {
        (false, _) => below,
        (true, 1) => [(0.6, 5.4), (0.0, 0.0)],
        (true, _) => [(-2.2, 4.6), (3.6, 4.6)],
    };
    for (number, (text, (height, tallest))) in lines.iter().zip(places).enumerate() {
        let slender = 1.2;
        let row = Row { part: Part::Line(number), text, middle: height * unit, tallest: tallest * unit, slender };
        ground.row(&row)?;
    }
    if marked && (lines.is_empty() || middle) {
        let (height, tallest) = if crowded { (10.5, 4.4) } else { (11.4, 4.4) };
        let row =
            Row { part: Part::Specimen, text: &specimen, middle: height * unit, tallest: tallest * unit, slender: 1.2 };
        ground.row(&row)?;
    } else if marked {
        ground.specimen_beside(2.3 * unit, 9.5 * unit, 3.7 * unit)?;
    }
    Ok(ground.pieces)
}

/// An oval face, by 国家税务总局公告2011年第7号 where that says how.
pub(super) fn oval(typeface: &Typeface, face: &OvalFace, trust: Trust) -> Result<Vec<Piece>, Error> {
    let name =
        characters(TextPart::Name, &face.organisation, *ORGANISATION_LENGTHS.start(), *ORGANISATION_LENGTHS.end())?;
    let line = |text: &str| characters(TextPart::Line, text, *LINE_LENGTHS.start(), *LINE_LENGTHS.end());
    let (below, number) = (face.line.as_deref().map(line).transpose()?, face.number.as_deref().map(line).transpose()?);
    let code = face.code.as_deref().map(code_digits).transpose()?;
    let tax_number = face.tax_number.as_deref().map(tax_number).transpose()?;

    let unit = f64::from(face.height_mm) / MODEL_HEIGHT;
    let ellipse = Ellipse::of(face.width_mm, face.height_mm);
    let mut ground = Ground::new(typeface, ellipse, unit, unit);
    let arc = Arc { heads: 1.6 * unit, tallest: 4.2 * unit, least: NAME_LEAST, share: (0.62, 0.66) };
    let outlines = arc.set(typeface, ellipse, &name)?;
    ground.add(Part::Name, outlines);
    if let Some(code) = &code {
        let height = (1.8 * unit).max(CODE_LEAST);
        let outlines = code_arc(1.5 * unit + height / 2.0, height).set(typeface, ellipse, code)?;
        ground.add(Part::Code, outlines);
    }
    if let Some(text) = &tax_number {
        // Digits fill about three quarters of their square: so 3.7 mm of ink stand in squares of 4.8 mm.
        let tallest = 4.8 * unit;
        let band = (ellipse.centre.y - tallest / 2.0, ellipse.centre.y + tallest / 2.0);
        let room = room(&ground.pieces, ground.inner, band, 0.6 * unit).min(13.0 * unit);
        let level = Level { middle: ellipse.centre, room, tallest, least: LINE_LEAST, slender: 1.6, gap: 0.06 };
        let outlines = level.set(typeface, TextPart::Middle, text)?;
        ground.add(Part::Middle, outlines);
    }
    let crowded = code.is_some() && number.is_some();
    let (line_at, line_tall, number_at) = match (&tax_number, crowded) {
        (Some(_), false) => (6.5, 4.6, 11.1),
        (Some(_), true) => (5.0, 3.6, 8.55),
        (None, false) => (2.2, 4.6, 8.0),
        (None, true) => (2.2, 4.6, 7.6),
    };
    let rows = [(below, line_at, line_tall), (number, number_at, if crowded { 2.0 } else { 2.6 })];
    for (place, (text, middle, tallest)) in rows.iter().enumerate() {
        if let Some(text) = text {
            let part = Part::Line(place);
            ground.row(&Row { part, text, middle: middle * unit, tallest: tallest * unit, slender: 1.5 })?;
        }
    }
    if trust == Trust::Development {
        let text: Vec<char> = SPECIMEN.chars().collect();
        let middle = if tax_number.is_some() { -5.3 } else { -3.4 };
        ground.row(&Row {
            part: Part::Specimen,
            text: &text,
            middle: middle * unit,
            tallest: 3.8 * unit,
            slender: 1.15,
        })?;
    }
    Ok(ground.pieces)
}

fn tax_number(text: &str) -> Result<Vec<char>, Error> {
    let sound = text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if sound && TAX_NUMBER_LENGTHS.contains(&text.len()) { Ok(text.chars().collect()) } else { Err(Error::TaxNumber) }
}
