//! What the caller trusts and what may help: anchors, and certificates that are no anchors.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::digest::{hex, sm3};
use crate::domain::trust::path::PathQuestion;
use crate::domain::trust::path::failure::Refusal;
use crate::domain::trust::scope::{AnchorScope, ListNamed};
use crate::domain::trust::signature::SignerIdPolicy;
use crate::format::der;
use crate::format::keys::read_pem;
use crate::format::trust_list::StatusService;
use crate::format::x509::{Certificate, Name};

/// Why a file of anchors or certificates was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No certificate in it.
    #[error("{origin} holds no certificate, neither PEM nor DER")]
    NoCertificate {
        /// Where it came from.
        origin: String,
    },
    /// One of its certificates cannot be read.
    #[error("{origin}: certificate {index} cannot be read")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// Its number in the file, from 1.
        index: usize,
        /// Why.
        source: der::Error,
    },
}

/// One certificate that was handed in, readable for sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    der: Arc<[u8]>,
    sm3: [u8; 32],
    origin: Arc<str>,
    signer_ids: SignerIdPolicy,
    scope: Option<Arc<AnchorScope>>,
    /// SM3 of all that the scope says; zeros without one.
    scope_sm3: [u8; 32],
}

impl Held {
    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SM3 of the DER.
    #[must_use]
    pub const fn sm3(&self) -> &[u8; 32] {
        &self.sm3
    }

    /// Which signer IDs count below it, if it is an anchor.
    #[must_use]
    pub const fn signer_ids(&self) -> SignerIdPolicy {
        self.signer_ids
    }

    /// What its trust list says of it; nothing for an anchor that was named by itself, which nobody restricts.
    #[must_use]
    pub fn scope(&self) -> Option<&AnchorScope> {
        self.scope.as_deref()
    }

    /// Whether it may vouch, as an anchor, for the end of that question.
    pub(in crate::domain::trust) fn permits(&self, asked: &PathQuestion<'_>) -> Result<(), Refusal> {
        self.scope.as_ref().map_or(Ok(()), |scope| scope.permits(asked.policy.anchor, asked.at, asked.end))
    }

    pub(in crate::domain::trust) fn shared_scope(&self) -> Option<Arc<AnchorScope>> {
        self.scope.clone()
    }

    pub(in crate::domain::trust) fn shared_der(&self) -> Arc<[u8]> {
        Arc::clone(&self.der)
    }

    pub(in crate::domain::trust) fn shared_origin(&self) -> Arc<str> {
        Arc::clone(&self.origin)
    }
}

/// Certificates by their subjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Shelf {
    held: Vec<Held>,
    by_subject: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl Shelf {
    fn extend(&mut self, held: Vec<Held>) {
        for held in held {
            if let Ok(certificate) = Certificate::parse(&held.der) {
                self.by_subject.entry(subject_key(&certificate.subject)).or_default().push(self.held.len());
                self.held.push(held);
            }
        }
    }

    fn named<'a>(&'a self, key: &[u8]) -> impl Iterator<Item = &'a Held> {
        self.by_subject.get(key).into_iter().flatten().filter_map(|index| self.held.get(*index))
    }
}

/// Anchors and helping certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustAnchors {
    anchors: Shelf,
    others: Shelf,
    lists: Vec<Arc<ListNamed>>,
    development: bool,
    version: [u8; 32],
}

impl TrustAnchors {
    /// Nothing is trusted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the certificates of a PEM or DER file as anchors. SM2 signatures below them count with the default signer ID.
    ///
    /// # Errors
    /// The file holds no certificate, or one that cannot be read; then nothing is added.
    pub fn add_anchors(&mut self, bytes: &[u8], origin: &str) -> Result<(), TrustError> {
        self.add_anchors_with(bytes, origin, SignerIdPolicy::DefaultOnly)
    }

