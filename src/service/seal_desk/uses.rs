//! Authority to use seals through the door: the keeper gives it, the keeper and officers of the holder's division see it and
//! take it away; the ledger as its readers may read it.

use crate::base::id::{AuthorisationId, SealId};
use crate::base::random::array;
use crate::domain::seal::authority::{Authorisation, TermsRefused, UseRefused, UseTerms};
use crate::service::officers::fixed_value;
use crate::service::seal_desk::{Asker, SealAnswer, SealDesk};
use crate::service::seal_uses::{self, WantedApproval, may_tend};
use crate::service::{Error, Services};
use crate::store::use_authorisations::StoredAuthorisation;
use crate::store::use_ledger::LedgerQuery;
use crate::store::{seals, use_authorisations};

/// What is asked about authority to use seals, and about their uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseRequest {
    /// The octets that the keeper signs to authorise that, under a nonce of ours.
    Draft(Box<UseTerms>),
    /// Authorises, as the keeper signed it. The same again is the same authorisation.
    Authorise(Box<UseTerms>, Vec<u8>),
    /// The authorisations of a seal, from the one behind that name on.
    List(SealId, Option<AuthorisationId>, i64),
    /// Withdraws one; one that is withdrawn stays so.
    Withdraw(SealId, AuthorisationId),
    /// Withdraws all of a seal.
    WithdrawAll(SealId),
    /// The octets that the keeper signs to approve that use, under a nonce of ours.
    DraftApproval(SealId, WantedApproval),
    /// Approves one use, as the keeper signed it.
    Approve(SealId, WantedApproval, Vec<u8>),
    /// Lines of the use ledger, the newest first.
    Ledger(LedgerQuery, i64),
}

impl UseRequest {
    pub(super) const fn endpoint(&self) -> (&'static str, &'static str) {
        match self {
            Self::Draft(_) => ("POST", "/api/v1/seals/{id}/authorisations/draft"),
            Self::Authorise(..) => ("POST", "/api/v1/seals/{id}/authorisations"),
            Self::List(..) => ("GET", "/api/v1/seals/{id}/authorisations"),
            Self::Withdraw(..) => ("POST", "/api/v1/seals/{id}/authorisations/{authorisation}/withdrawal"),
            Self::WithdrawAll(_) => ("POST", "/api/v1/seals/{id}/authorisations/withdrawal"),
            Self::DraftApproval(..) => ("POST", "/api/v1/seals/{id}/authorisations/{authorisation}/approvals/draft"),
            Self::Approve(..) => ("POST", "/api/v1/seals/{id}/authorisations/{authorisation}/approvals"),
            Self::Ledger(..) => ("GET", "/api/v1/use-ledger"),
        }
    }
}

impl SealDesk {
    pub(super) async fn uses(&self, asker: Asker<'_>, request: UseRequest) -> Result<SealAnswer, Error> {
        let services = &self.services;
        match request {
            UseRequest::Draft(terms) => {
                let nonce = array(&*services.random)?;
                let terms = UseTerms { nonce, ..*terms };
                keeps(services, asker, &terms.seal).await?;
                Ok(SealAnswer::Drafted { nonce, to_sign: seal_uses::to_authorise(services, &terms).await? })
            }
            UseRequest::Authorise(terms, signature) => {
                let given = seal_uses::authorise(services, (*terms).clone(), asker.signed(&signature)).await;
                match given {
                    Err(error @ Error::AuthorisationExists) => {
                        match given_before(services, asker, &terms, &signature).await? {
                            Some(stored) => Ok(told(stored)),
                            None => Err(error),
                        }
                    }
                    given => Ok(told(given?)),
                }
            }
            UseRequest::List(seal, after, limit) => {
                tends(services, asker, &seal).await?;
                let page = seal_uses::list(services, &seal, after.as_ref(), limit).await?;
                let found = page.authorisations.into_iter().map(|stored| stored.authorisation).collect();
                Ok(SealAnswer::Authorisations(found, page.next))
            }
            UseRequest::Withdraw(seal, id) => {
                let stored = of_seal(services, &seal, &id).await?;
                let withdrawn = seal_uses::withdraw(services, (&asker.actor(), Some(asker.call)), &id).await;
                match withdrawn {
                    Err(Error::Use(UseRefused::Withdrawn)) => Ok(told(stored)),
                    withdrawn => Ok(told(withdrawn?)),
                }
            }
            UseRequest::WithdrawAll(seal) => {
                let by = (&asker.actor(), Some(asker.call));
                Ok(SealAnswer::Withdrawn(seal_uses::withdraw_all(services, by, &seal).await?))
            }
            UseRequest::DraftApproval(seal, wanted) => {
                let nonce = array(&*services.random)?;
                of_seal(services, &seal, &wanted.authorisation).await?;
                keeps(services, asker, &seal).await?;
                let wanted = WantedApproval { nonce, ..wanted };
                Ok(SealAnswer::Drafted { nonce, to_sign: seal_uses::to_approve_use(services, &wanted).await? })
            }
            UseRequest::Approve(seal, wanted, signature) => {
                of_seal(services, &seal, &wanted.authorisation).await?;
                let approval = seal_uses::approve_use(services, wanted, asker.signed(&signature)).await?;
                Ok(SealAnswer::Approval(Box::new(approval)))
            }
            UseRequest::Ledger(query, limit) => {
                let page = seal_uses::ledger(services, &asker.actor(), &query, limit).await?;
                Ok(SealAnswer::Ledger(page.entries, page.next))
            }
        }
    }
}

fn told(stored: StoredAuthorisation) -> SealAnswer {
    SealAnswer::Authorisation(Box::new(stored.authorisation))
}

/// The asker keeps that seal.
async fn keeps(services: &Services, asker: Asker<'_>, seal: &SealId) -> Result<(), Error> {
    let kept = seal_uses::keeper(services, seal).await?.ok_or(Error::SealWithoutKeeper)?;
    if kept.keeper == *asker.caller { Ok(()) } else { Err(TermsRefused::NotKeeper.into()) }
}

/// The asker looks after that seal.
async fn tends(services: &Services, asker: Asker<'_>, seal: &SealId) -> Result<(), Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
            may_tend(tx, asker.caller, seal).await
        })
    });
    steps.await
}

/// An authorisation of that seal.
async fn of_seal(services: &Services, seal: &SealId, id: &AuthorisationId) -> Result<StoredAuthorisation, Error> {
    let found = services.store.read(|tx| Box::pin(use_authorisations::find(tx, id))).await?;
    found.filter(|stored| stored.authorisation.terms.seal == *seal).ok_or(Error::UnknownAuthorisation)
}

/// The authorisation that this keeper gave with this nonce, in these terms, by this very signature. So one whose answer was
/// lost is given again, and is one.
async fn given_before(
    services: &Services,
    asker: Asker<'_>,
    terms: &UseTerms,
    signature: &[u8],
) -> Result<Option<StoredAuthorisation>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let keeper = seal_uses::keeper_in(tx, &terms.seal).await?.0;
            Ok::<_, Error>((keeper, use_authorisations::with_nonce(tx, &terms.nonce).await?))
        })
    });
    let (keeper, found) = steps.await?;
    let value = fixed_value(&keeper, signature);
    let is_it = |one: &Authorisation| one.terms == *terms && one.given.signature == value && keeper.id == *asker.caller;
    Ok(found.filter(|stored| is_it(&stored.authorisation)))
}
