//! Issuing one certificate: `prepare` decides what it says, the service signs, `assemble` checks and joins.
//!
//! Only an [`IssuanceToken`] can become a certificate, and it is used up by that: one decision, one signature. Before a
//! token exists, the certificate is held against every lint rule, signed by a throw-away key of the issuer's kind: it is
//! whole, and can never be taken for issued.

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{sha256, sm3};
use crate::crypto::{self, PublicKey};
use crate::domain::ca::identity::{self, IdentityError, IdentityValue};
use crate::domain::ca::lint::{self, Finding};
use crate::domain::ca::profile::{
    AttributeKind, BeyondIssuer, Position, Profile, Purpose, RevocationRule, UnknownProfile,
};
use crate::domain::ca::publication::Publication;
use crate::domain::ca::subject::{self, SubjectError};
use crate::domain::ca::throw_away::ThrowAwayKeys;
use crate::domain::ca::weak_key::{self, WeakKey};
use crate::domain::trust::key::{encode_value, public_key, subject_public_key_info};
use crate::domain::trust::{AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
use crate::format::der::{self, ObjectIdentifier, Writer};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::x509::event::{CONTEXT_TYPE, EventStatement, MESSAGE_DIGEST};
use crate::format::x509::extension::{
    AuthenticationContext, AuthenticationContexts, AuthorityKeyIdentifier, CertificatePolicies, ExtendedKeyUsage,
    NameConstraints, NoRevAvail, OcspNoCheck, PolicyInformation, SubjectAltName, SubjectDirectoryAttributes,
    SubjectKeyIdentifier,
};
use crate::format::x509::name::NameAttributes;
use crate::format::x509::{BasicConstraints, Certificate, KeyUsage, NewCertificate, NewExtension, NewGeneralName};

/// How far before now a certificate may begin: clocks that are late shall take it at once.
const MOST_BACKDATING: i64 = 86_400;

/// Who issues.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// Its certificate; `None` where the subject's own key signs.
    pub certificate: Option<&'a Certificate<'a>>,
    /// Its key.
    pub key: &'a PublicKey,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
    /// Where it publishes.
    pub publication: &'a Publication,
    /// Signs what is linted, in its place.
    pub throw_away: &'a ThrowAwayKeys,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What for.
    pub profile: &'a Profile,
    /// The subject's attributes; the profile orders them and adds what it fixes.
    pub subject: &'a [(AttributeKind, String)],
    /// Other names of the subject.
    pub alternative_names: &'a [NewGeneralName],
    /// Numbers that identify the subject.
    pub identity: &'a [IdentityValue],
    /// The subject's key.
    pub key: &'a PublicKey,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity; `None` for the profile's usual one.
    pub not_after: Option<Timestamp>,
    /// 128 random bits.
    pub serial: &'a [u8; 16],
    /// The transaction that an event certificate is for.
    pub transaction: Option<Transaction<'a>>,
    /// Names that an authority is bound to.
    pub name_constraints: Option<&'a NameConstraints<'a>>,
}

/// One transaction, to which an event certificate is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// Its digest: by SM3 for an SM2 key, else by SHA-256, unless a statement names another.
    pub digest: &'a [u8; 32],
    /// Who does it, proven how surely.
    pub statement: Option<&'a EventStatement>,
}

impl<'a> From<&'a [u8; 32]> for Transaction<'a> {
    fn from(digest: &'a [u8; 32]) -> Self {
        Self { digest, statement: None }
    }
}

