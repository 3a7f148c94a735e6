//! Typefaces of a page: those that the package embeds, and ours where it embeds none. GB/T 33190-2016, 11.1.

use std::collections::BTreeMap;

use ttf_parser::{Face, GlyphId, OutlineBuilder, Tag, cff, loca};

use crate::render::SEAL_FONT;
use crate::render::outline::{Outline, Point, Step};
use crate::render::page::charstring::{Charstrings, components_are_few};

/// Tables of a cmap that are asked for a letter.
const MAX_SUBTABLES: usize = 16;

/// Where fonts of private encoding keep their letters (OpenType, `cmap`, Windows symbol encoding).
const SYMBOLS: u32 = 0xF000;

/// An opened typeface.
#[derive(Debug)]
pub(super) struct Font<'c> {
    shapes: Shapes<'c>,
    /// Units of the type size.
    pub(super) units: f64,
    charstrings: Option<Charstrings<'c>>,
    glyphs: u16,
    known: BTreeMap<char, Option<u16>>,
}

#[derive(Debug)]
enum Shapes<'c> {
    Sfnt(Box<Face<'c>>),
    Cff(Box<cff::Table<'c>>),
}

impl Font<'static> {
    /// The typeface that we ship.
    pub(super) fn ours() -> Option<Self> {
        Self::open(SEAL_FONT)
    }
}

impl<'c> Font<'c> {
    /// Opens TrueType, OpenType (the first of a collection) or bare CFF.
    pub(super) fn open(bytes: &'c [u8]) -> Option<Self> {
        let known = BTreeMap::new();
        if let Ok(face) = Face::parse(bytes, 0) {
            let units = f64::from(face.units_per_em());
            let charstrings = face.raw_face().table(Tag::from_bytes(b"CFF ")).and_then(Charstrings::read);
            let glyphs = face.number_of_glyphs();
            return Some(Self { shapes: Shapes::Sfnt(Box::new(face)), units, charstrings, glyphs, known });
        }
        let table = cff::Table::parse(bytes)?;
        let scale = f64::from(table.matrix().sx);
        let units = if (1e-5..=1.0).contains(&scale) { 1.0 / scale } else { 1000.0 };
        let glyphs = table.number_of_glyphs();
        let charstrings = Some(Charstrings::read(bytes)?);
        Some(Self { shapes: Shapes::Cff(Box::new(table)), units, charstrings, glyphs, known })
    }

    /// True if the typeface has that glyph.
    pub(super) fn has(&self, glyph: u16) -> bool {
        glyph < self.glyphs
    }

    /// The glyph of a character, if the typeface maps it.
    pub(super) fn glyph(&mut self, character: char) -> Option<u16> {
        if let Some(known) = self.known.get(&character) {
            return *known;
        }
        let found = self.lookup(character).filter(|glyph| *glyph != 0 && self.has(*glyph));
        self.known.insert(character, found);
        found
    }

    fn lookup(&self, character: char) -> Option<u16> {
        let code = u32::from(character);
        match &self.shapes {
            Shapes::Cff(table) => u8::try_from(code).ok().and_then(|code| table.glyph_index(code)).map(|glyph| glyph.0),
            Shapes::Sfnt(face) => {
                let tables = face.tables().cmap?.subtables;
                let unicode = tables.into_iter().take(MAX_SUBTABLES).filter(|table| table.is_unicode());
                let found = unicode.filter_map(|table| table.glyph_index(code)).find(|glyph| glyph.0 != 0);
                let symbol = || {
                    let others = tables.into_iter().take(MAX_SUBTABLES).filter(|table| !table.is_unicode());
                    let code = SYMBOLS.saturating_add(code);
                    others.filter_map(|table| table.glyph_index(code)).find(|glyph| glyph.0 != 0)
                };
                found.or_else(symbol).map(|glyph| glyph.0)
            }
        }
    }

    /// The outline of a glyph, y downward, in units of the type size. `None` if it cannot be drawn within bounds; an
    /// empty outline if it shows nothing.
    pub(super) fn outline(&self, glyph: u16) -> Option<Outline> {
        let mut pen = Pen::default();
        let id = GlyphId(glyph);
        match &self.shapes {
            Shapes::Cff(table) => {
                if !self.charstrings.as_ref()?.is_affordable(glyph) {
                    return None;
                }
                // An empty glyph is no fault.
                let _ = table.outline(id, &mut pen);
            }
            Shapes::Sfnt(face) => {
                if let Some(table) = face.tables().glyf {
                    if !components_are_few(glyph, &|id| glyph_bytes(face, id)) {
                        return None;
                    }
                    let _ = table.outline(id, &mut pen);
                } else if let Some(table) = &face.tables().cff {
                    if !self.charstrings.as_ref()?.is_affordable(glyph) {
                        return None;
                    }
                    let _ = table.outline(id, &mut pen);
                } else {
                    return None;
                }
            }
        }
        let sound = pen.outline.steps.iter().all(|step| match step {
            Step::Close => true,
            Step::Move(p) | Step::Line(p) => is_near(p),
            Step::Quadratic(p, q) => is_near(p) && is_near(q),
            Step::Cubic(p, q, r) => is_near(p) && is_near(q) && is_near(r),
        });
        sound.then_some(pen.outline)
    }
}

/// Outlines stay within the range of the font's own 16-bit numbers, with some room for composites.
fn is_near(point: &Point) -> bool {
    point.x.abs() < 100_000.0 && point.y.abs() < 100_000.0
}

/// The bytes of a glyph of `glyf`, as `loca` has them.
fn glyph_bytes<'c>(face: &Face<'c>, glyph: u16) -> Option<&'c [u8]> {
    let tables = face.tables();
    let loca = face.raw_face().table(Tag::from_bytes(b"loca"))?;
    let loca = loca::Table::parse(tables.maxp.number_of_glyphs, tables.head.index_to_location_format, loca)?;
    let table = face.raw_face().table(Tag::from_bytes(b"glyf"))?;
    table.get(loca.glyph_range(GlyphId(glyph))?)
}

#[derive(Default)]
struct Pen {
    outline: Outline,
}

impl Pen {
    fn at(x: f32, y: f32) -> Point {
        Point { x: f64::from(x), y: -f64::from(y) }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.outline.steps.push(Step::Move(Self::at(x, y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.outline.steps.push(Step::Line(Self::at(x, y)));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.outline.steps.push(Step::Quadratic(Self::at(x1, y1), Self::at(x, y)));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.outline.steps.push(Step::Cubic(Self::at(x1, y1), Self::at(x2, y2), Self::at(x, y)));
    }

    fn close(&mut self) {
        self.outline.steps.push(Step::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::page::path;

    #[test]
    fn our_typeface_has_letters_and_says_what_it_lacks() {
        let mut font = Font::ours().unwrap();
        let glyph = font.glyph('国').unwrap();
        let all = path::bounds(&font.outline(glyph).unwrap());
        assert!(all.top < -700.0 && all.bottom > -50.0 && all.right < 1000.0, "y points down: {all:?}");
        assert_eq!(font.glyph('龘'), None);
        assert_eq!(font.outline(font.glyphs), None);
    }

    #[test]
    fn what_is_no_typeface_is_refused() {
        for length in [0, 1, 4, 12, 100] {
            assert!(Font::open(&SEAL_FONT[..length]).is_none(), "{length}");
        }
    }
}
