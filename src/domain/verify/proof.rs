//! Time stamps as proofs of existence (EN 319 102-1 5.4, 5.5.4; RFC 3161; GB/T 20520): whether a token may be believed,
//! and what it proves.
//!
//! A token proves a moment only if it is right, over the very octets, of an authority that leads to an anchor at genTime
//! which is trusted for time stamps, and whose certificate was neither revoked nor, but for policies that look back, ended by now. A token that is wrong is
//! a finding; one of an authority that nobody trusts proves nothing.

use crate::base::clock::Timestamp;
use crate::crypto::sm2::KeyTables;
use crate::domain::stamp::verify::{
    Expected, NamedBySha1, StrangeCertificates, TokenRefusal, VerifiedToken, verify_token,
};
use crate::domain::trust::{
    AnchorDemand, Budget, Computed, EndValidity, PathPolicy, PathQuestion, RevocationStatus, SignatureUsed,
    SignedDataError, TrustedPath, Use, public_key,
};
use crate::domain::verify::Ground;
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::issuers::missing_issuers;
use crate::domain::verify::policy::{Past, Tolerance, UnknownRevocation};
use crate::domain::verify::report::SignatureReport;
use crate::domain::verify::revocation::{Statuses, is_harmless_after, may_be_asked};
use crate::domain::verify::ses::deviates;
use crate::domain::verify::signer::ProvedTime;
use crate::domain::verify::wanted::WantedEvidence;
use crate::format::trust_list::TrustUse;
use crate::format::tsp::{self, TimeStampResp, TimeStampToken};
use crate::format::x509::Certificate;
use crate::format::x509::extension::TIME_STAMPING;

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproved {
    /// Whether the token itself is wrong, and not only its authority unknown.
    pub is_wrong: bool,
    /// Stable code.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// Evidence that the authority's path lacks, where that is why.
    pub wanted: Vec<WantedEvidence>,
}

impl Unproved {
    fn wrong(code: &'static str, detail: impl Into<String>) -> Self {
        Self { is_wrong: true, code, detail: detail.into(), wanted: Vec::new() }
    }

    fn not_believed(code: &'static str, detail: impl Into<String>) -> Self {
        Self { is_wrong: false, code, detail: detail.into(), wanted: Vec::new() }
    }

    /// Adds the finding of a token that is wrong, or what it lacks to be believed. `whose` names it for people.
    pub fn report(&self, report: &mut SignatureReport, whose: &str) {
        if self.is_wrong {
            report.add(Finding::new(Case::TimeStamp, self.code, format!("the time stamp of {whose}: {}", self.detail)));
        }
        self.wanted.iter().for_each(|wanted| report.want(wanted.clone()));
    }
}

/// The token of a `timeStamp`: itself, or the one in a whole response, which is a deviation.
#[must_use]
pub fn token_in<'t>(time_stamp: &'t [u8], report: &mut SignatureReport, ground: &Ground<'_>) -> &'t [u8] {
    if TimeStampToken::parse(time_stamp).is_err()
        && let Ok(TimeStampResp { token: Some(token), .. }) = TimeStampResp::parse(time_stamp)
    {
        deviates(report, Tolerance::TimeStampResponse, ground);
        return token;
    }
    time_stamp
}

/// What a token over those octets proves.
///
/// # Errors
/// It proves nothing, and why.
pub fn prove(token: &[u8], over: &[u8], ground: &Ground<'_>, budget: &mut Budget) -> Result<ProvedTime, Unproved> {
    let parsed = TimeStampToken::parse(token).map_err(|error| malformed(&error))?;
    prove_parsed(&parsed, over, ground, budget)
}

/// The same for a token that was read before.
///
/// # Errors
/// As [`prove`].
pub fn prove_parsed(
    token: &TimeStampToken<'_>,
    over: &[u8],
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Result<ProvedTime, Unproved> {
    let known: Vec<&[u8]> = ground.evidence.certificates().iter().map(|certificate| certificate.raw).collect();
    believe(&right(token, over, &known, &ground.remembered.tables)?, ground, budget)
}

/// Whether a token is right over those octets, whoever made it: for whoever takes in what others stamped.
///
/// # Errors
/// It is wrong, or the certificate of its authority does not lie in it.
pub fn check(token: &[u8], over: &[u8]) -> Result<(), Unproved> {
    let parsed = TimeStampToken::parse(token).map_err(|error| malformed(&error))?;
    right(&parsed, over, &[], &KeyTables::default()).map(|_| ())
}

fn malformed(error: &tsp::Error) -> Unproved {
    Unproved::wrong("time-stamp-malformed", format!("it is no token: {error}"))
}

/// A token that is right over those octets, by itself and the certificates that are known.
fn right<'t>(
    token: &TimeStampToken<'t>,
    over: &'t [u8],
    known: &[&'t [u8]],
    tables: &KeyTables,
) -> Result<VerifiedToken<'t>, Unproved> {
    // The authority is the one that the signature names; whatever else lies there is not looked at.
    let expected =
        Expected { strangers: StrangeCertificates::Ignore, old_names: NamedBySha1::Accept, ..Expected::over(over) };
    verify_token(token, known, &expected, tables).map_err(|refused| {
        let detail = match std::error::Error::source(&refused) {
            Some(source) => format!("{refused}: {source}"),
            None => refused.to_string(),
        };
        match refused {
            // Nothing is known to be wrong: the certificate is somewhere else.
            TokenRefusal::Signer(SignedDataError::CertificateMissing) => {
                Unproved::not_believed("time-stamper-unknown", detail)
            }
            _ => Unproved::wrong(refused.code(), detail),
        }
    })
}

