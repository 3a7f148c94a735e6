//! Issuing one certificate: `prepare` decides what it says, the service signs, `assemble` checks and joins.
//!
//! Only an [`IssuanceToken`] can become a certificate, and it is used up by that: one decision, one signature.

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::format::der::ObjectIdentifier;
use crate::format::x509::extension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use crate::format::x509::{BasicConstraints, KeyUsage, NewCertificate, NewExtension, NewName};

/// What a certificate is for. Each profile fixes basicConstraints and keyUsage (GB/T 20518 5.2.3, RFC 5280 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A root: may have one authority below it.
    Root,
    /// An authority that issues end certificates only.
    Authority,
    /// A seal maker: signs seals.
    SealMaker,
    /// A signer: signs documents with a seal.
    SealSigner,
}

impl Profile {
    const fn basic_constraints(self) -> BasicConstraints {
        match self {
            Self::Root => BasicConstraints { authority: true, path_length: Some(1) },
            Self::Authority => BasicConstraints { authority: true, path_length: Some(0) },
            Self::SealMaker | Self::SealSigner => BasicConstraints { authority: false, path_length: None },
        }
    }

    const fn key_usage(self) -> KeyUsage {
        match self {
            Self::Root | Self::Authority => KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
            Self::SealMaker | Self::SealSigner => KeyUsage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION),
        }
    }
}

/// Who issues.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// Its name, DER.
    pub name: &'a [u8],
    /// Its key.
    pub key: &'a PublicKey,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The subject's name.
    pub subject: &'a NewName,
    /// The subject's key.
    pub key: &'a PublicKey,
    /// What for.
    pub profile: Profile,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// 128 random bits.
    pub serial: &'a [u8; 16],
}

/// Why no certificate is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The validity is empty.
    #[error("the validity ends before it begins (RFC 5280 4.1.2.5)")]
    EmptyValidity,
    /// A name part is empty or longer than X.520 allows.
    #[error("a part of the subject's name is empty or has more than 64 characters (RFC 5280 A.1)")]
    Name,
    /// The serial number is zero.
    #[error("the serial number is zero (RFC 5280 4.1.2.2)")]
    Serial,
    /// The issuer's algorithm is not told by an object identifier alone, or does not belong to its key.
    #[error("the issuer's algorithm cannot sign certificates")]
    Algorithm,
    /// What came back from the key store is not the issuer's signature.
    #[error("the signature is not the issuer's over this certificate")]
    Signature,
}

/// A decision to issue exactly these bytes.
#[derive(Debug)]
pub struct IssuanceToken {
    tbs: Vec<u8>,
    issuer: PublicKey,
    algorithm: SignatureAlgorithm,
    oid: ObjectIdentifier,
}

/// Decides what the certificate says.
///
/// # Errors
/// The request breaks a rule of RFC 5280.
pub fn prepare(request: &Request<'_>, issuer: &Issuer<'_>) -> Result<IssuanceToken, Error> {
    if request.not_after < request.not_before {
        return Err(Error::EmptyValidity);
    }
    let fits = |part: &str| (1..=64).contains(&part.chars().count());
    if !fits(&request.subject.organisation) || !fits(&request.subject.common_name) {
        return Err(Error::Name);
    }
    if request.serial.iter().all(|byte| *byte == 0) {
        return Err(Error::Serial);
    }
    let oid = issuer.algorithm.oid().filter(|_| issuer.key.signs_with(issuer.algorithm)).ok_or(Error::Algorithm)?;
    let subject_key = subject_public_key_info(request.key);
    let (own, above) = (key_identifier(request.key), key_identifier(issuer.key));
    let extensions = [
        NewExtension::new(true, &request.profile.basic_constraints()),
        NewExtension::new(true, &request.profile.key_usage()),
        NewExtension::new(false, &SubjectKeyIdentifier(&own)),
        NewExtension::new(
            false,
            &AuthorityKeyIdentifier { key_identifier: Some(&above), ..AuthorityKeyIdentifier::default() },
        ),
    ];
    let tbs = NewCertificate {
        serial: request.serial,
        signature_algorithm: oid,
        issuer: issuer.name,
        not_before: request.not_before,
        not_after: request.not_after,
        subject: &request.subject.to_der(),
        public_key: &subject_key,
        extensions: &extensions,
    }
    .to_tbs();
    Ok(IssuanceToken { tbs, issuer: issuer.key.clone(), algorithm: issuer.algorithm, oid })
}

