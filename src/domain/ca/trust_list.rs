//! A trust list on its way to be in force: imported, approved by two different officers, active, superseded or refused.
//!
//! An approval is an officer's signature over the list's SM3, the version that it will replace, and whether the officer
//! compared the fingerprint with paper. So it fits one list, and one change: where another version came into force in
//! between, what the officers saw is no longer what would happen, and they are asked again.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::ca::request::{Hand, Officer, OfficerRole};
use crate::format::der::Writer;

/// How many officers must approve a list.
pub const NEEDED: usize = 2;

/// What would come into force, and over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffer {
    /// SM3 of the list's canonical form.
    pub list_sm3: [u8; 32],
    /// Its name.
    pub name: String,
    /// Its version.
    pub number: u64,
    /// SM3 of the version that it replaces; nothing for the first one.
    pub replaces: Option<[u8; 32]>,
    /// Whether nobody known introduces it: each approving officer must have compared the fingerprint with paper.
    pub by_paper: bool,
}

/// An officer's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListApproval {
    /// Whose.
    pub hand: Hand,
    /// Whether the officer compared the fingerprint with paper.
    pub compared: bool,
    /// The signature's value, of fixed width.
    pub signature: Vec<u8>,
    /// When it arrived.
    pub at: Timestamp,
}

/// Where a list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListState {
    /// Gathers approvals.
    Imported,
    /// In force.
    Active {
        /// Since when.
        since: Timestamp,
    },
    /// Another version is in force.
    Superseded {
        /// When it came into force.
        since: Timestamp,
        /// When it was replaced.
        at: Timestamp,
    },
    /// An officer said no.
    Refused {
        /// Who.
        by: CallerId,
        /// When.
        at: Timestamp,
    },
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListStepRefused {
    /// From that state there is no such step.
    #[error("a trust list that is {from} cannot be {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `approved`, `activated`, `refused` or `superseded`.
        attempt: &'static str,
    },
    /// The officer's role is another.
    #[error("an officer in the role {found} does not decide on trust lists; an approver does")]
    Role {
        /// The officer's.
        found: OfficerRole,
    },
    /// The officer, or the officer's key, approved already.
    #[error("this officer approved already")]
    Repeated,
    /// Nobody introduces the list, and the officer did not compare the fingerprint with paper.
    #[error("nobody that is known introduces this list: its fingerprint must be compared with paper")]
    NotCompared,
    /// The fingerprint from paper is another one.
    #[error("the fingerprint from paper is not that of this list")]
    FingerprintDiffers,
    /// The signature is not this officer's over this step.
    #[error("the signature is not this officer's over this step of the list")]
    Signature,
    /// Two officers must approve.
    #[error("{found} officers approved; {NEEDED} different ones must")]
    TooFew {
        /// So many did.
        found: usize,
    },
    /// An officer who approved is none any more, or has another key.
    #[error("an officer who approved is none any more, or has another key")]
    ApproverGone,
    /// Another version came into force since the list was imported.
    #[error("another version came into force since the list was imported; import it again")]
    BaseChanged,
}

impl ListStepRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "trust-list-state",
            Self::Role { .. } => "officer-role",
            Self::Repeated => "approver-repeated",
            Self::NotCompared => "fingerprint-not-compared",
            Self::FingerprintDiffers => "fingerprint-differs",
            Self::Signature => "approval-signature",
            Self::TooFew { .. } => "trust-list-approvals",
            Self::ApproverGone => "approver-gone",
            Self::BaseChanged => "trust-list-base-changed",
        }
    }
}

/// A list with its approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOrder {
    /// What was offered; it never changes.
    pub offer: ListOffer,
    /// Who approved, in the order of arrival.
    pub approvals: Vec<ListApproval>,
    /// Where it stands.
    pub state: ListState,
}

impl ListOffer {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// The octets that this officer signs to approve.
    ///
    /// `ListStep ::= SEQUENCE { domain UTF8String ("yinxin trust list approval"), version INTEGER, list OCTET STRING, name
    /// UTF8String, number INTEGER, replaces [0] EXPLICIT OCTET STRING OPTIONAL, compared BOOLEAN, officer UTF8String,
    /// officerKey OCTET STRING }`, all of it DER.
    #[must_use]
    pub fn to_approve(&self, officer: &Officer, compared: bool) -> Vec<u8> {
        self.to_sign("yinxin trust list approval", &Hand::of(officer), compared)
    }

    /// The octets that this officer signs to refuse: the same under the domain `yinxin trust list refusal`.
    #[must_use]
    pub fn to_refuse(&self, officer: &Officer) -> Vec<u8> {
        self.to_sign("yinxin trust list refusal", &Hand::of(officer), false)
    }

    fn to_sign(&self, domain: &str, hand: &Hand, compared: bool) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8(domain).small(Self::VERSION).octet_string(&self.list_sm3).utf8(&self.name);
            fields.unsigned(&self.number.to_be_bytes());
            if let Some(replaces) = &self.replaces {
                fields.context(0, |inner| {
                    inner.octet_string(replaces);
                });
            }
            fields.boolean(compared).utf8(hand.officer.as_str()).octet_string(&hand.key_sm3);
        });
        writer.into_bytes()
    }
}

