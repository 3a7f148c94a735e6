//! Checkpoints signed and verified: Ed25519 and SM2 by the log, timestamped Ed25519 by witnesses.

use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sha256;
use crate::crypto::{self, PublicKey, Signer, ed25519, sm2};
use crate::domain::audit::tree::{Hash, TreeHash};
use crate::format::tlog::cosignature::{Cosignature, signed_message};
use crate::format::tlog::note::{KeyId, check_name};
use crate::format::tlog::{self, Checkpoint, Note, NoteKey, SignatureLine, VerifierKey};

/// Why a checkpoint is not believed, or not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a note, a checkpoint or a verifier key.
    #[error(transparent)]
    Format(#[from] tlog::Error),
    /// A key that is none, or that could not sign.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// A verifier key whose key ID is not the hash of name, type and key (C2SP signed-note, signatures).
    #[error("the key ID of {name} is not the hash of its name, type and key (C2SP signed-note, signatures)")]
    KeyId {
        /// The key's name.
        name: String,
    },
    /// A key of an algorithm that signs no notes.
    #[error("a key of the algorithm {algorithm} signs no notes")]
    KeyType {
        /// Its name.
        algorithm: &'static str,
    },
    /// A key that cannot do what is asked of it: a log's where a witness's is meant, or the other way round.
    #[error("the key {name} is of the wrong signature type for this")]
    Role {
        /// The key's name.
        name: String,
    },
    /// The checkpoint of another log.
    #[error("the checkpoint is of {found}, not of {expected}")]
    Origin {
        /// Whose it should be.
        expected: String,
        /// Whose it says it is.
        found: String,
    },
    /// A signature by a known key that is wrong: the whole note is refused (C2SP signed-note, signatures).
    #[error("the signature of {name} is wrong (C2SP signed-note, signatures)")]
    WrongSignature {
        /// The key's name.
        name: String,
    },
    /// No signature of the log's key.
    #[error("no key of the log signed the checkpoint (C2SP signed-note, signatures)")]
    NotSigned,
    /// A time before 1970.
    #[error("a cosignature cannot be from before 1970")]
    Time,
}

/// A key that verifies signatures of notes, with the name and the key ID under which it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key_id: KeyId,
    key: NoteKey,
    public: PublicKey,
}

impl Verifier {
    /// The key under that name; the key ID is computed.
    ///
    /// # Errors
    /// [`CheckpointError::Format`]: the name is none; [`CheckpointError::Crypto`]: the point is none of the curve.
    pub fn new(name: &str, key: NoteKey) -> Result<Self, CheckpointError> {
        check_name(name)?;
        let public = match &key {
            NoteKey::Ed25519(point) | NoteKey::Cosignature(point) => {
                PublicKey::Ed25519(ed25519::PublicKey::from_bytes(point)?)
            }
            NoteKey::Sm2(point) => PublicKey::Sm2(sm2::PublicKey::from_bytes(point)?),
        };
        Ok(Self { name: name.to_owned(), key_id: key_id(name, &key), key, public })
    }

    /// The key of a log's signer under that name: Ed25519 or SM2.
    ///
    /// # Errors
    /// [`CheckpointError::KeyType`], as [`Verifier::new`].
    pub fn of_log(name: &str, key: &PublicKey) -> Result<Self, CheckpointError> {
        let key = match key {
            PublicKey::Ed25519(key) => NoteKey::Ed25519(key.to_bytes()),
            PublicKey::Sm2(key) => NoteKey::Sm2(key.to_bytes()),
            other => return Err(CheckpointError::KeyType { algorithm: other.name() }),
        };
        Self::new(name, key)
    }

    /// The key of a witness under that name: Ed25519.
    ///
    /// # Errors
    /// [`CheckpointError::KeyType`], as [`Verifier::new`].
    pub fn of_witness(name: &str, key: &PublicKey) -> Result<Self, CheckpointError> {
        match key {
            PublicKey::Ed25519(key) => Self::new(name, NoteKey::Cosignature(key.to_bytes())),
            other => Err(CheckpointError::KeyType { algorithm: other.name() }),
        }
    }

