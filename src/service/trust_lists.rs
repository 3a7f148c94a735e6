//! Trust lists of an installation: imported, approved by two officers, brought into force, and taken into the anchors.
//!
//! A list comes into force in one transaction with its audit event, in which its signatures, its introduction and both
//! approvals are verified once more. Whenever lists are used all of that is verified again from the rows, so that a row
//! alone makes nobody trusted.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::request::{Officer, OfficerRole};
use crate::domain::ca::trust_list::{ListOffer, ListOrder, ListState, ListStepRefused};
use crate::domain::trust::key::public_key;
use crate::domain::trust::list::is_fingerprint;
use crate::domain::trust::list_diff::{ListChange, diff};
use crate::domain::trust::{AlgorithmPolicy, CheckedList, Introduction, ListRefused, TrustAnchors, add_trust_list};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::trust_list::{SignedTrustList, TrustBundle};
use crate::service::officers::{fixed_value, officer_in, officer_still};
use crate::service::registration::Signed;
use crate::service::{Error, Services};
use crate::store::trust_lists::StoredTrustList;
use crate::store::{Tx, audit, callers, trust_lists};

/// From one look at the lists to the next: so long a list that came into force, or ended, may not be noticed.
const LOOK: Duration = Duration::from_secs(15);

/// A list that was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Its row.
    pub stored: StoredTrustList,
    /// What would change.
    pub changes: Vec<ListChange>,
}

/// A list in force that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// The stable code of the reason.
    pub code: &'static str,
}

/// The lists in force, all of them verified.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    /// The lists.
    pub lists: Vec<CheckedList>,
    /// Certificates that came with them, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists that came with them, DER.
    pub crls: Vec<Vec<u8>>,
    /// Lists that are not used.
    pub left_out: Vec<LeftOut>,
}

impl InForce {
    /// Takes the lists into the anchors, and the certificates beside them.
    pub fn add_to(&self, trust: &mut TrustAnchors) {
        for list in &self.lists {
            add_trust_list(trust, list);
        }
        for der in &self.certificates {
            // Each was read when it was imported.
            if trust.add_certificates(der, "trust bundle").is_err() {
                tracing::warn!("a certificate of a trust bundle cannot be read");
            }
        }
    }

    /// The lists as one file, to be published.
    #[must_use]
    pub fn published(&self) -> Vec<u8> {
        let lists = self.lists.iter().map(|list| list.signed().clone()).collect();
        TrustBundle { lists, ..TrustBundle::default() }.to_json()
    }
}

/// Takes in the lists of a signed list or a bundle; they wait for approvals. A list that waits already stays as it is while
/// nothing about it is new; else it is offered anew, over the version that is in force now, and loses its approvals. Lists
/// that are in force are passed over.
///
/// # Errors
/// The file cannot be read; a list is no successor, not in force by its own words, or not introduced rightly; it was
/// refused before. Then nothing is taken.
pub async fn import(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    octets: &[u8],
) -> Result<Vec<Imported>, Error> {
    let now = services.clock.now();
    let bundle = TrustBundle::parse(octets)?;
    let evidence = &TrustBundle { lists: Vec::new(), certificates: bundle.certificates, crls: bundle.crls }.to_json();
    let mut lists = Vec::new();
    for signed in bundle.lists {
        let list = CheckedList::check(signed, &services.algorithms, now)?;
        list.in_force(now)?;
        lists.push(list);
    }
    let lists = &lists;
    let steps = services.store.run("import trust lists", |tx| {
        Box::pin(async move {
            let mut imported = Vec::new();
            for list in lists {
                if let Some(one) = import_one(tx, services, (actor, call), list, evidence, now).await? {
                    imported.push(one);
                }
            }
            Ok(imported)
        })
    });
    steps.await
}

