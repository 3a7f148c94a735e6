//! The ZIP container of an OFD package: untrusted bytes in, named parts out, within limits. GB/T 33190-2016, 7.1.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;

use flate2::{Decompress, FlushDecompress, Status};
use zip::ZipArchive;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::path::PartName;
use crate::format::ofd::records::{Record, Records};

/// The ratio limit says nothing below this size: small XML parts deflate very well.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// So many parts are digested together at most, and so many bytes wait for it, or twice the largest part.
const TOGETHER: usize = 16;
const WAITING_BYTES: usize = 2 << 20;

/// Digests of many messages, in their order: an argument, since a format computes none.
pub type DigestMany<'d> = &'d dyn Fn(&[&[u8]]) -> Vec<[u8; 32]>;

/// A package in memory: every part inflated, checked, and named plainly.
#[derive(Debug, Clone)]
pub struct Container<'f> {
    file: &'f [u8],
    records: Records,
    parts: BTreeMap<PartName, Part>,
    order: Vec<PartName>,
}

#[derive(Debug, Clone)]
enum Part {
    Held(Vec<u8>),
    /// Inflated, checked, digested and let go.
    Digested {
        digest: [u8; 32],
        /// Its place among the entries.
        record: usize,
        size: usize,
    },
}

impl<'f> Container<'f> {
    /// Reads a package and holds all its parts. Two independent readers must agree on its entries. Sizes are judged before
    /// anything is inflated, and each entry must keep to its own.
    ///
    /// # Errors
    /// The `zip-…` codes. Nothing is said about the parts' content.
    pub fn read(bytes: &'f [u8], limits: &Limits) -> Result<Self, Error> {
        Self::read_digesting(bytes, limits, usize::MAX, &|_| Vec::new())
    }

    /// As [`Self::read`], but holds the first parts only, together no more than `most` bytes. Each of the others is
    /// inflated, checked, digested and let go, so that a package takes little more memory than its largest part:
    /// [`Self::digest`] gives what it was digested to, [`Self::content`] inflates it again.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_digesting(
        bytes: &'f [u8],
        limits: &Limits,
        most: usize,
        digest_many: DigestMany<'_>,
    ) -> Result<Self, Error> {
        if bytes.len() > limits.file_bytes {
            return Err(Error::ZipTotalTooLarge { limit: limits.file_bytes });
        }
        let records = Records::read(bytes, limits)?;
        open(bytes, &records)?;
        let mut inflater = Inflater::new();
        let (mut parts, mut order) = (BTreeMap::new(), Vec::new());
        let mut held = 0_usize;
        let mut waiting = Waiting::default();
        for (place, record) in records.entries.iter().enumerate() {
            let content = inflater.inflate(bytes, record, limits)?;
            if record.is_directory {
                continue;
            }
            let name = PartName::from_checked(&record.name);
            order.push(name.clone());
            if held.saturating_add(content.len()) <= most {
                held = held.saturating_add(content.len());
                parts.insert(name, Part::Held(content));
            } else {
                waiting.add(name, place, content);
                if waiting.is_full() {
                    waiting.end(&mut parts, digest_many);
                }
            }
        }
        waiting.end(&mut parts, digest_many);
        Ok(Self { file: bytes, records, parts, order })
    }

    /// The uncompressed bytes of a part that is held: of each one, unless the container was read by
    /// [`Self::read_digesting`].
    #[must_use]
    pub fn part(&self, name: &PartName) -> Option<&[u8]> {
        match self.parts.get(name) {
            Some(Part::Held(content)) => Some(content),
            Some(Part::Digested { .. }) | None => None,
        }
    }

    /// Whether there is such a part.
    #[must_use]
    pub fn has(&self, name: &PartName) -> bool {
        self.parts.contains_key(name)
    }

    /// How many bytes a part has.
    #[must_use]
    pub fn size(&self, name: &PartName) -> Option<usize> {
        self.parts.get(name).map(|part| match part {
            Part::Held(content) => content.len(),
            Part::Digested { size, .. } => *size,
        })
    }

    /// The digest of a part that is not held.
    #[must_use]
    pub fn digest(&self, name: &PartName) -> Option<&[u8; 32]> {
        match self.parts.get(name) {
            Some(Part::Digested { digest, .. }) => Some(digest),
            Some(Part::Held(_)) | None => None,
        }
    }

    /// The uncompressed bytes of a part that must be there; inflated again where it is not held.
    ///
    /// # Errors
    /// `missing-part`.
    pub fn content(&self, name: &PartName) -> Result<Cow<'_, [u8]>, Error> {
        let missing = || Error::MissingPart { part: name.as_str().to_owned() };
        match self.parts.get(name).ok_or_else(missing)? {
            Part::Held(content) => Ok(Cow::Borrowed(content)),
            Part::Digested { record, .. } => {
                let record = self.records.entries.get(*record).ok_or_else(missing)?;
                // It was judged against all limits before.
                Inflater::new().unpacked(self.file, record).map(Cow::Owned)
            }
        }
    }

    /// The uncompressed bytes of a part that is held and must be there.
    ///
    /// # Errors
    /// `missing-part`.
    pub fn required(&self, name: &PartName) -> Result<&[u8], Error> {
        self.part(name).ok_or_else(|| Error::MissingPart { part: name.as_str().to_owned() })
    }

    /// That a part is there.
    ///
    /// # Errors
    /// `missing-part`.
    pub fn expect(&self, name: &PartName) -> Result<(), Error> {
        if self.has(name) { Ok(()) } else { Err(Error::MissingPart { part: name.as_str().to_owned() }) }
    }

    /// The names of all parts, in the order of the archive. Directories are no parts.
    pub fn names(&self) -> impl Iterator<Item = &PartName> {
        self.order.iter()
    }

    /// True if the file has bytes that belong to no entry: before the first, between two, or after the end record.
    /// Genuine files have them (KingGrid); no reader of parts ever sees them.
    #[must_use]
    pub fn foreign_bytes(&self) -> bool {
        self.records.foreign_bytes
    }

    /// True if the bytes have exactly the entries that this container was read from.
    pub(super) fn is_of(&self, bytes: &[u8], limits: &Limits) -> bool {
        Records::read(bytes, limits).is_ok_and(|records| records == self.records)
    }
}

