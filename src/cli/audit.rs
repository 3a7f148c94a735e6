//! `yinxin audit`: the events themselves, for auditors at the machine; and what erases them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::base::clock::Timestamp;
use crate::cli::approving::{Approved, Approving};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, terms, write_new};
use crate::cli::keys::attached;
use crate::domain::audit::{Actor, ErasureReason, LoggedEvent};
use crate::service;
use crate::service::audit_log::erasing::propose;
use crate::service::audit_log::pruning::{Pruned, prune_all};
use crate::store::audit;

/// Events that are read at once.
const AT_ONCE: i64 = 2_000;

/// The events of the audit log
///
/// What they say is for auditors alone; the public log is `yinxin log`. Exit code 0 done, 4 refused, 64 usage, 70 internal
/// error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print events, oldest first, one JSON object a line; those that were erased are left out
    Export {
        /// From that number on
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        from: u64,
        /// Before that number
        #[arg(long, value_name = "NUMBER")]
        until: Option<u64>,
        /// Of that class only, such as seal-issued
        #[arg(long, value_name = "CLASS", value_parser = class)]
        class: Option<u64>,
    },
    /// Erase single events with their salts; their leaves stay, and so do the trees
    ///
    /// Two officers (approvers of `ca officer`) sign it, and an event names numbers and reason. Refused before the term of
    /// `log.retention_days` is over, and for what is in no signed tree, or was not seen by everybody who follows the log.
    /// Backups that were made before still hold the events.
    Erase {
        /// The event's number; given more than once, each of them
        #[arg(long, value_name = "NUMBER", required = true)]
        number: Vec<u64>,
        /// Why: holder-request, purpose-ended, unlawful or authority-order
        #[arg(long, value_name = "REASON", value_parser = reason)]
        reason: ErasureReason,
        #[command(flatten)]
        approving: Approving,
    },
    /// Erase all events that happened before a moment; their leaves stay, and so do the trees
    ///
    /// From the oldest on, 10,000 in a run; each run has an event that names its range. Ends before what is in no signed
    /// tree, or was not seen by everybody who follows the log, the mirror among them.
    Prune {
        /// The moment, or a day (from its beginning, UTC); not later than `log.retention_days` ago
        #[arg(long, value_name = "RFC3339", value_parser = moment)]
        before: Timestamp,
    },
}

fn reason(text: &str) -> Result<ErasureReason, String> {
    let names = || ErasureReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    ErasureReason::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    Timestamp::parse_rfc3339(text).or_else(|_| day()).map_err(|_| "a day, or a moment of RFC 3339".to_owned())
}

fn class(name: &str) -> Result<u64, String> {
    LoggedEvent::class_named(name).ok_or_else(|| "not the name of a class of events".to_owned())
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let config = arguments.config.as_deref();
    match &arguments.action {
        Action::Export { from, until, class } => export((config, *from, *until, *class), console),
        Action::Erase { number, reason, approving } => match approving.read(console) {
            Ok(approved) => erase((config, number, *reason), approved, console),
            Err(outcome) => outcome,
        },
        Action::Prune { before } => attached((config, false), console, async |services, _, settings| {
            let runs = prune_all(&services, &terms(settings), *before).await?;
            let run = |run: &Pruned| {
                format!(
                    "{} to {}: {} events, event {} says so\n",
                    run.from,
                    run.to.saturating_sub(1),
                    run.count,
                    run.event
                )
            };
            Ok(if runs.is_empty() { "nothing to erase\n".to_owned() } else { runs.iter().map(run).collect() })
        }),
    }
}

fn erase(
    (config, numbers, reason): (Option<&Path>, &[u64], ErasureReason),
    approved: Approved<'_>,
    console: &mut Console,
) -> Outcome {
    attached((config, false), console, async |services, _, settings| {
        let found = propose(&services, &terms(settings), numbers, reason).await?;
        let count = found.numbers().len();
        match approved {
            Approved::ToSign(file, officer) => {
                write_new(file, &found.to_sign(&services, &officer).await?)?;
                Ok(format!("{count} events can be erased\n{} is for {officer} to sign\n", file.display()))
            }
            Approved::By(signatures) => {
                let event = found.erase(&services, &signatures).await?;
                Ok(format!("{count} events are erased, which event {event} says\n"))
            }
        }
    })
}

fn export(
    (config, from, until, class): (Option<&Path>, u64, Option<u64>, Option<u64>),
    console: &mut Console,
) -> Outcome {
    let mut lines = Console::standard();
    attached((config, false), console, async |services, _, _| {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (mut next, end) = (number(from), until.map_or(i64::MAX, number));
        loop {
            // Page by page: a log has more events than memory.
            let rows = services.store.read(|tx| Box::pin(audit::logged(tx, next, AT_ONCE))).await;
            let rows = rows.map_err(service::Error::from)?;
            let Some((last, _)) = rows.last() else { return Ok(String::new()) };
            next = last.saturating_add(1);
            let wanted = |event: &LoggedEvent| class.is_none_or(|class| event.class_number() == class);
            let rows = rows.iter().filter(|(number, event)| *number < end && wanted(event));
            lines.print(&rows.map(|(number, event)| line(*number, event)).collect::<String>());
            if next >= end {
                return Ok::<_, Error>(String::new());
            }
        }
    })
}

fn line(number: i64, event: &LoggedEvent) -> String {
    let (kind, caller, roles) = match event.actor() {
        Some(Actor::Caller { id, roles }) => {
            ("caller", Some(id.to_string()), roles.iter().map(|role| role.name()).collect())
        }
        Some(Actor::Operator) => ("operator", None, Vec::new()),
        Some(Actor::Anonymous) => ("anonymous", None, Vec::new()),
        None => ("unknown", None, Vec::new()),
    };
    let fields = event.fields().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    let object = json!({
        "number": number,
        "at": event.at(),
        "class": event.class_name(),
        "actor": kind,
        "caller": caller,
        "roles": roles,
        "request": event.request(),
        "fields": fields.collect::<Map<_, _>>(),
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Event, EventBody};

    #[test]
    fn a_line_says_all_of_an_event() {
        let body = EventBody::AccessRefused { endpoint: "GET /x".into(), code: "role-missing".into() };
        let event = Event { at: Timestamp::from_unix(0), actor: Actor::Anonymous, request: None, body };
        let expected = json!({
            "number": 7, "at": "1970-01-01T00:00:00Z", "class": "access-refused", "actor": "anonymous", "caller": null,
            "roles": [], "request": null, "fields": { "endpoint": "GET /x", "code": "role-missing" },
        });
        assert_eq!(serde_json::from_str::<Value>(&line(7, &LoggedEvent::Known(event))).unwrap(), expected);
    }
}
