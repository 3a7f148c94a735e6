//! Trees against published values, the recursive definitions of RFC 6962, and another implementation.

use proptest::collection::vec;
use proptest::prelude::*;
use tlog_tiles::{Error as TlogError, HashReader};

use super::*;
use crate::crypto::digest::hex;
use crate::format::tlog::tile::{edge_of, tiles_between, tiles_of};

const SHA: TreeHash = TreeHash::Sha256;

/// The leaves of the Certificate Transparency test vectors, and the roots of the trees of 0 to 8 of them
/// (github.com/transparency-dev/merkle, testonly/constants.go; the same stand in RFC 6962's reference code).
fn published() -> (Vec<Vec<u8>>, [&'static str; 9]) {
    let leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let octets = |text: &str| {
        let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digits).collect::<Vec<_>>()
    };
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    (leaves.map(octets).to_vec(), roots)
}

/// MTH of RFC 6962 2.1, word for word.
fn mth(hash: TreeHash, leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash.empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash.node(&mth(hash, left), &mth(hash, right))
        }
    }
}

/// PATH of RFC 6962 2.1.1.
fn path(hash: TreeHash, m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    if m < k {
        [path(hash, m, left), vec![mth(hash, right)]].concat()
    } else {
        [path(hash, m - k, right), vec![mth(hash, left)]].concat()
    }
}

/// SUBPROOF of RFC 6962 2.1.2.
fn subproof(hash: TreeHash, m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(hash, leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    if m <= k {
        [subproof(hash, m, left, whole), vec![mth(hash, right)]].concat()
    } else {
        [subproof(hash, m - k, right, false), vec![mth(hash, left)]].concat()
    }
}

fn leaves(hash: TreeHash, count: usize) -> Vec<Hash> {
    let entries = (0..count).map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    hash.leaves(&entries.iter().map(<[u8; 8]>::as_slice).collect::<Vec<_>>())
}

/// Grows a tree by batches; the tiles that a log of the last size has.
fn grow(hash: TreeHash, leaves: &[Hash], batches: &[usize]) -> (Frontier, Tiles) {
    let (mut frontier, mut tiles, mut rest) = (Frontier::new(hash), Tiles::new(), leaves);
    for batch in batches.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(batch.min(rest.len()));
        let old = frontier.size();
        let mut written = frontier.append(now).unwrap();
        written.extend(frontier.partial_tiles());
        let changed = tiles_between(old, frontier.size()).collect::<Vec<_>>();
        let is_new = |tile: &WrittenTile| tile.tile.is_full() || changed.contains(&tile.tile);
        let mut new = written.iter().filter(|tile| is_new(tile)).map(|tile| tile.tile).collect::<Vec<_>>();
        new.sort_unstable();
        assert_eq!(new, changed, "{old} to {}", frontier.size());
        for WrittenTile { tile, octets } in written {
            tiles.insert(tile, octets).unwrap();
        }
        rest = later;
    }
    (frontier, tiles)
}

