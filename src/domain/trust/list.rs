//! Trust lists judged: whose signatures are right, whether a list is in force, and who introduces it.
//!
//! A list is introduced by the version before it, whose signers must sign it; or by the list above it, which names its
//! signers and what it may trust anchors for; or by nobody, and then two persons compare its fingerprint with paper. The
//! model of succession is The Update Framework's (root keys, 5.3): old and new signers both sign, and numbers only rise.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sha256, sm3};
use crate::crypto::{PublicKey, ed25519, sm2};
use crate::domain::trust::acceptance::{AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
use crate::domain::trust::anchor::TrustAnchors;
use crate::domain::trust::key::public_key;
use crate::domain::trust::scope::{AnchorScope, ListNamed};
use crate::domain::trust::signature::SignerIdPolicy;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::tlog::{NoteKey, VerifierKey};
use crate::format::trust_list::{
    ListAlgorithm, ListSigner, ListedList, SignedTrustList, SignerIdRule, TrustList, TrustUse,
};
use crate::format::x509::Certificate;

/// An anchor with this word in its subject is a development anchor: every report that could rest on it says so.
pub const DEVELOPMENT_MARK: &str = "DEVELOPMENT";
/// How far a clock may be behind that of whoever made a list.
const AHEAD: i64 = 300;

/// Why a list is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListRefused {
    /// A signer's key is neither SM2 nor P-256, or not the kind that its signature says.
    #[error("the key of the signer {signer} does not sign lists by the algorithm that is named")]
    SignerKey {
        /// Its name in the list.
        signer: String,
    },
    /// A signature by one of the keys is wrong.
    #[error("the signature of {signer} is wrong")]
    SignatureWrong {
        /// Its name in the list.
        signer: String,
    },
    /// The algorithm policy does not accept a signature.
    #[error("a signature is not accepted: {0}")]
    Algorithm(Unacceptable),
    /// Fewer right signatures than there must be.
    #[error("{right} of the list's own signers have signed it; {needed} must")]
    TooFewSignatures {
        /// So many have.
        right: u64,
        /// So many must.
        needed: u64,
    },
    /// The list has ended.
    #[error("the list counted until {until}")]
    Expired {
        /// Until then.
        until: Timestamp,
    },
    /// The list was made in the future.
    #[error("the list says that it was made at {issued}, which is still to come")]
    NotYetIssued {
        /// Then.
        issued: Timestamp,
    },
    /// The list is not newer than the one that is known: a rollback.
    #[error("the list has number {offered}; number {known} is known, and numbers only rise")]
    Rollback {
        /// The known one's.
        known: u64,
        /// This one's.
        offered: u64,
    },
    /// The list is dated before the one before it.
    #[error("the list is dated before the version before it")]
    Backdated,
    /// Another list.
    #[error("the list is named {offered}, not {known}")]
    OtherName {
        /// The known one's name.
        known: String,
        /// This one's.
        offered: String,
    },
    /// The signers of the version before did not sign it.
    #[error("{right} of the signers of number {number} have signed it; {needed} must")]
    NotByPredecessor {
        /// The version before.
        number: u64,
        /// So many have.
        right: u64,
        /// So many must.
        needed: u64,
    },
    /// Those whom the list above names did not sign it.
    #[error("{right} of the signers that the list {above} names have signed it; {needed} must")]
    NotByNamedAbove {
        /// The list above.
        above: String,
        /// So many have.
        right: u64,
        /// So many must.
        needed: u64,
    },
    /// Two lists above name it.
    #[error("more than one list above names it")]
    NamedTwice,
    /// The list above does not name it any more.
    #[error("the list {above} does not name it any more")]
    NoLongerNamed {
        /// The list above.
        above: String,
    },
    /// It trusts an anchor for more than the list above lets it.
    #[error("it trusts the anchor {anchor} for {wanted}, which the list {above} does not let it")]
    BeyondUses {
        /// The anchor's name.
        anchor: String,
        /// What for.
        wanted: &'static str,
        /// The list above.
        above: String,
    },
    /// It trusts an anchor where the list above does not let it.
    #[error("it trusts the anchor {anchor} outside of the regions that the list {above} lets it")]
    BeyondRegions {
        /// The anchor's name.
        anchor: String,
        /// The list above.
        above: String,
    },
    /// The key of a log that an anchor names is none.
    #[error("the anchor {anchor} names {key} as a log's key, which is none: key ID or point is wrong")]
    LogKey {
        /// The anchor's name.
        anchor: String,
        /// The key.
        key: String,
    },
    /// There is one list above the others, not two.
    #[error("a list that is named by the list {above} names lists itself")]
    ThirdStorey {
        /// The list above.
        above: String,
    },
}

