//! The records of a ZIP archive, read from the raw bytes: what the central directory says, and that all else agrees.
//!
//! Two readers that understand one archive differently are an attack. So this reader insists that nothing in the
//! archive can be understood in two ways; the container then checks that a second, independent reader agrees.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::base::limits::Limits;
use crate::format::ofd::Error;

/// APPNOTE 4.3.7, 4.3.12, 4.3.16, 4.3.15, 4.3.9.
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

const END_BYTES: usize = 22;
/// The longest comment that an end record can have, and so the most that can follow it in an ordinary archive.
const COMMENT_BYTES: usize = 0xFFFF;
/// An end record never claims ZIP64 by accident below our size limits.
const ZIP64_MARK: usize = 0xFFFF_FFFF;

const FLAG_ENCRYPTED: u16 = 1;
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_STRONG_ENCRYPTION: u16 = 1 << 6;
const FLAG_UTF8: u16 = 1 << 11;
const FLAG_MASKED: u16 = 1 << 13;
const FLAGS_ENCRYPTION: u16 = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED;

/// Info-ZIP Unicode path: a second name for the same entry. APPNOTE 4.6.9.
const EXTRA_UNICODE_PATH: usize = 0x7075;
const EXTRA_ZIP64: usize = 0x0001;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) is_directory: bool,
    /// By RFC 1951, or else stored.
    pub(super) is_deflated: bool,
    pub(super) compressed: usize,
    pub(super) size: usize,
    pub(super) crc: usize,
    pub(super) header_start: usize,
    data_end: usize,
    has_descriptor: bool,
}

impl Record {
    /// Where its content lies, as it is packed.
    pub(super) fn span(&self) -> Range<usize> {
        self.data_end.saturating_sub(self.compressed)..self.data_end
    }
}

/// All entries in the order of the central directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) entries: Vec<Record>,
    pub(super) foreign_bytes: bool,
}

impl Records {
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let end = End::find(bytes)?;
        if end.count > limits.zip_entries {
            return Err(Error::ZipTooManyEntries { limit: limits.zip_entries });
        }
        let mut entries = Vec::new();
        let mut names = BTreeSet::new();
        let mut at = end.directory_start;
        for _ in 0..end.count {
            let (record, next) = read_record(bytes, at, &end, limits)?;
            let bare = record.name.trim_end_matches('/').to_owned();
            if !names.insert(bare) {
                return Err(Error::ZipDuplicate { part: record.name });
            }
            entries.push(record);
            at = next;
        }
        if at != end.position {
            return Err(malformed("the central directory does not end at the end record"));
        }
        let gaps = check_spans(bytes, &entries, &end)?;
        end.check_unique(bytes, &entries)?;
        let foreign_bytes = gaps || end.prefix > 0 || end.trailing;
        Ok(Self { entries, foreign_bytes })
    }
}

/// The end of central directory record. APPNOTE 4.3.16.
struct End {
    position: usize,
    count: usize,
    directory_start: usize,
    /// Bytes before the archive proper: added to every offset.
    prefix: usize,
    trailing: bool,
}

impl End {
    /// The last end record whose central directory lies right before it.
    fn find(bytes: &[u8]) -> Result<Self, Error> {
        let last = bytes.len().checked_sub(END_BYTES).ok_or(malformed("too short"))?;
        let first = last.saturating_sub(COMMENT_BYTES);
        for position in (first..=last).rev() {
            if has(bytes, position, END)
                && let Some(end) = Self::at(bytes, position)?
            {
                return Ok(end);
            }
        }
        Err(malformed("no end record"))
    }

