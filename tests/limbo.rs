//! x509-limbo (C2SP): certificate chains with the verdict that RFC 5280, or the rules of the web, ask for.
//!
//! `YINXIN_LIMBO=FILE.json[.gz] cargo test --release --test limbo` judges another suite file.

mod path_suites;

use std::net::IpAddr;

use serde::Deserialize;
use yinxin::base::clock::{Clock as _, SystemClock, Timestamp};
use yinxin::base::limits::Limits;
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::trust::revocation::RevocationSources;
use yinxin::domain::trust::{
    Budget, CrlEvidence, PathPolicy, PathQuestion, PeerName, PurposeNesting, RevocationDemand, RevocationEvidence,
    RevocationPolicy, RevocationScope, TrustAnchors, check_peer_name,
};
use yinxin::format::der::ObjectIdentifier;
use yinxin::format::keys::read_pem;
use yinxin::format::x509::crl::CertificateList;
use yinxin::format::x509::{Certificate, KeyUsage};

use path_suites::{Accepts, Tally, read, suite};

#[derive(Deserialize)]
struct Limbo {
    version: u32,
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    signature_algorithms: Vec<String>,
    key_usage: Vec<String>,
    extended_key_usage: Vec<String>,
    expected_result: String,
    expected_peer_name: Option<Peer>,
    expected_peer_names: Vec<Peer>,
    max_chain_depth: Option<usize>,
    #[serde(default)]
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct Peer {
    kind: String,
    value: String,
}

#[test]
fn limbo() {
    let Some(file) = suite("limbo", "YINXIN_LIMBO", "pki/limbo/limbo-core.json.gz") else { return };
    let limbo: Limbo = serde_json::from_slice(&read(&file)).unwrap();
    assert_eq!(limbo.version, 1);
    let (mut tally, tables) = (Tally::new("exceptions-limbo.toml"), KeyTables::default());
    for case in &limbo.testcases {
        if !case.signature_algorithms.is_empty() {
            tally.skip(&case.id, "limits the signature algorithms by name");
            continue;
        }
        let outcome = case.judge(&tables);
        let actual = if outcome.is_ok() { "SUCCESS" } else { "FAILURE" };
        tally.judge(&case.id, &case.expected_result, actual, &outcome.err().unwrap_or_default());
    }
    tally.report("limbo");
}

/// What the web's rules are asked for: the suite names its cases by the standard that decides them.
fn is_of_the_web(id: &str) -> bool {
    ["webpki::", "online::", "cve::"].iter().any(|of| id.starts_with(of))
}

impl Case {
    fn policy(&self) -> PathPolicy {
        let base = if is_of_the_web(&self.id) { PathPolicy::tls_server() } else { PathPolicy::strict() };
        let by_kind = if self.validation_kind == "SERVER" { "serverAuth" } else { "clientAuth" };
        let mut purposes: Vec<&str> = self.extended_key_usage.iter().map(String::as_str).collect();
        if purposes.is_empty() {
            purposes.push(by_kind);
        }
        PathPolicy {
            purposes: purposes.into_iter().map(purpose).collect(),
            nesting: PurposeNesting::Enforced,
            key_usage: self.key_usage.iter().map(|usage| key_usage(usage)).fold(0, |all, bit| all | bit),
            authorities: self.max_chain_depth,
            ..base
        }
    }

