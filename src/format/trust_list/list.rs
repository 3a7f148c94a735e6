//! The list itself: anchors with what each is trusted for, or the lists below, in one canonical form.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::base::clock::Timestamp;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::tlog::{NoteKey, VerifierKey};
use crate::format::trust_list::error::TrustListError;
use crate::format::x509::Certificate;

/// Octets of a list's payload. A thousand anchors with everything that can be said of them are less than half of that.
pub const MOST_PAYLOAD: usize = 4 << 20;
/// Anchors of one list.
pub const MOST_ANCHORS: usize = 1024;
/// Lists that a list names.
pub const MOST_LISTS: usize = 256;
/// Keys that may sign a list.
pub const MOST_SIGNERS: usize = 16;
/// Regions of an anchor or a list, and status services of an anchor.
const MOST_REGIONS: usize = 64;
const MOST_NAMES: usize = 8;
const MOST_STATUS: usize = 8;
/// Keys of logs of an anchor: two trees, and as many again while keys change.
const MOST_LOGS: usize = 16;
/// Characters of a text, octets of an address.
const MOST_TEXT: usize = 200;
const MOST_URL: usize = 512;
/// RFC 7493 2.2: every reader of JSON reads whole numbers up to here.
const MOST_NUMBER: u64 = (1 << 53) - 1;

/// What an anchor may be trusted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustUse {
    /// Certificates of persons and organisations, and what they sign without a seal.
    Identity,
    /// Those who sign electronic licences (电子证照).
    Licence,
    /// Seal makers (制章人).
    SealMaking,
    /// Those who sign by a seal (签章人).
    SealSigning,
    /// Time-stamping authorities (时间戳).
    TimeStamp,
}

impl TrustUse {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Licence, Self::SealMaking, Self::SealSigning, Self::TimeStamp];

    /// As lists write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Licence => "licence",
            Self::SealMaking => "seal-making",
            Self::SealSigning => "seal-signing",
            Self::TimeStamp => "time-stamp",
        }
    }
}

/// A division of the country, by its code of GB/T 2260 and the names that certificates give it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Six digits. Zeros at the end stand for all that is below: 330000 is a province, 330100 a city of it.
    pub code: String,
    /// As `stateOrProvinceName` or `localityName` of a subject has it.
    pub names: Vec<String>,
}

impl Region {
    /// Whether the other one lies in this one, or is this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let mut prefix = self.code.as_str();
        while let Some(shorter) = prefix.strip_suffix("00") {
            prefix = shorter;
        }
        other.code.starts_with(prefix)
    }
}

/// Which signer IDs count for SM2 signatures below an anchor (GB/T 35276 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignerIdRule {
    /// `1234567812345678` alone.
    Default,
    /// The empty one too, for old certificates.
    DefaultOrEmpty,
}

/// How a status service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusKind {
    /// A revocation list is fetched (RFC 5280 5).
    Crl,
    /// RFC 6960.
    Ocsp,
}

/// Where the status of certificates below an anchor can be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusService {
    /// How.
    pub kind: StatusKind,
    /// Where: http or https.
    pub url: String,
}

/// An anchor, with what it is trusted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedAnchor {
    /// The certificate, DER.
    #[serde(with = "octets")]
    pub certificate: Vec<u8>,
    /// From when on it is trusted; its certificate's own validity counts beside it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_moment")]
    pub from: Option<Timestamp>,
    /// Verifier keys of the logs (C2SP signed-note) of which one must hold whatever is issued and signed below it; nothing: it
    /// need not be in any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// What people call it.
    pub name: String,
    /// Whose certificates it is trusted for; nothing: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Which signer IDs count below it.
    pub signer_id: SignerIdRule,
    /// Where the status of certificates below it can be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusService>,
    /// Until when it is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_moment")]
    pub until: Option<Timestamp>,
    /// What for, in the order of their names.
    pub uses: Vec<TrustUse>,
}

/// A key that may sign a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSigner {
    /// SubjectPublicKeyInfo, DER.
    #[serde(with = "octets")]
    pub key: Vec<u8>,
    /// Whose.
    pub name: String,
}

/// A list below: by whom it is signed, and what it may trust its anchors for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedList {
    /// Where it is published, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its name.
    pub name: String,
    /// Where its anchors may be trusted; nothing: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// The keys that sign it.
    pub signers: Vec<ListSigner>,
    /// How many of them must.
    pub threshold: u64,
    /// What its anchors may be trusted for.
    pub uses: Vec<TrustUse>,
}

