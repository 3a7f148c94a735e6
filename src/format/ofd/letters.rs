//! The letters of a page with their places, and where a text stands among them. GB/T 33190-2016, 7.7 and 11.
//!
//! Letters of text objects in the layers of a page and of the templates it uses; those of annotations and of composite
//! objects are none of them, nor is what `Visible` hides. A typeface is not opened: a letter is taken to be as wide as the
//! way to the next one, the last of a run as wide as its kind usually is.

use std::collections::BTreeSet;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, ReadingBudget, parse};
use crate::format::ofd::path::PartName;
use crate::format::ofd::value;
use crate::format::ofd::xml::Element;

/// How far the next letter of a word may stand from the one before, in heights of the greater one: titles are spaced widely.
const REACH: f64 = 3.0;

/// How far a letter of the same line may stand higher or lower, in heights of the greater one.
const SAME_LINE: f64 = 0.5;

/// The part of a letter's height that lies above its baseline; recollection of what typefaces of Chinese have.
const ABOVE: f64 = 0.88;

/// Templates of one page that are read.
const MAX_TEMPLATES: usize = 8;

/// A rectangle on a page, in millimetres of the page's own coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

impl Area {
    /// Its middle.
    #[must_use]
    pub fn centre(&self) -> (f64, f64) {
        (f64::midpoint(self.left, self.right), f64::midpoint(self.top, self.bottom))
    }

