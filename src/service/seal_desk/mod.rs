//! Seals through a door: applications on their way, seals and what becomes of them, authority to use them, the ledger. Whoever
//! asks is the caller, and each step that is signed is a signature by the caller's registered key.
//!
//! Officers see and do what lies in their own division, keepers what they keep, users what they may use.

mod applications;
mod lists;
mod uses;

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, AuthorisationId, CallerId, RequestId, SealId, SignatureId};
use crate::domain::audit::{Actor, SuspensionReason};
use crate::domain::ca::Profiles;
use crate::domain::caller::{Role, Roles};
use crate::domain::officer::Approval;
use crate::domain::seal::State;
use crate::domain::seal::application::SealApplication;
use crate::domain::seal::authority::{Authorisation, UseApproval, UseRefused};
use crate::domain::seal::code::SealCode;
use crate::service::issuance::Issuance;
use crate::service::registration::Signed;
use crate::service::seal_expiry::by_the_clock;
use crate::service::seal_officers::officer_in;
use crate::service::stamping::Stamping;
use crate::service::{Error, Services, seal_delivery};
use crate::store::seal_records::StoredSealRecord;
use crate::store::seals::StoredSeal;
use crate::store::{Tx, seal_keepers, seal_records, seals, use_authorisations};

pub use crate::store::use_ledger::{LedgerEntry, LedgerQuery};
pub use applications::ApplicationRequest;
pub use lists::{ApplicationQuery, MOST_LOOKED_AT, Place};
pub use uses::UseRequest;

/// What is asked about seals. Times, names and signatures are as the caller gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealRequest {
    /// About applications.
    Application(ApplicationRequest),
    /// About seals.
    Life(LifeRequest),
    /// About authority to use them, and their uses.
    Use(UseRequest),
}

impl SealRequest {
    /// Where it comes in: for the record of a refusal.
    #[must_use]
    pub const fn endpoint(&self) -> (&'static str, &'static str) {
        match self {
            Self::Application(request) => request.endpoint(),
            Self::Life(request) => request.endpoint(),
            Self::Use(request) => request.endpoint(),
        }
    }
}

/// What is asked about seals themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeRequest {
    /// Seals, page by page.
    List(SealQuery),
    /// One seal and what is known of it.
    Show(SealId),
    /// The seals before and behind one.
    Chain(SealId),
    /// The picture of a seal, as its maker signed it.
    Picture(SealId),
    /// The octets that the caller signs to take that step now.
    Octets(SealId, SealStep),
    /// Takes a step that the caller signed.
    Step(SealId, SealStep, Vec<u8>),
    /// Closes the papers of a seal that ended.
    Archive(SealId),
}

impl LifeRequest {
    const fn endpoint(&self) -> (&'static str, &'static str) {
        match self {
            Self::List(_) => ("GET", "/api/v1/seals"),
            Self::Show(_) => ("GET", "/api/v1/seals/{id}/record"),
            Self::Chain(_) => ("GET", "/api/v1/seals/{id}/chain"),
            Self::Picture(_) => ("GET", "/api/v1/seals/{id}/picture"),
            Self::Octets(..) => ("POST", "/api/v1/seals/{id}/to-sign"),
            Self::Step(_, SealStep::Deliver, _) => ("POST", "/api/v1/seals/{id}/delivery"),
            Self::Step(_, SealStep::Suspend(_), _) => ("POST", "/api/v1/seals/{id}/suspension"),
            Self::Archive(_) => ("POST", "/api/v1/seals/{id}/archive"),
        }
    }
}

/// What a caller does with a seal by a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealStep {
    /// Takes it, as its keeper (交付).
    Deliver,
    /// Lets it rest, as an officer of the holder's division (冻结、挂失).
    Suspend(SuspensionReason),
}

/// Whose seals are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Those of holders in the officer's division.
    Division,
    /// Those that the caller keeps.
    Kept,
    /// Those that somebody authorised the caller to use.
    Usable,
}