impl ListRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SignerKey { .. } => "trust-list-signer-key",
            Self::SignatureWrong { .. } => "trust-list-signature-wrong",
            Self::Algorithm(refused) => refused.code(),
            Self::TooFewSignatures { .. } => "trust-list-too-few-signatures",
            Self::Expired { .. } => "trust-list-expired",
            Self::NotYetIssued { .. } => "trust-list-not-yet-issued",
            Self::Rollback { .. } => "trust-list-rollback",
            Self::Backdated => "trust-list-backdated",
            Self::OtherName { .. } => "trust-list-other-name",
            Self::NotByPredecessor { .. } => "trust-list-not-by-predecessor",
            Self::NotByNamedAbove { .. } => "trust-list-not-by-named-above",
            Self::NamedTwice => "trust-list-named-twice",
            Self::NoLongerNamed { .. } => "trust-list-no-longer-named",
            Self::BeyondUses { .. } => "trust-list-beyond-uses",
            Self::BeyondRegions { .. } => "trust-list-beyond-regions",
            Self::LogKey { .. } => "trust-list-log-key",
            Self::ThirdStorey { .. } => "trust-list-third-storey",
        }
    }
}

/// Who introduces a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introduction {
    /// Nobody: its fingerprint is compared with paper.
    Paper,
    /// The version before.
    Predecessor,
    /// The list above.
    Above {
        /// Its name.
        list: String,
    },
}

/// Proof that enough of a list's own signers signed it: only [`CheckedList::check`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedList {
    signed: SignedTrustList,
    named: Arc<ListNamed>,
}

impl CheckedList {
    /// Checks the signatures of a list by the keys that it names itself. That says who it is by, and not that it may be
    /// trusted.
    ///
    /// # Errors
    /// A signature is wrong or not accepted now, or too few are there.
    pub fn check(signed: SignedTrustList, algorithms: &AlgorithmPolicy, now: Timestamp) -> Result<Self, ListRefused> {
        let list = signed.list();
        for anchor in &list.anchors {
            if let Some(key) = anchor.logs.iter().find(|key| !is_log_key(key)) {
                return Err(ListRefused::LogKey { anchor: anchor.name.clone(), key: key.clone() });
            }
        }
        let (right, needed) = (right_of(&signed, &list.signers, Some((algorithms, now)))?, list.threshold);
        if right < needed {
            return Err(ListRefused::TooFewSignatures { right, needed });
        }
        let named = ListNamed { name: list.name.clone(), number: list.number, sm3: sm3(signed.payload()) };
        Ok(Self { named: named.into(), signed })
    }

    /// The list.
    #[must_use]
    pub const fn list(&self) -> &TrustList {
        self.signed.list()
    }

    /// The list with its signatures.
    #[must_use]
    pub const fn signed(&self) -> &SignedTrustList {
        &self.signed
    }

    /// As reports name it.
    #[must_use]
    pub fn named(&self) -> &ListNamed {
        &self.named
    }

    /// SM3 of the canonical form: the fingerprint.
    #[must_use]
    pub fn sm3(&self) -> &[u8; 32] {
        &self.named.sm3
    }

    /// Whether the list has not ended at that moment.
    ///
    /// # Errors
    /// [`ListRefused::Expired`].
    pub fn not_expired(&self, at: Timestamp) -> Result<(), ListRefused> {
        match self.list().expires {
            until if at > until => Err(ListRefused::Expired { until }),
            _ => Ok(()),
        }
    }

    /// Whether the list was made by then, and has not ended.
    ///
    /// # Errors
    /// [`ListRefused::Expired`], [`ListRefused::NotYetIssued`].
    pub fn in_force(&self, now: Timestamp) -> Result<(), ListRefused> {
        self.not_expired(now)?;
        match self.list().issued {
            issued if issued > now.plus_seconds(AHEAD) => Err(ListRefused::NotYetIssued { issued }),
            _ => Ok(()),
        }
    }

