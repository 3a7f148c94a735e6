//! Issuing one time stamp: `judge` decides on the request, `prepare` what the token says, the service signs, `assemble`
//! checks and joins (RFC 3161 2.2, 2.4; RFC 5816).
//!
//! Only a [`StampToken`] becomes a time stamp, and only a [`TrustedTime`] gives it a time; both are used up by that.

use crate::crypto::PublicKey;
use crate::crypto::algorithm::{DigestAlgorithm, Kind, SignatureAlgorithm};
use crate::crypto::digest::digest;
use crate::crypto::sm2::KeyTables;
use crate::domain::stamp::clock::{ClockRefusal, TrustedTime};
use crate::domain::stamp::verify::{CertificateUnfit, check_authority_certificate};
use crate::domain::trust::key::encode_value;
use crate::domain::trust::public_key;
use crate::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use crate::format::cms::{Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2};
use crate::format::der::{self, ObjectIdentifier};
use crate::format::tsp::{self, FailureInfo, GenTime, NewTstInfo, TST_INFO, TimeStampReq, TimeStampResp};
use crate::format::x509::{Certificate, GeneralName};

/// Octets of a serial number (RFC 3161 2.4.2: clients must take 160 bits).
pub const MAX_SERIAL: usize = 20;

/// A time-stamping authority: its certificate, and what it offers.
#[derive(Debug, Clone)]
pub struct Authority<'a> {
    certificate: Certificate<'a>,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    offer: Offer<'a>,
    /// `signingCertificateV2`, the same in each token.
    named: NewAttribute,
}

/// What an authority offers.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Its certificates above its own, DER each, for clients that want them.
    pub chain: &'a [&'a [u8]],
    /// Its policies; the first where the client asks for none.
    pub policies: &'a [ObjectIdentifier],
    /// The digests that it stamps.
    pub digests: &'a [DigestAlgorithm],
    /// `tsa` of its tokens: one of its certificate's names.
    pub tsa: Option<GeneralName<'a>>,
    /// The family that its tokens are written in.
    pub family: Family,
}

