//! Which parts the pages of a package show, so that a verifier can say whether signatures cover them.
//!
//! From DocRoot: the document part, its pages, the templates they use, the resource files, the fonts and images used,
//! the list of annotations and the files with visible ones. Attachments and custom tags are not shown. The stamp of a
//! seal is not in it either: it comes from the signature itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, Package, ReadingBudget, parse};
use crate::format::ofd::path::{Directory, PartName};
use crate::format::ofd::xml::{self, Element, Tree};
use crate::format::ofd::xml_piece::Piece;
use crate::format::ofd::xml_walk::{Beginning, Listener, Words, walk};

/// Whether content uses a resource by this attribute. GB/T 33190-2016, 8 to 11 and 13.
fn is_use(attribute: &[u8]) -> bool {
    matches!(
        attribute,
        b"Font"
            | b"ResourceID"
            | b"ImageMask"
            | b"Substitution"
            | b"Thumbnail"
            | b"DrawParam"
            | b"ColorSpace"
            | b"Relative"
    )
}

/// The shown parts of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Parts that are shown and exist.
    pub parts: BTreeSet<PartName>,
    /// Parts that would be shown but are absent from the package, in the order in which they were met.
    pub missing: Vec<PartName>,
}

/// Walks all documents of a package and collects what they show.
///
/// # Errors
/// `xml-…`, `element-…` and `path-…` of the parts walked; an absent part is no error but in [`Shown::missing`].
pub fn shown_parts(container: &Container, package: &Package, limits: &Limits) -> Result<Shown, Error> {
    let mut shown = Shown::default();
    // Documents may share parts; together they may not make us read more than the package holds.
    let mut budget = ReadingBudget::new(limits);
    for body in &package.bodies {
        let document = Document::read(container, &body.doc_root, limits)?;
        let missing = shown.missing.iter().cloned().collect();
        let mut walk = Walk {
            container,
            limits,
            shown: &mut shown,
            budget: &mut budget,
            missing,
            resources: BTreeMap::new(),
            used: BTreeSet::new(),
        };
        walk.document(&document)?;
    }
    Ok(shown)
}

/// What a resource brings with it.
#[derive(Default)]
struct Resource {
    files: Vec<PartName>,
    uses: BTreeSet<String>,
}

struct Walk<'a> {
    container: &'a Container<'a>,
    limits: &'a Limits,
    shown: &'a mut Shown,
    budget: &'a mut ReadingBudget,
    missing: BTreeSet<PartName>,
    resources: BTreeMap<String, Resource>,
    used: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn document(&mut self, document: &Document) -> Result<(), Error> {
        self.shown.parts.insert(document.part.clone());
        self.used.extend(document.default_colour_space.clone());
        let mut read = BTreeSet::new();
        for part in &document.resources {
            self.resource_file(part, &mut read)?;
        }
        let templates: BTreeMap<&str, &PartName> =
            document.templates.iter().map(|t| (t.id.as_str(), &t.content)).collect();
        let mut pending: Vec<PartName> = document.pages.iter().rev().map(|p| p.content.clone()).collect();
        let mut walked = BTreeSet::new();
        while let Some(part) = pending.pop() {
            if !walked.insert(part.clone()) || !self.show(&part) {
                continue;
            }
            let page = self.page(&part)?;
            for used in &page.templates {
                pending.extend(templates.get(used.as_str()).map(|part| (*part).clone()));
            }
            for resource in &page.resources {
                self.resource_file(&part.resolve(resource.trim_matches(xml::SPACE))?, &mut read)?;
            }
            self.used.extend(page.uses);
        }
        if let Some(list) = &document.annotations {
            self.annotations(list)?;
        }
        self.follow_uses();
        Ok(())
    }

    /// Marks a part as shown; false if it is absent.
    fn show(&mut self, part: &PartName) -> bool {
        let present = self.container.has(part);
        if present {
            self.shown.parts.insert(part.clone());
        } else if self.missing.insert(part.clone()) {
            self.shown.missing.push(part.clone());
        }
        present
    }

    fn parse(&mut self, part: &PartName) -> Result<Tree<'a>, Error> {
        self.budget.charge(self.container, part)?;
        parse(self.container, part, self.limits)
    }

    /// Pages are by far the most of a package's XML: no tree is made of them.
    fn page(&mut self, part: &PartName) -> Result<PageWords, Error> {
        self.budget.charge(self.container, part)?;
        PageWords::read(part, &self.container.content(part)?, self.limits)
    }

    /// GB/T 33190-2016, 7.9.
    fn resource_file(&mut self, part: &PartName, read: &mut BTreeSet<PartName>) -> Result<(), Error> {
        if !read.insert(part.clone()) || !self.show(part) {
            return Ok(());
        }
        let tree = self.parse(part)?;
        let root = tree.root("Res")?;
        let base = part.directory().directory(root.attribute("BaseLoc").unwrap_or_default())?;
        for element in root.children().flat_map(|group| group.children()) {
            let Some(id) = element.attribute("ID") else { continue };
            let resource = self.resources.entry(id.to_owned()).or_default();
            resource.read(&base, element)?;
        }
        Ok(())
    }

    /// GB/T 33190-2016, 15.
    fn annotations(&mut self, list: &PartName) -> Result<(), Error> {
        if !self.show(list) {
            return Ok(());
        }
        let tree = self.parse(list)?;
        let mut read = BTreeSet::new();
        for page in tree.root("Annotations")?.children_named("Page") {
            let part = list.resolve(page.required("FileLoc")?.text())?;
            if !read.insert(part.clone()) {
                continue;
            }
            if !self.container.has(&part) {
                self.show(&part);
                continue;
            }
            let tree = self.parse(&part)?;
            let visible: Vec<_> = tree.root("PageAnnot")?.children_named("Annot").filter(is_visible).collect();
            if visible.is_empty() {
                continue;
            }
            self.show(&part);
            let appearances = visible.iter().flat_map(|annotation| annotation.children_named("Appearance"));
            self.used.extend(appearances.flat_map(|a| uses(descendants(a))));
        }
        Ok(())
    }

    /// Resources use resources: a draw parameter another one, a composite unit images and fonts.
    fn follow_uses(&mut self) {
        let mut pending: Vec<String> = std::mem::take(&mut self.used).into_iter().collect();
        let mut followed = BTreeSet::new();
        let mut files = Vec::new();
        while let Some(id) = pending.pop() {
            if followed.contains(&id) {
                continue;
            }
            if let Some(resource) = self.resources.get(&id) {
                pending.extend(resource.uses.iter().cloned());
                files.extend(resource.files.iter().cloned());
            }
            followed.insert(id);
        }
        files.sort_unstable();
        files.dedup();
        for file in files {
            self.show(&file);
        }
    }
}

