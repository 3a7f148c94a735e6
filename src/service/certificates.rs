//! Issuing certificates: the key signs what `domain::ca` decided, and row and event are kept together.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::random::array;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::domain::audit::EventBody;
use crate::domain::ca::{self, Profile, Request, prepare};
use crate::format::x509::{Certificate, NewName};
use crate::service::keys::NewKey;
use crate::service::{Error, Services};
use crate::store::certificates::StoredCertificate;

/// Who signs a new certificate: itself, or an authority above.
pub(in crate::service) enum Above<'a> {
    /// Self-signed.
    Nobody,
    /// An authority: its certificate and its key.
    Authority(&'a [u8], &'a Arc<dyn Signer>),
}

/// A certificate that was signed and is not kept yet.
pub(in crate::service) struct Issued {
    /// Its row.
    pub row: StoredCertificate,
    /// Its event.
    pub event: EventBody,
}

/// Signs a certificate for a new key, as the algorithm policy allows it now.
pub(in crate::service) async fn issue(
    key: &NewKey,
    id: &KeyId,
    subject: &NewName,
    (profile, role): (Profile, &str),
    above: &Above<'_>,
    (not_before, not_after): (Timestamp, Timestamp),
    (services, now): (&Services, Timestamp),
) -> Result<Issued, Error> {
    let (pool, random, rules) = (&services.pool, &services.random, (&*services.algorithms, now));
    let serial: [u8; 16] = array(&**random)?;
    let public = key.public_key();
    let request = Request { subject, key: &public, profile, not_before, not_after, serial: &serial };
    let own_name = subject.to_der();
    let parsed = match above {
        Above::Nobody => None,
        Above::Authority(der, _) => Some(Certificate::parse(der).map_err(|_| ca::Error::Signature)?),
    };
    let (name, signer) = match (above, &parsed) {
        (Above::Authority(_, signer), Some(parsed)) => (parsed.subject.raw(), *signer),
        _ => (own_name.as_slice(), &key.signer),
    };
    let issuer_key = signer.public_key();
    let issuer = ca::Issuer { name, key: &issuer_key, algorithm: signer.algorithm() };
    let token = prepare(&request, &issuer, rules)?;
    let value = pool.sign(Arc::clone(signer), token.to_sign().to_vec(), Arc::clone(random)).await?;
    let der = token.assemble(&value)?;
    let digest = sm3(&der);
    let event = EventBody::CertificateIssued {
        serial: serial.to_vec(),
        issuer_sm3: sm3(name),
        certificate_sm3: digest,
        key: Some(id.clone()),
    };
    let row = StoredCertificate {
        sm3: digest,
        serial: serial.to_vec(),
        subject: own_name.clone(),
        issuer: name.to_vec(),
        key: Some(id.clone()),
        der,
        role: role.to_owned(),
        issued_at: not_before,
    };
    Ok(Issued { row, event })
}
