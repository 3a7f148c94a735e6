//! What the tests of the arithmetic share: edge values, repeatable draws, and how many.

use super::limbs::{self, Limbs};
use crate::crypto::sm3::sm3;

/// How many drawn cases, from `YINXIN_DIFFERENTIAL_FIELD`; a long run takes ten million.
pub(super) fn count(set: Option<String>) -> usize {
    set.map_or(20_000, |count| count.parse().unwrap())
}

/// 0, 1, 2, m-1, m-2, halves, limbs of all ones and of none, long carries; all below m.
pub(super) fn edges(m: &Limbs) -> Vec<Limbs> {
    let [m0, m1, m2, m3] = *m;
    let mut edges = vec![
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [2, 0, 0, 0],
        [m0 - 1, m1, m2, m3],
        [m0 - 2, m1, m2, m3],
        [m0 >> 1 | m1 << 63, m1 >> 1 | m2 << 63, m2 >> 1 | m3 << 63, m3 >> 1],
    ];
    let words = [0, 1, 0xffff_ffff, 0xffff_ffff_0000_0000, u64::MAX - 1, u64::MAX];
    for low in words {
        for high in words {
            edges.push([low, high, low, high >> 1]);
            edges.push([high, high, low, m3 - 1]);
            edges.push([low, low, high, 0]);
            edges.push([low, m1, m2, m3]);
        }
    }
    edges.retain(|edge| limbs::mask_less(edge, m) != 0);
    edges
}

/// Draws from SM3 of a label and a counter.
pub(super) struct Draws {
    label: &'static [u8],
    counter: u64,
}

impl Draws {
    pub(super) fn new(label: &'static [u8]) -> Self {
        Self { label, counter: 0 }
    }

    /// A number below m; every eighth has runs of ones or zeros in place of drawn limbs.
    pub(super) fn below(&mut self, m: &Limbs) -> Limbs {
        loop {
            self.counter += 1;
            let bytes = sm3(&[self.label, &self.counter.to_be_bytes()].concat());
            let mut drawn = limbs::from_be_bytes(&bytes);
            if self.counter.is_multiple_of(8) {
                for (bit, limb) in drawn.iter_mut().enumerate() {
                    match bytes[0] >> (2 * bit) & 3 {
                        0 => *limb = 0,
                        1 => *limb = u64::MAX,
                        _ => {}
                    }
                }
            }
            if limbs::mask_less(&drawn, m) != 0 {
                return drawn;
            }
        }
    }
}
