//! What stands in the names that we issue: kinds of attributes, their bounds, and the patterns that a profile may ask for.

use crate::base::credit_code::CreditCode;
use crate::format::der::ObjectIdentifier;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $oid:literal, $most:literal, $form:ident;)*) => {
        /// An attribute of a name (X.520, RFC 5280 4.1.2.4 and A.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum AttributeKind { $($(#[$doc])* $kind,)* }

        impl AttributeKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// As the standard and our profiles write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// Its object identifier.
            #[must_use]
            pub const fn oid(self) -> ObjectIdentifier {
                match self { $(Self::$kind => const { ObjectIdentifier::new_unwrap($oid) }),* }
            }

            /// The most characters of a value: the upper bounds of RFC 5280 A.1, or ours where it has none.
            #[must_use]
            pub const fn most_characters(self) -> usize {
                match self { $(Self::$kind => $most),* }
            }

            /// Which string type its values have.
            #[must_use]
            pub const fn form(self) -> StringForm {
                match self { $(Self::$kind => StringForm::$form),* }
            }
        }
    };
}

/// The string type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringForm {
    /// UTF8String: what RFC 5280 4.1.2.4 asks of a DirectoryString.
    Utf8,
    /// PrintableString.
    Printable,
    /// IA5String.
    Ia5,
}

kinds! {
    /// `C`.
    Country = "countryName", "2.5.4.6", 2, Printable;
    /// `ST`.
    State = "stateOrProvinceName", "2.5.4.8", 128, Utf8;
    /// `L`.
    Locality = "localityName", "2.5.4.7", 128, Utf8;
    /// `O`.
    Organisation = "organizationName", "2.5.4.10", 64, Utf8;
    /// `OU`.
    OrganisationalUnit = "organizationalUnitName", "2.5.4.11", 64, Utf8;
    /// `organizationIdentifier` of X.520; RFC 5280 gives no bound, ours is 64.
    OrganisationIdentifier = "organizationIdentifier", "2.5.4.97", 64, Utf8;
    /// `title`.
    Title = "title", "2.5.4.12", 64, Utf8;
    /// `serialNumber`: of a person, a device, an account; not of the certificate.
    SerialNumber = "serialNumber", "2.5.4.5", 64, Printable;
    /// `surname`; the bound of RFC 5280 is 32768, ours is 64.
    Surname = "surname", "2.5.4.4", 64, Utf8;
    /// `givenName`; the bound of RFC 5280 is 32768, ours is 64.
    GivenName = "givenName", "2.5.4.42", 64, Utf8;
    /// `CN`.
    CommonName = "commonName", "2.5.4.3", 64, Utf8;
    /// `DC`; a label of a domain name.
    DomainComponent = "domainComponent", "0.9.2342.19200300.100.1.25", 63, Ia5;
    /// `emailAddress`, which RFC 5280 4.1.2.6 keeps for old certificates only.
    Email = "emailAddress", "1.2.840.113549.1.9.1", 255, Ia5;
}

impl AttributeKind {
    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind with that object identifier.
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.oid() == oid)
    }

    /// Whether the value can be written at all: its length, its alphabet, no control characters, no white space at its
    /// ends.
    #[must_use]
    pub fn can_be(self, value: &str) -> bool {
        let in_alphabet = |c: char| match self.form() {
            StringForm::Utf8 => !c.is_control() && c != '\u{feff}' && c != '\u{fffd}',
            StringForm::Printable => is_printable(c),
            StringForm::Ia5 => c.is_ascii_graphic(),
        };
        (1..=self.most_characters()).contains(&value.chars().count())
            && value.trim() == value
            && value.chars().all(in_alphabet)
            && (self != Self::Country || Pattern::Country.matches(value))
    }
}

/// The alphabet of PrintableString (X.680 41.4).
#[must_use]
pub const fn is_printable(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '\'' | '(' | ')' | '+' | ',' | '-' | '.' | '/' | ':' | '=' | '?')
}

/// What a value must look like beyond what its kind allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Anything that the kind allows.
    Text,
    /// Two capital letters (ISO 3166-1 alpha-2).
    Country,
    /// That many decimal digits.
    Digits(usize),
    /// A unified social credit code (GB 32100-2015) with its check character.
    CreditCode,
    /// A unified social credit code and then the name that it belongs to.
    CreditCodeAndName,
    /// A resident identity number (GB 11643-1999) with its check character.
    IdentityNumber,
    /// A host name (RFC 1123 2.1) of two labels or more.
    HostName,
    /// An identifier of letters, digits, `-`, `_`, `.`; it begins with a letter or digit.
    Identifier,
}

