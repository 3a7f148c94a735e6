//! An e-mail address of the subject is an alternative name too.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::AttributeKind;
use crate::format::x509::GeneralName;
use crate::format::x509::extension::SubjectAltName;

pub(super) static RULE: Rule = Rule {
    name: "email-alternative",
    citation: "RFC 5280 4.1.2.6",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let names = parts.value::<SubjectAltName<'_>>();
    let listed = |text: &str| {
        names.iter().flat_map(|names| &names.0).any(|name| matches!(name, GeneralName::Rfc822(mailbox) if *mailbox == text))
    };
    for attribute in parts.subject.attributes().filter(|attribute| attribute.kind == AttributeKind::Email.oid()) {
        if !attribute.text().is_some_and(|text| listed(&text)) {
            return Err("the subject's e-mail address is no alternative name".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().subject(&[("1.2.840.113549.1.9.1", IA5, "a@b.example")]).with(false, &SubjectAltName(vec![GeneralName::Rfc822("a@b.example")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("1.2.840.113549.1.9.1", IA5, "a@b.example")])];
}
