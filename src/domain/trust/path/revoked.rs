//! Revocation along a path (RFC 5280 6.1.3 (a)(3)): the status of each certificate below the anchor, and of those who
//! signed the lists that say so.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::crypto::digest::sm3;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::path::demand::{Conformance, PathPolicy};
use crate::domain::trust::path::failure::{PathFailure, Refusal};
use crate::domain::trust::path::{PathQuestion, TrustedPath, refused};
use crate::domain::trust::revocation::{
    RevocationEvidence, RevocationPolicy, RevocationQuestion, RevocationStatus, status_of,
};
use crate::format::x509::crl::{CRL_NUMBER, CertificateList};
use crate::format::x509::extension::CrlDistributionPoints;
use crate::format::x509::{Certificate, GeneralName};

/// How deep those who vouch for lists may stand behind each other.
const DEEPEST: usize = 3;

/// Whose revocation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationScope {
    /// Every certificate below the anchor.
    Path,
    /// The end certificate alone.
    End,
}

/// What a caller demands to know of revocation.
#[derive(Debug, Clone, Copy)]
pub struct RevocationDemand<'a> {
    /// What is at hand.
    pub evidence: &'a RevocationEvidence<'a>,
    /// What counts.
    pub policy: &'a RevocationPolicy,
    /// Whose.
    pub scope: RevocationScope,
    /// The moment of judging: sources must be in force then.
    pub at: Timestamp,
}

/// The status of each certificate that is asked about, from the end upward.
pub(in crate::domain::trust::path) fn statuses(
    path: &TrustedPath,
    question: &PathQuestion<'_>,
    demand: &RevocationDemand<'_>,
    budget: &mut Budget,
) -> Result<Vec<RevocationStatus>, PathFailure> {
    let mut statuses = Vec::new();
    let refusal = each_status(path, question, demand, budget, |certificate, status| {
        if !demand.policy.permits(certificate, &status) {
            return match status {
                RevocationStatus::Revoked { since, reason, .. } => {
                    Err((certificate.raw.to_vec(), Refusal::Revoked { since, reason }))
                }
                RevocationStatus::Unknown { why } => {
                    Err((certificate.raw.to_vec(), Refusal::RevocationUnknown { why }))
                }
                RevocationStatus::Good { .. } => Ok(()),
            };
        }
        statuses.push(status);
        Ok(())
    });
    match refusal {
        Ok(()) => Ok(statuses),
        Err((certificate, reason)) => Err(refused(&certificate, reason)),
    }
}

