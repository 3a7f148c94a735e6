//! The axis *logged*: whether a log, by a key that is known from elsewhere, holds the event of what is judged (C2SP
//! tlog-proof, docs/audit-log.md).
//!
//! A stolen key signs whatever its thief wants, but not into a log that others watch. A proof counts when a known key of
//! its log signed the checkpoint, the entry of its event and salt is included, and the event names what is judged. A proof
//! that is wrong proves nothing, and harms nothing: who brings it may have made it.
//!
//! A receipt is the log's promise that it will hold the event. It is told while the moment before which that must be is ahead,
//! and proves nothing behind it: then there is a proof, or the log broke its word.
//!
//! A proof also proves *when* (EN 319 102-1 5.4: proof of existence), where the policy lets it: by the time that witnesses
//! wrote beside their cosignatures of its checkpoint (C2SP tlog-cosignature). What the log itself says of time proves none: who
//! stole its key writes what is wished. A checkpoint is no younger than its cosignatures and holds all its leaves, so each leaf
//! existed by then. The policy says how many known witnesses must have cosigned; of theirs the latest time counts, so that none
//! of them alone dates a leaf back. Which cosignatures a proof shows its bearer chooses: whoever asks for one witness trusts that one.
//!
//! Who is asked for a proof: everything, where the caller names keys of logs; else what leads to an anchor of which its trust
//! list says in which logs must be what is issued below it, by these keys and for nothing below other anchors.

use crate::base::clock::Timestamp;
use crate::crypto::sm3::sm3;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::promise::{Promise, PromiseError};
use crate::domain::audit::tree::{TreeHash, verify_inclusion};
use crate::domain::audit::{EncodingError, Entry, EntryError, EventBody, LoggedEvent};
use crate::domain::trust::{SignatureUsed, Use};
use crate::domain::verify::Ground;
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::policy::{Promised, Unlogged};
use crate::domain::verify::report::{Axis, SignatureReport, Status, Warning};
use crate::domain::verify::signer::ProvedTime;
use crate::format::tlog::{self, LogProof, Note, Receipt};

/// Octets of a salt, which stands before the event.
const SALT: usize = 32;

/// Proofs and receipts of one judgement: a package has 64 signatures at most, each with its own proofs and those of its seal,
/// by both trees.
pub const MOST_LOG_PROOFS: usize = 256;

