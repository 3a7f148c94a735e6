//! Audit events: what happened, typed, versioned, canonically encoded.

mod body;
mod encoding;
mod event;
mod listing;
mod reason;

pub use body::{EventBody, EventClass};
pub use encoding::EncodingError;
pub use event::{Actor, Event};
pub use reason::{AbandonmentReason, RevocationReason, SuspensionReason};
