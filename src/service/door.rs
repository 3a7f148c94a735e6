//! What the HTTPS door asks of the use cases, and the types that pass through it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{ApplicationId, AuthorityId, CallerId, JobId, RequestId, SealId, SignatureId};
use crate::domain::ca::job_approval::JobStep;
use crate::domain::seal::stamp_plan::StampPlan;
use crate::service::audit_log::desk::{LogAnswer, LogRequest};
use crate::service::certificate_status::Change;
use crate::service::inventory::Count;
use crate::service::issuance_jobs::desk::{JobAction, JobPage, JobRecord, ResultPage, ResultQuery};
use crate::service::message_desk::{MessageAnswer, MessageRequest};
use crate::service::person_desk::PersonDocument;
use crate::service::registration::NewRequest;
use crate::service::registration_desk::{DraftedRequest, RequestPage, RequestQuery, RequestRecord, RequestStep};
use crate::service::seal_desk::{SealAnswer, SealRequest};
use crate::service::seal_uses::UsePurpose;
use crate::service::signed_reports::Form;
use crate::service::signing_desk::{SigningAnswer, SigningStep};
use crate::service::trust_desk::{TrustListAnswer, TrustListStep};
use crate::service::verification_batches::{BatchRecord, BatchStep};
use crate::service::webhooks::desk::NoticeKey;

pub use crate::service::door_records::{
    AuthorityRecord, CertificatePage, CertificateQuery, CertificateRecord, EncryptionRecord, IssuedList,
    OrderCertificate, OrderedCertificate,
};
pub use crate::service::handed_in::HandedIn;
pub use crate::service::judging::SignedOriginal;
pub use crate::service::preview::{Preview, PreviewPage, PreviewStamp};
pub use crate::service::publication::IssuerForm;

/// What sort of refusal it is. The door turns it into a status, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing named does not exist, or not for this caller.
    NotFound,
    /// The caller may not do this.
    Forbidden,
    /// The present state, or an earlier request, forbids it.
    Conflict,
    /// The content was understood and refused.
    Refused,
    /// More than we take on.
    TooLarge,
    /// Something we stand on is down; try again.
    Unavailable,
    /// Our own fault.
    Internal,
}

/// A use case's error: a stable code, its kind, and plain English by `Display`.
///
/// The text of `Internal` and `Unavailable` goes to the log, never to the caller.
pub trait Refusal: std::error::Error + Send + Sync + 'static {
    /// Stable, kebab-case.
    fn code(&self) -> &'static str;
    /// Decides the status.
    fn kind(&self) -> ErrorKind;
}

/// How a caller proved to hold its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// The private key of a TLS client certificate (RFC 8446, 4.4.3; RFC 5246, 7.4.8).
    ClientCertificate,
    /// An HTTP message signature (RFC 9421).
    MessageSignature,
}

/// Who asks. An identity is a registered key, never an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The registered caller and how it proved that; `None` is a stranger on a public endpoint.
    pub caller: Option<(CallerId, Proof)>,
    /// This request, as in the log and the answer.
    pub request_id: RequestId,
    /// The address at the other end of the connection.
    pub peer: IpAddr,
}

/// The key that a caller registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerKey {
    /// The one signature algorithm this key may be used with, by its name in RFC 9421 (`ecdsa-p256-sha256`,
    /// `rsa-v1_5-sha256`, `rsa-pss-sha512`, `ed25519`) or `sm2-sm3`.
    pub algorithm: String,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
}

/// A registered caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCaller {
    /// Names it in the log and in audit events.
    pub id: CallerId,
    /// For people.
    pub name: String,
    /// What `policies/access.toml` asks for.
    pub roles: Vec<String>,
    /// Its key.
    pub key: CallerKey,
}

