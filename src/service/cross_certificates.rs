//! Cross certificates: an authority of ours certifies the key of another one (RFC 5280 3.2).
//!
//! They are issued as every other certificate, `prepare → intend → sign → keep`, with the same meaning of a crash at each
//! arrow, and stand among the issued ones: they are found, exported, suspended, revoked and named in lists there.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, KeyId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::possession::prove_authority;
use crate::domain::ca::rollover::prepare_cross;
use crate::domain::ca::subject::Attributes;
use crate::domain::ca::{self, IssuanceToken, Profiles};
use crate::format::keys::read_pem;
use crate::format::x509::extension::{GeneralSubtree, NameConstraints};
use crate::format::x509::name::{NameAttributes, NameBuf};
use crate::format::x509::{Certificate, NewGeneralName};
use crate::service::authorities::{self, sign};
use crate::service::issuance::batch::certificate_row;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::serial;
use crate::service::{Error, Services};
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::{audit, issuance_batches, issued_certificates};

/// Whose key is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An authority of ours.
    Ours(AuthorityId),
    /// Another one.
    Foreign {
        /// Its certificate in DER.
        certificate: Vec<u8>,
        /// A request of PKCS#10 by the same key, in DER: where the certificate is not self-signed, the proof that it holds
        /// its key.
        request: Option<Vec<u8>>,
    },
}

/// Names that the other authority is bound to (RFC 5280 4.2.1.10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constraints {
    /// It certifies names below these only; of kinds that do not stand here, all.
    pub permitted: Vec<NewGeneralName>,
    /// It certifies no names below these.
    pub excluded: Vec<NewGeneralName>,
}

impl Constraints {
    fn subtrees(names: &[NewGeneralName]) -> Vec<GeneralSubtree<'_>> {
        names.iter().map(|name| GeneralSubtree { base: name.as_general_name(), minimum: 0, maximum: None }).collect()
    }

    fn as_extension(&self) -> Option<NameConstraints<'_>> {
        let (permitted, excluded) = (Self::subtrees(&self.permitted), Self::subtrees(&self.excluded));
        if permitted.is_empty() && excluded.is_empty() { None } else { Some(NameConstraints { permitted, excluded }) }
    }
}

/// An order for a cross certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossOrder {
    /// Who certifies.
    pub issuer: AuthorityId,
    /// Whom.
    pub subject: Subject,
    /// Under which profile: one of authorities below others.
    pub profile: String,
    /// Names that it is bound to.
    pub constraints: Constraints,
    /// An earlier end than those of both certificates.
    pub not_after: Option<Timestamp>,
}

/// The other authority, as far as it is known here.
struct Other {
    certificate: Vec<u8>,
    ours: Option<(AuthorityId, KeyId)>,
}

/// Certifies the key of another authority: when the certificate is given, it and its events are durable.
///
/// # Errors
/// The issuer may not issue; the other authority does not prove that it holds its key, or is none; the profile, the
/// algorithm policy or a lint rule refuses; the key store or the database fails. Then nothing is there.
pub async fn cross(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    order: &CrossOrder,
) -> Result<IssuedCertificate, Error> {
    let now = services.clock.now();
    let names = order.constraints.permitted.iter().chain(&order.constraints.excluded);
    if names.clone().any(|name| !name.is_writable()) {
        return Err(ca::Error::NameConstraints.into());
    }
    let issuer = Arc::new(ReadyIssuer::load(services, &order.issuer, now).await?);
    let other = Arc::new(match &order.subject {
        Subject::Ours(id) => {
            let (authority, certificate) = authorities::find(services, id).await?;
            Other { certificate, ours: Some((authority.id, authority.key)) }
        }
        Subject::Foreign { certificate, .. } => Other { certificate: certificate.clone(), ours: None },
    });
    let (serial, token) = decide(services, profiles, order, (&issuer, &other), now).await?;
    let items = [(serial, sm3(token.to_sign()))];
    let batch = issuer.intend(services, (actor, None), &items, now).await?;
    let finish = async {
        let value = sign(services, &issuer.signer, &token).await?;
        let (row, issuer_sm3) = certificate_row(&issuer, (token, &value), serial, &order.profile, now)?;
        keep(services, actor, (&issuer, &other), (&row, issuer_sm3, &batch), now).await?;
        Ok(row)
    };
    let outcome = finish.await;
    if let Err(error) = &outcome {
        abandon(services, &batch, &items, reason_of(error)).await;
    }
    outcome
}