/// Why somebody cannot be a time-stamping authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitAuthority {
    /// The certificate is none.
    #[error("the authority's certificate cannot be read")]
    Certificate(#[source] der::Error),
    /// The certificate is not a time-stamping authority's.
    #[error("the authority's certificate is not for time stamps")]
    Purpose(#[source] CertificateUnfit),
    /// The key is unknown, or does not sign with that algorithm.
    #[error("the authority's key does not sign with {algorithm}")]
    Algorithm {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// No policy or no digest is offered.
    #[error("the authority offers no policy or no digest algorithm")]
    NothingOffered,
}

impl<'a> Authority<'a> {
    /// The authority of a certificate that signs with that algorithm.
    ///
    /// # Errors
    /// Why it cannot be one. Not checked: the certificate's dates, path and revocation.
    pub fn new(certificate: &'a [u8], algorithm: SignatureAlgorithm, offer: Offer<'a>) -> Result<Self, UnfitAuthority> {
        let certificate = Certificate::parse(certificate).map_err(UnfitAuthority::Certificate)?;
        check_authority_certificate(&certificate).map_err(UnfitAuthority::Purpose)?;
        let unfit = UnfitAuthority::Algorithm { algorithm: algorithm.name() };
        let key = public_key(&certificate.public_key).filter(|key| key.signs_with(algorithm)).ok_or(unfit)?;
        if offer.policies.is_empty() || offer.digests.is_empty() {
            return Err(UnfitAuthority::NothingOffered);
        }
        // The digest of the signature's algorithm, so that a token rests on one digest: SM3 beside SM2.
        let hash = digest(algorithm.digest(), certificate.raw);
        let issuer_serial = (certificate.issuer.raw(), certificate.serial);
        let named = signing_certificate_v2(algorithm.digest().oid(), &hash, issuer_serial);
        Ok(Self { certificate, key, algorithm, offer, named })
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate<'a> {
        &self.certificate
    }
}

/// Why a request gets no time stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no request.
    #[error("the request cannot be read (RFC 3161 2.4.1)")]
    Unreadable(#[source] tsp::Error),
    /// The digest algorithm is not offered.
    #[error("digests of {algorithm} are not stamped")]
    Digest {
        /// The algorithm.
        algorithm: ObjectIdentifier,
    },
    /// The digest has not the length of its algorithm's.
    #[error("a digest of {length} octets is none of {algorithm}")]
    DigestLength {
        /// The algorithm.
        algorithm: &'static str,
        /// Octets given.
        length: usize,
    },
    /// The policy is not offered.
    #[error("the policy {policy} is not offered")]
    Policy {
        /// The policy.
        policy: ObjectIdentifier,
    },
    /// An extension; none is known (RFC 3161 2.4.1).
    #[error("the extension {extension} is not known")]
    Extension {
        /// The extension.
        extension: ObjectIdentifier,
    },
    /// The clock is not to be trusted.
    #[error("the time is not available")]
    Time(#[source] ClockRefusal),
    /// The serial number is zero, or has more than 160 bits.
    #[error("no serial number could be given")]
    Serial,
    /// The signature that came back is not the authority's.
    #[error("the time stamp could not be signed")]
    Signature,
}

impl Refusal {
    /// What the response says (RFC 3161 2.4.2).
    #[must_use]
    pub const fn failure(&self) -> FailureInfo {
        match self {
            Self::Unreadable(tsp::Error::Version { .. }) => FailureInfo::BadRequest,
            Self::Unreadable(_) | Self::DigestLength { .. } => FailureInfo::BadDataFormat,
            Self::Digest { .. } => FailureInfo::BadAlg,
            Self::Policy { .. } => FailureInfo::UnacceptedPolicy,
            Self::Extension { .. } => FailureInfo::UnacceptedExtension,
            Self::Time(_) => FailureInfo::TimeNotAvailable,
            Self::Serial | Self::Signature => FailureInfo::SystemFailure,
        }
    }

    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "stamp-request-unreadable",
            Self::Digest { .. } => "stamp-digest-not-offered",
            Self::DigestLength { .. } => "stamp-digest-length",
            Self::Policy { .. } => "stamp-policy-not-offered",
            Self::Extension { .. } => "stamp-extension-unknown",
            Self::Time(_) => "stamp-time-not-available",
            Self::Serial => "stamp-serial",
            Self::Signature => "stamp-signature",
        }
    }

    /// The response to send.
    #[must_use]
    pub fn to_response(&self) -> Vec<u8> {
        TimeStampResp::rejected(self.failure(), &self.to_string())
    }
}

/// A request that gets a time stamp: only [`judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedRequest<'a> {
    request: TimeStampReq<'a>,
    policy: ObjectIdentifier,
}

impl<'a> AcceptedRequest<'a> {
    /// What was asked.
    #[must_use]
    pub const fn request(&self) -> &TimeStampReq<'a> {
        &self.request
    }

    /// The policy that the token will name.
    #[must_use]
    pub const fn policy(&self) -> ObjectIdentifier {
        self.policy
    }
}

/// Decides on a request, before anybody looks at a clock or draws a serial number.
///
/// # Errors
/// Why it gets no time stamp.
pub fn judge<'a>(request: &'a [u8], authority: &Authority<'_>) -> Result<AcceptedRequest<'a>, Refusal> {
    let request = TimeStampReq::parse(request).map_err(Refusal::Unreadable)?;
    let identifier = request.imprint.algorithm;
    let parameters_fit = || {
        let rows = crate::crypto::algorithm::Algorithm::by_oid(Kind::Digest, identifier.oid);
        rows.into_iter().any(|row| row.parameters.allow(identifier.parameters))
    };
    let algorithm = DigestAlgorithm::from_oid(identifier.oid)
        .filter(|algorithm| authority.offer.digests.contains(algorithm) && parameters_fit())
        .ok_or(Refusal::Digest { algorithm: identifier.oid })?;
    let length = request.imprint.digest.len();
    if length != algorithm.size() {
        return Err(Refusal::DigestLength { algorithm: algorithm.name(), length });
    }
    let offered = authority.offer.policies;
    let policy = match request.policy {
        None => offered.first().copied(),
        Some(policy) => offered.iter().copied().find(|offered| *offered == policy),
    };
    // Authorities have a policy, so that only an asked one can be missing.
    let policy = policy.ok_or(Refusal::Policy { policy: request.policy.unwrap_or(TST_INFO) })?;
    if let Some(extension) = request.extensions.first() {
        return Err(Refusal::Extension { extension: extension.oid });
    }
    Ok(AcceptedRequest { request, policy })
}

