//! Audit events: what happened, typed, versioned, canonically encoded; the Merkle log of their entries; what they say of
//! misuse.

mod alarm;
mod alarm_events;
mod body;
pub mod checkpoint;
mod encoding;
pub mod entry;
mod event;
pub mod growth;
mod listing;
pub mod log_check;
mod logged_event;
pub mod misuse;
pub mod promise;
mod reason;
mod seal_events;
mod security_event;
mod severity;
pub mod statement;
mod things;
pub mod tree;
pub mod witness;

pub use alarm::{Alarm, AlarmKind, Suspends};
pub use body::{EventBody, EventClass};
pub use encoding::EncodingError;
pub use entry::{Entry, EntryError, Salt};
pub use event::{Actor, Event};
pub use logged_event::{LoggedEvent, UnknownEvent};
pub use reason::{AbandonmentReason, ErasureReason, RevocationReason, SuspensionReason};
pub use security_event::SecurityEvent;
pub use severity::{Severity, severity};
