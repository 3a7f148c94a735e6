//! Authority to use seals (用印授权): given, listed, withdrawn by a seal's keeper; single uses approved; the use ledger read.
//!
//! What a keeper gives is a signature of the keeper's registered key, kept and verified again at each use. What takes
//! authority away needs none.

mod entering;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorisationId, CallerId, RequestId, SealId, SignatureId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::caller::{CallerState, Role};
use crate::domain::officer::{Approval, Hand, Officer, OfficerRole};
use crate::domain::seal::authority::{Authorisation, TermsRefused, UseApproval, UseRefused, UseTerms, Used};
use crate::service::officers::{fixed_value, officer_of};
use crate::service::registration::Signed;
use crate::service::seal_officers::officer_still;
use crate::service::{Error, Services};
use crate::store::callers::StoredCaller;
use crate::store::seal_keepers::StoredKeeper;
use crate::store::use_authorisations::StoredAuthorisation;
use crate::store::use_ledger::{LedgerEntry, LedgerQuery};
use crate::store::{
    self, Tx, audit, callers, seal_keepers, seal_records, seals, use_approvals, use_authorisations, use_ledger,
};

pub use entering::{SecondFactor, UsePurpose};
pub(in crate::service) use entering::{Wish, decide, enter, give_back, give_back_at_start, release};

/// The most authorisations of one user for one seal that count at a time: each of them may be looked at for a use.
pub const MOST_OPEN: i64 = 64;
/// The most lines of the ledger, or authorisations, in one page.
pub const MOST_LISTED: i64 = 500;

/// Gives a seal into the keeping of a caller (保管人). What a former keeper authorised counts no more.
///
/// # Errors
/// [`Error::UnknownSeal`], [`Error::UnknownCaller`], [`Error::CallerBarred`]; [`Error::NotSealAdministrator`] for a caller
/// without the role.
pub async fn give_to_keeper(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    seal: &SealId,
    keeper: &CallerId,
) -> Result<StoredKeeper, Error> {
    let now = services.clock.now();
    let body = EventBody::SealDelivered { seal: seal.clone(), keeper: keeper.clone() };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("give seal to keeper", |tx| {
        Box::pin(async move {
            seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
            // The keeper of a seal that was applied for stands in the application, which two officers approved.
            if seal_records::find(tx, seal).await?.is_some() {
                return Err(Error::SealApprovalNeeded);
            }
            may_keep(&callers::find(tx, keeper).await?.ok_or(Error::UnknownCaller)?)?;
            let new = StoredKeeper { seal: seal.clone(), keeper: keeper.clone(), since: now, version: 1 };
            let kept = match seal_keepers::find(tx, seal).await? {
                None => {
                    seal_keepers::insert(tx, &new).await?;
                    new
                }
                Some(before) => seal_keepers::update(tx, &StoredKeeper { version: before.version, ..new }).await?,
            };
            audit::append(tx, event).await?;
            Ok::<_, Error>(kept)
        })
    });
    steps.await
}

/// Who keeps a seal; nothing where nobody does.
///
/// # Errors
/// [`Error::UnknownSeal`]; the store's.
pub async fn keeper(services: &Services, seal: &SealId) -> Result<Option<StoredKeeper>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
            Ok::<_, Error>(seal_keepers::find(tx, seal).await?)
        })
    });
    steps.await
}

/// The octets that a seal's keeper signs to authorise that.
///
/// # Errors
/// The terms are refused, or the seal or its keeper are not there, as [`authorise`] says.
pub async fn to_authorise(services: &Services, terms: &UseTerms) -> Result<Vec<u8>, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (keeper, _) = keeper_in(tx, &terms.seal).await?;
            examine(tx, terms, &keeper, now).await?;
            Ok::<_, Error>(terms.to_sign(&Hand::of(&keeper)))
        })
    });
    steps.await
}