/// Why no certificate is issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The validity is empty.
    #[error("the validity ends before it begins (RFC 5280 4.1.2.5)")]
    EmptyValidity,
    /// The validity is longer than the profile allows.
    #[error("a validity of {seconds} seconds is above the {most} of the profile")]
    ValidityTooLong {
        /// How long.
        seconds: i64,
        /// At most.
        most: i64,
    },
    /// It would begin more than a day ago.
    #[error("the validity begins more than a day before now")]
    Backdated,
    /// It would begin before its issuer's, or end after it where the profile does not shorten it.
    #[error("the validity is not within the issuer's, {from} to {to}")]
    BeyondIssuer {
        /// The issuer's begin.
        from: Timestamp,
        /// The issuer's end.
        to: Timestamp,
    },
    /// No profile has that name.
    #[error(transparent)]
    UnknownProfile(#[from] UnknownProfile),
    /// A name breaks the profile's rules.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Numbers of identity break the profile's rules.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The serial number is zero.
    #[error("the serial number is zero (RFC 5280 4.1.2.2)")]
    Serial,
    /// The profile certifies no key of that kind or size.
    #[error("profile {profile} certifies no {key} of {bits} bits")]
    Key {
        /// The profile's name.
        profile: String,
        /// The kind of key.
        key: &'static str,
        /// Its bits.
        bits: usize,
    },
    /// The key can be broken.
    #[error(transparent)]
    WeakKey(#[from] WeakKey),
    /// The issuer's algorithm is not told by an object identifier alone, does not belong to its key, or is none of the
    /// profile's.
    #[error("the issuer's algorithm cannot sign certificates of this profile")]
    Algorithm,
    /// The algorithm policy does not allow the issuer's signature or the subject's key now.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// A root signs itself, and nothing else does.
    #[error("a root signs itself, and no other certificate does")]
    Position,
    /// The issuer's certificate is not an authority's, or not of the key that signs.
    #[error("the issuer's certificate is no authority's, or not that of the key (RFC 5280 4.2.1.9)")]
    NoAuthority,
    /// The issuer may have no authority below it.
    #[error("the issuer's path length allows no authority below it (RFC 5280 4.2.1.9)")]
    PathLength,
    /// A transaction is given where the profile binds to none, or missing where it does.
    #[error("a digest of a transaction belongs to event certificates, and to nothing else")]
    Transaction,
    /// Name constraints for what is no authority.
    #[error("name constraints are for authorities (RFC 5280 4.2.1.10)")]
    NameConstraints,
    /// The throw-away key that signs what is linted could not be made or used.
    #[error("the throw-away key failed")]
    ThrowAway(#[source] crypto::Error),
    /// Rules of the standards that the certificate would break.
    #[error("the certificate would break {}", .0.first().map_or_else(|| "a rule".to_owned(), ToString::to_string))]
    Lint(Vec<Finding>),
    /// What we wrote is no certificate.
    #[error("the certificate cannot be read")]
    Unreadable(#[source] der::Error),
    /// What came back from the key store is not the issuer's signature.
    #[error("the signature is not the issuer's over this certificate")]
    Signature,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyValidity => "validity-empty",
            Self::ValidityTooLong { .. } => "validity-too-long",
            Self::Backdated => "validity-backdated",
            Self::BeyondIssuer { .. } => "validity-beyond-issuer",
            Self::UnknownProfile(_) => "profile-unknown",
            Self::Subject(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Serial => "serial-zero",
            Self::Key { .. } => "key-not-certified",
            Self::WeakKey(weak) => weak.code(),
            Self::Algorithm => "issuer-algorithm",
            Self::Unacceptable(refused) => refused.code(),
            Self::Position => "root-position",
            Self::NoAuthority => "issuer-no-authority",
            Self::PathLength => "path-length",
            Self::Transaction => "transaction",
            Self::NameConstraints => "name-constraints",
            Self::ThrowAway(_) => "throw-away-key",
            Self::Lint(_) => "lint",
            Self::Unreadable(_) => "unreadable",
            Self::Signature => "issuer-signature",
        }
    }
}

/// A decision to issue exactly these bytes.
#[derive(Debug)]
pub struct IssuanceToken {
    tbs: Vec<u8>,
    issuer: PublicKey,
    algorithm: SignatureAlgorithm,
    oid: ObjectIdentifier,
    not_after: Timestamp,
}

/// Decides what the certificate says, now, under that algorithm policy.
///
/// # Errors
/// The request breaks a rule of the profile, of RFC 5280 or of the issuer; the policy allows the issuer's algorithm, digest
/// or key, or a subject's key of that kind and size, for nothing new at this moment.
pub fn prepare(
    request: &Request<'_>,
    issuer: &Issuer<'_>,
    (policy, now): (&AlgorithmPolicy, Timestamp),
) -> Result<IssuanceToken, Error> {
    let rules = request.profile.rules();
    if request.not_before < now.plus_seconds(-MOST_BACKDATING) {
        return Err(Error::Backdated);
    }
    if (rules.position == Position::Root) != issuer.certificate.is_none() {
        return Err(Error::Position);
    }
    if issuer.certificate.is_none() && request.key != issuer.key {
        return Err(Error::Position);
    }
    if request.transaction.is_some() != rules.transaction {
        return Err(Error::Transaction);
    }
    subject::check_alternative_names(&rules.alternative_names, request.alternative_names)?;
    identity::check(rules, request.identity)?;
    let name = subject::merge(request.profile, request.subject)?;
    common_name_is_alternative(request)?;
    let end = not_after(request, issuer)?;
    let draft = Draft {
        profile: request.profile,
        subject: &name.to_der(),
        subject_is_empty: name == NameAttributes::default(),
        alternative_names: request.alternative_names,
        identity: request.identity,
        key: request.key,
        key_identifier: key_identifier(request.key),
        validity: (request.not_before, end),
        path_length: rules.path_length,
        serial: request.serial,
        transaction: request.transaction,
        name_constraints: request.name_constraints,
    };
    draft.into_token(issuer, (policy, now))
}

/// What a certificate shall say, before it is written and linted: names and validity are decided.
pub(in crate::domain::ca) struct Draft<'a> {
    pub(in crate::domain::ca) profile: &'a Profile,
    pub(in crate::domain::ca) subject: &'a [u8],
    pub(in crate::domain::ca) subject_is_empty: bool,
    pub(in crate::domain::ca) alternative_names: &'a [NewGeneralName],
    pub(in crate::domain::ca) identity: &'a [IdentityValue],
    pub(in crate::domain::ca) key: &'a PublicKey,
    pub(in crate::domain::ca) key_identifier: Vec<u8>,
    pub(in crate::domain::ca) validity: (Timestamp, Timestamp),
    /// Of an authority, as far as what stands above leaves it.
    pub(in crate::domain::ca) path_length: Option<u32>,
    pub(in crate::domain::ca) serial: &'a [u8; 16],
    pub(in crate::domain::ca) transaction: Option<Transaction<'a>>,
    pub(in crate::domain::ca) name_constraints: Option<&'a NameConstraints<'a>>,
}

impl Draft<'_> {
    /// Judges keys, algorithms and the issuer, writes the certificate and lints it.
    pub(in crate::domain::ca) fn into_token(
        self,
        issuer: &Issuer<'_>,
        (policy, now): (&AlgorithmPolicy, Timestamp),
    ) -> Result<IssuanceToken, Error> {
        let rules = self.profile.rules();
        if self.serial.iter().all(|byte| *byte == 0) {
            return Err(Error::Serial);
        }
        if !self.profile.certifies(self.key) {
            let (profile, key) = (rules.name.clone(), self.key.name());
            return Err(Error::Key { profile, key, bits: self.key.bits() });
        }
        weak_key::check(self.key)?;
        let signs = issuer.key.signs_with(issuer.algorithm) && self.profile.signed_by(issuer.algorithm);
        let oid = issuer.algorithm.oid().filter(|_| signs).ok_or(Error::Algorithm)?;
        policy.signature(&SignatureUsed::of(issuer.key, issuer.algorithm), now, Use::Issue)?;
        policy.acceptable(self.key.name(), self.key.bits(), now, Use::Issue)?;
        if self.name_constraints.is_some() && !rules.authority {
            return Err(Error::NameConstraints);
        }
        let constraints = self.basic_constraints(issuer)?;
        let extensions = self.extensions(issuer, constraints)?;
        let tbs = NewCertificate {
            serial: self.serial,
            signature_algorithm: oid,
            issuer: issuer.certificate.map_or(self.subject, |certificate| certificate.subject.raw()),
            not_before: self.validity.0,
            not_after: self.validity.1,
            subject: self.subject,
            public_key: &subject_public_key_info(self.key),
            extensions: &extensions,
        }
        .to_tbs();
        let (value, _) = issuer.throw_away.sign(issuer.key, issuer.algorithm, &tbs).map_err(Error::ThrowAway)?;
        let linted = NewCertificate::assemble(&tbs, oid, &encode_value(issuer.algorithm, &value));
        let findings = lint::run(&linted).map_err(Error::Unreadable)?;
        if !findings.is_empty() {
            return Err(Error::Lint(findings));
        }
        let (key, algorithm) = (issuer.key.clone(), issuer.algorithm);
        Ok(IssuanceToken { tbs, issuer: key, algorithm, oid, not_after: self.validity.1 })
    }

    /// RFC 5280 4.2.1.9: below an authority with a path length, one less is left.
    fn basic_constraints(&self, issuer: &Issuer<'_>) -> Result<BasicConstraints, Error> {
        let rules = self.profile.rules();
        let Some(certificate) = issuer.certificate else {
            return Ok(BasicConstraints { authority: rules.authority, path_length: self.path_length });
        };
        let above = certificate.basic_constraints.unwrap_or_default();
        let signs = certificate.key_usage.is_some_and(|usage| usage.any(KeyUsage::KEY_CERT_SIGN));
        if !above.authority || !signs || public_key(&certificate.public_key).as_ref() != Some(issuer.key) {
            return Err(Error::NoAuthority);
        }
        if !rules.authority {
            return Ok(BasicConstraints { authority: false, path_length: None });
        }
        // A certificate with the issuer's own name does not count (RFC 5280 6.1.4 (l)).
        let counted = u32::from(certificate.subject.raw() != self.subject);
        let path_length = match (above.path_length, self.path_length) {
            (Some(left), own) => {
                let left = left.checked_sub(counted).ok_or(Error::PathLength)?;
                Some(own.map_or(left, |own| own.min(left)))
            }
            (None, own) => own,
        };
        Ok(BasicConstraints { authority: true, path_length })
    }

    fn extensions(&self, issuer: &Issuer<'_>, constraints: BasicConstraints) -> Result<Vec<NewExtension>, Error> {
        let rules = self.profile.rules();
        let above = match issuer.certificate {
            None => self.key_identifier.clone(),
            Some(certificate) => {
                let known = certificate.extension_of::<SubjectKeyIdentifier<'_>>().map_err(Error::Unreadable)?;
                known.map_or_else(|| key_identifier(issuer.key), |known| known.0.to_vec())
            }
        };
        let usage = rules.key_usage.iter().fold(0, |bits, bit| bits | bit.mask());
        let mut extensions = vec![
            NewExtension::new(true, &constraints),
            NewExtension::new(true, &KeyUsage(usage)),
            NewExtension::new(false, &SubjectKeyIdentifier(&self.key_identifier)),
            NewExtension::new(
                false,
                &AuthorityKeyIdentifier { key_identifier: Some(&above), ..AuthorityKeyIdentifier::default() },
            ),
        ];
        if let Some(rule) = &rules.extended_key_usage {
            let purposes = rule.purposes.iter().map(|purpose| purpose.oid()).collect();
            extensions.push(NewExtension::new(rule.critical, &ExtendedKeyUsage(purposes)));
        }
        if !self.alternative_names.is_empty() {
            let names = self.alternative_names.iter().map(NewGeneralName::as_general_name).collect();
            extensions.push(NewExtension::new(self.subject_is_empty, &SubjectAltName(names)));
        }
        extensions.extend(self.identity.iter().map(IdentityValue::to_extension));
        if let Some(constraints) = self.name_constraints {
            extensions.push(NewExtension::new(true, constraints));
        }
        if !rules.policies.is_empty() {
            let policies = rules.policies.iter().map(|policy| PolicyInformation { policy: *policy, qualifiers: &[] });
            extensions.push(NewExtension::new(false, &CertificatePolicies(policies.collect())));
        }
        match rules.revocation {
            RevocationRule::Published => extensions.extend(issuer.publication.extensions(self.serial)),
            RevocationRule::NoCheck => extensions.push(NewExtension::new(false, &OcspNoCheck)),
            // Whoever asks would find nobody; of a root nobody asks (RFC 9608 2).
            RevocationRule::Unneeded if issuer.certificate.is_some() => {
                extensions.push(NewExtension::new(false, &NoRevAvail));
            }
            RevocationRule::Unneeded => {}
        }
        if let Some(Transaction { digest, statement }) = self.transaction {
            let mut value = Writer::new();
            value.octet_string(digest);
            let value = value.into_bytes();
            extensions.push(NewExtension::new(false, &SubjectDirectoryAttributes(vec![(MESSAGE_DIGEST, &value)])));
            if let Some(text) = statement.map(EventStatement::to_text) {
                let context = AuthenticationContext { context_type: CONTEXT_TYPE, context_info: Some(&text) };
                extensions.push(NewExtension::new(false, &AuthenticationContexts(vec![context])));
            }
        }
        Ok(extensions)
    }
}

