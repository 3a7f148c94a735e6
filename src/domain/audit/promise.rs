//! The promise of the log: a leaf that is durable, and that will be in the trees before a moment. A signed note (C2SP
//! signed-note) of the key that signs the tree of SM3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier};
use crate::domain::audit::entry::Entry;
use crate::format::tlog::Note;

/// The first line: no checkpoint begins so, since no origin does.
pub const FIRST_LINE: &str = "yinxin promise v1";

/// What is promised.
///
/// ```text
/// yinxin promise v1
/// <origin of the tree of SM3>
/// <index of the leaf>
/// <entry, base64>
/// <moment before which the trees have it, in seconds since 1970>
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The origin of the tree of SM3.
    pub origin: String,
    /// The index of the leaf.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// The trees have it before this moment.
    pub before: Timestamp,
}

/// Why a promise is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromiseError {
    /// The text is no promise.
    #[error("the text is not a promise of the log (docs/formats/audit-notes.md)")]
    Malformed,
    /// No key of the log signed it, or its signature is wrong.
    #[error(transparent)]
    Signature(#[from] CheckpointError),
}

impl Promise {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let entry = STANDARD.encode(self.entry.to_octets());
        format!("{FIRST_LINE}\n{}\n{}\n{entry}\n{}\n", self.origin, self.index, self.before.unix())
    }

    /// The promise that a note holds, by one of these keys.
    ///
    /// Not checked: that the log kept it. That is an inclusion proof's to show.
    ///
    /// # Errors
    /// [`PromiseError`].
    pub fn verified(note: &Note<'_>, keys: &[Verifier]) -> Result<Self, PromiseError> {
        let promise = Self::parse(note.text)?;
        crate::domain::audit::checkpoint::verify_text(note, keys)?;
        Ok(promise)
    }

    /// What a text says, whoever wrote it.
    ///
    /// # Errors
    /// [`PromiseError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, PromiseError> {
        let read = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            if lines.next()? != FIRST_LINE {
                return None;
            }
            let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
            let index = decimal(lines.next()?)?;
            let entry = Entry::from_octets(&STANDARD.decode(lines.next()?).ok()?).ok()?;
            let before = Timestamp::from_unix(i64::try_from(decimal(lines.next()?)?).ok()?);
            let promise = Self { origin, index, entry, before };
            // One text says one thing.
            (lines.next().is_none() && promise.to_text() == text).then_some(promise)
        };
        read().ok_or(PromiseError::Malformed)
    }
}

fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{PublicKey, sm2};

    fn promise() -> Promise {
        let entry = Entry { class: 7, hour: 500_000, commitment: [9; 32] };
        Promise { origin: "a/sm3".into(), index: 41, entry, before: Timestamp::from_unix(1_800_000_060) }
    }

    #[test]
    fn what_is_signed_is_read_and_nothing_else() {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let verifier = Verifier::of_log("a/sm3", &PublicKey::Sm2(key.public_key())).unwrap();
        let text = promise().to_text();
        let signed = |text: &str| {
            let line = verifier.sign(text, &key, &SystemRandom).unwrap();
            Note::write(text, &[line]).unwrap()
        };
        let keys = [verifier.clone()];
        let read = |note: &str, keys: &[Verifier]| Promise::verified(&Note::parse(note.as_bytes()).unwrap(), keys);
        assert_eq!(read(&signed(&text), &keys), Ok(promise()));
        let other = Verifier::of_log("b/sm3", &PublicKey::Sm2(key.public_key())).unwrap();
        assert_eq!(read(&signed(&text), &[other]), Err(PromiseError::Signature(CheckpointError::NotSigned)));
        let forged = signed(&text).replacen("\n41\n", "\n42\n", 1);
        let wrong = CheckpointError::WrongSignature { name: "a/sm3".into() };
        assert_eq!(read(&forged, &keys), Err(PromiseError::Signature(wrong)));
        for (from, to) in [
            ("yinxin promise v1", "yinxin promise v2"),
            ("a/sm3\n", "\n"),
            ("\n41\n", "\n041\n"),
            ("\n41\n", "\n+41\n"),
            ("1800000060\n", "1800000060\n1\n"),
            ("1800000060\n", "-1\n"),
            ("1800000060\n", ""),
        ] {
            let note = signed(&text.replacen(from, to, 1));
            assert_eq!(read(&note, &keys), Err(PromiseError::Malformed), "{from:?} {to:?}");
        }
    }
}
