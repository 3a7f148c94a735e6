//! What a private key is for, and which algorithm it works with: words shared by the log, the rows and the key store.

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
    /// The one thing that a private key signs. A key never changes its purpose.
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
    /// Whether a key may be used.
    KeyState {
        /// May sign.
        Active = 1, "active";
        /// Kept for the record, signs nothing.
        Retired = 2, "retired";
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
}
