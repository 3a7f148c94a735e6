//! An authority of ours below somebody else's: the request for its certificate, and whether what came back is that
//! certificate.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::sm2::KeyTables;
use crate::domain::ca::lint::{self, Finding};
use crate::domain::ca::possession::{PossessionError, Proved, prove_authority};
use crate::domain::ca::profile::{Position, Profile};
use crate::domain::ca::subject::{self, Attributes, SubjectError};
use crate::domain::trust::key::{encode_value, public_key, subject_public_key_info};
use crate::domain::trust::{Budget, PathFailure, TrustAnchors, TrustError, find_path};
use crate::format::der;
use crate::format::x509::csr::NewCertificationRequest;
use crate::format::x509::{Certificate, KeyUsage};

/// Certificates between the authority's and the root.
pub const MOST_BETWEEN: usize = 8;

/// Why no request is made, or a certificate is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakingInError {
    /// A root, or what is no authority, asks nobody above it.
    #[error("a certificate from outside is for an authority below another one")]
    Profile,
    /// The profile certifies no such key.
    #[error("profile {profile} certifies no {key} of {bits} bits")]
    Key {
        /// The profile's name.
        profile: String,
        /// The kind of key.
        key: &'static str,
        /// Its bits.
        bits: usize,
    },
    /// The name breaks the profile's rules.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The value is not the key's signature.
    #[error("the signature of the request is not by its key (RFC 2986 4.2)")]
    Signature,
    /// What came back cannot be read, or a certificate between it and the root.
    #[error("a certificate cannot be read (RFC 5280 4.1)")]
    Unreadable(#[source] der::Error),
    /// What was asked for cannot be read.
    #[error(transparent)]
    Request(#[from] PossessionError),
    /// It certifies another key.
    #[error("the certificate is not for the key of the request")]
    OtherKey,
    /// It bears another name.
    #[error("the certificate bears another name than the request (RFC 5280 7.1)")]
    OtherName,
    /// It is no authority's, or may not sign certificates and lists.
    #[error("the certificate is no authority's that signs certificates and lists (RFC 5280 4.2.1.3, 4.2.1.9)")]
    NoAuthority,
    /// More authorities may stand below it than the profile allows, or it has an algorithm that is none of the profile's.
    #[error("the certificate goes beyond its profile: {what}")]
    BeyondProfile {
        /// In what.
        what: &'static str,
    },
    /// It is not valid now.
    #[error("the certificate is valid from {from} to {to}")]
    NotValid {
        /// Its begin.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
    /// Rules of the standards that it breaks.
    #[error("the certificate breaks {}", .0.first().map_or_else(|| "a rule".to_owned(), ToString::to_string))]
    Lint(Vec<Finding>),
    /// The root is none.
    #[error("the root does not sign itself")]
    Root(#[source] PossessionError),
    /// More certificates in between than a path of ours has.
    #[error("{MOST_BETWEEN} certificates at most stand between an authority and its root")]
    TooMany,
    /// The root, or one in between, cannot be trusted as it is.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No path leads to the root.
    #[error("no path leads from the certificate to the root")]
    Path(#[source] Box<PathFailure>),
}

impl TakingInError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Profile => "authority-profile",
            Self::Key { .. } => "key-not-certified",
            Self::Subject(error) => error.code(),
            Self::Signature => "csr-signature",
            Self::Unreadable(_) => "unreadable",
            Self::Request(error) => error.code(),
            Self::OtherKey => "taken-in-other-key",
            Self::OtherName => "taken-in-other-name",
            Self::NoAuthority => "taken-in-no-authority",
            Self::BeyondProfile { .. } => "taken-in-beyond-profile",
            Self::NotValid { .. } => "taken-in-not-valid",
            Self::Lint(_) => "lint",
            Self::Root(_) => "taken-in-root",
            Self::TooMany => "taken-in-too-many",
            Self::Trust(_) => "trust",
            Self::Path(failure) => failure.code(),
        }
    }
}

/// A request that is decided and not signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestToken {
    to_sign: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

/// Decides the request of PKCS#10 (RFC 2986 4.1): the name as the profile orders it, the key, no extensions, for those are
/// the issuer's to decide.
///
/// # Errors
/// The profile is none of an authority below another one, or does not certify that name or key.
pub fn prepare_request(
    profile: &Profile,
    asked: &Attributes,
    (key, algorithm): (&PublicKey, SignatureAlgorithm),
) -> Result<RequestToken, TakingInError> {
    let rules = profile.rules();
    if !rules.authority || rules.position == Position::Root {
        return Err(TakingInError::Profile);
    }
    if !profile.certifies(key) {
        return Err(TakingInError::Key { profile: rules.name.clone(), key: key.name(), bits: key.bits() });
    }
    let name = subject::merge(profile, asked)?.to_der();
    let public_key = &subject_public_key_info(key);
    let new = NewCertificationRequest { subject: &name, public_key, extensions: &[], challenge_password: None };
    Ok(RequestToken { to_sign: new.to_tbs(), algorithm })
}

impl RequestToken {
    /// The bytes to sign.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// The request, from the value of fixed width that the key gave.
    ///
    /// # Errors
    /// [`TakingInError::Signature`]: the value is wrong, or the algorithm has no name.
    pub fn assemble(self, value: &[u8]) -> Result<Vec<u8>, TakingInError> {
        let oid = self.algorithm.oid().ok_or(TakingInError::Signature)?;
        let der = NewCertificationRequest::assemble(&self.to_sign, oid, &encode_value(self.algorithm, value));
        Proved::read(&der).map(|_| ()).map_err(|_| TakingInError::Signature)?;
        Ok(der)
    }
}

/// What comes back from outside.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    /// The certificate, DER.
    pub certificate: &'a [u8],
    /// The root, DER: trusted for this since whoever gives it compared its digest with what was announced.
    pub root: &'a [u8],
    /// Those between both, DER.
    pub between: &'a [Vec<u8>],
}

