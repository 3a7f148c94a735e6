//! The resources that page content names by ID: fonts, images, colour spaces, draw parameters, composite units.
//! GB/T 33190-2016, 7.9.

use std::collections::BTreeMap;

use crate::format::ofd::path::Directory;
use crate::format::ofd::xml::{Element, Tree};

/// Draw parameters that build on one another.
const MAX_RELATIVES: usize = 8;

/// A resource that names a file, and the directory that the name starts from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filed<'t> {
    pub(super) element: Element<'t>,
    pub(super) base: &'t Directory,
}

/// Resources by ID. Where two have the same ID, the first counts.
#[derive(Debug, Default)]
pub(super) struct Resources<'t> {
    pub(super) fonts: BTreeMap<&'t str, Filed<'t>>,
    pub(super) media: BTreeMap<&'t str, Filed<'t>>,
    pub(super) spaces: BTreeMap<&'t str, Element<'t>>,
    pub(super) parameters: BTreeMap<&'t str, Element<'t>>,
    pub(super) composites: BTreeMap<&'t str, Element<'t>>,
    pub(super) default_space: Option<&'t str>,
}

impl<'t> Resources<'t> {
    /// Those of the document and those of the page; the page's own come first.
    pub(super) fn of(
        document: &'t [(Directory, Tree<'t>)],
        page: &'t [(Directory, Tree<'t>)],
        default_space: Option<&'t str>,
    ) -> Self {
        let mut all = Self { default_space, ..Self::default() };
        for (base, tree) in page.iter().chain(document) {
            let Ok(root) = tree.root("Res") else { continue };
            for element in root.children().flat_map(|group| group.children()) {
                all.take(element, base);
            }
        }
        all
    }

    fn take(&mut self, element: Element<'t>, base: &'t Directory) {
        let Some(id) = element.attribute("ID").map(str::trim) else { return };
        if element.is("Font") {
            self.fonts.entry(id).or_insert(Filed { element, base });
        } else if element.is("MultiMedia") {
            self.media.entry(id).or_insert(Filed { element, base });
        } else if element.is("ColorSpace") {
            self.spaces.entry(id).or_insert(element);
        } else if element.is("DrawParam") {
            self.parameters.entry(id).or_insert(element);
        } else if element.is("CompositeGraphicUnit") {
            self.composites.entry(id).or_insert(element);
        }
    }
}

/// Where an object's line width, colours and so on come from: itself, then its draw parameters, then those of its layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Style<'t> {
    sources: Vec<Element<'t>>,
}

impl<'t> Style<'t> {
    /// The style inside an element that may name a DrawParam.
    pub(super) fn under(&self, element: Element<'t>, resources: &Resources<'t>) -> Self {
        let mut sources = Vec::new();
        let mut next = element.attribute("DrawParam").map(str::trim);
        while let Some(found) = next.and_then(|id| resources.parameters.get(id)) {
            if sources.len() >= MAX_RELATIVES {
                break;
            }
            sources.push(*found);
            next = found.attribute("Relative").map(str::trim);
        }
        sources.extend(self.sources.iter().take(MAX_RELATIVES));
        Self { sources }
    }

    /// The first attribute of that name.
    pub(super) fn attribute(&self, element: Element<'t>, name: &str) -> Option<&'t str> {
        element.attribute(name).or_else(|| self.sources.iter().find_map(|source| source.attribute(name)))
    }

    /// The first child of that name.
    pub(super) fn child(&self, element: Element<'t>, name: &str) -> Option<Element<'t>> {
        element.child(name).or_else(|| self.sources.iter().find_map(|source| source.child(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::format::ofd::path::PartName;

    #[test]
    fn draw_parameters_build_on_one_another_and_rings_end() {
        let name = PartName::from_root("x").unwrap();
        let parse =
            |xml: &'static str| (name.directory(), Tree::parse(&name, xml.as_bytes(), &Limits::DEFAULT).unwrap());
        let res = [parse(
            "<Res><DrawParams><DrawParam ID='1' Relative='2' Cap='Round'/><DrawParam ID='2' Relative='1' LineWidth='3'>\
             <FillColor Value='1 2 3'/></DrawParam><DrawParam ID='9' LineWidth='7' Join='Bevel'/></DrawParams></Res>",
        )];
        let resources = Resources::of(&res, &[], None);
        let objects = [parse("<L DrawParam='9'><O DrawParam='1' Cap='Butt'/></L>")];
        let layer = objects[0].1.elements().next().unwrap();
        let object = layer.children().next().unwrap();
        let style = Style::default().under(layer, &resources).under(object, &resources);
        assert_eq!(style.attribute(object, "Cap"), Some("Butt"));
        assert_eq!(style.attribute(object, "LineWidth"), Some("3"));
        assert_eq!(style.attribute(object, "Join"), Some("Bevel"));
        assert_eq!(style.child(object, "FillColor").and_then(|c| c.attribute("Value")), Some("1 2 3"));
        assert_eq!(style.attribute(object, "MiterLimit"), None);
    }
}
