//! What travels in one file to a place without a network: lists, certificates between, revocation lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::format::trust_list::error::TrustListError;
use crate::format::trust_list::list::shape;
use crate::format::trust_list::signed::{RawSigned, SignedTrustList};
use crate::format::x509::Certificate;
use crate::format::x509::crl::CertificateList;

/// Octets of a bundle: revocation lists of a province's authorities are some tens of MiB.
pub const MOST_BUNDLE: usize = 64 << 20;
/// Lists of a bundle.
const MOST_BUNDLE_LISTS: usize = 64;
/// Certificates, and revocation lists, of a bundle.
const MOST_BUNDLE_EVIDENCE: usize = 4096;

/// Lists with what helps to use them offline. Its lists are signed, and so is what lies beside them; the whole is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustBundle {
    /// The lists.
    pub lists: Vec<SignedTrustList>,
    /// Certificates that may stand in a path, DER. No anchors.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBundle {
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    crls: Vec<String>,
    lists: Vec<RawSigned>,
    version: u64,
}

/// Told by its members, whatever else they hold.
#[derive(Deserialize)]
struct Outline {
    payload: Option<IgnoredAny>,
}

impl TrustBundle {
    /// Whether these bytes begin as JSON does: a certificate in PEM or DER never does so.
    #[must_use]
    pub fn recognises(bytes: &[u8]) -> bool {
        bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    }

    /// The bundle that a file holds; a signed list by itself is a bundle of one.
    ///
    /// # Errors
    /// The file holds something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustListError> {
        if bytes.len() > MOST_BUNDLE {
            return Err(TrustListError::TooLarge { what: "bundle", most: MOST_BUNDLE });
        }
        let outline: Outline = serde_json::from_slice(bytes).map_err(|error| shape("bundle", &error))?;
        if outline.payload.is_some() {
            return Ok(Self { lists: vec![SignedTrustList::parse(bytes)?], ..Self::default() });
        }
        let raw: RawBundle = serde_json::from_slice(bytes).map_err(|error| shape("bundle", &error))?;
        if raw.version != 1 {
            return Err(TrustListError::Version { found: raw.version });
        }
        let most = |member, rule, holds: bool| {
            if holds { Ok(()) } else { Err(TrustListError::Member { member, rule }) }
        };
        most("lists", "are 64 at most", raw.lists.len() <= MOST_BUNDLE_LISTS)?;
        most("certificates", "are 4096 at most", raw.certificates.len() <= MOST_BUNDLE_EVIDENCE)?;
        most("crls", "are 4096 at most", raw.crls.len() <= MOST_BUNDLE_EVIDENCE)?;
        let lists = raw.lists.iter().map(SignedTrustList::from_raw).collect::<Result<Vec<_>, _>>()?;
        let bundle = Self {
            lists,
            certificates: decode(&raw.certificates, "a certificate")?,
            crls: decode(&raw.crls, "a revocation list")?,
        };
        bundle.check()?;
        Ok(bundle)
    }

    /// Whether everything beside the lists can be read.
    ///
    /// # Errors
    /// Something cannot.
    pub fn check(&self) -> Result<(), TrustListError> {
        for (index, der) in (1..).zip(&self.certificates) {
            let malformed = |source| TrustListError::Malformed { what: "certificate", index, source };
            Certificate::parse(der).map_err(malformed)?;
        }
        for (index, der) in (1..).zip(&self.crls) {
            let malformed = |source| TrustListError::Malformed { what: "revocation list", index, source };
            CertificateList::parse(der).map_err(malformed)?;
        }
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let encode = |ders: &[Vec<u8>]| ders.iter().map(|der| STANDARD.encode(der)).collect();
        let raw = RawBundle {
            certificates: encode(&self.certificates),
            crls: encode(&self.crls),
            lists: self.lists.iter().map(SignedTrustList::to_raw).collect(),
            version: 1,
        };
        let mut octets = serde_json::to_vec(&raw).unwrap_or_default();
        octets.push(b'\n');
        octets
    }
}

fn decode(texts: &[String], what: &'static str) -> Result<Vec<Vec<u8>>, TrustListError> {
    texts.iter().map(|text| STANDARD.decode(text).map_err(|_| TrustListError::Base64 { what })).collect()
}
