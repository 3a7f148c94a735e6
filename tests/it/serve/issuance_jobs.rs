//! Jobs over HTTPS, worked on by the service: each row has its result, officers are asked where the profile wants it, and a
//! killed service goes on where it stood.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::id::CallerId;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::caller::Role;
use yinxin::format::keys::read_pem;
use yinxin::format::tlog::Receipt;

use crate::process::{Answer, Running, has_curl, program};
use crate::serve::certificate_requests::csr;
use crate::serve::receipts::receipts_in;
use crate::serve::requests::{Caller, call, headers, register};
use crate::serve::{Client, Installation};
use crate::service::authority::request;
use crate::service::jobs::line;
use crate::store::postgres::Postgres;

const JOBS: &str = "/api/v1/issuance-jobs";
/// Rows of the job under which the service is killed.
const MANY: usize = 600;

#[test]
fn jobs_over_http_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::jobs_over_http_on_sqlite", "curl");
    }
    jobs_over_http(&Installation::new("serve-issuance-jobs"));
}

#[test]
fn jobs_over_http_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::jobs_over_http_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::jobs_over_http_on_postgresql", "curl");
    }
    jobs_over_http(&Installation::on("serve-issuance-jobs-postgres", &server.url));
}

type Person = (Caller, CallerId);

struct Office<'a> {
    installation: &'a Installation,
    client: Client,
    submitter: Person,
    checker: Person,
    approver: Person,
}

