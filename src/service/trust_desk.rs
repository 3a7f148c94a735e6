//! Trust lists through a door: imported, compared, approved, refused and brought into force. The officer is the caller, and
//! each approval or refusal is a signature by the caller's registered key.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::domain::audit::Actor;
use crate::domain::ca::request::Hand;
use crate::domain::ca::trust_list::{ListApproval, ListState};
use crate::domain::trust::list_diff::{ListChange, diff};
use crate::format::trust_list::SignedTrustList;
use crate::service::officers::{fixed_value, officer_in};
use crate::service::registration::Signed;
use crate::service::trust_lists::{self, LeftOut};
use crate::service::{Error, Services};
use crate::store::trust_lists::StoredTrustList;

/// What a caller does with trust lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustListStep {
    /// Takes in the lists of a signed list or a bundle; they wait for two officers.
    Import {
        /// The file.
        file: Vec<u8>,
    },
    /// Looks at all of them.
    List,
    /// Looks at one, and at what it would change or changed.
    Show {
        /// SM3 of the list.
        list: [u8; 32],
    },
    /// Asks for the octets that the caller signs to approve.
    ToApprove {
        /// SM3 of the list.
        list: [u8; 32],
        /// The fingerprint as the officer reads it from paper.
        paper: Option<String>,
    },
    /// Asks for the octets that the caller signs to refuse.
    ToRefuse {
        /// SM3 of the list.
        list: [u8; 32],
    },
    /// Approves, by the caller's signature; the same again changes nothing.
    Approve {
        /// SM3 of the list.
        list: [u8; 32],
        /// The fingerprint as the officer reads it from paper.
        paper: Option<String>,
        /// The signature.
        signature: Vec<u8>,
    },
    /// Refuses for ever, by the caller's signature; the same again changes nothing.
    Refuse {
        /// SM3 of the list.
        list: [u8; 32],
        /// The signature.
        signature: Vec<u8>,
    },
    /// Brings a list into force that two officers approved. One in force stays so.
    Activate {
        /// SM3 of the list.
        list: [u8; 32],
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustListAnswer {
    /// Lists as they stand now: those that the step was about.
    Lists(Vec<TrustListRecord>),
    /// The octets to sign.
    Octets(Vec<u8>),
}

/// A trust list as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustListRecord {
    /// SM3 of its canonical form: its name here, and its fingerprint.
    pub sm3: [u8; 32],
    /// `imported`, `active`, `superseded` or `refused`.
    pub state: &'static str,
    /// Its name.
    pub name: String,
    /// Its version.
    pub number: u64,
    /// SM3 of the version that it replaces.
    pub replaces: Option<[u8; 32]>,
    /// Whether nobody known introduces it, and officers compare with paper.
    pub by_paper: bool,
    /// The list above that introduced it.
    pub above: Option<String>,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// Since when it is, or was, in force.
    pub active_since: Option<Timestamp>,
    /// When it was superseded or refused.
    pub ended_at: Option<Timestamp>,
    /// Who refused it.
    pub refused_by: Option<CallerId>,
    /// The approvals so far.
    pub approvals: Vec<ListApproval>,
    /// In force, and not used: the stable code of the reason.
    pub not_used: Option<&'static str>,
    /// What changes by it, where one was asked for or imported.
    pub changes: Option<Vec<ListChange>>,
    /// The signed list as a file, where one was asked for.
    pub file: Option<Vec<u8>>,
}

