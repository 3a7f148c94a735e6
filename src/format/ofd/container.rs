//! The ZIP container of an OFD package: untrusted bytes in, named parts out, within limits. GB/T 33190-2016, 7.1.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::path::PartName;
use crate::format::ofd::records::{Record, Records};

/// The ratio limit says nothing below this size: small XML parts deflate very well.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// A package in memory: every part inflated, checked, and named plainly.
#[derive(Debug, Clone)]
pub struct Container {
    records: Records,
    parts: BTreeMap<PartName, Vec<u8>>,
    order: Vec<PartName>,
}

impl Container {
    /// Reads a package. Two independent readers must agree on its entries; sizes are counted while inflating.
    ///
    /// # Errors
    /// The `zip-…` codes. Nothing is said about the parts' content.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        if bytes.len() > limits.file_bytes {
            return Err(Error::ZipTotalTooLarge { limit: limits.file_bytes });
        }
        let records = Records::read(bytes, limits)?;
        let mut archive = open(bytes, &records)?;
        let mut parts = BTreeMap::new();
        let mut order = Vec::new();
        let mut total: usize = 0;
        for (index, record) in records.entries.iter().enumerate() {
            let content = inflate(&mut archive, index, record, total, limits)?;
            total = total.saturating_add(content.len());
            if !record.is_directory {
                let name = PartName::from_checked(&record.name);
                order.push(name.clone());
                parts.insert(name, content);
            }
        }
        Ok(Self { records, parts, order })
    }

    /// The uncompressed bytes of a part.
    #[must_use]
    pub fn part(&self, name: &PartName) -> Option<&[u8]> {
        self.parts.get(name).map(Vec::as_slice)
    }

    /// The uncompressed bytes of a part that must be there.
    ///
    /// # Errors
    /// `missing-part`.
    pub fn required(&self, name: &PartName) -> Result<&[u8], Error> {
        self.part(name).ok_or_else(|| Error::MissingPart { part: name.as_str().to_owned() })
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

fn inflate(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    record: &Record,
    before: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let part = || record.name.clone();
    let mut entry = archive.by_index(index).map_err(|_| Error::ZipCompression { part: part() })?;
    let mut content = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        let count = match entry.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.to_string() == "Invalid checksum" => return Err(Error::ZipCrc { part: part() }),
            Err(_) => return Err(Error::ZipCompression { part: part() }),
        };
        content.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if content.len() > limits.zip_entry_bytes {
            return Err(Error::ZipEntryTooLarge { part: part(), limit: limits.zip_entry_bytes });
        }
        if before.saturating_add(content.len()) > limits.zip_total_bytes {
            return Err(Error::ZipTotalTooLarge { limit: limits.zip_total_bytes });
        }
        let beyond = content.len().saturating_sub(RATIO_FREE_BYTES);
        if beyond > record.compressed.saturating_mul(limits.zip_ratio) {
            return Err(Error::ZipRatio { part: part(), limit: limits.zip_ratio });
        }
    }
    if content.len() != record.size {
        return Err(Error::ZipHeaderMismatch { part: part(), what: "the uncompressed size" });
    }
    Ok(content)
}
