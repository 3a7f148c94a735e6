//! The most memory that one verification holds: at most three times the largest part of the file and 8 MiB.
//!
//! Every allocation is counted, so the figures are the same on every machine; a test of its own, since counting takes time.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::{Evidence, Ground, Remembered, verify};
use yinxin::format::ofd::container::Container;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

/// One test at a time: what another allocates would be counted too.
static ALONE: Mutex<()> = Mutex::new(());

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

const NAMESPACE: &str = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";

/// A package of many large pages and pictures, more than 50 MiB together, each named by the one signature in it.
fn large_package() -> Vec<u8> {
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    let (mut pages, mut media) = (String::new(), String::new());
    for number in 0..30 {
        media.push_str(&format!(
            "<ofd:MultiMedia ID=\"{}\" Type=\"Image\"><ofd:MediaFile>{number}.bin</ofd:MediaFile></ofd:MultiMedia>",
            1000 + number
        ));
        parts.push((format!("Doc_0/Res/{number}.bin"), noise(1 << 20)));
    }
    for number in 0..300 {
        pages.push_str(&format!("<ofd:Page ID=\"{}\" BaseLoc=\"Pages/{number}.xml\"/>", 2000 + number));
        let object = format!(
            "<ofd:ImageObject ID=\"9\" Boundary=\"1 2 3 4\" ResourceID=\"{}\"/><ofd:TextObject ID=\"8\"><ofd:TextCode X=\"1\" \
             Y=\"2\">第{number}页</ofd:TextCode></ofd:TextObject>\n",
            1000 + number % 30
        );
        let layer = object.repeat(600);
        let page = format!(
            "<ofd:Page {NAMESPACE}><ofd:Content><ofd:Layer ID=\"7\">{layer}</ofd:Layer></ofd:Content></ofd:Page>"
        );
        parts.push((format!("Doc_0/Pages/{number}.xml"), page.into_bytes()));
    }
    let document = format!(
        "<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>\
         <ofd:DocumentRes>Res.xml</ofd:DocumentRes></ofd:CommonData><ofd:Pages>{pages}</ofd:Pages></ofd:Document>"
    );
    let res = format!("<ofd:Res {NAMESPACE} BaseLoc=\"Res\"><ofd:MultiMedias>{media}</ofd:MultiMedias></ofd:Res>");
    let entry = format!(
        "<ofd:OFD {NAMESPACE} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>1</ofd:DocID></ofd:DocInfo>\
         <ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>"
    );
    parts.push(("Doc_0/Document.xml".to_owned(), document.into_bytes()));
    parts.push(("Doc_0/Res.xml".to_owned(), res.into_bytes()));
    parts.push(("OFD.xml".to_owned(), entry.into_bytes()));
    let references: String = parts
        .iter()
        .map(|(name, content)| {
            let value = STANDARD.encode(sm3(content));
            format!("<ofd:Reference FileRef=\"/{name}\"><ofd:CheckValue>{value}</ofd:CheckValue></ofd:Reference>")
        })
        .collect();
    let description = format!(
        "<ofd:Signature {NAMESPACE}><ofd:SignedInfo><ofd:Provider ProviderName=\"x\"/>\
         <ofd:SignatureMethod>1.2.156.10197.1.501</ofd:SignatureMethod>\
         <ofd:References CheckMethod=\"1.2.156.10197.1.401\">{references}</ofd:References></ofd:SignedInfo>\
         <ofd:SignedValue>/Doc_0/Signs/SignedValue.dat</ofd:SignedValue></ofd:Signature>"
    );
    let list = format!(
        "<ofd:Signatures {NAMESPACE}><ofd:MaxSignId>1</ofd:MaxSignId><ofd:Signature ID=\"1\" Type=\"Sign\" \
         BaseLoc=\"/Doc_0/Signs/Signature.xml\"/></ofd:Signatures>"
    );
    parts.push(("Doc_0/Signs/Signatures.xml".to_owned(), list.into_bytes()));
    parts.push(("Doc_0/Signs/Signature.xml".to_owned(), description.into_bytes()));
    // As long as a bare value of SM2, and nobody's.
    parts.push(("Doc_0/Signs/SignedValue.dat".to_owned(), vec![7; 64]));
    packed(&parts)
}

fn packed(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Octets that no deflating makes shorter, and the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut octet = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| octet()).collect()
}

