//! Compiled only for the proof of constant time, never into the product: SM4's rounds by tables, as textbooks have them.
//!
//! Which lines of the tables a key and a text touch shows in the cache. `constant-time/` must report it.
#![expect(clippy::indexing_slicing, reason = "tables of 256 entries under octets")]

use std::sync::LazyLock;

use super::portable::{linear, substitute_bytes};

/// L(τ(x)) of each octet in each place.
static TABLES: LazyLock<[[u32; 256]; 4]> = LazyLock::new(|| {
    let entry = |place: u32, octet: u32| {
        let [.., a, b, c, d] = substitute_bytes((octet << (8 * place)).into()).to_be_bytes();
        linear(u32::from_be_bytes([a, b, c, d]) & (0xff << (8 * place)))
    };
    [0, 1, 2, 3].map(|place| {
        let mut table = [0; 256];
        (0..).zip(&mut table).for_each(|(octet, to)| *to = entry(place, octet));
        table
    })
});

/// τ of GB/T 32907 6.2.
static S_BOX: LazyLock<[u8; 256]> = LazyLock::new(|| {
    let mut table = [0; 256];
    (0..).zip(&mut table).for_each(|(octet, to)| *to = substitute_bytes(octet).to_le_bytes()[0]);
    table
});

/// The S-box on the four bytes of a word, looked up.
pub(super) fn tau(x: u32) -> u32 {
    u32::from_be_bytes(x.to_be_bytes().map(|octet| S_BOX[usize::from(octet)]))
}

/// L(τ(x)), looked up.
pub(super) fn linear_tau(x: u32) -> u32 {
    TABLES.iter().zip(x.to_le_bytes()).fold(0, |sum, (table, octet)| sum ^ table[usize::from(octet)])
}
