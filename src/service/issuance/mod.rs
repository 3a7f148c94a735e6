//! Issuing certificates in groups: orders that wait at the same time share their two transactions.
//!
//! One task takes the orders. Each group of one authority goes on by itself, a few of them at a time: while one group is
//! committed the next is prepared and signed.

pub(in crate::service) mod batch;
pub(in crate::service) mod issuer;
pub mod orders;
pub(in crate::service) mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId, CallerId, JobId, KeyId, RequestId, SealId};
use crate::base::random::{Random, RandomUnavailable, array};
use crate::domain::audit::Actor;
use crate::domain::ca::Profiles;
use crate::domain::ca::identity::IdentityValue;
use crate::domain::ca::possession::Asked;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::KeyPurpose;
use crate::format::keys::read_pem;
use crate::service::{Error, Services};

/// Certificates that share one commit.
const MOST_IN_BATCH: usize = 256;
/// Orders that may wait; more are refused at once.
const MOST_WAITING: usize = 1024;
/// Groups at work at the same time: one that commits, one that signs, one that is prepared.
const GROUPS: usize = 3;

/// What the certificate is to say.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A request of PKCS#10 in DER; its signature proves that the applicant holds the key.
    Request {
        /// The request.
        csr: Vec<u8>,
        /// Stands in for the subject of the request, where somebody else knows better.
        subject: Option<Attributes>,
    },
    /// A request whose applicant was identified elsewhere.
    Identified {
        /// The request.
        csr: Vec<u8>,
        /// Stands in for the subject of the request, where somebody else knows better.
        subject: Option<Attributes>,
        /// Numbers of identity; those of the request do not count.
        identity: Vec<IdentityValue>,
    },
    /// What was decided elsewhere. Whoever orders this has seen to it that the subject holds the key.
    Decided {
        /// What is asked for.
        asked: Asked,
        /// The key, where it is one of ours.
        key: Option<KeyId>,
    },
    /// A certificate for a unit of the installation itself, whose key is in the key store: it is found again by its role.
    Unit {
        /// What is asked for.
        asked: Asked,
        /// Its key.
        key: KeyId,
        /// What it does here.
        role: UnitRole,
    },
}

/// What a unit of the installation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitRole {
    /// Signs OCSP answers of the authority that issues its certificate.
    Responder,
    /// Makes time stamps.
    TimeStamping,
    /// Signs reports of verifications.
    Report,
    /// Makes seals.
    SealMaker,
    /// Signs messages on the order of one caller.
    Message,
}

impl UnitRole {
    /// The role of its row among the certificates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Responder => "ocsp-responder",
            Self::TimeStamping => "tsa",
            Self::Report => "report-signer",
            Self::SealMaker => "seal-maker",
            Self::Message => "message-signer",
        }
    }

    /// The built-in profile of its certificate.
    #[must_use]
    pub const fn profile(self) -> &'static str {
        self.name()
    }

    /// What its key is for.
    #[must_use]
    pub const fn purpose(self) -> KeyPurpose {
        match self {
            Self::Responder => KeyPurpose::Ocsp,
            Self::TimeStamping => KeyPurpose::TimeStamping,
            Self::Report => KeyPurpose::Report,
            Self::SealMaker => KeyPurpose::SealMaking,
            Self::Message => KeyPurpose::Message,
        }
    }
}

/// An order for one certificate.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who issues.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// What is asked for.
    pub wanted: Wanted,
    /// Start of validity; now where nothing is told.
    pub not_before: Option<Timestamp>,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// The digest of the transaction, for event certificates.
    pub transaction: Option<[u8; 32]>,
    /// Who orders.
    pub actor: Actor,
    /// In which request.
    pub request: Option<RequestId>,
    /// What is completed in the transaction that keeps the certificate.
    pub completes: Option<Completion>,
}

/// What waits for a certificate, and learns of it in the transaction that keeps it: both are there, or neither.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// A reserved idempotency key: the certificate's SM3 becomes its answer.
    IdempotencyKey(CallerId, String),
    /// An approved request: it is ended.
    Application(ApplicationId),
    /// An approved application for a seal: the certificate is that of the seal's signer.
    SealApplication(ApplicationId),
    /// A seal that an order re-makes: the certificate is that of its successor's signer.
    SealRemake(SealId),
    /// A row of a job.
    JobRow {
        /// The job.
        job: JobId,
        /// The row's place in it, from 1.
        index: u32,
        /// The lease under which the row was taken: nothing is kept under one that was lost.
        lease: i64,
        /// Whether officers agreed to the job. It is asked again where the certificate is kept.
        approved: bool,
    },
}

