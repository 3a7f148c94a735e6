//! Our seals: what is applied for, their states, what their maker signs, who may use them, what their use signs.

pub mod application;
pub mod arrival;
pub mod authority;
pub mod code;
pub mod confirmation;
pub mod face_table;
pub mod import_table;
pub mod kind;
pub mod maker;
pub mod order;
pub mod person;
pub mod remake;
pub mod signing;
pub mod stamp_plan;
mod state;
pub mod statement;
pub mod taking;
pub mod to_sign;

pub use state::{ArchivedAfter, InvalidTransition, State};
