//! `yinxin ca ceremony`: a key ceremony by a reviewed plan, its rehearsal, and the judging of its transcript.

mod files;
mod judging;
mod telling;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::{Args, Subcommand};

use crate::base::clock::{Clock as _, SystemClock};
use crate::base::random::{HealthChecked, Random, SystemRandom};
use crate::base::secret::Secret;
use crate::cli::ca::ceremony::files::Staged;
use crate::cli::ca::profiles_of;
use crate::cli::console::{Console, error_line};
use crate::cli::exit::Outcome;
use crate::cli::installation::{self, create_folder, key_settings};
use crate::cli::selftest::{Sound, before_start};
use crate::cli::serve::{log, runtime};
use crate::cli::shares;
use crate::config::ceremony::{self as plans, PlanError};
use crate::config::{Settings, Source};
use crate::domain::ca::ceremony::{Plan, PlannedCertificate, Protection, Transcript, TranscriptError};
use crate::service::ceremony::{self, Held, Program};
use crate::service::inventory::hexadecimal;
use crate::service::issuance::request_in;
use crate::service::keys::{KeySource, digits_of, fresh, write_closed};
use crate::service::verification::sm3_hex;
use crate::service::{KeySettings, Services, selftest};

/// What `ceremony` is told.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Ceremony {
    #[command(subcommand)]
    action: Option<Action>,
    /// The plan, TOML
    #[arg(value_name = "PLAN", required = true)]
    plan: Option<PathBuf>,
    /// Rehearse: make everything in memory with keys that are thrown away, and tell what would be made
    #[arg(long, conflicts_with_all = ["plan_sm3", "out"])]
    dry_run: bool,
    /// SM3 of the plan as it was reviewed, 64 hexadecimal digits; the rehearsal tells it
    #[arg(long, value_name = "SM3")]
    plan_sm3: Option<String>,
    /// Copy transcript, certificates and lists to this new folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Judge the transcript of a ceremony, offline: chain, signature, certificates, lists; and tell what each step did
    Verify(judging::Judging),
}

/// Why a ceremony is not held, or its transcript not accepted.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("the plan was reviewed as another one: its SM3 is {found}")]
    OtherPlan { found: String },
    #[error("a plan is carried out as it was reviewed: --plan-sm3 {found} is wanted, after --dry-run")]
    NotReviewed { found: String },
    #[error(
        "{path} is left from a ceremony that broke off; nothing in it is used: delete it and the shares of that day"
    )]
    Unfinished { path: PathBuf },
    #[error("certificate {certificate}: the request is another one than was reviewed: its SM3 is {found}")]
    OtherRequest { certificate: String, found: String },
    #[error("{custodian} did not give the share back; nothing is kept")]
    NotConfirmed { custodian: String },
    #[error("{path} is larger than {most} bytes")]
    TooLarge { path: PathBuf, most: usize },
    #[error("the ceremony is complete in {installation}, but {path} was not written: copy the folder ceremony of it")]
    NotCopied { installation: PathBuf, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Ceremony(#[from] ceremony::Error),
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    #[error(transparent)]
    Installation(#[from] installation::Error),
}

impl Error {
    fn line(&self) -> String {
        let code = match self {
            Self::Installation(error) => return error.line(),
            Self::Plan(error) => error.code(),
            Self::OtherPlan { .. } => "plan-digest",
            Self::NotReviewed { .. } => "plan-not-reviewed",
            Self::Unfinished { .. } => "ceremony-unfinished",
            Self::OtherRequest { .. } => "plan-request-digest",
            Self::NotConfirmed { .. } => "share-not-confirmed",
            Self::TooLarge { .. } => "file-too-large",
            Self::NotCopied { .. } => "ceremony-not-copied",
            Self::Ceremony(error) => error.code(),
            Self::Transcript(error) => error.code(),
        };
        error_line(self, code)
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Installation(installation::Error::File { .. } | installation::Error::Runtime(_))
            | Self::NotCopied { .. } => Outcome::Internal,
            _ => Outcome::Refused,
        }
    }
}

fn keys(error: crate::service::keys::Error) -> Error {
    installation::Error::from(error).into()
}

/// A file of at most so many bytes.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let wrong = |source| installation::Error::File { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(wrong)?.len();
    if usize::try_from(length).map_or(true, |length| length > most) {
        return Err(Error::TooLarge { path: path.to_owned(), most });
    }
    Ok(fs::read(path).map_err(wrong)?)
}

