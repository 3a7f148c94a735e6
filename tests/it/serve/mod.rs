//! The server as a process: started, called with curl, stopped, killed, started again.

mod audit_log;
mod backups;
mod calls;
mod certificate_requests;
mod certificates;
mod client_keys;
mod durability;
mod gm3;
mod hostile;
mod issuance_jobs;
mod log_addresses;
mod logged_evidence;
mod logs;
mod manual;
mod page;
mod receipts;
mod reports;
mod requests;
mod retention;
mod seal_uses;
mod seals_api;
mod security_events;
mod stamping;
mod stolen_keys;
mod trust_lists;
mod upgrade;
mod verification_batches;
mod webhooks;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{Answer, Running, try_curl};
use crate::store::Folder;

const NOTICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/notice.ofd");

/// An installation and how to call it.
pub(crate) struct Installation {
    folder: Folder,
    url: Option<String>,
}

impl Installation {
    fn new(name: &str) -> Self {
        Self { folder: Folder::new(name), url: None }
    }

    /// On another database than the embedded one.
    fn on(name: &str, url: &str) -> Self {
        Self { folder: Folder::new(name), url: Some(url.to_owned()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The folder of keys, database and development PKI.
    fn home(&self) -> PathBuf {
        self.path("home")
    }

    fn url(&self) -> String {
        let embedded = || format!("sqlite:{}", self.home().join("yinxin.db").display());
        self.url.clone().unwrap_or_else(embedded)
    }

    fn serve(&self) -> Running {
        self.serve_with(&[])
    }

    fn serve_with(&self, more: &[(&str, &str)]) -> Running {
        let database = self.url.as_deref().map(|url| ("YINXIN_DATABASE__URL", url));
        Running::serve(&self.home(), &more.iter().copied().chain(database).collect::<Vec<_>>())
    }

    fn client(&self, running: &Running) -> Client {
        let home = self.home();
        let (_, rest) = running.said.split_once("/api/v1/seals/").unwrap();
        let seal = rest.lines().next().unwrap().to_owned();
        Client { home, base: format!("https://localhost:{}", running.v4), seal }
    }
}

/// Calls a running server with curl.
#[derive(Clone)]
struct Client {
    home: PathBuf,
    base: String,
    /// The first development seal's name.
    seal: String,
}

impl Client {
    fn certificate(&self) -> Vec<String> {
        let file = |name: &str| self.home.join("client").join(name).to_str().unwrap().to_owned();
        vec!["--cert".into(), file("client.pem"), "--key".into(), file("client.key")]
    }

    fn try_call(&self, path: &str, arguments: &[&str]) -> Option<Answer> {
        let url = format!("{}{path}", self.base);
        try_curl(&self.home.join("tls/server.pem"), &[arguments, &[&url]].concat())
    }

    /// Calls as nobody.
    #[track_caller]
    fn call(&self, path: &str, arguments: &[&str]) -> Answer {
        self.try_call(path, arguments).unwrap_or_else(|| panic!("no answer from {path}"))
    }

    /// Calls with the client certificate that the server made.
    #[track_caller]
    fn call_as_caller(&self, path: &str, arguments: &[&str]) -> Answer {
        let certificate = self.certificate();
        let own = certificate.iter().map(String::as_str).collect::<Vec<_>>();
        self.call(path, &[&own, arguments].concat())
    }

    fn seal_path(&self) -> String {
        format!("/api/v1/seals/{}", self.seal)
    }

    /// Seals a file; nothing when no whole answer came.
    fn try_seal(&self, file: &Path, key: &str, x: &str) -> Option<Answer> {
        let (file, x, key) = (format!("file=@{}", file.display()), format!("x={x}"), format!("Idempotency-Key: {key}"));
        let certificate = self.certificate();
        let mut arguments = certificate.iter().map(String::as_str).collect::<Vec<_>>();
        arguments.extend(["-F", &file, "-F", "page=3", "-F", &x, "-F", "y=211.682", "-H", &key]);
        self.try_call(&format!("{}/signatures", self.seal_path()), &arguments)
    }

    #[track_caller]
    fn seal(&self, file: &Path, key: &str) -> Answer {
        self.try_seal(file, key, "124").unwrap_or_else(|| panic!("no answer to {key}"))
    }

    #[track_caller]
    fn verify(&self, file: &Path) -> Value {
        let form = format!("file=@{}", file.display());
        let answer = self.call("/api/v1/verifications", &["-F", &form]);
        serde_json::from_slice(&answer.ok()).unwrap()
    }
}
