//! The ground floor: time, randomness, identifiers, limits, memory, secrets. Knows nothing about PKI.

pub mod clock;
pub mod credit_code;
pub mod csv;
pub mod division;
pub mod id;
pub mod limits;
pub mod memory;
pub mod random;
pub mod secret;
