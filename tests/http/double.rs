//! Use cases in memory: callers, nonces, one seal, and files that make the work slow or broken.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use yinxin::base::clock::{Clock, FixedClock, Timestamp};
use yinxin::base::id::{ApplicationId, AuthorityId, CallerId, JobId, SealId, SignatureId, VerificationBatchId};
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::Actor as RecordedActor;
use yinxin::domain::audit::statement::Statement;
use yinxin::domain::ca::job::{Job, JobState};
use yinxin::domain::ca::job_approval::{JobConsent, JobStep};
use yinxin::domain::ca::request::{Approval, Hand};
use yinxin::domain::ca::trust_list::ListApproval;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::Validity;
use yinxin::domain::trust::list_diff::ListChange;
use yinxin::service::audit_log::desk::{EventPage, LogAnswer, LogFile, LogRequest};
use yinxin::service::audit_log::{Receipt, SignedStatement};
use yinxin::service::certificate_status::Change;
use yinxin::service::door::{
    Actor, AuthorityRecord, CallerKey, CertificatePage, CertificateQuery, CertificateRecord, ErrorKind, IssuedList,
    IssuerForm, KnownCaller, OcspReply, OrderCertificate, OrderedCertificate, Preview, Proof, PublishedBytes, Refusal,
    SealStatus, SignDocument, SignedDocument, SignedOriginal, UseCases, VerifyDocument,
};
use yinxin::service::inventory::Count;
use yinxin::service::issuance_jobs::desk::{JobAction, JobPage, JobRecord, ResultPage, ResultQuery};
use yinxin::service::issuance_jobs::{RowOutcome, RowResult};
use yinxin::service::message_desk::{MessageAnswer, MessageRequest};
use yinxin::service::person_desk::PersonDocument;
use yinxin::service::person_signings::PersonOrder;
use yinxin::service::registration::NewRequest;
use yinxin::service::registration_desk::{
    ApprovalRecord, DraftedRequest, RequestPage, RequestQuery, RequestRecord, RequestStep,
};
use yinxin::service::seal_desk::{SealAnswer, SealRequest};
use yinxin::service::signed_reports::Form;
use yinxin::service::signing_desk::{PreparedSignature, SigningAnswer, SigningStep};
use yinxin::service::trust_desk::{TrustListAnswer, TrustListRecord, TrustListStep};
use yinxin::service::verification_batches::{BatchRecord, BatchStep};
use yinxin::service::webhooks::desk::{NoticeKey, NoticeKeyStanding};
use yinxin::store::issuance_jobs::StoredJob;
use yinxin::store::verification_batches::{BatchState, Counts, StoredBatch};

pub(crate) const NOW: &str = "2026-11-23T00:00:00Z";
pub(crate) const SEAL: &str = "seal-1";
/// SM3 of the one certificate, in the double's own reckoning.
pub(crate) const CERTIFICATE: [u8; 32] = [0xab; 32];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the nonce was used before")]
    Replayed,
    #[error("there is no such seal")]
    SealUnknown,
    #[error("the file is no OFD")]
    NotOfd,
    #[error("the key was used for another request")]
    KeyReused,
    #[error("there is no such certificate")]
    CertificateUnknown,
    #[error("the certificate is revoked")]
    CertificateState,
    #[error("there is no such authority")]
    AuthorityUnknown,
    #[error("there is no such request")]
    RequestUnknown,
    #[error("there is no such job")]
    JobUnknown,
    #[error("reports are not signed here")]
    SigningOff,
    #[error("the database at /secret/path is gone")]
    Database,
}

