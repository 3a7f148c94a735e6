//! Certificate profiles: those that are built in, and files of the same shape.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use crate::domain::ca::identity::IdentityKind;
use crate::domain::ca::profile::{
    AlternativeNameKind, AlternativeNames, AttributeKind, AttributeRule, BeyondIssuer, Contradiction,
    ExtendedKeyUsageRule, IdentityRule, KeyRule, KeyUsageBit, Pattern, Position, Presence, Profile, Profiles, Purpose,
    RequestedExtension, RevocationRule, Rules, Treatment, ValidityRule,
};
use crate::domain::ca::renewal::RenewalPolicy;
use crate::domain::ca::request::{ApprovalPolicy, OfficerRole};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The built-in profiles: name and text.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../policies/profiles/", $name, ".toml")))),*];
    };
}

built_in!(
    "root",
    "intermediate",
    "seal-issuing-ca",
    "seal-maker",
    "seal-signer",
    "person-signing",
    "person-encryption",
    "organisation",
    "officer",
    "business-system",
    "event",
    "tls-server",
    "ocsp-responder",
    "tsa",
    "report-signer",
    "message-signer",
    "log",
);

/// A folder may hold that many profiles.
const MOST_FILES: usize = 256;
/// A profile's file may have that many bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Why a profile was not taken. Each names the file and the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// `registration.approve` names a profile that is none, or one of authorities.
    #[error("registration.approve: no profile of certificates that are ordered is called {name:?}")]
    ApprovedUnknown {
        /// The name.
        name: String,
    },
    /// Not TOML, or not of this shape; unknown keys are refused.
    #[error("the profile {origin} cannot be read: {reason}")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A value is none of those that its key may have.
    #[error("the profile {origin}: {key}: {text:?} is not known")]
    Value {
        /// Where it came from.
        origin: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        text: String,
    },
    /// A value cites nothing.
    #[error("the profile {origin}: {key}: cites no clause")]
    Uncited {
        /// Where it came from.
        origin: String,
        /// The key.
        key: &'static str,
    },
    /// The rules contradict each other or a standard, or are weak.
    #[error("the profile {origin}: {contradiction}")]
    Contradiction {
        /// Where it came from.
        origin: String,
        /// How.
        contradiction: Contradiction,
    },
    /// The profile's name is not its file's.
    #[error("the profile {origin}: name: {name:?} is not the name of the file")]
    FileName {
        /// Where it came from.
        origin: String,
        /// The name inside.
        name: String,
    },
    /// The folder or a file in it cannot be read.
    #[error("the profiles in {path} cannot be read")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Too many files, or one that is too long.
    #[error("the profiles in {path} are more than {MOST_FILES} files or longer than {MOST_BYTES} bytes each")]
    TooMuch {
        /// Which.
        path: PathBuf,
    },
}

impl ProfileError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "profile-malformed",
            Self::Value { .. } => "profile-value",
            Self::Uncited { .. } => "profile-uncited",
            Self::Contradiction { contradiction, .. } => contradiction.code,
            Self::FileName { .. } => "profile-file-name",
            Self::Folder { .. } => "profile-unreadable",
            Self::TooMuch { .. } => "profile-too-much",
            Self::ApprovedUnknown { .. } => "profile-unknown",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: String,
    position: String,
    clause: String,
    key: Vec<RawKey>,
    signature: RawSignature,
    validity: RawValidity,
    basic_constraints: RawConstraints,
    key_usage: RawKeyUsage,
    extended_key_usage: Option<RawPurposes>,
    subject: RawSubject,
    subject_alt_name: Option<RawNames>,
    identity: Option<RawIdentity>,
    policies: Option<RawPolicies>,
    revocation: RawRevocation,
    transaction: Option<RawTransaction>,
    approval: Option<RawApproval>,
    renewal: Option<RawRenewal>,
    requested_extensions: RawRequested,
}

macro_rules! tables {
    ($($name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name { $($field: $kind,)* clause: String, }
    )*};
}

