//! The doubles of devices, as libraries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A double, as built: `cargo test` does it with all examples, `cargo test --test` does not.
pub(crate) fn built(example: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let program = std::env::current_exe().unwrap();
    let profile = program.parent().and_then(Path::parent).unwrap();
    let built = profile.join(format!("examples/lib{example}.so"));
    if !built.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", example, "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    built
}
