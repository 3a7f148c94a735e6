//! Devices that hold keys, through the doors of the service: a SoftHSM2 token (PKCS#11), and our doubles of a PKCS#11
//! module with SM2 and of an SDF device.
//!
//! `scripts/test-peers` installs SoftHSM2. Where it is absent its test says SKIPPED by name; it fails instead under `CI`
//! or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

#[path = "devices/built.rs"]
mod built;
#[path = "devices/cli.rs"]
mod cli;
#[path = "devices/gm3.rs"]
mod gm3;
#[path = "devices/pkcs11.rs"]
mod pkcs11;
#[path = "devices/rows.rs"]
mod rows;
#[path = "devices/sdf.rs"]
mod sdf;
#[path = "devices/store.rs"]
mod store;
#[path = "devices/vendor.rs"]
mod vendor;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use built::built;

/// A fresh folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("devices").join(format!("{name}-{}", std::process::id()));
    // Of an earlier run with the same number.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A file that only its owner may read.
fn secret(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}