impl Pattern {
    /// The pattern of that name: `text`, `country`, `digits-14`, `credit-code` …
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "country" => Self::Country,
            "credit-code" => Self::CreditCode,
            "credit-code-and-name" => Self::CreditCodeAndName,
            "identity-number" => Self::IdentityNumber,
            "host-name" => Self::HostName,
            "identifier" => Self::Identifier,
            _ => Self::Digits(name.strip_prefix("digits-")?.parse().ok().filter(|count| (1..=64).contains(count))?),
        })
    }

    /// Whether the value has this form. Its check characters are computed; whether such a thing exists is not known here.
    #[must_use]
    pub fn matches(self, value: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Country => value.len() == 2 && value.bytes().all(|b| b.is_ascii_uppercase()),
            Self::Digits(count) => value.len() == count && value.bytes().all(|b| b.is_ascii_digit()),
            Self::CreditCode => CreditCode::parse(value).is_ok(),
            Self::CreditCodeAndName => {
                let parts = value.split_at_checked(18);
                parts.is_some_and(|(code, name)| {
                    CreditCode::parse(code).is_ok() && !name.is_empty() && name.trim() == name
                })
            }
            Self::IdentityNumber => is_identity_number(value),
            Self::HostName => is_host_name(value, false),
            Self::Identifier => {
                value.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            }
        }
    }
}

/// GB 11643-1999 4 (ISO 7064, MOD 11-2): 17 digits and a check character of 0 to 9 or X.
fn is_identity_number(number: &str) -> bool {
    let mut sum = 0_u32;
    let last = number.len().saturating_sub(1);
    for (index, b) in number.bytes().enumerate() {
        let value = match b {
            b'0'..=b'9' => u32::from(b.saturating_sub(b'0')),
            b'X' if index == last => 10,
            _ => return false,
        };
        // Each place weighs 2 to the power of what follows it, modulo 11.
        sum = if index == last { sum.saturating_add(value) } else { sum.saturating_add(value).saturating_mul(2) } % 11;
    }
    number.len() == 18 && sum == 1
}

/// RFC 1123 2.1, RFC 1034 3.5: labels of letters, digits and inner hyphens, two or more; the first may be `*` where the
/// caller says so (RFC 6125 6.4.3).
#[must_use]
pub fn is_host_name(name: &str, wildcard: bool) -> bool {
    let rest = if wildcard { name.strip_prefix("*.").unwrap_or(name) } else { name };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 253
        && rest.split('.').count() >= 2
        && rest.split('.').all(label)
        && !rest.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_has_their_form() {
        let credit = "91350100M000100Y43";
        #[rustfmt::skip]
        let cases: &[(&str, &str, bool)] = &[
            ("digits-14", "99000000000001", true), ("digits-14", "9900000000001", false),
            ("digits-14", "9900000000000a", false),
            ("credit-code", credit, true), ("credit-code", "91350100M000100Y44", false),
            ("credit-code", "9135010OM000100Y43", false), ("credit-code", "", false),
            ("credit-code-and-name", "91350100M000100Y43示例局", true),
            ("credit-code-and-name", credit, false), ("credit-code-and-name", "91350100M000100Y43 局", false),
            ("credit-code-and-name", "示例局示例局示例局示例局", false),
            ("identity-number", "11010519491231002X", true), ("identity-number", "110105194912310021", false),
            ("identity-number", "1101051949123100X2", false), ("identity-number", "", false),
            ("host-name", "a.example", true), ("host-name", "example", false), ("host-name", "-a.example", false),
            ("host-name", "1.2.3.4", false), ("host-name", "*.example.cn", false), ("host-name", "a..b", false),
            ("identifier", "tsa-1", true), ("identifier", "-1", false), ("identifier", "时", false),
            ("country", "CN", true), ("country", "cn", false), ("text", "示例", true),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(Pattern::from_name(pattern).unwrap().matches(value), *expected, "{pattern} {value}");
        }
        assert!(is_host_name("*.example.cn", true) && !is_host_name("*.*.example.cn", true));
        assert_eq!(["digits-0", "digits-65", "digits-x", "regex"].map(Pattern::from_name), [const { None }; 4]);
    }

    #[test]
    fn kinds_bound_their_values() {
        let long = "长".repeat(65);
        #[rustfmt::skip]
        let cases: &[(AttributeKind, &str, bool)] = &[
            (AttributeKind::CommonName, "签章人", true), (AttributeKind::CommonName, &long, false),
            (AttributeKind::CommonName, "", false), (AttributeKind::CommonName, " a", false),
            (AttributeKind::CommonName, "a\u{0}b", false), (AttributeKind::SerialNumber, "a*b", false),
            (AttributeKind::SerialNumber, "AB-1", true), (AttributeKind::Country, "China", false),
            (AttributeKind::Email, "a@b.example", true), (AttributeKind::Email, "甲@b.example", false),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(kind.can_be(value), *expected, "{} {value}", kind.name());
        }
        for kind in AttributeKind::ALL {
            assert_eq!(AttributeKind::from_name(kind.name()), Some(*kind));
            assert_eq!(AttributeKind::from_oid(kind.oid()), Some(*kind));
        }
    }
}
