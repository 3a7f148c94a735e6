//! Applications, seals, authority and the ledger: what comes through the door, and every field that is not as it must be.

use serde_json::{Value, json};
use yinxin::base::clock::Timestamp;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, AuthorisationId, CallerId, SealId, SignatureId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{RevocationReason, SuspensionReason};
use yinxin::domain::officer::request::RefusalReason;
use yinxin::domain::seal::application::{Purpose, Wanted};
use yinxin::domain::seal::authority::UseTerms;
use yinxin::domain::seal::code::SealCode;
use yinxin::http::tls::Development;
use yinxin::service::registration_desk::RequestStep;
use yinxin::service::seal_applications::{Asked, NewApplication};
use yinxin::service::seal_desk::{
    Among, ApplicationQuery, ApplicationRequest, LedgerQuery, LifeRequest, Place, SealQuery, SealRequest, SealStep,
    UseRequest,
};
use yinxin::service::seal_uses::WantedApproval;

use crate::client::{Answer, Request, Server};
use crate::issuance_jobs::dechunked;
use crate::seal_answers::wanted;

const APPLICATIONS: &str = "/api/v1/seal-applications";
const SEALS: &str = "/api/v1/seals";

pub(crate) fn is_about_seals(path: &str) -> bool {
    path.starts_with(APPLICATIONS) || path.starts_with(SEALS) && !path.contains("/signatures")
}

