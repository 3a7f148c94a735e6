//! Rows of orders to re-make many seals, of the officers' signatures over them, and of each seal of an order. They say what is
//! revoked and what is made, so each carries an integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::{AuthorityId, CallerId, JobId, KeyId, SealId};
use crate::domain::audit::RevocationReason;
use crate::domain::key::KeyAlgorithm;
use crate::domain::officer::{Approval, Hand};
use crate::domain::seal::code::SealCode;
use crate::domain::seal::remake::{Making, RemakeOrder, RemakeState, RemakeStep, Selection};
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_remakes";
const APPROVALS: &str = "seal_remake_approvals";
const SEALS: &str = "seal_remake_seals";

/// An order, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRemake {
    /// Its name.
    pub id: JobId,
    /// What was ordered.
    pub order: RemakeOrder,
    /// The applicant's signature.
    pub submission_signature: Vec<u8>,
    /// The approvals, in their order.
    pub approvals: Vec<Approval>,
    /// Where it stands.
    pub state: RemakeState,
    /// When the first seal was to be revoked.
    pub begun_at: Option<Timestamp>,
    /// When all were revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// A seal of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRemakeSeal {
    /// The old one.
    pub seal: SealId,
    /// Of which order.
    pub remake: JobId,
    /// How far it is.
    pub step: RemakeStep,
    /// What was taken for its successor: its name, its code, its signer's key.
    pub taken: Option<(SealId, SealCode, KeyId)>,
    /// SM3 of the certificate of its successor's signer.
    pub certificate_sm3: Option<[u8; 32]>,
    /// The stable code of why there is none.
    pub refusal: Option<String>,
    /// Since when it is there.
    pub since: Timestamp,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// How many seals of an order are how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemakeCounts {
    /// Revoked, with or without a successor.
    pub revoked: u64,
    /// With a successor.
    pub made: u64,
    /// Without one, for ever by this order.
    pub refused: u64,
}

struct Row {
    id: String,
    nonce: Vec<u8>,
    division: String,
    old_maker: Option<Vec<u8>>,
    old_authority: Option<String>,
    old_algorithm: Option<String>,
    new_authority: String,
    profile: String,
    new_algorithm: String,
    days: i64,
    reason: String,
    compromised_at: Option<i64>,
    applicant: String,
    applicant_key_sm3: Vec<u8>,
    submitted_at: i64,
    submission_signature: Vec<u8>,
    state: String,
    looked_at: Option<String>,
    begun_at: Option<i64>,
    revoked_at: Option<i64>,
    ended_at: Option<i64>,
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
            nonce: row.try_get("nonce")?,
            division: row.try_get("division")?,
            old_maker: row.try_get("old_maker")?,
            old_authority: row.try_get("old_authority")?,
            old_algorithm: row.try_get("old_algorithm")?,
            new_authority: row.try_get("new_authority")?,
            profile: row.try_get("profile")?,
            new_algorithm: row.try_get("new_algorithm")?,
            days: row.try_get("days")?,
            reason: row.try_get("reason")?,
            compromised_at: row.try_get("compromised_at")?,
            applicant: row.try_get("applicant")?,
            applicant_key_sm3: row.try_get("applicant_key_sm3")?,
            submitted_at: row.try_get("submitted_at")?,
            submission_signature: row.try_get("submission_signature")?,
            state: row.try_get("state")?,
            looked_at: row.try_get("looked_at")?,
            begun_at: row.try_get("begun_at")?,
            revoked_at: row.try_get("revoked_at")?,
            ended_at: row.try_get("ended_at")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    fn of(stored: &StoredRemake, version: i64) -> Self {
        let StoredRemake { order, .. } = stored;
        let RemakeOrder { selection, making, .. } = order;
        let looked_at = match &stored.state {
            RemakeState::Revoking { after } => after.as_ref().map(ToString::to_string),
            _ => None,
        };
        Self {
            id: stored.id.to_string(),
            nonce: order.nonce.to_vec(),
            division: selection.division.code(),
            old_maker: selection.maker.clone(),
            old_authority: selection.authority.as_ref().map(ToString::to_string),
            old_algorithm: selection.algorithm.map(|algorithm| algorithm.name().to_owned()),
            new_authority: making.authority.to_string(),
            profile: making.profile.clone(),
            new_algorithm: making.algorithm.name().to_owned(),
            days: making.days.into(),
            reason: order.reason.name().to_owned(),
            compromised_at: order.compromised_at.map(Timestamp::unix),
            applicant: order.applicant.officer.to_string(),
            applicant_key_sm3: order.applicant.key_sm3.to_vec(),
            submitted_at: order.submitted_at.unix(),
            submission_signature: stored.submission_signature.clone(),
            state: stored.state.name().to_owned(),
            looked_at,
            begun_at: stored.begun_at.map(Timestamp::unix),
            revoked_at: stored.revoked_at.map(Timestamp::unix),
            ended_at: stored.ended_at.map(Timestamp::unix),
            version,
            integrity: Vec::new(),
        }
    }

