//! Whether what the product does with a secret shows: in time (`statistics`), or in its branches and addresses (`memcheck`).
//!
//! Exit codes: 0 no evidence, 1 a leak was found, 2 the run proves nothing (wrong use, no valgrind, the control was missed).

mod cases;
mod memcheck;
mod statistics;

use std::process::ExitCode;

use yinxin::valgrind;

const USAGE: &str =
    "constant-time statistics [--seconds N] [--only NAME] | valgrind … constant-time memcheck [--only NAME]";

/// How the run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// No evidence of a leak, and the control was found.
    Clean,
    /// A subject other than the control leaks.
    Leak,
    /// The control was missed: this run could not have found a leak.
    Blind,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next();
    let (mut seconds, mut only) = (3.0_f64, None);
    while let Some(option) = arguments.next() {
        match (option.as_str(), arguments.next()) {
            ("--seconds", Some(value)) if value.parse::<f64>().is_ok_and(|number| number > 0.0) => {
                seconds = value.parse().unwrap_or(seconds);
            }
            ("--only", Some(value)) => only = Some(value),
            _ => return wrong_use(&format!("{option}: unknown, or without its value")),
        }
    }
    let build = if cfg!(yinxin_leaky) { "leaky" } else { "normal" };
    let build = format!("{build}{}", if cfg!(yinxin_portable) { ", SM2 as for other processors" } else { "" });
    let outcome = match mode.as_deref() {
        Some("statistics") => {
            println!("build: {build}; method: two classes, Welch's t, first and second order");
            statistics::run(cases::subjects(), seconds, only.as_deref())
        }
        Some("memcheck") if !cfg!(yinxin_memcheck) => return wrong_use("built without the feature `memcheck`"),
        Some("memcheck") if !valgrind::is_running() => return wrong_use("not run under valgrind"),
        Some("memcheck") => {
            println!("build: {build}; method: secrets are undefined memory to valgrind");
            memcheck::run(only.as_deref())
        }
        _ => return wrong_use("statistics or memcheck"),
    };
    match outcome {
        None => wrong_use("no subject has that name"),
        Some(Outcome::Clean) => ExitCode::SUCCESS,
        Some(Outcome::Leak) => ExitCode::from(1),
        Some(Outcome::Blind) => {
            eprintln!("the control was not reported: this run proves nothing");
            ExitCode::from(2)
        }
    }
}

fn wrong_use(reason: &str) -> ExitCode {
    eprintln!("{reason}\n{USAGE}");
    ExitCode::from(2)
}
