//! Holds `docs/assurance.md` to its word: every test it names exists, every row has a state from the closed list.

use std::fs;
use std::path::{Path, PathBuf};

const STATES: &[&str] = &["done", "partial", "operator", "planned (later)"];
const ISSUES: std::ops::RangeInclusive<char> = 'A'..='I';

/// One row of a table: clause, requirement, where, test, state.
struct Row {
    line: usize,
    cells: Vec<String>,
}

impl Row {
    fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", String::as_str)
    }

    fn tests(&self) -> impl Iterator<Item = &str> {
        self.cell(3).split("<br>").map(|name| name.trim().trim_matches('`')).filter(|name| !name.is_empty())
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rows of every table whose header starts with the cell `clause`.
fn rows(text: &str) -> Vec<Row> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(body) = line.strip_prefix('|').and_then(|rest| rest.trim_end().strip_suffix('|')) else {
            inside = false;
            continue;
        };
        let cells: Vec<String> = body.split('|').map(|cell| cell.trim().to_owned()).collect();
        let first = cells.first().map_or("", String::as_str);
        if first == "clause" {
            inside = true;
        } else if inside && !first.starts_with("---") {
            found.push(Row { line: index + 1, cells });
        }
    }
    found
}

fn state_is_known(state: &str) -> bool {
    let issue = state.strip_prefix("planned (issue ").and_then(|rest| rest.strip_suffix(')'));
    match issue {
        Some(letter) => letter.len() == 1 && letter.chars().all(|letter| ISSUES.contains(&letter)),
        None => STATES.contains(&state),
    }
}

/// Why the named test is not there, or nothing. A name is `path::function` or `path::tests::function`.
fn missing(root: &Path, name: &str) -> Option<String> {
    let path = name.split_once("::").map_or(name, |(path, _)| path);
    let function = name.rsplit_once("::").map_or("", |(_, function)| function);
    if function.is_empty() || !path.ends_with(".rs") {
        return Some(format!("`{name}` is not path.rs::function"));
    }
    let Ok(source) = fs::read_to_string(root.join(path)) else {
        return Some(format!("`{name}`: no file {path}"));
    };
    let is_there = source.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function)).is_some_and(|rest| rest.starts_with('('))
    });
    (!is_there).then(|| format!("`{name}`: no function {function} in {path}"))
}

fn faults(text: &str, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows(text) {
        let line = row.line;
        if row.cells.len() != 5 {
            faults.push(format!("line {line}: {} cells, not 5", row.cells.len()));
            continue;
        }
        if !state_is_known(row.cell(4)) {
            faults.push(format!("line {line}: state `{}` is not in the list", row.cell(4)));
        }
        if row.cell(4) == "done" && row.tests().next().is_none() {
            faults.push(format!("line {line}: done without a test"));
        }
        faults.extend(row.tests().filter_map(|name| missing(root, name)).map(|fault| format!("line {line}: {fault}")));
    }
    faults
}

#[test]
fn every_row_keeps_its_word() {
    let text = fs::read_to_string(root().join("docs/assurance.md")).unwrap();
    let count = rows(&text).len();
    assert!(count >= 75, "only {count} rows: did the table lose its header?");
    assert_eq!(faults(&text, &root()), Vec::<String>::new());
}

#[test]
fn wrong_rows_are_found() {
    let table = "| clause | requirement | where | test | state |\n|---|---|---|---|---|\n\
        | 1 | r | w | `tests/assurance.rs::every_row_keeps_its_word` | done |\n\
        | 2 | r | w | `tests/assurance.rs::no_such_test` | done |\n\
        | 3 | r | w | `tests/absent.rs::x` | partial |\n\
        | 4 | r | w | | done |\n\
        | 5 | r | w | | finished |\n\
        | 6 | r | w | | planned (issue J) |\n\
        | 7 | r | w | |\n\
        | 8 | r | w | somewhere | partial |\n";
    assert_eq!(
        faults(table, &root()),
        [
            "line 4: `tests/assurance.rs::no_such_test`: no function no_such_test in tests/assurance.rs",
            "line 5: `tests/absent.rs::x`: no file tests/absent.rs",
            "line 6: done without a test",
            "line 7: state `finished` is not in the list",
            "line 8: state `planned (issue J)` is not in the list",
            "line 9: 4 cells, not 5",
            "line 10: `somewhere` is not path.rs::function",
        ]
    );
}
