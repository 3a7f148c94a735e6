//! The door to persons who sign: who asks is a registered caller, who states who the person is.

use crate::base::id::RequestId;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit;
use crate::service::door::SignedDocument;
use crate::service::person_signings::{self, Means, PersonOrder};
use crate::service::seal_desk::SealDesk;
use crate::service::stamping::Stamping;
use crate::service::{Error, Services};

/// A file that a person signs.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonDocument {
    /// As the log of the program's work may name it.
    pub file_name: String,
    /// What is asked for.
    pub order: PersonOrder,
    /// This request.
    pub request_id: RequestId,
}

/// A person signs a file.
///
/// # Errors
/// As [`person_signings::sign`].
pub(in crate::service) async fn sign(
    services: &Services,
    (desk, stamping): (&SealDesk, Option<&Stamping>),
    by: &audit::Actor,
    request: PersonDocument,
) -> Result<SignedDocument, Error> {
    let means = Means { profiles: desk.profiles(), stamping };
    let signed = person_signings::sign(services, means, (by, Some(&request.request_id)), request.order).await?;
    Ok(SignedDocument {
        signature: signed.signature,
        document_sm3: hex(&sm3(&signed.document)),
        document: signed.document,
        signed_at: signed.signed_at,
    })
}
