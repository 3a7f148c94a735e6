//! Our seals: their states, what their maker signs, what their use signs.

pub mod face_table;
pub mod maker;
pub mod signing;
mod state;
pub mod taking;

pub use state::{InvalidTransition, State};
