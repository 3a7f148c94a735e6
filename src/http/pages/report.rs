//! A report as a page: what the verdict is, what it means, what to do, and on what it rests.
//!
//! The page reads the published JSON of the report (`docs/report.schema.json`) as any program would, so it shows nothing
//! that programs cannot see.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::domain::verify::words::{self, Words, meaning};
use crate::http::pages::{ALONE_POLICY, STYLE};
use crate::service::door::Preview;

/// A report, as its JSON tells it. Fields that the page does not show are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct View {
    file: String,
    indication: String,
    error: Option<Refused>,
    signatures: Vec<Signature>,
    warnings: Vec<Warning>,
    coverage: Option<Coverage>,
    policy: Named,
    trust: Trust,
    verified_at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refused {
    code: String,
    clause: String,
    detail: String,
    part: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Signature {
    id: String,
    kind: String,
    indication: String,
    sub_indication: Option<String>,
    code: String,
    intact: Axis,
    signature: Axis,
    seal: Axis,
    trusted: Axis,
    time: Axis,
    revocation: Axis,
    coverage: Axis,
    algorithm: Axis,
    logged: Axis,
    signer: Option<Certificate>,
    maker: Option<Certificate>,
    seal_summary: Option<Seal>,
    details: Details,
    reasons: Vec<Reason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Axis {
    status: String,
    code: String,
    detail: String,
    detail_zh: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seal {
    es_id: String,
    name: String,
    valid_from: String,
    valid_to: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    claimed_time: Option<String>,
    uncovered: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    indication: String,
    sub_indication: Option<String>,
    code: String,
    detail: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Warning {
    code: String,
    part: Option<String>,
    detail: String,
    detail_zh: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Coverage {
    coverage: String,
    uncovered: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    sm3: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trust {
    anchors: usize,
    sm3: String,
    notice: Option<String>,
}

impl View {
    /// Reads the JSON of a report. Characters that turn the direction of a text are shown as such: nobody's name reads
    /// backwards.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let turns = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        let shown = |text: &str| text.replace(turns, "\u{FFFD}");
        let mut value: serde_json::Value = serde_json::from_slice(json)?;
        let mut left = vec![&mut value];
        while let Some(value) = left.pop() {
            match value {
                serde_json::Value::String(text) => *text = shown(text),
                serde_json::Value::Array(all) => left.extend(all.iter_mut()),
                serde_json::Value::Object(all) => left.extend(all.values_mut()),
                _ => {}
            }
        }
        serde_json::from_value(value)
    }
}

/// How a verdict is shown: never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    class: &'static str,
    sign: &'static str,
    zh: &'static str,
    en: &'static str,
}

const fn verdict(class: &'static str, sign: &'static str, zh: &'static str, en: &'static str) -> Verdict {
    Verdict { class, sign, zh, en }
}

fn verdict_of(indication: &str) -> Verdict {
    let [zh, en] = words::verdict(indication);
    match indication {
        "TOTAL_PASSED" => verdict("passed", "✓", zh, en),
        "TOTAL_FAILED" | "REFUSED" => verdict("failed", "✕", zh, en),
        "NO_SIGNATURE_FOUND" => verdict("none", "–", zh, en),
        _ => verdict("unknown", "?", zh, en),
    }
}

/// A heading and what it means, in both languages.
struct Told {
    heading_zh: String,
    heading_en: String,
    meaning_zh: String,
    meaning_en: String,
}

impl Told {
    fn of(words: &Words) -> Self {
        let [heading_zh, heading_en, meaning_zh, meaning_en] =
            [words.heading_zh, words.heading_en, words.meaning_zh, words.meaning_en].map(str::to_owned);
        Self { heading_zh, heading_en, meaning_zh, meaning_en }
    }
}

struct AxisRow<'a> {
    class: &'static str,
    sign: &'static str,
    name_zh: &'static str,
    name_en: &'static str,
    status_zh: &'static str,
    status_en: &'static str,
    detail_zh: &'a str,
    detail: &'a str,
    code: &'a str,
}

struct ReasonRow<'a> {
    words: &'static Words,
    code: &'a str,
    detail: &'a str,
    sub_indication: &'a str,
    verdict: Verdict,
}

struct SignatureCard<'a> {
    number: usize,
    id: &'a str,
    kind: &'a str,
    verdict: Verdict,
    seal: Option<&'a Seal>,
    signer: Option<&'a Certificate>,
    maker: Option<&'a Certificate>,
    claimed_time: Option<&'a str>,
    axes: Vec<AxisRow<'a>>,
    reasons: Vec<ReasonRow<'a>>,
    uncovered: &'a [String],
}

struct Mark {
    left: String,
    top: String,
    width: String,
    height: String,
    label_y: String,
    label: String,
    class: &'static str,
}

struct PageRow<'a> {
    number: usize,
    width: String,
    height: String,
    picture: String,
    marks: Vec<Mark>,
    unsupported: &'a [String],
}