#[test]
fn published_trees_have_their_roots() {
    let (entries, roots) = published();
    let entries = entries.iter().map(Vec::as_slice).collect::<Vec<_>>();
    for (size, root) in roots.iter().enumerate() {
        let mut frontier = Frontier::new(SHA);
        frontier.append(&SHA.leaves(&entries[..size])).unwrap();
        assert_eq!(hex(&frontier.root()), *root, "{size}");
    }
    // Nodes of the same source.
    let hashes = SHA.leaves(&entries);
    assert_eq!(hex(&hashes[7]), "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1");
    let first = SHA.nodes(&hashes);
    assert_eq!(hex(&first[3]), "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    assert_eq!(hex(&SHA.nodes(&first)[1]), "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
}

/// Proofs that the reference code of Certificate Transparency publishes for these leaves are nodes of the tree: RFC 6962
/// 2.1.3 draws the same shape for seven leaves. There: PATH(0) = [b, h, l], PATH(3) = [c, g, l], PATH(4) = [f, j, k],
/// PATH(6) = [i, k]; PROOF(3) = [c, d, g, l], PROOF(4) = [l], PROOF(6) = [i, j, k].
#[test]
fn the_example_of_rfc_6962_has_its_proofs() {
    let (entries, _) = published();
    let entries = entries.iter().map(Vec::as_slice).collect::<Vec<_>>();
    for hash in TreeHash::ALL {
        let leaf = hash.leaves(&entries[..7]);
        let [a, b, c, d, e, f, j] = [0, 1, 2, 3, 4, 5, 6].map(|n: usize| leaf[n]);
        let (g, h, i) = (hash.node(&a, &b), hash.node(&c, &d), hash.node(&e, &f));
        let (k, l) = (hash.node(&g, &h), hash.node(&i, &j));
        let (frontier, tiles) = grow(hash, &leaf, &[]);
        assert_eq!(frontier.root(), hash.node(&k, &l));
        let inclusion = |index| prove_inclusion(hash, index, 7, &tiles).unwrap();
        assert_eq!(inclusion(0), [b, h, l]);
        assert_eq!(inclusion(3), [c, g, l]);
        assert_eq!(inclusion(4), [f, j, k]);
        assert_eq!(inclusion(6), [i, k]);
        let consistency = |old| prove_consistency(hash, old, 7, &tiles).unwrap();
        assert_eq!(consistency(3), [c, d, g, l]);
        assert_eq!(consistency(4), [l]);
        assert_eq!(consistency(6), [i, j, k]);
        assert_eq!(consistency(7), [[0; 32]; 0]);
        assert_eq!(consistency(0), [[0; 32]; 0]);
    }
}

#[test]
fn every_small_tree_has_the_roots_and_proofs_of_the_definitions() {
    for hash in TreeHash::ALL {
        let all = leaves(hash, 70);
        for size in 0..=70 {
            let (frontier, tiles) = grow(hash, &all[..size], &[1, 2, 3]);
            let root = mth(hash, &all[..size]);
            assert_eq!(frontier.root(), root);
            for old in 0..=size {
                let (from, to) = (u64::try_from(old).unwrap(), u64::try_from(size).unwrap());
                let earlier = mth(hash, &all[..old]);
                assert_eq!(root_at(hash, from, to, &tiles).unwrap(), earlier);
                let proof = prove_consistency(hash, from, to, &tiles).unwrap();
                let expected = if old == 0 { Vec::new() } else { subproof(hash, old, &all[..size], true) };
                assert_eq!(proof, expected, "{old} {size}");
                assert_eq!(verify_consistency(hash, (from, &earlier), (to, &root), &proof), Ok(()), "{old} {size}");
                if old < size {
                    let proof = prove_inclusion(hash, from, to, &tiles).unwrap();
                    assert_eq!(proof, path(hash, old, &all[..size]));
                    assert_eq!(verify_inclusion(hash, &all[old], from, to, &proof, &root), Ok(()));
                }
            }
        }
    }
}

#[test]
fn what_is_not_in_the_tree_is_refused() {
    let hash = SHA;
    let all = leaves(hash, 5);
    let (frontier, tiles) = grow(hash, &all, &[]);
    let (root, beyond) = (frontier.root(), TreeError::Beyond { asked: 5, size: 5 });
    assert_eq!(prove_inclusion(hash, 5, 5, &tiles), Err(beyond.clone()));
    assert_eq!(inclusion_tiles(5, 5), Err(beyond.clone()));
    assert_eq!(prove_consistency(hash, 6, 5, &tiles), Err(TreeError::Beyond { asked: 6, size: 5 }));
    assert_eq!(root_tiles(6, 5), Err(TreeError::Beyond { asked: 6, size: 5 }));
    assert_eq!(verify_inclusion(hash, &all[0], 5, 5, &[], &root), Err(beyond));
    assert_eq!(verify_inclusion(hash, &all[0], 0, 0, &[], &root), Err(TreeError::Beyond { asked: 0, size: 0 }));
    let tile = TileCoordinate::new(0, 0, 5).unwrap();
    assert_eq!(prove_inclusion(hash, 0, 5, &Tiles::new()), Err(TreeError::MissingTile { tile }));
    let source = tlog::Error::TileLength { length: 159, expected: 160 };
    assert_eq!(Tiles::new().insert(tile, vec![0; 159]), Err(TreeError::MalformedTile { tile, source }));
    let mut short = prove_inclusion(hash, 0, 5, &tiles).unwrap();
    short.pop();
    assert_eq!(verify_inclusion(hash, &all[0], 0, 5, &short, &root), Err(TreeError::ProofLength));
    let long = [prove_inclusion(hash, 0, 5, &tiles).unwrap(), vec![[0; 32]]].concat();
    assert_eq!(verify_inclusion(hash, &all[0], 0, 5, &long, &root), Err(TreeError::ProofLength));
    let two = mth(hash, &all[..2]);
    assert_eq!(verify_consistency(hash, (2, &two), (5, &root), &[]), Err(TreeError::ProofLength));
    assert_eq!(verify_consistency(hash, (5, &root), (5, &root), &[root]), Err(TreeError::ProofLength));
    assert_eq!(verify_consistency(hash, (5, &two), (5, &root), &[]), Err(TreeError::OtherRoot));
    assert_eq!(verify_consistency(hash, (0, &two), (5, &root), &[]), Err(TreeError::OtherEarlierRoot));
    let fault = TreeError::Beyond { asked: 6, size: 5 };
    assert_eq!(verify_consistency(hash, (6, &root), (5, &root), &[]), Err(fault));
    // 255 times 2^56 leaves, by the roots of whole subtrees.
    let mut full = Frontier::new(hash);
    full.append_whole(7, &[root; 255]).unwrap();
    assert_eq!(full.append_whole(7, &[root]), Err(TreeError::Full));
    assert_eq!(full.size(), 255 << 56);
}

/// All nodes below a tree, in the numbering of the other implementation, computed by it.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, TlogError> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn raw(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

#[test]
fn another_implementation_has_the_same_roots_tiles_paths_and_proofs() {
    let (count, mut stored) = (70_000_u64, Stored(Vec::new()));
    let sizes = [1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 70_000_u64];
    for n in 0..count {
        let new = tlog_tiles::stored_hashes(n, &n.to_be_bytes(), &stored).unwrap();
        stored.0.extend(new);
    }
    let all = leaves(SHA, 70_000);
    for size in sizes {
        let upto = &all[..usize::try_from(size).unwrap()];
        let (frontier, tiles) = grow(SHA, upto, &[100, 1, 400, 65_000]);
        let root = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(frontier.root(), root.0, "{size}");
        for tile in tiles_of(size) {
            let theirs = tlog_tiles::Tile::new(8, tile.level(), tile.index(), u32::from(tile.width()), false);
            let octets = theirs.read_data(&stored).unwrap();
            assert_eq!(tiles.hashes(tile).unwrap().as_flattened(), octets, "{tile} of {size}");
            // Theirs names the height, which C2SP fixes at 8 and leaves out.
            assert_eq!(theirs.path().replacen("tile/8/", "tile/", 1), tile.to_string());
        }
        let mut new = tlog_tiles::Tile::new_tiles(8, 200, size.max(200));
        let mut ours = tiles_between(200, size.max(200)).collect::<Vec<_>>();
        new.sort_unstable_by_key(|tile| (tile.level(), tile.level_index()));
        ours.sort_unstable();
        // Theirs starts at tiles that were full before as well, at no level.
        let theirs = new.iter().map(|tile| (tile.level(), tile.level_index(), tile.width())).collect::<Vec<_>>();
        let ours = ours.iter().map(|tile| (tile.level(), tile.index(), u32::from(tile.width()))).collect::<Vec<_>>();
        assert_eq!(ours, theirs, "200 to {size}");
        for at in [0, 1, 77, 255, 256, 300, 65_534, 65_536, 69_999].into_iter().filter(|at| *at < size) {
            let proof = tlog_tiles::prove_record(size, at, &stored).unwrap();
            assert_eq!(prove_inclusion(SHA, at, size, &tiles).unwrap(), raw(&proof), "{at} of {size}");
            let leaf = all[usize::try_from(at).unwrap()];
            assert_eq!(verify_inclusion(SHA, &leaf, at, size, &raw(&proof), &root.0), Ok(()));
            let old = at + 1;
            let proof = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            assert_eq!(prove_consistency(SHA, old, size, &tiles).unwrap(), raw(&proof), "{old} of {size}");
            let earlier = tlog_tiles::tree_hash(old, &stored).unwrap();
            assert_eq!(verify_consistency(SHA, (old, &earlier.0), (size, &root.0), &raw(&proof)), Ok(()));
        }
    }
}

#[test]
fn proofs_need_few_tiles() {
    // 10^7 leaves: three levels below the edge.
    assert!(inclusion_tiles(1_234_567, 10_000_000).unwrap().len() <= 6);
    assert!(consistency_tiles(1_234_567, 10_000_000).unwrap().len() <= 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_batches_give_the_root_tiles_and_edge_of_the_definition(
        batches in vec(0..700_usize, 0..6),
        is_sm3 in any::<bool>(),
    ) {
        let hash = if is_sm3 { TreeHash::Sm3 } else { SHA };
        let all = leaves(hash, batches.iter().sum());
        let (frontier, tiles) = grow(hash, &all, &batches);
        prop_assert_eq!(frontier.root(), mth(hash, &all));
        for tile in tiles_of(frontier.size()) {
            let each = 256_usize.pow(u32::from(tile.level()));
            let start = usize::try_from(tile.first_leaf().unwrap()).unwrap();
            for (at, found) in tiles.hashes(tile).unwrap().iter().enumerate() {
                prop_assert_eq!(*found, mth(hash, &all[start + at * each..start + (at + 1) * each]));
            }
        }
        let mut edge = Tiles::new();
        for tile in edge_of(frontier.size()) {
            edge.insert(tile, tiles.hashes(tile).unwrap().as_flattened().to_vec()).unwrap();
        }
        let mut again = Frontier::from_edge(hash, frontier.size(), &edge).unwrap();
        prop_assert_eq!(again.root(), frontier.root());
        let (mut frontier, more) = (frontier, leaves(hash, 300));
        prop_assert_eq!(again.append(&more).unwrap(), frontier.append(&more).unwrap());
        prop_assert_eq!(again.root(), frontier.root());
    }

    #[test]
    fn a_proof_verifies_and_no_change_of_it_does(
        size in 1..1500_u64,
        (at, old) in (any::<u64>(), any::<u64>()),
        (place, bit, step) in (any::<usize>(), 0..256_usize, 1..5_u64),
        is_sm3 in any::<bool>(),
    ) {
        let hash = if is_sm3 { TreeHash::Sm3 } else { SHA };
        let all = leaves(hash, usize::try_from(size).unwrap());
        let (frontier, tiles) = grow(hash, &all, &[]);
        let (root, at, old) = (frontier.root(), at % size, old % size + 1);
        let changed = |hashes: &[Hash]| {
            let mut hashes = hashes.to_vec();
            let place = place % hashes.len();
            hashes[place][bit / 8] ^= 1 << (bit % 8);
            hashes
        };

        let needed = inclusion_tiles(at, size).unwrap();
        let mut given = Tiles::new();
        for tile in &needed {
            given.insert(*tile, tiles.hashes(*tile).unwrap().as_flattened().to_vec()).unwrap();
        }
        let proof = prove_inclusion(hash, at, size, &given).unwrap();
        let leaf = all[usize::try_from(at).unwrap()];
        prop_assert_eq!(verify_inclusion(hash, &leaf, at, size, &proof, &root), Ok(()));
        prop_assert!(verify_inclusion(hash, &leaf, at + step, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(hash, &changed(&[leaf])[0], at, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(hash, &leaf, at, size, &proof, &changed(&[root])[0]).is_err());
        if !proof.is_empty() {
            prop_assert!(verify_inclusion(hash, &leaf, at, size, &changed(&proof), &root).is_err());
            prop_assert!(verify_inclusion(hash, &leaf, at, size, &proof[1..], &root).is_err());
        }

        let mut given = Tiles::new();
        for tile in consistency_tiles(old, size).unwrap().into_iter().chain(root_tiles(old, size).unwrap()) {
            given.insert(tile, tiles.hashes(tile).unwrap().as_flattened().to_vec()).unwrap();
        }
        let proof = prove_consistency(hash, old, size, &given).unwrap();
        let earlier = root_at(hash, old, size, &given).unwrap();
        prop_assert_eq!(earlier, mth(hash, &all[..usize::try_from(old).unwrap()]));
        prop_assert_eq!(verify_consistency(hash, (old, &earlier), (size, &root), &proof), Ok(()));
        prop_assert!(verify_consistency(hash, (old, &changed(&[earlier])[0]), (size, &root), &proof).is_err());
        prop_assert!(verify_consistency(hash, (old, &earlier), (size, &changed(&[root])[0]), &proof).is_err());
        if !proof.is_empty() {
            prop_assert!(verify_consistency(hash, (old, &earlier), (size, &root), &changed(&proof)).is_err());
            prop_assert!(verify_consistency(hash, (old, &earlier), (size, &root), &proof[1..]).is_err());
        }
    }

    #[test]
    fn any_proof_of_any_sizes_ends(
        (at, size) in (any::<u64>(), any::<u64>()),
        proof in vec(any::<[u8; 32]>(), 0..70),
        root in any::<[u8; 32]>(),
    ) {
        prop_assert!(verify_inclusion(SHA, &root, at, size, &proof, &SHA.empty_root()).is_err());
        prop_assert!(verify_consistency(SHA, (at, &root), (size, &SHA.empty_root()), &proof).is_err());
        if at < size {
            prop_assert!(inclusion_tiles(at, size).unwrap().len() < 64);
            prop_assert!(consistency_tiles(at, size).unwrap().len() < 64);
        }
    }
}
