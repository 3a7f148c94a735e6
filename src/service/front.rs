//! What stands behind the HTTPS door: the use cases, with the anchors and policies that this installation judges by.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::{ApplicationId, AuthorityId, CallerId, JobId, SealId};
use crate::base::limits::Limits;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::{self, EventBody};
use crate::domain::ca::Profiles;
use crate::domain::ca::job_approval::JobStep;
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::TrustAnchors;
use crate::domain::trust::key::check_request_signature;
use crate::domain::verify::{Policy, Report};
use crate::format::x509::ocsp::OcspRefusal;
use crate::service::audit_log::AuditLog;
use crate::service::audit_log::desk::{LogAnswer, LogRequest};
use crate::service::callers::{self, Register};
use crate::service::certificate_status::{self, Change};
use crate::service::door::{
    Actor, AuthorityRecord, CallerKey, CertificatePage, CertificateQuery, CertificateRecord, ErrorKind, IssuedList,
    IssuerForm, KnownCaller, OcspReply, OrderCertificate, OrderedCertificate, Preview, PublishedBytes, Refusal as _,
    SealStatus, SignDocument, SignedDocument, UseCases, VerifyDocument,
};
use crate::service::door_records::{
    MOST_LIST_AGE, authority_of, published_issuer, published_lists, published_reply, record_of, status_of,
};
use crate::service::gathering::Appetite;
use crate::service::inventory::{self, Count};
use crate::service::issuance::orders::Orders;
use crate::service::issuance::{self, Issuance, Wanted};
use crate::service::issuance_jobs::desk::{JobAction, JobDesk, JobPage, JobRecord, ResultPage, ResultQuery};
use crate::service::judging::{Judging, Standing, Subject};
use crate::service::message_desk::{self, MessageAnswer, MessageRequest};
use crate::service::outside::status::StatusFetcher;
use crate::service::person_desk::{self, PersonDocument};
use crate::service::registration::{NewRequest, Signed};
use crate::service::registration_desk::{
    DraftedRequest, RequestDesk, RequestPage, RequestQuery, RequestRecord, RequestStep,
};
use crate::service::responder;
use crate::service::revocation_lists::{self, Kind};
use crate::service::seal_desk::{SealAnswer, SealDesk, SealRequest};
use crate::service::seals::{self, Order};
use crate::service::signed_reports::{self, Form};
use crate::service::signing_desk::{self, SigningAnswer, SigningStep};
use crate::service::stamping::{self, Stamping};
use crate::service::trust_desk::{self, TrustListAnswer, TrustListStep};
use crate::service::verification_batches::{BatchError, BatchRecord, BatchStep, Batches};
use crate::service::{Error, Services, authorities, preview, publication, trust_lists, webhooks};
use crate::store::crls::ShardKey;
use crate::store::issued_certificates::Filter;

/// The use cases with what they judge by.
#[derive(Clone)]
pub struct Front {
    pub(in crate::service) services: Services,
    /// Anchors that were named, without any list.
    named: Arc<TrustAnchors>,
    /// By what counts now: with the lists in force.
    judging: Judging,
    policies: Arc<BTreeMap<String, Arc<Policy>>>,
    default_policy: String,
    stamping: Option<Stamping>,
    orders: Option<Orders>,
    register: Register,
    desk: Option<RequestDesk>,
    jobs: Option<JobDesk>,
    seals: Option<SealDesk>,
    batches: Option<Batches>,
    report_seal: Option<SealId>,
    log: Option<AuditLog>,
}

impl Front {
    /// Joins them. Wants a runtime.
    ///
    /// # Errors
    /// [`Error::UnknownPolicy`] when the default policy is not among the policies.
    pub fn new(
        services: Services,
        trust: TrustAnchors,
        policies: BTreeMap<String, Policy>,
        default_policy: &str,
    ) -> Result<Self, Error> {
        if !policies.contains_key(default_policy) {
            return Err(Error::UnknownPolicy);
        }
        let policies = policies.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect();
        let (named, policies, default_policy) = (Arc::new(trust), Arc::new(policies), default_policy.to_owned());
        let judging = Judging::new(TrustAnchors::clone(&named));
        let register = Register::start(&services);
        Ok(Self {
            services,
            named,
            judging,
            policies,
            default_policy,
            stamping: None,
            orders: None,
            register,
            desk: None,
            jobs: None,
            seals: None,
            batches: None,
            report_seal: None,
            log: None,
        })
    }