/// Authorises somebody to use a seal, as its keeper signed it.
///
/// # Errors
/// [`Error::UnknownSeal`], [`Error::SealWithoutKeeper`]; [`Error::Terms`]: the terms, the keeper or the signature; the user is
/// unknown, barred or [`Error::NotSealUser`]; [`Error::TooManyAuthorisations`]; [`Error::AuthorisationExists`] when these
/// terms, by their nonce, were given already.
pub async fn authorise(services: &Services, terms: UseTerms, signed: Signed<'_>) -> Result<StoredAuthorisation, Error> {
    let now = services.clock.now();
    let (id, terms, signed) = (AuthorisationId::fresh(now, &*services.random)?, &terms, &signed);
    let steps = services.store.run("authorise use", |tx| {
        let id = id.clone();
        Box::pin(async move {
            let (keeper, actor) = keeper_in(tx, &terms.seal).await?;
            examine(tx, terms, &keeper, now).await?;
            if keeper.id != *signed.officer {
                return Err(TermsRefused::NotKeeper.into());
            }
            let of_user = (&terms.seal, &terms.user);
            if use_authorisations::count_open(tx, of_user, now).await? >= MOST_OPEN {
                return Err(Error::TooManyAuthorisations { most: MOST_OPEN });
            }
            let hand = Hand::of(&keeper);
            let terms_sm3 = sm3(&terms.to_sign(&hand));
            let given = Approval { hand, signature: fixed_value(&keeper, signed.signature), at: now };
            let (terms, used) = (terms.clone(), Used::default());
            let authorisation = Authorisation { id, terms, given, withdrawn_at: None, used };
            authorisation.confirm(&keeper)?;
            use_authorisations::insert(tx, &authorisation).await?;
            let body = EventBody::UseAuthorised {
                authorisation: authorisation.id.clone(),
                seal: authorisation.terms.seal.clone(),
                user: authorisation.terms.user.clone(),
                terms_sm3,
            };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(StoredAuthorisation { authorisation, entered: 0, version: 1 })
        })
    });
    match steps.await {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::AuthorisationExists),
        other => other,
    }
}

/// What may be seen of a seal's authorisations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorisationPage {
    /// By their names.
    pub authorisations: Vec<StoredAuthorisation>,
    /// Go on behind this one.
    pub next: Option<AuthorisationId>,
}

/// The authorisations of a seal, withdrawn ones too, behind that name, at most `limit`.
///
/// # Errors
/// [`Error::UnknownSeal`]; the store's.
pub async fn list(
    services: &Services,
    seal: &SealId,
    after: Option<&AuthorisationId>,
    limit: i64,
) -> Result<AuthorisationPage, Error> {
    let limit = limit.clamp(1, MOST_LISTED);
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
            Ok::<_, Error>(use_authorisations::of_seal(tx, seal, after, limit.saturating_add(1)).await?)
        })
    });
    let (authorisations, more) = page(steps.await?, limit);
    let next = authorisations.last().filter(|_| more).map(|last| last.authorisation.id.clone());
    Ok(AuthorisationPage { authorisations, next })
}

/// Withdraws an authorisation: no use begins under it any more, and one that has begun is not released.
///
/// # Errors
/// [`Error::UnknownAuthorisation`]; [`Error::Use`] when it is withdrawn already; [`Error::Terms`] for somebody who neither
/// keeps the seal nor is an officer of seals; [`Error::SealApplication`] for an officer of another division.
pub async fn withdraw(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    id: &AuthorisationId,
) -> Result<StoredAuthorisation, Error> {
    let now = services.clock.now();
    let steps = services.store.run("withdraw authorisation", |tx| {
        Box::pin(async move {
            let stored = use_authorisations::find(tx, id).await?.ok_or(Error::UnknownAuthorisation)?;
            let seal = stored.authorisation.terms.seal.clone();
            may_withdraw(tx, actor, &seal).await?;
            if stored.authorisation.withdrawn_at.is_some() {
                return Err(UseRefused::Withdrawn.into());
            }
            let withdrawn = use_authorisations::withdraw(tx, &stored, now).await?;
            let body = EventBody::UseAuthorisationWithdrawn { authorisation: id.clone(), seal };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            Ok(withdrawn)
        })
    });
    steps.await
}

/// Withdraws all authorisations to use a seal, in one transaction; gives how many.
///
/// # Errors
/// [`Error::UnknownSeal`]; as [`withdraw`].
pub async fn withdraw_all(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    seal: &SealId,
) -> Result<u64, Error> {
    let now = services.clock.now();
    let steps = services.store.run("withdraw all authorisations", |tx| {
        Box::pin(async move {
            seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
            may_withdraw(tx, actor, seal).await?;
            let mut count = 0_u64;
            loop {
                let some = use_authorisations::not_withdrawn(tx, seal, MOST_LISTED).await?;
                if some.is_empty() {
                    break;
                }
                for stored in &some {
                    use_authorisations::withdraw(tx, stored, now).await?;
                    count = count.saturating_add(1);
                }
            }
            let body = EventBody::UsesWithdrawn { seal: seal.clone(), count };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            Ok::<_, Error>(count)
        })
    });
    steps.await
}

