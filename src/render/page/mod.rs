//! Pages of an OFD document as SVG and PNG, for people who are to see what was signed. GB/T 33190-2016.
//!
//! Drawn: text by outlines, paths, images (PNG, JPEG, GIF, BMP), composite units, templates, layers, visible annotations,
//! clips, gradients, and the stamps of signatures with the pictures of their seals. Nothing outside the package is ever
//! fetched, no system font is asked, and the SVG has no script, no style sheet and no text element.
//!
//! What is not drawn as the file asks is listed, never silent. The codes:
//!
//! | code | meaning |
//! |---|---|
//! | `font-substituted` | the package does not embed the typeface; ours stands in |
//! | `font-unreadable` | the embedded typeface cannot be read; ours stands in |
//! | `glyph-substituted` | the embedded typeface lacks the character; ours stands in |
//! | `glyph-missing` | no typeface has the character; an empty square stands there |
//! | `object-unknown` | an element that is no object of the standard |
//! | `resource-missing` | a resource, or its file, is not in the package |
//! | `image-unsupported`, `image-broken`, `image-too-large` | a grey pane stands there |
//! | `image-attribute-unsupported` | a mask or border of an image is left out |
//! | `paint-unsupported` | a pattern or mesh is painted in plain colour |
//! | `clip-unsupported` | a clip by text is left out: more is shown than asked |
//! | `dashes-too-fine` | the line is drawn without dashes |
//! | `value-invalid` | an attribute has no value of its type; the object, or only the attribute, is left out |
//! | `part-unreadable` | a template, resource or annotation part cannot be read |
//! | `stamp-without-picture`, `stamp-picture-unreadable` | the place of the stamp is known, its picture is not |
//! | `too-deep` | blocks or composite units nest too deep |
//! | `page-too-complex` | the page costs more than a page may; the rest is not drawn |
//! | `more` | further notes of these kinds |
//!
//! Every page is a function of the package alone: the same bytes give the same SVG and PNG.
//! The clause numbers of GB/T 33190-2016 are recollection.

mod affine;
mod charstring;
mod colour;
mod drawing;
mod error;
mod font;
mod image;
mod notes;
mod painter;
mod path;
mod picture;
mod raster;
mod resources;
mod stamp;
mod text;
mod value;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::limits::Limits;
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{self, Package, PageBox};
use crate::format::ofd::path::{Directory, PartName};
use crate::format::ofd::xml::{Element, Tree};
use crate::render::page::affine::{Affine, Bounds, number_text};
use crate::render::page::drawing::Drawing;
use crate::render::page::notes::Notes;
use crate::render::page::painter::{Context, Painter, Region};
use crate::render::page::picture::Picture;
use crate::render::page::resources::{Resources, Style};

pub use error::Error;
pub use notes::Unsupported;
pub use stamp::{SealPicture, seal_picture, stamps_of};

/// Nodes of all XML parts that one page needs. Each takes some two hundred bytes; a crowded licence has 20,000.
const MAX_NODES: usize = 120_000;

/// Bytes of one XML part of a page.
const MAX_XML: usize = 8 << 20;

/// Templates, resource files and annotation files of one page.
const MAX_PARTS: usize = 64;

/// The sides of a page in millimetres: a road map fits.
const SIDES: std::ops::RangeInclusive<f64> = 1.0..=5000.0;

/// A stamp that a signature puts on a page. GB/T 33190-2016, 18.2.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// The signature's ID.
    pub signature: String,
    /// StampAnnot@ID.
    pub id: String,
    /// StampAnnot@PageRef: the ID of the page.
    pub page_ref: String,
    /// StampAnnot@Boundary: `x y w h` in millimetres of the page.
    pub boundary: [f64; 4],
    /// StampAnnot@Clip: `x y w h` within the boundary.
    pub clip: Option<[f64; 4]>,
    /// The picture of the seal, if one is known.
    pub picture: Option<SealPicture>,
}

/// Where a stamp stands on a drawn page, in millimetres from its upper left corner: `x y w h`.
#[derive(Debug, Clone, PartialEq)]
pub struct StampBox {
    /// The signature's ID.
    pub signature: String,
    /// StampAnnot@ID.
    pub id: String,
    /// The whole stamp, which may reach over the page's edge.
    pub boundary: [f64; 4],
    /// What shows of it: within its clip and the page. `None` if nothing does.
    pub visible: Option<[f64; 4]>,
}

