//! The use cases as one object, so that routes need not name which implementation stands behind them.

use std::future::Future;
use std::pin::Pin;

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{ApplicationId, AuthorityId, CallerId, JobId, SealId};
use crate::domain::ca::job_approval::JobStep;
use crate::http::problem::Problem;
use crate::service::audit_log::desk::{LogAnswer, LogRequest};
use crate::service::certificate_status::Change;
use crate::service::door::{
    Actor, AuthorityRecord, CallerKey, CertificatePage, CertificateQuery, CertificateRecord, IssuedList, IssuerForm,
    KnownCaller, OcspReply, OrderCertificate, OrderedCertificate, Preview, PublishedBytes, Refusal, SealStatus,
    SignDocument, SignedDocument, UseCases, VerifyDocument,
};
use crate::service::inventory::Count;
use crate::service::issuance_jobs::desk::{JobAction, JobPage, JobRecord, ResultPage, ResultQuery};
use crate::service::message_desk::{MessageAnswer, MessageRequest};
use crate::service::person_desk::PersonDocument;
use crate::service::registration::NewRequest;
use crate::service::registration_desk::{DraftedRequest, RequestPage, RequestQuery, RequestRecord, RequestStep};
use crate::service::seal_desk::{SealAnswer, SealRequest};
use crate::service::signed_reports::Form;
use crate::service::signing_desk::{SigningAnswer, SigningStep};
use crate::service::trust_desk::{TrustListAnswer, TrustListStep};
use crate::service::verification_batches::{BatchRecord, BatchStep};
use crate::service::webhooks::desk::NoticeKey;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// [`UseCases`], errors already turned into problems and the report into JSON.
pub(crate) trait Door: Send + Sync + 'static {
    fn verify<'a>(&'a self, actor: &'a Actor, request: VerifyDocument) -> Answer<'a, Vec<u8>>;
    fn verify_signed<'a>(&'a self, actor: &'a Actor, request: VerifyDocument, form: Form) -> Answer<'a, Vec<u8>>;
    fn signs_reports(&self) -> Answer<'_, bool>;
    fn verification_batch<'a>(&'a self, actor: &'a Actor, step: BatchStep) -> Answer<'a, Option<BatchRecord>>;
    fn trust_list_step<'a>(&'a self, actor: &'a Actor, step: TrustListStep) -> Answer<'a, TrustListAnswer>;
    fn audit_log<'a>(&'a self, actor: &'a Actor, request: LogRequest) -> Answer<'a, LogAnswer>;
    fn preview(&self, document: Vec<u8>) -> Answer<'_, Option<Preview>>;
    fn sign_with_seal<'a>(
        &'a self,
        actor: &'a Actor,
        seal: SealId,
        request: SignDocument,
    ) -> Answer<'a, SignedDocument>;
    fn sign_by_person<'a>(&'a self, actor: &'a Actor, request: PersonDocument) -> Answer<'a, SignedDocument>;
    fn message_desk<'a>(&'a self, actor: &'a Actor, request: MessageRequest) -> Answer<'a, MessageAnswer>;
    fn seal_desk<'a>(&'a self, actor: &'a Actor, request: SealRequest) -> Answer<'a, SealAnswer>;
    fn prepared_signing<'a>(&'a self, actor: &'a Actor, step: SigningStep) -> Answer<'a, SigningAnswer>;
    fn seal_status<'a>(&'a self, actor: &'a Actor, seal: SealId) -> Answer<'a, SealStatus>;
    fn stamp(&self, request: Vec<u8>) -> Answer<'_, Vec<u8>>;
    fn order_certificate<'a>(&'a self, actor: &'a Actor, order: OrderCertificate) -> Answer<'a, OrderedCertificate>;
    fn draft_request<'a>(&'a self, actor: &'a Actor, new: NewRequest) -> Answer<'a, DraftedRequest>;
    fn submit_request<'a>(
        &'a self,
        actor: &'a Actor,
        new: NewRequest,
        nonce: [u8; 32],
        signature: Vec<u8>,
    ) -> Answer<'a, RequestRecord>;
    fn certificate_request<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId) -> Answer<'a, RequestRecord>;
    fn certificate_requests<'a>(&'a self, actor: &'a Actor, query: RequestQuery) -> Answer<'a, RequestPage>;
    fn request_octets<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId, step: RequestStep) -> Answer<'a, Vec<u8>>;
    fn step_request<'a>(
        &'a self,
        actor: &'a Actor,
        id: &'a ApplicationId,
        step: RequestStep,
        signature: Vec<u8>,
    ) -> Answer<'a, RequestRecord>;
    fn issue_request<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId) -> Answer<'a, OrderedCertificate>;
    fn issuance_job<'a>(&'a self, actor: &'a Actor, action: JobAction) -> Answer<'a, JobRecord>;
    fn issuance_jobs<'a>(&'a self, actor: &'a Actor, after: Option<JobId>, limit: i64) -> Answer<'a, JobPage>;
    fn issuance_job_octets<'a>(&'a self, actor: &'a Actor, id: &'a JobId, step: JobStep) -> Answer<'a, Vec<u8>>;
    fn issuance_job_results<'a>(&'a self, actor: &'a Actor, id: &'a JobId, rows: ResultQuery)
    -> Answer<'a, ResultPage>;
    fn certificate<'a>(&'a self, actor: &'a Actor, sm3: &'a [u8; 32]) -> Answer<'a, CertificateRecord>;
    fn certificates<'a>(&'a self, actor: &'a Actor, query: CertificateQuery) -> Answer<'a, CertificatePage>;
    fn certificate_counts<'a>(&'a self, actor: &'a Actor) -> Answer<'a, Vec<Count>>;
    fn change_certificate<'a>(
        &'a self,
        actor: &'a Actor,
        sm3: &'a [u8; 32],
        change: Change,
    ) -> Answer<'a, CertificateRecord>;
    fn authorities<'a>(&'a self, actor: &'a Actor) -> Answer<'a, Vec<AuthorityRecord>>;
    fn authority<'a>(&'a self, actor: &'a Actor, authority: &'a AuthorityId) -> Answer<'a, (AuthorityRecord, Vec<u8>)>;
    fn issue_list<'a>(
        &'a self,
        actor: &'a Actor,
        authority: &'a AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Answer<'a, IssuedList>;
    fn caller_by_fingerprint<'a>(&'a self, fingerprint: &'a [u8; 32]) -> Answer<'a, Option<KnownCaller>>;
    fn spend_nonce<'a>(&'a self, caller: &'a CallerId, nonce: &'a str, expires: Timestamp) -> Answer<'a, ()>;
    fn revocation_list<'a>(
        &'a self,
        authority: &'a AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Answer<'a, Option<PublishedBytes>>;
    fn authority_certificate<'a>(
        &'a self,
        authority: &'a AuthorityId,
        form: IssuerForm,
    ) -> Answer<'a, Option<PublishedBytes>>;
    fn trust_lists(&self) -> Answer<'_, Option<PublishedBytes>>;
    fn notice_keys(&self) -> Answer<'_, Vec<NoticeKey>>;
    fn ocsp<'a>(&'a self, authority: &'a AuthorityId, request: &'a [u8]) -> Answer<'a, OcspReply>;
    fn ocsp_nobody(&self) -> OcspReply;
    fn ready(&self) -> Answer<'_, ()>;
    fn record_refusal<'a>(&'a self, actor: &'a Actor, method: &'a str, route: &'a str, code: &'a str)
    -> Answer<'a, ()>;
    fn verify_caller_signature(&self, key: &CallerKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool;
    fn clock(&self) -> &dyn Clock;
}

