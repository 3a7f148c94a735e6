//! The first step of a seal that is made anew: its code and its key are taken, the key where the old one lay.
//!
//! A pair of a device is made before the transaction that keeps it. A crash between the two leaves a pair in the token that no
//! row names; what fails in any other way is destroyed there. A device that is away stops the run, which goes on when it is back;
//! one that makes no keys of the order's algorithm makes none of its seals, which are refused.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SealId};
use crate::domain::audit::EventBody;
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner};
use crate::domain::seal::remake::RemakeStep;
use crate::service::keys::device::DeviceError;
use crate::service::keys::doors::{DevicePair, make_pair};
use crate::service::keys::{self as key_store, NewKey};
use crate::service::seal_fulfilment::maker_in;
use crate::service::seal_remakes::carrying::{By, event, making, refuse};
use crate::service::{Error, Services, seal_codes};
use crate::store::keys::Custody;
use crate::store::seal_records::StoredSealRecord;
use crate::store::seal_remakes::{self, StoredRemake, StoredRemakeSeal};
use crate::store::{Tx, audit, keys, seal_records, seals};

/// Keys that one thread makes.
const KEYS: usize = 32;
/// Keys of devices that are made before they are kept: so many a crash leaves in a token at most.
const OF_DEVICES: usize = 8;

/// A pair that no row names yet.
enum Pair {
    Software(KeyId, NewKey),
    Device(DevicePair),
}

impl Pair {
    const fn id(&self) -> &KeyId {
        match self {
            Self::Software(id, _) => id,
            Self::Device(pair) => &pair.id,
        }
    }

    async fn keep(
        &self,
        tx: &mut Tx<'_>,
        services: &Services,
        attributes: &KeyAttributes,
        now: Timestamp,
    ) -> Result<EventBody, key_store::Error> {
        match self {
            Self::Software(id, new) => services.keys.keep(tx, id, attributes, (&new.private, &new.public), now).await,
            Self::Device(pair) => pair.keep(tx, services, attributes, now).await,
        }
    }
}

/// A seal that is made anew, and where the key of the old one lies.
struct Placed {
    row: StoredRemakeSeal,
    location: KeyLocation,
}

/// Takes a code and a key for each seal, in one transaction. Seals whose device makes no such keys are refused.
pub(super) async fn begin(
    services: &Services,
    by: By<'_>,
    stored: &StoredRemake,
    rows: Vec<StoredRemakeSeal>,
) -> Result<Vec<StoredRemakeSeal>, Error> {
    let algorithm = stored.order.making.algorithm;
    services.keys.permit_algorithm(algorithm)?;
    let (mut pairs, mut refused) = (Vec::new(), Vec::new());
    let (software, elsewhere): (Vec<_>, Vec<_>) =
        places(services, rows).await?.into_iter().partition(|placed| placed.location == KeyLocation::Software);
    let mut of_devices = Vec::new();
    for Placed { row, location } in elsewhere.into_iter().take(OF_DEVICES) {
        match make_pair(services, location, &attributes(Owner::installation(), algorithm), &of_devices).await {
            Ok(pair) => {
                of_devices.push(pair);
                pairs.push(row);
            }
            Err(error @ key_store::Error::Device(DeviceError::MechanismMissing { .. })) => {
                refused.push((row, error.code()));
            }
            Err(error) => {
                give_up(of_devices).await;
                return Err(error.into());
            }
        }
    }
    let mut taken = pairs.into_iter().zip(of_devices.into_iter().map(Pair::Device)).collect::<Vec<_>>();
    let made = new_keys(services, algorithm, software.len()).await;
    let now = services.clock.now();
    match made {
        Ok(made) => {
            for (Placed { row, .. }, new) in software.into_iter().zip(made) {
                taken.push((row, Pair::Software(KeyId::fresh(now, &*services.random)?, new)));
            }
        }
        Err(error) => {
            give_up(taken.into_iter().filter_map(|(_, pair)| of_device(pair)).collect()).await;
            return Err(error);
        }
    }
    let begun = match refuse(services, by, &stored.id, &refused).await {
        Ok(()) => take(services, by, (stored, &taken), now).await,
        Err(error) => Err(error),
    };
    if begun.is_err() {
        give_up(taken.into_iter().filter_map(|(_, pair)| of_device(pair)).collect()).await;
    }
    begun
}

