//! The table of seals that are taken in together: CSV (RFC 4180), one record a seal, beneath a record of the names of columns.
//!
//! The table is read whole before anything is kept: one that is no table is refused. A record that says no seal is refused
//! alone, with its code, and stops no other.

use std::collections::BTreeSet;

use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::CallerId;
use crate::domain::key::named;
use crate::domain::seal::application::Holder;
use crate::domain::seal::code::FilingNumber;

/// The columns, in any order: each stands there once, and no other.
pub const COLUMNS: [&str; 9] =
    ["seal", "certificate", "key", "kind", "credit_code", "holder", "division", "keeper", "filing"];
/// Octets of a table.
pub const MOST_BYTES: usize = 64 << 20;
/// Seals of a table. More seals are more tables.
pub const MOST_ROWS: usize = 200_000;
/// Octets of a field: a path, or a name of 100 characters.
pub const MOST_FIELD: usize = 1024;
/// What a spreadsheet writes before UTF-8 text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why a table is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportTableError {
    /// No record beneath the names of columns.
    #[error("the table has no seal")]
    Empty,
    /// Too many octets.
    #[error("the table has more than {MOST_BYTES} octets")]
    TooLarge,
    /// Too many records.
    #[error("the table has more than {MOST_ROWS} seals")]
    TooManyRows,
    /// Not UTF-8.
    #[error("the table is not UTF-8 text")]
    NotText,
    /// The first record is not the names of the columns.
    #[error("the first record names the columns, each once: {}", COLUMNS.join(","))]
    Columns,
    /// A quotation mark that neither opens nor closes a field, or is never closed.
    #[error("record {record}: a quotation mark stands where none may, or is not closed (RFC 4180 2)")]
    Quotation {
        /// Which, from 1; the names of columns are 0.
        record: usize,
    },
    /// A field is too long.
    #[error("record {record}: a field has more than {MOST_FIELD} octets")]
    FieldTooLong {
        /// Which.
        record: usize,
    },
}

impl ImportTableError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "import-table-empty",
            Self::TooLarge => "import-table-too-large",
            Self::TooManyRows => "import-table-too-many-rows",
            Self::NotText => "import-table-not-text",
            Self::Columns => "import-table-columns",
            Self::Quotation { .. } => "import-table-quotation",
            Self::FieldTooLong { .. } => "import-table-field-too-long",
        }
    }
}

/// Why a record says no seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordRefused {
    /// More or fewer fields than columns.
    #[error("the record has {found} fields, the table {} columns", COLUMNS.len())]
    Fields {
        /// So many.
        found: usize,
    },
    /// A path that leads out of the table's folder, or none where one is needed.
    #[error("the column {column} names a file beneath the table's folder, by / and without ..")]
    Path {
        /// In which column.
        column: &'static str,
    },
    /// Not the code of a type.
    #[error("the type of a seal is 1 to 99")]
    Kind,
    /// Not a credit code.
    #[error("the credit code is none, or its check character is wrong")]
    CreditCode,
    /// Not a division.
    #[error("the division is none")]
    Division,
    /// Not the name of a caller.
    #[error("the keeper is not named as callers are")]
    Keeper,
    /// Not a filing number.
    #[error("the filing number has not 13 digits behind a division")]
    Filing,
}

impl RecordRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fields { .. } => "import-fields",
            Self::Path { .. } => "import-path",
            Self::Kind => "import-kind",
            Self::CreditCode => "import-credit-code",
            Self::Division => "import-division",
            Self::Keeper => "import-keeper",
            Self::Filing => "filing-number-form",
        }
    }
}

named! {
    /// What came of a record.
    Outcome {
        /// The seal was taken in.
        Imported = 1, "imported";
        /// One stands in its way: the same, one of its code, or one of which its holder has one.
        Conflict = 2, "conflict";
        /// It is not to be taken in.
        Rejected = 3, "rejected";
    }
}

/// A seal that shall be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// The file of the seal.
    pub seal: String,
    /// The file of its signer's certificate; none where the seal lists one certificate, which it is.
    pub certificate: Option<String>,
    /// The file of the signer's private key; none where the seal is only verified here.
    pub key: Option<String>,
    /// The code of its type.
    pub kind: u8,
    /// Whose it is.
    pub holder: Holder,
    /// Who keeps it.
    pub keeper: CallerId,
    /// Its number at the filing of public security, where it has one.
    pub filing: Option<FilingNumber>,
}