/// A file to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyDocument {
    /// As the report shall name it.
    pub file_name: String,
    /// The file.
    pub document: Vec<u8>,
    /// What it signs, where it is a detached signature.
    pub original: Option<SignedOriginal>,
    /// What may help, of this file and of others.
    pub evidence: HandedIn,
    /// Replaces *now*.
    pub at: Option<Timestamp>,
    /// A verification policy by name; `None` is the configured one.
    pub policy: Option<String>,
}

/// A file to seal.
#[derive(Debug, Clone, PartialEq)]
pub struct SignDocument {
    /// As the audit event shall name it.
    pub file_name: String,
    /// The file.
    pub document: Vec<u8>,
    /// Where the stamps go, and whether it is the last signature.
    pub plan: StampPlan,
    /// The same key with the same content gives the same answer; with other content it is a conflict.
    pub idempotency_key: String,
    /// This request.
    pub request_id: RequestId,
    /// What the seal is used for, with the second factor where one is presented.
    pub purpose: UsePurpose,
}

/// A sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDocument {
    /// Names the act of signing.
    pub signature: SignatureId,
    /// The file with its new signature.
    pub document: Vec<u8>,
    /// SM3 of `document`, hex.
    pub document_sm3: String,
    /// The time that the signature claims.
    pub signed_at: Timestamp,
}

/// How a seal stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealStatus {
    /// Names it in our database.
    pub id: SealId,
    /// The seal's number in the world: `esID` (GB/T 38540 6.2).
    pub es_id: String,
    /// The seal's name.
    pub name: String,
    /// Its state, an adjective.
    pub state: &'static str,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// Start of its validity.
    pub valid_from: Timestamp,
    /// End of its validity.
    pub valid_to: Timestamp,
    /// SM3 of its signer's certificate, hex.
    pub certificate_sm3: String,
}

/// Signed bytes that everybody may have and keep for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBytes {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Since when they are in force.
    pub this_update: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// How many seconds others may keep them, where that is less.
    pub most_age: Option<i64>,
    /// Names these bytes and no others.
    pub tag: String,
}

/// An OCSPResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OcspReply {
    /// Others may keep it.
    Kept(PublishedBytes),
    /// For this request alone.
    Once(Vec<u8>),
}

