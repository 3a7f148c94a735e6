//! Issuing revocation lists (RFC 5280 5): full ones and deltas of one shard, in one series of numbers.
//!
//! What a crash means at each arrow of `intent → load → sign → keep → publish`: before *intent* nothing happened; between
//! *intent* and *keep* the number is lost and the next issuance abandons the row, and a list that was signed never left;
//! *keep* writes list and audit event or neither; *publish* is reading the row, so that nothing lies between.
//!
//! Numbers grow with time. A database that was restored does not know the numbers of lists that were published after the
//! backup, and no number may name two lists (RFC 5280 5.2.3). So a number is never below its moment in microseconds: since
//! no shard has a million lists a second, each number that was lost is below those of the next second, whichever copy of
//! the database came back, so long as the clock was not set back behind the lost lists.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::crypto::Signer;
use crate::crypto::digest::{sha1_identifier, sm3};
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::trust::key::{encode_value, public_key};
use crate::format::der::{self, ObjectIdentifier};
use crate::format::keys::write_pem;
use crate::format::x509::crl::{IssuingDistributionPoint, NewCrl, NewEntries, NewRevokedCertificate, RevocationReason};
use crate::format::x509::extension::{DistributionPoint, DistributionPointName, FreshestCrl, SubjectKeyIdentifier};
use crate::format::x509::{Certificate, GeneralName};
use crate::service::publication::{Error as Refusal, locations_of};
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::crls::{CrlHead, ShardKey};
use crate::store::issued_certificates::StoredStatus;
use crate::store::revocation_pages::{self, PackedEntry, RevocationEntry};
use crate::store::{self, audit, authorities, certificates, crls, issued_certificates};

/// How long an intent stays open before the next issuance takes it for abandoned, seconds.
const OPEN_FOR: i64 = 600;
/// How often a list waits for another one of its shard, and how long each time.
const TURNS: u32 = 20;
const TURN: Duration = Duration::from_millis(250);
/// Changes read at once for a delta.
const CHANGES: i64 = 500;

/// Everything, or what changed since the last time that everything was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A full list.
    Full,
    /// A delta (RFC 5280 5.2.4) to the newest full list.
    Delta,
}

/// A list that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it says of itself.
    pub head: CrlHead,
    /// The DER.
    pub der: Arc<[u8]>,
}

/// What a list says besides its entries.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The issuer's certificate.
    pub issuer: &'a Certificate<'a>,
    /// How it signs.
    pub algorithm: ObjectIdentifier,
    /// `cRLNumber`.
    pub number: u64,
    /// The number of the full list that it changes, for a delta.
    pub base: Option<u64>,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// Where this shard's full list is found.
    pub location: Option<&'a str>,
    /// Where this shard's delta is found.
    pub delta_location: Option<&'a str>,
}

/// The entry of a certificate: whoever is back in use is named by deltas only (removeFromCRL, RFC 5280 5.3.1).
fn entry(certificate: &RevocationEntry, is_delta: bool) -> Option<NewRevokedCertificate<'_>> {
    let (reason, invalidity_date) = match certificate.status {
        StoredStatus::Active if is_delta => (RevocationReason::RemoveFromCrl, None),
        StoredStatus::Active => return None,
        StoredStatus::Suspended => (RevocationReason::CertificateHold, None),
        StoredStatus::Revoked { reason, invalidity_date } => {
            let known = RevocationReason::from_number(reason);
            let lasting = known.filter(|reason| *reason != RevocationReason::RemoveFromCrl);
            (lasting.unwrap_or(RevocationReason::Unspecified), invalidity_date)
        }
    };
    Some(NewRevokedCertificate {
        serial: &certificate.serial,
        revocation_date: certificate.since,
        reason,
        invalidity_date,
        certificate_issuer: None,
    })
}

fn point(location: &str) -> DistributionPointName<'_> {
    DistributionPointName::FullName(vec![GeneralName::Uri(location)])
}

/// The bytes to sign and the number of entries.
///
/// # Errors
/// What RFC 5280 5 forbids, or an issuer whose key identifier cannot be read.
pub fn write(draft: &Draft<'_>, rows: Vec<PackedEntry>) -> Result<(Vec<u8>, u64), der::Error> {
    let mut entries = NewEntries::with_room(rows.len());
    for row in &rows {
        if let Some(entry) = entry(&row.read(), draft.base.is_some()) {
            entries.push(&entry);
        }
    }
    // Of a million entries there are never more than two forms in memory at once.
    drop(rows);
    let own = draft.issuer.extension_of::<SubjectKeyIdentifier<'_>>()?;
    // RFC 5280 4.2.1.2 (1), for an issuer whose certificate has none.
    let computed = sha1_identifier(draft.issuer.public_key.key);
    let scope = draft.location.map(|location| IssuingDistributionPoint {
        name: Some(point(location)),
        ..IssuingDistributionPoint::default()
    });
    let newest = draft.delta_location.filter(|_| draft.base.is_none());
    let freshest = newest.map(|location| {
        FreshestCrl(vec![DistributionPoint { name: Some(point(location)), reasons: None, crl_issuer: Vec::new() }])
    });
    let base = draft.base.map(u64::to_be_bytes);
    let list = NewCrl {
        signature_algorithm: draft.algorithm,
        issuer: draft.issuer.subject.raw(),
        this_update: draft.this_update,
        next_update: draft.next_update,
        authority_key_identifier: own.as_ref().map_or(&computed[..], |own| own.0),
        number: &draft.number.to_be_bytes(),
        delta_base: base.as_ref().map(|base| &base[..]),
        issuing_distribution_point: scope.as_ref(),
        freshest: freshest.as_ref(),
        others: &[],
    };
    let count = u64::try_from(entries.count()).unwrap_or(u64::MAX);
    Ok((list.to_tbs(&entries)?, count))
}

