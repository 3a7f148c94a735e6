//! `yinxin ca show`, `search`, `expiring`, `statistics`, `export` and `forget`.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::cli::console::shown;
use crate::cli::installation::{Error, create_new};
use crate::domain::ca::state::RevocationReason;
use crate::service::Services;
use crate::service::alerts;
use crate::service::inventory::{self, Retention, hexadecimal};
use crate::service::verification::pem_of;
use crate::store::expiry_alerts::StoredAlert;
use crate::store::issued_certificates::{Filter, IssuedCertificate, StoredStatus};

/// What `show` is told.
#[derive(Args)]
pub(crate) struct Show {
    /// SM3 of the certificate, 64 hexadecimal digits; with --authority its serial number, hexadecimal
    #[arg(value_name = "CERTIFICATE")]
    certificate: String,
    /// Who issued it
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: Option<AuthorityId>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Which certificates.
#[derive(Args)]
struct Which {
    /// Issued by this authority
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: Option<AuthorityId>,
    /// Under this profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// active, suspended or revoked
    #[arg(long, value_name = "STATUS", value_parser = ["active", "suspended", "revoked"])]
    status: Option<String>,
    /// The subject contains this text
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Ends at this moment or later
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    ends_from: Option<Timestamp>,
    /// Ends before this moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    ends_before: Option<Timestamp>,
}

impl Which {
    fn filter(&self) -> Filter {
        Filter {
            authority: self.authority.clone(),
            profile: self.profile.clone(),
            status: self.status.clone(),
            subject: self.subject.clone(),
            ends_from: self.ends_from,
            ends_before: self.ends_before,
        }
    }
}

/// What `search` is told.
#[derive(Args)]
pub(crate) struct Search {
    #[command(flatten)]
    which: Which,
    /// Go on behind the page that ended with this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: i64,
    /// At most so many, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// Print one JSON object for each certificate
    #[arg(long)]
    json: bool,
}

/// What `expiring` is told.
#[derive(Args)]
pub(crate) struct Expiring {
    /// Within so many days
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
    /// Print one JSON object for each certificate
    #[arg(long)]
    json: bool,
}

/// What `export` is told.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,
    /// Where to write them; must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What `forget` is told.
#[derive(Args)]
pub(crate) struct Forget {
    /// So many years after their end, 5 at least
    #[arg(long, value_name = "N")]
    years: u32,
}

/// Octets in hexadecimal.
fn octets(text: &str) -> Option<Vec<u8>> {
    let even = text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len().is_multiple_of(2);
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<_>>>().filter(|_| even)
}

/// An SM3 in hexadecimal.
pub(in crate::cli) fn sm3(text: &str) -> Result<[u8; 32], String> {
    let octets = octets(text).and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| "an SM3 has 64 hexadecimal digits".to_owned())
}

fn reason(status: StoredStatus) -> Option<&'static str> {
    match status {
        StoredStatus::Revoked { reason, .. } => RevocationReason::from_number(reason).map(RevocationReason::name),
        StoredStatus::Active | StoredStatus::Suspended => None,
    }
}

fn facts(certificate: &IssuedCertificate) -> Value {
    let invalidity_date = match certificate.status {
        StoredStatus::Revoked { invalidity_date, .. } => invalidity_date,
        StoredStatus::Active | StoredStatus::Suspended => None,
    };
    json!({
        "sm3": hexadecimal(&certificate.sm3),
        "authority": certificate.authority,
        "serial": hexadecimal(&certificate.serial),
        "profile": certificate.profile,
        "subject": certificate.subject,
        "not_before": certificate.not_before.to_string(),
        "not_after": certificate.not_after.to_string(),
        "issued_at": certificate.issued_at.to_string(),
        "status": certificate.status.name(),
        "status_since": certificate.status_since.to_string(),
        "status_event": certificate.status_event,
        "reason": reason(certificate.status),
        "invalid_since": invalidity_date.map(|date| date.to_string()),
        "crl_shard": certificate.shard,
    })
}

/// One certificate on one line.
pub(super) fn line(certificate: &IssuedCertificate) -> String {
    let IssuedCertificate { sm3, authority, profile, status, not_after, subject, .. } = certificate;
    format!("{}  {authority}  {profile}  {}  {not_after}  {}\n", hexadecimal(sm3), status.name(), shown(subject))
}