/// Why a proof was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofRefused {
    /// Not of the form.
    #[error(transparent)]
    Format(#[from] tlog::Error),
    /// It opens nothing: no salt and event stand in its extra line.
    #[error("the proof does not open its entry: its extra line holds no salt and event (docs/audit-log.md)")]
    NotOpened,
    /// A receipt whose note promises nothing.
    #[error("the note of the receipt is no promise of a log")]
    Promise(#[from] PromiseError),
    /// What stands there is no event.
    #[error("the extra line of the proof holds no event")]
    Event(#[from] EncodingError),
    /// The event has no entry.
    #[error("the event of the proof has no entry")]
    Entry(#[from] EntryError),
    /// Too many.
    #[error("there are more than {limit} proofs of logs")]
    TooMany {
        /// How many are taken.
        limit: usize,
    },
}

/// A proof or a receipt as it arrived, with the event that it opens. Who signed it is judged where it is used.
#[derive(Debug, Clone)]
pub struct Opened<'a> {
    word: Word<'a>,
    event: LoggedEvent,
    entry: Entry,
}

/// What a log said of an entry.
#[derive(Debug, Clone)]
enum Word<'a> {
    /// That it is in its tree.
    Proof(LogProof<'a>),
    /// That it will be.
    Promise(Note<'a>, Promise),
}

impl<'a> Opened<'a> {
    /// Reads a proof whose extra octets are the salt and the event.
    ///
    /// # Errors
    /// [`LogProofRefused`], each but `Promise` and `TooMany`.
    pub fn parse(octets: &'a [u8]) -> Result<Self, LogProofRefused> {
        let mut proof = LogProof::parse(octets)?;
        let extra = proof.extra.take();
        Self::by(Word::Proof(proof), extra.as_deref())
    }

    /// Reads a receipt with its opening.
    ///
    /// # Errors
    /// [`LogProofRefused`], each but `TooMany`.
    pub fn of_receipt(octets: &'a [u8]) -> Result<Self, LogProofRefused> {
        let Receipt { note, extra } = Receipt::parse(octets)?;
        let promise = Promise::parse(note.text)?;
        Self::by(Word::Promise(note, promise), extra.as_deref())
    }

    fn by(word: Word<'a>, extra: Option<&[u8]>) -> Result<Self, LogProofRefused> {
        let opening = extra.and_then(<[u8]>::split_first_chunk::<SALT>);
        let (salt, event) = opening.ok_or(LogProofRefused::NotOpened)?;
        let (entry, event) = (Entry::of_der(event, salt), LoggedEvent::from_der(event)?);
        Ok(Self { entry: entry?, event, word })
    }

    /// What it comes to by one of those keys, of logs and of witnesses, at that moment.
    fn judge(&self, keys: &[Verifier], now: Timestamp) -> Judged {
        let origin = match &self.word {
            Word::Proof(proof) => proof.checkpoint.origin,
            Word::Promise(_, promise) => &promise.origin,
        };
        let of_log = |key: &&Verifier| key.name() == origin && !key.is_witness();
        let own: Vec<Verifier> = keys.iter().filter(of_log).cloned().collect();
        let witnesses: Vec<Verifier> = keys.iter().filter(|key| key.is_witness()).cloned().collect();
        match &self.word {
            Word::Proof(proof) => self.judge_proof(proof, &own, &witnesses),
            Word::Promise(note, promise) => self.judge_promise((note, promise), &own, now),
        }
    }

    fn judge_proof(&self, proof: &LogProof<'a>, own: &[Verifier], witnesses: &[Verifier]) -> Judged {
        let (origin, size) = (proof.checkpoint.origin, proof.checkpoint.size);
        let wrong = |why: String| Judged::Wrong { detail: format!("the proof of log {origin} is wrong: {why}") };
        let verified = match verify_checkpoint(&proof.note, origin, own, witnesses) {
            Ok(verified) => verified,
            Err(CheckpointError::NotSigned) => return Judged::Unknown { origin: origin.to_owned() },
            Err(refused) => return wrong(refused.to_string()),
        };
        let Some(tree) = TreeHash::ALL.into_iter().find(|tree| origin.ends_with(&format!("/{tree}"))) else {
            return wrong("the origin does not name the hash of its tree".to_owned());
        };
        let leaf = tree.leaf(&self.entry.to_octets());
        let index = proof.index;
        match verify_inclusion(tree, &leaf, index, size, &proof.hashes, verified.root()) {
            Ok(()) => {
                let seen = verified.cosignatures().iter();
                let seen = seen.map(|seen| (seen.name.clone(), seen.timestamp)).collect();
                Judged::Right(Place { origin: origin.to_owned(), index, size, seen })
            }
            Err(refused) => wrong(refused.to_string()),
        }
    }

    fn judge_promise(&self, (note, promise): (&Note<'a>, &Promise), own: &[Verifier], now: Timestamp) -> Judged {
        let origin = &promise.origin;
        let wrong = |why: &str| Judged::Wrong { detail: format!("the receipt of log {origin} is wrong: {why}") };
        match Promise::verified(note, own) {
            Err(PromiseError::Signature(CheckpointError::NotSigned)) => Judged::Unknown { origin: origin.clone() },
            Err(refused) => wrong(&refused.to_string()),
            Ok(promise) if promise.entry != self.entry => wrong("its salt and event are not those of the entry"),
            Ok(promise) if now < promise.before => Judged::Promised(promise),
            Ok(promise) => Judged::Unredeemed(promise),
        }
    }
}

/// Where an event stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    origin: String,
    index: u64,
    size: u64,
    /// The known witnesses of its checkpoint, each with the time that it wrote there.
    seen: Vec<(String, u64)>,
}

impl Place {
    /// The latest time of so many witnesses, by different names, and their names.
    fn seen_by(&self, least: usize) -> Option<(Timestamp, Vec<&str>)> {
        let mut names = self.seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        if least == 0 || names.len() < least {
            return None;
        }
        let latest = self.seen.iter().map(|(_, at)| *at).max()?;
        Some((Timestamp::from_unix(i64::try_from(latest).ok()?), names))
    }
}

/// What a proof comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Judged {
    Right(Place),
    Promised(Promise),
    Wrong {
        detail: String,
    },
    /// The moment before which the promise had to be kept is past.
    Unredeemed(Promise),
    Unknown {
        origin: String,
    },
}

impl Judged {
    /// Less is better.
    const fn rank(&self) -> u8 {
        match self {
            Self::Right(_) => 0,
            Self::Promised(_) => 1,
            Self::Wrong { .. } => 2,
            Self::Unredeemed(_) => 3,
            Self::Unknown { .. } => 4,
        }
    }
}

/// What is judged, as logs know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::verify) enum Thing {
    /// A signature of any kind: SM3 of its value's octets; of a signature with a seal, of the whole structure.
    Signature,
    /// A seal.
    Seal,
    /// A certificate.
    Certificate,
    /// A time stamp: its token.
    TimeStamp,
    /// A revocation list.
    RevocationList,
}

impl Thing {
    /// For people.
    const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Seal => "seal",
            Self::Certificate => "certificate",
            Self::TimeStamp => "time stamp",
            Self::RevocationList => "revocation list",
        }
    }

    /// Whether that happened to the thing with that SM3: that it was made here, or taken in.
    fn is_named_by(self, body: &EventBody, thing: &[u8; 32]) -> bool {
        let named = match (self, body) {
            (
                Self::Signature,
                EventBody::DocumentSigned { signed_value_sm3, .. }
                | EventBody::PersonSigned { signed_value_sm3, .. }
                | EventBody::MessageSigned { signed_value_sm3, .. },
            ) => signed_value_sm3,
            (
                Self::Seal,
                EventBody::SealIssued { seal_sm3, .. }
                | EventBody::SealTaken { seal_sm3, .. }
                | EventBody::SealReceived { seal_sm3, .. }
                | EventBody::SealImported { seal_sm3, .. }
                | EventBody::PersonSigned { seal_sm3, .. },
            ) => seal_sm3,
            (
                Self::Certificate,
                EventBody::CertificateIssued { certificate_sm3, .. }
                | EventBody::AuthorityCrossed { certificate_sm3, .. },
            ) => certificate_sm3,
            (Self::RevocationList, EventBody::CrlIssued { crl_sm3, .. }) => crl_sm3,
            (Self::TimeStamp, EventBody::TimeStampsIssued { .. }) => return body.things().contains(thing),
            _ => return false,
        };
        named == thing
    }
}

