//! `yinxin seal-admin remake`: orders to revoke many seals and to make them anew, by three persons.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::csv;
use crate::base::division::Division;
use crate::base::id::{AuthorityId, JobId, KeyId};
use crate::base::random::array;
use crate::cli::ca::inventory::sm3 as digest;
use crate::cli::ca::{MOST, read};
use crate::cli::installation::{Error, create_new};
use crate::cli::proof::{Proof, Proven};
use crate::cli::seal_admin::{BY, application};
use crate::domain::audit::RevocationReason;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::ca::Profiles;
use crate::domain::key::KeyAlgorithm;
use crate::domain::seal::remake::{Making, Selection};
use crate::service;
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::Issuance;
use crate::service::keys::life_cycle;
use crate::service::registration::{Signed, evidence_sm3};
use crate::service::seal_fulfilment::Means;
use crate::service::seal_remakes::{self, NewRemake, documents};
use crate::service::stamping::Stamping;
use crate::store::seal_remakes::{RemakeCounts, StoredRemake};

/// What can be done with orders to re-make seals.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Order that seals be revoked and made anew, as an applicant of their division; prints the order's name
    Begin(Box<Begin>),
    /// Approve an order, as an approver of its division; two must
    Approve(Approve),
    /// Carry an order out: revoke all, then make each anew; broken off, the same command goes on
    Run(Named),
    /// How an order stands, and which seals were not made anew
    Show {
        /// The order
        #[arg(value_name = "ORDER", value_parser = JobId::parse)]
        order: JobId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write the documents whose time nothing here proves to a new file, CSV: seal, signature, time, SM3 of both forms, why
    Documents {
        /// The order
        #[arg(value_name = "ORDER", value_parser = JobId::parse)]
        order: JobId,
        /// Where to write them
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Give an order up: what is revoked stays revoked, what is made stays made
    Cancel(Named),
    /// Every order, oldest first: name, state, division, submitted
    List,
}

/// An order.
#[derive(Args)]
pub(crate) struct Named {
    /// The order
    #[arg(value_name = "ORDER", value_parser = JobId::parse)]
    order: JobId,
}

/// What `approve` is told.
#[derive(Args)]
pub(crate) struct Approve {
    /// The order
    #[arg(value_name = "ORDER", value_parser = JobId::parse)]
    order: JobId,
    #[command(flatten)]
    proof: Proof,
}

/// What `begin` is told.
#[derive(Args)]
pub(crate) struct Begin {
    /// Seals of holders in this division; 000000 is the whole country
    #[arg(long, value_name = "DIVISION", value_parser = Division::parse)]
    division: Division,
    /// Only seals that this key of ours made
    #[arg(long, value_name = "KEY", value_parser = KeyId::parse, conflicts_with = "maker_certificate")]
    maker: Option<KeyId>,
    /// Only seals that the key of this maker's certificate made, PEM or DER
    #[arg(long, value_name = "FILE")]
    maker_certificate: Option<PathBuf>,
    /// Only seals whose signer's certificate this authority issued
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    issued_by: Option<AuthorityId>,
    /// Only seals whose signer's key is of this algorithm: sm2, rsa, ecdsa-p256 or ed25519
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    signer_algorithm: Option<KeyAlgorithm>,
    /// Who issues the new signers' certificates
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Under which profile
    #[arg(long, value_name = "PROFILE", default_value = "seal-signer")]
    profile: String,
    /// Of which algorithm the new signers' keys are
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, default_value = "sm2")]
    algorithm: KeyAlgorithm,
    /// How many days the new seals are valid
    #[arg(long, value_name = "N")]
    days: u32,
    /// Why: key-compromise, facts-changed, superseded, cessation-of-operation or authority-order
    #[arg(long, value_name = "REASON", value_parser = application::revocation)]
    reason: RevocationReason,
    /// Since when the old key is known or thought to be unsafe, RFC 3339
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    compromised_at: Option<Timestamp>,
    /// With --signature: what --to-sign printed
    #[arg(long, value_name = "NONCE", value_parser = digest, requires = "signature")]
    nonce: Option<[u8; 32]>,
    #[command(flatten)]
    proof: Proof,
}

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    KeyAlgorithm::from_name(text).ok_or_else(|| "one of sm2, rsa, ecdsa-p256, ed25519".to_owned())
}

/// Does what is asked.
pub(super) async fn act(
    services: &Services,
    (profiles, witnesses): (Arc<Profiles>, &[Verifier]),
    stamping: Option<&Stamping>,
    action: &Action,
) -> Result<String, Error> {
    match action {
        Action::Begin(order) => begin(services, &profiles, order).await,
        Action::Approve(Approve { order, proof }) => {
            let octets = seal_remakes::to_approve(services, order).await?;
            match proof.over(services, octets).await? {
                Proven::Written(path) => Ok(format!("{path}\n")),
                Proven::Signature(signature) => {
                    let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
                    let stored = seal_remakes::approve(services, order, signed).await?;
                    Ok(format!("{}  {} approvals\n", stored.id, stored.approvals.len()))
                }
            }
        }
        Action::Run(Named { order }) => run(services, profiles, stamping, order).await,
        Action::Show { order, json } => show(services, order, *json).await,
        Action::Documents { order, out } => write_documents((services, witnesses), order, out).await,
        Action::Cancel(Named { order }) => {
            let stored = seal_remakes::cancel(services, (BY, None), order).await?;
            Ok(format!("{}  {}\n", stored.id, stored.state.name()))
        }
        Action::List => {
            let line = |stored: &StoredRemake| {
                let (order, state) = (&stored.order, stored.state.name());
                format!("{}  {state}  {}  {}\n", stored.id, order.selection.division, order.submitted_at)
            };
            Ok(seal_remakes::list(services).await?.iter().map(line).collect())
        }
    }
}

