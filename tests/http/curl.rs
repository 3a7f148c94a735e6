//! curl as a client that is not ours: HTTP/1.1, HTTP/2, client certificates, IPv6, uploads.

use std::path::PathBuf;
use std::process::Stdio;

use crate::client::Server;

fn is_required() -> bool {
    std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require")
}

/// A folder of its own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yinxin-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Standard output of curl; `None` when there is no curl.
async fn curl(arguments: &[&str]) -> Option<String> {
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || std::process::Command::new("curl").args(arguments).stdin(Stdio::null()).output();
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            assert!(!is_required(), "curl is required: {error}");
            None
        }
    }
}

#[tokio::test]
async fn curl_is_served() {
    let server = Server::start().await;
    let folder = Folder::new("curl");
    let ca = folder.write("ca.pem", server.certificate.certificate_pem.as_bytes());
    let certificate = folder.write("caller.pem", server.caller.certificate_pem.as_bytes());
    let key = folder.write("caller.key", server.caller.key_pem.expose());
    let file = format!("file=@{}", folder.write("a.ofd", b"PK12"));
    let url = |path: &str| format!("https://localhost:{}{path}", server.address.port());
    let figures = "\n%{http_code} %{http_version}";
    let base = ["-sS", "--noproxy", "*", "--max-time", "20", "--cacert", &ca, "-w", figures];
    let with = |more: &[&str]| [&base, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let run = async |more: &[&str]| {
        let arguments = with(more);
        curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let Some(health) = run(&["--http1.1", &url("/healthz")]).await else {
        println!("SKIPPED curl_is_served: curl is absent");
        return;
    };
    assert_eq!(health, "ok\n\n200 1.1");
    assert_eq!(run(&["--http2", &url("/healthz")]).await.unwrap(), "ok\n\n200 2");
    let v6 = format!("https://[::1]:{}/healthz", server.address_v6.port());
    assert_eq!(run(&["--http2", &v6]).await.unwrap(), "ok\n\n200 2");

    let report = run(&["--http2", "-F", &file, "-F", "policy=strict", &url("/api/v1/verifications")]).await.unwrap();
    assert!(report.contains("\"bytes\":4") && report.ends_with("200 2"), "{report}");

    let seal = url("/api/v1/seals/seal-1/signatures");
    let form = ["-F", &file, "-F", "page=1", "-F", "x=10", "-F", "y=20", "-H", "Idempotency-Key: curl-1", &seal];
    let refused = run(&form).await.unwrap();
    assert!(refused.contains("\"code\":\"signature-missing\"") && refused.ends_with("401 2"), "{refused}");
    for tls in ["1.2", "1.3"] {
        let mutual = ["--cert", &certificate, "--key", &key, "--tls-max", tls];
        let sealed = run(&[&mutual, form.as_slice()].concat()).await.unwrap();
        assert_eq!(sealed, "PK12|at pages=1 x=10 y=20 false\n200 2", "TLS {tls}");
    }
}
