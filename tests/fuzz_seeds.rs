//! The fuzzers' committed seeds: made by our own writers, read by our own readers. `UPDATE=1` writes them anew.
//!
//! Keys are fixed, so that a seed changes only when a writer does. The pictures are words.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::secret::Secret;
use yinxin::crypto::algorithm::OID_SM2_WITH_SM3;
use yinxin::crypto::sm2::{self, PrivateKey};
use yinxin::crypto::{PublicKey, rsa};
use yinxin::domain::verify::Indication;
use yinxin::format::der::{Writer, walk};
use yinxin::format::keys::enveloped_key::Sm2EnvelopedKey;
use yinxin::format::keys::pbe::{Cipher, Prf, Scheme};
use yinxin::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
use yinxin::format::keys::sec1::{Curve, EcPrivateKey};
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
use yinxin::format::keys::{SubjectPublicKeyInfo, oid, write_pem};
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::document::Package;
use yinxin::format::ofd::path::PartName;
use yinxin::format::ofd::signatures::{SignatureDescription, SignatureList};
use yinxin::format::ses::{Kind, NewSeal, SesSeal, SesSignature, recognise};
use yinxin::format::x509::csr::{CHALLENGE_PASSWORD, TEMPORARY_PUBLIC_KEY};
use yinxin::format::x509::extension::{IdentityCode, SubjectAltName};
use yinxin::format::x509::{
    Certificate, CertificationRequest, GeneralName, KeyUsage, NewCertificationRequest, NewExtension, NewName,
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
        vendor: "",
        es_id: "",
        kind: 0,
        name: "两位签章人",
        certificates: &[&made.signer, listed.maker_certificate],
        created: listed.created,
        valid_start: listed.created,
        valid_end: listed.created,
        picture_type: "ofd",
        picture: b"",
        width: 0,
        height: 1 << 20,
    };
    let other =
        NewSeal::assemble(&other.to_info(), listed.maker_certificate, listed.signature_algorithm, listed.signed_value);
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
        ("certificate", named(&[("root", &made.root), ("sm2", &made.signer), ("rsa", &of_rsa)])),
        ("csr", requests()),
        ("der", named(&[("every-kind", &every_kind.into_bytes()), ("certificate", &of_rsa), ("seal", &made.seal)])),
        ("http_fields", named(&[("list", request.as_bytes()), ("bytes", b"sig1=:AQID:, sm3=:AA==:")])),
        ("ofd_container", named(&[("plain", &original), ("once", &once.document), ("twice", &twice.document)])),
        ("ofd_signatures_xml", lists.chain(descriptions).collect()),
        ("private_key", private_keys()),
        ("ses_seal", named(&[("one-signer", &made.seal), ("two-signers", &other)])),
        ("ses_signature", named(&[("first", &once.signed_value), ("second", &twice.signed_value)])),
        ("sm2", sm2_seeds()),
        ("sm3", named(&[("messages", b"|\x0done|two|a longer message, |and the last")])),
        ("sm4", named(&[("text", &[&[0x11; 16][..], &[0x22; 16], &[12, 5, 16], &[0x33; 100]].concat())])),
        ("verify", named(&[("once", &once.document), ("twice", &twice.document), ("detached", &once.signed_value)])),
    ])
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
                "certificate" => assert_eq!(Certificate::parse(&bytes).unwrap().raw, bytes, "{label}"),
                "csr" => assert_eq!(CertificationRequest::parse(&bytes).unwrap().raw, bytes, "{label}"),
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
                    let expected = if name == "detached" { Indication::Refused } else { Indication::TotalPassed };
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
