//! `yinxin seal-admin`: seals from their application to their archive, those that were made elsewhere, whether they may be used,
//! and the callers who may use them and by whose authority.

mod application;
mod import;
mod life;
mod notices;
mod officer;
mod person;
mod remake;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::base::id::{ApplicationId, KeyId, SealId};
use crate::cli::ca::profiles_of;
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::parts::stamping_beside;
use crate::cli::installation::{Error, plan, write_new};
use crate::cli::keys::attached;
use crate::cli::seal_picture;
use crate::cli::seal_uses;
use crate::config::Settings;
use crate::domain::audit::{Actor, SuspensionReason};
use crate::domain::caller::{Role, Roles};
use crate::domain::seal::maker::SealStamps;
use crate::service::callers::{holder, register_caller};
use crate::service::person_signings::Means;
use crate::service::seal_applications;
use crate::service::seals::{resume, suspend, take};
use crate::service::stamping::Stamping;
use crate::service::{self, Services};

const BY: &Actor = &Actor::Operator;

/// Seals from their application to their archive, those made elsewhere, and the callers who may use them
///
/// Works on the installation that the configuration names, also beside a service at work. Exit code 0 done, 4 refused,
/// 64 usage, 70 internal error.
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
    #[command(flatten)]
    Installed(Installed),
    Picture(seal_picture::Arguments),
}

