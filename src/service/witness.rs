//! A witness: it cosigns checkpoints of logs that it knows, each a continuation of the one before, and so of one view alone
//! (C2SP tlog-witness).
//!
//! What a crash means at each arrow of `judge → cosign → write → answer`: before *write* nothing was said that anybody
//! knows of; after it the log asks again from the old size, and is told the new one.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::base::clock::Clock;
use crate::base::random::{Random, RandomUnavailable};
use crate::base::secret::Secret;
use crate::crypto::digest::{hex, sha256};
use crate::crypto::{self, PublicKey, ed25519};
use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::witness::{NotCosigned, SeenHead, judge};
use crate::format::tlog::submission::{self, AddCheckpoint};
use crate::format::tlog::{self, Note};

pub use crate::format::tlog::submission::SIZE_MEDIA_TYPE;

/// Octets of a submission.
pub const MOST_SUBMITTED: usize = submission::MAX;

/// Why a witness cannot work, or does not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is none.
    #[error(transparent)]
    Malformed(#[from] tlog::Error),
    /// It does not cosign.
    #[error(transparent)]
    NotCosigned(#[from] NotCosigned),
    /// A file of its own.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it kept is not what it wrote.
    #[error("{path} is not what was written there")]
    Kept {
        /// Which.
        path: PathBuf,
    },
    /// Its key.
    #[error(transparent)]
    Key(#[from] crypto::Error),
    /// Its key, or the checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// A computation was cut off.
    #[error("a computation was cut off")]
    Interrupted,
}

impl Error {
    /// The HTTP status that C2SP tlog-witness asks for.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::NotCosigned(NotCosigned::Backwards) => 400,
            Self::NotCosigned(NotCosigned::NotSigned(_)) => 403,
            Self::NotCosigned(NotCosigned::UnknownLog { .. }) => 404,
            Self::NotCosigned(NotCosigned::Stale { .. }) => 409,
            Self::NotCosigned(NotCosigned::Inconsistent) => 422,
            _ => 500,
        }
    }
}

/// A witness with the logs that it knows.
pub struct Witness {
    verifier: Verifier,
    key: ed25519::PrivateKey,
    /// Keys by the origin that is their name.
    logs: BTreeMap<String, Vec<Verifier>>,
    folder: PathBuf,
    /// What was cosigned last, by origin. Held from the judgement until it is written.
    seen: Mutex<BTreeMap<String, SeenHead>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Witness {
    /// Opens the folder of a witness of that name; its key is made where there is none, readable by its owner alone.
    ///
    /// # Errors
    /// The folder cannot be used; what it keeps is not what was written.
    pub fn open(
        folder: &Path,
        name: &str,
        logs: Vec<Verifier>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, Error> {
        let file = |path: &Path, source| Error::File { path: path.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|source| file(folder, source))?;
        let key = own_key(&folder.join("witness.key"), &*random)?;
        let verifier = Verifier::of_witness(name, &PublicKey::Ed25519(*key.public_key()))?;
        let mut by_origin = BTreeMap::<String, Vec<Verifier>>::new();
        for log in logs {
            by_origin.entry(log.name().to_owned()).or_default().push(log);
        }
        let mut seen = BTreeMap::new();
        for (origin, keys) in &by_origin {
            let path = place(folder, origin);
            let octets = match std::fs::read(&path) {
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(file(&path, source)),
            };
            let note = Note::parse(&octets).map_err(|_| Error::Kept { path: path.clone() })?;
            let own = std::slice::from_ref(&verifier);
            let kept = verify_checkpoint(&note, origin, keys, own).ok().filter(|kept| !kept.cosignatures().is_empty());
            let kept = kept.ok_or(Error::Kept { path })?;
            seen.insert(origin.clone(), SeenHead { size: kept.size(), root: *kept.root() });
        }
        let seen = Mutex::new(seen);
        Ok(Self { verifier, key, logs: by_origin, folder: folder.to_owned(), seen, clock, random })
    }

    /// Its verifier key.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Cosigns the checkpoint of a submission; gives its signature line. What is answered is on the disk.
    ///
    /// # Errors
    /// Each with the status of the protocol, see [`Error::status`].
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<String, Error> {
        let submission = AddCheckpoint::parse(body)?;
        let origin = submission.checkpoint.origin;
        let unknown = || NotCosigned::UnknownLog { origin: origin.to_owned() };
        let keys = self.logs.get(origin).ok_or_else(unknown)?;
        let mut seen = self.seen.lock().await;
        let head = judge(&submission, keys, seen.get(origin).copied())?;
        let text = submission.note.text;
        let line = self.verifier.cosign(text, self.clock.now(), &self.key, &*self.random)?;
        // Of the log's signatures those that were looked at are kept.
        let mut lines = submission.note.signatures.clone();
        lines.retain(|line| keys.iter().any(|key| key.is_named_by(line)));
        lines.push(line.clone());
        let (path, note) = (place(&self.folder, origin), Note::write(text, &lines)?);
        let writing = tokio::task::spawn_blocking(move || {
            write(&path, note.as_bytes()).map_err(|source| Error::File { path, source })
        });
        writing.await.map_err(|_| Error::Interrupted)??;
        seen.insert(origin.to_owned(), head);
        Ok(line.to_line())
    }

    /// The checkpoint that was cosigned last, of the log whose origin has that SHA-256 in hex.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn latest(&self, origin_sha256: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(origin) = self.logs.keys().find(|origin| hex(&sha256(origin.as_bytes())) == origin_sha256) else {
            return Ok(None);
        };
        let path = place(&self.folder, origin);
        let reading = tokio::task::spawn_blocking(move || match std::fs::read(&path) {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path, source }),
        });
        reading.await.map_err(|_| Error::Interrupted)?
    }
}

fn place(folder: &Path, origin: &str) -> PathBuf {
    folder.join(format!("{}.checkpoint", hex(&sha256(origin.as_bytes()))))
}

fn own_key(path: &Path, random: &dyn Random) -> Result<ed25519::PrivateKey, Error> {
    match std::fs::read(path) {
        Ok(octets) => {
            let octets = Secret::new(octets);
            return Ok(ed25519::PrivateKey::from_bytes(octets.expose())?);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::File { path: path.to_owned(), source }),
    }
    let key = ed25519::PrivateKey::generate(random)?;
    write(path, key.to_bytes().expose()).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(key)
}

/// Whole or not at all, on the disk, readable by its owner alone.
fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    // The name itself.
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
