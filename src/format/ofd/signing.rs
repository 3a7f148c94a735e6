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

/// Where the seal of a new signature stands (18.1, 18.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSealPart<'a> {
    /// Nowhere: the signature is of type Sign.
    Absent,
    /// In the signature's value alone, as most genuine files have it: what is signed does not depend on it.
    InValue,
    /// In the value, and in this Seal.esl, which the signature protects.
    File(&'a [u8]),
}

impl<'a> NewSealPart<'a> {
    /// The content of Seal.esl, where there is one.
    const fn file(self) -> Option<&'a [u8]> {
        match self {
            Self::Absent | Self::InValue => None,
            Self::File(seal) => Some(seal),
        }
    }
}

/// Digests parts: one value for each, in their order.
pub type DigestParts<'a> = dyn Fn(&[&[u8]]) -> Vec<Vec<u8>> + 'a;

/// What a new signature shall say.
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
    /// The seal.
    pub seal: NewSealPart<'a>,
    /// True to protect Signatures.xml as well, so that no further signature can follow.
    pub lock: bool,
    /// The digests named by `check_method`, one for each part that it is given, in their order.
    pub digests: &'a DigestParts<'a>,
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
    if let Some(seal) = new.seal.file() {
        covered.insert(&place.seal, seal);
    }
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
    if let Some(seal) = new.seal.file() {
        add(&mut prepared.writer, &place.seal, seal)?;
    }
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
    let kind = if new.seal == NewSealPart::Absent { "Sign" } else { "Seal" };
    let entry =
        |prefix: &str| format!("<{prefix}Signature ID=\"s{number:03}\" Type=\"{kind}\" BaseLoc=\"{location}\"/>");
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
    let contents: Vec<&[u8]> = covered.values().copied().collect();
    let digests = (new.digests)(&contents);
    if digests.len() != contents.len() {
        return Err(Error::WriteFailed);
    }
    for (name, digest) in covered.keys().zip(digests) {
        let (name, value) = (escape(&name.absolute())?, STANDARD.encode(digest));
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
    let seal = match new.seal.file() {
        Some(_) => format!("<ofd:Seal><ofd:BaseLoc>{}</ofd:BaseLoc></ofd:Seal>", escape(&place.seal.absolute())?),
        None => String::new(),
    };
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:Signature xmlns:ofd=\"{NAMESPACE}\"><ofd:SignedInfo>\
         <ofd:Provider ProviderName=\"{provider}\"/><ofd:SignatureMethod>{method}</ofd:SignatureMethod>\
         <ofd:SignatureDateTime>{time}</ofd:SignatureDateTime>\
         <ofd:References CheckMethod=\"{check}\">{references}</ofd:References>{stamps}\
         {seal}</ofd:SignedInfo>\
         <ofd:SignedValue>{value}</ofd:SignedValue></ofd:Signature>",
        provider = escape(new.provider)?,
        method = escape(new.signature_method)?,
        time = escape(new.signature_date_time)?,
        check = escape(new.check_method)?,
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

/// The package with one part's content replaced and everything else as it was: what somebody who edits a signed
/// document would make.
///
/// # Errors
/// `missing-part`, `original-mismatch`, `write-failed`.
pub fn replace_part(
    container: &Container,
    original: &[u8],
    part: &PartName,
    content: Vec<u8>,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    if !container.is_of(original, limits) {
        return Err(Error::OriginalMismatch);
    }
    container.required(part)?;
    let changes = Changes::from([(part.clone(), content)]);
    let writer = write_package(container, original, &changes, limits)?;
    Ok(writer.finish().map_err(|_| Error::WriteFailed)?.into_inner())
}

/// Adds an entry; its time is the first that ZIP knows, 1980-01-01.
fn add(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &PartName, content: &[u8]) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    writer.start_file(name.as_str(), options).map_err(|_| Error::WriteFailed)?;
    writer.write_all(content).map_err(|_| Error::WriteFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::DEFAULT;
    const OFD: &str = "<o:OFD xmlns:o=\"http://www.ofdspec.org\"><o:DocBody><o:DocRoot>Doc_0/Document.xml</o:DocRoot></o:DocBody></o:OFD>";
    const DOCUMENT: &str = "<Document><CommonData><PageArea><PhysicalBox>0 0 210 297</PhysicalBox></PageArea></CommonData>\
        <Pages><Page ID=\"1\" BaseLoc=\"Pages/P 0.xml\"/><Page ID=\"2\" BaseLoc=\"Pages/P&amp;1.xml\"/></Pages></Document>";

    fn package(extra: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_directory("Doc_0/", SimpleFileOptions::default()).unwrap();
        let parts = [("OFD.xml", OFD), ("Doc_0/Document.xml", DOCUMENT), ("Doc_0/Pages/P 0.xml", "<Page/>")];
        for (name, content) in parts.iter().chain(&[("Doc_0/Pages/P&1.xml", "<Page/>")]).chain(extra) {
            let name = PartName::from_checked(name);
            if *content != OFD || !extra.iter().any(|(n, _)| *n == "OFD.xml") {
                add(&mut writer, &name, content.as_bytes()).unwrap();
            }
        }
        writer.finish().unwrap().into_inner()
    }

    /// A stand-in that tells contents apart: length and sum of the bytes.
    fn digest(bytes: &[u8]) -> Vec<u8> {
        let sum = bytes.iter().fold(bytes.len(), |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(*b)));
        sum.to_be_bytes().to_vec()
    }

    fn digests(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        parts.iter().map(|part| digest(part)).collect()
    }

    fn stamps(page: &str) -> Vec<NewStamp> {
        vec![NewStamp {
            page_ref: page.to_owned(),
            boundary: [10.5, 20.0, 40.0, 40.0],
            clip: Some([0.0, 0.0, 20.0, 40.0]),
        }]
    }

    fn seal(bytes: &[u8], lock: bool, page: &str) -> Result<Vec<u8>, Error> {
        let container = Container::read(bytes, &LIMITS)?;
        let new = NewSignature {
            body: 0,
            provider: "印信 <&>",
            check_method: "1.2.156.10197.1.401",
            signature_method: "1.2.156.10197.1.501",
            signature_date_time: "20261122030000Z",
            stamps: &stamps(page),
            seal: NewSealPart::File(b"seal"),
            lock,
            digests: &digests,
        };
        let prepared = prepare_signature(&container, bytes, &new, &LIMITS)?;
        assert!(prepared.property_info().starts_with("/Doc_0/Signs/Sign_"));
        prepared.finish(b"value")
    }

    fn descriptions(bytes: &[u8]) -> (Container<'_>, SignatureList, Vec<SignatureDescription>) {
        let container = Container::read(bytes, &LIMITS).unwrap();
        let package = Package::read(&container, &LIMITS).unwrap();
        let list = SignatureList::read(&container, package.bodies[0].signatures.as_ref().unwrap(), &LIMITS).unwrap();
        let all = list.entries.iter().map(|e| SignatureDescription::read(&container, &e.base_loc, &LIMITS).unwrap());
        let all = all.collect();
        (container, list, all)
    }

    fn raw(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let one = |index| {
            let mut entry = archive.by_index_raw(index).unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            (String::from_utf8(entry.name_raw().to_vec()).unwrap(), content)
        };
        (0..zip::ZipArchive::new(Cursor::new(bytes)).unwrap().len()).map(one).collect()
    }

    #[test]
    fn a_new_signature_covers_every_file_but_its_own_and_the_list() {
        let sealed = seal(&package(&[]), false, "2").unwrap();
        assert_eq!(sealed, seal(&package(&[]), false, "2").unwrap(), "the result depends on the arguments alone");
        let (container, list, all) = descriptions(&sealed);
        assert_eq!(list.max_sign_id.as_deref(), Some("s002"));
        assert_eq!(list.entries[0].id, "s001");
        let description = &all[0];
        let covered: BTreeSet<&PartName> = description.references.iter().map(|r| &r.file_ref).collect();
        let uncovered: Vec<&str> = container.names().filter(|n| !covered.contains(n)).map(PartName::as_str).collect();
        let own =
            ["Doc_0/Signs/Signatures.xml", "Doc_0/Signs/Sign_0/Signature.xml", "Doc_0/Signs/Sign_0/SignedValue.dat"];
        assert_eq!(uncovered, own);
        for reference in &description.references {
            assert_eq!(
                reference.check_value,
                digest(container.part(&reference.file_ref).unwrap()),
                "{}",
                reference.file_ref
            );
        }
        assert_eq!(description.provider.as_deref(), Some("印信 <&>"));
        assert_eq!(description.stamps[0].id, "s002");
        assert_eq!(description.stamps[0].clip, Some([0.0, 0.0, 20.0, 40.0]));
        assert_eq!(container.part(description.seal.as_ref().unwrap()), Some(b"seal".as_slice()));
        assert_eq!(container.part(&description.signed_value), Some(b"value".as_slice()));
        let ofd = container.part(&Package::entry()).unwrap();
        let inserted = "</o:DocRoot><o:Signatures>/Doc_0/Signs/Signatures.xml</o:Signatures></o:DocBody>";
        assert!(String::from_utf8_lossy(ofd).contains(inserted));
    }

    #[test]
    fn a_second_signature_leaves_every_protected_entry_as_it_was() {
        let first = seal(&package(&[]), false, "1").unwrap();
        let second = seal(&first, true, "2").unwrap();
        let (before, after) = (raw(&first), raw(&second));
        for (name, content) in before.iter().filter(|(n, _)| *n != "Doc_0/Signs/Signatures.xml") {
            assert_eq!(after.get(name), Some(content), "{name}");
        }
        let (container, list, all) = descriptions(&second);
        assert_eq!(list.entries.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["s001", "s003"]);
        assert_eq!(list.max_sign_id.as_deref(), Some("s004"));
        for reference in all.iter().flat_map(|d| &d.references) {
            assert_eq!(
                reference.check_value,
                digest(container.part(&reference.file_ref).unwrap()),
                "{}",
                reference.file_ref
            );
        }
        let covers = |d: &SignatureDescription, name: &str| d.references.iter().any(|r| r.file_ref.as_str() == name);
        assert!(covers(&all[1], "Doc_0/Signs/Signatures.xml") && covers(&all[1], "Doc_0/Signs/Sign_0/SignedValue.dat"));
        let error = seal(&second, false, "1").unwrap_err();
        assert_eq!((error.code(), error.part()), ("document-locked", Some("Doc_0/Signs/Signatures.xml")));
    }

    #[test]
    fn what_cannot_be_signed_is_refused_exactly() {
        let bytes = package(&[]);
        assert_eq!(seal(&bytes, false, "9").unwrap_err().code(), "page-unknown");
        let unlisted = package(&[("Doc_0/Signs/Signatures.xml", "<Signatures/>")]);
        assert_eq!(seal(&unlisted, false, "1").unwrap_err().code(), "document-locked");
        let container = Container::read(&bytes, &LIMITS).unwrap();
        let mut new = NewSignature {
            body: 1,
            provider: "p",
            check_method: "m",
            signature_method: "m",
            signature_date_time: "t",
            stamps: &[],
            seal: NewSealPart::File(b""),
            lock: false,
            digests: &digests,
        };
        let code = |new: &NewSignature<'_>, original: &[u8], limits| {
            prepare_signature(&container, original, new, limits).map_or_else(|e| e.code(), |_| "accepted")
        };
        assert_eq!(code(&new, &bytes, &LIMITS), "document-unknown");
        new.body = 0;
        assert_eq!(code(&new, &unlisted, &LIMITS), "original-mismatch");
        assert_eq!(code(&new, &bytes, &Limits { references: 3, ..LIMITS }), "too-many-references");
        new.digests = &|_| Vec::new();
        assert_eq!(code(&new, &bytes, &LIMITS), "write-failed");
        new.digests = &digests;
        new.provider = "a\u{1}";
        assert_eq!(code(&new, &bytes, &LIMITS), "element-invalid");
        new.provider = "p";
        let flat = [NewStamp { page_ref: "1".to_owned(), boundary: [0.0, 0.0, f64::NAN, 1.0], clip: None }];
        new.stamps = &flat;
        assert_eq!(code(&new, &bytes, &LIMITS), "element-invalid");
    }

    #[test]
    fn an_existing_list_keeps_its_prefix_style_and_bytes() {
        let ofd = OFD.replace("</o:DocBody>", "<o:Signatures>/S.xml</o:Signatures></o:DocBody>");
        let cases = [
            (
                "<x:Signatures xmlns:x=\"http://www.ofdspec.org\"/>",
                "<x:Signatures xmlns:x=\"http://www.ofdspec.org\"><x:MaxSignId>s002</x:MaxSignId>NEW</x:Signatures>",
            ),
            (
                "<Signatures> <MaxSignId>7</MaxSignId></Signatures>",
                "<Signatures>NEW <MaxSignId>9</MaxSignId></Signatures>",
            ),
        ];
        for (before, after) in cases {
            let bytes = package(&[("OFD.xml", &ofd), ("S.xml", before)]);
            let sealed = seal(&bytes, false, "1").unwrap();
            let (container, list, _) = descriptions(&sealed);
            let prefix = if before.starts_with("<x:") { "x:" } else { "" };
            let id = &list.entries[0].id;
            let new =
                format!("<{prefix}Signature ID=\"{id}\" Type=\"Seal\" BaseLoc=\"/Doc_0/Signs/Sign_0/Signature.xml\"/>");
            let text = container.part(&PartName::from_checked("S.xml")).unwrap();
            assert_eq!(String::from_utf8_lossy(text), after.replace("NEW", &new));
        }
    }

    #[test]
    fn fixtures_can_be_sealed_again_unless_locked() {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures");
        let root = std::env::var_os("YINXIN_FIXTURES").map_or_else(|| beside.into(), std::path::PathBuf::from);
        if !root.join("eseal").is_dir() {
            println!("SKIPPED fixtures_can_be_sealed_again_unless_locked: fixtures absent");
            let peers = std::env::var_os("YINXIN_TEST_PEERS").is_some_and(|v| v == "require");
            assert!(!peers && std::env::var_os("CI").is_none(), "fixtures are required here");
            return;
        }
        let (mut sealed, mut locked) = (0, 0);
        let folders = ["generated", "ofdrw", "real", "package"].map(|f| root.join("eseal").join(f));
        for file in folders.iter().flat_map(|f| std::fs::read_dir(f).unwrap()).map(|f| f.unwrap().path()) {
            if file.extension().is_none_or(|e| e != "ofd")
                || file.ends_with("invoice_template_signatures_entry_missing.ofd")
            {
                continue;
            }
            let bytes = std::fs::read(&file).unwrap();
            let (container, package) = {
                let container = Container::read(&bytes, &LIMITS).unwrap();
                let package = Package::read(&container, &LIMITS).unwrap();
                (container, package)
            };
            let document = Document::read(&container, &package.bodies[0].doc_root, &LIMITS).unwrap();
            let before = Earlier::read(&container, &package, &LIMITS).unwrap();
            let is_locked = package.bodies[0].signatures.as_ref().is_some_and(|list| before.protected.contains(list));
            match seal_under(&bytes, &document.pages[0].id) {
                Ok(after) => {
                    assert!(!is_locked, "{}", file.display());
                    let (container, _, all) = descriptions(&after);
                    for reference in &all.last().unwrap().references {
                        let part = container.part(&reference.file_ref).unwrap();
                        assert_eq!(reference.check_value, digest(part), "{}", file.display());
                    }
                    let (old, new) = (raw(&bytes), raw(&after));
                    for part in before.protected.iter().filter(|p| old.contains_key(p.as_str())) {
                        assert_eq!(old.get(part.as_str()), new.get(part.as_str()), "{}", file.display());
                    }
                    sealed += 1;
                }
                Err(error) => {
                    assert!(is_locked, "{}: {error}", file.display());
                    assert_eq!(error.code(), "document-locked");
                    locked += 1;
                }
            }
        }
        assert!(sealed > 40 && locked >= 5, "{sealed} sealed, {locked} locked");
    }

    fn seal_under(bytes: &[u8], page: &str) -> Result<Vec<u8>, Error> {
        let container = Container::read(bytes, &LIMITS)?;
        let new = NewSignature {
            body: 0,
            provider: "p",
            check_method: "m",
            signature_method: "m",
            signature_date_time: "t",
            stamps: &stamps(page),
            seal: NewSealPart::File(b"seal"),
            lock: false,
            digests: &digests,
        };
        prepare_signature(&container, bytes, &new, &LIMITS)?.finish(b"value")
    }
}
