//! Where old tiles lie that are no rows any more: below a folder, or in an object store. Each keeps and gives full files.
//!
//! Nothing is believed of either: whoever reads compares with the tree (`moving`). None is asked while a transaction is
//! open, so that a store that is slow holds up nobody but those who wait for its files.

use std::pin::Pin;
use std::sync::Arc;

use crate::domain::audit::tree::TreeHash;
use crate::format::tlog::tile::{BundleCoordinate, FULL, TileCoordinate, TilePath};
use crate::service::Error as ServiceError;
use crate::service::audit_log::Error;
use crate::service::audit_log::folder::FolderLog;
use crate::service::outside::objects::{ObjectError, ObjectFolder};
use crate::service::outside::web::told;

/// More than any tile or bundle of ours has; a full bundle has 10,496 octets.
const MOST_FILE: usize = 64 << 10;

/// What a place is doing.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// A place for old tiles.
pub trait TilePlace: Send + Sync {
    /// As the database notes it: the path of a folder, or an address.
    fn name(&self) -> String;
    /// The tile or bundle in its full width, whatever width is named; none where there is none.
    fn whole(&self, tree: TreeHash, path: TilePath) -> Doing<'_, Option<Vec<u8>>>;
    /// Keeps a full tile or bundle.
    fn keep(&self, tree: TreeHash, path: TilePath, octets: Vec<u8>) -> Doing<'_, ()>;
    /// Ends when all of these, which it keeps, survive a loss of power.
    fn settle<'a>(&'a self, files: &'a [(TreeHash, TilePath)]) -> Doing<'a, ()>;
}

/// Where a full tile or bundle lies in a place, for people.
pub(super) fn place_of(place: &dyn TilePlace, tree: TreeHash, path: TilePath) -> String {
    format!("{}/{}", place.name().trim_end_matches('/'), name_of(tree, path))
}

/// The name of a full tile or bundle below a log (C2SP tlog-tiles).
fn name_of(tree: TreeHash, path: TilePath) -> String {
    format!("{}/{}", tree.name(), full(path))
}

/// The same in its full width.
pub(super) fn full(path: TilePath) -> TilePath {
    match path {
        TilePath::Tile(tile) => TileCoordinate::new(tile.level(), tile.index(), FULL).map_or(path, TilePath::Tile),
        TilePath::Entries(bundle) => BundleCoordinate::new(bundle.index(), FULL).map_or(path, TilePath::Entries),
    }
}

impl TilePlace for ObjectFolder {
    fn name(&self) -> String {
        self.address().to_string()
    }

    fn whole(&self, tree: TreeHash, path: TilePath) -> Doing<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let got = self.get(&name_of(tree, path), MOST_FILE).await;
            got.map_err(|error| silent(self, (tree, path), &error))
        })
    }

    fn keep(&self, tree: TreeHash, path: TilePath, octets: Vec<u8>) -> Doing<'_, ()> {
        Box::pin(async move {
            let put = self.put(&name_of(tree, path), octets).await;
            put.map_err(|error| silent(self, (tree, path), &error))
        })
    }

    /// A store that answers has what was put.
    fn settle<'a>(&'a self, _: &'a [(TreeHash, TilePath)]) -> Doing<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn silent(place: &ObjectFolder, (tree, path): (TreeHash, TilePath), error: &ObjectError) -> ServiceError {
    let (place, code, reason) = (place_of(place, tree, path), error.code(), told(error));
    Error::ObjectStore { place, code, reason }.into()
}

/// The places that an installation can use: any folder, and the object store that its settings name.
#[derive(Debug, Clone, Default)]
pub struct OldTiles {
    objects: Option<ObjectFolder>,
}

impl OldTiles {
    /// With that object store.
    #[must_use]
    pub const fn with_objects(objects: ObjectFolder) -> Self {
        Self { objects: Some(objects) }
    }

    /// The place of that name.
    ///
    /// # Errors
    /// [`Error::OldTilesElsewhere`]: an object store that the settings do not name, so there are no credentials for it.
    pub fn at(&self, name: &str) -> Result<Arc<dyn TilePlace>, Error> {
        match &self.objects {
            Some(objects) if objects.name() == name => Ok(Arc::new(objects.clone())),
            _ if name.contains("://") => Err(Error::OldTilesElsewhere { place: name.to_owned() }),
            _ => Ok(Arc::new(FolderLog::new(name.as_ref()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::domain::verify::address::Address;
    use crate::service::outside::objects::Credentials;

    #[test]
    fn a_place_is_a_folder_or_the_store_that_is_named() {
        let address = "http://127.0.0.1:9/log/old";
        let credentials = Credentials::read(b"aws_access_key_id = a\naws_secret_access_key = b").unwrap();
        let located = (Address::parse(address).unwrap(), "us-east-1");
        let objects = ObjectFolder::new(located, credentials, None, Arc::new(SystemClock));
        let places = OldTiles::with_objects(objects);
        assert_eq!(places.at(address).unwrap().name(), address);
        assert_eq!(places.at("/disk/old").unwrap().name(), "/disk/old");
        let tile = TilePath::parse("tile/0/x001/234.p/7").unwrap();
        let at = |name: &str| place_of(&*places.at(name).unwrap(), TreeHash::Sm3, tile);
        assert_eq!(at("/disk/old/"), "/disk/old/sm3/tile/0/x001/234");
        assert_eq!(at(address), "http://127.0.0.1:9/log/old/sm3/tile/0/x001/234");
        for other in ["http://127.0.0.1:9/log", "https://127.0.0.1:9/log/old"] {
            assert_eq!(places.at(other).err().map(|error| error.code()), Some("log-old-tiles-elsewhere"), "{other}");
            assert_eq!(OldTiles::default().at(other).err().map(|error| error.code()), Some("log-old-tiles-elsewhere"));
        }
    }
}
