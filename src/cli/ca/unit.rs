//! `yinxin ca tsa`, `yinxin ca report-signer`, `yinxin ca message-signer`: units of the installation, of one role each.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId};
use crate::cli::ca::inventory::sm3;
use crate::cli::ca::{BY, subject};
use crate::cli::console::shown;
use crate::cli::installation::Error;
use crate::domain::ca::Profiles;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::{KeyAlgorithm, KeyLocation};
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::issuance::Issuance;
use crate::service::message_signings::establish_for;
use crate::service::units::{KnownUnit, NewUnit, UnitRole, establish, list, retire};
use crate::service::verification::pem_of;

/// One line for each action, here and in [`run`].
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Make a unit: a key and its certificate; print the certificate's SM3 and the certificate. A service at
    /// work takes it up by itself, the newest first
    Create(Create),
    /// Every unit, newest first: certificate, authority, algorithm, state, end, key
    List {
        /// Print one JSON object for each unit
        #[arg(long)]
        json: bool,
    },
    /// End a unit, for ever: its certificate is revoked and its key destroyed; time stamps stay good
    Retire {
        /// SM3 of its certificate, 64 hexadecimal digits
        #[arg(value_name = "SM3", value_parser = sm3)]
        certificate: [u8; 32],
        /// The certificate once more: what is retired does not come back
        #[arg(long, value_name = "SM3", value_parser = sm3)]
        confirm: [u8; 32],
    },
}

/// What `create` is told.
#[derive(Args)]
pub(crate) struct Create {
    /// Who certifies it
    #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// The subject, as O=…,CN=…; a comma inside a value is written \,
    #[arg(long, value_name = "NAME", value_parser = subject)]
    subject: SubjectAttributes,
    /// The algorithm of its key: sm2, rsa (3072 bits) or ecdsa-p256
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, default_value = "sm2")]
    algorithm: KeyAlgorithm,
    /// Under which profile; the one named like this command when absent
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Where its private key will lie: software, pkcs11 or sdf; where the installation's own keys lie when absent
    #[arg(long = "in", value_name = "STORE", value_parser = location)]
    location: Option<KeyLocation>,
    /// Whose key it is, of a message-signer, which needs it: the caller on whose order alone it signs
    #[arg(long = "for", value_name = "CALLER", value_parser = CallerId::parse)]
    caller: Option<CallerId>,
    /// End of validity; the profile's usual one when absent
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
}

/// One value, though it is a list.
type SubjectAttributes = Attributes;

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    let found = KeyAlgorithm::from_name(text).filter(|algorithm| *algorithm != KeyAlgorithm::Ed25519);
    found.ok_or_else(|| "one of sm2, rsa, ecdsa-p256".to_owned())
}

fn location(text: &str) -> Result<KeyLocation, String> {
    KeyLocation::from_name(text).ok_or_else(|| "one of software, pkcs11, sdf".to_owned())
}

/// Does what is asked.
pub(super) async fn run(
    services: &Services,
    profiles: Arc<Profiles>,
    role: UnitRole,
    action: &Action,
) -> Result<String, Error> {
    match action {
        Action::Create(order) => create(services, (profiles, role), order).await,
        Action::List { json } => {
            let all = list(services, role).await?;
            Ok(all.iter().map(|unit| if *json { facts(unit) } else { line(unit) }).collect())
        }
        Action::Retire { certificate, confirm } if certificate != confirm => {
            let (certificate, confirmed) = (hexadecimal(certificate), hexadecimal(confirm));
            Err(Error::CertificateNotConfirmed { certificate, confirmed })
        }
        Action::Retire { certificate, .. } => {
            retire(services, BY, (role, certificate)).await?;
            let all = list(services, role).await?;
            Ok(all.iter().filter(|unit| unit.certificate.sm3 == *certificate).map(line).collect())
        }
    }
}

async fn create(
    services: &Services,
    (profiles, role): (Arc<Profiles>, UnitRole),
    order: &Create,
) -> Result<String, Error> {
    let issuance = Issuance::start(services.clone(), profiles);
    let new = NewUnit {
        algorithm: order.algorithm,
        location: order.location,
        subject: order.subject.clone(),
        profile: order.profile.clone().unwrap_or_else(|| role.profile().to_owned()),
        not_after: order.not_after,
    };
    let duty = (&order.authority, role);
    let issued = match (role, &order.caller) {
        (UnitRole::Message, Some(caller)) => {
            establish_for(services, &issuance, BY, (&order.authority, caller), new).await
        }
        (UnitRole::Message, None) | (_, Some(_)) => return Err(Error::CallerOfUnit),
        (_, None) => establish(services, &issuance, BY, duty, new).await,
    }?;
    Ok(format!("{}\n{}", hexadecimal(&issued.sm3), pem_of(&issued.der)))
}

fn line(unit: &KnownUnit) -> String {
    let KnownUnit { certificate, key, algorithm, .. } = unit;
    let (sm3, authority, status) = (hexadecimal(&certificate.sm3), &certificate.authority, certificate.status.name());
    format!(
        "{sm3}  {authority}  {algorithm}  {status}  {}  {key}  {}\n",
        certificate.not_after,
        shown(&certificate.subject)
    )
}

fn facts(unit: &KnownUnit) -> String {
    let KnownUnit { certificate, key, algorithm, key_state } = unit;
    let facts = json!({
        "sm3": hexadecimal(&certificate.sm3),
        "authority": certificate.authority,
        "profile": certificate.profile,
        "subject": certificate.subject,
        "algorithm": algorithm,
        "status": certificate.status.name(),
        "not_before": certificate.not_before.to_string(),
        "not_after": certificate.not_after.to_string(),
        "key": key,
        "key_state": key_state.name(),
    });
    format!("{facts}\n")
}