impl Refusal for Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::SealUnknown => "seal-unknown",
            Self::NotOfd => "not-ofd",
            Self::KeyReused => "idempotency-key-reused",
            Self::CertificateUnknown => "unknown-certificate",
            Self::CertificateState => "certificate-state",
            Self::AuthorityUnknown => "unknown-authority",
            Self::RequestUnknown => "unknown-certificate-request",
            Self::JobUnknown => "unknown-job",
            Self::SigningOff => "report-signing-off",
            Self::Database => "database",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Replayed | Self::KeyReused | Self::CertificateState | Self::SigningOff => ErrorKind::Conflict,
            Self::SealUnknown
            | Self::CertificateUnknown
            | Self::AuthorityUnknown
            | Self::RequestUnknown
            | Self::JobUnknown => ErrorKind::NotFound,
            Self::NotOfd => ErrorKind::Refused,
            Self::Database => ErrorKind::Unavailable,
        }
    }
}

/// Caller with its proof, endpoint and code of a recorded refusal.
pub(crate) type Recorded = (Option<(String, Proof)>, String, String);

/// What comes with a request that is submitted.
pub(crate) type NonceAndSignature = ([u8; 32], Vec<u8>);

#[derive(Default)]
pub(crate) struct Double {
    pub(crate) callers: Mutex<HashMap<[u8; 32], KnownCaller>>,
    nonces: Mutex<HashSet<(CallerId, String)>>,
    answers: Mutex<HashMap<String, (SignDocument, SignedDocument)>>,
    orders: Mutex<HashMap<String, OrderCertificate>>,
    /// The last order, the last query and the last change, as they came through the door.
    pub(crate) ordered: Mutex<Option<OrderCertificate>>,
    pub(crate) asked: Mutex<Option<CertificateQuery>>,
    pub(crate) changed: Mutex<Option<Change>>,
    /// The last request as it came through the door, with nonce and signature once it is submitted.
    pub(crate) submitted: Mutex<Option<(NewRequest, Option<NonceAndSignature>)>>,
    /// The last query for requests.
    pub(crate) looked_for: Mutex<Option<RequestQuery>>,
    /// The last step, and its signature once it is taken.
    pub(crate) stepped: Mutex<Option<(RequestStep, Option<Vec<u8>>)>>,
    /// The last action with a job, and the last page of jobs that was asked for.
    pub(crate) acted: Mutex<Option<JobAction>>,
    pub(crate) listed: Mutex<Option<(Option<JobId>, i64)>>,
    /// The last step with trust lists.
    pub(crate) decided: Mutex<Option<TrustListStep>>,
    /// Everything that was asked about seals.
    pub(crate) desked: Mutex<Vec<SealRequest>>,
    pub(crate) refusals: Mutex<Vec<Recorded>>,
    pub(crate) broken: AtomicBool,
    /// Tells that work on `slow.ofd` has begun, and lets it end.
    pub(crate) begun: Notify,
    pub(crate) release: Notify,
    pub(crate) finished: AtomicBool,
}

impl Double {
    pub(crate) fn register(&self, name: &str, roles: &[&str], fingerprint: [u8; 32], spki: &[u8]) {
        let caller = KnownCaller {
            id: CallerId::parse(name).unwrap(),
            name: name.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            key: CallerKey { algorithm: "ecdsa-p256-sha256".into(), spki: spki.to_vec() },
        };
        self.callers.lock().unwrap().insert(fingerprint, caller);
    }

    async fn work(&self, file_name: &str) {
        if file_name == "panic.ofd" {
            panic!("this file makes the double panic");
        }
        if file_name == "slow.ofd" {
            self.begun.notify_one();
            self.release.notified().await;
            self.finished.store(true, Ordering::SeqCst);
        }
    }
}

static CLOCK: std::sync::LazyLock<FixedClock> =
    std::sync::LazyLock::new(|| FixedClock(Timestamp::parse_rfc3339(NOW).unwrap()));

fn record(status: &'static str) -> CertificateRecord {
    let (begin, end) = (Timestamp::from_unix(0), Timestamp::from_unix(86_400));
    CertificateRecord {
        sm3: CERTIFICATE,
        serial: [0x41; 16],
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "officer".into(),
        subject: "CN=甲".into(),
        not_before: begin,
        not_after: end,
        issued_at: begin,
        status,
        status_since: begin,
        reason: None,
        invalidity_date: None,
        crl_shard: 3,
        der: vec![0x30, 0],
    }
}

