//! `[alarms]`: what counts as misuse of seals and doors, and what an alarm suspends.

use std::collections::BTreeSet;

use crate::config::raw;
use crate::domain::audit::AlarmKind;
use crate::domain::audit::misuse::{Misuse, Night, Threshold, UsualDivisions};

/// Minutes of a day.
const DAY: u16 = 1440;
/// China has one time.
const CHINA: &str = "+08:00";

/// The keys with their defaults.
///
/// # Errors
/// The key whose value is not allowed, and what is.
pub(super) fn checked(raw: &raw::Alarms) -> Result<Misuse, (&'static str, String)> {
    let offset = raw.offset.as_deref().unwrap_or(CHINA);
    let offset = read_offset(offset)
        .ok_or_else(|| ("alarms.offset", format!("from -14:00 to +14:00 as in \"+08:00\", not {offset:?}")))?;
    let night = match raw.night.as_deref() {
        None | Some("") => None,
        Some(text) => {
            let (from, to) = read_hours(text)
                .ok_or_else(|| ("alarms.night", format!("two times of a day as in \"22:00-06:00\", not {text:?}")))?;
            Some(Night { from, to, offset })
        }
    };
    let minutes = |key, minutes: Option<u64>| within(key, minutes.unwrap_or(10), 1, 1440);
    let burst_minutes = minutes("alarms.burst_minutes", raw.burst_minutes)?;
    let refusal_minutes = minutes("alarms.refusal_minutes", raw.refusal_minutes)?;
    let threshold = |key, most: Option<u64>, usual, minutes| match most.unwrap_or(usual) {
        0 => Ok(None),
        most => within(key, most, 1, 1_000_000).map(|most| Some(Threshold { most, minutes })),
    };
    let mut suspend = BTreeSet::new();
    for name in raw.suspend.as_deref().unwrap_or_default() {
        match AlarmKind::from_name(name).filter(|kind| kind.suspends().is_some()) {
            Some(kind) => suspend.insert(kind),
            None => {
                let can = AlarmKind::ALL.iter().filter(|kind| kind.suspends().is_some()).map(|kind| kind.name());
                return Err(("alarms.suspend", format!("of {}, not {name:?}", can.collect::<Vec<_>>().join(", "))));
            }
        };
    }
    Ok(Misuse {
        night,
        burst: threshold("alarms.burst_uses", raw.burst_uses, 1000, burst_minutes)?,
        new_caller_days: match raw.new_caller_days.unwrap_or(7) {
            0 => None,
            days => Some(within("alarms.new_caller_days", days, 1, 365)?),
        },
        new_division: match raw.new_division_days.unwrap_or(90) {
            0 => None,
            days => {
                let days = within("alarms.new_division_days", days, 1, 365)?;
                Some(UsualDivisions { days, digits: digits(raw.new_division_digits.unwrap_or(6))? })
            }
        },
        refusals: threshold("alarms.refusals", raw.refusals, 30, refusal_minutes)?,
        strangers: threshold("alarms.stranger_refusals", raw.stranger_refusals, 300, refusal_minutes)?,
        suspend,
    })
}

/// The keys in force.
pub(super) fn effective(misuse: &Misuse) -> raw::Alarms {
    let most = |threshold: Option<Threshold>| Some(threshold.map_or(0, |threshold| threshold.most.into()));
    let minutes = |threshold: Option<Threshold>| threshold.map(|threshold| threshold.minutes.into());
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    raw::Alarms {
        night: misuse.night.map(|night| format!("{}-{}", time(night.from), time(night.to))),
        offset: misuse.night.map(|night| {
            let sign = if night.offset < 0 { '-' } else { '+' };
            format!("{sign}{}", time(night.offset.unsigned_abs()))
        }),
        burst_uses: most(misuse.burst),
        burst_minutes: minutes(misuse.burst),
        new_caller_days: Some(misuse.new_caller_days.unwrap_or(0).into()),
        new_division_days: Some(misuse.new_division.map_or(0, |usual| usual.days.into())),
        new_division_digits: misuse.new_division.map(|usual| usual.digits.into()),
        refusals: most(misuse.refusals),
        stranger_refusals: most(misuse.strangers),
        refusal_minutes: minutes(misuse.refusals.or(misuse.strangers)),
        suspend: Some(misuse.suspend.iter().map(|kind| kind.name().to_owned()).collect()),
    }
}

/// Digits of the code of a division: those of a province, a prefecture or a county.
fn digits(number: u64) -> Result<u8, (&'static str, String)> {
    let found = u8::try_from(number).ok().filter(|digits| matches!(digits, 2 | 4 | 6));
    found.ok_or_else(|| ("alarms.new_division_digits", "2, 4 or 6".to_owned()))
}

/// A number within bounds.
pub(super) fn within(key: &'static str, number: u64, least: u32, most: u32) -> Result<u32, (&'static str, String)> {
    match u32::try_from(number) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err((key, format!("{least} to {most}"))),
    }
}

/// `22:00`, in minutes.
fn read_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok());
    let (hours, minutes) = (number(hours)??, number(minutes)??);
    (hours < 24 && minutes < 60).then(|| hours.saturating_mul(60).saturating_add(minutes))
}

