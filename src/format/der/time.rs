//! UTCTime and GeneralizedTime in their DER form, whole seconds, always `Z`.

use crate::base::clock::Timestamp;

/// `YYMMDDHHMMSSZ`; 50 to 99 are 1950 to 1999 (RFC 5280 4.1.2.5.1).
#[must_use]
pub fn utc(content: &[u8]) -> Option<Timestamp> {
    let (year, rest) = content.split_at_checked(2)?;
    let year = digits(year)?;
    moment(if year < 50 { 2000 + year } else { 1900 + year }, rest)
}

/// `YYYYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.2).
#[must_use]
pub fn generalized(content: &[u8]) -> Option<Timestamp> {
    let (year, rest) = content.split_at_checked(4)?;
    moment(digits(year)?, rest)
}

/// The moment in the form of GeneralizedTime.
#[must_use]
pub fn to_generalized(moment: Timestamp) -> String {
    generalized_octets(moment).into_iter().map(char::from).collect()
}

/// The moment in the form of GeneralizedTime, as octets.
#[must_use]
pub fn generalized_octets(moment: Timestamp) -> [u8; 15] {
    let t = moment.to_utc();
    let (date, clock) = (t.date(), t.time());
    let year = date.year().unsigned_abs();
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    let mut octets = [b'Z'; 15];
    let pairs = [year / 100, year % 100].into_iter().chain([month, day, hour, minute, second].map(u32::from));
    for (to, pair) in octets.chunks_exact_mut(2).zip(pairs) {
        // A Timestamp lies in the years 0 to 9999, so each pair is below 100.
        for (octet, digit) in to.iter_mut().zip([pair / 10, pair % 10]) {
            *octet = b'0'.saturating_add(u8::try_from(digit).unwrap_or(0));
        }
    }
    octets
}

fn digits(text: &[u8]) -> Option<u16> {
    text.iter().try_fold(0_u16, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0')))
}

fn moment(year: u16, rest: &[u8]) -> Option<Timestamp> {
    let (clock, zone) = rest.split_at_checked(10)?;
    if zone != b"Z" {
        return None;
    }
    let mut pairs = clock.chunks_exact(2).map(digits);
    let mut next = || u8::try_from(pairs.next()??).ok();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    let month = time::Month::try_from(month).ok()?;
    let date = time::Date::from_calendar_date(i32::from(year), month, day).ok()?;
    let clock = time::Time::from_hms(hour, minute, second).ok()?;
    Some(Timestamp::from_unix(date.with_time(clock).assume_utc().unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_back() {
        let moment = generalized(b"20250601020304Z").unwrap();
        assert_eq!(moment.to_string(), "2025-06-01T02:03:04Z");
        assert_eq!(utc(b"250601020304Z"), Some(moment));
        assert_eq!(to_generalized(moment), "20250601020304Z");
        assert_eq!(utc(b"500101000000Z").unwrap().to_string(), "1950-01-01T00:00:00Z");
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["20250601020304", "20250601020304.5Z", "20250601020304+0800", "20251301020304Z", "20250229020304Z"]
        {
            assert_eq!(generalized(text.as_bytes()), None, "{text}");
        }
        for text in ["2506010203Z", "250601020360Z", "25060102030 Z", ""] {
            assert_eq!(utc(text.as_bytes()), None, "{text}");
        }
    }
}
