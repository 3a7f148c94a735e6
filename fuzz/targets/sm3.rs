//! Any messages through every engine of SM3 and HMAC-SM3, whole and in pieces, against the `sm3` crate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sm3::Digest;
use yinxin::crypto::sm3::{Engine, Hmac, Sm3, digest_many, digest_many_with, sm3};

fn peer(parts: &[&[u8]]) -> [u8; 32] {
    let mut peer = sm3::Sm3::new();
    parts.iter().for_each(|part| peer.update(part));
    peer.finalize().into()
}

/// HMAC by its definition (RFC 2104), over the peer's digest.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let short = if key.len() > 64 { peer(&[key]).to_vec() } else { key.to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let inner = peer(&[&block.map(|byte| byte ^ 0x36), message]);
    peer(&[&block.map(|byte| byte ^ 0x5c), &inner])
}

// The first byte separates messages, the second cuts the whole into pieces.
fuzz_target!(|input: &[u8]| {
    let [separator, step, rest @ ..] = input else { return };
    let whole = peer(&[rest]);
    assert_eq!(sm3(rest), whole);
    let mut pieces = Sm3::new();
    rest.chunks(usize::from(*step) + 1).for_each(|piece| pieces.update(piece));
    assert_eq!(pieces.clone().finish(), whole);
    assert_eq!(pieces.finish(), whole);

    let messages = rest.split(|byte| byte == separator).take(100).collect::<Vec<_>>();
    let expected = messages.iter().map(|message| peer(&[message])).collect::<Vec<_>>();
    assert_eq!(digest_many(&messages), expected);
    for engine in Engine::available() {
        assert_eq!(digest_many_with(engine, &messages), expected, "{engine:?}");
    }

    let (key, message) = (messages.first().copied().unwrap_or_default(), rest);
    let code = hmac(key, message);
    let mac = Hmac::new(key);
    let mut run = mac.start();
    rest.chunks(usize::from(*step) + 1).for_each(|piece| run.update(piece));
    assert_eq!(run.clone().finish(), code);
    assert!(run.clone().verify(&code));
    let mut wrong = code;
    wrong[usize::from(*step) % 32] ^= separator | 1;
    assert!(!run.verify(&wrong));
});
