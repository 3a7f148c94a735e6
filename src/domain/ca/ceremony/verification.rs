//! Signing a transcript, and judging a signed one: chain, signature, order of steps, every certificate and list in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{digest, hex, sm3};
use crate::crypto::sm2::KeyTables;
use crate::domain::ca::ceremony::transcript::{Record, Step, TranscriptError, read};
use crate::domain::ca::ceremony::{Plan, Protection};
use crate::domain::ca::possession::prove_authority;
use crate::domain::trust::key::{CheckedValue, check_signed, encode_value, public_key};
use crate::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier, verify_signer};
use crate::format::cms::{
    ContentType, Family, NewAttribute, NewSignedData, NewSigner, SignedData, SignerIdentifier, signing_certificate_v2,
};
use crate::format::der::ObjectIdentifier;
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::Certificate;
use crate::format::x509::crl::CertificateList;

/// A decision to sign exactly this transcript.
#[derive(Debug)]
pub struct SignatureToken<'a> {
    certificate: &'a Certificate<'a>,
    key: PublicKey,
    algorithm: SignatureAlgorithm,
    attributes: [NewAttribute; 4],
    to_sign: Vec<u8>,
}

const fn data() -> ObjectIdentifier {
    Family::Cms.oid(ContentType::Data)
}

/// Decides what the signature says: a detached SignedData (RFC 5652 5) by the key of that certificate.
///
/// # Errors
/// [`TranscriptError::Signer`]: the key is of no kind that we verify.
pub fn prepare_signature<'a>(
    text: &[u8],
    certificate: &'a Certificate<'a>,
    algorithm: SignatureAlgorithm,
    at: Timestamp,
) -> Result<SignatureToken<'a>, TranscriptError> {
    let key = public_key(&certificate.public_key).ok_or(TranscriptError::Signer)?;
    let hash = algorithm.digest();
    let named = signing_certificate_v2(
        hash.oid(),
        &digest(hash, certificate.raw),
        (certificate.issuer.raw(), certificate.serial),
    );
    let attributes = [
        NewAttribute::content_type(data()),
        NewAttribute::signing_time(at),
        NewAttribute::message_digest(&digest(hash, text)),
        named,
    ];
    let to_sign = NewAttribute::to_sign(&attributes);
    Ok(SignatureToken { certificate, key, algorithm, attributes, to_sign })
}

impl SignatureToken<'_> {
    /// The bytes to sign: the signed attributes.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// The message, from the value of fixed width that the key gave, with the certificates between the key's and its root:
    /// whoever has the root alone can judge it.
    ///
    /// # Errors
    /// [`TranscriptError::Signature`]: the value is wrong.
    pub fn assemble(&self, value: &[u8], between: &[&[u8]]) -> Result<Vec<u8>, TranscriptError> {
        if !self.key.verify_by(&KeyTables::default(), self.algorithm, &self.to_sign, value) {
            return Err(TranscriptError::Signature);
        }
        let Certificate { issuer, serial, .. } = *self.certificate;
        let signer = NewSigner {
            identifier: SignerIdentifier::IssuerAndSerial { issuer, serial },
            digest_algorithm: &digest_algorithm_identifier(self.algorithm.digest()),
            signed_attributes: &self.attributes,
            signature_algorithm: &signature_algorithm_identifier(self.algorithm),
            signature: &encode_value(self.algorithm, value),
            unsigned_attributes: &[],
        };
        let certificates = std::iter::once(self.certificate.raw).chain(between.iter().copied()).collect::<Vec<_>>();
        let message = NewSignedData {
            family: Family::Cms,
            content_type: data(),
            content: None,
            certificates: &certificates,
            crls: &[],
            signers: &[signer],
        };
        Ok(message.to_der())
    }
}

/// A transcript that is whole, in order and signed by the key that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its records.
    pub records: Vec<Record>,
    /// SM3 of its text.
    pub sm3: [u8; 32],
    /// The subject of the key that signed it.
    pub signer: String,
    /// Names and certificates in DER of the roots that were made: whoever reads the transcript compares their digests with
    /// what was announced elsewhere.
    pub roots: Vec<(String, Vec<u8>)>,
}

