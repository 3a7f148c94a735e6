//! The bench on which sealed files are taken apart, changed, and sealed again with the test keys.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::LazyLock;

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::config::verification::built_in;
use yinxin::crypto::algorithm::OID_SM2_WITH_SM3;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::sm2::PrivateKey;
use yinxin::crypto::{PublicKey, Signer as _};
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::domain::trust::{CheckedList, TrustAnchors, add_trust_list};
use yinxin::domain::verify::{Evidence, Ground, Policy, Remembered, Report, verify};
use yinxin::format::der::{ObjectIdentifier, Reader, Writer};
use yinxin::format::keys::{read_pem, write_sm2_signature};
use yinxin::format::ses::{Layout, NewSeal, NewSignature, NewSigners, SesSignature};
use yinxin::format::x509::extension::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use yinxin::format::x509::{BasicConstraints, Certificate, KeyUsage, NewCertificate, NewExtension, NewName};

use crate::archive;

/// Tables of keys that led to anchors, shared by all that is judged here, as a service shares them.
static REMEMBERED: LazyLock<Remembered> = LazyLock::new(Remembered::default);

pub(crate) const OFD: &str = "OFD.xml";
pub(crate) const DOCUMENT: &str = "Doc_0/Document.xml";
pub(crate) const PAGE: &str = "Doc_0/Pages/Page_0/Content.xml";
pub(crate) const RESOURCES: &str = "Doc_0/PublicRes.xml";
pub(crate) const LIST: &str = "Doc_0/Signs/Signatures.xml";
pub(crate) const DESCRIPTION: &str = "Doc_0/Signs/Sign_0/Signature.xml";
pub(crate) const SEAL: &str = "Doc_0/Signs/Sign_0/Seal.esl";
pub(crate) const VALUE: &str = "Doc_0/Signs/Sign_0/SignedValue.dat";
pub(crate) const TEMPLATE: &str = "Doc_0/Tpls/Tpl_0/Content.xml";
pub(crate) const IMAGE: &str = "Doc_0/Res/image.png";
pub(crate) const ANNOTATION: &str = "Doc_0/Annots/Page_0.xml";

/// The moment that an RFC 3339 text names.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

pub(crate) fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

pub(crate) fn certificate(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(vectors().join("keys").join(name)).unwrap();
    read_pem(&text, "CERTIFICATE").unwrap().remove(0)
}

/// Somebody with a key and a certificate for it.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) scalar: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

impl Party {
    pub(crate) fn stored(name: &str) -> Self {
        let text = fs::read_to_string(vectors().join(format!("keys/{name}.key.pem"))).unwrap();
        let pkcs8 = read_pem(&text, "PRIVATE KEY").unwrap().remove(0);
        let mut info = Reader::new(&pkcs8).sequence("PrivateKeyInfo").unwrap();
        info.small("version").unwrap();
        info.sequence("algorithm").unwrap();
        let inner = info.octet_string("privateKey").unwrap();
        let mut key = Reader::new(inner).sequence("ECPrivateKey").unwrap();
        key.small("version").unwrap();
        let scalar = key.octet_string("privateKey").unwrap().to_vec();
        Self { scalar, certificate: certificate(&format!("{name}.pem")) }
    }

    pub(crate) fn key(&self) -> PrivateKey {
        PrivateKey::from_bytes(&self.scalar).unwrap()
    }

    /// An SM2 value in DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        write_sm2_signature(&self.key().sign(message, &SystemRandom).unwrap())
    }
}

pub(crate) fn ca() -> Party {
    Party::stored("ca")
}

/// What a certificate shall say that is made for one variant.
pub(crate) struct Issue {
    pub(crate) name: &'static str,
    /// Fills the scalar; one number is one key.
    pub(crate) key: u8,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) constraints: BasicConstraints,
    pub(crate) usage: u16,
}

impl Default for Issue {
    fn default() -> Self {
        Self {
            name: "another signer",
            key: 0x31,
            from: "2020-01-01T00:00:00Z",
            to: "2045-01-01T00:00:00Z",
            constraints: BasicConstraints::default(),
            usage: KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION,
        }
    }
}

impl Issue {
    pub(crate) fn authority(name: &'static str, key: u8) -> Self {
        let constraints = BasicConstraints { authority: true, path_length: None };
        Self { name, key, constraints, usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN, ..Self::default() }
    }

