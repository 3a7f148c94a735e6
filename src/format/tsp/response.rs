//! TimeStampResp (RFC 3161 2.4.2): a token, or why there is none.

use crate::format::cms::MAX_DEPTH;
use crate::format::der::{self, Reader, Tag, Writer};
use crate::format::tsp::Error;

/// `PKIStatus` (RFC 3161 2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A token as asked for.
    Granted,
    /// A token with changes.
    GrantedWithMods,
    /// No token.
    Rejection,
    /// Not yet.
    Waiting,
    /// The authority is about to be revoked.
    RevocationWarning,
    /// The authority was revoked.
    RevocationNotification,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Granted,
        Self::GrantedWithMods,
        Self::Rejection,
        Self::Waiting,
        Self::RevocationWarning,
        Self::RevocationNotification,
    ];

    const fn grants(self) -> bool {
        matches!(self, Self::Granted | Self::GrantedWithMods)
    }
}

/// `PKIFailureInfo` (RFC 3161 2.4.2): each a bit of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureInfo {
    /// `badAlg (0)`: an algorithm that is not recognised or not supported.
    BadAlg,
    /// `badRequest (2)`: a transaction that is not permitted or not supported.
    BadRequest,
    /// `badDataFormat (5)`: what was submitted has the wrong format.
    BadDataFormat,
    /// `timeNotAvailable (14)`: the time source is not available.
    TimeNotAvailable,
    /// `unacceptedPolicy (15)`.
    UnacceptedPolicy,
    /// `unacceptedExtension (16)`.
    UnacceptedExtension,
    /// `addInfoNotAvailable (17)`.
    AddInfoNotAvailable,
    /// `systemFailure (25)`.
    SystemFailure,
}

impl FailureInfo {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::BadAlg,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];

    const fn bit(self) -> u8 {
        match self {
            Self::BadAlg => 0,
            Self::BadRequest => 2,
            Self::BadDataFormat => 5,
            Self::TimeNotAvailable => 14,
            Self::UnacceptedPolicy => 15,
            Self::UnacceptedExtension => 16,
            Self::AddInfoNotAvailable => 17,
            Self::SystemFailure => 25,
        }
    }

    /// As RFC 3161 names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::AddInfoNotAvailable => "addInfoNotAvailable",
            Self::SystemFailure => "systemFailure",
        }
    }

    /// A named bit list with one bit (X.690 11.2.2).
    fn to_der(self) -> Vec<u8> {
        let (octets, bit) = (self.bit() / 8, self.bit() % 8);
        let mut content = vec![7 - bit];
        content.resize(usize::from(octets).saturating_add(1), 0);
        content.push(0x80 >> bit);
        // Five octets at most.
        let length = u8::try_from(content.len()).unwrap_or(0);
        [&[3, length], content.as_slice()].concat()
    }

    /// The bits of a BIT STRING, each known or not.
    fn read(reader: &mut Reader<'_>) -> Result<Vec<Self>, der::Error> {
        const WHAT: &str = "failInfo";
        let content = reader.expect(Tag::BitString, WHAT)?.content();
        let invalid = der::Error::InvalidValue { what: WHAT };
        let Some((unused @ 0..=7, octets)) = content.split_first() else { return Err(invalid) };
        let last = octets.last().copied().unwrap_or(0);
        if last.trailing_zeros() < u32::from(*unused) || (octets.is_empty() && *unused != 0) || octets.len() > 8 {
            return Err(invalid);
        }
        let is_set = |bit: u8| {
            let octet = octets.get(usize::from(bit / 8)).copied().unwrap_or(0);
            octet & (0x80 >> (bit % 8)) != 0
        };
        Ok(Self::ALL.into_iter().filter(|failure| is_set(failure.bit())).collect())
    }
}

