//! The list of signatures and the description of each. GB/T 33190-2016, 18.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::container::Container;
use crate::format::ofd::document::{numbers, parse};
use crate::format::ofd::path::PartName;
use crate::format::ofd::xml::{Element, Tree};

/// Signature@Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// An electronic seal signature (SES). The default when Type is absent.
    Seal,
    /// A plain digital signature.
    Sign,
}

/// One line of Signatures.xml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureEntry {
    /// Signature@ID.
    pub id: String,
    /// Signature@Type.
    pub kind: SignatureKind,
    /// Signature@BaseLoc: the part Signature.xml.
    pub base_loc: PartName,
    /// Signature@Relative: the ID of the signature this one builds on.
    pub relative: Option<String>,
}

/// Signatures.xml. GB/T 33190-2016, 18.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureList {
    /// MaxSignId as written. Genuine files have two: then the one with the greatest number.
    pub max_sign_id: Option<String>,
    /// The signatures, in order.
    pub entries: Vec<SignatureEntry>,
}

impl SignatureList {
    /// Reads the list of signatures. Elements may come in any order.
    ///
    /// # Errors
    /// `too-many-signatures`, `duplicate-signature`, `missing-part`, `element-…`, `path-…`, `xml-…`.
    pub fn read(container: &Container, part: &PartName, limits: &Limits) -> Result<Self, Error> {
        Self::from_tree(&parse(container, part, limits)?, limits)
    }

    pub(super) fn from_tree(tree: &Tree, limits: &Limits) -> Result<Self, Error> {
        let part = tree.part();
        let root = tree.root("Signatures")?;
        let mut entries = Vec::new();
        let mut ids = BTreeSet::new();
        for element in root.children_named("Signature") {
            if entries.len() >= limits.signatures {
                return Err(Error::TooManySignatures { part: part.as_str().to_owned(), limit: limits.signatures });
            }
            let id = element.attribute("ID").ok_or_else(|| element.missing("Signature@ID"))?.to_owned();
            if !ids.insert(id.clone()) {
                return Err(Error::DuplicateSignature { part: part.as_str().to_owned(), id });
            }
            let kind = match element.attribute("Type") {
                None | Some("Seal") => SignatureKind::Seal,
                Some("Sign") => SignatureKind::Sign,
                Some(_) => return Err(element.invalid("Signature@Type")),
            };
            let location = element.attribute("BaseLoc").ok_or_else(|| element.missing("Signature@BaseLoc"))?;
            let base_loc = part.resolve(location)?;
            let relative = element.attribute("Relative").map(str::to_owned);
            entries.push(SignatureEntry { id, kind, base_loc, relative });
        }
        let max_sign_id = max_sign_id(root).map(|e| e.text().to_owned());
        Ok(Self { max_sign_id, entries })
    }
}

/// The MaxSignId element with the greatest number.
pub(super) fn max_sign_id(root: Element<'_>) -> Option<Element<'_>> {
    root.children_named("MaxSignId").max_by_key(|e| id_number(e.text()))
}

/// The number at the end of an ID: 4 of `s004`.
pub(super) fn id_number(id: &str) -> u32 {
    let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(0)
}

/// A file that a signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The part.
    pub file_ref: PartName,
    /// Reference@FileRef as written.
    pub file_ref_text: String,
    /// CheckValue, decoded.
    pub check_value: Vec<u8>,
}

/// Where a stamp is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct StampAnnot {
    /// StampAnnot@ID.
    pub id: String,
    /// StampAnnot@PageRef: the ID of a page.
    pub page_ref: String,
    /// StampAnnot@Boundary: `x y w h` in millimetres.
    pub boundary: [f64; 4],
    /// StampAnnot@Clip: `x y w h` in the stamp's own coordinates.
    pub clip: Option<[f64; 4]>,
}