/// One use that a keeper is asked to approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedApproval {
    /// Under which authorisation.
    pub authorisation: AuthorisationId,
    /// The approval's own random number.
    pub nonce: [u8; 32],
    /// SM3 of the document.
    pub document_sm3: [u8; 32],
    /// The amount, in fen.
    pub amount: Option<u64>,
}

impl WantedApproval {
    fn octets(&self, keeper: &Officer) -> Vec<u8> {
        let named = (&self.authorisation, &self.nonce);
        UseApproval::to_sign(named, &self.document_sm3, self.amount, &Hand::of(keeper))
    }
}

/// The octets that the keeper signs to approve that use.
///
/// # Errors
/// [`Error::UnknownAuthorisation`], [`Error::SealWithoutKeeper`].
pub async fn to_approve_use(services: &Services, wanted: &WantedApproval) -> Result<Vec<u8>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let found = use_authorisations::find(tx, &wanted.authorisation).await?;
            let stored = found.ok_or(Error::UnknownAuthorisation)?;
            let (keeper, _) = keeper_in(tx, &stored.authorisation.terms.seal).await?;
            Ok::<_, Error>(wanted.octets(&keeper))
        })
    });
    steps.await
}

/// Approves one use, as the keeper signed it.
///
/// # Errors
/// As [`to_approve_use`]; [`Error::Use`]: the authorisation is withdrawn or over, or the amount beyond what is kept;
/// [`Error::Terms`]: another than the keeper, or another signature; [`Error::AuthorisationExists`] when this approval, by its
/// nonce, was given already.
pub async fn approve_use(
    services: &Services,
    wanted: WantedApproval,
    signed: Signed<'_>,
) -> Result<UseApproval, Error> {
    let (now, wanted, signed) = (services.clock.now(), &wanted, &signed);
    let steps = services.store.run("approve use", |tx| {
        Box::pin(async move {
            let found = use_authorisations::find(tx, &wanted.authorisation).await?;
            let Authorisation { terms, withdrawn_at, .. } = found.ok_or(Error::UnknownAuthorisation)?.authorisation;
            let (keeper, actor) = keeper_in(tx, &terms.seal).await?;
            if keeper.id != *signed.officer {
                return Err(TermsRefused::NotKeeper.into());
            }
            if withdrawn_at.is_some() {
                return Err(UseRefused::Withdrawn.into());
            }
            if now >= terms.until {
                return Err(UseRefused::Period.into());
            }
            if wanted.amount.is_some_and(is_beyond) {
                return Err(UseRefused::Amount.into());
            }
            let signature = fixed_value(&keeper, signed.signature);
            let given = Approval { hand: Hand::of(&keeper), signature, at: now };
            if !given.is_right(&wanted.octets(&keeper), &keeper) {
                return Err(TermsRefused::Signature.into());
            }
            let body = EventBody::UseApproved {
                authorisation: wanted.authorisation.clone(),
                seal: terms.seal,
                document_sm3: wanted.document_sm3,
                approval_sm3: sm3(&given.signature),
            };
            let approval = UseApproval {
                authorisation: wanted.authorisation.clone(),
                nonce: wanted.nonce,
                document_sm3: wanted.document_sm3,
                amount: wanted.amount,
                given,
                is_spent: false,
            };
            use_approvals::insert(tx, &approval).await?;
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(approval)
        })
    });
    match steps.await {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::AuthorisationExists),
        other => other,
    }
}

/// A page of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The newest first.
    pub entries: Vec<LedgerEntry>,
    /// Go on behind this line.
    pub next: Option<(Timestamp, SignatureId)>,
}

/// Reads the use ledger (用印台账): an operator and an auditor all of it, a keeper and officers of the holder's division what
/// concerns the seal that the query names, everybody else the own uses.
///
/// # Errors
/// [`Error::LedgerNotYours`]; the store's.
pub async fn ledger(services: &Services, reader: &Actor, query: &LedgerQuery, limit: i64) -> Result<LedgerPage, Error> {
    let limit = limit.clamp(1, MOST_LISTED);
    let steps = services.store.read(|tx| {
        let query = query.clone();
        Box::pin(async move {
            let query = entitled(tx, reader, query).await?;
            Ok::<_, Error>(use_ledger::search(tx, &query, limit.saturating_add(1)).await?)
        })
    });
    let (entries, more) = page(steps.await?, limit);
    let next = entries.last().filter(|_| more).map(|last| (last.at, last.signature.clone()));
    Ok(LedgerPage { entries, next })
}