/// A server's common name, where it has one, is one of its alternative names (CA/Browser Forum baseline requirements
/// 7.1.4.3).
fn common_name_is_alternative(request: &Request<'_>) -> Result<(), SubjectError> {
    let rules = request.profile.rules();
    let serves = rules.extended_key_usage.as_ref().is_some_and(|rule| rule.purposes.contains(&Purpose::ServerAuth));
    let name = request.subject.iter().find(|(kind, _)| *kind == AttributeKind::CommonName);
    match name {
        Some((_, name)) if serves && !request.alternative_names.contains(&NewGeneralName::Dns(name.clone())) => {
            Err(SubjectError::CommonNameNotAlternative)
        }
        _ => Ok(()),
    }
}

/// The end of validity: what was asked for or is usual, within the profile's bound and the issuer's end.
fn not_after(request: &Request<'_>, issuer: &Issuer<'_>) -> Result<Timestamp, Error> {
    let rule = request.profile.rules().validity;
    // Both ends belong to the validity (RFC 5280 4.1.2.5).
    let usual = || request.not_before.plus_seconds(rule.usual.saturating_sub(1));
    let mut end = request.not_after.unwrap_or_else(usual);
    if end < request.not_before {
        return Err(Error::EmptyValidity);
    }
    if let Some(certificate) = issuer.certificate {
        let (from, to) = (certificate.not_before, certificate.not_after);
        let refuse = end > to && rule.beyond_issuer == BeyondIssuer::Refuse;
        if request.not_before < from || request.not_before > to || refuse {
            return Err(Error::BeyondIssuer { from, to });
        }
        end = end.min(to);
    }
    let seconds = end.unix().saturating_sub(request.not_before.unix());
    if seconds > rule.most {
        return Err(Error::ValidityTooLong { seconds, most: rule.most });
    }
    Ok(end)
}

