//! Rows of files that a caller has verified together. They hold what strangers' files are called and what was found of
//! them, so they are forgotten whole. A report is told as ours, so a file that is judged carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, VerificationBatchId};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "verification_batches";
const FILES: &str = "verification_batch_files";

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It takes files.
    Open,
    /// Its files are being judged.
    Running,
    /// All are judged.
    Finished,
}

impl BatchState {
    const ALL: [Self; 3] = [Self::Open, Self::Running, Self::Finished];

    /// As rows and answers say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// A batch without its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// Its name.
    pub id: VerificationBatchId,
    /// Whose it is.
    pub owner: CallerId,
    /// The key under which it was made.
    pub idempotency_key: String,
    /// The verification policy by name.
    pub policy: String,
    /// Stands in for the moment of judging.
    pub judged_as_of: Option<Timestamp>,
    /// How far it has come.
    pub state: BatchState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is in its state.
    pub since: Timestamp,
}

/// A file of a batch without its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFile {
    /// Its number, the first is 1.
    pub position: i64,
    /// As the report names it.
    pub name: String,
    /// SM3 of its content.
    pub sm3: [u8; 32],
    /// Bytes of its content.
    pub bytes: i64,
    /// SM3 of the document that it signs, where that lies beside it.
    pub original_sm3: Option<[u8; 32]>,
    /// The digest of that document, where that was told.
    pub original_digest: Option<String>,
    /// What it came to, once it is judged.
    pub indication: Option<String>,
}

/// How many files a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All.
    pub files: i64,
    /// Those that are judged.
    pub judged: i64,
    /// Bytes of all.
    pub bytes: i64,
}

type BatchRow = (String, String, String, String, Option<i64>, String, i64, i64);
type FileRow = (i64, String, Vec<u8>, i64, Option<Vec<u8>>, Option<String>, Option<String>);

fn batch(row: BatchRow) -> Result<StoredBatch, Error> {
    let (id, owner, idempotency_key, policy, judged_as_of, state, created_at, since) = row;
    let named = BatchState::ALL.into_iter().find(|known| known.name() == state);
    let read = || {
        Some(StoredBatch {
            id: VerificationBatchId::parse(&id).ok()?,
            owner: CallerId::parse(&owner).ok()?,
            idempotency_key,
            policy,
            judged_as_of: judged_as_of.map(Timestamp::from_unix),
            state: named?,
            created_at: Timestamp::from_unix(created_at),
            since: Timestamp::from_unix(since),
        })
    };
    read().ok_or_else(|| Error::Inconsistent { table: TABLE, row: id.clone() })
}

fn file(row: FileRow) -> Result<BatchFile, Error> {
    let (position, name, sm3, bytes, original, original_digest, indication) = row;
    let original_sm3 = original.map(|sm3| sm3.try_into()).transpose();
    match (sm3.try_into(), original_sm3) {
        (Ok(sm3), Ok(original_sm3)) => {
            Ok(BatchFile { position, name, sm3, bytes, original_sm3, original_digest, indication })
        }
        _ => Err(Error::Inconsistent { table: FILES, row: position.to_string() }),
    }
}

/// A statement that reads whole batches.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, owner, idempotency_key, policy, judged_as_of, state, created_at, since FROM verification_batches ",
            $where
        )
    };
}

/// A statement that reads files without their reports.
macro_rules! select_files {
    ($where:literal) => {
        concat!(
            "SELECT position, name, file_sm3, bytes, original_sm3, original_digest, indication ",
            "FROM verification_batch_files ",
            $where
        )
    };
}

/// Keeps a new batch.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or one under its owner's key.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredBatch) -> Result<(), Error> {
    let sql = "INSERT INTO verification_batches (id, owner, idempotency_key, policy, judged_as_of, state, created_at, since) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (id, owner, key, policy) =
        (stored.id.as_str(), stored.owner.as_str(), stored.idempotency_key.as_str(), stored.policy.as_str());
    let (as_of, state) = (stored.judged_as_of.map(Timestamp::unix), stored.state.name());
    execute!(tx, sql, id, owner, key, policy, as_of, state, stored.created_at.unix(), stored.since.unix()).map(|_| ())
}

/// The batch of that name.
///
/// # Errors
/// [`Error::Inconsistent`]; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &VerificationBatchId) -> Result<Option<StoredBatch>, Error> {
    fetch_optional!(tx, BatchRow, select!("WHERE id = $1"), id.as_str())?.map(batch).transpose()
}

