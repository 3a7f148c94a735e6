//! Our seals: their states, what their maker signs, what their use signs.

mod state;

pub use state::{InvalidTransition, State};
