//! Text objects: letters at their places, as outlines. GB/T 33190-2016, 11.
//!
//! Text is cut at its boundary only beyond half a type size: genuine generators write boxes that are tighter than their
//! letters. A letter that no typeface has becomes an empty square and is noted.

use std::fmt::Write;

use crate::format::ofd::value;
use crate::format::ofd::xml::Element;
use crate::render::outline::Point;
use crate::render::page::affine::{Affine, Bounds, number_text, write_number};
use crate::render::page::colour::Ink;
use crate::render::page::drawing::{Cost, Glyph};
use crate::render::page::font::Font;
use crate::render::page::painter::{Context, Cut, Frame, Painter};
use crate::render::page::shapes::{self, Shape, base};

/// The number of our own typeface in every drawing; embedded ones count from one.
const OURS: u32 = 0;

/// How far italic letters lean, as the quotient of their height.
const LEAN: f64 = 0.21;

/// How narrow a letter of our own typeface becomes at most where another one was asked for.
const LEAST: f64 = 0.6;

/// Units of the shapes that we draw ourselves.
const SHAPE_UNITS: f64 = 1000.0;

/// A letter: what is drawn, where, and in how many units of the type size.
struct Letter {
    glyph: Glyph,
    units: f64,
    at: Point,
    /// The room up to the next letter of the line, for letters of our own typeface: it may be wider than the one asked.
    room: Option<f64>,
}

/// Where the glyphs of a run of characters come from, 11.4.
struct GlyphRun {
    from: usize,
    characters: usize,
    glyphs: Vec<u16>,
}

