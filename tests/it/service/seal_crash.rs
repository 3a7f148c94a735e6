//! Mixed work with seals, killed anywhere, its clock set forth and back, while its disk is full, its database, its token or
//! the national maker away: nothing that was acknowledged is lost, no seal stands in two places, no code comes twice, and
//! every seal and use has its leaf.
//!
//! `YINXIN_SEAL_ROUNDS` says how many rounds there are, `YINXIN_SEAL_SEED` what goes wrong in them.

mod fault;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use yinxin::base::id::{ApplicationId, SealId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::hex;
use yinxin::domain::audit::EventBody;
use yinxin::domain::seal::order::OrderState;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::service::audit_log::checking::check;
use yinxin::service::audit_log::folder::FolderLog;
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::service::keys::doors::Doors;
use yinxin::service::offices::NATIONAL_MAKER;
use yinxin::service::offices::sending::attend;
use yinxin::service::{Services, seal_applications, seal_delivery};
use yinxin::store::{audit, seal_orders};

use crate::service::audit_log::{count, open as open_log, sequence_all};
use crate::service::installation::Place;
use crate::service::seal_life::office::OfficeDouble;
use crate::store::Folder;
use crate::store::postgres::Postgres;
use fault::{Dice, Places, Trouble};
use load::{FIRST, FOLDER, LABEL, MAKER, ROUND, TOKEN, URL, YEAR, hands, key_of, octets, reopened, with_maker};

const DATABASE: &str = "YINXIN_TEST_SEALS_DATABASE";
const SMALL: &str = "YINXIN_TEST_SEALS_SMALL";
/// For so long a child may say nothing that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const MODULES: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
const PIN: &str = "9876543210";
/// A folder becomes a file system of its own, in memory, that nobody else sees.
const MOUNT: &str = "mount -t tmpfs -o size=2g tmpfs \"$0\" && exec \"$@\"";

#[test]
fn nothing_is_lost_or_twice_on_sqlite() {
    // Root of a namespace of its own is enough.
    in_its_own_place("sqlite", &[&["unshare", "-m"], &["unshare", "-rm"]]);
}

#[test]
fn nothing_is_lost_or_twice_on_postgresql() {
    // The server runs as another user, whom a namespace of its own does not know.
    in_its_own_place("postgresql", &[&["unshare", "-m"]]);
}

/// The rounds run in a process that may have a small disk.
fn in_its_own_place(database: &str, ways: &[&[&str]]) {
    let folder = Folder::new(&format!("seal-crash-{database}"));
    let command = |way: &[&str]| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", MOUNT]).arg(folder.path());
        command
    };
    let works = |way: &&&[&str]| command(way).arg("true").stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    let way = ways.iter().find(works);
    let program = std::env::current_exe().unwrap();
    let mut rounds = match way {
        Some(way) => {
            let mut command = command(way);
            command.arg(program).env(SMALL, folder.path());
            command
        }
        None => Command::new(program),
    };
    rounds.args(["service::seal_crash::rounds", "--exact", "--ignored", "--nocapture"]);
    let mut rounds = rounds.env(DATABASE, database).env(FOLDER, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(rounds.stdout.take().unwrap()).lines().map_while(Result::ok) {
        println!("{line}");
    }
    assert!(rounds.wait().unwrap().success(), "see above");
}

/// A token of SoftHSM, its module and the folder of its tokens.
fn token(folder: &Path, pin_beside: &Path) -> Option<(PathBuf, PathBuf)> {
    use std::os::unix::fs::PermissionsExt as _;
    let module = MODULES.iter().map(PathBuf::from).find(|module| module.exists())?;
    let tokens = folder.join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let configuration = folder.join("softhsm2.conf");
    std::fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .unwrap();
    let mut command = Command::new("softhsm2-util");
    command.args(["--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]);
    let made = command.env("SOFTHSM2_CONF", &configuration).stdout(Stdio::null()).status().ok()?;
    assert!(made.success());
    let pin = pin_beside.join("pin");
    std::fs::write(&pin, format!("{PIN}\n")).unwrap();
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o600)).unwrap();
    Some((module, tokens))
}

/// The place of all rounds.
struct Scene {
    place: Place,
    places: Places,
    module: Option<PathBuf>,
    /// Of the rows, the key, the persons and the tiles.
    folder: PathBuf,
    token: Folder,
    maker: String,
}

impl Scene {
    fn child(&self, test: &str, round: i64, first: i64) -> Running {
        let folder = &self.folder;
        // SIGXFSZ would end whoever meets the limit.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args([&format!("service::seal_crash::load::{test}"), "--exact", "--ignored", "--nocapture"]);
        command
            .env(URL, &self.place.url)
            .env(FOLDER, folder)
            .env(ROUND, round.to_string())
            .env(FIRST, first.to_string())
            .env(MAKER, &self.maker);
        if let Some(module) = &self.module {
            command.env(TOKEN, module).env("SOFTHSM2_CONF", self.token.path().join("softhsm2.conf"));
        }
        let log = std::fs::File::create(self.token.path().join("said")).unwrap();
        Running::of(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.token.path().join("said")).unwrap_or_default()
    }
}

/// A child, and what it said.
struct Running {
    child: Child,
    lines: Receiver<(String, String, String)>,
    acknowledged: Vec<(String, String)>,
    refused: Vec<(String, String)>,
    works: Vec<String>,
    prepared: Option<String>,
}

impl Running {
    fn of(mut child: Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // What a kill broke off has no full stop.
                let told = ["acknowledged ", "refused ", "works ", "prepared "].into_iter().find_map(|sort| {
                    let at = line.find(sort)?;
                    let (what, name) = line[at + sort.len()..].strip_suffix('.')?.split_once(' ')?;
                    Some((sort.trim().to_owned(), what.to_owned(), name.to_owned()))
                });
                if let Some(told) = told
                    && heard.send(told).is_err()
                {
                    return;
                }
            }
        });
        Self { child, lines, acknowledged: Vec::new(), refused: Vec::new(), works: Vec::new(), prepared: None }
    }

    fn take(&mut self, (sort, what, name): (String, String, String)) {
        match sort.as_str() {
            "acknowledged" => self.acknowledged.push((what, name)),
            "refused" => self.refused.push((what, name)),
            "prepared" => self.prepared = Some(name),
            _ => self.works.push(what),
        }
    }

    /// Listens until that is so; whether it came to be.
    fn hear_until(&mut self, is_enough: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + PATIENCE;
        while !is_enough(self) {
            let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) else { return false };
            self.take(line);
        }
        true
    }

    /// Ends it, and hears what it said before.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv() {
            self.take(line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Also where a check of the round failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests above, in a place of its own"]
async fn rounds() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let has_server = std::env::var(DATABASE).unwrap() == "postgresql";
    let server = if has_server { Postgres::start() } else { None };
    if has_server && server.is_none() {
        return crate::skip("faults around seals on PostgreSQL", "PostgreSQL");
    }
    let small_disk = std::env::var_os(SMALL).map(PathBuf::from);
    if small_disk.is_none() {
        println!("SKIPPED a full disk: this process may mount nothing");
    }
    let beside = Folder::new("seal-token");
    let token = token(beside.path(), &folder);
    if token.is_none() {
        crate::skip("a token that is away while seals are used", "SoftHSM2");
    }
    let (module, tokens) = token.unzip();
    let there = OfficeDouble::open(hands(0)).await;
    there.desk.lock().unwrap().follows = true;
    let key = hex(&subject_public_key_info(&there.public_key));
    let url = server.as_ref().map_or_else(|| format!("sqlite:{}/rows.db", folder.display()), |it| it.url.clone());
    let maker = format!("{} {} {key}", there.address, hex(&there.root));
    let places = Places { small_disk, tokens, server, desk: there.desk.clone() };
    let place = Place { url, folder: Folder::new("seal-crash-place") };
    let scene = Scene { place, places, module, folder, token: beside, maker };
    tokio::task::spawn_blocking(move || {
        survive(&scene, &tokio::runtime::Handle::current());
    })
    .await
    .unwrap();
}

