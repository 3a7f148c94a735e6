//! The fuzzers' committed seeds: made by our own writers, read by our own readers. `UPDATE=1` writes them anew.
//!
//! Keys are fixed, so that a seed changes only when a writer does. The pictures are words.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::crypto::algorithm::{OID_SM2_WITH_SM3, OID_SM3};
use yinxin::crypto::sm2::{self, PrivateKey};
use yinxin::crypto::{PublicKey, Signer, rsa};
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::audit::statement::Statement;
use yinxin::domain::audit::{Actor, Entry, Event, EventBody};
use yinxin::domain::ca::job_file::{self, RowOrder};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::seal::import_table::{self, COLUMNS};
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::domain::trust::{AlgorithmPolicy, CheckedList};
use yinxin::domain::verify::Indication;
use yinxin::format::backup::BackupManifest;
use yinxin::format::cms::ber;
use yinxin::format::cms::{
    ContentType, EnvelopedData, Family, NewAttribute, NewEnvelopedData, NewKeyTransport, NewSignedData, NewSigner,
    SignedData, SignerIdentifier, signing_certificate_v2,
};
use yinxin::format::der::{ObjectIdentifier, Writer, walk};
use yinxin::format::jose::{Jws, NewHeader, NewSignedObject, to_base64url};
use yinxin::format::keys::enveloped_key::Sm2EnvelopedKey;
use yinxin::format::keys::pbe::{Cipher, Prf, Scheme};
use yinxin::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
use yinxin::format::keys::sec1::{Curve, EcPrivateKey};
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
use yinxin::format::keys::{SubjectPublicKeyInfo, oid, write_pem, write_sm2_signature};
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::document::Package;
use yinxin::format::ofd::path::PartName;
use yinxin::format::ofd::signatures::{SignatureDescription, SignatureList};
use yinxin::format::office::{Answer, AnswerBody, Change, MadeSeal, Message, MessageBody, SealOrder};
use yinxin::format::ses::{Kind, Layout, NewSeal, NewSigners, SesSeal, SesSignature, recognise};
use yinxin::format::tlog::note::read_signature_lines;
use yinxin::format::tlog::submission::read_size;
use yinxin::format::tlog::tile::{read_bundle, read_tile, write_entry};
use yinxin::format::tlog::{
    AddCheckpoint, Checkpoint as LogHead, Cosignature, LogProof, Note, Receipt, SignatureLine, TilePath,
};
use yinxin::format::trust_list::{
    ListAlgorithm, ListSignature, ListSigner, ListedAnchor, ListedList, Region, SignedTrustList, SignerIdRule,
    StatusKind, StatusService, TrustBundle, TrustList, TrustUse,
};
use yinxin::format::tsp::{
    Accuracy, FailureInfo, GenTime, MessageImprint, NewTimeStampReq, NewTstInfo, TST_INFO, TimeStampReq, TimeStampResp,
    TimeStampToken,
};
use yinxin::format::x509::crl::{
    IssuingDistributionPoint, NewCrl, NewEntries, NewRevokedCertificate, RevocationReason,
};
use yinxin::format::x509::csr::{CHALLENGE_PASSWORD, TEMPORARY_PUBLIC_KEY};
use yinxin::format::x509::extension::{DistributionPointName, IdentityCode, ReasonFlags, SubjectAltName};
use yinxin::format::x509::ocsp::{
    BASIC, CertificateStatus, NewBasicResponse, NewCertId, NewOcspRequest, NewSingleResponse, OcspRefusal, ResponderId,
};
use yinxin::format::x509::{
    Certificate, CertificateList, CertificationRequest, GeneralName, KeyUsage, Name, NewCertificationRequest,
    NewExtension, NewName, OcspRequest, OcspResponse,
};
use yinxin::render::page::Document;
use yinxin::render::seal::{
    Centre, InkChoice, NameEnding, PictureKind, PictureRule, RoundFace, SealFace, SquareFace, Trust, draw, normalise,
    ofd_face,
};
use yinxin::service::keys::import::{self, open};

#[path = "../benches/material/mod.rs"]
mod material;

const LIMITS: &Limits = &Limits::DEFAULT;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn key(byte: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[byte; 32]).unwrap()
}

fn material() -> material::Material {
    material::Material::new(&key(0x11), &key(0x22), key(0x33), b"a picture")
}

