//! Trust lists as files.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::json;

use crate::base::clock::{Clock as _, SystemClock, Timestamp};
use crate::base::random::SystemRandom;
use crate::base::secret::Secret;
use crate::cli::console::shown;
use crate::cli::installation::write_new;
use crate::cli::trust::{Error, read};
use crate::config::algorithms;
use crate::config::trust_list::{self, Draft, DraftAnchor, DraftSigner, Expiry};
use crate::domain::trust::list::{fingerprint as on_paper, is_fingerprint};
use crate::domain::trust::list_diff::{ListChange, anchor_words, diff as compare, list_words};
use crate::domain::trust::{
    CheckedList, Introduction, ListSigner, ListedAnchor, ListedList, SignedTrustList, TrustList,
};
use crate::service;
use crate::service::inventory::hexadecimal;
use crate::service::keys::read_closed;
use crate::service::registration::evidence_sm3;
use crate::service::trust_files;
use crate::service::verification::sm3_hex;

/// What `make` is told.
#[derive(Args)]
pub(crate) struct Make {
    /// The draft, TOML; files that it names lie beside it
    #[arg(value_name = "DRAFT")]
    draft: PathBuf,
    /// Where to write the list
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What `sign` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("by").required(true).multiple(false))]
pub(crate) struct Sign {
    /// The list
    #[arg(value_name = "LIST")]
    list: PathBuf,
    /// The signer's private key of SM2 or P-256: PKCS#8, SEC1 or PKCS#12
    #[arg(long, value_name = "FILE", group = "by")]
    key: Option<PathBuf>,
    /// The passphrase of that file, in a file of mode 0600
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
    /// Write the octets that the signer signs elsewhere to this new file
    #[arg(long, value_name = "FILE", group = "by", requires = "signer")]
    to_sign: Option<PathBuf>,
    /// A signature that was made elsewhere over what --to-sign wrote, DER or r and s
    #[arg(long, value_name = "FILE", group = "by", requires_all = ["signer", "out"])]
    signature: Option<PathBuf>,
    /// The signer's certificate or public key, PEM or DER
    #[arg(long, value_name = "FILE")]
    signer: Option<PathBuf>,
    /// Where to write the signed list
    #[arg(long, value_name = "FILE", required_unless_present = "to_sign")]
    out: Option<PathBuf>,
}

