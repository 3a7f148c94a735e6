//! Shares of the wrapping key as people bring them: in files, or typed in without an echo.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::cli::console::shown;
use crate::cli::installation::Error;
use crate::service::keys::read_closed;
use crate::service::keys::shares::Share;

/// Standard input, as the configuration names it.
const STANDARD_INPUT: &str = "-";
/// No share is as long.
const LONGEST: u64 = 1024;

/// The shares in these files, without those that are absent, and those on standard input where it is named.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Secret>, Error> {
    let mut shares = Vec::new();
    for path in files.iter().filter(|path| path.as_os_str() != STANDARD_INPUT) {
        match path.try_exists() {
            Ok(false) => {}
            Ok(true) => shares.push(read_closed(path)?),
            Err(source) => return Err(Error::File { path: path.clone(), source }),
        }
    }
    if files.iter().any(|path| path.as_os_str() == STANDARD_INPUT) {
        ask(&mut shares).map_err(|source| Error::File { path: Path::new("standard input").to_owned(), source })?;
    }
    Ok(shares)
}

/// Asks for shares, one on a line, until as many are there as the first of them says, or no more come.
fn ask(shares: &mut Vec<Secret>) -> io::Result<()> {
    let input = io::stdin();
    let asked = input.is_terminal();
    let _silence = if asked { Some(Silence::begin()?) } else { None };
    let mut lines = input.lock();
    while shares.len() < 255 && needed(shares).is_none_or(|needed| shares.len() < usize::from(needed)) {
        if asked {
            write!(io::stderr(), "share no. {} (not shown): ", shares.len().saturating_add(1))?;
            io::stderr().flush()?;
        }
        let mut line = Zeroizing::new(Vec::with_capacity(1025));
        let read = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if asked {
            writeln!(io::stderr())?;
        }
        if read == 0 {
            break;
        }
        let text = Secret::new(line.trim_ascii().to_vec());
        match Share::parse(text.expose(), shares.len().saturating_add(1)) {
            // Who mistypes tries again; a program's mistake is told where shares are combined.
            Err(error) if asked => writeln!(io::stderr(), "{error}")?,
            _ if text.expose().is_empty() => {}
            _ => shares.push(text),
        }
    }
    Ok(())
}

/// One share of one custodian, asked for by name; and whether it was asked of a person at a terminal.
pub(crate) fn give_back(custodian: &str) -> io::Result<(Secret, bool)> {
    let input = io::stdin();
    let asked = input.is_terminal();
    let _silence = if asked { Some(Silence::begin()?) } else { None };
    write!(io::stderr(), "{}: give back your share (not shown): ", shown(custodian))?;
    io::stderr().flush()?;
    let mut line = Zeroizing::new(Vec::with_capacity(1025));
    input.lock().take(LONGEST).read_until(b'\n', &mut line)?;
    writeln!(io::stderr())?;
    Ok((Secret::new(line.trim_ascii().to_vec()), asked))
}

/// How many the first share says are needed.
fn needed(shares: &[Secret]) -> Option<u8> {
    let first = shares.first()?;
    Share::parse(first.expose(), 1).ok().map(|share| share.threshold())
}

/// The terminal without an echo, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that has gone needs no echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
