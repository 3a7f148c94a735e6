//! Path building and validation (RFC 5280 6.1), backwards from the end certificate, with a budget.
//!
//! Checked for every certificate above the end: signature, names, validity at the moment asked for, `cA`,
//! `keyCertSign`, `pathLenConstraint`, no critical extension that we do not process. Name and policy constraints are
//! not processed: a certificate that carries them critically makes no path. Not checked here: the end certificate's
//! own validity and key usage (the caller's axes), revocation.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::anchor::TrustAnchors;
use crate::domain::trust::key::{CheckedValue, check_signed, public_key};
use crate::format::der::ObjectIdentifier;
use crate::format::x509::{Certificate, KeyUsage, extension};

/// Signature checks that may still be spent, so that nobody can make us search for ever.
#[derive(Debug, Clone)]
pub struct Budget {
    checks: usize,
    length: usize,
}

impl Budget {
    /// What the limits allow for one document.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self { checks: limits.path_checks, length: limits.path_length }
    }

    const fn spend(&mut self) -> bool {
        match self.checks.checked_sub(1) {
            Some(left) => {
                self.checks = left;
                true
            }
            None => false,
        }
    }
}

/// Proof that a path to an anchor was found: only [`find_path`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPath {
    subjects: Vec<String>,
    anchor_sm3: String,
    anchor_origin: String,
    names_revocation_source: bool,
    signatures: Vec<SignatureUsed>,
}

impl TrustedPath {
    /// The subjects from the end certificate to the anchor.
    #[must_use]
    pub fn subjects(&self) -> &[String] {
        &self.subjects
    }

    /// SM3 of the anchor's certificate, hexadecimal.
    #[must_use]
    pub fn anchor_sm3(&self) -> &str {
        &self.anchor_sm3
    }

    /// The file or list that the anchor came from.
    #[must_use]
    pub fn anchor_origin(&self) -> &str {
        &self.anchor_origin
    }

    /// How the certificates below the anchor were signed, from the end upward.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureUsed] {
        &self.signatures
    }

    /// Whether a certificate below the anchor names where revocation can be asked.
    #[must_use]
    pub const fn names_revocation_source(&self) -> bool {
        self.names_revocation_source
    }
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFailure {
    /// No anchor was given at all.
    #[error("no trust anchor was given; the certificate names its issuer as {issuer}")]
    NoAnchors {
        /// The issuer that is missing.
        issuer: String,
    },
    /// Nobody's certificate for this issuer is at hand.
    #[error("no certificate of the issuer {issuer} is at hand")]
    IssuerMissing {
        /// The issuer that is missing.
        issuer: String,
    },
    /// Certificates of the issuer are at hand, but each was turned down.
    #[error("the certificate of the issuer {issuer} cannot be used: {reason}")]
    IssuerRefused {
        /// The issuer.
        issuer: String,
        /// Why the last one was turned down.
        reason: &'static str,
    },
    /// The budget or the allowed length was used up.
    #[error("the search for a path was given up: too many candidates or too long a path")]
    GivenUp,
}

/// Extensions that this walk understands when they are critical.
const PROCESSED: [ObjectIdentifier; 2] = [extension::BASIC_CONSTRAINTS, extension::KEY_USAGE];

/// Critical extensions of an end certificate that ask nothing of a seal's verifier: its names and its purposes.
const ALLOWED_AT_END: [ObjectIdentifier; 3] =
    [extension::SUBJECT_ALT_NAME, extension::CERTIFICATE_POLICIES, extension::EXTENDED_KEY_USAGE];

/// Finds a path from `end` to an anchor whose authorities were all valid at `at`. The SM2 keys of the path are admitted
/// to `tables`, which change how fast the next path is judged, and nothing else.
///
/// # Errors
/// Why there is none: the most telling reason of the candidates tried.
pub fn find_path(
    end: &Certificate<'_>,
    trust: &TrustAnchors,
    at: Timestamp,
    budget: &mut Budget,
    tables: &KeyTables,
) -> Result<TrustedPath, PathFailure> {
    if let Some((_, origin)) = trust.anchors().find(|(anchor, _)| anchor.raw == end.raw) {
        return Ok(TrustedPath {
            subjects: vec![end.subject.display()],
            anchor_sm3: hex(&sm3(end.raw)),
            anchor_origin: origin.to_owned(),
            names_revocation_source: false,
            signatures: Vec::new(),
        });
    }
    let known = |extension: &extension::Extension<'_>| {
        PROCESSED.contains(&extension.oid) || ALLOWED_AT_END.contains(&extension.oid)
    };
    if end.extensions.iter().any(|e| e.critical && !known(e)) {
        let issuer = end.issuer.display();
        return Err(PathFailure::IssuerRefused {
            issuer,
            reason: "the end certificate has a critical extension that is not known",
        });
    }
    let mut search = Search { trust, at, budget, tables };
    let climbed = search.climb(end, 1)?;
    search.admit(end);
    Ok(TrustedPath {
        subjects: std::iter::once(end.subject.display()).chain(climbed.subjects).collect(),
        names_revocation_source: climbed.names_revocation_source || end.names_revocation_source(),
        ..climbed
    })
}

