//! What signatures protect of what a document shows (product contract 2, axis coverage).

use std::collections::BTreeSet;

use crate::format::ofd::path::PartName;

/// How much of what is shown a set of References protects, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Everything shown; at most OFD.xml is left out.
    Full,
    /// Some shown parts are left out.
    Partial,
    /// Nothing that is shown.
    Foreign,
}

impl Coverage {
    /// As reports write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Foreign => "foreign",
        }
    }
}

/// Compares shown parts with protected ones; also gives the shown parts, and `entry` (OFD.xml), left out.
#[must_use]
pub fn coverage(
    shown: &BTreeSet<PartName>,
    entry: &PartName,
    covered: &BTreeSet<PartName>,
) -> (Coverage, BTreeSet<PartName>) {
    let mut uncovered: BTreeSet<PartName> = shown.difference(covered).cloned().collect();
    let level = if shown.is_disjoint(covered) {
        Coverage::Foreign
    } else if uncovered.iter().all(|part| part == entry) {
        Coverage::Full
    } else {
        Coverage::Partial
    };
    if !covered.contains(entry) {
        uncovered.insert(entry.clone());
    }
    (level, uncovered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> BTreeSet<PartName> {
        names.iter().map(|name| PartName::from_root(name).unwrap()).collect()
    }

    #[test]
    fn levels() {
        let entry = PartName::from_root("OFD.xml").unwrap();
        let shown = parts(&["Doc_0/Document.xml", "Doc_0/P.xml"]);
        let judge = |covered: &[&str]| coverage(&shown, &entry, &parts(covered));
        let all = judge(&["OFD.xml", "Doc_0/Document.xml", "Doc_0/P.xml"]);
        assert_eq!(all, (Coverage::Full, parts(&[])));
        assert_eq!(judge(&["Doc_0/Document.xml", "Doc_0/P.xml"]), (Coverage::Full, parts(&["OFD.xml"])));
        assert_eq!(judge(&["Doc_0/P.xml"]), (Coverage::Partial, parts(&["OFD.xml", "Doc_0/Document.xml"])));
        assert_eq!(judge(&["OFD.xml"]).0, Coverage::Foreign);
    }
}
