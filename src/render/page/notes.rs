//! What of a page could not be drawn as it asks: gathered by name, never silent, never endless.

use std::collections::BTreeMap;

/// Distinct notes of one page. Whoever makes more gets one line that counts the rest.
const MOST: usize = 64;

/// Characters of a name from the file that a note repeats.
const NAME_CHARACTERS: usize = 48;

/// Something that a page asks for and that is not drawn, or drawn otherwise than asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsupported {
    /// A stable code, see [`crate::render::page`].
    pub code: &'static str,
    /// The name of the object, font, part or attribute concerned; from the file, shortened, without control characters.
    pub what: String,
    /// How often.
    pub count: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    all: BTreeMap<(&'static str, String), u32>,
    more: u32,
}

impl Notes {
    pub(super) fn add(&mut self, code: &'static str, what: &str) {
        let what: String = what.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS).collect();
        let room = self.all.len() < MOST;
        match self.all.get_mut(&(code, what.clone())) {
            Some(count) => *count = count.saturating_add(1),
            None if room => {
                self.all.insert((code, what), 1);
            }
            None => self.more = self.more.saturating_add(1),
        }
    }

    pub(super) fn into_list(self) -> Vec<Unsupported> {
        let listed = self.all.into_iter().map(|((code, what), count)| Unsupported { code, what, count });
        let more = (self.more > 0).then(|| Unsupported { code: "more", what: String::new(), count: self.more });
        listed.chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_counted_shortened_and_bounded() {
        let mut notes = Notes::default();
        notes.add("object-unknown", "Video\u{7}");
        notes.add("object-unknown", "Video");
        for n in 0..100 {
            notes.add("object-unknown", &format!("{n}{}", "x".repeat(100)));
        }
        let list = notes.into_list();
        assert_eq!(list.len(), MOST + 1);
        assert!(list.contains(&Unsupported { code: "object-unknown", what: "Video".to_owned(), count: 2 }));
        assert_eq!(list.last().map(|last| (last.code, last.count)), Some(("more", 37)));
        assert!(list.iter().all(|note| note.what.chars().count() <= NAME_CHARACTERS));
    }
}
