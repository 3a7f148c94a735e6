//! `yinxin seal-admin notices`: who is told of state changes, what was given up, and by which key notices are signed.

use clap::Subcommand;
use serde_json::json;

use crate::cli::installation::Error;
use crate::cli::seal_admin::BY;
use crate::domain::key::KeyAlgorithm;
use crate::service::Services;
use crate::service::webhooks::desk::{self, Standing};
use crate::store::webhooks::DeadNotice;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Every receiver that has begun: name, the event that is next, how many are behind it, attempts at the next notice, how many
    /// notices were given up; with --receiver what was given up for that one
    List {
        /// What was given up for that receiver: event, type, last refusal, attempts, when for the first time, when it was given
        /// up
        #[arg(long, value_name = "NAME")]
        receiver: Option<String>,
        /// Print one JSON object for each line
        #[arg(long)]
        json: bool,
    },
    /// All that is known of a notice that was given up, with its body
    Show {
        /// The receiver
        #[arg(value_name = "RECEIVER")]
        receiver: String,
        /// The number of its event
        #[arg(value_name = "EVENT")]
        event: u64,
    },
    /// Have notices sent again that were given up: one, or all of a receiver
    Resend {
        /// The receiver
        #[arg(value_name = "RECEIVER")]
        receiver: String,
        /// The number of the event
        #[arg(value_name = "EVENT", required_unless_present = "all", conflicts_with = "all")]
        event: Option<u64>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
    /// Print the public key by which notices are signed, and its `keyid`; its key pair is made where there is none
    Key {
        /// By which algorithm: sm2, ecdsa-p256 or ed25519
        #[arg(long, value_name = "ALGORITHM", default_value = "sm2", value_parser = algorithm)]
        algorithm: KeyAlgorithm,
    },
}

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    let signs = [KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519];
    let named = KeyAlgorithm::from_name(text).filter(|algorithm| signs.contains(algorithm));
    named.ok_or_else(|| "one of sm2, ecdsa-p256, ed25519".to_owned())
}

/// Does what is asked; gives what is said.
pub(crate) async fn act(services: &Services, action: &Action) -> Result<String, Error> {
    Ok(match action {
        Action::List { receiver: None, json } => {
            let all = desk::standings(services).await?;
            all.iter()
                .map(|one| if *json { standing_facts(services, one) } else { standing_line(services, one) })
                .collect()
        }
        Action::List { receiver: Some(receiver), json } => {
            let all = given_up(services, receiver).await?;
            all.iter().map(|one| if *json { facts(one) } else { line(one) }).collect()
        }
        Action::Show { receiver, event } => facts(&desk::show(services, receiver, *event).await?),
        Action::Resend { receiver, event: Some(event), .. } => {
            line(&desk::resend(services, BY, receiver, *event).await?)
        }
        Action::Resend { receiver, event: None, .. } => {
            let mut text = String::new();
            for dead in given_up(services, receiver).await? {
                text.push_str(&line(&desk::resend(services, BY, receiver, dead.event).await?));
            }
            text
        }
        Action::Key { algorithm } => {
            let (pem, id) = desk::public_key(services, *algorithm).await?;
            format!("keyid {id}\n{pem}")
        }
    })
}

/// Everything that was given up for a receiver.
async fn given_up(services: &Services, receiver: &str) -> Result<Vec<DeadNotice>, Error> {
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let page = desk::dead(services, receiver, from).await?;
        let Some(last) = page.last() else { return Ok(all) };
        from = last.event.saturating_add(1);
        all.extend(page);
    }
}

fn is_configured(services: &Services, standing: &Standing) -> bool {
    services.webhooks.iter().any(|receiver| receiver.name == standing.place.receiver)
}

fn standing_line(services: &Services, standing: &Standing) -> String {
    let Standing { place, behind, dead } = standing;
    let attempts = place.place.delivery.attempts();
    let state = if is_configured(services, standing) { "configured" } else { "not-configured" };
    let next = place.place.next;
    format!("{}  next {next}  behind {behind}  attempts {attempts}  given up {dead}  {state}\n", place.receiver)
}

fn standing_facts(services: &Services, standing: &Standing) -> String {
    let Standing { place, behind, dead } = standing;
    let object = json!({
        "receiver": place.receiver,
        "next": place.place.next,
        "behind": behind,
        "attempts": place.place.delivery.attempts(),
        "given_up": dead,
        "configured": is_configured(services, standing),
    });
    format!("{object}\n")
}

fn line(dead: &DeadNotice) -> String {
    let DeadNotice { receiver, event, kind, refusal, sent, first_at, given_up_at, resending, .. } = dead;
    let again = if resending.is_some() { "  sent again" } else { "" };
    format!("{receiver}  {event}  {kind}  {refusal}  attempts {sent}  {first_at}  {given_up_at}{again}\n")
}

fn facts(dead: &DeadNotice) -> String {
    let object = json!({
        "receiver": dead.receiver,
        "event": dead.event,
        "type": dead.kind,
        "refusal": dead.refusal,
        "attempts": dead.sent,
        "first_at": dead.first_at,
        "given_up_at": dead.given_up_at,
        "sent_again": dead.resending.is_some(),
        "body": dead.body,
    });
    format!("{object}\n")
}
