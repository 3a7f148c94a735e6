//! `[national_maker]`: the system elsewhere that makes seals, how it is known, and which types it makes. `[filing]`: the office
//! of public security that files seals.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::alarms::within;
use crate::config::raw;
use crate::domain::verify::address::Address;

/// An office elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeSettings {
    /// Where its messages go.
    pub address: String,
    /// PEM file of the public key by which it signs its answers.
    pub key: PathBuf,
    /// PEM files of the authorities by which its server must be known.
    pub https_anchors: Vec<PathBuf>,
    /// From one question to the next.
    pub every: Duration,
    /// How long it may be silent before the alarm.
    pub silent: Duration,
}

/// `[national_maker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakerSettings {
    /// Where it is.
    pub office: OfficeSettings,
    /// The types of seals that it makes.
    pub kinds: Vec<u8>,
    /// Files of anchors for its makers and its signers.
    pub anchors: Vec<PathBuf>,
}

/// The keys of a section, by their full names.
struct Names {
    address: &'static str,
    key: &'static str,
    https_anchors: &'static str,
    every: &'static str,
    silent: &'static str,
}

const MAKER: Names = Names {
    address: "national_maker.address",
    key: "national_maker.key",
    https_anchors: "national_maker.https_anchors",
    every: "national_maker.every_seconds",
    silent: "national_maker.silent_minutes",
};

const FILING: Names = Names {
    address: "filing.address",
    key: "filing.key",
    https_anchors: "filing.https_anchors",
    every: "filing.every_seconds",
    silent: "filing.silent_minutes",
};

/// The common keys, as written.
struct Written<'a> {
    address: Option<&'a String>,
    key: Option<&'a PathBuf>,
    https_anchors: Option<&'a Vec<PathBuf>>,
    every: Option<u64>,
    silent: Option<u64>,
}

type Refused = (&'static str, String);

/// Days for which messages to offices are kept after they ended, unless told otherwise: a year, and the time for an audit of it.
const KEPT_DAYS: u32 = 400;

/// A hundred years.
const MOST_DAYS: u32 = 36_500;

/// `seals.keep_messages_days`; nothing: for ever. They are kept as long as the events that they belong to: no shorter than those
/// must be (`log.retention_days`), or are (`audit_log.keep_events_days`).
///
/// # Errors
/// The key whose value is not allowed, and what is.
pub(super) fn keep_messages(
    days: Option<u64>,
    (retention, events): (u32, Option<u32>),
) -> Result<Option<u32>, Refused> {
    let least = retention.max(events.unwrap_or(0));
    match days {
        None => Ok(Some(KEPT_DAYS.max(least))),
        Some(0) => Ok(None),
        Some(days) => match u32::try_from(days) {
            Ok(days) if (least..=MOST_DAYS).contains(&days) => Ok(Some(days)),
            _ => Err((
                "seals.keep_messages_days",
                format!(
                    "0 (for ever), or {least} to {MOST_DAYS}: not below log.retention_days and audit_log.keep_events_days, \
                     whose events they belong to"
                ),
            )),
        },
    }
}

impl OfficeSettings {
    fn checked(raw: &Written<'_>, names: &Names) -> Result<Option<Self>, Refused> {
        let Some(url) = raw.address.filter(|url| !url.is_empty()) else { return Ok(None) };
        let address = Address::parse(url).map_err(|_| (names.address, "an address of http or https".to_owned()))?;
        let https_anchors = raw.https_anchors.cloned().unwrap_or_default();
        if !address.is_secure && !address.host.is_loopback() {
            return Err((names.address, "https, or http to this machine itself".to_owned()));
        }
        if address.is_secure && https_anchors.is_empty() {
            return Err((names.https_anchors, "needed for https: who vouches for the office's server".to_owned()));
        }
        let key = raw.key.cloned().ok_or((names.key, "needed: the key by which the office signs".to_owned()))?;
        let every = within(names.every, raw.every.unwrap_or(30), 1, 3600)?;
        let silent = within(names.silent, raw.silent.unwrap_or(60), 1, 10_080)?;
        Ok(Some(Self {
            address: url.clone(),
            key,
            https_anchors,
            every: Duration::from_secs(every.into()),
            silent: Duration::from_secs(u64::from(silent).saturating_mul(60)),
        }))
    }
}

impl OfficeSettings {
    /// `[filing]`; nothing without an address.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn filing(raw: &raw::Filing) -> Result<Option<Self>, Refused> {
        let written = Written {
            address: raw.address.as_ref(),
            key: raw.key.as_ref(),
            https_anchors: raw.https_anchors.as_ref(),
            every: raw.every_seconds,
            silent: raw.silent_minutes,
        };
        Self::checked(&written, &FILING)
    }

    pub(super) fn effective_filing(settings: Option<&Self>) -> raw::Filing {
        let Some(office) = settings else { return raw::Filing::default() };
        raw::Filing {
            address: Some(office.address.clone()),
            key: Some(office.key.clone()),
            https_anchors: Some(office.https_anchors.clone()),
            every_seconds: Some(office.every.as_secs()),
            silent_minutes: Some(office.silent.as_secs() / 60),
        }
    }
}

