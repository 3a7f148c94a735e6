//! `[persons]`: whether persons sign by certificates of one act, which authority issues these, and what is asked.

use crate::base::id::AuthorityId;
use crate::config::alarms::within;
use crate::config::raw;
use crate::domain::seal::person::{AssuranceLevel, PersonRules};

/// Step 4 of the published ladders: a person who was looked at, and not only a name that was compared.
const LEVEL: u64 = 4;
/// Minutes of a certificate, as the built-in profile has it.
const MINUTES: u64 = 10;
/// Minutes for which a proof of identity counts.
const PROOF: u64 = 30;

type Refused = (&'static str, String);

/// The keys with their defaults; nothing without an authority.
///
/// # Errors
/// The key whose value is not allowed, and what is.
pub(super) fn checked(raw: &raw::Persons) -> Result<Option<PersonRules>, Refused> {
    let level = within("persons.least_level", raw.least_level.unwrap_or(LEVEL), 1, 5)?;
    let minutes = within("persons.minutes", raw.minutes.unwrap_or(MINUTES), 1, 30)?;
    let proof = within("persons.proof_minutes", raw.proof_minutes.unwrap_or(PROOF), 1, 1440)?;
    let Some(authority) = raw.authority.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
    let authority = AuthorityId::parse(authority).map_err(|error| ("persons.authority", error.to_string()))?;
    let least_level = u8::try_from(level).ok().and_then(AssuranceLevel::new);
    let (Some(least_level), Ok(minutes), Ok(proof_minutes)) =
        (least_level, u8::try_from(minutes), u16::try_from(proof))
    else {
        return Err(("persons.least_level", "1 to 5".to_owned()));
    };
    Ok(Some(PersonRules { authority, least_level, minutes, proof_minutes }))
}

pub(super) fn effective(rules: Option<&PersonRules>) -> raw::Persons {
    let Some(rules) = rules else { return raw::Persons::default() };
    raw::Persons {
        authority: Some(rules.authority.to_string()),
        least_level: Some(rules.least_level.number().into()),
        minutes: Some(rules.minutes.into()),
        proof_minutes: Some(rules.proof_minutes.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(authority: &str) -> raw::Persons {
        raw::Persons { authority: Some(authority.to_owned()), ..raw::Persons::default() }
    }

    #[test]
    fn without_an_authority_nobody_signs_and_with_one_the_defaults_count() {
        assert_eq!(checked(&raw::Persons::default()), Ok(None));
        assert_eq!(checked(&raw("")), Ok(None));
        let rules = checked(&raw("persons")).unwrap().unwrap();
        assert_eq!((rules.least_level.number(), rules.minutes, rules.proof_minutes), (4, 10, 30));
        assert_eq!(checked(&effective(Some(&rules))), Ok(Some(rules)));
    }

    #[test]
    fn each_key_has_its_bounds() {
        let key = |raw: raw::Persons| checked(&raw).map_err(|(key, _)| key);
        assert_eq!(key(raw("a/b")), Err("persons.authority"));
        for (level, minutes, proof_minutes, expected) in [
            (0, 10, 30, "persons.least_level"),
            (6, 10, 30, "persons.least_level"),
            (4, 0, 30, "persons.minutes"),
            (4, 31, 30, "persons.minutes"),
            (4, 10, 0, "persons.proof_minutes"),
            (4, 10, 1441, "persons.proof_minutes"),
        ] {
            let (least_level, minutes, proof_minutes) = (Some(level), Some(minutes), Some(proof_minutes));
            assert_eq!(key(raw::Persons { least_level, minutes, proof_minutes, ..raw("p") }), Err(expected));
        }
        let widest = raw::Persons { least_level: Some(1), minutes: Some(30), proof_minutes: Some(1440), ..raw("p") };
        assert!(checked(&widest).unwrap().is_some());
    }
}
