//! `yinxin seal-admin apply`, `check`, `approve`, `refuse`, `withdraw`, `fulfil`: applications for seals, from their submission
//! to the seal.
//!
//! Whoever takes a step proves it by a signature of the officer's registered key over the octets of that step: by a key file
//! here, or elsewhere, by a token, over what `--to-sign` writes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, AuthorityId, CallerId, KeyId, SealId};
use crate::base::random::array;
use crate::cli::ca::inventory::sm3 as digest;
use crate::cli::ca::{MOST, read};
use crate::cli::console::shown;
use crate::cli::installation::Error;
use crate::cli::proof::{Proof, Proven};
use crate::cli::seal_admin::BY;
use crate::domain::audit::RevocationReason;
use crate::domain::ca::Profiles;
use crate::domain::officer::request::{RefusalReason, RequestState, Submitted as _, WithdrawalReason};
use crate::domain::seal::application::{Holder, Maker, Purpose, SealForm, SignerKey, SignerList, Wanted};
use crate::domain::seal::code::FilingNumber;
use crate::domain::seal::order::OrderState;
use crate::service;
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::{Issuance, request_in};
use crate::service::registration::{Signed, evidence_sm3};
use crate::service::seal_applications::{self, MOST_DOCUMENT, NewApplication};
use crate::service::seal_fulfilment::{self, Means};
use crate::service::stamping::Stamping;
use crate::store::seal_applications::StoredApplication;

/// What is applied for.
#[derive(Subcommand)]
pub(crate) enum Apply {
    /// A new seal
    Make {
        #[command(flatten)]
        wanted: Box<WantedSeal>,
        #[command(flatten)]
        with: Box<With>,
    },
    /// A new seal in the place of one, which it supersedes
    Replace {
        /// The one that is superseded
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        #[command(flatten)]
        wanted: Box<WantedSeal>,
        #[command(flatten)]
        with: Box<With>,
    },
    /// That a resting seal is in use again
    Resume {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        #[command(flatten)]
        with: Box<With>,
    },
    /// The end of a seal and of its signer's certificate, for ever
    Revoke {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        /// Why: key-compromise, facts-changed, superseded, cessation-of-operation or authority-order
        #[arg(long, value_name = "REASON", value_parser = revocation)]
        reason: RevocationReason,
        #[command(flatten)]
        with: Box<With>,
    },
}

/// What every application is told.
#[derive(Args)]
pub(crate) struct With {
    /// The division that decides, by its code
    #[arg(long, value_name = "DIVISION", value_parser = Division::parse)]
    division: Division,
    /// A document that comes with it, kept as it is; given more than once, each of them
    #[arg(long, value_name = "FILE", required = true)]
    document: Vec<PathBuf>,
    /// With --signature: what --to-sign printed
    #[arg(long, value_name = "NONCE", value_parser = digest, requires = "signature")]
    nonce: Option<[u8; 32]>,
    #[command(flatten)]
    proof: Proof,
}

/// What a seal shall be.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("signer").required(true).multiple(false))]
#[command(group = clap::ArgGroup::new("maker").required(true).multiple(false))]
pub(crate) struct WantedSeal {
    /// In which form it is written: v1 (GM/T 0031-2014), v4 (GB/T 38540-2020) or v5 (GM/T 0031-2025)
    #[arg(long, value_name = "FORM", value_parser = form, default_value = "v4")]
    form: SealForm,
    /// Whether it lists the certificates of its signers, or digests of them
    #[arg(long, value_name = "LIST", value_parser = list_of_signers, default_value = "certificates")]
    list: SignerList,
    /// The code of its type: 1 statutory name, 2 finance, 3 invoices, 4 contracts, 5 legal representative, 99
    /// other, or one of the configuration (seals.kinds)
    #[arg(long, value_name = "CODE")]
    kind: u8,
    /// Its name; the holder's when absent
    #[arg(long, value_name = "TEXT")]
    seal_name: Option<String>,
    /// The holder's name as registered
    #[arg(long, value_name = "TEXT")]
    holder: String,
    /// The holder's unified social credit code
    #[arg(long, value_name = "CODE", value_parser = CreditCode::parse)]
    credit_code: CreditCode,
    /// Where the holder lies, by the division's code
    #[arg(long, value_name = "DIVISION", value_parser = Division::parse)]
    holder_division: Division,
    /// Who keeps the seal: a registered caller
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse)]
    keeper: CallerId,
    /// Its picture, PNG
    #[arg(long, value_name = "FILE")]
    picture: PathBuf,
    /// Width of the stamp, millimetres
    #[arg(long, value_name = "MM", default_value_t = 42)]
    width: u16,
    /// Height of the stamp, millimetres
    #[arg(long, value_name = "MM", default_value_t = 42)]
    height: u16,
    /// Its signer's key, made here for the purpose seal-signing
    #[arg(long, value_name = "KEY", value_parser = KeyId::parse, group = "signer")]
    signer_key: Option<KeyId>,
    /// The request of PKCS#10 of its signer's key, which lies with the client
    #[arg(long, value_name = "FILE", group = "signer")]
    csr: Option<PathBuf>,
    /// Who issues its signer's certificate, where our own maker's key makes the seal
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse, group = "maker")]
    authority: Option<AuthorityId>,
    /// The national system makes the seal, and its signer's certificate
    #[arg(long, group = "maker")]
    national: bool,
    /// Under which profile
    #[arg(long, value_name = "PROFILE", default_value = "seal-signer")]
    profile: String,
    /// For how many days it is valid
    #[arg(long, value_name = "N", default_value_t = 1095)]
    days: u32,
    /// Its number at the filing of public security
    #[arg(long, value_name = "NUMBER", value_parser = FilingNumber::parse)]
    filing: Option<FilingNumber>,
}

