//! Commands that erase, prune, move and release, from outside: each refuses by its code, and changes nothing then.

use std::path::Path;

use crate::process::program;
use crate::serve::Installation;

/// A command on the installation whose folder that is: exit code, and what it says on both outputs.
fn done(home: &Path, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = program();
    command.env("YINXIN_DATA_DIR", home).env("YINXIN_LOG__LEVEL", "error").envs(more.iter().copied());
    let done = command.args(arguments).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout) + &text(&done.stderr))
}

#[test]
fn commands_refuse_by_their_codes() {
    let installation = Installation::new("serve-retention");
    let home = installation.home();
    let running = installation.serve();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(running.terminate().0, Some(0));
    let old = installation.path("old-tiles");
    let with_folder = [("YINXIN_AUDIT_LOG__OLD_TILES", old.to_str().unwrap())];
    let to_sign = installation.path("to-sign");
    let signing = ["--to-sign", to_sign.to_str().unwrap(), "--officer", "nobody"];
    let erase = ["audit", "erase", "--number", "0", "--reason"];
    for (arguments, more, code, expected) in [
        ([&erase[..], &["holder-request"]].concat(), &[][..], 4, "(erasure-too-young)"),
        ([&erase[..], &["holder-request"], &signing].concat(), &[], 4, "(erasure-too-young)"),
        (
            [&erase[..], &["boredom"]].concat(),
            &[],
            64,
            "one of holder-request, purpose-ended, unlawful, authority-order",
        ),
        ([&erase[..], &["unlawful", "--approval", "x"]].concat(), &[], 64, "x is not CALLER:FILE"),
        ([&erase[..], &["unlawful", "--approval", "x:/no/such"]].concat(), &[], 66, "/no/such cannot be read"),
        (vec!["audit", "prune", "--before", "2099-01-01"], &[], 4, "(erasure-too-young)"),
        (vec!["audit", "prune", "--before", "2020-01-01"], &[], 0, "nothing to erase"),
        (vec!["audit", "prune", "--before", "yesterday"], &[], 64, "a day, or a moment of RFC 3339"),
        (vec!["log", "move-tiles", "--below", "256"], &[], 4, "(log-old-tiles-off)"),
        (vec!["log", "move-tiles", "--below", "256"], &with_folder, 0, "nothing to move"),
        (vec!["alarms", "release", "999"], &[], 4, "(unknown-alarm)"),
        ([&["alarms", "release", "999"], &signing[..]].concat(), &[], 4, "(unknown-alarm)"),
        (vec!["log", "verify"], &[("YINXIN_AUDIT_LOG__KEEP_EVENTS_DAYS", "179")], 64, "(retention-too-short)"),
        (vec!["log", "verify"], &[], 0, "right: "),
    ] {
        let (exit, said) = done(&home, &arguments, more);
        assert_eq!((exit, said.contains(expected)), (Some(code), true), "{arguments:?}: {said}");
    }
    assert!(!to_sign.exists() && !old.exists());
}
