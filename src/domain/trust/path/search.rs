//! The search for a path: upward from the end by names and signatures (RFC 4158), downward from the anchor by
//! constraints and policies (RFC 5280 6.1).

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::anchor::{Held, subject_key};
use crate::domain::trust::budget::{Budget, Exhausted};
use crate::domain::trust::name_constraints::Constraints;
use crate::domain::trust::path::conformance::{Place, conforms, read};
use crate::domain::trust::path::demand::{EndValidity, PurposeNesting};
use crate::domain::trust::path::failure::{NamedCertificate, PathFailure, Refusal};
use crate::domain::trust::path::revoked::statuses;
use crate::domain::trust::path::{PathQuestion, Step, TrustedPath};
use crate::domain::trust::policy_graph::{AcceptedPolicies, PolicyGraph, PolicyStatements};
use crate::domain::trust::signature::{Signed, SignerId};
use crate::format::x509::extension::{
    AuthorityKeyIdentifier, CertificatePolicies, ExtendedKeyUsage, InhibitAnyPolicy, NameConstraints,
    PolicyConstraints, PolicyMappings, SubjectKeyIdentifier,
};
use crate::format::x509::{Certificate, KeyUsage, extension};

/// A certificate that the search looks at.
struct Node<'a> {
    number: usize,
    certificate: Certificate<'a>,
    held: Option<&'a Held>,
    is_anchor: bool,
    /// Why it may not vouch as the anchor that it is; it can still stand below another one.
    barred: Option<Refusal>,
    is_self_issued: bool,
    /// Whether it may sign certificates at all, whatever stands below.
    fitness: OnceCell<Result<(), Refusal>>,
}

impl<'a> Node<'a> {
    fn new(number: usize, certificate: Certificate<'a>, (held, standing): (Option<&'a Held>, Standing)) -> Rc<Self> {
        let is_self_issued = certificate.subject.matches(&certificate.issuer);
        let (is_anchor, barred) = match standing {
            Standing::Anchor => (true, None),
            Standing::Barred(reason) => (false, Some(reason)),
            Standing::Other => (false, None),
        };
        Rc::new(Self { number, certificate, held, is_anchor, barred, is_self_issued, fitness: OnceCell::new() })
    }

    fn der(&self) -> Arc<[u8]> {
        self.held.map_or_else(|| Arc::from(self.certificate.raw), Held::shared_der)
    }
}

/// What a certificate is in a search.
enum Standing {
    /// An anchor that may vouch for what is asked.
    Anchor,
    /// An anchor that may not.
    Barred(Refusal),
    /// None.
    Other,
}

/// Of several lists' words on one anchor, the first that permits counts; else the first.
fn standing<'a>(said: Vec<&'a Held>, question: &PathQuestion<'_>) -> (Option<&'a Held>, Standing) {
    let mut first = None;
    for held in said {
        match held.permits(question) {
            Ok(()) => return (Some(held), Standing::Anchor),
            Err(reason) => first = first.or(Some((held, reason))),
        }
    }
    first.map_or((None, Standing::Other), |(held, reason)| (Some(held), Standing::Barred(reason)))
}

/// How a certificate was signed by the one above it.
#[derive(Clone, Copy)]
struct Link {
    used: Option<SignatureUsed>,
    signer_id: Option<SignerId>,
}

/// How far a candidate got, and how much its failure tells: the greatest is reported.
type Rank = (bool, usize, u8);

pub(in crate::domain::trust::path) struct Search<'q> {
    question: &'q PathQuestion<'q>,
    budget: &'q mut Budget,
    nodes: usize,
    by_name: BTreeMap<Vec<u8>, Vec<Rc<Node<'q>>>>,
    checked: BTreeMap<(usize, usize), Signed>,
    /// From the end upward.
    chain: Vec<Rc<Node<'q>>>,
    links: Vec<Link>,
    worst: Option<(Rank, PathFailure)>,
    before: Budget,
    /// Whether nothing was ever to be chosen from.
    is_only_way: bool,
}

impl<'q> Search<'q> {
    pub(in crate::domain::trust::path) fn new(question: &'q PathQuestion<'q>, budget: &'q mut Budget) -> Self {
        let said = question.trust.anchor(question.end);
        let is_only_way = said.len() < 2;
        let end = Node::new(0, question.end.clone(), standing(said, question));
        Self {
            question,
            before: budget.clone(),
            is_only_way,
            budget,
            nodes: 1,
            by_name: BTreeMap::new(),
            checked: BTreeMap::new(),
            chain: vec![end],
            links: Vec::new(),
            worst: None,
        }
    }