    /// Reads a verifier key (C2SP signed-note, verifier keys).
    ///
    /// # Errors
    /// [`CheckpointError::KeyId`], as [`Verifier::new`].
    pub fn parse(vkey: &str) -> Result<Self, CheckpointError> {
        let stated = VerifierKey::parse(vkey)?;
        let verifier = Self::new(stated.name, stated.key)?;
        if verifier.key_id != stated.key_id {
            return Err(CheckpointError::KeyId { name: verifier.name });
        }
        Ok(verifier)
    }

    /// The verifier key as text.
    #[must_use]
    pub fn to_vkey(&self) -> String {
        VerifierKey { name: &self.name, key_id: self.key_id, key: self.key }.to_string()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key ID.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The key, with its signature type.
    #[must_use]
    pub const fn key(&self) -> &NoteKey {
        &self.key
    }

    /// The key itself.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// By which algorithm it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        match self.key {
            NoteKey::Ed25519(_) | NoteKey::Cosignature(_) => SignatureAlgorithm::Ed25519,
            NoteKey::Sm2(_) => SignatureAlgorithm::Sm2Sm3,
        }
    }

    /// Whether it verifies cosignatures of witnesses.
    #[must_use]
    pub const fn is_witness(&self) -> bool {
        matches!(self.key, NoteKey::Cosignature(_))
    }

    /// The signature line of a value that this key made: of 64 octets for a log's key, of 72 for a witness's.
    #[must_use]
    pub fn signature_line(&self, value: &[u8]) -> SignatureLine<'_> {
        SignatureLine { name: &self.name, key_id: self.key_id, value: value.to_vec() }
    }

    /// Signs the text of a note as a log. The signer must be the holder of this key.
    ///
    /// # Errors
    /// [`CheckpointError::Role`]: a witness's key, or another key than the signer's; [`CheckpointError::Crypto`].
    pub fn sign(
        &self,
        text: &str,
        signer: &dyn Signer,
        random: &dyn Random,
    ) -> Result<SignatureLine<'_>, CheckpointError> {
        if self.is_witness() || signer.public_key() != self.public {
            return Err(CheckpointError::Role { name: self.name.clone() });
        }
        Ok(self.signature_line(&signer.sign(text.as_bytes(), random)?))
    }

    /// Signs the text of a checkpoint as a witness, as of `at`. The signer must be the holder of this key.
    ///
    /// # Errors
    /// [`CheckpointError::Role`]: a log's key, or another key than the signer's; [`CheckpointError::Time`];
    /// [`CheckpointError::Crypto`].
    pub fn cosign(
        &self,
        text: &str,
        at: Timestamp,
        signer: &dyn Signer,
        random: &dyn Random,
    ) -> Result<SignatureLine<'_>, CheckpointError> {
        if !self.is_witness() || signer.public_key() != self.public {
            return Err(CheckpointError::Role { name: self.name.clone() });
        }
        let timestamp = u64::try_from(at.unix()).map_err(|_| CheckpointError::Time)?;
        let value = signer.sign(&signed_message(timestamp, text), random)?;
        let signature = value.as_slice().try_into().map_err(|_| crypto::Error::Library)?;
        Ok(self.signature_line(&Cosignature { timestamp, signature }.to_octets()))
    }

    /// Whether that signature line names this key.
    #[must_use]
    pub fn is_named_by(&self, line: &SignatureLine<'_>) -> bool {
        line.name == self.name && line.key_id == self.key_id
    }

    /// What a value of this key over that text says; `None` when it is wrong.
    fn verify(&self, text: &str, value: &[u8]) -> Option<Said> {
        match &self.key {
            NoteKey::Ed25519(_) => self.verifies(SignatureAlgorithm::Ed25519, text.as_bytes(), value, Said::Log),
            NoteKey::Sm2(_) => self.verifies(SignatureAlgorithm::Sm2Sm3, text.as_bytes(), value, Said::Log),
            NoteKey::Cosignature(_) => {
                let Cosignature { timestamp, signature } = Cosignature::parse(value).ok()?;
                let message = signed_message(timestamp, text);
                self.verifies(SignatureAlgorithm::Ed25519, &message, &signature, Said::Seen { timestamp })
            }
        }
    }

    fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], value: &[u8], said: Said) -> Option<Said> {
        self.public.verify(algorithm, message, value).then_some(said)
    }
}