/// Targets, and their seeds by name.
fn seeds() -> BTreeMap<&'static str, BTreeMap<String, Vec<u8>>> {
    let made = material();
    // 3072 bits without a small factor; nobody knows its factors.
    let mut modulus = [0xC5; 384];
    modulus[382..].copy_from_slice(&[0, 0x0F]);
    let rsa = PublicKey::Rsa(rsa::PublicKey::new(&modulus, &[1, 0, 1]).unwrap());
    let now = Timestamp::from_unix(1_800_000_000);
    let of_rsa = material::certificate(&key(0x11), "RSA", &rsa, "seal-signer", now, 4);
    let original = material::document(&["one", "two"]);
    let once = made.seal(&original, false);
    let twice = made.seal(&once.document, true);
    let listed = SesSeal::parse(&made.seal).unwrap();
    let other = NewSeal {
        layout: Layout::V4,
        vendor: "",
        es_id: "",
        kind: 0,
        name: "两位签章人",
        signers: NewSigners::Certificates(&[&made.signer, listed.maker_certificate]),
        created: listed.created,
        valid_start: listed.created,
        valid_end: listed.created,
        picture_type: "ofd",
        picture: b"",
        width: 0,
        height: 1 << 20,
    };
    let other = NewSeal::assemble(
        Layout::V4,
        &other.to_info(),
        listed.maker_certificate,
        listed.signature_algorithm,
        listed.signed_value,
    );
    let mut every_kind = Writer::new();
    every_kind.sequence(|all| {
        all.boolean(true).unsigned(&[0x80]).small(5).named_bits(0x60).bit_string(b"bits").octet_string(b"octets");
        all.null().oid(listed.signature_algorithm).utf8("字").printable("p").ia5("i").generalized_time(now).time(now);
        all.set_of_one(|inner| {
            inner.context(0, |inside| {
                inside.context_primitive(1, b"x");
            });
        });
    });

    let container = Container::read(&twice.document, LIMITS).unwrap();
    let lists = container.names().filter(|name| name.as_str().ends_with("/Signatures.xml"));
    let lists = lists.map(|name| ("list".to_owned(), container.part(name).unwrap().to_vec()));
    let descriptions = container.names().filter(|name| name.as_str().ends_with("/Signature.xml"));
    let descriptions =
        (1..).zip(descriptions).map(|(n, name)| (format!("description-{n}"), container.part(name).unwrap().to_vec()));
    let request = "sig1=(\"@method\" \"@target-uri\" \"content-digest\");created=1800000000;nonce=\"n\";keyid=\"k\"";

    let named = |all: &[(&str, &[u8])]| all.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    BTreeMap::from([
        ("office", office_messages()),
        ("backup_manifest", named(&[("sqlite", BACKUP.as_bytes())])),
        ("certificate", named(&[("root", &made.root), ("sm2", &made.signer), ("rsa", &of_rsa)])),
        ("cms", messages()),
        ("cms_ber", streamed()),
        ("csr", requests()),
        ("crl", crl_seeds()),
        ("der", named(&[("every-kind", &every_kind.into_bytes()), ("certificate", &of_rsa), ("seal", &made.seal)])),
        ("http_fields", named(&[("list", request.as_bytes()), ("bytes", b"sig1=:AQID:, sm3=:AA==:")])),
        ("import_table", import_tables()),
        ("job_file", job_files()),
        ("jws", json_signatures()),
        ("ocsp", ocsp_seeds()),
        ("ofd_container", named(&[("plain", &original), ("once", &once.document), ("twice", &twice.document)])),
        ("ofd_page", pages()),
        ("ofd_signatures_xml", lists.chain(descriptions).collect()),
        ("private_key", private_keys()),
        ("stamp_place", stamp_places()),
        ("seal_picture", seal_pictures()),
        ("ses_seal", named(&[("one-signer", &made.seal), ("two-signers", &other)])),
        ("ses_signature", named(&[("first", &once.signed_value), ("second", &twice.signed_value)])),
        ("sm2", sm2_seeds()),
        ("sm3", named(&[("messages", b"|\x0done|two|a longer message, |and the last")])),
        ("sm4", named(&[("text", &[&[0x11; 16][..], &[0x22; 16], &[12, 5, 16], &[0x33; 100]].concat())])),
        ("log_statement", named(&[("unknown", log_statement().as_bytes())])),
        ("tlog_checkpoint", named(&[("head", HEAD.as_bytes()), ("size", b"20852014\n")])),
        ("tlog_entry", log_entries()),
        ("tlog_note", log_notes()),
        ("tlog_proof", log_proofs()),
        ("tlog_submission", named(&[("two", AddCheckpoint::write(2, &[[7; 32]; 2], &log_note()).as_bytes())])),
        ("tlog_tile", log_tiles()),
        ("trust_list", trust_lists(&made.root)),
        ("tsp_request", named(&[("plain", &time_stamp_request(false)), ("full", &time_stamp_request(true))])),
        ("tsp_response", time_stamp_responses()),
        ("verify", whole_files(&made, [&once.document, &twice.document, &once.signed_value])),
    ])
}

