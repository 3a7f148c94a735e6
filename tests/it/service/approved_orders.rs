//! Jobs and pairs under profiles that want approvals: who lets them begin, and what keeps them from it, on both databases.

use std::sync::Arc;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::JobId;
use yinxin::config::profiles::built_in;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::Profiles;
use yinxin::domain::ca::job::JobState;
use yinxin::domain::ca::job_approval::JobStep;
use yinxin::domain::ca::request::{OfficerRole, Submitted};
use yinxin::format::x509::Certificate;
use yinxin::service::escrow::{self, NewPair};
use yinxin::service::issuance::Issuance;
use yinxin::service::issuance_jobs::{self, Pace, approval};
use yinxin::service::registration::{self, NewRequest};
use yinxin::service::{Error, Services, officers};
use yinxin::store::issuance_jobs::StoredJob;

use crate::service::authority::{request, root_and_below};
use crate::service::installation::{NOW, Place, events};
use crate::service::jobs::{certificates, line, new_job, outcomes};
use crate::service::registration::{Office, Person, hired};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("approved-orders");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("approved orders on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("approved-orders-postgres") }).await;
}

/// The checks share one database.
async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    let wanted = ["officer", "person-signing"];
    let built_in = built_in().unwrap();
    let profiles = built_in.iter().map(|profile| match wanted.contains(&profile.name()) {
        true => profile.wanting_approval(),
        false => profile.clone(),
    });
    let profiles = Arc::new(Profiles::new(profiles));
    let engine = Issuance::start(services.clone(), Arc::clone(&profiles));
    let office = Office { issuance: engine, profiles, ..Office::open(services, below).await };
    a_job_waits_for_its_officers(&office).await;
    who_is_dismissed_stops_a_job(&office).await;
    a_job_cannot_be_exchanged(&office, &place).await;
    a_pair_is_issued_for_an_approved_request(&office, &place).await;
    one_is_not_the_other(&office).await;
}

async fn submitted(office: &Office, rows: usize) -> StoredJob {
    let file = (1..=rows).map(|number| line(&number.to_string(), &request(number), "")).collect::<String>();
    issuance_jobs::submit(&office.services, &office.profiles, BY, &new_job(&file)).await.unwrap()
}

async fn run(office: &Office, id: &JobId) -> Result<StoredJob, Error> {
    issuance_jobs::run(&office.services, &office.issuance, id, Pace { waits: 0, ..Pace::default() }, &|_| {}).await
}

async fn step(office: &Office, id: &JobId, step: JobStep, by: &Person) -> Result<usize, &'static str> {
    let signature = by.sign(&approval::to_sign(&office.services, id, step).await.unwrap());
    let taken = approval::take(&office.services, &office.profiles, (id, step), by.by(&signature)).await;
    taken.map(|(_, consent)| consent.approvals.len()).map_err(|error| error.code())
}

async fn refused_to_run(office: &Office, id: &JobId) -> &'static str {
    run(office, id).await.unwrap_err().code()
}

async fn a_job_waits_for_its_officers(office: &Office) {
    let id = submitted(office, 3).await.id;
    let id = &id;
    assert_eq!(refused_to_run(office, id).await, "approval-needed");
    assert_eq!(step(office, id, JobStep::Approve, &office.approver).await, Err("request-state"));
    assert_eq!(step(office, id, JobStep::Check, &office.approver).await, Err("officer-role"));
    let before = events(&office.services).await.len();
    assert_eq!(step(office, id, JobStep::Check, &office.checker).await, Ok(0));
    assert_eq!(refused_to_run(office, id).await, "approval-needed");
    assert_eq!(step(office, id, JobStep::Approve, &office.checker).await, Err("officer-role"));
    // Signed by another, or for another step.
    let octets = approval::to_sign(&office.services, id, JobStep::Approve).await.unwrap();
    let check = approval::to_sign(&office.services, id, JobStep::Check).await.unwrap();
    for wrong in [office.second.sign(&octets), office.approver.sign(&check), Vec::new()] {
        let by = office.approver.by(&wrong);
        let taken = approval::take(&office.services, &office.profiles, (id, JobStep::Approve), by).await;
        assert_eq!(taken.unwrap_err().code(), "approval-signature");
    }
    assert_eq!(issuance_jobs::find(&office.services, id).await.unwrap().job.state, JobState::Waiting);
    assert_eq!(step(office, id, JobStep::Approve, &office.approver).await, Ok(1));
    assert_eq!(step(office, id, JobStep::Approve, &office.second).await, Err("request-state"));
    let made = events(&office.services).await.split_off(before);
    let told = made.iter().map(|event| (event.class().name(), &event.actor));
    let told = told.map(|(name, actor)| match actor {
        Actor::Caller { id, .. } => (name, id.clone()),
        other => panic!("{other:?}"),
    });
    let expected = [("job-checked", office.checker.id.clone()), ("job-approved", office.approver.id.clone())];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let done = run(office, id).await.unwrap();
    assert_eq!((done.job.state, done.job.issued), (JobState::Finished, 3));
    assert_eq!(certificates(&outcomes(&office.services, id).await).len(), 3);
    assert_eq!(step(office, id, JobStep::Approve, &office.second).await, Err("job-state"));
    // A caller who submits a job is no judge of it.
    let by = Actor::Caller { id: office.checker.id.clone(), roles: roles() };
    let own = new_job(&line("1", &request(1), ""));
    let own = issuance_jobs::submit(&office.services, &office.profiles, &by, &own).await.unwrap().id;
    assert_eq!(step(office, &own, JobStep::Check, &office.checker).await, Err("approver-is-applicant"));
    issuance_jobs::cancel(&office.services, BY, &own).await.unwrap();
    assert_eq!(step(office, &own, JobStep::Check, &office.checker).await, Err("job-state"));
}

