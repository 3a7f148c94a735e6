//! Authority to use a seal (用印授权): the keeper authorises a person or a caller, for which items, kinds of document, period,
//! number of uses and amount; and approves single uses where the terms ask for it. The keeper signs each of them.
//!
//! Whether a use is allowed is decided here, from values alone; the service counts it in the transaction that intends it.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorisationId, CallerId, SealId};
use crate::domain::key::named;
use crate::domain::officer::{Approval, Hand, Officer};
use crate::format::der::Writer;

/// The most items, or kinds of document, that terms name.
pub const MOST_NAMED: usize = 64;
/// The longest period of an authorisation, in days.
pub const MOST_DAYS: i64 = 1100;
/// How long a second factor counts after it was presented, in seconds.
pub const FACTOR_COUNTS: i64 = 300;
/// How long the keeper's approval of one use counts, in seconds.
pub const APPROVAL_COUNTS: i64 = 3 * 86_400;

named! {
    /// What becomes of the use of a seal that has no keeper: one that was taken in or made before seals had keepers.
    UnkeptSeals {
        /// Nobody uses it until it has a keeper, and the keeper authorises somebody.
        Refuse = 1, "refuse";
        /// Whoever holds the role uses it, as ever.
        Allow = 2, "allow";
    }
}

/// What a keeper authorises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseTerms {
    /// The authorisation's own random number: no signature fits another one.
    pub nonce: [u8; 32],
    /// The seal.
    pub seal: SealId,
    /// Who may use it.
    pub user: CallerId,
    /// For which items (事项), by their codes; none means any.
    pub items: Vec<String>,
    /// For which kinds of document; none means any.
    pub document_kinds: Vec<String>,
    /// From when on.
    pub from: Timestamp,
    /// Until when, not with that moment.
    pub until: Timestamp,
    /// How often at most.
    pub most_uses: Option<u32>,
    /// The highest amount of one use, in fen.
    pub most_amount: Option<u64>,
    /// The highest sum of all uses, in fen.
    pub most_sum: Option<u64>,
    /// Whether the keeper approves each use.
    pub each_approved: bool,
    /// Whether a second factor is asked for at the moment of use.
    pub second_factor: bool,
}

/// Why terms are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsRefused {
    /// The period is empty or too long.
    #[error("an authorisation lasts for up to {MOST_DAYS} days")]
    Period,
    /// Too many names, an empty or long one, or one twice.
    #[error(
        "terms name up to {MOST_NAMED} items and kinds of document, each once, each of 1 to 64 letters, digits, '-', '_', '.'"
    )]
    Named,
    /// A limit of nothing.
    #[error("a limit of uses or of amounts is 1 at least, and that of one use no higher than that of all")]
    Limit,
    /// The keeper would authorise nobody else, where each use is approved.
    #[error("a keeper does not approve the own uses")]
    OwnApproval,
    /// Who signs does not keep the seal.
    #[error("only its keeper authorises the use of a seal")]
    NotKeeper,
    /// The signature is not the keeper's over these octets.
    #[error("the signature is not the keeper's over these terms")]
    Signature,
}

impl TermsRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Period => "terms-period",
            Self::Named => "terms-named",
            Self::Limit => "terms-limit",
            Self::OwnApproval => "terms-own-approval",
            Self::NotKeeper => "not-keeper",
            Self::Signature => "terms-signature",
        }
    }
}

/// Whether an item or a kind of document can have that code: 1 to 64 letters, digits, '-', '_', '.'.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn are_named(names: &[String]) -> bool {
    let once = |(place, name): (usize, &String)| !names.iter().take(place).any(|other| other == name);
    names.len() <= MOST_NAMED && names.iter().all(|name| is_name(name)) && names.iter().enumerate().all(once)
}

impl UseTerms {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// Whether such terms can be given by that keeper.
    ///
    /// # Errors
    /// [`TermsRefused`], each but `NotKeeper` and `Signature`.
    pub fn examine(&self, keeper: &CallerId) -> Result<(), TermsRefused> {
        let length = self.until.unix().saturating_sub(self.from.unix());
        if !(1..=MOST_DAYS.saturating_mul(86_400)).contains(&length) {
            return Err(TermsRefused::Period);
        }
        if !are_named(&self.items) || !are_named(&self.document_kinds) {
            return Err(TermsRefused::Named);
        }
        let none = self.most_uses == Some(0) || self.most_amount == Some(0) || self.most_sum == Some(0);
        if none || self.most_amount.zip(self.most_sum).is_some_and(|(one, all)| one > all) {
            return Err(TermsRefused::Limit);
        }
        if self.each_approved && self.user == *keeper {
            return Err(TermsRefused::OwnApproval);
        }
        Ok(())
    }