/// A drawn page.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Width in millimetres.
    pub width: f64,
    /// Height in millimetres.
    pub height: f64,
    /// Where the stamps of this page stand, in the order given.
    pub stamps: Vec<StampBox>,
    /// What was not drawn as the file asks.
    pub unsupported: Vec<Unsupported>,
    /// The text of the page, a line for each text code, in the order of drawing; for those who do not see it. What the
    /// file says, which embedded typefaces may show otherwise.
    pub text: String,
    /// `x y` of the page's corner, definitions, body.
    origin: [f64; 2],
    defs: String,
    body: String,
    images: Vec<Picture>,
}

impl Rendered {
    /// The page as SVG. Images are in it as `data:` addresses; nothing else is referred to.
    #[must_use]
    pub fn svg(&self) -> String {
        self.written(|_, picture| {
            format!("data:{};base64,{}", picture.form.media_type(), STANDARD.encode(picture.bytes.as_slice()))
        })
    }

    /// The page as PNG on white, `width` pixels wide where that is at most four million pixels, else smaller.
    ///
    /// # Errors
    /// [`Error::Svg`], [`Error::Pixels`].
    pub fn png(&self, width: u16) -> Result<Vec<u8>, Error> {
        raster::png(self, width)
    }

    /// The SVG, with the images under the addresses that `address` gives.
    fn written(&self, address: impl Fn(usize, &Picture) -> String) -> String {
        let [x, y, width, height] =
            [self.origin[0], self.origin[1], self.width, self.height].map(number_text);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" \
             viewBox=\"{x} {y} {width} {height}\"><defs>"
        );
        for (number, picture) in self.images.iter().enumerate() {
            let _ = write!(
                svg,
                "<image id=\"i{number}\" width=\"1\" height=\"1\" preserveAspectRatio=\"none\" href=\"{}\"/>",
                address(number, picture)
            );
        }
        let _ = write!(
            svg,
            "{}</defs><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>{}</svg>",
            self.defs, self.body
        );
        svg
    }
}

/// One document of a package, opened for drawing.
#[derive(Debug)]
pub struct Document<'c> {
    container: &'c Container,
    limits: Limits,
    document: document::Document,
    /// The root part, for what [`document::Document`] leaves out.
    root: Tree,
    resources: Vec<(Directory, Tree)>,
    nodes: usize,
    notes: Notes,
}

impl<'c> Document<'c> {
    /// Opens a document by its number in the package, from zero, and reads its resources.
    ///
    /// # Errors
    /// [`Error::BodyUnknown`]; [`Error::Package`] where OFD.xml or the root part cannot be read.
    pub fn open(container: &'c Container, index: usize, limits: &Limits) -> Result<Self, Error> {
        let limits = Limits {
            xml_bytes: limits.xml_bytes.min(MAX_XML),
            xml_nodes: limits.xml_nodes.min(MAX_NODES),
            ..*limits
        };
        let package = Package::read(container, &limits)?;
        let body = package.bodies.get(index).ok_or(Error::BodyUnknown { index })?;
        let document = document::Document::read(container, &body.doc_root, &limits)?;
        let reader = Reader { container, limits: &limits, left: Cell::new(MAX_NODES) };
        let root = reader.tree(&body.doc_root)?;
        let mut notes = Notes::default();
        let mut resources = Vec::new();
        for part in document.resources.iter().take(MAX_PARTS) {
            resources.extend(reader.resources(part, &mut notes));
        }
        let nodes = reader.left.get();
        Ok(Self { container, limits, document, root, resources, nodes, notes })
    }

