//! Profiles: what a certificate of one kind says, and what an applicant may choose. Data, judged once when loaded.
//!
//! [`Rules`] are what a file says; a [`Profile`] is rules that do not contradict themselves or RFC 5280, and are not weak.

mod attribute;
mod contradiction;
mod purpose;

pub use attribute::{AttributeKind, Pattern, StringForm, is_host_name, is_printable};
pub use contradiction::Contradiction;
pub use purpose::{KeyUsageBit, Purpose, RequestedExtension};

use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::ca::identity::IdentityKind;
use crate::domain::ca::renewal::RenewalPolicy;
use crate::domain::ca::request::ApprovalPolicy;
use crate::format::der::ObjectIdentifier;

/// Where in a tree of certificates it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Signed by its own key.
    Root,
    /// An authority below another.
    Intermediate,
    /// Issues nothing.
    End,
}

/// A kind of key that is certified, from that many bits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// Its name in the registry of algorithms.
    pub algorithm: String,
    /// The least bits; 0 where the kind has one size.
    pub least_bits: usize,
}

/// What happens to a certificate that would outlive its issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeyondIssuer {
    /// It ends with its issuer.
    Clamp,
    /// It is not issued.
    Refuse,
}

/// How long a certificate lasts, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidityRule {
    /// Where nothing else is asked for.
    pub usual: i64,
    /// At most.
    pub most: i64,
    /// Where the issuer ends earlier.
    pub beyond_issuer: BeyondIssuer,
}

/// Whether an attribute stands in the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Always, with this value; an applicant who asks for another is refused.
    Fixed(String),
    /// The applicant must give one.
    Required,
    /// The applicant may give one.
    Optional,
}

/// One attribute of the subject. What has no rule is forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeRule {
    /// Which.
    pub kind: AttributeKind,
    /// Whether it stands there.
    pub presence: Presence,
    /// What it must look like.
    pub pattern: Pattern,
    /// The most characters.
    pub most: usize,
}

/// Kinds of alternative names that an applicant may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlternativeNameKind {
    /// A DNS name; a wildcard is one of these only where [`Self::WildcardDns`] is allowed too.
    Dns,
    /// A DNS name whose first label is `*`.
    WildcardDns,
    /// An IP address.
    Ip,
    /// An e-mail address.
    Email,
    /// A URI.
    Uri,
}

impl AlternativeNameKind {
    /// Their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("dns", Self::Dns),
        ("wildcard-dns", Self::WildcardDns),
        ("ip", Self::Ip),
        ("email", Self::Email),
        ("uri", Self::Uri),
    ];

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// The rule of subjectAltName.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlternativeNames {
    /// One at least is needed.
    pub required: bool,
    /// The kinds; none means that the extension is forbidden.
    pub kinds: Vec<AlternativeNameKind>,
    /// At most that many.
    pub most: usize,
}

/// How a relying party learns that such a certificate is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationRule {
    /// cRLDistributionPoints and authorityInfoAccess say where the issuer publishes it, as far as it publishes.
    Published,
    /// Nowhere: id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1), for OCSP responders.
    NoCheck,
    /// Nowhere: a root, or a certificate that lives shorter than news of it would travel.
    Unneeded,
}

/// What is done with an extension that an applicant asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Taken, where it says no more than the profile allows.
    Take,
    /// Left out.
    Ignore,
    /// The request is refused.
    Refuse,
}

/// What extKeyUsage says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsageRule {
    /// The purposes.
    pub purposes: Vec<Purpose>,
    /// Whether the extension is critical.
    pub critical: bool,
}

/// Whether a number that identifies the subject is certified. What has no rule is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityRule {
    /// Which.
    pub kind: IdentityKind,
    /// The applicant must give one.
    pub required: bool,
}

