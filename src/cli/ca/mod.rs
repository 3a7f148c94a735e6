//! `yinxin ca`: certification authorities of an installation, and what they issue.

mod bulk;
mod ceremony;
mod change;
mod create;
mod cross;
pub(in crate::cli) mod inventory;
mod issue;
mod officer;
mod pair;
mod publish;
mod recovery;
mod renew;
mod request;
mod taking_in;
mod unit;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::base::id::AuthorityId;
use crate::cli::console::{Console, shown};
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, plan};
use crate::cli::keys::attached;
use crate::config::{Settings, profiles};
use crate::domain::audit::Actor;
use crate::domain::ca::Profiles;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::subject::Attributes;
use crate::service::Services;
use crate::service::authorities;
use crate::service::authority_requests;
use crate::service::inventory::hexadecimal;
use crate::service::units::UnitRole;
use crate::store::authorities::StoredAuthority;

/// Certification authorities of an installation, and what they issue
///
/// Works on the installation that the configuration names, as `serve` does, also beside a service at work. The self-tests
/// run first, as before `serve`. Exit code 0 done, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

/// One line for each action, here and in [`run`].
#[derive(Subcommand)]
enum Action {
    /// Make an authority, and print its name and its certificate
    Create(create::Create),
    /// Every authority: name, state, parent, key, what it is called
    List {
        /// Print one JSON object for each authority
        #[arg(long)]
        json: bool,
    },
    /// End an authority's issuing, for ever; what it issued can still be suspended and revoked
    Retire {
        /// The authority
        #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
        authority: AuthorityId,
        /// The authority once more: what is retired does not come back
        #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
        confirm: AuthorityId,
    },
    /// Make authorities offline by a reviewed plan, with shares for custodians and a signed transcript
    Ceremony(ceremony::Ceremony),
    /// Make the key of an authority that somebody outside certifies, such as an offline root, and the request for it
    RequestCertificate(taking_in::RequestCertificate),
    /// Take in the certificate of an authority that waits for it: from now on it issues
    TakeIn(taking_in::TakeIn),
    /// Wait no more for the certificate of an authority; its key stays
    WithdrawRequest {
        /// The authority that waits
        #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
        authority: AuthorityId,
    },
    /// Certify an authority of another installation by its request
    Certify(taking_in::Certify),
    /// Certify the key of another authority, of this installation or elsewhere
    Cross(cross::Cross),
    /// Give an authority a successor of the same name with a new key; for a root also the certificates between both keys
    Rollover(cross::Rollover),
    /// Issue a certificate for a request of PKCS#10, and print it
    Issue(issue::Issue),
    /// Jobs that issue many certificates, from a file of requests
    #[command(subcommand)]
    Bulk(bulk::Action),
    /// Issue a pair of certificates, and print them with the encryption key enveloped for the signing key
    IssuePair(pair::IssuePair),
    /// A pair as it was issued, once more
    ShowPair(pair::ShowPair),
    /// Orders to give out again an encryption key that is kept for its owner
    Recovery {
        #[command(subcommand)]
        action: recovery::Action,
    },
    /// Write what the key of a certificate signs to have it renewed
    ToRenew(renew::ToRenew),
    /// Renew a certificate, with the same key or a new one, and print it
    Renew(renew::Renew),
    /// All that is known about a certificate, and the certificate
    Show(inventory::Show),
    /// Certificates, oldest first
    Search(inventory::Search),
    /// Active certificates that end soon
    Expiring(inventory::Expiring),
    /// What a service at work told to end soon, certificates and authorities, the soonest first
    Alerts {
        /// Print one JSON object for each alert
        #[arg(long)]
        json: bool,
    },
    /// How many certificates there are of each authority, profile and status that have not ended
    Statistics {
        /// Print one JSON object for each count
        #[arg(long)]
        json: bool,
    },
    /// Write certificates to a new file, in PEM one after the other
    Export(inventory::Export),
    /// Forget the records of certificates that ended long ago
    Forget(inventory::Forget),
    /// Put a certificate on hold
    Suspend(change::Named),
    /// Take a certificate on hold back into use
    Resume(change::Named),
    /// Revoke a certificate, for ever
    Revoke(change::Revoke),
    /// Issue a revocation list now
    Crl(publish::Crl),
    /// Issue every revocation list now: full ones, and deltas where there are some
    Publish(publish::Publish),
    /// Units that make time stamps
    #[command(subcommand)]
    Tsa(unit::Action),
    /// Keys that sign reports of verifications
    #[command(subcommand)]
    ReportSigner(unit::Action),
    /// Keys that sign messages on the order of one caller
    #[command(subcommand)]
    MessageSigner(unit::Action),
    /// Makers' keys, which sign the seals that are made here
    #[command(subcommand)]
    SealMaker(unit::Action),
    /// Officers, who enter, check and approve requests for certificates
    #[command(subcommand)]
    Officer(officer::Action),
    /// Requests for certificates, which officers check and approve by their signatures
    #[command(subcommand)]
    Request(request::Action),
}

