//! XML: what a lenient reader would take and another would take differently.

use crate::bench::{Bench, DESCRIPTION, DOCUMENT, LIST, OFD, PAGE, basic, rich};
use crate::{Expected, Variant, variant};

const fn refused(code: &'static [&'static str], part: &'static str) -> Expected {
    Expected::refused(code).part(part)
}

const fn description(code: &'static [&'static str]) -> Expected {
    Expected::failed("FORMAT_FAILURE", code).axes(&[("intact", "failed"), ("signature", "unknown")])
}

fn before_root(b: &mut Bench, part: &str, what: &str) {
    let text = b.pack.text(part);
    let start = text.find("<ofd:").unwrap();
    *b.pack.get_mut(part) = format!("{}{what}{}", &text[..start], &text[start..]).into_bytes();
}

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = documents();
    all.extend(descriptions());
    all
}

fn documents() -> Vec<Variant> {
    vec![
        variant("xml: DOCTYPE", basic, |b| before_root(b, OFD, "<!DOCTYPE x>"), refused(&["xml-doctype"], OFD)),
        variant(
            "xml: external entity",
            basic,
            |b| before_root(b, DOCUMENT, "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"),
            refused(&["xml-doctype"], DOCUMENT),
        ),
        variant(
            "xml: entities that grow",
            basic,
            |b| before_root(b, PAGE, "<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>"),
            refused(&["xml-doctype"], PAGE),
        ),
        variant(
            "xml: unknown entity",
            basic,
            |b| b.pack.replace(OFD, "OFD R&amp;W", "&e;"),
            refused(&["xml-entity"], OFD),
        ),
        variant(
            "xml: reference to a forbidden character",
            basic,
            |b| b.pack.replace(OFD, "OFD R&amp;W", "&#0;"),
            refused(&["xml-entity"], OFD),
        ),
        variant(
            "xml: processing instruction",
            basic,
            |b| before_root(b, OFD, "<?xml-stylesheet href=\"x\"?>"),
            refused(&["xml-processing-instruction"], OFD),
        ),
        variant(
            "xml: not UTF-8",
            basic,
            |b| {
                let text = b.pack.get_mut(PAGE);
                let place = text.windows(3).position(|w| w == "你".as_bytes()).unwrap();
                text[place] = 0xC4;
            },
            refused(&["xml-encoding"], PAGE),
        ),
        variant(
            "xml: says another encoding",
            basic,
            |b| b.pack.replace(OFD, "UTF-8", "GBK"),
            refused(&["xml-encoding"], OFD),
        ),
        variant(
            "xml: UTF-16",
            basic,
            |b| {
                let text: Vec<u8> = b.pack.text(OFD).encode_utf16().flat_map(u16::to_le_bytes).collect();
                *b.pack.get_mut(OFD) = [vec![0xFF, 0xFE], text].concat();
            },
            refused(&["xml-encoding"], OFD),
        ),
        variant(
            "xml: cut",
            basic,
            |b| {
                b.pack.get_mut(DOCUMENT).pop();
            },
            refused(&["xml-malformed"], DOCUMENT),
        ),
        variant(
            "xml: unclosed element",
            basic,
            |b| b.pack.replace(OFD, "</ofd:DocInfo>", ""),
            refused(&["xml-malformed"], OFD),
        ),
        variant("xml: empty", basic, |b| b.pack.get_mut(OFD).clear(), refused(&["xml-malformed"], OFD)),
        variant(
            "xml: two roots",
            basic,
            |b| b.pack.get_mut(OFD).extend_from_slice(b"<x/>"),
            refused(&["xml-malformed"], OFD),
        ),
        variant(
            "xml: attribute twice",
            basic,
            |b| b.pack.replace(LIST, "ID=\"s001\"", "ID=\"s001\" ID=\"s009\""),
            refused(&["xml-malformed"], LIST),
        ),
        variant(
            "xml: prefix without declaration",
            basic,
            |b| b.pack.replace(OFD, "xmlns:ofd", "xmlns:ofe"),
            refused(&["xml-malformed"], OFD),
        ),
        variant(
            "xml: too deep",
            basic,
            |b| {
                let deep = format!("{}{}</ofd:Content>", "<a>".repeat(100), "</a>".repeat(100));
                b.pack.replace(PAGE, "</ofd:Content>", &deep);
            },
            refused(&["xml-too-deep"], PAGE),
        ),
        variant(
            "xml: too many elements",
            basic,
            |b| {
                let many = format!("{}</ofd:Content>", "<a/>".repeat(400_001));
                b.pack.replace(PAGE, "</ofd:Content>", &many);
            },
            refused(&["xml-too-many-nodes"], PAGE),
        ),
        variant(
            "xml: too large",
            basic,
            |b| b.pack.get_mut(PAGE).resize(17 << 20, b'\n'),
            refused(&["xml-too-large"], PAGE),
        ),
        variant(
            "xml: another root",
            basic,
            |b| {
                b.pack.replace(OFD, "<ofd:OFD ", "<ofd:PDF ");
                b.pack.replace(OFD, "</ofd:OFD>", "</ofd:PDF>");
            },
            refused(&["element-missing"], OFD),
        ),
        variant(
            "xml: root of another namespace",
            basic,
            |b| b.pack.replace(OFD, "http://www.ofdspec.org/2016", "http://example.org"),
            refused(&["element-missing"], OFD),
        ),
        variant(
            "xml: no DocBody",
            basic,
            |b| b.pack.cut(OFD, "<ofd:DocBody>", "</ofd:DocBody>"),
            refused(&["element-missing"], OFD),
        ),
        variant(
            "xml: DocRoot leads outside",
            basic,
            |b| b.pack.replace(OFD, "Doc_0/Document.xml", "../../etc/passwd"),
            refused(&["path-outside"], OFD),
        ),
        variant(
            "xml: page leads outside",
            basic,
            |b| b.pack.replace(DOCUMENT, "Pages/Page_0", "../../Page_0"),
            refused(&["path-outside"], DOCUMENT),
        ),
        variant(
            "xml: resource with backslashes",
            basic,
            |b| b.pack.replace(DOCUMENT, "PublicRes.xml", "..\\PublicRes.xml"),
            refused(&["path-invalid"], DOCUMENT),
        ),
        variant(
            "xml: list of signatures leads outside",
            basic,
            |b| b.pack.replace(OFD, "/Doc_0/Signs", "/../Signs"),
            refused(&["path-outside"], OFD),
        ),
        variant(
            "xml: description leads outside",
            basic,
            |b| b.pack.replace(LIST, "/Doc_0/Signs/Sign_0", "/../Sign_0"),
            refused(&["path-outside"], LIST),
        ),
        variant(
            "xml: unknown Type of signature",
            basic,
            |b| b.pack.replace(LIST, "\"Seal\"", "\"None\""),
            refused(&["element-invalid"], LIST),
        ),
        variant(
            "xml: 65 signatures",
            basic,
            |b| {
                let mut lines = String::new();
                for number in 0..65 {
                    lines.push_str(&format!(
                        "<ofd:Signature ID=\"t{number}\" BaseLoc=\"/Doc_0/Signs/Sign_0/Signature.xml\"/>"
                    ));
                }
                b.pack.replace(LIST, "<ofd:MaxSignId>", &format!("{lines}<ofd:MaxSignId>"));
            },
            refused(&["too-many-signatures"], LIST),
        ),
    ]
}

