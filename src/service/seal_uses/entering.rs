//! A use of a seal in the transactions of its signing: decided and entered with the intent, ended with the result.
//!
//! Whoever writes holds the head of the audit log, so uses are decided one after the other: two at once never exceed a limit
//! together.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId, SignatureId};
use crate::crypto::digest::hex;
use crate::domain::audit::{Actor, EventBody};
use crate::domain::caller::{CallerState, Role};
use crate::domain::officer::{Officer, OfficerRole};
use crate::domain::seal::authority::{
    FACTOR_COUNTS, SealUse, UnkeptSeals, UseApproval, UseRefused, Used, is_name, permitting,
};
use crate::domain::seal::confirmation::UseConfirmation;
use crate::service::officers::{fixed_value, officer_of};
use crate::service::seal_uses::{MOST_OPEN, is_beyond, may_keep};
use crate::service::{Error, Services};
use crate::store::use_authorisations::StoredAuthorisation;
use crate::store::use_ledger::{LedgerEntry, UseOutcome};
use crate::store::{self, Tx, callers, seal_keepers, use_approvals, use_authorisations, use_ledger};

/// Approvals of one document under one authorisation that are looked at: the newest.
const MOST_APPROVALS: i64 = 8;
/// Ended authorisations that are looked at for the reason of a refusal.
const MOST_ENDED: i64 = 4;

/// What proves, at the moment of use, that the person is there: a closed list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondFactor {
    /// A signature of the user's registered key over this very use.
    RegisteredKey(UseConfirmation),
}

impl SecondFactor {
    /// Its name in the ledger.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RegisteredKey(_) => "registered-key",
        }
    }

    /// When it was presented, if it is this user's for this use and fresh.
    fn presented(&self, wanted: &SealUse, user: &Officer, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::RegisteredKey(one) => {
                let value = fixed_value(user, &one.signature);
                one.presented_at(now).filter(|_| one.is_right(&value, wanted, user))
            }
        }
    }

    /// What must not come twice, and until when that is remembered.
    fn once(&self) -> (String, Timestamp) {
        match self {
            Self::RegisteredKey(one) => {
                let end = one.at.unix().saturating_add(FACTOR_COUNTS).saturating_add(1);
                (format!("use-confirmation:{}", hex(&one.nonce)), Timestamp::from_unix(end))
            }
        }
    }
}

/// What a seal is used for, as its user says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsePurpose {
    /// The item (事项), by its code.
    pub item: Option<String>,
    /// The kind of the document.
    pub document_kind: Option<String>,
    /// The amount that the document is about, in fen.
    pub amount: Option<u64>,
    /// The second factor, where one is presented.
    pub second_factor: Option<SecondFactor>,
}

/// One use that somebody wants to make.
pub(in crate::service) struct Wish<'a> {
    pub(in crate::service) actor: &'a Actor,
    pub(in crate::service) seal: &'a SealId,
    pub(in crate::service) document_sm3: [u8; 32],
    pub(in crate::service) purpose: &'a UsePurpose,
}

impl Wish<'_> {
    fn user(&self) -> Option<&CallerId> {
        match self.actor {
            Actor::Caller { id, .. } => Some(id),
            Actor::Operator | Actor::Anonymous => None,
        }
    }
}

/// What permits a use.
pub(in crate::service) struct Permitted {
    /// The authorisation, and what is used of it after this use; none for a seal without a keeper.
    under: Option<(StoredAuthorisation, Used)>,
    approval: Option<[u8; 32]>,
    factor_at: Option<Timestamp>,
}