/// `22:00-06:00`. No hours, or all of them, are no night.
fn read_hours(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (read_time(from)?, read_time(to)?);
    (from != to && from < DAY && to < DAY).then_some((from, to))
}

/// `+08:00`.
fn read_offset(text: &str) -> Option<i16> {
    let (sign, time) = match text.strip_prefix('+') {
        Some(time) => (1, time),
        None => (-1, text.strip_prefix('-')?),
    };
    let minutes = i16::try_from(read_time(time)?).ok()?;
    (minutes <= 14 * 60).then(|| minutes.saturating_mul(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: fn(&mut raw::Alarms)) -> Result<Misuse, (&'static str, String)> {
        let mut raw = raw::Alarms::default();
        change(&mut raw);
        checked(&raw)
    }

    #[test]
    fn what_is_usual() {
        let usual = with(|_| {}).unwrap();
        let in_ten = |most| Some(Threshold { most, minutes: 10 });
        let expected = Misuse {
            night: None,
            burst: in_ten(1000),
            new_caller_days: Some(7),
            new_division: Some(UsualDivisions { days: 90, digits: 6 }),
            refusals: in_ten(30),
            strangers: in_ten(300),
            suspend: BTreeSet::new(),
        };
        assert_eq!(usual, expected);
        assert_eq!(checked(&effective(&usual)), Ok(usual));
    }

    #[test]
    fn hours_offsets_and_suspensions_are_read() {
        let set = with(|raw| {
            raw.night = Some("22:30-06:00".into());
            raw.offset = Some("-03:30".into());
            raw.burst_uses = Some(0);
            raw.new_caller_days = Some(0);
            raw.new_division_days = Some(365);
            raw.new_division_digits = Some(2);
            raw.suspend = Some(vec!["burst".into(), "repeated-refusals".into()]);
        });
        let set = set.unwrap();
        assert_eq!(set.night, Some(Night { from: 1350, to: 360, offset: -210 }));
        assert_eq!((set.burst, set.new_caller_days), (None, None));
        assert_eq!(set.new_division, Some(UsualDivisions { days: 365, digits: 2 }));
        assert_eq!(with(|raw| raw.new_division_days = Some(0)).unwrap().new_division, None);
        assert_eq!(set.suspend, BTreeSet::from([AlarmKind::Burst, AlarmKind::RepeatedRefusals]));
        assert_eq!(checked(&effective(&set)), Ok(set));
        assert_eq!(
            with(|raw| raw.night = Some("22:00-06:00".into())).unwrap().night.map(|night| night.offset),
            Some(480)
        );
    }

    #[test]
    fn each_fault_is_named() {
        let hours =
            |text: &str| Err(("alarms.night", format!("two times of a day as in \"22:00-06:00\", not {text:?}")));
        assert_eq!(with(|raw| raw.night = Some("22-6".into())), hours("22-6"));
        assert_eq!(with(|raw| raw.night = Some("24:00-06:00".into())), hours("24:00-06:00"));
        assert_eq!(with(|raw| raw.night = Some("06:00-06:00".into())), hours("06:00-06:00"));
        assert_eq!(with(|raw| raw.night = Some("+2:00-06:00".into())), hours("+2:00-06:00"));
        let offset = Err(("alarms.offset", "from -14:00 to +14:00 as in \"+08:00\", not \"CST\"".to_owned()));
        assert_eq!(with(|raw| raw.offset = Some("CST".into())), offset);
        let far = Err(("alarms.offset", "from -14:00 to +14:00 as in \"+08:00\", not \"+14:01\"".to_owned()));
        assert_eq!(with(|raw| raw.offset = Some("+14:01".into())), far);
        let wrong = Err(("alarms.burst_uses", "1 to 1000000".to_owned()));
        assert_eq!(with(|raw| raw.burst_uses = Some(1_000_001)), wrong);
        assert_eq!(with(|raw| raw.burst_minutes = Some(0)), Err(("alarms.burst_minutes", "1 to 1440".to_owned())));
        assert_eq!(with(|raw| raw.refusal_minutes = Some(0)), Err(("alarms.refusal_minutes", "1 to 1440".to_owned())));
        assert_eq!(with(|raw| raw.new_caller_days = Some(366)), Err(("alarms.new_caller_days", "1 to 365".to_owned())));
        let days = Err(("alarms.new_division_days", "1 to 365".to_owned()));
        assert_eq!(with(|raw| raw.new_division_days = Some(366)), days);
        for digits in [0, 3, 9, 258] {
            let mut raw = raw::Alarms { new_division_digits: Some(digits), ..raw::Alarms::default() };
            assert_eq!(checked(&raw), Err(("alarms.new_division_digits", "2, 4 or 6".to_owned())));
            // Nobody asks for them.
            raw.new_division_days = Some(0);
            assert_eq!(checked(&raw).map(|set| set.new_division), Ok(None));
        }
        let names = "of night-use, burst, new-caller, repeated-refusals, new-division, not \"sink-down\"".to_owned();
        assert_eq!(with(|raw| raw.suspend = Some(vec!["sink-down".into()])), Err(("alarms.suspend", names)));
    }
}
