//! `yinxin demo office`: the offices elsewhere, played on this machine: the national system that makes seals, and public
//! security that files them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::base::clock::{Clock, SystemClock};
use crate::base::random::{HealthChecked, Random, SystemRandom};
use crate::cli::ca::{MOST, read};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::{self, create_folder, write, write_new};
use crate::cli::serve::{log, runtime};
use crate::config::Settings;
use crate::http::server;
use crate::service::keys::{self, read_closed};
use crate::service::office_simulator::desk::{Desk, Fault, Unfit};
use crate::service::office_simulator::{self, OfficeKeys, PATH, Simulator, locked};
use crate::service::outside::exchange::public_key_in;
use crate::service::verification::pem_of;

/// Play the offices elsewhere on this machine: one that makes seals, as the national system does, and files them
///
/// For development alone: the installation that writes to it must trust the development PKI, and nothing is made that does
/// not say 样章 or 示例 in its name. Its keys stay in FOLDER; what was ordered is forgotten when it ends, as by a system that
/// lost its orders. What it decides by itself is a line each of FOLDER/decisions: the application, and suspended, cancelled or
/// active. Exit code 0 ended by a signal, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(super) struct Arguments {
    /// Where its keys lie, its public key (key.pem) and its anchor (root.pem); made when absent
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The public key by which the installation signs its messages, PEM
    #[arg(long, value_name = "FILE")]
    correspondent: PathBuf,
    /// The configuration of that installation, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, on this machine alone
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8466")]
    listen: SocketAddr,
    /// So many questions are answered by "at work" before a seal is made, or filed
    #[arg(long, value_name = "N", default_value_t = 1)]
    delay: u32,
    /// Refuse every order, and every filing, with this code
    #[arg(long, value_name = "CODE", value_parser = code)]
    refuse: Option<String>,
    /// Make seals that are not what was ordered: name, picture, code, size, longer, signer or maker
    #[arg(long, value_name = "WHAT", value_parser = unfit)]
    unfit: Option<Unfit>,
    /// What goes wrong with the next messages, one each: none, silence, lose-answer (it comes twice), other-key,
    /// other-subject, other-name, malformed, redirect, huge, forgets, second-seal or other-number
    #[arg(long, value_name = "FAULT,…", value_parser = fault, value_delimiter = ',')]
    faults: Vec<Mishap>,
    /// Those faults over and over
    #[arg(long, requires = "faults")]
    again: bool,
    /// Answer nobody
    #[arg(long)]
    silent: bool,
}

/// What goes wrong with a message, if anything does.
#[derive(Clone, Copy)]
struct Mishap(Option<Fault>);

fn code(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("1 to 64 of a-z A-Z 0-9 - _ .".to_owned()),
    }
}

fn one_of(names: impl Iterator<Item = &'static str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

fn unfit(text: &str) -> Result<Unfit, String> {
    let found = Unfit::ALL.into_iter().find(|one| one.name() == text);
    found.ok_or_else(|| one_of(Unfit::ALL.iter().map(|one| one.name())))
}

fn fault(text: &str) -> Result<Mishap, String> {
    if text == "none" {
        return Ok(Mishap(None));
    }
    let found = Fault::ALL.into_iter().find(|one| one.name() == text);
    found.map(|one| Mishap(Some(one))).ok_or_else(|| one_of(Fault::ALL.iter().map(|one| one.name())))
}

/// Why nobody plays.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the installation does not trust the development PKI: there is no office to play (development-only)")]
    NotDevelopment,
    #[error("{path} holds no public key (public-key-malformed)")]
    PublicKey { path: PathBuf },
    #[error("{source} ({})", .source.code())]
    Simulator {
        #[from]
        source: office_simulator::Error,
    },
    #[error("{source} ({})", .source.code())]
    Keys {
        #[from]
        source: keys::Error,
    },
    #[error(transparent)]
    Installation(#[from] installation::Error),
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        Self::Installation(error.into())
    }
}

impl Failure {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::NotDevelopment | Self::PublicKey { .. } | Self::Keys { .. } => Outcome::Refused,
            Self::Simulator {
                source: office_simulator::Error::NotLoopback { .. } | office_simulator::Error::KeysMalformed,
            } => Outcome::Refused,
            Self::Installation(installation::Error::Config(_)) => Outcome::Usage,
            Self::Simulator { .. } | Self::Installation(_) => Outcome::Internal,
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Installation(error) => error.line(),
            _ => format!("error: {self}"),
        }
    }
}

