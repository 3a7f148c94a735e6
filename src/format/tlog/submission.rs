//! What a log submits to a witness, and the size that a witness answers (C2SP tlog-witness, add-checkpoint).

use std::fmt::Write as _;

use crate::format::tlog::{
    Checkpoint, Error, Hash, MAX_NOTE, MAX_PROOF, Note, bounded_text, decimal, first_line, proof_lines, to_base64,
};

/// Octets of a request: a note, the proof's lines of 45 octets, the line of the old size.
pub const MAX: usize = MAX_NOTE + MAX_PROOF * 45 + 32;

/// The body of an `add-checkpoint` request, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint<'a> {
    /// The size from which the proof leads.
    pub old_size: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note<'a>,
    /// What the note's text says.
    pub checkpoint: Checkpoint<'a>,
}

impl<'a> AddCheckpoint<'a> {
    /// Reads a body. Not checked: signatures, proof, whether the old size is below the new.
    ///
    /// # Errors
    /// Not this form, or beyond its limits.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let text = bounded_text(octets, "the submission", MAX)?;
        let (line, rest) = first_line(text, "the old size")?;
        let old_size = line.strip_prefix("old ").ok_or(Error::Line { what: "the old size" })?;
        let old_size = decimal(old_size, "the old size")?;
        let (proof, rest) = proof_lines(rest)?;
        let note = Note::parse(rest.as_bytes())?;
        let checkpoint = Checkpoint::parse(note.text)?;
        Ok(Self { old_size, proof, note, checkpoint })
    }

    /// The body for the checkpoint `note`, which is a note as [`Note::write`] gives it.
    #[must_use]
    pub fn write(old_size: u64, proof: &[Hash], note: &str) -> String {
        let mut text = format!("old {old_size}\n");
        for hash in proof {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", to_base64(hash));
        }
        text.push('\n');
        text.push_str(note);
        text
    }
}

/// The media type of the answer that names the witness's size.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// The size in a witness's answer 409: the latest that it cosigned.
///
/// # Errors
/// Not a decimal number and a newline.
pub fn read_size(octets: &[u8]) -> Result<u64, Error> {
    const WHAT: &str = "the tree size";
    let text = bounded_text(octets, WHAT, 21)?;
    let (line, rest) = first_line(text, WHAT)?;
    if !rest.is_empty() {
        return Err(Error::Trailing { what: WHAT });
    }
    decimal(line, WHAT)
}

/// The body of that answer.
#[must_use]
pub fn write_size(size: u64) -> String {
    format!("{size}\n")
}
