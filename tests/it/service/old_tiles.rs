//! Old tiles that lie in a folder: read from there, never believed, and lost at no step of a move.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yinxin::domain::audit::EventBody;
use yinxin::domain::audit::tree::TreeHash;
use yinxin::format::tlog::tile::{TilePath, bundles_of, tiles_of};
use yinxin::service::Services;
use yinxin::service::audit_log::AuditLog;
use yinxin::service::audit_log::checking::{CheckError, CheckedLog, check};
use yinxin::service::audit_log::folder::FolderLog;
use yinxin::service::audit_log::moving::{MoveStep, MovedTiles, move_tiles};
use yinxin::service::audit_log::old_tiles::TilePlace;
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::store::log::{self, TileKind};
use yinxin::store::moved_tiles::{self, Moved, tiles_below};

use crate::service::audit_log::{count, open, options, record, sequence_all};
use crate::service::installation::{Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("old-tiles");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("old tiles on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("old-tiles-postgres") }).await;
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let services = place.open().await;
    let log = open(&services).await;
    record(&services, 1_500).await;
    sequence_all(&log).await;
    let folder = place.folder.path().join("old");
    let served = all_files(&log).await;
    no_step_that_is_cut_off_loses_anything(&place, &services, &at(&folder), &served).await;
    everything_is_served_and_proven_as_before(&place, &services, &served).await;
    a_file_that_is_missing_or_changed_is_named(&services, &folder).await;
    another_place_is_taken_only_when_it_has_everything(&place, &services, &folder).await;
    services.store.close().await;
}

/// A folder as a place for tiles.
pub(crate) fn at(folder: &Path) -> Arc<dyn TilePlace> {
    Arc::new(FolderLog::new(folder))
}

pub(crate) type Files = BTreeMap<(TreeHash, String), Vec<u8>>;

pub(crate) async fn all_files(log: &AuditLog) -> Files {
    let size = log.head(TreeHash::Sm3).await.unwrap().size;
    let mut files = Files::new();
    for tree in TreeHash::ALL {
        for path in tiles_of(size).map(TilePath::Tile).chain(bundles_of(size).map(TilePath::Entries)) {
            files.insert((tree, path.to_string()), log.tile(tree, path).await.unwrap().unwrap());
        }
    }
    files
}

pub(crate) async fn checked(services: &Services) -> Result<CheckedLog, CheckError> {
    let (log, own) = StoredLog::of(services).await.unwrap();
    check(Arc::new(log), &own).await.unwrap()
}

pub(crate) async fn moved(services: &Services) -> u64 {
    let found = services.store.read(|tx| Box::pin(moved_tiles::find(tx))).await.unwrap();
    found.map_or(0, |moved| moved.below)
}

/// Whether what was served before is served now; more may have come.
pub(crate) async fn is_served(services: &Services, served: &Files) {
    let log = open(services).await;
    for ((tree, path), octets) in served {
        let now = log.tile(*tree, TilePath::parse(path).unwrap()).await.unwrap();
        assert_eq!(now.as_ref(), Some(octets), "{tree} {path}");
    }
}

pub(crate) async fn no_step_that_is_cut_off_loses_anything(
    place: &Place,
    services: &Services,
    tiles: &Arc<dyn TilePlace>,
    served: &Files,
) {
    for (round, step) in MoveStep::ALL.into_iter().enumerate() {
        let (from, below) = (u64::try_from(round).unwrap() * 256, u64::try_from(round + 1).unwrap() * 256);
        let cut_off = tokio::spawn({
            let (services, tiles) = (services.clone(), Arc::clone(tiles));
            async move {
                let told = move |reached| assert!(reached != step, "cut off");
                move_tiles(&services, &tiles, below, &told).await.map(|_| ())
            }
        });
        assert!(cut_off.await.unwrap_err().is_panic(), "{step:?} is reached");
        let is_done = step == MoveStep::Committed;
        assert_eq!(moved(services).await, if is_done { below } else { from }, "{step:?}");
        let rows = place.count(&format!("log_tiles WHERE level = 0 AND number = {}", from / 256)).await;
        assert_eq!(rows, if is_done { 0 } else { 3 }, "{step:?}");
        is_served(services, served).await;
        checked(services).await.unwrap();
        let again = move_tiles(services, tiles, below, &|_| {}).await.unwrap();
        assert_eq!(again, (!is_done).then_some(MovedTiles { from, below }), "{step:?}");
    }
    let said = events(services).await.into_iter().filter_map(|event| match event.body {
        EventBody::OldTilesMoved { from, below } => Some((from, below)),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), [(0, 256), (256, 512), (512, 768), (768, 1_024), (1_024, 1_280)]);
    // No more than full tiles of what is signed.
    assert_eq!(move_tiles(services, tiles, 1_535, &|_| {}).await.unwrap(), None);
    assert_eq!(place.count("log_tiles WHERE level = 0 AND number < 5").await, 0);
    assert_eq!(
        (tiles_below(0, 70_000 / 256 * 256), tiles_below(1, 70_000 / 256 * 256), tiles_below(2, 1 << 40)),
        (273, 1, 0)
    );
}

pub(crate) async fn everything_is_served_and_proven_as_before(place: &Place, services: &Services, served: &Files) {
    record(services, 20).await;
    let log = open(services).await;
    sequence_all(&log).await;
    is_served(services, served).await;
    let whole = checked(services).await.unwrap();
    assert_eq!(whole.size, count(services).await);
    for index in [0, 255, 256, 1_279, 1_280, whole.size - 1] {
        log.prove(index).await.unwrap();
    }
    // A copy is made from both, and is right.
    let copy = FolderLog::new(&place.folder.path().join("copy"));
    let (stored, own) = StoredLog::of(services).await.unwrap();
    copy.write(&stored).await.unwrap();
    assert_eq!(check(Arc::new(copy), &own).await.unwrap().unwrap(), whole);
}

async fn refused(log: &AuditLog, index: u64) -> (String, String) {
    let error = log.prove(index).await.unwrap_err();
    (error.code().to_owned(), error.to_string())
}

/// Each file is as it was afterwards.
async fn a_file_that_is_missing_or_changed_is_named(services: &Services, folder: &Path) {
    let (file, log) = (|name: &str| folder.join(name), open(services).await);
    for name in ["sm3/tile/0/001", "sha256/tile/0/001"] {
        let path = file(name);
        let right = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let text = format!("{} is missing: an old tile of the log was moved there", path.display());
        assert_eq!(refused(&log, 300).await, ("log-old-tile-missing".to_owned(), text));
        assert_eq!(checked(services).await.unwrap_err().index(), Some(256), "{name}");
        // A leaf whose tiles are all rows, and the bundle of another file.
        log.prove(1_400).await.unwrap();
        log.tile(TreeHash::Sm3, TilePath::parse("tile/entries/000").unwrap()).await.unwrap().unwrap();
        let mut flipped = right.clone();
        flipped[3 * 32 + 5] ^= 1;
        for wrong in [flipped, right[..8_000].to_vec(), [&right[..], b"x"].concat(), Vec::new()] {
            fs::write(&path, &wrong).unwrap();
            let text = format!("{} is not what the tree says: an old tile of the log was changed", path.display());
            assert_eq!(refused(&log, 300).await, ("log-old-tile-changed".to_owned(), text));
            let tree = if name.starts_with("sm3") { TreeHash::Sm3 } else { TreeHash::Sha256 };
            let tile = log.tile(tree, TilePath::parse("tile/0/001").unwrap()).await;
            assert_eq!(tile.unwrap_err().code(), "log-old-tile-changed");
            let expected = if wrong.len() == right.len() { 259 } else { 256 };
            assert_eq!(checked(services).await.unwrap_err().index(), Some(expected), "{name}, {} octets", wrong.len());
        }
        fs::write(&path, &right).unwrap();
        log.prove(300).await.unwrap();
    }
    // Entries: a proof needs none, whoever copies the log does.
    let path = file("sm3/tile/entries/002");
    let start = async || AuditLog::open(services, options()).await.err().map(|error| error.code().to_owned());
    let right = fs::read(&path).unwrap();
    let mut wrong = right.clone();
    wrong[7 * 41 + 20] ^= 1;
    fs::write(&path, &wrong).unwrap();
    let bundle = log.tile(TreeHash::Sm3, TilePath::parse("tile/entries/002").unwrap()).await;
    assert_eq!(bundle.unwrap_err().code(), "log-old-tile-changed");
    assert_eq!(checked(services).await.unwrap_err().index(), Some(519));
    assert_eq!(start().await.as_deref(), Some("log-old-tile-changed"), "a start compares the newest leaves");
    fs::write(&path, &right).unwrap();
    checked(services).await.unwrap();
    assert_eq!(start().await, None);
}

/// What is missing there is brought from the first place; what is wrong in either is named, and nothing is noted then.
async fn another_place_is_taken_only_when_it_has_everything(place: &Place, services: &Services, folder: &Path) {
    let other: PathBuf = place.folder.path().join("other");
    let to_other = async || move_tiles(services, &at(&other), 1_280, &|_| {}).await;
    let (path, name) = (folder.join("sm3/tile/0/001"), "sm3/tile/0/001");
    let right = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(to_other().await.unwrap_err().code(), "log-old-tile-missing");
    fs::write(&path, b"x").unwrap();
    assert_eq!(to_other().await.unwrap_err().code(), "log-old-tile-changed");
    fs::write(&path, &right).unwrap();
    fs::create_dir_all(other.join("sm3/tile/0")).unwrap();
    fs::write(other.join(name), b"x").unwrap();
    let refused = to_other().await.unwrap_err().to_string();
    assert!(refused.starts_with(&other.join(name).display().to_string()), "{refused}");
    assert_eq!(fs::read(other.join(name)).unwrap(), b"x", "it is not replaced");
    let noted = services.store.read(|tx| Box::pin(moved_tiles::find(tx))).await.unwrap().unwrap().place;
    assert_eq!(noted, folder.display().to_string());
    fs::remove_file(other.join(name)).unwrap();
    assert_eq!(to_other().await.unwrap(), None);
    fs::remove_dir_all(folder).unwrap();
    checked(services).await.unwrap();
    open(services).await.prove(3).await.unwrap();
    // The row says where they lie, and the bound never falls.
    let found = services.store.read(|tx| Box::pin(moved_tiles::find(tx))).await.unwrap();
    let other = other.display().to_string();
    assert_eq!(found, Some(Moved { below: 1_280, place: other.clone() }));
    let lower = &Moved { below: 256, place: other };
    let refused = services.store.run("note", |tx| Box::pin(moved_tiles::note(tx, lower))).await;
    assert!(matches!(refused, Err(yinxin::store::Error::Database(_))), "{refused:?}");
    let none = services.store.read(|tx| Box::pin(log::tile(tx, (TileKind::Sm3, 0, 3)))).await.unwrap();
    assert_eq!(none, None);
}
