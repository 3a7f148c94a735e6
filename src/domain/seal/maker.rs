//! Making a seal (制章): `prepare` decides what it says, the maker's key signs, `assemble` checks and joins.

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::trust::key::{encode_value, public_key};
use crate::domain::trust::{AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
use crate::format::der;
use crate::format::ses::NewSeal;
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
}

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
    /// What came back from the key store is not the maker's signature.
    #[error("the signature is not the maker's over this seal")]
    Signature,
}

/// A decision to make exactly this seal.
#[derive(Debug)]
pub struct SealToken {
    info: Vec<u8>,
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
    if !(1..=100).contains(&request.name.chars().count()) {
        return Err(Error::Name);
    }
    if !(1..=64).contains(&request.signers.len()) {
        return Err(Error::Signers);
    }
    if request.valid_end < request.created {
        return Err(Error::EmptyValidity);
    }
    algorithm.oid().ok_or(Error::Algorithm)?;
    let maker = signing_certificate(maker_certificate, "maker")?;
    if request.created < maker.not_before || request.created > maker.not_after {
        return Err(Error::MakerNotValid { at: request.created });
    }
    let key = public_key(&maker.public_key).ok_or(Error::NotForSigning { whose: "maker" })?;
    policy.signature(&SignatureUsed::of(&key, algorithm), request.created, Use::Issue)?;
    for signer in request.signers {
        signing_certificate(signer, "signer")?;
    }
    let info = NewSeal {
        vendor: "yinxin",
        es_id: request.es_id,
        kind: request.kind.into(),
        name: request.name,
        certificates: request.signers,
        created: request.created,
        valid_start: request.created,
        valid_end: request.valid_end,
        picture_type: request.picture_type,
        picture: request.picture,
        width: request.size_mm.0.into(),
        height: request.size_mm.1.into(),
    }
    .to_info();
    Ok(SealToken { info, maker_certificate: maker_certificate.to_vec(), algorithm })
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
    /// The bytes to sign: `eSealInfo`.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.info
    }

    /// The seal, from the value of fixed width that the maker's key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing is made.
    pub fn assemble(self, value: &[u8]) -> Result<Vec<u8>, Error> {
        let certificate = signing_certificate(&self.maker_certificate, "maker")?;
        let key = public_key(&certificate.public_key).ok_or(Error::Signature)?;
        let oid = self.algorithm.oid().ok_or(Error::Algorithm)?;
        if !key.verify(self.algorithm, &self.info, value) {
            return Err(Error::Signature);
        }
        Ok(NewSeal::assemble(&self.info, &self.maker_certificate, oid, &encode_value(self.algorithm, value)))
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
                kind: 1,
                es_id: "99000000000001",
                name: "印信演示专用章",
                signers: &[&signer],
                created,
                valid_end: created.plus_days(1),
                picture_type: "png",
                picture: b"picture",
                size_mm: (40, 40),
            };
            prepare(&request, &maker, SignatureAlgorithm::Sm2Sm3, &policy).map(|_| ())
        };
        assert_eq!(make(end), Ok(()));
        let ended = Unacceptable::Ended { algorithm: "sm2-sm3", wanted: Use::Issue, until: end };
        assert_eq!(make(end.plus_seconds(1)), Err(ended.into()));
    }
}
