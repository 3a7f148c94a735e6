//! Reads multipart forms (RFC 7578) of files to judge: each alone, or a detached signature beside what it signs; and of what
//! logs say of them.

use std::collections::BTreeMap;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request};

use crate::base::limits::{EVIDENCE_BYTES, EVIDENCE_PARTS};
use crate::domain::verify::OriginalDigest;
use crate::http::App;
use crate::http::api::form::{file_name, malformed, missing, short_text};
use crate::http::problem::{Code, Problem, chain};
use crate::http::spool::Spooled;
use crate::service::door::{Actor, HandedIn, SignedOriginal};

/// Where a part stands among the octets of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    from: u64,
    count: usize,
}

/// What a signature signs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Document(Place),
    Digest(OriginalDigest),
}

/// A file to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    file_name: String,
    file: Place,
    original: Option<Given>,
}

/// One half of a pair, whose other half is the next part.
#[derive(Debug)]
enum Half {
    Signature(String, Place),
    Original(Given),
}

/// A file to judge, in memory.
#[derive(Debug)]
pub(crate) struct FileToJudge {
    pub(crate) file_name: String,
    pub(crate) file: Vec<u8>,
    pub(crate) original: Option<SignedOriginal>,
}

/// A form that was read: at least one file. Small forms are in memory, larger ones in a file without a name.
#[derive(Debug)]
pub(crate) struct Files {
    octets: Spooled,
    items: Vec<Item>,
    fields: BTreeMap<&'static str, String>,
    evidence: Evidence,
}

/// What logs say of the files.
#[derive(Debug, Default)]
struct Evidence {
    parts: usize,
    handed_in: HandedIn,
}

impl Evidence {
    /// Takes the next part, within bounds.
    async fn take(&mut self, part: &mut Field<'_>) -> Result<(), Problem> {
        self.parts = self.parts.saturating_add(1);
        if self.parts > EVIDENCE_PARTS {
            let detail = format!("At most {EVIDENCE_PARTS} parts of evidence are taken at once.");
            return Err(Problem::new(Code::TooManyFiles, detail));
        }
        let mut octets = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            if octets.len().saturating_add(piece.len()) > EVIDENCE_BYTES {
                let detail = format!("At most {EVIDENCE_BYTES} bytes of one part of evidence are taken.");
                return Err(Problem::new(Code::TooLarge, detail));
            }
            octets.extend_from_slice(&piece);
        }
        let taken = self.handed_in.take_of_logs(&octets, &format!("evidence {}", self.parts));
        taken.map_err(|refused| Problem::new(Code::FieldMalformed, format!("{}.", chain(&refused))))
    }
}

impl Files {
    /// Reads a form of `file` parts, of `signature` parts each beside an `original` or `digest`, of `evidence` parts, and any of
    /// these fields.
    pub(crate) async fn read(
        app: &App,
        actor: &Actor,
        request: Request,
        known: &[&'static str],
    ) -> Result<Self, Problem> {
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| Problem::new(Code::BodyMalformed, "The form has no boundary."))?;
        let octets = app.spooled(actor, "parts");
        let mut files = Self { octets, items: Vec::new(), fields: BTreeMap::new(), evidence: Evidence::default() };
        let mut half = None;
        while let Some(mut part) = form.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            let new = match name.as_str() {
                "file" if half.is_none() => {
                    let (file_name, file) = files.take(app, "file", &mut part).await?;
                    files.items.push(Item { file_name, file, original: None });
                    None
                }
                "file" => return Err(incomplete()),
                "signature" => {
                    let (file_name, place) = files.take(app, "signature", &mut part).await?;
                    Some(Half::Signature(file_name, place))
                }
                "original" => {
                    let (_, place) = files.take(app, "original", &mut part).await?;
                    Some(Half::Original(Given::Document(place)))
                }
                "digest" => {
                    let text = short_text("digest", &part.bytes().await.map_err(broken)?)?;
                    let digest = OriginalDigest::parse(&text).map_err(|_| malformed("digest", DIGEST))?;
                    Some(Half::Original(Given::Digest(digest)))
                }
                "evidence" => {
                    files.evidence.take(&mut part).await?;
                    None
                }
                _ => {
                    let known = known.iter().find(|known| **known == name).ok_or_else(|| {
                        Problem::new(Code::FieldUnknown, "The form has a field that this endpoint does not know.")
                    })?;
                    let text = short_text(known, &part.bytes().await.map_err(broken)?)?;
                    if files.fields.insert(*known, text).is_some() {
                        return Err(Problem::new(Code::FieldRepeated, format!("{name} appears twice.")));
                    }
                    None
                }
            };
            half = match (half, new) {
                (half, None) => half,
                (None, new) => new,
                (Some(Half::Signature(file_name, file)), Some(Half::Original(given)))
                | (Some(Half::Original(given)), Some(Half::Signature(file_name, file))) => {
                    files.items.push(Item { file_name, file, original: Some(given) });
                    None
                }
                (Some(_), Some(_)) => return Err(incomplete()),
            };
            if files.items.len() > app.settings.request_files {
                let detail = format!("At most {} files are taken at once.", app.settings.request_files);
                return Err(Problem::new(Code::TooManyFiles, detail));
            }
        }
        if half.is_some() {
            return Err(incomplete());
        }
        if files.items.is_empty() { Err(missing("file")) } else { Ok(files) }
    }

    /// Takes the content of a part, and its name.
    async fn take(&mut self, app: &App, field: &str, part: &mut Field<'_>) -> Result<(String, Place), Problem> {
        let file_name = file_name(field, part.file_name().unwrap_or("document"))?;
        let (from, limit) = (self.octets.len(), app.settings.file_bytes);
        let mut count = 0_usize;
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            count = count.saturating_add(piece.len());
            if count > limit {
                return Err(Problem::new(Code::TooLarge, format!("At most {limit} bytes of one file are taken.")));
            }
            self.octets.append(&piece).await?;
        }
        Ok((file_name, Place { from, count }))
    }

    /// How many files there are to judge.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The file of that number, the first is 0.
    pub(crate) async fn file(&self, number: usize) -> Result<Option<FileToJudge>, Problem> {
        let Some(item) = self.items.get(number) else { return Ok(None) };
        let original = match &item.original {
            None => None,
            Some(Given::Digest(digest)) => Some(SignedOriginal::Digest(digest.clone())),
            Some(Given::Document(place)) => Some(SignedOriginal::Document(self.at(*place).await?)),
        };
        let (file_name, file) = (item.file_name.clone(), self.at(item.file).await?);
        Ok(Some(FileToJudge { file_name, file, original }))
    }

    async fn at(&self, place: Place) -> Result<Vec<u8>, Problem> {
        self.octets.read(place.from, place.count).await
    }

    /// What logs say of the files, of each of them.
    pub(crate) const fn evidence(&self) -> &HandedIn {
        &self.evidence.handed_in
    }

    /// A field that may be left out.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// How a digest is written.
pub(crate) const DIGEST: &str = "sm3, sha256, sha384, sha512 or sm2-e, a colon, and the digest in hexadecimal";

fn broken<E>(_: E) -> Problem {
    Problem::new(Code::BodyMalformed, "The form cannot be read.")
}

fn incomplete() -> Problem {
    Problem::new(
        Code::PairIncomplete,
        "Each signature has its original, or its digest, as the next part or the one before.",
    )
}