    fn at(bytes: &[u8], position: usize) -> Result<Option<Self>, Error> {
        let short = || malformed("cut end record");
        let field = |offset| word(bytes, position.saturating_add(offset)).ok_or_else(short);
        let half = |offset| half(bytes, position.saturating_add(offset)).ok_or_else(short);
        let (disk, directory_disk) = (half(4)?, half(6)?);
        let (here, count) = (half(8)?, half(10)?);
        let (size, offset) = (field(12)?, field(16)?);
        let comment = half(20)?;
        let locator = position.checked_sub(20).is_some_and(|p| has(bytes, p, ZIP64_LOCATOR));
        if locator || size == ZIP64_MARK || offset == ZIP64_MARK || count == 0xFFFF {
            return Err(Error::Zip64);
        }
        let Some(directory_start) = position.checked_sub(size) else { return Ok(None) };
        let Some(prefix) = directory_start.checked_sub(offset) else { return Ok(None) };
        if count > 0 && !has(bytes, directory_start, CENTRAL) {
            return Ok(None);
        }
        if disk != 0 || directory_disk != 0 || here != count {
            return Err(malformed("split over several disks"));
        }
        let after = bytes.len().saturating_sub(position).saturating_sub(END_BYTES);
        Ok(Some(Self { position, count, directory_start, prefix, trailing: after != comment }))
    }

    /// Another end record outside all entries would let another reader see another archive.
    fn check_unique(&self, bytes: &[u8], entries: &[Record]) -> Result<(), Error> {
        let mut spans: Vec<(usize, usize)> = entries.iter().map(|e| (e.header_start, e.data_end)).collect();
        spans.sort_unstable();
        let mut spans = spans.into_iter().peekable();
        let mut position = 0;
        while let Some(found) = bytes.get(position..).and_then(|rest| find(rest, END)) {
            position = position.saturating_add(found);
            while spans.next_if(|(_, end)| *end <= position).is_some() {}
            let inside = spans.peek().is_some_and(|(start, _)| *start <= position);
            if !inside && position != self.position {
                return Err(malformed("two end records"));
            }
            position = position.saturating_add(1);
        }
        Ok(())
    }
}

/// Reads the central header at `at` and the local header it points to.
fn read_record(bytes: &[u8], at: usize, end: &End, limits: &Limits) -> Result<(Record, usize), Error> {
    let cut = || malformed("cut central header");
    if !has(bytes, at, CENTRAL) {
        return Err(malformed("fewer central headers than counted"));
    }
    let field = |offset| word(bytes, at.saturating_add(offset)).ok_or_else(cut);
    let short = |offset| half(bytes, at.saturating_add(offset)).ok_or_else(cut);
    let header = Header {
        flags: flags(bytes, at.saturating_add(8)).ok_or_else(cut)?,
        method: flags(bytes, at.saturating_add(10)).ok_or_else(cut)?,
        crc: field(16)?,
        compressed: field(20)?,
        size: field(24)?,
    };
    let (name_bytes, extra_bytes, comment_bytes) = (short(28)?, short(30)?, short(32)?);
    let name_start = at.saturating_add(46);
    let name_end = name_start.saturating_add(name_bytes);
    let extra_end = name_end.saturating_add(extra_bytes);
    let next = extra_end.saturating_add(comment_bytes);
    let raw_name = bytes.get(name_start..name_end).ok_or_else(cut)?;
    let extra = bytes.get(name_end..extra_end).ok_or_else(cut)?;
    if next > end.position {
        return Err(cut());
    }
    let name = plain_name(raw_name, limits)?;
    let offset = field(42)?;
    if [header.compressed, header.size, offset].contains(&ZIP64_MARK) {
        return Err(Error::Zip64);
    }
    let mode = field(38)? >> 16;
    let made_on_unix = short(4)? >> 8 == 3;
    if made_on_unix && mode & 0o170_000 == 0o120_000 {
        return Err(Error::ZipSymlink { part: name });
    }
    header.check_readable(&name)?;
    check_extra(extra, raw_name, &name, None)?;
    let header_start = offset.saturating_add(end.prefix);
    let data_start = read_local(bytes, header_start, raw_name, &name, &header)?;
    let data_end = data_start.saturating_add(header.compressed);
    let is_directory = name.ends_with('/');
    if is_directory && header.size != 0 {
        return Err(Error::ZipHeaderMismatch { part: name, what: "being a directory" });
    }
    let has_descriptor = header.flags & FLAG_DESCRIPTOR != 0;
    let Header { compressed, size, crc, .. } = header;
    let is_deflated = header.method == 8;
    Ok((
        Record { name, is_directory, is_deflated, compressed, size, crc, header_start, data_end, has_descriptor },
        next,
    ))
}