/// The batch that a caller made under that key.
///
/// # Errors
/// As [`find`].
pub async fn find_by_key(tx: &mut Tx<'_>, owner: &CallerId, key: &str) -> Result<Option<StoredBatch>, Error> {
    let sql = select!("WHERE owner = $1 AND idempotency_key = $2");
    fetch_optional!(tx, BatchRow, sql, owner.as_str(), key)?.map(batch).transpose()
}

/// How many batches a caller has.
///
/// # Errors
/// The database's.
pub async fn count_of(tx: &mut Tx<'_>, owner: &CallerId) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM verification_batches WHERE owner = $1";
    fetch_one!(tx, (i64,), sql, owner.as_str()).map(|(count,)| count)
}

/// Bytes of the files of all batches.
///
/// # Errors
/// The database's.
pub async fn bytes_of_all(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM verification_batch_files";
    fetch_one!(tx, (i64,), sql).map(|(bytes,)| bytes)
}

/// Batches whose files are being judged, in the order in which that began.
///
/// # Errors
/// As [`find`].
pub async fn running(tx: &mut Tx<'_>) -> Result<Vec<StoredBatch>, Error> {
    let rows = fetch_all!(tx, BatchRow, select!("WHERE state = 'running' ORDER BY since, id"))?;
    rows.into_iter().map(batch).collect()
}

/// Batches that have been in their state since before that moment and are not being judged.
///
/// # Errors
/// As [`find`].
pub async fn resting_since(tx: &mut Tx<'_>, moment: Timestamp) -> Result<Vec<StoredBatch>, Error> {
    let sql = select!("WHERE state <> 'running' AND since < $1 ORDER BY since, id");
    fetch_all!(tx, BatchRow, sql, moment.unix())?.into_iter().map(batch).collect()
}

/// Brings a batch from one state to another.
///
/// # Errors
/// [`Error::Stale`] when it is not in that state.
pub async fn advance(
    tx: &mut Tx<'_>,
    id: &VerificationBatchId,
    (from, to): (BatchState, BatchState),
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "UPDATE verification_batches SET state = $1, since = $2 WHERE id = $3 AND state = $4";
    match execute!(tx, sql, to.name(), now.unix(), id.as_str(), from.name())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: id.to_string() }),
    }
}

/// Notes the number of the event of a batch's start.
///
/// # Errors
/// The database's.
pub async fn note_start(tx: &mut Tx<'_>, id: &VerificationBatchId, event: i64) -> Result<(), Error> {
    let sql = "UPDATE verification_batches SET start_event = $2 WHERE id = $1";
    execute!(tx, sql, id.as_str(), event).map(|_| ())
}

/// The number of the event of a batch's start; nothing where it was not noted. The event itself says of which batch it is.
///
/// # Errors
/// The database's.
pub async fn start_event(tx: &mut Tx<'_>, id: &VerificationBatchId) -> Result<Option<i64>, Error> {
    let sql = "SELECT start_event FROM verification_batches WHERE id = $1";
    let row = fetch_optional!(tx, (Option<i64>,), sql, id.as_str())?;
    Ok(row.and_then(|(event,)| event))
}

/// Keeps a new file of a batch.
///
/// # Errors
/// [`Error::Conflict`] when one of that position or name is there.
pub async fn insert_file(tx: &mut Tx<'_>, id: &VerificationBatchId, file: &BatchFile) -> Result<(), Error> {
    let sql = "INSERT INTO verification_batch_files (batch, position, name, file_sm3, bytes, original_digest) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let (name, sm3, digest) = (file.name.as_str(), file.sm3.as_slice(), file.original_digest.as_deref());
    execute!(tx, sql, id.as_str(), file.position, name, sm3, file.bytes, digest).map(|_| ())
}

/// Keeps what a file signs.
///
/// # Errors
/// [`Error::Stale`] when there is no such file, or it is known already.
pub async fn set_original(
    tx: &mut Tx<'_>,
    id: &VerificationBatchId,
    position: i64,
    (sm3, bytes): (&[u8; 32], i64),
) -> Result<(), Error> {
    let sql = "UPDATE verification_batch_files SET original_sm3 = $1, bytes = bytes + $2 \
               WHERE batch = $3 AND position = $4 AND original_sm3 IS NULL AND original_digest IS NULL";
    match execute!(tx, sql, sm3.as_slice(), bytes, id.as_str(), position)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: FILES, row: row_name(id, position) }),
    }
}

/// The file of that name.
///
/// # Errors
/// [`Error::Inconsistent`]; the database's.
pub async fn find_file(tx: &mut Tx<'_>, id: &VerificationBatchId, name: &str) -> Result<Option<BatchFile>, Error> {
    let sql = select_files!("WHERE batch = $1 AND name = $2");
    fetch_optional!(tx, FileRow, sql, id.as_str(), name)?.map(file).transpose()
}

