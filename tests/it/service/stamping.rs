//! Time stamps over a real database: what is recorded before a token leaves, and what leaves when it cannot be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yinxin::base::clock::{Moments, PairedClocks};
use yinxin::base::id::AuthorityId;
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SHA256, OID_SM3};
use yinxin::crypto::digest::{digest, sm3};
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::Profiles;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::state::RevocationReason;
use yinxin::domain::key::{KeyAlgorithm, KeySuspensionReason};
use yinxin::domain::stamp::rules::DEVELOPMENT_POLICY;
use yinxin::domain::stamp::{Expected, Precision, Rules, SourceReading, verify_token};
use yinxin::format::tsp::{FailureInfo, NewTimeStampReq, TimeStampReq, TimeStampResp, TimeStampToken};
use yinxin::format::x509::Certificate;
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::development::{self, DevelopmentPki, ORGANISATION};
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::life_cycle::{resume, suspend};
use yinxin::service::outside::ntp::{Asking, TimeSource};
use yinxin::service::stamping::{Error, Options, Stamping};
use yinxin::service::units::{NewUnit, UnitRole, establish, list, retire};
use yinxin::service::{self, Services};
use yinxin::store::certificates;
use yinxin::store::issued_certificates::StoredStatus;

use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const SECOND: i64 = 1_000_000;
const TSA: UnitRole = UnitRole::TimeStamping;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stamps_on_sqlite() {
    let folder = Folder::new("stamping");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stamps_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("stamping on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("stamping-postgres") }).await;
}

/// Clocks that move by a millisecond at each reading, and as they are told.
pub(crate) struct Told(Mutex<Moments>);

impl Told {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Moments { monotonic: 0, wall: NOW.unix() * SECOND })))
    }

    pub(crate) fn jump(&self, microseconds: i64) {
        self.0.lock().unwrap().wall += microseconds;
    }
}

impl PairedClocks for Told {
    fn read(&self) -> Moments {
        let mut moments = self.0.lock().unwrap();
        moments.monotonic += 1000;
        moments.wall += 1000;
        *moments
    }
}

/// A source that knows the right time, or is away.
struct Right(Mutex<bool>);

impl TimeSource for Right {
    fn name(&self) -> String {
        "right".into()
    }

    fn ask<'a>(&'a self, clocks: &'a dyn PairedClocks) -> Asking<'a> {
        Box::pin(async move {
            if !*self.0.lock().unwrap() {
                return Err(yinxin::service::outside::ntp::Error::TimedOut(Duration::ZERO));
            }
            let taken = clocks.read().monotonic;
            let time = NOW.unix() * SECOND + i64::try_from(taken).unwrap();
            Ok(SourceReading { time, round_trip: 1000, taken })
        })
    }
}

fn rules(sources: usize) -> Rules {
    let mut rules = Rules { precision: Precision::Microseconds, ordering: true, ..Rules::new(sources) };
    rules.offer_development_policy();
    rules
}

pub(crate) fn options(clocks: &Arc<Told>) -> Options {
    Options {
        rules: rules(0),
        clocks: Arc::<Told>::clone(clocks),
        sources: Vec::new(),
        every: Duration::from_millis(20),
        per_minute: 1_000_000,
    }
}

pub(crate) async fn start(services: &Services, options: Options) -> Stamping {
    Stamping::start(services, options).await.unwrap().unwrap()
}

fn request(text: &str, nonce: &[u8]) -> Vec<u8> {
    request_over(text.as_bytes(), nonce)
}

pub(crate) fn request_over(octets: &[u8], nonce: &[u8]) -> Vec<u8> {
    NewTimeStampReq {
        algorithm: OID_SM3,
        digest: &digest(DigestAlgorithm::Sm3, octets),
        policy: None,
        nonce: Some(nonce),
        certificate_wanted: true,
    }
    .to_der()
}

