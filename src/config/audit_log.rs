//! `[audit_log]`: under which name the audit log is published, and how soon.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::raw;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::verify::address::Address;

/// `[audit_log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLogSettings {
    /// The origin of the trees without `/sm3` and `/sha256` (C2SP tlog-checkpoint): the address without scheme below which
    /// they are served. A log that has begun keeps its own for ever, and another one is refused; without one a new log takes
    /// the first trusted host, or `localhost`, with `/log`.
    pub origin: Option<String>,
    /// From one checkpoint to the next, while there is anything new.
    pub every: Duration,
    /// How long after its acknowledgement an event may still be outside the trees (maximum merge delay).
    pub merge_delay: Duration,
    /// Witnesses: where each is, and its verifier key.
    pub witnesses: Vec<(Address, Verifier)>,
    /// A folder that has each head soon after it is signed; best on another disk.
    pub mirror: Option<PathBuf>,
    /// For how many days events are kept before they are erased, `log.retention_days` at least; nothing: for ever.
    pub keep_events_days: Option<u32>,
    /// A place for old tiles.
    pub old_tiles: Option<OldTilesPlace>,
    /// How many leaves keep their tiles in the database while the service is at work; nothing: none is moved by itself.
    pub old_tiles_after: Option<u64>,
}

/// Where old tiles go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldTilesPlace {
    /// A folder: another disk, or an object store that is mounted.
    Folder(PathBuf),
    /// An object store that speaks the protocol of S3.
    Objects {
        /// Its address with bucket and prefix, path-style.
        address: Address,
        /// The region that requests are signed for.
        region: String,
        /// A file of mode 0600 with its credentials.
        credentials: PathBuf,
    },
}

impl OldTilesPlace {
    /// As the database notes it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Objects { address, .. } => address.to_string(),
        }
    }

    fn checked(raw: &raw::AuditLog) -> Result<Option<Self>, (&'static str, String)> {
        const CREDENTIALS: &str = "audit_log.old_tiles_credentials";
        const REGION: &str = "audit_log.old_tiles_region";
        let url = raw.old_tiles.as_ref().filter(|place| place.contains("://"));
        let Some(url) = url else {
            // Nobody believes that they are in use.
            for (key, given) in
                [(CREDENTIALS, raw.old_tiles_credentials.is_some()), (REGION, raw.old_tiles_region.is_some())]
            {
                if given {
                    return Err((key, "only where audit_log.old_tiles is the address of an object store".to_owned()));
                }
            }
            return Ok(raw.old_tiles.as_ref().map(|folder| Self::Folder(folder.into())));
        };
        let wanted = || {
            let form = "a folder, or https://HOST/BUCKET/PREFIX of letters, digits and - . _ ~";
            ("audit_log.old_tiles", format!("{form}; http to this machine itself alone"))
        };
        let mut address = Address::parse(url).map_err(|_| wanted())?;
        if !is_signable(&address.target) || !(address.is_secure || address.host.is_loopback()) {
            return Err(wanted());
        }
        // One name for one place.
        address.target = address.target.trim_end_matches('/').to_owned();
        let missing = || (CREDENTIALS, "needed: the file with the credentials of the object store".to_owned());
        let credentials = raw.old_tiles_credentials.clone().ok_or_else(missing)?;
        let region = raw.old_tiles_region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if !(1..=64).contains(&region.len()) || !region.bytes().all(plain) {
            return Err((REGION, "1 to 64 of a-z, 0-9 and -".to_owned()));
        }
        Ok(Some(Self::Objects { address, region, credentials }))
    }
}

/// Whether a path of an address can be signed as it stands, by whichever rules of escaping: of letters, digits and `-._~/`, with a
/// bucket, and without empty parts and dots.
fn is_signable(path: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'/');
    let mut parts = path.trim_end_matches('/').split('/').skip(1).peekable();
    path.bytes().all(plain) && parts.peek().is_some() && parts.all(|part| !matches!(part, "" | "." | ".."))
}

/// Witnesses that are asked.
const MOST_WITNESSES: usize = 16;
/// A century: whoever wants more says for ever.
const MOST_DAYS: u32 = 36_500;
/// Leaves whose tiles stay rows at least: a start compares so many with their events.
const LEAST_LEAVES: u64 = 16_384;