#[test]
fn a_package_of_many_large_parts_takes_little_more_than_its_largest() {
    let _alone = ALONE.lock().unwrap();
    let bytes = large_package();
    let limits = &Limits::DEFAULT;
    let container = Container::read(&bytes, limits).unwrap();
    let sizes: Vec<usize> = container.names().filter_map(|name| container.size(name)).collect();
    let (largest, total) = (sizes.iter().copied().max().unwrap(), sizes.iter().sum::<usize>());
    drop(container);
    let policy = built_in("default", &|text| hex(&sm3(text))).unwrap();
    let (trust, evidence) = (TrustAnchors::none(), Evidence::none());
    let judge = |bytes: &[u8]| {
        let remembered = &Remembered::default();
        let ground =
            Ground { trust: &trust, policy: &policy, now: NOW, limits, remembered, evidence: &evidence, log_keys: &[] };
        verify("file", bytes, None, &ground)
    };
    let held = most_held(|| judge(&bytes).to_json());
    println!("{} KiB in parts, the largest {} KiB: {} KiB held", total >> 10, largest >> 10, held >> 10);
    assert!(total > 50 << 20, "{total} bytes");
    assert!(held <= largest * 3 + (8 << 20), "{held} bytes held, the largest part has {largest}");
    // What was let go was digested rightly, and every part that is shown was found.
    let report = serde_json::to_value(judge(&bytes)).unwrap();
    let details = &report["signatures"][0]["details"];
    assert_eq!((&details["references"], &details["bad_references"]), (&333.into(), &serde_json::json!([])), "{report}");
    assert_eq!(report["shown"].as_array().map(Vec::len), Some(332), "{report}");
}

#[test]
fn a_verification_holds_at_most_three_times_the_largest_part_and_8_mib() {
    let _alone = ALONE.lock().unwrap();
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
                let remembered = &Remembered::default();
                let ground = Ground {
                    trust: &trust,
                    policy: &policy,
                    now: NOW,
                    limits,
                    remembered,
                    evidence: &evidence,
                    log_keys: &[],
                };
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

/// Many signatures that name one large value make nobody inflate it without end.
#[test]
fn what_is_inflated_again_has_a_bound() {
    let _alone = ALONE.lock().unwrap();
    let (mut list, mut parts) = (String::new(), vec![("filler.bin".to_owned(), noise(5 << 20))]);
    for number in 1..=8 {
        list.push_str(&format!("<ofd:Signature ID=\"{number}\" Type=\"Sign\" BaseLoc=\"/{number}.xml\"/>"));
        let description = format!(
            "<ofd:Signature {NAMESPACE}><ofd:SignedInfo><ofd:References CheckMethod=\"SM3\"/></ofd:SignedInfo>\
             <ofd:SignedValue>/value.dat</ofd:SignedValue></ofd:Signature>"
        );
        parts.push((format!("{number}.xml"), description.into_bytes()));
    }
    let document = format!(
        "<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>\
         </ofd:CommonData><ofd:Pages/></ofd:Document>"
    );
    let entry = format!(
        "<ofd:OFD {NAMESPACE} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>1</ofd:DocID></ofd:DocInfo>\
         <ofd:DocRoot>D.xml</ofd:DocRoot><ofd:Signatures>S.xml</ofd:Signatures></ofd:DocBody></ofd:OFD>"
    );
    parts.push(("D.xml".to_owned(), document.into_bytes()));
    parts.push(("OFD.xml".to_owned(), entry.into_bytes()));
    parts.push(("S.xml".to_owned(), format!("<ofd:Signatures {NAMESPACE}>{list}</ofd:Signatures>").into_bytes()));
    // Neither it nor the filler finds room among what is held.
    parts.push(("value.dat".to_owned(), noise((4 << 20) + 1)));
    let limits = &Limits { zip_total_bytes: 20 << 20, ..Limits::DEFAULT };
    let policy = built_in("default", &|text| hex(&sm3(text))).unwrap();
    let (trust, evidence, remembered) = (TrustAnchors::none(), Evidence::none(), &Remembered::default());
    let ground =
        Ground { trust: &trust, policy: &policy, now: NOW, limits, remembered, evidence: &evidence, log_keys: &[] };
    let report = serde_json::to_value(verify("file", &packed(&parts), None, &ground)).unwrap();
    let codes: Vec<&str> = report["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reasons"][0]["code"].as_str().unwrap())
        .collect();
    // Four times 4 MiB and a little fit into 20 MiB.
    let (read, refused) = codes.split_at(4);
    assert_eq!((read, refused), (&["signature-malformed"; 4][..], &["zip-total-too-large"; 4][..]), "{report}");
}
