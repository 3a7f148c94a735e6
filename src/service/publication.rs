//! What an authority publishes and where: the plan of its lists and answers, their locations, and the work that keeps them
//! current.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::domain::audit::Actor;
use crate::domain::ca::publication::InvalidPublication;
use crate::domain::ca::{self, Publication};
use crate::format::cms::{ContentType, Family, NewSignedData};
use crate::format::der;
use crate::format::x509::Certificate;
use crate::service::issuance::Issuance;
use crate::service::responder::Answers;
use crate::service::revocation_lists::{self, Kind, Published};
use crate::service::{self, Services, responder};
use crate::store::crls::{CrlHead, ShardKey};
use crate::store::issued_certificates::StoredStatus;
use crate::store::{Tx, authorities, certificates, crls, issued_certificates};

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such authority.
    #[error("no such authority")]
    UnknownAuthority,
    /// The authority's certificates are shared out among fewer lists, and always were.
    #[error("the authority has no revocation list of that number")]
    UnknownShard,
    /// Another list of this shard is being signed.
    #[error("a revocation list of this shard is being issued")]
    InProgress,
    /// A delta changes a full list, and there is none.
    #[error("there is no full revocation list that a delta could change (RFC 5280 5.2.4)")]
    NoFullList,
    /// The authority's base URL leads to no locations.
    #[error(transparent)]
    Locations(#[from] InvalidPublication),
    /// The authority's certificate cannot be read, or is not that of its key.
    #[error("the authority's certificate is not that of its key")]
    Certificate,
    /// The authority's key signs by no algorithm that a list or an answer can name.
    #[error("the authority's key cannot sign lists or answers")]
    Algorithm,
    /// The list cannot be written.
    #[error("the revocation list cannot be written")]
    NotWritten(#[source] der::Error),
}

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownAuthority => "unknown-authority",
            Self::UnknownShard => "unknown-shard",
            Self::InProgress => "revocation-list-in-progress",
            Self::NoFullList => "revocation-list-missing",
            Self::Locations(_) => "publication-location",
            Self::Certificate => "authority-certificate",
            Self::Algorithm => "authority-algorithm",
            Self::NotWritten(_) => "revocation-list-not-written",
        }
    }
}

/// How often lists are issued and how long answers last. Times are seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From one full list to the next. A list is in force half as long again.
    pub full_every: i64,
    /// From one delta to the next; nothing where there are none.
    pub delta_every: Option<i64>,
    /// How many lists of a shard are kept.
    pub keep: u32,
    /// How long an OCSP answer is in force.
    pub answer_validity: i64,
    /// How long others may keep an OCSP answer, at most.
    pub answer_max_age: i64,
    /// How many signed answers are kept in memory.
    pub answers: usize,
    /// How many certificates of each authority get their answers ahead in one round.
    pub ahead: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            full_every: 86_400,
            delta_every: Some(3_600),
            keep: 32,
            answer_validity: 3_600,
            answer_max_age: 300,
            answers: 100_000,
            ahead: 500,
        }
    }
}

/// Lists kept in memory, in bytes. More than one list of a million entries.
const MOST_LIST_BYTES: usize = 256 << 20;

/// What is published, as far as it is kept in memory. Belongs to [`Services`].
pub struct Publishing {
    plan: Plan,
    answers: Answers,
    /// Authorities that are refused responders, and until when none is tried: each trial costs a key.
    refused: Mutex<HashMap<AuthorityId, Instant>>,
    lists: Mutex<HashMap<(ShardKey, bool), Published>>,
}

impl Publishing {
    /// Nothing yet, under that plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { answers: Answers::new(plan.answers), plan, refused: Mutex::default(), lists: Mutex::default() }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The signed OCSP answers. Whoever changes the status of a certificate calls [`Answers::forget`] once that is
    /// committed.
    #[must_use]
    pub const fn answers(&self) -> &Answers {
        &self.answers
    }

