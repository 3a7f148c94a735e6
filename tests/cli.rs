//! The built program from outside: exit codes, JSON lines, usage errors, evidence that can be judged again.
//!
//! Most tests make their files themselves. Those that need sealed files made by others find them through
//! `YINXIN_FIXTURES`, else in `../shared/fixtures`; where they are absent each says SKIPPED by name, and fails instead under
//! `CI` or `YINXIN_TEST_PEERS=require`. `UPDATE=1` writes the golden files anew.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use yinxin::base::limits::Limits;

const NOTICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/notice.ofd");
const LIMIT: usize = Limits::DEFAULT.file_bytes;
const NOW: &str = "2026-11-23T00:00:00Z";

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    if root.join("eseal/expected.json").exists() {
        return Some(root.join("eseal"));
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

/// A fresh folder of one test.
fn folder(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn program(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    command.current_dir(place).env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program in a folder, with arguments separated by spaces.
fn run(place: &Path, arguments: &str) -> Run {
    run_words(place, &arguments.split_whitespace().collect::<Vec<_>>())
}

fn run_words(place: &Path, arguments: &[&str]) -> Run {
    let output = program(place).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Usage errors: exit code 64, nothing on stdout, these words on stderr.
fn misused(place: &Path, arguments: &str, message: &str) {
    let run = run(place, arguments);
    assert_eq!((run.code, run.out.as_str(), run.err.trim_end()), (64, "", message), "{arguments}");
}

fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expected, "{name} differs; UPDATE=1 writes it anew");
}

/// A self-signed certificate in PEM and DER.
fn certificate(name: &str) -> (String, Vec<u8>) {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    (made.pem(), made.der().to_vec())
}

#[test]
fn help_and_version_are_results() {
    let place = folder("help");
    golden("cli-help.txt", &run(&place, "--help").out);
    golden("cli-verify-help.txt", &run(&place, "verify --help").out);
    let expected = Run { code: 0, out: format!("yinxin {}\n", env!("CARGO_PKG_VERSION")), err: String::new() };
    assert_eq!(run(&place, "--version"), expected);
    assert_eq!(run(&place, "verify --help").code, 0);
}

#[test]
fn misuse_is_named_exactly() {
    let place = folder("misuse");
    fs::create_dir(place.join("empty")).unwrap();
    fs::write(place.join("not.pem"), "hello").unwrap();
    fs::write(place.join("broken.der"), [0x30, 0]).unwrap();
    fs::write(place.join("list.crl"), "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n").unwrap();
    fs::write(place.join("answer.der"), [0x30, 3, 0x0a, 1, 3]).unwrap();
    fs::write(place.join("odd.toml"), "name = 1\n").unwrap();
    fs::write(place.join("latin.toml"), [0xe9]).unwrap();
    let more = "\n\nFor more information, try '--help'.";
    let missing = "error: the following required arguments were not provided:\n  <FILE>...";
    misused(&place, "verify", &format!("{missing}\n\nUsage: yinxin verify <FILE>...{more}"));
    let unknown = "error: unexpected argument '--frobnicate' found\n\n  tip: to pass '--frobnicate' as a value, use '-- --frobnicate'";
    misused(&place, "verify x --frobnicate", &format!("{unknown}\n\nUsage: yinxin verify <FILE>...{more}"));
    let moment = "error: invalid value 'today' for '--at <RFC3339>': not a moment in RFC 3339 form, such as \
                  2026-11-23T00:00:00Z: today\n\nFor more information, try '--help'.";
    misused(&place, "verify x --at today", moment);
    let many = "error: --original goes with one FILE, but 2 are given (original-with-many-files)";
    misused(&place, "verify a b --original c", many);
    let policy = "error: no verification policy is named lax; there are default, strict, archive and lenient-field (policy-unknown)";
    misused(&place, "verify x --policy lax", policy);
    misused(
        &place,
        "verify x --policy latin.toml",
        "error: the policy latin.toml is not UTF-8 text (policy-malformed)",
    );
    let odd = run(&place, "verify x --policy odd.toml");
    let start = "error: the verification policy odd.toml cannot be read: TOML parse error at line 1, column 8";
    assert!(odd.code == 64 && odd.err.starts_with(start) && odd.err.ends_with("(policy-malformed)\n"), "{odd:?}");
    let none = "error: not.pem holds no certificate, neither PEM nor DER (no-certificate)";
    misused(&place, "verify x --trust not.pem", none);
    let broken = "error: broken.der: certificate 1 cannot be read: tbsCertificate is missing (certificate-malformed)";
    misused(&place, "verify x --evidence broken.der", broken);
    let folder = "error: the folder empty holds no file that ends in .pem, .crt, .cer, .der (folder-empty)";
    misused(&place, "verify x --trust empty", folder);
    let list = "error: list.crl holds a certificate revocation list that cannot be read: CertificateList is not DER: its \
                tag or length is malformed, or it runs past the end (evidence-malformed)";
    misused(&place, "verify x --evidence list.crl", list);
    let anchor = "error: list.crl holds a certificate revocation list, which is no anchor (evidence-is-no-anchor)";
    misused(&place, "verify x --trust list.crl", anchor);
    let answer = "error: answer.der holds an OCSP answer, which is no anchor (evidence-is-no-anchor)";
    misused(&place, "verify x --trust answer.der", answer);
    assert_eq!(run(&place, "").code, 64);
    assert_eq!(run(&place, "frobnicate").code, 64);
    let absent = run(&place, "verify x --trust absent.pem");
    let message = "error: absent.pem cannot be read: No such file or directory (os error 2) (file-unreadable)\n";
    assert_eq!(absent, Run { code: 66, out: String::new(), err: message.into() });
}

#[test]
fn several_files_give_one_line_each_and_the_worst_decides() {
    let place = folder("several");
    fs::copy(NOTICE, place.join("notice.ofd")).unwrap();
    fs::write(place.join("noise.bin"), "noise").unwrap();
    // A hole: nothing is stored, and nothing of it may be read.
    File::create(place.join("huge.ofd")).unwrap().set_len(1 << 40).unwrap();
    let unsigned = run(&place, "verify notice.ofd --json");
    assert_eq!((unsigned.code, unsigned.err.as_str()), (3, ""));
    let report = &lines(&unsigned)[0];
    assert_eq!((&report["format"], &report["indication"]), (&json!("ofd"), &json!("NO_SIGNATURE_FOUND")));
    assert_eq!(report["error"], Value::Null);

    let refused = run(&place, "verify notice.ofd noise.bin huge.ofd --json --offline");
    assert_eq!((refused.code, refused.err.as_str()), (4, ""));
    let found: Vec<_> =
        lines(&refused).iter().map(|line| (line["file"].clone(), line["error"]["code"].clone())).collect();
    assert_eq!(
        found,
        [
            (json!("notice.ofd"), Value::Null),
            (json!("noise.bin"), json!("unknown-format")),
            (json!("huge.ofd"), json!("file-too-large"))
        ]
    );
    assert_eq!(
        lines(&refused)[2]["error"]["detail"],
        format!("the file has 1099511627776 bytes, the limit is {LIMIT}")
    );

    let absent = run(&place, "verify absent.ofd noise.bin . notice.ofd --json");
    assert_eq!(absent.code, 66);
    let expected = "error: absent.ofd cannot be read: No such file or directory (os error 2) (file-unreadable)\n\
                    error: . cannot be read: Is a directory (os error 21) (file-unreadable)\n";
    assert_eq!(absent.err, expected);
    let found = lines(&absent);
    assert_eq!(found.len(), 4);
    for (index, code) in [(0, "file-unreadable"), (1, "unknown-format"), (2, "file-unreadable")] {
        assert_eq!(found[index]["error"]["code"], code);
        assert_eq!((&found[index]["indication"], &found[index]["signatures"]), (&json!("REFUSED"), &json!([])));
    }
    assert_eq!(found[0]["format"], Value::Null);
    let detached = run(&place, "verify notice.ofd --original absent.xml --json");
    assert_eq!((detached.code, &lines(&detached)[0]["error"]["code"]), (66, &json!("original-unreadable")));
    let detached = run(&place, "verify notice.ofd --original huge.ofd --json");
    assert_eq!((detached.code, &lines(&detached)[0]["error"]["code"]), (4, &json!("original-too-large")));
}

#[test]
fn endless_input_is_cut_off() {
    let place = folder("endless");
    if !Path::new("/dev/zero").exists() {
        eprintln!("SKIPPED endless_input_is_cut_off: no /dev/zero");
        return;
    }
    let run = run(&place, "verify /dev/zero --json");
    assert_eq!(run.code, 4);
    let detail = format!("the file has more than {LIMIT} bytes, the limit is {LIMIT}");
    assert_eq!(lines(&run)[0]["error"]["detail"], detail);
}

#[test]
fn text_for_people_is_plain_and_cannot_steer_a_terminal() {
    let place = folder("text");
    let evil = "a\u{1b}[2J\u{202e}\n.ofd";
    fs::copy(NOTICE, place.join(evil)).unwrap();
    fs::write(place.join("noise.bin"), "noise").unwrap();
    let run = run_words(&place, &["verify", evil, "noise.bin", "absent\u{7}", "--at", NOW]);
    assert_eq!(run.code, 66);
    golden("cli-verify-text.txt", &run.out);
    let absent = "error: absent\\u{7} cannot be read: No such file or directory (os error 2) (file-unreadable)\n";
    assert_eq!(run.err, absent);
    let json = run_words(&place, &["verify", evil, "--json"]);
    assert!(json.out.starts_with("{\"file\":\"a\\u001b[2J\\u202e\\n.ofd\""), "{}", json.out);
    assert_eq!(lines(&json)[0]["file"], evil);
}

#[test]
fn a_closed_pipe_is_silent_and_a_full_disk_is_not() {
    let place = folder("pipe");
    let mut child = program(&place)
        .args(["verify", NOTICE, NOTICE, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(3), ""));
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        eprintln!("SKIPPED a_closed_pipe_is_silent_and_a_full_disk_is_not: no /dev/full");
        return;
    };
    let output = program(&place).args(["verify", NOTICE]).stdout(full).output().unwrap();
    let message = "error: results cannot be written: No space left on device (os error 28)\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(70), message));
}

#[test]
fn anchors_come_from_files_and_folders_and_count_once() {
    let place = folder("anchors");
    let (one, two, three) = (certificate("one"), certificate("two"), certificate("three DEVELOPMENT"));
    fs::create_dir(place.join("trusted")).unwrap();
    fs::create_dir(place.join("trusted/folder.pem")).unwrap();
    fs::write(place.join("trusted/b.DER"), &two.1).unwrap();
    fs::write(place.join("trusted/a.pem"), format!("{}{}", one.0, two.0)).unwrap();
    fs::write(place.join("trusted/readme.txt"), "not read").unwrap();
    fs::write(place.join("three.cer"), &three.0).unwrap();
    let of_folder = &lines(&run(&place, &format!("verify {NOTICE} --json --trust trusted")))[0]["trust"];
    assert_eq!((&of_folder["anchors"], &of_folder["notice"]), (&json!(2), &Value::Null));
    let of_file = &lines(&run(&place, &format!("verify {NOTICE} --json --trust trusted/a.pem")))[0]["trust"];
    assert_eq!(of_file, of_folder);
    let run_all = run(&place, &format!("verify {NOTICE} --json --trust trusted --trust three.cer"));
    let all = &lines(&run_all)[0]["trust"];
    assert_eq!((&all["anchors"], &all["notice"]), (&json!(3), &json!("DEVELOPMENT TRUST")));
    let text = run(&place, &format!("verify {NOTICE} --trust three.cer")).out;
    assert!(text.contains("\n  DEVELOPMENT TRUST 开发信任: "), "{text}");
    let helping = run(&place, &format!("verify {NOTICE} --json --evidence trusted"));
    assert_eq!(lines(&helping)[0]["trust"]["anchors"], 0);
}

/// Runs the replay of a bundle, as a shell would.
fn replayed(place: &Path, bundle: &str) -> String {
    let index: Value = serde_json::from_slice(&fs::read(place.join(bundle).join("evidence.json")).unwrap()).unwrap();
    let replay = index["replay"].as_str().unwrap().strip_prefix("yinxin ").unwrap();
    let script = format!("exec \"$0\" {replay}");
    let output =
        Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_yinxin")]).current_dir(place).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn saved_evidence_gives_the_same_bytes_again_and_is_never_overwritten() {
    let place = folder("evidence");
    fs::create_dir(place.join("it's")).unwrap();
    fs::copy(NOTICE, place.join("it's/notice.ofd")).unwrap();
    fs::copy(NOTICE, place.join("notice.ofd")).unwrap();
    fs::write(place.join("root.pem"), certificate("root").0).unwrap();
    fs::write(place.join("ca.pem"), certificate("ca").0).unwrap();
    let arguments = "verify notice.ofd it's/notice.ofd --json --trust root.pem --evidence ca.pem --policy strict --save-evidence kept/one";
    let first = run(&place, arguments);
    assert_eq!((first.code, first.err.as_str()), (3, ""));
    // Neither the clock nor the files of certificates are asked again.
    fs::remove_file(place.join("root.pem")).unwrap();
    fs::remove_file(place.join("ca.pem")).unwrap();
    assert_eq!(replayed(&place, "kept/one"), first.out);
    let read = |name: &str| fs::read_to_string(place.join("kept/one").join(name)).unwrap();
    let reports = format!("{}{}", read("notice.ofd.report.json"), read("notice.ofd-2.report.json"));
    assert_eq!(reports, first.out);
    assert_eq!(read("policy.toml"), include_str!("../policies/verification/strict.toml"));
    assert_eq!(read("algorithms.toml"), include_str!("../policies/algorithms.toml"));
    let index: Value = serde_json::from_str(&read("evidence.json")).unwrap();
    let size = fs::metadata(NOTICE).unwrap().len();
    assert_eq!((&index["inputs"][1]["file"], &index["inputs"][1]["bytes"]), (&json!("it's/notice.ofd"), &json!(size)));
    assert_eq!(index["verified_at"], lines(&first)[0]["verified_at"]);

    let before = read("evidence.json");
    let again = run(&place, "verify notice.ofd --save-evidence kept/one");
    let message =
        "error: kept/one/notice.ofd.report.json exists already, and evidence is never overwritten (evidence-exists)\n";
    assert_eq!(again, Run { code: 64, out: String::new(), err: message.into() });
    assert_eq!(read("evidence.json"), before);
    // A folder that cannot be made.
    let blocked = run(&place, "verify notice.ofd --save-evidence notice.ofd/x");
    let message = "error: notice.ofd/x cannot be written: Not a directory (os error 20) (evidence-not-written)\n";
    assert_eq!((blocked.code, blocked.err.as_str()), (70, message));
}

#[test]
fn revocation_lists_are_judged_kept_and_judged_again() {
    let Some(root) = fixtures("revocation_lists_are_judged_kept_and_judged_again") else { return };
    let expected: Value = serde_json::from_slice(&fs::read(root.join("expected.json")).unwrap()).unwrap();
    for (number, row) in expected["with_crl"].as_array().unwrap().iter().enumerate() {
        let place = folder(&format!("lists-{number}"));
        fs::copy(root.join(row["file"].as_str().unwrap()), place.join("sealed.ofd")).unwrap();
        fs::copy(root.join(row["crl"].as_str().unwrap()), place.join("list.crl")).unwrap();
        fs::copy(root.join("generated/keys/ca.pem"), place.join("ca.pem")).unwrap();
        let first = run(
            &place,
            &format!("verify sealed.ofd --json --at {NOW} --trust ca.pem --evidence list.crl --save-evidence kept"),
        );
        assert_eq!((Value::from(first.code), first.err.as_str()), (row["exit_code"].clone(), ""), "{}", first.out);
        let report = &lines(&first)[0];
        let sub = |report: &Value| report["signatures"][1]["sub_indication"].clone();
        assert_eq!(sub(report), row["signatures"][1]["sub_indication"]);
        assert_eq!(faults(report), Vec::<String>::new());
        fs::remove_file(place.join("list.crl")).unwrap();
        fs::remove_file(place.join("ca.pem")).unwrap();
        assert_eq!(replayed(&place, "kept"), first.out);
        let index: Value = serde_json::from_slice(&fs::read(place.join("kept/evidence.json")).unwrap()).unwrap();
        assert_eq!(index["evidence"], "evidence.pem");
    }
}

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// The shipped algorithm policy with one change and a name of its own.
fn own_algorithms(from: &str, to: &str) -> String {
    let text = yinxin::config::algorithms::BUILT_IN;
    assert!(text.contains(from), "{from}");
    text.replace(from, to).replace("name = \"default\"", "name = \"own\"")
}

fn sm3_hex(bytes: &[u8]) -> String {
    yinxin::service::verification::sm3_hex(bytes)
}

#[test]
fn another_algorithm_policy_turns_the_axis_and_is_named_by_the_report() {
    let place = folder("algorithms");
    let file = format!("{VECTORS}/ofd/accept/v4_basic.ofd");
    let judge = format!("verify {file} --trust {VECTORS}/keys/ca.pem --at {NOW} --json");
    let shipped = run(&place, &judge);
    let report = &lines(&shipped)[0];
    assert_eq!((shipped.code, &report["signatures"][0]["algorithm"]["status"]), (0, &json!("ok")));
    let built_in = yinxin::config::algorithms::BUILT_IN.as_bytes();
    assert_eq!(report["policy"]["algorithms"], json!({ "name": "default", "sm3": sm3_hex(built_in) }));

    // SM2 came to its end the day before.
    let rule = |term: &str| format!("name = \"sm2-sm3\"\nissue = \"{term}\"\naccept = \"{term}\"");
    let text = own_algorithms(&rule("always"), &rule("until 2026-11-22"));
    fs::write(place.join("own.toml"), &text).unwrap();
    let own = run(&place, &format!("{judge} --algorithms own.toml --save-evidence kept"));
    assert_eq!((own.code, own.err.as_str()), (2, ""));
    let report = &lines(&own)[0];
    let axis = &report["signatures"][0]["algorithm"];
    assert_eq!((&axis["status"], &axis["code"]), (&json!("failed"), &json!("algorithm-ended")));
    assert_eq!(axis["detail"], "sm2-sm3 was accepted until 2026-11-22T23:59:59Z (policy own)");
    assert_eq!(report["signatures"][0]["signature"]["status"], "ok");
    assert_eq!(report["policy"]["name"], "default");
    assert_eq!(report["policy"]["algorithms"], json!({ "name": "own", "sm3": sm3_hex(text.as_bytes()) }));
    assert_eq!(faults(report), Vec::<String>::new());

    // The evidence holds the policy: its file is not asked again, nor the clock.
    fs::remove_file(place.join("own.toml")).unwrap();
    assert_eq!(replayed(&place, "kept"), own.out);
    assert_eq!(fs::read_to_string(place.join("kept/algorithms.toml")).unwrap(), text);
    // At its last moment it was accepted.
    let earlier = judge.replace(NOW, "2026-11-22T23:59:59Z");
    assert_eq!(run(&place, &format!("{earlier} --algorithms kept/algorithms.toml")).code, 0);
    let text = run(&place, &format!("verify {file} --at {NOW} --algorithms kept/algorithms.toml")).out;
    assert!(text.contains("policy default, algorithm policy own, anchors 0"), "{text}");
}

#[test]
fn algorithm_policies_that_cannot_be_used_are_named() {
    let place = folder("algorithms-misuse");
    fs::write(place.join("latin.toml"), [0xe9]).unwrap();
    fs::write(place.join("short.toml"), "name = 'x'\nalgorithm = []\n").unwrap();
    fs::write(place.join("odd.toml"), "name = 1\n").unwrap();
    fs::write(place.join("term.toml"), own_algorithms("until 2030-12-31", "for a while")).unwrap();
    fs::write(place.join("silent.toml"), own_algorithms("\"RFC 6151 2\"", "\"\"")).unwrap();
    let refused = |file: &str, message: &str| misused(&place, &format!("verify x --algorithms {file}"), message);
    refused("latin.toml", "error: the policy latin.toml is not UTF-8 text (policy-malformed)");
    refused("short.toml", "error: the algorithm policy short.toml: sm3 has no rule (policy-contradiction)");
    let term = "rsa-key: \"for a while\" is neither always, never nor until YYYY-MM-DD (policy-malformed)";
    refused("term.toml", &format!("error: the algorithm policy term.toml: {term}"));
    refused("silent.toml", "error: the algorithm policy silent.toml: md5 cites no clause (policy-malformed)");
    let odd = run(&place, "verify x --algorithms odd.toml");
    let start = "error: the algorithm policy odd.toml cannot be read: TOML parse error at line 1, column 8";
    assert!(odd.code == 64 && odd.err.starts_with(start) && odd.err.ends_with("(policy-malformed)\n"), "{odd:?}");
    let absent = run(&place, "verify x --algorithms absent.toml");
    let message = "error: absent.toml cannot be read: No such file or directory (os error 2) (file-unreadable)\n";
    assert_eq!(absent, Run { code: 66, out: String::new(), err: message.into() });
}

/// One row of what an independent checker expects.
fn rows(root: &Path) -> Vec<Value> {
    let expected: Value = serde_json::from_slice(&fs::read(root.join("expected.json")).unwrap()).unwrap();
    let is_seal = |signature: &Value| signature["kind"].as_str().unwrap().starts_with("ses-");
    let seals = |row: &&Value| row["signatures"].as_array().is_none_or(|all| all.iter().all(is_seal));
    expected["files"].as_array().unwrap().iter().filter(seals).cloned().collect()
}

#[test]
fn exit_codes_of_sealed_files_are_as_expected() {
    let Some(root) = fixtures("exit_codes_of_sealed_files_are_as_expected") else { return };
    let mut codes = std::collections::BTreeSet::new();
    for row in rows(&root) {
        let file = row["file"].as_str().unwrap();
        let mut arguments = format!("verify {file} --json --at {NOW}");
        for anchor in row["trust"].as_array().unwrap() {
            arguments.push_str(&format!(" --trust {}", anchor.as_str().unwrap()));
        }
        let run = run(&root, &arguments);
        assert_eq!(Value::from(run.code), row["exit_code"], "{file}: {}", run.out);
        assert_eq!(lines(&run)[0]["indication"], row["indication"], "{file}");
        codes.insert(run.code);
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_batch_of_sealed_files_keeps_its_order_and_replays_byte_for_byte() {
    let Some(root) = fixtures("a_batch_of_sealed_files_keeps_its_order_and_replays_byte_for_byte") else { return };
    let place = folder("batch");
    let rows = rows(&root);
    let paths: Vec<_> = rows.iter().map(|row| root.join(row["file"].as_str().unwrap()).display().to_string()).collect();
    let keys = root.join("generated/keys/ca.pem").display().to_string();
    let mut arguments = vec!["verify", "--json", "--trust", &keys, "--save-evidence", "kept"];
    arguments.extend(paths.iter().map(String::as_str));
    let run = run_words(&place, &arguments);
    // Some are refused, which outranks those that failed.
    assert_eq!((run.code, run.err.as_str()), (4, ""));
    let files: Vec<_> = lines(&run).iter().map(|line| line["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(files, paths);
    assert_eq!(replayed(&place, "kept"), run.out);
}

#[test]
fn a_seal_cannot_steer_the_terminal() {
    let Some(root) = fixtures("a_seal_cannot_steer_the_terminal") else { return };
    let place = folder("steering");
    let from = root.join("ses/suzhou_civil_affairs_v4");
    let mut value = fs::read(from.join("SignValue.dat")).unwrap();
    let name = "苏州市民政局".as_bytes();
    let at = value.windows(name.len()).position(|bytes| bytes == name).unwrap();
    value[at..at + 9].copy_from_slice("\u{1b}]0;x\u{7}\u{9b}\u{a}".as_bytes());
    fs::write(place.join("value.dat"), value).unwrap();
    fs::copy(from.join("Signature.xml"), place.join("Signature.xml")).unwrap();
    let arguments = format!("verify value.dat --original Signature.xml --at {NOW}");
    let text = run(&place, &arguments);
    assert_eq!(text.code, 1);
    assert!(text.out.contains("    Seal 印章               \\u{1b}]0;x\\u{7}\\u{9b}\\u{a}民政局"), "{}", text.out);
    assert!(text.out.contains("\n    ✘ SEAL 印章 "), "{}", text.out);
    assert!(text.out.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", text.out);
    let json = run(&place, &format!("{arguments} --json"));
    assert!(json.out.trim_end().chars().all(|c| !c.is_control()), "{:?}", json.out);
    let seal = &lines(&json)[0]["signatures"][0]["seal_summary"]["name"];
    assert!(seal.as_str().unwrap().starts_with("\u{1b}]0;x\u{7}\u{9b}\u{a}民政局"), "{seal}");
}

#[test]
fn text_names_seal_anchor_and_reasons() {
    let Some(root) = fixtures("text_names_seal_anchor_and_reasons") else { return };
    let passed = run(&root, &format!("verify generated/v4_basic.ofd --trust generated/keys/ca.pem --at {NOW}"));
    assert_eq!((passed.code, passed.err.as_str()), (0, ""));
    for wanted in [
        "generated/v4_basic.ofd: TOTAL_PASSED 验证通过\n",
        "    Seal 印章               测试单位电子印章 (esID 11010100000001), 40 × 40 mm\n",
        "    ✔ INTACT 完整性         5 parts match their sm3 digests",
        "    ✔ TRUSTED 信任链        signer and maker lead to a trusted anchor\n",
        "CN=RefPeer SM2 Root",
        "    ! REVOCATION 吊销       ",
    ] {
        assert!(passed.out.contains(wanted), "{wanted:?} in\n{}", passed.out);
    }
    assert!(!passed.out.contains("REASONS"));
    let failed = run(&root, "verify real/tax_invoice_cq_test_1page_v4_document_edited.ofd");
    assert_eq!(failed.code, 1);
    for wanted in [
        "    ✘ INTACT 完整性         changed after signing: /Doc_0/Document.xml (reference-wrong)\n",
        "    REASONS 原因\n      1. TOTAL_FAILED HASH_FAILURE: changed after signing: /Doc_0/Document.xml (reference-wrong)\n",
        "      2. INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND: ",
    ] {
        assert!(failed.out.contains(wanted), "{wanted:?} in\n{}", failed.out);
    }
}

#[test]
fn a_report_is_written_as_a_file_once() {
    let place = folder("report");
    let verify = |form: &str, to: &str| {
        run(&place, &format!("verify {NOTICE} --at {NOW} --json --report {form} --report-to {to}"))
    };
    for form in ["json", "html"] {
        let (one, two) = (verify(form, &format!("1.{form}")), verify(form, &format!("2.{form}")));
        assert_eq!((one.code, one.err.as_str(), &one), (3, "", &two));
        let read = |name: String| fs::read_to_string(place.join(name)).unwrap();
        let text = read(format!("1.{form}"));
        assert_eq!(text, read(format!("2.{form}")), "the same report gives the same octets");
        if form == "json" {
            assert_eq!(lines(&one)[0], serde_json::from_str::<Value>(&text).unwrap());
            assert_eq!(lines(&one)[0]["summary"]["zh"]["heading"], "文件里没有电子签章或签名");
            assert_eq!(lines(&one)[0]["document_sm3"].as_str().unwrap().len(), 64);
        } else {
            assert!(text.starts_with("<!doctype html>") && text.contains("文件里没有电子签章或签名"), "{text}");
            assert!(text.contains("data:image/svg+xml;base64,") && !text.contains("<script"), "its pages are drawn");
        }
        let again = verify(form, &format!("1.{form}"));
        assert_eq!((again.code, again.out.as_str()), (64, ""));
        assert!(again.err.ends_with("(report-exists)\n"), "{}", again.err);
    }
    let many = run(&place, &format!("verify {NOTICE} {NOTICE} --report json --report-to many.json"));
    assert_eq!(many.code, 64);
    assert!(many.err.ends_with("(report-of-many-files)\n"), "{}", many.err);
    let nowhere = verify("html", "absent/report.html");
    assert_eq!(nowhere.code, 70);
    assert!(nowhere.err.ends_with("(report-not-written)\n"), "{}", nowhere.err);
    assert_eq!(run(&place, &format!("verify {NOTICE} --report pdf --report-to x")).code, 64);
    assert_eq!(run(&place, &format!("verify {NOTICE} --report html")).code, 64, "no place is named");
}

/// Checks a value against the part of JSON Schema 2020-12 that our schema uses; any other keyword is a fault of the schema.
fn check(schema: &Value, value: &Value, root: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "additionalProperties" => {
                assert_eq!(rule, true);
                true
            }
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                check(target, value, root, at, faults);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|kind| is_of(kind.as_str().unwrap(), value)),
                kind => is_of(kind.as_str().unwrap(), value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(|branch| {
                let mut inner = Vec::new();
                check(branch, value, root, at, &mut inner);
                inner.is_empty()
            }),
            "required" => {
                let names = rule.as_array().unwrap().iter();
                value.is_null() || names.map(|name| name.as_str().unwrap()).all(|name| value.get(name).is_some())
            }
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(inner, member, root, &format!("{at}/{name}"), faults);
                    }
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, root, &format!("{at}/{index}"), faults);
                }
                true
            }
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches_pattern(rule.as_str().unwrap(), text)),
            other => panic!("the schema uses {other}, which this check does not know"),
        };
        if !fits {
            faults.push(format!("{at}: {keyword} {rule} does not allow {value}"));
        }
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    }
}

