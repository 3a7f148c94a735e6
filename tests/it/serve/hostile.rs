//! A thousand hostile uploads at once: each gets an answer, and everybody else is served meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::process::has_curl;
use crate::serve::{Installation, NOTICE};

const UPLOADS: usize = 1000;
/// Connections at once: as many as a strong client of one address opens.
const AT_ONCE: usize = 250;

fn package(parts: &[(&str, Vec<u8>)], more: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for number in 0..more {
        writer.start_file(format!("e{number}"), plain).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn entry() -> (&'static str, Vec<u8>) {
    let text = r#"<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016" Version="1.0" DocType="OFD"><ofd:DocBody>
        <ofd:DocInfo><ofd:DocID>0</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"#;
    ("OFD.xml", text.into())
}

/// Small files that are large, deep or many inside.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |depth: usize| "<a>".repeat(depth).into_bytes();
    vec![
        ("bomb.ofd", package(&[entry(), ("Doc_0/Document.xml", vec![b' '; 96 << 20])], 0)),
        ("deep.ofd", package(&[entry(), ("Doc_0/Document.xml", deep(300_000))], 0)),
        ("entries.ofd", package(&[entry()], 100_000)),
        ("wide.ofd", package(&[entry(), ("Doc_0/Document.xml", b"<a/>".repeat(500_000))], 0)),
        ("der.dat", [&[0x30, 0x80][..], &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff].repeat(20_000)].concat()),
    ]
}

#[test]
fn a_thousand_hostile_uploads_leave_room_for_others() {
    if !has_curl() {
        return crate::skip("serve::a_thousand_hostile_uploads_leave_room_for_others", "curl");
    }
    let installation = Installation::new("serve-hostile");
    let running = installation.serve();
    let client = installation.client(&running);
    let files: Vec<_> = hostile().into_iter().map(|(name, bytes)| installation.write(name, &bytes)).collect();
    // Each alone is refused by name, not served half.
    for file in &files {
        let report = client.verify(file);
        assert_eq!(report["indication"], "REFUSED", "{}: {report}", file.display());
        assert!(report["error"]["code"].is_string(), "{report}");
    }

    let mut list = String::new();
    for number in 0..UPLOADS {
        // The one of 12 MiB comes now and then; what counts is how many there are at once.
        let file = if number % 50 == 2 { &files[2] } else { &files[[0, 1, 3, 4][number % 4]] };
        writeln!(list, "url = \"{}/api/v1/verifications\"", client.base).unwrap();
        writeln!(
            list,
            "form = \"file=@{}\"\noutput = \"/dev/null\"\nwrite-out = \"%{{http_code}}\\n\"",
            file.display()
        )
        .unwrap();
        writeln!(
            list,
            "cacert = \"{}\"\nnoproxy = \"*\"\nhttp1.1\nnext",
            installation.home().join("tls/server.pem").display()
        )
        .unwrap();
    }
    let list = installation.write("uploads", list.trim_end_matches("next\n").as_bytes());
    let mut flood = Command::new("curl");
    flood.args([
        "-sS",
        "-Z",
        "--parallel-immediate",
        "--parallel-max",
        &AT_ONCE.to_string(),
        "--max-time",
        "240",
        "-K",
    ]);
    let flood = flood.arg(list).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    let (started, mut slowest, mut served) = (Instant::now(), Duration::ZERO, 0_usize);
    let watched = std::thread::spawn(move || flood.wait_with_output().unwrap());
    while !watched.is_finished() || served == 0 {
        let asked = Instant::now();
        assert_eq!(client.call("/readyz", &[]).status, 200);
        assert_eq!(client.call_as_caller(&client.seal_path(), &[]).status, 200);
        let sealed = client.seal(Path::new(NOTICE), &format!("beside-{served}"));
        assert_eq!(sealed.status, 200, "{}", sealed.text());
        slowest = slowest.max(asked.elapsed());
        served += 1;
    }
    let flood = watched.join().unwrap();
    let mut answers = BTreeMap::<String, usize>::new();
    for code in String::from_utf8(flood.stdout).unwrap().lines() {
        *answers.entry(code.to_owned()).or_default() += 1;
    }
    println!(
        "{UPLOADS} uploads in {:?}: {answers:?}; {served} others served, the slowest three calls took {slowest:?}",
        started.elapsed()
    );
    assert_eq!(answers.values().sum::<usize>(), UPLOADS, "{}", String::from_utf8_lossy(&flood.stderr));
    // A report, or the word that all places are taken.
    assert!(answers.keys().all(|code| code == "200" || code == "503"), "{answers:?}");
    assert!(answers["200"] > 0);
}
