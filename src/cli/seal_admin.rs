//! `yinxin seal-admin`: seals that were made elsewhere, whether they may be used, and the callers who may use them and by
//! whose authority.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::base::id::{KeyId, SealId};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::Error;
use crate::cli::keys::attached;
use crate::cli::seal_uses;
use crate::domain::audit::{Actor, SuspensionReason};
use crate::domain::caller::{Role, Roles};
use crate::service;
use crate::service::callers::{holder, register_caller};
use crate::service::seals::{resume, suspend, take};

/// Seals that were made elsewhere, and the callers who may use them
///
/// Works on the installation that the configuration names, also beside a service at work. Exit code 0 done, 4 refused,
/// 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Take in a seal of GB/T 38540 that a seal maker made for a key of ours, and print its name here
    Take {
        /// The seal, DER
        #[arg(value_name = "SEAL")]
        seal: PathBuf,
        /// The key that shall use it
        #[arg(long, value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
        /// That key's certificate, PEM or DER, as the seal lists it
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
    },
    /// Let a seal rest: from now on it is refused
    Suspend {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        /// Why: owner-request, authority-order or suspected-misuse
        #[arg(long, value_name = "REASON", value_parser = reason)]
        reason: SuspensionReason,
    },
    /// Take a resting seal back into use
    Resume {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
    },
    /// Let the holder of a certificate call the HTTPS API, and print its name here
    RegisterCaller {
        /// The certificate, PEM; its key is what counts
        #[arg(value_name = "CERTIFICATE")]
        certificate: PathBuf,
        /// What the caller is called
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// What it may do; given more than once, each of them
        #[arg(long, value_name = "ROLE", value_parser = role, required = true)]
        role: Vec<Role>,
    },
    #[command(flatten)]
    Uses(seal_uses::Action),
}

fn reason(text: &str) -> Result<SuspensionReason, String> {
    let names = || SuspensionReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    SuspensionReason::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    Role::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    attached((arguments.config.as_deref(), false), console, async |services, _, _| match &arguments.action {
        Action::Take { seal, key, certificate } => {
            let files = (&read(seal)?[..], &read(certificate)?[..]);
            let id = take(&services, &Actor::Operator, files, key).await?;
            Ok(format!("{id}\n"))
        }
        Action::Suspend { seal, reason } => {
            let state = suspend(&services, &Actor::Operator, seal, *reason).await?;
            Ok(format!("{seal} {}\n", state.name()))
        }
        Action::Resume { seal } => {
            let state = resume(&services, &Actor::Operator, seal).await?;
            Ok(format!("{seal} {}\n", state.name()))
        }
        Action::Uses(action) => seal_uses::act(&services, action).await,
        Action::RegisterCaller { certificate, name, role } => {
            let pem = read(certificate)?;
            let roles = Roles::new(role.iter().copied()).map_err(service::Error::from)?;
            let registration = holder(&String::from_utf8_lossy(&pem), name, roles)?;
            let caller = register_caller(&services, &Actor::Operator, None, registration).await?;
            Ok(format!("{}\n", caller.id))
        }
    })
}

/// A file no larger than a seal or a certificate can be.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    const MOST: u64 = 1 << 20;
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let mut octets = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut octets)).map_err(wrong)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > MOST {
        return Err(wrong(std::io::Error::other("larger than a seal or a certificate can be")));
    }
    Ok(octets)
}