/// The three patterns that the schema uses.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match pattern {
        "^[0-9a-f]{64}$" => text.len() == 64 && is_hex,
        "^[0-9a-f]*$" => is_hex,
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" => {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            shape == "0000-00-00T00:00:00Z"
        }
        other => panic!("pattern {other}"),
    }
}

fn faults(report: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut faults = Vec::new();
    check(&schema, report, &schema, "", &mut faults);
    // What the schema does not name would be promised to nobody.
    unnamed(&schema, report, &schema, "", &mut faults);
    faults
}

/// Members of a value that its schema does not name.
fn unnamed(schema: &Value, value: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        return unnamed(root.pointer(target.strip_prefix('#').unwrap()).unwrap(), value, root, at, found);
    }
    if let (Some(branches), false) = (schema["anyOf"].as_array(), value.is_null()) {
        return unnamed(&branches[0], value, root, at, found);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(inner) => unnamed(inner, member, root, &format!("{at}/{name}"), found),
            None => found.push(format!("{at}/{name}: not in the schema")),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        unnamed(&schema["items"], item, root, at, found);
    }
}

#[test]
fn reports_have_the_shape_that_the_schema_promises() {
    let place = folder("schema");
    fs::write(place.join("noise.bin"), "noise").unwrap();
    fs::write(place.join("root.pem"), certificate("DEVELOPMENT root").0).unwrap();
    let run = run(&place, &format!("verify {NOTICE} noise.bin absent --json --trust root.pem"));
    let reports = lines(&run);
    assert_eq!(reports.len(), 3);
    for report in &reports {
        assert_eq!(faults(report), Vec::<String>::new());
    }
    // The check itself can fail.
    let mut wrong = reports[0].clone();
    wrong["indication"] = json!("PASSED");
    wrong["trust"]["anchors"] = json!(-1);
    wrong["extra"] = json!(1);
    wrong.as_object_mut().unwrap().remove("policy");
    let found = faults(&wrong);
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn reports_on_sealed_files_have_the_shape_that_the_schema_promises() {
    let Some(root) = fixtures("reports_on_sealed_files_have_the_shape_that_the_schema_promises") else { return };
    let expected: Value = serde_json::from_slice(&fs::read(root.join("expected.json")).unwrap()).unwrap();
    let files = expected["files"].as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap());
    let mut arguments = vec!["verify", "--json", "--trust", "generated/keys/ca.pem"];
    arguments.extend(files);
    let run = run_words(&root, &arguments);
    let reports = lines(&run);
    assert_eq!(reports.len(), arguments.len() - 4);
    for report in &reports {
        assert_eq!(faults(report), Vec::<String>::new(), "{}", report["file"]);
    }
}
