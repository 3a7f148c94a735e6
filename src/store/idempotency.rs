//! Rows of answers given under an `Idempotency-Key`, so that a repeated request gets the first answer.

use std::collections::BTreeSet;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::store::sql::{execute, fetch_listed, fetch_optional};
use crate::store::{Error, Tx};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// SM3 of the request that came with it first.
    pub request_sm3: [u8; 32],
    /// Status and body of the answer, once there is one.
    pub answer: Option<(u16, Vec<u8>)>,
    /// Numbers of the events that the first request wrote.
    pub events: Vec<i64>,
}

/// An answer that is kept: of which caller and key, given to which request, its octets.
pub type GivenAnswer<'a> = (&'a CallerId, &'a str, Option<&'a RequestId>, &'a [u8]);

/// Reserves the key for this request; `false` when it is taken.
///
/// # Errors
/// [`Error::Conflict`] when there is no such caller; the database's.
pub async fn reserve(
    tx: &mut Tx<'_>,
    caller: &CallerId,
    key: &str,
    request_sm3: &[u8; 32],
    now: Timestamp,
) -> Result<bool, Error> {
    let sql = "INSERT INTO idempotency (caller, key, request_sm3, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT DO NOTHING";
    Ok(execute!(tx, sql, caller.as_str(), key, &request_sm3[..], now.unix())? == 1)
}

/// Keys that one statement reserves or completes: far below the number of values that it may bind.
const PART: usize = 500;

/// Reserves many keys by one statement; gives caller and key of those that were free. A key that is named twice is
/// reserved once.
///
/// # Errors
/// As [`reserve`].
pub async fn reserve_many(
    tx: &mut Tx<'_>,
    wanted: &[(&CallerId, &str, &[u8; 32])],
    now: Timestamp,
) -> Result<BTreeSet<(String, String)>, Error> {
    let mut free = BTreeSet::new();
    for part in wanted.chunks(PART) {
        let before = "INSERT INTO idempotency (caller, key, request_sm3, created_at) ";
        let behind = " ON CONFLICT DO NOTHING RETURNING caller, key";
        let reserved = fetch_listed!(
            tx,
            (String, String),
            before,
            part,
            |bound, (caller, key, request)| {
                bound.push_bind(caller.as_str().to_owned()).push_bind((*key).to_owned());
                bound.push_bind(request.to_vec()).push_bind(now.unix());
            },
            behind
        )?;
        free.extend(reserved);
    }
    Ok(free)
}

/// What stands under the key.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, caller: &CallerId, key: &str) -> Result<Option<StoredAnswer>, Error> {
    let sql = "SELECT request_sm3, status, response, events FROM idempotency WHERE caller = $1 AND key = $2";
    let row = fetch_optional!(tx, (Vec<u8>, Option<i64>, Option<Vec<u8>>, Option<String>), sql, caller.as_str(), key)?;
    let entity = |(request, status, response, events): (Vec<u8>, Option<i64>, Option<Vec<u8>>, Option<String>)| {
        let answer = match (status, response) {
            (Some(status), Some(response)) => Some((u16::try_from(status).ok()?, response)),
            _ => None,
        };
        let events = events.iter().flat_map(|events| events.split(',')).map(|number| number.parse().ok());
        Some(StoredAnswer { request_sm3: request.try_into().ok()?, answer, events: events.collect::<Option<_>>()? })
    };
    let wrong = || Error::Inconsistent { table: "idempotency", row: format!("{caller}/{key}") };
    row.map(|row| entity(row).ok_or_else(wrong)).transpose()
}

/// Numbers of the events of a request as a row has them: nothing where there are none.
fn events_of(tx: &Tx<'_>, request: Option<&RequestId>) -> Option<String> {
    let numbers = request.map(|request| tx.events_of(request)).unwrap_or_default();
    let numbers = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    (!numbers.is_empty()).then_some(numbers)
}

/// Keeps the answer under a key that is reserved and has none, with the numbers of what its request has written so far.
///
/// # Errors
/// [`Error::Stale`] when it is not.
pub async fn complete(
    tx: &mut Tx<'_>,
    (caller, key, request, response): GivenAnswer<'_>,
    status: u16,
) -> Result<(), Error> {
    let events = events_of(tx, request);
    let sql = "UPDATE idempotency SET status = $1, response = $2, events = $3 \
               WHERE caller = $4 AND key = $5 AND status IS NULL";
    match execute!(tx, sql, i64::from(status), response, events, caller.as_str(), key)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "idempotency", row: format!("{caller}/{key}") }),
    }
}

/// Keeps the answers under keys that are reserved and have none, by one statement.
///
/// # Errors
/// [`Error::Stale`] with the first that is not.
pub async fn complete_many(tx: &mut Tx<'_>, status: u16, answers: &[GivenAnswer<'_>]) -> Result<(), Error> {
    let answers = answers.iter().map(|(caller, key, request, response)| {
        // Nothing is an empty text here: the type of a column is told by its values.
        (*caller, *key, *response, events_of(tx, *request).unwrap_or_default())
    });
    let answers = answers.collect::<Vec<_>>();
    for part in answers.chunks(PART) {
        let before = "WITH answers (caller, key, response, events) AS (";
        // The status is a number of ours.
        let behind = format!(
            ") UPDATE idempotency SET status = {status}, response = answers.response, \
             events = NULLIF(answers.events, '') FROM answers \
             WHERE idempotency.caller = answers.caller AND idempotency.key = answers.key \
             AND idempotency.status IS NULL RETURNING idempotency.caller, idempotency.key"
        );
        let done = fetch_listed!(
            tx,
            (String, String),
            before,
            part,
            |bound, (caller, key, response, events)| {
                bound.push_bind(caller.as_str().to_owned()).push_bind((*key).to_owned()).push_bind(response.to_vec());
                bound.push_bind(events.clone());
            },
            behind
        )?;
        let done = done.into_iter().collect::<BTreeSet<_>>();
        let is_left = |caller: &CallerId, key: &str| !done.contains(&(caller.as_str().to_owned(), key.to_owned()));
        if let Some((caller, key, ..)) = part.iter().find(|(caller, key, ..)| is_left(caller, key)) {
            return Err(Error::Stale { table: "idempotency", row: format!("{caller}/{key}") });
        }
    }
    Ok(())
}

/// Frees a key whose request came to nothing, so that it may be tried again.
///
/// # Errors
/// The database's.
pub async fn release(tx: &mut Tx<'_>, caller: &CallerId, key: &str) -> Result<(), Error> {
    let sql = "DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND status IS NULL";
    execute!(tx, sql, caller.as_str(), key).map(|_| ())
}

/// Frees every key without an answer, for a start after a crash; gives their number.
///
/// # Errors
/// The database's.
pub async fn release_open(tx: &mut Tx<'_>) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM idempotency WHERE status IS NULL")
}

/// Forgets keys with an answer whose request came before that moment, the oldest first, at most `limit`; gives their number.
///
/// # Errors
/// The database's.
pub async fn forget_before(tx: &mut Tx<'_>, moment: Timestamp, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM idempotency WHERE (caller, key) IN (SELECT caller, key FROM idempotency \
               WHERE created_at < $1 AND status IS NOT NULL ORDER BY created_at LIMIT $2)";
    execute!(tx, sql, moment.unix(), limit)
}
