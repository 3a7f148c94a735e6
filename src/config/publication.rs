//! `[publication]`: how often revocation lists are issued, and how long OCSP answers last.

use crate::config::raw;

/// `[publication]`. Times are seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// From one full revocation list to the next.
    pub full_every: i64,
    /// From one delta to the next; nothing where there are none.
    pub delta_every: Option<i64>,
    /// How many lists of a shard are kept.
    pub keep: u32,
    /// How long an OCSP answer is in force.
    pub answer_validity: i64,
    /// How long others may keep an OCSP answer.
    pub answer_max_age: i64,
    /// How many signed answers are kept in memory.
    pub answers: usize,
    /// It is told that a certificate ends within so many days; the longest first. Nothing is told where there are none.
    pub alert_days: Vec<u32>,
}

impl Publication {
    /// The keys with their defaults.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Publication) -> Result<Self, (&'static str, String)> {
        let full_every = within("publication.full_every", raw.full_every.unwrap_or(86_400), 60, 31 * 86_400)?;
        // RFC 5280 5.2.4: a delta is for what happens between two full lists.
        let delta_every = match raw.delta_every.unwrap_or(3_600.min(full_every / 2)) {
            0 => None,
            seconds => Some(within("publication.delta_every", seconds, 30, full_every / 2)?),
        };
        let answer_validity = within("publication.answer_validity", raw.answer_validity.unwrap_or(3_600), 60, 604_800)?;
        let usual = 300.min(answer_validity);
        let answer_max_age =
            within("publication.answer_max_age", raw.answer_max_age.unwrap_or(usual), 0, answer_validity)?;
        let keep = within("publication.keep", raw.keep.unwrap_or(32), 1, 10_000)?;
        let answers = within("publication.answers", raw.answers.unwrap_or(100_000), 0, 10_000_000)?;
        let mut alert_days = raw.alert_days.clone().unwrap_or_else(|| vec![90, 30, 7, 1]);
        alert_days.sort_unstable_by(|one, other| other.cmp(one));
        alert_days.dedup();
        if alert_days.len() > 8 || alert_days.iter().any(|days| !(1..=3650).contains(days)) {
            return Err(("publication.alert_days", "at most 8 numbers of 1 to 3650".to_owned()));
        }
        let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Ok(Self {
            full_every: signed(full_every),
            delta_every: delta_every.map(signed),
            keep: u32::try_from(keep).unwrap_or(u32::MAX),
            answer_validity: signed(answer_validity),
            answer_max_age: signed(answer_max_age),
            answers: usize::try_from(answers).unwrap_or(usize::MAX),
            alert_days,
        })
    }

    pub(super) fn effective(&self) -> raw::Publication {
        let unsigned = |seconds: i64| u64::try_from(seconds).ok();
        raw::Publication {
            full_every: unsigned(self.full_every),
            delta_every: unsigned(self.delta_every.unwrap_or(0)),
            keep: Some(u64::from(self.keep)),
            answer_validity: unsigned(self.answer_validity),
            answer_max_age: unsigned(self.answer_max_age),
            answers: u64::try_from(self.answers).ok(),
            alert_days: Some(self.alert_days.clone()),
        }
    }
}

fn within(key: &'static str, value: u64, least: u64, most: u64) -> Result<u64, (&'static str, String)> {
    if (least..=most).contains(&value) { Ok(value) } else { Err((key, format!("{least} to {most}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_each_other() {
        let usual = Publication::checked(&raw::Publication::default()).unwrap();
        assert_eq!((usual.full_every, usual.delta_every, usual.answer_max_age), (86_400, Some(3_600), 300));
        assert_eq!(Publication::checked(&usual.effective()), Ok(usual));
        let refused = |change: fn(&mut raw::Publication)| {
            let mut raw = raw::Publication::default();
            change(&mut raw);
            Publication::checked(&raw).unwrap_err()
        };
        let full = refused(|raw| raw.full_every = Some(59));
        assert_eq!(full, ("publication.full_every", "60 to 2678400".to_owned()));
        let delta = refused(|raw| (raw.full_every, raw.delta_every) = (Some(600), Some(301)));
        assert_eq!(delta, ("publication.delta_every", "30 to 300".to_owned()));
        let age = refused(|raw| (raw.answer_validity, raw.answer_max_age) = (Some(60), Some(61)));
        assert_eq!(age, ("publication.answer_max_age", "0 to 60".to_owned()));
        assert_eq!(refused(|raw| raw.keep = Some(0)).0, "publication.keep");
        for days in [vec![0], vec![3651], (1..=9).collect()] {
            let raw = raw::Publication { alert_days: Some(days), ..raw::Publication::default() };
            let expected = ("publication.alert_days", "at most 8 numbers of 1 to 3650".to_owned());
            assert_eq!(Publication::checked(&raw), Err(expected));
        }
        let raw = raw::Publication { alert_days: Some(vec![7, 30, 7]), ..raw::Publication::default() };
        assert_eq!(Publication::checked(&raw).unwrap().alert_days, [30, 7]);
        let none = raw::Publication { delta_every: Some(0), ..raw::Publication::default() };
        assert_eq!(Publication::checked(&none).unwrap().delta_every, None);
    }
}