/// The authority at genTime and now.
fn believe(token: &VerifiedToken<'_>, ground: &Ground<'_>, budget: &mut Budget) -> Result<ProvedTime, Unproved> {
    let (certificate, now) = (token.certificate(), ground.now);
    let gen_time = token.info().gen_time;
    let at = gen_time.seconds();
    if at.unix() > now.unix().saturating_add(ground.policy.future_seconds) {
        return Err(Unproved::not_believed("time-stamp-in-future", format!("its time {at} lies after {now}")));
    }
    let beside: Vec<Certificate<'_>> = token.chain().iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    let policy = PathPolicy {
        name: "time-stamper".to_owned(),
        end_validity: EndValidity::Judged,
        purposes: vec![TIME_STAMPING],
        // An anchor of a trust list vouches for time stamps only where the list says so; one that nobody restricted for all.
        anchor: AnchorDemand::For(TrustUse::TimeStamp),
        ..PathPolicy::field()
    };
    let question = PathQuestion {
        end: certificate,
        trust: ground.trust,
        beside: &beside,
        at,
        policy: &policy,
        tables: &ground.remembered.tables,
        check: &Computed,
        revocation: None,
    };
    let path = ground.remembered.paths.answer(&question, budget).map_err(|failure| {
        let wanted = missing_issuers(certificate, &beside, ground.trust).into_iter().map(|lack| lack.wanted).collect();
        Unproved { wanted, ..Unproved::not_believed("time-stamp-not-trusted", failure.to_string()) }
    })?;
    if ground.policy.past == Past::Now && certificate.not_after < now {
        let detail = format!("its authority's certificate ended at {}", certificate.not_after);
        return Err(Unproved::not_believed("time-stamper-expired", detail));
    }
    algorithms(token, &path, ground)?;
    revocation(&question, &path, at, ground, budget)?;
    // No earlier than the latest moment that the token allows: the fraction of the second, and its accuracy.
    let micros = token.info().accuracy.map_or(0, |accuracy| accuracy.microseconds);
    let late = micros.saturating_add(u64::from(gen_time.nanoseconds() / 1000)).div_ceil(1_000_000);
    let at = at.plus_seconds(i64::try_from(late).unwrap_or(i64::MAX));
    Ok(ProvedTime { at, authority: certificate.subject.display() })
}

/// The token's own signature and those of the path, at the moment of verification: nothing proves an earlier one.
fn algorithms(token: &VerifiedToken<'_>, path: &TrustedPath, ground: &Ground<'_>) -> Result<(), Unproved> {
    let key = public_key(&token.certificate().public_key);
    let own = key.map(|key| SignatureUsed::of(&key, token.signer().algorithm()));
    let mut all = own.into_iter().chain(path.signatures().iter().copied());
    let policy = &ground.policy.algorithms;
    match all.find_map(|used| policy.signature(&used, ground.now, Use::Accept).err()) {
        Some(refused) => Err(Unproved::not_believed("time-stamp-algorithm", refused.to_string())),
        None => Ok(()),
    }
}

fn revocation(
    question: &PathQuestion<'_>,
    path: &TrustedPath,
    at: Timestamp,
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Result<(), Unproved> {
    let statuses = Statuses::of(question, path, Some(at), ground, budget);
    for (certificate, status) in statuses.each() {
        let subject = certificate.subject.display();
        match status {
            RevocationStatus::Good { .. } => {}
            // RFC 3161 4: what was stamped before a revocation for another reason than compromise stays proved.
            RevocationStatus::Revoked { since, reason, .. } if at < *since && is_harmless_after(*reason) => {}
            RevocationStatus::Revoked { since, .. } => {
                let detail = format!("the certificate of {subject} is revoked since {since}");
                return Err(Unproved::not_believed("time-stamper-revoked", detail));
            }
            RevocationStatus::Unknown { why } => {
                let demanded = ground.policy.unknown_revocation == UnknownRevocation::Refuse;
                if demanded || may_be_asked(certificate, path) {
                    let detail = format!("whether the certificate of {subject} is revoked is unknown: {why}");
                    let wanted = statuses.lacks(path, ground).into_iter().map(|lack| lack.wanted).collect();
                    let unproved = Unproved::not_believed("time-stamper-revocation-unknown", detail);
                    return Err(Unproved { wanted, ..unproved });
                }
            }
        }
    }
    Ok(())
}
