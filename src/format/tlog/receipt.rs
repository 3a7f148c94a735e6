//! Receipts of a log: a signed note, and behind it the opening of its entry, in one line as C2SP tlog-proof has it
//! (docs/formats/audit-notes.md).

use crate::format::tlog::proof::MAX_EXTRA;
use crate::format::tlog::{Error, MAX_NOTE, Note, bounded_text, from_base64, to_base64};

/// Octets of a whole receipt.
pub const MAX: usize = MAX_NOTE + MAX_EXTRA * 2;

/// How the line of the opening begins. No line of a signature does: those begin with an em dash.
const EXTRA: &str = "extra ";

/// A receipt as it arrived. Nothing in it is believed before its signature is verified, and the opening is nobody's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The note that the log signed.
    pub note: Note<'a>,
    /// What stands in the line behind it; a receipt may have none.
    pub extra: Option<Vec<u8>>,
}

impl<'a> Receipt<'a> {
    /// Reads one that fills the octets. A note alone is a receipt without an opening.
    ///
    /// # Errors
    /// Not this form, or beyond its limits.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "the extra line";
        let text = bounded_text(octets, "the receipt", MAX)?;
        let lines = text.strip_suffix('\n').ok_or(Error::NoNewline)?;
        let before = lines.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let (note, last) = text.split_at_checked(before).ok_or(Error::NotText)?;
        let Some(extra) = last.strip_prefix(EXTRA).and_then(|rest| rest.strip_suffix('\n')) else {
            return Ok(Self { note: Note::parse(octets)?, extra: None });
        };
        let extra = from_base64(extra, WHAT)?;
        if extra.len() > MAX_EXTRA {
            return Err(Error::TooLong { what: WHAT, limit: MAX_EXTRA });
        }
        Ok(Self { note: Note::parse(note.as_bytes())?, extra: Some(extra) })
    }

    /// The text of a receipt with that `note`, which is one as [`Note::write`] gives it.
    #[must_use]
    pub fn write(note: &str, extra: Option<&[u8]>) -> String {
        let extra = extra.map(|extra| format!("{EXTRA}{}\n", to_base64(extra)));
        format!("{note}{}", extra.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str = "yinxin promise v1\na/sm3\n\n\u{2014} a/sm3 AAAAAAA=\n";

    #[test]
    fn what_is_written_is_read() {
        for extra in [None, Some(&b""[..]), Some(b"salt and event")] {
            let text = Receipt::write(NOTE, extra);
            let receipt = Receipt::parse(text.as_bytes()).unwrap();
            assert_eq!((receipt.note.raw(), receipt.extra.as_deref()), (NOTE, extra));
        }
        assert_eq!(Receipt::write(NOTE, Some(b"a")), format!("{NOTE}extra YQ==\n"));
    }

    #[test]
    fn other_texts_are_refused() {
        let refused = |text: &str| Receipt::parse(text.as_bytes()).unwrap_err();
        let extra = Error::Base64 { what: "the extra line" };
        assert_eq!(refused(""), Error::NoNewline);
        assert_eq!(refused("extra YQ==\n"), Error::NoSignature);
        assert_eq!(refused(&format!("{NOTE}extra YQ==")), Error::NoNewline);
        assert_eq!(refused(&format!("{NOTE}extra YQ\n")), extra);
        assert_eq!(refused(&format!("{NOTE}extra YR==\n")), extra);
        assert_eq!(refused(&format!("{NOTE}extra YQ== \n")), extra);
        // The opening is the last line, and one.
        assert_eq!(refused(&format!("{NOTE}Extra YQ==\n")), Error::SignatureLine { line: 2 });
        assert_eq!(refused(&format!("{NOTE}extra YQ==\nextra YQ==\n")), Error::SignatureLine { line: 2 });
        assert_eq!(refused(&format!("extra YQ==\n{}", &NOTE[..NOTE.len() - 1])), Error::NoNewline);
        let long = to_base64(&[0; MAX_EXTRA + 1]);
        assert_eq!(
            refused(&format!("{NOTE}extra {long}\n")),
            Error::TooLong { what: "the extra line", limit: MAX_EXTRA }
        );
        assert_eq!(refused(&"x".repeat(MAX + 1)), Error::TooLong { what: "the receipt", limit: MAX });
    }
}
