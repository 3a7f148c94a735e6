//! The face of a round official seal: where everything stands, and the picture of it.
//!
//! 国发〔1999〕25号 asks for a round seal with a star in its middle and the name around it from left to right, in
//! simplified Song letters, 40, 42 or 45 mm wide by rank (recollection: the text was not at hand). The other
//! proportions are our own, chosen on the 42 mm seal, and scale with the diameter. Whether a body may use such a
//! seal and such a diameter is not checked here.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::render::outline::{Outline, Place, Point, Typeface};
use crate::render::{Error, png};

/// Diameters that we draw, in millimetres.
pub const DIAMETERS: std::ops::RangeInclusive<u16> = 20..=60;
/// Characters of an organisation's name: more than forty would be narrower than a stamp can show.
pub const ORGANISATION_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;
/// Characters of the line below the star.
pub const CENTRE_TEXT_LENGTHS: std::ops::RangeInclusive<usize> = 1..=10;
/// Digits of a seal's code (印章编码).
pub const SERIAL_DIGITS: usize = 14;

/// The red of the ink, as sRGB.
pub const INK: [u8; 3] = [200, 0, 0];

/// The seal that all proportions below are given for, in millimetres.
const MODEL_DIAMETER: f64 = 42.0;
const RING_WIDTH: f64 = 1.2;
/// From the ring to the heads of the name's letters.
const RING_TO_NAME: f64 = 0.8;
const STAR_RADIUS: f64 = 7.0;
/// Inner to outer corners of a five-pointed star whose sides run straight through.
const STAR_WAIST: f64 = 0.381_966;
const NAME_HEIGHT: f64 = 6.6;
/// Height to width of a name's letters: as wide as the first, no narrower than the second unless they shrink.
const NAME_SLENDER: f64 = 1.3;
const NAME_SLENDEREST: f64 = 1.75;
/// How far round from the top a name may reach on each side, in degrees.
const NAME_REACH: f64 = 132.0;
const SERIAL_HEIGHT: f64 = 2.1;
const SERIAL_RADIUS: f64 = 17.9;
const SERIAL_PITCH: f64 = 4.4;
const CENTRE_TEXT_HEIGHT: f64 = 4.4;
const CENTRE_TEXT_MIDDLE: f64 = 11.4;
/// White kept around the line below the star.
const CENTRE_TEXT_CLEARANCE: f64 = 1.1;

/// What a round seal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealFace {
    /// The organisation's name, on the upper arc.
    pub organisation: String,
    /// The line below the star, such as 样章 or 财务专用章.
    pub centre_text: Option<String>,
    /// The code of the seal (印章编码), 14 digits, on the lower arc.
    pub serial: Option<String>,
    /// 40, 42 or 45 for most bodies; 20 to 60 are drawn.
    pub diameter_mm: u16,
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
/// [`Error::Diameter`], [`Error::OrganisationLength`], [`Error::CentreTextLength`], [`Error::Serial`],
/// [`Error::MissingGlyph`] and [`Error::BlankCharacter`] name what is wrong with the face; the rest are failures of ours.
pub fn draw(face: &SealFace) -> Result<SealPicture, Error> {
    let svg = svg(face, &outlines(face)?);
    let png = png::rasterise(&svg, face.diameter_mm)?;
    Ok(SealPicture { width_mm: face.diameter_mm, height_mm: face.diameter_mm, svg, png })
}

fn svg(face: &SealFace, outlines: &[Outline]) -> String {
    let side = face.diameter_mm;
    let [red, green, blue] = INK;
    let name = escaped(&face.organisation);
    let paths: String = outlines.iter().map(|outline| format!("<path d=\"{}\"/>\n", outline.svg_path())).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}mm\" height=\"{side}mm\" viewBox=\"0 0 {side} {side}\" \
         role=\"img\">\n<title>{name}</title>\n<g fill=\"#{red:02x}{green:02x}{blue:02x}\">\n{paths}</g>\n</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Everything on the face, outermost first, in millimetres from its upper left corner.
///
/// # Errors
/// As [`draw`].
pub fn outlines(face: &SealFace) -> Result<Vec<Outline>, Error> {
    if !DIAMETERS.contains(&face.diameter_mm) {
        return Err(Error::Diameter { millimetres: face.diameter_mm });
    }
    let characters = face.organisation.chars().count();
    if !ORGANISATION_LENGTHS.contains(&characters) {
        return Err(Error::OrganisationLength { characters });
    }
    let ground = Ground::new(face.diameter_mm)?;
    let mut drawn = vec![ground.ring(), ground.star()];
    let name = ground.name(&face.organisation)?;
    drawn.extend(name.letters);
    if let Some(text) = &face.centre_text {
        let characters = text.chars().count();
        if !CENTRE_TEXT_LENGTHS.contains(&characters) {
            return Err(Error::CentreTextLength { characters });
        }
        drawn.extend(ground.centre_text(text, name.sector, face.serial.is_some())?);
    }
    if let Some(serial) = &face.serial {
        if serial.len() != SERIAL_DIGITS || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Serial);
        }
        drawn.extend(ground.serial(serial)?);
    }
    Ok(drawn)
}