/// A decision to certify exactly this time for exactly this digest.
#[derive(Debug)]
pub struct StampToken<'a> {
    authority: &'a Authority<'a>,
    info: Vec<u8>,
    gen_time: GenTime,
    attributes: [NewAttribute; 4],
    to_sign: Vec<u8>,
    with_certificates: bool,
}

/// A time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The token, a ContentInfo.
    pub token: Vec<u8>,
    /// The response around it.
    pub response: Vec<u8>,
    /// Its time.
    pub gen_time: GenTime,
}

/// Decides what the token says. `serial` is a magnitude that was never used before, up to 160 bits.
///
/// # Errors
/// [`Refusal::Serial`].
pub fn prepare<'a>(
    accepted: &AcceptedRequest<'_>,
    authority: &'a Authority<'a>,
    time: TrustedTime,
    serial: &[u8],
) -> Result<StampToken<'a>, Refusal> {
    let significant = serial.iter().skip_while(|octet| **octet == 0).count();
    if !(1..=MAX_SERIAL).contains(&significant) {
        return Err(Refusal::Serial);
    }
    let gen_time = time.gen_time();
    let info = NewTstInfo {
        policy: accepted.policy,
        imprint: accepted.request.imprint.raw,
        serial,
        gen_time,
        accuracy: Some(time.accuracy()),
        ordering: time.ordering(),
        nonce: accepted.request.nonce,
        tsa: authority.offer.tsa,
    }
    .to_der();
    let attributes = [
        NewAttribute::content_type(TST_INFO),
        NewAttribute::signing_time(gen_time.seconds()),
        NewAttribute::message_digest(&digest(authority.algorithm.digest(), &info)),
        authority.named.clone(),
    ];
    let to_sign = NewAttribute::to_sign(&attributes);
    let with_certificates = accepted.request.certificate_wanted;
    Ok(StampToken { authority, info, gen_time, attributes, to_sign, with_certificates })
}