/// What all rounds together came to.
#[derive(Default)]
struct Sum {
    told: usize,
    refused: usize,
    /// Rounds, those that were killed in it, and how long all took.
    troubles: BTreeMap<Trouble, (usize, usize, Duration)>,
    known: Known,
}

fn survive(scene: &Scene, runtime: &tokio::runtime::Handle) {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let rounds = i64::try_from(number("YINXIN_SEAL_ROUNDS").unwrap_or(4)).unwrap();
    let seed = number("YINXIN_SEAL_SEED").unwrap_or_else(|| u64::from_be_bytes(array(&SystemRandom).unwrap()));
    println!("YINXIN_SEAL_SEED={seed}");
    let (mut dice, mut sum, mut next) = (Dice(seed), Sum::default(), Vec::new());
    let mut first = scene.child("prepare", 0, 0);
    assert!(first.hear_until(|child| child.prepared.is_some()), "{}", scene.said());
    assert!(first.child.wait().unwrap().success(), "{}", scene.said());
    scene.places.desk.lock().unwrap().correspondent = first.prepared.take().map(|key| key_of(&octets(&key)));
    let began = Instant::now();
    for round in 1..=rounds {
        if next.is_empty() {
            // Each kind comes before one comes twice.
            next = scene.places.troubles();
            next.truncate(usize::try_from(rounds).unwrap().max(4));
            dice.shuffle(&mut next);
        }
        let trouble = next.pop().unwrap();
        one_round(scene, round, trouble, &mut dice, &mut sum);
        runtime.block_on(afterwards(scene, round, &mut sum));
        if round % 20 == 0 {
            println!("{round} rounds, {} acknowledged, {} s", sum.told, began.elapsed().as_secs());
        }
    }
    let (seals, uses, leaves) = runtime.block_on(in_the_end(scene, rounds, &mut sum));
    let troubles = sum.troubles.iter().map(|(trouble, (all, within, took))| {
        format!("{trouble:?} {all} ({within} killed in it, {} s)", took.as_secs())
    });
    println!(
        "{rounds} rounds in {} s, each killed, its clock set forth and back; {}: {} acknowledged, none lost, {} refused; \
         {seals} seals, {uses} uses, {leaves} leaves",
        began.elapsed().as_secs(),
        troubles.collect::<Vec<_>>().join(", "),
        sum.told,
        sum.refused
    );
}

