//! Judging a time-stamp token (RFC 3161 2.3, 2.4.2; RFC 5816; GB/T 20520): whose it is, and over what.
//!
//! The authority is the certificate that the signature names by digest, never another one that lies beside it. Not
//! judged: the path to an anchor at genTime, revocation, the algorithms' acceptance; the answer holds what that needs.

use crate::crypto::algorithm::{DigestAlgorithm, OID_SHA1};
use crate::crypto::digest::{digest, sha1_identifier};
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::signed_data::CertificateNamed;
use crate::domain::trust::{SignedDataError, SignerVerified, find_signer_certificate, verify_signer};
use crate::format::cms::SignerInfo;
use crate::format::der::{self, ObjectIdentifier};
use crate::format::tsp::{TimeStampReq, TimeStampToken, TstInfo};
use crate::format::x509::extension::ExtendedKeyUsage;
use crate::format::x509::{Certificate, extension};

/// What the token must be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imprint<'a> {
    /// These octets, digested by whatever algorithm the token names and we compute.
    Message(&'a [u8]),
    /// This digest.
    Digest {
        /// By this algorithm.
        algorithm: ObjectIdentifier,
        /// Its value.
        digest: &'a [u8],
    },
}

/// What certificates in the token mean that are neither the authority's nor above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrangeCertificates {
    /// The token is refused: whoever put them there hopes that somebody takes them for the authority's.
    Refuse,
    /// They are not looked at.
    Ignore,
}

/// What counts where the authority's certificate is named by SHA-1 (ESSCertID: RFC 3161 2.4.2, before RFC 5816).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBySha1 {
    /// The token is refused.
    Refuse,
    /// The name counts: to pass for the authority, another certificate would have to be found that has the same SHA-1 as
    /// the given one, which nobody can do; pairs that are made together do not help.
    Accept,
}

/// What is expected of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// What it is over.
    pub imprint: Imprint<'a>,
    /// The request that it answers: nonce, policy and certificates must be as asked.
    pub request: Option<&'a TimeStampReq<'a>>,
    /// The policies that will do; none: any.
    pub policies: &'a [ObjectIdentifier],
    /// Certificates that do not belong.
    pub strangers: StrangeCertificates,
    /// Names by SHA-1.
    pub old_names: NamedBySha1,
}

impl<'a> Expected<'a> {
    /// The answer to that request.
    #[must_use]
    pub const fn answer_to(request: &'a TimeStampReq<'a>) -> Self {
        let imprint = Imprint::Digest { algorithm: request.imprint.algorithm.oid, digest: request.imprint.digest };
        Self {
            imprint,
            request: Some(request),
            policies: &[],
            strangers: StrangeCertificates::Refuse,
            old_names: NamedBySha1::Refuse,
        }
    }

    /// A stamp of those octets, from whomever.
    #[must_use]
    pub const fn over(message: &'a [u8]) -> Self {
        let imprint = Imprint::Message(message);
        Self {
            imprint,
            request: None,
            policies: &[],
            strangers: StrangeCertificates::Refuse,
            old_names: NamedBySha1::Refuse,
        }
    }
}

/// Why a certificate is not a time-stamping authority's (RFC 3161 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateUnfit {
    /// It has no extended key usage, or one that is broken.
    #[error("it has no readable extended key usage")]
    NoPurpose,
    /// The extension is not critical.
    #[error("its extended key usage is not critical")]
    NotCritical,
    /// The only purpose is not time stamping.
    #[error("its extended key usage is not time stamping alone")]
    OtherPurpose,
    /// keyUsage does not allow signatures.
    #[error("its key usage does not allow signatures")]
    KeyUsage,
}

