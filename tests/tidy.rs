//! Checks that keep the shape of `src/` true: arrows point downward, pure layers stay pure,
//! every file says what it is for, no file grows past reading, no lint is silenced, names mean something.
//!
//! To allow a new arrow, change the tables here and the drawing in `ARCHITECTURE.md` together.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may name whom, lowest first.
type Arrows = &'static [(&'static str, &'static [&'static str])];

/// Top-level modules and what each may name as `crate::…`.
#[rustfmt::skip]
const LAYERS: Arrows = &[
    ("base", &[]),
    ("crypto", &["base"]),
    ("format", &["base"]),
    ("render", &["base", "format"]),
    ("domain", &["base", "crypto", "format"]),
    ("store", &["base", "crypto", "domain"]),
    ("service", &["base", "crypto", "format", "render", "domain", "store"]),
    ("config", &["base", "domain"]),
    ("http", &["base", "config", "domain", "service"]),
    ("cli", &["base", "config", "domain", "http", "service", "store"]),
];

/// Modules of the domain and what each may name as `domain::…`.
#[rustfmt::skip]
const DOMAIN: Arrows = &[
    ("key", &[]),
    ("caller", &["key"]),
    ("audit", &["caller", "key"]),
    ("trust", &[]),
    ("identity", &["audit"]),
    ("officer", &["key", "trust"]),
    ("ca", &["audit", "identity", "key", "officer", "trust"]),
    ("seal", &["audit", "identity", "key", "officer", "trust"]),
    ("message", &["trust"]),
    ("stamp", &["audit", "key", "trust"]),
    ("licence", &["audit", "identity", "seal"]),
    ("verify", &["audit", "licence", "message", "seal", "stamp", "trust"]),
    ("webhook", &["audit", "key"]),
];

/// Layers that turn values into values: no clock, no files, no sockets, no database.
const PURE: &[&str] = &["crypto", "format", "render", "domain"];

#[rustfmt::skip]
const IMPURE_WORDS: &[&str] = &[
    "async fn", "tokio::", "axum::", "sqlx::", "reqwest::", "std::fs", "std::net::Tcp", "std::env",
    "SystemTime::now", "Utc::now", "Instant::now", "OsRng", "thread_rng",
];

const MAX_LINES: usize = 600;

/// Names that say nothing, as files, folders and modules.
const VAGUE_NAMES: &[&str] = &["utils", "util", "helpers", "common", "misc", "manager", "handler", "handlers"];

/// Beginnings of names that say less than the noun or verb behind them.
const VAGUE_BEGINNINGS: &[&str] = &["fn do_", "fn get_", "fn validate_", "fn process_"];

/// Endings of the names of types that do everything.
const VAGUE_ENDINGS: &[&str] = &["Handler", "Manager", "Helper", "Utils"];

#[test]
fn arrows_point_downward() {
    report(sources().iter().flat_map(arrows));
}

fn arrows(source: &Source) -> Vec<String> {
    let path = source.path.display();
    let mut faults = source.upward(LAYERS, "crate::", 0);
    if source.level(0) == "domain" && source.level(1) != "mod" {
        faults.extend(source.upward(DOMAIN, "domain::", 1));
    }
    // Relative paths would slip past the tables, so folders meet only by absolute ones.
    let at_a_root = source.path.ends_with("mod.rs") || source.path.components().count() == 2;
    for (number, line) in source.code() {
        if line.contains("super::super") || (at_a_root && line.contains("super::")) {
            faults.push(format!("{path}:{number}: write `crate::…`, not `super::`"));
        }
    }
    faults
}

#[test]
fn pure_layers_do_no_io() {
    report(sources().iter().flat_map(impurities));
}

fn impurities(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.level(0)) {
        return Vec::new();
    }
    source.lines_with(IMPURE_WORDS, "in a pure layer")
}

#[test]
fn files_introduce_themselves_and_stay_short() {
    report(sources().iter().flat_map(introduction));
}

fn introduction(source: &Source) -> Vec<String> {
    let (path, mut faults) = (source.path.display(), Vec::new());
    if !source.text.starts_with("//! ") {
        faults.push(format!("{path}: first line must be a `//!` sentence"));
    }
    let lines = source.before_tests().lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{path}: {lines} lines, limit {MAX_LINES}"));
    }
    faults
}

/// Where the processor, a device's library or the system's memory calls ask for `unsafe`; nowhere else.
fn may_be_unsafe(path: &Path) -> bool {
    let path = path.to_string_lossy();
    let instructions = path.starts_with("crypto/") && path.ends_with("/x86_64.rs");
    instructions || path.starts_with("service/keys/sdf/") || matches!(&*path, "service/keys/sdf.rs" | "base/memory.rs")
}

#[test]
fn only_listed_files_are_unsafe_and_no_lint_is_silenced() {
    report(sources().iter().flat_map(silenced));
}