/// Work until it is killed, and trouble meanwhile.
fn one_round(scene: &Scene, round: i64, trouble: Trouble, dice: &mut Dice, sum: &mut Sum) {
    let (has_server, began) = (scene.places.server.is_some(), Instant::now());
    scene.places.trouble_the_maker(dice);
    let (enough, within, pause) = (usize::try_from(dice.below(30)).unwrap() + 8, dice.below(2), dice.below(65_536));
    // Each kind is over for the first time before a child dies in it.
    let within = within == 0 && sum.troubles.contains_key(&trouble);
    let mut child = scene.child("work", round, 1_000 * round);
    let pid = child.child.id();
    let heard = child.hear_until(|child| child.acknowledged.len() >= enough / 2);
    assert!(heard, "round {round}: {} of {enough} lines\n{}", child.acknowledged.len(), scene.said());
    let refused = child.refused.len();
    scene.places.begin(trouble, pid);
    let is_felt = child.hear_until(|child| {
        child.refused.iter().skip(refused).any(|(what, code)| trouble.is_felt(has_server, what, code))
    });
    if within {
        std::thread::sleep(Duration::from_micros(pause));
        child.kill();
    }
    scene.places.end(trouble, pid);
    assert!(is_felt, "round {round}: {trouble:?} is not felt: {:?}\n{}", child.refused, scene.said());
    if !within {
        let (works, enough) = (child.works.len(), enough.max(child.acknowledged.len() + 3));
        let goes_on = child.hear_until(|child| {
            let again = child.works.iter().skip(works).any(|what| what == trouble.works_again());
            again && child.acknowledged.len() >= enough
        });
        let told = (child.acknowledged.len(), &child.refused[refused..], &child.works[works..]);
        assert!(goes_on, "round {round}: nothing goes on after {trouble:?}: {told:?}\n{}", scene.said());
        // Anywhere between two commits.
        std::thread::sleep(Duration::from_micros(pause));
        child.kill();
    }
    sum.told += child.acknowledged.len();
    sum.refused += child.refused.len();
    let (all, killed, took) = sum.troubles.entry(trouble).or_default();
    (*all, *killed, *took) = (*all + 1, *killed + usize::from(within), *took + began.elapsed());
    sum.known.acknowledged.append(&mut child.acknowledged);
}

