//! Seals whose key lies in a device go the whole way, from the application to their re-making: in a token with SM2 (our double),
//! and in a SoftHSM2 token with RSA and P-256. The device is taken away in between.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use yinxin::base::clock::FixedClock;
use yinxin::domain::seal::remake::{Making, RemakeState, RemakeStep};
use yinxin::service::keys::KeySource;
use yinxin::service::keys::device::{DeviceOptions, OaepDigest, Pkcs11Options, TokenName, VendorMechanisms};
use yinxin::service::keys::doors::Doors;
use yinxin::service::seal_remakes::NewRemake;
use yinxin::service::{KeySettings, prepared_signings};
use yinxin::store::keys::Custody;
use yinxin::store::seal_remakes::find_seal;
use yinxin::store::use_ledger::LedgerQuery;

use super::*;
use crate::service::seal_remakes::Province;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "9876543210";
const GONE: u32 = 0;

/// A device that can be taken away and brought back.
trait Device {
    fn options(&self) -> Pkcs11Options;
    fn away(&self, is_away: bool);
}

/// Our double: a token with SM2.
struct Double {
    library: PathBuf,
    pin_file: PathBuf,
    control: libloading::Library,
}

fn secret(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_owned()
}

impl Double {
    fn new(folder: &Path) -> Self {
        let library = folder.join("libtoken.so");
        fs::copy(crate::built::built("pkcs11_double"), &library).unwrap();
        #[expect(unsafe_code, reason = "loads the double beside the service, to take it away")]
        // SAFETY: the double's loading runs no code of ours.
        let control = unsafe { libloading::Library::new(&library) }.unwrap();
        Self { pin_file: secret(&folder.join("pin"), "246810\n"), library, control }
    }
}

impl Device for Double {
    fn options(&self) -> Pkcs11Options {
        Pkcs11Options {
            module: self.library.clone(),
            token: TokenName::Label("double".into()),
            pin_file: self.pin_file.clone(),
            sessions: 2,
            timeout: Duration::from_secs(20),
            oaep: OaepDigest::default(),
            vendor: VendorMechanisms {
                sm2_key_pair: Some(0x8000_0101),
                sm2_sign: Some(0x8000_0102),
                ..VendorMechanisms::default()
            },
        }
    }

    fn away(&self, is_away: bool) {
        #[expect(unsafe_code, reason = "calls the double")]
        // SAFETY: the double declares it so.
        unsafe {
            self.control.get::<extern "C" fn(u32, u32)>(b"pkcs11_double_set").unwrap()(GONE, u32::from(is_away));
        }
    }
}

/// A SoftHSM2 token in a folder.
struct Soft(PathBuf);

impl Device for Soft {
    fn options(&self) -> Pkcs11Options {
        Pkcs11Options {
            module: MODULE.into(),
            token: TokenName::Label("yinxin-seals".into()),
            pin_file: secret(&self.0.join("pin"), &format!("{PIN}\n")),
            sessions: 2,
            timeout: Duration::from_secs(20),
            oaep: OaepDigest::Sha1,
            vendor: VendorMechanisms::default(),
        }
    }

    fn away(&self, is_away: bool) {
        let (here, elsewhere) = (self.0.join("tokens"), self.0.join("taken"));
        let (from, to) = if is_away { (&here, &elsewhere) } else { (&elsewhere, &here) };
        fs::rename(from, to).unwrap();
        if is_away {
            fs::create_dir(&here).unwrap();
        }
    }
}