    /// Every column but the name, the version and the value itself.
    fn content(&self) -> Vec<Vec<u8>> {
        let text = |text: &Option<String>| optional(text.as_ref().map(String::as_bytes));
        let moment = |moment: &Option<i64>| optional(moment.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        vec![
            self.nonce.clone(),
            self.division.clone().into_bytes(),
            optional(self.old_maker.as_deref()),
            text(&self.old_authority),
            text(&self.old_algorithm),
            self.new_authority.clone().into_bytes(),
            self.profile.clone().into_bytes(),
            self.new_algorithm.clone().into_bytes(),
            self.days.to_be_bytes().to_vec(),
            self.reason.clone().into_bytes(),
            moment(&self.compromised_at),
            self.applicant.clone().into_bytes(),
            self.applicant_key_sm3.clone(),
            self.submitted_at.to_be_bytes().to_vec(),
            self.submission_signature.clone(),
            self.state.clone().into_bytes(),
            text(&self.looked_at),
            moment(&self.begun_at),
            moment(&self.revoked_at),
            moment(&self.ended_at),
        ]
    }

    fn sealed(self, tx: &Tx<'_>) -> Result<Self, Error> {
        let content = self.content();
        let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let integrity = tx.integrity.over(TABLE, &self.id, self.version, &parts)?;
        Ok(Self { integrity, ..self })
    }

    fn read(self, approvals: Vec<Approval>) -> Option<StoredRemake> {
        let time = |at: Option<i64>| at.map(Timestamp::from_unix);
        let after = self.looked_at.as_deref().map(SealId::parse).transpose().ok()?;
        let state = match (self.state.as_str(), after) {
            ("revoking", after) => RemakeState::Revoking { after },
            ("submitted", None) => RemakeState::Submitted,
            ("making", None) => RemakeState::Making,
            ("finished", None) => RemakeState::Finished,
            ("cancelled", None) => RemakeState::Cancelled,
            _ => return None,
        };
        let algorithm = |name: &String| KeyAlgorithm::from_name(name);
        let old_algorithm = match &self.old_algorithm {
            None => None,
            Some(name) => Some(algorithm(name)?),
        };
        Some(StoredRemake {
            id: JobId::parse(&self.id).ok()?,
            order: RemakeOrder {
                nonce: self.nonce.try_into().ok()?,
                selection: Selection {
                    division: Division::parse(&self.division).ok()?,
                    maker: self.old_maker,
                    authority: self.old_authority.as_deref().map(AuthorityId::parse).transpose().ok()?,
                    algorithm: old_algorithm,
                },
                making: Making {
                    authority: AuthorityId::parse(&self.new_authority).ok()?,
                    profile: self.profile,
                    algorithm: algorithm(&self.new_algorithm)?,
                    days: u32::try_from(self.days).ok()?,
                },
                reason: RevocationReason::from_name(&self.reason)?,
                compromised_at: time(self.compromised_at),
                applicant: Hand {
                    officer: CallerId::parse(&self.applicant).ok()?,
                    key_sm3: self.applicant_key_sm3.try_into().ok()?,
                },
                submitted_at: Timestamp::from_unix(self.submitted_at),
            },
            submission_signature: self.submission_signature,
            approvals,
            state,
            begun_at: time(self.begun_at),
            revoked_at: time(self.revoked_at),
            ended_at: time(self.ended_at),
            version: self.version,
        })
    }
}

async fn entity(tx: &mut Tx<'_>, row: Row) -> Result<StoredRemake, Error> {
    let id = row.id.clone();
    let content = row.content();
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(TABLE, &id, row.version, &parts, &row.integrity)?;
    let approvals = approvals(tx, &id).await?;
    row.read(approvals).ok_or(Error::Inconsistent { table: TABLE, row: id })
}

/// Keeps a new order, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when one of that name or nonce is there already.
pub async fn insert(tx: &mut Tx<'_>, new: &StoredRemake) -> Result<(), Error> {
    let row = Row::of(new, 1).sealed(tx)?;
    let sql = "INSERT INTO seal_remakes (id, nonce, division, old_maker, old_authority, old_algorithm, new_authority, \
               profile, new_algorithm, days, reason, compromised_at, applicant, applicant_key_sm3, submitted_at, \
               submission_signature, state, looked_at, begun_at, revoked_at, ended_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
               1, $22)";
    execute!(
        tx,
        sql,
        &row.id[..],
        row.nonce,
        row.division,
        row.old_maker,
        row.old_authority,
        row.old_algorithm,
        row.new_authority,
        row.profile,
        row.new_algorithm,
        row.days,
        row.reason,
        row.compromised_at,
        row.applicant,
        row.applicant_key_sm3,
        row.submitted_at,
        row.submission_signature,
        row.state,
        row.looked_at,
        row.begun_at,
        row.revoked_at,
        row.ended_at,
        row.integrity
    )?;
    newest::first(tx, TABLE, &row.id).await
}

