//! The door to messages that are signed for callers, and to the keys by which they are.

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, RequestId};
use crate::crypto::digest::{hex, sm3};
use crate::domain::{audit, message};
use crate::format::x509::Certificate;
use crate::service::message_signings::{self, CallersKey, MessageOrder, SignedMessage};
use crate::service::stamping::Stamping;
use crate::service::verification::pem_of;
use crate::service::{Error, Services};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageRequest {
    /// Which keys the caller has here.
    Keys,
    /// Sign a message by one of them.
    Sign {
        /// What.
        order: MessageOrder,
        /// This request.
        request_id: RequestId,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageAnswer {
    /// The caller's keys, the newest first.
    Keys(Vec<KeyFacts>),
    /// The message.
    Signed {
        /// The message.
        signed: SignedMessage,
        /// SM3 of it, hexadecimal.
        message_sm3: String,
    },
}

/// A key by which the caller has messages signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// Names it here.
    pub id: KeyId,
    /// Its algorithm, by its name.
    pub algorithm: &'static str,
    /// Its state, by its name.
    pub state: &'static str,
    /// Whether messages are signed by it now.
    pub is_usable: bool,
    /// The subject of its certificate.
    pub subject: String,
    /// Start of the certificate's validity.
    pub not_before: Timestamp,
    /// End of the certificate's validity.
    pub not_after: Timestamp,
    /// SM3 of the certificate in DER, hexadecimal.
    pub certificate_sm3: String,
    /// The certificate and those above it, without the root; PEM.
    pub certificates: String,
}

fn facts(known: CallersKey) -> Result<KeyFacts, Error> {
    let own = known.certificates.first().ok_or(message::Error::Certificate)?;
    let certificate = Certificate::parse(own).map_err(|_| message::Error::Certificate)?;
    Ok(KeyFacts {
        id: known.key.id.clone(),
        algorithm: known.key.attributes.algorithm.name(),
        state: known.key.state.name(),
        is_usable: known.is_usable,
        subject: certificate.subject.display(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        certificate_sm3: hex(&sm3(own)),
        certificates: known.certificates.iter().map(|der| pem_of(der)).collect(),
    })
}

/// Answers a caller.
///
/// # Errors
/// As [`message_signings::list`] and [`message_signings::sign`].
pub(in crate::service) async fn ask(
    services: &Services,
    stamping: Option<&Stamping>,
    by: &audit::Actor,
    request: MessageRequest,
) -> Result<MessageAnswer, Error> {
    match request {
        MessageRequest::Keys => {
            let known = message_signings::list(services, by).await?;
            Ok(MessageAnswer::Keys(known.into_iter().map(facts).collect::<Result<_, _>>()?))
        }
        MessageRequest::Sign { order, request_id } => {
            let signed = message_signings::sign(services, stamping, (by, Some(&request_id)), order).await?;
            let message_sm3 = hex(&sm3(&signed.message));
            Ok(MessageAnswer::Signed { signed, message_sm3 })
        }
    }
}
