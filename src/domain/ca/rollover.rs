//! Cross certificates: an authority's key certified by another, and a root's new key by its old one and the reverse
//! (RFC 4210 4.4, RFC 5280 3.2).

use crate::base::clock::Timestamp;
use crate::domain::ca::issuance::{Draft, Error, IssuanceToken, Issuer, key_identifier};
use crate::domain::ca::profile::Profile;
use crate::domain::trust::AlgorithmPolicy;
use crate::domain::trust::key::public_key;
use crate::format::x509::extension::{NameConstraints, SubjectKeyIdentifier};
use crate::format::x509::{Certificate, KeyUsage};

/// Which certificate of a rollover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollover {
    /// The old key, signed by the new one: who trusts the new root accepts what the old one signed. It lasts as the old root.
    OldWithNew,
    /// The new key, signed by the old one: who still trusts the old root accepts what the new one signs. From the new
    /// root's begin to the old root's end.
    NewWithOld,
}

/// Decides a cross certificate: `subject`'s name, octet for octet, its key and its key's identifier, under `profile`, which
/// is one of intermediates. It lasts no longer than the subject's certificate and its issuer's, allows no longer paths than
/// the profile and the subject's certificate do, and is none of the issuer's own key.
///
/// # Errors
/// The subject is no authority, or the issuer, the profile or the algorithm policy refuses.
pub fn prepare_cross(
    subject: &Certificate<'_>,
    (profile, serial): (&Profile, &[u8; 16]),
    issuer: &Issuer<'_>,
    (name_constraints, not_after): (Option<&NameConstraints<'_>>, Option<Timestamp>),
    (policy, now): (&AlgorithmPolicy, Timestamp),
) -> Result<IssuanceToken, Error> {
    let above = issuer.certificate.ok_or(Error::Position)?;
    if public_key(&subject.public_key).as_ref() == Some(issuer.key) {
        return Err(Error::Position);
    }
    let not_before = now.max(subject.not_before).max(above.not_before);
    let last = subject.not_after.min(above.not_after);
    let validity = (not_before, not_after.unwrap_or(last).min(last));
    let own = subject.basic_constraints.and_then(|constraints| constraints.path_length);
    let path_length = match (profile.rules().path_length, own) {
        (Some(ruled), Some(own)) => Some(ruled.min(own)),
        (ruled, own) => ruled.or(own),
    };
    cross(subject, (profile, serial), issuer, (name_constraints, validity, path_length), (policy, now))
}

/// Decides one of the two certificates by which a root passes to a new key: RFC 4210 4.4.1.
///
/// # Errors
/// The two certificates have not one name, or as [`prepare_cross`].
pub fn prepare_rollover(
    which: Rollover,
    (old, new): (&Certificate<'_>, &Certificate<'_>),
    (profile, serial): (&Profile, &[u8; 16]),
    issuer: &Issuer<'_>,
    (policy, now): (&AlgorithmPolicy, Timestamp),
) -> Result<IssuanceToken, Error> {
    let (subject, above, validity) = match which {
        Rollover::OldWithNew => (old, new, (old.not_before, old.not_after)),
        Rollover::NewWithOld => (new, old, (new.not_before, old.not_after)),
    };
    if old.subject.raw() != new.subject.raw() || issuer.certificate.map(|one| one.raw) != Some(above.raw) {
        return Err(Error::Position);
    }
    // The same authority by another key: what stands below it stands below both.
    let path_length = subject.basic_constraints.and_then(|constraints| constraints.path_length);
    cross(subject, (profile, serial), issuer, (None, validity, path_length), (policy, now))
}

/// What binds a cross certificate: names, validity, path length.
type Bounds<'a> = (Option<&'a NameConstraints<'a>>, (Timestamp, Timestamp), Option<u32>);

fn cross(
    subject: &Certificate<'_>,
    (profile, serial): (&Profile, &[u8; 16]),
    issuer: &Issuer<'_>,
    (name_constraints, validity, path_length): Bounds<'_>,
    rules: (&AlgorithmPolicy, Timestamp),
) -> Result<IssuanceToken, Error> {
    let authority = subject.basic_constraints.is_some_and(|constraints| constraints.authority);
    let signs = subject.key_usage.is_some_and(|usage| usage.any(KeyUsage::KEY_CERT_SIGN));
    if !authority || !signs || !profile.rules().authority {
        return Err(Error::NoAuthority);
    }
    if validity.1 < validity.0 {
        return Err(Error::EmptyValidity);
    }
    let key = public_key(&subject.public_key).ok_or(Error::NoAuthority)?;
    let known = subject.extension_of::<SubjectKeyIdentifier<'_>>().map_err(Error::Unreadable)?;
    let draft = Draft {
        profile,
        subject: subject.subject.raw(),
        subject_is_empty: false,
        alternative_names: &[],
        identity: &[],
        key: &key,
        key_identifier: known.map_or_else(|| key_identifier(&key), |known| known.0.to_vec()),
        validity,
        path_length,
        serial,
        transaction: None,
        name_constraints,
    };
    draft.into_token(issuer, rules)
}
