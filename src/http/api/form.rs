//! Reads multipart forms (RFC 7578) strictly: known fields, each once but places of stamps, and one file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};

use crate::domain::seal::signing::Placement;
use crate::domain::seal::stamp_plan::{MAX_PLACES, StampPlan};
use crate::http::App;
use crate::http::problem::{Code, Problem};

/// Bytes of a field that is no file: a signature by an RSA key of 4096 bits in base64, and what stands before it.
const FIELD_BYTES: usize = 1024;
/// The field that may come again: each says one place of a stamp.
const PLACE: &str = "place";
/// Pages of a document beyond which nobody stamps.
const MAX_PAGE: u32 = 100_000;
/// Bytes of a file's name.
const NAME_BYTES: usize = 255;

/// A form that was read.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) file_name: String,
    pub(crate) file: Vec<u8>,
    fields: BTreeMap<&'static str, String>,
    beside: BTreeMap<&'static str, Vec<u8>>,
}

/// The media type of a request, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A file's name, fit for reports and logs: no path, no control characters.
pub(crate) fn file_name(field: &str, text: &str) -> Result<String, Problem> {
    let refused =
        |c: char| c.is_control() || matches!(c, '/' | '\\' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    if text.is_empty() || text.len() > NAME_BYTES || text.contains(refused) {
        let detail =
            format!("{field}: a file's name is 1 to {NAME_BYTES} bytes of UTF-8 without path or control characters.");
        return Err(Problem::new(Code::FieldMalformed, detail));
    }
    Ok(text.to_owned())
}

/// The whole body of a request. Its size is the guard's to bound.
///
/// # Errors
/// `body-malformed`: it broke off.
pub(crate) async fn whole_body(request: Request) -> Result<Vec<u8>, Problem> {
    let body = to_bytes(request.into_body(), usize::MAX).await;
    body.map(Vec::from).map_err(|_| Problem::new(Code::BodyMalformed, "The body broke off."))
}

/// Refuses a file beyond the limit.
pub(crate) fn within_limit(app: &App, file: &[u8]) -> Result<(), Problem> {
    let limit = app.settings.file_bytes;
    if file.len() > limit {
        return Err(Problem::new(Code::TooLarge, format!("At most {limit} bytes are taken.")));
    }
    Ok(())
}

impl Form {
    /// Reads a form of one `file` and any of these fields.
    pub(crate) async fn read(app: &App, request: Request, known: &[&'static str]) -> Result<Self, Problem> {
        Self::read_beside(app, request, known, &[]).await
    }

    /// Reads a form of one `file`, any of these fields, and any of these files beside it.
    pub(crate) async fn read_beside(
        app: &App,
        request: Request,
        known: &[&'static str],
        files: &[&'static str],
    ) -> Result<Self, Problem> {
        if media_type(request.headers()) != "multipart/form-data" {
            return Err(Problem::new(Code::ContentTypeRefused, "Send multipart/form-data."));
        }
        let broken = |_| Problem::new(Code::BodyMalformed, "The form cannot be read.");
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::new(Code::BodyMalformed, "The form has no boundary."))?;
        let (mut file, mut fields, mut beside) = (None, BTreeMap::new(), BTreeMap::new());
        while let Some(part) = form.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            let repeated = || Problem::new(Code::FieldRepeated, format!("{name} appears twice."));
            if name == "file" {
                if file.is_some() {
                    return Err(repeated());
                }
                let file_name = file_name("file", part.file_name().unwrap_or("document"))?;
                let bytes = part.bytes().await.map_err(broken)?;
                within_limit(app, &bytes)?;
                file = Some((file_name, Vec::from(bytes)));
                continue;
            }
            if let Some(known) = files.iter().find(|known| **known == name) {
                let bytes = part.bytes().await.map_err(broken)?;
                within_limit(app, &bytes)?;
                if beside.insert(*known, Vec::from(bytes)).is_some() {
                    return Err(repeated());
                }
                continue;
            }
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(Problem::new(Code::FieldUnknown, "The form has a field that this endpoint does not know."));
            };
            let bytes = part.bytes().await.map_err(broken)?;
            let text = short_text(known, &bytes)?;
            match fields.entry(*known) {
                Entry::Vacant(entry) => {
                    entry.insert(text);
                }
                // Each as a line of its own.
                Entry::Occupied(mut entry) if *known == PLACE && entry.get().lines().count() < MAX_PLACES => {
                    entry.get_mut().push('\n');
                    entry.get_mut().push_str(&text);
                }
                Entry::Occupied(_) => return Err(repeated()),
            }
        }
        let (file_name, file) = file.ok_or_else(|| missing("file"))?;
        Ok(Self { file_name, file, fields, beside })
    }

    /// A file beside the other one that must be there.
    pub(crate) fn beside(&self, name: &'static str) -> Result<&[u8], Problem> {
        self.beside.get(name).map(Vec::as_slice).ok_or_else(|| missing(name))
    }

    /// A field that may be left out.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Problem> {
        self.optional(name).ok_or_else(|| missing(name))
    }
}