/// What a page or a template says of other parts and resources. GB/T 33190-2016, 7.7.
#[derive(Debug, Default, PartialEq, Eq)]
struct PageWords {
    is_page: bool,
    /// The `TemplateID` of each `Template`.
    templates: Vec<String>,
    /// The text of each `PageRes`.
    resources: Vec<String>,
    uses: BTreeSet<String>,
    /// Elements that have not ended.
    depth: usize,
    /// Whether the second of them is a `PageRes`.
    in_resource: bool,
}

impl PageWords {
    fn read(part: &PartName, bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut words = Self::default();
        walk(part, bytes, limits, &mut words)?;
        let missing = || Error::ElementMissing { part: part.as_str().to_owned(), element: "Page" };
        if words.is_page { Ok(words) } else { Err(missing()) }
    }
}

impl Listener for PageWords {
    fn heeds(name: &[u8]) -> bool {
        is_use(name) || name == b"TemplateID"
    }

    fn begins(&mut self, element: &Beginning<'_>) {
        match self.depth {
            0 => self.is_page = element.is("Page"),
            1 if element.is("Template") => self.templates.extend(element.attribute("TemplateID").map(str::to_owned)),
            1 if element.is("PageRes") => {
                self.resources.push(String::new());
                self.in_resource = !element.is_empty;
            }
            _ => {}
        }
        let words = element.words;
        for (_, id) in element.attributes.iter().filter(|(name, _)| is_use(words.octets(*name))) {
            let id = words.read(*id).trim();
            if !self.uses.contains(id) {
                self.uses.insert(id.to_owned());
            }
        }
        self.depth = self.depth.saturating_add(usize::from(!element.is_empty));
    }

    fn ends(&mut self, _: usize, _: usize) {
        self.depth = self.depth.saturating_sub(1);
        self.in_resource &= self.depth > 1;
    }

    fn says(&mut self, text: Piece, words: Words<'_>) {
        if self.in_resource
            && self.depth == 2
            && let Some(said) = self.resources.last_mut()
        {
            said.push_str(words.read(text));
        }
    }
}

impl Resource {
    fn read(&mut self, base: &Directory, element: Element<'_>) -> Result<(), Error> {
        for file in element.children().filter(|e| e.is("FontFile") || e.is("MediaFile")) {
            self.files.push(base.part(file.text())?);
        }
        if let Some(profile) = element.attribute("Profile").filter(|p| !p.is_empty()) {
            self.files.push(base.part(profile)?);
        }
        self.uses.extend(uses(descendants(element)));
        Ok(())
    }
}

