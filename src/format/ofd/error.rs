//! Why a package is refused: one closed list, each line with a stable code and the clause it stands on.

/// Why an OFD package, or a part of it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no ZIP archive that two readers understand alike.
    #[error("not a readable ZIP archive: {why}")]
    ZipMalformed {
        /// What is wrong.
        why: &'static str,
    },
    /// ZIP64 records: never needed below our size limits.
    #[error("the archive uses ZIP64")]
    Zip64,
    /// More entries than allowed.
    #[error("the archive has more than {limit} entries")]
    ZipTooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// An entry inflates to more than allowed.
    #[error("entry {part} inflates to more than {limit} bytes")]
    ZipEntryTooLarge {
        /// The entry.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// All entries together inflate to more than allowed.
    #[error("the archive inflates to more than {limit} bytes")]
    ZipTotalTooLarge {
        /// The limit.
        limit: usize,
    },
    /// An entry inflates suspiciously well.
    #[error("entry {part} inflates to more than {limit} times its size")]
    ZipRatio {
        /// The entry.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// The name of an entry is not a plain relative path in UTF-8.
    #[error("entry name {part:?} is refused: {why}")]
    ZipName {
        /// The name, lossily decoded.
        part: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The name of an entry is not UTF-8 (GBK names occur in the field).
    #[error("entry name {part:?} is not UTF-8")]
    ZipNameEncoding {
        /// The name, lossily decoded.
        part: String,
    },
    /// Two entries bear the same name.
    #[error("two entries are named {part}")]
    ZipDuplicate {
        /// The name.
        part: String,
    },
    /// An entry is a symbolic link.
    #[error("entry {part} is a symbolic link")]
    ZipSymlink {
        /// The entry.
        part: String,
    },
    /// An entry is encrypted.
    #[error("entry {part} is encrypted")]
    ZipEncrypted {
        /// The entry.
        part: String,
    },
    /// An entry uses a compression other than stored and deflate.
    #[error("entry {part} uses compression method {method}")]
    ZipMethod {
        /// The entry.
        part: String,
        /// The method's number.
        method: u16,
    },
    /// Local header, central header and content of an entry disagree.
    #[error("entry {part}: its headers or content disagree on {what}")]
    ZipHeaderMismatch {
        /// The entry.
        part: String,
        /// On what they disagree.
        what: &'static str,
    },
    /// Two entries share bytes.
    #[error("entry {part} overlaps another")]
    ZipOverlap {
        /// The later entry.
        part: String,
    },
    /// The content of an entry does not have its checksum.
    #[error("entry {part}: wrong CRC-32")]
    ZipCrc {
        /// The entry.
        part: String,
    },
    /// The compressed data of an entry is broken.
    #[error("entry {part}: broken compressed data")]
    ZipCompression {
        /// The entry.
        part: String,
    },
    /// A part is not well-formed XML.
    #[error("{part}: not well-formed XML at byte {offset}: {why}")]
    XmlMalformed {
        /// The part.
        part: String,
        /// Where.
        offset: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// A part has a document type declaration.
    #[error("{part}: a DOCTYPE is refused")]
    XmlDoctype {
        /// The part.
        part: String,
    },
    /// A part refers to an entity other than the five predefined ones.
    #[error("{part}: entity reference {name:?} is refused")]
    XmlEntity {
        /// The part.
        part: String,
        /// The entity's name.
        name: String,
    },
    /// A part has a processing instruction.
    #[error("{part}: processing instructions are refused")]
    XmlProcessingInstruction {
        /// The part.
        part: String,
    },
    /// A part is not UTF-8, or says so.
    #[error("{part}: only UTF-8 is read")]
    XmlEncoding {
        /// The part.
        part: String,
    },
    /// Elements nest deeper than allowed.
    #[error("{part}: elements nest deeper than {limit}")]
    XmlTooDeep {
        /// The part.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// A part has more bytes than an XML part may have.
    #[error("{part}: more than {limit} bytes of XML")]
    XmlTooLarge {
        /// The part.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// A part has more elements, attributes and texts than allowed.
    #[error("{part}: more than {limit} elements, attributes and texts")]
    XmlTooManyNodes {
        /// The part.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// A part that the package names, or must have, is absent.
    #[error("part {part} is missing")]
    MissingPart {
        /// The part.
        part: String,
    },
    /// A location leaves the package.
    #[error("{part}: location {location:?} leads outside the package")]
    PathOutside {
        /// The part that says so; for a package of its own text, the directory.
        part: String,
        /// The location as written.
        location: String,
    },
    /// A location is not a path.
    #[error("{part}: location {location:?} is not a path")]
    PathInvalid {
        /// The part that says so.
        part: String,
        /// The location as written.
        location: String,
    },
    /// A required element or attribute is absent.
    #[error("{part}: {element} is missing")]
    ElementMissing {
        /// The part.
        part: String,
        /// The element, or `Element@Attribute`.
        element: &'static str,
    },
    /// An element or attribute has a value that its type does not allow, or occurs too often.
    #[error("{part}: {element} is not valid")]
    ElementInvalid {
        /// The part.
        part: String,
        /// The element, or `Element@Attribute`.
        element: &'static str,
    },
    /// More signatures than allowed.
    #[error("{part}: more than {limit} signatures")]
    TooManySignatures {
        /// The part.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// More references than allowed.
    #[error("{part}: more than {limit} references")]
    TooManyReferences {
        /// The part.
        part: String,
        /// The limit.
        limit: usize,
    },
    /// A signature refers twice to the same part.
    #[error("{part}: two references to {target}")]
    DuplicateReference {
        /// The part.
        part: String,
        /// The part named twice.
        target: String,
    },
    /// Two signatures bear the same ID.
    #[error("{part}: two signatures have the ID {id:?}")]
    DuplicateSignature {
        /// The part.
        part: String,
        /// The ID.
        id: String,
    },
    /// An earlier signature protects a part that a further signature would have to change.
    #[error("an earlier signature protects {part}, so no further one can be added")]
    DocumentLocked {
        /// The protected part.
        part: String,
    },
    /// A stamp is to go on a page that the document does not have.
    #[error("{part}: no page has the ID {id:?}")]
    PageUnknown {
        /// The document part.
        part: String,
        /// The page's ID.
        id: String,
    },
    /// The package has no document body of that number.
    #[error("the package has no document number {index}")]
    BodyUnknown {
        /// The number asked for, from zero.
        index: usize,
    },
    /// The original bytes are not those the container was read from.
    #[error("the original bytes are not those of the container")]
    OriginalMismatch,
    /// The new archive could not be written.
    #[error("the new archive cannot be written")]
    WriteFailed,
}

impl Error {
    /// The stable code of this refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// The clause that the refusal stands on.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        self.row().1
    }

    /// The part concerned, where there is one.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        match self {
            Self::ZipMalformed { .. }
            | Self::Zip64
            | Self::ZipTooManyEntries { .. }
            | Self::ZipTotalTooLarge { .. }
            | Self::BodyUnknown { .. }
            | Self::OriginalMismatch
            | Self::WriteFailed => None,
            Self::ZipEntryTooLarge { part, .. }
            | Self::ZipRatio { part, .. }
            | Self::ZipName { part, .. }
            | Self::ZipNameEncoding { part }
            | Self::ZipDuplicate { part }
            | Self::ZipSymlink { part }
            | Self::ZipEncrypted { part }
            | Self::ZipMethod { part, .. }
            | Self::ZipHeaderMismatch { part, .. }
            | Self::ZipOverlap { part }
            | Self::ZipCrc { part }
            | Self::ZipCompression { part }
            | Self::XmlMalformed { part, .. }
            | Self::XmlDoctype { part }
            | Self::XmlEntity { part, .. }
            | Self::XmlProcessingInstruction { part }
            | Self::XmlEncoding { part }
            | Self::XmlTooDeep { part, .. }
            | Self::XmlTooLarge { part, .. }
            | Self::XmlTooManyNodes { part, .. }
            | Self::MissingPart { part }
            | Self::PathOutside { part, .. }
            | Self::PathInvalid { part, .. }
            | Self::ElementMissing { part, .. }
            | Self::ElementInvalid { part, .. }
            | Self::TooManySignatures { part, .. }
            | Self::TooManyReferences { part, .. }
            | Self::DuplicateReference { part, .. }
            | Self::DuplicateSignature { part, .. }
            | Self::DocumentLocked { part }
            | Self::PageUnknown { part, .. } => Some(part),
        }
    }

    /// Code and clause.
    fn row(&self) -> (&'static str, &'static str) {
        match self {
            Self::ZipMalformed { .. } => ("zip-malformed", "APPNOTE 4.3"),
            Self::Zip64 => ("zip-zip64", "APPNOTE 4.3.14"),
            Self::ZipTooManyEntries { .. } => ("zip-too-many-entries", "APPNOTE 4.4.22"),
            Self::ZipEntryTooLarge { .. } => ("zip-entry-too-large", "APPNOTE 4.4.9"),
            Self::ZipTotalTooLarge { .. } => ("zip-total-too-large", "APPNOTE 4.4.9"),
            Self::ZipRatio { .. } => ("zip-ratio", "APPNOTE 4.4.8"),
            Self::ZipName { .. } => ("zip-name", "APPNOTE 4.4.17"),
            Self::ZipNameEncoding { .. } => ("zip-name-encoding", "APPNOTE Appendix D"),
            Self::ZipDuplicate { .. } => ("zip-duplicate", "APPNOTE 4.4.17"),
            Self::ZipSymlink { .. } => ("zip-symlink", "APPNOTE 4.4.15"),
            Self::ZipEncrypted { .. } => ("zip-encrypted", "APPNOTE 4.4.4"),
            Self::ZipMethod { .. } => ("zip-method", "APPNOTE 4.4.5"),
            Self::ZipHeaderMismatch { .. } => ("zip-header-mismatch", "APPNOTE 4.3.7"),
            Self::ZipOverlap { .. } => ("zip-overlap", "APPNOTE 4.3.6"),
            Self::ZipCrc { .. } => ("zip-crc", "APPNOTE 4.4.7"),
            Self::ZipCompression { .. } => ("zip-compression", "APPNOTE 5.5"),
            Self::XmlMalformed { .. } => ("xml-malformed", "XML 1.0, 2.1"),
            Self::XmlDoctype { .. } => ("xml-doctype", "XML 1.0, 2.8"),
            Self::XmlEntity { .. } => ("xml-entity", "XML 1.0, 4.1"),
            Self::XmlProcessingInstruction { .. } => ("xml-processing-instruction", "XML 1.0, 2.6"),
            Self::XmlEncoding { .. } => ("xml-encoding", "XML 1.0, 4.3.3"),
            Self::XmlTooDeep { .. } => ("xml-too-deep", "XML 1.0, 3"),
            Self::XmlTooLarge { .. } => ("xml-too-large", "XML 1.0, 2.1"),
            Self::XmlTooManyNodes { .. } => ("xml-too-many-nodes", "XML 1.0, 3"),
            Self::MissingPart { .. } => ("missing-part", "GB/T 33190-2016, 7.1"),
            Self::PathOutside { .. } => ("path-outside", "GB/T 33190-2016, 7.3"),
            Self::PathInvalid { .. } => ("path-invalid", "GB/T 33190-2016, 7.3"),
            Self::ElementMissing { .. } => ("element-missing", "GB/T 33190-2016, 7 and 18"),
            Self::ElementInvalid { .. } => ("element-invalid", "GB/T 33190-2016, 7 and 18"),
            Self::TooManySignatures { .. } => ("too-many-signatures", "GB/T 33190-2016, 18.1"),
            Self::TooManyReferences { .. } => ("too-many-references", "GB/T 33190-2016, 18.2"),
            Self::DuplicateReference { .. } => ("duplicate-reference", "GB/T 33190-2016, 18.2"),
            Self::DuplicateSignature { .. } => ("duplicate-signature", "GB/T 33190-2016, 18.1"),
            Self::DocumentLocked { .. } => ("document-locked", "GB/T 33190-2016, 18.1"),
            Self::PageUnknown { .. } => ("page-unknown", "GB/T 33190-2016, 18.2"),
            Self::BodyUnknown { .. } => ("document-unknown", "GB/T 33190-2016, 7.4"),
            Self::OriginalMismatch => ("original-mismatch", "GB/T 33190-2016, 18"),
            Self::WriteFailed => ("write-failed", "APPNOTE 4.3"),
        }
    }
}
