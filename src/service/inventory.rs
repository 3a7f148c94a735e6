//! What our authorities issued: found, counted, written out, and forgotten when the law lets us.

use std::io::{self, Write};

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest::hex;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::format::keys::write_pem;
use crate::service::{Error, Services};
use crate::store::issued_certificates::{self, Filter, IssuedCertificate};
use crate::store::{Tx, audit, authorities, certificate_requests, renewals};

/// The most that one page of a search holds.
pub const MOST_IN_PAGE: i64 = 500;
/// Certificates that one transaction forgets: others wait no longer than that takes.
const MOST_FORGOTTEN: i64 = 1000;
/// Requests that one transaction forgets.
const MOST_REQUESTS: i64 = 200;
/// Days of a year, rounded up: records are rather kept a day longer.
const DAYS_OF_YEAR: i64 = 366;

/// A page of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The certificates, oldest first.
    pub certificates: Vec<IssuedCertificate>,
    /// Where the next page begins; nothing when there is none.
    pub next: Option<i64>,
}

/// How many certificates of one authority, profile and status have not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Who issued them.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// `active`, `suspended` or `revoked`.
    pub status: String,
    /// How many.
    pub certificates: u64,
}

/// How long records of certificates are kept after their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(u32);

impl Retention {
    /// The Electronic Signature Law of China, article 24, wants five years after the certificate's end (recollection).
    pub const LEAST_YEARS: u32 = 5;

    /// So many years.
    ///
    /// # Errors
    /// [`Error::Retention`]: fewer than [`Self::LEAST_YEARS`].
    pub const fn years(years: u32) -> Result<Self, Error> {
        if years < Self::LEAST_YEARS { Err(Error::Retention { least: Self::LEAST_YEARS }) } else { Ok(Self(years)) }
    }

    /// Certificates that ended before this moment may be forgotten now.
    #[must_use]
    pub fn bound(self, now: Timestamp) -> Timestamp {
        now.plus_days(i64::from(self.0).saturating_mul(-DAYS_OF_YEAR))
    }
}

/// Octets as commands and answers name them: an SM3, a serial number.
#[must_use]
pub fn hexadecimal(octets: &[u8]) -> String {
    hex(octets)
}

/// The certificate with that SM3.
///
/// # Errors
/// [`Error::UnknownCertificate`].
pub async fn find(services: &Services, sm3: &[u8; 32]) -> Result<IssuedCertificate, Error> {
    let found = services.store.read(|tx| Box::pin(issued_certificates::find_by_sm3(tx, sm3))).await?;
    found.ok_or(Error::UnknownCertificate)
}

/// The certificate of that authority with that serial number.
///
/// # Errors
/// [`Error::UnknownCertificate`].
pub async fn find_by_serial(
    services: &Services,
    authority: &AuthorityId,
    serial: &[u8],
) -> Result<IssuedCertificate, Error> {
    let found = services.store.read(|tx| Box::pin(issued_certificates::find(tx, authority, serial))).await?;
    found.ok_or(Error::UnknownCertificate)
}

/// Certificates that the filter describes, from the one behind `after` on, at most `limit` and [`MOST_IN_PAGE`].
///
/// # Errors
/// The store's.
pub async fn search(services: &Services, filter: &Filter, after: i64, limit: i64) -> Result<Page, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    let more = limit.saturating_add(1);
    let mut found = services.store.read(|tx| Box::pin(issued_certificates::search(tx, filter, after, more))).await?;
    let full = i64::try_from(found.len()) == Ok(more);
    if full {
        found.pop();
    }
    let next = found.last().filter(|_| full).map(|(number, _)| *number);
    Ok(Page { certificates: found.into_iter().map(|(_, certificate)| certificate).collect(), next })
}

/// Certificates with that serial number among those that the filter describes: of each authority one at most.
///
/// # Errors
/// The store's.
pub async fn with_serial(
    services: &Services,
    filter: &Filter,
    serial: &[u8; 16],
) -> Result<Vec<IssuedCertificate>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for authority in authorities::all(tx).await? {
                found.extend(issued_certificates::find(tx, &authority.id, serial).await?);
            }
            Ok::<_, Error>(found)
        })
    });
    let mut found = steps.await?;
    found.retain(|certificate| describes(filter, certificate));
    Ok(found)
}

