//! SignedData around a content or beside it: RFC 5652, CAdES (ETSI EN 319 122-1), GB/T 35275.
//!
//! Attributes are signed in every form: a value over bare content that reads as attributes could be taken for the value of
//! others (RFC 5652 5.3 leaves the two apart only by the signer's choice).

use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::digest;
use crate::domain::message::{Content, Error, Form, Signer};
use crate::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use crate::format::cms::{
    ContentType, Family, NewAttribute, NewSignedData, NewSigner, SignerIdentifier, signing_certificate_v2,
};
use crate::format::x509::Certificate;

/// SignedData that lacks only its value.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    family: Family,
    algorithm: SignatureAlgorithm,
    certificate: Certificate<'a>,
    certificates: Vec<&'a [u8]>,
    content: Option<&'a [u8]>,
    attributes: Vec<NewAttribute>,
}

impl<'a> Draft<'a> {
    /// Over a content of the caller's.
    pub(super) fn of(signer: &Signer<'a>, content: Content<'a>) -> Result<Self, Error> {
        let kind = signer.algorithm.digest();
        match content {
            Content::Attached(octets) => Self::over(signer, &digest(kind, octets), Some(octets)),
            Content::Detached(octets) => Self::over(signer, &digest(kind, octets), None),
            Content::Digest(handed) if handed.algorithm != kind => {
                let (given, needed) = (handed.algorithm.name(), kind.name());
                Err(Error::DigestOfAnotherAlgorithm { given, needed })
            }
            Content::Digest(handed) => {
                handed.check_length()?;
                Self::over(signer, handed.value, None)
            }
        }
    }

    /// Over a content of that digest.
    pub(super) fn over(signer: &Signer<'a>, content_digest: &[u8], content: Option<&'a [u8]>) -> Result<Self, Error> {
        let (family, kind, certificate) = (signer.family()?, signer.algorithm.digest(), &signer.certificate);
        let mut attributes = vec![
            NewAttribute::content_type(family.oid(ContentType::Data)),
            NewAttribute::message_digest(content_digest),
            NewAttribute::signing_time(signer.now),
        ];
        if matches!(signer.form, Form::CadesB | Form::CadesT | Form::OfdSign) {
            let names = (certificate.issuer.raw(), certificate.serial);
            attributes.push(signing_certificate_v2(kind.oid(), &digest(kind, certificate.raw), names));
        }
        Ok(Self {
            family,
            algorithm: signer.algorithm,
            certificate: certificate.clone(),
            certificates: signer.certificates(),
            content,
            attributes,
        })
    }

    /// The bytes to sign.
    pub(super) fn to_sign(&self) -> Vec<u8> {
        NewAttribute::to_sign(&self.attributes)
    }

    /// The message, from the value as it is carried.
    pub(super) fn to_der(&self, value: &[u8], time_stamp: Option<&[u8]>) -> Vec<u8> {
        let (family, certificate) = (self.family, &self.certificate);
        let unsigned: Vec<NewAttribute> = time_stamp.map(NewAttribute::time_stamp_token).into_iter().collect();
        let signer = NewSigner {
            identifier: SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial },
            digest_algorithm: &digest_algorithm_identifier(self.algorithm.digest()),
            signed_attributes: &self.attributes,
            signature_algorithm: &signature_algorithm_identifier(self.algorithm),
            signature: value,
            unsigned_attributes: &unsigned,
        };
        NewSignedData {
            family,
            content_type: family.oid(ContentType::Data),
            content: self.content,
            certificates: &self.certificates,
            crls: &[],
            signers: &[signer],
        }
        .to_der()
    }
}