/// What the log holds of stamps: serial number and SM3 of the token of each.
async fn recorded(services: &Services) -> Vec<Vec<([u8; 16], [u8; 32])>> {
    let stamps = |body| match body {
        EventBody::TimeStampsIssued { items, .. } => Some(
            items.chunks(48).map(|item| (item[..16].try_into().unwrap(), item[16..].try_into().unwrap())).collect(),
        ),
        _ => None,
    };
    events(services).await.into_iter().filter_map(|event| stamps(event.body)).collect()
}

async fn clock_events(services: &Services) -> Vec<String> {
    let changes = |body| match body {
        EventBody::ClockDistrusted { reason } => Some(reason),
        EventBody::ClockTrusted { accuracy } => Some(format!("trusted {accuracy}")),
        _ => None,
    };
    events(services).await.into_iter().filter_map(|event| changes(event.body)).collect()
}

fn failures(response: &[u8]) -> Vec<FailureInfo> {
    TimeStampResp::parse(response).unwrap().failures
}

async fn contract(place: Place) {
    let services = place.open().await;
    let profiles = yinxin::config::profiles::built_in().unwrap();
    let early = start(&services, options(&Told::new())).await;
    assert!(early.is_idle(), "no unit yet");
    assert_eq!(early.stamp(request("text", &[1])).await.unwrap_err(), Error::Off);
    drop(early);
    let pki = development::ensure(&services, &profiles).await.unwrap();
    units_are_made_under_authorities_of_ours_only(&services, &profiles, &pki).await;
    let silent = Options { rules: Rules::new(0), ..options(&Told::new()) };
    assert!(Stamping::start(&services, silent).await.unwrap().is_none(), "no policy");
    let latest = stamps_that_wait_share_an_event(&services, &pki).await;
    after_a_restart_times_are_later(&place, latest).await;
    refusals_of_the_protocol_leave_nothing(&services).await;
    a_clock_that_jumps_stops_stamping_until_a_source_vouches(&services).await;
    a_suspended_key_releases_nothing(&services).await;
    the_newest_of_one_second_works(&services, &profiles).await;
    a_revoked_unit_stamps_no_more_on_any_node(&services, &place, &profiles, &pki).await;
    more_than_a_minute_allows_is_turned_away(&services).await;
    what_cannot_be_recorded_is_not_released(&services).await;
}

fn issuance(services: &Services, profiles: &Profiles) -> Issuance {
    Issuance::start(services.clone(), Arc::new(profiles.clone()))
}

fn new_unit() -> NewUnit {
    let subject =
        vec![(AttributeKind::Organisation, ORGANISATION.to_owned()), (AttributeKind::CommonName, "时间戳".to_owned())];
    let (location, not_after) = (None, Some(NOW.plus_days(100)));
    NewUnit { algorithm: KeyAlgorithm::Sm2, location, subject, profile: "tsa".into(), not_after }
}

fn authority() -> AuthorityId {
    AuthorityId::parse("development-authority").unwrap()
}

async fn units_are_made_under_authorities_of_ours_only(services: &Services, profiles: &Profiles, pki: &DevelopmentPki) {
    let issuance = issuance(services, profiles);
    let before = events(services).await.len();
    let refused = establish(services, &issuance, &Actor::Operator, (&authority(), TSA), new_unit()).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-authority");
    assert_eq!(events(services).await.len(), before);
    development::ensure_unit(services, &issuance, pki, TSA).await.unwrap();
    let made = events(services).await.split_off(before);
    let classes = made.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["authority-created", "key-created", "issuance-intended", "certificate-issued"]);
    development::ensure_unit(services, &issuance, pki, TSA).await.unwrap();
    assert_eq!(events(services).await.len(), before + 4);
    // What the profile refuses leaves no key behind.
    let end = NewUnit { profile: "officer".into(), ..new_unit() };
    let refused = establish(services, &issuance, &Actor::Operator, (&authority(), TSA), end).await.unwrap_err();
    assert_eq!(refused.code(), "attribute-missing", "{refused}");
    let made = events(services).await.split_off(before + 4);
    let classes = made.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["key-created", "key-suspended", "key-destroyed"]);
}

