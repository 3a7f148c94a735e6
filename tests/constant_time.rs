//! The proof of constant time, as far as it fits into a test: `scripts/constant-time` holds all of it.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(path: &str) -> toml::Table {
    fs::read_to_string(root().join(path)).unwrap().parse().unwrap()
}

/// Secrets as undefined memory under valgrind: no report of the normal build, every place of the one that leaks on purpose.
#[test]
fn nothing_depends_on_a_secret_and_leaks_are_found() {
    let run = Command::new(root().join("scripts/constant-time")).arg("memcheck").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
    if said.contains("SKIPPED constant-time memcheck") {
        println!("SKIPPED nothing_depends_on_a_secret_and_leaks_are_found: no valgrind");
        return;
    }
    for build in ["normal", "portable", "leaky"] {
        assert!(said.contains(&format!("memcheck   {build:8}")), "{said}");
    }
}

/// What is judged is built as what is shipped, and the product cannot be built leaky.
#[test]
fn the_code_judged_is_the_code_shipped() {
    let (product, harness) = (manifest("Cargo.toml"), manifest("constant-time/Cargo.toml"));
    for (name, wanted) in harness["dependencies"].as_table().unwrap() {
        assert_eq!(wanted, &product["dependencies"][name], "{name}");
    }
    let (shipped, judged) = (&product["profile"]["release"], &harness["profile"]["release"]);
    for setting in ["opt-level", "lto", "codegen-units", "panic", "overflow-checks", "debug-assertions"] {
        assert_eq!(judged.get(setting), shipped.get(setting), "{setting}");
    }
    let features = product["features"].as_table().unwrap();
    assert_eq!(features.keys().collect::<Vec<_>>(), ["default", "vendored-openssl"]);
    for script in ["build.rs", ".cargo/config.toml"] {
        let text = fs::read_to_string(root().join(script)).unwrap_or_default();
        assert!(!text.contains("yinxin_"), "{script} sets a variant");
    }
}

/// Every variant stands under its `cfg`, and the list of what becomes public has reasons.
#[test]
fn whatever_becomes_public_says_why() {
    let mut pending = vec![root().join("src/crypto")];
    let (mut found, mut faults) = (0, Vec::new());
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path != Path::new(&root()).join("src/crypto/secrecy.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().collect::<Vec<_>>();
                for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("declassify(")) {
                    found += 1;
                    let above = lines.iter().take(index).rev().take(2);
                    if !above.into_iter().any(|above| above.trim_start().starts_with("//")) {
                        faults.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(found >= 9 && faults.is_empty(), "{found} found, without a reason:\n{}", faults.join("\n"));
}
