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
//! | `glyph-substituted` | the embedded typeface of that name lacks characters; ours stands in |
//! | `glyph-missing` | no typeface has the character; an empty square stands there |
//! | `object-unknown` | an element that is no object of the standard |
//! | `resource-missing` | a resource, a template, or a file is not in the package |
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
pub(super) mod picture;
mod raster;
mod resources;
mod shapes;
mod stamp;
mod text;

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
use crate::format::ofd::value;
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
        let [x, y, width, height] = [self.origin[0], self.origin[1], self.width, self.height].map(number_text);
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
    container: &'c Container<'c>,
    limits: Limits,
    document: document::Document,
    /// The root part, for what [`document::Document`] leaves out.
    root: Tree<'c>,
    resources: Vec<(Directory, Tree<'c>)>,
    nodes: usize,
    notes: Notes,
}

impl<'c> Document<'c> {
    /// Opens a document by its number in the package, from zero, and reads its resources.
    ///
    /// # Errors
    /// [`Error::BodyUnknown`]; [`Error::Package`] where OFD.xml or the root part cannot be read.
    pub fn open(container: &'c Container<'c>, index: usize, limits: &Limits) -> Result<Self, Error> {
        let limits =
            Limits { xml_bytes: limits.xml_bytes.min(MAX_XML), xml_nodes: limits.xml_nodes.min(MAX_NODES), ..*limits };
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
            painter.out.reserve_for_stamps();
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
            let unit =
                Affine::shift(-area.left, -area.top).then(&Affine::scale(1.0 / area.width(), 1.0 / area.height()));
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
    fn area(&self, root: Element<'_>, templates: &[(bool, Tree<'_>)]) -> Result<Bounds, Error> {
        let written = |page: Element<'_>| {
            page.child("Area").and_then(|area| area.child("PhysicalBox")).map(|b| b.text().to_owned())
        };
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
    fn annotations(&self, page: &str, reader: &Reader<'_, 'c>, notes: &mut Notes) -> Vec<Tree<'c>> {
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
struct Reader<'r, 'c> {
    container: &'c Container<'c>,
    limits: &'r Limits,
    left: Cell<usize>,
}

