//! Right rows of many seals, as the store would write them, in the binary form of PostgreSQL's COPY.

use sqlx::{Connection as _, PgConnection};
use yinxin::base::clock::Timestamp;
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, CallerId, SealId};
use yinxin::crypto::digest::{hmac_sm3, sm3};
use yinxin::domain::seal::application::Holder;
use yinxin::domain::seal::code::SealCode;
use yinxin::store::seal_records::{SealOrigin, StoredSealRecord};

/// The key of the integrity values.
pub(crate) const KEY: [u8; 32] = [7; 32];
/// Seals of one holder.
const OF_A_HOLDER: u64 = 5;
/// Seals of one keeper, and of one county, however many there are: scattered among all, so that each page has as many rows.
const OF_A_KEEPER: u64 = 2_000;
const OF_A_COUNTY: u64 = 4_000;
const SINCE: i64 = 1_790_000_000;

/// The seal with that number among so many.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) of: u64,
}

impl Kept {
    /// What is known of it.
    pub(crate) fn record(self) -> StoredSealRecord {
        let Self { number, of } = self;
        let holder = number / OF_A_HOLDER;
        let county = holder % (of / OF_A_COUNTY).max(1);
        let county = format!("{}{:02}{:02}", 11 + county / 400, 1 + county / 20 % 20, 1 + county % 20);
        StoredSealRecord {
            seal: self.id(),
            code: SealCode::parse(&format!("{county}{:08}", number + 1)).unwrap(),
            filing: None,
            kind: u8::try_from(1 + number % 4).unwrap(),
            name: format!("样章市试验局第{holder}所"),
            holder: Holder {
                credit_code: credit_code(holder),
                name: format!("样章市试验局第{holder}所"),
                division: Division::parse(&county).unwrap(),
            },
            keeper: CallerId::parse(&format!("keeper-{:06}", holder % (of / OF_A_KEEPER).max(1))).unwrap(),
            origin: SealOrigin::Application(ApplicationId::parse(&uuid(number, 0xA)).unwrap()),
            predecessor: None,
            certificate_sm3: sm3(&number.to_be_bytes()),
            valid_to: Timestamp::from_unix(SINCE + 94_608_000),
            delivery: Some((Timestamp::from_unix(SINCE), sm3(&number.to_le_bytes()).repeat(2))),
            version: 2,
        }
    }

    fn id(self) -> SealId {
        SealId::parse(&uuid(self.number, 0x5)).unwrap()
    }
}

/// In the order of their numbers, as UUIDs of version 7 come in the order of time.
fn uuid(number: u64, salt: u64) -> String {
    let rest = (number + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "01980000-{:04x}-7{:03x}-8{:03x}-{:012x}",
        number >> 16 & 0xFFFF,
        number >> 4 & 0xFFF,
        number & 0xF,
        rest >> 16
    )
}

/// GB 32100-2015: the last character fits the others.
fn credit_code(holder: u64) -> CreditCode {
    let front = format!("99{holder:015}");
    let all = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    all.chars().find_map(|last| CreditCode::parse(&format!("{front}{last}")).ok()).unwrap()
}

