//! Commands that erase, prune, move and release, from outside: each refuses by its code, and changes nothing then; two officers
//! have it their way.

use std::path::Path;
use std::sync::Arc;

use yinxin::base::clock::{Clock as _, FixedClock, SystemClock};
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::misuse::{Misuse, Threshold};
use yinxin::domain::audit::{AlarmKind, EventBody};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::service::Services;
use yinxin::service::keys::KeySource;
use yinxin::service::watching::Watch;

use crate::process::program;
use crate::serve::Installation;
use crate::service::registration::{Person, hired};
use crate::service::signing::{caller, id_of};

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
    // Nobody listens there, and nobody is asked where there is nothing to move.
    let credentials = "aws_access_key_id = a\naws_secret_access_key = b\n";
    let secret = |name: &str, text: &str, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = installation.write(name, text.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [closed, open, other] = [
        secret("closed", credentials, 0o600),
        secret("open", credentials, 0o640),
        secret("other", "password\n", 0o600),
    ];
    let objects = |file| {
        let place = ("YINXIN_AUDIT_LOG__OLD_TILES", "http://127.0.0.1:9/logs/old");
        [place, ("YINXIN_AUDIT_LOG__OLD_TILES_CREDENTIALS", file)]
    };
    let [with_objects, with_open, with_other] = [objects(&closed), objects(&open), objects(&other)];
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
        (vec!["log", "move-tiles", "--below", "256"], &with_objects, 0, "nothing to move"),
        (vec!["log", "move-tiles", "--below", "256"], &with_objects[..1], 64, "audit_log.old_tiles_credentials"),
        (vec!["log", "move-tiles", "--below", "256"], &with_open, 4, "mode 0640"),
        (vec!["log", "move-tiles", "--below", "256"], &with_other, 4, "(object-store-credentials)"),
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

fn with<'a>(command: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    command.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// What happened 200 days ago: two officers appointed, a caller refused twice and barred for it.
async fn long_ago(installation: &Installation) -> ([Person; 2], String) {
    std::fs::create_dir_all(installation.home()).unwrap();
    let source = KeySource::File { path: installation.home().join("key-encryption.key"), create: true };
    let clock = FixedClock(SystemClock.now().plus_days(-200));
    let services = Services::open(&installation.url(), &source, Arc::new(clock), Arc::new(SystemRandom)).await.unwrap();
    let officers = [hired(&services, OfficerRole::Approver).await, hired(&services, OfficerRole::Approver).await];
    let actor = caller(&services, 7).await;
    let refusals = Some(Threshold { most: 1, minutes: 10 });
    let misuse = Misuse { refusals, suspend: [AlarmKind::RepeatedRefusals].into(), ..Misuse::default() };
    let mut watch = Watch::begin(services.clone(), misuse).await.unwrap();
    for _ in 0..2 {
        let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
        services.record(&actor, None, body).await.unwrap();
    }
    while watch.look().await.unwrap().events > 0 {}
    services.store.close().await;
    (officers, id_of(&actor).to_string())
}

#[test]
fn two_officers_erase_and_release_by_the_commands() {
    let installation = Installation::new("serve-two-officers");
    let home = installation.home();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (officers, barred) = runtime.block_on(long_ago(&installation));
    // The service signs what is there.
    let running = installation.serve();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(running.terminate().0, Some(0));

    let succeeds = |arguments: &[&str]| {
        let (exit, said) = done(&home, arguments, &[]);
        assert_eq!(exit, Some(0), "{arguments:?}: {said}");
        said
    };
    let refuses = |arguments: &[&str], code: &str| {
        let (exit, said) = done(&home, arguments, &[]);
        assert_eq!((exit, said.contains(&format!("({code})"))), (Some(4), true), "{arguments:?}: {said}");
    };
    // Each officer's file and value for a command, as arguments.
    let approvals = |command: &[&str], name: &str| -> Vec<String> {
        let signed = officers.iter().enumerate().flat_map(|(which, officer)| {
            let (file, id) = (installation.path(&format!("{name}-{which}")), officer.id.to_string());
            let path = file.to_str().unwrap();
            succeeds(&[command, &["--to-sign", path, "--officer", &id]].concat());
            let value =
                installation.write(&format!("{name}-{which}.sig"), &officer.sign(&std::fs::read(&file).unwrap()));
            ["--approval".to_owned(), format!("{id}:{}", value.display())]
        });
        signed.collect()
    };

    let refusals = succeeds(&["audit", "export", "--class", "access-refused"]);
    let numbers: Vec<String> = refusals
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].to_string())
        .collect();
    assert_eq!(numbers.len(), 2, "{refusals}");
    let erase = ["audit", "erase", "--number", &numbers[0], "--reason", "unlawful"];
    let signed = approvals(&erase, "erase");
    refuses(&with(&erase, &signed[..2]), "approvals-missing");
    let said = succeeds(&with(&erase, &signed));
    assert!(said.starts_with("1 events are erased, which event "), "{said}");
    let left = succeeds(&["audit", "export", "--class", "access-refused"]);
    assert_eq!(left.lines().collect::<Vec<_>>(), refusals.lines().skip(1).collect::<Vec<_>>());

    let alarms = succeeds(&["alarms", "list", "--json"]);
    let alarm: serde_json::Value = serde_json::from_str(alarms.lines().next().unwrap()).unwrap();
    assert_eq!((alarm["caller"].as_str(), alarm["suspended"].as_str()), (Some(&*barred), Some("caller")), "{alarm}");
    let number = alarm["number"].to_string();
    let release = ["alarms", "release", &number];
    let signed = approvals(&release, "release");
    refuses(&with(&release, &signed[2..]), "approvals-missing");
    let said = succeeds(&with(&release, &signed));
    assert!(said.contains("  released "), "{said}");

    // The trees are whole, with what came and without what went.
    let running = installation.serve();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(running.terminate().0, Some(0));
    assert!(succeeds(&["log", "verify"]).contains("right: "));
}
