//! Rows of what is known of each seal that was made for an application, taken in from elsewhere, or re-made by a job: whose it
//! is, who keeps it, and how it came to be. They say who answers for a seal, so each carries an integrity value.
//!
//! They lie in two tables: `seal_records` has those with an application, `further_seal_records` the others.

use std::collections::BTreeMap;

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, CallerId, JobId, SealId};
use crate::domain::seal::application::Holder;
use crate::domain::seal::code::{FilingNumber, SealCode};
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::seals::MOST_TOGETHER;
use crate::store::sql::{execute, fetch_all, fetch_listed, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_records";
const FURTHER: &str = "further_seal_records";

/// How a seal came to be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealOrigin {
    /// It was made for an application.
    Application(ApplicationId),
    /// It was made elsewhere, and taken in with others.
    Import(JobId),
    /// It was made in the place of another one by a job that re-makes many.
    Remake(JobId),
}

impl SealOrigin {
    /// The application, where there is one.
    #[must_use]
    pub const fn application(&self) -> Option<&ApplicationId> {
        match self {
            Self::Application(application) => Some(application),
            Self::Import(_) | Self::Remake(_) => None,
        }
    }

    /// Stable name: `application`, `import`, `remake`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Application(_) => "application",
            Self::Import(_) => "import",
            Self::Remake(_) => "remake",
        }
    }

    /// The name of what it came by.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::Application(application) => application.as_str(),
            Self::Import(job) | Self::Remake(job) => job.as_str(),
        }
    }

    fn read(name: &str, by: &str) -> Option<Self> {
        match name {
            "application" => Some(Self::Application(ApplicationId::parse(by).ok()?)),
            "import" => Some(Self::Import(JobId::parse(by).ok()?)),
            "remake" => Some(Self::Remake(JobId::parse(by).ok()?)),
            _ => None,
        }
    }

    const fn table(&self) -> &'static str {
        match self {
            Self::Application(_) => TABLE,
            Self::Import(_) | Self::Remake(_) => FURTHER,
        }
    }
}

/// What is known of a seal, beside the seal itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSealRecord {
    /// The seal.
    pub seal: SealId,
    /// Its code.
    pub code: SealCode,
    /// Its number at the filing of public security, where it has one.
    pub filing: Option<FilingNumber>,
    /// The code of its type.
    pub kind: u8,
    /// Its name. Of a seal with a person's name (05) this is what the seal itself shows, and nothing more is kept.
    pub name: String,
    /// Whose it is.
    pub holder: Holder,
    /// Who keeps it.
    pub keeper: CallerId,
    /// How it came to be here.
    pub origin: SealOrigin,
    /// The seal in whose place it stands.
    pub predecessor: Option<SealId>,
    /// SM3 of its signer's certificate.
    pub certificate_sm3: [u8; 32],
    /// When its validity ends.
    pub valid_to: Timestamp,
    /// When its keeper took it, and the keeper's signature for it.
    pub delivery: Option<(Timestamp, Vec<u8>)>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// The columns, as the database holds them.
struct Row {
    seal: String,
    code: String,
    filing: Option<String>,
    kind: i64,
    name: String,
    credit_code: String,
    holder: String,
    holder_division: String,
    keeper: String,
    origin: String,
    origin_name: String,
    predecessor: Option<String>,
    certificate_sm3: Vec<u8>,
    valid_to: i64,
    delivered_at: Option<i64>,
    delivery_signature: Option<Vec<u8>>,
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
            seal: row.try_get("seal")?,
            code: row.try_get("code")?,
            filing: row.try_get("filing")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            credit_code: row.try_get("credit_code")?,
            holder: row.try_get("holder")?,
            holder_division: row.try_get("holder_division")?,
            keeper: row.try_get("keeper")?,
            origin: row.try_get("origin")?,
            origin_name: row.try_get("origin_name")?,
            predecessor: row.try_get("predecessor")?,
            certificate_sm3: row.try_get("certificate_sm3")?,
            valid_to: row.try_get("valid_to")?,
            delivered_at: row.try_get("delivered_at")?,
            delivery_signature: row.try_get("delivery_signature")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

/// The content that the integrity value covers: every column but seal, version and the value itself.
fn content(record: &StoredSealRecord) -> Vec<Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    let delivered = record.delivery.as_ref().map(|(at, _)| at.unix().to_be_bytes());
    let mut content = vec![
        text(record.code.as_str()),
        optional(record.filing.as_ref().map(|filing| filing.as_str().as_bytes())),
        vec![record.kind],
        text(&record.name),
        text(record.holder.credit_code.as_str()),
        text(&record.holder.name),
        text(&record.holder.division.code()),
        text(record.keeper.as_str()),
        text(record.origin.by()),
        optional(record.predecessor.as_ref().map(|seal| seal.as_str().as_bytes())),
        record.certificate_sm3.to_vec(),
        record.valid_to.unix().to_be_bytes().to_vec(),
        optional(delivered.as_ref().map(|octets| &octets[..])),
        optional(record.delivery.as_ref().map(|(_, signature)| &signature[..])),
    ];
    // Those with an application were there before the others.
    if record.origin.application().is_none() {
        content.push(text(record.origin.name()));
    }
    content
}

