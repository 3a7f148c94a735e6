//! What a witness decides about a checkpoint that is submitted to it (C2SP tlog-witness, add-checkpoint).

use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::tree::{Hash, TreeHash, verify_consistency};
use crate::format::tlog::submission::AddCheckpoint;

/// The head of a log that a witness cosigned last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenHead {
    /// How many leaves.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCosigned {
    /// No log of that origin is known.
    #[error("no log {origin} is known here")]
    UnknownLog {
        /// What the checkpoint says.
        origin: String,
    },
    /// No known key of the log signed it, or one that is known is wrong.
    #[error("the checkpoint is not the log's")]
    NotSigned(#[source] CheckpointError),
    /// The old size is beyond the new one.
    #[error("the old size is beyond the checkpoint's")]
    Backwards,
    /// The old size is not the one that was cosigned last.
    #[error("the checkpoint that was cosigned last has {size} leaves")]
    Stale {
        /// The size that was.
        size: u64,
    },
    /// The checkpoint is not a continuation of what was cosigned: a split view, or a log that was written anew.
    #[error("the checkpoint is not a continuation of the one that was cosigned last")]
    Inconsistent,
}

/// Decides on a submission: `last` is what was cosigned last of that log. Nothing is cosigned but a continuation of it.
///
/// The tree's hash follows from its name: `/sm3` is ours, all else is RFC 6962's SHA-256 as C2SP has it.
///
/// # Errors
/// Why not; see [`NotCosigned`].
pub fn judge(
    submission: &AddCheckpoint<'_>,
    log: &[Verifier],
    last: Option<SeenHead>,
) -> Result<SeenHead, NotCosigned> {
    let checkpoint = &submission.checkpoint;
    verify_checkpoint(&submission.note, checkpoint.origin, log, &[]).map_err(NotCosigned::NotSigned)?;
    let new = SeenHead { size: checkpoint.size, root: checkpoint.root };
    if submission.old_size > new.size {
        return Err(NotCosigned::Backwards);
    }
    let tree = if checkpoint.origin.ends_with("/sm3") { TreeHash::Sm3 } else { TreeHash::Sha256 };
    let last = last.unwrap_or(SeenHead { size: 0, root: tree.empty_root() });
    if submission.old_size != last.size {
        return Err(NotCosigned::Stale { size: last.size });
    }
    if new.size == 0 && new.root != tree.empty_root() {
        return Err(NotCosigned::Inconsistent);
    }
    // From the empty tree no proof is needed, and none may be there.
    let proven = match last.size {
        0 => submission.proof.is_empty(),
        _ => verify_consistency(tree, (last.size, &last.root), (new.size, &new.root), &submission.proof).is_ok(),
    };
    if proven { Ok(new) } else { Err(NotCosigned::Inconsistent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{PublicKey, ed25519};
    use crate::domain::audit::checkpoint::checkpoint_text;
    use crate::domain::audit::entry::Entry;
    use crate::domain::audit::growth::Growth;
    use crate::domain::audit::tree::{Tiles, prove_consistency};
    use crate::format::tlog::Note;

    struct Log {
        key: ed25519::PrivateKey,
        verifier: Verifier,
        growth: Growth,
        tiles: Tiles,
    }

    impl Log {
        fn new() -> Self {
            let key = ed25519::PrivateKey::generate(&SystemRandom).unwrap();
            let public = PublicKey::Ed25519(crate::crypto::ed25519::PublicKey::from_bytes(&public(&key)).unwrap());
            let verifier = Verifier::of_log("a/sha256", &public).unwrap();
            Self { key, verifier, growth: Growth::default(), tiles: Tiles::new() }
        }

        fn grow(&mut self, leaves: u32) {
            let entries = (0..leaves).map(|number| Entry { class: 1, hour: number, commitment: [7; 32] });
            let grown = self.growth.append(&entries.collect::<Vec<_>>()).unwrap();
            for tile in grown.sha256 {
                self.tiles.insert(tile.tile, tile.octets).unwrap();
            }
        }

        fn note(&self) -> String {
            let text = checkpoint_text("a", TreeHash::Sha256, self.growth.size(), &self.growth.root(TreeHash::Sha256));
            let line = self.verifier.sign(&text, &self.key, &SystemRandom).unwrap();
            Note::write(&text, &[line]).unwrap()
        }

        fn submission(&self, old: u64) -> String {
            let proof = match old {
                0 => Vec::new(),
                old => prove_consistency(TreeHash::Sha256, old, self.growth.size(), &self.tiles).unwrap_or_default(),
            };
            AddCheckpoint::write(old, &proof, &self.note())
        }

        fn judged(&self, body: &str, last: Option<SeenHead>) -> Result<SeenHead, NotCosigned> {
            judge(&AddCheckpoint::parse(body.as_bytes()).unwrap(), std::slice::from_ref(&self.verifier), last)
        }
    }

    fn public(key: &ed25519::PrivateKey) -> [u8; 32] {
        match crate::crypto::Signer::public_key(key) {
            PublicKey::Ed25519(key) => key.to_bytes(),
            _ => unreachable!("an Ed25519 key has an Ed25519 public key"),
        }
    }

    #[test]
    fn only_a_continuation_is_cosigned() {
        let mut log = Log::new();
        log.grow(5);
        let first = log.judged(&log.submission(0), None).unwrap();
        assert_eq!(first.size, 5);
        assert_eq!(log.judged(&log.submission(5), Some(first)), Ok(first));
        log.grow(300);
        let second = log.judged(&log.submission(5), Some(first)).unwrap();
        assert_eq!(second.size, 305);
        assert_eq!(log.judged(&log.submission(0), Some(second)), Err(NotCosigned::Stale { size: 305 }));
        assert_eq!(log.judged(&log.submission(5), None), Err(NotCosigned::Stale { size: 0 }));

        // The same log from another past, and one that lost its end.
        let mut split =
            Log { key: log.key, verifier: log.verifier.clone(), growth: Growth::default(), tiles: Tiles::new() };
        split.grow(400);
        assert_eq!(split.judged(&split.submission(305), Some(second)), Err(NotCosigned::Inconsistent));
        let mut shorter = Log { growth: Growth::default(), tiles: Tiles::new(), ..split };
        shorter.grow(5);
        assert_eq!(shorter.judged(&shorter.submission(305), Some(second)), Err(NotCosigned::Backwards));

        let stranger = Log::new();
        let refused = judge(
            &AddCheckpoint::parse(stranger.submission(0).as_bytes()).unwrap(),
            std::slice::from_ref(&shorter.verifier),
            None,
        );
        assert_eq!(refused, Err(NotCosigned::NotSigned(CheckpointError::NotSigned)));
    }
}
