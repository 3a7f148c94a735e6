//! What is measured: each use of a secret in the product, with the classes that tell a leak.

use yinxin::crypto::digest::hmac_sm3;

use crate::statistics::{Class, Subject};

/// All subjects; the control first.
pub fn subjects() -> Vec<Subject> {
    vec![
        Subject::new(
            "control",
            "a comparison that stops at the first difference: at the start, or anywhere",
            |class, coin| {
                let mut guess = [0_u8; 32];
                let first = if class == Class::Fixed { 0 } else { coin.next() as usize % 32 };
                guess[first] = 1;
                guess
            },
            |guess| early_exit(guess, &[0; 32]),
        ),
        Subject::new(
            "hmac-sm3-key",
            "the key",
            |class, coin| if class == Class::Fixed { [7; 32] } else { coin.bytes::<32>() },
            |key| hmac_sm3(key, &[b"message"]),
        ),
    ]
}

/// Leaks on purpose: the place of the first difference shows.
#[inline(never)]
fn early_exit(a: &[u8], b: &[u8]) -> bool {
    for (x, y) in a.iter().zip(b) {
        if std::hint::black_box(x) != std::hint::black_box(y) {
            return false;
        }
    }
    true
}
