//! Use cases in memory: callers, nonces, one seal, and files that make the work slow or broken.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use yinxin::base::clock::{Clock, FixedClock, Timestamp};
use yinxin::base::id::{AuthorityId, CallerId, SealId, SignatureId};
use yinxin::base::random::SystemRandom;
use yinxin::service::door::{
    Actor, CallerKey, ErrorKind, KnownCaller, OcspReply, Proof, PublishedBytes, Refusal, SealStatus, SignDocument,
    SignedDocument, UseCases, VerifyDocument,
};

pub(crate) const NOW: &str = "2026-11-23T00:00:00Z";
pub(crate) const SEAL: &str = "seal-1";

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
            Self::Database => "database",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Replayed | Self::KeyReused => ErrorKind::Conflict,
            Self::SealUnknown => ErrorKind::NotFound,
            Self::NotOfd => ErrorKind::Refused,
            Self::Database => ErrorKind::Unavailable,
        }
    }
}

/// Caller with its proof, endpoint and code of a recorded refusal.
pub(crate) type Recorded = (Option<(String, Proof)>, String, String);

#[derive(Default)]
pub(crate) struct Double {
    pub(crate) callers: Mutex<HashMap<[u8; 32], KnownCaller>>,
    nonces: Mutex<HashSet<(CallerId, String)>>,
    answers: Mutex<HashMap<String, (SignDocument, SignedDocument)>>,
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
            "at": request.at,
            "policy": { "name": request.policy },
        }))
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
        let mark = format!("|{} {} {} {}", request.page, request.x_mm, request.y_mm, request.lock);
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

    async fn authority_certificate(&self, _: &AuthorityId) -> Result<Option<PublishedBytes>, Fault> {
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
