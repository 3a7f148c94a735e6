//! Taking in many seals that were made elsewhere: a table, and the files that it names.
//!
//! Each seal is one transaction, which keeps it, its certificate, its key where there is one, its keeper, its event and the
//! outcome of its record. *A crash* anywhere leaves whole seals with their outcomes and records without one: whoever takes in
//! the same table again goes on with those. Once every record has its outcome the import is finished; the same table again is
//! another import, of which every record meets the seal that is here.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use tokio::task::{JoinSet, spawn_blocking};

use crate::base::clock::Timestamp;
use crate::base::id::{JobId, KeyId, SealId};
use crate::base::secret::Secret;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyAttributes, KeyPurpose, KeyUse, Owner};
use crate::domain::seal::application::{self, ApplicationRefused};
use crate::domain::seal::code::SealCode;
use crate::domain::seal::import_table::{self, ImportRecord, Outcome, RecordRefused};
use crate::domain::seal::{State, taking};
use crate::domain::verify::{Indication, Report};
use crate::format::keys::read_pem;
use crate::format::ses::{CertificateList, SesSeal};
use crate::format::x509::Certificate;
use crate::service::keys::import::{Imported, open};
use crate::service::keys::transfer::{admit, keep_in};
use crate::service::seal_applications::{may_keep, of_holder};
use crate::service::verification::{Ready, Verification};
use crate::service::{Error, Services};
use crate::store::certificates::StoredCertificate;
use crate::store::seal_imports::{Counts, RecordOutcome, StoredImport};
use crate::store::seal_keepers::StoredKeeper;
use crate::store::seal_records::{SealOrigin, StoredSealRecord};
use crate::store::seals::StoredSeal;
use crate::store::{
    self, Tx, audit, certificates, keys, seal_imports, seal_keepers, seal_makings, seal_records, seals,
};

/// Seals that are judged together.
const PART: usize = 32;
/// Outcomes that are read at once.
pub const MOST_IN_PAGE: i64 = 1000;
/// So often a seal is tried that meets another one at the same moment.
const TRIES: usize = 3;

/// Reads a file that a table names.
pub type ReadFile = dyn Fn(&str) -> io::Result<Vec<u8>> + Send + Sync;

/// A table and the files that it names.
pub struct Source {
    /// The table, CSV.
    pub table: Vec<u8>,
    /// Its files.
    pub read: Box<ReadFile>,
    /// The passphrase of the key files that have one.
    pub passphrase: Option<Secret>,
}

/// An import, and what came of its records so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Which.
    pub stored: StoredImport,
    /// How many records have which outcome.
    pub counts: Counts,
}

/// A seal that was read and judged.
struct Judged {
    record: ImportRecord,
    seal_der: Vec<u8>,
    certificate_der: Vec<u8>,
    key: Option<(KeyAttributes, Imported)>,
    code: SealCode,
    name: String,
    valid_to: Timestamp,
}

/// Why a record has no seal here, and what its seal says of itself.
struct NotTaken {
    outcome: Outcome,
    code: String,
    es_id: Option<String>,
    seal: Option<SealId>,
}

impl NotTaken {
    fn rejected(code: &str, es_id: Option<&str>) -> Self {
        Self { outcome: Outcome::Rejected, code: code.to_owned(), es_id: es_id.map(str::to_owned), seal: None }
    }

    fn conflict(code: &str, seal: Option<&SealId>) -> Self {
        Self { outcome: Outcome::Conflict, code: code.to_owned(), es_id: None, seal: seal.cloned() }
    }
}

