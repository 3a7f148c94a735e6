//! Every single changed byte: no position may be found at which a change goes unnoticed.

use std::collections::BTreeMap;

use yinxin::format::ses::SesSignature;

use crate::Base;
use crate::bench::{Bench, DESCRIPTION, VALUE, basic, rich, stored};

/// Judges the file with one byte changed; gives back the code of the verdict, or panics where it passes.
fn flip(bench: &mut Bench, part: &str, position: usize, mask: u8) -> String {
    bench.pack.get_mut(part)[position] ^= mask;
    let report = bench.judge(part);
    bench.pack.get_mut(part)[position] ^= mask;
    let indication = report.indication.name();
    assert!(
        matches!(indication, "TOTAL_FAILED" | "INDETERMINATE" | "REFUSED"),
        "{part}: byte {position} changed by {mask:#04x} gives {indication}"
    );
    match (&report.error, report.signatures.first()) {
        (Some(error), _) => error.code.to_owned(),
        (None, Some(signature)) => signature.code.clone(),
        (None, None) => panic!("{part}: byte {position}: neither error nor signature"),
    }
}

/// A different bit for each position, the same in each run.
fn mask(position: usize) -> u8 {
    1 << (position * 5 % 8)
}

/// All bytes of a value file whose seal has a small picture. Nothing in it is free: what lies outside of the signed
/// bytes is the signer's certificate (listed in the signed seal), the algorithm (bound to the key) and the value.
#[test]
fn any_changed_byte_of_the_value_file_is_noticed() {
    let mut bench = rich();
    let length = bench.pack.get(VALUE).len();
    let bytes = bench.pack.get(VALUE).to_vec();
    let parsed = SesSignature::parse(&bytes).unwrap();
    let place = |part: &[u8]| {
        let start = bytes.windows(part.len()).rposition(|window| window == part).unwrap();
        start..start + part.len()
    };
    let (signed, certificate, value) = (place(parsed.tbs), place(parsed.certificate), place(parsed.signature));
    let signed_length = signed.len();
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for position in 0..length {
        let code = flip(&mut bench, VALUE, position, mask(position));
        let allowed: &[&str] = if signed.contains(&position) {
            &["signature-wrong", "data-hash-wrong", "signature-malformed"]
        } else if certificate.contains(&position) {
            // A key changed to no point of the curve is a key that nobody can compute with.
            &["signature-wrong", "signer-not-listed", "signer-certificate-malformed", "algorithm-not-accepted"]
        } else if value.contains(&position) {
            &["signature-wrong"]
        } else {
            &["signature-malformed", "algorithm-not-accepted"]
        };
        assert!(allowed.contains(&code.as_str()), "byte {position} changed gives {code}, not one of {allowed:?}");
        *codes.entry(code).or_default() += 1;
    }
    println!("{length} bytes, {signed_length} of them signed: {codes:?}");
    assert!(length > 1500, "the file is whole");
    // Each kind of harm is told by its own code.
    for code in ["signature-wrong", "signature-malformed", "signer-not-listed"] {
        assert!(codes.contains_key(code), "no change gave {code}: {codes:?}");
    }
}

/// All bytes of the description.
#[test]
fn any_changed_byte_of_the_description_is_noticed() {
    let mut bench = basic();
    for position in 0..bench.pack.get(DESCRIPTION).len() {
        flip(&mut bench, DESCRIPTION, position, mask(position));
    }
}

/// Every part that is protected, in samples, on files of several shapes.
#[test]
fn changed_bytes_of_protected_parts_are_noticed() {
    let files: [Base; 5] = [
        rich,
        || stored("v4_whole_protected"),
        || stored("v4_rsa_sha256"),
        || stored("v4_certdigest_list"),
        || stored("v4_riding_right"),
    ];
    let mut count = 0;
    for file in files {
        let mut bench = file();
        let description = bench.pack.text(DESCRIPTION);
        let names: Vec<String> = bench.pack.0.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            if !description.contains(&format!("\"/{name}\"")) && name != VALUE {
                continue;
            }
            let length = bench.pack.get(&name).len();
            for sample in 0..24 {
                flip(&mut bench, &name, sample * (length - 1) / 23, mask(sample));
                count += 1;
            }
        }
    }
    println!("{count} changed bytes noticed");
    assert!(count > 500);
}