/// A certificate that is kept and logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// SM3 of the certificate in DER: its name here.
    pub sm3: [u8; 32],
    /// Its serial number.
    pub serial: [u8; 16],
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

/// An order, and where its answer goes.
struct Queued {
    order: Order,
    answer: oneshot::Sender<Result<Issued, Error>>,
}

impl Queued {
    fn refuse(self, error: Error) {
        // Nobody may wait for it any more.
        let _ = self.answer.send(Err(error));
    }
}

/// Where certificates are ordered. The task behind it ends with the last clone.
#[derive(Debug, Clone)]
pub struct Issuance {
    orders: mpsc::Sender<Queued>,
    profiles: Arc<Profiles>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queued").field("order", &self.order).finish_non_exhaustive()
    }
}

impl Issuance {
    /// Starts the task that issues under these profiles. Wants a runtime.
    #[must_use]
    pub fn start(services: Services, profiles: Arc<Profiles>) -> Self {
        let (orders, taken) = mpsc::channel(MOST_WAITING);
        tokio::spawn(take(Arc::new(services), Arc::clone(&profiles), taken));
        Self { orders, profiles }
    }

    /// The profiles under which it issues.
    pub(in crate::service) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Issues a certificate: when it is given, it and its event are durable.
    ///
    /// Whoever stops waiting does not stop the issuing.
    ///
    /// # Errors
    /// [`Error::IssuanceBusy`]: too many wait; the exact reason why this order is refused; what befell its group, as
    /// [`Error::Shared`].
    pub async fn issue(&self, order: Order) -> Result<Issued, Error> {
        let (answer, answered) = oneshot::channel();
        self.orders.try_send(Queued { order, answer }).map_err(|_| Error::IssuanceBusy)?;
        answered.await.map_err(|_| Error::Interrupted)?
    }
}

/// Takes what waits, in groups by authority.
async fn take(services: Arc<Services>, profiles: Arc<Profiles>, mut taken: mpsc::Receiver<Queued>) {
    let places = Arc::new(Semaphore::new(GROUPS));
    loop {
        // Before orders are taken: while all groups are at work, what comes joins the next one.
        let Ok(free) = Arc::clone(&places).acquire_owned().await else { return };
        let mut waiting = Vec::new();
        if taken.recv_many(&mut waiting, MOST_IN_BATCH).await == 0 {
            return;
        }
        // A job that was paused loses its whole group; nobody else's order is in it.
        let mut groups = BTreeMap::<(AuthorityId, Option<JobId>), Vec<Queued>>::new();
        for queued in waiting {
            let job = match &queued.order.completes {
                Some(Completion::JobRow { job, .. }) => Some(job.clone()),
                _ => None,
            };
            groups.entry((queued.order.authority.clone(), job)).or_default().push(queued);
        }
        let mut free = Some(free);
        for ((authority, _), group) in groups {
            let place = match free.take() {
                Some(place) => place,
                None => match Arc::clone(&places).acquire_owned().await {
                    Ok(place) => place,
                    Err(_) => return,
                },
            };
            let (services, profiles) = (Arc::clone(&services), Arc::clone(&profiles));
            tokio::spawn(async move {
                let _kept = place;
                batch::issue(&services, &profiles, &authority, group).await;
            });
        }
    }
}

/// A new serial number: 126 random bits, always sixteen octets and positive (RFC 5280 4.1.2.2).
pub(in crate::service) fn serial(random: &dyn Random) -> Result<[u8; 16], RandomUnavailable> {
    let mut serial: [u8; 16] = array(random)?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    Ok(serial)
}

/// The DER of a request in a file: PEM, or DER as it is.
#[must_use]
pub fn request_in(file: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(file).ok();
    let labelled = |label| text.and_then(|text| read_pem(text, label)).and_then(|found| found.into_iter().next());
    // The second label is what older programs write (RFC 7468 7).
    let found = labelled("CERTIFICATE REQUEST").or_else(|| labelled("NEW CERTIFICATE REQUEST"));
    found.unwrap_or_else(|| file.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    #[test]
    fn serial_numbers_are_positive_and_of_one_length() {
        for _ in 0..64 {
            let serial = serial(&SystemRandom).unwrap();
            assert!((0x40..0x80).contains(&serial[0]), "{serial:?}");
        }
        assert_eq!(serial(&DeadRandom), Err(RandomUnavailable));
    }

    #[test]
    fn requests_come_in_pem_of_either_label_or_in_der() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
            assert_eq!(request_in(pem(label).as_bytes()), [0x30, 0]);
        }
        assert_eq!(request_in(&[0x30, 0]), [0x30, 0]);
        let other = pem("CERTIFICATE");
        assert_eq!(request_in(other.as_bytes()), other.as_bytes());
    }
}
