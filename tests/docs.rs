//! Keeps the documents true: what they list is compared with the sources, and what they name must exist.
#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The rows of the tables whose first header cell is this one; each row as its cells.
fn table(document: &str, header: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut rows = Vec::new();
    for line in read(document).lines() {
        let Some(body) = line.trim_end().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let cells: Vec<String> = body.split('|').map(|cell| cell.trim().to_owned()).collect();
        let first = cells.first().map_or("", String::as_str);
        if first == header {
            inside = true;
        } else if inside && !first.starts_with("---") {
            rows.push(cells);
        }
    }
    assert!(!rows.is_empty(), "{document} has no table that begins with `{header}`");
    rows
}

fn cell(row: &[String], index: usize) -> &str {
    row.get(index).map_or("", String::as_str)
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of one table of `tests/tidy.rs`: a module, and those it may name.
fn arrows(name: &str) -> Vec<(String, BTreeSet<String>)> {
    let text = read("tests/tidy.rs");
    let start = text.find(&format!("const {name}: Arrows")).unwrap();
    let body = text.get(start..).and_then(|rest| rest.split_once("];")).unwrap().0;
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = body.lines().map(quoted).filter(|names| !names.is_empty());
    rows.map(|names| (names.first().unwrap().clone(), names.into_iter().skip(1).collect())).collect()
}

#[test]
fn the_arrows_are_those_that_are_checked() {
    for (name, header) in [("LAYERS", "layer"), ("DOMAIN", "module of the domain")] {
        let written: Vec<(String, BTreeSet<String>)> = table("ARCHITECTURE.md", header)
            .iter()
            .map(|row| (cell(row, 0).trim_matches('`').to_owned(), code_spans(cell(row, 1)).into_iter().collect()))
            .collect();
        assert_eq!(written, arrows(name), "ARCHITECTURE.md against {name} in tests/tidy.rs");
    }
}

#[test]
fn every_dependency_has_its_row() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let mut used = BTreeSet::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        used.extend(names.cloned());
    }
    let rows = table("ARCHITECTURE.md", "dependency");
    let listed: Vec<String> = rows.iter().map(|row| cell(row, 0).trim_matches('`').to_owned()).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a dependency has two rows");
    assert_eq!(unique, used, "ARCHITECTURE.md, Dependencies, against Cargo.toml");
    for row in &rows {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?} lacks its reason");
    }
}

/// Why a name `path::function` is wrong, or nothing.
fn missing(name: &str) -> Option<String> {
    let (path, _) = name.split_once("::")?;
    let (_, function) = name.rsplit_once("::")?;
    let Ok(source) = fs::read_to_string(root().join(path)) else {
        return Some(format!("`{name}`: no file {path}"));
    };
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        let plain = line.strip_prefix("async ").unwrap_or(line);
        let named = plain.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function));
        if named.is_some_and(|rest| rest.starts_with('(')) && is_test {
            return None;
        }
        // Other attributes may stand between.
        is_test =
            line.starts_with("#[test]") || line.starts_with("#[tokio::test") || (is_test && line.starts_with("#["));
    }
    Some(format!("`{name}`: no test {function} in {path}"))
}

fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let folders = [
        "",
        "constant-time",
        "docs",
        "docs/formats",
        "docs/runbooks",
        "certs",
        "policies",
        "assets",
        "fuzz",
        "tests/vectors",
    ];
    for folder in folders {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(found.len() >= 8, "{found:?}");
    found
}

