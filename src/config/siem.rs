//! `[siem]`: where security events go, as syslog and as lines of JSON; and for how long logs are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::alarms::within;
use crate::config::raw;

/// The number that examples use (RFC 5612); whoever has one of its own (IANA Private Enterprise Numbers) says it.
const EXAMPLE: u32 = 32_473;
/// The fewest days for which logs are kept.
const SIX_MONTHS: u32 = 180;

/// `[siem]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Siem {
    /// A receiver of syslog.
    pub syslog: Option<SyslogTarget>,
    /// PEM files of those who vouch for a receiver of TLS.
    pub syslog_anchors: Vec<PathBuf>,
    /// The enterprise number of the structured data's name.
    pub enterprise: u32,
    /// This machine's name in messages.
    pub hostname: Option<String>,
    /// Where lines of JSON go.
    pub json: Option<JsonPlace>,
    /// How long a receiver may be away before the alarm.
    pub down: Duration,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTarget {
    /// Host and port.
    Udp(String, u16),
    /// Host and port.
    Tcp(String, u16),
    /// Host and port.
    Tls(String, u16),
    /// A datagram socket of this machine.
    Unix(PathBuf),
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonPlace {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl SyslogTarget {
    fn read(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(PathBuf::from(path)));
        }
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = rest.rsplit_once(':')?;
        let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
        // An address of version 6 stands in brackets, as in URLs.
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
            None => host.to_owned(),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(allowed) {
            return None;
        }
        match scheme {
            "udp" => Some(Self::Udp(host, port)),
            "tcp" => Some(Self::Tcp(host, port)),
            "tls" => Some(Self::Tls(host, port)),
            _ => None,
        }
    }

    fn text(&self) -> String {
        let at = |scheme: &str, host: &str, port: u16| format!("{scheme}://{}", address(host, port));
        match self {
            Self::Udp(host, port) => at("udp", host, *port),
            Self::Tcp(host, port) => at("tcp", host, *port),
            Self::Tls(host, port) => at("tls", host, *port),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// `host:port`, an address of version 6 in brackets.
#[must_use]
pub fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl Siem {
    /// The keys with their defaults.
    ///
    /// # Errors
    /// The key whose value is not allowed, and what is.
    pub(super) fn checked(raw: &raw::Siem) -> Result<Self, (&'static str, String)> {
        let syslog = match raw.syslog.as_deref() {
            None | Some("") => None,
            Some(text) => Some(SyslogTarget::read(text).ok_or_else(|| {
                let allowed = "udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:/PATH";
                ("siem.syslog", format!("{allowed}, not {text:?}"))
            })?),
        };
        let syslog_anchors = raw.syslog_anchors.clone().unwrap_or_default();
        if matches!(syslog, Some(SyslogTarget::Tls(..))) && syslog_anchors.is_empty() {
            return Err(("siem.syslog_anchors", "needed for tls: who vouches for the receiver".to_owned()));
        }
        let hostname = raw.hostname.clone().filter(|name| !name.is_empty());
        let printable = |name: &String| name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic());
        if !hostname.as_ref().is_none_or(printable) {
            return Err(("siem.hostname", "at most 255 visible ASCII characters".to_owned()));
        }
        let json = match raw.json.as_deref() {
            None | Some("") => None,
            Some("stdout") => Some(JsonPlace::Stdout),
            Some(path) => Some(JsonPlace::File(PathBuf::from(path))),
        };
        let minutes = within("siem.down_minutes", raw.down_minutes.unwrap_or(5), 1, 1440)?;
        let enterprise = within("siem.enterprise", raw.enterprise.unwrap_or(EXAMPLE.into()), 1, u32::MAX)?;
        let down = Duration::from_secs(u64::from(minutes).saturating_mul(60));
        Ok(Self { syslog, syslog_anchors, enterprise, hostname, json, down })
    }

    pub(super) fn effective(&self) -> raw::Siem {
        let json = self.json.as_ref().map(|json| match json {
            JsonPlace::Stdout => "stdout".to_owned(),
            JsonPlace::File(path) => path.display().to_string(),
        });
        raw::Siem {
            syslog: self.syslog.as_ref().map(SyslogTarget::text),
            syslog_anchors: Some(self.syslog_anchors.clone()),
            enterprise: Some(self.enterprise.into()),
            hostname: self.hostname.clone(),
            json,
            down_minutes: Some(self.down.as_secs() / 60),
        }
    }
}

/// `log.retention_days`. Six months are the law's (网络安全法, 第二十一条 第三项 in the text of 2017: 留存相关的网络日志
/// 不少于六个月; article and paragraph from memory, not confirmed against the text in force).
///
/// # Errors
/// As [`Siem::checked`].
pub(super) fn retention_days(days: Option<u64>) -> Result<u32, (&'static str, String)> {
    let key = "log.retention_days";
    within(key, days.unwrap_or(SIX_MONTHS.into()), SIX_MONTHS, 36_500).map_err(|(key, bounds)| {
        let law = "network logs are kept for six months at least (网络安全法, 留存不少于六个月)";
        (key, format!("{bounds}: {law} (retention-too-short)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: fn(&mut raw::Siem)) -> Result<Siem, (&'static str, String)> {
        let mut raw = raw::Siem::default();
        change(&mut raw);
        Siem::checked(&raw)
    }

    #[test]
    fn nothing_goes_anywhere_unless_it_is_said() {
        let usual = with(|_| {}).unwrap();
        assert_eq!((&usual.syslog, &usual.json, usual.enterprise), (&None, &None, 32_473));
        assert_eq!(usual.down, Duration::from_secs(300));
        assert_eq!(Siem::checked(&usual.effective()), Ok(usual));
    }

    #[test]
    fn targets_are_read() {
        let read = |text| SyslogTarget::read(text).map(|target| (target.text(), target));
        for text in ["udp://siem.example:514", "tcp://10.0.0.1:601", "tls://[::1]:6514", "unix:/dev/log"] {
            assert_eq!(read(text).map(|(again, _)| again).as_deref(), Some(text));
        }
        assert_eq!(SyslogTarget::read("tls://[::1]:6514"), Some(SyslogTarget::Tls("::1".into(), 6514)));
        assert_eq!(address("::1", 6514), "[::1]:6514");
        for text in
            ["siem:514", "http://siem:514", "udp://siem", "udp://:514", "udp://siem:0", "udp://a b:1", "unix:log"]
        {
            assert_eq!(SyslogTarget::read(text), None, "{text}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let allowed = "udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:/PATH, not \"siem\"".to_owned();
        assert_eq!(with(|raw| raw.syslog = Some("siem".into())), Err(("siem.syslog", allowed)));
        let anchors = Err(("siem.syslog_anchors", "needed for tls: who vouches for the receiver".to_owned()));
        assert_eq!(with(|raw| raw.syslog = Some("tls://siem.example:6514".into())), anchors);
        let name = Err(("siem.hostname", "at most 255 visible ASCII characters".to_owned()));
        assert_eq!(with(|raw| raw.hostname = Some("a b".into())), name);
        assert_eq!(with(|raw| raw.enterprise = Some(0)), Err(("siem.enterprise", "1 to 4294967295".to_owned())));
        assert_eq!(with(|raw| raw.down_minutes = Some(0)), Err(("siem.down_minutes", "1 to 1440".to_owned())));
    }

    #[test]
    fn six_months_are_the_least() {
        let (key, message) = retention_days(Some(179)).unwrap_err();
        assert_eq!(key, "log.retention_days");
        assert!(message.starts_with("180 to 36500: ") && message.ends_with(" (retention-too-short)"), "{message}");
        assert_eq!((retention_days(None), retention_days(Some(180))), (Ok(180), Ok(180)));
    }
}
