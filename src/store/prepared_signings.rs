//! Rows of signings whose key lies with the client: prepared here, signed there, completed here. They say what a value
//! releases, so each carries an integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId, SignatureId};
use crate::crypto::digest::sm3;
use crate::domain::seal::signing::Placement;
use crate::domain::seal::stamp_plan::StampPlan;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "prepared_signings";

/// How a prepared signing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreparedEnd {
    /// The client's value came; the document is forgotten after some time.
    Signed {
        /// SM3 of the value.
        value_sm3: [u8; 32],
        /// What left, while it is kept.
        result: Option<Vec<u8>>,
    },
    /// No right value came in time, or the seal was not to be used any more.
    Abandoned,
}

/// A signing that waits for the client's value, or waited.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPrepared {
    /// The act of signing.
    pub signature: SignatureId,
    /// The seal.
    pub seal: SealId,
    /// Who prepared it; nobody for the operator.
    pub caller: Option<CallerId>,
    /// What came; nothing once it ended.
    pub document: Option<Vec<u8>>,
    /// SM3 of what came.
    pub document_sm3: [u8; 32],
    /// Where the stamps go.
    pub plan: StampPlan,
    /// SM3 of what the client signs.
    pub to_sign_sm3: [u8; 32],
    /// When it was prepared: the moment that the signature states.
    pub prepared_at: Timestamp,
    /// Until when a value counts.
    pub expires_at: Timestamp,
    /// When it ended, and how.
    pub ended: Option<(Timestamp, PreparedEnd)>,
    /// Counts its changes, from 1.
    pub version: i64,
}

struct Row {
    signature: String,
    seal: String,
    caller: Option<String>,
    document: Option<Vec<u8>>,
    document_sm3: Vec<u8>,
    page: i64,
    x_bits: i64,
    y_bits: i64,
    locks: i64,
    places: Option<String>,
    to_sign_sm3: Vec<u8>,
    prepared_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    value_sm3: Option<Vec<u8>>,
    result: Option<Vec<u8>>,
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
            document: row.try_get("document")?,
            document_sm3: row.try_get("document_sm3")?,
            page: row.try_get("page")?,
            x_bits: row.try_get("x_bits")?,
            y_bits: row.try_get("y_bits")?,
            locks: row.try_get("locks")?,
            places: row.try_get("places")?,
            to_sign_sm3: row.try_get("to_sign_sm3")?,
            prepared_at: row.try_get("prepared_at")?,
            expires_at: row.try_get("expires_at")?,
            ended_at: row.try_get("ended_at")?,
            value_sm3: row.try_get("value_sm3")?,
            result: row.try_get("result")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

fn bits(number: f64) -> i64 {
    i64::from_be_bytes(number.to_be_bytes())
}

fn number(bits: i64) -> f64 {
    f64::from_be_bytes(bits.to_be_bytes())
}

/// The content that the integrity value covers: every column but signature, version and the value itself, documents by their
/// SM3. What left is forgotten without a new value, so whether it is there is not covered.
fn content(prepared: &StoredPrepared) -> Vec<Vec<u8>> {
    let (place, places) = columns(&prepared.plan);
    let (ended_at, value) = match &prepared.ended {
        None => (None, None),
        Some((at, PreparedEnd::Abandoned)) => (Some(at.unix().to_be_bytes()), None),
        Some((at, PreparedEnd::Signed { value_sm3, .. })) => (Some(at.unix().to_be_bytes()), Some(value_sm3)),
    };
    let mut content = vec![
        prepared.seal.as_str().as_bytes().to_vec(),
        optional(prepared.caller.as_ref().map(|caller| caller.as_str().as_bytes())),
        prepared.document_sm3.to_vec(),
        place.page.to_be_bytes().to_vec(),
        place.x_mm.to_be_bytes().to_vec(),
        place.y_mm.to_be_bytes().to_vec(),
        vec![u8::from(place.lock)],
        prepared.to_sign_sm3.to_vec(),
        prepared.prepared_at.unix().to_be_bytes().to_vec(),
        prepared.expires_at.unix().to_be_bytes().to_vec(),
        optional(ended_at.as_ref().map(|octets| &octets[..])),
        optional(value.map(|value| &value[..])),
    ];
    // Rows of one stamp at a point are as they were before there were others.
    content.extend(places.map(String::into_bytes));
    content
}

/// A plan as the columns have it: of one stamp at a point the page and the point, of any other one its text.
fn columns(plan: &StampPlan) -> (Placement, Option<String>) {
    match plan.single() {
        Some(place) => (place, None),
        None => (Placement { page: 0, x_mm: 0.0, y_mm: 0.0, lock: plan.lock }, Some(plan.text())),
    }
}

fn integrity(tx: &Tx<'_>, prepared: &StoredPrepared) -> Result<Vec<u8>, Error> {
    let content = content(prepared);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.over(TABLE, prepared.signature.as_str(), prepared.version, &parts)
}

fn read(row: Row) -> Option<StoredPrepared> {
    let document_sm3 = row.document_sm3.try_into().ok()?;
    if row.document.as_ref().is_some_and(|document| sm3(document) != document_sm3) {
        return None;
    }
    let ended = match (row.ended_at, row.value_sm3, row.result) {
        (None, None, None) => None,
        (Some(at), None, None) => Some((Timestamp::from_unix(at), PreparedEnd::Abandoned)),
        (Some(at), Some(value), result) => {
            let value_sm3 = value.try_into().ok()?;
            Some((Timestamp::from_unix(at), PreparedEnd::Signed { value_sm3, result }))
        }
        _ => return None,
    };
    Some(StoredPrepared {
        signature: SignatureId::parse(&row.signature).ok()?,
        seal: SealId::parse(&row.seal).ok()?,
        caller: row.caller.as_deref().map(CallerId::parse).transpose().ok()?,
        document: row.document,
        document_sm3,
        plan: match row.places {
            None => StampPlan::from(Placement {
                page: u32::try_from(row.page).ok()?,
                x_mm: number(row.x_bits),
                y_mm: number(row.y_bits),
                lock: row.locks == 1,
            }),
            Some(text) => StampPlan::read(&text, row.locks == 1).ok()?,
        },
        to_sign_sm3: row.to_sign_sm3.try_into().ok()?,
        prepared_at: Timestamp::from_unix(row.prepared_at),
        expires_at: Timestamp::from_unix(row.expires_at),
        ended,
        version: row.version,
    })
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT signature, seal, caller, document, document_sm3, page, x_bits, y_bits, locks, places, to_sign_sm3, prepared_at, ",
            "expires_at, ended_at, value_sm3, result, version, integrity FROM prepared_signings ",
            $where
        )
    };
}

