//! Backups: one consistent point of an installation, taken while it works, and put back into an empty one.
//!
//! Keys, tiles and head of the audit log are rows, so one snapshot of the database has them all. Its keys are sealed: the
//! key-encryption key lies elsewhere, and is copied only where somebody asks for it, since whoever has both has every key.
//!
//! The digests find what broke. What somebody changed on purpose, and gave new digests, the integrity values of rows and
//! the proof of the audit log find when the installation is opened.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::base::clock::Timestamp;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::sm3::Sm3;
use crate::format::backup::{
    BackupDatabase, BackupFile, BackupLog, BackupManifest, BackupManifestError, MOST_MANIFEST,
};
use crate::format::tlog::{Checkpoint, Note};
use crate::store::backups::{DatabaseKind, file_of, kind_of};
use crate::store::{self, Store};

/// What belongs to a backup.
pub const MANIFEST: &str = "manifest.json";
/// SM3 of the manifest: written last, so a backup that has it is whole.
pub const MANIFEST_SM3: &str = "manifest.sm3";
/// The key-encryption key's file, in a backup that has it.
pub const KEY_FILE: &str = "encryption-key";
/// In the folder of an installation: it was restored, and no start has compared its log yet.
pub const RESTORED: &str = "restored";

/// Why a backup is not taken, or not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder has something in it.
    #[error("{folder} is not empty")]
    NotEmpty {
        /// Which.
        folder: PathBuf,
    },
    /// A file is missing.
    #[error("the backup is not whole: {name} is missing")]
    Incomplete {
        /// Its name.
        name: String,
    },
    /// A file is not what was written.
    #[error("{name} of the backup is not what was written")]
    Changed {
        /// Its name.
        name: String,
    },
    /// The manifest is none.
    #[error("{MANIFEST} of the backup cannot be read")]
    Manifest(#[source] BackupManifestError),
    /// A newer program wrote it.
    #[error("the backup is of version {found}, this program knows versions up to {known}")]
    TooNew {
        /// Its version.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// There is something already where it would be put back.
    #[error("{what} is there already: a backup is put back into an empty installation")]
    Occupied {
        /// What.
        what: String,
    },
    /// The configuration names another kind of database.
    #[error("the backup is of another kind of database than the configuration names")]
    OtherDatabase,
    /// The backup is to have the key-encryption key, and that lies in no file.
    #[error("the key-encryption key is in no file that could be copied")]
    NoKeyFile,
    /// A file cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEmpty { .. } => "backup-folder-not-empty",
            Self::Incomplete { .. } => "backup-incomplete",
            Self::Changed { .. } | Self::Manifest(_) => "backup-changed",
            Self::TooNew { .. } | Self::Store(store::Error::TooNew { .. }) => "backup-too-new",
            Self::Occupied { .. } => "restore-not-empty",
            Self::OtherDatabase => "backup-other-database",
            Self::NoKeyFile => "backup-no-key-file",
            Self::File { .. } => "backup-file",
            Self::Store(store::Error::NoDatabase) => "no-database",
            Self::Store(_) => "database",
        }
    }
}

