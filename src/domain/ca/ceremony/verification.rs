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
    if count(8) != count(4).saturating_add(count(5)) {
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
        let lists = plan.authorities.iter().map(|one| u64::from(one.crl_shards)).sum::<u64>();
        let signed = steps().filter(|step| matches!(step, Step::ListSigned { .. })).count();
        if u64::try_from(signed).is_ok_and(|signed| signed == lists) { Ok(()) } else { departs("revocation lists") }
    }
}
