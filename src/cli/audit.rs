//! `yinxin audit`: the events themselves, for auditors at the machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::Error;
use crate::cli::keys::attached;
use crate::domain::audit::{Actor, LoggedEvent};
use crate::service;
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
}

fn class(name: &str) -> Result<u64, String> {
    LoggedEvent::class_named(name).ok_or_else(|| "not the name of a class of events".to_owned())
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let Action::Export { from, until, class } = &arguments.action;
    let mut lines = Console::standard();
    attached((arguments.config.as_deref(), false), console, async |services, _, _| {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (mut next, end) = (number(*from), until.map_or(i64::MAX, number));
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
    use crate::base::clock::Timestamp;
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
