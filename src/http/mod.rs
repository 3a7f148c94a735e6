//! The HTTPS door: this page is the whole route table; access, limits and problems stand beside it.

pub mod access;
mod api;
mod description;
mod door;
mod fields;
mod guard;
mod observe;
pub mod pages;
mod places;
pub mod problem;
pub mod server;
mod settings;
mod signed;
mod spool;
pub mod tls;
pub mod witness;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::random::Random;
use crate::http::access::{InvalidTable, Table};
use crate::http::door::Door;
use crate::http::places::{Places, Stand};
use crate::http::problem::{Code, Problem};
use crate::http::spool::{Spool, Spooled};
use crate::service::door::{Actor, UseCases};

pub use observe::Metrics;
pub use settings::Settings;
pub use spool::sweep;

/// Every endpoint there is. `policies/access.toml` says who may call it.
#[rustfmt::skip]
fn route_table() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(description::opening())
        .routes(routes!(api::system::healthz))           // GET  /healthz
        .routes(routes!(api::system::readyz))            // GET  /readyz
        .routes(routes!(api::system::metrics))           // GET  /metrics
        .routes(routes!(api::system::openapi))           // GET  /api/openapi.json
        .routes(routes!(api::verifications::verify))     // POST /api/v1/verifications
        .routes(routes!(api::verification_batches::create))       // POST /api/v1/verification-batches
        .routes(routes!(api::verification_batches::show, api::verification_batches::forget)) // GET, DELETE /api/v1/verification-batches/{id}
        .routes(routes!(api::verification_batches::put))          // PUT  /api/v1/verification-batches/{id}/files/{name}
        .routes(routes!(api::verification_batches::put_original)) // PUT  /api/v1/verification-batches/{id}/files/{name}/original
        .routes(routes!(api::verification_batches::start))        // POST /api/v1/verification-batches/{id}/start
        .routes(routes!(api::trust_lists::import, api::trust_lists::list)) // POST, GET /api/v1/trust-lists
        .routes(routes!(api::trust_lists::show))         // GET  /api/v1/trust-lists/{sm3}
        .routes(routes!(api::trust_lists::to_sign))      // POST /api/v1/trust-lists/{sm3}/to-sign
        .routes(routes!(api::trust_lists::approve))      // POST /api/v1/trust-lists/{sm3}/approval
        .routes(routes!(api::trust_lists::refuse))       // POST /api/v1/trust-lists/{sm3}/refusal
        .routes(routes!(api::trust_lists::activate))     // POST /api/v1/trust-lists/{sm3}/activation
        .routes(routes!(api::seals::status))             // GET  /api/v1/seals/{id}
        .routes(routes!(api::seals::sign))               // POST /api/v1/seals/{id}/signatures
        .routes(routes!(api::prepared_signatures::prepare))  // POST /api/v1/seals/{id}/signatures/prepared
        .routes(routes!(api::prepared_signatures::complete)) // POST /api/v1/signatures/{id}/value
        .routes(routes!(api::prepared_signatures::give_up))  // DELETE /api/v1/signatures/{id}
        .routes(routes!(api::person_signatures::sign))          // POST /api/v1/person-signatures
        .routes(routes!(api::signing_keys::list))               // GET  /api/v1/signing-keys
        .routes(routes!(api::signing_keys::sign))               // POST /api/v1/signing-keys/{id}/messages
        .routes(routes!(api::signing_keys::sign_digest))        // POST /api/v1/signing-keys/{id}/digests
        .routes(routes!(api::seal_applications::draft))         // POST /api/v1/seal-applications/draft
        .routes(routes!(api::seal_applications::submit, api::seal_applications::search)) // POST, GET /api/v1/seal-applications
        .routes(routes!(api::seal_applications::show))          // GET  /api/v1/seal-applications/{id}
        .routes(routes!(api::seal_applications::picture))       // GET  /api/v1/seal-applications/{id}/picture
        .routes(routes!(api::seal_applications::document))      // GET  /api/v1/seal-applications/{id}/documents/{number}
        .routes(routes!(api::seal_applications::to_sign))       // POST /api/v1/seal-applications/{id}/to-sign
        .routes(routes!(api::seal_applications::check))         // POST /api/v1/seal-applications/{id}/check
        .routes(routes!(api::seal_applications::approve))       // POST /api/v1/seal-applications/{id}/approval
        .routes(routes!(api::seal_applications::refuse))        // POST /api/v1/seal-applications/{id}/refusal
        .routes(routes!(api::seal_applications::withdraw))      // POST /api/v1/seal-applications/{id}/withdrawal
        .routes(routes!(api::seal_applications::fulfil))        // POST /api/v1/seal-applications/{id}/seal
        .routes(routes!(api::seal_life::search))                // GET  /api/v1/seals
        .routes(routes!(api::seal_life::show))                  // GET  /api/v1/seals/{id}/record
        .routes(routes!(api::seal_life::chain))                 // GET  /api/v1/seals/{id}/chain
        .routes(routes!(api::seal_life::picture))               // GET  /api/v1/seals/{id}/picture
        .routes(routes!(api::seal_life::to_sign))               // POST /api/v1/seals/{id}/to-sign
        .routes(routes!(api::seal_life::deliver))               // POST /api/v1/seals/{id}/delivery
        .routes(routes!(api::seal_life::suspend))               // POST /api/v1/seals/{id}/suspension
        .routes(routes!(api::seal_life::archive))               // POST /api/v1/seals/{id}/archive
        .routes(routes!(api::seal_uses::draft))                 // POST /api/v1/seals/{id}/authorisations/draft
        .routes(routes!(api::seal_uses::authorise, api::seal_uses::list)) // POST, GET /api/v1/seals/{id}/authorisations
        .routes(routes!(api::seal_uses::withdraw_all))          // POST /api/v1/seals/{id}/authorisations/withdrawal
        .routes(routes!(api::seal_uses::withdraw))              // POST /api/v1/seals/{id}/authorisations/{authorisation}/withdrawal
        .routes(routes!(api::seal_uses::draft_approval))        // POST /api/v1/seals/{id}/authorisations/{authorisation}/approvals/draft
        .routes(routes!(api::seal_uses::approve))               // POST /api/v1/seals/{id}/authorisations/{authorisation}/approvals
        .routes(routes!(api::use_ledger::search))               // GET  /api/v1/use-ledger
        .routes(routes!(api::certificates::order))       // POST /api/v1/certificates
        .routes(routes!(api::certificates::search))      // GET  /api/v1/certificates
        .routes(routes!(api::certificates::expiring))    // GET  /api/v1/certificates/expiring
        .routes(routes!(api::certificates::statistics))  // GET  /api/v1/certificates/statistics
        .routes(routes!(api::certificates::show))        // GET  /api/v1/certificates/{sm3}
        .routes(routes!(api::certificates::status))      // GET  /api/v1/certificates/{sm3}/status
        .routes(routes!(api::certificates::suspend))     // POST /api/v1/certificates/{sm3}/suspension
        .routes(routes!(api::certificates::resume))      // POST /api/v1/certificates/{sm3}/resumption
        .routes(routes!(api::certificates::revoke))      // POST /api/v1/certificates/{sm3}/revocation
        .routes(routes!(api::certificate_requests::draft))    // POST /api/v1/certificate-requests/draft
        .routes(routes!(api::certificate_requests::submit))   // POST /api/v1/certificate-requests
        .routes(routes!(api::certificate_requests::search))   // GET  /api/v1/certificate-requests
        .routes(routes!(api::certificate_requests::show))     // GET  /api/v1/certificate-requests/{id}
        .routes(routes!(api::certificate_requests::to_sign))  // POST /api/v1/certificate-requests/{id}/to-sign
        .routes(routes!(api::certificate_requests::check))    // POST /api/v1/certificate-requests/{id}/check
        .routes(routes!(api::certificate_requests::approve))  // POST /api/v1/certificate-requests/{id}/approval
        .routes(routes!(api::certificate_requests::refuse))   // POST /api/v1/certificate-requests/{id}/refusal
        .routes(routes!(api::certificate_requests::withdraw)) // POST /api/v1/certificate-requests/{id}/withdrawal
        .routes(routes!(api::certificate_requests::issue))    // POST /api/v1/certificate-requests/{id}/certificate
        .routes(routes!(api::issuance_jobs::submit, api::issuance_jobs::list)) // POST, GET /api/v1/issuance-jobs
        .routes(routes!(api::issuance_jobs::show))       // GET  /api/v1/issuance-jobs/{id}
        .routes(routes!(api::issuance_jobs::results))    // GET  /api/v1/issuance-jobs/{id}/results
        .routes(routes!(api::issuance_jobs::to_sign))    // POST /api/v1/issuance-jobs/{id}/to-sign
        .routes(routes!(api::issuance_jobs::check))      // POST /api/v1/issuance-jobs/{id}/check
        .routes(routes!(api::issuance_jobs::approve))    // POST /api/v1/issuance-jobs/{id}/approval
        .routes(routes!(api::issuance_jobs::start))      // POST /api/v1/issuance-jobs/{id}/start
        .routes(routes!(api::issuance_jobs::pause))      // POST /api/v1/issuance-jobs/{id}/pause
        .routes(routes!(api::issuance_jobs::resume))     // POST /api/v1/issuance-jobs/{id}/resumption
        .routes(routes!(api::issuance_jobs::cancel))     // POST /api/v1/issuance-jobs/{id}/cancellation
        .routes(routes!(api::authorities::list))         // GET  /api/v1/authorities
        .routes(routes!(api::authorities::show))         // GET  /api/v1/authorities/{id}
        .routes(routes!(api::authorities::issue_list))   // POST /api/v1/authorities/{id}/crl
        .routes(routes!(api::audit_log::file))           // GET  /log/{*path}
        .routes(routes!(api::audit_log::proofs))         // GET  /api/v1/log/proofs
        .routes(routes!(api::audit_log::statement))      // GET  /api/v1/log/statements
        .routes(routes!(api::audit_log::search))         // GET  /api/v1/log/events
        .routes(routes!(api::audit_log::event_proof))    // GET  /api/v1/log/events/{number}/proof
        .routes(routes!(api::notice_keys::list))         // GET  /.well-known/yinxin-notice-keys
        .routes(routes!(pages::verify::form, pages::verify::verify)) // GET, POST /verify
        .routes(routes!(pages::verify::style))           // GET  /verify/style.css
        .routes(routes!(pages::verify::script))          // GET  /verify/page.js
        .merge(publication_table())
}