/// Keeps a signing that was just prepared, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its act of signing is not.
pub async fn insert(tx: &mut Tx<'_>, prepared: &StoredPrepared) -> Result<(), Error> {
    let one = StoredPrepared { version: 1, ended: None, ..prepared.clone() };
    let integrity = integrity(tx, &one)?;
    let sql = "INSERT INTO prepared_signings (signature, seal, caller, document, document_sm3, page, x_bits, y_bits, locks, \
               to_sign_sm3, prepared_at, expires_at, version, integrity, places) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $14)";
    let (place, places) = columns(&one.plan);
    execute!(
        tx,
        sql,
        one.signature.as_str(),
        one.seal.as_str(),
        one.caller.as_ref().map(CallerId::as_str),
        one.document,
        &one.document_sm3[..],
        i64::from(place.page),
        bits(place.x_mm),
        bits(place.y_mm),
        i64::from(place.lock),
        &one.to_sign_sm3[..],
        one.prepared_at.unix(),
        one.expires_at.unix(),
        integrity,
        places
    )
    .map(|_| ())
}

/// The prepared signing of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, signature: &SignatureId) -> Result<Option<StoredPrepared>, Error> {
    let Some(row) = fetch_optional!(tx, Row, select!("WHERE signature = $1"), signature.as_str())? else {
        return Ok(None);
    };
    let (id, version, found) = (row.signature.clone(), row.version, row.integrity.clone());
    let prepared = read(row).ok_or_else(|| Error::Inconsistent { table: TABLE, row: id.clone() })?;
    let content = content(&prepared);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(TABLE, &id, version, &parts, &found)?;
    Ok(Some(prepared))
}

/// Those that waited until before that moment, the longest first, at most `limit`.
///
/// # Errors
/// The database's, or a name that nobody writes.
pub async fn expired(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<SignatureId>, Error> {
    let sql = "SELECT signature FROM prepared_signings WHERE ended_at IS NULL AND expires_at < $1 \
               ORDER BY expires_at, signature LIMIT $2";
    let rows = fetch_all!(tx, (String,), sql, now.unix(), limit)?;
    let named = |(id,): (String,)| SignatureId::parse(&id).map_err(|_| Error::Inconsistent { table: TABLE, row: id });
    rows.into_iter().map(named).collect()
}

/// How many of that caller wait.
///
/// # Errors
/// The database's.
pub async fn count_open(tx: &mut Tx<'_>, caller: Option<&CallerId>) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM prepared_signings WHERE ended_at IS NULL AND COALESCE(caller, '') = $1";
    let (count,) = fetch_one!(tx, (i64,), sql, caller.map_or("", CallerId::as_str))?;
    Ok(count)
}

/// Ends a prepared signing: what came is forgotten.
///
/// # Errors
/// [`Error::Stale`] when it ended before.
pub async fn end(tx: &mut Tx<'_>, prepared: &StoredPrepared, end: PreparedEnd, now: Timestamp) -> Result<(), Error> {
    let version = prepared.version.saturating_add(1);
    let next = StoredPrepared { document: None, ended: Some((now, end)), version, ..prepared.clone() };
    let integrity = integrity(tx, &next)?;
    let (value, result) = match next.ended {
        Some((_, PreparedEnd::Signed { value_sm3, result })) => (Some(value_sm3.to_vec()), result),
        _ => (None, None),
    };
    let sql = "UPDATE prepared_signings SET document = NULL, ended_at = $1, value_sm3 = $2, result = $3, version = $4, \
               integrity = $5 WHERE signature = $6 AND version = $7 AND ended_at IS NULL";
    let signature = next.signature.as_str();
    match execute!(tx, sql, now.unix(), value, result, version, integrity, signature, prepared.version)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: next.signature.to_string() }),
    }
}

/// Forgets what left before that moment; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    let sql = "UPDATE prepared_signings SET result = NULL WHERE result IS NOT NULL AND ended_at < $1";
    execute!(tx, sql, before.unix())
}
