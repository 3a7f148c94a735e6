//! `yinxin ca suspend`, `resume` and `revoke`.

use clap::Args;

use crate::base::clock::Timestamp;
use crate::cli::ca::BY;
use crate::cli::ca::inventory::{line, sm3};
use crate::cli::installation::Error;
use crate::domain::ca::state::RevocationReason;
use crate::service::Services;
use crate::service::certificate_status::{Change, change};

/// A certificate.
#[derive(Args)]
pub(crate) struct Named {
    /// SM3 of the certificate, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
}

/// What `revoke` is told.
#[derive(Args)]
pub(crate) struct Revoke {
    /// SM3 of the certificate, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
    /// Why: unspecified, key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation,
    /// privilege-withdrawn or aa-compromise
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: RevocationReason,
    /// Since when it is suspected to have been invalid
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    invalid_since: Option<Timestamp>,
}

fn reason(text: &str) -> Result<RevocationReason, String> {
    let known = || RevocationReason::ALL.into_iter().filter(|reason| reason.is_final());
    let names = || known().map(RevocationReason::name).collect::<Vec<_>>().join(", ");
    known().find(|reason| reason.name() == text).ok_or_else(|| format!("one of {}", names()))
}

async fn changed(services: &Services, certificate: &[u8; 32], wanted: Change) -> Result<String, Error> {
    Ok(line(&change(services, (BY, None), certificate, wanted).await?))
}

pub(super) async fn suspend(services: &Services, order: &Named) -> Result<String, Error> {
    changed(services, &order.certificate, Change::Suspend).await
}

pub(super) async fn resume(services: &Services, order: &Named) -> Result<String, Error> {
    changed(services, &order.certificate, Change::Resume).await
}

pub(super) async fn revoke(services: &Services, order: &Revoke) -> Result<String, Error> {
    let wanted = Change::Revoke { reason: order.reason, invalidity_date: order.invalid_since };
    changed(services, &order.certificate, wanted).await
}