    fn judge(&self, tables: &KeyTables) -> Result<(), String> {
        let mut trust = TrustAnchors::none();
        for (index, pem) in self.trusted_certs.iter().enumerate() {
            // Certificates that cannot be read cannot be trusted; the suite has one.
            if let Err(refused) = trust.add_anchors(pem.as_bytes(), &format!("trusted {index}")) {
                path_suites::tell(&format!("  {}: {refused}", self.id));
            }
        }
        let der = |pem: &String| read_pem(pem, "CERTIFICATE").and_then(|ders| ders.into_iter().next());
        let intermediates: Vec<Vec<u8>> = self.untrusted_intermediates.iter().filter_map(der).collect();
        let beside: Vec<_> = intermediates.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
        let end = der(&self.peer_certificate).ok_or("no certificate")?;
        let end = Certificate::parse(&end).map_err(|refused| refused.to_string())?;
        let at = match &self.validation_time {
            Some(text) => Timestamp::parse_rfc3339(text).map_err(|refused| refused.to_string())?,
            None => SystemClock.now(),
        };
        let accepts = Accepts { least_rsa: 2048, sha1: false };
        let policy = self.policy();
        let lists: Option<Vec<_>> = self.crls.iter().map(|pem| read_pem(pem, "X509 CRL")).collect();
        let lists: Vec<_> = lists.ok_or("no CRL")?.into_iter().flatten().collect();
        let lists: Result<Vec<_>, _> = lists.iter().map(|der| CertificateList::parse(der)).collect();
        let lists = lists.map_err(|refused| refused.to_string())?;
        let crls: Vec<_> = lists.iter().map(|list| CrlEvidence { list, index: None }).collect();
        let evidence = RevocationEvidence { crls: &crls, ocsp: &[], certificates: &beside };
        let counts = RevocationPolicy { sources: RevocationSources::CrlOnly, ..RevocationPolicy::default() };
        let demand = RevocationDemand { evidence: &evidence, policy: &counts, scope: RevocationScope::End, at };
        // A list of the end's issuer must say something; others need not.
        let is_asked = lists.iter().any(|list| list.issuer.matches(&end.issuer));
        let revocation = is_asked.then_some(&demand);
        let question = PathQuestion {
            end: &end,
            trust: &trust,
            beside: &beside,
            at,
            policy: &policy,
            tables,
            check: &accepts,
            revocation,
        };
        question
            .answer(&mut Budget::new(&Limits::DEFAULT))
            .map_err(|refused| format!("{}: {refused}", refused.code()))?;
        for peer in self.expected_peer_name.iter().chain(&self.expected_peer_names) {
            check_peer_name(&end, peer.name()).map_err(|refused| refused.to_string())?;
        }
        Ok(())
    }
}

impl Peer {
    fn name(&self) -> PeerName<'_> {
        match (self.kind.as_str(), self.value.parse::<IpAddr>()) {
            // Cases taken over from BetterTLS call an address a DNS name.
            ("IP" | "DNS", Ok(address)) => PeerName::Ip(address),
            ("RFC822", _) => PeerName::Email(&self.value),
            _ => PeerName::Dns(&self.value),
        }
    }
}

fn purpose(name: &str) -> ObjectIdentifier {
    let oid = match name {
        "anyExtendedKeyUsage" => "2.5.29.37.0",
        "serverAuth" => "1.3.6.1.5.5.7.3.1",
        "clientAuth" => "1.3.6.1.5.5.7.3.2",
        "codeSigning" => "1.3.6.1.5.5.7.3.3",
        "emailProtection" => "1.3.6.1.5.5.7.3.4",
        "timeStamping" => "1.3.6.1.5.5.7.3.8",
        "OCSPSigning" => "1.3.6.1.5.5.7.3.9",
        other => other,
    };
    ObjectIdentifier::new_unwrap(oid)
}

fn key_usage(name: &str) -> u16 {
    match name {
        "digitalSignature" => KeyUsage::DIGITAL_SIGNATURE,
        "contentCommitment" => KeyUsage::NON_REPUDIATION,
        "keyEncipherment" => KeyUsage::KEY_ENCIPHERMENT,
        "dataEncipherment" => KeyUsage::DATA_ENCIPHERMENT,
        "keyAgreement" => KeyUsage::KEY_AGREEMENT,
        "keyCertSign" => KeyUsage::KEY_CERT_SIGN,
        "cRLSign" => KeyUsage::CRL_SIGN,
        "encipherOnly" => KeyUsage::ENCIPHER_ONLY,
        "decipherOnly" => KeyUsage::DECIPHER_ONLY,
        other => unreachable!("key usage {other}"),
    }
}
