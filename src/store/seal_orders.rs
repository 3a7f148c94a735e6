//! Rows of orders at a maker elsewhere. They say which seal is wanted of whom, and what came, so each carries an integrity
//! value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, SealId};
use crate::crypto::digest::sm3;
use crate::domain::seal::order::{OrderState, OrderWithdrawal};
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_orders";

/// A seal that came, until it is kept among the seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedSeal {
    /// DER.
    pub seal: Vec<u8>,
    /// The certificates that came with it, the signer's first, DER.
    pub certificates: Vec<Vec<u8>>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// For which application.
    pub application: ApplicationId,
    /// The name that the seal will have here.
    pub seal: SealId,
    /// The request for the signer's certificate, DER.
    pub request: Vec<u8>,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// Where it stands.
    pub state: OrderState,
    /// What arrived, while it is not kept.
    pub arrived: Option<ArrivedSeal>,
    /// Counts its changes, from 1.
    pub version: i64,
}

struct Row {
    application: String,
    seal: String,
    request: Vec<u8>,
    ordered_at: i64,
    state: String,
    since: i64,
    number: Option<String>,
    detail: Option<String>,
    seal_sm3: Option<Vec<u8>>,
    seal_der: Option<Vec<u8>>,
    certificates: Option<Vec<u8>>,
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
            application: row.try_get("application")?,
            seal: row.try_get("seal")?,
            request: row.try_get("request")?,
            ordered_at: row.try_get("ordered_at")?,
            state: row.try_get("state")?,
            since: row.try_get("since")?,
            number: row.try_get("number")?,
            detail: row.try_get("detail")?,
            seal_sm3: row.try_get("seal_sm3")?,
            seal_der: row.try_get("seal_der")?,
            certificates: row.try_get("certificates")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

/// `number`, `detail` and `seal_sm3` of a state.
type Facts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a [u8; 32]>);

fn facts(state: &OrderState) -> Facts<'_> {
    match state {
        OrderState::Ordered { .. } => (None, None, None),
        OrderState::Accepted { number, .. } => (Some(number), None, None),
        OrderState::Arrived { number, seal_sm3, .. } | OrderState::Kept { number, seal_sm3, .. } => {
            (Some(number), None, Some(seal_sm3))
        }
        OrderState::Refused { reason, .. } => (None, Some(reason), None),
        OrderState::Withdrawn { why, .. } | OrderState::Cancelled { why, .. } => (None, Some(why.name()), None),
    }
}

/// The certificates behind one another, each behind its length.
fn joined(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for one in certificates {
        octets.extend(u32::try_from(one.len()).unwrap_or(u32::MAX).to_be_bytes());
        octets.extend_from_slice(one);
    }
    octets
}

fn parted(mut octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (one, rest) = rest.split_at_checked(length)?;
        all.push(one.to_vec());
        octets = rest;
    }
    octets.is_empty().then_some(all)
}

/// The content that the integrity value covers: every column but application, version and the value itself.
fn content(order: &StoredOrder) -> Vec<Vec<u8>> {
    let (number, detail, seal_sm3) = facts(&order.state);
    let arrived = order.arrived.as_ref();
    vec![
        order.seal.as_str().as_bytes().to_vec(),
        order.request.clone(),
        order.ordered_at.unix().to_be_bytes().to_vec(),
        order.state.name().as_bytes().to_vec(),
        order.state.since().unix().to_be_bytes().to_vec(),
        optional(number.map(str::as_bytes)),
        optional(detail.map(str::as_bytes)),
        optional(seal_sm3.map(|sm3| &sm3[..])),
        optional(arrived.map(|one| sm3(&one.seal)).as_ref().map(|sm3| &sm3[..])),
        optional(arrived.map(|one| joined(&one.certificates)).as_deref()),
    ]
}

fn integrity(tx: &Tx<'_>, order: &StoredOrder) -> Result<Vec<u8>, Error> {
    let content = content(order);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.over(TABLE, order.application.as_str(), order.version, &parts)
}

