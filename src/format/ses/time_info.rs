//! `timeInfo` of version 1: whatever its signers put there (GM/T 0031-2014 leaves the content open).
//!
//! Read: UTCTime and GeneralizedTime, with or without their tag; text of the shapes seen in files, such as
//! `2020-01-25T07:31:56.377Z` and `2025-06-01 10:03:04`. Fractions are cut off. A moment without a zone is China's, eight
//! hours ahead of UTC: the writers that leave it out print local time. A time stamp (RFC 3161) says its genTime: it stands
//! inside what is signed, and so is older than the signature; it proves nothing of it, and is the signer's claim as text is.

use crate::base::clock::Timestamp;
use crate::format::der::{Tag, reader, time};
use crate::format::tsp::TimeStampToken;

/// Longer texts are no moment.
const LONGEST: usize = 40;

/// Whether the zone was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format::ses) enum Zone {
    /// It was.
    Written,
    /// It was not: China's is assumed.
    Assumed,
}

/// What could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format::ses) struct TimeInfo<'a> {
    /// The moment.
    pub(in crate::format::ses) moment: Option<(Timestamp, Zone)>,
    /// The text, where it is some.
    pub(in crate::format::ses) text: &'a str,
}

impl<'a> TimeInfo<'a> {
    /// Reads the content of timeInfo. Anything may stand there, so nothing is refused.
    pub(in crate::format::ses) fn read(content: &'a [u8]) -> Self {
        let tagged = reader::only(content, "timeInfo").ok();
        if tagged.is_some_and(|value| value.tag() == Tag::Sequence)
            && let Ok(token) = TimeStampToken::parse(content)
        {
            return Self { moment: Some((token.info.gen_time.seconds(), Zone::Written)), text: "" };
        }
        let bare = match tagged.map(|value| (value.tag(), value.content())) {
            Some((Tag::UtcTime | Tag::GeneralizedTime, bare)) => bare,
            _ => content,
        };
        let text = std::str::from_utf8(bare).ok().filter(|text| text.len() <= LONGEST && is_plain(text));
        let Some(text) = text else { return Self { moment: None, text: "" } };
        Self { moment: moment(text), text }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn moment(text: &str) -> Option<(Timestamp, Zone)> {
    if let Some(moment) = time::utc(text.as_bytes()) {
        return Some((moment, Zone::Written));
    }
    let is_mark = |c: char| matches!(c, '-' | ':' | '/' | ' ' | 'T');
    let (date, rest) = digits(text, 8, is_mark)?;
    let (clock, rest) = digits(rest, 6, is_mark)?;
    let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let moment = time::generalized(format!("{date}{clock}Z").as_bytes())?;
    match rest {
        "Z" => Some((moment, Zone::Written)),
        "+08:00" | "+0800" => Some((moment.plus_seconds(-8 * 3600), Zone::Written)),
        "" => Some((moment.plus_seconds(-8 * 3600), Zone::Assumed)),
        _ => None,
    }
}

/// Takes that many digits, marks between them left out, and gives what follows.
fn digits(text: &str, count: usize, is_mark: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let mut found = String::with_capacity(count);
    for (at, c) in text.char_indices() {
        if found.len() == count {
            return text.get(at..).map(|rest| (found, rest));
        }
        if c.is_ascii_digit() {
            found.push(c);
        } else if !is_mark(c) {
            return None;
        }
    }
    (found.len() == count).then_some((found, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_shapes_that_files_have() {
        let read = |content: &[u8]| TimeInfo::read(content).moment.map(|(at, zone)| (at.to_string(), zone));
        let at = |text: &str, zone| Some((text.to_owned(), zone));
        let june = "2025-06-01T02:03:04Z";
        assert_eq!(read(b"2025-06-01 10:03:04"), at(june, Zone::Assumed));
        assert_eq!(read(b"20250601100304"), at(june, Zone::Assumed));
        assert_eq!(read(b"2025-06-01T10:03:04+08:00"), at(june, Zone::Written));
        assert_eq!(read(b"\x17\x0d250601020304Z"), at(june, Zone::Written));
        assert_eq!(read(b"250601020304Z"), at(june, Zone::Written));
        assert_eq!(read(b"\x18\x0f20250601020304Z"), at(june, Zone::Written));
        assert_eq!(read(b"2020-01-25T07:31:56.377Z"), at("2020-01-25T07:31:56Z", Zone::Written));
        for other in [&b""[..], b"soon", b"2025-13-01 10:03:04", b"2025-06-01 10:03:04 CST", b"\x30\x00", &[b'1'; 60]] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
