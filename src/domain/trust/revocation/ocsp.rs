//! The status of a certificate by OCSP answers (RFC 6960 3.2, 4.2.2.2).

use crate::crypto::algorithm::{DigestAlgorithm, OID_SHA1};
use crate::crypto::digest::{digest, sha1_identifier};
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::revocation::{
    MissingNonce, OcspEvidence, Responder, RevocationQuestion, RevocationSource, RevocationStatus, RevocationUnknown,
    SourceKind, UncheckedResponder, prefer,
};
use crate::format::der::ObjectIdentifier;
use crate::format::x509::Certificate;
use crate::format::x509::crl::RevocationReason;
use crate::format::x509::extension::{self, ExtendedKeyUsage, OCSP_SIGNING};
use crate::format::x509::ocsp::{BasicResponse, CertId, CertificateStatus, OcspResponse, ResponderId, SingleResponse};

pub(super) fn status_by_ocsp(question: &RevocationQuestion<'_>, budget: &mut Budget) -> RevocationStatus {
    let mut status = RevocationStatus::Unknown { why: RevocationUnknown::NoEvidence };
    for answer in question.evidence.ocsp {
        if budget.step().is_err() {
            return RevocationStatus::Unknown { why: RevocationUnknown::GivenUp };
        }
        let said = ask(question, answer, budget).unwrap_or_else(|why| RevocationStatus::Unknown { why });
        status = prefer(status, said);
    }
    status
}

fn ask(
    question: &RevocationQuestion<'_>,
    answer: &OcspEvidence<'_>,
    budget: &mut Budget,
) -> Result<RevocationStatus, RevocationUnknown> {
    let response = match answer.response {
        OcspResponse::Successful(response) => response,
        OcspResponse::Refused(refusal) => {
            return Err(RevocationUnknown::OcspRefused { status: refusal.name() });
        }
    };
    let single = matching(question, response)?;
    if let Some(oid) = response.unknown_critical() {
        return Err(RevocationUnknown::CriticalExtension { oid });
    }
    match (answer.nonce, response.nonce) {
        (Some(sent), Some(back)) if sent != back => return Err(RevocationUnknown::NonceOther),
        (Some(_), None) if question.policy.missing_nonce == MissingNonce::Refuse => {
            return Err(RevocationUnknown::NonceMissing);
        }
        _ => {}
    }
    let (responder, signatures) = find_responder(question, response, budget)?;
    let source = RevocationSource {
        kind: SourceKind::Ocsp { responder },
        this_update: single.this_update,
        next_update: single.next_update,
        signatures,
    };
    if response.produced_at > question.at.plus_seconds(question.policy.tolerance) {
        return Err(RevocationUnknown::NotYet { from: response.produced_at });
    }
    let in_force = question.in_force(single.this_update, single.next_update);
    match single.status {
        CertificateStatus::Revoked { since, reason } => {
            let reason = reason.unwrap_or(RevocationReason::Unspecified);
            RevocationQuestion::counts(reason, in_force)?;
            let invalidity_date = single.invalidity_date;
            Ok(RevocationStatus::Revoked { since, reason, invalidity_date, source })
        }
        CertificateStatus::Good => {
            in_force?;
            let expired = question.certificate.not_after;
            let is_kept = single.archive_cutoff.is_some_and(|cutoff| cutoff <= expired);
            if expired < single.this_update && !is_kept {
                return Err(RevocationUnknown::ExpiredBefore);
            }
            Ok(RevocationStatus::Good { source })
        }
        CertificateStatus::Unknown => Err(RevocationUnknown::NotKnown),
    }
}

/// The newest answer about the certificate (RFC 6960 3.2 (1)).
fn matching<'r, 'a>(
    question: &RevocationQuestion<'_>,
    response: &'r BasicResponse<'a>,
) -> Result<&'r SingleResponse<'a>, RevocationUnknown> {
    // Name and key of the issuer by each digest that occurs: there are five, however many answers there are.
    let mut digests: Vec<(ObjectIdentifier, Vec<u8>, Vec<u8>)> = Vec::new();
    let mut why = RevocationUnknown::OtherCertificate;
    let mut best: Option<&SingleResponse<'_>> = None;
    for single in response.responses.iter().filter(|single| single.cert_id.serial == question.certificate.serial) {
        let CertId { hash_algorithm, issuer_name_hash, issuer_key_hash, .. } = single.cert_id;
        if !digests.iter().any(|(oid, ..)| *oid == hash_algorithm.oid) {
            let of = |octets| digest_by(hash_algorithm.oid, octets);
            let (name, key) = (of(question.certificate.issuer.raw()), of(question.issuer.public_key.key));
            let (Some(name), Some(key)) = (name, key) else {
                why = RevocationUnknown::DigestUnknown;
                continue;
            };
            digests.push((hash_algorithm.oid, name, key));
        }
        let is_it = digests
            .iter()
            .any(|(oid, name, key)| *oid == hash_algorithm.oid && name == issuer_name_hash && key == issuer_key_hash);
        if is_it && best.is_none_or(|before| before.this_update < single.this_update) {
            best = Some(single);
        }
    }
    best.ok_or(why)
}

