//! Re-making many seals at once (批量换发): after a maker's key was stolen, under another authority, or by another algorithm.
//!
//! First every seal of the selection is revoked, then each is made anew. An applicant signs the order and two approvers sign
//! it too: three persons with three keys, each an officer of the division that the order is for, or of one around it.

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::{AuthorityId, CallerId, SealId};
use crate::domain::audit::RevocationReason;
use crate::domain::key::{KeyAlgorithm, named};
use crate::domain::officer::request::StepRefused;
use crate::domain::officer::{Approval, Hand, Officer, OfficerRole};
use crate::domain::seal::application::MOST_DAYS;
use crate::format::der::Writer;

/// How many officers must approve.
pub const APPROVALS: usize = 2;

/// Which seals: those of which all holds that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Their holders lie there.
    pub division: Division,
    /// They were made by that key: its SubjectPublicKeyInfo, DER.
    pub maker: Option<Vec<u8>>,
    /// Their signer's certificate was issued by that authority of ours.
    pub authority: Option<AuthorityId>,
    /// Their signer's key is of that algorithm.
    pub algorithm: Option<KeyAlgorithm>,
}

/// What is known of a seal that may be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Where its holder lies.
    pub division: &'a Division,
    /// Its maker's key: SubjectPublicKeyInfo, DER.
    pub maker: Option<&'a [u8]>,
    /// Who issued its signer's certificate, where that is one of ours.
    pub authority: Option<&'a AuthorityId>,
    /// The algorithm of its signer's key.
    pub algorithm: Option<KeyAlgorithm>,
}

impl Selection {
    /// Whether a seal is meant.
    #[must_use]
    pub fn means(&self, seal: &Candidate<'_>) -> bool {
        self.division.contains(seal.division)
            && self.maker.as_deref().is_none_or(|maker| seal.maker == Some(maker))
            && self.authority.as_ref().is_none_or(|authority| seal.authority == Some(authority))
            && self.algorithm.is_none_or(|algorithm| seal.algorithm == Some(algorithm))
    }
}

/// How the seals are made anew. Their maker is the newest one at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    /// Who issues the new signers' certificates.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// Of which algorithm the new signers' keys are.
    pub algorithm: KeyAlgorithm,
    /// How many days the new seals are valid.
    pub days: u32,
}

/// An order to re-make seals; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemakeOrder {
    /// Its own random number: no signature fits another order.
    pub nonce: [u8; 32],
    /// Which seals.
    pub selection: Selection,
    /// How they are made anew.
    pub making: Making,
    /// Why they are revoked.
    pub reason: RevocationReason,
    /// Since when the old key is known or thought to be unsafe (RFC 5280 5.3.2).
    pub compromised_at: Option<Timestamp>,
    /// Who submitted it.
    pub applicant: Hand,
    /// When.
    pub submitted_at: Timestamp,
}

/// Why an order to re-make seals is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemakeRefused {
    /// The validity is none.
    #[error("a seal is valid for 1 to {MOST_DAYS} days")]
    Days,
    /// The certificates would come from the authority whose certificates are to go.
    #[error("the seals of an authority are not re-made under the same authority")]
    SameAuthority,
    /// The compromise lies ahead.
    #[error("the moment of the compromise lies ahead")]
    CompromiseAhead,
    /// The maker whose seals are to go still makes seals.
    #[error("the maker's key whose seals are to go is still in use: suspend or destroy it first")]
    MakerAtWork,
    /// The order does not stand there.
    #[error("an order that is {from} cannot {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `be approved`, `be run`, `be cancelled`.
        attempt: &'static str,
    },
}

impl RemakeRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Days => "seal-validity",
            Self::SameAuthority => "remake-same-authority",
            Self::CompromiseAhead => "remake-compromise-ahead",
            Self::MakerAtWork => "remake-maker-at-work",
            Self::State { .. } => "remake-state",
        }
    }
}

