//! Requests of PKCS#10: that the applicant holds the key, and what of the request the profile takes.

use crate::crypto::PublicKey;
use crate::crypto::sm2::KeyTables;
use crate::domain::ca::identity::{IdentityError, IdentityValue};
use crate::domain::ca::profile::{Profile, Treatment};
use crate::domain::ca::subject::{self, Attributes, SubjectError};
use crate::domain::trust::key::{CheckedValue, check_signed, public_key};
use crate::format::der::{self, ObjectIdentifier};
use crate::format::x509::Certificate;
use crate::format::x509::csr::CertificationRequest;
use crate::format::x509::extension::SubjectAltName;
use crate::format::x509::{ExtensionValue as _, NewGeneralName};

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PossessionError {
    /// Not a request of RFC 2986.
    #[error("not a certification request (RFC 2986 4)")]
    Malformed(#[source] der::Error),
    /// A key of a kind or curve that nobody certifies here, or none.
    #[error("the key of the request is none that is certified")]
    Key,
    /// The signature is by an algorithm that does not belong to the key, or is not accepted.
    #[error("the request is signed by an algorithm that is not accepted")]
    Algorithm,
    /// The signature is wrong: the applicant does not hold the key, or the request was changed.
    #[error("the signature of the request is not by its key (RFC 2986 4.2)")]
    Signature,
    /// The request is for another key than the certificate it comes with.
    #[error("the request is not by the key of the certificate")]
    OtherKey,
    /// A certificate that its own key did not sign, and no request beside it.
    #[error(
        "nothing proves that the authority holds its key: the certificate is not self-signed, and no request came with it"
    )]
    NotProved,
    /// A name cannot be certified.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A number of identity cannot be certified.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The profile refuses an extension that was asked for.
    #[error("the profile refuses the extension {oid}")]
    Extension {
        /// Which.
        oid: ObjectIdentifier,
    },
}

impl PossessionError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "csr-malformed",
            Self::Key => "csr-key",
            Self::Algorithm => "csr-algorithm",
            Self::Signature => "csr-signature",
            Self::OtherKey => "csr-other-key",
            Self::NotProved => "possession-missing",
            Self::Subject(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Extension { .. } => "extension-refused",
        }
    }
}

/// Every number of identity that a request asks for; whether it is signed is not looked at.
///
/// # Errors
/// One that cannot be read, or is of the wrong form.
pub fn identity_in(request: &CertificationRequest<'_>) -> Result<Vec<IdentityValue>, PossessionError> {
    let mut identity = Vec::new();
    for extension in request.extensions().map_err(PossessionError::Malformed)? {
        identity.extend(IdentityValue::from_extension(extension.oid, extension.value)?);
    }
    Ok(identity)
}

/// Whether another authority holds the key of its certificate: the certificate is self-signed, or a request by the same key
/// comes with it (RFC 4210 4.4 leaves it open how).
///
/// # Errors
/// Why not.
pub fn prove_authority(certificate: &Certificate<'_>, request: Option<&[u8]>) -> Result<(), PossessionError> {
    if let Some(request) = request {
        let proved = Proved::read(request)?;
        let same = public_key(&certificate.public_key).as_ref() == Some(proved.key());
        return if same { Ok(()) } else { Err(PossessionError::OtherKey) };
    }
    if certificate.issuer.raw() != certificate.subject.raw() {
        return Err(PossessionError::NotProved);
    }
    let signed = (certificate.tbs, certificate.signature);
    let (key, algorithm) = (&certificate.public_key, &certificate.signature_algorithm);
    match check_signed(key, algorithm, signed, &KeyTables::default()) {
        CheckedValue::Right { .. } => Ok(()),
        CheckedValue::Wrong { .. } => Err(PossessionError::NotProved),
        CheckedValue::Unsupported => Err(PossessionError::Algorithm),
    }
}

