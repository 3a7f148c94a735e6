//! What is fixed about a key pair at its making: whose it is, what for, how long; and what follows for each use of it.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, KeyId};
use crate::domain::key::{Exportability, KeyAlgorithm, KeyPurpose, KeyState, KeyUse};

/// Why a text cannot name an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner is named by 1 to 200 characters, none of them a control character")]
pub struct InvalidOwner;

/// Who a key belongs to: an organisation, a person, a system. Stays in its row, never in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// Takes 1 to 200 characters without control characters.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidOwner> {
        let right = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if right && text.trim() == text { Ok(Self(text.to_owned())) } else { Err(InvalidOwner) }
    }

    /// Keys that were made before owners were recorded.
    #[must_use]
    pub fn not_recorded() -> Self {
        Self("(not recorded)".to_owned())
    }

    /// The installation itself, for what it makes for its own use.
    #[must_use]
    pub fn installation() -> Self {
        Self("(this installation)".to_owned())
    }

    /// A caller, for a key that signs on its order alone.
    #[must_use]
    pub fn caller(id: &CallerId) -> Self {
        Self(format!("(caller {id})"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A closed set of uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUses(&'static [KeyUse]);

impl KeyUses {
    /// Whether the use is among them.
    #[must_use]
    pub fn allow(self, wanted: KeyUse) -> bool {
        self.0.contains(&wanted)
    }

    /// Their names, in the order of their numbers, joined by commas.
    #[must_use]
    pub fn to_names(self) -> String {
        self.0.iter().map(|one| one.name()).collect::<Vec<_>>().join(",")
    }
}

impl KeyPurpose {
    /// What a key of this purpose may be used for. One purpose, one use: nothing that is signed can be a decryption
    /// (NIST SP 800-57 part 1, 5.2).
    #[must_use]
    pub const fn uses(self) -> KeyUses {
        match self {
            Self::SealSigning
            | Self::SealMaking
            | Self::CertificateAuthority
            | Self::RevocationList
            | Self::Ocsp
            | Self::TimeStamping
            | Self::Log
            | Self::Token
            | Self::Raw
            | Self::Report
            | Self::Exchange
            | Self::Webhook
            | Self::EventSigning
            | Self::Message => KeyUses(&[KeyUse::Sign]),
            Self::Decryption => KeyUses(&[KeyUse::Decrypt]),
            Self::Integrity => KeyUses(&[KeyUse::Mac]),
            Self::Escrow => KeyUses(&[]),
        }
    }
}

/// From when until when a key may be used; no bound where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// Not after this moment.
    pub not_after: Option<Timestamp>,
}

/// What is fixed at the making of a key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttributes {
    /// Who it belongs to.
    pub owner: Owner,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// When it may be used.
    pub validity: Validity,
    /// Whether it may leave.
    pub exportability: Exportability,
}

impl KeyAttributes {
    /// A key without bounds in time that does not leave the store.
    #[must_use]
    pub const fn new(owner: Owner, purpose: KeyPurpose, algorithm: KeyAlgorithm) -> Self {
        let (validity, exportability) = (Validity { not_before: None, not_after: None }, Exportability::NotExportable);
        Self { owner, purpose, algorithm, validity, exportability }
    }

    /// What an algorithm policy is asked for before such a key pair of that many bits comes into being: what it would
    /// compute, then its kind. Names of the registry of algorithms, each with the bits of its key.
    #[must_use]
    pub fn algorithms(&self, bits: usize) -> Vec<(&'static str, usize)> {
        let (uses, algorithm) = (self.purpose.uses(), self.algorithm);
        let mut named = Vec::new();
        if uses.allow(KeyUse::Sign) {
            let signature = algorithm.signature();
            named.extend([(signature.name(), 0), (signature.digest().name(), 0)]);
        }
        // What is kept for its owner is computed with elsewhere.
        if uses.allow(KeyUse::Decrypt) || self.purpose == KeyPurpose::Escrow {
            named.extend(algorithm.encryption().map(|name| (name, 0)));
        }
        named.push((algorithm.key_name(), bits));
        named
    }

    /// Whether a key with these attributes, in that state, may be used so, now.
    ///
    /// # Errors
    /// The first reason that applies: purpose, use, state, time.
    pub fn permit(
        &self,
        id: &KeyId,
        state: &KeyState,
        (wanted, how): (KeyPurpose, KeyUse),
        now: Timestamp,
    ) -> Result<(), KeyRefusal> {
        let key = || id.clone();
        if self.purpose != wanted {
            return Err(KeyRefusal::OtherPurpose { key: key(), purpose: self.purpose, wanted });
        }
        if !self.purpose.uses().allow(how) {
            return Err(KeyRefusal::UseNotAllowed { key: key(), purpose: self.purpose, wanted: how });
        }
        match state {
            KeyState::Active { .. } => {}
            KeyState::Suspended { .. } => return Err(KeyRefusal::Suspended { key: key() }),
            KeyState::Destroyed { .. } => return Err(KeyRefusal::Destroyed { key: key() }),
        }
        match self.validity {
            Validity { not_before: Some(from), .. } if now < from => Err(KeyRefusal::NotYetValid { key: key(), from }),
            Validity { not_after: Some(to), .. } if now > to => Err(KeyRefusal::Expired { key: key(), to }),
            _ => Ok(()),
        }
    }
}

/// Why a key may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// It is for something else.
    #[error("the key {key} is for {purpose}, not for {wanted}")]
    OtherPurpose {
        /// Which.
        key: KeyId,
        /// What it is for.
        purpose: KeyPurpose,
        /// What it was asked for.
        wanted: KeyPurpose,
    },
    /// Keys of its purpose do not do this.
    #[error("the key {key}, being for {purpose}, may not {wanted}")]
    UseNotAllowed {
        /// Which.
        key: KeyId,
        /// What it is for.
        purpose: KeyPurpose,
        /// What it was asked to do.
        wanted: KeyUse,
    },
    /// It rests.
    #[error("the key {key} is suspended")]
    Suspended {
        /// Which.
        key: KeyId,
    },
    /// There is none any more.
    #[error("the key {key} was destroyed")]
    Destroyed {
        /// Which.
        key: KeyId,
    },
    /// Its time has not come.
    #[error("the key {key} may not be used before {from}")]
    NotYetValid {
        /// Which.
        key: KeyId,
        /// From when.
        from: Timestamp,
    },
    /// Its time is over.
    #[error("the key {key} may not be used after {to}")]
    Expired {
        /// Which.
        key: KeyId,
        /// Until when.
        to: Timestamp,
    },
}

impl KeyRefusal {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherPurpose { .. } => "key-not-for-this",
            Self::UseNotAllowed { .. } => "key-use-not-allowed",
            Self::Suspended { .. } => "key-suspended",
            Self::Destroyed { .. } => "key-destroyed",
            Self::NotYetValid { .. } => "key-not-yet-valid",
            Self::Expired { .. } => "key-expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::{DestructionProof, KeySuspensionReason};

    const NOW: Timestamp = Timestamp::from_unix(1_000);

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_unix(seconds))
    }

    #[test]
    fn owners_can_be_shown_on_one_line() {
        assert_eq!(Owner::parse("示例市印信演示局").unwrap().as_str(), "示例市印信演示局");
        assert!(Owner::parse(&"局".repeat(200)).is_ok());
        for text in ["", " a", "a\n", "a\u{7}b", &"局".repeat(201)] {
            assert_eq!(Owner::parse(text), Err(InvalidOwner), "{text:?}");
        }
    }

    #[test]
    fn a_policy_is_asked_for_what_the_key_will_compute() {
        let asked =
            |purpose, algorithm, bits| KeyAttributes::new(Owner::installation(), purpose, algorithm).algorithms(bits);
        let (sign, decrypt) = (KeyPurpose::SealSigning, KeyPurpose::Decryption);
        let rsa = [("rsa-sha256", 0), ("sha256", 0), ("rsa-key", 2048)];
        assert_eq!(asked(sign, KeyAlgorithm::Rsa, 2048), rsa);
        assert_eq!(asked(sign, KeyAlgorithm::Sm2, 256), [("sm2-sm3", 0), ("sm3", 0), ("sm2-key", 256)]);
        assert_eq!(asked(decrypt, KeyAlgorithm::Sm2, 256), [("sm2-encryption", 0), ("sm2-key", 256)]);
        assert_eq!(asked(decrypt, KeyAlgorithm::Rsa, 3072), [("rsa-oaep-sha256", 0), ("rsa-key", 3072)]);
        assert_eq!(asked(KeyPurpose::Escrow, KeyAlgorithm::Sm2, 256), [("sm2-encryption", 0), ("sm2-key", 256)]);
        assert_eq!(asked(KeyPurpose::Integrity, KeyAlgorithm::Sm2, 256), [("sm2-key", 256)]);
    }

    /// Every purpose at every door: purpose × purpose × use.
    #[test]
    fn a_key_is_used_for_its_one_purpose_in_its_one_way() {
        let (id, active) = (KeyId::parse("k").unwrap(), KeyState::Active { since: NOW });
        let mut permitted = Vec::new();
        for purpose in KeyPurpose::ALL.iter().copied() {
            let key = KeyAttributes::new(Owner::installation(), purpose, KeyAlgorithm::Sm2);
            for wanted in KeyPurpose::ALL.iter().copied() {
                for how in KeyUse::ALL.iter().copied() {
                    match key.permit(&id, &active, (wanted, how), NOW) {
                        Ok(()) => permitted.push((purpose.name(), wanted.name(), how.name())),
                        Err(refusal) => {
                            let expected = if purpose == wanted { "key-use-not-allowed" } else { "key-not-for-this" };
                            assert_eq!(refusal.code(), expected, "{purpose} {wanted} {how}");
                        }
                    }
                }
            }
        }
        let expected = [
            ("seal-signing", "sign"),
            ("seal-making", "sign"),
            ("certificate-authority", "sign"),
            ("revocation-list", "sign"),
            ("ocsp", "sign"),
            ("time-stamping", "sign"),
            ("log", "sign"),
            ("token", "sign"),
            ("raw", "sign"),
            ("decryption", "decrypt"),
            ("integrity", "mac"),
            ("report", "sign"),
            ("exchange", "sign"),
            ("webhook", "sign"),
            ("event-signing", "sign"),
            ("message", "sign"),
        ];
        assert_eq!(permitted, expected.map(|(purpose, how)| (purpose, purpose, how)));
    }

    #[test]
    fn states_and_times_are_refused_by_their_codes() {
        let id = KeyId::parse("k").unwrap();
        let key = |not_before, not_after| KeyAttributes {
            validity: Validity { not_before, not_after },
            ..KeyAttributes::new(Owner::installation(), KeyPurpose::Raw, KeyAlgorithm::Sm2)
        };
        let code = |key: &KeyAttributes, state: &KeyState| {
            key.permit(&id, state, (KeyPurpose::Raw, KeyUse::Sign), NOW).err().map(|refusal| refusal.code())
        };
        let active = KeyState::Active { since: NOW };
        assert_eq!(code(&key(at(1_000), at(1_000)), &active), None);
        assert_eq!(code(&key(at(1_001), None), &active), Some("key-not-yet-valid"));
        assert_eq!(code(&key(None, at(999)), &active), Some("key-expired"));
        let suspended = KeyState::Suspended { since: NOW, reason: KeySuspensionReason::OwnerRequest };
        assert_eq!(code(&key(None, at(999)), &suspended), Some("key-suspended"));
        let proof = DestructionProof { public_key_sm3: [1; 32], private_key_sm3: [2; 32] };
        assert_eq!(code(&key(None, None), &KeyState::Destroyed { at: NOW, proof }), Some("key-destroyed"));
    }
}
