//! Proofs that stand by themselves (C2SP tlog-proof): index, inclusion proof, checkpoint.

use std::fmt::Write as _;

use crate::format::tlog::{
    Checkpoint, Error, Hash, MAX_NOTE, Note, bounded_text, decimal, first_line, from_base64, proof_lines, to_base64,
};

/// The first line.
pub const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Octets of the extra line, which an entry's opening fills: an event and its salt.
pub const MAX_EXTRA: usize = 64 << 10;

/// Octets of a whole proof.
pub const MAX: usize = MAX_NOTE + MAX_EXTRA * 2;

/// A proof as it arrived. Nothing in it is believed before the checkpoint's signature and the inclusion are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof<'a> {
    /// What the application put beside it; nobody signed it.
    pub extra: Option<Vec<u8>>,
    /// The index of the entry.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: Note<'a>,
    /// What the note's text says.
    pub checkpoint: Checkpoint<'a>,
}

impl<'a> LogProof<'a> {
    /// Reads one that fills the octets.
    ///
    /// # Errors
    /// Not this form, or beyond its limits.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let text = bounded_text(octets, "the proof", MAX)?;
        let (first, rest) = first_line(text, "the name of the format")?;
        if first != FIRST_LINE {
            return Err(Error::Line { what: "the name of the format" });
        }
        let (line, after) = first_line(rest, "the index")?;
        let (extra, rest) = match line.strip_prefix("extra ") {
            None => (None, rest),
            Some(extra) => {
                let extra = from_base64(extra, "the extra line")?;
                if extra.len() > MAX_EXTRA {
                    return Err(Error::TooLong { what: "the extra line", limit: MAX_EXTRA });
                }
                (Some(extra), after)
            }
        };
        let (line, rest) = first_line(rest, "the index")?;
        let index = line.strip_prefix("index ").ok_or(Error::Line { what: "the index" })?;
        let index = decimal(index, "the index")?;
        let (hashes, rest) = proof_lines(rest)?;
        let note = Note::parse(rest.as_bytes())?;
        let checkpoint = Checkpoint::parse(note.text)?;
        Ok(Self { extra, index, hashes, note, checkpoint })
    }

    /// The text of a proof with the checkpoint `note`, which is a note as [`Note::write`] gives it.
    #[must_use]
    pub fn write(extra: Option<&[u8]>, index: u64, hashes: &[Hash], note: &str) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = extra {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "extra {}", to_base64(extra));
        }
        let _ = writeln!(text, "index {index}");
        for hash in hashes {
            let _ = writeln!(text, "{}", to_base64(hash));
        }
        text.push('\n');
        text.push_str(note);
        text
    }
}
