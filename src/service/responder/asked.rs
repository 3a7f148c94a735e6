//! Whom and what a CertID asks about (RFC 6960 4.1.1): our authority by its digests, and a serial number.

use crate::crypto::algorithm::{DigestAlgorithm, OID_SHA1};
use crate::crypto::digest::{digest, sha1_identifier};
use crate::format::der::ObjectIdentifier;
use crate::format::x509::Certificate;
use crate::format::x509::ocsp::{CertId, NewCertId, NewOcspRequest};

/// The digests that a CertID may use: SHA-1 (RFC 5019 2.1.1), SHA-256 (RFC 8954 and later clients), SM3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::service::responder) enum Digest {
    Sha1,
    Sha256,
    Sm3,
}

impl Digest {
    pub(in crate::service::responder) const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sm3];

    fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        match DigestAlgorithm::from_oid(oid) {
            _ if oid == OID_SHA1 => Some(Self::Sha1),
            Some(DigestAlgorithm::Sha256) => Some(Self::Sha256),
            Some(DigestAlgorithm::Sm3) => Some(Self::Sm3),
            _ => None,
        }
    }

    fn of(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1_identifier(octets).to_vec(),
            Self::Sha256 => digest(DigestAlgorithm::Sha256, octets),
            Self::Sm3 => digest(DigestAlgorithm::Sm3, octets),
        }
    }
}

/// Name and key of an issuer, by each digest.
pub(in crate::service::responder) struct IssuerDigests([(Digest, Vec<u8>, Vec<u8>); 3]);

/// What a CertID asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service::responder) enum Asked {
    /// A certificate with such a serial number as we give, by that digest.
    Ours(Digest, [u8; 16]),
    /// A certificate of this issuer that we cannot have issued.
    NeverIssued,
    /// Another issuer's certificate, or one that is told by a digest that we do not compute.
    Others,
}

impl IssuerDigests {
    pub(in crate::service::responder) fn of(issuer: &Certificate<'_>) -> Self {
        let (name, key) = (issuer.subject.raw(), issuer.public_key.key);
        Self(Digest::ALL.map(|digest| (digest, digest.of(name), digest.of(key))))
    }

    pub(in crate::service::responder) fn read(&self, id: &CertId<'_>) -> Asked {
        let Some(asked) = Digest::from_oid(id.hash_algorithm.oid) else { return Asked::Others };
        let is_ours = self
            .0
            .iter()
            .any(|(digest, name, key)| *digest == asked && name == id.issuer_name_hash && key == id.issuer_key_hash);
        if !is_ours {
            return Asked::Others;
        }
        serial(id.serial).map_or(Asked::NeverIssued, |serial| Asked::Ours(asked, serial))
    }
}

impl IssuerDigests {
    /// A request about that certificate, by SHA-1.
    pub(in crate::service::responder) fn request(&self, serial: &[u8; 16]) -> Vec<u8> {
        let [(_, name, key), ..] = &self.0;
        let id = NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: name, issuer_key_hash: key, serial }.to_der();
        NewOcspRequest { cert_ids: &[&id], nonce: None, acceptable_responses: &[] }.to_der()
    }
}

/// Content octets of an INTEGER as the sixteen octets of our rows; nothing for numbers that are negative or longer.
fn serial(content: &[u8]) -> Option<[u8; 16]> {
    if content.first().is_none_or(|top| *top >= 0x80) {
        return None;
    }
    let zeros = content.iter().take_while(|octet| **octet == 0).count();
    let magnitude = content.get(zeros..)?;
    let mut octets = [0; 16];
    let from = octets.len().checked_sub(magnitude.len())?;
    octets.get_mut(from..)?.copy_from_slice(magnitude);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_those_of_rows() {
        let full = [0xff; 16];
        assert_eq!(serial(&[&[0][..], &full].concat()), Some(full));
        assert_eq!(serial(&[5]), Some([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]));
        assert_eq!(serial(&[&[1][..], &full].concat()), None);
        assert_eq!(serial(&full), None);
        assert_eq!(serial(&[]), None);
    }
}
