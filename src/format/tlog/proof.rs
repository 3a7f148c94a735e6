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

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str =
        "example.com/log\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/log AAAAAAA=\n";

    #[test]
    fn what_is_written_is_read() {
        for extra in [None, Some(&b""[..]), Some(b"event and salt")] {
            let text = LogProof::write(extra, 4, &[[1; 32], [2; 32]], NOTE);
            let proof = LogProof::parse(text.as_bytes()).unwrap();
            assert_eq!((proof.extra.as_deref(), proof.index), (extra, 4));
            assert_eq!(proof.hashes, [[1; 32], [2; 32]]);
            assert_eq!((proof.note.raw(), proof.checkpoint.size), (NOTE, 5));
        }
        let bare = LogProof::write(None, 0, &[], NOTE);
        assert_eq!(bare, format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{NOTE}"));
        assert_eq!(LogProof::parse(bare.as_bytes()).unwrap().hashes, Vec::<Hash>::new());
    }

    #[test]
    fn other_texts_are_refused() {
        let refused = |text: &str| LogProof::parse(text.as_bytes()).unwrap_err();
        let line = |what| Error::Line { what };
        assert_eq!(refused(""), line("the name of the format"));
        assert_eq!(refused(&format!("c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}")), line("the name of the format"));
        let after = |rest: &str| refused(&format!("{FIRST_LINE}\n{rest}"));
        assert_eq!(after(""), line("the index"));
        assert_eq!(after(&format!("index 0\nextra AA==\n\n{NOTE}")), Error::Base64 { what: "a hash of the proof" });
        assert_eq!(after(&format!("extra A\nindex 0\n\n{NOTE}")), Error::Base64 { what: "the extra line" });
        assert_eq!(after(&format!("index 00\n\n{NOTE}")), Error::Decimal { what: "the index" });
        assert_eq!(after(&format!("Index 0\n\n{NOTE}")), line("the index"));
        assert_eq!(after("index 0\n"), line("a hash of the proof"));
        assert_eq!(after("index 0\n\n"), Error::NoSignature);
        let hash = format!("{}\n", to_base64(&[0; 32]));
        assert_eq!(
            after(&format!("index 0\n{}\n{NOTE}", hash.repeat(64))),
            Error::TooMany { what: "the hashes of the proof", limit: 63 }
        );
        assert_eq!(refused(&"x".repeat(MAX + 1)), Error::TooLong { what: "the proof", limit: MAX });
        let long = to_base64(&[0; MAX_EXTRA + 1]);
        assert_eq!(after(&format!("extra {long}\n")), Error::TooLong { what: "the extra line", limit: MAX_EXTRA });
    }
}