fn authority() -> AuthorityRecord {
    AuthorityRecord {
        id: AuthorityId::parse("ca").unwrap(),
        name: "示例机构".into(),
        parent: None,
        certificate_sm3: [1; 32],
        base_url: "http://ca.example".into(),
        crl_shards: 4,
        created_at: Timestamp::from_unix(0),
        retired_at: None,
    }
}

/// The one request for a certificate.
fn request(state: &'static str) -> RequestRecord {
    let (officer, at) = (|name| CallerId::parse(name).unwrap(), Timestamp::from_unix(0));
    RequestRecord {
        id: ApplicationId::parse("r1").unwrap(),
        state,
        since: at,
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "person-signing".into(),
        subject: "CN=甲".into(),
        identity: vec!["passport-number"],
        not_after: None,
        encryption_profile: None,
        csr: vec![0x30, 0],
        evidence_sm3: [1; 32],
        nonce: [2; 32],
        applicant: officer("c1"),
        submitted_at: at,
        checked: Some((officer("c2"), at)),
        approvals: vec![ApprovalRecord { officer: officer("c3"), key_sm3: [3; 32], signature: vec![4; 64], at }],
        refused_by: None,
        reason: None,
        explanation: None,
        certificate_sm3: None,
    }
}

/// The one job.
fn job() -> JobRecord {
    let (officer, at) = (|name| CallerId::parse(name).unwrap(), Timestamp::from_unix(0));
    let signed = |name, signature| Approval {
        hand: Hand { officer: officer(name), key_sm3: [3; 32] },
        signature: vec![signature; 64],
        at,
    };
    let stored = StoredJob {
        id: JobId::parse("j1").unwrap(),
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "officer".into(),
        rows_sm3: [1; 32],
        created_by: RecordedActor::Caller { id: officer("c1"), roles: Roles::new([Role::CertificateOfficer]).unwrap() },
        created_at: at,
        job: Job { issued: 1, refused: 1, state: JobState::Paused { reason: "asked".into() }, ..Job::new(3, at) },
        version: 1,
    };
    let consent = JobConsent { check: Some(signed("c2", 4)), approvals: vec![signed("c3", 5)] };
    JobRecord { stored, consent, approval: Some("approved") }
}

fn published() -> PublishedBytes {
    let now = Timestamp::parse_rfc3339(NOW).unwrap();
    let bytes = std::sync::Arc::from(*b"published");
    PublishedBytes { bytes, this_update: now, expires: now.plus_seconds(60), most_age: None, tag: "tag".into() }
}

impl UseCases for Double {
    type Error = Fault;
    type Report = serde_json::Value;

    async fn verify(&self, actor: &Actor, request: VerifyDocument) -> Result<Self::Report, Fault> {
        self.work(&request.file_name).await;
        assert_eq!(actor.caller, None);
        Ok(serde_json::json!({
            "file": request.file_name,
            "indication": "NO_SIGNATURE_FOUND",
            "bytes": request.document.len(),
            "original": request.original.map(|original| match original {
                SignedOriginal::Document(document) => String::from_utf8(document).unwrap(),
                SignedOriginal::Digest(digest) => digest.to_string(),
            }),
            "at": request.at,
            "evidence": request.evidence.others_pem(),
            "policy": { "name": request.policy.as_deref().unwrap_or("default") },
        }))
    }

    async fn verify_signed(&self, actor: &Actor, request: VerifyDocument, form: Form) -> Result<Vec<u8>, Fault> {
        if request.policy.as_deref() == Some("unsigned") {
            return Err(Fault::SigningOff);
        }
        let report = self.verify(actor, request).await?;
        Ok(format!("{}:{report}", form.name()).into_bytes())
    }

