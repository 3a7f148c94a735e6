//! The file of a job that issues many certificates: one JSON object a line, one line a certificate (JSON Lines).
//!
//! Read whole before anything is kept: a file with one wrong line is refused with that line's number. Whether a request
//! may be certified is not asked here; each row gets its own answer when its turn comes.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::base::clock::Timestamp;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::subject::Attributes;
use crate::format::der::{self as encoding, Reader, Tag, Writer};
use crate::format::keys::read_pem;

/// Octets of a file.
pub const MOST_BYTES: usize = 64 << 20;
/// Rows of a file. More certificates are more jobs.
pub const MOST_ROWS: usize = 100_000;
/// Octets of a line: a request by RSA of 16 384 bits fits.
pub const MOST_ROW_BYTES: usize = 16 << 10;
/// Characters of a row's name.
pub const MOST_NAME: usize = 128;

/// Why a file is refused, with the number of the line, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFileError {
    /// No row.
    #[error("the file has no row")]
    Empty,
    /// Too many octets.
    #[error("the file has more than {most} octets")]
    TooLarge {
        /// At most.
        most: usize,
    },
    /// Too many lines.
    #[error("the file has more than {most} rows")]
    TooManyRows {
        /// At most.
        most: usize,
    },
    /// A line is too long.
    #[error("line {line} has more than {most} octets")]
    RowTooLong {
        /// Which.
        line: usize,
        /// At most.
        most: usize,
    },
    /// A line is not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// Which.
        line: usize,
    },
    /// A line without anything.
    #[error("line {line} is empty")]
    Blank {
        /// Which.
        line: usize,
    },
    /// A line is not the JSON object that it must be.
    #[error("line {line}, column {column}: {reason}")]
    Json {
        /// Which.
        line: usize,
        /// Where in it, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A name that is empty, too long, with white space at its ends or with control characters.
    #[error("line {line}: a name has 1 to {MOST_NAME} characters, none of them a control, no white space at its ends")]
    Name {
        /// Which.
        line: usize,
    },
    /// Two rows of one name.
    #[error("line {line}: line {first} has the same name")]
    NameRepeated {
        /// The second.
        line: usize,
        /// The first.
        first: usize,
    },
    /// A request that is neither PEM nor Base64.
    #[error("line {line}: csr is neither one PEM block of a certificate request nor DER in Base64")]
    Csr {
        /// Which.
        line: usize,
    },
    /// An attribute that we do not write.
    #[error("line {line}: no attribute {attribute:?} is written")]
    Attribute {
        /// Which.
        line: usize,
        /// The attribute's name.
        attribute: String,
    },
    /// A moment that is none.
    #[error("line {line}: not_after is not a moment of RFC 3339 with its zone")]
    NotAfter {
        /// Which.
        line: usize,
    },
    /// A digest that is none.
    #[error("line {line}: transaction is not 64 hexadecimal digits")]
    Transaction {
        /// Which.
        line: usize,
    },
}

impl JobFileError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "job-file-empty",
            Self::TooLarge { .. } => "job-file-too-large",
            Self::TooManyRows { .. } => "job-file-too-many-rows",
            Self::RowTooLong { .. } => "job-row-too-long",
            Self::NotText { .. } => "job-row-not-text",
            Self::Blank { .. } => "job-row-blank",
            Self::Json { .. } => "job-row-json",
            Self::Name { .. } => "job-row-name",
            Self::NameRepeated { .. } => "job-row-name-repeated",
            Self::Csr { .. } => "job-row-csr",
            Self::Attribute { .. } => "job-row-attribute",
            Self::NotAfter { .. } => "job-row-not-after",
            Self::Transaction { .. } => "job-row-transaction",
        }
    }
}

/// What is asked for in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// What the customer calls it.
    pub name: String,
    /// What is ordered.
    pub order: RowOrder,
}

/// An order as a row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOrder {
    /// The request of PKCS#10; not read yet.
    pub csr: Vec<u8>,
    /// Stands in for the subject of the request.
    pub subject: Option<Attributes>,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// The digest of the transaction, for event certificates.
    pub transaction: Option<[u8; 32]>,
}

