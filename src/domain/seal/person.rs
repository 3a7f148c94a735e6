//! A person's signature by hand on a document: what an installation asks for, and the one act, from the document to its value.
//!
//! The order: [`prepare`] writes the package but for the value, and with it the digest of the transaction, SM3 of
//! Signature.xml; the certificate is issued for that digest; the maker makes the seal that shows the handwriting and lists
//! that certificate alone; [`PersonDraft::into_token`] gives what the key of the act signs. The seal stands in the value and in
//! no file of its own, so that what is bound does not depend on the certificate that binds it.

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::base::limits::Limits;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{digest_many, sm3};
use crate::domain::seal::signing::{Error, SealedDocument};
use crate::domain::seal::stamp_plan::{StampPlan, stamps};
use crate::domain::seal::taking::lists;
use crate::domain::trust::key::{encode_value, public_key};
use crate::format::der::time::to_generalized;
use crate::format::ofd::container::Container;
use crate::format::ofd::signing::{NewSealPart, NewSignature as NewOfdSignature, PreparedSignature, prepare_signature};
use crate::format::ses::{Layout, NewSignature, SesSeal};
use crate::format::x509::Certificate;
use crate::format::x509::event::is_code;

pub use crate::format::x509::AssuranceLevel;

/// The algorithm of keys of one act, and of what is bound to them.
pub const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::Sm2Sm3;
/// By how many seconds the clock of those who identify persons may be ahead of ours.
const CLOCKS_DIFFER: i64 = 60;

/// What an installation asks of persons who sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRules {
    /// Which authority of ours issues the certificates.
    pub authority: AuthorityId,
    /// The least level of assurance.
    pub least_level: AssuranceLevel,
    /// How long a certificate lasts, in minutes.
    pub minutes: u8,
    /// How old the proof of identity may be, in minutes.
    pub proof_minutes: u16,
}

/// Who signs, as somebody states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedPerson {
    /// The name that the certificate and the seal show.
    pub name: String,
    /// A lasting pseudonym where the proof comes from: a code, never a number of identity.
    pub person: String,
    /// How surely the person was identified.
    pub level: AssuranceLevel,
    /// By which procedure: a code.
    pub procedure: String,
    /// When.
    pub proven_at: Timestamp,
}

/// Why a person does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonRefused {
    /// A pseudonym or a procedure is no code.
    #[error("{member} is a code of 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'")]
    NoCode {
        /// Which.
        member: &'static str,
    },
    /// A number of identity stands where everybody would read it.
    #[error("{member} holds a number of identity, which no certificate and no document shows")]
    IdentityNumber {
        /// Where.
        member: &'static str,
    },
    /// The name is empty or too long.
    #[error("a name has 1 to 64 characters, none of them a control character")]
    Name,
    /// The person was not identified surely enough.
    #[error("the person is identified at level {level}, and level {least} is asked for")]
    LevelTooLow {
        /// The person's.
        level: AssuranceLevel,
        /// The least.
        least: AssuranceLevel,
    },
    /// The proof lies in the future.
    #[error("the identity is proven at {at}, which is not yet")]
    ProofInFuture {
        /// When it is said to be.
        at: Timestamp,
    },
    /// The proof is too old.
    #[error("the identity was proven at {at}, more than {minutes} minutes ago")]
    ProofTooOld {
        /// When.
        at: Timestamp,
        /// How old it may be.
        minutes: u16,
    },
}

impl PersonRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCode { .. } => "person-code",
            Self::IdentityNumber { .. } => "person-identity-number",
            Self::Name => "person-name",
            Self::LevelTooLow { .. } => "assurance-level-too-low",
            Self::ProofInFuture { .. } => "identity-proof-in-future",
            Self::ProofTooOld { .. } => "identity-proof-too-old",
        }
    }
}

impl PersonRules {
    /// Whether that person may sign now. Whether the statement is true is the word of who makes it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn permit(&self, stated: &StatedPerson, now: Timestamp) -> Result<(), PersonRefused> {
        for (member, text) in [("person", &stated.person), ("procedure", &stated.procedure)] {
            if !is_code(text) {
                return Err(PersonRefused::NoCode { member });
            }
        }
        if !(1..=64).contains(&stated.name.chars().count()) || stated.name.contains(char::is_control) {
            return Err(PersonRefused::Name);
        }
        for (member, text) in [("person", &stated.person), ("procedure", &stated.procedure), ("name", &stated.name)] {
            if holds_identity_number(text) {
                return Err(PersonRefused::IdentityNumber { member });
            }
        }
        let (level, least) = (stated.level, self.least_level);
        if level < least {
            return Err(PersonRefused::LevelTooLow { level, least });
        }
        let (at, minutes) = (stated.proven_at, self.proof_minutes);
        if at > now.plus_seconds(CLOCKS_DIFFER) {
            return Err(PersonRefused::ProofInFuture { at });
        }
        if at < now.plus_seconds(i64::from(minutes).saturating_mul(-60)) {
            return Err(PersonRefused::ProofTooOld { at, minutes });
        }
        Ok(())
    }
}