    /// Takes the trust lists in force into the anchors, now and whenever they change, for as long as it is polled.
    pub async fn keep_trust_current(self) {
        let take = |found| self.judging.stand_on(Standing::new(&self.named, found));
        trust_lists::keep_current(self.services.clone(), take).await;
    }

    /// With somebody who fetches the status of certificates, or without.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Option<StatusFetcher>, appetite: Appetite) -> Self {
        Self { judging: self.judging.with_fetcher(fetcher, appetite), ..self }
    }

    /// With a time-stamping service, or without one.
    #[must_use]
    pub fn with_stamping(self, stamping: Option<Stamping>) -> Self {
        Self { stamping, ..self }
    }

    /// With batches of files to verify, or without.
    #[must_use]
    pub fn with_batches(self, batches: Option<Batches>) -> Self {
        Self { batches, ..self }
    }

    /// With a seal for the documents of reports, or without: then the report key signs them.
    #[must_use]
    pub fn with_report_seal(self, report_seal: Option<SealId>) -> Self {
        Self { report_seal, ..self }
    }

    /// With the published audit log, or without.
    #[must_use]
    pub fn with_log(self, log: Option<AuditLog>) -> Self {
        Self { judging: self.judging.with_log(log.clone()), log, ..self }
    }

    /// The published audit log.
    #[must_use]
    pub const fn log(&self) -> Option<&AuditLog> {
        self.log.as_ref()
    }

    /// With an engine that issues certificates under these profiles. Wants a runtime.
    #[must_use]
    pub fn with_issuance(self, issuance: Issuance, profiles: Arc<Profiles>) -> Self {
        let jobs = Some(JobDesk::new(self.services.clone(), Arc::clone(&profiles)));
        let seals = Some(SealDesk::new(self.services.clone(), Arc::clone(&profiles), issuance.clone()));
        let desk = Some(RequestDesk::new(self.services.clone(), profiles, issuance.clone()));
        let orders = Some(Orders::new(self.services.clone(), issuance));
        Self { orders, desk, jobs, seals, ..self }
    }

    /// Where requests for certificates are dealt with, for the registered caller who asks.
    async fn desk(&self, actor: &Actor) -> Result<(&RequestDesk, audit::Actor, CallerId), Error> {
        match (self.caller(actor).await?, &self.desk) {
            (audit::Actor::Caller { id, roles }, Some(desk)) => {
                Ok((desk, audit::Actor::Caller { id: id.clone(), roles }, id))
            }
            _ => Err(Error::IssuanceOff),
        }
    }

    /// Where jobs that issue many certificates are dealt with, for the registered caller who asks.
    async fn job_desk(&self, actor: &Actor) -> Result<(&JobDesk, audit::Actor, CallerId), Error> {
        let (_, by, id) = self.desk(actor).await?;
        Ok((self.jobs.as_ref().ok_or(Error::IssuanceOff)?, by, id))
    }

    /// The actor, who must be a registered caller whatever the access table says: no stranger uses a seal, or has anything
    /// to do with certificates but what is published.
    pub(in crate::service) async fn caller(&self, actor: &Actor) -> Result<audit::Actor, Error> {
        match self.actor(actor).await? {
            audit::Actor::Anonymous => Err(Error::CallerNeeded),
            caller => Ok(caller),
        }
    }

    /// The actor as the audit log names it: a registered caller with the roles that it has now.
    async fn actor(&self, actor: &Actor) -> Result<audit::Actor, Error> {
        match &actor.caller {
            Some((id, _)) => self.register.actor(id).await,
            None => Ok(audit::Actor::Anonymous),
        }
    }

    /// Judges a file; gives what is to be recorded of it beside the report.
    pub(in crate::service) async fn judge(&self, request: VerifyDocument) -> Result<(Report, EventBody), Error> {
        let name = request.policy.unwrap_or_else(|| self.default_policy.clone());
        let policy = self.policies.get(&name).ok_or(Error::UnknownPolicy)?;
        let now = request.at.unwrap_or_else(|| self.services.clock.now());
        let document = Arc::new(request.document);
        let original = request.original.map(Arc::new);
        let (file_name, subject) = (request.file_name, Arc::clone(&document));
        let evidence = Arc::new(request.evidence);
        let subject = Subject { file_name, document: subject, original: original.clone(), evidence };
        let mut report = self.judging.judge(&subject, policy, now).await?;
        let digests = tokio::task::spawn_blocking(move || {
            let original = original.as_deref().and_then(|original| original.as_original().bytes()).map(sm3);
            (sm3(&document), original)
        });
        let (document_sm3, original_sm3) = digests.await.map_err(|_| Error::Interrupted)?;
        report.document_sm3 = Some(hex(&document_sm3));
        report.original_sm3 = original_sm3.map(|digest| hex(&digest));
        let body = EventBody::DocumentVerified {
            document_sm3,
            indication: report.indication.name().to_owned(),
            policy: name,
            report_sm3: sm3(report.to_json().as_bytes()),
        };
        Ok((report, body))
    }

    /// The batches of files to verify.
    pub(in crate::service) const fn batches(&self) -> Option<&Batches> {
        self.batches.as_ref()
    }

    /// What every use case needs.
    pub(in crate::service) const fn services(&self) -> &Services {
        &self.services
    }

    /// A registered caller as the audit log names it.
    pub(in crate::service) async fn registered(&self, id: &CallerId) -> Result<audit::Actor, Error> {
        self.register.actor(id).await
    }
}

