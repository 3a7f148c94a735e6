//! Characters and names of XML 1.0, and of its namespaces.

/// A name without its prefix.
pub(super) fn local(qualified: &str) -> &str {
    split_prefix(qualified).map_or(qualified, |(_, name)| name)
}

/// What stands before and after the first colon.
pub(super) fn split_prefix(qualified: &str) -> Option<(&str, &str)> {
    let colon = qualified.bytes().position(|byte| byte == b':')?;
    Some((qualified.get(..colon)?, qualified.get(colon.saturating_add(1)..)?))
}

/// XML 1.0, 2.2.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where the first character stands that XML 1.0 forbids. What it forbids beyond the control characters, U+FFFE and
/// U+FFFF, begins with EF BF in UTF-8.
pub(super) fn forbidden_character(text: &str) -> Option<usize> {
    let control = |byte: u8| (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
    let bytes = text.as_bytes();
    let pairs = || bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let suspect = bytes.iter().fold(false, |suspect, byte| suspect | control(*byte))
        || (memchr::memchr(0xEF, bytes).is_some()
            && pairs().fold(false, |suspect, (first, second)| suspect | ((*first == 0xEF) & (*second == 0xBF))));
    if suspect { text.find(|c| !is_xml_char(c)) } else { None }
}

/// XML 1.0, 2.3, without the colon. Names that are only digits or punctuation would split readers.
pub(super) fn is_name(text: &str) -> bool {
    if let [first, rest @ ..] = text.as_bytes()
        && (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    {
        return true;
    }
    let start = |c: char| c == '_' || c.is_alphabetic();
    let rest = |c: char| start(c) || c.is_numeric() || matches!(c, '-' | '.' | '\u{B7}');
    let mut chars = text.chars();
    chars.next().is_some_and(start) && chars.all(rest)
}

/// A name, or two with a colon between. Namespaces in XML 1.0, 4.
pub(super) fn is_qualified_name(text: &str) -> bool {
    match split_prefix(text) {
        Some((prefix, name)) => is_name(prefix) && is_name(name),
        None => is_name(text),
    }
}

/// The character that a reference names: `amp`, `lt`, `gt`, `quot`, `apos`, `#` and a number. XML 1.0, 4.1, 4.6.
pub(super) fn character(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#');
    let number = match digits.map(|digits| (digits.strip_prefix('x'), digits)) {
        Some((Some(hex), _)) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
        Some((None, decimal)) if decimal.bytes().all(|b| b.is_ascii_digit()) => decimal.parse().ok(),
        _ => None,
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32).filter(|c| is_xml_char(*c)),
    }
}

/// White space of an attribute's value as it reads. XML 1.0, 3.3.3.
pub(super) fn space(c: char) -> char {
    if matches!(c, '\t' | '\r' | '\n') { ' ' } else { c }
}

/// One bit of 64 for a name: the same for equal names.
pub(super) fn mark(name: &[u8]) -> u64 {
    let last = name.last().copied().map_or(0, usize::from);
    1 << (name.len().wrapping_mul(11).wrapping_add(last) % 64)
}

/// How many octets of a byte order mark come first.
pub(super) fn mark_length(bytes: &[u8]) -> usize {
    const MARK: &str = "\u{FEFF}";
    if bytes.starts_with(MARK.as_bytes()) { MARK.len() } else { 0 }
}

/// The text behind so many octets; none where the octets are not UTF-8.
pub(super) fn text_of(bytes: &[u8], behind: usize) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()?.get(behind..)
}
