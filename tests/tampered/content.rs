//! Content: changed, removed and added parts, and attacks on the tree that leads to them.

use yinxin::domain::verify::ExtraParts;

use crate::bench::{
    ANNOTATION, Bench, DESCRIPTION, DOCUMENT, IMAGE, Issue, LIST, OFD, PAGE, Party, Plan, RESOURCES, SEAL, TEMPLATE,
    VALUE, basic, ca, rich, stored,
};
use crate::{Expected, Variant, variant};

const CHANGED: Expected = Expected::failed("HASH_FAILURE", &["reference-wrong"]).axes(&[
    ("intact", "failed"),
    ("signature", "ok"),
    ("seal", "ok"),
    ("trusted", "ok"),
    ("time", "ok"),
    ("coverage", "ok"),
]);
const MISSING: Expected = Expected::failed("HASH_FAILURE", &["reference-missing"]).axes(&[("intact", "failed")]);
const EDITED: Expected =
    Expected::failed("HASH_FAILURE", &["data-hash-wrong"]).axes(&[("intact", "failed"), ("signature", "ok")]);
const MALFORMED_DESCRIPTION: &[(&str, &str)] = &[("intact", "failed"), ("signature", "unknown")];

fn two() -> Bench {
    stored("v4_two_seals")
}

fn whole() -> Bench {
    stored("v4_whole_protected")
}

/// Signed by somebody who left OFD.xml out of the References, as many genuine products do.
fn without_entry() -> Bench {
    let mut bench = rich();
    bench.pack.cut_reference(OFD);
    bench.seal_again();
    bench
}

/// Signed by somebody who left one part out.
fn without(part: &str) -> Bench {
    let mut bench = rich();
    bench.pack.cut_reference(part);
    bench.seal_again();
    bench
}

fn second_document(b: &mut Bench, resource: &str) {
    let document = b.pack.text(DOCUMENT).replace("PublicRes.xml", resource);
    let document = document.replace("<ofd:Annotations>Annots/Annotations.xml</ofd:Annotations>", "");
    let page = b.pack.text(PAGE).replace("Writer", "Forger").replace("<ofd:Template TemplateID=\"20\"/>", "");
    b.pack.add("Doc_1/Document.xml", document.as_bytes());
    b.pack.add("Doc_1/Pages/Page_0/Content.xml", page.as_bytes());
}

/// OFD.xml is uncovered; somebody adds a document and a second seal of their own that protects it.
fn with_second_seal(b: &mut Bench, maker: Party, signer: Party) {
    const SECOND: &str = "Doc_0/Signs/Sign_1/Signature.xml";
    second_document(b, "../Doc_0/PublicRes.xml");
    let body = "</ofd:DocBody><ofd:DocBody><ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot></ofd:DocBody>";
    b.pack.replace(OFD, "</ofd:DocBody>", body);
    b.pack.replace(
        LIST,
        "<ofd:MaxSignId>",
        &format!("<ofd:Signature ID=\"s009\" BaseLoc=\"/{SECOND}\"/><ofd:MaxSignId>"),
    );
    let text = b.pack.text(DESCRIPTION).replace("Sign_0", "Sign_1");
    let text = text.replace("/Doc_0/Document.xml", "/Doc_1/Document.xml").replace("/Doc_0/Pages", "/Doc_1/Pages");
    let mut plan = Plan { maker, path: "/Doc_0/Signs/Sign_1/Signature.xml", ..Plan::default() };
    plan.sign_as(signer);
    let seal = plan.seal();
    b.pack.add("Doc_0/Signs/Sign_1/Seal.esl", &seal);
    b.pack.add(SECOND, text.as_bytes());
    b.pack.digest_again_in(SECOND);
    let value = plan.value(&seal, b.pack.get(SECOND));
    b.pack.add("Doc_0/Signs/Sign_1/SignedValue.dat", &value);
}

