//! CRLs and OCSP answers of others read by us, and ours read by others.
//!
//! The files stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they or a peer are
//! absent each test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

use std::fs;
use std::path::{Path, PathBuf};

use yinxin::format::x509::CertificateList;

fn is_required() -> bool {
    std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require")
}

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("pki");
    if root.join("pkits/crls").is_dir() {
        return Some(root);
    }
    assert!(!is_required(), "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| wanted(name))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Reads all, compares with a second parser, and gives what was refused.
fn refused(files: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    for (name, bytes) in files {
        let read = match CertificateList::parse(bytes) {
            Ok(read) => read,
            Err(error) => {
                refused.push((name.clone(), error.to_string()));
                continue;
            }
        };
        assert_eq!(read.raw, bytes, "{name}");
        let (_, peer) = x509_parser::parse_x509_crl(bytes).unwrap();
        assert_eq!(peer.issuer().as_raw(), read.issuer.raw(), "{name}");
        assert_eq!(peer.last_update().timestamp(), read.this_update.unix(), "{name}");
        assert_eq!(peer.next_update().map(|time| time.timestamp()), read.next_update.map(|time| time.unix()), "{name}");
        assert_eq!(peer.extensions().len(), read.extensions.len(), "{name}");
        let theirs: Vec<_> = peer.iter_revoked_certificates().collect();
        assert_eq!(theirs.len(), read.count(), "{name}");
        for (theirs, ours) in theirs.iter().zip(read.entries()) {
            assert_eq!(theirs.raw_serial(), ours.serial, "{name}");
            assert_eq!(theirs.revocation_date.timestamp(), ours.revocation_date.unix(), "{name}");
            let reason = theirs.reason_code().map(|(_, reason)| reason.0);
            assert_eq!(reason, ours.reason.map(|reason| reason.number()), "{name}");
        }
    }
    refused
}

#[test]
fn every_crl_of_pkits_is_read_as_a_second_parser_reads_it() {
    let Some(root) = fixtures("every_crl_of_pkits_is_read_as_a_second_parser_reads_it") else { return };
    let files = files(&root.join("pkits/crls"), |name| name.ends_with(".crl"));
    assert_eq!(files.len(), 173);
    assert_eq!(refused(&files), []);
}

#[test]
fn every_sm2_crl_is_read_as_a_second_parser_reads_it() {
    let Some(root) = fixtures("every_sm2_crl_is_read_as_a_second_parser_reads_it") else { return };
    let files = files(&root.join("sm2-certs"), |name| name.starts_with("crl-"));
    assert_eq!(files.len(), 47);
    assert_eq!(refused(&files), []);
}
