//! Whether one certificate is revoked (RFC 5280 6.3, RFC 6960 3.2), from CRLs and OCSP answers given as values.
//!
//! Judged: scope, combination with delta CRLs, reasons, signatures, who may sign, periods. Not judged here: the path of a
//! CRL's issuer that is not the certificate's own, which the caller's function answers; which algorithms are acceptable;
//! whether a revocation matters for something done before it.
//!
//! A lasting revocation counts wherever it is found, out of date or not: it does not pass. A suspension and a "good" that
//! contradict each other are decided by the newer source.

mod crl;
mod ocsp;
mod policy;
mod scope;
mod status;

use crate::base::clock::Timestamp;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::signature::{CheckSignature, Signed, SignerId};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::Certificate;
use crate::format::x509::crl::{CertificateList, CrlIndex, RevocationReason};
use crate::format::x509::ocsp::OcspResponse;

pub use policy::{DeltaCrls, MissingNonce, RevocationPolicy, RevocationSources, UncheckedResponder, UnknownRevocation};
pub use status::{Responder, RevocationSource, RevocationStatus, RevocationUnknown, SourceKind};

/// A CRL, full or delta.
#[derive(Debug, Clone, Copy)]
pub struct CrlEvidence<'a> {
    /// The list.
    pub list: &'a CertificateList<'a>,
    /// Its index, where many questions are asked of it.
    pub index: Option<&'a CrlIndex>,
}

/// An OCSP response.
#[derive(Debug, Clone, Copy)]
pub struct OcspEvidence<'a> {
    /// The response.
    pub response: &'a OcspResponse<'a>,
    /// The nonce that was sent, if one was.
    pub nonce: Option<&'a [u8]>,
}

/// What is at hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct RevocationEvidence<'a> {
    /// CRLs of whatever issuers.
    pub crls: &'a [CrlEvidence<'a>],
    /// OCSP responses about whatever certificates.
    pub ocsp: &'a [OcspEvidence<'a>],
    /// Certificates that may belong to issuers of CRLs and to responders; trusted by nobody.
    pub certificates: &'a [Certificate<'a>],
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct RevocationQuestion<'a> {
    /// The certificate in question.
    pub certificate: &'a Certificate<'a>,
    /// The certificate above it in the path: its key is trusted to have issued the one in question.
    pub issuer: &'a Certificate<'a>,
    /// What is at hand.
    pub evidence: &'a RevocationEvidence<'a>,
    /// The moment of judging: sources must be in force then. Usually now, even for something done before.
    pub at: Timestamp,
    /// What counts.
    pub policy: &'a RevocationPolicy,
    /// Tables of keys.
    pub tables: &'a KeyTables,
    /// How signatures are checked.
    pub check: &'a dyn CheckSignature,
    /// The signer IDs that count for SM2 signatures.
    pub signer_ids: &'a [SignerId],
    /// Whether a certificate that signed a CRL, and is not [`Self::issuer`], has a valid path to the anchor of the path in
    /// question (RFC 5280 6.3.3 (f)). Its name, key usage and signature on the CRL were checked before.
    pub authorise: &'a dyn Fn(&Certificate<'_>) -> bool,
}

/// The status of the certificate in question.
#[must_use]
pub fn status_of(question: &RevocationQuestion<'_>, budget: &mut Budget) -> RevocationStatus {
    let mut crls = |status| prefer(status, crl::status_by_crls(question, budget));
    let nothing = RevocationStatus::Unknown { why: RevocationUnknown::NoEvidence };
    match question.policy.sources {
        RevocationSources::CrlOnly => crls(nothing),
        RevocationSources::CrlThenOcsp => {
            let status = crls(nothing);
            prefer(status, ocsp::status_by_ocsp(question, budget))
        }
        RevocationSources::OcspOnly => prefer(nothing, ocsp::status_by_ocsp(question, budget)),
        RevocationSources::OcspThenCrl => {
            let status = prefer(nothing, ocsp::status_by_ocsp(question, budget));
            prefer(status, crl::status_by_crls(question, budget))
        }
    }
}

/// Of two answers to one question, the one that counts; the first where they are equal.
fn prefer(first: RevocationStatus, second: RevocationStatus) -> RevocationStatus {
    use RevocationStatus::{Good, Revoked, Unknown};
    match (&first, &second) {
        (Unknown { why }, Unknown { why: other }) => Unknown { why: why.clone().or(other.clone()) },
        (Unknown { .. }, _) => second,
        (_, Unknown { .. }) | (Good { .. }, Good { .. }) => first,
        (Good { source }, Revoked { reason, source: of_other, .. }) => {
            let counts = *reason != RevocationReason::CertificateHold || of_other.this_update >= source.this_update;
            if counts { second } else { first }
        }
        (Revoked { reason, source, .. }, Good { source: of_other }) => {
            let counts = *reason != RevocationReason::CertificateHold || source.this_update >= of_other.this_update;
            if counts { first } else { second }
        }
        (Revoked { reason, since, .. }, Revoked { reason: other, since: earlier, .. }) => {
            let weight = |reason: &RevocationReason| *reason != RevocationReason::CertificateHold;
            let takes_second = (weight(other), std::cmp::Reverse(earlier)) > (weight(reason), std::cmp::Reverse(since));
            if takes_second { second } else { first }
        }
    }
}