/// The part of the disc that the name takes: from `inner` outward, `reach` radians to each side of the top.
#[derive(Debug, Clone, Copy)]
struct Sector {
    inner: f64,
    reach: f64,
}

struct Name {
    letters: Vec<Outline>,
    sector: Sector,
}

/// The disc to draw on: its centre, and what a millimetre of the model seal is on it.
struct Ground {
    typeface: Typeface,
    radius: f64,
    unit: f64,
}

impl Ground {
    fn new(diameter: u16) -> Result<Self, Error> {
        let diameter = f64::from(diameter);
        Ok(Self { typeface: Typeface::open()?, radius: diameter / 2.0, unit: diameter / MODEL_DIAMETER })
    }

    /// The point `radius` away from the centre, `turn` radians clockwise from the top.
    fn at(&self, radius: f64, turn: f64) -> Point {
        Point { x: self.radius + radius * turn.sin(), y: self.radius - radius * turn.cos() }
    }

    fn ring(&self) -> Outline {
        Outline::ring(self.at(0.0, 0.0), self.radius, self.radius - RING_WIDTH * self.unit)
    }

    fn star(&self) -> Outline {
        let radius = STAR_RADIUS * self.unit;
        let corners: Vec<Point> = (0..10u8)
            .map(|n| self.at(if n % 2 == 0 { radius } else { radius * STAR_WAIST }, f64::from(n) * PI / 5.0))
            .collect();
        Outline::polygon(&corners)
    }

    /// The name on the upper arc, clockwise, heads outward.
    ///
    /// Few letters stand wide apart, many close up; when their feet would touch they get slender, then smaller.
    fn name(&self, text: &str) -> Result<Name, Error> {
        let advances = self.advances(text)?;
        let squares: f64 = advances.iter().sum();
        let widest = (27.0 + 40.0 / squares).min(40.0);
        let pitch = widest.min(2.0 * NAME_REACH / squares).to_radians();

        let heads = self.radius - (RING_WIDTH + RING_TO_NAME) * self.unit;
        // Width of a square at the feet, `heads - height` from the centre, per millimetre of that distance.
        let opening = 2.0 * (pitch / 2.0).tan();
        let slenderest = NAME_SLENDEREST * opening;
        let height = (NAME_HEIGHT * self.unit).min(heads * slenderest / (1.0 + slenderest));
        let width = (height / NAME_SLENDER).min((heads - height) * opening);

        let mut letters = Vec::with_capacity(advances.len());
        let mut turn = -pitch * squares / 2.0;
        for (character, advance) in text.chars().zip(&advances) {
            turn += pitch * advance / 2.0;
            let centre = self.at(heads - height / 2.0, turn);
            letters.push(self.typeface.letter(character, Place { centre, width, height, turn })?);
            turn += pitch * advance / 2.0;
        }
        Ok(Name { letters, sector: Sector { inner: heads - height, reach: turn } })
    }

    /// The code on the lower arc, read from left to right, feet outward.
    fn serial(&self, digits: &str) -> Result<Vec<Outline>, Error> {
        let (radius, size) = (SERIAL_RADIUS * self.unit, SERIAL_HEIGHT * self.unit);
        let pitch = SERIAL_PITCH.to_radians();
        let mut turn = pitch * (length(digits) - 1.0) / 2.0;
        let mut drawn = Vec::new();
        for digit in digits.chars() {
            let place = Place { centre: self.at(radius, PI + turn), width: size, height: size, turn };
            drawn.push(self.typeface.letter(digit, place)?);
            turn -= pitch;
        }
        Ok(drawn)
    }