/// A trust list. It holds anchors, or names other lists: never both, so that there is one list above the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustList {
    /// Whom it trusts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<ListedAnchor>,
    /// After this moment it counts no more.
    #[serde(deserialize_with = "moment")]
    pub expires: Timestamp,
    /// When it was made.
    #[serde(deserialize_with = "moment")]
    pub issued: Timestamp,
    /// The lists below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListedList>,
    /// Its name, the same in all its versions.
    pub name: String,
    /// Counts its versions, from 1, and only rises.
    pub number: u64,
    /// Who answers for it.
    pub operator: String,
    /// The keys that sign it, and its next version.
    pub signers: Vec<ListSigner>,
    /// How many of them must.
    pub threshold: u64,
    /// The version of this format: 1.
    pub version: u64,
}

impl TrustList {
    /// The version of the format.
    pub const VERSION: u64 = 1;

    /// The list in its canonical form (RFC 8785): one encoding for one list.
    ///
    /// # Errors
    /// The list breaks a rule of the format; it is refused where it is written, too.
    pub fn to_canonical(&self) -> Result<Vec<u8>, TrustListError> {
        self.check()?;
        // The members stand in the order of RFC 8785 3.2.3, and serde_json escapes as 3.2.2.2 has it.
        let octets = serde_json::to_vec(self).map_err(|_| TrustListError::NotCanonical)?;
        match octets.len() {
            size if size > MOST_PAYLOAD => Err(TrustListError::TooLarge { what: "list", most: MOST_PAYLOAD }),
            _ => Ok(octets),
        }
    }

    /// The list that these octets are.
    ///
    /// # Errors
    /// They are not the canonical form of a list.
    pub fn from_canonical(octets: &[u8]) -> Result<Self, TrustListError> {
        if octets.len() > MOST_PAYLOAD {
            return Err(TrustListError::TooLarge { what: "list", most: MOST_PAYLOAD });
        }
        let list: Self = serde_json::from_slice(octets).map_err(|error| shape("list", &error))?;
        if list.to_canonical()? != octets {
            return Err(TrustListError::NotCanonical);
        }
        Ok(list)
    }

    fn check(&self) -> Result<(), TrustListError> {
        if self.version != Self::VERSION {
            return Err(TrustListError::Version { found: self.version });
        }
        is_name(&self.name)?;
        is_text("operator", &self.operator)?;
        rule("number", "is 1 to 9007199254740991", (1..=MOST_NUMBER).contains(&self.number))?;
        rule("expires", "is later than issued", self.expires > self.issued)?;
        signers(&self.signers, self.threshold)?;
        rule("lists", "are not named by a list of anchors", self.anchors.is_empty() || self.lists.is_empty())?;
        rule("anchors", "are 1024 at most", self.anchors.len() <= MOST_ANCHORS)?;
        rule("lists", "are 256 at most", self.lists.len() <= MOST_LISTS)?;
        for (index, anchor) in self.anchors.iter().enumerate() {
            anchor.check(index.saturating_add(1))?;
        }
        distinct("anchors", &self.anchors)?;
        for list in &self.lists {
            list.check()?;
            rule("lists", "do not name the list itself", list.name != self.name)?;
        }
        distinct("lists", self.lists.iter().map(|list| &list.name))
    }
}

impl ListedAnchor {
    fn check(&self, index: usize) -> Result<(), TrustListError> {
        is_text("anchors.name", &self.name)?;
        uses("anchors.uses", &self.uses)?;
        regions("anchors.regions", &self.regions)?;
        let ordered = self.from.zip(self.until).is_none_or(|(from, until)| from < until);
        rule("anchors.until", "is later than from", ordered)?;
        rule("anchors.status", "are 8 at most", self.status.len() <= MOST_STATUS)?;
        distinct("anchors.status", &self.status)?;
        for service in &self.status {
            is_address("anchors.status", &service.url)?;
        }
        rule("anchors.logs", "are 16 at most", self.logs.len() <= MOST_LOGS)?;
        distinct("anchors.logs", &self.logs)?;
        rule("anchors.logs", "are verifier keys of logs", self.logs.iter().all(|key| is_log_key(key)))?;
        let read = Certificate::parse(&self.certificate);
        read.map_err(|source| TrustListError::Malformed { what: "the certificate of anchor", index, source })?;
        Ok(())
    }
}

impl ListedList {
    fn check(&self) -> Result<(), TrustListError> {
        is_name(&self.name)?;
        uses("lists.uses", &self.uses)?;
        regions("lists.regions", &self.regions)?;
        signers(&self.signers, self.threshold)?;
        self.address.as_deref().map_or(Ok(()), |address| is_address("lists.address", address))
    }
}

