//! `yinxin ca issue`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::cli::ca::{BY, MOST, absent, read, subject};
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::Profiles;
use crate::domain::ca::identity::{IdentityError, IdentityValue};
use crate::domain::ca::possession::PossessionError;
use crate::domain::ca::subject::Attributes;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::{Issuance, Order, Wanted, request_in};
use crate::service::verification::pem_of;
use crate::service::{self, Services};

/// What `issue` is told.
#[derive(Args)]
pub(crate) struct Issue {
    /// Who issues
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Under which profile
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// The request of PKCS#10, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Stands in for the request's subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: Option<SubjectAttributes>,
    /// A number that identifies the subject, KIND=VALUE, in an extension of its own: resident-identity-number,
    /// military-officer-card, passport-number, social-insurance-number, unified-social-credit-code, organisation-code,
    /// enterprise-registration-number or taxation-number. Other users of the machine can see arguments
    #[arg(long, value_name = "KIND=VALUE")]
    identity: Vec<String>,
    /// A file with such numbers, one on each line
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
    /// Start of validity; now when absent, at most a day before
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_before: Option<Timestamp>,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Write the certificate to this new file, and print its SM3
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// All numbers that are told, those of the file first. What is refused is not repeated.
fn identities(order: &Issue) -> Result<Vec<IdentityValue>, Error> {
    let text = match &order.identity_file {
        Some(path) => String::from_utf8(read(path, MOST)?).map_err(|_| refused(IdentityError::Unknown))?,
        None => String::new(),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty()).chain(order.identity.iter().map(String::as_str));
    lines.map(|line| IdentityValue::parse(line).map_err(refused)).collect()
}

fn refused(error: IdentityError) -> Error {
    service::Error::from(PossessionError::from(error)).into()
}

/// Issues the certificate; gives it, or where it was written its SM3.
pub(super) async fn issue(services: &Services, profiles: Arc<Profiles>, order: &Issue) -> Result<String, Error> {
    absent(order.out.as_ref())?;
    let csr = request_in(&read(&order.csr, MOST)?);
    let (identity, subject) = (identities(order)?, order.subject.clone());
    let issuance = Issuance::start(services.clone(), profiles);
    let wanted = Order {
        authority: order.authority.clone(),
        profile: order.profile.clone(),
        wanted: if identity.is_empty() {
            Wanted::Request { csr, subject }
        } else {
            Wanted::Identified { csr, subject, identity }
        },
        not_before: order.not_before,
        not_after: order.not_after,
        transaction: None,
        actor: BY.clone(),
        request: None,
        completes: None,
    };
    let issued = issuance.issue(wanted).await?;
    let pem = pem_of(&issued.der);
    match &order.out {
        None => Ok(pem),
        Some(path) => {
            write_new(path, pem.as_bytes())?;
            Ok(format!("{}\n", hexadecimal(&issued.sm3)))
        }
    }
}
