//! Making a seal (制章): `prepare` decides what it says, the maker's key signs, `assemble` checks and joins.

use crate::base::clock::Timestamp;
use crate::base::id::SignatureId;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::domain::key::named;
use crate::domain::trust::key::{encode_value, public_key};
use crate::domain::trust::{AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
use crate::format::der;
use crate::format::ses::{CertificateDigest, Layout, NewSeal, NewSigners};
use crate::format::x509::Certificate;

/// What a seal shall say.
#[derive(Debug, Clone, Copy)]
pub struct SealRequest<'a> {
    /// The code of its type.
    pub kind: u8,
    /// `esID`: 14 digits, administrative division and number (seen in government seals of several provinces).
    pub es_id: &'a str,
    /// The seal's name.
    pub name: &'a str,
    /// The certificates that may use it.
    pub signers: &'a [&'a [u8]],
    /// When it is made, and its validity begins.
    pub created: Timestamp,
    /// When its validity ends.
    pub valid_end: Timestamp,
    /// `png`, `ofd`, …
    pub picture_type: &'a str,
    /// The picture.
    pub picture: &'a [u8],
    /// Width and height of the stamp, millimetres.
    pub size_mm: (u16, u16),
    /// In which form it is written.
    pub form: SealForm,
    /// How it lists its signers.
    pub list: SignerList,
}

named! {
    /// In which form a seal is written.
    SealForm {
        /// GM/T 0031-2014.
        V1 = 1, "v1";
        /// GB/T 38540-2020.
        V4 = 4, "v4";
        /// GM/T 0031-2025.
        V5 = 5, "v5";
    }
}

named! {
    /// How a seal lists the certificates of its signers (GB/T 38540 6.3, certListType).
    SignerList {
        /// The certificates themselves.
        Certificates = 1, "certificates";
        /// SM3 of each; not in version 1.
        Digests = 2, "digests";
    }
}

named! {
    /// Which seals get a time stamp of their own when they are made.
    SealStamps {
        /// None.
        Never = 1, "never";
        /// Those of version 5 (GM/T 0031-2025), which has a place for one.
        V5 = 2, "v5";
    }
}

impl SealForm {
    const fn layout(self) -> Layout {
        match self {
            Self::V1 => Layout::V1,
            Self::V4 => Layout::V4,
            Self::V5 => Layout::V5,
        }
    }
}

/// The last moment of which a seal of version 1 can tell the year by two digits: the end of 2049 (X.690 11.8 as X.509 reads it).
const LAST_OF_V1: Timestamp = Timestamp::from_unix(2_524_607_999);
/// What a listed digest is called; the structure does not say of which algorithm it is.
const DIGEST_KIND: &str = "SM3";

/// Why no seal is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `esID` is not 14 digits.
    #[error("a seal's number has 14 digits")]
    EsId,
    /// The name is empty or too long.
    #[error("a seal's name has 1 to 100 characters")]
    Name,
    /// Nobody may use it.
    #[error("a seal lists 1 to 64 signers")]
    Signers,
    /// Version 1 lists certificates, not digests.
    #[error("a seal of version 1 lists certificates, not their digests")]
    DigestsInV1,
    /// Version 1 writes no year after 2049.
    #[error("a seal of version 1 ends in 2049 at the latest")]
    BeyondV1,
    /// The validity is empty.
    #[error("the seal's validity ends before it begins")]
    EmptyValidity,
    /// A certificate cannot be read.
    #[error("the {whose}'s certificate cannot be read")]
    Certificate {
        /// `maker` or `signer`.
        whose: &'static str,
        /// Why.
        source: der::Error,
    },
    /// A certificate is not for signing, or its key is of a kind that we do not compute.
    #[error("the {whose}'s certificate is not for signing")]
    NotForSigning {
        /// `maker` or `signer`.
        whose: &'static str,
    },
    /// The maker's certificate is not valid when the seal is made.
    #[error("the maker's certificate is not valid at {at}")]
    MakerNotValid {
        /// When the seal would be made.
        at: Timestamp,
    },
    /// The maker's algorithm has no object identifier.
    #[error("the maker's algorithm cannot sign seals")]
    Algorithm,
    /// The algorithm policy does not allow the maker's signature when the seal is made.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// Versions 1 and 4 have no place for a time stamp of the seal.
    #[error("a seal of this version has no time stamp of its own")]
    TimeStampInForm,
    /// What came back from the key store is not the maker's signature.
    #[error("the signature is not the maker's over this seal")]
    Signature,
}

