//! Use cases without an event: whatever `src/service/` writes to the store stands in the audit log, or in the table below
//! with the reason why not.
//!
//! It reads text, not syntax: a function is what stands between its line and the closing brace of the same depth.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Functions that write and record nothing, and why nobody needs to know.
const WITHOUT_EVENT: &[(&str, &str)] = &[
    (
        "alarms::take_over",
        "Rows of an older program get integrity values; what they say is written anew from the events of the log.",
    ),
    ("alarms::tidy", "Acknowledged alarms are forgotten as rows; the events that raised and ended them stay."),
    ("audit_log/opening::begin", "The first head of the log, over no event at all."),
    (
        "audit_log/opening::take_over_erasures",
        "What an older program noted as lost gets an integrity value; the event that names the gap is there already.",
    ),
    (
        "audit_log/sequencing::sequence",
        "Events become leaves: it writes the log itself, and would otherwise never end.",
    ),
    ("audit_log/sequencing::reread", "Of what events speak is noted beside them; each is in the log already."),
    ("audit_log/sequencing::unmerged", "Salts for events that an older program wrote; each is an event already."),
    (
        "audit_log/witnessing::keep_cosigned",
        "A witness's signature over the log's own head, which anybody can ask for.",
    ),
    (
        "offices/mod::forget",
        "Messages that ended are deleted after their time; what they told has its events, and the last of each kind stays.",
    ),
    ("offices/sending::broken", "An office answers again: how far it is known; the alarm stays until somebody looked."),
    (
        "offices/sending::set_apart",
        "A message that cannot be sent as its row is: looked at again later; the row is noted for its alarm.",
    ),
    ("callers::spend", "A nonce is spent by a request whose own use case records, and forgotten within minutes."),
    ("idempotency::complete", "The answer that is kept under a key belongs to a use case that has its event."),
    ("idempotency::forget", "An answer is kept no longer; what it answered is in the log, and stays."),
    ("idempotency::release", "A key is freed because its use case did nothing, or recorded what it did."),
    ("idempotency::reserve", "A key is reserved for a use case that has its event."),
    ("idempotency::reserve_group", "As `idempotency::reserve`, for many."),
    ("seal_expiry::note", "When a seal is looked at again: a number by which nothing is decided."),
    ("seal_expiry::note_ends", "When seals end, as each says itself: a number by which nothing is decided."),
    (
        "verification_batches/mod::create",
        "Files are brought before anything is asked of them: `start` records the batch.",
    ),
    ("verification_batches/mod::put", "As `create`: one file of a batch that has not been started."),
    (
        "verification_batches/mod::put_original",
        "As `create`: the original of a file of a batch that has not been started.",
    ),
    ("watching/delivery::keep", "The place of a receiver in the log: what it got is the log's own."),
    (
        "webhooks/sending::pass",
        "The place of a receiver of notices behind what is no concern of its; each is in the log.",
    ),
    ("webhooks/sending::place", "The place of a receiver of notices in the log, when it begins."),
    ("watching/mod::place", "The place of a follower in the log, when it begins."),
];

/// What appends an event, by itself.
const APPENDING: [&str; 2] = ["audit::append(", "audit::append_many("];

/// Beside the functions of a file, what it imports.
const USES: &str = "use";

/// A function: file and name, and its text.
type Functions = BTreeMap<(String, String), String>;

/// A program that is one version older serves beside a newer one: nothing of ours may need to know every event.
#[test]
fn nothing_stops_at_an_event_of_a_newer_program() {
    let mut files = Vec::new();
    for layer in ["service", "cli", "http"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer), &mut files);
    }
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap().to_owned();
    let strict = files.iter().filter(|path| {
        let is_tests = path.file_stem().is_some_and(|name| name == "tests");
        !is_tests
            && ["audit::read(", "Event::from_der("]
                .iter()
                .any(|call| text(path).match_indices(call).any(|(at, _)| !text(path)[..at].ends_with("Logged")))
    });
    assert_eq!(strict.collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "read events by `audit::logged` and `LoggedEvent`");
}

