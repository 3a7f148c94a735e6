//! What a private key is for, whose it is, where it lies and whether it may be used: words shared by the log, the
//! rows and the key store.

mod attributes;
mod state;

use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};

pub use attributes::{InvalidOwner, KeyAttributes, KeyRefusal, KeyUses, Owner, Validity};
pub use state::{DestructionProof, InvalidTransition, KeyEvent, KeyState};

/// Makes a closed list whose members have a number (in audit events) and a name (in rows, JSON, configuration).
///
/// Both are stable: a member may be added, never renumbered or renamed.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$member_doc])* $member,)*
        }

        impl $name {
            /// Every member, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$member),*];

            /// The stable number.
            #[must_use]
            pub const fn number(self) -> u64 {
                match self { $(Self::$member => $number),* }
            }

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$member => $text),* }
            }

            /// The member with that number.
            #[must_use]
            pub fn from_number(number: u64) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.number() == number)
            }

            /// The member with that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
pub(in crate::domain) use named;

named! {
    /// The one thing that a private key is for. A key never changes its purpose.
    KeyPurpose {
        /// A signer's key: signs documents with a seal (GB/T 38540, the signature's `TBS_Sign`).
        SealSigning = 1, "seal-signing";
        /// A seal maker's key: signs seals (GB/T 38540, `eSealInfo`).
        SealMaking = 2, "seal-making";
        /// A certification authority's key: signs certificates.
        CertificateAuthority = 3, "certificate-authority";
        /// Signs certificate revocation lists.
        RevocationList = 4, "revocation-list";
        /// Signs OCSP answers.
        Ocsp = 5, "ocsp";
        /// Signs time stamps.
        TimeStamping = 6, "time-stamping";
        /// Signs checkpoints of the audit log.
        Log = 7, "log";
        /// Signs identity tokens.
        Token = 8, "token";
        /// Signs digests that a caller supplies; no other purpose does.
        Raw = 9, "raw";
        /// Decrypts what was encrypted to its public key: enveloped keys (GM/T 0009), envelopes. Signs nothing.
        Decryption = 10, "decryption";
        /// Computes integrity values and blind indexes. Signs nothing.
        Integrity = 11, "integrity";
        /// An encryption key that is kept for its owner (GM/T 0034, recollection). Nothing here is computed with it; two
        /// officers together have it given out.
        Escrow = 12, "escrow";
        /// Signs reports of verifications.
        Report = 13, "report";
        /// Signs messages to the offices elsewhere that make seals and file them.
        Exchange = 15, "exchange";
        /// Signs notices of state changes to receivers elsewhere.
        Webhook = 16, "webhook";
        /// Signs one document for one person, by a certificate of that act; it lives in memory, and is in no row.
        EventSigning = 17, "event-signing";
        /// Signs messages that one caller orders, in forms that are written here; never a digest or octets of the caller's alone.
        Message = 18, "message";
    }
}

named! {
    /// The algorithm of a key pair, ours or a caller's.
    KeyAlgorithm {
        /// SM2 over the curve of GB/T 32918.5.
        Sm2 = 1, "sm2";
        /// RSA with a modulus of 2048 to 4096 bits.
        Rsa = 2, "rsa";
        /// ECDSA over P-256.
        EcdsaP256 = 3, "ecdsa-p256";
        /// Ed25519.
        Ed25519 = 4, "ed25519";
    }
}

named! {
    /// What can be done with a private or secret key.
    KeyUse {
        /// Sign.
        Sign = 1, "sign";
        /// Decrypt what others encrypted to its public key.
        Decrypt = 2, "decrypt";
        /// Compute message authentication codes.
        Mac = 3, "mac";
    }
}

named! {
    /// Whether the private key may leave the store, sealed under a passphrase.
    Exportability {
        /// It stays.
        NotExportable = 1, "not-exportable";
        /// It may be exported; each export is an event.
        Exportable = 2, "exportable";
    }
}

named! {
    /// Where a private key lies.
    KeyLocation {
        /// In a row of the database, sealed under the key-encryption key.
        Software = 1, "software";
        /// In a token, reached by PKCS#11; the row has its label.
        Pkcs11 = 2, "pkcs11";
        /// In a device, reached by GM/T 0018; the row has its index.
        Sdf = 3, "sdf";
    }
}

named! {
    /// Under which cipher private keys are sealed.
    SealingAlgorithm {
        /// SM4 (GB/T 32907) in Galois/counter mode (NIST SP 800-38D; GB/T 36624).
        Sm4Gcm = 1, "sm4-gcm";
        /// AES with a key of 256 bits (FIPS 197) in Galois/counter mode (NIST SP 800-38D).
        Aes256Gcm = 2, "aes-256-gcm";
    }
}