/// Takes in every seal of a table that `judge` lets pass: the seal with a maker who leads to an anchor, and its signer's
/// certificate likewise. Where the same table was broken off, it goes on. `told` hears of progress.
///
/// # Errors
/// [`Error::ImportTable`]: it is no table; the store's. What has its outcome keeps it.
pub async fn run(
    services: &Services,
    actor: &Actor,
    source: Arc<Source>,
    judge: Arc<Verification>,
    told: &(dyn Fn(Counts) + Send + Sync),
) -> Result<Import, Error> {
    let reading = {
        let source = Arc::clone(&source);
        spawn_blocking(move || Ok::<_, Error>((import_table::read(&source.table)?, sm3(&source.table))))
    };
    let (records, table_sm3) = reading.await.map_err(|_| Error::Interrupted)??;
    let import = begin(services, actor, &table_sm3, records.len()).await?;
    let done = numbers_done(services, &import.id).await?;
    let mut waiting = (1_u32..).zip(records).filter(|(number, _)| !done.contains(number));
    let at_once = std::thread::available_parallelism().map_or(2, |count| count.get().saturating_add(1));
    let mut flight = JoinSet::new();
    loop {
        while flight.len() < at_once {
            let part = waiting.by_ref().take(PART).collect::<Vec<_>>();
            if part.is_empty() {
                break;
            }
            let (services, actor, id) = (services.clone(), actor.clone(), import.id.clone());
            let (source, judge) = (Arc::clone(&source), Arc::clone(&judge));
            flight.spawn(async move { take_part(&services, &actor, &id, part, source, judge).await });
        }
        let Some(joined) = flight.join_next().await else { break };
        joined.map_err(|_| Error::Interrupted)??;
        told(services.store.read(|tx| Box::pin(seal_imports::counts(tx, &import.id))).await?);
    }
    finish(services, actor, import).await
}

/// What came of records behind that number, in the order of the table, at most `limit` and [`MOST_IN_PAGE`].
///
/// # Errors
/// The store's.
pub async fn outcomes(services: &Services, id: &JobId, after: u32, limit: i64) -> Result<Vec<RecordOutcome>, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    Ok(services.store.read(|tx| Box::pin(seal_imports::outcomes(tx, id, after, limit))).await?)
}

/// The import of that table which is under way, or a new one.
async fn begin(
    services: &Services,
    actor: &Actor,
    table_sm3: &[u8; 32],
    records: usize,
) -> Result<StoredImport, Error> {
    let now = services.clock.now();
    let id = JobId::fresh(now, &*services.random)?;
    // No table has more than fit.
    let records = u32::try_from(records).unwrap_or(u32::MAX);
    let new = &StoredImport { id, table_sm3: *table_sm3, records, begun_at: now, finished_at: None };
    let steps = services.store.run("begin seal import", |tx| {
        Box::pin(async move {
            if let Some(before) = seal_imports::under_way(tx, table_sm3).await? {
                return Ok(before);
            }
            seal_imports::insert(tx, new).await?;
            let body = EventBody::SealImportBegun {
                import: new.id.clone(),
                table_sm3: *table_sm3,
                records: u64::from(new.records),
            };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(new.clone())
        })
    });
    steps.await
}

async fn numbers_done(services: &Services, id: &JobId) -> Result<BTreeSet<u32>, Error> {
    let mut done = BTreeSet::new();
    loop {
        let after = done.last().copied().unwrap_or(0);
        let page = outcomes(services, id, after, MOST_IN_PAGE).await?;
        if page.is_empty() {
            return Ok(done);
        }
        done.extend(page.iter().map(|record| record.number));
    }
}

/// Where each record has its outcome, the import is finished.
async fn finish(services: &Services, actor: &Actor, import: StoredImport) -> Result<Import, Error> {
    let (now, import) = (services.clock.now(), &import);
    let steps = services.store.run("finish seal import", |tx| {
        Box::pin(async move {
            let counts = seal_imports::counts(tx, &import.id).await?;
            if counts.all() == import.records && seal_imports::finish(tx, &import.id, now).await? {
                let body = EventBody::SealImportFinished {
                    import: import.id.clone(),
                    imported: counts.imported.into(),
                    conflict: counts.conflict.into(),
                    rejected: counts.rejected.into(),
                };
                audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            }
            let stored = seal_imports::find(tx, &import.id).await?.unwrap_or_else(|| import.clone());
            Ok::<_, Error>(Import { stored, counts })
        })
    });
    steps.await
}

