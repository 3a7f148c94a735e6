//! The document tree: OFD.xml, Document.xml, pages, templates. GB/T 33190-2016, 7.4 to 7.8.

use std::collections::BTreeSet;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::Container;
use crate::format::ofd::path::PartName;
use crate::format::ofd::xml::{Element, Tree};

/// The entry point of every package.
const ENTRY: &str = "OFD.xml";

/// Documents in one package. Public files have one; each costs a walk.
const MAX_BODIES: usize = 64;

/// Templates of one page that are asked for its box.
const MAX_TEMPLATES: usize = 8;

/// OFD.xml: which documents the package has. GB/T 33190-2016, 7.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The documents, in order; never empty.
    pub bodies: Vec<DocBody>,
}

/// One document of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocBody {
    /// DocRoot: the root part of the document. It exists.
    pub doc_root: PartName,
    /// The list of signatures, if the document has one. It exists.
    pub signatures: Option<PartName>,
    /// True if the document lists versions (clause 19), which may name other roots. They are not followed.
    pub has_versions: bool,
}

impl Package {
    /// The name of OFD.xml.
    #[must_use]
    pub fn entry() -> PartName {
        PartName::from_checked(ENTRY)
    }

    /// Reads OFD.xml and checks that the parts it names exist.
    ///
    /// # Errors
    /// `missing-part`, `element-…`, `path-…`, `xml-…`.
    pub fn read(container: &Container, limits: &Limits) -> Result<Self, Error> {
        let entry = Self::entry();
        let tree = parse(container, &entry, limits)?;
        let root = tree.root("OFD")?;
        let mut bodies = Vec::new();
        for body in root.children_named("DocBody") {
            if bodies.len() >= MAX_BODIES {
                return Err(root.invalid("DocBody"));
            }
            let doc_root = entry.resolve(body.required("DocRoot")?.text())?;
            container.expect(&doc_root)?;
            let signatures = match body.only_child("Signatures")? {
                Some(element) => Some(entry.resolve(element.text())?),
                None => None,
            };
            if let Some(part) = &signatures {
                container.expect(part)?;
            }
            let has_versions = body.child("Versions").is_some();
            bodies.push(DocBody { doc_root, signatures, has_versions });
        }
        if bodies.is_empty() {
            return Err(root.missing("DocBody"));
        }
        Ok(Self { bodies })
    }
}

/// A rectangle in millimetres, `x y w h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageBox {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, above zero.
    pub width: f64,
    /// Height, above zero.
    pub height: f64,
}

/// A page, or a template page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The ID that StampAnnot@PageRef and Template@TemplateID name.
    pub id: String,
    /// The content part, as named; it may be absent from the package.
    pub content: PartName,
}

/// Document.xml. GB/T 33190-2016, 7.5.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The part itself.
    pub part: PartName,
    /// The pages, in order of appearance.
    pub pages: Vec<Page>,
    /// The template pages that the document defines; a page may use them.
    pub templates: Vec<Page>,
    /// PublicRes and DocumentRes.
    pub resources: Vec<PartName>,
    /// The list of annotations.
    pub annotations: Option<PartName>,
    /// The list of attachments. Not shown.
    pub attachments: Option<PartName>,
    /// The list of custom tags. Not shown.
    pub custom_tags: Option<PartName>,
    /// The default page area.
    pub page_area: Option<PageBox>,
    /// The resource of the default colour space.
    pub(super) default_colour_space: Option<String>,
}