impl Form {
    /// Where the stamps go: `place`, each as docs/signing.md has it, or `page`, `x` and `y` for one stamp at a point.
    pub(crate) fn plan(&self, lock: bool) -> Result<StampPlan, Problem> {
        if let Some(places) = self.optional(PLACE) {
            if ["page", "x", "y"].iter().any(|name| self.optional(name).is_some()) {
                return Err(malformed(PLACE, "all that says where: page, x and y stand in its place only"));
            }
            return StampPlan::read(places, lock).map_err(|refused| {
                let detail = format!("place: {}: {} was expected.", refused.part, refused.expected);
                Problem::new(Code::FieldMalformed, detail)
            });
        }
        let page = self.required("page")?.parse::<u32>().ok().filter(|page| (1..=MAX_PAGE).contains(page));
        let page = page.ok_or_else(|| malformed("page", "a page's number; the first is 1"))?;
        let (x_mm, y_mm) = (millimetres("x", self.required("x")?)?, millimetres("y", self.required("y")?)?);
        Ok(Placement { page, x_mm, y_mm, lock }.into())
    }
}

/// The text of a field that is no file.
pub(crate) fn short_text(name: &str, bytes: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FIELD_BYTES);
    text.map(str::to_owned).ok_or_else(|| malformed(name, "a short text"))
}

/// The field is not there.
pub(crate) fn missing(name: &str) -> Problem {
    Problem::new(Code::FieldMissing, format!("{name} is missing."))
}

/// The field's value is not what it must be.
pub(crate) fn malformed(name: &str, expected: &str) -> Problem {
    Problem::new(Code::FieldMalformed, format!("{name} must be {expected}."))
}

/// A length in mm: digits with at most one point, optionally negative, within 10 m.
pub(crate) fn millimetres(name: &str, text: &str) -> Result<f64, Problem> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let value = text.parse::<f64>().ok().filter(|value| plain && value.abs() <= 10_000.0);
    value.ok_or_else(|| malformed(name, "millimetres such as 30 or 12.5, within 10 m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_plain_decimals() {
        for (text, value) in [("30", 30.0), ("12.5", 12.5), ("-3.25", -3.25), ("10000", 10_000.0)] {
            assert_eq!(millimetres("x", text), Ok(value));
        }
        for text in ["", "-", ".", "1e3", "inf", "NaN", "+1", "1,5", "10000.1", " 1", "1-1"] {
            assert_eq!(millimetres("x", text).unwrap_err().code(), "field-malformed", "{text}");
        }
    }

    #[test]
    fn names_bear_no_paths() {
        assert_eq!(file_name("file", "通知.ofd").unwrap(), "通知.ofd");
        for text in ["", "../x", "a\\b", "a\nb", "a\u{202E}dfo.exe", &"x".repeat(256)] {
            assert_eq!(file_name("file", text).unwrap_err().code(), "field-malformed", "{text:?}");
        }
    }
}
