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

#[cfg(test)]
mod tests {
    use super::*;

    /// C2SP tlog-checkpoint, its example.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_specification_s_example_is_read_and_written_again() {
        let checkpoint = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((checkpoint.origin, checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.root[..3], [0x0a, 0xc5, 0x18]);
        assert_eq!(checkpoint.to_text(), EXAMPLE);
        let extended = format!("{EXAMPLE}one\ntwo two\n");
        let checkpoint = Checkpoint::parse(&extended).unwrap();
        assert_eq!(checkpoint.extensions, ["one", "two two"]);
        assert_eq!(checkpoint.to_text(), extended);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let size = Error::Decimal { what: "the tree size" };
        let root = Error::Base64 { what: "the root hash" };
        let line = |what| Error::Line { what };
        for (text, expected) in [
            (String::new(), line("the origin")),
            ("origin".into(), line("the origin")),
            (format!("\n{EXAMPLE}"), line("the origin")),
            ("origin\n1".into(), line("the tree size")),
            ("origin\n1\n".into(), line("the root hash")),
            (EXAMPLE.trim_end().into(), line("the root hash")),
            (format!("{EXAMPLE}\n"), line("an extension")),
            (format!("{EXAMPLE}one\n\ntwo\n"), line("an extension")),
            (format!("{EXAMPLE}one"), line("an extension")),
            (EXAMPLE.replace("20852163", "020852163"), size.clone()),
            (EXAMPLE.replace("20852163", "+1"), size.clone()),
            (EXAMPLE.replace("20852163", "-1"), size.clone()),
            (EXAMPLE.replace("20852163", ""), size.clone()),
            (EXAMPLE.replace("20852163", "18446744073709551616"), size),
            (EXAMPLE.replace("CsUY", ""), root.clone()),
            (EXAMPLE.replace("q2I=", "q2J="), root.clone()),
            (EXAMPLE.replace("q2I=", "q2I"), root),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(expected), "{text:?}");
        }
        assert_eq!(Checkpoint::parse(&EXAMPLE.replace("20852163", "18446744073709551615")).unwrap().size, u64::MAX);
        assert_eq!(Checkpoint::parse(&EXAMPLE.replace("20852163", "0")).unwrap().size, 0);
    }
}
