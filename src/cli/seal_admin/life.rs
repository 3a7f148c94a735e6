//! `yinxin seal-admin deliver`, `suspend-signed`, `archive`, `list`, `show`: the life of seals that were made for applications.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::base::id::SealId;
use crate::cli::console::shown;
use crate::cli::installation::{Error, write_new};
use crate::cli::proof::{Proof, Proven};
use crate::cli::seal_admin::{BY, application, reason};
use crate::domain::audit::SuspensionReason;
use crate::domain::seal::code::FilingNumber;
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::registration::Signed;
use crate::service::seal_delivery::{self, KnownSeal};
use crate::service::seal_filing::{self, FilingState};

/// What `deliver` is told.
#[derive(Args)]
pub(crate) struct Deliver {
    /// The seal
    #[arg(value_name = "SEAL", value_parser = SealId::parse)]
    seal: SealId,
    #[command(flatten)]
    proof: Proof,
}

/// What `suspend-signed` is told.
#[derive(Args)]
pub(crate) struct Suspend {
    /// The seal
    #[arg(value_name = "SEAL", value_parser = SealId::parse)]
    seal: SealId,
    /// Why: owner-request, authority-order or suspected-misuse
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: SuspensionReason,
    #[command(flatten)]
    proof: Proof,
}

/// What `list` is told.
#[derive(Args)]
pub(crate) struct List {
    /// Go on behind this seal
    #[arg(long, value_name = "SEAL", value_parser = SealId::parse)]
    after: Option<SealId>,
    /// At most so many, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// Print one JSON object for each seal
    #[arg(long)]
    json: bool,
}

/// What `show` is told.
#[derive(Args)]
pub(crate) struct Show {
    /// The seal
    #[arg(value_name = "SEAL", value_parser = SealId::parse)]
    seal: SealId,
    /// Write the seal, DER, to this new file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn deliver(services: &Services, Deliver { seal, proof }: &Deliver) -> Result<String, Error> {
    let octets = seal_delivery::to_deliver(services, seal, &proof.officer).await?;
    match proof.over(services, octets).await? {
        Proven::Written(path) => Ok(format!("{path}\n")),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            let state = seal_delivery::deliver(services, seal, signed).await?;
            Ok(format!("{seal}  {}\n", state.name()))
        }
    }
}

pub(super) async fn suspend(services: &Services, Suspend { seal, reason, proof }: &Suspend) -> Result<String, Error> {
    let octets = seal_delivery::to_suspend(services, seal, &proof.officer, *reason).await?;
    match proof.over(services, octets).await? {
        Proven::Written(path) => Ok(format!("{path}\n")),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            let state = seal_delivery::suspend(services, seal, *reason, signed).await?;
            Ok(format!("{seal}  {}\n", state.name()))
        }
    }
}

pub(super) async fn archive(services: &Services, seal: &SealId) -> Result<String, Error> {
    let state = seal_delivery::archive(services, (BY, None), seal).await?;
    Ok(format!("{seal}  {}\n", state.name()))
}

pub(super) async fn file(services: &Services, seal: &SealId) -> Result<String, Error> {
    seal_filing::file_again(services, (BY, None), seal).await?;
    Ok(format!("{seal}  {}\n", seal_filing::state(services, seal).await?.name()))
}

pub(super) async fn list(services: &Services, order: &List) -> Result<String, Error> {
    let page = seal_delivery::list(services, order.after.as_ref(), order.limit).await?;
    let one = |known| if order.json { format!("{}\n", facts(known)) } else { line(known) };
    let mut text = page.seals.iter().map(one).collect::<String>();
    match page.next {
        Some(next) if order.json => text.push_str(&format!("{}\n", json!({ "next": next }))),
        Some(next) => text.push_str(&format!("more: --after {next}\n")),
        None => {}
    }
    Ok(text)
}

pub(super) async fn show(services: &Services, Show { seal, out, json }: &Show) -> Result<String, Error> {
    let known = seal_delivery::find(services, seal).await?;
    if let Some(path) = out {
        write_new(path, &known.seal.seal_der)?;
    }
    let mut facts = facts(&known);
    let state = seal_filing::state(services, seal).await?;
    if let Value::Object(facts) = &mut facts {
        facts.insert("filing_state".to_owned(), json!(state.name()));
        if let FilingState::Refused(code) = state {
            facts.insert("filing_refusal".to_owned(), json!(code));
        }
    }
    Ok(application::told(facts, *json))
}

fn line(known: &KnownSeal) -> String {
    let KnownSeal { record, seal } = known;
    let (id, state, since, code) = (&seal.id, seal.state.name(), seal.state.since(), &record.code);
    format!("{id}  {state}  {since}  {code}  {:02}  {}\n", record.kind, shown(&record.name))
}

fn facts(known: &KnownSeal) -> Value {
    let KnownSeal { record, seal } = known;
    json!({
        "id": seal.id,
        "state": seal.state.name(),
        "since": seal.state.since().to_string(),
        "code": record.code.as_str(),
        "filing": record.filing.as_ref().map(FilingNumber::as_str),
        "kind": record.kind,
        "name": record.name,
        "credit_code": record.holder.credit_code.as_str(),
        "holder": record.holder.name,
        "holder_division": record.holder.division.code(),
        "keeper": record.keeper,
        "application": record.origin.application(),
        "origin": record.origin.name(),
        "origin_by": record.origin.by(),
        "predecessor": record.predecessor,
        "signer_key": seal.signer_key,
        "certificate_sm3": hexadecimal(&record.certificate_sm3),
        "seal_sm3": hexadecimal(&crate::service::registration::evidence_sm3(&seal.seal_der)),
        "valid_to": record.valid_to.to_string(),
        "delivered_at": record.delivery.as_ref().map(|(at, _)| at.to_string()),
    })
}
