//! A private PostgreSQL for the devices' tests: that of the store's.

#[path = "../it/store/folder.rs"]
mod folder;
#[path = "../it/store/postgres.rs"]
pub(crate) mod postgres;

pub(crate) use folder::Folder;