tables! {
    RawKey { algorithm: String, least_bits: Option<usize>, }
    RawSignature { algorithms: Vec<String>, }
    RawValidity { usual: String, most: String, beyond_issuer: String, }
    RawConstraints { authority: bool, path_length: Option<u32>, }
    RawKeyUsage { bits: Vec<String>, }
    RawPurposes { purposes: Vec<String>, critical: bool, }
    RawSubject { attribute: Vec<RawAttribute>, }
    RawAttribute {
        kind: String, presence: String, value: Option<String>, pattern: Option<String>, most: Option<usize>,
    }
    RawNames { required: bool, kinds: Vec<String>, most: usize, }
    RawIdentity { number: Vec<RawNumber>, }
    RawNumber { kind: String, presence: String, }
    RawPolicies { identifiers: Vec<String>, }
    RawRevocation { rule: String, }
    RawTransaction { bound: bool, }
    RawApproval { officers: usize, role: String, }
    RawRenewal { days_before: Option<i64>, days_after: Option<i64>, key_days: Option<i64>, }
    RawRequested {
        take: Option<Vec<String>>, ignore: Option<Vec<String>>, refuse: Option<Vec<String>>, other: String,
    }
}

/// The built-in profiles.
///
/// # Errors
/// Never: tests read them.
pub fn built_in() -> Result<Profiles, ProfileError> {
    let read = BUILT_IN.iter().map(|(name, text)| named(text, &format!("built in, {name}.toml"), name));
    Ok(Profiles::new(read.collect::<Result<Vec<_>, _>>()?))
}

/// The profiles in force: those that are built in, those of the folder, and approvals asked for by the configuration
/// (`registration.approve`), one where the profile asks for none.
///
/// # Errors
/// As [`with_folder`]; [`ProfileError::ApprovedUnknown`].
pub fn in_force(folder: Option<&Path>, approve: &[String]) -> Result<Profiles, ProfileError> {
    let profiles = folder.map_or_else(built_in, with_folder)?;
    let orderable = |name: &&String| profiles.by_name(name).is_some_and(|profile| !profile.rules().authority);
    if let Some(unknown) = approve.iter().find(|name| !orderable(name)) {
        return Err(ProfileError::ApprovedUnknown { name: unknown.chars().take(64).collect() });
    }
    let asking = |profile: &Profile| {
        if approve.iter().any(|name| name == profile.name()) { profile.wanting_approval() } else { profile.clone() }
    };
    Ok(Profiles::new(profiles.iter().map(asking)))
}

