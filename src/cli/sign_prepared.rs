//! `yinxin sign-prepared`: the client's half of a seal whose key lies with the client.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::base::random::SystemRandom;
use crate::base::secret::Secret;
use crate::cli::ca::{MOST, read};
use crate::cli::console::{Console, shown};
use crate::cli::exit::Outcome;
use crate::domain::seal::to_sign::ToSign;
use crate::service::client_values::{self, Given};
use crate::service::keys::read_closed;

/// Sign what was prepared for a seal whose key lies here, and print the value as the call that completes takes it
///
/// Reads what `POST …/signatures/prepared` answered. Signs only the signed part of a seal signature, of a seal that lists this
/// key; says on the diagnostics what it signed. No installation is asked, nothing is sent. A key in a token of the client's own
/// signs the same octets by the token's own program. Exit code 0 signed, 4 refused, 66 unreadable file.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The answer to the call that prepared, JSON
    #[arg(value_name = "PREPARED")]
    prepared: PathBuf,
    /// The private key: PKCS#8 plain or encrypted, PKCS#12, SEC 1, PKCS#1
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A file of mode 0600 with the passphrase of the key file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The signer's certificate, PEM or DER: needed where the seal lists digests
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

/// Of the answer what is needed here; a newer service may say more.
#[derive(Deserialize)]
struct Prepared {
    signature: String,
    to_sign: String,
    algorithm: String,
}

/// Why nothing is signed.
enum Refused {
    Unreadable(String),
    Refused(String, &'static str),
}

/// Signs.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    match value(arguments) {
        Ok((prepared, told, value)) => {
            let at = told.at.map_or_else(|| "no time".to_owned(), |at| at.to_string());
            let (signature, name) = (shown(&prepared.signature), shown(&told.name));
            let (code, part) = (shown(&told.es_id), shown(&told.property_info));
            console.complain(&format!("signed {signature}: seal {code} {name}, at {at}, part {part}"));
            console.print(&format!("{}\n", json!({ "value": STANDARD.encode(value) })));
            Outcome::Passed
        }
        Err(Refused::Unreadable(line)) => {
            console.complain(&format!("error: {line}"));
            Outcome::Unreadable
        }
        Err(Refused::Refused(line, code)) => {
            console.complain(&format!("error: {line} ({code})"));
            Outcome::Refused
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Refused> {
    read(path, MOST).map_err(|_| Refused::Unreadable(format!("{} cannot be read", path.display())))
}

fn value(arguments: &Arguments) -> Result<(Prepared, ToSign, Vec<u8>), Refused> {
    let form = || Refused::Refused("this is no answer to a call that prepared".to_owned(), "prepared-malformed");
    let prepared: Prepared = serde_json::from_slice(&file(&arguments.prepared)?).map_err(|_| form())?;
    let octets = STANDARD.decode(&prepared.to_sign).map_err(|_| form())?;
    let key = Secret::new(file(&arguments.key)?);
    let passphrase = arguments.passphrase_file.as_deref().map(read_closed).transpose();
    let passphrase = passphrase.map_err(|error| Refused::Refused(error.to_string(), error.code()))?;
    let certificate = arguments.certificate.as_deref().map(file).transpose()?;
    let given = Given { to_sign: &octets, algorithm: &prepared.algorithm, certificate: certificate.as_deref() };
    match client_values::sign((&key, passphrase.as_ref()), &given, &SystemRandom) {
        Ok((told, value)) => Ok((prepared, told, value)),
        Err(error) => Err(Refused::Refused(error.to_string(), error.code())),
    }
}