/// Made within one second of the clock, which stands still here.
async fn the_newest_of_one_second_works(services: &Services, profiles: &Profiles) {
    let issuance = issuance(services, profiles);
    for _ in 0..3 {
        let made = establish(services, &issuance, &Actor::Operator, (&authority(), TSA), new_unit()).await.unwrap();
        let known = list(services, TSA).await.unwrap();
        assert_eq!(known[0].certificate.sm3, made.sm3);
        let unordered = Options { rules: Rules { ordering: false, ..rules(0) }, ..options(&Told::new()) };
        let stamping = start(services, unordered).await;
        let response = stamping.stamp(request("who", &[1])).await.unwrap();
        let token = TimeStampResp::parse(&response).unwrap().token.unwrap().to_vec();
        let read = TimeStampToken::parse(&token).unwrap();
        assert!(read.signed.x509_certificates().any(|der| sm3(der) == made.sm3));
        retire(services, &Actor::Operator, (TSA, &made.sm3)).await.unwrap();
    }
    let gone = list(services, TSA).await.unwrap();
    assert_eq!(gone.len(), 4);
    for unit in gone.iter().take(3) {
        assert_eq!((unit.certificate.status.name(), unit.key_state.name()), ("revoked", "destroyed"));
        let again = retire(services, &Actor::Operator, (TSA, &unit.certificate.sm3)).await.unwrap_err();
        assert_eq!(again.code(), "certificate-state");
    }
    let nobody = retire(services, &Actor::Operator, (TSA, &[7; 32])).await.unwrap_err();
    assert_eq!(nobody.code(), "unknown-certificate");
}

async fn a_revoked_unit_stamps_no_more_on_any_node(
    services: &Services,
    place: &Place,
    profiles: &Profiles,
    pki: &DevelopmentPki,
) {
    let unordered = || Options { rules: Rules { ordering: false, ..rules(0) }, ..options(&Told::new()) };
    let elsewhere = place.open().await;
    let nodes = [start(services, unordered()).await, start(&elsewhere, unordered()).await];
    let unit =
        list(services, TSA).await.unwrap().into_iter().find(|unit| unit.certificate.status == StoredStatus::Active);
    let sm3 = unit.unwrap().certificate.sm3;
    let before = recorded(services).await.len();
    for node in &nodes {
        assert_eq!(failures(&node.stamp(request("text", &[1])).await.unwrap()), []);
    }
    change(services, (&Actor::Operator, None), &sm3, Change::Suspend).await.unwrap();
    for node in &nodes {
        assert_eq!(node.stamp(request("text", &[1])).await.unwrap_err(), Error::NotActive);
    }
    change(services, (&Actor::Operator, None), &sm3, Change::Resume).await.unwrap();
    assert_eq!(failures(&nodes[1].stamp(request("text", &[1])).await.unwrap()), []);
    let reason = RevocationReason::KeyCompromise;
    change(services, (&Actor::Operator, None), &sm3, Change::Revoke { reason, invalidity_date: None }).await.unwrap();
    for node in &nodes {
        assert_eq!(node.stamp(request("text", &[1])).await.unwrap_err(), Error::NotActive);
    }
    assert_eq!(recorded(services).await.len(), before + 3);
    assert!(start(services, unordered()).await.is_idle(), "no unit is left");
    // Its key is left: retiring ends that too. And the next start has a new one.
    retire(services, &Actor::Operator, (TSA, &sm3)).await.unwrap();
    development::ensure_unit(services, &issuance(services, profiles), pki, TSA).await.unwrap();
    let stamping = start(services, unordered()).await;
    assert_eq!(failures(&stamping.stamp(request("text", &[1])).await.unwrap()), []);
    // A service at work takes it up without a start, once.
    assert_eq!((nodes[1].take_up().await.unwrap(), nodes[1].take_up().await.unwrap()), (1, 0));
    assert_eq!(failures(&nodes[1].stamp(request("text", &[1])).await.unwrap()), []);
    elsewhere.store.close().await;
}