named! {
    /// Where the key comes from that wraps the key-encryption key.
    KeySourceKind {
        /// A file that only its owner can read.
        File = 1, "file";
        /// A passphrase, stretched.
        Passphrase = 2, "passphrase";
        /// A variable of the process environment.
        Environment = 3, "environment";
        /// Shares in the hands of several persons.
        Shares = 4, "shares";
        /// A key in a device.
        Device = 5, "device";
    }
}

named! {
    /// Where an installation keeps its secrets.
    Profile {
        /// In a software key store, or in devices; each secret where the configuration says.
        Standard = 1, "standard";
        /// In one SDF device, for systems that must pass an assessment at level 3 (GB/T 39786 as recollection).
        Gm3 = 2, "gm3";
    }
}

impl KeyAlgorithm {
    /// The kind of its keys, by its name in the registry of algorithms.
    #[must_use]
    pub const fn key_name(self) -> &'static str {
        match self {
            Self::Sm2 => "sm2-key",
            Self::Rsa => "rsa-key",
            Self::EcdsaP256 => "p256-key",
            Self::Ed25519 => "ed25519-key",
        }
    }

    /// How its keys sign here.
    #[must_use]
    pub const fn signature(self) -> SignatureAlgorithm {
        match self {
            Self::Sm2 => SignatureAlgorithm::Sm2Sm3,
            Self::Rsa => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
            Self::EcdsaP256 => SignatureAlgorithm::EcdsaP256Sha256,
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
        }
    }

    /// How others encrypt to its keys, by its name in the registry; `None` where they do not.
    #[must_use]
    pub const fn encryption(self) -> Option<&'static str> {
        match self {
            Self::Sm2 => Some("sm2-encryption"),
            Self::Rsa => Some("rsa-oaep-sha256"),
            Self::EcdsaP256 | Self::Ed25519 => None,
        }
    }
}

impl Profile {
    /// Whether private keys may lie in rows, sealed by software.
    #[must_use]
    pub const fn permits_software_keys(self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Whether keys of our own may be of that algorithm.
    #[must_use]
    pub const fn permits_algorithm(self, algorithm: KeyAlgorithm) -> bool {
        matches!((self, algorithm), (Self::Standard, _) | (Self::Gm3, KeyAlgorithm::Sm2))
    }

    /// Whether a key from such a source may wrap the key-encryption key. Only under `gm3` the device does.
    #[must_use]
    pub const fn permits_source(self, source: KeySourceKind) -> bool {
        matches!((self, source), (Self::Gm3, KeySourceKind::Device))
            || (matches!(self, Self::Standard) && !matches!(source, KeySourceKind::Device))
    }
}

named! {
    /// Whether a key-encryption key still seals.
    EncryptionKeyState {
        /// Private keys are sealed under it.
        Active = 1, "active";
        /// A newer one took its place, and its wrapped form was deleted.
        Destroyed = 2, "destroyed";
    }
}

named! {
    /// Why a key rests.
    KeySuspensionReason {
        /// Its owner asked for it.
        OwnerRequest = 1, "owner-request";
        /// A court or supervising authority ordered it.
        AuthorityOrder = 2, "authority-order";
        /// Misuse is suspected and being looked into.
        SuspectedMisuse = 3, "suspected-misuse";
        /// Out of use: kept for the record.
        Retired = 4, "retired";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for purpose in KeyPurpose::ALL {
            assert_eq!(KeyPurpose::from_name(purpose.name()), Some(*purpose));
            assert_eq!(KeyPurpose::from_number(purpose.number()), Some(*purpose));
        }
        assert_eq!(KeyPurpose::from_number(0), None);
        assert_eq!(KeyPurpose::from_name("Raw"), None);
    }

    #[test]
    fn what_a_key_computes_is_in_the_registry() {
        use crate::crypto::algorithm::{Algorithm, Kind};

        for algorithm in KeyAlgorithm::ALL.iter().copied() {
            assert_eq!(Algorithm::by_name(algorithm.key_name()).unwrap().kind, Kind::PublicKey);
            assert_eq!(Algorithm::by_name(algorithm.signature().name()).unwrap().kind, Kind::Signature);
            if let Some(name) = algorithm.encryption() {
                assert!(Algorithm::by_name(name).unwrap().computed, "{name}");
            }
        }
    }
}