/// What a list is made of, as one snapshot shows it.
struct Material {
    authority: StoredAuthority,
    certificate: Vec<u8>,
    signer: Arc<dyn Signer>,
    base: Option<u64>,
    last_event: i64,
    rows: Vec<PackedEntry>,
    /// What is forgotten once a full list is kept: pages whose certificates ended before this, and changed no later.
    ended: Option<(Timestamp, i64)>,
}

/// The least number of a list that is begun at that moment: the moment in microseconds.
#[must_use]
pub fn least_number(at: Timestamp) -> u64 {
    u64::try_from(at.unix()).unwrap_or(0).saturating_mul(1_000_000)
}

/// Issues a list of that shard now.
///
/// # Errors
/// No such authority, no such shard of it, no full list for a delta, another list of the shard in progress; the key may not be used or failed;
/// the store refuses. Nothing is published then.
pub async fn issue(services: &Services, actor: &Actor, key: &ShardKey, kind: Kind) -> Result<CrlHead, Error> {
    let now = services.clock.now();
    let least = least_number(now);
    let intent = services.store.run("intend revocation list", |tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, &key.authority).await?.ok_or(Refusal::UnknownAuthority)?;
            if key.shard >= authority.crl_shards {
                // Certificates of earlier days may stand in more lists than today's.
                let highest = crls::highest_shard(tx, &key.authority).await?;
                highest.filter(|highest| key.shard <= *highest).ok_or(Refusal::UnknownShard)?;
            }
            let number = crls::record_intent(tx, key, (now, least), now.plus_seconds(-OPEN_FOR)).await?;
            revocation_pages::prepare(tx, key).await?;
            Ok::<_, Error>(number.ok_or(Refusal::InProgress)?)
        })
    });
    let number = intent.await?;
    let outcome = sign_and_keep(services, actor, key, (kind, number, now)).await;
    if outcome.is_err() {
        let closing = services.store.run("abandon revocation list", |tx| Box::pin(crls::abandon(tx, key, number)));
        if let Err(error) = closing.await.map_err(Error::from) {
            tracing::warn!(code = error.code(), "an intent stays open until the next list of its shard");
        }
    }
    outcome
}

/// As [`issue`]; waits a few seconds for another list of the shard that is in progress.
///
/// # Errors
/// As [`issue`].
pub async fn issue_in_turn(services: &Services, actor: &Actor, key: &ShardKey, kind: Kind) -> Result<CrlHead, Error> {
    for _ in 0..TURNS {
        match issue(services, actor, key, kind).await {
            Err(Error::Publishing(Refusal::InProgress)) => tokio::time::sleep(TURN).await,
            done => return done,
        }
    }
    issue(services, actor, key, kind).await
}

