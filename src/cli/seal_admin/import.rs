//! `yinxin seal-admin import`: many seals that were made elsewhere.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::base::csv;
use crate::base::id::SealId;
use crate::base::limits::Limits;
use crate::cli::installation::{Error, create_new};
use crate::cli::seal_admin::BY;
use crate::cli::verify::input::{CERTIFICATES, EVIDENCE, each_file};
use crate::config::verification;
use crate::domain::seal::import_table::MOST_BYTES;
use crate::service::Services;
use crate::service::keys::read_closed;
use crate::service::seal_imports::{self, Import, MOST_IN_PAGE, Source};
use crate::service::verification::{Verification, sm3_hex};
use crate::store::seal_imports::Counts;

/// The table of a folder.
const TABLE: &str = "seals.csv";
/// Octets of a seal, a certificate or a key file.
const MOST_FILE: u64 = 1 << 20;

/// What `import` is told.
#[derive(Args)]
pub(crate) struct Order {
    /// The table, CSV, or a folder with a table seals.csv; the files that it names lie beside it
    #[arg(value_name = "FOLDER|CSV")]
    from: PathBuf,
    /// Anchors of the makers and signers of the seals: a PEM or DER file, or a folder of them. May be repeated
    #[arg(long, value_name = "PATH", required = true)]
    trust: Vec<PathBuf>,
    /// Certificates between, revocation lists, OCSP answers. May be repeated
    #[arg(long, value_name = "PATH")]
    evidence: Vec<PathBuf>,
    /// Where the outcome of each record is written, CSV: a new file
    #[arg(long, value_name = "FILE")]
    results: PathBuf,
    /// A file of mode 0600 with the passphrase of the key files
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Takes the seals in, and writes what came of each record.
pub(super) async fn import(services: &Services, order: &Order) -> Result<String, Error> {
    let (table, folder) = match order.from.is_dir() {
        true => (order.from.join(TABLE), order.from.clone()),
        false => (order.from.clone(), order.from.parent().map_or_else(PathBuf::new, Path::to_owned)),
    };
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let octets = bounded(&table, most).map_err(|source| Error::File { path: table.clone(), source })?;
    // Before anything is taken in: what came of it must have its place.
    let mut results = create_new(&order.results)?;
    let read = move |path: &str| bounded(&folder.join(path), MOST_FILE);
    let passphrase = order.passphrase_file.as_deref().map(read_closed).transpose()?;
    let source = Arc::new(Source { table: octets, read: Box::new(read), passphrase });
    let judge = Arc::new(judge(services, order)?);
    let terminal = io::stderr().is_terminal();
    let told = |counts: Counts| {
        if terminal {
            // Where nobody can be told there is nothing left to do.
            let _ = write!(io::stderr(), "\r{} records have their outcome  ", counts.all());
        }
    };
    let done = seal_imports::run(services, BY, source, judge, &told).await;
    if terminal {
        let _ = writeln!(io::stderr());
    }
    let import = done?;
    write_results(services, &import, &mut results)
        .await?
        .map_err(|source| Error::File { path: order.results.clone(), source })?;
    let Import { stored, counts: Counts { imported, conflict, rejected } } = import;
    Ok(format!(
        "{}  read {} = imported {imported} + conflict {conflict} + rejected {rejected}\n",
        stored.id, stored.records
    ))
}

/// One line a record, in the order of the table.
async fn write_results(services: &Services, import: &Import, to: &mut impl io::Write) -> Result<io::Result<()>, Error> {
    let mut text = csv::record(["record", "outcome", "code", "seal_code", "seal"]);
    let mut after = 0;
    loop {
        let page = seal_imports::outcomes(services, &import.stored.id, after, MOST_IN_PAGE).await?;
        for record in &page {
            let seal = record.seal.as_ref().map_or("", SealId::as_str);
            let (code, es_id) = (record.code.as_deref(), record.es_id.as_deref());
            let fields = [record.outcome.name(), code.unwrap_or_default(), es_id.unwrap_or_default(), seal];
            text.push_str(&csv::record(std::iter::once(&record.number.to_string()[..]).chain(fields)));
        }
        match page.last() {
            Some(last) => after = last.number,
            None => return Ok(to.write_all(text.as_bytes())),
        }
    }
}

/// The built-in policy `default`, with the anchors that were named.
fn judge(services: &Services, order: &Order) -> Result<Verification, Error> {
    let policy = verification::built_in("default", &sm3_hex)?;
    let mut judge = Verification::new(policy, services.clock.now(), Limits::DEFAULT);
    for path in &order.trust {
        each_file(path, CERTIFICATES, |octets, origin| Ok(judge.add_anchors(octets, origin)?))?;
    }
    for path in &order.evidence {
        each_file(path, EVIDENCE, |octets, origin| Ok(judge.add_evidence(octets, origin)?))?;
    }
    Ok(judge)
}

/// A file of at most that many octets.
fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    fs::File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    match u64::try_from(octets.len()) {
        Ok(length) if length <= most => Ok(octets),
        _ => Err(io::Error::other("larger than such a file can be")),
    }
}