/// A request that each of these endpoints takes.
pub(crate) fn request(path: &str) -> Request {
    let (zeros, signed) = ("00".repeat(32), r#""signature":"AAAA""#);
    let post = |body: String| Request::new("POST", path).body("application/json", body.as_bytes());
    let terms = r#""user":"clerk","from":"2026-01-01T00:00:00Z","until":"2027-01-01T00:00:00Z""#;
    if path == APPLICATIONS {
        let application = json!({
            "purpose": "resume", "seal": "seal-1", "division": "3301", "nonce": zeros, "signature": "AAAA",
        });
        let application = application.to_string();
        return Request::new("POST", path)
            .form(&[("application", None, application.as_bytes()), ("document", Some("a.pdf"), b"%PDF".as_slice())]);
    }
    let is_application = path.starts_with(APPLICATIONS);
    match path.rsplit('/').next().unwrap_or_default() {
        "draft" if is_application => {
            post(format!(r#"{{"purpose":"resume","seal":"seal-1","division":"3301","documents_sm3":["{zeros}"]}}"#))
        }
        "draft" if path.ends_with("/authorisations/draft") => post(format!("{{{terms}}}")),
        "draft" => post(format!(r#"{{"document_sm3":"{zeros}"}}"#)),
        "authorisations" => post(format!(r#"{{{terms},"nonce":"{zeros}",{signed}}}"#)),
        "approvals" => post(format!(r#"{{"document_sm3":"{zeros}","nonce":"{zeros}",{signed}}}"#)),
        "to-sign" if is_application => post(r#"{"step":"check"}"#.into()),
        "to-sign" => post(r#"{"step":"deliver"}"#.into()),
        "refusal" => post(format!(r#"{{"reason":"not-entitled",{signed}}}"#)),
        "withdrawal" if is_application => post(format!(r#"{{"reason":"mistaken",{signed}}}"#)),
        "suspension" => post(format!(r#"{{"reason":"owner-request",{signed}}}"#)),
        "check" | "approval" | "delivery" => post(format!("{{{signed}}}")),
        _ => Request::new("POST", path),
    }
}

struct Office {
    server: Server,
    officer: Development,
}

impl Office {
    async fn open() -> Self {
        let server = Server::start().await;
        let officer = server.caller_with("officer", &["seal-administrator", "seal-user"]);
        Self { server, officer }
    }

    async fn send(&self, request: Request) -> Answer {
        self.server.send(&request.signed(&self.officer)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).body("application/json", body.to_string().as_bytes())).await
    }

    /// What came through the door last.
    fn asked(&self) -> SealRequest {
        self.server.double.desked.lock().unwrap().pop().unwrap()
    }

    async fn refused(&self, path: &str, body: &Value, code: &str) {
        let before = self.server.double.desked.lock().unwrap().len();
        self.post(path, body).await.assert_refused(400, code);
        assert_eq!(self.server.double.desked.lock().unwrap().len(), before, "{path} {body}");
    }
}

fn seal_1() -> SealId {
    SealId::parse("seal-1").unwrap()
}

fn make() -> Value {
    json!({
        "purpose": "make", "division": "3301", "kind": 1, "credit_code": "99990000000000001F", "holder": "样章市试验局",
        "holder_division": "330106", "keeper": "keeper", "signer_key": "k1", "authority": "seals",
    })
}

#[tokio::test]
async fn applications_come_through_as_they_were_written() {
    let office = Office::open().await;
    let mut draft = make();
    draft["documents_sm3"] = json!(["04".repeat(32)]);
    draft["picture_sm3"] = json!("05".repeat(32));
    let drafted = office.post(&format!("{APPLICATIONS}/draft"), &draft).await.json();
    assert_eq!(drafted, json!({ "nonce": "03".repeat(32), "to_sign": "BwgJ" }));
    let division = Division::parse("3301").unwrap();
    let asked =
        Asked { purpose: Purpose::Make(Box::new(wanted())), division: division.clone(), documents: vec![[4; 32]] };
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::Draft(asked)));

    let mut submission = make();
    submission["nonce"] = json!("03".repeat(32));
    submission["signature"] = json!("AAAA");
    let text = submission.to_string();
    let form = Request::new("POST", APPLICATIONS).form(&[
        ("application", None, text.as_bytes()),
        ("picture", Some("face.png"), b"face".as_slice()),
        ("document", Some("a.pdf"), b"one".as_slice()),
        ("document", Some("b.pdf"), b"two".as_slice()),
    ]);
    let taken = office.send(form).await;
    assert_eq!((taken.status, &taken.headers["location"][..]), (201, "/api/v1/seal-applications/a1"));
    let new = NewApplication {
        purpose: Purpose::Make(Box::new(Wanted { picture_sm3: sm3(b"face"), ..wanted() })),
        division,
        documents: vec![b"one".to_vec(), b"two".to_vec()],
        picture: Some(b"face".to_vec()),
    };
    let submit = ApplicationRequest::Submit { new, nonce: [3; 32], signature: vec![0; 3] };
    assert_eq!(office.asked(), SealRequest::Application(submit));

    let revoke = json!({
        "purpose": "revoke", "seal": "seal-1", "reason": "key-compromise", "division": "33", "documents_sm3": [],
    });
    assert_eq!(office.post(&format!("{APPLICATIONS}/draft"), &revoke).await.status, 200);
    let purpose = Purpose::Revoke { seal: seal_1(), reason: RevocationReason::KeyCompromise };
    let asked = Asked { purpose, division: Division::parse("33").unwrap(), documents: Vec::new() };
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::Draft(asked)));

    let shown = office.get(&format!("{APPLICATIONS}/a1")).await.json();
    assert_eq!(shown["wanted"]["holder"], "样章市试验局");
    assert_eq!((&shown["approvals"][0]["officer"], &shown["made"]), (&json!("o1"), &json!("seal-1")));
    office.asked();
    let query = "state=approved&division=330106&credit_code=99990000000000001F&after=330106/a0&limit=7";
    let page = office.get(&format!("{APPLICATIONS}?{query}")).await.json();
    assert_eq!((&page["applications"][0], &page["next"]), (&shown, &json!("330106/a1")));
    let query = ApplicationQuery {
        state: Some("approved".into()),
        division: Division::parse("330106").ok(),
        credit_code: Some(wanted().holder.credit_code),
        after: Place::parse("330106/a0", ApplicationId::parse),
        limit: 7,
    };
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::List(query)));

    let id = ApplicationId::parse("a1").unwrap();
    let words = json!({ "reason": "not-entitled", "explanation": "不在编", "signature": "AAAA" });
    assert_eq!(office.post(&format!("{APPLICATIONS}/a1/refusal"), &words).await.status, 200);
    let step = RequestStep::Refuse { reason: RefusalReason::NotEntitled, explanation: "不在编".into() };
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::Step(id.clone(), step, vec![0; 3])));
    // What was uploaded is never shown by a browser.
    let document = office.get(&format!("{APPLICATIONS}/a1/documents/32")).await;
    assert_eq!((&document.body[..], &document.headers["content-disposition"][..]), (&b"<script>"[..], "attachment"));
    assert_eq!(document.headers["content-type"], "application/octet-stream");
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::File(id.clone(), 32)));
    let made = office.send(Request::new("POST", &format!("{APPLICATIONS}/a1/seal"))).await;
    assert_eq!((made.status, &made.headers["location"][..]), (201, "/api/v1/seals/seal-1"));
    assert_eq!(office.asked(), SealRequest::Application(ApplicationRequest::Fulfil(id)));
}

/// Name, name of a file, content.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A part of a form that has no file's name.
fn part<'a>(name: &'a str, content: &'a [u8]) -> Part<'a> {
    (name, None, content)
}

#[tokio::test]
async fn a_field_that_is_not_as_it_must_be_is_named() {
    let office = Office::open().await;
    let draft = format!("{APPLICATIONS}/draft");
    let mut fine = make();
    fine["documents_sm3"] = json!([]);
    fine["picture_sm3"] = json!("05".repeat(32));
    let with = |name: &str, value: Value| {
        let mut body = fine.clone();
        body[name] = value;
        body
    };
    for (name, value, code) in [
        ("purpose", json!("steal"), "field-malformed"),
        ("purpose", json!("resume"), "field-missing"),
        ("purpose", Value::Null, "field-missing"),
        ("seal", json!("seal-1"), "field-malformed"),
        ("reason", json!("superseded"), "field-malformed"),
        ("division", json!("3"), "field-malformed"),
        ("kind", json!(256), "field-malformed"),
        ("kind", json!("1"), "field-malformed"),
        ("credit_code", json!("99990000000000001G"), "field-malformed"),
        ("holder_division", Value::Null, "field-missing"),
        ("keeper", json!("a b"), "field-malformed"),
        ("signer_key", Value::Null, "field-missing"),
        ("csr", json!("MAA="), "field-malformed"),
        ("width", json!(65536), "field-malformed"),
        ("form", json!("v2"), "field-malformed"),
        ("list", json!("names"), "field-malformed"),
        ("authority", json!(""), "field-malformed"),
        ("profile", json!("Seal"), "field-malformed"),
        ("days", json!(-1), "field-malformed"),
        ("filing", json!("12"), "field-malformed"),
        ("picture_sm3", Value::Null, "field-missing"),
        ("picture_sm3", json!("05"), "field-malformed"),
        ("documents_sm3", Value::Null, "field-missing"),
        ("documents_sm3", json!([1]), "field-malformed"),
        ("documents_sm3", json!(["ab"]), "field-malformed"),
        ("nonce", json!("00"), "field-unknown"),
    ] {
        office.refused(&draft, &with(name, value), code).await;
    }
    // What is about a seal that is there names nothing that shall be made.
    let resume = json!({ "purpose": "resume", "seal": "seal-1", "division": "33", "documents_sm3": [], "kind": 1 });
    office.refused(&draft, &resume, "field-malformed").await;
    let filing = json!({ "purpose": "resume", "seal": "seal-1", "division": "33", "documents_sm3": [], "filing": "1" });
    office.refused(&draft, &filing, "field-malformed").await;

    let application = make().to_string();
    let large = vec![0; (1 << 20) + 1];
    let forms: [(&[Part<'_>], u16, &str); 6] = [
        (&[part("document", b"one")], 400, "field-missing"),
        (&[part("application", b"{}"), part("application", b"{}")], 400, "field-repeated"),
        (&[part("application", b"[]")], 400, "body-malformed"),
        (&[part("application", application.as_bytes())], 400, "field-missing"),
        (&[part("application", b"{}"), part("scan", b"one")], 400, "field-unknown"),
        (&[part("application", b"{}"), part("picture", &large)], 413, "too-large"),
    ];
    for (form, status, code) in forms {
        office.send(Request::new("POST", APPLICATIONS).form(form)).await.assert_refused(status, code);
    }
    let mut many = vec![part("application", b"{}".as_slice())];
    many.extend((0..34).map(|_| part("document", b"one".as_slice())));
    office.send(Request::new("POST", APPLICATIONS).form(&many)).await.assert_refused(413, "too-many-files");
    office.post(APPLICATIONS, &json!({})).await.assert_refused(415, "content-type-refused");

    for (query, code) in [
        ("state=issued", "field-malformed"),
        ("division=abc", "field-malformed"),
        ("credit_code=1", "field-malformed"),
        ("after=33x/a", "field-malformed"),
        ("limit=501", "field-malformed"),
        ("sort=up", "query-malformed"),
    ] {
        office.get(&format!("{APPLICATIONS}?{query}")).await.assert_refused(400, code);
    }
    for number in ["0", "33", "x", "-1"] {
        let path = format!("{APPLICATIONS}/a1/documents/{number}");
        office.get(&path).await.assert_refused(400, "identifier-malformed");
    }
    for (step, code) in [
        (json!({ "step": "fulfil" }), "field-malformed"),
        (json!({ "step": "check", "reason": "mistaken" }), "field-malformed"),
        (json!({ "step": "withdraw", "reason": "bored" }), "field-malformed"),
        (json!({ "step": "refuse", "reason": "lapsed" }), "field-malformed"),
    ] {
        office.refused(&format!("{APPLICATIONS}/a1/to-sign"), &step, code).await;
    }
}

#[tokio::test]
async fn seals_come_through_as_they_were_asked_for() {
    let office = Office::open().await;
    let query = "among=division&code=33010600000001&credit_code=99990000000000001F&state=active&kind=1&division=33&after=s0&limit=3";
    let page = office.get(&format!("{SEALS}?{query}")).await.json();
    let seal = json!({
        "id": "seal-1", "code": "33010600000001", "name": "样章市试验局", "state": "suspended",
        "since": "1970-01-01T00:00:03Z", "reason": "owner-request", "superseded_by": null, "keeper": "keeper", "kind": 1,
        "credit_code": "99990000000000001F", "holder": "样章市试验局", "holder_division": "330106", "filing": null,
        "origin": "application", "application": "a1", "predecessor": "seal-0", "certificate_sm3": "06".repeat(32),
        "valid_to": "1970-01-01T00:00:09Z", "delivered_at": "1970-01-01T00:00:02Z",
    });
    assert_eq!(page, json!({ "seals": [seal.clone()], "next": null }));
    let query = SealQuery {
        among: Some(Among::Division),
        code: SealCode::parse("33010600000001").ok(),
        credit_code: Some(wanted().holder.credit_code),
        state: Some("active".into()),
        kind: Some(1),
        division: Division::parse("33").ok(),
        after: Place::parse("s0", SealId::parse),
        limit: 3,
    };
    assert_eq!(office.asked(), SealRequest::Life(LifeRequest::List(query)));
    assert_eq!(office.get(&format!("{SEALS}/seal-1/record")).await.json(), seal);
    assert_eq!(office.get(&format!("{SEALS}/seal-1/chain")).await.json()["seals"][1], seal);
    let picture = office.get(&format!("{SEALS}/seal-1/picture")).await;
    assert_eq!((&picture.body[..], &picture.headers["content-type"][..]), (&b"PNG"[..], "image/png"));
    let order = json!({ "reason": "suspected-misuse", "signature": "AAAA" });
    assert_eq!(office.post(&format!("{SEALS}/seal-1/suspension"), &order).await.json(), seal);
    let step = SealStep::Suspend(SuspensionReason::SuspectedMisuse);
    assert_eq!(office.asked(), SealRequest::Life(LifeRequest::Step(seal_1(), step, vec![0; 3])));
    let archived = office.send(Request::new("POST", &format!("{SEALS}/seal-1/archive"))).await;
    assert_eq!((archived.status, office.asked()), (200, SealRequest::Life(LifeRequest::Archive(seal_1()))));

    for query in ["among=all", "code=1", "state=lost", "kind=0", "kind=100", "division=1", "after=a/b/c", "limit=0"] {
        office.get(&format!("{SEALS}?{query}")).await.assert_refused(400, "field-malformed");
    }
    office.get(&format!("{SEALS}?name=x")).await.assert_refused(400, "query-malformed");
    office.get(&format!("{SEALS}/A%20B/record")).await.assert_refused(400, "identifier-malformed");
    for (order, code) in [
        (json!({ "step": "resume" }), "field-malformed"),
        (json!({ "step": "deliver", "reason": "owner-request" }), "field-malformed"),
        (json!({ "step": "suspend" }), "field-missing"),
    ] {
        office.refused(&format!("{SEALS}/seal-1/to-sign"), &order, code).await;
    }
    office.refused(&format!("{SEALS}/seal-1/delivery"), &json!({ "signature": "" }), "field-malformed").await;
}

#[tokio::test]
async fn authority_comes_through_as_it_was_signed() {
    let office = Office::open().await;
    let all = format!("{SEALS}/seal-1/authorisations");
    let body = json!({
        "user": "clerk", "items": ["permit"], "document_kinds": ["letter"], "from": "1970-01-01T00:00:00Z",
        "until": "1970-01-01T00:01:40Z", "most_uses": 5, "most_amount": 9, "most_sum": 9_007_199_254_740_993_i64,
        "each_approved": true, "nonce": "08".repeat(32), "signature": "AAAA",
    });
    let given = office.post(&all, &body).await;
    assert_eq!((given.status, &given.json()["sum"]), (201, &json!(250)));
    let terms = UseTerms {
        nonce: [8; 32],
        seal: seal_1(),
        user: CallerId::parse("clerk").unwrap(),
        items: vec!["permit".into()],
        document_kinds: vec!["letter".into()],
        from: Timestamp::from_unix(0),
        until: Timestamp::from_unix(100),
        most_uses: Some(5),
        most_amount: Some(9),
        most_sum: Some(9_007_199_254_740_993),
        each_approved: true,
        second_factor: false,
    };
    assert_eq!(office.asked(), SealRequest::Use(UseRequest::Authorise(Box::new(terms), vec![0; 3])));
    let after = AuthorisationId::parse("u0").unwrap();
    assert_eq!(office.get(&format!("{all}?after=u0&limit=2")).await.json()["authorisations"][0]["user"], "clerk");
    assert_eq!(office.asked(), SealRequest::Use(UseRequest::List(seal_1(), Some(after), 2)));
    let one = AuthorisationId::parse("u1").unwrap();
    assert_eq!(office.send(Request::new("POST", &format!("{all}/u1/withdrawal"))).await.status, 200);
    assert_eq!(office.asked(), SealRequest::Use(UseRequest::Withdraw(seal_1(), one.clone())));
    let withdrawn = office.send(Request::new("POST", &format!("{all}/withdrawal"))).await;
    assert_eq!(
        (withdrawn.json(), office.asked()),
        (json!({ "withdrawn": 3 }), SealRequest::Use(UseRequest::WithdrawAll(seal_1())))
    );
    let body = json!({ "document_sm3": "09".repeat(32), "amount": 250, "nonce": "08".repeat(32), "signature": "AAAA" });
    let approved = office.post(&format!("{all}/u1/approvals"), &body).await;
    assert_eq!((approved.status, &approved.json()["document_sm3"]), (201, &json!("09".repeat(32))));
    let wanted = WantedApproval { authorisation: one, nonce: [8; 32], document_sm3: [9; 32], amount: Some(250) };
    assert_eq!(office.asked(), SealRequest::Use(UseRequest::Approve(seal_1(), wanted, vec![0; 3])));

    let fine = json!({ "user": "clerk", "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z" });
    for (name, value, code) in [
        ("user", json!(""), "field-malformed"),
        ("from", Value::Null, "field-missing"),
        ("until", json!("tomorrow"), "field-malformed"),
        ("items", json!("permit"), "field-malformed"),
        ("items", json!([1]), "field-malformed"),
        ("most_uses", json!(1.5), "field-malformed"),
        ("most_sum", json!(-1), "field-malformed"),
        ("second_factor", json!("yes"), "field-malformed"),
        ("seal", json!("seal-2"), "field-unknown"),
        ("nonce", json!("00"), "field-unknown"),
    ] {
        let mut body = fine.clone();
        body[name] = value;
        office.refused(&format!("{all}/draft"), &body, code).await;
    }
    office.get(&format!("{all}?after=%20")).await.assert_refused(400, "field-malformed");
    let wrong = office.send(Request::new("POST", &format!("{all}/%20/withdrawal"))).await;
    wrong.assert_refused(400, "identifier-malformed");
}

#[tokio::test]
async fn the_ledger_comes_by_pages_or_whole() {
    let office = Office::open().await;
    let ledger = "/api/v1/use-ledger";
    let query = "seal=seal-1&user=clerk&item=permit&document_kind=letter&from=1970-01-01T00:00:00Z&until=1970-01-02T00:00:00Z\
                 &outcome=signed&after=1970-01-01T00:00:50Z/s3&limit=5";
    let page = office.get(&format!("{ledger}?{query}")).await.json();
    assert_eq!((&page["uses"][0]["signature"], &page["next"]), (&json!("s1"), &Value::Null));
    let query = LedgerQuery {
        seal: Some(seal_1()),
        user: CallerId::parse("clerk").ok(),
        item: Some("permit".into()),
        document_kind: Some("letter".into()),
        from: Some(Timestamp::from_unix(0)),
        until: Some(Timestamp::from_unix(86_400)),
        outcome: Some("signed".into()),
        after: Some((Timestamp::from_unix(50), SignatureId::parse("s3").unwrap())),
    };
    assert_eq!(office.asked(), SealRequest::Use(UseRequest::Ledger(query, 5)));

    let lines = office.send(Request::new("GET", ledger).header("accept", "application/jsonl")).await;
    let lines = dechunked(&lines);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(lines.iter().map(|line| line["signature"].as_str().unwrap()).collect::<Vec<_>>(), ["s2", "s1"]);
    let csv = office.send(Request::new("GET", ledger).header("accept", "text/csv")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let csv = dechunked(&csv);
    let line = |signature| {
        let sm3 = "09".repeat(32);
        format!("1970-01-01T00:00:50Z,{signature},seal-1,clerk,u1,1,'-1,,250,{sm3},,,signed,1970-01-01T00:00:51Z\r\n")
    };
    let head = "at,signature,seal,user,authorisation,number,item,document_kind,amount,document_sm3,second_factor,\
                second_factor_at,outcome,ended_at\r\n";
    assert_eq!(csv, [head, &line("s2"), &line("s1")].concat());

    let csv = |query: &str| Request::new("GET", &format!("{ledger}?{query}")).header("accept", "text/csv");
    office.send(csv("limit=5")).await.assert_refused(400, "field-malformed");
    let picture = Request::new("GET", ledger).header("accept", "image/png");
    office.send(picture).await.assert_refused(406, "not-acceptable");
    for query in ["seal=%20", "user=%20", "item=a%20b", "from=today", "outcome=lost", "after=s1", "limit=0"] {
        office.get(&format!("{ledger}?{query}")).await.assert_refused(400, "field-malformed");
    }
    office.get(&format!("{ledger}?all=1")).await.assert_refused(400, "query-malformed");
}
