//! `yinxin serve`: the HTTPS door, until a signal to stop comes.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::cli::console::Console;
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, Installation, Listening};
use crate::config::{Log, LogFormat, Settings};

/// Serve the HTTPS API
///
/// Without --config: embedded database, keys and a development PKI in ./yinxin-data, loopback only. Every key of the
/// file can be overridden by a variable YINXIN_SECTION__KEY.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Serves.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let settings = match Settings::load(arguments.config.as_deref(), std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            console.complain(&Error::from(error).line());
            return Outcome::Usage;
        }
    };
    log(&settings.log);
    let outcome = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let installation = Installation::open(settings).await?;
            let listening = installation.listen().await?;
            console.print(&announcement(&listening, &installation));
            listening.serve().await?;
            installation.services.store.close().await;
            Ok(())
        })
    });
    match outcome {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            console.complain(&error.line());
            Outcome::Internal
        }
    }
}

/// The runtime of a server.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)
}

/// Structured logs on stderr.
pub(crate) fn log(settings: &Log) {
    // A level that is not known was refused with the configuration.
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    // A subscriber that is set already stays: the tests' own.
    let _ = match settings.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.try_init(),
    };
}

/// Where the server listens and how to call it.
pub(crate) fn announcement(listening: &Listening, installation: &Installation) -> String {
    let mut text = String::new();
    for address in &listening.addresses {
        text.push_str(&format!("listening on https://{address}\n"));
    }
    for address in &listening.publication {
        text.push_str(&format!("publishing on http://{address}\n"));
    }
    let Some(address) = listening.addresses.first() else { return text };
    let trust = listening
        .server_certificate
        .as_ref()
        .map_or_else(String::new, |path| format!(" --cacert '{}'", path.display()));
    text.push_str("\ntry:\n");
    text.push_str(&format!("  curl{trust} https://localhost:{}/readyz\n", address.port()));
    text.push_str(&format!(
        "  curl{trust} -F file=@FILE.ofd https://localhost:{}/api/v1/verifications\n",
        address.port()
    ));
    if let (Some((certificate, key)), Some(pki)) = (&listening.client, &installation.development) {
        text.push_str("\na caller's key was registered for you (roles seal-user, verifier):\n");
        let client = format!("--cert '{}' --key '{}'", certificate.display(), key.display());
        for seal in pki.seals.iter().take(1) {
            text.push_str(&format!(
                "  curl{trust} {client} https://localhost:{}/api/v1/seals/{}\n",
                address.port(),
                seal.id
            ));
            text.push_str(&format!(
                "  curl{trust} {client} -H 'Idempotency-Key: my-first-seal' -F file=@FILE.ofd -F page=1 -F x=120 -F y=200 \
                 -o SEALED.ofd https://localhost:{}/api/v1/seals/{}/signatures\n",
                address.port(),
                seal.id
            ));
        }
        text.push_str(
            "\nDEVELOPMENT TRUST: keys and anchors were made on this machine and are worth nothing elsewhere.\n",
        );
    }
    text
}