    /// Who introduces the list: `previous` is the version that is in force, `above` are the lists in force that name
    /// others.
    ///
    /// # Errors
    /// It is no successor of the version in force, or those who must introduce it did not sign it, or let it do less.
    pub fn introduced(&self, previous: Option<&Self>, above: &[&Self]) -> Result<Introduction, ListRefused> {
        let list = self.list();
        if let Some(previous) = previous {
            self.follows(previous.list())?;
        }
        let mut naming = above.iter().filter_map(|above| named_in(above.list(), &list.name).map(|said| (above, said)));
        match (naming.next(), naming.next()) {
            (Some((above, said)), None) => {
                self.is_let(said, &above.list().name)?;
                Ok(Introduction::Above { list: above.list().name.clone() })
            }
            (Some(_), Some(_)) => Err(ListRefused::NamedTwice),
            (None, _) => match previous {
                None => Ok(Introduction::Paper),
                Some(previous) => {
                    let previous = previous.list();
                    let right = right_of(&self.signed, &previous.signers, None)?;
                    if right < previous.threshold {
                        let (number, needed) = (previous.number, previous.threshold);
                        return Err(ListRefused::NotByPredecessor { number, right, needed });
                    }
                    Ok(Introduction::Predecessor)
                }
            },
        }
    }

    /// Whether the list that introduced this one still does: asked whenever this one is used.
    ///
    /// # Errors
    /// It names this one no more, or names other signers, or lets it do less.
    pub fn still_named(&self, above: &Self) -> Result<(), ListRefused> {
        let name = &above.list().name;
        let said = named_in(above.list(), &self.list().name);
        let said = said.ok_or_else(|| ListRefused::NoLongerNamed { above: name.clone() })?;
        self.is_let(said, name)
    }

    fn follows(&self, previous: &TrustList) -> Result<(), ListRefused> {
        let list = self.list();
        if list.name != previous.name {
            return Err(ListRefused::OtherName { known: previous.name.clone(), offered: list.name.clone() });
        }
        if list.number <= previous.number {
            return Err(ListRefused::Rollback { known: previous.number, offered: list.number });
        }
        if list.issued < previous.issued { Err(ListRefused::Backdated) } else { Ok(()) }
    }

    fn is_let(&self, said: &ListedList, above: &str) -> Result<(), ListRefused> {
        let above = || above.to_owned();
        let (right, needed) = (right_of(&self.signed, &said.signers, None)?, said.threshold);
        if right < needed {
            return Err(ListRefused::NotByNamedAbove { above: above(), right, needed });
        }
        if !self.list().lists.is_empty() {
            return Err(ListRefused::ThirdStorey { above: above() });
        }
        for anchor in &self.list().anchors {
            let name = || anchor.name.clone();
            if let Some(wanted) = anchor.uses.iter().find(|wanted| !said.uses.contains(wanted)) {
                return Err(ListRefused::BeyondUses { anchor: name(), wanted: wanted.name(), above: above() });
            }
            let is_let = |region| said.regions.iter().any(|wider| wider.contains(region));
            let inside = !anchor.regions.is_empty() && anchor.regions.iter().all(is_let);
            if !said.regions.is_empty() && !inside {
                return Err(ListRefused::BeyondRegions { anchor: name(), above: above() });
            }
        }
        Ok(())
    }
}

/// Whether the key ID is the hash of name and key (C2SP signed-note, signatures), and the key one that can be used.
fn is_log_key(text: &str) -> bool {
    let Ok(read) = VerifierKey::parse(text) else { return false };
    let is_usable = match &read.key {
        NoteKey::Ed25519(point) => ed25519::PublicKey::from_bytes(point).is_ok(),
        NoteKey::Sm2(point) => sm2::PublicKey::from_bytes(point).is_ok(),
        NoteKey::Cosignature(_) => false,
    };
    is_usable && sha256(&read.key.identified_as(read.name)).starts_with(&read.key_id)
}

fn named_in<'a>(above: &'a TrustList, name: &str) -> Option<&'a ListedList> {
    above.lists.iter().find(|listed| listed.name == name)
}