impl Document {
    /// Reads the root part of a document.
    ///
    /// # Errors
    /// `missing-part`, `element-…`, `path-…`, `xml-…`.
    pub fn read(container: &Container, part: &PartName, limits: &Limits) -> Result<Self, Error> {
        let tree = parse(container, part, limits)?;
        let root = tree.root("Document")?;
        let common = root.required("CommonData")?;
        let mut resources = Vec::new();
        for element in common.children().filter(|e| e.is("PublicRes") || e.is("DocumentRes")) {
            resources.push(part.resolve(element.text())?);
        }
        let templates = located(part, common.children_named("TemplatePage"), "TemplatePage@BaseLoc")?;
        let pages = match root.only_child("Pages")? {
            Some(pages) => located(part, pages.children_named("Page"), "Page@BaseLoc")?,
            None => return Err(root.missing("Pages")),
        };
        let optional = |name| match root.only_child(name)? {
            Some(element) if !element.text().is_empty() => part.resolve(element.text()).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            part: part.clone(),
            pages,
            templates,
            resources,
            annotations: optional("Annotations")?,
            attachments: optional("Attachments")?,
            custom_tags: optional("CustomTags")?,
            page_area: common.only_child("PageArea")?.map(physical_box).transpose()?,
            default_colour_space: common.child("DefaultCS").map(|e| e.text().to_owned()),
        })
    }

    /// How many pages the document has.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The page with that ID.
    ///
    /// # Errors
    /// `page-unknown`.
    pub fn page(&self, id: &str) -> Result<&Page, Error> {
        let unknown = || Error::PageUnknown { part: self.part.as_str().to_owned(), id: id.to_owned() };
        self.pages.iter().find(|p| p.id == id).ok_or_else(unknown)
    }

    /// The physical box of a page: its own Area, else that of a template it uses, else the document's PageArea.
    /// The order is recollection of clause 7.7.
    ///
    /// # Errors
    /// `page-unknown`; `element-missing` where none of them says; and those of reading the parts.
    pub fn page_box(&self, container: &Container, id: &str, limits: &Limits) -> Result<PageBox, Error> {
        let budget = &mut ReadingBudget::new(limits);
        self.content_box(container, &self.page(id)?.content, budget, limits)
    }

    /// As [`Self::page_box`], of all pages whose content that part is.
    ///
    /// # Errors
    /// As there; `xml-too-large` where the budget is spent.
    pub fn content_box(
        &self,
        container: &Container,
        content: &PartName,
        budget: &mut ReadingBudget,
        limits: &Limits,
    ) -> Result<PageBox, Error> {
        budget.charge(container, content)?;
        let tree = parse(container, content, limits)?;
        let root = tree.root("Page")?;
        if let Some(area) = root.only_child("Area")? {
            return physical_box(area);
        }
        let used: BTreeSet<_> = root.children_named("Template").filter_map(|t| t.attribute("TemplateID")).collect();
        for template in self.templates.iter().filter(|t| used.contains(t.id.as_str())).take(MAX_TEMPLATES) {
            if !container.has(&template.content) {
                continue;
            }
            budget.charge(container, &template.content)?;
            let tree = parse(container, &template.content, limits)?;
            if let Some(area) = tree.root("Page")?.only_child("Area")? {
                return physical_box(area);
            }
        }
        let missing = Error::ElementMissing { part: self.part.as_str().to_owned(), element: "PageArea" };
        self.page_area.ok_or(missing)
    }
}

/// How many bytes of XML may yet be read of one package: parts that many pages share may not make us read more than the package
/// holds.
#[derive(Debug)]
pub struct ReadingBudget {
    left: usize,
    limit: usize,
}

impl ReadingBudget {
    /// As many as all entries may have.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { left: limits.zip_total_bytes, limit: limits.zip_total_bytes }
    }

    /// Counts a part that is about to be read.
    ///
    /// # Errors
    /// `missing-part`; `xml-too-large` where it is one too many.
    pub fn charge(&mut self, container: &Container, part: &PartName) -> Result<(), Error> {
        container.expect(part)?;
        let bytes = container.size(part).unwrap_or_default();
        let too_large = || Error::XmlTooLarge { part: part.as_str().to_owned(), limit: self.limit };
        self.left = self.left.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }
}

/// Reads elements with ID and BaseLoc.
fn located<'t>(
    part: &PartName,
    elements: impl Iterator<Item = Element<'t>>,
    name: &'static str,
) -> Result<Vec<Page>, Error> {
    let read = |element: Element<'t>| {
        let id = element.attribute("ID").ok_or_else(|| element.missing("Page@ID"))?.to_owned();
        let location = element.attribute("BaseLoc").ok_or_else(|| element.missing(name))?;
        Ok(Page { id, content: part.resolve(location)? })
    };
    elements.map(read).collect()
}

fn physical_box(area: Element<'_>) -> Result<PageBox, Error> {
    let element = area.required("PhysicalBox")?;
    let [x, y, width, height] = numbers(element.text()).ok_or_else(|| element.invalid("PhysicalBox"))?;
    if width <= 0.0 || height <= 0.0 {
        return Err(element.invalid("PhysicalBox"));
    }
    Ok(PageBox { x, y, width, height })
}

