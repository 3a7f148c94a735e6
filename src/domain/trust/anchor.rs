//! What the caller trusts and what may help: anchors, and certificates that are no anchors.

use crate::crypto::digest::{hex, sm3};
use crate::format::der;
use crate::format::keys::read_pem;
use crate::format::x509::Certificate;

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
    der: Vec<u8>,
    origin: String,
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
}

/// Anchors and helping certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustAnchors {
    anchors: Vec<Held>,
    others: Vec<Held>,
    development: bool,
}

impl TrustAnchors {
    /// Nothing is trusted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the certificates of a PEM or DER file as anchors.
    ///
    /// # Errors
    /// The file holds no certificate, or one that cannot be read; then nothing is added.
    pub fn add_anchors(&mut self, bytes: &[u8], origin: &str) -> Result<(), TrustError> {
        self.anchors.extend(read(bytes, origin)?);
        Ok(())
    }

    /// Adds certificates that may stand in a path but are not trusted by themselves.
    ///
    /// # Errors
    /// As [`Self::add_anchors`].
    pub fn add_certificates(&mut self, bytes: &[u8], origin: &str) -> Result<(), TrustError> {
        self.others.extend(read(bytes, origin)?);
        Ok(())
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

    /// How many anchors there are.
    #[must_use]
    pub const fn anchor_count(&self) -> usize {
        self.anchors.len()
    }

    /// SM3 over the sorted SM3 digests of all anchors, hexadecimal: names this set in reports.
    #[must_use]
    pub fn anchors_sm3(&self) -> String {
        let mut digests: Vec<_> = self.anchors.iter().map(|held| sm3(&held.der)).collect();
        digests.sort_unstable();
        hex(&sm3(&digests.concat()))
    }

    pub(in crate::domain::trust) fn anchors(&self) -> impl Iterator<Item = (Certificate<'_>, &str)> {
        parsed(&self.anchors)
    }

    pub(in crate::domain::trust) fn others(&self) -> impl Iterator<Item = (Certificate<'_>, &str)> {
        parsed(&self.others)
    }
}

fn parsed(held: &[Held]) -> impl Iterator<Item = (Certificate<'_>, &str)> {
    held.iter().filter_map(|held| Some((Certificate::parse(&held.der).ok()?, held.origin.as_str())))
}

fn read(bytes: &[u8], origin: &str) -> Result<Vec<Held>, TrustError> {
    let none = || TrustError::NoCertificate { origin: origin.to_owned() };
    let ders = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => read_pem(text, "CERTIFICATE").ok_or_else(none)?,
        _ if bytes.first() == Some(&0x30) => vec![bytes.to_vec()],
        _ => Vec::new(),
    };
    if ders.is_empty() {
        return Err(none());
    }
    let check = |(index, der): (usize, Vec<u8>)| match Certificate::parse(&der) {
        Ok(_) => Ok(Held { der, origin: origin.to_owned() }),
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
