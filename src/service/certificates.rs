//! Certificates of the development PKI, which makes its own root: whoever else wants one orders it (`issuance`).

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::random::array;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::domain::audit::EventBody;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::{self, Profile, Publication, Request, prepare};
use crate::format::x509::Certificate;
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

/// Signs a certificate for a new key under that profile, as the algorithm policy allows it now.
pub(in crate::service) async fn issue(
    (key, id): (&NewKey, &KeyId),
    subject: &[(AttributeKind, String)],
    (profile, role): (&Profile, &str),
    above: &Above<'_>,
    (not_before, not_after): (Timestamp, Timestamp),
    (services, now): (&Services, Timestamp),
) -> Result<Issued, Error> {
    let (pool, random, rules) = (&services.pool, &services.random, (&*services.algorithms, now));
    let serial: [u8; 16] = array(&**random)?;
    let public = key.public_key();
    let request = Request {
        profile,
        subject,
        alternative_names: &[],
        identity: &[],
        key: &public,
        not_before,
        not_after: Some(not_after),
        serial: &serial,
        transaction: None,
        name_constraints: None,
    };
    let (certificate, signer) = match above {
        Above::Nobody => (None, &key.signer),
        Above::Authority(der, signer) => (Some(Certificate::parse(der).map_err(|_| ca::Error::NoAuthority)?), *signer),
    };
    let issuer_key = signer.public_key();
    let issuer = ca::Issuer {
        certificate: certificate.as_ref(),
        key: &issuer_key,
        algorithm: signer.algorithm(),
        publication: &Publication::nowhere(),
        throw_away: &services.throw_away,
    };
    let token = prepare(&request, &issuer, rules)?;
    let value = pool.sign(Arc::clone(signer), token.to_sign().to_vec(), Arc::clone(random)).await?;
    let der = token.assemble(&value)?;
    let written = Certificate::parse(&der).map_err(|_| ca::Error::Signature)?;
    let (own_name, issuer_name) = (written.subject.raw().to_vec(), written.issuer.raw().to_vec());
    let digest = sm3(&der);
    let event = EventBody::CertificateIssued {
        serial: serial.to_vec(),
        issuer_sm3: sm3(&issuer_name),
        certificate_sm3: digest,
        key: Some(id.clone()),
    };
    let row = StoredCertificate {
        sm3: digest,
        serial: serial.to_vec(),
        subject: own_name,
        issuer: issuer_name,
        key: Some(id.clone()),
        der,
        role: role.to_owned(),
        issued_at: not_before,
    };
    Ok(Issued { row, event })
}
