//! The ZIP container: archives that two readers would understand differently, or that cost too much.

use std::io::{Cursor, Write as _};

use crate::archive::{self, Entry};
use crate::bench::{Bench, OFD, PAGE, VALUE, basic};
use crate::{Expected, Variant, variant};

/// Writes the archive from changed entries.
fn entries(b: &mut Bench, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut all = b.pack.entries();
    change(&mut all);
    b.bytes = Some(archive::write(&all));
}

/// Adds an entry of that name.
fn named(b: &mut Bench, name: &[u8]) {
    entries(b, |all| {
        let mut entry = Entry::new("", b"");
        entry.name = name.to_vec();
        all.push(entry);
    });
}

/// Changes the entry of that name.
fn entry(b: &mut Bench, name: &str, change: impl FnOnce(&mut Entry)) {
    entries(b, |all| change(all.iter_mut().find(|entry| entry.name == name.as_bytes()).unwrap()));
}

/// Changes the bytes of the archive.
fn bytes(b: &mut Bench, change: impl FnOnce(&mut Vec<u8>)) {
    let mut all = b.pack.to_bytes();
    change(&mut all);
    b.bytes = Some(all);
}

fn end(all: &[u8]) -> usize {
    all.len() - 22
}

const MALFORMED: Expected = Expected::refused(&["zip-malformed"]);
const NAME: Expected = Expected::refused(&["zip-name"]);
const MISMATCH: Expected = Expected::refused(&["zip-header-mismatch"]);
const UNKNOWN: Expected = Expected::refused(&["unknown-format"]);

