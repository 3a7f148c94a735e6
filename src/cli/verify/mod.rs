//! `yinxin verify`: judges files by given anchors and a policy, without any network but where `--fetch` asks for it.

mod evidence;
pub(crate) mod input;
mod report;
pub(crate) mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

pub(crate) use input::certificates_in;

use crate::base::clock::{Clock as _, SystemClock, Timestamp};
use crate::base::limits::Limits;
use crate::cli::console::{Console, error_line, json_shown};
use crate::cli::exit::{Outcome, over_all};
use crate::cli::fetching;
use crate::cli::log::{KeyError, log_keys, log_witnesses};
use crate::cli::verify::evidence::Bundle;
use crate::cli::verify::input::{Content, read_bounded};
use crate::config::algorithms::{self, AlgorithmPolicyError};
use crate::config::verification::{BUILT_IN, PolicyError, parse};
use crate::domain::verify::{Original, OriginalDigest, Policy, Refusal, Report};
use crate::http::pages::report::StandaloneError;
use crate::service::gathering::{Appetite, NotHad};
use crate::service::outside::status::Bounds;
use crate::service::verification::{self, Ready, Verification, sm3_hex};

/// Judges the seals and signatures of files
///
/// Answers for each signature: is the file intact, is the value right, whose seal is it, may it be trusted, when was it
/// made, and what does it protect. Nothing is trusted but the anchors that --trust names.
///
/// Exit code over all files, first that applies: 64 usage, 70 internal error, 66 unreadable file, 4 refused (format,
/// limits), 1 some TOTAL_FAILED, 2 some INDETERMINATE, 3 some without any signature, 0 every file signed and passed.
#[derive(Args)]
pub(crate) struct Arguments {
    /// OFD files and seals; or one SES signature value, with --original
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Anchors: a PEM or DER file, a folder of .pem, .crt, .cer and .der files, a trust list or bundle. May be repeated
    #[arg(long, value_name = "PATH")]
    trust: Vec<PathBuf>,

    /// What may help: certificates that may stand between, revocation lists, OCSP answers, time stamps, proofs and
    /// receipts of logs. A PEM, DER, tlog-proof or receipt file, or a folder. May be repeated
    #[arg(long, value_name = "PATH")]
    evidence: Vec<PathBuf>,

    /// A verifier key of a log, or a file with such keys, one a line: what is judged should be in it. May be repeated
    #[arg(long, value_name = "KEY|FILE")]
    log_key: Vec<String>,

    /// A verifier key of a witness, or a file with such keys: the time that it wrote beside a log's checkpoint counts. May be repeated
    #[arg(long, value_name = "KEY|FILE")]
    log_witness: Vec<String>,

    /// The document that a detached signature signs
    #[arg(long, value_name = "FILE")]
    original: Option<PathBuf>,

    /// The digest of that document instead, where it is enough: sm3, sha256, sha384, sha512 or sm2-e, a colon, hexadecimal
    #[arg(long, value_name = "NAME:HEX", value_parser = OriginalDigest::parse, conflicts_with = "original")]
    original_digest: Option<OriginalDigest>,

    /// Judge as of this moment instead of now; proves nothing about when a signature was made
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    at: Option<Timestamp>,

    /// default, strict, archive, lenient-field, or a file whose name ends in .toml
    #[arg(long, value_name = "NAME", default_value = "default")]
    policy: String,

    /// Another algorithm policy than the built-in one: a TOML file of the shape of policies/algorithms.toml
    #[arg(long, value_name = "FILE")]
    algorithms: Option<PathBuf>,

    /// Print one JSON object for each file, one on a line, in the order of the arguments
    #[arg(long)]
    json: bool,

    /// Fetch nothing, as without --fetch
    #[arg(long)]
    offline: bool,

    /// Fetch revocation lists and OCSP answers for certificates that lead to an anchor, from the hosts that the trust list
    /// of the anchor names and from nobody else
    #[arg(long, conflicts_with = "offline")]
    fetch: bool,