/// The page of one report.
#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct ReportPage<'a> {
    large: bool,
    view: &'a View,
    verdict: Verdict,
    told: Told,
    cards: Vec<SignatureCard<'a>>,
    pages: Vec<PageRow<'a>>,
    more_pages: usize,
    no_preview: Option<&'a str>,
    file_sm3: &'a str,
    json: String,
    /// Signed reports are offered.
    signs: bool,
    /// It carries its style, and leads nowhere.
    alone: bool,
}

/// The page of a report that stands alone: one file, whole without scripts and without any address.
///
/// # Errors
/// `json` is no report, or the page cannot be written.
pub fn standalone(json: &[u8], file_sm3: &str, preview: Option<&Preview>) -> Result<String, StandaloneError> {
    let view = View::read(json)?;
    let page = ReportPage { alone: true, ..ReportPage::new(&view, json, file_sm3, preview, false) };
    Ok(page.render()?)
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandaloneError {
    /// What is to be shown is no report.
    #[error("the report cannot be read")]
    Report(#[from] serde_json::Error),
    /// The page cannot be written.
    #[error("the page cannot be written")]
    Page(#[from] askama::Error),
}

fn axis_row<'a>((name_zh, name_en): (&'static str, &'static str), axis: &'a Axis) -> AxisRow<'a> {
    let (class, sign) = match axis.status.as_str() {
        "ok" => ("passed", "✓"),
        "failed" => ("failed", "✕"),
        "warning" => ("unknown", "!"),
        "not_applicable" => ("none", "–"),
        _ => ("unknown", "?"),
    };
    let [status_zh, status_en] = words::status(&axis.status);
    let Axis { code, detail, detail_zh, .. } = axis;
    AxisRow { class, sign, name_zh, name_en, status_zh, status_en, detail_zh, detail, code }
}

impl<'a> SignatureCard<'a> {
    fn new(number: usize, signature: &'a Signature) -> Self {
        let Signature {
            intact, signature: value, seal, trusted, time, revocation, coverage, algorithm, logged, ..
        } = signature;
        let axes = [intact, value, seal, trusted, time, revocation, coverage, algorithm, logged];
        let reason = |reason: &'a Reason| ReasonRow {
            words: meaning(&reason.code, reason.sub_indication.as_deref()),
            code: &reason.code,
            detail: &reason.detail,
            sub_indication: reason.sub_indication.as_deref().unwrap_or_default(),
            verdict: verdict_of(&reason.indication),
        };
        Self {
            number,
            id: &signature.id,
            kind: &signature.kind,
            verdict: verdict_of(&signature.indication),
            seal: signature.seal_summary.as_ref(),
            signer: signature.signer.as_ref(),
            maker: signature.maker.as_ref(),
            claimed_time: signature.details.claimed_time.as_deref(),
            axes: words::AXES.into_iter().zip(axes).map(|(name, axis)| axis_row(name, axis)).collect(),
            reasons: signature.reasons.iter().map(reason).collect(),
            uncovered: signature.details.uncovered.as_deref().unwrap_or_default(),
        }
    }
}

/// What the whole file's verdict means.
fn told(view: &View) -> Told {
    let worst = view.signatures.iter().find(|signature| signature.indication == view.indication);
    let worst = worst.map(|worst| (worst.code.as_str(), worst.sub_indication.as_deref()));
    let mut told = Told::of(words::of_file(&view.indication, worst));
    if let Some(refused) = &view.error {
        told.meaning_en.push_str(&format!(" ({}: {}; {})", refused.code, refused.detail, refused.clause));
    }
    told
}

fn decimal(value: f64) -> String {
    format!("{value:.2}")
}

fn page_rows<'a>(preview: &'a Preview, view: &View) -> Vec<PageRow<'a>> {
    let row = |page: &'a crate::service::door::PreviewPage| PageRow {
        number: page.number,
        width: decimal(page.width_mm),
        height: decimal(page.height_mm),
        picture: STANDARD.encode(&page.svg),
        marks: page
            .stamps
            .iter()
            .map(|stamp| {
                let found = (1_usize..).zip(&view.signatures).find(|(_, signature)| signature.id == stamp.signature);
                let (label, class) = match found {
                    Some((number, signature)) => (format!("签章 {number}"), verdict_of(&signature.indication).class),
                    None => ("未列出的签章".to_owned(), "unknown"),
                };
                Mark {
                    left: decimal(stamp.x_mm),
                    top: decimal(stamp.y_mm),
                    width: decimal(stamp.width_mm),
                    height: decimal(stamp.height_mm),
                    label_y: decimal((stamp.y_mm - 1.0).max(4.0)),
                    label,
                    class,
                }
            })
            .collect(),
        unsupported: &page.unsupported,
    };
    preview.pages.iter().map(row).collect()
}

