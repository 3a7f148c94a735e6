//! The ground floor: time, randomness, identifiers, limits, secrets. Knows nothing about PKI.

pub mod clock;
pub mod id;
pub mod limits;
pub mod random;
pub mod secret;
