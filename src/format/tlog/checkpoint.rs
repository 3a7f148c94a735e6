//! The text of a checkpoint (C2SP tlog-checkpoint): origin, size, root, extension lines.

use std::fmt::Write as _;

use crate::format::tlog::{Error, Hash, decimal, first_line, hash_from_base64, to_base64};

/// The head of a tree, as the text of a note says it. Whose it is, the signatures say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    /// Which log.
    pub origin: &'a str,
    /// How many leaves.
    pub size: u64,
    /// The Merkle tree hash at that size.
    pub root: Hash,
    /// Lines that mean something to somebody; ours has none.
    pub extensions: Vec<&'a str>,
}

impl<'a> Checkpoint<'a> {
    /// Reads one that fills the text of a note.
    ///
    /// # Errors
    /// Fewer than three lines, an empty one, a number or hash that is not in its only form.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let (origin, rest) = first_line(text, "the origin")?;
        if origin.is_empty() {
            return Err(Error::Line { what: "the origin" });
        }
        let (size, rest) = first_line(rest, "the tree size")?;
        let size = decimal(size, "the tree size")?;
        let (root, rest) = first_line(rest, "the root hash")?;
        let root = hash_from_base64(root, "the root hash")?;
        let mut extensions = Vec::new();
        let mut rest = rest;
        while !rest.is_empty() {
            let (line, after) = first_line(rest, "an extension")?;
            if line.is_empty() {
                return Err(Error::Line { what: "an extension" });
            }
            extensions.push(line);
            rest = after;
        }
        Ok(Self { origin, size, root, extensions })
    }

    /// The text. A reader takes it if the origin and the extensions are single lines that are not empty.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root));
        for line in &self.extensions {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
