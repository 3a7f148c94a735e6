//! Rows of key pairs, each with an integrity value. The private part is sealed before it comes here, or lies in a device.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{EncryptionKeyId, KeyId};
use crate::domain::key::{
    DestructionProof, Exportability, KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeyState,
    KeySuspensionReason, Owner, SealingAlgorithm, Validity,
};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// Where the private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Custody {
    /// In the row itself, sealed.
    Software {
        /// Nonce, ciphertext and tag; empty once the key is destroyed.
        sealed_private: Vec<u8>,
        /// Under which cipher.
        sealing: SealingAlgorithm,
        /// Under which key-encryption key.
        wrapped_under: EncryptionKeyId,
    },
    /// In a device.
    Device {
        /// Which door leads to it.
        location: KeyLocation,
        /// Its label or index there.
        handle: Vec<u8>,
    },
}

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub id: KeyId,
    /// What is fixed about it.
    pub attributes: KeyAttributes,
    /// The public key: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// Where the private key is.
    pub custody: Custody,
    /// Whether it may be used.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// A row as migration 1 knew it: sealed as version 0.1 sealed, without an integrity value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierKey {
    /// Its name.
    pub id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// The public key.
    pub public_key: Vec<u8>,
    /// The private key, sealed under the first key-encryption key.
    pub sealed_private: Vec<u8>,
    /// Whether it may be used.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The columns.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    owner: String,
    purpose: String,
    algorithm: String,
    uses: String,
    not_before: Option<i64>,
    not_after: Option<i64>,
    exportability: String,
    location: String,
    handle: Option<Vec<u8>>,
    sealing: Option<String>,
    wrapped_under: Option<String>,
    public_key: Vec<u8>,
    sealed_private: Vec<u8>,
    state: String,
    state_since: i64,
    suspension_reason: Option<String>,
    destruction_proof: Option<Vec<u8>>,
    created_at: i64,
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
            owner: row.try_get("owner")?,
            purpose: row.try_get("purpose")?,
            algorithm: row.try_get("algorithm")?,
            uses: row.try_get("uses")?,
            not_before: row.try_get("not_before")?,
            not_after: row.try_get("not_after")?,
            exportability: row.try_get("exportability")?,
            location: row.try_get("location")?,
            handle: row.try_get("handle")?,
            sealing: row.try_get("sealing")?,
            wrapped_under: row.try_get("wrapped_under")?,
            public_key: row.try_get("public_key")?,
            sealed_private: row.try_get("sealed_private")?,
            state: row.try_get("state")?,
            state_since: row.try_get("state_since")?,
            suspension_reason: row.try_get("suspension_reason")?,
            destruction_proof: row.try_get("destruction_proof")?,
            created_at: row.try_get("created_at")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    /// The columns of a key, but for the integrity value.
    fn of(key: &StoredKey) -> Self {
        let attributes = &key.attributes;
        let moment = |moment: Option<Timestamp>| moment.map(|moment| moment.unix());
        let (location, handle, sealing, wrapped_under, sealed_private) = match &key.custody {
            Custody::Software { sealed_private, sealing, wrapped_under } => {
                let (sealing, under) = (Some(sealing.name().to_owned()), Some(wrapped_under.to_string()));
                (KeyLocation::Software, None, sealing, under, sealed_private.clone())
            }
            Custody::Device { location, handle } => (*location, Some(handle.clone()), None, None, Vec::new()),
        };
        let (suspension_reason, destruction_proof) = match &key.state {
            KeyState::Active { .. } => (None, None),
            KeyState::Suspended { reason, .. } => (Some(reason.name().to_owned()), None),
            KeyState::Destroyed { proof, .. } => (None, Some([proof.public_key_sm3, proof.private_key_sm3].concat())),
        };
        Self {
            id: key.id.to_string(),
            owner: attributes.owner.as_str().to_owned(),
            purpose: attributes.purpose.name().to_owned(),
            algorithm: attributes.algorithm.name().to_owned(),
            uses: attributes.purpose.uses().to_names(),
            not_before: moment(attributes.validity.not_before),
            not_after: moment(attributes.validity.not_after),
            exportability: attributes.exportability.name().to_owned(),
            location: location.name().to_owned(),
            handle,
            sealing,
            wrapped_under,
            public_key: key.public_key.clone(),
            sealed_private,
            state: key.state.name().to_owned(),
            state_since: key.state.since().unix(),
            suspension_reason,
            destruction_proof,
            created_at: key.created_at.unix(),
            version: key.version,
            integrity: Vec::new(),
        }
    }

    /// The content that the integrity value covers: every column but id, version and the value itself.
    fn content(&self) -> [Vec<u8>; 18] {
        let text = |text: &Option<String>| optional(text.as_ref().map(String::as_bytes));
        let octets = |octets: &Option<Vec<u8>>| optional(octets.as_deref());
        let moment = |moment: Option<i64>| optional(moment.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        [
            self.owner.as_bytes().to_vec(),
            self.purpose.as_bytes().to_vec(),
            self.algorithm.as_bytes().to_vec(),
            self.uses.as_bytes().to_vec(),
            moment(self.not_before),
            moment(self.not_after),
            self.exportability.as_bytes().to_vec(),
            self.location.as_bytes().to_vec(),
            octets(&self.handle),
            text(&self.sealing),
            text(&self.wrapped_under),
            self.public_key.clone(),
            self.sealed_private.clone(),
            self.state.as_bytes().to_vec(),
            self.state_since.to_be_bytes().to_vec(),
            text(&self.suspension_reason),
            octets(&self.destruction_proof),
            self.created_at.to_be_bytes().to_vec(),
        ]
    }

    fn key_state(&self) -> Option<KeyState> {
        let since = Timestamp::from_unix(self.state_since);
        match (self.state.as_str(), &self.suspension_reason, &self.destruction_proof) {
            ("active", None, None) => Some(KeyState::Active { since }),
            ("suspended", Some(reason), None) => {
                Some(KeyState::Suspended { since, reason: KeySuspensionReason::from_name(reason)? })
            }
            ("destroyed", None, Some(proof)) => {
                let (public, private) = proof.split_first_chunk::<32>()?;
                let proof = DestructionProof { public_key_sm3: *public, private_key_sm3: private.try_into().ok()? };
                Some(KeyState::Destroyed { at: since, proof })
            }
            _ => None,
        }
    }

    fn custody(&self) -> Option<Custody> {
        match (KeyLocation::from_name(&self.location)?, &self.sealing, &self.wrapped_under, &self.handle) {
            (KeyLocation::Software, Some(sealing), Some(under), None) => Some(Custody::Software {
                sealed_private: self.sealed_private.clone(),
                sealing: SealingAlgorithm::from_name(sealing)?,
                wrapped_under: EncryptionKeyId::parse(under).ok()?,
            }),
            (location @ (KeyLocation::Pkcs11 | KeyLocation::Sdf), None, None, Some(handle)) => {
                self.sealed_private.is_empty().then(|| Custody::Device { location, handle: handle.clone() })
            }
            _ => None,
        }
    }

    fn key(&self) -> Option<StoredKey> {
        let purpose = KeyPurpose::from_name(&self.purpose)?;
        let attributes = KeyAttributes {
            owner: Owner::parse(&self.owner).ok()?,
            purpose,
            algorithm: KeyAlgorithm::from_name(&self.algorithm)?,
            validity: Validity {
                not_before: self.not_before.map(Timestamp::from_unix),
                not_after: self.not_after.map(Timestamp::from_unix),
            },
            exportability: Exportability::from_name(&self.exportability)?,
        };
        let (state, custody) = (self.key_state()?, self.custody()?);
        // A key that is not destroyed has its private part, one that is has none.
        let gone = matches!(&custody, Custody::Software { sealed_private, .. } if sealed_private.is_empty());
        let software = matches!(custody, Custody::Software { .. });
        if (software && gone != matches!(state, KeyState::Destroyed { .. })) || self.uses != purpose.uses().to_names() {
            return None;
        }
        Some(StoredKey {
            id: KeyId::parse(&self.id).ok()?,
            attributes,
            public_key: self.public_key.clone(),
            custody,
            state,
            created_at: Timestamp::from_unix(self.created_at),
            version: self.version,
        })
    }
}

