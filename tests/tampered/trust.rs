//! Anchors and paths: who answers for the signer's key and the maker's.

use yinxin::format::x509::{BasicConstraints, KeyUsage};

use crate::bench::{Bench, Issue, Party, basic, ca, certificate, rich};
use crate::{Expected, Variant, variant};

const NO_PATH: Expected = Expected::unsure("NO_CERTIFICATE_CHAIN_FOUND", &["no-certificate-chain"]).axes(&[
    ("intact", "ok"),
    ("signature", "ok"),
    ("seal", "ok"),
    ("trusted", "unknown"),
    ("revocation", "unknown"),
]);

/// Signed by somebody whom these authorities lead to: the last is the issuer, the first the only anchor beside the
/// maker's.
fn chain(b: &mut Bench, authorities: &[Party]) {
    let (anchor, between) = authorities.split_first().unwrap();
    b.anchors.push(anchor.certificate.clone());
    b.others = between.iter().map(|authority| authority.certificate.clone()).collect();
    b.plan.sign_as(Issue::default().by(authorities.last()));
    b.seal_again();
}

fn root() -> Party {
    Issue::authority("root", 0x41).by(None)
}

fn limited(length: u32) -> Party {
    let constraints = BasicConstraints { authority: true, path_length: Some(length) };
    Issue { constraints, ..Issue::authority("root", 0x41) }.by(None)
}

fn below(issuer: &Party, name: &'static str, key: u8) -> Party {
    Issue::authority(name, key).by(Some(issuer))
}

