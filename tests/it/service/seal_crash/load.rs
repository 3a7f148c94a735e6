//! The processes that are killed: one that makes the installation, and one that works with seals until its end.
//!
//! A line of theirs is `acknowledged WHAT NAME.` for what must stay, `refused WHAT CODE.` for what did not work, and
//! `works WHAT now.` for what did.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use yinxin::base::id::{ApplicationId, AuthorityId, KeyId, SealId};
use yinxin::base::random::SystemRandom;
use yinxin::config::profiles::built_in;
use yinxin::crypto::PublicKey;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::audit::RevocationReason;
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner};
use yinxin::domain::seal::application::{Maker, Purpose, SignerKey, Wanted};
use yinxin::domain::seal::order::OrderState;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::domain::trust::public_key;
use yinxin::format::keys::SubjectPublicKeyInfo;
use yinxin::service::audit_log::folder::FolderLog;
use yinxin::service::audit_log::moving::move_tiles;
use yinxin::service::audit_log::old_tiles::TilePlace;
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::device::{DeviceOptions, OaepDigest, Pkcs11Options, TokenName, VendorMechanisms};
use yinxin::service::keys::doors::Doors;
use yinxin::service::keys::{KeySource, making};
use yinxin::service::offices::NATIONAL_MAKER;
use yinxin::service::offices::sending::attend;
use yinxin::service::{Error, KeySettings, Services, authorities, seal_applications, seal_codes};
use yinxin::store::seal_orders;

use crate::service::audit_log::open as open_log;
use crate::service::authority::BY;
use crate::service::installation::NOW;
use crate::service::registration::{Hands, Person};
use crate::service::seal_life::national::{exchange_key, makes};
use crate::service::seal_life::{Office, division};

pub(super) const URL: &str = "YINXIN_TEST_SEALS_URL";
/// The folder of the key, the persons and the tiles.
pub(super) const FOLDER: &str = "YINXIN_TEST_SEALS_FOLDER";
pub(super) const ROUND: &str = "YINXIN_TEST_SEALS_ROUND";
/// The number of the first seal that is wanted: no holder asks twice.
pub(super) const FIRST: &str = "YINXIN_TEST_SEALS_FIRST";
/// The module of a token, whose PIN lies beside its label in that folder.
pub(super) const TOKEN: &str = "YINXIN_TEST_SEALS_TOKEN";
pub(super) const LABEL: &str = "yinxin-seals";
/// Address, root and key of the national maker.
pub(super) const MAKER: &str = "YINXIN_TEST_SEALS_MAKER";
/// Seals that are on their way at a time.
const AT_ONCE: usize = 6;
/// Of this type are the national maker's.
pub(super) const NATIONAL_KIND: u8 = 2;
/// Rounds after which the calendar begins anew: seals of the first rounds are valid still.
pub(super) const YEAR: i64 = 250;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}"))
}

pub(super) fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

pub(super) fn key_of(spki: &[u8]) -> PublicKey {
    public_key(&SubjectPublicKeyInfo::parse(spki).unwrap()).unwrap()
}

fn tell(sort: &str, what: &str, name: &str) {
    println!("{sort} {what} {name}.");
}

fn acknowledged(what: &str, name: &str) {
    tell("acknowledged", what, name);
}

/// The hour of a round.
pub(super) fn hands(round: i64) -> Arc<Hands> {
    Arc::new(Hands(AtomicI64::new(NOW.plus_days(round % YEAR).unix())))
}

/// The installation, without devices or offices.
pub(super) async fn reopened(url: &str, folder: &Path, round: i64, devices: Doors) -> (Services, Arc<Hands>) {
    let source = KeySource::File { path: folder.join("key"), create: true };
    let settings = KeySettings { devices, ..KeySettings::from_source(source) };
    let hands = hands(round);
    (Services::open_with(url, &settings, hands.clone(), Arc::new(SystemRandom)).await.unwrap(), hands)
}

async fn devices() -> Doors {
    let Ok(module) = std::env::var(TOKEN) else { return Doors::default() };
    let folder = PathBuf::from(variable(FOLDER));
    let options = Pkcs11Options {
        module: module.into(),
        token: TokenName::Label(LABEL.into()),
        pin_file: folder.join("pin"),
        sessions: 2,
        timeout: Duration::from_secs(20),
        oaep: OaepDigest::Sha1,
        vendor: VendorMechanisms::default(),
    };
    let opening = tokio::task::spawn_blocking(|| Doors::open(vec![DeviceOptions::Pkcs11(options)]));
    opening.await.unwrap().unwrap()
}