fn parts(content: &[Vec<u8>]) -> Vec<&[u8]> {
    content.iter().map(Vec::as_slice).collect()
}

fn entity(tx: &Tx<'_>, row: &Row) -> Result<StoredKey, Error> {
    tx.integrity.check("keys", &row.id, row.version, &parts(&row.content()), &row.integrity)?;
    row.key().ok_or_else(|| Error::Inconsistent { table: "keys", row: row.id.clone() })
}

fn integrity(tx: &Tx<'_>, row: &Row) -> Result<Vec<u8>, Error> {
    tx.integrity.over("keys", &row.id, row.version, &parts(&row.content()))
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner, purpose, algorithm, uses, not_before, not_after, exportability, location, handle, ",
            "sealing, wrapped_under, public_key, sealed_private, state, state_since, suspension_reason, ",
            "destruction_proof, created_at, version, integrity FROM keys ",
            $rest
        )
    };
}

/// Keeps a new key pair, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when the id or the public key is there already, or the key-encryption key is not.
pub async fn insert(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), Error> {
    let row = Row { version: 1, ..Row::of(key) };
    let integrity = integrity(tx, &row)?;
    let sql = "INSERT INTO keys (id, owner, purpose, algorithm, uses, not_before, not_after, exportability, location, \
               handle, sealing, wrapped_under, public_key, sealed_private, state, state_since, suspension_reason, \
               destruction_proof, created_at, version, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
               $11, $12, $13, $14, $15, $16, $17, $18, $19, 1, $20)";
    execute!(
        tx,
        sql,
        &row.id,
        &row.owner,
        &row.purpose,
        &row.algorithm,
        &row.uses,
        row.not_before,
        row.not_after,
        &row.exportability,
        &row.location,
        row.handle.as_deref(),
        row.sealing.as_deref(),
        row.wrapped_under.as_deref(),
        &row.public_key[..],
        &row.sealed_private[..],
        &row.state,
        row.state_since,
        row.suspension_reason.as_deref(),
        row.destruction_proof.as_deref(),
        row.created_at,
        integrity
    )
    .map(|_| ())
}