/// `Visible` is true unless it says otherwise. GB/T 33190-2016, 15.2.
fn is_visible(annotation: &Element<'_>) -> bool {
    !matches!(annotation.attribute("Visible"), Some("false" | "0"))
}

/// The IDs of the resources that elements use.
fn uses<'t>(elements: impl Iterator<Item = Element<'t>>) -> impl Iterator<Item = String> {
    let attributes = elements.flat_map(|e| e.attributes());
    let used = attributes.filter(|(name, _)| is_use(name.as_bytes()));
    // A page says the same few IDs thousands of times.
    let mut ids: Vec<&str> = Vec::new();
    for id in used.map(|(_, value)| value.trim()) {
        if ids.last() != Some(&id) {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(str::to_owned)
}

/// An element and all below it, without recursion.
fn descendants(element: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    let mut pending = vec![element];
    std::iter::from_fn(move || {
        let next = pending.pop()?;
        pending.extend(next.children());
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::{ProptestConfig, any, proptest};
    use serde_json::Value;

    use super::*;
    use crate::format::ofd::signatures::{SignatureDescription, SignatureList};

    const LIMITS: Limits = Limits::DEFAULT;

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

    fn expected(folder: &std::path::Path) -> Vec<Value> {
        let text = std::fs::read(folder.join("expected.json")).unwrap();
        let all: Value = serde_json::from_slice(&text).unwrap();
        all["files"].as_array().unwrap().clone()
    }

    fn texts(value: &Value) -> Vec<String> {
        value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn shown_parts_are_those_of_the_ground_truth() {
        let Some(folder) = fixtures("shown_parts_are_those_of_the_ground_truth") else { return };
        let mut faults = Vec::new();
        let (mut read, mut compared) = (0, 0);
        for file in expected(&folder) {
            let name = file["file"].as_str().unwrap();
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let container = Container::read(&bytes, &LIMITS).unwrap_or_else(|e| panic!("{name}: {e}"));
            let package = match Package::read(&container, &LIMITS) {
                Ok(package) => package,
                Err(error) => {
                    assert_eq!(error.code(), file["error"]["code"].as_str().unwrap_or("none expected"), "{name}");
                    assert_eq!(error.part(), file["error"]["part"].as_str(), "{name}");
                    continue;
                }
            };
            assert!(file.get("error").is_none(), "{name}: {} expected", file["error"]);
            let shown = shown_parts(&container, &package, &LIMITS).unwrap_or_else(|e| panic!("{name}: {e}"));
            read += 1;
            let mut missing: Vec<String> = shown.missing.iter().map(|p| format!("resource-missing: {p}")).collect();
            let warnings = texts(&file["warnings"]);
            let mut warned: Vec<String> = warnings.into_iter().filter(|w| w.starts_with("resource-missing")).collect();
            missing.sort();
            warned.sort();
            if file["indication"] != "NO_SIGNATURE_FOUND" && missing != warned {
                faults.push(format!("{name}: missing {missing:?}, expected {warned:?}"));
            }
            if file["shown"].is_array() {
                compared += 1;
                let parts: Vec<String> = shown.parts.iter().map(|p| p.as_str().to_owned()).collect();
                let mut truth = texts(&file["shown"]);
                truth.sort();
                if parts != truth {
                    faults.push(format!("{name}: shown {parts:?}, expected {truth:?}"));
                }
            }
        }
        assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
        assert!(read > 40 && compared > 30, "{read} read, {compared} compared");
    }

    #[test]
    fn the_uncovered_parts_of_each_signature_are_those_of_the_ground_truth() {
        let Some(folder) = fixtures("the_uncovered_parts_of_each_signature_are_those_of_the_ground_truth") else {
            return;
        };
        let mut compared = 0;
        for file in expected(&folder).iter().filter(|f| f.get("error").is_none()) {
            let name = file["file"].as_str().unwrap();
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let container = Container::read(&bytes, &LIMITS).unwrap();
            let package = Package::read(&container, &LIMITS).unwrap();
            let shown = shown_parts(&container, &package, &LIMITS).unwrap();
            let mut covered = BTreeSet::new();
            let lists = package.bodies.iter().filter_map(|b| b.signatures.as_ref());
            let entries = lists.flat_map(|list| SignatureList::read(&container, list, &LIMITS).unwrap().entries);
            for (entry, truth) in entries.zip(file["signatures"].as_array().unwrap()) {
                assert_eq!(entry.id, truth["id"].as_str().unwrap(), "{name}");
                let description = SignatureDescription::read(&container, &entry.base_loc, &LIMITS)
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(container.part(&description.signed_value).is_some(), "{name}");
                assert!(description.references.iter().all(|r| r.check_value.len() == 32), "{name}");
                let own: BTreeSet<PartName> = description.references.iter().map(|r| r.file_ref.clone()).collect();
                let all: BTreeSet<PartName> = own.union(&covered).cloned().collect();
                if truth["uncovered"].is_array() {
                    compared += 1;
                    let mut wanted = shown.parts.clone();
                    wanted.insert(Package::entry());
                    let uncovered: Vec<String> = wanted.difference(&all).map(|p| p.as_str().to_owned()).collect();
                    let mut truth = texts(&truth["uncovered"]);
                    truth.sort();
                    assert_eq!(uncovered, truth, "{name} {}", entry.id);
                }
                if truth["indication"] != "TOTAL_FAILED" {
                    covered = all;
                }
            }
        }
        assert!(compared > 30, "only {compared} compared");
    }

    /// The same by the tree of a part.
    fn page_words_of_tree(part: &PartName, bytes: &[u8]) -> Result<PageWords, Error> {
        let tree = Tree::parse(part, bytes, &LIMITS)?;
        let root = tree.root("Page")?;
        let templates = root.children_named("Template").filter_map(|t| t.attribute("TemplateID").map(str::to_owned));
        let resources = root.children_named("PageRes").map(|resource| resource.text().to_owned());
        Ok(PageWords {
            is_page: true,
            templates: templates.collect(),
            resources: resources.collect(),
            uses: uses(tree.elements()).collect(),
            ..PageWords::default()
        })
    }

    fn agrees(part: &PartName, bytes: &[u8]) -> bool {
        let read = PageWords::read(part, bytes, &LIMITS).map(|mut words| {
            words.resources.iter_mut().for_each(|said| *said = said.trim_matches(xml::SPACE).to_owned());
            words
        });
        assert_eq!(read, page_words_of_tree(part, bytes), "{:?}", String::from_utf8_lossy(bytes));
        read.is_ok_and(|words| !words.uses.is_empty())
    }

    #[test]
    fn what_pages_of_the_fixtures_say_is_what_their_trees_say() {
        let Some(folder) = fixtures("what_pages_of_the_fixtures_say_is_what_their_trees_say") else { return };
        let mut agreed = 0;
        for file in expected(&folder) {
            let bytes = std::fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
            let Ok(container) = Container::read(&bytes, &LIMITS) else { continue };
            for name in container.names().filter(|name| name.as_str().ends_with(".xml")) {
                agreed += usize::from(agrees(name, container.part(name).unwrap()));
            }
        }
        assert!(agreed > 60, "{agreed}");
    }

    const PIECES: [&str; 26] = [
        "<Template TemplateID='1'/>",
        "<Template TemplateID=' &#50;\t'>",
        "</Template>",
        "<PageRes>",
        "</PageRes>",
        "<PageRes/>",
        "<x:PageRes xmlns:x='urn:x'>a</x:PageRes>",
        "Res.xml",
        " \n ",
        "&amp;",
        "&#32;",
        "<![CDATA[ ]]>",
        "<![CDATA[b]]>",
        "<!-- -->",
        "<Layer DrawParam='3' ID='4'>",
        "</Layer>",
        "<TextObject Font = \"5\" Size='3'/>",
        "<ImageObject ResourceID='6\n'\n/>",
        "<TextObject Font='5'",
        " Font='7'/>",
        ">",
        "<Page>",
        "</Page>",
        "<",
        "]]>",
        "<Layer Relative='8' Relative='9'/>",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn what_a_page_says_is_what_its_tree_says(choices in proptest::collection::vec(any::<u8>(), 0..12)) {
            let text: String = choices.iter().map(|choice| PIECES[usize::from(*choice) % PIECES.len()]).collect();
            let part = PartName::from_checked("Page.xml");
            agrees(&part, text.as_bytes());
            agrees(&part, format!("<Page>{text}</Page>").as_bytes());
        }
    }

    #[test]
    fn every_page_of_the_fixtures_has_a_box() {
        let Some(folder) = fixtures("every_page_of_the_fixtures_has_a_box") else { return };
        let mut pages = 0;
        for file in expected(&folder).iter().filter(|f| f.get("error").is_none()) {
            let bytes = std::fs::read(folder.join(file["file"].as_str().unwrap())).unwrap();
            let container = Container::read(&bytes, &LIMITS).unwrap();
            for body in Package::read(&container, &LIMITS).unwrap().bodies {
                let document = Document::read(&container, &body.doc_root, &LIMITS).unwrap();
                assert_eq!(document.page_count(), document.pages.len());
                for page in &document.pages {
                    let area = document.page_box(&container, &page.id, &LIMITS).unwrap();
                    assert!(area.width > 100.0 && area.height > 90.0, "{file} {area:?}");
                    pages += 1;
                }
            }
        }
        assert!(pages > 90, "{pages}");
    }
}
