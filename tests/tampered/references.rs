//! References: what the description says of the parts, changed with and without the signer's key.

use yinxin::crypto::digest::sm3;

use crate::bench::{Bench, DESCRIPTION, PAGE, SEAL, VALUE, basic, rich};
use crate::{Expected, Variant, variant};

const MISSING: Expected = Expected::failed("HASH_FAILURE", &["reference-missing"]).axes(&[("intact", "failed")]);
const EDITED: Expected =
    Expected::failed("HASH_FAILURE", &["data-hash-wrong"]).axes(&[("intact", "failed"), ("signature", "ok")]);

/// The description changed; where it says so, by somebody who can sign it.
pub(crate) fn variants() -> Vec<Variant> {
    vec![
        variant("Reference removed", rich, |b| b.pack.cut_reference(PAGE), EDITED),
        variant(
            "Reference removed, signed again",
            rich,
            |b| {
                b.pack.cut_reference(PAGE);
                b.sign_again();
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[PAGE]),
        ),
        variant(
            "all References but the seal's removed, signed again",
            rich,
            |b| {
                b.pack.cut(DESCRIPTION, "<ofd:Reference ", "</ofd:References>");
                b.pack.replace(DESCRIPTION, "</ofd:SignedInfo>", "</ofd:References></ofd:SignedInfo>");
                b.pack.refer(SEAL);
                b.pack.digest_again();
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["coverage-foreign"]),
        ),
        variant(
            "no Reference at all, signed again",
            rich,
            |b| {
                b.pack.cut(DESCRIPTION, "<ofd:Reference ", "</ofd:References>");
                b.pack.replace(DESCRIPTION, "</ofd:SignedInfo>", "</ofd:References></ofd:SignedInfo>");
                b.sign_again();
            },
            Expected::failed("FORMAT_FAILURE", &["coverage-foreign"]),
        ),
        variant(
            "Reference names another file, signed again",
            rich,
            |b| {
                b.pack.add("Doc_0/Pages/copy.xml", b"another");
                b.pack.replace(
                    DESCRIPTION,
                    "FileRef=\"/Doc_0/Pages/Page_0/Content.xml\"",
                    "FileRef=\"/Doc_0/Pages/copy.xml\"",
                );
                b.sign_again();
            },
            Expected::failed("HASH_FAILURE", &["reference-wrong"]).bad(&["/Doc_0/Pages/copy.xml"]),
        ),
        variant(
            "Reference names the copy of a page, the page is changed",
            rich,
            |b| {
                let page = b.pack.get(PAGE).to_vec();
                b.pack.add("Doc_0/Pages/copy.xml", &page);
                b.pack.replace(
                    DESCRIPTION,
                    "FileRef=\"/Doc_0/Pages/Page_0/Content.xml\"",
                    "FileRef=\"/Doc_0/Pages/copy.xml\"",
                );
                b.sign_again();
                b.pack.replace(PAGE, "Writer", "Waiter");
            },
            Expected::unsure("SIG_CONSTRAINTS_FAILURE", &["coverage-partial"]).uncovered(&[PAGE]),
        ),
        variant(
            "Reference names nothing, signed again",
            rich,
            |b| {
                b.pack.replace(
                    DESCRIPTION,
                    "FileRef=\"/Doc_0/Pages/Page_0/Content.xml\"",
                    "FileRef=\"/Doc_0/Pages/none.xml\"",
                );
                b.sign_again();
            },
            MISSING.bad(&["/Doc_0/Pages/none.xml"]),
        ),
        variant(
            "CheckValue changed",
            rich,
            |b| b.pack.replace(DESCRIPTION, "<ofd:CheckValue>", "<ofd:CheckValue>AAAA"),
            Expected::failed("HASH_FAILURE", &["data-hash-wrong", "reference-wrong"]).bad(&["/OFD.xml"]),
        ),
        variant(
            "CheckValue changed, signed again",
            rich,
            |b| {
                b.pack.replace(DESCRIPTION, "<ofd:CheckValue>", "<ofd:CheckValue>AAAA");
                b.sign_again();
            },
            Expected::failed("HASH_FAILURE", &["reference-wrong"]).bad(&["/OFD.xml"]),
        ),
        variant(
            "CheckValue cut to its first bytes, signed again",
            rich,
            |b| {
                b.pack.cut(DESCRIPTION, "<ofd:CheckValue>", "</ofd:CheckValue>");
                b.pack.replace(
                    DESCRIPTION,
                    "FileRef=\"/OFD.xml\">",
                    "FileRef=\"/OFD.xml\"><ofd:CheckValue></ofd:CheckValue>",
                );
                b.sign_again();
            },
            Expected::failed("HASH_FAILURE", &["reference-wrong"]).bad(&["/OFD.xml"]),
        ),
        variant(
            "page and its CheckValue changed",
            rich,
            |b| {
                b.pack.replace(PAGE, "Writer", "Waiter");
                b.pack.digest_again();
            },
            EDITED,
        ),
        variant(
            "page, CheckValue and dataHash changed",
            rich,
            |b| {
                let old = sm3(b.pack.get(DESCRIPTION));
                b.pack.replace(PAGE, "Writer", "Waiter");
                b.pack.digest_again();
                let new = sm3(b.pack.get(DESCRIPTION));
                let value = b.pack.get_mut(VALUE);
                let place = value.windows(old.len()).position(|window| window == old).unwrap();
                value[place..place + new.len()].copy_from_slice(&new);
            },
            Expected::failed("SIG_CRYPTO_FAILURE", &["signature-wrong"]).axes(&[
                ("intact", "ok"),
                ("signature", "failed"),
                ("seal", "ok"),
            ]),
        ),
        variant(
            "CheckMethod MD5, signed again",
            rich,
            |b| check_method(b, "CheckMethod=\"MD5\""),
            NOT_ACCEPTED.says("MD5"),
        ),
        variant("CheckMethod absent, signed again", rich, |b| check_method(b, ""), NOT_ACCEPTED.says("MD5")),
        variant(
            "CheckMethod SHA-1, signed again",
            rich,
            |b| check_method(b, "CheckMethod=\"1.3.14.3.2.26\""),
            NOT_ACCEPTED.says("1.3.14.3.2.26"),
        ),
        variant(
            "CheckMethod unknown, signed again",
            rich,
            |b| check_method(b, "CheckMethod=\"1.2.3.4\""),
            NOT_ACCEPTED.says("1.2.3.4"),
        ),
        variant("CheckMethod empty, signed again", rich, |b| check_method(b, "CheckMethod=\"\""), NOT_ACCEPTED),
        variant(
            "CheckMethod HMAC-SM3, signed again",
            rich,
            |b| check_method(b, "CheckMethod=\"1.2.156.10197.1.401.2\""),
            Expected::failed("FORMAT_FAILURE", &["tolerance-off:sm3-hmac-oid"]),
        ),
        variant(
            "CheckMethod HMAC-SM3, tolerated",
            rich,
            |b| {
                check_method(b, "CheckMethod=\"1.2.156.10197.1.401.2\"");
                b.policy("lenient-field");
            },
            Expected::passed(),
        ),
        variant(
            "CheckMethod names another digest, signed again",
            rich,
            |b| check_method(b, "CheckMethod=\"SHA256\""),
            Expected::failed("HASH_FAILURE", &["reference-wrong"]).axes(&[("intact", "failed")]),
        ),
        variant(
            "CheckMethod changed to MD5",
            basic,
            |b| b.pack.replace(DESCRIPTION, "CheckMethod=\"SM3\"", "CheckMethod=\"MD5\""),
            Expected::failed("HASH_FAILURE", &["data-hash-wrong", "check-method-not-accepted"]),
        ),
    ]
}

const NOT_ACCEPTED: Expected = Expected::unsure("CRYPTO_CONSTRAINTS_FAILURE", &["check-method-not-accepted"]).axes(&[
    ("intact", "unknown"),
    ("algorithm", "failed"),
    ("signature", "ok"),
]);

fn check_method(b: &mut Bench, attribute: &str) {
    b.pack.replace(DESCRIPTION, "CheckMethod=\"SM3\"", attribute);
    b.sign_again();
}
