//! Checks that keep the shape of `src/` true: arrows point downward, pure layers stay pure,
//! every file says what it is for, and no file grows past reading.
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
    ("ca", &["audit", "identity", "key", "trust"]),
    ("seal", &["audit", "identity", "key", "trust"]),
    ("licence", &["audit", "identity", "seal"]),
    ("verify", &["licence", "seal", "trust"]),
];

/// Layers that turn values into values: no clock, no files, no sockets, no database.
const PURE: &[&str] = &["crypto", "format", "render", "domain"];

#[rustfmt::skip]
const IMPURE_WORDS: &[&str] = &[
    "async fn", "tokio::", "axum::", "sqlx::", "reqwest::", "std::fs", "std::net::Tcp", "std::env",
    "SystemTime::now", "Utc::now", "Instant::now", "OsRng", "thread_rng",
];

const MAX_LINES: usize = 600;

#[test]
fn arrows_point_downward() {
    let mut faults = Vec::new();
    for source in sources() {
        let path = source.path.display();
        faults.extend(source.upward(LAYERS, "crate::", 0));
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
    }
    report(faults);
}

#[test]
fn pure_layers_do_no_io() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|s| PURE.contains(&s.level(0))) {
        for (number, line) in source.code() {
            for word in IMPURE_WORDS.iter().filter(|word| line.contains(**word)) {
                let path = source.path.display();
                faults.push(format!("{path}:{number}: `{word}` in a pure layer"));
            }
        }
    }
    report(faults);
}

#[test]
fn files_introduce_themselves_and_stay_short() {
    let mut faults = Vec::new();
    for source in sources() {
        let path = source.path.display();
        if !source.text.starts_with("//! ") {
            faults.push(format!("{path}: first line must be a `//!` sentence"));
        }
        let lines = source.before_tests().lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, limit {MAX_LINES}"));
        }
    }
    report(faults);
}

fn report(faults: Vec<String>) {
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
