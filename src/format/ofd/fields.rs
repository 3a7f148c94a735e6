//! The fields of a form: objects of pages that the document's custom tags (自定义标引) name. GB/T 33190-2016, 16.
//!
//! A file of tags is an XML tree of its own kind; an element of it that holds `ObjectRef` names the object of that ID on the
//! page of `PageRef`. The name of the field is the local name of that element. The clause is recollection; the form is that of
//! real licences and notices.

use std::collections::BTreeMap;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, ReadingBudget, parse};
use crate::format::ofd::letters::Area;
use crate::format::ofd::path::PartName;
use crate::format::ofd::value;
use crate::format::ofd::xml::Element;

/// Files of tags of one document that are read.
const MAX_FILES: usize = 16;

/// An object that a tag names.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldPlace {
    /// The ID of its page.
    pub page: String,
    /// Its boundary, in millimetres of the page's own coordinates.
    pub area: Area,
}

/// The places of the field of that name, in the order of the tags, at most `most`, and one more where there are more; none where
/// no tag is called so.
///
/// A reference to an object that is not on its page, or that has no boundary, has no place.
///
/// # Errors
/// `missing-part`, `path-…`, `xml-…`, `element-…`, `page-unknown` of the tags and the pages they name.
pub fn places_of_field(
    container: &Container,
    document: &Document,
    name: &str,
    most: usize,
    limits: &Limits,
) -> Result<Vec<FieldPlace>, Error> {
    let budget = &mut ReadingBudget::new(limits);
    let named = references(container, document, name, most, budget, limits)?;
    // Pages may share their content: each is read once.
    let mut wanted: BTreeMap<&PartName, BTreeMap<&str, Option<Area>>> = BTreeMap::new();
    for (page, object) in &named {
        wanted.entry(&document.page(page)?.content).or_default().insert(object, None);
    }
    for (content, objects) in &mut wanted {
        budget.charge(container, content)?;
        let tree = parse(container, content, limits)?;
        tree.root("Page")?;
        for element in tree.elements() {
            let Some(place) = element.attribute("ID").and_then(|id| objects.get_mut(id)) else { continue };
            // The first of an ID counts, as where it is drawn.
            if place.is_none()
                && let Some([left, top, width, height]) = element.attribute("Boundary").and_then(value::area)
            {
                *place = Some(Area { left, top, right: left + width, bottom: top + height });
            }
        }
    }
    let mut places = Vec::new();
    for (page, object) in &named {
        let objects = wanted.get(&document.page(page)?.content);
        if let Some(Some(area)) = objects.and_then(|objects| objects.get(object.as_str())) {
            places.push(FieldPlace { page: page.clone(), area: *area });
        }
    }
    Ok(places)
}

/// The pages and objects that tags of that name refer to.
fn references(
    container: &Container,
    document: &Document,
    name: &str,
    most: usize,
    budget: &mut ReadingBudget,
    limits: &Limits,
) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    let Some(list) = &document.custom_tags else { return Ok(found) };
    budget.charge(container, list)?;
    let tree = parse(container, list, limits)?;
    for tag in tree.root("CustomTags")?.children().filter(|tag| tag.is("CustomTag")).take(MAX_FILES) {
        let file = list.resolve(tag.required("FileLoc")?.text())?;
        budget.charge(container, &file)?;
        let tree = parse(container, &file, limits)?;
        for element in tree.elements().filter(|element| element.name() == name) {
            let named = element.children().filter(|child| child.name() == "ObjectRef").filter_map(object_reference);
            found.extend(named.take(most.saturating_add(1).saturating_sub(found.len())));
        }
    }
    Ok(found)
}

/// `<ObjectRef PageRef="1">59</ObjectRef>`.
fn object_reference(element: Element<'_>) -> Option<(String, String)> {
    let object = Some(element.text()).filter(|text| !text.is_empty())?;
    Some((element.attribute("PageRef")?.to_owned(), object.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::format::ofd::document::Package;

    const LIMITS: Limits = Limits::DEFAULT;

    /// The places of a field of a document with those tags.
    fn places(tags: &str, name: &str, most: usize) -> Result<Vec<(String, [f64; 4])>, &'static str> {
        let parts = [
            ("OFD.xml", "<OFD><DocBody><DocRoot>Doc_0/D.xml</DocRoot></DocBody></OFD>".to_owned()),
            (
                "Doc_0/D.xml",
                "<Document><CommonData/><Pages><Page ID='1' BaseLoc='P.xml'/><Page ID='2' BaseLoc='P.xml'/></Pages>\
                 <CustomTags>Tags/CustomTags.xml</CustomTags></Document>"
                    .to_owned(),
            ),
            (
                "Doc_0/Tags/CustomTags.xml",
                "<CustomTags><CustomTag TypeID='form'><FileLoc>Form.xml</FileLoc></CustomTag></CustomTags>".to_owned(),
            ),
            ("Doc_0/Tags/Form.xml", format!("<f:form xmlns:f='http://example.test/form'>{tags}</f:form>")),
            (
                "Doc_0/P.xml",
                "<Page><Content><Layer><TextObject ID='7' Boundary='10 20 30 8' Size='5'/>\
                 <PageBlock><PathObject ID='8' Boundary='1 2 3 4'/></PageBlock><PathObject ID='9' Boundary='1 2'/>\
                 <PathObject ID='7' Boundary='0 0 1 1'/></Layer></Content></Page>"
                    .to_owned(),
            ),
        ];
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        let container = Container::read(&bytes, &LIMITS).unwrap();
        let package = Package::read(&container, &LIMITS).unwrap();
        let document = Document::read(&container, &package.bodies[0].doc_root, &LIMITS).unwrap();
        let found = places_of_field(&container, &document, name, most, &LIMITS).map_err(|error| error.code())?;
        Ok(found.into_iter().map(|f| (f.page, [f.area.left, f.area.top, f.area.right, f.area.bottom])).collect())
    }

    #[test]
    fn a_field_stands_where_its_object_does() {
        let tags = "<f:盖章处><f:ObjectRef PageRef='1'>7</f:ObjectRef><f:ObjectRef PageRef='2'>8</f:ObjectRef></f:盖章处>\
            <f:part><f:盖章处><f:ObjectRef PageRef='2'>7</f:ObjectRef></f:盖章处></f:part>\
            <f:gone><f:ObjectRef PageRef='1'>70</f:ObjectRef><f:ObjectRef PageRef='1'>9</f:ObjectRef></f:gone>\
            <f:far><f:ObjectRef PageRef='3'>7</f:ObjectRef></f:far><f:empty/>";
        let (first, second) = ([10.0, 20.0, 40.0, 28.0], [1.0, 2.0, 4.0, 6.0]);
        let all = vec![("1".to_owned(), first), ("2".to_owned(), second), ("2".to_owned(), first)];
        assert_eq!(places(tags, "盖章处", 9), Ok(all));
        assert_eq!(places(tags, "盖章处", 1).map(|places| places.len()), Ok(2));
        assert_eq!(places(tags, "gone", 9), Ok(Vec::new()));
        assert_eq!(places(tags, "empty", 9), Ok(Vec::new()));
        assert_eq!(places(tags, "none", 9), Ok(Vec::new()));
        assert_eq!(places(tags, "far", 9), Err("page-unknown"));
    }
}
