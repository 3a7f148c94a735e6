//! Files of others: what their verification costs beside its floor, and where the time goes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress};
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::crypto::algorithm::DigestAlgorithm;
use yinxin::crypto::digest::{digest_many, sm3};
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::trust::{
    Budget, TrustAnchors, check_signed, check_value, find_path, find_signer_certificate, verify_signer,
};
use yinxin::domain::verify::{Evidence, Ground, Policy, Remembered, verify};
use yinxin::format::cms::SignedData;
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::document::Package;
use yinxin::format::ofd::shown::shown_parts;
use yinxin::format::ofd::signatures::{SignatureDescription, SignatureList};
use yinxin::format::ses::SesSignature;
use yinxin::format::tsp::TimeStampToken;
use yinxin::format::x509::Certificate;

use crate::material::policy;
use crate::measure::{medians, work};

const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

/// One signature value: key and algorithm of a certificate, what was signed, the value.
struct Value {
    certificate: Vec<u8>,
    /// A certificate's own signature, or one of a seal.
    child: Option<Vec<u8>>,
    algorithm: Option<yinxin::format::der::ObjectIdentifier>,
    message: Vec<u8>,
    value: Vec<u8>,
}

impl Value {
    fn check(&self, tables: &KeyTables) {
        let certificate = Certificate::parse(&self.certificate).unwrap();
        let signed = (self.message.as_slice(), self.value.as_slice());
        match (&self.child, self.algorithm) {
            (Some(child), _) => {
                let child = Certificate::parse(child).unwrap();
                let _ = check_signed(&certificate.public_key, &child.signature_algorithm, signed, tables);
            }
            (None, Some(algorithm)) => {
                let _ = check_value(&certificate.public_key, algorithm, signed, tables);
            }
            (None, None) => {}
        }
    }
}

/// What the floor of a file consists of.
#[derive(Default)]
struct Floor {
    parts: Vec<Vec<u8>>,
    values: Vec<Value>,
    /// Time stamps and values of type Sign: each has a value too, over its attributes or its content, which may lie beside it.
    messages: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Floor {
    fn of(bytes: &[u8], trust: &TrustAnchors, tables: &KeyTables) -> Self {
        let limits = &Limits::DEFAULT;
        let container = Container::read(bytes, limits).unwrap();
        let package = Package::read(&container, limits).unwrap();
        let mut floor = Self::default();
        let mut parts = BTreeMap::new();
        for list in package.bodies.iter().filter_map(|body| body.signatures.as_ref()) {
            for entry in SignatureList::read(&container, list, limits).unwrap().entries {
                let description = SignatureDescription::read(&container, &entry.base_loc, limits).unwrap();
                for reference in &description.references {
                    if let Some(part) = container.part(&reference.file_ref) {
                        parts.insert(reference.file_ref.clone(), part.to_vec());
                    }
                }
                parts.insert(entry.base_loc.clone(), container.part(&entry.base_loc).unwrap().to_vec());
                let Some(value) = container.part(&description.signed_value) else { continue };
                if let Ok(signature) = SesSignature::parse_any(value) {
                    floor.take(&signature, trust, tables);
                } else if let Ok(message) = SignedData::parse(value) {
                    let original = container.part(&entry.base_loc).filter(|_| message.content_octets().is_none());
                    floor.messages.push((value.to_vec(), original.map(<[u8]>::to_vec)));
                }
            }
        }
        floor.parts = parts.into_values().collect();
        floor
    }

    fn take(&mut self, signature: &SesSignature<'_>, trust: &TrustAnchors, tables: &KeyTables) {
        let seal = &signature.seal;
        let value = |certificate: &[u8], algorithm, message: &[u8], value: &[u8]| Value {
            certificate: certificate.to_vec(),
            child: None,
            algorithm: Some(algorithm),
            message: message.to_vec(),
            value: value.to_vec(),
        };
        let made = seal.signed_bytes();
        self.values.extend([
            value(signature.certificate, signature.signature_algorithm, signature.tbs, signature.signature),
            value(seal.maker_certificate, seal.signature_algorithm, &made, seal.signed_value),
        ]);
        let mut ends = vec![
            (signature.certificate.to_vec(), signature.time.unwrap_or(NOW)),
            (seal.maker_certificate.to_vec(), seal.created),
        ];
        for der in [signature.time_stamp, seal.time_stamp].into_iter().flatten() {
            let Ok(token) = TimeStampToken::parse(der) else { continue };
            let candidates = token.signed.x509_certificates();
            let Some(Ok(signer)) = token.signed.signers.first().map(|s| find_signer_certificate(s, candidates)) else {
                continue;
            };
            ends.push((signer.raw.to_vec(), token.info.gen_time.seconds()));
            self.messages.push((der.to_vec(), None));
        }
        for (der, at) in ends {
            let Ok(end) = Certificate::parse(&der) else { continue };
            let mut budget = Budget::new(&Limits::DEFAULT);
            let Ok(path) = find_path(&end, trust, at, &mut budget, tables) else { continue };
            let chain: Vec<Vec<u8>> = path.certificates().map(<[u8]>::to_vec).collect();
            for pair in chain.windows(2) {
                let [child, issuer] = pair else { continue };
                let parsed = Certificate::parse(child).unwrap();
                self.values.push(Value {
                    certificate: issuer.clone(),
                    child: Some(child.clone()),
                    algorithm: None,
                    message: parsed.tbs.to_vec(),
                    value: parsed.signature.to_vec(),
                });
            }
        }
    }

    fn digest(&self) {
        let parts: Vec<&[u8]> = self.parts.iter().map(Vec::as_slice).collect();
        std::hint::black_box(digest_many(DigestAlgorithm::Sm3, &parts));
    }

    fn check(&self, tables: &KeyTables) {
        self.values.iter().for_each(|value| value.check(tables));
        for (der, original) in &self.messages {
            let signed = SignedData::parse(der).unwrap();
            let signer = signed.signers.first().unwrap();
            let certificate = find_signer_certificate(signer, signed.x509_certificates()).unwrap();
            verify_signer(&signed, signer, original.as_deref(), &certificate, tables).unwrap();
        }
    }
}

/// Every entry in one piece, with its checksum: as the container inflates, without what it checks.
fn inflate(bytes: &[u8]) -> usize {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut state = Decompress::new(false);
    let mut total = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).unwrap();
        let start = usize::try_from(entry.data_start().unwrap()).unwrap();
        let packed = bytes.get(start..start + usize::try_from(entry.compressed_size()).unwrap()).unwrap();
        if entry.compression() == zip::CompressionMethod::Stored {
            total += packed.len();
            continue;
        }
        let mut content = vec![0; usize::try_from(entry.size()).unwrap()];
        state.reset(false);
        state.decompress(packed, &mut content, FlushDecompress::Finish).unwrap();
        assert_eq!(crc32fast::hash(&content), entry.crc32());
        total += content.len();
    }
    total
}

