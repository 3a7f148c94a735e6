//! Any bytes, read as Signatures.xml and as Signature.xml (GB/T 33190-2016, clause 18).
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::check::LIMITS;
use yinxin::format::ofd::path::PartName;
use yinxin::format::ofd::signatures::{SignatureDescription, SignatureList};

fuzz_target!(|input: &[u8]| {
    let part = PartName::from_root("Doc_0/Signs/Signatures.xml").expect("a plain name");
    let _ = SignatureList::parse(&part, input, &LIMITS);
    if let Ok(read) = SignatureDescription::parse(&part, input, &LIMITS) {
        assert!(read.references.len() <= LIMITS.references);
    }
});
