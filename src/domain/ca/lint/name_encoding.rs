//! Text is UTF8String or PrintableString; countryName and serialNumber are PrintableString, e-mail and domain components IA5String.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::{AttributeKind, StringForm};
use crate::format::der::Tag;

pub(super) static RULE: Rule = Rule {
    name: "name-encoding",
    citation: "RFC 5280 4.1.2.4, A.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for attribute in parts.issuer.attributes().chain(parts.subject.attributes()) {
        let tag = attribute.value.tag();
        let right = match AttributeKind::from_oid(attribute.kind).map(AttributeKind::form) {
            Some(StringForm::Printable) => tag == Tag::PrintableString,
            Some(StringForm::Ia5) => tag == Tag::Ia5String,
            Some(StringForm::Utf8) => matches!(tag, Tag::Utf8String | Tag::PrintableString),
            None => true,
        };
        if !right {
            return Err(format!("{} is written as {tag}", attribute.kind));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().subject(&[("2.5.4.3", PRINTABLE, "a")])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.6", UTF8, "CN")]), || end().subject(&[("2.5.4.3", TELETEX, "a")]), || end().subject(&[("2.5.4.5", UTF8, "1")]), || end().subject(&[("0.9.2342.19200300.100.1.25", UTF8, "a")])];
}