    /// As [`Self::add_anchors`], with a policy of its own for signer IDs.
    ///
    /// # Errors
    /// As [`Self::add_anchors`].
    pub fn add_anchors_with(&mut self, bytes: &[u8], origin: &str, ids: SignerIdPolicy) -> Result<(), TrustError> {
        self.anchors.extend(read(bytes, origin, ids)?);
        self.renumber();
        Ok(())
    }

    /// Adds an anchor with what its trust list says of it. The same certificate may come with several scopes: any of them
    /// that permits will do.
    pub(in crate::domain::trust) fn add_list(
        &mut self,
        list: Arc<ListNamed>,
        anchors: impl IntoIterator<Item = (Vec<u8>, SignerIdPolicy, AnchorScope)>,
    ) {
        let origin: Arc<str> = list.display().into();
        let held = anchors.into_iter().map(|(der, signer_ids, scope)| Held {
            sm3: sm3(&der),
            der: der.into(),
            origin: Arc::clone(&origin),
            signer_ids,
            scope_sm3: scope.sm3(),
            scope: Some(scope.into()),
        });
        self.anchors.extend(held.collect());
        self.lists.push(list);
        self.renumber();
    }

    /// The trust lists that are among these, in the order in which they came.
    pub fn lists(&self) -> impl ExactSizeIterator<Item = &ListNamed> {
        self.lists.iter().map(|list| &**list)
    }

    /// Whether a trust list says of any of them in which logs must be what is issued below it.
    #[must_use]
    pub fn names_logs(&self) -> bool {
        self.anchors.held.iter().filter_map(Held::scope).any(|scope| !scope.logs.is_empty())
    }

    /// Adds certificates that may stand in a path but are not trusted by themselves.
    ///
    /// # Errors
    /// As [`Self::add_anchors`].
    pub fn add_certificates(&mut self, bytes: &[u8], origin: &str) -> Result<(), TrustError> {
        self.others.extend(read(bytes, origin, SignerIdPolicy::DefaultOnly)?);
        self.renumber();
        Ok(())
    }

    /// Takes the trust from the anchor with that SM3; it does not stay as a helping certificate either. Says whether it
    /// was there.
    pub fn distrust(&mut self, anchor: &[u8; 32]) -> bool {
        let (left, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.anchors).held.into_iter().partition(|held| held.sm3 != *anchor);
        self.anchors.extend(left);
        self.renumber();
        !gone.is_empty()
    }

    /// Marks that development anchors are among these: every report says so.
    pub const fn mark_development(&mut self) {
        self.development = true;
    }

    /// Whether development anchors are among these.
    #[must_use]
    pub const fn is_development(&self) -> bool {
        self.development
    }

    /// The status services that trust lists name beside these anchors.
    pub fn status_services(&self) -> impl Iterator<Item = &StatusService> {
        self.anchors.held.iter().filter_map(|held| held.scope.as_ref()).flat_map(|scope| &scope.status)
    }

    /// Whether an anchor has that subject (RFC 5280 7.1), and the other certificates that have it.
    #[must_use]
    pub fn with_subject(&self, name: &Name<'_>) -> (bool, Vec<Certificate<'_>>) {
        let (anchors, others) = self.named(name);
        let is_named = |held: &&Held| Certificate::parse(&held.der).is_ok_and(|found| found.subject.matches(name));
        let has_anchor = anchors.iter().any(is_named);
        let others = others.into_iter().filter_map(|held| Certificate::parse(&held.der).ok());
        (has_anchor, others.filter(|found| found.subject.matches(name)).collect())
    }

    /// How many anchors there are.
    #[must_use]
    pub const fn anchor_count(&self) -> usize {
        self.anchors.held.len()
    }