/// What `show` is told.
#[derive(Args)]
pub(crate) struct Show {
    /// The list
    #[arg(value_name = "LIST")]
    list: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `check` is told.
#[derive(Args)]
pub(crate) struct Check {
    /// The list
    #[arg(value_name = "LIST")]
    list: PathBuf,
    /// The version before it
    #[arg(long, value_name = "LIST")]
    previous: Option<PathBuf>,
    /// A list above it. May be repeated
    #[arg(long, value_name = "LIST")]
    above: Vec<PathBuf>,
    /// The fingerprint from paper
    #[arg(long, value_name = "DIGITS")]
    fingerprint: Option<String>,
    /// Check as of this moment instead of now
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    at: Option<Timestamp>,
}

/// What `diff` is told.
#[derive(Args)]
pub(crate) struct Diff {
    /// The version before
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The version after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print one JSON object for each change
    #[arg(long)]
    json: bool,
}

/// What `fingerprint` is told.
#[derive(Args)]
pub(crate) struct Fingerprint {
    /// The list
    #[arg(value_name = "LIST")]
    list: PathBuf,
}

/// What `bundle` is told.
#[derive(Args)]
pub(crate) struct Bundle {
    /// Signed lists
    #[arg(value_name = "LIST", required = true)]
    lists: Vec<PathBuf>,
    /// Certificates that are no anchors, PEM or DER. May be repeated
    #[arg(long, value_name = "FILE")]
    certificates: Vec<PathBuf>,
    /// Revocation lists, PEM or DER. May be repeated
    #[arg(long, value_name = "FILE")]
    crls: Vec<PathBuf>,
    /// Where to write the bundle
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn octets(path: &Path) -> Result<Vec<u8>, Error> {
    read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}

fn in_file<T>(path: &Path, done: Result<T, service::Error>) -> Result<T, Error> {
    done.map_err(|source| Error::InFile { path: path.to_owned(), source: source.into() })
}

fn open(path: &Path) -> Result<SignedTrustList, Error> {
    in_file(path, trust_files::open(&octets(path)?))
}

pub(super) fn make(order: &Make) -> Result<String, Error> {
    let text = String::from_utf8(octets(&order.draft)?);
    let draft = trust_list::parse(&text.map_err(|_| Error::NotText { path: order.draft.clone() })?)?;
    let folder = order.draft.parent().unwrap_or(Path::new(""));
    let file = trust_files::make(drafted(draft, folder)?)?;
    write_new(&order.out, &file)?;
    Ok(format!("{}\n", on_paper(&evidence_sm3(trust_files::open(&file)?.payload()))))
}

fn drafted(draft: Draft, folder: &Path) -> Result<TrustList, Error> {
    let issued = draft.issued.unwrap_or_else(|| SystemClock.now());
    let signers = |signers: Vec<DraftSigner>| {
        let signer = |signer: DraftSigner| {
            let path = folder.join(&signer.file);
            Ok(ListSigner { key: in_file(&path, trust_files::signer_key(&octets(&path)?))?, name: signer.name })
        };
        signers.into_iter().map(signer).collect::<Result<Vec<_>, Error>>()
    };
    let anchor = |anchor: DraftAnchor| {
        let path = folder.join(&anchor.file);
        let DraftAnchor { name, regions, from, until, signer_id, status, logs, mut uses, .. } = anchor;
        uses.sort_unstable();
        let certificate = in_file(&path, trust_files::one_certificate(&octets(&path)?))?;
        Ok::<_, Error>(ListedAnchor { certificate, from, logs, name, regions, signer_id, status, until, uses })
    };
    let mut lists = Vec::new();
    for list in draft.lists {
        let mut uses = list.uses;
        uses.sort_unstable();
        lists.push(ListedList {
            address: list.address,
            name: list.name,
            regions: list.regions,
            signers: signers(list.signers)?,
            threshold: list.threshold,
            uses,
        });
    }
    Ok(TrustList {
        anchors: draft.anchors.into_iter().map(anchor).collect::<Result<_, _>>()?,
        expires: match draft.expires {
            Expiry::At(at) => at,
            Expiry::Days(days) => issued.plus_days(days),
        },
        issued,
        lists,
        name: draft.name,
        number: draft.number,
        operator: draft.operator,
        signers: signers(draft.signers)?,
        threshold: draft.threshold,
        version: TrustList::VERSION,
    })
}

pub(super) fn sign(order: &Sign) -> Result<String, Error> {
    let list = open(&order.list)?;
    let key = match &order.signer {
        Some(path) => Some(in_file(path, trust_files::signer_key(&octets(path)?))?),
        None => None,
    };
    if let (Some(out), Some(key)) = (&order.to_sign, &key) {
        write_new(out, &trust_files::to_sign(&list, key)?)?;
        return Ok(format!("{}\n", out.display()));
    }
    let signed = match (&order.key, &order.signature, &key) {
        (Some(path), ..) => {
            let file = Secret::new(octets(path)?);
            let closed = |path: &PathBuf| read_closed(path).map_err(service::Error::from);
            let passphrase = order.passphrase_file.as_ref().map(closed).transpose()?;
            in_file(path, trust_files::sign(list, &file, passphrase.as_ref(), &SystemRandom))?
        }
        (None, Some(path), Some(key)) => in_file(path, trust_files::attach(list, key, &octets(path)?))?,
        // The argument parser wants one of them.
        _ => list,
    };
    if let Some(out) = &order.out {
        write_new(out, &signed.to_json())?;
    }
    Ok(format!("{} of {} signatures\n", signed.signatures().len(), signed.list().threshold))
}

pub(super) fn show(order: &Show) -> Result<String, Error> {
    let signed = open(&order.list)?;
    let (list, sm3) = (signed.list(), evidence_sm3(signed.payload()));
    if order.json {
        let signers = signed.signatures().iter().map(|signature| hexadecimal(&signature.key_sm3));
        let facts = json!({
            "fingerprint": hexadecimal(&sm3), "list": list, "signatures_by": signers.collect::<Vec<_>>(),
        });
        return Ok(format!("{facts}\n"));
    }
    let mut text = format!("{} number {}  {}\n", list.name, list.number, shown(&list.operator));
    text.push_str(&format!(
        "fingerprint  {}\nissued       {}\nexpires      {}\n",
        on_paper(&sm3),
        list.issued,
        list.expires
    ));
    for signer in &list.signers {
        let id = evidence_sm3(&signer.key);
        let by = signed.signatures().iter().any(|signature| signature.key_sm3 == id);
        let mark = if by { "signature is there, not checked" } else { "no signature" };
        text.push_str(&format!("signer       {}  {}  {mark}\n", hexadecimal(&id), shown(&signer.name)));
    }
    text.push_str(&format!("threshold    {}\n", list.threshold));
    for anchor in &list.anchors {
        text.push_str(&format!("anchor       {}  {}\n", sm3_hex(&anchor.certificate), shown(&anchor_words(anchor))));
    }
    for below in &list.lists {
        text.push_str(&format!("list         {}\n", shown(&list_words(below))));
    }
    Ok(text)
}

fn checked(path: &Path, now: Timestamp) -> Result<CheckedList, Error> {
    let policy = algorithms::parse(algorithms::BUILT_IN, "built in", &sm3_hex)?;
    let mut lists = in_file(path, trust_files::check(&octets(path)?, &policy, now))?;
    match (lists.pop(), lists.len()) {
        (Some(one), 0) => Ok(one),
        (last, more) => Err(Error::NotOneList { path: path.to_owned(), count: more + usize::from(last.is_some()) }),
    }
}

pub(super) fn check(order: &Check) -> Result<String, Error> {
    let now = order.at.unwrap_or_else(|| SystemClock.now());
    let list = checked(&order.list, now)?;
    let refused = |error| service::Error::from(error);
    list.in_force(now).map_err(refused)?;
    if order.fingerprint.as_ref().is_some_and(|typed| !is_fingerprint(typed, list.sm3())) {
        return Err(service::Error::from(crate::domain::ca::trust_list::ListStepRefused::FingerprintDiffers).into());
    }
    let previous = order.previous.as_deref().map(|path| checked(path, now)).transpose()?;
    let above = order.above.iter().map(|path| checked(path, now)).collect::<Result<Vec<_>, _>>()?;
    for above in &above {
        above.in_force(now).map_err(refused)?;
    }
    let by = match list.introduced(previous.as_ref(), &above.iter().collect::<Vec<_>>()).map_err(refused)? {
        Introduction::Paper if order.fingerprint.is_some() => "the fingerprint from paper".to_owned(),
        Introduction::Paper => "nobody: compare the fingerprint with paper".to_owned(),
        Introduction::Predecessor => "the version before".to_owned(),
        Introduction::Above { list } => format!("the list {list}"),
    };
    let named = list.named();
    Ok(format!(
        "{} number {}  signatures right, counts until {}\nfingerprint    {}\nintroduced by  {by}\n",
        named.name,
        named.number,
        list.list().expires,
        on_paper(list.sm3())
    ))
}

pub(super) fn diff(order: &Diff) -> Result<String, Error> {
    let (old, new) = (open(&order.old)?, open(&order.new)?);
    Ok(changes(&compare(Some(old.list()), new.list()), order.json))
}

/// Changes, one on a line.
pub(super) fn changes(all: &[ListChange], json: bool) -> String {
    let line = |change: &ListChange| {
        if json {
            return format!("{}\n", serde_json::to_string(change).unwrap_or_default());
        }
        let id = change.id.as_ref().map_or_else(String::new, |id| format!("  {id}"));
        format!("{:<8} {}{id}  {}\n", change.what, change.of, shown(&change.detail))
    };
    all.iter().map(line).collect()
}

pub(super) fn fingerprint(order: &Fingerprint) -> Result<String, Error> {
    let signed = open(&order.list)?;
    let (list, sm3) = (signed.list(), evidence_sm3(signed.payload()));
    Ok(format!("{} number {}\n{}\n", list.name, list.number, on_paper(&sm3)))
}

pub(super) fn bundle(order: &Bundle) -> Result<String, Error> {
    let lists = order.lists.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let (mut certificates, mut crls) = (Vec::new(), Vec::new());
    for path in &order.certificates {
        certificates.extend(in_file(path, trust_files::certificates(&octets(path)?))?);
    }
    for path in &order.crls {
        crls.extend(trust_files::crls(&octets(path)?));
    }
    let said = format!("{} lists, {} certificates, {} revocation lists\n", lists.len(), certificates.len(), crls.len());
    write_new(&order.out, &trust_files::bundle(lists, certificates, crls)?)?;
    Ok(said)
}