impl MakerSettings {
    /// The keys with their defaults; nothing without an address.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::NationalMaker) -> Result<Option<Self>, Refused> {
        let written = Written {
            address: raw.address.as_ref(),
            key: raw.key.as_ref(),
            https_anchors: raw.https_anchors.as_ref(),
            every: raw.every_seconds,
            silent: raw.silent_minutes,
        };
        let Some(office) = OfficeSettings::checked(&written, &MAKER)? else { return Ok(None) };
        let kinds = raw.kinds.clone().unwrap_or_default();
        if kinds.is_empty() {
            return Err(("national_maker.kinds", "at least one type of seal".to_owned()));
        }
        let anchors = raw.anchors.clone().unwrap_or_default();
        if anchors.is_empty() {
            return Err(("national_maker.anchors", "needed: whose makers and signers are trusted".to_owned()));
        }
        Ok(Some(Self { office, kinds, anchors }))
    }

    pub(super) fn effective(settings: Option<&Self>) -> raw::NationalMaker {
        let Some(Self { office, kinds, anchors }) = settings else { return raw::NationalMaker::default() };
        raw::NationalMaker {
            address: Some(office.address.clone()),
            key: Some(office.key.clone()),
            https_anchors: Some(office.https_anchors.clone()),
            kinds: Some(kinds.clone()),
            anchors: Some(anchors.clone()),
            every_seconds: Some(office.every.as_secs()),
            silent_minutes: Some(office.silent.as_secs() / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl Fn(&mut raw::NationalMaker)) -> Result<Option<MakerSettings>, Refused> {
        let mut raw = raw::NationalMaker {
            address: Some("https://maker.example/orders".into()),
            key: Some("maker.pem".into()),
            https_anchors: Some(vec!["server.pem".into()]),
            kinds: Some(vec![1, 2]),
            anchors: Some(vec!["root.pem".into()]),
            ..raw::NationalMaker::default()
        };
        change(&mut raw);
        MakerSettings::checked(&raw)
    }

    #[test]
    fn nobody_is_written_to_unless_it_is_said() {
        assert_eq!(MakerSettings::checked(&raw::NationalMaker::default()), Ok(None));
        let usual = with(|_| {}).unwrap().unwrap();
        assert_eq!((usual.office.every, usual.office.silent), (Duration::from_secs(30), Duration::from_secs(3600)));
        let again = MakerSettings::checked(&MakerSettings::effective(Some(&usual)));
        assert_eq!(again, Ok(Some(usual)));
        // This machine itself: a double of the office.
        let near = |raw: &mut raw::NationalMaker| {
            raw.address = Some("http://127.0.0.1:8080/orders".into());
            raw.https_anchors = None;
        };
        assert!(with(near).unwrap().is_some());
    }

    #[test]
    fn nobody_files_unless_it_is_said() {
        let raw = raw::Filing { address: Some("http://localhost:1/f".into()), ..raw::Filing::default() };
        assert_eq!(OfficeSettings::filing(&raw::Filing::default()), Ok(None));
        assert_eq!(OfficeSettings::filing(&raw).unwrap_err().0, "filing.key");
        let usual = OfficeSettings::filing(&raw::Filing { key: Some("k.pem".into()), ..raw }).unwrap();
        assert_eq!(OfficeSettings::filing(&OfficeSettings::effective_filing(usual.as_ref())), Ok(usual));
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |change: fn(&mut raw::NationalMaker)| with(change).unwrap_err().0;
        assert_eq!(fault(|raw| raw.address = Some("maker.example".into())), "national_maker.address");
        assert_eq!(fault(|raw| raw.address = Some("http://maker.example/".into())), "national_maker.address");
        assert_eq!(fault(|raw| raw.https_anchors = None), "national_maker.https_anchors");
        assert_eq!(fault(|raw| raw.key = None), "national_maker.key");
        assert_eq!(fault(|raw| raw.kinds = Some(Vec::new())), "national_maker.kinds");
        assert_eq!(fault(|raw| raw.anchors = None), "national_maker.anchors");
        assert_eq!(fault(|raw| raw.every_seconds = Some(0)), "national_maker.every_seconds");
        assert_eq!(fault(|raw| raw.silent_minutes = Some(10_081)), "national_maker.silent_minutes");
    }

    #[test]
    fn messages_are_kept_as_long_as_their_events() {
        assert_eq!(keep_messages(None, (180, None)), Ok(Some(400)));
        assert_eq!(keep_messages(None, (180, Some(3650))), Ok(Some(3650)));
        assert_eq!(keep_messages(None, (500, None)), Ok(Some(500)));
        assert_eq!(keep_messages(Some(0), (180, Some(3650))), Ok(None));
        assert_eq!(keep_messages(Some(180), (180, None)), Ok(Some(180)));
        for (days, kept) in
            [(179, (180, None)), (3649, (180, Some(3650))), (36_501, (180, None)), (u64::MAX, (180, None))]
        {
            assert_eq!(keep_messages(Some(days), kept).unwrap_err().0, "seals.keep_messages_days", "{days}");
        }
    }
}