impl Office<'_> {
    #[track_caller]
    fn done(&self, arguments: &[&str]) {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.installation.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        command.envs(self.installation.url.as_ref().map(|url| ("YINXIN_DATABASE__URL", url)));
        let Output { status, stderr, .. } = command.output().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    }

    fn send(&self, who: &Person, method: &str, path: &str, body: Option<&[u8]>, more: &[&str]) -> Answer {
        let url = format!("{}{path}", self.client.base);
        let headers = headers(&who.0, method, &url, body);
        let file = body.map(|body| format!("@{}", self.installation.write("body", body).display()));
        let mut arguments = vec!["-X", method];
        arguments.extend(more);
        arguments.extend(file.iter().flat_map(|file| ["--data-binary", file]));
        call(&self.client, path, &headers, &arguments)
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&self.submitter, "GET", path, None, &[])
    }

    fn post(&self, who: &Person, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send(who, "POST", path, Some(body.as_bytes()), &["-H", "Content-Type: application/json"])
    }

    fn submit_to(&self, (authority, profile): (&str, &str), file: &str, key: &str) -> Answer {
        let path = format!("{JOBS}?authority={authority}&profile={profile}");
        let key = format!("Idempotency-Key: {key}");
        let kept = self.installation.path("headers");
        let more = ["-H", "Content-Type: application/jsonl", "-H", &key, "-D", kept.to_str().unwrap()];
        self.send(&self.submitter, "POST", &path, Some(file.as_bytes()), &more)
    }

    #[track_caller]
    fn submitted(&self, profile: &str, file: &str, key: &str) -> String {
        let taken = self.submit_to(("gm", profile), file, key);
        assert_eq!(taken.status, 201, "{}", taken.text());
        let taken = taken.json();
        assert_eq!((&taken["state"], &taken["created_by"]), (&json!("waiting"), &json!(self.submitter.1.as_str())));
        assert_eq!(taken["rows_sm3"], hex(&sm3(file.as_bytes())));
        format!("{JOBS}/{}", taken["id"].as_str().unwrap())
    }

    fn act(&self, one: &str, end: &str) -> Answer {
        self.send(&self.submitter, "POST", &format!("{one}/{end}"), None, &[])
    }

    /// An officer's step; gives the body too, to send it again.
    fn sign(&self, who: &Person, one: &str, (step, end): (&str, &str)) -> (Answer, Value) {
        let octets = self.post(who, &format!("{one}/to-sign"), &json!({ "step": step })).json();
        let octets = STANDARD.decode(octets["to_sign"].as_str().unwrap()).unwrap();
        let body = json!({ "signature": STANDARD.encode(who.0.sign(&octets)) });
        (self.post(who, &format!("{one}/{end}"), &body), body)
    }

    /// Waits until the job is in that state.
    #[track_caller]
    fn reached(&self, one: &str, state: &str) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.get(one).json();
            if job["state"] == state {
                return job;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{job}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Every row as JSON Lines tell it.
    fn rows(&self, one: &str) -> Vec<Value> {
        let path = format!("{one}/results");
        let answer = self.send(&self.submitter, "GET", &path, None, &["-H", "Accept: application/jsonl"]);
        assert_eq!(answer.kind, "application/jsonl");
        String::from_utf8(answer.ok()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn jobs_over_http(installation: &Installation) {
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let person = || runtime.block_on(register(installation, Role::CertificateOfficer));
    let (submitter, checker, approver) = (person(), person(), person());
    let wants = [("YINXIN_REGISTRATION__APPROVE", "[\"person-signing\"]")];
    let running: Running = installation.serve_with(&wants);
    let client = installation.client(&running);
    let office = Office { installation, client, submitter, checker, approver };
    let root = ["ca", "create", "示例根", "--id", "gm", "--profile", "root", "--algorithm", "sm2"];
    office.done(&[&root[..], &["--subject", "O=示例局,CN=示例根", "--base-url", "http://ca.example"]].concat());
    for (role, (_, id)) in [("checker", &office.checker), ("approver", &office.approver)] {
        office.done(&["ca", "officer", "appoint", "--role", role, "--caller", id.as_str()]);
    }
    every_row_has_its_result(&office);
    what_is_refused(&office);
    officers_are_asked(&office);

    // Killed while it works: what was acknowledged stays, the rest follows, and no row has two certificates.
    let csr = request(1);
    let many = (1..=MANY).map(|number| line(&number.to_string(), &csr, "")).collect::<String>();
    let one = office.submitted("officer", &many, "many");
    assert_eq!(office.act(&one, "start").status, 202);
    while office.get(&one).json()["issued"] == 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = certificates(&office.rows(&one));
    running.kill();
    let running = installation.serve_with(&wants);
    let office = Office { client: installation.client(&running), ..office };
    let finished = office.reached(&one, "finished");
    assert_eq!((&finished["issued"], &finished["refused"]), (&json!(MANY), &json!(0)));
    let all = certificates(&office.rows(&one));
    assert!(!before.is_empty() && before.is_subset(&all) && all.len() == MANY, "{} {}", before.len(), all.len());
    assert_eq!(running.terminate().0, Some(0));
}

/// SM3 of the rows' certificates; none stands for two rows.
fn certificates(rows: &[Value]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in rows.iter().filter_map(|row| row["certificate_sm3"].as_str()) {
        assert!(all.insert(name.to_owned()), "one certificate for two rows");
    }
    all
}

fn every_row_has_its_result(office: &Office<'_>) {
    let file = [line("甲", &request(1), ""), line("乙", &[0x30, 0], ""), line("丙", &request(3), "")].concat();
    let one = office.submitted("officer", &file, "three");
    let receipted = || {
        let receipts = receipts_in(&office.installation.path("headers"));
        let promise = |text: &String| Promise::parse(Receipt::parse(text.as_bytes()).unwrap().note.text).unwrap();
        receipts.iter().map(promise).map(|promise| (promise.index, promise.entry)).collect::<Vec<_>>()
    };
    let first = receipted();
    assert_eq!(first.len(), 1);
    // The answer was lost: the same again is the same job with the same receipt, and another wish is none.
    assert_eq!(office.submitted("officer", &file, "three"), one);
    assert_eq!(receipted(), first);
    let other = office.submit_to(("gm", "business-system"), &file, "three");
    assert_eq!(other.refusal(), (409, "idempotency-key-reused".into()));
    assert_eq!(office.get(JOBS).json()["jobs"].as_array().unwrap().len(), 1);
    let waiting = office.get(&format!("{one}/results")).json();
    assert_eq!((&waiting["rows"][2]["state"], &waiting["next"]), (&json!("waiting"), &Value::Null));
    assert_eq!(office.act(&one, "pause").refusal(), (409, "job-state".into()));

    let started = office.act(&one, "start");
    assert_eq!((started.status, &started.json()["approval"]), (202, &Value::Null), "{}", started.text());
    let finished = office.reached(&one, "finished");
    assert_eq!((&finished["issued"], &finished["refused"]), (&json!(2), &json!(1)));
    let rows = office.rows(&one);
    let told = rows.iter().map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap()));
    assert_eq!(told.collect::<Vec<_>>(), [("甲", "issued"), ("乙", "refused"), ("丙", "issued")]);
    assert_eq!((&rows[1]["refusal"], &rows[1]["pem"]), (&json!("csr-malformed"), &Value::Null));
    for row in [&rows[0], &rows[2]] {
        let der = read_pem(row["pem"].as_str().unwrap(), "CERTIFICATE").unwrap().remove(0);
        let name = row["certificate_sm3"].as_str().unwrap();
        assert_eq!(name, hex(&sm3(&der)));
        assert_eq!(office.get(&format!("/api/v1/certificates/{name}")).json()["profile"], "officer");
    }
    let page = office.get(&format!("{one}/results?after=1&limit=1")).json();
    assert_eq!((&page["rows"][0]["name"], &page["next"]), (&json!("乙"), &json!(2)));
    assert_eq!(office.act(&one, "start").refusal(), (409, "job-state".into()));
    assert_eq!(office.act(&one, "cancellation").refusal(), (409, "job-state".into()));
}

fn what_is_refused(office: &Office<'_>) {
    let file = line("甲", &request(1), "");
    for ((authority, profile), file, status, code) in [
        (("nobody", "officer"), file.clone(), 404, "unknown-authority"),
        (("gm", "none"), file.clone(), 422, "profile-unknown"),
        (("gm", "intermediate"), file.clone(), 422, "authority-profile"),
        (("gm", "officer"), format!("{file}{{\"name\":\"x\"}}\n"), 422, "job-row-json"),
        (("gm", "officer"), file.repeat(2), 422, "job-row-name-repeated"),
    ] {
        let refused = office.submit_to((authority, profile), &file, "refused");
        assert_eq!(refused.refusal(), (status, code.to_owned()));
    }
    let unknown = format!("{JOBS}/none");
    for answer in [office.get(&unknown), office.get(&format!("{unknown}/results")), office.act(&unknown, "start")] {
        assert_eq!(answer.refusal(), (404, "unknown-job".into()));
    }
    // What was refused keeps nothing, nor its key.
    let one = office.submitted("officer", &file, "refused");
    let cancelled = office.act(&one, "cancellation");
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(office.act(&one, "start").refusal(), (409, "job-state".into()));
    assert_eq!(office.rows(&one)[0]["state"], "waiting");
    // The first caller of the installation uses seals, and has nothing to do with jobs.
    assert_eq!(office.client.call_as_caller(JOBS, &[]).refusal(), (403, "role-missing".into()));
}

fn officers_are_asked(office: &Office<'_>) {
    let one = office.submitted("person-signing", &line("甲", &csr("甲", None), ""), "people");
    let needed = (409, "approval-needed".to_owned());
    assert_eq!(office.get(&one).json()["approval"], "submitted");
    assert_eq!(office.act(&one, "start").refusal(), needed);
    let (check, approve) = (("check", "check"), ("approve", "approval"));
    assert_eq!(office.sign(&office.submitter, &one, check).0.refusal(), (403, "not-officer".into()));
    assert_eq!(office.sign(&office.approver, &one, approve).0.refusal(), (409, "request-state".into()));
    let (checked, body) = office.sign(&office.checker, &one, check);
    assert_eq!((checked.status, &checked.json()["approval"]), (200, &json!("checked")), "{}", checked.text());
    // The answer was lost: the same signature again is the same step, and nobody else's.
    let again = office.post(&office.checker, &format!("{one}/check"), &body);
    assert_eq!((again.status, again.json()), (200, checked.json()));
    let stolen = office.post(&office.approver, &format!("{one}/check"), &body);
    assert_eq!(stolen.refusal(), (409, "request-state".into()));
    assert_eq!(office.act(&one, "start").refusal(), needed);
    let (approved, body) = office.sign(&office.approver, &one, approve);
    let approved = approved.json();
    assert_eq!((&approved["approval"], &approved["state"]), (&json!("approved"), &json!("waiting")));
    assert_eq!(approved["approvals"][0]["officer"], office.approver.1.as_str());
    assert_eq!(office.act(&one, "start").status, 202);
    assert_eq!(office.reached(&one, "finished")["issued"], 1);
    let again = office.post(&office.approver, &format!("{one}/approval"), &body);
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("finished")));
    assert_eq!(office.sign(&office.approver, &one, approve).0.refusal(), (409, "job-state".into()));
}
