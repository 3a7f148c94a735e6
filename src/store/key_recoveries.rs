//! Rows of orders to recover a key, and of the officers' signatures over them. They give authority, so each carries an
//! integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, CallerId, KeyId};
use crate::domain::ca::recovery::{
    Recovery, RecoveryApproval, RecoveryEnd, RecoveryOrder, RecoveryReason, RecoveryRefusal,
};
use crate::domain::ca::request::Hand;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "key_recoveries";
const APPROVALS: &str = "recovery_approvals";

/// An order and how often its row was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecovery {
    /// The order, who agreed, and how it ended.
    pub recovery: Recovery,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// The columns, as the database holds them.
struct Row {
    id: String,
    key_id: String,
    certificate: Vec<u8>,
    owner_key_sm3: Vec<u8>,
    nonce: Vec<u8>,
    recipient: Vec<u8>,
    reason: String,
    evidence_sm3: Vec<u8>,
    ordered_at: i64,
    expires_at: i64,
    outcome: Option<String>,
    ended_at: Option<i64>,
    refused_by: Option<String>,
    refused_by_key: Option<Vec<u8>>,
    refusal: Option<String>,
    version: i64,
    integrity: Vec<u8>,
}

impl<'r, R> FromRow<'r, R> for Row
where
    R: sqlx::Row,
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            key_id: row.try_get("key_id")?,
            certificate: row.try_get("certificate")?,
            owner_key_sm3: row.try_get("owner_key_sm3")?,
            nonce: row.try_get("nonce")?,
            recipient: row.try_get("recipient")?,
            reason: row.try_get("reason")?,
            evidence_sm3: row.try_get("evidence_sm3")?,
            ordered_at: row.try_get("ordered_at")?,
            expires_at: row.try_get("expires_at")?,
            outcome: row.try_get("outcome")?,
            ended_at: row.try_get("ended_at")?,
            refused_by: row.try_get("refused_by")?,
            refused_by_key: row.try_get("refused_by_key")?,
            refusal: row.try_get("refusal")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    /// The columns of an order, with the integrity value over them.
    fn of(tx: &Tx<'_>, recovery: &Recovery, version: i64) -> Result<Self, Error> {
        let order = &recovery.order;
        let mut row = Self {
            id: order.id.to_string(),
            key_id: order.key.to_string(),
            certificate: order.certificate_sm3.to_vec(),
            owner_key_sm3: order.owner_key_sm3.to_vec(),
            nonce: order.nonce.to_vec(),
            recipient: order.recipient.clone(),
            reason: order.reason.name().to_owned(),
            evidence_sm3: order.evidence_sm3.to_vec(),
            ordered_at: order.ordered_at.unix(),
            expires_at: order.expires_at.unix(),
            outcome: recovery.end.as_ref().map(|_| recovery.state_name().to_owned()),
            ended_at: recovery.end.as_ref().map(|_| recovery.since().unix()),
            refused_by: None,
            refused_by_key: None,
            refusal: None,
            version,
            integrity: Vec::new(),
        };
        if let Some(RecoveryEnd::Refused { by, reason, .. }) = &recovery.end {
            row.refused_by = Some(by.officer.to_string());
            row.refused_by_key = Some(by.key_sm3.to_vec());
            row.refusal = Some(reason.name().to_owned());
        }
        row.integrity = row.covered(|content| tx.integrity.over(TABLE, &row.id, version, content))?;
        Ok(row)
    }

    /// The content that the integrity value covers.
    fn covered<T>(&self, judge: impl FnOnce(&[&[u8]]) -> T) -> T {
        let [ordered, expires] = [self.ordered_at, self.expires_at].map(i64::to_be_bytes);
        let ended = optional(self.ended_at.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let text = |value: &Option<String>| optional(value.as_ref().map(|text| text.as_bytes()));
        let (outcome, by, refusal) = (text(&self.outcome), text(&self.refused_by), text(&self.refusal));
        let key = optional(self.refused_by_key.as_deref());
        let (id, reason) = (self.key_id.as_bytes(), self.reason.as_bytes());
        let fixed: [&[u8]; 8] = [
            id,
            &self.certificate,
            &self.owner_key_sm3,
            &self.nonce,
            &self.recipient,
            reason,
            &self.evidence_sm3,
            &ordered,
        ];
        let rest: [&[u8]; 6] = [&expires, &outcome, &ended, &by, &key, &refusal];
        judge(&[&fixed[..], &rest].concat())
    }

    fn entity(self, tx: &Tx<'_>) -> Result<StoredRecovery, Error> {
        self.covered(|content| tx.integrity.check(TABLE, &self.id, self.version, content, &self.integrity))?;
        let wrong = || Error::Inconsistent { table: TABLE, row: self.id.clone() };
        let digest = |octets: &[u8]| <[u8; 32]>::try_from(octets).map_err(|_| wrong());
        let end = self.end().ok_or_else(wrong)?;
        let order = RecoveryOrder {
            id: ApplicationId::parse(&self.id).map_err(|_| wrong())?,
            nonce: digest(&self.nonce)?,
            key: KeyId::parse(&self.key_id).map_err(|_| wrong())?,
            certificate_sm3: digest(&self.certificate)?,
            owner_key_sm3: digest(&self.owner_key_sm3)?,
            recipient: self.recipient.clone(),
            reason: RecoveryReason::from_name(&self.reason).ok_or_else(wrong)?,
            evidence_sm3: digest(&self.evidence_sm3)?,
            ordered_at: Timestamp::from_unix(self.ordered_at),
            expires_at: Timestamp::from_unix(self.expires_at),
        };
        Ok(StoredRecovery { recovery: Recovery { order, approvals: Vec::new(), end }, version: self.version })
    }

    /// How it ended; nothing outside for columns that do not fit together.
    fn end(&self) -> Option<Option<RecoveryEnd>> {
        let Some(outcome) = &self.outcome else { return Some(None) };
        let at = Timestamp::from_unix(self.ended_at?);
        let end = match outcome.as_str() {
            "recovered" => RecoveryEnd::Recovered { at },
            "lapsed" => RecoveryEnd::Lapsed { at },
            "refused" => {
                let officer = CallerId::parse(self.refused_by.as_deref()?).ok()?;
                let key_sm3 = self.refused_by_key.as_deref()?.try_into().ok()?;
                let reason = RecoveryRefusal::from_name(self.refusal.as_deref()?)?;
                RecoveryEnd::Refused { by: Hand { officer, key_sm3 }, reason, at }
            }
            _ => return None,
        };
        Some(Some(end))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, key_id, certificate, owner_key_sm3, nonce, recipient, reason, evidence_sm3, ordered_at, ",
            "expires_at, outcome, ended_at, refused_by, refused_by_key, refusal, version, integrity ",
            "FROM key_recoveries ",
            $rest
        )
    };
}