/// The name under which RFC 9421 knows the one algorithm of a key.
const fn request_algorithm(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::Sm2 => "sm2-sm3",
        KeyAlgorithm::Rsa => "rsa-v1_5-sha256",
        KeyAlgorithm::EcdsaP256 => "ecdsa-p256-sha256",
        KeyAlgorithm::Ed25519 => "ed25519",
    }
}

impl UseCases for Front {
    type Error = Error;
    type Report = Report;

    async fn verify(&self, actor: &Actor, request: VerifyDocument) -> Result<Report, Error> {
        let (report, body) = self.judge(request).await?;
        let by = self.actor(actor).await?;
        self.services.record(&by, Some(&actor.request_id), body).await?;
        Ok(report)
    }

    async fn verify_signed(&self, actor: &Actor, request: VerifyDocument, form: Form) -> Result<Vec<u8>, Error> {
        let report = UseCases::verify(self, actor, request).await?;
        let by = self.actor(actor).await?;
        let by = (&by, Some(&actor.request_id));
        match (form, &self.report_seal) {
            (Form::Ofd, Some(seal)) => signed_reports::seal(&self.services, by, &report, seal).await,
            _ => signed_reports::sign(&self.services, by, &report, form).await,
        }
    }

    async fn signs_reports(&self) -> Result<bool, Error> {
        signed_reports::is_on(&self.services).await
    }

    async fn verification_batch(&self, actor: &Actor, step: BatchStep) -> Result<Option<BatchRecord>, Error> {
        let audit::Actor::Caller { id, roles } = self.caller(actor).await? else { return Err(Error::CallerNeeded) };
        let by = audit::Actor::Caller { id: id.clone(), roles };
        if let BatchStep::Create { policy: Some(policy), .. } = &step
            && !self.policies.contains_key(policy)
        {
            return Err(Error::UnknownPolicy);
        }
        let batches = self.batches.as_ref().ok_or(BatchError::Off)?;
        batches.step(&self.services, (&id, &by, &actor.request_id), (step, &self.default_policy)).await
    }

    async fn trust_list_step(&self, actor: &Actor, step: TrustListStep) -> Result<TrustListAnswer, Error> {
        let audit::Actor::Caller { id, roles } = self.caller(actor).await? else { return Err(Error::CallerNeeded) };
        let by = audit::Actor::Caller { id: id.clone(), roles };
        trust_desk::step(&self.services, (&id, &by, &actor.request_id), step).await
    }

    async fn audit_log(&self, actor: &Actor, request: LogRequest) -> Result<LogAnswer, Error> {
        let by = if request.names_its_asker() { self.actor(actor).await? } else { audit::Actor::Anonymous };
        AuditLog::ask(self.log.as_ref(), &by, request).await
    }