/// Whether the certificate is one of those that the filter describes.
fn describes(filter: &Filter, certificate: &IssuedCertificate) -> bool {
    let Filter { authority, profile, status, subject, ends_from, ends_before } = filter;
    authority.as_ref().is_none_or(|authority| *authority == certificate.authority)
        && profile.as_ref().is_none_or(|profile| *profile == certificate.profile)
        && status.as_ref().is_none_or(|status| status == certificate.status.name())
        && subject.as_ref().is_none_or(|subject| certificate.subject.contains(subject))
        && ends_from.is_none_or(|from| certificate.not_after >= from)
        && ends_before.is_none_or(|before| certificate.not_after < before)
}

/// The filter for active certificates that end within so many days.
#[must_use]
pub fn expiring(now: Timestamp, days: u32) -> Filter {
    let (from, before) = (Some(now), Some(now.plus_days(days.into())));
    Filter { status: Some("active".to_owned()), ends_from: from, ends_before: before, ..Filter::default() }
}

/// Counts of certificates that have not ended.
///
/// # Errors
/// The store's.
pub async fn statistics(services: &Services) -> Result<Vec<Count>, Error> {
    let now = services.clock.now();
    let rows = services.store.read(|tx| Box::pin(issued_certificates::statistics(tx, now))).await?;
    let count = |(authority, profile, status, certificates)| Count { authority, profile, status, certificates };
    Ok(rows.into_iter().map(count).collect())
}

/// Writes the certificates that the filter describes as PEM, page by page; gives how many.
///
/// # Errors
/// The store's, outside; the writer's, inside.
pub async fn export(
    services: &Services,
    filter: &Filter,
    out: &mut (dyn Write + Send),
) -> Result<io::Result<u64>, Error> {
    let (mut after, mut count) = (0, 0_u64);
    loop {
        let page = search(services, filter, after, MOST_IN_PAGE).await?;
        for certificate in &page.certificates {
            if let Err(error) = out.write_all(write_pem(&certificate.der, "CERTIFICATE").as_bytes()) {
                return Ok(Err(error));
            }
            count = count.saturating_add(1);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(Ok(count)),
        }
    }
}

/// Forgets the records of certificates that ended so long ago; gives how many. The audit log keeps their hashes.
///
/// # Errors
/// The store's; what was forgotten before stays forgotten.
pub async fn forget(services: &Services, retention: Retention) -> Result<u64, Error> {
    let now = services.clock.now();
    let bound = retention.bound(now);
    let mut forgotten = 0_u64;
    loop {
        let run = services.store.run("forget certificates", |tx| {
            Box::pin(async move {
                renewals::forget_certified(tx, bound, MOST_FORGOTTEN).await?;
                let count = issued_certificates::forget_ended(tx, bound, MOST_FORGOTTEN).await?;
                record_forgotten(tx, ("certificates", count), bound, now).await?;
                Ok::<_, Error>(count)
            })
        });
        match run.await? {
            0 => return Ok(forgotten),
            count => forgotten = forgotten.saturating_add(count),
        }
    }
}

/// Forgets requests that ended so many days ago; gives how many. One that was issued stays as long as its certificate is on
/// record. The audit log keeps what happened.
///
/// # Errors
/// The store's; what was forgotten before stays forgotten.
pub async fn forget_requests(services: &Services, days: u32) -> Result<u64, Error> {
    let now = services.clock.now();
    let bound = now.plus_days(-i64::from(days));
    let mut forgotten = 0_u64;
    loop {
        let run = services.store.run("forget certificate requests", |tx| {
            Box::pin(async move {
                let count = certificate_requests::forget_ended(tx, bound, MOST_REQUESTS).await?;
                record_forgotten(tx, ("certificate-requests", count), bound, now).await?;
                Ok::<_, Error>(count)
            })
        });
        match run.await? {
            0 => return Ok(forgotten),
            count => forgotten = forgotten.saturating_add(count),
        }
    }
}

/// The event of what is forgotten, in its transaction; none where nothing is.
pub(in crate::service) async fn record_forgotten(
    tx: &mut Tx<'_>,
    (kind, count): (&str, u64),
    ended_before: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    if count > 0 {
        let body = EventBody::RecordsForgotten { kind: kind.to_owned(), count, ended_before };
        audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forgotten_before_the_law_lets_us() {
        assert_eq!(Retention::years(4).unwrap_err().code(), "retention");
        let now = Timestamp::from_unix(1_800_000_000);
        let bound = Retention::years(5).unwrap().bound(now);
        // The last moment of 2022-01-10, five years and four days before now.
        assert_eq!(bound.unix(), 1_800_000_000 - 5 * 366 * 86_400);
        let most = Retention::years(u32::MAX).unwrap().bound(now);
        assert!(most < bound, "{most:?}");
    }
}