/// Keeps a new order.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its key is not.
pub async fn insert(tx: &mut Tx<'_>, recovery: &Recovery) -> Result<(), Error> {
    let row = Row::of(tx, recovery, 1)?;
    let sql = "INSERT INTO key_recoveries (id, key_id, certificate, owner_key_sm3, nonce, recipient, reason, \
               evidence_sm3, ordered_at, expires_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)";
    let (id, key, reason) = (row.id.as_str(), row.key_id.as_str(), row.reason.as_str());
    let (certificate, owner, nonce) = (&row.certificate[..], &row.owner_key_sm3[..], &row.nonce[..]);
    let (recipient, evidence) = (&row.recipient[..], &row.evidence_sm3[..]);
    let (ordered, expires, integrity) = (row.ordered_at, row.expires_at, &row.integrity[..]);
    execute!(tx, sql, id, key, certificate, owner, nonce, recipient, reason, evidence, ordered, expires, integrity)
        .map(|_| ())
}

/// The order of that name, with its approvals.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<StoredRecovery>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())?;
    let Some(row) = row else { return Ok(None) };
    with_approvals(tx, row).await.map(Some)
}

/// Orders in the order of their names, from the one behind `after` on, at most `limit`; only those that have not ended
/// where `open`.
///
/// # Errors
/// As [`find`].
pub async fn list(
    tx: &mut Tx<'_>,
    open: bool,
    after: Option<&ApplicationId>,
    limit: i64,
) -> Result<Vec<StoredRecovery>, Error> {
    let after = after.map_or("", ApplicationId::as_str);
    let rows = if open {
        fetch_all!(tx, Row, select!("WHERE outcome IS NULL AND id > $1 ORDER BY id LIMIT $2"), after, limit)?
    } else {
        fetch_all!(tx, Row, select!("WHERE id > $1 ORDER BY id LIMIT $2"), after, limit)?
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(with_approvals(tx, row).await?);
    }
    Ok(found)
}

