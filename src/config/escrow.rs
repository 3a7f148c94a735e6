//! `[escrow]`: how long encryption keys are kept for their owners.

use crate::config::raw;

/// `[escrow]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escrow {
    /// Years after the end of its certificate when a kept key is destroyed; none is where nothing is told.
    pub keep_years: Option<u32>,
}

impl Escrow {
    /// The keys with their defaults: nothing is destroyed unless somebody says when, since a key that is gone does not come
    /// back. Fewer than five years is refused as by the command (Electronic Signature Law of China, article 24,
    /// recollection).
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Escrow) -> Result<Self, (&'static str, String)> {
        match u32::try_from(raw.keep_years.unwrap_or(0)) {
            Ok(0) => Ok(Self { keep_years: None }),
            Ok(years @ 5..=100) => Ok(Self { keep_years: Some(years) }),
            _ => Err(("escrow.keep_years", "5 to 100, or 0: for ever".to_owned())),
        }
    }

    pub(super) fn effective(&self) -> raw::Escrow {
        raw::Escrow { keep_years: Some(u64::from(self.keep_years.unwrap_or(0))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_ever_or_five_to_a_hundred_years() {
        let checked = |keep_years| Escrow::checked(&raw::Escrow { keep_years });
        assert_eq!(checked(None), Ok(Escrow { keep_years: None }));
        for years in [5, 100] {
            let escrow = checked(Some(years)).unwrap();
            assert_eq!(escrow.keep_years.map(u64::from), Some(years));
            assert_eq!(Escrow::checked(&escrow.effective()), Ok(escrow));
        }
        for years in [1, 4, 101, u64::MAX] {
            assert_eq!(checked(Some(years)), Err(("escrow.keep_years", "5 to 100, or 0: for ever".to_owned())));
        }
    }
}
