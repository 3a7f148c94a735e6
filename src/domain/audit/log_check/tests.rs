//! A log of two pieces, then each way of tampering with it: found, with the first index that is wrong.

use std::collections::BTreeMap;

use super::*;
use crate::base::clock::Timestamp;
use crate::domain::audit::tree::root_tiles;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::format::tlog::TilePath;
use crate::format::tlog::tile::{bundles_of, tiles_of, write_entry};

/// A whole piece and the beginning of another: three levels of tiles.
const SIZE: u64 = PIECE + 700;

fn entry(n: u64) -> Vec<u8> {
    let mut commitment = [0; 32];
    commitment[..8].copy_from_slice(&n.to_be_bytes());
    Entry { class: 12, hour: 494_444, commitment }.to_octets().to_vec()
}

/// The files of one tree, by path.
#[derive(Clone)]
struct Tree {
    hash: TreeHash,
    size: u64,
    root: Hash,
    files: BTreeMap<TilePath, Vec<u8>>,
}

impl Tree {
    fn of(hash: TreeHash, entries: &[Vec<u8>]) -> Self {
        let entries = entries.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let mut frontier = Frontier::new(hash);
        let mut written = frontier.append(&hash.leaves(&entries)).unwrap();
        written.extend(frontier.partial_tiles());
        let mut files: BTreeMap<_, _> =
            written.into_iter().map(|tile| (TilePath::Tile(tile.tile), tile.octets)).collect();
        for bundle in bundles_of(frontier.size()) {
            let start = usize::try_from(first_of(bundle)).unwrap();
            let mut octets = Vec::new();
            for entry in &entries[start..start + usize::from(bundle.width())] {
                write_entry(&mut octets, entry).unwrap();
            }
            files.insert(TilePath::Entries(bundle), octets);
        }
        Self { hash, size: frontier.size(), root: frontier.root(), files }
    }

    fn piece(&self, piece: Piece) -> PieceOfTree<'_> {
        let file = |path: TilePath| self.files.get(&path).map(Vec::as_slice);
        PieceOfTree {
            bundles: piece.bundles().map(|bundle| file(TilePath::Entries(bundle))).collect(),
            tiles: piece.tiles().map(|tile| file(TilePath::Tile(tile))).collect(),
            above: piece.above().and_then(|tile| file(TilePath::Tile(tile))),
        }
    }

    fn tiles(&self, which: impl Iterator<Item = TileCoordinate>) -> Tiles {
        let mut tiles = Tiles::new();
        for tile in which {
            if let Some(octets) = self.files.get(&TilePath::Tile(tile)) {
                let _ = tiles.insert(tile, octets.clone());
            }
        }
        tiles
    }

    fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(&TilePath::parse(path).unwrap()).unwrap()
    }

    fn remembered(&self, before: u64, root: Hash) -> Result<(), Fault> {
        let wanted = root_tiles(before.min(self.size), self.size).unwrap();
        check_remembered(self.hash, &[(before, root)], self.size, &self.tiles(wanted.into_iter()))
    }
}