fn fixtures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("eseal");
    root.join("expected.json").exists().then_some(root)
}

/// Every signed file: files in a second, beside the floor, and the share of each phase.
pub(crate) fn files() {
    let Some(root) = fixtures() else {
        println!("no fixtures: files of others are left out");
        return;
    };
    let mut trust = TrustAnchors::none();
    for anchor in ["generated/keys/ca.pem", "generated/keys/rsa_ca.pem"] {
        trust.add_anchors(&fs::read(root.join(anchor)).unwrap(), anchor).unwrap();
    }
    let policy = policy();
    // What a service has after its first minutes, with and without seals and paths that came before.
    let remembered = [Remembered::tables_alone(), Remembered::default()];
    println!(
        "{:<58} {:>7} {:>9} {:>6} {:>9} {:>6} {:>9}  unzip  hash signature path report rest",
        "file", "KB", "first/s", "of", "again/s", "of", "floor/s"
    );
    let mut least = [f64::INFINITY; 2];
    for folder in ["real", "ofdrw", "generated"] {
        let mut names: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|ending| ending == "ofd"));
        names.sort();
        for path in names {
            let bytes = fs::read(&path).unwrap();
            let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
            if let Some(shares) = one(&name, &bytes, &trust, &policy, &remembered) {
                least = [least[0].min(shares[0]), least[1].min(shares[1])];
            }
        }
    }
    let [first, again] = least.map(|share| share * 100.0);
    println!("first: seals and paths as if never seen; again: seals and paths that earlier files had too");
    println!("least share of the floor: first {first:.0} %, again {again:.0} %");
}

fn one(
    name: &str,
    bytes: &[u8],
    trust: &TrustAnchors,
    policy: &Policy,
    [nothing, much]: &[Remembered; 2],
) -> Option<[f64; 2]> {
    let limits = &Limits::DEFAULT;
    let evidence = Evidence::none();
    let ground = Ground { trust, policy, now: NOW, limits, remembered: nothing, evidence: &evidence, log_keys: &[] };
    let warm = Ground { remembered: much, ..ground };
    let tables = &nothing.tables;
    let report = verify(name, bytes, None, &ground);
    if report.error.is_some() || report.signatures.is_empty() {
        return None;
    }
    let floor = Floor::of(bytes, trust, tables);
    let container = Container::read(bytes, limits).unwrap();
    let package = Package::read(&container, limits).unwrap();
    let paths = || {
        for value in &floor.values {
            if let Ok(end) = Certificate::parse(&value.certificate) {
                let _ = find_path(&end, trust, NOW, &mut Budget::new(limits), tables);
            }
        }
    };
    let found = medians(&[
        work("first", || verify(name, bytes, None, &ground).to_json()),
        work("again", || verify(name, bytes, None, &warm).to_json()),
        work("floor", || {
            inflate(bytes);
            floor.digest();
            floor.check(tables);
        }),
        work("unzip", || Container::read(bytes, limits).unwrap()),
        work("hash", || floor.digest()),
        work("signature", || floor.check(tables)),
        work("shown", || shown_parts(&container, &package, limits).unwrap()),
        work("report", || sm3(report.to_json().as_bytes())),
        work("path", paths),
    ]);
    let &[first, again, floor, unzip, hash, signature, shown, report, path] = found.as_slice() else { return None };
    let percent = |part: f64| part / first * 100.0;
    println!(
        "{name:<58} {:>7.1} {:>9.0} {:>4.0} % {:>9.0} {:>4.0} % {:>9.0}  {:>4.0} % {:>3.0} % {:>7.0} % {:>3.0} % {:>4.0} %  \
         shown {:.0} %",
        f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) / 1024.0,
        1.0 / first,
        floor / first * 100.0,
        1.0 / again,
        floor / again * 100.0,
        1.0 / floor,
        percent(unzip),
        percent(hash),
        percent(signature),
        percent(path),
        percent(report),
        percent(shown),
    );
    Some([floor / first, floor / again])
}