/// Each kind of place, and a plan of two.
fn stamp_places() -> BTreeMap<String, Vec<u8>> {
    let seeds = [
        ("at", "at pages=1,3-last x=124 y=211.5"),
        ("seam", "seam edge=right pages=all at=100 sheets=8"),
        ("keyword", "keyword which=last pages=odd dx=0 dy=-5 text=（盖章）"),
        ("field", "field dx=0 dy=0 name=盖章处"),
        ("plan", "seam edge=left\nfield name=seal"),
    ];
    seeds.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

/// A backup of one file, before any log.
const BACKUP: &str = concat!(
    r#"{"version":1,"program":"0.1.0","database":"sqlite","migration":18,"taken_at":1800000000,"files":[{"name":"#,
    r#""database.sqlite","size":4096,"sm3":"1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"}],"log":null}"#,
    "\n"
);

/// The text of a checkpoint of nobody's log.
const HEAD: &str = "log.example/audit/sha256\n3\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

/// That checkpoint, with the values of nobody's signature and cosignature.
fn log_note() -> String {
    let log = SignatureLine { name: "log.example/audit/sha256", key_id: [1, 2, 3, 4], value: vec![9; 64] };
    let seen = Cosignature { timestamp: 1_800_000_000, signature: [9; 64] };
    let witness = SignatureLine { name: "witness.example/w1", key_id: [5, 6, 7, 8], value: seen.to_octets() };
    Note::write(HEAD, &[log, witness]).unwrap()
}

fn log_statement() -> String {
    let at = Timestamp::from_unix(1_800_000_000);
    Statement { origin: "log.example/audit".into(), thing: [7; 32], size: 3, root: [7; 32], at }.to_text()
}

fn log_notes() -> BTreeMap<String, Vec<u8>> {
    let key = Signer::public_key(&key(0x44));
    let (note, vkey) = (log_note(), Verifier::of_log("log.example/audit/sm3", &key).unwrap().to_vkey());
    let (_, lines) = note.split_once("\n\n").unwrap();
    let seeds = [("checkpoint", note.as_str()), ("lines", lines), ("vkey", &vkey)];
    seeds.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect()
}

fn log_proof(extra: Option<&[u8]>) -> String {
    LogProof::write(extra, 1, &[[7; 32]; 2], &log_note())
}

/// Proofs, and receipts of a promise of nobody's.
fn log_proofs() -> BTreeMap<String, Vec<u8>> {
    let (origin, index, before) = ("log.example/audit/sm3".to_owned(), 1, Timestamp::from_unix(1_800_000_060));
    let text = Promise { origin, index, entry: Entry::of_der(&log_event(), &[7; 32]).unwrap(), before }.to_text();
    let line = SignatureLine { name: "log.example/audit/sm3", key_id: [1, 2, 3, 4], value: vec![9; 64] };
    let note = Note::write(&text, &[line]).unwrap();
    let opening = [&[7; 32], log_event().as_slice()].concat();
    let seeds = [
        ("extra", log_proof(Some(b"extra"))),
        ("bare", log_proof(None)),
        ("receipt", Receipt::write(&note, Some(&opening))),
        ("promise", note),
    ];
    seeds.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

fn log_event() -> Vec<u8> {
    let at = Timestamp::from_unix(1_800_000_000);
    let body = EventBody::ServiceStarted { version: "0.1.0".into() };
    Event { at, actor: Actor::Operator, request: None, body }.to_der()
}

fn log_entries() -> BTreeMap<String, Vec<u8>> {
    let entry = Entry::of_der(&log_event(), &[7; 32]).unwrap();
    let opening = [&[7; 32], log_event().as_slice()].concat();
    BTreeMap::from([("entry".to_owned(), entry.to_octets().to_vec()), ("opening".to_owned(), opening)])
}

/// A path; a tile and a bundle of two, each behind the octet of its width less one.
fn log_tiles() -> BTreeMap<String, Vec<u8>> {
    let mut bundle = vec![1];
    write_entry(&mut bundle, &Entry::of_der(&log_event(), &[7; 32]).unwrap().to_octets()).unwrap();
    write_entry(&mut bundle, b"").unwrap();
    let seeds = [
        ("path", b"tile/2/x001/x234/067.p/8".to_vec()),
        ("entries", b"tile/entries/000".to_vec()),
        ("tile", [&[1][..], &[7; 64]].concat()),
        ("bundle", bundle),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// A list of one anchor, signed, and in a bundle with a list of lists.
fn trust_lists(root: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let info = subject_public_key_info(&Signer::public_key(&key(0x44)));
    let now = Timestamp::from_unix(1_800_000_000);
    let signers = vec![ListSigner { key: info.clone(), name: "甲".into() }];
    let region = Region { code: "330000".into(), names: vec!["浙江省".into()] };
    let status = StatusService { kind: StatusKind::Ocsp, url: "http://ocsp.example/".into() };
    let anchor = ListedAnchor {
        certificate: root.to_vec(),
        from: Some(now),
        logs: vec![Verifier::of_log("log.example/audit/sm3", &Signer::public_key(&key(0x44))).unwrap().to_vkey()],
        name: "根".into(),
        regions: vec![region.clone()],
        signer_id: SignerIdRule::DefaultOrEmpty,
        status: vec![status],
        until: Some(now.plus_days(1)),
        uses: TrustUse::ALL.to_vec(),
    };
    let list = TrustList {
        anchors: vec![anchor],
        expires: now.plus_days(30),
        issued: now,
        lists: Vec::new(),
        name: "zj".into(),
        number: 1,
        operator: "示例".into(),
        signers: signers.clone(),
        threshold: 1,
        version: 1,
    };
    let below = ListedList {
        address: Some("https://trust.example/zj".into()),
        name: "zj".into(),
        regions: vec![region],
        signers,
        threshold: 1,
        uses: TrustUse::ALL.to_vec(),
    };
    let above = TrustList { anchors: Vec::new(), lists: vec![below], name: "cn".into(), ..list.clone() };
    let sign = |list: TrustList| {
        let unsigned = SignedTrustList::unsigned(list).unwrap();
        let (algorithm, key_sm3) = (ListAlgorithm::Sm2Sm3, yinxin::crypto::digest::sm3(&info));
        let value = Signer::sign(&key(0x44), &unsigned.signing_input(algorithm, &key_sm3), &SystemRandom).unwrap();
        unsigned.with_signature(ListSignature { algorithm, key_sm3, value: value.to_vec() }).unwrap()
    };
    let (payload, list, above) = (list.to_canonical().unwrap(), sign(list), sign(above));
    let signed = list.to_json();
    let bundle = TrustBundle { lists: vec![above, list], certificates: vec![root.to_vec()], crls: Vec::new() };
    let all = [("payload", payload), ("signed", signed), ("bundle", bundle.to_json())];
    all.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// The algorithm of SM2 signatures, of SM3, of SM2 encryption, as AlgorithmIdentifier.
fn algorithm(text: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|identifier| _ = identifier.oid(ObjectIdentifier::new_unwrap(text)));
    writer.into_bytes()
}

/// SignedData by the signer of the seals, with a value that is the signature of nothing.
fn signed(family: Family, content_type: ObjectIdentifier, content: Option<&[u8]>, with_attributes: bool) -> Vec<u8> {
    let made = material();
    let certificate = Certificate::parse(&made.signer).unwrap();
    let attributes = [
        NewAttribute::content_type(content_type),
        NewAttribute::message_digest(&[7; 32]),
        NewAttribute::signing_time(Timestamp::from_unix(1_800_000_000)),
        signing_certificate_v2(OID_SM3, &[8; 32], (certificate.issuer.raw(), certificate.serial)),
    ];
    let signer = NewSigner {
        identifier: SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial },
        digest_algorithm: &algorithm("1.2.156.10197.1.401"),
        signed_attributes: if with_attributes { &attributes } else { &[] },
        signature_algorithm: &algorithm("1.2.156.10197.1.501"),
        signature: &write_sm2_signature(&[9; 64]),
        unsigned_attributes: &[NewAttribute { oid: OID_SM3, value: vec![5, 0] }],
    };
    let certificates = [made.signer.as_slice(), &made.root];
    NewSignedData { family, content_type, content, certificates: &certificates, crls: &[], signers: &[signer] }.to_der()
}

fn messages() -> BTreeMap<String, Vec<u8>> {
    let data = |family: Family| family.oid(ContentType::Data);
    let transport = NewKeyTransport {
        identifier: SignerIdentifier::SubjectKeyIdentifier(&[7; 20]),
        algorithm: &algorithm("1.2.156.10197.1.301.3"),
        encrypted_key: b"key",
    };
    let enveloped = NewEnvelopedData {
        family: Family::Gm,
        recipients: &[transport],
        content_type: data(Family::Gm),
        algorithm: &algorithm("1.2.156.10197.1.104.2"),
        ciphertext: b"sixteen letters.",
    };
    let seeds = [
        ("attached", signed(Family::Cms, data(Family::Cms), Some(b"content"), true)),
        ("detached", signed(Family::Gm, data(Family::Gm), None, true)),
        ("without-attributes", signed(Family::Gm, data(Family::Gm), Some(b"content"), false)),
        ("enveloped", enveloped.to_der()),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// A message of indefinite lengths with its content cut in two.
fn streamed() -> BTreeMap<String, Vec<u8>> {
    let content = [0x24, 0x80, 4, 3, b'o', b'n', b'e', 0x24, 5, 4, 3, b't', b'w', b'o', 0, 0];
    let seed = [&[0x30, 0x80, 2, 1, 1, 0xa0, 0x80][..], &content, &[0, 0, 0, 0]].concat();
    BTreeMap::from([("cut".to_owned(), seed), ("der".to_owned(), Writer::sequence_of(&[5, 0]))])
}

/// JWS in its three forms, by nobody.
fn json_signatures() -> BTreeMap<String, Vec<u8>> {
    let made = material();
    let time = Some("2027-01-15T08:00:00Z");
    let header = NewHeader { algorithm: "SM2-SM3", certificates: &[&made.signer], signing_time: time }.to_base64url();
    let (payload, value) = (to_base64url(b"payload"), to_base64url(&[9; 64]));
    let unencoded = to_base64url(br#"{"alg":"ES256","b64":false,"crit":["b64"]}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{value}"}},{{"header":{{"alg":"EdDSA","kid":"k"}},"signature":"{value}"}}]}}"#
    );
    let flat = format!(r#"{{"payload":"$.02","protected":"{unencoded}","signature":"{value}"}}"#);
    let object = NewSignedObject { uri: "urn:example:document", digest_method: "SM3", digest: &[7; 32] };
    let new = NewHeader { algorithm: "SM2-SM3", certificates: &[&made.signer], signing_time: time };
    let seeds = [
        ("by-digest", format!("{}..{value}", new.to_base64url_of(&object))),
        ("compact", format!("{header}.{payload}.{value}")),
        ("detached", format!("{unencoded}..{value}")),
        ("flattened", flat),
        ("general", general),
    ];
    seeds.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

/// One file of each kind that is judged.
fn whole_files(made: &material::Material, [once, twice, detached]: [&[u8]; 3]) -> BTreeMap<String, Vec<u8>> {
    let first = |all: BTreeMap<String, Vec<u8>>, name: &str| all.get(name).unwrap().clone();
    let seeds = [
        ("once", once.to_vec()),
        ("twice", twice.to_vec()),
        ("detached", detached.to_vec()),
        ("message", first(messages(), "attached")),
        ("time-stamp", first(time_stamp_responses(), "granted")),
        ("certificate", made.signer.clone()),
        ("list", first(crl_seeds(), "full")),
        ("jws", first(json_signatures(), "compact")),
        ("value", write_sm2_signature(&[9; 64])),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn time_stamp_request(full: bool) -> Vec<u8> {
    let policy = full.then_some(ObjectIdentifier::new_unwrap("1.2.3.4"));
    let nonce = full.then_some(&[0x11_u8, 0x22][..]);
    NewTimeStampReq { algorithm: OID_SM3, digest: &[7; 32], policy, nonce, certificate_wanted: full }.to_der()
}

fn time_stamp_responses() -> BTreeMap<String, Vec<u8>> {
    let info = NewTstInfo {
        policy: ObjectIdentifier::new_unwrap("1.2.3.4"),
        imprint: &MessageImprint::write(OID_SM3, &[7; 32]),
        serial: &[0x91; 16],
        gen_time: GenTime::new(Timestamp::from_unix(1_800_000_000), 250_000_000).unwrap(),
        accuracy: Some(Accuracy { microseconds: 1_500_100 }),
        ordering: true,
        nonce: Some(&[0x11, 0x22]),
        tsa: Some(GeneralName::Dns("tsa.example")),
    };
    let token = signed(Family::Cms, TST_INFO, Some(&info.to_der()), true);
    let seeds = [
        ("granted", TimeStampResp::granted(&token)),
        ("rejected", TimeStampResp::rejected(FailureInfo::TimeNotAvailable, "the time is not available")),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// A request with what can be asked for, one with nothing, and one as CFCA's users write it. The signatures are words.
fn requests() -> BTreeMap<String, Vec<u8>> {
    let subject = NewName { organisation: "示例市印信演示局".into(), common_name: "请求人".into() }.to_der();
    let point = key(0x11).public_key().to_bytes();
    let public_key = SubjectPublicKeyInfo::write(KeyKind::Sm2, &point);
    let names = SubjectAltName(vec![GeneralName::Dns("a.example"), GeneralName::Ip(&[192, 0, 2, 1])]);
    let asked = [
        NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
        NewExtension::new(false, &names),
        NewExtension::new(false, &IdentityCode::ResidentCard("11010119800101001X")),
    ];
    let new = |extensions, challenge_password| NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions,
        challenge_password,
    };
    let signed = |tbs: &[u8]| NewCertificationRequest::assemble(tbs, OID_SM2_WITH_SM3, b"a signature");
    let mut cfca = Writer::new();
    cfca.sequence(|tbs| {
        tbs.small(0).raw(&subject).raw(&public_key).context(0, |list| {
            let mut value = Writer::new();
            let fields = [&[0, 0xb4, 0, 0, 0, 1, 0, 0][..], &point[1..33], &[0; 32], &point[33..], &[0; 32]].concat();
            value.sequence(|inner| {
                inner.small(1).octet_string(&fields);
            });
            list.sequence(|attribute| {
                attribute.oid(CHALLENGE_PASSWORD).printable("111111");
            });
            list.sequence(|attribute| {
                attribute.oid(TEMPORARY_PUBLIC_KEY).octet_string(&value.into_bytes());
            });
        });
    });
    BTreeMap::from([
        ("asking".to_owned(), signed(&new(&asked, Some("pw")).to_tbs())),
        ("plain".to_owned(), signed(&new(&[], None).to_tbs())),
        ("cfca".to_owned(), signed(&cfca.into_bytes())),
    ])
}

/// Tables of seals in each form that CSV has.
fn import_tables() -> BTreeMap<String, Vec<u8>> {
    let (holder, tail) = ("99990000000000001F,样章市试验局,330106", "c1,4101035072803");
    let one = format!("{}\n1.esl,1.crt,1.key,01,{holder},{tail}\n", COLUMNS.join(","));
    let quoted = format!(
        "\u{feff}filing,keeper,division,holder,credit_code,kind,key,certificate,seal\r\n\
         ,c1,330106,\"样章,\"\"市\"\"\n局\",99990000000000001F,2,,,a/1.esl\r\n{}",
        "no,seal"
    );
    BTreeMap::from([("one".to_owned(), one.into_bytes()), ("quoted".to_owned(), quoted.into_bytes())])
}

/// Rows in each form that a file has, and a row as it is kept.
fn job_files() -> BTreeMap<String, Vec<u8>> {
    let made = requests();
    let (plain, asking) = (made.get("plain").unwrap(), made.get("asking").unwrap());
    let pem = |label: &str| write_pem(plain, label).replace('\n', "\\n");
    let base64 = |der: &[u8]| STANDARD.encode(der);
    let rows = [
        format!("{{\"name\":\"甲\",\"csr\":\"{}\"}}", pem("CERTIFICATE REQUEST")),
        format!("{{\"csr\":\"{}\", \"name\":\"b\"}}\r", pem("NEW CERTIFICATE REQUEST")),
        format!("{{\"name\":\"c\",\"csr\":\"{}\",\"not_after\":\"2030-01-01T00:00:00Z\"}}", base64(asking)),
        format!(
            "{{\"name\":\"\\u4e59\",\"csr\":\"{}\",\"subject\":{{\"countryName\":\"CN\",\"commonName\":\"乙\"}},\
             \"transaction\":\"{}\"}}",
            base64(plain),
            "ab".repeat(32)
        ),
    ];
    let kept = RowOrder {
        csr: plain.clone(),
        subject: Some(vec![(AttributeKind::Country, "CN".to_owned()), (AttributeKind::CommonName, "乙".to_owned())]),
        not_after: Some(Timestamp::from_unix(1_900_000_000)),
        transaction: Some([0xab; 32]),
    };
    BTreeMap::from([
        ("one".to_owned(), rows[0].clone().into_bytes()),
        ("every-form".to_owned(), (rows.join("\n") + "\n").into_bytes()),
        ("kept".to_owned(), kept.to_der()),
    ])
}

/// A full list, a delta, and one of a part, of several issuers.
fn crl_seeds() -> BTreeMap<String, Vec<u8>> {
    let name = |common_name: &str| NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der();
    let (issuer, other) = (name("CRL"), name("other"));
    let other = GeneralName::Directory(Name::parse(&other, "name").unwrap());
    let moment = Timestamp::from_unix(1_800_000_000);
    let entry = |serial, reason| NewRevokedCertificate {
        serial,
        revocation_date: moment,
        reason,
        invalidity_date: Some(moment),
        certificate_issuer: None,
    };
    let point = DistributionPointName::FullName(vec![GeneralName::Uri("http://crl.example/1.crl")]);
    let scope = IssuingDistributionPoint {
        name: Some(point),
        only_some_reasons: Some(ReasonFlags(ReasonFlags::KEY_COMPROMISE)),
        indirect: true,
        ..IssuingDistributionPoint::default()
    };
    let write = |delta_base, scope, entries: &[NewRevokedCertificate<'_>]| {
        let new = NewCrl {
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &issuer,
            this_update: moment,
            next_update: moment.plus_days(1),
            authority_key_identifier: &[5; 20],
            number: &[2],
            delta_base,
            issuing_distribution_point: scope,
            freshest: None,
            others: &[],
        };
        let mut list = NewEntries::default();
        entries.iter().for_each(|entry| list.push(entry));
        NewCrl::assemble(&new.to_tbs(&list).unwrap(), OID_SM2_WITH_SM3, &[9; 70])
    };
    let lost = entry(&[7], RevocationReason::KeyCompromise);
    let of_other =
        NewRevokedCertificate { certificate_issuer: Some(other), ..entry(&[8], RevocationReason::Superseded) };
    BTreeMap::from([
        ("full".to_owned(), write(None, None, &[lost, entry(&[0x91, 1], RevocationReason::Unspecified)])),
        ("delta".to_owned(), write(Some(&[1][..]), None, &[entry(&[7], RevocationReason::RemoveFromCrl)])),
        ("part".to_owned(), write(None, Some(&scope), &[lost, of_other])),
    ])
}

/// A request, a refusal, and an answer of each kind.
fn ocsp_seeds() -> BTreeMap<String, Vec<u8>> {
    let moment = Timestamp::from_unix(1_800_000_000);
    let hash = [3; 32];
    let id =
        NewCertId { hash_algorithm: OID_SM3, issuer_name_hash: &hash, issuer_key_hash: &hash, serial: &[7] }.to_der();
    let single = |status| NewSingleResponse {
        cert_id: &id,
        status,
        this_update: moment,
        next_update: Some(moment.plus_days(1)),
        archive_cutoff: Some(moment),
        invalidity_date: Some(moment),
    };
    let revoked = CertificateStatus::Revoked { since: moment, reason: Some(RevocationReason::CaCompromise) };
    let responses = [single(CertificateStatus::Good), single(revoked), single(CertificateStatus::Unknown)];
    let responder = ResponderId::Key(&[1; 20]);
    let new = NewBasicResponse { responder, produced_at: moment, responses: &responses, nonce: Some(&[8; 32]) };
    let request = NewOcspRequest { cert_ids: &[&id, &id], nonce: Some(&[8; 32]), acceptable_responses: &[BASIC] };
    BTreeMap::from([
        ("request".to_owned(), request.to_der()),
        ("refusal".to_owned(), OcspRefusal::TryLater.to_der()),
        ("answer".to_owned(), NewBasicResponse::assemble(&new.to_tbs(), OID_SM2_WITH_SM3, &[9; 70], &[])),
    ])
}

/// One of each kind of private key file, over fixed keys.
fn private_keys() -> BTreeMap<String, Vec<u8>> {
    let private = key(0x11);
    let point: [u8; 65] = private.public_key().to_bytes().as_slice().try_into().unwrap();
    let scalar = private.to_bytes();
    let seed = Secret::new(vec![0x22; 32]);
    let info = PrivateKeyInfo::write(KeyKind::Sm2, &scalar, &point);
    let made = material();
    let safe = |content: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        writer.sequence(content);
        writer.into_bytes()
    };
    let bags = safe(&|bags| {
        bags.sequence(|bag| {
            bag.oid(oid::KEY_BAG).context(0, |value| {
                value.raw(info.expose());
            });
        });
        bags.sequence(|bag| {
            bag.oid(oid::CERT_BAG).context(0, |value| {
                value.sequence(|inner| {
                    inner.oid(oid::X509_CERTIFICATE).context(0, |inside| {
                        inside.octet_string(&made.root);
                    });
                });
            });
        });
    });
    let content = |octets: &[u8]| {
        safe(&|info| {
            info.oid(oid::DATA).context(0, |inside| {
                inside.octet_string(octets);
            });
        })
    };
    let contents = safe(&|all| {
        all.raw(&content(&bags));
    });
    let auth_safe = content(&contents);
    let version = [2, 1, 3];
    let pkcs12 = safe(&|pfx| {
        pfx.raw(&version).raw(&auth_safe);
    });
    let indefinite = [&[0x30, 0x80][..], &version, &auth_safe, &[0, 0]].concat();
    let scheme =
        Scheme::Pbes2 { prf: Prf::HmacSm3, salt: vec![1; 8], iterations: 2, cipher: Cipher::Sm4Cbc, iv: vec![2; 16] };
    let encrypted = EncryptedPrivateKeyInfo { scheme, encrypted: b"sixteen letters.sixteen letters." }.to_der();
    let cfca = safe(&|file| {
        file.small(1);
        file.sequence(|key| {
            key.oid(oid::GM_DATA).oid(oid::SM4).octet_string(&[7; 48]);
        });
        file.sequence(|certificate| {
            certificate.oid(oid::GM_DATA).octet_string(&made.root);
        });
    });
    let ciphertext = Sm2Ciphertext { c1: point, c3: [3; 32], c2: vec![2; 16] };
    let enveloped =
        Sm2EnvelopedKey { encrypted_key: ciphertext.clone(), public: &point, encrypted_private: &[5; 32] }.to_der();
    let pem = write_pem(info.expose(), "PRIVATE KEY") + &write_pem(&made.root, "CERTIFICATE");
    let seeds = [
        ("pkcs8-sm2", info.expose().to_vec()),
        ("pkcs8-ed25519", PrivateKeyInfo::write(KeyKind::Ed25519, &seed, &[]).expose().to_vec()),
        ("sec1", EcPrivateKey::write(Some(Curve::Sm2), &scalar, &point).expose().to_vec()),
        ("encrypted", encrypted),
        ("pkcs12", pkcs12),
        ("pkcs12-ber", indefinite),
        ("cfca", cfca),
        ("ciphertext", ciphertext.to_der()),
        ("enveloped", enveloped),
        ("pem", pem.into_bytes()),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// A seal's face, and a page with one object of each kind.
fn pages() -> BTreeMap<String, Vec<u8>> {
    let face = SealFace::Round(RoundFace {
        organisation: "示例市印信演示局".to_owned(),
        centre: Centre::Star,
        lines: Vec::new(),
        code: None,
        note: None,
        diameter_mm: 42,
    });
    let png =
        b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\
        \x00\x00\x00\x3a\x7e\x9b\x55\x00\x00\x00\x0a\x49\x44\x41\x54\x78\xda\x63\x60\x00\x00\x00\x02\x00\x01\xe5\
        \x27\xde\xfc\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";
    let parts: [(&str, &[u8]); 6] = [
        ("OFD.xml", b"<OFD><DocBody><DocRoot>Document.xml</DocRoot></DocBody></OFD>"),
        (
            "Document.xml",
            b"<Document><CommonData><PageArea><PhysicalBox>0 0 90 90</PhysicalBox></PageArea><PublicRes>Res.xml</PublicRes>\
              <TemplatePage ID='t' BaseLoc='Page.xml'/></CommonData><Pages><Page ID='1' BaseLoc='Page.xml'/></Pages>\
              <Annotations>Annotations.xml</Annotations></Document>",
        ),
        (
            "Res.xml",
            b"<Res><Fonts><Font ID='f' FontName='Song'/></Fonts><ColorSpaces><ColorSpace ID='k' Type='CMYK'/></ColorSpaces>\
              <DrawParams><DrawParam ID='d' LineWidth='2'/></DrawParams><MultiMedias><MultiMedia ID='i' Type='Image'>\
              <MediaFile>i.png</MediaFile></MultiMedia></MultiMedias><CompositeGraphicUnits><CompositeGraphicUnit ID='c'>\
              <Content><ImageObject ResourceID='i' Boundary='0 0 9 9' CTM='9 0 0 9 0 0'/></Content></CompositeGraphicUnit>\
              </CompositeGraphicUnits></Res>",
        ),
        (
            "Page.xml",
            b"<Page><Template TemplateID='t' ZOrder='Background'/><Content><Layer DrawParam='d'><TextObject Font='f' \
              Boundary='0 0 60 9' Size='6' CharDirection='90' HScale='0.8'><CGTransform CodePosition='0' CodeCount='1'>\
              <Glyphs>3</Glyphs></CGTransform><TextCode X='1' Y='7' DeltaX='g 2 5'>abc</TextCode></TextObject>\
              <PathObject Boundary='0 9 60 30' Fill='true' DashPattern='2 1'><FillColor ColorSpace='k' Value='0 9 9 0'/>\
              <Clips><Clip><Area><Path><AbbreviatedData>M 0 0 L 30 0 L 0 30 C</AbbreviatedData></Path></Area></Clip></Clips>\
              <AbbreviatedData>M 0 0 Q 9 9 9 0 B 1 2 3 4 5 6 A 5 5 0 0 1 20 20 C</AbbreviatedData></PathObject>\
              <CompositeObject ResourceID='c' Boundary='40 40 20 20' CTM='2 0 0 2 0 0' Alpha='128'/></Layer></Content></Page>",
        ),
        ("Annotations.xml", b"<Annotations><Page PageID='1'><FileLoc>Annotations.xml</FileLoc></Page></Annotations>"),
        ("i.png", png),
    ];
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, content).unwrap();
    }
    let objects = writer.finish().unwrap().into_inner();
    BTreeMap::from([("face".to_owned(), ofd_face(&face, Trust::Development).unwrap()), ("objects".to_owned(), objects)])
}

/// An order, and answers of several kinds.
fn office_messages() -> BTreeMap<String, Vec<u8>> {
    let order = SealOrder {
        kind: 1,
        name: "样章市试验局",
        credit_code: "99330100000000011A",
        holder: "样章市试验局",
        division: "330106",
        code: "33010600000001",
        size_mm: (42, 42),
        days: 365,
        form: "v4",
        list: "certificates",
        picture: b"picture",
        request: b"request",
        replaces: Some("33010600000002"),
    };
    let message = Message { name: [1; 16], subject: "a-1", body: MessageBody::Order(Box::new(order)) };
    let answer = |body| Answer { name: [1; 16], subject: "a-1", body }.to_der();
    let made = MadeSeal { number: "N-1", seal: b"seal", certificates: vec![b"a", b"b"] };
    let at = Timestamp::from_unix(1_800_000_000);
    let changes = vec![Change { number: 1, subject: "a-1", state: "suspended", at }];
    BTreeMap::from([
        ("order".to_owned(), message.to_der()),
        ("made".to_owned(), answer(AnswerBody::Made(made))),
        ("refused".to_owned(), answer(AnswerBody::Refused("name-taken"))),
        ("changes".to_owned(), answer(AnswerBody::Changes(changes))),
    ])
}

/// A seal as PNG and as BMP, and texts for each shape; the first byte is the target's choice.
fn seal_pictures() -> BTreeMap<String, Vec<u8>> {
    // A red frame on white paper, 120 dots to 20 mm.
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x3E\0\0\0\x28\0\0\0\x78\0\0\0\x78\0\0\0\x01\0\x01\0".to_vec();
    bmp.resize(0x36, 0);
    bmp.extend([255, 255, 255, 0, 0, 0, 200, 0]);
    for row in 0..120 {
        let full = !(8..112).contains(&row);
        bmp.extend((0..16).map(|byte| if full || byte == 0 || byte == 14 { 255 } else { 0 }));
    }
    let face = |face: &SealFace| draw(face, Trust::Production).unwrap().png;
    let square = SquareFace { name: "王小明".to_owned(), ending: NameEnding::Customary, side_mm: 20 };
    let png = face(&SealFace::Square(square));
    let seed = |choice: u8, rest: &[u8]| [&[choice], rest].concat();
    let seeds = [
        ("png", seed(4, &png)),
        ("bmp", seed(5, &bmp)),
        ("recoloured", seed(8, &png)),
        ("round", seed(0x82 + 0x10, "示例市印信演示局\n财务专用章\n33010600000001".as_bytes())),
        ("oval", seed(0x86, "示例市印信演示有限公司\n91330106MA0000000X\n（1）\n33010600000001".as_bytes())),
        ("square", seed(0x4A, "阿卜杜拉·买买提".as_bytes())),
        ("rectangle", seed(0x4F, "示例市印信演示局受理专用（一）".as_bytes())),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// One for each of the target's kinds; 5 announces a number of 32 bytes, lower digits an edge.
fn sm2_seeds() -> BTreeMap<String, Vec<u8>> {
    let number = |byte: u8| [&[5][..], &[byte; 32]].concat();
    let point = key(0x11).public_key();
    let cases: [(&str, Vec<u8>); 5] = [
        ("point", [&[0][..], &point.to_bytes()].concat()),
        ("compressed", [&[0][..], &point.to_compressed()].concat()),
        ("ciphertext", [&[2][..], &number(0x11), &number(0x22), &[0x33; 40]].concat()),
        ("signature", [&[3][..], &number(0x11), &number(0x22), &number(0x33), &number(1), &number(2), &[1]].concat()),
        ("edges", vec![3, 0x90, 0x61, 0x72, 0x81, 0x90]),
    ];
    cases.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

#[test]
fn every_committed_seed_is_accepted_by_its_reader() {
    if std::env::var_os("UPDATE").is_some() {
        for (target, seeds) in seeds() {
            fs::create_dir_all(corpus().join(target)).unwrap();
            for (name, bytes) in seeds {
                fs::write(corpus().join(target).join(format!("seed-{name}")), bytes).unwrap();
            }
        }
    }
    let part = PartName::from_root("Doc_0/Signs/Signatures.xml").unwrap();
    for (target, seeds) in seeds() {
        for name in seeds.keys() {
            let bytes = fs::read(corpus().join(target).join(format!("seed-{name}"))).expect("run with UPDATE=1");
            let label = format!("{target}/{name}");
            match target {
                "office" => assert!(Message::parse(&bytes).is_ok() != Answer::parse(&bytes).is_ok(), "{label}"),
                "backup_manifest" => assert_eq!(BackupManifest::parse(&bytes).unwrap().files.len(), 1, "{label}"),
                "certificate" => assert_eq!(Certificate::parse(&bytes).unwrap().raw, bytes, "{label}"),
                "cms" if name == "enveloped" => {
                    assert_eq!(EnvelopedData::parse(&bytes).unwrap().recipients.len(), 1, "{label}");
                }
                "cms" => assert_eq!(SignedData::parse(&bytes).unwrap().deviations, [], "{label}"),
                "cms_ber" => {
                    assert_eq!(ber::is_streamed(&bytes), name == "cut" && ber::to_der(&bytes).is_ok(), "{label}")
                }
                "jws" => assert_eq!(Jws::parse(&bytes).unwrap().signatures.len(), 1 + usize::from(name == "general")),
                "tlog_checkpoint" if name == "size" => assert_eq!(read_size(&bytes), Ok(20_852_014), "{label}"),
                "tlog_checkpoint" => {
                    assert_eq!(LogHead::parse(str::from_utf8(&bytes).unwrap()).unwrap().size, 3, "{label}");
                }
                "tlog_entry" if name == "entry" => assert_eq!(Entry::from_octets(&bytes).unwrap().class, 1, "{label}"),
                "tlog_entry" => {
                    let (salt, event) = bytes.split_first_chunk().unwrap();
                    assert_eq!(Entry::of_der(event, salt).unwrap().class, 1, "{label}");
                }
                "tlog_note" => {
                    let text = str::from_utf8(&bytes).unwrap();
                    match name.as_str() {
                        "checkpoint" => assert_eq!(Note::parse(&bytes).unwrap().signatures.len(), 2, "{label}"),
                        "lines" => assert_eq!(read_signature_lines(text).unwrap().len(), 2, "{label}"),
                        _ => assert_eq!(Verifier::parse(text).unwrap().name(), "log.example/audit/sm3", "{label}"),
                    }
                }
                "log_statement" => {
                    let stated = Statement::parse(str::from_utf8(&bytes).unwrap()).unwrap();
                    assert_eq!((stated.thing, stated.size), ([7; 32], 3), "{label}");
                }
                "tlog_proof" if matches!(name.as_str(), "receipt" | "promise") => {
                    let read = Receipt::parse(&bytes).unwrap();
                    assert_eq!(Promise::parse(read.note.text).unwrap().index, 1, "{label}");
                    assert_eq!(read.extra.is_some(), name == "receipt", "{label}");
                }
                "tlog_proof" => {
                    let read = LogProof::parse(&bytes).unwrap();
                    assert_eq!((read.extra.is_some(), read.hashes.len()), (name == "extra", 2), "{label}");
                }
                "tlog_submission" => assert_eq!(AddCheckpoint::parse(&bytes).unwrap().proof.len(), 2, "{label}"),
                "tlog_tile" => match name.as_str() {
                    "tile" => assert_eq!(read_tile(&bytes[1..], 2).unwrap().len(), 2, "{label}"),
                    "bundle" => assert_eq!(read_bundle(&bytes[1..], 2).unwrap().len(), 2, "{label}"),
                    _ => assert!(TilePath::parse(str::from_utf8(&bytes).unwrap()).is_ok(), "{label}"),
                },
                "trust_list" if name == "payload" => {
                    assert_eq!(TrustList::from_canonical(&bytes).unwrap().anchors.len(), 1, "{label}");
                }
                "trust_list" => {
                    let bundle = TrustBundle::parse(&bytes).unwrap();
                    assert_eq!(bundle.lists[0].signatures().len(), 1, "{label}");
                    let policy = AlgorithmPolicy::whatever_we_compute();
                    let now = Timestamp::from_unix(1_800_000_000);
                    for signed in bundle.lists {
                        assert_eq!(CheckedList::check(signed, &policy, now).unwrap().list().number, 1, "{label}");
                    }
                }
                "tsp_request" => {
                    let read = TimeStampReq::parse(&bytes).unwrap();
                    assert_eq!(read.policy.is_some(), name == "full", "{label}");
                }
                "tsp_response" => {
                    let read = TimeStampResp::parse(&bytes).unwrap();
                    let token = read.token.map(|token| TimeStampToken::parse(token).unwrap());
                    assert_eq!(token.is_some(), name == "granted", "{label}");
                }
                "csr" => assert_eq!(CertificationRequest::parse(&bytes).unwrap().raw, bytes, "{label}"),
                "crl" => assert_eq!(CertificateList::parse(&bytes).unwrap().raw, bytes, "{label}"),
                "ocsp" if name == "request" => {
                    assert_eq!(OcspRequest::parse(&bytes).unwrap().requests.len(), 2, "{label}");
                }
                "ocsp" => {
                    let is_answer = matches!(OcspResponse::parse(&bytes).unwrap(), OcspResponse::Successful(_));
                    assert_eq!(is_answer, name == "answer", "{label}");
                }
                "import_table" => {
                    let rows = import_table::read(&bytes).unwrap();
                    assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 1, "{label}");
                }
                "job_file" if name == "kept" => {
                    assert_eq!(RowOrder::from_der(&bytes).unwrap().to_der(), bytes, "{label}");
                }
                "job_file" => {
                    let rows = job_file::read(&bytes).unwrap();
                    assert_eq!(rows.len(), if name == "one" { 1 } else { 4 }, "{label}");
                    assert!(rows.iter().all(|row| CertificationRequest::parse(&row.order.csr).is_ok()), "{label}");
                }
                "der" => assert!(walk(&bytes, LIMITS.der_depth).unwrap() > 10, "{label}"),
                "ses_seal" => assert_eq!(SesSeal::parse(&bytes).unwrap().raw, bytes, "{label}"),
                "ses_signature" => {
                    assert_eq!(recognise(&bytes), Kind::SesV4, "{label}");
                    assert_eq!(SesSignature::parse(&bytes).unwrap().version, 4, "{label}");
                }
                "ofd_container" => {
                    let container = Container::read(&bytes, LIMITS).unwrap();
                    assert_eq!(Package::read(&container, LIMITS).unwrap().bodies.len(), 1, "{label}");
                }
                "ofd_page" => {
                    let container = Container::read(&bytes, LIMITS).unwrap();
                    let document = Document::open(&container, 0, LIMITS).unwrap();
                    let page = document.render_page(0, &[]).unwrap();
                    let codes: Vec<&str> = page.unsupported.iter().map(|note| note.code).collect();
                    let named: &[&str] = if name == "face" { &[] } else { &["font-substituted", "part-unreadable"] };
                    assert_eq!(codes, named, "{label}");
                }
                "seal_picture" if ["png", "bmp", "recoloured"].contains(&name.as_str()) => {
                    let kind = PictureKind::Seal(InkChoice::MustBeRed);
                    let rule = PictureRule { kind, width_mm: 20, height_mm: 20, trust: Trust::Production };
                    assert!(normalise(&bytes[1..], rule).is_ok(), "{label}");
                }
                "seal_picture" => assert!(std::str::from_utf8(&bytes[1..]).is_ok(), "{label}"),
                "ofd_signatures_xml" if name == "list" => {
                    assert_eq!(SignatureList::parse(&part, &bytes, LIMITS).unwrap().entries.len(), 2, "{label}");
                }
                "ofd_signatures_xml" => {
                    let read = SignatureDescription::parse(&part, &bytes, LIMITS).unwrap();
                    assert!(read.references.len() > 3, "{label}");
                }
                "private_key" if name == "ciphertext" => {
                    assert_eq!(Sm2Ciphertext::parse(&bytes).unwrap().to_der(), bytes, "{label}");
                }
                "private_key" if name == "enveloped" => {
                    assert_eq!(Sm2EnvelopedKey::parse(&bytes).unwrap().to_der(), bytes, "{label}");
                }
                "private_key" => {
                    let imported = open(&bytes, Some(&Secret::new(b"pw".to_vec())));
                    // The cipher text of the encrypted one is words.
                    let refused = ["encrypted", "cfca"].contains(&name.as_str());
                    let expected = if refused { Err(import::Error::WrongPassphrase) } else { Ok(()) };
                    assert_eq!(imported.map(drop), expected, "{label}");
                }
                // Both are read by private functions; here only that they are text.
                "http_fields" => assert!(bytes.is_ascii() && bytes.starts_with(b"sig1="), "{label}"),
                "stamp_place" => {
                    let text = std::str::from_utf8(&bytes).unwrap();
                    let plan = StampPlan::read(text, false).unwrap();
                    assert_eq!(plan.places().len(), if name == "plan" { 2 } else { 1 }, "{label}");
                }
                "sm2" if name == "point" => assert!(sm2::PublicKey::from_bytes(&bytes[1..]).is_ok(), "{label}"),
                "sm2" if name == "compressed" => {
                    assert!(sm2::PublicKey::from_compressed(&bytes[1..]).is_ok(), "{label}")
                }
                "sm2" => assert!(matches!(bytes[0], 2 | 3), "{label}"),
                "sm3" => assert_eq!(bytes[2..].split(|byte| *byte == bytes[0]).count(), 4, "{label}"),
                "sm4" => assert_eq!(bytes.len(), 16 + 16 + 3 + 100, "{label}"),
                "verify" => {
                    let made = material();
                    let report = made.judge(&bytes, &made.trust(), &material::policy());
                    let expected = match name.as_str() {
                        "once" | "twice" | "certificate" => Indication::TotalPassed,
                        "detached" => Indication::Refused,
                        "list" | "value" => Indication::Indeterminate,
                        _ => Indication::TotalFailed,
                    };
                    assert_eq!(report.indication, expected, "{label}: {:?}", report.error);
                }
                other => panic!("no reader for {other}"),
            }
        }
    }
}

#[test]
fn no_seed_is_committed_that_we_did_not_make() {
    let made = seeds();
    for folder in fs::read_dir(corpus()).unwrap() {
        let folder = folder.unwrap();
        let target = folder.file_name().into_string().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            // What the fuzzer leaves here is ignored by git.
            let Some(name) = name.strip_prefix("seed-") else { continue };
            assert!(made[target.as_str()].contains_key(name), "{target}/seed-{name}");
        }
    }
}

/// `fuzz/` compiles the product's files against its own list of dependencies.
#[test]
fn the_fuzzers_build_with_the_products_dependencies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap().parse::<toml::Table>().unwrap();
    let (product, fuzz) = (read("Cargo.toml"), read("fuzz/Cargo.toml"));
    let locked = |path: &str| -> BTreeMap<String, Vec<String>> {
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for package in read(path)["package"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap().to_owned();
            versions.entry(name).or_default().push(package["version"].as_str().unwrap().to_owned());
        }
        versions
    };
    let (product_lock, fuzz_lock) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    for (name, wanted) in fuzz["dependencies"].as_table().unwrap() {
        if ["libfuzzer-sys", "x509-parser"].contains(&name.as_str()) {
            continue;
        }
        // Second opinions are the product's tests' too.
        let of_product = product["dependencies"].get(name).or_else(|| product["dev-dependencies"].get(name));
        assert_eq!(Some(wanted), of_product, "{name}");
        for version in &fuzz_lock[name] {
            assert!(product_lock[name].contains(version), "{name} {version} is not in the product's lock file");
        }
    }
    let bins = fuzz["bin"].as_array().unwrap();
    let targets: Vec<_> = bins.iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    assert_eq!(targets, seeds().into_keys().collect::<Vec<_>>(), "each target has seeds");
}
