//! Audit events: what happened, typed, versioned, canonically encoded; and what they say of misuse.

mod alarm;
mod alarm_events;
mod body;
mod encoding;
mod event;
mod listing;
pub mod misuse;
mod reason;
mod security_event;
mod severity;

pub use alarm::{Alarm, AlarmKind, Suspends};
pub use body::{EventBody, EventClass};
pub use encoding::EncodingError;
pub use event::{Actor, Event};
pub use reason::{AbandonmentReason, RevocationReason, SuspensionReason};
pub use security_event::SecurityEvent;
pub use severity::{Severity, severity};