/// Asks for the proof of possession, decides what the certificate says, and lints it.
async fn decide(
    services: &Services,
    profiles: &Profiles,
    order: &CrossOrder,
    (issuer, other): (&Arc<ReadyIssuer>, &Arc<Other>),
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken), Error> {
    let profile = profiles.require(&order.profile).map_err(ca::Error::from)?.clone();
    let serial = serial(&*services.random)?;
    let (order, issuer, other) = (order.clone(), Arc::clone(issuer), Arc::clone(other));
    let algorithms = Arc::clone(&services.algorithms);
    let deciding = tokio::task::spawn_blocking(move || {
        let subject = Certificate::parse(&other.certificate).map_err(ca::Error::Unreadable)?;
        if let Subject::Foreign { request, .. } = &order.subject {
            prove_authority(&subject, request.as_deref())?;
        }
        let above = issuer.certificate()?;
        let constraints = order.constraints.as_extension();
        let bounds = (constraints.as_ref(), order.not_after);
        let by = issuer.as_issuer(&above);
        Ok::<_, Error>(prepare_cross(&subject, (&profile, &serial), &by, bounds, (&algorithms, now))?)
    });
    Ok((serial, deciding.await.map_err(|_| Error::Interrupted)??))
}

/// Keeps the certificate with its events and closes the intent, all or nothing.
async fn keep(
    services: &Services,
    actor: &Actor,
    (issuer, other): (&ReadyIssuer, &Other),
    (row, issuer_sm3, batch): (&IssuedCertificate, [u8; 32], &BatchId),
    now: Timestamp,
) -> Result<(), Error> {
    let events = &[
        EventBody::CertificateIssued {
            serial: row.serial.to_vec(),
            issuer_sm3,
            certificate_sm3: row.sm3,
            key: other.ours.as_ref().map(|(_, key)| key.clone()),
        },
        EventBody::AuthorityCrossed {
            authority: issuer.authority.id.clone(),
            certificate_sm3: row.sm3,
            subject_sm3: sm3(&other.certificate),
            subject: other.ours.as_ref().map(|(id, _)| id.clone()),
        },
    ];
    let steps = services.store.run("keep cross certificate", |tx| {
        Box::pin(async move {
            // Retired, revoked or suspended since the intent, the issuer or its key: nothing is released.
            issuer.still_may(services, tx, now).await?;
            issued_certificates::insert_many(tx, std::slice::from_ref(row)).await?;
            issuance_batches::complete(tx, batch, now).await?;
            for body in events {
                let event = Event { at: now, actor: actor.clone(), request: None, body: body.clone() };
                audit::append(tx, &event).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await
}

/// Names that bind, from their texts: hosts, mail, subjects that are permitted; hosts that are excluded.
///
/// # Errors
/// A name of no form that can be written.
pub fn constraints(
    (hosts, mail, subjects): (&[String], &[String], &[Attributes]),
    excluded_hosts: &[String],
) -> Result<Constraints, Error> {
    let mut permitted = hosts.iter().cloned().map(NewGeneralName::Dns).collect::<Vec<_>>();
    permitted.extend(mail.iter().cloned().map(NewGeneralName::Rfc822));
    for subject in subjects {
        let attributes = subject.iter().map(|(kind, value)| (kind.oid(), value.clone())).collect();
        let name = NameBuf::parse(NameAttributes(attributes).to_der()).map_err(|_| ca::Error::NameConstraints)?;
        permitted.push(NewGeneralName::Directory(name));
    }
    Ok(Constraints { permitted, excluded: excluded_hosts.iter().cloned().map(NewGeneralName::Dns).collect() })
}

/// The DER of a certificate in a file: PEM, or DER as it is.
#[must_use]
pub fn certificate_in(file: &[u8]) -> Vec<u8> {
    let found = std::str::from_utf8(file).ok().and_then(|text| read_pem(text, "CERTIFICATE"));
    found.and_then(|found| found.into_iter().next()).unwrap_or_else(|| file.to_vec())
}