    async fn preview(&self, document: Vec<u8>) -> Result<Option<Preview>, Error> {
        let drawing = tokio::task::spawn_blocking(move || preview::preview(&document, &Limits::DEFAULT));
        drawing.await.map_err(|_| Error::Interrupted)
    }

    async fn sign_with_seal(
        &self,
        actor: &Actor,
        seal: SealId,
        request: SignDocument,
    ) -> Result<SignedDocument, Error> {
        let by = self.caller(actor).await?;
        let order = Order {
            document: request.document,
            plan: request.plan,
            idempotency_key: Some(request.idempotency_key),
            purpose: request.purpose,
        };
        let sealed = seals::sign(&self.services, &by, Some(&request.request_id), &seal, order).await;
        if let Err(error @ (Error::Use(_) | Error::SealUnkept)) = &sealed {
            // Somebody reached for a seal without authority: that counts among the refusals that rules watch.
            self.record_refusal(actor, "POST", "/api/v1/seals/{id}/signatures", error.code()).await?;
        }
        let sealed = sealed?;
        Ok(SignedDocument {
            signature: sealed.signature,
            document_sm3: hex(&sm3(&sealed.document)),
            document: sealed.document,
            signed_at: sealed.signed_at,
        })
    }

    async fn sign_by_person(&self, actor: &Actor, request: PersonDocument) -> Result<SignedDocument, Error> {
        let (by, desk) = (self.caller(actor).await?, self.seals.as_ref().ok_or(Error::IssuanceOff)?);
        person_desk::sign(&self.services, (desk, self.stamping.as_ref()), &by, request).await
    }

    async fn message_desk(&self, actor: &Actor, request: MessageRequest) -> Result<MessageAnswer, Error> {
        let by = self.caller(actor).await?;
        message_desk::ask(&self.services, self.stamping.as_ref(), &by, request).await
    }

    async fn seal_desk(&self, actor: &Actor, request: SealRequest) -> Result<SealAnswer, Error> {
        let (by, (method, route)) = (self.caller(actor).await?, request.endpoint());
        let desk = self.seals.as_ref().ok_or(Error::IssuanceOff)?;
        let answer = desk.ask((&by, &actor.request_id), self.stamping.as_ref(), request).await;
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Forbidden
        {
            self.record_refusal(actor, method, route, error.code()).await?;
        }
        answer
    }

    async fn prepared_signing(&self, actor: &Actor, step: SigningStep) -> Result<SigningAnswer, Error> {
        signing_desk::take(self, actor, step).await
    }

    async fn seal_status(&self, actor: &Actor, seal: SealId) -> Result<SealStatus, Error> {
        self.caller(actor).await?;
        Ok(status_of(seals::status(&self.services, &seal).await?))
    }

    async fn stamp(&self, request: Vec<u8>) -> Result<Vec<u8>, Error> {
        let stamping = self.stamping.as_ref().ok_or(stamping::Error::Off)?;
        Ok(stamping.stamp(request).await?)
    }

    async fn order_certificate(&self, actor: &Actor, order: OrderCertificate) -> Result<OrderedCertificate, Error> {
        // Found again, and its roles, where its key is reserved.
        let (id, _) = actor.caller.as_ref().ok_or(Error::CallerNeeded)?;
        let orders = self.orders.as_ref().ok_or(Error::IssuanceOff)?;
        let (caller, authority, profile) = (id.clone(), order.authority.clone(), order.profile.clone());
        let wanted = Wanted::Request { csr: issuance::request_in(&order.csr), subject: order.subject };
        let wanted = issuance::Order {
            authority: order.authority,
            profile: order.profile,
            wanted,
            not_before: order.not_before,
            not_after: order.not_after,
            transaction: order.transaction,
            actor: audit::Actor::Anonymous,
            request: Some(actor.request_id.clone()),
            completes: None,
        };
        let issued = orders.issue(wanted, (&caller, &order.idempotency_key)).await?;
        let issuance::Issued { sm3, serial, der, not_before, not_after } = issued;
        Ok(OrderedCertificate { sm3, serial, authority, profile, not_before, not_after, der, encryption: None })
    }

