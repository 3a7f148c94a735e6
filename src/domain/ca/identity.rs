//! Numbers that identify a person or an organisation, for the extensions of GM/T 0015 and GB/T 20518: kinds, forms, and what
//! a profile lets an applicant have certified.
//!
//! Personal data: a number shows itself in the certificate that it is meant for, and nowhere else. Neither `Debug` nor an
//! error holds one.

use crate::domain::ca::profile::{Pattern, Rules};
use crate::format::der::{self, ObjectIdentifier};
use crate::format::x509::NewExtension;
use crate::format::x509::extension::{IDENTITY_CODE, IdentityCode, IdentityNumber, IdentityNumberKind};

/// What a number is the number of. Object identifiers: `format::x509::extension` says whence (two sources that agree; the
/// texts of the standards were not at hand).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum IdentityKind {
    /// 公民身份号码 (GB 11643), in identityCode.
    ResidentIdentityNumber,
    /// 军官证号, in identityCode.
    MilitaryOfficerCard,
    /// 护照号, in identityCode.
    PassportNumber,
    /// 个人社会保险号.
    SocialInsuranceNumber,
    /// 统一社会信用代码 (GB 32100), where the organisation code stood.
    UnifiedSocialCreditCode,
    /// 组织机构代码 (GB 11714).
    OrganisationCode,
    /// 企业工商注册号.
    EnterpriseRegistrationNumber,
    /// 企业税号.
    TaxationNumber,
}

impl IdentityKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ResidentIdentityNumber,
        Self::MilitaryOfficerCard,
        Self::PassportNumber,
        Self::SocialInsuranceNumber,
        Self::UnifiedSocialCreditCode,
        Self::OrganisationCode,
        Self::EnterpriseRegistrationNumber,
        Self::TaxationNumber,
    ];

    /// Its stable name, in profiles and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResidentIdentityNumber => "resident-identity-number",
            Self::MilitaryOfficerCard => "military-officer-card",
            Self::PassportNumber => "passport-number",
            Self::SocialInsuranceNumber => "social-insurance-number",
            Self::UnifiedSocialCreditCode => "unified-social-credit-code",
            Self::OrganisationCode => "organisation-code",
            Self::EnterpriseRegistrationNumber => "enterprise-registration-number",
            Self::TaxationNumber => "taxation-number",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The extension that it stands in. Two kinds of one extension exclude each other.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::ResidentIdentityNumber | Self::MilitaryOfficerCard | Self::PassportNumber => IDENTITY_CODE,
            Self::SocialInsuranceNumber => IdentityNumberKind::SocialInsurance.oid(),
            Self::UnifiedSocialCreditCode | Self::OrganisationCode => IdentityNumberKind::OrganisationCode.oid(),
            Self::EnterpriseRegistrationNumber => IdentityNumberKind::BusinessRegistration.oid(),
            Self::TaxationNumber => IdentityNumberKind::Taxation.oid(),
        }
    }

    /// Whether a value has the form of this kind, check characters computed. Whether it was ever given is not known here.
    #[must_use]
    pub fn can_be(self, value: &str) -> bool {
        let length = value.chars().count();
        let capitals = value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::ResidentIdentityNumber => Pattern::IdentityNumber.matches(value) && has_birthday(value),
            Self::MilitaryOfficerCard => {
                (1..=32).contains(&length) && value.trim() == value && !value.contains(char::is_control)
            }
            // ICAO Doc 9303 part 3: at most nine characters; older documents had more (recollection).
            Self::PassportNumber => (5..=17).contains(&length) && capitals,
            // 社会保障号码 is the identity number or one of the same form (recollection); older ones vary.
            Self::SocialInsuranceNumber => (8..=20).contains(&length) && capitals,
            Self::UnifiedSocialCreditCode => Pattern::CreditCode.matches(value),
            Self::OrganisationCode => is_organisation_code(value),
            // 13 digits before, 15 digits since 2007 (GS 15, recollection).
            Self::EnterpriseRegistrationNumber => matches!(length, 13 | 15) && digits,
            // 15, 17, 18 or 20 characters (recollection).
            Self::TaxationNumber => matches!(length, 15 | 17 | 18 | 20) && capitals,
        }
    }
}

/// The day in a resident identity number is one of the calendar (GB 11643-1999 4.2.2).
fn has_birthday(number: &str) -> bool {
    let day = number.get(6..14).map(|day| format!("{day}000000Z"));
    day.is_some_and(|day| der::time::generalized(day.as_bytes()).is_some())
}