impl<'t, 'c> Painter<'t, 'c, '_> {
    pub(super) fn text_object(&mut self, element: Element<'t>, context: &Context<'t>) {
        let Some(frame) = self.frame(element, context) else { return };
        let number = |name: &str| element.attribute(name).and_then(|text| value::number(text.trim()));
        let Some(size) = number("Size").filter(|size| *size > 0.0 && *size < 2000.0) else {
            return self.note_value("Size");
        };
        let wide = number("HScale").filter(|scale| *scale > 0.0 && *scale < 100.0).unwrap_or(1.0);
        let font = element.attribute("Font").map(str::trim).unwrap_or_default();
        self.open_font(font);
        let letters = self.letters(element, font);
        let Some(units) = letters.first().map(|letter| letter.units) else { return };
        let ways: f64 = letters.iter().map(|letter| letter.glyph.way / letter.units).sum();
        let points = letters.iter().map(|letter| letter.glyph.points).fold(0, usize::saturating_add);
        let scale = Affine::scale(size * wide / units, size / units);
        let place = scale.then(&frame.inner);
        if !place.is_drawable() {
            return self.note_value("CTM");
        }
        let way = ways * size * frame.inner.stretch();
        if !self.out.affords(Cost { letters: letters.len(), points, way, ..Cost::default() }) {
            return;
        }
        let shape = letter_shape(element);
        let mut content = Bounds::NOTHING;
        let mut body = String::new();
        for letter in letters.iter().filter(|letter| letter.glyph.id.is_some()) {
            // Places are in the object's units; those of the glyphs are finer.
            let at = Point { x: letter.at.x / scale.a, y: letter.at.y / scale.d };
            let grow = units / letter.units;
            let width = letter.glyph.bounds.right / letter.units * size * wide;
            let room = letter.room.filter(|room| *room > 0.0 && width > *room);
            let squeeze = room.map_or(1.0, |room| (room / width).max(LEAST));
            let own = Affine::scale(grow * squeeze, grow).then(&shape).then(&Affine::shift(at.x, at.y));
            let bounds = own.bounds(letter.glyph.bounds);
            content.take(Point { x: bounds.left, y: bounds.top });
            content.take(Point { x: bounds.right, y: bounds.bottom });
            write_use(&mut body, &letter.glyph, &own, units);
        }
        let content = place.bounds(content);
        let slack = size * frame.inner.stretch() / 2.0;
        if body.is_empty() {
            return;
        }
        let Cut::Shown(clip) = self.cut(context, &frame.region, content, slack, content.area() / 2.0) else { return };
        let Some(attributes) = self.letter_paint(element, &frame, &scale) else { return };
        self.out.open_clip(clip);
        let _ = write!(self.out.body, "<g transform=\"{}\"{attributes}>{body}</g>", place.svg());
        self.out.close_clip(clip);
    }

    /// Fill and stroke of letters: filled in black unless the object says otherwise.
    fn letter_paint(&mut self, element: Element<'t>, frame: &Frame<'t>, scale: &Affine) -> Option<String> {
        let fills = value::flag(element.attribute("Fill"), true);
        let strokes = value::flag(element.attribute("Stroke"), false);
        // Gradients are placed in the object's units, the letters in finer ones.
        let finer = Affine::scale(1.0 / scale.a, 1.0 / scale.d);
        let mut attributes = String::new();
        if fills {
            let ink = match frame.style.child(element, "FillColor") {
                Some(colour) => self.ink(colour, &finer),
                None => Ink::solid([0; 3], 1.0),
            };
            attributes.push_str(&self.paint("fill", &ink, frame.opacity));
        } else {
            attributes.push_str(" fill=\"none\"");
        }
        if strokes {
            let ink = match frame.style.child(element, "StrokeColor") {
                Some(colour) => self.ink(colour, &finer),
                None => Ink::solid([0; 3], 1.0),
            };
            attributes.push_str(&self.paint("stroke", &ink, frame.opacity));
            let width = frame.style.attribute(element, "LineWidth").and_then(|text| value::number(text.trim()));
            let width = width.filter(|width| *width >= 0.0).unwrap_or(0.353) / scale.d;
            let _ = write!(attributes, " stroke-width=\"{}\"", number_text(width));
        }
        (fills || strokes).then_some(attributes)
    }

    /// Opens the typeface of that ID, once.
    fn open_font(&mut self, id: &str) {
        if self.ours.is_none() {
            self.ours = Font::ours();
        }
        if self.fonts.contains_key(id) {
            return;
        }
        let opened = self.embedded(id);
        let numbered = opened.map(|font| (self.out.number(), font));
        self.fonts.insert(id.to_owned(), numbered);
    }

    /// The typeface that the package embeds. Where there is none, that is noted, and ours stands in.
    fn embedded(&mut self, id: &str) -> Option<Font<'c>> {
        let Some(font) = self.resources.fonts.get(id) else {
            self.out.notes.add("resource-missing", &format!("Font {id}"));
            return None;
        };
        let name = font.element.attribute("FontName").unwrap_or(id);
        let Some(file) = font.element.child("FontFile").map(|file| file.text()).filter(|file| !file.is_empty()) else {
            self.out.notes.add("font-substituted", name);
            return None;
        };
        let part = font.base.part(file).ok().and_then(|part| self.container.part(&part));
        let Some(bytes) = part else {
            self.out.notes.add("resource-missing", file);
            return None;
        };
        let opened = Font::open(bytes);
        if opened.is_none() {
            self.out.notes.add("font-unreadable", name);
        }
        opened
    }

    /// The letters of all text codes, 11.3.
    fn letters(&mut self, element: Element<'t>, font: &str) -> Vec<Letter> {
        let mut letters = Vec::new();
        let mut runs: Vec<GlyphRun> = Vec::new();
        let mut pen = Point { x: 0.0, y: 0.0 };
        let codes = element.children_named("TextCode").count();
        // Where one text code has all, its glyphs may be named after it.
        if codes == 1 {
            runs.extend(element.children_named("CGTransform").filter_map(glyph_run));
        }
        for child in element.children() {
            if codes > 1 && child.is("CGTransform") {
                runs.extend(glyph_run(child));
            }
            if !child.is("TextCode") {
                continue;
            }
            let number = |name: &str| child.attribute(name).and_then(|text| value::number(text.trim()));
            pen = Point { x: number("X").unwrap_or(pen.x), y: number("Y").unwrap_or(pen.y) };
            // Spaces have their places; the white space of indented XML has none.
            let text = if child.whole_text().contains('\n') { child.text() } else { child.whole_text() };
            let room = self.out.letters_left().saturating_sub(letters.len());
            let characters: Vec<char> = text.chars().take(room.saturating_add(1)).collect();
            if characters.len() > room {
                self.out.affords(Cost { letters: usize::MAX, ..Cost::default() });
                return Vec::new();
            }
            self.out.say(text);
            self.text_code(child, font, &characters, &runs, &mut pen, &mut letters);
            runs.clear();
        }
        letters
    }

    fn text_code(
        &mut self,
        code: Element<'t>,
        font: &str,
        characters: &[char],
        runs: &[GlyphRun],
        pen: &mut Point,
        letters: &mut Vec<Letter>,
    ) {
        let mut steps = |name: &str| match code.attribute(name) {
            None => Vec::new(),
            Some(text) => value::distances(text, characters.len()).unwrap_or_else(|| {
                self.out.notes.add("value-invalid", name);
                Vec::new()
            }),
        };
        let (right, down) = (steps("DeltaX"), steps("DeltaY"));
        for (n, character) in characters.iter().enumerate() {
            if let Some(before) = n.checked_sub(1) {
                // Where distances run out, the last one goes on.
                pen.x += right.get(before).or(right.last()).copied().unwrap_or(0.0);
                pen.y += down.get(before).or(down.last()).copied().unwrap_or(0.0);
            }
            let run = runs.iter().find(|run| n >= run.from && n < run.from.saturating_add(run.characters));
            let named: Vec<u16> = match run {
                // As many glyphs as characters: each has its own. Else the first character brings them all.
                Some(run) if run.glyphs.len() == run.characters => {
                    run.glyphs.get(n.saturating_sub(run.from)).copied().into_iter().collect()
                }
                Some(run) if n == run.from => run.glyphs.clone(),
                Some(_) => continue,
                None => Vec::new(),
            };
            let room = right.get(n).or(right.last()).copied();
            self.character(font, *character, &named, (*pen, room), letters);
        }
    }

    /// Adds the letter of a character: by glyph, by the typeface's own table, from our typeface, or as a square.
    fn character(
        &mut self,
        font: &str,
        character: char,
        named: &[u16],
        (at, room): (Point, Option<f64>),
        letters: &mut Vec<Letter>,
    ) {
        let far = at.x.abs() > 1e6 || at.y.abs() > 1e6;
        if far {
            return self.note_value("TextCode");
        }
        let mut found = false;
        if let Some(Some((number, own))) = self.fonts.get_mut(font) {
            let units = own.units;
            let mapped: Vec<u16> = if named.is_empty() {
                own.glyph(character).into_iter().collect()
            } else {
                named.iter().copied().filter(|glyph| own.has(*glyph)).collect()
            };
            for glyph in mapped {
                if let Some(glyph) = self.out.glyph(*number, own, glyph) {
                    letters.push(Letter { glyph, units, at, room: None });
                    found = true;
                }
            }
        }
        if found || character.is_whitespace() || character.is_control() {
            return;
        }
        if let Some(ours) = &mut self.ours
            && let Some(glyph) = ours.glyph(character).or_else(|| base(character).and_then(|base| ours.glyph(base)))
            && let Some(glyph) = self.out.glyph(OURS, ours, glyph)
        {
            if self.fonts.get(font).is_some_and(Option::is_some) {
                let name = self.resources.fonts.get(font).and_then(|font| font.element.attribute("FontName"));
                self.out.notes.add("glyph-substituted", name.unwrap_or(font));
            }
            letters.push(Letter { glyph, units: ours.units, at, room });
            found = true;
        }
        if let Some(shape) = shapes::of(character, found) {
            if shape == Shape::Missing {
                self.out.notes.add("glyph-missing", &format!("U+{:04X}", u32::from(character)));
            }
            if let Some(glyph) = self.out.shape(shape.number(), || shape.outline()) {
                letters.push(Letter { glyph, units: SHAPE_UNITS, at, room: None });
            }
        }
    }
}