    async fn draft_request(&self, actor: &Actor, new: NewRequest) -> Result<DraftedRequest, Error> {
        let (desk, _, officer) = self.desk(actor).await?;
        desk.draft(&officer, new).await
    }

    async fn submit_request(
        &self,
        actor: &Actor,
        new: NewRequest,
        nonce: [u8; 32],
        signature: Vec<u8>,
    ) -> Result<RequestRecord, Error> {
        let (desk, _, officer) = self.desk(actor).await?;
        let signed = Signed { officer: &officer, signature: &signature, call: Some(&actor.request_id) };
        desk.submit(new, nonce, signed).await
    }

    async fn certificate_request(&self, actor: &Actor, id: &ApplicationId) -> Result<RequestRecord, Error> {
        self.desk(actor).await?.0.find(id).await
    }

    async fn certificate_requests(&self, actor: &Actor, query: RequestQuery) -> Result<RequestPage, Error> {
        self.desk(actor).await?.0.list(&query).await
    }

    async fn request_octets(&self, actor: &Actor, id: &ApplicationId, step: RequestStep) -> Result<Vec<u8>, Error> {
        let (desk, _, officer) = self.desk(actor).await?;
        desk.octets(&officer, id, &step).await
    }

    async fn step_request(
        &self,
        actor: &Actor,
        id: &ApplicationId,
        step: RequestStep,
        signature: Vec<u8>,
    ) -> Result<RequestRecord, Error> {
        let (desk, _, officer) = self.desk(actor).await?;
        let signed = Signed { officer: &officer, signature: &signature, call: Some(&actor.request_id) };
        desk.step(id, &step, signed).await
    }

    async fn issue_request(&self, actor: &Actor, id: &ApplicationId) -> Result<OrderedCertificate, Error> {
        let (desk, by, _) = self.desk(actor).await?;
        desk.issue((&by, Some(&actor.request_id)), id).await
    }

    async fn issuance_job(&self, actor: &Actor, action: JobAction) -> Result<JobRecord, Error> {
        let (desk, by, officer) = self.job_desk(actor).await?;
        desk.act((&officer, &by, &actor.request_id), action).await
    }

    async fn issuance_jobs(&self, actor: &Actor, after: Option<JobId>, limit: i64) -> Result<JobPage, Error> {
        self.job_desk(actor).await?.0.list(after.as_ref(), limit).await
    }

    async fn issuance_job_octets(&self, actor: &Actor, id: &JobId, step: JobStep) -> Result<Vec<u8>, Error> {
        self.job_desk(actor).await?.0.octets(id, step).await
    }

    async fn issuance_job_results(&self, actor: &Actor, id: &JobId, rows: ResultQuery) -> Result<ResultPage, Error> {
        self.job_desk(actor).await?.0.results(id, rows).await
    }

    async fn certificate(&self, actor: &Actor, sm3: &[u8; 32]) -> Result<CertificateRecord, Error> {
        self.caller(actor).await?;
        record_of(inventory::find(&self.services, sm3).await?)
    }

    async fn certificates(&self, actor: &Actor, query: CertificateQuery) -> Result<CertificatePage, Error> {
        self.caller(actor).await?;
        let CertificateQuery { authority, profile, status, subject, serial, ends_from, ends_before, after, limit } =
            query;
        let filter = Filter { authority, profile, status, subject, ends_from, ends_before };
        let (found, next) = match serial {
            Some(serial) => (inventory::with_serial(&self.services, &filter, &serial).await?, None),
            None => {
                let page = inventory::search(&self.services, &filter, after, limit).await?;
                (page.certificates, page.next)
            }
        };
        let certificates = found.into_iter().map(record_of).collect::<Result<_, _>>()?;
        Ok(CertificatePage { certificates, next })
    }

    async fn certificate_counts(&self, actor: &Actor) -> Result<Vec<Count>, Error> {
        self.caller(actor).await?;
        inventory::statistics(&self.services).await
    }

    async fn change_certificate(
        &self,
        actor: &Actor,
        sm3: &[u8; 32],
        change: Change,
    ) -> Result<CertificateRecord, Error> {
        let by = self.caller(actor).await?;
        record_of(certificate_status::change(&self.services, (&by, Some(&actor.request_id)), sm3, change).await?)
    }

