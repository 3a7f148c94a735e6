//! `[registration]`: how long requests for certificates wait, and which certificates are issued for them alone.

use crate::config::raw;

/// `[registration]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Days after which a request that did not move is refused as lapsed.
    pub lapse_days: u32,
    /// Profiles whose certificates are issued for approved requests only, beside those that say so themselves.
    pub approve: Vec<String>,
}

impl Registration {
    /// The keys with their defaults.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Registration) -> Result<Self, (&'static str, String)> {
        match u32::try_from(raw.lapse_days.unwrap_or(30)) {
            Ok(lapse_days @ 1..=3650) => Ok(Self { lapse_days, approve: raw.approve.clone().unwrap_or_default() }),
            _ => Err(("registration.lapse_days", "1 to 3650".to_owned())),
        }
    }

    pub(super) fn effective(&self) -> raw::Registration {
        raw::Registration { lapse_days: Some(u64::from(self.lapse_days)), approve: Some(self.approve.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_a_day_to_ten_years() {
        let usual = Registration::checked(&raw::Registration::default()).unwrap();
        assert_eq!((usual.lapse_days, &usual.approve), (30, &Vec::new()));
        assert_eq!(Registration::checked(&usual.effective()), Ok(usual));
        for days in [0, 3651, u64::MAX] {
            let refused = Registration::checked(&raw::Registration { lapse_days: Some(days), approve: None });
            assert_eq!(refused, Err(("registration.lapse_days", "1 to 3650".to_owned())));
        }
    }
}