/// The built-in profiles, and those of a folder's `*.toml`, which stand in for built-in ones of the same name.
///
/// # Errors
/// The folder cannot be read, or one of its files is no profile.
pub fn with_folder(folder: &Path) -> Result<Profiles, ProfileError> {
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |source| ProfileError::Folder { path, source }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(broken(folder))? {
        let path = entry.map_err(broken(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
        if paths.len() > MOST_FILES {
            return Err(ProfileError::TooMuch { path: folder.to_owned() });
        }
    }
    paths.sort();
    let mut profiles: Vec<_> = built_in()?.iter().cloned().collect();
    for path in paths {
        if fs::metadata(&path).map_err(broken(&path))?.len() > MOST_BYTES {
            return Err(ProfileError::TooMuch { path });
        }
        let text = fs::read_to_string(&path).map_err(broken(&path))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        profiles.push(named(&text, &path.display().to_string(), stem)?);
    }
    Ok(Profiles::new(profiles))
}

/// A profile whose name must be that of its file.
fn named(text: &str, origin: &str, file: &str) -> Result<Profile, ProfileError> {
    let profile = parse(text, origin)?;
    if profile.name() != file {
        return Err(ProfileError::FileName { origin: origin.to_owned(), name: profile.name().to_owned() });
    }
    Ok(profile)
}

/// A profile from its TOML text.
///
/// # Errors
/// The text is not such a profile, or its rules do not hold together.
pub fn parse(text: &str, origin: &str) -> Result<Profile, ProfileError> {
    let raw: RawProfile = toml::from_str(text).map_err(|error: toml::de::Error| ProfileError::Malformed {
        origin: origin.to_owned(),
        reason: error.to_string().trim().to_owned(),
    })?;
    let reading = Reading { origin };
    reading.cited(&raw)?;
    let rules = reading.rules(raw)?;
    Profile::new(rules)
        .map_err(|contradiction| ProfileError::Contradiction { origin: origin.to_owned(), contradiction })
}

/// One file being read.
struct Reading<'a> {
    origin: &'a str,
}

impl Reading<'_> {
    fn unknown(&self, key: &'static str, text: &str) -> ProfileError {
        ProfileError::Value { origin: self.origin.to_owned(), key, text: text.chars().take(64).collect() }
    }

    fn each<T>(
        &self,
        key: &'static str,
        texts: &[String],
        known: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ProfileError> {
        texts.iter().map(|text| known(text).ok_or_else(|| self.unknown(key, text))).collect()
    }

    /// Each table says why.
    fn cited(&self, raw: &RawProfile) -> Result<(), ProfileError> {
        let mut clauses = vec![
            ("clause", &raw.clause),
            ("signature.clause", &raw.signature.clause),
            ("validity.clause", &raw.validity.clause),
            ("basic_constraints.clause", &raw.basic_constraints.clause),
            ("key_usage.clause", &raw.key_usage.clause),
            ("subject.clause", &raw.subject.clause),
            ("revocation.clause", &raw.revocation.clause),
            ("requested_extensions.clause", &raw.requested_extensions.clause),
        ];
        clauses.extend(raw.key.iter().map(|key| ("key.clause", &key.clause)));
        clauses.extend(raw.subject.attribute.iter().map(|one| ("subject.attribute.clause", &one.clause)));
        clauses.extend(raw.extended_key_usage.iter().map(|one| ("extended_key_usage.clause", &one.clause)));
        clauses.extend(raw.subject_alt_name.iter().map(|one| ("subject_alt_name.clause", &one.clause)));
        clauses.extend(raw.identity.iter().map(|one| ("identity.clause", &one.clause)));
        let numbers = raw.identity.iter().flat_map(|one| &one.number);
        clauses.extend(numbers.map(|one| ("identity.number.clause", &one.clause)));
        clauses.extend(raw.policies.iter().map(|one| ("policies.clause", &one.clause)));
        clauses.extend(raw.transaction.iter().map(|one| ("transaction.clause", &one.clause)));
        clauses.extend(raw.approval.iter().map(|one| ("approval.clause", &one.clause)));
        clauses.extend(raw.renewal.iter().map(|one| ("renewal.clause", &one.clause)));
        match clauses.into_iter().find(|(_, clause)| clause.trim().is_empty()) {
            Some((key, _)) => Err(ProfileError::Uncited { origin: self.origin.to_owned(), key }),
            None => Ok(()),
        }
    }

    fn rules(&self, raw: RawProfile) -> Result<Rules, ProfileError> {
        let position = match raw.position.as_str() {
            "root" => Position::Root,
            "intermediate" => Position::Intermediate,
            "end" => Position::End,
            other => return Err(self.unknown("position", other)),
        };
        let revocation = match raw.revocation.rule.as_str() {
            "published" => RevocationRule::Published,
            "no-check" => RevocationRule::NoCheck,
            "unneeded" => RevocationRule::Unneeded,
            other => return Err(self.unknown("revocation.rule", other)),
        };
        let extended_key_usage = match raw.extended_key_usage {
            Some(one) => Some(ExtendedKeyUsageRule {
                purposes: self.each("extended_key_usage.purposes", &one.purposes, Purpose::from_name)?,
                critical: one.critical,
            }),
            None => None,
        };
        let alternative_names = match raw.subject_alt_name {
            Some(one) => AlternativeNames {
                required: one.required,
                kinds: self.each("subject_alt_name.kinds", &one.kinds, AlternativeNameKind::from_name)?,
                most: one.most,
            },
            None => AlternativeNames::default(),
        };
        let policies = raw.policies.map(|one| one.identifiers).unwrap_or_default();
        let key_rule = |key: RawKey| KeyRule { algorithm: key.algorithm, least_bits: key.least_bits.unwrap_or(0) };
        let approval = raw.approval.map(|one| self.approval(&one)).transpose()?;
        let (requested, other_requested) = self.requested(&raw.requested_extensions)?;
        Ok(Rules {
            name: raw.name,
            position,
            authority: raw.basic_constraints.authority,
            path_length: raw.basic_constraints.path_length,
            keys: raw.key.into_iter().map(key_rule).collect(),
            signatures: raw.signature.algorithms,
            validity: self.validity(&raw.validity)?,
            key_usage: self.each("key_usage.bits", &raw.key_usage.bits, KeyUsageBit::from_name)?,
            extended_key_usage,
            subject: raw.subject.attribute.into_iter().map(|one| self.attribute(one)).collect::<Result<_, _>>()?,
            alternative_names,
            identity: raw
                .identity
                .iter()
                .flat_map(|one| &one.number)
                .map(|one| self.number(one))
                .collect::<Result<_, _>>()?,
            policies: self.each("policies.identifiers", &policies, |text| text.parse().ok())?,
            revocation,
            transaction: raw.transaction.is_some_and(|one| one.bound),
            approval,
            renewal: raw.renewal.map_or(Ok(RenewalPolicy::USUAL), |one| self.renewal(&one))?,
            requested,
            other_requested,
        })
    }

    /// Whoever enters requests decides on none.
    fn approval(&self, raw: &RawApproval) -> Result<ApprovalPolicy, ProfileError> {
        let role = OfficerRole::from_name(&raw.role).filter(|role| *role != OfficerRole::Applicant);
        let role = role.ok_or_else(|| self.unknown("approval.role", &raw.role))?;
        let wrong = |_| self.unknown("approval.officers", &raw.officers.to_string());
        ApprovalPolicy::new(raw.officers, role).map_err(wrong)
    }

    fn validity(&self, raw: &RawValidity) -> Result<ValidityRule, ProfileError> {
        let beyond_issuer = match raw.beyond_issuer.as_str() {
            "clamp" => BeyondIssuer::Clamp,
            "refuse" => BeyondIssuer::Refuse,
            other => return Err(self.unknown("validity.beyond_issuer", other)),
        };
        let seconds = |key, text: &str| duration(text).ok_or_else(|| self.unknown(key, text));
        Ok(ValidityRule {
            usual: seconds("validity.usual", &raw.usual)?,
            most: seconds("validity.most", &raw.most)?,
            beyond_issuer,
        })
    }

    /// Whatever is absent is as usual.
    fn renewal(&self, raw: &RawRenewal) -> Result<RenewalPolicy, ProfileError> {
        let within = |key, asked: Option<i64>, usual, (least, most)| match asked {
            None => Ok(usual),
            Some(days) if (least..=most).contains(&days) => Ok(days),
            Some(days) => Err(self.unknown(key, &days.to_string())),
        };
        let usual = RenewalPolicy::USUAL;
        Ok(RenewalPolicy {
            days_before: within("renewal.days_before", raw.days_before, usual.days_before, (1, 3_660))?,
            days_after: within("renewal.days_after", raw.days_after, usual.days_after, (0, 366))?,
            key_days: within("renewal.key_days", raw.key_days, usual.key_days, (1, 10_980))?,
        })
    }

    fn attribute(&self, raw: RawAttribute) -> Result<AttributeRule, ProfileError> {
        let kind = AttributeKind::from_name(&raw.kind).ok_or_else(|| self.unknown("subject.kind", &raw.kind))?;
        let presence = match (raw.presence.as_str(), raw.value) {
            ("fixed", Some(value)) => Presence::Fixed(value),
            ("required", None) => Presence::Required,
            ("optional", None) => Presence::Optional,
            ("required" | "optional", Some(value)) => return Err(self.unknown("subject.value", &value)),
            (other, _) => return Err(self.unknown("subject.presence", other)),
        };
        let pattern = raw.pattern.as_deref().unwrap_or("text");
        let pattern = Pattern::from_name(pattern).ok_or_else(|| self.unknown("subject.pattern", pattern))?;
        Ok(AttributeRule { kind, presence, pattern, most: raw.most.unwrap_or(kind.most_characters()) })
    }

    fn number(&self, raw: &RawNumber) -> Result<IdentityRule, ProfileError> {
        let kind = IdentityKind::from_name(&raw.kind).ok_or_else(|| self.unknown("identity.kind", &raw.kind))?;
        match raw.presence.as_str() {
            "required" => Ok(IdentityRule { kind, required: true }),
            "optional" => Ok(IdentityRule { kind, required: false }),
            other => Err(self.unknown("identity.presence", other)),
        }
    }

    fn requested(&self, raw: &RawRequested) -> Result<(Vec<(RequestedExtension, Treatment)>, Treatment), ProfileError> {
        const KEY: &str = "requested_extensions";
        let mut named = Vec::new();
        for (list, treatment) in
            [(&raw.take, Treatment::Take), (&raw.ignore, Treatment::Ignore), (&raw.refuse, Treatment::Refuse)]
        {
            for text in list.iter().flatten() {
                let one = RequestedExtension::from_name(text).ok_or_else(|| self.unknown(KEY, text))?;
                if named.iter().any(|(known, _)| *known == one) {
                    return Err(self.unknown(KEY, text));
                }
                named.push((one, treatment));
            }
        }
        let other = match raw.other.as_str() {
            "ignore" => Treatment::Ignore,
            "refuse" => Treatment::Refuse,
            other => return Err(self.unknown("requested_extensions.other", other)),
        };
        Ok((named, other))
    }
}

/// `15 minutes`, `90 days`, `5 years` (of 365 days) as seconds.
fn duration(text: &str) -> Option<i64> {
    let (count, unit) = text.split_once(' ')?;
    let seconds = match unit {
        "minutes" => 60,
        "hours" => 3_600,
        "days" => 86_400,
        "years" => 365 * 86_400,
        _ => return None,
    };
    if count.starts_with('+') {
        return None;
    }
    count.parse::<u32>().ok().and_then(|count| i64::from(count).checked_mul(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        BUILT_IN.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// What a built-in profile becomes with one passage changed.
    fn changed(name: &str, from: &str, to: &str) -> ProfileError {
        let text = text(name);
        assert!(text.contains(from), "{name}: {from}");
        parse(&text.replacen(from, to, 1), "a.toml").unwrap_err()
    }

    #[test]
    fn built_in_profiles_are_read() {
        let profiles = built_in().unwrap();
        assert_eq!(profiles.iter().count(), 17);
        let signer = profiles.by_name("seal-signer").unwrap().rules();
        let kinds: Vec<_> = signer.subject.iter().map(|rule| (rule.kind.name(), rule.pattern)).collect();
        let expected = [
            ("countryName", Pattern::Country),
            ("organizationName", Pattern::CreditCodeAndName),
            ("commonName", Pattern::Digits(14)),
        ];
        assert_eq!(kinds, expected);
        assert!(profiles.by_name("event").unwrap().rules().transaction);
        assert_eq!(profiles.require("nothing").unwrap_err().to_string(), "there is no profile \"nothing\"");
    }

    /// Each contradiction and weakness: which file is changed how, and what is said.
    #[test]
    fn each_fault_is_named() {
        let bits = |bits: &str| format!("bits = [{bits}]");
        let (ca, signing) = (bits("\"keyCertSign\", \"cRLSign\""), bits("\"digitalSignature\", \"nonRepudiation\""));
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, &str, &str)] = &[
            ("root", "authority = true", "authority = false", "authority-position", "basic_constraints.authority"),
            ("root", &ca, &bits("\"cRLSign\""), "authority-without-keycertsign", "key_usage.bits"),
            ("root", &ca, &bits(""), "authority-without-keycertsign", "key_usage.bits"),
            ("seal-maker", &signing, &bits("\"keyCertSign\""), "keycertsign-without-authority", "key_usage.bits"),
            ("seal-maker", &signing, &bits(""), "key-usage-empty", "key_usage.bits"),
            ("seal-maker", &signing, &bits("\"digitalSignature\", \"digitalSignature\""), "key-usage-repeated", "key_usage.bits"),
            ("seal-maker", &signing, &bits("\"digitalSignature\", \"keyEncipherment\""), "key-usage-mixed", "key_usage.bits"),
            ("seal-maker", &signing, &bits("\"encipherOnly\""), "key-usage-without-agreement", "key_usage.bits"),
            ("seal-maker", "authority = false", "authority = false\npath_length = 0", "path-length-on-end", "basic_constraints.path_length"),
            ("root", "algorithm = \"rsa-key\"\nleast_bits = 4096", "algorithm = \"rsa-key\"\nleast_bits = 2048", "key-too-short", "key.least_bits"),
            ("root", "algorithm = \"rsa-key\"\nleast_bits = 4096", "algorithm = \"rsa-key\"", "key-bits", "key.least_bits"),
            ("root", "algorithm = \"rsa-key\"\nleast_bits = 4096", "algorithm = \"dsa-key\"", "key-unknown", "key.algorithm"),
            ("root", "algorithm = \"rsa-key\"\nleast_bits = 4096", "algorithm = \"sm2-key\"", "key-repeated", "key.algorithm"),
            ("person-encryption", "algorithm = \"rsa-key\"\nleast_bits = 3072", "algorithm = \"ed25519-key\"", "key-cannot-encrypt", "key.algorithm"),
            ("root", "\"rsa-sha384\"", "\"rsa-sha1\"", "signature-weak", "signature.algorithms"),
            ("root", "\"rsa-sha384\"", "\"rsa-pss-sha384\"", "signature-with-parameters", "signature.algorithms"),
            ("root", "\"rsa-sha384\"", "\"rsa-sha999\"", "signature-unknown", "signature.algorithms"),
            ("root", "most = \"30 years\"", "most = \"31 years\"", "validity-too-long", "validity.most"),
            ("root", "most = \"30 years\"", "most = \"1 years\"", "validity-usual-above-most", "validity.usual"),
            ("root", "most = \"30 years\"", "most = \"0 years\"", "validity-empty", "validity.usual"),
            ("intermediate", "most = \"20 years\"", "most = \"21 years\"", "validity-too-long", "validity.most"),
            ("tls-server", "most = \"200 days\"", "most = \"399 days\"", "validity-too-long", "validity.most"),
            ("event", "most = \"30 minutes\"", "most = \"31 minutes\"", "validity-too-long", "validity.most"),
            ("tsa", "critical = true", "critical = false", "time-stamping-not-critical", "extended_key_usage.critical"),
            ("tsa", "\"timeStamping\"", "\"timeStamping\", \"clientAuth\"", "time-stamping-not-alone", "extended_key_usage.purposes"),
            ("tsa", "\"timeStamping\"", "", "purposes-empty", "extended_key_usage.purposes"),
            ("officer", "\"clientAuth\"", "\"clientAuth\", \"clientAuth\"", "purposes-repeated", "extended_key_usage.purposes"),
            ("ocsp-responder", "rule = \"no-check\"", "rule = \"published\"", "ocsp-signing-without-nocheck", "revocation.rule"),
            ("tsa", "rule = \"published\"", "rule = \"no-check\"", "nocheck-without-ocsp-signing", "revocation.rule"),
            ("tsa", "rule = \"published\"", "rule = \"unneeded\"", "revocation-missing", "revocation.rule"),
            ("root", "rule = \"unneeded\"", "rule = \"published\"", "revocation-of-root", "revocation.rule"),
            ("root", "value = \"CN\"", "value = \"China\"", "attribute-value", "subject.value"),
            ("root", "kind = \"commonName\"", "kind = \"countryName\"", "attribute-repeated", "subject.attribute"),
            ("seal-signer", "most = 14", "most = 65", "attribute-length", "subject.most"),
            ("tls-server", "kinds = [\"dns\", \"wildcard-dns\", \"ip\"]", "kinds = []", "alternative-names-of-no-kind", "subject_alt_name.kinds"),
            ("tls-server", "kinds = [\"dns\", \"wildcard-dns\", \"ip\"]", "kinds = [\"wildcard-dns\"]", "wildcard-without-dns", "subject_alt_name.kinds"),
            ("tls-server", "most = 100", "most = 101", "alternative-names-most", "subject_alt_name.most"),
            ("tls-server", "required = true", "required = false", "subject-empty", "subject"),
            ("tls-server", "take = [\"subjectAltName\"]", "take = [\"certificatePolicies\"]", "requested-taken", "requested_extensions"),
            ("log", "other = \"refuse\"", "other = \"refuse\"\ntake = [\"subjectAltName\"]", "alternative-names-of-no-kind", "requested_extensions"),
            ("log", "name = \"log\"", "name = \"Log\"", "name", "name"),
            ("organisation", "kind = \"taxation-number\"", "kind = \"organisation-code\"", "identity-repeated", "identity.number"),
        ];
        for (file, from, to, code, key) in cases {
            let refused = changed(file, from, to);
            assert_eq!(refused.code(), *code, "{file}: {from} -> {to}: {refused}");
            let said = refused.to_string();
            assert!(said.starts_with(&format!("the profile a.toml: {key}: ")), "{said}");
            assert!(said.ends_with(&format!("({code})")), "{said}");
        }
    }

    #[test]
    fn values_that_nobody_knows_are_refused() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, &str)] = &[
            ("root", "position = \"root\"", "position = \"top\"", "position: \"top\" is not known"),
            ("root", "\"cRLSign\"", "\"crlSign\"", "key_usage.bits: \"crlSign\" is not known"),
            ("root", "rule = \"unneeded\"", "rule = \"\"", "revocation.rule: \"\" is not known"),
            ("root", "most = \"30 years\"", "most = \"30 decades\"", "validity.most: \"30 decades\" is not known"),
            ("root", "most = \"30 years\"", "most = \"+30 years\"", "validity.most: \"+30 years\" is not known"),
            ("root", "beyond_issuer = \"refuse\"", "beyond_issuer = \"x\"", "validity.beyond_issuer: \"x\" is not known"),
            ("root", "kind = \"commonName\"", "kind = \"CN\"", "subject.kind: \"CN\" is not known"),
            ("root", "presence = \"fixed\"", "presence = \"required\"", "subject.value: \"CN\" is not known"),
            ("root", "value = \"CN\"\n", "", "subject.presence: \"fixed\" is not known"),
            ("root", "pattern = \"country\"", "pattern = \"[A-Z]{2}\"", "subject.pattern: \"[A-Z]{2}\" is not known"),
            ("root", "other = \"refuse\"", "other = \"take\"", "requested_extensions.other: \"take\" is not known"),
            ("tsa", "\"timeStamping\"", "\"anyExtendedKeyUsage\"", "extended_key_usage.purposes: \"anyExtendedKeyUsage\" is not known"),
            ("tls-server", "\"wildcard-dns\"", "\"dn\"", "subject_alt_name.kinds: \"dn\" is not known"),
            ("organisation", "kind = \"taxation-number\"", "kind = \"tax\"", "identity.kind: \"tax\" is not known"),
        ];
        for (file, from, to, expected) in cases {
            let refused = changed(file, from, to);
            assert_eq!(
                (refused.code(), refused.to_string()),
                ("profile-value", format!("the profile a.toml: {expected}"))
            );
        }
        let uncited = changed("root", "clause = \"RFC 5280 4.2.1.9", "clause = \"\" # \"RFC 5280 4.2.1.9");
        assert_eq!(uncited.to_string(), "the profile a.toml: basic_constraints.clause: cites no clause");
        let unknown = changed("root", "position = \"root\"", "position = \"root\"\nsurprise = 1");
        assert_eq!(unknown.code(), "profile-malformed");
        assert!(unknown.to_string().contains("unknown field `surprise`"), "{unknown}");
        let unknown = changed("root", "[validity]", "[validity]\nleast = 1");
        assert!(unknown.to_string().contains("unknown field `least`"), "{unknown}");
        let table = "[renewal]\ndays_before = 90\nkey_days = 2000\nclause = \"5\"\n\n[revocation]";
        let changed_renewal = |from: &str, to: &str| changed("log", "[revocation]", &table.replace(from, to));
        let unknown = changed_renewal("days_before", "weeks_before");
        assert!(unknown.to_string().contains("unknown field `weeks_before`"), "{unknown}");
        let refused = changed_renewal("90", "0");
        assert_eq!(refused.to_string(), "the profile a.toml: renewal.days_before: \"0\" is not known");
        let uncited = changed_renewal("\"5\"", "\" \"");
        assert_eq!(uncited.to_string(), "the profile a.toml: renewal.clause: cites no clause");
        let read = parse(&text("log").replacen("[revocation]", table, 1), "a.toml").unwrap();
        assert_eq!(read.rules().renewal, RenewalPolicy { days_before: 90, key_days: 2_000, ..RenewalPolicy::USUAL });
        let other = named(text("root"), "b.toml", "b").unwrap_err();
        assert_eq!(other.to_string(), "the profile b.toml: name: \"root\" is not the name of the file");
    }

    #[test]
    fn a_profile_may_want_more_approvals() {
        let table = |lines: &str| {
            let approval = format!("[approval]\n{lines}\nclause = \"house\"\n\n[requested_extensions]");
            parse(&text("officer").replacen("[requested_extensions]", &approval, 1), "a.toml")
        };
        let two = table("officers = 2\nrole = \"checker\"").unwrap();
        assert_eq!(two.rules().approval, ApprovalPolicy::new(2, OfficerRole::Checker).ok());
        let plain = parse(text("officer"), "a.toml").unwrap();
        assert_eq!((plain.rules().approval, plain.approval()), (None, ApprovalPolicy::ONE));
        for (lines, expected) in [
            ("officers = 0\nrole = \"approver\"", "approval.officers: \"0\" is not known"),
            ("officers = 17\nrole = \"approver\"", "approval.officers: \"17\" is not known"),
            ("officers = 1\nrole = \"applicant\"", "approval.role: \"applicant\" is not known"),
            ("officers = 1\nrole = \"boss\"", "approval.role: \"boss\" is not known"),
        ] {
            assert_eq!(table(lines).unwrap_err().to_string(), format!("the profile a.toml: {expected}"));
        }
        let unknown = table("officers = 1\nrole = \"approver\"\nsurprise = 1").unwrap_err();
        assert!(unknown.to_string().contains("unknown field `surprise`"), "{unknown}");
        let missing = table("officers = 1").unwrap_err();
        assert!(missing.to_string().contains("missing field `role`"), "{missing}");
    }

    #[test]
    fn the_configuration_asks_for_approvals_where_profiles_ask_for_none() {
        let asked = in_force(None, &["person-signing".into(), "officer".into()]).unwrap();
        for profile in built_in().unwrap().iter() {
            // Keys that sign reports or messages are units of the authority, and their profiles ask by themselves.
            let asking = ["person-signing", "officer", "report-signer", "message-signer"];
            let wanted = asking.contains(&profile.name()).then_some(ApprovalPolicy::ONE);
            assert_eq!(asked.by_name(profile.name()).unwrap().rules().approval, wanted, "{}", profile.name());
        }
        for name in ["none", "intermediate", ""] {
            let refused = in_force(None, &[name.to_owned()]).unwrap_err();
            assert_eq!(refused.code(), "profile-unknown");
        }
    }

    #[test]
    fn a_folder_stands_in_for_what_is_built_in() {
        let folder = std::env::temp_dir().join(format!("yinxin-profiles-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let shorter = text("log").replacen("most = \"5 years\"", "most = \"4 years\"", 1);
        fs::write(folder.join("log.toml"), shorter.replacen("usual = \"5 years\"", "usual = \"4 years\"", 1)).unwrap();
        fs::write(folder.join("README"), "no profile").unwrap();
        let profiles = with_folder(&folder).unwrap();
        assert_eq!(profiles.by_name("log").unwrap().rules().validity.most, 4 * 365 * 86_400);
        assert_eq!(profiles.iter().count(), 17);
        fs::write(folder.join("log.toml"), text("root")).unwrap();
        assert_eq!(with_folder(&folder).unwrap_err().code(), "profile-file-name");
        fs::write(folder.join("log.toml"), " ".repeat(65 * 1024)).unwrap();
        assert_eq!(with_folder(&folder).unwrap_err().code(), "profile-too-much");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(with_folder(&folder).unwrap_err().code(), "profile-unreadable");
    }
}
