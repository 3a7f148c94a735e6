//! `yinxin alarms`: what the rules against misuse found, and what somebody has looked at.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::approving::{Approved, Approving};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::write_new;
use crate::cli::keys::attached;
use crate::domain::audit::{Actor, Suspends};
use crate::service::alarms::{acknowledge, list, open};
use crate::service::releases::{release, to_sign};
use crate::store::alarms::StoredAlarm;

/// Alarms of misuse, and of security events that do not arrive
///
/// Works on the installation that the configuration names, also beside a service at work. Each alarm names the page that
/// says what to do. Exit code 0 done, 4 refused, 64 usage, 70 internal error.
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
    /// Alarms that nobody has looked at, the oldest first
    List {
        /// Those that somebody has looked at too
        #[arg(long)]
        all: bool,
        /// Print one JSON object for each alarm
        #[arg(long)]
        json: bool,
    },
    /// End an alarm, because somebody has looked at it; what it suspended stays so
    Acknowledge {
        /// The alarm's number
        #[arg(value_name = "NUMBER")]
        number: u64,
    },
    /// Let go of what an alarm suspended: the seal may be used again, the caller is let in again
    ///
    /// Two officers (approvers of `ca officer`) sign it, and an event names both.
    Release {
        /// The alarm's number
        #[arg(value_name = "NUMBER")]
        number: u64,
        #[command(flatten)]
        approving: Approving,
    },
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let config = arguments.config.as_deref();
    if let Action::Release { number, approving } = &arguments.action {
        return match approving.read(console) {
            Ok(approved) => let_go((config, *number), approved, console),
            Err(outcome) => outcome,
        };
    }
    attached((config, false), console, async |services, _, _| match &arguments.action {
        // Above.
        Action::Release { .. } => Ok(String::new()),
        Action::List { all, json } => {
            let mut alarms = if *all { list(&services, None).await? } else { open(&services).await? };
            let mut text = String::new();
            while !alarms.is_empty() {
                text.extend(alarms.iter().map(|alarm| if *json { facts(alarm) } else { line(alarm) }));
                let last = alarms.last().map(|alarm| alarm.number);
                alarms = if *all { list(&services, last).await? } else { Vec::new() };
            }
            Ok(text)
        }
        Action::Acknowledge { number } => Ok(line(&acknowledge(&services, &Actor::Operator, *number).await?)),
    })
}

fn let_go((config, number): (Option<&Path>, u64), approved: Approved<'_>, console: &mut Console) -> Outcome {
    attached((config, false), console, async |services, _, _| match approved {
        Approved::ToSign(file, officer) => {
            write_new(file, &to_sign(&services, number, &officer).await?)?;
            Ok(format!("{} is for {officer} to sign\n", file.display()))
        }
        Approved::By(signatures) => Ok(line(&release(&services, number, &signatures).await?)),
    })
}

const fn suspended(alarm: &StoredAlarm) -> &'static str {
    match alarm.suspended {
        None => "nothing",
        Some(Suspends::Seal) => "seal",
        Some(Suspends::Caller) => "caller",
    }
}

fn line(stored: &StoredAlarm) -> String {
    let StoredAlarm { number, alarm, raised_at, acknowledged_at, released_at, .. } = stored;
    let mut text = format!("{number}  {}  {raised_at}  count {}", alarm.kind, alarm.count);
    if let Some(seal) = &alarm.seal {
        text.push_str(&format!("  seal {seal}"));
    }
    if let Some(caller) = &alarm.caller {
        text.push_str(&format!("  caller {caller}"));
    }
    if let Some(sink) = &alarm.sink {
        text.push_str(&format!("  receiver {sink}"));
    }
    text.push_str(&format!("  suspended {}", suspended(stored)));
    if let Some(at) = released_at {
        text.push_str(&format!("  released {at}"));
    }
    if let Some(at) = acknowledged_at {
        text.push_str(&format!("  acknowledged {at}"));
    }
    format!("{text}  {}\n", alarm.kind.runbook())
}

fn facts(stored: &StoredAlarm) -> String {
    let StoredAlarm { number, alarm, raised_at, acknowledged_at, released_at, .. } = stored;
    let object = json!({
        "number": number,
        "alarm": alarm.kind,
        "severity": alarm.kind.severity(),
        "seal": alarm.seal,
        "caller": alarm.caller,
        "receiver": alarm.sink,
        "event": alarm.event,
        "count": alarm.count,
        "suspended": suspended(stored),
        "raised_at": raised_at,
        "acknowledged_at": acknowledged_at,
        "released_at": released_at,
        "runbook": alarm.kind.runbook(),
    });
    format!("{object}\n")
}
