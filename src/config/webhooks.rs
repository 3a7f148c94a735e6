//! `[[webhooks]]`: receivers of notices of state changes, one table each.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::division::Division;
use crate::domain::key::KeyAlgorithm;
use crate::domain::verify::address::Address;
use crate::domain::webhook::{NoticeType, Subscription};

/// Characters of a receiver's name.
const MOST_NAME: usize = 40;
/// The most hours for which a notice is tried: thirty days.
const MOST_HOURS: u64 = 720;

/// A receiver as written; unknown keys are refused.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    /// What it is called: in rows, events, figures and alarms.
    name: String,
    /// Where notices go.
    url: String,
    /// Divisions, each with all that lie in it; all of them where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    divisions: Vec<String>,
    /// Types of seals, by their codes; all of them where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<u8>,
    /// Types of notices; all but those of certificates where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    /// The first event that it is told of, the first time it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// For how long a notice is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    give_up_after_hours: Option<u64>,
    /// For connection and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    /// What signs its notices: `sm2`, `ecdsa-p256` or `ed25519`.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<String>,
    /// PEM files of the authorities by which its server must be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    https_anchors: Vec<PathBuf>,
}

/// A receiver of notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// What it is called.
    pub name: String,
    /// Where notices go.
    pub url: String,
    /// What it is told.
    pub subscription: Subscription,
    /// The first event that it is told of, the first time it begins.
    pub since: Option<u64>,
    /// For how long a notice is tried.
    pub give_up_after: Duration,
    /// For connection and answer together.
    pub timeout: Duration,
    /// What signs its notices.
    pub algorithm: KeyAlgorithm,
    /// PEM files of the authorities by which its server must be known.
    pub https_anchors: Vec<PathBuf>,
}

/// The receivers, or why one of them is refused.
pub(super) fn checked(written: Vec<RawWebhook>, is_development: bool) -> Result<Vec<WebhookSettings>, String> {
    let mut receivers = Vec::<WebhookSettings>::with_capacity(written.len());
    for raw in written {
        let name = raw.name.clone();
        let receiver = raw.read(is_development).map_err(|reason| format!("{name:?}: {reason}"))?;
        if receivers.iter().any(|other| other.name == receiver.name) {
            return Err(format!("{name:?}: the name stands twice"));
        }
        receivers.push(receiver);
    }
    Ok(receivers)
}

/// The receivers as they would be written.
pub(super) fn effective(receivers: &[WebhookSettings]) -> Vec<RawWebhook> {
    receivers.iter().map(RawWebhook::of).collect()
}

fn bounded(key: &str, value: u64, most: u64) -> Result<u64, String> {
    if (1..=most).contains(&value) { Ok(value) } else { Err(format!("{key}: 1 to {most}")) }
}

impl RawWebhook {
    fn read(self, is_development: bool) -> Result<WebhookSettings, String> {
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if self.name.is_empty() || self.name.len() > MOST_NAME || !self.name.bytes().all(is_plain) {
            return Err(format!("name: 1 to {MOST_NAME} small letters, digits and hyphens"));
        }
        let address = Address::parse(&self.url).map_err(|_| "url: an address of https".to_owned())?;
        match (address.is_secure, address.host.is_loopback()) {
            (true, _) if self.https_anchors.is_empty() => {
                return Err("https_anchors: needed, who vouches for the receiver's server".into());
            }
            (true, _) => {}
            (false, true) if is_development => {}
            (false, _) => return Err("url: https; under development http to this machine itself".into()),
        }
        let divisions = self
            .divisions
            .iter()
            .map(|code| Division::parse(code).map_err(|error| format!("divisions: {code:?}: {error}")));
        let types = self.types.iter().map(|name| {
            let names = || NoticeType::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
            NoticeType::from_name(name).ok_or_else(|| format!("types: {name:?} is none of {}", names()))
        });
        let (divisions, types) = (divisions.collect::<Result<Vec<_>, _>>()?, types.collect::<Result<Vec<_>, _>>()?);
        let (asks, mut named) = (!divisions.is_empty() || !self.kinds.is_empty(), types.iter());
        if asks && let Some(kind) = named.find(|kind| kind.is_of_certificates()) {
            return Err(format!("types: {kind} with divisions or kinds, of which a certificate has none"));
        }
        if self.kinds.iter().any(|kind| !(1..=99).contains(kind)) {
            return Err("kinds: 1 to 99".into());
        }
        let algorithm = match self.algorithm.as_deref() {
            None | Some("sm2") => KeyAlgorithm::Sm2,
            Some("ecdsa-p256") => KeyAlgorithm::EcdsaP256,
            Some("ed25519") => KeyAlgorithm::Ed25519,
            Some(other) => return Err(format!("algorithm: sm2, ecdsa-p256 or ed25519, not {other:?}")),
        };
        let hours = bounded("give_up_after_hours", self.give_up_after_hours.unwrap_or(72), MOST_HOURS)?;
        let seconds = bounded("timeout_seconds", self.timeout_seconds.unwrap_or(10), 60)?;
        Ok(WebhookSettings {
            name: self.name,
            url: self.url,
            subscription: Subscription { divisions, kinds: self.kinds, types },
            since: self.since,
            give_up_after: Duration::from_secs(hours.saturating_mul(3600)),
            timeout: Duration::from_secs(seconds),
            algorithm,
            https_anchors: self.https_anchors,
        })
    }

