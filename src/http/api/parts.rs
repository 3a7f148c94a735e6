//! Reads the multipart form (RFC 7578) of an application for a seal: what is asked for, its documents, its picture.

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request};

use crate::http::App;
use crate::http::api::form::{media_type, missing};
use crate::http::problem::{Code, Problem};
use crate::service::seal_applications::{MOST_DOCUMENT, MOST_PICTURE};

/// Octets of the JSON of an application.
const MOST_APPLICATION: usize = 64 << 10;
/// Documents of an application, and one more, which is refused by its own code.
const MOST_DOCUMENTS: usize = 33;

/// A form that was read.
#[derive(Debug)]
pub(crate) struct Parts {
    /// JSON.
    pub(crate) application: Vec<u8>,
    pub(crate) picture: Option<Vec<u8>>,
    /// In the order in which they came.
    pub(crate) documents: Vec<Vec<u8>>,
}

impl Parts {
    /// Reads a form of one `application`, at most one `picture`, and `document` parts.
    pub(crate) async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        if media_type(request.headers()) != "multipart/form-data" {
            return Err(Problem::new(Code::ContentTypeRefused, "Send multipart/form-data."));
        }
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::new(Code::BodyMalformed, "The form has no boundary."))?;
        let (mut application, mut picture, mut documents) = (None, None, Vec::new());
        while let Some(part) = form.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            let repeated = || Problem::new(Code::FieldRepeated, format!("{name} appears twice."));
            match name.as_str() {
                "application" if application.is_some() => return Err(repeated()),
                "application" => application = Some(content(part, MOST_APPLICATION).await?),
                "picture" if picture.is_some() => return Err(repeated()),
                "picture" => picture = Some(content(part, MOST_PICTURE).await?),
                "document" if documents.len() < MOST_DOCUMENTS => {
                    documents.push(content(part, MOST_DOCUMENT.min(app.settings.file_bytes)).await?);
                }
                "document" => {
                    return Err(Problem::new(Code::TooManyFiles, "An application brings at most 32 documents."));
                }
                _ => {
                    let detail = "The form has a field that this endpoint does not know.";
                    return Err(Problem::new(Code::FieldUnknown, detail));
                }
            }
        }
        Ok(Self { application: application.ok_or_else(|| missing("application"))?, picture, documents })
    }
}

async fn content(mut part: Field<'_>, most: usize) -> Result<Vec<u8>, Problem> {
    let mut octets = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(broken)? {
        if octets.len().saturating_add(piece.len()) > most {
            let name = part.name().unwrap_or_default();
            return Err(Problem::new(Code::TooLarge, format!("At most {most} bytes of one {name} are taken.")));
        }
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

fn broken<E>(_: E) -> Problem {
    Problem::new(Code::BodyMalformed, "The form cannot be read.")
}
