//! Rows of authority to use seals (用印授权). They give authority, so each carries an integrity value, and is held against
//! what stands elsewhere: the withdrawals, and the number of its last row in the ledger. So an older row that somebody puts
//! back whole is refused too.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorisationId, CallerId, SealId};
use crate::domain::officer::{Approval, Hand};
use crate::domain::seal::authority::{Authorisation, UseTerms, Used};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "use_authorisations";

/// An authorisation with its place in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuthorisation {
    /// What the keeper authorised, and what was used.
    pub authorisation: Authorisation,
    /// How many rows of the ledger stand under it.
    pub entered: i64,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// The columns, as the database holds them; the last two of other tables.
struct Row {
    id: String,
    seal: String,
    caller: String,
    keeper: String,
    keeper_key_sm3: Vec<u8>,
    signature: Vec<u8>,
    given_at: i64,
    nonce: Vec<u8>,
    items: String,
    document_kinds: String,
    valid_from: i64,
    valid_until: i64,
    most_uses: Option<i64>,
    most_amount: Option<i64>,
    most_sum: Option<i64>,
    each_approved: i64,
    second_factor: i64,
    withdrawn_at: Option<i64>,
    uses: i64,
    amount_used: i64,
    entered: i64,
    version: i64,
    integrity: Vec<u8>,
    last_withdrawn: Option<i64>,
    last_entered: i64,
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
            seal: row.try_get("seal")?,
            caller: row.try_get("caller")?,
            keeper: row.try_get("keeper")?,
            keeper_key_sm3: row.try_get("keeper_key_sm3")?,
            signature: row.try_get("signature")?,
            given_at: row.try_get("given_at")?,
            nonce: row.try_get("nonce")?,
            items: row.try_get("items")?,
            document_kinds: row.try_get("document_kinds")?,
            valid_from: row.try_get("valid_from")?,
            valid_until: row.try_get("valid_until")?,
            most_uses: row.try_get("most_uses")?,
            most_amount: row.try_get("most_amount")?,
            most_sum: row.try_get("most_sum")?,
            each_approved: row.try_get("each_approved")?,
            second_factor: row.try_get("second_factor")?,
            withdrawn_at: row.try_get("withdrawn_at")?,
            uses: row.try_get("uses")?,
            amount_used: row.try_get("amount_used")?,
            entered: row.try_get("entered")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
            last_withdrawn: row.try_get("last_withdrawn")?,
            last_entered: row.try_get("last_entered")?,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, seal, caller, keeper, keeper_key_sm3, signature, given_at, nonce, items, document_kinds, ",
            "valid_from, valid_until, most_uses, most_amount, most_sum, each_approved, second_factor, withdrawn_at, ",
            "uses, amount_used, entered, version, integrity, ",
            "(SELECT w.at FROM use_withdrawals AS w WHERE w.authorisation = use_authorisations.id) AS last_withdrawn, ",
            "(SELECT COALESCE(max(l.number), 0) FROM use_ledger AS l WHERE l.authorisation = use_authorisations.id) ",
            "AS last_entered FROM use_authorisations ",
            $rest
        )
    };
}

/// A number for a column of the database: amounts beyond what it holds are refused where they are authorised.
fn column(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Inconsistent { table: TABLE, row: number.to_string() })
}

impl Row {
    /// The columns of an authorisation, with the integrity value over them.
    fn of(tx: &Tx<'_>, stored: &StoredAuthorisation) -> Result<Self, Error> {
        let Authorisation { id, terms, given, withdrawn_at, used } = &stored.authorisation;
        let mut row = Self {
            id: id.to_string(),
            seal: terms.seal.to_string(),
            caller: terms.user.to_string(),
            keeper: given.hand.officer.to_string(),
            keeper_key_sm3: given.hand.key_sm3.to_vec(),
            signature: given.signature.clone(),
            given_at: given.at.unix(),
            nonce: terms.nonce.to_vec(),
            items: terms.items.join(","),
            document_kinds: terms.document_kinds.join(","),
            valid_from: terms.from.unix(),
            valid_until: terms.until.unix(),
            most_uses: terms.most_uses.map(i64::from),
            most_amount: terms.most_amount.map(column).transpose()?,
            most_sum: terms.most_sum.map(column).transpose()?,
            each_approved: i64::from(terms.each_approved),
            second_factor: i64::from(terms.second_factor),
            withdrawn_at: withdrawn_at.map(Timestamp::unix),
            uses: i64::from(used.uses),
            amount_used: column(used.sum)?,
            entered: stored.entered,
            version: stored.version,
            integrity: Vec::new(),
            last_withdrawn: None,
            last_entered: 0,
        };
        row.integrity = row.covered(|content| tx.integrity.over(TABLE, &row.id, row.version, content))?;
        Ok(row)
    }