fn lines(certificates: &[IssuedCertificate], json: bool) -> String {
    let one = |certificate| if json { format!("{}\n", facts(certificate)) } else { line(certificate) };
    certificates.iter().map(one).collect()
}

pub(super) async fn show(services: &Services, order: &Show) -> Result<String, Error> {
    let found = match &order.authority {
        Some(authority) => {
            let serial = octets(&order.certificate).ok_or(crate::service::Error::UnknownCertificate)?;
            inventory::find_by_serial(services, authority, &serial).await?
        }
        None => {
            let sm3 = sm3(&order.certificate).map_err(|_| crate::service::Error::UnknownCertificate)?;
            inventory::find(services, &sm3).await?
        }
    };
    if order.json {
        return Ok(format!("{}\n", facts(&found)));
    }
    let mut text = String::new();
    if let Value::Object(facts) = facts(&found) {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!("{name:<13} {}\n", shown(&value)));
        }
    }
    Ok(text + &pem_of(&found.der))
}

pub(super) async fn search(services: &Services, order: &Search) -> Result<String, Error> {
    let page = inventory::search(services, &order.which.filter(), order.after, order.limit).await?;
    let mut text = lines(&page.certificates, order.json);
    match page.next {
        Some(next) if order.json => text.push_str(&format!("{}\n", json!({ "next": next }))),
        Some(next) => text.push_str(&format!("more: --after {next}\n")),
        None => {}
    }
    Ok(text)
}

pub(super) async fn expiring(services: &Services, order: &Expiring) -> Result<String, Error> {
    let filter = inventory::expiring(services.clock.now(), order.days);
    let (mut after, mut text) = (0, String::new());
    loop {
        let page = inventory::search(services, &filter, after, inventory::MOST_IN_PAGE).await?;
        text.push_str(&lines(&page.certificates, order.json));
        match page.next {
            Some(next) => after = next,
            None => return Ok(text),
        }
    }
}

/// What was told to end soon.
pub(super) async fn alerts(services: &Services, json: bool) -> Result<String, Error> {
    let mut text = String::new();
    for alert in alerts::pending(services).await? {
        let StoredAlert { certificate, days, ending, authority, not_after, raised_at } = alert;
        let (sm3, ending) = (hexadecimal(&certificate), ending.name());
        if json {
            let facts = json!({
                "sm3": sm3,
                "ending": ending,
                "authority": authority,
                "days": days,
                "not_after": not_after.to_string(),
                "raised_at": raised_at.to_string(),
            });
            text.push_str(&format!("{facts}\n"));
        } else {
            text.push_str(&format!("{sm3}  {ending}  {authority}  within {days} days  {not_after}\n"));
        }
    }
    Ok(text)
}

pub(super) async fn statistics(services: &Services, json: bool) -> Result<String, Error> {
    let line = |count: &inventory::Count| {
        let inventory::Count { authority, profile, status, certificates } = count;
        if json {
            let facts =
                json!({ "authority": authority, "profile": profile, "status": status, "certificates": certificates });
            format!("{facts}\n")
        } else {
            format!("{authority}  {profile}  {status}  {certificates}\n")
        }
    };
    Ok(inventory::statistics(services).await?.iter().map(line).collect())
}

pub(super) async fn export(services: &Services, order: &Export) -> Result<String, Error> {
    let wrong = |source| Error::File { path: order.out.clone(), source };
    let mut file = BufWriter::new(create_new(&order.out)?);
    let written = inventory::export(services, &order.which.filter(), &mut file).await?.map_err(wrong)?;
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(wrong)?;
    Ok(format!("{written} certificates in {}\n", order.out.display()))
}

pub(super) async fn forget(services: &Services, order: &Forget) -> Result<String, Error> {
    let forgotten = inventory::forget(services, Retention::years(order.years)?).await?;
    Ok(format!("{forgotten} certificates forgotten\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_pairs_of_digits() {
        assert_eq!(octets("0aFf"), Some(vec![10, 255]));
        for text in ["0", "0g", "+1", "印信", "é"] {
            assert_eq!(octets(text), None, "{text}");
        }
        assert_eq!(sm3(&"ab".repeat(32)), Ok([0xab; 32]));
        assert_eq!(sm3("ab"), Err("an SM3 has 64 hexadecimal digits".to_owned()));
    }
}
