//! Rows of keepers' approvals of single uses of seals. They give authority, so each carries an integrity value; none ever
//! changes: which were used, the ledger says.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorisationId, CallerId};
use crate::crypto::digest::hex;
use crate::domain::officer::{Approval, Hand};
use crate::domain::seal::authority::UseApproval;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx, use_ledger};

const TABLE: &str = "use_approvals";

type Row = (Vec<u8>, String, Vec<u8>, Option<i64>, String, Vec<u8>, Vec<u8>, i64, Vec<u8>);

fn covered<T>(
    (authorisation, document, amount): (&str, &[u8], Option<i64>),
    (keeper, key, signature, at): (&str, &[u8], &[u8], i64),
    judge: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let amount = optional(amount.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
    judge(&[authorisation.as_bytes(), document, &amount, keeper.as_bytes(), key, signature, &at.to_be_bytes()])
}

/// The approval without whether it was used.
fn entity(tx: &Tx<'_>, row: Row) -> Result<UseApproval, Error> {
    let (nonce, authorisation, document, amount, keeper, key, signature, at, found) = row;
    let name = hex(&nonce);
    let (what, who) = ((&authorisation[..], &document[..], amount), (&keeper[..], &key[..], &signature[..], at));
    covered(what, who, |content| tx.integrity.check(TABLE, &name, 1, content, &found))?;
    let facts = || {
        let hand = Hand { officer: CallerId::parse(&keeper).ok()?, key_sm3: key.clone().try_into().ok()? };
        Some(UseApproval {
            authorisation: AuthorisationId::parse(&authorisation).ok()?,
            nonce: nonce.clone().try_into().ok()?,
            document_sm3: document.clone().try_into().ok()?,
            amount: amount.map(u64::try_from).transpose().ok()?,
            given: Approval { hand, signature: signature.clone(), at: Timestamp::from_unix(at) },
            is_spent: false,
        })
    };
    facts().ok_or(Error::Inconsistent { table: TABLE, row: name })
}

/// Keeps a new approval.
///
/// # Errors
/// [`Error::Conflict`] when its nonce is there already, or the authorisation is not.
pub async fn insert(tx: &mut Tx<'_>, approval: &UseApproval) -> Result<(), Error> {
    let name = hex(&approval.nonce);
    let wrong = |_| Error::Inconsistent { table: TABLE, row: name.clone() };
    let amount = approval.amount.map(i64::try_from).transpose().map_err(wrong)?;
    let (authorisation, document) = (approval.authorisation.as_str(), &approval.document_sm3[..]);
    let (keeper, key) = (approval.given.hand.officer.as_str(), &approval.given.hand.key_sm3[..]);
    let (signature, at) = (&approval.given.signature[..], approval.given.at.unix());
    let (what, who) = ((authorisation, document, amount), (keeper, key, signature, at));
    let integrity = covered(what, who, |content| tx.integrity.over(TABLE, &name, 1, content))?;
    let sql = "INSERT INTO use_approvals (nonce, authorisation, document_sm3, amount, keeper, keeper_key_sm3, \
               signature, given_at, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(tx, sql, &approval.nonce[..], authorisation, document, amount, keeper, key, signature, at, integrity)
        .map(|_| ())
}

/// The approvals of a document under an authorisation, the newest first, at most `limit`, each with whether it was used.
///
/// # Errors
/// [`Error::Inconsistent`] for a row, here or in the ledger, that is not as we wrote it; the database's.
pub async fn of_document(
    tx: &mut Tx<'_>,
    authorisation: &AuthorisationId,
    document_sm3: &[u8; 32],
    limit: i64,
) -> Result<Vec<UseApproval>, Error> {
    let sql = "SELECT nonce, authorisation, document_sm3, amount, keeper, keeper_key_sm3, signature, given_at, integrity \
               FROM use_approvals WHERE authorisation = $1 AND document_sm3 = $2 ORDER BY given_at DESC, nonce LIMIT $3";
    let mut found = Vec::new();
    for row in fetch_all!(tx, Row, sql, authorisation.as_str(), &document_sm3[..], limit)? {
        let approval = entity(tx, row)?;
        let is_spent = use_ledger::is_spent(tx, &approval.nonce).await?;
        found.push(UseApproval { is_spent, ..approval });
    }
    Ok(found)
}