/// Does what is asked.
pub(super) fn run(config: Option<&Path>, order: &Ceremony, console: &mut Console) -> Outcome {
    let done = match (&order.action, &order.plan) {
        (Some(Action::Verify(judging)), _) => judging::judge(judging),
        (None, Some(plan)) => {
            let settings = match Settings::load(config, std::env::vars()) {
                Ok(settings) => settings,
                Err(error) => {
                    console.complain(&installation::Error::from(error).line());
                    return Outcome::Usage;
                }
            };
            log(&settings.log);
            // Before anything is touched.
            match before_start(&settings.policies) {
                Ok(sound) => Desk { settings: &settings, sound: &sound }.hold(order, plan),
                Err(error) => {
                    console.complain(&error.line());
                    return Outcome::Internal;
                }
            }
        }
        (None, None) => return Outcome::Usage,
    };
    match done {
        Ok(text) => {
            console.print(&text);
            Outcome::Passed
        }
        Err(error) => {
            console.complain(&error.line());
            error.outcome()
        }
    }
}

/// The plan, its text, and the requests that it names, in its order.
type Reviewed<'a> = (&'a Plan, &'a [u8], &'a [Vec<u8>]);

/// The requests that the plan names, each as it was reviewed.
fn requests_of(plan: &Plan) -> Result<Vec<Vec<u8>>, Error> {
    let read_one = |planned: &PlannedCertificate| {
        let request = request_in(&read(&planned.csr, MOST_REQUEST)?);
        let found = sm3_hex(&request);
        if found == hexadecimal(&planned.csr_sm3) {
            Ok(request)
        } else {
            Err(Error::OtherRequest { certificate: planned.id.to_string(), found })
        }
    };
    plan.certificates.iter().map(read_one).collect()
}

struct Desk<'a> {
    settings: &'a Settings,
    sound: &'a Sound,
}