/// Whether eighteen characters in a row have the form of a resident identity number (GB 11643-1999 4: 17 digits and a check
/// character by ISO 7064, MOD 11-2), in either case of the last.
fn holds_identity_number(text: &str) -> bool {
    text.as_bytes().windows(18).any(|number| {
        let Some((last, digits)) = number.split_last() else { return false };
        let value = match last {
            b'X' | b'x' => 10,
            b'0'..=b'9' => u32::from(last.saturating_sub(b'0')),
            _ => return false,
        };
        let sum = digits.iter().try_fold(0_u32, |sum, digit| {
            let digit = digit.is_ascii_digit().then(|| u32::from(digit.saturating_sub(b'0')))?;
            Some(sum.saturating_add(digit).saturating_mul(2) % 11)
        });
        sum.is_some_and(|sum| sum.saturating_add(value) % 11 == 1)
    })
}

/// A document that lacks only seal and value of its new signature.
#[derive(Debug)]
pub struct PersonDraft {
    prepared: PreparedSignature,
    digest: [u8; 32],
    at: Timestamp,
}

/// Writes the description of a person's signature, whose stamp of that size shows the handwriting. It locks nothing: the
/// organisation's seal comes beside it.
///
/// # Errors
/// The document or the place does not allow it.
pub fn prepare(
    original: &[u8],
    size_mm: (u16, u16),
    plan: &StampPlan,
    now: Timestamp,
    limits: &Limits,
) -> Result<PersonDraft, Error> {
    let oid = ALGORITHM.oid().ok_or(Error::Certificate)?;
    let container = Container::read(original, limits)?;
    let stamps = stamps(&container, (size_mm.0.into(), size_mm.1.into()), plan, limits)?;
    let digests = |parts: &[&[u8]]| digest_many(ALGORITHM.digest(), parts);
    let new = NewOfdSignature {
        body: 0,
        provider: "yinxin",
        check_method: &ALGORITHM.digest().oid().to_string(),
        signature_method: &oid.to_string(),
        signature_date_time: &to_generalized(now),
        stamps: &stamps,
        seal: NewSealPart::InValue,
        lock: false,
        digests: &digests,
    };
    let prepared = prepare_signature(&container, original, &new, limits)?;
    let digest = sm3(prepared.signature_xml());
    Ok(PersonDraft { prepared, digest, at: now })
}

/// A person's signature that lacks only its value.
#[derive(Debug)]
pub struct PersonToken {
    prepared: PreparedSignature,
    tbs: Vec<u8>,
    certificate: Vec<u8>,
    key: PublicKey,
}

impl PersonDraft {
    /// The digest of the transaction, to which the certificate is bound: SM3 of Signature.xml, which names every part of the
    /// document with its digest, the place of the stamp and the time.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Joins the seal and the certificate of the act.
    ///
    /// # Errors
    /// The seal cannot be read, or does not list that certificate; the certificate is not valid at the time of signing, not for
    /// signing, or not of a key of [`ALGORITHM`].
    pub fn into_token(self, seal_der: &[u8], certificate_der: &[u8]) -> Result<PersonToken, Error> {
        let seal = SesSeal::parse(seal_der)?;
        let certificate = Certificate::parse(certificate_der).map_err(|_| Error::Certificate)?;
        if !lists(&seal, certificate.raw) {
            return Err(Error::NotListed);
        }
        if self.at < certificate.not_before || self.at > certificate.not_after {
            return Err(Error::SignerNotValid { start: certificate.not_before, end: certificate.not_after });
        }
        let key = public_key(&certificate.public_key).filter(|key| key.signs_with(ALGORITHM));
        let key = key.filter(|_| certificate.allows_signing()).ok_or(Error::Certificate)?;
        let tbs = NewSignature {
            layout: Layout::V4,
            seal: seal_der,
            time: self.at,
            data_hash: &self.digest,
            property_info: self.prepared.property_info(),
            certificate: certificate_der,
            signature_algorithm: ALGORITHM.oid().ok_or(Error::Certificate)?,
        }
        .to_tbs();
        Ok(PersonToken { prepared: self.prepared, tbs, certificate: certificate_der.to_vec(), key })
    }
}