type Numbered = (u32, Result<ImportRecord, RecordRefused>);

/// Judges some records together, then keeps each by itself.
async fn take_part(
    services: &Services,
    actor: &Actor,
    id: &JobId,
    part: Vec<Numbered>,
    source: Arc<Source>,
    judge: Arc<Verification>,
) -> Result<(), Error> {
    let judging = spawn_blocking(move || {
        let ready = judge.ready();
        let judge = |(number, record): Numbered| {
            let judged = record.map_err(|refused| NotTaken::rejected(refused.code(), None));
            (number, judged.and_then(|record| examine(&source, &ready, record)))
        };
        part.into_iter().map(judge).collect::<Vec<_>>()
    });
    let mut keeping = JoinSet::new();
    for (number, judged) in judging.await.map_err(|_| Error::Interrupted)? {
        let (services, actor, id) = (services.clone(), actor.clone(), id.clone());
        keeping.spawn(async move { keep(&services, &actor, (&id, number), judged).await });
    }
    while let Some(kept) = keeping.join_next().await {
        kept.map_err(|_| Error::Interrupted)??;
    }
    Ok(())
}

/// Reads the files of a record, and judges seal and certificate as of now.
fn examine(source: &Source, ready: &Ready<'_>, record: ImportRecord) -> Result<Judged, NotTaken> {
    let read = |path: &str| (source.read)(path).map_err(|_| NotTaken::rejected("import-file-unreadable", None));
    let seal_der = read(&record.seal)?;
    let seal = SesSeal::parse_any(&seal_der).map_err(|_| NotTaken::rejected("seal-unreadable", None))?;
    let es_id = Some(seal.es_id);
    let rejected = |code: &str| NotTaken::rejected(code, es_id);
    let certificate_der = match (&record.certificate, &seal.certificates) {
        (Some(path), _) => one_certificate(read(path)?),
        (None, CertificateList::Certificates(all)) => match all.as_slice() {
            [one] => one.to_vec(),
            _ => return Err(rejected("import-certificate-needed")),
        },
        (None, CertificateList::Digests(_)) => return Err(rejected("import-certificate-needed")),
    };
    let imported = match &record.key {
        None => None,
        Some(path) => {
            let file = Secret::new(read(path)?);
            let opened = open(file.expose(), source.passphrase.as_ref()); // to be read
            Some(opened.map_err(|error| rejected(error.code()))?)
        }
    };
    let public = imported.as_ref().map(|imported| &imported.public[..]);
    let belong = taking::belong(&seal_der, &certificate_der, public);
    let (seal, _) = belong.map_err(|error| rejected(error.code()))?;
    let code = SealCode::foreign(seal.es_id).map_err(|error| rejected(error.code()))?;
    for report in [ready.judge("seal", &seal_der, None), ready.judge("certificate", &certificate_der, None)] {
        if report.indication != Indication::TotalPassed {
            return Err(rejected(&reason_of(&report)));
        }
    }
    let owner = || Owner::parse(&record.holder.name).unwrap_or_else(|_| Owner::not_recorded());
    let key =
        imported.map(|imported| (KeyAttributes::new(owner(), KeyPurpose::SealSigning, imported.algorithm), imported));
    let (name, valid_to) = (seal.name.to_owned(), seal.valid_end);
    Ok(Judged { record, key, code, name, valid_to, certificate_der, seal_der })
}

/// The deciding reason of a report, as a stable code.
fn reason_of(report: &Report) -> String {
    match (&report.error, report.signatures.first()) {
        (Some(refusal), _) => refusal.code.to_owned(),
        (None, Some(signature)) => signature.code.clone(),
        (None, None) => "no-signature".to_owned(),
    }
}

