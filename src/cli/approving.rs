//! How two officers approve what nobody may do alone: one writes what is to be signed, both signatures come back as files.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::id::CallerId;
use crate::cli::console::Console;
use crate::cli::exit::Outcome;

/// Signatures of two officers.
#[derive(Args)]
pub(crate) struct Approving {
    /// Only write the octets that an officer signs there
    #[arg(long, value_name = "FILE", requires = "officer", conflicts_with = "approval")]
    to_sign: Option<PathBuf>,
    /// The officer who will sign
    #[arg(long, value_name = "CALLER", requires = "to_sign")]
    officer: Option<String>,
    /// An officer and the file of the signature, DER or r‖s; twice
    #[arg(long, value_name = "CALLER:FILE")]
    approval: Vec<String>,
}

/// What is wanted.
pub(crate) enum Approved<'a> {
    /// The octets for this officer, in that new file.
    ToSign(&'a Path, CallerId),
    /// That it be done, with these values.
    By(Vec<(CallerId, Vec<u8>)>),
}

impl Approving {
    /// Reads the signatures.
    pub(crate) fn read(&self, console: &mut Console) -> Result<Approved<'_>, Outcome> {
        if let Some((file, officer)) = self.to_sign.as_deref().zip(self.officer.as_deref()) {
            return match CallerId::parse(officer) {
                Ok(officer) => Ok(Approved::ToSign(file, officer)),
                Err(_) => {
                    console.complain("error: --officer is no caller's id");
                    Err(Outcome::Usage)
                }
            };
        }
        let mut values = Vec::new();
        for named in &self.approval {
            let read = named.split_once(':').and_then(|(officer, file)| Some((CallerId::parse(officer).ok()?, file)));
            let Some((officer, file)) = read else {
                console.complain(&format!("error: {named} is not CALLER:FILE"));
                return Err(Outcome::Usage);
            };
            match std::fs::read(file) {
                Ok(octets) => values.push((officer, octets)),
                Err(error) => {
                    console.complain(&format!("error: {file} cannot be read: {error}"));
                    return Err(Outcome::Unreadable);
                }
            }
        }
        Ok(Approved::By(values))
    }
}