    /// The content that the integrity value covers.
    fn covered<T>(&self, judge: impl FnOnce(&[&[u8]]) -> T) -> T {
        let number = |value: Option<i64>| optional(value.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let mut content = [&self.seal, &self.caller, &self.keeper, &self.items, &self.document_kinds]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
        content.extend([self.keeper_key_sm3.clone(), self.signature.clone(), self.nonce.clone()]);
        content.extend([self.most_uses, self.most_amount, self.most_sum, self.withdrawn_at].map(number));
        let fixed = [
            self.given_at,
            self.valid_from,
            self.valid_until,
            self.each_approved,
            self.second_factor,
            self.uses,
            self.amount_used,
            self.entered,
        ];
        content.extend(fixed.map(|number| number.to_be_bytes().to_vec()));
        judge(&content.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn terms(&self) -> Option<UseTerms> {
        let names = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let flag = |number: i64| match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        let limit = |number: Option<i64>| number.map(u64::try_from).transpose().ok();
        Some(UseTerms {
            nonce: self.nonce.clone().try_into().ok()?,
            seal: SealId::parse(&self.seal).ok()?,
            user: CallerId::parse(&self.caller).ok()?,
            items: names(&self.items),
            document_kinds: names(&self.document_kinds),
            from: Timestamp::from_unix(self.valid_from),
            until: Timestamp::from_unix(self.valid_until),
            most_uses: self.most_uses.map(u32::try_from).transpose().ok()?,
            most_amount: limit(self.most_amount)?,
            most_sum: limit(self.most_sum)?,
            each_approved: flag(self.each_approved)?,
            second_factor: flag(self.second_factor)?,
        })
    }

    fn facts(&self) -> Option<StoredAuthorisation> {
        if self.last_withdrawn != self.withdrawn_at || self.last_entered != self.entered {
            return None;
        }
        let hand = Hand {
            officer: CallerId::parse(&self.keeper).ok()?,
            key_sm3: self.keeper_key_sm3.clone().try_into().ok()?,
        };
        let given = Approval { hand, signature: self.signature.clone(), at: Timestamp::from_unix(self.given_at) };
        let used = Used { uses: u32::try_from(self.uses).ok()?, sum: u64::try_from(self.amount_used).ok()? };
        let authorisation = Authorisation {
            id: AuthorisationId::parse(&self.id).ok()?,
            terms: self.terms()?,
            given,
            withdrawn_at: self.withdrawn_at.map(Timestamp::from_unix),
            used,
        };
        Some(StoredAuthorisation { authorisation, entered: self.entered, version: self.version })
    }
}

fn entity(tx: &Tx<'_>, row: &Row) -> Result<StoredAuthorisation, Error> {
    row.covered(|content| tx.integrity.check(TABLE, &row.id, row.version, content, &row.integrity))?;
    row.facts().ok_or_else(|| tx.integrity.refuse(TABLE, &row.id))
}

/// Keeps a new authorisation, as version 1 of which nothing was used, whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when its id or nonce is there already, or seal or callers are not.
pub async fn insert(tx: &mut Tx<'_>, authorisation: &Authorisation) -> Result<(), Error> {
    let new = Authorisation { withdrawn_at: None, used: Used::default(), ..authorisation.clone() };
    let row = Row::of(tx, &StoredAuthorisation { authorisation: new, entered: 0, version: 1 })?;
    let sql = "INSERT INTO use_authorisations (id, seal, caller, keeper, keeper_key_sm3, signature, given_at, nonce, \
               items, document_kinds, valid_from, valid_until, most_uses, most_amount, most_sum, each_approved, \
               second_factor, uses, amount_used, entered, version, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
               $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0, 0, 1, $18)";
    execute!(
        tx,
        sql,
        row.id,
        row.seal,
        row.caller,
        row.keeper,
        row.keeper_key_sm3,
        row.signature,
        row.given_at,
        row.nonce,
        row.items,
        row.document_kinds,
        row.valid_from,
        row.valid_until,
        row.most_uses,
        row.most_amount,
        row.most_sum,
        row.each_approved,
        row.second_factor,
        row.integrity
    )
    .map(|_| ())
}

/// The authorisation of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it, or not the newest; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &AuthorisationId) -> Result<Option<StoredAuthorisation>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// What a user may use a seal by: those neither withdrawn nor over, the earliest to end first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn open_of(
    tx: &mut Tx<'_>,
    (seal, user): (&SealId, &CallerId),
    now: Timestamp,
    limit: i64,
) -> Result<Vec<StoredAuthorisation>, Error> {
    let sql = select!(
        "WHERE seal = $1 AND caller = $2 AND valid_until > $3 AND withdrawn_at IS NULL ORDER BY valid_until, id LIMIT $4"
    );
    let rows = fetch_all!(tx, Row, sql, seal.as_str(), user.as_str(), now.unix(), limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// How many [`open_of`] would find.
///
/// # Errors
/// The database's.
pub async fn count_open(tx: &mut Tx<'_>, (seal, user): (&SealId, &CallerId), now: Timestamp) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM use_authorisations \
               WHERE seal = $1 AND caller = $2 AND valid_until > $3 AND withdrawn_at IS NULL";
    fetch_one!(tx, (i64,), sql, seal.as_str(), user.as_str(), now.unix()).map(|(count,)| count)
}

/// Those of a user for a seal that end last, whatever became of them: for the reason of a refusal.
///
/// # Errors
/// As [`find`].
pub async fn last_of(
    tx: &mut Tx<'_>,
    (seal, user): (&SealId, &CallerId),
    limit: i64,
) -> Result<Vec<StoredAuthorisation>, Error> {
    let sql = select!("WHERE seal = $1 AND caller = $2 ORDER BY valid_until DESC LIMIT $3");
    let rows = fetch_all!(tx, Row, sql, seal.as_str(), user.as_str(), limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// Those of a seal behind that name, by their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn of_seal(
    tx: &mut Tx<'_>,
    seal: &SealId,
    after: Option<&AuthorisationId>,
    limit: i64,
) -> Result<Vec<StoredAuthorisation>, Error> {
    let sql = select!("WHERE seal = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = fetch_all!(tx, Row, sql, seal.as_str(), after.map_or("", AuthorisationId::as_str), limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// The one with that nonce.
///
/// # Errors
/// As [`find`].
pub async fn with_nonce(tx: &mut Tx<'_>, nonce: &[u8; 32]) -> Result<Option<StoredAuthorisation>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE nonce = $1"), &nonce[..])?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// Those of a user that are neither withdrawn nor over, of seals behind that name, by seal, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn open_of_user(
    tx: &mut Tx<'_>,
    user: &CallerId,
    after: Option<&SealId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<StoredAuthorisation>, Error> {
    let sql = select!(
        "WHERE caller = $1 AND seal > $2 AND valid_until > $3 AND withdrawn_at IS NULL ORDER BY seal, id LIMIT $4"
    );
    let rows = fetch_all!(tx, Row, sql, user.as_str(), after.map_or("", SealId::as_str), now.unix(), limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// Those of a seal that are not withdrawn, the first by name, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn not_withdrawn(tx: &mut Tx<'_>, seal: &SealId, limit: i64) -> Result<Vec<StoredAuthorisation>, Error> {
    let sql = select!("WHERE seal = $1 AND withdrawn_at IS NULL ORDER BY id LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, seal.as_str(), limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// Keeps that it is withdrawn.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`; [`Error::Conflict`] when it is withdrawn already.
pub async fn withdraw(
    tx: &mut Tx<'_>,
    stored: &StoredAuthorisation,
    at: Timestamp,
) -> Result<StoredAuthorisation, Error> {
    let authorisation = Authorisation { withdrawn_at: Some(at), ..stored.authorisation.clone() };
    let next = update(tx, stored, StoredAuthorisation { authorisation, ..stored.clone() }).await?;
    let sql = "INSERT INTO use_withdrawals (authorisation, at) VALUES ($1, $2)";
    execute!(tx, sql, stored.authorisation.id.as_str(), at.unix())?;
    Ok(next)
}

/// Keeps what was used, and how many rows of the ledger stand under it.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`.
pub async fn count(
    tx: &mut Tx<'_>,
    stored: &StoredAuthorisation,
    used: Used,
    entered: i64,
) -> Result<StoredAuthorisation, Error> {
    let authorisation = Authorisation { used, ..stored.authorisation.clone() };
    update(tx, stored, StoredAuthorisation { authorisation, entered, ..stored.clone() }).await
}

async fn update(
    tx: &mut Tx<'_>,
    before: &StoredAuthorisation,
    next: StoredAuthorisation,
) -> Result<StoredAuthorisation, Error> {
    let next = StoredAuthorisation { version: before.version.saturating_add(1), ..next };
    let row = Row::of(tx, &next)?;
    let sql = "UPDATE use_authorisations SET withdrawn_at = $1, uses = $2, amount_used = $3, entered = $4, \
               version = $5, integrity = $6 WHERE id = $7 AND version = $8";
    let Row { id, withdrawn_at, uses, amount_used, entered, version, integrity, .. } = row;
    match execute!(tx, sql, withdrawn_at, uses, amount_used, entered, version, integrity, &id[..], before.version)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: id }),
    }
}
