//! The status of a certificate by CRLs (RFC 5280 6.3.3).

use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::revocation::scope::{Point, points_of};
use crate::domain::trust::revocation::{
    CrlEvidence, DeltaCrls, RevocationQuestion, RevocationSource, RevocationStatus, RevocationUnknown, SourceKind,
};
use crate::format::x509::crl::{CertificateList, RevocationReason};
use crate::format::x509::extension::{ReasonFlags, SubjectKeyIdentifier};
use crate::format::x509::{Certificate, KeyUsage};

/// Who signed a list, and how.
#[derive(Clone)]
struct Signer<'a> {
    certificate: &'a Certificate<'a>,
    used: Option<SignatureUsed>,
}

struct Judge<'q, 'a> {
    question: &'q RevocationQuestion<'a>,
    /// What came of the signature of each list: checked once, however many points lead to it.
    signers: Vec<Option<Result<Signer<'a>, RevocationUnknown>>>,
}

/// What one list, with its changes, says.
enum Said {
    Revoked(RevocationStatus),
    /// Not revoked for these reasons.
    Not {
        reasons: u16,
        source: RevocationSource,
    },
}

pub(super) fn status_by_crls(question: &RevocationQuestion<'_>, budget: &mut Budget) -> RevocationStatus {
    let points = match points_of(question.certificate) {
        Ok(points) => points,
        Err(why) => return RevocationStatus::Unknown { why },
    };
    let crls = question.evidence.crls;
    let mut judge = Judge { question, signers: vec![None; crls.len()] };
    // Of several lists the newest is asked first: one of yesterday, in force still, never hides a revocation of today.
    let mut newest_first: Vec<(usize, &CrlEvidence<'_>)> = crls.iter().enumerate().collect();
    newest_first.sort_by(|(_, one), (_, other)| newer(other.list, one.list));
    let mut why = RevocationUnknown::NoEvidence;
    let mut covered = 0;
    let mut found: Option<RevocationSource> = None;
    for point in &points {
        for &(at, crl) in &newest_first {
            if crl.list.is_delta() {
                why = why.or(RevocationUnknown::NoCompleteCrl);
                continue;
            }
            if budget.step().is_err() {
                return RevocationStatus::Unknown { why: RevocationUnknown::GivenUp };
            }
            match judge.ask(at, crl, point, covered, budget) {
                Ok(Said::Revoked(status)) => return status,
                Ok(Said::Not { reasons, source }) => {
                    covered |= reasons;
                    found = Some(found.map_or_else(|| source.clone(), |before| joined(before, &source)));
                }
                Err(reason) => why = why.or(reason),
            }
        }
        if let (ReasonFlags::ALL, Some(source)) = (covered, &found) {
            return RevocationStatus::Good { source: source.clone() };
        }
    }
    if covered != 0 {
        why = why.or(RevocationUnknown::ReasonsIncomplete);
    }
    RevocationStatus::Unknown { why }
}

/// Two lists that cover different reasons hold as long as both do.
fn joined(mut before: RevocationSource, other: &RevocationSource) -> RevocationSource {
    before.this_update = before.this_update.min(other.this_update);
    before.next_update = before.next_update.into_iter().chain(other.next_update).min();
    before.signatures.extend(&other.signatures);
    before
}

impl<'a> Judge<'_, 'a> {
    fn ask(
        &mut self,
        at: usize,
        crl: &CrlEvidence<'a>,
        point: &Point<'_>,
        covered: u16,
        budget: &mut Budget,
    ) -> Result<Said, RevocationUnknown> {
        let (question, list) = (self.question, crl.list);
        let reasons = point.reasons_in(list, question.certificate)?;
        // (e): it must add something.
        if reasons & !covered == 0 {
            return Err(RevocationUnknown::NoEvidence);
        }
        is_usable(list)?;
        let signer = self.signer(at, list, budget)?;
        let delta = self.delta(list, &signer, budget)?;
        let found = |crl: &CrlEvidence<'a>| {
            let (serial, issuer) = (question.certificate.serial, &question.certificate.issuer);
            match crl.index {
                Some(index) => index.find(crl.list, serial, issuer),
                None => crl.list.find(serial, issuer),
            }
        };
        // The combination is as new as the changes (RFC 5280 5.2.4).
        let newest = delta.as_ref().map_or(list, |(delta, _)| delta.list);
        let source = RevocationSource {
            kind: SourceKind::Crl {
                number: list.number.map(<[u8]>::to_vec),
                delta: delta.as_ref().and_then(|(delta, _)| delta.list.number.map(<[u8]>::to_vec)),
            },
            this_update: newest.this_update,
            next_update: newest.next_update,
            signatures: signer.used.into_iter().chain(delta.as_ref().and_then(|(_, used)| *used)).collect(),
        };
        let in_force = question.in_force(newest.this_update, newest.next_update);
        // (i), (j), (k): the changes first, then the list.
        let entry = match delta.as_ref().and_then(|(delta, _)| found(delta)) {
            Some(entry) if entry.reason == Some(RevocationReason::RemoveFromCrl) => None,
            Some(entry) => Some(entry),
            None => found(crl),
        };
        match entry {
            Some(entry) => {
                let reason = entry.reason.unwrap_or(RevocationReason::Unspecified);
                RevocationQuestion::counts(reason, in_force)?;
                let (since, invalidity_date) = (entry.revocation_date, entry.invalidity_date);
                Ok(Said::Revoked(RevocationStatus::Revoked { since, reason, invalidity_date, source }))
            }
            None => {
                in_force?;
                let expired = question.certificate.not_after;
                let is_kept = newest.expired_certificates_since.is_some_and(|since| since <= expired);
                if expired < newest.this_update && !is_kept {
                    return Err(RevocationUnknown::ExpiredBefore);
                }
                Ok(Said::Not { reasons, source })
            }
        }
    }

    /// (f), (g): who signed the list, checked once for each list.
    fn signer(
        &mut self,
        at: usize,
        list: &CertificateList<'_>,
        budget: &mut Budget,
    ) -> Result<Signer<'a>, RevocationUnknown> {
        if let Some(Some(known)) = self.signers.get(at) {
            return known.clone();
        }
        let signer = find_signer(self.question, list, budget);
        if let Some(place) = self.signers.get_mut(at) {
            *place = Some(signer.clone());
        }
        signer
    }

    /// (c), (h): the newest changes to that list that are of the same issuer, scope and key, and in force.
    fn delta(
        &self,
        list: &CertificateList<'_>,
        signer: &Signer<'_>,
        budget: &mut Budget,
    ) -> Result<Option<(CrlEvidence<'a>, Option<SignatureUsed>)>, RevocationUnknown> {
        let question = self.question;
        if question.policy.deltas == DeltaCrls::Ignore {
            return Ok(None);
        }
        let fits = |crl: &&CrlEvidence<'a>| is_delta_to(crl.list, list) && is_usable(crl.list).is_ok();
        let mut deltas: Vec<_> = question.evidence.crls.iter().filter(fits).collect();
        deltas.retain(|crl| question.in_force(crl.list.this_update, crl.list.next_update).is_ok());
        deltas.sort_by(|one, other| cmp_numbers(other.list.number, one.list.number));
        for delta in deltas {
            let signed = (delta.list.tbs, delta.list.signature);
            match question.signed(&signer.certificate.public_key, &delta.list.signature_algorithm, signed, budget) {
                Ok(used) => return Ok(Some((*delta, used))),
                Err(RevocationUnknown::GivenUp) => return Err(RevocationUnknown::GivenUp),
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// Whatever is critical is known, and certificates of others are listed in indirect CRLs only (RFC 5280 5.2, 5.3).
fn is_usable(list: &CertificateList<'_>) -> Result<(), RevocationUnknown> {
    if let Some(oid) = list.unknown_critical() {
        return Err(RevocationUnknown::CriticalExtension { oid });
    }
    let is_indirect = list.issuing_distribution_point.as_ref().is_some_and(|scope| scope.indirect);
    if list.names_issuers() && !is_indirect {
        return Err(RevocationUnknown::NotIndirect);
    }
    Ok(())
}

/// RFC 5280 5.2.4, 6.3.3 (c): same issuer, same scope, same key; based on this list or an older one; newer than it.
fn is_delta_to(delta: &CertificateList<'_>, list: &CertificateList<'_>) -> bool {
    let key = |list: &CertificateList<'_>| {
        list.authority_key_identifier.as_ref().and_then(|key| key.key_identifier.map(<[u8]>::to_vec))
    };
    let (Some(base), Some(number), Some(newer)) = (delta.delta_base, list.number, delta.number) else { return false };
    delta.issuer.matches(&list.issuer)
        && delta.issuing_distribution_point == list.issuing_distribution_point
        && key(delta) == key(list)
        && cmp_numbers(Some(base), Some(number)).is_le()
        && cmp_numbers(Some(newer), Some(number)).is_gt()
}

/// Which of two lists is newer (RFC 5280 5.1.2.4, 5.2.3).
fn newer(one: &CertificateList<'_>, other: &CertificateList<'_>) -> std::cmp::Ordering {
    one.this_update.cmp(&other.this_update).then_with(|| cmp_numbers(one.number, other.number))
}

/// Magnitudes without leading zeros: the longer is the greater.
fn cmp_numbers(one: Option<&[u8]>, other: Option<&[u8]>) -> std::cmp::Ordering {
    let key = |number: Option<&[u8]>| number.map(|number| (number.len(), number.to_vec()));
    key(one).cmp(&key(other))
}

fn find_signer<'a>(
    question: &RevocationQuestion<'a>,
    list: &CertificateList<'_>,
    budget: &mut Budget,
) -> Result<Signer<'a>, RevocationUnknown> {
    let others = question.evidence.certificates.iter().filter(|other| other.raw != question.issuer.raw);
    let mut why = RevocationUnknown::SignerMissing;
    for certificate in std::iter::once(question.issuer).chain(others) {
        if !certificate.subject.matches(&list.issuer) || names_another_key(list, certificate) {
            continue;
        }
        if certificate.key_usage.is_some_and(|usage| !usage.any(KeyUsage::CRL_SIGN)) {
            why = why.or(RevocationUnknown::SignerKeyUsage);
            continue;
        }
        let signed = (list.tbs, list.signature);
        match question.signed(&certificate.public_key, &list.signature_algorithm, signed, budget) {
            Ok(used) if certificate.raw == question.issuer.raw || (question.authorise)(certificate) => {
                return Ok(Signer { certificate, used });
            }
            Ok(_) => why = why.or(RevocationUnknown::SignerNotAuthorised),
            Err(RevocationUnknown::GivenUp) => return Err(RevocationUnknown::GivenUp),
            Err(reason) => why = why.or(reason),
        }
    }
    Err(why)
}

/// Whether the list's `authorityKeyIdentifier` names another key than this certificate's `subjectKeyIdentifier`.
fn names_another_key(list: &CertificateList<'_>, certificate: &Certificate<'_>) -> bool {
    let wanted = list.authority_key_identifier.as_ref().and_then(|key| key.key_identifier);
    let has = certificate.extension_of::<SubjectKeyIdentifier<'_>>().ok().flatten();
    matches!((wanted, has), (Some(wanted), Some(has)) if wanted != has.0)
}