impl RowOrder {
    /// The octets that are kept, of which there is exactly one form.
    ///
    /// `RowOrder ::= SEQUENCE { csr OCTET STRING, subject [0] EXPLICIT SEQUENCE OF SEQUENCE { attribute UTF8String, value
    /// UTF8String } OPTIONAL, notAfter [1] EXPLICIT GeneralizedTime OPTIONAL, transaction [2] EXPLICIT OCTET STRING
    /// OPTIONAL }`, DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.csr.len().saturating_add(64));
        writer.sequence(|fields| {
            fields.octet_string(&self.csr);
            if let Some(subject) = &self.subject {
                fields.context(0, |inner| {
                    inner.sequence(|list| {
                        for (kind, value) in subject {
                            list.sequence(|pair| {
                                pair.utf8(kind.name()).utf8(value);
                            });
                        }
                    });
                });
            }
            if let Some(end) = self.not_after {
                fields.context(1, |inner| {
                    inner.generalized_time(end);
                });
            }
            if let Some(digest) = &self.transaction {
                fields.context(2, |inner| {
                    inner.octet_string(digest);
                });
            }
        });
        writer.into_bytes()
    }

    /// What [`Self::to_der`] wrote.
    ///
    /// # Errors
    /// Octets that it does not write.
    pub fn from_der(der: &[u8]) -> Result<Self, encoding::Error> {
        const WHAT: &str = "row of a job";
        let wrong = || encoding::Error::InvalidValue { what: WHAT };
        let tag = |number: u32| Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) };
        let mut whole = Reader::new(der);
        let mut fields = whole.sequence(WHAT)?;
        whole.finish(WHAT)?;
        let csr = fields.octet_string(WHAT)?.to_vec();
        let subject = match fields.optional(tag(0), WHAT)? {
            None => None,
            Some(value) => {
                let mut outer = value.inside();
                let (mut list, mut subject) = (outer.sequence(WHAT)?, Vec::new());
                outer.finish(WHAT)?;
                while !list.is_empty() {
                    let mut pair = list.sequence(WHAT)?;
                    let kind = AttributeKind::from_name(pair.utf8(WHAT)?).ok_or_else(wrong)?;
                    subject.push((kind, pair.utf8(WHAT)?.to_owned()));
                    pair.finish(WHAT)?;
                }
                Some(subject)
            }
        };
        let inside = |value: Option<encoding::Value<'_>>,
                      read: &mut dyn FnMut(&mut Reader<'_>) -> Result<(), encoding::Error>| {
            let Some(value) = value else { return Ok(()) };
            let mut inner = value.inside();
            read(&mut inner)?;
            inner.finish(WHAT)
        };
        let (mut not_after, mut transaction) = (None, None);
        inside(fields.optional(tag(1), WHAT)?, &mut |inner| {
            not_after = Some(inner.generalized_time(WHAT)?);
            Ok(())
        })?;
        inside(fields.optional(tag(2), WHAT)?, &mut |inner| {
            transaction = Some(inner.octet_string(WHAT)?.try_into().map_err(|_| wrong())?);
            Ok(())
        })?;
        fields.finish(WHAT)?;
        Ok(Self { csr, subject, not_after, transaction })
    }
}

/// A line as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    csr: String,
    subject: Option<Pairs>,
    not_after: Option<String>,
    transaction: Option<String>,
}

