//! The most memory that one verification holds: at most three times the largest part of the file and 8 MiB.
//!
//! Every allocation is counted, so the figures are the same on every machine; a test of its own, since counting takes time.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::fs;
use std::path::{Path, PathBuf};

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::{Evidence, Ground, verify};
use yinxin::format::ofd::container::Container;

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("eseal");
    if root.join("expected.json").exists() {
        return Some(root);
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

/// Most bytes held at once while the work runs, beside what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> usize {
    let profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().curr_bytes;
    let done = work();
    let most = dhat::HeapStats::get().max_bytes;
    drop((done, profiler));
    most.checked_sub(before).unwrap()
}

#[test]
fn a_verification_holds_at_most_three_times_the_largest_part_and_8_mib() {
    let Some(root) = fixtures("a_verification_holds_at_most_three_times_the_largest_part_and_8_mib") else { return };
    let limits = &Limits::DEFAULT;
    let mut trust = TrustAnchors::none();
    for anchor in ["generated/keys/ca.pem", "generated/keys/rsa_ca.pem"] {
        trust.add_anchors(&fs::read(root.join(anchor)).unwrap(), anchor).unwrap();
    }
    let policy = built_in("default", &|text| hex(&sm3(text))).unwrap();
    let evidence = Evidence::none();
    let mut counted = 0;
    println!("{:<62} {:>10} {:>12} {:>10}", "file", "KiB", "largest KiB", "held KiB");
    for folder in ["real", "ofdrw", "generated", "package"] {
        let mut names: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|ending| ending == "ofd"));
        names.sort();
        for path in names {
            let bytes = fs::read(&path).unwrap();
            let Ok(container) = Container::read(&bytes, limits) else { continue };
            let largest = container.names().filter_map(|name| container.part(name)).map(<[u8]>::len).max().unwrap();
            drop(container);
            let held = most_held(|| {
                let tables = &KeyTables::default();
                let ground = Ground { trust: &trust, policy: &policy, now: NOW, limits, tables, evidence: &evidence };
                verify("file", &bytes, None, &ground).to_json()
            });
            let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
            println!("{name:<62} {:>10} {:>12} {:>10}", bytes.len() >> 10, largest >> 10, held >> 10);
            assert!(held > 0, "{name}: nothing was counted");
            assert!(held <= largest * 3 + (8 << 20), "{name}: {held} bytes held, its largest part has {largest}");
            counted += 1;
        }
    }
    assert!(counted > 40, "{counted} files");
}
