//! Jobs that issue many certificates: each row has one answer, whoever works on them and whatever fails, on both databases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yinxin::base::clock::{Clock, FixedClock, Timestamp};
use yinxin::base::id::{AuthorityId, CallerId, JobId};
use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::job::JobState;
use yinxin::domain::caller::{Role, Roles};
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::issuance_jobs::{self, MOST_OPEN, NewJob, Pace};
use yinxin::service::{Error, Services, authorities, callers, inventory};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::issuance_job_rows::{RowOutcome, RowResult};
use yinxin::store::issuance_jobs::StoredJob;

use crate::service::authority::{issuance, no_number_stands_twice, request, root_and_below};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

/// Waits little, and gives up soon.
const PACE: Pace =
    Pace { at_once: 64, patience: Duration::from_millis(20), most_patience: Duration::from_millis(100), waits: 200 };

/// A line for an officer of that name.
pub(crate) fn line(name: &str, csr: &[u8], more: &str) -> String {
    format!("{{\"name\":\"{name}\",\"csr\":\"{}\"{more}}}\n", STANDARD.encode(csr))
}

/// So many lines with one and the same request, which is good.
fn lines(count: usize) -> String {
    let csr = request(1);
    (1..=count).map(|number| line(&number.to_string(), &csr, "")).collect()
}

pub(crate) fn new_job(file: &str) -> NewJob {
    let (authority, profile) = (AuthorityId::parse("below").unwrap(), "officer".to_owned());
    NewJob { authority, profile, file: file.as_bytes().to_vec() }
}

pub(crate) async fn submit(services: &Services, file: &str) -> StoredJob {
    issuance_jobs::submit(services, &built_in().unwrap(), BY, &new_job(file)).await.unwrap()
}

pub(crate) async fn run(services: &Services, id: &JobId, pace: Pace) -> Result<StoredJob, Error> {
    issuance_jobs::run(services, &issuance(services), id, pace, &|_| {}).await
}

/// Every row, page by page.
pub(crate) async fn outcomes(services: &Services, id: &JobId) -> Vec<RowOutcome> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = issuance_jobs::results(services, id, after, 37).await.unwrap();
        all.extend(page.rows);
        match page.next {
            Some(next) => after = next,
            None => return all,
        }
    }
}

/// SM3 of the certificates of a job's rows; each row has one, and none stands for two.
pub(crate) fn certificates(rows: &[RowOutcome]) -> BTreeSet<[u8; 32]> {
    let mut all = BTreeSet::new();
    for row in rows {
        if let Some((RowResult::Issued(sm3), _)) = &row.result {
            assert!(all.insert(*sm3), "one certificate for two rows");
        }
    }
    all
}

