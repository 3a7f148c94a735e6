//! Audit events: what happened, typed, versioned, canonically encoded; and the Merkle log of their entries.

mod body;
pub mod checkpoint;
mod encoding;
pub mod entry;
mod event;
mod listing;
pub mod log_check;
mod reason;
pub mod tree;

pub use body::{EventBody, EventClass};
pub use encoding::EncodingError;
pub use entry::{Entry, EntryError, Salt};
pub use event::{Actor, Event};
pub use reason::{AbandonmentReason, RevocationReason, SuspensionReason};