/// What the events say, as far as they were read.
#[derive(Default)]
struct Known {
    next: i64,
    /// Where each seal stands by its events.
    states: BTreeMap<SealId, &'static str>,
    documents: BTreeSet<String>,
    ordered: BTreeSet<ApplicationId>,
    /// Orders that came to nothing.
    ended: BTreeSet<ApplicationId>,
    /// Seals of which the last events tell.
    touched: BTreeSet<SealId>,
    /// Lines that were not compared yet.
    acknowledged: Vec<(String, String)>,
}

impl Known {
    async fn read(&mut self, services: &Services) {
        loop {
            let next = self.next;
            let events = services.store.read(|tx| Box::pin(audit::read(tx, next, 5_000))).await.unwrap();
            if events.is_empty() {
                return;
            }
            for (number, event) in events {
                assert_eq!(number, self.next, "an event is missing");
                self.next += 1;
                self.take(event.body);
            }
        }
    }

    fn take(&mut self, body: EventBody) {
        let (seal, state) = match body {
            EventBody::DocumentSigned { result_sm3, .. } => {
                assert!(self.documents.insert(hex(&result_sm3)), "a use stands twice in the log");
                return;
            }
            EventBody::OrderEnded { application, .. } => {
                assert!(self.ended.insert(application), "an order ended twice");
                return;
            }
            EventBody::SealIssued { seal, .. } | EventBody::SealReceived { seal, .. } => {
                assert!(!self.states.contains_key(&seal), "{seal} was made twice");
                (seal, "made")
            }
            EventBody::SealDelivered { seal, .. } | EventBody::SealResumed { seal } => (seal, "active"),
            EventBody::SealSuspended { seal, .. } => (seal, "suspended"),
            EventBody::SealRevoked { seal, .. } => (seal, "revoked"),
            _ => return,
        };
        self.touched.insert(seal.clone());
        self.states.insert(seal, state);
    }
}

async fn state(services: &Services, seal: &SealId) -> &'static str {
    let found = seal_delivery::find(services, seal).await;
    found.unwrap_or_else(|error| panic!("{seal}: {error}")).seal.state.name()
}

/// What was acknowledged stands there, or where it went after it; rows and events say the same.
async fn afterwards(scene: &Scene, round: i64, sum: &mut Sum) {
    let (services, _) = reopened(&scene.place.url, &scene.folder, round, Doors::default()).await;
    let known = &mut sum.known;
    known.read(&services).await;
    for (what, name) in std::mem::take(&mut known.acknowledged) {
        is_there(&services, known, &what, &name).await;
    }
    for seal in std::mem::take(&mut known.touched) {
        assert_eq!(state(&services, &seal).await, known.states[&seal], "{seal}: row and last event");
    }
    rows_and_events_agree(&scene.place, known).await;
    services.store.close().await;
}

async fn is_there(services: &Services, known: &mut Known, what: &str, name: &str) {
    let allowed: &[&str] = match what {
        "approved" => {
            let found = seal_applications::find(services, &ApplicationId::parse(name).unwrap()).await.unwrap();
            assert!(["approved", "fulfilled"].contains(&found.application.state_name()), "{name}");
            return;
        }
        "ordered" => {
            known.ordered.insert(ApplicationId::parse(name).unwrap());
            return;
        }
        "signed" => {
            assert!(known.documents.contains(name), "{name} was signed and is not in the log");
            return;
        }
        "made" | "resumed" => &["made", "active", "suspended", "revoked"],
        "active" => &["active", "suspended", "revoked"],
        "suspended" => &["suspended"],
        "revoked" => &["revoked"],
        other => panic!("{other}"),
    };
    let state = state(services, &SealId::parse(name).unwrap()).await;
    assert!(allowed.contains(&state), "{name} was {what} and is {state}");
}

