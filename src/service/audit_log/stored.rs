//! The log as the database holds it, with its rows: for checking it, and for copying it out.

use std::path::Path;

use crate::domain::audit::checkpoint::Verifier;
use crate::domain::audit::growth::RECORD;
use crate::domain::audit::log_check::Piece;
use crate::domain::audit::tree::{Hash, TreeHash};
use crate::format::tlog::tile::{BundleCoordinate, FULL, TileCoordinate, TilePath};
use crate::service::audit_log::agreeing::must_continue;
use crate::service::audit_log::checking::{Believed, LogSource, ReadPiece, ReadRow, ReadTree};
use crate::service::audit_log::keys::verifiers;
use crate::service::audit_log::{Error, tiles};
use crate::service::{Error as ServiceError, Services};
use crate::store::log::{self, LogHead, StoredTile, TileKind};
use crate::store::{audit, moved_tiles};

/// Octets of a hash.
const HASH: usize = 32;

/// The log of a database, as it was signed when this was made.
#[derive(Clone)]
pub struct StoredLog {
    services: Services,
    head: LogHead,
}

impl StoredLog {
    /// The log of that installation, and its own keys.
    ///
    /// # Errors
    /// [`Error::Off`]: no log has begun; the key store's; the store's.
    pub async fn of(services: &Services) -> Result<(Self, Believed), ServiceError> {
        let head = services.store.read(|tx| Box::pin(log::head(tx))).await?.ok_or(Error::Off)?;
        let mut own: Vec<Verifier> = Vec::new();
        for tree in TreeHash::ALL {
            own.extend(verifiers(services, &head.origin, tree).await?);
        }
        let log = Self { services: services.clone(), head };
        Ok((log, Believed { log: own, witnesses: Vec::new() }))
    }

    /// Its origin, without `/sm3` and `/sha256`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.head.origin
    }

    /// Refuses where the log is not the continuation of what that folder has.
    pub(super) async fn must_continue(
        &self,
        tree: TreeHash,
        seen: (u64, Hash),
        folder: &Path,
    ) -> Result<(), ServiceError> {
        must_continue(&self.services, (tree, self.head.size), seen, folder).await
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.size
    }

    /// A bundle of entries, compared with the tree where it was moved.
    ///
    /// # Errors
    /// As `proven_tile`: what a moved file is not, by its name; the store's.
    pub async fn bundle(&self, bundle: BundleCoordinate) -> Result<Option<Vec<u8>>, ServiceError> {
        tiles::bundle(&self.services, bundle).await
    }

    async fn row_of(
        &self,
        (kind, level): (TileKind, u8),
        wanted: Vec<(u64, u16)>,
        each: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, ServiceError> {
        let Some((from, _)) = wanted.first().copied() else { return Ok(Vec::new()) };
        let most = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let moved = moved_tiles::find(tx).await?;
                Ok::<_, ServiceError>((log::tiles(tx, (kind, level, from), most).await?, moved))
            })
        });
        let (found, moved) = steps.await?;
        let place = moved.as_ref().map(|moved| self.services.old_tiles.at(&moved.place)).transpose()?;
        let moved = moved.zip(place);
        let mut found = found.into_iter().peekable();
        let mut read = Vec::with_capacity(wanted.len());
        for (number, width) in wanted {
            while found.next_if(|tile: &StoredTile| tile.number < number).is_some() {}
            read.push(match (found.next_if(|tile: &StoredTile| tile.number == number), &moved) {
                (Some(tile), _) => tiles::beginning(tile, width, each),
                (None, Some((moved, place))) if number < moved.tiles(level) => match file(kind, level, number) {
                    Some((tree, path)) => place.whole(tree, path).await?,
                    None => None,
                },
                (None, _) => None,
            });
        }
        Ok(read)
    }

    /// A tile, compared with the tree where it was moved.
    ///
    /// # Errors
    /// [`Error::OldTileMissing`], [`Error::OldTileChanged`]; the store's.
    pub(super) async fn proven_tile(
        &self,
        tree: TreeHash,
        tile: TileCoordinate,
    ) -> Result<Option<Vec<u8>>, ServiceError> {
        tiles::file(&self.services, tree, TilePath::Tile(tile)).await
    }

    async fn rows(&self, piece: Piece) -> Result<Vec<ReadRow>, ServiceError> {
        let count = piece.bundles().map(|bundle| i64::from(bundle.width())).sum::<i64>();
        let first = i64::try_from(piece.first_leaf()).unwrap_or(i64::MAX);
        let known = self.services.store.read(|tx| Box::pin(audit::commitments(tx, first, count))).await?;
        let row = |(number, opening): (i64, Option<audit::SaltedEvent>)| {
            (u64::try_from(number).unwrap_or(u64::MAX), opening.map(|row| (row.event, row.salt)))
        };
        Ok(known.into_iter().map(row).collect())
    }
}

/// A full tile or bundle as a file, by kind, level and index of its row.
fn file(kind: TileKind, level: u8, index: u64) -> Option<(TreeHash, TilePath)> {
    let tile = |tree| TileCoordinate::new(level, index, FULL).map(|tile| (tree, TilePath::Tile(tile)));
    match kind {
        TileKind::Entries => BundleCoordinate::new(index, FULL).map(|one| (TreeHash::Sm3, TilePath::Entries(one))),
        TileKind::Sm3 => tile(TreeHash::Sm3),
        TileKind::Sha256 => tile(TreeHash::Sha256),
    }
}

impl LogSource for StoredLog {
    async fn note(&self, tree: TreeHash) -> Result<Option<Vec<u8>>, ServiceError> {
        Ok(match tree {
            TreeHash::Sm3 => Some(self.head.sm3_note.clone()),
            TreeHash::Sha256 => self.head.sha256_note.clone(),
        })
    }

    async fn piece(&self, piece: Piece) -> Result<ReadPiece, ServiceError> {
        let bundles = piece.bundles().map(|bundle| (bundle.index(), bundle.width())).collect::<Vec<_>>();
        let leaves = piece.tiles().map(|tile| (tile.index(), tile.width())).collect::<Vec<_>>();
        let mut read = ReadPiece { rows: Some(self.rows(piece).await?), ..ReadPiece::default() };
        for (tree, held) in TreeHash::ALL.into_iter().zip(&mut read.trees) {
            *held = ReadTree {
                bundles: Vec::new(),
                tiles: self.row_of((tiles::kind(tree), 0), leaves.clone(), HASH).await?,
                above: match piece.above() {
                    Some(tile) => self.tile(tree, tile).await?,
                    None => None,
                },
            };
        }
        if let Some(first) = read.trees.first_mut() {
            first.bundles = self.row_of((TileKind::Entries, 0), bundles, RECORD).await?;
        }
        Ok(read)
    }

    /// As it is, rows or files: whoever checks a log tells where it is wrong.
    async fn tile(&self, tree: TreeHash, tile: TileCoordinate) -> Result<Option<Vec<u8>>, ServiceError> {
        let wanted = vec![(tile.index(), tile.width())];
        let read = self.row_of((tiles::kind(tree), tile.level()), wanted, HASH).await?;
        Ok(read.into_iter().next().flatten())
    }
}
