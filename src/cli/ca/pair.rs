//! `yinxin ca issue-pair` and `show-pair`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::cli::ca::inventory::sm3;
use crate::cli::ca::{BY, MOST, absent, read, subject};
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::Profiles;
use crate::domain::ca::subject::Attributes;
use crate::service::Services;
use crate::service::escrow::{self, IssuedPair, NewPair};
use crate::service::inventory::hexadecimal;
use crate::service::issuance::request_in;
use crate::service::keys::enveloping::{Envelope, envelope_pem};
use crate::service::verification::pem_of;

/// What `issue-pair` is told.
#[derive(Args)]
pub(crate) struct IssuePair {
    /// Who issues
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// The profile of the signing certificate
    #[arg(long, value_name = "PROFILE", default_value = "person-signing")]
    profile: String,
    /// The profile of the encryption certificate
    #[arg(long, value_name = "PROFILE", default_value = "person-encryption")]
    encryption_profile: String,
    /// The request of PKCS#10 for the signing key, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Stands in for the request's subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: Option<SubjectAttributes>,
    /// Start of validity; now when absent, at most a day before
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_before: Option<Timestamp>,
    /// End of validity of both; the profiles' usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Write all three to this new file, and print the names of the certificates
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

/// What `show-pair` is told.
#[derive(Args)]
pub(crate) struct ShowPair {
    /// SM3 of either certificate, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// Three blocks: the signing certificate, the encryption certificate, the envelope.
fn blocks(pair: &IssuedPair) -> String {
    [pem_of(&pair.signing.der), pem_of(&pair.encryption.der), envelope_pem(&pair.envelope)].concat()
}

fn facts(pair: &IssuedPair) -> String {
    let certificate = |der: &[u8], sm3: &[u8; 32]| json!({ "sm3": hexadecimal(sm3), "certificate": pem_of(der) });
    let IssuedPair { signing, encryption, envelope, key } = pair;
    let Envelope { form, recipient_sm3, .. } = envelope;
    let facts = json!({
        "signing": certificate(&signing.der, &signing.sm3),
        "encryption": certificate(&encryption.der, &encryption.sm3),
        "key": key,
        "envelope": {
            "form": form.name(),
            "recipient_sm3": hexadecimal(recipient_sm3),
            "pem": envelope_pem(envelope),
        },
    });
    format!("{facts}\n")
}

/// Issues the pair; gives it, or where it was written both names.
pub(super) async fn issue(services: &Services, profiles: Arc<Profiles>, order: &IssuePair) -> Result<String, Error> {
    absent(order.out.as_ref())?;
    let new = NewPair {
        authority: order.authority.clone(),
        signing_profile: order.profile.clone(),
        encryption_profile: order.encryption_profile.clone(),
        csr: request_in(&read(&order.csr, MOST)?),
        subject: order.subject.clone(),
        not_before: order.not_before,
        not_after: order.not_after,
        actor: BY.clone(),
        request: None,
    };
    let pair = escrow::issue_pair(services, &profiles, &new).await?;
    if order.json { Ok(facts(&pair)) } else { given(&pair, order.out.as_deref()) }
}

/// A pair as it is given: itself, or where it was written both names.
pub(super) fn given(pair: &IssuedPair, out: Option<&Path>) -> Result<String, Error> {
    let Some(path) = out else { return Ok(blocks(pair)) };
    write_new(path, blocks(pair).as_bytes())?;
    Ok(format!("{}\n{}\n", hexadecimal(&pair.signing.sm3), hexadecimal(&pair.encryption.sm3)))
}

pub(super) async fn show(services: &Services, order: &ShowPair) -> Result<String, Error> {
    let pair = escrow::pair_of(services, &order.certificate).await?;
    Ok(if order.json { facts(&pair) } else { blocks(&pair) })
}