/// Whether a use may be made now. Changes nothing, so it can be asked before a document is prepared; what counts is the
/// answer in the transaction that enters it.
///
/// # Errors
/// [`Error::SealUnkept`], [`Error::Use`]; the store's.
pub(in crate::service) async fn decide(
    tx: &mut Tx<'_>,
    unkept: UnkeptSeals,
    wish: &Wish<'_>,
    now: Timestamp,
) -> Result<Permitted, Error> {
    let UsePurpose { item, document_kind, amount, second_factor } = wish.purpose;
    if item.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(UseRefused::Item.into());
    }
    if document_kind.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(UseRefused::DocumentKind.into());
    }
    if amount.is_some_and(is_beyond) {
        return Err(UseRefused::Amount.into());
    }
    let Some(kept) = seal_keepers::find(tx, wish.seal).await? else {
        return match unkept {
            UnkeptSeals::Allow => Ok(Permitted { under: None, approval: None, factor_at: None }),
            UnkeptSeals::Refuse => Err(Error::SealUnkept),
        };
    };
    // Nobody at the machine uses a seal that somebody keeps: an actor is a registered key.
    let user = wish.user().ok_or(UseRefused::NotAuthorised)?;
    let user = callers::find(tx, user).await?.ok_or(Error::UnknownCaller)?;
    if user.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if !user.roles.contains(Role::SealUser) {
        return Err(UseRefused::NotAuthorised.into());
    }
    let keeper = callers::find(tx, &kept.keeper).await?.filter(|caller| may_keep(caller).is_ok());
    let keeper = officer_of(&keeper.ok_or(UseRefused::Keeper)?, OfficerRole::Applicant)?;
    let mut wanted = SealUse {
        seal: wish.seal.clone(),
        user: user.id.clone(),
        item: item.clone(),
        document_kind: document_kind.clone(),
        amount: *amount,
        document_sm3: wish.document_sm3,
        second_factor_at: None,
    };
    if let Some(factor) = second_factor {
        let person = officer_of(&user, OfficerRole::Applicant)?;
        let presented = factor.presented(&wanted, &person, now).ok_or(UseRefused::SecondFactor)?;
        wanted.second_factor_at = Some(presented);
    }
    let of_user = (wish.seal, &user.id);
    let mut found = use_authorisations::open_of(tx, of_user, now, MOST_OPEN).await?;
    if found.is_empty() {
        found = use_authorisations::last_of(tx, of_user, MOST_ENDED).await?;
    }
    let mut candidates = Vec::with_capacity(found.len());
    for stored in found {
        let approval = approval_for(tx, &stored, &wanted).await?;
        candidates.push((stored, approval));
    }
    let pairs = candidates.iter().map(|(stored, approval)| (&stored.authorisation, approval.as_ref()));
    let (permits, used) = permitting(pairs, &wanted, &keeper, now)?;
    let id = permits.id.clone();
    let chosen = candidates.into_iter().find(|(stored, _)| stored.authorisation.id == id);
    let (stored, approval) = chosen.ok_or(UseRefused::NotAuthorised)?;
    let approval = approval.filter(|_| stored.authorisation.terms.each_approved).map(|one| one.nonce);
    Ok(Permitted { under: Some((stored, used)), approval, factor_at: wanted.second_factor_at })
}

/// The newest approval of this document and amount that was not used yet, where the terms ask for one.
async fn approval_for(
    tx: &mut Tx<'_>,
    stored: &StoredAuthorisation,
    wanted: &SealUse,
) -> Result<Option<UseApproval>, Error> {
    let authorisation = &stored.authorisation;
    if !authorisation.terms.each_approved {
        return Ok(None);
    }
    let found = use_approvals::of_document(tx, &authorisation.id, &wanted.document_sm3, MOST_APPROVALS).await?;
    Ok(found.into_iter().find(|one| !one.is_spent && one.amount == wanted.amount))
}