struct Search<'a> {
    trust: &'a TrustAnchors,
    at: Timestamp,
    budget: &'a mut Budget,
    tables: &'a KeyTables,
}

impl Search<'_> {
    /// A key that led to an anchor may have a table: it will come again. Strangers' keys never get here.
    fn admit(&self, certificate: &Certificate<'_>) {
        if let Some(PublicKey::Sm2(key)) = public_key(&certificate.public_key) {
            self.tables.admit(&key, &sm3(certificate.issuer.raw()));
        }
    }

    /// The path above `child`; `below` counts the certificates from the end to `child`. Depth is bounded by the budget.
    fn climb(&mut self, child: &Certificate<'_>, below: usize) -> Result<TrustedPath, PathFailure> {
        let issuer = child.issuer.display();
        if below >= self.budget.length {
            return Err(PathFailure::GivenUp);
        }
        let trust = self.trust;
        let mut failure = if trust.anchor_count() == 0 {
            PathFailure::NoAnchors { issuer: issuer.clone() }
        } else {
            PathFailure::IssuerMissing { issuer: issuer.clone() }
        };
        for (anchor, origin) in trust.anchors().filter(|(anchor, _)| anchor.subject == child.issuer) {
            match self.accepts(&anchor, child, below)? {
                Ok(used) => {
                    self.admit(&anchor);
                    return Ok(TrustedPath {
                        subjects: vec![anchor.subject.display()],
                        anchor_sm3: hex(&sm3(anchor.raw)),
                        anchor_origin: origin.to_owned(),
                        names_revocation_source: false,
                        signatures: vec![used],
                    });
                }
                Err(reason) => failure = PathFailure::IssuerRefused { issuer: issuer.clone(), reason },
            }
        }
        for (authority, _) in trust.others().filter(|(other, _)| other.subject == child.issuer) {
            // A self-issued certificate above itself leads nowhere.
            if authority.raw == child.raw {
                continue;
            }
            let used = match self.accepts(&authority, child, below)? {
                Ok(used) => used,
                Err(reason) => {
                    failure = PathFailure::IssuerRefused { issuer: issuer.clone(), reason };
                    continue;
                }
            };
            match self.climb(&authority, below.saturating_add(1)) {
                Ok(above) => {
                    self.admit(&authority);
                    return Ok(TrustedPath {
                        subjects: std::iter::once(authority.subject.display()).chain(above.subjects).collect(),
                        names_revocation_source: above.names_revocation_source || authority.names_revocation_source(),
                        signatures: std::iter::once(used).chain(above.signatures.iter().copied()).collect(),
                        ..above
                    });
                }
                Err(PathFailure::GivenUp) => return Err(PathFailure::GivenUp),
                Err(reason) => failure = reason,
            }
        }
        Err(failure)
    }

    /// How `authority` signed `child`, or why it may not have issued it (RFC 5280 6.1.3, 6.1.4); the outer error ends the
    /// search. Which algorithms and key sizes are acceptable is the caller's axis.
    fn accepts(
        &mut self,
        authority: &Certificate<'_>,
        child: &Certificate<'_>,
        below: usize,
    ) -> Result<Result<SignatureUsed, &'static str>, PathFailure> {
        if self.at < authority.not_before || self.at > authority.not_after {
            return Ok(Err("it was not valid at the time in question"));
        }
        let Some(constraints) = authority.basic_constraints else {
            return Ok(Err("it has no basicConstraints"));
        };
        if !constraints.authority {
            return Ok(Err("it is not an authority"));
        }
        if authority.key_usage.is_some_and(|usage| !usage.any(KeyUsage::KEY_CERT_SIGN)) {
            return Ok(Err("its key usage does not allow it to sign certificates"));
        }
        // pathLenConstraint counts the intermediate certificates below, the end certificate left out.
        let intermediates = u32::try_from(below.saturating_sub(1)).unwrap_or(u32::MAX);
        if constraints.path_length.is_some_and(|length| intermediates > length) {
            return Ok(Err("its path length is exceeded"));
        }
        if authority.extensions.iter().any(|e| e.critical && !PROCESSED.contains(&e.oid)) {
            return Ok(Err("it has a critical extension that is not known"));
        }
        if !self.budget.spend() {
            return Err(PathFailure::GivenUp);
        }
        let signed = (child.tbs, child.signature);
        let checked = check_signed(&authority.public_key, &child.signature_algorithm, signed, self.tables);
        match (checked, public_key(&authority.public_key)) {
            (CheckedValue::Right { algorithm, .. }, Some(key)) => Ok(Ok(SignatureUsed::of(&key, algorithm))),
            (CheckedValue::Wrong { .. }, _) => Ok(Err("its signature on the certificate is wrong")),
            (CheckedValue::Right { .. } | CheckedValue::Unsupported, _) => {
                Ok(Err("its signature on the certificate uses an algorithm that is not accepted"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{Signer, sm2};
    use crate::domain::ca::specimen;

    fn issue(
        subject: &str,
        key: &sm2::PrivateKey,
        issuer: (&str, &sm2::PrivateKey),
        profile: &str,
        serial: u8,
    ) -> Vec<u8> {
        let key = Signer::public_key(key);
        specimen::certificate(profile, (subject, &key), (issuer.0, issuer.1), serial, Timestamp::from_unix(0))
    }

    /// Authorities that certify each other in a ring and never reach the anchor: the search ends by its budget, and a
    /// path that is merely too long ends by its length.
    #[test]
    fn a_maze_is_given_up() {
        let keys: Vec<_> = (0..4).map(|_| sm2::PrivateKey::generate(&SystemRandom).unwrap()).collect();
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&issue("far", &keys[3], ("far", &keys[3]), "root", 1), "far").unwrap();
        for serial in 2..12 {
            trust.add_certificates(&issue("a", &keys[0], ("b", &keys[1]), "intermediate", serial), "a").unwrap();
            trust.add_certificates(&issue("b", &keys[1], ("a", &keys[0]), "intermediate", serial), "b").unwrap();
        }
        let end = issue("end", &keys[2], ("a", &keys[0]), "seal-maker", 20);
        let end = Certificate::parse(&end).unwrap();
        let find = |checks, length| {
            find_path(&end, &trust, Timestamp::from_unix(0), &mut Budget { checks, length }, &KeyTables::default())
        };
        assert_eq!(find(5, 100), Err(PathFailure::GivenUp));
        assert_eq!(find(1_000_000, 2), Err(PathFailure::GivenUp));
        // The ring's own path lengths (one authority below a root) end it before the budget does.
        let refused = find(1_000_000, 100).unwrap_err();
        assert!(
            matches!(refused, PathFailure::IssuerRefused { reason: "its path length is exceeded", .. }),
            "{refused:?}"
        );
    }

    /// A stranger's certificate, however often it comes, costs no table; one that leads to an anchor gets them, for
    /// itself and for its authority, and is judged the same with them.
    #[test]
    fn only_keys_that_lead_to_an_anchor_get_tables() {
        let (root, key) =
            (sm2::PrivateKey::generate(&SystemRandom).unwrap(), sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&issue("root", &root, ("root", &root), "root", 1), "root").unwrap();
        let (known, strange) =
            (issue("end", &key, ("root", &root), "seal-maker", 2), issue("end", &key, ("root", &key), "seal-maker", 3));
        let (known, strange) = (Certificate::parse(&known).unwrap(), Certificate::parse(&strange).unwrap());
        let tables = KeyTables::default();
        let find = |end| find_path(end, &trust, Timestamp::from_unix(0), &mut Budget::new(&Limits::DEFAULT), &tables);
        for _ in 0..20 {
            assert!(matches!(find(&strange), Err(PathFailure::IssuerRefused { .. })));
        }
        assert_eq!(tables.count(), 0);
        let first = find(&known).unwrap();
        for _ in 0..20 {
            assert_eq!(find(&known), Ok(first.clone()));
        }
        assert!(tables.holds(&root.public_key()) && tables.holds(&key.public_key()));
        let refused = find(&strange);
        let reason = "its signature on the certificate is wrong";
        assert!(matches!(refused, Err(PathFailure::IssuerRefused { reason: because, .. }) if because == reason));
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let end = issue("end", &key, ("lost", &key), "seal-maker", 1);
        let end = Certificate::parse(&end).unwrap();
        let find = |trust: &TrustAnchors| {
            find_path(&end, trust, Timestamp::from_unix(0), &mut Budget::new(&Limits::DEFAULT), &KeyTables::default())
        };
        let issuer = "C=CN, O=示例, CN=lost".to_owned();
        assert_eq!(find(&TrustAnchors::none()), Err(PathFailure::NoAnchors { issuer: issuer.clone() }));
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&issue("other", &key, ("other", &key), "root", 2), "other").unwrap();
        assert_eq!(find(&trust), Err(PathFailure::IssuerMissing { issuer }));
    }
}