    /// With --fetch: fetch certificates of missing issuers too (caIssuers), from the hosts that any trust list names
    #[arg(long, requires = "fetch")]
    fetch_issuers: bool,

    /// Authorities by which servers of https must be known: a PEM file. Without any, only http is fetched. May be repeated
    #[arg(long, value_name = "FILE", requires = "fetch")]
    https_anchors: Vec<PathBuf>,

    /// Save reports, evidence and policies, so that the judgement can be repeated. Overwrites nothing
    #[arg(long, value_name = "DIR")]
    save_evidence: Option<PathBuf>,

    #[command(flatten)]
    report: report::Order,
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--original goes with one FILE, but {count} are given")]
    OriginalOfMany { count: usize },
    #[error("{path} cannot be read")]
    Unreadable { path: String, source: io::Error },
    #[error("{path} is larger than the {limit} bytes that are taken here")]
    TooLarge { path: String, limit: usize },
    #[error("the folder {path} holds no file that ends in .{endings}")]
    EmptyFolder { path: String, endings: String },
    #[error("the policy {path} is not UTF-8 text")]
    PolicyNotText { path: String },
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Algorithms(#[from] AlgorithmPolicyError),
    #[error(transparent)]
    Evidence(#[from] verification::Error),
    #[error(transparent)]
    LogKey(#[from] KeyError),
    #[error(transparent)]
    Fetching(#[from] fetching::Error),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error("a report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("--report goes with one FILE, but {count} are given")]
    ReportOfMany { count: usize },
    #[error("--report-seal goes with --report ofd")]
    ReportNotSealed,
    #[error("{path} exists already, and reports are never overwritten")]
    ReportExists { path: String },
    #[error("the report {path} cannot be written")]
    ReportNotWritten { path: String, source: io::Error },
    #[error(transparent)]
    Page(#[from] StandaloneError),
}

impl Error {
    const fn code(&self) -> &'static str {
        match self {
            Self::OriginalOfMany { .. } => "original-with-many-files",
            Self::Unreadable { .. } => "file-unreadable",
            Self::TooLarge { .. } => "evidence-too-large",
            Self::EmptyFolder { .. } => "folder-empty",
            Self::Algorithms(AlgorithmPolicyError::Contradiction { .. }) => "policy-contradiction",
            Self::PolicyNotText { .. } | Self::Policy(PolicyError::Malformed { .. }) | Self::Algorithms(_) => {
                "policy-malformed"
            }
            Self::Policy(PolicyError::Unknown { .. }) => "policy-unknown",
            Self::Policy(_) => "policy-tolerance",
            Self::Evidence(error) => error.code(),
            Self::ReportOfMany { .. } => "report-of-many-files",
            Self::ReportNotSealed => "report-not-sealed",
            Self::ReportExists { .. } => "report-exists",
            Self::ReportNotWritten { .. } => "report-not-written",
            Self::LogKey(error) => error.code(),
            Self::Fetching(error) => error.code(),
            Self::Runtime(_) | Self::Json(_) | Self::Page(_) => "internal-error",
        }
    }

    const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable { .. } => Outcome::Unreadable,
            Self::LogKey(error) => error.outcome(),
            Self::Json(_)
            | Self::Page(_)
            | Self::Runtime(_)
            | Self::ReportNotWritten { .. }
            | Self::Evidence(verification::Error::Write { .. }) => Outcome::Internal,
            _ => Outcome::Usage,
        }
    }
}

/// Judges the files.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    judge_all(arguments, console).unwrap_or_else(|error| {
        console.complain(&error_line(&error, error.code()));
        error.outcome()
    })
}