impl ListApproval {
    /// Whether it is this officer's approval of this offer.
    #[must_use]
    pub fn is_right(&self, offer: &ListOffer, officer: &Officer) -> bool {
        let octets = offer.to_approve(officer, self.compared);
        self.hand == Hand::of(officer) && officer.key.verify(officer.algorithm, &octets, &self.signature)
    }
}

impl ListOrder {
    /// A list that was imported.
    #[must_use]
    pub const fn new(offer: ListOffer) -> Self {
        Self { offer, approvals: Vec::new(), state: ListState::Imported }
    }

    /// The state's stable name.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match self.state {
            ListState::Imported => "imported",
            ListState::Active { .. } => "active",
            ListState::Superseded { .. } => "superseded",
            ListState::Refused { .. } => "refused",
        }
    }

    fn must_be_imported(&self, attempt: &'static str) -> Result<(), ListStepRefused> {
        match self.state {
            ListState::Imported => Ok(()),
            _ => Err(ListStepRefused::State { from: self.state_name(), attempt }),
        }
    }

    /// An officer approves.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn approve(
        mut self,
        officer: &Officer,
        (compared, signature): (bool, &[u8]),
        now: Timestamp,
    ) -> Result<Self, ListStepRefused> {
        self.must_be_imported("approved")?;
        is_approver(officer)?;
        if self.offer.by_paper && !compared {
            return Err(ListStepRefused::NotCompared);
        }
        let hand = Hand::of(officer);
        if self.approvals.iter().any(|known| known.hand.is_same(&hand)) {
            return Err(ListStepRefused::Repeated);
        }
        let approval = ListApproval { hand, compared, signature: signature.to_vec(), at: now };
        if !approval.is_right(&self.offer, officer) {
            return Err(ListStepRefused::Signature);
        }
        self.approvals.push(approval);
        Ok(self)
    }

    /// Puts the list into force. `officers` are those who approved, as they are now, in the order of the approvals;
    /// `active` is the SM3 of the version in force.
    ///
    /// # Errors
    /// Fewer than two different officers approved, one of them is none any more, or another version came between.
    pub fn activate(
        self,
        officers: &[Option<Officer>],
        active: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<Self, ListStepRefused> {
        self.must_be_imported("activated")?;
        if self.offer.replaces != active {
            return Err(ListStepRefused::BaseChanged);
        }
        self.is_approved(officers)?;
        Ok(Self { state: ListState::Active { since: now }, ..self })
    }

    /// Whether two different officers approved, by keys that they still have.
    ///
    /// # Errors
    /// [`ListStepRefused::TooFew`], [`ListStepRefused::ApproverGone`], [`ListStepRefused::NotCompared`].
    pub fn is_approved(&self, officers: &[Option<Officer>]) -> Result<(), ListStepRefused> {
        let mut hands: Vec<&Hand> = Vec::new();
        for (approval, officer) in self.approvals.iter().zip(officers) {
            let officer = officer.as_ref().ok_or(ListStepRefused::ApproverGone)?;
            if is_approver(officer).is_err() || !approval.is_right(&self.offer, officer) {
                return Err(ListStepRefused::ApproverGone);
            }
            if self.offer.by_paper && !approval.compared {
                return Err(ListStepRefused::NotCompared);
            }
            if hands.iter().all(|known| !known.is_same(&approval.hand)) {
                hands.push(&approval.hand);
            }
        }
        let found = hands.len();
        if found < NEEDED { Err(ListStepRefused::TooFew { found }) } else { Ok(()) }
    }

    /// Another version came into force.
    ///
    /// # Errors
    /// [`ListStepRefused::State`].
    pub fn supersede(self, now: Timestamp) -> Result<Self, ListStepRefused> {
        match self.state {
            ListState::Active { since } => Ok(Self { state: ListState::Superseded { since, at: now }, ..self }),
            _ => Err(ListStepRefused::State { from: self.state_name(), attempt: "superseded" }),
        }
    }

    /// An officer says no. One is enough: it takes no trust that is there, and gives none.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn refuse(self, officer: &Officer, signature: &[u8], now: Timestamp) -> Result<Self, ListStepRefused> {
        self.must_be_imported("refused")?;
        is_approver(officer)?;
        if !officer.key.verify(officer.algorithm, &self.offer.to_refuse(officer), signature) {
            return Err(ListStepRefused::Signature);
        }
        Ok(Self { state: ListState::Refused { by: officer.id.clone(), at: now }, ..self })
    }
}