/// What a profile's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Its name, which is also its file's.
    pub name: String,
    /// Where it stands.
    pub position: Position,
    /// `cA` of basicConstraints.
    pub authority: bool,
    /// `pathLenConstraint`.
    pub path_length: Option<u32>,
    /// Keys that are certified.
    pub keys: Vec<KeyRule>,
    /// Names of algorithms by which the issuer may sign it.
    pub signatures: Vec<String>,
    /// How long.
    pub validity: ValidityRule,
    /// `keyUsage`.
    pub key_usage: Vec<KeyUsageBit>,
    /// `extKeyUsage`.
    pub extended_key_usage: Option<ExtendedKeyUsageRule>,
    /// The subject's attributes, in the order in which they are written.
    pub subject: Vec<AttributeRule>,
    /// `subjectAltName`.
    pub alternative_names: AlternativeNames,
    /// Numbers that identify the subject, in extensions of their own (GM/T 0015, GB/T 20518).
    pub identity: Vec<IdentityRule>,
    /// `certificatePolicies`.
    pub policies: Vec<ObjectIdentifier>,
    /// Where its revocation is published.
    pub revocation: RevocationRule,
    /// Whether it is bound to the digest of one transaction.
    pub transaction: bool,
    /// How many officers must approve; where nothing is told one approver does, and an operator may issue without a request.
    pub approval: Option<ApprovalPolicy>,
    /// When and with which key such a certificate is renewed.
    pub renewal: RenewalPolicy,
    /// What is done with extensions that are asked for, where the list names them.
    pub requested: Vec<(RequestedExtension, Treatment)>,
    /// What is done with all others.
    pub other_requested: Treatment,
}

/// Rules that hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile(Rules);

impl Profile {
    /// Judges the rules.
    ///
    /// # Errors
    /// The first contradiction or weakness.
    pub fn new(rules: Rules) -> Result<Self, Contradiction> {
        contradiction::check(&rules)?;
        Ok(Self(rules))
    }

    /// The same, whose certificates are issued for approved requests only: by one approver, where it says nothing.
    #[must_use]
    pub fn wanting_approval(&self) -> Self {
        let mut rules = self.0.clone();
        rules.approval.get_or_insert(ApprovalPolicy::ONE);
        Self(rules)
    }

    /// What it says.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.0
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether a key of that kind and size is certified.
    #[must_use]
    pub fn certifies(&self, key: &PublicKey) -> bool {
        self.0.keys.iter().any(|rule| rule.algorithm == key.name() && key.bits() >= rule.least_bits)
    }

    /// Whether an issuer may sign it so.
    #[must_use]
    pub fn signed_by(&self, algorithm: SignatureAlgorithm) -> bool {
        self.0.signatures.iter().any(|name| name == algorithm.name())
    }

    /// Whether its key encrypts (GB/T 20518: of a pair of certificates, the encryption certificate).
    #[must_use]
    pub fn encrypts(&self) -> bool {
        self.0.key_usage.iter().any(|bit| bit.encrypts())
    }

    /// Whether what its key signs is heard as the authority's own word: answers on status, and time stamps.
    #[must_use]
    pub fn speaks_for_authority(&self) -> bool {
        let speaks = |purpose: &Purpose| matches!(purpose, Purpose::OcspSigning | Purpose::TimeStamping);
        self.0.extended_key_usage.as_ref().is_some_and(|rule| rule.purposes.iter().any(speaks))
    }

    /// How many officers must approve a request for such a certificate, in which role: one approver where nothing is told.
    #[must_use]
    pub fn approval(&self) -> ApprovalPolicy {
        self.0.approval.unwrap_or(ApprovalPolicy::ONE)
    }

    /// Whether a number of that kind is certified.
    #[must_use]
    pub fn identifies(&self, kind: IdentityKind) -> bool {
        self.0.identity.iter().any(|rule| rule.kind == kind)
    }

    /// What is done with a requested extension.
    #[must_use]
    pub fn treatment(&self, oid: ObjectIdentifier) -> Treatment {
        let named = self.0.requested.iter().find(|(extension, _)| extension.oid() == oid);
        named.map_or(self.0.other_requested, |(_, treatment)| *treatment)
    }
}

/// The profiles in force, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profiles(Vec<Profile>);

impl Profiles {
    /// Those of end certificates for which nobody's approval is asked, by name.
    #[must_use]
    pub fn without_approval(&self) -> Vec<&str> {
        let open = self.iter().filter(|one| !one.rules().authority && one.rules().approval.is_none());
        open.map(Profile::name).collect()
    }

    /// These profiles; of two with one name the later one counts.
    #[must_use]
    pub fn new(profiles: impl IntoIterator<Item = Profile>) -> Self {
        let mut kept = Vec::<Profile>::new();
        for profile in profiles {
            match kept.iter_mut().find(|known| known.name() == profile.name()) {
                Some(known) => *known = profile,
                None => kept.push(profile),
            }
        }
        Self(kept)
    }

    /// The profile of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Profile> {
        self.0.iter().find(|profile| profile.name() == name)
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn require(&self, name: &str) -> Result<&Profile, UnknownProfile> {
        self.by_name(name).ok_or_else(|| UnknownProfile { name: name.chars().take(64).collect() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.iter()
    }
}

/// No profile has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {name:?}")]
pub struct UnknownProfile {
    /// The name.
    pub name: String,
}
