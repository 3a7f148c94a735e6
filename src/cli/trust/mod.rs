//! `yinxin trust`: trust lists made, signed, read and compared as files, and brought into force by two officers.

mod files;
mod force;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, Subcommand};

use crate::cli::console::{Console, error_line};
use crate::cli::exit::Outcome;
use crate::cli::installation;
use crate::cli::keys::attached;
use crate::config::algorithms::AlgorithmPolicyError;
use crate::config::trust_list::DraftError;
use crate::service;
use crate::service::trust_files::MOST;

/// Trust lists: who is trusted, for what, where and how long
///
/// A list is made, signed, shown, checked, compared and bundled as a file, without an installation. It comes into force in
/// the installation that the configuration names: it is imported, approved by two different officers (approvers of
/// `ca officer`), and activated. Exit code 0 done, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

/// One line for each action, here and in [`run`].
#[derive(Subcommand)]
enum Action {
    /// Make a list from a draft, to be signed
    Make(files::Make),
    /// Sign a list, by a key file or by a token elsewhere
    Sign(files::Sign),
    /// What a list says, and who signed it; nothing is checked
    Show(files::Show),
    /// Check a list's own signatures and its end, and whether it may follow another one
    Check(files::Check),
    /// What changes from one version to another
    Diff(files::Diff),
    /// Print the fingerprint of a list, for paper
    Fingerprint(files::Fingerprint),
    /// Lists, certificates and revocation lists in one file, for a place without a network
    Bundle(files::Bundle),
    /// Take in a list, or the lists of a bundle, and print what would change; they wait for two officers
    Import(force::Import),
    /// Every list: SM3, state, name, number, approvals
    List(force::List),
    /// Approve an imported list, as an officer with the role approver
    Approve(force::Approve),
    /// Refuse an imported list, for ever
    Refuse(force::Refuse),
    /// Bring an approved list into force
    Activate(force::Named),
    /// Write a list as it was imported to a new file
    Export(force::Export),
}

/// Why a file is not made or read.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{path} cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the draft {path} is not UTF-8 text")]
    NotText { path: PathBuf },
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error("{path} cannot be used")]
    InFile { path: PathBuf, source: Box<service::Error> },
    #[error("{path} holds {count} lists, and one is wanted")]
    NotOneList { path: PathBuf, count: usize },
    #[error(transparent)]
    Algorithms(#[from] AlgorithmPolicyError),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Installation(#[from] installation::Error),
}

impl Error {
    fn line(&self) -> String {
        let code = match self {
            Self::Installation(error) => return error.line(),
            Self::Unreadable { .. } => "file-unreadable",
            Self::NotText { .. } | Self::Draft(_) => "draft-malformed",
            Self::InFile { source, .. } => source.code(),
            Self::NotOneList { .. } => "not-one-list",
            Self::Algorithms(_) => "policy-malformed",
            Self::Service(error) => error.code(),
        };
        error_line(self, code)
    }

    const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable { .. } => Outcome::Unreadable,
            Self::Installation(_) => Outcome::Internal,
            _ => Outcome::Refused,
        }
    }
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let done = match &arguments.action {
        Action::Make(order) => files::make(order),
        Action::Sign(order) => files::sign(order),
        Action::Show(order) => files::show(order),
        Action::Check(order) => files::check(order),
        Action::Diff(order) => files::diff(order),
        Action::Fingerprint(order) => files::fingerprint(order),
        Action::Bundle(order) => files::bundle(order),
        _ => return in_installation(arguments, console),
    };
    match done {
        Ok(text) => {
            console.print(&text);
            Outcome::Passed
        }
        Err(error) => {
            console.complain(&error.line());
            error.outcome()
        }
    }
}

fn in_installation(arguments: &Arguments, console: &mut Console) -> Outcome {
    attached((arguments.config.as_deref(), false), console, async |services, _, _| match &arguments.action {
        Action::Import(order) => force::import(&services, order).await,
        Action::List(order) => force::list(&services, order).await,
        Action::Approve(order) => force::approve(&services, order).await,
        Action::Refuse(order) => force::refuse(&services, order).await,
        Action::Activate(order) => force::activate(&services, order).await,
        Action::Export(order) => force::export(&services, order).await,
        // Done above, where no installation is opened.
        _ => Ok(String::new()),
    })
}

/// A file of no more octets than a bundle may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let limit = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(limit).read_to_end(&mut octets)?;
    if octets.len() > MOST { Err(io::Error::other("larger than such a file can be")) } else { Ok(octets) }
}
