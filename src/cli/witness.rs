//! `yinxin witness`: a witness of logs, for whoever does not run them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::base::clock::{Clock, SystemClock};
use crate::base::random::{Random, SystemRandom};
use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::Error;
use crate::cli::serve::{log, runtime};
use crate::config::{Log, LogFormat};
use crate::domain::audit::checkpoint::Verifier;
use crate::http::{server, witness};
use crate::service::witness::Witness;

/// A witness: cosigns the checkpoints of logs, each a continuation of the one before (C2SP tlog-witness)
///
/// Run it where the logs' operators have no hand: two views of one log cannot both have its cosignature. It serves plain
/// HTTP; put it behind a gateway where others shall reach it. Exit code 0 ended by a signal, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Its name, such as witness.example/one
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8465")]
    listen: SocketAddr,
    /// Where its key and what it cosigned lie
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// A verifier key of a log that it cosigns, as `yinxin log keys` prints it; one for each tree
    #[arg(long, value_name = "KEY", required = true)]
    log: Vec<String>,
}

/// Serves until a signal to stop comes.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    log(&Log { format: LogFormat::Text, level: "info".into(), retention_days: 180 });
    let mut logs = Vec::new();
    for text in &arguments.log {
        match Verifier::parse(text) {
            Ok(key) => logs.push(key),
            Err(error) => {
                console.complain(&format!("error: {text} is no verifier key: {error}"));
                return Outcome::Usage;
            }
        }
    }
    let parts: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let witness = match Witness::open(&arguments.folder, &arguments.name, logs, parts) {
        Ok(witness) => witness,
        Err(error) => {
            console.complain(&format!("error: {error}"));
            return Outcome::Internal;
        }
    };
    let vkey = witness.verifier().to_vkey();
    let served = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(arguments.listen).await.map_err(Error::Runtime)?;
            let address = listener.local_addr().map_err(Error::Runtime)?;
            let stop = server::termination()?;
            console.print(&format!("listening on http://{address}\n{vkey}\n"));
            axum::serve(listener, witness::router(witness)).with_graceful_shutdown(stop).await.map_err(Error::Runtime)
        })
    });
    match served {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            console.complain(&error.line());
            Outcome::Internal
        }
    }
}