    fn may_make_responder(&self, id: &AuthorityId) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(id).is_none_or(|until| *until <= Instant::now())
    }

    /// What a rule refused is refused in the next round too; what failed may not fail again.
    fn note_refusal(&self, id: &AuthorityId, error: &service::Error) {
        if is_refusal(error) {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.insert(id.clone(), Instant::now() + REFUSED_FOR);
        }
    }

    pub(in crate::service) fn kept_list(&self, key: &ShardKey, delta: bool, head: &CrlHead) -> Option<Published> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&(key.clone(), delta)).filter(|kept| kept.head == *head).cloned()
    }

    pub(in crate::service) fn keep_list(&self, key: &ShardKey, delta: bool, list: &Published) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let held = lists.values().map(|list| list.der.len()).sum::<usize>();
        if held.saturating_add(list.der.len()) > MOST_LIST_BYTES {
            lists.clear();
        }
        lists.insert((key.clone(), delta), list.clone());
    }
}

impl Default for Publishing {
    fn default() -> Self {
        Self::new(Plan::default())
    }
}

/// Where an authority publishes; nowhere when its base URL is empty.
///
/// Lists: `BASE/crl/AUTHORITY/SHARD.crl` and `…/SHARD-delta.crl`; answers: `BASE/ocsp/AUTHORITY`; its certificate:
/// `BASE/aia/AUTHORITY.cer`.
///
/// # Errors
/// The base URL is none (RFC 5280 4.2.1.13, 4.2.2.1), or there are too many shards.
pub fn locations(
    authority: &AuthorityId,
    base_url: &str,
    shards: u32,
    deltas: bool,
) -> Result<Publication, InvalidPublication> {
    if base_url.is_empty() {
        return Ok(Publication::nowhere());
    }
    let crl = format!("{base_url}/crl/{authority}/{{shard}}.crl");
    let delta = format!("{base_url}/crl/{authority}/{{shard}}-delta.crl");
    let (ocsp, issuer) = (format!("{base_url}/ocsp/{authority}"), format!("{base_url}/aia/{authority}.cer"));
    Publication::new((Some(&crl), deltas.then_some(delta.as_str())), shards, &[&ocsp], &[&issuer])
}

/// The certificate of an authority, for those who build a path upwards (RFC 5280 4.2.2.1).
///
/// # Errors
/// The store's.
pub async fn authority_certificate(services: &Services, id: &AuthorityId) -> Result<Option<Vec<u8>>, service::Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let Some(authority) = authorities::find(tx, id).await? else { return Ok(None) };
            Ok::<_, service::Error>(certificates::find(tx, &authority.certificate).await?.map(|row| row.der))
        })
    });
    steps.await
}

/// How the certificates of an authority are published (RFC 5280 4.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerForm {
    /// Its own certificate, DER.
    Certificate,
    /// A message of certificates only (RFC 5652): its own, and the cross certificates for its key.
    Bundle,
}

/// Certificates of an authority's name that are looked at for cross certificates.
const MOST_CROSSES: i64 = 64;

/// Where the bundle of an authority is: its certificate, and the cross certificates for its key.
pub(in crate::service) fn bundle_location(authority: &authorities::StoredAuthority) -> Option<String> {
    let (id, base) = (&authority.id, &authority.base_url);
    (!base.is_empty()).then(|| format!("{base}/aia/{id}.p7c"))
}

/// The cross certificates for an authority's key that authorities of ours issued and that are in force, newest first.
pub(in crate::service) async fn crosses_of(
    tx: &mut Tx<'_>,
    own: &[u8],
    now: Timestamp,
) -> Result<Vec<Vec<u8>>, service::Error> {
    let read = Certificate::parse(own).map_err(ca::Error::Unreadable)?;
    let named = issued_certificates::of_subject(tx, &read.subject.display(), MOST_CROSSES).await?;
    let is_cross = |row: &issued_certificates::IssuedCertificate| {
        let in_force = row.status == StoredStatus::Active && row.not_before <= now && now <= row.not_after;
        let same = Certificate::parse(&row.der).is_ok_and(|cross| {
            let is_authority = cross.basic_constraints.as_ref().is_some_and(|constraints| constraints.authority);
            is_authority && cross.subject.raw() == read.subject.raw() && cross.public_key.raw == read.public_key.raw
        });
        in_force && same && row.der != own
    };
    Ok(named.into_iter().filter(is_cross).map(|row| row.der).collect())
}

