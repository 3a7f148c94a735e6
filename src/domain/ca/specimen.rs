//! Certificates for the tests of the domain: under built-in profiles, by whoever is named.

pub(in crate::domain) use tests::certificate;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::base::clock::Timestamp;
    use crate::base::random::SystemRandom;
    use crate::config::profiles::built_in;
    use crate::crypto::{PublicKey, Signer};
    use crate::domain::ca::profile::AttributeKind;
    use crate::domain::ca::{Issuer, Publication, Request, ThrowAwayKeys, prepare};
    use crate::domain::trust::AlgorithmPolicy;
    use crate::format::x509::Certificate;

    /// A certificate of ten days from then on for `C=CN, O=示例, CN=subject`; of a seal signer, credit code and seal code stand
    /// in the name instead. Whoever issues has just made a root for itself under that name; a root signs itself.
    pub(in crate::domain) fn certificate(
        profile: &str,
        (subject, key): (&str, &PublicKey),
        (issuer, signer): (&str, &dyn Signer),
        serial: u8,
        now: Timestamp,
    ) -> Vec<u8> {
        let issuer_key = signer.public_key();
        let is_root = profile == "root";
        let above = (!is_root).then(|| certificate("root", (issuer, &issuer_key), (issuer, signer), 99, now));
        let above = above.as_ref().map(|der| Certificate::parse(der).unwrap());
        let profiles = built_in().unwrap();
        let (organisation, name) = match profile {
            "seal-signer" => ("99990000000000001F示例", format!("990000000000{serial:02}")),
            _ => ("示例", subject.to_owned()),
        };
        let request = Request {
            profile: profiles.require(profile).unwrap(),
            subject: &[(AttributeKind::Organisation, organisation.to_owned()), (AttributeKind::CommonName, name)],
            alternative_names: &[],
            identity: &[],
            key,
            not_before: now,
            not_after: Some(now.plus_days(10)),
            serial: &[serial; 16],
            transaction: None,
            name_constraints: None,
        };
        let (algorithm, publication) = (signer.algorithm(), &Publication::nowhere());
        let throw_away = &ThrowAwayKeys::new(Arc::new(SystemRandom));
        let by = Issuer { certificate: above.as_ref(), key: &issuer_key, algorithm, publication, throw_away };
        let token = prepare(&request, &by, (&AlgorithmPolicy::whatever_we_compute(), now)).unwrap();
        let value = signer.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }
}
