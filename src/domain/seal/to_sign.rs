//! What a client signs with a key of its own, read back before it signs: the signed part of a seal signature (`TBS_Sign`) of a
//! seal that lists that key, and nothing else.
//!
//! Not looked at: whether the seal's maker is trusted, whether the document is the one that the client handed in. The digest
//! in there is that of the document's Signature.xml, which the service writes.

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
use crate::domain::seal::taking::lists;
use crate::domain::trust::key::public_key;
use crate::format::ses::{self, CertificateList, Layout, NewSignature, SesSignature};
use crate::format::x509::Certificate;

/// Why nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not what is signed with a seal: a client's key would sign a stranger's octets.
    #[error("these octets are not what is signed with a seal (GB/T 38540-2020 7, TBS_Sign)")]
    NotToSign(#[source] ses::Error),
    /// The seal lists digests, so that the certificate must be told.
    #[error("the seal lists digests of certificates: the signer's certificate is needed")]
    CertificateNeeded,
    /// The seal does not list a certificate of that key.
    #[error("the seal lists no certificate of this key")]
    NotListed,
    /// The service names another algorithm than the one by which the key signs.
    #[error("the octets are to be signed by {asked}, and this key signs by {own}")]
    Algorithm {
        /// Named beside the octets.
        asked: String,
        /// The key's.
        own: &'static str,
    },
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotToSign(_) => "not-to-sign",
            Self::CertificateNeeded => "signer-certificate-needed",
            Self::NotListed => "signer-not-listed",
            Self::Algorithm { .. } => "signer-algorithm",
        }
    }
}

/// What would be signed, for the person whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// `esID`: the seal's code.
    pub es_id: String,
    /// `property.name`: what the seal is called.
    pub name: String,
    /// `timeInfo`: when it says that it is signed.
    pub at: Option<Timestamp>,
    /// `dataHash`: the digest of Signature.xml.
    pub data_hash: Vec<u8>,
    /// `propertyInfo`: the path of Signature.xml.
    pub property_info: String,
}