    /// The line below the star, as wide as the name and the code leave room for.
    fn centre_text(&self, text: &str, name: Sector, above_serial: bool) -> Result<Vec<Outline>, Error> {
        let advances = self.advances(text)?;
        // Two or three letters look lost when they stand close.
        let gap = if length(text) <= 3.0 { 0.35 } else { 0.12 };
        let squares: f64 = advances.iter().sum::<f64>() + gap * (length(text) - 1.0);
        let room = 2.0 * self.room_below_star(name, above_serial);
        let tallest = CENTRE_TEXT_HEIGHT * self.unit;
        let width = (tallest / 1.2).min(room / squares);
        let height = tallest.min(width * NAME_SLENDEREST);

        let mut left = self.radius - width * squares / 2.0;
        let mut drawn = Vec::with_capacity(advances.len());
        for (character, advance) in text.chars().zip(&advances) {
            let centre = Point { x: left + width * advance / 2.0, y: self.radius + CENTRE_TEXT_MIDDLE * self.unit };
            drawn.push(self.typeface.letter(character, Place { centre, width, height, turn: 0.0 })?);
            left += width * (advance + gap);
        }
        Ok(drawn)
    }

    /// How far the line below the star may reach to each side, found by walking outward in tenths of a millimetre.
    fn room_below_star(&self, name: Sector, above_serial: bool) -> f64 {
        let clearance = CENTRE_TEXT_CLEARANCE * self.unit;
        let rim = if above_serial {
            (SERIAL_RADIUS - SERIAL_HEIGHT / 2.0) * self.unit
        } else {
            self.radius - RING_WIDTH * self.unit
        };
        let free = |x: f64, y: f64| {
            let (radius, turn) = (x.hypot(y), FRAC_PI_2 + y.atan2(x));
            radius + clearance <= rim && (radius + clearance <= name.inner || (turn - name.reach) * radius >= clearance)
        };
        let (middle, half) = (CENTRE_TEXT_MIDDLE * self.unit, CENTRE_TEXT_HEIGHT * self.unit / 2.0);
        let step = 0.1 * self.unit;
        (1..200u8)
            .map(|n| f64::from(n) * step)
            .take_while(|x| free(*x, middle - half) && free(*x, middle) && free(*x, middle + half))
            .last()
            .unwrap_or(step)
    }

    fn advances(&self, text: &str) -> Result<Vec<f64>, Error> {
        text.chars().map(|character| self.typeface.advance(character)).collect()
    }
}

