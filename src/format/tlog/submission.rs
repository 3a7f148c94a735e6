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

#[cfg(test)]
mod tests {
    use super::*;

    /// C2SP tlog-witness, the example of add-checkpoint.
    const EXAMPLE: &str = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

    #[test]
    fn the_specification_s_example_is_read_and_written_again() {
        let submission = AddCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((submission.old_size, submission.checkpoint.size), (20_852_014, 20_852_163));
        assert_eq!((submission.proof.len(), submission.note.signatures.len()), (4, 2));
        assert_eq!(AddCheckpoint::write(submission.old_size, &submission.proof, submission.note.raw()), EXAMPLE);
    }

    #[test]
    fn other_bodies_are_refused() {
        let refused = |text: &str| AddCheckpoint::parse(text.as_bytes()).unwrap_err();
        let old = |text: &str| refused(&EXAMPLE.replace("old 20852014", text));
        assert_eq!(refused(""), Error::Line { what: "the old size" });
        assert_eq!(old("Old 20852014"), Error::Line { what: "the old size" });
        assert_eq!(old("old 020852014"), Error::Decimal { what: "the old size" });
        assert_eq!(old("old 20852014\n"), Error::Decimal { what: "the tree size" });
        assert_eq!(old("old  20852014"), Error::Decimal { what: "the old size" });
        assert_eq!(refused(&EXAMPLE.replace("PlRN", "Pl")), Error::Base64 { what: "a hash of the proof" });
        let line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
        let limit = Error::TooMany { what: "the hashes of the proof", limit: 63 };
        assert_eq!(refused(&EXAMPLE.replace(line, &line.repeat(61))), limit);
        assert!(AddCheckpoint::parse(EXAMPLE.replace(line, &line.repeat(60)).as_bytes()).is_ok());
        let limit = Error::TooLong { what: "the submission", limit: MAX };
        assert_eq!(refused(&"x".repeat(MAX + 1)), limit);
    }

    #[test]
    fn the_answer_s_size_has_one_form() {
        assert_eq!(read_size(write_size(20_852_014).as_bytes()), Ok(20_852_014));
        assert_eq!(read_size(write_size(u64::MAX).as_bytes()), Ok(u64::MAX));
        assert_eq!(read_size(b"1"), Err(Error::Line { what: "the tree size" }));
        assert_eq!(read_size(b"1\n\n"), Err(Error::Trailing { what: "the tree size" }));
        assert_eq!(read_size(b"01\n"), Err(Error::Decimal { what: "the tree size" }));
        assert_eq!(read_size(b"\xff\n"), Err(Error::NotText));
        let limit = Error::TooLong { what: "the tree size", limit: 21 };
        assert_eq!(read_size(&[b'1'; 22]), Err(limit));
    }
}