const BY: &Actor = &Actor::Operator;

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    if let Action::Ceremony(order) = &arguments.action {
        return ceremony::run(arguments.config.as_deref(), order, console);
    }
    attached((arguments.config.as_deref(), false), console, async |services, _, settings| {
        let services = &services.with_plan(plan(settings));
        match &arguments.action {
            Action::Create(order) => create::create(services, &profiles_of(settings)?, order).await,
            Action::List { json } => list(services, *json).await,
            Action::Retire { authority, confirm } => retire(services, authority, confirm).await,
            // Held above, where no installation is opened.
            Action::Ceremony(_) => Ok(String::new()),
            Action::RequestCertificate(order) => taking_in::request(services, &profiles_of(settings)?, order).await,
            Action::TakeIn(order) => taking_in::take_in(services, &profiles_of(settings)?, order).await,
            Action::WithdrawRequest { authority } => taking_in::withdraw(services, authority).await,
            Action::Certify(order) => taking_in::certify(services, &profiles_of(settings)?, order).await,
            Action::Cross(order) => cross::cross(services, &profiles_of(settings)?, order).await,
            Action::Rollover(order) => cross::rollover(services, &profiles_of(settings)?, order).await,
            Action::Issue(order) => issue::issue(services, Arc::new(profiles_of(settings)?), order).await,
            Action::Bulk(action) => bulk::act(services, &Arc::new(profiles_of(settings)?), action).await,
            Action::IssuePair(order) => pair::issue(services, Arc::new(profiles_of(settings)?), order).await,
            Action::ShowPair(order) => pair::show(services, order).await,
            Action::Recovery { action } => recovery::run(services, action).await,
            Action::ToRenew(order) => renew::to_renew(order),
            Action::Renew(order) => renew::renew(services, Arc::new(profiles_of(settings)?), order).await,
            Action::Show(order) => inventory::show(services, order).await,
            Action::Search(order) => inventory::search(services, order).await,
            Action::Expiring(order) => inventory::expiring(services, order).await,
            Action::Alerts { json } => inventory::alerts(services, *json).await,
            Action::Statistics { json } => inventory::statistics(services, *json).await,
            Action::Export(order) => inventory::export(services, order).await,
            Action::Forget(order) => inventory::forget(services, order).await,
            Action::Suspend(order) => change::suspend(services, order).await,
            Action::Resume(order) => change::resume(services, order).await,
            Action::Revoke(order) => change::revoke(services, order).await,
            Action::Crl(order) => publish::crl(services, order).await,
            Action::Publish(order) => publish::publish(services, order).await,
            Action::Tsa(action) => {
                unit::run(services, Arc::new(profiles_of(settings)?), UnitRole::TimeStamping, action).await
            }
            Action::ReportSigner(action) => {
                unit::run(services, Arc::new(profiles_of(settings)?), UnitRole::Report, action).await
            }
            Action::MessageSigner(action) => {
                unit::run(services, Arc::new(profiles_of(settings)?), UnitRole::Message, action).await
            }
            Action::SealMaker(action) => {
                unit::run(services, Arc::new(profiles_of(settings)?), UnitRole::SealMaker, action).await
            }
            Action::Officer(action) => officer::act(services, action).await,
            Action::Request(action) => request::act(services, Arc::new(profiles_of(settings)?), action).await,
        }
    })
}

