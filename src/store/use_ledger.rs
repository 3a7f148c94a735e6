//! Rows of the use ledger (用印台账): one for each act of signing with a seal, entered with its intent. Limits are counted by
//! them, so each carries an integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorisationId, CallerId, SealId, SignatureId};
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "use_ledger";

/// What became of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseOutcome {
    /// Begun; nothing was released.
    Intended,
    /// The sealed document was released.
    Signed {
        /// When.
        at: Timestamp,
    },
    /// It came to nothing, and does not count.
    Abandoned {
        /// When this was found.
        at: Timestamp,
    },
}

impl UseOutcome {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Signed { .. } => "signed",
            Self::Abandoned { .. } => "abandoned",
        }
    }

    /// When it ended.
    #[must_use]
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Intended => None,
            Self::Signed { at } | Self::Abandoned { at } => Some(at),
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The act of signing.
    pub signature: SignatureId,
    /// The seal.
    pub seal: SealId,
    /// Who used it; nobody where somebody at the machine did.
    pub user: Option<CallerId>,
    /// Under which authorisation, and its number among that one's uses from 1; none for a seal without a keeper.
    pub authorisation: Option<(AuthorisationId, i64)>,
    /// The nonce of the keeper's approval that it used.
    pub approval: Option<[u8; 32]>,
    /// For which item.
    pub item: Option<String>,
    /// The kind of the document.
    pub document_kind: Option<String>,
    /// The amount, in fen.
    pub amount: Option<u64>,
    /// SM3 of the document as it came.
    pub document_sm3: [u8; 32],
    /// The kind of the second factor, and when it was presented.
    pub factor: Option<(String, Timestamp)>,
    /// When the use began.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: UseOutcome,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// What is looked for; an empty query finds everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerQuery {
    /// Uses of that seal.
    pub seal: Option<SealId>,
    /// Uses by that caller.
    pub user: Option<CallerId>,
    /// For that item.
    pub item: Option<String>,
    /// Of that kind of document.
    pub document_kind: Option<String>,
    /// Begun then or later.
    pub from: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// `intended`, `signed` or `abandoned`.
    pub outcome: Option<String>,
    /// Behind that line: when it began, and its act of signing.
    pub after: Option<(Timestamp, SignatureId)>,
}

struct Row {
    signature: String,
    seal: String,
    caller: Option<String>,
    authorisation: Option<String>,
    number: Option<i64>,
    approval: Option<Vec<u8>>,
    item: Option<String>,
    document_kind: Option<String>,
    amount: Option<i64>,
    document_sm3: Vec<u8>,
    factor: Option<String>,
    factor_at: Option<i64>,
    at: i64,
    outcome: String,
    finished_at: Option<i64>,
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
            signature: row.try_get("signature")?,
            seal: row.try_get("seal")?,
            caller: row.try_get("caller")?,
            authorisation: row.try_get("authorisation")?,
            number: row.try_get("number")?,
            approval: row.try_get("approval")?,
            item: row.try_get("item")?,
            document_kind: row.try_get("document_kind")?,
            amount: row.try_get("amount")?,
            document_sm3: row.try_get("document_sm3")?,
            factor: row.try_get("factor")?,
            factor_at: row.try_get("factor_at")?,
            at: row.try_get("at")?,
            outcome: row.try_get("outcome")?,
            finished_at: row.try_get("finished_at")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "SELECT signature, seal, caller, authorisation, number, approval, item, document_kind, amount, ",
            "document_sm3, factor, factor_at, at, outcome, finished_at, version, ",
            integrity_of_newest!("use_ledger", "signature"),
            " FROM use_ledger ",
            $($rest),+
        )
    };
}

