//! The command line: arguments in, results on stdout, diagnostics on stderr, exit code out.

mod alarms;
mod approving;
mod audit;
mod backup;
mod bench;
mod ca;
mod console;

mod demo;
mod exit;
mod fetching;
mod files;
mod hardening;
mod installation;
mod keys;
mod log;
mod offices;
mod proof;
mod seal_admin;
mod seal_picture;
mod seal_uses;
mod selftest;
mod serve;
mod shares;
mod sign_prepared;
mod trust;
mod verify;
mod watching;
mod witness;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, set_hook};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::console::Console;
use crate::cli::exit::Outcome;

/// Yinxin 印信: issues and validates electronic seals and signatures
#[derive(Parser)]
#[command(name = "yinxin", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One line for each command, here and in [`Command::run`].
#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Verify(verify::Arguments),
    Serve(serve::Arguments),
    Selftest(selftest::Arguments),
    Keys(keys::Arguments),
    SealAdmin(seal_admin::Arguments),
    SignPrepared(sign_prepared::Arguments),
    Ca(ca::Arguments),
    Trust(trust::Arguments),
    Log(log::Arguments),
    Audit(audit::Arguments),
    Backup(backup::BackupArguments),
    Restore(backup::RestoreArguments),
    Migrate(backup::MigrateArguments),
    Alarms(alarms::Arguments),
    Witness(witness::Arguments),
    Bench(bench::Arguments),
}

impl Command {
    fn run(self, console: &mut Console) -> Outcome {
        match self {
            Self::Demo(arguments) => demo::run(&arguments, console),
            Self::Verify(arguments) => verify::run(&arguments, console),
            Self::Serve(arguments) => serve::run(&arguments, console),
            Self::Selftest(arguments) => selftest::run(&arguments, console),
            Self::Keys(arguments) => keys::run(&arguments, console),
            Self::SealAdmin(arguments) => seal_admin::run(&arguments, console),
            Self::SignPrepared(arguments) => sign_prepared::run(&arguments, console),
            Self::Ca(arguments) => ca::run(&arguments, console),
            Self::Trust(arguments) => trust::run(&arguments, console),
            Self::Log(arguments) => log::run(&arguments, console),
            Self::Audit(arguments) => audit::run(&arguments, console),
            Self::Backup(arguments) => backup::backup(&arguments, console),
            Self::Restore(arguments) => backup::restore(&arguments, console),
            Self::Migrate(arguments) => backup::migrate(&arguments, console),
            Self::Alarms(arguments) => alarms::run(&arguments, console),
            Self::Witness(arguments) => witness::run(&arguments, console),
            Self::Bench(arguments) => bench::run(&arguments, console),
        }
    }
}

/// Runs the command that the arguments name.
///
/// Exit codes: 64 usage, 70 internal error, 66 unreadable file, 4 refused, 1 failed, 2 indeterminate, 3 without any
/// signature, 0 all passed; over several files the first that applies.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    set_hook(Box::new(|panic| Console::standard().complain(&internal_error(panic.location()))));
    let mut console = Console::standard();
    if let Err(error) = hardening::harden() {
        console.complain(&format!("warning: core dumps cannot be switched off: {error}"));
    }
    let outcome = guarded(|| execute(arguments, &mut console));
    ExitCode::from(if console.lost() { outcome.min(Outcome::Internal) } else { outcome }.code())
}

fn execute(arguments: impl IntoIterator<Item = OsString>, console: &mut Console) -> Outcome {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command.run(console),
        Err(error) if error.use_stderr() => {
            console.complain(&error.render().to_string());
            Outcome::Usage
        }
        // Help and version are results.
        Err(error) => {
            console.print(&error.render().to_string());
            Outcome::Passed
        }
    }
}

/// Turns a panic into an outcome.
fn guarded(work: impl FnOnce() -> Outcome) -> Outcome {
    // What the work left half done is not looked at again, except for the console, whose state is two flags.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Outcome::Internal)
}

/// Where it broke and nothing else: a panic's message may quote what it worked on.
fn internal_error(place: Option<&Location<'_>>) -> String {
    let place = place.map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    format!("error: internal error{place}; please report it (internal-error)")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_panic_becomes_exit_code_70() {
        assert_eq!(guarded(|| panic!("a secret")).code(), 70);
        assert_eq!(guarded(|| Outcome::Failed).code(), 1);
    }

    #[test]
    fn an_internal_error_names_its_place_only() {
        let here = Location::caller();
        let expected =
            format!("error: internal error at src/cli/mod.rs:{}; please report it (internal-error)", here.line());
        assert_eq!(internal_error(Some(here)), expected);
        assert_eq!(internal_error(None), "error: internal error; please report it (internal-error)");
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