/// The certificate of a file, PEM or DER.
pub(in crate::service) fn one_certificate(file: Vec<u8>) -> Vec<u8> {
    let pem = std::str::from_utf8(&file).ok().and_then(|text| read_pem(text, "CERTIFICATE"));
    pem.and_then(|ders| ders.into_iter().next()).unwrap_or(file)
}

/// Keeps a seal and the outcome of its record, or the outcome alone, all in one transaction.
async fn keep(
    services: &Services,
    actor: &Actor,
    (id, number): (&JobId, u32),
    judged: Result<Judged, NotTaken>,
) -> Result<(), Error> {
    let now = services.clock.now();
    let (mut judged, mut tries) = (judged, 0_usize);
    if let Ok(Judged { key: Some((attributes, imported)), code, .. }) = &judged
        && let Err(error) = admit(services, attributes, imported, now).await
    {
        judged = Err(NotTaken::rejected(error.code(), Some(code.as_str())));
    }
    loop {
        let names = (&SealId::fresh(now, &*services.random)?, &KeyId::fresh(now, &*services.random)?);
        let judged_now = &judged;
        let steps = services.store.run("import seal", |tx| {
            Box::pin(async move {
                let kept = match judged_now {
                    Ok(judged) => match keep_in_tx(services, tx, (actor, id), names, judged, now).await {
                        Ok(()) => Ok(judged),
                        Err(Refused::Record(not_taken)) => Err(not_taken),
                        Err(Refused::Failed(error)) => return Err(error),
                    },
                    Err(NotTaken { outcome, code, es_id, seal }) => Err(NotTaken {
                        outcome: *outcome,
                        code: code.clone(),
                        es_id: es_id.clone(),
                        seal: seal.clone(),
                    }),
                };
                let es_id = judged_now.as_ref().ok().map(|judged| judged.code.to_string());
                let record = match kept {
                    Ok(_) => {
                        let outcome = Outcome::Imported;
                        RecordOutcome { number, outcome, code: None, es_id, seal: Some(names.0.clone()) }
                    }
                    Err(NotTaken { outcome, code, es_id: told, seal }) => {
                        RecordOutcome { number, outcome, code: Some(code), es_id: told.or(es_id), seal }
                    }
                };
                seal_imports::keep(tx, id, &record).await?;
                Ok::<_, Error>(())
            })
        });
        match steps.await {
            Err(Error::Store(store::Error::Conflict { .. })) if tries < TRIES => {
                // Another process works on the same table, or the same seal came a moment earlier.
                let after = number.saturating_sub(1);
                if outcomes(services, id, after, 1).await?.first().is_some_and(|record| record.number == number) {
                    return Ok(());
                }
                tries = tries.saturating_add(1);
                if tries == TRIES {
                    judged = Err(NotTaken::conflict("seal-exists", None));
                }
            }
            done => return done,
        }
    }
}

/// Why a transaction keeps no seal.
enum Refused {
    /// The record is not taken in; that is its outcome.
    Record(NotTaken),
    /// Nothing is known of it.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ApplicationRefused> for Refused {
    fn from(refused: ApplicationRefused) -> Self {
        let code = refused.code();
        Self::Record(match refused {
            ApplicationRefused::Single { seal, .. } | ApplicationRefused::Duplicate { seal } => {
                NotTaken::conflict(code, Some(&seal))
            }
            _ => NotTaken::rejected(code, None),
        })
    }
}