/// An object of texts, in its order, with what it repeats: who merges the subject refuses that.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Reads a file, all of it.
///
/// # Errors
/// The first line that is wrong, or why the whole is refused.
pub fn read(file: &[u8]) -> Result<Vec<JobRow>, JobFileError> {
    if file.len() > MOST_BYTES {
        return Err(JobFileError::TooLarge { most: MOST_BYTES });
    }
    let (mut rows, mut names) = (Vec::new(), HashMap::new());
    // The last line may end with a line feed or without.
    let file = file.strip_suffix(b"\n").unwrap_or(file);
    if file.is_empty() {
        return Err(JobFileError::Empty);
    }
    for (line, octets) in (1..).zip(file.split(|octet| *octet == b'\n')) {
        if line > MOST_ROWS {
            return Err(JobFileError::TooManyRows { most: MOST_ROWS });
        }
        let row = read_line(line, octets)?;
        if let Some(first) = names.insert(row.name.clone(), line) {
            return Err(JobFileError::NameRepeated { line, first });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn read_line(line: usize, octets: &[u8]) -> Result<JobRow, JobFileError> {
    if octets.len() > MOST_ROW_BYTES {
        return Err(JobFileError::RowTooLong { line, most: MOST_ROW_BYTES });
    }
    let text = std::str::from_utf8(octets).map_err(|_| JobFileError::NotText { line })?;
    if text.trim().is_empty() {
        return Err(JobFileError::Blank { line });
    }
    let read = serde_json::from_str::<Line>(text).map_err(|error| {
        let reason = error.to_string();
        // Each line is read by itself, so its own number would always be 1.
        let reason = reason.split_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason).to_owned();
        JobFileError::Json { line, column: error.column(), reason }
    })?;
    let Line { name, csr, subject, not_after, transaction } = read;
    let sound = (1..=MOST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if !sound || name.trim() != name {
        return Err(JobFileError::Name { line });
    }
    let csr = request(&csr).ok_or(JobFileError::Csr { line })?;
    let attribute = |(name, value): (String, String)| match AttributeKind::from_name(&name) {
        Some(kind) => Ok((kind, value)),
        None => Err(JobFileError::Attribute { line, attribute: name }),
    };
    let subject = subject.map(|Pairs(pairs)| pairs.into_iter().map(attribute).collect()).transpose()?;
    let not_after = not_after.map(|text| Timestamp::parse_rfc3339(&text)).transpose();
    let not_after = not_after.map_err(|_| JobFileError::NotAfter { line })?;
    let transaction = transaction.map(|text| digest(&text).ok_or(JobFileError::Transaction { line })).transpose()?;
    Ok(JobRow { name, order: RowOrder { csr, subject, not_after, transaction } })
}

/// The octets of a request: one block of PEM under either label (RFC 7468 7) and nothing else, or Base64.
fn request(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !text.starts_with("-----BEGIN ") {
        return STANDARD.decode(text).ok().filter(|octets| !octets.is_empty());
    }
    let found = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].iter().find_map(|label| {
        let alone = text.matches("-----BEGIN ").count() == 1 && text.ends_with(&format!("-----END {label}-----"));
        read_pem(text, label).filter(|_| alone)?.into_iter().next()
    });
    found.filter(|octets| !octets.is_empty())
}

/// 64 hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    let sound = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect::<Option<Vec<_>>>().filter(|_| sound)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_read_in_every_form() {
        let pem = "-----BEGIN CERTIFICATE REQUEST-----\\nMAA=\\n-----END CERTIFICATE REQUEST-----\\n";
        let file = format!(
            "{{\"name\":\"甲\",\"csr\":\"{pem}\"}}\n{{\"csr\":\"MAA=\",\"name\":\"b\",\"subject\":{{\"commonName\":\"乙\"}},\
             \"not_after\":\"2030-01-01T00:00:00Z\",\"transaction\":\"{}\"}}\r\n",
            "ab".repeat(32)
        );
        let rows = read(file.as_bytes()).unwrap();
        let first = RowOrder { csr: vec![0x30, 0], subject: None, not_after: None, transaction: None };
        assert_eq!(rows[0], JobRow { name: "甲".into(), order: first.clone() });
        let second = RowOrder {
            subject: Some(vec![(AttributeKind::CommonName, "乙".into())]),
            not_after: Some(Timestamp::parse_rfc3339("2030-01-01T00:00:00Z").unwrap()),
            transaction: Some([0xab; 32]),
            ..first
        };
        assert_eq!(rows[1], JobRow { name: "b".into(), order: second });
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn the_first_wrong_line_is_named() {
        const GOOD: &str = "{\"name\":\"a\",\"csr\":\"MAA=\"}\n";
        let second = |line: &str| read(format!("{GOOD}{line}\n{GOOD}").as_bytes()).unwrap_err();
        let line = 2;
        let row = |rest: &str| second(&format!("{{\"name\":\"b\",\"csr\":\"MAA=\"{rest}}}"));
        assert_eq!(row(",\"not_after\":\"2030-01-01\""), JobFileError::NotAfter { line });
        for wrong in ["ab".repeat(31), "ag".repeat(32), "+1".repeat(32)] {
            assert_eq!(row(&format!(",\"transaction\":\"{wrong}\"")), JobFileError::Transaction { line });
        }
        let attribute = "commonname".to_owned();
        assert_eq!(row(",\"subject\":{\"commonname\":\"x\"}"), JobFileError::Attribute { line, attribute });
        let json = |error: JobFileError| match error {
            JobFileError::Json { line: 2, column, reason } => (column, reason),
            other => panic!("{other:?}"),
        };
        let (_, reason) = json(row(",\"serial\":1"));
        assert_eq!(
            reason,
            "unknown field `serial`, expected one of `name`, `csr`, `subject`, `not_after`, `transaction`"
        );
        assert_eq!(json(row(",\"name\":\"c\"")).1, "duplicate field `name`");
        assert_eq!(json(second("{\"name\":\"b\"}")).1, "missing field `csr`");
        assert_eq!(json(second("{\"name\":\"b\"")), (11, "EOF while parsing an object".to_owned()));
        assert_eq!(json(second("[]")).0, 2);
        assert_eq!(json(second("{\"name\":\"b\",\"csr\":\"MAA=\"} x")).1, "trailing characters");
        for name in ["", " b", "b\\u0007", &"x".repeat(MOST_NAME + 1)] {
            let line_text = format!("{{\"name\":\"{name}\",\"csr\":\"MAA=\"}}");
            assert_eq!(second(&line_text), JobFileError::Name { line }, "{name:?}");
        }
        for csr in ["", "M", "?", "-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----"] {
            let line_text = format!("{{\"name\":\"b\",\"csr\":\"{csr}\"}}");
            assert_eq!(second(&line_text), JobFileError::Csr { line }, "{csr:?}");
        }
        assert_eq!(second(" "), JobFileError::Blank { line });
        assert_eq!(second(GOOD.trim_end()), JobFileError::NameRepeated { line, first: 1 });
        let long = format!("{{\"name\":\"b\",\"csr\":\"{}\"}}", "A".repeat(MOST_ROW_BYTES));
        assert_eq!(second(&long), JobFileError::RowTooLong { line, most: MOST_ROW_BYTES });
        assert_eq!(read(b"\xff\n"), Err(JobFileError::NotText { line: 1 }));
        for empty in ["", "\n"] {
            assert_eq!(read(empty.as_bytes()), Err(JobFileError::Empty));
        }
        assert_eq!(read(&vec![b' '; MOST_BYTES + 1]), Err(JobFileError::TooLarge { most: MOST_BYTES }));
        let many = (0..=MOST_ROWS).map(|number| format!("{{\"name\":\"{number}\",\"csr\":\"MAA=\"}}\n"));
        let many = many.collect::<String>();
        assert_eq!(read(many.as_bytes()), Err(JobFileError::TooManyRows { most: MOST_ROWS }));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_again(
            csr in proptest::collection::vec(any::<u8>(), 0..300),
            subject in proptest::option::of(proptest::collection::vec((0..AttributeKind::ALL.len(), ".{0,20}"), 0..4)),
            end in proptest::option::of(0_i64..4_000_000_000),
            transaction in proptest::option::of(any::<[u8; 32]>()),
            (at, value) in (any::<usize>(), any::<u8>()),
        ) {
            let subject = subject.map(|pairs| {
                pairs.into_iter().map(|(kind, value)| (AttributeKind::ALL[kind], value)).collect::<Vec<_>>()
            });
            let order = RowOrder { csr, subject, not_after: end.map(Timestamp::from_unix), transaction };
            let mut der = order.to_der();
            prop_assert_eq!(RowOrder::from_der(&der), Ok(order));
            let at = at % der.len();
            der[at] = value;
            if let Ok(other) = RowOrder::from_der(&der) {
                prop_assert_eq!(other.to_der(), der);
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Err(error) = read(&file) {
                prop_assert!(error.code().starts_with("job-"));
            }
        }
    }
}