async fn sign_and_keep(
    services: &Services,
    actor: &Actor,
    key: &ShardKey,
    (kind, number, now): (Kind, u64, Timestamp),
) -> Result<CrlHead, Error> {
    let plan = services.publication.plan();
    let material = load(services, key, (kind, now)).await?;
    let Material { authority, certificate, signer, base, last_event, rows, ended } = material;
    let (location, delta_location) = locations_of(&authority, key, plan)?;
    let period = if kind == Kind::Full { plan.full_every } else { plan.delta_every.unwrap_or(plan.full_every) };
    // Half a period in hand, for whoever asks while the next one is late.
    let next_update = now.plus_seconds(period.saturating_add(period / 2));
    let algorithm = signer.algorithm();
    let oid = algorithm.oid().ok_or(Refusal::Algorithm)?;
    let ours = signer.public_key();
    let writing = tokio::task::spawn_blocking(move || {
        let issuer = Certificate::parse(&certificate).map_err(|_| Refusal::Certificate)?;
        if public_key(&issuer.public_key).as_ref() != Some(&ours) {
            return Err(Refusal::Certificate);
        }
        let draft = Draft {
            issuer: &issuer,
            algorithm: oid,
            number,
            base,
            this_update: now,
            next_update,
            location: location.as_deref(),
            delta_location: delta_location.as_deref(),
        };
        write(&draft, rows).map_err(Refusal::NotWritten)
    });
    let (tbs, entries) = writing.await.map_err(|_| Error::Interrupted)??;
    // The signer checks its own signature before it lets go of it.
    let value = services.pool.sign(signer, tbs.clone(), Arc::clone(&services.random)).await?;
    let joining = tokio::task::spawn_blocking(move || {
        let der = NewCrl::assemble(&tbs, oid, &encode_value(algorithm, &value));
        (sm3(&der), der)
    });
    let (digest, der) = joining.await.map_err(|_| Error::Interrupted)?;
    let head = CrlHead { number, base, last_event, entries, this_update: now, next_update, sm3: digest };
    let body = EventBody::CrlIssued {
        authority: key.authority.clone(),
        shard: u64::from(key.shard),
        number,
        base,
        entries,
        crl_sm3: digest,
    };
    let event = Event { at: now, actor: actor.clone(), request: None, body };
    let (event, made, octets, by) = (&event, &head, &der, &authority.key);
    let steps = services.store.run("keep revocation list", |tx| {
        Box::pin(async move {
            // Suspended or destroyed since the intent: the list is not released.
            let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
            services.keys.permitted(tx, by, wanted, now).await?;
            crls::complete(tx, key, made, octets).await?;
            audit::append(tx, event).await?;
            crls::forget_older(tx, key, plan.keep).await?;
            if let Some((end, event)) = ended {
                revocation_pages::forget(tx, key, end, event).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    services.publication.keep_list(key, base.is_some(), &Published { head: head.clone(), der: der.into() });
    Ok(head)
}

async fn load(services: &Services, key: &ShardKey, (kind, now): (Kind, Timestamp)) -> Result<Material, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, &key.authority).await?.ok_or(Refusal::UnknownAuthority)?;
            let certificate = certificates::find(tx, &authority.certificate).await?.ok_or(Refusal::Certificate)?;
            let purpose = KeyPurpose::CertificateAuthority;
            let signer = services.keys.signer(tx, &authority.key, purpose, now).await?;
            let last_event = issued_certificates::last_change(tx).await?;
            let full = crls::newest(tx, key, false).await?;
            let ended = full.as_ref().filter(|_| kind == Kind::Full).map(|head| (head.this_update, head.last_event));
            let (base, rows) = match (kind, full) {
                (Kind::Delta, None) => return Err(Refusal::NoFullList.into()),
                (Kind::Delta, Some(full)) => (Some(full.number), changed_since(tx, key, full.last_event).await?),
                (Kind::Full, before) => (None, all_entries(tx, key, before.as_ref()).await?),
            };
            Ok::<_, Error>(Material { authority, certificate: certificate.der, signer, base, last_event, rows, ended })
        })
    });
    steps.await
}

/// Whatever changed after that event, by serial number.
async fn changed_since(
    tx: &mut store::Tx<'_>,
    key: &ShardKey,
    mut event: i64,
) -> Result<Vec<PackedEntry>, store::Error> {
    let mut all = Vec::new();
    loop {
        let rows = issued_certificates::changed_in_shard(tx, key, event, CHANGES).await?;
        let Some(last) = rows.last() else { break };
        event = last.status_event.unwrap_or(event);
        all.extend(rows.iter().map(|row| RevocationEntry::of(row).pack()));
    }
    all.sort_unstable();
    Ok(all)
}

/// Whatever is not active, but for certificates that the last full list named when they had expired already: each stands in
/// one list that was issued beyond its validity (RFC 5280 3.3), also when it was revoked after its end.
async fn all_entries(
    tx: &mut store::Tx<'_>,
    key: &ShardKey,
    before: Option<&CrlHead>,
) -> Result<Vec<PackedEntry>, store::Error> {
    let (expired_by, event) = before.map_or((Timestamp::MIN, 0), |head| (head.this_update, head.last_event));
    let wanted = |entry: &RevocationEntry| entry.not_after >= expired_by || entry.event > event;
    revocation_pages::entries(tx, key, wanted).await
}

/// A list in PEM (RFC 7468 6).
#[must_use]
pub fn pem(der: &[u8]) -> String {
    write_pem(der, "X509 CRL")
}

/// The newest list of that shard, from memory where it is there.
///
/// # Errors
/// A list that is not as we wrote it; the store's.
pub async fn current(services: &Services, key: &ShardKey, kind: Kind) -> Result<Option<Published>, Error> {
    let delta = kind == Kind::Delta;
    let newest = services.store.read(|tx| Box::pin(crls::newest(tx, key, delta))).await;
    let Some(head) = newest.map_err(Error::from)? else { return Ok(None) };
    if let Some(kept) = services.publication.kept_list(key, delta, &head) {
        return Ok(Some(kept));
    }
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            // Once more: a newer list may have come between, and taken the place of that one.
            let Some(head) = crls::newest(tx, key, delta).await? else { return Ok(None) };
            let der = crls::der(tx, key, &head).await?;
            Ok::<_, Error>(Some(Published { head, der: der.into() }))
        })
    });
    let found = steps.await?;
    if let Some(list) = &found {
        services.publication.keep_list(key, delta, list);
    }
    Ok(found)
}