/// Compilers refuse both too, unless somebody changes `Cargo.toml`. An `#[expect]` tells why, each unsafe block too.
fn silenced(source: &Source) -> Vec<String> {
    let mut faults = source.lines_with(&["#[allow", "#![allow", ", allow("], "is not ours to write");
    let code = source.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    if may_be_unsafe(&source.path) {
        let lines = source.before_tests().lines().collect::<Vec<_>>();
        for (index, line) in lines.iter().enumerate() {
            let block = line.contains("unsafe {") || line.contains("unsafe impl");
            let why = lines.iter().take(index).rev().take(4).any(|above| above.contains("// SAFETY:"));
            if block && !line.trim_start().starts_with("//") && !why {
                faults.push(format!(
                    "{}:{}: unsafe without `// SAFETY:`",
                    source.path.display(),
                    index.saturating_add(1)
                ));
            }
        }
    } else {
        faults.extend(source.lines_with(&["unsafe ", "unsafe{"], "is not ours to write"));
    }
    for (_, rest) in code.match_indices("[expect(").map(|(at, _)| code.split_at(at)) {
        let attribute = rest.split_once(")]").map_or(rest, |(attribute, _)| attribute);
        if !attribute.contains("reason = \"") {
            faults.push(format!("{}: `#[expect]` without a reason", source.path.display()));
        }
    }
    faults
}

#[test]
fn names_say_what_is_meant() {
    report(sources().iter().flat_map(vague_names));
}

fn vague_names(source: &Source) -> Vec<String> {
    let path = source.path.display();
    let mut faults = source.lines_with(VAGUE_BEGINNINGS, "says nothing");
    for part in source.path.iter().filter_map(|part| part.to_str()) {
        if VAGUE_NAMES.contains(&part.trim_end_matches(".rs")) {
            faults.push(format!("{path}: `{part}` says nothing"));
        }
    }
    for (number, line) in source.code() {
        for kind in ["struct ", "enum ", "trait ", "type ", "mod "] {
            let Some((before, after)) = line.split_once(kind) else { continue };
            let declared = before.trim().is_empty() || before.trim().starts_with("pub");
            let name = identifier(after);
            let vague = VAGUE_NAMES.contains(&name.as_str()) || VAGUE_ENDINGS.iter().any(|end| name.ends_with(end));
            if declared && vague {
                faults.push(format!("{path}:{number}: `{name}` says nothing"));
            }
        }
    }
    faults
}

#[test]
fn errors_can_grow() {
    report(sources().iter().flat_map(closed_errors));
}

/// A public `Error` gains variants without breaking whoever matches on it.
fn closed_errors(source: &Source) -> Vec<String> {
    let lines = source.code().collect::<Vec<_>>();
    let mut faults = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let public = line.trim_start().starts_with("pub enum ");
        let attributes = || lines.iter().take(index).rev().take_while(|(_, line)| line.trim_start().starts_with("#["));
        if public && line.contains("enum Error ") && !attributes().any(|(_, line)| line.contains("#[non_exhaustive]")) {
            faults.push(format!("{}:{number}: `Error` must be #[non_exhaustive]", source.path.display()));
        }
    }
    faults
}

