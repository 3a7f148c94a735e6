//! Small programs of tests as one program: each would cost more to link than to run. Cargo.toml names them too.
#![expect(clippy::duplicate_mod, reason = "what they share stands in each, since each is a program of its own too")]

#[path = "../audit_log.rs"]
mod audit_log;
#[path = "../cli.rs"]
mod cli;
#[path = "../differential.rs"]
mod differential;
#[path = "../event_certificates.rs"]
mod event_certificates;
#[path = "../fixtures.rs"]
mod fixtures;
#[path = "../fuzz_seeds.rs"]
mod fuzz_seeds;
#[path = "../interop.rs"]
mod interop;
#[path = "../key_import.rs"]
mod key_import;
#[path = "../limbo.rs"]
mod limbo;
#[path = "../messages.rs"]
mod messages;
#[path = "../pkits.rs"]
mod pkits;
#[path = "../profiles.rs"]
mod profiles;
#[path = "../revocation.rs"]
mod revocation;
#[path = "../runbooks.rs"]
mod runbooks;
#[path = "../seal_faces.rs"]
mod seal_faces;
#[path = "../seal_forms.rs"]
mod seal_forms;
#[path = "../selftest.rs"]
mod selftest;
#[path = "../sm2_certs.rs"]
mod sm2_certs;
#[path = "../sm2_vectors.rs"]
mod sm2_vectors;
#[path = "../sm3_vectors.rs"]
mod sm3_vectors;
#[path = "../sm4_vectors.rs"]
mod sm4_vectors;
#[path = "../stamp_places.rs"]
mod stamp_places;
#[path = "../stamps.rs"]
mod stamps;
#[path = "../vectors.rs"]
mod vectors;
#[path = "../wycheproof.rs"]
mod wycheproof;

/// A program that Cargo.toml does not run by itself runs here; there is no test that nobody runs.
#[test]
fn every_program_that_does_not_run_by_itself_is_a_module_here() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let manifest = manifest.parse::<toml::Table>().unwrap();
    let programs = manifest["test"].as_array().unwrap().iter();
    let grouped = programs.filter(|program| program.get("test").and_then(toml::Value::as_bool) == Some(false));
    let grouped = grouped.map(|program| program["name"].as_str().unwrap()).collect::<Vec<_>>();
    let modules = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    assert_eq!(grouped, modules.collect::<Vec<_>>());
}
