//! Whom we ask on the network: small clients, each behind a trait, each with its time-out.

pub mod exchange;
pub mod kept;
pub mod notices;
pub mod ntp;
pub mod objects;
pub mod reach;
pub mod status;
pub mod web;
pub mod witness;
