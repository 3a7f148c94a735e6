//! Trust lists of an installation: imported, approved, brought into force.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::ca::inventory::sm3;
use crate::cli::console::shown;
use crate::cli::installation::{Error, write_new};
use crate::cli::proof::{Proof, Proven};
use crate::cli::trust::files::changes;
use crate::cli::trust::read;
use crate::domain::audit::Actor;
use crate::domain::trust::list::fingerprint;
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::registration::Signed;
use crate::service::trust_lists;
use crate::store::trust_lists::StoredTrustList;

const BY: &Actor = &Actor::Operator;

/// What `import` is told.
#[derive(Args)]
pub(crate) struct Import {
    /// A signed list, or a bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON: one object for each list, then one for each of its changes
    #[arg(long)]
    json: bool,
}

/// What `list` is told.
#[derive(Args)]
pub(crate) struct List {
    /// Print one JSON object for each list
    #[arg(long)]
    json: bool,
}

/// A list of the installation.
#[derive(Args)]
pub(crate) struct Named {
    /// SM3 of the list, as `import` and `list` print it
    #[arg(value_name = "SM3", value_parser = sm3)]
    list: [u8; 32],
}

/// What `approve` is told.
#[derive(Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    named: Named,
    /// The fingerprint as the officer reads it from paper; wanted where nobody that is known introduces the list
    #[arg(long, value_name = "DIGITS")]
    fingerprint: Option<String>,
    #[command(flatten)]
    proof: Proof,
}

/// What `refuse` is told.
#[derive(Args)]
pub(crate) struct Refuse {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    proof: Proof,
}

/// What `export` is told.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    named: Named,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn import(services: &Services, order: &Import) -> Result<String, Error> {
    let octets = read(&order.file).map_err(|source| Error::File { path: order.file.clone(), source })?;
    let mut text = String::new();
    for imported in trust_lists::import(services, (BY, None), &octets).await? {
        text.push_str(&if order.json { facts(&imported.stored) } else { line(&imported.stored) });
        text.push_str(&changes(&imported.changes, order.json));
    }
    if text.is_empty() && !order.json {
        text.push_str("nothing new: every list of the file is in force\n");
    }
    Ok(text)
}

pub(super) async fn list(services: &Services, order: &List) -> Result<String, Error> {
    let all = trust_lists::list(services).await?;
    let mut text = all.iter().map(|stored| if order.json { facts(stored) } else { line(stored) }).collect::<String>();
    if !order.json {
        for left in trust_lists::in_force(services, services.clock.now()).await?.left_out {
            text.push_str(&format!("not used: {} number {} ({})\n", left.name, left.number, left.code));
        }
    }
    Ok(text)
}

pub(super) async fn approve(services: &Services, order: &Approve) -> Result<String, Error> {
    let (list, officer, paper) = (&order.named.list, &order.proof.officer, order.fingerprint.as_deref());
    let octets = trust_lists::to_approve(services, list, officer, paper).await?;
    match order.proof.over(services, octets).await? {
        Proven::Written(_) => Ok(String::new()),
        Proven::Signature(signature) => {
            let signed = Signed { officer, signature: &signature, call: None };
            Ok(line(&trust_lists::approve(services, list, signed, paper).await?))
        }
    }
}

pub(super) async fn refuse(services: &Services, order: &Refuse) -> Result<String, Error> {
    let (list, officer) = (&order.named.list, &order.proof.officer);
    let octets = trust_lists::to_refuse(services, list, officer).await?;
    match order.proof.over(services, octets).await? {
        Proven::Written(_) => Ok(String::new()),
        Proven::Signature(signature) => {
            let signed = Signed { officer, signature: &signature, call: None };
            Ok(line(&trust_lists::refuse(services, list, signed).await?))
        }
    }
}

pub(super) async fn activate(services: &Services, order: &Named) -> Result<String, Error> {
    Ok(line(&trust_lists::activate(services, (BY, None), &order.list).await?))
}

pub(super) async fn export(services: &Services, order: &Export) -> Result<String, Error> {
    let stored = trust_lists::find(services, &order.named.list).await?;
    write_new(&order.out, &stored.file)?;
    Ok(format!("{}\n", fingerprint(&order.named.list)))
}

fn line(stored: &StoredTrustList) -> String {
    let offer = &stored.order.offer;
    let by = match (&stored.above, offer.by_paper, &offer.replaces) {
        (Some(above), ..) => format!("introduced by the list {}", shown(above)),
        (None, true, _) => "introduced by nobody: compare the fingerprint with paper".to_owned(),
        (None, false, _) => "introduced by the version before".to_owned(),
    };
    let (id, state, approvals) =
        (hexadecimal(&offer.list_sm3), stored.order.state_name(), stored.order.approvals.len());
    format!("{id}  {state}  {} number {}  {approvals} approvals  {by}\n", offer.name, offer.number)
}

fn facts(stored: &StoredTrustList) -> String {
    let offer = &stored.order.offer;
    let approvals = stored.order.approvals.iter().map(|approval| {
        json!({
            "officer": approval.hand.officer, "key_sm3": hexadecimal(&approval.hand.key_sm3),
            "compared_with_paper": approval.compared, "signature": hexadecimal(&approval.signature),
            "at": approval.at.to_string(),
        })
    });
    let facts = json!({
        "sm3": hexadecimal(&offer.list_sm3),
        "state": stored.order.state_name(),
        "name": offer.name,
        "number": offer.number,
        "replaces": offer.replaces.map(|sm3| hexadecimal(&sm3)),
        "introduced_by_paper": offer.by_paper,
        "list_above": stored.above,
        "imported_at": stored.imported_at.to_string(),
        "approvals": approvals.collect::<Vec<_>>(),
    });
    format!("{facts}\n")
}