/// CGTransform: the glyphs of characters. 11.4.
fn glyph_run(element: Element<'_>) -> Option<GlyphRun> {
    let count = |name: &str| element.attribute(name).and_then(|text| text.trim().parse::<usize>().ok());
    let glyphs: Option<Vec<u16>> =
        element.child("Glyphs")?.text().split_ascii_whitespace().take(20_000).map(|word| word.parse().ok()).collect();
    let glyphs = glyphs?;
    Some(GlyphRun { from: count("CodePosition").unwrap_or(0), characters: count("CodeCount").unwrap_or(1), glyphs })
}

/// How each letter is turned (CharDirection, clockwise) and leaned (Italic).
fn letter_shape(element: Element<'_>) -> Affine {
    let lean = if value::flag(element.attribute("Italic"), false) {
        Affine { c: -LEAN, ..Affine::IDENTITY }
    } else {
        Affine::IDENTITY
    };
    let (cos, sin) = match element.attribute("CharDirection").map(str::trim) {
        Some("90") => (0.0, 1.0),
        Some("180") => (-1.0, 0.0),
        Some("270") => (0.0, -1.0),
        _ => return lean,
    };
    lean.then(&Affine { a: cos, b: sin, c: -sin, d: cos, e: 0.0, f: 0.0 })
}

/// Writes a letter by its place alone where nothing else is to be said.
fn write_use(out: &mut String, glyph: &Glyph, own: &Affine, units: f64) {
    let Some(id) = glyph.id else { return };
    let decimals = if units >= 500.0 { 1 } else { 4 };
    let _ = write!(out, "<use href=\"#g{id}\"");
    let plain = Affine { e: 0.0, f: 0.0, ..*own } == Affine::IDENTITY;
    if plain {
        for (name, value) in [("x", own.e), ("y", own.f)] {
            let _ = write!(out, " {name}=\"");
            write_number(out, value, decimals);
            out.push('"');
        }
    } else {
        let _ = write!(out, " transform=\"{}\"", own.svg());
    }
    out.push_str("/>");
}
