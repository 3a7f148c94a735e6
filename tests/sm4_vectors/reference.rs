//! The modes of operation written down once more, slowly, over the block cipher of the `sm4` crate.

use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

pub(crate) struct Reference(sm4::Sm4);

impl Reference {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self(sm4::Sm4::new(key.into()))
    }

    pub(crate) fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    fn decrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.0.decrypt_block(&mut block);
        block.into()
    }

    pub(crate) fn cbc_encrypt(&self, iv: [u8; 16], plaintext: &[u8]) -> Vec<u8> {
        let padding = 16 - plaintext.len() % 16;
        let padded = [plaintext, &vec![u8::try_from(padding).unwrap(); padding]].concat();
        let mut previous = iv;
        let blocks = padded.chunks(16).map(|block| {
            previous = self.encrypt_block(xor(previous, block));
            previous
        });
        blocks.flatten().collect()
    }

    /// Without looking at the padding.
    pub(crate) fn cbc_decrypt(&self, iv: [u8; 16], ciphertext: &[u8]) -> Vec<u8> {
        let mut previous = iv;
        let blocks = ciphertext.chunks(16).map(|block| {
            let block = block.try_into().unwrap();
            xor(std::mem::replace(&mut previous, block), &self.decrypt_block(block))
        });
        blocks.flatten().collect()
    }

    /// `step` says what comes after a counter block.
    fn stream(&self, first: u128, step: impl Fn(u128) -> u128, text: &[u8]) -> Vec<u8> {
        let mut counter = first;
        let mut out = Vec::new();
        for chunk in text.chunks(16) {
            out.extend_from_slice(&xor(self.encrypt_block(counter.to_be_bytes()), chunk)[..chunk.len()]);
            counter = step(counter);
        }
        out
    }

    pub(crate) fn ctr(&self, counter: [u8; 16], text: &[u8]) -> Vec<u8> {
        self.stream(u128::from_be_bytes(counter), |counter| counter.wrapping_add(1), text)
    }

    pub(crate) fn gcm(&self, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> (Vec<u8>, [u8; 16]) {
        let h = u128::from_be_bytes(self.encrypt_block([0; 16]));
        let first = match <[u8; 12]>::try_from(nonce) {
            Ok(nonce) => u128::from_be_bytes([&nonce[..], &[0, 0, 0, 1]].concat().try_into().unwrap()),
            Err(_) => ghash(h, &[], nonce),
        };
        let step = |counter: u128| (counter >> 32 << 32) | (counter.wrapping_add(1) & 0xffff_ffff);
        let ciphertext = self.stream(step(first), step, plaintext);
        let mask = u128::from_be_bytes(self.encrypt_block(first.to_be_bytes()));
        let tag = mask ^ ghash(h, aad, &ciphertext);
        (ciphertext, tag.to_be_bytes())
    }

    pub(crate) fn ccm(&self, nonce: &[u8], aad: &[u8], plaintext: &[u8], tag_len: usize) -> (Vec<u8>, Vec<u8>) {
        let left = 15 - nonce.len();
        let number = |flags: usize, value: usize| -> [u8; 16] {
            let value = u128::try_from(value).unwrap().to_be_bytes();
            let flags = [u8::try_from(flags).unwrap()];
            [&flags, nonce, &value[16 - left..]].concat().try_into().unwrap()
        };
        let flags = if aad.is_empty() { 0 } else { 64 } + 8 * ((tag_len - 2) / 2) + left - 1;
        let mut input = number(flags, plaintext.len()).to_vec();
        let fill = |input: &mut Vec<u8>| input.resize(input.len().next_multiple_of(16), 0);
        if !aad.is_empty() {
            assert!(aad.len() < 0xff00, "longer context is tested where the mode is");
            input.extend_from_slice(&u16::try_from(aad.len()).unwrap().to_be_bytes());
            input.extend_from_slice(aad);
            fill(&mut input);
        }
        input.extend_from_slice(plaintext);
        fill(&mut input);
        let mac = input.chunks(16).fold([0; 16], |mac, block| self.encrypt_block(xor(mac, block)));
        let tag = xor(mac, &self.encrypt_block(number(left - 1, 0)));
        let ciphertext = self.ctr(number(left - 1, 1), plaintext);
        (ciphertext, tag[..tag_len].to_vec())
    }
}

fn xor(a: [u8; 16], b: &[u8]) -> [u8; 16] {
    std::array::from_fn(|index| a[index] ^ b.get(index).copied().unwrap_or(0))
}

/// SP 800-38D 6.3 and 6.4, bit by bit.
fn ghash(h: u128, aad: &[u8], text: &[u8]) -> u128 {
    let bits = |bytes: &[u8]| u128::try_from(bytes.len() * 8).unwrap();
    let blocks = aad.chunks(16).chain(text.chunks(16)).map(|chunk| u128::from_be_bytes(xor([0; 16], chunk)));
    blocks.chain([bits(aad) << 64 | bits(text)]).fold(0, |state, block| {
        let (mut product, mut v) = (0, h);
        for bit in (0..128).rev() {
            if (state ^ block) >> bit & 1 == 1 {
                product ^= v;
            }
            v = if v & 1 == 0 { v >> 1 } else { v >> 1 ^ 0xe1 << 120 };
        }
        product
    })
}