fn with_a_strangers_seal() -> Bench {
    let mut bench = without_entry();
    let stranger = Issue { name: "a stranger", ..Issue::default() }.by(None);
    with_second_seal(&mut bench, stranger.clone(), stranger);
    bench
}

/// Somebody trusted adds a seal whose References name nothing but the seal itself.
fn with_an_empty_seal(b: &mut Bench) {
    const SECOND: &str = "Doc_0/Signs/Sign_1/Signature.xml";
    b.pack.replace(
        LIST,
        "<ofd:MaxSignId>",
        &format!("<ofd:Signature ID=\"s009\" BaseLoc=\"/{SECOND}\"/><ofd:MaxSignId>"),
    );
    let text = b.pack.text(DESCRIPTION).replace("Sign_0", "Sign_1");
    let (head, rest) = text.split_once("<ofd:Reference ").unwrap();
    let (_, tail) = rest.rsplit_once("</ofd:Reference>").unwrap();
    let own =
        "<ofd:Reference FileRef=\"/Doc_0/Signs/Sign_1/Seal.esl\"><ofd:CheckValue>AAAA</ofd:CheckValue></ofd:Reference>";
    let mut plan = Plan { path: "/Doc_0/Signs/Sign_1/Signature.xml", ..Plan::default() };
    plan.sign_as(Issue::default().by(Some(&ca())));
    let seal = plan.seal();
    b.pack.add("Doc_0/Signs/Sign_1/Seal.esl", &seal);
    b.pack.add(SECOND, format!("{head}{own}{tail}").as_bytes());
    b.pack.digest_again_in(SECOND);
    let value = plan.value(&seal, b.pack.get(SECOND));
    b.pack.add("Doc_0/Signs/Sign_1/SignedValue.dat", &value);
}

pub(crate) fn variants() -> Vec<Variant> {
    let mut all = parts();
    all.extend(attacks_on_the_tree());
    all
}