/// The key pair of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<StoredKey>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// The key pair with that public key.
///
/// # Errors
/// As [`find`].
pub async fn find_by_public_key(tx: &mut Tx<'_>, public_key: &[u8]) -> Result<Option<StoredKey>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE public_key = $1"), public_key)?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// All key pairs of that purpose, oldest first.
///
/// # Errors
/// As [`find`].
pub async fn of_purpose(tx: &mut Tx<'_>, purpose: KeyPurpose) -> Result<Vec<StoredKey>, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE purpose = $1 ORDER BY created_at, id"), purpose.name())?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// All key pairs behind that name, in the order of their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, behind: Option<&KeyId>, limit: i64) -> Result<Vec<StoredKey>, Error> {
    let behind = behind.map_or("", KeyId::as_str);
    let rows = fetch_all!(tx, Row, select!("WHERE id > $1 ORDER BY id LIMIT $2"), behind, limit)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// Gives a key another state or another seal. What is fixed about a key stays as it is.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `key`.
pub async fn change(
    tx: &mut Tx<'_>,
    key: &StoredKey,
    (state, custody): (KeyState, Custody),
) -> Result<StoredKey, Error> {
    let next = StoredKey { state, custody, version: key.version.saturating_add(1), ..key.clone() };
    let row = Row::of(&next);
    match write(tx, &row, key.version).await? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: "keys", row: key.id.to_string() }),
    }
}

async fn write(tx: &mut Tx<'_>, row: &Row, version: i64) -> Result<u64, Error> {
    let integrity = integrity(tx, row)?;
    let sql = "UPDATE keys SET owner = $1, uses = $2, sealing = $3, wrapped_under = $4, sealed_private = $5, \
               state = $6, state_since = $7, suspension_reason = $8, destruction_proof = $9, version = $10, \
               integrity = $11 WHERE id = $12 AND version = $13";
    execute!(
        tx,
        sql,
        &row.owner,
        &row.uses,
        row.sealing.as_deref(),
        row.wrapped_under.as_deref(),
        &row.sealed_private[..],
        &row.state,
        row.state_since,
        row.suspension_reason.as_deref(),
        row.destruction_proof.as_deref(),
        row.version,
        integrity,
        &row.id,
        version
    )
}

/// Rows that migration 1 left: not yet sealed anew, without an integrity value.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that was never written so; the database's.
pub async fn earlier(tx: &mut Tx<'_>) -> Result<Vec<EarlierKey>, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE version = 0 ORDER BY id"))?;
    let earlier = |row: &Row| {
        Some(EarlierKey {
            id: KeyId::parse(&row.id).ok()?,
            purpose: KeyPurpose::from_name(&row.purpose)?,
            algorithm: KeyAlgorithm::from_name(&row.algorithm)?,
            public_key: row.public_key.clone(),
            sealed_private: row.sealed_private.clone(),
            state: row.key_state()?,
            created_at: Timestamp::from_unix(row.created_at),
        })
    };
    let known =
        rows.iter().map(|row| earlier(row).ok_or_else(|| Error::Inconsistent { table: "keys", row: row.id.clone() }));
    known.collect()
}

/// Makes a row of migration 1 one of ours: version 1, with its new seal and its integrity value.
///
/// # Errors
/// [`Error::Stale`] when it is one of ours already.
pub async fn adopt(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), Error> {
    let row = Row { version: 1, ..Row::of(key) };
    match write(tx, &row, 0).await? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "keys", row: key.id.to_string() }),
    }
}