    pub(in crate::domain::trust::path) fn run(mut self) -> Result<TrustedPath, PathFailure> {
        let end = self.question.end;
        let refused = |reason| PathFailure::Refused { certificate: NamedCertificate::of(end), reason };
        self.end(end).map_err(refused)?;
        let first = self.chain.first().cloned();
        let is_anchor = first.as_ref().is_some_and(|end| end.is_anchor);
        if let Some(reason) = first.and_then(|end| end.barred.clone()) {
            self.refuse(true, end, reason);
        }
        let found = if is_anchor { self.descend()? } else { self.climb()? };
        match (found, self.worst) {
            (Some(path), _) => Ok(path),
            (None, Some((_, failure))) => Err(failure),
            (None, None) => {
                Err(PathFailure::IssuerMissing { issuer: end.issuer.display(), certificate: NamedCertificate::of(end) })
            }
        }
    }

    /// What the end certificate must be by itself.
    fn end(&self, end: &Certificate<'_>) -> Result<(), Refusal> {
        let policy = self.question.policy;
        if policy.end_validity == EndValidity::Judged {
            valid_at(end, self.question.at)?;
        }
        critical_are_known(end, self.question)?;
        if !policy.allows_key_usage(end.key_usage) {
            return Err(Refusal::KeyUsage);
        }
        self.purposes(end)?;
        conforms(end, Place::End, policy.conformance)
    }

    fn purposes(&self, certificate: &Certificate<'_>) -> Result<(), Refusal> {
        let wanted = &self.question.policy.purposes;
        if wanted.is_empty() {
            return Ok(());
        }
        let purposes = read::<ExtendedKeyUsage>(certificate, "extKeyUsage")?;
        let missing = |allowed: ExtendedKeyUsage| wanted.iter().copied().find(|purpose| !allowed.allows(*purpose));
        match purposes.and_then(missing) {
            Some(purpose) => Err(Refusal::Purpose { purpose }),
            None => Ok(()),
        }
    }

    /// The path above the last certificate of the chain. Depth is bounded by the budget's length.
    fn climb(&mut self) -> Result<Option<TrustedPath>, Exhausted> {
        let Some(child) = self.chain.last().cloned() else { return Ok(None) };
        if self.chain.len() >= self.budget.length() {
            self.note(false, 3, PathFailure::from(Exhausted::Length));
            return Ok(None);
        }
        let mut is_alone = true;
        let candidates = self.candidates(&child.certificate);
        self.is_only_way &= candidates.len() < 2;
        for candidate in candidates {
            self.budget.step()?;
            if self.stands_already(&candidate) {
                continue;
            }
            is_alone = false;
            let of = &candidate.certificate;
            if let Err(reason) = self.may_stand_above(&candidate) {
                self.refuse(false, of, reason);
                continue;
            }
            match self.signed(&candidate, &child)? {
                Signed::Right { used, signer_id } => self.links.push(Link { used, signer_id }),
                Signed::Wrong => {
                    self.refuse(false, &child.certificate, Refusal::SignatureWrong);
                    continue;
                }
                Signed::Unsupported => {
                    self.refuse(false, &child.certificate, Refusal::SignatureUnsupported);
                    continue;
                }
            }
            let is_anchor = candidate.is_anchor;
            if let Some(reason) = &candidate.barred {
                // An anchor was reached, and does not vouch for this. That tells more than what is missing above it.
                self.refuse(true, of, reason.clone());
            }
            self.chain.push(candidate);
            let found = if is_anchor { self.descend()? } else { self.climb()? };
            if found.is_some() {
                return Ok(found);
            }
            self.chain.pop();
            self.links.pop();
        }
        if is_alone {
            let issuer = child.certificate.issuer.display();
            let failure = if self.question.trust.anchor_count() == 0 {
                PathFailure::NoAnchors { issuer }
            } else {
                PathFailure::IssuerMissing { issuer, certificate: NamedCertificate::of(&child.certificate) }
            };
            self.note(false, 0, failure);
        }
        Ok(None)
    }