async fn rows_and_events_agree(place: &Place, known: &Known) {
    let (seals, uses) = (i64::try_from(known.states.len()).unwrap(), i64::try_from(known.documents.len()).unwrap());
    let same = [
        ("seal_records", seals),
        ("seals", seals),
        ("use_ledger WHERE outcome = 'signed'", uses),
        ("signatures WHERE state = 'signing'", 0),
        ("use_ledger WHERE outcome = 'intended'", 0),
    ];
    for (table, expected) in same {
        assert_eq!(place.count(table).await, expected, "{table}");
    }
    for (column, table) in [("code", "seal_makings"), ("code", "seal_records"), ("certificate_sm3", "seal_records")] {
        let twice = format!("(SELECT {column} FROM {table} GROUP BY {column} HAVING count(*) > 1) AS twice");
        assert_eq!(place.count(&twice).await, 0, "{table}.{column}");
    }
    let twice = "(SELECT credit_code FROM seal_records JOIN seals ON seals.id = seal_records.seal WHERE revoked_at IS NULL \
                 GROUP BY credit_code HAVING count(*) > 1) AS twice";
    assert_eq!(place.count(twice).await, 0, "two seals of one holder in force");
}

/// When nothing goes wrong any more: every order comes to its seal, and the whole log is right, here and in its mirror.
async fn in_the_end(scene: &Scene, rounds: i64, sum: &mut Sum) -> (usize, usize, u64) {
    // Behind every clock of the rounds, so that every message is due.
    let latest = rounds.min(YEAR - 1);
    let (services, hands) = reopened(&scene.place.url, &scene.folder, latest, Doors::default()).await;
    hands.0.fetch_add(3 * 86_400, std::sync::atomic::Ordering::SeqCst);
    let services = with_maker(services, &scene.maker);
    scene.places.desk.lock().unwrap().faults.clear();
    let profiles = built_in().unwrap();
    let open = "seal_orders WHERE state IN ('ordered', 'accepted', 'arrived')";
    for _ in 0..600 {
        if scene.place.count(open).await == 0 {
            break;
        }
        attend(&services, &profiles, NATIONAL_MAKER).await.unwrap();
        hands.0.fetch_add(1_000, std::sync::atomic::Ordering::SeqCst);
    }
    sum.known.read(&services).await;
    let mut kept = 0;
    for id in &sum.known.ordered {
        let order = services.store.read(|tx| Box::pin(seal_orders::find(tx, id))).await.unwrap().unwrap();
        let (is_seal, is_ended) = (sum.known.states.contains_key(&order.seal), sum.known.ended.contains(id));
        match order.state {
            OrderState::Kept { .. } => kept += 1,
            // A clock that was set back by a day does not believe when the seal was made.
            OrderState::Withdrawn { .. } | OrderState::Cancelled { .. } if is_ended => {}
            other => {
                panic!("{id} was ordered and is {other:?}: {:?}", attend(&services, &profiles, NATIONAL_MAKER).await)
            }
        }
        assert_eq!(is_seal, !is_ended, "{id} has its seal, or its end");
    }
    for (seal, expected) in &sum.known.states {
        assert_eq!(state(&services, seal).await, *expected, "{seal}: row and last event");
    }
    rows_and_events_agree(&scene.place, &sum.known).await;
    let log = open_log(&services).await;
    let size = sequence_all(&log).await;
    assert_eq!(size, count(&services).await, "every event has its leaf");
    let (stored, own) = StoredLog::of(&services).await.unwrap();
    let whole = check(Arc::new(stored), &own).await.unwrap().unwrap();
    let mirror = FolderLog::new(&scene.folder.join("mirror"));
    log.mirror(&mirror, 0).await.unwrap();
    assert_eq!(check(Arc::new(mirror), &own).await.unwrap().unwrap(), whole, "the mirror is the log");
    let moved = scene.place.count("log_moved").await;
    let all = sum.known.ordered.len();
    println!("{all} orders at the national maker, {kept} became seals; old tiles moved: {}", moved > 0);
    assert!(kept > 0, "no order came to its seal");
    services.store.close().await;
    (sum.known.states.len(), sum.known.documents.len(), size)
}