impl TrustedPath {
    /// What is known of the revocation of each certificate of this path that `demand` asks about, from the end upward.
    /// Nothing is refused: what follows from a revocation after the act is the caller's to say.
    ///
    /// `question` is the one that found this path.
    #[must_use]
    pub fn revocation(
        &self,
        question: &PathQuestion<'_>,
        demand: &RevocationDemand<'_>,
        budget: &mut Budget,
    ) -> Vec<RevocationStatus> {
        let mut statuses = Vec::new();
        let all = each_status(self, question, demand, budget, |_, status| {
            statuses.push(status);
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = all;
        statuses
    }
}

fn each_status<E>(
    path: &TrustedPath,
    question: &PathQuestion<'_>,
    demand: &RevocationDemand<'_>,
    budget: &mut Budget,
    mut take: impl FnMut(&Certificate<'_>, RevocationStatus) -> Result<(), E>,
) -> Result<(), E> {
    let beside: Vec<_> = question.beside.iter().chain(demand.evidence.certificates).cloned().collect();
    let crls: Vec<_> = demand.evidence.crls.iter().filter(|crl| conforms(crl.list, question)).copied().collect();
    let evidence = RevocationEvidence { crls: &crls, ..*demand.evidence };
    let examination = Examination {
        question,
        demand,
        evidence: &evidence,
        beside: &beside,
        path,
        budget: RefCell::new(budget.clone()),
        known: RefCell::default(),
        examined: RefCell::default(),
    };
    let certificates: Vec<_> = path.certificates().filter_map(|der| Certificate::parse(der).ok()).collect();
    let asked = match demand.scope {
        RevocationScope::Path => certificates.len(),
        RevocationScope::End => 1,
    };
    let mut pairs = certificates.iter().zip(certificates.iter().skip(1)).take(asked);
    let outcome =
        pairs.try_for_each(|(certificate, issuer)| take(certificate, examination.status(certificate, issuer)));
    *budget = examination.budget.into_inner();
    outcome
}

struct Examination<'a> {
    question: &'a PathQuestion<'a>,
    demand: &'a RevocationDemand<'a>,
    evidence: &'a RevocationEvidence<'a>,
    beside: &'a [Certificate<'a>],
    path: &'a TrustedPath,
    budget: RefCell<Budget>,
    /// Who may sign lists, as far as it was asked.
    known: RefCell<BTreeMap<[u8; 32], bool>>,
    /// Whose authority is being examined: nobody vouches for himself, unless his certificate says so.
    examined: RefCell<Vec<[u8; 32]>>,
}

impl Examination<'_> {
    fn status(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> RevocationStatus {
        let asked = RevocationQuestion {
            certificate,
            issuer,
            evidence: self.evidence,
            at: self.demand.at,
            policy: self.demand.policy,
            tables: self.question.tables,
            check: self.question.check,
            signer_ids: self.path.signer_id_policy.ids(),
            authorise: &|signer| self.may_sign_lists(signer),
        };
        let before = self.budget.borrow().clone();
        let mut left = before.clone();
        let status = status_of(&asked, &mut left);
        self.budget.borrow_mut().charge(&before, &left);
        status
    }

    /// RFC 5280 6.3.3 (f): a path to the same anchor, on which nobody is revoked either.
    fn may_sign_lists(&self, signer: &Certificate<'_>) -> bool {
        let id = sm3(signer.raw);
        if let Some(known) = self.known.borrow().get(&id) {
            return *known;
        }
        if self.examined.borrow().last() == Some(&id) {
            return is_own_issuer(signer);
        }
        if self.examined.borrow().contains(&id) || self.examined.borrow().len() >= DEEPEST {
            return false;
        }
        self.examined.borrow_mut().push(id);
        let may = self.has_path(signer);
        self.examined.borrow_mut().pop();
        // What was refused while others were under examination may be granted when they are not.
        if may || self.examined.borrow().is_empty() {
            self.known.borrow_mut().insert(id, may);
        }
        may
    }

    fn has_path(&self, signer: &Certificate<'_>) -> bool {
        let policy = PathPolicy::field();
        let asked = PathQuestion {
            end: signer,
            beside: self.beside,
            at: self.demand.at,
            policy: &policy,
            revocation: None,
            trust: self.question.trust,
            tables: self.question.tables,
            check: self.question.check,
        };
        let mut left = self.budget.borrow().clone();
        let found = asked.answer(&mut left);
        *self.budget.borrow_mut() = left;
        let Ok(path) = found else { return false };
        let certificates: Vec<_> = path.certificates().filter_map(|der| Certificate::parse(der).ok()).collect();
        let mut pairs = certificates.iter().zip(certificates.iter().skip(1));
        path.anchor_sm3 == self.path.anchor_sm3
            && pairs
                .all(|(certificate, issuer)| self.demand.policy.permits(certificate, &self.status(certificate, issuer)))
    }
}

/// Whether the certificate's own distribution points send whoever asks about it to a list that it signs itself: the
/// authority that issued it wanted that. Otherwise a stolen key could sign that it is not revoked.
fn is_own_issuer(signer: &Certificate<'_>) -> bool {
    let points = signer.extension_of::<CrlDistributionPoints<'_>>().ok().flatten();
    points.iter().flat_map(|points| &points.0).flat_map(|point| &point.crl_issuer).any(|name| match name {
        GeneralName::Directory(name) => name.matches(&signer.subject),
        _ => false,
    })
}

/// Rules for issuers of lists, where the policy enforces such: a `cRLNumber` is there, and is not critical (RFC 5280
/// 5.2.3).
fn conforms(list: &CertificateList<'_>, question: &PathQuestion<'_>) -> bool {
    let number = list.extension(CRL_NUMBER);
    question.policy.conformance == Conformance::Field || number.is_some_and(|number| !number.critical)
}
