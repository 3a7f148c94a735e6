//! What a certified key is for: the bits of keyUsage and the purposes of extKeyUsage, by their standard names.

use crate::format::der::ObjectIdentifier;

macro_rules! bits {
    ($($(#[$doc:meta])* $bit:ident = $number:literal, $name:literal;)*) => {
        /// A bit of keyUsage (RFC 5280 4.2.1.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum KeyUsageBit { $($(#[$doc])* $bit,)* }

        impl KeyUsageBit {
            /// All nine.
            pub const ALL: &'static [Self] = &[$(Self::$bit),*];

            /// As RFC 5280 writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bit => $name),* }
            }

            /// The bit, the first of the list lowest.
            #[must_use]
            pub const fn mask(self) -> u16 {
                match self { $(Self::$bit => 1 << $number),* }
            }
        }
    };
}

bits! {
    /// Signatures other than those below.
    DigitalSignature = 0, "digitalSignature";
    /// Signatures that bind (contentCommitment).
    NonRepudiation = 1, "nonRepudiation";
    /// Encrypts keys.
    KeyEncipherment = 2, "keyEncipherment";
    /// Encrypts other data.
    DataEncipherment = 3, "dataEncipherment";
    /// Agrees on keys.
    KeyAgreement = 4, "keyAgreement";
    /// Signs certificates.
    KeyCertSign = 5, "keyCertSign";
    /// Signs revocation lists.
    CrlSign = 6, "cRLSign";
    /// With keyAgreement: encrypts only.
    EncipherOnly = 7, "encipherOnly";
    /// With keyAgreement: decrypts only.
    DecipherOnly = 8, "decipherOnly";
}

impl KeyUsageBit {
    /// The bit of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bit| bit.name() == name)
    }

    /// Whether it makes the key one of encryption.
    #[must_use]
    pub const fn encrypts(self) -> bool {
        matches!(
            self,
            Self::KeyEncipherment
                | Self::DataEncipherment
                | Self::KeyAgreement
                | Self::EncipherOnly
                | Self::DecipherOnly
        )
    }

    /// Whether it makes the key one of signatures.
    #[must_use]
    pub const fn signs(self) -> bool {
        !self.encrypts()
    }
}

macro_rules! identified {
    ($(#[$all:meta])* $list:ident { $($(#[$doc:meta])* $one:ident = $name:literal, $oid:literal;)* }) => {
        $(#[$all])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $list { $($(#[$doc])* $one,)* }

        impl $list {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$one),*];

            /// As the standard writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$one => $name),* }
            }

            /// Its object identifier.
            #[must_use]
            pub const fn oid(self) -> ObjectIdentifier {
                match self { $(Self::$one => const { ObjectIdentifier::new_unwrap($oid) }),* }
            }

            /// The one of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }

            /// The one with that object identifier.
            #[must_use]
            pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.oid() == oid)
            }
        }
    };
}

identified! {
    /// A purpose of extKeyUsage (RFC 5280 4.2.1.12). anyExtendedKeyUsage is not here: a key that is for anything is
    /// certified by no profile.
    Purpose {
        /// TLS servers.
        ServerAuth = "serverAuth", "1.3.6.1.5.5.7.3.1";
        /// TLS clients.
        ClientAuth = "clientAuth", "1.3.6.1.5.5.7.3.2";
        /// Programs.
        CodeSigning = "codeSigning", "1.3.6.1.5.5.7.3.3";
        /// E-mail.
        EmailProtection = "emailProtection", "1.3.6.1.5.5.7.3.4";
        /// Time stamps (RFC 3161 2.3).
        TimeStamping = "timeStamping", "1.3.6.1.5.5.7.3.8";
        /// OCSP answers (RFC 6960 4.2.2.2).
        OcspSigning = "OCSPSigning", "1.3.6.1.5.5.7.3.9";
        /// Documents (RFC 9336).
        DocumentSigning = "documentSigning", "1.3.6.1.5.5.7.3.36";
    }
}

identified! {
    /// An extension that an applicant may ask for.
    RequestedExtension {
        /// Alternative names.
        SubjectAltName = "subjectAltName", "2.5.29.17";
        /// Key usage.
        KeyUsage = "keyUsage", "2.5.29.15";
        /// Purposes.
        ExtendedKeyUsage = "extKeyUsage", "2.5.29.37";
        /// The key's identifier.
        SubjectKeyIdentifier = "subjectKeyIdentifier", "2.5.29.14";
        /// Whether it is an authority.
        BasicConstraints = "basicConstraints", "2.5.29.19";
        /// Policies.
        CertificatePolicies = "certificatePolicies", "2.5.29.32";
    }
}
