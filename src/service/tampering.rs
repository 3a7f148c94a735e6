//! One changed byte, for showing what a signature notices.

use crate::base::limits::Limits;
use crate::domain::seal::signing;
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{Document, Package};
use crate::format::ofd::path::PartName;
use crate::format::ofd::signing::replace_part;
use crate::service::Error;

/// A document with one byte changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tampered {
    /// The document.
    pub document: Vec<u8>,
    /// The part that was changed.
    pub part: String,
    /// Which of its bytes, from 0.
    pub offset: usize,
    /// What it was.
    pub before: char,
    /// What it is.
    pub after: char,
}

/// Changes one byte of a page's visible text (else of a number in its description), so that the page still shows.
///
/// # Errors
/// The document cannot be read, or no page has anything to change.
pub fn change_one_byte(original: &[u8]) -> Result<Tampered, Error> {
    let limits = &Limits::DEFAULT;
    let read = || {
        let container = Container::read(original, limits)?;
        let package = Package::read(&container, limits)?;
        let mut parts = Vec::new();
        for body in &package.bodies {
            parts
                .extend(Document::read(&container, &body.doc_root, limits)?.pages.into_iter().map(|page| page.content));
        }
        Ok::<_, ofd::Error>((container, parts))
    };
    let (container, parts) = read().map_err(signing::Error::from)?;
    let find = |choose: fn(&str) -> Option<(usize, char, char)>| {
        parts.iter().find_map(|part: &PartName| {
            let text = std::str::from_utf8(container.part(part)?).ok()?;
            Some((part.clone(), text, choose(text)?))
        })
    };
    let nothing = || signing::Error::PageUnknown { page: 1, pages: parts.len() };
    let (part, text, (offset, before, after)) = find(shown_letter).or_else(|| find(any_digit)).ok_or_else(nothing)?;
    let mut changed = String::with_capacity(text.len());
    changed.push_str(text.get(..offset).unwrap_or_default());
    changed.push(after);
    changed.push_str(text.get(offset.saturating_add(before.len_utf8())..).unwrap_or_default());
    let document =
        replace_part(&container, original, &part, changed.into_bytes(), limits).map_err(signing::Error::from)?;
    let last_byte = offset.saturating_add(before.len_utf8()).saturating_sub(1);
    Ok(Tampered { document, part: part.absolute(), offset: last_byte, before, after })
}

/// The first letter or digit of a TextCode, and its neighbour that differs from it in the last byte only.
fn shown_letter(text: &str) -> Option<(usize, char, char)> {
    let element = text.find("TextCode ")?;
    let start = element.saturating_add(text.get(element..)?.find('>')?).saturating_add(1);
    let (inside, _) = text.get(start..)?.split_once('<')?;
    inside.char_indices().find_map(|(index, before)| {
        let after = neighbour(before)?;
        Some((start.saturating_add(index), before, after))
    })
}

fn any_digit(text: &str) -> Option<(usize, char, char)> {
    let start = text.find("Boundary=\"")?.saturating_add(10);
    let found = text.get(start..)?.char_indices().find(|(_, c)| c.is_ascii_digit());
    found.and_then(|(index, before)| Some((start.saturating_add(index), before, neighbour(before)?)))
}

fn neighbour(c: char) -> Option<char> {
    let after = char::from_u32(u32::from(c) ^ 1)?;
    (c.is_alphanumeric() && after.is_alphanumeric()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_of_a_shown_letter_changes() {
        let original = crate::render::NOTICE;
        let tampered = change_one_byte(original).unwrap();
        let read = |bytes: &[u8]| {
            let container = Container::read(bytes, &Limits::DEFAULT).unwrap();
            let part = PartName::from_root(&tampered.part).unwrap();
            container.part(&part).unwrap().to_vec()
        };
        let (before, after) = (read(original), read(&tampered.document));
        let differing: Vec<usize> =
            before.iter().zip(&after).enumerate().filter(|(_, (a, b))| a != b).map(|(index, _)| index).collect();
        assert_eq!((differing, before.len()), (vec![tampered.offset], after.len()));
    }
}
