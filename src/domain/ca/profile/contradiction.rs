//! What makes a profile's rules contradict themselves, their standards, or our least strength.

use crate::crypto::algorithm::{Algorithm, Kind, SignatureAlgorithm};
use crate::domain::ca::profile::{
    AlternativeNameKind, KeyUsageBit, Position, Presence, Purpose, RequestedExtension, RevocationRule, Rules, Treatment,
};
use crate::format::der::ObjectIdentifier;

/// Days of the longest validity: roots, authorities, ends.
const LONGEST_DAYS: (i64, i64, i64) = (30 * 366, 20 * 366, 10 * 366);
/// Days of the longest validity of a TLS server (CA/Browser Forum baseline requirements 6.3.2, as of 2025).
const LONGEST_SERVER_DAYS: i64 = 398;
/// Seconds of the longest validity of a certificate for one transaction.
const LONGEST_TRANSACTION: i64 = 1800;
/// Seconds below which nobody need ask whether a certificate is revoked.
const SHORT_LIVED: i64 = 86_400;
/// The least RSA modulus that is certified (NIST SP 800-57 part 1, 128 bits of strength).
const LEAST_RSA_BITS: usize = 3072;

/// Why rules are no profile. Each names the key of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason} ({code})")]
pub struct Contradiction {
    /// The key, with its table.
    pub key: &'static str,
    /// Stable code.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

fn refuse<T>(key: &'static str, code: &'static str, reason: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction { key, code, reason: reason.into() })
}

/// All of it; the first that is wrong.
pub(super) fn check(rules: &Rules) -> Result<(), Contradiction> {
    name(rules)?;
    authority(rules)?;
    keys(rules)?;
    signatures(rules)?;
    validity(rules)?;
    key_usage(rules)?;
    purposes(rules)?;
    revocation(rules)?;
    subject(rules)?;
    alternative_names(rules)?;
    identity(rules)?;
    policies(rules)?;
    requested(rules)
}

/// An extension stands once, and says who a person or an organisation is, not what an authority is.
fn identity(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "identity.number";
    if rules.authority && !rules.identity.is_empty() {
        return refuse(KEY, "identity-of-authority", "numbers of identity are not an authority's");
    }
    for (at, rule) in rules.identity.iter().enumerate() {
        let before = || rules.identity.iter().take(at);
        if before().any(|known| known.kind == rule.kind) {
            return refuse(KEY, "identity-repeated", format!("{} stands twice", rule.kind.name()));
        }
        if rule.required && before().any(|known| known.required && known.kind.oid() == rule.kind.oid()) {
            let reason = format!("the extension of {} is required twice (RFC 5280 4.2)", rule.kind.name());
            return refuse(KEY, "identity-required-twice", reason);
        }
    }
    Ok(())
}

fn name(rules: &Rules) -> Result<(), Contradiction> {
    let right = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=40).contains(&rules.name.len()) || !rules.name.bytes().all(right) {
        return refuse("name", "name", "a name is 1 to 40 of a-z, 0-9 and -");
    }
    Ok(())
}

fn authority(rules: &Rules) -> Result<(), Contradiction> {
    let signs = rules.key_usage.contains(&KeyUsageBit::KeyCertSign);
    if rules.authority != (rules.position != Position::End) {
        return refuse("basic_constraints.authority", "authority-position", "cA is for roots and intermediates only");
    }
    if rules.authority && !signs {
        let reason = "an authority's key signs certificates: keyCertSign is missing (RFC 5280 4.2.1.9)";
        return refuse("key_usage.bits", "authority-without-keycertsign", reason);
    }
    if !rules.authority && signs {
        let reason = "keyCertSign is for authorities only (RFC 5280 4.2.1.3)";
        return refuse("key_usage.bits", "keycertsign-without-authority", reason);
    }
    if !rules.authority && rules.path_length.is_some() {
        let reason = "a path length is for authorities only (RFC 5280 4.2.1.9)";
        return refuse("basic_constraints.path_length", "path-length-on-end", reason);
    }
    Ok(())
}

fn keys(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "key";
    if rules.keys.is_empty() {
        return refuse(KEY, "no-key", "no kind of key is certified");
    }
    for (index, rule) in rules.keys.iter().enumerate() {
        let Some(row) = Algorithm::by_name(&rule.algorithm).filter(|row| row.kind == Kind::PublicKey) else {
            return refuse("key.algorithm", "key-unknown", format!("no kind of key is named {:?}", rule.algorithm));
        };
        if !row.computed {
            return refuse("key.algorithm", "key-not-computed", format!("{} is never certified", row.name));
        }
        if rules.keys.iter().take(index).any(|other| other.algorithm == rule.algorithm) {
            return refuse("key.algorithm", "key-repeated", format!("{} stands there twice", row.name));
        }
        let (least, most) = (usize::from(row.key_bits.0), usize::from(row.key_bits.1));
        let sized = least != most;
        if sized && !(least..=most).contains(&rule.least_bits) || !sized && rule.least_bits != 0 {
            let reason = format!("{} has no keys of {} bits", row.name, rule.least_bits);
            return refuse("key.least_bits", "key-bits", reason);
        }
        if row.name == "rsa-key" && rule.least_bits < LEAST_RSA_BITS {
            let reason = format!("RSA keys are certified from {LEAST_RSA_BITS} bits on");
            return refuse("key.least_bits", "key-too-short", reason);
        }
        let encrypts = rules.key_usage.iter().any(|bit| bit.encrypts());
        if row.name == "ed25519-key" && encrypts {
            return refuse("key.algorithm", "key-cannot-encrypt", "Ed25519 only signs (RFC 8410 5)");
        }
    }
    Ok(())
}