/// Reads what is to be signed by that key, which signs by that algorithm. `asked` is the algorithm that the service names,
/// `certificate` the signer's (DER), where the client has it.
///
/// # Errors
/// It is something else, or not for that key: then nothing may be signed.
pub fn read(
    octets: &[u8],
    (key, own): (&PublicKey, SignatureAlgorithm),
    asked: &str,
    certificate: Option<&[u8]>,
) -> Result<ToSign, Error> {
    // The signed part is read where it stands in a signature: there is one reader of it. What closes the structure around it
    // is never used.
    let whole = |layout| NewSignature::assemble(layout, octets, &[], OID_SM2_WITH_SM3, &[0]);
    let (of_four, of_one) = (whole(Layout::V4), whole(Layout::V1));
    let parsed = match SesSignature::parse_any(&of_four) {
        Ok(parsed) => Ok(parsed),
        Err(error) => SesSignature::parse_any(&of_one).map_err(|_| error),
    };
    let parsed = parsed.map_err(Error::NotToSign)?;
    if asked != own.name() {
        return Err(Error::Algorithm { asked: asked.to_owned(), own: own.name() });
    }
    let is_of_key = |der: &[u8]| {
        let certificate = Certificate::parse(der).ok();
        certificate.and_then(|certificate| public_key(&certificate.public_key)).as_ref() == Some(key)
    };
    let is_listed = match (certificate, &parsed.seal.certificates) {
        (Some(certificate), _) => lists(&parsed.seal, certificate) && is_of_key(certificate),
        (None, CertificateList::Certificates(all)) => all.iter().any(|der| is_of_key(der)),
        (None, CertificateList::Digests(_)) => return Err(Error::CertificateNeeded),
    };
    if !is_listed {
        return Err(Error::NotListed);
    }
    Ok(ToSign {
        es_id: parsed.seal.es_id.to_owned(),
        name: parsed.seal.name.to_owned(),
        at: parsed.time,
        data_hash: parsed.data_hash.to_vec(),
        property_info: parsed.property_info.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{Signer as _, sm2};
    use crate::domain::ca::specimen;
    use crate::domain::seal::maker;
    use crate::domain::trust::AlgorithmPolicy;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const WHOLE: maker::SignerList = maker::SignerList::Certificates;

    /// A client's key, its certificate, and what it would sign with a seal of that form.
    fn made(form: maker::SealForm, list: maker::SignerList) -> (sm2::PrivateKey, Vec<u8>, Vec<u8>) {
        let [ca, maker, signer] = [(); 3].map(|()| sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let certificate = |key: &sm2::PrivateKey, profile: &str, serial| {
            let key = PublicKey::Sm2(key.public_key());
            specimen::certificate(profile, ("印章", &key), ("根", &ca), serial, NOW)
        };
        let (maker_der, signer_der) = (certificate(&maker, "seal-maker", 1), certificate(&signer, "seal-signer", 2));
        let request = maker::SealRequest {
            es_id: "33010600000001",
            name: "示例章",
            signers: &[&signer_der],
            created: NOW,
            valid_end: NOW.plus_days(9),
            picture_type: "png",
            picture: b"picture",
            size_mm: (40, 40),
            kind: 1,
            form,
            list,
        };
        let policy = AlgorithmPolicy::whatever_we_compute();
        let token = maker::prepare(&request, &maker_der, maker.algorithm(), &policy).unwrap();
        let value = maker.sign(token.to_sign(), &SystemRandom).unwrap();
        let seal = token.assemble(&value).unwrap();
        let layout = ses::SesSeal::parse_any(&seal).unwrap().layout;
        let tbs = NewSignature {
            layout,
            seal: &seal,
            time: NOW,
            data_hash: &[3; 32],
            property_info: "/Doc_0/Signs/Sign_0/Signature.xml",
            certificate: &signer_der,
            signature_algorithm: OID_SM2_WITH_SM3,
        };
        let tbs = tbs.to_tbs();
        (signer, signer_der, tbs)
    }

    fn asked(tbs: &[u8], key: &sm2::PrivateKey, algorithm: &str, certificate: Option<&[u8]>) -> Result<ToSign, Error> {
        read(tbs, (&PublicKey::Sm2(key.public_key()), key.algorithm()), algorithm, certificate)
    }

    #[test]
    fn a_client_signs_for_its_own_seal_alone() {
        for form in [maker::SealForm::V1, maker::SealForm::V4, maker::SealForm::V5] {
            let (key, certificate, tbs) = made(form, WHOLE);
            let told = asked(&tbs, &key, "sm2-sm3", None).unwrap();
            let expected = ToSign {
                es_id: "33010600000001".into(),
                name: "示例章".into(),
                at: Some(NOW),
                data_hash: vec![3; 32],
                property_info: "/Doc_0/Signs/Sign_0/Signature.xml".into(),
            };
            assert_eq!(told, expected);
            assert_eq!(asked(&tbs, &key, "sm2-sm3", Some(&certificate)), Ok(expected));
            let other = sm2::PrivateKey::generate(&SystemRandom).unwrap();
            assert_eq!(asked(&tbs, &other, "sm2-sm3", None), Err(Error::NotListed));
            assert_eq!(asked(&tbs, &other, "sm2-sm3", Some(&certificate)), Err(Error::NotListed));
            let elses = made(form, WHOLE).1;
            assert_eq!(asked(&tbs, &key, "sm2-sm3", Some(&elses)), Err(Error::NotListed));
            let wrong = Error::Algorithm { asked: "rsa-pkcs1-sha256".into(), own: "sm2-sm3" };
            assert_eq!(asked(&tbs, &key, "rsa-pkcs1-sha256", None), Err(wrong));
        }
    }

    #[test]
    fn a_client_signs_nothing_but_what_is_signed_with_a_seal() {
        let (key, certificate, tbs) = made(maker::SealForm::V4, WHOLE);
        let mut longer = tbs.clone();
        longer.push(0);
        for octets in [b"".as_slice(), b"a stranger's octets", &tbs[1..], &longer, &certificate] {
            let refused = asked(octets, &key, "sm2-sm3", None).unwrap_err();
            assert_eq!(refused.code(), "not-to-sign", "{octets:02x?}");
        }
    }

    #[test]
    fn digests_need_the_certificate() {
        let (key, certificate, tbs) = made(maker::SealForm::V4, maker::SignerList::Digests);
        assert_eq!(asked(&tbs, &key, "sm2-sm3", None), Err(Error::CertificateNeeded));
        assert!(asked(&tbs, &key, "sm2-sm3", Some(&certificate)).is_ok());
    }
}
