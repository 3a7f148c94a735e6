//! Recovery of encryption keys that are kept for their owners: an order, two officers who sign it, then the key, once.
//!
//! An approval is an officer's signature over the order in its canonical encoding. It is kept, and verified again at the
//! moment of recovery; a name in an argument approves nothing. That two officers are needed is GM/T 0034's (recollection).

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, CallerId, KeyId};
use crate::crypto::digest::sm3;
use crate::domain::ca::request::{Hand, Officer, OfficerRole};
use crate::domain::key::named;
use crate::format::der::Writer;

named! {
    /// Why a key is recovered.
    RecoveryReason {
        /// Its owner lost it, or what it lay in.
        KeyLost = 1, "key-lost";
        /// Its owner cannot act, and others need what was encrypted.
        OwnerAbsent = 2, "owner-absent";
        /// A court or supervising authority ordered it (司法恢复).
        AuthorityOrder = 3, "authority-order";
    }
}

named! {
    /// Why an order was refused.
    RecoveryRefusal {
        /// The evidence does not show what the order says.
        EvidenceInsufficient = 1, "evidence-insufficient";
        /// Whoever asks has no right to the key.
        NotEntitled = 2, "not-entitled";
        /// It contains an error.
        Mistaken = 3, "mistaken";
    }
}

/// The role of whoever approves or refuses.
const ROLE: OfficerRole = OfficerRole::Approver;

/// So many officers approve.
pub const APPROVALS: usize = 2;

/// The longest that an order waits.
pub const MOST_DAYS: i64 = 30;

/// What is asked for; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryOrder {
    /// The order's name.
    pub id: ApplicationId,
    /// The order's own random number: no approval fits another order.
    pub nonce: [u8; 32],
    /// The key that is kept.
    pub key: KeyId,
    /// SM3 of the encryption certificate.
    pub certificate_sm3: [u8; 32],
    /// SM3 of the owner's signing key, as SubjectPublicKeyInfo: the owner does not approve.
    pub owner_key_sm3: [u8; 32],
    /// For whom it is enveloped: SubjectPublicKeyInfo, DER.
    pub recipient: Vec<u8>,
    /// Why.
    pub reason: RecoveryReason,
    /// SM3 of the evidence on file.
    pub evidence_sm3: [u8; 32],
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// Until when it can be approved and carried out.
    pub expires_at: Timestamp,
}

impl RecoveryOrder {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// The octets that an officer signs to approve: one encoding for one order, for ever.
    ///
    /// `Recovery ::= SEQUENCE { domain UTF8String ("yinxin key recovery approval"), version INTEGER, order UTF8String,
    /// nonce OCTET STRING, key UTF8String, certificate OCTET STRING, ownerKey OCTET STRING, recipient OCTET STRING, reason
    /// INTEGER, evidence OCTET STRING, ordered GeneralizedTime, expires GeneralizedTime }`, all of it DER.
    #[must_use]
    pub fn to_approve(&self) -> Vec<u8> {
        self.encoded("yinxin key recovery approval", None)
    }

    /// The octets that an officer signs to refuse: as [`Self::to_approve`] with the domain `yinxin key recovery refusal`,
    /// and the refusal's number as an INTEGER at the end.
    #[must_use]
    pub fn to_refuse(&self, refusal: RecoveryRefusal) -> Vec<u8> {
        self.encoded("yinxin key recovery refusal", Some(refusal))
    }

    fn encoded(&self, domain: &str, refusal: Option<RecoveryRefusal>) -> Vec<u8> {
        // Members of these lists have small numbers.
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8(domain).small(Self::VERSION).utf8(self.id.as_str()).octet_string(&self.nonce);
            fields.utf8(self.key.as_str()).octet_string(&self.certificate_sm3).octet_string(&self.owner_key_sm3);
            fields.octet_string(&self.recipient).small(number(self.reason.number())).octet_string(&self.evidence_sm3);
            fields.generalized_time(self.ordered_at).generalized_time(self.expires_at);
            if let Some(refusal) = refusal {
                fields.small(number(refusal.number()));
            }
        });
        writer.into_bytes()
    }

    /// SM3 of [`Self::to_approve`], for the log.
    #[must_use]
    pub fn sm3(&self) -> [u8; 32] {
        sm3(&self.to_approve())
    }

    /// Refuses an order that could not be carried out, or would wait too long.
    ///
    /// # Errors
    /// [`RecoveryRefused::Term`].
    pub fn check_term(&self) -> Result<(), RecoveryRefused> {
        let latest = self.ordered_at.plus_days(MOST_DAYS);
        let right = self.ordered_at < self.expires_at && self.expires_at <= latest;
        if right { Ok(()) } else { Err(RecoveryRefused::Term) }
    }

    /// Whether that hand is the owner's, or holds the key that the answer is enveloped for.
    fn is_interested(&self, hand: &Hand) -> bool {
        hand.key_sm3 == self.owner_key_sm3 || hand.key_sm3 == sm3(&self.recipient)
    }
}