/// Which seals. Whatever is nothing is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SealQuery {
    /// Among which; as the caller's standing says where nothing is told.
    pub among: Option<Among>,
    /// With this code.
    pub code: Option<SealCode>,
    /// Of this holder.
    pub credit_code: Option<CreditCode>,
    /// In this state.
    pub state: Option<String>,
    /// Of this type.
    pub kind: Option<u8>,
    /// Of holders in this division, which lies in the officer's.
    pub division: Option<Division>,
    /// Behind this one.
    pub after: Option<Place<SealId>>,
    /// At most so many.
    pub limit: i64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealAnswer {
    /// What to sign, and the nonce that comes back with the signature.
    Drafted {
        /// The nonce.
        nonce: [u8; 32],
        /// The octets.
        to_sign: Vec<u8>,
    },
    /// What to sign.
    Octets(Vec<u8>),
    /// An application as it stands now.
    Application(Box<ApplicationRecord>),
    /// A page of them, and behind which one the next begins.
    Applications(Vec<ApplicationRecord>, Option<Place<ApplicationId>>),
    /// A file as it was brought.
    File(Vec<u8>),
    /// A seal as it stands now.
    Seal(Box<SealRecord>),
    /// Seals, and behind which one the next page begins.
    Seals(Vec<SealRecord>, Option<Place<SealId>>),
    /// A picture, and its type as the seal names it.
    Picture(Vec<u8>, String),
    /// An authorisation as it stands now.
    Authorisation(Box<Authorisation>),
    /// A page of them, and behind which one the next begins.
    Authorisations(Vec<Authorisation>, Option<AuthorisationId>),
    /// So many were withdrawn.
    Withdrawn(u64),
    /// An approved use.
    Approval(Box<UseApproval>),
    /// Lines of the ledger, and behind which one the next page begins.
    Ledger(Vec<LedgerEntry>, Option<(Timestamp, SignatureId)>),
}

/// An application as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRecord {
    /// Its name here.
    pub id: ApplicationId,
    /// What was applied for, and where it stands.
    pub application: SealApplication,
    /// Who checked it, and when.
    pub checked: Option<(CallerId, Timestamp)>,
    /// The approvals so far.
    pub approvals: Vec<Approval>,
    /// Why it was refused, in words.
    pub explanation: Option<String>,
    /// The seal that was made for it.
    pub made: Option<SealId>,
}

/// A seal as it stands now; what is known of it where it was made for an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealRecord {
    /// The seal.
    pub seal: StoredSeal,
    /// Who keeps it.
    pub keeper: Option<CallerId>,
    /// What is known.
    pub known: Option<StoredSealRecord>,
}

/// Who asks: the caller, the roles that the caller has now, and the call.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Asker<'a> {
    caller: &'a CallerId,
    roles: &'a Roles,
    call: &'a RequestId,
}

impl<'a> Asker<'a> {
    fn signed(&self, signature: &'a [u8]) -> Signed<'a> {
        Signed { officer: self.caller, signature, call: Some(self.call) }
    }

    fn actor(&self) -> Actor {
        Actor::Caller { id: self.caller.clone(), roles: self.roles.clone() }
    }
}

/// The use cases of seals with what they need.
#[derive(Clone)]
pub struct SealDesk {
    services: Services,
    profiles: Arc<Profiles>,
    issuance: Issuance,
}

impl SealDesk {
    /// Under these profiles, before that engine.
    #[must_use]
    pub const fn new(services: Services, profiles: Arc<Profiles>, issuance: Issuance) -> Self {
        Self { services, profiles, issuance }
    }

    /// The profiles in force.
    pub(in crate::service) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Answers what a registered caller asks. Seals that get a time stamp of their own get it there.
    ///
    /// # Errors
    /// As the use cases; [`Error::NotSealOfficer`], [`Error::SealApplication`], [`Error::Terms`], [`Error::Use`] for what is
    /// another's.
    pub async fn ask(
        &self,
        (actor, call): (&Actor, &RequestId),
        stamping: Option<&Stamping>,
        request: SealRequest,
    ) -> Result<SealAnswer, Error> {
        let Actor::Caller { id, roles } = actor else { return Err(Error::CallerNeeded) };
        let asker = Asker { caller: id, roles, call };
        match request {
            SealRequest::Application(request) => self.application(asker, stamping, request).await,
            SealRequest::Life(request) => self.seal(asker, request).await,
            SealRequest::Use(request) => self.uses(asker, request).await,
        }
    }

    async fn seal(&self, asker: Asker<'_>, request: LifeRequest) -> Result<SealAnswer, Error> {
        let services = &self.services;
        match request {
            LifeRequest::List(query) => lists::seals(services, asker, query).await,
            LifeRequest::Show(id) => self.found(asker, &id).await,
            LifeRequest::Chain(id) => lists::chain(services, asker, &id).await,
            LifeRequest::Picture(id) => {
                let (octets, kind) = seal_delivery::picture(&self.visible(asker, &id).await?.seal)?;
                Ok(SealAnswer::Picture(octets, kind))
            }
            LifeRequest::Octets(id, SealStep::Deliver) => {
                Ok(SealAnswer::Octets(seal_delivery::to_deliver(services, &id, asker.caller).await?))
            }
            LifeRequest::Octets(id, SealStep::Suspend(reason)) => {
                Ok(SealAnswer::Octets(seal_delivery::to_suspend(services, &id, asker.caller, reason).await?))
            }
            LifeRequest::Step(id, SealStep::Deliver, signature) => {
                let taken = seal_delivery::deliver(services, &id, asker.signed(&signature)).await;
                self.settled(asker, &id, taken.map(|_| ()), |record| record.is_taken(asker.caller)).await
            }
            LifeRequest::Step(id, SealStep::Suspend(reason), signature) => {
                seal_delivery::suspend(services, &id, reason, asker.signed(&signature)).await?;
                self.found(asker, &id).await
            }
            LifeRequest::Archive(id) => {
                let by = (&asker.actor(), Some(asker.call));
                let archived = seal_delivery::archive(services, by, &id).await;
                let is_archived = |record: &SealRecord| record.seal.state.name() == "archived";
                self.settled(asker, &id, archived.map(|_| ()), is_archived).await
            }
        }
    }