impl Row {
    /// The columns of a line, with the integrity value over them.
    fn of(tx: &Tx<'_>, entry: &LedgerEntry) -> Result<Self, Error> {
        let wrong = |_| Error::Inconsistent { table: TABLE, row: entry.signature.to_string() };
        let mut row = Self {
            signature: entry.signature.to_string(),
            seal: entry.seal.to_string(),
            caller: entry.user.as_ref().map(ToString::to_string),
            authorisation: entry.authorisation.as_ref().map(|(id, _)| id.to_string()),
            number: entry.authorisation.as_ref().map(|(_, number)| *number),
            approval: entry.approval.map(|nonce| nonce.to_vec()),
            item: entry.item.clone(),
            document_kind: entry.document_kind.clone(),
            amount: entry.amount.map(i64::try_from).transpose().map_err(wrong)?,
            document_sm3: entry.document_sm3.to_vec(),
            factor: entry.factor.as_ref().map(|(kind, _)| kind.clone()),
            factor_at: entry.factor.as_ref().map(|(_, at)| at.unix()),
            at: entry.at.unix(),
            outcome: entry.outcome.name().to_owned(),
            finished_at: entry.outcome.ended_at().map(Timestamp::unix),
            version: entry.version,
            integrity: Vec::new(),
        };
        row.integrity = row.covered(|content| tx.integrity.over(TABLE, &row.signature, row.version, content))?;
        Ok(row)
    }