/// Takes a step.
///
/// # Errors
/// As the functions of [`trust_lists`].
pub async fn step(
    services: &Services,
    (caller, actor, call): (&CallerId, &Actor, &RequestId),
    step: TrustListStep,
) -> Result<TrustListAnswer, Error> {
    let signed = |signature| Signed { officer: caller, signature, call: Some(call) };
    let one = |stored| Ok(TrustListAnswer::Lists(vec![record_of(stored)]));
    match step {
        TrustListStep::Import { file } => {
            let imported = trust_lists::import(services, (actor, Some(call)), &file).await?;
            let record =
                |one: trust_lists::Imported| TrustListRecord { changes: Some(one.changes), ..record_of(one.stored) };
            Ok(TrustListAnswer::Lists(imported.into_iter().map(record).collect()))
        }
        TrustListStep::List => {
            let all = trust_lists::list(services).await?.into_iter().map(record_of);
            let left_out = trust_lists::in_force(services, services.clock.now()).await?.left_out;
            Ok(TrustListAnswer::Lists(all.map(|record| with_use(record, &left_out)).collect()))
        }
        TrustListStep::Show { list } => {
            let stored = trust_lists::find(services, &list).await?;
            let left_out = trust_lists::in_force(services, services.clock.now()).await?.left_out;
            let before = match &stored.order.offer.replaces {
                Some(before) => Some(SignedTrustList::parse(&trust_lists::find(services, before).await?.file)?),
                None => None,
            };
            let signed = SignedTrustList::parse(&stored.file)?;
            let changes = Some(diff(before.as_ref().map(SignedTrustList::list), signed.list()));
            let file = Some(stored.file.clone());
            let record = TrustListRecord { changes, file, ..record_of(stored) };
            Ok(TrustListAnswer::Lists(vec![with_use(record, &left_out)]))
        }
        TrustListStep::ToApprove { list, paper } => {
            let octets = trust_lists::to_approve(services, &list, caller, paper.as_deref()).await?;
            Ok(TrustListAnswer::Octets(octets))
        }
        TrustListStep::ToRefuse { list } => {
            Ok(TrustListAnswer::Octets(trust_lists::to_refuse(services, &list, caller).await?))
        }
        TrustListStep::Approve { list, paper, signature } => {
            let taken = trust_lists::approve(services, &list, signed(&signature), paper.as_deref()).await;
            one(settled(services, &list, (caller, &signature), taken, has_approved).await?)
        }
        TrustListStep::Refuse { list, signature } => {
            let taken = trust_lists::refuse(services, &list, signed(&signature)).await;
            one(settled(services, &list, (caller, &signature), taken, has_refused).await?)
        }
        TrustListStep::Activate { list } => {
            let taken = trust_lists::activate(services, (actor, Some(call)), &list).await;
            match taken {
                Err(error @ Error::TrustListStep(_)) => {
                    let stored = trust_lists::find(services, &list).await?;
                    let is_active = matches!(stored.order.state, ListState::Active { .. });
                    if is_active { one(stored) } else { Err(error) }
                }
                taken => one(taken?),
            }
        }
    }
}

/// A step that was taken before by this very signature is that step: whoever lost the answer asks again.
async fn settled(
    services: &Services,
    list: &[u8; 32],
    (caller, signature): (&CallerId, &[u8]),
    taken: Result<StoredTrustList, Error>,
    was_taken: fn(&StoredTrustList, &Hand, &[u8]) -> bool,
) -> Result<StoredTrustList, Error> {
    let Err(error @ Error::TrustListStep(_)) = taken else { return taken };
    let stored = trust_lists::find(services, list).await?;
    let (officer, _) = services.store.read(|tx| Box::pin(officer_in(tx, caller))).await?;
    let value = fixed_value(&officer, signature);
    if was_taken(&stored, &Hand::of(&officer), &value) { Ok(stored) } else { Err(error) }
}

fn has_approved(stored: &StoredTrustList, hand: &Hand, value: &[u8]) -> bool {
    stored.order.approvals.iter().any(|approval| approval.hand == *hand && approval.signature == value)
}

fn has_refused(stored: &StoredTrustList, hand: &Hand, value: &[u8]) -> bool {
    let is_own = matches!(&stored.order.state, ListState::Refused { by, .. } if *by == hand.officer);
    is_own && stored.end_signature.as_deref() == Some(value)
}

/// Whether it is left out, though it is in force.
fn with_use(record: TrustListRecord, left_out: &[LeftOut]) -> TrustListRecord {
    let is_it = |one: &&LeftOut| record.state == "active" && one.name == record.name && one.number == record.number;
    let not_used = left_out.iter().find(is_it).map(|one| one.code);
    TrustListRecord { not_used, ..record }
}

/// A row as the door tells it.
fn record_of(stored: StoredTrustList) -> TrustListRecord {
    let state = stored.order.state_name();
    let (active_since, ended_at, refused_by) = match stored.order.state {
        ListState::Active { since } => (Some(since), None, None),
        ListState::Superseded { since, at } => (Some(since), Some(at), None),
        ListState::Refused { by, at } => (None, Some(at), Some(by)),
        ListState::Imported => (None, None, None),
    };
    let offer = stored.order.offer;
    TrustListRecord {
        sm3: offer.list_sm3,
        state,
        name: offer.name,
        number: offer.number,
        replaces: offer.replaces,
        by_paper: offer.by_paper,
        above: stored.above,
        imported_at: stored.imported_at,
        active_since,
        ended_at,
        refused_by,
        approvals: stored.order.approvals,
        not_used: None,
        changes: None,
        file: None,
    }
}
