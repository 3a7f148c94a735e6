//! Whether one signer of a cryptographic message signed its content (RFC 5652 5.4, 5.6; GB/T 35275).
//!
//! Judged: that the digest is over the content, that the attributes say what they must, that the value is the
//! certificate's key's, that the certificate is the one that the signer named. Not judged: whether anybody trusts the
//! certificate, its dates, its revocation, whether the algorithm is accepted by a policy: the answer names it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::crypto::algorithm::{DigestAlgorithm, OID_MGF1, OID_RSA, OID_RSA_PSS, OID_SM3_RSA, SignatureAlgorithm};
use crate::crypto::digest::digest;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::key::{CheckedValue, ValueEncoding, check_signed};
use crate::format::cms::attribute::reads_as_attributes;
use crate::format::cms::{ContentType, EssCertificate, SignedAttributes, SignedData, SignerInfo};
use crate::format::der::{ObjectIdentifier, Writer};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::Certificate;

/// Why a signer's signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedDataError {
    /// None of the certificates is the one that the signer names.
    #[error("the signer's certificate is not at hand (RFC 5652 5.3)")]
    CertificateMissing,
    /// Several certificates answer to the signer's identifier.
    #[error("several certificates answer to the signer's identifier (RFC 5652 5.3)")]
    CertificateAmbiguous,
    /// The content is detached and was not given.
    #[error("the content is detached and was not given (RFC 5652 5.2)")]
    ContentMissing,
    /// The content that was given is not the one that is attached.
    #[error("the content given is not the content attached")]
    ContentDiffers,
    /// A digest that we do not compute, SHA-1 and MD5 among them.
    #[error("the digest algorithm {algorithm} is not computed")]
    DigestUnsupported {
        /// The algorithm.
        algorithm: ObjectIdentifier,
    },
    /// Content that is not plain data, signed without attributes.
    #[error("content of another type than data is signed without attributes (RFC 5652 5.3)")]
    AttributesMissing,
    /// An attribute that must be there is not.
    #[error("the signed attributes lack {attribute} (RFC 5652 5.3)")]
    AttributeMissing {
        /// Its name.
        attribute: &'static str,
    },
    /// The attribute and the content tell different types.
    #[error("the signed contentType {attribute} is not the content's {content} (RFC 5652 11.1)")]
    ContentTypeMismatch {
        /// What was signed.
        attribute: ObjectIdentifier,
        /// What stands there.
        content: ObjectIdentifier,
    },
    /// The digest that was signed is not the content's.
    #[error("the signed messageDigest is not the content's (RFC 5652 5.6)")]
    DigestMismatch,
    /// The signature algorithm has another digest than the signer's digestAlgorithm.
    #[error("the signature algorithm and the digest algorithm do not belong together (RFC 5652 5.4)")]
    DigestOfAnotherAlgorithm,
    /// A signature algorithm that we do not compute, or one that does not belong to the key.
    #[error("a signature of {algorithm} by the certificate's key is not computed")]
    SignatureUnsupported {
        /// The algorithm.
        algorithm: ObjectIdentifier,
    },
    /// The value is not the key's over these bytes.
    #[error("the signature value is wrong (RFC 5652 5.6)")]
    SignatureWrong,
    /// Content signed without attributes that could pass as attributes itself.
    #[error("the content could be read as signed attributes, so that nobody knows what was signed")]
    ContentReadsAsAttributes,
    /// A countersignature whose attributes name a content type.
    #[error("a countersignature has no content type, and its attributes name one (RFC 5652 11.4)")]
    CountersignatureContentType,
    /// The certificate is not the one whose digest was signed.
    #[error("the signed signingCertificate names another certificate (RFC 5035 5)")]
    SigningCertificateMismatch,
}

impl SignedDataError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CertificateMissing => "signer-certificate-missing",
            Self::CertificateAmbiguous => "signer-certificate-ambiguous",
            Self::ContentMissing => "content-missing",
            Self::ContentDiffers => "content-differs",
            Self::DigestUnsupported { .. } => "digest-unsupported",
            Self::AttributesMissing => "signed-attributes-missing",
            Self::AttributeMissing { .. } => "signed-attribute-missing",
            Self::ContentTypeMismatch { .. } => "content-type-mismatch",
            Self::DigestMismatch => "message-digest-mismatch",
            Self::DigestOfAnotherAlgorithm => "digest-not-of-signature-algorithm",
            Self::SignatureUnsupported { .. } => "signature-unsupported",
            Self::SignatureWrong => "signature-wrong",
            Self::ContentReadsAsAttributes => "content-reads-as-attributes",
            Self::CountersignatureContentType => "countersignature-content-type",
            Self::SigningCertificateMismatch => "signing-certificate-mismatch",
        }
    }
}

