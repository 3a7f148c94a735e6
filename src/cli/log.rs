//! `yinxin log`: the audit log checked, copied out, and asked for proofs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::approving::{Approved, Approving};
use crate::cli::console::{Console, error_line};
use crate::cli::exit::Outcome;
use crate::cli::fetching::https_anchors;
use crate::cli::files::{create_folder, write_new};
use crate::cli::installation::{self, Error};
use crate::cli::keys::{attached, attached_even_restored};
use crate::cli::serve::runtime;
use crate::config::Settings;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier};
use crate::domain::audit::tree::TreeHash;
use crate::domain::verify::address::Address;
use crate::service;
use crate::service::audit_log;
use crate::service::audit_log::adopting::ahead;
use crate::service::audit_log::checking::{Believed, CheckError, CheckedLog, check};
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::held::KnownThing;
use crate::service::audit_log::moving::move_tiles;
use crate::service::audit_log::served::ServedLog;
use crate::service::audit_log::stored::StoredLog;

/// The audit log: a Merkle log that anyone can check
///
/// Every certificate, seal, use of a seal, approval and more is a leaf of two trees, one with SM3 and one with SHA-256.
/// Exit code 0 done or right, 1 the log is wrong, 4 refused, 64 usage, 66 a file cannot be read, 70 internal error.
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
    /// Check a whole log: every entry, every hash, both checkpoints; of an installation its rows too
    Verify {
        /// A copy of the log (`yinxin log export`, or any mirror), or the address below which a log is served, such as
        /// `https://HOST/log`; without either, the log of the installation
        #[arg(value_name = "FOLDER|URL")]
        place: Option<PathBuf>,
        /// A verifier key of the log, or a file with such keys, one a line; needed for a copy and for an address
        #[arg(long, value_name = "KEY|FILE")]
        key: Vec<String>,
        /// A verifier key of a witness, or a file with such keys
        #[arg(long, value_name = "KEY|FILE")]
        witness: Vec<String>,
        /// Authorities by which the server of an address of https must be known, a PEM file; without any, those of the
        /// configuration. May be repeated
        #[arg(long, value_name = "FILE")]
        https_anchors: Vec<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// The proofs that a certificate, a seal, or a signed or stamped file of ours is in the log
    Prove {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write them there, as `.tlog-proof` files
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Where the log knows nothing of it: write the service's signed statement of that there, over the SM3 of the file.
        /// It is what the service says, and no proof
        #[arg(long, value_name = "OUT")]
        statement: Option<PathBuf>,
    },
    /// Copy the log out as plain files, or bring such a copy up to date
    Export {
        /// Where to
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// The verifier keys of the log
    Keys,
    /// Move old tiles to the place of `audit_log.old_tiles`: its files are read from then on, and their rows are deleted
    ///
    /// Full tiles of the lowest two levels, and entries. Each file is read back and compared with the tree first. Works
    /// beside a service at work. Back the place up as the database: a backup does not hold it.
    MoveTiles {
        /// Those of leaves below that number
        #[arg(long, value_name = "LEAF")]
        below: u64,
    },
    /// After a restore: take in the leaves that a mirror has and the backup lacks
    ///
    /// The service is stopped. The mirror is checked whole, with our keys. Events are lost where the mirror has more than
    /// the database: two officers (approvers of `ca officer`) sign that, and an event of the log names the gap.
    Adopt {
        /// The mirror
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        #[command(flatten)]
        approving: Approving,
    },
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let config = arguments.config.as_deref();
    match &arguments.action {
        Action::Verify { place: Some(place), key, witness, https_anchors, json } => {
            let believed = match believed(key, witness) {
                Ok(believed) if believed.log.is_empty() => {
                    console.complain(
                        "error: a copy is checked by keys that you know from elsewhere: --key (log-key-missing)",
                    );
                    return Outcome::Usage;
                }
                Ok(believed) => believed,
                Err((outcome, line)) => {
                    console.complain(&line);
                    return outcome;
                }
            };
            match place.to_str().filter(|text| is_address(text)) {
                Some(address) => verify_served((address, config), https_anchors, &believed, (*json, console)),
                None => verify_copy(place, &believed, *json, console),
            }
        }
        Action::Verify { place: None, key, witness, https_anchors: _, json } => {
            let more = match believed(key, witness) {
                Ok(more) => more,
                Err((outcome, line)) => {
                    console.complain(&line);
                    return outcome;
                }
            };
            let mut outcome = Outcome::Passed;
            let done = attached_even_restored((config, false), console, async |services, _, _| {
                let (log, own) = StoredLog::of(&services).await?;
                let believed = Believed { log: [own.log, more.log].concat(), witnesses: more.witnesses };
                let checked = check(Arc::new(log), &believed).await?;
                if checked.is_err() {
                    outcome = Outcome::Failed;
                }
                Ok(told(&checked, *json))
            });
            done.min(outcome)
        }
        Action::Prove { file, out, statement } => {
            let octets = match std::fs::read(file) {
                Ok(octets) => octets,
                Err(error) => {
                    console.complain(&format!("error: {} cannot be read: {error}", file.display()));
                    return Outcome::Unreadable;
                }
            };
            let mut outcome = Outcome::Passed;
            let done = attached_even_restored((config, false), console, async |services, _, settings| {
                let log = installation::audit_log(&services, settings).await?;
                let known = log.known_things(octets.clone()).await?;
                if known.is_empty() {
                    outcome = Outcome::Failed;
                    let mut text = format!("{}: the log knows nothing of it\n", file.display());
                    if let Some(path) = statement {
                        let signed = log.state_unknown_file(&octets).await?;
                        write_new(path, signed.note.as_bytes())?;
                        let said = format!("what the service says, and no proof, is in {}\n", path.display());
                        text.push_str(&said);
                    }
                    return Ok(text);
                }
                proofs(&known, out.as_deref())
            });
            done.min(outcome)
        }
        Action::Export { folder } => attached_even_restored((config, false), console, async |services, _, _| {
            let (log, _) = StoredLog::of(&services).await?;
            let written = FolderLog::new(folder).write(&log).await?;
            Ok(format!("{} leaves, {written} new files in {}\n", log.size(), folder.display()))
        }),
        Action::Keys => attached_even_restored((config, false), console, async |services, _, _| {
            let (_, own) = StoredLog::of(&services).await?;
            Ok(own.log.iter().map(|key| format!("{}\n", key.to_vkey())).collect())
        }),
        Action::MoveTiles { below } => attached((config, false), console, async |services, _, settings| {
            let Some(named) = &settings.audit_log.old_tiles else {
                return Err(service::Error::from(service::audit_log::Error::NoOldTiles).into());
            };
            let place = services.old_tiles.at(&named.name()).map_err(service::Error::from)?;
            let moved = move_tiles(&services, &place, *below, &|_| {}).await?;
            Ok(moved.map_or_else(
                || "nothing to move\n".to_owned(),
                |moved| {
                    format!(
                        "tiles of leaves {} to {} are in {}\n",
                        moved.from,
                        moved.below.saturating_sub(1),
                        place.name()
                    )
                },
            ))
        }),
        Action::Adopt { folder, approving } => match approving.read(console) {
            Ok(approved) => adopt((config, folder), approved, console),
            Err(outcome) => outcome,
        },
    }
}

fn adopt((config, folder): (Option<&Path>, &Path), approved: Approved<'_>, console: &mut Console) -> Outcome {
    attached_even_restored((config, true), console, async |services, _, _| {
        let found = ahead(&services, &FolderLog::new(folder)).await?;
        let gap = &found.gap;
        let lost = match gap.is_empty() {
            true => "no event is lost".to_owned(),
            false => format!("events {} to {} are lost", gap.from, gap.to.saturating_sub(1)),
        };
        let leaves = format!("{} leaves are signed here, {} has {}", found.signed, folder.display(), gap.to);
        let signatures = match approved {
            Approved::ToSign(file, officer) => {
                write_new(file, &found.to_sign(&services, &officer).await?)?;
                return Ok(format!("{leaves}: {lost}\n{} is for {officer} to sign\n", file.display()));
            }
            Approved::By(signatures) => signatures,
        };
        let event = found.adopt(&services, &signatures).await?;
        let recorded = event.map_or_else(String::new, |number| format!(", which event {number} says"));
        Ok(format!("{leaves}: taken in; {lost}{recorded}\n"))
    })
}

/// Whether it is meant as an address; a folder of such a name is written with `./` before it.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// What is served at an address is checked as a folder is. Nothing is written.
fn verify_served(
    (url, config): (&str, Option<&Path>),
    anchors: &[PathBuf],
    believed: &Believed,
    (json, console): (bool, &mut Console),
) -> Outcome {
    let address = match Address::parse(url) {
        Ok(address) => address,
        Err(refused) => {
            console.complain(&format!("error: {url} is no address: {} (log-address-malformed)", refused));
            return Outcome::Usage;
        }
    };
    let anchors = match (address.is_secure, anchors) {
        (true, []) => match Settings::load(config, std::env::vars()) {
            Ok(settings) => settings.fetching.https_anchors,
            Err(error) => {
                console.complain(&Error::from(error).line());
                return Outcome::Usage;
            }
        },
        (_, named) => named.to_vec(),
    };
    let tls = match https_anchors(&anchors) {
        Ok(tls) => tls,
        Err(error) => {
            console.complain(&error_line(&error, error.code()));
            return Outcome::Usage;
        }
    };
    let checking = runtime().and_then(|runtime| {
        Ok(runtime.block_on(async {
            let log = ServedLog::open(address, tls).await?;
            check(Arc::new(log), believed).await
        })?)
    });
    concluded(checking, json, console)
}

fn verify_copy(folder: &Path, believed: &Believed, json: bool, console: &mut Console) -> Outcome {
    let checking = runtime().and_then(|runtime| {
        let checking = check(Arc::new(FolderLog::new(folder)), believed);
        Ok(runtime.block_on(checking)?)
    });
    concluded(checking, json, console)
}

fn concluded(checking: Result<Result<CheckedLog, CheckError>, Error>, json: bool, console: &mut Console) -> Outcome {
    match checking {
        Ok(checked) => {
            console.print(&told(&checked, json));
            if checked.is_ok() { Outcome::Passed } else { Outcome::Failed }
        }
        Err(error) => {
            console.complain(&error.line());
            match error {
                Error::Service(service::Error::AuditLog(audit_log::Error::AddressPlain { .. })) => Outcome::Usage,
                Error::Service(service::Error::AuditLog(_)) => Outcome::Unreadable,
                _ => Outcome::Internal,
            }
        }
    }
}

/// Keys as text, or in files.
fn believed(log: &[String], witnesses: &[String]) -> Result<Believed, (Outcome, String)> {
    let read = |named| verifiers(named).map_err(|error| (error.outcome(), error_line(&error, error.code())));
    Ok(Believed { log: read(log)?, witnesses: read(witnesses)? })
}

/// Why a verifier key was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeyError {
    #[error("{path} cannot be read")]
    Unreadable { path: String, source: io::Error },
    #[error("{line} is no verifier key")]
    Malformed { line: String, source: CheckpointError },
    #[error("{name} is the key of a witness, which says of no log what it holds")]
    OfWitness { name: String },
    #[error("{name} is the key of a log, which dates nothing: a witness's is wanted")]
    OfLog { name: String },
}

