//! `yinxin seal-admin keeper`, `authorise`, `authorisations`, `withdraw-use`, `approve-use` and `ledger`: authority to use seals.
//!
//! What a keeper gives, the keeper signs: by a key file here, or elsewhere, by a token, over what `--to-sign` writes.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::csv;
use crate::base::id::{AuthorisationId, CallerId, SealId, SignatureId};
use crate::base::random::array;
use crate::cli::ca::inventory::sm3;
use crate::cli::installation::Error;
use crate::cli::proof::{Proof, Proven};
use crate::domain::audit::Actor;
use crate::domain::seal::authority::UseTerms;
use crate::service::inventory::hexadecimal;
use crate::service::registration::Signed;
use crate::service::seal_uses::{self, MOST_LISTED, WantedApproval};
use crate::service::{self, Services};
use crate::store::use_authorisations::StoredAuthorisation;
use crate::store::use_ledger::{LedgerEntry, LedgerQuery};

const BY: (&Actor, Option<&crate::base::id::RequestId>) = (&Actor::Operator, None);

#[derive(Subcommand)]
pub(super) enum Action {
    /// Give a seal into the keeping of a caller; without a caller, print who keeps it
    Keeper {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        /// The caller, who holds the role seal-administrator
        #[arg(value_name = "CALLER", value_parser = CallerId::parse)]
        caller: Option<CallerId>,
    },
    /// Authorise a caller to use a seal, as its keeper, and print the authorisation's name
    Authorise(Box<Authorise>),
    /// Authorisations of a seal: name, user, from, until, uses, sum, withdrawn
    Authorisations {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        /// Go on behind this authorisation
        #[arg(long, value_name = "AUTHORISATION", value_parser = AuthorisationId::parse)]
        after: Option<AuthorisationId>,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Withdraw an authorisation, or all of a seal
    WithdrawUse(Withdraw),
    /// Approve one use, as the keeper: one document under one authorisation
    ApproveUse(ApproveUse),
    /// The use ledger, newest first
    Ledger(Ledger),
}

/// What `authorise` is told.
#[derive(Args)]
pub(super) struct Authorise {
    /// The seal
    #[arg(value_name = "SEAL", value_parser = SealId::parse)]
    seal: SealId,
    /// Who may use it; the caller holds the role seal-user
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse)]
    user: CallerId,
    /// For this item, by its code; given more than once, each of them; any item when absent
    #[arg(long, value_name = "CODE")]
    item: Vec<String>,
    /// For this kind of document, by its code; given more than once, each of them; any kind when absent
    #[arg(long, value_name = "CODE")]
    document_kind: Vec<String>,
    /// From when on
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    from: Timestamp,
    /// Until when, not with that moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    until: Timestamp,
    /// So many uses at most
    #[arg(long, value_name = "N")]
    most_uses: Option<u32>,
    /// The highest amount of one use, in fen
    #[arg(long, value_name = "FEN")]
    most_amount: Option<u64>,
    /// The highest sum of all uses, in fen
    #[arg(long, value_name = "FEN")]
    most_sum: Option<u64>,
    /// The keeper approves each use
    #[arg(long)]
    each_approved: bool,
    /// A second factor is presented with each use
    #[arg(long)]
    second_factor: bool,
    /// With --signature: what --to-sign printed
    #[arg(long, value_name = "NONCE", value_parser = sm3, requires = "signature")]
    nonce: Option<[u8; 32]>,
    #[command(flatten)]
    proof: Proof,
}

/// What `withdraw-use` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false))]
pub(super) struct Withdraw {
    /// The authorisation
    #[arg(value_name = "AUTHORISATION", value_parser = AuthorisationId::parse, group = "what")]
    authorisation: Option<AuthorisationId>,
    /// All of this seal
    #[arg(long, value_name = "SEAL", value_parser = SealId::parse, group = "what")]
    all: Option<SealId>,
}

/// What `approve-use` is told.
#[derive(Args)]
pub(super) struct ApproveUse {
    /// The authorisation
    #[arg(value_name = "AUTHORISATION", value_parser = AuthorisationId::parse)]
    authorisation: AuthorisationId,
    /// SM3 of the document as it will be handed in
    #[arg(long, value_name = "SM3", value_parser = sm3)]
    document_sm3: [u8; 32],
    /// The amount that the document is about, in fen
    #[arg(long, value_name = "FEN")]
    amount: Option<u64>,
    /// With --signature: what --to-sign printed
    #[arg(long, value_name = "NONCE", value_parser = sm3, requires = "signature")]
    nonce: Option<[u8; 32]>,
    #[command(flatten)]
    proof: Proof,
}

