//! `yinxin ca cross` and `yinxin ca rollover`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::cli::ca::create::algorithm;
use crate::cli::ca::{BY, MOST, read, subject};
use crate::cli::installation::{Error, write_new};
use crate::domain::ca::Profiles;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::KeyAlgorithm;
use crate::service::Services;
use crate::service::authorities::{self, AuthorityKey};
use crate::service::cross_certificates::{self, CrossOrder, Subject, certificate_in, constraints};
use crate::service::inventory::hexadecimal;
use crate::service::issuance::request_in;
use crate::service::rollover::{self, RolloverOrder};
use crate::service::verification::pem_of;

/// What `cross` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("whom").required(true).multiple(false))]
pub(crate) struct Cross {
    /// Who certifies
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    issuer: AuthorityId,
    /// The certificate of the other authority, PEM or DER
    #[arg(long, value_name = "FILE", group = "whom")]
    subject: Option<PathBuf>,
    /// Another authority of this installation
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse, group = "whom")]
    subject_authority: Option<AuthorityId>,
    /// A request of PKCS#10 by the key of the other authority: wanted where its certificate is not self-signed
    #[arg(long, value_name = "FILE", requires = "subject")]
    csr: Option<PathBuf>,
    /// A profile of authorities that stand below others
    #[arg(long, value_name = "PROFILE", default_value = "intermediate")]
    profile: String,
    /// It may certify host names below this one only; may be repeated
    #[arg(long, value_name = "NAME")]
    permitted_dns: Vec<String>,
    /// It may certify mail addresses of this host, below .host or this address only; may be repeated
    #[arg(long, value_name = "NAME")]
    permitted_email: Vec<String>,
    /// It may certify subjects below this name only, as C=CN,O=…; may be repeated
    #[arg(long, value_name = "NAME", value_parser = subject)]
    permitted_directory: Vec<SubjectAttributes>,
    /// It may not certify host names below this one; may be repeated
    #[arg(long, value_name = "NAME")]
    excluded_dns: Vec<String>,
    /// An earlier end than those of both certificates
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Write the certificate to this new file, and print its SM3
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// Issues the cross certificate; gives it, or where it was written its SM3.
pub(super) async fn cross(services: &Services, profiles: &Profiles, order: &Cross) -> Result<String, Error> {
    if let Some(path) = order.out.as_ref().filter(|path| path.exists()) {
        return Err(Error::Exists { path: path.clone() });
    }
    let whom = match (&order.subject, &order.subject_authority) {
        (Some(path), _) => Subject::Foreign {
            certificate: certificate_in(&read(path, MOST)?),
            request: order.csr.as_ref().map(|path| read(path, MOST)).transpose()?.map(|file| request_in(&file)),
        },
        (None, Some(id)) => Subject::Ours(id.clone()),
        (None, None) => return Err(crate::service::Error::UnknownAuthority.into()),
    };
    let permitted = (&order.permitted_dns[..], &order.permitted_email[..], &order.permitted_directory[..]);
    let wanted = CrossOrder {
        issuer: order.issuer.clone(),
        subject: whom,
        profile: order.profile.clone(),
        constraints: constraints(permitted, &order.excluded_dns)?,
        not_after: order.not_after,
    };
    let issued = cross_certificates::cross(services, profiles, BY, &wanted).await?;
    match &order.out {
        None => Ok(pem_of(&issued.der)),
        Some(path) => {
            write_new(path, pem_of(&issued.der).as_bytes())?;
            Ok(format!("{}\n", hexadecimal(&issued.sm3)))
        }
    }
}

/// What `rollover` is told.
#[derive(Args)]
pub(crate) struct Rollover {
    /// The authority that gets a successor
    #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// The successor's name in commands and in the addresses of what it publishes
    #[arg(long, value_name = "NAME", value_parser = AuthorityId::parse)]
    new_id: AuthorityId,
    /// What the successor is called; as the old one when absent
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A key of purpose certificate-authority that is there already, in the software store or in a device
    #[arg(long, value_name = "KEY", value_parser = KeyId::parse, conflicts_with = "algorithm")]
    key: Option<KeyId>,
    /// The algorithm of the key that is made with it, in the software store: sm2, rsa (4096 bits) or ecdsa-p256
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, default_value = "sm2")]
    algorithm: KeyAlgorithm,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
}

/// Makes the successor; gives its name, its certificate and, for a root, the two certificates between both keys.
pub(super) async fn rollover(services: &Services, profiles: &Profiles, order: &Rollover) -> Result<String, Error> {
    let (old, _) = authorities::find(services, &order.authority).await?;
    let wanted = RolloverOrder {
        old: order.authority.clone(),
        new: order.new_id.clone(),
        name: order.name.clone().unwrap_or(old.name),
        key: order.key.clone().map_or(AuthorityKey::Generated(order.algorithm), AuthorityKey::Named),
        not_after: order.not_after,
    };
    let done = rollover::rollover(services, profiles, BY, &wanted).await?;
    let (authority, der) = authorities::find(services, &done.authority.id).await?;
    let mut text = format!("{}\n{}", authority.id, pem_of(&der));
    if let Some((old_with_new, new_with_old)) = &done.between {
        text.push_str(&format!("old key by the new one, {}\n", hexadecimal(&old_with_new.sm3)));
        text.push_str(&pem_of(&old_with_new.der));
        text.push_str(&format!("new key by the old one, {}\n", hexadecimal(&new_with_old.sm3)));
        text.push_str(&pem_of(&new_with_old.der));
    }
    Ok(text)
}
