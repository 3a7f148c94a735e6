//! Numbers of seals: the seal code (印章编码), 14 digits of which the first six are those of a division (seen in government
//! seals of several provinces), and the number under which public security files a seal (备案编号), 13 digits.
//!
//! Codes come from ranges that were assigned (号段). A code is given once: the row of its range moves on in the transaction
//! that keeps the application, and never back, whatever becomes of the seal.

use std::fmt;

use crate::base::division::Division;

/// The highest number behind the division: eight digits.
pub const MOST_IN_DIVISION: u32 = 99_999_999;

/// The most characters of the code of a seal that was made elsewhere.
pub const MOST_FOREIGN: usize = 64;

/// The code of a seal: 14 digits, `esID` of what we make (GB/T 38540 6.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealCode(String);

/// The number of a seal at the filing of public security: 13 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilingNumber(String);

/// Why a text is no number of a seal, or no code is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Not 14 digits behind a division.
    #[error("a seal code has 14 digits, of which the first six are those of a division")]
    SealCode,
    /// The code of a seal from elsewhere is none.
    #[error("the code of a seal has 1 to {MOST_FOREIGN} visible ASCII characters")]
    ForeignCode,
    /// Not 13 digits behind a division.
    #[error("a filing number has 13 digits, of which the first six are those of a division")]
    FilingNumber,
    /// The range is empty, or beyond eight digits.
    #[error("a range of codes goes from its first to its last number, 1 to {MOST_IN_DIVISION}")]
    Range,
    /// The division has no six digits of its own.
    #[error("codes are assigned to a division of six digits")]
    RangeDivision,
    /// Another range has some of these codes.
    #[error("the range {first} to {last} of this division is assigned already")]
    Overlap {
        /// Its first number.
        first: u32,
        /// Its last number.
        last: u32,
    },
    /// No code is left.
    #[error("no seal code is left for {division}")]
    Exhausted {
        /// Where.
        division: Division,
    },
}

impl CodeError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SealCode | Self::ForeignCode => "seal-code-form",
            Self::FilingNumber => "filing-number-form",
            Self::Range => "code-range-form",
            Self::RangeDivision => "code-range-division",
            Self::Overlap { .. } => "code-range-overlap",
            Self::Exhausted { .. } => "code-range-exhausted",
        }
    }
}

fn behind_division(text: &str, length: usize) -> bool {
    let digits = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    digits && text.get(..6).is_some_and(|division| Division::parse(division).is_ok())
}