    /// The content that the integrity value covers.
    fn covered<T>(&self, judge: impl FnOnce(&[&[u8]]) -> T) -> T {
        let number = |value: Option<i64>| optional(value.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let text = |value: &Option<String>| optional(value.as_ref().map(|text| text.as_bytes()));
        let mut content = vec![self.seal.as_bytes().to_vec(), self.document_sm3.clone()];
        content.extend([&self.caller, &self.authorisation, &self.item, &self.document_kind, &self.factor].map(text));
        content.extend([self.number, self.amount, self.factor_at, self.finished_at].map(number));
        content.extend([optional(self.approval.as_deref()), self.outcome.as_bytes().to_vec()]);
        content.push(self.at.to_be_bytes().to_vec());
        judge(&content.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn facts(&self) -> Option<LedgerEntry> {
        let at = Timestamp::from_unix;
        let outcome = match (self.outcome.as_str(), self.finished_at) {
            ("intended", None) => UseOutcome::Intended,
            ("signed", Some(moment)) => UseOutcome::Signed { at: at(moment) },
            ("abandoned", Some(moment)) => UseOutcome::Abandoned { at: at(moment) },
            _ => return None,
        };
        let authorisation = match (&self.authorisation, self.number) {
            (Some(id), Some(number)) => Some((AuthorisationId::parse(id).ok()?, number)),
            (None, None) => None,
            _ => return None,
        };
        let factor = match (&self.factor, self.factor_at) {
            (Some(kind), Some(moment)) => Some((kind.clone(), at(moment))),
            (None, None) => None,
            _ => return None,
        };
        Some(LedgerEntry {
            signature: SignatureId::parse(&self.signature).ok()?,
            seal: SealId::parse(&self.seal).ok()?,
            user: self.caller.as_deref().map(CallerId::parse).transpose().ok()?,
            authorisation,
            approval: self.approval.clone().map(TryInto::try_into).transpose().ok()?,
            item: self.item.clone(),
            document_kind: self.document_kind.clone(),
            amount: self.amount.map(u64::try_from).transpose().ok()?,
            document_sm3: self.document_sm3.clone().try_into().ok()?,
            factor,
            at: at(self.at),
            outcome,
            version: self.version,
        })
    }
}

fn entity(tx: &Tx<'_>, row: &Row) -> Result<LedgerEntry, Error> {
    row.covered(|content| tx.integrity.check(TABLE, &row.signature, row.version, content, &row.integrity))?;
    row.facts().ok_or_else(|| Error::Inconsistent { table: TABLE, row: row.signature.clone() })
}

/// Enters a use that begins, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when that act of signing, or that number of the authorisation, is there already.
pub async fn insert(tx: &mut Tx<'_>, entry: &LedgerEntry) -> Result<(), Error> {
    let row = Row::of(tx, &LedgerEntry { outcome: UseOutcome::Intended, version: 1, ..entry.clone() })?;
    let sql = "INSERT INTO use_ledger (signature, seal, caller, authorisation, number, approval, item, document_kind, \
               amount, document_sm3, factor, factor_at, at, outcome, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15)";
    execute!(
        tx,
        sql,
        row.signature,
        row.seal,
        row.caller,
        row.authorisation,
        row.number,
        row.approval,
        row.item,
        row.document_kind,
        row.amount,
        row.document_sm3,
        row.factor,
        row.factor_at,
        row.at,
        row.outcome,
        row.integrity
    )
    .map(|_| ())
}

/// The line of that act of signing.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, signature: &SignatureId) -> Result<Option<LedgerEntry>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE signature = $1"), signature.as_str())?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// Keeps what became of a use that was begun.
///
/// # Errors
/// [`Error::Stale`] when it has ended already.
pub async fn finish(tx: &mut Tx<'_>, entry: &LedgerEntry, outcome: UseOutcome) -> Result<LedgerEntry, Error> {
    let next = LedgerEntry { outcome, version: entry.version.saturating_add(1), ..entry.clone() };
    let row = Row::of(tx, &next)?;
    let sql = "UPDATE use_ledger SET outcome = $1, finished_at = $2, version = $3, integrity = $4 \
               WHERE signature = $5 AND version = $6 AND outcome = 'intended'";
    let Row { signature, outcome, finished_at, version, integrity, .. } = row;
    match execute!(tx, sql, outcome, finished_at, version, integrity, &signature[..], entry.version)? {
        1 => {
            newest::keep(tx, TABLE, &signature, version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: signature }),
    }
}

/// Whether a use stands by that approval that did not come to nothing.
///
/// # Errors
/// As [`find`].
pub async fn is_spent(tx: &mut Tx<'_>, approval: &[u8; 32]) -> Result<bool, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE approval = $1"), &approval[..])?;
    let entries = rows.iter().map(|row| entity(tx, row)).collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().any(|entry| !matches!(entry.outcome, UseOutcome::Abandoned { .. })))
}

/// The lines that a query finds, the newest first, at most `limit`.
///
/// By seal or by user an index leads to them; by neither, time does.
///
/// # Errors
/// As [`find`].
pub async fn search(tx: &mut Tx<'_>, query: &LedgerQuery, limit: i64) -> Result<Vec<LedgerEntry>, Error> {
    macro_rules! found_by {
        ($first:literal) => {
            select!(
                "WHERE ",
                $first,
                "at >= $2 AND at < $3 AND (at, signature) < ($4, $5) AND ($6 = '' OR caller = $6) \
                 AND ($7 = '' OR item = $7) AND ($8 = '' OR document_kind = $8) AND ($9 = '' OR outcome = $9) \
                 ORDER BY at DESC, signature DESC LIMIT $10"
            )
        };
    }
    let user = query.user.as_ref().map_or("", CallerId::as_str);
    let (sql, first, user) = match &query.seal {
        Some(seal) => (found_by!("seal = $1 AND "), seal.as_str(), user),
        None if !user.is_empty() => (found_by!("caller = $1 AND "), user, ""),
        None => (found_by!("$1 = '' AND "), "", ""),
    };
    let (from, until) = (query.from.map_or(0, Timestamp::unix), query.until.map_or(i64::MAX, Timestamp::unix));
    // No name has a '~', and every name sorts before it.
    let (at, signature) = query.after.as_ref().map_or((i64::MAX, "~"), |(at, id)| (at.unix(), id.as_str()));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (item, kind, outcome) = (text(&query.item), text(&query.document_kind), text(&query.outcome));
    let rows = fetch_all!(tx, Row, sql, first, from, until, at, signature, user, item, kind, outcome, limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}
