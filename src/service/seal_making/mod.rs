//! Where seals are made: two doors behind one step of `seal_fulfilment`, which says between its transactions what each gives.
//!
//! *Our own maker's key*: an authority of ours issues the signer's certificate, the key signs, at once. *The national system*
//! ([`national`]): the signer's request is ordered there, and the seal comes back with its certificate, later. Which of them
//! an application uses is fixed when it is drafted, by the types that the configuration gives to the national system.

pub(in crate::service) mod national;

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SealId};
use crate::domain::seal::application::{Maker, Wanted};
use crate::domain::seal::arrival::Fitting;
use crate::service::{Error, Services};

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