/// Those of them that are reached by plain HTTP too, where nothing else is: whatever they give is signed.
#[rustfmt::skip]
fn publication_table() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(api::publication::crl))          // GET  /crl/{authority}/{list}
        .routes(routes!(api::publication::aia))          // GET  /aia/{certificate}
        .routes(routes!(api::publication::trust_list))   // GET  /.well-known/yinxin-trust-list
        .routes(routes!(api::publication::ocsp_get))     // GET  /ocsp/{authority}/{*request}
        .routes(routes!(api::publication::ocsp_post))    // POST /ocsp/{authority}
        .routes(routes!(api::time_stamps::stamp))        // POST /tsa
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Endpoints and access table do not fit.
    #[error("the access table does not fit the endpoints")]
    Access(#[from] InvalidTable),
    /// Certificate or key cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[from] tls::InvalidTls),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no address to listen on.
    #[error("no listener is given")]
    NoListener,
    /// The signals that end the server cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// The figures cannot be set up.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The description of the API cannot be written.
    #[error("the description of the API cannot be written")]
    Description(#[from] serde_json::Error),
}

/// What all requests share.
pub struct App {
    door: Arc<dyn Door>,
    settings: Settings,
    random: Arc<dyn Random>,
    table: Table,
    routes: BTreeSet<(String, String)>,
    openapi: String,
    metrics: Metrics,
    spool: Arc<Spool>,
    public_uploads: Arc<Places>,
    caller_uploads: Arc<Places>,
    stranger_budget: observe::Budget,
    /// One permit for each piece of work that must run to its end, see [`App::to_its_end`].
    unfinished: Arc<Semaphore>,
}

impl App {
    /// Work that may be unfinished at once; far more than connections allow.
    const UNFINISHED: u32 = 1 << 16;

    /// Sets the door up before these use cases.
    ///
    /// # Errors
    /// Endpoints and access table differ, or a part cannot be set up.
    pub fn new<U: UseCases>(
        use_cases: Arc<U>,
        settings: Settings,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, Error> {
        Self::with_access(use_cases, settings, random, access::SHIPPED)
    }

    /// The same with an access table of the operator's own, in the form of `policies/access.toml`.
    ///
    /// # Errors
    /// As [`Self::new`]; the table must have one row for each endpoint and no other.
    pub fn with_access<U: UseCases>(
        use_cases: Arc<U>,
        settings: Settings,
        random: Arc<dyn Random>,
        access: &str,
    ) -> Result<Arc<Self>, Error> {
        let app = Self::with_table(use_cases, settings, random, Table::parse(access)?)?;
        app.table.must_match(&app.routes)?;
        Ok(app)
    }

    fn with_table(
        door: Arc<dyn Door>,
        settings: Settings,
        random: Arc<dyn Random>,
        table: Table,
    ) -> Result<Arc<Self>, Error> {
        let mut openapi = route_table().into_openapi();
        let routes = description::endpoints(&mut openapi);
        description::add_access(&mut openapi, &table);
        let places = |places| Places::new(places, settings.uploads_in_line, settings.upload_patience);
        Ok(Arc::new(Self {
            door,
            random,
            table,
            routes,
            openapi: openapi.to_pretty_json()?,
            metrics: Metrics::new()?,
            spool: Arc::new(Spool::new(&settings)),
            public_uploads: places(settings.public_uploads),
            caller_uploads: places(settings.caller_uploads),
            stranger_budget: observe::Budget::default(),
            unfinished: Arc::new(Semaphore::new(usize::try_from(Self::UNFINISHED).unwrap_or(Semaphore::MAX_PERMITS))),
            settings,
        }))
    }

    /// The figures, to share their recorder with other layers.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The route table with everything around it.
    pub fn router(self: &Arc<Self>) -> Router {
        self.around(route_table().split_for_parts().0)
    }

    /// What is published, with everything around it: for plain HTTP.
    pub fn publication_router(self: &Arc<Self>) -> Router {
        let mut router = publication_table().split_for_parts().0;
        if let Some(octets) = &self.settings.constant {
            router = router.route("/constant/{*request}", api::publication::constant(octets.clone()));
        }
        self.around(router)
    }

    fn around(self: &Arc<Self>, router: Router<Arc<Self>>) -> Router {
        router
            .fallback(async || Problem::new(Code::RouteUnknown, "See /api/openapi.json."))
            .method_not_allowed_fallback(async || Problem::new(Code::MethodRefused, "See the Allow header."))
            // The guard has bounded the body by then.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), guard::guard))
            .layer(from_fn_with_state(self.clone(), observe::observe))
            .with_state(self.clone())
    }

    fn is_route(&self, method: &Method, path: &str) -> bool {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.routes.iter().any(|(known, route)| known == method.as_str() && route == path)
    }

    /// Where an upload of this request waits.
    fn spooled(&self, actor: &Actor, part: &str) -> Spooled {
        Spooled::new(&self.spool, &whose(actor), format!("{}-{part}", actor.request_id))
    }

    /// A stand in the line for a place among the uploads. Callers have a line of their own, so that strangers cannot crowd
    /// them out.
    fn stand(&self, actor: &Actor) -> Result<Stand, Problem> {
        let places = if actor.caller.is_some() { &self.caller_uploads } else { &self.public_uploads };
        places.stand(&whose(actor))
    }

    /// Runs work that must not stop half-way when its client goes away or its time is up. Shutdown waits for it.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = self.unfinished.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Problem::new(Code::Busy, "Too much work is unfinished."))?;
        let task = tokio::spawn(async move {
            let _permit = permit;
            work.await
        });
        task.await.unwrap_or_else(|broken| Err(Problem::internal(&broken)))
    }

    /// Waits until no such work is left.
    async fn all_finished(&self) {
        // An error would mean that the semaphore was closed, which nobody does.
        drop(self.unfinished.acquire_many(Self::UNFINISHED).await);
    }
}

/// Whom an upload is counted for: a caller, or a stranger's address.
fn whose(actor: &Actor) -> String {
    match &actor.caller {
        Some((caller, _)) => caller.to_string(),
        None => actor.peer.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::base::clock::{Clock, FixedClock, Timestamp};
    use crate::base::id::{ApplicationId, AuthorityId, CallerId, JobId, SealId};
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::domain::ca::job_approval::JobStep;
    use crate::http::guard::Peer;
    use crate::service::audit_log::desk::{LogAnswer, LogRequest};
    use crate::service::certificate_status::Change;
    use crate::service::door::{
        Actor, AuthorityRecord, CallerKey, CertificatePage, CertificateQuery, CertificateRecord, ErrorKind, IssuedList,
        IssuerForm, KnownCaller, OcspReply, OrderCertificate, OrderedCertificate, Preview, PublishedBytes, Refusal,
        SealStatus, SignDocument, SignedDocument, VerifyDocument,
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

    #[derive(Debug, thiserror::Error)]
    #[error("nothing stands behind this door")]
    struct Nothing;

    impl Refusal for Nothing {
        fn code(&self) -> &'static str {
            "nothing"
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Internal
        }
    }

    /// Use cases that are never reached.
    struct Nobody(FixedClock);

    impl UseCases for Nobody {
        type Error = Nothing;
        type Report = ();

        async fn verify(&self, _: &Actor, _: VerifyDocument) -> Result<(), Nothing> {
            Err(Nothing)
        }

        async fn verify_signed(&self, _: &Actor, _: VerifyDocument, _: Form) -> Result<Vec<u8>, Nothing> {
            Err(Nothing)
        }

        async fn signs_reports(&self) -> Result<bool, Nothing> {
            Err(Nothing)
        }

        async fn verification_batch(&self, _: &Actor, _: BatchStep) -> Result<Option<BatchRecord>, Nothing> {
            Err(Nothing)
        }

        async fn trust_list_step(&self, _: &Actor, _: TrustListStep) -> Result<TrustListAnswer, Nothing> {
            Err(Nothing)
        }

        async fn audit_log(&self, _: &Actor, _: LogRequest) -> Result<LogAnswer, Nothing> {
            Err(Nothing)
        }

        async fn preview(&self, _: Vec<u8>) -> Result<Option<Preview>, Nothing> {
            Err(Nothing)
        }

        async fn sign_with_seal(&self, _: &Actor, _: SealId, _: SignDocument) -> Result<SignedDocument, Nothing> {
            Err(Nothing)
        }

        async fn sign_by_person(&self, _: &Actor, _: PersonDocument) -> Result<SignedDocument, Nothing> {
            Err(Nothing)
        }
        async fn message_desk(&self, _: &Actor, _: MessageRequest) -> Result<MessageAnswer, Nothing> {
            Err(Nothing)
        }

        async fn seal_desk(&self, _: &Actor, _: SealRequest) -> Result<SealAnswer, Nothing> {
            Err(Nothing)
        }

        async fn prepared_signing(&self, _: &Actor, _: SigningStep) -> Result<SigningAnswer, Nothing> {
            Err(Nothing)
        }

        async fn seal_status(&self, _: &Actor, _: SealId) -> Result<SealStatus, Nothing> {
            Err(Nothing)
        }

        async fn stamp(&self, _: Vec<u8>) -> Result<Vec<u8>, Nothing> {
            Err(Nothing)
        }

        async fn order_certificate(&self, _: &Actor, _: OrderCertificate) -> Result<OrderedCertificate, Nothing> {
            Err(Nothing)
        }

        async fn draft_request(&self, _: &Actor, _: NewRequest) -> Result<DraftedRequest, Nothing> {
            Err(Nothing)
        }

        async fn submit_request(
            &self,
            _: &Actor,
            _: NewRequest,
            _: [u8; 32],
            _: Vec<u8>,
        ) -> Result<RequestRecord, Nothing> {
            Err(Nothing)
        }

        async fn certificate_request(&self, _: &Actor, _: &ApplicationId) -> Result<RequestRecord, Nothing> {
            Err(Nothing)
        }

        async fn certificate_requests(&self, _: &Actor, _: RequestQuery) -> Result<RequestPage, Nothing> {
            Err(Nothing)
        }

        async fn request_octets(&self, _: &Actor, _: &ApplicationId, _: RequestStep) -> Result<Vec<u8>, Nothing> {
            Err(Nothing)
        }

        async fn step_request(
            &self,
            _: &Actor,
            _: &ApplicationId,
            _: RequestStep,
            _: Vec<u8>,
        ) -> Result<RequestRecord, Nothing> {
            Err(Nothing)
        }

        async fn issue_request(&self, _: &Actor, _: &ApplicationId) -> Result<OrderedCertificate, Nothing> {
            Err(Nothing)
        }

        async fn issuance_job(&self, _: &Actor, _: JobAction) -> Result<JobRecord, Nothing> {
            Err(Nothing)
        }

        async fn issuance_jobs(&self, _: &Actor, _: Option<JobId>, _: i64) -> Result<JobPage, Nothing> {
            Err(Nothing)
        }

        async fn issuance_job_octets(&self, _: &Actor, _: &JobId, _: JobStep) -> Result<Vec<u8>, Nothing> {
            Err(Nothing)
        }

        async fn issuance_job_results(&self, _: &Actor, _: &JobId, _: ResultQuery) -> Result<ResultPage, Nothing> {
            Err(Nothing)
        }

        async fn certificate(&self, _: &Actor, _: &[u8; 32]) -> Result<CertificateRecord, Nothing> {
            Err(Nothing)
        }

        async fn certificates(&self, _: &Actor, _: CertificateQuery) -> Result<CertificatePage, Nothing> {
            Err(Nothing)
        }

        async fn certificate_counts(&self, _: &Actor) -> Result<Vec<Count>, Nothing> {
            Err(Nothing)
        }

        async fn change_certificate(&self, _: &Actor, _: &[u8; 32], _: Change) -> Result<CertificateRecord, Nothing> {
            Err(Nothing)
        }

        async fn authorities(&self, _: &Actor) -> Result<Vec<AuthorityRecord>, Nothing> {
            Err(Nothing)
        }

        async fn authority(&self, _: &Actor, _: &AuthorityId) -> Result<(AuthorityRecord, Vec<u8>), Nothing> {
            Err(Nothing)
        }

        async fn issue_list(&self, _: &Actor, _: &AuthorityId, _: u32, _: bool) -> Result<IssuedList, Nothing> {
            Err(Nothing)
        }

        async fn caller_by_fingerprint(&self, _: &[u8; 32]) -> Result<Option<KnownCaller>, Nothing> {
            Err(Nothing)
        }

        async fn spend_nonce(&self, _: &CallerId, _: &str, _: Timestamp) -> Result<(), Nothing> {
            Err(Nothing)
        }

        async fn revocation_list(&self, _: &AuthorityId, _: u32, _: bool) -> Result<Option<PublishedBytes>, Nothing> {
            Err(Nothing)
        }

        async fn trust_lists(&self) -> Result<Option<PublishedBytes>, Nothing> {
            Err(Nothing)
        }

        async fn notice_keys(&self) -> Result<Vec<NoticeKey>, Nothing> {
            Err(Nothing)
        }

        async fn authority_certificate(
            &self,
            _: &AuthorityId,
            _: IssuerForm,
        ) -> Result<Option<PublishedBytes>, Nothing> {
            Err(Nothing)
        }

        async fn ocsp(&self, _: &AuthorityId, _: &[u8]) -> OcspReply {
            OcspReply::Once(Vec::new())
        }

        fn ocsp_nobody(&self) -> OcspReply {
            OcspReply::Once(Vec::new())
        }

        async fn ready(&self) -> Result<(), Nothing> {
            Err(Nothing)
        }

        async fn record_refusal(&self, _: &Actor, _: &str, _: &str, _: &str) -> Result<(), Nothing> {
            Err(Nothing)
        }

        fn verify_caller_signature(&self, _: &CallerKey, _: &str, _: &[u8], _: &[u8]) -> bool {
            false
        }

        fn clock(&self) -> &dyn Clock {
            &self.0
        }
    }

    fn nobody() -> Arc<Nobody> {
        Arc::new(Nobody(FixedClock(Timestamp::from_unix(0))))
    }

    /// Status and code of the answer to a GET from this address.
    async fn answer(app: &Arc<App>, path: &str, peer: Option<&str>) -> (u16, String) {
        let mut request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        if let Some(address) = peer {
            let address: SocketAddr = address.parse().unwrap();
            request.extensions_mut().insert(Peer { address, certificate_key: None });
        }
        let answer = app.router().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, json["code"].as_str().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn an_endpoint_without_a_row_is_refused() {
        let table = Table::parse("[[endpoint]]\nmethod='GET'\npath='/healthz'\naccess='public'").unwrap();
        let app = App::with_table(nobody(), Settings::default(), Arc::new(SystemRandom), table).unwrap();
        assert_eq!(answer(&app, "/healthz", None).await, (200, String::new()));
        for path in ["/readyz", "/metrics", "/api/openapi.json", "/api/v1/seals/x"] {
            assert_eq!(answer(&app, path, None).await, (403, "no-access-rule".to_owned()), "{path}");
        }
        let missing = InvalidTable::RowMissing { endpoint: "DELETE /api/v1/signatures/{id}".into() };
        assert_eq!(app.table.must_match(&app.routes), Err(missing));
    }

    #[tokio::test]
    async fn figures_are_for_this_machine() {
        let refused = App::with_access(nobody(), Settings::default(), Arc::new(SystemRandom), "");
        assert!(matches!(refused, Err(Error::Access(_))));
        let app = App::new(nobody(), Settings::default(), Arc::new(SystemRandom)).unwrap();
        for peer in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(answer(&app, "/metrics", Some(peer)).await.0, 200, "{peer}");
        }
        for peer in [Some("192.0.2.1:1"), Some("[2001:db8::1]:1"), Some("[::ffff:192.0.2.1]:1"), None] {
            assert_eq!(answer(&app, "/metrics", peer).await, (403, "loopback-only".to_owned()), "{peer:?}");
        }
    }

    #[tokio::test]
    async fn a_constant_is_for_measurements_by_plain_http_alone() {
        for (constant, expected) in [(None, 404), (Some(axum::body::Bytes::from_static(b"x")), 200)] {
            let settings = Settings { constant, ..Settings::default() };
            let app = App::new(nobody(), settings, Arc::new(SystemRandom)).unwrap();
            let ask = || Request::get("/constant/a").header("host", "localhost").body(Body::empty()).unwrap();
            let plain = app.publication_router().oneshot(ask()).await.unwrap();
            assert_eq!(plain.status().as_u16(), expected);
            assert_eq!(app.router().oneshot(ask()).await.unwrap().status().as_u16(), 404);
        }
    }

    #[tokio::test]
    async fn without_randomness_nothing_is_served() {
        let app = App::new(nobody(), Settings::default(), Arc::new(DeadRandom)).unwrap();
        assert_eq!(answer(&app, "/healthz", None).await, (503, "unavailable".to_owned()));
    }
}
