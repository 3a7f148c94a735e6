//! What is at hand beside the file: revocation lists, OCSP answers, time stamps, certificates, proofs of logs. Parsed once, for any number
//! of files.

use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::digest;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::{CrlEvidence, OcspEvidence};
use crate::domain::verify::logged::{LogProofRefused, MOST_LOG_PROOFS, Opened};
use crate::format::der;
use crate::format::tsp::{self, TimeStampToken};
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
    tokens: Vec<TimeStampToken<'a>>,
    log_proofs: Vec<Opened<'a>>,
    /// Keys of the service's own log, which knows what the service made and asks nothing of what it did not.
    own_log: &'a [Verifier],
    /// What was at hand before: its lists, answers and proofs count too.
    before: Option<&'a Evidence<'a>>,
}

impl<'a> Evidence<'a> {
    /// Nothing is at hand.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            lists: Vec::new(),
            answers: Vec::new(),
            certificates: Vec::new(),
            tokens: Vec::new(),
            log_proofs: Vec::new(),
            own_log: &[],
            before: None,
        }
    }

    /// The same, to which more can be added for one file alone.
    #[must_use]
    pub fn beside(before: &'a Self) -> Self {
        let (certificates, tokens) = (before.certificates.clone(), before.tokens.clone());
        Self { certificates, tokens, before: Some(before), ..Self::none() }
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

    /// Adds a revocation list of no more entries than are left, and takes them off.
    ///
    /// # Errors
    /// As [`Evidence::add_crl`].
    pub(in crate::domain::verify) fn add_crl_up_to(
        &mut self,
        der: &'a [u8],
        left: &mut usize,
    ) -> Result<(), der::Error> {
        let list = CertificateList::parse(der)?;
        let index = CrlIndex::new(&list, *left)?;
        *left = left.saturating_sub(list.count());
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

    /// Adds a time stamp over the value of some signature.
    ///
    /// # Errors
    /// It is no token (RFC 3161 2.4.2).
    pub fn add_token(&mut self, der: &'a [u8]) -> Result<(), tsp::Error> {
        self.tokens.push(TimeStampToken::parse(der)?);
        Ok(())
    }

    /// Adds a proof that an event is in a log (C2SP tlog-proof; salt and event are its extra octets).
    ///
    /// # Errors
    /// It is not one, or there are [`MOST_LOG_PROOFS`] already.
    pub fn add_log_proof(&mut self, octets: &'a [u8]) -> Result<(), LogProofRefused> {
        if self.log_proofs.len() >= MOST_LOG_PROOFS {
            return Err(LogProofRefused::TooMany { limit: MOST_LOG_PROOFS });
        }
        self.log_proofs.push(Opened::parse(octets)?);
        Ok(())
    }

    /// Adds the receipt of an event: a log's promise, with salt and event in its extra line.
    ///
    /// # Errors
    /// As [`Evidence::add_log_proof`].
    pub fn add_log_receipt(&mut self, octets: &'a [u8]) -> Result<(), LogProofRefused> {
        if self.log_proofs.len() >= MOST_LOG_PROOFS {
            return Err(LogProofRefused::TooMany { limit: MOST_LOG_PROOFS });
        }
        self.log_proofs.push(Opened::of_receipt(octets)?);
        Ok(())
    }

    /// Believes checkpoints by these keys of the service's own log, and asks nobody for a proof because of them. Reports tell
    /// then of which things the log may know ([`Report::things`](crate::domain::verify::Report::things)).
    pub const fn consult(&mut self, own_log: &'a [Verifier]) {
        self.own_log = own_log;
    }

    /// Keys of the service's own log, where it is consulted.
    #[must_use]
    pub fn own_log(&self) -> &[Verifier] {
        match self.before {
            Some(before) if self.own_log.is_empty() => before.own_log(),
            _ => self.own_log,
        }
    }

    /// The proofs and the receipts of logs.
    #[must_use]
    pub fn log_proofs(&self) -> Vec<&Opened<'a>> {
        let before = self.before.iter().flat_map(|before| before.log_proofs());
        before.chain(&self.log_proofs).collect()
    }

    /// The time stamps over those octets, by their imprint.
    pub fn tokens_over<'o>(&'o self, octets: &'o [u8]) -> impl Iterator<Item = &'o TimeStampToken<'a>> {
        self.tokens.iter().filter(move |token| {
            let imprint = &token.info.imprint;
            DigestAlgorithm::from_oid(imprint.algorithm.oid)
                .is_some_and(|algorithm| digest(algorithm, octets) == imprint.digest)
        })
    }

    /// Whether there is neither a list nor an answer.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.lists.is_empty() && self.answers.is_empty() && self.before.is_none_or(Self::says_nothing)
    }

    /// The lists.
    #[must_use]
    pub fn crls(&self) -> Vec<CrlEvidence<'_>> {
        let before = self.before.iter().flat_map(|before| before.crls());
        before.chain(self.lists.iter().map(|(list, index)| CrlEvidence { list, index: Some(index) })).collect()
    }

    /// The answers.
    #[must_use]
    pub fn ocsp(&self) -> Vec<OcspEvidence<'_>> {
        let before = self.before.iter().flat_map(|before| before.ocsp());
        before.chain(self.answers.iter().map(|response| OcspEvidence { response, nonce: None })).collect()
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate<'a>] {
        &self.certificates
    }
}