    /// Certificates whose subject is the child's issuer, the likeliest first: by key identifier (RFC 5280 4.2.1.1),
    /// anchors before others, valid ones before others.
    fn candidates(&mut self, child: &Certificate<'q>) -> Vec<Rc<Node<'q>>> {
        let key = subject_key(&child.issuer);
        let known = match self.by_name.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = self.collect(child);
                self.by_name.insert(key, found.clone());
                found
            }
        };
        let wanted = child.extension_of::<AuthorityKeyIdentifier<'_>>().ok().flatten();
        let wanted = wanted.and_then(|found| found.key_identifier);
        let mut ordered: Vec<_> = known
            .into_iter()
            .filter(|node| node.certificate.subject.matches(&child.issuer))
            .map(|node| {
                let own = node.certificate.extension_of::<SubjectKeyIdentifier<'_>>().ok().flatten();
                let likeness = match (wanted, own) {
                    (Some(wanted), Some(own)) if wanted == own.0 => 0,
                    (Some(_), Some(_)) => 2,
                    _ => 1,
                };
                let is_late = valid_at(&node.certificate, self.question.at).is_err();
                ((likeness, !node.is_anchor, is_late), node)
            })
            .collect();
        ordered.sort_by_key(|(order, _)| *order);
        ordered.into_iter().map(|(_, node)| node).collect()
    }

    fn collect(&mut self, child: &Certificate<'q>) -> Vec<Rc<Node<'q>>> {
        let question = self.question;
        let (anchors, others) = question.trust.named(&child.issuer);
        let mut found: Vec<Rc<Node<'q>>> = Vec::new();
        let mut add = |certificate: Certificate<'q>, standing| {
            if found.iter().all(|known| known.certificate.raw != certificate.raw) {
                found.push(Node::new(self.nodes, certificate, standing));
                self.nodes = self.nodes.saturating_add(1);
            }
        };
        self.is_only_way &= anchors.len() < 2;
        for held in &anchors {
            if let Ok(certificate) = Certificate::parse(held.der()) {
                let said = anchors.iter().copied().filter(|other| other.sm3() == held.sm3()).collect();
                add(certificate, standing(said, question));
            }
        }
        for held in others {
            if let Ok(certificate) = Certificate::parse(held.der()) {
                add(certificate, (Some(held), Standing::Other));
            }
        }
        for other in question.beside.iter().filter(|other| subject_key(&other.subject) == subject_key(&child.issuer)) {
            add(other.clone(), (None, Standing::Other));
        }
        found
    }

    /// A path holds no certificate twice, and no authority under the same name and key (RFC 4158 2.4.2).
    fn stands_already(&self, candidate: &Node<'_>) -> bool {
        self.chain.iter().enumerate().any(|(index, node)| {
            let (left, right) = (&node.certificate, &candidate.certificate);
            left.raw == right.raw
                || (index > 0 && left.public_key.raw == right.public_key.raw && left.subject.matches(&right.subject))
        })
    }

    fn may_stand_above(&self, candidate: &Node<'_>) -> Result<(), Refusal> {
        let of = &candidate.certificate;
        candidate.fitness.get_or_init(|| self.fitness(candidate)).clone()?;
        // pathLenConstraint counts the authorities below, self-issued ones and the end certificate left out.
        let below = self.chain.iter().skip(1).filter(|node| !node.is_self_issued).count();
        let allowed = of.basic_constraints.and_then(|constraints| constraints.path_length);
        if let Some(allowed) = allowed.filter(|allowed| u32::try_from(below).is_ok_and(|below| below > *allowed)) {
            return Err(Refusal::PathLength { allowed });
        }
        let counted = below.saturating_add(usize::from(!candidate.is_anchor && !candidate.is_self_issued));
        match self.question.policy.authorities {
            Some(allowed) if counted > allowed => Err(Refusal::TooManyAuthorities { allowed }),
            _ => Ok(()),
        }
    }

    /// RFC 5280 6.1.3 (a)(2), 6.1.4 (k), (n), (o); the anchor is held to the same.
    fn fitness(&self, candidate: &Node<'_>) -> Result<(), Refusal> {
        let (of, policy) = (&candidate.certificate, self.question.policy);
        valid_at(of, self.question.at)?;
        let constraints = of.basic_constraints.ok_or(Refusal::NoBasicConstraints)?;
        if !constraints.authority {
            return Err(Refusal::NotAnAuthority);
        }
        if of.key_usage.is_some_and(|usage| !usage.any(KeyUsage::KEY_CERT_SIGN)) {
            return Err(Refusal::MayNotSignCertificates);
        }
        critical_are_known(of, self.question)?;
        if policy.nesting == PurposeNesting::Enforced {
            self.purposes(of)?;
        }
        let place = if candidate.is_anchor { Place::Anchor } else { Place::Authority };
        conforms(of, place, policy.conformance)
    }

    fn signed(&mut self, issuer: &Node<'_>, child: &Node<'_>) -> Result<Signed, Exhausted> {
        let pair = (issuer.number, child.number);
        if let Some(known) = self.checked.get(&pair) {
            return Ok(*known);
        }
        self.budget.check()?;
        let (question, of) = (self.question, &child.certificate);
        let with = (question.tables, question.trust.signer_ids().ids());
        let key = &issuer.certificate.public_key;
        let signed = question.check.check(key, &of.signature_algorithm, (of.tbs, of.signature), with);
        self.checked.insert(pair, signed);
        Ok(signed)
    }

    /// The chain stands: from the anchor downward, names and policies (RFC 5280 6.1.2 to 6.1.5).
    fn descend(&mut self) -> Result<Option<TrustedPath>, Exhausted> {
        let chain = self.chain.clone();
        let judged = match self.judge(&chain) {
            Ok(policies) => policies,
            Err((of, Fault::Refused(reason))) => {
                self.refuse(true, &of.certificate, reason);
                return Ok(None);
            }
            Err((_, Fault::Exhausted(spent))) => return Err(spent),
        };
        let mut path = self.found(judged);
        if let Some(demand) = self.question.revocation {
            match statuses(&path, self.question, demand, self.budget) {
                Ok(known) => path.statuses = known,
                Err(failure) => {
                    self.note(true, 4, failure);
                    return Ok(None);
                }
            }
        }
        self.admit();
        Ok(Some(path))
    }

    fn judge(&mut self, chain: &[Rc<Node<'q>>]) -> Result<AcceptedPolicies, (Rc<Node<'q>>, Fault)> {
        let Some((anchor, below)) = chain.split_last() else { return Ok(AcceptedPolicies::default()) };
        let ids = anchor.held.map(Held::signer_ids).unwrap_or_default();
        for (link, child) in self.links.iter().zip(chain) {
            if link.signer_id.is_some_and(|id| !ids.allows(id)) {
                return Err((Rc::clone(child), Refusal::SignerId.into()));
            }
        }
        let at = |node: &Rc<Node<'q>>| {
            let node = Rc::clone(node);
            move |fault: Fault| (node, fault)
        };
        let mut constraints = Constraints::default();
        let mut inputs = self.question.policy.policies.clone();
        if !below.is_empty() {
            let said = statements(&anchor.certificate).map_err(Fault::from).map_err(at(anchor))?;
            // RFC 5937 3.2: what an anchor says about policies goes into the inputs.
            inputs.initial_explicit_policy |= said.require_explicit_policy.is_some();
            inputs.initial_policy_mapping_inhibit |= said.inhibit_policy_mapping.is_some();
            inputs.initial_any_policy_inhibit |= said.inhibit_any_policy.is_some();
            add_constraints(&mut constraints, &anchor.certificate).map_err(at(anchor))?;
        }
        let mut graph = PolicyGraph::new(&inputs, below.len());
        for (index, node) in below.iter().enumerate().rev() {
            let of = &node.certificate;
            // RFC 5280 6.1.3 (b) leaves out self-issued certificates, unless they are the last.
            if index == 0 || !node.is_self_issued {
                constraints.allow(of, self.budget).map_err(Fault::of_name).map_err(at(node))?;
            }
            let said = statements(of).map_err(Fault::from).map_err(at(node))?;
            if index == 0 {
                return graph.end(&said, &inputs).map_err(|refusal| at(node)(Refusal::from(refusal).into()));
            }
            let taken = graph.authority(&said, node.is_self_issued);
            taken.map_err(|refusal| at(node)(Refusal::from(refusal).into()))?;
            add_constraints(&mut constraints, of).map_err(at(node))?;
        }
        Ok(AcceptedPolicies::default())
    }

    /// Keys that led to an anchor may have tables: they will come again. Strangers' keys never get here.
    fn admit(&self) {
        for node in &self.chain {
            self.question.admit(&node.certificate);
        }
    }

    fn found(&self, policies: AcceptedPolicies) -> TrustedPath {
        let steps = self.chain.iter().enumerate().map(|(index, node)| Step {
            der: node.der(),
            subject: Arc::from(node.certificate.subject.display()),
            not_before: node.certificate.not_before,
            not_after: node.certificate.not_after,
            names_revocation_source: !node.is_anchor && node.certificate.names_revocation_source(),
            signer_id: self.links.get(index).and_then(|link| link.signer_id),
        });
        let anchor = self.chain.last().and_then(|node| node.held);
        TrustedPath {
            steps: steps.collect(),
            anchor_sm3: anchor.map(|held| *held.sm3()).unwrap_or_default(),
            anchor_origin: anchor.map_or_else(|| "".into(), Held::shared_origin),
            anchor_scope: anchor.and_then(Held::shared_scope),
            signatures: self.links.iter().filter_map(|link| link.used).collect(),
            policies,
            signer_id_policy: anchor.map(Held::signer_ids).unwrap_or_default(),
            statuses: Vec::new(),
            // An anchor that is barred now may vouch at another moment, and end the path.
            is_only_way: self.is_only_way && self.worst.is_none(),
            spent: self.budget.spent_since(&self.before),
        }
    }

    fn refuse(&mut self, reached: bool, certificate: &Certificate<'_>, reason: Refusal) {
        let rank = (reached, self.chain.len(), reason.weight());
        if self.worst.as_ref().is_none_or(|(known, _)| *known < rank) {
            self.worst = Some((rank, PathFailure::Refused { certificate: NamedCertificate::of(certificate), reason }));
        }
    }

    fn note(&mut self, reached: bool, weight: u8, failure: PathFailure) {
        let rank = (reached, self.chain.len(), weight);
        if self.worst.as_ref().is_none_or(|(known, _)| *known < rank) {
            self.worst = Some((rank, failure));
        }
    }
}

