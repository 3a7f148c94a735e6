//! A seal used with the very keys of an installation, but outside of it: every signature is right, the log knows nothing of it, and
//! under a trust list in force that says that this issuer logs `strict` refuses it.

use std::path::Path;

use serde_json::Value;
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::caller::Role;
use yinxin::domain::trust::list::fingerprint;
use yinxin::format::trust_list::{ListedAnchor, SignedTrustList, SignerIdRule, TrustUse};
use yinxin::service::development;

use crate::made::trust_list::signed_list;
use crate::process::{has_curl, program};
use crate::serve::audit_log::{copied, keys, seal_with_receipts, until};
use crate::serve::receipts::opened;
use crate::serve::requests::{open, register};
use crate::serve::trust_lists::{LISTS, Person, send, sign};
use crate::serve::{Client, Installation};

/// A list that trusts an authority for seals, and says in which logs must be what is issued below it.
pub(super) fn list_of(certificate: Vec<u8>, logs: &[Verifier]) -> SignedTrustList {
    let anchor = ListedAnchor {
        certificate,
        from: None,
        logs: logs.iter().map(Verifier::to_vkey).collect(),
        name: "authority".into(),
        regions: Vec::new(),
        signer_id: SignerIdRule::Default,
        status: Vec::new(),
        until: None,
        uses: vec![TrustUse::SealMaking, TrustUse::SealSigning],
    };
    signed_list("logging", anchor, SystemClock.now())
}

pub(super) fn into_force(client: &Client, officers: [&Person; 2], list: &SignedTrustList) {
    let taken = send(client, officers[0], "POST", LISTS, Some(&list.to_json()));
    assert_eq!(taken.status, 200, "{}", taken.text());
    let digest = sm3(list.payload());
    let path = format!("{LISTS}/{}", yinxin::crypto::digest::hex(&digest));
    let paper = fingerprint(&digest);
    for officer in officers {
        let (approved, _) = sign(client, officer, &path, ("approve", "approval"), Some(&paper));
        assert_eq!(approved.status, 200, "{}", approved.text());
    }
    let active = send(client, officers[0], "POST", &format!("{path}/activation"), None);
    assert_eq!(active.json()["state"], "active", "{}", active.text());
}

/// Of the first signature: status and code of the axis, and whether its missing proof is among the reasons of the verdict.
fn judged(
    client: &Client,
    installation: &Installation,
    (name, octets): (&str, &[u8]),
) -> (String, String, bool, Value) {
    judged_beside(client, &installation.write(name, octets), &[])
}

/// The same, with more parts of the form.
pub(super) fn judged_beside(client: &Client, file: &Path, more: &[&str]) -> (String, String, bool, Value) {
    let form = format!("file=@{}", file.display());
    let answer = client.call("/api/v1/verifications", &[&["-F", &form, "-F", "policy=strict"], more].concat());
    let report: Value = serde_json::from_slice(&answer.ok()).unwrap();
    let signature = &report["signatures"][0];
    assert_eq!(signature["signature"]["status"], "ok", "{report}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let is_refused = signature["reasons"].as_array().unwrap().iter().any(|reason| reason["code"] == "receipt-missing");
    let axis = &signature["logged"];
    (text(&axis["status"]), text(&axis["code"]), is_refused, report)
}

/// Two officers who may bring trust lists into force.
pub(super) fn officers(installation: &Installation) -> [Person; 2] {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let officers = [(); 2].map(|()| runtime.block_on(register(installation, Role::CertificateOfficer)));
    for (_, id) in &officers {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error");
        let done = command.args(["ca", "officer", "appoint", "--role", "approver", "--caller", id.as_str()]).output();
        assert!(done.unwrap().status.success());
    }
    officers
}

/// The certificate of the authority whose development certificates an installation uses.
pub(super) fn authority_of(installation: &Installation) -> Vec<u8> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let services = open(installation).await;
        let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
        services.store.close().await;
        pki.authority
    })
}

#[test]
fn what_a_thief_signs_with_our_keys_is_refused_where_a_list_says_that_we_log() {
    if !has_curl() {
        return crate::skip(
            "serve::stolen_keys::what_a_thief_signs_with_our_keys_is_refused_where_a_list_says_that_we_log",
            "curl",
        );
    }
    let (installation, thief) = (Installation::new("serve-stolen"), Installation::new("serve-stolen-thief"));
    assert_eq!(installation.serve().terminate().0, Some(0));
    copied(&installation.home(), &thief.home());
    let running = thief.serve();
    let (_, forged) = seal_with_receipts(&thief, &thief.client(&running), "forged");
    assert_eq!(running.terminate().0, Some(0));

    let [one, two] = officers(&installation);
    let authority = authority_of(&installation);

    let running = installation.serve();
    let client = installation.client(&running);
    let keys = keys(&client);
    let (receipts, genuine) = seal_with_receipts(&installation, &client, "genuine");
    let leaf = opened(&receipts[1], &keys).0.index;
    let genuine = ("genuine.ofd", genuine.as_slice());
    let forged = ("forged.ofd", forged.as_slice());
    // Where no list says who logs, nobody is asked: the thief's is not told from ours.
    until("the leaf", || (judged(&client, &installation, genuine).1 == "in-log").then_some(()));
    let (status, code, is_refused, _) = judged(&client, &installation, forged);
    assert_eq!((status.as_str(), code.as_str(), is_refused), ("not_applicable", "not-in-log", false));

    into_force(&client, [&one, &two], &list_of(authority, &keys));
    // The service notices within 15 seconds that the list is in force.
    until("the list", || (judged(&client, &installation, forged).1 == "receipt-missing").then_some(()));
    let (status, code, is_refused, report) = judged(&client, &installation, forged);
    assert_eq!((status.as_str(), code.as_str(), is_refused), ("unknown", "receipt-missing", true), "{report}");
    assert_ne!(report["indication"], "TOTAL_PASSED");
    let (status, code, is_refused, report) = judged(&client, &installation, genuine);
    assert_eq!((status.as_str(), code.as_str(), is_refused), ("ok", "in-log", false), "{report}");
    let evidence = &report["signatures"][0]["logged"]["evidence"];
    assert_eq!((&evidence[0], &evidence[1]), (&"log localhost/log/sm3".into(), &format!("leaf {leaf}").into()));
    assert_eq!(running.terminate().0, Some(0));
}