/// Parts that wait to be digested together.
#[derive(Default)]
struct Waiting {
    parts: Vec<(PartName, usize, Vec<u8>)>,
    bytes: usize,
    largest: usize,
}

impl Waiting {
    fn add(&mut self, name: PartName, record: usize, content: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(content.len());
        self.largest = self.largest.max(content.len());
        self.parts.push((name, record, content));
    }

    fn is_full(&self) -> bool {
        self.parts.len() >= TOGETHER || self.bytes >= WAITING_BYTES.max(self.largest)
    }

    /// Digests them all and lets them go.
    fn end(&mut self, parts: &mut BTreeMap<PartName, Part>, digest_many: DigestMany<'_>) {
        let contents: Vec<&[u8]> = self.parts.iter().map(|(_, _, content)| content.as_slice()).collect();
        let digests = digest_many(&contents);
        for ((name, record, content), digest) in self.parts.drain(..).zip(digests) {
            parts.insert(name, Part::Digested { digest, record, size: content.len() });
        }
        self.bytes = 0;
    }
}

/// Opens the archive with the second reader, and insists that it sees the same entries in the same places.
pub(super) fn open<'a>(bytes: &'a [u8], records: &Records) -> Result<ZipArchive<Cursor<&'a [u8]>>, Error> {
    let disagree = || Error::ZipMalformed { why: "two readers disagree on its entries" };
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|_| Error::ZipMalformed { why: "a second reader refuses it" })?;
    if archive.len() != records.entries.len() {
        return Err(disagree());
    }
    for (index, record) in records.entries.iter().enumerate() {
        let entry = archive.by_index_raw(index).map_err(|_| disagree())?;
        let same_place = usize::try_from(entry.header_start()) == Ok(record.header_start);
        if !same_place || entry.name_raw() != record.name.as_bytes() {
            return Err(disagree());
        }
    }
    Ok(archive)
}

/// Inflates entries, one after the other, with one state for all.
struct Inflater {
    state: Decompress,
    total: usize,
}

impl Inflater {
    fn new() -> Self {
        Self { state: Decompress::new(false), total: 0 }
    }

