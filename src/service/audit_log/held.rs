//! What somebody holds in a file, as the log knows things: by their SM3.

use std::collections::BTreeMap;

use crate::base::limits::Limits;
use crate::crypto::digest::sm3;
use crate::format::keys::read_pem;
use crate::format::ofd::container::Container;
use crate::format::ses::{SesSeal, SesSignature};
use crate::service::Error;
use crate::service::audit_log::{AuditLog, EventProof};

/// Parts of a package that are looked at.
const MOST_PARTS: usize = 1_000;

/// A thing of a file that the log knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownThing {
    /// What of the file it is, in words.
    pub what: String,
    /// Its SM3.
    pub sm3: [u8; 32],
    /// The proofs of its events, oldest first.
    pub proofs: Vec<EventProof>,
}

/// SM3 of the file, and of each thing inside: certificates, seals, signature values, parts of a package. Each with what it is.
/// Nothing is judged.
#[must_use]
pub fn things(file: &[u8]) -> BTreeMap<[u8; 32], String> {
    let mut things = BTreeMap::new();
    let mut add = |octets: &[u8], what: String| {
        things.entry(sm3(octets)).or_insert(what);
    };
    add(file, "the file".to_owned());
    inside(file, "the file", &mut add);
    if let Ok(text) = std::str::from_utf8(file) {
        for der in read_pem(text, "CERTIFICATE").unwrap_or_default() {
            add(&der, "a certificate".to_owned());
        }
    }
    if let Ok(container) = Container::read(file, &Limits::DEFAULT) {
        for name in container.names().take(MOST_PARTS) {
            if let Ok(content) = container.content(name) {
                add(&content, name.to_string());
                inside(&content, &name.to_string(), &mut add);
            }
        }
    }
    things
}

/// Seals within signatures.
fn inside(octets: &[u8], place: &str, add: &mut impl FnMut(&[u8], String)) {
    if let Ok(signature) = SesSignature::parse_any(octets) {
        add(signature.seal.raw, format!("the seal in {place}"));
    } else if let Ok(seal) = SesSeal::parse_any(octets) {
        add(seal.raw, format!("the seal {place}"));
    }
}

impl AuditLog {
    /// Which of the things of a file the log knows, with their proofs. Whoever has the file may see them.
    ///
    /// # Errors
    /// As [`AuditLog::prove`].
    pub async fn known_things(&self, file: Vec<u8>) -> Result<Vec<KnownThing>, Error> {
        let finding = tokio::task::spawn_blocking(move || things(&file));
        let mut known = Vec::new();
        for (sm3, what) in finding.await.map_err(|_| Error::Interrupted)? {
            let proofs = self.proofs_of(&sm3).await?;
            if !proofs.is_empty() {
                known.push(KnownThing { what, sm3, proofs });
            }
        }
        Ok(known)
    }
}