/// What the signature value is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScope {
    /// The signed attributes, which hold the content's digest.
    Attributes,
    /// The content itself.
    Content,
}

/// What the signer says of its certificate inside the signature (RFC 5035).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateNamed {
    /// Nothing.
    No,
    /// This one.
    Yes,
    /// One, by a digest that we do not compute (SHA-1).
    NotComputed,
}

/// Proof that a signer signed: only [`verify_signer`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerVerified {
    algorithm: SignatureAlgorithm,
    digest: DigestAlgorithm,
    encoding: ValueEncoding,
    scope: SignatureScope,
    certificate_named: CertificateNamed,
}

impl SignerVerified {
    /// How it was signed.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// How the content was digested.
    #[must_use]
    pub const fn digest(&self) -> DigestAlgorithm {
        self.digest
    }

    /// How the value was written; r‖s is the tolerance `raw-rs`.
    #[must_use]
    pub const fn encoding(&self) -> ValueEncoding {
        self.encoding
    }

    /// What the value is over.
    #[must_use]
    pub const fn scope(&self) -> SignatureScope {
        self.scope
    }

    /// Whether the certificate is named inside the signature.
    #[must_use]
    pub const fn certificate_named(&self) -> CertificateNamed {
        self.certificate_named
    }
}

/// The certificate that the signer names, among those at hand. Where several answer to the identifier, the one whose
/// digest was signed is taken. What does not parse is no candidate.
///
/// # Errors
/// [`SignedDataError::CertificateMissing`], [`SignedDataError::CertificateAmbiguous`].
pub fn find_signer_certificate<'c>(
    signer: &SignerInfo<'_>,
    candidates: impl IntoIterator<Item = &'c [u8]>,
) -> Result<Certificate<'c>, SignedDataError> {
    let mut found: Vec<Certificate<'c>> = Vec::new();
    for candidate in candidates {
        let Ok(certificate) = Certificate::parse(candidate) else { continue };
        if signer.identifier.names(&certificate) && found.iter().all(|known| known.raw != certificate.raw) {
            found.push(certificate);
        }
    }
    if found.len() > 1 {
        found.retain(|certificate| names_certificate(signer, certificate) == Ok(CertificateNamed::Yes));
        if found.len() != 1 {
            return Err(SignedDataError::CertificateAmbiguous);
        }
    }
    found.pop().ok_or(SignedDataError::CertificateMissing)
}

fn names_certificate(
    signer: &SignerInfo<'_>,
    certificate: &Certificate<'_>,
) -> Result<CertificateNamed, SignedDataError> {
    let named = signer.signed_attributes.as_ref().and_then(|attributes| attributes.signing_certificate);
    let Some(EssCertificate { hash_algorithm, hash, issuer_serial }) = named else { return Ok(CertificateNamed::No) };
    let Some(algorithm) = DigestAlgorithm::from_oid(hash_algorithm) else { return Ok(CertificateNamed::NotComputed) };
    let same_issuer = issuer_serial.is_none_or(|(issuer, serial)| {
        serial == certificate.serial && issuer.is_none_or(|issuer| issuer.raw() == certificate.issuer.raw())
    });
    if same_issuer && digest(algorithm, certificate.raw) == hash {
        Ok(CertificateNamed::Yes)
    } else {
        Err(SignedDataError::SigningCertificateMismatch)
    }
}

/// Whether the signer, whose certificate this is, signed the content. `detached` is the content's octets where the
/// message does not hold them; given beside attached ones, both must be equal.
///
/// # Errors
/// The first thing that is not right.
pub fn verify_signer(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    detached: Option<&[u8]>,
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<SignerVerified, SignedDataError> {
    verify_signer_of(message, signer, (detached, &mut ContentDigests::default()), certificate, tables)
}

/// Digests of one content, each computed once: many signers over one large content must not cost many times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentDigests {
    known: BTreeMap<DigestAlgorithm, Vec<u8>>,
}