    async fn signs_reports(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn verification_batch(&self, actor: &Actor, step: BatchStep) -> Result<Option<BatchRecord>, Fault> {
        assert!(actor.caller.is_some());
        let at = Timestamp::from_unix(0);
        let batch = StoredBatch {
            id: VerificationBatchId::parse("b1").unwrap(),
            owner: CallerId::parse("c1").unwrap(),
            idempotency_key: "key".into(),
            policy: "default".into(),
            judged_as_of: None,
            state: BatchState::Open,
            created_at: at,
            since: at,
        };
        let (counts, files, next) = (Counts::default(), Vec::new(), None);
        let gone = matches!(step, BatchStep::Forget { .. });
        Ok((!gone).then_some(BatchRecord { batch, counts, forgotten_at: at.plus_seconds(60), files, next }))
    }

    async fn audit_log(&self, _: &Actor, request: LogRequest) -> Result<LogAnswer, Fault> {
        Ok(match request {
            LogRequest::File { .. } => {
                LogAnswer::File(LogFile { octets: b"text\n".to_vec(), is_text: true, is_fixed: false })
            }
            LogRequest::Search(_) => LogAnswer::Events(EventPage { events: Vec::new(), next: None }),
            LogRequest::Proof { .. } | LogRequest::ProofsOf { .. } => LogAnswer::Proofs(Vec::new()),
            LogRequest::Statement { thing } => {
                let at = Timestamp::from_unix(1_800_000_000);
                let statement = Statement { origin: "log.example/a".into(), thing, size: 3, root: [0; 32], at };
                LogAnswer::Statement(SignedStatement { statement, note: "note\n".to_owned() })
            }
            LogRequest::Receipts { .. } => {
                LogAnswer::Receipts(vec![Receipt { index: 7, note: "note\n".to_owned(), opening: None }])
            }
        })
    }

    async fn trust_list_step(&self, actor: &Actor, step: TrustListStep) -> Result<TrustListAnswer, Fault> {
        assert!(actor.caller.is_some());
        let is_octets = matches!(step, TrustListStep::ToApprove { .. } | TrustListStep::ToRefuse { .. });
        let is_shown = matches!(step, TrustListStep::Show { .. });
        *self.decided.lock().unwrap() = Some(step);
        if is_octets {
            return Ok(TrustListAnswer::Octets(vec![7, 8, 9]));
        }
        let at = Timestamp::from_unix(0);
        let change = ListChange { what: "added", of: "anchor", id: Some("ab".into()), detail: "CN=甲".into() };
        Ok(TrustListAnswer::Lists(vec![TrustListRecord {
            sm3: [0xab; 32],
            state: "imported",
            name: "zj".into(),
            number: 2,
            replaces: Some([0xcd; 32]),
            by_paper: false,
            above: None,
            imported_at: at,
            active_since: None,
            ended_at: None,
            refused_by: None,
            approvals: vec![ListApproval {
                hand: Hand { officer: CallerId::parse("o1").unwrap(), key_sm3: [1; 32] },
                compared: true,
                signature: vec![2; 64],
                at,
            }],
            not_used: None,
            changes: is_shown.then(|| vec![change]),
            file: is_shown.then(|| br#"{"payload":"e30","signatures":[]}"#.to_vec()),
        }]))
    }

    async fn seal_desk(&self, actor: &Actor, request: SealRequest) -> Result<SealAnswer, Fault> {
        assert!(actor.caller.is_some());
        let answer = crate::seal_answers::answer(&request);
        self.desked.lock().unwrap().push(request);
        Ok(answer)
    }

    async fn sign_by_person(&self, actor: &Actor, request: PersonDocument) -> Result<SignedDocument, Fault> {
        self.work(&request.file_name).await;
        assert!(actor.caller.is_some());
        assert_eq!(actor.request_id, request.request_id);
        if !request.order.document.starts_with(b"PK") {
            return Err(Fault::NotOfd);
        }
        let PersonOrder { document, plan, handwriting, size_mm, person, idempotency_key } = request.order;
        let told = format!("|{} {size_mm:?} {person:?} {} {idempotency_key:?}", plan.text(), handwriting.len());
        Ok(SignedDocument {
            signature: SignatureId::parse("act-1").unwrap(),
            document: [document, told.into_bytes()].concat(),
            document_sm3: "00".repeat(32),
            signed_at: Timestamp::from_unix(1_800_000_001),
        })
    }

    async fn message_desk(&self, actor: &Actor, request: MessageRequest) -> Result<MessageAnswer, Fault> {
        assert!(actor.caller.is_some());
        crate::signing_keys::answer(actor, request).ok_or(Fault::CertificateUnknown)
    }

    async fn prepared_signing(&self, actor: &Actor, step: SigningStep) -> Result<SigningAnswer, Fault> {
        assert!(actor.caller.is_some());
        match step {
            SigningStep::Prepare { seal, request } => {
                self.work(&request.file_name).await;
                assert_eq!(actor.request_id, request.request_id);
                if seal.as_str() != SEAL {
                    return Err(Fault::SealUnknown);
                }
                Ok(SigningAnswer::Prepared(PreparedSignature {
                    signature: SignatureId::parse("signature-1").unwrap(),
                    to_sign: request.document,
                    algorithm: "sm2-sm3",
                    expires_at: Timestamp::from_unix(1_800_000_600),
                }))
            }
            SigningStep::GiveUp { signature, request_id } => {
                assert_eq!(actor.request_id, request_id);
                if signature.as_str() == "signature-1" { Ok(SigningAnswer::GivenUp) } else { Err(Fault::SealUnknown) }
            }
            SigningStep::Complete { signature, value, request_id } => {
                assert_eq!((signature.as_str(), &actor.request_id), ("signature-1", &request_id));
                let (document, document_sm3) = ([b"PK|", &value[..]].concat(), "00".repeat(32));
                let signed_at = Timestamp::from_unix(1_800_000_001);
                Ok(SigningAnswer::Signed(SignedDocument { signature, document, document_sm3, signed_at }))
            }
        }
    }

    async fn preview(&self, _document: Vec<u8>) -> Result<Option<Preview>, Fault> {
        Ok(None)
    }

    async fn sign_with_seal(
        &self,
        actor: &Actor,
        seal: SealId,
        request: SignDocument,
    ) -> Result<SignedDocument, Fault> {
        self.work(&request.file_name).await;
        assert!(actor.caller.is_some());
        assert_eq!(actor.request_id, request.request_id);
        if seal.as_str() != SEAL {
            return Err(Fault::SealUnknown);
        }
        if !request.document.starts_with(b"PK") {
            return Err(Fault::NotOfd);
        }
        let mut answers = self.answers.lock().unwrap();
        if let Some((earlier, answer)) = answers.get(&request.idempotency_key) {
            let same = SignDocument { request_id: earlier.request_id.clone(), ..request };
            return if *earlier == same { Ok(answer.clone()) } else { Err(Fault::KeyReused) };
        }
        let mut document = request.document.clone();
        let mark = format!("|{} {}", request.plan.text(), request.plan.lock);
        document.extend_from_slice(mark.as_bytes());
        let answer = SignedDocument {
            signature: SignatureId::fresh(self.clock().now(), &SystemRandom).unwrap(),
            document,
            document_sm3: "00".repeat(32),
            signed_at: self.clock().now(),
        };
        answers.insert(request.idempotency_key.clone(), (request, answer.clone()));
        Ok(answer)
    }

    async fn seal_status(&self, _: &Actor, seal: SealId) -> Result<SealStatus, Fault> {
        if seal.as_str() != SEAL {
            return Err(Fault::SealUnknown);
        }
        Ok(SealStatus {
            id: seal,
            es_id: "51010000000001".into(),
            name: "样章".into(),
            state: "active",
            since: Timestamp::from_unix(0),
            valid_from: Timestamp::from_unix(0),
            valid_to: Timestamp::MAX,
            certificate_sm3: "ab".repeat(32),
        })
    }

    async fn stamp(&self, request: Vec<u8>) -> Result<Vec<u8>, Fault> {
        if self.broken.load(Ordering::SeqCst) {
            Err(Fault::Database)
        } else {
            Ok([b"answer to ", &request[..]].concat())
        }
    }

    async fn order_certificate(&self, actor: &Actor, order: OrderCertificate) -> Result<OrderedCertificate, Fault> {
        assert!(actor.caller.is_some());
        *self.ordered.lock().unwrap() = Some(order.clone());
        let mut orders = self.orders.lock().unwrap();
        let first = orders.entry(order.idempotency_key.clone()).or_insert_with(|| order.clone());
        if *first != order {
            return Err(Fault::KeyReused);
        }
        Ok(OrderedCertificate {
            sm3: CERTIFICATE,
            serial: [0x41; 16],
            authority: order.authority,
            profile: order.profile,
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(86_400),
            der: vec![0x30, 0],
            encryption: None,
        })
    }

    async fn draft_request(&self, actor: &Actor, new: NewRequest) -> Result<DraftedRequest, Fault> {
        assert!(actor.caller.is_some());
        *self.submitted.lock().unwrap() = Some((new, None));
        Ok(DraftedRequest { nonce: [2; 32], subject: "CN=甲".into(), to_sign: vec![1, 2, 3] })
    }

    async fn submit_request(
        &self,
        actor: &Actor,
        new: NewRequest,
        nonce: [u8; 32],
        signature: Vec<u8>,
    ) -> Result<RequestRecord, Fault> {
        assert!(actor.caller.is_some());
        *self.submitted.lock().unwrap() = Some((new, Some((nonce, signature))));
        Ok(request("submitted"))
    }

    async fn certificate_request(&self, _: &Actor, id: &ApplicationId) -> Result<RequestRecord, Fault> {
        if id.as_str() == "r1" { Ok(request("checked")) } else { Err(Fault::RequestUnknown) }
    }

    async fn certificate_requests(&self, _: &Actor, query: RequestQuery) -> Result<RequestPage, Fault> {
        *self.looked_for.lock().unwrap() = Some(query);
        Ok(RequestPage { requests: vec![request("checked")], next: ApplicationId::parse("r1").ok() })
    }

    async fn request_octets(&self, _: &Actor, id: &ApplicationId, step: RequestStep) -> Result<Vec<u8>, Fault> {
        if id.as_str() != "r1" {
            return Err(Fault::RequestUnknown);
        }
        *self.stepped.lock().unwrap() = Some((step, None));
        Ok(vec![4, 5, 6])
    }

    async fn step_request(
        &self,
        actor: &Actor,
        id: &ApplicationId,
        step: RequestStep,
        signature: Vec<u8>,
    ) -> Result<RequestRecord, Fault> {
        assert!(actor.caller.is_some());
        if id.as_str() != "r1" {
            return Err(Fault::RequestUnknown);
        }
        *self.stepped.lock().unwrap() = Some((step, Some(signature)));
        Ok(request("checked"))
    }

    async fn issue_request(&self, actor: &Actor, id: &ApplicationId) -> Result<OrderedCertificate, Fault> {
        assert!(actor.caller.is_some());
        if id.as_str() != "r1" {
            return Err(Fault::RequestUnknown);
        }
        Ok(OrderedCertificate {
            sm3: CERTIFICATE,
            serial: [0x41; 16],
            authority: AuthorityId::parse("ca").unwrap(),
            profile: "person-signing".into(),
            not_before: Timestamp::from_unix(0),
            not_after: Timestamp::from_unix(86_400),
            der: vec![0x30, 0],
            encryption: None,
        })
    }

    async fn issuance_job(&self, actor: &Actor, action: JobAction) -> Result<JobRecord, Fault> {
        assert!(actor.caller.is_some());
        let known = match &action {
            JobAction::Submit { .. } => true,
            JobAction::Show(id) | JobAction::Start(id) | JobAction::Pause(id) => id.as_str() == "j1",
            JobAction::Resume(id) | JobAction::Cancel(id) | JobAction::Sign { id, .. } => id.as_str() == "j1",
        };
        *self.acted.lock().unwrap() = Some(action);
        if known { Ok(job()) } else { Err(Fault::JobUnknown) }
    }

    async fn issuance_jobs(&self, _: &Actor, after: Option<JobId>, limit: i64) -> Result<JobPage, Fault> {
        *self.listed.lock().unwrap() = Some((after, limit));
        Ok(JobPage { jobs: vec![job()], next: JobId::parse("j1").ok() })
    }

    async fn issuance_job_octets(&self, _: &Actor, id: &JobId, step: JobStep) -> Result<Vec<u8>, Fault> {
        if id.as_str() == "j1" { Ok(step.name().as_bytes().to_vec()) } else { Err(Fault::JobUnknown) }
    }

    /// Three rows, at most two of them on a page.
    async fn issuance_job_results(&self, _: &Actor, id: &JobId, rows: ResultQuery) -> Result<ResultPage, Fault> {
        if id.as_str() != "j1" {
            return Err(Fault::JobUnknown);
        }
        // A job of that page is broken behind its first page.
        if self.broken.load(Ordering::SeqCst) && rows.after > 0 {
            return Err(Fault::Database);
        }
        let at = Timestamp::from_unix(0);
        let refused = RowResult::Refused { code: "csr-malformed".into(), reason: "not a request".into() };
        let results = [Some((RowResult::Issued(CERTIFICATE), at)), Some((refused, at)), None];
        let all = results.into_iter().zip(1..).map(|(result, number)| {
            let der = matches!(&result, Some((RowResult::Issued(_), _))).then(|| vec![0x30, 0]);
            (RowOutcome { number, name: format!("甲{number}"), result }, der.filter(|_| rows.with_certificates))
        });
        let limit = usize::try_from(rows.limit.min(2)).unwrap();
        let rows = all.filter(|(row, _)| row.number > rows.after).take(limit).collect::<Vec<_>>();
        let next = rows.last().map(|(row, _)| row.number).filter(|number| *number < 3);
        Ok(ResultPage { rows, next })
    }

    async fn certificate(&self, _: &Actor, sm3: &[u8; 32]) -> Result<CertificateRecord, Fault> {
        if *sm3 == CERTIFICATE { Ok(record("active")) } else { Err(Fault::CertificateUnknown) }
    }

    async fn certificates(&self, _: &Actor, query: CertificateQuery) -> Result<CertificatePage, Fault> {
        *self.asked.lock().unwrap() = Some(query);
        Ok(CertificatePage { certificates: vec![record("suspended")], next: Some(7) })
    }

    async fn certificate_counts(&self, _: &Actor) -> Result<Vec<Count>, Fault> {
        let (authority, status) = (AuthorityId::parse("ca").unwrap(), "active".to_owned());
        Ok(vec![Count { authority, profile: "officer".into(), status, certificates: 2 }])
    }

    async fn change_certificate(
        &self,
        actor: &Actor,
        sm3: &[u8; 32],
        change: Change,
    ) -> Result<CertificateRecord, Fault> {
        assert!(actor.caller.is_some());
        if *sm3 != CERTIFICATE {
            return Err(Fault::CertificateUnknown);
        }
        if self.changed.lock().unwrap().replace(change) == Some(change) {
            return Err(Fault::CertificateState);
        }
        let Change::Revoke { reason, invalidity_date } = change else { return Ok(record("suspended")) };
        Ok(CertificateRecord { reason: Some(reason), invalidity_date, ..record("revoked") })
    }

    async fn authorities(&self, _: &Actor) -> Result<Vec<AuthorityRecord>, Fault> {
        Ok(vec![authority()])
    }

    async fn authority(&self, _: &Actor, id: &AuthorityId) -> Result<(AuthorityRecord, Vec<u8>), Fault> {
        if id.as_str() == "ca" { Ok((authority(), vec![0x30, 0])) } else { Err(Fault::AuthorityUnknown) }
    }

    async fn issue_list(&self, _: &Actor, id: &AuthorityId, shard: u32, delta: bool) -> Result<IssuedList, Fault> {
        if id.as_str() != "ca" {
            return Err(Fault::AuthorityUnknown);
        }
        let (number, base) = (u64::from(shard) + 10, delta.then_some(9));
        let (this_update, next_update) = (Timestamp::from_unix(0), Timestamp::from_unix(60));
        Ok(IssuedList { number, base, entries: 5, this_update, next_update, sm3: [2; 32] })
    }

    async fn caller_by_fingerprint(&self, fingerprint: &[u8; 32]) -> Result<Option<KnownCaller>, Fault> {
        Ok(self.callers.lock().unwrap().get(fingerprint).cloned())
    }

    async fn spend_nonce(&self, caller: &CallerId, nonce: &str, expires: Timestamp) -> Result<(), Fault> {
        assert!(expires > self.clock().now());
        let fresh = self.nonces.lock().unwrap().insert((caller.clone(), nonce.to_owned()));
        if fresh { Ok(()) } else { Err(Fault::Replayed) }
    }

    async fn revocation_list(&self, _: &AuthorityId, _: u32, _: bool) -> Result<Option<PublishedBytes>, Fault> {
        Ok(Some(published()))
    }

    async fn notice_keys(&self) -> Result<Vec<NoticeKey>, Fault> {
        let validity = Validity { not_before: None, not_after: None };
        let next = Validity { not_before: Some(Timestamp::from_unix(1_900_000_000)), not_after: None };
        let key = |alg, standing, validity| {
            let (keyid, pem) = ("ab".repeat(32), "-----BEGIN PUBLIC KEY-----\n".to_owned());
            NoticeKey { keyid, alg, standing, validity, pem }
        };
        Ok(vec![key("sm2-sm3", NoticeKeyStanding::Next, next), key("sm2-sm3", NoticeKeyStanding::Present, validity)])
    }

    async fn trust_lists(&self) -> Result<Option<PublishedBytes>, Fault> {
        Ok(Some(published()))
    }

    async fn authority_certificate(&self, _: &AuthorityId, _: IssuerForm) -> Result<Option<PublishedBytes>, Fault> {
        Ok(Some(published()))
    }

    async fn ocsp(&self, _: &AuthorityId, request: &[u8]) -> OcspReply {
        OcspReply::Once(request.to_vec())
    }

    fn ocsp_nobody(&self) -> OcspReply {
        OcspReply::Once(b"nobody".to_vec())
    }

    async fn ready(&self) -> Result<(), Fault> {
        if self.broken.load(Ordering::SeqCst) { Err(Fault::Database) } else { Ok(()) }
    }

    async fn record_refusal(&self, actor: &Actor, method: &str, route: &str, code: &str) -> Result<(), Fault> {
        let caller = actor.caller.as_ref().map(|(id, proof)| (id.to_string(), *proof));
        self.refusals.lock().unwrap().push((caller, format!("{method} {route}"), code.to_owned()));
        Ok(())
    }

    fn verify_caller_signature(&self, key: &CallerKey, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        // SubjectPublicKeyInfo of P-256 ends with the uncompressed point.
        let point = &key.spki[key.spki.len() - 65..];
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
        algorithm == "ecdsa-p256-sha256" && key.verify(message, signature).is_ok()
    }

    fn clock(&self) -> &dyn Clock {
        &*CLOCK
    }
}
