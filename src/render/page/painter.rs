//! Walks layers, blocks and composite units and draws their objects. GB/T 33190-2016, 7.7, 8 and 13.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::format::ofd::container::Container;
use crate::format::ofd::value;
use crate::format::ofd::xml::Element;
use crate::render::outline::Outline;
use crate::render::page::affine::{Affine, Bounds, number_text};
use crate::render::page::colour::{self, Ink};
use crate::render::page::drawing::{Cost, Drawing};
use crate::render::page::font::Font;
use crate::render::page::path::{self, Fault};
use crate::render::page::resources::{Resources, Style};

/// Blocks and composite units inside one another. Each may cost a layer of pixels.
const MAX_DEPTH: usize = 6;

/// Clips of one object, and areas of one clip.
const MAX_CLIPS: usize = 16;

/// What a layer of pixels costs more than painting over it: clearing, painting, cutting, laying down.
const LAYER: f64 = 20.0;

/// Where drawing may leave ink: an upright box of the page, and clip paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    pub(super) area: Bounds,
    pub(super) chain: Option<u32>,
}

/// What surrounds an object.
#[derive(Debug, Clone)]
pub(super) struct Context<'t> {
    /// From the surrounding block to the page.
    pub(super) place: Affine,
    pub(super) region: Region,
    pub(super) style: Style<'t>,
    pub(super) depth: usize,
}

/// An object's place: boundary, transforms, region. 8.5.
#[derive(Debug, Clone)]
pub(super) struct Frame<'t> {
    /// Width and height of the boundary, in the surrounding block's units.
    pub(super) size: [f64; 2],
    /// From the boundary's upper left corner to the page.
    pub(super) outer: Affine,
    /// From the object's own coordinates to the page.
    pub(super) inner: Affine,
    pub(super) has_transform: bool,
    pub(super) region: Region,
    pub(super) style: Style<'t>,
    pub(super) opacity: f64,
}

/// Whether a piece shows.
pub(super) enum Cut {
    /// Nothing of it.
    Hidden,
    /// All of it, or what a clip path leaves.
    Shown(Option<u32>),
}

/// Draws the objects of one document into a drawing.
pub(super) struct Painter<'t, 'c, 'o> {
    pub(super) container: &'c Container<'c>,
    pub(super) resources: &'t Resources<'t>,
    pub(super) out: &'o mut Drawing,
    /// Tells the names of this document from those of another in the same drawing.
    pub(super) space: u32,
    pub(super) fonts: BTreeMap<String, Option<(u32, Font<'c>)>>,
    pub(super) ours: Option<Font<'static>>,
}

impl<'t> Painter<'t, '_, '_> {
    /// Draws the layers of a page or template: those below first. 7.7.
    pub(super) fn layers(&mut self, page: Element<'t>, context: &Context<'t>) {
        let Some(content) = page.child("Content") else { return };
        for kind in ["Background", "Body", "Foreground"] {
            for layer in content.children() {
                if !layer.is("Layer") {
                    if kind == "Body" {
                        self.note_unknown(layer);
                    }
                    continue;
                }
                if layer_kind(layer) == kind {
                    let style = context.style.under(layer, self.resources);
                    self.block(layer, &Context { style, ..context.clone() });
                }
            }
        }
    }

    /// Draws the objects of a layer, a block, an appearance or a composite unit, in order.
    pub(super) fn block(&mut self, block: Element<'t>, context: &Context<'t>) {
        if context.depth > MAX_DEPTH {
            self.out.notes.add("too-deep", block.name());
            return;
        }
        for element in block.children() {
            if !self.out.affords(Cost { objects: 1, ..Cost::default() }) {
                return;
            }
            self.object(element, context);
        }
    }

    fn object(&mut self, element: Element<'t>, context: &Context<'t>) {
        if !value::flag(element.attribute("Visible"), true) {
            return;
        }
        if element.is("PageBlock") {
            let depth = context.depth.saturating_add(1);
            self.block(element, &Context { depth, ..context.clone() });
        } else if element.is("PathObject") {
            self.path_object(element, context);
        } else if element.is("TextObject") {
            self.text_object(element, context);
        } else if element.is("ImageObject") {
            self.image_object(element, context);
        } else if element.is("CompositeObject") {
            self.composite_object(element, context);
        } else {
            self.note_unknown(element);
        }
    }

    fn note_unknown(&mut self, element: Element<'_>) {
        self.out.notes.add("object-unknown", element.name());
    }

    pub(super) fn note_value(&mut self, what: &str) {
        self.out.notes.add("value-invalid", what);
    }

