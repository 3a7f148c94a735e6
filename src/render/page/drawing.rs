//! The SVG of a page while it grows, and what may be spent on it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::render::outline::Outline;
use crate::render::page::affine::{Affine, Bounds, write_number};
use crate::render::page::colour::Gradient;
use crate::render::page::font::Font;
use crate::render::page::notes::Notes;
use crate::render::page::path;
use crate::render::page::picture::Picture;

/// Objects of one page: the longest invoice list in public fixtures has about eight hundred.
const MAX_OBJECTS: usize = 20_000;

/// Letters of one page; a newspaper page has about ten thousand.
const MAX_LETTERS: usize = 12_000;

/// Points of all paths, and of all letters each time they are drawn.
const MAX_POINTS: usize = 800_000;

/// Bytes of SVG without images.
const MAX_SVG: usize = 10 << 20;

/// Bytes that decoding all images takes, each time one is drawn.
const MAX_DECODED: usize = 64 << 20;

/// How often the page may be painted over. A page fill costs one; a layer that must be cut out costs twenty.
const MAX_COATS: f64 = 250.0;

/// The way of the pen in page heights: that is what scan conversion of outlines costs.
const MAX_STROKES: f64 = 20_000.0;

/// Characters of text that are kept beside the drawing.
const MAX_TEXT: usize = 200_000;

/// What a piece of the drawing costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) objects: usize,
    pub(super) letters: usize,
    pub(super) points: usize,
    pub(super) decoded: usize,
    /// Area in square millimetres.
    pub(super) area: f64,
    /// Length in millimetres.
    pub(super) way: f64,
}

/// A glyph that the drawing has defined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// Its number; `None` if it shows nothing.
    pub(super) id: Option<u32>,
    pub(super) bounds: Bounds,
    pub(super) points: usize,
    pub(super) way: f64,
}

/// A page on the way to SVG.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) page: Bounds,
    pub(super) defs: String,
    pub(super) body: String,
    pub(super) text: String,
    pub(super) notes: Notes,
    pub(super) images: Vec<Picture>,
    image_numbers: BTreeMap<(u32, String), Option<usize>>,
    glyphs: BTreeMap<(u32, u16), Option<Glyph>>,
    clips: BTreeMap<String, u32>,
    next: u32,
    spent: Cost,
    svg: usize,
    full: bool,
}

impl Drawing {
    pub(super) fn new(page: Bounds) -> Self {
        Self {
            page,
            defs: String::new(),
            body: String::new(),
            text: String::new(),
            notes: Notes::default(),
            images: Vec::new(),
            image_numbers: BTreeMap::new(),
            glyphs: BTreeMap::new(),
            clips: BTreeMap::new(),
            next: 0,
            spent: Cost::default(),
            svg: MAX_SVG,
            full: false,
        }
    }

    /// A number that nothing else in the drawing has.
    pub(super) fn number(&mut self) -> u32 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    /// Spends; false, and for good, once the page costs more than a page may.
    pub(super) fn affords(&mut self, cost: Cost) -> bool {
        let spent = &mut self.spent;
        spent.objects = spent.objects.saturating_add(cost.objects);
        spent.letters = spent.letters.saturating_add(cost.letters);
        spent.points = spent.points.saturating_add(cost.points);
        spent.decoded = spent.decoded.saturating_add(cost.decoded);
        spent.area += cost.area / self.page.area();
        spent.way += cost.way / self.page.height();
        let over = spent.objects > MAX_OBJECTS
            || spent.letters > MAX_LETTERS
            || spent.points > MAX_POINTS
            || spent.decoded > MAX_DECODED
            || spent.area > MAX_COATS
            || spent.way > MAX_STROKES
            || self.defs.len().saturating_add(self.body.len()) > self.svg;
        if over && !self.full {
            self.full = true;
            self.notes.add("page-too-complex", "");
        }
        !self.full
    }

    /// Keeps a quarter of everything for the stamps: a page that costs too much must not hide them.
    pub(super) fn reserve_for_stamps(&mut self) {
        let most = |limit: usize| limit - limit / 4;
        let spent = &mut self.spent;
        spent.objects = spent.objects.min(most(MAX_OBJECTS));
        spent.letters = spent.letters.min(most(MAX_LETTERS));
        spent.points = spent.points.min(most(MAX_POINTS));
        spent.decoded = spent.decoded.min(most(MAX_DECODED));
        spent.area = spent.area.min(MAX_COATS * 0.75);
        spent.way = spent.way.min(MAX_STROKES * 0.75);
        self.svg = self.svg.max(self.defs.len().saturating_add(self.body.len())).saturating_add(MAX_SVG / 4);
        self.full = false;
    }

    /// How many more letters the page may have.
    pub(super) fn letters_left(&self) -> usize {
        if self.full { 0 } else { MAX_LETTERS.saturating_sub(self.spent.letters) }
    }

    /// How many more points the page may have.
    pub(super) fn points_left(&self) -> usize {
        if self.full { 0 } else { MAX_POINTS.saturating_sub(self.spent.points) }
    }

