//! What is at hand beside the file: revocation lists, OCSP answers, certificates. Parsed once, for any number of files.

use crate::domain::trust::{CrlEvidence, OcspEvidence};
use crate::format::der;
use crate::format::x509::Certificate;
use crate::format::x509::crl::{CertificateList, CrlIndex};
use crate::format::x509::ocsp::OcspResponse;

/// Entries of one list that are indexed: the largest lists of the public web have some millions.
const INDEXED: usize = 8_000_000;

/// Revocation evidence and helping certificates. Parsed is not believed: who signed it is judged where it is used.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    lists: Vec<(CertificateList<'a>, CrlIndex)>,
    answers: Vec<OcspResponse<'a>>,
    certificates: Vec<Certificate<'a>>,
}

impl<'a> Evidence<'a> {
    /// Nothing is at hand.
    #[must_use]
    pub const fn none() -> Self {
        Self { lists: Vec::new(), answers: Vec::new(), certificates: Vec::new() }
    }

    /// Adds a revocation list.
    ///
    /// # Errors
    /// It is not one (RFC 5280 5.1), or has too many entries.
    pub fn add_crl(&mut self, der: &'a [u8]) -> Result<(), der::Error> {
        let list = CertificateList::parse(der)?;
        let index = CrlIndex::new(&list, INDEXED)?;
        self.lists.push((list, index));
        Ok(())
    }

    /// Adds an OCSP answer.
    ///
    /// # Errors
    /// It is not one (RFC 6960 4.2.1).
    pub fn add_ocsp(&mut self, der: &'a [u8]) -> Result<(), der::Error> {
        self.answers.push(OcspResponse::parse(der)?);
        Ok(())
    }

    /// Adds a certificate that may belong to an issuer of lists or to a responder; trusted by nobody.
    ///
    /// # Errors
    /// It is not one (RFC 5280 4.1).
    pub fn add_certificate(&mut self, der: &'a [u8]) -> Result<(), der::Error> {
        self.certificates.push(Certificate::parse(der)?);
        Ok(())
    }

    /// Whether there is neither a list nor an answer.
    #[must_use]
    pub const fn says_nothing(&self) -> bool {
        self.lists.is_empty() && self.answers.is_empty()
    }

    /// The lists.
    #[must_use]
    pub fn crls(&self) -> Vec<CrlEvidence<'_>> {
        self.lists.iter().map(|(list, index)| CrlEvidence { list, index: Some(index) }).collect()
    }

    /// The answers.
    #[must_use]
    pub fn ocsp(&self) -> Vec<OcspEvidence<'_>> {
        self.answers.iter().map(|response| OcspEvidence { response, nonce: None }).collect()
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate<'a>] {
        &self.certificates
    }
}
