//! The end of a seal's validity: noted by a look of the service, once, with its event; and told by the clock before that.
//!
//! Where a seal stands is a row, and its end a moment in the seal itself that nobody comes by for. So the service looks: each
//! seal's end is kept beside it as a number by which due ones are found, and nothing is decided by that number: the seal says
//! when its validity ends. A crash loses nothing, days without a service neither: what is due stays due.
//!
//! Whoever reads a seal meanwhile reads it by the clock (`by_the_clock`): so it is `expired` for everybody from the same
//! moment, whether the look has come by or not.

use crate::base::clock::Timestamp;
use crate::base::id::SealId;
use crate::domain::audit::{Actor, Event};
use crate::domain::seal::{State, signing};
use crate::format::ses::SesSeal;
use crate::service::{Error, Services, seal_changes};
use crate::store::seals::StoredSeal;
use crate::store::{self, Tx, audit, seals};

/// Seals of one transaction that notes ends, and such transactions of one look.
const MOST_NOTED: i64 = 500;
const MOST_PAGES: usize = 200;
/// Seals that one look ends, each by a transaction of its own.
const MOST_ENDED: usize = 5_000;
/// Seals that are read at once.
const TOGETHER: i64 = 200;
/// A seal whose row is not as it was written is looked at again after so many seconds.
const LATER: i64 = 3_600;

/// When the validity of a seal ends; nothing where the seal cannot be read.
fn end(seal: &StoredSeal) -> Option<Timestamp> {
    SesSeal::parse_any(&seal.seal_der).ok().map(|read| read.valid_end)
}

/// A seal as it stands by the clock: expired once its validity is over, unless it ended otherwise before.
#[must_use]
pub(in crate::service) fn by_the_clock(seal: StoredSeal, now: Timestamp) -> StoredSeal {
    match end(&seal) {
        Some(valid_to) => StoredSeal { state: seal.state.clone().seen(valid_to, now), ..seal },
        None => seal,
    }
}

/// Ends what is due: each seal whose validity is over becomes expired, with its event; gives how many. Several services on one
/// database do not disturb each other: whoever comes second finds it done.
///
/// # Errors
/// The store's; a row that is not as it was written is refused and alarmed, and keeps no other waiting.
pub async fn expire_due(services: &Services) -> Result<u64, Error> {
    note_ends(services).await?;
    let (mut expired, mut looked_at) = (0_u64, 0_usize);
    while looked_at < MOST_ENDED {
        let now = services.clock.now();
        let due = services.store.read(|tx| Box::pin(seals::ending_before(tx, now, TOGETHER))).await?;
        if due.is_empty() {
            break;
        }
        looked_at = looked_at.saturating_add(due.len());
        for id in &due {
            match expire(services, id, now).await {
                Ok(true) => expired = expired.saturating_add(1),
                Ok(false) => {}
                Err(error @ Error::Store(store::Error::Inconsistent { .. })) => {
                    tracing::error!(seal = %id, code = error.code(), "a seal is not ended: {error}");
                    note(services, id, now.plus_seconds(LATER)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(expired)
}

/// Notes when seals end of which that is not kept yet: new ones, and those of an older program.
async fn note_ends(services: &Services) -> Result<(), Error> {
    for _ in 0..MOST_PAGES {
        let steps = services.store.run("note ends of seals", |tx| {
            Box::pin(async move {
                let unknown = seals::ends_unknown(tx, MOST_NOTED).await?;
                for (id, der) in &unknown {
                    // One that cannot be read, or is not as it was written, is met where it is used.
                    let end = SesSeal::parse_any(der).map_or(seals::NEVER, |read| read.valid_end);
                    seals::note_end(tx, id, end).await?;
                }
                Ok::<_, Error>(i64::try_from(unknown.len()).unwrap_or(i64::MAX))
            })
        });
        if steps.await? < MOST_NOTED {
            break;
        }
    }
    Ok(())
}

async fn note(services: &Services, id: &SealId, end: Timestamp) -> Result<(), Error> {
    Ok(services.store.run("note end of seal", |tx| Box::pin(seals::note_end(tx, id, end))).await?)
}

/// Ends one seal, if it is due; gives whether it was. State, event and number in one transaction.
async fn expire(services: &Services, id: &SealId, now: Timestamp) -> Result<bool, Error> {
    let steps = services.store.run("expire seal", |tx| {
        Box::pin(async move {
            let seal = seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?;
            let valid_to = end(&seal).ok_or(signing::Error::Signature)?;
            if seal.state.is_ended() {
                seals::note_end(tx, id, seals::NEVER).await?;
                return Ok(false);
            }
            if valid_to >= now {
                // The number is not the seal's.
                seals::note_end(tx, id, valid_to).await?;
                return Ok(false);
            }
            end_of(tx, &seal, valid_to, now).await?;
            Ok::<_, Error>(true)
        })
    });
    steps.await
}

async fn end_of(tx: &mut Tx<'_>, seal: &StoredSeal, valid_to: Timestamp, now: Timestamp) -> Result<(), Error> {
    let (state, body): (State, _) = seal.state.clone().expire(&seal.id, valid_to, now)?;
    seal_changes::change_state(tx, seal, state).await?;
    seals::note_end(tx, &seal.id, seals::NEVER).await?;
    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
    Ok(())
}