/// A person's signature whose value is right.
#[derive(Debug)]
pub struct PersonValue {
    prepared: PreparedSignature,
    tbs: Vec<u8>,
    certificate: Vec<u8>,
    value: Vec<u8>,
}

impl PersonToken {
    /// The bytes to sign: `TBS_Sign`.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.tbs
    }

    /// Takes the value of fixed width that the key of the act gave.
    ///
    /// # Errors
    /// [`Error::Signature`]: the value is wrong; nothing leaves.
    pub fn value(self, value: &[u8]) -> Result<PersonValue, Error> {
        let Self { prepared, tbs, certificate, key } = self;
        match key.verify(ALGORITHM, &tbs, value) {
            true => Ok(PersonValue { prepared, tbs, certificate, value: encode_value(ALGORITHM, value) }),
            false => Err(Error::Signature),
        }
    }
}

impl PersonValue {
    /// The octets that a time stamp is over.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.value
    }

    /// The signed document, with the token of a time stamp over the value where there is one.
    ///
    /// # Errors
    /// The package cannot be written.
    pub fn assemble(self, time_stamp: Option<&[u8]>) -> Result<SealedDocument, Error> {
        let oid = ALGORITHM.oid().ok_or(Error::Certificate)?;
        let parts = (&self.tbs[..], &self.certificate[..]);
        let signed_value = NewSignature::assemble_stamped(Layout::V4, parts, oid, &self.value, time_stamp);
        let id = self.prepared.id().to_owned();
        let document = self.prepared.finish(&signed_value)?;
        Ok(SealedDocument { document, signed_value, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn rules() -> PersonRules {
        PersonRules {
            authority: AuthorityId::parse("persons").unwrap(),
            least_level: AssuranceLevel::new(4).unwrap(),
            minutes: 10,
            proof_minutes: 30,
        }
    }

    fn stated() -> StatedPerson {
        StatedPerson {
            name: "示例人".into(),
            person: "p-1".into(),
            level: AssuranceLevel::new(4).unwrap(),
            procedure: "live-face".into(),
            proven_at: NOW,
        }
    }

    #[test]
    fn each_rule_has_its_refusal_and_its_border() {
        let rules = rules();
        let permit = |stated: &StatedPerson| rules.permit(stated, NOW);
        assert_eq!(permit(&stated()), Ok(()));
        let (level, least) = (AssuranceLevel::new(3).unwrap(), AssuranceLevel::new(4).unwrap());
        assert_eq!(permit(&StatedPerson { level, ..stated() }), Err(PersonRefused::LevelTooLow { level, least }));
        let five = AssuranceLevel::new(5).unwrap();
        assert_eq!(permit(&StatedPerson { level: five, ..stated() }), Ok(()));
        let proven = |seconds| permit(&StatedPerson { proven_at: NOW.plus_seconds(seconds), ..stated() });
        assert_eq!((proven(60), proven(-1800)), (Ok(()), Ok(())));
        assert_eq!(proven(61), Err(PersonRefused::ProofInFuture { at: NOW.plus_seconds(61) }));
        assert_eq!(proven(-1801), Err(PersonRefused::ProofTooOld { at: NOW.plus_seconds(-1801), minutes: 30 }));
        let person = |text: &str| permit(&StatedPerson { person: text.into(), ..stated() });
        assert_eq!(person(""), Err(PersonRefused::NoCode { member: "person" }));
        assert_eq!(person("a;b"), Err(PersonRefused::NoCode { member: "person" }));
        let number = Err(PersonRefused::IdentityNumber { member: "person" });
        assert_eq!([person("11010519491231002X"), person("id-11010519491231002x-1")], [number.clone(), number]);
        // The check character is another one's.
        assert_eq!(person("110105194912310021"), Ok(()));
        let name = |text: &str| permit(&StatedPerson { name: text.into(), ..stated() });
        assert_eq!([name(""), name("a\nb"), name(&"人".repeat(65))], [const { Err(PersonRefused::Name) }; 3]);
        assert_eq!(name("张三11010519491231002X"), Err(PersonRefused::IdentityNumber { member: "name" }));
        let procedure = StatedPerson { procedure: "刷脸".into(), ..stated() };
        assert_eq!(permit(&procedure), Err(PersonRefused::NoCode { member: "procedure" }));
    }
}