/// GB 11714-1997 4 (recollection): eight characters of 0 to 9 and A to Z, and a check character modulo 11; with or without
/// the hyphen before it.
fn is_organisation_code(code: &str) -> bool {
    const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let code = match code.split_once('-') {
        Some((body, check)) if body.len() == 8 && check.len() == 1 => [body, check].concat(),
        Some(_) => return false,
        None => code.to_owned(),
    };
    if code.len() != 9 || !code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return false;
    }
    let value = |c: char| c.to_digit(36).unwrap_or(0);
    let sum =
        code.chars().zip(WEIGHTS).fold(0_u32, |sum, (c, weight)| sum.saturating_add(value(c).saturating_mul(weight)));
    let check = match 11_u32.saturating_sub(sum % 11) {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    };
    code.ends_with(check)
}

/// A number of the right form. `Debug` shows its kind only.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityValue {
    kind: IdentityKind,
    value: String,
}

impl std::fmt::Debug for IdentityValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityValue").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why numbers are not certified. No variant holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It has not the form of its kind, or its check character is wrong.
    #[error("the {} has not the form of one, or its check character is wrong", .kind.name())]
    Form {
        /// Which.
        kind: IdentityKind,
    },
    /// No kind of number has that name, or none is told.
    #[error("no kind of number is told, or none that is known: KIND=VALUE is wanted")]
    Unknown,
    /// The profile certifies no such number.
    #[error("the profile certifies no {}", .kind.name())]
    Forbidden {
        /// Which.
        kind: IdentityKind,
    },
    /// The profile wants one.
    #[error("the profile wants a {}", .kind.name())]
    Missing {
        /// Which.
        kind: IdentityKind,
    },
    /// Its extension stands there already: an extension stands once (RFC 5280 4.2).
    #[error("the extension of the {} stands twice (RFC 5280 4.2)", .kind.name())]
    Repeated {
        /// Which.
        kind: IdentityKind,
    },
    /// An extension of identity in a request cannot be read.
    #[error("the extension {oid} of the request cannot be read")]
    Unreadable {
        /// Which.
        oid: ObjectIdentifier,
    },
}

impl IdentityError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "identity-form",
            Self::Unknown => "identity-unknown",
            Self::Forbidden { .. } => "identity-forbidden",
            Self::Missing { .. } => "identity-missing",
            Self::Repeated { .. } => "identity-repeated",
            Self::Unreadable { .. } => "identity-unreadable",
        }
    }
}

impl IdentityValue {
    /// A number of that kind.
    ///
    /// # Errors
    /// [`IdentityError::Form`].
    pub fn new(kind: IdentityKind, value: &str) -> Result<Self, IdentityError> {
        if kind.can_be(value) { Ok(Self { kind, value: value.to_owned() }) } else { Err(IdentityError::Form { kind }) }
    }

    /// `KIND=VALUE`, as commands write it.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`], [`IdentityError::Form`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let (kind, value) = text.split_once('=').ok_or(IdentityError::Unknown)?;
        let kind = IdentityKind::from_name(kind.trim()).ok_or(IdentityError::Unknown)?;
        Self::new(kind, value.trim())
    }

    /// What it is the number of.
    #[must_use]
    pub const fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The number. Personal data: for certificates only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// What an extension holds, if it is one of these.
    ///
    /// # Errors
    /// It cannot be read; [`IdentityError::Form`].
    pub fn from_extension(oid: ObjectIdentifier, value: &[u8]) -> Result<Option<Self>, IdentityError> {
        let unreadable = |_: der::Error| IdentityError::Unreadable { oid };
        if oid == IDENTITY_CODE {
            let (kind, number) = match IdentityCode::parse(value).map_err(unreadable)? {
                IdentityCode::ResidentCard(number) => (IdentityKind::ResidentIdentityNumber, number),
                IdentityCode::MilitaryOfficerCard(number) => (IdentityKind::MilitaryOfficerCard, number),
                IdentityCode::Passport(number) => (IdentityKind::PassportNumber, number),
            };
            return Self::new(kind, number).map(Some);
        }
        let Some(kind) = IdentityNumberKind::ALL.into_iter().find(|kind| kind.oid() == oid) else { return Ok(None) };
        let number = IdentityNumber::parse(kind, value).map_err(unreadable)?.number;
        let kind = match kind {
            IdentityNumberKind::SocialInsurance => IdentityKind::SocialInsuranceNumber,
            IdentityNumberKind::BusinessRegistration => IdentityKind::EnterpriseRegistrationNumber,
            IdentityNumberKind::OrganisationCode if number.len() == 18 => IdentityKind::UnifiedSocialCreditCode,
            IdentityNumberKind::OrganisationCode => IdentityKind::OrganisationCode,
            IdentityNumberKind::Taxation => IdentityKind::TaxationNumber,
            // Extensions of one source only: read, never written.
            IdentityNumberKind::ResidentCard | IdentityNumberKind::Passport => return Ok(None),
        };
        Self::new(kind, number).map(Some)
    }

    /// Its extension, which is not critical (GM/T 0015-2012 5.2.3.3, recollection).
    #[must_use]
    pub fn to_extension(&self) -> NewExtension {
        let number = &self.value;
        let plain = |kind| IdentityNumber { kind, number }.to_der();
        let value = match self.kind {
            IdentityKind::ResidentIdentityNumber => IdentityCode::ResidentCard(number).to_der(),
            IdentityKind::MilitaryOfficerCard => IdentityCode::MilitaryOfficerCard(number).to_der(),
            IdentityKind::PassportNumber => IdentityCode::Passport(number).to_der(),
            IdentityKind::SocialInsuranceNumber => plain(IdentityNumberKind::SocialInsurance),
            IdentityKind::UnifiedSocialCreditCode | IdentityKind::OrganisationCode => {
                plain(IdentityNumberKind::OrganisationCode)
            }
            IdentityKind::EnterpriseRegistrationNumber => plain(IdentityNumberKind::BusinessRegistration),
            IdentityKind::TaxationNumber => plain(IdentityNumberKind::Taxation),
        };
        NewExtension { oid: self.kind.oid(), critical: false, value }
    }
}

