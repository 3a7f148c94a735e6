//! `yinxin backup`, `yinxin restore` and `yinxin migrate`: an installation copied while it works, put back, brought to this
//! program's version.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::base::clock::{Clock as _, SystemClock};
use crate::base::random::Random;
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, audit_log, create_folder, key_settings, occupy, with_old_tiles};
use crate::cli::selftest::{Sound, before_start};
use crate::cli::serve::{log, runtime};
use crate::config::{Settings, Source};
use crate::service::backups::{self, Destination};
use crate::service::{self, Services};
use crate::store::{self, SchemaVersion, Store};

/// Copy the installation into an empty folder, beside a service at work
///
/// One consistent point of the database, and so of keys, tiles and head of the audit log. Who holds it holds the database:
/// keep it as safe. The configuration is not copied. Exit code 0 done, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct BackupArguments {
    /// Where to
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Copy the file of the key-encryption key too. Who has both has every key: without this, keep it elsewhere
    #[arg(long)]
    with_key: bool,
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Put a backup back into an empty installation, and prove it
///
/// The next start compares the audit log with what mirrors and witnesses saw; until then nothing else writes. Exit code 0
/// done, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct RestoreArguments {
    /// The backup
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Bring the database to this program's version
///
/// A start does the same. Exit code 0 done or at this version, 4 refused or, with --check, at another version, 64 usage,
/// 70 internal error.
#[derive(Args)]
pub(crate) struct MigrateArguments {
    /// Only tell the version, which programs may work on the database, and whether a downgrade is possible
    #[arg(long)]
    check: bool,
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Takes a backup.
pub(crate) fn backup(arguments: &BackupArguments, console: &mut Console) -> Outcome {
    with(arguments.config.as_deref(), console, async |settings, sound| {
        let key = match (&settings.keys.source, arguments.with_key) {
            (_, false) => None,
            (Source::File(path), true) => Some(path.as_path()),
            (_, true) => return Err(backups::Error::NoKeyFile.into()),
        };
        let store = open(settings, sound).await?;
        let taken = backups::take(&store, &arguments.folder, key, SystemClock.now()).await;
        store.close().await;
        let manifest = taken?;
        let octets = manifest.files.iter().map(|file| file.size).sum::<u64>();
        let mut text = format!("{}: {} files, {octets} octets", arguments.folder.display(), manifest.files.len());
        text.push_str(&format!(", database at version {}\n", manifest.migration));
        if let Some(log) = &manifest.log {
            text.push_str(&format!("audit log {}: {} leaves\nsm3    {}\n", log.origin, log.size, log.sm3));
            if let Some(root) = &log.sha256 {
                text.push_str(&format!("sha256 {root}\n"));
            }
        }
        Ok((text, Outcome::Passed))
    })
}

/// Puts a backup back.
pub(crate) fn restore(arguments: &RestoreArguments, console: &mut Console) -> Outcome {
    with(arguments.config.as_deref(), console, async |settings, sound| {
        create_folder(&settings.data_dir)?;
        let _lock = occupy(&settings.data_dir)?;
        let key_file = match &settings.keys.source {
            Source::File(path) => Some(path.as_path()),
            _ => None,
        };
        let to = Destination { url: &settings.database.url, data_dir: &settings.data_dir, key_file };
        let random = Arc::clone(&sound.random);
        let opening = async move || Store::open_as_it_is(&settings.database.url, random).await;
        let manifest = backups::put_back(&arguments.folder, to, opening).await?;
        // Now it is an installation like any other: whatever is wrong with its rows, keys or log is found here.
        let keys = key_settings(settings, &sound.algorithms)?;
        let (clock, random) = (Arc::new(SystemClock), Arc::clone(&sound.random));
        let (services, _) = Services::attach(&settings.database.url, &keys, clock, random).await?;
        let services = with_old_tiles(services, settings)?;
        let mut text = format!("restored: database at version {}, taken at ", manifest.migration);
        text.push_str(&format!("{}\n", crate::base::clock::Timestamp::from_unix(manifest.taken_at)));
        if manifest.log.is_some() {
            let log = audit_log(&services, settings).await?;
            let (size, roots) = log.roots().await?;
            text.push_str(&format!("audit log {}: {size} leaves, proven\n", log.origin()));
            for (tree, root) in roots {
                text.push_str(&format!(
                    "{tree:<6} {}\n",
                    root.iter().map(|octet| format!("{octet:02x}")).collect::<String>()
                ));
            }
        }
        services.store.close().await;
        text.push_str("the next start compares the log with what mirrors and witnesses saw\n");
        Ok((text, Outcome::Passed))
    })
}

/// Brings the database to this program's version.
pub(crate) fn migrate(arguments: &MigrateArguments, console: &mut Console) -> Outcome {
    with(arguments.config.as_deref(), console, async |settings, sound| {
        let store = open(settings, sound).await?;
        let at = store.version().await.map_err(service::Error::from)?;
        if at.database < at.program && !arguments.check {
            store.migrate().await.map_err(service::Error::from)?;
            store.close().await;
            return Ok((format!("from version {} to {}\n", at.database, at.program), Outcome::Passed));
        }
        store.close().await;
        // Whoever only asks is told by the exit code too whether it is this version.
        let outcome = if at.database == at.program || !arguments.check { Outcome::Passed } else { Outcome::Refused };
        Ok((told(&at), outcome))
    })
}

/// Which version the database is at, and who may work on it.
fn told(at: &SchemaVersion) -> String {
    let SchemaVersion { database, before, serves_from, will_serve_from, program } = at;
    let mut text = match database.cmp(program) {
        Ordering::Equal => format!("the database is at version {database}, that of this program\n"),
        Ordering::Less => format!("the database is at version {database}, this program's is {program}\n"),
        Ordering::Greater => {
            format!("the database is at version {database}, this program's is {program}, which may work on it\n")
        }
    };
    if *database > 0 {
        text.push_str(&format!("programs from version {serves_from} on may work on it\n"));
        text.push_str(&match (before, at.can_go_back()) {
            (0, _) => "there is no version before it\n".to_owned(),
            (before, true) => format!("a downgrade to version {before} is possible\n"),
            (before, false) => format!("a downgrade to version {before} is not possible: restore a backup of before\n"),
        });
    }
    if database < program {
        text.push_str(&format!(
            "once it is brought to version {program}, programs from version {will_serve_from} on may\n"
        ));
    }
    text
}

async fn open(settings: &Settings, sound: &Sound) -> Result<Store, Error> {
    let random: Arc<dyn Random> = sound.random.clone();
    let opened = Store::open_as_it_is(&settings.database.url, random).await;
    opened.map_err(|error| backups::Error::Store(error).into())
}

/// Does the work by the settings, and prints what it gives.
fn with(
    config: Option<&Path>,
    console: &mut Console,
    work: impl AsyncFnOnce(&Settings, &Sound) -> Result<(String, Outcome), Error>,
) -> Outcome {
    let settings = match Settings::load(config, std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            console.complain(&Error::from(error).line());
            return Outcome::Usage;
        }
    };
    log(&settings.log);
    // Before anything is touched.
    let sound = match before_start(&settings.policies) {
        Ok(sound) => sound,
        Err(error) => {
            console.complain(&error.line());
            return Outcome::Internal;
        }
    };
    match runtime().and_then(|runtime| runtime.block_on(work(&settings, &sound))) {
        Ok((text, outcome)) => {
            console.print(&text);
            outcome
        }
        Err(error) => {
            console.complain(&error.line());
            match error {
                Error::File { .. } | Error::Runtime(_) => Outcome::Internal,
                Error::Backup(backups::Error::File { .. }) => Outcome::Internal,
                Error::Backup(backups::Error::Store(store::Error::Database(_))) => Outcome::Internal,
                _ => Outcome::Refused,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_is_told_who_may_work_on_the_database() {
        let at = |database, before, serves_from, will_serve_from| {
            told(&SchemaVersion { database, before, serves_from, will_serve_from, program: 20 })
        };
        let expected = "the database is at version 20, that of this program\n\
                        programs from version 19 on may work on it\n\
                        a downgrade to version 19 is possible\n";
        assert_eq!(at(20, 19, 19, 19), expected);
        let expected = "the database is at version 20, that of this program\n\
                        programs from version 20 on may work on it\n\
                        a downgrade to version 19 is not possible: restore a backup of before\n";
        assert_eq!(at(20, 19, 20, 20), expected);
        let expected = "the database is at version 21, this program's is 20, which may work on it\n\
                        programs from version 20 on may work on it\n\
                        a downgrade to version 20 is possible\n";
        assert_eq!(at(21, 20, 20, 20), expected);
        let expected = "the database is at version 18, this program's is 20\n\
                        programs from version 18 on may work on it\n\
                        a downgrade to version 17 is not possible: restore a backup of before\n\
                        once it is brought to version 20, programs from version 19 on may\n";
        assert_eq!(at(18, 17, 18, 19), expected);
        let expected = "the database is at version 0, this program's is 20\n\
                        once it is brought to version 20, programs from version 19 on may\n";
        assert_eq!(at(0, 0, 0, 19), expected);
    }
}
