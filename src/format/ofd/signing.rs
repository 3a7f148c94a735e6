//! Adding a signature to a package without touching a byte that an earlier signature protects. GB/T 33190-2016, 18.
//!
//! First [`prepare_signature`] writes everything but the signature value; then the caller signs
//! [`PreparedSignature::signature_xml`]; then [`PreparedSignature::finish`] adds the value. Entries that do not
//! change keep their compressed bytes and their order. The result depends on the arguments alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::{Container, open};
use crate::format::ofd::document::{DocBody, Document, Package, parse};
use crate::format::ofd::path::PartName;
use crate::format::ofd::records::Records;
use crate::format::ofd::signatures::{SignatureDescription, SignatureList, id_number, max_sign_id};
use crate::format::ofd::xml::{Element, Tree};

const NAMESPACE: &str = "http://www.ofdspec.org/2016";

/// Where a stamp shall be drawn; its ID is given by the package.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStamp {
    /// The ID of a page.
    pub page_ref: String,
    /// `x y w h` in millimetres.
    pub boundary: [f64; 4],
    /// `x y w h` in the stamp's own coordinates.
    pub clip: Option<[f64; 4]>,
}

/// What a new seal signature shall say.
pub struct NewSignature<'a> {
    /// Which document of the package, from zero.
    pub body: usize,
    /// Provider@ProviderName.
    pub provider: &'a str,
    /// References@CheckMethod: the object identifier of the digest.
    pub check_method: &'a str,
    /// SignatureMethod: the object identifier of the signature algorithm.
    pub signature_method: &'a str,
    /// SignatureDateTime.
    pub signature_date_time: &'a str,
    /// The stamps.
    pub stamps: &'a [NewStamp],
    /// The seal, written to Seal.esl.
    pub seal_esl: &'a [u8],
    /// True to protect Signatures.xml as well, so that no further signature can follow.
    pub lock: bool,
    /// The digest named by `check_method`.
    pub digest: &'a dyn Fn(&[u8]) -> Vec<u8>,
}

impl std::fmt::Debug for NewSignature<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSignature").field("body", &self.body).field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// A package that lacks only the signature value.
#[derive(Debug)]
pub struct PreparedSignature {
    writer: ZipWriter<Cursor<Vec<u8>>>,
    id: String,
    signature_xml: Vec<u8>,
    property_info: String,
    signed_value: PartName,
}

impl PreparedSignature {
    /// The ID of the new signature.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes of Signature.xml: what is to be signed.
    #[must_use]
    pub fn signature_xml(&self) -> &[u8] {
        &self.signature_xml
    }

    /// The absolute path of Signature.xml, for TBS_Sign.propertyInfo.
    #[must_use]
    pub fn property_info(&self) -> &str {
        &self.property_info
    }

    /// Adds the signature value and closes the package.
    ///
    /// # Errors
    /// `write-failed`.
    pub fn finish(mut self, signed_value: &[u8]) -> Result<Vec<u8>, Error> {
        add(&mut self.writer, &self.signed_value, signed_value)?;
        let cursor = self.writer.finish().map_err(|_| Error::WriteFailed)?;
        Ok(cursor.into_inner())
    }
}

