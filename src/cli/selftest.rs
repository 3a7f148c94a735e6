//! `yinxin selftest`, and the same tests before `serve`, `demo` and `keys` do anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::base::random::{HealthChecked, Random, SystemRandom};
use crate::cli::console::{Console, shown};
use crate::cli::exit::Outcome;
use crate::cli::installation::Error;
use crate::config::{Policies, Settings, algorithms, faces, profiles, verification};
use crate::domain::trust::AlgorithmPolicy;
use crate::http::access;
use crate::service::selftest::{self, Row, SelfTest, known_answers};
use crate::service::verification::sm3_hex;

/// Test every algorithm against known answers, the random generator, and the integrity of the policy files
///
/// The same tests run before `serve`, `demo` and `keys` do anything; where one fails, they do not start. Exit code 0 when all
/// pass, 70 when one fails, 64 when the configuration is wrong.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML: its policy files are tested too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The policy files that are compiled in: name, text, SM3. A file and its digest are changed together.
const SHIPPED: [(&str, &str, &str); 7] = [
    ("access.toml", access::SHIPPED, "1219f8e7988bb1f7d340ac2c2075e4ba6cac9654b293a684e429254056dfbb9e"),
    ("algorithms.toml", algorithms::BUILT_IN, "2444af3ce180439bc107e4079f11b87f9ab394d5f2128099944f3b16f2e8e750"),
    ("faces.toml", faces::BUILT_IN, "0b840c1c34fd25efe78a4f4a5429a9084413b43c12d3c2ce28005a9b4c33715a"),
    (
        "verification/default.toml",
        verification::BUILT_IN[0].1,
        "2710d40993b6e8b5f8304b6d1b6c7d4bd012dc1abcaeb29b6c6cd408f7541b67",
    ),
    (
        "verification/strict.toml",
        verification::BUILT_IN[1].1,
        "dd4586bcd30f0c6dce484788af2f0c50e8bcc435930eaa1bb55cb35de8255dcf",
    ),
    (
        "verification/archive.toml",
        verification::BUILT_IN[2].1,
        "75773df94aad62b5671ed002bfd3dd2ea8398bdc39a891d4d502dcc7f728064d",
    ),
    (
        "verification/lenient-field.toml",
        verification::BUILT_IN[3].1,
        "846b89d1dbbb377fd78c5ab04117e552be83bf6293be9ab32c2bb0b43ce48943",
    ),
];

/// SM3 of the built-in certificate profiles, one after the other.
const SHIPPED_PROFILES: &str = "4bda0e83902ff26c6ccd1f5d4a24a772af69cc9383a81c86f7257b9dbd2b0be9";

/// What the self-tests found sound, for whoever starts: the generator that was tested, the texts that were digested.
pub(crate) struct Sound {
    /// The operating system's generator, watched.
    pub(crate) random: Arc<HealthChecked<SystemRandom>>,
    /// The algorithm policy in force.
    pub(crate) algorithms: Arc<AlgorithmPolicy>,
    /// The access table, when another than the built-in one.
    pub(crate) access: Option<String>,
}

/// Policy files that the configuration names, read once: what was digested is what is used.
struct Configured {
    access: Option<(PathBuf, String)>,
    algorithms: Option<(PathBuf, String)>,
}

impl Configured {
    fn read(policies: &Policies) -> Result<Self, Error> {
        let read = |path: &PathBuf| {
            let octets = fs::read(path).map_err(|source| Error::File { path: path.clone(), source })?;
            let text = String::from_utf8(octets).map_err(|_| Error::NotText { path: path.clone() })?;
            Ok::<_, Error>((path.clone(), text))
        };
        let access = policies.access.as_ref().map(read).transpose()?;
        Ok(Self { access, algorithms: policies.algorithms.as_ref().map(read).transpose()? })
    }

    /// Every test: known answers, the files that are compiled in, and configured files that have a digest beside them.
    fn tests(&self) -> Result<Vec<SelfTest>, Error> {
        let mut tests = known_answers();
        tests.extend(SHIPPED.iter().map(|(name, text, sm3)| SelfTest::of_policy(name, text.as_bytes(), sm3)));
        let profiles: String = profiles::BUILT_IN.iter().map(|(_, text)| *text).collect();
        tests.push(SelfTest::of_policy("profiles", profiles.as_bytes(), SHIPPED_PROFILES));
        for (path, text) in [&self.access, &self.algorithms].into_iter().flatten() {
            if let Some(digest) = digest_beside(path)? {
                tests.push(SelfTest::of_policy(&path.display().to_string(), text.as_bytes(), &digest));
            }
        }
        Ok(tests)
    }
}

/// The first word of `FILE.sm3`, as `openssl dgst -sm3 -r FILE` writes it; `None` where there is no such file.
fn digest_beside(path: &Path) -> Result<Option<String>, Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sm3");
    let beside = PathBuf::from(beside);
    match fs::read_to_string(&beside) {
        Ok(text) => Ok(Some(text.split_whitespace().next().unwrap_or_default().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { path: beside, source }),
    }
}

