//! From what is asked to what is approved, and from the approved words back to a certificate that says exactly them.

use crate::domain::ca::identity::{IdentityError, IdentityKind, IdentityValue};
use crate::domain::ca::possession::{Asked, PossessionError, Proved, identity_in};
use crate::domain::ca::profile::Profile;
use crate::domain::ca::request::Submission;
use crate::domain::ca::subject::{SubjectError, alternative_name, attributes_of, merge};
use crate::domain::trust::key::{public_key, subject_public_key_info};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::format::x509::csr::CertificationRequest;
use crate::format::x509::extension::SubjectAltName;
use crate::format::x509::{Certificate, ExtensionValue as _, Name, NewExtension, NewGeneralName};

/// A certificate that is not the approved one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate's {field} is not what was approved")]
pub struct NotAsApproved {
    /// Where they differ.
    pub field: &'static str,
}

/// What a certificate will say of its subject, in DER, as officers approve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject's name.
    pub subject: Vec<u8>,
    /// The value of subjectAltName; empty where there is none.
    pub alternative_names: Vec<u8>,
    /// The subject's SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

impl Words {
    /// What is asked, merged with the profile.
    ///
    /// # Errors
    /// An attribute breaks the profile's rules.
    pub fn of(profile: &Profile, asked: &Asked) -> Result<Self, SubjectError> {
        let names = asked.alternative_names.iter().map(NewGeneralName::as_general_name).collect::<Vec<_>>();
        let alternative_names = if names.is_empty() { Vec::new() } else { SubjectAltName(names).to_value() };
        let subject = merge(profile, &asked.subject)?.to_der();
        Ok(Self { subject, alternative_names, public_key: subject_public_key_info(&asked.key) })
    }
}

/// Whether the profile takes every number of identity that the request of PKCS#10 asks for: officers see the request, and
/// what they approve is certified whole.
///
/// # Errors
/// [`IdentityError::Forbidden`]; the request's own.
pub fn check_identity(proved: &Proved<'_>, asked: &Asked) -> Result<(), PossessionError> {
    let left_out = proved.identity()?.into_iter().find(|value| !asked.identity.contains(value));
    left_out.map_or(Ok(()), |value| Err(IdentityError::Forbidden { kind: value.kind() }.into()))
}

impl Submission {
    /// The numbers of identity that are approved: those of the request of PKCS#10, whose SM3 the officers sign.
    ///
    /// # Errors
    /// The request cannot be read, or is by another key than the approved one.
    pub fn identity(&self) -> Result<Vec<IdentityValue>, PossessionError> {
        let proved = Proved::read(&self.csr)?;
        let info = SubjectPublicKeyInfo::parse(&self.public_key).map_err(PossessionError::Malformed)?;
        if public_key(&info).as_ref() != Some(proved.key()) {
            return Err(PossessionError::OtherKey);
        }
        proved.identity()
    }

    /// The kinds of these numbers, for people; the proof of possession is not looked at again.
    ///
    /// # Errors
    /// The request cannot be read.
    pub fn identity_kinds(&self) -> Result<Vec<IdentityKind>, PossessionError> {
        let request = CertificationRequest::parse(&self.csr).map_err(PossessionError::Malformed)?;
        Ok(identity_in(&request)?.iter().map(IdentityValue::kind).collect())
    }

    /// What the approved words ask of the authority, with the numbers of identity of the approved request.
    ///
    /// # Errors
    /// The words cannot be read: nobody wrote them by [`Words::of`]; as [`Self::identity`].
    pub fn asked(&self) -> Result<Asked, PossessionError> {
        let name = Name::parse(&self.subject, "subject").map_err(PossessionError::Malformed)?;
        let info = SubjectPublicKeyInfo::parse(&self.public_key).map_err(PossessionError::Malformed)?;
        let mut alternative_names = Vec::new();
        if !self.alternative_names.is_empty() {
            let names = SubjectAltName::from_value(&self.alternative_names).map_err(PossessionError::Malformed)?;
            for name in &names.0 {
                alternative_names.push(alternative_name(name).ok_or(SubjectError::AlternativeName)?);
            }
        }
        let key = public_key(&info).ok_or(PossessionError::Key)?;
        Ok(Asked { subject: attributes_of(&name)?, alternative_names, identity: self.identity()?, key })
    }