/// Judges a transcript: every record, its place in the chain, the signature, every certificate and list.
///
/// # Errors
/// The first thing that is not right.
pub fn verify(text: &[u8], signature: &[u8], plan: Option<&[u8]>) -> Result<Verified, TranscriptError> {
    let records = read(text)?;
    order(&records)?;
    let message = SignedData::parse(signature).map_err(|_| TranscriptError::SignatureForm)?;
    let [signer] = &message.signers[..] else { return Err(TranscriptError::SignatureForm) };
    if message.content.is_some() || message.content_type != data() || signer.signed_attributes.is_none() {
        return Err(TranscriptError::SignatureForm);
    }
    let certificate = signing_certificate(&records)?;
    let certificate = Certificate::parse(&certificate).map_err(|_| TranscriptError::Signer)?;
    if !signer.identifier.names(&certificate) {
        return Err(TranscriptError::Signer);
    }
    verify_signer(&message, signer, Some(text), &certificate, &KeyTables::default())
        .map_err(|_| TranscriptError::Signature)?;
    let roots = objects(&records)?;
    if let (Some(plan), Some(Record { step: Step::Opened { plan_sm3, .. }, .. })) = (plan, records.first()) {
        let digest = hex(&sm3(plan));
        if digest != *plan_sm3 {
            return Err(TranscriptError::OtherPlan { transcript: plan_sm3.clone(), plan: digest });
        }
    }
    Ok(Verified { sm3: sm3(text), signer: certificate.subject.display(), records, roots })
}

/// Steps come in their order; what each ceremony has is there once, what belongs together in the same number.
fn order(records: &[Record]) -> Result<(), TranscriptError> {
    let mut last = 0;
    for Record { number, step, .. } in records {
        let single = matches!(step.rank(), 0 | 1 | 3 | 6 | 9);
        let first = *number == 1;
        if step.rank() < last || (single && !first && step.rank() == last) || (first != (step.rank() == 0)) {
            return Err(TranscriptError::Order { number: *number, step: step.name() });
        }
        last = step.rank();
    }
    let count = |rank: u8| records.iter().filter(|record| record.step.rank() == rank).count();
    for (rank, step) in [
        (3, "installation-opened"),
        (4, "authority-made"),
        (6, "transcript-key-made"),
        (7, "list-signed"),
        (9, "closed"),
    ] {
        if count(rank) == 0 {
            return Err(TranscriptError::Missing { step });
        }
    }
    let named = |paths: bool| {
        let names = records.iter().filter_map(|record| match &record.step {
            Step::AuthorityMade { authority, .. } | Step::AuthorityCertified { authority, .. } if !paths => {
                Some(authority)
            }
            Step::PathValidated { authority, .. } if paths => Some(authority),
            _ => None,
        });
        let mut names = names.collect::<Vec<_>>();
        names.sort_unstable();
        names
    };
    // Each one's, once: a second look at the same path does not stand in for another's.
    if named(true) != named(false) {
        return Err(TranscriptError::Missing { step: "path-validated" });
    }
    let shares = records.iter().find_map(|record| match &record.step {
        Step::SharesMade { shares, .. } => Some(shares),
        _ => None,
    });
    let confirmed = |name: &str, share: u8| {
        records.iter().any(|record| {
            matches!(&record.step, Step::ShareConfirmed { custodian, share: given } if custodian == name && *given == share)
        })
    };
    let made = shares.map_or(&[][..], Vec::as_slice);
    if count(2) != made.len() || !made.iter().all(|share| confirmed(&share.custodian, share.number)) {
        return Err(TranscriptError::Missing { step: "share-confirmed" });
    }
    Ok(())
}

fn signing_certificate(records: &[Record]) -> Result<Vec<u8>, TranscriptError> {
    let found = records.iter().find_map(|record| match &record.step {
        Step::TranscriptKeyMade { certificate, .. } => STANDARD.decode(certificate).ok(),
        _ => None,
    });
    found.ok_or(TranscriptError::Signer)
}

/// Whether the authority whose certificate this is signed that.
fn signed_by(above: &Certificate<'_>, algorithm: &AlgorithmIdentifier<'_>, signed: (&[u8], &[u8])) -> bool {
    let key: &SubjectPublicKeyInfo<'_> = &above.public_key;
    matches!(check_signed(key, algorithm, signed, &KeyTables::default()), CheckedValue::Right { .. })
}

fn certified_by(above: &Certificate<'_>, certificate: &Certificate<'_>) -> bool {
    above.subject.raw() == certificate.issuer.raw()
        && signed_by(above, &certificate.signature_algorithm, (certificate.tbs, certificate.signature))
}

