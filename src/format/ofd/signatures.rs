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

    /// As [`Self::read`], from the bytes of the part.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(part: &PartName, bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        Self::from_tree(&Tree::parse(part, bytes, limits)?, limits)
    }

    pub(super) fn from_tree(tree: &Tree<'_>, limits: &Limits) -> Result<Self, Error> {
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
        Self::parse(part, &container.content(part)?, limits)
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::DEFAULT;

    fn list(content: &str) -> Result<SignatureList, Error> {
        let part = PartName::from_checked("Doc_0/Signs/Signatures.xml");
        let text = format!("<Signatures>{content}</Signatures>");
        SignatureList::parse(&part, text.as_bytes(), &LIMITS)
    }

    fn description(signed: &str) -> Result<SignatureDescription, Error> {
        let part = PartName::from_checked("Doc_0/Signs/Sign_0/Signature.xml");
        let text = format!(
            "<Signature><SignedInfo>{signed}</SignedInfo><SignedValue>SignedValue.dat</SignedValue></Signature>"
        );
        SignatureDescription::parse(&part, text.as_bytes(), &LIMITS)
    }

    fn code<T>(result: Result<T, Error>) -> &'static str {
        result.map_or_else(|e| e.code(), |_| "accepted")
    }

    const REFERENCE: &str = "<Reference FileRef='/a'><CheckValue> AAEC </CheckValue></Reference>";

    #[test]
    fn lists_are_read_in_any_order() {
        let read = list(
            "<Signature ID='s001' BaseLoc='Sign_0/Signature.xml'/><MaxSignId>s008</MaxSignId><MaxSignId>s006</MaxSignId>\
             <Signature ID='s003' Type='Sign' BaseLoc='/Doc_0/x.xml' Relative='s001'/>",
        );
        let read = read.unwrap();
        assert_eq!(read.max_sign_id.as_deref(), Some("s008"));
        let [first, second] = read.entries.as_slice() else { panic!("two entries") };
        assert_eq!((first.kind, first.base_loc.as_str()), (SignatureKind::Seal, "Doc_0/Signs/Sign_0/Signature.xml"));
        assert_eq!((second.kind, second.relative.as_deref()), (SignatureKind::Sign, Some("s001")));
    }

    #[test]
    fn lists_are_refused_exactly() {
        assert_eq!(code(list("<Signature BaseLoc='a'/>")), "element-missing");
        assert_eq!(code(list("<Signature ID='1'/>")), "element-missing");
        assert_eq!(code(list("<Signature ID='1' Type='Other' BaseLoc='a'/>")), "element-invalid");
        assert_eq!(code(list("<Signature ID='1' BaseLoc='../../../a'/>")), "path-outside");
        assert_eq!(code(list(&"<Signature ID='1' BaseLoc='a'/>".repeat(2))), "duplicate-signature");
        let many: String = (0..65).map(|n| format!("<Signature ID='{n}' BaseLoc='a'/>")).collect();
        assert_eq!(code(list(&many)), "too-many-signatures");
    }

    #[test]
    fn descriptions_are_read_in_any_order() {
        let read = description(&format!(
            "<StampAnnot ID='s2' PageRef='7' Boundary='1 2.5 30 -0' Clip='0 0 1 2'/><Seal><BaseLoc>Seal.esl</BaseLoc></Seal>\
             <References CheckMethod='SM3'>{REFERENCE}</References><Provider><ProviderName>p</ProviderName></Provider>"
        ));
        let read = read.unwrap();
        assert_eq!(read.provider.as_deref(), Some("p"));
        assert_eq!(read.check_method.as_deref(), Some("SM3"));
        assert_eq!(read.references[0].check_value, [0, 1, 2]);
        assert_eq!((read.references[0].file_ref.as_str(), read.references[0].file_ref_text.as_str()), ("a", "/a"));
        assert_eq!(read.seal.unwrap().as_str(), "Doc_0/Signs/Sign_0/Seal.esl");
        assert_eq!(read.signed_value.as_str(), "Doc_0/Signs/Sign_0/SignedValue.dat");
        assert_eq!(read.stamps[0].boundary, [1.0, 2.5, 30.0, 0.0]);
        assert_eq!(read.stamps[0].clip, Some([0.0, 0.0, 1.0, 2.0]));
    }

    #[test]
    fn descriptions_are_refused_exactly() {
        let references = |content: &str| description(&format!("<References>{content}</References>"));
        assert_eq!(code(description("")), "element-missing");
        assert_eq!(code(description("<References/><References/>")), "element-invalid");
        assert_eq!(code(references(&REFERENCE.repeat(2))), "duplicate-reference");
        assert_eq!(
            code(references(&format!("{REFERENCE}{}", REFERENCE.replace("/a", "../../../a")))),
            "duplicate-reference"
        );
        assert_eq!(code(references(&REFERENCE.replace("AAEC", "AA=C"))), "element-invalid");
        assert_eq!(code(references(&REFERENCE.replace("AAEC", "AA EC"))), "element-invalid");
        assert_eq!(code(references(&REFERENCE.replace("/a", "/../a"))), "path-outside");
        assert_eq!(code(references("<Reference FileRef='/a'/>")), "element-missing");
        let many: String = (0..4097).map(|n| REFERENCE.replace("/a", &format!("/{n}"))).collect();
        assert_eq!(code(references(&many)), "too-many-references");
        for boundary in ["", "1 2 3", "1 2 3 4 5", "1 2 inf 4", "1 2 -3 4", "1 2 x 4"] {
            let stamp = format!("<References/><StampAnnot ID='1' PageRef='1' Boundary='{boundary}'/>");
            assert_eq!(code(description(&stamp)), "element-invalid", "{boundary:?}");
        }
    }
}