/// Orders that have not ended and whose time was over before that moment, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn overdue(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<StoredRecovery>, Error> {
    let sql = select!("WHERE outcome IS NULL AND expires_at < $1 ORDER BY expires_at, id LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, now.unix(), limit)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(with_approvals(tx, row).await?);
    }
    Ok(found)
}

async fn with_approvals(tx: &mut Tx<'_>, row: Row) -> Result<StoredRecovery, Error> {
    let mut stored = row.entity(tx)?;
    stored.recovery.approvals = approvals(tx, &stored.recovery.order.id).await?;
    Ok(stored)
}

/// Counts one change of an order's row, which its end or a new approval is. Whoever changes it at the same time loses.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`.
pub async fn change(tx: &mut Tx<'_>, stored: &StoredRecovery, next: &Recovery) -> Result<StoredRecovery, Error> {
    let version = stored.version.saturating_add(1);
    let row = Row::of(tx, next, version)?;
    let sql = "UPDATE key_recoveries SET outcome = $1, ended_at = $2, refused_by = $3, refused_by_key = $4, \
               refusal = $5, version = $6, integrity = $7 WHERE id = $8 AND version = $9 AND outcome IS NULL";
    let (outcome, by, refusal) = (row.outcome.as_deref(), row.refused_by.as_deref(), row.refusal.as_deref());
    let (key, id, integrity) = (row.refused_by_key.as_deref(), row.id.as_str(), &row.integrity[..]);
    match execute!(tx, sql, outcome, row.ended_at, by, key, refusal, version, integrity, id, stored.version)? {
        1 => Ok(StoredRecovery { recovery: next.clone(), version }),
        _ => Err(Error::Stale { table: TABLE, row: row.id }),
    }
}

type ApprovalRow = (String, Vec<u8>, Vec<u8>, i64, Vec<u8>);

fn name(id: &ApplicationId, officer: &str) -> String {
    format!("{id}|{officer}")
}

/// Keeps an officer's signature.
///
/// # Errors
/// [`Error::Conflict`] when the officer approved this order before, or is no caller.
pub async fn insert_approval(tx: &mut Tx<'_>, id: &ApplicationId, approval: &RecoveryApproval) -> Result<(), Error> {
    let (officer, at) = (approval.hand.officer.as_str(), approval.at.unix());
    let content: [&[u8]; 3] = [&approval.hand.key_sm3, &approval.signature, &at.to_be_bytes()];
    let integrity = tx.integrity.over(APPROVALS, &name(id, officer), 1, &content)?;
    let sql = "INSERT INTO recovery_approvals (recovery, officer, key_sm3, signature, at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let (key, signature) = (&approval.hand.key_sm3[..], &approval.signature[..]);
    execute!(tx, sql, id.as_str(), officer, key, signature, at, integrity).map(|_| ())
}

async fn approvals(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Vec<RecoveryApproval>, Error> {
    let sql = "SELECT officer, key_sm3, signature, at, integrity FROM recovery_approvals WHERE recovery = $1 \
               ORDER BY at, officer";
    let rows = fetch_all!(tx, ApprovalRow, sql, id.as_str())?;
    let read = |(officer, key, signature, at, integrity): ApprovalRow| {
        let row = name(id, &officer);
        tx.integrity.check(APPROVALS, &row, 1, &[&key, &signature, &at.to_be_bytes()], &integrity)?;
        let wrong = || Error::Inconsistent { table: APPROVALS, row: row.clone() };
        let key_sm3 = <[u8; 32]>::try_from(key).map_err(|_| wrong())?;
        let hand = Hand { officer: CallerId::parse(&officer).map_err(|_| wrong())?, key_sm3 };
        Ok(RecoveryApproval { hand, signature, at: Timestamp::from_unix(at) })
    };
    rows.into_iter().map(read).collect()
}