    /// Whether the certificate says what was approved: subject, alternative names, key, numbers of identity, and the end
    /// where one was asked for. Who issued it, and under which profile, its row says.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_certificate(&self, certificate: &Certificate<'_>) -> Result<(), NotAsApproved> {
        let names = certificate.extensions.iter().find(|extension| extension.oid == SubjectAltName::OID);
        let differs = |field| Err(NotAsApproved { field });
        if certificate.subject.raw() != self.subject {
            return differs("subject");
        }
        if names.map_or(&[][..], |extension| extension.value) != self.alternative_names {
            return differs("subjectAltName");
        }
        if certificate.public_key.raw != self.public_key {
            return differs("subjectPublicKeyInfo");
        }
        let approved = self.identity().map_err(|_| NotAsApproved { field: "identity" })?;
        let approved = approved.iter().map(IdentityValue::to_extension).collect::<Vec<_>>();
        let is_number = |oid| IdentityKind::ALL.iter().any(|kind| kind.oid() == oid);
        let written = certificate.extensions.iter().filter(|extension| is_number(extension.oid)).map(|extension| {
            NewExtension { oid: extension.oid, critical: extension.critical, value: extension.value.to_vec() }
        });
        let written = written.collect::<Vec<_>>();
        if written.len() != approved.len() || !approved.iter().all(|extension| written.contains(extension)) {
            return differs("identity");
        }
        if self.not_after.is_some_and(|end| end != certificate.not_after) {
            return differs("notAfter");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::id::{AuthorityId, CallerId};
    use crate::base::random::SystemRandom;
    use crate::config::profiles::built_in;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{Signer, sm2};
    use crate::domain::ca::profile::AttributeKind;
    use crate::domain::ca::request::Hand;
    use crate::domain::ca::request::Submitted;
    use crate::domain::trust::key::encode_value;
    use crate::format::x509::NewCertificate;
    use crate::format::x509::csr::NewCertificationRequest;

    /// Asks for those names and numbers, by a request of the key's own.
    fn asking(
        subject: Vec<(AttributeKind, String)>,
        names: &[NewGeneralName],
        identity: &[IdentityValue],
    ) -> (Asked, Vec<u8>) {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let csr = csr_of(&key, identity);
        let (alternative_names, identity) = (names.to_vec(), identity.to_vec());
        (Asked { subject, alternative_names, identity, key: Signer::public_key(&key) }, csr)
    }

    fn csr_of(key: &sm2::PrivateKey, identity: &[IdentityValue]) -> Vec<u8> {
        let extensions = identity.iter().map(IdentityValue::to_extension).collect::<Vec<_>>();
        let (subject, public_key) = (named("x"), subject_public_key_info(&Signer::public_key(key)));
        let (extensions, challenge_password) = (&extensions[..], None);
        let new =
            NewCertificationRequest { subject: &subject, public_key: &public_key, extensions, challenge_password };
        let (tbs, algorithm) = (new.to_tbs(), SignatureAlgorithm::Sm2Sm3);
        let value = encode_value(algorithm, &key.sign(&tbs, &SystemRandom).unwrap());
        NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &value)
    }

    fn submission((asked, csr): &(Asked, Vec<u8>), profile: &str) -> Submission {
        let profiles = built_in().unwrap();
        let words = Words::of(profiles.by_name(profile).unwrap(), asked).unwrap();
        Submission {
            nonce: [1; 32],
            authority: AuthorityId::parse("a").unwrap(),
            profile: profile.into(),
            subject: words.subject,
            alternative_names: words.alternative_names,
            public_key: words.public_key,
            not_after: Some(Timestamp::from_unix(2_000_000_000)),
            encryption_profile: None,
            csr: csr.clone(),
            evidence_sm3: [2; 32],
            applicant: Hand { officer: CallerId::parse("c").unwrap(), key_sm3: [3; 32] },
            submitted_at: Timestamp::from_unix(1_800_000_000),
        }
    }

    fn certificate(of: &Submission) -> Vec<u8> {
        let names = SubjectAltName::from_value(&of.alternative_names).ok();
        let names = names.map(|names| NewExtension::new(false, &names));
        let numbers = of.identity().unwrap();
        let extensions = names.into_iter().chain(numbers.iter().map(IdentityValue::to_extension)).collect::<Vec<_>>();
        let oid = SignatureAlgorithm::Sm2Sm3.oid().unwrap();
        let new = NewCertificate {
            serial: &[1],
            signature_algorithm: oid,
            issuer: &named("CA"),
            not_before: of.submitted_at,
            not_after: of.not_after.unwrap(),
            subject: &of.subject,
            public_key: &of.public_key,
            extensions: &extensions,
        };
        NewCertificate::assemble(&new.to_tbs(), oid, &[1])
    }

    #[test]
    fn words_lead_back_to_what_was_asked() {
        let names = [NewGeneralName::Dns("a.example".into()), NewGeneralName::Ip(vec![192, 0, 2, 1])];
        let server = asking(Vec::new(), &names, &[]);
        assert_eq!(submission(&server, "tls-server").asked(), Ok(server.0));
        let kinds = [
            (AttributeKind::CommonName, "经办人"),
            (AttributeKind::Organisation, "示例局"),
            (AttributeKind::OrganisationalUnit, "制证科"),
            (AttributeKind::SerialNumber, "12"),
        ];
        let subject = kinds.map(|(kind, text)| (kind, text.to_owned())).to_vec();
        let asked = asking(subject, &[], &[]);
        let made = submission(&asked, "officer");
        // In the profile's order and with what it fixes: merged again, the words are the same.
        let again = made.asked().unwrap();
        assert_eq!(again.subject.len(), 5);
        let profiles = built_in().unwrap();
        assert_eq!(Words::of(profiles.by_name("officer").unwrap(), &again).unwrap().subject, made.subject);
        let broken = Submission { public_key: vec![0x30, 0], ..made };
        assert_eq!(broken.asked().unwrap_err().code(), "csr-malformed");
    }

