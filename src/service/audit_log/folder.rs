//! The log as plain files below a folder, `sm3/` and `sha256/`: what a mirror holds, a web server can serve, and anybody can
//! check without us (C2SP tlog-tiles).
//!
//! Files that are full never change. Whoever copies the folder while it is written copies the checkpoint first: all that
//! it stands on is there before it is.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::audit::log_check::Piece;
use crate::domain::audit::tree::TreeHash;
use crate::format::tlog::tile::{BundleCoordinate, TileCoordinate, TilePath, bundles_between, tiles_between};
use crate::service::Error as ServiceError;
use crate::service::audit_log::Error;
use crate::service::audit_log::agreeing::stated;
use crate::service::audit_log::checking::{LogSource, ReadPiece, ReadTree};
use crate::service::audit_log::old_tiles::{Doing, TilePlace, full};
use crate::service::audit_log::stored::StoredLog;

/// More than any file of a log has.
const MOST: u64 = 1 << 20;

/// A log below a folder.
#[derive(Debug, Clone)]
pub struct FolderLog {
    folder: Arc<PathBuf>,
}

impl FolderLog {
    /// The log below that folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: Arc::new(folder.to_owned()) }
    }

    fn read(&self, tree: TreeHash, name: &str) -> Result<Option<Vec<u8>>, ServiceError> {
        let path = self.folder.join(tree.name()).join(name);
        let read = std::fs::metadata(&path).and_then(|about| {
            if about.len() > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { std::fs::read(&path) }
        });
        match read {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    fn read_piece(&self, piece: Piece) -> Result<ReadPiece, ServiceError> {
        let mut read = ReadPiece::default();
        for (tree, held) in TreeHash::ALL.into_iter().zip(&mut read.trees) {
            let bundles = piece.bundles().map(|bundle| self.read(tree, &bundle.to_string()));
            let tiles = piece.tiles().map(|tile| self.read(tree, &tile.to_string()));
            let above = piece.above().map(|tile| self.read(tree, &tile.to_string())).transpose()?;
            let (bundles, tiles) = (bundles.collect::<Result<_, _>>()?, tiles.collect::<Result<_, _>>()?);
            *held = ReadTree { bundles, tiles, above: above.flatten() };
        }
        Ok(read)
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let log = self.clone();
        tokio::task::spawn_blocking(move || work(&log)).await.map_err(|_| ServiceError::Interrupted)?
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A bundle of entries; none where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn bundle(&self, bundle: BundleCoordinate) -> Result<Option<Vec<u8>>, ServiceError> {
        self.off_the_runtime(move |log| log.read(TreeHash::Sm3, &bundle.to_string())).await
    }

    /// Writes the log there as it is signed now; tells how many files are new. What is there already, and full, stays as it
    /// is: it is not compared, `check` does that.
    ///
    /// # Errors
    /// [`Error::BehindMirror`], [`Error::Forked`]: what is there is more, or another history, and stays; a file cannot be
    /// written; a tile is missing in the database; the store's.
    pub async fn write(&self, log: &StoredLog) -> Result<u64, ServiceError> {
        self.write_from(log, 0).await
    }

    /// As [`Self::write`], where the files of the first `known` leaves are there for sure.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_from(&self, log: &StoredLog, known: u64) -> Result<u64, ServiceError> {
        for tree in TreeHash::ALL {
            if let Some(note) = self.note(tree).await? {
                log.must_continue(tree, stated(&note)?, self.folder()).await?;
            }
        }
        let mut written = 0_u64;
        for tree in TreeHash::ALL {
            if log.note(tree).await?.is_none() {
                continue;
            }
            let bundles = bundles_between(known, log.size()).map(TilePath::Entries);
            for path in bundles.chain(tiles_between(known, log.size()).map(TilePath::Tile)) {
                let name = path.to_string();
                if self.has(tree, &name) {
                    continue;
                }
                let octets = match path {
                    TilePath::Tile(tile) => log.proven_tile(tree, tile).await?,
                    TilePath::Entries(bundle) => log.bundle(bundle).await?,
                };
                let octets = octets.ok_or(Error::NoSuchFile)?;
                self.off_the_runtime(move |log| log.put(tree, &name, &octets)).await?;
                written = written.saturating_add(1);
            }
        }
        // Both behind all that they stand on.
        for tree in TreeHash::ALL {
            if let Some(note) = log.note(tree).await? {
                self.off_the_runtime(move |log| log.put(tree, "checkpoint", &note)).await?;
            }
        }
        Ok(written)
    }

    fn has(&self, tree: TreeHash, name: &str) -> bool {
        self.folder.join(tree.name()).join(name).exists()
    }

    /// Whole or not at all, and on the disk before it has its name.
    fn put(&self, tree: TreeHash, name: &str, octets: &[u8]) -> Result<(), ServiceError> {
        use io::Write as _;
        let path = self.folder.join(tree.name()).join(name);
        let folder = path.parent().unwrap_or(Path::new("."));
        let draft = folder.join(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = std::fs::File::create(&draft)?;
            file.write_all(octets)?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            // Narrower forms of what is full now are its beginning (C2SP tlog-tiles, partial tiles).
            match std::fs::remove_dir_all(path.with_added_extension("p")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        write().map_err(|error| unreadable(&path, &error))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ServiceError {
    Error::File { path: path.to_owned(), reason: error.to_string() }.into()
}

impl TilePlace for FolderLog {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn whole(&self, tree: TreeHash, path: TilePath) -> Doing<'_, Option<Vec<u8>>> {
        let name = full(path).to_string();
        Box::pin(self.off_the_runtime(move |log| log.read(tree, &name)))
    }

    fn keep(&self, tree: TreeHash, path: TilePath, octets: Vec<u8>) -> Doing<'_, ()> {
        let name = full(path).to_string();
        Box::pin(self.off_the_runtime(move |log| log.put(tree, &name, &octets)))
    }

    /// The files are on the disk when they have their names; now the folders that name them are, and those above.
    fn settle<'a>(&'a self, files: &'a [(TreeHash, TilePath)]) -> Doing<'a, ()> {
        let mut all = BTreeSet::from([self.folder().to_owned()]);
        for (tree, path) in files {
            let file = self.folder.join(tree.name()).join(full(*path).to_string());
            let above = file.ancestors().skip(1).take_while(|above| *above != self.folder());
            all.extend(above.map(Path::to_owned));
        }
        Box::pin(self.off_the_runtime(move |_| {
            for folder in all {
                let synced = std::fs::File::open(&folder).and_then(|folder| folder.sync_all());
                synced.map_err(|error| unreadable(&folder, &error))?;
            }
            Ok(())
        }))
    }
}

impl LogSource for FolderLog {
    async fn note(&self, tree: TreeHash) -> Result<Option<Vec<u8>>, ServiceError> {
        self.off_the_runtime(move |log| log.read(tree, "checkpoint")).await
    }

    async fn piece(&self, piece: Piece) -> Result<ReadPiece, ServiceError> {
        self.off_the_runtime(move |log| log.read_piece(piece)).await
    }

    async fn tile(&self, tree: TreeHash, tile: TileCoordinate) -> Result<Option<Vec<u8>>, ServiceError> {
        self.off_the_runtime(move |log| log.read(tree, &tile.to_string())).await
    }
}