/// Writes everything of a new signature but its value. `original` are the bytes `container` was read from.
///
/// # Errors
/// `document-locked` if an earlier signature protects a part that must change; `document-unknown`, `page-unknown`,
/// `too-many-signatures`, `too-many-references`, `original-mismatch`, `element-invalid` for arguments that XML or
/// ST_Box cannot hold; and all errors of reading the package and its earlier signatures.
pub fn prepare_signature(
    container: &Container,
    original: &[u8],
    new: &NewSignature<'_>,
    limits: &Limits,
) -> Result<PreparedSignature, Error> {
    if !container.is_of(original, limits) {
        return Err(Error::OriginalMismatch);
    }
    let package = Package::read(container, limits)?;
    let body = package.bodies.get(new.body).ok_or(Error::BodyUnknown { index: new.body })?;
    let document = Document::read(container, &body.doc_root, limits)?;
    for stamp in new.stamps {
        document.page(&stamp.page_ref)?;
    }
    let earlier = Earlier::read(container, &package, limits)?;
    let place = Place::next(container, body)?;
    let (list, changes, numbers) = change_list(container, body, new, &place, &earlier, limits)?;
    for part in changes.keys() {
        if earlier.protected.contains(part) {
            return Err(Error::DocumentLocked { part: part.as_str().to_owned() });
        }
    }
    let mut covered = BTreeMap::new();
    for name in container.names() {
        covered.insert(name, container.required(name)?);
    }
    covered.extend(changes.iter().map(|(name, content)| (name, content.as_slice())));
    covered.insert(&place.seal, new.seal_esl);
    if !new.lock {
        covered.remove(&list);
        for other in package.bodies.iter().filter_map(|b| b.signatures.as_ref()) {
            covered.remove(other);
        }
    }
    if covered.len() > limits.references {
        let part = place.signature.as_str().to_owned();
        return Err(Error::TooManyReferences { part, limit: limits.references });
    }
    let signature_xml = write_description(new, &place, &covered, numbers)?.into_bytes();
    let writer = write_package(container, original, &changes, limits)?;
    let mut prepared = PreparedSignature {
        writer,
        id: format!("s{numbers:03}"),
        signature_xml,
        property_info: place.signature.absolute(),
        signed_value: place.signed_value,
    };
    add(&mut prepared.writer, &place.seal, new.seal_esl)?;
    add(&mut prepared.writer, &place.signature, &prepared.signature_xml)?;
    Ok(prepared)
}

/// What the signatures already in the package protect and number.
struct Earlier {
    protected: BTreeSet<PartName>,
    greatest: u32,
}

impl Earlier {
    fn read(container: &Container, package: &Package, limits: &Limits) -> Result<Self, Error> {
        let mut earlier = Self { protected: BTreeSet::new(), greatest: 0 };
        for part in package.bodies.iter().filter_map(|b| b.signatures.as_ref()) {
            let list = SignatureList::read(container, part, limits)?;
            earlier.count(list.max_sign_id.as_deref().unwrap_or_default());
            for entry in &list.entries {
                earlier.count(&entry.id);
                let description = SignatureDescription::read(container, &entry.base_loc, limits)?;
                description.stamps.iter().for_each(|stamp| earlier.count(&stamp.id));
                earlier.protected.extend(description.references.into_iter().map(|r| r.file_ref));
            }
        }
        Ok(earlier)
    }

    fn count(&mut self, id: &str) {
        self.greatest = self.greatest.max(id_number(id));
    }
}

/// The parts of the new signature.
struct Place {
    list: PartName,
    signature: PartName,
    signed_value: PartName,
    seal: PartName,
}

impl Place {
    /// The directory after the last used one, so that no earlier name comes back.
    fn next(container: &Container, body: &DocBody) -> Result<Self, Error> {
        let root = body.doc_root.directory().directory("Signs")?;
        let prefix = format!("{}/Sign_", root.as_str());
        let used = container.names().filter_map(|name| {
            let rest = name.as_str().strip_prefix(&prefix)?;
            rest.split('/').next()?.parse::<u32>().ok()
        });
        let number = used.max().map_or(0, |n| n.saturating_add(1));
        let directory = root.directory(&format!("Sign_{number}"))?;
        Ok(Self {
            list: root.part("Signatures.xml")?,
            signature: directory.part("Signature.xml")?,
            signed_value: directory.part("SignedValue.dat")?,
            seal: directory.part("Seal.esl")?,
        })
    }
}

type Changes = BTreeMap<PartName, Vec<u8>>;