    fn height(&self) -> f64 {
        self.bottom - self.top
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// The rectangle around the points.
    fn around(points: [(f64, f64); 4]) -> Self {
        let nothing =
            Self { left: f64::INFINITY, top: f64::INFINITY, right: f64::NEG_INFINITY, bottom: f64::NEG_INFINITY };
        points.iter().fold(nothing, |all, (x, y)| all.with(&Self { left: *x, top: *y, right: *x, bottom: *y }))
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Whether the other is so near that both may be letters of one word.
    fn reaches(&self, other: &Self) -> bool {
        let gap = |one: f64, two: f64| (one - two).max(0.0);
        let across = gap(other.left, self.right).max(gap(self.left, other.right));
        let down = gap(other.top, self.bottom).max(gap(self.top, other.bottom));
        across.hypot(down) <= REACH * self.height().max(other.height())
    }
}

/// A letter, and the rectangle it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letter {
    /// What it is; never white space.
    pub character: char,
    /// Where it stands.
    pub area: Area,
}

/// The letters of the page whose content that part is, its templates' first, each in the order of the content. At most `most`
/// of them, and one more where there are more.
///
/// # Errors
/// `missing-part`, `xml-…`, `element-…`. A text object whose place or size cannot be read has no letters.
pub fn letters_of(
    container: &Container,
    (document, content): (&Document, &PartName),
    most: usize,
    budget: &mut ReadingBudget,
    limits: &Limits,
) -> Result<Vec<Letter>, Error> {
    budget.charge(container, content)?;
    let tree = parse(container, content, limits)?;
    let root = tree.root("Page")?;
    let mut letters = Vec::new();
    let used: BTreeSet<_> = root.children_named("Template").filter_map(|t| t.attribute("TemplateID")).collect();
    for template in document.templates.iter().filter(|t| used.contains(t.id.as_str())).take(MAX_TEMPLATES) {
        if container.has(&template.content) {
            budget.charge(container, &template.content)?;
            let tree = parse(container, &template.content, limits)?;
            read_page(tree.root("Page")?, most, &mut letters);
        }
    }
    read_page(root, most, &mut letters);
    Ok(letters)
}

fn read_page(page: Element<'_>, most: usize, letters: &mut Vec<Letter>) {
    let Some(content) = page.child("Content") else { return };
    // The depth of the tree is bounded where it was parsed; the order is the content's.
    let mut pending: Vec<Element<'_>> = content.children_named("Layer").collect();
    pending.reverse();
    while let Some(element) = pending.pop() {
        if letters.len() > most {
            return;
        }
        if !value::flag(element.attribute("Visible"), true) {
            continue;
        }
        if element.is("Layer") || element.is("PageBlock") {
            let at = pending.len();
            pending.extend(element.children());
            if let Some(added) = pending.get_mut(at..) {
                added.reverse();
            }
        } else if element.is("TextObject") {
            read_object(element, most, letters);
        }
    }
}

/// A text object: its place, its transform, its text codes (11.2, 11.3).
fn read_object(object: Element<'_>, most: usize, letters: &mut Vec<Letter>) {
    let boundary = object.attribute("Boundary").and_then(|text| value::numbers(text, 4));
    let Some(&[x, y, _, _]) = boundary.as_deref() else { return };
    let written = object.attribute("CTM").filter(|text| !text.trim().is_empty());
    let Some([a, b, c, d, e, f]) = written.map_or(Some([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), value::transform) else {
        return;
    };
    let number = |name: &str| object.attribute(name).and_then(|text| value::number(text.trim()));
    let Some(size) = number("Size").filter(|size| *size > 0.0) else { return };
    let scale = number("HScale").filter(|scale| *scale > 0.0).unwrap_or(1.0);
    let place = |px: f64, py: f64| (x + a * px + c * py + e, y + b * px + d * py + f);
    let mut pen = (0.0, 0.0);
    for code in object.children_named("TextCode") {
        let number = |name: &str| code.attribute(name).and_then(|text| value::number(text.trim()));
        pen = (number("X").unwrap_or(pen.0), number("Y").unwrap_or(pen.1));
        // Spaces have their places; the white space of indented XML has none.
        let text = if code.whole_text().contains('\n') { code.text() } else { code.whole_text() };
        let room = most.saturating_add(1).saturating_sub(letters.len());
        let characters: Vec<char> = text.chars().take(room).collect();
        let steps = |name: &str| {
            code.attribute(name).and_then(|text| value::distances(text, characters.len())).unwrap_or_default()
        };
        let (right, down) = (steps("DeltaX"), steps("DeltaY"));
        for (n, character) in characters.iter().enumerate() {
            // Where distances run out, the last one goes on.
            let step = |steps: &[f64]| steps.get(n).or(steps.last()).copied();
            let (across, below) = (step(&right), step(&down));
            let usual = if character.is_ascii() { size * scale / 2.0 } else { size * scale };
            let last = n.saturating_add(1) == characters.len();
            let width = across.filter(|way| *way > 0.0 && !last).map_or(usual, |way| way.min(usual.max(size * scale)));
            let (top, bottom) = (pen.1 - ABOVE * size, pen.1 + (1.0 - ABOVE) * size);
            let corners = [(pen.0, top), (pen.0 + width, top), (pen.0, bottom), (pen.0 + width, bottom)];
            let area = Area::around(corners.map(|(px, py)| place(px, py)));
            if !character.is_whitespace() && area.left.is_finite() && area.bottom.is_finite() {
                letters.push(Letter { character: *character, area });
            }
            pen = (pen.0 + across.unwrap_or(0.0), pen.1 + below.unwrap_or(0.0));
        }
    }
}

/// Where a text stands among the letters of a page, from above to below and from left to right; white space counts on
/// neither side.
///
/// The text is found where its letters follow each other in the content, in any direction, and where they follow each other
/// along a line of the page, whatever objects they belong to. Letters that stand far apart are of no one word. Places that meet
/// each other are one, the first that was found. At most `most` places are found, and one more where there are more.
#[must_use]
pub fn find_text(letters: &[Letter], text: &str, most: usize) -> Vec<Area> {
    let wanted: Vec<char> = text.chars().filter(|character| !character.is_whitespace()).collect();
    let mut found: Vec<Area> = Vec::new();
    if wanted.is_empty() {
        return found;
    }
    runs(letters, &wanted, most, &mut found);
    for line in lines(letters) {
        runs(&line, &wanted, most, &mut found);
    }
    found.sort_by(|one, two| one.top.total_cmp(&two.top).then(one.left.total_cmp(&two.left)));
    found
}

/// Runs of letters that say the text, none of whose letters reaches beyond the next.
fn runs(letters: &[Letter], wanted: &[char], most: usize, found: &mut Vec<Area>) {
    for run in letters.windows(wanted.len()) {
        if found.len() > most {
            return;
        }
        if run.iter().zip(wanted).any(|(letter, wanted)| letter.character != *wanted) {
            continue;
        }
        let near = run.iter().zip(run.iter().skip(1)).all(|(one, next)| one.area.reaches(&next.area));
        let area = run.iter().map(|letter| letter.area).reduce(|all, area| all.with(&area));
        if let Some(area) = area.filter(|_| near)
            && !found.iter().any(|other| other.meets(&area))
        {
            found.push(area);
        }
    }
}

/// The letters by the lines they stand on, each from left to right.
fn lines(letters: &[Letter]) -> Vec<Vec<Letter>> {
    let middle = |letter: &Letter| letter.area.centre().1;
    let mut sorted = letters.to_vec();
    sorted.sort_by(|one, two| middle(one).total_cmp(&middle(two)));
    let mut lines: Vec<Vec<Letter>> = Vec::new();
    for letter in sorted {
        match lines.last_mut() {
            Some(line)
                if line.last().is_some_and(|last| {
                    middle(&letter) - middle(last) <= SAME_LINE * letter.area.height().max(last.area.height())
                        && line.first().is_some_and(|first| {
                            middle(&letter) - middle(first) <= letter.area.height().max(first.area.height())
                        })
                }) =>
            {
                line.push(letter);
            }
            _ => lines.push(vec![letter]),
        }
    }
    for line in &mut lines {
        line.sort_by(|one, two| one.area.left.total_cmp(&two.area.left));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::format::ofd::document::Package;

    const LIMITS: Limits = Limits::DEFAULT;

    /// The letters of a page of those objects over a template of those.
    fn page(template: &str, objects: &str, most: usize) -> Vec<Letter> {
        let layer = |content: &str| format!("<Page><Content><Layer>{content}</Layer></Content></Page>");
        let over = format!("<Page><Template TemplateID='t'/>{}", layer(objects).trim_start_matches("<Page>"));
        let parts = [
            ("OFD.xml", "<OFD><DocBody><DocRoot>D.xml</DocRoot></DocBody></OFD>".to_owned()),
            (
                "D.xml",
                "<Document><CommonData><TemplatePage ID='t' BaseLoc='T.xml'/></CommonData><Pages>\
                 <Page ID='1' BaseLoc='P.xml'/></Pages></Document>"
                    .to_owned(),
            ),
            ("T.xml", layer(template)),
            ("P.xml", over),
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
        let content = &document.pages[0].content;
        let budget = &mut ReadingBudget::new(&LIMITS);
        letters_of(&container, (&document, content), most, budget, &LIMITS).unwrap()
    }

    fn text(boundary: &str, more: &str, code: &str, text: &str) -> String {
        format!("<TextObject Boundary='{boundary}' {more}><TextCode {code}>{text}</TextCode></TextObject>")
    }

    fn saying(letters: &[Letter]) -> String {
        letters.iter().map(|letter| letter.character).collect()
    }

    fn near(area: &Area, (left, top, right, bottom): (f64, f64, f64, f64)) {
        let all = [area.left - left, area.top - top, area.right - right, area.bottom - bottom];
        assert!(all.iter().all(|way| way.abs() < 1e-9), "{area:?}");
    }

    #[test]
    fn letters_stand_where_the_object_puts_them() {
        let objects = text("10 20 90 9", "Size='5'", "X='1' Y='6' DeltaX='5 g 2 7'", "盖 章A");
        let letters = page("", &objects, 99);
        assert_eq!(saying(&letters), "盖章A");
        near(&letters[0].area, (11.0, 20.0 + 6.0 - 4.4, 16.0, 26.6));
        // The space took its step of 5, the letter before the last one its step of 7, which is wider than it is.
        near(&letters[1].area, (23.0, 21.6, 28.0, 26.6));
        near(&letters[2].area, (30.0, 21.6, 32.5, 26.6));
    }

    #[test]
    fn a_transform_turns_and_scales_them() {
        // A quarter turn clockwise, twice as large.
        let objects = text("100 100 50 50", "Size='5' CTM='0 2 -2 0 40 0'", "X='0' Y='4.4'", "章");
        near(&page("", &objects, 99)[0].area, (130.0, 100.0, 140.0, 110.0));
    }

    #[test]
    fn what_is_hidden_or_unreadable_has_no_letters() {
        let objects = [
            text("0 0 9 9", "Size='5' Visible='false'", "X='0' Y='5'", "甲"),
            format!("<PageBlock Visible='0'>{}</PageBlock>", text("0 0 9 9", "Size='5'", "X='0' Y='5'", "乙")),
            text("0 0 9", "Size='5'", "X='0' Y='5'", "丙"),
            text("0 0 9 9", "", "X='0' Y='5'", "丁"),
            text("0 0 9 9", "Size='5' CTM='1 0'", "X='0' Y='5'", "戊"),
            format!("<PageBlock><PageBlock>{}</PageBlock></PageBlock>", text("0 0 9 9", "Size='5'", "", "己")),
            text("0 0 9 9", "Size='5'", "", "\n  庚\n "),
        ];
        let template = text("0 0 9 9", "Size='5'", "", "底");
        assert_eq!(saying(&page(&template, &objects.concat(), 99)), "底己庚");
        assert_eq!(page("", &text("0 0 9 9", "Size='5'", "", &"章".repeat(50)), 10).len(), 11);
    }

    #[test]
    fn a_text_is_found_within_an_object_and_across_objects() {
        let word = |x: f64, y: f64, said: &str| {
            text(&format!("{x} {y} 90 9"), "Size='5'", "X='0' Y='4.4' DeltaX='g 20 5'", said)
        };
        let objects = [
            word(10.0, 10.0, "请于此处（盖章）。"),
            // The same line in two objects, the later part first.
            word(60.0, 40.0, "章）"),
            word(50.0, 40.0, "（盖"),
            // Far apart: two columns of a table.
            word(10.0, 70.0, "（盖"),
            word(90.0, 70.0, "章）"),
            // Downward.
            text("150 100 9 90", "Size='5'", "X='0' Y='4.4' DeltaX='g 9 0' DeltaY='g 9 5'", "（盖章）"),
        ];
        let found = find_text(&page("", &objects.concat(), 99), "（盖 章）", 9);
        assert_eq!(found.len(), 3);
        near(&found[0], (30.0, 10.0, 50.0, 15.0));
        near(&found[1], (50.0, 40.0, 70.0, 45.0));
        near(&found[2], (150.0, 100.0, 155.0, 120.0));
        assert_eq!(found[0].centre(), (40.0, 12.5));
        let letters = page("", &objects.concat(), 99);
        assert_eq!(find_text(&letters, " \n", 9), []);
        assert_eq!(find_text(&letters, "印章", 9), []);
        assert_eq!(find_text(&letters, "盖", 2).len(), 3);
    }

    proptest! {
        #[test]
        fn each_place_that_is_found_is_of_letters_of_the_page(
            said in proptest::collection::vec("[章盖A ]{1,6}", 0..8),
            places in proptest::collection::vec((0_u8..200, 0_u8..200), 8),
            wanted in "[章盖A]{1,3}",
        ) {
            let objects = said.iter().zip(places).map(|(said, (x, y))| {
                text(&format!("{x} {y} 90 9"), "Size='5'", "X='0' Y='4.4' DeltaX='g 20 5'", said)
            });
            let letters = page("", &objects.collect::<String>(), 99);
            let found = find_text(&letters, &wanted, 9);
            for (n, area) in found.iter().enumerate() {
                let inside = letters.iter().filter(|letter| letter.area.meets(area));
                let inside: Vec<char> = inside.map(|letter| letter.character).collect();
                for wanted in wanted.chars() {
                    prop_assert!(inside.contains(&wanted));
                }
                prop_assert!(!found.iter().skip(n + 1).any(|other| other.meets(area)));
            }
        }
    }
}
