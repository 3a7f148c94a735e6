//! Officers: persons with a registered key who enter, check and approve what others ask for.
//!
//! What an officer does is a signature over octets that fit one step of one request; it is kept and can be verified again at
//! any time. A name in an argument approves nothing.

pub mod request;
pub mod statement;

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::domain::key::named;
use crate::domain::trust::key::subject_public_key_info;

named! {
    /// What an officer may do with requests.
    OfficerRole {
        /// Enters requests for others (录入).
        Applicant = 1, "applicant";
        /// Compares a request with its evidence (审核).
        Checker = 2, "checker";
        /// Decides (审批).
        Approver = 3, "approver";
    }
}

/// An officer, with a registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Who.
    pub id: CallerId,
    /// In which role now.
    pub role: OfficerRole,
    /// The registered key.
    pub key: PublicKey,
    /// How that key signs.
    pub algorithm: SignatureAlgorithm,
}

impl Officer {
    /// SM3 of the key's SubjectPublicKeyInfo: two officers with one key are one officer.
    #[must_use]
    pub fn key_sm3(&self) -> [u8; 32] {
        sm3(&subject_public_key_info(&self.key))
    }
}

/// Who did something, by id and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub officer: CallerId,
    /// SM3 of the key.
    pub key_sm3: [u8; 32],
}

impl Hand {
    /// This officer, with the key registered now.
    #[must_use]
    pub fn of(officer: &Officer) -> Self {
        Self { officer: officer.id.clone(), key_sm3: officer.key_sm3() }
    }

    /// One person cannot be two: neither by id nor by key.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.officer == other.officer || self.key_sm3 == other.key_sm3
    }
}

/// An officer's signature over octets that say what is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whose.
    pub hand: Hand,
    /// The signature's value, of fixed width.
    pub signature: Vec<u8>,
    /// When it arrived.
    pub at: Timestamp,
}

impl Approval {
    /// Whether it is this officer's over these octets.
    #[must_use]
    pub fn is_right(&self, octets: &[u8], officer: &Officer) -> bool {
        self.hand == Hand::of(officer) && officer.key.verify(officer.algorithm, octets, &self.signature)
    }
}

/// How many approvals a request needs, in which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// How many officers, one at least.
    pub(in crate::domain) how_many: usize,
    /// Their role.
    pub(in crate::domain) role: OfficerRole,
}

/// A policy that asks nobody, or more officers than anybody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy asks for 1 to 16 approvals")]
pub struct InvalidPolicy;

impl ApprovalPolicy {
    /// One approver.
    pub const ONE: Self = Self { how_many: 1, role: OfficerRole::Approver };

    /// That many officers of that role.
    ///
    /// # Errors
    /// None, or more than 16.
    pub fn new(how_many: usize, role: OfficerRole) -> Result<Self, InvalidPolicy> {
        if (1..=16).contains(&how_many) { Ok(Self { how_many, role }) } else { Err(InvalidPolicy) }
    }
}