fn signatures(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "signature.algorithms";
    if rules.signatures.is_empty() {
        return refuse(KEY, "no-signature", "nobody could sign it");
    }
    for name in &rules.signatures {
        let Some(row) = Algorithm::by_name(name).filter(|row| row.kind == Kind::Signature) else {
            return refuse(KEY, "signature-unknown", format!("no signature algorithm is named {name:?}"));
        };
        if !row.computed {
            return refuse(KEY, "signature-weak", format!("{} is broken; nothing is signed by it", row.name));
        }
        if SignatureAlgorithm::from_name(name).and_then(SignatureAlgorithm::oid).is_none() {
            let reason = format!("{} cannot be written into a certificate by its object identifier alone", row.name);
            return refuse(KEY, "signature-with-parameters", reason);
        }
    }
    Ok(())
}

fn validity(rules: &Rules) -> Result<(), Contradiction> {
    let validity = &rules.validity;
    if validity.usual <= 0 || validity.most <= 0 {
        return refuse("validity.usual", "validity-empty", "the validity is empty");
    }
    if validity.usual > validity.most {
        return refuse("validity.usual", "validity-usual-above-most", "the usual validity is above the longest");
    }
    let server = rules.extended_key_usage.as_ref().is_some_and(|rule| rule.purposes.contains(&Purpose::ServerAuth));
    let longest_days = match rules.position {
        Position::Root => LONGEST_DAYS.0,
        Position::Intermediate => LONGEST_DAYS.1,
        Position::End if server => LONGEST_SERVER_DAYS,
        Position::End => LONGEST_DAYS.2,
    };
    let longest = if rules.transaction { LONGEST_TRANSACTION } else { longest_days.saturating_mul(86_400) };
    if validity.most > longest {
        let reason = format!("{} seconds are above the {longest} that such a certificate may last", validity.most);
        return refuse("validity.most", "validity-too-long", reason);
    }
    if rules.transaction && rules.authority {
        return refuse("transaction", "transaction-of-authority", "an authority is not bound to one transaction");
    }
    Ok(())
}

fn key_usage(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "key_usage.bits";
    let bits = &rules.key_usage;
    if bits.is_empty() {
        return refuse(KEY, "key-usage-empty", "one bit at least is set (RFC 5280 4.2.1.3)");
    }
    if (1..bits.len()).any(|at| bits.iter().take(at).any(|other| Some(other) == bits.get(at))) {
        return refuse(KEY, "key-usage-repeated", "a bit stands there twice");
    }
    let only = bits.iter().any(|bit| matches!(bit, KeyUsageBit::EncipherOnly | KeyUsageBit::DecipherOnly));
    if only && !bits.contains(&KeyUsageBit::KeyAgreement) {
        let reason = "encipherOnly and decipherOnly mean nothing without keyAgreement (RFC 5280 4.2.1.3)";
        return refuse(KEY, "key-usage-without-agreement", reason);
    }
    if bits.iter().any(|bit| bit.encrypts()) && bits.iter().any(|bit| bit.signs()) {
        let reason = "a key signs or encrypts, never both (GB/T 20518, pairs of certificates)";
        return refuse(KEY, "key-usage-mixed", reason);
    }
    Ok(())
}

fn purposes(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "extended_key_usage.purposes";
    let Some(rule) = &rules.extended_key_usage else { return Ok(()) };
    if rule.purposes.is_empty() {
        return refuse(KEY, "purposes-empty", "one purpose at least stands there (RFC 5280 4.2.1.12)");
    }
    if (1..rule.purposes.len()).any(|at| rule.purposes.iter().take(at).any(|one| Some(one) == rule.purposes.get(at))) {
        return refuse(KEY, "purposes-repeated", "a purpose stands there twice");
    }
    if rule.purposes.contains(&Purpose::TimeStamping) {
        if !rule.critical {
            let reason = "with timeStamping the extension is critical (RFC 3161 2.3)";
            return refuse("extended_key_usage.critical", "time-stamping-not-critical", reason);
        }
        if rule.purposes.len() != 1 {
            return refuse(KEY, "time-stamping-not-alone", "timeStamping stands alone (RFC 3161 2.3)");
        }
    }
    let signs =
        rules.key_usage.iter().any(|bit| matches!(bit, KeyUsageBit::DigitalSignature | KeyUsageBit::NonRepudiation));
    let wants_signature = |purpose: &Purpose| {
        matches!(
            purpose,
            Purpose::TimeStamping
                | Purpose::OcspSigning
                | Purpose::CodeSigning
                | Purpose::DocumentSigning
                | Purpose::ClientAuth
        )
    };
    if !signs && let Some(purpose) = rule.purposes.iter().find(|purpose| wants_signature(purpose)) {
        let reason = format!("{} needs digitalSignature or nonRepudiation (RFC 5280 4.2.1.12)", purpose.name());
        return refuse(KEY, "purpose-against-key-usage", reason);
    }
    Ok(())
}

