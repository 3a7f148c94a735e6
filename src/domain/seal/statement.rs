//! What the keeper of a seal signs to take it, and an officer to let it rest: one encoding for one step of one seal.

use crate::base::id::SealId;
use crate::domain::audit::SuspensionReason;
use crate::domain::officer::Hand;
use crate::domain::seal::State;
use crate::format::der::Writer;

/// The version of the canonical encodings.
pub const VERSION: u32 = 1;

/// The octets that a keeper signs to take a seal (交付). They name the seal by its SM3, and a seal is delivered once, so the
/// signature fits no other delivery.
///
/// `Delivery ::= SEQUENCE { domain UTF8String ("yinxin seal delivery"), version INTEGER, seal UTF8String, sealSM3 OCTET
/// STRING, keeper UTF8String, keeperKey OCTET STRING }`, DER.
#[must_use]
pub fn to_deliver(seal: &SealId, seal_sm3: &[u8; 32], keeper: &Hand) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|fields| {
        fields.utf8("yinxin seal delivery").small(VERSION).utf8(seal.as_str()).octet_string(seal_sm3);
        fields.utf8(keeper.officer.as_str()).octet_string(&keeper.key_sm3);
    });
    writer.into_bytes()
}

/// The octets that an officer signs to let a seal rest (冻结、挂失). They are bound to the state in which they find the seal.
///
/// `Suspension ::= SEQUENCE { domain UTF8String ("yinxin seal suspension"), version INTEGER, seal UTF8String, state
/// UTF8String, since GeneralizedTime, reason UTF8String, officer UTF8String, officerKey OCTET STRING }`, DER.
#[must_use]
pub fn to_suspend(seal: &SealId, state: &State, reason: SuspensionReason, officer: &Hand) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|fields| {
        fields.utf8("yinxin seal suspension").small(VERSION).utf8(seal.as_str());
        fields.utf8(state.name()).generalized_time(state.since()).utf8(reason.name());
        fields.utf8(officer.officer.as_str()).octet_string(&officer.key_sm3);
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::id::CallerId;
    use crate::crypto::digest::hex;

    fn hand(name: &str, key: u8) -> Hand {
        Hand { officer: CallerId::parse(name).unwrap(), key_sm3: [key; 32] }
    }

    fn seal(name: &str) -> SealId {
        SealId::parse(name).unwrap()
    }

    #[test]
    fn each_field_changes_what_is_signed() {
        let active = |since| State::Active { since: Timestamp::from_unix(since) };
        let rests = SuspensionReason::OwnerRequest;
        let all = [
            to_deliver(&seal("s"), &[1; 32], &hand("k", 1)),
            to_deliver(&seal("t"), &[1; 32], &hand("k", 1)),
            to_deliver(&seal("s"), &[2; 32], &hand("k", 1)),
            to_deliver(&seal("s"), &[1; 32], &hand("l", 1)),
            to_deliver(&seal("s"), &[1; 32], &hand("k", 2)),
            to_suspend(&seal("s"), &active(1), rests, &hand("k", 1)),
            to_suspend(&seal("t"), &active(1), rests, &hand("k", 1)),
            to_suspend(&seal("s"), &active(2), rests, &hand("k", 1)),
            to_suspend(&seal("s"), &State::Made { since: Timestamp::from_unix(1) }, rests, &hand("k", 1)),
            to_suspend(&seal("s"), &active(1), SuspensionReason::AuthorityOrder, &hand("k", 1)),
            to_suspend(&seal("s"), &active(1), rests, &hand("l", 1)),
            to_suspend(&seal("s"), &active(1), rests, &hand("k", 2)),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    /// Signatures are kept for years: version 1 is written like this for ever.
    #[test]
    fn the_encoding_of_a_delivery_does_not_change() {
        let octets = to_deliver(&seal("s"), &[1; 32], &hand("k", 2));
        assert_eq!(
            hex(&octets),
            concat!(
                "3063",
                "0c1479696e78696e207365616c2064656c6976657279",
                "020101",
                "0c0173",
                "04200101010101010101010101010101010101010101010101010101010101010101",
                "0c016b",
                "04200202020202020202020202020202020202020202020202020202020202020202"
            )
        );
    }
}