/// Judges what came back for a request: key, name, profile, lint rules, time, and a path to the root (RFC 5280 6.1).
///
/// What is **not** judged: whether the certificate, or one above it, is revoked. Its issuer's lists tell that to everybody.
///
/// # Errors
/// The first thing that is not right.
pub fn judge_returned(
    profile: &Profile,
    request: &[u8],
    returned: &Returned<'_>,
    now: Timestamp,
) -> Result<(), TakingInError> {
    let proved = Proved::read(request)?;
    let certificate = Certificate::parse(returned.certificate).map_err(TakingInError::Unreadable)?;
    if public_key(&certificate.public_key).as_ref() != Some(proved.key()) {
        return Err(TakingInError::OtherKey);
    }
    if !certificate.subject.matches(&proved.request().subject) {
        return Err(TakingInError::OtherName);
    }
    let constraints = certificate.basic_constraints.unwrap_or_default();
    let signs = |bit| certificate.key_usage.is_some_and(|usage| usage.any(bit));
    if !constraints.authority || !signs(KeyUsage::KEY_CERT_SIGN) || !signs(KeyUsage::CRL_SIGN) {
        return Err(TakingInError::NoAuthority);
    }
    let rules = profile.rules();
    if rules.path_length.is_some_and(|most| constraints.path_length.is_none_or(|length| length > most)) {
        return Err(TakingInError::BeyondProfile { what: "path length" });
    }
    let algorithm = SignatureAlgorithm::from_oid(certificate.signature_algorithm.oid);
    if algorithm.is_none_or(|algorithm| !profile.signed_by(algorithm)) {
        return Err(TakingInError::BeyondProfile { what: "signature algorithm" });
    }
    if now < certificate.not_before || now > certificate.not_after {
        return Err(TakingInError::NotValid { from: certificate.not_before, to: certificate.not_after });
    }
    let findings = lint::run(returned.certificate).map_err(TakingInError::Unreadable)?;
    if !findings.is_empty() {
        return Err(TakingInError::Lint(findings));
    }
    let root = Certificate::parse(returned.root).map_err(TakingInError::Unreadable)?;
    prove_authority(&root, None).map_err(TakingInError::Root)?;
    if returned.between.len() > MOST_BETWEEN {
        return Err(TakingInError::TooMany);
    }
    let mut trust = TrustAnchors::none();
    trust.add_anchors(returned.root, "root")?;
    for one in returned.between {
        trust.add_certificates(one, "between")?;
    }
    let found = find_path(&certificate, &trust, now, &mut Budget::new(&Limits::DEFAULT), &KeyTables::default());
    found.map(|_| ()).map_err(|failure| TakingInError::Path(Box::new(failure)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::config::profiles::built_in;
    use crate::crypto::{Signer, sm2};
    use crate::domain::ca::profile::AttributeKind;
    use crate::domain::ca::specimen::certificate;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn named(name: &str) -> Attributes {
        vec![(AttributeKind::Organisation, "示例".to_owned()), (AttributeKind::CommonName, name.to_owned())]
    }

    fn key() -> sm2::PrivateKey {
        sm2::PrivateKey::generate(&SystemRandom).unwrap()
    }

    fn asked(key: &sm2::PrivateKey, name: &str) -> Vec<u8> {
        let profiles = built_in().unwrap();
        let by = (&Signer::public_key(key), key.algorithm());
        let token = prepare_request(profiles.require("intermediate").unwrap(), &named(name), by).unwrap();
        let value = Signer::sign(key, token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    #[test]
    fn only_authorities_below_others_ask_and_only_by_their_key() {
        let profiles = built_in().unwrap();
        let (own, other) = (key(), key());
        let by = (&Signer::public_key(&own), own.algorithm());
        for profile in ["root", "officer"] {
            let refused = prepare_request(profiles.require(profile).unwrap(), &named("机构"), by);
            assert_eq!(refused, Err(TakingInError::Profile), "{profile}");
        }
        let profile = profiles.require("intermediate").unwrap();
        let missing = prepare_request(profile, &named("机构")[1..].to_vec(), by);
        assert_eq!(missing, Err(SubjectError::Missing { attribute: "organizationName" }.into()));
        let token = prepare_request(profile, &named("机构"), by).unwrap();
        let value = Signer::sign(&other, token.to_sign(), &SystemRandom).unwrap();
        assert_eq!(token.assemble(&value), Err(TakingInError::Signature));
        // The profile's own attributes come first, as in the certificate.
        let der = asked(&own, "机构");
        let read = Proved::read(&der).unwrap();
        assert_eq!((read.key(), read.request().subject.display().as_str()), (by.0, "C=CN, O=示例, CN=机构"));
    }

    #[test]
    fn what_comes_back_is_what_was_asked_for_or_is_refused_by_name() {
        let profiles = built_in().unwrap();
        let profile = profiles.require("intermediate").unwrap();
        let (own, other, above) = (key(), key(), key());
        let (public, others) = (Signer::public_key(&own), Signer::public_key(&other));
        let by: (&str, &dyn Signer) = ("根", &above);
        let root = certificate("root", ("根", &by.1.public_key()), by, 99, NOW);
        let request = asked(&own, "机构");
        let good = certificate("intermediate", ("机构", &public), by, 1, NOW);
        let judge = |certificate: &[u8], root: &[u8], at| {
            judge_returned(profile, &request, &Returned { certificate, root, between: &[] }, at)
        };
        assert_eq!(judge(&good, &root, NOW), Ok(()));

        let elses = certificate("intermediate", ("机构", &others), by, 2, NOW);
        assert_eq!(judge(&elses, &root, NOW), Err(TakingInError::OtherKey));
        let renamed = certificate("intermediate", ("别的", &public), by, 3, NOW);
        assert_eq!(judge(&renamed, &root, NOW), Err(TakingInError::OtherName));
        let none = certificate("log", ("机构", &public), by, 4, NOW);
        assert_eq!(judge(&none, &root, NOW), Err(TakingInError::NoAuthority));
        let wide = certificate("root", ("机构", &public), ("机构", &own), 5, NOW);
        assert_eq!(judge(&wide, &root, NOW), Err(TakingInError::BeyondProfile { what: "path length" }));
        let (from, to) = (NOW, NOW.plus_days(10));
        let late = judge(&good, &root, NOW.plus_days(11));
        assert_eq!(late, Err(TakingInError::NotValid { from, to }));
        let not_self = judge(&good, &good, NOW);
        assert_eq!(not_self, Err(TakingInError::Root(PossessionError::NotProved)));
        // A root of the same name and another key.
        let false_root = certificate("root", ("根", &others), ("根", &other), 6, NOW);
        assert_eq!(judge(&good, &false_root, NOW).unwrap_err().code(), "certificate-signature-wrong");
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(judge(&changed, &root, NOW).unwrap_err().code(), "certificate-signature-wrong");
        assert_eq!(judge(&good[1..], &root, NOW).unwrap_err().code(), "unreadable");
        let between = vec![good.clone(); MOST_BETWEEN + 1];
        let many = Returned { certificate: &good, root: &root, between: &between };
        assert_eq!(judge_returned(profile, &request, &many, NOW), Err(TakingInError::TooMany));
    }
}