fn is_approver(officer: &Officer) -> Result<(), ListStepRefused> {
    match officer.role {
        OfficerRole::Approver => Ok(()),
        found => Err(ListStepRefused::Role { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{Signer, sm2};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    struct Person {
        officer: Officer,
        key: sm2::PrivateKey,
    }

    fn person(id: &str, role: OfficerRole) -> Person {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let id = CallerId::parse(id).unwrap();
        let officer = Officer { id, role, key: Signer::public_key(&key), algorithm: SignatureAlgorithm::Sm2Sm3 };
        Person { officer, key }
    }

    impl Person {
        fn sign(&self, octets: &[u8]) -> Vec<u8> {
            self.key.sign(octets, &SystemRandom).unwrap().to_vec()
        }

        fn approve(&self, order: ListOrder, compared: bool) -> Result<ListOrder, ListStepRefused> {
            let value = self.sign(&order.offer.to_approve(&self.officer, compared));
            order.approve(&self.officer, (compared, &value), NOW)
        }
    }

    fn offer() -> ListOffer {
        ListOffer { list_sm3: [1; 32], name: "a".into(), number: 3, replaces: None, by_paper: true }
    }

    #[test]
    fn two_different_officers_bring_a_list_into_force() {
        let [one, two] = ["one", "two"].map(|id| person(id, OfficerRole::Approver));
        let order = one.approve(ListOrder::new(offer()), true).unwrap();
        let officers = [Some(one.officer.clone()), Some(two.officer.clone())];
        let too_few = order.clone().activate(&officers, None, NOW);
        assert_eq!(too_few, Err(ListStepRefused::TooFew { found: 1 }));
        assert_eq!(one.approve(order.clone(), true), Err(ListStepRefused::Repeated));
        // The same key under another name is the same officer.
        let double = Person {
            officer: Officer { id: CallerId::parse("three").unwrap(), ..one.officer.clone() },
            key: sm2::PrivateKey::from_bytes(one.key.to_bytes().expose()).unwrap(),
        };
        assert_eq!(double.approve(order.clone(), true), Err(ListStepRefused::Repeated));
        let order = two.approve(order, true).unwrap();
        let gone = order.clone().activate(&[officers[0].clone(), None], None, NOW);
        assert_eq!(gone, Err(ListStepRefused::ApproverGone));
        let other_key = person("two", OfficerRole::Approver).officer;
        let changed = order.clone().activate(&[officers[0].clone(), Some(other_key)], None, NOW);
        assert_eq!(changed, Err(ListStepRefused::ApproverGone));
        let demoted = Officer { role: OfficerRole::Checker, ..two.officer.clone() };
        let demoted = order.clone().activate(&[officers[0].clone(), Some(demoted)], None, NOW);
        assert_eq!(demoted, Err(ListStepRefused::ApproverGone));
        let between = order.clone().activate(&officers, Some([9; 32]), NOW);
        assert_eq!(between, Err(ListStepRefused::BaseChanged));
        let active = order.activate(&officers, None, NOW).unwrap();
        assert_eq!(active.state, ListState::Active { since: NOW });
        let again = active.clone().activate(&officers, None, NOW);
        assert_eq!(again, Err(ListStepRefused::State { from: "active", attempt: "activated" }));
        assert_eq!(active.supersede(NOW).unwrap().state_name(), "superseded");
    }

    #[test]
    fn an_approval_fits_one_list_one_officer_and_what_was_compared() {
        let (one, two) = (person("one", OfficerRole::Approver), person("two", OfficerRole::Approver));
        let order = ListOrder::new(offer());
        assert_eq!(one.approve(order.clone(), false), Err(ListStepRefused::NotCompared));
        let right = one.sign(&offer().to_approve(&one.officer, true));
        let with = |changed: ListOffer| ListOrder::new(changed).approve(&one.officer, (true, &right), NOW);
        assert!(with(offer()).is_ok());
        for changed in [
            ListOffer { list_sm3: [2; 32], ..offer() },
            ListOffer { name: "b".into(), ..offer() },
            ListOffer { number: 4, ..offer() },
            ListOffer { replaces: Some([1; 32]), ..offer() },
        ] {
            assert_eq!(with(changed), Err(ListStepRefused::Signature));
        }
        assert_eq!(order.clone().approve(&two.officer, (true, &right), NOW), Err(ListStepRefused::Signature));
        let not_compared = ListOrder::new(ListOffer { by_paper: false, ..offer() });
        let flipped = not_compared.approve(&one.officer, (false, &right), NOW);
        assert_eq!(flipped, Err(ListStepRefused::Signature));
        let refusal = one.sign(&offer().to_refuse(&one.officer));
        assert_eq!(order.clone().approve(&one.officer, (true, &refusal), NOW), Err(ListStepRefused::Signature));
        assert_eq!(order.clone().refuse(&one.officer, &right, NOW), Err(ListStepRefused::Signature));
        let refused = order.clone().refuse(&one.officer, &refusal, NOW).unwrap();
        assert_eq!(refused.state, ListState::Refused { by: one.officer.id.clone(), at: NOW });
        let late = two.approve(refused, true);
        assert_eq!(late, Err(ListStepRefused::State { from: "refused", attempt: "approved" }));
        let checker = person("c", OfficerRole::Checker);
        let found = OfficerRole::Checker;
        assert_eq!(checker.approve(order, true), Err(ListStepRefused::Role { found }));
    }
}