/// Whether the certificate is a time-stamping authority's by what it says of itself.
///
/// # Errors
/// What speaks against it.
pub fn check_authority_certificate(certificate: &Certificate<'_>) -> Result<(), CertificateUnfit> {
    let found = certificate.extension(extension::EXTENDED_KEY_USAGE).ok_or(CertificateUnfit::NoPurpose)?;
    let ExtendedKeyUsage(purposes) = ExtendedKeyUsage::parse(found.value).map_err(|_| CertificateUnfit::NoPurpose)?;
    if purposes != [extension::TIME_STAMPING] {
        return Err(CertificateUnfit::OtherPurpose);
    }
    if !found.critical {
        return Err(CertificateUnfit::NotCritical);
    }
    if certificate.allows_signing() { Ok(()) } else { Err(CertificateUnfit::KeyUsage) }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// Not exactly one signer (RFC 3161 2.4.2).
    #[error("the token has {signers} signers, not one (RFC 3161 2.4.2)")]
    NotOneSigner {
        /// How many.
        signers: usize,
    },
    /// The digest algorithm of the imprint is not computed.
    #[error("digests of {algorithm} are not computed")]
    ImprintAlgorithm {
        /// The algorithm.
        algorithm: ObjectIdentifier,
    },
    /// The token is over something else.
    #[error("the token is over something else (RFC 3161 2.4.2)")]
    Imprint,
    /// The nonce is not the request's.
    #[error("the token's nonce is not the request's (RFC 3161 2.4.2)")]
    Nonce,
    /// The policy is not the one that was asked for, or none of those that will do.
    #[error("the token's policy is {policy} (RFC 3161 2.4.2)")]
    Policy {
        /// The token's.
        policy: ObjectIdentifier,
    },
    /// Certificates are there although none were asked for, or are not although they were.
    #[error("the token's certificates are not as the request asks (RFC 3161 2.4.1)")]
    Certificates,
    /// The signature is not right.
    #[error("the token's signature is not accepted")]
    Signer(#[source] SignedDataError),
    /// The authority's certificate is not named inside the signature.
    #[error("the token does not name its authority's certificate inside the signature (RFC 3161 2.4.2)")]
    CertificateNotNamed,
    /// It is named by a digest that we do not compute (SHA-1).
    #[error("the token names its authority's certificate by a digest that is not computed (RFC 5816 2.2)")]
    CertificateNamedByOldDigest,
    /// The authority's certificate is not for time stamps alone.
    #[error("the authority's certificate is not for time stamps (RFC 3161 2.3)")]
    Purpose(#[source] CertificateUnfit),
    /// A certificate in the token is neither the authority's nor above it.
    #[error("the token carries a certificate that is not of its authority: {subject}")]
    StrangeCertificate {
        /// Whose.
        subject: String,
    },
    /// A certificate in the token cannot be read.
    #[error("the token carries a certificate that cannot be read")]
    BrokenCertificate(#[source] der::Error),
}

impl TokenRefusal {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOneSigner { .. } => "token-not-one-signer",
            Self::ImprintAlgorithm { .. } => "token-imprint-algorithm",
            Self::Imprint => "token-imprint",
            Self::Nonce => "token-nonce",
            Self::Policy { .. } => "token-policy",
            Self::Certificates => "token-certificates",
            Self::Signer(error) => error.code(),
            Self::CertificateNotNamed => "token-certificate-not-named",
            Self::CertificateNamedByOldDigest => "token-certificate-named-by-old-digest",
            Self::Purpose(_) => "token-certificate-purpose",
            Self::StrangeCertificate { .. } => "token-strange-certificate",
            Self::BrokenCertificate(_) => "token-broken-certificate",
        }
    }
}

/// Proof that a token is right by itself: only [`verify_token`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken<'a> {
    info: TstInfo<'a>,
    certificate: Certificate<'a>,
    chain: Vec<&'a [u8]>,
    signer: SignerVerified,
}

impl<'a> VerifiedToken<'a> {
    /// What is certified: time, accuracy, policy, imprint.
    #[must_use]
    pub const fn info(&self) -> &TstInfo<'a> {
        &self.info
    }

    /// The authority's certificate. Its path, at genTime, is the caller's.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate<'a> {
        &self.certificate
    }

    /// Certificates of the token whose names lead upward from the authority's, without any promise beyond that.
    #[must_use]
    pub fn chain(&self) -> &[&'a [u8]] {
        &self.chain
    }

    /// How it was signed.
    #[must_use]
    pub const fn signer(&self) -> &SignerVerified {
        &self.signer
    }
}