/// Every certificate and list is that of its digest, and signed by the authority that the record names; gives the roots.
fn objects(records: &[Record]) -> Result<Vec<(String, Vec<u8>)>, TranscriptError> {
    let (mut known, mut roots) = (Vec::<(String, Vec<u8>)>::new(), Vec::new());
    for Record { number, step, .. } in records {
        let wrong = TranscriptError::Object { number: *number, step: step.name() };
        let decoded = |text: &str, digest: &str| {
            STANDARD.decode(text).ok().filter(|der| hex(&sm3(der)) == digest).ok_or_else(|| wrong.clone())
        };
        let find = |name: &str| {
            known.iter().find(|(known, _)| known == name).map(|(_, der)| der.clone()).ok_or_else(|| wrong.clone())
        };
        match step {
            Step::AuthorityMade { authority, parent, certificate_sm3, certificate, .. } => {
                let der = decoded(certificate, certificate_sm3)?;
                let above = parent.as_deref().map_or_else(|| Ok(der.clone()), find)?;
                let parse = |der| Certificate::parse(der).map_err(|_| wrong.clone());
                if !certified_by(&parse(&above)?, &parse(&der)?) || find(authority).is_ok() {
                    return Err(wrong);
                }
                if parent.is_none() {
                    roots.push((authority.clone(), der.clone()));
                }
                known.push((authority.clone(), der));
            }
            Step::AuthorityCertified {
                authority, issuer, request_sm3, request, certificate_sm3, certificate, ..
            } => {
                let (der, above) = (decoded(certificate, certificate_sm3)?, find(issuer)?);
                let request = decoded(request, request_sm3)?;
                let parse = |der| Certificate::parse(der).map_err(|_| wrong.clone());
                let certificate = parse(&der)?;
                // The certificate is for the key that the request proves.
                let proved = prove_authority(&certificate, Some(&request)).is_ok();
                if !proved || !certified_by(&parse(&above)?, &certificate) || find(authority).is_ok() {
                    return Err(wrong);
                }
                known.push((authority.clone(), der));
            }
            Step::TranscriptKeyMade { authority, certificate_sm3, certificate, .. } => {
                let (der, above) = (decoded(certificate, certificate_sm3)?, find(authority)?);
                let parse = |der| Certificate::parse(der).map_err(|_| wrong.clone());
                if !certified_by(&parse(&above)?, &parse(&der)?) {
                    return Err(wrong);
                }
            }
            Step::ListSigned { authority, list_number: of_list, list_sm3, list, .. } => {
                let (der, above) = (decoded(list, list_sm3)?, find(authority)?);
                let above = Certificate::parse(&above).map_err(|_| wrong.clone())?;
                let list = CertificateList::parse(&der).map_err(|_| wrong.clone())?;
                let octets = of_list.to_be_bytes();
                let stripped = octets.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
                let right = list.issuer.raw() == above.subject.raw()
                    && list.number == Some(&stripped[..])
                    && signed_by(&above, &list.signature_algorithm, (list.tbs, list.signature));
                if !right {
                    return Err(wrong);
                }
            }
            _ => {}
        }
    }
    Ok(roots)
}

