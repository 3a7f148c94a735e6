//! Many seals from elsewhere are taken in: each record has one outcome, nothing comes twice, and a kill loses nothing, on both
//! databases.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use yinxin::base::id::CallerId;
use yinxin::base::limits::Limits;
use yinxin::base::random::{SystemRandom, array};
use yinxin::base::secret::Secret;
use yinxin::config::profiles::built_in;
use yinxin::config::verification;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{PublicKey, Signer, sm2};
use yinxin::domain::audit::EventBody;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::{Issuer, Publication, Request, ThrowAwayKeys, prepare};
use yinxin::domain::caller::Role;
use yinxin::domain::seal::application::{Purpose, Wanted};
use yinxin::domain::seal::import_table::{COLUMNS, Outcome};
use yinxin::domain::seal::kind::{Naming, SealKind, SealKinds};
use yinxin::domain::seal::maker::{SealForm, SignerList};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::trust::key::encode_value;
use yinxin::format::keys::pkcs8::{KeyKind, PrivateKeyInfo};
use yinxin::format::keys::write_pem;
use yinxin::format::ses::{CertificateDigest, Layout, NewSeal, NewSigners};
use yinxin::format::x509::Certificate;
use yinxin::service::seal_imports::{self, Import, Source};
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::service::{Services, seal_applications, seal_codes, seal_delivery, seal_uses, seals};
use yinxin::store::audit;
use yinxin::store::seal_imports::{Counts, RecordOutcome};

use crate::service::authority::BY;
use crate::service::installation::{NOW, Place};
use crate::service::registration::person;
use crate::service::seal_life::{Office, credit_code, division};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const SEALS: &str = "YINXIN_IMPORT_SEALS";

/// Those who made seals before: a root, a maker, and signers.
pub(crate) struct Elsewhere {
    root_key: sm2::PrivateKey,
    pub(crate) root: Vec<u8>,
    maker_key: sm2::PrivateKey,
    maker: Vec<u8>,
}

fn public(key: &sm2::PrivateKey) -> PublicKey {
    PublicKey::Sm2(key.public_key())
}

fn new_key() -> sm2::PrivateKey {
    sm2::PrivateKey::generate(&SystemRandom).unwrap()
}

fn certificate(
    profile: &str,
    (organisation, name): (&str, &str),
    key: &PublicKey,
    (issuer, signer): (Option<&[u8]>, &sm2::PrivateKey),
) -> Vec<u8> {
    let above = issuer.map(|der| Certificate::parse(der).unwrap());
    let profiles = built_in().unwrap();
    let names = [(AttributeKind::Organisation, organisation), (AttributeKind::CommonName, name)];
    let request = Request {
        profile: profiles.require(profile).unwrap(),
        subject: &names.map(|(kind, value)| (kind, value.to_owned())),
        alternative_names: &[],
        identity: &[],
        key,
        not_before: NOW,
        not_after: Some(NOW.plus_days(900)),
        serial: &array::<16>(&SystemRandom)
            .map(|mut serial| {
                serial[0] &= 0x7f;
                serial[0] |= 1;
                serial
            })
            .unwrap(),
        transaction: None,
        name_constraints: None,
    };
    let (publication, own) = (&Publication::nowhere(), Signer::public_key(signer));
    let throw_away = &ThrowAwayKeys::new(Arc::new(SystemRandom));
    let by = Issuer { certificate: above.as_ref(), key: &own, algorithm: signer.algorithm(), publication, throw_away };
    let token = prepare(&request, &by, (&AlgorithmPolicy::whatever_we_compute(), NOW)).unwrap();
    let value = signer.sign(token.to_sign(), &SystemRandom).unwrap();
    token.assemble(&value).unwrap()
}

impl Elsewhere {
    pub(crate) fn new() -> Self {
        let (root_key, maker_key) = (new_key(), new_key());
        let root = certificate("root", ("别处", "别处根"), &public(&root_key), (None, &root_key));
        let names = ("别处", "别处制章机构");
        let maker = certificate("seal-maker", names, &public(&maker_key), (Some(&root), &root_key));
        Self { root_key, root, maker_key, maker }
    }

    /// The certificate of a signer.
    fn signer(&self, number: usize, key: &sm2::PrivateKey) -> Vec<u8> {
        let organisation = format!("{}别处单位{number}", credit_code(number));
        let names = (&organisation[..], &format!("990000{number:08}")[..]);
        certificate("seal-signer", names, &public(key), (Some(&self.root), &self.root_key))
    }