/// What works on an installation.
#[derive(Subcommand)]
enum Installed {
    /// Officers of seals, who enter, check and approve applications for a division
    #[command(subcommand)]
    Officer(officer::Action),
    /// Codes of seals, which are assigned to divisions
    #[command(subcommand)]
    Codes(officer::Codes),
    /// Apply for a seal, or for what changes one, and print the application's name
    #[command(subcommand)]
    Apply(application::Apply),
    /// Write the octets that an approver signs to a new file: the same for every approver
    ToApprove {
        /// The application
        #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
        application: ApplicationId,
        /// Where to write them
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// State that an application agrees with its documents, as a checker
    Check(application::Step),
    /// Approve an application, as an approver
    Approve(application::Step),
    /// Refuse an application, as a checker or an approver
    Refuse(application::Refuse),
    /// Take an application back, as its applicant
    Withdraw(application::Withdraw),
    /// Do what was approved, and print the seal and its state; after a crash this goes on where it was
    Fulfil {
        /// The application
        #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
        application: ApplicationId,
    },
    /// Applications, oldest first: name, state, since, purpose, division, what it is about
    Applications(application::List),
    /// All that is known about an application
    Application {
        /// The application
        #[arg(value_name = "APPLICATION", value_parser = ApplicationId::parse)]
        application: ApplicationId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Refuse every application that did not move for so many days
    Lapse {
        /// So many days
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Take a seal as its keeper (--officer): from now on it may be used
    Deliver(life::Deliver),
    /// Let a seal rest, as an officer of its holder's division
    SuspendSigned(life::Suspend),
    /// Close the papers of a seal that ended, or whose validity is over
    Archive {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
    },
    /// Have a seal filed with public security that was refused there, or was made before seals were filed
    File {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
    },
    /// Seals that were made for applications: name, state, since, code, type, what it is called
    List(life::List),
    /// All that is known about a seal that was made for an application
    Show(life::Show),
    /// Take in a seal of GB/T 38540 that a seal maker made for a key of ours, and print its name here
    Take {
        /// The seal, DER
        #[arg(value_name = "SEAL")]
        seal: PathBuf,
        /// The key that shall use it
        #[arg(long, value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
        /// That key's certificate, PEM or DER, as the seal lists it
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
    },
    /// Take in many seals that were made elsewhere, by a table; print how many were read, imported, in conflict and rejected
    ///
    /// The columns of the table, in any order: seal, certificate, key, kind, credit_code, holder, division, keeper, filing.
    /// Broken off, the same command with a new file of results goes on.
    Import(import::Order),
    /// Revoke many seals and make them anew, by an order of three persons
    #[command(subcommand)]
    Remake(remake::Action),
    /// Notices of state changes to programs elsewhere: who gets them, what was given up, by which key they are signed
    #[command(subcommand)]
    Notices(notices::Action),
    /// Let a seal rest: from now on it is refused
    Suspend {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
        /// Why: owner-request, authority-order or suspected-misuse
        #[arg(long, value_name = "REASON", value_parser = reason)]
        reason: SuspensionReason,
    },
    /// Take a resting seal back into use that was not made for an application
    Resume {
        /// The seal
        #[arg(value_name = "SEAL", value_parser = SealId::parse)]
        seal: SealId,
    },
    /// Let the holder of a certificate call the HTTPS API, and print its name here
    RegisterCaller {
        /// The certificate, PEM; its key is what counts
        #[arg(value_name = "CERTIFICATE")]
        certificate: PathBuf,
        /// What the caller is called
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// What it may do; given more than once, each of them
        #[arg(long, value_name = "ROLE", value_parser = role, required = true)]
        role: Vec<Role>,
    },
    SignPerson(Box<person::Order>),
    #[command(flatten)]
    Uses(seal_uses::Action),
}

fn reason(text: &str) -> Result<SuspensionReason, String> {
    let names = || SuspensionReason::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    SuspensionReason::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
    Role::from_name(text).ok_or_else(|| format!("one of {}", names().join(", ")))
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let action = match &arguments.action {
        Action::Picture(picture) => return seal_picture::run(picture, console),
        Action::Installed(action) => action,
    };
    attached((arguments.config.as_deref(), false), console, async |services, _, settings| match action {
        Installed::Officer(action) => officer::act(&services, action).await,
        Installed::Codes(action) => officer::codes(&services, action).await,
        Installed::Apply(order) => {
            let services = services.with_plan(plan(settings));
            application::apply(&services, &profiles_of(settings)?, order).await
        }
        Installed::ToApprove { application, out } => {
            write_new(out, &seal_applications::to_approve(&services, application).await?)?;
            Ok(format!("{}\n", out.display()))
        }
        Installed::Check(step) => application::check(&services, step).await,
        Installed::Approve(step) => application::approve(&services, &profiles_of(settings)?, step).await,
        Installed::Refuse(order) => application::refuse(&services, order).await,
        Installed::Withdraw(order) => application::withdraw(&services, order).await,
        Installed::Fulfil { application } => {
            let services = services.with_plan(plan(settings));
            let stamping = for_seals(&services, settings).await?;
            application::fulfil(&services, profiles_of(settings)?, stamping.as_ref(), application).await
        }
        Installed::Applications(order) => application::list(&services, order).await,
        Installed::Application { application, json } => application::show(&services, application, *json).await,
        Installed::Lapse { days } => {
            Ok(format!("{} applications lapsed\n", seal_applications::lapse(&services, *days).await?))
        }
        Installed::Deliver(order) => life::deliver(&services, order).await,
        Installed::SuspendSigned(order) => life::suspend(&services, order).await,
        Installed::Archive { seal } => life::archive(&services, seal).await,
        Installed::File { seal } => life::file(&services, seal).await,
        Installed::List(order) => life::list(&services, order).await,
        Installed::Show(order) => life::show(&services, order).await,
        Installed::Take { seal, key, certificate } => {
            let files = (&read(seal)?[..], &read(certificate)?[..]);
            let id = take(&services, BY, files, key).await?;
            Ok(format!("{id}\n"))
        }
        Installed::Remake(action) => {
            let services = services.with_plan(plan(settings));
            let witnesses = settings.audit_log.witnesses.iter().map(|(_, key)| key.clone()).collect::<Vec<_>>();
            let stamping = match action {
                remake::Action::Run(_) => for_seals(&services, settings).await?,
                _ => None,
            };
            remake::act(&services, (Arc::new(profiles_of(settings)?), &witnesses), stamping.as_ref(), action).await
        }
        Installed::Notices(action) => notices::act(&services, action).await,
        Installed::Import(order) => import::import(&services, order).await,
        Installed::Suspend { seal, reason } => {
            let state = suspend(&services, BY, seal, *reason).await?;
            Ok(format!("{seal} {}\n", state.name()))
        }
        Installed::Resume { seal } => {
            let state = resume(&services, BY, seal).await?;
            Ok(format!("{seal} {}\n", state.name()))
        }
        Installed::SignPerson(order) => {
            let services = services.with_plan(plan(settings));
            let stamping = stamping_beside(&services, settings).await?;
            let means = Means { profiles: &profiles_of(settings)?, stamping: stamping.as_ref() };
            person::sign(&services, means, order).await
        }
        Installed::Uses(action) => seal_uses::act(&services, action).await,
        Installed::RegisterCaller { certificate, name, role } => {
            let pem = read(certificate)?;
            let roles = Roles::new(role.iter().copied()).map_err(service::Error::from)?;
            let registration = holder(&String::from_utf8_lossy(&pem), name, roles)?;
            let caller = register_caller(&services, BY, None, registration).await?;
            Ok(format!("{}\n", caller.id))
        }
    })
}

/// What stamps the time of seals that are made here, where the settings want any stamped.
async fn for_seals(services: &Services, settings: &Settings) -> Result<Option<Stamping>, Error> {
    match services.seal_stamps {
        SealStamps::Never => Ok(None),
        _ => stamping_beside(services, settings).await,
    }
}

/// A file no larger than a seal or a certificate can be.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    const MOST: u64 = 1 << 20;
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let mut octets = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut octets)).map_err(wrong)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > MOST {
        return Err(wrong(std::io::Error::other("larger than a seal or a certificate can be")));
    }
    Ok(octets)
}