/// What a right signature says.
enum Said {
    /// The log's own head.
    Log,
    /// A witness saw it then.
    Seen { timestamp: u64 },
}

/// The first four octets of SHA-256 over name, newline, type and key (C2SP signed-note, signatures).
fn key_id(name: &str, key: &NoteKey) -> KeyId {
    let hash = sha256(&key.identified_as(name));
    hash.first_chunk::<4>().copied().unwrap_or_default()
}

/// The text of a checkpoint of one of the trees of the log `origin`: what is signed.
#[must_use]
pub fn checkpoint_text(origin: &str, hash: TreeHash, size: u64, root: &Hash) -> String {
    Checkpoint { origin: &hash.origin(origin), size, root: *root, extensions: Vec::new() }.to_text()
}

/// A witness's cosignature that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCosignature {
    /// The witness's name.
    pub name: String,
    /// Its key ID.
    pub key_id: KeyId,
    /// When it cosigned, in seconds since 1970. Whether that is not in the future, the caller compares.
    pub timestamp: u64,
}

/// A checkpoint that a key of its log signed. Only [`verify_checkpoint`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint<'a> {
    checkpoint: Checkpoint<'a>,
    cosignatures: Vec<VerifiedCosignature>,
}

impl<'a> VerifiedCheckpoint<'a> {
    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint<'a> {
        &self.checkpoint
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    /// The witnesses that cosigned, each once, with its latest time.
    #[must_use]
    pub fn cosignatures(&self) -> &[VerifiedCosignature] {
        &self.cosignatures
    }
}

/// Whether one of those keys of a log signed the text of a note, whatever it says. A wrong signature of any of them refuses
/// it; signatures of unknown keys are passed over (C2SP signed-note, signatures).
///
/// # Errors
/// [`CheckpointError::WrongSignature`], [`CheckpointError::NotSigned`], [`CheckpointError::Role`].
pub fn verify_text(note: &Note<'_>, keys: &[Verifier]) -> Result<(), CheckpointError> {
    if let Some(key) = keys.iter().find(|key| key.is_witness()) {
        return Err(CheckpointError::Role { name: key.name.clone() });
    }
    let mut is_signed = false;
    for line in &note.signatures {
        for key in keys.iter().filter(|key| key.is_named_by(line)) {
            if key.verify(note.text, &line.value).is_none() {
                return Err(CheckpointError::WrongSignature { name: key.name.clone() });
            }
            is_signed = true;
        }
    }
    if is_signed { Ok(()) } else { Err(CheckpointError::NotSigned) }
}