/// A statement that reads whole orders.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, nonce, division, old_maker, old_authority, old_algorithm, new_authority, profile, new_algorithm, ",
            "days, reason, compromised_at, applicant, applicant_key_sm3, submitted_at, submission_signature, state, ",
            "looked_at, begun_at, revoked_at, ended_at, version, ",
            integrity_of_newest!("seal_remakes", "id"),
            " FROM seal_remakes ",
            $where
        )
    };
}

/// The order of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &JobId) -> Result<Option<StoredRemake>, Error> {
    match fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())? {
        Some(row) => Ok(Some(entity(tx, row).await?)),
        None => newest::absent(tx, TABLE, id.as_str()).await,
    }
}

/// Orders, oldest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<StoredRemake>, Error> {
    let mut all = Vec::new();
    for row in fetch_all!(tx, Row, select!("ORDER BY submitted_at, id LIMIT $1"), limit)? {
        all.push(entity(tx, row).await?);
    }
    Ok(all)
}

/// Keeps where an order stands now; what was ordered never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredRemake) -> Result<StoredRemake, Error> {
    let version = stored.version.saturating_add(1);
    let row = Row::of(stored, version).sealed(tx)?;
    let sql = "UPDATE seal_remakes SET state = $1, looked_at = $2, begun_at = $3, revoked_at = $4, ended_at = $5, \
               version = $6, integrity = $7 WHERE id = $8 AND version = $9";
    let touched = execute!(
        tx,
        sql,
        row.state,
        row.looked_at,
        row.begun_at,
        row.revoked_at,
        row.ended_at,
        version,
        row.integrity,
        &row.id[..],
        stored.version
    )?;
    match touched {
        1 => {
            newest::keep(tx, TABLE, &row.id, version).await?;
            Ok(StoredRemake { version, ..stored.clone() })
        }
        _ => Err(Error::Stale { table: TABLE, row: row.id }),
    }
}

fn approval_name(remake: &str, number: i64) -> String {
    format!("{remake}/{number}")
}

fn approval_content(approval: &Approval) -> [Vec<u8>; 4] {
    [
        approval.hand.officer.as_str().as_bytes().to_vec(),
        approval.hand.key_sm3.to_vec(),
        approval.signature.clone(),
        approval.at.unix().to_be_bytes().to_vec(),
    ]
}

/// Keeps an approval of an order.
///
/// # Errors
/// [`Error::Conflict`] when that officer, that key or another one at that place approved already.
pub async fn approve(tx: &mut Tx<'_>, remake: &JobId, number: i64, approval: &Approval) -> Result<(), Error> {
    let content = approval_content(approval);
    let name = approval_name(remake.as_str(), number);
    let integrity = tx.integrity.over(APPROVALS, &name, 1, &content.each_ref().map(Vec::as_slice))?;
    let sql = "INSERT INTO seal_remake_approvals (remake, number, officer, key_sm3, signature, at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Approval { hand, signature, at } = approval;
    let (officer, key) = (hand.officer.as_str(), &hand.key_sm3[..]);
    execute!(tx, sql, remake.as_str(), number, officer, key, &signature[..], at.unix(), integrity).map(|_| ())
}