fn parts() -> Vec<Variant> {
    vec![
        variant(
            "page changed",
            rich,
            |b| b.pack.replace(PAGE, "Writer", "Waiter"),
            CHANGED.bad(&["/Doc_0/Pages/Page_0/Content.xml"]),
        ),
        variant(
            "page changed, large file",
            || stored("v4_riding_right"),
            |b| b.pack.get_mut("Doc_0/Pages/Page_3/Content.xml").push(b'\n'),
            CHANGED.bad(&["/Doc_0/Pages/Page_3/Content.xml"]),
        ),
        variant(
            "template changed",
            rich,
            |b| b.pack.replace(TEMPLATE, "23", "25"),
            CHANGED.bad(&["/Doc_0/Tpls/Tpl_0/Content.xml"]),
        ),
        variant(
            "resource changed",
            rich,
            |b| b.pack.replace(RESOURCES, "宋体", "黑体"),
            CHANGED.bad(&["/Doc_0/PublicRes.xml"]),
        ),
        variant("image changed", rich, |b| b.pack.get_mut(IMAGE)[3] ^= 1, CHANGED.bad(&["/Doc_0/Res/image.png"])),
        variant(
            "annotation changed",
            rich,
            |b| b.pack.replace(ANNOTATION, "0 0 9 9", "0 0 99 99"),
            CHANGED.bad(&["/Doc_0/Annots/Page_0.xml"]),
        ),
        variant(
            "document changed",
            rich,
            |b| b.pack.replace(DOCUMENT, "210 297", "210 148"),
            CHANGED.bad(&["/Doc_0/Document.xml"]),
        ),
        variant(
            "OFD.xml changed",
            rich,
            |b| b.pack.replace(OFD, "2020-04-25", "2030-04-25"),
            CHANGED.bad(&["/OFD.xml"]),
        ),
        variant(
            "two parts changed",
            rich,
            |b| {
                b.pack.get_mut(IMAGE).push(0);
                b.pack.replace(PAGE, "Writer", "Waiter");
            },
            CHANGED.bad(&["/Doc_0/Pages/Page_0/Content.xml", "/Doc_0/Res/image.png"]),
        ),
        variant(
            "seal file changed",
            rich,
            |b| *b.pack.get_mut(SEAL).last_mut().unwrap() ^= 1,
            Expected::failed("HASH_FAILURE", &["reference-wrong", "seal-file-differs"])
                .bad(&["/Doc_0/Signs/Sign_0/Seal.esl"]),
        ),
        variant(
            "protected list of signatures changed",
            whole,
            |b| b.pack.replace(LIST, "s002", "s003"),
            CHANGED.bad(&["/Doc_0/Signs/Signatures.xml"]),
        ),
        variant("description changed", basic, |b| b.pack.replace(DESCRIPTION, "50 50 40 40", "60 50 40 40"), EDITED),
        variant("white space added to the description", basic, |b| b.pack.get_mut(DESCRIPTION).push(b'\n'), EDITED),
        variant("first of two seals: description changed", two, |b| b.pack.get_mut(DESCRIPTION).push(b' '), EDITED),
        variant(
            "second of two seals: description changed",
            two,
            |b| b.pack.get_mut("Doc_0/Signs/Sign_1/Signature.xml").push(b' '),
            EDITED.of_signature(1),
        ),
        variant(
            "second seal's References name the first's files, which change",
            two,
            |b| b.pack.get_mut(SEAL).push(0),
            Expected::failed("HASH_FAILURE", &["reference-wrong"])
                .of_signature(1)
                .bad(&["/Doc_0/Signs/Sign_0/Seal.esl"]),
        ),
        variant(
            "page emptied",
            rich,
            |b| {
                let text = b.pack.text(PAGE);
                let start = text.find("<ofd:Layer").unwrap();
                let end = text.find("</ofd:Content>").unwrap();
                *b.pack.get_mut(PAGE) = format!("{}{}", &text[..start], &text[end..]).into_bytes();
            },
            CHANGED,
        ),
        variant(
            "page removed",
            rich,
            |b| b.pack.remove(PAGE),
            MISSING
                .bad(&["/Doc_0/Pages/Page_0/Content.xml"])
                .warns(&["resource-missing:Doc_0/Pages/Page_0/Content.xml"]),
        ),
        variant("image removed", rich, |b| b.pack.remove(IMAGE), MISSING.bad(&["/Doc_0/Res/image.png"])),
        variant("template removed", rich, |b| b.pack.remove(TEMPLATE), MISSING.bad(&["/Doc_0/Tpls/Tpl_0/Content.xml"])),
        variant(
            "seal file removed",
            rich,
            |b| b.pack.remove(SEAL),
            Expected::failed("HASH_FAILURE", &["reference-missing", "seal-file-missing"]),
        ),
        variant(
            "seal file removed, nothing refers to it",
            rich,
            |b| {
                b.pack.cut_reference(SEAL);
                b.seal_again();
                b.pack.remove(SEAL);
            },
            Expected::failed("FORMAT_FAILURE", &["seal-file-missing"]),
        ),
        variant(
            "document removed",
            rich,
            |b| b.pack.remove(DOCUMENT),
            Expected::refused(&["missing-part"]).part("Doc_0/Document.xml"),
        ),
        variant("OFD.xml removed", rich, |b| b.pack.remove(OFD), Expected::refused(&["missing-part"]).part("OFD.xml")),
        variant(
            "list of signatures removed",
            rich,
            |b| b.pack.remove(LIST),
            Expected::refused(&["missing-part"]).part("Doc_0/Signs/Signatures.xml"),
        ),
        variant(
            "description removed",
            rich,
            |b| b.pack.remove(DESCRIPTION),
            Expected::failed("FORMAT_FAILURE", &["missing-part"]).axes(MALFORMED_DESCRIPTION),
        ),
        variant(
            "signature value removed",
            rich,
            |b| b.pack.remove(VALUE),
            Expected::failed("FORMAT_FAILURE", &["missing-part"]).axes(MALFORMED_DESCRIPTION),
        ),
        variant(
            "part added",
            rich,
            |b| b.pack.add("Doc_0/Attachs/virus.exe", b"MZ"),
            Expected::passed().warns(&["unprotected-extra-part:Doc_0/Attachs/virus.exe"]),
        ),
        variant(
            "part added, refused by policy",
            rich,
            |b| {
                b.pack.add("Doc_0/Attachs/virus.exe", b"MZ");
                b.policy.extra_parts = ExtraParts::Refuse;
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["unprotected-extra-part"]),
        ),
        variant(
            "part added, strict policy",
            rich,
            |b| {
                b.pack.add("Doc_0/Attachs/virus.exe", b"MZ");
                b.policy("strict");
            },
            Expected::unsure("TRY_LATER", &["revocation-unknown", "unprotected-extra-part"]),
        ),
    ]
}

