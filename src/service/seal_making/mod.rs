//! Where seals are made: two doors behind one step of `seal_fulfilment`, which says between its transactions what each gives.
//!
//! *Our own maker's key*: an authority of ours issues the signer's certificate, the key signs, at once. *The national system*
//! ([`national`]): the signer's request is ordered there, and the seal comes back with its certificate, later. Which of them
//! an application uses is fixed when it is drafted, by the types that the configuration gives to the national system.

pub(in crate::service) mod national;

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SealId};
use crate::crypto::Signer;
use crate::domain::seal::application::{Maker, Wanted};
use crate::domain::seal::arrival::Fitting;
use crate::domain::seal::maker::{SealStamps, SealToken};
use crate::service::issuance::Issuance;
use crate::service::stamping::{self, Stamping};
use crate::service::{Error, Services};

/// What seals are made with here.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Issues the certificates of their signers.
    pub issuance: &'a Issuance,
    /// Stamps the time of those that get a time stamp of their own.
    pub stamping: Option<&'a Stamping>,
}

/// The maker's key signs, and where the settings want it and the form has a place, our time-stamping unit stamps the value
/// (GM/T 0031-2025). A unit that is silent or refuses leaves nothing half made: the value was never released, and the same
/// step is taken again, with the same code and certificate, once it is back.
///
/// # Errors
/// The key's; [`stamping::Error`]: no time stamp could be made.
pub(in crate::service) async fn signed(
    services: &Services,
    stamping: Option<&Stamping>,
    (signer, token): (Arc<dyn Signer>, SealToken),
) -> Result<Vec<u8>, Error> {
    let random = Arc::clone(&services.random);
    let value = services.pool.sign(signer, token.to_sign().to_vec(), random).await?;
    let checked = tokio::task::spawn_blocking(move || token.value(&value));
    let value = checked.await.map_err(|_| Error::Interrupted)??;
    let time_stamp = match services.seal_stamps {
        SealStamps::V5 if value.has_time_stamp() => {
            Some(stamping.ok_or(stamping::Error::Idle)?.token_over(value.octets()).await?)
        }
        _ => None,
    };
    Ok(value.assemble(time_stamp.as_deref())?)
}

/// Who made a seal.
pub(in crate::service) enum MadeBy {
    /// Our own maker's key.
    Own(KeyId),
    /// The national system.
    National(Box<Fitting>),
}

/// A seal that a maker signed, and that is not kept yet.
pub(in crate::service) struct SignedSeal {
    pub(in crate::service) der: Vec<u8>,
    pub(in crate::service) by: MadeBy,
    pub(in crate::service) certificate_sm3: [u8; 32],
    pub(in crate::service) valid_to: Timestamp,
    pub(in crate::service) wanted: Wanted,
    pub(in crate::service) predecessor: Option<SealId>,
}

/// Whether a seal of that type is applied for at that maker.
///
/// # Errors
/// [`Error::SealMaker`]: another one makes it; [`Error::NoSealMaker`]: the installation writes to no national system.
pub(in crate::service) fn may_make(services: &Services, wanted: &Wanted) -> Result<(), Error> {
    match (&wanted.maker, &services.offices.maker) {
        (Maker::National, None) => Err(Error::NoSealMaker),
        (Maker::Own(_), None) => Ok(()),
        (maker, Some(office)) => match office.kinds.contains(&wanted.kind) == (*maker == Maker::National) {
            true => Ok(()),
            false => Err(Error::SealMaker { kind: wanted.kind }),
        },
    }
}
