//! A key ceremony: what a plan says, what the transcript tells, and how it is judged.

mod transcript;
mod verification;

pub use transcript::{Attendance, FIRST, MOST_BYTES, Record, ShareRecord, Step, Transcript, TranscriptError};
pub use verification::{SignatureToken, Verified, prepare_signature, verify};

use std::path::PathBuf;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::domain::ca::subject::Attributes;
use crate::domain::key::{KeyAlgorithm, named};

named! {
    /// What a person is present for.
    Part {
        /// Leads through the plan.
        Leader = 1, "leader";
        /// Types what is to be typed.
        Operator = 2, "operator";
        /// Takes a share home.
        Custodian = 3, "custodian";
        /// Sees that the plan is followed, and signs the digest of the transcript on paper.
        Witness = 4, "witness";
        /// Examines the transcript afterwards.
        Auditor = 5, "auditor";
    }
}

/// Somebody who is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// What for.
    pub part: Part,
}

/// Somebody who takes a share home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custodian {
    /// The name, as among those present.
    pub name: String,
    /// The new file that the share is written to, on a medium of the custodian's.
    pub file: PathBuf,
}

/// What will protect the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// The software store, below a key of which `threshold` shares give the whole.
    Shares {
        /// How many shares are needed.
        threshold: u8,
        /// Who takes them, in this order.
        custodians: Vec<Custodian>,
    },
    /// The SDF device of profile `gm3`: no key of a row outside of it.
    Device,
}

/// An authority to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAuthority {
    /// Its name here and in addresses.
    pub id: AuthorityId,
    /// What it is called.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// The algorithm of its key.
    pub algorithm: KeyAlgorithm,
    /// The attributes of its name.
    pub subject: Attributes,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// The authority above it, which stands before it in the plan; nothing for a root.
    pub parent: Option<AuthorityId>,
    /// Where it publishes.
    pub base_url: String,
    /// Among how many lists its certificates are shared out.
    pub crl_shards: u32,
    /// How many days its first lists are in force.
    pub crl_days: u32,
}

/// A certificate for an authority of another installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCertificate {
    /// Its name in the transcript and among the files.
    pub id: AuthorityId,
    /// The authority of the plan that certifies it.
    pub issuer: AuthorityId,
    /// Its profile.
    pub profile: String,
    /// The file of the request of PKCS#10.
    pub csr: PathBuf,
    /// SM3 of the request in DER, as it was reviewed.
    pub csr_sm3: [u8; 32],
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
}

/// By what the transcript is signed: a key that is used once, certified by an authority of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptSigner {
    /// Who certifies it.
    pub authority: AuthorityId,
    /// The algorithm of the key.
    pub algorithm: KeyAlgorithm,
    /// The attributes of its name.
    pub subject: Attributes,
}

/// A plan that contradicts itself nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the ceremony is called.
    pub title: String,
    /// The folder of the installation that it makes.
    pub installation: PathBuf,
    /// Who is present.
    pub present: Vec<Person>,
    /// What will protect the keys.
    pub protection: Protection,
    /// Authorities, each behind the one above it.
    pub authorities: Vec<PlannedAuthority>,
    /// Certificates for authorities of other installations.
    pub certificates: Vec<PlannedCertificate>,
    /// By what the transcript is signed.
    pub transcript: TranscriptSigner,
}
