//! Evidence that is handed in: read, told apart and bounded in one way, whichever door it comes through.

use crate::domain::audit::promise;
use crate::domain::trust::TrustAnchors;
use crate::domain::verify::Evidence;
use crate::domain::verify::logged::{LogProofRefused, MOST_LOG_PROOFS};
use crate::format::evidence::{EvidenceKind, recognise};
use crate::format::keys::{read_pem, write_pem};
use crate::format::tlog::proof;
use crate::service::verification::Error;

/// What evidence is, beside certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CRL.
    List,
    /// An OCSP answer.
    Answer,
    /// A time stamp.
    Token,
    /// A proof that something is in a log.
    LogProof,
    /// A log's promise that something will be.
    LogReceipt,
}

impl Kind {
    const ALL: [Self; 5] = [Self::List, Self::Answer, Self::Token, Self::LogProof, Self::LogReceipt];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "a certificate revocation list",
            Self::Answer => "an OCSP answer",
            Self::Token => "a time stamp",
            Self::LogProof => "a proof of a log",
            Self::LogReceipt => "a receipt of a log",
        }
    }

    /// The label of PEM that we write; RFC 7468 has none but the first.
    const fn label(self) -> &'static str {
        match self {
            Self::List => "X509 CRL",
            Self::Answer => "OCSP RESPONSE",
            Self::Token => "TIME STAMP TOKEN",
            Self::LogProof => "TLOG PROOF",
            Self::LogReceipt => "TLOG RECEIPT",
        }
    }

    /// Whether a log said it.
    const fn is_of_log(self) -> bool {
        matches!(self, Self::LogProof | Self::LogReceipt)
    }

    /// Adds it to what is at hand, parsed.
    fn add<'e>(
        self,
        evidence: &mut Evidence<'e>,
        der: &'e [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match self {
            Self::List => evidence.add_crl(der)?,
            Self::Answer => evidence.add_ocsp(der)?,
            Self::Token => evidence.add_token(der)?,
            Self::LogProof => evidence.add_log_proof(der)?,
            Self::LogReceipt => evidence.add_log_receipt(der)?,
        }
        Ok(())
    }
}

/// What was handed in, in its order, each once: all of it can be read. Who signed it is judged where it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandedIn {
    certificates: Vec<Vec<u8>>,
    others: Vec<(Kind, Vec<u8>)>,
}

impl HandedIn {
    /// Takes in what a file holds: PEM of any kinds in any order, one of them in DER, or a proof or a receipt as its log
    /// gives it. `origin` names the file in refusals.
    ///
    /// # Errors
    /// The file holds none of these, or one that cannot be read, or there are more than [`MOST_LOG_PROOFS`] proofs and
    /// receipts by now; then nothing is taken.
    pub fn take(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        let others = others(bytes);
        let malformed =
            |kind: Kind, source| Error::EvidenceMalformed { origin: origin.to_owned(), kind: kind.name(), source };
        for (kind, octets) in &others {
            kind.add(&mut Evidence::none(), octets).map_err(|source| malformed(*kind, source))?;
        }
        let certificates =
            if others.is_empty() || has_certificates(bytes) { certificates(bytes, origin)? } else { Vec::new() };
        let mut new = Vec::new();
        for other in others.into_iter().filter(|other| !self.others.contains(other)) {
            add_once(&mut new, other);
        }
        if self.others.iter().chain(&new).filter(|(kind, _)| kind.is_of_log()).count() > MOST_LOG_PROOFS {
            return Err(malformed(Kind::LogProof, LogProofRefused::TooMany { limit: MOST_LOG_PROOFS }.into()));
        }
        self.others.append(&mut new);
        certificates.into_iter().for_each(|der| add_once(&mut self.certificates, der));
        Ok(())
    }

    /// As [`Self::take`], of proofs and receipts of logs and nothing else. A log's statement that it knows nothing is none:
    /// it proves nothing.
    ///
    /// # Errors
    /// [`Error::NotOfLog`], and those of [`Self::take`]; then nothing is taken.
    pub fn take_of_logs(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        let others = others(bytes);
        if others.is_empty() || has_certificates(bytes) || others.iter().any(|(kind, _)| !kind.is_of_log()) {
            return Err(Error::NotOfLog { origin: origin.to_owned() });
        }
        self.take(bytes, origin)
    }

    /// Takes in what was read before, once.
    pub(in crate::service) fn add(&mut self, kind: Kind, octets: &[u8]) {
        add_once(&mut self.others, (kind, octets.to_vec()));
    }

    /// Takes in a certificate that was read before, once.
    pub(in crate::service) fn add_certificate(&mut self, der: &[u8]) {
        add_once(&mut self.certificates, der.to_vec());
    }

    /// The certificates, DER.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Everything but the certificates as PEM; none where there is nothing.
    #[must_use]
    pub fn others_pem(&self) -> Option<String> {
        let text: String = self.others.iter().map(|(kind, octets)| write_pem(octets, kind.label())).collect();
        (!text.is_empty()).then_some(text)
    }

    /// Adds it to what is at hand, parsed.
    pub fn add_to<'e>(&'e self, evidence: &mut Evidence<'e>) {
        for (kind, octets) in &self.others {
            // Each was read when it was taken in; what could not be read was refused there.
            let _ = kind.add(evidence, octets);
        }
        for der in &self.certificates {
            let _ = evidence.add_certificate(der);
        }
    }
}