impl<'a> ReportPage<'a> {
    /// The page of this report; `json` is the report itself, offered for keeping.
    pub(crate) fn new(
        view: &'a View,
        json: &[u8],
        file_sm3: &'a str,
        preview: Option<&'a Preview>,
        large: bool,
    ) -> Self {
        let pages = preview.map(|preview| page_rows(preview, view)).unwrap_or_default();
        let more_pages = preview.map_or(0, |preview| preview.page_count.saturating_sub(pages.len()));
        let cards = (1_usize..).zip(&view.signatures).map(|(number, signature)| SignatureCard::new(number, signature));
        Self {
            large,
            view,
            verdict: verdict_of(&view.indication),
            told: told(view),
            cards: cards.collect(),
            pages,
            more_pages,
            no_preview: preview.and_then(|preview| preview.refused.as_deref()),
            file_sm3,
            json: STANDARD.encode(json),
            signs: false,
            alone: false,
        }
    }

    /// The same, with signed reports offered or not.
    pub(crate) fn with_signed_reports(self, signs: bool) -> Self {
        Self { signs, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::door::{PreviewPage, PreviewStamp};

    const JSON: &str = r#"{"file":"a<b>.ofd","indication":"TOTAL_FAILED","signatures":[
        {"id":"s1","kind":"ses-v4","indication":"TOTAL_FAILED","sub_indication":"SIG_CRYPTO_FAILURE","code":"seal-signature-wrong",
         "seal":{"status":"failed","code":"seal-signature-wrong","detail":"x"},
         "seal_summary":{"es_id":"1","name":"\u202e章<script>"},
         "reasons":[{"indication":"TOTAL_FAILED","sub_indication":"SIG_CRYPTO_FAILURE","code":"seal-signature-wrong","detail":"d"}]}],
        "trust":{"anchors":1,"sm3":"0","notice":null},"verified_at":"2026-01-01T00:00:00Z"}"#;

    fn drawn(preview: Option<&Preview>) -> String {
        let view = View::read(JSON.as_bytes()).unwrap();
        ReportPage::new(&view, JSON.as_bytes(), "ab", preview, false).render().unwrap()
    }

    #[test]
    fn a_page_says_what_is_wrong_in_both_languages_and_escapes_what_strangers_wrote() {
        let text = drawn(None);
        for wanted in [
            "验证不通过",
            "Not valid",
            "印章是伪造的",
            "The seal is forged",
            "GB/T 38540-2020 6; GM/T 0031-2014",
            "a&#60;b&#62;.ofd",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
        // JSON's own escape is a character by then.
        assert!(!text.contains('\u{202e}'), "{text}");
        assert_eq!(text.matches("<tr>").count(), 10, "a head and nine axes");
        assert!(!text.contains("<form") && !text.contains("签名报告"), "no report key: {text}");
        let view = View::read(JSON.as_bytes()).unwrap();
        let page = ReportPage::new(&view, JSON.as_bytes(), "ab", None, false).with_signed_reports(true);
        let text = page.render().unwrap();
        assert!(text.contains("<form") && text.contains("签名报告") && text.contains("A signed report"), "{text}");
    }

    #[test]
    fn a_page_that_stands_alone_refers_to_nothing() {
        let preview = Preview { pages: Vec::new(), page_count: 0, refused: None };
        let text = standalone(JSON.as_bytes(), "ab", Some(&preview)).unwrap();
        assert_eq!(text, standalone(JSON.as_bytes(), "ab", Some(&preview)).unwrap());
        assert!(text.contains("<style>:root {") && text.contains("sha256-"), "{text}");
        for left_out in ["<script", "<link", "href=\"/", "src=\"/", "<header", "<button"] {
            assert!(!text.contains(left_out), "{left_out}: {text}");
        }
        assert!(text.contains("印章是伪造的") && text.contains("data:application/json;base64,"), "{text}");
        assert!(matches!(standalone(b"1", "ab", None), Err(StandaloneError::Report(_))));
    }

    #[test]
    fn stamps_are_marked_and_bear_the_colour_of_their_signature() {
        let stamp = |signature: &str| PreviewStamp {
            signature: signature.to_owned(),
            x_mm: 1.0,
            y_mm: 2.0,
            width_mm: 3.0,
            height_mm: 4.5,
        };
        let page = PreviewPage {
            number: 1,
            width_mm: 210.0,
            height_mm: 297.0,
            svg: "<svg/>".to_owned(),
            stamps: vec![stamp("s1"), stamp("s9")],
            unsupported: vec!["object-unknown <x> × 1".to_owned()],
        };
        let preview = Preview { pages: vec![page], page_count: 3, refused: None };
        let text = drawn(Some(&preview));
        assert!(text.contains(r#"<rect class="mark failed" x="1.00" y="2.00" width="3.00" height="4.50"/>"#), "{text}");
        assert!(text.contains(r#"<rect class="mark unknown""#) && text.contains("未列出的签章"), "{text}");
        assert!(text.contains("data:image/svg+xml;base64,PHN2Zy8+") && text.contains("2 more pages"), "{text}");
        assert!(text.contains("object-unknown &#60;x&#62;"), "{text}");
    }
}