/// A request whose applicant holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved<'a> {
    request: CertificationRequest<'a>,
    key: PublicKey,
}

/// What a request asks for, as far as the profile takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The subject's attributes.
    pub subject: Attributes,
    /// Alternative names.
    pub alternative_names: Vec<NewGeneralName>,
    /// Numbers that identify the subject.
    pub identity: Vec<IdentityValue>,
    /// The key.
    pub key: PublicKey,
}

impl<'a> Proved<'a> {
    /// Reads a request and verifies its signature by the key in it: SM2 with the default signer ID.
    ///
    /// # Errors
    /// Why not.
    pub fn read(der: &'a [u8]) -> Result<Self, PossessionError> {
        let request = CertificationRequest::parse(der).map_err(PossessionError::Malformed)?;
        let key = public_key(&request.public_key).ok_or(PossessionError::Key)?;
        let signed = (request.tbs, request.signature);
        match check_signed(&request.public_key, &request.signature_algorithm, signed, &KeyTables::default()) {
            CheckedValue::Right { .. } => Ok(Self { request, key }),
            CheckedValue::Wrong { .. } => Err(PossessionError::Signature),
            CheckedValue::Unsupported => Err(PossessionError::Algorithm),
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &CertificationRequest<'a> {
        &self.request
    }

    /// The key that was proved.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Every number of identity that it asks for, whatever a profile takes.
    ///
    /// # Errors
    /// One that cannot be read, or is of the wrong form.
    pub fn identity(&self) -> Result<Vec<IdentityValue>, PossessionError> {
        identity_in(&self.request)
    }

    /// What the profile takes of it.
    ///
    /// # Errors
    /// An attribute that nobody writes; an extension that the profile refuses, or that cannot be read; a number of identity
    /// of the wrong form.
    pub fn asked(&self, profile: &Profile) -> Result<Asked, PossessionError> {
        let (mut alternative_names, mut identity) = (Vec::new(), Vec::new());
        for extension in self.request.extensions().map_err(PossessionError::Malformed)? {
            // Taken where the profile certifies such a number; else it is an extension like any other.
            if profile.rules().identity.iter().any(|rule| rule.kind.oid() == extension.oid)
                && let Some(value) = IdentityValue::from_extension(extension.oid, extension.value)?
                && profile.identifies(value.kind())
            {
                identity.push(value);
                continue;
            }
            match profile.treatment(extension.oid) {
                Treatment::Refuse => return Err(PossessionError::Extension { oid: extension.oid }),
                Treatment::Ignore => {}
                // A profile takes alternative names only.
                Treatment::Take => {
                    let names = SubjectAltName::from_value(extension.value).map_err(PossessionError::Malformed)?;
                    for name in &names.0 {
                        let owned = subject::alternative_name(name).ok_or(SubjectError::AlternativeName)?;
                        alternative_names.push(owned);
                    }
                }
            }
        }
        let subject = subject::attributes_of(&self.request.subject)?;
        Ok(Asked { subject, alternative_names, identity, key: self.key.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::config::profiles::built_in;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{Signer, ecdsa, sm2};
    use crate::domain::ca::identity::IdentityKind;
    use crate::domain::ca::profile::AttributeKind;
    use crate::domain::trust::key::{encode_value, subject_public_key_info};
    use crate::format::x509::csr::NewCertificationRequest;
    use crate::format::x509::extension::{BasicConstraints, InhibitAnyPolicy};
    use crate::format::x509::name::NameAttributes;
    use crate::format::x509::{GeneralName, NewExtension};

    fn csr(signer: &dyn Signer, named: &PublicKey, extensions: &[NewExtension]) -> Vec<u8> {
        let subject = NameAttributes(vec![(AttributeKind::CommonName.oid(), "a.example".into())]).to_der();
        let public_key = &subject_public_key_info(named);
        let new = NewCertificationRequest { subject: &subject, public_key, extensions, challenge_password: None };
        let tbs = new.to_tbs();
        let value = signer.sign(&tbs, &SystemRandom).unwrap();
        let algorithm = signer.algorithm();
        NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &encode_value(algorithm, &value))
    }

    #[test]
    fn numbers_of_identity_are_taken_where_the_profile_certifies_them() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let public = Signer::public_key(&key);
        let number = IdentityValue::new(IdentityKind::PassportNumber, "E12345678").unwrap();
        let der = csr(&key, &public, &[number.to_extension()]);
        let profiles = built_in().unwrap();
        let proved = Proved::read(&der).unwrap();
        let person = profiles.by_name("person-signing").unwrap();
        assert_eq!(proved.asked(person).unwrap().identity, [number]);
        // To others it is an extension like any other.
        let oid = IdentityKind::PassportNumber.oid();
        let refused = proved.asked(profiles.by_name("officer").unwrap());
        assert_eq!(refused, Err(PossessionError::Extension { oid }));
        let wrong = NewExtension { oid, critical: false, value: vec![0x80, 2, b'1', b'2'] };
        let der = csr(&key, &public, &[wrong]);
        let kind = IdentityKind::ResidentIdentityNumber;
        let refused = Proved::read(&der).unwrap().asked(person);
        assert_eq!(refused, Err(IdentityError::Form { kind }.into()));
    }

    #[test]
    fn who_signs_by_the_key_holds_it() {
        let profiles = built_in().unwrap();
        let server = profiles.by_name("tls-server").unwrap();
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let public = Signer::public_key(&key);
        let names = NewExtension::new(false, &SubjectAltName(vec![GeneralName::Dns("a.example")]));
        let ignored = NewExtension::new(true, &BasicConstraints { authority: true, path_length: None });
        let der = csr(&key, &public, &[names.clone(), ignored.clone()]);
        let asked = Proved::read(&der).unwrap().asked(server).unwrap();
        assert_eq!(asked.key, public);
        assert_eq!(asked.subject, [(AttributeKind::CommonName, "a.example".to_owned())]);
        assert_eq!(asked.alternative_names, [NewGeneralName::Dns("a.example".into())]);

        let other = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        assert_eq!(Proved::read(&csr(&other, &public, &[])).unwrap_err(), PossessionError::Signature);
        let p256 = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        assert_eq!(p256.algorithm(), SignatureAlgorithm::EcdsaP256Sha256);
        assert_eq!(Proved::read(&csr(&p256, &public, &[])).unwrap_err(), PossessionError::Algorithm);
        assert!(Proved::read(&csr(&p256, &Signer::public_key(&p256), &[])).is_ok());
        let mut changed = der.clone();
        let at = changed.windows(9).position(|window| window == b"a.example").unwrap();
        changed[at] = b'b';
        assert_eq!(Proved::read(&changed).unwrap_err(), PossessionError::Signature);
        assert_eq!(Proved::read(&der[..20]).unwrap_err().code(), "csr-malformed");

        let unknown = NewExtension::new(false, &InhibitAnyPolicy(0));
        let der = csr(&key, &public, std::slice::from_ref(&unknown));
        let refused = Proved::read(&der).unwrap().asked(server).unwrap_err();
        assert_eq!(refused, PossessionError::Extension { oid: unknown.oid });
        let maker = profiles.by_name("log").unwrap();
        let der = csr(&key, &public, std::slice::from_ref(&ignored));
        let refused = Proved::read(&der).unwrap().asked(maker).unwrap_err();
        assert_eq!((refused.code(), refused), ("extension-refused", PossessionError::Extension { oid: ignored.oid }));
        let odd = NewExtension::new(false, &SubjectAltName(vec![GeneralName::RegisteredId(names.oid)]));
        let der = csr(&key, &public, &[odd]);
        assert_eq!(Proved::read(&der).unwrap().asked(server).unwrap_err(), SubjectError::AlternativeName.into());
    }
}