/// The query as this reader may ask it.
async fn entitled(tx: &mut Tx<'_>, reader: &Actor, query: LedgerQuery) -> Result<LedgerQuery, Error> {
    let id = match reader {
        Actor::Operator => return Ok(query),
        Actor::Anonymous => return Err(Error::LedgerNotYours),
        Actor::Caller { roles, .. } if roles.contains(Role::AuditAdministrator) => return Ok(query),
        Actor::Caller { id, .. } => id,
    };
    if let Some(seal) = &query.seal {
        match may_tend(tx, id, seal).await {
            Ok(()) => return Ok(query),
            Err(Error::Terms(_) | Error::SealApplication(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match &query.user {
        Some(user) if user != id => Err(Error::LedgerNotYours),
        _ => Ok(LedgerQuery { user: Some(id.clone()), ..query }),
    }
}

/// What was found without the one beyond the limit, and whether there was one.
fn page<T>(mut found: Vec<T>, limit: i64) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}

/// Amounts are kept as signed numbers of 64 bits.
fn is_beyond(amount: u64) -> bool {
    i64::try_from(amount).is_err()
}

/// Whether a caller may keep seals: it is let in, and cares for seals, which none of the three administrators does.
pub(in crate::service) fn may_keep(caller: &StoredCaller) -> Result<(), Error> {
    if caller.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if !caller.roles.contains(Role::SealAdministrator) {
        return Err(Error::NotSealAdministrator);
    }
    Ok(())
}

/// The keeper of a seal, with the key registered now, and as the audit log names the keeper.
pub(in crate::service) async fn keeper_in(tx: &mut Tx<'_>, seal: &SealId) -> Result<(Officer, Actor), Error> {
    seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
    let kept = seal_keepers::find(tx, seal).await?.ok_or(Error::SealWithoutKeeper)?;
    let caller = callers::find(tx, &kept.keeper).await?.ok_or(Error::UnknownCaller)?;
    may_keep(&caller)?;
    let officer = officer_of(&caller, OfficerRole::Applicant)?;
    Ok((officer, Actor::Caller { id: caller.id, roles: caller.roles }))
}

/// Whether such terms can be given now, to that user.
async fn examine(tx: &mut Tx<'_>, terms: &UseTerms, keeper: &Officer, now: Timestamp) -> Result<(), Error> {
    terms.examine(&keeper.id)?;
    if terms.until <= now {
        return Err(TermsRefused::Period.into());
    }
    if [terms.most_amount, terms.most_sum].into_iter().flatten().any(is_beyond) {
        return Err(TermsRefused::Limit.into());
    }
    let user = callers::find(tx, &terms.user).await?.ok_or(Error::UnknownCaller)?;
    if user.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if user.roles.contains(Role::SealUser) { Ok(()) } else { Err(Error::NotSealUser) }
}

/// The keeper, officers of the holder's division, and the operator take authority away.
async fn may_withdraw(tx: &mut Tx<'_>, actor: &Actor, seal: &SealId) -> Result<(), Error> {
    match actor {
        Actor::Operator => Ok(()),
        Actor::Caller { id, .. } => may_tend(tx, id, seal).await,
        Actor::Anonymous => Err(TermsRefused::NotKeeper.into()),
    }
}

/// Whether that caller looks after a seal: its keeper, or an officer of seals who acts for its holder's division.
///
/// # Errors
/// [`Error::Terms`] for somebody who is neither keeper nor officer; [`Error::SealApplication`] for an officer who acts for
/// another division.
pub(in crate::service) async fn may_tend(tx: &mut Tx<'_>, caller: &CallerId, seal: &SealId) -> Result<(), Error> {
    if let Some(kept) = seal_keepers::find(tx, seal).await?
        && kept.keeper == *caller
        && may_keep(&callers::find(tx, caller).await?.ok_or(Error::UnknownCaller)?).is_ok()
    {
        return Ok(());
    }
    match (officer_still(tx, caller).await?, seal_records::find(tx, seal).await?) {
        (Some(officer), Some(record)) => Ok(officer.acts_for(&record.holder.division)?),
        _ => Err(TermsRefused::NotKeeper.into()),
    }
}
