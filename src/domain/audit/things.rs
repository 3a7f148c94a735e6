//! Of which things an event speaks that somebody may hold and ask about: by their SM3.

use crate::domain::audit::body::EventBody;

impl EventBody {
    /// SM3 of each thing that came into being by this: a certificate, a seal, a signature, a document, a stamp, a report.
    /// Whoever holds one can ask for the proof that it is in the log.
    #[must_use]
    pub fn things(&self) -> Vec<[u8; 32]> {
        match self {
            Self::CertificateIssued { certificate_sm3, .. } => vec![*certificate_sm3],
            Self::SealIssued { seal_sm3, .. }
            | Self::SealTaken { seal_sm3, .. }
            | Self::SealReceived { seal_sm3, .. }
            | Self::SealImported { seal_sm3, .. } => vec![*seal_sm3],
            Self::DocumentSigned { signed_value_sm3, result_sm3, .. } => vec![*signed_value_sm3, *result_sm3],
            Self::PersonSigned { seal_sm3, signed_value_sm3, result_sm3, .. } => {
                vec![*seal_sm3, *signed_value_sm3, *result_sm3]
            }
            Self::MessageSigned { signed_value_sm3, result_sm3, .. } => vec![*signed_value_sm3, *result_sm3],
            Self::ReportSigned { result_sm3, .. } => vec![*result_sm3],
            Self::CrlIssued { crl_sm3, .. } => vec![*crl_sm3],
            Self::AuthorityCrossed { certificate_sm3, .. } => vec![*certificate_sm3],
            // Each is 16 octets of a serial number, then SM3 of the token.
            Self::TimeStampsIssued { items, .. } => {
                let (items, _) = items.as_chunks::<48>();
                items.iter().filter_map(|item| item.last_chunk().copied()).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_by_their_tokens_and_seals_by_themselves() {
        let items = [[1; 48], [2; 48]].concat();
        let body = EventBody::TimeStampsIssued { certificate_sm3: [9; 32], items };
        assert_eq!(body.things(), [[1; 32], [2; 32]]);
        let seal = crate::base::id::SealId::parse("s").unwrap();
        let (seal_sm3, maker_sm3, certificate_sm3) = ([1; 32], [2; 32], [3; 32]);
        let body = EventBody::SealReceived { seal, seal_sm3, maker_sm3, certificate_sm3, signer: None };
        assert_eq!(body.things(), [[1; 32]]);
        let body = EventBody::AccessRefused { endpoint: "x".into(), code: "y".into() };
        assert_eq!(body.things(), Vec::<[u8; 32]>::new());
    }
}
