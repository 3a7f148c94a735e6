//! The door to seals whose key lies with the client: who asks is a registered caller, and a refusal for want of authority is
//! one that rules watch.

use crate::base::clock::Timestamp;
use crate::base::id::{RequestId, SealId, SignatureId};
use crate::crypto::digest::{hex, sm3};
use crate::service::door::{Actor, SignDocument, SignedDocument, UseCases as _};
use crate::service::front::Front;
use crate::service::seals::Order;
use crate::service::{Error, prepared_signings};

/// The route of the first step, as the access table names it.
const PREPARE: &str = "/api/v1/seals/{id}/signatures/prepared";
/// The route of the second step.
const COMPLETE: &str = "/api/v1/signatures/{id}/value";

/// The route of its end without a value.
const GIVE_UP: &str = "/api/v1/signatures/{id}";

/// One step of such a signing.
#[derive(Debug, Clone, PartialEq)]
pub enum SigningStep {
    /// Prepare it.
    Prepare {
        /// With that seal.
        seal: SealId,
        /// What is sealed, and for what.
        request: Box<SignDocument>,
    },
    /// Bring the client's value.
    Complete {
        /// The act of signing.
        signature: SignatureId,
        /// The value, DER or of fixed width.
        value: Vec<u8>,
        /// This request.
        request_id: RequestId,
    },
    /// Give it up: no value comes, and its use is given back.
    GiveUp {
        /// The act of signing.
        signature: SignatureId,
        /// This request.
        request_id: RequestId,
    },
}

impl SigningStep {
    /// Where it comes in: for the record of a refusal.
    const fn endpoint(&self) -> (&'static str, &'static str) {
        match self {
            Self::Prepare { .. } => ("POST", PREPARE),
            Self::Complete { .. } => ("POST", COMPLETE),
            Self::GiveUp { .. } => ("DELETE", GIVE_UP),
        }
    }
}

/// What a step answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningAnswer {
    /// What the client signs.
    Prepared(PreparedSignature),
    /// The sealed file.
    Signed(SignedDocument),
    /// It was given up.
    GivenUp,
}

/// What the client signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedSignature {
    /// Names the act of signing.
    pub signature: SignatureId,
    /// The octets to sign.
    pub to_sign: Vec<u8>,
    /// By which algorithm, by its name.
    pub algorithm: &'static str,
    /// Until when a value counts.
    pub expires_at: Timestamp,
}

/// Takes a step.
///
/// # Errors
/// [`Error::CallerNeeded`]; as `prepared_signings`.
pub(in crate::service) async fn take(front: &Front, actor: &Actor, step: SigningStep) -> Result<SigningAnswer, Error> {
    let by = front.caller(actor).await?;
    let services = &front.services;
    let (method, route) = step.endpoint();
    let done = match step {
        SigningStep::Prepare { seal, request } => {
            let SignDocument { document, plan, idempotency_key, request_id, purpose, .. } = *request;
            let order = Order { document, plan, idempotency_key: Some(idempotency_key), purpose };
            let done = prepared_signings::prepare(services, &by, Some(&request_id), &seal, order).await;
            done.map(|prepared| {
                SigningAnswer::Prepared(PreparedSignature {
                    signature: prepared.signature,
                    to_sign: prepared.to_sign,
                    algorithm: prepared.algorithm.name(),
                    expires_at: prepared.expires_at,
                })
            })
        }
        SigningStep::Complete { signature, value, request_id } => {
            let done = prepared_signings::complete(services, &by, Some(&request_id), (&signature, &value)).await;
            done.map(|sealed| {
                SigningAnswer::Signed(SignedDocument {
                    signature: sealed.signature,
                    document_sm3: hex(&sm3(&sealed.document)),
                    document: sealed.document,
                    signed_at: sealed.signed_at,
                })
            })
        }
        SigningStep::GiveUp { signature, request_id } => {
            let done = prepared_signings::give_up(services, &by, Some(&request_id), &signature).await;
            done.map(|()| SigningAnswer::GivenUp)
        }
    };
    if let Err(error @ (Error::Use(_) | Error::SealUnkept)) = &done {
        // Somebody reached for a seal without authority.
        front.record_refusal(actor, method, route, error.code()).await?;
    }
    done
}