/// What `check` and `approve` are told.
#[derive(Args)]
pub(crate) struct Step {
    /// The application
    #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
    application: ApplicationId,
    #[command(flatten)]
    proof: Proof,
}

/// What `refuse` is told.
#[derive(Args)]
pub(crate) struct Refuse {
    /// The application
    #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
    application: ApplicationId,
    /// Why: evidence-insufficient, profile-violated, not-entitled or key-refused
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    reason: RefusalReason,
    /// Why, in words; they stay with the application, the audit log gets their SM3
    #[arg(long, value_name = "TEXT", default_value = "")]
    explanation: String,
    #[command(flatten)]
    proof: Proof,
}

/// What `withdraw` is told.
#[derive(Args)]
pub(crate) struct Withdraw {
    /// The application
    #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
    application: ApplicationId,
    /// Why: mistaken, not-needed or replaced
    #[arg(long, value_name = "REASON", value_parser = withdrawal)]
    reason: WithdrawalReason,
    #[command(flatten)]
    proof: Proof,
}

/// What `applications` is told.
#[derive(Args)]
pub(crate) struct List {
    /// submitted, checked, approved, fulfilled, refused or withdrawn
    #[arg(long, value_name = "STATE",
          value_parser = ["submitted", "checked", "approved", "fulfilled", "refused", "withdrawn"])]
    state: Option<String>,
    /// Go on behind this application
    #[arg(long, value_name = "APPLICATION", value_parser = ApplicationId::parse)]
    after: Option<ApplicationId>,
    /// At most so many, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// Print one JSON object for each application
    #[arg(long)]
    json: bool,
}

