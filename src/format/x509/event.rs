//! What an event certificate (事件型证书) says of the one transaction that it is for: its digest, and who did it, proven how
//! surely. docs/formats/event-certificate.md
//!
//! The digest stands in subjectDirectoryAttributes as `messageDigest` (RFC 5280 4.2.1.8, RFC 2985 5.4.2), the rest in an
//! authentication context (RFC 7773) of a type of our own. One form of text, in one order: what is read is written again the
//! same. Whether any of it is true is not judged here.

use crate::base::clock::Timestamp;
use crate::base::id::SignatureId;
use crate::format::der::{self, ObjectIdentifier, Reader};
use crate::format::x509::Certificate;
use crate::format::x509::extension::{
    AUTHENTICATION_CONTEXTS, AuthenticationContext, AuthenticationContexts, SubjectDirectoryAttributes,
};

/// `messageDigest` (RFC 2985 5.4.2).
pub const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// The type of the authentication context.
pub const CONTEXT_TYPE: &str = "urn:yinxin:event-certificate:1";

/// How surely a person was identified: 1, a bare account, to 5, at a counter or by a certificate. The five steps are those that
/// published platforms have; a standard that fixes them was not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct AssuranceLevel(u8);

impl AssuranceLevel {
    /// Everybody is at one of these.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The level of that number.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.0 == number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for AssuranceLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The digest of the transaction, by its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BoundDigest {
    /// SM3.
    Sm3,
    /// SHA-256.
    Sha256,
}

impl BoundDigest {
    /// As the text has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm3 => "sm3",
            Self::Sha256 => "sha256",
        }
    }
}

/// Who signs, proven how surely, in which transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStatement {
    /// The transaction.
    pub transaction: SignatureId,
    /// By which algorithm the digest is, that stands in the certificate beside this.
    pub digest: BoundDigest,
    /// How surely the person was identified.
    pub level: AssuranceLevel,
    /// By which procedure: a code as [`is_code`] has it.
    pub procedure: String,
    /// When.
    pub proven_at: Timestamp,
    /// A lasting pseudonym of the person where the proof comes from: a code.
    pub person: String,
}

/// Whether that is a code: 1 to 64 of `a-z A-Z 0-9 - _ .`.
#[must_use]
pub fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl EventStatement {
    /// The text of the context: members in this order, `;` between them.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { transaction, digest, level, procedure, proven_at, person } = self;
        let digest = digest.name();
        format!(
            "transaction={transaction};digest={digest};level={level};procedure={procedure};proven={proven_at};person={person}"
        )
    }

    /// Reads that text; nothing where it is any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut members = text.split(';');
        let mut member = |name: &str| members.next()?.strip_prefix(name)?.strip_prefix('=');
        let transaction = SignatureId::parse(member("transaction")?).ok()?;
        let digest = match member("digest")? {
            "sm3" => BoundDigest::Sm3,
            "sha256" => BoundDigest::Sha256,
            _ => return None,
        };
        let level = AssuranceLevel::new(member("level")?.parse().ok()?)?;
        let procedure = member("procedure").filter(|text| is_code(text))?.to_owned();
        let proven_at = Timestamp::parse_rfc3339(member("proven")?).ok()?;
        let person = member("person").filter(|text| is_code(text))?.to_owned();
        let read = Self { transaction, digest, level, procedure, proven_at, person };
        // One form only: no other spelling of a number or a moment, and nothing behind it.
        (read.to_text() == text).then_some(read)
    }
}

/// What makes a certificate one for a single transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBinding {
    /// The digest of the transaction.
    pub digest: [u8; 32],
    /// What is said of it and of the person; certificates for a digest alone say nothing.
    pub statement: Option<EventStatement>,
}

