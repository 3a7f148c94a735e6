//! PKITS (NIST): 246 paths with their revocation lists, each with the verdict of RFC 5280 6.1 and the reason for it.
//!
//! `YINXIN_PKITS=DIR cargo test --release --test pkits` judges another folder of the same shape: `pkits.json`, `certs`,
//! `crls`.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

mod path_suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::trust::revocation::RevocationSources;
use yinxin::domain::trust::{
    Budget, CrlEvidence, PathPolicy, PathQuestion, PolicyInputs, RevocationDemand, RevocationEvidence,
    RevocationPolicy, RevocationScope, TrustAnchors,
};
use yinxin::format::der::ObjectIdentifier;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::crl::CertificateList;

use path_suites::{Accepts, Tally, read, suite};

/// A moment within the suite's certificates and lists, which end in 2011.
const AT: &str = "2008-05-01T00:00:00Z";

#[derive(Deserialize)]
struct Case {
    id: String,
    name: String,
    cert: String,
    #[serde(default)]
    other_certs: Vec<String>,
    #[serde(default)]
    crls: Vec<String>,
    path_len: usize,
    error: Option<Expected>,
    #[serde(default)]
    params: Params,
}

#[derive(Deserialize)]
struct Expected {
    msg_regex: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Params {
    user_initial_policy_set: Option<Vec<String>>,
    initial_explicit_policy: bool,
    initial_policy_mapping_inhibit: bool,
    initial_any_policy_inhibit: bool,
}

/// What the suite says about a refusal, and our codes for it.
const REASONS: &[(&str, &[&str])] = &[
    ("revocation", &["certificate-revocation-unknown"]),
    ("was revoked at", &["certificate-revoked"]),
    ("policy mapping for the \"any policy\"", &["any-policy-mapped"]),
    ("expired", &["certificate-expired"]),
    ("is not valid until", &["certificate-not-yet-valid"]),
    ("is not a CA", &["issuer-without-basic-constraints", "issuer-not-an-authority"]),
    ("is not allowed to sign certificates", &["issuer-key-usage"]),
    ("exceeds the maximum path length", &["path-length-exceeded"]),
    ("not all names", &["name-not-permitted", "name-incomparable"]),
    ("some names", &["name-excluded"]),
    ("unsupported critical extension", &["critical-extension-unknown"]),
    ("issuer name could not be matched", &["issuer-missing"]),
    ("signature of", &["certificate-signature-wrong"]),
    ("no valid set of policies", &["no-acceptable-policy"]),
];

/// Files of the folder, read once.
struct Files<'a> {
    root: &'a Path,
    read: BTreeMap<String, Vec<u8>>,
}

impl Files<'_> {
    fn load(&mut self, folder: &str, name: &str) -> Vec<u8> {
        let path = self.root.join(folder).join(name);
        self.read.entry(format!("{folder}/{name}")).or_insert_with(|| fs::read(path).unwrap()).clone()
    }
}

#[test]
fn pkits() {
    let Some(file) = suite("pkits", "YINXIN_PKITS", "pki/pkits") else { return };
    let cases: Vec<Case> = serde_json::from_slice(&read(&file.join("pkits.json"))).unwrap();
    let mut files = Files { root: &file, read: BTreeMap::new() };
    let (mut tally, tables) = (Tally::new("exceptions-pkits.toml"), KeyTables::default());
    for case in &cases {
        let id = format!("{}::{}", case.id, case.name);
        if case.name.contains("dsa_") {
            tally.skip(&id, "DSA is not computed");
            continue;
        }
        let expected = match &case.error {
            None => "valid".to_owned(),
            Some(error) => {
                let row = REASONS.iter().find(|(text, _)| error.msg_regex.contains(text));
                row.map_or_else(|| error.msg_regex.clone(), |(_, codes)| codes.join(" or "))
            }
        };
        let (actual, why) = match case.judge(&mut files, &tables) {
            Ok(length) => (
                if length == case.path_len { "valid".to_owned() } else { format!("valid, {length} long") },
                String::new(),
            ),
            Err((code, why)) => (code.to_owned(), why),
        };
        let actual = if expected.split(" or ").any(|code| code == actual) { expected.clone() } else { actual };
        tally.judge(&id, &expected, &actual, &why);
    }
    tally.report("PKITS");
}

impl Case {
    fn policy(&self) -> PathPolicy {
        let oid = |text: &String| ObjectIdentifier::new_unwrap(text);
        let policies = PolicyInputs {
            user_initial_policy_set: self
                .params
                .user_initial_policy_set
                .as_ref()
                .map(|set| set.iter().map(oid).collect()),
            initial_explicit_policy: self.params.initial_explicit_policy,
            initial_policy_mapping_inhibit: self.params.initial_policy_mapping_inhibit,
            initial_any_policy_inhibit: self.params.initial_any_policy_inhibit,
        };
        PathPolicy { policies, ..PathPolicy::field() }
    }

    /// How long the path is, or the code and the text of the refusal.
    fn judge(&self, files: &mut Files<'_>, tables: &KeyTables) -> Result<usize, (&'static str, String)> {
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&files.load("certs", "TrustAnchorRootCertificate.crt"), "PKITS").unwrap();
        let others: Vec<_> = self.other_certs.iter().map(|name| files.load("certs", name)).collect();
        let beside: Vec<_> = others.iter().map(|der| Certificate::parse(der).unwrap()).collect();
        let end = files.load("certs", &self.cert);
        let end = Certificate::parse(&end).unwrap();
        let (check, policy) = (Accepts { least_rsa: 1024, sha1: true }, self.policy());
        let at = Timestamp::parse_rfc3339(AT).unwrap();
        // The suite's definitions leave the anchor's own list out.
        let lists: Vec<_> = self.crls.iter().map(String::as_str).chain(["TrustAnchorRootCRL.crl"]).collect();
        let lists: Vec<_> = lists.into_iter().map(|name| files.load("crls", name)).collect();
        let lists: Vec<_> = lists.iter().filter_map(|der| CertificateList::parse(der).ok()).collect();
        let crls: Vec<_> = lists.iter().map(|list| CrlEvidence { list, index: None }).collect();
        let evidence = RevocationEvidence { crls: &crls, ocsp: &[], certificates: &beside };
        let counts = RevocationPolicy { sources: RevocationSources::CrlOnly, ..RevocationPolicy::default() };
        let demand = RevocationDemand { evidence: &evidence, policy: &counts, scope: RevocationScope::Path, at };
        let question = PathQuestion {
            end: &end,
            trust: &trust,
            beside: &beside,
            at,
            policy: &policy,
            tables,
            check: &check,
            revocation: Some(&demand),
        };
        let mut budget = Budget::new(&Limits::DEFAULT);
        let path = question.answer(&mut budget).map_err(|refused| (refused.code(), refused.to_string()))?;
        Ok(path.certificates().len())
    }
}