/// A refusal, or the budget's end.
enum Fault {
    Refused(Refusal),
    Exhausted(Exhausted),
}

impl From<Refusal> for Fault {
    fn from(reason: Refusal) -> Self {
        Self::Refused(reason)
    }
}

impl Fault {
    fn of_name(refusal: crate::domain::trust::name_constraints::NameRefusal) -> Self {
        match Refusal::of_name(refusal) {
            Ok(reason) => Self::Refused(reason),
            Err(spent) => Self::Exhausted(spent),
        }
    }
}

fn add_constraints<'a>(constraints: &mut Constraints<'a>, certificate: &Certificate<'a>) -> Result<(), Fault> {
    if let Some(found) = read::<NameConstraints<'a>>(certificate, "nameConstraints")? {
        constraints.add(found);
    }
    Ok(())
}

fn statements(certificate: &Certificate<'_>) -> Result<PolicyStatements, Refusal> {
    let policies = read::<CertificatePolicies<'_>>(certificate, "certificatePolicies")?;
    let mappings = read::<PolicyMappings>(certificate, "policyMappings")?;
    let constraints = read::<PolicyConstraints>(certificate, "policyConstraints")?.unwrap_or_default();
    Ok(PolicyStatements {
        policies: policies.map(|policies| policies.0.iter().map(|found| found.policy).collect()),
        mappings: mappings.map(|mappings| mappings.0).unwrap_or_default(),
        require_explicit_policy: constraints.require_explicit_policy,
        inhibit_policy_mapping: constraints.inhibit_policy_mapping,
        inhibit_any_policy: read::<InhibitAnyPolicy>(certificate, "inhibitAnyPolicy")?.map(|found| found.0),
    })
}

/// RFC 5280 6.1.3 (a)(2): both ends belong to the period.
pub(in crate::domain::trust::path) fn valid_at(certificate: &Certificate<'_>, at: Timestamp) -> Result<(), Refusal> {
    period_holds(certificate.not_before, certificate.not_after, at)
}

pub(in crate::domain::trust::path) fn period_holds(
    not_before: Timestamp,
    not_after: Timestamp,
    at: Timestamp,
) -> Result<(), Refusal> {
    if at < not_before {
        return Err(Refusal::NotYetValid { from: not_before });
    }
    if at > not_after {
        return Err(Refusal::Expired { until: not_after });
    }
    Ok(())
}

fn critical_are_known(certificate: &Certificate<'_>, question: &PathQuestion<'_>) -> Result<(), Refusal> {
    // Where lists are is processed where revocation is.
    let is_known = |oid| {
        question.policy.processes(oid) || (question.revocation.is_some() && oid == extension::CRL_DISTRIBUTION_POINTS)
    };
    match certificate.extensions.iter().find(|found| found.critical && !is_known(found.oid)) {
        Some(found) => Err(Refusal::UnknownCriticalExtension { oid: found.oid }),
        None => Ok(()),
    }
}