    /// The octets that the keeper signs.
    ///
    /// `Authorisation ::= SEQUENCE { domain UTF8String ("yinxin use authorisation"), version INTEGER, nonce OCTET STRING, seal
    /// UTF8String, user UTF8String, items SEQUENCE OF UTF8String, documentKinds SEQUENCE OF UTF8String, from GeneralizedTime,
    /// until GeneralizedTime, mostUses [0] EXPLICIT INTEGER OPTIONAL, mostAmount [1] EXPLICIT INTEGER OPTIONAL, mostSum [2]
    /// EXPLICIT INTEGER OPTIONAL, eachApproved BOOLEAN, secondFactor BOOLEAN, keeper UTF8String, keeperKey OCTET STRING }`,
    /// all of it DER.
    #[must_use]
    pub fn to_sign(&self, keeper: &Hand) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin use authorisation").small(Self::VERSION).octet_string(&self.nonce);
            fields.utf8(self.seal.as_str()).utf8(self.user.as_str());
            for names in [&self.items, &self.document_kinds] {
                fields.sequence(|list| {
                    for name in names {
                        list.utf8(name);
                    }
                });
            }
            fields.generalized_time(self.from).generalized_time(self.until);
            for (number, limit) in [(0, self.most_uses.map(u64::from)), (1, self.most_amount), (2, self.most_sum)] {
                if let Some(limit) = limit {
                    fields.context(number, |inner| {
                        inner.unsigned(&limit.to_be_bytes());
                    });
                }
            }
            fields.boolean(self.each_approved).boolean(self.second_factor);
            fields.utf8(keeper.officer.as_str()).octet_string(&keeper.key_sm3);
        });
        writer.into_bytes()
    }
}

/// What was used under an authorisation so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// How often.
    pub uses: u32,
    /// The sum, in fen.
    pub sum: u64,
}

/// An authorisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// Its name here.
    pub id: AuthorisationId,
    /// What is authorised.
    pub terms: UseTerms,
    /// The keeper's signature.
    pub given: Approval,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// What was used so far.
    pub used: Used,
}

/// One use that somebody wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealUse {
    /// The seal.
    pub seal: SealId,
    /// Who.
    pub user: CallerId,
    /// For which item.
    pub item: Option<String>,
    /// The kind of the document.
    pub document_kind: Option<String>,
    /// The amount that the document is about, in fen.
    pub amount: Option<u64>,
    /// SM3 of the document.
    pub document_sm3: [u8; 32],
    /// When a second factor was presented.
    pub second_factor_at: Option<Timestamp>,
}

/// The keeper's approval of one use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseApproval {
    /// Under which authorisation.
    pub authorisation: AuthorisationId,
    /// The approval's own random number: a signature counts for one approval, however often it is handed in.
    pub nonce: [u8; 32],
    /// SM3 of the document.
    pub document_sm3: [u8; 32],
    /// The amount that the keeper saw.
    pub amount: Option<u64>,
    /// The keeper's signature.
    pub given: Approval,
    /// Whether a use was made by it: it counts once.
    pub is_spent: bool,
}

impl UseApproval {
    /// The octets that the keeper signs: `UseApproval ::= SEQUENCE { domain UTF8String ("yinxin use approval"), version
    /// INTEGER, authorisation UTF8String, nonce OCTET STRING, document OCTET STRING (SM3), amount [0] EXPLICIT INTEGER OPTIONAL, keeper UTF8String,
    /// keeperKey OCTET STRING }`, DER.
    #[must_use]
    pub fn to_sign(
        (authorisation, nonce): (&AuthorisationId, &[u8; 32]),
        document_sm3: &[u8; 32],
        amount: Option<u64>,
        keeper: &Hand,
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin use approval").small(1).utf8(authorisation.as_str());
            fields.octet_string(nonce).octet_string(document_sm3);
            if let Some(amount) = amount {
                fields.context(0, |inner| {
                    inner.unsigned(&amount.to_be_bytes());
                });
            }
            fields.utf8(keeper.officer.as_str()).octet_string(&keeper.key_sm3);
        });
        writer.into_bytes()
    }
}

/// Why a seal is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UseRefused {
    /// Nobody authorised this user to use this seal.
    #[error("no authorisation lets this caller use this seal")]
    NotAuthorised,
    /// The keeper withdrew it.
    #[error("the authorisation was withdrawn")]
    Withdrawn,
    /// Before or after its period.
    #[error("the authorisation does not count at this moment")]
    Period,
    /// Another item.
    #[error("the authorisation is not for this item")]
    Item,
    /// Another kind of document.
    #[error("the authorisation is not for this kind of document")]
    DocumentKind,
    /// No use is left.
    #[error("the authorisation has been used as often as it allows")]
    Uses,
    /// Beyond the limit, or no amount is told although there is one.
    #[error("the amount is beyond what the authorisation allows, or not told")]
    Amount,
    /// No second factor, or one of long ago.
    #[error("a second factor is asked for at the moment of use")]
    SecondFactor,
    /// The keeper did not approve this use.
    #[error("the keeper has not approved this use")]
    NotApproved,
    /// The keeper's signature does not hold (any more).
    #[error("the authorisation is not signed by the keeper as registered now")]
    Keeper,
}

impl UseRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAuthorised => "use-not-authorised",
            Self::Withdrawn => "use-withdrawn",
            Self::Period => "use-period",
            Self::Item => "use-item",
            Self::DocumentKind => "use-document-kind",
            Self::Uses => "use-count",
            Self::Amount => "use-amount",
            Self::SecondFactor => "second-factor-missing",
            Self::NotApproved => "use-not-approved",
            Self::Keeper => "use-keeper",
        }
    }
}