async fn import_one(
    tx: &mut Tx<'_>,
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    list: &CheckedList,
    evidence: &[u8],
    now: Timestamp,
) -> Result<Option<Imported>, Error> {
    let known = trust_lists::find(tx, list.sm3()).await?;
    if known.as_ref().is_some_and(|known| matches!(known.order.state, ListState::Active { .. })) {
        return Ok(None);
    }
    let (offer, above, previous) = offered(tx, &services.algorithms, list, now).await?;
    let changes = diff(previous.as_ref().map(CheckedList::list), list.list());
    if let Some(known) = &known
        && known.order.state == ListState::Imported
        && (&known.order.offer, &known.above, known.evidence.as_slice()) == (&offer, &above, evidence)
        && known.file == list.signed().to_json()
    {
        return Ok(Some(Imported { stored: known.clone(), changes }));
    }
    let new = StoredTrustList {
        order: ListOrder::new(offer),
        above,
        file: list.signed().to_json(),
        evidence: evidence.to_vec(),
        imported_at: now,
        end_signature: None,
        version: 1,
    };
    let stored = match known {
        None => trust_lists::insert(tx, &new).await?,
        Some(known) if known.order.state == ListState::Imported => {
            trust_lists::update(tx, &StoredTrustList { version: known.version, ..new }).await?
        }
        Some(known) => {
            let from = known.order.state_name();
            return Err(ListStepRefused::State { from, attempt: "imported" }.into());
        }
    };
    let named = list.named();
    let body = EventBody::TrustListImported { name: named.name.clone(), number: named.number, list_sm3: named.sm3 };
    audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
    Ok(Some(Imported { stored, changes }))
}

/// What a list would come into force over, who introduces it, and the version in force.
async fn offered(
    tx: &mut Tx<'_>,
    algorithms: &AlgorithmPolicy,
    list: &CheckedList,
    now: Timestamp,
) -> Result<(ListOffer, Option<String>, Option<CheckedList>), Error> {
    let named = list.named();
    if let Some(known) = trust_lists::highest_number(tx, &named.name).await?.filter(|known| named.number <= *known) {
        return Err(ListRefused::Rollback { known, offered: named.number }.into());
    }
    let (mut previous, mut stood_under, mut above) = (None, None, Vec::new());
    for stored in trust_lists::active(tx).await? {
        let active = checked(&stored, algorithms, now)?;
        if stored.order.offer.name == named.name {
            previous = Some(active);
            stood_under = stored.above;
        } else if active.in_force(now).is_ok() && !active.list().lists.is_empty() {
            above.push(active);
        }
    }
    let introduction = list.introduced(previous.as_ref(), &above.iter().collect::<Vec<_>>())?;
    let above = match (&introduction, stood_under) {
        (Introduction::Above { list }, _) => Some(list.clone()),
        // What a list above has dropped does not come back by its own word.
        (_, Some(above)) => return Err(ListRefused::NoLongerNamed { above }.into()),
        (Introduction::Paper | Introduction::Predecessor, None) => None,
    };
    let offer = ListOffer {
        list_sm3: named.sm3,
        name: named.name.clone(),
        number: named.number,
        replaces: previous.as_ref().map(|previous| *previous.sm3()),
        by_paper: introduction == Introduction::Paper,
    };
    Ok((offer, above, previous))
}

/// The list in a row, its own signatures checked again.
fn checked(stored: &StoredTrustList, algorithms: &AlgorithmPolicy, now: Timestamp) -> Result<CheckedList, Error> {
    let list = CheckedList::check(SignedTrustList::parse(&stored.file)?, algorithms, now)?;
    if *list.sm3() == stored.order.offer.list_sm3 { Ok(list) } else { Err(Error::UnknownTrustList) }
}

/// The list with that SM3.
///
/// # Errors
/// [`Error::UnknownTrustList`].
pub async fn find(services: &Services, list_sm3: &[u8; 32]) -> Result<StoredTrustList, Error> {
    let found = services.store.read(|tx| Box::pin(trust_lists::find(tx, list_sm3))).await?;
    found.ok_or(Error::UnknownTrustList)
}

/// Every list, by name and number.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<StoredTrustList>, Error> {
    Ok(services.store.read(|tx| Box::pin(trust_lists::all(tx))).await?)
}

/// The octets that this officer signs to approve; `paper` is the fingerprint as the officer reads it from paper.
///
/// # Errors
/// [`Error::UnknownTrustList`]; the officer is none; the fingerprint is another one.
pub async fn to_approve(
    services: &Services,
    list_sm3: &[u8; 32],
    officer: &CallerId,
    paper: Option<&str>,
) -> Result<Vec<u8>, Error> {
    let compared = compare(paper, list_sm3)?;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, officer).await?;
            let stored = trust_lists::find(tx, list_sm3).await?.ok_or(Error::UnknownTrustList)?;
            Ok(stored.order.offer.to_approve(&officer, compared))
        })
    });
    steps.await
}