/// Every `path.rs::test`, every `path` and every link in the documents leads to something that is there.
#[test]
fn what_is_named_exists() {
    const FOLDERS: [&str; 11] =
        [".ci", "assets", "benches", "certs", "constant-time", "docs", "fuzz", "policies", "scripts", "src", "tests"];
    let mut faults = Vec::new();
    for document in documents() {
        let text = read(&document);
        for (number, line) in (1..).zip(text.lines()) {
            for span in code_spans(line) {
                let first = span.split('/').next().unwrap_or_default();
                let is_path = span.contains('/') && FOLDERS.contains(&first);
                if !is_path || span.contains(['<', '*', '{', ' ', '…']) || span.contains("/corpus/") {
                    continue;
                }
                if span.contains(".rs::") {
                    faults.extend(missing(&span).map(|fault| format!("{document}:{number}: {fault}")));
                } else if !root().join(&span).exists() {
                    faults.push(format!("{document}:{number}: no {span}"));
                }
            }
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = link.split('#').next().unwrap_or_default();
                let beside = root().join(&document).parent().unwrap().join(target);
                if !target.is_empty() && !target.contains("://") && !beside.exists() {
                    faults.push(format!("{document}:{number}: the link to {target} leads nowhere"));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn wrong_names_are_found() {
    assert_eq!(missing("tests/docs.rs::wrong_names_are_found"), None);
    assert_eq!(missing("tests/docs.rs::root"), Some("`tests/docs.rs::root`: no test root in tests/docs.rs".into()));
    assert_eq!(missing("tests/no.rs::x"), Some("`tests/no.rs::x`: no file tests/no.rs".into()));
}

/// A threat is held by a test, or the row says that it is not held yet and when.
#[test]
fn every_threat_is_held_or_says_that_it_is_not() {
    let rows = table("SECURITY.md", "threat");
    let mut faults = Vec::new();
    for row in &rows {
        let held = cell(row, 2);
        let tests = code_spans(held).into_iter().filter(|span| span.contains(".rs::")).count();
        if row.len() != 3 || row.iter().any(String::is_empty) {
            faults.push(format!("{row:?}: three cells, none empty"));
        } else if tests == 0 && !held.starts_with("not held: ") {
            faults.push(format!("{}: no test, and not marked `not held: …`", cell(row, 0)));
        }
    }
    report(&faults);
    assert!(rows.len() >= 30, "only {} threats", rows.len());
}

/// Every invariant names what keeps it.
#[test]
fn every_invariant_is_kept_by_something() {
    for row in table("ARCHITECTURE.md", "invariant") {
        assert!(row.len() == 2 && !cell(&row, 1).is_empty(), "{row:?}");
    }
}

/// Keys of the configuration, from the structure that reads it.
#[test]
fn the_manual_lists_every_key_of_the_configuration() {
    let text = read("src/config/raw.rs");
    let body = text.split_once("sections! {").unwrap().1;
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in body.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(" {") {
            // `KeysSdf` is `[keys.sdf]`.
            let dotted = |c: char| if c.is_uppercase() { format!(".{}", c.to_lowercase()) } else { c.to_string() };
            let path: String = name.chars().map(dotted).collect();
            let path = path.trim_start_matches('.').to_owned();
            // `AuditLog` is `[audit_log]`: there is no section `[audit]`.
            let (above, _) = path.split_once('.').unwrap_or((&path, ""));
            let path = if body.contains(&format!("        {above}: ")) { path } else { path.replace('.', "_") };
            section = if name == "Raw" { String::new() } else { format!("{path}.") };
        } else if let Some((key, kind)) = line.strip_suffix(',').and_then(|line| line.split_once(": ")) {
            let is_section = body.contains(&format!("\n    {kind} {{"));
            if !is_section {
                keys.insert(format!("{section}{key}"));
            }
        }
    }
    let rows = table("README.md", "key");
    let listed: BTreeSet<String> = rows.iter().map(|row| cell(row, 0).trim_matches('`').to_owned()).collect();
    assert_eq!(listed, keys, "README.md, configuration, against src/config/raw.rs");
}

/// Endpoints and who may call them, from the access table.
#[test]
fn the_manual_lists_every_endpoint() {
    let access: toml::Table = read("policies/access.toml").parse().unwrap();
    let rows = access.get("endpoint").and_then(toml::Value::as_array).unwrap();
    let text = |row: &toml::Value, key: &str| row.get(key).and_then(toml::Value::as_str).unwrap().to_owned();
    let expected: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| {
            let roles = row.get("roles").and_then(toml::Value::as_array).into_iter().flatten();
            let roles: Vec<&str> = roles.filter_map(toml::Value::as_str).collect();
            let who = if roles.is_empty() { text(row, "access") } else { roles.join(" or ") };
            (format!("{} {}", text(row, "method"), text(row, "path")), who)
        })
        .collect();
    let listed: BTreeSet<(String, String)> = table("README.md", "endpoint")
        .iter()
        .map(|row| (cell(row, 0).trim_matches('`').to_owned(), cell(row, 1).to_owned()))
        .collect();
    assert_eq!(listed, expected, "README.md, endpoints, against policies/access.toml");
}

/// The exit codes, from the code that gives them.
#[test]
fn the_manuals_list_every_exit_code() {
    let given: BTreeSet<String> = read("src/cli/exit.rs")
        .split_once("pub(crate) const fn code(self) -> u8 {")
        .and_then(|(_, rest)| rest.split_once("\n    }"))
        .unwrap()
        .0
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once("=> ").map(|(_, code)| code.to_owned()))
        .collect();
    for (document, header) in [("README.md", "exit code"), ("docs/verify.md", "code")] {
        let rows = table(document, header);
        let listed: BTreeSet<String> = rows.iter().map(|row| cell(row, 0).to_owned()).collect();
        assert_eq!(listed, given, "{document}, exit codes, against src/cli/exit.rs");
    }
}

/// The options of `verify`, from its help.
#[test]
fn the_manuals_list_every_option_of_verify() {
    let help = read("tests/golden/cli-verify-help.txt");
    let options = help.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let given: BTreeSet<String> = options
        .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
        .filter(|name| name != "help")
        .collect();
    assert!(given.contains("trust"), "{given:?}");
    for document in ["README.md", "docs/verify.md"] {
        let rows = table(document, "option");
        let names = rows.iter().filter_map(|row| cell(row, 0).trim_matches('`').strip_prefix("--"));
        let listed: BTreeSet<String> =
            names.map(|rest| rest.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(listed, given, "{document}, options, against the help of verify");
    }
}

/// The tolerances and which policy allows them, from the policies.
#[test]
fn the_tolerances_are_those_of_the_policies() {
    let policies = ["default", "strict", "lenient-field"].map(|name| {
        let text = read(&format!("policies/verification/{name}.toml"));
        text.parse::<toml::Table>().unwrap().get("tolerance").and_then(toml::Value::as_array).unwrap().clone()
    });
    let mut expected = Vec::new();
    for (index, row) in policies.first().unwrap().iter().enumerate() {
        let number = row.get("number").and_then(toml::Value::as_integer).unwrap();
        let name = row.get("name").and_then(toml::Value::as_str).unwrap();
        let allowed = policies.iter().map(|policy| {
            let allowed = policy.get(index).and_then(|row| row.get("allowed")).and_then(toml::Value::as_bool);
            if allowed.unwrap() { "yes" } else { "no" }.to_owned()
        });
        expected.push([number.to_string(), format!("`{name}`")].into_iter().chain(allowed).collect::<Vec<_>>());
    }
    let listed: Vec<Vec<String>> =
        table("policies/README.md", "no.").iter().map(|row| row.iter().take(5).cloned().collect()).collect();
    assert_eq!(listed, expected, "policies/README.md against policies/verification/");
}

/// Every file under `policies/` has its row.
#[test]
fn every_policy_file_is_explained() {
    let listed: BTreeSet<String> =
        table("policies/README.md", "file").iter().map(|row| cell(row, 0).trim_matches('`').to_owned()).collect();
    let mut found = BTreeSet::new();
    let mut pending = vec![root().join("policies")];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                let relative: &Path = path.strip_prefix(root().join("policies")).unwrap();
                found.insert(relative.to_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(listed, found);
}

/// Cargo.toml has rustdoc look for no examples, since a look at every file takes long; so there are none.
#[test]
fn no_example_goes_untested() {
    let manifest = read("Cargo.toml").parse::<toml::Table>().unwrap();
    assert_eq!(manifest["lib"]["doctest"].as_bool(), Some(false));
    let mut faults = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                faults.extend(examples(&text).map(|line| format!("{}:{line}: an example", path.display())));
            }
        }
    }
    report(&faults);
}

/// The lines of a source at which a block of documentation begins that is not plain text.
fn examples(source: &str) -> impl Iterator<Item = usize> {
    let documentation = |line: &str| {
        let line = line.trim_start();
        let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
        Some(text.trim_start().to_owned())
    };
    let fences = (1..).zip(source.lines()).filter_map(move |(number, line)| Some((number, documentation(line)?)));
    let fences = fences.filter(|(_, text)| text.starts_with("```") || text.starts_with("~~~"));
    fences.step_by(2).filter(|(_, text)| text != "```text").map(|(number, _)| number)
}

#[test]
fn examples_are_found() {
    let text = "//! ```text\n//! x\n//! ```\n/// ```\n/// f();\n/// ```\n    /// ```rust\n    /// ```\n";
    assert_eq!(examples(text).collect::<Vec<_>>(), [4, 7]);
}