/// Gives the latest time.
async fn stamps_that_wait_share_an_event(services: &Services, pki: &DevelopmentPki) -> String {
    const COUNT: usize = 60;
    let stamping = start(services, options(&Told::new())).await;
    let asking = (0..COUNT).map(|number| {
        let (stamping, text) = (stamping.clone(), format!("text {number}"));
        tokio::spawn(async move {
            let request = request(&text, &[1, u8::try_from(number).unwrap()]);
            let response = stamping.stamp(request.clone()).await.unwrap();
            (request, response)
        })
    });
    let (mut serials, mut tokens, mut times) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for asked in asking.collect::<Vec<_>>() {
        let (request, response) = asked.await.unwrap();
        let request = TimeStampReq::parse(&request).unwrap();
        let token = TimeStampResp::parse(&response).unwrap().token.unwrap();
        let read = TimeStampToken::parse(token).unwrap();
        let verified = verify_token(&read, &[], &Expected::answer_to(&request), &KeyTables::default()).unwrap();
        let info = verified.info();
        assert_eq!((info.policy, info.ordering, info.nonce), (DEVELOPMENT_POLICY, true, request.nonce));
        // The unit, the authority, the root.
        let carried = read.signed.x509_certificates().collect::<Vec<_>>();
        assert_eq!(carried.len(), 3);
        assert!(carried.contains(&pki.authority.as_slice()) && carried.contains(&pki.root.as_slice()));
        let mut serial = [0; 16];
        let significant = info.serial.strip_prefix(&[0]).unwrap_or(info.serial);
        serial[16 - significant.len()..].copy_from_slice(significant);
        assert!(serials.insert(serial) && times.insert(info.gen_time.to_string()));
        tokens.insert((serial, sm3(token)));
    }
    let recorded = recorded(services).await;
    let all = recorded.iter().flatten().copied().collect::<BTreeSet<_>>();
    assert_eq!(all, tokens, "each token that left is in the log, and no other");
    assert!(recorded.len() < COUNT, "{} events for {COUNT} stamps", recorded.len());
    times.pop_last().unwrap()
}

async fn after_a_restart_times_are_later(place: &Place, latest: String) {
    let services = place.open().await;
    let clocks = Told::new();
    let stamping = start(&services, options(&clocks)).await;
    // The clock shows what it showed before the restart: nothing later than the recorded second may be said again.
    let refused = stamping.stamp(request("again", &[1])).await.unwrap();
    assert_eq!(failures(&refused), [FailureInfo::TimeNotAvailable]);
    clocks.0.lock().unwrap().monotonic += 1_000_000;
    clocks.jump(SECOND);
    let response = stamping.stamp(request("again", &[1])).await.unwrap();
    let token = TimeStampResp::parse(&response).unwrap().token.unwrap().to_vec();
    let time = TimeStampToken::parse(&token).unwrap().info.gen_time.to_string();
    assert!(time > latest, "{time} after {latest}");
    assert!(clock_events(&services).await.is_empty());
    services.store.close().await;
}

async fn refusals_of_the_protocol_leave_nothing(services: &Services) {
    let before = events(services).await.len();
    let mut rules = Rules { ordering: false, ..rules(0) };
    rules.offer_digests(&["sm3".to_owned()]).unwrap();
    let stamping = start(services, Options { rules, ..options(&Told::new()) }).await;
    let sha256 = NewTimeStampReq {
        algorithm: OID_SHA256,
        digest: &[7; 32],
        policy: None,
        nonce: None,
        certificate_wanted: false,
    };
    let short = NewTimeStampReq { algorithm: OID_SM3, digest: &[7; 31], ..sha256 };
    let policy = NewTimeStampReq {
        algorithm: OID_SM3,
        policy: Some(yinxin::format::der::ObjectIdentifier::new_unwrap("1.2.3")),
        ..sha256
    };
    for (request, failure) in [
        (sha256.to_der(), FailureInfo::BadAlg),
        (short.to_der(), FailureInfo::BadDataFormat),
        (policy.to_der(), FailureInfo::UnacceptedPolicy),
        (b"garbage".to_vec(), FailureInfo::BadDataFormat),
        (Vec::new(), FailureInfo::BadDataFormat),
    ] {
        assert_eq!(failures(&stamping.stamp(request).await.unwrap()), [failure]);
    }
    assert_eq!(events(services).await.len(), before);
}

