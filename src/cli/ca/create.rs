//! `yinxin ca create`.

use clap::Args;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::cli::ca::{BY, subject};
use crate::cli::installation::Error;
use crate::domain::ca::Profiles;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::KeyAlgorithm;
use crate::service::Services;
use crate::service::authorities::{self, AuthorityKey, NewAuthority};
use crate::service::verification::pem_of;

/// What `create` is told.
#[derive(Args)]
pub(crate) struct Create {
    /// What it is called
    #[arg(value_name = "TEXT")]
    name: String,
    /// Its name in commands and in the addresses of what it publishes; a fresh one when absent
    #[arg(long, value_name = "NAME", value_parser = AuthorityId::parse)]
    id: Option<AuthorityId>,
    /// root, intermediate, seal-issuing-ca, or another profile of an authority
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// The authority above it; none for a root
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    parent: Option<AuthorityId>,
    /// The subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: SubjectAttributes,
    /// A key of purpose certificate-authority that is there already, in the software store or in a device
    #[arg(long, value_name = "KEY", value_parser = KeyId::parse, conflicts_with = "algorithm")]
    key: Option<KeyId>,
    /// The algorithm of the key that is made with it, in the software store: sm2, rsa (4096 bits) or ecdsa-p256
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, default_value = "sm2")]
    algorithm: KeyAlgorithm,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
    /// Where its CRLs, its certificate and its OCSP answers will be found, http://host or http://host/path
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// Among how many CRLs its certificates are shared out, 1 to 65536
    #[arg(long, value_name = "N", default_value_t = 1)]
    crl_shards: u32,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

/// The name of an algorithm whose keys authorities have.
pub(super) fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    KeyAlgorithm::from_name(text).ok_or_else(|| "one of sm2, rsa, ecdsa-p256".to_owned())
}

/// Makes the authority; gives its name and certificate.
pub(super) async fn create(services: &Services, profiles: &Profiles, order: &Create) -> Result<String, Error> {
    let new = NewAuthority {
        id: order.id.clone(),
        name: order.name.clone(),
        profile: order.profile.clone(),
        parent: order.parent.clone(),
        subject: order.subject.clone(),
        key: order.key.clone().map_or(AuthorityKey::Generated(order.algorithm), AuthorityKey::Named),
        not_after: order.not_after,
        base_url: order.base_url.clone(),
        crl_shards: order.crl_shards,
    };
    let made = authorities::create(services, profiles, BY, &new).await?;
    let (authority, der) = authorities::find(services, &made.id).await?;
    Ok(format!("{}\n{}", authority.id, pem_of(&der)))
}