/// What central and local header both say.
struct Header {
    flags: u16,
    method: u16,
    crc: usize,
    compressed: usize,
    size: usize,
}

impl Header {
    fn check_readable(&self, name: &str) -> Result<(), Error> {
        if self.flags & FLAGS_ENCRYPTION != 0 {
            return Err(Error::ZipEncrypted { part: name.to_owned() });
        }
        if self.method != 0 && self.method != 8 {
            return Err(Error::ZipMethod { part: name.to_owned(), method: self.method });
        }
        if self.method == 0 && self.compressed != self.size {
            return Err(Error::ZipHeaderMismatch { part: name.to_owned(), what: "the size of a stored entry" });
        }
        Ok(())
    }
}

/// Compares the local header with the central one and returns where the data starts. APPNOTE 4.3.7.
fn read_local(bytes: &[u8], at: usize, raw_name: &[u8], name: &str, central: &Header) -> Result<usize, Error> {
    let mismatch = |what| Error::ZipHeaderMismatch { part: name.to_owned(), what };
    let cut = || mismatch("where the local header is");
    if !has(bytes, at, LOCAL) {
        return Err(cut());
    }
    let field = |offset| word(bytes, at.saturating_add(offset)).ok_or_else(cut);
    let (name_bytes, extra_bytes) =
        (half(bytes, at.saturating_add(26)).ok_or_else(cut)?, half(bytes, at.saturating_add(28)).ok_or_else(cut)?);
    let name_start = at.saturating_add(30);
    let name_end = name_start.saturating_add(name_bytes);
    let data_start = name_end.saturating_add(extra_bytes);
    if bytes.get(name_start..name_end) != Some(raw_name) {
        return Err(mismatch("the name"));
    }
    let local_flags = flags(bytes, at.saturating_add(6)).ok_or_else(cut)?;
    // Genuine files (Yunnan licences) set bit 11 in one header only; it changes nothing for an ASCII name.
    let compared = FLAGS_ENCRYPTION | FLAG_DESCRIPTOR | if name.is_ascii() { 0 } else { FLAG_UTF8 };
    if local_flags & compared != central.flags & compared {
        return Err(mismatch("the flags"));
    }
    if flags(bytes, at.saturating_add(8)) != Some(central.method) {
        return Err(mismatch("the method"));
    }
    // With a data descriptor the local values are zero (APPNOTE 4.4.4, bit 3); some writers fill them in anyway.
    let late = local_flags & FLAG_DESCRIPTOR != 0;
    let agrees = |local: usize, central: usize| local == central || (late && local == 0);
    if !agrees(field(14)?, central.crc) {
        return Err(mismatch("the CRC-32"));
    }
    let extra = bytes.get(name_end..data_start).ok_or_else(cut)?;
    for (offset, central) in [(18, central.compressed), (22, central.size)] {
        // ZIP64 keeps the true value in an extra field, which must agree too.
        let local = field(offset)?;
        if local != ZIP64_MARK && !agrees(local, central) {
            return Err(mismatch("the sizes"));
        }
        if local == ZIP64_MARK && (late || half(extra, 0) != Some(EXTRA_ZIP64)) {
            return Err(Error::Zip64);
        }
    }
    check_extra(extra, raw_name, name, Some((central.size, central.compressed)))?;
    Ok(data_start)
}

/// The two sizes of a ZIP64 field, uncompressed first. APPNOTE 4.5.3.
fn zip64_sizes(field: &[u8]) -> Option<(usize, usize)> {
    let long = |at: usize| {
        let (low, high) = (word(field, at)?, word(field, at.saturating_add(4))?);
        (high == 0).then_some(low)
    };
    (field.len() == 16).then_some(())?;
    Some((long(0)?, long(8)?))
}