/// The new Signatures.xml, and OFD.xml where it does not name one yet. Returns the list's name and the new number.
fn change_list(
    container: &Container,
    body: &DocBody,
    new: &NewSignature<'_>,
    place: &Place,
    earlier: &Earlier,
    limits: &Limits,
) -> Result<(PartName, Changes, u32), Error> {
    let number = earlier.greatest.saturating_add(1);
    let stamps = u32::try_from(new.stamps.len()).unwrap_or(u32::MAX);
    let last = number.saturating_add(stamps);
    let location = escape(&place.signature.absolute())?;
    let entry = |prefix: &str| {
        format!("<{prefix}Signature ID=\"s{number:03}\" Type=\"Seal\" BaseLoc=\"{location}\"/>")
    };
    let mut changes = Changes::new();
    let Some(list) = &body.signatures else {
        let entry_part = Package::entry();
        let tree = parse(container, &entry_part, limits)?;
        let root = tree.root("OFD")?;
        let bodies = root.children_named("DocBody").nth(new.body);
        let doc_root = bodies.ok_or(Error::BodyUnknown { index: new.body })?.required("DocRoot")?;
        let prefix = prefix(doc_root);
        let path = escape(&place.list.absolute())?;
        let element = format!("<{prefix}Signatures>{path}</{prefix}Signatures>");
        let at = doc_root.span().end;
        changes.insert(entry_part.clone(), splice(container.required(&entry_part)?, vec![(at, at, element)]));
        if container.part(&place.list).is_some() {
            // A list that OFD.xml does not name: overwriting it would destroy what it says.
            return Err(Error::DocumentLocked { part: place.list.as_str().to_owned() });
        }
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:Signatures xmlns:ofd=\"{NAMESPACE}\">\
             <ofd:MaxSignId>s{last:03}</ofd:MaxSignId>{}</ofd:Signatures>",
            entry("ofd:")
        );
        changes.insert(place.list.clone(), text.into_bytes());
        return Ok((place.list.clone(), changes, number));
    };
    let bytes = container.required(list)?;
    let tree = Tree::parse(list, bytes, limits)?;
    if SignatureList::from_tree(&tree, limits)?.entries.len() >= limits.signatures {
        return Err(Error::TooManySignatures { part: list.as_str().to_owned(), limit: limits.signatures });
    }
    let root = tree.root("Signatures")?;
    let prefix = prefix(root);
    let mut edits = Vec::new();
    let mut added = entry(prefix);
    match max_sign_id(root) {
        Some(element) => {
            let style = if element.text().starts_with('s') { format!("s{last:03}") } else { last.to_string() };
            let name = element.qualified();
            let span = element.span();
            edits.push((span.start, span.end, format!("<{name}>{style}</{name}>")));
        }
        None => added.insert_str(0, &format!("<{prefix}MaxSignId>s{last:03}</{prefix}MaxSignId>")),
    }
    let span = root.span();
    match root.children_named("Signature").last() {
        Some(element) => edits.push((element.span().end, element.span().end, added)),
        None if span.content_start < span.end => edits.push((span.content_start, span.content_start, added)),
        // `<Signatures …/>`: the slash goes, an end tag comes.
        None => {
            let slash = span.end.saturating_sub(2);
            edits.push((slash, span.end, format!(">{added}</{}>", root.qualified())));
        }
    }
    changes.insert(list.clone(), splice(bytes, edits));
    Ok((list.clone(), changes, number))
}

/// The prefix of an element, with its colon.
fn prefix(element: Element<'_>) -> &str {
    let name = element.qualified();
    name.split_at_checked(name.find(':').map_or(0, |at| at.saturating_add(1))).map_or("", |(prefix, _)| prefix)
}

/// Replaces byte ranges that do not overlap.
fn splice(bytes: &[u8], mut edits: Vec<(usize, usize, String)>) -> Vec<u8> {
    edits.sort_by_key(|(start, _, _)| *start);
    let mut output = Vec::new();
    let mut at = 0;
    for (start, end, text) in edits {
        output.extend_from_slice(bytes.get(at..start).unwrap_or_default());
        output.extend_from_slice(text.as_bytes());
        at = end;
    }
    output.extend_from_slice(bytes.get(at..).unwrap_or_default());
    output
}