fn integrity(tx: &Tx<'_>, record: &StoredSealRecord) -> Result<Vec<u8>, Error> {
    let content = content(record);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.over(record.origin.table(), record.seal.as_str(), record.version, &parts)
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredSealRecord, Error> {
    let (id, found) = (row.seal.clone(), row.integrity.clone());
    let table = if row.origin_name == "application" { TABLE } else { FURTHER };
    let record = read(row).ok_or_else(|| tx.integrity.refuse(table, &id))?;
    let content = content(&record);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(table, &id, record.version, &parts, &found)?;
    Ok(record)
}

fn read(row: Row) -> Option<StoredSealRecord> {
    Some(StoredSealRecord {
        seal: SealId::parse(&row.seal).ok()?,
        code: SealCode::foreign(&row.code).ok()?,
        filing: row.filing.as_deref().map(FilingNumber::parse).transpose().ok()?,
        kind: u8::try_from(row.kind).ok()?,
        name: row.name,
        holder: Holder {
            credit_code: CreditCode::parse(&row.credit_code).ok()?,
            name: row.holder,
            division: Division::parse(&row.holder_division).ok()?,
        },
        keeper: CallerId::parse(&row.keeper).ok()?,
        origin: SealOrigin::read(&row.origin_name, &row.origin)?,
        predecessor: row.predecessor.as_deref().map(SealId::parse).transpose().ok()?,
        certificate_sm3: row.certificate_sm3.try_into().ok()?,
        valid_to: Timestamp::from_unix(row.valid_to),
        delivery: match (row.delivered_at, row.delivery_signature) {
            (None, None) => None,
            (Some(at), Some(signature)) => Some((Timestamp::from_unix(at), signature)),
            _ => return None,
        },
        version: row.version,
    })
}

/// A statement that reads whole rows of those with an application.
macro_rules! applied {
    ($where:literal) => {
        concat!(
            "SELECT seal, code, filing, kind, name, credit_code, holder, holder_division, keeper, ",
            "application AS origin, 'application' AS origin_name, predecessor, certificate_sm3, valid_to, delivered_at, ",
            "delivery_signature, version, ",
            integrity_of_newest!("seal_records", "seal"),
            " FROM seal_records ",
            $where
        )
    };
}

/// The same of the others.
macro_rules! further {
    ($where:literal) => {
        concat!(
            "SELECT seal, code, filing, kind, name, credit_code, holder, ",
            "holder_division, keeper, job AS origin, origin AS origin_name, predecessor, certificate_sm3, valid_to, ",
            "delivered_at, delivery_signature, version, ",
            integrity_of_newest!("further_seal_records", "seal"),
            " FROM further_seal_records ",
            $where
        )
    };
}

/// A statement that reads whole rows of both tables: the conditions, then what follows them. Each branch has its own limit, so
/// that a page costs two pages at most.
macro_rules! select {
    ($where:literal) => {
        select!($where, "")
    };
    ($where:literal, $then:literal) => {
        concat!(
            "SELECT * FROM (",
            applied!($where),
            ") AS applied UNION ALL SELECT * FROM (",
            further!($where),
            ") AS further ",
            $then
        )
    };
}

/// Keeps what is known of a new seal, as version 1 whatever it says. Nobody has taken delivery of a new seal.
///
/// # Errors
/// [`Error::Conflict`] when the seal, its code, its application, its predecessor or its certificate is there already.
pub async fn insert(tx: &mut Tx<'_>, record: &StoredSealRecord) -> Result<(), Error> {
    let record = StoredSealRecord { version: 1, delivery: None, ..record.clone() };
    let integrity = integrity(tx, &record)?;
    let holder = &record.holder;
    let filing = record.filing.as_ref().map(FilingNumber::as_str);
    let predecessor = record.predecessor.as_ref().map(SealId::as_str);
    let done = match &record.origin {
        SealOrigin::Application(application) => {
            let sql = "INSERT INTO seal_records (seal, code, filing, kind, name, credit_code, holder, holder_division, \
                       keeper, application, predecessor, certificate_sm3, valid_to, version, integrity) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14)";
            execute!(
                tx,
                sql,
                record.seal.as_str(),
                record.code.as_str(),
                filing,
                i64::from(record.kind),
                &record.name[..],
                holder.credit_code.as_str(),
                &holder.name[..],
                holder.division.code(),
                record.keeper.as_str(),
                application.as_str(),
                predecessor,
                &record.certificate_sm3[..],
                record.valid_to.unix(),
                integrity
            )
        }
        SealOrigin::Import(job) | SealOrigin::Remake(job) => {
            let sql = "INSERT INTO further_seal_records (seal, code, filing, kind, name, credit_code, holder, \
                       holder_division, keeper, job, predecessor, certificate_sm3, valid_to, version, integrity, origin) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14, $15)";
            execute!(
                tx,
                sql,
                record.seal.as_str(),
                record.code.as_str(),
                filing,
                i64::from(record.kind),
                &record.name[..],
                holder.credit_code.as_str(),
                &holder.name[..],
                holder.division.code(),
                record.keeper.as_str(),
                job.as_str(),
                predecessor,
                &record.certificate_sm3[..],
                record.valid_to.unix(),
                integrity,
                record.origin.name()
            )
        }
    };
    done.map(|_| ())
}

/// What is known of that seal; nothing of one that came into being otherwise.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredSealRecord>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE seal = $1"), seal.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// What is known of the seals of those names, at most [`MOST_TOGETHER`]; those that came into being otherwise are left out.
///
/// # Errors
/// As [`find`].
pub async fn of_seals(tx: &mut Tx<'_>, seals: &[SealId]) -> Result<BTreeMap<SealId, StoredSealRecord>, Error> {
    if seals.is_empty() {
        return Ok(BTreeMap::new());
    }
    let seals = seals.iter().take(MOST_TOGETHER).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    for sql in [applied!("WHERE seal IN ("), further!("WHERE seal IN (")] {
        let rows = fetch_listed!(
            tx,
            Row,
            sql,
            &seals,
            |bound, seal| {
                bound.push_bind(seal.as_str());
            },
            ")"
        )?;
        for row in rows {
            let record = entity(tx, row)?;
            found.insert(record.seal.clone(), record);
        }
    }
    Ok(found)
}

/// What is known of the seals of that holder, in the order of their names.
///
/// # Errors
/// As [`find`].
pub async fn of_holder(tx: &mut Tx<'_>, holder: &CreditCode) -> Result<Vec<StoredSealRecord>, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE credit_code = $1", "ORDER BY seal"), holder.as_str())?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Seals behind that name, in the order of their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, after: Option<&SealId>, limit: i64) -> Result<Vec<StoredSealRecord>, Error> {
    let sql = select!("WHERE seal > $1 ORDER BY seal LIMIT $2", "ORDER BY seal LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, after.map_or("", SealId::as_str), limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Seals of holders in that division, by the holder's division and then by name, behind that place, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn in_division(
    tx: &mut Tx<'_>,
    division: &Division,
    after: Option<(&Division, &SealId)>,
    limit: i64,
) -> Result<Vec<StoredSealRecord>, Error> {
    let sql = select!(
        "WHERE (holder_division, seal) > ($1, $2) AND holder_division < $3 ORDER BY holder_division, seal LIMIT $4",
        "ORDER BY holder_division, seal LIMIT $4"
    );
    let (from, before) = division.bounds();
    // One place alone, so that the index leads to it: the beginning, or where the last page ended.
    let begins = after.map(|(place, seal)| (place.code(), seal.as_str())).filter(|(place, _)| *place >= from);
    let (place, seal) = begins.unwrap_or((from, ""));
    let rows = fetch_all!(tx, Row, sql, &place[..], seal, &before[..], limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// The seal with that code.
///
/// # Errors
/// As [`find`].
pub async fn with_code(tx: &mut Tx<'_>, code: &SealCode) -> Result<Option<StoredSealRecord>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE code = $1"), code.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// The seal that was made for that application.
///
/// # Errors
/// As [`find`].
pub async fn of_application(tx: &mut Tx<'_>, application: &ApplicationId) -> Result<Option<StoredSealRecord>, Error> {
    let sql = "SELECT seal FROM seal_records WHERE application = $1";
    let Some((seal,)) = fetch_optional!(tx, (String,), sql, application.as_str())? else { return Ok(None) };
    let row = fetch_optional!(tx, Row, select!("WHERE seal = $1"), &seal[..])?;
    row.map(|row| entity(tx, row)).transpose()
}

/// The seal that stands in the place of that one.
///
/// # Errors
/// As [`find`].
pub async fn successor_of(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredSealRecord>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE predecessor = $1"), seal.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// Whether a seal has that number at the filing of public security.
///
/// # Errors
/// The database's.
pub async fn is_filed(tx: &mut Tx<'_>, number: &FilingNumber) -> Result<bool, Error> {
    let sql =
        "SELECT 1 FROM seal_records WHERE filing = $1 UNION ALL SELECT 1 FROM further_seal_records WHERE filing = $1";
    Ok(fetch_optional!(tx, (i32,), sql, number.as_str())?.is_some())
}

/// Keeps the number under which a seal is filed.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `record`.
pub async fn filed(
    tx: &mut Tx<'_>,
    record: &StoredSealRecord,
    number: &FilingNumber,
) -> Result<StoredSealRecord, Error> {
    let version = record.version.saturating_add(1);
    let next = StoredSealRecord { filing: Some(number.clone()), version, ..record.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = match next.origin {
        SealOrigin::Application(_) => {
            "UPDATE seal_records SET filing = $1, version = $2, integrity = $3 WHERE seal = $4 AND version = $5"
        }
        SealOrigin::Import(_) | SealOrigin::Remake(_) => {
            "UPDATE further_seal_records SET filing = $1, version = $2, integrity = $3 WHERE seal = $4 AND version = $5"
        }
    };
    match execute!(tx, sql, number.as_str(), version, integrity, next.seal.as_str(), record.version)? {
        1 => {
            newest::keep(tx, next.origin.table(), next.seal.as_str(), version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: next.origin.table(), row: next.seal.to_string() }),
    }
}

/// Keeps that the keeper took the seal.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `record`.
pub async fn delivered(
    tx: &mut Tx<'_>,
    record: &StoredSealRecord,
    (at, signature): (Timestamp, &[u8]),
) -> Result<StoredSealRecord, Error> {
    let version = record.version.saturating_add(1);
    let next = StoredSealRecord { delivery: Some((at, signature.to_vec())), version, ..record.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = match next.origin {
        SealOrigin::Application(_) => {
            "UPDATE seal_records SET delivered_at = $1, delivery_signature = $2, version = $3, integrity = $4 \
             WHERE seal = $5 AND version = $6"
        }
        SealOrigin::Import(_) | SealOrigin::Remake(_) => {
            "UPDATE further_seal_records SET delivered_at = $1, delivery_signature = $2, version = $3, integrity = $4 \
             WHERE seal = $5 AND version = $6"
        }
    };
    match execute!(tx, sql, at.unix(), signature, version, integrity, next.seal.as_str(), record.version)? {
        1 => {
            newest::keep(tx, next.origin.table(), next.seal.as_str(), version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: next.origin.table(), row: next.seal.to_string() }),
    }
}