impl RevocationQuestion<'_> {
    /// Whether a source of that period is in force.
    fn in_force(&self, from: Timestamp, until: Option<Timestamp>) -> Result<(), RevocationUnknown> {
        let (policy, at) = (self.policy, self.at);
        if from > at.plus_seconds(policy.tolerance) {
            return Err(RevocationUnknown::NotYet { from });
        }
        if let Some(since) = until.filter(|until| *until < at.plus_seconds(policy.tolerance.saturating_neg())) {
            return Err(RevocationUnknown::Stale { since });
        }
        let unlimited = until.is_none().then_some(policy.age_without_next_update);
        let age = at.unix().saturating_sub(from.unix());
        let allowed = policy.greatest_age.into_iter().chain(unlimited).min();
        if allowed.is_some_and(|allowed| age > allowed) {
            return Err(RevocationUnknown::TooOld { from });
        }
        Ok(())
    }

    /// Whether a revocation for that reason counts, by a source that is or is not in force: a lasting one does not go out
    /// of date; one of tomorrow is none yet.
    fn counts(reason: RevocationReason, in_force: Result<(), RevocationUnknown>) -> Result<(), RevocationUnknown> {
        match in_force {
            Err(RevocationUnknown::Stale { .. } | RevocationUnknown::TooOld { .. })
                if reason != RevocationReason::CertificateHold =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// How a signature was made, if it is right.
    fn signed(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        signed: (&[u8], &[u8]),
        budget: &mut Budget,
    ) -> Result<Option<SignatureUsed>, RevocationUnknown> {
        budget.check().map_err(|_| RevocationUnknown::GivenUp)?;
        match self.check.check(key, algorithm, signed, (self.tables, self.signer_ids)) {
            Signed::Right { used, .. } => Ok(used),
            Signed::Wrong => Err(RevocationUnknown::SignatureWrong),
            Signed::Unsupported => Err(RevocationUnknown::SignatureUnsupported),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::{DigestAlgorithm, OID_MD5, OID_SHA1, OID_SM2_WITH_SM3, SignatureAlgorithm};
    use crate::crypto::digest::{digest, sha1_identifier};
    use crate::crypto::{Signer, sm2};
    use crate::domain::trust::key::{encode_value, subject_public_key_info};
    use crate::domain::trust::signature::Computed;
    use crate::format::der::ObjectIdentifier;
    use crate::format::keys::SubjectPublicKeyInfo;
    use crate::format::x509::crl::{
        EXPIRED_CERTS_ON_CRL, IssuingDistributionPoint, NewCrl, NewEntries, NewRevokedCertificate,
    };
    use crate::format::x509::extension::{
        CrlDistributionPoints, DistributionPoint, DistributionPointName, ExtendedKeyUsage, OCSP_SIGNING, OcspNoCheck,
        ReasonFlags, SERVER_AUTH, SubjectKeyIdentifier,
    };
    use crate::format::x509::ocsp::{
        CertificateStatus, NewBasicResponse, NewCertId, NewSingleResponse, OcspRefusal, ResponderId,
    };
    use crate::format::x509::{BasicConstraints, GeneralName, KeyUsage, Name, NewCertificate, NewExtension, NewName};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: i64 = 86_400;

    struct Party {
        name: Vec<u8>,
        key: sm2::PrivateKey,
    }

    impl Party {
        fn new(common_name: &str) -> Self {
            let name = NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der();
            Self { name, key: sm2::PrivateKey::generate(&SystemRandom).unwrap() }
        }

        fn name(&self) -> Name<'_> {
            Name::parse(&self.name, "x").unwrap()
        }

        fn sign(&self, tbs: &[u8]) -> Vec<u8> {
            encode_value(SignatureAlgorithm::Sm2Sm3, &self.key.sign(tbs, &SystemRandom).unwrap())
        }

        fn key_info(&self) -> Vec<u8> {
            subject_public_key_info(&Signer::public_key(&self.key))
        }

        fn certify(&self, subject: &Self, extensions: &[NewExtension], days: (i64, i64)) -> Vec<u8> {
            let tbs = NewCertificate {
                serial: &[7],
                signature_algorithm: OID_SM2_WITH_SM3,
                issuer: &self.name,
                not_before: NOW.plus_days(days.0),
                not_after: NOW.plus_days(days.1),
                subject: &subject.name,
                public_key: &subject.key_info(),
                extensions,
            }
            .to_tbs();
            NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &self.sign(&tbs))
        }

        /// A certificate of this authority about itself.
        fn authority(&self) -> Vec<u8> {
            let usage = KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN);
            self.certify(self, &[basic(true), NewExtension::new(true, &usage)], (-100, 100))
        }

        fn crl(&self, change: impl for<'n> FnOnce(&mut NewCrl<'n>), entries: &[NewRevokedCertificate<'_>]) -> Vec<u8> {
            let mut new = NewCrl {
                signature_algorithm: OID_SM2_WITH_SM3,
                issuer: &self.name,
                this_update: NOW.plus_days(-1),
                next_update: NOW.plus_days(1),
                authority_key_identifier: &[1; 20],
                number: &[5],
                delta_base: None,
                issuing_distribution_point: None,
                freshest: None,
                others: &[],
            };
            change(&mut new);
            self.write(&new, entries)
        }

        fn write(&self, new: &NewCrl<'_>, entries: &[NewRevokedCertificate<'_>]) -> Vec<u8> {
            let mut list = NewEntries::default();
            entries.iter().for_each(|entry| list.push(entry));
            let tbs = new.to_tbs(&list).unwrap();
            NewCrl::assemble(&tbs, OID_SM2_WITH_SM3, &self.sign(&tbs))
        }

        fn scoped(&self, scope: &IssuingDistributionPoint<'_>, entries: &[NewRevokedCertificate<'_>]) -> Vec<u8> {
            let new = NewCrl {
                signature_algorithm: OID_SM2_WITH_SM3,
                issuer: &self.name,
                this_update: NOW.plus_days(-1),
                next_update: NOW.plus_days(1),
                authority_key_identifier: &[1; 20],
                number: &[5],
                delta_base: None,
                issuing_distribution_point: Some(scope),
                freshest: None,
                others: &[],
            };
            self.write(&new, entries)
        }
    }

    fn basic(authority: bool) -> NewExtension {
        NewExtension::new(true, &BasicConstraints { authority, path_length: None })
    }

    fn points(points: Vec<DistributionPoint<'_>>) -> NewExtension {
        NewExtension::new(false, &CrlDistributionPoints(points))
    }

    fn full_name(uri: &str) -> DistributionPointName<'_> {
        DistributionPointName::FullName(vec![GeneralName::Uri(uri)])
    }

    fn entry(reason: RevocationReason) -> NewRevokedCertificate<'static> {
        NewRevokedCertificate {
            serial: &[7],
            revocation_date: NOW.plus_days(-3),
            reason,
            invalidity_date: None,
            certificate_issuer: None,
        }
    }

    /// What is given, and what is asked of it.
    struct Given<'a> {
        certificate: &'a [u8],
        issuer: &'a [u8],
        crls: Vec<&'a [u8]>,
        ocsp: Vec<(&'a [u8], Option<&'a [u8]>)>,
        beside: Vec<&'a [u8]>,
        policy: RevocationPolicy,
        authorise: bool,
        checks: usize,
    }

    impl<'a> Given<'a> {
        fn new(certificate: &'a [u8], issuer: &'a [u8]) -> Self {
            let (crls, ocsp, beside) = (Vec::new(), Vec::new(), Vec::new());
            let policy = RevocationPolicy::default();
            Self { certificate, issuer, crls, ocsp, beside, policy, authorise: false, checks: 100 }
        }

        fn crls(mut self, crls: &[&'a [u8]]) -> Self {
            self.crls = crls.to_vec();
            self
        }

        fn ocsp(mut self, response: &'a [u8], nonce: Option<&'a [u8]>) -> Self {
            self.ocsp.push((response, nonce));
            self
        }

        fn status(&self) -> RevocationStatus {
            let parse = |der| Certificate::parse(der).unwrap();
            let (certificate, issuer) = (parse(self.certificate), parse(self.issuer));
            let lists: Vec<_> = self.crls.iter().map(|der| CertificateList::parse(der).unwrap()).collect();
            let indexes: Vec<_> = lists.iter().map(|list| CrlIndex::new(list, 100).unwrap()).collect();
            let responses: Vec<_> = self.ocsp.iter().map(|(der, _)| OcspResponse::parse(der).unwrap()).collect();
            let beside: Vec<_> = self.beside.iter().map(|der| parse(der)).collect();
            let ocsp: Vec<_> = responses
                .iter()
                .zip(&self.ocsp)
                .map(|(response, (_, nonce))| OcspEvidence { response, nonce: *nonce })
                .collect();
            let ask = |crls: &[CrlEvidence<'_>]| {
                let question = RevocationQuestion {
                    certificate: &certificate,
                    issuer: &issuer,
                    evidence: &RevocationEvidence { crls, ocsp: &ocsp, certificates: &beside },
                    at: NOW,
                    policy: &self.policy,
                    tables: &KeyTables::default(),
                    check: &Computed,
                    signer_ids: &[SignerId::Default],
                    authorise: &|_| self.authorise,
                };
                status_of(&question, &mut Budget::new(&Limits::DEFAULT).with_checks(self.checks))
            };
            let plain: Vec<_> = lists.iter().map(|list| CrlEvidence { list, index: None }).collect();
            let indexed: Vec<_> =
                lists.iter().zip(&indexes).map(|(list, index)| CrlEvidence { list, index: Some(index) }).collect();
            let status = ask(&plain);
            assert_eq!(ask(&indexed), status, "an index changes nothing");
            status
        }

        fn why(&self) -> RevocationUnknown {
            match self.status() {
                RevocationStatus::Unknown { why } => why,
                other => panic!("{other:?}"),
            }
        }

        fn code(&self) -> &'static str {
            self.status().code()
        }
    }

    /// An authority with one certificate under it.
    fn simple(extensions: &[NewExtension]) -> (Party, Vec<u8>, Vec<u8>) {
        let authority = Party::new("authority");
        let certificate = authority.certify(&Party::new("end"), extensions, (-50, 50));
        let issuer = authority.authority();
        (authority, issuer, certificate)
    }

    #[test]
    fn a_list_says_good_or_revoked_and_from_where() {
        let (authority, issuer, certificate) = simple(&[]);
        let empty = authority.crl(|_| {}, &[]);
        let RevocationStatus::Good { source } = Given::new(&certificate, &issuer).crls(&[&empty]).status() else {
            panic!("not good");
        };
        assert_eq!(source.kind, SourceKind::Crl { number: Some(vec![5]), delta: None });
        assert_eq!((source.this_update, source.next_update), (NOW.plus_days(-1), Some(NOW.plus_days(1))));
        assert_eq!(source.signatures.len(), 1);
        assert_eq!(source.signatures[0].algorithm, SignatureAlgorithm::Sm2Sm3);
        let lost = NewRevokedCertificate {
            invalidity_date: Some(NOW.plus_days(-9)),
            ..entry(RevocationReason::KeyCompromise)
        };
        let full = authority.crl(|_| {}, &[lost]);
        let status = Given::new(&certificate, &issuer).crls(&[&full]).status();
        let expected = RevocationStatus::Revoked {
            since: NOW.plus_days(-3),
            reason: RevocationReason::KeyCompromise,
            invalidity_date: Some(NOW.plus_days(-9)),
            source,
        };
        assert_eq!(status, expected);
        assert_eq!(Given::new(&certificate, &issuer).why(), RevocationUnknown::NoEvidence);
    }

    #[test]
    fn a_list_must_be_in_force_but_a_lasting_revocation_stays() {
        let (authority, issuer, certificate) = simple(&[]);
        let of = |from: i64, until: i64, entries: &[NewRevokedCertificate<'_>]| {
            authority.crl(
                |new| (new.this_update, new.next_update) = (NOW.plus_seconds(from), NOW.plus_seconds(until)),
                entries,
            )
        };
        let why = |crl: &[u8]| Given::new(&certificate, &issuer).crls(&[crl]).why();
        let code = |crl: &[u8]| Given::new(&certificate, &issuer).crls(&[crl]).code();
        assert_eq!(why(&of(-DAY, -301, &[])), RevocationUnknown::Stale { since: NOW.plus_seconds(-301) });
        assert_eq!(code(&of(-DAY, -300, &[])), "not-revoked");
        assert_eq!(why(&of(301, DAY, &[])), RevocationUnknown::NotYet { from: NOW.plus_seconds(301) });
        assert_eq!(code(&of(300, DAY, &[])), "not-revoked");
        assert_eq!(code(&of(-DAY, -DAY, &[entry(RevocationReason::Superseded)])), "revoked");
        assert_eq!(code(&of(-DAY, -DAY, &[entry(RevocationReason::CertificateHold)])), "revocation-source-stale");
        assert_eq!(code(&of(-DAY, DAY, &[entry(RevocationReason::CertificateHold)])), "suspended");
        assert_eq!(code(&of(301, DAY, &[entry(RevocationReason::Superseded)])), "revocation-source-not-yet-valid");
        let crl = of(-DAY, DAY, &[]);
        let mut given = Given::new(&certificate, &issuer).crls(&[&crl]);
        given.policy.greatest_age = Some(DAY - 1);
        assert_eq!(given.why(), RevocationUnknown::TooOld { from: NOW.plus_seconds(-DAY) });
        given.policy.sources = RevocationSources::OcspOnly;
        assert_eq!(given.why(), RevocationUnknown::NoEvidence);
    }

    #[test]
    fn who_signed_a_list_must_be_allowed_to() {
        let (authority, issuer, certificate) = simple(&[]);
        // Another key of the same name.
        let second = Party { name: authority.name.clone(), key: Party::new("x").key };
        let crl = second.crl(|_| {}, &[]);
        let given = || Given::new(&certificate, &issuer).crls(&[&crl]);
        assert_eq!(given().why(), RevocationUnknown::SignatureWrong);
        let usage = |bits| NewExtension::new(true, &KeyUsage(bits));
        let signer = authority.certify(&second, &[usage(KeyUsage::CRL_SIGN)], (-9, 9));
        let beside = |der| Given { beside: vec![der], ..given() };
        assert_eq!(beside(&signer).why(), RevocationUnknown::SignerNotAuthorised);
        assert_eq!(Given { authorise: true, ..beside(&signer) }.code(), "not-revoked");
        // The key usage of the issuer itself, and of the other.
        let signer = authority.certify(&second, &[usage(KeyUsage::KEY_CERT_SIGN)], (-9, 9));
        assert_eq!(Given { authorise: true, ..beside(&signer) }.code(), "revocation-signature-wrong");
        let mute = authority.certify(&authority, &[basic(true), usage(KeyUsage::KEY_CERT_SIGN)], (-9, 9));
        let own = authority.crl(|_| {}, &[]);
        assert_eq!(Given::new(&certificate, &mute).crls(&[&own]).why(), RevocationUnknown::SignerKeyUsage);
        // An authorityKeyIdentifier that names another key: nobody is left.
        let identified = authority.certify(
            &authority,
            &[basic(true), NewExtension::new(false, &SubjectKeyIdentifier(&[2; 20]))],
            (-9, 9),
        );
        assert_eq!(Given::new(&certificate, &identified).crls(&[&own]).why(), RevocationUnknown::SignerMissing);
        // Somebody else's list.
        let strange = Party::new("stranger").crl(|_| {}, &[]);
        assert_eq!(Given::new(&certificate, &issuer).crls(&[&strange]).why(), RevocationUnknown::OtherIssuer);
        // And no more work than the budget allows.
        assert_eq!(Given { checks: 0, ..given() }.why(), RevocationUnknown::GivenUp);
    }

    #[test]
    fn unknown_critical_extensions_shut_a_list_out() {
        let (authority, issuer, certificate) = simple(&[]);
        let oid = ObjectIdentifier::new_unwrap("1.2.3.4");
        let others = [NewExtension { oid, critical: true, value: vec![5, 0] }];
        let new = |critical| {
            let others = [NewExtension { critical, ..others[0].clone() }];
            let base = NewCrl {
                signature_algorithm: OID_SM2_WITH_SM3,
                issuer: &authority.name,
                this_update: NOW,
                next_update: NOW.plus_days(1),
                authority_key_identifier: &[1; 20],
                number: &[5],
                delta_base: None,
                issuing_distribution_point: None,
                freshest: None,
                others: &others,
            };
            authority.write(&base, &[])
        };
        let critical = new(true);
        let given = Given::new(&certificate, &issuer).crls(&[&critical]);
        assert_eq!(given.why(), RevocationUnknown::CriticalExtension { oid });
        assert_eq!(Given::new(&certificate, &issuer).crls(&[&new(false)]).code(), "not-revoked");
    }

    #[test]
    fn a_list_speaks_of_its_scope_only() {
        let here = || DistributionPoint { name: Some(full_name("http://a/1")), reasons: None, crl_issuer: Vec::new() };
        let (authority, issuer, end) = simple(&[basic(false), points(vec![here()])]);
        let below = authority.certify(&Party::new("sub"), &[basic(true)], (-50, 50));
        let scope = IssuingDistributionPoint::default;
        let judge = |certificate: &[u8], scope: &IssuingDistributionPoint<'_>| {
            let crl = authority.scoped(scope, &[]);
            match Given::new(certificate, &issuer).crls(&[&crl]).status() {
                RevocationStatus::Unknown { why: RevocationUnknown::OutOfScope { field } } => field,
                other => other.code(),
            }
        };
        let users = IssuingDistributionPoint { only_user_certificates: true, ..scope() };
        let authorities = IssuingDistributionPoint { only_authority_certificates: true, ..scope() };
        let attributes = IssuingDistributionPoint { only_attribute_certificates: true, ..scope() };
        assert_eq!((judge(&end, &users), judge(&below, &users)), ("not-revoked", "onlyContainsUserCerts"));
        assert_eq!((judge(&end, &authorities), judge(&below, &authorities)), ("onlyContainsCACerts", "not-revoked"));
        assert_eq!(judge(&end, &attributes), "onlyContainsAttributeCerts");
        let at = |name| IssuingDistributionPoint { name: Some(name), ..scope() };
        assert_eq!(judge(&end, &at(full_name("http://a/1"))), "not-revoked");
        assert_eq!(judge(&end, &at(full_name("http://a/2"))), "distributionPoint");
        // A certificate without distribution points is looked for under its issuer's name.
        assert_eq!(judge(&below, &at(full_name("http://a/1"))), "distributionPoint");
        let by_name = DistributionPointName::FullName(vec![GeneralName::Directory(authority.name())]);
        assert_eq!(judge(&below, &at(by_name)), "not-revoked");
    }

    #[test]
    fn names_relative_to_the_issuer_are_completed() {
        let mut part = crate::format::der::Writer::new();
        part.sequence(|attribute| {
            attribute.oid(crate::format::x509::name::COMMON_NAME).utf8("CRL1");
        });
        let part = part.into_bytes();
        let relative = || DistributionPointName::RelativeToIssuer(&part);
        let authority = Party::new("authority");
        let whole = crate::format::x509::NameBuf::below(&authority.name(), &part).unwrap();
        let full = DistributionPointName::FullName(vec![GeneralName::Directory(whole.as_name())]);
        let issuer = authority.authority();
        for (ours, theirs, expected) in [
            (relative(), relative(), "not-revoked"),
            (relative(), full.clone(), "not-revoked"),
            (full.clone(), relative(), "not-revoked"),
            (full_name("http://a"), relative(), "crl-out-of-scope"),
        ] {
            let point = DistributionPoint { name: Some(ours), reasons: None, crl_issuer: Vec::new() };
            let certificate = authority.certify(&Party::new("end"), &[points(vec![point])], (-50, 50));
            let scope = IssuingDistributionPoint { name: Some(theirs), ..IssuingDistributionPoint::default() };
            let crl = authority.scoped(&scope, &[]);
            assert_eq!(Given::new(&certificate, &issuer).crls(&[&crl]).code(), expected);
        }
    }

    #[test]
    fn reasons_add_up() {
        let (authority, issuer, certificate) = simple(&[]);
        let some = |flags| IssuingDistributionPoint {
            only_some_reasons: Some(ReasonFlags(flags)),
            ..IssuingDistributionPoint::default()
        };
        let lost = authority.scoped(&some(ReasonFlags::KEY_COMPROMISE), &[]);
        let rest = some(ReasonFlags::ALL & !ReasonFlags::KEY_COMPROMISE);
        let others = authority.scoped(&rest, &[]);
        let revoked = authority.scoped(&rest, &[entry(RevocationReason::Superseded)]);
        let judge = |crls: &[&[u8]]| Given::new(&certificate, &issuer).crls(crls).code();
        assert_eq!(judge(&[&lost]), "crl-reasons-incomplete");
        assert_eq!(judge(&[&lost, &others]), "not-revoked");
        assert_eq!(judge(&[&lost, &revoked]), "revoked");
        // The certificate's own distribution point may be for some reasons, too.
        let point = |reasons| DistributionPoint {
            name: Some(full_name("http://a/1")),
            reasons: Some(ReasonFlags(reasons)),
            crl_issuer: Vec::new(),
        };
        let halves = [point(ReasonFlags::KEY_COMPROMISE)].to_vec();
        let split = authority.certify(&Party::new("end"), &[points(halves)], (-50, 50));
        let here = IssuingDistributionPoint { name: Some(full_name("http://a/1")), ..Default::default() };
        let crl = authority.scoped(&here, &[]);
        assert_eq!(Given::new(&split, &issuer).crls(&[&crl]).code(), "crl-reasons-incomplete");
    }

    #[test]
    fn indirect_lists_speak_of_the_issuer_that_an_entry_names() {
        let (clearing, authority) = (Party::new("clearing"), Party::new("authority"));
        let by = vec![GeneralName::Directory(clearing.name())];
        let point = DistributionPoint { name: None, reasons: None, crl_issuer: by };
        let certificate = authority.certify(&Party::new("end"), &[points(vec![point])], (-50, 50));
        let (issuer, signer) = (authority.authority(), clearing.authority());
        let scope = IssuingDistributionPoint { indirect: true, ..IssuingDistributionPoint::default() };
        fn of(party: &Party) -> NewRevokedCertificate<'_> {
            let certificate_issuer = Some(GeneralName::Directory(party.name()));
            NewRevokedCertificate { certificate_issuer, ..entry(RevocationReason::KeyCompromise) }
        }
        let other = Party::new("other");
        let judge = |crl: &[u8], authorise| {
            let given = Given::new(&certificate, &issuer).crls(&[crl]);
            Given { authorise, beside: vec![&signer], ..given }.code()
        };
        let plain = entry(RevocationReason::KeyCompromise);
        assert_eq!(judge(&clearing.scoped(&scope, &[]), true), "not-revoked");
        assert_eq!(judge(&clearing.scoped(&scope, &[]), false), "crl-issuer-not-authorised");
        assert_eq!(judge(&clearing.scoped(&scope, &[of(&authority)]), true), "revoked");
        // The same serial number under the clearing house itself, and under another issuer.
        assert_eq!(judge(&clearing.scoped(&scope, &[plain]), true), "not-revoked");
        assert_eq!(judge(&clearing.scoped(&scope, &[of(&other), plain]), true), "not-revoked");
        assert_eq!(judge(&clearing.scoped(&scope, &[of(&other), of(&authority)]), true), "revoked");
        let direct = clearing.crl(|_| {}, &[]);
        assert_eq!(judge(&direct, true), "crl-not-indirect");
        // The issuer's own list is not what the distribution point names, but it may be asked all the same.
        assert_eq!(judge(&authority.crl(|_| {}, &[]), false), "not-revoked");
    }

    #[test]
    fn changes_are_combined_with_their_list() {
        let (authority, issuer, certificate) = simple(&[]);
        let base = |entries: &[_]| authority.crl(|_| {}, entries);
        let delta = |number: &'static [u8], of: &'static [u8], entries: &[_]| {
            authority.crl(|new| (new.number, new.delta_base) = (number, Some(of)), entries)
        };
        let judge = |crls: &[&[u8]]| Given::new(&certificate, &issuer).crls(crls).code();
        let (clean, held) = (base(&[]), base(&[entry(RevocationReason::CertificateHold)]));
        let revoking = delta(&[6], &[5], &[entry(RevocationReason::KeyCompromise)]);
        let removing = delta(&[7], &[4], &[entry(RevocationReason::RemoveFromCrl)]);
        assert_eq!((judge(&[&clean]), judge(&[&held])), ("not-revoked", "suspended"));
        assert_eq!(judge(&[&clean, &revoking]), "revoked");
        assert_eq!(judge(&[&held, &removing]), "not-revoked");
        // The newest changes count.
        assert_eq!(judge(&[&held, &revoking, &removing]), "not-revoked");
        assert_eq!(judge(&[&revoking]), "crl-base-missing");
        // Based on a newer list, or older than the list: not its changes.
        assert_eq!(judge(&[&clean, &delta(&[8], &[6], &[entry(RevocationReason::KeyCompromise)])]), "not-revoked");
        assert_eq!(judge(&[&clean, &delta(&[5], &[4], &[entry(RevocationReason::KeyCompromise)])]), "not-revoked");
        assert_eq!(judge(&[&held, &delta(&[1, 0], &[5], &[entry(RevocationReason::RemoveFromCrl)])]), "not-revoked");
        // Of another key, or of another scope.
        let second = Party { name: authority.name.clone(), key: Party::new("x").key };
        let forged = second.crl(
            |new| (new.number, new.delta_base) = (&[9], Some(&[5][..])),
            &[entry(RevocationReason::RemoveFromCrl)],
        );
        assert_eq!(judge(&[&held, &forged]), "suspended");
        let mut ignoring = Given::new(&certificate, &issuer).crls(&[&clean, &revoking]);
        ignoring.policy.deltas = DeltaCrls::Ignore;
        assert_eq!(ignoring.code(), "not-revoked");
        // Fresh changes keep an old list in force, old ones do not.
        let old = authority.crl(|new| new.next_update = NOW.plus_days(-1), &[]);
        let none = delta(&[6], &[5], &[]);
        let stale = authority
            .crl(|new| (new.number, new.delta_base, new.next_update) = (&[6], Some(&[5][..]), NOW.plus_days(-1)), &[]);
        assert_eq!((judge(&[&old]), judge(&[&old, &none])), ("revocation-source-stale", "not-revoked"));
        assert_eq!(judge(&[&old, &stale]), "revocation-source-stale");
        let RevocationStatus::Good { source } = Given::new(&certificate, &issuer).crls(&[&clean, &none]).status()
        else {
            panic!("not good");
        };
        assert_eq!(source.kind, SourceKind::Crl { number: Some(vec![5]), delta: Some(vec![6]) });
        assert_eq!(source.signatures.len(), 2);
    }

    #[test]
    fn absence_says_nothing_of_what_expired_before() {
        let authority = Party::new("authority");
        let (issuer, expired) = (authority.authority(), authority.certify(&Party::new("end"), &[], (-50, -10)));
        let crl = authority.crl(|_| {}, &[]);
        assert_eq!(Given::new(&expired, &issuer).crls(&[&crl]).why(), RevocationUnknown::ExpiredBefore);
        let mut since = crate::format::der::Writer::new();
        since.generalized_time(NOW.plus_days(-10));
        let others = [NewExtension { oid: EXPIRED_CERTS_ON_CRL, critical: false, value: since.into_bytes() }];
        let keeping = NewCrl {
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &authority.name,
            this_update: NOW,
            next_update: NOW.plus_days(1),
            authority_key_identifier: &[1; 20],
            number: &[5],
            delta_base: None,
            issuing_distribution_point: None,
            freshest: None,
            others: &others,
        };
        let keeping = authority.write(&keeping, &[]);
        assert_eq!(Given::new(&expired, &issuer).crls(&[&keeping]).code(), "not-revoked");
    }

    /// An answer about the certificate of serial number 7 of `issuer`, signed by `by`.
    struct Answer<'a> {
        issuer: &'a Party,
        by: &'a Party,
        status: CertificateStatus,
        digest: ObjectIdentifier,
        serial: u8,
        by_key: bool,
        nonce: Option<&'a [u8]>,
        days: (i64, Option<i64>),
        archive_cutoff: Option<Timestamp>,
        certificates: Vec<&'a [u8]>,
    }

    impl<'a> Answer<'a> {
        fn new(issuer: &'a Party, status: CertificateStatus) -> Self {
            Self {
                issuer,
                by: issuer,
                status,
                digest: OID_SHA1,
                serial: 7,
                by_key: false,
                nonce: None,
                days: (-1, Some(1)),
                archive_cutoff: None,
                certificates: Vec::new(),
            }
        }

        fn to_der(&self) -> Vec<u8> {
            let digest = |octets: &[u8]| match DigestAlgorithm::from_oid(self.digest) {
                Some(algorithm) => digest(algorithm, octets),
                None => sha1_identifier(octets).to_vec(),
            };
            let key = |party: &Party| SubjectPublicKeyInfo::parse(&party.key_info()).unwrap().key.to_vec();
            let cert_id = NewCertId {
                hash_algorithm: self.digest,
                issuer_name_hash: &digest(&self.issuer.name),
                issuer_key_hash: &digest(&key(self.issuer)),
                serial: &[self.serial],
            }
            .to_der();
            let single = NewSingleResponse {
                cert_id: &cert_id,
                status: self.status,
                this_update: NOW.plus_days(self.days.0),
                next_update: self.days.1.map(|days| NOW.plus_days(days)),
                archive_cutoff: self.archive_cutoff,
                invalidity_date: None,
            };
            let hash = sha1_identifier(&key(self.by));
            let responder = if self.by_key { ResponderId::Key(&hash) } else { ResponderId::Name(self.by.name()) };
            let tbs =
                NewBasicResponse { responder, produced_at: NOW, responses: &[single], nonce: self.nonce }.to_tbs();
            NewBasicResponse::assemble(&tbs, OID_SM2_WITH_SM3, &self.by.sign(&tbs), &self.certificates)
        }
    }

    #[test]
    fn the_issuer_answers_by_any_digest_and_by_name_or_key() {
        let (authority, issuer, certificate) = simple(&[]);
        for digest in [OID_SHA1, DigestAlgorithm::Sha256.oid(), DigestAlgorithm::Sm3.oid()] {
            for by_key in [false, true] {
                let answer = Answer { digest, by_key, ..Answer::new(&authority, CertificateStatus::Good) }.to_der();
                let status = Given::new(&certificate, &issuer).ocsp(&answer, None).status();
                let RevocationStatus::Good { source } = status else { panic!("{status:?}") };
                assert_eq!(source.kind, SourceKind::Ocsp { responder: Responder::Issuer });
                assert_eq!((source.this_update, source.next_update), (NOW.plus_days(-1), Some(NOW.plus_days(1))));
            }
        }
        let lost = Some(RevocationReason::KeyCompromise);
        let revoked = CertificateStatus::Revoked { since: NOW.plus_days(-2), reason: lost };
        let answer = Answer::new(&authority, revoked).to_der();
        let status = Given::new(&certificate, &issuer).ocsp(&answer, None).status();
        let expected = (NOW.plus_days(-2), RevocationReason::KeyCompromise);
        assert!(matches!(status, RevocationStatus::Revoked { since, reason, .. } if (since, reason) == expected));
    }

    #[test]
    fn answers_that_say_nothing_about_the_certificate_are_named() {
        let (authority, issuer, certificate) = simple(&[]);
        let good = || Answer::new(&authority, CertificateStatus::Good);
        let why = |answer: Answer<'_>| Given::new(&certificate, &issuer).ocsp(&answer.to_der(), None).why();
        assert_eq!(why(Answer { status: CertificateStatus::Unknown, ..good() }), RevocationUnknown::NotKnown);
        assert_eq!(why(Answer { serial: 8, ..good() }), RevocationUnknown::OtherCertificate);
        assert_eq!(why(Answer { digest: OID_MD5, ..good() }), RevocationUnknown::DigestUnknown);
        // Same name and serial number, another key.
        let second = Party { name: authority.name.clone(), key: Party::new("x").key };
        assert_eq!(why(Answer { issuer: &second, ..good() }), RevocationUnknown::OtherCertificate);
        assert_eq!(why(Answer { by: &second, ..good() }), RevocationUnknown::SignatureWrong);
        assert_eq!(why(Answer { by: &Party::new("x"), ..good() }), RevocationUnknown::ResponderMissing);
        for refusal in OcspRefusal::ALL {
            let status = refusal.name();
            let der = refusal.to_der();
            let given = Given::new(&certificate, &issuer).ocsp(&der, None);
            assert_eq!(given.why(), RevocationUnknown::OcspRefused { status });
        }
        let answer = good().to_der();
        let given = Given::new(&certificate, &issuer).ocsp(&answer, None);
        assert_eq!(Given { checks: 0, ..given }.why(), RevocationUnknown::GivenUp);
    }

    #[test]
    fn a_delegated_responder_must_be_authorised_by_the_issuer_itself() {
        let (authority, issuer, certificate) = simple(&[]);
        let responder = Party::new("responder");
        let purpose = |oid| NewExtension::new(false, &ExtendedKeyUsage(vec![oid]));
        let no_check = NewExtension::new(false, &OcspNoCheck);
        let right = [purpose(OCSP_SIGNING), no_check];
        let judge = |delegated: &[u8], unchecked| {
            let by = &responder;
            let certificates = vec![delegated];
            let answer = Answer { by, certificates, ..Answer::new(&authority, CertificateStatus::Good) }.to_der();
            let mut given = Given::new(&certificate, &issuer).ocsp(&answer, None);
            given.policy.unchecked_responder = unchecked;
            match given.status() {
                RevocationStatus::Good { source } => match source.kind {
                    SourceKind::Ocsp { responder: Responder::Delegated } => "delegated",
                    SourceKind::Ocsp { responder: Responder::DelegatedUnchecked } => "unchecked",
                    _ => "other",
                },
                other => other.code(),
            }
        };
        let (accept, refuse) = (UncheckedResponder::Accept, UncheckedResponder::Refuse);
        let days = (-9, 9);
        assert_eq!(judge(&authority.certify(&responder, &right, days), refuse), "delegated");
        let unchecked = authority.certify(&responder, &right[..1], days);
        assert_eq!(judge(&unchecked, accept), "unchecked");
        assert_eq!(judge(&unchecked, refuse), "ocsp-responder-unchecked");
        assert_eq!(judge(&authority.certify(&responder, &right, (-9, -1)), accept), "ocsp-responder-expired");
        let refused = "ocsp-responder-not-authorised";
        assert_eq!(judge(&authority.certify(&responder, &[purpose(SERVER_AUTH)], days), accept), refused);
        assert_eq!(judge(&authority.certify(&responder, &[], days), accept), refused);
        let usage = NewExtension::new(true, &KeyUsage(KeyUsage::KEY_ENCIPHERMENT));
        let cannot_sign = [right[0].clone(), usage];
        assert_eq!(judge(&authority.certify(&responder, &cannot_sign, days), accept), refused);
        assert_eq!(judge(&Party::new("other").certify(&responder, &right, days), accept), refused);
        // Of the issuer's name, but not of its key.
        let second = Party { name: authority.name.clone(), key: Party::new("x").key };
        assert_eq!(judge(&second.certify(&responder, &right, days), accept), refused);
    }

    #[test]
    fn nonces_and_periods_of_answers_are_judged() {
        let (authority, issuer, certificate) = simple(&[]);
        let good = || Answer::new(&authority, CertificateStatus::Good);
        let judge = |answer: &Answer<'_>, sent: Option<&[u8]>, missing_nonce| {
            let der = answer.to_der();
            let mut given = Given::new(&certificate, &issuer).ocsp(&der, sent);
            given.policy.missing_nonce = missing_nonce;
            given.code()
        };
        let (refuse, accept) = (MissingNonce::Refuse, MissingNonce::Accept);
        let with = Answer { nonce: Some(&[1; 32]), ..good() };
        assert_eq!(judge(&with, Some(&[1; 32]), refuse), "not-revoked");
        assert_eq!(judge(&with, None, refuse), "not-revoked");
        assert_eq!(judge(&with, Some(&[2; 32]), accept), "ocsp-nonce-other");
        assert_eq!(judge(&good(), Some(&[2; 32]), refuse), "ocsp-nonce-missing");
        assert_eq!(judge(&good(), Some(&[2; 32]), accept), "not-revoked");
        let of = |from, until| Answer { days: (from, until), ..good() };
        let plain = |answer: Answer<'_>| judge(&answer, None, refuse);
        assert_eq!(plain(of(-3, Some(-1))), "revocation-source-stale");
        assert_eq!(plain(of(1, Some(2))), "revocation-source-not-yet-valid");
        assert_eq!(plain(of(-1, None)), "not-revoked");
        assert_eq!(plain(of(-2, None)), "revocation-source-too-old");
        let revoked = |reason| CertificateStatus::Revoked { since: NOW, reason: Some(reason) };
        let (lost, held) = (revoked(RevocationReason::KeyCompromise), revoked(RevocationReason::CertificateHold));
        assert_eq!(plain(Answer { status: lost, ..of(-3, Some(-1)) }), "revoked");
        assert_eq!(plain(Answer { status: held, ..of(-3, Some(-1)) }), "revocation-source-stale");
        assert_eq!(plain(Answer { status: held, ..of(-3, Some(1)) }), "suspended");
        // A certificate that expired before: only an archive says something of it.
        let expired = authority.certify(&Party::new("end"), &[], (-50, -10));
        let judge = |answer: Answer<'_>| Given::new(&expired, &issuer).ocsp(&answer.to_der(), None).code();
        assert_eq!(judge(good()), "revocation-expired-before");
        assert_eq!(judge(Answer { archive_cutoff: Some(NOW.plus_days(-10)), ..good() }), "not-revoked");
        assert_eq!(judge(Answer { archive_cutoff: Some(NOW.plus_days(-9)), ..good() }), "revocation-expired-before");
    }

    #[test]
    fn sources_that_contradict_each_other_are_weighed() {
        let (authority, issuer, certificate) = simple(&[]);
        let good = |days| Answer { days: (days, Some(9)), ..Answer::new(&authority, CertificateStatus::Good) }.to_der();
        let judge = |crl: &[u8], answer: &[u8], sources| {
            let mut given = Given::new(&certificate, &issuer).crls(&[crl]).ocsp(answer, None);
            given.policy.sources = sources;
            given.code()
        };
        let lost = authority.crl(|_| {}, &[entry(RevocationReason::KeyCompromise)]);
        let held = authority.crl(|_| {}, &[entry(RevocationReason::CertificateHold)]);
        for sources in [RevocationSources::OcspThenCrl, RevocationSources::CrlThenOcsp] {
            assert_eq!(judge(&lost, &good(0), sources), "revoked");
            // The list is of yesterday: an answer of today lifts the suspension, one of the day before does not.
            assert_eq!(judge(&held, &good(0), sources), "not-revoked");
            assert_eq!(judge(&held, &good(-2), sources), "suspended");
        }
        assert_eq!(judge(&lost, &good(0), RevocationSources::OcspOnly), "not-revoked");
        assert_eq!(judge(&lost, &good(0), RevocationSources::CrlOnly), "revoked");
    }

    #[test]
    fn the_policy_says_what_follows_where_nobody_knows() {
        let point = DistributionPoint { name: Some(full_name("http://a")), reasons: None, crl_issuer: Vec::new() };
        let (_, issuer, named) = simple(&[points(vec![point])]);
        let (_, _, silent) = simple(&[]);
        let given = Given::new(&named, &issuer);
        let (status, code) = (given.status(), given.code());
        assert_eq!(code, "revocation-no-evidence");
        let parse = |der| Certificate::parse(der).unwrap();
        for (unknown, of_named, of_silent) in [
            (UnknownRevocation::Refuse, false, false),
            (UnknownRevocation::RefuseWhereNamed, false, true),
            (UnknownRevocation::Accept, true, true),
        ] {
            let policy = RevocationPolicy { unknown, ..RevocationPolicy::default() };
            assert_eq!(policy.permits(&parse(&named), &status), of_named);
            assert_eq!(policy.permits(&parse(&silent), &status), of_silent);
        }
    }
}