impl AuditLogSettings {
    /// The keys with their defaults.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::AuditLog, retention_days: u32) -> Result<Self, (&'static str, String)> {
        if let Some(origin) = &raw.origin
            && !is_origin(origin)
        {
            let allowed = "1 to 200 of a-z, 0-9, and - . _ : /, such as seals.example.gov.cn/log";
            return Err(("audit_log.origin", allowed.to_owned()));
        }
        let every = raw.checkpoint_ms.unwrap_or(1_000);
        if !(50..=1_000).contains(&every) {
            return Err(("audit_log.checkpoint_ms", "50 to 1000".to_owned()));
        }
        let merge_delay = raw.merge_delay.unwrap_or(60);
        if !(5..=86_400).contains(&merge_delay) {
            return Err(("audit_log.merge_delay", "5 to 86400".to_owned()));
        }
        let mut witnesses = Vec::new();
        for line in raw.witnesses.iter().flatten() {
            let witness = line.split_once(' ').and_then(|(url, key)| {
                let (address, key) = (Address::parse(url).ok()?, Verifier::parse(key.trim()).ok()?);
                key.is_witness().then_some((address, key))
            });
            let wanted =
                || format!("{line:?} is not an address of http or https, a space, and a witness's verifier key");
            witnesses.push(witness.ok_or_else(|| ("audit_log.witnesses", wanted()))?);
        }
        if witnesses.len() > MOST_WITNESSES {
            return Err(("audit_log.witnesses", format!("at most {MOST_WITNESSES}")));
        }
        let keep_events_days = match raw.keep_events_days.unwrap_or(0) {
            0 => None,
            days => match u32::try_from(days) {
                Ok(days) if (retention_days..=MOST_DAYS).contains(&days) => Some(days),
                _ => {
                    let allowed = format!(
                        "0 (for ever), or {retention_days} to {MOST_DAYS}: not below log.retention_days \
                         (retention-too-short)"
                    );
                    return Err(("audit_log.keep_events_days", allowed));
                }
            },
        };
        let old_tiles = OldTilesPlace::checked(raw)?;
        let old_tiles_after = raw.old_tiles_after.filter(|leaves| *leaves > 0);
        if old_tiles_after.is_some_and(|leaves| leaves < LEAST_LEAVES || raw.old_tiles.is_none()) {
            let allowed = format!("0 (never), or {LEAST_LEAVES} and more, with audit_log.old_tiles");
            return Err(("audit_log.old_tiles_after", allowed));
        }
        Ok(Self {
            origin: raw.origin.clone(),
            every: Duration::from_millis(every),
            merge_delay: Duration::from_secs(merge_delay),
            witnesses,
            mirror: raw.mirror.clone(),
            keep_events_days,
            old_tiles,
            old_tiles_after,
        })
    }

    pub(super) fn effective(&self) -> raw::AuditLog {
        raw::AuditLog {
            origin: self.origin.clone(),
            checkpoint_ms: u64::try_from(self.every.as_millis()).ok(),
            merge_delay: Some(self.merge_delay.as_secs()),
            witnesses: Some(self.witnesses.iter().map(|(url, key)| format!("{url} {}", key.to_vkey())).collect()),
            mirror: self.mirror.clone(),
            old_tiles: self.old_tiles.as_ref().map(OldTilesPlace::name),
            old_tiles_credentials: match &self.old_tiles {
                Some(OldTilesPlace::Objects { credentials, .. }) => Some(credentials.clone()),
                _ => None,
            },
            old_tiles_region: match &self.old_tiles {
                Some(OldTilesPlace::Objects { region, .. }) => Some(region.clone()),
                _ => None,
            },
            old_tiles_after: Some(self.old_tiles_after.unwrap_or(0)),
            keep_events_days: Some(self.keep_events_days.unwrap_or(0).into()),
        }
    }
}