    /// Issued by that party; by itself where there is none.
    pub(crate) fn by(self, issuer: Option<&Party>) -> Party {
        self.for_key(vec![self.key; 32], issuer)
    }

    /// The same for a key that exists already.
    pub(crate) fn for_key(&self, scalar: Vec<u8>, issuer: Option<&Party>) -> Party {
        let subject = NewName { organisation: "test".to_owned(), common_name: self.name.to_owned() };
        let own = PrivateKey::from_bytes(&scalar).unwrap();
        let public_key = subject_public_key_info(&PublicKey::Sm2(own.public_key()));
        let issuer_name = issuer.map_or_else(
            || subject.to_der(),
            |issuer| Certificate::parse(&issuer.certificate).unwrap().subject.raw().to_vec(),
        );
        let tbs = NewCertificate {
            serial: &[self.key, 1],
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &issuer_name,
            not_before: at(self.from),
            not_after: at(self.to),
            subject: &subject.to_der(),
            public_key: &public_key,
            extensions: &[
                NewExtension::new(true, &self.constraints),
                NewExtension::new(true, &KeyUsage(self.usage)),
                NewExtension::new(false, &SubjectKeyIdentifier(&[self.key; 20])),
                NewExtension::new(
                    false,
                    &AuthorityKeyIdentifier { key_identifier: Some(&[0; 20]), ..AuthorityKeyIdentifier::default() },
                ),
            ],
        }
        .to_tbs();
        let made = Party { scalar, certificate: Vec::new() };
        let value = issuer.unwrap_or(&made).sign(&tbs);
        Party { certificate: NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &value), ..made }
    }
}

/// The parts of a package, in order.
#[derive(Clone)]
pub(crate) struct Pack(pub(crate) Vec<(String, Vec<u8>)>);

impl Pack {
    pub(crate) fn stored(name: &str) -> Self {
        let bytes = fs::read(vectors().join(format!("ofd/accept/{name}.ofd"))).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            if entry.is_file() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                parts.push((entry.name().unwrap().into_owned(), content));
            }
        }
        Self(parts)
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no part {name}")).1
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no part {name}")).1
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.get(name).to_vec()).unwrap()
    }

    pub(crate) fn add(&mut self, name: &str, content: &[u8]) {
        self.0.push((name.to_owned(), content.to_vec()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.get(name);
        self.0.retain(|(known, _)| known != name);
    }

    /// Replaces the first occurrence; there must be one.
    pub(crate) fn replace(&mut self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{name} does not contain {from}");
        *self.get_mut(name) = text.replacen(from, to, 1).into_bytes();
    }

    /// Removes from `from` up to and with the next `to`.
    pub(crate) fn cut(&mut self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        let start = text.find(from).unwrap_or_else(|| panic!("{name} does not contain {from}"));
        let end = start + text[start..].find(to).unwrap() + to.len();
        *self.get_mut(name) = format!("{}{}", &text[..start], &text[end..]).into_bytes();
    }

    /// Removes the Reference to a part.
    pub(crate) fn cut_reference(&mut self, part: &str) {
        self.cut(DESCRIPTION, &format!("<ofd:Reference FileRef=\"/{part}\">"), "</ofd:Reference>");
    }

    /// Adds a Reference to a part; its digest is filled in by [`Self::digest_again`].
    pub(crate) fn refer(&mut self, part: &str) {
        let line = format!(
            "<ofd:Reference FileRef=\"/{part}\"><ofd:CheckValue></ofd:CheckValue></ofd:Reference></ofd:References>"
        );
        self.replace(DESCRIPTION, "</ofd:References>", &line);
    }

    /// Writes the SM3 of every referenced part that exists into the description.
    pub(crate) fn digest_again(&mut self) {
        self.digest_again_in(DESCRIPTION);
    }

    pub(crate) fn digest_again_in(&mut self, description: &str) {
        let text = self.text(description);
        let (open, close) = ("<ofd:CheckValue>", "</ofd:CheckValue>");
        let mut written = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("FileRef=\"/") {
            let (name, after) = after.split_once('"').unwrap();
            let (between, after) = after.split_once(open).unwrap();
            let (old, after) = after.split_once(close).unwrap();
            let known = self.0.iter().find(|(known, _)| known == name);
            let value = known.map_or_else(|| old.to_owned(), |(_, content)| STANDARD.encode(sm3(content)));
            written.push_str(&format!("{before}FileRef=\"/{name}\"{between}{open}{value}{close}"));
            rest = after;
        }
        written.push_str(rest);
        *self.get_mut(description) = written.into_bytes();
    }

    /// The package as a plain archive.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        archive::write(&self.entries())
    }

    pub(crate) fn entries(&self) -> Vec<archive::Entry> {
        self.0.iter().map(|(name, content)| archive::Entry::new(name, content)).collect()
    }
}