    /// The content of an entry: as long as its header says, and with that checksum. What the header says is measured
    /// against the limits before anything is set aside for it.
    fn inflate(&mut self, bytes: &[u8], record: &Record, limits: &Limits) -> Result<Vec<u8>, Error> {
        let part = || record.name.clone();
        if record.size > limits.zip_entry_bytes {
            return Err(Error::ZipEntryTooLarge { part: part(), limit: limits.zip_entry_bytes });
        }
        self.total = self.total.saturating_add(record.size);
        if self.total > limits.zip_total_bytes {
            return Err(Error::ZipTotalTooLarge { limit: limits.zip_total_bytes });
        }
        let beyond = record.size.saturating_sub(RATIO_FREE_BYTES);
        if beyond > record.compressed.saturating_mul(limits.zip_ratio) {
            return Err(Error::ZipRatio { part: part(), limit: limits.zip_ratio });
        }
        self.unpacked(bytes, record)
    }

    /// The content, whose length and checksum are those that the header says.
    fn unpacked(&mut self, bytes: &[u8], record: &Record) -> Result<Vec<u8>, Error> {
        let part = || record.name.clone();
        let packed = bytes.get(record.span()).ok_or_else(|| Error::ZipCompression { part: part() })?;
        let content = if record.is_deflated { self.unpack(packed, record)? } else { packed.to_vec() };
        if content.len() != record.size {
            return Err(Error::ZipHeaderMismatch { part: part(), what: "the uncompressed size" });
        }
        if usize::try_from(crc32fast::hash(&content)) != Ok(record.crc) {
            return Err(Error::ZipCrc { part: part() });
        }
        Ok(content)
    }