impl StampToken<'_> {
    /// The bytes to sign: the signed attributes.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// The time that will be certified.
    #[must_use]
    pub const fn gen_time(&self) -> GenTime {
        self.gen_time
    }

    /// The TSTInfo that will be certified.
    #[must_use]
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    /// The time stamp, from the value of fixed width that the authority's key gave.
    ///
    /// # Errors
    /// [`Refusal::Signature`]: the value is wrong; nothing is issued.
    pub fn assemble(self, value: &[u8], tables: &KeyTables) -> Result<Stamp, Refusal> {
        let Authority { certificate, key, algorithm, offer, .. } = self.authority;
        if !key.verify_by(tables, *algorithm, &self.to_sign, value) {
            return Err(Refusal::Signature);
        }
        let certificates: Vec<&[u8]> = if self.with_certificates {
            std::iter::once(certificate.raw).chain(offer.chain.iter().copied()).collect()
        } else {
            Vec::new()
        };
        let identifier = SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial };
        let signer = NewSigner {
            identifier,
            digest_algorithm: &digest_algorithm_identifier(algorithm.digest()),
            signed_attributes: &self.attributes,
            signature_algorithm: &signature_algorithm_identifier(*algorithm),
            signature: &encode_value(*algorithm, value),
            unsigned_attributes: &[],
        };
        let token = NewSignedData {
            family: offer.family,
            content_type: TST_INFO,
            content: Some(&self.info),
            certificates: &certificates,
            crls: &[],
            signers: &[signer],
        }
        .to_der();
        let response = TimeStampResp::granted(&token);
        Ok(Stamp { token, response, gen_time: self.gen_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::{OID_SHA1, OID_SHA256, OID_SM3};
    use crate::domain::stamp::clock::{ClockDiscipline, Precision, Reading, Thresholds};
    use crate::domain::stamp::sample::{self, POLICY};
    use crate::domain::stamp::{Expected, verify_token};
    use crate::format::der::Writer;
    use crate::format::tsp::{MessageImprint, NewTimeStampReq, TimeStampToken};

    const OFFER: Offer<'static> = Offer {
        chain: &[],
        policies: &[POLICY],
        digests: &[DigestAlgorithm::Sm3, DigestAlgorithm::Sha256],
        tsa: Some(GeneralName::Dns("tsa.example")),
        family: Family::Cms,
    };

    fn time(ordering: bool) -> TrustedTime {
        let thresholds = Thresholds { sources: 0, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(thresholds, Precision::Milliseconds, ordering, None);
        clock.stamp(&Reading { monotonic: 0, wall: 1_800_000_000_123_456, sources: &[] }).unwrap()
    }

    #[test]
    fn what_is_asked_is_stamped_and_verifies() {
        for (key, family) in
            [(sample::sm2_key(), Family::Cms), (sample::sm2_key(), Family::Gm), (sample::p256_key(), Family::Cms)]
        {
            let (party, root) = sample::authority(key);
            let chain = [root.certificate.as_slice()];
            let offer = Offer { chain: &chain, family, ..OFFER };
            let authority = Authority::new(&party.certificate, party.key.algorithm(), offer).unwrap();
            for certificate_wanted in [false, true] {
                let new = NewTimeStampReq {
                    algorithm: OID_SM3,
                    digest: &digest(DigestAlgorithm::Sm3, b"message"),
                    policy: None,
                    nonce: Some(&[0x7f, 1]),
                    certificate_wanted,
                };
                let request = new.to_der();
                let accepted = judge(&request, &authority).unwrap();
                assert_eq!(accepted.policy(), POLICY);
                let token = prepare(&accepted, &authority, time(true), &[0x91; 20]).unwrap();
                let value = party.key.sign(token.to_sign(), &SystemRandom).unwrap();
                let stamp = token.assemble(&value, &KeyTables::default()).unwrap();
                let response = TimeStampResp::parse(&stamp.response).unwrap();
                assert_eq!(response.token, Some(stamp.token.as_slice()));
                let read = TimeStampToken::parse(&stamp.token).unwrap();
                assert_eq!(
                    (read.signed.family, read.signed.certificates.len()),
                    (family, 2 * usize::from(certificate_wanted))
                );
                let expected = Expected::answer_to(accepted.request());
                let known = [party.certificate.as_slice()];
                let verified = verify_token(&read, &known, &expected, &KeyTables::default()).unwrap();
                let info = verified.info();
                assert_eq!(info.gen_time.to_string(), "20270115080000.123Z");
                assert_eq!((info.ordering, info.tsa, info.serial.len()), (true, OFFER.tsa, 21));
                assert_eq!(info.accuracy.map(|accuracy| accuracy.microseconds), Some(1_000_000));
            }
        }
    }

    #[test]
    fn each_refusal_has_its_failure() {
        let (party, _) = sample::authority(sample::sm2_key());
        let authority = Authority::new(&party.certificate, party.key.algorithm(), OFFER).unwrap();
        let good = NewTimeStampReq {
            algorithm: OID_SHA256,
            digest: &[7; 32],
            policy: None,
            nonce: None,
            certificate_wanted: false,
        };
        let refused = |request: &[u8]| {
            let refusal = judge(request, &authority).unwrap_err();
            let response = refusal.to_response();
            let response = TimeStampResp::parse(&response).unwrap();
            assert_eq!(response.failures, [refusal.failure()]);
            (refusal.failure(), refusal)
        };
        let asked = |new: NewTimeStampReq<'_>| refused(&new.to_der());
        assert_eq!(
            asked(NewTimeStampReq { algorithm: OID_SHA1, digest: &[7; 20], ..good }),
            (FailureInfo::BadAlg, Refusal::Digest { algorithm: OID_SHA1 })
        );
        assert_eq!(
            asked(NewTimeStampReq { digest: &[7; 31], ..good }),
            (FailureInfo::BadDataFormat, Refusal::DigestLength { algorithm: "sha256", length: 31 })
        );
        let policy = ObjectIdentifier::new_unwrap("1.2.3");
        assert_eq!(
            asked(NewTimeStampReq { policy: Some(policy), ..good }),
            (FailureInfo::UnacceptedPolicy, Refusal::Policy { policy })
        );
        let malformed = tsp::Error::Der(der::Error::Missing { what: "TimeStampReq" });
        assert_eq!(refused(b""), (FailureInfo::BadDataFormat, Refusal::Unreadable(malformed)));
        let mut version = good.to_der();
        version[4] = 2;
        let wrong = tsp::Error::Version { what: "TimeStampReq", version: 2 };
        assert_eq!(refused(&version), (FailureInfo::BadRequest, Refusal::Unreadable(wrong)));
        let write = |fill: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.small(1);
                fill(inner);
            });
            writer.into_bytes()
        };
        let extension = write(&|inner| {
            inner.raw(&MessageImprint::write(OID_SM3, &[7; 32]));
            inner.context(0, |list| {
                list.sequence(|extension| _ = extension.oid(policy).octet_string(b""));
            });
        });
        assert_eq!(refused(&extension), (FailureInfo::UnacceptedExtension, Refusal::Extension { extension: policy }));
        let parameters = write(&|inner| {
            inner.sequence(|imprint| {
                imprint.sequence(|identifier| _ = identifier.oid(OID_SM3).octet_string(b""));
                imprint.octet_string(&[7; 32]);
            });
        });
        assert_eq!(refused(&parameters), (FailureInfo::BadAlg, Refusal::Digest { algorithm: OID_SM3 }));

        let request = good.to_der();
        let accepted = judge(&request, &authority).unwrap();
        for serial in [&[][..], &[0, 0], &[1; 21]] {
            assert_eq!(prepare(&accepted, &authority, time(false), serial).unwrap_err(), Refusal::Serial);
        }
        let token = prepare(&accepted, &authority, time(false), &[1]).unwrap();
        let other = party.key.sign(b"something else", &SystemRandom).unwrap();
        assert_eq!(token.assemble(&other, &KeyTables::default()), Err(Refusal::Signature));
        let time = Refusal::Time(ClockRefusal::NotLater);
        assert_eq!((time.failure(), time.code()), (FailureInfo::TimeNotAvailable, "stamp-time-not-available"));
    }

    #[test]
    fn who_is_unfit_is_told_why() {
        let (party, root) = sample::authority(sample::p256_key());
        let new = |certificate, algorithm, offer| Authority::new(certificate, algorithm, offer).map(drop);
        let algorithm = party.key.algorithm();
        assert_eq!(new(&party.certificate, algorithm, OFFER), Ok(()));
        let foreign = Err(UnfitAuthority::Algorithm { algorithm: "sm2-sm3" });
        assert_eq!(new(&party.certificate, SignatureAlgorithm::Sm2Sm3, OFFER), foreign);
        let purpose = Err(UnfitAuthority::Purpose(CertificateUnfit::NoPurpose));
        assert_eq!(new(&root.certificate, root.key.algorithm(), OFFER), purpose);
        let nothing = Err(UnfitAuthority::NothingOffered);
        assert_eq!(new(&party.certificate, algorithm, Offer { policies: &[], ..OFFER }), nothing);
        assert_eq!(new(&party.certificate, algorithm, Offer { digests: &[], ..OFFER }), nothing);
        let none = Err(UnfitAuthority::Certificate(der::Error::Missing { what: "certificate" }));
        assert_eq!(new(&[], algorithm, OFFER), none);
    }
}
