//! The transcript of a ceremony: lines of JSON in one form only, each with the SM3 of the line before it.
//!
//! No secret stands in it: of a share there is the SM3 of its text, which has 256 random bits.

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::crypto::digest::{hex, sm3};

/// What the first record has for the line before it.
pub const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// No transcript is longer.
pub const MOST_BYTES: usize = 16 << 20;
/// No transcript has more records.
const MOST_RECORDS: usize = 4096;

/// Why a transcript is not accepted, or not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// Too long, or empty.
    #[error("a transcript has 1 to {MOST_RECORDS} records and {MOST_BYTES} bytes at most")]
    Size,
    /// A line is no record in the form that we write.
    #[error("record {number} is not in the form of a transcript")]
    Form {
        /// Which, from 1.
        number: u64,
    },
    /// A record does not carry its own number.
    #[error("record {number} says that it is record {found}")]
    Number {
        /// Which, from 1.
        number: u64,
        /// What it says.
        found: u64,
    },
    /// A record is not the one that the next one was written after.
    #[error("record {number} ({step}) was changed: record {next} was written after another one")]
    Chain {
        /// Which, from 1.
        number: u64,
        /// What it tells.
        step: &'static str,
        /// The one behind it.
        next: u64,
    },
    /// The first record names one before it.
    #[error("record 1 was not written first: records before it are missing")]
    Beginning,
    /// A time goes back.
    #[error("record {number} is of a time before that of the record before it, or of no time")]
    Time {
        /// Which, from 1.
        number: u64,
    },
    /// A record stands where none of its kind can.
    #[error("record {number} ({step}) does not belong there")]
    Order {
        /// Which, from 1.
        number: u64,
        /// What it tells.
        step: &'static str,
    },
    /// A record that each ceremony has is missing.
    #[error("the transcript has no record {step} where one belongs")]
    Missing {
        /// What it would tell.
        step: &'static str,
    },
    /// A certificate or list is not that of its digest, cannot be read, or is not signed by the authority named.
    #[error("record {number} ({step}): the certificate or list in it is not what the record says")]
    Object {
        /// Which, from 1.
        number: u64,
        /// What it tells.
        step: &'static str,
    },
    /// The signature is no detached message of one signer.
    #[error("the signature of the transcript is not a detached SignedData of one signer (RFC 5652 5)")]
    SignatureForm,
    /// The signer is not the key that the transcript names.
    #[error("the transcript is signed by another key than the one that it names")]
    Signer,
    /// The signature is wrong.
    #[error("the signature is not over this transcript: a record was changed, added or left out")]
    Signature,
    /// The plan is another one.
    #[error("the transcript is of another plan: its SM3 is {transcript}, not {plan}")]
    OtherPlan {
        /// By the transcript.
        transcript: String,
        /// Of the plan that was given.
        plan: String,
    },
    /// What was done is not what the plan says.
    #[error("the transcript does not follow the plan: {what}")]
    Departure {
        /// In what.
        what: &'static str,
    },
}

impl TranscriptError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size => "transcript-size",
            Self::Form { .. } => "transcript-form",
            Self::Number { .. } => "transcript-number",
            Self::Chain { .. } | Self::Beginning => "transcript-changed",
            Self::Time { .. } => "transcript-time",
            Self::Order { .. } | Self::Missing { .. } => "transcript-order",
            Self::Object { .. } => "transcript-object",
            Self::SignatureForm => "transcript-signature-form",
            Self::Signer => "transcript-signer",
            Self::Signature => "transcript-signature",
            Self::OtherPlan { .. } => "transcript-of-another-plan",
            Self::Departure { .. } => "transcript-departs-from-plan",
        }
    }
}

/// Somebody who was present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendance {
    /// The name.
    pub name: String,
    /// What for.
    pub part: String,
}

/// A share that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRecord {
    /// Who took it.
    pub custodian: String,
    /// Its number within its set.
    pub number: u8,
    /// SM3 of its text.
    pub sm3: String,
}

