//! `yinxin ca request`: requests for certificates, from their submission to the certificate.
//!
//! Whoever takes a step proves it by a signature of the officer's registered key over the octets of that step: by a key file
//! here, or elsewhere, by a token, over what `--to-sign` writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId};
use crate::base::random::array;
use crate::cli::ca::inventory::sm3;
use crate::cli::ca::pair::given;
use crate::cli::ca::{BY, MOST, read, subject};
use crate::cli::console::shown;
use crate::cli::installation::{Error, write_new};
use crate::cli::proof::{Proof, Proven};
use crate::domain::ca::Profiles;
use crate::domain::ca::request::{Approval, RefusalReason, RequestState, Submitted, WithdrawalReason};
use crate::domain::ca::subject::Attributes;
use crate::service;
use crate::service::Services;
use crate::service::escrow;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::{Issuance, request_in};
use crate::service::registration::{self, NewRequest, Signed, evidence_sm3, subject_of};
use crate::service::verification::pem_of;
use crate::store::certificate_requests::StoredRequest;

/// Evidence is scans of paper.
const MOST_EVIDENCE: u64 = 1 << 28;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Enter a request of PKCS#10, and print its name
    Submit(Submit),
    /// Write the octets that an approver signs to a new file: the same for every approver
    ToApprove {
        /// The request
        #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
        request: ApplicationId,
        /// Where to write them
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// State that a request agrees with its evidence, as a checker
    Check(Step),
    /// Approve a request, as an officer of the role that the profile wants
    Approve(Step),
    /// Refuse a request, as a checker or an approver
    Refuse(Refuse),
    /// Take a request back, as its applicant
    Withdraw(Withdraw),
    /// Issue what was approved, and print the certificate
    Issue {
        /// The request
        #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
        request: ApplicationId,
        /// Write the certificate to this new file, and print its SM3
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Requests, oldest first: name, state, since, authority, profile, subject
    List(List),
    /// All that is known about a request
    Show {
        /// The request
        #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
        request: ApplicationId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Refuse every request that did not move for so many days, as `serve` does by itself
    Lapse {
        /// So many days
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Forget requests that ended long ago; one that was issued stays as long as its certificate is on record
    Forget {
        /// So many days after their end
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
}

/// What `check` and `approve` are told.
#[derive(Args)]
pub(crate) struct Step {
    /// The request
    #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
    request: ApplicationId,
    #[command(flatten)]
    proof: Proof,
}

/// What `refuse` is told.
#[derive(Args)]
pub(crate) struct Refuse {
    /// The request
    #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
    request: ApplicationId,
    /// Why: evidence-insufficient, profile-violated, not-entitled or key-refused
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    reason: RefusalReason,
    /// Why, in words; they stay with the request, the audit log gets their SM3
    #[arg(long, value_name = "TEXT", default_value = "")]
    explanation: String,
    #[command(flatten)]
    proof: Proof,
}

/// What `withdraw` is told.
#[derive(Args)]
pub(crate) struct Withdraw {
    /// The request
    #[arg(value_name = "REQUEST", value_parser = ApplicationId::parse)]
    request: ApplicationId,
    /// Why: mistaken, not-needed or replaced
    #[arg(long, value_name = "REASON", value_parser = withdrawal)]
    reason: WithdrawalReason,
    #[command(flatten)]
    proof: Proof,
}

/// What `submit` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("on-file").required(true).multiple(false))]
pub(crate) struct Submit {
    /// Who shall issue
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Under which profile
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// The request of PKCS#10, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Stands in for the request's subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: Option<SubjectAttributes>,
    /// End of validity; the profile's usual one, from the day of issue, when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Ask for a pair: under which profile its encryption certificate is issued, for a key that is made and kept here
    #[arg(long, value_name = "PROFILE")]
    encryption_profile: Option<String>,
    /// The evidence that is on file; its SM3 is kept
    #[arg(long, value_name = "FILE", group = "on-file")]
    evidence: Option<PathBuf>,
    /// SM3 of the evidence that is on file
    #[arg(long, value_name = "SM3", value_parser = sm3, group = "on-file")]
    evidence_sm3: Option<[u8; 32]>,
    /// With --signature: what --to-sign printed
    #[arg(long, value_name = "NONCE", value_parser = sm3, requires = "signature")]
    nonce: Option<[u8; 32]>,
    #[command(flatten)]
    proof: Proof,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// What `list` is told.
#[derive(Args)]
pub(crate) struct List {
    /// submitted, checked, approved, issued, refused or withdrawn
    #[arg(long, value_name = "STATE",
          value_parser = ["submitted", "checked", "approved", "issued", "refused", "withdrawn"])]
    state: Option<String>,
    /// Go on behind this request
    #[arg(long, value_name = "REQUEST", value_parser = ApplicationId::parse)]
    after: Option<ApplicationId>,
    /// At most so many, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// Print one JSON object for each request
    #[arg(long)]
    json: bool,
}

fn refusal(text: &str) -> Result<RefusalReason, String> {
    let known = RefusalReason::from_name(text).filter(|reason| *reason != RefusalReason::Lapsed);
    known.ok_or_else(|| "one of evidence-insufficient, profile-violated, not-entitled, key-refused".to_owned())
}

fn withdrawal(text: &str) -> Result<WithdrawalReason, String> {
    WithdrawalReason::from_name(text).ok_or_else(|| "one of mistaken, not-needed, replaced".to_owned())
}

/// The step itself, once its octets are signed.
async fn then(
    proof: &Proof,
    services: &Services,
    octets: Vec<u8>,
    step: impl AsyncFnOnce(Signed<'_>) -> Result<StoredRequest, service::Error>,
) -> Result<String, Error> {
    match proof.over(services, octets).await? {
        Proven::Written(path) => Ok(format!("{path}\n")),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            Ok(line(&step(signed).await?))
        }
    }
}

/// Does what is asked; `profiles` are those in force.
pub(super) async fn act(services: &Services, profiles: Arc<Profiles>, action: &Action) -> Result<String, Error> {
    match action {
        Action::Submit(order) => submit(services, &profiles, order).await,
        Action::ToApprove { request, out } => {
            write_new(out, &registration::to_approve(services, request).await?)?;
            Ok(format!("{}\n", out.display()))
        }
        Action::Check(Step { request, proof }) => {
            let octets = registration::to_check(services, request, &proof.officer).await?;
            then(proof, services, octets, async |signed| registration::check(services, request, signed).await).await
        }
        Action::Approve(Step { request, proof }) => {
            let octets = registration::to_approve(services, request).await?;
            let step = async |signed: Signed<'_>| registration::approve(services, &profiles, request, signed).await;
            then(proof, services, octets, step).await
        }
        Action::Refuse(Refuse { request, reason, explanation, proof }) => {
            let why = (*reason, explanation.as_str());
            let octets = registration::to_refuse(services, request, &proof.officer, why).await?;
            let step = async |signed: Signed<'_>| registration::refuse(services, request, why, signed).await;
            then(proof, services, octets, step).await
        }
        Action::Withdraw(Withdraw { request, reason, proof }) => {
            let octets = registration::to_withdraw(services, request, &proof.officer, *reason).await?;
            let step = async |signed: Signed<'_>| registration::withdraw(services, request, *reason, signed).await;
            then(proof, services, octets, step).await
        }
        Action::Issue { request, out } => issue(services, profiles, request, out.as_deref()).await,
        Action::List(order) => list(services, order).await,
        Action::Show { request, json } => show(services, request, *json).await,
        Action::Lapse { days } => Ok(format!("{} requests lapsed\n", registration::lapse(services, *days).await?)),
        Action::Forget { days } => Ok(format!("{} requests forgotten\n", registration::forget(services, *days).await?)),
    }
}

async fn submit(services: &Services, profiles: &Arc<Profiles>, order: &Submit) -> Result<String, Error> {
    let evidence_sm3 = match (order.evidence_sm3, &order.evidence) {
        (Some(digest), _) => digest,
        (None, file) => {
            let octets = file.as_deref().map_or_else(|| Ok(Vec::new()), |file| read(file, MOST_EVIDENCE))?;
            evidence_sm3(&octets)
        }
    };
    let new = NewRequest {
        authority: order.authority.clone(),
        profile: order.profile.clone(),
        csr: request_in(&read(&order.csr, MOST)?),
        subject: order.subject.clone(),
        not_after: order.not_after,
        encryption_profile: order.encryption_profile.clone(),
        evidence_sm3,
    };
    let nonce = match order.nonce {
        Some(nonce) => nonce,
        None => array(&*services.random).map_err(service::Error::from)?,
    };
    let proof = &order.proof;
    let draft = registration::draft(services, profiles, &proof.officer, &new, nonce).await?;
    match proof.over(services, draft.submission.to_submit()).await? {
        Proven::Written(_) => Ok(format!("{}\n", hexadecimal(&nonce))),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            Ok(format!("{}\n", registration::submit(services, draft, signed).await?.id))
        }
    }
}

async fn issue(
    services: &Services,
    profiles: Arc<Profiles>,
    request: &ApplicationId,
    out: Option<&Path>,
) -> Result<String, Error> {
    if let Some(path) = out.filter(|path| path.exists()) {
        return Err(Error::Exists { path: path.to_owned() });
    }
    if registration::find(services, request).await?.request.submission.encryption_profile.is_some() {
        let pair = escrow::issue_approved_pair(services, &profiles, (BY, None), request).await?;
        return given(&pair, out);
    }
    let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
    let issued = registration::issue(services, &profiles, &issuance, (BY, None), request).await?;
    let pem = pem_of(&issued.der);
    match out {
        None => Ok(pem),
        Some(path) => {
            write_new(path, pem.as_bytes())?;
            Ok(format!("{}\n", hexadecimal(&issued.sm3)))
        }
    }
}

async fn list(services: &Services, order: &List) -> Result<String, Error> {
    let page = registration::list(services, order.state.as_deref(), order.after.as_ref(), order.limit).await?;
    let one = |stored| if order.json { format!("{}\n", facts(stored)) } else { line(stored) };
    let mut text = page.requests.iter().map(one).collect::<String>();
    match page.next {
        Some(next) if order.json => text.push_str(&format!("{}\n", json!({ "next": next }))),
        Some(next) => text.push_str(&format!("more: --after {next}\n")),
        None => {}
    }
    Ok(text)
}

async fn show(services: &Services, request: &ApplicationId, json: bool) -> Result<String, Error> {
    let facts = facts(&registration::find(services, request).await?);
    if json {
        return Ok(format!("{facts}\n"));
    }
    let mut text = String::new();
    if let Value::Object(facts) = facts {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!("{name:<15} {}\n", shown(&value)));
        }
    }
    Ok(text)
}