/// What `ledger` is told.
#[derive(Args)]
pub(super) struct Ledger {
    /// Uses of this seal
    #[arg(long, value_name = "SEAL", value_parser = SealId::parse)]
    seal: Option<SealId>,
    /// Uses by this caller
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse)]
    user: Option<CallerId>,
    /// For this item
    #[arg(long, value_name = "CODE")]
    item: Option<String>,
    /// Of this kind of document
    #[arg(long, value_name = "CODE")]
    document_kind: Option<String>,
    /// Begun then or later
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    from: Option<Timestamp>,
    /// Begun before
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    until: Option<Timestamp>,
    /// What became of them
    #[arg(long, value_name = "OUTCOME", value_parser = ["intended", "signed", "abandoned"])]
    outcome: Option<String>,
    /// Go on behind this line: what `more:` printed
    #[arg(long, value_name = "TIME/SIGNATURE", value_parser = place)]
    after: Option<(Timestamp, SignatureId)>,
    /// At most so many, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// All lines that are found, to the last
    #[arg(long, conflicts_with_all = ["after", "limit"])]
    all: bool,
    /// Print one JSON object for each line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV of RFC 4180
    #[arg(long)]
    csv: bool,
}

fn place(text: &str) -> Result<(Timestamp, SignatureId), String> {
    let (at, signature) = text.split_once('/').ok_or("a time, '/' and a signature")?;
    let at = Timestamp::parse_rfc3339(at).map_err(|error| error.to_string())?;
    Ok((at, SignatureId::parse(signature).map_err(|error| error.to_string())?))
}

/// Does what is asked.
pub(super) async fn act(services: &Services, action: &Action) -> Result<String, Error> {
    match action {
        Action::Keeper { seal, caller: Some(caller) } => {
            let kept = seal_uses::give_to_keeper(services, BY, seal, caller).await?;
            Ok(format!("{seal} {} {}\n", kept.keeper, kept.since))
        }
        Action::Keeper { seal, caller: None } => Ok(match seal_uses::keeper(services, seal).await? {
            Some(kept) => format!("{seal} {} {}\n", kept.keeper, kept.since),
            None => format!("{seal} nobody\n"),
        }),
        Action::Authorise(order) => authorise(services, order).await,
        Action::Authorisations { seal, after, json } => {
            let page = seal_uses::list(services, seal, after.as_ref(), MOST_LISTED).await?;
            let one = |stored| authorisation(stored, *json);
            let mut text = page.authorisations.iter().map(one).collect::<String>();
            match page.next {
                Some(next) if *json => text.push_str(&format!("{}\n", json!({ "next": next.as_str() }))),
                Some(next) => text.push_str(&format!("more: --after {next}\n")),
                None => {}
            }
            Ok(text)
        }
        Action::WithdrawUse(Withdraw { authorisation: Some(id), .. }) => {
            seal_uses::withdraw(services, BY, id).await?;
            Ok(format!("{id} withdrawn\n"))
        }
        Action::WithdrawUse(Withdraw { all: Some(seal), .. }) => {
            Ok(format!("{} authorisations withdrawn\n", seal_uses::withdraw_all(services, BY, seal).await?))
        }
        Action::WithdrawUse(_) => Ok(String::new()),
        Action::ApproveUse(order) => approve_use(services, order).await,
        Action::Ledger(order) => ledger(services, order).await,
    }
}

async fn authorise(services: &Services, order: &Authorise) -> Result<String, Error> {
    let terms = UseTerms {
        nonce: nonce(services, order.nonce)?,
        seal: order.seal.clone(),
        user: order.user.clone(),
        items: order.item.clone(),
        document_kinds: order.document_kind.clone(),
        from: order.from,
        until: order.until,
        most_uses: order.most_uses,
        most_amount: order.most_amount,
        most_sum: order.most_sum,
        each_approved: order.each_approved,
        second_factor: order.second_factor,
    };
    let octets = seal_uses::to_authorise(services, &terms).await?;
    match order.proof.over(services, octets).await? {
        Proven::Written(_) => Ok(format!("{}\n", hexadecimal(&terms.nonce))),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &order.proof.officer, signature: &signature, call: None };
            Ok(format!("{}\n", seal_uses::authorise(services, terms, signed).await?.authorisation.id))
        }
    }
}

async fn approve_use(services: &Services, order: &ApproveUse) -> Result<String, Error> {
    let wanted = WantedApproval {
        authorisation: order.authorisation.clone(),
        nonce: nonce(services, order.nonce)?,
        document_sm3: order.document_sm3,
        amount: order.amount,
    };
    let octets = seal_uses::to_approve_use(services, &wanted).await?;
    match order.proof.over(services, octets).await? {
        Proven::Written(_) => Ok(format!("{}\n", hexadecimal(&wanted.nonce))),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &order.proof.officer, signature: &signature, call: None };
            let approval = seal_uses::approve_use(services, wanted, signed).await?;
            Ok(format!("{} {} approved\n", approval.authorisation, hexadecimal(&approval.document_sm3)))
        }
    }
}

