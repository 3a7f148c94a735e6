//! `yinxin ca crl` and `publish`: revocation lists on demand.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::base::id::AuthorityId;
use crate::cli::ca::BY;
use crate::cli::installation::{Error, replace};
use crate::service::Services;
use crate::service::inventory::hexadecimal;
use crate::service::publication::publish_all;
use crate::service::revocation_lists::{Kind, current, issue_in_turn, pem};
use crate::store::crls::{CrlHead, ShardKey};

/// What `crl` is told.
#[derive(Args)]
pub(crate) struct Crl {
    /// Whose
    #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Which of its lists, from 0 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    shard: u32,
    /// What changed since the newest full list, instead of all
    #[arg(long)]
    delta: bool,
    /// Write the list in DER to this file, in place of one that is there, and print what it says of itself
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With --out: print a JSON object
    #[arg(long, requires = "out")]
    json: bool,
}

/// What `publish` is told.
#[derive(Args)]
pub(crate) struct Publish {
    /// Whose; every authority's that publishes when absent
    #[arg(value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: Option<AuthorityId>,
    /// Print one JSON object for each list
    #[arg(long)]
    json: bool,
}

fn line(key: &ShardKey, head: &CrlHead, json: bool) -> String {
    let CrlHead { number, base, entries, this_update, next_update, sm3, .. } = head;
    if json {
        let facts = json!({
            "authority": key.authority,
            "shard": key.shard,
            "number": number,
            "base": base,
            "entries": entries,
            "this_update": this_update.to_string(),
            "next_update": next_update.to_string(),
            "sm3": hexadecimal(sm3),
        });
        return format!("{facts}\n");
    }
    let kind = base.map_or_else(|| "full".to_owned(), |base| format!("delta to {base}"));
    format!("{}  {}  {number}  {kind}  {entries} entries  {next_update}\n", key.authority, key.shard)
}

/// Issues a list now; gives it in PEM, or where it was written what it says of itself.
pub(super) async fn crl(services: &Services, order: &Crl) -> Result<String, Error> {
    let key = ShardKey { authority: order.authority.clone(), shard: order.shard };
    let kind = if order.delta { Kind::Delta } else { Kind::Full };
    let head = issue_in_turn(services, BY, &key, kind).await?;
    let Some(list) = current(services, &key, kind).await? else { return Ok(String::new()) };
    match &order.out {
        None => Ok(pem(&list.der)),
        Some(path) => {
            replace(path, &list.der)?;
            Ok(line(&key, &head, order.json))
        }
    }
}

/// Issues every list now.
pub(super) async fn publish(services: &Services, order: &Publish) -> Result<String, Error> {
    let lists = publish_all(services, BY, order.authority.as_ref()).await?;
    Ok(lists.iter().map(|(key, head)| line(key, head, order.json)).collect())
}