fn read(row: Row) -> Option<StoredOrder> {
    let since = Timestamp::from_unix(row.since);
    let seal_sm3 = row.seal_sm3.map(<[u8; 32]>::try_from).transpose().ok()?;
    let withdrawal = |detail: String| OrderWithdrawal::from_name(&detail);
    let state = match (row.state.as_str(), row.number, row.detail, seal_sm3) {
        ("ordered", None, None, None) => OrderState::Ordered { since },
        ("accepted", Some(number), None, None) => OrderState::Accepted { since, number },
        ("arrived", Some(number), None, Some(seal_sm3)) => OrderState::Arrived { since, number, seal_sm3 },
        ("kept", Some(number), None, Some(seal_sm3)) => OrderState::Kept { since, number, seal_sm3 },
        ("refused", None, Some(reason), None) => OrderState::Refused { since, reason },
        ("withdrawn", None, Some(why), None) => OrderState::Withdrawn { since, why: withdrawal(why)? },
        ("cancelled", None, Some(why), None) => OrderState::Cancelled { since, why: withdrawal(why)? },
        _ => return None,
    };
    let arrived = match (row.seal_der, row.certificates) {
        (None, None) => None,
        (Some(seal), Some(certificates)) => Some(ArrivedSeal { seal, certificates: parted(&certificates)? }),
        _ => return None,
    };
    Some(StoredOrder {
        application: ApplicationId::parse(&row.application).ok()?,
        seal: SealId::parse(&row.seal).ok()?,
        request: row.request,
        ordered_at: Timestamp::from_unix(row.ordered_at),
        state,
        arrived,
        version: row.version,
    })
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredOrder, Error> {
    let (id, version, found) = (row.application.clone(), row.version, row.integrity.clone());
    let order = read(row).ok_or_else(|| tx.integrity.refuse(TABLE, &id))?;
    let content = content(&order);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(TABLE, &id, version, &parts, &found)?;
    Ok(order)
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT application, seal, request, ordered_at, state, since, number, detail, seal_sm3, seal_der, certificates, ",
            "version, ",
            integrity_of_newest!("seal_orders", "application"),
            " FROM seal_orders ",
            $where
        )
    };
}

/// Keeps a new order, as version 1 whatever it says. Only one that is to be sent is new.
///
/// # Errors
/// [`Error::Conflict`] when there is one for the application, or for the seal.
pub async fn insert(tx: &mut Tx<'_>, order: &StoredOrder) -> Result<(), Error> {
    let order = StoredOrder { version: 1, arrived: None, ..order.clone() };
    let integrity = integrity(tx, &order)?;
    let sql = "INSERT INTO seal_orders (application, seal, request, ordered_at, state, since, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, 1, $7)";
    let (application, seal, since) = (order.application.as_str(), order.seal.as_str(), order.state.since().unix());
    let (request, ordered_at) = (&order.request[..], order.ordered_at.unix());
    execute!(tx, sql, application, seal, request, ordered_at, order.state.name(), since, integrity)?;
    newest::first(tx, TABLE, application).await
}

/// The order for that application.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, application: &ApplicationId) -> Result<Option<StoredOrder>, Error> {
    match fetch_optional!(tx, Row, select!("WHERE application = $1"), application.as_str())? {
        Some(row) => entity(tx, row).map(Some),
        None => newest::absent(tx, TABLE, application.as_str()).await,
    }
}

/// The order by which that seal came.
///
/// # Errors
/// As [`find`].
pub async fn of_seal(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredOrder>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE seal = $1"), seal.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// Applications whose seal arrived and is not kept yet, the longest waiting first, at most `limit`.
///
/// # Errors
/// The database's, or a name that nobody writes.
pub async fn arrived(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<ApplicationId>, Error> {
    let sql = "SELECT application FROM seal_orders WHERE state = 'arrived' ORDER BY since, application LIMIT $1";
    let rows = fetch_all!(tx, (String,), sql, limit)?;
    let named = |(id,): (String,)| ApplicationId::parse(&id).map_err(|_| Error::Inconsistent { table: TABLE, row: id });
    rows.into_iter().map(named).collect()
}

/// Keeps the next state of an order, and what arrived; gives it with its next version. What was ordered never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `order`.
pub async fn update(tx: &mut Tx<'_>, order: &StoredOrder) -> Result<StoredOrder, Error> {
    let next = StoredOrder { version: order.version.saturating_add(1), ..order.clone() };
    let integrity = integrity(tx, &next)?;
    let (number, detail, seal_sm3) = facts(&next.state);
    let seal_der = next.arrived.as_ref().map(|one| one.seal.clone());
    let certificates = next.arrived.as_ref().map(|one| joined(&one.certificates));
    let sql = "UPDATE seal_orders SET state = $1, since = $2, number = $3, detail = $4, seal_sm3 = $5, seal_der = $6, \
               certificates = $7, version = $8, integrity = $9 WHERE application = $10 AND version = $11";
    let rows = execute!(
        tx,
        sql,
        next.state.name(),
        next.state.since().unix(),
        number,
        detail,
        seal_sm3.map(|sm3| sm3.to_vec()),
        seal_der,
        certificates,
        next.version,
        integrity,
        next.application.as_str(),
        order.version
    )?;
    match rows {
        1 => {
            newest::keep(tx, TABLE, next.application.as_str(), next.version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: next.application.to_string() }),
    }
}
