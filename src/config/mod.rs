//! Configuration: raw (unknown keys refused) → validated.
