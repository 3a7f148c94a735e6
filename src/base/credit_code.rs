//! Unified social credit codes (统一社会信用代码, GB 32100-2015): what names an organisation.

use std::fmt;

/// A code of the right form. Whether it was ever given is not known here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditCode(String);

/// Why a text is no such code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a unified social credit code has 18 characters without I, O, S, V, Z, and its last one fits the others (GB 32100)"
)]
pub struct InvalidCreditCode;

const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

impl CreditCode {
    /// GB 32100-2015 4 and B.2 (recollection): 18 characters without I, O, S, V, Z; the last makes the weighted sum, by the
    /// powers of 3 modulo 31, divisible by 31.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(code: &str) -> Result<Self, InvalidCreditCode> {
        let (mut weight, mut sum, mut count) = (1_usize, 0_usize, 0_usize);
        for c in code.chars() {
            let value = ALPHABET.find(c).ok_or(InvalidCreditCode)?;
            count = count.saturating_add(1);
            // The check character itself has the weight 1.
            let of_this = if count == 18 { 1 } else { weight };
            sum = sum.saturating_add(value.saturating_mul(of_this)) % 31;
            weight = weight.saturating_mul(3) % 31;
        }
        if count == 18 && sum == 0 { Ok(Self(code.to_owned())) } else { Err(InvalidCreditCode) }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any one character changed, and any two neighbours exchanged, is noticed.
    #[test]
    fn a_slip_of_the_pen_is_noticed() {
        let code = "91330100MA27XL0A0P";
        let right = ALPHABET.chars().map(|last| format!("{}{last}", &code[..17]));
        let right = right.filter(|code| CreditCode::parse(code).is_ok()).collect::<Vec<_>>();
        assert_eq!(right.len(), 1);
        let code = right[0].clone();
        assert_eq!(CreditCode::parse(&code).unwrap().as_str(), code);
        for place in 0..18 {
            for other in ALPHABET.chars().filter(|c| !code[place..].starts_with(*c)) {
                let changed = format!("{}{other}{}", &code[..place], &code[place + 1..]);
                assert_eq!(CreditCode::parse(&changed), Err(InvalidCreditCode), "{changed}");
            }
        }
        for code in ["", "91330100MA27XL0A0", "91330100MA27XL0A0I7", "９1330100MA27XL0A0P", "91330100ma27xl0a0p"] {
            assert_eq!(CreditCode::parse(code), Err(InvalidCreditCode), "{code}");
        }
    }
}