    /// All certificates that were handed in, anchors first, in the order in which they came.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.anchors.held.iter().chain(&self.others.held).map(Held::der)
    }

    /// SM3 over the sorted SM3 digests of all anchors, hexadecimal: names this set in reports.
    #[must_use]
    pub fn anchors_sm3(&self) -> String {
        let mut digests: Vec<_> = self.anchors.held.iter().map(|held| held.sm3).collect();
        digests.sort_unstable();
        hex(&sm3(&digests.concat()))
    }

    /// Names everything that a search may find here: another value where anything was added, taken away or allowed.
    #[must_use]
    pub const fn version(&self) -> &[u8; 32] {
        &self.version
    }

    fn renumber(&mut self) {
        let mut all = Vec::new();
        for (role, shelf) in [(0_u8, &self.anchors), (1, &self.others)] {
            for held in &shelf.held {
                all.push(role);
                all.push(u8::from(held.signer_ids == SignerIdPolicy::DefaultOrEmpty));
                all.extend_from_slice(&held.sm3);
                all.extend_from_slice(&held.scope_sm3);
            }
        }
        self.version = sm3(&all);
    }

    /// The signer IDs that any anchor allows.
    pub(in crate::domain::trust) fn signer_ids(&self) -> SignerIdPolicy {
        let any_empty = self.anchors.held.iter().any(|held| held.signer_ids == SignerIdPolicy::DefaultOrEmpty);
        if any_empty { SignerIdPolicy::DefaultOrEmpty } else { SignerIdPolicy::DefaultOnly }
    }

    /// The anchors with exactly that DER: more than one where lists say different things of it.
    pub(in crate::domain::trust) fn anchor(&self, certificate: &Certificate<'_>) -> Vec<&Held> {
        let key = subject_key(&certificate.subject);
        self.anchors.named(&key).filter(|held| *held.der == *certificate.raw).collect()
    }

    /// Anchors and then others whose subject may be that name: whoever asks compares by RFC 5280 7.1.
    pub(in crate::domain::trust) fn named(&self, name: &Name<'_>) -> (Vec<&Held>, Vec<&Held>) {
        let key = subject_key(name);
        (self.anchors.named(&key).collect(), self.others.named(&key).collect())
    }
}

/// The same for all names that are the same by RFC 5280 7.1, and almost always another for others: attribute types, and
/// the letters and digits of their texts in lower case.
pub(in crate::domain::trust) fn subject_key(name: &Name<'_>) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = Vec::with_capacity(6);
    for attribute in name.attributes() {
        let mut part = attribute.kind.as_bytes().to_vec();
        let text = attribute.text().unwrap_or_default();
        let mut buffer = [0; 4];
        for c in text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase) {
            part.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        }
        parts.push(part);
    }
    parts.sort_unstable();
    parts.concat()
}

fn read(bytes: &[u8], origin: &str, signer_ids: SignerIdPolicy) -> Result<Vec<Held>, TrustError> {
    let none = || TrustError::NoCertificate { origin: origin.to_owned() };
    let ders = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => read_pem(text, "CERTIFICATE").ok_or_else(none)?,
        _ if bytes.first() == Some(&0x30) => vec![bytes.to_vec()],
        _ => Vec::new(),
    };
    if ders.is_empty() {
        return Err(none());
    }
    let shared: Arc<str> = origin.into();
    let check = |(index, der): (usize, Vec<u8>)| match Certificate::parse(&der) {
        Ok(_) => Ok(Held {
            sm3: sm3(&der),
            der: der.into(),
            origin: Arc::clone(&shared),
            signer_ids,
            scope: None,
            scope_sm3: [0; 32],
        }),
        Err(source) => Err(TrustError::Malformed { origin: origin.to_owned(), index: index.saturating_add(1), source }),
    };
    ders.into_iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_certificates_are_refused() {
        let mut anchors = TrustAnchors::none();
        let none = TrustError::NoCertificate { origin: "x".into() };
        assert_eq!(anchors.add_anchors(b"", "x"), Err(none.clone()));
        assert_eq!(anchors.add_anchors(b"-----BEGIN CRL-----", "x"), Err(none));
        let refused = anchors.add_certificates(&[0x30, 0], "x").unwrap_err();
        let source = der::Error::Missing { what: "tbsCertificate" };
        assert_eq!(refused, TrustError::Malformed { origin: "x".into(), index: 1, source });
        assert_eq!(anchors.anchor_count(), 0);
    }
}
