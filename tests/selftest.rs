//! The self-tests of the built program: what `yinxin selftest` says, and that `serve` does not start without.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use yinxin::base::random::{DeadRandom, Random, RandomUnavailable, SystemRandom};
use yinxin::crypto::algorithm::{Algorithm, REGISTRY};
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::sm4;
use yinxin::service::selftest::{Outcome, known_answers, require, run};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yinxin-selftest-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program with these variables and none of this environment's own.
fn program(arguments: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("YINXIN_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").args(arguments).stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (*name, value.as_os_str())));
    let output = command.output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn the_program_tests_itself() {
    let ran = program(&["selftest"], &[]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let last = ran.out.lines().last().unwrap();
    assert!(last.ends_with(": all passed"), "{last}");
    let ran = program(&["selftest", "--json"], &[]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &told["passed"]), (Some(0), &Value::Bool(true)));
    let rows = told["tests"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["result"] == "passed"));
    let policies: Vec<_> = rows.iter().filter_map(|row| row["name"].as_str()?.strip_prefix("policy ")).collect();
    let shipped = ["access.toml", "algorithms.toml", "faces.toml", "verification/default.toml"];
    let rest = ["verification/strict.toml", "verification/archive.toml", "verification/lenient-field.toml", "profiles"];
    assert_eq!(policies, [&shipped[..], &rest].concat());
    assert_eq!(rows.len(), known_answers().len() + policies.len());
}

/// What a row is about begins its name; what is computed and has no row would start untested.
#[test]
fn every_computed_algorithm_has_a_row() {
    let tests = known_answers();
    let about = |row: &Algorithm| match row.name {
        "sm2-key" => "sm2 public key",
        "p256-key" => "p256 public key",
        "p384-key" => "p384 public key",
        "p521-key" => "p521 public key",
        // Reading and making these keys is part of the rows that sign with them.
        "rsa-key" => "rsa-sha256",
        "ed25519-key" => "ed25519 verify",
        name => name,
    };
    for row in REGISTRY.iter().filter(|row| row.computed) {
        assert!(tests.iter().any(|test| test.name.starts_with(about(row))), "{} has no self-test", row.name);
    }
    for engine in sm4::Engine::available() {
        for name in ["sm4 block", "sm4-cbc", "sm4-ctr", "sm4-gcm", "sm4-ccm"] {
            let found = tests.iter().any(|test| test.name.starts_with(name) && test.engine == engine.name());
            assert!(found, "{name} by {} has no self-test", engine.name());
        }
    }
}

#[test]
fn generators_that_fail_are_noticed() {
    struct Stuck;
    impl Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
            buffer.fill(0x5a);
            Ok(())
        }
    }
    let tests = known_answers();
    let failing = |random: &dyn Random| -> Vec<String> {
        let rows = run(&tests, random).into_iter().filter(|row| row.outcome != Outcome::Passed);
        rows.map(|row| row.name).collect()
    };
    assert_eq!(failing(&SystemRandom), Vec::<String>::new());
    assert!(failing(&Stuck).contains(&"random".to_owned()));
    let dead = failing(&DeadRandom);
    for name in ["random", "sm2-sm3 sign and verify", "ecdsa-p256-sha256 sign and verify"] {
        assert!(dead.iter().any(|failed| failed == name), "{name}: {dead:?}");
    }
    assert_eq!(require(&tests, &DeadRandom).unwrap_err().code(), "selftest-failed");
}

/// The built program with a policy file whose digest is another: an operator's, changed after it was digested.
#[test]
fn a_changed_policy_file_keeps_the_service_down() {
    let place = Place::new("changed");
    let data = place.0.join("data");
    for (file, variable) in
        [("algorithms.toml", "YINXIN_POLICIES__ALGORITHMS"), ("access.toml", "YINXIN_POLICIES__ACCESS")]
    {
        let shipped = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(file)).unwrap();
        let digest = format!("{} *{file}\n", hex(&sm3(shipped.as_bytes())));
        let path = place.write(file, &shipped);
        place.write(&format!("{file}.sm3"), &digest);
        let variables = [(variable, path.as_path()), ("YINXIN_DATA_DIR", data.as_path())];
        let ran = program(&["selftest"], &variables);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        assert!(ran.out.contains(&format!("policy {}", path.display())), "{}", ran.out);

        // One octet more, in a comment: the policy itself says the same.
        fs::write(&path, format!("{shipped}#")).unwrap();
        let test = format!("policy {}", path.display());
        let refusal =
            format!("error: the self-test {test} (portable, differs) failed; nothing is started (selftest-failed)\n");
        let ran = program(&["serve"], &variables);
        assert_eq!((ran.code, ran.out.as_str()), (Some(70), ""));
        assert!(ran.err.ends_with(&refusal), "{}", ran.err);
        assert!(!data.exists(), "nothing was touched before the tests");
        let ran = program(&["selftest"], &variables);
        let count = ran.out.lines().count() - 1;
        let complaint = format!("error: 1 of {count} self-tests failed (selftest-failed)\n");
        assert_eq!((ran.code, ran.err), (Some(70), complaint));

        // A digest that is none is never met.
        fs::write(&path, &shipped).unwrap();
        place.write(&format!("{file}.sm3"), "");
        assert_eq!(program(&["selftest"], &variables).code, Some(70));
        // Without a digest beside it a file is taken as it is.
        fs::remove_file(place.0.join(format!("{file}.sm3"))).unwrap();
        assert_eq!(program(&["selftest"], &variables).code, Some(0));
    }
}

#[test]
fn policy_files_that_cannot_be_used_are_named() {
    let place = Place::new("unusable");
    let data = place.0.join("data");
    let serve = |path: &Path| {
        program(&["serve"], &[("YINXIN_POLICIES__ALGORITHMS", path), ("YINXIN_DATA_DIR", data.as_path())])
    };
    let absent = place.0.join("absent.toml");
    let ran = serve(&absent);
    assert_eq!(ran.code, Some(70));
    assert!(ran.err.starts_with(&format!("error: {} cannot be used: ", absent.display())), "{}", ran.err);
    let path = place.0.join("binary.toml");
    fs::write(&path, [0xff]).unwrap();
    assert_eq!(serve(&path).err, format!("error: the policy {} is not UTF-8 text\n", path.display()));
    let path = place.write("short.toml", "name = 'x'\nalgorithm = []\n");
    let ran = serve(&path);
    let expected = format!("error: the algorithm policy {}: sm3 has no rule\n", path.display());
    assert!(ran.err.ends_with(&expected), "{}", ran.err);
    assert!(!data.exists());
}