pub(super) fn with_maker(services: Services, told: &str) -> Services {
    let [address, root, key] = told.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let address = address.parse::<SocketAddr>().unwrap();
    services.with_offices(makes(NATIONAL_KIND, address, &octets(root), key_of(&octets(key))))
}

fn has_token() -> bool {
    std::env::var_os(TOKEN).is_some()
}

async fn device_key(office: &Office) -> Result<KeyId, Error> {
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, KeyAlgorithm::EcdsaP256);
    Ok(making::generate(&office.services, BY, KeyLocation::Pkcs11, &attributes).await?.id)
}

/// A seal whose key lies in the token.
async fn in_the_token(office: &Office, number: usize) -> Result<Wanted, Error> {
    Ok(office.wanted(number, device_key(office).await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the first child of the rounds"]
async fn prepare() {
    let (url, folder) = (variable(URL), PathBuf::from(variable(FOLDER)));
    let (services, _) = reopened(&url, &folder, 0, devices().await).await;
    let office = Office::open(services).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 9_000_000)).await.unwrap();
    let correspondent = exchange_key(&office.services).await;
    // Those that are used all the time: one with a key here, one with a key in the token.
    let mut standing = vec![office.seal(1).await];
    if has_token() {
        let wanted = Box::new(in_the_token(&office, 2).await.unwrap());
        let id = office.approved(office.asks(Purpose::Make(wanted))).await;
        let seal = office.fulfil(&id).await.unwrap().seal;
        office.deliver(&seal, &office.keeper).await.unwrap();
        standing.push(seal);
    }
    for seal in &standing {
        office.authorise(seal).await;
    }
    let persons = [&office.applicant, &office.checker, &office.approver, &office.keeper, &office.clerk];
    let mut lines = persons.map(Person::told).to_vec();
    lines.extend(standing.iter().map(ToString::to_string));
    std::fs::write(folder.join("persons"), lines.join("\n")).unwrap();
    std::fs::write(folder.join("picture"), &office.picture).unwrap();
    println!("prepared with {}.", hex(&subject_public_key_info(&correspondent)));
    office.services.store.close().await;
}

/// The same office with the same persons, and the seals that stand.
async fn resumed(services: Services, hands: Arc<Hands>, folder: &Path) -> (Office, Vec<SealId>) {
    let profiles = Arc::new(built_in().unwrap());
    let (below, _) = authorities::find(&services, &AuthorityId::parse("below").unwrap()).await.unwrap();
    let lines = std::fs::read_to_string(folder.join("persons")).unwrap();
    let mut lines = lines.lines();
    let [applicant, checker, approver, keeper, clerk] = [(); 5].map(|()| Person::known(lines.next().unwrap()));
    let office = Office {
        issuance: Issuance::start(services.clone(), Arc::clone(&profiles)),
        picture: std::fs::read(folder.join("picture")).unwrap(),
        root: Vec::new(),
        applicant,
        checker,
        approver,
        keeper,
        clerk,
        services,
        hands,
        profiles,
        below,
    };
    (office, lines.map(|line| SealId::parse(line).unwrap()).collect())
}

/// The seal of an order, once it is kept.
async fn arrived(office: &Office, id: &ApplicationId) -> Result<SealId, Error> {
    for _ in 0..100 {
        let found = office.services.store.read(|tx| Box::pin(seal_orders::find(tx, id))).await?;
        let order = found.unwrap();
        match order.state {
            OrderState::Kept { .. } => return Ok(order.seal),
            OrderState::Ordered { .. } | OrderState::Accepted { .. } | OrderState::Arrived { .. } => {}
            // Refused: its end stands in the log.
            _ => return Err(Error::Interrupted),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(Error::Interrupted)
}

/// A seal from its application to its end. What fails is not acknowledged.
async fn life(office: Arc<Office>, number: usize) -> Result<(), Error> {
    let new = match number % 5 {
        3 => {
            let ours = office.wanted(number, office.key().await);
            let name = format!("{}财务专用章", ours.name);
            Wanted { kind: NATIONAL_KIND, name, maker: Maker::National, ..ours }
        }
        4 if has_token() => in_the_token(&office, number).await?,
        _ => office.wanted(number, office.key().await),
    };
    let is_national = new.maker == Maker::National;
    assert!(matches!(new.key, SignerKey::Ours(_)));
    let new = office.asks(Purpose::Make(Box::new(new)));
    let id = office.try_submit(new, &office.applicant).await?.id;
    office.check(&id, &office.checker).await?;
    office.approve(&id, &office.approver).await?;
    acknowledged("approved", id.as_str());
    // Two at once; the certificate, the code and the seal are there once.
    let (one, other) = tokio::join!(office.fulfil(&id), office.fulfil(&id));
    let seal = match one.or(other) {
        Ok(fulfilled) => fulfilled.seal,
        Err(Error::SealOrdered { .. }) if is_national => {
            acknowledged("ordered", id.as_str());
            arrived(&office, &id).await?
        }
        Err(error) => return Err(error),
    };
    acknowledged("made", seal.as_str());
    office.deliver(&seal, &office.keeper).await?;
    acknowledged("active", seal.as_str());
    office.authorise(&seal).await;
    for _ in 0..3 {
        if let Ok(document) = office.sign(&seal).await {
            acknowledged("signed", &hex(&sm3(&document)));
        }
    }
    match number % 4 {
        0 => {
            office.suspend(&seal, &office.checker).await?;
            acknowledged("suspended", seal.as_str());
        }
        1 => {
            let reason = RevocationReason::CessationOfOperation;
            let new = office.asks(Purpose::Revoke { seal: seal.clone(), reason });
            let id = office.try_submit(new, &office.applicant).await?.id;
            office.check(&id, &office.checker).await?;
            office.approve(&id, &office.approver).await?;
            office.fulfil(&id).await?;
            acknowledged("revoked", seal.as_str());
        }
        _ => {}
    }
    Ok(())
}

/// Uses a seal that stands, again and again.
async fn use_it(office: Arc<Office>, seal: SealId, what: &'static str) {
    loop {
        let (one, of) = (Arc::clone(&office), seal.clone());
        match tokio::spawn(async move { one.sign(&of).await }).await {
            Ok(Ok(document)) => {
                acknowledged("signed", &hex(&sm3(&document)));
                tell("works", what, "now");
            }
            Ok(Err(code)) => tell("refused", what, code),
            Err(_) => tell("refused", what, "panicked"),
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn write_to_the_maker(office: Arc<Office>) {
    loop {
        match attend(&office.services, &office.profiles, NATIONAL_MAKER).await {
            Ok(attended) if attended.away => tell("refused", "maker", "away"),
            Ok(attended) if attended.answered > 0 => tell("works", "maker", "now"),
            Ok(_) => {}
            Err(error) => tell("refused", "maker", error.code()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The trees grow, a folder mirrors them, another one takes what is old.
async fn grow_the_log(office: Arc<Office>, folder: PathBuf) {
    let log = open_log(&office.services).await;
    let mirror = FolderLog::new(&folder.join("mirror"));
    let old: Arc<dyn TilePlace> = Arc::new(FolderLog::new(&folder.join("old")));
    let mut known = 0;
    loop {
        if let Err(error) = log.sequence().await {
            tell("refused", "log", error.code());
        }
        match log.mirror(&mirror, known).await {
            Ok(size) => {
                if size > known {
                    tell("works", "mirror", "now");
                }
                known = size;
            }
            Err(error) => tell("refused", "mirror", error.code()),
        }
        if let Err(error) = move_tiles(&office.services, &old, known, &|_| {}).await {
            tell("refused", "tiles", error.code());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the rounds, which end it"]
async fn work() {
    let (round, folder) = (variable(ROUND).parse::<i64>().unwrap(), PathBuf::from(variable(FOLDER)));
    let (services, hands) = reopened(&variable(URL), &folder, round, devices().await).await;
    let (office, standing) = resumed(with_maker(services, &variable(MAKER)), hands, &folder).await;
    let office = Arc::new(office);
    let mut workers = tokio::task::JoinSet::new();
    for (seal, what) in standing.into_iter().zip(["use", "device"]) {
        workers.spawn(use_it(Arc::clone(&office), seal, what));
    }
    workers.spawn(write_to_the_maker(Arc::clone(&office)));
    workers.spawn(grow_the_log(Arc::clone(&office), folder));
    // What a kill broke off goes on.
    let left = seal_applications::list(&office.services, Some("approved"), None, 100).await.unwrap();
    for stored in left.applications {
        if let Ok(done) = office.fulfil(&stored.id).await {
            acknowledged("resumed", done.seal.as_str());
        }
    }
    let next = Arc::new(AtomicUsize::new(variable(FIRST).parse().unwrap()));
    for _ in 0..AT_ONCE {
        let (office, next) = (Arc::clone(&office), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                // A database that is gone is an error, or ends the task of this life alone.
                match tokio::spawn(life(Arc::clone(&office), number)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tell("refused", "life", error.code()),
                    Err(_) => tell("refused", "life", "panicked"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    // The clock is set forth and back by a day, and goes on meanwhile.
    for jump in [86_400, -86_340].into_iter().cycle() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        office.hands.0.fetch_add(jump, Ordering::SeqCst);
    }
}