fn nonce(services: &Services, given: Option<[u8; 32]>) -> Result<[u8; 32], Error> {
    match given {
        Some(nonce) => Ok(nonce),
        None => Ok(array(&*services.random).map_err(service::Error::from)?),
    }
}

fn authorisation(stored: &StoredAuthorisation, as_json: bool) -> String {
    let one = &stored.authorisation;
    let terms = &one.terms;
    if as_json {
        let facts = json!({
            "id": one.id.as_str(), "seal": terms.seal.as_str(), "user": terms.user.as_str(), "items": terms.items,
            "document_kinds": terms.document_kinds, "from": terms.from.to_string(), "until": terms.until.to_string(),
            "most_uses": terms.most_uses, "most_amount": terms.most_amount, "most_sum": terms.most_sum,
            "each_approved": terms.each_approved, "second_factor": terms.second_factor,
            "keeper": one.given.hand.officer.as_str(), "given_at": one.given.at.to_string(),
            "withdrawn_at": one.withdrawn_at.map(|at| at.to_string()), "uses": one.used.uses, "sum": one.used.sum,
        });
        return format!("{facts}\n");
    }
    let withdrawn = one.withdrawn_at.map(|at| format!(" withdrawn {at}")).unwrap_or_default();
    format!("{} {} {} {} {} {}{withdrawn}\n", one.id, terms.user, terms.from, terms.until, one.used.uses, one.used.sum)
}

async fn ledger(services: &Services, order: &Ledger) -> Result<String, Error> {
    let mut query = LedgerQuery {
        seal: order.seal.clone(),
        user: order.user.clone(),
        item: order.item.clone(),
        document_kind: order.document_kind.clone(),
        from: order.from,
        until: order.until,
        outcome: order.outcome.clone(),
        after: order.after.clone(),
    };
    let mut text = if order.csv { csv::record(COLUMNS) } else { String::new() };
    loop {
        let limit = if order.all { MOST_LISTED } else { order.limit };
        let page = seal_uses::ledger(services, &Actor::Operator, &query, limit).await?;
        for entry in &page.entries {
            text.push_str(&line(entry, order));
        }
        let Some((at, signature)) = page.next else { return Ok(text) };
        if !order.all {
            let next = format!("{at}/{signature}");
            match (order.json, order.csv) {
                (true, _) => text.push_str(&format!("{}\n", json!({ "next": next }))),
                (_, true) => {}
                _ => text.push_str(&format!("more: --after {next}\n")),
            }
            return Ok(text);
        }
        query.after = Some((at, signature));
    }
}

const COLUMNS: [&str; 14] = [
    "at",
    "signature",
    "seal",
    "user",
    "authorisation",
    "number",
    "item",
    "document_kind",
    "amount",
    "document_sm3",
    "second_factor",
    "second_factor_at",
    "outcome",
    "ended_at",
];

fn line(entry: &LedgerEntry, order: &Ledger) -> String {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let authorisation = entry.authorisation.as_ref();
    let ended = entry.outcome.ended_at().map(|at| at.to_string());
    let factor = entry.factor.as_ref();
    if order.json {
        let facts = json!({
            "at": entry.at.to_string(), "signature": entry.signature.as_str(), "seal": entry.seal.as_str(),
            "user": entry.user.as_ref().map(CallerId::as_str),
            "authorisation": authorisation.map(|(id, _)| id.as_str()), "number": authorisation.map(|(_, number)| number),
            "item": entry.item, "document_kind": entry.document_kind, "amount": entry.amount,
            "document_sm3": hexadecimal(&entry.document_sm3), "second_factor": factor.map(|(kind, _)| kind),
            "second_factor_at": factor.map(|(_, at)| at.to_string()), "outcome": entry.outcome.name(), "ended_at": ended,
        });
        return format!("{facts}\n");
    }
    let fields: [String; 14] = [
        entry.at.to_string(),
        entry.signature.to_string(),
        entry.seal.to_string(),
        text(entry.user.as_ref().map(CallerId::as_str)),
        text(authorisation.map(|(id, _)| id.as_str())),
        authorisation.map(|(_, number)| number.to_string()).unwrap_or_default(),
        text(entry.item.as_deref()),
        text(entry.document_kind.as_deref()),
        entry.amount.map(|amount| amount.to_string()).unwrap_or_default(),
        hexadecimal(&entry.document_sm3),
        text(factor.map(|(kind, _)| kind.as_str())),
        factor.map(|(_, at)| at.to_string()).unwrap_or_default(),
        entry.outcome.name().to_owned(),
        ended.unwrap_or_default(),
    ];
    if order.csv {
        return csv::record(fields.iter().map(String::as_str));
    }
    let shown = |field: &String| if field.is_empty() { "-".to_owned() } else { field.clone() };
    format!("{}\n", fields.iter().map(shown).collect::<Vec<_>>().join(" "))
}
