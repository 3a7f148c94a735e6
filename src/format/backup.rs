//! The manifest of a backup, `manifest.json`: what belongs to it, how large and with which SM3, and where the audit log stood.
//!
//! Read strictly: members that are not known, names with folders in them, and digests that are none are refused. Not judged
//! here: whether the files are there and are what it says.

use serde::{Deserialize, Serialize};

/// Octets of the longest manifest that is read.
pub const MOST_MANIFEST: usize = 1 << 20;

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// The version of this form.
    pub version: u32,
    /// The program that wrote it.
    pub program: String,
    /// Of which database.
    pub database: BackupDatabase,
    /// The version that the database was at.
    pub migration: i64,
    /// The oldest version whose program may work on it; nothing where no older one may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves_from: Option<i64>,
    /// When it was taken, in seconds since 1970.
    pub taken_at: i64,
    /// Its files, in the order in which they are put back.
    pub files: Vec<BackupFile>,
    /// Where the audit log stood; nothing before it began.
    pub log: Option<BackupLog>,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupDatabase {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its name.
    pub name: String,
    /// Its octets.
    pub size: u64,
    /// Their SM3, hexadecimal.
    pub sm3: String,
}

/// Where the audit log stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupLog {
    /// Its origin.
    pub origin: String,
    /// Its leaves.
    pub size: u64,
    /// The root of the tree of SM3, hexadecimal.
    pub sm3: String,
    /// The root of the tree of SHA-256, where it is signed.
    pub sha256: Option<String>,
    /// The checkpoint of the tree of SM3.
    pub sm3_checkpoint: String,
    /// The checkpoint of the tree of SHA-256, where it is signed.
    pub sha256_checkpoint: Option<String>,
}

/// Why a manifest is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupManifestError {
    /// A later form.
    #[error("the manifest is of version {found}, this program knows {}", BackupManifest::VERSION)]
    TooNew {
        /// Its version.
        found: u64,
    },
    /// It is not of this form.
    #[error("the manifest is malformed: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
}

impl BackupManifest {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`BackupManifestError`].
    pub fn parse(octets: &[u8]) -> Result<Self, BackupManifestError> {
        let malformed = |reason: String| BackupManifestError::Malformed { reason };
        if octets.len() > MOST_MANIFEST {
            return Err(malformed(format!("it has more than {MOST_MANIFEST} octets")));
        }
        let loose: serde_json::Value = serde_json::from_slice(octets).map_err(|error| malformed(error.to_string()))?;
        match loose.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(Self::VERSION) => {}
            Some(found) if found > u64::from(Self::VERSION) => return Err(BackupManifestError::TooNew { found }),
            _ => return Err(malformed("it has no version".to_owned())),
        }
        // From the octets: a member that stands twice is refused.
        let manifest: Self = serde_json::from_slice(octets).map_err(|error| malformed(error.to_string()))?;
        let mut names = std::collections::BTreeSet::new();
        for file in &manifest.files {
            if !is_name(&file.name) || !is_digest(&file.sm3) || !names.insert(&file.name) {
                return Err(malformed(format!("{:?} is no file of a backup", file.name)));
            }
        }
        let roots = manifest.log.iter().flat_map(|log| std::iter::once(&log.sm3).chain(&log.sha256));
        match roots.into_iter().all(|root| is_digest(root)) {
            true => Ok(manifest),
            false => Err(malformed("a root is no digest".to_owned())),
        }
    }

    /// The manifest as it is written.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Cannot fail: no maps, no floats.
        let mut octets = serde_json::to_vec_pretty(self).unwrap_or_default();
        octets.push(b'\n');
        octets
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
    (1..=100).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> BackupManifest {
        BackupManifest {
            version: 1,
            program: "0.1.0".into(),
            database: BackupDatabase::Sqlite,
            migration: 20,
            serves_from: Some(19),
            taken_at: 1_800_000_000,
            files: vec![BackupFile { name: "database.sqlite".into(), size: 4096, sm3: "0a".repeat(32) }],
            log: Some(BackupLog {
                origin: "log.example/one".into(),
                size: 7,
                sm3: "0b".repeat(32),
                sha256: None,
                sm3_checkpoint: "text\n".into(),
                sha256_checkpoint: None,
            }),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let without = BackupManifest { serves_from: None, ..manifest() };
        for manifest in [manifest(), without] {
            assert_eq!(BackupManifest::parse(&manifest.to_json()), Ok(manifest));
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let refused = |change: fn(&mut serde_json::Value)| {
            let mut value = serde_json::to_value(manifest()).unwrap();
            change(&mut value);
            BackupManifest::parse(value.to_string().as_bytes()).unwrap_err()
        };
        assert_eq!(refused(|value| value["version"] = 2.into()), BackupManifestError::TooNew { found: 2 });
        let reason = |error| match error {
            BackupManifestError::Malformed { reason } => reason,
            BackupManifestError::TooNew { found } => panic!("too new: {found}"),
        };
        assert_eq!(reason(refused(|value| value["version"] = "1".into())), "it has no version");
        assert!(reason(refused(|value| value["more"] = 1.into())).starts_with("unknown field `more`"));
        let name = reason(refused(|value| value["files"][0]["name"] = "../database.sqlite".into()));
        assert_eq!(name, "\"../database.sqlite\" is no file of a backup");
        let digest = reason(refused(|value| value["files"][0]["sm3"] = "0A".repeat(32).into()));
        assert_eq!(digest, "\"database.sqlite\" is no file of a backup");
        assert_eq!(reason(refused(|value| value["log"]["sm3"] = "".into())), "a root is no digest");
        let long = BackupManifest::parse(&vec![b' '; MOST_MANIFEST + 1]).unwrap_err();
        assert_eq!(reason(long), "it has more than 1048576 octets");
    }
}
