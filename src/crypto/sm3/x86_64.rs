//! SM3 by the instructions of x86-64 processors, each path behind its own detection.

#![expect(unsafe_code, reason = "code for instructions beyond the baseline may run only after their detection")]

use super::compress::{Block, State, compress_portable};

/// Compresses with BMI1 and BMI2 (and-not, rotations into another register); false if the processor lacks them.
pub(super) fn compress_bmi2(state: &mut State, blocks: &[Block]) -> bool {
    #[target_feature(enable = "bmi1,bmi2")]
    fn compress(state: &mut State, blocks: &[Block]) {
        compress_portable(state, blocks);
    }
    if !(is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")) {
        return false;
    }
    // SAFETY: both features were detected.
    unsafe { compress(state, blocks) };
    true
}
