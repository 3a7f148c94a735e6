//! Administrative divisions (行政区划): province, prefecture, county, township, village, by codes of which each contains those
//! that begin with it (GB/T 2260 for six digits, GB/T 10114 and the statistical codes for nine and twelve; recollection).

use std::fmt;

/// A division, by the digits of its code that mean something: none for the whole country, then 2, 4, 6, 9 or 12.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Division(String);

/// Why a text is no code of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a division's code has 2, 4, 6, 9 or 12 digits; 000000 is the whole country")]
pub struct InvalidDivision;

/// How many digits name a province, a prefecture, a county, a township, a village.
const LENGTHS: [usize; 5] = [2, 4, 6, 9, 12];

impl Division {
    /// Reads a code: zeros at its end that only fill it up are dropped, so `330000`, `3300` and `33` are one province.
    ///
    /// Whether such a division exists is not asked.
    ///
    /// # Errors
    /// Anything but 2, 4, 6, 9 or 12 digits, or a gap: a county without its prefecture.
    pub fn parse(code: &str) -> Result<Self, InvalidDivision> {
        if !LENGTHS.contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidDivision);
        }
        let mut digits = code;
        for length in [9, 6, 4, 2, 0] {
            if let Some((front, filling)) = digits.split_at_checked(length)
                && !filling.is_empty()
                && filling.bytes().all(|b| b == b'0')
            {
                digits = front;
            }
        }
        let is_gap = digits.get(2..4) == Some("00") || digits.get(6..9) == Some("000");
        match digits.starts_with('0') || is_gap {
            true => Err(InvalidDivision),
            false => Ok(Self(digits.to_owned())),
        }
    }

    /// The whole country.
    #[must_use]
    pub const fn country() -> Self {
        Self(String::new())
    }

    /// Whether the other one is this one or lies in it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Between which texts the codes of this division, and of all that lie in it, stand: from the first on, before the second.
    #[must_use]
    pub fn bounds(&self) -> (String, String) {
        let next = self.0.parse::<u64>().ok().and_then(|number| number.checked_add(1)).map(|number| number.to_string());
        // Behind the last one of its length stands no digit any more.
        let next = next.filter(|next| next.len() == self.0.len());
        (self.0.clone(), next.unwrap_or_else(|| "A".to_owned()))
    }

    /// This division and those around it, the nearest first, without the whole country.
    #[must_use]
    pub fn around(&self) -> Vec<Self> {
        let digits = LENGTHS.iter().rev().filter_map(|length| self.0.get(..*length));
        digits.map(|digits| Self(digits.to_owned())).collect()
    }

    /// The division of at most so many digits that this one is or lies in: its county with 6, its prefecture with 4, its province
    /// with 2.
    #[must_use]
    pub fn shortened(&self, digits: u8) -> Self {
        Self(self.0.get(..usize::from(digits)).unwrap_or(&self.0).to_owned())
    }

    /// The code in six digits, filled up with zeros; of a township or a village that of its county.
    #[must_use]
    pub fn six_digits(&self) -> String {
        let digits = self.0.get(..6).unwrap_or(&self.0);
        format!("{digits:0<6}")
    }

    /// The code as it is kept and shown: six digits at least.
    #[must_use]
    pub fn code(&self) -> String {
        format!("{:0<6}", self.0)
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Division {
        Division::parse(code).unwrap()
    }

    #[test]
    fn a_division_lies_in_those_around_it() {
        let codes = |code: &str| Division::parse(code).unwrap().around().iter().map(Division::code).collect::<Vec<_>>();
        assert_eq!(codes("330106001002"), ["330106001002", "330106001", "330106", "330100", "330000"]);
        assert_eq!(codes("330106"), ["330106", "330100", "330000"]);
        assert_eq!(codes("33"), ["330000"]);
        assert!(Division::country().around().is_empty());
    }

    #[test]
    fn a_division_is_shortened_to_one_around_it() {
        let codes = [2, 4, 6, 9].map(|digits| of("330106109").shortened(digits).code());
        assert_eq!(codes, ["330000", "330100", "330106", "330106109"]);
        assert_eq!([2, 4, 6].map(|digits| of("33").shortened(digits).code()), ["330000"; 3]);
        assert_eq!(Division::country().shortened(6), Division::country());
    }

    #[test]
    fn codes_within_stand_between_its_bounds_and_no_others() {
        let all = ["330000", "330100", "330106", "330106109", "330106109051", "340000", "990000", "999999", "110101"];
        for outer in all.map(of).iter().chain([&Division::country()]) {
            let (from, before) = outer.bounds();
            for inner in all.map(of) {
                assert_eq!(outer.contains(&inner), from <= inner.code() && inner.code() < before, "{outer} {inner}");
            }
        }
    }

    #[test]
    fn each_contains_what_lies_in_it_and_nothing_beside_it() {
        let inside = ["000000", "330000", "330100", "330106", "330106109", "330106109051"].map(of);
        for (outer, division) in inside.iter().enumerate() {
            for (inner, other) in inside.iter().enumerate() {
                assert_eq!(division.contains(other), outer <= inner, "{division} {other}");
            }
        }
        assert!(!of("330100").contains(&of("330200")));
        assert!(!of("330106").contains(&of("330105")));
        // A county under a province itself (省直辖县级): its prefecture is 90.
        assert!(of("46").contains(&of("469001")) && !of("4601").contains(&of("469001")));
    }

    #[test]
    fn one_division_has_one_value_however_its_code_is_filled_up() {
        for code in ["33", "3300", "330000", "330000000", "330000000000"] {
            assert_eq!(of(code), of("330000"), "{code}");
            assert_eq!(of(code).code(), "330000");
        }
        assert_eq!(of("330106109").six_digits(), "330106");
        assert_eq!(of("330106109").to_string(), "330106109");
        assert_eq!(of("000000"), Division::country());
        assert_eq!(Division::country().code(), "000000");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for code in [
            "",
            "3",
            "330",
            "33010",
            "3301061",
            "33010a",
            "３３",
            "003301",
            "0000001",
            "033010",
            "330006",
            "330106000051",
        ] {
            assert_eq!(Division::parse(code), Err(InvalidDivision), "{code}");
        }
    }
}