/// The octets that this officer signs to refuse.
///
/// # Errors
/// [`Error::UnknownTrustList`]; the officer is none.
pub async fn to_refuse(services: &Services, list_sm3: &[u8; 32], officer: &CallerId) -> Result<Vec<u8>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, officer).await?;
            let stored = trust_lists::find(tx, list_sm3).await?.ok_or(Error::UnknownTrustList)?;
            Ok(stored.order.offer.to_refuse(&officer))
        })
    });
    steps.await
}

fn compare(paper: Option<&str>, list_sm3: &[u8; 32]) -> Result<bool, Error> {
    match paper {
        None => Ok(false),
        Some(typed) if is_fingerprint(typed, list_sm3) => Ok(true),
        Some(_) => Err(ListStepRefused::FingerprintDiffers.into()),
    }
}

/// An officer approves, by a signature over [`to_approve`].
///
/// # Errors
/// Why the step is not taken.
pub async fn approve(
    services: &Services,
    list_sm3: &[u8; 32],
    signed: Signed<'_>,
    paper: Option<&str>,
) -> Result<StoredTrustList, Error> {
    let (now, compared) = (services.clock.now(), compare(paper, list_sm3)?);
    let steps = services.store.run("approve trust list", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = trust_lists::find(tx, list_sm3).await?.ok_or(Error::UnknownTrustList)?;
            let value = fixed_value(&officer, signed.signature);
            let order = stored.order.clone().approve(&officer, (compared, &value), now)?;
            let kept = trust_lists::update(tx, &StoredTrustList { order, ..stored }).await?;
            let body = EventBody::TrustListApproved { list_sm3: *list_sm3, signature_sm3: sm3(&value) };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(kept)
        })
    });
    steps.await
}

/// An officer refuses, by a signature over [`to_refuse`]. A list that was refused is not imported again.
///
/// # Errors
/// Why the step is not taken.
pub async fn refuse(services: &Services, list_sm3: &[u8; 32], signed: Signed<'_>) -> Result<StoredTrustList, Error> {
    let now = services.clock.now();
    let steps = services.store.run("refuse trust list", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = trust_lists::find(tx, list_sm3).await?.ok_or(Error::UnknownTrustList)?;
            let value = fixed_value(&officer, signed.signature);
            let order = stored.order.clone().refuse(&officer, &value, now)?;
            let ended = StoredTrustList { order, end_signature: Some(value), ..stored };
            let kept = trust_lists::update(tx, &ended).await?;
            let body = EventBody::TrustListRefused { list_sm3: *list_sm3 };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(kept)
        })
    });
    steps.await
}

/// Brings a list into force that two officers approved; the version before is superseded.
///
/// # Errors
/// Why not: an approval is missing or no longer right, the list has ended, another version came between.
pub async fn activate(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    list_sm3: &[u8; 32],
) -> Result<StoredTrustList, Error> {
    let now = services.clock.now();
    let steps = services.store.run("activate trust list", |tx| {
        Box::pin(async move {
            let stored = trust_lists::find(tx, list_sm3).await?.ok_or(Error::UnknownTrustList)?;
            if stored.order.state != ListState::Imported {
                let from = stored.order.state_name();
                return Err(ListStepRefused::State { from, attempt: "activated" }.into());
            }
            let list = checked(&stored, &services.algorithms, now)?;
            list.in_force(now)?;
            let (offer, above, previous) = offered(tx, &services.algorithms, &list, now).await?;
            if offer != stored.order.offer || above != stored.above {
                return Err(ListStepRefused::BaseChanged.into());
            }
            let mut officers = Vec::new();
            for approval in &stored.order.approvals {
                officers.push(officer_still(tx, &approval.hand.officer).await?);
            }
            let before = previous.as_ref().map(|previous| *previous.sm3());
            let order = stored.order.clone().activate(&officers, before, now)?;
            if let Some(before) = &before {
                let old = trust_lists::find(tx, before).await?.ok_or(Error::UnknownTrustList)?;
                let ended = old.order.clone().supersede(now)?;
                trust_lists::update(tx, &StoredTrustList { order: ended, ..old }).await?;
            }
            let kept = trust_lists::update(tx, &StoredTrustList { order, ..stored }).await?;
            let (name, number) = (kept.order.offer.name.clone(), kept.order.offer.number);
            let body = EventBody::TrustListActivated { name, number, list_sm3: *list_sm3, replaced_sm3: before };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            Ok(kept)
        })
    });
    steps.await
}