/// Signature.xml. GB/T 33190-2016, 18.2.
#[derive(Debug, Clone, PartialEq)]
pub struct SignatureDescription {
    /// Provider: ProviderName, as attribute or (in a genuine product) as child element.
    pub provider: Option<String>,
    /// SignatureMethod.
    pub signature_method: Option<String>,
    /// SignatureDateTime: free text, not authoritative.
    pub signature_date_time: Option<String>,
    /// References@CheckMethod. Absent means MD5 by the schema (recollection); the caller decides.
    pub check_method: Option<String>,
    /// The files covered, in order.
    pub references: Vec<Reference>,
    /// The stamps.
    pub stamps: Vec<StampAnnot>,
    /// Seal/BaseLoc: the part with the seal, if named.
    pub seal: Option<PartName>,
    /// SignedValue: the part with the signature value. Its presence is not checked here.
    pub signed_value: PartName,
}

impl SignatureDescription {
    /// Reads Signature.xml. Elements may come in any order; unknown elements and attributes are passed over.
    ///
    /// # Errors
    /// `too-many-references`, `duplicate-reference`, `missing-part`, `element-…`, `path-…`, `xml-…`.
    pub fn read(container: &Container, part: &PartName, limits: &Limits) -> Result<Self, Error> {
        Self::parse(part, container.required(part)?, limits)
    }

    /// As [`Self::read`], from the bytes of the part.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(part: &PartName, bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let tree = Tree::parse(part, bytes, limits)?;
        let root = tree.root("Signature")?;
        let signed = root.required("SignedInfo")?;
        let references = signed.required("References")?;
        let optional = |name| Ok(signed.only_child(name)?.map(|e: Element<'_>| e.text().to_owned()));
        let provider = signed.only_child("Provider")?.and_then(|p| {
            p.attribute("ProviderName").or_else(|| p.child("ProviderName").map(|e| e.text())).map(str::to_owned)
        });
        let seal = match signed.only_child("Seal")? {
            Some(seal) => Some(part.resolve(seal.required("BaseLoc")?.text())?),
            None => None,
        };
        let stamps: Result<Vec<_>, _> = signed.children_named("StampAnnot").map(read_stamp).collect();
        Ok(Self {
            provider,
            signature_method: optional("SignatureMethod")?,
            signature_date_time: optional("SignatureDateTime")?,
            check_method: references.attribute("CheckMethod").map(str::to_owned),
            references: read_references(part, references, limits)?,
            stamps: stamps?,
            seal,
            signed_value: part.resolve(root.required("SignedValue")?.text())?,
        })
    }
}

fn read_references(part: &PartName, list: Element<'_>, limits: &Limits) -> Result<Vec<Reference>, Error> {
    let name = || part.as_str().to_owned();
    let mut references = Vec::new();
    let mut targets = BTreeSet::new();
    for element in list.children_named("Reference") {
        if references.len() >= limits.references {
            return Err(Error::TooManyReferences { part: name(), limit: limits.references });
        }
        let text = element.attribute("FileRef").ok_or_else(|| element.missing("Reference@FileRef"))?;
        let file_ref = part.resolve(text)?;
        if !targets.insert(file_ref.clone()) {
            return Err(Error::DuplicateReference { part: name(), target: file_ref.as_str().to_owned() });
        }
        let value = element.required("CheckValue")?;
        let check_value = STANDARD.decode(value.text()).map_err(|_| value.invalid("CheckValue"))?;
        references.push(Reference { file_ref, file_ref_text: text.to_owned(), check_value });
    }
    Ok(references)
}

fn read_stamp(element: Element<'_>) -> Result<StampAnnot, Error> {
    let text = |name, full| element.attribute(name).ok_or_else(|| element.missing(full));
    let area = |value| numbers(value).filter(|[_, _, w, h]| *w >= 0.0 && *h >= 0.0);
    let boundary = area(text("Boundary", "StampAnnot@Boundary")?);
    let clip = match element.attribute("Clip").filter(|c| !c.trim().is_empty()) {
        Some(clip) => Some(area(clip).ok_or_else(|| element.invalid("StampAnnot@Clip"))?),
        None => None,
    };
    Ok(StampAnnot {
        id: text("ID", "StampAnnot@ID")?.to_owned(),
        page_ref: text("PageRef", "StampAnnot@PageRef")?.to_owned(),
        boundary: boundary.ok_or_else(|| element.invalid("StampAnnot@Boundary"))?,
        clip,
    })
}