fn roles() -> yinxin::domain::caller::Roles {
    yinxin::domain::caller::Roles::new([yinxin::domain::caller::Role::CertificateOfficer]).unwrap()
}

async fn agreed(office: &Office, rows: usize, by: (&Person, &Person)) -> JobId {
    let id = submitted(office, rows).await.id;
    assert_eq!(step(office, &id, JobStep::Check, by.0).await, Ok(0));
    assert_eq!(step(office, &id, JobStep::Approve, by.1).await, Ok(1));
    id
}

async fn who_is_dismissed_stops_a_job(office: &Office) {
    let services = &office.services;
    let gone = hired(services, OfficerRole::Approver).await;
    let id = agreed(office, 1, (&office.checker, &gone)).await;
    officers::dismiss(services, (BY, None), &gone.id).await.unwrap();
    assert_eq!(refused_to_run(office, &id).await, "approver-gone");
    officers::appoint(services, (BY, None), &gone.id, OfficerRole::Checker).await.unwrap();
    assert_eq!(refused_to_run(office, &id).await, "officer-role");
    officers::dismiss(services, (BY, None), &gone.id).await.unwrap();
    officers::appoint(services, (BY, None), &gone.id, OfficerRole::Approver).await.unwrap();
    assert_eq!(run(office, &id).await.unwrap().job.issued, 1);

    // Dismissed while the job is worked on: what is kept is asked again.
    let id = agreed(office, 400, (&office.checker, &gone)).await;
    let dismissing = async {
        while issuance_jobs::find(services, &id).await.unwrap().job.issued == 0 {
            tokio::task::yield_now().await;
        }
        officers::dismiss(services, (BY, None), &gone.id).await.unwrap();
    };
    let pace = Pace { at_once: 8, waits: 0, ..Pace::default() };
    let (done, ()) = tokio::join!(issuance_jobs::run(services, &office.issuance, &id, pace, &|_| {}), dismissing);
    let job = done.unwrap().job;
    assert_eq!(job.state, JobState::Paused { reason: "approver-gone".into() });
    assert!((1..400).contains(&job.issued) && job.refused == 0, "{job:?}");
    let dismissed = events(services).await;
    let at = dismissed.iter().rposition(|event| matches!(event.body, EventBody::OfficerDismissed { .. })).unwrap();
    let later = dismissed.iter().skip(at).filter(|event| matches!(event.body, EventBody::CertificateIssued { .. }));
    assert_eq!(later.count(), 0, "nothing is issued once an approver is dismissed");
    issuance_jobs::cancel(services, BY, &id).await.unwrap();
}

async fn a_job_cannot_be_exchanged(office: &Office, place: &Place) {
    let (good, bad) = (agreed(office, 1, (&office.checker, &office.approver)).await, submitted(office, 2).await.id);
    // The rows of one job's officers under the name of another.
    let moved = format!("UPDATE issuance_job_approvals SET job = '{bad}' WHERE job = '{good}'");
    assert_eq!(place.by_hand(&moved).await, 2);
    assert_eq!(refused_to_run(office, &bad).await, "inconsistent");
    assert_eq!(refused_to_run(office, &good).await, "approval-needed");
    let back = format!("UPDATE issuance_job_approvals SET job = '{good}' WHERE job = '{bad}'");
    assert_eq!(place.by_hand(&back).await, 2);
    let change = format!("UPDATE issuance_job_approvals SET at = at + 1 WHERE job = '{good}' AND number = 0");
    assert_eq!(place.by_hand(&change).await, 1);
    assert_eq!(refused_to_run(office, &good).await, "inconsistent");
    for id in [&good, &bad] {
        issuance_jobs::cancel(&office.services, BY, id).await.unwrap();
    }
    // What officers signed goes with the jobs; the log keeps what happened.
    assert!(place.count("issuance_job_approvals").await > 0);
    let later = Services { clock: Arc::new(FixedClock(NOW.plus_days(2))), ..office.services.clone() };
    issuance_jobs::forget(&later, 1).await.unwrap();
    assert_eq!(place.count("issuance_job_approvals").await, 0);
}

