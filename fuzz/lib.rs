//! The layers that read a stranger's bytes, compiled by themselves, and what the targets share.
//!
//! They are the product's own files. Because each layer names only layers below it, they need neither server nor
//! database: the instrumented build is a fraction of the whole product's.
//! `tests/fuzz_seeds.rs` holds the versions of the dependencies equal to the product's.

#[path = "../src/base/mod.rs"]
pub mod base;
#[path = "../src/crypto/mod.rs"]
pub mod crypto;
#[path = "../src/domain/mod.rs"]
pub mod domain;
#[path = "../src/http/fields.rs"]
mod fields;
#[path = "../src/format/mod.rs"]
pub mod format;
#[path = "../src/render/mod.rs"]
pub mod render;

pub mod check;
pub mod log;
pub mod mutate;

/// Structured field values, which the product reads privately.
pub mod http_fields {
    use crate::fields::{Item, byte_sequences, labelled_list};

    /// Reads both shapes; what was read must be read again from its own serialisation.
    pub fn read(text: &str) {
        let _ = byte_sequences(text);
        if let Ok(list) = labelled_list(text) {
            let again = format!("{}={}", list.label, list.serialised());
            assert_eq!(labelled_list(&again), Ok(list.clone()), "from {again:?}");
            assert!(list.parameters.iter().all(|(_, item)| matches!(item, Item::Text(_) | Item::Integer(_))));
        }
    }
}