/// Extra fields may not rename the entry, nor give it other sizes. APPNOTE 4.5. Genuine files (KingGrid, the reader
/// conformance samples) have ZIP64 fields in local headers of small entries; the central header needs none.
fn check_extra(extra: &[u8], raw_name: &[u8], name: &str, sizes: Option<(usize, usize)>) -> Result<(), Error> {
    let mut at: usize = 0;
    while let (Some(id), Some(size)) = (half(extra, at), half(extra, at.saturating_add(2))) {
        let start = at.saturating_add(4);
        let end = start.saturating_add(size);
        match id {
            EXTRA_ZIP64 if sizes.is_none() || extra.get(start..end).and_then(zip64_sizes) != sizes => {
                return Err(Error::Zip64);
            }
            // Version and checksum come before the name.
            EXTRA_UNICODE_PATH if extra.get(start.saturating_add(5)..end) != Some(raw_name) => {
                return Err(Error::ZipHeaderMismatch { part: name.to_owned(), what: "the Unicode name" });
            }
            _ => at = end,
        }
    }
    Ok(())
}

/// Entries lie before the central directory and share no byte. True if bytes between them belong to none.
fn check_spans(bytes: &[u8], entries: &[Record], end: &End) -> Result<bool, Error> {
    let mut sorted: Vec<&Record> = entries.iter().collect();
    sorted.sort_unstable_by_key(|e| (e.header_start, e.data_end));
    let mut free = end.prefix;
    let mut gaps = false;
    for entry in sorted {
        if entry.header_start < free || entry.data_end > end.directory_start {
            return Err(Error::ZipOverlap { part: entry.name.clone() });
        }
        gaps |= entry.header_start > free;
        free = entry.data_end;
        if entry.has_descriptor {
            let signed = if has(bytes, free, DESCRIPTOR) { 16 } else { 12 };
            free = free.saturating_add(signed).min(end.directory_start);
        }
    }
    Ok(gaps || free < end.directory_start)
}

/// A name is plain when every system that unpacks it agrees where the entry belongs. APPNOTE 4.4.17.
fn plain_name(raw: &[u8], limits: &Limits) -> Result<String, Error> {
    let lossy = || String::from_utf8_lossy(raw.get(..raw.len().min(80)).unwrap_or(raw)).into_owned();
    let refuse = |why| Err(Error::ZipName { part: lossy(), why });
    if raw.len() > limits.zip_name_bytes {
        return refuse("too long");
    }
    let Ok(name) = std::str::from_utf8(raw) else {
        return Err(Error::ZipNameEncoding { part: lossy() });
    };
    if name.chars().any(char::is_control) {
        return refuse("control character");
    }
    if name.contains('\\') {
        return refuse("backslash");
    }
    if name.starts_with('/') {
        return refuse("absolute");
    }
    let bytes = name.as_bytes();
    if bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':') {
        return refuse("drive letter");
    }
    let bare = name.strip_suffix('/').unwrap_or(name);
    for segment in bare.split('/') {
        match segment {
            ".." => return refuse("leads outside"),
            "" | "." => return refuse("empty segment"),
            _ => {}
        }
    }
    Ok(name.to_owned())
}

fn malformed(why: &'static str) -> Error {
    Error::ZipMalformed { why }
}

fn has(bytes: &[u8], at: usize, signature: [u8; 4]) -> bool {
    bytes.get(at..at.saturating_add(4)) == Some(&signature)
}

fn find(bytes: &[u8], signature: [u8; 4]) -> Option<usize> {
    memchr::memmem::find(bytes, &signature)
}

fn flags(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.saturating_add(2))?;
    field.try_into().ok().map(u16::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    flags(bytes, at).map(usize::from)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.saturating_add(4))?;
    let value = field.try_into().ok().map(u32::from_le_bytes)?;
    usize::try_from(value).ok()
}