/// Whether the profile lets these numbers be certified together.
///
/// # Errors
/// Why not.
pub fn check(rules: &Rules, values: &[IdentityValue]) -> Result<(), IdentityError> {
    for (at, value) in values.iter().enumerate() {
        let kind = value.kind;
        if !rules.identity.iter().any(|rule| rule.kind == kind) {
            return Err(IdentityError::Forbidden { kind });
        }
        if values.iter().take(at).any(|before| before.kind.oid() == kind.oid()) {
            return Err(IdentityError::Repeated { kind });
        }
    }
    let missing = |kind: &IdentityKind| !values.iter().any(|value| value.kind == *kind);
    let required = rules.identity.iter().filter(|rule| rule.required).map(|rule| rule.kind);
    match required.into_iter().find(missing) {
        Some(kind) => Err(IdentityError::Missing { kind }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_form_of_their_kind() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, bool)] = &[
            ("resident-identity-number", "11010519491231002X", true),
            ("resident-identity-number", "110105194912310021", false),
            // The check character is right, the day is none.
            ("resident-identity-number", "110105194913320027", false),
            ("resident-identity-number", "110105491231002", false),
            ("military-officer-card", "军字第1234567号", true), ("military-officer-card", "", false),
            ("military-officer-card", "1\u{0}", false), ("military-officer-card", " 1", false),
            ("passport-number", "E12345678", true), ("passport-number", "e12345678", false), ("passport-number", "E1", false),
            ("social-insurance-number", "11010519491231002X", true), ("social-insurance-number", "1", false),
            ("unified-social-credit-code", "91350100M000100Y43", true),
            ("unified-social-credit-code", "91350100M000100Y44", false),
            ("organisation-code", "M000100Y4", true), ("organisation-code", "M000100Y-4", true),
            ("organisation-code", "M000100Y5", false), ("organisation-code", "M000100-Y4", false),
            ("organisation-code", "00000000-0", true), ("organisation-code", "D2143569-X", true),
            ("enterprise-registration-number", "110108000000016", true), ("enterprise-registration-number", "1", false),
            ("taxation-number", "91350100M000100Y43", true), ("taxation-number", "9135", false),
        ];
        for (kind, value, expected) in cases {
            let kind = IdentityKind::from_name(kind).unwrap();
            assert_eq!(kind.can_be(value), *expected, "{} {value}", kind.name());
            let made = IdentityValue::new(kind, value);
            assert_eq!(made.is_ok(), *expected);
            let shown = format!("{made:?}");
            assert!(value.is_empty() || value.len() < 3 || !shown.contains(value), "{shown}");
            if let Ok(made) = made {
                let extension = made.to_extension();
                assert_eq!(IdentityValue::from_extension(extension.oid, &extension.value), Ok(Some(made)));
            }
        }
        let parsed = IdentityValue::parse("passport-number = E12345678").unwrap();
        assert_eq!((parsed.kind(), parsed.expose()), (IdentityKind::PassportNumber, "E12345678"));
        for text in ["passport-number", "passport=E12345678", "=E12345678"] {
            assert_eq!(IdentityValue::parse(text), Err(IdentityError::Unknown));
        }
        assert_eq!(
            IdentityValue::from_extension(IDENTITY_CODE, &[5, 0]),
            Err(IdentityError::Unreadable { oid: IDENTITY_CODE })
        );
        assert_eq!(IdentityValue::from_extension(ObjectIdentifier::new_unwrap("1.2.3"), &[5, 0]), Ok(None));
    }
}
