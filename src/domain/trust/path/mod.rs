//! Path building and validation (RFC 5280 6.1), for a moment that the caller names.
//!
//! Built upward from the end certificate: candidates by name (RFC 5280 7.1), the likeliest by key identifier first, cross
//! certificates and several anchors tried in turn, no authority twice. Judged for every certificate above the end:
//! signature, validity, `cA`, `keyCertSign`, `pathLenConstraint`, critical extensions, purposes where the policy nests
//! them. Once an anchor is reached, judged downward: signer IDs, name constraints, certificate policies. The anchor is
//! held to the same rules as an authority, its own signature left out. A [`Budget`] bounds all of it.
//!
//! Revocation is judged where the question demands it ([`revoked`]): a path on which somebody is revoked is none, and the
//! search goes on. Not judged here: which algorithms and key sizes are acceptable and until when
//! ([`TrustedPath::signatures`] says what was used), and whether the certificate names the party that was wanted
//! ([`check_peer_name`](crate::domain::trust::check_peer_name)).

pub mod cache;
mod conformance;
pub mod demand;
pub mod failure;
pub mod revoked;
mod search;

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::acceptance::{AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
use crate::domain::trust::anchor::TrustAnchors;
use crate::domain::trust::budget::{Budget, Spent};
use crate::domain::trust::key::public_key;
use crate::domain::trust::path::demand::{EndValidity, PathPolicy};
use crate::domain::trust::path::failure::{NamedCertificate, PathFailure, Refusal};
use crate::domain::trust::path::revoked::RevocationDemand;
use crate::domain::trust::path::search::{Search, period_holds};
use crate::domain::trust::policy_graph::AcceptedPolicies;
use crate::domain::trust::revocation::RevocationStatus;
use crate::domain::trust::scope::AnchorScope;
use crate::domain::trust::signature::{CheckSignature, Computed, SignerId, SignerIdPolicy};
use crate::format::trust_list::TrustUse;
use crate::format::x509::Certificate;

/// What is asked: a path for this certificate, from these anchors, at this moment, under this policy.
#[derive(Clone, Copy)]
pub struct PathQuestion<'a> {
    /// The end certificate.
    pub end: &'a Certificate<'a>,
    /// Anchors and helping certificates.
    pub trust: &'a TrustAnchors,
    /// Certificates that came along with the end, trusted by nobody.
    pub beside: &'a [Certificate<'a>],
    /// The moment at which all of them must have been valid.
    pub at: Timestamp,
    /// What is demanded.
    pub policy: &'a PathPolicy,
    /// Tables of keys. The SM2 keys of the path are admitted to them, which changes how fast the next one is judged, and
    /// nothing else.
    pub tables: &'a KeyTables,
    /// How signatures are checked.
    pub check: &'a dyn CheckSignature,
    /// What must be known of revocation; `None` leaves it to the caller.
    pub revocation: Option<&'a RevocationDemand<'a>>,
}

impl PathQuestion<'_> {
    /// Searches for a path.
    ///
    /// # Errors
    /// Why there is none: of all candidates, the failure that got farthest and tells most.
    pub fn answer(&self, budget: &mut Budget) -> Result<TrustedPath, PathFailure> {
        Search::new(self, budget).run()
    }

    /// The key of a certificate on a path to an anchor was used, and will be again.
    fn admit(&self, certificate: &Certificate<'_>) {
        if let Some(PublicKey::Sm2(key)) = public_key(&certificate.public_key)
            && !self.tables.holds(&key)
        {
            self.tables.admit(&key, &sm3(certificate.issuer.raw()));
        }
    }
}

/// Finds a path from `end` to an anchor, as the verification of seals asks for it: [`PathPolicy::seal`]. Anchors that a
/// trust list restricts are not among those that lead anywhere: [`find_path_for`] says what they must be trusted for.
///
/// # Errors
/// Those of [`PathQuestion::answer`].
pub fn find_path(
    end: &Certificate<'_>,
    trust: &TrustAnchors,
    at: Timestamp,
    budget: &mut Budget,
    tables: &KeyTables,
) -> Result<TrustedPath, PathFailure> {
    let policy = PathPolicy::seal();
    PathQuestion { end, trust, beside: &[], at, policy: &policy, tables, check: &Computed, revocation: None }
        .answer(budget)
}

/// As [`find_path`], to an anchor that is trusted for this.
///
/// # Errors
/// Those of [`PathQuestion::answer`].
pub fn find_path_for(
    wanted: TrustUse,
    end: &Certificate<'_>,
    trust: &TrustAnchors,
    at: Timestamp,
    budget: &mut Budget,
    tables: &KeyTables,
) -> Result<TrustedPath, PathFailure> {
    let policy = PathPolicy::seal_for(wanted);
    PathQuestion { end, trust, beside: &[], at, policy: &policy, tables, check: &Computed, revocation: None }
        .answer(budget)
}

