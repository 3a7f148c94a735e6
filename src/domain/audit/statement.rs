//! The log's statement that it knows no event of a thing: what the service says, and nothing that a tree proves. A signed note
//! (C2SP signed-note) of the keys that sign the trees.
//!
//! A tree has no proof of absence: entries are salted commitments, and only the service can open them. Whoever holds a thing
//! with a statement, and later a proof of an event from before, holds two signatures that contradict each other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::crypto::digest::hex;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier};
use crate::domain::audit::tree::{Hash, TreeHash};
use crate::format::tlog::Note;

/// The first line: no checkpoint and no promise begins so, and the line behind it is no size of a tree.
pub const FIRST_LINE: &str = "yinxin statement v1";

/// What is stated; there is nothing else that is.
pub const UNKNOWN: &str = "no event is known";

/// What is stated.
///
/// ```text
/// yinxin statement v1
/// <origin of the log, without /sm3 and /sha256>
/// no event is known
/// <SM3 of the thing, 64 hexadecimal digits>
/// <size of the newest checkpoint>
/// <root of the tree of SM3 at that size, base64>
/// <moment, in seconds since 1970>
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The origin of the log, without `/sm3` and `/sha256`.
    pub origin: String,
    /// SM3 of the thing.
    pub thing: [u8; 32],
    /// The leaves that were looked at: those of the newest checkpoint.
    pub size: u64,
    /// The root of its tree of SM3.
    pub root: Hash,
    /// When.
    pub at: Timestamp,
}

/// Why a statement is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The text is no statement.
    #[error("the text is not a statement of the log (docs/formats/audit-notes.md)")]
    Malformed,
    /// No key of the log signed it, or its signature is wrong.
    #[error(transparent)]
    Signature(#[from] CheckpointError),
}

impl Statement {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { origin, thing, size, root, at } = self;
        let (thing, root) = (hex(thing), STANDARD.encode(root));
        format!("{FIRST_LINE}\n{origin}\n{UNKNOWN}\n{thing}\n{size}\n{root}\n{}\n", at.unix())
    }

    /// The statement that a note holds, by one of these keys, which is a key of the log that it names.
    ///
    /// Not checked: that it is true. Nobody but the service can tell.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verified(note: &Note<'_>, keys: &[Verifier]) -> Result<Self, StatementError> {
        let statement = Self::parse(note.text)?;
        let names = TreeHash::ALL.map(|tree| tree.origin(&statement.origin));
        let own: Vec<Verifier> =
            keys.iter().filter(|key| names.iter().any(|name| key.name() == name)).cloned().collect();
        crate::domain::audit::checkpoint::verify_text(note, &own)?;
        Ok(statement)
    }

    /// Reads a text. Who signed it is not asked.
    ///
    /// # Errors
    /// [`StatementError::Malformed`]: it is no statement, or not in its one form.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        let read = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            if lines.next()? != FIRST_LINE {
                return None;
            }
            let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
            if lines.next()? != UNKNOWN {
                return None;
            }
            let thing = octets(lines.next()?)?;
            let size = lines.next()?.parse().ok()?;
            let root = Hash::try_from(STANDARD.decode(lines.next()?).ok()?).ok()?;
            let at = Timestamp::from_unix(lines.next()?.parse().ok().filter(|at| *at >= 0)?);
            let statement = Self { origin, thing, size, root, at };
            // One text says one thing.
            (lines.next().is_none() && statement.to_text() == text).then_some(statement)
        };
        read().ok_or(StatementError::Malformed)
    }
}

fn octets(digits: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let octet = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let octets = pairs.iter().map(octet).collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())?;
    octets.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{PublicKey, ed25519, sm2};
    use crate::domain::audit::checkpoint::verify_checkpoint;
    use crate::domain::audit::promise::{Promise, PromiseError};
    use crate::format::tlog::Checkpoint;

    fn statement() -> Statement {
        let at = Timestamp::from_unix(1_800_000_060);
        Statement { origin: "log.example/a".into(), thing: [0xab; 32], size: 41, root: [9; 32], at }
    }

    #[test]
    fn what_is_stated_is_read_and_nothing_else() {
        let sm2_key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let ed25519_key = ed25519::PrivateKey::from_bytes(&[0x11; 32]).unwrap();
        let sm3 = Verifier::of_log("log.example/a/sm3", &PublicKey::Sm2(sm2_key.public_key())).unwrap();
        let sha256 =
            Verifier::of_log("log.example/a/sha256", &crate::crypto::Signer::public_key(&ed25519_key)).unwrap();
        let text = statement().to_text();
        let signed = |text: &str| {
            let lines = [
                sm3.sign(text, &sm2_key, &SystemRandom).unwrap(),
                sha256.sign(text, &ed25519_key, &SystemRandom).unwrap(),
            ];
            Note::write(text, &lines).unwrap()
        };
        let read = |note: &str, keys: &[Verifier]| Statement::verified(&Note::parse(note.as_bytes()).unwrap(), keys);
        let note = signed(&text);
        for keys in [vec![sm3.clone()], vec![sha256.clone()], vec![sm3.clone(), sha256.clone()]] {
            assert_eq!(read(&note, &keys), Ok(statement()));
        }
        // Keys of another log, though they signed it, say nothing of this one.
        let other = Verifier::of_log("b.example/a/sm3", &PublicKey::Sm2(sm2_key.public_key())).unwrap();
        assert_eq!(read(&note, &[other]), Err(StatementError::Signature(CheckpointError::NotSigned)));
        let wrong = CheckpointError::WrongSignature { name: "log.example/a/sm3".into() };
        let forged = note.replacen("\n41\n", "\n42\n", 1);
        assert_eq!(read(&forged, &[sm3.clone(), sha256.clone()]), Err(StatementError::Signature(wrong)));

        for (from, to) in [
            ("yinxin statement v1", "yinxin statement v2"),
            ("log.example/a\n", "\n"),
            ("no event is known", "an event is known"),
            ("abab", "ABab"),
            ("abab", "ab"),
            ("abab", "+bab"),
            ("\n41\n", "\n041\n"),
            ("\n41\n", "\n+41\n"),
            ("\n41\n", "\n-41\n"),
            ("CQkJ", ""),
            ("1800000060\n", "1800000060\n1\n"),
            ("1800000060\n", "-1\n"),
            ("1800000060\n", ""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert_eq!(Statement::parse(&changed), Err(StatementError::Malformed), "{from:?} {to:?}");
        }
    }

    #[test]
    fn it_passes_for_nothing_else_and_nothing_else_for_it() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let verifier = Verifier::of_log("log.example/a/sm3", &PublicKey::Sm2(key.public_key())).unwrap();
        let text = statement().to_text();
        let note = Note::write(&text, &[verifier.sign(&text, &key, &SystemRandom).unwrap()]).unwrap();
        let (note, keys) = (Note::parse(note.as_bytes()).unwrap(), [verifier]);
        assert_eq!(Promise::verified(&note, &keys), Err(PromiseError::Malformed));
        // Under no name, its first line's either.
        for origin in ["log.example/a/sm3", FIRST_LINE] {
            let error = CheckpointError::Format(crate::format::tlog::Error::Decimal { what: "the tree size" });
            assert_eq!(verify_checkpoint(&note, origin, &keys, &[]), Err(error), "{origin}");
        }
        let checkpoint = Checkpoint { origin: FIRST_LINE, size: 3, root: [0; 32], extensions: vec![UNKNOWN] };
        assert_eq!(Statement::parse(&checkpoint.to_text()), Err(StatementError::Malformed));
    }
}
