//! Codes of seals: ranges are assigned to divisions, and a code is taken for each seal that is made, once.

use crate::base::division::Division;
use crate::base::id::RequestId;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::seal::code::{CodeError, CodeRange, SealCode};
use crate::service::{Error, Services};
use crate::store::seal_code_ranges::StoredRange;
use crate::store::{Tx, audit, seal_code_ranges, seal_makings};

/// So many codes of a range that seals from elsewhere may have already are looked at together.
const PASSED_OVER: u32 = 1000;

/// Assigns the codes from the first to the last number to a division of six digits.
///
/// # Errors
/// [`Error::SealCode`]: the bounds are none, the division has no codes of its own, or the range overlaps another one.
pub async fn assign(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    division: &Division,
    (first, last): (u32, u32),
) -> Result<CodeRange, Error> {
    let now = services.clock.now();
    let body = EventBody::CodeRangeAssigned { division: division.code(), first: first.into(), last: last.into() };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("assign seal codes", |tx| {
        Box::pin(async move {
            let others = seal_code_ranges::of(tx, division).await?;
            let others = others.into_iter().map(|other| other.range).collect::<Vec<_>>();
            let range = CodeRange::assign(division, (first, last), &others)?;
            seal_code_ranges::insert(tx, &range).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(range)
        })
    });
    steps.await
}

/// Every range, by division.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<CodeRange>, Error> {
    let all = services.store.read(|tx| Box::pin(seal_code_ranges::all(tx))).await?;
    Ok(all.into_iter().map(|stored: StoredRange| stored.range).collect())
}

/// Takes the next code for a holder there: from a range of its own division, else of the nearest one around it that has
/// codes left. Codes that a seal from elsewhere has are passed over.
///
/// # Errors
/// [`CodeError::Exhausted`].
pub(in crate::service) async fn take(tx: &mut Tx<'_>, holder: &Division) -> Result<SealCode, Error> {
    for division in holder.around() {
        for stored in seal_code_ranges::of(tx, &division).await? {
            let mut range = stored.range.clone();
            while range.left() > 0 {
                let ahead = range.ahead(PASSED_OVER);
                let taken = seal_makings::taken_between(tx, (&ahead.0, &ahead.1)).await?;
                for _ in 0..PASSED_OVER {
                    let Ok((code, after)) = range.take() else { break };
                    range = after;
                    if !taken.contains(code.as_str()) {
                        seal_code_ranges::moved(tx, &stored, &range).await?;
                        return Ok(code);
                    }
                }
            }
        }
    }
    Err(CodeError::Exhausted { division: holder.clone() }.into())
}
