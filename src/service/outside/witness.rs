//! Witnesses of the audit log are asked for cosignatures, and for what they saw last (C2SP tlog-witness).

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use rustls::ClientConfig;

use crate::crypto::digest::{hex, sha256};
use crate::domain::verify::address::Address;
use crate::format::tlog::MAX_NOTE;
use crate::format::tlog::submission::read_size;
use crate::service::outside::reach::SystemResolver;
use crate::service::outside::web::{Error, Patience, Question, Web};

/// For one question.
const PATIENCE: Patience = Patience { connection: Duration::from_secs(2), whole: Duration::from_secs(5) };

/// What a witness answered to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// Signature lines.
    Cosigned(Vec<u8>),
    /// It cosigned a checkpoint of that size last: the proof has to lead from there.
    Stale(u64),
    /// It refuses: the checkpoint is no continuation of what it saw.
    Inconsistent,
}

/// Asks one witness.
#[derive(Clone)]
pub struct WitnessClient {
    web: Web,
    address: Address,
}

impl WitnessClient {
    /// The witness there; its server is believed by these authorities where the address is one of https.
    #[must_use]
    pub fn new(address: Address, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { web: Web { resolver: Arc::new(SystemResolver), tls, patience: PATIENCE }, address }
    }

    /// Submits a checkpoint.
    ///
    /// # Errors
    /// No answer, or one that the protocol does not know.
    pub async fn submit(&self, body: String) -> Result<Submitted, Error> {
        let body = Some(("text/plain; charset=utf-8", body.into_bytes()));
        let question = Question { address: self.below("add-checkpoint"), body, most: MAX_NOTE };
        let known = [StatusCode::OK, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];
        let (status, octets) = self.web.reply(question, &known).await?;
        Ok(match status {
            StatusCode::OK => Submitted::Cosigned(octets),
            StatusCode::CONFLICT => {
                Submitted::Stale(read_size(&octets).map_err(|_| Error::Status(StatusCode::CONFLICT.as_u16()))?)
            }
            _ => Submitted::Inconsistent,
        })
    }

    /// The checkpoint of that origin that it cosigned last; none where it never did.
    ///
    /// # Errors
    /// No answer.
    pub async fn latest(&self, origin: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("{}/checkpoint", hex(&sha256(origin.as_bytes())));
        let question = Question { address: self.below(&name), body: None, most: MAX_NOTE };
        let (status, octets) = self.web.reply(question, &[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
        Ok((status == StatusCode::OK).then_some(octets))
    }

    fn below(&self, name: &str) -> Address {
        let target = format!("{}/{name}", self.address.target.trim_end_matches('/'));
        Address { target, ..self.address.clone() }
    }
}
