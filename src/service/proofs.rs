//! Signatures that people bring in files: an officer's over an order, an old key's over a renewal.

use crate::base::id::CallerId;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::ca::request::{Officer, OfficerRole};
use crate::domain::caller::{CallerState, Role, Roles};
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::public_key;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::keys::read_sm2_signature;
use crate::service::Error;
use crate::store::{self, Tx, callers};

/// The officer of certificates of that name, and the roles of the caller.
///
/// # Errors
/// [`Error::UnknownCaller`], [`Error::CallerBarred`], [`Error::OfficerNeeded`].
pub(in crate::service) async fn officer(tx: &mut Tx<'_>, id: &CallerId) -> Result<(Officer, Roles), Error> {
    let caller = callers::find(tx, id).await?.ok_or(Error::UnknownCaller)?;
    if caller.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if !caller.roles.contains(Role::CertificateOfficer) {
        return Err(Error::OfficerNeeded);
    }
    let wrong = || store::Error::Inconsistent { table: "callers", row: id.to_string() };
    let info = SubjectPublicKeyInfo::parse(&caller.public_key).map_err(|_| wrong())?;
    let key = public_key(&info).ok_or_else(wrong)?;
    let officer = Officer { id: caller.id, role: OfficerRole::Approver, key, algorithm: caller.algorithm.signature() };
    Ok((officer, caller.roles))
}

/// The algorithm of a key's kind.
pub(in crate::service) const fn algorithm_of(key: &PublicKey) -> KeyAlgorithm {
    match key {
        PublicKey::Sm2(_) => KeyAlgorithm::Sm2,
        PublicKey::Rsa(_) => KeyAlgorithm::Rsa,
        PublicKey::EcdsaP256(_) => KeyAlgorithm::EcdsaP256,
        PublicKey::Ed25519(_) => KeyAlgorithm::Ed25519,
    }
}

/// A signature's value at fixed width: SM2 and ECDSA come as r‖s or as DER, for programs write either.
pub(in crate::service) fn fixed_width(algorithm: SignatureAlgorithm, value: &[u8]) -> Vec<u8> {
    match algorithm {
        // What is neither is refused by the verification.
        SignatureAlgorithm::Sm2Sm3 | SignatureAlgorithm::EcdsaP256Sha256 => {
            read_sm2_signature(value).map_or_else(|_| value.to_vec(), |(fixed, _)| fixed)
        }
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ed25519 => value.to_vec(),
    }
}