async fn open(place: &Place, device: &dyn Device) -> Services {
    let source = KeySource::File { path: place.folder.path().join("key"), create: true };
    let devices = Doors::open(vec![DeviceOptions::Pkcs11(device.options())]).unwrap();
    let settings = KeySettings { devices, ..KeySettings::from_source(source) };
    Services::open_with(&place.url, &settings, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_in_a_token_with_sm2_on_sqlite() {
    let folder = Folder::new("device-seals");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let double = Double::new(folder.path());
    contract(Place { url, folder }, &double, &[(KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seal_in_a_token_with_sm2_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("seals in a token on PostgreSQL", "PostgreSQL");
    };
    let folder = Folder::new("device-seals-postgres");
    let double = Double::new(folder.path());
    let place = Place { url: server.url.clone(), folder };
    contract(place, &double, &[(KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256)]).await;
}

/// SoftHSM2 reads its configuration when it is loaded: in a second process.
#[test]
fn a_seal_in_a_token_of_softhsm() {
    let has_tool = Command::new("softhsm2-util").arg("--version").output().is_ok();
    if !Path::new(MODULE).exists() || !has_tool {
        return crate::skip("seals in a token of SoftHSM2", "SoftHSM2");
    }
    let folder = Folder::new("softhsm-seals");
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let mut command = Command::new("softhsm2-util");
    command.args(["--init-token", "--free", "--label", "yinxin-seals", "--so-pin", "12345678", "--pin", PIN]);
    let made = command.env("SOFTHSM2_CONF", &configuration).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "service::seal_life::device::inside_the_second_process", "--ignored", "--nocapture"]);
    child.env("SOFTHSM2_CONF", &configuration).env("YINXIN_TEST_TOKEN_FOLDER", folder.path());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{told}");
    assert!(!said.contains(PIN) && !told.contains(PIN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_seal_in_a_token_of_softhsm, which sets its environment"]
async fn inside_the_second_process() {
    let token = Soft(PathBuf::from(std::env::var_os("YINXIN_TEST_TOKEN_FOLDER").unwrap()));
    let folder = Folder::new("softhsm-seals-rows");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let algorithms = [(KeyAlgorithm::Rsa, KeyAlgorithm::Sm2), (KeyAlgorithm::EcdsaP256, KeyAlgorithm::Sm2)];
    contract(Place { url, folder }, &token, &algorithms).await;
}

/// Where the key of a seal lies.
async fn location(office: &Office, seal: &SealId) -> KeyLocation {
    let known = seal_delivery::find(&office.services, seal).await.unwrap();
    let key = life_cycle::find(&office.services, known.seal.signer_key.as_ref().unwrap()).await.unwrap();
    match key.custody {
        Custody::Device { location, .. } => location,
        _ => KeyLocation::Software,
    }
}

/// What the ledger says of a seal's uses.
async fn outcomes(office: &Office, seal: &SealId) -> Vec<&'static str> {
    let query = LedgerQuery { seal: Some(seal.clone()), ..LedgerQuery::default() };
    let page = seal_uses::ledger(&office.services, BY, &query, 500).await.unwrap();
    let mut names = page.entries.iter().map(|entry| entry.outcome.name()).collect::<Vec<_>>();
    names.sort_unstable();
    names
}

/// Signs once the device is back: each session that was open finds out for itself.
async fn sign_again(office: &Office, seal: &SealId) -> Vec<u8> {
    for _ in 0..4 {
        match office.sign(seal).await {
            Err("key-store-unavailable") => tokio::time::sleep(Duration::from_millis(200)).await,
            signed => return signed.unwrap(),
        }
    }
    office.sign(seal).await.unwrap()
}

/// Each algorithm that the device has, with one that it has not.
async fn contract(place: Place, device: &dyn Device, algorithms: &[(KeyAlgorithm, KeyAlgorithm)]) {
    let province = Province::open(open(&place, device).await).await;
    let office = &province.office;
    let mut made = Vec::new();
    for (number, (algorithm, _)) in (1..).zip(algorithms) {
        let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, *algorithm);
        let key = making::generate(&office.services, BY, KeyLocation::Pkcs11, &attributes).await.unwrap();
        let id = office.approved(office.asks(Purpose::Make(Box::new(office.wanted(number, key.id))))).await;
        let seal = office.fulfil(&id).await.unwrap().seal;
        assert_eq!(office.sign(&seal).await, Err("seal-not-delivered"));
        assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap(), "active");
        is_used(office, &seal).await;
        nothing_is_lost_while_the_device_is_away(office, &seal, device).await;
        made.push(seal);
    }
    let in_software = office.seal(90).await;
    assert_eq!(location(office, &in_software).await, KeyLocation::Software);
    let started = open(&place, device).await;
    started.store.close().await;
    are_made_anew_where_they_lay(&province, (&made, &in_software), device, algorithms).await;
}

async fn is_used(office: &Office, seal: &SealId) {
    assert_eq!(location(office, seal).await, KeyLocation::Pkcs11);
    // Nobody uses it whom the keeper did not authorise; the key is here, so nothing is prepared.
    let user = Actor::Caller { id: office.clerk.id.clone(), roles: Roles::new([Role::SealUser]).unwrap() };
    let sign = async || seals::sign(&office.services, &user, None, seal, order(NOTICE)).await;
    assert_eq!(sign().await.unwrap_err().code(), "use-not-authorised");
    let prepared = prepared_signings::prepare(&office.services, &user, None, seal, order(NOTICE)).await;
    assert_eq!(prepared.unwrap_err().code(), "signer-ours");
    let document = office.sign(seal).await.unwrap();
    let policy = verification::built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(&office.root, "root").unwrap();
    judge.add_evidence(&kept(&office.services, &office.below.certificate).await, "below").unwrap();
    let report = judge.judge("document.ofd", &document, None);
    // The certificates name revocation lists, which nobody fetches here: everything else is right.
    let codes = report.signatures.iter().map(|one| (one.indication, one.code.clone())).collect::<Vec<_>>();
    assert_eq!(codes, [(Indication::Indeterminate, "revocation-unknown".to_owned())]);
    assert_eq!(outcomes(office, seal).await, ["signed"]);
}

async fn nothing_is_lost_while_the_device_is_away(office: &Office, seal: &SealId, device: &dyn Device) {
    let before = events(&office.services).await.len();
    device.away(true);
    assert_eq!(office.sign(seal).await, Err("key-store-unavailable"));
    assert_eq!(office.sign(seal).await, Err("key-store-unavailable"));
    // Each was decided, entered, and given back.
    assert_eq!(outcomes(office, seal).await, ["abandoned", "abandoned", "signed"]);
    let told = events(&office.services).await.split_off(before);
    let names = told.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    assert_eq!(names, ["signing-intended", "use-entered", "signing-abandoned"].repeat(2));
    // What does not need the key goes on: the seal rests, and is resumed by an application.
    assert_eq!(office.suspend(seal, &office.checker).await.unwrap(), "suspended");
    assert_eq!(office.sign(seal).await, Err("seal-suspended"));
    let resume = office.approved(office.asks(Purpose::Resume { seal: seal.clone() })).await;
    assert_eq!(office.fulfil(&resume).await.unwrap().state.name(), "active");
    assert_eq!(office.sign(seal).await, Err("key-store-unavailable"));
    device.away(false);
    sign_again(office, seal).await;
    let all = outcomes(office, seal).await;
    assert_eq!(all.iter().filter(|name| **name == "signed").count(), 2);
    assert!(!all.contains(&"intended"), "{all:?}");
}

async fn are_made_anew_where_they_lay(
    province: &Province,
    (seals, in_software): (&[SealId], &SealId),
    device: &dyn Device,
    algorithms: &[(KeyAlgorithm, KeyAlgorithm)],
) {
    let office = &province.office;
    province.change_maker().await;
    let asks = async |algorithm| {
        let new = province.asks().await;
        NewRemake { making: Making { algorithm, ..new.making }, ..new }
    };
    let (of_device, foreign) = algorithms[0];
    let id = province.approved(asks(of_device).await).await;
    device.away(true);
    // All are revoked; what needs the device waits, whatever is tried again.
    for _ in 0..2 {
        assert_eq!(province.run(&id).await.unwrap_err().code(), "key-store-unavailable");
        for seal in seals {
            let (state, _, successor) = province.fate(seal).await;
            assert_eq!((state, successor), ("revoked", None));
        }
    }
    device.away(false);
    let mut ended = province.run(&id).await;
    for _ in 0..4 {
        if ended.as_ref().is_err_and(|error| error.code() == "key-store-unavailable") {
            tokio::time::sleep(Duration::from_millis(200)).await;
            ended = province.run(&id).await;
        }
    }
    assert_eq!(ended.unwrap().state, RemakeState::Finished);
    for (old, place) in
        seals.iter().map(|seal| (seal, KeyLocation::Pkcs11)).chain([(in_software, KeyLocation::Software)])
    {
        let (_, _, successor) = province.fate(old).await;
        let successor = successor.unwrap();
        assert_eq!(location(office, &successor).await, place);
        assert_eq!(office.deliver(&successor, &office.keeper).await.unwrap(), "active");
        office.sign(&successor).await.unwrap();
        assert_eq!(office.sign(old).await, Err("seal-revoked"));
    }

    // By an algorithm that the device has not: those are named, and the one in software is made.
    let maker = province.newest_maker().await;
    province.retire_maker(&maker).await;
    let new = asks(foreign).await;
    let public = life_cycle::find(&office.services, &maker).await.unwrap().public_key;
    let selection = yinxin::domain::seal::remake::Selection { maker: Some(public), ..new.selection };
    let id = province.approved(NewRemake { selection, ..new }).await;
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    let steps = office.services.store.read(|tx| {
        Box::pin(async move { yinxin::store::seal_remakes::seals_at(tx, &id, RemakeStep::Refused, None, 99).await })
    });
    let refused = steps.await.unwrap();
    assert_eq!(refused.len(), seals.len());
    for row in refused {
        assert_eq!(row.refusal.as_deref(), Some("key-store-mechanism-missing"));
        assert_eq!(location(office, &row.seal).await, KeyLocation::Pkcs11);
    }
    let first = province.fate(in_software).await.2.unwrap();
    let steps = office.services.store.read(|tx| Box::pin(find_seal(tx, &first)));
    assert_eq!(steps.await.unwrap().unwrap().step, RemakeStep::Made);
}