impl RemakeOrder {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// Whether it can be ordered.
    ///
    /// # Errors
    /// Why not.
    pub fn examine(&self) -> Result<(), RemakeRefused> {
        if !(1..=MOST_DAYS).contains(&self.making.days) {
            return Err(RemakeRefused::Days);
        }
        if self.selection.authority.as_ref() == Some(&self.making.authority) {
            return Err(RemakeRefused::SameAuthority);
        }
        if self.compromised_at.is_some_and(|at| at > self.submitted_at) {
            return Err(RemakeRefused::CompromiseAhead);
        }
        Ok(())
    }

    /// The octets that the applicant signs: [`Self::to_approve`] under the domain `yinxin seal remake submission`, without
    /// the time, which is ours to tell.
    #[must_use]
    pub fn to_submit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| self.write(fields, "yinxin seal remake submission"));
        writer.into_bytes()
    }

    /// The octets that each approver signs.
    ///
    /// `Remake ::= SEQUENCE { domain UTF8String ("yinxin seal remake approval"), version INTEGER, nonce OCTET STRING, division
    /// UTF8String, maker [0] EXPLICIT OCTET STRING OPTIONAL, authority [1] EXPLICIT UTF8String OPTIONAL, algorithm [2] EXPLICIT
    /// UTF8String OPTIONAL, newAuthority UTF8String, profile UTF8String, newAlgorithm UTF8String, days INTEGER, reason
    /// UTF8String, compromised [3] EXPLICIT GeneralizedTime OPTIONAL, applicant UTF8String, applicantKey OCTET STRING,
    /// submitted GeneralizedTime }`, all of it DER.
    #[must_use]
    pub fn to_approve(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            self.write(fields, "yinxin seal remake approval");
            fields.generalized_time(self.submitted_at);
        });
        writer.into_bytes()
    }

    fn write(&self, fields: &mut Writer, domain: &str) {
        let Self { selection, making, .. } = self;
        fields.utf8(domain).small(Self::VERSION).octet_string(&self.nonce).utf8(&selection.division.code());
        if let Some(maker) = &selection.maker {
            fields.context(0, |inner| {
                inner.octet_string(maker);
            });
        }
        if let Some(authority) = &selection.authority {
            fields.context(1, |inner| {
                inner.utf8(authority.as_str());
            });
        }
        if let Some(algorithm) = selection.algorithm {
            fields.context(2, |inner| {
                inner.utf8(algorithm.name());
            });
        }
        fields.utf8(making.authority.as_str()).utf8(&making.profile).utf8(making.algorithm.name());
        fields.small(making.days).utf8(self.reason.name());
        if let Some(at) = self.compromised_at {
            fields.context(3, |inner| {
                inner.generalized_time(at);
            });
        }
        fields.utf8(self.applicant.officer.as_str()).octet_string(&self.applicant.key_sm3);
    }

    /// Whether an approval counts beside those before it: by an approver who neither submitted the order nor approved it.
    ///
    /// # Errors
    /// Why not.
    pub fn counts(&self, given: &Approval, officer: &Officer, before: &[Approval]) -> Result<(), StepRefused> {
        if officer.role != OfficerRole::Approver {
            return Err(StepRefused::Role { found: officer.role, needed: OfficerRole::Approver });
        }
        if given.hand.is_same(&self.applicant) {
            return Err(StepRefused::Applicant);
        }
        if before.iter().any(|other| other.hand.is_same(&given.hand)) {
            return Err(StepRefused::Repeated);
        }
        if given.is_right(&self.to_approve(), officer) { Ok(()) } else { Err(StepRefused::Signature) }
    }

    /// Verifies every approval again; `officer` finds those who are officers for the order's division still.
    ///
    /// # Errors
    /// Why the order may not be carried out.
    pub fn confirm<'a>(
        &self,
        approvals: &[Approval],
        officer: impl Fn(&CallerId) -> Option<&'a Officer>,
    ) -> Result<(), StepRefused> {
        if approvals.len() < APPROVALS {
            return Err(StepRefused::State { from: "submitted", attempt: "carried out" });
        }
        for (place, given) in approvals.iter().enumerate() {
            let known = officer(&given.hand.officer).ok_or(StepRefused::ApproverGone)?;
            self.counts(given, known, approvals.get(..place).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemakeState {
    /// Gathers approvals.
    Submitted,
    /// Seals are revoked, in the order of their names.
    Revoking {
        /// All up to this one were looked at.
        after: Option<SealId>,
    },
    /// Each seal of the selection is revoked; they are made anew.
    Making,
    /// Each seal has its successor, or the reason why it has none.
    Finished,
    /// Given up: what was revoked stays revoked, what was made stays made.
    Cancelled,
}

impl RemakeState {
    /// Stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Revoking { .. } => "revoking",
            Self::Making => "making",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }
}

named! {
    /// How far a seal of an order is.
    RemakeStep {
        /// The old one is revoked.
        Revoked = 1, "revoked";
        /// Code and key of the new one are taken.
        Begun = 2, "begun";
        /// The certificate of its signer is issued.
        Certified = 3, "certified";
        /// The new one is there.
        Made = 4, "made";
        /// There is none, and will be none by this order.
        Refused = 5, "refused";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{Signer, sm2};

    struct Hired {
        officer: Officer,
        key: sm2::PrivateKey,
    }

    fn hired(number: u8, role: OfficerRole) -> Hired {
        let key = sm2::PrivateKey::from_bytes(&[number; 32]).unwrap();
        let id = CallerId::parse(&format!("officer-{number}")).unwrap();
        let algorithm = SignatureAlgorithm::Sm2Sm3;
        Hired { officer: Officer { id, role, key: Signer::public_key(&key), algorithm }, key }
    }

    impl Hired {
        fn approves(&self, order: &RemakeOrder) -> Approval {
            let signature = self.key.sign(&order.to_approve(), &SystemRandom).unwrap();
            Approval { hand: Hand::of(&self.officer), signature, at: Timestamp::from_unix(200) }
        }
    }

    fn order() -> RemakeOrder {
        RemakeOrder {
            nonce: [1; 32],
            selection: Selection {
                division: Division::parse("33").unwrap(),
                maker: Some(b"key".to_vec()),
                authority: None,
                algorithm: None,
            },
            making: Making {
                authority: AuthorityId::parse("new").unwrap(),
                profile: "seal-signer".into(),
                algorithm: KeyAlgorithm::Sm2,
                days: 365,
            },
            reason: RevocationReason::KeyCompromise,
            compromised_at: None,
            applicant: Hand::of(&hired(9, OfficerRole::Applicant).officer),
            submitted_at: Timestamp::from_unix(100),
        }
    }

    #[test]
    fn a_selection_means_what_all_its_parts_mean() {
        let (here, there) = (Division::parse("330106").unwrap(), Division::parse("3401").unwrap());
        let (ca, other) = (AuthorityId::parse("a").unwrap(), AuthorityId::parse("b").unwrap());
        let seal = Candidate {
            division: &here,
            maker: Some(b"key"),
            authority: Some(&ca),
            algorithm: Some(KeyAlgorithm::Sm2),
        };
        let all = Selection {
            division: Division::parse("33").unwrap(),
            maker: Some(b"key".to_vec()),
            authority: Some(ca.clone()),
            algorithm: Some(KeyAlgorithm::Sm2),
        };
        assert!(all.means(&seal));
        let any = Selection { maker: None, authority: None, algorithm: None, ..all.clone() };
        assert!(any.means(&Candidate { maker: None, authority: None, algorithm: None, ..seal }));
        for different in [
            Candidate { division: &there, ..seal },
            Candidate { maker: Some(b"kez"), ..seal },
            Candidate { maker: None, ..seal },
            Candidate { authority: Some(&other), ..seal },
            Candidate { authority: None, ..seal },
            Candidate { algorithm: Some(KeyAlgorithm::Rsa), ..seal },
            Candidate { algorithm: None, ..seal },
        ] {
            assert!(!all.means(&different), "{different:?}");
        }
    }

    #[test]
    fn two_approvers_who_are_neither_the_applicant_nor_one_person_carry_it() {
        let order = order();
        let [wang, zhao, own] =
            [hired(2, OfficerRole::Approver), hired(3, OfficerRole::Approver), hired(9, OfficerRole::Approver)];
        let checker = hired(4, OfficerRole::Checker);
        let officers = [&wang, &zhao, &own, &checker].map(|one| &one.officer);
        let find = |id: &CallerId| officers.into_iter().find(|officer| officer.id == *id);
        let both = [wang.approves(&order), zhao.approves(&order)];
        assert_eq!(order.confirm(&both, find), Ok(()));
        let few = StepRefused::State { from: "submitted", attempt: "carried out" };
        assert_eq!(order.confirm(&both[..1], find), Err(few));
        let [first, second] = both;
        let with = |other: &Hired| [first.clone(), other.approves(&order)];
        assert_eq!(order.confirm(&with(&wang), find), Err(StepRefused::Repeated));
        assert_eq!(order.confirm(&with(&own), find), Err(StepRefused::Applicant));
        let role = StepRefused::Role { found: OfficerRole::Checker, needed: OfficerRole::Approver };
        assert_eq!(order.confirm(&with(&checker), find), Err(role));
        let gone = |id: &CallerId| find(id).filter(|officer| officer.id != zhao.officer.id);
        assert_eq!(order.confirm(&[first.clone(), second.clone()], gone), Err(StepRefused::ApproverGone));
        let other = RemakeOrder { nonce: [2; 32], ..order.clone() };
        assert_eq!(other.confirm(&[first, second], find), Err(StepRefused::Signature));
    }

    #[test]
    fn each_field_changes_what_is_signed() {
        let one = order();
        let with = |selection: Selection, making: Making| RemakeOrder { selection, making, ..order() };
        let (selection, making) = (|| order().selection, || order().making);
        let all = [
            order(),
            RemakeOrder { nonce: [2; 32], ..order() },
            with(Selection { division: Division::parse("34").unwrap(), ..selection() }, making()),
            with(Selection { maker: Some(b"kez".to_vec()), ..selection() }, making()),
            with(Selection { maker: None, ..selection() }, making()),
            with(Selection { authority: AuthorityId::parse("old").ok(), ..selection() }, making()),
            with(Selection { algorithm: Some(KeyAlgorithm::Rsa), ..selection() }, making()),
            with(selection(), Making { authority: AuthorityId::parse("old").unwrap(), ..making() }),
            with(selection(), Making { profile: "other".into(), ..making() }),
            with(selection(), Making { algorithm: KeyAlgorithm::Rsa, ..making() }),
            with(selection(), Making { days: 366, ..making() }),
            RemakeOrder { reason: RevocationReason::Superseded, ..order() },
            RemakeOrder { compromised_at: Some(Timestamp::from_unix(50)), ..order() },
            RemakeOrder { applicant: Hand::of(&hired(8, OfficerRole::Applicant).officer), ..order() },
        ];
        for octets in [RemakeOrder::to_submit, RemakeOrder::to_approve] {
            assert_eq!(all.iter().map(octets).collect::<BTreeSet<_>>().len(), all.len());
        }
        let later = RemakeOrder { submitted_at: Timestamp::from_unix(101), ..order() };
        assert_eq!((later.to_submit(), later.to_approve() == one.to_approve()), (one.to_submit(), false));
    }

    #[test]
    fn what_cannot_be_ordered_is_refused() {
        assert_eq!(order().examine(), Ok(()));
        for days in [0, MOST_DAYS + 1] {
            let making = Making { days, ..order().making };
            assert_eq!(RemakeOrder { making, ..order() }.examine(), Err(RemakeRefused::Days));
        }
        let selection = Selection { authority: Some(order().making.authority), ..order().selection };
        assert_eq!(RemakeOrder { selection, ..order() }.examine(), Err(RemakeRefused::SameAuthority));
        let ahead = RemakeOrder { compromised_at: Some(Timestamp::from_unix(101)), ..order() };
        assert_eq!(ahead.examine(), Err(RemakeRefused::CompromiseAhead));
    }
}