/// Reads a table: each record, or why it says no seal.
///
/// # Errors
/// It is no table.
pub fn read(octets: &[u8]) -> Result<Vec<Result<ImportRecord, RecordRefused>>, ImportTableError> {
    if octets.len() > MOST_BYTES {
        return Err(ImportTableError::TooLarge);
    }
    let text = std::str::from_utf8(octets).map_err(|_| ImportTableError::NotText)?;
    let mut records = Records { rest: text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text), number: 0 };
    let columns = records.next().ok_or(ImportTableError::Columns)??;
    let names = columns.iter().map(String::as_str).collect::<BTreeSet<_>>();
    if columns.len() != COLUMNS.len() || names != COLUMNS.into_iter().collect() {
        return Err(ImportTableError::Columns);
    }
    let mut rows = Vec::new();
    for fields in records {
        let fields = fields?;
        if rows.len() >= MOST_ROWS {
            return Err(ImportTableError::TooManyRows);
        }
        rows.push(record(&columns, &fields));
    }
    if rows.is_empty() { Err(ImportTableError::Empty) } else { Ok(rows) }
}

/// The records of a text, as fields.
struct Records<'a> {
    rest: &'a str,
    number: usize,
}

impl Iterator for Records<'_> {
    type Item = Result<Vec<String>, ImportTableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = self.fields();
        if found.is_err() {
            self.rest = "";
        }
        self.number = self.number.saturating_add(1);
        Some(found)
    }
}

impl Records<'_> {
    /// The fields up to the end of the line, which may be CR LF or LF, or of the text.
    fn fields(&mut self) -> Result<Vec<String>, ImportTableError> {
        let mut fields = Vec::new();
        loop {
            let field = self.field()?;
            if field.len() > MOST_FIELD {
                return Err(ImportTableError::FieldTooLong { record: self.number });
            }
            // More than are wanted are counted, not kept.
            if fields.len() <= COLUMNS.len() {
                fields.push(field);
            }
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let ended = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
            self.rest = match ended {
                Some(rest) => rest,
                None if self.rest.is_empty() => "",
                None => return Err(ImportTableError::Quotation { record: self.number }),
            };
            return Ok(fields);
        }
    }

    fn field(&mut self) -> Result<String, ImportTableError> {
        let wrong = ImportTableError::Quotation { record: self.number };
        let Some(mut inside) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n', '"']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at_checked(end).ok_or(wrong.clone())?;
            if rest.starts_with('"') {
                return Err(wrong);
            }
            // The CR of an end of line is none of the field.
            let field = if rest.starts_with('\n') { field.strip_suffix('\r').unwrap_or(field) } else { field };
            self.rest = rest;
            return Ok(field.to_owned());
        };
        let mut field = String::new();
        loop {
            let (part, rest) = inside.split_once('"').ok_or(wrong.clone())?;
            field.push_str(part);
            match rest.strip_prefix('"') {
                Some(further) => {
                    field.push('"');
                    inside = further;
                }
                None => {
                    self.rest = rest;
                    return Ok(field);
                }
            }
        }
    }
}

fn record(columns: &[String], fields: &[String]) -> Result<ImportRecord, RecordRefused> {
    if fields.len() != columns.len() {
        return Err(RecordRefused::Fields { found: fields.len() });
    }
    let of = |column: &str| {
        let found = columns.iter().zip(fields).find(|(name, _)| *name == column);
        found.map_or("", |(_, field)| field.trim())
    };
    let file = |column: &'static str| match of(column) {
        "" => Ok(None),
        path if is_beneath(path) => Ok(Some(path.to_owned())),
        _ => Err(RecordRefused::Path { column }),
    };
    let kind = of("kind").parse::<u8>().ok().filter(|kind| (1..=99).contains(kind));
    let filing = Some(of("filing")).filter(|text| !text.is_empty());
    Ok(ImportRecord {
        seal: file("seal")?.ok_or(RecordRefused::Path { column: "seal" })?,
        certificate: file("certificate")?,
        key: file("key")?,
        kind: kind.ok_or(RecordRefused::Kind)?,
        holder: Holder {
            credit_code: CreditCode::parse(of("credit_code")).map_err(|_| RecordRefused::CreditCode)?,
            name: of("holder").to_owned(),
            division: Division::parse(of("division")).map_err(|_| RecordRefused::Division)?,
        },
        keeper: CallerId::parse(of("keeper")).map_err(|_| RecordRefused::Keeper)?,
        filing: filing.map(FilingNumber::parse).transpose().map_err(|_| RecordRefused::Filing)?,
    })
}