/// Enters a permitted use in the ledger and counts it; gives the event where it stands under an authorisation. The intent is
/// recorded before, in the same transaction.
///
/// # Errors
/// [`Error::Replay`]: the second factor was presented before; the store's.
pub(in crate::service) async fn enter(
    tx: &mut Tx<'_>,
    permitted: Permitted,
    wish: &Wish<'_>,
    (signature, now): (&SignatureId, Timestamp),
) -> Result<Option<EventBody>, Error> {
    let Permitted { under, approval, factor_at } = permitted;
    if let (Some(factor), Some(user), Some(_)) = (&wish.purpose.second_factor, wish.user(), factor_at) {
        let (nonce, expires) = factor.once();
        if !callers::spend_nonce(tx, user, &nonce, now, expires).await? {
            return Err(Error::Replay);
        }
    }
    let mut entry = LedgerEntry {
        signature: signature.clone(),
        seal: wish.seal.clone(),
        user: wish.user().cloned(),
        authorisation: None,
        approval,
        item: wish.purpose.item.clone(),
        document_kind: wish.purpose.document_kind.clone(),
        amount: wish.purpose.amount,
        document_sm3: wish.document_sm3,
        factor: wish.purpose.second_factor.as_ref().zip(factor_at).map(|(one, at)| (one.name().to_owned(), at)),
        at: now,
        outcome: UseOutcome::Intended,
        version: 1,
    };
    let Some((stored, used)) = under else {
        use_ledger::insert(tx, &entry).await?;
        return Ok(None);
    };
    let (id, number) = (stored.authorisation.id.clone(), stored.entered.saturating_add(1));
    use_authorisations::count(tx, &stored, used, number).await?;
    entry.authorisation = Some((id.clone(), number));
    use_ledger::insert(tx, &entry).await?;
    Ok(Some(EventBody::UseEntered { signature: signature.clone(), seal: wish.seal.clone(), authorisation: id }))
}

/// Ends a use with its result, in the transaction that releases it.
///
/// # Errors
/// [`Error::Use`]: withdrawn, or given to another keeper, since the intent; the store's.
pub(in crate::service) async fn release(tx: &mut Tx<'_>, signature: &SignatureId, now: Timestamp) -> Result<(), Error> {
    let missing = || store::Error::Inconsistent { table: "use_ledger", row: signature.to_string() };
    let entry = use_ledger::find(tx, signature).await?.ok_or_else(missing)?;
    if let Some((id, _)) = &entry.authorisation {
        let stored = use_authorisations::find(tx, id).await?.ok_or_else(missing)?;
        if stored.authorisation.withdrawn_at.is_some() {
            return Err(UseRefused::Withdrawn.into());
        }
        let kept = seal_keepers::find(tx, &entry.seal).await?;
        if kept.is_none_or(|kept| kept.keeper != stored.authorisation.given.hand.officer) {
            return Err(UseRefused::Keeper.into());
        }
    }
    use_ledger::finish(tx, &entry, UseOutcome::Signed { at: now }).await?;
    Ok(())
}

/// Ends a use that came to nothing, and gives its count back: in the transaction that abandons its signing, which happens
/// once.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn give_back(
    tx: &mut Tx<'_>,
    signature: &SignatureId,
    now: Timestamp,
) -> Result<(), Error> {
    // Begun by a program that kept no ledger yet.
    let Some(entry) = use_ledger::find(tx, signature).await? else { return Ok(()) };
    if let Some((id, _)) = &entry.authorisation {
        let wrong = || store::Error::Inconsistent { table: "use_authorisations", row: id.to_string() };
        let stored = use_authorisations::find(tx, id).await?.ok_or_else(wrong)?;
        let Used { uses, sum } = stored.authorisation.used;
        let less = uses.checked_sub(1).zip(sum.checked_sub(entry.amount.unwrap_or(0)));
        let (uses, sum) = less.ok_or_else(wrong)?;
        use_authorisations::count(tx, &stored, Used { uses, sum }, stored.entered).await?;
    }
    use_ledger::finish(tx, &entry, UseOutcome::Abandoned { at: now }).await?;
    Ok(())
}

/// As [`give_back`], for the start after a crash: a row that somebody changed keeps nothing from starting. Its use stays
/// counted.
///
/// # Errors
/// The store's, but not [`store::Error::Inconsistent`].
pub(in crate::service) async fn give_back_at_start(
    tx: &mut Tx<'_>,
    signature: &SignatureId,
    now: Timestamp,
) -> Result<(), Error> {
    match give_back(tx, signature, now).await {
        Err(Error::Store(store::Error::Inconsistent { table, row })) => {
            tracing::error!(table, row, "a use that a crash left open stays counted: its row was changed");
            Ok(())
        }
        other => other,
    }
}

impl Services {
    /// Whether a use may be made now, before anything is done for it.
    pub(in crate::service) async fn permit_use(&self, wish: &Wish<'_>) -> Result<(), Error> {
        let (now, unkept) = (self.clock.now(), self.unkept);
        self.store.read(|tx| Box::pin(async move { decide(tx, unkept, wish, now).await.map(|_| ()) })).await
    }
}
