//! What must hold of whatever the readers of transparency logs accept.

use crate::domain::audit::{Entry, Event, LoggedEvent};
use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::promise::{Promise, PromiseError};
use crate::domain::audit::statement::Statement;
use crate::domain::audit::tree::{TreeHash, verify_consistency, verify_inclusion};
use crate::format::tlog::note::read_signature_lines;
use crate::format::tlog::submission::{read_size, write_size};
use crate::format::tlog::tile::{FULL, read_bundle, read_tile, write_entry};
use crate::format::tlog::{
    AddCheckpoint, Checkpoint, Cosignature, LogProof, MAX_PROOF, MAX_SIGNATURES, Note, NoteKey, Receipt, TilePath,
    VerifierKey,
};

/// Any bytes as a note, as lines of signatures, as a verifier key: written again octet for octet; nobody signed it.
pub fn note(input: &[u8]) {
    if let Ok(note) = Note::parse(input) {
        assert_eq!(note.raw().as_bytes(), input);
        assert!(note.raw().starts_with(note.text) && note.text.ends_with('\n'));
        assert!((1..=MAX_SIGNATURES).contains(&note.signatures.len()));
        assert_eq!(Note::write(note.text, &note.signatures).as_deref(), Ok(note.raw()));
        for line in &note.signatures {
            if let Ok(cosignature) = Cosignature::parse(&line.value) {
                assert_eq!(cosignature.to_octets(), line.value);
            }
        }
        if let Ok(checkpoint) = Checkpoint::parse(note.text) {
            let verified = verify_checkpoint(&note, checkpoint.origin, &[], &[]);
            assert_eq!(verified.unwrap_err(), CheckpointError::NotSigned);
            // Under the name of its first signature a key that nobody has verifies nothing.
            if let Some(first) = note.signatures.first()
                && let Ok(key) = Verifier::new(first.name, NoteKey::Ed25519([0x58; 32]))
            {
                assert!(verify_checkpoint(&note, checkpoint.origin, &[key], &[]).is_err());
            }
        }
    }
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(lines) = read_signature_lines(text) {
        assert_eq!(lines.iter().map(|line| line.to_line()).collect::<String>(), text);
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = Verifier::parse(text) {
        assert_eq!(key.to_vkey(), text);
    }
}

/// Any text as that of a checkpoint, and as the size that a witness answers: each has one form.
pub fn checkpoint(input: &[u8]) {
    if let Ok(size) = read_size(input) {
        assert_eq!(write_size(size).as_bytes(), input);
    }
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_text(), text);
        assert!(checkpoint.extensions.iter().all(|line| !line.is_empty() && !line.contains('\n')));
    }
}

/// Any text as a path; any bytes as a tile or bundle of the width that the first one says.
pub fn tile(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input)
        && let Ok(path) = TilePath::parse(text)
    {
        assert_eq!(path.to_string(), text, "a tile has one path");
    }
    let Some((width, octets)) = input.split_first() else { return };
    let width = u16::from(*width).checked_add(1).unwrap_or(FULL);
    if let Ok(hashes) = read_tile(octets, width) {
        assert_eq!(hashes.as_flattened(), octets);
        assert_eq!(hashes.len(), usize::from(width));
    }
    if let Ok(entries) = read_bundle(octets, width) {
        assert_eq!(entries.len(), usize::from(width));
        let mut again = Vec::new();
        for entry in entries {
            write_entry(&mut again, entry).expect("it was read");
        }
        assert_eq!(again, octets);
    }
}

/// Any text as that of a statement: it has one form, and is neither a checkpoint's nor an entry.
pub fn statement(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(statement) = Statement::parse(text) {
        assert_eq!(statement.to_text(), text);
        assert!(Checkpoint::parse(text).is_err() && Entry::from_octets(input).is_err());
    }
}

/// Any bytes as an entry: it has one form.
pub fn entry(input: &[u8]) {
    if let Ok(entry) = Entry::from_octets(input) {
        assert_eq!(entry.to_octets().as_slice(), input);
    }
    // As an event with its salt: what is made of it opens, and under no other salt.
    if let Some((salt, event)) = input.split_first_chunk::<32>()
        && let Ok(entry) = Entry::of_der(event, salt)
    {
        assert!(entry.commits_to(event, salt));
        let mut other = *salt;
        other[0] ^= 1;
        assert!(!entry.commits_to(event, &other));
        // Known or not, it is read, by class and hour of its entry; and what is known is what was written.
        let logged = LoggedEvent::from_der(event).expect("it has an entry");
        assert_eq!(logged.class_number(), u64::from(entry.class));
        assert_eq!(LoggedEvent::class_named(&logged.class_name()), Some(logged.class_number()));
        assert_eq!(logged.known(), Event::from_der(event).ok().as_ref());
        assert!(logged.known().is_none_or(|known| known.to_der() == event));
    }
}

/// Any bytes as a proof, and as a receipt: written again octet for octet; a proof leads to no root that was not its own, a
/// promise is nobody's, and neither is the other.
pub fn proof(input: &[u8]) {
    if let Ok(receipt) = Receipt::parse(input) {
        assert_eq!(Receipt::write(receipt.note.raw(), receipt.extra.as_deref()).as_bytes(), input);
        assert!(LogProof::parse(input).is_err() || receipt.extra.is_none());
        if let Ok(promise) = Promise::parse(receipt.note.text) {
            assert_eq!(promise.to_text(), receipt.note.text);
            assert!(Checkpoint::parse(receipt.note.text).is_err(), "a promise is no checkpoint");
            let nobody = Promise::verified(&receipt.note, &[]);
            assert_eq!(nobody, Err(PromiseError::Signature(CheckpointError::NotSigned)));
        }
    }
    let Ok(proof) = LogProof::parse(input) else { return };
    let again = LogProof::write(proof.extra.as_deref(), proof.index, &proof.hashes, proof.note.raw());
    assert_eq!(again.as_bytes(), input);
    assert!(proof.hashes.len() <= MAX_PROOF);
    let (index, size, root) = (proof.index, proof.checkpoint.size, &proof.checkpoint.root);
    for hash in TreeHash::ALL {
        let found = verify_inclusion(hash, &hash.leaf(b""), index, size, &proof.hashes, root);
        let other = verify_inclusion(hash, &hash.leaf(b"other"), index, size, &proof.hashes, root);
        assert!(found.is_err() || other.is_err(), "one place holds one leaf");
    }
}

/// Any bytes as what a log submits: written again octet for octet; a proof leads from one root alone.
pub fn submission(input: &[u8]) {
    let Ok(submission) = AddCheckpoint::parse(input) else { return };
    let again = AddCheckpoint::write(submission.old_size, &submission.proof, submission.note.raw());
    assert_eq!(again.as_bytes(), input);
    assert!(submission.proof.len() <= MAX_PROOF);
    let head = (submission.checkpoint.size, &submission.checkpoint.root);
    let hash = TreeHash::Sha256;
    let from = |root| verify_consistency(hash, (submission.old_size, &root), head, &submission.proof).is_ok();
    assert!(!from(hash.leaf(b"one")) || !from(hash.leaf(b"other")), "a proof leads from one root");
}
