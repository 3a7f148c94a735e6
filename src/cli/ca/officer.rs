//! `yinxin ca officer`: who enters, checks and approves requests for certificates.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::base::id::CallerId;
use crate::cli::ca::{BY, MOST, read};
use crate::cli::console::shown;
use crate::cli::installation::Error;
use crate::domain::ca::request::OfficerRole;
use crate::domain::caller::{Role, Roles};
use crate::service;
use crate::service::Services;
use crate::service::callers::{holder, register_caller};
use crate::service::officers;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Make a caller an officer, and print its name
    Appoint(Appoint),
    /// End an officer's duty at once; what the officer approved is not issued any more
    Dismiss {
        /// The officer
        #[arg(value_name = "OFFICER", value_parser = CallerId::parse)]
        officer: CallerId,
    },
    /// Every officer, also those who were: name, role, since, until, what the officer is called
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
    /// What the officer may do: applicant enters requests, checker compares them with their evidence, approver decides
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: OfficerRole,
    /// A registered caller with the role certificate-officer
    #[arg(long, value_name = "CALLER", value_parser = CallerId::parse, group = "who")]
    caller: Option<CallerId>,
    /// The officer's certificate or public key, PEM; its holder is registered as a caller with the role certificate-officer
    #[arg(long, value_name = "FILE", group = "who", requires = "name")]
    holder: Option<PathBuf>,
    /// What the officer is called
    #[arg(long, value_name = "TEXT", requires = "holder")]
    name: Option<String>,
}

fn role(text: &str) -> Result<OfficerRole, String> {
    OfficerRole::from_name(text).ok_or_else(|| "one of applicant, checker, approver".to_owned())
}

pub(super) async fn act(services: &Services, action: &Action) -> Result<String, Error> {
    match action {
        Action::Appoint(order) => appoint(services, order).await,
        Action::Dismiss { officer } => {
            officers::dismiss(services, (BY, None), officer).await?;
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
            let roles = Roles::new([Role::CertificateOfficer]).map_err(service::Error::from)?;
            let name = order.name.as_deref().unwrap_or_default();
            let registration = holder(&String::from_utf8_lossy(&pem), name, roles)?;
            register_caller(services, BY, None, registration).await?.id
        }
    };
    officers::appoint(services, (BY, None), &caller, order.role).await?;
    Ok(format!("{caller}\n"))
}

async fn list(services: &Services, json: bool) -> Result<String, Error> {
    let mut text = String::new();
    for (officer, caller) in officers::list(services).await? {
        let (id, role, since) = (&officer.caller, officer.role.name(), officer.since);
        let until = officer.ended_at.map(|at| at.to_string());
        let line = if json {
            let state = caller.state.name();
            let facts = json!({
                "id": id, "name": caller.name, "role": role, "since": since.to_string(), "until": until,
                "caller_state": state, "algorithm": caller.algorithm,
            });
            format!("{facts}\n")
        } else {
            let until = until.as_deref().unwrap_or("-");
            format!("{id}  {role}  {since}  {until}  {}\n", shown(&caller.name))
        };
        text.push_str(&line);
    }
    Ok(text)
}
