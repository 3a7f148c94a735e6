//! Changes inside packages: without this, the checksum of the ZIP entry would end nearly every try.

use std::io::{Cursor, Read, Write};

use libfuzzer_sys::fuzzer_mutate;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Bytes of a part that take part.
const PART: u64 = 1 << 20;

/// Changes one part of a package and packs it again; one time in four, and where that cannot be, the bytes themselves.
pub fn package(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed % 4 != 0
        && let Some(changed) = data.get(..size).and_then(|bytes| one_part(bytes, max_size, seed / 4))
        && let Some(room) = data.get_mut(..changed.len())
    {
        room.copy_from_slice(&changed);
        return changed.len();
    }
    fuzzer_mutate(data, size, max_size)
}

/// The other entries are copied as they are packed.
fn one_part(bytes: &[u8], max_size: usize, seed: u32) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let chosen = usize::try_from(seed).ok()?.checked_rem(archive.len())?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        if index != chosen {
            writer.raw_copy_file(archive.by_index_raw(index).ok()?).ok()?;
            continue;
        }
        let mut entry = archive.by_index(index).ok()?;
        let mut part = Vec::new();
        entry.by_ref().take(PART).read_to_end(&mut part).ok()?;
        let length = part.len();
        part.resize(length.saturating_add(256), 0);
        let room = part.len();
        let length = fuzzer_mutate(&mut part, length, room);
        writer.start_file(entry.name().ok()?.into_owned(), SimpleFileOptions::default()).ok()?;
        writer.write_all(part.get(..length)?).ok()?;
    }
    let packed = writer.finish().ok()?.into_inner();
    (packed.len() <= max_size).then_some(packed)
}