    fn seal(&self, (es_id, name): (&str, &str), signer: &[u8], (form, list): (SealForm, SignerList)) -> Vec<u8> {
        let layout = match form {
            SealForm::V1 => Layout::V1,
            SealForm::V4 => Layout::V4,
            _ => Layout::V5,
        };
        let (digest, listed) = (sm3(signer), [signer]);
        let digests = [CertificateDigest { kind: "SM3", value: &digest }];
        let info = NewSeal {
            layout,
            vendor: "elsewhere",
            es_id,
            kind: 1,
            name,
            signers: match list {
                SignerList::Certificates => NewSigners::Certificates(&listed),
                _ => NewSigners::Digests(&digests),
            },
            created: NOW,
            valid_start: NOW,
            valid_end: NOW.plus_days(300),
            picture_type: "png",
            picture: b"picture",
            width: 40,
            height: 40,
        }
        .to_info();
        let oid = self.maker_key.algorithm().oid().unwrap();
        let value = self.maker_key.sign(&NewSeal::to_sign(layout, &info, &self.maker, oid), &SystemRandom).unwrap();
        let value = encode_value(self.maker_key.algorithm(), &value);
        NewSeal::assemble(layout, &info, &self.maker, oid, &value)
    }

    fn judge(&self) -> Arc<Verification> {
        judge(&self.root)
    }
}

fn judge(root: &[u8]) -> Arc<Verification> {
    let policy = verification::built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(root, "root").unwrap();
    Arc::new(judge)
}

const V4: (SealForm, SignerList) = (SealForm::V4, SignerList::Certificates);

/// A table and its files.
struct Table {
    rows: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
    keeper: CallerId,
}

impl Table {
    fn new(keeper: &CallerId) -> Self {
        Self { rows: Vec::new(), files: BTreeMap::new(), keeper: keeper.clone() }
    }

    /// One record of a holder, with the files of its columns.
    fn add(&mut self, number: usize, name: &str, [seal, certificate, key]: [&[u8]; 3]) {
        let record = self.rows.len() + 1;
        let mut column = |ending: &str, octets: &[u8]| {
            if octets.is_empty() {
                return String::new();
            }
            let path = format!("{record}.{ending}");
            self.files.insert(path.clone(), octets.to_vec());
            path
        };
        let columns = [column("esl", seal), column("crt", certificate), column("key", key)].join(",");
        self.rows.push(format!("{columns},1,{},{name},330106,{},", credit_code(number), self.keeper));
    }

    fn change(&mut self, from: &str, to: &str) {
        let last = self.rows.last_mut().unwrap();
        assert!(last.contains(from), "{last}");
        *last = last.replacen(from, to, 1);
    }

    fn csv(&self) -> Vec<u8> {
        format!("{}\n{}\n", COLUMNS.join(","), self.rows.join("\n")).into_bytes()
    }

    fn source(&self) -> Arc<Source> {
        let files = self.files.clone();
        let read = move |path: &str| files.get(path).cloned().ok_or_else(|| io::Error::other("absent"));
        Arc::new(Source { table: self.csv(), read: Box::new(read), passphrase: None })
    }
}

/// A key, and its file.
fn key_file() -> (sm2::PrivateKey, Vec<u8>) {
    let mut scalar = array::<32>(&SystemRandom).unwrap();
    scalar[0] &= 0x7f;
    let key = sm2::PrivateKey::from_bytes(&scalar).unwrap();
    let der = PrivateKeyInfo::write(KeyKind::Sm2, &Secret::new(scalar.to_vec()), &key.public_key().to_bytes());
    (key, write_pem(der.expose(), "PRIVATE KEY").into_bytes())
}

async fn outcomes(services: &Services, import: &Import) -> Vec<RecordOutcome> {
    seal_imports::outcomes(services, &import.stored.id, 0, 1000).await.unwrap()
}

/// Whatever was read is imported, in conflict or rejected.
fn identity(import: &Import) -> Counts {
    let Counts { imported, conflict, rejected } = import.counts;
    assert_eq!(import.stored.records, imported + conflict + rejected);
    assert!(import.stored.finished_at.is_some());
    import.counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-imports");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("imported seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-imports-postgres") }).await;
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    let elsewhere = Elsewhere::new();
    each_record_has_its_outcome(&office, &elsewhere).await;
    imported_seals_are_used_as_others(&office, &elsewhere).await;
    types_of_the_configuration_are_taken(&office, &elsewhere).await;
    no_code_from_elsewhere_is_given_again(&office, &elsewhere).await;
    a_table_that_is_none_leaves_nothing(&office, &place, &elsewhere).await;
}