fn codes(rows: &[RowOutcome]) -> Vec<&str> {
    let code = |row: &RowOutcome| match &row.result {
        Some((RowResult::Refused { code, .. }, _)) => code.clone().leak(),
        Some((RowResult::Issued(_), _)) => "issued",
        None => "waiting",
    };
    rows.iter().map(code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("jobs");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("jobs on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("jobs-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    what_cannot_be_submitted_leaves_nothing(&services, &place).await;
    every_row_has_its_own_answer(&services).await;
    a_job_is_paused_resumed_and_cancelled(&services).await;
    two_processes_never_share_a_job(&services, &place).await;
    what_passes_is_waited_for(&services, &place).await;
    what_somebody_must_mend_pauses_and_refuses_nobody(&services, &below).await;
    a_barred_caller_gets_nothing(&services, &place).await;
    changed_rows_order_nothing(&services, &place).await;
    what_has_ended_is_forgotten(&services, &place).await;
    // An intent that could not be closed while the database failed is closed by the next start.
    services.store.close().await;
    no_number_stands_twice(&place.open().await, &place).await;
}

async fn what_cannot_be_submitted_leaves_nothing(services: &Services, place: &Place) {
    let before = events(services).await.len();
    let (good, profiles) = (new_job(&lines(2)), built_in().unwrap());
    let file = |text: &str| NewJob { file: text.as_bytes().to_vec(), ..good.clone() };
    let cases = [
        (file(""), "job-file-empty"),
        (file(&format!("{}{{\"name\":\"x\"}}", lines(1))), "job-row-json"),
        (NewJob { profile: "unheard-of".into(), ..good.clone() }, "profile-unknown"),
        (NewJob { profile: "intermediate".into(), ..good.clone() }, "authority-profile"),
        (NewJob { authority: AuthorityId::parse("nobody").unwrap(), ..good.clone() }, "unknown-authority"),
    ];
    for (new, code) in cases {
        let refused = issuance_jobs::submit(services, &profiles, BY, &new).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    let stranger = issuance_jobs::submit(services, &profiles, &Actor::Anonymous, &good).await.unwrap_err();
    assert_eq!(stranger.code(), "caller-needed");
    let nobody = JobId::parse("nobody").unwrap();
    assert_eq!(run(services, &nobody, PACE).await.unwrap_err().code(), "unknown-job");
    assert_eq!(issuance_jobs::results(services, &nobody, 0, 1).await.unwrap_err().code(), "unknown-job");
    for table in ["issuance_jobs", "issuance_job_rows"] {
        assert_eq!(place.count(table).await, 0);
    }
    assert_eq!(events(services).await.len(), before);
}

async fn every_row_has_its_own_answer(services: &Services) {
    let before = events(services).await.len();
    let mut broken = request(0);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let subject = |name: &str| {
        let (unit, number) = ("\"organizationalUnitName\":\"制证科\"", "\"serialNumber\":\"7\"");
        format!(",\"subject\":{{\"organizationName\":\"示例局\",{unit},{number},\"commonName\":\"{name}\"}}")
    };
    let mut file = (0..90).map(|number| line(&format!("r{number}"), &request(number), "")).collect::<String>();
    file.push_str(&line("broken", &broken, ""));
    file.push_str(&line("garbage", &[0x30, 0], ""));
    file.push_str(&line("named", &request(7), &subject("另一人")));
    file.push_str(&line("incomplete", &request(7), ",\"subject\":{\"commonName\":\"甲\"}"));
    file.push_str(&line("ended", &request(7), ",\"not_after\":\"2000-01-01T00:00:00Z\""));
    file.push_str(&line("short", &request(7), ",\"not_after\":\"2027-06-01T00:00:00Z\""));
    file.push_str(&line("bound", &request(7), &format!(",\"transaction\":\"{}\"", "ab".repeat(32))));
    let submitted = submit(services, &file).await;
    assert_eq!((submitted.job.state.name(), submitted.job.rows), ("waiting", 97));
    assert_eq!(submitted.rows_sm3, sm3(file.as_bytes()));
    let waiting = outcomes(services, &submitted.id).await;
    assert!(waiting.iter().all(|row| row.result.is_none()) && waiting.len() == 97);

    let finished = run(services, &submitted.id, PACE).await.unwrap();
    let counts = (finished.job.state.name(), finished.job.issued, finished.job.refused);
    assert_eq!(counts, ("finished", 92, 5));
    let rows = outcomes(services, &submitted.id).await;
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), (1..=97).collect::<Vec<_>>());
    let mut expected = vec!["issued"; 90];
    expected.extend(["csr-signature", "csr-malformed", "issued", "attribute-missing", "validity-empty", "issued"]);
    expected.push("transaction");
    assert_eq!(codes(&rows), expected);
    assert_eq!(certificates(&rows).len(), 92);
    let certificate = async |row: &RowOutcome| {
        let Some((RowResult::Issued(sm3), _)) = &row.result else { panic!("{row:?}") };
        inventory::find(services, sm3).await.unwrap()
    };
    for row in rows.iter().take(90) {
        let number = row.name.trim_start_matches('r');
        assert!(certificate(row).await.subject.contains(&format!("经办人{number}")), "a row has another's certificate");
    }
    assert!(certificate(&rows[92]).await.subject.contains("另一人"));
    assert_eq!(certificate(&rows[95]).await.not_after, Timestamp::parse_rfc3339("2027-06-01T00:00:00Z").unwrap());
    let Some((RowResult::Refused { reason, .. }, at)) = &rows[90].result else { panic!("{:?}", rows[90]) };
    assert_eq!((reason.as_str(), *at), ("the signature of the request is not by its key (RFC 2986 4.2)", NOW));

    let told = events(services).await.split_off(before);
    let (job, authority) = (submitted.id.clone(), submitted.authority.clone());
    let started = EventBody::JobStarted { job: job.clone(), authority, rows_sm3: submitted.rows_sm3, rows: 97 };
    assert_eq!(told.first().unwrap().body, started);
    assert_eq!(told.last().unwrap().body, EventBody::JobFinished { job, issued: 92, refused: 5 });
    let issued = told.iter().filter(|event| matches!(event.body, EventBody::CertificateIssued { .. })).count();
    assert_eq!(issued, 92);
    let refused = run(services, &submitted.id, PACE).await.unwrap_err();
    assert_eq!((refused.code(), refused.to_string().as_str()), ("job-state", "a job that is finished cannot be run"));
}

async fn a_job_is_paused_resumed_and_cancelled(services: &Services) {
    let submitted = submit(services, &lines(600)).await;
    let id = &submitted.id;
    assert_eq!(issuance_jobs::pause(services, BY, id).await.unwrap_err().code(), "job-state");
    let working = {
        let (services, id) = (services.clone(), id.clone());
        tokio::spawn(async move { run(&services, &id, PACE).await.unwrap() })
    };
    while issuance_jobs::find(services, id).await.unwrap().job.issued == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let paused = issuance_jobs::pause(services, BY, id).await.unwrap();
    assert_eq!(paused.job.state, JobState::Paused { reason: "asked".into() });
    // Whoever worked on it leaves, and keeps nothing more.
    let left = working.await.unwrap();
    assert_eq!(left.job, paused.job);
    assert!((1..600).contains(&left.job.issued), "{left:?}");
    let kept = certificates(&outcomes(services, id).await);
    assert_eq!(kept.len(), usize::try_from(left.job.issued).unwrap());
    let resumed = issuance_jobs::resume(services, BY, id).await.unwrap();
    assert_eq!(resumed.job.state, JobState::Running { until: NOW });
    assert_eq!(issuance_jobs::resume(services, BY, id).await.unwrap_err().code(), "job-state");
    let finished = run(services, id, PACE).await.unwrap();
    assert_eq!((finished.job.state.name(), finished.job.issued), ("finished", 600));
    let all = certificates(&outcomes(services, id).await);
    assert!(all.len() == 600 && kept.is_subset(&all));

    let other = submit(services, &lines(3)).await.id;
    let cancelled = issuance_jobs::cancel(services, BY, &other).await.unwrap();
    assert_eq!(cancelled.job.state, JobState::Cancelled);
    assert_eq!(run(services, &other, PACE).await.unwrap_err().code(), "job-state");
    assert_eq!(codes(&outcomes(services, &other).await), ["waiting"; 3]);
    let told = events(services).await.into_iter().map(|event| event.body);
    let told = told.filter(|body| {
        matches!(body, EventBody::JobPaused { .. } | EventBody::JobResumed { .. } | EventBody::JobCancelled { .. })
    });
    let job = id.clone();
    let expected = [
        EventBody::JobPaused { job: job.clone(), reason: "asked".into() },
        EventBody::JobResumed { job },
        EventBody::JobCancelled { job: other, issued: 0, refused: 0 },
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

/// A clock that a test moves.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

async fn two_processes_never_share_a_job(services: &Services, place: &Place) {
    let id = &submit(services, &lines(500)).await.id;
    let start = |services: &Services| {
        let (services, id) = (services.clone(), id.clone());
        tokio::spawn(async move { run(&services, &id, PACE).await })
    };
    // The first one waits for randomness, and holds the job meanwhile.
    let random = Arc::new(Failing(AtomicBool::new(true)));
    let first = start(&Services { random: random.clone(), ..services.clone() });
    while issuance_jobs::find(services, id).await.unwrap().job.state.name() != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Another process, as far as rows can tell.
    let (url, key) =
        (&place.url, yinxin::service::keys::KeySource::File { path: place.folder.path().join("key"), create: false });
    let settings = yinxin::service::KeySettings::from_source(key);
    let clock = Arc::new(Moved(AtomicI64::new(NOW.unix())));
    let (other, _) = Services::attach(url, &settings, clock.clone(), Arc::new(SystemRandom)).await.unwrap();
    let refused = start(&other).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), "job-at-work");
    // Its clock says that the lease is over. The first one's clock does not; it keeps nothing more all the same.
    clock.0.store(NOW.unix() + 31, Ordering::SeqCst);
    random.0.store(false, Ordering::SeqCst);
    let (second, first) = (start(&other).await.unwrap().unwrap(), first.await.unwrap().unwrap());
    assert_eq!((second.job.state.name(), second.job.issued), ("finished", 500));
    assert!(first.job.lease >= 2, "{first:?}");
    assert_eq!(certificates(&outcomes(services, id).await).len(), 500);
    other.store.close().await;
}

/// A generator that fails while it is told to.
struct Failing(AtomicBool);

impl Random for Failing {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        if self.0.load(Ordering::SeqCst) { Err(RandomUnavailable) } else { SystemRandom.fill(buffer) }
    }
}

