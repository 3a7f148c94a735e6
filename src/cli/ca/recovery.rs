//! `yinxin ca recovery`: orders to give out again an encryption key that is kept for its owner.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::base::id::{ApplicationId, CallerId};
use crate::cli::ca::inventory::sm3;
use crate::cli::ca::{BY, MOST, absent, read};
use crate::cli::console::shown;
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::recovery::{RecoveryEnd, RecoveryReason, RecoveryRefusal};
use crate::service::Services;
use crate::service::escrow::destroy_ended;
use crate::service::inventory::{Retention, hexadecimal};
use crate::service::keys::enveloping::{envelope_pem, public_key_in};
use crate::service::recovery::{self, Decision, MOST_IN_PAGE, NewRecovery, evidence_sm3};
use crate::store::key_recoveries::StoredRecovery;

/// One line for each action, here and in [`run`].
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Order that a key be given out, and print the order's name
    Order(Order),
    /// Write the octets that an officer signs to approve an order, or to refuse it
    ToApprove(ToApprove),
    /// An officer approves an order, by a signature
    Approve(Signed),
    /// An officer refuses an order, by a signature
    Refuse(Refuse),
    /// Give the key out, enveloped for the recipient, when two officers approved
    Recover(Recover),
    /// Orders that have not ended, oldest first
    List {
        /// Those that ended too
        #[arg(long)]
        all: bool,
        /// Print one JSON object for each order
        #[arg(long)]
        json: bool,
    },
    /// All that is known about an order
    Show {
        /// The order
        #[arg(value_name = "ORDER", value_parser = ApplicationId::parse)]
        order: ApplicationId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// End the orders whose time is over, as a service at work does every minute
    Lapse,
    /// Destroy the keys whose certificates ended long ago
    Destroy {
        /// So many years after their end, 5 at least
        #[arg(long, value_name = "N")]
        years: u32,
    },
}

/// What `order` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("proof").required(true).args(["evidence", "evidence_sm3"]))]
pub(crate) struct Order {
    /// SM3 of the encryption certificate, or of the signing certificate of the pair, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
    /// For whom: a public key or a certificate, PEM
    #[arg(long, value_name = "FILE")]
    recipient: PathBuf,
    /// Why: key-lost, owner-absent or authority-order
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: RecoveryReason,
    /// The evidence on file: its SM3 stands in the order
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// SM3 of the evidence on file, 64 hexadecimal digits
    #[arg(long, value_name = "SM3", value_parser = sm3)]
    evidence_sm3: Option<[u8; 32]>,
    /// So many days the order can be approved and carried out, up to 30
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=30))]
    days: u32,
}

/// What `to-approve` is told.
#[derive(Args)]
pub(crate) struct ToApprove {
    /// The order
    #[arg(value_name = "ORDER", value_parser = ApplicationId::parse)]
    order: ApplicationId,
    /// The octets to refuse it, because: evidence-insufficient, not-entitled or mistaken
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    refuse: Option<RecoveryRefusal>,
    /// Where to write them; must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What `approve` is told.
#[derive(Args)]
pub(crate) struct Signed {
    /// The order
    #[arg(value_name = "ORDER", value_parser = ApplicationId::parse)]
    order: ApplicationId,
    /// Who: a registered caller with the role certificate-officer
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse)]
    officer: CallerId,
    /// The signature by the officer's registered key: SM2 and ECDSA as DER or as r and s, others as they are
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
}

/// What `refuse` is told.
#[derive(Args)]
pub(crate) struct Refuse {
    #[command(flatten)]
    signed: Signed,
    /// Why: evidence-insufficient, not-entitled or mistaken
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    reason: RecoveryRefusal,
}