fn judge_all(arguments: &Arguments, console: &mut Console) -> Result<Outcome, Error> {
    if (arguments.original.is_some() || arguments.original_digest.is_some()) && arguments.files.len() > 1 {
        return Err(Error::OriginalOfMany { count: arguments.files.len() });
    }
    let wanted_report = arguments.report.wanted(arguments.files.len())?;
    let policy_text = policy_text(&arguments.policy)?;
    let algorithms = algorithm_policy(arguments.algorithms.as_deref())?;
    let policy = Policy {
        algorithms: Arc::new(algorithms::parse(&algorithms.text, &algorithms.origin, &sm3_hex)?),
        ..parse(&policy_text, &arguments.policy, &sm3_hex)?
    };
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    let mut verification = Verification::new(policy, now, Limits::DEFAULT);
    for path in &arguments.trust {
        input::each_file(path, input::CERTIFICATES, |bytes, origin| Ok(verification.add_anchors(bytes, origin)?))?;
    }
    for path in &arguments.evidence {
        input::each_file(path, input::EVIDENCE, |bytes, origin| Ok(verification.add_evidence(bytes, origin)?))?;
    }
    log_keys(&arguments.log_key)?.into_iter().for_each(|key| verification.add_log_key(key));
    log_witnesses(&arguments.log_witness)?.into_iter().for_each(|key| verification.add_log_key(key));
    let folder = arguments.save_evidence.as_deref();
    let mut bundle = folder.map(|folder| Bundle::open(folder, &arguments.files)).transpose()?;
    let original = match (arguments.original.as_deref(), &arguments.original_digest) {
        (Some(path), _) => Some(Signed::Document(path, read_bounded(path, Limits::DEFAULT.file_bytes))),
        (None, digest) => digest.as_ref().map(Signed::Digest),
    };

    if arguments.fetch {
        fetch_all(arguments, &mut verification, original.as_ref(), console)?;
    }
    let ready = verification.ready();
    let mut reports = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        let content = read_bounded(path, Limits::DEFAULT.file_bytes);
        let (report, outcome) = judge_one((&verification, &ready), path, &content, original.as_ref());
        if let (Outcome::Unreadable, Some(error)) = (outcome, &report.error) {
            console.complain(&format!("error: {} ({})", error.detail, error.code));
        }
        let json = if arguments.json || bundle.is_some() {
            format!("{}\n", json_shown(&serde_json::to_string(&report)?))
        } else {
            String::new()
        };
        if arguments.json {
            console.print(&json);
        } else {
            let gap = if reports.is_empty() { "" } else { "\n" };
            console.print(&format!("{gap}{}", text::report(&report, console.colour())));
        }
        if let Some(bundle) = &mut bundle {
            bundle.add(&report.file, whole(&content), json);
        }
        let written = match wanted_report {
            Some(wanted) => wanted.write(&report, whole(&content), console)?,
            None => Outcome::Passed,
        };
        reports.push((report.indication, outcome.min(written)));
    }
    if !arguments.json && reports.len() > 1 {
        console.print(&text::tally(reports.iter().map(|(indication, _)| *indication)));
    }
    if let Some(bundle) = bundle {
        bundle.save(&verification, (&policy_text, &algorithms.text), original.as_ref())?;
    }
    Ok(over_all(reports.into_iter().map(|(_, outcome)| outcome)))
}

