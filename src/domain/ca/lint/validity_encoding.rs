//! UTCTime through 2049, GeneralizedTime from 2050 on.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::der::Tag;

pub(super) static RULE: Rule = Rule {
    name: "validity-encoding",
    citation: "RFC 5280 4.1.2.5",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for time in [parts.not_before, parts.not_after] {
        let expected = if (1950..2050).contains(&time.moment.to_utc().year()) { Tag::UtcTime } else { Tag::GeneralizedTime };
        if time.tag != expected {
            return Err(format!("{} is written as {}", time.moment, time.tag));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().change(|draft| draft.not_after = tlv(0x18, b"20500101000000Z"))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.not_after = tlv(0x18, b"20491231235959Z"))];
}
