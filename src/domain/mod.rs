//! Decisions: values in, values out. No clock, no I/O, no randomness of its own.

pub mod audit;
pub mod ca;
pub mod caller;
pub mod key;
pub mod message;
pub mod officer;
pub mod seal;
pub mod stamp;
pub mod trust;
pub mod verify;
pub mod webhook;