pub(super) fn revocation(text: &str) -> Result<RevocationReason, String> {
    let names = || RevocationReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    RevocationReason::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

fn refusal(text: &str) -> Result<RefusalReason, String> {
    let known = RefusalReason::from_name(text).filter(|reason| *reason != RefusalReason::Lapsed);
    known.ok_or_else(|| "one of evidence-insufficient, profile-violated, not-entitled, key-refused".to_owned())
}

fn withdrawal(text: &str) -> Result<WithdrawalReason, String> {
    WithdrawalReason::from_name(text).ok_or_else(|| "one of mistaken, not-needed, replaced".to_owned())
}

fn form(text: &str) -> Result<SealForm, String> {
    SealForm::from_name(text).ok_or_else(|| "one of v1, v4, v5".to_owned())
}

fn list_of_signers(text: &str) -> Result<SignerList, String> {
    SignerList::from_name(text).ok_or_else(|| "one of certificates, digests".to_owned())
}

impl WantedSeal {
    /// What is wanted, and its picture.
    fn wanted(&self) -> Result<(Box<Wanted>, Vec<u8>), Error> {
        let picture = read(&self.picture, MOST)?;
        let key = match (&self.signer_key, &self.csr) {
            (Some(key), _) => SignerKey::Ours(key.clone()),
            (None, file) => {
                let file = file.as_deref().map_or_else(|| Ok(Vec::new()), |file| read(file, MOST))?;
                SignerKey::Clients { csr: request_in(&file) }
            }
        };
        let wanted = Wanted {
            kind: self.kind,
            name: self.seal_name.clone().unwrap_or_else(|| self.holder.clone()),
            holder: Holder {
                credit_code: self.credit_code.clone(),
                name: self.holder.clone(),
                division: self.holder_division.clone(),
            },
            keeper: self.keeper.clone(),
            picture_sm3: evidence_sm3(&picture),
            size_mm: (self.width, self.height),
            form: self.form,
            list: self.list,
            key,
            maker: match &self.authority {
                Some(authority) if !self.national => Maker::Own(authority.clone()),
                _ => Maker::National,
            },
            profile: self.profile.clone(),
            days: self.days,
            filing: self.filing.clone(),
        };
        Ok((Box::new(wanted), picture))
    }
}

pub(super) async fn apply(services: &Services, profiles: &Profiles, order: &Apply) -> Result<String, Error> {
    let (purpose, picture, with) = match order {
        Apply::Make { wanted, with } => {
            let (wanted, picture) = wanted.wanted()?;
            (Purpose::Make(wanted), Some(picture), with)
        }
        Apply::Replace { seal, wanted, with } => {
            let (wanted, picture) = wanted.wanted()?;
            (Purpose::Replace { seal: seal.clone(), wanted }, Some(picture), with)
        }
        Apply::Resume { seal, with } => (Purpose::Resume { seal: seal.clone() }, None, with),
        Apply::Revoke { seal, reason, with } => (Purpose::Revoke { seal: seal.clone(), reason: *reason }, None, with),
    };
    let most = u64::try_from(MOST_DOCUMENT).unwrap_or(u64::MAX);
    let documents = with.document.iter().map(|file| read(file, most)).collect::<Result<_, _>>()?;
    let nonce = match with.nonce {
        Some(nonce) => nonce,
        None => array(&*services.random).map_err(service::Error::from)?,
    };
    let (proof, division) = (&with.proof, with.division.clone());
    let new = NewApplication { purpose, division, documents, picture };
    let draft = seal_applications::draft(services, profiles, &proof.officer, new, nonce).await?;
    match proof.over(services, draft.submission.to_submit()).await? {
        Proven::Written(_) => Ok(format!("{}\n", hexadecimal(&nonce))),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            Ok(format!("{}\n", seal_applications::submit(services, draft, signed).await?.id))
        }
    }
}

/// The step itself, once its octets are signed.
async fn then(
    proof: &Proof,
    services: &Services,
    octets: Vec<u8>,
    step: impl AsyncFnOnce(Signed<'_>) -> Result<StoredApplication, service::Error>,
) -> Result<String, Error> {
    match proof.over(services, octets).await? {
        Proven::Written(path) => Ok(format!("{path}\n")),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            Ok(line(&step(signed).await?))
        }
    }
}

pub(super) async fn check(services: &Services, Step { application, proof }: &Step) -> Result<String, Error> {
    let octets = seal_applications::to_check(services, application, &proof.officer).await?;
    let step = async |signed: Signed<'_>| seal_applications::check(services, application, signed).await;
    then(proof, services, octets, step).await
}

pub(super) async fn approve(
    services: &Services,
    profiles: &Profiles,
    Step { application, proof }: &Step,
) -> Result<String, Error> {
    let octets = seal_applications::to_approve(services, application).await?;
    let step = async |signed: Signed<'_>| seal_applications::approve(services, profiles, application, signed).await;
    then(proof, services, octets, step).await
}

pub(super) async fn refuse(services: &Services, order: &Refuse) -> Result<String, Error> {
    let Refuse { application, reason, explanation, proof } = order;
    let why = (*reason, explanation.as_str());
    let octets = seal_applications::to_refuse(services, application, &proof.officer, why).await?;
    let step = async |signed: Signed<'_>| seal_applications::refuse(services, application, why, signed).await;
    then(proof, services, octets, step).await
}

pub(super) async fn withdraw(services: &Services, order: &Withdraw) -> Result<String, Error> {
    let Withdraw { application, reason, proof } = order;
    let octets = seal_applications::to_withdraw(services, application, &proof.officer, *reason).await?;
    let step = async |signed: Signed<'_>| seal_applications::withdraw(services, application, *reason, signed).await;
    then(proof, services, octets, step).await
}

pub(super) async fn fulfil(
    services: &Services,
    profiles: Profiles,
    stamping: Option<&Stamping>,
    id: &ApplicationId,
) -> Result<String, Error> {
    let profiles = Arc::new(profiles);
    let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
    let means = Means { issuance: &issuance, stamping };
    let done = seal_fulfilment::fulfil(services, &profiles, means, (BY, None), id).await?;
    Ok(format!("{}  {}\n", done.seal, done.state.name()))
}

