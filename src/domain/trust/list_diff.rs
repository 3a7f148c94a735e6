//! What changes from one version of a trust list to the next, for the people who approve it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::crypto::digest::{hex, sm3};
use crate::format::trust_list::{ListSigner, ListedAnchor, ListedList, TrustList, TrustUse};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListChange {
    /// `added`, `removed` or `changed`.
    pub what: &'static str,
    /// `anchor`, `list`, `signer`, or a member of the list by its name.
    pub of: &'static str,
    /// SM3 of an anchor's certificate or a signer's key, hexadecimal; the name of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// In words: what is added or removed, or from what to what.
    pub detail: String,
}

/// Every change between two versions; `old` is nothing before the first one.
#[must_use]
pub fn diff(old: Option<&TrustList>, new: &TrustList) -> Vec<ListChange> {
    let mut changes = Vec::new();
    if let Some(old) = old {
        let mut member = |of, before: String, after: String| {
            if before != after {
                changes.push(ListChange { what: "changed", of, id: None, detail: format!("{before} → {after}") });
            }
        };
        member("number", old.number.to_string(), new.number.to_string());
        member("operator", old.operator.clone(), new.operator.clone());
        member("issued", old.issued.to_string(), new.issued.to_string());
        member("expires", old.expires.to_string(), new.expires.to_string());
        member("threshold", old.threshold.to_string(), new.threshold.to_string());
    }
    let nothing = (&[][..], &[][..], &[][..]);
    let (anchors, lists, signers) = old.map_or(nothing, |old| (&old.anchors[..], &old.lists[..], &old.signers[..]));
    compare("signer", signers, &new.signers, |signer| hex(&sm3(&signer.key)), signer_words, &mut changes);
    compare("anchor", anchors, &new.anchors, |anchor| hex(&sm3(&anchor.certificate)), anchor_words, &mut changes);
    compare("list", lists, &new.lists, |list| list.name.clone(), list_words, &mut changes);
    changes
}

/// Entries under the same id are compared as sets: a certificate may be listed for several uses.
fn compare<T: PartialEq>(
    of: &'static str,
    old: &[T],
    new: &[T],
    id: impl Fn(&T) -> String,
    words: impl Fn(&T) -> String,
    changes: &mut Vec<ListChange>,
) {
    let mut both = BTreeMap::<String, (Vec<&T>, Vec<&T>)>::new();
    for entry in old.iter().filter(|entry| !new.contains(entry)) {
        both.entry(id(entry)).or_default().0.push(entry);
    }
    for entry in new.iter().filter(|entry| !old.contains(entry)) {
        both.entry(id(entry)).or_default().1.push(entry);
    }
    for (id, (gone, come)) in both {
        let change = |what, detail| ListChange { what, of, id: Some(id.clone()), detail };
        if let ([gone], [come]) = (&gone[..], &come[..]) {
            changes.push(change("changed", format!("{} → {}", words(gone), words(come))));
            continue;
        }
        changes.extend(gone.iter().map(|entry| change("removed", words(entry))));
        changes.extend(come.iter().map(|entry| change("added", words(entry))));
    }
}

fn signer_words(signer: &ListSigner) -> String {
    signer.name.clone()
}

/// What a list says of an anchor, in one line.
#[must_use]
pub fn anchor_words(anchor: &ListedAnchor) -> String {
    let mut words = format!("{}: {}", anchor.name, uses(&anchor.uses));
    for region in &anchor.regions {
        words.push_str(&format!(", in {} {}", region.code, region.names.join("/")));
    }
    if let Some(from) = anchor.from {
        words.push_str(&format!(", from {from}"));
    }
    if let Some(until) = anchor.until {
        words.push_str(&format!(", until {until}"));
    }
    if anchor.signer_id == crate::format::trust_list::SignerIdRule::DefaultOrEmpty {
        words.push_str(", also with the empty signer ID");
    }
    for service in &anchor.status {
        words.push_str(&format!(", status {}", service.url));
    }
    for log in &anchor.logs {
        words.push_str(&format!(", in the log {log}"));
    }
    words
}

/// What a list says of a list below it, in one line.
#[must_use]
pub fn list_words(list: &ListedList) -> String {
    let mut words = format!("{}: {}", list.name, uses(&list.uses));
    for region in &list.regions {
        words.push_str(&format!(", in {} {}", region.code, region.names.join("/")));
    }
    let signers = list.signers.iter().map(|signer| format!("{} {}", signer.name, hex(&sm3(&signer.key))));
    words.push_str(&format!(", signed by {} of {}", list.threshold, signers.collect::<Vec<_>>().join(", ")));
    if let Some(address) = &list.address {
        words.push_str(&format!(", at {address}"));
    }
    words
}

fn uses(uses: &[TrustUse]) -> String {
    uses.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
}