/// An officer's signature over an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryApproval {
    /// Whose.
    pub hand: Hand,
    /// The signature's value, of fixed width.
    pub signature: Vec<u8>,
    /// When it arrived.
    pub at: Timestamp,
}

impl RecoveryApproval {
    fn is_right(&self, order: &RecoveryOrder, officer: &Officer) -> bool {
        self.hand == Hand::of(officer) && officer.key.verify(officer.algorithm, &order.to_approve(), &self.signature)
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryEnd {
    /// The key was given out.
    Recovered {
        /// When.
        at: Timestamp,
    },
    /// An officer said no.
    Refused {
        /// Who.
        by: Hand,
        /// Why.
        reason: RecoveryRefusal,
        /// When.
        at: Timestamp,
    },
    /// It waited too long.
    Lapsed {
        /// When that was noticed.
        at: Timestamp,
    },
}

/// What a step tells the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryEvent {
    /// One officer agrees.
    Approved {
        /// Who.
        by: CallerId,
        /// SM3 of the signature.
        signature_sm3: [u8; 32],
    },
    /// The key leaves, enveloped for that public key.
    Recovered {
        /// SM3 of the recipient's SubjectPublicKeyInfo.
        recipient_sm3: [u8; 32],
    },
    /// Refused.
    Refused {
        /// By whom.
        by: CallerId,
        /// Why.
        reason: RecoveryRefusal,
    },
    /// Lapsed.
    Lapsed,
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryRefused {
    /// From that state there is no such step.
    #[error("an order of recovery that is {from} cannot be {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `approved`, `carried out`, `refused` or `lapsed`.
        attempt: &'static str,
    },
    /// The officer's role is another.
    #[error("an officer in the role {found} does not decide on recoveries")]
    Role {
        /// The officer's.
        found: OfficerRole,
    },
    /// The owner of the key, or whoever would get it, would decide.
    #[error("the owner or the recipient of a key does not decide on its recovery")]
    Owner,
    /// The officer, or the officer's key, approved already.
    #[error("this officer, or this officer's key, approved already")]
    Repeated,
    /// The signature is not the officer's over this order.
    #[error("the signature is not this officer's over this order")]
    Signature,
    /// The order's time is over.
    #[error("the order of recovery lapsed at {at}")]
    Lapsed {
        /// When.
        at: Timestamp,
    },
    /// The order's time is not over.
    #[error("the order of recovery lapses at {at} only")]
    NotLapsed {
        /// When.
        at: Timestamp,
    },
    /// Too long a time, or none.
    #[error("an order of recovery waits for {MOST_DAYS} days at most")]
    Term,
    /// It would happen before what happened last.
    #[error("the step is dated before the last one")]
    Backwards,
}

impl RecoveryRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "recovery-state",
            Self::Role { .. } => "officer-role",
            Self::Owner => "approver-is-owner",
            Self::Repeated => "approver-repeated",
            Self::Signature => "approval-signature",
            Self::Lapsed { .. } => "recovery-lapsed",
            Self::NotLapsed { .. } => "recovery-not-lapsed",
            Self::Term => "recovery-term",
            Self::Backwards => "step-backdated",
        }
    }
}

/// An order on its way: ordered → approved by one → approved → recovered, refused or lapsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What is asked for.
    pub order: RecoveryOrder,
    /// Who agreed so far, in order.
    pub approvals: Vec<RecoveryApproval>,
    /// How it ended, if it did.
    pub end: Option<RecoveryEnd>,
}

type Step = Result<(Recovery, RecoveryEvent), RecoveryRefused>;

impl Recovery {
    /// A new one.
    ///
    /// # Errors
    /// [`RecoveryRefused::Term`].
    pub fn new(order: RecoveryOrder) -> Result<Self, RecoveryRefused> {
        order.check_term()?;
        Ok(Self { order, approvals: Vec::new(), end: None })
    }