/// One certificate of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    der: Arc<[u8]>,
    subject: Arc<str>,
    not_before: Timestamp,
    not_after: Timestamp,
    names_revocation_source: bool,
    signer_id: Option<SignerId>,
}

/// Proof that a path to an anchor was found: only a search makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPath {
    steps: Vec<Step>,
    anchor_sm3: [u8; 32],
    anchor_origin: Arc<str>,
    anchor_scope: Option<Arc<AnchorScope>>,
    signatures: Vec<SignatureUsed>,
    policies: AcceptedPolicies,
    signer_id_policy: SignerIdPolicy,
    statuses: Vec<RevocationStatus>,
    /// Whether no other certificate came into question at any step, so that every moment at which the path holds finds
    /// this path.
    is_only_way: bool,
    /// What the search cost, revocation left out.
    spent: Spent,
}

impl TrustedPath {
    /// The certificates from the end to the anchor, DER.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.steps.iter().map(|step| &*step.der)
    }

    /// The subjects from the end certificate to the anchor.
    #[must_use]
    pub fn subjects(&self) -> Vec<&str> {
        self.steps.iter().map(|step| &*step.subject).collect()
    }

    /// The first authority between the end and the anchor, from the end upward, that ended before that moment: its
    /// subject, and when it ended.
    #[must_use]
    pub fn ended_before(&self, at: Timestamp) -> Option<(&str, Timestamp)> {
        let between = self.steps.len().saturating_sub(2);
        let mut authorities = self.steps.iter().skip(1).take(between);
        let ended = authorities.find(|step| step.not_after < at)?;
        Some((&ended.subject, ended.not_after))
    }

    /// SM3 of the anchor's certificate, hexadecimal.
    #[must_use]
    pub fn anchor_sm3(&self) -> String {
        hex(&self.anchor_sm3)
    }

    /// The file or list that the anchor came from.
    #[must_use]
    pub fn anchor_origin(&self) -> &str {
        &self.anchor_origin
    }

    /// What its trust list says of the anchor; nothing for one that was named by itself.
    #[must_use]
    pub fn anchor_scope(&self) -> Option<&AnchorScope> {
        self.anchor_scope.as_deref()
    }

    /// How the certificates below the anchor were signed, from the end upward; those are left out whose algorithm only a
    /// caller's own check knows.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureUsed] {
        &self.signatures
    }

    /// The signer ID that each certificate below the anchor was signed with, from the end upward; `None` where it was not
    /// signed with SM2.
    pub fn signer_ids(&self) -> impl Iterator<Item = Option<SignerId>> {
        let below = self.steps.len().saturating_sub(1);
        self.steps.iter().take(below).map(|step| step.signer_id)
    }

    /// The certificate policies under which the path is valid.
    #[must_use]
    pub const fn policies(&self) -> &AcceptedPolicies {
        &self.policies
    }

    /// What is known of the revocation of each certificate that was asked about, from the end upward; empty where the
    /// question demanded nothing.
    #[must_use]
    pub fn statuses(&self) -> &[RevocationStatus] {
        &self.statuses
    }

    /// Whether a certificate below the anchor, or the anchor's trust list, names where revocation can be asked.
    #[must_use]
    pub fn names_revocation_source(&self) -> bool {
        let listed = self.anchor_scope.as_ref().is_some_and(|scope| !scope.status.is_empty());
        (listed && self.steps.len() > 1) || self.steps.iter().any(|step| step.names_revocation_source)
    }

    /// Whether every signature of the path may be relied on at that moment.
    ///
    /// # Errors
    /// Why not: the first that may not, from the end upward.
    pub fn algorithms_accepted(&self, policy: &AlgorithmPolicy, at: Timestamp) -> Result<(), Unacceptable> {
        self.signatures.iter().try_for_each(|used| policy.signature(used, at, Use::Accept))
    }

    /// Whether all certificates were valid at that moment, the end's own validity as the policy has it, and the anchor
    /// was trusted.
    fn holds_at(&self, at: Timestamp, end: EndValidity) -> Result<(), PathFailure> {
        if let (Some(scope), Some(anchor)) = (&self.anchor_scope, self.steps.last()) {
            scope.holds_at(at).map_err(|reason| refused(&anchor.der, reason))?;
        }
        let skipped = usize::from(end == EndValidity::Callers);
        for step in self.steps.iter().skip(skipped) {
            period_holds(step.not_before, step.not_after, at).map_err(|reason| refused(&step.der, reason))?;
        }
        Ok(())
    }
}

fn refused(der: &[u8], reason: Refusal) -> PathFailure {
    let certificate = match Certificate::parse(der) {
        Ok(certificate) => NamedCertificate::of(&certificate),
        Err(_) => Box::new(NamedCertificate { subject: String::new(), sm3: hex(&sm3(der)) }),
    };
    PathFailure::Refused { certificate, reason }
}

#[cfg(test)]
mod tests;