/// Whether a path stays beneath the folder that it starts from.
fn is_beneath(path: &str) -> bool {
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    path.split('/').all(is_name) && !path.contains(|c: char| c.is_control() || c == '\\' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "seal,certificate,key,kind,credit_code,holder,division,keeper,filing\n";

    fn table(rows: &str) -> Result<Vec<Result<ImportRecord, RecordRefused>>, ImportTableError> {
        read(format!("{HEAD}{rows}").as_bytes())
    }

    fn one(row: &str) -> Result<ImportRecord, RecordRefused> {
        table(row).unwrap().remove(0)
    }

    #[test]
    fn a_record_is_read_whatever_the_order_of_columns() {
        let expected = ImportRecord {
            seal: "a/1.esl".into(),
            certificate: None,
            key: Some("1.key".into()),
            kind: 2,
            holder: Holder {
                credit_code: CreditCode::parse("99990000000000001F").unwrap(),
                name: "样章,\"市\"\n局".into(),
                division: Division::parse("330106").unwrap(),
            },
            keeper: CallerId::parse("c1").unwrap(),
            filing: None,
        };
        let row = "a/1.esl,,1.key,02,99990000000000001F,\"样章,\"\"市\"\"\n局\",330106,c1,";
        assert_eq!(one(row), Ok(expected.clone()));
        let other = "\u{feff}filing,keeper,division,holder,credit_code,kind,key,certificate,seal\r\n\
                     ,c1,330106,\"样章,\"\"市\"\"\n局\",99990000000000001F,2,1.key,,a/1.esl\r\n";
        assert_eq!(read(other.as_bytes()), Ok(vec![Ok(expected)]));
    }

    #[test]
    fn a_record_that_says_no_seal_stops_no_other() {
        let good = "1.esl,1.crt,,1,99990000000000001F,h,330106,c1,4101035072803";
        assert!(one(good).is_ok());
        let path = |column| RecordRefused::Path { column };
        for (from, to, refused) in [
            (",c1,", ",", RecordRefused::Fields { found: 8 }),
            (",c1,", ",c1,,,,,", RecordRefused::Fields { found: 10 }),
            ("1.esl", "", path("seal")),
            ("1.esl", "../1.esl", path("seal")),
            ("1.esl", "/1.esl", path("seal")),
            ("1.esl", "a//1.esl", path("seal")),
            ("1.esl", "c:1.esl", path("seal")),
            ("1.crt", "a\\1.crt", path("certificate")),
            (",1,", ",0,", RecordRefused::Kind),
            (",1,", ",100,", RecordRefused::Kind),
            ("1F,", "1E,", RecordRefused::CreditCode),
            ("330106", "33010", RecordRefused::Division),
            ("c1", "c 1", RecordRefused::Keeper),
            ("4101035072803", "410103507280", RecordRefused::Filing),
        ] {
            let rows = table(&format!("{}\n{good}\n", good.replacen(from, to, 1))).unwrap();
            assert_eq!((rows.len(), rows[0].clone().unwrap_err()), (2, refused), "{to}");
            assert!(rows[1].is_ok());
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(table(""), Err(ImportTableError::Empty));
        assert_eq!(read(b""), Err(ImportTableError::Columns));
        assert_eq!(read(b"seal,kind\n"), Err(ImportTableError::Columns));
        assert_eq!(read(HEAD.replacen("key", "seal", 1).as_bytes()), Err(ImportTableError::Columns));
        assert_eq!(read(&[0xff]), Err(ImportTableError::NotText));
        assert_eq!(read(&vec![b'a'; MOST_BYTES + 1]), Err(ImportTableError::TooLarge));
        assert_eq!(table("a\"b\n"), Err(ImportTableError::Quotation { record: 1 }));
        assert_eq!(table("a\n\"b\n"), Err(ImportTableError::Quotation { record: 2 }));
        assert_eq!(table("\"a\"b\n"), Err(ImportTableError::Quotation { record: 1 }));
        assert_eq!(table(&"x".repeat(MOST_FIELD + 1)), Err(ImportTableError::FieldTooLong { record: 1 }));
        assert_eq!(table(&"x\n".repeat(MOST_ROWS + 1)), Err(ImportTableError::TooManyRows));
    }
}