    async fn found(&self, asker: Asker<'_>, id: &SealId) -> Result<SealAnswer, Error> {
        Ok(SealAnswer::Seal(Box::new(self.visible(asker, id).await?)))
    }

    async fn visible(&self, asker: Asker<'_>, id: &SealId) -> Result<SealRecord, Error> {
        let now = self.services.clock.now();
        self.services.store.read(|tx| Box::pin(visible(tx, asker, id, now))).await
    }

    /// A step that was taken before is that step: whoever lost the answer asks again.
    async fn settled(
        &self,
        asker: Asker<'_>,
        id: &SealId,
        taken: Result<(), Error>,
        is_there: impl Fn(&SealRecord) -> bool,
    ) -> Result<SealAnswer, Error> {
        match taken {
            Ok(()) => self.found(asker, id).await,
            Err(error @ Error::InvalidTransition(_)) => {
                let record = self.visible(asker, id).await?;
                if is_there(&record) { Ok(SealAnswer::Seal(Box::new(record))) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }
}

impl SealRecord {
    /// Whether that keeper took it, and it is as it was then.
    fn is_taken(&self, keeper: &CallerId) -> bool {
        let delivered = self.known.as_ref().and_then(|known| known.delivery.as_ref()).map(|(at, _)| *at);
        self.keeper.as_ref() == Some(keeper)
            && delivered == Some(self.seal.state.since())
            && matches!(self.seal.state, State::Active { .. })
    }
}

/// The seal of that name as it stands now, and what is known of it.
async fn record_of(tx: &mut Tx<'_>, id: &SealId, now: Timestamp) -> Result<SealRecord, Error> {
    let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
    let keeper = seal_keepers::find(tx, id).await?.map(|kept| kept.keeper);
    let known = seal_records::find(tx, id).await?;
    Ok(SealRecord { seal, keeper, known })
}

/// The seals of those names as they stand now, in the order of the names given; each page of them by the same few statements,
/// however many lines it has.
async fn records_of(tx: &mut Tx<'_>, ids: &[SealId], now: Timestamp) -> Result<Vec<SealRecord>, Error> {
    let mut all = seals::of_names(tx, ids).await?;
    let mut keepers = seal_keepers::of_seals(tx, ids).await?;
    let mut records = seal_records::of_seals(tx, ids).await?;
    let record = |id: &SealId| {
        let seal = by_the_clock(all.remove(id).ok_or(Error::UnknownSeal)?, now);
        let (keeper, known) = (keepers.remove(id).map(|kept| kept.keeper), records.remove(id));
        Ok(SealRecord { seal, keeper, known })
    };
    ids.iter().map(record).collect()
}

/// The same, for those who may know: its keeper, officers of its holder's division, and whoever may use it.
async fn visible(tx: &mut Tx<'_>, asker: Asker<'_>, id: &SealId, now: Timestamp) -> Result<SealRecord, Error> {
    let record = record_of(tx, id, now).await?;
    if record.keeper.as_ref() == Some(asker.caller) {
        return Ok(record);
    }
    let mut refused = None;
    if asker.roles.contains(Role::SealAdministrator) {
        match in_division(tx, asker, &record).await {
            Ok(()) => return Ok(record),
            Err(error) => refused = Some(error),
        }
    }
    if asker.roles.contains(Role::SealUser) {
        let open = use_authorisations::open_of(tx, (id, asker.caller), now, 1).await?;
        if !open.is_empty() {
            return Ok(record);
        }
        refused = refused.or_else(|| Some(UseRefused::NotAuthorised.into()));
    }
    Err(refused.unwrap_or(Error::NotSealOfficer))
}

/// Whether the asker is an officer who acts for the division of a seal's holder.
async fn in_division(tx: &mut Tx<'_>, asker: Asker<'_>, record: &SealRecord) -> Result<(), Error> {
    let (officer, _) = officer_in(tx, asker.caller).await?;
    let known = record.known.as_ref().ok_or(Error::UnknownSeal)?;
    Ok(officer.acts_for(&known.holder.division)?)
}