/// Judges a token. `known` are certificates from elsewhere, for tokens that carry none.
///
/// # Errors
/// The first thing that is not right.
pub fn verify_token<'a>(
    token: &TimeStampToken<'a>,
    known: &[&'a [u8]],
    expected: &Expected<'_>,
    tables: &KeyTables,
) -> Result<VerifiedToken<'a>, TokenRefusal> {
    let [signer] = token.signed.signers.as_slice() else {
        return Err(TokenRefusal::NotOneSigner { signers: token.signed.signers.len() });
    };
    check_expected(&token.info, expected)?;
    let carried: Vec<&'a [u8]> = token.signed.x509_certificates().collect();
    if expected.request.is_some_and(|request| request.certificate_wanted == carried.is_empty()) {
        return Err(TokenRefusal::Certificates);
    }
    let candidates = carried.iter().copied().chain(known.iter().copied());
    let certificate = find_signer_certificate(signer, candidates).map_err(TokenRefusal::Signer)?;
    check_authority_certificate(&certificate).map_err(TokenRefusal::Purpose)?;
    let verified = verify_signer(&token.signed, signer, None, &certificate, tables).map_err(TokenRefusal::Signer)?;
    match verified.certificate_named() {
        CertificateNamed::Yes => {}
        CertificateNamed::No => return Err(TokenRefusal::CertificateNotNamed),
        CertificateNamed::NotComputed if expected.old_names == NamedBySha1::Accept => {
            named_by_sha1(signer, &certificate)?
        }
        CertificateNamed::NotComputed => return Err(TokenRefusal::CertificateNamedByOldDigest),
    }
    let chain = chain_of(&certificate, &carried, expected.strangers)?;
    Ok(VerifiedToken { info: token.info.clone(), certificate, chain, signer: verified })
}

/// RFC 3161 2.4.2: the ESSCertID is that of the authority's certificate.
fn named_by_sha1(signer: &SignerInfo<'_>, certificate: &Certificate<'_>) -> Result<(), TokenRefusal> {
    let named = signer.signed_attributes.as_ref().and_then(|attributes| attributes.signing_certificate);
    match named {
        Some(named) if named.hash_algorithm == OID_SHA1 && named.hash == sha1_identifier(certificate.raw) => Ok(()),
        Some(named) if named.hash_algorithm == OID_SHA1 => {
            Err(TokenRefusal::Signer(SignedDataError::SigningCertificateMismatch))
        }
        _ => Err(TokenRefusal::CertificateNamedByOldDigest),
    }
}

fn check_expected(info: &TstInfo<'_>, expected: &Expected<'_>) -> Result<(), TokenRefusal> {
    let algorithm = info.imprint.algorithm.oid;
    let right = match expected.imprint {
        Imprint::Message(message) => {
            let computed = DigestAlgorithm::from_oid(algorithm).ok_or(TokenRefusal::ImprintAlgorithm { algorithm })?;
            digest(computed, message) == info.imprint.digest
        }
        Imprint::Digest { algorithm: wanted, digest } => wanted == algorithm && digest == info.imprint.digest,
    };
    if !right {
        return Err(TokenRefusal::Imprint);
    }
    if expected.request.is_some_and(|request| request.nonce != info.nonce) {
        return Err(TokenRefusal::Nonce);
    }
    let asked = expected.request.and_then(|request| request.policy);
    let policy_fits = asked.is_none_or(|asked| asked == info.policy)
        && (expected.policies.is_empty() || expected.policies.contains(&info.policy));
    if policy_fits { Ok(()) } else { Err(TokenRefusal::Policy { policy: info.policy }) }
}

