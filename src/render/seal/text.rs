//! What may be written on a seal, and letters set on arcs and level lines.

use unicode_normalization::char::is_combining_mark;

use crate::render::Error;
use crate::render::outline::{Outline, Place, Point, Typeface};
use crate::render::seal::error::{Forbidden, TextPart};
use crate::render::seal::track::{Ellipse, Track};

/// Characters that are looked at before a text is called too long: no face takes more.
const MOST_CHARACTERS: usize = 64;

/// Height to width of a letter: as wide as the first while there is room, never narrower than the second.
pub(super) const SLENDER: f64 = 1.3;
const SLENDEREST: f64 = 2.05;

/// What sort of character no seal shows, if it is one. Unicode 15.1 categories; the typeface decides on the rest.
pub(super) fn forbidden(character: char) -> Option<Forbidden> {
    match character {
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            Some(Forbidden::Direction)
        }
        '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => {
            Some(Forbidden::Variation)
        }
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => Some(Forbidden::PrivateUse),
        '\u{00AD}'
        | '\u{034F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200D}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}' => Some(Forbidden::Invisible),
        _ if character.is_control() => Some(Forbidden::Control),
        _ if character.is_whitespace() => Some(Forbidden::Blank),
        _ if is_combining_mark(character) => Some(Forbidden::Combining),
        _ => None,
    }
}

/// The characters of a text, each of which a seal can show.
///
/// # Errors
/// [`Error::TextTooShort`], [`Error::TextTooLong`], [`Error::ForbiddenCharacter`].
pub(super) fn characters(part: TextPart, text: &str, least: usize, most: usize) -> Result<Vec<char>, Error> {
    let found: Vec<char> = text.chars().take(MOST_CHARACTERS).collect();
    if let Some((kind, character)) = found.iter().find_map(|c| Some((forbidden(*c)?, *c))) {
        return Err(Error::ForbiddenCharacter { kind, code_point: u32::from(character) });
    }
    if found.len() < least {
        return Err(Error::TextTooShort { part, characters: found.len(), least });
    }
    if found.len() > most {
        return Err(Error::TextTooLong { part, characters: text.chars().count(), fit: most });
    }
    Ok(found)
}

/// A number as the arithmetic of lengths takes it; texts are short.
pub(super) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

fn cells(typeface: &Typeface, text: &[char]) -> Result<Vec<f64>, Error> {
    text.iter().map(|character| typeface.cell(*character)).collect()
}

/// How a name stands on the upper arc.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arc {
    /// From the outer edge to the heads of the letters.
    pub(super) heads: f64,
    /// Letters are as high as this while they have room, and never lower than `least`.
    pub(super) tallest: f64,
    pub(super) least: f64,
    /// The most of the whole round that a short name and a long one take.
    pub(super) share: (f64, f64),
}

/// The size of letters on an arc: height, width, and the white between two.
#[derive(Debug, Clone, Copy)]
struct Size {
    height: f64,
    width: f64,
    gap: f64,
    length: f64,
}

impl Arc {
    /// Few letters stand wide apart, many close up; where their feet would meet they get slender, then lower.
    fn size(&self, ellipse: Ellipse, squares: f64, letters: f64) -> Option<Size> {
        let pitch = (27.0 + 40.0 / squares).min(40.0);
        // From sixteen letters on a name may reach farther round, at twenty-eight it does so fully.
        let long = ((squares - 16.0) / 12.0).clamp(0.0, 1.0);
        let most = self.share.0 + (self.share.1 - self.share.0) * long;
        let share = (pitch * squares / 360.0).min(most);
        let at = |height: f64| {
            let track = Track::new(ellipse, self.heads + height / 2.0);
            let length = 2.0 * share * track.half();
            let radius = track.tightest(length / 2.0);
            let feet = ((radius - height / 2.0) / radius).max(0.0);
            let width = (height / SLENDER).min(length / squares * feet * 0.97);
            Size { height, width, gap: (length - width * squares) / letters, length }
        };
        let fits = |size: &Size| size.width >= size.height / SLENDEREST;
        let best = at(self.tallest);
        if fits(&best) {
            return Some(best);
        }
        let lowest = at(self.least);
        if !fits(&lowest) {
            return None;
        }
        let (mut low, mut high) = (lowest, self.tallest);
        for _ in 0..16 {
            let middle = at(f64::midpoint(low.height, high));
            if fits(&middle) {
                low = middle;
            } else {
                high = middle.height;
            }
        }
        Some(low)
    }

