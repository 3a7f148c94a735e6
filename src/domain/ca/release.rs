//! Releasing what an alarm holds: a seal that rests, a caller that is barred. One person may look at an alarm; two officers
//! let its hold go.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId};
use crate::domain::audit::AlarmKind;
use crate::domain::ca::request::{Hand, Officer};
use crate::domain::ca::two_hands::{TwoHandsRefused, two_hands};
use crate::format::der::Writer;

/// What an alarm holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A seal, which rests.
    Seal(SealId),
    /// A caller, which is barred.
    Caller(CallerId),
}

/// What two officers approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The number of the event that raised the alarm: no other alarm ever has it.
    pub alarm: u64,
    /// What it is about.
    pub kind: AlarmKind,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// What it holds.
    pub held: Held,
}

impl Release {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// The octets that this officer signs to approve.
    ///
    /// `Release ::= SEQUENCE { domain UTF8String ("yinxin alarm release approval"), version INTEGER, alarm INTEGER, kind
    /// UTF8String, raisedAt UTF8String, what UTF8String ("seal" or "caller"), id UTF8String, officer UTF8String, officerKey
    /// OCTET STRING }`, all of it DER.
    #[must_use]
    pub fn to_sign(&self, officer: &Officer) -> Vec<u8> {
        let hand = Hand::of(officer);
        let (what, id) = match &self.held {
            Held::Seal(id) => ("seal", id.as_str()),
            Held::Caller(id) => ("caller", id.as_str()),
        };
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin alarm release approval").small(Self::VERSION).unsigned(&self.alarm.to_be_bytes());
            fields.utf8(self.kind.name()).utf8(&self.raised_at.to_string()).utf8(what).utf8(id);
            fields.utf8(hand.officer.as_str()).octet_string(&hand.key_sm3);
        });
        writer.into_bytes()
    }

    /// Whether two different officers, as they are now, approve it: each with the value of a signature, of fixed width.
    ///
    /// # Errors
    /// [`TwoHandsRefused`].
    pub fn is_approved(&self, approvals: &[(Officer, Vec<u8>)]) -> Result<(), TwoHandsRefused> {
        two_hands(approvals, |officer| self.to_sign(officer))
    }
}
