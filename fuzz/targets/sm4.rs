//! Any key and text through every engine and mode of SM4, against the `sm4` crate; any bytes as something to open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sm4::cipher::{BlockCipherEncrypt, KeyInit};
use yinxin::crypto::Error;
use yinxin::crypto::aead::{AeadAlgorithm, AeadKey};
use yinxin::crypto::ghash;
use yinxin::crypto::sm4::ccm::Sm4Ccm;
use yinxin::crypto::sm4::gcm::Sm4Gcm;
use yinxin::crypto::sm4::{Block, Engine, Sm4, cbc, ctr};

/// What the modes are made of, from the crate.
struct Peer(sm4::Sm4);

impl Peer {
    fn block(&self, block: &Block) -> Block {
        let mut block = (*block).into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    fn ctr(&self, start: &Block, text: &[u8]) -> Vec<u8> {
        let mut counter = u128::from_be_bytes(*start);
        let stream = std::iter::from_fn(|| {
            let block = self.block(&counter.to_be_bytes());
            counter = counter.wrapping_add(1);
            Some(block)
        });
        text.iter().zip(stream.flatten()).map(|(text, stream)| text ^ stream).collect()
    }

    fn cbc(&self, iv: &Block, text: &[u8]) -> Vec<u8> {
        let padding = 16 - text.len() % 16;
        let padded = [text, &vec![padding as u8; padding]].concat();
        let mut previous = *iv;
        let chain = |block: &Block| {
            previous = self.block(&std::array::from_fn(|i| block[i] ^ previous[i]));
            previous
        };
        padded.as_chunks().0.iter().flat_map(chain).collect()
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((key, rest)) = input.split_first_chunk::<16>() else { return };
    let Some((iv, rest)) = rest.split_first_chunk::<16>() else { return };
    let Some((&[nonce_len, aad_len, tag_len], text)) = rest.split_first_chunk::<3>() else { return };
    let peer = Peer(sm4::Sm4::new(&(*key).into()));
    let nonce = &iv[..usize::from(nonce_len) % 17];
    let aad = &text[..usize::from(aad_len).min(text.len())];
    let (blocks, _) = text.as_chunks::<16>();
    let encrypted = blocks.iter().map(|block| peer.block(block)).collect::<Vec<_>>();
    let (by_ctr, by_cbc) = (peer.ctr(iv, text), peer.cbc(iv, text));

    // The portable engines give what the others must give where the crate has no such mode.
    let portable = Sm4Gcm::with_engines(Engine::Portable, ghash::Engine::Portable, key).expect("runs everywhere");
    let mut sealed = text.to_vec();
    let tag = portable.seal_in_place(nonce, aad, &mut sealed);
    if nonce.is_empty() {
        assert_eq!(tag, Err(Error::NonceLength { length: 0 }));
    } else if nonce.len() == 12 {
        let first: Block = std::array::from_fn(|i| nonce.get(i).copied().unwrap_or(u8::from(i == 15) * 2));
        assert_eq!(sealed, peer.ctr(&first, text), "GCM is CTR from the second counter block on");
    }
    let ccm = |engine| Sm4Ccm::with_cipher(Sm4::with_engine(engine, key).expect("available"), tag_len.into());
    let by_ccm = ccm(Engine::Portable).and_then(|key| {
        let mut sealed = text.to_vec();
        key.seal_in_place(nonce, aad, &mut sealed).map(|tag| (sealed, tag))
    });

    for engine in Engine::available() {
        let name = engine.name();
        let cipher = Sm4::with_engine(engine, key).expect("available");
        let mut copy = blocks.to_vec();
        cipher.encrypt_blocks(&mut copy);
        assert_eq!(copy, encrypted, "{name}");
        cipher.decrypt_blocks(&mut copy);
        assert_eq!(copy, blocks, "{name}");

        let mut copy = text.to_vec();
        if ctr::apply(&cipher, iv, &mut copy).is_ok() {
            assert_eq!(copy, by_ctr, "{name}");
        } else {
            assert!(iv.starts_with(&[0xff; 8]) && copy == text, "{name}");
        }

        assert_eq!(cbc::encrypt(&cipher, iv, text), by_cbc, "{name}");
        assert_eq!(cbc::decrypt(&cipher, iv, &by_cbc).expect("the padding is right").expose(), text, "{name}");
        // Hostile: whatever comes out was what went in.
        if let Ok(opened) = cbc::decrypt(&cipher, iv, text) {
            assert_eq!(peer.cbc(iv, opened.expose()), text, "{name}");
        }

        for ghash in ghash::Engine::available() {
            let name = (name, ghash.name());
            let gcm = Sm4Gcm::with_engines(engine, ghash, key).expect("available");
            let mut copy = text.to_vec();
            assert_eq!(gcm.seal_in_place(nonce, aad, &mut copy), tag, "{name:?}");
            let Ok(tag) = tag else { continue };
            assert_eq!(copy, sealed, "{name:?}");
            assert_eq!(gcm.open_in_place(nonce, aad, &mut copy, &tag), Ok(()), "{name:?}");
            assert_eq!(copy, text, "{name:?}");
            // Hostile: a tag that is anything but right, and what it leaves behind.
            if *iv != tag {
                assert_eq!(gcm.open_in_place(nonce, aad, &mut copy, iv), Err(Error::Unauthentic), "{name:?}");
                assert_eq!(copy, text, "{name:?}");
            }
        }

        match (ccm(engine), &by_ccm) {
            (Ok(key), Ok((sealed, tag))) => {
                let mut copy = text.to_vec();
                assert_eq!(key.seal_in_place(nonce, aad, &mut copy).as_ref(), Ok(tag), "{name}");
                assert_eq!(&copy, sealed, "{name}");
                let mut wrong = tag.clone();
                wrong[0] ^= tag_len | 1;
                assert_eq!(key.open_in_place(nonce, aad, &mut copy, &wrong), Err(Error::Unauthentic), "{name}");
                assert_eq!(&copy, sealed, "{name}");
                assert_eq!(key.open_in_place(nonce, aad, &mut copy, tag), Ok(()), "{name}");
                assert_eq!(copy, text, "{name}");
            }
            (Ok(key), Err(error)) => {
                assert_eq!(key.seal_in_place(nonce, aad, &mut text.to_vec()).as_ref(), Err(error), "{name}");
            }
            (Err(error), expected) => assert_eq!(Err(&error), expected.as_ref().map(|_| ()), "{name}"),
        }
    }

    let aead = AeadKey::new(AeadAlgorithm::Sm4Gcm, key).expect("of that length");
    let nonce = iv.first_chunk().expect("sixteen bytes");
    let sealed = aead.seal(nonce, aad, text).expect("short enough");
    assert_eq!(aead.open(nonce, aad, &sealed).expect("as sealed").expose(), text);
    // Hostile: nobody guesses a tag.
    assert!(aead.open(nonce, aad, text).is_none());
});