    fn of(receiver: &WebhookSettings) -> Self {
        let Subscription { divisions, kinds, types } = &receiver.subscription;
        Self {
            name: receiver.name.clone(),
            url: receiver.url.clone(),
            divisions: divisions.iter().map(Division::code).collect(),
            kinds: kinds.clone(),
            types: types.iter().map(|kind| kind.name().to_owned()).collect(),
            since: receiver.since,
            give_up_after_hours: Some(receiver.give_up_after.as_secs() / 3600),
            timeout_seconds: Some(receiver.timeout.as_secs()),
            algorithm: Some(receiver.algorithm.name().to_owned()),
            https_anchors: receiver.https_anchors.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "name = 'archive'\nurl = 'https://a.example/hook'\nhttps_anchors = ['ca.pem']\n";

    #[derive(Deserialize)]
    struct Written {
        webhooks: Vec<RawWebhook>,
    }

    fn read(text: &str, is_development: bool) -> Result<Vec<WebhookSettings>, String> {
        let tables = text.split("---").map(|table| format!("[[webhooks]]\n{table}\n")).collect::<String>();
        let written = toml::from_str::<Written>(&tables).map_err(|error| error.message().to_owned())?;
        checked(written.webhooks, is_development)
    }

    #[test]
    fn a_receiver_is_told_all_for_three_days_unless_it_is_said() {
        let usual = read(USUAL, false).unwrap();
        let [one] = &usual[..] else { panic!("{usual:?}") };
        assert_eq!((one.give_up_after, one.timeout), (Duration::from_secs(259_200), Duration::from_secs(10)));
        assert_eq!((one.algorithm, one.since, &one.subscription), (KeyAlgorithm::Sm2, None, &Subscription::default()));
        let whole = "name = 'b-2'\nurl = 'https://10.1.1.1/x?y'\nhttps_anchors = ['ca.pem']\ndivisions = ['330100']\n\
                     kinds = [1, 99]\ntypes = ['seal.revoked']\nsince = 0\ngive_up_after_hours = 720\n\
                     timeout_seconds = 60\nalgorithm = 'ed25519'";
        let two = read(&format!("{USUAL}---{whole}"), false).unwrap();
        assert_eq!(checked(effective(&two), false), Ok(two));
    }

    #[test]
    fn plain_http_is_for_this_machine_and_development_alone() {
        let near = "name = 'a'\nurl = 'http://127.0.0.1:8080/hook'";
        assert!(read(near, true).is_ok());
        let far = "name = 'a'\nurl = 'http://a.example/hook'";
        for (text, is_development) in [(near, false), (far, false), (far, true)] {
            let refused = "\"a\": url: https; under development http to this machine itself";
            assert_eq!(read(text, is_development), Err(refused.to_owned()));
        }
        let unvouched = "name = 'a'\nurl = 'https://a.example/hook'";
        assert!(read(unvouched, true).unwrap_err().starts_with("\"a\": https_anchors: needed"));
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |line: &str| read(&format!("{USUAL}{line}"), false).unwrap_err();
        assert_eq!(
            fault("divisions = ['3']"),
            format!("\"archive\": divisions: \"3\": {}", crate::base::division::InvalidDivision)
        );
        assert!(fault("types = ['seal.lost']").starts_with("\"archive\": types: \"seal.lost\" is none of seal.made, "));
        let certificates = "types = ['certificate.revoked']\nkinds = [1]";
        assert!(fault(certificates).starts_with("\"archive\": types: certificate.revoked with divisions"));
        assert!(read(&format!("{USUAL}types = ['certificate.revoked']"), false).is_ok());
        assert_eq!(fault("kinds = [0]"), "\"archive\": kinds: 1 to 99");
        assert_eq!(fault("algorithm = 'rsa'"), "\"archive\": algorithm: sm2, ecdsa-p256 or ed25519, not \"rsa\"");
        assert_eq!(fault("give_up_after_hours = 0"), "\"archive\": give_up_after_hours: 1 to 720");
        assert_eq!(fault("timeout_seconds = 61"), "\"archive\": timeout_seconds: 1 to 60");
        assert!(fault("retries = 3").starts_with("unknown field `retries`, expected one of `name`, `url`"));
        assert_eq!(read(&format!("{USUAL}---{USUAL}"), false), Err("\"archive\": the name stands twice".to_owned()));
        for name in ["", "Archive", "a b", "名"] {
            let text = USUAL.replace("'archive'", &format!("'{name}'"));
            assert!(read(&text, false).unwrap_err().contains("name: 1 to 40 small letters"), "{name}");
        }
        for url in ["ftp://a/", "https://u@a.example/", "a.example"] {
            let text = USUAL.replace("https://a.example/hook", url);
            assert_eq!(read(&text, false), Err("\"archive\": url: an address of https".to_owned()));
        }
    }
}