/// The use cases behind the HTTPS door. Implementations may write `async fn`.
pub trait UseCases: Send + Sync + 'static {
    /// What a use case fails with.
    type Error: Refusal;
    /// A verification report (product contract, section 2).
    type Report: serde::Serialize + Send;

    /// Verifies a file and records that it did.
    fn verify(
        &self,
        actor: &Actor,
        request: VerifyDocument,
    ) -> impl Future<Output = Result<Self::Report, Self::Error>> + Send;

    /// Verifies a file as [`Self::verify`] does, and gives the report signed by a key of this installation; records both.
    fn verify_signed(
        &self,
        actor: &Actor,
        request: VerifyDocument,
        form: Form,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;
    /// Whether a report key is at hand, so that [`Self::verify_signed`] can answer.
    fn signs_reports(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Takes a step with a batch of files to verify; gives it as it stands then, if there still is one.
    fn verification_batch(
        &self,
        actor: &Actor,
        step: BatchStep,
    ) -> impl Future<Output = Result<Option<BatchRecord>, Self::Error>> + Send;

    /// Takes a step with trust lists.
    fn trust_list_step(
        &self,
        actor: &Actor,
        step: TrustListStep,
    ) -> impl Future<Output = Result<TrustListAnswer, Self::Error>> + Send;

    /// Answers what is asked of the audit log.
    fn audit_log(
        &self,
        actor: &Actor,
        request: LogRequest,
    ) -> impl Future<Output = Result<LogAnswer, Self::Error>> + Send;

    /// Draws the first pages of a document, if it has pages. Keeps nothing.
    fn preview(&self, document: Vec<u8>) -> impl Future<Output = Result<Option<Preview>, Self::Error>> + Send;

    /// Seals a file.
    fn sign_with_seal(
        &self,
        actor: &Actor,
        seal: SealId,
        request: SignDocument,
    ) -> impl Future<Output = Result<SignedDocument, Self::Error>> + Send;

    /// A person signs a file.
    fn sign_by_person(
        &self,
        actor: &Actor,
        request: PersonDocument,
    ) -> impl Future<Output = Result<SignedDocument, Self::Error>> + Send;

    /// Signs messages by keys of callers that lie here, and says which there are.
    fn message_desk(
        &self,
        actor: &Actor,
        request: MessageRequest,
    ) -> impl Future<Output = Result<MessageAnswer, Self::Error>> + Send;

    /// Answers what is asked about seals, applications for them, and authority to use them.
    fn seal_desk(
        &self,
        actor: &Actor,
        request: SealRequest,
    ) -> impl Future<Output = Result<SealAnswer, Self::Error>> + Send;

    /// A step of a signing whose key lies with the client.
    fn prepared_signing(
        &self,
        actor: &Actor,
        step: SigningStep,
    ) -> impl Future<Output = Result<SigningAnswer, Self::Error>> + Send;

    /// How a seal stands.
    fn seal_status(&self, actor: &Actor, seal: SealId) -> impl Future<Output = Result<SealStatus, Self::Error>> + Send;

    /// The time-stamp response to a time-stamp request, both DER (RFC 3161 2.4): a stamp, or a refusal of the protocol.
    fn stamp(&self, request: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// Issues a certificate.
    fn order_certificate(
        &self,
        actor: &Actor,
        order: OrderCertificate,
    ) -> impl Future<Output = Result<OrderedCertificate, Self::Error>> + Send;

    /// Judges a request for a certificate, and gives what the caller, as its applicant, signs to submit it.
    fn draft_request(
        &self,
        actor: &Actor,
        new: NewRequest,
    ) -> impl Future<Output = Result<DraftedRequest, Self::Error>> + Send;

    /// Takes a request for a certificate that the caller signed: DER, or r and s. The same again is the same request.
    fn submit_request(
        &self,
        actor: &Actor,
        new: NewRequest,
        nonce: [u8; 32],
        signature: Vec<u8>,
    ) -> impl Future<Output = Result<RequestRecord, Self::Error>> + Send;

    /// The request for a certificate of that name.
    fn certificate_request(
        &self,
        actor: &Actor,
        id: &ApplicationId,
    ) -> impl Future<Output = Result<RequestRecord, Self::Error>> + Send;

    /// Requests for certificates, page by page.
    fn certificate_requests(
        &self,
        actor: &Actor,
        query: RequestQuery,
    ) -> impl Future<Output = Result<RequestPage, Self::Error>> + Send;

    /// The octets that the caller signs to take that step now.
    fn request_octets(
        &self,
        actor: &Actor,
        id: &ApplicationId,
        step: RequestStep,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// Takes a step that the caller signed.
    fn step_request(
        &self,
        actor: &Actor,
        id: &ApplicationId,
        step: RequestStep,
        signature: Vec<u8>,
    ) -> impl Future<Output = Result<RequestRecord, Self::Error>> + Send;

    /// Issues what was approved; the same certificate again where it was issued before.
    fn issue_request(
        &self,
        actor: &Actor,
        id: &ApplicationId,
    ) -> impl Future<Output = Result<OrderedCertificate, Self::Error>> + Send;

    /// Takes an action with a job that issues many certificates; gives it as it stands then.
    fn issuance_job(
        &self,
        actor: &Actor,
        action: JobAction,
    ) -> impl Future<Output = Result<JobRecord, Self::Error>> + Send;

    /// Jobs that issue many certificates, oldest first, behind that one, at most so many.
    fn issuance_jobs(
        &self,
        actor: &Actor,
        after: Option<JobId>,
        limit: i64,
    ) -> impl Future<Output = Result<JobPage, Self::Error>> + Send;

    /// The octets that the caller signs to check or approve that job.
    fn issuance_job_octets(
        &self,
        actor: &Actor,
        id: &JobId,
        step: JobStep,
    ) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;

    /// What came of the rows of a job behind that number, at most so many; each with its certificate, where that is wished.
    fn issuance_job_results(
        &self,
        actor: &Actor,
        id: &JobId,
        rows: ResultQuery,
    ) -> impl Future<Output = Result<ResultPage, Self::Error>> + Send;

    /// The certificate with that SM3.
    fn certificate(
        &self,
        actor: &Actor,
        sm3: &[u8; 32],
    ) -> impl Future<Output = Result<CertificateRecord, Self::Error>> + Send;

    /// Certificates, page by page.
    fn certificates(
        &self,
        actor: &Actor,
        query: CertificateQuery,
    ) -> impl Future<Output = Result<CertificatePage, Self::Error>> + Send;

    /// How many certificates there are of each authority, profile and status that have not ended.
    fn certificate_counts(&self, actor: &Actor) -> impl Future<Output = Result<Vec<Count>, Self::Error>> + Send;

    /// Suspends, resumes or revokes a certificate.
    fn change_certificate(
        &self,
        actor: &Actor,
        sm3: &[u8; 32],
        change: Change,
    ) -> impl Future<Output = Result<CertificateRecord, Self::Error>> + Send;

    /// Every authority, oldest first.
    fn authorities(&self, actor: &Actor) -> impl Future<Output = Result<Vec<AuthorityRecord>, Self::Error>> + Send;

    /// An authority, and its certificate in DER.
    fn authority(
        &self,
        actor: &Actor,
        authority: &AuthorityId,
    ) -> impl Future<Output = Result<(AuthorityRecord, Vec<u8>), Self::Error>> + Send;

    /// Issues a revocation list of that shard now: a full one, or a delta.
    fn issue_list(
        &self,
        actor: &Actor,
        authority: &AuthorityId,
        shard: u32,
        delta: bool,
    ) -> impl Future<Output = Result<IssuedList, Self::Error>> + Send;

    /// The caller who registered the key whose SubjectPublicKeyInfo has this SHA-256.
    fn caller_by_fingerprint(
        &self,
        fingerprint: &[u8; 32],
    ) -> impl Future<Output = Result<Option<KnownCaller>, Self::Error>> + Send;

    /// Remembers a nonce until it expires. Code `replayed` when this caller has spent it before.
    fn spend_nonce(
        &self,
        caller: &CallerId,
        nonce: &str,
        expires: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The newest revocation list of a shard, or its newest delta.
    fn revocation_list(
        &self,
        authority: &AuthorityId,
        shard: u32,
        delta: bool,
    ) -> impl Future<Output = Result<Option<PublishedBytes>, Self::Error>> + Send;

    /// The trust lists in force, as one file; nothing where there is none.
    fn trust_lists(&self) -> impl Future<Output = Result<Option<PublishedBytes>, Self::Error>> + Send;

    /// The public keys by which notices of state changes are signed.
    fn notice_keys(&self) -> impl Future<Output = Result<Vec<NoticeKey>, Self::Error>> + Send;

    /// The certificate of an authority, alone or with the cross certificates for its key.
    fn authority_certificate(
        &self,
        authority: &AuthorityId,
        form: IssuerForm,
    ) -> impl Future<Output = Result<Option<PublishedBytes>, Self::Error>> + Send;

    /// The response to an OCSP request that came for that authority; failures are responses too.
    fn ocsp(&self, authority: &AuthorityId, request: &[u8]) -> impl Future<Output = OcspReply> + Send;

    /// The response to a request for what names no authority.
    fn ocsp_nobody(&self) -> OcspReply;

    /// Whether requests can be served now.
    fn ready(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Records that the door turned a request away.
    fn record_refusal(
        &self,
        actor: &Actor,
        method: &str,
        route: &str,
        code: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a signature over these bytes is right under this key. Algorithms that are not known give `false`.
    fn verify_caller_signature(&self, key: &CallerKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool;

    /// The clock that everything in this service reads.
    fn clock(&self) -> &dyn Clock;
}
