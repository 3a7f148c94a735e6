//! Lists through the door: applications and seals page by page, and the seals that stand in each other's place.
//!
//! A page looks at a bounded number of rows, by an index, whatever is asked for: so it may hold few lines, or none, and lead on
//! all the same.

use std::fmt;

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, SealId};
use crate::domain::caller::Role;
use crate::domain::seal::application::SealOfficer;
use crate::service::registration::MOST_IN_PAGE;
use crate::service::seal_desk::{
    Among, Asker, SealAnswer, SealQuery, SealRecord, applications, record_of, records_of, visible,
};
use crate::service::seal_officers::{officer_in, officer_still};
use crate::service::{Error, Services};
use crate::store::seal_applications::StoredApplication;
use crate::store::{Tx, seal_applications, seal_keepers, seal_records, use_authorisations};

/// Rows that a page looks at, at most.
pub const MOST_LOOKED_AT: i64 = 500;
/// Seals whose rows are read at once, at least: one read suffices where nothing is filtered, and five where everything is.
const LEAST_TOGETHER: usize = 100;
/// Seals that a chain has, at most, to each side.
const MOST_LINKS: usize = 100;

/// Behind what a page begins: a name, and where the list goes by divisions the division too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<T> {
    /// The division.
    pub division: Option<Division>,
    /// The name.
    pub id: T,
}

impl<T> Place<T> {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse<E>(text: &str, name: impl Fn(&str) -> Result<T, E>) -> Option<Self> {
        match text.split_once('/') {
            None => Some(Self { division: None, id: name(text).ok()? }),
            Some((division, id)) => Some(Self { division: Some(Division::parse(division).ok()?), id: name(id).ok()? }),
        }
    }

    fn by_division(&self) -> (&Division, &T) {
        static COUNTRY: Division = Division::country();
        (self.division.as_ref().unwrap_or(&COUNTRY), &self.id)
    }
}

impl<T: fmt::Display> fmt::Display for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.division {
            Some(division) => write!(f, "{division}/{}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

/// Which applications. Whatever is nothing is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationQuery {
    /// In this state.
    pub state: Option<String>,
    /// Decided in this division, which lies in the caller's.
    pub division: Option<Division>,
    /// For a seal of this holder.
    pub credit_code: Option<CreditCode>,
    /// Behind this one.
    pub after: Option<Place<ApplicationId>>,
    /// At most so many.
    pub limit: i64,
}

/// What was found among the rows that were looked at, up to the limit, and behind which of them the next page begins.
struct Found<R, T> {
    limit: usize,
    found: Vec<R>,
    next: Option<Place<T>>,
}

impl<R, T> Found<R, T> {
    fn new(limit: i64) -> Self {
        Self { limit: usize::try_from(limit.clamp(1, MOST_IN_PAGE)).unwrap_or(1), found: Vec::new(), next: None }
    }

    /// Takes what was looked at. `true`: the page is full.
    fn take(&mut self, place: Place<T>, fits: Option<R>) -> bool {
        self.next = Some(place);
        self.found.extend(fits);
        self.found.len() >= self.limit
    }
}

/// The division that an officer asks about: the own one, or one in it.
fn asked(officer: &SealOfficer, division: Option<&Division>) -> Result<Division, Error> {
    match division {
        None => Ok(officer.division.clone()),
        Some(division) => {
            officer.acts_for(division)?;
            Ok(division.clone())
        }
    }
}

/// Whether all were looked at.
fn is_last(looked_at: usize) -> bool {
    i64::try_from(looked_at).is_ok_and(|looked_at| looked_at < MOST_LOOKED_AT)
}

pub(super) async fn applications(
    services: &Services,
    asker: Asker<'_>,
    query: ApplicationQuery,
) -> Result<SealAnswer, Error> {
    let query = &query;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, asker.caller).await?;
            let division = asked(&officer, query.division.as_ref())?;
            let after = query.after.as_ref().map(Place::by_division);
            let rows = seal_applications::in_division(tx, &division, after, MOST_LOOKED_AT).await?;
            let (count, mut page) = (rows.len(), Found::new(query.limit));
            let mut is_full = false;
            for stored in rows {
                let division = Some(stored.application.submission.division.clone());
                let place = Place { division, id: stored.id.clone() };
                let fits = match query.fits(&stored) {
                    true => Some(applications::record_of(tx, stored).await?),
                    false => None,
                };
                is_full = page.take(place, fits);
                if is_full {
                    break;
                }
            }
            let next = page.next.filter(|_| is_full || !is_last(count));
            Ok::<_, Error>(SealAnswer::Applications(page.found, next))
        })
    });
    steps.await
}

impl ApplicationQuery {
    fn fits(&self, stored: &StoredApplication) -> bool {
        let wanted = stored.application.submission.purpose.wanted();
        let holder = wanted.map(|wanted| &wanted.holder.credit_code);
        self.state.as_deref().is_none_or(|state| state == stored.application.state_name())
            && self.credit_code.as_ref().is_none_or(|code| holder == Some(code))
    }
}

