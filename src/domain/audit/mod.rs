//! Audit events: what happened, typed, versioned, canonically encoded.

mod encoding;
mod event;
mod reason;

pub use encoding::EncodingError;
pub use event::{Actor, Event, EventBody, EventClass};
pub use reason::{AbandonmentReason, RevocationReason, SuspensionReason};
