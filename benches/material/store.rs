//! A server of the bench's own, as the tests start theirs.

#[path = "../../tests/it/store/folder.rs"]
mod folder;
#[expect(dead_code, reason = "tests make further databases on their server")]
#[path = "../../tests/it/store/postgres.rs"]
pub(crate) mod postgres;
#[path = "../../tests/it/store/restart.rs"]
mod restart;

pub(crate) use folder::Folder;