/// What a seal and a signature shall say when they are made again.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) header: &'static str,
    pub(crate) seal_version: u32,
    pub(crate) name: &'static str,
    pub(crate) list_type: u32,
    pub(crate) list: Vec<Vec<u8>>,
    pub(crate) created: Timestamp,
    pub(crate) valid: [Timestamp; 2],
    pub(crate) utc_times: bool,
    pub(crate) picture: Vec<u8>,
    /// `Some(critical)` writes the flag out, `None` leaves it out.
    pub(crate) extensions: Vec<Option<bool>>,
    pub(crate) maker: Party,
    pub(crate) version: u32,
    pub(crate) time: Timestamp,
    /// The digest of the description where none is given.
    pub(crate) data_hash: Option<Vec<u8>>,
    pub(crate) path: &'static str,
    pub(crate) signer: Party,
    /// Gives the seal's own time stamp over the octets of the maker's value.
    pub(crate) time_stamp: Option<Stamping>,
}

/// Gives a token over octets.
pub(crate) type Stamping = fn(&[u8]) -> Vec<u8>;

impl Default for Plan {
    fn default() -> Self {
        let signer = Party::stored("signer");
        Self {
            header: "ES",
            seal_version: 4,
            name: "测试单位电子印章",
            list_type: 1,
            list: vec![signer.certificate.clone()],
            created: at("2020-01-01T00:00:00Z"),
            valid: [at("2020-01-01T00:00:00Z"), at("2040-01-01T00:00:00Z")],
            utc_times: false,
            picture: vec![0x89; 40],
            extensions: Vec::new(),
            maker: Party::stored("maker"),
            version: 4,
            time: at("2025-06-01T02:03:04Z"),
            data_hash: None,
            path: "/Doc_0/Signs/Sign_0/Signature.xml",
            signer,
            time_stamp: None,
        }
    }
}

impl Plan {
    pub(crate) fn sign_as(&mut self, party: Party) {
        self.list = vec![party.certificate.clone()];
        self.signer = party;
    }

    /// `eSealInfo`, also in the forms that the product itself never writes.
    fn info(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|info| {
            info.sequence(|header| {
                header.ia5(self.header).small(self.seal_version).ia5("YINXIN");
            });
            info.ia5("11010100000001");
            info.sequence(|property| {
                property.small(1).utf8(self.name).small(self.list_type);
                property.sequence(|list| {
                    for entry in &self.list {
                        if self.list_type == 2 {
                            list.sequence(|digest| {
                                digest.printable("SM3").octet_string(entry);
                            });
                        } else {
                            list.octet_string(entry);
                        }
                    }
                });
                for moment in [self.created, self.valid[0], self.valid[1]] {
                    if self.utc_times {
                        property.time(moment)
                    } else {
                        property.generalized_time(moment)
                    };
                }
            });
            info.sequence(|picture| {
                picture.ia5("PNG").octet_string(&self.picture).small(40).small(40);
            });
            if !self.extensions.is_empty() {
                info.sequence(|list| {
                    for critical in &self.extensions {
                        list.sequence(|extension| {
                            extension.oid(ObjectIdentifier::new_unwrap("1.2.3.4"));
                            if let Some(critical) = critical {
                                extension.boolean(*critical);
                            }
                            extension.octet_string(&[1]);
                        });
                    }
                });
            }
        });
        writer.into_bytes()
    }

    pub(crate) fn seal(&self) -> Vec<u8> {
        let (info, layout) = (self.info(), if self.seal_version == 5 { Layout::V5 } else { Layout::V4 });
        let value = self.maker.sign(&info);
        let token = self.time_stamp.map(|stamp| stamp(&value));
        let value = (&value[..], token.as_deref());
        NewSeal::assemble_stamped(layout, &info, &self.maker.certificate, OID_SM2_WITH_SM3, value)
    }

    /// The value over that description with that seal.
    pub(crate) fn value(&self, seal: &[u8], description: &[u8]) -> Vec<u8> {
        let digest = sm3(description);
        let data_hash = self.data_hash.as_deref().unwrap_or(&digest);
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            tbs.small(self.version).raw(seal).generalized_time(self.time);
            tbs.bit_string(data_hash).ia5(self.path);
        });
        let tbs = writer.into_bytes();
        NewSignature::assemble(Layout::V4, &tbs, &self.signer.certificate, OID_SM2_WITH_SM3, &self.signer.sign(&tbs))
    }

    /// The same seal through the product's own writer, where that can write it.
    pub(crate) fn plain_info(&self) -> Vec<u8> {
        let certificates: Vec<&[u8]> = self.list.iter().map(Vec::as_slice).collect();
        NewSeal {
            layout: Layout::V4,
            vendor: "YINXIN",
            es_id: "11010100000001",
            kind: 1,
            name: self.name,
            signers: NewSigners::Certificates(&certificates),
            created: self.created,
            valid_start: self.valid[0],
            valid_end: self.valid[1],
            picture_type: "PNG",
            picture: &self.picture,
            width: 40,
            height: 40,
        }
        .to_info()
    }

    pub(crate) fn own_info(&self) -> Vec<u8> {
        self.info()
    }
}

