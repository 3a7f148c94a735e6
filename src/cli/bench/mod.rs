//! `yinxin bench`: what this program does in a second on this machine, over HTTP on loopback and without it.

mod load;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io, process};

use axum::body::Bytes;
use clap::Args;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::base::clock::{Clock as _, SystemClock};
use crate::base::id::RequestId;
use crate::cli::bench::load::Target;
use crate::cli::bench::rows::{Row, Rows};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, Installation, create_folder};
use crate::config::Settings;
use crate::domain::audit::Actor;
use crate::domain::caller::{Role, Roles};
use crate::domain::key::KeyAlgorithm;
use crate::domain::seal::signing::Placement;
use crate::http::tls::{Development, development_client};
use crate::service;
use crate::service::callers::{Registration, register_caller};
use crate::service::development::NOTICE;
use crate::service::measurement::Material;
use crate::service::seal_uses::UsePurpose;
use crate::service::seals::{self, Order};
use crate::store::scratch;

/// Measure certificates, OCSP, time stamps and verifications a second, over HTTP on loopback and without it
///
/// Starts a server of its own on loopback with a temporary installation, on two cores, sends requests to it from this
/// same process, and removes everything. Nothing is logged while it measures. Each figure stands beside what the same work
/// gives without HTTP, or beside the same server giving a constant of the same size. The load shares the cores with the
/// server: its share of the processor time is printed.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long each figure is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections that ask at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// A PostgreSQL database in which a schema yinxin_bench can be made, and is removed at the end; SQLite when absent
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Make the temporary installation in this folder; the system's temporary folder when absent
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Threads of the server, and as many of the load.
const CORES: usize = 2;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The installation.
    #[error(transparent)]
    Installation(#[from] Error),
    /// The load.
    #[error(transparent)]
    Load(#[from] load::Error),
    /// The database.
    #[error("the schema yinxin_bench cannot be made or removed in that database")]
    Database(#[from] crate::store::Error),
    /// Something of the server that must be there is not.
    #[error("the server did not start as it must")]
    Incomplete,
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Self {
        Self::Installation(error.into())
    }
}

impl Failure {
    fn line(&self) -> String {
        if let Self::Installation(error) = self {
            return error.line();
        }
        let mut line = format!("error: {self}");
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        line
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn make(inside: Option<&Path>) -> Result<Self, Error> {
        let path = inside.map_or_else(env::temp_dir, Path::to_path_buf).join(format!("yinxin-bench-{}", process::id()));
        if path.exists() {
            return Err(Error::Exists { path });
        }
        create_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for temporary files.
        let _: io::Result<()> = fs::remove_dir_all(&self.0);
    }
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    match measure(arguments) {
        Ok(rows) => {
            let told = Told::of(arguments, &rows);
            console.print(&if arguments.json { told.json() } else { told.table() });
            Outcome::Passed
        }
        Err(failure) => {
            console.complain(&failure.line());
            Outcome::Internal
        }
    }
}

fn runtime(name: &str) -> Result<Runtime, Error> {
    Builder::new_multi_thread().worker_threads(CORES).thread_name(name).enable_all().build().map_err(Error::Runtime)
}

fn measure(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let (serving, loading) = (runtime("serve")?, runtime(rows::LOAD)?);
    let folder = Folder::make(arguments.folder.as_deref())?;
    let url = match &arguments.database {
        Some(url) => serving.block_on(scratch::make(url))?,
        None => format!("sqlite:{}", folder.0.join("rows.db").display()),
    };
    let rows = on_database(arguments, (&serving, &loading), &folder, &url);
    if let Some(url) = &arguments.database {
        serving.block_on(scratch::drop_all(url))?;
    }
    rows
}

fn settings(folder: &Folder, url: &str) -> Result<Settings, Error> {
    let own = [
        ("YINXIN_DATA_DIR", folder.0.display().to_string()),
        ("YINXIN_DATABASE__URL", url.to_owned()),
        ("YINXIN_TRUST__DEVELOPMENT", "true".to_owned()),
        ("YINXIN_SERVER__LISTEN", "[\"127.0.0.1:0\"]".to_owned()),
        ("YINXIN_SERVER__PUBLICATION", "[\"127.0.0.1:0\"]".to_owned()),
    ];
    let mut settings = Settings::from_text("bench", "", own.map(|(name, value)| (name.to_owned(), value)))?;
    // The bound for each minute would be the figure.
    settings.stamping.per_minute = u32::MAX;
    Ok(settings)
}

fn on_database(
    arguments: &Arguments,
    (serving, loading): (&Runtime, &Runtime),
    folder: &Folder,
    url: &str,
) -> Result<Vec<Row>, Failure> {
    let settings = settings(folder, url)?;
    let installation = serving.block_on(Installation::open(settings))?;
    let rows = with_server(arguments, (serving, loading), &installation);
    serving.block_on(installation.services.store.close());
    rows
}

fn with_server(
    arguments: &Arguments,
    (serving, loading): (&Runtime, &Runtime),
    installation: &Installation,
) -> Result<Vec<Row>, Failure> {
    let (services, profiles) = (&installation.services, &installation.profiles);
    let (end, ended) = oneshot::channel::<()>();
    let (front, listening, material, sealed, officer) = serving.block_on(async {
        let officer = officer(services).await?;
        let material = Material::make(services, profiles).await?;
        let sealed = sealed(installation).await?;
        let front = Arc::new(installation.front().await?);
        let constant = Bytes::from(material.answer.clone());
        let listening = installation.listen_before(Arc::clone(&front), Some(constant)).await?;
        Ok::<_, Failure>((front, listening, material, sealed, officer))
    })?;
    let (Some(secure), Some(plain)) = (listening.addresses.first(), listening.publication.first()) else {
        return Err(Failure::Incomplete);
    };
    let path = listening.server_certificate.clone().ok_or(Failure::Incomplete)?;
    let certificate = fs::read(&path).map_err(|source| Error::File { path, source })?;
    let rows = Rows {
        secure: Target::secure(*secure, &certificate, &officer)?,
        plain: Target::plain(*plain),
        front,
        services: services.clone(),
        profiles: Arc::clone(profiles),
        material: Arc::new(material),
        sealed: sealed.into(),
        request: RequestId::fresh(SystemClock.now(), &*services.random).map_err(service::Error::from)?,
        connections: arguments.connections.into(),
        lasting: Duration::from_secs(arguments.seconds.into()),
    };
    // Waits for what the sender's end means, however it comes.
    let ended = async move { drop(ended.await) };
    let server = serving.spawn(listening.until(ended).serve());
    let measured = rows.measure(serving, loading);
    drop(end);
    drop(rows);
    serving.block_on(server).map_err(|_| Failure::Incomplete)??;
    measured
}

/// A caller who may order certificates, with a key that nothing else has.
async fn officer(services: &service::Services) -> Result<Development, Failure> {
    let made = development_client("bench", SystemClock.now()).map_err(Error::from)?;
    let registration = Registration {
        name: "bench".to_owned(),
        key_fingerprint: made.fingerprint,
        public_key: made.spki.clone(),
        algorithm: KeyAlgorithm::EcdsaP256,
        roles: Roles::new([Role::CertificateOfficer]).map_err(Error::from)?,
    };
    register_caller(services, &Actor::Operator, None, registration).await?;
    Ok(made)
}

/// The notice that comes with the program, sealed.
async fn sealed(installation: &Installation) -> Result<Vec<u8>, Failure> {
    let seal = installation.development.as_ref().and_then(|pki| pki.seals.first()).ok_or(Failure::Incomplete)?;
    let placement = Placement { page: 3, x_mm: 124.0, y_mm: 211.682, lock: false };
    let order = Order {
        document: NOTICE.to_vec(),
        plan: placement.into(),
        idempotency_key: None,
        purpose: UsePurpose::default(),
    };
    Ok(seals::sign(&installation.services, &Actor::Operator, None, &seal.id, order).await?.document)
}

/// What is printed.
#[derive(Serialize)]
struct Told<'a> {
    version: &'static str,
    database: &'static str,
    cores: usize,
    seconds: u32,
    connections: u16,
    rows: &'a [Row],
}

impl<'a> Told<'a> {
    fn of(arguments: &Arguments, rows: &'a [Row]) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            database: if arguments.database.is_some() { "postgresql" } else { "sqlite" },
            cores: CORES,
            seconds: arguments.seconds,
            connections: arguments.connections,
            rows,
        }
    }

    fn json(&self) -> String {
        // A tree of strings and numbers always has a JSON form.
        format!("{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{}, {} cores shared with the load, {} connections, {} s for each figure\n\n{:<44}{:>10}   {:<44}{:>10}{:>8}{:>10}\n",
            self.database,
            self.cores,
            self.connections,
            self.seconds,
            "over HTTP",
            "a second",
            "beside it",
            "a second",
            "share",
            "load CPU"
        );
        for row in self.rows {
            let load =
                row.load_cpu_share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.0} %", share * 100.0));
            let line = format!(
                "{:<44}{:>10.0}   {:<44}{:>10.0}{:>8}{load:>10}\n",
                row.what,
                row.per_second,
                row.beside,
                row.beside_per_second,
                format!("{:.0} %", row.share * 100.0)
            );
            text.push_str(&line);
        }
        text
    }
}
