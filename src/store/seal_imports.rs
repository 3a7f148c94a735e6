//! Rows of tables of seals that were taken in, and of what came of each record. They tell what happened and give nothing, so
//! they carry no integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{JobId, SealId};
use crate::domain::seal::import_table::Outcome;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_imports";

/// A table that is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImport {
    /// Its name.
    pub id: JobId,
    /// SM3 of the table as it came.
    pub table_sm3: [u8; 32],
    /// How many records it has.
    pub records: u32,
    /// Since when.
    pub begun_at: Timestamp,
    /// When each record had its outcome.
    pub finished_at: Option<Timestamp>,
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOutcome {
    /// Its place in the table, from 1.
    pub number: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// The stable code of why it was not taken in.
    pub code: Option<String>,
    /// The code that the seal shows, where it could be read.
    pub es_id: Option<String>,
    /// The seal: the one that was taken in, or the one that stands in its way.
    pub seal: Option<SealId>,
}

/// How many records had which outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Taken in.
    pub imported: u32,
    /// There is one already.
    pub conflict: u32,
    /// Not to be taken in.
    pub rejected: u32,
}

impl Counts {
    /// Records with an outcome.
    #[must_use]
    pub const fn all(self) -> u32 {
        self.imported.saturating_add(self.conflict).saturating_add(self.rejected)
    }
}

type Row = (String, Vec<u8>, i64, i64, Option<i64>);

fn entity((id, table_sm3, records, begun_at, finished_at): Row) -> Result<StoredImport, Error> {
    let wrong = || Error::Inconsistent { table: TABLE, row: id.clone() };
    Ok(StoredImport {
        id: JobId::parse(&id).map_err(|_| wrong())?,
        table_sm3: table_sm3.try_into().map_err(|_| wrong())?,
        records: u32::try_from(records).map_err(|_| wrong())?,
        begun_at: Timestamp::from_unix(begun_at),
        finished_at: finished_at.map(Timestamp::from_unix),
    })
}

/// Keeps a table that is to be taken in.
///
/// # Errors
/// [`Error::Conflict`] when the same table is under way already.
pub async fn insert(tx: &mut Tx<'_>, import: &StoredImport) -> Result<(), Error> {
    let sql = "INSERT INTO seal_imports (id, table_sm3, records, begun_at) VALUES ($1, $2, $3, $4)";
    let (id, records, begun_at) = (import.id.as_str(), i64::from(import.records), import.begun_at.unix());
    execute!(tx, sql, id, &import.table_sm3[..], records, begun_at).map(|_| ())
}

/// The table of that SM3 that is under way.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we write it; the database's.
pub async fn under_way(tx: &mut Tx<'_>, table_sm3: &[u8; 32]) -> Result<Option<StoredImport>, Error> {
    let sql = "SELECT id, table_sm3, records, begun_at, finished_at FROM seal_imports \
               WHERE table_sm3 = $1 AND finished_at IS NULL";
    fetch_optional!(tx, Row, sql, &table_sm3[..])?.map(entity).transpose()
}

/// The table of that name.
///
/// # Errors
/// As [`under_way`].
pub async fn find(tx: &mut Tx<'_>, id: &JobId) -> Result<Option<StoredImport>, Error> {
    let sql = "SELECT id, table_sm3, records, begun_at, finished_at FROM seal_imports WHERE id = $1";
    fetch_optional!(tx, Row, sql, id.as_str())?.map(entity).transpose()
}

/// Keeps what came of a record.
///
/// # Errors
/// [`Error::Conflict`] when the record has its outcome already.
pub async fn keep(tx: &mut Tx<'_>, id: &JobId, record: &RecordOutcome) -> Result<(), Error> {
    let sql = "INSERT INTO seal_import_records (import, number, outcome, code, es_id, seal) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let RecordOutcome { number, outcome, code, es_id, seal } = record;
    let seal = seal.as_ref().map(SealId::as_str);
    let (code, es_id) = (code.as_deref(), es_id.as_deref());
    execute!(tx, sql, id.as_str(), i64::from(*number), outcome.name(), code, es_id, seal).map(|_| ())
}

/// What came of records behind that number, in their order, at most `limit`.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we write it; the database's.
pub async fn outcomes(tx: &mut Tx<'_>, id: &JobId, after: u32, limit: i64) -> Result<Vec<RecordOutcome>, Error> {
    type Record = (i64, String, Option<String>, Option<String>, Option<String>);
    let sql = "SELECT number, outcome, code, es_id, seal FROM seal_import_records \
               WHERE import = $1 AND number > $2 ORDER BY number LIMIT $3";
    let rows = fetch_all!(tx, Record, sql, id.as_str(), i64::from(after), limit)?;
    let one = |(number, outcome, code, es_id, seal): Record| {
        let wrong = || Error::Inconsistent { table: "seal_import_records", row: format!("{id}/{number}") };
        Ok(RecordOutcome {
            number: u32::try_from(number).map_err(|_| wrong())?,
            outcome: Outcome::from_name(&outcome).ok_or_else(wrong)?,
            code,
            es_id,
            seal: seal.as_deref().map(SealId::parse).transpose().map_err(|_| wrong())?,
        })
    };
    rows.into_iter().map(one).collect()
}

/// How many records have which outcome.
///
/// # Errors
/// As [`outcomes`].
pub async fn counts(tx: &mut Tx<'_>, id: &JobId) -> Result<Counts, Error> {
    let sql = "SELECT outcome, count(*) FROM seal_import_records WHERE import = $1 GROUP BY outcome";
    let mut counts = Counts::default();
    for (outcome, count) in fetch_all!(tx, (String, i64), sql, id.as_str())? {
        let wrong = || Error::Inconsistent { table: "seal_import_records", row: id.to_string() };
        let count = u32::try_from(count).map_err(|_| wrong())?;
        match Outcome::from_name(&outcome).ok_or_else(wrong)? {
            Outcome::Imported => counts.imported = count,
            Outcome::Conflict => counts.conflict = count,
            Outcome::Rejected => counts.rejected = count,
        }
    }
    Ok(counts)
}

/// Keeps that each record has its outcome; whether it was this call that did.
///
/// # Errors
/// The database's.
pub async fn finish(tx: &mut Tx<'_>, id: &JobId, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE seal_imports SET finished_at = $1 WHERE id = $2 AND finished_at IS NULL";
    Ok(execute!(tx, sql, now.unix(), id.as_str())? == 1)
}