impl IssuanceToken {
    /// The bytes to sign: `tbsCertificate`.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.tbs
    }

    /// The certificate, from the value of fixed width that the issuer's key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing is issued.
    pub fn assemble(self, value: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.issuer.verify(self.algorithm, &self.tbs, value) {
            return Err(Error::Signature);
        }
        Ok(NewCertificate::assemble(&self.tbs, self.oid, &encode_value(self.algorithm, value)))
    }
}

/// The first 20 octets of SM3 over the key's SubjectPublicKeyInfo: RFC 5280 4.2.1.2 leaves the method open.
fn key_identifier(key: &PublicKey) -> Vec<u8> {
    sm3(&subject_public_key_info(key)).into_iter().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::base::random::SystemRandom;
    use crate::crypto::{Signer, sm2};
    use crate::domain::trust::{Budget, TrustAnchors, find_path};
    use crate::format::x509::Certificate;

    fn name(common_name: &str) -> NewName {
        NewName { organisation: "示例市印信演示局".into(), common_name: common_name.into() }
    }

    #[test]
    fn a_chain_of_ours_is_a_path_of_ours() {
        let (root, end) =
            (sm2::PrivateKey::generate(&SystemRandom).unwrap(), sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let now = Timestamp::from_unix(1_800_000_000);
        let issue = |subject: &NewName, key: &PublicKey, profile, serial: u8| {
            let root_key = Signer::public_key(&root);
            let request =
                Request { subject, key, profile, not_before: now, not_after: now.plus_days(9), serial: &[serial; 16] };
            let issuer = Issuer { name: &name("根").to_der(), key: &root_key, algorithm: root.algorithm() };
            let token = prepare(&request, &issuer).unwrap();
            let value = root.sign(token.to_sign(), &SystemRandom).unwrap();
            token.assemble(&value).unwrap()
        };
        let root_der = issue(&name("根"), &Signer::public_key(&root), Profile::Root, 1);
        let end_der = issue(&name("签章人"), &Signer::public_key(&end), Profile::SealSigner, 2);
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&root_der, "root").unwrap();
        let certificate = Certificate::parse(&end_der).unwrap();
        let path = find_path(&certificate, &trust, now, &mut Budget::new(&Limits::DEFAULT), &sm2::KeyTables::default())
            .unwrap();
        assert_eq!(path.subjects(), ["C=CN, O=示例市印信演示局, CN=签章人", "C=CN, O=示例市印信演示局, CN=根"]);
    }

    #[test]
    fn broken_requests_and_foreign_signatures_are_refused() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let public = Signer::public_key(&key);
        let (subject, empty) = (name("a"), name(""));
        let now = Timestamp::from_unix(0);
        let good = Request {
            subject: &subject,
            key: &public,
            profile: Profile::Root,
            not_before: now,
            not_after: now,
            serial: &[1; 16],
        };
        let der = subject.to_der();
        let issuer = Issuer { name: &der, key: &public, algorithm: SignatureAlgorithm::Sm2Sm3 };
        let refuse = |request: Request<'_>| prepare(&request, &issuer).unwrap_err();
        assert_eq!(refuse(Request { not_after: now.plus_seconds(-1), ..good }), Error::EmptyValidity);
        assert_eq!(refuse(Request { subject: &empty, ..good }), Error::Name);
        assert_eq!(refuse(Request { serial: &[0; 16], ..good }), Error::Serial);
        let token = prepare(&good, &issuer).unwrap();
        let other = key.sign(b"something else", &SystemRandom).unwrap();
        assert_eq!(token.assemble(&other), Err(Error::Signature));
    }
}