/// The digests of a CertID (RFC 6960 4.3: SHA-1; SHA-2; SM3).
fn digest_by(oid: ObjectIdentifier, octets: &[u8]) -> Option<Vec<u8>> {
    if oid == OID_SHA1 {
        return Some(sha1_identifier(octets).to_vec());
    }
    Some(digest(DigestAlgorithm::from_oid(oid)?, octets))
}

/// Who signed the response, and how (RFC 6960 4.2.2.2): the issuer, or one that the issuer itself authorised.
fn find_responder(
    question: &RevocationQuestion<'_>,
    response: &BasicResponse<'_>,
    budget: &mut Budget,
) -> Result<(Responder, Vec<SignatureUsed>), RevocationUnknown> {
    let signed = (response.tbs, response.signature);
    let mut why = RevocationUnknown::ResponderMissing;
    if is_named(&response.responder, question.issuer) {
        match question.signed(&question.issuer.public_key, &response.signature_algorithm, signed, budget) {
            Ok(used) => return Ok((Responder::Issuer, used.into_iter().collect())),
            Err(RevocationUnknown::GivenUp) => return Err(RevocationUnknown::GivenUp),
            Err(reason) => why = why.or(reason),
        }
    }
    let beside: Vec<_> = response.certificates.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    for certificate in beside.iter().chain(question.evidence.certificates) {
        if certificate.raw == question.issuer.raw || !is_named(&response.responder, certificate) {
            continue;
        }
        let checked = authorised(question, certificate, budget).and_then(|(responder, by_issuer)| {
            let used = question.signed(&certificate.public_key, &response.signature_algorithm, signed, budget)?;
            Ok((responder, used.into_iter().chain(by_issuer).collect()))
        });
        match checked {
            Ok((Responder::DelegatedUnchecked, _))
                if question.policy.unchecked_responder == UncheckedResponder::Refuse =>
            {
                why = why.or(RevocationUnknown::ResponderUnchecked);
            }
            Ok(found) => return Ok(found),
            Err(RevocationUnknown::GivenUp) => return Err(RevocationUnknown::GivenUp),
            Err(reason) => why = why.or(reason),
        }
    }
    Err(why)
}

fn is_named(responder: &ResponderId<'_>, certificate: &Certificate<'_>) -> bool {
    match responder {
        ResponderId::Name(name) => name.matches(&certificate.subject),
        ResponderId::Key(hash) => *hash == sha1_identifier(certificate.public_key.key),
    }
}

/// Critical extensions of a responder's certificate that say no more than who it is and what it is for.
const UNDERSTOOD: [ObjectIdentifier; 6] = [
    extension::BASIC_CONSTRAINTS,
    extension::KEY_USAGE,
    extension::EXTENDED_KEY_USAGE,
    extension::SUBJECT_ALT_NAME,
    extension::CERTIFICATE_POLICIES,
    extension::OCSP_NO_CHECK,
];

/// Whether the issuer authorised that responder: its certificate is of the issuer's own key, is for `id-kp-OCSPSigning`,
/// may sign, and is valid.
fn authorised(
    question: &RevocationQuestion<'_>,
    responder: &Certificate<'_>,
    budget: &mut Budget,
) -> Result<(Responder, Option<SignatureUsed>), RevocationUnknown> {
    let purposes = responder.extension_of::<ExtendedKeyUsage>().ok().flatten();
    let is_for_ocsp = purposes.is_some_and(|purposes| purposes.0.contains(&OCSP_SIGNING));
    let is_understood = responder.extensions.iter().all(|it| !it.critical || UNDERSTOOD.contains(&it.oid));
    let is_issued_here = responder.issuer.matches(&question.issuer.subject);
    if !(is_for_ocsp && is_understood && is_issued_here && responder.allows_signing()) {
        return Err(RevocationUnknown::ResponderNotAuthorised);
    }
    if question.at < responder.not_before || question.at > responder.not_after {
        return Err(RevocationUnknown::ResponderExpired);
    }
    let signed = (responder.tbs, responder.signature);
    let used = question.signed(&question.issuer.public_key, &responder.signature_algorithm, signed, budget).map_err(
        |why| match why {
            RevocationUnknown::GivenUp => why,
            _ => RevocationUnknown::ResponderNotAuthorised,
        },
    )?;
    let is_vouched_for = responder.extension(extension::OCSP_NO_CHECK).is_some();
    let kind = if is_vouched_for { Responder::Delegated } else { Responder::DelegatedUnchecked };
    Ok((kind, used))
}