    /// Reads Boundary, CTM, Clips and Alpha. `None` if the object cannot be placed; that was noted then.
    pub(super) fn frame(&mut self, element: Element<'t>, context: &Context<'t>) -> Option<Frame<'t>> {
        let boundary = element.attribute("Boundary").and_then(|text| value::numbers(text, 4));
        let Some([x, y, width, height]) = boundary.and_then(|all| <[f64; 4]>::try_from(all).ok()) else {
            self.note_value("Boundary");
            return None;
        };
        let outer = Affine::shift(x, y).then(&context.place);
        let written = element.attribute("CTM").filter(|text| !text.trim().is_empty());
        let own = match written.map(transform) {
            None => Affine::IDENTITY,
            Some(Some(own)) => own,
            Some(None) => {
                self.note_value("CTM");
                return None;
            }
        };
        let inner = own.then(&outer);
        if !outer.is_drawable() || !inner.is_drawable() {
            self.note_value("CTM");
            return None;
        }
        // Where the block is turned, the box around the turned boundary cuts less than the boundary would.
        let mut area = outer.bounds(Bounds::of([0.0, 0.0, width, height]));
        if width < 0.0 || height < 0.0 {
            // Genuine invoices have such text (AntChain, 2022): what has no inside cuts nothing.
            self.note_value("Boundary");
            area = context.region.area;
        }
        let mut frame = Frame {
            size: [width.abs(), height.abs()],
            outer,
            inner,
            has_transform: written.is_some(),
            region: Region { area, chain: context.region.chain },
            style: context.style.under(element, self.resources),
            opacity: colour::opacity(element.attribute("Alpha")),
        };
        if let Some(clips) = element.child("Clips") {
            self.clips(clips, &mut frame);
        }
        Some(frame)
    }

    /// Narrows a region to the object's clips: the areas of one clip are joined, several clips cut one another. 8.4.
    fn clips(&mut self, clips: Element<'t>, frame: &mut Frame<'t>) {
        let follows = value::flag(clips.attribute("TransFlag"), true);
        for clip in clips.children_named("Clip").take(MAX_CLIPS) {
            let mut shape = String::new();
            let mut boxes = Vec::new();
            for area in clip.children_named("Area").take(MAX_CLIPS) {
                if area.child("Text").is_some() {
                    self.out.notes.add("clip-unsupported", "Text");
                    return;
                }
                let base = if follows { frame.inner } else { frame.outer };
                let Some((outline, place, rule)) = area.child("Path").and_then(|p| clip_path(p, area, &base)) else {
                    self.out.notes.add("clip-unsupported", "Area");
                    return;
                };
                let cost = Cost { points: outline.steps.len(), ..Cost::default() };
                if !self.out.affords(cost) {
                    return;
                }
                boxes.push(path::rectangle(&outline, &place));
                let _ = write!(shape, "<path transform=\"{}\"{rule} d=\"", place.svg());
                path::write_svg(&mut shape, &outline, decimals(&place));
                shape.push_str("\"/>");
            }
            match boxes.as_slice() {
                // Nothing is left by a clip without an area.
                [] => frame.region.area = Bounds::NOTHING,
                [Some(only)] => frame.region.area = frame.region.area.shared(only),
                _ => frame.region.chain = Some(self.out.clip(&shape, frame.region.chain)),
            }
        }
    }

    /// Decides whether ink within `content` shows, and whether it needs cutting.
    ///
    /// `slack` widens the object's own box: genuine generators write boxes that cut line ends and letters.
    /// `ink` is the area that is painted where no layer is needed, in square millimetres.
    pub(super) fn cut(&mut self, context: &Context<'t>, region: &Region, content: Bounds, slack: f64, ink: f64) -> Cut {
        let area = region.area.grown(slack.max(0.02)).shared(&context.region.area);
        let seen = content.shared(&self.out.page);
        if seen.is_nothing() || area.is_nothing() || seen.shared(&area).is_nothing() {
            return Cut::Hidden;
        }
        let clip = if area.holds(&seen) {
            region.chain
        } else {
            let mut shape = String::from("<rect");
            let area = area.shared(&self.out.page.grown(1.0));
            for (name, value) in [("x", area.left), ("y", area.top), ("width", area.width()), ("height", area.height())]
            {
                let _ = write!(shape, " {name}=\"{}\"", number_text(value));
            }
            shape.push_str("/>");
            Some(self.out.clip(&shape, region.chain))
        };
        let area = if clip.is_some() { seen.area() * LAYER } else { seen.area().min(ink) };
        if self.out.affords(Cost { area, ..Cost::default() }) { Cut::Shown(clip) } else { Cut::Hidden }
    }

    /// An ink with its gradient defined, as attributes: `fill="…" fill-opacity="…"`.
    pub(super) fn paint(&mut self, name: &str, ink: &Ink, opacity: f64) -> String {
        let paint = match &ink.gradient {
            Some(gradient) => self.out.gradient(gradient),
            None => ink.paint.clone(),
        };
        let mut text = format!(" {name}=\"{paint}\"");
        crate::render::page::drawing::write_opacity(&mut text, &format!("{name}-opacity"), ink.opacity * opacity);
        text
    }

    /// The colour of an element, with what is wrong with it noted.
    pub(super) fn ink(&mut self, element: Element<'t>, place: &Affine) -> Ink {
        let (ink, complaint) = colour::ink(element, self.resources, place);
        if let Some((code, what)) = complaint {
            self.out.notes.add(code, &what);
        }
        ink
    }

    /// A composite unit stands for the objects of a resource. 13.
    fn composite_object(&mut self, element: Element<'t>, context: &Context<'t>) {
        let Some(frame) = self.frame(element, context) else { return };
        let id = element.attribute("ResourceID").map(str::trim).unwrap_or_default();
        let Some(unit) = self.resources.composites.get(id).copied() else {
            self.out.notes.add("resource-missing", &format!("CompositeGraphicUnit {id}"));
            return;
        };
        let Some(content) = unit.child("Content") else { return };
        if frame.opacity <= 0.0 {
            return;
        }
        let region = Region { area: frame.region.area.shared(&context.region.area), ..frame.region };
        if region.area.is_nothing() {
            return;
        }
        if frame.opacity < 1.0 {
            let area = region.area.shared(&self.out.page).area() * LAYER;
            if !self.out.affords(Cost { area, ..Cost::default() }) {
                return;
            }
            self.out.body.push_str("<g");
            crate::render::page::drawing::write_opacity(&mut self.out.body, "opacity", frame.opacity);
            self.out.body.push('>');
        }
        let depth = context.depth.saturating_add(1);
        let inside = Context { place: frame.inner, region, style: frame.style.clone(), depth };
        self.block(content, &inside);
        if frame.opacity < 1.0 {
            self.out.body.push_str("</g>");
        }
    }

    /// Lines and areas. 9.
    fn path_object(&mut self, element: Element<'t>, context: &Context<'t>) {
        let Some(frame) = self.frame(element, context) else { return };
        let data = element.child("AbbreviatedData").map(|data| data.text()).unwrap_or_default();
        let outline = match path::parse(data, self.out.points_left()) {
            Ok(outline) => outline,
            Err(Fault::Malformed) => return self.note_value("AbbreviatedData"),
            Err(Fault::TooLong) => {
                self.out.affords(Cost { points: usize::MAX, ..Cost::default() });
                return;
            }
        };
        let fills = value::flag(element.attribute("Fill"), false);
        let strokes = value::flag(element.attribute("Stroke"), true);
        let fill = frame.style.child(element, "FillColor").filter(|_| fills);
        let mut attributes = match fill {
            Some(colour) => {
                let ink = self.ink(colour, &Affine::IDENTITY);
                self.paint("fill", &ink, frame.opacity)
            }
            // 9.1: without a colour the filling is transparent.
            None => " fill=\"none\"".to_owned(),
        };
        if fill.is_some() && element.attribute("Rule").map(str::trim) == Some("Even-Odd") {
            attributes.push_str(" fill-rule=\"evenodd\"");
        }
        let way = path::length(&outline);
        let mut half = 0.0;
        if strokes {
            let width = self.line(element, &frame, way, &mut attributes);
            half = width / 2.0 * frame.inner.stretch();
        } else if fill.is_none() {
            return;
        }
        let content = frame.inner.bounds(path::bounds(&outline)).grown(half);
        let stretch = frame.inner.stretch();
        let cost = Cost {
            points: outline.steps.len(),
            way: way * stretch * if strokes { 2.0 } else { 1.0 },
            ..Cost::default()
        };
        if !self.out.affords(cost) {
            return;
        }
        let ink = if fill.is_some() { f64::INFINITY } else { way * stretch * half * 2.0 };
        let Cut::Shown(clip) = self.cut(context, &frame.region, content, half * 2.0 + 0.1, ink) else { return };
        self.out.open_clip(clip);
        let _ = write!(self.out.body, "<path transform=\"{}\"{attributes} d=\"", frame.inner.svg());
        path::write_svg(&mut self.out.body, &outline, decimals(&frame.inner));
        self.out.body.push_str("\"/>");
        self.out.close_clip(clip);
    }

    /// Writes how a line is drawn, and answers its width. 8.2 and 8.5: the defaults are those of the standard.
    fn line(&mut self, element: Element<'t>, frame: &Frame<'t>, way: f64, attributes: &mut String) -> f64 {
        let style = &frame.style;
        let number = |name: &str| style.attribute(element, name).and_then(|text| value::number(text.trim()));
        // The thinnest line that a page shows, where none or nothing is asked for.
        let least = 0.03 / frame.inner.stretch();
        let width = number("LineWidth").filter(|width| *width >= 0.0).unwrap_or(0.353).max(least);
        let ink = match style.child(element, "StrokeColor") {
            Some(colour) => self.ink(colour, &Affine::IDENTITY),
            None => Ink::solid([0; 3], 1.0),
        };
        attributes.push_str(&self.paint("stroke", &ink, frame.opacity));
        let _ = write!(attributes, " stroke-width=\"{}\"", number_text(width));
        match style.attribute(element, "Join") {
            Some("Round") => attributes.push_str(" stroke-linejoin=\"round\""),
            Some("Bevel") => attributes.push_str(" stroke-linejoin=\"bevel\""),
            _ => {
                let limit = number("MiterLimit").filter(|limit| *limit >= 1.0).unwrap_or(3.528);
                let _ = write!(attributes, " stroke-miterlimit=\"{}\"", number_text(limit));
            }
        }
        match style.attribute(element, "Cap") {
            Some("Round") => attributes.push_str(" stroke-linecap=\"round\""),
            Some("Square") => attributes.push_str(" stroke-linecap=\"square\""),
            _ => {}
        }
        let pattern = style.attribute(element, "DashPattern").and_then(|text| value::numbers(text, 16));
        let pattern = pattern.filter(|all| all.iter().all(|length| *length >= 0.0) && all.iter().sum::<f64>() > 0.0);
        if let Some(pattern) = pattern {
            // Dashes that nobody can see take a painter for ever: a line of 1 m has 2000 dashes of ½ mm.
            let period: f64 = pattern.iter().sum();
            if way / period > 2000.0 || period * frame.inner.stretch() < 0.05 {
                self.out.notes.add("dashes-too-fine", "");
            } else {
                // Each dash is an outline of its own, with two ends.
                let count = format!("{:.0}", way / period).parse::<usize>().unwrap_or(usize::MAX);
                self.out.affords(Cost { points: count.saturating_mul(24), ..Cost::default() });
                let dashes: Vec<String> = pattern.iter().map(|length| number_text(*length)).collect();
                let _ = write!(attributes, " stroke-dasharray=\"{}\"", dashes.join(" "));
                if let Some(offset) = number("DashOffset") {
                    let _ = write!(attributes, " stroke-dashoffset=\"{}\"", number_text(offset % period));
                }
            }
        }
        width
    }
}

