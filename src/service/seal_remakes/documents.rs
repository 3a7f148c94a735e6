//! Documents that were signed with the seals of an order and whose time nothing proves: they are named, so that their holders
//! can have them signed again.
//!
//! A document is proven where the audit log holds its signature, and known witnesses saw that before the seal's certificate was
//! revoked, or before the compromise where the order names one: what the verifier asks too. A leaf alone proves nothing, since the
//! log writes its own times. A time stamp that somebody else keeps is not known here: it saves its document all the same.

use crate::base::clock::Timestamp;
use crate::base::id::{JobId, SealId, SignatureId};
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::seal::State;
use crate::domain::seal::remake::RemakeStep;
use crate::service::audit_log::Dating;
use crate::service::seal_remakes::known;
use crate::service::{Error, Services};
use crate::store::signatures::SigningState;
use crate::store::use_ledger::{LedgerEntry, LedgerQuery, UseOutcome};
use crate::store::{Tx, audit, log, seal_remakes, seals, signatures, use_ledger};

/// Lines that are read at once.
const LINES: i64 = 200;
/// Events of one thing that are looked at.
const MOST_OF_A_THING: i64 = 16;

/// A document whose time is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprovenDocument {
    /// The seal.
    pub seal: SealId,
    /// The act of signing.
    pub signature: SignatureId,
    /// When it was signed, as the ledger says.
    pub at: Timestamp,
    /// SM3 of the document as it came.
    pub document_sm3: [u8; 32],
    /// SM3 of the sealed document.
    pub result_sm3: Option<[u8; 32]>,
    /// Why: `after-compromise`; `no-log-proof`: no leaf of the log; `not-seen-in-time`: a leaf, and no witness saw it in time.
    pub why: &'static str,
}

/// Where a list goes on: behind that seal of the order.
pub type Behind = Option<SealId>;

/// Documents of some of the order's seals behind that one, and where to go on; nothing where no seal is left. Times are those of
/// these witnesses.
///
/// # Errors
/// [`Error::UnknownJob`]; the store's.
pub async fn unproven(
    services: &Services,
    id: &JobId,
    behind: Behind,
    witnesses: &[Verifier],
) -> Result<(Vec<UnprovenDocument>, Behind), Error> {
    let dating = Dating::by(services, witnesses).await?;
    let (behind, dating) = (behind.as_ref(), dating.as_ref());
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let compromised_at = known(tx, id).await?.order.compromised_at;
            let mut rows = Vec::new();
            for step in RemakeStep::ALL {
                rows.extend(seal_remakes::seals_at(tx, id, *step, behind, LINES).await?);
            }
            rows.sort_by(|one, other| one.seal.cmp(&other.seal));
            rows.truncate(usize::try_from(LINES).unwrap_or(usize::MAX));
            let (mut found, last) = (Vec::new(), rows.last().map(|row| row.seal.clone()));
            for row in rows {
                let revoked = match seals::find(tx, &row.seal).await?.map(|seal| seal.state) {
                    Some(State::Revoked { at, .. }) => Some(at),
                    _ => None,
                };
                let before = [compromised_at, revoked].into_iter().flatten().min();
                of_seal(tx, (&row.seal, dating), (compromised_at, before), &mut found).await?;
            }
            Ok::<_, Error>((found, last))
        })
    });
    steps.await
}

async fn of_seal(
    tx: &mut Tx<'_>,
    (seal, dating): (&SealId, Option<&Dating>),
    moments: (Option<Timestamp>, Option<Timestamp>),
    found: &mut Vec<UnprovenDocument>,
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let query = LedgerQuery {
            seal: Some(seal.clone()),
            outcome: Some("signed".to_owned()),
            after: after.clone(),
            ..LedgerQuery::default()
        };
        let lines = use_ledger::search(tx, &query, LINES).await?;
        let Some(last) = lines.last() else { return Ok(()) };
        after = Some((last.at, last.signature.clone()));
        for line in lines {
            found.extend(unless_proven(tx, line, dating, moments).await?);
        }
    }
}

async fn unless_proven(
    tx: &mut Tx<'_>,
    line: LedgerEntry,
    dating: Option<&Dating>,
    (compromised_at, before): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Option<UnprovenDocument>, Error> {
    let at = match line.outcome {
        UseOutcome::Signed { at } => at,
        UseOutcome::Intended | UseOutcome::Abandoned { .. } => return Ok(None),
    };
    let result_sm3 = signatures::find(tx, &line.signature).await?.and_then(|signature| match signature.state {
        SigningState::Signed { result_sm3, .. } => Some(result_sm3),
        SigningState::Signing | SigningState::Abandoned { .. } => None,
    });
    let (mut is_leaf, mut is_proven) = (false, false);
    if let Some(result) = &result_sm3 {
        for number in log::of_thing(tx, result, MOST_OF_A_THING).await? {
            // What was erased can be proven no more.
            if audit::find_salted(tx, number).await?.is_none() {
                continue;
            }
            is_leaf = true;
            let index = u64::try_from(number).unwrap_or(u64::MAX);
            let seen = match dating {
                Some(dating) => dating.of_leaf(tx, index).await?,
                None => None,
            };
            is_proven |= seen.is_some_and(|seen| before.is_none_or(|before| seen < before));
        }
    }
    let why = match compromised_at {
        _ if is_proven => return Ok(None),
        Some(moment) if at >= moment => "after-compromise",
        _ if is_leaf => "not-seen-in-time",
        _ => "no-log-proof",
    };
    let LedgerEntry { seal, signature, document_sm3, .. } = line;
    Ok(Some(UnprovenDocument { seal, signature, at, document_sm3, result_sm3, why }))
}