fn of_device(pair: Pair) -> Option<DevicePair> {
    match pair {
        Pair::Device(pair) => Some(pair),
        Pair::Software(..) => None,
    }
}

async fn give_up(pairs: Vec<DevicePair>) {
    for pair in pairs {
        pair.give_up().await;
    }
}

fn attributes(owner: Owner, algorithm: KeyAlgorithm) -> KeyAttributes {
    KeyAttributes::new(owner, KeyPurpose::SealSigning, algorithm)
}

/// Where the keys of the old seals lie; in software, where there is none of ours.
async fn places(services: &Services, rows: Vec<StoredRemakeSeal>) -> Result<Vec<Placed>, Error> {
    let wanted = &rows;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for row in wanted {
                let old = seals::find(tx, &row.seal).await?.ok_or(Error::UnknownSeal)?;
                let key = match &old.signer_key {
                    Some(key) => keys::find(tx, key).await?,
                    None => None,
                };
                found.push(match key.map(|key| key.custody) {
                    Some(Custody::Device { location, .. }) => location,
                    _ => KeyLocation::Software,
                });
            }
            Ok::<_, Error>(found)
        })
    });
    let found = steps.await?;
    Ok(rows.into_iter().zip(found).map(|(row, location)| Placed { row, location }).collect())
}

async fn take(
    services: &Services,
    by: By<'_>,
    (stored, taken): (&StoredRemake, &[(StoredRemakeSeal, Pair)]),
    now: Timestamp,
) -> Result<Vec<StoredRemakeSeal>, Error> {
    let names = taken.iter().map(|_| SealId::fresh(now, &*services.random)).collect::<Result<Vec<_>, _>>()?;
    let names = &names;
    let steps = services.store.run("begin seals re-made", |tx| {
        Box::pin(async move {
            let stored = making(tx, &stored.id).await?;
            // Before codes are taken for nothing.
            maker_in(services, tx, now).await?;
            let mut begun = Vec::new();
            for ((row, pair), successor) in taken.iter().zip(names) {
                let record = seal_records::find(tx, &row.seal).await?.ok_or(Error::UnknownSeal)?;
                let code = seal_codes::take(tx, &record.holder.division).await?;
                let attributes = attributes(owner_of(&record), stored.order.making.algorithm);
                let body = pair.keep(tx, services, &attributes, now).await?;
                let intended = EventBody::SealRemakeIntended {
                    remake: stored.id.clone(),
                    seal: row.seal.clone(),
                    by: successor.clone(),
                    code: code.to_string(),
                    signer: pair.id().clone(),
                };
                audit::append_many(tx, &[event(by, now, body), event(by, now, intended)]).await?;
                let taken = Some((successor.clone(), code, pair.id().clone()));
                let next = StoredRemakeSeal { step: RemakeStep::Begun, taken, since: now, ..row.clone() };
                begun.push(seal_remakes::update_seal(tx, &next).await?);
            }
            Ok::<_, Error>(begun)
        })
    });
    steps.await
}

fn owner_of(record: &StoredSealRecord) -> Owner {
    Owner::parse(&record.holder.name).unwrap_or_else(|_| Owner::not_recorded())
}

/// Pairs of keys, made on several threads.
async fn new_keys(services: &Services, algorithm: KeyAlgorithm, count: usize) -> Result<Vec<NewKey>, Error> {
    let (mut made, mut at_work, mut left) = (Vec::with_capacity(count), JoinSet::new(), count);
    while left > 0 {
        let (part, random) = (left.min(KEYS), Arc::clone(&services.random));
        left = left.saturating_sub(part);
        at_work.spawn_blocking(move || {
            let new = |_| NewKey::generate(KeyPurpose::SealSigning, algorithm, &*random);
            (0..part).map(new).collect::<Result<Vec<_>, _>>()
        });
    }
    while let Some(joined) = at_work.join_next().await {
        made.extend(joined.map_err(|_| Error::Interrupted)??);
    }
    Ok(made)
}
