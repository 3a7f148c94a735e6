//! In which form a certificate is answered: JSON around it, DER or PEM.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::service::verification::pem_of;

const DER: &str = "application/pkix-cert";
const PEM: &str = "application/pem-certificate-chain";

/// In which form a certificate is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Der,
    Pem,
}

impl Form {
    /// The first form that Accept names and we know; JSON where it names none.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let named = values.flat_map(|value| value.split(',')).find_map(|item| {
            match item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "application/json" | "application/*" | "*/*" => Some(Self::Json),
                DER => Some(Self::Der),
                PEM => Some(Self::Pem),
                _ => None,
            }
        });
        named.unwrap_or(Self::Json)
    }

    /// The certificate itself, by its media type.
    pub(crate) fn file(self, der: Vec<u8>) -> Response {
        match self {
            Self::Pem => ([(header::CONTENT_TYPE, PEM)], pem_of(&der)).into_response(),
            Self::Json | Self::Der => ([(header::CONTENT_TYPE, DER)], der).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&str]) -> Form {
        Form::wanted(&accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect())
    }

    #[test]
    fn the_first_form_that_is_known_is_given() {
        assert_eq!(wanted(&[]), Form::Json);
        assert_eq!(wanted(&["text/html, application/pkix-cert;q=0.5"]), Form::Der);
        assert_eq!(wanted(&["text/html", "Application/PEM-certificate-chain"]), Form::Pem);
        assert_eq!(wanted(&["*/*, application/pkix-cert"]), Form::Json);
        assert_eq!(wanted(&["text/html"]), Form::Json);
    }
}