impl EventBinding {
    /// The binding in a certificate; nothing where it is none for one transaction.
    ///
    /// # Errors
    /// An extension that is not of its structure; a digest that is not one of 32 octets; a statement of our type that is not of
    /// its form, that stands twice, or without a digest.
    pub fn of(certificate: &Certificate<'_>) -> Result<Option<Self>, der::Error> {
        const WHAT: &str = "messageDigest of the transaction";
        let attributes = certificate.extension_of::<SubjectDirectoryAttributes<'_>>()?;
        let attributes = attributes.map_or_else(Vec::new, |attributes| attributes.0);
        let mut digests = attributes.iter().filter(|(kind, _)| *kind == MESSAGE_DIGEST);
        let digest = match (digests.next(), digests.next()) {
            (None, _) => None,
            (Some((_, values)), None) => {
                let mut reader = Reader::new(values);
                let octets = reader.octet_string(WHAT)?;
                reader.finish(WHAT)?;
                Some(octets.try_into().map_err(|_| der::Error::InvalidValue { what: WHAT })?)
            }
            _ => return Err(der::Error::InvalidValue { what: WHAT }),
        };
        match (digest, Self::statement(certificate)?) {
            (None, None) => Ok(None),
            (Some(digest), statement) => Ok(Some(Self { digest, statement })),
            (None, Some(_)) => Err(der::Error::Missing { what: WHAT }),
        }
    }

    fn statement(certificate: &Certificate<'_>) -> Result<Option<EventStatement>, der::Error> {
        const WHAT: &str = "statement of an event certificate";
        let contexts = match certificate.extension(AUTHENTICATION_CONTEXTS) {
            Some(_) => certificate.extension_of::<AuthenticationContexts<'_>>()?.map_or_else(Vec::new, |all| all.0),
            None => return Ok(None),
        };
        let mut ours = contexts.iter().filter(|one| one.context_type == CONTEXT_TYPE);
        let statement = match (ours.next(), ours.next()) {
            (None, _) => return Ok(None),
            (Some(AuthenticationContext { context_info: Some(text), .. }), None) => EventStatement::parse(text),
            _ => None,
        };
        statement.map(Some).ok_or(der::Error::InvalidValue { what: WHAT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "transaction=t-1;digest=sm3;level=4;procedure=live-face;proven=2027-01-15T08:00:00Z;person=p.9";

    #[test]
    fn the_vector_of_the_page_is_ours() {
        let page = include_str!("../../../docs/formats/event-certificate.md");
        let vector = page.split("## Vector").nth(1).unwrap();
        let mut blocks =
            vector.split("```").skip(1).step_by(2).map(|block| block.split_whitespace().collect::<String>());
        let (text, octets) = (blocks.next().unwrap(), blocks.next().unwrap());
        assert_eq!((text.as_str(), EventStatement::parse(&text).unwrap().to_text()), (TEXT, text.clone()));
        let context = AuthenticationContext { context_type: CONTEXT_TYPE, context_info: Some(&text) };
        let der = AuthenticationContexts(vec![context]).to_der();
        assert_eq!(der.iter().map(|octet| format!("{octet:02x}")).collect::<String>(), octets);
    }

    #[test]
    fn a_statement_has_one_form() {
        let read = EventStatement::parse(TEXT).unwrap();
        assert_eq!((read.level.number(), read.person.as_str(), read.digest), (4, "p.9", BoundDigest::Sm3));
        assert_eq!(read.to_text(), TEXT);
        let without_person = TEXT.rsplit_once(';').unwrap().0;
        for wrong in [
            "",
            without_person,
            &format!("{TEXT};"),
            &format!("{TEXT};more=1"),
            &format!(" {TEXT}"),
            &TEXT.replace("level=4", "level=04"),
            &TEXT.replace("level=4", "level=+4"),
            &TEXT.replace("level=4", "level=0"),
            &TEXT.replace("level=4", "level=6"),
            &TEXT.replace("sm3", "md5"),
            &TEXT.replace("p.9", ""),
            &TEXT.replace("p.9", "甲"),
            &TEXT.replace("live-face", "live face"),
            &TEXT.replace("08:00:00Z", "16:00:00+08:00"),
            &TEXT.replace("digest=sm3;level=4", "level=4;digest=sm3"),
            &TEXT.replace("t-1", "t/1"),
        ] {
            assert_eq!(EventStatement::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(
            transaction in "[a-z0-9-]{1,64}", sha in proptest::bool::ANY, level in 1_u8..=5, procedure in "[a-z-]{1,64}",
            seconds in 0_i64..4_000_000_000, person in "[A-Za-z0-9._-]{1,64}",
        ) {
            let statement = EventStatement {
                transaction: SignatureId::parse(&transaction).unwrap(),
                digest: if sha { BoundDigest::Sha256 } else { BoundDigest::Sm3 },
                level: AssuranceLevel::new(level).unwrap(),
                procedure,
                proven_at: Timestamp::from_unix(seconds),
                person,
            };
            proptest::prop_assert_eq!(EventStatement::parse(&statement.to_text()), Some(statement));
        }
    }
}