/// As a caller does it: pieces on threads, then in order.
fn check(sm3: &Tree, sha256: &Tree) -> Result<(), Fault> {
    let size = check_heads(sm3.size, sha256.size)?;
    let checked = std::thread::scope(|scope| {
        let piece = |piece: Piece| scope.spawn(move || check_piece(piece, &sm3.piece(piece), &sha256.piece(piece)));
        let running = Piece::all(size).map(piece).collect::<Vec<_>>();
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut log = LogCheck::new(size);
    let (mut faults, mut sound) = (Vec::new(), Vec::new());
    for outcome in checked {
        match outcome {
            Ok(piece) => sound.push(piece),
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(fault) = first(faults) {
        return Err(fault);
    }
    for piece in sound {
        log.take(piece)?;
    }
    let upper = [sm3, sha256].map(|tree| tree.tiles(LogCheck::upper_tiles(size)));
    log.finish([&upper[0], &upper[1]], [&sm3.root, &sha256.root])
}

fn log(entries: &[Vec<u8>]) -> [Tree; 2] {
    TreeHash::ALL.map(|hash| Tree::of(hash, entries))
}

fn fault(index: u64, kind: FaultKind) -> Result<(), Fault> {
    Err(Fault { index, kind })
}

/// Everything that can be done to the files of a log without its keys, and what it must give.
#[test]
fn each_way_of_tampering_is_found_at_its_first_index() {
    use TreeHash::{Sha256, Sm3};
    let entries = (0..SIZE).map(entry).collect::<Vec<_>>();
    let genuine = log(&entries);
    assert_eq!(check(&genuine[0], &genuine[1]), Ok(()));
    assert_eq!(genuine[0].files.len(), tiles_of(SIZE).count() + bundles_of(SIZE).count());

    type Change = Box<dyn Fn(&mut Tree, &mut Tree)>;
    let leaf = |index, tree| fault(index, FaultKind::Leaf { tree });
    let node = |index, tree, level| fault(index, FaultKind::Node { tree, level });
    let table: Vec<(&str, Change, Result<(), Fault>)> = vec![
        ("an entry edited", Box::new(|sm3, _| sm3.file("tile/entries/003")[41 * 5 + 20] ^= 1), leaf(773, Sm3)),
        (
            "an entry edited in both",
            Box::new(|sm3, sha256| {
                sm3.file("tile/entries/003")[41 * 5 + 20] ^= 1;
                sha256.file("tile/entries/003")[41 * 5 + 20] ^= 1;
            }),
            leaf(773, Sm3),
        ),
        ("a leaf edited", Box::new(|_, sha256| sha256.file("tile/0/003")[32 * 9] ^= 1), leaf(777, Sha256)),
        (
            "an entry and its leaf edited",
            Box::new(|sm3, _| {
                sm3.file("tile/entries/003")[41 * 5 + 20] ^= 1;
                let entry = sm3.file("tile/entries/003")[41 * 5 + 2..41 * 6].to_vec();
                sm3.file("tile/0/003")[32 * 5..32 * 6].copy_from_slice(&Sm3.leaf(&entry));
            }),
            // Both the tile above and the other tree tell; the hash above speaks of the whole tile.
            node(768, Sm3, 1),
        ),
        (
            "an entry deleted",
            Box::new(|sm3, _| {
                sm3.file("tile/entries/004").drain(41 * 7..41 * 8);
            }),
            fault(
                1024 + 255,
                FaultKind::MalformedBundle { tree: Sm3, source: tlog::Error::Bundle { expected: 256, at: 255 } },
            ),
        ),
        (
            "an entry deleted, the next ones moved up",
            Box::new(|sm3, _| {
                sm3.file("tile/entries/004").drain(41 * 7..41 * 8);
                let next = sm3.file("tile/entries/005")[..41].to_vec();
                sm3.file("tile/entries/004").extend(next);
            }),
            leaf(1031, Sm3),
        ),
        (
            "entries swapped",
            Box::new(|sm3, _| {
                let (one, other) = sm3.file("tile/entries/000").split_at_mut(41 * 9);
                one[41 * 8..].swap_with_slice(&mut other[..41]);
            }),
            leaf(8, Sm3),
        ),
        (
            "tiles reordered",
            Box::new(|sm3, _| {
                let one = sm3.file("tile/0/006").clone();
                let other = std::mem::replace(sm3.file("tile/0/007"), one);
                *sm3.file("tile/0/006") = other;
            }),
            leaf(6 * 256, Sm3),
        ),
        (
            "tiles reordered with their entries",
            Box::new(|sm3, _| {
                for kind in ["0", "entries"] {
                    let one = sm3.file(&format!("tile/{kind}/006")).clone();
                    let other = std::mem::replace(sm3.file(&format!("tile/{kind}/007")), one);
                    *sm3.file(&format!("tile/{kind}/006")) = other;
                }
            }),
            node(6 * 256, Sm3, 1),
        ),
        (
            "a tile missing",
            Box::new(|sm3, _| drop(sm3.files.remove(&TilePath::parse("tile/0/010").unwrap()))),
            fault(2560, FaultKind::MissingTile { tree: Sm3, level: 0 }),
        ),
        (
            "the last bundle missing",
            Box::new(|_, sha256| drop(sha256.files.remove(&TilePath::parse("tile/entries/258.p/188").unwrap()))),
            fault(PIECE + 512, FaultKind::MissingBundle { tree: Sha256 }),
        ),
        (
            "a tile cut",
            Box::new(|sm3, _| sm3.file("tile/0/010").truncate(8160)),
            fault(2560, FaultKind::MalformedTile { tree: Sm3, level: 0 }),
        ),
        (
            "a tile of level 1 missing",
            Box::new(|sm3, _| drop(sm3.files.remove(&TilePath::parse("tile/1/000").unwrap()))),
            fault(0, FaultKind::MissingTile { tree: Sm3, level: 1 }),
        ),
        ("a hash of level 1 edited", Box::new(|sm3, _| sm3.file("tile/1/000")[32 * 4] ^= 1), node(1024, Sm3, 1)),
        (
            "a partial hash of level 1 edited",
            Box::new(|sm3, _| sm3.file("tile/1/001.p/2")[33] ^= 1),
            node(PIECE + 256, Sm3, 1),
        ),
        ("a hash of level 2 edited", Box::new(|sm3, _| sm3.file("tile/2/000.p/1")[0] ^= 1), node(0, Sm3, 2)),
        (
            "a tile of level 2 missing",
            Box::new(|_, sha256| drop(sha256.files.remove(&TilePath::parse("tile/2/000.p/1").unwrap()))),
            fault(0, FaultKind::MissingTile { tree: Sha256, level: 2 }),
        ),
        ("another root signed", Box::new(|_, sha256| sha256.root[0] ^= 1), fault(0, FaultKind::Root { tree: Sha256 })),
        (
            "one tree truncated",
            Box::new(|sm3, _| sm3.size -= 100),
            fault(SIZE - 100, FaultKind::SizesDiffer { longer: Sha256 }),
        ),
        (
            "both heads at a size that the files do not have",
            Box::new(|sm3, sha256| {
                sm3.size += 1;
                sha256.size += 1;
            }),
            fault(PIECE + 512, FaultKind::MissingBundle { tree: Sm3 }),
        ),
    ];
    for (name, change, expected) in table {
        let [mut sm3, mut sha256] = genuine.clone();
        change(&mut sm3, &mut sha256);
        assert_eq!(check(&sm3, &sha256), expected, "{name}");
    }
}

/// What only somebody with the keys can do: whole logs that are sound in themselves.
#[test]
fn other_logs_are_found_by_the_other_tree_and_by_what_was_seen_before() {
    let entries = (0..1300).map(entry).collect::<Vec<_>>();
    let [sm3, sha256] = log(&entries);
    assert_eq!(check(&sm3, &sha256), Ok(()));

    // One tree has two entries the other way round: each tree is whole, but they differ.
    let mut swapped = entries.clone();
    swapped.swap(600, 601);
    let [forked, _] = log(&swapped);
    assert_eq!(check(&forked, &sha256), fault(600, FaultKind::TreesDiffer));

    // Both trees are written anew: heads of before tell.
    let root = |size: usize| Tree::of(TreeHash::Sm3, &entries[..size]).root;
    let remembered = [(0, TreeHash::Sm3.empty_root()), (300, root(300)), (700, root(700)), (1300, sm3.root)];
    let all = |tree: &Tree| tree.tiles(tiles_of(tree.size));
    assert_eq!(check_remembered(TreeHash::Sm3, &remembered, 1300, &all(&sm3)), Ok(()));
    let kind = FaultKind::Forked { tree: TreeHash::Sm3, remembered: 700 };
    assert_eq!(check_remembered(TreeHash::Sm3, &remembered, 1300, &all(&forked)), fault(300, kind));
    // A mirror's tiles tell where.
    let [mine, theirs] = [&sm3, &forked].map(|tree| tree.files[&TilePath::parse("tile/0/002").unwrap()].as_slice());
    assert_eq!(first_difference(2, mine, theirs), Some(600));
    assert_eq!(first_difference(2, mine, mine), None);
    assert_eq!(first_difference(2, mine, &mine[..320]), Some(522));

    // A head from before is served as the newest, or the log is cut to it.
    let cut = Tree::of(TreeHash::Sm3, &entries[..900]);
    let kind = FaultKind::RolledBack { tree: TreeHash::Sm3, remembered: 1300 };
    assert_eq!(cut.remembered(1300, sm3.root), fault(900, kind));
    assert_eq!(cut.remembered(700, root(700)), Ok(()));
    let tile = FaultKind::MissingTile { tree: TreeHash::Sm3, level: 0 };
    assert_eq!(check_remembered(TreeHash::Sm3, &[(7, root(7))], 1300, &Tiles::new()), fault(0, tile));
}

#[test]
fn rows_and_entries_are_held_against_each_other() {
    let event = |n: i64| Event {
        at: Timestamp::from_unix(n * 3600),
        actor: Actor::Operator,
        request: None,
        body: EventBody::ServiceStarted { version: "1".into() },
    };
    let salts = [[1; 32], [2; 32], [3; 32]];
    let events = [1, 2, 3].map(|n| event(n).to_der());
    let octets = [0, 1, 2].map(|n| Entry::of_der(&events[n], &salts[n]).unwrap().to_octets());
    let entries = octets.each_ref().map(|entry| entry.as_slice());
    let row =
        |at: usize| Row { index: 10 + u64::try_from(at).unwrap(), opening: Some((events[at].as_slice(), &salts[at])) };
    let rows = [row(0), row(1), row(2)];
    assert_eq!(check_rows(10, &rows, &entries), Ok(()));
    let erased = [row(0), Row { opening: None, ..row(1) }, row(2)];
    assert_eq!(check_rows(10, &erased, &entries), Ok(()));
    let edited = [row(0), Row { opening: row(2).opening, ..row(1) }, row(2)];
    assert_eq!(check_rows(10, &edited, &entries), fault(11, FaultKind::Row));
    let other_salt = [row(0), Row { opening: Some((&events[1], &salts[0])), ..row(1) }, row(2)];
    assert_eq!(check_rows(10, &other_salt, &entries), fault(11, FaultKind::Row));
    assert_eq!(check_rows(10, &[row(0), row(2)], &entries), fault(11, FaultKind::MissingRow));
    assert_eq!(check_rows(10, &rows[..2], &entries), fault(12, FaultKind::MissingRow));
    assert_eq!(check_rows(10, &rows, &entries[..2]), fault(12, FaultKind::MissingEntry));
    let kind = FaultKind::Entry { tree: TreeHash::Sm3 };
    assert_eq!(check_rows(10, &rows, &[entries[0], b"no entry", entries[2]]), fault(11, kind));
}

#[test]
fn pieces_out_of_order_and_entries_that_are_none_are_refused() {
    let [sm3, sha256] = log(&(0..PIECE + 1).map(entry).collect::<Vec<_>>());
    let pieces = Piece::all(sm3.size).collect::<Vec<_>>();
    assert_eq!(
        pieces.iter().map(|piece| (piece.number(), piece.first_leaf())).collect::<Vec<_>>(),
        [(0, 0), (1, PIECE)]
    );
    let checked = |at: usize| check_piece(pieces[at], &sm3.piece(pieces[at]), &sha256.piece(pieces[at])).unwrap();
    let mut log_check = LogCheck::new(sm3.size);
    assert_eq!(log_check.take(checked(1)), fault(PIECE, FaultKind::Order));
    assert_eq!(log_check.take(checked(0)), Ok(()));
    assert_eq!(log_check.take(checked(0)), fault(0, FaultKind::Order));
    let upper = Tiles::new();
    assert_eq!(log_check.finish([&upper, &upper], [&sm3.root, &sha256.root]), fault(PIECE, FaultKind::Order));

    let mut entries = (0..5).map(entry).collect::<Vec<_>>();
    entries[3] = b"no entry".to_vec();
    let [sm3, sha256] = log(&entries);
    assert_eq!(check(&sm3, &sha256), fault(3, FaultKind::Entry { tree: TreeHash::Sm3 }));
    let [sm3, sha256] = log(&[]);
    assert_eq!(check(&sm3, &sha256), Ok(()));
}
