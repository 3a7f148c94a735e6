//! The runbooks of alarms: one for each, none beside them, and no command in them that the program does not have.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use yinxin::domain::audit::AlarmKind;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks")
}

fn runbooks() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Pages of planned work, and of what somebody outside tells, which no alarm begins.
const PLANNED: [&str; 2] = ["maker-key-theft.md", "upgrade.md"];

/// Those of alarms.
fn of_alarms() -> BTreeMap<String, String> {
    runbooks().into_iter().filter(|(name, _)| !PLANNED.contains(&name.as_str())).collect()
}

/// The commands of a text: what stands in code and begins with the program's name.
fn commands(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2).map(str::to_owned);
    let lines = text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    spans.chain(lines).filter(|code| code.starts_with("yinxin ")).collect()
}

/// Why a command does not exist; nothing when it does. Words in capitals are what the reader fills in.
fn fault(command: &str) -> Option<String> {
    let words = command.split_whitespace().skip(1).collect::<Vec<_>>();
    let names = words
        .iter()
        .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-'));
    let names = names.copied().collect::<Vec<_>>();
    let help = Command::new(env!("CARGO_BIN_EXE_yinxin")).args(&names).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    let usage = format!("Usage: yinxin {}", names.join(" "));
    if !help.status.success() || !text.contains(&usage) {
        return Some(format!("no such command: {command}"));
    }
    if text.contains(&format!("{usage} [OPTIONS] <COMMAND>")) || text.contains(&format!("{usage} <COMMAND>")) {
        return Some(format!("half a command: {command}"));
    }
    let options = words.iter().filter(|word| word.starts_with("--"));
    let missing = options.filter(|option| !text.contains(**option)).collect::<Vec<_>>();
    (!missing.is_empty()).then(|| format!("{command}: no {missing:?}"))
}

#[test]
fn every_alarm_has_its_runbook_and_every_runbook_its_alarm() {
    let found = of_alarms().into_keys().collect::<BTreeSet<_>>();
    let expected = AlarmKind::ALL.iter().map(|kind| format!("{kind}.md")).collect::<BTreeSet<_>>();
    assert_eq!(found, expected);
    for kind in AlarmKind::ALL {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(kind.runbook()).exists(), "{kind}");
    }
}

#[test]
fn every_runbook_says_what_it_must() {
    for (name, text) in of_alarms() {
        let kind = name.trim_end_matches(".md");
        assert!(text.starts_with(&format!("# Alarm `{kind}`: ")), "{name}");
        let headings = text.lines().filter_map(|line| line.strip_prefix("## ")).collect::<Vec<_>>();
        let expected = ["What it means", "What to look at", "What to do", "When to escalate", "How to end it"];
        assert_eq!(headings, expected, "{name}");
        assert!(text.contains("`yinxin alarms acknowledge NUMBER`"), "{name}");
    }
}

#[test]
fn every_command_of_a_runbook_exists() {
    let mut faults = Vec::new();
    for (name, text) in runbooks() {
        let commands = commands(&text);
        assert!(commands.len() >= 2, "{name}: {commands:?}");
        faults.extend(commands.iter().filter_map(|command| fault(command)).map(|fault| format!("{name}: {fault}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    assert_eq!(fault("yinxin alarms list --json"), None);
    assert_eq!(fault("yinxin alarms forget"), Some("no such command: yinxin alarms forget".to_owned()));
    assert_eq!(fault("yinxin alarms"), Some("half a command: yinxin alarms".to_owned()));
    let option = fault("yinxin alarms list --loud").unwrap();
    assert_eq!(option, "yinxin alarms list --loud: no [\"--loud\"]");
    assert_eq!(commands("a `yinxin x` b `y`\n    yinxin z\n"), ["yinxin x", "yinxin z"].map(str::to_owned).into());
}

/// Every key of the configuration that a runbook names is one.
#[test]
fn every_setting_of_a_runbook_exists() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (name, text) in runbooks() {
        for span in text.split('`').skip(1).step_by(2) {
            let key = span.split(' ').next().unwrap();
            if key.starts_with("alarms.") || key.starts_with("siem.") {
                assert!(readme.contains(&format!("| `{key}` |")), "{name}: {key}");
            }
        }
    }
}