/// The same with its refusal as a problem.
fn told<'a, T, E: Refusal>(work: impl Future<Output = Result<T, E>> + Send + 'a) -> Answer<'a, T> {
    Box::pin(async move { work.await.map_err(|e| Problem::from_refusal(&e)) })
}

impl<U: UseCases> Door for U {
    fn verify<'a>(&'a self, actor: &'a Actor, request: VerifyDocument) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let report = UseCases::verify(self, actor, request).await.map_err(|e| Problem::from_refusal(&e))?;
            serde_json::to_vec(&report).map_err(|e| Problem::internal(&e))
        })
    }

    fn verify_signed<'a>(&'a self, actor: &'a Actor, request: VerifyDocument, form: Form) -> Answer<'a, Vec<u8>> {
        told(UseCases::verify_signed(self, actor, request, form))
    }

    fn signs_reports(&self) -> Answer<'_, bool> {
        told(UseCases::signs_reports(self))
    }

    fn verification_batch<'a>(&'a self, actor: &'a Actor, step: BatchStep) -> Answer<'a, Option<BatchRecord>> {
        told(UseCases::verification_batch(self, actor, step))
    }

    fn trust_list_step<'a>(&'a self, actor: &'a Actor, step: TrustListStep) -> Answer<'a, TrustListAnswer> {
        told(UseCases::trust_list_step(self, actor, step))
    }

    fn audit_log<'a>(&'a self, actor: &'a Actor, request: LogRequest) -> Answer<'a, LogAnswer> {
        told(UseCases::audit_log(self, actor, request))
    }

    fn preview(&self, document: Vec<u8>) -> Answer<'_, Option<Preview>> {
        told(UseCases::preview(self, document))
    }

    fn sign_with_seal<'a>(
        &'a self,
        actor: &'a Actor,
        seal: SealId,
        request: SignDocument,
    ) -> Answer<'a, SignedDocument> {
        Box::pin(async move {
            UseCases::sign_with_seal(self, actor, seal, request).await.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn sign_by_person<'a>(&'a self, actor: &'a Actor, request: PersonDocument) -> Answer<'a, SignedDocument> {
        told(UseCases::sign_by_person(self, actor, request))
    }

    fn message_desk<'a>(&'a self, actor: &'a Actor, request: MessageRequest) -> Answer<'a, MessageAnswer> {
        told(UseCases::message_desk(self, actor, request))
    }

    fn seal_desk<'a>(&'a self, actor: &'a Actor, request: SealRequest) -> Answer<'a, SealAnswer> {
        told(UseCases::seal_desk(self, actor, request))
    }

    fn prepared_signing<'a>(&'a self, actor: &'a Actor, step: SigningStep) -> Answer<'a, SigningAnswer> {
        told(UseCases::prepared_signing(self, actor, step))
    }

    fn seal_status<'a>(&'a self, actor: &'a Actor, seal: SealId) -> Answer<'a, SealStatus> {
        Box::pin(async move { UseCases::seal_status(self, actor, seal).await.map_err(|e| Problem::from_refusal(&e)) })
    }

    fn stamp(&self, request: Vec<u8>) -> Answer<'_, Vec<u8>> {
        Box::pin(async move { UseCases::stamp(self, request).await.map_err(|e| Problem::from_refusal(&e)) })
    }

    fn order_certificate<'a>(&'a self, actor: &'a Actor, order: OrderCertificate) -> Answer<'a, OrderedCertificate> {
        told(UseCases::order_certificate(self, actor, order))
    }

    fn draft_request<'a>(&'a self, actor: &'a Actor, new: NewRequest) -> Answer<'a, DraftedRequest> {
        told(UseCases::draft_request(self, actor, new))
    }

    fn submit_request<'a>(
        &'a self,
        actor: &'a Actor,
        new: NewRequest,
        nonce: [u8; 32],
        signature: Vec<u8>,
    ) -> Answer<'a, RequestRecord> {
        told(UseCases::submit_request(self, actor, new, nonce, signature))
    }

    fn certificate_request<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId) -> Answer<'a, RequestRecord> {
        told(UseCases::certificate_request(self, actor, id))
    }

    fn certificate_requests<'a>(&'a self, actor: &'a Actor, query: RequestQuery) -> Answer<'a, RequestPage> {
        told(UseCases::certificate_requests(self, actor, query))
    }

    fn request_octets<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId, step: RequestStep) -> Answer<'a, Vec<u8>> {
        told(UseCases::request_octets(self, actor, id, step))
    }

    fn step_request<'a>(
        &'a self,
        actor: &'a Actor,
        id: &'a ApplicationId,
        step: RequestStep,
        signature: Vec<u8>,
    ) -> Answer<'a, RequestRecord> {
        told(UseCases::step_request(self, actor, id, step, signature))
    }

    fn issue_request<'a>(&'a self, actor: &'a Actor, id: &'a ApplicationId) -> Answer<'a, OrderedCertificate> {
        told(UseCases::issue_request(self, actor, id))
    }

    fn issuance_job<'a>(&'a self, actor: &'a Actor, action: JobAction) -> Answer<'a, JobRecord> {
        told(UseCases::issuance_job(self, actor, action))
    }

    fn issuance_jobs<'a>(&'a self, actor: &'a Actor, after: Option<JobId>, limit: i64) -> Answer<'a, JobPage> {
        told(UseCases::issuance_jobs(self, actor, after, limit))
    }

    fn issuance_job_octets<'a>(&'a self, actor: &'a Actor, id: &'a JobId, step: JobStep) -> Answer<'a, Vec<u8>> {
        told(UseCases::issuance_job_octets(self, actor, id, step))
    }

    fn issuance_job_results<'a>(
        &'a self,
        actor: &'a Actor,
        id: &'a JobId,
        rows: ResultQuery,
    ) -> Answer<'a, ResultPage> {
        told(UseCases::issuance_job_results(self, actor, id, rows))
    }

    fn certificate<'a>(&'a self, actor: &'a Actor, sm3: &'a [u8; 32]) -> Answer<'a, CertificateRecord> {
        told(UseCases::certificate(self, actor, sm3))
    }

    fn certificates<'a>(&'a self, actor: &'a Actor, query: CertificateQuery) -> Answer<'a, CertificatePage> {
        told(UseCases::certificates(self, actor, query))
    }

    fn certificate_counts<'a>(&'a self, actor: &'a Actor) -> Answer<'a, Vec<Count>> {
        told(UseCases::certificate_counts(self, actor))
    }

    fn change_certificate<'a>(
        &'a self,
        actor: &'a Actor,
        sm3: &'a [u8; 32],
        change: Change,
    ) -> Answer<'a, CertificateRecord> {
        told(UseCases::change_certificate(self, actor, sm3, change))
    }

    fn authorities<'a>(&'a self, actor: &'a Actor) -> Answer<'a, Vec<AuthorityRecord>> {
        told(UseCases::authorities(self, actor))
    }

    fn authority<'a>(&'a self, actor: &'a Actor, authority: &'a AuthorityId) -> Answer<'a, (AuthorityRecord, Vec<u8>)> {
        told(UseCases::authority(self, actor, authority))
    }

    fn issue_list<'a>(
        &'a self,
        actor: &'a Actor,
        authority: &'a AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Answer<'a, IssuedList> {
        told(UseCases::issue_list(self, actor, authority, shard, delta))
    }

    fn caller_by_fingerprint<'a>(&'a self, fingerprint: &'a [u8; 32]) -> Answer<'a, Option<KnownCaller>> {
        Box::pin(async move {
            UseCases::caller_by_fingerprint(self, fingerprint).await.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn spend_nonce<'a>(&'a self, caller: &'a CallerId, nonce: &'a str, expires: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            UseCases::spend_nonce(self, caller, nonce, expires).await.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn revocation_list<'a>(
        &'a self,
        authority: &'a AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Answer<'a, Option<PublishedBytes>> {
        Box::pin(async move {
            let found = UseCases::revocation_list(self, authority, shard, delta).await;
            found.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn trust_lists(&self) -> Answer<'_, Option<PublishedBytes>> {
        Box::pin(async move { UseCases::trust_lists(self).await.map_err(|e| Problem::from_refusal(&e)) })
    }

    fn notice_keys(&self) -> Answer<'_, Vec<NoticeKey>> {
        Box::pin(async move { UseCases::notice_keys(self).await.map_err(|e| Problem::from_refusal(&e)) })
    }

    fn authority_certificate<'a>(
        &'a self,
        authority: &'a AuthorityId,
        form: IssuerForm,
    ) -> Answer<'a, Option<PublishedBytes>> {
        Box::pin(async move {
            UseCases::authority_certificate(self, authority, form).await.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn ocsp<'a>(&'a self, authority: &'a AuthorityId, request: &'a [u8]) -> Answer<'a, OcspReply> {
        Box::pin(async move { Ok(UseCases::ocsp(self, authority, request).await) })
    }

    fn ocsp_nobody(&self) -> OcspReply {
        UseCases::ocsp_nobody(self)
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move { UseCases::ready(self).await.map_err(|e| Problem::from_refusal(&e)) })
    }

    fn record_refusal<'a>(
        &'a self,
        actor: &'a Actor,
        method: &'a str,
        route: &'a str,
        code: &'a str,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            UseCases::record_refusal(self, actor, method, route, code).await.map_err(|e| Problem::from_refusal(&e))
        })
    }

    fn verify_caller_signature(&self, key: &CallerKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        UseCases::verify_caller_signature(self, key, algorithm, message, signature)
    }

    fn clock(&self) -> &dyn Clock {
        UseCases::clock(self)
    }
}
