//! `[registration]`: how long requests for certificates wait and are kept, and which certificates are issued for them alone.

use crate::config::raw;

/// `[registration]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Days after which a request that did not move is refused as lapsed.
    pub lapse_days: u32,
    /// Days after its end when a request is forgotten; none is where nothing is told.
    pub keep_days: Option<u32>,
    /// Profiles whose certificates are issued for approved requests only, beside those that say so themselves.
    pub approve: Vec<String>,
}

impl Registration {
    /// The keys with their defaults. Nothing is forgotten unless somebody says when: how long evidence of a registration
    /// must last is the operator's rule.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Registration) -> Result<Self, (&'static str, String)> {
        let lapse_days = match u32::try_from(raw.lapse_days.unwrap_or(30)) {
            Ok(days @ 1..=3650) => days,
            _ => return Err(("registration.lapse_days", "1 to 3650".to_owned())),
        };
        let keep_days = match u32::try_from(raw.keep_days.unwrap_or(0)) {
            Ok(0) => None,
            Ok(days @ 1..=36_500) => Some(days),
            _ => return Err(("registration.keep_days", "1 to 36500, or 0: for ever".to_owned())),
        };
        Ok(Self { lapse_days, keep_days, approve: raw.approve.clone().unwrap_or_default() })
    }

    pub(super) fn effective(&self) -> raw::Registration {
        raw::Registration {
            lapse_days: Some(u64::from(self.lapse_days)),
            keep_days: Some(u64::from(self.keep_days.unwrap_or(0))),
            approve: Some(self.approve.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_a_day_to_ten_years() {
        let usual = Registration::checked(&raw::Registration::default()).unwrap();
        assert_eq!((usual.lapse_days, usual.keep_days, &usual.approve), (30, None, &Vec::new()));
        assert_eq!(Registration::checked(&usual.effective()), Ok(usual));
        for days in [0, 3651, u64::MAX] {
            let raw = raw::Registration { lapse_days: Some(days), ..raw::Registration::default() };
            assert_eq!(Registration::checked(&raw), Err(("registration.lapse_days", "1 to 3650".to_owned())));
        }
    }

    #[test]
    fn requests_that_ended_are_kept_for_ever_or_up_to_a_hundred_years() {
        let with = |days| raw::Registration { keep_days: Some(days), ..raw::Registration::default() };
        for days in [1, 36_500] {
            let kept = Registration::checked(&with(days)).unwrap();
            assert_eq!(kept.keep_days.map(u64::from), Some(days));
            assert_eq!(Registration::checked(&kept.effective()), Ok(kept));
        }
        for days in [36_501, u64::MAX] {
            let refused = Registration::checked(&with(days));
            assert_eq!(refused, Err(("registration.keep_days", "1 to 36500, or 0: for ever".to_owned())));
        }
    }
}