impl<'c> Reader<'_, 'c> {
    fn tree(&self, part: &PartName) -> Result<Tree<'c>, ofd::Error> {
        let limits = Limits { xml_nodes: self.limits.xml_nodes.min(self.left.get()), ..*self.limits };
        let tree = Tree::parse(part, self.container.required(part)?, &limits)?;
        let nodes = tree.elements().map(|element| element.attributes().count().saturating_add(1)).sum();
        self.left.set(self.left.get().saturating_sub(nodes));
        Ok(tree)
    }

    /// A part that may fail: then that is noted.
    fn noted(&self, part: &PartName, notes: &mut Notes) -> Option<Tree<'c>> {
        match self.tree(part) {
            Ok(tree) => return Some(tree),
            Err(ofd::Error::MissingPart { .. }) => notes.add("resource-missing", part.as_str()),
            Err(_) => notes.add("part-unreadable", part.as_str()),
        }
        None
    }

    fn resources(&self, part: &PartName, notes: &mut Notes) -> Option<(Directory, Tree<'c>)> {
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
    container: &'c Container<'c>,
    root: Element<'t>,
    /// Whether it goes above the page, and the template.
    templates: &'t [(bool, Tree<'t>)],
    annotations: &'t [Tree<'t>],
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write as _};
    use std::path::{Path, PathBuf};

    use resvg::tiny_skia::Pixmap;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::render::seal::{Centre, RoundFace};
    use crate::render::{NOTICE, SealFace, Trust, ofd_face};

    const LIMITS: Limits = Limits::DEFAULT;

    const ROOT: &str = "<OFD><DocBody><DocRoot>D/Document.xml</DocRoot></DocBody></OFD>";

    const DOCUMENT: &str = "<Document><CommonData><PageArea><PhysicalBox>0 0 100 100</PhysicalBox></PageArea>\
        <PublicRes>Res.xml</PublicRes><TemplatePage ID='t' BaseLoc='T.xml'/>\
        <TemplatePage ID='u' BaseLoc='U.xml' ZOrder='Foreground'/></CommonData>\
        <Pages><Page ID='1' BaseLoc='P.xml'/></Pages><Annotations>Annots.xml</Annotations></Document>";

    const RESOURCES: &str = "<Res BaseLoc='Res'><Fonts><Font ID='f' FontName='宋体'/>\
        <Font ID='b' FontName='broken'><FontFile>red.png</FontFile></Font></Fonts>\
        <DrawParams><DrawParam ID='p' LineWidth='4'><StrokeColor Value='0 0 255'/></DrawParam></DrawParams>\
        <MultiMedias><MultiMedia ID='i' Type='Image'><MediaFile>red.png</MediaFile></MultiMedia>\
        <MultiMedia ID='n' Type='Image'><MediaFile>none.png</MediaFile></MultiMedia>\
        <MultiMedia ID='x' Type='Image'><MediaFile>x.tif</MediaFile></MultiMedia></MultiMedias>\
        <CompositeGraphicUnits><CompositeGraphicUnit ID='c' Width='10' Height='10'><Content>\
        <PathObject Boundary='0 0 10 10' Fill='true' Stroke='false'><FillColor Value='0 255 0'/>\
        <AbbreviatedData>M 0 0 L 10 0 L 10 10 L 0 10 C</AbbreviatedData></PathObject></Content></CompositeGraphicUnit>\
        <CompositeGraphicUnit ID='r'><Content><CompositeObject Boundary='0 0 99 99' ResourceID='r'/>\
        <CompositeObject Boundary='0 0 99 99' ResourceID='r'/></Content></CompositeGraphicUnit></CompositeGraphicUnits></Res>";

    fn red_png() -> Vec<u8> {
        let mut pixmap = Pixmap::new(2, 2).unwrap();
        pixmap.fill(resvg::tiny_skia::Color::from_rgba8(255, 0, 0, 255));
        pixmap.encode_png().unwrap()
    }

    fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn package(page: &str) -> Vec<u8> {
        let square = |colour: &str, x: u8| {
            format!(
                "<Page><Content><Layer>{}</Layer></Content></Page>",
                filled(&format!("{x} 0 20 20"), colour, "M 0 0 L 20 0 L 20 20 L 0 20 C")
            )
        };
        let annotation = "<PageAnnot><Annot Visible='false'><Appearance Boundary='0 0 9 9'><Strange/></Appearance></Annot>\
            <Annot><Appearance Boundary='80 80 20 20'><ImageObject ResourceID='i' Boundary='0 0 20 20' CTM='20 0 0 20 0 0'/>\
            </Appearance></Annot></PageAnnot>";
        let list = "<Annotations><Page PageID='1'><FileLoc>A.xml</FileLoc></Page><Page PageID='2'><FileLoc>B.xml</FileLoc>\
            </Page></Annotations>";
        packed(&[
            ("OFD.xml", ROOT.as_bytes()),
            ("D/Document.xml", DOCUMENT.as_bytes()),
            ("D/Res.xml", RESOURCES.as_bytes()),
            ("D/T.xml", square("255 255 0", 0).as_bytes()),
            ("D/U.xml", square("0 255 255", 10).as_bytes()),
            ("D/P.xml", page.as_bytes()),
            ("D/Annots.xml", list.as_bytes()),
            ("D/A.xml", annotation.as_bytes()),
            ("D/Res/red.png", &red_png()),
            ("D/Res/x.tif", b"II*\0"),
        ])
    }

    /// An area without a line.
    fn filled(boundary: &str, colour: &str, data: &str) -> String {
        format!(
            "<PathObject Boundary='{boundary}' Fill='true' Stroke='false'><FillColor Value='{colour}'/>\
             <AbbreviatedData>{data}</AbbreviatedData></PathObject>"
        )
    }

    fn render(page: &str, stamps: &[Stamp]) -> Rendered {
        let bytes = package(page);
        let container = Container::read(&bytes, &LIMITS).unwrap();
        let document = Document::open(&container, 0, &LIMITS).unwrap();
        document.render_page(0, stamps).unwrap()
    }

    /// One layer with these objects, and no annotation in the way.
    fn drawn(objects: &str) -> Rendered {
        render(&format!("<Page><Content><Layer>{objects}</Layer></Content></Page>"), &[])
    }

    fn codes(rendered: &Rendered) -> Vec<(&str, &str)> {
        rendered.unsupported.iter().map(|note| (note.code, note.what.as_str())).collect()
    }

    /// The colour at a place given in millimetres, of a page that is 100 mm wide.
    fn colour(rendered: &Rendered, x: usize, y: usize) -> [u8; 3] {
        let pixmap = Pixmap::decode_png(&rendered.png(300).unwrap()).unwrap();
        let at = ((y * 3 + 1) * 300 + x * 3 + 1) * 4;
        pixmap.data()[at..at + 3].try_into().unwrap()
    }

    const WHITE: [u8; 3] = [255; 3];
    const RED: [u8; 3] = [255, 0, 0];
    const GREEN: [u8; 3] = [0, 255, 0];

    #[test]
    fn a_path_is_placed_by_boundary_and_transform_and_cut_at_its_boundary() {
        let page = drawn(&filled("10 40 20 20", "255 0 0", "M 0 0 L 40 0 L 40 40 L 0 40 C"));
        assert_eq!([colour(&page, 12, 42), colour(&page, 35, 42), colour(&page, 9, 42)], [RED, WHITE, WHITE]);
        let scaled = "<PathObject Boundary='10 40 40 40' CTM='2 0 0 2 5 5' Stroke='false' Fill='true'>\
            <FillColor Value='0 255 0'/><AbbreviatedData>M 0 0 L 5 0 L 5 5 L 0 5 C</AbbreviatedData></PathObject>";
        let page = drawn(scaled);
        assert_eq!([colour(&page, 16, 46), colour(&page, 24, 54), colour(&page, 27, 50)], [GREEN, GREEN, WHITE]);
        assert_eq!(codes(&page), []);
    }

    #[test]
    fn the_svg_of_a_small_page_is_this_one() {
        let page = drawn(
            "<PathObject Boundary='10 10 50 10' DrawParam='p' DashPattern='3 1' Cap='Round' Alpha='51'>\
             <AbbreviatedData>M 0 0 L 50 10</AbbreviatedData></PathObject>\
             <ImageObject ResourceID='i' Boundary='0 50 10 10' CTM='10 0 0 10 0 0'/>",
        );
        let svg = page.svg();
        let (head, rest) = svg.split_once("<image").unwrap();
        assert_eq!(
            head,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100mm\" height=\"100mm\" viewBox=\"0 0 100 100\"><defs>"
        );
        let (image, body) = rest.split_once("</defs>").unwrap();
        assert!(image.starts_with(
            " id=\"i0\" width=\"1\" height=\"1\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,"
        ));
        assert_eq!(
            body,
            "<rect x=\"0\" y=\"0\" width=\"100\" height=\"100\" fill=\"#ffffff\"/>\
             <path transform=\"matrix(1 0 0 1 10 10)\" fill=\"none\" stroke=\"#0000ff\" stroke-opacity=\"0.2\" \
             stroke-width=\"4\" stroke-miterlimit=\"3.528\" stroke-linecap=\"round\" stroke-dasharray=\"3 1\" \
             d=\"M0 0L50 10\"/>\
             <use href=\"#i0\" transform=\"matrix(10 0 0 10 0 50)\"/>\
             <use href=\"#i0\" transform=\"matrix(20 0 0 20 80 80)\"/></svg>"
        );
    }

    #[test]
    fn text_stands_at_its_code_and_is_kept_as_words() {
        let text = "<TextObject Boundary='10 30 80 20' Font='f' Size='10'><FillColor Value='0 0 255'/>\
            <TextCode X='0' Y='10' DeltaX='g 2 20'>国 &lt;龘</TextCode></TextObject>";
        let page = drawn(text);
        assert_eq!(page.text, "国 <龘\n");
        assert_eq!(codes(&page), [("font-substituted", "宋体"), ("glyph-missing", "U+9F98")]);
        assert!(page.body.contains("fill=\"#0000ff\""));
        assert_eq!(page.body.matches("<use href=\"#g").count(), 3, "the space shows nothing");
        let ink = |from: usize, to: usize| (from..to).any(|x| (30..42).any(|y| colour(&page, x, y) != WHITE));
        assert!(ink(10, 20) && !ink(21, 49));
        assert!(!page.svg().contains("<text") && !page.svg().contains('龘'));
    }

    #[test]
    fn an_embedded_typeface_is_used_by_character_and_by_glyph() {
        let container = Container::read(NOTICE, &LIMITS).unwrap();
        let document = Document::open(&container, 0, &LIMITS).unwrap();
        assert_eq!((document.page_count(), document.page_id(9)), (3, None));
        let page = document.render_page(0, &[]).unwrap();
        assert_eq!(codes(&page), []);
        assert!(page.text.contains("【样本】本文件为演示示例"), "{}", page.text);
        assert!((page.width, page.height) == (210.0, 297.0));
        let unknown = document.render_page(3, &[]).unwrap_err();
        assert_eq!(
            (unknown.code(), unknown.to_string().as_str()),
            ("page-unknown", "the document has 3 pages and none with the number 3")
        );
        let body = Document::open(&container, 1, &LIMITS).unwrap_err();
        assert_eq!(body.code(), "document-unknown");
    }

    #[test]
    fn glyphs_named_by_number_need_a_typeface_of_the_package() {
        let text = "<TextObject Boundary='10 30 80 20' Font='b' Size='10'><CGTransform CodePosition='0' CodeCount='1' \
            GlyphCount='1'><Glyphs>7</Glyphs></CGTransform><TextCode X='0' Y='10'>国</TextCode></TextObject>";
        let page = drawn(text);
        assert_eq!(codes(&page), [("font-unreadable", "broken")]);
        assert_eq!(page.body.matches("<use href=\"#g").count(), 1, "by character then");
    }

    #[test]
    fn images_that_cannot_be_shown_leave_a_pane() {
        for (id, note) in [
            ("n", ("resource-missing", "none.png")),
            ("x", ("image-unsupported", "TIFF")),
            ("z", ("resource-missing", "MultiMedia z")),
        ] {
            let page = drawn(&format!("<ImageObject ResourceID='{id}' Boundary='30 30 20 20'/>"));
            assert_eq!(codes(&page), [note]);
            let [red, green, blue] = colour(&page, 40, 40);
            assert!(red == green && green == blue && (200..250).contains(&red), "grey: {red}");
        }
        let page = drawn("<ImageObject ResourceID='i' Boundary='30 30 20 20' ImageMask='i'/>");
        assert_eq!(codes(&page), [("image-attribute-unsupported", "ImageMask")]);
        assert_eq!(colour(&page, 49, 49), RED, "without a transform it fills its boundary");
    }

    #[test]
    fn clips_cut_with_and_without_the_transform() {
        let clipped = |flag: &str, data: &str| {
            drawn(&format!(
                "<PathObject Boundary='20 20 60 60' CTM='2 0 0 2 0 0' Stroke='false' Fill='true'><FillColor Value='255 0 0'/>\
                 <Clips TransFlag='{flag}'><Clip><Area><Path><AbbreviatedData>{data}</AbbreviatedData></Path></Area></Clip>\
                 </Clips><AbbreviatedData>M 0 0 L 30 0 L 30 30 L 0 30 C</AbbreviatedData></PathObject>"
            ))
        };
        let square = "M 0 0 L 15 0 L 15 15 L 0 15 C";
        let page = clipped("false", square);
        assert_eq!([colour(&page, 34, 34), colour(&page, 40, 40)], [RED, WHITE]);
        let page = clipped("true", square);
        assert_eq!([colour(&page, 40, 40), colour(&page, 55, 55)], [RED, WHITE]);
        let page = clipped("false", "M 0 0 L 40 0 L 0 40 C");
        assert_eq!([colour(&page, 30, 30), colour(&page, 50, 50)], [RED, WHITE]);
        assert_eq!(codes(&page), []);
        let text = drawn(
            "<PathObject Boundary='0 0 9 9'><Clips><Clip><Area><Text/></Area></Clip></Clips>\
             <AbbreviatedData>M 0 0 L 9 9</AbbreviatedData></PathObject>",
        );
        assert_eq!(codes(&text), [("clip-unsupported", "Text")]);
    }

    #[test]
    fn layers_templates_and_annotations_lie_in_order() {
        let square = |colour: &str| filled("0 0 15 15", colour, "M 0 0 L 15 0 L 15 15 L 0 15 C");
        let page = render(
            &format!(
                "<Page><Template TemplateID='t'/><Template TemplateID='u'/><Template TemplateID='none'/><Content>\
                 <Layer Type='Foreground'>{}</Layer><Layer Type='Background'>{}</Layer></Content></Page>",
                square("255 0 0"),
                square("0 0 255")
            ),
            &[],
        );
        assert_eq!(colour(&page, 5, 5), RED, "the foreground layer covers the background layer and the template");
        assert_eq!(colour(&page, 12, 12), [0, 255, 255], "a foreground template covers all");
        assert_eq!(colour(&page, 5, 18), [255, 255, 0], "a background template lies below");
        assert_eq!(colour(&page, 90, 90), RED, "the visible annotation");
        assert_eq!(codes(&page), [("resource-missing", "TemplatePage none")]);
    }

    #[test]
    fn composite_units_are_drawn_and_those_that_hold_themselves_end() {
        let page = drawn("<CompositeObject ResourceID='c' Boundary='30 30 40 40' CTM='2 0 0 2 0 0'/>");
        assert_eq!([colour(&page, 32, 32), colour(&page, 49, 49), colour(&page, 52, 52)], [GREEN, GREEN, WHITE]);
        let half = drawn("<CompositeObject ResourceID='c' Boundary='30 30 40 40' Alpha='0'/>");
        assert_eq!(colour(&half, 32, 32), WHITE);
        let ring = drawn("<CompositeObject ResourceID='r' Boundary='0 0 99 99'/>");
        assert_eq!(codes(&ring), [("too-deep", "Content")]);
        let none = drawn("<CompositeObject ResourceID='?' Boundary='0 0 99 99'/>");
        assert_eq!(codes(&none), [("resource-missing", "CompositeGraphicUnit ?")]);
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named() {
        let page = drawn(
            "<VideoObject/><PathObject/><PathObject Boundary='0 0 9 9' CTM='1 2'/>\
             <PathObject Boundary='0 0 9 9'><AbbreviatedData>X 1</AbbreviatedData></PathObject>\
             <TextObject Boundary='0 0 9 9' Size='-1'/><PathObject Visible='false'/>",
        );
        let named = [
            ("object-unknown", "VideoObject"),
            ("value-invalid", "AbbreviatedData"),
            ("value-invalid", "Boundary"),
            ("value-invalid", "CTM"),
            ("value-invalid", "Size"),
        ];
        assert_eq!(codes(&page), named);
    }

    fn stamp(picture: Option<SealPicture>, clip: Option<[f64; 4]>) -> Stamp {
        let page_ref = "1".to_owned();
        Stamp { signature: "s".into(), id: "a".into(), page_ref, boundary: [40.0, 40.0, 20.0, 20.0], clip, picture }
    }

    const EMPTY: &str = "<Page><Content/></Page>";

    #[test]
    fn a_stamp_lies_on_top_within_its_clip_and_says_where() {
        let picture = SealPicture { kind: "png".into(), bytes: red_png() };
        let page = render(EMPTY, &[stamp(Some(picture.clone()), Some([0.0, 0.0, 20.0, 8.0]))]);
        assert_eq!([colour(&page, 50, 45), colour(&page, 50, 55)], [RED, WHITE]);
        let boxes = &page.stamps[0];
        assert_eq!((boxes.boundary, boxes.visible), ([40.0, 40.0, 20.0, 20.0], Some([40.0, 40.0, 20.0, 8.0])));
        let elsewhere = Stamp { page_ref: "2".into(), ..stamp(Some(picture.clone()), None) };
        assert!(render(EMPTY, &[elsewhere]).stamps.is_empty());
        let outside = Stamp { boundary: [200.0, 0.0, 9.0, 9.0], ..stamp(Some(picture), None) };
        assert_eq!(render(EMPTY, &[outside]).stamps[0].visible, None);
        let without = render(EMPTY, &[stamp(None, None)]);
        assert_eq!((codes(&without), without.stamps.len()), (vec![("stamp-without-picture", "a")], 1));
    }

    #[test]
    fn a_seal_picture_in_ofd_is_drawn_and_its_words_are_not_the_pages() {
        let face = SealFace::Round(RoundFace {
            organisation: "示例市印信演示局".to_owned(),
            centre: Centre::Star,
            lines: Vec::new(),
            code: None,
            note: None,
            diameter_mm: 42,
        });
        let picture = |bytes| SealPicture { kind: "ofd".into(), bytes };
        let page = render(EMPTY, &[stamp(Some(picture(ofd_face(&face, Trust::Production).unwrap())), None)]);
        assert_eq!(codes(&page), []);
        let [red, green, _] = colour(&page, 50, 48);
        assert!(red > 150 && green < 100, "the star is red: {red} {green}");
        let nested = render(EMPTY, &[stamp(Some(picture(NOTICE.to_vec())), None)]);
        assert_eq!(nested.text, "");
        let broken = render(EMPTY, &[stamp(Some(picture(b"PK\x03\x04".to_vec())), None)]);
        assert_eq!(codes(&broken), [("stamp-picture-unreadable", "OFD")]);
    }

    #[test]
    fn pages_without_a_size_and_packages_without_pages_are_refused() {
        let refusal = |document: &str, page: &str| {
            let bytes = packed(&[
                ("OFD.xml", ROOT.as_bytes()),
                ("D/Document.xml", document.as_bytes()),
                ("D/P.xml", page.as_bytes()),
            ]);
            let container = Container::read(&bytes, &LIMITS).unwrap();
            let drawn = Document::open(&container, 0, &LIMITS).and_then(|document| document.render_page(0, &[]));
            drawn.unwrap_err().code()
        };
        let bare = "<Document><CommonData/><Pages><Page ID='1' BaseLoc='P.xml'/></Pages></Document>";
        let area = |area: &str| format!("<Page><Area><PhysicalBox>{area}</PhysicalBox></Area></Page>");
        assert_eq!(refusal(bare, EMPTY), "page-size");
        for wrong in ["0 0 0 10", "0 0 10 6000", "1e6 0 10 10", "0 0 10", "a b c d"] {
            assert_eq!(refusal(bare, &area(wrong)), "page-size", "{wrong}");
        }
        assert_eq!(refusal(bare, "<Page"), "xml-malformed");
        assert_eq!(refusal(bare, "<Other/>"), "element-missing");
        assert_eq!(refusal("<Document><CommonData/></Document>", EMPTY), "element-missing");
    }

    #[test]
    fn a_page_may_cost_only_so_much() {
        let too_much = |objects: &str| {
            let page = drawn(objects);
            assert_eq!(codes(&page), [("page-too-complex", "")]);
            assert!(page.svg().len() < 12 << 20);
            page.png(400).unwrap();
        };
        too_much(&filled("0 0 100 100", "1 1 1", "M 0 0 L 99 0 L 99 99 C").repeat(300));
        too_much(&filled("0 0 50 50", "1 1 1", "M 0 0 L 99 0 L 99 99 C").repeat(300));
        let zigzag = "L 0 100 L 1 0 ".repeat(15_000);
        too_much(&filled("0 0 100 100", "1 1 1", &format!("M 0 0 {zigzag}")));
        too_much("<PathObject Visible='false'/>".repeat(20_001).as_str());
        let text = format!(
            "<TextObject Boundary='0 0 1 1' Font='f' Size='1'><TextCode>{}</TextCode></TextObject>",
            "国".repeat(30_000)
        );
        let page = drawn(&text);
        assert_eq!(codes(&page), [("font-substituted", "宋体"), ("page-too-complex", "")]);
    }

    #[test]
    fn text_from_the_file_stays_text() {
        let page = drawn(
            "<TextObject Boundary='0 0 90 90' Font='&quot;/&gt;&lt;script&gt;' Size='9'><FillColor Value='&quot;/&gt;'/>\
             <TextCode X='0' Y='9'>&lt;script&gt;</TextCode></TextObject>\
             <PathObject Boundary='0 0 9 9' Cap='&quot;&gt;&lt;script/&gt;' Join='&amp;'><StrokeColor ColorSpace='&lt;'/>\
             <AbbreviatedData>M 0 0 L 9 9</AbbreviatedData></PathObject>",
        );
        assert!(!page.svg().contains("script"));
        assert!(page.png(50).is_ok());
    }

    fn notice_parts() -> Vec<(String, Vec<u8>)> {
        let mut archive = zip::ZipArchive::new(Cursor::new(NOTICE)).unwrap();
        let count = archive.len();
        let read = |n| {
            let mut entry = archive.by_index(n).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        };
        (0..count).map(read).collect()
    }

    #[test]
    fn changed_pages_and_typefaces_are_drawn_or_refused() {
        let parts = notice_parts();
        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
        };
        let mut drawn = 0;
        for _ in 0..150 {
            let mut changed = parts.clone();
            for _ in 0..=next(6) {
                let part = next(changed.len());
                let bytes = &mut changed[part].1;
                let at = next(bytes.len());
                bytes[at] = match next(3) {
                    0 => b'0' + u8::try_from(next(10)).unwrap(),
                    1 => b" -.eg<>'"[next(8)],
                    _ => u8::try_from(next(256)).unwrap(),
                };
            }
            let parts: Vec<(&str, &[u8])> = changed.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
            let bytes = packed(&parts);
            let container = Container::read(&bytes, &LIMITS).unwrap();
            let Ok(document) = Document::open(&container, 0, &LIMITS) else { continue };
            for page in 0..document.page_count().min(3) {
                if let Ok(page) = document.render_page(page, &[]) {
                    page.png(60).unwrap();
                    drawn += 1;
                }
            }
        }
        assert!(drawn > 100, "only {drawn} pages drawn");
    }

    #[test]
    fn the_same_page_gives_the_same_bytes() {
        let page = || {
            drawn(
                "<TextObject Boundary='0 0 90 90' Font='f' Size='9'><TextCode X='0' Y='9'>印信</TextCode></TextObject>",
            )
        };
        let (one, two) = (page(), page());
        assert_eq!(one.svg(), two.svg());
        assert_eq!(one.png(300).unwrap(), two.png(300).unwrap());
    }

    #[test]
    fn pixels_are_bounded_and_keep_the_proportion() {
        let size = |png: &[u8]| Pixmap::decode_png(png).map(|p| (p.width(), p.height())).unwrap();
        let page = drawn("");
        assert_eq!(size(&page.png(300).unwrap()), (300, 300));
        assert_eq!(size(&page.png(60_000).unwrap()), (2000, 2000));
        assert!(matches!(page.png(0), Err(Error::Pixels)));
    }

    fn fixtures(test: &str) -> Option<PathBuf> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures");
        let root = std::env::var_os("YINXIN_FIXTURES").map_or_else(|| PathBuf::from(beside), PathBuf::from);
        let folder = root.join("eseal");
        if folder.join("expected.json").is_file() {
            return Some(folder);
        }
        println!("SKIPPED {test}: fixtures absent");
        let required = std::env::var_os("CI").is_some()
            || std::env::var_os("YINXIN_TEST_PEERS").is_some_and(|value| value == "require");
        assert!(!required, "fixtures are required here");
        None
    }

    fn packages(folder: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for name in ["real", "ofdrw", "package", "generated"] {
            let entries = std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path());
            all.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "ofd")));
        }
        all.sort();
        all
    }

    #[test]
    fn every_page_of_the_fixtures_is_drawn_with_its_words_and_stamps() {
        let Some(folder) = fixtures("every_page_of_the_fixtures_is_drawn_with_its_words_and_stamps") else { return };
        let (mut pages, mut stamps, mut words) = (0, 0, 0);
        for path in packages(&folder) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            let container = Container::read(&bytes, &LIMITS).unwrap();
            if name == "invoice_template_signatures_entry_missing.ofd" {
                assert_eq!(Document::open(&container, 0, &LIMITS).unwrap_err().code(), "missing-part");
                continue;
            }
            let package = Package::read(&container, &LIMITS).unwrap();
            let found = stamps_of(&container, &package.bodies[0], &LIMITS).unwrap();
            let document = Document::open(&container, 0, &LIMITS).unwrap();
            let mut seen = 0;
            for number in 0..document.page_count() {
                let page = document.render_page(number, &found).unwrap_or_else(|e| panic!("{name} {number}: {e:?}"));
                for note in &page.unsupported {
                    let harmless = ["font-substituted", "glyph-substituted", "glyph-missing", "clip-unsupported"];
                    let known = harmless.contains(&note.code)
                        || (note.code == "image-unsupported" && note.what == "TIFF")
                        || (note.code == "value-invalid" && note.what == "Boundary")
                        || note.code == "resource-missing";
                    assert!(known, "{name} {number}: {note:?}");
                }
                assert!(page.stamps.iter().all(|stamp| stamp.visible.is_some()), "{name} {number}: {:?}", page.stamps);
                pages += 1;
                seen += page.stamps.len();
                words += page.text.chars().count();
            }
            assert_eq!(seen, found.len(), "{name}: every stamp stands on a page");
            assert!(found.iter().all(|stamp| stamp.picture.is_some()), "{name}");
            stamps += seen;
        }
        assert!(pages > 90 && stamps > 50 && words > 5000, "{pages} pages, {stamps} stamps, {words} characters");
    }
}