async fn approvals(tx: &mut Tx<'_>, remake: &str) -> Result<Vec<Approval>, Error> {
    type Given = (i64, String, Vec<u8>, Vec<u8>, i64, Vec<u8>);
    let sql = "SELECT number, officer, key_sm3, signature, at, integrity FROM seal_remake_approvals \
               WHERE remake = $1 ORDER BY number";
    let mut approvals = Vec::new();
    for (number, officer, key_sm3, signature, at, found) in fetch_all!(tx, Given, sql, remake)? {
        let name = approval_name(remake, number);
        let wrong = || Error::Inconsistent { table: APPROVALS, row: name.clone() };
        let officer = CallerId::parse(&officer).map_err(|_| wrong())?;
        let hand = Hand { officer, key_sm3: key_sm3.try_into().map_err(|_| wrong())? };
        let approval = Approval { hand, signature, at: Timestamp::from_unix(at) };
        let content = approval_content(&approval);
        tx.integrity.check(APPROVALS, &name, 1, &content.each_ref().map(Vec::as_slice), &found)?;
        approvals.push(approval);
    }
    Ok(approvals)
}

type SealRow = (
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    Option<String>,
    i64,
    i64,
    Vec<u8>,
);

fn seal_content(row: &StoredRemakeSeal) -> [Vec<u8>; 8] {
    let taken = row.taken.as_ref();
    let text = |text: Option<&str>| optional(text.map(str::as_bytes));
    [
        row.remake.as_str().as_bytes().to_vec(),
        row.step.name().as_bytes().to_vec(),
        text(taken.map(|(successor, _, _)| successor.as_str())),
        text(taken.map(|(_, code, _)| code.as_str())),
        text(taken.map(|(_, _, key)| key.as_str())),
        optional(row.certificate_sm3.as_ref().map(|sm3| &sm3[..])),
        text(row.refusal.as_deref()),
        row.since.unix().to_be_bytes().to_vec(),
    ]
}

fn seal_integrity(tx: &Tx<'_>, row: &StoredRemakeSeal) -> Result<Vec<u8>, Error> {
    let content = seal_content(row);
    tx.integrity.over(SEALS, row.seal.as_str(), row.version, &content.each_ref().map(Vec::as_slice))
}

fn seal_entity(tx: &Tx<'_>, row: SealRow) -> Result<StoredRemakeSeal, Error> {
    let (seal, remake, step, successor, code, key, certificate_sm3, refusal, since, version, found) = row;
    let wrong = || Error::Inconsistent { table: SEALS, row: seal.clone() };
    let taken = match (successor, code, key) {
        (None, None, None) => None,
        (Some(successor), Some(code), Some(key)) => Some((
            SealId::parse(&successor).map_err(|_| wrong())?,
            SealCode::parse(&code).map_err(|_| wrong())?,
            KeyId::parse(&key).map_err(|_| wrong())?,
        )),
        _ => return Err(wrong()),
    };
    let row = StoredRemakeSeal {
        seal: SealId::parse(&seal).map_err(|_| wrong())?,
        remake: JobId::parse(&remake).map_err(|_| wrong())?,
        step: RemakeStep::from_name(&step).ok_or_else(wrong)?,
        taken,
        certificate_sm3: certificate_sm3.map(<[u8; 32]>::try_from).transpose().map_err(|_| wrong())?,
        refusal,
        since: Timestamp::from_unix(since),
        version,
    };
    let content = seal_content(&row);
    tx.integrity.check(SEALS, &seal, version, &content.each_ref().map(Vec::as_slice), &found)?;
    Ok(row)
}

