//! A ZIP writer that can lie: every field of every header can be set by hand.

/// One entry; what is `None` is told as it is.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// The name in the local header.
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) content: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: Option<u32>,
    /// The size in the central header.
    pub(crate) size: Option<u32>,
    /// External attributes in the central header; the entry was made on Unix.
    pub(crate) mode: u32,
    /// Offset of the local header in the central header.
    pub(crate) offset: Option<u32>,
}

impl Entry {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            local_name: None,
            content: content.to_vec(),
            flags: 0,
            method: 0,
            crc: None,
            size: None,
            mode: 0o100_644,
            offset: None,
        }
    }
}

/// CRC-32 of ISO 3309, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn short(number: u32) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

/// An archive of stored entries.
pub(crate) fn write(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let start = length(&bytes);
        let crc = entry.crc.unwrap_or_else(|| crc32(&entry.content)).to_le_bytes();
        let stored = length(&entry.content).to_le_bytes();
        let size = entry.size.unwrap_or(length(&entry.content)).to_le_bytes();
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);

        bytes.extend_from_slice(b"PK\x03\x04\x14\x00");
        bytes.extend_from_slice(&entry.flags.to_le_bytes());
        bytes.extend_from_slice(&entry.method.to_le_bytes());
        bytes.extend_from_slice(&[0, 0, 0x21, 0x50]);
        bytes.extend_from_slice(&[crc, stored, stored].concat());
        bytes.extend_from_slice(&[short(length(local_name)), [0, 0]].concat());
        bytes.extend_from_slice(local_name);
        bytes.extend_from_slice(&entry.content);

        directory.extend_from_slice(b"PK\x01\x02\x14\x03\x14\x00");
        directory.extend_from_slice(&entry.flags.to_le_bytes());
        directory.extend_from_slice(&entry.method.to_le_bytes());
        directory.extend_from_slice(&[0, 0, 0x21, 0x50]);
        directory.extend_from_slice(&[crc, stored, size].concat());
        directory.extend_from_slice(&short(length(&entry.name)));
        directory.extend_from_slice(&[0; 8]);
        directory.extend_from_slice(&(entry.mode << 16).to_le_bytes());
        directory.extend_from_slice(&entry.offset.unwrap_or(start).to_le_bytes());
        directory.extend_from_slice(&entry.name);
    }
    let start = length(&bytes);
    let count = short(u32::try_from(entries.len()).unwrap());
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&[count, count].concat());
    bytes.extend_from_slice(&length(&directory).to_le_bytes());
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}