impl ContentDigests {
    /// The digest of that content, which must be the same at every call.
    pub fn of(&mut self, algorithm: DigestAlgorithm, content: &[u8]) -> &[u8] {
        self.known.entry(algorithm).or_insert_with(|| digest(algorithm, content))
    }
}

/// As [`verify_signer`], for one of several signers of a content whose digests are kept.
///
/// # Errors
/// As [`verify_signer`].
pub fn verify_signer_of(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    (detached, digests): (Option<&[u8]>, &mut ContentDigests),
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<SignerVerified, SignedDataError> {
    if !signer.identifier.names(certificate) {
        return Err(SignedDataError::CertificateMissing);
    }
    let content = match (message.content_octets(), detached) {
        (Some(attached), Some(given)) if attached != given => return Err(SignedDataError::ContentDiffers),
        (Some(content), _) | (None, Some(content)) => content,
        (None, None) => return Err(SignedDataError::ContentMissing),
    };
    let algorithm = signer.digest_algorithm.oid;
    let digest_algorithm =
        DigestAlgorithm::from_oid(algorithm).ok_or(SignedDataError::DigestUnsupported { algorithm })?;
    let (signed, scope) = match &signer.signed_attributes {
        Some(attributes) => {
            check_attributes(attributes, message.content_type, digests.of(digest_algorithm, content))?;
            (Cow::Owned(attributes.to_sign()), SignatureScope::Attributes)
        }
        None => {
            if !is_data(message.content_type) {
                return Err(SignedDataError::AttributesMissing);
            }
            if reads_as_attributes(content) {
                return Err(SignedDataError::ContentReadsAsAttributes);
            }
            (Cow::Borrowed(content), SignatureScope::Content)
        }
    };
    let (algorithm, encoding) = check_signature(signer, digest_algorithm, &signed, certificate, tables)?;
    let certificate_named = names_certificate(signer, certificate)?;
    Ok(SignerVerified { algorithm, digest: digest_algorithm, encoding, scope, certificate_named })
}

/// As [`verify_signer`], for a detached content of which the digest is at hand, by the signer's digest algorithm.
///
/// # Errors
/// As [`verify_signer`]; [`SignedDataError::AttributesMissing`] where no attribute holds a digest.
pub fn verify_signer_by_digest(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    content_digest: &[u8],
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<SignerVerified, SignedDataError> {
    if !signer.identifier.names(certificate) {
        return Err(SignedDataError::CertificateMissing);
    }
    let algorithm = signer.digest_algorithm.oid;
    let digest = DigestAlgorithm::from_oid(algorithm).ok_or(SignedDataError::DigestUnsupported { algorithm })?;
    let attributes = signer.signed_attributes.as_ref().ok_or(SignedDataError::AttributesMissing)?;
    check_attributes(attributes, message.content_type, content_digest)?;
    let (algorithm, encoding) = check_signature(signer, digest, &attributes.to_sign(), certificate, tables)?;
    let certificate_named = names_certificate(signer, certificate)?;
    Ok(SignerVerified { algorithm, digest, encoding, scope: SignatureScope::Attributes, certificate_named })
}

/// Whether the value is the certificate's key's over the signed attributes, whatever they say of the content: what is
/// left to judge where the content is not the one that was signed, or not at hand.
///
/// # Errors
/// As [`verify_signer`]; [`SignedDataError::AttributesMissing`] where there are none.
pub fn verify_attributes(
    signer: &SignerInfo<'_>,
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<(SignatureAlgorithm, ValueEncoding), SignedDataError> {
    if !signer.identifier.names(certificate) {
        return Err(SignedDataError::CertificateMissing);
    }
    let algorithm = signer.digest_algorithm.oid;
    let digest = DigestAlgorithm::from_oid(algorithm).ok_or(SignedDataError::DigestUnsupported { algorithm })?;
    let attributes = signer.signed_attributes.as_ref().ok_or(SignedDataError::AttributesMissing)?;
    let right = check_signature(signer, digest, &attributes.to_sign(), certificate, tables)?;
    names_certificate(signer, certificate)?;
    Ok(right)
}

/// Whether the countersigner, whose certificate this is, signed that signature value (RFC 5652 11.4): as a signer signs a
/// content, but for the content type, which there is none of.
///
/// # Errors
/// The first thing that is not right.
pub fn verify_countersigner(
    signer: &SignerInfo<'_>,
    value: &[u8],
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<SignerVerified, SignedDataError> {
    if !signer.identifier.names(certificate) {
        return Err(SignedDataError::CertificateMissing);
    }
    let algorithm = signer.digest_algorithm.oid;
    let digest_algorithm =
        DigestAlgorithm::from_oid(algorithm).ok_or(SignedDataError::DigestUnsupported { algorithm })?;
    let (signed, scope) = match &signer.signed_attributes {
        Some(attributes) => {
            if attributes.content_type.is_some() {
                return Err(SignedDataError::CountersignatureContentType);
            }
            let missing = SignedDataError::AttributeMissing { attribute: "messageDigest" };
            if attributes.message_digest.ok_or(missing)? != digest(digest_algorithm, value) {
                return Err(SignedDataError::DigestMismatch);
            }
            (Cow::Owned(attributes.to_sign()), SignatureScope::Attributes)
        }
        None if reads_as_attributes(value) => return Err(SignedDataError::ContentReadsAsAttributes),
        None => (Cow::Borrowed(value), SignatureScope::Content),
    };
    let (algorithm, encoding) = check_signature(signer, digest_algorithm, &signed, certificate, tables)?;
    let certificate_named = names_certificate(signer, certificate)?;
    Ok(SignerVerified { algorithm, digest: digest_algorithm, encoding, scope, certificate_named })
}

/// Octets without meaning of their own, in the words of either family: a province's signatures name the content by the
/// one and the attribute by the other.
fn is_data(content: ObjectIdentifier) -> bool {
    ContentType::from_oid(content).is_some_and(|(_, kind)| kind == ContentType::Data)
}

fn check_attributes(
    attributes: &SignedAttributes<'_>,
    content: ObjectIdentifier,
    expected: &[u8],
) -> Result<(), SignedDataError> {
    let missing = |attribute| SignedDataError::AttributeMissing { attribute };
    let attribute = attributes.content_type.ok_or(missing("contentType"))?;
    let signed_digest = attributes.message_digest.ok_or(missing("messageDigest"))?;
    if attribute != content && !(is_data(attribute) && is_data(content)) {
        return Err(SignedDataError::ContentTypeMismatch { attribute, content });
    }
    if signed_digest == expected { Ok(()) } else { Err(SignedDataError::DigestMismatch) }
}

fn check_signature(
    signer: &SignerInfo<'_>,
    digest_algorithm: DigestAlgorithm,
    signed: &[u8],
    certificate: &Certificate<'_>,
    tables: &KeyTables,
) -> Result<(SignatureAlgorithm, ValueEncoding), SignedDataError> {
    let mut identifier = signer.signature_algorithm;
    let unsupported = SignedDataError::SignatureUnsupported { algorithm: identifier.oid };
    // rsaEncryption says nothing of the digest: the signer's digestAlgorithm does (RFC 3370 3.2).
    if identifier.oid == OID_RSA {
        let oid = SignatureAlgorithm::RsaPkcs1(digest_algorithm).oid().ok_or(unsupported.clone())?;
        identifier = AlgorithmIdentifier { oid, ..identifier };
    }
    if SignatureAlgorithm::from_oid(identifier.oid).is_some_and(|algorithm| algorithm.digest() != digest_algorithm) {
        return Err(SignedDataError::DigestOfAnotherAlgorithm);
    }
    match check_signed(&certificate.public_key, &identifier, (signed, signer.signature), tables) {
        // RSASSA-PSS tells its digest in its parameters.
        CheckedValue::Right { algorithm, .. } if algorithm.digest() != digest_algorithm => {
            Err(SignedDataError::DigestOfAnotherAlgorithm)
        }
        CheckedValue::Right { algorithm, encoding } => Ok((algorithm, encoding)),
        CheckedValue::Wrong { .. } => Err(SignedDataError::SignatureWrong),
        CheckedValue::Unsupported => Err(unsupported),
    }
}

/// The `signatureAlgorithm` of a SignerInfo, DER: `rsaEncryption` for RSASSA-PKCS1-v1_5 with SHA-2 (RFC 3370 3.2: what
/// every peer takes), with parameters for RSASSA-PSS (RFC 4056 3), without for the others.
#[must_use]
pub fn signature_algorithm_identifier(algorithm: SignatureAlgorithm) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|outer| match algorithm {
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sm3) => _ = outer.oid(OID_SM3_RSA).null(),
        SignatureAlgorithm::RsaPkcs1(_) => _ = outer.oid(OID_RSA).null(),
        SignatureAlgorithm::RsaPss(digest) => {
            let named = |inner: &mut Writer| {
                inner.sequence(|identifier| {
                    identifier.oid(digest.oid()).null();
                });
            };
            outer.oid(OID_RSA_PSS).sequence(|parameters| {
                parameters.context(0, named);
                parameters.context(1, |inner| {
                    inner.sequence(|mask| {
                        mask.oid(OID_MGF1);
                        named(mask);
                    });
                });
                parameters.context(2, |inner| {
                    // At most 64.
                    inner.small(u32::try_from(digest.size()).unwrap_or(0));
                });
            });
        }
        _ => {
            if let Some(oid) = algorithm.oid() {
                outer.oid(oid);
            }
        }
    });
    writer.into_bytes()
}

/// The `digestAlgorithm` of a SignerInfo, DER, without parameters (RFC 5754 2).
#[must_use]
pub fn digest_algorithm_identifier(algorithm: DigestAlgorithm) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|identifier| {
        identifier.oid(algorithm.oid());
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{Signer, rsa, sm2};
    use crate::domain::ca::specimen;
    use crate::format::cms::{
        Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2,
    };

    fn certificate(key: &dyn Signer, serial: u8) -> Vec<u8> {
        let now = crate::base::clock::Timestamp::from_unix(1_800_000_000);
        // The RSA key of these tests signs by RSASSA-PSS, which certificates of ours do not.
        let maker = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        specimen::certificate("seal-maker", ("c", &key.public_key()), ("o", &maker), serial, now)
    }

    struct Wanted<'a> {
        family: Family,
        content_type: ObjectIdentifier,
        attributes: &'a [NewAttribute],
        digest: DigestAlgorithm,
        algorithm: &'a [u8],
    }

    fn signed(key: &dyn Signer, certificate: &[u8], content: &[u8], wanted: &Wanted<'_>) -> Vec<u8> {
        let read = Certificate::parse(certificate).unwrap();
        let attributes = wanted.attributes;
        let to_sign = if attributes.is_empty() { content.to_vec() } else { NewAttribute::to_sign(attributes) };
        let value = key.sign(&to_sign, &SystemRandom).unwrap();
        let signer = NewSigner {
            identifier: SignerIdentifier::IssuerAndSerial { issuer: read.issuer, serial: read.serial },
            digest_algorithm: &digest_algorithm_identifier(wanted.digest),
            signed_attributes: attributes,
            signature_algorithm: wanted.algorithm,
            signature: &crate::domain::trust::key::encode_value(key.algorithm(), &value),
            unsigned_attributes: &[],
        };
        let (family, content_type) = (wanted.family, wanted.content_type);
        NewSignedData {
            family,
            content_type,
            content: Some(content),
            certificates: &[certificate],
            crls: &[],
            signers: &[signer],
        }
        .to_der()
    }

    fn judged(message: &[u8], candidates: &[&[u8]]) -> Result<SignerVerified, SignedDataError> {
        let message = SignedData::parse(message).unwrap();
        let signer = message.signers.first().unwrap();
        let certificate = find_signer_certificate(signer, candidates.iter().copied())?;
        verify_signer(&message, signer, None, &certificate, &KeyTables::default())
    }

    #[test]
    fn algorithms_and_content_types_must_fit() {
        let key = rsa::PrivateKey::generate(3072).unwrap();
        let pss = SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha384);
        let plain = certificate(&key, 1);
        let data = Family::Cms.oid(ContentType::Data);
        let identifier = signature_algorithm_identifier(SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256));
        let good = Wanted {
            family: Family::Cms,
            content_type: data,
            attributes: &[],
            digest: DigestAlgorithm::Sha256,
            algorithm: &identifier,
        };
        let found = judged(&signed(&key, &plain, b"text", &good), &[&plain]).unwrap();
        assert_eq!((found.algorithm(), found.scope()), (key.algorithm(), SignatureScope::Content));
        assert_eq!(found.certificate_named(), CertificateNamed::No);
        // rsaEncryption takes its digest from digestAlgorithm; here it is another one than was signed.
        let other = Wanted { digest: DigestAlgorithm::Sha512, ..good };
        assert_eq!(judged(&signed(&key, &plain, b"text", &other), &[&plain]), Err(SignedDataError::SignatureWrong));
        let mut named = Writer::new();
        named.sequence(|inner| _ = inner.oid(key.algorithm().oid().unwrap()).null());
        let named = named.into_bytes();
        let other = Wanted { digest: DigestAlgorithm::Sha512, algorithm: &named, ..good };
        let unfit = Err(SignedDataError::DigestOfAnotherAlgorithm);
        assert_eq!(judged(&signed(&key, &plain, b"text", &other), &[&plain]), unfit);
        let mixed = signature_algorithm_identifier(pss);
        let wrong = Wanted { algorithm: &mixed, ..good };
        assert_eq!(judged(&signed(&key, &plain, b"text", &wrong), &[&plain]), Err(SignedDataError::SignatureWrong));
        let key = key.signing_with(pss).unwrap();
        assert_eq!(judged(&signed(&key, &plain, b"text", &wrong), &[&plain]), unfit, "RSASSA-PSS over SHA-384");
        let fitting = Wanted { digest: DigestAlgorithm::Sha384, ..wrong };
        assert_eq!(judged(&signed(&key, &plain, b"text", &fitting), &[&plain]).map(|found| found.algorithm()), Ok(pss));
        let foreign = signature_algorithm_identifier(SignatureAlgorithm::Sm2Sm3);
        let foreign = Wanted { digest: DigestAlgorithm::Sm3, algorithm: &foreign, ..good };
        let algorithm = SignatureAlgorithm::Sm2Sm3.oid().unwrap();
        let unsupported = Err(SignedDataError::SignatureUnsupported { algorithm });
        assert_eq!(judged(&signed(&key, &plain, b"text", &foreign), &[&plain]), unsupported);
        let typed = Wanted { content_type: ObjectIdentifier::new_unwrap("1.2.3"), ..good };
        let missing = Err(SignedDataError::AttributesMissing);
        assert_eq!(judged(&signed(&key, &plain, b"text", &typed), &[&plain]), missing);
    }

    #[test]
    fn content_that_could_be_attributes_is_signed_by_nobody() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let own = certificate(&key, 1);
        let data = Family::Gm.oid(ContentType::Data);
        let identifier = signature_algorithm_identifier(SignatureAlgorithm::Sm2Sm3);
        let wanted = Wanted {
            family: Family::Gm,
            content_type: data,
            attributes: &[],
            digest: DigestAlgorithm::Sm3,
            algorithm: &identifier,
        };
        let attributes = [NewAttribute::content_type(data), NewAttribute::message_digest(&[7; 32])];
        let forged = signed(&key, &own, &NewAttribute::to_sign(&attributes), &wanted);
        assert_eq!(judged(&forged, &[&own]), Err(SignedDataError::ContentReadsAsAttributes));
        assert!(judged(&signed(&key, &own, b"text", &wanted), &[&own]).is_ok());
    }

    #[test]
    fn of_certificates_with_one_name_the_signed_digest_tells() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        // The same issuer, serial number and key, signed twice.
        let (own, twin) = (certificate(&key, 1), certificate(&key, 1));
        let other = certificate(&key, 2);
        let read = Certificate::parse(&own).unwrap();
        let data = Family::Cms.oid(ContentType::Data);
        let identifier = signature_algorithm_identifier(SignatureAlgorithm::Sm2Sm3);
        let sm3 = |octets: &[u8]| digest(DigestAlgorithm::Sm3, octets);
        let plain = [NewAttribute::content_type(data), NewAttribute::message_digest(&sm3(b"text"))];
        let names = (read.issuer.raw(), read.serial);
        let naming = signing_certificate_v2(DigestAlgorithm::Sm3.oid(), &sm3(&own), names);
        let with_name = [&plain[..], &[naming]].concat();
        let wanted = |attributes| Wanted {
            family: Family::Cms,
            content_type: data,
            attributes,
            digest: DigestAlgorithm::Sm3,
            algorithm: &identifier,
        };
        let unnamed = signed(&key, &own, b"text", &wanted(&plain));
        let named = signed(&key, &own, b"text", &wanted(&with_name));
        let all = [other.as_slice(), &twin, &own, &own];
        assert_eq!(judged(&unnamed, &all), Err(SignedDataError::CertificateAmbiguous));
        assert_eq!(judged(&named, &all).map(|found| found.certificate_named()), Ok(CertificateNamed::Yes));
        assert_eq!(judged(&named, &[&twin]), Err(SignedDataError::SigningCertificateMismatch));
        assert_eq!(judged(&unnamed, &[&other, b"no certificate"]), Err(SignedDataError::CertificateMissing));
    }
}