impl KeyError {
    /// Stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "log-key-unreadable",
            Self::Malformed { .. } => "log-key-malformed",
            Self::OfWitness { .. } => "log-key-of-witness",
            Self::OfLog { .. } => "log-witness-of-log",
        }
    }

    /// How the program ends.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable { .. } => Outcome::Unreadable,
            Self::Malformed { .. } | Self::OfWitness { .. } | Self::OfLog { .. } => Outcome::Usage,
        }
    }
}

/// Verifier keys, as text or in files with one a line.
fn verifiers(named: &[String]) -> Result<Vec<Verifier>, KeyError> {
    let mut keys = Vec::new();
    for text in named {
        // A key has two plus signs; a file that has them in its name is named with its folder.
        let lines = match text.matches('+').count() >= 2 && !Path::new(text).exists() {
            true => text.clone(),
            false => {
                std::fs::read_to_string(text).map_err(|source| KeyError::Unreadable { path: text.clone(), source })?
            }
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let key = Verifier::parse(line).map_err(|source| KeyError::Malformed { line: line.to_owned(), source })?;
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Verifier keys of logs: none of a witness is among them.
pub(crate) fn log_keys(named: &[String]) -> Result<Vec<Verifier>, KeyError> {
    let keys = verifiers(named)?;
    match keys.iter().find(|key| key.is_witness()) {
        Some(key) => Err(KeyError::OfWitness { name: key.name().to_owned() }),
        None => Ok(keys),
    }
}

/// Verifier keys of witnesses: none of a log is among them.
pub(crate) fn log_witnesses(named: &[String]) -> Result<Vec<Verifier>, KeyError> {
    let keys = verifiers(named)?;
    match keys.iter().find(|key| !key.is_witness()) {
        Some(key) => Err(KeyError::OfLog { name: key.name().to_owned() }),
        None => Ok(keys),
    }
}

fn told(checked: &Result<CheckedLog, CheckError>, as_json: bool) -> String {
    match checked {
        Ok(log) => {
            let [sm3, sha256] = &log.roots;
            let witnessed =
                |(tree, name, at): &(TreeHash, String, u64)| json!({ "tree": tree.name(), "witness": name, "at": at });
            if as_json {
                let witnessed = log.witnessed.iter().map(witnessed).collect::<Vec<_>>();
                let object = json!({
                    "result": "right", "size": log.size, "sm3": hex(sm3), "sha256": hex(sha256), "witnessed": witnessed,
                });
                return format!("{object}\n");
            }
            let mut text = format!("right: {} leaves\nsm3    {}\nsha256 {}\n", log.size, hex(sm3), hex(sha256));
            for (tree, name, at) in &log.witnessed {
                text.push_str(&format!("{tree}: seen by {name} at {at}\n"));
            }
            text
        }
        Err(error) if as_json => {
            let object = json!({
                "result": "wrong", "code": error.code(), "index": error.index(), "detail": error.to_string(),
            });
            format!("{object}\n")
        }
        Err(error) => format!("WRONG: {error} ({})\n", error.code()),
    }
}

fn hex(octets: &[u8; 32]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn proofs(known: &[KnownThing], out: Option<&Path>) -> Result<String, Error> {
    let mut text = String::new();
    if let Some(folder) = out {
        create_folder(folder)?;
    }
    for thing in known {
        for proof in &thing.proofs {
            let event = proof.read().map_err(service::Error::from)?;
            text.push_str(&format!("{}: {} at {}, leaf {}\n", thing.what, event.class_name(), event.at(), proof.index));
            let Some(folder) = out else { continue };
            let texts =
                [("sm3", Some(&proof.sm3)), ("sha256", proof.sha256.as_ref()), ("sm3.seen", proof.seen.as_ref())];
            for (name, proof_text) in texts {
                let Some(proof_text) = proof_text else { continue };
                let path = folder.join(format!("{}.{name}.tlog-proof", proof.index));
                if !path.exists() {
                    write_new(&path, proof_text.as_bytes())?;
                }
                text.push_str(&format!("  {}\n", path.display()));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_arguments_and_refused_by_name() {
        let (outcome, line) = believed(&["a/sm3+00000000+AAAA".to_owned()], &[]).err().unwrap();
        assert_eq!(outcome, Outcome::Usage);
        assert!(line.starts_with("error: a/sm3+00000000+AAAA is no verifier key"), "{line}");
        let (outcome, _) = believed(&["no/such/file".to_owned()], &[]).err().unwrap();
        assert_eq!(outcome, Outcome::Unreadable);
    }
}