/// A decision to make exactly this seal.
#[derive(Debug)]
pub struct SealToken {
    layout: Layout,
    info: Vec<u8>,
    to_sign: Vec<u8>,
    maker_certificate: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

/// Decides what the seal says (GB/T 38540-2020 6).
///
/// # Errors
/// The request breaks a rule, or the maker may not make it: its certificate is not valid, or the policy allows its
/// algorithm, digest or key for nothing new when the seal is made.
pub fn prepare(
    request: &SealRequest<'_>,
    maker_certificate: &[u8],
    algorithm: SignatureAlgorithm,
    policy: &AlgorithmPolicy,
) -> Result<SealToken, Error> {
    if request.es_id.len() != 14 || !request.es_id.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::EsId);
    }
    decide(request, maker_certificate, algorithm, policy)
}

/// Decides what the seal of one act of a person says: it carries the handwriting, bears the name of the act in place of the
/// number of an organisation's seal, and lists the one certificate of the act.
///
/// # Errors
/// As [`prepare`]; [`Error::EsId`]: the number is not that act's; [`Error::Signers`]: not one signer.
pub fn prepare_of_person(
    request: &SealRequest<'_>,
    act: &SignatureId,
    maker_certificate: &[u8],
    (algorithm, policy): (SignatureAlgorithm, &AlgorithmPolicy),
) -> Result<SealToken, Error> {
    if request.es_id != act.as_str() {
        return Err(Error::EsId);
    }
    if request.signers.len() != 1 {
        return Err(Error::Signers);
    }
    decide(request, maker_certificate, algorithm, policy)
}

fn decide(
    request: &SealRequest<'_>,
    maker_certificate: &[u8],
    algorithm: SignatureAlgorithm,
    policy: &AlgorithmPolicy,
) -> Result<SealToken, Error> {
    if !(1..=100).contains(&request.name.chars().count()) {
        return Err(Error::Name);
    }
    if !(1..=64).contains(&request.signers.len()) {
        return Err(Error::Signers);
    }
    if request.valid_end < request.created {
        return Err(Error::EmptyValidity);
    }
    if request.form == SealForm::V1 && request.list == SignerList::Digests {
        return Err(Error::DigestsInV1);
    }
    if request.form == SealForm::V1 && request.valid_end > LAST_OF_V1 {
        return Err(Error::BeyondV1);
    }
    let oid = algorithm.oid().ok_or(Error::Algorithm)?;
    let maker = signing_certificate(maker_certificate, "maker")?;
    if request.created < maker.not_before || request.created > maker.not_after {
        return Err(Error::MakerNotValid { at: request.created });
    }
    let key = public_key(&maker.public_key).ok_or(Error::NotForSigning { whose: "maker" })?;
    policy.signature(&SignatureUsed::of(&key, algorithm), request.created, Use::Issue)?;
    for signer in request.signers {
        signing_certificate(signer, "signer")?;
    }
    let digests = request.signers.iter().map(|der| sm3(der)).collect::<Vec<_>>();
    let digests = digests.iter().map(|value| CertificateDigest { kind: DIGEST_KIND, value }).collect::<Vec<_>>();
    let (layout, (width, height)) = (request.form.layout(), request.size_mm);
    let info = NewSeal {
        layout,
        vendor: "yinxin",
        es_id: request.es_id,
        kind: u32::from(request.kind),
        name: request.name,
        signers: match request.list {
            SignerList::Certificates => NewSigners::Certificates(request.signers),
            SignerList::Digests => NewSigners::Digests(&digests),
        },
        created: request.created,
        valid_start: request.created,
        valid_end: request.valid_end,
        picture_type: request.picture_type,
        picture: request.picture,
        width: u32::from(width),
        height: u32::from(height),
    }
    .to_info();
    let to_sign = NewSeal::to_sign(layout, &info, maker_certificate, oid);
    Ok(SealToken { layout, info, to_sign, maker_certificate: maker_certificate.to_vec(), algorithm })
}

