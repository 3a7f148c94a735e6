//! `yinxin seal-admin` from outside: three officers and a keeper with keys of their own, made and used by OpenSSL, bring a seal
//! about, and what it seals passes `yinxin verify`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use yinxin::base::clock::SystemClock;
use yinxin::base::id::{CallerId, SealId};
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::Actor;
use yinxin::domain::caller::{Role, Roles};
use yinxin::render::NOTICE;
use yinxin::service::keys::KeySource;
use yinxin::service::{Services, development, seals};

use crate::process::program;
use crate::service::signing::order;
use crate::store::Folder;

struct Place {
    folder: Folder,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_DATA_DIR", self.path("installation"));
        command.env("YINXIN_LOG__LEVEL", "error").args(arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The stable code of a refusal.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{arguments:?}: {told}");
        told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
    }

    #[track_caller]
    fn object(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A P-256 key in `NAME.key`, its public key in `NAME.pub`.
    fn key(&self, name: &str) -> String {
        let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
        self.openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
        public
    }

    fn hired(&self, name: &str, role: &str) -> String {
        let public = self.key(name);
        let appoint = ["seal-admin", "officer", "appoint", "--role", role, "--division", "3301"];
        self.done(&[&appoint[..], &["--holder", &public, "--name", name]].concat())
    }

    fn seals(&self, document: &[u8], seal: &str, user: &str) -> Result<Vec<u8>, &'static str> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite:{}", self.path("installation/yinxin.db").display());
            let source = KeySource::File { path: self.path("installation/key-encryption.key"), create: false };
            let services = Services::open(&url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
            let seal = SealId::parse(seal).unwrap();
            let roles = Roles::new([Role::SealUser]).unwrap();
            let by = Actor::Caller { id: CallerId::parse(user).unwrap(), roles };
            let sealed = seals::sign(&services, &by, None, &seal, order(document)).await;
            services.store.close().await;
            sealed.map(|sealed| sealed.document).map_err(|error| error.code())
        })
    }
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[test]
fn three_officers_and_a_keeper_bring_a_seal_about_and_what_it_seals_passes() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("seals by officers who sign with OpenSSL", "openssl");
    }
    let place = Place { folder: Folder::new("cli-seal-admin") };
    let at = ["--base-url", "http://ca.example"];
    let create = |rest: &[&str], file: &str| {
        let told = place.done(&[&["ca", "create"], rest, &at].concat());
        fs::write(place.path(file), told.split_once('\n').unwrap().1).unwrap();
    };
    create(&["Root", "--id", "root", "--profile", "root", "--subject", "O=Example,CN=Root"], "root.pem");
    let below = ["Seals", "--id", "seals", "--profile", "seal-issuing-ca", "--parent", "root"];
    create(&[&below[..], &["--subject", "O=Example,CN=Seals"]].concat(), "seals.pem");
    place.done(&["ca", "seal-maker", "create", "seals", "--subject", "O=Example,CN=Maker"]);

    let [applicant, checker, approver] =
        [("chen", "applicant"), ("li", "checker"), ("wang", "approver")].map(|(name, role)| place.hired(name, role));
    let keeper = place.key("zhao");
    let keeper =
        place.done(&["seal-admin", "register-caller", &keeper, "--name", "zhao", "--role", "seal-administrator"]);
    let clerk = place.key("sun");
    let clerk = place.done(&["seal-admin", "register-caller", &clerk, "--name", "sun", "--role", "seal-user"]);
    let officers = place.done(&["seal-admin", "officer", "list", "--json"]);
    assert_eq!(officers.lines().count(), 3);
    let again = ["seal-admin", "officer", "appoint", "--role", "approver", "--division", "33", "--caller", &checker];
    assert_eq!(place.refused(&again), "seal-officer-exists");
    let codes = ["seal-admin", "codes", "assign", "330106", "--first", "1", "--last", "9"];
    assert_eq!(place.done(&codes), "330106  1  9  1  9");
    assert_eq!(place.refused(&codes), "code-range-overlap");

    let key = ["keys", "generate", "--purpose", "seal-signing", "--algorithm", "sm2", "--owner", "unit"];
    let key = place.done(&key).lines().next().unwrap().to_owned();
    fs::write(place.path("face.png"), development::picture("33010600000001").unwrap().png).unwrap();
    fs::write(place.path("order.pdf"), "a scan").unwrap();
    let wanted = [
        "--kind",
        "1",
        "--holder",
        "样章市试验局",
        "--credit-code",
        "99990000000000001F",
        "--holder-division",
        "330106",
        "--keeper",
        &keeper,
        "--picture",
        "face.png",
        "--signer-key",
        &key,
        "--authority",
        "seals",
        "--days",
        "365",
    ];
    let with = ["--division", "3301", "--document", "order.pdf", "--officer", &applicant];
    let apply = [&["seal-admin", "apply", "make"], &wanted[..], &with].concat();
    // By a key file, or elsewhere over what is written.
    let nonce = place.done(&[&apply[..], &["--to-sign", "apply.der"]].concat());
    place.openssl(&["dgst", "-sha256", "-sign", "chen.key", "-out", "apply.sig", "apply.der"]);
    let id = place.done(&[&apply[..], &["--nonce", &nonce, "--signature", "apply.sig"]].concat());
    let twice = [&apply[..], &["--nonce", &nonce, "--signature", "apply.sig"]].concat();
    assert_eq!(place.refused(&twice), "seal-application-exists");

    let step = |step: &str, officer: &str, key: &str| {
        ["seal-admin", step, &id, "--officer", officer, "--key", key].map(str::to_owned).to_vec()
    };
    assert_eq!(place.refused(&words(&step("check", &applicant, "chen.key"))), "officer-role");
    assert_eq!(place.refused(&words(&step("check", &checker, "chen.key"))), "step-signature");
    place.done(&words(&step("check", &checker, "li.key")));
    assert_eq!(place.refused(&["seal-admin", "fulfil", &id]), "request-state");
    place.done(&["seal-admin", "to-approve", &id, "--out", "approve.der"]);
    place.openssl(&["dgst", "-sha256", "-sign", "wang.key", "-out", "approve.sig", "approve.der"]);
    place.done(&["seal-admin", "approve", &id, "--officer", &approver, "--signature", "approve.sig"]);
    assert_eq!(place.object(&["seal-admin", "application", &id, "--json"])["state"], "approved");

    let made = place.done(&["seal-admin", "fulfil", &id]);
    let (seal, state) = made.split_once("  ").unwrap();
    assert_eq!(state, "made");
    assert_eq!(place.seals(NOTICE, seal, &clerk), Err("seal-not-delivered"));
    let deliver = ["seal-admin", "deliver", seal, "--officer", &keeper, "--key"];
    assert_eq!(place.refused(&[&deliver[..], &["li.key"]].concat()), "delivery-signature");
    assert_eq!(place.done(&[&deliver[..], &["zhao.key"]].concat()), format!("{seal}  active"));
    let facts = place.object(&["seal-admin", "show", seal, "--json", "--out", "seal.esl"]);
    assert_eq!((&facts["code"], &facts["application"]), (&Value::from("33010600000001"), &Value::from(&*id)));
    assert!(place.done(&["seal-admin", "list"]).contains("33010600000001  01  样章市试验局"));
    assert!(place.done(&["seal-admin", "applications", "--state", "fulfilled"]).starts_with(&*id));

    for authority in ["root", "seals"] {
        place.done(&["ca", "crl", authority, "--out", &format!("{authority}.crl")]);
    }
    // Nobody uses it whom its keeper has not authorised, and nobody gives it another keeper past the application.
    assert_eq!(place.seals(NOTICE, seal, &clerk), Err("use-not-authorised"));
    assert_eq!(place.refused(&["seal-admin", "keeper", seal, &checker]), "seal-approval-needed");
    let period = ["--from", "2025-01-01T00:00:00Z", "--until", "2027-12-31T00:00:00Z"];
    let authorise = ["seal-admin", "authorise", seal, "--user", &clerk, "--officer", &keeper, "--key", "zhao.key"];
    place.done(&[&authorise[..], &period].concat());
    fs::write(place.path("sealed.ofd"), place.seals(NOTICE, seal, &clerk).unwrap()).unwrap();
    let verify = ["verify", "sealed.ofd", "--offline", "--json", "--trust", "root.pem"];
    let evidence = ["--evidence", "seals.pem", "--evidence", "root.crl", "--evidence", "seals.crl"];
    let report = place.object(&[&verify[..], &evidence].concat());
    assert_eq!(report["indication"], "TOTAL_PASSED", "{report}");

    // One officer lets it rest; back it comes by two.
    let rests = ["seal-admin", "suspend-signed", seal, "--reason", "owner-request", "--officer", &checker, "--key"];
    assert_eq!(place.done(&[&rests[..], &["li.key"]].concat()), format!("{seal}  suspended"));
    assert_eq!(place.seals(NOTICE, seal, &clerk), Err("seal-suspended"));
    assert_eq!(place.refused(&["seal-admin", "resume", seal]), "seal-approval-needed");
    let apply = [&["seal-admin", "apply", "resume", seal], &with[..], &["--key", "chen.key"]].concat();
    let id = place.done(&apply);
    place.done(&["seal-admin", "check", &id, "--officer", &checker, "--key", "li.key"]);
    place.done(&["seal-admin", "approve", &id, "--officer", &approver, "--key", "wang.key"]);
    assert_eq!(place.done(&["seal-admin", "fulfil", &id]), format!("{seal}  active"));
    let apply = ["seal-admin", "apply", "revoke", seal, "--reason", "key-compromise"];
    let id = place.done(&[&apply[..], &with, &["--key", "chen.key"]].concat());
    let withdraw =
        ["seal-admin", "withdraw", &id, "--reason", "mistaken", "--officer", &applicant, "--key", "chen.key"];
    assert!(place.done(&withdraw).contains("withdrawn"));
    assert_eq!(place.refused(&["seal-admin", "archive", seal]), "invalid-transition");

    imported_elsewhere(&place);
    remade(&place, seal, &[&applicant, &approver]);
}