impl Verified {
    /// Whether what was done is what the plan says: title, people, shares, authorities.
    ///
    /// # Errors
    /// [`TranscriptError::Departure`], with the first thing that differs.
    pub fn follows(&self, plan: &Plan) -> Result<(), TranscriptError> {
        let steps = || self.records.iter().map(|record| &record.step);
        let departs = |what| Err(TranscriptError::Departure { what });
        let opened = steps().any(|step| match step {
            Step::Opened { title, present, .. } => {
                let told = present.iter().map(|person| (person.name.as_str(), person.part.as_str()));
                *title == plan.title
                    && told.eq(plan.present.iter().map(|person| (person.name.as_str(), person.part.name())))
            }
            _ => false,
        });
        if !opened {
            return departs("title or people");
        }
        let shared = steps().find_map(|step| match step {
            Step::SharesMade { threshold, shares, .. } => Some((*threshold, shares)),
            _ => None,
        });
        let agrees = match (&plan.protection, shared) {
            (Protection::Device, None) => true,
            (Protection::Shares { threshold, custodians }, Some((needed, shares))) => {
                *threshold == needed
                    && shares.iter().map(|share| &share.custodian).eq(custodians.iter().map(|one| &one.name))
            }
            _ => false,
        };
        if !agrees {
            return departs("shares");
        }
        let made = steps().filter_map(|step| match step {
            Step::AuthorityMade { authority, name, profile, parent, algorithm, .. } => {
                Some((authority.as_str(), name.as_str(), profile.as_str(), parent.as_deref(), algorithm.as_str()))
            }
            _ => None,
        });
        let planned = plan.authorities.iter().map(|one| {
            let parent = one.parent.as_ref().map(|parent| parent.as_str());
            (one.id.as_str(), one.name.as_str(), one.profile.as_str(), parent, one.algorithm.name())
        });
        if !made.eq(planned) {
            return departs("authorities");
        }
        let certified = steps().filter_map(|step| match step {
            Step::AuthorityCertified { authority, profile, issuer, request_sm3, .. } => {
                Some((authority.as_str(), profile.as_str(), issuer.as_str(), request_sm3.clone()))
            }
            _ => None,
        });
        let planned = plan.certificates.iter();
        let planned = planned.map(|one| (one.id.as_str(), &*one.profile, one.issuer.as_str(), hex(&one.csr_sm3)));
        if !certified.eq(planned) {
            return departs("certificates for others");
        }
        // Each shard's, once: a list that is there twice does not stand in for another.
        let shards =
            plan.authorities.iter().flat_map(|one| (0..one.crl_shards).map(move |shard| (one.id.as_str(), shard)));
        let signed = steps().filter_map(|step| match step {
            Step::ListSigned { authority, shard, .. } => Some((authority.as_str(), *shard)),
            _ => None,
        });
        let (mut shards, mut signed) = (shards.collect::<Vec<_>>(), signed.collect::<Vec<_>>());
        shards.sort_unstable();
        signed.sort_unstable();
        if signed == shards { Ok(()) } else { departs("revocation lists") }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::base::id::AuthorityId;
    use crate::base::random::SystemRandom;
    use crate::config::profiles::built_in;
    use crate::crypto::algorithm::OID_SM2_WITH_SM3;
    use crate::crypto::{Signer, sm2};
    use crate::domain::ca::ceremony::{
        Attendance, Custodian, Part, Person, PlannedAuthority, PlannedCertificate, ShareRecord, Transcript,
        TranscriptSigner,
    };
    use crate::domain::ca::profile::AttributeKind;
    use crate::domain::ca::specimen::certificate;
    use crate::domain::ca::taking_in::prepare_request;
    use crate::domain::key::KeyAlgorithm;
    use crate::format::x509::crl::{NewCrl, NewEntries};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const PLAN: &[u8] = b"the plan's text";

    /// A ceremony: its plan, its steps in the plan's order, and the key that signs its transcript.
    struct Held {
        plan: Plan,
        steps: Vec<Step>,
        signer: sm2::PrivateKey,
        certificate: Vec<u8>,
    }

    static HELD: LazyLock<Held> = LazyLock::new(held);

    fn id(name: &str) -> AuthorityId {
        AuthorityId::parse(name).unwrap()
    }

    fn list(issuer: &[u8], key: &sm2::PrivateKey) -> Vec<u8> {
        let issuer = Certificate::parse(issuer).unwrap();
        let new = NewCrl {
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: issuer.subject.raw(),
            this_update: NOW,
            next_update: NOW.plus_days(1),
            authority_key_identifier: &[5; 20],
            number: &[1],
            delta_base: None,
            issuing_distribution_point: None,
            freshest: None,
            others: &[],
        };
        let tbs = new.to_tbs(&NewEntries::default()).unwrap();
        let value = Signer::sign(key, &tbs, &SystemRandom).unwrap();
        NewCrl::assemble(&tbs, OID_SM2_WITH_SM3, &encode_value(key.algorithm(), &value))
    }

    fn held() -> Held {
        let key = || sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let (root_key, below_key, other_key, signer) = (key(), key(), key(), key());
        let public = |key: &sm2::PrivateKey| Signer::public_key(key);
        let by: (&str, &dyn Signer) = ("root", &root_key);
        let root = certificate("root", ("root", &public(&root_key)), by, 99, NOW);
        let below = certificate("intermediate", ("below", &public(&below_key)), by, 2, NOW);
        let other = certificate("intermediate", ("other", &public(&other_key)), by, 3, NOW);
        let signing = certificate("log", ("transcript", &public(&signer)), by, 4, NOW);
        let profiles = built_in().unwrap();
        let subject =
            vec![(AttributeKind::Organisation, "示例".to_owned()), (AttributeKind::CommonName, "other".to_owned())];
        let asking = (&public(&other_key), other_key.algorithm());
        let token = prepare_request(profiles.require("intermediate").unwrap(), &subject, asking).unwrap();
        let value = Signer::sign(&other_key, token.to_sign(), &SystemRandom).unwrap();
        let request = token.assemble(&value).unwrap();

        let made = |name: &str, profile: &str, parent: Option<&str>, der: &[u8]| Step::AuthorityMade {
            authority: name.to_owned(),
            name: name.to_owned(),
            profile: profile.to_owned(),
            parent: parent.map(str::to_owned),
            key: format!("key-{name}"),
            algorithm: "sm2".to_owned(),
            certificate_sm3: hex(&sm3(der)),
            certificate: STANDARD.encode(der),
        };
        let signed = |name: &str, der: Vec<u8>| Step::ListSigned {
            authority: name.to_owned(),
            shard: 0,
            list_number: 1,
            next_update: NOW.plus_days(1).to_string(),
            list_sm3: hex(&sm3(&der)),
            list: STANDARD.encode(&der),
        };
        let confirmed = |name: &str, share| Step::ShareConfirmed { custodian: name.to_owned(), share };
        let path = |name: &str| Step::PathValidated { authority: name.to_owned(), path: vec![name.to_owned()] };
        let share = |name: &str, number| ShareRecord { custodian: name.to_owned(), number, sm3: "00".to_owned() };
        let steps = vec![
            Step::Opened {
                title: "two authorities".to_owned(),
                plan_sm3: hex(&sm3(PLAN)),
                program: "yinxin".to_owned(),
                program_sha256: "00".to_owned(),
                self_tests: 1,
                profile: "standard".to_owned(),
                present: vec![Attendance { name: "Zhou".to_owned(), part: "witness".to_owned() }],
            },
            Step::SharesMade { set: "s".to_owned(), threshold: 2, shares: vec![share("Li", 1), share("Sun", 2)] },
            confirmed("Li", 1),
            confirmed("Sun", 2),
            Step::InstallationOpened { key_encryption_key: "kek".to_owned(), protection: "shares".to_owned() },
            made("root", "root", None, &root),
            made("below", "intermediate", Some("root"), &below),
            Step::AuthorityCertified {
                authority: "other".to_owned(),
                profile: "intermediate".to_owned(),
                issuer: "root".to_owned(),
                request_sm3: hex(&sm3(&request)),
                request: STANDARD.encode(&request),
                certificate_sm3: hex(&sm3(&other)),
                certificate: STANDARD.encode(&other),
            },
            Step::TranscriptKeyMade {
                authority: "root".to_owned(),
                algorithm: "sm2".to_owned(),
                certificate_sm3: hex(&sm3(&signing)),
                certificate: STANDARD.encode(&signing),
            },
            signed("root", list(&root, &root_key)),
            signed("below", list(&below, &below_key)),
            path("root"),
            path("below"),
            path("other"),
            Step::Closed { authorities: 2, lists: 2 },
        ];
        let planned = |name: &str, profile: &str, parent: Option<&str>| PlannedAuthority {
            id: id(name),
            name: name.to_owned(),
            profile: profile.to_owned(),
            algorithm: KeyAlgorithm::Sm2,
            subject: Vec::new(),
            not_after: None,
            parent: parent.map(id),
            base_url: String::new(),
            crl_shards: 1,
            crl_days: 1,
        };
        let custodian = |name: &str| Custodian { name: name.to_owned(), file: name.into() };
        let plan = Plan {
            title: "two authorities".to_owned(),
            installation: "installation".into(),
            present: vec![Person { name: "Zhou".to_owned(), part: Part::Witness }],
            protection: Protection::Shares { threshold: 2, custodians: vec![custodian("Li"), custodian("Sun")] },
            authorities: vec![planned("root", "root", None), planned("below", "intermediate", Some("root"))],
            certificates: vec![PlannedCertificate {
                id: id("other"),
                issuer: id("root"),
                profile: "intermediate".to_owned(),
                csr: "other.csr".into(),
                csr_sm3: sm3(&request),
                not_after: None,
            }],
            transcript: TranscriptSigner { authority: id("root"), algorithm: KeyAlgorithm::Sm2, subject: Vec::new() },
        };
        Held { plan, steps, signer, certificate: signing }
    }

    impl Held {
        fn written(&self, order: &[usize]) -> String {
            let mut transcript = Transcript::default();
            for (second, index) in (0..).zip(order) {
                transcript.add(NOW.plus_seconds(second), self.steps[*index].clone()).unwrap();
            }
            transcript.text().to_owned()
        }

        fn signed(&self, text: &str) -> Vec<u8> {
            let certificate = Certificate::parse(&self.certificate).unwrap();
            let algorithm = self.signer.algorithm();
            let token = prepare_signature(text.as_bytes(), &certificate, algorithm, NOW).unwrap();
            let value = Signer::sign(&self.signer, token.to_sign(), &SystemRandom).unwrap();
            token.assemble(&value, &[]).unwrap()
        }

        /// As whoever audits judges it: the transcript by itself, then against the plan.
        fn judge(&self, order: &[usize]) -> Result<(), TranscriptError> {
            let text = self.written(order);
            verify(text.as_bytes(), &self.signed(&text), Some(PLAN))?.follows(&self.plan)
        }

        /// Whether these are the steps of the plan, each once, in its order. Within one kind custodians come as they
        /// come, and so do lists and paths; authorities stand as they are planned.
        fn is_planned(&self, order: &[usize]) -> bool {
            let mut all = order.to_vec();
            all.sort_unstable();
            let of_kind = |index: &usize| match self.steps[*index].name() {
                name @ ("share-confirmed" | "list-signed" | "path-validated") => (name, 0),
                name => (name, *index),
            };
            let whole = (0..self.steps.len()).collect::<Vec<_>>();
            all == whole && order.iter().map(of_kind).eq(whole.iter().map(of_kind))
        }
    }

    #[test]
    fn the_plans_order_verifies() {
        let order = (0..HELD.steps.len()).collect::<Vec<_>>();
        assert_eq!(HELD.judge(&order), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]

        /// Some steps change places, some are left out, some are there twice.
        #[test]
        fn a_transcript_verifies_exactly_when_its_order_is_the_plans(
            swaps in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3), 0..3),
            left_out in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
            twice in proptest::option::weighted(0.2, any::<(prop::sample::Index, prop::sample::Index)>()),
            stands_in in proptest::option::weighted(0.2, any::<(prop::sample::Index, prop::sample::Index)>()),
        ) {
            let mut order = (0..HELD.steps.len()).collect::<Vec<_>>();
            for (at, by) in swaps {
                let at = at.index(order.len());
                let other = (at + by) % order.len();
                order.swap(at, other);
            }
            if let Some((at, from)) = stands_in {
                let (at, from) = (at.index(order.len()), from.index(order.len()));
                order[at] = order[from];
            }
            if let Some(at) = left_out {
                order.remove(at.index(order.len()));
            }
            if let Some((at, from)) = twice {
                let step = order[from.index(order.len())];
                order.insert(at.index(order.len()), step);
            }
            let judged = HELD.judge(&order);
            prop_assert_eq!(judged.is_ok(), HELD.is_planned(&order), "{:?}: {:?}", order, judged);
        }