    async fn authorities(&self, actor: &Actor) -> Result<Vec<AuthorityRecord>, Error> {
        self.caller(actor).await?;
        Ok(authorities::list(&self.services).await?.into_iter().map(authority_of).collect())
    }

    async fn authority(&self, actor: &Actor, authority: &AuthorityId) -> Result<(AuthorityRecord, Vec<u8>), Error> {
        self.caller(actor).await?;
        let (found, der) = authorities::find(&self.services, authority).await?;
        Ok((authority_of(found), der))
    }

    async fn issue_list(
        &self,
        actor: &Actor,
        authority: &AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Result<IssuedList, Error> {
        let by = self.caller(actor).await?;
        let key = ShardKey { authority: authority.clone(), shard };
        let kind = if delta { Kind::Delta } else { Kind::Full };
        let head = revocation_lists::issue(&self.services, &by, &key, kind).await?;
        let (number, base, entries, sm3) = (head.number, head.base, head.entries, head.sm3);
        Ok(IssuedList { number, base, entries, this_update: head.this_update, next_update: head.next_update, sm3 })
    }

    async fn caller_by_fingerprint(&self, fingerprint: &[u8; 32]) -> Result<Option<KnownCaller>, Error> {
        let caller = match self.register.by_fingerprint(fingerprint).await {
            Ok(caller) => caller,
            Err(Error::UnknownCaller | Error::CallerBarred) => return Ok(None),
            Err(error) => return Err(error),
        };
        let key = CallerKey { algorithm: request_algorithm(caller.algorithm).to_owned(), spki: caller.public_key };
        let roles = caller.roles.iter().map(|role| role.name().to_owned()).collect();
        Ok(Some(KnownCaller { id: caller.id, name: caller.name, roles, key }))
    }

    async fn spend_nonce(&self, caller: &CallerId, nonce: &str, expires: Timestamp) -> Result<(), Error> {
        callers::spend_nonce_until(&self.services, caller, nonce, expires).await
    }

    async fn revocation_list(
        &self,
        authority: &AuthorityId,
        shard: u32,
        delta: bool,
    ) -> Result<Option<PublishedBytes>, Error> {
        let key = ShardKey { authority: authority.clone(), shard };
        let kind = if delta { Kind::Delta } else { Kind::Full };
        let found = revocation_lists::current(&self.services, &key, kind).await?;
        Ok(found.map(|list| PublishedBytes {
            bytes: list.der,
            this_update: list.head.this_update,
            expires: list.head.next_update,
            // The next list comes before this one is out of force.
            most_age: Some(MOST_LIST_AGE),
            tag: hex(&list.head.sm3),
        }))
    }

    async fn trust_lists(&self) -> Result<Option<PublishedBytes>, Error> {
        let found = trust_lists::in_force(&self.services, self.services.clock.now()).await?;
        Ok(published_lists(&found))
    }

    async fn notice_keys(&self) -> Result<Vec<webhooks::desk::NoticeKey>, Error> {
        webhooks::desk::notice_keys(&self.services).await
    }

    async fn authority_certificate(
        &self,
        authority: &AuthorityId,
        form: IssuerForm,
    ) -> Result<Option<PublishedBytes>, Error> {
        let found = match form {
            IssuerForm::Certificate => publication::authority_certificate(&self.services, authority).await?,
            IssuerForm::Bundle => publication::authority_bundle(&self.services, authority).await?,
        };
        Ok(found.map(|der| published_issuer(der, self.services.clock.now())))
    }

    async fn ocsp(&self, authority: &AuthorityId, request: &[u8]) -> OcspReply {
        let most_age = self.services.publication.plan().answer_max_age;
        published_reply(responder::answer(&self.services, authority, request).await, most_age)
    }

    fn ocsp_nobody(&self) -> OcspReply {
        OcspReply::Once(OcspRefusal::Unauthorized.to_der())
    }

    async fn ready(&self) -> Result<(), Error> {
        Ok(self.services.store.ping().await?)
    }

    async fn record_refusal(&self, actor: &Actor, method: &str, route: &str, code: &str) -> Result<(), Error> {
        let by = self.actor(actor).await.unwrap_or(audit::Actor::Anonymous);
        let body = EventBody::AccessRefused { endpoint: format!("{method} {route}"), code: code.to_owned() };
        self.services.record(&by, Some(&actor.request_id), body).await.map(|_| ())
    }

    fn verify_caller_signature(&self, key: &CallerKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        check_request_signature(&key.spki, algorithm, message, signature)
    }

    fn clock(&self) -> &dyn Clock {
        &*self.services.clock
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::id::RequestId;
    use crate::base::random::SystemRandom;
    use crate::base::secret::Secret;
    use crate::domain::verify::{ExtraParts, Past, Promised, SealTimeStamp, UnknownRevocation, Unlogged};
    use crate::service::door::{ErrorKind, Refusal};
    use crate::service::keys::KeySource;

    fn policy() -> Policy {
        Policy {
            name: "p".into(),
            sm3: String::new(),
            tolerances: std::collections::BTreeSet::new(),
            unknown_revocation: UnknownRevocation::Refuse,
            extra_parts: ExtraParts::Refuse,
            rsa_bits: 2048,
            algorithms: crate::domain::trust::AlgorithmPolicy::whatever_we_compute().into(),
            future_seconds: 0,
            maker_late_days: 0,
            past: Past::Now,
            unlogged: Unlogged::Tell,
            promised: Promised::Refuse,
            log_witnesses: 2,
            seal_time_stamp: SealTimeStamp::Tell,
            greatest_revocation_age: None,
        }
    }

    /// Whatever the access table says.
    #[tokio::test]
    async fn strangers_use_no_seal_and_no_certificate() {
        let source = KeySource::Passphrase(Secret::new(b"correct horse battery".to_vec()));
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let services = Services::open("sqlite::memory:", &source, clock, random).await.unwrap();
        let none = Front::new(services.clone(), TrustAnchors::none(), BTreeMap::new(), "p");
        assert_eq!(none.err().unwrap().code(), "policy-unknown");
        let policies = BTreeMap::from([("p".to_owned(), policy())]);
        let front = Front::new(services, TrustAnchors::none(), policies, "p").unwrap();
        let request_id = RequestId::parse("r").unwrap();
        let stranger = Actor { caller: None, request_id: request_id.clone(), peer: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let seal = SealId::parse("s").unwrap();
        let order = SignDocument {
            file_name: String::new(),
            document: Vec::new(),
            plan: crate::domain::seal::signing::Placement { page: 1, x_mm: 0.0, y_mm: 0.0, lock: false }.into(),
            idempotency_key: "k".into(),
            request_id,
            purpose: crate::service::seal_uses::UsePurpose::default(),
        };
        let refused = front.sign_with_seal(&stranger, seal.clone(), order).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind()), ("caller-needed", ErrorKind::Forbidden));
        assert_eq!(front.seal_status(&stranger, seal).await.unwrap_err().code(), "caller-needed");
        let (sm3, authority) = ([0; 32], AuthorityId::parse("ca").unwrap());
        let order = OrderCertificate {
            authority: authority.clone(),
            profile: "officer".into(),
            csr: Vec::new(),
            subject: None,
            not_before: None,
            not_after: None,
            transaction: None,
            idempotency_key: "k".into(),
        };
        let codes = [
            front.order_certificate(&stranger, order).await.err().map(|error| error.code()),
            front.certificate(&stranger, &sm3).await.err().map(|error| error.code()),
            front.certificates(&stranger, CertificateQuery::default()).await.err().map(|error| error.code()),
            front.certificate_counts(&stranger).await.err().map(|error| error.code()),
            front.change_certificate(&stranger, &sm3, Change::Suspend).await.err().map(|error| error.code()),
            front.authorities(&stranger).await.err().map(|error| error.code()),
            front.authority(&stranger, &authority).await.err().map(|error| error.code()),
            front.issue_list(&stranger, &authority, 0, false).await.err().map(|error| error.code()),
            front.trust_list_step(&stranger, TrustListStep::List).await.err().map(|error| error.code()),
        ];
        assert_eq!(codes, [Some("caller-needed"); 9]);
    }
}