/// Takes a backup into an empty folder, made where it is absent; `key` is the key-encryption key's file where the backup
/// shall have it.
///
/// # Errors
/// [`Error::NotEmpty`], [`Error::File`]; the store's. What is in the folder then is no backup: it has no manifest.
pub async fn take(store: &Store, folder: &Path, key: Option<&Path>, now: Timestamp) -> Result<BackupManifest, Error> {
    prepare(folder)?;
    let snapshot = store.snapshot(folder).await?;
    let mut names = snapshot.files;
    if let Some(key) = key {
        let octets = std::fs::read(key).map_err(file(key))?;
        write(&folder.join(KEY_FILE), &octets)?;
        names.push(KEY_FILE.to_owned());
    }
    let (within, listed) = (folder.to_owned(), names);
    let measuring = tokio::task::spawn_blocking(move || {
        let files = listed.into_iter().map(|name| {
            let path = within.join(&name);
            settle(&path)?;
            let (size, sm3) = measured(&path).map_err(file(&path))?;
            Ok(BackupFile { name, size, sm3: hex(&sm3) })
        });
        files.collect::<Result<Vec<_>, Error>>()
    });
    let files = measuring.await.map_err(|_| file(folder)(io::ErrorKind::Interrupted.into()))??;
    let log = snapshot.head.map(|head| {
        let text = |note: &[u8]| String::from_utf8_lossy(note).into_owned();
        BackupLog {
            origin: head.origin,
            size: head.size,
            sm3: root(&head.sm3_note),
            sha256: head.sha256_note.as_deref().map(root),
            sm3_checkpoint: text(&head.sm3_note),
            sha256_checkpoint: head.sha256_note.as_deref().map(text),
        }
    });
    let manifest = BackupManifest {
        version: BackupManifest::VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        database: of_kind(snapshot.kind),
        migration: snapshot.version,
        serves_from: Some(snapshot.serves_from).filter(|oldest| *oldest < snapshot.version),
        taken_at: now.unix(),
        files,
        log,
    };
    let octets = manifest.to_json();
    write(&folder.join(MANIFEST), &octets)?;
    sync_folder(folder)?;
    // Last: from here on it is a backup.
    write(&folder.join(MANIFEST_SM3), format!("{}\n", hex(&sm3(&octets))).as_bytes())?;
    sync_folder(folder)?;
    Ok(manifest)
}

/// Checks that a backup is whole and every file is what was written.
///
/// # Errors
/// [`Error::Incomplete`], [`Error::Changed`], [`Error::Manifest`], [`Error::TooNew`], [`Error::File`].
pub fn check(folder: &Path) -> Result<BackupManifest, Error> {
    let stated = read(folder, MANIFEST_SM3)?;
    let octets = read(folder, MANIFEST)?;
    let stated = stated.strip_suffix(b"\n").filter(|digest| digest.len() == 64);
    let stated = stated.ok_or_else(|| Error::Changed { name: MANIFEST_SM3.to_owned() })?;
    if stated != hex(&sm3(&octets)).as_bytes() {
        return Err(Error::Changed { name: format!("{MANIFEST} or {MANIFEST_SM3}") });
    }
    let manifest = BackupManifest::parse(&octets).map_err(|error| match error {
        BackupManifestError::TooNew { found } => Error::TooNew { found, known: BackupManifest::VERSION.into() },
        error => Error::Manifest(error),
    })?;
    if manifest.files.iter().all(|file| file.name == KEY_FILE) {
        return Err(Error::Incomplete { name: "the database".to_owned() });
    }
    for listed in &manifest.files {
        let path = folder.join(&listed.name);
        match measured(&path) {
            Ok((size, sm3)) if (size, hex(&sm3)) == (listed.size, listed.sm3.clone()) => {}
            Ok(_) => return Err(Error::Changed { name: listed.name.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Incomplete { name: listed.name.clone() });
            }
            Err(error) => return Err(file(&path)(error)),
        }
    }
    Ok(manifest)
}

/// Where a backup is put back.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The database.
    pub url: &'a str,
    /// The installation's folder.
    pub data_dir: &'a Path,
    /// The key-encryption key's file, where that is where it lies.
    pub key_file: Option<&'a Path>,
}

