//! In which form something is answered, chosen by Accept (RFC 9110 12.5.1). A certificate: JSON around it, DER or PEM.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::service::verification::pem_of;

const DER: &str = "application/pkix-cert";
const PEM: &str = "application/pem-certificate-chain";

/// The form that is most welcome: by its weight, then by where it was named, then by its place here. The first where
/// nothing is said, none where none of them is welcome.
pub(crate) fn most_welcome<F: Copy>(headers: &HeaderMap, forms: &[(F, &str)]) -> Option<F> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return forms.first().map(|(form, _)| *form);
    }
    let text = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let ranges: Vec<(&str, u16)> = text.split(',').filter_map(range).collect();
    let named = forms.iter().filter_map(|(form, media_type)| Some((form, naming(&ranges, media_type)?)));
    let welcome = named.filter(|(_, (weight, _))| *weight > 0);
    welcome.min_by_key(|(_, (weight, place))| (std::cmp::Reverse(*weight), *place)).map(|(form, _)| *form)
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

/// The range that names a media type most exactly: its weight and its place.
fn naming(ranges: &[(&str, u16)], media_type: &str) -> Option<(u16, usize)> {
    let all = media_type.split_once('/').map(|(kind, _)| format!("{kind}/*")).unwrap_or_default();
    let places = [media_type, &all, "*/*"].map(|name| ranges.iter().position(|(range, _)| *range == name));
    let place = places.into_iter().flatten().next()?;
    ranges.get(place).map(|(_, weight)| (*weight, place))
}

/// In which form a certificate is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Der,
    Pem,
}

impl Form {
    /// The most welcome form; JSON where none of them is named.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let forms = [(Self::Json, "application/json"), (Self::Der, DER), (Self::Pem, PEM)];
        most_welcome(headers, &forms).unwrap_or(Self::Json)
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
    fn the_most_welcome_form_is_given() {
        assert_eq!(wanted(&[]), Form::Json);
        assert_eq!(wanted(&["text/html, application/pkix-cert;q=0.5"]), Form::Der);
        assert_eq!(wanted(&["text/html", "Application/PEM-certificate-chain"]), Form::Pem);
        assert_eq!(wanted(&["*/*, application/pkix-cert"]), Form::Json);
        assert_eq!(wanted(&["application/pkix-cert, */*"]), Form::Der);
        assert_eq!(wanted(&["application/pkix-cert;q=0.5, application/pem-certificate-chain"]), Form::Pem);
        assert_eq!(wanted(&["text/html"]), Form::Json);
    }
}