    /// RFC 1951, into one piece of the size that is promised and one byte more, which shows a longer content.
    fn unpack(&mut self, packed: &[u8], record: &Record) -> Result<Vec<u8>, Error> {
        let broken = || Error::ZipCompression { part: record.name.clone() };
        self.state.reset(false);
        let mut content = vec![0; record.size.saturating_add(1)];
        let ended = self.state.decompress(packed, &mut content, FlushDecompress::Finish);
        let length = usize::try_from(self.state.total_out()).unwrap_or(usize::MAX);
        match ended {
            Ok(Status::StreamEnd) => content.truncate(length),
            Ok(_) if length > record.size => {} // longer than promised: the caller sees it by the length
            Ok(_) | Err(_) => return Err(broken()),
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const LIMITS: Limits = Limits::DEFAULT;

    fn stored() -> SimpleFileOptions {
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
    }

    /// A stored archive: nothing in it but names and contents, so that offsets are easy to find.
    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, stored()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn deflated(content: &[u8]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("a", SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn refusal(bytes: &[u8], limits: &Limits) -> &'static str {
        Container::read(bytes, limits).map_or_else(|e| e.code(), |_| "accepted")
    }

    fn code(bytes: &[u8]) -> &'static str {
        refusal(bytes, &LIMITS)
    }

    /// Where the n-th record with that signature begins.
    fn nth(bytes: &[u8], signature: &[u8; 4], n: usize) -> usize {
        bytes.windows(4).enumerate().filter(|(_, w)| w == signature).map(|(at, _)| at).nth(n).unwrap()
    }

    fn patched(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    }

    const LOCAL: &[u8; 4] = b"PK\x03\x04";
    const CENTRAL: &[u8; 4] = b"PK\x01\x02";
    const END: &[u8; 4] = b"PK\x05\x06";

    /// Changes a field of both headers of the first entry.
    fn both(bytes: Vec<u8>, local: usize, central: usize, value: &[u8]) -> Vec<u8> {
        let (l, c) = (nth(&bytes, LOCAL, 0), nth(&bytes, CENTRAL, 0));
        patched(patched(bytes, l + local, value), c + central, value)
    }

    #[test]
    fn parts_come_in_the_order_of_the_archive() {
        let bytes = archive(&[("b/c.xml", b"two"), ("a", b"one")]);
        let container = Container::read(&bytes, &LIMITS).unwrap();
        assert_eq!(container.names().map(PartName::as_str).collect::<Vec<_>>(), ["b/c.xml", "a"]);
        assert_eq!(container.part(&PartName::from_root("/a").unwrap()), Some(b"one".as_slice()));
        assert!(!container.foreign_bytes());
        let absent = PartName::from_root("x").unwrap();
        assert_eq!(container.required(&absent).unwrap_err().code(), "missing-part");
    }

    /// Stands for a digest: the length, and the first octet.
    fn told(messages: &[&[u8]]) -> Vec<[u8; 32]> {
        let of = |message: &&[u8]| {
            let mut told = [0; 32];
            told[..8].copy_from_slice(&message.len().to_be_bytes());
            told[8] = message.first().copied().unwrap_or_default();
            told
        };
        messages.iter().map(of).collect()
    }

    #[test]
    fn parts_that_are_not_held_are_digested_and_inflated_again() {
        let contents: Vec<Vec<u8>> = (1..=40_u8).map(|n| vec![n; usize::from(n) * 1000]).collect();
        let names: Vec<String> = (0..contents.len()).map(|n| n.to_string()).collect();
        let parts: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
        let bytes = archive(&parts);
        let whole = Container::read(&bytes, &LIMITS).unwrap();
        // The first five have 15,000 bytes together, and no later one finds room.
        let some = Container::read_digesting(&bytes, &LIMITS, 15_500, &told).unwrap();
        let none = Container::read_digesting(&bytes, &LIMITS, 0, &told).unwrap();
        for (place, (name, content)) in parts.iter().enumerate() {
            let name = PartName::from_root(name).unwrap();
            for (container, held) in [(&whole, true), (&some, place < 5), (&none, false)] {
                assert!(container.has(&name));
                assert_eq!(container.size(&name), Some(content.len()));
                assert_eq!(container.content(&name).unwrap(), *content);
                assert_eq!(container.part(&name), held.then_some(*content), "{name:?}");
                assert_eq!(container.digest(&name), (!held).then_some(&told(&[content])[0]), "{name:?}");
            }
        }
        assert!(whole.names().eq(none.names()));
        let absent = PartName::from_root("x").unwrap();
        assert_eq!(none.content(&absent).unwrap_err().code(), "missing-part");
        assert_eq!(none.expect(&absent).unwrap_err().code(), "missing-part");
        // What is let go is checked as what is held.
        let last = parts.last().unwrap().1;
        let at = bytes.windows(last.len()).position(|window| window == last).unwrap();
        let refused = Container::read_digesting(&patched(bytes, at, &[0]), &LIMITS, 0, &told).unwrap_err();
        assert_eq!(refused.code(), "zip-crc");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert_eq!(code(b""), "zip-malformed");
        assert_eq!(code(&[0; 200]), "zip-malformed");
        let good = archive(&[("a", b"one")]);
        let end = nth(&good, END, 0);
        assert_eq!(code(&patched(good.clone(), end + 8, &[2, 0, 2, 0])), "zip-malformed");
        assert_eq!(code(&patched(good.clone(), end + 4, &[1, 0])), "zip-malformed");
        assert_eq!(code(&good[..end]), "zip-malformed");
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_read_or_refused() {
        let good = archive(&[("a", b"one"), ("b", b"two")]);
        for length in 0..good.len() {
            assert_ne!(code(&good[..length]), "accepted");
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let _ = Container::read(&patched(good.clone(), at, &[good[at] ^ (1 << bit)]), &LIMITS);
            }
        }
    }

    #[test]
    fn foreign_bytes_are_accepted_and_reported() {
        let good = archive(&[("a", b"one")]);
        let before = [b"junk".as_slice(), &good].concat();
        let after = [good.as_slice(), b"\r\n\0"].concat();
        for bytes in [before, after] {
            assert!(Container::read(&bytes, &LIMITS).unwrap().foreign_bytes());
        }
    }

    #[test]
    fn a_second_end_record_is_refused() {
        let (first, second) = (archive(&[("a", b"one")]), archive(&[("a", b"two")]));
        assert_eq!(code(&[first.as_slice(), &second].concat()), "zip-malformed");
        // Inside an entry it is content: an embedded package.
        assert_eq!(code(&archive(&[("inner.ofd", &first), ("a", b"x")])), "accepted");
    }

    #[test]
    fn zip64_is_refused() {
        let good = archive(&[("a", b"one")]);
        let end = nth(&good, END, 0);
        assert_eq!(code(&patched(good.clone(), end + 16, &[0xFF; 4])), "zip-zip64");
        assert_eq!(code(&both(good, 22, 24, &[0xFF; 4])), "zip-zip64");
    }

    #[test]
    fn limits_are_counted_while_inflating() {
        let big = deflated(&vec![b'x'; 3 << 20]);
        assert_eq!(code(&big), "zip-ratio");
        assert_eq!(refusal(&big, &Limits { zip_ratio: 2000, ..LIMITS }), "accepted");
        assert_eq!(refusal(&big, &Limits { zip_entry_bytes: 1 << 20, ..LIMITS }), "zip-entry-too-large");
        let two = archive(&[("a", &[0; 600]), ("b", &[0; 600])]);
        assert_eq!(refusal(&two, &Limits { zip_total_bytes: 1000, ..LIMITS }), "zip-total-too-large");
        assert_eq!(refusal(&two, &Limits { file_bytes: 1000, ..LIMITS }), "zip-total-too-large");
        assert_eq!(refusal(&two, &Limits { zip_entries: 1, ..LIMITS }), "zip-too-many-entries");
        assert_eq!(refusal(&two, &Limits { zip_name_bytes: 0, ..LIMITS }), "zip-name");
        // A header that promises less than the data holds does not help.
        let lying = both(big, 22, 24, &[1, 0, 0, 0]);
        assert_ne!(code(&lying), "accepted");
    }

    #[test]
    fn names_that_leave_the_package_or_split_readers_are_refused() {
        for name in ["../x", "a/../x", "/x00", "a\\b0", "C:/x", "a//b", "./ab", "a/./b", "a\0bc", "a\nbc"] {
            let plain = "n".repeat(name.len());
            let good = archive(&[(&plain, b"one")]);
            assert_eq!(code(&both(good, 30, 46, name.as_bytes())), "zip-name", "{name:?}");
        }
        let gbk = both(archive(&[("nnnn", b"one")]), 30, 46, b"\xd3\xa1\xd5\xc2");
        assert_eq!(code(&gbk), "zip-name-encoding");
    }

    #[test]
    fn duplicates_are_refused() {
        let good = archive(&[("aa", b"one"), ("ab", b"two")]);
        let (local, central) = (nth(&good, LOCAL, 1), nth(&good, CENTRAL, 1));
        let twice = patched(patched(good, local + 31, b"a"), central + 47, b"a");
        assert_eq!(code(&twice), "zip-duplicate");
        let good = archive(&[("a", b"one"), ("b/", b"")]);
        let (local, central) = (nth(&good, LOCAL, 1), nth(&good, CENTRAL, 1));
        let directory = patched(patched(good, local + 30, b"a"), central + 46, b"a");
        assert_eq!(code(&directory), "zip-duplicate");
    }

    #[test]
    fn links_encryption_and_unknown_methods_are_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("a", "/etc/passwd", stored()).unwrap();
        assert_eq!(code(&writer.finish().unwrap().into_inner()), "zip-symlink");
        let good = archive(&[("a", b"one")]);
        assert_eq!(code(&both(good.clone(), 6, 8, &[1, 0])), "zip-encrypted");
        assert_eq!(code(&both(good, 8, 10, &[12, 0])), "zip-method");
    }

    #[test]
    fn headers_that_disagree_are_refused() {
        let good = archive(&[("a", b"one")]);
        let local = nth(&good, LOCAL, 0);
        for (offset, value) in
            [(30, b"b"), (8, b"\x08"), (14, b"\0"), (18, b"\x02"), (22, b"\x02"), (6, b"\x08"), (0, b"X")]
        {
            let bytes = patched(good.clone(), local + offset, value);
            assert_eq!(code(&bytes), "zip-header-mismatch", "offset {offset}");
        }
        assert_eq!(code(&both(good, 22, 24, &[2])), "zip-header-mismatch");
        let directory = both(archive(&[("a/", b""), ("b", b"one")]), 30, 46, b"ab");
        assert_eq!(code(&directory), "accepted");
        let full = both(archive(&[("ab", b"one")]), 31, 47, b"/");
        assert_eq!(code(&full), "zip-header-mismatch");
    }

    #[test]
    fn overlapping_entries_are_refused() {
        // The first entry's data reaches over the second entry.
        let two = archive(&[("a", &[7; 40]), ("b", b"two")]);
        let second = nth(&two, LOCAL, 1);
        let long = u32::try_from(second - 31 + 20).unwrap().to_le_bytes();
        let over = both(both(two, 18, 20, &long), 22, 24, &long);
        assert_eq!(code(&over), "zip-overlap");
    }

    #[test]
    fn broken_content_is_refused() {
        let good = archive(&[("a", b"one")]);
        let at = nth(&good, LOCAL, 0) + 31;
        assert_eq!(code(&patched(good, at, b"X")), "zip-crc");
        let packed = deflated(&[b'x'; 5000]);
        let at = nth(&packed, LOCAL, 0) + 31;
        assert_eq!(code(&patched(packed, at, &[0xFF; 8])), "zip-compression");
    }
}