/// Puts a backup back into an empty installation that nobody works on. The caller opens and proves it then.
///
/// A crash leaves a database that is not there or whole: the file of SQLite gets its name when it is on the disk, tables of
/// PostgreSQL come in one transaction. That no start has compared the log yet is noted before either.
///
/// # Errors
/// What [`check`] refuses; [`Error::OtherDatabase`], [`Error::TooNew`], [`Error::Occupied`]; the store's. Nothing is put
/// back then.
pub async fn put_back(
    folder: &Path,
    to: Destination<'_>,
    open: impl AsyncFnOnce() -> Result<Store, store::Error>,
) -> Result<BackupManifest, Error> {
    let manifest = check(folder)?;
    if manifest.database != of_kind(kind_of(to.url)?) {
        return Err(Error::OtherDatabase);
    }
    let unknown = |oldest: i64, known: i64| match oldest > known {
        true => {
            let positive = |version| u64::try_from(version).unwrap_or(0);
            Err(Error::TooNew { found: positive(manifest.migration), known: positive(known) })
        }
        false => Ok(()),
    };
    // The file of SQLite brings its tables with it. The tables of PostgreSQL are made anew, by the migrations of their
    // version, so only a program that has these can.
    unknown(manifest.serves_from.unwrap_or(manifest.migration), store::newest_version())?;
    let tables = manifest.files.iter().filter(|file| file.name != KEY_FILE).map(|file| file.name.clone());
    let tables = tables.collect::<Vec<_>>();
    let key = manifest.files.iter().any(|file| file.name == KEY_FILE);
    let key = match to.key_file.filter(|_| key) {
        Some(path) => Some((path, read(folder, KEY_FILE)?)),
        None => None,
    };
    if let Some((path, octets)) = &key
        && path.exists()
        && std::fs::read(path).map_err(file(path))? != *octets
    {
        return Err(Error::Occupied { what: path.display().to_string() });
    }
    let noted = || {
        if let Some((path, octets)) = key.as_ref().filter(|(path, _)| !path.exists()) {
            write(path, octets)?;
        }
        let octets = manifest.to_json();
        std::fs::write(to.data_dir.join(RESTORED), octets).map_err(file(to.data_dir))?;
        sync_folder(to.data_dir)
    };
    if let Some(path) = file_of(to.url)? {
        for beside in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(beside);
            if Path::new(&name).exists() {
                return Err(Error::Occupied { what: name.to_string_lossy().into_owned() });
            }
        }
        let [name] = tables.as_slice() else { return Err(Error::Changed { name: MANIFEST.to_owned() }) };
        noted()?;
        let (from, draft) = (folder.join(name), path.with_extension("restoring"));
        std::fs::copy(&from, &draft).map_err(file(&draft))?;
        settle(&draft)?;
        std::fs::rename(&draft, &path).map_err(file(&path))?;
        sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    } else {
        let store = open().await?;
        unknown(manifest.migration, store.newest_version())?;
        if !store.is_empty().await? {
            return Err(Error::Occupied { what: "a table of the database".to_owned() });
        }
        noted()?;
        store.put_tables_back(folder, &tables, manifest.migration).await?;
        store.close().await;
    }
    Ok(manifest)
}

const fn of_kind(kind: DatabaseKind) -> BackupDatabase {
    match kind {
        DatabaseKind::Sqlite => BackupDatabase::Sqlite,
        DatabaseKind::Postgres => BackupDatabase::Postgres,
    }
}

/// The root that a checkpoint states. What is none was refused when the log was opened.
fn root(note: &[u8]) -> String {
    let note = Note::parse(note).ok();
    let checkpoint = note.as_ref().and_then(|note| Checkpoint::parse(note.text).ok());
    checkpoint.map_or_else(String::new, |checkpoint| hex(&checkpoint.root))
}

fn prepare(folder: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(file(folder))?;
    match std::fs::read_dir(folder).map_err(file(folder))?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotEmpty { folder: folder.to_owned() }),
    }
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let path = folder.join(name);
    let mut octets = Vec::new();
    let most = u64::try_from(MOST_MANIFEST).unwrap_or(u64::MAX).saturating_add(1);
    match std::fs::File::open(&path).and_then(|from| from.take(most).read_to_end(&mut octets)) {
        Ok(_) => Ok(octets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Incomplete { name: name.to_owned() }),
        Err(error) => Err(file(&path)(error)),
    }
}

/// A new file that only its owner can read, on the disk when this returns.
fn write(path: &Path, octets: &[u8]) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut to| to.write_all(octets).and_then(|()| to.sync_all()));
    written.map_err(file(path))
}

/// On the disk, and for its owner alone.
fn settle(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(file(path))?;
    std::fs::File::open(path).and_then(|opened| opened.sync_all()).map_err(file(path))
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::File::open(folder).and_then(|opened| opened.sync_all()).map_err(file(folder))
}

fn measured(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let mut from = std::fs::File::open(path)?;
    let (mut part, mut size, mut digest) = (vec![0; 1 << 20], 0_u64, Sm3::new());
    loop {
        let length = from.read(&mut part)?;
        let Some(octets) = part.get(..length).filter(|octets| !octets.is_empty()) else { break };
        digest.update(octets);
        size = size.saturating_add(u64::try_from(length).unwrap_or(0));
    }
    Ok((size, digest.finish()))
}

fn file(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::File { path: path.to_owned(), source }
}
