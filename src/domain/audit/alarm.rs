//! Alarms: the closed list of what somebody must look at, each with its severity and its runbook.

use crate::base::id::{CallerId, SealId};
use crate::domain::audit::body::EventBody;
use crate::domain::audit::severity::Severity;
use crate::domain::key::named;

named! {
    /// What an alarm is about. `docs/runbooks/` has a page of that name for each.
    AlarmKind {
        /// A seal was used at night.
        NightUse = 1, "night-use";
        /// A seal, or a caller, was at work far more often than usual.
        Burst = 2, "burst";
        /// A caller used a seal for the first time, long after others began to.
        NewCaller = 3, "new-caller";
        /// Requests of a caller, or of strangers, were refused again and again.
        RepeatedRefusals = 4, "repeated-refusals";
        /// Security events do not reach one of the places that they are sent to.
        SinkDown = 5, "sink-down";
        /// An acknowledged event is outside the trees of the audit log for longer than receipts promise.
        LogBehind = 6, "log-behind";
        /// A witness does not cosign the audit log, or saw another history of it.
        LogWitness = 7, "log-witness";
        /// A row that decides who may do something is not as it was written.
        RowChanged = 8, "row-changed";
        /// An office elsewhere that makes seals, or files them, does not answer.
        OfficeSilent = 10, "office-silent";
        /// A notice of a state change was given up: its receiver did not take it.
        WebhookDead = 11, "webhook-dead";
        /// A caller used a seal of a division in which it used none for long.
        NewDivision = 12, "new-division";
    }
}

/// Whose use an alarm may end until somebody has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspends {
    /// The seal rests; two officers can release it.
    Seal,
    /// The caller is barred; it comes back when two officers release it, or with another key.
    Caller,
}

impl AlarmKind {
    /// How much it matters.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Burst
            | Self::NewCaller
            | Self::NewDivision
            | Self::LogBehind
            | Self::LogWitness
            | Self::RowChanged => Severity::Alert,
            Self::SinkDown | Self::OfficeSilent | Self::WebhookDead => Severity::Error,
            Self::NightUse | Self::RepeatedRefusals => Severity::Warning,
        }
    }

    /// The page that says what to do, in the repository and in the manual.
    #[must_use]
    pub const fn runbook(self) -> &'static str {
        match self {
            Self::NightUse => "docs/runbooks/night-use.md",
            Self::Burst => "docs/runbooks/burst.md",
            Self::NewCaller => "docs/runbooks/new-caller.md",
            Self::RepeatedRefusals => "docs/runbooks/repeated-refusals.md",
            Self::SinkDown => "docs/runbooks/sink-down.md",
            Self::LogBehind => "docs/runbooks/log-behind.md",
            Self::LogWitness => "docs/runbooks/log-witness.md",
            Self::RowChanged => "docs/runbooks/row-changed.md",
            Self::OfficeSilent => "docs/runbooks/office-silent.md",
            Self::WebhookDead => "docs/runbooks/webhook-dead.md",
            Self::NewDivision => "docs/runbooks/new-division.md",
        }
    }

    /// What it may suspend, where the configuration says that it shall; nothing where there is nobody to suspend.
    #[must_use]
    pub const fn suspends(self) -> Option<Suspends> {
        match self {
            Self::NightUse | Self::Burst | Self::NewCaller | Self::NewDivision => Some(Suspends::Seal),
            Self::RepeatedRefusals => Some(Suspends::Caller),
            Self::SinkDown
            | Self::LogBehind
            | Self::LogWitness
            | Self::RowChanged
            | Self::OfficeSilent
            | Self::WebhookDead => None,
        }
    }
}

/// An alarm that a rule raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// The seal that was used.
    pub seal: Option<SealId>,
    /// Who used it, or was refused; nobody for strangers and for the operator.
    pub caller: Option<CallerId>,
    /// Where events do not arrive: a receiver, or a witness; or the row that was changed, the office that is silent, the
    /// division that is new to a caller.
    pub sink: Option<String>,
    /// The number of the event that tipped the balance.
    pub event: Option<u64>,
    /// How many there were in the window: uses, refusals, minutes of silence or of delay.
    pub count: u64,
}

impl Alarm {
    /// The event that records it.
    #[must_use]
    pub fn body(&self) -> EventBody {
        EventBody::AlarmRaised {
            alarm: self.kind,
            seal: self.seal.clone(),
            caller: self.caller.clone(),
            sink: self.sink.clone(),
            event: self.event,
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_names_its_runbook() {
        for kind in AlarmKind::ALL {
            assert_eq!(kind.runbook(), format!("docs/runbooks/{kind}.md"));
        }
    }
}