/// Plays until a signal to stop comes.
pub(super) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    match play(arguments, console) {
        Ok(()) => Outcome::Passed,
        Err(failure) => {
            console.complain(&failure.line());
            failure.outcome()
        }
    }
}

fn play(arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let settings = Settings::load(arguments.config.as_deref(), std::env::vars())?;
    if !settings.trust.development {
        return Err(Failure::NotDevelopment);
    }
    log(&settings.log);
    let path = &arguments.correspondent;
    let correspondent =
        public_key_in(&read(path, MOST)?).ok_or_else(|| Failure::PublicKey { path: path.to_owned() })?;
    let folder = &arguments.folder;
    create_folder(folder)?;
    let random: Arc<dyn Random> = Arc::new(HealthChecked::new(SystemRandom));
    let keys = kept(folder, &*random)?;
    write(&folder.join("key.pem"), keys.public_key_pem().as_bytes())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    runtime()?.block_on(async {
        let decisions = Some(folder.join("decisions"));
        let simulator = Simulator::open(arguments.listen, keys, (clock, random), decisions).await?;
        {
            let (desk, anchor) = (simulator.desk(), folder.join("root.pem"));
            let mut desk = locked(&desk);
            desk.correspondent = Some(correspondent);
            instruct(&mut desk, arguments);
            // Another certificate of the same authority is as good: the one that is configured already stays.
            if !anchor.exists() {
                write(&anchor, pem_of(&desk.root).as_bytes())?;
            }
        }
        let stop = server::termination().map_err(installation::Error::from)?;
        console.print(&announcement(simulator.address(), folder));
        tokio::select! {
            () = simulator.serve() => {}
            () = stop => {}
        }
        Ok(())
    })
}

/// The keys of the office in that folder, made when there are none.
fn kept(folder: &Path, random: &dyn Random) -> Result<OfficeKeys, Failure> {
    let path = folder.join("office.keys");
    if path.exists() {
        return Ok(OfficeKeys::from_text(read_closed(&path)?.expose())?); // to be read as keys
    }
    let keys = OfficeKeys::generate(random)?;
    write_new(&path, keys.to_text().expose())?; // to be kept in a folder of development
    Ok(keys)
}

fn instruct(desk: &mut Desk, arguments: &Arguments) {
    desk.delay = arguments.delay;
    desk.always_refuses.clone_from(&arguments.refuse);
    desk.always_unfit = arguments.unfit;
    desk.is_silent = arguments.silent;
    let faults = arguments.faults.iter().map(|mishap| mishap.0).collect::<Vec<_>>();
    if arguments.again {
        desk.again = faults;
    } else {
        desk.faults = faults.into();
    }
}

fn announcement(address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "listening on http://{address}{PATH}\n\n\
         [national_maker]\naddress = \"http://{address}{PATH}\"\nkey = \"{folder}/key.pem\"\nanchors = [\"{folder}/root.pem\"]\n\
         kinds = [1]\n\n[filing]\naddress = \"http://{address}{PATH}\"\nkey = \"{folder}/key.pem\"\n\n\
         DEVELOPMENT: what this office makes and files is worth nothing elsewhere.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_their_names() {
        let names = Fault::ALL.map(Fault::name);
        assert_eq!(names.map(|name| fault(name).unwrap().0.map(Fault::name)), names.map(Some));
        assert!(fault("none").unwrap().0.is_none());
        assert!(fault("late").is_err_and(|told| told.starts_with("one of silence, lose-answer,")));
        let names = Unfit::ALL.map(Unfit::name);
        assert_eq!(names.map(|name| unfit(name).unwrap().name()), names);
        assert_eq!(unfit("smell").unwrap_err(), "one of name, picture, code, size, longer, signer, maker");
        assert_eq!(code("name-taken").unwrap(), "name-taken");
        for text in ["", "no words", &"a".repeat(65)] {
            assert_eq!(code(text).unwrap_err(), "1 to 64 of a-z A-Z 0-9 - _ .");
        }
    }
}
