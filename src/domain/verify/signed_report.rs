//! Signing reports: `prepare` writes everything but the value, the report key signs, `assemble` checks and joins.
//!
//! A JSON Web Signature (RFC 7515, compact, with `x5c` and `sigT`) or a CMS SignedData (RFC 5652; GB/T 35275 for SM2) around
//! the report's JSON; or a document of GB/T 33190 that shows the report, with a signature of type Sign over every part of it.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{digest, digest_many};
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::key::{encode_value, public_key};
use crate::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use crate::domain::verify::jws::ALGORITHMS;
use crate::format::cms::{
    ContentType, Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2,
};
use crate::format::der::time::to_generalized;
use crate::format::jose::{NewHeader, to_base64url};
use crate::format::ofd;
use crate::format::ofd::container::Container;
use crate::format::ofd::signing::{NewSealPart, NewSignature, PreparedSignature, prepare_signature};
use crate::format::x509::Certificate;

/// In which form a report is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON Web Signature, compact.
    Jws,
    /// SignedData around the JSON.
    Cms,
    /// A document for people, with the JSON attached.
    Ofd,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Jws, Self::Cms, Self::Ofd];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jws => "jws",
            Self::Cms => "cms",
            Self::Ofd => "ofd",
        }
    }
}

/// Why a report is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate cannot be read, is not for signing, is of another key, or its algorithm has no name in this form.
    #[error("the certificate of the report key is unusable")]
    Certificate,
    /// The certificate is not valid now.
    #[error("the certificate of the report key is valid from {start} to {end} only")]
    NotValid {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The report's own document cannot be read back.
    #[error("the report's document cannot be signed")]
    Document(#[from] ofd::Error),
    /// What came back from the key store is not the report key's signature.
    #[error("the signature is not the report key's over this report")]
    Signature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Certificate => "report-certificate-unusable",
            Self::NotValid { .. } => "report-certificate-outside-validity",
            Self::Document(_) => "report-not-written",
            Self::Signature => "report-not-signed",
        }
    }
}

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub struct Signatory<'a> {
    /// Its certificate, DER.
    pub certificate: &'a [u8],
    /// Those above it that go along, DER; not the root.
    pub chain: &'a [Vec<u8>],
    /// How its key signs.
    pub algorithm: SignatureAlgorithm,
}

/// A report that lacks only the signature's value.
#[derive(Debug)]
pub struct ReportToken<'a> {
    to_sign: Vec<u8>,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    certificate: Certificate<'a>,
    certificates: Vec<&'a [u8]>,
    around: Around<'a>,
}

#[derive(Debug)]
enum Around<'a> {
    Jws,
    Cms { content: &'a [u8], attributes: Vec<NewAttribute> },
    Ofd { prepared: Box<PreparedSignature>, attributes: Vec<NewAttribute> },
}