    /// Keeps a line of text beside the drawing, for those who do not see it.
    pub(super) fn say(&mut self, line: &str) {
        if line.trim().is_empty() || self.text.len().saturating_add(line.len()) > MAX_TEXT {
            return;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A glyph of a numbered typeface, defined on first use. `None` if it cannot be drawn.
    pub(super) fn glyph(&mut self, font_number: u32, font: &Font<'_>, glyph: u16) -> Option<Glyph> {
        if let Some(known) = self.glyphs.get(&(font_number, glyph)) {
            return *known;
        }
        let made = font.outline(glyph).and_then(|outline| self.define(&outline, font.units));
        self.glyphs.insert((font_number, glyph), made);
        made
    }

    /// A shape of our own, in thousandths of the type size, defined under its number on first use.
    pub(super) fn shape(&mut self, number: u16, outline: impl FnOnce() -> Outline) -> Option<Glyph> {
        let key = (u32::MAX, number);
        if let Some(known) = self.glyphs.get(&key) {
            return *known;
        }
        let made = self.define(&outline(), 1000.0);
        self.glyphs.insert(key, made);
        made
    }

    fn define(&mut self, outline: &Outline, units: f64) -> Option<Glyph> {
        let points = outline.steps.len();
        if !self.affords(Cost { points, ..Cost::default() }) {
            return None;
        }
        let bounds = path::bounds(outline);
        if outline.steps.is_empty() || bounds.is_nothing() {
            return Some(Glyph { id: None, bounds, points, way: 0.0 });
        }
        let id = self.number();
        let _ = write!(self.defs, "<path id=\"g{id}\" d=\"");
        path::write_svg(&mut self.defs, outline, if units >= 500.0 { 0 } else { 3 });
        self.defs.push_str("\"/>");
        Some(Glyph { id: Some(id), bounds, points, way: path::length(outline) })
    }

    /// The name of a clip path, within another one if there is one; equal shapes share a name.
    pub(super) fn clip(&mut self, shape: &str, within: Option<u32>) -> u32 {
        let mut text = String::new();
        if let Some(outer) = within {
            let _ = write!(text, " clip-path=\"url(#c{outer})\"");
        }
        let _ = write!(text, ">{shape}</clipPath>");
        if let Some(known) = self.clips.get(&text) {
            return *known;
        }
        let id = self.number();
        let _ = write!(self.defs, "<clipPath id=\"c{id}\"{text}");
        self.clips.insert(text, id);
        id
    }

    /// Defines a gradient and says how to paint with it.
    pub(super) fn gradient(&mut self, gradient: &Gradient) -> String {
        let id = self.number();
        let Gradient { element, attributes, stops } = gradient;
        let _ = write!(self.defs, "<{element} id=\"p{id}\"{attributes}>{stops}</{element}>");
        format!("url(#p{id})")
    }

    /// The number of an image under a name, asked for once. `None` if it cannot be shown; the reason was noted.
    pub(super) fn image(
        &mut self,
        space: u32,
        name: &str,
        read: impl FnOnce(&mut Notes) -> Option<Picture>,
    ) -> Option<usize> {
        let key = (space, name.to_owned());
        if let Some(known) = self.image_numbers.get(&key) {
            return *known;
        }
        let made = read(&mut self.notes).map(|picture| {
            self.images.push(picture);
            self.images.len().saturating_sub(1)
        });
        self.image_numbers.insert(key, made);
        made
    }

    /// Draws an image into the unit square of a transform.
    pub(super) fn place_image(&mut self, number: usize, place: &Affine, opacity: f64, clip: Option<u32>) {
        self.open_clip(clip);
        let _ = write!(self.body, "<use href=\"#i{number}\" transform=\"{}\"", place.svg());
        write_opacity(&mut self.body, "opacity", opacity);
        self.body.push_str("/>");
        self.close_clip(clip);
    }

    pub(super) fn open_clip(&mut self, clip: Option<u32>) {
        if let Some(id) = clip {
            let _ = write!(self.body, "<g clip-path=\"url(#c{id})\">");
        }
    }

    pub(super) fn close_clip(&mut self, clip: Option<u32>) {
        if clip.is_some() {
            self.body.push_str("</g>");
        }
    }
}

/// An attribute between 0 and 1 that is left out where it is 1.
pub(super) fn write_opacity(out: &mut String, name: &str, opacity: f64) {
    if opacity < 1.0 {
        let _ = write!(out, " {name}=\"");
        write_number(out, opacity, 3);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_stays_too_much_and_is_said_once() {
        let mut drawing = Drawing::new(Bounds::of([0.0, 0.0, 10.0, 10.0]));
        assert!(drawing.affords(Cost { area: 100.0 * MAX_COATS, ..Cost::default() }));
        assert!(!drawing.affords(Cost { area: 1.0, ..Cost::default() }));
        assert!(!drawing.affords(Cost::default()));
        let list = drawing.notes.into_list();
        assert_eq!(list.iter().map(|note| (note.code, note.count)).collect::<Vec<_>>(), [("page-too-complex", 1)]);
    }

    #[test]
    fn equal_clips_share_a_name() {
        let mut drawing = Drawing::new(Bounds::of([0.0, 0.0, 10.0, 10.0]));
        let one = drawing.clip("<rect/>", None);
        assert_eq!(drawing.clip("<rect/>", None), one);
        let inner = drawing.clip("<rect/>", Some(one));
        assert_ne!(inner, one);
        assert!(
            drawing.defs.ends_with(&format!("<clipPath id=\"c{inner}\" clip-path=\"url(#c{one})\"><rect/></clipPath>"))
        );
    }
}