/// Another installation takes the seal in, by a table; once it is known the same table brings nothing.
fn imported_elsewhere(place: &Place) {
    let other = Place { folder: Folder::new("cli-seal-import") };
    let keeper = other.key("keeper");
    let keeper = other.done(&["seal-admin", "register-caller", &keeper, "--name", "k", "--role", "seal-administrator"]);
    for name in ["seal.esl", "root.pem", "seals.pem", "root.crl", "seals.crl"] {
        fs::copy(place.path(name), other.path(name)).unwrap();
    }
    let row = |file: &str| format!("{file},,,1,99990000000000001F,样章市试验局,330106,{keeper},");
    let table = format!(
        "seal,certificate,key,kind,credit_code,holder,division,keeper,filing\n{}\n{}\n",
        row("seal.esl"),
        row("absent.esl")
    );
    fs::write(other.path("seals.csv"), table).unwrap();
    let import = |results: &'static str| {
        let import =
            ["seal-admin", "import", ".", "--trust", "root.pem", "--evidence", "seals.pem", "--results", results];
        other.done(&[&import[..], &["--evidence", "root.crl", "--evidence", "seals.crl"]].concat())
    };
    let told = import("first.csv");
    assert!(told.ends_with("read 2 = imported 1 + conflict 0 + rejected 1"), "{told}");
    let results = fs::read_to_string(other.path("first.csv")).unwrap();
    let lines = results.lines().collect::<Vec<_>>();
    assert_eq!(lines[0], "record,outcome,code,seal_code,seal");
    assert!(lines[1].starts_with("1,imported,,33010600000001,"), "{results}");
    assert_eq!(lines[2], "2,rejected,import-file-unreadable,,");
    let listed = other.object(&["seal-admin", "list", "--json"]);
    assert_eq!((&listed["origin"], &listed["state"]), (&Value::from("import"), &Value::from("active")));
    let told = import("second.csv");
    assert!(told.ends_with("read 2 = imported 0 + conflict 1 + rejected 1"), "{told}");
    assert!(fs::read_to_string(other.path("second.csv")).unwrap().contains("1,conflict,seal-already-here,"));
    // What came of it has its place before anything is taken in.
    let again = other.run(&["seal-admin", "import", ".", "--trust", "root.pem", "--results", "second.csv"]);
    assert_ne!(again.status.code(), Some(0));
}