pub(super) async fn list(services: &Services, order: &List) -> Result<String, Error> {
    let page = seal_applications::list(services, order.state.as_deref(), order.after.as_ref(), order.limit).await?;
    let one = |stored| if order.json { format!("{}\n", facts(stored)) } else { line(stored) };
    let mut text = page.applications.iter().map(one).collect::<String>();
    match page.next {
        Some(next) if order.json => text.push_str(&format!("{}\n", json!({ "next": next }))),
        Some(next) => text.push_str(&format!("more: --after {next}\n")),
        None => {}
    }
    Ok(text)
}

pub(super) async fn show(services: &Services, id: &ApplicationId, json: bool) -> Result<String, Error> {
    let mut facts = facts(&seal_applications::find(services, id).await?);
    if let Some(order) = seal_applications::order(services, id).await? {
        let (number, reason) = match &order.state {
            OrderState::Accepted { number, .. }
            | OrderState::Arrived { number, .. }
            | OrderState::Kept { number, .. } => (Some(number.clone()), None),
            OrderState::Refused { reason, .. } => (None, Some(reason.clone())),
            OrderState::Withdrawn { why, .. } | OrderState::Cancelled { why, .. } => {
                (None, Some(why.name().to_owned()))
            }
            OrderState::Ordered { .. } => (None, None),
        };
        let order = json!({
            "state": order.state.name(), "since": order.state.since().to_string(), "number": number, "reason": reason,
        });
        if let Value::Object(facts) = &mut facts {
            facts.insert("order".to_owned(), order);
        }
    }
    Ok(told(facts, json))
}

/// Facts for programs, or line by line for people.
pub(super) fn told(facts: Value, json: bool) -> String {
    if json {
        return format!("{facts}\n");
    }
    let mut text = String::new();
    if let Value::Object(facts) = facts {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!("{name:<16} {}\n", shown(&value)));
        }
    }
    text
}

fn line(stored: &StoredApplication) -> String {
    let (application, purpose) = (&stored.application, &stored.application.submission.purpose);
    let (id, state, since) = (&stored.id, application.state_name(), application.since());
    let about = purpose.wanted().map(|wanted| wanted.name.clone());
    let about = about.or_else(|| purpose.seal().map(ToString::to_string)).unwrap_or_default();
    let division = &application.submission.division;
    format!("{id}  {state}  {since}  {}  {division}  {}\n", purpose.name(), shown(&about))
}

fn facts(stored: &StoredApplication) -> Value {
    let submission = &stored.application.submission;
    let wanted = submission.purpose.wanted().map(|wanted| {
        let (ours, csr) = match &wanted.key {
            SignerKey::Ours(key) => (Some(key), None),
            SignerKey::Clients { csr } => (None, Some(hexadecimal(csr))),
        };
        let authority = match &wanted.maker {
            Maker::Own(authority) => Some(authority),
            Maker::National => None,
        };
        json!({
            "kind": wanted.kind, "name": wanted.name, "credit_code": wanted.holder.credit_code.as_str(),
            "holder": wanted.holder.name, "holder_division": wanted.holder.division.code(), "keeper": wanted.keeper,
            "picture_sm3": hexadecimal(&wanted.picture_sm3), "width": wanted.size_mm.0, "height": wanted.size_mm.1,
            "form": wanted.form.name(), "list": wanted.list.name(), "signer_key": ours, "csr_der": csr,
            "maker": wanted.maker.name(), "authority": authority, "profile": wanted.profile, "days": wanted.days,
            "filing": wanted.filing.as_ref().map(FilingNumber::as_str),
        })
    });
    let (mut reason, mut result) = (None, None);
    match &stored.application.state {
        RequestState::Fulfilled { result_sm3, .. } => result = Some(hexadecimal(result_sm3)),
        RequestState::Refused { reason: why, .. } => reason = Some(why.name()),
        RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name()),
        _ => {}
    }
    let documents = submission.documents.iter().map(|sm3| hexadecimal(sm3)).collect::<Vec<_>>();
    json!({
        "id": stored.id,
        "state": stored.application.state_name(),
        "since": stored.application.since().to_string(),
        "purpose": submission.purpose.name(),
        "seal": submission.purpose.seal(),
        "wanted": wanted,
        "division": submission.division.code(),
        "documents_sm3": documents,
        "nonce": hexadecimal(&submission.nonce),
        "applicant": submission.applicant.officer,
        "submitted_at": submission.submitted_at.to_string(),
        "checked_by": stored.check.as_ref().map(|check| &check.by.officer),
        "reason": reason,
        "explanation": stored.explanation,
        "seal_sm3": result,
    })
}