/// Decides everything about the signature. `content` is the report's JSON, or the unsigned document.
///
/// # Errors
/// The certificate does not allow it now, or the document cannot be read; nothing is signed.
pub fn prepare<'a>(
    form: Form,
    content: &'a [u8],
    signatory: Signatory<'a>,
    now: Timestamp,
    limits: &Limits,
) -> Result<ReportToken<'a>, Error> {
    let algorithm = signatory.algorithm;
    let certificate = Certificate::parse(signatory.certificate).map_err(|_| Error::Certificate)?;
    let key = public_key(&certificate.public_key).filter(|key| key.signs_with(algorithm)).ok_or(Error::Certificate)?;
    if !certificate.allows_signing() {
        return Err(Error::Certificate);
    }
    if now < certificate.not_before || now > certificate.not_after {
        return Err(Error::NotValid { start: certificate.not_before, end: certificate.not_after });
    }
    let certificates: Vec<&[u8]> =
        std::iter::once(signatory.certificate).chain(signatory.chain.iter().map(Vec::as_slice)).collect();
    let (to_sign, around) = match form {
        Form::Jws => {
            let named = ALGORITHMS.iter().find(|(_, known)| *known == algorithm).ok_or(Error::Certificate)?;
            let time = now.to_string();
            let header = NewHeader { algorithm: named.0, certificates: &certificates, signing_time: Some(&time) };
            let signed = format!("{}.{}", header.to_base64url(), to_base64url(content));
            (signed.into_bytes(), Around::Jws)
        }
        Form::Cms => {
            let attributes = attributes(content, &certificate, algorithm, now);
            (NewAttribute::to_sign(&attributes), Around::Cms { content, attributes })
        }
        Form::Ofd => {
            let container = Container::read(content, limits)?;
            let digests = |parts: &[&[u8]]| digest_many(algorithm.digest(), parts);
            let new = NewSignature {
                body: 0,
                provider: "yinxin",
                check_method: &algorithm.digest().oid().to_string(),
                signature_method: &algorithm.oid().ok_or(Error::Certificate)?.to_string(),
                signature_date_time: &to_generalized(now),
                stamps: &[],
                seal: NewSealPart::Absent,
                lock: true,
                digests: &digests,
            };
            let prepared = prepare_signature(&container, content, &new, limits)?;
            let attributes = attributes(prepared.signature_xml(), &certificate, algorithm, now);
            (NewAttribute::to_sign(&attributes), Around::Ofd { prepared: Box::new(prepared), attributes })
        }
    };
    Ok(ReportToken { to_sign, key, algorithm, certificate, certificates, around })
}

/// Which family of object identifiers goes with the algorithm: GB/T 35275 with SM2, PKCS #7's with the others.
fn family(algorithm: SignatureAlgorithm) -> Family {
    if algorithm == SignatureAlgorithm::Sm2Sm3 { Family::Gm } else { Family::Cms }
}

/// The signed attributes of CAdES-B (ETSI EN 319 122-1 6.3): type, digest, time, and the certificate by its digest.
fn attributes(
    content: &[u8],
    certificate: &Certificate<'_>,
    algorithm: SignatureAlgorithm,
    now: Timestamp,
) -> Vec<NewAttribute> {
    let kind = algorithm.digest();
    let names = (certificate.issuer.raw(), certificate.serial);
    vec![
        NewAttribute::content_type(family(algorithm).oid(ContentType::Data)),
        NewAttribute::message_digest(&digest(kind, content)),
        NewAttribute::signing_time(now),
        signing_certificate_v2(kind.oid(), &digest(kind, certificate.raw), names),
    ]
}

impl ReportToken<'_> {
    /// The bytes to sign.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// The signed report, from the value of fixed width that the report key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong, and nothing leaves; [`Error::Document`].
    pub fn assemble(self, value: &[u8], tables: &KeyTables) -> Result<Vec<u8>, Error> {
        let Self { to_sign, key, algorithm, certificate, certificates, around } = self;
        if !key.verify_by(tables, algorithm, &to_sign, value) {
            return Err(Error::Signature);
        }
        let signed_data = |content: Option<&[u8]>, attributes: &[NewAttribute]| {
            let identifier =
                SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial };
            let signer = NewSigner {
                identifier,
                digest_algorithm: &digest_algorithm_identifier(algorithm.digest()),
                signed_attributes: attributes,
                signature_algorithm: &signature_algorithm_identifier(algorithm),
                signature: &encode_value(algorithm, value),
                unsigned_attributes: &[],
            };
            let (family, certificates, signers) = (family(algorithm), certificates.as_slice(), &[signer]);
            let content_type = family.oid(ContentType::Data);
            NewSignedData { family, content_type, content, certificates, crls: &[], signers }.to_der()
        };
        Ok(match around {
            Around::Jws => {
                let mut compact = to_sign;
                compact.push(b'.');
                compact.extend_from_slice(to_base64url(value).as_bytes());
                compact
            }
            Around::Cms { content, attributes } => signed_data(Some(content), &attributes),
            Around::Ofd { prepared, attributes } => prepared.finish(&signed_data(None, &attributes))?,
        })
    }
}
