//! Transparency logs in the forms of C2SP: signed notes, checkpoints, tiles, proofs, cosignatures, submissions.
//!
//! Sources: c2sp.org signed-note, tlog-checkpoint, tlog-tiles, tlog-proof, tlog-cosignature, tlog-witness. Accepted is what
//! they say and no more: Base64 with its padding and with zero unused bits (RFC 4648 3.5), decimal numbers without leading
//! zeroes, one path for each tile. Not computed here: hashes, so neither key IDs nor roots; see `domain::audit`.

pub mod checkpoint;
pub mod cosignature;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod submission;
pub mod tile;

pub use checkpoint::Checkpoint;
pub use cosignature::Cosignature;
pub use note::{Note, NoteKey, SignatureLine, VerifierKey};
pub use proof::LogProof;
pub use receipt::Receipt;
pub use submission::AddCheckpoint;
pub use tile::{BundleCoordinate, TileCoordinate, TilePath};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Octets of a note: 16 signatures of 5 kB, which signed-note asks readers to allow for, are some 110,000 in Base64.
pub const MAX_NOTE: usize = 256 << 10;

/// Signatures of one note; signed-note asks for 16 at least.
pub const MAX_SIGNATURES: usize = 100;

/// Hashes of one proof (tlog-witness: not more than 63 consistency proof lines).
pub const MAX_PROOF: usize = 63;

/// A hash of a tree: both SM3 and SHA-256 give 32 octets.
pub type Hash = [u8; 32];

/// Why octets are none of these forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not text, or with a control character other than a newline.
    #[error("it is not UTF-8 text without control characters (C2SP signed-note, format)")]
    NotText,
    /// More octets than we take on.
    #[error("{what} has more than {limit} octets (limits)")]
    TooLong {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More of something than we take on.
    #[error("{what} are more than {limit} (limits)")]
    TooMany {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// No blank line, or no signature after it.
    #[error("no signature follows the last empty line (C2SP signed-note, format)")]
    NoSignature,
    /// A text that does not end with a newline.
    #[error("the text does not end with a newline (C2SP signed-note, format)")]
    NoNewline,
    /// A line that is no signature line.
    #[error("signature line {line} is not an em dash, a key name and a value (C2SP signed-note, signatures)")]
    SignatureLine {
        /// Which, from 1.
        line: usize,
    },
    /// Empty, or with a space, a plus or a control character.
    #[error("a key name is empty or holds a space, a plus or a control character (C2SP signed-note, format)")]
    KeyName,
    /// Not Base64, or of the wrong length.
    #[error("{what} is not the Base64 that it must be (RFC 4648 4)")]
    Base64 {
        /// Of what.
        what: &'static str,
    },
    /// Not the three parts of a verifier key.
    #[error(
        "it is not a key name, eight lower-case hexadecimal digits and Base64, joined by plus (C2SP signed-note, verifier keys)"
    )]
    VerifierKey,
    /// A signature type that we do not verify.
    #[error("the verifier key is of a signature type that is not known here")]
    UnknownKeyType,
    /// A public key of the wrong length for its type.
    #[error("the verifier key's public key has {length} octets, not {expected}")]
    KeyLength {
        /// What it has.
        length: usize,
        /// What its type has.
        expected: usize,
    },
    /// A line that is not there, is empty, or does not begin as it must.
    #[error("the line that holds {what} is missing or malformed")]
    Line {
        /// What it should hold.
        what: &'static str,
    },
    /// Not a decimal number without leading zeroes, or beyond 64 bits.
    #[error("{what} is not a decimal number without leading zeroes")]
    Decimal {
        /// What.
        what: &'static str,
    },
    /// Something follows the last line.
    #[error("something follows {what}")]
    Trailing {
        /// What should have been last.
        what: &'static str,
    },
    /// Not a path of a tile or of an entry bundle.
    #[error("it is not the path of a tile or entry bundle (C2SP tlog-tiles, Merkle tree)")]
    TilePath,
    /// A tile of another length than its width asks for.
    #[error("the tile has {length} octets, not {expected} (C2SP tlog-tiles, Merkle tree)")]
    TileLength {
        /// What it has.
        length: usize,
        /// What its width asks for.
        expected: usize,
    },
    /// An entry bundle that ends inside an entry, or has more.
    #[error(
        "the bundle does not hold exactly {expected} entries: it breaks at entry {at} (C2SP tlog-tiles, log entries)"
    )]
    Bundle {
        /// The entries that its width asks for.
        expected: u16,
        /// Where it breaks, from 0.
        at: u16,
    },
    /// An entry whose length does not fit into 16 bits.
    #[error("an entry of {length} octets is longer than 65535 (C2SP tlog-tiles, log entries)")]
    EntryTooLong {
        /// Its length.
        length: usize,
    },
    /// Not a timestamp and an Ed25519 signature, or a timestamp beyond 2^63 - 1.
    #[error("it is not a timestamp below 2^63 and a signature of 64 octets (C2SP tlog-cosignature, format)")]
    Cosignature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotText | Self::NoSignature | Self::NoNewline | Self::SignatureLine { .. } => "tlog-note",
            Self::TooLong { .. } | Self::TooMany { .. } => "tlog-limit",
            Self::KeyName | Self::VerifierKey | Self::UnknownKeyType | Self::KeyLength { .. } => "tlog-key",
            Self::Base64 { .. } => "tlog-base64",
            Self::Line { .. } | Self::Decimal { .. } | Self::Trailing { .. } => "tlog-line",
            Self::TilePath => "tlog-path",
            Self::TileLength { .. } => "tlog-tile",
            Self::Bundle { .. } | Self::EntryTooLong { .. } => "tlog-bundle",
            Self::Cosignature => "tlog-cosignature",
        }
    }
}

/// A decimal number in its only form.
fn decimal(text: &str, what: &'static str) -> Result<u64, Error> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !canonical || !digits {
        return Err(Error::Decimal { what });
    }
    text.parse().map_err(|_| Error::Decimal { what })
}

/// Standard Base64: padded, unused bits zero.
fn from_base64(text: &str, what: &'static str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|_| Error::Base64 { what })
}

fn to_base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Base64 of one hash.
fn hash_from_base64(text: &str, what: &'static str) -> Result<Hash, Error> {
    from_base64(text, what)?.try_into().map_err(|_| Error::Base64 { what })
}

/// What stands before the first newline, and what follows it.
fn first_line<'a>(text: &'a str, what: &'static str) -> Result<(&'a str, &'a str), Error> {
    text.split_once('\n').ok_or(Error::Line { what })
}

/// Hashes in Base64, one a line, up to an empty line; and what follows that.
fn proof_lines(text: &str) -> Result<(Vec<Hash>, &str), Error> {
    const WHAT: &str = "a hash of the proof";
    let mut hashes = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = first_line(rest, WHAT)?;
        rest = after;
        if line.is_empty() {
            return Ok((hashes, rest));
        }
        if hashes.len() == MAX_PROOF {
            return Err(Error::TooMany { what: "the hashes of the proof", limit: MAX_PROOF });
        }
        hashes.push(hash_from_base64(line, WHAT)?);
    }
}

/// Text of bounded length; the bound is that of a note and of what may stand before it.
fn bounded_text<'a>(octets: &'a [u8], what: &'static str, limit: usize) -> Result<&'a str, Error> {
    if octets.len() > limit {
        return Err(Error::TooLong { what, limit });
    }
    str::from_utf8(octets).map_err(|_| Error::NotText)
}
