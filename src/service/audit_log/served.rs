//! The log as its server gives it, or anybody who serves a mirror: `sm3/` and `sha256/` below an address (C2SP tlog-tiles).
//!
//! Read with few connections and bounds on everything. Nothing is believed: the checker says what is wrong.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::domain::audit::log_check::Piece;
use crate::domain::audit::tree::TreeHash;
use crate::domain::verify::address::Address;
use crate::format::tlog::MAX_NOTE;
use crate::format::tlog::tile::{
    BundleCoordinate, FULL, TileCoordinate, TilePath, read_bundle, read_tile, write_entry,
};
use crate::service::Error as ServiceError;
use crate::service::audit_log::Error;
use crate::service::audit_log::agreeing::stated;
use crate::service::audit_log::checking::{LogSource, ReadPiece, ReadTree};
use crate::service::outside::kept::KeptServer;
use crate::service::outside::web::told;

/// Octets of a tile or bundle: a full one has 8,192 or 11,008 of ours.
const MOST_FILE: usize = 64 << 10;
/// How often both checkpoints are asked for until they are of one size: a log that grows signs both at once, and they are
/// read one after the other.
const ROUNDS: usize = 10;
/// From one such round to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// A log below an address, as it was signed when this was made.
#[derive(Clone)]
pub struct ServedLog {
    server: KeptServer,
    notes: [Option<Arc<[u8]>>; 2],
}

impl ServedLog {
    /// The log below that address. A server of https is known by these authorities.
    ///
    /// # Errors
    /// [`Error::AddressPlain`]: http, and not this machine; [`Error::NotServed`].
    pub async fn open(address: Address, tls: Option<Arc<ClientConfig>>) -> Result<Self, ServiceError> {
        if !address.is_secure && !address.host.is_loopback() {
            return Err(Error::AddressPlain { address: address.to_string() }.into());
        }
        let mut log = Self { server: KeptServer::new(address, tls), notes: [None, None] };
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            for (tree, note) in TreeHash::ALL.into_iter().zip(&mut log.notes) {
                *note = file(&log.server, format!("{tree}/checkpoint"), MAX_NOTE).await?.map(Arc::from);
            }
            let size =
                |note: &Option<Arc<[u8]>>| note.as_deref().and_then(|note| stated(note).ok()).map(|(size, _)| size);
            let [sm3, sha256] = log.notes.each_ref().map(size);
            // What is missing or malformed stays so, and the checker tells it.
            if sm3.zip(sha256).is_none_or(|(one, other)| one == other) {
                break;
            }
        }
        Ok(log)
    }

    async fn tile_file(&self, tree: TreeHash, path: TilePath) -> Result<Option<Vec<u8>>, ServiceError> {
        let found = file(&self.server, format!("{tree}/{path}"), MOST_FILE).await?;
        let width = match path {
            TilePath::Tile(tile) => tile.width(),
            TilePath::Entries(bundle) => bundle.width(),
        };
        if found.is_some() || width == FULL {
            return Ok(found);
        }
        // Whoever serves a log may delete partial ones that are full by now (C2SP tlog-tiles, partial tiles).
        let Some(full) = full_form(path) else { return Ok(None) };
        let found = file(&self.server, format!("{tree}/{full}"), MOST_FILE).await?;
        Ok(found.map(|octets| beginning(octets, path, usize::from(width))))
    }
}

fn full_form(path: TilePath) -> Option<TilePath> {
    match path {
        TilePath::Tile(tile) => TileCoordinate::new(tile.level(), tile.index(), FULL).map(TilePath::Tile),
        TilePath::Entries(bundle) => BundleCoordinate::new(bundle.index(), FULL).map(TilePath::Entries),
    }
}

/// The beginning of a full one; one that is malformed as it is, to be told.
fn beginning(octets: Vec<u8>, path: TilePath, width: usize) -> Vec<u8> {
    let cut = match path {
        TilePath::Tile(_) => {
            read_tile(&octets, FULL).ok().map(|hashes| hashes.iter().take(width).flatten().copied().collect())
        }
        TilePath::Entries(_) => read_bundle(&octets, FULL).ok().and_then(|entries| {
            let mut bundle = Vec::new();
            entries.into_iter().take(width).try_for_each(|entry| write_entry(&mut bundle, entry)).ok()?;
            Some(bundle)
        }),
    };
    cut.unwrap_or(octets)
}

async fn file(server: &KeptServer, name: String, most: usize) -> Result<Option<Vec<u8>>, ServiceError> {
    server.file(&name, most).await.map_err(|error| {
        let address = format!("{}/{name}", server.address().to_string().trim_end_matches('/'));
        Error::NotServed { address, code: error.code(), reason: told(&error) }.into()
    })
}

impl LogSource for ServedLog {
    async fn note(&self, tree: TreeHash) -> Result<Option<Vec<u8>>, ServiceError> {
        let [sm3, sha256] = &self.notes;
        let note = match tree {
            TreeHash::Sm3 => sm3,
            TreeHash::Sha256 => sha256,
        };
        Ok(note.as_deref().map(<[u8]>::to_vec))
    }

    async fn piece(&self, piece: Piece) -> Result<ReadPiece, ServiceError> {
        /// Where a file of a piece belongs.
        enum Place {
            Bundle(usize),
            Tile(usize),
            Above,
        }
        let mut read = ReadPiece::default();
        let mut asking = JoinSet::new();
        for (tree, held) in TreeHash::ALL.into_iter().zip(&mut read.trees) {
            let bundles = piece.bundles().enumerate().map(|(at, one)| (Place::Bundle(at), TilePath::Entries(one)));
            let tiles = piece.tiles().enumerate().map(|(at, one)| (Place::Tile(at), TilePath::Tile(one)));
            let above = piece.above().map(|tile| (Place::Above, TilePath::Tile(tile)));
            held.bundles = vec![None; piece.bundles().count()];
            held.tiles = vec![None; piece.tiles().count()];
            for (place, path) in bundles.chain(tiles).chain(above) {
                let log = self.clone();
                asking.spawn(async move { Ok::<_, ServiceError>((tree, place, log.tile_file(tree, path).await?)) });
            }
        }
        while let Some(done) = asking.join_next().await {
            let (tree, place, octets) = done.map_err(|_| ServiceError::Interrupted)??;
            let [sm3, sha256] = &mut read.trees;
            let held: &mut ReadTree = match tree {
                TreeHash::Sm3 => sm3,
                TreeHash::Sha256 => sha256,
            };
            let slot = match place {
                Place::Bundle(at) => held.bundles.get_mut(at),
                Place::Tile(at) => held.tiles.get_mut(at),
                Place::Above => Some(&mut held.above),
            };
            if let Some(slot) = slot {
                *slot = octets;
            }
        }
        Ok(read)
    }

    async fn tile(&self, tree: TreeHash, tile: TileCoordinate) -> Result<Option<Vec<u8>>, ServiceError> {
        self.tile_file(tree, TilePath::Tile(tile)).await
    }
}