fn length(text: &str) -> f64 {
    text.chars().map(|_| 1.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

    fn face(organisation: &str) -> SealFace {
        SealFace { organisation: organisation.to_owned(), centre_text: None, serial: None, diameter_mm: 42 }
    }

    fn demo() -> SealFace {
        SealFace {
            centre_text: Some("样章".to_owned()),
            serial: Some("00000000000001".to_owned()),
            ..face("示例市印信演示局")
        }
    }

    fn pixmap(picture: &SealPicture) -> Pixmap {
        Pixmap::decode_png(&picture.png).unwrap()
    }

    /// The pixel at a place given in millimetres of the model seal from the centre.
    fn pixel(pixmap: &Pixmap, x: f64, y: f64) -> (u8, u8, u8, u8) {
        let scale = f64::from(pixmap.width()) / MODEL_DIAMETER;
        let at =
            |v: f64| -> u32 { format!("{:.0}", ((v + MODEL_DIAMETER / 2.0) * scale - 0.5).max(0.0)).parse().unwrap() };
        let found: PremultipliedColorU8 = pixmap.pixel(at(x), at(y)).unwrap();
        (found.red(), found.green(), found.blue(), found.alpha())
    }

    const RED: (u8, u8, u8, u8) = (INK[0], INK[1], INK[2], 255);
    const CLEAR: (u8, u8, u8, u8) = (0, 0, 0, 0);

    #[test]
    fn ring_and_star_are_red_and_corners_clear() {
        for diameter_mm in [20, 40, 42, 45, 60] {
            let picture = draw(&SealFace { diameter_mm, ..demo() }).unwrap();
            assert_eq!((picture.width_mm, picture.height_mm), (diameter_mm, diameter_mm));
            let pixmap = pixmap(&picture);
            assert_eq!((pixmap.width(), pixmap.height()), (png::pixels(diameter_mm), png::pixels(diameter_mm)));
            for (x, y) in [(0.0, -20.4), (20.4, 0.0), (0.0, 20.4), (-20.4, 0.0), (14.4, 14.4)] {
                assert_eq!(pixel(&pixmap, x, y), RED, "ring at {x}, {y}");
            }
            for (x, y) in [(0.0, 0.0), (0.0, -6.5), (6.0, -2.0), (-6.0, -2.0), (3.8, 5.2)] {
                assert_eq!(pixel(&pixmap, x, y), RED, "star at {x}, {y}");
            }
            for (x, y) in [(-20.9, -20.9), (20.9, -20.9), (-20.9, 20.9), (20.9, 20.9), (0.0, 8.0), (0.0, 19.6)] {
                assert_eq!(pixel(&pixmap, x, y), CLEAR, "white at {x}, {y}");
            }
        }
    }

    #[test]
    fn the_png_says_its_resolution() {
        let png = draw(&demo()).unwrap().png;
        let chunk = png.windows(4).position(|name| name == b"pHYs").unwrap();
        assert_eq!(chunk, 37, "right after the header");
        assert_eq!(
            png[chunk + 4..chunk + 13],
            [0, 0, 0x5C, 0x46, 0, 0, 0x5C, 0x46, 1],
            "23622 pixels per metre, both ways"
        );
    }

    #[test]
    fn the_svg_is_measured_in_millimetres_and_needs_no_font() {
        let svg = draw(&demo()).unwrap().svg;
        assert!(svg.contains("width=\"42mm\" height=\"42mm\" viewBox=\"0 0 42 42\""), "{svg:.200}");
        assert!(svg.contains("<title>示例市印信演示局</title>"));
        assert!(!svg.contains("<text"));
        // Ring, star, eight letters of the name, two below the star, fourteen digits.
        assert_eq!(svg.matches("<path ").count(), 1 + 1 + 8 + 2 + 14);
    }

    #[test]
    fn the_same_face_gives_the_same_bytes() {
        assert_eq!(draw(&demo()).unwrap(), draw(&demo()).unwrap());
        assert_ne!(draw(&demo()).unwrap().png, draw(&face("示例市印信演示局")).unwrap().png);
    }

    #[test]
    fn markup_in_a_name_stays_text() {
        let svg = draw(&face("<印&信>")).unwrap().svg;
        assert!(svg.contains("<title>&lt;印&amp;信&gt;</title>"));
    }

    /// Smallest and largest distance from the centre, and the farthest turn from the top.
    fn extent(outlines: &[Outline], centre: f64) -> (f64, f64, f64) {
        use crate::render::outline::Step;
        let mut extent = (f64::MAX, 0.0f64, 0.0f64);
        for step in outlines.iter().flat_map(|outline| &outline.steps) {
            let (Step::Move(p) | Step::Line(p) | Step::Quadratic(_, p) | Step::Cubic(_, _, p)) = step else { continue };
            let (x, y) = (p.x - centre, p.y - centre);
            let radius = x.hypot(y);
            extent = (extent.0.min(radius), extent.1.max(radius), extent.2.max(x.atan2(-y).abs()));
        }
        extent
    }

    #[test]
    fn names_of_every_length_stay_between_star_and_ring() {
        for diameter_mm in [20, 42, 60] {
            let unit = f64::from(diameter_mm) / MODEL_DIAMETER;
            for characters in ORGANISATION_LENGTHS {
                let drawn = outlines(&SealFace { diameter_mm, ..face(&"赢".repeat(characters)) }).unwrap();
                let (inner, outer, reach) = extent(&drawn[2..], f64::from(diameter_mm) / 2.0);
                assert!(inner > STAR_RADIUS * unit, "{characters} characters reach the star: {inner}");
                assert!(outer < (21.0 - RING_WIDTH) * unit, "{characters} characters reach the ring: {outer}");
                assert!(reach < NAME_REACH.to_radians(), "{characters} characters close the circle: {reach}");
            }
        }
    }

    #[test]
    fn neighbouring_letters_of_a_name_never_touch() {
        use crate::render::outline::Step;
        for characters in [2, 8, 14, 24, 40] {
            let drawn = outlines(&face(&"国".repeat(characters))).unwrap();
            let spans: Vec<(f64, f64)> = drawn[2..]
                .iter()
                .map(|letter| {
                    let turns = letter.steps.iter().filter_map(|step| match step {
                        Step::Close => None,
                        Step::Move(p) | Step::Line(p) | Step::Quadratic(_, p) | Step::Cubic(_, _, p) => {
                            Some((p.x - 21.0).atan2(21.0 - p.y))
                        }
                    });
                    turns.fold((f64::MAX, f64::MIN), |(low, high), turn| (low.min(turn), high.max(turn)))
                })
                .collect();
            for pair in spans.windows(2) {
                assert!(pair[0].1 < pair[1].0, "{characters} characters: {pair:?}");
            }
        }
    }

    #[test]
    fn the_line_below_the_star_keeps_clear_of_name_code_and_star() {
        for name_length in [2, 8, 12, 20, 40] {
            for text in ["章", "样章", "财务专用章", "合同专用章（一）（二）"] {
                let mut it =
                    SealFace { centre_text: Some(text.chars().take(10).collect()), ..face(&"国".repeat(name_length)) };
                it.serial = Some("12345678901234".to_owned());
                let drawn = outlines(&it).unwrap();
                let line = &drawn[2 + name_length..drawn.len() - SERIAL_DIGITS];
                assert_eq!(line.len(), text.chars().take(10).count());
                let (nearest, farthest, _) = extent(line, 21.0);
                let (code, _, _) = extent(&drawn[drawn.len() - SERIAL_DIGITS..], 21.0);
                assert!(nearest > STAR_RADIUS, "{text} at {nearest}");
                assert!(farthest < code, "{text} at {farthest} meets the code at {code}");
                let (feet, _, reach) = extent(&drawn[2..2 + name_length], 21.0);
                let mut meets = false;
                for letter in line {
                    let (_, far, _) = extent(std::slice::from_ref(letter), 21.0);
                    let least = letter.steps.iter().filter_map(|step| match step {
                        crate::render::outline::Step::Line(p) | crate::render::outline::Step::Move(p) => {
                            Some((p.x - 21.0).atan2(21.0 - p.y).abs())
                        }
                        _ => None,
                    });
                    meets |= far > feet && least.fold(f64::MAX, f64::min) < reach;
                }
                assert!(!meets, "{text} meets a name of {name_length}");
            }
        }
    }

    #[test]
    fn name_and_code_read_from_left_to_right_and_the_line_stands_level() {
        use crate::render::outline::Step;
        let drawn = outlines(&demo()).unwrap();
        let places: Vec<(f64, f64)> = drawn
            .iter()
            .map(|outline| match outline.steps[0] {
                Step::Move(start) => (start.x - 21.0, start.y - 21.0),
                _ => panic!("an outline starts with a move"),
            })
            .collect();
        let turns: Vec<f64> = places[2..10].iter().map(|(x, y)| x.atan2(-y)).collect();
        assert!(turns.windows(2).all(|pair| pair[0] < pair[1]), "clockwise: {turns:?}");
        assert!(places[10].0 < 0.0 && places[11].0 > 0.0 && (places[10].1 - places[11].1).abs() < 4.4);
        assert!(places[12..].windows(2).all(|pair| pair[0].0 < pair[1].0), "the code: {places:?}");
        assert!(places[12..].iter().all(|(_, y)| *y > 13.0), "the code is on the lower arc");
    }

    fn refusal(face: &SealFace) -> (&'static str, String) {
        let error = draw(face).unwrap_err();
        (error.code(), error.to_string())
    }

    #[test]
    fn faces_out_of_bounds_are_refused_exactly() {
        let cases = [
            (
                face("印"),
                "seal-face-organisation-length",
                "an organisation's name on a seal has 2 to 40 characters, not 1",
            ),
            (
                face(""),
                "seal-face-organisation-length",
                "an organisation's name on a seal has 2 to 40 characters, not 0",
            ),
            (
                face(&"印".repeat(41)),
                "seal-face-organisation-length",
                "an organisation's name on a seal has 2 to 40 characters, not 41",
            ),
            (SealFace { diameter_mm: 19, ..demo() }, "seal-face-diameter", "a seal is 20 to 60 mm wide, not 19"),
            (SealFace { diameter_mm: 61, ..demo() }, "seal-face-diameter", "a seal is 20 to 60 mm wide, not 61"),
            (
                SealFace { centre_text: Some(String::new()), ..demo() },
                "seal-face-centre-text-length",
                "the text below the star has 1 to 10 characters, not 0",
            ),
            (
                SealFace { centre_text: Some("章".repeat(11)), ..demo() },
                "seal-face-centre-text-length",
                "the text below the star has 1 to 10 characters, not 11",
            ),
            (
                SealFace { serial: Some("1234567890123".to_owned()), ..demo() },
                "seal-face-serial",
                "the code of a seal is 14 digits",
            ),
            (
                SealFace { serial: Some("1234567890123４".to_owned()), ..demo() },
                "seal-face-serial",
                "the code of a seal is 14 digits",
            ),
            (face("印 信"), "seal-face-blank-character", "U+0020 shows nothing on a seal"),
            (face("印\u{3000}信"), "seal-face-blank-character", "U+3000 shows nothing on a seal"),
            (face("示例龘局"), "seal-face-missing-glyph", "the typeface of seals lacks 龘 (U+9F98)"),
            (face("示例😀局"), "seal-face-missing-glyph", "the typeface of seals lacks 😀 (U+1F600)"),
            (
                SealFace { centre_text: Some("龘".to_owned()), ..demo() },
                "seal-face-missing-glyph",
                "the typeface of seals lacks 龘 (U+9F98)",
            ),
        ];
        for (face, code, message) in cases {
            assert_eq!(refusal(&face), (code, message.to_owned()), "{face:?}");
        }
    }
}