pub(crate) fn variants() -> Vec<Variant> {
    vec![
        variant(
            "zip: two entries of one name",
            basic,
            |b| entries(b, |all| all.push(Entry::new(PAGE, b"another page"))),
            Expected::refused(&["zip-duplicate"]).part(PAGE),
        ),
        variant(
            "zip: a directory of a file's name",
            basic,
            |b| named(b, b"OFD.xml/"),
            Expected::refused(&["zip-duplicate"]).part("OFD.xml/"),
        ),
        variant("zip: name leads outside", basic, |b| named(b, b"../outside.xml"), NAME.part("../outside.xml")),
        variant(
            "zip: name leads outside from within",
            basic,
            |b| named(b, b"Doc_0/../../outside.xml"),
            NAME.part("Doc_0/../../outside.xml"),
        ),
        variant("zip: absolute name", basic, |b| named(b, b"/etc/passwd"), NAME.part("/etc/passwd")),
        variant("zip: backslash", basic, |b| named(b, b"Doc_0\\x.xml"), NAME.part("Doc_0\\x.xml")),
        variant("zip: drive letter", basic, |b| named(b, b"C:x.xml"), NAME.part("C:x.xml")),
        variant("zip: zero byte in a name", basic, |b| named(b, b"OFD.xml\0.txt"), NAME.part("OFD.xml\0.txt")),
        variant("zip: empty segment", basic, |b| named(b, b"Doc_0//x.xml"), NAME.part("Doc_0//x.xml")),
        variant("zip: segment of one dot", basic, |b| named(b, b"./OFD.xml"), NAME.part("./OFD.xml")),
        variant(
            "zip: name is not UTF-8",
            basic,
            |b| named(b, b"Doc_0/\xC4\xE3.xml"),
            Expected::refused(&["zip-name-encoding"]).part("Doc_0/\u{FFFD}\u{FFFD}.xml"),
        ),
        variant(
            "zip: symbolic link",
            basic,
            |b| entry(b, PAGE, |e| e.mode = 0o120_777),
            Expected::refused(&["zip-symlink"]).part(PAGE),
        ),
        variant(
            "zip: encrypted",
            basic,
            |b| entry(b, PAGE, |e| e.flags = 1),
            Expected::refused(&["zip-encrypted"]).part(PAGE),
        ),
        variant(
            "zip: strong encryption",
            basic,
            |b| entry(b, PAGE, |e| e.flags = 1 << 6),
            Expected::refused(&["zip-encrypted"]).part(PAGE),
        ),
        variant(
            "zip: unknown compression",
            basic,
            |b| entry(b, PAGE, |e| e.method = 12),
            Expected::refused(&["zip-method"]).part(PAGE),
        ),
        variant(
            "zip: stored content called deflated",
            basic,
            |b| entry(b, PAGE, |e| e.method = 8),
            Expected::refused(&["zip-compression"]).part(PAGE),
        ),
        variant(
            "zip: wrong checksum",
            basic,
            |b| entry(b, PAGE, |e| e.crc = Some(7)),
            Expected::refused(&["zip-crc"]).part(PAGE),
        ),
        variant(
            "zip: content changed under its checksum",
            basic,
            |b| {
                entry(b, VALUE, |e| {
                    e.crc = Some(archive::crc32(&e.content));
                    e.content[99] ^= 1;
                })
            },
            Expected::refused(&["zip-crc"]).part(VALUE),
        ),
        variant(
            "zip: local header has another name",
            basic,
            |b| entry(b, PAGE, |e| e.local_name = Some(b"Doc_0/Pages/Page_0/Kontent.xml".to_vec())),
            MISMATCH.part(PAGE),
        ),
        variant(
            "zip: local header has another size",
            basic,
            |b| entry(b, PAGE, |e| e.size = Some(99)),
            MISMATCH.part(PAGE),
        ),
        variant("zip: local header has another method", basic, |b| bytes(b, |all| all[8] = 8), MISMATCH.part(OFD)),
        variant(
            "zip: no local header where it should be",
            basic,
            |b| entry(b, PAGE, |e| e.offset = Some(3)),
            MISMATCH.part(PAGE),
        ),
        variant(
            "zip: two names for the same bytes",
            basic,
            |b| {
                entries(b, |all| {
                    let mut again = all[0].clone();
                    again.offset = Some(0);
                    all.push(again);
                })
            },
            Expected::refused(&["zip-duplicate"]).part(OFD),
        ),
        variant(
            "zip: an entry inside of another",
            basic,
            |b| {
                entries(b, |all| {
                    let inner = archive::write(&[Entry::new("inner.xml", b"inside")]);
                    let place = u32::try_from(archive::write(all).windows(4).position(|w| w == b"PK\x01\x02").unwrap())
                        .unwrap();
                    all.push(Entry::new("outer.bin", &inner));
                    let mut entry = Entry::new("inner.xml", b"inside");
                    entry.offset = Some(place + 30 + 9);
                    all.push(entry);
                })
            },
            Expected::refused(&["zip-overlap"]).part("inner.xml"),
        ),
        variant(
            "zip: central directory cut",
            basic,
            |b| {
                bytes(b, |all| {
                    let end = end(all);
                    all.drain(end - 10..end);
                })
            },
            MALFORMED,
        ),
        variant(
            "zip: fewer entries counted than there are",
            basic,
            |b| {
                bytes(b, |all| {
                    let end = end(all);
                    all[end + 8] -= 1;
                    all[end + 10] -= 1;
                })
            },
            MALFORMED,
        ),
        variant(
            "zip: more entries counted than there are",
            basic,
            |b| {
                bytes(b, |all| {
                    let end = end(all);
                    all[end + 8] += 1;
                    all[end + 10] += 1;
                })
            },
            MALFORMED,
        ),
        variant(
            "zip: split over disks",
            basic,
            |b| {
                bytes(b, |all| {
                    let end = end(all);
                    all[end + 4] = 1;
                })
            },
            MALFORMED,
        ),
        variant("zip: end record cut off", basic, |b| bytes(b, |all| all.truncate(all.len() - 22)), MALFORMED),
        variant("zip: cut in the middle", basic, |b| bytes(b, |all| all.truncate(all.len() / 2)), MALFORMED),
        variant(
            "zip: two archives in one file",
            basic,
            |b| {
                bytes(b, |all| {
                    let second = archive::write(&[Entry::new(OFD, b"<OFD/>")]);
                    all.extend(second);
                })
            },
            MALFORMED,
        ),
        variant(
            "zip: ZIP64",
            basic,
            |b| {
                bytes(b, |all| {
                    let end = end(all);
                    all[end + 16..end + 20].fill(0xFF);
                })
            },
            Expected::refused(&["zip-zip64"]),
        ),
        variant(
            "zip: too many entries",
            basic,
            |b| {
                entries(b, |all| {
                    all.extend((0..4096).map(|number| Entry::new(&format!("x/{number}"), b"")));
                })
            },
            Expected::refused(&["zip-too-many-entries"]),
        ),
        variant("zip: a name too long", basic, |b| named(b, &[b'a'; 513]), NAME.part(LONG)),
        variant(
            "zip: bomb",
            basic,
            |b| b.bytes = Some(bomb(b, 8 << 20)),
            Expected::refused(&["zip-ratio"]).part("bomb.bin"),
        ),
        variant(
            "zip: an entry beyond the limit",
            basic,
            |b| b.limits.zip_entry_bytes = 10_000,
            Expected::refused(&["zip-entry-too-large"]).part(VALUE),
        ),
        variant(
            "zip: all entries beyond the limit",
            basic,
            |b| b.limits.zip_total_bytes = 30_000,
            Expected::refused(&["zip-total-too-large"]),
        ),
        variant(
            "file beyond the limit",
            basic,
            |b| b.limits.file_bytes = 30_000,
            Expected::refused(&["file-too-large"]),
        ),
        variant(
            "zip: empty archive",
            basic,
            |b| b.bytes = Some(archive::write(&[])),
            Expected::refused(&["missing-part"]).part(OFD),
        ),
        variant("empty file", basic, |b| b.bytes = Some(Vec::new()), UNKNOWN),
        variant("a file of another kind", basic, |b| b.bytes = Some(b"%PDF-1.7".to_vec()), UNKNOWN),
        variant("first signature of the archive destroyed", basic, |b| bytes(b, |all| all[2] = 0), MISMATCH.part(OFD)),
        variant(
            "bytes before the archive",
            basic,
            |b| {
                bytes(b, |all| {
                    let mut whole = b"MZ".to_vec();
                    whole.append(all);
                    *all = whole;
                });
            },
            Expected::passed(),
        ),
    ]
}

/// The first 80 of its bytes.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The package with an entry of that many zero bytes, deflated.
fn bomb(b: &Bench, size: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in &b.pack.0 {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.start_file("bomb.bin", options).unwrap();
    writer.write_all(&vec![0; size]).unwrap();
    writer.finish().unwrap().into_inner()
}
