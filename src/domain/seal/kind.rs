//! Types of seals by their codes, as public security files them (01 … 05, 99: confirmed by two unrelated code bases; 06 to 08
//! are seen in one province), and how a seal of each type is named.

use std::collections::BTreeMap;

/// How the name of a seal follows from its holder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// It is the holder's name, sign for sign.
    Holder,
    /// It begins with the holder's name, and ends with these words; between them may stand a unit or a number.
    HolderThen(String),
    /// It is the name of a person: the holder's name is no part of it.
    Person,
    /// The applicant chooses.
    Free,
}

/// A type of seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealKind {
    /// Its code, 1 to 99: `type` of the seal's properties (GB/T 38540 6.3).
    pub code: u8,
    /// What it is called.
    pub name: String,
    /// How its seals are named.
    pub naming: Naming,
    /// Whether a holder has one at most at a time.
    pub is_single: bool,
}

/// The types that an installation knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealKinds(BTreeMap<u8, SealKind>);

/// Why a table of types is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// Beyond two digits.
    #[error("the code of a type of seal is 1 to 99")]
    Code,
    /// Known already.
    #[error("the type {code:02} stands there already")]
    Known {
        /// Which.
        code: u8,
    },
    /// No name.
    #[error("the type {code:02} has no name")]
    Unnamed {
        /// Which.
        code: u8,
    },
}

impl SealKinds {
    /// The types that are the same everywhere: 01 法定名称章, 02 财务专用章, 03 发票专用章, 04 合同专用章, 05 法定代表人名章, 99 其他.
    #[must_use]
    pub fn common() -> Self {
        let then = |words: &str| Naming::HolderThen(words.to_owned());
        let rows = [
            (1, "法定名称章", Naming::Holder, true),
            (2, "财务专用章", then("财务专用章"), false),
            (3, "发票专用章", then("发票专用章"), false),
            (4, "合同专用章", then("合同专用章"), false),
            (5, "法定代表人名章", Naming::Person, true),
            (99, "其他类型印章", Naming::Free, false),
        ];
        let kinds = rows
            .map(|(code, name, naming, is_single)| (code, SealKind { code, name: name.to_owned(), naming, is_single }));
        Self(kinds.into_iter().collect())
    }

    /// The common types and further ones.
    ///
    /// # Errors
    /// [`KindError`].
    pub fn with(more: impl IntoIterator<Item = SealKind>) -> Result<Self, KindError> {
        let Self(mut kinds) = Self::common();
        for kind in more {
            let code = kind.code;
            if !(1..=99).contains(&code) {
                return Err(KindError::Code);
            }
            if kind.name.trim().is_empty() {
                return Err(KindError::Unnamed { code });
            }
            if kinds.insert(code, kind).is_some() {
                return Err(KindError::Known { code });
            }
        }
        Ok(Self(kinds))
    }

    /// The type of that code.
    #[must_use]
    pub fn find(&self, code: u8) -> Option<&SealKind> {
        self.0.get(&code)
    }

    /// All of them, by their codes.
    pub fn iter(&self) -> impl Iterator<Item = &SealKind> {
        self.0.values()
    }
}

impl Naming {
    /// Whether a seal of that holder may have that name.
    #[must_use]
    pub fn allows(&self, holder: &str, name: &str) -> bool {
        match self {
            Self::Holder => name == holder,
            Self::HolderThen(words) => {
                let rest = name.strip_prefix(holder);
                rest.and_then(|rest| rest.strip_suffix(words.as_str())).is_some()
            }
            // A person's own name is not the organisation's.
            Self::Person => !holder.is_empty() && !name.contains(holder),
            Self::Free => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_the_holder() {
        let kinds = SealKinds::common();
        let allows = |code: u8, name: &str| kinds.find(code).unwrap().naming.allows("样章市试验局", name);
        assert!(allows(1, "样章市试验局"));
        assert!(!allows(1, "样章市试验局 ") && !allows(1, "样章市試验局"));
        assert!(allows(2, "样章市试验局财务专用章") && allows(2, "样章市试验局（2）财务专用章"));
        assert!(!allows(2, "样章市试验局") && !allows(2, "别处财务专用章"));
        assert!(allows(4, "样章市试验局合同专用章") && allows(3, "样章市试验局发票专用章"));
        assert!(allows(5, "某某") && !allows(5, "样章市试验局某某"));
        assert!(allows(99, "工会"));
    }

    #[test]
    fn further_types_are_taken_once() {
        let kind = |code: u8, name: &str| SealKind { code, name: name.into(), naming: Naming::Free, is_single: false };
        let kinds = SealKinds::with([kind(6, "公章"), kind(7, "内设机构章")]).unwrap();
        assert_eq!(kinds.iter().map(|kind| kind.code).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 99]);
        assert_eq!(SealKinds::with([kind(1, "公章")]), Err(KindError::Known { code: 1 }));
        assert_eq!(SealKinds::with([kind(6, "公章"), kind(6, "公章")]), Err(KindError::Known { code: 6 }));
        for code in [0, 100] {
            assert_eq!(SealKinds::with([kind(code, "公章")]), Err(KindError::Code));
        }
        assert_eq!(SealKinds::with([kind(8, " ")]), Err(KindError::Unnamed { code: 8 }));
    }
}