/// What the proofs and receipts at hand say of one thing: the first that is right, else what is promised, else why nothing is
/// proven. Wrong ones are told.
fn proven(
    (thing, octets): (Thing, &[u8]),
    keys: &[Verifier],
    ground: &Ground<'_>,
    warnings: &mut Vec<Warning>,
) -> Option<Judged> {
    let named = sm3(octets);
    let mut best: Option<Judged> = None;
    // What only a newer program knows names nothing here.
    let names = |opened: &Opened<'_>| opened.event.known().is_some_and(|event| thing.is_named_by(&event.body, &named));
    for opened in ground.evidence.log_proofs().into_iter().filter(|opened| names(opened)) {
        let judged = opened.judge(keys, ground.now);
        if let Judged::Wrong { detail } = &judged {
            let warning = Warning { code: "log-proof-wrong", part: None, detail: detail.clone() };
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        // Of equals the first.
        if best.as_ref().is_none_or(|best| judged.rank() < best.rank()) {
            best = Some(judged);
        }
    }
    best
}

/// Whether a proof of a log names a thing, and the policy lets logs prove times.
pub(in crate::domain::verify) fn may_prove((thing, octets): (Thing, &[u8]), ground: &Ground<'_>) -> bool {
    // Nearly every file comes without proofs: then nothing is digested for them.
    let mut named = None;
    ground.policy.log_witnesses > 0
        && ground.evidence.log_proofs().into_iter().any(|opened| {
            matches!(opened.word, Word::Proof(_))
                && opened
                    .event
                    .known()
                    .is_some_and(|event| thing.is_named_by(&event.body, named.get_or_insert_with(|| sm3(octets))))
        })
}

/// The earliest moment by which proofs of logs show that a thing existed: by known keys of logs and of witnesses whose algorithms
/// are accepted now, since nothing proves an earlier moment for their signatures.
pub(in crate::domain::verify) fn proved_by_log(
    (thing, octets): (Thing, &[u8]),
    keys: &[Verifier],
    ground: &Ground<'_>,
) -> Option<ProvedTime> {
    let (named, policy) = (sm3(octets), ground.policy);
    let accepted = |key: &&Verifier| {
        let used = SignatureUsed::of(key.public_key(), key.algorithm());
        policy.algorithms.signature(&used, ground.now, Use::Accept).is_ok()
    };
    let keys: Vec<Verifier> = keys.iter().filter(accepted).cloned().collect();
    let names = |opened: &&Opened<'_>| opened.event.known().is_some_and(|event| thing.is_named_by(&event.body, &named));
    let mut best: Option<ProvedTime> = None;
    for opened in ground.evidence.log_proofs().into_iter().filter(names) {
        let Judged::Right(place) = opened.judge(&keys, ground.now) else { continue };
        let Some((at, names)) = place.seen_by(policy.log_witnesses) else { continue };
        let is_ahead = at.unix() > ground.now.unix().saturating_add(policy.future_seconds);
        if !is_ahead && best.as_ref().is_none_or(|best| at < best.at) {
            let authority = format!("the log {}, seen by {}", place.origin, names.join(", "));
            best = Some(ProvedTime { at, authority });
        }
    }
    best
}

/// The evidence that a promise is.
fn told(Promise { origin, index, before, .. }: &Promise) -> Vec<String> {
    vec![format!("log {origin}"), format!("leaf {index}"), format!("before {before}")]
}

/// The axis *logged* of a thing in its octets as they arrived, and of the seal inside a signature.
pub(in crate::domain::verify) fn judge_logged(
    report: &mut SignatureReport,
    (thing, octets, seal): (Thing, &[u8], Option<&[u8]>),
    ground: &Ground<'_>,
    warnings: &mut Vec<Warning>,
) {
    // Keys that the caller named ask everything; those that a trust list names ask what is issued below their anchor.
    let mut keys: Vec<Verifier> = ground.log_keys.iter().chain(report.asked.logs()).cloned().collect();
    let is_asked = keys.iter().any(|key| !key.is_witness());
    // What the service's own log knows counts, and nothing is asked because of it.
    let own = ground.evidence.own_log();
    if !own.is_empty() {
        keys.extend(own.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        [Some(octets), seal].into_iter().flatten().for_each(|thing| report.asked.may_be_known(sm3(thing)));
    }
    if !is_asked && ground.trust.names_logs() {
        let detail = "no trust list says that what is issued below its anchor must be in a log";
        report.logged = Axis::new(Status::NotApplicable, "log-not-asked", detail);
    }
    if keys.is_empty() && ground.evidence.log_proofs().is_empty() {
        return;
    }
    let what = thing.name();
    let seal = seal.map(|seal| match proven((Thing::Seal, seal), &keys, ground, warnings) {
        Some(Judged::Right(place)) => Some(place),
        _ => None,
    });
    let of_seal = match &seal {
        Some(Some(place)) => format!("; that its seal was issued is proven too, as leaf {}", place.index),
        Some(None) => "; that its seal was issued is not proven".to_owned(),
        None => String::new(),
    };
    report.logged = match proven((thing, octets), &keys, ground, warnings) {
        Some(Judged::Right(Place { origin, index, size, seen })) => {
            let detail = format!("the {what} is in the log {origin}, as leaf {index} of {size}{of_seal}");
            let own = [format!("log {origin}"), format!("leaf {index}"), format!("tree size {size}")];
            let at = |at: u64| Timestamp::from_unix(i64::try_from(at).unwrap_or(i64::MAX));
            let seen = seen.iter().map(|(name, seen)| format!("seen by {name} at {}", at(*seen)));
            let own = own.into_iter().chain(seen);
            let seal = seal.flatten();
            let seal =
                seal.map(|place| format!("seal: log {}, leaf {}, tree size {}", place.origin, place.index, place.size));
            Axis::new(Status::Ok, "in-log", detail).with(own.chain(seal).collect())
        }
        Some(Judged::Promised(promise)) => {
            let Promise { origin, index, before, .. } = &promise;
            let detail = format!("the log {origin} has promised to hold the {what} as leaf {index} before {before}");
            Axis::new(Status::Unknown, "promised", detail).with(told(&promise))
        }
        Some(Judged::Unredeemed(promise)) => {
            let Promise { origin, index, before, .. } = &promise;
            let detail = format!(
                "the log {origin} promised to hold the {what} as leaf {index} before {before}, which is past: no proof \
                 that it does is at hand"
            );
            Axis::new(Status::Unknown, "receipt-unredeemed", detail).with(told(&promise))
        }
        Some(Judged::Wrong { detail }) => Axis::new(Status::Failed, "log-proof-wrong", detail),
        Some(Judged::Unknown { origin }) => {
            let detail = format!("there is a proof for the {what}, of the log {origin}, and no known key signed it");
            Axis::new(Status::Unknown, "log-unknown", detail).with(vec![format!("log {origin}")])
        }
        // Proofs of other things alone ask nothing.
        None if !is_asked => return,
        None => {
            let detail = format!("no proof that the {what} is in a known log is at hand{of_seal}");
            Axis::new(Status::Unknown, "receipt-missing", detail)
        }
    };
    let is_demanded =
        matches!(thing, Thing::Signature | Thing::Seal) && ground.policy.unlogged == Unlogged::Refuse && is_asked;
    let is_enough = report.logged.status == Status::Ok
        || (report.logged.code == "promised" && ground.policy.promised == Promised::Enough);
    if is_demanded && !is_enough {
        let detail = format!("policy {} asks for a proof of a log: {}", ground.policy.name, report.logged.detail);
        report.add(Finding::new(Case::Unlogged, "receipt-missing", detail));
    }
}
