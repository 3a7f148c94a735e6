//! Taking in a seal that a maker elsewhere made for a key of ours: what it must say before it is kept.
//!
//! Whether its maker is trusted is not asked here: those ask who verify, each with anchors of their own.

use crate::crypto::digest::sm3;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::key::{CheckedValue, check_value, public_key, subject_public_key_info};
use crate::format::der;
use crate::format::ses::{self, CertificateList, SesSeal};
use crate::format::x509::Certificate;

/// Why a seal is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("the seal cannot be read")]
    Seal(#[from] ses::Error),
    /// A certificate cannot be read.
    #[error("the {whose}'s certificate cannot be read")]
    Certificate {
        /// `maker` or `signer`.
        whose: &'static str,
        /// Why.
        source: der::Error,
    },
    /// The signer's certificate is not for signing.
    #[error("the signer's certificate is not for signing")]
    NotForSigning,
    /// The signer's certificate is of another key than the one that shall use the seal.
    #[error("the signer's certificate is not the key's")]
    OtherKey,
    /// The seal does not list the signer's certificate itself (GB/T 38540-2020 6, certList).
    #[error("the seal does not list the signer's certificate")]
    NotListed,
    /// The maker's signature on the seal is wrong, or of an algorithm that we do not compute.
    #[error("the maker's signature on the seal is not right")]
    MakerSignature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Seal(_) => "seal-unreadable",
            Self::Certificate { .. } => "certificate-unreadable",
            Self::NotForSigning => "signer-certificate-unusable",
            Self::OtherKey => "certificate-of-another-key",
            Self::NotListed => "signer-not-listed",
            Self::MakerSignature => "seal-signature-wrong",
        }
    }
}

/// The seal and its signer's certificate, if a key with that SubjectPublicKeyInfo (DER) may use the one by the other.
///
/// # Errors
/// They do not belong together, or the maker's signature is not right.
pub fn examine<'a>(seal: &'a [u8], certificate: &'a [u8], key: &[u8]) -> Result<(SesSeal<'a>, Certificate<'a>), Error> {
    let (seal, signer) = belong(seal, certificate, Some(key))?;
    let parse = |der, whose| Certificate::parse(der).map_err(|source| Error::Certificate { whose, source });
    let maker = parse(seal.maker_certificate, "maker")?;
    let signed = seal.signed_bytes();
    let value = (&*signed, seal.signed_value);
    match check_value(&maker.public_key, seal.signature_algorithm, value, &KeyTables::default()) {
        CheckedValue::Right { .. } => Ok((seal, signer)),
        CheckedValue::Wrong { .. } | CheckedValue::Unsupported => Err(Error::MakerSignature),
    }
}

/// The seal and its signer's certificate, if they belong together, and to that key where one is named. The maker's signature
/// is not looked at.
///
/// # Errors
/// They do not belong together.
pub fn belong<'a>(
    seal: &'a [u8],
    certificate: &'a [u8],
    key: Option<&[u8]>,
) -> Result<(SesSeal<'a>, Certificate<'a>), Error> {
    let seal = SesSeal::parse_any(seal)?;
    let signer = Certificate::parse(certificate).map_err(|source| Error::Certificate { whose: "signer", source })?;
    if !signer.allows_signing() {
        return Err(Error::NotForSigning);
    }
    // Compared as we write it: certificates write the parameters of an algorithm in more than one way.
    let own = || public_key(&signer.public_key).map(|key| subject_public_key_info(&key));
    if key.is_some_and(|key| own().as_deref() != Some(key)) {
        return Err(Error::OtherKey);
    }
    if !lists(&seal, certificate) {
        return Err(Error::NotListed);
    }
    Ok((seal, signer))
}

/// Whether a seal lists a certificate (DER): itself, or its SM3. Digests by other algorithms are judged, and not used here.
pub(in crate::domain::seal) fn lists(seal: &SesSeal<'_>, certificate: &[u8]) -> bool {
    match &seal.certificates {
        CertificateList::Certificates(all) => all.contains(&certificate),
        CertificateList::Digests(all) => all.iter().any(|listed| listed.value == sm3(certificate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::random::SystemRandom;
    use crate::crypto::{PublicKey, Signer as _, sm2};
    use crate::domain::ca::specimen;
    use crate::domain::seal::maker;
    use crate::domain::trust::AlgorithmPolicy;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn certificate(key: &PublicKey, profile: &str, by: &sm2::PrivateKey, serial: u8) -> Vec<u8> {
        specimen::certificate(profile, ("印章", key), ("根", by), serial, NOW)
    }

    #[test]
    fn a_seal_is_taken_for_its_signers_key_alone() {
        let [ca, maker, signer, other] = [(); 4].map(|()| sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let public = |key: &sm2::PrivateKey| PublicKey::Sm2(key.public_key());
        let maker_der = certificate(&public(&maker), "seal-maker", &ca, 1);
        let signer_der = certificate(&public(&signer), "seal-signer", &ca, 2);
        let again_der = certificate(&public(&signer), "seal-signer", &ca, 3);
        let authority_der = certificate(&public(&signer), "seal-issuing-ca", &ca, 4);
        let request = maker::SealRequest {
            es_id: "99000000000001",
            name: "示例章",
            signers: &[&signer_der],
            created: NOW,
            valid_end: NOW.plus_days(9),
            picture_type: "png",
            picture: b"picture",
            size_mm: (40, 40),
            kind: 1,
            form: maker::SealForm::V4,
            list: maker::SignerList::Certificates,
        };
        let token =
            maker::prepare(&request, &maker_der, maker.algorithm(), &AlgorithmPolicy::whatever_we_compute()).unwrap();
        let value = maker.sign(token.to_sign(), &SystemRandom).unwrap();
        let seal = token.assemble(&value).unwrap();
        let (own, foreign) = (subject_public_key_info(&public(&signer)), subject_public_key_info(&public(&other)));

        let (taken, certificate) = examine(&seal, &signer_der, &own).unwrap();
        assert_eq!((taken.es_id, certificate.raw), ("99000000000001", &signer_der[..]));
        let refused =
            |seal: &[u8], certificate: &[u8], key: &[u8]| examine(seal, certificate, key).map(|_| ()).unwrap_err();
        assert_eq!(refused(&seal, &signer_der, &foreign), Error::OtherKey);
        assert_eq!(refused(&seal, &again_der, &own), Error::NotListed);
        assert_eq!(refused(&seal, &authority_der, &own), Error::NotForSigning);
        assert_eq!(refused(&seal, &seal, &own).code(), "certificate-unreadable");
        assert_eq!(refused(&signer_der, &signer_der, &own).code(), "seal-unreadable");
        // The picture is under the maker's signature.
        let at = seal.windows(7).position(|octets| octets == b"picture").unwrap();
        let mut changed = seal.clone();
        changed[at] = b'P';
        assert_eq!(refused(&changed, &signer_der, &own), Error::MakerSignature);
    }
}
