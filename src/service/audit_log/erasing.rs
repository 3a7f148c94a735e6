//! Erasing single events, by two officers: salt and event go, the leaf stays, and an event names numbers and reason.
//!
//! All of it is one transaction: *a crash before its commit* erases nothing, and after it the event is there that says so.

use std::collections::BTreeSet;

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::audit::tree::TreeHash;
use crate::domain::audit::{Actor, Entry, ErasureReason, Event, EventBody, LoggedEvent};
use crate::domain::ca::erasure::{Bounds, Erasure, ErasureRefused, MOST};
use crate::format::tlog::tile::FULL;
use crate::service::audit_log::Error;
use crate::service::audit_log::agreeing::stated;
use crate::service::audit_log::checking::LogSource as _;
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::tiles::Bundles;
use crate::service::officers::{fixed_value, officer_in};
use crate::service::{Error as ServiceError, Services};
use crate::store::{self, Tx, audit, erasures, log, watching};

/// What an installation promises to keep.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// For so many days nothing goes (`log.retention_days`).
    pub days: u32,
    /// What has to have every leaf first.
    pub mirror: Option<FolderLog>,
}

/// The terms as they are now.
#[derive(Debug, Clone, Copy)]
pub(super) struct TermsNow {
    pub(super) before: Timestamp,
    mirrored: Option<u64>,
}

impl Terms {
    pub(super) async fn now(&self, services: &Services) -> Result<TermsNow, ServiceError> {
        let mut mirrored = None;
        if let Some(mirror) = &self.mirror {
            // What has no checkpoint has no leaf for sure.
            let mut least = 0;
            for (place, tree) in TreeHash::ALL.into_iter().enumerate() {
                let Some(note) = mirror.note(tree).await? else { continue };
                let (size, _) = stated(&note)?;
                least = if place == 0 { size } else { size.min(least) };
            }
            mirrored = Some(least);
        }
        let before = services.clock.now().plus_days(-i64::from(self.days));
        Ok(TermsNow { before, mirrored })
    }
}

impl TermsNow {
    /// How far the log is known, in this transaction.
    pub(super) async fn bounds(&self, tx: &mut Tx<'_>) -> Result<Bounds, ServiceError> {
        let head = log::head(tx).await?.ok_or(Error::Off)?;
        let followers = watching::positions(tx).await?.into_iter();
        let followers = followers.map(|(name, next)| (name, u64::try_from(next).unwrap_or(0))).collect();
        Ok(Bounds { integrated: head.size, followers, mirrored: self.mirrored, before: self.before })
    }
}

/// An erasure that was found possible, and is not done yet.
#[derive(Debug, Clone)]
pub struct ProposedErasure {
    terms: Terms,
    erasure: Erasure,
}

/// Looks whether those events may be erased. Changes nothing.
///
/// # Errors
/// [`Error::Erasing`]: what keeps them; [`Error::Erased`], [`Error::NoSuchLeaf`]; [`Error::OtherEvent`],
/// [`Error::MissingEvent`]: rows were changed by hand; the store's.
pub async fn propose(
    services: &Services,
    terms: &Terms,
    numbers: &[u64],
    reason: ErasureReason,
) -> Result<ProposedErasure, ServiceError> {
    let now = terms.now(services).await?;
    let bundles = &bundles(services, numbers).await?;
    let found = services.store.read(|tx| Box::pin(found(tx, bundles, now, (numbers, reason))));
    Ok(ProposedErasure { terms: terms.clone(), erasure: found.await? })
}