/// The certificate of an authority with the cross certificates for its key, as a message of certificates only (RFC 5280
/// 4.2.2.1, RFC 5652 5.1): whoever builds a path upwards finds every way.
///
/// # Errors
/// The store's.
pub async fn authority_bundle(services: &Services, id: &AuthorityId) -> Result<Option<Vec<u8>>, service::Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let Some(authority) = authorities::find(tx, id).await? else { return Ok(None) };
            let Some(own) = certificates::find(tx, &authority.certificate).await? else { return Ok(None) };
            let crosses = crosses_of(tx, &own.der, now).await?;
            Ok::<_, service::Error>(Some((own.der, crosses)))
        })
    });
    let Some((own, crosses)) = steps.await? else { return Ok(None) };
    let all = [&own].into_iter().chain(&crosses).map(Vec::as_slice).collect::<Vec<_>>();
    let bundle = NewSignedData {
        family: Family::Cms,
        content_type: Family::Cms.oid(ContentType::Data),
        content: None,
        certificates: &all,
        crls: &[],
        signers: &[],
    };
    Ok(Some(bundle.to_der()))
}

/// So long nobody asks again for a responder that a rule refused.
const REFUSED_FOR: Duration = Duration::from_secs(3_600);

fn is_refusal(error: &service::Error) -> bool {
    match error {
        service::Error::Shared(error) => is_refusal(error),
        service::Error::Keys(_)
        | service::Error::Store(_)
        | service::Error::Random(_)
        | service::Error::Interrupted
        | service::Error::IssuanceBusy => false,
        _ => true,
    }
}

/// How often this process asks what others changed.
const WATCH: Duration = Duration::from_millis(500);
/// Rounds of watching from one look at what is due to the next.
const ROUNDS: u32 = 10;

/// Keeps lists, responders and answers current until it is dropped. Dropping it in the middle of an issuance leaves an
/// intent, which the next issuance abandons.
pub async fn keep_current(services: Services, issuance: Issuance) {
    let mut rounds = 0_u32;
    loop {
        if let Err(error) = responder::catch_up(&services).await {
            tracing::warn!(code = error.code(), "changes of status cannot be read; no kept answer is given");
        }
        if rounds == 0 {
            publish_due(&services, &issuance).await;
        }
        rounds = rounds.saturating_add(1) % ROUNDS;
        tokio::time::sleep(WATCH).await;
    }
}

/// Issues every list that is due now, makes every responder that is missing, revoked or near its end, ends the keys of old
/// ones, and signs some answers ahead, for each authority that publishes. What fails is told in the log and tried again later.
pub async fn publish_due(services: &Services, issuance: &Issuance) {
    let all = services.store.read(|tx| Box::pin(authorities::all(tx))).await;
    let all = match all.map_err(service::Error::from) {
        Ok(all) => all,
        Err(error) => return tracing::warn!(code = error.code(), "authorities cannot be read"),
    };
    for authority in all.iter().filter(|authority| !authority.base_url.is_empty()) {
        let id = &authority.id;
        let ensured = match services.publication.may_make_responder(id) {
            true => responder::ensure(services, issuance, &Actor::Operator, id).await.map(Some),
            false => Ok(None),
        };
        match ensured {
            Ok(None) => {}
            Ok(Some(_)) => {
                if let Err(error) = responder::end_old(services, &Actor::Operator, id).await {
                    tracing::warn!(code = error.code(), authority = %id, "old OCSP responders are not ended");
                }
            }
            Err(error) => {
                tracing::warn!(code = error.code(), authority = %id, "no OCSP responder can be made");
                services.publication.note_refusal(id, &error);
            }
        }
        for (key, kind) in due(services, id, authority.crl_shards).await {
            match revocation_lists::issue(services, &Actor::Operator, &key, kind).await {
                // Another process is at it.
                Ok(_) | Err(service::Error::Publishing(Error::InProgress)) => {}
                Err(error) => {
                    tracing::warn!(code = error.code(), authority = %id, shard = key.shard, "no revocation list");
                }
            }
        }
        match responder::sign_ahead(services, id, services.publication.plan().ahead).await {
            // Nobody can sign yet.
            Ok(_) | Err(service::Error::Publishing(Error::UnknownAuthority)) => {}
            Err(error) => tracing::warn!(code = error.code(), authority = %id, "no OCSP answers are signed ahead"),
        }
    }
}

