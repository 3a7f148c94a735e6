//! `yinxin seal-admin officer` and `codes`: who enters, checks and approves applications for seals, and where; and which codes
//! a division has.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::base::division::Division;
use crate::base::id::CallerId;
use crate::cli::ca::{MOST, read};
use crate::cli::console::shown;
use crate::cli::installation::Error;
use crate::cli::seal_admin::BY;
use crate::domain::caller::{Role, Roles};
use crate::domain::officer::OfficerRole;
use crate::service;
use crate::service::Services;
use crate::service::callers::{holder, register_caller};
use crate::service::{seal_codes, seal_officers};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Make a caller an officer of seals, and print its name
    Appoint(Appoint),
    /// End an officer's duty at once; what the officer approved is not fulfilled any more
    Dismiss {
        /// The officer
        #[arg(value_name = "OFFICER", value_parser = CallerId::parse)]
        officer: CallerId,
    },
    /// Every officer of seals, also those who were: name, role, division, since, until, what the officer is called
    List {
        /// Print one JSON object for each officer
        #[arg(long)]
        json: bool,
    },
}

/// What `appoint` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("who").required(true).multiple(false))]
pub(crate) struct Appoint {
    /// What the officer may do: applicant enters applications, checker compares them with their documents, approver decides
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: OfficerRole,
    /// For which division, by its code, and all that lie in it; 000000 is the whole country
    #[arg(long, value_name = "DIVISION", value_parser = Division::parse)]
    division: Division,
    /// A registered caller with the role seal-administrator
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse, group = "who")]
    caller: Option<CallerId>,
    /// The officer's certificate or public key, PEM; its holder is registered as a caller with the role seal-administrator
    #[arg(long, value_name = "FILE", group = "who", requires = "name")]
    holder: Option<PathBuf>,
    /// What the officer is called
    #[arg(long, value_name = "TEXT", requires = "holder")]
    name: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Codes {
    /// Assign the codes from the first to the last number to a division of six digits
    Assign {
        /// The division
        #[arg(value_name = "DIVISION", value_parser = Division::parse)]
        division: Division,
        /// The first number, of eight digits at most
        #[arg(long, value_name = "N")]
        first: u32,
        /// The last number
        #[arg(long, value_name = "N")]
        last: u32,
    },
    /// Every range: division, first, last, next, how many are left
    List {
        /// Print one JSON object for each range
        #[arg(long)]
        json: bool,
    },
}

fn role(text: &str) -> Result<OfficerRole, String> {
    OfficerRole::from_name(text).ok_or_else(|| "one of applicant, checker, approver".to_owned())
}

pub(super) async fn act(services: &Services, action: &Action) -> Result<String, Error> {
    match action {
        Action::Appoint(order) => appoint(services, order).await,
        Action::Dismiss { officer } => {
            seal_officers::dismiss(services, (BY, None), officer).await?;
            Ok(format!("{officer}\n"))
        }
        Action::List { json } => list(services, *json).await,
    }
}

async fn appoint(services: &Services, order: &Appoint) -> Result<String, Error> {
    let caller = match (&order.caller, &order.holder) {
        (Some(caller), _) => caller.clone(),
        (None, file) => {
            let pem = file.as_deref().map_or_else(|| Ok(Vec::new()), |file| read(file, MOST))?;
            let roles = Roles::new([Role::SealAdministrator]).map_err(service::Error::from)?;
            let name = order.name.as_deref().unwrap_or_default();
            let registration = holder(&String::from_utf8_lossy(&pem), name, roles)?;
            register_caller(services, BY, None, registration).await?.id
        }
    };
    seal_officers::appoint(services, (BY, None), &caller, (order.role, &order.division)).await?;
    Ok(format!("{caller}\n"))
}

async fn list(services: &Services, json: bool) -> Result<String, Error> {
    let mut text = String::new();
    for (officer, caller) in seal_officers::list(services).await? {
        let (id, role, division, since) = (&officer.caller, officer.role.name(), &officer.division, officer.since);
        let until = officer.ended_at.map(|at| at.to_string());
        let line = if json {
            let facts = json!({
                "id": id, "name": caller.name, "role": role, "division": division.code(), "since": since.to_string(),
                "until": until, "caller_state": caller.state.name(), "algorithm": caller.algorithm,
            });
            format!("{facts}\n")
        } else {
            let until = until.as_deref().unwrap_or("-");
            format!("{id}  {role}  {division}  {since}  {until}  {}\n", shown(&caller.name))
        };
        text.push_str(&line);
    }
    Ok(text)
}

pub(super) async fn codes(services: &Services, action: &Codes) -> Result<String, Error> {
    let (ranges, json) = match action {
        Codes::Assign { division, first, last } => {
            (vec![seal_codes::assign(services, (BY, None), division, (*first, *last)).await?], false)
        }
        Codes::List { json } => (seal_codes::list(services).await?, *json),
    };
    let mut text = String::new();
    for range in ranges {
        let (division, (first, last), next, left) = (range.division(), range.bounds(), range.next(), range.left());
        let line = match json {
            true => {
                let code = division.code();
                format!("{}\n", json!({ "division": code, "first": first, "last": last, "next": next, "left": left }))
            }
            false => format!("{division}  {first}  {last}  {next}  {left}\n"),
        };
        text.push_str(&line);
    }
    Ok(text)
}
