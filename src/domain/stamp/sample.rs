//! Keys, certificates and tokens for tests: each part can be made wrong.

use crate::base::clock::Timestamp;
use crate::base::random::SystemRandom;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::digest;
use crate::crypto::{Signer, ecdsa, sm2};
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use crate::format::cms::{Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2};
use crate::format::der::{ObjectIdentifier, Writer};
use crate::format::tsp::{GenTime, MessageImprint, NewTstInfo, TST_INFO};
use crate::format::x509::extension::{ExtendedKeyUsage, TIME_STAMPING};
use crate::format::x509::{Certificate, KeyUsage, NewCertificate, NewExtension, NewName};

/// The policy of every sample.
pub(super) const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.1.2.3");

/// A key and its certificate.
pub(super) struct Party {
    pub(super) key: Box<dyn Signer>,
    pub(super) certificate: Vec<u8>,
}

fn name(common_name: &str) -> Vec<u8> {
    NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der()
}

/// A certificate by the writer of structures alone, so that it may be unfit.
pub(super) fn certificate(
    (subject, key): (&str, &dyn Signer),
    (issuer, issuer_key): (&str, &dyn Signer),
    extensions: &[NewExtension],
) -> Vec<u8> {
    let oid = issuer_key.algorithm().oid().unwrap();
    let mut writer = Writer::new();
    writer.sequence(|tbs| {
        tbs.context(0, |version| _ = version.small(2));
        tbs.unsigned(&digest(DigestAlgorithm::Sm3, subject.as_bytes()));
        tbs.sequence(|algorithm| _ = algorithm.oid(oid));
        tbs.raw(&name(issuer));
        tbs.sequence(|validity| {
            validity.time(Timestamp::from_unix(1_700_000_000)).time(Timestamp::from_unix(2_000_000_000));
        });
        tbs.raw(&name(subject)).raw(&subject_public_key_info(&key.public_key()));
        tbs.context(3, |outer| {
            outer.sequence(|list| extensions.iter().for_each(|extension| extension.write(list)));
        });
    });
    let tbs = writer.into_bytes();
    let value = issuer_key.sign(&tbs, &SystemRandom).unwrap();
    NewCertificate::assemble(&tbs, oid, &encode_value(issuer_key.algorithm(), &value))
}

/// What makes a certificate a time-stamping authority's.
pub(super) fn purposes(critical: bool, purposes: &[ObjectIdentifier]) -> Vec<NewExtension> {
    vec![
        NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
        NewExtension::new(critical, &ExtendedKeyUsage(purposes.to_vec())),
    ]
}

pub(super) fn sm2_key() -> Box<dyn Signer> {
    Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap())
}

pub(super) fn p256_key() -> Box<dyn Signer> {
    Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap())
}

/// An authority under the root `根`.
pub(super) fn party(key: Box<dyn Signer>, extensions: &[NewExtension]) -> (Party, Party) {
    let root = sm2_key();
    let root_certificate = certificate(("根", &*root), ("根", &*root), &[]);
    let certificate = certificate(("时间戳", &*key), ("根", &*root), extensions);
    (Party { key, certificate }, Party { key: root, certificate: root_certificate })
}

/// A sound authority.
pub(super) fn authority(key: Box<dyn Signer>) -> (Party, Party) {
    party(key, &purposes(true, &[TIME_STAMPING]))
}

/// A token, part by part.
pub(super) struct Sample<'a> {
    pub(super) party: &'a Party,
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) message: &'a [u8],
    pub(super) signers: usize,
    /// Attributes that are left out or changed.
    pub(super) change: fn(&mut Vec<NewAttribute>),
    pub(super) content_type: ObjectIdentifier,
}

impl<'a> Sample<'a> {
    pub(super) fn of(party: &'a Party) -> Self {
        let certificates = vec![party.certificate.as_slice()];
        Self { party, certificates, message: b"message", signers: 1, change: |_| {}, content_type: TST_INFO }
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        let algorithm: SignatureAlgorithm = self.party.key.algorithm();
        let kind = algorithm.digest();
        let info = NewTstInfo {
            policy: POLICY,
            imprint: &MessageImprint::write(kind.oid(), &digest(kind, self.message)),
            serial: &[1],
            gen_time: GenTime::new(Timestamp::from_unix(1_800_000_000), 0).unwrap(),
            accuracy: None,
            ordering: false,
            nonce: None,
            tsa: None,
        }
        .to_der();
        let certificate = Certificate::parse(&self.party.certificate).unwrap();
        let names = (certificate.issuer.raw(), certificate.serial);
        let mut attributes = vec![
            NewAttribute::content_type(TST_INFO),
            NewAttribute::message_digest(&digest(kind, &info)),
            signing_certificate_v2(kind.oid(), &digest(kind, certificate.raw), names),
        ];
        (self.change)(&mut attributes);
        let value = self.party.key.sign(&NewAttribute::to_sign(&attributes), &SystemRandom).unwrap();
        let signer = NewSigner {
            identifier: SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial },
            digest_algorithm: &digest_algorithm_identifier(kind),
            signed_attributes: &attributes,
            signature_algorithm: &signature_algorithm_identifier(algorithm),
            signature: &encode_value(algorithm, &value),
            unsigned_attributes: &[],
        };
        NewSignedData {
            family: Family::Cms,
            content_type: self.content_type,
            content: Some(&info),
            certificates: &self.certificates,
            crls: &[],
            signers: &vec![signer; self.signers],
        }
        .to_der()
    }
}
