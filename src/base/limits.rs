//! How much of a stranger's input we take on, in one place. Each limit says where it comes from.

/// Bounds for reading one document. [`Limits::DEFAULT`] suits everything seen in public fixtures with a wide margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an uploaded file.
    pub file_bytes: usize,
    /// Entries of a ZIP container.
    pub zip_entries: usize,
    /// Uncompressed bytes of one entry.
    pub zip_entry_bytes: usize,
    /// Uncompressed bytes of all entries.
    pub zip_total_bytes: usize,
    /// Uncompressed to compressed size of one entry, beyond the first MiB.
    pub zip_ratio: usize,
    /// Bytes of an entry's name.
    pub zip_name_bytes: usize,
    /// Bytes of one XML part.
    pub xml_bytes: usize,
    /// Depth of nested XML elements.
    pub xml_depth: usize,
    /// Elements, attributes and texts of one XML part.
    pub xml_nodes: usize,
    /// Depth of nested ASN.1 values.
    pub der_depth: usize,
    /// Signatures of one document.
    pub signatures: usize,
    /// References of one signature.
    pub references: usize,
    /// Certificates listed in a seal.
    pub seal_certificates: usize,
    /// Certificates in a path, both ends counted.
    pub path_length: usize,
    /// Signature checks spent on path building for one document.
    pub path_checks: usize,
}

impl Limits {
    /// The limits in force unless configured otherwise.
    pub const DEFAULT: Self = Self {
        file_bytes: 64 << 20,
        zip_entries: 4096,
        zip_entry_bytes: 64 << 20,
        zip_total_bytes: 256 << 20,
        zip_ratio: 200,
        zip_name_bytes: 512,
        xml_bytes: 16 << 20,
        xml_depth: 64,
        xml_nodes: 400_000,
        der_depth: 24,
        signatures: 64,
        references: 4096,
        seal_certificates: 64,
        path_length: 8,
        path_checks: 256,
    };
}

/// Bytes of a picture of a seal or of a signature by hand that somebody hands in: a scan of A5 at 600 dots per inch as PNG,
/// or the page of a good camera as JPEG, with a margin.
pub const SEAL_PICTURE_BYTES: usize = 8 << 20;

/// Parts of evidence beside files that are handed in to be judged: what proves one signature and its seal by both trees of a
/// log, each by the newest checkpoint and by one that is dated, is eight.
pub const EVIDENCE_PARTS: usize = 16;

/// Bytes of one of them: twenty proofs in PEM of a log of 10^9 leaves, each with its event.
pub const EVIDENCE_BYTES: usize = 64 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