async fn each_record_has_its_outcome(office: &Office, elsewhere: &Elsewhere) {
    let mut table = Table::new(&office.keeper.id);
    let mut expected: Vec<(Outcome, Option<&str>)> = Vec::new();
    let imported = (Outcome::Imported, None);
    let rejected = |code| (Outcome::Rejected, Some(code));
    let conflict = |code| (Outcome::Conflict, Some(code));
    let name = |number: usize| format!("别处单位{number}");
    let code = |number: usize| format!("370300000000{number:02}");
    let all = [SealForm::V1, SealForm::V4, SealForm::V5];
    // Each form, to be verified, and with its key.
    for (number, form) in (1..).zip(all.into_iter().chain(all)) {
        let (key, file) = key_file();
        let signer = elsewhere.signer(number, &key);
        let seal = elsewhere.seal((&code(number), &name(number)), &signer, (form, SignerList::Certificates));
        let pem = if number > 3 { file } else { Vec::new() };
        table.add(number, &name(number), [&seal, &[], &pem]);
        expected.push(imported);
    }
    let (key, (other, other_file)) = (new_key(), key_file());
    let signer = elsewhere.signer(7, &key);
    let digests = elsewhere.seal(("Any-Text_7", &name(7)), &signer, (SealForm::V4, SignerList::Digests));
    table.add(7, &name(7), [&digests, &[], &[]]);
    expected.push(rejected("import-certificate-needed"));
    table.add(7, &name(7), [&digests, &signer, &other_file]);
    expected.push(rejected("certificate-of-another-key"));
    let seal = elsewhere.seal((&code(8), &name(8)), &signer, V4);
    let mut changed = seal.clone();
    let at = changed.windows(7).position(|octets| octets == b"picture").unwrap();
    changed[at] = b'P';
    table.add(8, &name(8), [&changed, &signer, &[]]);
    expected.push(rejected("seal-signature-wrong"));
    let strangers = Elsewhere::new();
    let foreign = strangers.seal((&code(9), &name(9)), &strangers.signer(9, &key), V4);
    table.add(9, &name(9), [&foreign, &[], &[]]);
    expected.push(rejected("no-certificate-chain"));
    // A trusted maker lists a signer whom another authority of that name certified.
    let unknown = elsewhere.seal((&code(9), &name(9)), &strangers.signer(9, &key), V4);
    table.add(9, &name(9), [&unknown, &[], &[]]);
    expected.push(rejected("signature-wrong"));
    table.add(8, &name(8), [&seal, &elsewhere.signer(8, &other), &[]]);
    expected.push(rejected("signer-not-listed"));
    let free = elsewhere.seal(("", &name(9)), &signer, V4);
    table.add(9, &name(9), [&free, &[], &[]]);
    expected.push(rejected("seal-code-form"));
    table.add(9, &name(10), [&seal, &[], &[]]);
    expected.push(rejected("seal-naming"));
    for (from, to, code) in [
        (",1,", ",77,", "seal-kind-unknown"),
        (",1,", ",0,", "import-kind"),
        (".esl", ".none", "import-file-unreadable"),
        (&format!(",{},", office.keeper.id), &format!(",{},", office.clerk.id), "seal-keeper"),
        (&format!(",{},", office.keeper.id), ",nobody,", "seal-keeper"),
    ] {
        table.add(8, &name(8), [&seal, &[], &[]]);
        table.change(from, to);
        expected.push(rejected(code));
    }
    table.add(8, &name(8), [b"no seal", &[], &[]]);
    expected.push(rejected("seal-unreadable"));
    let import = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(identity(&import), Counts { imported: 6, conflict: 0, rejected: 14 });
    let found = outcomes(&office.services, &import).await;
    let brief =
        |all: &[RecordOutcome]| all.iter().map(|record| (record.outcome, record.code.clone())).collect::<Vec<_>>();
    let wanted = |all: &[(Outcome, Option<&str>)]| {
        all.iter().map(|(outcome, code)| (*outcome, code.map(str::to_owned))).collect::<Vec<_>>()
    };
    assert_eq!(brief(&found), wanted(&expected));

    // The same again meets what is here; what was rejected is so still.
    let again = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_ne!(again.stored.id, import.stored.id);
    assert_eq!(identity(&again), Counts { imported: 0, conflict: 6, rejected: 14 });
    expected[..6].fill(conflict("seal-already-here"));
    assert_eq!(brief(&outcomes(&office.services, &again).await), wanted(&expected));

    // Another seal of the code, and another one of which a holder has one, also in one table.
    let mut table = Table::new(&office.keeper.id);
    let twin = elsewhere.seal((&code(1), &name(20)), &signer, V4);
    table.add(20, &name(20), [&twin, &[], &[]]);
    let second = elsewhere.seal((&code(21), &name(1)), &signer, V4);
    table.add(1, &name(1), [&second, &[], &[]]);
    for number in [22, 23] {
        table.add(22, &name(22), [&elsewhere.seal((&code(number), &name(22)), &signer, V4), &[], &[]]);
    }
    let import = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(identity(&import), Counts { imported: 1, conflict: 3, rejected: 0 });
    let found = outcomes(&office.services, &import).await;
    assert_eq!(brief(&found[..2]), wanted(&[conflict("seal-code-taken"), conflict("seal-single")]));
    let codes = found[2..].iter().filter_map(|record| record.code.as_deref()).collect::<Vec<_>>();
    assert_eq!(codes, ["seal-single"]);
    // What stands in the way is named.
    assert!(found.iter().all(|record| record.seal.is_some()));
}