impl SealQuery {
    fn fits(&self, record: &SealRecord) -> bool {
        let known = record.known.as_ref();
        self.state.as_deref().is_none_or(|state| state == record.seal.state.name())
            && self.code.as_ref().is_none_or(|code| record.seal.es_id == code.as_str())
            && self.kind.is_none_or(|kind| known.is_some_and(|known| known.kind == kind))
            && self.credit_code.as_ref().is_none_or(|code| known.is_some_and(|known| known.holder.credit_code == *code))
            && self
                .division
                .as_ref()
                .is_none_or(|division| known.is_some_and(|known| division.contains(&known.holder.division)))
    }
}

pub(super) async fn seals(services: &Services, asker: Asker<'_>, query: SealQuery) -> Result<SealAnswer, Error> {
    let (query, now) = (&query, services.clock.now());
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (places, count) = looked_at(tx, asker, query, now).await?;
            let mut page = Found::new(query.limit);
            let mut is_full = false;
            for together in places.chunks(page.limit.max(LEAST_TOGETHER)) {
                let ids = together.iter().map(|place| place.id.clone()).collect::<Vec<_>>();
                for (place, record) in together.iter().zip(records_of(tx, &ids, now).await?) {
                    is_full = page.take(place.clone(), Some(record).filter(|record| query.fits(record)));
                    if is_full {
                        break;
                    }
                }
                if is_full {
                    break;
                }
            }
            let next = page.next.filter(|_| is_full || !is_last(count));
            Ok::<_, Error>(SealAnswer::Seals(page.found, next))
        })
    });
    steps.await
}

/// The seals that a page looks at, and how many rows led to them.
async fn looked_at(
    tx: &mut Tx<'_>,
    asker: Asker<'_>,
    query: &SealQuery,
    now: Timestamp,
) -> Result<(Vec<Place<SealId>>, usize), Error> {
    let after = query.after.as_ref();
    let name = after.map(|place| &place.id);
    let by_name = |id| Place { division: None, id };
    match among(tx, asker, query).await? {
        Among::Division => {
            let (officer, _) = officer_in(tx, asker.caller).await?;
            let division = asked(&officer, query.division.as_ref())?;
            let rows = match (&query.code, &query.credit_code) {
                (Some(code), _) => seal_records::with_code(tx, code).await?.into_iter().collect(),
                (None, Some(holder)) => seal_records::of_holder(tx, holder).await?,
                (None, None) => {
                    let after = after.map(Place::by_division);
                    seal_records::in_division(tx, &division, after, MOST_LOOKED_AT).await?
                }
            };
            let (count, is_one_list) = (rows.len(), query.code.is_none() && query.credit_code.is_none());
            let own = rows.into_iter().filter(|record| division.contains(&record.holder.division));
            let places = own.map(|record| Place { division: Some(record.holder.division), id: record.seal });
            let mut places = places.collect::<Vec<_>>();
            if !is_one_list {
                // A code leads to one seal, a holder to a few: they come whole, in the same order.
                places.sort_by(|one, other| one.by_division().cmp(&other.by_division()));
                places.retain(|place| after.is_none_or(|after| after.by_division() < place.by_division()));
            }
            Ok((places, count))
        }
        Among::Kept => {
            let rows = seal_keepers::of_keeper(tx, asker.caller, name, MOST_LOOKED_AT).await?;
            let count = rows.len();
            Ok((rows.into_iter().map(|kept| by_name(kept.seal)).collect(), count))
        }
        Among::Usable => {
            let rows = use_authorisations::open_of_user(tx, asker.caller, name, now, MOST_LOOKED_AT).await?;
            let count = rows.len();
            let mut seals = rows.into_iter().map(|stored| stored.authorisation.terms.seal).collect::<Vec<_>>();
            seals.dedup();
            Ok((seals.into_iter().map(by_name).collect(), count))
        }
    }
}

/// Among which seals: as the query says, else as the asker's standing does.
async fn among(tx: &mut Tx<'_>, asker: Asker<'_>, query: &SealQuery) -> Result<Among, Error> {
    let cares = asker.roles.contains(Role::SealAdministrator);
    match query.among {
        Some(Among::Usable) if !asker.roles.contains(Role::SealUser) => Err(Error::NotSealUser),
        Some(Among::Division | Among::Kept) if !cares => Err(Error::NotSealAdministrator),
        Some(among) => Ok(among),
        None if !cares => Ok(Among::Usable),
        None => match officer_still(tx, asker.caller).await? {
            Some(_) => Ok(Among::Division),
            None => Ok(Among::Kept),
        },
    }
}

/// The seals in whose place a seal came to stand, it, and those that came in its place: the oldest first.
pub(super) async fn chain(services: &Services, asker: Asker<'_>, id: &SealId) -> Result<SealAnswer, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let this = visible(tx, asker, id, now).await?;
            let mut before = Vec::new();
            let mut earlier = this.known.as_ref().and_then(|known| known.predecessor.clone());
            while let Some(seal) = earlier.filter(|_| before.len() < MOST_LINKS) {
                let record = record_of(tx, &seal, now).await?;
                earlier = record.known.as_ref().and_then(|known| known.predecessor.clone());
                before.push(record);
            }
            before.reverse();
            before.push(this);
            let (mut last, most) = (id.clone(), before.len().saturating_add(MOST_LINKS));
            while before.len() < most
                && let Some(later) = seal_records::successor_of(tx, &last).await?
            {
                last = later.seal.clone();
                before.push(record_of(tx, &last, now).await?);
            }
            Ok::<_, Error>(SealAnswer::Seals(before, None))
        })
    });
    steps.await
}