/// Reads the note of a checkpoint as of `origin` (the tree's, with its hash's name): one of `log` must have signed it,
/// cosignatures of `witnesses` are told, a wrong signature of any of them refuses the note. Signatures of unknown keys
/// are passed over (C2SP signed-note, signatures).
///
/// Not checked: that the checkpoint is consistent with another; its age; how many witnesses are enough.
///
/// # Errors
/// [`CheckpointError`], each but `Crypto`, `KeyType` and `Time`.
pub fn verify_checkpoint<'a>(
    note: &Note<'a>,
    origin: &str,
    log: &[Verifier],
    witnesses: &[Verifier],
) -> Result<VerifiedCheckpoint<'a>, CheckpointError> {
    let checkpoint = Checkpoint::parse(note.text)?;
    if checkpoint.origin != origin {
        let found = checkpoint.origin.to_owned();
        return Err(CheckpointError::Origin { expected: origin.to_owned(), found });
    }
    let misplaced = log.iter().find(|key| key.is_witness()).or_else(|| witnesses.iter().find(|key| !key.is_witness()));
    if let Some(key) = misplaced {
        return Err(CheckpointError::Role { name: key.name.clone() });
    }
    let mut is_signed = false;
    let mut cosignatures: Vec<VerifiedCosignature> = Vec::new();
    for line in &note.signatures {
        // Two known keys can share name and ID only by intent; each must then verify.
        for key in log.iter().chain(witnesses).filter(|key| key.is_named_by(line)) {
            match key.verify(note.text, &line.value) {
                None => return Err(CheckpointError::WrongSignature { name: key.name.clone() }),
                Some(Said::Log) => is_signed = true,
                Some(Said::Seen { timestamp }) => {
                    let known =
                        cosignatures.iter_mut().find(|known| known.name == key.name && known.key_id == key.key_id);
                    match known {
                        Some(known) => known.timestamp = known.timestamp.max(timestamp),
                        None => cosignatures.push(VerifiedCosignature {
                            name: key.name.clone(),
                            key_id: key.key_id,
                            timestamp,
                        }),
                    }
                }
            }
        }
    }
    if is_signed { Ok(VerifiedCheckpoint { checkpoint, cosignatures }) } else { Err(CheckpointError::NotSigned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    const ORIGIN: &str = "log.example/audit";

    /// Test keys: nobody's.
    fn ed25519_key(seed: u8) -> ed25519::PrivateKey {
        ed25519::PrivateKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn sm2_key(scalar: u8) -> sm2::PrivateKey {
        sm2::PrivateKey::from_bytes(&[scalar; 32]).unwrap()
    }

    fn witness(seed: u8) -> (Verifier, ed25519::PrivateKey) {
        let key = ed25519_key(seed);
        (Verifier::of_witness(&format!("witness.example/w{seed}"), &Signer::public_key(&key)).unwrap(), key)
    }

    fn error<T: std::fmt::Debug>(outcome: Result<T, CheckpointError>) -> CheckpointError {
        outcome.unwrap_err()
    }

    #[test]
    fn the_specification_s_note_verifies_under_its_key() {
        let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        let key = Verifier::parse(vkey).unwrap();
        let note = Note::parse(note.as_bytes()).unwrap();
        assert!(key.is_named_by(&note.signatures[0]));
        assert!(key.verify(note.text, &note.signatures[0].value).is_some());
        assert!(key.verify("This is another message.\n", &note.signatures[0].value).is_none());
        assert_eq!(key.to_vkey(), vkey);
    }

    #[test]
    fn both_trees_and_witnesses_sign_and_are_verified() {
        let (first, first_key) = witness(0x21);
        let (second, _) = witness(0x22);
        let (ed, sm) = (ed25519_key(0x11), sm2_key(0x12));
        let signers: [(TreeHash, &dyn Signer); 2] = [(TreeHash::Sha256, &ed), (TreeHash::Sm3, &sm)];
        for (hash, signer) in signers {
            let origin = hash.origin(ORIGIN);
            let log = Verifier::of_log(&origin, &signer.public_key()).unwrap();
            assert_eq!(Verifier::parse(&log.to_vkey()), Ok(log.clone()));
            let text = checkpoint_text(ORIGIN, hash, 7, &[9; 32]);
            let own = log.sign(&text, signer, &SystemRandom).unwrap();
            let times = [1_700_000_000, 1_800_000_000, 1_600_000_000];
            let seen = times.map(|at| first.cosign(&text, Timestamp::from_unix(at), &first_key, &DeadRandom).unwrap());
            let stranger = SignatureLine { name: "stranger.example", key_id: [0; 4], value: vec![0; 64] };
            let note = Note::write(&text, &[&[own.clone(), stranger][..], &seen].concat()).unwrap();
            let note = Note::parse(note.as_bytes()).unwrap();
            let (logs, witnesses) = ([log.clone()], [first.clone(), second.clone()]);
            let verified = verify_checkpoint(&note, &origin, &logs, &witnesses).unwrap();
            assert_eq!((verified.size(), verified.root()), (7, &[9; 32]));
            let [cosignature] = verified.cosignatures() else { panic!("{verified:?}") };
            assert_eq!((cosignature.name.as_str(), cosignature.timestamp), (first.name(), 1_800_000_000));

            // Without the witnesses' keys their lines are strangers'.
            assert_eq!(verify_checkpoint(&note, &origin, &logs, &[]).unwrap().cosignatures(), []);
            let expected = CheckpointError::Origin { expected: ORIGIN.into(), found: origin.clone() };
            assert_eq!(error(verify_checkpoint(&note, ORIGIN, &logs, &[])), expected);
            assert_eq!(error(verify_checkpoint(&note, &origin, &[], &witnesses)), CheckpointError::NotSigned);
            let role = CheckpointError::Role { name: first.name().into() };
            assert_eq!(error(verify_checkpoint(&note, &origin, &witnesses, &[])), role);
            let role = CheckpointError::Role { name: origin.clone() };
            assert_eq!(error(verify_checkpoint(&note, &origin, &logs, &logs)), role);

            // A changed text, or a changed value of any known key, refuses the whole note.
            let other = checkpoint_text(ORIGIN, hash, 8, &[9; 32]);
            let changed = Note::write(&other, &note.signatures).unwrap();
            let wrong = CheckpointError::WrongSignature { name: origin.clone() };
            assert_eq!(
                error(verify_checkpoint(&Note::parse(changed.as_bytes()).unwrap(), &origin, &logs, &witnesses)),
                wrong
            );
            for (at, name) in [(0, origin.as_str()), (2, first.name()), (4, first.name())] {
                let mut lines = note.signatures.clone();
                let last = lines[at].value.len() - 1;
                lines[at].value[last] ^= 1;
                let changed = Note::write(&text, &lines).unwrap();
                let outcome = verify_checkpoint(&Note::parse(changed.as_bytes()).unwrap(), &origin, &logs, &witnesses)
                    .unwrap_err();
                assert_eq!(outcome, CheckpointError::WrongSignature { name: name.into() });
            }
            // The right key under another name is a stranger's.
            let elsewhere = Verifier::of_log("other.example", &signer.public_key()).unwrap();
            assert_eq!(error(verify_checkpoint(&note, &origin, &[elsewhere], &[])), CheckpointError::NotSigned);
        }
    }

    #[test]
    fn keys_do_only_what_they_are_for() {
        let (witness, key) = witness(0x21);
        let log = Verifier::of_log("log.example", &Signer::public_key(&key)).unwrap();
        assert_ne!(log.key_id(), witness.key_id());
        let text = checkpoint_text(ORIGIN, TreeHash::Sha256, 0, &TreeHash::Sha256.empty_root());
        let role = |name: &str| CheckpointError::Role { name: name.into() };
        assert_eq!(error(witness.sign(&text, &key, &DeadRandom)), role(witness.name()));
        let now = Timestamp::from_unix(1);
        assert_eq!(error(log.cosign(&text, now, &key, &DeadRandom)), role("log.example"));
        assert_eq!(error(log.sign(&text, &ed25519_key(1), &DeadRandom)), role("log.example"));
        assert_eq!(error(witness.cosign(&text, Timestamp::from_unix(-1), &key, &DeadRandom)), CheckpointError::Time);
        let algorithm = CheckpointError::KeyType { algorithm: "sm2-key" };
        assert_eq!(error(Verifier::of_witness("w", &Signer::public_key(&sm2_key(7)))), algorithm);
        assert_eq!(error(Verifier::of_log("a b", &Signer::public_key(&key))), tlog::Error::KeyName.into());
        assert_eq!(error(Verifier::new("n", NoteKey::Sm2([4; 65]))), crypto::Error::NotAPoint.into());
        let vkey = log.to_vkey();
        let id = vkey.split('+').nth(1).unwrap();
        let other = vkey.replace(id, "00000000");
        assert_eq!(error(Verifier::parse(&other)), CheckpointError::KeyId { name: "log.example".into() });
        // A checkpoint's signature is no cosignature, and the other way round.
        let own = log.sign(&text, &key, &DeadRandom).unwrap();
        assert!(witness.verify(&text, &own.value).is_none());
        let seen = witness.cosign(&text, now, &key, &DeadRandom).unwrap();
        assert!(log.verify(&text, &seen.value).is_none());
        assert!(witness.verify(&text, &seen.value).is_some());
    }
}
