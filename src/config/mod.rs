//! Configuration: raw (unknown keys refused) → validated.
pub mod verification;