    /// The state's stable name.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match (&self.end, self.approvals.len()) {
            (Some(RecoveryEnd::Recovered { .. }), _) => "recovered",
            (Some(RecoveryEnd::Refused { .. }), _) => "refused",
            (Some(RecoveryEnd::Lapsed { .. }), _) => "lapsed",
            (None, 0) => "ordered",
            (None, count) if count < APPROVALS => "approved-by-one",
            (None, _) => "approved",
        }
    }

    /// When it last moved.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match &self.end {
            Some(RecoveryEnd::Recovered { at } | RecoveryEnd::Refused { at, .. } | RecoveryEnd::Lapsed { at }) => *at,
            None => self.approvals.last().map_or(self.order.ordered_at, |approval| approval.at),
        }
    }

    /// An officer agrees, by a signature over [`RecoveryOrder::to_approve`].
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn approve(self, officer: &Officer, signature: &[u8], now: Timestamp) -> Step {
        self.waits(now, "approved")?;
        let hand = self.judge(officer)?;
        if self.approvals.iter().any(|approval| approval.hand.is_same(&hand)) {
            return Err(RecoveryRefused::Repeated);
        }
        if self.approvals.len() >= APPROVALS {
            return Err(self.no_way("approved"));
        }
        let approval = RecoveryApproval { hand, signature: signature.to_vec(), at: now };
        if !approval.is_right(&self.order, officer) {
            return Err(RecoveryRefused::Signature);
        }
        let event = RecoveryEvent::Approved { by: officer.id.clone(), signature_sm3: sm3(signature) };
        let mut next = self;
        next.approvals.push(approval);
        Ok((next, event))
    }

    /// Verifies every kept approval again: enough officers of the role, all different, none of them the owner, each
    /// signature right. `officer` finds a registered officer.
    ///
    /// # Errors
    /// Why the key may not be given out.
    pub fn confirm<'a>(
        &self,
        officer: impl Fn(&CallerId) -> Option<&'a Officer>,
        now: Timestamp,
    ) -> Result<(), RecoveryRefused> {
        self.waits(now, "carried out")?;
        if self.approvals.len() < APPROVALS {
            return Err(self.no_way("carried out"));
        }
        for (index, approval) in self.approvals.iter().enumerate() {
            let known = officer(&approval.hand.officer).ok_or(RecoveryRefused::Signature)?;
            self.judge(known)?;
            if self.order.is_interested(&approval.hand) {
                return Err(RecoveryRefused::Owner);
            }
            if self.approvals.iter().take(index).any(|other| other.hand.is_same(&approval.hand)) {
                return Err(RecoveryRefused::Repeated);
            }
            if !approval.is_right(&self.order, known) {
                return Err(RecoveryRefused::Signature);
            }
        }
        Ok(())
    }

    /// The key is given out, now, after every approval was verified again.
    ///
    /// # Errors
    /// As [`Self::confirm`].
    pub fn recover<'a>(self, officer: impl Fn(&CallerId) -> Option<&'a Officer>, now: Timestamp) -> Step {
        self.confirm(officer, now)?;
        let event = RecoveryEvent::Recovered { recipient_sm3: sm3(&self.order.recipient) };
        Ok((Self { end: Some(RecoveryEnd::Recovered { at: now }), ..self }, event))
    }

    /// An officer says no, by a signature over [`RecoveryOrder::to_refuse`].
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn refuse(self, officer: &Officer, reason: RecoveryRefusal, signature: &[u8], now: Timestamp) -> Step {
        self.waits(now, "refused")?;
        let by = self.judge(officer)?;
        if !officer.key.verify(officer.algorithm, &self.order.to_refuse(reason), signature) {
            return Err(RecoveryRefused::Signature);
        }
        let event = RecoveryEvent::Refused { by: officer.id.clone(), reason };
        Ok((Self { end: Some(RecoveryEnd::Refused { by, reason, at: now }), ..self }, event))
    }

    /// Its time is over.
    ///
    /// # Errors
    /// It is not, or the order ended before.
    pub fn lapse(self, now: Timestamp) -> Step {
        if self.end.is_some() {
            return Err(self.no_way("lapsed"));
        }
        if now <= self.order.expires_at {
            return Err(RecoveryRefused::NotLapsed { at: self.order.expires_at });
        }
        Ok((Self { end: Some(RecoveryEnd::Lapsed { at: now }), ..self }, RecoveryEvent::Lapsed))
    }

    /// It has not ended, its time is not over, and time did not run backwards.
    fn waits(&self, now: Timestamp, attempt: &'static str) -> Result<(), RecoveryRefused> {
        if self.end.is_some() {
            return Err(self.no_way(attempt));
        }
        if now < self.since() {
            return Err(RecoveryRefused::Backwards);
        }
        if self.order.expires_at < now {
            return Err(RecoveryRefused::Lapsed { at: self.order.expires_at });
        }
        Ok(())
    }

    fn judge(&self, officer: &Officer) -> Result<Hand, RecoveryRefused> {
        if officer.role != ROLE {
            return Err(RecoveryRefused::Role { found: officer.role });
        }
        let hand = Hand::of(officer);
        if self.order.is_interested(&hand) { Err(RecoveryRefused::Owner) } else { Ok(hand) }
    }

    const fn no_way(&self, attempt: &'static str) -> RecoveryRefused {
        RecoveryRefused::State { from: self.state_name(), attempt }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::digest::hex;
    use crate::crypto::{Signer, sm2};
    use crate::domain::trust::key::subject_public_key_info;

    /// The fifth key is the owner's, the sixth the recipient's.
    static KEYS: LazyLock<Vec<sm2::PrivateKey>> =
        LazyLock::new(|| (0..6).map(|_| sm2::PrivateKey::generate(&SystemRandom).unwrap()).collect());

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn id(number: usize) -> CallerId {
        CallerId::parse(&format!("officer-{number}")).unwrap()
    }

    fn officer(number: usize, key: usize) -> Officer {
        let key = Signer::public_key(&KEYS[key]);
        Officer { id: id(number), role: OfficerRole::Approver, key, algorithm: SignatureAlgorithm::Sm2Sm3 }
    }

    fn info(key: usize) -> Vec<u8> {
        subject_public_key_info(&Signer::public_key(&KEYS[key]))
    }

    fn order() -> RecoveryOrder {
        RecoveryOrder {
            id: ApplicationId::parse("order-1").unwrap(),
            nonce: [7; 32],
            key: KeyId::parse("key-1").unwrap(),
            certificate_sm3: [8; 32],
            owner_key_sm3: sm3(&info(4)),
            recipient: info(5),
            reason: RecoveryReason::KeyLost,
            evidence_sm3: [9; 32],
            ordered_at: at(100),
            expires_at: at(1_000),
        }
    }

    fn new() -> Recovery {
        Recovery::new(order()).unwrap()
    }

    fn sign(order: &RecoveryOrder, key: usize) -> Vec<u8> {
        KEYS[key].sign(&order.to_approve(), &SystemRandom).unwrap()
    }

    #[test]
    fn two_officers_agree_and_their_signatures_are_verified_again() {
        let (first, second) = (officer(0, 0), officer(1, 1));
        let signature = sign(&order(), 0);
        let (recovery, event) = new().approve(&first, &signature, at(101)).unwrap();
        assert_eq!(event, RecoveryEvent::Approved { by: id(0), signature_sm3: sm3(&signature) });
        assert_eq!(recovery.state_name(), "approved-by-one");
        let both = [first.clone(), second.clone()];
        let find = |wanted: &CallerId| both.iter().find(|one| one.id == *wanted);
        let one = RecoveryRefused::State { from: "approved-by-one", attempt: "carried out" };
        assert_eq!(recovery.clone().recover(find, at(102)), Err(one));
        assert_eq!(recovery.clone().approve(&first, &signature, at(102)), Err(RecoveryRefused::Repeated));
        // The same key under another name.
        assert_eq!(recovery.clone().approve(&officer(2, 0), &signature, at(102)), Err(RecoveryRefused::Repeated));
        let (recovery, _) = recovery.approve(&second, &sign(&order(), 1), at(102)).unwrap();
        assert_eq!((recovery.state_name(), recovery.since()), ("approved", at(102)));
        let third = recovery.clone().approve(&officer(2, 2), &sign(&order(), 2), at(103));
        assert_eq!(third, Err(RecoveryRefused::State { from: "approved", attempt: "approved" }));
        assert_eq!(recovery.confirm(find, at(1_000)), Ok(()));
        // A changed order, an officer who is gone, has another key or another role now, a kept key that was exchanged.
        let mut changed = recovery.clone();
        changed.order.recipient = info(3);
        assert_eq!(changed.confirm(find, at(103)), Err(RecoveryRefused::Signature));
        assert_eq!(recovery.confirm(|_| None, at(103)), Err(RecoveryRefused::Signature));
        let with = |other: Officer| {
            let both = [first.clone(), other];
            recovery.confirm(|wanted: &CallerId| both.iter().find(|one| one.id == *wanted), at(103))
        };
        assert_eq!(with(officer(1, 3)), Err(RecoveryRefused::Signature));
        let checker = Officer { role: OfficerRole::Checker, ..second.clone() };
        assert_eq!(with(checker), Err(RecoveryRefused::Role { found: OfficerRole::Checker }));
        let mut twice = recovery.clone();
        twice.approvals[1].hand.key_sm3 = twice.approvals[0].hand.key_sm3;
        assert_eq!(twice.confirm(find, at(103)), Err(RecoveryRefused::Repeated));
        let late = RecoveryRefused::Lapsed { at: at(1_000) };
        assert_eq!(recovery.confirm(find, at(1_001)), Err(late));
        assert_eq!(recovery.confirm(find, at(101)), Err(RecoveryRefused::Backwards));
        let (recovery, event) = recovery.recover(find, at(103)).unwrap();
        assert_eq!(event, RecoveryEvent::Recovered { recipient_sm3: sm3(&info(5)) });
        let ended = RecoveryRefused::State { from: "recovered", attempt: "carried out" };
        assert_eq!(recovery.recover(find, at(104)), Err(ended));
    }

    #[test]
    fn neither_owner_nor_recipient_nor_another_role_decides() {
        let approve = |by: Officer, key: usize| new().approve(&by, &sign(&order(), key), at(101)).map(|_| ());
        assert_eq!(approve(officer(0, 4), 4), Err(RecoveryRefused::Owner));
        assert_eq!(approve(officer(0, 5), 5), Err(RecoveryRefused::Owner));
        assert_eq!(approve(officer(0, 0), 1), Err(RecoveryRefused::Signature));
        let checker = Officer { role: OfficerRole::Checker, ..officer(0, 0) };
        assert_eq!(approve(checker, 0), Err(RecoveryRefused::Role { found: OfficerRole::Checker }));
        let refusal = RecoveryRefusal::NotEntitled;
        let by_approval = new().refuse(&officer(0, 0), refusal, &sign(&order(), 0), at(101));
        assert_eq!(by_approval, Err(RecoveryRefused::Signature));
        let signature = KEYS[0].sign(&order().to_refuse(refusal), &SystemRandom).unwrap();
        let other = new().refuse(&officer(0, 0), RecoveryRefusal::Mistaken, &signature, at(101));
        assert_eq!(other, Err(RecoveryRefused::Signature));
        let (refused, event) = new().refuse(&officer(0, 0), refusal, &signature, at(101)).unwrap();
        assert_eq!(event, RecoveryEvent::Refused { by: id(0), reason: refusal });
        let ended = RecoveryRefused::State { from: "refused", attempt: "approved" };
        assert_eq!(refused.approve(&officer(1, 1), &sign(&order(), 1), at(102)), Err(ended));
    }

    #[test]
    fn orders_wait_for_their_time_and_no_longer() {
        let term = |expires_at| Recovery::new(RecoveryOrder { expires_at, ..order() }).map(|_| ());
        assert_eq!(term(at(100)), Err(RecoveryRefused::Term));
        assert_eq!(term(at(100).plus_days(MOST_DAYS)), Ok(()));
        assert_eq!(term(at(101).plus_days(MOST_DAYS)), Err(RecoveryRefused::Term));
        assert_eq!(new().lapse(at(1_000)), Err(RecoveryRefused::NotLapsed { at: at(1_000) }));
        let (lapsed, event) = new().lapse(at(1_001)).unwrap();
        assert_eq!((event, lapsed.state_name(), lapsed.since()), (RecoveryEvent::Lapsed, "lapsed", at(1_001)));
        assert_eq!(lapsed.lapse(at(1_002)).unwrap_err().code(), "recovery-state");
        let late = new().approve(&officer(0, 0), &sign(&order(), 0), at(1_001));
        assert_eq!(late, Err(RecoveryRefused::Lapsed { at: at(1_000) }));
    }

    /// Approvals are kept for years: version 1 is written like this for ever.
    #[test]
    fn the_canonical_encoding_does_not_change() {
        let fixed = RecoveryOrder { owner_key_sm3: [3; 32], recipient: vec![1, 2, 3], ..order() };
        assert_eq!(hex(&fixed.sm3()), "1cee64ed5693c777736f60ae6d8a63ae7ae08d1d48ae8aa21befde13bf87b9dc");
        let refusal = fixed.to_refuse(RecoveryRefusal::Mistaken);
        assert_eq!(hex(&sm3(&refusal)), "89f862c061914be842a92b86f5a0bb1d5df33942d8b70e4cd6cbcf2e53e0c816");
    }

    /// Every field is in the encoding: change one, and no approval fits.
    #[test]
    fn the_canonical_encoding_holds_every_field() {
        let changes: [fn(&mut RecoveryOrder); 10] = [
            |one| one.id = ApplicationId::parse("order-2").unwrap(),
            |one| one.nonce[0] ^= 1,
            |one| one.key = KeyId::parse("key-2").unwrap(),
            |one| one.certificate_sm3[0] ^= 1,
            |one| one.owner_key_sm3[0] ^= 1,
            |one| one.recipient.push(0),
            |one| one.reason = RecoveryReason::AuthorityOrder,
            |one| one.evidence_sm3[0] ^= 1,
            |one| one.ordered_at = at(101),
            |one| one.expires_at = at(1_001),
        ];
        let mut seen = vec![order().to_approve()];
        seen.extend(RecoveryRefusal::ALL.iter().map(|refusal| order().to_refuse(*refusal)));
        for change in changes {
            let mut other = order();
            change(&mut other);
            let encoded = other.to_approve();
            assert!(!seen.contains(&encoded));
            seen.push(encoded);
        }
        assert_eq!(crate::format::der::walk(&seen[0], 4).unwrap(), 13);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever officers try in whatever order: what is recovered was signed by two of them, different by name and by
        /// key, neither owner nor recipient, in time; what has ended does not move.
        #[test]
        fn no_order_of_steps_gets_around_two_officers(
            steps in proptest::collection::vec((0_u8..6, 0_usize..4, 0_usize..6, 0_usize..6, 1_i64..90), 0..24),
        ) {
            // Who is registered with which key at the moment of recovery: as they signed.
            let mut recovery = new();
            let mut registered = std::collections::BTreeMap::<CallerId, Officer>::new();
            let mut now = 100;
            for (step, number, key, signer, passed) in steps {
                now += passed;
                let by = officer(number, key);
                let before = recovery.clone();
                let find = |wanted: &CallerId| registered.get(wanted);
                let outcome = match step {
                    0..=2 => recovery.clone().approve(&by, &sign(&order(), signer), at(now)),
                    3 => recovery.clone().recover(find, at(now)),
                    4 if number == 3 => {
                        let reason = RecoveryRefusal::NotEntitled;
                        let value = KEYS[signer].sign(&order().to_refuse(reason), &SystemRandom).unwrap();
                        recovery.clone().refuse(&by, reason, &value, at(now))
                    }
                    _ => recovery.clone().lapse(at(now)),
                };
                if let Ok((after, event)) = outcome {
                    prop_assert_eq!(&before.end, &None);
                    if let RecoveryEvent::Approved { .. } = event {
                        registered.insert(by.id.clone(), by);
                    }
                    recovery = after;
                    if recovery.state_name() == "lapsed" {
                        prop_assert!(now > 1_000);
                    } else {
                        prop_assert!(now <= 1_000);
                    }
                }
                prop_assert!(recovery.approvals.len() <= APPROVALS);
                if recovery.state_name() == "recovered" {
                    let [one, other] = &recovery.approvals[..] else { panic!("{recovery:?}") };
                    prop_assert!(one.hand.officer != other.hand.officer && one.hand.key_sm3 != other.hand.key_sm3);
                    for approval in [one, other] {
                        prop_assert!(approval.hand.key_sm3 != sm3(&info(4)) && approval.hand.key_sm3 != sm3(&info(5)));
                        let key = KEYS.iter().map(Signer::public_key).find(|key| {
                            sm3(&subject_public_key_info(key)) == approval.hand.key_sm3
                        });
                        let message = order().to_approve();
                        prop_assert!(key.unwrap().verify(SignatureAlgorithm::Sm2Sm3, &message, &approval.signature));
                    }
                }
            }
        }
    }
}