impl Desk<'_> {
    fn random(&self) -> &dyn Random {
        &*self.sound.random
    }

    fn hold(&self, order: &Ceremony, path: &Path) -> Result<String, Error> {
        let text = read(path, plans::MOST_BYTES)?;
        let plan = plans::parse(&text, &path.display().to_string())?;
        let found = sm3_hex(&text);
        let requests = requests_of(&plan)?;
        let program = self.program()?;
        if order.dry_run {
            let held = self.rehearse((&plan, &text, &requests), &program)?;
            return Ok(telling::rehearsal(&plan, path, &found, &held));
        }
        match &order.plan_sm3 {
            None => return Err(Error::NotReviewed { found }),
            Some(reviewed) if !reviewed.eq_ignore_ascii_case(&found) => return Err(Error::OtherPlan { found }),
            Some(_) => {}
        }
        let staged = Staged::begin(&plan, order.out.as_deref())?;
        let held = self.make((&plan, &text, &requests), &program, &staged)?;
        staged.publish(&plan, &text, &held)?;
        if let Some(out) = &order.out {
            files::copy(&plan.installation, out)?;
        }
        Ok(telling::done(&plan, order.out.as_deref(), &held))
    }

    /// What the program says of itself: the digest of the file that is at work, which anybody can compute again.
    fn program(&self) -> Result<Program, Error> {
        let path = std::env::current_exe().map_err(installation::Error::Runtime)?;
        let octets = fs::read(&path).map_err(|source| installation::Error::File { path, source })?;
        Ok(Program::new(&octets, selftest::known_answers().len()))
    }

    /// Everything in memory, under keys that nobody keeps. Of a device nothing is asked: its pairs are counted.
    fn rehearse(&self, plan: Reviewed<'_>, program: &Program) -> Result<Held, Error> {
        let now = SystemClock.now();
        let profile = self.settings.profile;
        let mut transcript = ceremony::open((plan.0, plan.1), profile, program, now)?;
        let source = match &plan.0.protection {
            Protection::Shares { threshold, custodians } => {
                let handed = ceremony::share_out((*threshold, custodians), &mut transcript, self.random(), now)?;
                for one in &handed {
                    ceremony::confirm(one, &one.text(), &mut transcript, now)?;
                }
                KeySource::Shares(handed.iter().map(ceremony::Handed::text).collect())
            }
            Protection::Device => {
                let key = digits_of(&fresh(self.random()).map_err(keys)?);
                KeySource::Environment { name: "rehearsal".to_owned(), value: Some(key) }
            }
        };
        let keys = KeySettings { algorithms: Arc::clone(&self.sound.algorithms), ..KeySettings::from_source(source) };
        self.work(plan, transcript, ("sqlite::memory:", &keys))
    }

    /// Everything for good, in a folder that nobody uses yet.
    fn make(&self, plan: Reviewed<'_>, program: &Program, staged: &Staged) -> Result<Held, Error> {
        let profile = self.settings.profile;
        let mut transcript = ceremony::open((plan.0, plan.1), profile, program, SystemClock.now())?;
        let keys = match &plan.0.protection {
            Protection::Shares { threshold, custodians } => {
                let now = SystemClock.now();
                let handed = ceremony::share_out((*threshold, custodians), &mut transcript, self.random(), now)?;
                let mut back = Vec::<Secret>::new();
                for one in &handed {
                    // What somebody else put there meanwhile is not ours to delete: the write refuses it.
                    if !one.custodian.file.exists() {
                        staged.will_write(&one.custodian.file);
                    }
                    write_closed(&one.custodian.file, one.text().expose()).map_err(keys)?; // the custodian's file
                }
                for one in &handed {
                    back.push(confirmed(one, &mut transcript)?);
                }
                let algorithms = Arc::clone(&self.sound.algorithms);
                let sealing = self.settings.keys.sealing;
                KeySettings { sealing, algorithms, ..KeySettings::from_source(KeySource::Shares(back)) }
            }
            Protection::Device => match &self.settings.keys.source {
                Source::Device => key_settings(self.settings, &self.sound.algorithms)?,
                _ => return Err(installation::Error::NoShares.into()),
            },
        };
        create_folder(staged.folder())?;
        let url = format!("sqlite:{}", staged.folder().join("yinxin.db").display());
        self.work(plan, transcript, (&url, &keys))
    }

    /// The steps that both share.
    fn work(
        &self,
        plan: Reviewed<'_>,
        transcript: Transcript,
        (url, keys): (&str, &KeySettings),
    ) -> Result<Held, Error> {
        let profiles = Arc::new(profiles_of(self.settings)?);
        let random: Arc<dyn Random> = Arc::<HealthChecked<SystemRandom>>::clone(&self.sound.random);
        runtime()?.block_on(async {
            let (services, _) =
                Services::attach(url, keys, Arc::new(SystemClock), random).await.map_err(installation::Error::from)?;
            let held = ceremony::hold(&services, profiles, plan, transcript).await;
            services.store.close().await;
            Ok(held?)
        })
    }
}

/// A request is far smaller.
const MOST_REQUEST: usize = 64 * 1024;
/// How often a custodian at a terminal may mistype.
const ATTEMPTS: u8 = 3;

/// The share as the custodian gives it back.
fn confirmed(one: &ceremony::Handed<'_>, transcript: &mut Transcript) -> Result<Secret, Error> {
    let custodian = &one.custodian.name;
    for attempt in 1..=ATTEMPTS {
        let (given, asked) = shares::give_back(custodian)
            .map_err(|source| installation::Error::File { path: PathBuf::from("standard input"), source })?;
        if ceremony::confirm(one, &given, transcript, SystemClock.now())? {
            return Ok(given);
        }
        // Who mistypes tries again; a program does not.
        if !asked || attempt == ATTEMPTS {
            break;
        }
    }
    Err(Error::NotConfirmed { custodian: custodian.clone() })
}
