//! `[stamping]`: whether time stamps are made, by which rules, and who vouches for the clock.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::raw;
use crate::domain::stamp::{Precision, Rules};

/// `[stamping]`.
#[derive(Debug, Clone)]
pub struct Stamping {
    /// Whether time stamps are made, where there is an authority for them.
    pub enabled: bool,
    /// Policies, digests, clock.
    pub rules: Rules,
    /// Servers of time that are asked.
    pub ntp: Vec<SocketAddr>,
    /// How often each.
    pub ntp_interval: Duration,
    /// Requests taken on in a minute.
    pub per_minute: u32,
    texts: Texts,
}

/// What the effective settings repeat.
#[derive(Debug, Clone)]
struct Texts {
    policies: Vec<String>,
    digests: Vec<String>,
    precision: String,
}

/// Sources that may be named.
const MOST_SOURCES: usize = 8;

impl Stamping {
    /// The section as written, or the key that is refused and why.
    pub(super) fn checked(raw: raw::Stamping) -> Result<Self, (&'static str, String)> {
        let mut ntp = Vec::new();
        for text in raw.ntp.unwrap_or_default() {
            match text.parse::<SocketAddr>() {
                Ok(address) if !ntp.contains(&address) => ntp.push(address),
                Ok(_) => return Err(("stamping.ntp", format!("{text:?} stands there twice"))),
                Err(_) => return Err(("stamping.ntp", format!("{text:?} is not an address with a port"))),
            }
        }
        if ntp.len() > MOST_SOURCES {
            return Err(("stamping.ntp", format!("at most {MOST_SOURCES} sources")));
        }
        // More than half of them: one that fails or lies stops nothing where there are three.
        let usual = if ntp.is_empty() { 0 } else { ntp.len() / 2 + 1 };
        let agree = raw.ntp_agree.map_or(Some(usual), |agree| usize::try_from(agree).ok());
        let in_bounds = |agree: &usize| if ntp.is_empty() { *agree == 0 } else { (1..=ntp.len()).contains(agree) };
        let Some(agree) = agree.filter(in_bounds) else {
            return Err(("stamping.ntp_agree", format!("1 to the {} of stamping.ntp", ntp.len())));
        };
        let mut rules = Rules::new(agree);
        let policies = raw.policies.unwrap_or_default();
        rules.offer_policies(&policies).map_err(|error| ("stamping.policies", error.to_string()))?;
        if let Some(digests) = &raw.digests {
            rules.offer_digests(digests).map_err(|error| ("stamping.digests", error.to_string()))?;
        }
        let accuracy = raw.accuracy.unwrap_or(1000);
        if !(1..=60_000).contains(&accuracy) {
            return Err(("stamping.accuracy", "1 to 60000 milliseconds".into()));
        }
        rules.thresholds.accuracy = accuracy.saturating_mul(1000);
        // The clock may be off by as much as is claimed, and the sources by as much from each other.
        rules.thresholds.offset = rules.thresholds.accuracy;
        rules.thresholds.disagreement = rules.thresholds.accuracy;
        let precision = raw.precision.unwrap_or_else(|| "milliseconds".into());
        rules.cut_to(&precision).map_err(|error| ("stamping.precision", error.to_string()))?;
        rules.ordering = raw.ordering.unwrap_or(false);
        if rules.ordering && rules.precision == Precision::Seconds {
            return Err(("stamping.ordering", "not with whole seconds: there would be one stamp in each".into()));
        }
        let interval = raw.ntp_interval.unwrap_or(64);
        if !(16..=3600).contains(&interval) {
            // RFC 4330 10 asks for no less than 15 seconds.
            return Err(("stamping.ntp_interval", "16 to 3600 seconds".into()));
        }
        // Two questions may stay without answer.
        rules.thresholds.age = interval.saturating_mul(4).saturating_mul(1_000_000);
        let per_minute = raw.per_minute.unwrap_or(12_000);
        let Some(per_minute) = u32::try_from(per_minute).ok().filter(|count| (1..=10_000_000).contains(count)) else {
            return Err(("stamping.per_minute", "1 to 10000000".into()));
        };
        let digests = rules.digests.iter().map(|digest| digest.name().to_owned()).collect();
        Ok(Self {
            enabled: raw.enabled.unwrap_or(true),
            ntp,
            ntp_interval: Duration::from_secs(interval),
            per_minute,
            texts: Texts { policies, digests, precision },
            rules,
        })
    }