/// What was done. Digests are SM3 in hexadecimal unless their name says otherwise, objects DER in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The ceremony began.
    Opened {
        /// What it is called.
        title: String,
        /// Of the plan's text.
        plan_sm3: String,
        /// Program and version.
        program: String,
        /// SHA-256 of the program's file.
        program_sha256: String,
        /// How many known answers the self-tests computed, all right.
        self_tests: u64,
        /// The profile of the installation.
        profile: String,
        /// Who was present.
        present: Vec<Attendance>,
    },
    /// The key above all others was made and shared out.
    SharesMade {
        /// Names the set.
        set: String,
        /// How many shares are needed.
        threshold: u8,
        /// The shares.
        shares: Vec<ShareRecord>,
    },
    /// A custodian gave the share back, and it was the right one.
    ShareConfirmed {
        /// Who.
        custodian: String,
        /// Which share.
        share: u8,
    },
    /// The database was made, and opened by the shares that were given back or by the device.
    InstallationOpened {
        /// The key-encryption key.
        key_encryption_key: String,
        /// What protects it.
        protection: String,
    },
    /// An authority was made.
    AuthorityMade {
        /// Its name.
        authority: String,
        /// What it is called.
        name: String,
        /// Its profile.
        profile: String,
        /// The authority above it.
        parent: Option<String>,
        /// Its key's name.
        key: String,
        /// Its key's algorithm.
        algorithm: String,
        /// Of its certificate.
        certificate_sm3: String,
        /// The certificate.
        certificate: String,
    },
    /// An authority of another installation was certified by its request.
    AuthorityCertified {
        /// Its name in the plan.
        authority: String,
        /// Its profile.
        profile: String,
        /// Who certified it.
        issuer: String,
        /// Of its request.
        request_sm3: String,
        /// The request.
        request: String,
        /// Of its certificate.
        certificate_sm3: String,
        /// The certificate.
        certificate: String,
    },
    /// A key was made that signs the transcript and nothing else.
    TranscriptKeyMade {
        /// Who certified it.
        authority: String,
        /// Its algorithm.
        algorithm: String,
        /// Of its certificate.
        certificate_sm3: String,
        /// The certificate.
        certificate: String,
    },
    /// A revocation list was signed.
    ListSigned {
        /// Whose.
        authority: String,
        /// Of which part of its certificates.
        shard: u32,
        /// `cRLNumber`.
        list_number: u64,
        /// In force until then.
        next_update: String,
        /// Of the list.
        list_sm3: String,
        /// The list.
        list: String,
    },
    /// A path from an authority to its root was validated.
    PathValidated {
        /// Which.
        authority: String,
        /// The subjects, from the authority to the root.
        path: Vec<String>,
    },
    /// The ceremony ended; the transcript was signed and everything was put in its place behind this.
    Closed {
        /// How many authorities were made.
        authorities: u64,
        /// How many lists were signed.
        lists: u64,
    },
}

impl Step {
    /// Its name in the transcript.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::SharesMade { .. } => "shares-made",
            Self::ShareConfirmed { .. } => "share-confirmed",
            Self::InstallationOpened { .. } => "installation-opened",
            Self::AuthorityMade { .. } => "authority-made",
            Self::AuthorityCertified { .. } => "authority-certified",
            Self::TranscriptKeyMade { .. } => "transcript-key-made",
            Self::ListSigned { .. } => "list-signed",
            Self::PathValidated { .. } => "path-validated",
            Self::Closed { .. } => "closed",
        }
    }

    /// Steps come in the order of these numbers.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Opened { .. } => 0,
            Self::SharesMade { .. } => 1,
            Self::ShareConfirmed { .. } => 2,
            Self::InstallationOpened { .. } => 3,
            Self::AuthorityMade { .. } => 4,
            Self::AuthorityCertified { .. } => 5,
            Self::TranscriptKeyMade { .. } => 6,
            Self::ListSigned { .. } => 7,
            Self::PathValidated { .. } => 8,
            Self::Closed { .. } => 9,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// From 1.
    pub number: u64,
    /// When.
    pub at: String,
    /// SM3 of the line before it.
    pub previous: String,
    /// What was done.
    #[serde(flatten)]
    pub step: Step,
}

/// A transcript that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    text: String,
    number: u64,
    previous: String,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { text: String::new(), number: 0, previous: FIRST.to_owned() }
    }
}

impl Transcript {
    /// Adds a step.
    ///
    /// # Errors
    /// [`TranscriptError::Form`]: it has no form as JSON.
    pub fn add(&mut self, at: Timestamp, step: Step) -> Result<(), TranscriptError> {
        let number = self.number.saturating_add(1);
        let record = Record { number, at: at.to_string(), previous: self.previous.clone(), step };
        let line = serde_json::to_string(&record).map_err(|_| TranscriptError::Form { number })?;
        self.previous = hex(&sm3(line.as_bytes()));
        self.number = number;
        self.text.push_str(&line);
        self.text.push('\n');
        Ok(())
    }

    /// All lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Reads all records, each in the one form that we write, and checks numbers, times and the chain.
///
/// # Errors
/// The first record that is not right, by its number and name.
pub(super) fn read(text: &[u8]) -> Result<Vec<Record>, TranscriptError> {
    if text.is_empty() || text.len() > MOST_BYTES {
        return Err(TranscriptError::Size);
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = body.split(|octet| *octet == b'\n').collect::<Vec<_>>();
    if lines.len() > MOST_RECORDS {
        return Err(TranscriptError::Size);
    }
    let mut records: Vec<Record> = Vec::new();
    let mut digest = FIRST.to_owned();
    for (number, line) in (1..).zip(lines) {
        let form = TranscriptError::Form { number };
        let record = serde_json::from_slice::<Record>(line).map_err(|_| form.clone())?;
        if record.number != number {
            return Err(TranscriptError::Number { number, found: record.number });
        }
        if record.previous != digest {
            return Err(match records.last() {
                None => TranscriptError::Beginning,
                Some(before) => {
                    TranscriptError::Chain { number: before.number, step: before.step.name(), next: number }
                }
            });
        }
        // What else reads as this record is not what we write: digests are over lines.
        if serde_json::to_vec(&record).ok().as_deref() != Some(line) {
            return Err(form);
        }
        let at = Timestamp::parse_rfc3339(&record.at).map_err(|_| TranscriptError::Time { number })?;
        let before = records.last().and_then(|before| Timestamp::parse_rfc3339(&before.at).ok());
        if before.is_some_and(|before| at < before) {
            return Err(TranscriptError::Time { number });
        }
        digest = hex(&sm3(line));
        records.push(record);
    }
    if text.last() != Some(&b'\n') {
        return Err(TranscriptError::Form { number: u64::try_from(records.len()).unwrap_or(u64::MAX) });
    }
    Ok(records)
}