/// What each check must find in a source made for it, and what it must leave alone. A check that cannot fail is a defect.
#[test]
fn every_check_finds_its_fault() {
    let find = |check: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        check(&Source { path: path.into(), text: text.to_owned() })
    };
    let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
    type Case<'a> = (fn(&Source) -> Vec<String>, &'a str, &'a str, &'a str);
    #[rustfmt::skip]
    let faulty: &[Case<'_>] = &[
        (arrows, "format/x.rs", "use crate::domain::seal;", "`format` must not use `domain`"),
        (arrows, "format/x.rs", "use crate::{base::id, store};", "`format` must not use `store`"),
        (arrows, "domain/key.rs", "use crate::domain::seal;", "`key` must not use `seal`"),
        (arrows, "nowhere/x.rs", "", "missing from the table"),
        (arrows, "domain/mod.rs", "use super::x;", "write `crate::…`"),
        (arrows, "http/api/x.rs", "use super::super::x;", "write `crate::…`"),
        (impurities, "domain/x.rs", "async fn x() {}", "`async fn` in a pure layer"),
        (impurities, "crypto/x.rs", "let t = SystemTime::now();", "`SystemTime::now` in a pure layer"),
        (introduction, "base/x.rs", "use x;", "first line must be"),
        (introduction, "base/x.rs", &long, "601 lines, limit 600"),
        (silenced, "base/x.rs", "    unsafe { x() }", "`unsafe `"),
        (silenced, "base/x.rs", "#[allow(dead_code)]", "`#[allow`"),
        (silenced, "base/x.rs", "#[cfg_attr(x, allow(dead_code))]", "`, allow(`"),
        (silenced, "crypto/sm3/x86_64.rs", "    unsafe { x() }", "without `// SAFETY:`"),
        (silenced, "crypto/sm3/mod.rs", "    unsafe { x() }", "`unsafe `"),
        (silenced, "base/x.rs", "#[expect(dead_code)]\nfn x() { y(\"reason = \"); }", "without a reason"),
        (vague_names, "service/utils.rs", "", "`utils.rs` says nothing"),
        (vague_names, "http/helpers/x.rs", "", "`helpers` says nothing"),
        (vague_names, "http/x.rs", "pub(crate) async fn get_seal() {}", "`fn get_` says nothing"),
        (vague_names, "http/x.rs", "fn validate_seal() {}", "`fn validate_` says nothing"),
        (vague_names, "http/x.rs", "pub struct SealHandler;", "`SealHandler` says nothing"),
        (vague_names, "http/x.rs", "pub(crate) trait KeyManager {", "`KeyManager` says nothing"),
        (vague_names, "http/x.rs", "mod common;", "`common` says nothing"),
        (closed_errors, "base/x.rs", "#[derive(Debug)]\npub enum Error {", "must be #[non_exhaustive]"),
        (closed_errors, "base/x.rs", "#[non_exhaustive]\nstruct X;\npub enum Error {", "must be #[non_exhaustive]"),
    ];
    for (check, path, text, expected) in faulty {
        let found = find(*check, path, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{path} {text}: {found:?}");
    }
    let all: [fn(&Source) -> Vec<String>; 6] = [arrows, impurities, introduction, silenced, vague_names, closed_errors];
    #[rustfmt::skip]
    let sound = [
        ("domain/seal/x.rs", "//! X.\nuse crate::format::ses;\nuse crate::domain::audit::Event;\n// unsafe allow( fn get_x\n"),
        ("http/api/x.rs", "//! X.\nuse super::y;\n#[expect(dead_code, reason = \"shown\")]\nasync fn target() {}\n"),
        ("store/x.rs", "//! X.\n#[derive(Debug)]\n#[non_exhaustive]\n/// Why.\npub enum Error {\n"),
        ("service/keys/sdf.rs", "//! X.\n// SAFETY: shown.\nunsafe { x() }\n"),
        ("base/x.rs", "//! X.\nfn x() {}\n\n#[cfg(test)]\nmod tests {\n    fn get_x() { unsafe { y() } }\n}\n"),
    ];
    for (path, text) in sound {
        for check in all {
            assert_eq!(find(check, path, text), Vec::<String>::new(), "{path} {text}");
        }
    }
}

fn report(faults: impl Iterator<Item = String>) {
    let faults = faults.collect::<Vec<_>>();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A file below some layer. `lib.rs` and `main.rs` belong to none and may name all.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The n-th path segment: 0 is the layer, 1 the module in it.
    fn level(&self, n: usize) -> &str {
        let segment = self.path.iter().nth(n).and_then(|s| s.to_str());
        segment.unwrap_or_default().trim_end_matches(".rs")
    }

    fn upward(&self, arrows: Arrows, prefix: &str, level: usize) -> Vec<String> {
        let (path, here) = (self.path.display(), self.level(level));
        let Some((_, allowed)) = arrows.iter().find(|(name, _)| *name == here) else {
            return vec![format!("{path}: `{here}` is missing from the table")];
        };
        self.named_after(prefix)
            .into_iter()
            .filter(|name| name != here && arrows.iter().any(|(known, _)| known == name))
            .filter(|name| !allowed.contains(&name.as_str()))
            .map(|name| format!("{path}: `{here}` must not use `{name}`"))
            .collect()
    }

    /// Lines of code that hold one of the words.
    fn lines_with(&self, words: &[&str], fault: &str) -> Vec<String> {
        let path = self.path.display();
        let hits = |(number, line): (usize, &str)| {
            let found = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{path}:{number}: `{found}` {fault}"))
        };
        self.code().filter_map(hits).collect()
    }

    /// The text without its closing `mod tests { … }`, which may use anything.
    fn before_tests(&self) -> &str {
        let end = self.text.find("\n#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.before_tests().lines());
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// First segments that follow `prefix`, in plain paths and in `prefix{a::b, c}` groups.
    fn named_after(&self, prefix: &str) -> BTreeSet<String> {
        let code = self.code().map(|(_, line)| line).collect::<Vec<_>>();
        let mut names = BTreeSet::new();
        for rest in code.join("\n").split(prefix).skip(1) {
            let Some(group) = rest.strip_prefix('{') else {
                names.insert(identifier(rest));
                continue;
            };
            let (mut depth, mut at_start) = (0, true);
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    c if at_start && (c.is_alphabetic() || c == '_') => {
                        names.insert(identifier(&group[i..]));
                        at_start = false;
                    }
                    _ => {}
                }
            }
        }
        names
    }
}

fn identifier(text: &str) -> String {
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    text.chars().take_while(word).collect()
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut pending = vec![src.clone()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&src).unwrap().to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.retain(|s| s.path != Path::new("lib.rs") && s.path != Path::new("main.rs"));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no sources: the checks would pass vacuously");
    found
}