async fn a_clock_that_jumps_stops_stamping_until_a_source_vouches(services: &Services) {
    let (clocks, source) = (Told::new(), Arc::new(Right(Mutex::new(false))));
    let sources: Vec<Arc<dyn TimeSource>> = vec![Arc::<Right>::clone(&source)];
    let unordered = Rules { ordering: false, ..rules(1) };
    let stamping = start(services, Options { rules: unordered, sources, ..options(&clocks) }).await;
    let stamp = async || failures(&stamping.stamp(request("text", &[1])).await.unwrap());
    let until = async |wanted: &[FailureInfo]| {
        for _ in 0..500 {
            if stamp().await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never {wanted:?}");
    };
    assert_eq!(stamp().await, [FailureInfo::TimeNotAvailable], "nobody has vouched for the clock");
    *source.0.lock().unwrap() = true;
    until(&[]).await;
    *source.0.lock().unwrap() = false;
    // A question that was under way is answered still.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = recorded(services).await.len();
    clocks.jump(-5 * SECOND);
    for _ in 0..5 {
        assert_eq!(stamp().await, [FailureInfo::TimeNotAvailable]);
    }
    assert_eq!(recorded(services).await.len(), before);
    clocks.jump(5 * SECOND);
    assert_eq!(stamp().await, [FailureInfo::TimeNotAvailable], "what jumped is not forgiven for jumping back");
    *source.0.lock().unwrap() = true;
    until(&[]).await;
    for _ in 0..500 {
        if clock_events(services).await.len() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = clock_events(services).await;
    assert_eq!(told, ["clock-too-few-sources", "trusted 1000000", "clock-jumped", "trusted 1000000"]);
}

async fn a_suspended_key_releases_nothing(services: &Services) {
    let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, "tsa"))).await.unwrap();
    let key = rows[0].key.clone().unwrap();
    assert!(Certificate::parse(&rows[0].der).is_ok());
    let unordered = || Options { rules: Rules { ordering: false, ..rules(0) }, ..options(&Told::new()) };
    let stamping = start(services, unordered()).await;
    suspend(services, &Actor::Operator, &key, KeySuspensionReason::SuspectedMisuse).await.unwrap();
    let before = recorded(services).await;
    let refused = stamping.stamp(request("text", &[1])).await.unwrap_err();
    assert_eq!(refused, Error::NotRecorded { code: "key-suspended" });
    assert!(start(services, unordered()).await.is_idle(), "no unit may be used");
    assert_eq!(recorded(services).await, before);
    resume(services, &Actor::Operator, &key).await.unwrap();
    assert_eq!(failures(&stamping.stamp(request("text", &[1])).await.unwrap()), []);
}

async fn more_than_a_minute_allows_is_turned_away(services: &Services) {
    let few = Options { rules: Rules { ordering: false, ..rules(0) }, per_minute: 3, ..options(&Told::new()) };
    let stamping = start(services, few).await;
    for _ in 0..3 {
        assert!(stamping.stamp(b"garbage".to_vec()).await.is_ok());
    }
    let refused = stamping.stamp(request("text", &[1])).await.unwrap_err();
    assert_eq!((refused.code(), service::Error::from(refused).code()), ("stamping-busy", "stamping-busy"));
}

async fn what_cannot_be_recorded_is_not_released(services: &Services) {
    let unordered = Options { rules: Rules { ordering: false, ..rules(0) }, ..options(&Told::new()) };
    let stamping = start(services, unordered).await;
    services.store.close().await;
    let refused = stamping.stamp(request("text", &[1])).await.unwrap_err();
    assert_eq!(refused, Error::NotRecorded { code: "database" });
}