fn revocation(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "revocation.rule";
    let answers = rules.extended_key_usage.as_ref().is_some_and(|rule| rule.purposes.contains(&Purpose::OcspSigning));
    if answers != (rules.revocation == RevocationRule::NoCheck) {
        let reason = "OCSPSigning and no-check go together (RFC 6960 4.2.2.2.1)";
        let code = if answers { "ocsp-signing-without-nocheck" } else { "nocheck-without-ocsp-signing" };
        return refuse(KEY, code, reason);
    }
    let short = rules.validity.most <= SHORT_LIVED;
    if rules.revocation == RevocationRule::Unneeded && rules.position != Position::Root && !short {
        let reason = "only roots and certificates of a day or less need no revocation";
        return refuse(KEY, "revocation-missing", reason);
    }
    if rules.revocation != RevocationRule::Unneeded && rules.position == Position::Root {
        return refuse(KEY, "revocation-of-root", "nobody revokes a root; it is removed from the trust lists");
    }
    Ok(())
}

fn subject(rules: &Rules) -> Result<(), Contradiction> {
    for (index, rule) in rules.subject.iter().enumerate() {
        let name = rule.kind.name();
        if rules.subject.iter().take(index).any(|other| other.kind == rule.kind) {
            return refuse("subject.attribute", "attribute-repeated", format!("{name} stands there twice"));
        }
        if !(1..=rule.kind.most_characters()).contains(&rule.most) {
            let reason = format!("{name} has 1 to {} characters (RFC 5280 A.1)", rule.kind.most_characters());
            return refuse("subject.most", "attribute-length", reason);
        }
        if let Presence::Fixed(value) = &rule.presence {
            let fits = rule.kind.can_be(value) && rule.pattern.matches(value) && value.chars().count() <= rule.most;
            if !fits {
                return refuse("subject.value", "attribute-value", format!("{name} cannot be {value:?}"));
            }
        }
    }
    let always = rules.subject.iter().any(|rule| rule.presence != Presence::Optional);
    if !always && (rules.authority || !rules.alternative_names.required) {
        let reason = "the subject could be empty (RFC 5280 4.1.2.6)";
        return refuse("subject", "subject-empty", reason);
    }
    Ok(())
}

fn alternative_names(rules: &Rules) -> Result<(), Contradiction> {
    let rule = &rules.alternative_names;
    if rule.kinds.is_empty() && (rule.required || rule.most > 0) {
        return refuse("subject_alt_name.kinds", "alternative-names-of-no-kind", "names are asked for, but of no kind");
    }
    if !rule.kinds.is_empty() && !(1..=100).contains(&rule.most) {
        return refuse("subject_alt_name.most", "alternative-names-most", "1 to 100 names are allowed");
    }
    let wildcard = rule.kinds.contains(&AlternativeNameKind::WildcardDns);
    if wildcard && !rule.kinds.contains(&AlternativeNameKind::Dns) {
        return refuse("subject_alt_name.kinds", "wildcard-without-dns", "wildcard-dns stands beside dns");
    }
    Ok(())
}

fn policies(rules: &Rules) -> Result<(), Contradiction> {
    const ANY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
    const KEY: &str = "policies.identifiers";
    let list = &rules.policies;
    if (1..list.len()).any(|at| list.iter().take(at).any(|other| Some(other) == list.get(at))) {
        return refuse(KEY, "policy-repeated", "a policy stands there twice (RFC 5280 4.2.1.4)");
    }
    if !rules.authority && list.contains(&ANY) {
        return refuse(KEY, "any-policy-on-end", "anyPolicy is for authorities only (RFC 5280 4.2.1.4)");
    }
    Ok(())
}

/// Only alternative names can be taken from a request; the others would let an applicant choose what a profile fixes.
fn requested(rules: &Rules) -> Result<(), Contradiction> {
    const KEY: &str = "requested_extensions";
    if rules.other_requested == Treatment::Take {
        return refuse("requested_extensions.other", "requested-unknown-taken", "what nobody knows is not taken");
    }
    for (extension, treatment) in &rules.requested {
        let names = *extension == RequestedExtension::SubjectAltName;
        if *treatment == Treatment::Take && !names {
            let reason = format!("the profile says what {} is, not the applicant", extension.name());
            return refuse(KEY, "requested-taken", reason);
        }
        if *treatment == Treatment::Take && rules.alternative_names.kinds.is_empty() {
            let reason = "alternative names are taken from requests, but of no kind";
            return refuse(KEY, "alternative-names-of-no-kind", reason);
        }
    }
    Ok(())
}