/// One file on its way to being judged.
pub(crate) struct Bench {
    pub(crate) pack: Pack,
    pub(crate) plan: Plan,
    /// The archive, where it is not simply the pack.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) policy: Policy,
    pub(crate) anchors: Vec<Vec<u8>>,
    pub(crate) others: Vec<Vec<u8>>,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    /// Revocation lists that are at hand.
    pub(crate) crls: Vec<Vec<u8>>,
    /// Time stamps that are at hand.
    pub(crate) tokens: Vec<Vec<u8>>,
    /// Proofs and receipts of logs that are at hand.
    pub(crate) log_proofs: Vec<String>,
    /// Keys of logs that are known.
    pub(crate) log_keys: Vec<Verifier>,
    /// Trust lists beside the anchors.
    pub(crate) lists: Vec<CheckedList>,
}

pub(crate) fn policy(name: &str) -> Policy {
    built_in(name, &|text| hex(&sm3(text))).unwrap()
}

/// The parts of a signature value outside of what is signed, for [`Bench::rebuild`].
pub(crate) struct Outside {
    pub(crate) certificate: Vec<u8>,
    pub(crate) algorithm: ObjectIdentifier,
    pub(crate) value: Vec<u8>,
}

impl Bench {
    pub(crate) fn of(pack: Pack) -> Self {
        Self {
            pack,
            plan: Plan::default(),
            bytes: None,
            policy: policy("default"),
            anchors: vec![certificate("ca.pem"), certificate("rsa_ca.pem")],
            others: Vec::new(),
            crls: Vec::new(),
            tokens: Vec::new(),
            log_proofs: Vec::new(),
            log_keys: Vec::new(),
            lists: Vec::new(),
            now: at("2026-11-23T00:00:00Z"),
            limits: Limits::DEFAULT,
        }
    }

    pub(crate) fn policy(&mut self, name: &str) {
        self.policy = policy(name);
    }

    /// Seals again by the plan: seal, digests, value. For an attacker who holds the keys of the plan.
    pub(crate) fn seal_again(&mut self) {
        *self.pack.get_mut(SEAL) = self.plan.seal();
        self.pack.digest_again();
        self.sign_again();
    }

    /// A new value over the description as it is, with the seal of the seal file.
    pub(crate) fn sign_again(&mut self) {
        let value = self.plan.value(self.pack.get(SEAL), self.pack.get(DESCRIPTION));
        *self.pack.get_mut(VALUE) = value;
    }

    /// Changes what the signature value carries outside of its signed bytes.
    pub(crate) fn rebuild(&mut self, change: impl FnOnce(&mut Outside)) {
        let bytes = self.pack.get(VALUE).to_vec();
        let parsed = SesSignature::parse(&bytes).unwrap();
        let mut outside = Outside {
            certificate: parsed.certificate.to_vec(),
            algorithm: parsed.signature_algorithm,
            value: parsed.signature.to_vec(),
        };
        change(&mut outside);
        *self.pack.get_mut(VALUE) = NewSignature::assemble(
            parsed.seal.layout,
            parsed.tbs,
            &outside.certificate,
            outside.algorithm,
            &outside.value,
        );
    }