impl ProposedErasure {
    /// The numbers, rising.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        self.erasure.leaves.iter().map(|(number, _)| *number).collect()
    }

    /// The octets that this officer signs to approve.
    ///
    /// # Errors
    /// The officer is none.
    pub async fn to_sign(&self, services: &Services, officer: &CallerId) -> Result<Vec<u8>, ServiceError> {
        let found = services.store.read(|tx| Box::pin(officer_in(tx, officer)));
        found.await.map(|(officer, _)| self.erasure.to_sign(&officer))
    }

    /// Erases the events, and what the database still holds of deleted rows. Gives the number of the event that says so.
    ///
    /// # Errors
    /// [`Error::Erasing`]: the approvals; as [`propose`], by what is there now; the store's.
    pub async fn erase(&self, services: &Services, approvals: &[(CallerId, Vec<u8>)]) -> Result<i64, ServiceError> {
        let (terms, numbers) = (self.terms.now(services).await?, self.numbers());
        let (at, numbers, erasure) = (services.clock.now(), &numbers[..], &self.erasure);
        let bundles = &bundles(services, numbers).await?;
        let steps = services.store.run("erase events", |tx| {
            Box::pin(async move {
                let mut officers = Vec::new();
                for (id, value) in approvals {
                    let (officer, _) = officer_in(tx, id).await?;
                    let value = fixed_value(&officer, value);
                    officers.push((officer, value));
                }
                let erasure = &found(tx, bundles, terms, (numbers, erasure.reason)).await?;
                erasure.is_approved(&officers).map_err(ErasureRefused::from).map_err(Error::from)?;
                let mut hands = officers.into_iter().map(|(officer, signature)| (officer.id, signature));
                let (Some((first, first_signature)), Some((second, second_signature))) = (hands.next(), hands.next())
                else {
                    return Err(ServiceError::Interrupted);
                };
                let (numbers, reason) = (numbers.to_vec(), erasure.reason);
                let body =
                    EventBody::EventsErased { numbers, reason, first, first_signature, second, second_signature };
                let event = audit::append(tx, &Event { at, actor: Actor::Operator, request: None, body }).await?;
                for (number, _) in &erasure.leaves {
                    let number = signed(*number);
                    if audit::erase(tx, (number, number), at, event).await? != 1 {
                        return Err(store::Error::Stale { table: "audit_events", row: number.to_string() }.into());
                    }
                }
                Ok::<_, ServiceError>(event)
            })
        });
        let event = steps.await?;
        services.store.forget_deleted().await?;
        Ok(event)
    }
}

/// The bundles of those events, which may lie elsewhere: they are read before any transaction.
async fn bundles(services: &Services, numbers: &[u64]) -> Result<Bundles, ServiceError> {
    let count = numbers.iter().collect::<BTreeSet<_>>().len();
    if !(1..=MOST).contains(&count) {
        return Err(Error::from(ErasureRefused::Count { count }).into());
    }
    let size = services.store.read(|tx| Box::pin(log::head(tx))).await?.ok_or(Error::Off)?.size;
    let indices = numbers.iter().map(|number| number / u64::from(FULL)).collect::<BTreeSet<_>>();
    Bundles::read(services, size, indices).await
}

/// The events as their leaves are now, each of them permitted.
async fn found(
    tx: &mut Tx<'_>,
    bundles: &Bundles,
    terms: TermsNow,
    (numbers, reason): (&[u64], ErasureReason),
) -> Result<Erasure, ServiceError> {
    let numbers = numbers.iter().copied().collect::<BTreeSet<_>>();
    let origin = log::head(tx).await?.ok_or(Error::Off)?.origin;
    let bounds = terms.bounds(tx).await?;
    // What was integrated since the bundles were read is told as what it was then.
    let bounds = Bounds { integrated: bounds.integrated.min(bundles.size()), ..bounds };
    let mut leaves = Vec::with_capacity(numbers.len());
    for index in numbers {
        let Some(row) = audit::find_salted(tx, signed(index)).await? else {
            return Err(gone(tx, index).await?.into());
        };
        let event = LoggedEvent::from_der(&row.event).map_err(|_| Error::OtherEvent { index })?;
        bounds.permit(index, event.known().map(Event::class), event.at()).map_err(Error::from)?;
        let entry = Entry::of_der(&row.event, &row.salt).map_err(Error::from)?.to_octets();
        // What the officers sign, and what goes, is what the leaf commits to.
        if leaf(bundles, index)? != Some(&entry[..]) {
            return Err(Error::OtherEvent { index }.into());
        }
        leaves.push((index, entry));
    }
    Ok(Erasure { origin, leaves, reason })
}

/// The entry of a leaf, from its bundle.
fn leaf(bundles: &Bundles, index: u64) -> Result<Option<&[u8]>, ServiceError> {
    let full = u64::from(FULL);
    let place = usize::try_from(index % full).unwrap_or(usize::MAX);
    Ok(bundles.entries(index / full)?.and_then(|entries| entries.get(place).copied()))
}

/// Why there is no event of that number.
pub(super) async fn gone(tx: &mut Tx<'_>, index: u64) -> Result<Error, ServiceError> {
    let (number, size) = (signed(index), u64::try_from(audit::count(tx).await?).unwrap_or(0));
    if index >= size {
        return Ok(Error::NoSuchLeaf { index, size });
    }
    let erased = !erasures::within(tx, number, number).await?.is_empty();
    Ok(if erased { Error::Erased { index } } else { Error::MissingEvent { index } })
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
