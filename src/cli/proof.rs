//! How an officer proves a step: by a signature of the registered key over its octets, made here with a key file, or
//! elsewhere, by a token, over what `--to-sign` writes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Args};

use crate::base::id::CallerId;
use crate::base::secret::Secret;
use crate::cli::ca::{MOST, read};
use crate::cli::installation::{Error, write_new};
use crate::service::keys::read_closed;
use crate::service::officers::sign_with_file;
use crate::service::{self, Services};

/// Who takes a step, and the proof.
#[derive(Args)]
#[command(group = ArgGroup::new("proof").required(true).multiple(false))]
pub(crate) struct Proof {
    /// The officer
    #[arg(long, value_name = "OFFICER", value_parser = CallerId::parse)]
    pub(crate) officer: CallerId,
    /// Sign with the officer's private key in this file
    #[arg(long, value_name = "FILE", group = "proof")]
    key: Option<PathBuf>,
    /// A file of mode 0600 with the passphrase of the key file
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
    /// The officer's signature, made elsewhere over what --to-sign wrote: DER, or r and s of 32 octets each
    #[arg(long, value_name = "FILE", group = "proof")]
    signature: Option<PathBuf>,
    /// Take no step: write the octets to sign to this new file
    #[arg(long, value_name = "FILE", group = "proof")]
    to_sign: Option<PathBuf>,
}

/// What comes of the octets of a step.
pub(crate) enum Proven {
    /// The officer's signature.
    Signature(Vec<u8>),
    /// They are in that file, and nothing else is done.
    Written(String),
}

impl Proof {
    /// The officer's signature over the octets, or the octets in a file.
    pub(crate) async fn over(&self, services: &Services, octets: Vec<u8>) -> Result<Proven, Error> {
        if let Some(path) = &self.to_sign {
            write_new(path, &octets)?;
            return Ok(Proven::Written(path.display().to_string()));
        }
        let Some(path) = &self.key else {
            let signature = self.signature.as_deref().map_or_else(|| Ok(Vec::new()), |path| read(path, MOST))?;
            return Ok(Proven::Signature(signature));
        };
        let file = Secret::new(read(path, MOST)?);
        let passphrase = self.passphrase_file.as_deref().map(read_closed).transpose()?;
        let random = Arc::clone(&services.random);
        let signing =
            tokio::task::spawn_blocking(move || sign_with_file(&file, passphrase.as_ref(), &octets, &*random));
        Ok(Proven::Signature(signing.await.map_err(|_| service::Error::Interrupted)??))
    }
}