impl Authorisation {
    /// Whether the keeper, as registered now, gave it: asked when it is given and at each use.
    ///
    /// # Errors
    /// [`TermsRefused::NotKeeper`], [`TermsRefused::Signature`].
    pub fn confirm(&self, keeper: &Officer) -> Result<(), TermsRefused> {
        if self.given.hand != Hand::of(keeper) {
            return Err(TermsRefused::NotKeeper);
        }
        match self.given.is_right(&self.terms.to_sign(&self.given.hand), keeper) {
            true => Ok(()),
            false => Err(TermsRefused::Signature),
        }
    }

    /// Whether this use may be made now, and what is used after it. `approval` is the keeper's for this document, where there
    /// is one.
    ///
    /// # Errors
    /// Why it may not.
    pub fn permit(
        &self,
        wanted: &SealUse,
        approval: Option<&UseApproval>,
        keeper: &Officer,
        now: Timestamp,
    ) -> Result<Used, UseRefused> {
        let terms = &self.terms;
        if terms.seal != wanted.seal || terms.user != wanted.user {
            return Err(UseRefused::NotAuthorised);
        }
        self.confirm(keeper).map_err(|_| UseRefused::Keeper)?;
        if self.withdrawn_at.is_some() {
            return Err(UseRefused::Withdrawn);
        }
        if now < terms.from || now >= terms.until {
            return Err(UseRefused::Period);
        }
        let is_among = |names: &[String], name: &Option<String>| {
            names.is_empty() || name.as_ref().is_some_and(|name| names.contains(name))
        };
        if !is_among(&terms.items, &wanted.item) {
            return Err(UseRefused::Item);
        }
        if !is_among(&terms.document_kinds, &wanted.document_kind) {
            return Err(UseRefused::DocumentKind);
        }
        let uses = self.used.uses.checked_add(1).ok_or(UseRefused::Uses)?;
        if terms.most_uses.is_some_and(|most| uses > most) {
            return Err(UseRefused::Uses);
        }
        let is_limited = terms.most_amount.is_some() || terms.most_sum.is_some();
        let amount = match (wanted.amount, is_limited) {
            (None, true) => return Err(UseRefused::Amount),
            (amount, _) => amount.unwrap_or(0),
        };
        let sum = self.used.sum.checked_add(amount).ok_or(UseRefused::Amount)?;
        if terms.most_amount.is_some_and(|most| amount > most) || terms.most_sum.is_some_and(|most| sum > most) {
            return Err(UseRefused::Amount);
        }
        let is_fresh = |at: Timestamp| (0..=FACTOR_COUNTS).contains(&now.unix().saturating_sub(at.unix()));
        if terms.second_factor && !wanted.second_factor_at.is_some_and(is_fresh) {
            return Err(UseRefused::SecondFactor);
        }
        if terms.each_approved {
            let approval = approval.ok_or(UseRefused::NotApproved)?;
            let octets = UseApproval::to_sign(
                (&self.id, &approval.nonce),
                &wanted.document_sm3,
                wanted.amount,
                &approval.given.hand,
            );
            let age = now.unix().saturating_sub(approval.given.at.unix());
            let counts = approval.authorisation == self.id
                && approval.document_sm3 == wanted.document_sm3
                && approval.amount == wanted.amount
                && !approval.is_spent
                && (0..=APPROVAL_COUNTS).contains(&age)
                && approval.given.is_right(&octets, keeper);
            if !counts {
                return Err(UseRefused::NotApproved);
            }
        }
        Ok(Used { uses, sum })
    }
}

/// The authorisation under which a use may be made: the first that permits it, else the reason of the one that came closest
/// to permitting it.
///
/// # Errors
/// Why none does.
pub fn permitting<'a>(
    authorisations: impl IntoIterator<Item = (&'a Authorisation, Option<&'a UseApproval>)>,
    wanted: &SealUse,
    keeper: &Officer,
    now: Timestamp,
) -> Result<(&'a Authorisation, Used), UseRefused> {
    const NEAREST: [UseRefused; 10] = [
        UseRefused::NotApproved,
        UseRefused::SecondFactor,
        UseRefused::Amount,
        UseRefused::Uses,
        UseRefused::DocumentKind,
        UseRefused::Item,
        UseRefused::Period,
        UseRefused::Withdrawn,
        UseRefused::Keeper,
        UseRefused::NotAuthorised,
    ];
    let distance = |refused: &UseRefused| NEAREST.iter().position(|one| one == refused);
    let mut nearest = UseRefused::NotAuthorised;
    for (authorisation, approval) in authorisations {
        match authorisation.permit(wanted, approval, keeper, now) {
            Ok(used) => return Ok((authorisation, used)),
            Err(refused) if distance(&refused) < distance(&nearest) => nearest = refused,
            Err(_) => {}
        }
    }
    Err(nearest)
}

#[cfg(test)]
mod tests;