fn layer_kind(layer: Element<'_>) -> &'static str {
    match layer.attribute("Type").map(str::trim) {
        Some("Background") => "Background",
        Some("Foreground") => "Foreground",
        _ => "Body",
    }
}

/// A CTM as written.
fn transform(text: &str) -> Option<Affine> {
    let [a, b, c, d, e, f] = value::transform(text)?;
    Some(Affine { a, b, c, d, e, f })
}

/// The outline of a clip area's path, its transform, and its fill rule.
fn clip_path(shape: Element<'_>, area: Element<'_>, base: &Affine) -> Option<(Outline, Affine, &'static str)> {
    let data = shape.child("AbbreviatedData")?;
    // Steps of one clip path; genuine ones follow letters and coats of arms.
    let outline = path::parse(data.text(), 20_000).ok()?;
    let own = |element: Element<'_>| match element.attribute("CTM").filter(|text| !text.trim().is_empty()) {
        Some(text) => transform(text),
        None => Some(Affine::IDENTITY),
    };
    let shift = match shape.attribute("Boundary").and_then(value::area) {
        Some([x, y, ..]) => Affine::shift(x, y),
        None => Affine::IDENTITY,
    };
    let place = own(shape)?.then(&shift).then(&own(area)?).then(base);
    let rule = if shape.attribute("Rule") == Some("Even-Odd") { " clip-rule=\"evenodd\"" } else { "" };
    place.is_drawable().then_some((outline, place, rule))
}

/// Decimals that keep a micrometre on the page.
pub(super) fn decimals(place: &Affine) -> usize {
    match place.stretch() {
        stretch if stretch > 50.0 => 5,
        stretch if stretch > 5.0 => 4,
        stretch if stretch < 0.05 => 2,
        _ => 3,
    }
}
