//! The one way to change where a seal stands: the row, and what offices elsewhere are to be told of it, in one transaction.

use crate::domain::seal::State;
use crate::service::offices::{FILING, NATIONAL_MAKER};
use crate::service::{Error, offices};
use crate::store::seals::StoredSeal;
use crate::store::{Tx, seals};

/// Gives a seal a new state; whoever calls it records the event.
///
/// # Errors
/// The store's; the row is no longer at the version of `seal`.
pub(in crate::service) async fn change_state(
    tx: &mut Tx<'_>,
    seal: &StoredSeal,
    next: State,
) -> Result<StoredSeal, Error> {
    let changed = seals::change_state(tx, seal, next).await?;
    offices::tell_state(tx, &changed, &[NATIONAL_MAKER, FILING]).await?;
    Ok(changed)
}