/// The carried certificates whose names lead upward from the authority's; the others are strangers.
fn chain_of<'a>(
    certificate: &Certificate<'a>,
    carried: &[&'a [u8]],
    strangers: StrangeCertificates,
) -> Result<Vec<&'a [u8]>, TokenRefusal> {
    let mut others = Vec::new();
    for raw in carried.iter().filter(|raw| **raw != certificate.raw) {
        match Certificate::parse(raw) {
            Ok(parsed) => others.push(parsed),
            Err(error) if strangers == StrangeCertificates::Refuse => {
                return Err(TokenRefusal::BrokenCertificate(error));
            }
            Err(_) => {}
        }
    }
    let mut wanted = vec![certificate.issuer];
    let mut chain = Vec::new();
    // Each turn takes at least one certificate away or ends.
    loop {
        let (above, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| wanted.contains(&other.subject));
        others = rest;
        if above.is_empty() {
            break;
        }
        wanted = above.iter().map(|found| found.issuer).collect();
        chain.extend(above.iter().map(|found| found.raw));
    }
    match others.first() {
        Some(stranger) if strangers == StrangeCertificates::Refuse => {
            Err(TokenRefusal::StrangeCertificate { subject: stranger.subject.display() })
        }
        _ => Ok(chain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stamp::sample::{self, Party, Sample};
    use crate::format::cms::{NewAttribute, attribute, signing_certificate};
    use crate::format::tsp;
    use crate::format::x509::extension::TIME_STAMPING;
    use crate::format::x509::{KeyUsage, NewExtension};

    fn judged(der: &[u8], expected: &Expected<'_>) -> Result<String, TokenRefusal> {
        let token = TimeStampToken::parse(der).unwrap();
        verify_token(&token, &[], expected, &KeyTables::default())
            .map(|verified| verified.certificate().subject.display())
    }

    const OURS: &str = "C=CN, O=示例, CN=时间戳";

    #[test]
    fn a_sound_token_names_its_authority_for_every_algorithm() {
        for key in [sample::sm2_key(), sample::p256_key()] {
            let (party, root) = sample::authority(key);
            let mut token = Sample::of(&party);
            assert_eq!(judged(&token.to_der(), &Expected::over(b"message")).as_deref(), Ok(OURS));
            assert_eq!(judged(&token.to_der(), &Expected::over(b"massage")), Err(TokenRefusal::Imprint));
            token.certificates.push(&root.certificate);
            let der = token.to_der();
            let read = TimeStampToken::parse(&der).unwrap();
            let verified = verify_token(&read, &[], &Expected::over(b"message"), &KeyTables::default()).unwrap();
            assert_eq!(verified.chain(), [root.certificate.as_slice()]);
            assert_eq!(verified.signer().certificate_named(), CertificateNamed::Yes);
            // Without certificates, from elsewhere.
            token.certificates.clear();
            let der = token.to_der();
            let read = TimeStampToken::parse(&der).unwrap();
            let missing = Err(TokenRefusal::Signer(SignedDataError::CertificateMissing));
            assert_eq!(judged(&der, &Expected::over(b"message")), missing);
            let known = [root.certificate.as_slice(), &party.certificate];
            assert!(verify_token(&read, &known, &Expected::over(b"message"), &KeyTables::default()).is_ok());
        }
    }

    #[test]
    fn each_fault_of_the_signature_has_its_name() {
        let (party, _) = sample::authority(sample::sm2_key());
        let over = Expected::over(b"message");
        let refused = |change: fn(&mut Vec<NewAttribute>)| {
            judged(&Sample { change, ..Sample::of(&party) }.to_der(), &over).unwrap_err()
        };
        let without = |refusal: TokenRefusal| refusal.code();
        assert_eq!(
            without(refused(|all| all.retain(|one| one.oid != attribute::CONTENT_TYPE))),
            "signed-attribute-missing"
        );
        assert_eq!(
            refused(|all| all.retain(|one| one.oid != attribute::MESSAGE_DIGEST)),
            TokenRefusal::Signer(SignedDataError::AttributeMissing { attribute: "messageDigest" })
        );
        assert_eq!(
            refused(|all| all.retain(|one| one.oid != attribute::SIGNING_CERTIFICATE_V2)),
            TokenRefusal::CertificateNotNamed
        );
        assert_eq!(
            refused(|all| {
                all.retain(|one| one.oid != attribute::SIGNING_CERTIFICATE_V2);
                let name = crate::format::x509::NewName { organisation: "a".into(), common_name: "b".into() };
                all.push(signing_certificate(&[7; 20], (&name.to_der(), &[1])));
            }),
            TokenRefusal::CertificateNamedByOldDigest
        );
        assert_eq!(
            refused(|all| all.last_mut().unwrap().value[40] ^= 1),
            TokenRefusal::Signer(SignedDataError::SigningCertificateMismatch)
        );
        assert_eq!(
            refused(|all| all[1] = NewAttribute::message_digest(&[0; 32])),
            TokenRefusal::Signer(SignedDataError::DigestMismatch)
        );
        let data = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
        let mismatch = SignedDataError::ContentTypeMismatch { attribute: data, content: tsp::TST_INFO };
        assert_eq!(
            refused(|all| {
                all[0] = NewAttribute::content_type(ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1"));
            }),
            TokenRefusal::Signer(mismatch)
        );
        assert_eq!(refused(Vec::clear), TokenRefusal::Signer(SignedDataError::AttributesMissing));
        let two = Sample { signers: 2, ..Sample::of(&party) }.to_der();
        assert_eq!(judged(&two, &over), Err(TokenRefusal::NotOneSigner { signers: 2 }));
        let none = Sample { signers: 0, ..Sample::of(&party) }.to_der();
        assert_eq!(judged(&none, &over), Err(TokenRefusal::NotOneSigner { signers: 0 }));
        let mut wrong = Sample::of(&party).to_der();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(judged(&wrong, &over), Err(TokenRefusal::Signer(SignedDataError::SignatureWrong)));
        let other = Sample { content_type: data, ..Sample::of(&party) }.to_der();
        assert_eq!(TimeStampToken::parse(&other), Err(tsp::Error::NotATimeStamp { found: data }));
    }

    #[test]
    fn only_a_certificate_for_time_stamps_alone_will_do() {
        let server = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
        let usage = NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN));
        let mut no_signing = sample::purposes(true, &[TIME_STAMPING]);
        no_signing[0] = usage;
        for (extensions, expected) in [
            (vec![], CertificateUnfit::NoPurpose),
            (sample::purposes(false, &[TIME_STAMPING]), CertificateUnfit::NotCritical),
            (sample::purposes(true, &[server]), CertificateUnfit::OtherPurpose),
            (sample::purposes(true, &[TIME_STAMPING, server]), CertificateUnfit::OtherPurpose),
            (no_signing, CertificateUnfit::KeyUsage),
        ] {
            let (party, _) = sample::party(sample::p256_key(), &extensions);
            let der = Sample::of(&party).to_der();
            assert_eq!(judged(&der, &Expected::over(b"message")), Err(TokenRefusal::Purpose(expected)));
        }
    }

    #[test]
    fn certificates_beside_the_authoritys_never_become_its_own() {
        let (party, root) = sample::authority(sample::sm2_key());
        let (stranger, _) = sample::authority(sample::p256_key());
        let (server, _): (Party, Party) = sample::party(sample::p256_key(), &[]);
        for strange in [&stranger.certificate, &server.certificate] {
            let mut token = Sample::of(&party);
            token.certificates = vec![strange, &root.certificate, &party.certificate];
            let mut expected = Expected::over(b"message");
            // The stranger bears the same names as the authority: nothing but its digest tells them apart.
            let subject = OURS.to_owned();
            assert_eq!(judged(&token.to_der(), &expected), Err(TokenRefusal::StrangeCertificate { subject }));
            expected.strangers = StrangeCertificates::Ignore;
            assert_eq!(judged(&token.to_der(), &expected).as_deref(), Ok(OURS));
        }
        let broken = [0x30, 0];
        let mut token = Sample::of(&party);
        token.certificates.push(&broken);
        let refused = judged(&token.to_der(), &Expected::over(b"message")).unwrap_err();
        assert_eq!(refused.code(), "token-broken-certificate");
        let mut expected = Expected::over(b"message");
        expected.strangers = StrangeCertificates::Ignore;
        assert_eq!(judged(&token.to_der(), &expected).as_deref(), Ok(OURS));
    }

    #[test]
    fn the_answer_must_be_to_the_question() {
        let (party, _) = sample::authority(sample::sm2_key());
        let der = Sample::of(&party).to_der();
        let sm3 = crate::crypto::algorithm::OID_SM3;
        let message = digest(DigestAlgorithm::Sm3, b"message");
        let good = tsp::NewTimeStampReq {
            algorithm: sm3,
            digest: &message,
            policy: Some(sample::POLICY),
            nonce: None,
            certificate_wanted: true,
        };
        let ask = |new: tsp::NewTimeStampReq<'_>| {
            let request = new.to_der();
            let request = TimeStampReq::parse(&request).unwrap();
            judged(&der, &Expected::answer_to(&request))
        };
        assert_eq!(ask(good).as_deref(), Ok(OURS));
        assert_eq!(ask(tsp::NewTimeStampReq { nonce: Some(&[5]), ..good }), Err(TokenRefusal::Nonce));
        assert_eq!(ask(tsp::NewTimeStampReq { digest: &[7; 32], ..good }), Err(TokenRefusal::Imprint));
        let sha256 = crate::crypto::algorithm::OID_SHA256;
        assert_eq!(ask(tsp::NewTimeStampReq { algorithm: sha256, ..good }), Err(TokenRefusal::Imprint));
        assert_eq!(ask(tsp::NewTimeStampReq { certificate_wanted: false, ..good }), Err(TokenRefusal::Certificates));
        let other = ObjectIdentifier::new_unwrap("1.2.3");
        let policy = Err(TokenRefusal::Policy { policy: sample::POLICY });
        assert_eq!(ask(tsp::NewTimeStampReq { policy: Some(other), ..good }), policy);
        assert_eq!(ask(tsp::NewTimeStampReq { policy: None, ..good }).as_deref(), Ok(OURS));
        assert_eq!(judged(&der, &Expected { policies: &[other], ..Expected::over(b"message") }), policy);
    }
}
