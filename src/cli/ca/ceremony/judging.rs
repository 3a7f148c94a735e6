//! `yinxin ca ceremony verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::ca::ceremony::files::SIGNATURE;
use crate::cli::ca::ceremony::{Error, read, telling};
use crate::cli::console::json_shown;
use crate::config::ceremony as plans;
use crate::domain::ca::ceremony::{MOST_BYTES, Step, TranscriptError, Verified, verify};
use crate::service::inventory::hexadecimal;
use crate::service::verification::sm3_hex;

/// What `verify` is told.
#[derive(Args)]
pub(super) struct Judging {
    /// The transcript; certificates and lists beside it are compared with it
    #[arg(value_name = "TRANSCRIPT")]
    transcript: PathBuf,
    /// Its signature; transcript.p7s beside it when absent
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The plan that was to be carried out
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    /// Print one JSON object for each record
    #[arg(long)]
    json: bool,
}

/// A signature is far smaller.
const MOST_SIGNATURE: usize = 64 * 1024;

/// Judges the transcript; tells what each step did.
pub(super) fn judge(order: &Judging) -> Result<String, Error> {
    let text = read(&order.transcript, MOST_BYTES)?;
    let signature = order.signature.clone().unwrap_or_else(|| order.transcript.with_file_name(SIGNATURE));
    let signature = read(&signature, MOST_SIGNATURE)?;
    let plan = order.plan.as_deref().map(|path| read(path, plans::MOST_BYTES).map(|text| (path, text))).transpose()?;
    let verified = verify(&text, &signature, plan.as_ref().map(|(_, text)| &text[..]))?;
    if let Some((path, text)) = &plan {
        verified.follows(&plans::parse(text, &path.display().to_string())?)?;
    }
    let beside = order.transcript.parent().unwrap_or(Path::new("."));
    compare(&verified, beside)?;
    if order.json {
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().map(|line| json_shown(line) + "\n");
        let roots = verified.roots.iter().map(|(name, der)| json!({ "authority": name, "sm3": sm3_hex(der) }));
        let last = json!({
            "verified": true,
            "transcript_sm3": hexadecimal(&verified.sm3),
            "signer": verified.signer,
            "roots": roots.collect::<Vec<_>>(),
        });
        return Ok(format!("{}{}\n", lines.collect::<String>(), json_shown(&last.to_string())));
    }
    Ok(telling::judged(&verified))
}

/// Certificates and lists that lie beside the transcript are those in it. What is not there is not missed.
fn compare(verified: &Verified, folder: &Path) -> Result<(), Error> {
    for record in &verified.records {
        let (path, digest) = match &record.step {
            Step::AuthorityMade { authority, certificate_sm3, .. }
            | Step::AuthorityCertified { authority, certificate_sm3, .. } => {
                (format!("certificates/{authority}.cer"), certificate_sm3)
            }
            Step::TranscriptKeyMade { certificate_sm3, .. } => {
                ("certificates/transcript.cer".to_owned(), certificate_sm3)
            }
            Step::ListSigned { authority, shard, list_sm3, .. } => (format!("crls/{authority}-{shard}.crl"), list_sm3),
            _ => continue,
        };
        let path = folder.join(path);
        if path.exists() && sm3_hex(&read(&path, MOST_BYTES)?) != *digest {
            return Err(TranscriptError::Object { number: record.number, step: record.step.name() }.into());
        }
    }
    Ok(())
}