/// Keeps that a seal of an order is revoked, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when the seal is in an order already.
pub async fn insert_seal(tx: &mut Tx<'_>, new: &StoredRemakeSeal) -> Result<(), Error> {
    let new = StoredRemakeSeal { version: 1, ..new.clone() };
    let integrity = seal_integrity(tx, &new)?;
    let sql = "INSERT INTO seal_remake_seals (seal, remake, step, refusal, since, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, 1, $6)";
    let (seal, remake, refusal) = (new.seal.as_str(), new.remake.as_str(), new.refusal.as_deref());
    execute!(tx, sql, seal, remake, new.step.name(), refusal, new.since.unix(), integrity)?;
    newest::first(tx, SEALS, seal).await
}

/// The seal of an order.
///
/// # Errors
/// As [`find`].
pub async fn find_seal(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredRemakeSeal>, Error> {
    let sql = concat!(
        "SELECT seal, remake, step, successor, code, signer_key, certificate_sm3, refusal, since, version, ",
        integrity_of_newest!("seal_remake_seals", "seal"),
        " FROM seal_remake_seals WHERE seal = $1"
    );
    match fetch_optional!(tx, SealRow, sql, seal.as_str())? {
        Some(row) => seal_entity(tx, row).map(Some),
        None => newest::absent(tx, SEALS, seal.as_str()).await,
    }
}

/// The seals of an order that are so far, behind that one, by their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn seals_at(
    tx: &mut Tx<'_>,
    remake: &JobId,
    step: RemakeStep,
    after: Option<&SealId>,
    limit: i64,
) -> Result<Vec<StoredRemakeSeal>, Error> {
    let sql = concat!(
        "SELECT seal, remake, step, successor, code, signer_key, certificate_sm3, refusal, since, version, ",
        integrity_of_newest!("seal_remake_seals", "seal"),
        " FROM seal_remake_seals WHERE remake = $1 AND step = $2 AND seal > $3 ORDER BY seal LIMIT $4"
    );
    let after = after.map_or("", SealId::as_str);
    let rows = fetch_all!(tx, SealRow, sql, remake.as_str(), step.name(), after, limit)?;
    rows.into_iter().map(|row| seal_entity(tx, row)).collect()
}

/// Keeps how far a seal is now.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`; [`Error::Conflict`] when its code, key, certificate
/// or successor is another's.
pub async fn update_seal(tx: &mut Tx<'_>, stored: &StoredRemakeSeal) -> Result<StoredRemakeSeal, Error> {
    let next = StoredRemakeSeal { version: stored.version.saturating_add(1), ..stored.clone() };
    let integrity = seal_integrity(tx, &next)?;
    let sql = "UPDATE seal_remake_seals SET step = $1, successor = $2, code = $3, signer_key = $4, certificate_sm3 = $5, \
               refusal = $6, since = $7, version = $8, integrity = $9 WHERE seal = $10 AND version = $11";
    let taken = next.taken.as_ref();
    let touched = execute!(
        tx,
        sql,
        next.step.name(),
        taken.map(|(successor, _, _)| successor.as_str()),
        taken.map(|(_, code, _)| code.as_str()),
        taken.map(|(_, _, key)| key.as_str()),
        next.certificate_sm3.as_ref().map(|sm3| &sm3[..]),
        next.refusal.as_deref(),
        next.since.unix(),
        next.version,
        integrity,
        next.seal.as_str(),
        stored.version
    )?;
    match touched {
        1 => {
            newest::keep(tx, SEALS, next.seal.as_str(), next.version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: SEALS, row: next.seal.to_string() }),
    }
}

/// How many seals of an order are how far.
///
/// # Errors
/// As [`find`].
pub async fn counts(tx: &mut Tx<'_>, remake: &JobId) -> Result<RemakeCounts, Error> {
    let sql = "SELECT step, count(*) FROM seal_remake_seals WHERE remake = $1 GROUP BY step";
    let mut counts = RemakeCounts::default();
    for (step, count) in fetch_all!(tx, (String, i64), sql, remake.as_str())? {
        let wrong = || Error::Inconsistent { table: SEALS, row: remake.to_string() };
        let count = u64::try_from(count).map_err(|_| wrong())?;
        counts.revoked = counts.revoked.saturating_add(count);
        match RemakeStep::from_name(&step).ok_or_else(wrong)? {
            RemakeStep::Made => counts.made = count,
            RemakeStep::Refused => counts.refused = count,
            RemakeStep::Revoked | RemakeStep::Begun | RemakeStep::Certified => {}
        }
    }
    Ok(counts)
}
