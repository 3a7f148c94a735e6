//! The whole life of a seal over HTTPS, with curl: applied for, checked, approved, made, delivered, used by whom its keeper
//! authorised, let rest, resumed, replaced, its uses withdrawn, its ledger taken, archived; and who is turned away at each step.

use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::id::CallerId;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::caller::Role;
use yinxin::render::NOTICE;
use yinxin::service::development;

use crate::process::{Answer, Running, has_curl, program};
use crate::serve::receipts::promised_in;
use crate::serve::requests::{Caller, call, headers, register};
use crate::serve::{Client, Installation};
use crate::store::postgres::Postgres;

const APPLICATIONS: &str = "/api/v1/seal-applications";
pub(super) const SEALS: &str = "/api/v1/seals";
const DOCUMENT: &[u8] = b"a scan of the order";

#[test]
fn the_life_of_a_seal_over_https_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::the_life_of_a_seal_over_https_on_sqlite", "curl");
    }
    life(&Installation::new("serve-seals-api"));
}

#[test]
fn the_life_of_a_seal_over_https_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::the_life_of_a_seal_over_https_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::the_life_of_a_seal_over_https_on_postgresql", "curl");
    }
    life(&Installation::on("serve-seals-api-postgres", &server.url));
}

pub(super) type Person = (Caller, CallerId);

pub(super) struct Desk<'a> {
    pub(super) installation: &'a Installation,
    pub(super) client: Client,
    pub(super) applicant: Person,
    pub(super) checker: Person,
    pub(super) approver: Person,
    pub(super) keeper: Person,
    pub(super) clerk: Person,
    /// Checks for another city.
    pub(super) elsewhere: Person,
    /// Holds the role of officers and is appointed to nothing.
    pub(super) nobody: Person,
    pub(super) auditor: Person,
    pub(super) picture: Vec<u8>,
}