        #[test]
        fn any_order_at_all_is_judged(order in proptest::collection::vec(0_usize..15, 0..20)) {
            prop_assert_eq!(HELD.judge(&order).is_ok(), HELD.is_planned(&order));
        }

        #[test]
        fn a_step_that_was_changed_is_refused_by_name(at in any::<prop::sample::Index>(), octet in 0x20_u8..0x7f) {
            let text = HELD.written(&(0..HELD.steps.len()).collect::<Vec<_>>());
            let signature = HELD.signed(&text);
            let mut changed = text.clone().into_bytes();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != octet);
            let number = u64::try_from(text.as_bytes()[..at].split(|octet| *octet == b'\n').count()).unwrap();
            changed[at] = octet;
            let refused = verify(&changed, &signature, None).unwrap_err();
            let last = number == u64::try_from(HELD.steps.len()).unwrap();
            let names = |of: u64| HELD.steps[usize::try_from(of).unwrap() - 1].name();
            match refused {
                // The digest that a record carries is that of the one before it.
                TranscriptError::Chain { number: of, step, next } => {
                    prop_assert!(of == number || next == number, "{} is not {}", of, number);
                    prop_assert_eq!((step, next), (names(of), of + 1));
                }
                TranscriptError::Form { number: of }
                | TranscriptError::Number { number: of, .. }
                | TranscriptError::Time { number: of } => prop_assert_eq!(of, number),
                TranscriptError::Beginning => prop_assert_eq!(number, 1),
                TranscriptError::Signature => prop_assert!(last),
                other => return Err(TestCaseError::fail(format!("{other:?} for record {number}"))),
            }
        }
    }
}