async fn imported_seals_are_used_as_others(office: &Office, elsewhere: &Elsewhere) {
    let mut table = Table::new(&office.keeper.id);
    let ((key, file), name) = (key_file(), "别处单位30".to_owned());
    let signer = elsewhere.signer(30, &key);
    table.add(30, &name, [&elsewhere.seal(("own-30", &name), &signer, V4), &signer, &file]);
    let only = "别处单位31".to_owned();
    let other = elsewhere.signer(31, &new_key());
    table.add(31, &only, [&elsewhere.seal(("own-31", &only), &other, V4), &[], &[]]);
    let import = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(identity(&import).imported, 2);
    let found = outcomes(&office.services, &import).await;
    let [keyed, bare] = [0, 1].map(|place: usize| found[place].seal.clone().unwrap());
    // The keeper of the table authorises, and nobody else.
    office.sign(&keyed).await.unwrap();
    assert_eq!(office.sign(&bare).await, Err("signer-not-ours"));
    assert_eq!(seal_uses::keeper(&office.services, &keyed).await.unwrap().unwrap().keeper, office.keeper.id);
    let known = seal_delivery::find(&office.services, &keyed).await.unwrap();
    assert_eq!((known.record.origin.name(), known.record.origin.by()), ("import", import.stored.id.as_str()));
    // Nobody resumes it alone.
    assert_eq!(office.suspend(&keyed, &office.checker).await.unwrap(), "suspended");
    let alone = seals::resume(&office.services, BY, &keyed).await.unwrap_err();
    assert_eq!(alone.code(), "seal-approval-needed");
    let listed = seal_delivery::list(&office.services, None, 500).await.unwrap();
    let names = listed.seals.iter().map(|known| known.record.seal.clone()).collect::<Vec<_>>();
    assert!(names.is_sorted() && names.contains(&keyed) && names.contains(&bare));
}

