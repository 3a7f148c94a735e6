//! After a restore: what a mirror has, and the database does not any more, is taken in. The log goes on behind it, so no
//! number is given twice and no head disagrees with one that was ever signed.
//!
//! Leaves can be taken in, events cannot: a mirror has commitments only. Those that are lost are a gap, which two officers
//! approve and an event names.

use std::sync::Arc;

use crate::base::id::CallerId;
use crate::domain::audit::tree::{Tiles, TreeHash, root_at, root_tiles};
use crate::domain::audit::{Actor, Entry, Event, EventBody, LoggedEvent};
use crate::domain::ca::log_gap::LogGap;
use crate::format::tlog::tile::{FULL, bundles_between, read_bundle, tiles_between};
use crate::service::audit_log::agreeing::stated;
use crate::service::audit_log::checking::{LogSource as _, check};
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::stored::StoredLog;
use crate::service::audit_log::{Error, tiles};
use crate::service::officers::{fixed_value, officer_in};
use crate::service::{Error as ServiceError, Services};
use crate::store::log::{self, LogHead, StoredTile, TileKind};
use crate::store::{self, audit};

/// What a mirror has and the database does not: checked, and not taken in yet.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The size that is signed here.
    pub signed: u64,
    /// What is lost; empty where the database has every event still.
    pub gap: LogGap,
    /// Events that there are here.
    events: u64,
    head: LogHead,
    tiles: Vec<StoredTile>,
    things: Vec<([u8; 32], i64)>,
    unread: Vec<i64>,
}

/// Looks at a mirror that is ahead: checks it and the own log whole, that it is the own log's continuation, and that the
/// events which are here and not signed yet are those of its leaves. Changes nothing.
///
/// # Errors
/// [`Error::Unsound`]: the mirror, or the own log, is wrong; [`Error::NothingToAdopt`]: it is not ahead; [`Error::Forked`]:
/// it is another history, or events were written here after the restore; the store's.
pub async fn ahead(services: &Services, mirror: &FolderLog) -> Result<Adoption, ServiceError> {
    let (own, believed) = StoredLog::of(services).await?;
    let named = mirror.folder().display().to_string();
    let wrong = |whose: &str| {
        let whose = whose.to_owned();
        move |error| Error::Unsound { whose, error: Box::new(error) }
    };
    let here = check(Arc::new(own.clone()), &believed).await?.map_err(wrong("the log of the database"))?;
    let there = check(Arc::new(mirror.clone()), &believed).await?.map_err(wrong(&named))?;
    let (from, to) = (here.size, there.size);
    if to <= from {
        return Err(Error::NothingToAdopt { folder: mirror.folder().to_owned(), size: to, signed: from }.into());
    }
    for (tree, root) in TreeHash::ALL.into_iter().zip(&here.roots) {
        let mut held = Tiles::new();
        for tile in root_tiles(from, to).map_err(Error::from)? {
            if let Some(octets) = mirror.tile(tree, tile).await? {
                held.insert(tile, octets).map_err(Error::from)?;
            }
        }
        if root_at(tree, from, to, &held).map_err(Error::from)? != *root {
            return Err(Error::Forked { witness: named, tree, size: from }.into());
        }
    }
    let events = services.store.read(|tx| Box::pin(audit::count(tx))).await?;
    let events = u64::try_from(events).unwrap_or(0);
    let mut tiles = Vec::new();
    for tree in TreeHash::ALL {
        for tile in tiles_between(from, to) {
            let octets = mirror.tile(tree, tile).await?.ok_or(Error::NoSuchFile)?;
            let (level, number, width) = (tile.level(), tile.index(), tile.width());
            tiles.push(StoredTile { kind: tiles::kind(tree), level, number, width, octets });
        }
    }
    let (mut things, mut unread) = (Vec::new(), Vec::new());
    for bundle in bundles_between(from, to) {
        let octets = mirror.bundle(bundle).await?.ok_or(Error::NoSuchFile)?;
        let first = bundle.index().saturating_mul(u64::from(FULL));
        let entries = read_bundle(&octets, bundle.width()).map_err(|_| Error::NoSuchFile)?;
        let (start, count) = (signed(first), i64::from(bundle.width()));
        let rows = services.store.read(|tx| Box::pin(audit::commitments(tx, start, count))).await?;
        for (index, entry) in (first..).zip(entries).filter(|(index, _)| (from..events).contains(index)) {
            match rows.get(&signed(index)) {
                Some(Some(row)) => {
                    let own = Entry::of_der(&row.event, &row.salt).map_err(Error::from)?;
                    if own.to_octets().as_slice() != entry {
                        return Err(Error::Forked { witness: named, tree: TreeHash::Sm3, size: index }.into());
                    }
                    match LoggedEvent::from_der(&row.event).map_err(|_| Error::OtherEvent { index })? {
                        LoggedEvent::Known(event) => {
                            things.extend(event.body.things().into_iter().map(|thing| (thing, row.number)));
                        }
                        LoggedEvent::Unknown(_) => unread.push(row.number),
                    }
                }
                Some(None) => {}
                None => return Err(Error::MissingEvent { index }.into()),
            }
        }
        let (number, width) = (bundle.index(), bundle.width());
        tiles.push(StoredTile { kind: TileKind::Entries, level: 0, number, width, octets });
    }
    let notes = [mirror.note(TreeHash::Sm3).await?, mirror.note(TreeHash::Sha256).await?];
    let [Some(sm3_note), sha256_note] = notes else { return Err(Error::NoSuchFile.into()) };
    // What was checked and what is taken are of one size, though somebody writes the mirror meanwhile.
    for note in [Some(&sm3_note), sha256_note.as_ref()].into_iter().flatten() {
        if stated(note)?.0 != to {
            return Err(Error::NothingToAdopt { folder: mirror.folder().to_owned(), size: to, signed: from }.into());
        }
    }
    let [sm3_root, sha256_root] = there.roots;
    let gap = LogGap { origin: own.origin().to_owned(), from: events.min(to), to, sm3_root, sha256_root };
    let signed_at = services.clock.now();
    let head = LogHead { origin: own.origin().to_owned(), size: to, signed_at, sm3_note, sha256_note };
    Ok(Adoption { signed: from, gap, events, head, tiles, things, unread })
}

