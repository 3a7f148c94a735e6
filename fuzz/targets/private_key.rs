//! Any bytes, read as a private key file of every kind, and as SM2's ciphertext and enveloped key.
//!
//! What is accepted is written again and read the same; where DER has one encoding, byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::format::keys::cfca::CfcaKeyFile;
use yinxin::format::keys::enveloped_key::Sm2EnvelopedKey;
use yinxin::format::keys::pbe::MAX_ITERATIONS;
use yinxin::format::keys::pkcs1::RsaPrivateKey;
use yinxin::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
use yinxin::format::keys::pkcs12::{Bag, Content, MAX_BAGS, MAX_CONTENTS, Pfx, read_safe_contents};
use yinxin::format::keys::sec1::EcPrivateKey;
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
use yinxin::format::keys::{KeyFile, MAX_BLOCKS, read_pem_blocks, recognise};

fuzz_target!(|input: &[u8]| {
    let kind = recognise(input);
    if let Some(KeyFile::Pem(text)) = &kind {
        if let Ok(blocks) = read_pem_blocks(text) {
            assert!(blocks.len() <= MAX_BLOCKS);
            blocks.iter().for_each(|block| structures(block.content.expose()));
        }
    } else if let Some(KeyFile::Base64(content)) = &kind {
        structures(content.expose());
    }
    structures(input);
});

fn structures(input: &[u8]) {
    plain(input);
    shrouded(input);
    if let Ok(key) = RsaPrivateKey::parse(input) {
        assert_eq!(key.private.expose(), input);
    }
    if let Ok(key) = EcPrivateKey::parse(input)
        && let Some(public) = &key.public
    {
        let again = EcPrivateKey::write(key.curve, &key.scalar, public);
        let again = EcPrivateKey::parse(again.expose()).expect("what we write, we read");
        assert_eq!((again.curve, again.scalar.expose(), again.public), (key.curve, key.scalar.expose(), key.public));
    }
    let _ = CfcaKeyFile::parse(input);
    if let Ok(ciphertext) = Sm2Ciphertext::parse(input) {
        assert_eq!(ciphertext.to_der(), input, "DER has one encoding");
    }
    if let Ok(key) = Sm2EnvelopedKey::parse(input) {
        assert_eq!(Sm2EnvelopedKey::parse(&key.to_der()).as_ref(), Ok(&key));
    }
    if let Ok(pfx) = Pfx::parse(input) {
        assert!(pfx.mac.as_ref().is_none_or(|mac| (1..=MAX_ITERATIONS).contains(&mac.iterations)));
        let contents = pfx.contents().unwrap_or_default();
        assert!(contents.len() <= MAX_CONTENTS);
        for content in contents {
            if let Content::Plain(octets) = content {
                bags(&octets);
            }
        }
    }
    bags(input);
}

fn plain(input: &[u8]) {
    let Ok(key) = PrivateKeyInfo::parse(input) else { return };
    let public = key.public.clone().unwrap_or_default();
    // A point is written with SM2 and P-256, and must be one.
    if matches!(key.kind, KeyKind::Sm2 | KeyKind::P256) && !matches!(public.len(), 33 | 65) {
        return;
    }
    let again = PrivateKeyInfo::write(key.kind, &key.private, &public);
    match PrivateKeyInfo::parse(again.expose()) {
        Ok(again) => assert_eq!((again.kind, again.private.expose()), (key.kind, key.private.expose())),
        // The key beside the private one (RFC 5958, version 2) can be any octets.
        Err(_) => assert!(!matches!(public.first(), Some(2..=4))),
    }
}

fn shrouded(input: &[u8]) {
    let Ok(key) = EncryptedPrivateKeyInfo::parse(input) else { return };
    assert!((1..=MAX_ITERATIONS).contains(&key.scheme.iterations()));
    assert_eq!(EncryptedPrivateKeyInfo::parse(&key.to_der()).as_ref(), Ok(&key));
}

fn bags(input: &[u8]) {
    let Ok(bags) = read_safe_contents(input) else { return };
    assert!(bags.len() <= MAX_BAGS);
    for bag in bags {
        match bag {
            Bag::Key(key) => plain(key.expose()),
            Bag::ShroudedKey(key) => shrouded(&key),
            Bag::Certificate(_) | Bag::Other(_) => {}
        }
    }
}