fn attacks_on_the_tree() -> Vec<Variant> {
    vec![
        variant(
            "second seal taken off the list",
            two,
            |b| b.pack.cut(LIST, "<ofd:Signature ID=\"s003\"", "/>"),
            Expected::passed().warns(&["unlisted-signature:Doc_0/Signs/Sign_1/Signature.xml"]),
        ),
        variant(
            "second seal taken off the list, refused by policy",
            two,
            |b| {
                b.pack.cut(LIST, "<ofd:Signature ID=\"s003\"", "/>");
                b.policy.extra_parts = ExtraParts::Refuse;
            },
            Expected::unsure(
                "SIG_CONSTRAINTS_FAILURE",
                &["unprotected-extra-part", "unprotected-extra-part", "unlisted-signature"],
            ),
        ),
        variant(
            "all seals taken off the list",
            basic,
            |b| b.pack.cut(LIST, "<ofd:Signature ID", "/>"),
            Expected::unsigned(),
        ),
        variant(
            "list taken out of OFD.xml",
            basic,
            |b| b.pack.cut(OFD, "<ofd:Signatures>", "</ofd:Signatures>"),
            Expected::unsigned(),
        ),
        variant(
            "one signature listed twice",
            basic,
            |b| {
                let line = "<ofd:Signature ID=\"s001\" Type=\"Seal\" BaseLoc=\"/Doc_0/Signs/Sign_0/Signature.xml\"/>";
                b.pack.replace(LIST, line, &format!("{line}{line}"));
            },
            Expected::refused(&["duplicate-signature"]).part("Doc_0/Signs/Signatures.xml"),
        ),
        variant(
            "OFD.xml uncovered: creator changed",
            without_entry,
            |b| b.pack.replace(OFD, "2020-04-25", "2030-04-25"),
            Expected::passed().warns(&["ofd-xml-uncovered"]),
        ),
        variant(
            "OFD.xml uncovered: DocRoot moved to a foreign document",
            without_entry,
            |b| {
                second_document(b, "Res.xml");
                b.pack.add("Doc_1/Res.xml", b"<ofd:Res xmlns:ofd=\"http://www.ofdspec.org/2016\" BaseLoc=\"Res\"/>");
                b.pack.replace(OFD, "Doc_0/Document.xml", "Doc_1/Document.xml");
            },
            Expected::failed("FORMAT_FAILURE", &["coverage-foreign"]).axes(&[
                ("intact", "ok"),
                ("signature", "ok"),
                ("coverage", "failed"),
            ]),
        ),
        variant(
            "OFD.xml uncovered: DocRoot moved, one signed part still shown",
            without_entry,
            |b| {
                second_document(b, "../Doc_0/PublicRes.xml");
                b.pack.replace(OFD, "Doc_0/Document.xml", "Doc_1/Document.xml");
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).says("Doc_1/Document.xml").uncovered(&[
                "Doc_1/Document.xml",
                "Doc_1/Pages/Page_0/Content.xml",
                "OFD.xml",
            ]),
        ),
        variant(
            "OFD.xml uncovered: a second document added",
            without_entry,
            |b| {
                second_document(b, "../Doc_0/PublicRes.xml");
                b.pack.replace(
                    OFD,
                    "</ofd:DocBody>",
                    "</ofd:DocBody><ofd:DocBody><ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot></ofd:DocBody>",
                );
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).axes(&[("coverage", "warning")]),
        ),
        variant(
            "a document added under a stranger's seal: the stranger",
            with_a_strangers_seal,
            |_| {},
            Expected::unsure("NO_CERTIFICATE_CHAIN_FOUND", &["no-certificate-chain"]).of_signature(1),
        ),
        variant(
            "a document added under a stranger's seal: the first signer does not vouch for it",
            with_a_strangers_seal,
            |_| {},
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"])
                .axes(&[("intact", "ok"), ("signature", "ok"), ("trusted", "ok"), ("coverage", "warning")])
                .says("Doc_1/Document.xml"),
        ),
        variant(
            "a document added under the seal of somebody trusted",
            without_entry,
            |b| with_second_seal(b, Party::stored("maker"), Issue::default().by(Some(&ca()))),
            Expected::passed(),
        ),
        variant(
            "a second seal that says nothing about the document",
            rich,
            with_an_empty_seal,
            Expected::failed("FORMAT_FAILURE", &["coverage-foreign"]).of_signature(1).axes(&[
                ("signature", "ok"),
                ("intact", "ok"),
                ("coverage", "failed"),
            ]),
        ),
        variant(
            "OFD.xml uncovered: two DocRoots",
            without_entry,
            |b| {
                b.pack.replace(OFD, "<ofd:DocRoot>", "<ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot><ofd:DocRoot>");
            },
            Expected::refused(&["element-invalid"]).part("OFD.xml"),
        ),
        variant(
            "page added to the document",
            rich,
            |b| {
                b.pack.replace(
                    DOCUMENT,
                    "</ofd:Pages>",
                    "<ofd:Page ID=\"30\" BaseLoc=\"Pages/Page_1/Content.xml\"/></ofd:Pages>",
                );
                let page = b.pack.get(PAGE).to_vec();
                b.pack.add("Doc_0/Pages/Page_1/Content.xml", &page);
            },
            Expected::failed("HASH_FAILURE", &["reference-wrong"])
                .bad(&["/Doc_0/Document.xml"])
                .axes(&[("coverage", "warning")]),
        ),
        variant(
            "document uncovered: page added",
            || without(DOCUMENT),
            |b| {
                b.pack.replace(
                    DOCUMENT,
                    "</ofd:Pages>",
                    "<ofd:Page ID=\"30\" BaseLoc=\"Pages/Page_1/Content.xml\"/></ofd:Pages>",
                );
                let page = b.pack.get(PAGE).to_vec();
                b.pack.add("Doc_0/Pages/Page_1/Content.xml", &page);
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"])
                .uncovered(&["Doc_0/Document.xml", "Doc_0/Pages/Page_1/Content.xml"]),
        ),
        variant(
            "page uncovered: page changed",
            || without(PAGE),
            |b| b.pack.replace(PAGE, "Writer", "Waiter"),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[PAGE]),
        ),
        variant(
            "resource uncovered",
            || without(RESOURCES),
            |b| b.pack.replace(RESOURCES, "宋体", "黑体"),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[RESOURCES]),
        ),
        variant(
            "image uncovered",
            || without(IMAGE),
            |b| b.pack.get_mut(IMAGE).push(0),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[IMAGE]),
        ),
        variant(
            "annotation uncovered",
            || without(ANNOTATION),
            |b| b.pack.replace(ANNOTATION, "0 0 9 9", "0 0 99 99"),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[ANNOTATION]),
        ),
        variant(
            "template uncovered",
            || without(TEMPLATE),
            |b| b.pack.replace(TEMPLATE, "23", "25"),
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[TEMPLATE]),
        ),
    ]
}