/// A response as it arrived.
///
/// ```text
/// TimeStampResp ::= SEQUENCE { status SEQUENCE { status INTEGER, statusString SEQUENCE OF UTF8String OPTIONAL,
///     failInfo BIT STRING OPTIONAL }, timeStampToken ContentInfo OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampResp<'a> {
    /// `status`.
    pub status: Status,
    /// `statusString`.
    pub text: Vec<&'a str>,
    /// The known bits of `failInfo`.
    pub failures: Vec<FailureInfo>,
    /// `timeStampToken`, not parsed.
    pub token: Option<&'a [u8]>,
}

/// Texts of one status.
const MAX_TEXTS: usize = 16;

impl<'a> TimeStampResp<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure; [`Error::UnknownStatus`], [`Error::StatusAndToken`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "TimeStampResp";
        let value = der::reader::only(der, WHAT)?;
        if value.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: value.tag() }.into());
        }
        der::walk(der, MAX_DEPTH)?;
        let mut outer = value.inside();
        let mut inner = outer.sequence("PKIStatusInfo")?;
        let number = inner.small("status")?;
        let status = usize::try_from(number).ok().and_then(|index| Status::ALL.get(index).copied());
        let status = status.ok_or(Error::UnknownStatus { status: number })?;
        let mut text = Vec::new();
        if let Some(value) = inner.optional(Tag::Sequence, "statusString")? {
            let mut list = value.inside();
            while !list.is_empty() {
                if text.len() >= MAX_TEXTS {
                    return Err(der::Error::TooMany { what: "statusString", limit: MAX_TEXTS }.into());
                }
                text.push(list.utf8("statusString")?);
            }
        }
        let failures = if inner.is_empty() { Vec::new() } else { FailureInfo::read(&mut inner)? };
        inner.finish("PKIStatusInfo")?;
        let token = outer.optional(Tag::Sequence, "timeStampToken")?.map(|value| value.raw());
        outer.finish(WHAT)?;
        if token.is_some() != status.grants() {
            return Err(Error::StatusAndToken);
        }
        Ok(Self { status, text, failures, token })
    }

    /// A granting response around a token.
    #[must_use]
    pub fn granted(token: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.sequence(|status| {
                status.small(0);
            });
            outer.raw(token);
        });
        writer.into_bytes()
    }

    /// A refusal with its reason.
    #[must_use]
    pub fn rejected(failure: FailureInfo, text: &str) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.sequence(|status| {
                status.small(2);
                status.sequence(|texts| {
                    texts.utf8(text);
                });
                status.raw(&failure.to_der());
            });
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_there_and_back() {
        for failure in FailureInfo::ALL {
            let der = TimeStampResp::rejected(failure, "因为");
            let read = TimeStampResp::parse(&der).unwrap();
            let expected =
                TimeStampResp { status: Status::Rejection, text: vec!["因为"], failures: vec![failure], token: None };
            assert_eq!(read, expected);
        }
        assert_eq!(FailureInfo::BadAlg.to_der(), [3, 2, 7, 0x80]);
        assert_eq!(FailureInfo::SystemFailure.to_der(), [3, 5, 6, 0, 0, 0, 0x40]);
    }

    #[test]
    fn status_and_token_belong_together() {
        let token = Writer::sequence_of(b"");
        let granted = TimeStampResp::granted(&token);
        let read = TimeStampResp::parse(&granted).unwrap();
        assert_eq!((read.status, read.token), (Status::Granted, Some(token.as_slice())));
        let write = |status: u32, with_token: bool| {
            let mut writer = Writer::new();
            writer.sequence(|outer| {
                outer.sequence(|inner| _ = inner.small(status));
                if with_token {
                    outer.raw(&token);
                }
            });
            TimeStampResp::parse(&writer.into_bytes()).map(|read| read.status)
        };
        assert_eq!(write(1, true), Ok(Status::GrantedWithMods));
        assert_eq!(write(3, false), Ok(Status::Waiting));
        assert_eq!(write(0, false), Err(Error::StatusAndToken));
        assert_eq!(write(2, true), Err(Error::StatusAndToken));
        assert_eq!(write(6, false), Err(Error::UnknownStatus { status: 6 }));
    }
}