/// Files behind that position in their order, at most so many.
///
/// # Errors
/// As [`find_file`].
pub async fn files(tx: &mut Tx<'_>, id: &VerificationBatchId, after: i64, limit: i64) -> Result<Vec<BatchFile>, Error> {
    let sql = select_files!("WHERE batch = $1 AND position > $2 ORDER BY position LIMIT $3");
    fetch_all!(tx, FileRow, sql, id.as_str(), after, limit)?.into_iter().map(file).collect()
}

/// Files that are not judged, in their order, at most so many.
///
/// # Errors
/// As [`find_file`].
pub async fn unjudged(tx: &mut Tx<'_>, id: &VerificationBatchId, limit: i64) -> Result<Vec<BatchFile>, Error> {
    let sql = select_files!("WHERE batch = $1 AND indication IS NULL ORDER BY position LIMIT $2");
    fetch_all!(tx, FileRow, sql, id.as_str(), limit)?.into_iter().map(file).collect()
}

/// How many files a batch has.
///
/// # Errors
/// The database's.
pub async fn counts(tx: &mut Tx<'_>, id: &VerificationBatchId) -> Result<Counts, Error> {
    let sql = "SELECT COUNT(*), COUNT(indication), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) \
               FROM verification_batch_files WHERE batch = $1";
    let (files, judged, bytes) = fetch_one!(tx, (i64, i64, i64), sql, id.as_str())?;
    Ok(Counts { files, judged, bytes })
}

/// What the integrity value of a judged file is over: what was taken, and what it came to.
fn content(file: &BatchFile, indication: &str, report: Option<&[u8]>) -> Vec<Vec<u8>> {
    vec![
        file.name.as_bytes().to_vec(),
        file.sm3.to_vec(),
        file.bytes.to_be_bytes().to_vec(),
        optional(file.original_sm3.as_ref().map(|sm3| &sm3[..])),
        optional(file.original_digest.as_deref().map(str::as_bytes)),
        indication.as_bytes().to_vec(),
        optional(report),
    ]
}

fn row_name(id: &VerificationBatchId, position: i64) -> String {
    format!("{id}/{position}")
}

async fn at_position(tx: &mut Tx<'_>, id: &VerificationBatchId, position: i64) -> Result<Option<BatchFile>, Error> {
    let sql = select_files!("WHERE batch = $1 AND position = $2");
    fetch_optional!(tx, FileRow, sql, id.as_str(), position)?.map(file).transpose()
}

/// The report on a file, where it is judged and has one.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn report(tx: &mut Tx<'_>, id: &VerificationBatchId, position: i64) -> Result<Option<Vec<u8>>, Error> {
    let Some(file) = at_position(tx, id, position).await? else { return Ok(None) };
    let Some(indication) = &file.indication else { return Ok(None) };
    let sql = "SELECT report, integrity FROM verification_batch_files WHERE batch = $1 AND position = $2";
    let (report, found) = fetch_one!(tx, (Option<Vec<u8>>, Option<Vec<u8>>), sql, id.as_str(), position)?;
    let parts = content(&file, indication, report.as_deref());
    let parts = parts.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(FILES, &row_name(id, position), 1, &parts, &found.unwrap_or_default())?;
    Ok(report)
}

/// Keeps what a file came to; says whether that was wanted still: it is there, and was not judged.
///
/// # Errors
/// [`Error::Inconsistent`]; the database's.
pub async fn set_report(
    tx: &mut Tx<'_>,
    id: &VerificationBatchId,
    position: i64,
    (indication, report): (&str, Option<&[u8]>),
) -> Result<bool, Error> {
    let Some(file) = at_position(tx, id, position).await? else { return Ok(false) };
    let parts = content(&file, indication, report);
    let parts = parts.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let integrity = tx.integrity.over(FILES, &row_name(id, position), 1, &parts)?;
    let sql = "UPDATE verification_batch_files SET indication = $1, report = $2, integrity = $3 \
               WHERE batch = $4 AND position = $5 AND indication IS NULL";
    execute!(tx, sql, indication, report, integrity, id.as_str(), position).map(|changed| changed == 1)
}

/// Forgets a batch with its files; says whether it was there.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, id: &VerificationBatchId) -> Result<bool, Error> {
    execute!(tx, "DELETE FROM verification_batch_files WHERE batch = $1", id.as_str())?;
    execute!(tx, "DELETE FROM verification_batches WHERE id = $1", id.as_str()).map(|gone| gone == 1)
}