/// A column.
enum Value<'v> {
    Text(&'v str),
    Octets(&'v [u8]),
    Number(i64),
    Nothing,
}

fn tuple(rows: &mut Vec<u8>, values: &[Value<'_>]) {
    rows.extend(i16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        let number;
        let octets = match value {
            Value::Text(text) => text.as_bytes(),
            Value::Octets(octets) => octets,
            Value::Number(value) => {
                number = value.to_be_bytes();
                &number[..]
            }
            Value::Nothing => {
                rows.extend((-1_i32).to_be_bytes());
                continue;
            }
        };
        rows.extend(i32::try_from(octets.len()).unwrap().to_be_bytes());
        rows.extend(octets);
    }
}

/// The integrity value of a row: HMAC-SM3 over table, id, version and content, each behind its length.
fn integrity(table: &str, id: &str, version: i64, content: &[&[u8]]) -> [u8; 32] {
    let version = version.to_be_bytes();
    let head: [&[u8]; 3] = [table.as_bytes(), id.as_bytes(), &version];
    let mut octets = Vec::new();
    for part in head.iter().chain(content) {
        octets.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(part);
    }
    hmac_sm3(&KEY, &[&octets])
}

fn optional(value: &[u8]) -> Vec<u8> {
    [&[1], value].concat()
}

fn seal(rows: &mut Vec<u8>, record: &StoredSealRecord, der: &[u8]) {
    let (id, code, since) = (record.seal.as_str(), record.code.as_str(), SINCE.to_be_bytes());
    let since = optional(&since);
    let content: [&[u8]; 9] = [code.as_bytes(), record.name.as_bytes(), der, &[], &since, &[], &[], &[], &[]];
    let value = integrity("seals", id, 1, &content);
    let texts = [Value::Text(id), Value::Text(code), Value::Text(&record.name), Value::Octets(der), Value::Nothing];
    let state = [Value::Number(SINCE), Value::Nothing, Value::Nothing, Value::Nothing, Value::Nothing];
    let rest = [Value::Number(1), Value::Octets(&value)];
    tuple(rows, &texts.into_iter().chain(state).chain(rest).collect::<Vec<_>>());
}

fn known(rows: &mut Vec<u8>, record: &StoredSealRecord) {
    let division = record.holder.division.code();
    let (at, signature) = record.delivery.as_ref().unwrap();
    let (valid_to, at) = (record.valid_to.unix(), at.unix());
    let content: [&[u8]; 14] = [
        record.code.as_str().as_bytes(),
        &[],
        &[record.kind],
        record.name.as_bytes(),
        record.holder.credit_code.as_str().as_bytes(),
        record.holder.name.as_bytes(),
        division.as_bytes(),
        record.keeper.as_str().as_bytes(),
        record.origin.by().as_bytes(),
        &[],
        &record.certificate_sm3,
        &valid_to.to_be_bytes(),
        &optional(&at.to_be_bytes()),
        &optional(signature),
    ];
    let value = integrity("seal_records", record.seal.as_str(), record.version, &content);
    tuple(
        rows,
        &[
            Value::Text(record.seal.as_str()),
            Value::Text(record.code.as_str()),
            Value::Number(record.kind.into()),
            Value::Text(&record.name),
            Value::Text(record.holder.credit_code.as_str()),
            Value::Text(&record.holder.name),
            Value::Text(&division),
            Value::Text(record.keeper.as_str()),
            Value::Text(record.origin.by()),
            Value::Octets(&record.certificate_sm3),
            Value::Number(valid_to),
            Value::Number(at),
            Value::Octets(signature),
            Value::Number(record.version),
            Value::Octets(&value),
        ],
    );
}

fn keeper(rows: &mut Vec<u8>, record: &StoredSealRecord) {
    let (seal, keeper) = (record.seal.as_str(), record.keeper.as_str());
    let value = integrity("seal_keepers", seal, 1, &[keeper.as_bytes(), &SINCE.to_be_bytes()]);
    let (since, version) = (Value::Number(SINCE), Value::Number(1));
    tuple(rows, &[Value::Text(seal), Value::Text(keeper), since, version, Value::Octets(&value)]);
}

/// A record was changed by its delivery.
fn newest(rows: &mut Vec<u8>, record: &StoredSealRecord) {
    let name = format!("seal_records/{}", record.seal);
    tuple(rows, &[Value::Text(&name), Value::Number(record.version)]);
}

/// A table, and what writes a row of it.
type Table = (&'static str, fn(&mut Vec<u8>, &StoredSealRecord));

const TABLES: [Table; 4] = [
    (
        "COPY seals (id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, revoked_at, \
         revocation_reason, version, integrity) FROM STDIN (FORMAT BINARY)",
        |rows, record| {
            let mut der = Vec::with_capacity(704);
            while der.len() < 700 {
                let before = u32::try_from(der.len()).unwrap().to_be_bytes();
                der.extend(sm3(&[record.seal.as_str().as_bytes(), &before].concat()));
            }
            seal(rows, record, &der[..700]);
        },
    ),
    (
        "COPY seal_records (seal, code, kind, name, credit_code, holder, holder_division, keeper, application, certificate_sm3, \
         valid_to, delivered_at, delivery_signature, version, integrity) FROM STDIN (FORMAT BINARY)",
        known,
    ),
    ("COPY seal_keepers (seal, keeper, since, version, integrity) FROM STDIN (FORMAT BINARY)", keeper),
    ("COPY newest_rows (name, version) FROM STDIN (FORMAT BINARY)", newest),
];

/// Loads the rows of so many seals in the place of those before, and gathers what the planner knows of them.
pub(crate) async fn load(url: &str, of: u64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    // Rows that they refer to are left out.
    sqlx::query("SET session_replication_role = replica").execute(&mut connection).await.unwrap();
    let tables = "TRUNCATE seals, seal_records, seal_keepers, newest_rows CASCADE";
    sqlx::query(tables).execute(&mut connection).await.unwrap();
    for (statement, write) in TABLES {
        let mut copy = connection.copy_in_raw(statement).await.unwrap();
        let mut rows = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for number in 0..of {
            write(&mut rows, &Kept { number, of }.record());
            if rows.len() > 1 << 20 {
                copy.send(std::mem::take(&mut rows)).await.unwrap();
            }
        }
        rows.extend((-1_i16).to_be_bytes());
        copy.send(rows).await.unwrap();
        copy.finish().await.unwrap();
    }
    for table in ["seals", "seal_records", "seal_keepers", "newest_rows"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("VACUUM ANALYZE {table}"))).execute(&mut connection).await.unwrap();
    }
    sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What the rows and their indexes take.
pub(crate) async fn space(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let size = "SELECT sum(pg_table_size(name)), sum(pg_indexes_size(name)) FROM unnest(ARRAY['seals', 'seal_records', \
                'seal_keepers', 'newest_rows']::regclass[]) AS name";
    let wanted =
        format!("SELECT tables::BIGINT / 1048576, indexes::BIGINT / 1048576 FROM ({size}) AS sizes (tables, indexes)");
    let (tables, indexes): (i64, i64) =
        sqlx::query_as(sqlx::AssertSqlSafe(wanted)).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    format!("{tables} MiB of rows, {indexes} MiB of indexes")
}
