//! Many questions to one CRL: its entries sorted by the hash of their serial numbers.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::format::der::{self, Reader};
use crate::format::x509::crl::{CertificateList, RevokedCertificate};
use crate::format::x509::name::Name;

/// Where the entries of one CRL stand: 16 bytes for each. It borrows nothing, so it can be kept beside the bytes.
///
/// It answers for the list that it was made of and no other: a list with another signature or length is walked through
/// instead, so that an index can make answers faster and never wrong. A list of the same length and signature but of other
/// content has a wrong signature, and is used by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlIndex {
    rows: Vec<Row>,
    length: usize,
    signature: Vec<u8>,
}

/// Ordered by hash, then by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    hash: u64,
    /// Where the entry begins.
    at: u32,
    /// Where the entry begins that names its issuer; [`NOBODY`] where none does.
    issuer_at: u32,
}

const NOBODY: u32 = u32::MAX;

/// Not keyed: serial numbers are chosen by the authority that signs the list, and equal hashes cost a walk, no more.
fn hash_of(serial: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    serial.hash(&mut hasher);
    hasher.finish()
}

impl CrlIndex {
    /// Of that list.
    ///
    /// # Errors
    /// [`der::Error::TooMany`]: it has more than `limit` entries, or 4 GiB of them.
    pub fn new(list: &CertificateList<'_>, limit: usize) -> Result<Self, der::Error> {
        let too_many = der::Error::TooMany { what: "revokedCertificates", limit };
        if list.count() > limit || u32::try_from(list.entry_octets().len()).is_err() {
            return Err(too_many);
        }
        let mut rows = Vec::with_capacity(list.count());
        let mut reader = Reader::new(list.entry_octets());
        let (mut at, mut issuer_at, mut issuer) = (0_u32, NOBODY, None);
        while !reader.is_empty() {
            let value = reader.value("revokedCertificates")?;
            let entry = RevokedCertificate::read(&mut Reader::new(value.raw()), None)?;
            if entry.certificate_issuer.is_some() && entry.certificate_issuer != issuer {
                (issuer, issuer_at) = (entry.certificate_issuer, at);
            }
            rows.push(Row { hash: hash_of(entry.serial), at, issuer_at });
            at = u32::try_from(value.raw().len()).ok().and_then(|used| at.checked_add(used)).ok_or(too_many.clone())?;
        }
        rows.sort_unstable();
        Ok(Self { rows, length: list.raw.len(), signature: list.signature.to_vec() })
    }

    /// Whether it was made of that list.
    #[must_use]
    pub fn is_of(&self, list: &CertificateList<'_>) -> bool {
        self.length == list.raw.len() && self.signature == list.signature
    }

    /// As [`CertificateList::find`], without walking through the list.
    #[must_use]
    pub fn find<'a>(
        &self,
        list: &CertificateList<'a>,
        serial: &[u8],
        issuer: &Name<'_>,
    ) -> Option<RevokedCertificate<'a>> {
        if !self.is_of(list) {
            return list.find(serial, issuer);
        }
        let hash = hash_of(serial);
        let first = self.rows.partition_point(|row| row.hash < hash);
        let rows = self.rows.iter().skip(first).take_while(|row| row.hash == hash);
        rows.filter_map(|row| entry_at(list, *row))
            .find(|entry| entry.serial == serial && list.is_issued_by(entry, issuer))
    }
}

fn entry_at<'a>(list: &CertificateList<'a>, row: Row) -> Option<RevokedCertificate<'a>> {
    let read = |at: u32, inherited| {
        let octets = list.entry_octets().get(usize::try_from(at).ok()?..)?;
        RevokedCertificate::read(&mut Reader::new(octets), inherited).ok()
    };
    let inherited = if row.issuer_at == NOBODY { None } else { read(row.issuer_at, None)?.certificate_issuer };
    read(row.at, inherited)
}