/// A parsing error as a place, without a stranger's words.
pub(in crate::format::trust_list) fn shape(what: &'static str, error: &serde_json::Error) -> TrustListError {
    TrustListError::Shape { what, line: error.line(), column: error.column() }
}

fn rule(member: &'static str, rule: &'static str, holds: bool) -> Result<(), TrustListError> {
    if holds { Ok(()) } else { Err(TrustListError::Member { member, rule }) }
}

fn distinct<T: Ord>(member: &'static str, all: impl IntoIterator<Item = T>) -> Result<(), TrustListError> {
    let mut seen = BTreeSet::new();
    let repeated = all.into_iter().any(|one| !seen.insert(one));
    rule(member, "do not repeat each other", !repeated)
}

/// Whether it is a verifier key, and no witness's. That its key ID is the right hash is not checked here.
fn is_log_key(text: &str) -> bool {
    text.len() <= MOST_URL
        && VerifierKey::parse(text).is_ok_and(|key| {
            let is_of_log = !matches!(key.key, NoteKey::Cosignature(_));
            is_of_log && key.to_string() == text
        })
}

fn is_name(name: &str) -> Result<(), TrustListError> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let fits = (1..=63).contains(&name.len()) && letters && !name.starts_with('-') && !name.ends_with('-');
    rule("name", "is 1 to 63 of a-z, 0-9 and -, which stands inside", fits)
}

fn is_text(member: &'static str, text: &str) -> Result<(), TrustListError> {
    let count = text.chars().count();
    let fits = (1..=MOST_TEXT).contains(&count) && text.trim() == text && !text.chars().any(char::is_control);
    rule(member, "is 1 to 200 characters, none of them a control, no white space at the ends", fits)
}

fn is_address(member: &'static str, url: &str) -> Result<(), TrustListError> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    // No user, no fragment: neither has a meaning here (RFC 9110 4.2).
    let plain = host.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'@' | b'#' | b'"' | b'<' | b'>' | b'\\'));
    let fits = url.len() <= MOST_URL && !host.is_empty() && !host.starts_with(['/', ':', '?']) && plain;
    rule(member, "is an address of http or https, 512 octets at most", fits)
}

fn uses(member: &'static str, uses: &[TrustUse]) -> Result<(), TrustListError> {
    rule(member, "is one use at least", !uses.is_empty())?;
    let ordered = uses.iter().zip(uses.iter().skip(1)).all(|(one, next)| one < next);
    rule(member, "stand in the order of their names, none twice", ordered)
}

fn regions(member: &'static str, regions: &[Region]) -> Result<(), TrustListError> {
    rule(member, "are 64 at most", regions.len() <= MOST_REGIONS)?;
    for region in regions {
        let digits = region.code.len() == 6 && region.code.bytes().all(|b| b.is_ascii_digit());
        rule(member, "have a code of six digits (GB/T 2260)", digits && !region.code.starts_with("00"))?;
        rule(member, "have 1 to 8 names", (1..=MOST_NAMES).contains(&region.names.len()))?;
        for name in &region.names {
            is_text(member, name)?;
        }
        distinct(member, &region.names)?;
    }
    distinct(member, regions.iter().map(|region| &region.code))
}

fn signers(signers: &[ListSigner], threshold: u64) -> Result<(), TrustListError> {
    rule("signers", "are 1 to 16", (1..=MOST_SIGNERS).contains(&signers.len()))?;
    let enough = u64::try_from(signers.len()).is_ok_and(|most| (1..=most).contains(&threshold));
    rule("threshold", "is 1 to the number of signers", enough)?;
    for (index, signer) in signers.iter().enumerate() {
        is_text("signers.name", &signer.name)?;
        let (what, index) = ("the key of signer", index.saturating_add(1));
        let read = SubjectPublicKeyInfo::parse(&signer.key);
        read.map_err(|source| TrustListError::Malformed { what, index, source })?;
    }
    distinct("signers", signers.iter().map(|signer| &signer.key))
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    Timestamp::parse_rfc3339(&text).map_err(|_| D::Error::custom("no moment"))
}

fn optional_moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    moment(from).map(Some)
}

/// Octets as base64 (RFC 4648 4).
pub(in crate::format::trust_list) mod octets {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::format::trust_list) fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(octets))
    }

    pub(in crate::format::trust_list) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(|_| D::Error::custom("no base64"))
    }
}
