//! An event as it is told to whoever watches the system's security: flat, text, without what stays inside.

use std::borrow::Cow;

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::domain::audit::body::EventBody;
use crate::domain::audit::event::{Actor, Event};
use crate::domain::audit::logged_event::LoggedEvent;
use crate::domain::audit::severity::{Severity, severity};

/// A security event. Like the event it holds identifiers and hashes, and no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// The event's number in the audit log: whoever receives it twice knows it by this.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The stable name of its class; `class-` and its number for one that only a newer program knows.
    pub class: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// `caller`, `operator` or `anonymous`; `unknown` where only a newer program can tell.
    pub actor: &'static str,
    /// Actor, request and the class's own fields, by name.
    pub fields: Vec<(&'static str, String)>,
    /// The page that says what to do, for an alarm.
    pub runbook: Option<&'static str>,
}

impl SecurityEvent {
    /// What is told of an event; nothing where it is no security event.
    #[must_use]
    pub fn of(number: u64, event: &Event) -> Option<Self> {
        Self::of_logged(number, &LoggedEvent::Known(event.clone()))
    }

    /// What is told of an event of the log. One that only a newer program knows is told too, by the SM3 of its octets: better
    /// one line too many than none.
    #[must_use]
    pub fn of_logged(number: u64, event: &LoggedEvent) -> Option<Self> {
        let (severity, runbook) = match event.known().map(|known| (&known.body, known.class())) {
            Some((EventBody::AlarmRaised { alarm, .. }, _)) => (alarm.severity(), Some(alarm.runbook())),
            Some((_, class)) => (severity(class)?, None),
            None => (Severity::Notice, None),
        };
        let mut fields = Vec::new();
        let actor = match event.actor() {
            Some(Actor::Caller { id, roles }) => {
                fields.push(("actor_id", id.to_string()));
                fields.push(("actor_roles", roles.to_names()));
                "caller"
            }
            Some(Actor::Operator) => "operator",
            Some(Actor::Anonymous) => "anonymous",
            None => "unknown",
        };
        fields.extend(event.request().map(|request| ("request", request.to_string())));
        fields.extend(event.told());
        Some(Self { number, at: event.at(), class: event.class_name(), severity, actor, fields, runbook })
    }

    /// One line of JSON, without its end.
    ///
    /// # Errors
    /// Never: every key is text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl Serialize for SecurityEvent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("number", &self.number)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("class", &self.class)?;
        map.serialize_entry("severity", &self.severity)?;
        map.serialize_entry("actor", self.actor)?;
        for (name, text) in &self.fields {
            map.serialize_entry(name, text)?;
        }
        if let Some(runbook) = self.runbook {
            map.serialize_entry("runbook", runbook)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::id::{CallerId, KeyId, RequestId, SealId, SignatureId};
    use crate::domain::audit::alarm::{Alarm, AlarmKind};
    use crate::domain::caller::{Role, Roles};

    fn used() -> Event {
        let roles = Roles::new([Role::SealUser]).unwrap();
        let body = EventBody::SigningIntended {
            signature: SignatureId::parse("s-1").unwrap(),
            seal: SealId::parse("seal-1").unwrap(),
            document_sm3: [0xab; 32],
            key: KeyId::parse("k-1").unwrap(),
        };
        let actor = Actor::Caller { id: CallerId::parse("c-1").unwrap(), roles };
        let request = RequestId::parse("r-1").ok();
        Event { at: Timestamp::from_unix(1_795_392_000), actor, request, body }
    }

    #[test]
    fn a_use_of_a_seal_is_one_line() {
        let line = SecurityEvent::of(7, &used()).unwrap().to_json().unwrap();
        let expected = format!(
            "{{\"number\":7,\"at\":\"2026-11-23T00:00:00Z\",\"class\":\"signing-intended\",\"severity\":\"informational\",\
             \"actor\":\"caller\",\"actor_id\":\"c-1\",\"actor_roles\":\"seal-user\",\"request\":\"r-1\",\
             \"signature\":\"s-1\",\"seal\":\"seal-1\",\"document_sm3\":\"{}\",\"key\":\"k-1\"}}",
            "ab".repeat(32)
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn an_alarm_names_its_runbook_and_says_how_much_it_matters() {
        let alarm = Alarm {
            kind: AlarmKind::NightUse,
            seal: SealId::parse("seal-1").ok(),
            caller: None,
            sink: None,
            event: Some(7),
            count: 1,
        };
        let told = SecurityEvent::of(8, &Event { body: alarm.body(), ..used() }).unwrap();
        assert_eq!((told.severity, told.runbook), (Severity::Warning, Some("docs/runbooks/night-use.md")));
    }

    #[test]
    fn long_octets_are_told_by_their_hash() {
        let body = |length| EventBody::TimeStampsIssued { certificate_sm3: [1; 32], items: vec![1; length] };
        let items = |length| body(length).fields().into_iter().find(|(name, _)| *name == "items").unwrap().1;
        assert_eq!(items(2), "0101");
        let long = items(48);
        assert!(long.starts_with("sm3:") && long.len() == 4 + 64, "{long}");
    }

    #[test]
    fn no_field_takes_the_name_of_another() {
        let told = SecurityEvent::of(7, &used()).unwrap();
        let fixed = ["number", "at", "class", "severity", "actor", "runbook"];
        let names = fixed.into_iter().chain(told.fields.iter().map(|(name, _)| *name)).collect::<Vec<_>>();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