/// What `recover` is told.
#[derive(Args)]
pub(crate) struct Recover {
    /// The order
    #[arg(value_name = "ORDER", value_parser = ApplicationId::parse)]
    order: ApplicationId,
    /// Write the envelope to this new file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn reason(text: &str) -> Result<RecoveryReason, String> {
    let names = || RecoveryReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    RecoveryReason::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

fn refusal(text: &str) -> Result<RecoveryRefusal, String> {
    let names = || RecoveryRefusal::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    RecoveryRefusal::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

/// Does what is asked.
pub(super) async fn run(services: &Services, action: &Action) -> Result<String, Error> {
    match action {
        Action::Order(new) => order(services, new).await,
        Action::ToApprove(wanted) => to_approve(services, wanted).await,
        Action::Approve(signed) => decide(services, signed, Decision::Approve).await,
        Action::Refuse(refuse) => decide(services, &refuse.signed, Decision::Refuse(refuse.reason)).await,
        Action::Recover(wanted) => recover(services, wanted).await,
        Action::List { all, json } => list(services, !all, *json).await,
        Action::Show { order, json } => show(services, order, *json).await,
        Action::Lapse => Ok(format!("{} orders lapsed\n", recovery::lapse_overdue(services).await?)),
        Action::Destroy { years } => {
            let gone = destroy_ended(services, BY, Retention::years(*years)?).await?;
            Ok(format!("{gone} keys destroyed\n"))
        }
    }
}

async fn order(services: &Services, new: &Order) -> Result<String, Error> {
    let evidence_sm3 = match (&new.evidence, new.evidence_sm3) {
        (Some(path), _) => evidence_sm3(&read(path, MOST)?),
        // One of the two is there.
        (None, sm3) => sm3.unwrap_or_default(),
    };
    let recipient = public_key_in(&read(&new.recipient, MOST)?).ok_or(crate::service::Error::RecoveryRecipient)?;
    let (certificate, reason, days) = (new.certificate, new.reason, i64::from(new.days));
    let new = NewRecovery { certificate, recipient, reason, evidence_sm3, days };
    let stored = recovery::order(services, (BY, None), &new).await?;
    Ok(format!("{}\n", stored.recovery.order.id))
}

async fn to_approve(services: &Services, wanted: &ToApprove) -> Result<String, Error> {
    let order = recovery::find(services, &wanted.order).await?.recovery.order;
    let octets = wanted.refuse.map_or_else(|| order.to_approve(), |refusal| order.to_refuse(refusal));
    write_new(&wanted.out, &octets)?;
    Ok(format!("{} octets in {}\n", octets.len(), wanted.out.display()))
}

async fn decide(services: &Services, signed: &Signed, decision: Decision) -> Result<String, Error> {
    let signature = read(&signed.signature, MOST)?;
    let by = (&signed.officer, &signature[..]);
    Ok(line(&recovery::decide(services, None, (&signed.order, decision), by).await?))
}

async fn recover(services: &Services, wanted: &Recover) -> Result<String, Error> {
    absent(wanted.out.as_ref())?;
    let recovered = recovery::recover(services, (BY, None), &wanted.order).await?;
    let text = envelope_pem(&recovered.envelope);
    match &wanted.out {
        None => Ok(text),
        Some(path) => {
            write_new(path, text.as_bytes())?;
            Ok(format!("{}\n", recovered.envelope.form.name()))
        }
    }
}

async fn list(services: &Services, open: bool, json: bool) -> Result<String, Error> {
    let (mut after, mut text) = (None::<ApplicationId>, String::new());
    loop {
        let page = recovery::list(services, open, after.as_ref(), MOST_IN_PAGE).await?;
        let one = |stored| if json { format!("{}\n", facts(stored)) } else { line(stored) };
        text.extend(page.iter().map(one));
        match page.last() {
            Some(last) => after = Some(last.recovery.order.id.clone()),
            None => return Ok(text),
        }
    }
}

async fn show(services: &Services, order: &ApplicationId, json: bool) -> Result<String, Error> {
    let facts = facts(&recovery::find(services, order).await?);
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

fn line(stored: &StoredRecovery) -> String {
    let (recovery, order) = (&stored.recovery, &stored.recovery.order);
    let (state, until) = (recovery.state_name(), order.expires_at);
    format!("{}  {state}  {}  {}  {until}\n", order.id, order.reason, hexadecimal(&order.certificate_sm3))
}

fn facts(stored: &StoredRecovery) -> Value {
    let (recovery, order) = (&stored.recovery, &stored.recovery.order);
    let approvals = recovery.approvals.iter().map(|approval| {
        json!({
            "officer": approval.hand.officer,
            "key_sm3": hexadecimal(&approval.hand.key_sm3),
            "signature": hexadecimal(&approval.signature),
            "at": approval.at.to_string(),
        })
    });
    let refused = match &recovery.end {
        Some(RecoveryEnd::Refused { by, reason, .. }) => Some((&by.officer, *reason)),
        _ => None,
    };
    json!({
        "order": order.id,
        "state": recovery.state_name(),
        "since": recovery.since().to_string(),
        "key": order.key,
        "certificate_sm3": hexadecimal(&order.certificate_sm3),
        "recipient": hexadecimal(&order.recipient),
        "reason": order.reason,
        "evidence_sm3": hexadecimal(&order.evidence_sm3),
        "ordered_at": order.ordered_at.to_string(),
        "expires_at": order.expires_at.to_string(),
        "approvals": approvals.collect::<Vec<_>>(),
        "refused_by": refused.map(|(by, _)| by),
        "refusal": refused.map(|(_, reason)| reason),
    })
}
