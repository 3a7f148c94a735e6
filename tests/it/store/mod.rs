//! The store: one contract for two databases, and what survives a kill.

mod authorities;
mod contract;
mod durability;
mod erasures;
mod escrow;
mod folder;
mod jobs;
pub(crate) mod postgres;
mod publication;
mod registration;
mod restart;
mod seal_life;
mod seal_remakes;
mod seal_uses;
mod services;
mod together;
mod verification_batches;
mod watching;
mod webhooks;

pub(crate) use folder::Folder;