/// Nothing is written before every reason to refuse was asked.
async fn keep_in_tx(
    services: &Services,
    tx: &mut Tx<'_>,
    (actor, import): (&Actor, &JobId),
    (id, key_id): (&SealId, &KeyId),
    judged: &Judged,
    now: Timestamp,
) -> Result<(), Refused> {
    let Judged { record, seal_der, certificate_der, key, code, name, valid_to } = judged;
    let rejected = |code: &str| Refused::Record(NotTaken::rejected(code, None));
    if let Some(other) = seals::find_by_es_id(tx, code.as_str()).await? {
        let code = if other.seal_der == *seal_der { "seal-already-here" } else { "seal-code-taken" };
        return Err(Refused::Record(NotTaken::conflict(code, Some(&other.id))));
    }
    if seal_makings::is_taken(tx, code).await? {
        return Err(Refused::Record(NotTaken::conflict("seal-code-taken", None)));
    }
    let kind = services.seal_kinds.find(record.kind).ok_or(ApplicationRefused::Kind { code: record.kind })?;
    application::named(kind, &record.holder.name, name)?;
    let holder = &record.holder.credit_code;
    application::alone(kind, (holder, name), &of_holder(tx, holder).await?, None)?;
    match may_keep(tx, &record.keeper).await {
        Ok(_) => {}
        Err(error @ Error::SealKeeper) => return Err(rejected(error.code())),
        Err(error) => return Err(error.into()),
    }
    let certificate_sm3 = sm3(certificate_der);
    let known = certificates::find(tx, &certificate_sm3).await?;
    let in_use = || rejected(Error::SignerKeyInUse.code());
    let signer = match key {
        None => None,
        Some((attributes, imported)) => match keys::find_by_public_key(tx, &imported.public).await? {
            Some(before) => {
                let wanted = (KeyPurpose::SealSigning, KeyUse::Sign);
                if let Err(error) = services.keys.permitted(tx, &before.id, wanted, now).await {
                    return Err(rejected(error.code()));
                }
                // An organisation may have several seals by one certificate; a key has one certificate.
                if certificates::of_key(tx, &before.id).await?.iter().any(|row| row.sm3 != certificate_sm3) {
                    return Err(in_use());
                }
                Some(before.id)
            }
            None if known.is_some() => return Err(in_use()),
            None => {
                let kept = keep_in(tx, &services.keys, (actor, key_id), (attributes, imported), now).await;
                kept.map_err(Error::from)?;
                Some(key_id.clone())
            }
        },
    };
    match &known {
        Some(row) if signer.is_some() && row.key != signer => return Err(in_use()),
        Some(_) => {}
        None => {
            let read = Certificate::parse(certificate_der).map_err(|_| rejected("certificate-unreadable"))?;
            let row = StoredCertificate {
                sm3: certificate_sm3,
                serial: read.serial.to_vec(),
                subject: read.subject.raw().to_vec(),
                issuer: read.issuer.raw().to_vec(),
                key: signer.clone(),
                der: certificate_der.clone(),
                role: "signer".to_owned(),
                issued_at: now,
            };
            certificates::insert(tx, &row).await?;
        }
    }
    let seal = StoredSeal {
        id: id.clone(),
        es_id: code.to_string(),
        name: name.clone(),
        seal_der: seal_der.clone(),
        signer_key: signer.clone(),
        state: State::Active { since: now },
        version: 1,
    };
    seals::insert(tx, &seal).await?;
    let row = StoredSealRecord {
        seal: id.clone(),
        code: code.clone(),
        filing: record.filing.clone(),
        kind: record.kind,
        name: name.clone(),
        holder: record.holder.clone(),
        keeper: record.keeper.clone(),
        origin: SealOrigin::Import(import.clone()),
        predecessor: None,
        certificate_sm3,
        valid_to: *valid_to,
        delivery: None,
        version: 1,
    };
    seal_records::insert(tx, &row).await?;
    let kept = StoredKeeper { seal: id.clone(), keeper: record.keeper.clone(), since: now, version: 1 };
    seal_keepers::insert(tx, &kept).await?;
    let (seal, import) = (id.clone(), import.clone());
    let body = EventBody::SealImported { seal, seal_sm3: sm3(seal_der), certificate_sm3, import, signer };
    audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
    Ok(())
}
