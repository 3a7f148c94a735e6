//! What a caller demands of a path.

use crate::crypto::digest::sm3;
use crate::domain::trust::policy_graph::PolicyInputs;
use crate::domain::trust::scope::AnchorDemand;
use crate::format::der::ObjectIdentifier;
use crate::format::trust_list::TrustUse;
use crate::format::x509::extension::{CLIENT_AUTH, SERVER_AUTH};
use crate::format::x509::{KeyUsage, extension};

/// How strictly the rules for issuers are enforced, beyond what the algorithm of RFC 5280 6.1 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conformance {
    /// As certificates in the field are: the algorithm alone.
    Field,
    /// What RFC 5280 4 says that conforming authorities MUST do, where it can be seen in the certificate.
    Rfc5280,
    /// As the CA/Browser Forum's Baseline Requirements 7.1 have it for TLS servers, on top of RFC 5280.
    Tls,
}

/// Who judges whether the end certificate was valid at the time in question, and its key usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndValidity {
    /// The search.
    Judged,
    /// The caller, who has an axis of its own for it.
    Callers,
}

/// Whether `extKeyUsage` of an authority limits the certificates below it, which RFC 5280 leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurposeNesting {
    /// It does, as TLS verifiers have it.
    Enforced,
    /// Only the end certificate counts.
    Ignored,
}

/// What a caller demands of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPolicy {
    /// Its name, for reports.
    pub name: String,
    /// How strictly issuers' rules are enforced.
    pub conformance: Conformance,
    /// Who judges the end certificate's own validity.
    pub end_validity: EndValidity,
    /// Purposes that `extKeyUsage`, where present, must allow: all of them.
    pub purposes: Vec<ObjectIdentifier>,
    /// Whether authorities' purposes count.
    pub nesting: PurposeNesting,
    /// Bits that the end certificate's `keyUsage`, where present, must all have.
    pub key_usage: u16,
    /// Certificate policies.
    pub policies: PolicyInputs,
    /// How many authorities may stand between the end and the anchor, self-issued ones left out.
    pub authorities: Option<usize>,
    /// What the anchor must be trusted for.
    pub anchor: AnchorDemand,
    /// Critical extensions that the caller processes himself.
    pub processed_by_caller: Vec<ObjectIdentifier>,
}

impl PathPolicy {
    /// What the verification of seals asks for: certificates of the field, the end's own validity judged by its axis.
    #[must_use]
    pub fn seal() -> Self {
        Self { name: "seal".to_owned(), end_validity: EndValidity::Callers, ..Self::field() }
    }

    /// The same, from anchors that are trusted for this.
    #[must_use]
    pub fn seal_for(wanted: TrustUse) -> Self {
        Self { anchor: AnchorDemand::For(wanted), ..Self::seal() }
    }

    /// RFC 5280 6.1 for certificates of the field.
    #[must_use]
    pub fn field() -> Self {
        Self {
            name: "field".to_owned(),
            conformance: Conformance::Field,
            end_validity: EndValidity::Judged,
            purposes: Vec::new(),
            nesting: PurposeNesting::Ignored,
            key_usage: 0,
            policies: PolicyInputs::default(),
            authorities: None,
            anchor: AnchorDemand::Unrestricted,
            processed_by_caller: Vec::new(),
        }
    }

    /// RFC 5280 6.1 for certificates that must also be as RFC 5280 4 demands.
    #[must_use]
    pub fn strict() -> Self {
        Self { name: "strict".to_owned(), conformance: Conformance::Rfc5280, ..Self::field() }
    }

    /// A TLS server's certificate. Its name is judged apart: [`check_peer_name`](crate::domain::trust::check_peer_name).
    #[must_use]
    pub fn tls_server() -> Self {
        Self {
            name: "tls-server".to_owned(),
            conformance: Conformance::Tls,
            purposes: vec![SERVER_AUTH],
            nesting: PurposeNesting::Enforced,
            ..Self::field()
        }
    }

    /// A TLS client's certificate.
    #[must_use]
    pub fn tls_client() -> Self {
        Self {
            name: "tls-client".to_owned(),
            purposes: vec![CLIENT_AUTH],
            nesting: PurposeNesting::Enforced,
            ..Self::strict()
        }
    }

    /// Names the policy by all that it demands, for caches within one process.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sm3(format!("{self:?}").as_bytes())
    }

    /// Whether a critical extension of that kind is processed: by the search or by the caller.
    pub(in crate::domain::trust::path) fn processes(&self, oid: ObjectIdentifier) -> bool {
        PROCESSED.contains(&oid) || self.processed_by_caller.contains(&oid)
    }

    /// Whether the end certificate's key may be used as demanded.
    pub(in crate::domain::trust::path) fn allows_key_usage(&self, usage: Option<KeyUsage>) -> bool {
        usage.is_none_or(|usage| usage.0 & self.key_usage == self.key_usage)
    }
}

/// Extensions that the search understands when they are critical. Names ask nothing of it but what constraints say.
const PROCESSED: [ObjectIdentifier; 9] = [
    extension::BASIC_CONSTRAINTS,
    extension::KEY_USAGE,
    extension::EXTENDED_KEY_USAGE,
    extension::SUBJECT_ALT_NAME,
    extension::NAME_CONSTRAINTS,
    extension::CERTIFICATE_POLICIES,
    extension::POLICY_MAPPINGS,
    extension::POLICY_CONSTRAINTS,
    extension::INHIBIT_ANY_POLICY,
];
