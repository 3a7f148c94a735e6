//! Documents that were signed with the seals of an order and whose time nothing proves: they are named, so that their holders
//! can have them signed again.
//!
//! A document is proven where its signature is a leaf of the audit log, and was made before the compromise. A time stamp that
//! somebody else keeps is not known here: it saves its document all the same.

use crate::base::clock::Timestamp;
use crate::base::id::{JobId, SealId, SignatureId};
use crate::domain::seal::remake::RemakeStep;
use crate::service::seal_remakes::known;
use crate::service::{Error, Services};
use crate::store::signatures::SigningState;
use crate::store::use_ledger::{LedgerEntry, LedgerQuery, UseOutcome};
use crate::store::{Tx, audit, log, seal_remakes, signatures, use_ledger};

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
    /// Why: `no-log-proof`, or `after-compromise`.
    pub why: &'static str,
}

/// Where a list goes on: behind that seal of the order.
pub type Behind = Option<SealId>;

/// Documents of some of the order's seals behind that one, and where to go on; nothing where no seal is left.
///
/// # Errors
/// [`Error::UnknownJob`]; the store's.
pub async fn unproven(
    services: &Services,
    id: &JobId,
    behind: Behind,
) -> Result<(Vec<UnprovenDocument>, Behind), Error> {
    let behind = behind.as_ref();
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
                of_seal(tx, &row.seal, compromised_at, &mut found).await?;
            }
            Ok::<_, Error>((found, last))
        })
    });
    steps.await
}

async fn of_seal(
    tx: &mut Tx<'_>,
    seal: &SealId,
    compromised_at: Option<Timestamp>,
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
            found.extend(unless_proven(tx, line, compromised_at).await?);
        }
    }
}

async fn unless_proven(
    tx: &mut Tx<'_>,
    line: LedgerEntry,
    compromised_at: Option<Timestamp>,
) -> Result<Option<UnprovenDocument>, Error> {
    let at = match line.outcome {
        UseOutcome::Signed { at } => at,
        UseOutcome::Intended | UseOutcome::Abandoned { .. } => return Ok(None),
    };
    let result_sm3 = signatures::find(tx, &line.signature).await?.and_then(|signature| match signature.state {
        SigningState::Signed { result_sm3, .. } => Some(result_sm3),
        SigningState::Signing | SigningState::Abandoned { .. } => None,
    });
    let mut is_leaf = false;
    if let Some(result) = &result_sm3 {
        for number in log::of_thing(tx, result, MOST_OF_A_THING).await? {
            // What was erased can be proven no more.
            is_leaf |= audit::find_salted(tx, number).await?.is_some();
        }
    }
    let why = match (is_leaf, compromised_at) {
        (true, Some(moment)) if at >= moment => "after-compromise",
        (true, _) => return Ok(None),
        (false, _) => "no-log-proof",
    };
    let LedgerEntry { seal, signature, document_sm3, .. } = line;
    Ok(Some(UnprovenDocument { seal, signature, at, document_sm3, result_sm3, why }))
}