fn pair(office: &Office, number: usize) -> NewRequest {
    let encryption_profile = Some("person-encryption".to_owned());
    NewRequest { profile: "person-signing".into(), encryption_profile, csr: person(number), ..office.asks(number) }
}

/// A request of PKCS#10 for a person.
fn person(number: usize) -> Vec<u8> {
    crate::service::escrow::request(&crate::service::escrow::sm2_key(), &format!("人{number}"), None)
}

async fn a_pair_is_issued_for_an_approved_request(office: &Office, place: &Place) {
    let services = &office.services;
    let alone = NewPair {
        authority: office.below.id.clone(),
        signing_profile: "person-signing".to_owned(),
        encryption_profile: "person-encryption".to_owned(),
        csr: person(1),
        subject: None,
        not_before: None,
        not_after: None,
        actor: Actor::Operator,
        request: None,
    };
    let refused = escrow::issue_pair(services, &office.profiles, &alone).await.unwrap_err();
    assert_eq!(refused.code(), "approval-needed");
    // What can be no pair is refused before anybody signs.
    for (profile, encryption, code) in [
        ("person-signing", "person-signing", "pair-usage"),
        ("person-encryption", "person-encryption", "pair-usage"),
        ("person-signing", "intermediate", "authority-profile"),
        ("person-signing", "unheard-of", "profile-unknown"),
    ] {
        let wrong =
            NewRequest { profile: profile.into(), encryption_profile: Some(encryption.into()), ..pair(office, 1) };
        assert_eq!(office.submit(&wrong).await.unwrap_err().code(), code, "{profile} {encryption}");
    }
    let id = &office.submit(&pair(office, 2)).await.unwrap().id;
    let issue = async || escrow::issue_approved_pair(services, &office.profiles, (BY, None), id).await;
    assert_eq!(issue().await.unwrap_err().code(), "request-state");
    office.check(id).await.unwrap();
    office.approve(id, &office.approver).await.unwrap();
    let keys = place.count("keys").await;
    officers::dismiss(services, (BY, None), &office.approver.id).await.unwrap();
    assert_eq!(issue().await.unwrap_err().code(), "approver-gone");
    assert_eq!(place.count("keys").await, keys);
    officers::appoint(services, (BY, None), &office.approver.id, OfficerRole::Approver).await.unwrap();
    let before = events(services).await.len();
    let issued = issue().await.unwrap();
    let made = events(services).await.split_off(before);
    let told = made.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    let expected = [
        "issuance-intended",
        "key-created",
        "certificate-issued",
        "certificate-issued",
        "key-escrowed",
        "application-fulfilled",
    ];
    assert_eq!(told, expected);
    let [signs, encrypts] = [&issued.signing.der, &issued.encryption.der].map(|der| Certificate::parse(der).unwrap());
    assert_eq!(signs.subject.display(), encrypts.subject.display());
    assert!(signs.subject.display().contains("人2"));
    let stored = registration::find(services, id).await.unwrap().request;
    assert_eq!(stored.state_name(), "issued");
    assert_eq!(issue().await.unwrap_err().code(), "request-state");
    assert_eq!(escrow::pair_of(services, &issued.signing.sm3).await.unwrap(), issued);
}

/// An approval of a pair is none of a single certificate, nor the reverse; nor of another encryption profile.
async fn one_is_not_the_other(office: &Office) {
    let services = &office.services;
    let for_pair = office.submit(&pair(office, 3)).await.unwrap();
    let for_one = NewRequest { encryption_profile: None, ..pair(office, 4) };
    let for_one = office.submit(&for_one).await.unwrap();
    for stored in [&for_pair, &for_one] {
        office.check(&stored.id).await.unwrap();
        office.approve(&stored.id, &office.approver).await.unwrap();
    }
    let refused = office.issue(&for_pair.id).await.unwrap_err();
    assert_eq!(refused.code(), "not-as-approved");
    let refused = escrow::issue_approved_pair(services, &office.profiles, (BY, None), &for_one.id).await.unwrap_err();
    assert_eq!(refused.to_string(), "the certificate's encryptionProfile would not be what was approved");
    let mut other = for_pair.request.submission.clone();
    other.encryption_profile = Some("person-encryption-long".into());
    assert_ne!(other.to_approve(), for_pair.request.submission.to_approve());
    other.encryption_profile = None;
    assert_ne!(other.to_approve(), for_pair.request.submission.to_approve());
    office.issue(&for_one.id).await.unwrap();
}