async fn begin(services: &Services, profiles: &Profiles, order: &Begin) -> Result<String, Error> {
    let maker = match (&order.maker, &order.maker_certificate) {
        (Some(key), _) => Some(life_cycle::find(services, key).await?.public_key),
        (None, Some(path)) => Some(seal_remakes::maker_key(read(path, MOST)?)?),
        (None, None) => None,
    };
    let new = NewRemake {
        selection: Selection {
            division: order.division.clone(),
            maker,
            authority: order.issued_by.clone(),
            algorithm: order.signer_algorithm,
        },
        making: Making {
            authority: order.authority.clone(),
            profile: order.profile.clone(),
            algorithm: order.algorithm,
            days: order.days,
        },
        reason: order.reason,
        compromised_at: order.compromised_at,
    };
    let nonce = match order.nonce {
        Some(nonce) => nonce,
        None => array(&*services.random).map_err(service::Error::from)?,
    };
    let draft = seal_remakes::draft(services, profiles, &order.proof.officer, new, nonce).await?;
    match order.proof.over(services, draft.to_submit()).await? {
        Proven::Written(_) => Ok(format!("{}\n", hexadecimal(&nonce))),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &order.proof.officer, signature: &signature, call: None };
            Ok(format!("{}\n", seal_remakes::submit(services, draft, signed).await?.id))
        }
    }
}

async fn run(
    services: &Services,
    profiles: Arc<Profiles>,
    stamping: Option<&Stamping>,
    id: &JobId,
) -> Result<String, Error> {
    let issuance = Issuance::start(services.clone(), profiles);
    let terminal = io::stderr().is_terminal();
    let told = |state: &'static str, RemakeCounts { revoked, made, refused }: RemakeCounts| {
        if terminal {
            // Where nobody can be told there is nothing left to do.
            let _ = write!(io::stderr(), "\r{state}: {revoked} revoked, {made} made, {refused} refused  ");
        }
    };
    let outcome = seal_remakes::run(services, Means { issuance: &issuance, stamping }, (BY, None), id, &told).await;
    if terminal {
        let _ = writeln!(io::stderr());
    }
    outcome?;
    show(services, id, false).await
}

async fn show(services: &Services, id: &JobId, json: bool) -> Result<String, Error> {
    let stored = seal_remakes::find(services, id).await?;
    let counts = seal_remakes::counts(services, id).await?;
    let refused = seal_remakes::refused(services, id).await?;
    let StoredRemake { order, .. } = &stored;
    let (selection, making) = (&order.selection, &order.making);
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let refusals = refused.iter().map(|row| json!({ "seal": row.seal, "code": row.refusal })).collect::<Vec<Value>>();
    let facts = json!({
        "id": stored.id,
        "state": stored.state.name(),
        "division": selection.division.code(),
        "maker_sm3": selection.maker.as_ref().map(|key| hexadecimal(&evidence_sm3(key))),
        "issued_by": selection.authority,
        "signer_algorithm": selection.algorithm.map(KeyAlgorithm::name),
        "authority": making.authority,
        "profile": making.profile,
        "algorithm": making.algorithm.name(),
        "days": making.days,
        "reason": order.reason.name(),
        "compromised_at": time(order.compromised_at),
        "applicant": order.applicant.officer,
        "approvers": stored.approvals.iter().map(|given| &given.hand.officer).collect::<Vec<_>>(),
        "submitted_at": order.submitted_at.to_string(),
        "begun_at": time(stored.begun_at),
        "all_revoked_at": time(stored.revoked_at),
        "ended_at": time(stored.ended_at),
        "revoked": counts.revoked,
        "made": counts.made,
        "refused": counts.refused,
        "refusals": refusals,
    });
    Ok(application::told(facts, json))
}

async fn write_documents(
    (services, witnesses): (&Services, &[Verifier]),
    id: &JobId,
    out: &std::path::Path,
) -> Result<String, Error> {
    seal_remakes::find(services, id).await?;
    let mut file = create_new(out)?;
    let wrong = |source| Error::File { path: out.to_owned(), source };
    let head = csv::record(["seal", "signature", "signed_at", "document_sm3", "sealed_sm3", "why"]);
    file.write_all(head.as_bytes()).map_err(wrong)?;
    let (mut behind, mut count) = (None, 0_u64);
    loop {
        let (page, next) = documents::unproven(services, id, behind, witnesses).await?;
        for one in &page {
            let (at, document) = (one.at.to_string(), hexadecimal(&one.document_sm3));
            let sealed = one.result_sm3.as_ref().map(|sm3| hexadecimal(sm3)).unwrap_or_default();
            let fields = [one.seal.as_str(), one.signature.as_str(), &at, &document, &sealed, one.why];
            file.write_all(csv::record(fields).as_bytes()).map_err(wrong)?;
            count = count.saturating_add(1);
        }
        match next {
            Some(next) => behind = Some(next),
            None => return Ok(format!("{count} documents\n")),
        }
    }
}