    /// How many pages the document has.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.document.page_count()
    }

    /// The ID of a page, by its number from zero, as stamps name it.
    #[must_use]
    pub fn page_id(&self, index: usize) -> Option<&str> {
        self.document.pages.get(index).map(|page| page.id.as_str())
    }

    /// Draws a page by its number from zero, with those of the stamps that stand on it.
    ///
    /// # Errors
    /// [`Error::PageUnknown`]; [`Error::PageSize`]; [`Error::Package`] where the page's own content cannot be read. All
    /// else that fails is in [`Rendered::unsupported`].
    pub fn render_page(&self, index: usize, stamps: &[Stamp]) -> Result<Rendered, Error> {
        let mut rendered = None;
        self.with_page(index, |page| {
            let mut drawing = Drawing::new(page.area);
            drawing.notes = page.notes.clone();
            let region = Region { area: page.area, chain: None };
            let mut painter = page.painter(&mut drawing);
            let context = Context { place: Affine::IDENTITY, region, style: Style::default(), depth: 0 };
            page.draw(&mut painter, &context);
            let id = self.page_id(index).unwrap_or_default();
            let mut boxes = Vec::new();
            for stamp in stamps.iter().filter(|stamp| stamp.page_ref == id) {
                boxes.extend(painter.stamp(stamp, &context));
            }
            rendered = Some(Rendered {
                width: page.area.width(),
                height: page.area.height(),
                stamps: boxes,
                unsupported: drawing.notes.into_list(),
                text: drawing.text,
                origin: [page.area.left, page.area.top],
                defs: drawing.defs,
                body: drawing.body,
                images: drawing.images,
            });
        })?;
        rendered.ok_or(Error::PageSize)
    }

    /// Draws the first page into the unit square of a place on another page.
    fn draw_into(&self, drawing: &mut Drawing, place: &Affine, region: Region) -> Result<(), Error> {
        self.with_page(0, |page| {
            let area = page.area;
            let unit = Affine::shift(-area.left, -area.top).then(&Affine::scale(1.0 / area.width(), 1.0 / area.height()));
            let said = drawing.text.len();
            let mut painter = page.painter(drawing);
            let place = unit.then(place);
            page.draw(&mut painter, &Context { place, region, style: Style::default(), depth: 1 });
            // The words of a seal are not those of the page.
            drawing.text.truncate(said);
        })
    }

    /// Reads what a page needs and hands it over.
    fn with_page(&self, index: usize, draw: impl FnOnce(&Page<'_, 'c>)) -> Result<(), Error> {
        let unknown = Error::PageUnknown { index, count: self.page_count() };
        let page = self.document.pages.get(index).ok_or(unknown)?;
        let reader = Reader { container: self.container, limits: &self.limits, left: Cell::new(self.nodes) };
        let mut notes = self.notes.clone();
        let content = reader.tree(&page.content)?;
        let root = content.root("Page")?;
        let mut templates = Vec::new();
        for used in root.children_named("Template").take(MAX_PARTS) {
            let id = used.attribute("TemplateID").unwrap_or_default();
            let Some(template) = self.document.templates.iter().find(|template| template.id == id) else {
                notes.add("resource-missing", &format!("TemplatePage {id}"));
                continue;
            };
            let order = used.attribute("ZOrder").or_else(|| self.template_order(id));
            let above = order.map(str::trim) == Some("Foreground");
            templates.extend(reader.noted(&template.content, &mut notes).map(|tree| (above, tree)));
        }
        let area = self.area(root, &templates)?;
        let mut own = Vec::new();
        let roots = templates.iter().filter_map(|(_, tree)| tree.root("Page").ok().map(|page| (page, tree.part())));
        for (page, part) in std::iter::once((root, content.part())).chain(roots) {
            for element in page.children_named("PageRes").take(MAX_PARTS) {
                match part.resolve(element.text()) {
                    Ok(part) => own.extend(reader.resources(&part, &mut notes)),
                    Err(_) => notes.add("part-unreadable", element.text()),
                }
            }
        }
        let annotations = self.annotations(&page.id, &reader, &mut notes);
        let common = self.root.root("Document")?.child("CommonData");
        let space = common.and_then(|common| common.child("DefaultCS")).map(|space| space.text());
        let resources = Resources::of(&self.resources, &own, space);
        draw(&Page {
            container: self.container,
            root,
            templates: &templates,
            annotations: &annotations,
            resources: &resources,
            notes: &notes,
            area,
        });
        Ok(())
    }

    /// TemplatePage@ZOrder: where the template goes unless the page says otherwise.
    fn template_order(&self, id: &str) -> Option<&str> {
        let common = self.root.root("Document").ok()?.child("CommonData")?;
        let template = common.children_named("TemplatePage").find(|template| template.attribute("ID") == Some(id))?;
        template.attribute("ZOrder")
    }

    /// The physical box: the page's own, else that of a template, else the document's.
    fn area(&self, root: Element<'_>, templates: &[(bool, Tree)]) -> Result<Bounds, Error> {
        let written = |page: Element<'_>| page.child("Area").and_then(|area| area.child("PhysicalBox")).map(|b| b.text().to_owned());
        let of_templates = || templates.iter().find_map(|(_, tree)| tree.root("Page").ok().and_then(written));
        let area = match written(root).or_else(of_templates) {
            Some(text) => value::area(&text),
            None => self.document.page_area.map(|PageBox { x, y, width, height }| [x, y, width, height]),
        };
        let [x, y, width, height] = area.ok_or(Error::PageSize)?;
        let near = x.abs() <= *SIDES.end() && y.abs() <= *SIDES.end();
        if !near || !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(Error::PageSize);
        }
        Ok(Bounds::of([x, y, width, height]))
    }

    /// The parts with annotations of a page. GB/T 33190-2016, 15.
    fn annotations(&self, page: &str, reader: &Reader<'_>, notes: &mut Notes) -> Vec<Tree> {
        let Some(list) = self.document.annotations.as_ref().and_then(|part| reader.noted(part, notes)) else {
            return Vec::new();
        };
        let Ok(root) = list.root("Annotations") else {
            notes.add("part-unreadable", list.part().as_str());
            return Vec::new();
        };
        let mut trees = Vec::new();
        let of_page = root.children_named("Page").filter(|entry| entry.attribute("PageID") == Some(page));
        for location in of_page.filter_map(|entry| entry.child("FileLoc")).take(MAX_PARTS) {
            match list.part().resolve(location.text()) {
                Ok(part) => trees.extend(reader.noted(&part, notes)),
                Err(_) => notes.add("part-unreadable", location.text()),
            }
        }
        trees
    }
}