/// ST_Box: four numbers between white space.
pub(super) fn numbers(text: &str) -> Option<[f64; 4]> {
    let parsed: Option<Vec<f64>> = text.split_ascii_whitespace().take(5).map(number).collect();
    parsed?.try_into().ok()
}

/// A decimal number; the words that Rust also reads (`inf`, `nan`) are none.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|_| plain)?;
    value.is_finite().then_some(value)
}

/// Parses a part that must be there.
pub(super) fn parse<'c>(container: &'c Container<'_>, part: &PartName, limits: &Limits) -> Result<Tree<'c>, Error> {
    Tree::parse_content(part, container.content(part)?, limits)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const LIMITS: Limits = Limits::DEFAULT;

    fn container(parts: &[(&str, &str)]) -> Container<'static> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        Container::read(writer.finish().unwrap().into_inner().leak(), &LIMITS).unwrap()
    }

    fn package(ofd: &str) -> Result<Package, Error> {
        Package::read(&container(&[("OFD.xml", ofd), ("d.xml", "<Document/>")]), &LIMITS)
    }

    #[test]
    fn parts_that_the_entry_names_must_exist() {
        let refusal = |ofd| package(ofd).map_err(|e| (e.code(), e.part().map(str::to_owned))).unwrap_err();
        let part = |name: &str| Some(name.to_owned());
        let none = Package::read(&container(&[("d.xml", "<Document/>")]), &LIMITS).unwrap_err();
        assert_eq!((none.code(), none.part()), ("missing-part", Some("OFD.xml")));
        assert_eq!(refusal("<OFD/>"), ("element-missing", part("OFD.xml")));
        assert_eq!(refusal("<OFD><DocBody/></OFD>"), ("element-missing", part("OFD.xml")));
        assert_eq!(refusal("<OFD><DocBody><DocRoot>x</DocRoot></DocBody></OFD>"), ("missing-part", part("x")));
        let twice = "<OFD><DocBody><DocRoot>d.xml</DocRoot><DocRoot>e.xml</DocRoot></DocBody></OFD>";
        assert_eq!(refusal(twice), ("element-invalid", part("OFD.xml")));
        let list = "<OFD><DocBody><DocRoot>d.xml</DocRoot><Signatures>s.xml</Signatures></DocBody></OFD>";
        assert_eq!(refusal(list), ("missing-part", part("s.xml")));
        let many = format!("<OFD>{}</OFD>", "<DocBody><DocRoot>d.xml</DocRoot></DocBody>".repeat(65));
        assert_eq!(package(&many).unwrap_err().code(), "element-invalid");
    }

    #[test]
    fn a_page_box_comes_from_page_then_template_then_document() {
        let area = |w| format!("<Area><PhysicalBox>0 0 {w} 9</PhysicalBox></Area>");
        let document = "<Document><CommonData><PageArea><PhysicalBox>0 0 1 9</PhysicalBox></PageArea>\
            <TemplatePage ID='t' BaseLoc='t.xml'/></CommonData><Pages><Page ID='1' BaseLoc='1.xml'/>\
            <Page ID='2' BaseLoc='2.xml'/><Page ID='3' BaseLoc='3.xml'/><Page ID='4' BaseLoc='4.xml'/></Pages></Document>";
        let container = container(&[
            ("d.xml", document),
            ("t.xml", &format!("<Page>{}</Page>", area(2))),
            ("1.xml", &format!("<Page><Template TemplateID='t'/>{}</Page>", area(3))),
            ("2.xml", "<Page><Template TemplateID='t'/></Page>"),
            ("3.xml", "<Page/>"),
            ("4.xml", &format!("<Page>{}</Page>", area(0))),
        ]);
        let document = Document::read(&container, &PartName::from_checked("d.xml"), &LIMITS).unwrap();
        let width = |id| document.page_box(&container, id, &LIMITS).map(|b| b.width).map_err(|e| e.code());
        assert_eq!([width("1"), width("2"), width("3")], [Ok(3.0), Ok(2.0), Ok(1.0)]);
        assert_eq!([width("4"), width("5")], [Err("element-invalid"), Err("page-unknown")]);
    }
}