/// Offices elsewhere are told in the transaction that changes a seal's state: nothing changes it past the one place that does.
#[test]
fn seals_change_their_state_in_one_place() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service"), &mut files);
    let direct = files.iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.match_indices("seals::change_state(").any(|(at, _)| !text[..at].ends_with('_'))
    });
    let named = direct.map(|path| path.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(named, ["seal_changes.rs"]);
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The functions of a file, without its tests. Two of one name in one file are one.
fn functions(file: &str, text: &str) -> Functions {
    let mut found = Functions::new();
    let mut open: Option<(usize, String)> = None;
    found.insert((file.to_owned(), USES.to_owned()), uses(text));
    for line in text.split("#[cfg(test)]").next().unwrap_or_default().lines() {
        let depth = line.len() - line.trim_start().len();
        let starts = line.split(" fn ").nth(1).filter(|_| is_declared(line)).or_else(|| line.strip_prefix("fn "));
        if let (None, Some(rest)) = (&open, starts) {
            let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
            open = Some((depth, name));
        }
        let Some((begun, name)) = &open else { continue };
        let body = found.entry((file.to_owned(), name.clone())).or_default();
        body.push_str(line);
        body.push('\n');
        let ends = line.trim_start().starts_with('}') || line.ends_with(" }") || line.ends_with(';');
        if depth == *begun && ends {
            open = None;
        }
    }
    found
}

/// What a file imports: each name with its module before it, `module::name `.
fn uses(text: &str) -> String {
    let mut imported = String::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("use crate::")) {
        let line = line.trim_end_matches(';');
        let (path, names) = line.split_once('{').unwrap_or_else(|| line.rsplit_once("::").unwrap_or((line, "")));
        let module = path.trim_end_matches("::").rsplit("::").next().unwrap_or_default();
        for name in names.trim_end_matches('}').split(',') {
            imported.push_str(&format!("{module}::{} ", name.trim()));
        }
    }
    imported
}

/// Whether nothing but words that may stand before `fn` stands there.
fn is_declared(line: &str) -> bool {
    let before = line.split(" fn ").next().unwrap_or_default().trim();
    let before =
        if before.starts_with("pub(") { before.split_once(')').map_or(before, |(_, rest)| rest) } else { before };
    before.split_whitespace().all(|word| ["pub", "async", "const"].contains(&word))
}

fn writes(body: &str) -> bool {
    body.contains(".run(\"")
}

/// Whether a function records, by itself or by one of the functions of `src/service/` that it calls.
fn recording(functions: &Functions) -> BTreeSet<(String, String)> {
    let mut known = functions
        .iter()
        .filter(|(_, body)| APPENDING.iter().any(|append| body.contains(append)))
        .map(|(name, _)| name.clone())
        .collect::<BTreeSet<_>>();
    loop {
        let more = functions
            .iter()
            .filter(|(name, body)| !known.contains(*name) && calls(functions, name, body, &known))
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>();
        if more.is_empty() {
            return known;
        }
        known.extend(more);
    }
}

/// Whether a body calls a function that records: one of its own file by its bare name or as a method, one of another file
/// that is imported likewise, or with that file's name before it.
fn calls(functions: &Functions, (file, _): &(String, String), body: &str, known: &BTreeSet<(String, String)>) -> bool {
    let inside = body.split_once('\n').map_or("", |(_, inside)| inside);
    let uses = functions.get(&(file.clone(), USES.to_owned())).map_or("", String::as_str);
    known.iter().any(|(other, function)| {
        let module = module(other);
        let bare = || vec![format!(" {function}("), format!("({function}("), format!(".{function}(")];
        let mut named = vec![format!("{module}::{function}(")];
        if other == file || uses.contains(&format!("{module}::{function} ")) {
            named.extend(bare());
        }
        named.iter().any(|call| inside.contains(call.as_str()))
    })
}

fn module(file: &str) -> &str {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.rsplit('/').next().unwrap_or(path)
}

fn service() -> Functions {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 60, "{}", files.len());
    let mut all = Functions::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        all.extend(functions(&file, &fs::read_to_string(path).unwrap()));
    }
    all
}

/// Those that write and do not record, as `file::function`.
fn silent(functions: &Functions) -> BTreeSet<String> {
    let known = recording(functions);
    let silent = functions.iter().filter(|(name, body)| writes(body) && !known.contains(*name));
    silent.map(|((file, function), _)| format!("{}::{function}", file.trim_end_matches(".rs"))).collect()
}

#[test]
fn every_use_case_that_writes_has_its_event_or_its_reason() {
    let found = silent(&service());
    let excused = WITHOUT_EVENT.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    let without = found.difference(&excused).collect::<Vec<_>>();
    assert!(without.is_empty(), "these write and record nothing: {without:#?}");
    let superfluous = excused.difference(&found).collect::<Vec<_>>();
    assert!(superfluous.is_empty(), "these need no excuse any more: {superfluous:#?}");
    assert!(WITHOUT_EVENT.iter().all(|(_, reason)| reason.len() > 20));
}

#[test]
fn a_use_case_without_an_event_is_found() {
    let text = "pub async fn kept(services: &Services) -> Result<(), Error> {\n    services.store.run(\"keep\", |tx| {\n        \
                rows::insert(tx);\n    });\n}\n\npub async fn told() {\n    services.store.run(\"tell\", |tx| {\n        \
                note(tx);\n    });\n}\n\nfn note(tx: &mut Tx<'_>) {\n    audit::append(tx, event)\n}\n";
    assert_eq!(silent(&functions("one.rs", text)), BTreeSet::from(["one::kept".to_owned()]));
}