/// Reads parts, and counts their nodes.
struct Reader<'r> {
    container: &'r Container,
    limits: &'r Limits,
    left: Cell<usize>,
}

impl Reader<'_> {
    fn tree(&self, part: &PartName) -> Result<Tree, ofd::Error> {
        let limits = Limits { xml_nodes: self.limits.xml_nodes.min(self.left.get()), ..*self.limits };
        let tree = Tree::parse(part, self.container.required(part)?, &limits)?;
        let nodes = tree.elements().map(|element| element.attributes().count().saturating_add(1)).sum();
        self.left.set(self.left.get().saturating_sub(nodes));
        Ok(tree)
    }

    /// A part that may fail: then that is noted.
    fn noted(&self, part: &PartName, notes: &mut Notes) -> Option<Tree> {
        let tree = self.tree(part);
        if tree.is_err() {
            notes.add("part-unreadable", part.as_str());
        }
        tree.ok()
    }

    fn resources(&self, part: &PartName, notes: &mut Notes) -> Option<(Directory, Tree)> {
        let tree = self.noted(part, notes)?;
        let base = tree.root("Res").ok().map(|root| root.attribute("BaseLoc").unwrap_or_default());
        let base = base.and_then(|base| part.directory().directory(base).ok());
        if base.is_none() {
            notes.add("part-unreadable", part.as_str());
        }
        base.map(|base| (base, tree))
    }
}

/// What a page is drawn from.
struct Page<'t, 'c> {
    container: &'c Container,
    root: Element<'t>,
    /// Whether it goes above the page, and the template.
    templates: &'t [(bool, Tree)],
    annotations: &'t [Tree],
    resources: &'t Resources<'t>,
    notes: &'t Notes,
    area: Bounds,
}

impl<'t, 'c> Page<'t, 'c> {
    fn painter<'o>(&self, out: &'o mut Drawing) -> Painter<'t, 'c, 'o> {
        let space = out.number();
        Painter { container: self.container, resources: self.resources, out, space, fonts: BTreeMap::new(), ours: None }
    }

    /// Draws templates below, layers, templates above, annotations.
    fn draw(&self, painter: &mut Painter<'t, 'c, '_>, context: &Context<'t>) {
        let templates = |above: bool| {
            let chosen = self.templates.iter().filter(move |(is_above, _)| *is_above == above);
            chosen.filter_map(|(_, tree)| tree.root("Page").ok())
        };
        templates(false).for_each(|template| painter.layers(template, context));
        painter.layers(self.root, context);
        templates(true).for_each(|template| painter.layers(template, context));
        for tree in self.annotations {
            let Ok(root) = tree.root("PageAnnot") else {
                painter.out.notes.add("part-unreadable", tree.part().as_str());
                continue;
            };
            for annotation in root.children_named("Annot") {
                if value::flag(annotation.attribute("Visible"), true) {
                    annotation.children_named("Appearance").for_each(|a| appearance(painter, a, context));
                }
            }
        }
    }
}

/// An annotation's appearance: a block with a boundary. GB/T 33190-2016, 15.2.
fn appearance<'t>(painter: &mut Painter<'t, '_, '_>, block: Element<'t>, context: &Context<'t>) {
    if block.children().next().is_none() {
        return;
    }
    let Some([x, y, ..]) = block.attribute("Boundary").and_then(value::area) else {
        return painter.note_value("Appearance Boundary");
    };
    let place = Affine::shift(x, y).then(&context.place);
    if place.is_drawable() {
        painter.block(block, &Context { place, ..context.clone() });
    }
}