fn descriptions() -> Vec<Variant> {
    vec![
        variant(
            "description: DOCTYPE",
            basic,
            |b| before_root(b, DESCRIPTION, "<!DOCTYPE x>"),
            description(&["xml-doctype"]),
        ),
        variant(
            "description: not well-formed",
            basic,
            |b| {
                b.pack.get_mut(DESCRIPTION).pop();
            },
            description(&["xml-malformed"]),
        ),
        variant(
            "description: another root",
            basic,
            |b| {
                b.pack.replace(DESCRIPTION, "<ofd:Signature ", "<ofd:Stamp ");
                b.pack.replace(DESCRIPTION, "</ofd:Signature>", "</ofd:Stamp>");
            },
            description(&["element-missing"]).says("Signature is missing"),
        ),
        variant(
            "description: no SignedInfo",
            basic,
            |b| b.pack.cut(DESCRIPTION, "<ofd:SignedInfo>", "</ofd:SignedInfo>"),
            description(&["element-missing"]).says("SignedInfo"),
        ),
        variant(
            "description: no References",
            basic,
            |b| b.pack.cut(DESCRIPTION, "<ofd:References", "</ofd:References>"),
            description(&["element-missing"]).says("References"),
        ),
        variant(
            "description: two References",
            basic,
            |b| {
                b.pack.replace(
                    DESCRIPTION,
                    "</ofd:SignedInfo>",
                    "<ofd:References CheckMethod=\"MD5\"/></ofd:SignedInfo>",
                )
            },
            description(&["element-invalid"]).says("References"),
        ),
        variant(
            "description: two SignedInfo",
            basic,
            |b| b.pack.replace(DESCRIPTION, "<ofd:SignedInfo>", "<ofd:SignedInfo></ofd:SignedInfo><ofd:SignedInfo>"),
            description(&["element-invalid"]).says("SignedInfo"),
        ),
        variant(
            "description: no SignedValue",
            basic,
            |b| b.pack.cut(DESCRIPTION, "<ofd:SignedValue>", "</ofd:SignedValue>"),
            description(&["element-missing"]).says("SignedValue"),
        ),
        variant(
            "description: SignedValue of a part that is missing",
            basic,
            |b| b.pack.replace(DESCRIPTION, "SignedValue.dat", "Missing.dat"),
            description(&["missing-part"]),
        ),
        variant(
            "description: SignedValue leads outside",
            basic,
            |b| b.pack.replace(DESCRIPTION, "/Doc_0/Signs/Sign_0/SignedValue.dat", "../../../../x"),
            description(&["path-outside"]),
        ),
        variant(
            "description: SignedValue is the document",
            basic,
            |b| b.pack.replace(DESCRIPTION, "/Doc_0/Signs/Sign_0/SignedValue.dat", "/Doc_0/Document.xml"),
            Expected::failed("FORMAT_FAILURE", &["signature-malformed"]),
        ),
        variant(
            "description: Base64 broken",
            basic,
            |b| b.pack.replace(DESCRIPTION, "<ofd:CheckValue>", "<ofd:CheckValue>*"),
            description(&["element-invalid"]).says("CheckValue"),
        ),
        variant(
            "description: Base64 without padding",
            basic,
            |b| b.pack.replace(DESCRIPTION, "=</ofd:CheckValue>", "</ofd:CheckValue>"),
            description(&["element-invalid"]).says("CheckValue"),
        ),
        variant(
            "description: no CheckValue",
            basic,
            |b| b.pack.cut(DESCRIPTION, "<ofd:CheckValue>", "</ofd:CheckValue>"),
            description(&["element-missing"]).says("CheckValue"),
        ),
        variant(
            "description: Reference without FileRef",
            basic,
            |b| b.pack.replace(DESCRIPTION, "FileRef=", "Name="),
            description(&["element-missing"]).says("Reference@FileRef"),
        ),
        variant(
            "description: Reference leads outside",
            basic,
            |b| b.pack.replace(DESCRIPTION, "FileRef=\"/OFD.xml\"", "FileRef=\"/../../etc/passwd\""),
            description(&["path-outside"]),
        ),
        variant(
            "description: two References to one part",
            basic,
            |b| {
                b.pack.refer(PAGE);
                b.pack.digest_again();
            },
            description(&["duplicate-reference"]).says("Doc_0/Pages/Page_0/Content.xml"),
        ),
        variant(
            "description: two References to one part, written differently, signed again",
            rich,
            |b| {
                b.pack.refer("Doc_0/./Pages/Page_0/Content.xml");
                b.sign_again();
            },
            description(&["duplicate-reference"]),
        ),
        variant(
            "description: 4097 References",
            basic,
            |b| {
                let lines: String = (0..4097)
                    .map(|n| format!("<ofd:Reference FileRef=\"/x/{n}\"><ofd:CheckValue/></ofd:Reference>"))
                    .collect();
                b.pack.replace(DESCRIPTION, "</ofd:References>", &format!("{lines}</ofd:References>"));
            },
            description(&["too-many-references"]),
        ),
        variant(
            "description: Boundary is no area",
            basic,
            |b| b.pack.replace(DESCRIPTION, "50 50 40 40", "50 50 -40 40"),
            description(&["element-invalid"]).says("StampAnnot@Boundary"),
        ),
        variant(
            "description: two Seals",
            basic,
            |b| {
                b.pack.replace(
                    DESCRIPTION,
                    "<ofd:Seal>",
                    "<ofd:Seal><ofd:BaseLoc>/x</ofd:BaseLoc></ofd:Seal><ofd:Seal>",
                )
            },
            description(&["element-invalid"]).says("Seal"),
        ),
    ]
}