/// A type that the configuration names is applied for and taken in; without it it is refused.
async fn types_of_the_configuration_are_taken(office: &Office, elsewhere: &Elsewhere) {
    let naming = Naming::HolderThen(String::new());
    let unit = SealKind { code: 7, name: "内设机构章".into(), naming, is_single: false };
    let kinds = SealKinds::with([unit]).unwrap();
    let named = office.services.clone().with_seal_kinds(Arc::new(kinds));
    let name = "别处单位70办公室";
    let mut table = Table::new(&office.keeper.id);
    let seal = elsewhere.seal(("unit-70", name), &elsewhere.signer(70, &new_key()), V4);
    table.add(70, "别处单位70", [&seal, &[], &[]]);
    table.change(",1,", ",7,");
    for (services, code) in [(&office.services, Some("seal-kind-unknown")), (&named, None)] {
        let import = seal_imports::run(services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
        assert_eq!(outcomes(services, &import).await[0].code.as_deref(), code);
        let wanted = office.wanted(71, office.key().await);
        let name = format!("{}办公室", wanted.holder.name);
        let new = office.asks(Purpose::Make(Box::new(Wanted { kind: 7, name, ..wanted })));
        let nonce = array(&SystemRandom).unwrap();
        let drafted =
            seal_applications::draft(services, &office.profiles, &office.applicant.id, new, nonce).await.map(|_| ());
        assert_eq!(drafted.map_err(|error| error.code()).err(), code);
    }
    // Its name follows its rule, and the faces know it.
    let other = elsewhere.seal(("unit-72", "别处单位"), &elsewhere.signer(72, &new_key()), V4);
    let mut table = Table::new(&office.keeper.id);
    table.add(72, "别处单位72", [&other, &[], &[]]);
    table.change(",1,", ",7,");
    let import = seal_imports::run(&named, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(outcomes(&named, &import).await[0].code.as_deref(), Some("seal-naming"));
    assert!(yinxin::config::faces::built_in().unwrap().rule("07", None).is_ok());
}

async fn no_code_from_elsewhere_is_given_again(office: &Office, elsewhere: &Elsewhere) {
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 2000)).await.unwrap();
    let mut table = Table::new(&office.keeper.id);
    let signer = elsewhere.signer(40, &new_key());
    let name = |number: usize| format!("别处单位{number}");
    for number in 1..=3 {
        let code = format!("330106000000{number:02}");
        table.add(
            40 + number,
            &name(40 + number),
            [&elsewhere.seal((&code, &name(40 + number)), &signer, V4), &[], &[]],
        );
    }
    let import = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(identity(&import).imported, 3);
    let made = office.seal(50).await;
    let known = seal_delivery::find(&office.services, &made).await.unwrap();
    assert_eq!(known.record.code.as_str(), "33010600000004");
    // Nor is a code that was given here taken in again.
    let mut table = Table::new(&office.keeper.id);
    table.add(60, &name(60), [&elsewhere.seal(("33010600000004", &name(60)), &signer, V4), &[], &[]]);
    let import = seal_imports::run(&office.services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(outcomes(&office.services, &import).await[0].code.as_deref(), Some("seal-code-taken"));
}

async fn a_table_that_is_none_leaves_nothing(office: &Office, place: &Place, elsewhere: &Elsewhere) {
    let before = place.count("seal_imports").await;
    let source = Source { table: b"seal\n".to_vec(), read: Box::new(|_| Err(io::Error::other(""))), passphrase: None };
    let run = seal_imports::run(&office.services, BY, Arc::new(source), elsewhere.judge(), &|_| {}).await;
    assert_eq!(run.unwrap_err().code(), "import-table-columns");
    assert_eq!(place.count("seal_imports").await, before);
}

const URL: &str = "YINXIN_TEST_IMPORT_URL";
const FOLDER: &str = "YINXIN_TEST_IMPORT_FOLDER";

async fn open(url: &str, folder: &Path) -> Services {
    use yinxin::base::clock::FixedClock;
    use yinxin::service::keys::KeySource;
    let source = KeySource::File { path: folder.join("key"), create: true };
    Services::open(url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap()
}

fn in_folder(folder: &Path) -> Arc<Source> {
    let files = folder.to_owned();
    let read = move |path: &str| std::fs::read(files.join(path));
    let table = std::fs::read(folder.join("seals.csv")).unwrap();
    Arc::new(Source { table, read: Box::new(read), passphrase: None })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `an_import_survives_every_kill`, which ends it"]
async fn child() {
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let services = open(&std::env::var(URL).unwrap(), folder).await;
    let judge = judge(&std::fs::read(folder.join("root")).unwrap());
    let told = |counts: Counts| println!("taken {}.", counts.all());
    seal_imports::run(&services, BY, in_folder(folder), judge, &told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_survives_every_kill() {
    let folder = Folder::new("seal-imports-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    survive(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_survives_every_kill_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("killed imports on PostgreSQL", "PostgreSQL") };
    survive(Place { url: server.url.clone(), folder: Folder::new("seal-imports-crash-postgres") }).await;
}

/// The events of an import: seals, and how often it began and was finished.
async fn told(services: &Services) -> (BTreeSet<[u8; 32]>, usize, usize) {
    let (mut from, mut taken, mut begun, mut finished) = (0, BTreeSet::new(), 0, 0);
    loop {
        let part = services.store.read(|tx| Box::pin(audit::read(tx, from, 10_000))).await.unwrap();
        let Some((last, _)) = part.last() else { return (taken, begun, finished) };
        from = last + 1;
        for (_, event) in part {
            match event.body {
                EventBody::SealImported { seal_sm3, .. } => assert!(taken.insert(seal_sm3), "a seal came twice"),
                EventBody::SealImportBegun { .. } => begun += 1,
                EventBody::SealImportFinished { .. } => finished += 1,
                _ => {}
            }
        }
    }
}

async fn survive(place: Place) {
    let (folder, elsewhere) = (place.folder.path().to_owned(), Elsewhere::new());
    let services = open(&place.url, &folder).await;
    let keeper = person(&services, &[Role::SealAdministrator]).await;
    let (mut table, key) = (Table::new(&keeper.id), new_key());
    let signer = elsewhere.signer(0, &key);
    let count = 480;
    for number in 1..=count {
        let name = format!("别处单位{number}");
        let mut seal = elsewhere.seal((&format!("import-{number}"), &name), &signer, V4);
        if number % 8 == 0 {
            *seal.last_mut().unwrap() ^= 1;
        }
        table.add(number, &name, [&seal, &[], &[]]);
    }
    for (path, octets) in &table.files {
        std::fs::write(folder.join(path), octets).unwrap();
    }
    std::fs::write(folder.join("seals.csv"), table.csv()).unwrap();
    std::fs::write(folder.join("root"), &elsewhere.root).unwrap();
    services.store.close().await;
    let (rounds, mut under_way) = (3, 0);
    for _ in 0..rounds {
        let arguments = ["service::seal_imports::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(arguments).env(URL, &place.url).env(FOLDER, &folder);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let [pause, _] = array::<2>(&SystemRandom).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if lines.any(|line| line.contains("taken ")) {
            std::thread::sleep(Duration::from_millis(u64::from(pause % 64)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let services = open(&place.url, &folder).await;
        let (taken, begun, finished) = told(&services).await;
        let kept = place.count("seals").await;
        assert_eq!(i64::try_from(taken.len()).unwrap(), kept, "each seal has its event");
        under_way += usize::from(begun > finished);
        assert_eq!(place.count("seal_import_records WHERE outcome = 'imported'").await, kept);
        assert_eq!((place.count("further_seal_records").await, place.count("seal_keepers").await), (kept, kept));
        services.store.close().await;
    }
    let services = open(&place.url, &folder).await;
    let import = seal_imports::run(&services, BY, in_folder(&folder), elsewhere.judge(), &|_| {}).await.unwrap();
    let counts = identity(&import);
    let all = u32::try_from(count).unwrap();
    // The last record of the table may have been the last one before a kill: then this was another import.
    let (_, begun, finished) = told(&services).await;
    assert_eq!(begun, finished);
    match begun {
        1 => assert_eq!(counts, Counts { imported: all - all / 8, conflict: 0, rejected: all / 8 }),
        _ => assert_eq!(counts, Counts { imported: 0, conflict: all - all / 8, rejected: all / 8 }),
    }
    assert_eq!(place.count("seals").await, i64::from(all - all / 8));
    println!("{rounds} kills, {under_way} of them while seals were taken in: {counts:?}");
}

/// How long many seals take. Prints the figure; asserts the accounting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_seals_are_taken_in() {
    let count = std::env::var(SEALS).map_or(200, |count| count.parse::<usize>().unwrap());
    let folder = Folder::new("seal-imports-many");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let services = open(&url, folder.path()).await;
    let keeper = person(&services, &[Role::SealAdministrator]).await;
    let (elsewhere, key) = (Elsewhere::new(), new_key());
    let signer = elsewhere.signer(0, &key);
    let mut table = Table::new(&keeper.id);
    for number in 1..=count {
        let name = format!("别处单位{number}");
        table.add(number, &name, [&elsewhere.seal((&format!("import-{number}"), &name), &signer, V4), &[], &[]]);
    }
    let begun = Instant::now();
    let import = seal_imports::run(&services, BY, table.source(), elsewhere.judge(), &|_| {}).await.unwrap();
    assert_eq!(identity(&import).imported, u32::try_from(count).unwrap());
    println!("{count} seals taken in within {:.1} s", begun.elapsed().as_secs_f64());
}