    pub(super) fn effective(&self) -> raw::Stamping {
        raw::Stamping {
            enabled: Some(self.enabled),
            policies: Some(self.texts.policies.clone()),
            digests: Some(self.texts.digests.clone()),
            accuracy: Some(self.rules.thresholds.accuracy / 1000),
            precision: Some(self.texts.precision.clone()),
            ordering: Some(self.rules.ordering),
            ntp: Some(self.ntp.iter().map(ToString::to_string).collect()),
            ntp_agree: u64::try_from(self.rules.thresholds.sources).ok(),
            ntp_interval: Some(self.ntp_interval.as_secs()),
            per_minute: Some(u64::from(self.per_minute)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Stamping, String> {
        let raw = toml::from_str::<raw::Stamping>(text).map_err(|error| error.message().to_owned())?;
        Stamping::checked(raw).map_err(|(key, why)| format!("{key}: {why}"))
    }

    #[test]
    fn what_is_not_said_is_usual_and_what_is_said_comes_back() {
        let usual = checked("").unwrap();
        assert!(usual.enabled && usual.rules.policies.is_empty() && !usual.rules.ordering);
        assert_eq!((usual.rules.thresholds.sources, usual.rules.digests.len()), (0, 4));
        let three = "ntp = ['192.0.2.1:123', '192.0.2.2:123', '[2001:db8::1]:123']";
        assert_eq!(checked(three).unwrap().rules.thresholds.sources, 2);
        let text = format!(
            "{three}\nenabled = false\npolicies = ['1.2.3.4']\ndigests = ['sm3']\naccuracy = 50\nordering = true\nntp_agree = 3\nntp_interval = 16"
        );
        let said = checked(&text).unwrap();
        assert_eq!((said.rules.thresholds.offset, said.rules.thresholds.age), (50_000, 64_000_000));
        let again = toml::to_string(&said.effective()).unwrap();
        assert_eq!(toml::to_string(&checked(&again).unwrap().effective()).unwrap(), again);
        assert!(again.contains("policies = [\"1.2.3.4\"]") && again.contains("ntp_agree = 3"), "{again}");
    }

    #[test]
    fn each_fault_is_named() {
        for (text, why) in [
            ("policies = ['a']", "stamping.policies: \"a\" is no object identifier"),
            ("digests = ['sha1']", "stamping.digests: \"sha1\" is not among sm3, sha256, sha384, sha512"),
            ("digests = []", "stamping.digests: at least one is needed"),
            ("accuracy = 0", "stamping.accuracy: 1 to 60000 milliseconds"),
            ("precision = 'days'", "stamping.precision: seconds, milliseconds or microseconds, not \"days\""),
            (
                "precision = 'seconds'\nordering = true",
                "stamping.ordering: not with whole seconds: there would be one stamp in each",
            ),
            ("ntp = ['time.example']", "stamping.ntp: \"time.example\" is not an address with a port"),
            ("ntp = ['192.0.2.1:1', '192.0.2.1:1']", "stamping.ntp: \"192.0.2.1:1\" stands there twice"),
            ("ntp_agree = 1", "stamping.ntp_agree: 1 to the 0 of stamping.ntp"),
            ("ntp = ['192.0.2.1:1']\nntp_agree = 0", "stamping.ntp_agree: 1 to the 1 of stamping.ntp"),
            ("ntp_interval = 15", "stamping.ntp_interval: 16 to 3600 seconds"),
            ("per_minute = 0", "stamping.per_minute: 1 to 10000000"),
        ] {
            assert_eq!(checked(text).unwrap_err(), why);
        }
        assert!(checked("serial = 1").unwrap_err().starts_with("unknown field `serial`"));
    }
}