/// The lists in force, each verified again: integrity of the row, the list's signatures, both approvals, the list above it,
/// its end.
///
/// # Errors
/// A row is not as we wrote it; the store's.
pub async fn in_force(services: &Services, now: Timestamp) -> Result<InForce, Error> {
    let rows = services.store.read(|tx| {
        Box::pin(async move {
            let mut rows = Vec::new();
            for stored in trust_lists::active(tx).await? {
                let mut officers = Vec::new();
                for approval in &stored.order.approvals {
                    officers.push(registered(tx, &approval.hand.officer).await?);
                }
                rows.push((stored, officers));
            }
            Ok::<_, Error>(rows)
        })
    });
    let mut found = InForce::default();
    let mut usable = Vec::new();
    for (stored, officers) in rows.await? {
        match usable_now(&stored, &officers, services, now) {
            Ok(list) => usable.push((list, stored)),
            Err(error) => found.left_out.push(left_out(&stored, error.code())),
        }
    }
    for (list, stored) in &usable {
        if let Some(above) = &stored.above {
            let still = usable.iter().map(|(one, _)| one).find(|one| one.list().name == *above);
            let no_longer = || ListRefused::NoLongerNamed { above: above.clone() };
            if let Err(refused) = still.ok_or_else(no_longer).and_then(|above| list.still_named(above)) {
                found.left_out.push(left_out(stored, refused.code()));
                continue;
            }
        }
        let evidence = TrustBundle::parse(&stored.evidence)?;
        found.certificates.extend(evidence.certificates);
        found.crls.extend(evidence.crls);
        found.lists.push(list.clone());
    }
    Ok(found)
}

fn usable_now(
    stored: &StoredTrustList,
    officers: &[Option<Officer>],
    services: &Services,
    now: Timestamp,
) -> Result<CheckedList, Error> {
    let list = checked(stored, &services.algorithms, now)?;
    stored.order.is_approved(officers)?;
    list.in_force(now)?;
    Ok(list)
}

fn left_out(stored: &StoredTrustList, code: &'static str) -> LeftOut {
    LeftOut { name: stored.order.offer.name.clone(), number: stored.order.offer.number, code }
}

/// Whoever approved, with the key that is registered. Whether it is an officer still does not count: it was one when the
/// list came into force.
async fn registered(tx: &mut Tx<'_>, id: &CallerId) -> Result<Option<Officer>, Error> {
    let Some(caller) = callers::find(tx, id).await? else { return Ok(None) };
    let key = SubjectPublicKeyInfo::parse(&caller.public_key).ok().and_then(|found| public_key(&found));
    let (role, algorithm) = (OfficerRole::Approver, caller.algorithm.signature());
    Ok(key.map(|key| Officer { id: caller.id, role, key, algorithm }))
}

/// Gives the lists in force to `take`, now and whenever they change, for as long as it is polled. Where the lists cannot be
/// read the last ones stay.
pub async fn keep_current(services: Services, take: impl Fn(InForce) + Send) {
    let mut known = None;
    loop {
        match in_force(&services, services.clock.now()).await {
            Ok(found) => {
                let state = (found.lists.iter().map(|list| *list.sm3()).collect::<Vec<_>>(), found.left_out.clone());
                if known.as_ref() != Some(&state) {
                    for LeftOut { name, number, code } in &found.left_out {
                        tracing::warn!(name, number, code, "a trust list in force is not used");
                    }
                    take(found);
                    known = Some(state);
                }
            }
            Err(error) => tracing::warn!(code = error.code(), "the trust lists cannot be read; the last ones stay"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