/// Three persons have the seals of a maker revoked and made anew by another one.
fn remade(place: &Place, seal: &str, [applicant, approver]: &[&String; 2]) {
    let second = place.hired("zhou", "approver");
    let keys = place.done(&["keys", "list"]);
    let maker = keys.lines().find(|line| line.contains("seal-making")).unwrap().split_whitespace().next().unwrap();
    let begin = ["seal-admin", "remake", "begin", "--division", "3301", "--maker", maker, "--authority", "seals"];
    let begin = [&begin[..], &["--days", "300", "--reason", "key-compromise", "--officer", applicant]].concat();
    let nonce = place.done(&[&begin[..], &["--to-sign", "remake.der"]].concat());
    place.openssl(&["dgst", "-sha256", "-sign", "chen.key", "-out", "remake.sig", "remake.der"]);
    let id = place.done(&[&begin[..], &["--nonce", &nonce, "--signature", "remake.sig"]].concat());
    let approve = |officer: &str, key: &str| {
        let step = ["seal-admin", "remake", "approve", &id, "--officer", officer, "--key", key];
        place.done(&step)
    };
    assert_eq!(approve(approver, "wang.key"), format!("{id}  1 approvals"));
    let run = ["seal-admin", "remake", "run", &id];
    assert_eq!(place.refused(&run), "request-state");
    assert_eq!(approve(&second, "zhou.key"), format!("{id}  2 approvals"));
    assert_eq!(place.refused(&run), "remake-maker-at-work");
    place.done(&["keys", "suspend", maker, "--reason", "suspected-misuse"]);
    assert_eq!(place.refused(&run), "no-seal-maker");
    assert!(place.done(&["seal-admin", "remake", "list"]).contains("making"));
    place.done(&["ca", "seal-maker", "create", "seals", "--subject", "O=Example,CN=Next"]);
    place.done(&run);
    let facts = place.object(&["seal-admin", "remake", "show", &id, "--json"]);
    let told = ["state", "revoked", "made", "refused"].map(|fact| facts[fact].to_string());
    assert_eq!(told, ["\"finished\"", "1", "1", "0"]);
    assert_eq!(place.object(&["seal-admin", "show", seal, "--json"])["state"], "revoked");
    assert_eq!(place.done(&["seal-admin", "remake", "documents", &id, "--out", "documents.csv"]), "1 documents");
    assert!(fs::read_to_string(place.path("documents.csv")).unwrap().contains("no-log-proof"));
    assert_eq!(place.refused(&["seal-admin", "remake", "cancel", &id]), "remake-state");
}