impl IssuanceToken {
    /// The bytes to sign: `tbsCertificate`.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.tbs
    }

    /// When the certificate will end, which may be earlier than was asked for.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The certificate, from the value of fixed width that the issuer's key gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing is issued.
    pub fn assemble(self, value: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.issuer.verify(self.algorithm, &self.tbs, value) {
            return Err(Error::Signature);
        }
        Ok(NewCertificate::assemble(&self.tbs, self.oid, &encode_value(self.algorithm, value)))
    }
}

/// The first 20 octets of a digest of the key's BIT STRING: by SHA-256 (RFC 7093 2, method 1), and by SM3 for an SM2 key,
/// since RFC 5280 4.2.1.2 leaves the method open.
pub(in crate::domain::ca) fn key_identifier(key: &PublicKey) -> Vec<u8> {
    let info = subject_public_key_info(key);
    let bits = SubjectPublicKeyInfo::parse(&info).map_or(&info[..], |parsed| parsed.key);
    let digest = if matches!(key, PublicKey::Sm2(_)) { sm3(bits) } else { sha256(bits) };
    digest.into_iter().take(20).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use super::*;
    use crate::base::limits::Limits;
    use crate::base::random::SystemRandom;
    use crate::config::profiles::{BUILT_IN, built_in, parse};
    use crate::crypto::algorithm::DigestAlgorithm;
    use crate::crypto::{Signer, rsa, sm2};
    use crate::domain::ca::Profiles;
    use crate::domain::ca::identity::IdentityKind;
    use crate::domain::ca::publication::shard;
    use crate::domain::trust::{Budget, TrustAnchors, find_path};
    use crate::format::x509::extension::{CrlDistributionPoints, IdentityCode};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const CODE: &str = "91350100M000100Y43示例局";
    static THROW_AWAY: LazyLock<ThrowAwayKeys> = LazyLock::new(|| ThrowAwayKeys::new(Arc::new(SystemRandom)));

    struct World {
        profiles: Profiles,
        root_key: sm2::PrivateKey,
        root: Vec<u8>,
        authority_key: sm2::PrivateKey,
        authority: Vec<u8>,
        publication: Publication,
    }

    fn attributes(pairs: &[(AttributeKind, &str)]) -> Vec<(AttributeKind, String)> {
        pairs.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect()
    }

    fn request<'a>(profile: &'a Profile, subject: &'a [(AttributeKind, String)], key: &'a PublicKey) -> Request<'a> {
        Request {
            profile,
            subject,
            alternative_names: &[],
            identity: &[],
            key,
            not_before: NOW,
            not_after: None,
            serial: &[0x81; 16],
            transaction: None,
            name_constraints: None,
        }
    }

    fn issue(
        request: &Request<'_>,
        above: Option<&[u8]>,
        key: &sm2::PrivateKey,
        publication: &Publication,
    ) -> Result<Vec<u8>, Error> {
        let certificate = above.map(|der| Certificate::parse(der).unwrap());
        let issuer_key = Signer::public_key(key);
        let algorithm = SignatureAlgorithm::Sm2Sm3;
        let throw_away = &*THROW_AWAY;
        let issuer = Issuer { certificate: certificate.as_ref(), key: &issuer_key, algorithm, publication, throw_away };
        let token = prepare(request, &issuer, (&AlgorithmPolicy::whatever_we_compute(), NOW))?;
        let value = key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value)
    }

    impl World {
        fn new() -> Self {
            let profiles = built_in().unwrap();
            let generate = || sm2::PrivateKey::generate(&SystemRandom).unwrap();
            let (root_key, authority_key) = (generate(), generate());
            let publication =
                Publication::new((Some("http://a.example/{shard}.crl"), None), 16, &["http://a.example/ocsp"], &[])
                    .unwrap();
            let subject = attributes(&[(AttributeKind::Organisation, "示例"), (AttributeKind::CommonName, "根")]);
            let public = Signer::public_key(&root_key);
            let root = request(profiles.by_name("root").unwrap(), &subject, &public);
            let root = issue(&root, None, &root_key, &publication).unwrap();
            let subject = attributes(&[(AttributeKind::Organisation, "示例"), (AttributeKind::CommonName, "机构")]);
            let public = Signer::public_key(&authority_key);
            let authority = request(profiles.by_name("seal-issuing-ca").unwrap(), &subject, &public);
            let authority = issue(&authority, Some(&root), &root_key, &publication).unwrap();
            Self { profiles, root_key, root, authority_key, authority, publication }
        }

        fn profile(&self, name: &str) -> &Profile {
            self.profiles.by_name(name).unwrap()
        }

        fn issue(&self, request: &Request<'_>) -> Result<Vec<u8>, Error> {
            issue(request, Some(&self.authority), &self.authority_key, &self.publication)
        }
    }

    #[test]
    fn a_chain_of_ours_is_a_path_of_ours() {
        let world = World::new();
        let key = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let subject = attributes(&[(AttributeKind::CommonName, "99000000000001"), (AttributeKind::Organisation, CODE)]);
        let der = world.issue(&request(world.profile("seal-signer"), &subject, &key)).unwrap();
        let certificate = Certificate::parse(&der).unwrap();
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&world.root, "root").unwrap();
        trust.add_certificates(&world.authority, "authority").unwrap();
        let path = find_path(&certificate, &trust, NOW, &mut Budget::new(&Limits::DEFAULT), &sm2::KeyTables::default())
            .unwrap();
        let expected =
            ["C=CN, O=91350100M000100Y43示例局, CN=99000000000001", "C=CN, O=示例, CN=机构", "C=CN, O=示例, CN=根"];
        assert_eq!(path.subjects(), expected);
        assert_eq!(certificate.not_after, NOW.plus_seconds(3 * 365 * 86_400 - 1));
        let points = certificate.extension_of::<CrlDistributionPoints<'_>>().unwrap().unwrap();
        let location = world.publication.crl_location(shard(certificate.serial, 16)).unwrap();
        assert!(format!("{points:?}").contains(&location), "{points:?} {location}");
        // The authority's identifier is what its certificate says.
        let above = Certificate::parse(&world.authority).unwrap();
        let own = above.extension_of::<SubjectKeyIdentifier<'_>>().unwrap().unwrap();
        let named = certificate.extension_of::<AuthorityKeyIdentifier<'_>>().unwrap().unwrap();
        assert_eq!(named.key_identifier, Some(own.0));
    }

    #[test]
    fn requests_that_break_a_rule_are_refused_exactly() {
        let world = World::new();
        let key = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let subject = attributes(&[(AttributeKind::Organisation, CODE), (AttributeKind::CommonName, "99000000000001")]);
        let good = request(world.profile("seal-signer"), &subject, &key);
        let refuse = |request: Request<'_>| world.issue(&request).unwrap_err();
        let late = Some(NOW.plus_seconds(-1));
        assert_eq!(refuse(Request { not_after: late, ..good }), Error::EmptyValidity);
        assert_eq!(refuse(Request { not_before: NOW.plus_seconds(-86_401), ..good }), Error::Backdated);
        let long = Some(NOW.plus_days(5 * 365).plus_seconds(1));
        let (seconds, most) = (5 * 365 * 86_400 + 1, 5 * 365 * 86_400);
        assert_eq!(refuse(Request { not_after: long, ..good }), Error::ValidityTooLong { seconds, most });
        assert_eq!(refuse(Request { serial: &[0; 16], ..good }), Error::Serial);
        assert_eq!(refuse(Request { transaction: Some((&[1; 32]).into()), ..good }), Error::Transaction);
        assert_eq!(refuse(Request { profile: world.profile("event"), ..good }), Error::Transaction);
        assert_eq!(refuse(Request { profile: world.profile("root"), ..good }), Error::Position);
        let names = [NewGeneralName::Dns("a.example".into())];
        let too_many = SubjectError::TooManyAlternativeNames { found: 1, most: 0 };
        assert_eq!(refuse(Request { alternative_names: &names, ..good }), too_many.into());
        let with = |pairs: &[(AttributeKind, &str)]| refuse(Request { subject: &attributes(pairs), ..good });
        let (o, cn) = (AttributeKind::Organisation, AttributeKind::CommonName);
        let cases: [(&[(AttributeKind, &str)], SubjectError); 5] = [
            (&[(o, CODE)], SubjectError::Missing { attribute: "commonName" }),
            (&[(o, "示例局"), (cn, "99000000000001")], SubjectError::Form { attribute: "organizationName" }),
            (&[(cn, "1"), (cn, "2")], SubjectError::Repeated { attribute: "commonName" }),
            (&[(AttributeKind::Title, "x")], SubjectError::Forbidden { attribute: "title".into() }),
            (
                &[(AttributeKind::Country, "US"), (o, CODE), (cn, "99000000000001")],
                SubjectError::Fixed { attribute: "countryName" },
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(with(pairs), expected.into());
        }
        let short = PublicKey::Rsa(rsa::PublicKey::new(&[0xc5; 256], &[1, 0, 1]).unwrap());
        let profile = "seal-signer".to_owned();
        assert_eq!(refuse(Request { key: &short, ..good }), Error::Key { profile, key: "rsa-key", bits: 2048 });
        // Below an authority whose path length is 0.
        let intermediate = Request { profile: world.profile("intermediate"), ..good };
        assert_eq!(refuse(intermediate), Error::PathLength);
        let wrong = issue(&good, Some(&world.authority), &world.root_key, &world.publication);
        assert_eq!(wrong, Err(Error::NoAuthority));
        let end = world.issue(&good).unwrap();
        let by_end = issue(&good, Some(&end), &world.authority_key, &world.publication);
        assert_eq!(by_end, Err(Error::NoAuthority));
    }

    #[test]
    fn only_the_issuers_signature_makes_a_certificate() {
        let world = World::new();
        let key = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let subject = attributes(&[(AttributeKind::Organisation, CODE), (AttributeKind::CommonName, "99000000000001")]);
        let request = request(world.profile("seal-signer"), &subject, &key);
        let (above, by) = (Certificate::parse(&world.authority).unwrap(), Signer::public_key(&world.authority_key));
        let mut issuer = Issuer {
            certificate: Some(&above),
            key: &by,
            algorithm: SignatureAlgorithm::Sm2Sm3,
            publication: &world.publication,
            throw_away: &THROW_AWAY,
        };
        let rules = (&AlgorithmPolicy::whatever_we_compute(), NOW);
        let token = prepare(&request, &issuer, rules).unwrap();
        let other = world.authority_key.sign(b"something else", &SystemRandom).unwrap();
        assert_eq!(token.assemble(&other), Err(Error::Signature));
        // What was linted is signed, but not by the issuer.
        let token = prepare(&request, &issuer, rules).unwrap();
        let (value, used) = THROW_AWAY.sign(&by, SignatureAlgorithm::Sm2Sm3, token.to_sign()).unwrap();
        assert!(used.verify(SignatureAlgorithm::Sm2Sm3, token.to_sign(), &value));
        assert_eq!(token.assemble(&value), Err(Error::Signature));
        issuer.algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
        assert_eq!(prepare(&request, &issuer, rules).unwrap_err(), Error::Algorithm);
    }

    #[test]
    fn numbers_of_identity_stand_in_extensions_of_their_own() {
        let world = World::new();
        let key = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let subject = attributes(&[(AttributeKind::CommonName, "示例人")]);
        let person = request(world.profile("person-signing"), &subject, &key);
        let value = |kind, text| IdentityValue::new(kind, text).unwrap();
        let resident = value(IdentityKind::ResidentIdentityNumber, "11010519491231002X");
        let insurance = value(IdentityKind::SocialInsuranceNumber, "SI00000001");
        let der = world.issue(&Request { identity: &[resident.clone(), insurance], ..person }).unwrap();
        let certificate = Certificate::parse(&der).unwrap();
        let read = certificate.extension_of::<IdentityCode<'_>>().unwrap();
        assert_eq!(read, Some(IdentityCode::ResidentCard("11010519491231002X")));
        assert!(!certificate.subject.display().contains("1101"));
        let refuse = |identity: &[IdentityValue]| world.issue(&Request { identity, ..person }).unwrap_err();
        let passport = value(IdentityKind::PassportNumber, "E12345678");
        let repeated = IdentityError::Repeated { kind: IdentityKind::PassportNumber };
        assert_eq!(refuse(&[resident.clone(), passport]), repeated.into());
        let kind = IdentityKind::TaxationNumber;
        let taxes = value(kind, "91350100M000100Y43");
        assert_eq!(refuse(&[taxes]), IdentityError::Forbidden { kind }.into());
        let text = BUILT_IN.iter().find(|(name, _)| *name == "person-signing").unwrap().1;
        let passage = "kind = \"resident-identity-number\"\npresence = \"optional\"";
        assert!(text.contains(passage));
        let strict = parse(&text.replacen(passage, &passage.replace("optional", "required"), 1), "x").unwrap();
        let kind = IdentityKind::ResidentIdentityNumber;
        let missing = world.issue(&Request { profile: &strict, ..person });
        assert_eq!(missing, Err(IdentityError::Missing { kind }.into()));
        assert!(world.issue(&Request { profile: &strict, identity: &[resident], ..person }).is_ok());
    }

    /// The issuer's end: most profiles shorten the validity, an event certificate is not issued.
    #[test]
    fn nothing_outlives_its_issuer() {
        let world = World::new();
        let text = BUILT_IN.iter().find(|(name, _)| *name == "seal-signer").unwrap().1;
        let refusing =
            parse(&text.replacen("beyond_issuer = \"clamp\"", "beyond_issuer = \"refuse\"", 1), "x").unwrap();
        let key = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let subject = attributes(&[(AttributeKind::Organisation, CODE), (AttributeKind::CommonName, "99000000000001")]);
        let above = Certificate::parse(&world.authority).unwrap();
        let (from, to) = (above.not_before, above.not_after);
        let late = Request {
            not_before: to.plus_days(-1),
            not_after: Some(to.plus_days(1)),
            ..request(world.profile("seal-signer"), &subject, &key)
        };
        let der = world.issue(&late).unwrap();
        assert_eq!(Certificate::parse(&der).unwrap().not_after, to);
        let beyond = Err(Error::BeyondIssuer { from, to });
        assert_eq!(world.issue(&Request { profile: &refusing, ..late }), beyond);
        assert_eq!(world.issue(&Request { not_before: to.plus_days(1), not_after: None, ..late }), beyond);
        let early = Request { not_before: from.plus_seconds(-1), not_after: None, ..late };
        assert_eq!(world.issue(&early), beyond);
    }
}
