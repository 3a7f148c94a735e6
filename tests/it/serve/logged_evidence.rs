//! Proofs and receipts of another service's log, handed in over HTTPS beside the file that they are of: the service that judges
//! cannot ask that log, and knows its keys from the trust list in force alone.

use std::fs;

use crate::process::has_curl;
use crate::serve::Installation;
use crate::serve::audit_log::{keys, log_command, seal_with_receipts, until};
use crate::serve::receipts::opened;
use crate::serve::stolen_keys::{authority_of, into_force, judged_beside, list_of, officers};

#[test]
fn evidence_of_another_log_counts_over_http() {
    if !has_curl() {
        return crate::skip("serve::logged_evidence::evidence_of_another_log_counts_over_http", "curl");
    }
    let maker = Installation::new("serve-evidence-maker");
    let running = maker.serve();
    let client = maker.client(&running);
    let keys = keys(&client);
    let (receipts, sealed) = seal_with_receipts(&maker, &client, "one");
    let (others, _) = seal_with_receipts(&maker, &client, "two");
    let (promise, _) = opened(&receipts[1], &keys);
    let other = opened(&others[1], &keys).0.index;
    let file = maker.write("sealed.ofd", &sealed);
    until("the leaves", || {
        let proof = client.call_as_caller(&format!("/api/v1/log/events/{other}/proof"), &[]);
        (proof.status == 200).then_some(())
    });
    let folder = maker.path("proofs");
    let out = folder.to_str().unwrap();
    let (code, said, complaint) = log_command(&maker, &["prove", file.to_str().unwrap(), "--out", out]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let parts = names.iter().map(|path| format!("evidence=@{}", path.display())).collect::<Vec<_>>();
    let proofs = parts.iter().flat_map(|part| ["-F", part]).collect::<Vec<_>>();
    let receipt = format!("evidence=@{}", maker.write("one.receipt", receipts[1].as_bytes()).display());
    let of_another = format!("evidence=@{}", maker.write("two.receipt", others[1].as_bytes()).display());
    assert_eq!(running.terminate().0, Some(0));
    let authority = authority_of(&maker);

    let installation = Installation::new("serve-evidence");
    assert_eq!(installation.serve().terminate().0, Some(0));
    let [one, two] = officers(&installation);
    let running = installation.serve();
    let client = installation.client(&running);
    let judged = |more: &[&str]| {
        let (status, code, is_refused, report) = judged_beside(&client, &file, more);
        ((status, code, is_refused), report)
    };
    let axis = |status: &str, code: &str, is_refused| (status.to_owned(), code.to_owned(), is_refused);
    // Nobody has said yet that this log is known.
    assert_eq!(judged(&[]).0, axis("not_applicable", "not-in-log", false));
    assert_eq!(judged(&proofs).0, axis("unknown", "log-unknown", false));

    into_force(&client, [&one, &two], &list_of(authority, &keys));
    // The service notices within 15 seconds that the list is in force.
    until("the list", || (judged(&[]).0.1 == "receipt-missing").then_some(()));
    assert_eq!(judged(&[]).0, axis("unknown", "receipt-missing", true));
    let (told, report) = judged(&proofs);
    assert_eq!(told, axis("ok", "in-log", false), "{report}");
    let logged = &report["signatures"][0]["logged"];
    assert_eq!(
        (&logged["evidence"][0], &logged["evidence"][1]),
        (&"log localhost/log/sm3".into(), &format!("leaf {}", promise.index).into())
    );
    assert!(logged["detail"].as_str().unwrap().contains("that its seal was issued is proven too"), "{logged}");
    // Nothing of it stays behind.
    assert_eq!(judged(&[]).0, axis("unknown", "receipt-missing", true));
    assert_eq!(judged(&["-F", &of_another]).0, axis("unknown", "receipt-missing", true));
    let (ahead, due) = (format!("at={}", promise.before.plus_seconds(-1)), format!("at={}", promise.before));
    let with_receipt = |at: &str| judged(&["-F", &receipt, "-F", &of_another, "-F", at]).0;
    assert_eq!(with_receipt(&ahead), axis("unknown", "promised", true));
    assert_eq!(with_receipt(&due), axis("unknown", "receipt-unredeemed", true));
    // The list names no such log.
    let text = receipts[1].replacen("localhost/log", "localhost/bog", 1);
    let unknown = format!("evidence=@{}", installation.write("bog.receipt", text.as_bytes()).display());
    assert_eq!(judged(&["-F", &unknown, "-F", &due]).0, axis("unknown", "log-unknown", true));
    // No evidence at all, and more of it than is taken: the sealed file itself.
    let whole = file.display().to_string();
    let none = installation.write("none", b"PK12").display().to_string();
    for (part, expected) in [(&none, (400, "field-malformed")), (&whole, (413, "too-large"))] {
        let form = ["-F", &format!("file=@{whole}"), "-F", &format!("evidence=@{part}")];
        let (status, code) = client.call("/api/v1/verifications", &form).refusal();
        assert_eq!((status, code.as_str()), expected);
    }
    assert_eq!(running.terminate().0, Some(0));
}
