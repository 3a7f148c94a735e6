//! Material made on the spot: a chain of certificates, a seal, and a small document. Benchmarks and fuzz seeds use it.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

use std::io::{Cursor, Write};

use std::sync::{Arc, LazyLock};

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::sm2::PrivateKey;
use yinxin::crypto::{PublicKey, Signer};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::{Issuer, Publication, Request, ThrowAwayKeys, prepare};
use yinxin::domain::seal::{maker, signing};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::{Evidence, Ground, Policy, Remembered, Report, verify};
use yinxin::format::x509::Certificate;

/// Tables of keys that led to anchors, shared by all that is judged here, as a service shares them.
static REMEMBERED: LazyLock<Remembered> = LazyLock::new(Remembered::default);

/// One signer with a seal, from the root down.
pub(crate) struct Material {
    /// When all of it was made, and is judged.
    pub(crate) now: Timestamp,
    /// The root's certificate.
    pub(crate) root: Vec<u8>,
    /// The signer's key.
    pub(crate) signer_key: PrivateKey,
    /// The signer's certificate.
    pub(crate) signer: Vec<u8>,
    /// The seal.
    pub(crate) seal: Vec<u8>,
}

impl Material {
    /// With these keys for root, maker and signer.
    pub(crate) fn new(root_key: &PrivateKey, maker_key: &PrivateKey, signer_key: PrivateKey, picture: &[u8]) -> Self {
        let now = Timestamp::from_unix(1_800_000_000);
        let root_public = Signer::public_key(root_key);
        let root = certificate(root_key, "演示根", &root_public, "root", now, 1);
        let maker_public = Signer::public_key(maker_key);
        let maker = certificate(root_key, "演示制章", &maker_public, "seal-maker", now, 2);
        let signer_public = Signer::public_key(&signer_key);
        let signer = certificate(root_key, "演示签章人", &signer_public, "seal-signer", now, 3);
        let request = maker::SealRequest {
            es_id: "99000000000001",
            name: "印信演示专用章",
            signers: &[&signer],
            created: now,
            valid_end: now.plus_days(300),
            picture_type: "png",
            picture,
            size_mm: (40, 40),
            kind: 1,
            form: maker::SealForm::V4,
            list: maker::SignerList::Certificates,
        };
        let token = maker::prepare(&request, &maker, maker_key.algorithm(), &policy().algorithms).unwrap();
        let value = maker_key.sign(token.to_sign(), &SystemRandom).unwrap();
        let seal = token.assemble(&value).unwrap();
        Self { now, root, signer_key, signer, seal }
    }

    /// Seals a document on its first page: prepare, sign, assemble.
    pub(crate) fn seal(&self, document: &[u8], lock: bool) -> signing::SealedDocument {
        let place = signing::Placement { page: 1, x_mm: 100.0, y_mm: 200.0, lock };
        let algorithm = self.signer_key.algorithm();
        let token =
            signing::prepare(document, &self.seal, &self.signer, algorithm, &place.into(), self.now, &Limits::DEFAULT)
                .unwrap();
        let value = self.signer_key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    /// The root as the only anchor.
    pub(crate) fn trust(&self) -> TrustAnchors {
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&self.root, "root").unwrap();
        trust
    }

    /// Judges a file on every axis.
    pub(crate) fn judge(&self, bytes: &[u8], trust: &TrustAnchors, policy: &Policy) -> Report {
        let (limits, evidence) = (&Limits::DEFAULT, &Evidence::none());
        verify(
            "file",
            bytes,
            None,
            &Ground { trust, policy, now: self.now, limits, remembered: &REMEMBERED, evidence, log_keys: &[] },
        )
    }
}

/// The policy in force unless another is chosen.
pub(crate) fn policy() -> Policy {
    built_in("default", &|text| hex(&sm3(text))).unwrap()
}

/// A certificate under a built-in profile: a root's own, or one that this root issues.
pub(crate) fn certificate(
    root: &PrivateKey,
    name: &str,
    key: &PublicKey,
    profile: &str,
    now: Timestamp,
    serial: u8,
) -> Vec<u8> {
    let profiles = yinxin::config::profiles::built_in().unwrap();
    let issuer_key = Signer::public_key(root);
    let above =
        if profile == "root" { None } else { Some(certificate(root, "演示根", &issuer_key, "root", now, 1)) };
    let above = above.as_ref().map(|der| Certificate::parse(der).unwrap());
    let publication = &Publication::nowhere();
    let throw_away = &ThrowAwayKeys::new(Arc::new(SystemRandom));
    let algorithm = root.algorithm();
    let issuer = Issuer { certificate: above.as_ref(), key: &issuer_key, algorithm, publication, throw_away };
    // A signer bears the credit code and the number of its seal.
    let (organisation, name) = match profile {
        "seal-signer" => ("99990000000000001F示例市印信演示局", format!("990000000000{serial:02}")),
        _ => ("示例市印信演示局", name.to_owned()),
    };
    let request = Request {
        profile: profiles.require(profile).unwrap(),
        subject: &[(AttributeKind::Organisation, organisation.to_owned()), (AttributeKind::CommonName, name)],
        alternative_names: &[],
        identity: &[],
        key,
        not_before: now.plus_days(-1),
        not_after: Some(now.plus_days(364)),
        serial: &[serial; 16],
        transaction: None,
        name_constraints: None,
    };
    let token = prepare(&request, &issuer, (&policy().algorithms, now)).unwrap();
    let value = root.sign(token.to_sign(), &SystemRandom).unwrap();
    token.assemble(&value).unwrap()
}

/// An OFD package of one page for each text, GB/T 33190-2016; the texts are not drawn.
pub(crate) fn document(pages: &[&str]) -> Vec<u8> {
    const NAMESPACE: &str = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
    let entry = format!(
        "<ofd:OFD {NAMESPACE} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>1</ofd:DocID></ofd:DocInfo>\
         <ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
    );
    let mut list = String::new();
    let mut parts = Vec::new();
    for (index, text) in pages.iter().enumerate() {
        let id = index.saturating_add(2);
        list.push_str(&format!("<ofd:Page ID=\"{id}\" BaseLoc=\"Pages/Page_{index}/Content.xml\"/>"));
        let page = format!("<ofd:Page {NAMESPACE}><ofd:Content><!-- {text} --></ofd:Content></ofd:Page>");
        parts.push((format!("Doc_0/Pages/Page_{index}/Content.xml"), page));
    }
    let root = format!(
        "<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:MaxUnitID>99</ofd:MaxUnitID><ofd:PageArea>\
         <ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData>\
         <ofd:Pages>{list}</ofd:Pages></ofd:Document>"
    );
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let first = [("OFD.xml".to_owned(), entry), ("Doc_0/Document.xml".to_owned(), root)];
    for (name, content) in first.into_iter().chain(parts) {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