pub(crate) fn variants() -> Vec<Variant> {
    vec![
        variant("no anchor", basic, |b| b.anchors.clear(), NO_PATH.says("no trust anchor was given")),
        variant(
            "anchor of somebody else",
            basic,
            |b| b.anchors = vec![certificate("rsa_ca.pem")],
            NO_PATH.says("RefPeer SM2 Root is at hand"),
        ),
        variant(
            "anchor of the same name with another key",
            basic,
            |b| {
                let same_name = rename(&ca());
                b.anchors = vec![same_name];
            },
            NO_PATH.says("the issuer's signature on it is wrong"),
        ),
        variant(
            "issuer at hand but not trusted",
            basic,
            |b| {
                b.others = vec![certificate("ca.pem")];
                b.anchors = vec![certificate("rsa_ca.pem")];
            },
            NO_PATH,
        ),
        variant(
            "chain of three",
            rich,
            |b| {
                let root = root();
                let middle = below(&root, "middle", 0x42);
                chain(b, &[root, middle]);
            },
            Expected::passed(),
        ),
        variant(
            "intermediate missing",
            rich,
            |b| {
                let root = root();
                let middle = below(&root, "middle", 0x42);
                chain(b, &[root, middle]);
                b.others.clear();
            },
            NO_PATH.says("no certificate of the issuer"),
        ),
        variant(
            "anchor that is no authority",
            rich,
            |b| {
                let root =
                    Issue { constraints: BasicConstraints::default(), ..Issue::authority("root", 0x41) }.by(None);
                chain(b, &[root]);
            },
            NO_PATH.says("it is not an authority"),
        ),
        variant(
            "issued by another signer",
            rich,
            |b| {
                let root = root();
                let signer = Issue { name: "a signer", key: 0x43, ..Issue::default() }.by(Some(&root));
                chain(b, &[root, signer]);
            },
            NO_PATH.says("it is not an authority"),
        ),
        variant(
            "path length exceeded",
            rich,
            |b| {
                let root = limited(0);
                let middle = below(&root, "middle", 0x42);
                chain(b, &[root, middle]);
            },
            NO_PATH.says("its path length of 0 is exceeded"),
        ),
        variant(
            "path length just kept",
            rich,
            |b| {
                let root = limited(1);
                let middle = below(&root, "middle", 0x42);
                chain(b, &[root, middle]);
            },
            Expected::passed(),
        ),
        variant("path length of 0 and no intermediate", rich, |b| chain(b, &[limited(0)]), Expected::passed()),
        variant(
            "authority that may not sign certificates",
            rich,
            |b| {
                let root = Issue { usage: KeyUsage::CRL_SIGN, ..Issue::authority("root", 0x41) }.by(None);
                chain(b, &[root]);
            },
            NO_PATH.says("its key usage does not allow it to sign certificates"),
        ),
        variant(
            "authority ended before signing",
            rich,
            |b| {
                let root = Issue { to: "2025-06-01T02:03:03Z", ..Issue::authority("root", 0x41) }.by(None);
                chain(b, &[root]);
            },
            NO_PATH.says("it was valid until 2025-06-01T02:03:03Z, and the time in question is later"),
        ),
        variant(
            "authority began after signing",
            rich,
            |b| {
                let root = Issue { from: "2025-06-01T02:03:05Z", ..Issue::authority("root", 0x41) }.by(None);
                chain(b, &[root]);
            },
            NO_PATH.says("it is not valid before 2025-06-01T02:03:05Z, and the time in question is earlier"),
        ),
        variant(
            "authority ended after signing",
            rich,
            |b| {
                let root = Issue { to: "2025-06-01T02:03:04Z", ..Issue::authority("root", 0x41) }.by(None);
                chain(b, &[root]);
            },
            Expected::passed(),
        ),
        variant(
            "intermediate issued by somebody else under the root's name",
            rich,
            |b| {
                let impostor = Issue::authority("root", 0x51).by(None);
                let middle = below(&impostor, "middle", 0x42);
                chain(b, &[root(), middle]);
            },
            NO_PATH.says("the issuer's signature on it is wrong"),
        ),
        variant(
            "path longer than the limit",
            rich,
            |b| {
                let mut authorities = vec![root()];
                for (key, name) in (0x61..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
                    authorities.push(below(authorities.last().unwrap(), name, key));
                }
                chain(b, &authorities);
            },
            NO_PATH.says("the search for a path was given up"),
        ),
        variant(
            "authorities that certify each other",
            rich,
            |b| {
                let (one, two) = (Issue::authority("one", 0x71).by(None), Issue::authority("two", 0x72).by(None));
                let one_by_two = Issue::authority("one", 0x71).by(Some(&two));
                let two_by_one = Issue::authority("two", 0x72).by(Some(&one));
                b.others = vec![one_by_two.certificate.clone(), two_by_one.certificate];
                b.plan.sign_as(Issue::default().by(Some(&one_by_two)));
                b.seal_again();
            },
            NO_PATH.says("no certificate of the issuer C=CN, O=test, CN=one is at hand"),
        ),
        variant(
            "self-signed signer",
            rich,
            |b| {
                b.plan.sign_as(Issue::default().by(None));
                b.seal_again();
            },
            NO_PATH.says("signer"),
        ),
        variant(
            "self-signed signer calls itself the anchor",
            rich,
            |b| {
                let own = Issue { name: "root", ..Issue::authority("root", 0x31) };
                b.plan.sign_as(own.by(None));
                b.anchors.push(root().certificate);
                b.seal_again();
            },
            Expected::unsure("NO_CERTIFICATE_CHAIN_FOUND", &["no-certificate-chain", "signer-key-usage"])
                .says("the issuer's signature on it is wrong"),
        ),
        variant(
            "revocation unknown, strict policy",
            basic,
            |b| b.policy("strict"),
            Expected::unsure("TRY_LATER", &["revocation-unknown"])
                .axes(&[("trusted", "ok"), ("revocation", "unknown")]),
        ),
        variant(
            "no anchor, strict policy",
            basic,
            |b| {
                b.policy("strict");
                b.anchors.clear();
            },
            NO_PATH,
        ),
    ]
}

/// A self-signed certificate of that subject with another key.
fn rename(party: &Party) -> Vec<u8> {
    use yinxin::crypto::PublicKey;
    use yinxin::crypto::algorithm::OID_SM2_WITH_SM3;
    use yinxin::domain::trust::key::subject_public_key_info;
    use yinxin::format::der::Writer;
    use yinxin::format::x509::{Certificate, NewCertificate};

    let impostor = root();
    let old = Certificate::parse(&party.certificate).unwrap();
    let key = subject_public_key_info(&PublicKey::Sm2(impostor.key().public_key()));
    let mut tbs = Writer::new();
    // The old signed part with its key replaced, byte for byte.
    let place = old.tbs.windows(old.public_key.raw.len()).position(|window| window == old.public_key.raw).unwrap();
    let mut bytes = old.tbs.to_vec();
    bytes.splice(place..place + old.public_key.raw.len(), key);
    tbs.raw(&bytes);
    let tbs = tbs.into_bytes();
    NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &impostor.sign(&tbs))
}
