//! `yinxin ca renew` and `to-renew`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args};

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::cli::ca::inventory::sm3;
use crate::cli::ca::{BY, MOST, absent, read};
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::Profiles;
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::request_in;
use crate::service::renewal::{self, NewRenewal, Proof, octets_to_sign};
use crate::service::verification::pem_of;

/// What `to-renew` is told.
#[derive(Args)]
pub(crate) struct ToRenew {
    /// SM3 of the certificate to be renewed, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
    /// The request of PKCS#10 for the new key, PEM or DER; none where the key stays
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Where to write the octets; must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What `renew` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("proof").required(true).multiple(true).args(["csr", "signature"]))]
pub(crate) struct Renew {
    /// SM3 of the certificate to be renewed, 64 hexadecimal digits
    #[arg(value_name = "SM3", value_parser = sm3)]
    certificate: [u8; 32],
    /// A request of PKCS#10, PEM or DER: alone by the old key, which stays; with --signature by a new key
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The old key's signature over what `to-renew` wrote: SM2 and ECDSA as DER or as r and s, others as they are
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Who issues; whoever issued the old one when absent
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: Option<AuthorityId>,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Revoke the old certificate as superseded, so many days from now; it stays when absent
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3660))]
    supersede_after: Option<u32>,
    /// Write the certificate to this new file, and print its SM3
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn request(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(request_in(&read(path, MOST)?))
}

pub(super) fn to_renew(order: &ToRenew) -> Result<String, Error> {
    let csr = order.csr.as_deref().map(request).transpose()?;
    let octets = octets_to_sign(&order.certificate, csr.as_deref());
    write_new(&order.out, &octets)?;
    Ok(format!("{} octets in {}\n", octets.len(), order.out.display()))
}

/// Renews the certificate; gives the new one, or where it was written its SM3.
pub(super) async fn renew(services: &Services, profiles: Arc<Profiles>, order: &Renew) -> Result<String, Error> {
    absent(order.out.as_ref())?;
    let proof = match (order.csr.as_deref().map(request).transpose()?, &order.signature) {
        (Some(csr), Some(signature)) => Proof::NewKey { csr, signature: read(signature, MOST)? },
        (Some(csr), None) => Proof::Request(csr),
        // One of the two is there.
        (None, signature) => {
            Proof::Signature(signature.as_ref().map(|path| read(path, MOST)).transpose()?.unwrap_or_default())
        }
    };
    let new = NewRenewal {
        certificate: order.certificate,
        proof,
        authority: order.authority.clone(),
        not_after: order.not_after,
        supersede_after: order.supersede_after,
        actor: BY.clone(),
        request: None,
    };
    let issued = renewal::renew(services, &profiles, &new).await?;
    let pem = pem_of(&issued.der);
    match &order.out {
        None => Ok(pem),
        Some(path) => {
            write_new(path, pem.as_bytes())?;
            Ok(format!("{}\n", hexadecimal(&issued.sm3)))
        }
    }
}
