//! The demo as a process: what it leaves behind, what others may say about it, what it refuses.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::process::{Running, has_curl, program, try_curl};
use crate::store::Folder;

const NOTICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/notice.ofd");

fn demo(arguments: &[&str]) -> Output {
    program().arg("demo").args(arguments).output().unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], code: i32, message: &str) {
    let output = demo(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let found = (output.status.code(), text(&output.stderr), text(&output.stdout));
    assert_eq!(found, (Some(code), format!("{message}\n"), String::new()), "{arguments:?}");
}

/// `yinxin verify` with the demo's anchor; gives exit code and report.
fn verify(kept: &Path, file: &str) -> (i32, Value) {
    let mut command = program();
    command.args(["verify", "--json", "--trust"]).arg(kept.join("pki/root.pem"));
    let output = command.arg("--evidence").arg(kept.join("pki/authority.pem")).arg(kept.join(file)).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The entries of a package: as they are stored, and their content.
fn entries(file: &Path) -> BTreeMap<String, (Vec<u8>, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(fs::File::open(file).unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let (mut raw, mut content) = (Vec::new(), Vec::new());
        archive.by_index_raw(index).unwrap().read_to_end(&mut raw).unwrap();
        let mut entry = archive.by_index(index).unwrap();
        entry.read_to_end(&mut content).unwrap();
        let name = entry.name().unwrap().into_owned();
        assert!(found.insert(name.clone(), (raw, content)).is_none(), "{name} is there twice");
    }
    found
}

/// The parts that a package's first signature protects, and the signature itself.
fn protected(all: &BTreeMap<String, (Vec<u8>, Vec<u8>)>) -> Vec<String> {
    let (path, (_, content)) = all.iter().find(|(name, _)| name.ends_with("/Signature.xml")).unwrap();
    let text = String::from_utf8(content.clone()).unwrap();
    let listed = text.split("FileRef=\"/").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned());
    let mut names = listed.collect::<Vec<_>>();
    assert!(names.len() > 5, "{names:?}");
    names.push(path.clone());
    names.push(path.replace("Signature.xml", "SignedValue.dat"));
    names.push(path.replace("Signature.xml", "Seal.esl"));
    names
}

#[test]
fn the_story_is_kept_and_each_file_has_its_verdict() {
    let folder = Folder::new("demo");
    let kept = folder.path().join("kept");
    let output = demo(&["--keep", kept.to_str().unwrap()]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("(document-locked)"), "{said}");
    let mut names = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    let expected = [
        "1-original.ofd",
        "2-sealed.ofd",
        "3-tampered.ofd",
        "4-sealed-twice.ofd",
        "5-sealed-locked.ofd",
        "pki",
        "seal.esl",
        "seal.png",
        "seal.svg",
        "state",
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::read(kept.join("1-original.ofd")).unwrap(), fs::read(NOTICE).unwrap());

    for (file, signatures) in [("2-sealed.ofd", 1), ("4-sealed-twice.ofd", 2), ("5-sealed-locked.ofd", 3)] {
        let (code, report) = verify(&kept, file);
        assert_eq!((code, &report["indication"]), (0, &json!("TOTAL_PASSED")), "{file}: {report}");
        let found = report["signatures"].as_array().unwrap();
        assert_eq!(found.len(), signatures, "{file}");
        assert!(found.iter().all(|one| one["indication"] == "TOTAL_PASSED"), "{file}: {report}");
    }
    // Exactly the part that the demo named is found changed, and nothing else is wrong.
    let (code, report) = verify(&kept, "3-tampered.ofd");
    let signature = &report["signatures"][0];
    assert_eq!((code, &report["indication"]), (1, &json!("TOTAL_FAILED")));
    assert_eq!(signature["sub_indication"], "HASH_FAILURE");
    let (_, rest) = said.split_once("      byte ").unwrap();
    let (_, rest) = rest.split_once(" of ").unwrap();
    let (named, _) = rest.split_once(": ").unwrap();
    assert_eq!(signature["details"]["bad_references"], json!([named]));
    assert_eq!(signature["reasons"].as_array().unwrap().len(), 1, "{report}");
    // Without the anchor nothing is trusted.
    let alone = program().args(["verify", "--json"]).arg(kept.join("2-sealed.ofd")).output().unwrap();
    let report: Value = serde_json::from_slice(&alone.stdout).unwrap();
    assert_eq!((alone.status.code(), &report["indication"]), (Some(2), &json!("INDETERMINATE")));

    // Later seals leave what the first one protects as it is stored, byte by byte.
    let first = entries(&kept.join("2-sealed.ofd"));
    for file in ["4-sealed-twice.ofd", "5-sealed-locked.ofd"] {
        let later = entries(&kept.join(file));
        for name in protected(&first) {
            assert_eq!(later[&name].0, first[&name].0, "{file}: {name}");
        }
    }
    let tampered = entries(&kept.join("3-tampered.ofd"));
    let changed = first.iter().filter(|(name, entry)| tampered[*name].1 != entry.1).map(|(name, _)| format!("/{name}"));
    assert_eq!((changed.collect::<Vec<_>>(), tampered.len()), (vec![named.to_owned()], first.len()));
}

/// A package of three pages of different sizes, made without our own writer.
fn own_package(path: &Path) {
    use std::io::Write as _;
    let space = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let mut pages = String::new();
    let mut files = vec![(
        "OFD.xml".to_owned(),
        format!(
            "{head}<ofd:OFD {space} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>\
             5b4e7d36b1c94e0a8f2d3c4b5a697887</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>\
             </ofd:DocBody></ofd:OFD>"
        ),
    )];
    for (number, size) in ["210 297", "148 210", "297 210"].into_iter().enumerate() {
        let (id, layer, text) = (10 + number, 20 + number, 30 + number);
        pages.push_str(&format!("<ofd:Page ID=\"{id}\" BaseLoc=\"Pages/Page_{number}/Content.xml\"/>"));
        files.push((
            format!("Doc_0/Pages/Page_{number}/Content.xml"),
            format!(
                "{head}<ofd:Page {space}><ofd:Area><ofd:PhysicalBox>0 0 {size}</ofd:PhysicalBox></ofd:Area><ofd:Content>\
                 <ofd:Layer ID=\"{layer}\"><ofd:TextObject ID=\"{text}\" Boundary=\"20 20 80 10\" Font=\"3\" Size=\"5\">\
                 <ofd:TextCode X=\"0\" Y=\"5\">page {number}</ofd:TextCode></ofd:TextObject></ofd:Layer></ofd:Content>\
                 </ofd:Page>"
            ),
        ));
    }
    files.push((
        "Doc_0/Document.xml".to_owned(),
        format!(
            "{head}<ofd:Document {space}><ofd:CommonData><ofd:MaxUnitID>100</ofd:MaxUnitID><ofd:PageArea>\
             <ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>\
             </ofd:CommonData><ofd:Pages>{pages}</ofd:Pages></ofd:Document>"
        ),
    ));
    files.push((
        "Doc_0/PublicRes.xml".to_owned(),
        format!(
            "{head}<ofd:Res {space} BaseLoc=\"Res\"><ofd:Fonts><ofd:Font ID=\"3\" FontName=\"SimSun\"/></ofd:Fonts></ofd:Res>"
        ),
    ));
    let mut writer = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, content) in files {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_document_of_ones_own_is_sealed_where_asked() {
    let folder = Folder::new("demo-own");
    let own = folder.path().join("own.ofd");
    own_package(&own);
    let own = own.to_str().unwrap();
    for (number, place, expected) in [
        (1, &[][..], "235 148 42 42"),
        (2, &["--page", "2"], "86 148 42 42"),
        (3, &["--page", "2", "--x", "1.5", "--y", "100"], "1.5 100 42 42"),
    ] {
        let kept = folder.path().join(number.to_string());
        let output = demo(&[&[own, "--keep", kept.to_str().unwrap()], place].concat());
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
            (Some(0), ""),
            "{place:?}"
        );
        let (code, report) = verify(&kept, "2-sealed.ofd");
        assert_eq!((code, &report["indication"]), (0, &json!("TOTAL_PASSED")), "{report}");
        let all = entries(&kept.join("2-sealed.ofd"));
        let (_, (_, xml)) = all.iter().find(|(name, _)| name.ends_with("/Signature.xml")).unwrap();
        let xml = String::from_utf8_lossy(xml);
        assert!(xml.contains(&format!("Boundary=\"{expected}\"")), "{place:?}: {xml}");
        let page = if number == 1 { "12" } else { "11" };
        assert!(xml.contains(&format!("PageRef=\"{page}\"")), "{place:?}: {xml}");
        assert_eq!(verify(&kept, "5-sealed-locked.ofd").1["signatures"].as_array().unwrap().len(), 3);
        assert_eq!(verify(&kept, "3-tampered.ofd").0, 1);
    }
    refused(
        &[own, "--page", "4"],
        4,
        "error: the document cannot be sealed: there is no page 4: the document has 3 (page-unknown)",
    );
    let outside = demo(&[own, "--page", "1", "--x", "200", "--y", "0"]);
    let expected = "error: the document cannot be sealed: a stamp of 42 by 42 mm at 200, 0 mm lies outside of the page \
                    of 210 × 297 mm (stamp-outside)\n";
    assert_eq!((outside.status.code(), String::from_utf8_lossy(&outside.stderr).as_ref()), (Some(4), expected));
}

#[test]
fn what_cannot_be_told_is_refused() {
    let folder = Folder::new("demo-refused");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("noise"), "noise").unwrap();
    fs::write(path("huge"), "").unwrap();
    fs::File::options().write(true).open(path("huge")).unwrap().set_len(1 << 40).unwrap();
    let not_empty = format!("error: {} is not empty; --keep needs a new or empty folder", folder.path().display());
    refused(&["--keep", folder.path().to_str().unwrap()], 64, &not_empty);
    let absent = path("absent");
    let unreadable =
        format!("error: {absent} cannot be read: No such file or directory (os error 2) (file-unreadable)");
    refused(&[&absent], 66, &unreadable);
    let malformed = "error: the document cannot be sealed: ";
    let output = demo(&[&path("noise")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.starts_with(malformed) && said.ends_with("(zip-malformed)\n"), "{said}");
    let limit = yinxin::base::limits::Limits::DEFAULT.file_bytes;
    let huge = path("huge");
    let too_large = format!("error: {huge} has 1099511627776 bytes, more than the {limit} that are taken");
    refused(&[&huge], 4, &too_large);
    let file = path("noise");
    let not_a_folder = demo(&["--keep", &file]);
    assert_eq!(not_a_folder.status.code(), Some(70), "{not_a_folder:?}");
    for arguments in [&["--x", "1"][..], &["--y", "1"], &["--page", "0"], &["--x", "-1", "--y", "0"], &["a", "b"]] {
        assert_eq!(demo(arguments).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn nothing_remains_where_nothing_is_kept() {
    let folder = Folder::new("demo-temporary");
    let output = program().arg("demo").env("TMPDIR", folder.path()).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_server_goes_on_with_the_demos_keys() {
    if !has_curl() {
        return crate::skip("the_server_goes_on_with_the_demos_keys", "curl");
    }
    let (folder, log) = (Folder::new("demo-serve"), Folder::new("demo-serve-log"));
    let mut command = program();
    command.args(["demo", "--serve"]).env("TMPDIR", folder.path()).current_dir(folder.path());
    let running = Running::start(command, log.path().join("log"));
    let made = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let trust = made.join("state/tls/server.pem");
    let ready = try_curl(&trust, &[&format!("https://localhost:{}/readyz", running.v4)]).unwrap();
    assert_eq!((ready.status, ready.text().trim_end()), (200, "ready"));
    let form = format!("file=@{}", made.join("2-sealed.ofd").display());
    let report = try_curl(&trust, &["-F", &form, &format!("https://localhost:{}/api/v1/verifications", running.v4)]);
    assert_eq!(report.unwrap().json()["indication"], "TOTAL_PASSED");
    assert_eq!(running.terminate().0, Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the files are removed when the server ends");
}

/// A document that bears a seal of somebody else: the demo answers for its own seals, and shows the other's verdict.
#[test]
fn a_document_with_a_foreign_seal_is_sealed_too() {
    let (first, second) = (Folder::new("demo-foreign-first"), Folder::new("demo-foreign-second"));
    let (first, second) = (first.path().join("kept"), second.path().join("kept"));
    assert_eq!(demo(&["--keep", first.to_str().unwrap()]).status.code(), Some(0));
    let sealed = first.join("2-sealed.ofd");
    let told = demo(&[sealed.to_str().unwrap(), "--keep", second.to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let (code, report) = verify(&second, "2-sealed.ofd");
    let indications: Vec<_> =
        report["signatures"].as_array().unwrap().iter().map(|s| s["indication"].clone()).collect();
    assert_eq!((code, indications), (2, vec!["INDETERMINATE".into(), "TOTAL_PASSED".into()]));
}

/// The offices elsewhere are played for an installation of development, on this machine alone.
#[test]
fn an_office_is_played_in_development_alone() {
    let folder = Folder::new("demo-office");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = yinxin::service::office_simulator::OfficeKeys::generate(&yinxin::base::random::SystemRandom).unwrap();
    fs::write(path("exchange.pem"), key.public_key_pem()).unwrap();
    fs::write(path("earnest.toml"), format!("data_dir = {:?}\n", path("state"))).unwrap();
    fs::write(path("none.pem"), "no key").unwrap();
    let (office, exchange, none, earnest) =
        (path("office"), path("exchange.pem"), path("none.pem"), path("earnest.toml"));
    let office = ["office", &office, "--correspondent"];
    refused(
        &[&office[..], &[&exchange, "--config", &earnest]].concat(),
        4,
        "error: the installation does not trust the development PKI: there is no office to play (development-only)",
    );
    let malformed = format!("error: {none} holds no public key (public-key-malformed)");
    refused(&[&office[..], &[&none]].concat(), 4, &malformed);
    refused(
        &[&office[..], &[&exchange, "--listen", "0.0.0.0:0"]].concat(),
        4,
        "error: 0.0.0.0:0 is not loopback: a simulator of an office listens on this machine alone (not-loopback)",
    );
    let keys = folder.path().join("office/office.keys");
    assert!(keys.exists());
    fs::write(&keys, "none").unwrap();
    refused(&[&office[..], &[&exchange]].concat(), 4, "error: these are not the keys of an office (office-keys)");
}