    pub(crate) fn trust(&self) -> TrustAnchors {
        let mut trust = TrustAnchors::none();
        for anchor in &self.anchors {
            trust.add_anchors(anchor, "test anchor").unwrap();
        }
        for other in &self.others {
            trust.add_certificates(other, "test certificate").unwrap();
        }
        self.lists.iter().for_each(|list| add_trust_list(&mut trust, list));
        trust
    }

    pub(crate) fn judge(&self, name: &str) -> Report {
        let trust = self.trust();
        let mut evidence = Evidence::none();
        self.crls.iter().for_each(|list| evidence.add_crl(list).unwrap());
        self.tokens.iter().for_each(|token| evidence.add_token(token).unwrap());
        for proof in &self.log_proofs {
            let is_receipt = proof.starts_with("yinxin promise");
            let proof = proof.as_bytes();
            if is_receipt { evidence.add_log_receipt(proof).unwrap() } else { evidence.add_log_proof(proof).unwrap() }
        }
        let ground = Ground {
            trust: &trust,
            policy: &self.policy,
            now: self.now,
            limits: &self.limits,
            remembered: &REMEMBERED,
            evidence: &evidence,
            log_keys: &self.log_keys,
        };
        let bytes = self.bytes.clone().unwrap_or_else(|| self.pack.to_bytes());
        verify(name, &bytes, None, &ground)
    }
}

/// A file as it was stored.
pub(crate) fn stored(name: &str) -> Bench {
    Bench::of(Pack::stored(name))
}

pub(crate) fn basic() -> Bench {
    stored("v4_basic")
}

/// A small file of our own: page, template, image, annotation, everything signed, a seal with a small picture.
pub(crate) fn rich() -> Bench {
    const XMLNS: &str = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
    let mut bench = basic();
    let pack = &mut bench.pack;
    pack.replace(
        DOCUMENT,
        "</ofd:CommonData>",
        "<ofd:TemplatePage ID=\"20\" BaseLoc=\"Tpls/Tpl_0/Content.xml\"/></ofd:CommonData>",
    );
    pack.replace(
        DOCUMENT,
        "</ofd:Document>",
        "<ofd:Annotations>Annots/Annotations.xml</ofd:Annotations></ofd:Document>",
    );
    pack.replace(PAGE, "<ofd:Content>", "<ofd:Template TemplateID=\"20\"/><ofd:Content>");
    pack.replace(
        PAGE,
        "</ofd:Layer>",
        "<ofd:ImageObject ID=\"22\" Boundary=\"1 1 9 9\" ResourceID=\"21\"/></ofd:Layer>",
    );
    let media = "<ofd:MultiMedias><ofd:MultiMedia ID=\"21\" Type=\"Image\"><ofd:MediaFile>image.png</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias></ofd:Res>";
    pack.replace(RESOURCES, "</ofd:Res>", media);
    pack.add(
        TEMPLATE,
        format!("<ofd:Page {XMLNS}><ofd:Content><ofd:Layer ID=\"23\"/></ofd:Content></ofd:Page>").as_bytes(),
    );
    pack.add(IMAGE, b"\x89PNG: a picture");
    let list = format!(
        "<ofd:Annotations {XMLNS}><ofd:Page PageID=\"1\"><ofd:FileLoc>Page_0.xml</ofd:FileLoc></ofd:Page></ofd:Annotations>"
    );
    pack.add("Doc_0/Annots/Annotations.xml", list.as_bytes());
    let annotation = format!(
        "<ofd:PageAnnot {XMLNS}><ofd:Annot ID=\"24\" Type=\"Stamp\"><ofd:Appearance Boundary=\"0 0 9 9\"/></ofd:Annot></ofd:PageAnnot>"
    );
    pack.add(ANNOTATION, annotation.as_bytes());
    for part in [TEMPLATE, IMAGE, "Doc_0/Annots/Annotations.xml", ANNOTATION] {
        pack.refer(part);
    }
    bench.seal_again();
    bench
}
