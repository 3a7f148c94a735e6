//! What a rehearsal, a ceremony and the judging of a transcript say, for people.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::ca::ceremony::files::{RECORD, TRANSCRIPT};
use crate::cli::console::shown;
use crate::domain::ca::ceremony::{Plan, Protection, Record, Step, Verified};
use crate::service::ceremony::{Held, Made};
use crate::service::inventory::hexadecimal;
use crate::service::verification::sm3_hex;

/// One row: writing to a `String` cannot fail.
fn row(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<12} {}", shown(value));
}

/// What would be made.
pub(super) fn rehearsal(plan: &Plan, path: &Path, digest: &str, held: &Held) -> String {
    let mut text = String::from("REHEARSAL: nothing was made, and every key of it is gone\n");
    row(&mut text, "title", &plan.title);
    row(&mut text, "plan sm3", digest);
    for person in &plan.present {
        row(&mut text, "present", &format!("{}, {}", person.name, person.part));
    }
    row(&mut text, "folder", &plan.installation.display().to_string());
    match &plan.protection {
        Protection::Shares { threshold, custodians } => {
            row(&mut text, "keys", &format!("in software, below {threshold} of {} shares", custodians.len()));
            for one in custodians {
                row(&mut text, "share", &format!("{} takes {}", one.name, one.file.display()));
            }
        }
        Protection::Device => {
            let pairs = plan.authorities.len().saturating_add(1);
            row(&mut text, "keys", &format!("{pairs} pairs of the SDF device, one of them for the transcript"));
        }
    }
    for (planned, made) in plan.authorities.iter().zip(&held.certificates) {
        let parent = planned.parent.as_ref().map_or("itself", |parent| parent.as_str());
        let (id, profile, algorithm) = (&planned.id, &planned.profile, planned.algorithm);
        row(&mut text, "authority", &format!("{id}: {profile}, {algorithm}, certified by {parent}"));
        certificate(&mut text, made);
        row(&mut text, "  published", &planned.base_url);
        let lists = format!("{}, in force {} days", planned.crl_shards, planned.crl_days);
        row(&mut text, "  lists", &lists);
    }
    for (planned, made) in plan.certificates.iter().zip(held.certificates.iter().skip(plan.authorities.len())) {
        let (id, profile, issuer) = (&planned.id, &planned.profile, &planned.issuer);
        row(&mut text, "elsewhere", &format!("{id}: {profile}, certified by {issuer}"));
        row(&mut text, "  request", &format!("sm3 {}", hexadecimal(&planned.csr_sm3)));
        certificate(&mut text, made);
    }
    let signer = format!("{}, certified by {}", plan.transcript.algorithm, plan.transcript.authority);
    row(&mut text, "transcript", &signer);
    if let Some(made) = held.certificates.last() {
        certificate(&mut text, made);
    }
    row(&mut text, "lint", "every certificate passes");
    row(&mut text, "paths", "every authority finds its root");
    let _ = writeln!(
        text,
        "to carry it out: yinxin ca ceremony {} --plan-sm3 {digest}",
        shown(&path.display().to_string())
    );
    text
}

fn certificate(text: &mut String, made: &Made) {
    row(text, "  subject", &made.subject);
    row(text, "  validity", &format!("{} to {}", made.validity.0, made.validity.1));
    if let Some(length) = made.path_length {
        row(text, "  below it", &format!("{length} more"));
    }
}

/// What was made, and what to do with it.
pub(super) fn done(plan: &Plan, out: Option<&Path>, held: &Held) -> String {
    let mut text = String::from("the ceremony is complete\n");
    row(&mut text, "folder", &plan.installation.display().to_string());
    let record = plan.installation.join(RECORD);
    row(&mut text, "transcript", &record.join(TRANSCRIPT).display().to_string());
    if let Some(out) = out {
        row(&mut text, "copy", &out.display().to_string());
    }
    roots(&mut text, &held.verified);
    text.push_str("witnesses sign the last digests on paper: of the transcript, and of each root\n");
    text
}

fn roots(text: &mut String, verified: &Verified) {
    for (name, der) in &verified.roots {
        row(text, "root", &format!("{name}, sm3 {}", sm3_hex(der)));
    }
    row(text, "sm3", &hexadecimal(&verified.sm3));
}

/// What each step did.
pub(super) fn judged(verified: &Verified) -> String {
    let mut text = String::new();
    for Record { number, at, step, .. } in &verified.records {
        let _ = writeln!(text, "{number:>3}  {at}  {:<19}  {}", step.name(), shown(&told(step)));
    }
    row(&mut text, "signed by", &verified.signer);
    roots(&mut text, verified);
    text.push_str("the transcript is whole and signed; compare the digests of the roots with what was announced\n");
    text
}

fn told(step: &Step) -> String {
    match step {
        Step::Opened { title, plan_sm3, program, present, self_tests, profile, .. } => {
            let present = present.iter().map(|one| format!("{} ({})", one.name, one.part)).collect::<Vec<_>>();
            let present = present.join(", ");
            format!("{title}; plan {plan_sm3}; {program}, profile {profile}, {self_tests} known answers; {present}")
        }
        Step::SharesMade { set, threshold, shares } => {
            let names = shares.iter().map(|one| format!("{} no. {}", one.custodian, one.number)).collect::<Vec<_>>();
            format!("set {set}, {threshold} of {}: {}", shares.len(), names.join(", "))
        }
        Step::ShareConfirmed { custodian, share } => format!("{custodian} gave share no. {share} back"),
        Step::InstallationOpened { key_encryption_key, protection } => {
            format!("key-encryption key {key_encryption_key}, protected by {protection}")
        }
        Step::AuthorityMade { authority, profile, parent, algorithm, key, certificate_sm3, .. } => {
            let parent = parent.as_deref().unwrap_or("itself");
            format!("{authority}: {profile}, {algorithm}, key {key}, certified by {parent}, {certificate_sm3}")
        }
        Step::AuthorityCertified { authority, profile, issuer, request_sm3, certificate_sm3, .. } => {
            format!("{authority}: {profile}, request {request_sm3}, certified by {issuer}, {certificate_sm3}")
        }
        Step::TranscriptKeyMade { authority, algorithm, certificate_sm3, .. } => {
            format!("{algorithm}, certified by {authority}, {certificate_sm3}")
        }
        Step::ListSigned { authority, shard, list_number, next_update, list_sm3, .. } => {
            format!("{authority}, shard {shard}, no. {list_number}, in force until {next_update}, {list_sm3}")
        }
        Step::PathValidated { authority, path } => format!("{authority}: {}", path.join(" <- ")),
        Step::Closed { authorities, lists } => format!("{authorities} authorities, {lists} lists"),
    }
}
