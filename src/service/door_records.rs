//! Certificates, authorities and the status of seals as the door tells them, and certificates as they are ordered there.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest::{hex, sm3};
use crate::domain::ca::state::{CertificateState, RevocationReason};
use crate::domain::ca::subject::Attributes;
use crate::service::certificate_status::state_of;
use crate::service::door::{OcspReply, PublishedBytes, SealStatus};
use crate::service::responder::Reply;
use crate::service::trust_lists::InForce;
use crate::service::{Error, seals};
use crate::store::authorities::StoredAuthority;
use crate::store::issued_certificates::IssuedCertificate;

/// How a seal stands, for the door.
pub(in crate::service) fn status_of(status: seals::Status) -> SealStatus {
    SealStatus {
        id: status.id,
        es_id: status.es_id,
        name: status.name,
        state: status.state.name(),
        since: status.state.since(),
        valid_from: status.valid_from,
        valid_to: status.valid_to,
        certificate_sm3: status.certificate_sm3,
    }
}

/// A certificate that is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCertificate {
    /// Who is to issue it.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// A request of PKCS#10, DER or PEM.
    pub csr: Vec<u8>,
    /// Stands in for the subject of the request.
    pub subject: Option<Attributes>,
    /// Start of validity; now where nothing is told.
    pub not_before: Option<Timestamp>,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
    /// The digest of the transaction, for event certificates.
    pub transaction: Option<[u8; 32]>,
    /// The same key with the same content gives the same certificate; with other content it is a conflict.
    pub idempotency_key: String,
}

/// A certificate that an order led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedCertificate {
    /// SM3 of the certificate in DER: its name here.
    pub sm3: [u8; 32],
    /// Its serial number.
    pub serial: [u8; 16],
    /// Who issued it.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// Of a pair: what belongs to it.
    pub encryption: Option<EncryptionRecord>,
}

/// The other half of a pair: the encryption certificate, and its key for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionRecord {
    /// SM3 of the encryption certificate in DER.
    pub sm3: [u8; 32],
    /// The encryption certificate in DER.
    pub der: Vec<u8>,
    /// Its key, enveloped for the signing key, PEM.
    pub envelope: String,
}

/// A certificate that one of our authorities issued, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    /// SM3 of the certificate in DER: its name here.
    pub sm3: [u8; 32],
    /// Its serial number.
    pub serial: [u8; 16],
    /// Who issued it.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// The subject, for people.
    pub subject: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// `active`, `suspended` or `revoked`.
    pub status: &'static str,
    /// Since when.
    pub status_since: Timestamp,
    /// Why it was revoked, where it was.
    pub reason: Option<RevocationReason>,
    /// Since when it is suspected to have been invalid (RFC 5280 5.3.2).
    pub invalidity_date: Option<Timestamp>,
    /// The revocation list that speaks of it.
    pub crl_shard: u32,
    /// The certificate in DER.
    pub der: Vec<u8>,
}

/// Which certificates. Whatever is nothing is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateQuery {
    /// Issued by this authority.
    pub authority: Option<AuthorityId>,
    /// Under this profile.
    pub profile: Option<String>,
    /// `active`, `suspended` or `revoked`.
    pub status: Option<String>,
    /// The subject contains this text.
    pub subject: Option<String>,
    /// With this serial number.
    pub serial: Option<[u8; 16]>,
    /// Ends at this moment or later.
    pub ends_from: Option<Timestamp>,
    /// Ends before this moment.
    pub ends_before: Option<Timestamp>,
    /// Behind the page that ended with this number.
    pub after: i64,
    /// At most so many.
    pub limit: i64,
}

/// A page of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePage {
    /// Oldest first.
    pub certificates: Vec<CertificateRecord>,
    /// What the query for the next page gives as `after`; nothing on the last one.
    pub next: Option<i64>,
}

/// A certification authority of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRecord {
    /// Its name here.
    pub id: AuthorityId,
    /// What it is called.
    pub name: String,
    /// The authority above it, when that is ours.
    pub parent: Option<AuthorityId>,
    /// SM3 of its certificate in DER.
    pub certificate_sm3: [u8; 32],
    /// Where its lists, its certificate and its answers are found.
    pub base_url: String,
    /// Among how many revocation lists its certificates are shared out.
    pub crl_shards: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// Since when it issues no more.
    pub retired_at: Option<Timestamp>,
}

/// A revocation list that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedList {
    /// `cRLNumber`.
    pub number: u64,
    /// The number of the full list that it changes, for a delta.
    pub base: Option<u64>,
    /// How many certificates it names.
    pub entries: u64,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// SM3 of the list in DER.
    pub sm3: [u8; 32],
}

/// Seconds for which others may keep a revocation list: a newer one may come on demand.
pub(in crate::service) const MOST_LIST_AGE: i64 = 300;

/// The trust lists in force as one file; nothing where there is none.
pub(in crate::service) fn published_lists(found: &InForce) -> Option<PublishedBytes> {
    let issued = found.lists.iter().map(|list| list.list().issued).max();
    let expires = found.lists.iter().map(|list| list.list().expires).min();
    issued.zip(expires).map(|(this_update, expires)| {
        let bytes = found.published();
        let (tag, most_age) = (hex(&sm3(&bytes)), Some(MOST_LIST_AGE));
        PublishedBytes { tag, bytes: bytes.into(), this_update, expires, most_age }
    })
}

/// The certificate of an authority, or a bundle of them: looked at anew each day.
pub(in crate::service) fn published_issuer(der: Vec<u8>, now: Timestamp) -> PublishedBytes {
    PublishedBytes {
        tag: hex(&sm3(&der)),
        bytes: der.into(),
        this_update: Timestamp::from_unix(now.unix().div_euclid(86_400).saturating_mul(86_400)),
        expires: now.plus_days(1),
        most_age: None,
    }
}

/// An OCSP answer as the door gives it; caches may hold a kept one for that long.
pub(in crate::service) fn published_reply(reply: Reply, most_age: i64) -> OcspReply {
    match reply {
        Reply::Kept(answer) => OcspReply::Kept(PublishedBytes {
            bytes: Arc::clone(&answer.der),
            this_update: answer.this_update,
            expires: answer.next_update,
            most_age: Some(most_age),
            tag: answer.tag.clone(),
        }),
        Reply::Fresh(der) => OcspReply::Once(der),
        Reply::Refused(refusal) => OcspReply::Once(refusal.to_der()),
    }
}

/// A row as the door tells it.
pub(in crate::service) fn record_of(row: IssuedCertificate) -> Result<CertificateRecord, Error> {
    let state = state_of(&row)?;
    let (reason, invalidity_date) = match state {
        CertificateState::Revoked { reason, invalidity_date, .. } => (Some(reason), invalidity_date),
        CertificateState::Active { .. } | CertificateState::Suspended { .. } => (None, None),
    };
    Ok(CertificateRecord {
        sm3: row.sm3,
        serial: row.serial,
        authority: row.authority,
        profile: row.profile,
        subject: row.subject,
        not_before: row.not_before,
        not_after: row.not_after,
        issued_at: row.issued_at,
        status: state.name(),
        status_since: state.since(),
        reason,
        invalidity_date,
        crl_shard: row.shard,
        der: row.der,
    })
}

/// A row as the door tells it.
pub(in crate::service) fn authority_of(row: StoredAuthority) -> AuthorityRecord {
    AuthorityRecord {
        id: row.id,
        name: row.name,
        parent: row.parent,
        certificate_sm3: row.certificate,
        base_url: row.base_url,
        crl_shards: row.crl_shards,
        created_at: row.created_at,
        retired_at: row.retired_at,
    }
}