/// The parts of a form, and its type.
pub(super) fn form(parts: &[(&str, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in parts {
        body.extend(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    ("Content-Type: multipart/form-data; boundary=limit", body)
}

impl Desk<'_> {
    #[track_caller]
    pub(super) fn done(&self, arguments: &[&str]) -> String {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.installation.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        command.envs(self.installation.url.as_ref().map(|url| ("YINXIN_DATABASE__URL", url)));
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim_end().to_owned()
    }

    pub(super) fn send(
        &self,
        who: &Person,
        method: &str,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        more: &[&str],
    ) -> Answer {
        let url = format!("{}{path}", self.client.base);
        let headers = headers(&who.0, method, &url, body.as_ref().map(|(_, octets)| &octets[..]));
        let kept = self.installation.path("headers");
        let mut arguments = vec!["-X", method, "-D", kept.to_str().unwrap()];
        arguments.extend(more);
        let file;
        if let Some((kind, octets)) = &body {
            file = format!("@{}", self.installation.write("body", octets).display());
            arguments.extend(["-H", kind, "--data-binary", &file]);
        }
        call(&self.client, path, &headers, &arguments)
    }

    pub(super) fn get(&self, who: &Person, path: &str) -> Answer {
        self.send(who, "GET", path, None, &[])
    }

    pub(super) fn post(&self, who: &Person, path: &str, body: &Value) -> Answer {
        self.send(who, "POST", path, Some(("Content-Type: application/json", body.to_string().into_bytes())), &[])
    }

    pub(super) fn order(&self, who: &Person, path: &str) -> Answer {
        self.send(who, "POST", path, None, &[])
    }

    #[track_caller]
    pub(super) fn signature(&self, by: &Person, answer: &Answer) -> Value {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let octets = STANDARD.decode(answer.json()["to_sign"].as_str().unwrap()).unwrap();
        json!(STANDARD.encode(by.0.sign(&octets)))
    }

    /// What the applicant applies for: the fields of the draft.
    fn drafted(&self, asked: &Value) -> Value {
        let mut draft = asked.clone();
        draft["documents_sm3"] = json!([hex(&sm3(DOCUMENT))]);
        if asked["kind"].is_number() {
            draft["picture_sm3"] = json!(hex(&sm3(&self.picture)));
        }
        draft
    }

    /// A submission that this person signs, as a form.
    fn signed(&self, asked: &Value, by: &Person) -> Value {
        let drafted = self.post(&self.applicant, &format!("{APPLICATIONS}/draft"), &self.drafted(asked));
        let signature = self.signature(by, &drafted);
        let mut application = asked.clone();
        application["nonce"] = drafted.json()["nonce"].clone();
        application["signature"] = signature;
        application
    }

    fn submit(&self, who: &Person, application: &Value, document: &[u8]) -> Answer {
        let text = application.to_string();
        let mut parts = vec![("application", text.as_bytes()), ("document", document)];
        if application["kind"].is_number() {
            parts.push(("picture", &self.picture));
        }
        self.send(who, "POST", APPLICATIONS, Some(form(&parts)), &[])
    }

    /// A step by one person, signed by another or the same.
    pub(super) fn step(
        &self,
        (who, signer): (&Person, &Person),
        one: &str,
        (step, end): (&str, &str),
        words: &Value,
    ) -> Answer {
        let mut order = words.clone();
        order["step"] = json!(step);
        let octets = self.post(who, &format!("{one}/to-sign"), &order);
        if octets.status != 200 {
            return octets;
        }
        let mut body = words.clone();
        body["signature"] = self.signature(signer, &octets);
        self.post(who, &format!("{one}/{end}"), &body)
    }

    fn check(&self, who: &Person, one: &str) -> Answer {
        self.step((who, who), one, ("check", "check"), &json!({}))
    }

    fn approve(&self, who: &Person, one: &str) -> Answer {
        self.step((who, who), one, ("approve", "approval"), &json!({}))
    }

    /// From the draft to what comes of it.
    #[track_caller]
    pub(super) fn through(&self, asked: &Value) -> Value {
        let taken = self.submit(&self.applicant, &self.signed(asked, &self.applicant), DOCUMENT);
        assert_eq!(taken.status, 201, "{}", taken.text());
        let one = format!("{APPLICATIONS}/{}", taken.json()["id"].as_str().unwrap());
        assert_eq!(self.check(&self.checker, &one).json()["state"], "checked");
        assert_eq!(self.approve(&self.approver, &one).json()["state"], "approved");
        let done = self.order(&self.checker, &format!("{one}/seal"));
        assert_eq!(done.status, 201, "{}", done.text());
        done.json()
    }

    pub(super) fn wanted(&self) -> Value {
        let key = ["keys", "generate", "--purpose", "seal-signing", "--algorithm", "sm2", "--owner", "unit"];
        let key = self.done(&key).lines().next().unwrap().to_owned();
        json!({
            "purpose": "make", "division": "3301", "kind": 1, "holder": "样章市试验局", "credit_code": "99990000000000001F",
            "holder_division": "330106", "keeper": self.keeper.1.as_str(), "signer_key": key, "authority": "seals",
            "days": 365,
        })
    }

    fn use_it(&self, seal: &str, key: &str, more: &[(&str, &[u8])]) -> Answer {
        let parts = [&[("file\"; filename=\"a.ofd", NOTICE), ("page", b"3"), ("x", b"124"), ("y", b"211.682")], more];
        let key = format!("Idempotency-Key: {key}");
        self.send(
            &self.clerk,
            "POST",
            &format!("{SEALS}/{seal}/signatures"),
            Some(form(&parts.concat())),
            &["-H", &key],
        )
    }

    pub(super) fn authorise(&self, who: &Person, seal: &str, terms: &Value) -> Answer {
        let all = format!("{SEALS}/{seal}/authorisations");
        let drafted = self.post(who, &format!("{all}/draft"), terms);
        if drafted.status != 200 {
            return drafted;
        }
        let mut body = terms.clone();
        body["nonce"] = drafted.json()["nonce"].clone();
        body["signature"] = self.signature(who, &drafted);
        let given = self.post(who, &all, &body);
        let again = self.post(who, &all, &body);
        assert_eq!((again.status, again.json()), (201, given.json()), "the same again is the same");
        given
    }

    fn ids(&self, who: &Person, query: &str) -> Vec<String> {
        let page = self.get(who, &format!("{SEALS}{query}"));
        assert_eq!(page.status, 200, "{}", page.text());
        page.json()["seals"].as_array().unwrap().iter().map(|seal| seal["id"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// An office of one city with its server.
pub(super) fn open(installation: &Installation) -> (Running, Desk<'_>) {
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let person = |role| runtime.block_on(register(installation, role));
    let officer = || person(Role::SealAdministrator);
    let [applicant, checker, approver, keeper, elsewhere, nobody] = std::array::from_fn(|_| officer());
    let (clerk, auditor) = (person(Role::SealUser), person(Role::AuditAdministrator));
    let running = installation.serve();
    let client = installation.client(&running);
    let picture = development::picture("33010600000001").unwrap().png;
    let desk =
        Desk { installation, client, applicant, checker, approver, keeper, clerk, elsewhere, nobody, auditor, picture };
    let at = ["--base-url", "http://ca.example"];
    let create = |arguments: &[&str], file: &str| {
        let told = desk.done(&[&["ca", "create"], arguments, &at].concat());
        installation.write(file, told.split_once('\n').unwrap().1.as_bytes());
    };
    create(&["Root", "--id", "root", "--profile", "root", "--subject", "O=Example,CN=Root"], "root.pem");
    let below = ["Seals", "--id", "seals", "--profile", "seal-issuing-ca", "--parent", "root"];
    create(&[&below[..], &["--subject", "O=Example,CN=Seals"]].concat(), "below.pem");
    desk.done(&["ca", "seal-maker", "create", "seals", "--subject", "O=Example,CN=Maker"]);
    desk.done(&["seal-admin", "codes", "assign", "330106", "--first", "1", "--last", "9"]);
    for (role, place, (_, id)) in [
        ("applicant", "3301", &desk.applicant),
        ("checker", "3301", &desk.checker),
        ("approver", "33", &desk.approver),
        ("checker", "3302", &desk.elsewhere),
    ] {
        desk.done(&["seal-admin", "officer", "appoint", "--role", role, "--division", place, "--caller", id.as_str()]);
    }
    (running, desk)
}

fn life(installation: &Installation) {
    let (running, desk) = open(installation);
    let seal = from_draft_to_delivery(&desk);
    let authorisation = authorised_and_used(&desk, &seal);
    the_ledger(&desk, &seal);
    let next = rests_and_is_replaced(&desk, &seal);
    withdrawn_and_archived(&desk, (&seal, &authorisation), &next);
    // Each of those who were turned away stands in the log.
    let refused = desk.get(&desk.auditor, "/api/v1/log/events?class=access-refused").json().to_string();
    for word in ["not-seal-officer", "officer-division", "not-keeper", "delivery-signature", "use-not-authorised"] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    assert_eq!(running.terminate().0, Some(0));
}

fn from_draft_to_delivery(desk: &Desk<'_>) -> String {
    let (asked, draft) = (desk.wanted(), format!("{APPLICATIONS}/draft"));
    let full = desk.drafted(&asked);
    assert_eq!(desk.post(&desk.nobody, &draft, &full).refusal(), code(403, "not-seal-officer"));
    assert_eq!(desk.post(&desk.elsewhere, &draft, &full).refusal(), code(403, "officer-division"));
    assert_eq!(desk.post(&desk.clerk, &draft, &full).refusal(), code(403, "role-missing"));
    assert_eq!(desk.client.call(&draft, &["-X", "POST"]).refusal(), code(401, "signature-missing"));
    let mut outside = full.clone();
    outside["holder_division"] = json!("330206");
    assert_eq!(desk.post(&desk.applicant, &draft, &outside).refusal(), code(422, "out-of-division"));

    let forged = desk.signed(&asked, &desk.checker);
    assert_eq!(desk.submit(&desk.applicant, &forged, DOCUMENT).refusal(), code(403, "step-signature"));
    let application = desk.signed(&asked, &desk.applicant);
    // Other documents than those that were signed.
    assert_eq!(desk.submit(&desk.applicant, &application, b"another").refusal(), code(403, "step-signature"));
    let taken = desk.submit(&desk.applicant, &application, DOCUMENT);
    assert_eq!(taken.status, 201, "{}", taken.text());
    let receipts = promised_in(&desk.installation.path("headers"));
    assert_eq!(receipts.len(), 1);
    let again = desk.submit(&desk.applicant, &application, DOCUMENT);
    assert_eq!((again.status, again.json()), (201, taken.json()));
    assert_eq!(promised_in(&desk.installation.path("headers")), receipts);
    let other = desk.submit(&desk.applicant, &application, b"another").refusal();
    assert_eq!(other, code(409, "seal-application-exists"));

    let one = format!("{APPLICATIONS}/{}", taken.json()["id"].as_str().unwrap());
    let count = |who, query: &str| {
        let page = desk.get(who, &format!("{APPLICATIONS}{query}"));
        assert_eq!(page.status, 200, "{}", page.text());
        page.json()["applications"].as_array().unwrap().len()
    };
    assert_eq!(count(&desk.checker, "?state=submitted&credit_code=99990000000000001F&division=3301"), 1);
    assert_eq!((count(&desk.checker, "?state=approved"), count(&desk.elsewhere, "")), (0, 0));
    let beyond = desk.get(&desk.checker, &format!("{APPLICATIONS}?division=3302"));
    assert_eq!(beyond.refusal(), code(403, "officer-division"));
    assert_eq!(desk.get(&desk.checker, &one).json(), taken.json());
    for path in ["", "/picture", "/documents/1"] {
        let path = format!("{one}{path}");
        assert_eq!(desk.get(&desk.elsewhere, &path).refusal(), code(403, "officer-division"), "{path}");
        assert_eq!(desk.get(&desk.nobody, &path).refusal(), code(403, "not-seal-officer"), "{path}");
    }
    assert_eq!(desk.get(&desk.checker, &format!("{one}/documents/1")).ok(), DOCUMENT);
    assert_eq!(desk.get(&desk.checker, &format!("{one}/picture")).ok(), desk.picture);

    assert_eq!(desk.check(&desk.applicant, &one).refusal(), code(403, "officer-role"));
    assert_eq!(desk.check(&desk.elsewhere, &one).refusal(), code(403, "officer-division"));
    let by_another = desk.step((&desk.checker, &desk.approver), &one, ("check", "check"), &json!({}));
    assert_eq!(by_another.refusal(), code(403, "step-signature"));
    assert_eq!(desk.check(&desk.checker, &one).json()["state"], "checked");
    assert_eq!(desk.order(&desk.checker, &format!("{one}/seal")).refusal(), code(409, "request-state"));
    // The answer to an approval is lost: the same signature again is the same step.
    let octets = desk.post(&desk.approver, &format!("{one}/to-sign"), &json!({ "step": "approve" }));
    let body = json!({ "signature": desk.signature(&desk.approver, &octets) });
    let approved = [(); 2].map(|()| desk.post(&desk.approver, &format!("{one}/approval"), &body).json());
    assert_eq!((&approved[0]["state"], &approved[0]), (&json!("approved"), &approved[1]));
    assert_eq!(desk.order(&desk.elsewhere, &format!("{one}/seal")).refusal(), code(403, "officer-division"));
    let made = desk.order(&desk.checker, &format!("{one}/seal"));
    assert_eq!((made.status, &made.json()["state"]), (201, &json!("made")), "{}", made.text());
    assert_eq!(desk.order(&desk.approver, &format!("{one}/seal")).json(), made.json());
    assert_eq!(desk.get(&desk.checker, &one).json()["made"], made.json()["id"]);

    let seal = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SEALS}/{seal}");
    let deliver = |who| desk.step((who, who), &path, ("deliver", "delivery"), &json!({}));
    assert_eq!(deliver(&desk.checker).refusal(), code(403, "delivery-signature"));
    let octets = desk.post(&desk.keeper, &format!("{path}/to-sign"), &json!({ "step": "deliver" }));
    let body = json!({ "signature": desk.signature(&desk.keeper, &octets) });
    let taken = [(); 2].map(|()| desk.post(&desk.keeper, &format!("{path}/delivery"), &body).json());
    assert_eq!((&taken[0]["state"], &taken[0]), (&json!("active"), &taken[1]));
    assert_eq!(desk.get(&desk.keeper, &format!("{path}/picture")).ok(), desk.picture);
    seal
}

fn authorised_and_used(desk: &Desk<'_>, seal: &str) -> String {
    assert_eq!(desk.ids(&desk.checker, "?code=33010600000001&state=active&kind=1&division=330106"), [seal]);
    assert_eq!(desk.ids(&desk.checker, "?credit_code=99990000000000001F"), [seal]);
    assert_eq!(desk.ids(&desk.approver, "?state=suspended"), [""; 0]);
    assert_eq!(desk.ids(&desk.elsewhere, ""), [""; 0]);
    assert_eq!(desk.ids(&desk.keeper, ""), [seal]);
    assert_eq!(desk.ids(&desk.nobody, ""), [""; 0]);
    assert_eq!(desk.ids(&desk.clerk, ""), [""; 0]);
    let refusal = |who, path: &str| desk.get(who, &format!("{SEALS}{path}")).refusal();
    assert_eq!(refusal(&desk.clerk, "?among=division"), code(403, "not-seal-administrator"));
    assert_eq!(refusal(&desk.nobody, "?among=division"), code(403, "not-seal-officer"));
    assert_eq!(refusal(&desk.keeper, "?among=usable"), code(403, "not-seal-user"));
    for end in ["record", "chain", "picture"] {
        let path = format!("/{seal}/{end}");
        assert_eq!(refusal(&desk.clerk, &path), code(403, "use-not-authorised"));
        assert_eq!(refusal(&desk.elsewhere, &path), code(403, "officer-division"));
        assert_eq!(refusal(&desk.nobody, &path), code(403, "not-seal-officer"));
        assert_eq!(refusal(&desk.checker, &format!("/none/{end}")), code(404, "unknown-seal"));
    }

    let permit: [(&str, &[u8]); 2] = [("item", b"permit"), ("amount", b"250")];
    assert_eq!(desk.use_it(seal, "one", &permit).refusal(), code(403, "use-not-authorised"));
    let now = SystemClock.now();
    let terms = json!({
        "user": desk.clerk.1.as_str(), "items": ["permit"], "from": now.to_string(), "until": now.plus_days(30).to_string(),
        "most_uses": 1,
    });
    assert_eq!(desk.authorise(&desk.checker, seal, &terms).refusal(), code(403, "not-keeper"));
    let given = desk.authorise(&desk.keeper, seal, &terms);
    assert_eq!((given.status, &given.json()["user"]), (201, &json!(desk.clerk.1.as_str())), "{}", given.text());
    assert_eq!(desk.ids(&desk.clerk, ""), [seal]);
    assert_eq!(desk.get(&desk.clerk, &format!("{SEALS}/{seal}/record")).json()["state"], "active");
    let used = desk.use_it(seal, "two", &permit);
    assert_eq!(used.status, 200, "{}", used.text());
    assert_eq!(desk.use_it(seal, "three", &permit).refusal(), code(403, "use-count"));

    // The keeper approves each use of another item.
    let mut each = terms.clone();
    each["items"] = json!(["contract"]);
    each["each_approved"] = json!(true);
    let each = desk.authorise(&desk.keeper, seal, &each).json();
    let one = format!("{SEALS}/{seal}/authorisations/{}", each["id"].as_str().unwrap());
    let contract: [(&str, &[u8]); 1] = [("item", b"contract")];
    assert_eq!(desk.use_it(seal, "four", &contract).refusal(), code(403, "use-not-approved"));
    let mut wanted = json!({ "document_sm3": hex(&sm3(NOTICE)) });
    let by_another = desk.post(&desk.checker, &format!("{one}/approvals/draft"), &wanted);
    assert_eq!(by_another.refusal(), code(403, "not-keeper"));
    let elsewhere = one.replace(seal, &desk.client.seal);
    let unknown = desk.post(&desk.keeper, &format!("{elsewhere}/approvals/draft"), &wanted);
    assert_eq!(unknown.refusal(), code(404, "unknown-authorisation"));
    let drafted = desk.post(&desk.keeper, &format!("{one}/approvals/draft"), &wanted);
    wanted["signature"] = desk.signature(&desk.keeper, &drafted);
    wanted["nonce"] = drafted.json()["nonce"].clone();
    assert_eq!(desk.post(&desk.keeper, &format!("{one}/approvals"), &wanted).status, 201);
    assert_eq!(desk.use_it(seal, "five", &contract).status, 200);

    let all = format!("{SEALS}/{seal}/authorisations");
    for who in [&desk.keeper, &desk.checker] {
        assert_eq!(desk.get(who, &all).json()["authorisations"].as_array().unwrap().len(), 2);
    }
    let page = desk.get(&desk.keeper, &format!("{all}?limit=1")).json();
    let rest = desk.get(&desk.keeper, &format!("{all}?after={}", page["next"].as_str().unwrap())).json();
    assert_eq!((rest["authorisations"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(desk.get(&desk.elsewhere, &all).refusal(), code(403, "officer-division"));
    assert_eq!(desk.get(&desk.nobody, &all).refusal(), code(403, "not-keeper"));
    given.json()["id"].as_str().unwrap().to_owned()
}

fn the_ledger(desk: &Desk<'_>, seal: &str) {
    let ledger = |who, query: &str| desk.get(who, &format!("/api/v1/use-ledger{query}"));
    let lines = |who, query: &str| ledger(who, query).json()["uses"].as_array().unwrap().len();
    let of_seal = format!("?seal={seal}");
    for who in [&desk.keeper, &desk.checker, &desk.approver, &desk.auditor, &desk.clerk] {
        assert_eq!(lines(who, &of_seal), 2, "{}", who.1);
    }
    assert_eq!((lines(&desk.auditor, "?outcome=signed"), lines(&desk.clerk, "?item=permit")), (2, 1));
    assert_eq!((lines(&desk.elsewhere, &of_seal), lines(&desk.nobody, &of_seal)), (0, 0));
    let of_clerk = format!("?user={}", desk.clerk.1);
    for who in [&desk.elsewhere, &desk.nobody, &desk.checker] {
        assert_eq!(ledger(who, &of_clerk).refusal(), code(403, "ledger-not-yours"));
    }
    let page = ledger(&desk.keeper, &format!("{of_seal}&limit=1")).json();
    let next = page["next"].as_str().unwrap();
    assert_eq!(lines(&desk.keeper, &format!("{of_seal}&after={next}")), 1);
    let whole = |who, kind| {
        let accept = format!("Accept: {kind}");
        desk.send(who, "GET", &format!("/api/v1/use-ledger{of_seal}"), None, &["-H", &accept])
    };
    let csv = whole(&desk.auditor, "text/csv");
    assert_eq!((csv.kind.as_str(), csv.text().lines().count()), ("text/csv; charset=utf-8", 3));
    // Both may have the same second.
    assert_eq!(csv.text().lines().filter(|line| line.contains(",permit,,250,")).count(), 1, "{}", csv.text());
    assert_eq!(whole(&desk.keeper, "application/jsonl").text().lines().count(), 2);
    assert_eq!(whole(&desk.elsewhere, "application/jsonl").text(), "");
}

fn rests_and_is_replaced(desk: &Desk<'_>, seal: &str) -> String {
    let path = format!("{SEALS}/{seal}");
    let words = json!({ "reason": "owner-request" });
    let suspend = |who| desk.step((who, who), &path, ("suspend", "suspension"), &words);
    assert_eq!(suspend(&desk.elsewhere).refusal(), code(403, "officer-division"));
    assert_eq!(suspend(&desk.keeper).refusal(), code(403, "not-seal-officer"));
    let forged = desk.step((&desk.checker, &desk.keeper), &path, ("suspend", "suspension"), &words);
    assert_eq!(forged.refusal(), code(403, "suspension-signature"));
    assert_eq!(suspend(&desk.checker).json()["state"], "suspended");
    assert_eq!(suspend(&desk.checker).refusal(), code(409, "invalid-transition"));
    let used = desk.use_it(seal, "six", &[("item", b"contract")]).refusal();
    assert_eq!(used, code(409, "seal-suspended"));
    let resumed = desk.through(&json!({ "purpose": "resume", "seal": seal, "division": "3301" }));
    assert_eq!((&resumed["id"], &resumed["state"]), (&json!(seal), &json!("active")));

    let mut asked = desk.wanted();
    asked["purpose"] = json!("replace");
    asked["seal"] = json!(seal);
    let next = desk.through(&asked);
    assert_eq!((&next["state"], &next["predecessor"]), (&json!("made"), &json!(seal)));
    let next = next["id"].as_str().unwrap().to_owned();
    for one in [seal, &next] {
        let chain = desk.get(&desk.checker, &format!("{SEALS}/{one}/chain")).json();
        let links = chain["seals"].as_array().unwrap().iter().map(|link| link["id"].as_str().unwrap());
        assert_eq!(links.collect::<Vec<_>>(), [seal, &next]);
        assert_eq!(chain["seals"][0]["superseded_by"], next.as_str());
    }
    let page = desk.get(&desk.checker, &format!("{SEALS}?limit=1")).json();
    let after = page["next"].as_str().unwrap();
    assert_eq!(desk.ids(&desk.checker, &format!("?after={after}")), [next.as_str()]);
    assert_eq!(desk.ids(&desk.checker, "?state=superseded"), [seal]);
    next
}

fn withdrawn_and_archived(desk: &Desk<'_>, (seal, authorisation): (&str, &str), next: &str) {
    let all = format!("{SEALS}/{seal}/authorisations");
    let one = format!("{all}/{authorisation}/withdrawal");
    assert_eq!(desk.order(&desk.nobody, &one).refusal(), code(403, "not-keeper"));
    assert_eq!(desk.order(&desk.elsewhere, &one).refusal(), code(403, "officer-division"));
    let withdrawn = [(); 2].map(|()| desk.order(&desk.keeper, &one).json());
    assert!(withdrawn[0]["withdrawn_at"].is_string(), "{withdrawn:?}");
    assert_eq!(withdrawn[0], withdrawn[1]);
    let everything = format!("{all}/withdrawal");
    assert_eq!(desk.order(&desk.elsewhere, &everything).refusal(), code(403, "officer-division"));
    assert_eq!(desk.order(&desk.nobody, &everything).refusal(), code(403, "not-keeper"));
    assert_eq!(desk.order(&desk.checker, &everything).json(), json!({ "withdrawn": 1 }));
    assert_eq!(desk.ids(&desk.clerk, ""), [""; 0]);

    let archive = |who, seal: &str| desk.order(who, &format!("{SEALS}/{seal}/archive"));
    assert_eq!(archive(&desk.elsewhere, seal).refusal(), code(403, "officer-division"));
    assert_eq!(archive(&desk.keeper, seal).refusal(), code(403, "not-seal-officer"));
    assert_eq!(archive(&desk.checker, next).refusal(), code(409, "invalid-transition"));
    let archived = [(); 2].map(|()| archive(&desk.approver, seal).json());
    assert_eq!((&archived[0]["state"], &archived[0]), (&json!("archived"), &archived[1]));
    let revoke = json!({ "purpose": "revoke", "seal": next, "reason": "cessation-of-operation", "division": "3301" });
    assert_eq!(desk.through(&revoke)["state"], "revoked");
    assert_eq!(archive(&desk.checker, next).json()["state"], "archived");

    let words = json!({ "reason": "not-entitled", "explanation": "无权" });
    let submitted = || {
        let taken = desk.submit(&desk.applicant, &desk.signed(&desk.wanted(), &desk.applicant), DOCUMENT);
        format!("{APPLICATIONS}/{}", taken.json()["id"].as_str().unwrap())
    };
    let one = submitted();
    let refused = desk.step((&desk.checker, &desk.checker), &one, ("refuse", "refusal"), &words).json();
    assert_eq!((&refused["state"], &refused["explanation"]), (&json!("refused"), &json!("无权")));
    let (one, words) = (submitted(), json!({ "reason": "mistaken" }));
    let by_checker = desk.step((&desk.checker, &desk.checker), &one, ("withdraw", "withdrawal"), &words);
    assert_eq!(by_checker.refusal(), code(403, "not-applicant"));
    let withdrawn = desk.step((&desk.applicant, &desk.applicant), &one, ("withdraw", "withdrawal"), &words);
    assert_eq!(withdrawn.json()["state"], "withdrawn");
}

/// What somebody is to the seal and the application of this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Stranger,
    /// Holds only that role.
    Role(Role),
    /// An officer of seals of that part, in the city that decides or elsewhere.
    Officer(&'static str, bool),
    /// Holds the role of officers without an appointment.
    Unappointed,
    /// Keeps the seal.
    Keeper,
    /// May use the seal.
    Clerk,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything about an application by an officer; what an officer of the city gets.
    Application(u16, &'static str),
    /// The lists, which show to each what is the own.
    Applications,
    Seals,
    /// What is known of a seal.
    Seen,
    /// A step with a seal by an officer of the holder's division; what that one gets.
    Step(u16, &'static str),
    /// A step by the keeper alone; what the keeper gets, and what all others do.
    Keeper((u16, &'static str), &'static str),
    /// What the keeper and officers of the holder's division look after.
    Tended,
    Ledger,
}

/// The table: which answer each of them gets. A code of nothing is a success.
fn expected(kind: Kind, whom: Whom) -> (u16, &'static str) {
    let administers = matches!(whom, Whom::Officer(..) | Whom::Unappointed | Whom::Keeper);
    let uses = matches!(whom, Whom::Clerk | Whom::Role(Role::SealUser));
    let admitted = match kind {
        Kind::Seals | Kind::Seen => administers || uses,
        Kind::Ledger => administers || uses || whom == Whom::Role(Role::AuditAdministrator),
        _ => administers,
    };
    let elsewhere = matches!(whom, Whom::Officer(_, false));
    let here = matches!(whom, Whom::Officer(_, true));
    match (whom, kind) {
        (Whom::Stranger, _) => (401, "signature-missing"),
        _ if !admitted => (403, "role-missing"),
        (_, Kind::Application(status, code) | Kind::Step(status, code)) if here => (status, code),
        (_, Kind::Application(..) | Kind::Step(..)) if elsewhere => (403, "officer-division"),
        (_, Kind::Application(..) | Kind::Step(..)) => (403, "not-seal-officer"),
        (_, Kind::Applications) if here || elsewhere => (200, ""),
        (_, Kind::Applications) => (403, "not-seal-officer"),
        (_, Kind::Seals) => (200, ""),
        (Whom::Keeper, Kind::Keeper(answer, _)) => answer,
        (_, Kind::Keeper(_, code)) => (403, code),
        (Whom::Keeper, Kind::Seen | Kind::Tended | Kind::Ledger) | (Whom::Clerk, Kind::Seen | Kind::Ledger) => {
            (200, "")
        }
        (Whom::Role(Role::AuditAdministrator), _) => (200, ""),
        (_, Kind::Seen | Kind::Tended | Kind::Ledger) if here => (200, ""),
        (_, Kind::Ledger) => (403, "ledger-not-yours"),
        (_, Kind::Seen | Kind::Tended) if elsewhere => (403, "officer-division"),
        (_, Kind::Seen) if uses => (403, "use-not-authorised"),
        (_, Kind::Seen) => (403, "not-seal-officer"),
        (_, Kind::Tended) => (403, "not-keeper"),
    }
}

#[test]
fn everybody_calls_every_endpoint_of_seals() {
    if !has_curl() {
        return crate::skip("serve::everybody_calls_every_endpoint_of_seals", "curl");
    }
    let installation = Installation::new("serve-seals-everybody");
    let (running, desk) = open(&installation);
    let asked = desk.wanted();
    let seal = desk.through(&asked)["id"].as_str().unwrap().to_owned();
    let one = format!("{SEALS}/{seal}");
    let taken = desk.step((&desk.keeper, &desk.keeper), &one, ("deliver", "delivery"), &json!({}));
    assert_eq!(taken.json()["state"], "active");
    let now = SystemClock.now();
    let terms = json!({
        "user": desk.clerk.1.as_str(), "from": now.to_string(), "until": now.plus_days(30).to_string(),
    });
    let given = desk.authorise(&desk.keeper, &seal, &terms).json();
    let all = format!("{one}/authorisations");
    let over = desk.authorise(&desk.keeper, &seal, &terms).json();
    let over = format!("{all}/{}", over["id"].as_str().unwrap());
    assert_eq!(desk.order(&desk.keeper, &format!("{over}/withdrawal")).status, 200);
    let resume = json!({ "purpose": "revoke", "seal": seal, "reason": "superseded", "division": "3301" });
    let submitted = desk.submit(&desk.applicant, &desk.signed(&resume, &desk.applicant), DOCUMENT).json();
    let application = format!("{APPLICATIONS}/{}", submitted["id"].as_str().unwrap());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let person = |role| runtime.block_on(register(&installation, role));
    let mut everybody =
        vec![(Whom::Stranger, person(Role::SealUser)), (Whom::Unappointed, person(Role::SealAdministrator))];
    for role in Role::ALL.iter().copied().filter(|role| *role != Role::SealAdministrator) {
        everybody.push((Whom::Role(role), person(role)));
    }
    for part in ["applicant", "checker", "approver"] {
        for (place, here) in [("3301", true), ("330200", false)] {
            let officer = person(Role::SealAdministrator);
            let appoint = ["seal-admin", "officer", "appoint", "--role", part, "--division", place, "--caller"];
            desk.done(&[&appoint[..], &[officer.1.as_str()]].concat());
            everybody.push((Whom::Officer(part, here), officer));
        }
    }
    let Desk { keeper, clerk, .. } = &desk;
    let known = [(Whom::Keeper, keeper), (Whom::Clerk, clerk)];
    let everybody = everybody.iter().map(|(whom, person)| (*whom, person)).chain(known).collect::<Vec<_>>();

    let zeros = "00".repeat(32);
    let (signed, nonce) = (json!({ "signature": "AAAA" }), json!(zeros.clone()));
    let with = |more: Value| {
        let mut body = signed.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    let mut given_terms = terms.clone();
    given_terms["nonce"] = nonce.clone();
    let draft = desk.drafted(&resume);
    let ledger = format!("/api/v1/use-ledger?seal={seal}&user={}", clerk.1);
    let ok = Kind::Application(200, "");
    let forged = Kind::Application(403, "step-signature");
    let calls: Vec<(&str, String, Option<Value>, Kind)> = vec![
        ("POST", format!("{APPLICATIONS}/draft"), Some(draft), ok),
        ("GET", APPLICATIONS.into(), None, Kind::Applications),
        ("GET", application.clone(), None, ok),
        ("GET", format!("{application}/documents/1"), None, ok),
        ("GET", format!("{application}/picture"), None, Kind::Application(404, "unknown-document")),
        ("POST", format!("{application}/to-sign"), Some(json!({ "step": "check" })), ok),
        ("POST", format!("{application}/check"), with(json!({})), forged),
        ("POST", format!("{application}/approval"), with(json!({})), Kind::Application(409, "request-state")),
        ("POST", format!("{application}/refusal"), with(json!({ "reason": "not-entitled" })), forged),
        ("POST", format!("{application}/withdrawal"), with(json!({ "reason": "mistaken" })), forged),
        ("POST", format!("{application}/seal"), None, Kind::Application(409, "request-state")),
        ("GET", SEALS.into(), None, Kind::Seals),
        ("GET", format!("{one}/record"), None, Kind::Seen),
        ("GET", format!("{one}/chain"), None, Kind::Seen),
        ("GET", format!("{one}/picture"), None, Kind::Seen),
        (
            "POST",
            format!("{one}/to-sign"),
            Some(json!({ "step": "deliver" })),
            Kind::Keeper((200, ""), "delivery-signature"),
        ),
        (
            "POST",
            format!("{one}/to-sign"),
            Some(json!({ "step": "suspend", "reason": "owner-request" })),
            Kind::Step(200, ""),
        ),
        (
            "POST",
            format!("{one}/delivery"),
            with(json!({})),
            Kind::Keeper((403, "delivery-signature"), "delivery-signature"),
        ),
        (
            "POST",
            format!("{one}/suspension"),
            with(json!({ "reason": "owner-request" })),
            Kind::Step(403, "suspension-signature"),
        ),
        ("POST", format!("{one}/archive"), None, Kind::Step(409, "invalid-transition")),
        ("POST", format!("{all}/draft"), Some(terms.clone()), Kind::Keeper((200, ""), "not-keeper")),
        ("POST", all.clone(), with(given_terms), Kind::Keeper((403, "terms-signature"), "not-keeper")),
        ("GET", all.clone(), None, Kind::Tended),
        (
            "POST",
            format!("{all}/{}/approvals/draft", given["id"].as_str().unwrap()),
            Some(json!({ "document_sm3": zeros })),
            Kind::Keeper((200, ""), "not-keeper"),
        ),
        (
            "POST",
            format!("{all}/{}/approvals", given["id"].as_str().unwrap()),
            with(json!({ "document_sm3": zeros, "nonce": nonce })),
            Kind::Keeper((403, "terms-signature"), "not-keeper"),
        ),
        ("GET", ledger, None, Kind::Ledger),
        ("POST", format!("{over}/withdrawal"), None, Kind::Tended),
        ("POST", format!("{all}/withdrawal"), None, Kind::Tended),
    ];
    let (mut tried, mut holes) = (0, Vec::new());
    for (method, path, body, kind) in &calls {
        for (whom, person) in &everybody {
            let answer = match (whom, body) {
                (Whom::Stranger, _) => desk.client.call(path, &["-X", method]),
                (_, Some(body)) => desk.post(person, path, body),
                (_, None) => desk.send(person, method, path, None, &[]),
            };
            let found = match answer.status {
                200..=299 => (200, String::new()),
                _ => answer.refusal(),
            };
            let (status, code) = expected(*kind, *whom);
            tried += 1;
            if found != (status, code.to_owned()) {
                holes.push(format!("{method} {path} by {whom:?}: expected {status} {code}, found {found:?}"));
            }
        }
    }
    println!("{tried} calls of {} kinds by {} persons, {} holes", calls.len(), everybody.len(), holes.len());
    assert_eq!(holes, Vec::<String>::new());
    // Nothing of it changed the application or the seal.
    assert_eq!(desk.get(&desk.checker, &application).json(), submitted);
    assert_eq!(desk.get(&desk.checker, &format!("{one}/record")).json()["state"], "active");
    assert_eq!(running.terminate().0, Some(0));
}
