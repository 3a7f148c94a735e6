//! `yinxin keys` from outside: what an operator types, what comes back, and what stands in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use yinxin::config::algorithms::BUILT_IN;

use crate::process::{Running, program};
use crate::store::Folder;

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys/signer.key.pem");

/// An installation without a development PKI, and its configuration.
struct Place {
    folder: Folder,
}

impl Place {
    fn new(name: &str) -> Self {
        let place = Self { folder: Folder::new(name) };
        place.configure("");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration with these lines below `[keys]`.
    fn configure(&self, keys: &str) {
        let folder = self.path("installation");
        let text = format!("data_dir = {:?}\n[log]\nlevel = \"error\"\n[keys]\n{keys}\n", folder.display().to_string());
        fs::write(self.path("y.toml"), text).unwrap();
    }

    fn keys(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).args(["keys", "--config", "y.toml"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that wants no input may have ended before it is written.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.keys(arguments, "");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and the end of what was said: the stable code.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.keys(arguments, "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        let code = told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned();
        (output.status.code().unwrap(), code)
    }

    fn list(&self) -> Vec<Value> {
        self.done(&["list", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn closed_file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn refusal(code: &str) -> (i32, String) {
    (4, code.to_owned())
}

#[test]
fn a_key_lives_and_dies() {
    let place = Place::new("cli-keys");
    assert_eq!(place.list(), [Value::Null; 0]);
    let import = ["import", KEY, "--purpose", "seal-signing", "--owner", "示例市印信演示局"];
    place.done(&import);
    let all = place.list();
    let [key] = &all[..] else { panic!("{all:?}") };
    let id = key["id"].as_str().unwrap();
    let facts =
        ["purpose", "algorithm", "state", "owner", "uses", "store", "sealing"].map(|name| key[name].as_str().unwrap());
    assert_eq!(facts, ["seal-signing", "sm2", "active", "示例市印信演示局", "sign", "software", "aes-256-gcm"]);
    assert_eq!(key["exportable"], false);
    assert_eq!(place.refused(&import), refusal("key-exists"));
    assert_eq!(place.done(&["list"]), format!("{id}  seal-signing  sm2  active  software  示例市印信演示局\n"));

    place.closed_file("passphrase", "a long passphrase\n");
    let export = ["export", id, "--out", "out.pem", "--passphrase-file", "passphrase"];
    assert_eq!(place.refused(&export), refusal("key-not-exportable"));
    assert!(!place.path("out.pem").exists());
    place.done(&["suspend", id, "--reason", "suspected-misuse"]);
    assert_eq!(place.list()[0]["suspension_reason"], "suspected-misuse");
    place.done(&["resume", id]);
    assert_eq!(place.refused(&["destroy", id, "--confirm", id]), refusal("key-invalid-transition"));
    place.done(&["suspend", id, "--reason", "retired"]);
    assert_eq!(place.refused(&["destroy", id, "--confirm", "another"]), refusal("not-confirmed"));
    let told = place.done(&["destroy", id, "--confirm", id]);
    assert!(told.contains("destruction_proof") && told.contains("\nstate              destroyed\n"), "{told}");
    assert_eq!(place.refused(&["resume", id]), refusal("key-invalid-transition"));
    assert_eq!(place.refused(&["show", "none"]), refusal("unknown-key"));
    let (code, told) = place.refused(&["suspend", id, "--reason", "whim"]);
    assert_eq!(code, 64);
    assert!(told.contains("one of owner-request, authority-order, suspected-misuse, retired"), "{told}");
}

#[test]
fn an_exportable_key_comes_back_from_its_file() {
    let (place, elsewhere) = (Place::new("cli-export"), Place::new("cli-import"));
    place.done(&[
        "import",
        KEY,
        "--purpose",
        "raw",
        "--owner",
        "a",
        "--exportable",
        "--not-after",
        "2099-01-01T00:00:00Z",
    ]);
    let key = &place.list()[0];
    assert_eq!(key["not_after"], "2099-01-01T00:00:00Z");
    place.closed_file("passphrase", "a long passphrase\n");
    let export = ["export", key["id"].as_str().unwrap(), "--out", "out.pem", "--passphrase-file", "passphrase"];
    place.done(&export);
    assert_eq!(fs::metadata(place.path("out.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.refused(&export), refusal("file-exists"));
    let (file, passphrase) = (place.path("out.pem"), place.path("passphrase"));
    let (file, passphrase) = (file.to_str().unwrap(), passphrase.to_str().unwrap());
    let import = ["import", file, "--purpose", "raw", "--owner", "b", "--passphrase-file", passphrase];
    elsewhere.done(&import);
    assert_eq!(elsewhere.list()[0]["public_key_sm3"], key["public_key_sm3"]);
    fs::set_permissions(place.path("passphrase"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(elsewhere.refused(&import).1, "key-file");
}

/// The policy that the configuration names is asked, with the clock's now, before anything is made or taken in.
#[test]
fn the_algorithm_policy_decides_what_is_made_and_taken_in() {
    let place = Place::new("cli-policy");
    let own = place.path("own.toml");
    let from = "name = \"sm2-sm3\"\nissue = \"always\"";
    assert!(BUILT_IN.contains(from));
    fs::write(&own, BUILT_IN.replace(from, "name = \"sm2-sm3\"\nissue = \"until 2020-01-01\"")).unwrap();
    place.configure(&format!("[policies]\nalgorithms = {:?}", own.display().to_string()));
    let generate = ["generate", "--purpose", "raw", "--algorithm", "sm2", "--owner", "a"];
    let import = ["import", KEY, "--purpose", "raw", "--owner", "a"];
    let told = "error: sm2-sm3 was allowed for anything new until 2020-01-01T23:59:59Z (algorithm-ended)\n";
    for arguments in [&generate[..], &import] {
        let output = place.keys(arguments, "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), told);
    }
    // What signs nothing is not asked about signatures.
    place.done(&["generate", "--purpose", "decryption", "--algorithm", "sm2", "--owner", "a"]);
    assert_eq!(place.list().len(), 1);
    let data = place.path("served");
    let mut serve = program();
    serve.env("YINXIN_DATA_DIR", &data).env("YINXIN_POLICIES__ALGORITHMS", &own).env("YINXIN_LOG__LEVEL", "error");
    let output = serve.arg("serve").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(70), 0), "no development PKI, no service");
    assert_eq!(String::from_utf8_lossy(&output.stderr), told);

    // The built-in policy: RSA keys of 2048 bits are verified by, and taken in no more.
    place.configure("");
    place.done(&import);
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap().private_key_to_der().unwrap();
    fs::write(place.path("rsa.der"), rsa).unwrap();
    let import = ["import", "rsa.der", "--purpose", "raw", "--owner", "a"];
    assert_eq!(place.refused(&import), refusal("algorithm-not-accepted"));
}

#[test]
fn the_key_above_all_changes_its_source() {
    let place = Place::new("cli-rewrap");
    place.done(&["import", KEY, "--purpose", "raw", "--owner", "a"]);
    let told = place.done(&["rotate"]);
    assert!(told.starts_with("1 keys sealed anew under the key-encryption key "), "{told}");
    assert_eq!(place.refused(&["shares"]), refusal("no-shares"));
    let few = ["rewrap", "--to-shares", "few", "--threshold", "3", "--count", "2"];
    assert_eq!(place.refused(&few), refusal("share-numbers"));
    assert_eq!(place.refused(&["rewrap", "--to-shares", "few"]).0, 64);
    assert_eq!(place.refused(&["rewrap"]).0, 64);
    place.done(&["rewrap", "--to-shares", "shares", "--threshold", "2", "--count", "3"]);
    assert_eq!(place.refused(&["list"]), refusal("other-key-source"));
    let file = |number: u32| place.path(&format!("shares/share-00{number}"));
    assert_eq!(fs::metadata(file(1)).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = |numbers: &[u32]| {
        let files = numbers.iter().map(|number| format!("{:?}", file(*number).display().to_string()));
        format!("share_files = [{}]", files.collect::<Vec<_>>().join(", "))
    };
    // One holder is away.
    let away = fs::read_to_string(file(1)).unwrap();
    fs::remove_file(file(1)).unwrap();
    place.configure(&listed(&[1, 2, 3]));
    assert_eq!(place.done(&["shares"]), "the shares open this installation\n");
    assert_eq!(place.list().len(), 1);
    place.configure(&listed(&[1, 2]));
    assert_eq!(place.refused(&["list"]), refusal("too-few-shares"));
    // The other brings the share in person.
    place.configure("share_files = [\"-\"]");
    let input = format!("{}{away}", fs::read_to_string(file(3)).unwrap());
    let output = place.keys(&["rewrap", "--to-environment", "kek"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    place.configure("environment = \"YINXIN_KEK\"");
    assert_eq!(place.refused(&["list"]), refusal("key-environment"));
    let mut command = program();
    command.current_dir(place.folder.path()).args(["keys", "list", "--config", "y.toml"]);
    let value = fs::read_to_string(place.path("kek")).unwrap();
    let output = command.env("YINXIN_KEK", value.trim_end()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

/// A service at work keeps its key-encryption key; everything else may be done beside it.
#[test]
fn beside_a_service_only_rotation_has_to_wait() {
    let folder = Folder::new("cli-beside");
    let installation = folder.path().join("installation");
    let running = Running::serve(&installation, &[]);
    let keys = |arguments: &[&str]| {
        let mut command = program();
        let output = command.env("YINXIN_DATA_DIR", &installation).arg("keys").args(arguments).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    // Six of the development PKI, the one of its time-stamping authority, the one that signs reports, two of the audit log.
    let (code, listed, told) = keys(&["list"]);
    assert_eq!((code, listed.lines().count()), (0, 10), "{told}");
    let (code, _, told) = keys(&["rotate"]);
    assert_eq!(code, 4);
    assert!(told.contains("one service at a time (installation-in-use)"), "{told}");
    let second = program().env("YINXIN_DATA_DIR", &installation).arg("serve").output().unwrap();
    assert_eq!(second.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&second.stderr).contains("(installation-in-use)"));
    running.terminate();
    assert_eq!(keys(&["rotate"]).0, 0);
    // Keys of a development PKI may leave: they are worth nothing elsewhere.
    let key = listed.split_whitespace().next().unwrap();
    let (passphrase, out) = (folder.path().join("passphrase"), folder.path().join("out.pem"));
    fs::write(&passphrase, "a long passphrase").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (code, _, told) =
        keys(&["export", key, "--out", &text(&out), "--passphrase-file", &text(&passphrase), "--national"]);
    assert_eq!(code, 0, "{told}");
    Running::serve(&installation, &[]).terminate();
}