    #[test]
    fn another_certificate_is_told_by_its_first_difference() {
        let names = vec![NewGeneralName::Dns("a.example".into())];
        let asked = |names: &[NewGeneralName]| asking(Vec::new(), names, &[]);
        let made = submission(&asked(&names), "tls-server");
        let judge = |other: &Submission| made.check_certificate(&Certificate::parse(&certificate(other)).unwrap());
        assert_eq!(judge(&made), Ok(()));
        let differs = |change: &dyn Fn(&mut Submission)| {
            let mut other = made.clone();
            change(&mut other);
            judge(&other).unwrap_err().field
        };
        let elsewhere = submission(&asked(&[NewGeneralName::Dns("b.example".into())]), "tls-server");
        assert_eq!(differs(&|one| one.subject = named("x")), "subject");
        assert_eq!(differs(&|one| one.alternative_names.clone_from(&elsewhere.alternative_names)), "subjectAltName");
        assert_eq!(differs(&|one| one.alternative_names.clear()), "subjectAltName");
        let other_key = |one: &mut Submission| {
            one.public_key.clone_from(&elsewhere.public_key);
            one.csr.clone_from(&elsewhere.csr);
        };
        assert_eq!(differs(&other_key), "subjectPublicKeyInfo");
        assert_eq!(differs(&|one| one.not_after = Some(Timestamp::from_unix(2_000_000_001))), "notAfter");
        let free = Submission { not_after: None, ..made.clone() };
        assert_eq!(free.check_certificate(&Certificate::parse(&certificate(&made)).unwrap()), Ok(()));
    }

    #[test]
    fn numbers_of_identity_are_those_of_the_approved_request() {
        let number = |kind, value| IdentityValue::new(kind, value).unwrap();
        let passport = number(IdentityKind::PassportNumber, "E12345678");
        let insurance = number(IdentityKind::SocialInsuranceNumber, "11010519491231002X");
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let name = vec![(AttributeKind::CommonName, "陈甲".to_owned())];
        let asked = |identity: &[IdentityValue]| {
            let (subject, alternative_names, identity) = (name.clone(), Vec::new(), identity.to_vec());
            let csr = csr_of(&key, &identity);
            (Asked { subject, alternative_names, identity, key: Signer::public_key(&key) }, csr)
        };
        let both = submission(&asked(&[passport.clone(), insurance.clone()]), "person-signing");
        assert_eq!(both.asked().unwrap().identity, [passport.clone(), insurance.clone()]);
        let kinds = [IdentityKind::PassportNumber, IdentityKind::SocialInsuranceNumber];
        assert_eq!(both.identity_kinds().unwrap(), kinds);
        // One left out, one more, one exchanged: what officers signed is another.
        let other = number(IdentityKind::PassportNumber, "E12345679");
        for numbers in [&[passport.clone()][..], &[], &[other, insurance.clone()]] {
            let changed = submission(&asked(numbers), "person-signing");
            assert_ne!(changed.to_approve(), both.to_approve());
            let written = certificate(&changed);
            let refused = both.check_certificate(&Certificate::parse(&written).unwrap());
            assert_eq!(refused, Err(NotAsApproved { field: "identity" }));
        }
        assert_eq!(both.check_certificate(&Certificate::parse(&certificate(&both)).unwrap()), Ok(()));
        let none = submission(&asked(&[]), "person-signing");
        let refused = none.check_certificate(&Certificate::parse(&certificate(&both)).unwrap());
        assert_eq!(refused, Err(NotAsApproved { field: "identity" }));
        // The request of another key lends no numbers.
        let stranger = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let lent = Submission { csr: csr_of(&stranger, std::slice::from_ref(&passport)), ..both.clone() };
        assert_eq!(lent.asked(), Err(PossessionError::OtherKey));

        // What a profile would leave out is not taken at all.
        let csr = csr_of(&key, &[passport.clone(), insurance]);
        let proved = Proved::read(&csr).unwrap();
        let left = Asked { identity: vec![passport], ..asked(&[]).0 };
        let kind = IdentityKind::SocialInsuranceNumber;
        assert_eq!(check_identity(&proved, &left), Err(IdentityError::Forbidden { kind }.into()));
        assert_eq!(check_identity(&proved, &both.asked().unwrap()), Ok(()));
    }

    fn named(text: &str) -> Vec<u8> {
        let common_name = (AttributeKind::CommonName.oid(), text.to_owned());
        crate::format::x509::name::NameAttributes(vec![common_name]).to_der()
    }
}