    /// Sets a name clockwise over the top, heads outward.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] says how many ideographs fit; [`Error::MissingGlyph`].
    pub(super) fn set(&self, typeface: &Typeface, ellipse: Ellipse, text: &[char]) -> Result<Vec<Outline>, Error> {
        let cells = cells(typeface, text)?;
        let letters = count(cells.len());
        let Some(size) = self.size(ellipse, cells.iter().sum(), letters) else {
            let fit = (1..text.len()).rev().find(|n| self.size(ellipse, count(*n), count(*n)).is_some()).unwrap_or(0);
            return Err(Error::TextTooLong { part: TextPart::Name, characters: text.len(), fit });
        };
        let track = Track::new(ellipse, self.heads + size.height / 2.0);
        let mut length = (size.gap - size.length) / 2.0;
        let mut set = Vec::with_capacity(text.len());
        for (character, cell) in text.iter().zip(&cells) {
            let half = cell * size.width / 2.0;
            let stand = track.at(length + half);
            let place = Place { centre: stand.point, width: size.width, height: size.height, turn: stand.turn };
            set.push(typeface.letter(*character, place)?);
            length += 2.0 * half + size.gap;
        }
        Ok(set)
    }
}

/// How a code or a note stands on the lower arc: read from left to right, feet outward.
#[derive(Debug, Clone, Copy)]
pub(super) struct LowerArc {
    /// From the outer edge to the middle of the letters.
    pub(super) middle: f64,
    pub(super) height: f64,
    /// Letters are so much narrower than high.
    pub(super) narrow: f64,
    /// White between two, in heights.
    pub(super) gap: f64,
    /// Every letter takes so much of a square, as the digits of a code do; by their own measure without.
    pub(super) pitch: Option<f64>,
    /// The most of the whole round.
    pub(super) share: f64,
}

impl LowerArc {
    /// # Errors
    /// [`Error::TextTooLong`] says how many ideographs fit; [`Error::MissingGlyph`].
    pub(super) fn set(&self, typeface: &Typeface, ellipse: Ellipse, text: &[char]) -> Result<Vec<Outline>, Error> {
        let width = self.height / self.narrow;
        let gap = self.gap * self.height;
        let mut cells = cells(typeface, text)?;
        if let Some(pitch) = self.pitch {
            cells.fill(pitch);
        }
        let track = Track::new(ellipse, self.middle);
        let room = 2.0 * track.half() * self.share;
        let total: f64 = cells.iter().sum::<f64>() * width + gap * (count(cells.len()) - 1.0);
        if total > room {
            let fit = (1..text.len()).rev().find(|n| count(*n) * (width + gap) - gap <= room).unwrap_or(0);
            return Err(Error::TextTooLong { part: TextPart::Note, characters: text.len(), fit });
        }
        let mut left = total / 2.0;
        let mut set = Vec::with_capacity(text.len());
        for (character, cell) in text.iter().zip(&cells) {
            let half = cell * width / 2.0;
            // What stands left of the bottom lies beyond it, clockwise from the top.
            let stand = track.at(track.half() + left - half);
            let turn = stand.turn + std::f64::consts::PI;
            set.push(typeface.letter(*character, Place { centre: stand.point, width, height: self.height, turn })?);
            left -= 2.0 * half + gap;
        }
        Ok(set)
    }
}

/// How a level line stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    /// The middle of the line.
    pub(super) middle: Point,
    /// How far it may reach to each side.
    pub(super) room: f64,
    /// Letters are as high as this while they have room, and never lower than `least`.
    pub(super) tallest: f64,
    pub(super) least: f64,
    /// Height to width while there is room.
    pub(super) slender: f64,
    /// White between two, in widths.
    pub(super) gap: f64,
}

impl Level {
    /// # Errors
    /// [`Error::TextTooLong`] says how many ideographs fit; [`Error::MissingGlyph`].
    pub(super) fn set(&self, typeface: &Typeface, part: TextPart, text: &[char]) -> Result<Vec<Outline>, Error> {
        let cells = cells(typeface, text)?;
        let squares = |sum: f64, letters: f64| sum + self.gap * (letters - 1.0);
        let height = |squares: f64| self.tallest.min(2.0 * self.room / squares * SLENDEREST);
        let total = squares(cells.iter().sum(), count(text.len()));
        if height(total) < self.least {
            let fits = |n: &usize| height(squares(count(*n), count(*n))) >= self.least;
            let fit = (1..text.len()).rev().find(fits).unwrap_or(0);
            return Err(Error::TextTooLong { part, characters: text.len(), fit });
        }
        let width = (self.tallest / self.slender).min(2.0 * self.room / total);
        let height = height(total);
        let mut left = self.middle.x - width * total / 2.0;
        let mut set = Vec::with_capacity(text.len());
        for (character, cell) in text.iter().zip(&cells) {
            let centre = Point { x: left + width * cell / 2.0, y: self.middle.y };
            set.push(typeface.letter(*character, Place { centre, width, height, turn: 0.0 })?);
            left += width * (cell + self.gap);
        }
        Ok(set)
    }
}
