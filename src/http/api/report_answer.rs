//! In which form a report is answered: JSON, a page, or signed.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::http::api::accept::most_welcome;
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
        most_welcome(headers, &Self::ALL.map(|form| (form, form.media_type()))).ok_or_else(|| {
            let known = Self::ALL.map(Self::media_type).join(", ");
            Problem::new(Code::NotAcceptable, format!("Reports come as {known}."))
        })
    }
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