/// Fetches what the judgements of all files lack, before any of them is judged: so each report rests on the evidence that
/// is saved.
fn fetch_all(
    arguments: &Arguments,
    verification: &mut Verification,
    original: Option<&Signed<'_>>,
    console: &mut Console,
) -> Result<(), Error> {
    let fetcher = fetching::fetcher(&arguments.https_anchors, Bounds::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let original = match original {
        Some(Signed::Digest(digest)) => Some(Original::Digest(digest)),
        Some(Signed::Document(_, Ok(Content::Whole(original)))) => Some(Original::Bytes(original)),
        Some(Signed::Document(_, _)) => return Ok(()),
        None => None,
    };
    let appetite = Appetite { issuers: arguments.fetch_issuers, ..Appetite::default() };
    for path in &arguments.files {
        if let Ok(Content::Whole(bytes)) = read_bounded(path, Limits::DEFAULT.file_bytes) {
            let file = path.to_string_lossy();
            let gather = verification.gather(&fetcher, appetite, (&file, &bytes, original));
            for NotHad { address, error } in runtime.block_on(gather) {
                console.complain(&error_line(&*error, error.code()).replacen(
                    "error",
                    &format!("{address} is not fetched"),
                    1,
                ));
            }
        }
    }
    // What was fetched is younger than the moment at which we began.
    if arguments.at.is_none() {
        verification.set_now(SystemClock.now());
    }
    Ok(())
}

/// The text of a built-in policy, or of a file.
fn policy_text(name: &str) -> Result<String, Error> {
    if !name.ends_with(".toml") {
        let known = BUILT_IN.iter().find(|(known, _)| *known == name);
        let unknown = || PolicyError::Unknown { name: name.chars().take(64).collect() };
        return Ok(known.map(|(_, text)| (*text).to_owned()).ok_or_else(unknown)?);
    }
    read_text(Path::new(name))
}

/// An algorithm policy that is not read yet.
struct AlgorithmText {
    text: String,
    origin: String,
}

/// The text of the algorithm policy: the file's, else the built-in one's.
fn algorithm_policy(path: Option<&Path>) -> Result<AlgorithmText, Error> {
    match path {
        Some(path) => Ok(AlgorithmText { text: read_text(path)?, origin: path.display().to_string() }),
        None => Ok(AlgorithmText { text: algorithms::BUILT_IN.to_owned(), origin: "built in".to_owned() }),
    }
}

/// The text of a policy's file.
fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = input::read_small(path)?;
    String::from_utf8(bytes).map_err(|_| Error::PolicyNotText { path: path.display().to_string() })
}

fn whole(content: &io::Result<Content>) -> Option<&[u8]> {
    match content {
        Ok(Content::Whole(bytes)) => Some(bytes),
        _ => None,
    }
}

/// What is told of the document of a detached signature.
enum Signed<'a> {
    Document(&'a Path, io::Result<Content>),
    Digest(&'a OriginalDigest),
}

/// The report on one file, and what it comes to.
fn judge_one(
    (verification, ready): (&Verification, &Ready<'_>),
    path: &Path,
    content: &io::Result<Content>,
    original: Option<&Signed<'_>>,
) -> (Report, Outcome) {
    let file = path.to_string_lossy();
    let refused = |head: &[u8], refusal| verification.refuse(&file, head, refusal);
    let bytes = match content {
        Ok(Content::Whole(bytes)) => bytes,
        Ok(Content::TooLarge { head, bytes }) => {
            return (refused(head, too_large("file-too-large", "the file", *bytes)), Outcome::Refused);
        }
        Err(error) => return (refused(&[], unreadable("file-unreadable", path, error)), Outcome::Unreadable),
    };
    let original = match original {
        None => None,
        Some(Signed::Digest(digest)) => Some(Original::Digest(digest)),
        Some(Signed::Document(_, Ok(Content::Whole(original)))) => Some(Original::Bytes(original)),
        Some(Signed::Document(_, Ok(Content::TooLarge { bytes: size, .. }))) => {
            return (refused(bytes, too_large("original-too-large", "the original", *size)), Outcome::Refused);
        }
        Some(Signed::Document(path, Err(error))) => {
            return (refused(bytes, unreadable("original-unreadable", path, error)), Outcome::Unreadable);
        }
    };
    let mut report = ready.judge_over(&file, bytes, original);
    report.document_sm3 = Some(sm3_hex(bytes));
    report.original_sm3 = original.and_then(Original::bytes).map(sm3_hex);
    let outcome = Outcome::of(report.indication);
    (report, outcome)
}

fn too_large(code: &'static str, what: &str, bytes: Option<u64>) -> Refusal {
    let limit = Limits::DEFAULT.file_bytes;
    let size = bytes.map_or_else(|| format!("more than {limit}"), |bytes| bytes.to_string());
    let detail = format!("{what} has {size} bytes, the limit is {limit}");
    Refusal { code, clause: "limits", detail, part: None }
}

fn unreadable(code: &'static str, path: &Path, error: &io::Error) -> Refusal {
    let detail = format!("{} cannot be read: {error}", path.display());
    Refusal { code, clause: "product 1", detail, part: None }
}
