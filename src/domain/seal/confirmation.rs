//! Confirmation of one use of a seal by its user's registered key: the second factor until there are others.
//!
//! It says which document is sealed with which seal, for what, and when; so it fits one use. That it counts once is for the
//! service to see to, by its nonce.

use crate::base::clock::Timestamp;
use crate::domain::officer::{Hand, Officer};
use crate::domain::seal::authority::{FACTOR_COUNTS, SealUse};
use crate::format::der::Writer;

/// How far a user's clock may be ahead of ours, in seconds.
pub const MOST_AHEAD: i64 = 60;

/// What a user's key says about one use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseConfirmation {
    /// The confirmation's own random number.
    pub nonce: [u8; 32],
    /// When it was made, by the user's clock.
    pub at: Timestamp,
    /// The signature's value, DER or of fixed width.
    pub signature: Vec<u8>,
}

impl UseConfirmation {
    /// The octets that the user signs.
    ///
    /// `UseConfirmation ::= SEQUENCE { domain UTF8String ("yinxin use confirmation"), version INTEGER, nonce OCTET STRING, at
    /// GeneralizedTime, seal UTF8String, document OCTET STRING (SM3), item [0] EXPLICIT UTF8String OPTIONAL, documentKind [1]
    /// EXPLICIT UTF8String OPTIONAL, amount [2] EXPLICIT INTEGER OPTIONAL, user UTF8String, userKey OCTET STRING }`, DER.
    #[must_use]
    pub fn to_sign(nonce: &[u8; 32], at: Timestamp, wanted: &SealUse, user: &Hand) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin use confirmation").small(1).octet_string(nonce).generalized_time(at);
            fields.utf8(wanted.seal.as_str()).octet_string(&wanted.document_sm3);
            for (number, text) in [(0, &wanted.item), (1, &wanted.document_kind)] {
                if let Some(text) = text {
                    fields.context(number, |inner| {
                        inner.utf8(text);
                    });
                }
            }
            if let Some(amount) = wanted.amount {
                fields.context(2, |inner| {
                    inner.unsigned(&amount.to_be_bytes());
                });
            }
            fields.utf8(user.officer.as_str()).octet_string(&user.key_sm3);
        });
        writer.into_bytes()
    }

    /// The moment at which it counts as presented: its own, or now for a clock that is a little ahead of ours; nothing where
    /// it is too old, or from the future.
    #[must_use]
    pub fn presented_at(&self, now: Timestamp) -> Option<Timestamp> {
        let age = now.unix().saturating_sub(self.at.unix());
        (-MOST_AHEAD..=FACTOR_COUNTS).contains(&age).then(|| self.at.min(now))
    }

    /// Whether this user confirmed this use; `value` is the signature's value of fixed width. How old a confirmation may be
    /// is the authorisation's to say.
    #[must_use]
    pub fn is_right(&self, value: &[u8], wanted: &SealUse, user: &Officer) -> bool {
        let octets = Self::to_sign(&self.nonce, self.at, wanted, &Hand::of(user));
        wanted.user == user.id && user.key.verify(user.algorithm, &octets, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{CallerId, SealId};
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{Signer, sm2};
    use crate::domain::officer::OfficerRole;

    #[test]
    fn it_fits_one_use_only() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let user = Officer {
            id: CallerId::parse("clerk").unwrap(),
            role: OfficerRole::Applicant,
            key: Signer::public_key(&key),
            algorithm: SignatureAlgorithm::Sm2Sm3,
        };
        let wanted = SealUse {
            seal: SealId::parse("seal-1").unwrap(),
            user: user.id.clone(),
            item: Some("item-1".into()),
            document_kind: None,
            amount: Some(5),
            document_sm3: [4; 32],
            second_factor_at: None,
        };
        let (nonce, at) = ([1; 32], Timestamp::from_unix(1_800_000_000));
        let value = key.sign(&UseConfirmation::to_sign(&nonce, at, &wanted, &Hand::of(&user)), &SystemRandom).unwrap();
        let one = UseConfirmation { nonce, at, signature: value.clone() };
        assert!(one.is_right(&value, &wanted, &user));
        let others: [fn(&mut SealUse); 6] = [
            |one| one.seal = SealId::parse("seal-2").unwrap(),
            |one| one.user = CallerId::parse("other").unwrap(),
            |one| one.item = None,
            |one| one.document_kind = Some("item-1".into()),
            |one| one.amount = Some(6),
            |one| one.document_sm3 = [5; 32],
        ];
        for change in others {
            let mut other = wanted.clone();
            change(&mut other);
            assert!(!one.is_right(&value, &other, &user), "{other:?}");
        }
        assert!(!UseConfirmation { nonce: [2; 32], ..one.clone() }.is_right(&value, &wanted, &user));
        assert!(!UseConfirmation { at: at.plus_days(1), ..one.clone() }.is_right(&value, &wanted, &user));
        assert!(!one.is_right(&[0; 64], &wanted, &user));
        for (seconds, presented) in [(-61, None), (-60, Some(-60)), (0, Some(0)), (300, Some(0)), (301, None)] {
            let found = one.presented_at(Timestamp::from_unix(at.unix() + seconds));
            assert_eq!(found.map(|found| found.unix() - at.unix()), presented, "{seconds}");
        }
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        assert!(!one.is_right(&value, &wanted, &Officer { key: Signer::public_key(&key), ..user }));
    }
}