async fn what_passes_is_waited_for(services: &Services, place: &Place) {
    let id = &submit(services, &lines(40)).await.id;
    let random = Arc::new(Failing(AtomicBool::new(true)));
    let weak = Services { random: random.clone(), ..services.clone() };
    // Nothing comes back: the job rests, and no row is refused.
    let paused = run(&weak, id, Pace { waits: 2, ..PACE }).await.unwrap();
    assert_eq!(paused.job.state, JobState::Paused { reason: "random-unavailable".into() });
    assert_eq!((paused.job.issued, paused.job.refused), (0, 0));
    let working = {
        let (weak, id) = (weak.clone(), id.clone());
        tokio::spawn(async move { run(&weak, &id, PACE).await.unwrap() })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    random.0.store(false, Ordering::SeqCst);
    let finished = working.await.unwrap();
    assert_eq!((finished.job.state.name(), finished.job.issued, finished.job.refused), ("finished", 40, 0));

    // The database fails where results are kept.
    let id = &submit(services, &lines(200)).await.id;
    place.script("ALTER TABLE issuance_job_results RENAME TO away").await;
    let working = {
        let (services, id) = (services.clone(), id.clone());
        tokio::spawn(async move { run(&services, &id, PACE).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    place.script("ALTER TABLE away RENAME TO issuance_job_results").await;
    let finished = match working.await.unwrap() {
        // Not even begun: its counts could not be read.
        Err(refused) => {
            assert_eq!(refused.code(), "database");
            run(services, id, PACE).await.unwrap()
        }
        Ok(finished) => finished,
    };
    assert_eq!((finished.job.state.name(), finished.job.issued, finished.job.refused), ("finished", 200, 0));
    let id = &submit(services, &lines(200)).await.id;
    let working = {
        let (services, id) = (services.clone(), id.clone());
        tokio::spawn(async move { run(&services, &id, PACE).await })
    };
    while issuance_jobs::find(services, id).await.unwrap().job.issued == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    place.script("ALTER TABLE issuance_batches RENAME TO away").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    place.script("ALTER TABLE away RENAME TO issuance_batches").await;
    let finished = working.await.unwrap().unwrap();
    assert_eq!((finished.job.state.name(), finished.job.issued, finished.job.refused), ("finished", 200, 0));
    assert_eq!(certificates(&outcomes(services, id).await).len(), 200);
}

async fn what_somebody_must_mend_pauses_and_refuses_nobody(services: &Services, below: &StoredAuthority) {
    let id = &submit(services, &lines(20)).await.id;
    change(services, (BY, None), &below.certificate, Change::Suspend).await.unwrap();
    let paused = run(services, id, PACE).await.unwrap();
    assert_eq!(paused.job.state, JobState::Paused { reason: "authority-not-active".into() });
    assert_eq!(codes(&outcomes(services, id).await), ["waiting"; 20]);
    change(services, (BY, None), &below.certificate, Change::Resume).await.unwrap();
    // To run it is to resume it.
    let finished = run(services, id, PACE).await.unwrap();
    assert_eq!((finished.job.state.name(), finished.job.issued), ("finished", 20));
    let profiles = Arc::new(yinxin::domain::ca::Profiles::new(Vec::new()));
    let id = &submit(services, &lines(2)).await.id;
    let engine = yinxin::service::issuance::Issuance::start(services.clone(), profiles);
    let paused = issuance_jobs::run(services, &engine, id, PACE, &|_| {}).await.unwrap();
    assert_eq!(paused.job.state, JobState::Paused { reason: "profile-unknown".into() });
    issuance_jobs::cancel(services, BY, id).await.unwrap();
    assert!(authorities::list(services).await.unwrap().len() == 2);
}

async fn a_barred_caller_gets_nothing(services: &Services, place: &Place) {
    let registration = callers::Registration {
        name: "批量系统".to_owned(),
        key_fingerprint: [9; 32],
        public_key: vec![9; 8],
        algorithm: yinxin::domain::key::KeyAlgorithm::EcdsaP256,
        roles: Roles::new([Role::CertificateOfficer]).unwrap(),
    };
    let id: CallerId = callers::register_caller(services, BY, None, registration).await.unwrap().id;
    let by = Actor::Caller { id: id.clone(), roles: Roles::new([Role::CertificateOfficer]).unwrap() };
    let profiles = built_in().unwrap();
    let one = issuance_jobs::submit(services, &profiles, &by, &new_job(&lines(1))).await.unwrap();
    let two = issuance_jobs::submit(services, &profiles, &by, &new_job(&lines(1))).await.unwrap();
    run(services, &one.id, PACE).await.unwrap();
    let issued = events(services)
        .await
        .into_iter()
        .rev()
        .find(|event| matches!(event.body, EventBody::CertificateIssued { .. }));
    assert_eq!(issued.unwrap().actor, by, "certificates are issued for whoever submitted the job");
    // To be gone on with by whoever comes first.
    let weak = Services { random: Arc::new(Failing(AtomicBool::new(true))), ..services.clone() };
    run(&weak, &two.id, Pace { waits: 0, ..PACE }).await.unwrap();
    issuance_jobs::resume(services, BY, &two.id).await.unwrap();
    callers::bar_caller(services, BY, None, &id).await.unwrap();
    assert_eq!(run(services, &two.id, PACE).await.unwrap_err().code(), "caller-barred");
    let service = tokio::spawn(issuance_jobs::keep_running(services.clone(), issuance(services)));
    let barred = JobState::Paused { reason: "caller-barred".into() };
    while issuance_jobs::find(services, &two.id).await.unwrap().job.state != barred {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    service.abort();
    issuance_jobs::cancel(services, BY, &two.id).await.unwrap();
    assert_eq!(place.count("issuance_job_results WHERE certificate IS NULL").await, 5);
}

async fn changed_rows_order_nothing(services: &Services, place: &Place) {
    let inconsistent = async |id: &JobId| run(services, id, PACE).await.unwrap_err().code();
    // Another request in a row's place.
    let id = &submit(services, &lines(3)).await.id;
    let other = submit(services, &line("x", &request(2), "")).await.id;
    let taken = format!(
        "UPDATE issuance_job_rows SET content = (SELECT content FROM issuance_job_rows WHERE job = '{other}') \
         WHERE job = '{id}' AND number = 2"
    );
    assert_eq!(place.by_hand(&taken).await, 1);
    let paused = run(services, id, PACE).await.unwrap();
    assert_eq!(paused.job.state, JobState::Paused { reason: "inconsistent".into() });
    assert_eq!(paused.job.issued, 0);
    // A row that was added or taken away.
    place.by_hand(&format!("DELETE FROM issuance_job_rows WHERE job = '{id}' AND number = 2")).await;
    let paused = run(services, id, PACE).await.unwrap();
    assert_eq!((paused.job.state.name(), paused.job.issued), ("paused", 2));
    // A result that was taken away would have its row issued once more.
    place.by_hand(&format!("DELETE FROM issuance_job_results WHERE job = '{id}' AND number = 1")).await;
    assert_eq!(inconsistent(id).await, "inconsistent");
    issuance_jobs::cancel(services, BY, id).await.unwrap();
    // A job for another authority, or one that has ended and is to begin once more.
    let change = format!("UPDATE issuance_jobs SET authority = 'root' WHERE id = '{other}'");
    assert_eq!(place.by_hand(&change).await, 1);
    assert_eq!(inconsistent(&other).await, "inconsistent");
    place.by_hand(&format!("UPDATE issuance_jobs SET authority = 'below' WHERE id = '{other}'")).await;
    run(services, &other, PACE).await.unwrap();
    let again = format!("UPDATE issuance_jobs SET state = 'waiting', issued = 0 WHERE id = '{other}'");
    assert_eq!(place.by_hand(&again).await, 1);
    assert_eq!(inconsistent(&other).await, "inconsistent");
    place.by_hand(&format!("UPDATE issuance_jobs SET state = 'finished', issued = 1 WHERE id = '{other}'")).await;
    assert_eq!(issuance_jobs::find(services, &other).await.unwrap().job.state, JobState::Finished);
}

async fn what_has_ended_is_forgotten(services: &Services, place: &Place) {
    let certificates = place.count("issued_certificates").await;
    let before = events(services).await.len();
    let profiles = built_in().unwrap();
    let open = submit(services, &lines(1)).await.id;
    let jobs = issuance_jobs::list(services).await.unwrap();
    assert!(jobs.iter().any(|stored| stored.id == open) && jobs.is_sorted_by_key(|stored| &stored.id));
    let ended = jobs.len() - 1;
    let mut many = vec![open];
    while i64::try_from(many.len()).unwrap() < MOST_OPEN {
        many.push(submit(services, &lines(1)).await.id);
    }
    let refused = issuance_jobs::submit(services, &profiles, BY, &new_job(&lines(1))).await.unwrap_err();
    assert_eq!(refused.code(), "too-many-jobs");
    for id in many.drain(1..) {
        issuance_jobs::cancel(services, BY, &id).await.unwrap();
    }
    let later = |days| Services { clock: Arc::new(FixedClock(NOW.plus_days(days))), ..services.clone() };
    assert_eq!(issuance_jobs::forget(&later(30), 30).await.unwrap(), 0);
    let forgotten = issuance_jobs::forget(&later(31), 30).await.unwrap();
    assert_eq!(usize::try_from(forgotten).unwrap(), ended + usize::try_from(MOST_OPEN).unwrap() - 1);
    assert_eq!((place.count("issuance_jobs").await, place.count("issuance_job_rows").await), (1, 1));
    assert_eq!(place.count("issuance_job_results").await, 0);
    assert_eq!(place.count("issued_certificates").await, certificates);
    assert!(events(services).await.len() > before, "the log keeps what jobs were");
}