/// Runs every self-test and reads the configured policies. Nothing may start without.
pub(crate) fn before_start(policies: &Policies) -> Result<Sound, Error> {
    let configured = Configured::read(policies)?;
    let random = Arc::new(HealthChecked::new(SystemRandom));
    let rows = selftest::require(&configured.tests()?, &*random)?;
    let micros = rows.iter().map(|row| row.took.as_micros()).sum::<u128>();
    tracing::info!(tests = rows.len(), micros, "self-tests passed");
    let algorithms = match &configured.algorithms {
        Some((path, text)) => algorithms::parse(text, &path.display().to_string(), &sm3_hex)?,
        None => algorithms::built_in(&sm3_hex)?,
    };
    let access = configured.access.map(|(_, text)| text);
    Ok(Sound { random, algorithms: Arc::new(algorithms), access })
}

/// Runs the tests and prints them.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let settings = match Settings::load(arguments.config.as_deref(), std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            console.complain(&Error::from(error).line());
            return Outcome::Usage;
        }
    };
    let tests = Configured::read(&settings.policies).and_then(|configured| configured.tests());
    match tests {
        Ok(tests) => print(&tests, &HealthChecked::new(SystemRandom), arguments.json, console),
        Err(error) => {
            console.complain(&error.line());
            Outcome::Internal
        }
    }
}

/// Runs these tests and prints them; a failure is told on standard error too.
fn print(tests: &[SelfTest], random: &dyn Random, json: bool, console: &mut Console) -> Outcome {
    let rows = selftest::run(tests, random);
    let failed = rows.iter().filter(|row| row.outcome != selftest::Outcome::Passed).count();
    let passed = failed == 0 && !rows.is_empty();
    console.print(&if json { json_of(&rows, passed) } else { table_of(&rows, failed) });
    if passed {
        return Outcome::Passed;
    }
    console.complain(&format!("error: {failed} of {} self-tests failed (selftest-failed)", rows.len()));
    Outcome::Internal
}

fn table_of(rows: &[Row], failed: usize) -> String {
    let name = |row: &Row| shown(&row.name);
    let wide = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let engine = rows.iter().map(|row| row.engine.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let (outcome, micros) = (row.outcome.name(), row.took.as_micros());
        let line =
            format!("{:wide$}  {:engine$}  {outcome:7}  {micros:>7} µs  {}\n", name(row), row.engine, row.standard);
        text.push_str(&line);
    }
    let total = rows.iter().map(|row| row.took.as_micros()).sum::<u128>();
    let verdict = if failed == 0 { "all passed".to_owned() } else { format!("{failed} FAILED") };
    text.push_str(&format!("{} self-tests in {} ms: {verdict}\n", rows.len(), total / 1000));
    text
}

#[derive(Serialize)]
struct Told<'a> {
    passed: bool,
    tests: Vec<ToldRow<'a>>,
}

#[derive(Serialize)]
struct ToldRow<'a> {
    name: &'a str,
    standard: &'a str,
    engine: &'a str,
    result: &'static str,
    microseconds: u64,
}

fn json_of(rows: &[Row], passed: bool) -> String {
    let tests = rows.iter().map(|row| ToldRow {
        name: &row.name,
        standard: row.standard,
        engine: row.engine,
        result: row.outcome.name(),
        microseconds: u64::try_from(row.took.as_micros()).unwrap_or(u64::MAX),
    });
    // A tree of strings and numbers always has a JSON form.
    let told = Told { passed, tests: tests.collect() };
    format!("{}\n", serde_json::to_string(&told).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::rc::Rc;

    use super::*;

    /// A file and its digest are changed together: the digest to write here is in the message.
    #[test]
    fn shipped_policies_have_the_digests_that_are_fixed() {
        for (name, text, sm3) in SHIPPED {
            assert_eq!(sm3_hex(text.as_bytes()), sm3, "the SM3 of policies/{name} as it is now stands on the left");
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Rc<RefCell<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failure_is_printed_complained_of_and_told_by_the_exit_code() {
        let mut tests = vec![SelfTest::of_policy("a\u{202e}.toml", b"x", &sm3_hex(b"x"))];
        let told = |tests: &[SelfTest], json| {
            let (out, err) = (Kept::default(), Kept::default());
            let mut console = Console::new(Box::new(out.clone()), Box::new(err.clone()), false);
            let code = print(tests, &SystemRandom, json, &mut console).code();
            let text = |kept: &Kept| String::from_utf8(kept.0.borrow().clone()).unwrap();
            (code, text(&out), text(&err))
        };
        let (code, out, err) = told(&tests, false);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with("policy a\\u{202e}.toml  portable  passed"), "{out}");
        assert!(out.ends_with(": all passed\n"), "{out}");
        tests.push(SelfTest::of_policy("b.toml", b"y", &sm3_hex(b"x")));
        let (code, out, err) = told(&tests, false);
        assert_eq!((code, err.as_str()), (70, "error: 1 of 2 self-tests failed (selftest-failed)\n"));
        assert!(out.ends_with(": 1 FAILED\n") && out.contains("differs"), "{out}");
        let (code, out, _) = told(&tests, true);
        let told_as: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &told_as["passed"]), (70, &false.into()));
        assert_eq!(told_as["tests"][1]["result"], "differs");
        assert_eq!(told(&[], false).0, 70, "no test is no proof");
    }
}