/// Issues every list now, due or not: of one authority, or of all that publish; gives them in their order.
///
/// # Errors
/// There is no such authority; the first list that cannot be issued. What was issued before stays.
pub async fn publish_all(
    services: &Services,
    actor: &Actor,
    authority: Option<&AuthorityId>,
) -> Result<Vec<(ShardKey, CrlHead)>, service::Error> {
    let all = services.store.read(|tx| Box::pin(authorities::all(tx))).await?;
    let wanted = |known: &&authorities::StoredAuthority| match authority {
        Some(id) => known.id == *id,
        None => !known.base_url.is_empty(),
    };
    let chosen = all.iter().filter(wanted).collect::<Vec<_>>();
    if chosen.is_empty() && authority.is_some() {
        return Err(Error::UnknownAuthority.into());
    }
    let mut lists = Vec::new();
    for authority in chosen {
        let id = &authority.id;
        let highest = services.store.read(|tx| Box::pin(crls::highest_shard(tx, id))).await?;
        for shard in 0..authority.crl_shards.max(highest.map_or(0, |highest| highest.saturating_add(1))) {
            let key = ShardKey { authority: id.clone(), shard };
            let kinds = [Kind::Full].into_iter().chain(services.publication.plan().delta_every.map(|_| Kind::Delta));
            for kind in kinds {
                lists.push((key.clone(), revocation_lists::issue_in_turn(services, actor, &key, kind).await?));
            }
        }
    }
    Ok(lists)
}

/// The lists of an authority that are due, in the order in which they are issued. Shards that no certificate is given any
/// more have lists still.
async fn due(services: &Services, id: &AuthorityId, shards: u32) -> Vec<(ShardKey, Kind)> {
    let (now, plan) = (services.clock.now(), services.publication.plan());
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let highest = crls::highest_shard(tx, id).await?;
            let mut found = Vec::new();
            for shard in 0..shards.max(highest.map_or(0, |highest| highest.saturating_add(1))) {
                let key = ShardKey { authority: id.clone(), shard };
                let full = crls::newest(tx, &key, false).await?;
                let delta = crls::newest(tx, &key, true).await?;
                if is_due(full.as_ref(), plan.full_every, now) {
                    found.push((key.clone(), Kind::Full));
                    // The delta that stands was made for the list before.
                    found.extend(plan.delta_every.map(|_| (key, Kind::Delta)));
                } else if let Some(every) = plan.delta_every {
                    let after = delta.filter(|delta| full.is_some_and(|full| delta.base == Some(full.number)));
                    if is_due(after.as_ref(), every, now) {
                        found.push((key, Kind::Delta));
                    }
                }
            }
            Ok::<_, service::Error>(found)
        })
    });
    steps.await.unwrap_or_else(|error| {
        tracing::warn!(code = error.code(), authority = %id, "revocation lists cannot be read");
        Vec::new()
    })
}

fn is_due(newest: Option<&CrlHead>, every: i64, now: Timestamp) -> bool {
    newest.is_none_or(|head| now >= head.this_update.plus_seconds(every))
}

/// Where an authority's row says it publishes, under the plan in force.
pub(in crate::service) fn locations_of(
    authority: &authorities::StoredAuthority,
    key: &ShardKey,
    plan: &Plan,
) -> Result<(Option<String>, Option<String>), Error> {
    // A shard of earlier days is beyond the number of today's.
    let shards = authority.crl_shards.max(key.shard.saturating_add(1));
    let deltas = plan.delta_every.is_some();
    let crl = locations(&authority.id, &authority.base_url, shards, deltas)?.crl_location(key.shard);
    let delta = crl.as_ref().filter(|_| deltas).map(|crl| format!("{}-delta.crl", crl.trim_end_matches(".crl")));
    Ok((crl, delta))
}

/// Shared by clones of [`Services`].
pub(in crate::service) fn shared() -> Arc<Publishing> {
    Arc::default()
}
