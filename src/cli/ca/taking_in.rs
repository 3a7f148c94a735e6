//! `yinxin ca request-certificate`, `take-in`, `withdraw-request` and `certify`: authorities and what certifies them in
//! different installations.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::cli::ca::create::algorithm;
use crate::cli::ca::{BY, MOST, absent, line, read, subject};
use crate::cli::console::shown;
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::Profiles;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::KeyAlgorithm;
use crate::service::Services;
use crate::service::authorities::{AuthorityKey, NewAuthority};
use crate::service::authority_requests::{self, OutsideOrder, TakenIn};
use crate::service::cross_certificates::certificate_in;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::request_in;
use crate::service::verification::{pem_of, sm3_hex};
use crate::store::authority_requests::StoredAuthorityRequest;

/// What `request-certificate` is told.
#[derive(Args)]
pub(crate) struct RequestCertificate {
    /// What the authority is called
    #[arg(value_name = "TEXT")]
    name: String,
    /// Its name in commands and in the addresses of what it publishes; a fresh one when absent
    #[arg(long, value_name = "NAME", value_parser = AuthorityId::parse)]
    id: Option<AuthorityId>,
    /// intermediate, seal-issuing-ca, or another profile of an authority below another one
    #[arg(long, value_name = "PROFILE", default_value = "intermediate")]
    profile: String,
    /// The subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: SubjectAttributes,
    /// A key of purpose certificate-authority that is there already, in the software store or in a device
    #[arg(long, value_name = "KEY", value_parser = KeyId::parse, conflicts_with = "algorithm")]
    key: Option<KeyId>,
    /// The algorithm of the key that is made with it, in the software store: sm2, rsa (4096 bits) or ecdsa-p256
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, default_value = "sm2")]
    algorithm: KeyAlgorithm,
    /// Where its CRLs, its certificate and its OCSP answers will be found, http://host or http://host/path
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// Among how many CRLs its certificates are shared out, 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 1)]
    crl_shards: u32,
    /// Write the request to this new file, and print the authority's name and the request's SM3
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// Makes key and request; gives the authority's name, the request's SM3 and, where it was not written, the request.
pub(super) async fn request(
    services: &Services,
    profiles: &Profiles,
    order: &RequestCertificate,
) -> Result<String, Error> {
    absent(order.out.as_ref())?;
    let new = NewAuthority {
        id: order.id.clone(),
        name: order.name.clone(),
        profile: order.profile.clone(),
        parent: None,
        subject: order.subject.clone(),
        key: order.key.clone().map_or(AuthorityKey::Generated(order.algorithm), AuthorityKey::Named),
        not_after: None,
        base_url: order.base_url.clone(),
        crl_shards: order.crl_shards,
    };
    let made = authority_requests::request(services, profiles, BY, &new).await?;
    let (id, digest, pem) = (&made.id, sm3_hex(&made.csr), authority_requests::pem_of_request(&made.csr));
    match &order.out {
        None => Ok(format!("{id}\n{digest}\n{pem}")),
        Some(path) => {
            write_new(path, pem.as_bytes())?;
            Ok(format!("{id}\n{digest}\n"))
        }
    }
}

/// The row of `list` of an authority that waits.
pub(super) fn waiting(request: &StoredAuthorityRequest) -> String {
    let StoredAuthorityRequest { id, key, name, .. } = request;
    format!("{id}  pending  -  {key}  {}\n", shown(name))
}

/// The same for programs.
pub(super) fn waiting_facts(request: &StoredAuthorityRequest) -> String {
    let facts = json!({
        "id": request.id,
        "name": request.name,
        "state": "pending",
        "profile": request.profile,
        "key": request.key,
        "request_sm3": sm3_hex(&request.csr),
        "base_url": request.base_url,
        "crl_shards": request.crl_shards,
        "created_at": request.created_at.to_string(),
    });
    format!("{facts}\n")
}

/// What `take-in` is told.
#[derive(Args)]
pub(crate) struct TakeIn {
    /// The authority that waits
    #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Its certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The root, PEM or DER: compare its SM3 with what was announced
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// A certificate between both, PEM or DER; may be repeated
    #[arg(long, value_name = "FILE")]
    between: Vec<PathBuf>,
}

/// Takes the certificate in; gives the authority, and the SM3 of the root that was trusted for it.
pub(super) async fn take_in(services: &Services, profiles: &Profiles, order: &TakeIn) -> Result<String, Error> {
    let file = |path: &PathBuf| Ok::<_, Error>(certificate_in(&read(path, MOST)?));
    let given = TakenIn {
        certificate: file(&order.certificate)?,
        root: file(&order.root)?,
        between: order.between.iter().map(file).collect::<Result<_, _>>()?,
    };
    let authority = authority_requests::take_in(services, profiles, BY, (&order.authority, &given)).await?;
    Ok(format!("{}root {}\n", line(&authority), sm3_hex(&given.root)))
}

/// Waits no more; gives the row as it was.
pub(super) async fn withdraw(services: &Services, authority: &AuthorityId) -> Result<String, Error> {
    Ok(waiting(&authority_requests::withdraw(services, BY, authority).await?))
}

/// What `certify` is told.
#[derive(Args)]
pub(crate) struct Certify {
    /// Who certifies
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    issuer: AuthorityId,
    /// The request of PKCS#10 of the authority elsewhere, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// A profile of authorities that stand below others
    #[arg(long, value_name = "PROFILE", default_value = "intermediate")]
    profile: String,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Write the certificate to this new file, and print its SM3
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Certifies an authority elsewhere; gives the certificate, or where it was written its SM3.
pub(super) async fn certify(services: &Services, profiles: &Profiles, order: &Certify) -> Result<String, Error> {
    absent(order.out.as_ref())?;
    let wanted = OutsideOrder {
        issuer: order.issuer.clone(),
        csr: request_in(&read(&order.csr, MOST)?),
        profile: order.profile.clone(),
        not_after: order.not_after,
    };
    let issued = authority_requests::certify(services, profiles, BY, &wanted).await?;
    match &order.out {
        None => Ok(pem_of(&issued.der)),
        Some(path) => {
            write_new(path, pem_of(&issued.der).as_bytes())?;
            Ok(format!("{}\n", hexadecimal(&issued.sm3)))
        }
    }
}