fn signing_certificate<'a>(der: &'a [u8], whose: &'static str) -> Result<Certificate<'a>, Error> {
    let certificate = Certificate::parse(der).map_err(|source| Error::Certificate { whose, source })?;
    if certificate.allows_signing() && public_key(&certificate.public_key).is_some() {
        Ok(certificate)
    } else {
        Err(Error::NotForSigning { whose })
    }
}

impl SealToken {
    /// The bytes to sign: `eSealInfo`, in version 1 with the maker's certificate and algorithm.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// The seal without a time stamp, from the value of fixed width that the maker's key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing is made.
    pub fn assemble(self, value: &[u8]) -> Result<Vec<u8>, Error> {
        self.value(value)?.assemble(None)
    }

    /// The maker's value as the seal writes it, from that of fixed width that the maker's key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing is made.
    pub fn value(self, value: &[u8]) -> Result<SealValue, Error> {
        let certificate = signing_certificate(&self.maker_certificate, "maker")?;
        let key = public_key(&certificate.public_key).ok_or(Error::Signature)?;
        if !key.verify(self.algorithm, &self.to_sign, value) {
            return Err(Error::Signature);
        }
        let value = encode_value(self.algorithm, value);
        Ok(SealValue { token: self, value })
    }
}

/// A seal that its maker signed: what is missing is its time stamp, where it gets one.
#[derive(Debug)]
pub struct SealValue {
    token: SealToken,
    value: Vec<u8>,
}

impl SealValue {
    /// The octets that a time stamp is over: signedValue (recollection, as in [`crate::format::ses::seal`]).
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.value
    }

    /// Whether this form has a place for a time stamp.
    #[must_use]
    pub fn has_time_stamp(&self) -> bool {
        self.token.layout == Layout::V5
    }

    /// The seal, with the token of a time stamp over the octets where there is one.
    ///
    /// # Errors
    /// [`Error::TimeStampInForm`]: the form has no place for it.
    pub fn assemble(self, time_stamp: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        if time_stamp.is_some() && !self.has_time_stamp() {
            return Err(Error::TimeStampInForm);
        }
        let SealToken { layout, info, maker_certificate, algorithm, .. } = &self.token;
        let oid = algorithm.oid().ok_or(Error::Algorithm)?;
        Ok(NewSeal::assemble_stamped(*layout, info, maker_certificate, oid, (&self.value, time_stamp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::REGISTRY;
    use crate::domain::trust::Acceptance;
    use crate::domain::trust::acceptance::Term;
    use crate::format::keys::read_pem;

    #[test]
    fn no_seal_by_a_maker_whose_signatures_the_policy_ended() {
        let der = |text: &str| read_pem(text, "CERTIFICATE").unwrap().remove(0);
        let maker = der(include_str!("../../../tests/vectors/keys/maker.pem"));
        let signer = der(include_str!("../../../tests/vectors/keys/signer.pem"));
        let end = Certificate::parse(&maker).unwrap().not_before.plus_days(1);
        let always = Acceptance { issue: Term::Always, accept_from: None, accept: Term::Always };
        let never = Acceptance { issue: Term::Never, accept_from: None, accept: Term::Never };
        let rules = REGISTRY.iter().map(|row| match row.name {
            "sm2-sm3" => (row.name, 0, Acceptance { issue: Term::Until(end), ..always }),
            "rsa-key" => (row.name, 2048, always),
            _ => (row.name, 0, if row.computed { always } else { never }),
        });
        let policy = AlgorithmPolicy::new("p".into(), String::new(), rules).unwrap();
        let make = |created: Timestamp| {
            let request = SealRequest {
                es_id: "99000000000001",
                name: "印信演示专用章",
                signers: &[&signer],
                created,
                valid_end: created.plus_days(1),
                picture_type: "png",
                picture: b"picture",
                size_mm: (40, 40),
                kind: 1,
                form: SealForm::V4,
                list: SignerList::Certificates,
            };
            prepare(&request, &maker, SignatureAlgorithm::Sm2Sm3, &policy).map(|_| ())
        };
        assert_eq!(make(end), Ok(()));
        let ended = Unacceptable::Ended { algorithm: "sm2-sm3", wanted: Use::Issue, until: end };
        assert_eq!(make(end.plus_seconds(1)), Err(ended.into()));
    }
}