/// Signature.xml, elements in the order of the schema. GB/T 33190-2016, 18.2.
fn write_description(
    new: &NewSignature<'_>,
    place: &Place,
    covered: &BTreeMap<&PartName, &[u8]>,
    number: u32,
) -> Result<String, Error> {
    let mut references = String::new();
    for (name, content) in covered {
        let (name, value) = (escape(&name.absolute())?, STANDARD.encode((new.digest)(content)));
        let element =
            format!("<ofd:Reference FileRef=\"{name}\"><ofd:CheckValue>{value}</ofd:CheckValue></ofd:Reference>");
        references.push_str(&element);
    }
    let mut stamps = String::new();
    let mut id = number;
    for stamp in new.stamps {
        id = id.saturating_add(1);
        let (page, boundary) = (escape(&stamp.page_ref)?, box_text(&stamp.boundary, place)?);
        let clip = match &stamp.clip {
            Some(clip) => format!(" Clip=\"{}\"", box_text(clip, place)?),
            None => String::new(),
        };
        let element = format!("<ofd:StampAnnot ID=\"s{id:03}\" PageRef=\"{page}\" Boundary=\"{boundary}\"{clip}/>");
        stamps.push_str(&element);
    }
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:Signature xmlns:ofd=\"{NAMESPACE}\"><ofd:SignedInfo>\
         <ofd:Provider ProviderName=\"{provider}\"/><ofd:SignatureMethod>{method}</ofd:SignatureMethod>\
         <ofd:SignatureDateTime>{time}</ofd:SignatureDateTime>\
         <ofd:References CheckMethod=\"{check}\">{references}</ofd:References>{stamps}\
         <ofd:Seal><ofd:BaseLoc>{seal}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>\
         <ofd:SignedValue>{value}</ofd:SignedValue></ofd:Signature>",
        provider = escape(new.provider)?,
        method = escape(new.signature_method)?,
        time = escape(new.signature_date_time)?,
        check = escape(new.check_method)?,
        seal = escape(&place.seal.absolute())?,
        value = escape(&place.signed_value.absolute())?,
    ))
}

fn box_text(area: &[f64; 4], place: &Place) -> Result<String, Error> {
    let [_, _, width, height] = area;
    if !area.iter().all(|n| n.is_finite()) || *width <= 0.0 || *height <= 0.0 {
        let part = place.signature.as_str().to_owned();
        return Err(Error::ElementInvalid { part, element: "StampAnnot@Boundary" });
    }
    let mut text = String::new();
    for number in area {
        let space = if text.is_empty() { "" } else { " " };
        write!(text, "{space}{number}").map_err(|_| Error::WriteFailed)?;
    }
    Ok(text)
}

/// Text as XML content or attribute value. Control characters, which XML cannot hold or would change, are refused.
fn escape(text: &str) -> Result<String, Error> {
    if text.contains(|c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')) {
        return Err(Error::ElementInvalid { part: Package::entry().as_str().to_owned(), element: "text" });
    }
    Ok(quick_xml::escape::escape(text).into_owned())
}

/// All entries of the original in order, the changed ones anew, then those that are new.
fn write_package(
    container: &Container,
    original: &[u8],
    changes: &Changes,
    limits: &Limits,
) -> Result<ZipWriter<Cursor<Vec<u8>>>, Error> {
    let records = Records::read(original, limits)?;
    let mut archive = open(original, &records)?;
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, record) in records.entries.iter().enumerate() {
        let name = PartName::from_checked(&record.name);
        match changes.get(&name).filter(|_| !record.is_directory) {
            Some(content) => add(&mut writer, &name, content)?,
            None => {
                let entry = archive.by_index_raw(index).map_err(|_| Error::WriteFailed)?;
                writer.raw_copy_file(entry).map_err(|_| Error::WriteFailed)?;
            }
        }
    }
    for (name, content) in changes.iter().filter(|(name, _)| container.part(name).is_none()) {
        add(&mut writer, name, content)?;
    }
    Ok(writer)
}

/// Adds an entry; its time is the first that ZIP knows, 1980-01-01.
fn add(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &PartName, content: &[u8]) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    writer.start_file(name.as_str(), options).map_err(|_| Error::WriteFailed)?;
    writer.write_all(content).map_err(|_| Error::WriteFailed)
}