/// Narrower than C2SP asks for: no spaces, no plus, nothing that looks alike.
fn is_origin(text: &str) -> bool {
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'/');
    (1..=200).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_tiles_go_to_a_folder_or_an_object_store() {
        type Change = fn(&mut raw::AuditLog);
        let changed = |changes: &[Change]| {
            let mut raw = raw::AuditLog::default();
            changes.iter().for_each(|change| change(&mut raw));
            AuditLogSettings::checked(&raw, 180)
        };
        let credentials: Change = |raw| raw.old_tiles_credentials = Some("/keys/objects".into());
        let remote: Change = |raw| raw.old_tiles = Some("https://objects.example/log/old/".into());
        let folder: Change = |raw| raw.old_tiles = Some("/disk/old".into());
        let settings = changed(&[remote, credentials]).unwrap();
        let Some(OldTilesPlace::Objects { address, region, .. }) = &settings.old_tiles else { unreachable!() };
        assert_eq!((address.to_string().as_str(), region.as_str()), ("https://objects.example/log/old", "us-east-1"));
        assert_eq!(AuditLogSettings::checked(&settings.effective(), 180).unwrap(), settings);
        let settings = changed(&[folder]).unwrap();
        assert_eq!(settings.old_tiles, Some(OldTilesPlace::Folder("/disk/old".into())));
        assert_eq!(AuditLogSettings::checked(&settings.effective(), 180).unwrap(), settings);
        let refused = |changes: &[Change]| changed(changes).unwrap_err().0;
        assert_eq!(refused(&[remote]), "audit_log.old_tiles_credentials");
        assert_eq!(refused(&[folder, credentials]), "audit_log.old_tiles_credentials");
        assert_eq!(refused(&[|raw| raw.old_tiles_region = Some("a".into())]), "audit_log.old_tiles_region");
        assert_eq!(
            refused(&[remote, credentials, |raw| raw.old_tiles_region = Some("A b".into())]),
            "audit_log.old_tiles_region"
        );
        for right in ["http://127.0.0.1:9/b", "http://localhost/b", "https://10.0.0.1/b/log.1_2~3"] {
            let mut raw = raw::AuditLog { old_tiles: Some(right.into()), ..raw::AuditLog::default() };
            credentials(&mut raw);
            assert!(AuditLogSettings::checked(&raw, 180).is_ok(), "{right}");
        }
        for wrong in [
            "http://objects.example/b",
            "https://objects.example",
            "https://objects.example/",
            "https://objects.example//b",
            "https://objects.example/b/../c",
            "https://objects.example/b?c",
            "https://objects.example/b%20c",
            "https://user@objects.example/b",
            "s3://b/c",
        ] {
            let mut raw = raw::AuditLog { old_tiles: Some(wrong.into()), ..raw::AuditLog::default() };
            credentials(&mut raw);
            assert_eq!(AuditLogSettings::checked(&raw, 180).unwrap_err().0, "audit_log.old_tiles", "{wrong}");
        }
    }

    #[test]
    fn origins_and_times_are_within_bounds() {
        let usual = AuditLogSettings::checked(&raw::AuditLog::default(), 180).unwrap();
        assert_eq!((usual.every, usual.merge_delay), (Duration::from_secs(1), Duration::from_secs(60)));
        assert_eq!(AuditLogSettings::checked(&usual.effective(), 180), Ok(usual.clone()));
        let refused = |change: fn(&mut raw::AuditLog)| {
            let mut raw = raw::AuditLog::default();
            change(&mut raw);
            AuditLogSettings::checked(&raw, 180).unwrap_err()
        };
        assert_eq!(refused(|raw| raw.checkpoint_ms = Some(1_001)).1, "50 to 1000");
        assert_eq!(refused(|raw| raw.checkpoint_ms = Some(49)).0, "audit_log.checkpoint_ms");
        assert_eq!(refused(|raw| raw.merge_delay = Some(4)).1, "5 to 86400");
        assert_eq!(refused(|raw| raw.merge_delay = Some(86_401)).0, "audit_log.merge_delay");
        assert_eq!(usual.keep_events_days, None);
        for days in [1, 179, 36_501] {
            let raw = raw::AuditLog { keep_events_days: Some(days), ..raw::AuditLog::default() };
            let (key, allowed) = AuditLogSettings::checked(&raw, 180).unwrap_err();
            assert_eq!(key, "audit_log.keep_events_days");
            assert!(allowed.ends_with("(retention-too-short)"), "{allowed}");
        }
        let longer = raw::AuditLog { keep_events_days: Some(200), ..raw::AuditLog::default() };
        assert_eq!(AuditLogSettings::checked(&longer, 180).unwrap().keep_events_days, Some(200));
        assert!(AuditLogSettings::checked(&longer, 201).is_err(), "the term of logs is longer");
        assert_eq!(refused(|raw| raw.old_tiles_after = Some(20_000)).0, "audit_log.old_tiles_after", "no folder");
        assert_eq!(
            refused(|raw| (raw.old_tiles, raw.old_tiles_after) = (Some("/t".into()), Some(16_383))).1,
            "0 (never), or 16384 and more, with audit_log.old_tiles"
        );
        for wrong in ["", "/log", "a/", "a//b", "A/log", "a b", "a+b", "https://a é", &"a".repeat(201)] {
            let raw = raw::AuditLog { origin: Some(wrong.to_owned()), ..raw::AuditLog::default() };
            assert_eq!(AuditLogSettings::checked(&raw, 180).unwrap_err().0, "audit_log.origin", "{wrong}");
        }
        for wrong in ["", "http://127.0.0.1:1", "http://127.0.0.1:1 key", "ftp://w w+00000000+AA=="] {
            let raw = raw::AuditLog { witnesses: Some(vec![wrong.to_owned()]), ..raw::AuditLog::default() };
            assert_eq!(AuditLogSettings::checked(&raw, 180).unwrap_err().0, "audit_log.witnesses", "{wrong}");
        }
        for right in ["localhost/log", "seals.example.gov.cn:8443/log", "a"] {
            let raw = raw::AuditLog { origin: Some(right.to_owned()), ..raw::AuditLog::default() };
            assert_eq!(AuditLogSettings::checked(&raw, 180).unwrap().origin.as_deref(), Some(right));
        }
    }
}
