//! Signed reports from the server as a process: asked for by Accept, judged by `yinxin verify`, and the same from the
//! command line beside it.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::service::Services;
use yinxin::service::development;
use yinxin::service::keys::KeySource;
use yinxin::service::tampering::change_one_byte;
use yinxin::service::verification::pem_of;

use crate::process::{has_curl, program};
use crate::serve::{Installation, NOTICE};

/// What `yinxin verify` says of a file by the development root alone.
fn judged(installation: &Installation, file: &Path) -> Value {
    let root = installation.path("root.pem");
    let Output { stdout, stderr, .. } =
        program().args(["verify", "--json", "--trust"]).arg(root).arg(file).output().unwrap();
    serde_json::from_slice(&stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr)))
}

/// The development root, PEM.
pub(super) async fn root(installation: &Installation) -> String {
    let source = KeySource::File { path: installation.home().join("key-encryption.key"), create: false };
    let services =
        Services::open(&installation.url(), &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    services.store.close().await;
    pem_of(&pki.root)
}

#[test]
fn reports_are_signed_on_request_and_judged_by_the_program() {
    if !has_curl() {
        return crate::skip("serve::reports_are_signed_on_request_and_judged_by_the_program", "curl");
    }
    let installation = Installation::new("serve-reports");
    let running = installation.serve();
    let client = installation.client(&running);
    let sealed = installation.write("sealed.ofd", &client.seal(Path::new(NOTICE), "first").ok());
    let (form, page) = (format!("file=@{}", sealed.display()), "accept: text/html");
    let page = client.call("/api/v1/verifications", &["-F", &form, "-H", page]);
    assert!(page.text().contains("签章真实有效，内容未被改动"), "{}", page.text());
    let mut files = Vec::new();
    for (kind, name) in [
        ("application/jose", "report.jws"),
        ("application/pkcs7-mime", "report.p7m"),
        ("application/ofd", "report.ofd"),
    ] {
        let accept = format!("accept: {kind}");
        let answer = client.call("/api/v1/verifications", &["-F", &form, "-H", &accept]);
        assert!(answer.kind.starts_with(kind), "{}", answer.kind);
        let file = installation.write(name, &answer.ok());
        assert_eq!(client.verify(&file)["indication"], "TOTAL_PASSED", "by the service itself");
        files.push(file);
    }
    running.terminate();
    let root = tokio::runtime::Runtime::new().unwrap().block_on(root(&installation));
    installation.write("root.pem", root.as_bytes());
    for file in files {
        let verdict = judged(&installation, &file);
        assert_eq!(verdict["indication"], "TOTAL_PASSED", "{verdict}");
        let signer = verdict["signatures"][0]["signer"]["subject"].as_str().unwrap();
        assert!(signer.contains("印信开发验证报告"), "{verdict}");
    }
    // The command line signs with the same key; the verdict on the file stays the outcome.
    let to = installation.path("cli.ofd");
    let mut command = program();
    command.arg("verify").arg(&sealed).arg("--trust").arg(installation.path("root.pem"));
    command.args(["--report", "ofd", "--report-to"]).arg(&to).env("YINXIN_DATA_DIR", installation.home());
    let output = command.output().unwrap();
    // The sealed file lacks the certificate between its signer and the root.
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(judged(&installation, &to)["indication"], "TOTAL_PASSED");
    let changed = change_one_byte(&std::fs::read(&to).unwrap()).unwrap().document;
    let verdict = judged(&installation, &installation.write("changed.ofd", &changed));
    assert_eq!(verdict["indication"], "TOTAL_FAILED", "{verdict}");
}
