//! In which form a report is answered: JSON, a page, or signed; chosen by Accept (RFC 9110 12.5.1).

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::http::door::Door;
use crate::http::pages::report::standalone;
use crate::http::pages::standalone_page;
use crate::http::problem::{Code, Problem};
use crate::service::door::{Actor, VerifyDocument};
use crate::service::signed_reports::Form;
use crate::service::verification::sm3_hex;

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportForm {
    Json,
    Html,
    Signed(Form),
}

impl ReportForm {
    /// In the order in which one is chosen where several are equally welcome.
    const ALL: [Self; 5] =
        [Self::Json, Self::Html, Self::Signed(Form::Jws), Self::Signed(Form::Cms), Self::Signed(Form::Ofd)];

    /// Its media type without parameters.
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html",
            Self::Signed(Form::Jws) => "application/jose",
            Self::Signed(Form::Cms) => "application/pkcs7-mime",
            Self::Signed(Form::Ofd) => "application/ofd",
        }
    }

    /// The most welcome form; JSON where nothing is said.
    ///
    /// # Errors
    /// `not-acceptable`: none of them is welcome.
    pub(crate) fn wanted(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self::Json);
        }
        let text = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let ranges: Vec<(&str, u16)> = text.split(',').filter_map(range).collect();
        let welcome = Self::ALL.into_iter().map(|form| (form, weight(&ranges, form.media_type())));
        // The first of the greatest.
        let best = welcome.fold(None, |best: Option<(Self, u16)>, (form, weight)| match best {
            Some((_, most)) if most >= weight => best,
            _ => Some((form, weight)),
        });
        best.filter(|(_, weight)| *weight > 0).map(|(form, _)| form).ok_or_else(|| {
            let known = Self::ALL.map(Self::media_type).join(", ");
            Problem::new(Code::NotAcceptable, format!("Reports come as {known}."))
        })
    }
}

/// A media range and its weight in thousandths; nothing for an empty item.
fn range(item: &str) -> Option<(&str, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
    Some((name, weight))
}

/// `qvalue` (RFC 9110 12.4.2); what is none counts as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|octet| octet.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1000,
        "0" => format!("{rest:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// How welcome a media type is, by the range that names it most exactly.
fn weight(ranges: &[(&str, u16)], media_type: &str) -> u16 {
    let all = media_type.split_once('/').map(|(kind, _)| format!("{kind}/*")).unwrap_or_default();
    let named = |name: &str| ranges.iter().find(|(range, _)| *range == name).map(|(_, weight)| *weight);
    named(media_type).or_else(|| named(&all)).or_else(|| named("*/*")).unwrap_or(0)
}

/// The media type of a signed report, with its parameters.
pub(crate) const fn signed_type(form: Form) -> &'static str {
    match form {
        Form::Cms => "application/pkcs7-mime; smime-type=signed-data",
        Form::Jws | Form::Ofd => ReportForm::Signed(form).media_type(),
    }
}

/// Verifies the document and writes the answer in that form.
pub(crate) async fn answer(
    door: &dyn Door,
    actor: &Actor,
    document: VerifyDocument,
    form: ReportForm,
) -> Result<Response, Problem> {
    let (kind, body) = match form {
        ReportForm::Json => (form.media_type(), door.verify(actor, document).await?),
        ReportForm::Html => {
            let file = document.document.clone();
            let (json, sm3) = (door.verify(actor, document).await?, sm3_hex(&file));
            let preview = door.preview(file).await?;
            let text = standalone(&json, &sm3, preview.as_ref()).map_err(|broken| Problem::internal(&broken))?;
            return Ok(standalone_page(text));
        }
        ReportForm::Signed(signed) => (signed_type(signed), door.verify_signed(actor, document, signed).await?),
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&str]) -> Result<ReportForm, &'static str> {
        let headers = accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect();
        ReportForm::wanted(&headers).map_err(|problem| problem.code())
    }

    #[test]
    fn the_most_welcome_form_is_given() {
        let (jws, ofd) = (ReportForm::Signed(Form::Jws), ReportForm::Signed(Form::Ofd));
        assert_eq!(wanted(&[]), Ok(ReportForm::Json));
        assert_eq!(wanted(&["*/*"]), Ok(ReportForm::Json));
        assert_eq!(wanted(&["text/html,application/xhtml+xml,*/*;q=0.8"]), Ok(ReportForm::Html));
        assert_eq!(wanted(&["Application/JOSE"]), Ok(jws));
        assert_eq!(wanted(&["application/json;q=0.2", "application/ofd; q=0.75"]), Ok(ofd));
        assert_eq!(wanted(&["application/*, application/json;q=0"]), Ok(jws));
        let cms = ReportForm::Signed(Form::Cms);
        assert_eq!(wanted(&["application/pkcs7-mime; smime-type=signed-data"]), Ok(cms));
    }

    #[test]
    fn forms_that_nobody_offers_are_refused() {
        for accept in ["text/plain", "", "application/json;q=0", "application/json;q=2", "*/*;q=0.0001"] {
            assert_eq!(wanted(&[accept]), Err("not-acceptable"), "{accept}");
        }
    }
}