impl SealCode {
    /// Reads a code.
    ///
    /// # Errors
    /// [`CodeError::SealCode`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if behind_division(text, 14) { Ok(Self(text.to_owned())) } else { Err(CodeError::SealCode) }
    }

    /// Reads the code of a seal that was made elsewhere: 1 to [`MOST_FOREIGN`] visible ASCII characters, for not everybody
    /// numbers seals by 14 digits.
    ///
    /// # Errors
    /// [`CodeError::ForeignCode`].
    pub fn foreign(text: &str) -> Result<Self, CodeError> {
        let fits = (1..=MOST_FOREIGN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(CodeError::ForeignCode) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FilingNumber {
    /// Reads a number.
    ///
    /// # Errors
    /// [`CodeError::FilingNumber`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if behind_division(text, 13) { Ok(Self(text.to_owned())) } else { Err(CodeError::FilingNumber) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SealCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FilingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Codes that were assigned to a division, and how far they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRange {
    division: Division,
    first: u32,
    last: u32,
    next: u32,
}

impl CodeRange {
    /// A range of which no code is used; `others` are those of the same division.
    ///
    /// # Errors
    /// [`CodeError::Range`], [`CodeError::RangeDivision`], [`CodeError::Overlap`].
    pub fn assign(division: &Division, (first, last): (u32, u32), others: &[Self]) -> Result<Self, CodeError> {
        if first == 0 || first > last || last > MOST_IN_DIVISION {
            return Err(CodeError::Range);
        }
        if division.code().len() != 6 || *division == Division::country() {
            return Err(CodeError::RangeDivision);
        }
        let overlaps = |other: &&Self| other.division == *division && other.first <= last && first <= other.last;
        match others.iter().find(overlaps) {
            Some(other) => Err(CodeError::Overlap { first: other.first, last: other.last }),
            None => Ok(Self { division: division.clone(), first, last, next: first }),
        }
    }

    /// A range as it was kept.
    ///
    /// # Errors
    /// As [`Self::assign`], and [`CodeError::Range`] where `next` lies before the first or beyond the end.
    pub fn kept(division: &Division, (first, last): (u32, u32), next: u32) -> Result<Self, CodeError> {
        let range = Self::assign(division, (first, last), &[])?;
        let end = last.saturating_add(1);
        if (first..=end).contains(&next) { Ok(Self { next, ..range }) } else { Err(CodeError::Range) }
    }

    /// Gives the next code, and the range without it.
    ///
    /// # Errors
    /// [`CodeError::Exhausted`].
    pub fn take(&self) -> Result<(SealCode, Self), CodeError> {
        if self.next > self.last {
            return Err(CodeError::Exhausted { division: self.division.clone() });
        }
        let code = SealCode::parse(&format!("{}{:08}", self.division.six_digits(), self.next))?;
        Ok((code, Self { next: self.next.saturating_add(1), ..self.clone() }))
    }

    /// The codes of the next `count` numbers, as many as are left: the first, and the one behind the last.
    #[must_use]
    pub fn ahead(&self, count: u32) -> (String, String) {
        let end = self.next.saturating_add(count).min(self.last.saturating_add(1));
        let code = |number: u32| format!("{}{number:08}", self.division.six_digits());
        (code(self.next), code(end))
    }

    /// Whose codes they are.
    #[must_use]
    pub const fn division(&self) -> &Division {
        &self.division
    }

    /// The first and the last number.
    #[must_use]
    pub const fn bounds(&self) -> (u32, u32) {
        (self.first, self.last)
    }

    /// The number that is given next; one beyond the last where none is left.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// How many are left.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.last.saturating_add(1).saturating_sub(self.next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn division(code: &str) -> Division {
        Division::parse(code).unwrap()
    }

    #[test]
    fn numbers_of_seals_have_their_form() {
        assert_eq!(SealCode::parse("33010600000001").unwrap().as_str(), "33010600000001");
        assert_eq!(FilingNumber::parse("4101035072803").unwrap().to_string(), "4101035072803");
        for text in ["", "3301060000001", "330106000000012", "3301060000000a", "00330600000001"] {
            assert_eq!(SealCode::parse(text), Err(CodeError::SealCode), "{text}");
        }
        for text in ["ZhelibanTaxSeal", "33010600000001", &"x".repeat(64)] {
            assert_eq!(SealCode::foreign(text).unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "章", "a\n", &"x".repeat(65)] {
            assert_eq!(SealCode::foreign(text), Err(CodeError::ForeignCode), "{text}");
        }
        for text in ["", "33010600000001", "410103507280", "0033065072803"] {
            assert_eq!(FilingNumber::parse(text), Err(CodeError::FilingNumber), "{text}");
        }
    }

    #[test]
    fn ranges_are_of_six_digits_in_order_and_apart() {
        let county = division("330106");
        let range = CodeRange::assign(&county, (1, 2), &[]).unwrap();
        let others = [range.clone()];
        assert_eq!(CodeRange::assign(&county, (2, 9), &others), Err(CodeError::Overlap { first: 1, last: 2 }));
        assert!(CodeRange::assign(&county, (3, 9), &others).is_ok());
        assert!(CodeRange::assign(&division("330105"), (1, 2), &others).is_ok());
        for bounds in [(0, 1), (2, 1), (1, MOST_IN_DIVISION + 1)] {
            assert_eq!(CodeRange::assign(&county, bounds, &[]), Err(CodeError::Range));
        }
        for code in ["000000", "330106109"] {
            assert_eq!(CodeRange::assign(&division(code), (1, 2), &[]), Err(CodeError::RangeDivision));
        }
        let (first, range) = range.take().unwrap();
        let (second, range) = range.take().unwrap();
        assert_eq!([first.as_str(), second.as_str()], ["33010600000001", "33010600000002"]);
        assert_eq!(range.take(), Err(CodeError::Exhausted { division: county.clone() }));
        assert_eq!((range.left(), range.next()), (0, 3));
        assert_eq!(CodeRange::kept(&county, (1, 2), 3), Ok(range));
        assert_eq!(CodeRange::kept(&county, (1, 2), 4), Err(CodeError::Range));
    }

    proptest! {
        /// However ranges lie and whoever takes from which: no code comes twice.
        #[test]
        fn no_code_comes_twice(
            bounds in proptest::collection::vec((1_u32..60, 1_u32..20, 0_u8..3), 1..8),
            takes in proptest::collection::vec(0_usize..8, 0..200),
        ) {
            let mut ranges: Vec<CodeRange> = Vec::new();
            for (first, length, county) in bounds {
                let place = division(&format!("33010{}", county + 1));
                ranges.extend(CodeRange::assign(&place, (first, first + length), &ranges));
            }
            let mut seen = std::collections::BTreeSet::new();
            for take in takes {
                let count = ranges.len();
                if count == 0 { continue; }
                if let Ok((code, after)) = ranges[take % count].take() {
                    prop_assert!(code.as_str().starts_with(&after.division().six_digits()));
                    prop_assert!(seen.insert(code));
                    ranges[take % count] = after;
                }
            }
        }
    }
}
