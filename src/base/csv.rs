//! Comma-separated values of RFC 4180, written only.
//!
//! What spreadsheets take for a formula is written behind an apostrophe (OWASP, CSV injection), so that opening a file runs
//! nothing. A file for a program should be JSON lines instead: there nothing is changed.

/// One record with its end of line (CR LF).
pub fn record<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = fields.into_iter().map(field).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

fn field(text: &str) -> String {
    let shielded = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    };
    match shielded.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", shielded.replace('"', "\"\"")),
        false => shielded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_formulas_are_text() {
        for (fields, line) in [
            (&["a", "", "b c"][..], "a,,b c\r\n"),
            (&["a,b", "say \"x\"", "two\nlines"], "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n"),
            (&["=1+1", "+1", "-1", "@x", "\tx"], "'=1+1,'+1,'-1,'@x,'\tx\r\n"),
            (&["=a,b"], "\"'=a,b\"\r\n"),
            (&["公文"], "公文\r\n"),
        ] {
            assert_eq!(record(fields.iter().copied()), line);
        }
    }
}