fn add_once<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// Whether certificates in PEM stand in it.
fn has_certificates(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.contains("-----BEGIN CERTIFICATE-----"))
}

/// What the bytes hold beside certificates, of several the first.
pub(in crate::service) fn kind_in(bytes: &[u8]) -> Option<Kind> {
    others(bytes).first().map(|(kind, _)| *kind)
}

/// The certificates of a file, each of them readable for sure.
pub(in crate::service) fn certificates(bytes: &[u8], origin: &str) -> Result<Vec<Vec<u8>>, Error> {
    TrustAnchors::none().add_certificates(bytes, origin)?;
    let blocks = std::str::from_utf8(bytes).ok().and_then(|text| read_pem(text, "CERTIFICATE"));
    Ok(blocks.filter(|blocks| !blocks.is_empty()).unwrap_or_else(|| vec![bytes.to_vec()]))
}

/// What the bytes hold beside certificates: told by the labels of PEM (RFC 7468), by structure in DER.
fn others(bytes: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    if bytes.starts_with(proof::FIRST_LINE.as_bytes()) {
        return vec![(Kind::LogProof, bytes.to_vec())];
    }
    if bytes.starts_with(promise::FIRST_LINE.as_bytes()) {
        return vec![(Kind::LogReceipt, bytes.to_vec())];
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.contains("-----BEGIN")
    {
        let of = |kind: Kind| {
            let labels = if kind == Kind::List { &[kind.label(), "CRL"][..] } else { &[kind.label()][..] };
            // What is not Base64 is nothing that could be read: an empty value is refused by its own name.
            let blocks = labels.iter().flat_map(|label| read_pem(text, label).unwrap_or_else(|| vec![Vec::new()]));
            blocks.map(|der| (kind, der)).collect::<Vec<_>>()
        };
        return Kind::ALL.into_iter().flat_map(of).collect();
    }
    kind_of(bytes).map(|kind| (kind, bytes.to_vec())).into_iter().collect()
}

/// The kind of one value in DER, where it is no certificate.
fn kind_of(bytes: &[u8]) -> Option<Kind> {
    recognise(bytes).map(|kind| match kind {
        EvidenceKind::List => Kind::List,
        EvidenceKind::Answer => Kind::Answer,
        EvidenceKind::Token => Kind::Token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_told_from_certificates() {
        let list = "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n";
        let answer = "-----BEGIN OCSP RESPONSE-----\nAQ==\n-----END OCSP RESPONSE-----\n";
        assert_eq!(others(list.as_bytes()), [(Kind::List, vec![0])]);
        assert_eq!(others(format!("{answer}{list}").as_bytes()), [(Kind::List, vec![0]), (Kind::Answer, vec![1])]);
        assert_eq!(others(&[0x30, 3, 0x0a, 1, 3]), [(Kind::Answer, vec![0x30, 3, 0x0a, 1, 3])]);
        let proof = b"c2sp.org/tlog-proof@v1\nindex 0\n";
        assert_eq!(others(proof), [(Kind::LogProof, proof.to_vec())]);
        assert_eq!(others(write_pem(proof, "TLOG PROOF").as_bytes()), [(Kind::LogProof, proof.to_vec())]);
        let receipt = b"yinxin promise v1\n";
        assert_eq!(others(receipt), [(Kind::LogReceipt, receipt.to_vec())]);
        assert_eq!(others(write_pem(receipt, "TLOG RECEIPT").as_bytes()), [(Kind::LogReceipt, receipt.to_vec())]);
        assert_eq!(others(b""), []);
    }

    /// What is of a log is told from what is not, before it is read; what is refused leaves nothing behind.
    #[test]
    fn a_door_for_logs_takes_nothing_else() {
        let list = write_pem(&[0], "X509 CRL");
        let both = format!("{}{list}", write_pem(b"c2sp.org/tlog-proof@v1\nindex 0\n", "TLOG PROOF"));
        let certificate = write_pem(&[0], "CERTIFICATE");
        let beside = format!("{}{certificate}", write_pem(b"yinxin promise v1\n", "TLOG RECEIPT"));
        let answer = [0x30, 3, 0x0a, 1, 3];
        let statement = b"yinxin statement v1\nlocalhost/log\n";
        let mut handed_in = HandedIn::default();
        let mut refused = |bytes: &[u8]| {
            let refused = handed_in.take_of_logs(bytes, "evidence 1").unwrap_err();
            assert_eq!(handed_in, HandedIn::default());
            (refused.code(), refused.to_string())
        };
        let other = ("evidence-not-of-log", "evidence 1 is neither a proof nor a receipt of a log".to_owned());
        let of_others =
            [b"".as_slice(), b"PK", statement, &answer, list.as_bytes(), certificate.as_bytes()].map(&mut refused);
        assert!(of_others.iter().all(|refused| *refused == other), "{of_others:?}");
        assert_eq!([both.as_bytes(), beside.as_bytes()].map(&mut refused), [other.clone(), other]);
        let proof = ("evidence-malformed", "evidence 1 holds a proof of a log that cannot be read".to_owned());
        let receipt = ("evidence-malformed", "evidence 1 holds a receipt of a log that cannot be read".to_owned());
        let cut = [b"c2sp.org/tlog-proof@v1\nindex 0\n".as_slice(), b"yinxin promise v1\n"];
        assert_eq!(cut.map(&mut refused), [proof, receipt]);
    }
}