impl Adoption {
    /// The octets that this officer signs to approve the gap.
    ///
    /// # Errors
    /// The officer is none.
    pub async fn to_sign(&self, services: &Services, officer: &CallerId) -> Result<Vec<u8>, ServiceError> {
        let found = services.store.read(|tx| Box::pin(officer_in(tx, officer)));
        found.await.map(|(officer, _)| self.gap.to_sign(&officer))
    }

    /// Takes it in: tiles and head as the mirror has them, and every lost event as erased, its number never to be given
    /// again. All or nothing. Where an event is lost, two officers' signatures are needed, and an event says so; gives its
    /// number.
    ///
    /// # Errors
    /// [`Error::Gap`]: the approvals; the store's, with [`store::Error::Stale`] where something was written meanwhile.
    pub async fn adopt(
        &self,
        services: &Services,
        approvals: &[(CallerId, Vec<u8>)],
    ) -> Result<Option<i64>, ServiceError> {
        let now = services.clock.now();
        let (gap, head) = (&self.gap, &self.head);
        let steps = services.store.run("adopt log", |tx| {
            Box::pin(async move {
                let mut officers = Vec::new();
                for (id, value) in approvals {
                    let (officer, _) = officer_in(tx, id).await?;
                    let value = fixed_value(&officer, value);
                    officers.push((officer, value));
                }
                if !gap.is_empty() {
                    gap.is_approved(&officers).map_err(Error::Gap)?;
                }
                if audit::count(tx).await? != signed(self.events) {
                    return Err(store::Error::Stale { table: "audit_head", row: "1".to_owned() }.into());
                }
                log::advance(tx, self.signed, head).await?;
                for tile in &self.tiles {
                    log::put_tile(tx, tile).await?;
                }
                log::note_things(tx, &self.things).await?;
                log::note_unread(tx, &self.unread).await?;
                let (Some((first, first_signature)), Some((second, second_signature))) =
                    (officers.first(), officers.get(1))
                else {
                    return Ok(None);
                };
                if gap.is_empty() {
                    return Ok(None);
                }
                audit::lose(tx, (signed(gap.from), signed(gap.to)), now).await?;
                let body = EventBody::LogGapRecorded {
                    from: gap.from,
                    to: gap.to,
                    sm3_root: gap.sm3_root,
                    sha256_root: gap.sha256_root,
                    first: first.id.clone(),
                    first_signature: first_signature.clone(),
                    second: second.id.clone(),
                    second_signature: second_signature.clone(),
                };
                let event = Event { at: now, actor: Actor::Operator, request: None, body };
                Ok::<_, ServiceError>(Some(audit::append(tx, &event).await?))
            })
        });
        steps.await
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
