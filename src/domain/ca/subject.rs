//! The subject's names: what an applicant asked for, merged with what the profile says.

use crate::domain::ca::profile::{
    AlternativeNameKind, AlternativeNames, AttributeKind, AttributeRule, Presence, Profile, is_host_name,
};
use crate::format::x509::name::NameAttributes;
use crate::format::x509::{GeneralName, Name, NewGeneralName};

/// Attributes that an applicant gives, in any order.
pub type Attributes = Vec<(AttributeKind, String)>;

/// Why a subject is not certified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The profile has no rule for the attribute.
    #[error("{attribute} does not stand in the name of this profile")]
    Forbidden {
        /// The attribute.
        attribute: String,
    },
    /// The profile fixes another value.
    #[error("{attribute} is fixed by the profile to another value")]
    Fixed {
        /// The attribute.
        attribute: &'static str,
    },
    /// The profile wants it.
    #[error("{attribute} is missing")]
    Missing {
        /// The attribute.
        attribute: &'static str,
    },
    /// It was given twice.
    #[error("{attribute} is given twice")]
    Repeated {
        /// The attribute.
        attribute: &'static str,
    },
    /// Its length, its alphabet or its form is not what the kind and the profile allow.
    #[error("{attribute} has not the form that the profile asks for (RFC 5280 A.1)")]
    Form {
        /// The attribute.
        attribute: &'static str,
    },
    /// A kind of alternative name that the profile does not allow, or one of no form that we write.
    #[error("an alternative name is of a kind that the profile does not allow, or not of its form")]
    AlternativeName,
    /// The profile wants an alternative name.
    #[error("an alternative name is missing")]
    AlternativeNameMissing,
    /// More alternative names than the profile allows.
    #[error("{found} alternative names are more than {most}")]
    TooManyAlternativeNames {
        /// How many.
        found: usize,
        /// At most.
        most: usize,
    },
    /// The common name of a server is none of its alternative names.
    #[error("the common name is none of the alternative names")]
    CommonNameNotAlternative,
}

impl SubjectError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "attribute-forbidden",
            Self::Fixed { .. } => "attribute-fixed",
            Self::Missing { .. } => "attribute-missing",
            Self::Repeated { .. } => "attribute-repeated",
            Self::Form { .. } => "attribute-form",
            Self::AlternativeName => "alternative-name",
            Self::AlternativeNameMissing => "alternative-name-missing",
            Self::TooManyAlternativeNames { .. } => "too-many-alternative-names",
            Self::CommonNameNotAlternative => "common-name-not-alternative",
        }
    }
}

/// The attributes of a name that arrived.
///
/// # Errors
/// One of a kind that we do not write, or that is not text.
pub fn attributes_of(name: &Name<'_>) -> Result<Attributes, SubjectError> {
    let read = name.attributes().map(|attribute| {
        let forbidden = || SubjectError::Forbidden { attribute: attribute.kind.to_string() };
        let kind = AttributeKind::from_oid(attribute.kind).ok_or_else(forbidden)?;
        let text = attribute.text().ok_or(SubjectError::Form { attribute: kind.name() })?;
        Ok((kind, text))
    });
    read.collect()
}

/// The name that the certificate will bear: the profile's attributes in the profile's order.
///
/// # Errors
/// The first attribute that breaks the profile's rules.
pub fn merge(profile: &Profile, asked: &[(AttributeKind, String)]) -> Result<NameAttributes, SubjectError> {
    let rules = &profile.rules().subject;
    for (index, (kind, _)) in asked.iter().enumerate() {
        if !rules.iter().any(|rule| rule.kind == *kind) {
            return Err(SubjectError::Forbidden { attribute: kind.name().to_owned() });
        }
        if asked.iter().take(index).any(|(other, _)| other == kind) {
            return Err(SubjectError::Repeated { attribute: kind.name() });
        }
    }
    let mut name = Vec::with_capacity(rules.len());
    for rule in rules {
        let value = asked.iter().find(|(kind, _)| *kind == rule.kind).map(|(_, value)| value.as_str());
        if let Some(value) = value_under(rule, value)? {
            name.push((rule.kind.oid(), value.to_owned()));
        }
    }
    Ok(NameAttributes(name))
}

fn value_under<'a>(rule: &'a AttributeRule, asked: Option<&'a str>) -> Result<Option<&'a str>, SubjectError> {
    let attribute = rule.kind.name();
    let value = match (&rule.presence, asked) {
        (Presence::Fixed(fixed), Some(asked)) if asked != fixed => return Err(SubjectError::Fixed { attribute }),
        (Presence::Fixed(fixed), _) => return Ok(Some(fixed)),
        (Presence::Required, None) => return Err(SubjectError::Missing { attribute }),
        (Presence::Optional, None) => return Ok(None),
        (Presence::Required | Presence::Optional, Some(asked)) => asked,
    };
    if rule.kind.can_be(value) && rule.pattern.matches(value) && value.chars().count() <= rule.most {
        Ok(Some(value))
    } else {
        Err(SubjectError::Form { attribute })
    }
}

/// Whether the profile allows these alternative names.
///
/// # Errors
/// Why not.
pub fn check_alternative_names(rule: &AlternativeNames, names: &[NewGeneralName]) -> Result<(), SubjectError> {
    if names.len() > rule.most {
        return Err(SubjectError::TooManyAlternativeNames { found: names.len(), most: rule.most });
    }
    if rule.required && names.is_empty() {
        return Err(SubjectError::AlternativeNameMissing);
    }
    let allowed =
        |name: &NewGeneralName| name.is_writable() && kind_of(name).is_some_and(|kind| rule.kinds.contains(&kind));
    if names.iter().all(allowed) { Ok(()) } else { Err(SubjectError::AlternativeName) }
}

/// The kind of an alternative name of the right form.
fn kind_of(name: &NewGeneralName) -> Option<AlternativeNameKind> {
    match name {
        NewGeneralName::Dns(name) if is_host_name(name, false) => Some(AlternativeNameKind::Dns),
        NewGeneralName::Dns(name) if is_host_name(name, true) => Some(AlternativeNameKind::WildcardDns),
        NewGeneralName::Ip(octets) if matches!(octets.len(), 4 | 16) => Some(AlternativeNameKind::Ip),
        NewGeneralName::Rfc822(_) => Some(AlternativeNameKind::Email),
        NewGeneralName::Uri(_) => Some(AlternativeNameKind::Uri),
        _ => None,
    }
}

/// An alternative name that arrived, as we write it; `None` for kinds that no profile allows.
#[must_use]
pub fn alternative_name(name: &GeneralName<'_>) -> Option<NewGeneralName> {
    match name {
        GeneralName::Dns(text) => Some(NewGeneralName::Dns((*text).to_owned())),
        GeneralName::Ip(octets) => Some(NewGeneralName::Ip(octets.to_vec())),
        GeneralName::Rfc822(text) => Some(NewGeneralName::Rfc822((*text).to_owned())),
        GeneralName::Uri(text) => Some(NewGeneralName::Uri((*text).to_owned())),
        _ => None,
    }
}