/// How many of these keys signed the list rightly. A wrong signature by one of them is refused, whoever else signed.
fn right_of(
    signed: &SignedTrustList,
    signers: &[ListSigner],
    acceptance: Option<(&AlgorithmPolicy, Timestamp)>,
) -> Result<u64, ListRefused> {
    let mut right = BTreeSet::new();
    for signer in signers {
        let key_sm3 = sm3(&signer.key);
        let Some(signature) = signed.signatures().iter().find(|signature| signature.key_sm3 == key_sm3) else {
            continue;
        };
        let no_key = || ListRefused::SignerKey { signer: signer.name.clone() };
        let (key, algorithm) = list_key(&signer.key).ok_or_else(no_key)?;
        if signature.algorithm != algorithm {
            return Err(no_key());
        }
        let used = signature_algorithm(algorithm);
        if let Some((policy, now)) = acceptance {
            policy.signature(&SignatureUsed::of(&key, used), now, Use::Accept).map_err(ListRefused::Algorithm)?;
        }
        if !key.verify(used, &signed.signing_input(algorithm, &key_sm3), &signature.value) {
            return Err(ListRefused::SignatureWrong { signer: signer.name.clone() });
        }
        right.insert(key_sm3);
    }
    Ok(u64::try_from(right.len()).unwrap_or(u64::MAX))
}

/// The key of a SubjectPublicKeyInfo, and how it signs lists; nothing for other kinds than SM2 and P-256.
#[must_use]
pub fn list_key(info: &[u8]) -> Option<(PublicKey, ListAlgorithm)> {
    match public_key(&SubjectPublicKeyInfo::parse(info).ok()?)? {
        key @ PublicKey::Sm2(_) => Some((key, ListAlgorithm::Sm2Sm3)),
        key @ PublicKey::EcdsaP256(_) => Some((key, ListAlgorithm::Es256)),
        PublicKey::Rsa(_) | PublicKey::EcdsaLarge(_) | PublicKey::Ed25519(_) => None,
    }
}

/// The algorithm of our registry behind the name.
#[must_use]
pub const fn signature_algorithm(algorithm: ListAlgorithm) -> SignatureAlgorithm {
    match algorithm {
        ListAlgorithm::Es256 => SignatureAlgorithm::EcdsaP256Sha256,
        ListAlgorithm::Sm2Sm3 => SignatureAlgorithm::Sm2Sm3,
    }
}

/// Takes in the anchors of a list, each with what the list says of it. Whether the list may be trusted, and is in force,
/// was asked before.
pub fn add_trust_list(trust: &mut TrustAnchors, list: &CheckedList) {
    let anchors = list.list().anchors.iter().map(|anchor| {
        let ids = match anchor.signer_id {
            SignerIdRule::Default => SignerIdPolicy::DefaultOnly,
            SignerIdRule::DefaultOrEmpty => SignerIdPolicy::DefaultOrEmpty,
        };
        let scope = AnchorScope {
            list: Arc::clone(&list.named),
            uses: anchor.uses.clone(),
            regions: anchor.regions.clone(),
            from: anchor.from,
            until: anchor.until,
            status: anchor.status.clone(),
            logs: anchor.logs.clone(),
        };
        (anchor.certificate.clone(), ids, scope)
    });
    trust.add_list(Arc::clone(&list.named), anchors);
    let is_development = |der: &[u8]| {
        Certificate::parse(der).is_ok_and(|certificate| certificate.subject.display().contains(DEVELOPMENT_MARK))
    };
    if list.list().anchors.iter().any(|anchor| is_development(&anchor.certificate)) {
        trust.mark_development();
    }
}

/// A fingerprint for paper: 64 hexadecimal digits in groups of four.
#[must_use]
pub fn fingerprint(sm3: &[u8; 32]) -> String {
    let digits = hex(sm3);
    let mut text = String::with_capacity(80);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Whether what was typed from paper is that fingerprint, in any spacing and case.
#[must_use]
pub fn is_fingerprint(typed: &str, sm3: &[u8; 32]) -> bool {
    let digits = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_lowercase());
    digits.eq(hex(sm3).chars())
}

/// All uses, for those who name them.
#[must_use]
pub fn use_named(name: &str) -> Option<TrustUse> {
    TrustUse::ALL.into_iter().find(|one| one.name() == name)
}

#[cfg(test)]
mod tests;