/// A file of no more than so many octets.
pub(in crate::cli) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let mut octets = Vec::new();
    let limit = most.saturating_add(1);
    fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut octets)).map_err(wrong)?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > most {
        return Err(wrong(io::Error::other("larger than such a file can be")));
    }
    Ok(octets)
}

/// The profiles in force.
pub(in crate::cli) fn profiles_of(settings: &Settings) -> Result<Profiles, Error> {
    Ok(profiles::in_force(settings.policies.profiles.as_deref(), &settings.registration.approve)?)
}

async fn list(services: &Services, json: bool) -> Result<String, Error> {
    let all = authorities::list(services).await?;
    let waiting = authority_requests::list(services).await?;
    let known = all.iter().map(|authority| if json { facts(authority) } else { line(authority) });
    let waiting = waiting.iter().map(|one| if json { taking_in::waiting_facts(one) } else { taking_in::waiting(one) });
    Ok(known.chain(waiting).collect())
}

async fn retire(services: &Services, authority: &AuthorityId, confirm: &AuthorityId) -> Result<String, Error> {
    if authority != confirm {
        return Err(Error::AuthorityNotConfirmed { authority: authority.clone(), confirmed: confirm.clone() });
    }
    Ok(line(&authorities::retire(services, BY, authority).await?))
}

const fn state(authority: &StoredAuthority) -> &'static str {
    if authority.retired_at.is_some() { "retired" } else { "active" }
}

fn line(authority: &StoredAuthority) -> String {
    let StoredAuthority { id, key, name, .. } = authority;
    let parent = authority.parent.as_ref().map_or("-", AuthorityId::as_str);
    format!("{id}  {}  {parent}  {key}  {}\n", state(authority), shown(name))
}

fn facts(authority: &StoredAuthority) -> String {
    let facts = json!({
        "id": authority.id,
        "name": authority.name,
        "state": state(authority),
        "parent": authority.parent,
        "key": authority.key,
        "certificate_sm3": hexadecimal(&authority.certificate),
        "base_url": authority.base_url,
        "crl_shards": authority.crl_shards,
        "created_at": authority.created_at.to_string(),
        "retired_at": authority.retired_at.map(|at| at.to_string()),
    });
    format!("{facts}\n")
}

/// The largest file that is read here: a request, a certificate, a signature.
pub(in crate::cli) const MOST: u64 = 1 << 20;

/// Nothing is done for a file that could not be written.
fn absent(path: Option<&PathBuf>) -> Result<(), Error> {
    match path.filter(|path| path.exists()) {
        Some(path) => Err(Error::Exists { path: path.clone() }),
        None => Ok(()),
    }
}

/// `NAME=VALUE,…`: attributes by their short names or those of the profiles. `\,` stands for a comma.
fn subject(text: &str) -> Result<Attributes, String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let Some(last) = parts.last_mut() else { break };
        match letter {
            '\\' => last.extend(letters.next()),
            ',' => parts.push(String::new()),
            letter => last.push(letter),
        }
    }
    let attribute = |part: &String| {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=VALUE"))?;
        let name = match name.trim() {
            "C" => "countryName",
            "O" => "organizationName",
            "OU" => "organizationalUnitName",
            "CN" => "commonName",
            "L" => "localityName",
            "ST" => "stateOrProvinceName",
            name => name,
        };
        let kind = AttributeKind::from_name(name).ok_or_else(|| format!("no attribute {name:?} is written"))?;
        Ok((kind, value.trim().to_owned()))
    };
    parts.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_with_their_commas() {
        let expected = vec![
            (AttributeKind::Organisation, "示例, 有限公司".to_owned()),
            (AttributeKind::CommonName, "a\\b=c".to_owned()),
        ];
        assert_eq!(subject("O=示例\\, 有限公司, CN=a\\\\b=c"), Ok(expected));
        assert_eq!(subject("甲"), Err("\"甲\" is not NAME=VALUE".to_owned()));
        assert_eq!(subject("X=甲"), Err("no attribute \"X\" is written".to_owned()));
    }
}