fn line(stored: &StoredRequest) -> String {
    let (request, subject) = (&stored.request, subject_of(&stored.request));
    let (authority, profile) = (&request.submission.authority, &request.submission.profile);
    let (id, state, since) = (&stored.id, request.state_name(), request.since());
    format!("{id}  {state}  {since}  {authority}  {profile}  {}\n", shown(&subject))
}

fn facts(stored: &StoredRequest) -> Value {
    let submission = &stored.request.submission;
    let (mut approvals, mut reason, mut refused_by, mut certificate) = (&[][..], None, None, None);
    match &stored.request.state {
        RequestState::Checked { approvals: found, .. } | RequestState::Approved { approvals: found, .. } => {
            approvals = found;
        }
        RequestState::Fulfilled { approvals: found, result_sm3: certificate_sm3, .. } => {
            approvals = found;
            certificate = Some(hexadecimal(certificate_sm3));
        }
        RequestState::Refused { by, reason: why, .. } => {
            reason = Some(why.name());
            refused_by = by.as_ref().map(|hand| &hand.officer);
        }
        RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name()),
        _ => {}
    }
    let approval = |Approval { hand, signature, at }: &Approval| {
        json!({
            "officer": hand.officer, "key_sm3": hexadecimal(&hand.key_sm3), "signature": hexadecimal(signature),
            "at": at.to_string(),
        })
    };
    json!({
        "id": stored.id,
        "state": stored.request.state_name(),
        "since": stored.request.since().to_string(),
        "authority": submission.authority,
        "profile": submission.profile,
        "subject": subject_of(&stored.request),
        "subject_der": hexadecimal(&submission.subject),
        "subject_alt_name_der": hexadecimal(&submission.alternative_names),
        "public_key_der": hexadecimal(&submission.public_key),
        "not_after": submission.not_after.map(|end| end.to_string()),
        "encryption_profile": submission.encryption_profile,
        "csr_der": hexadecimal(&submission.csr),
        "evidence_sm3": hexadecimal(&submission.evidence_sm3),
        "nonce": hexadecimal(&submission.nonce),
        "applicant": submission.applicant.officer,
        "submitted_at": submission.submitted_at.to_string(),
        "checked_by": stored.check.as_ref().map(|check| &check.by.officer),
        "checked_at": stored.check.as_ref().map(|check| check.at.to_string()),
        "approvals": approvals.iter().map(approval).collect::<Vec<_>>(),
        "refused_by": refused_by,
        "reason": reason,
        "explanation": stored.explanation,
        "certificate_sm3": certificate,
    })
}
