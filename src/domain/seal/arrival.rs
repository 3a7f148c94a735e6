//! A seal that a maker elsewhere made for an application: it must be the one that was applied for, by a maker whom the
//! installation trusts, for the key that asked.
//!
//! Not asked here: revocation. Whoever verifies a document asks it, for the moment of signing.

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::crypto::sm2::KeyTables;
use crate::domain::seal::application::{SealForm, SignerList, Wanted};
use crate::domain::seal::taking;
use crate::domain::trust::{
    AlgorithmPolicy, Budget, Computed, PathFailure, PathPolicy, PathQuestion, SignatureUsed, TrustAnchors, TrustedPath,
    Unacceptable, Use, public_key,
};
use crate::format::der;
use crate::format::ses::{CertificateList, Layout};
use crate::format::trust_list::TrustUse;
use crate::format::x509::Certificate;

/// How far a maker's clock may be ahead of ours, in seconds.
const CLOCKS_DIFFER: i64 = 300;
/// How much shorter than applied for a validity may be, in days: makers count to midnight.
const DAYS_SHORT: i64 = 1;

/// What came.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// The seal, DER.
    pub seal: &'a [u8],
    /// The signer's certificate first, then those above it and above the maker, DER.
    pub certificates: &'a [Vec<u8>],
}

/// What was applied for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// As it was approved.
    pub wanted: &'a Wanted,
    /// The code that was taken for it.
    pub code: &'a str,
    /// The signer's key as we write it (SubjectPublicKeyInfo, DER).
    pub key: &'a [u8],
    /// When it was ordered.
    pub ordered_at: Timestamp,
}

/// Whom we trust, and what we accept.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// Anchors of makers and of signers.
    pub trust: &'a TrustAnchors,
    /// Which algorithms.
    pub algorithms: &'a AlgorithmPolicy,
    /// Now.
    pub now: Timestamp,
}

/// Why what came is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrivalRefused {
    /// No certificate came with the seal.
    #[error("no certificate of its signer came with the seal")]
    NoCertificate,
    /// Seal, certificate and key do not belong together.
    #[error(transparent)]
    Taking(#[from] taking::Error),
    /// It says something else than the application.
    #[error("{field} of the seal is not what was applied for")]
    Differs {
        /// `form`, `list`, `code`, `type`, `name`, `picture`, `size`, `created`, `validity`, `holder`.
        field: &'static str,
    },
    /// A certificate that came beside it cannot be read.
    #[error("a certificate that came with the seal cannot be read")]
    Certificate(#[source] der::Error),
    /// Nobody whom we trust answers for the maker, or for the signer.
    #[error("the certificate of the {whose} leads to no anchor for it")]
    Path {
        /// `maker` or `signer`.
        whose: &'static str,
        /// Why.
        source: Box<PathFailure>,
    },
    /// The certificate is not valid when it must be.
    #[error("the certificate of the {whose} is not valid then")]
    NotValid {
        /// `maker` or `signer`.
        whose: &'static str,
    },
    /// It has a time stamp, and that is wrong (GM/T 0031-2025).
    #[error("the time stamp of the seal that came is wrong: {code}")]
    TimeStamp {
        /// The verifier's code.
        code: &'static str,
    },
    /// An algorithm that is not accepted.
    #[error(transparent)]
    Algorithm(#[from] Unacceptable),
}

impl ArrivalRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "arrival-certificate-missing",
            Self::Taking(error) => error.code(),
            Self::Differs { field } => match field.as_bytes() {
                b"form" => "arrival-form",
                b"list" => "arrival-list",
                b"code" => "arrival-code",
                b"type" => "arrival-type",
                b"name" => "arrival-name",
                b"picture" => "arrival-picture",
                b"size" => "arrival-size",
                b"created" => "arrival-created",
                b"validity" => "arrival-validity",
                _ => "arrival-holder",
            },
            Self::Certificate(_) => "certificate-unreadable",
            Self::Path { .. } => "arrival-untrusted",
            Self::NotValid { .. } => "arrival-certificate-validity",
            Self::TimeStamp { .. } => "arrival-time-stamp",
            Self::Algorithm(error) => error.code(),
        }
    }
}

/// A seal that is what was applied for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitting {
    /// SM3 of the seal.
    pub seal_sm3: [u8; 32],
    /// The signer's certificate, DER.
    pub signer: Vec<u8>,
    /// SM3 of the maker's certificate.
    pub maker_sm3: [u8; 32],
    /// Until when it can be used: its own end, or that of its signer's certificate.
    pub valid_to: Timestamp,
}

/// Whether what came is what was applied for, by somebody whom we trust.
///
/// # Errors
/// The first rule that it breaks.
pub fn examine(
    arrived: &Arrived<'_>,
    expected: &Expected<'_>,
    grounds: &Grounds<'_>,
) -> Result<Fitting, ArrivalRefused> {
    let signer_der = arrived.certificates.first().ok_or(ArrivalRefused::NoCertificate)?;
    let (seal, signer) = taking::examine(arrived.seal, signer_der, expected.key)?;
    let Expected { wanted, code, ordered_at, .. } = expected;
    let form = match wanted.form {
        SealForm::V1 => Layout::V1,
        SealForm::V4 => Layout::V4,
        SealForm::V5 => Layout::V5,
    };
    let list = match seal.certificates {
        CertificateList::Certificates(_) => SignerList::Certificates,
        CertificateList::Digests(_) => SignerList::Digests,
    };
    let length = seal.valid_end.unix().saturating_sub(seal.valid_start.unix());
    let (most, least) = (i64::from(wanted.days), i64::from(wanted.days).saturating_sub(DAYS_SHORT));
    let is_long = |days: i64| days.saturating_mul(86_400);
    let subject = signer.subject.display();
    let rules = [
        ("form", seal.layout == form),
        ("list", list == wanted.list),
        // A maker who gives no code leaves ours.
        ("code", seal.es_id == *code || seal.es_id.is_empty()),
        ("type", seal.kind == u32::from(wanted.kind)),
        ("name", seal.name == wanted.name),
        ("picture", seal.picture_type.eq_ignore_ascii_case("png") && sm3(seal.picture) == wanted.picture_sm3),
        ("size", (seal.width, seal.height) == (wanted.size_mm.0.into(), wanted.size_mm.1.into())),
        (
            "created",
            seal.created.unix() >= ordered_at.unix().saturating_sub(CLOCKS_DIFFER)
                && seal.created.unix() <= grounds.now.unix().saturating_add(CLOCKS_DIFFER),
        ),
        (
            "validity",
            (is_long(least)..=is_long(most)).contains(&length)
                && seal.valid_start.unix() <= grounds.now.unix().saturating_add(CLOCKS_DIFFER)
                && seal.valid_end > grounds.now,
        ),
        ("holder", subject.contains(wanted.holder.credit_code.as_str())),
    ];
    if let Some((field, _)) = rules.iter().find(|(_, holds)| !holds) {
        return Err(ArrivalRefused::Differs { field });
    }
    let parse = |der| Certificate::parse(der).map_err(ArrivalRefused::Certificate);
    let maker = parse(seal.maker_certificate)?;
    let beside = arrived.certificates.iter().skip(1).map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    // The certificate may begin with the seal's very second, by a clock that is a little ahead.
    let at = grounds.now.max(signer.not_before);
    if grounds.now.unix() < signer.not_before.unix().saturating_sub(CLOCKS_DIFFER) || grounds.now > signer.not_after {
        return Err(ArrivalRefused::NotValid { whose: "signer" });
    }
    if seal.created < maker.not_before || seal.created > maker.not_after || !maker.allows_signing() {
        return Err(ArrivalRefused::NotValid { whose: "maker" });
    }
    let walk = |whose, end: &Certificate<'_>, wanted, at| -> Result<TrustedPath, ArrivalRefused> {
        let policy = PathPolicy::seal_for(wanted);
        let tables = KeyTables::default();
        let (trust, policy, tables, check) = (grounds.trust, &policy, &tables, &Computed);
        let question = PathQuestion { end, trust, beside: &beside, at, policy, tables, check, revocation: None };
        let found = question.answer(&mut Budget::new(&Limits::DEFAULT));
        let path = found.map_err(|source| ArrivalRefused::Path { whose, source: Box::new(source) })?;
        path.algorithms_accepted(grounds.algorithms, grounds.now)?;
        Ok(path)
    };
    walk("maker", &maker, TrustUse::SealMaking, seal.created)?;
    walk("signer", &signer, TrustUse::SealSigning, at)?;
    let algorithm = SignatureAlgorithm::from_oid(seal.signature_algorithm);
    let unknown = || Unacceptable::Refused { algorithm: seal.signature_algorithm.to_string(), wanted: Use::Accept };
    let (Some(algorithm), Some(key)) = (algorithm, public_key(&maker.public_key)) else { return Err(unknown().into()) };
    grounds.algorithms.signature(&SignatureUsed::of(&key, algorithm), grounds.now, Use::Accept)?;
    Ok(Fitting {
        seal_sm3: sm3(arrived.seal),
        signer: signer_der.clone(),
        maker_sm3: sm3(seal.maker_certificate),
        valid_to: seal.valid_end.min(signer.not_after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::credit_code::CreditCode;
    use crate::base::division::Division;
    use crate::base::id::{CallerId, KeyId};
    use crate::base::random::SystemRandom;
    use crate::crypto::{PublicKey, Signer as _, sm2};
    use crate::domain::ca::specimen;
    use crate::domain::seal::application::{Holder, Maker, SignerKey};
    use crate::domain::seal::maker;
    use crate::domain::trust::key::subject_public_key_info;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const CODE: &str = "99000000000001";

    fn wanted() -> Wanted {
        Wanted {
            kind: 1,
            name: "示例章".into(),
            holder: Holder {
                credit_code: CreditCode::parse("99990000000000001F").unwrap(),
                name: "示例章".into(),
                division: Division::parse("330106").unwrap(),
            },
            keeper: CallerId::parse("k").unwrap(),
            picture_sm3: sm3(b"picture"),
            size_mm: (40, 42),
            form: SealForm::V4,
            list: SignerList::Certificates,
            key: SignerKey::Ours(KeyId::parse("key").unwrap()),
            maker: Maker::National,
            profile: "seal-signer".into(),
            days: 9,
            filing: None,
        }
    }

    #[test]
    fn only_what_was_applied_for_by_a_maker_whom_we_trust() {
        let [ca, making, signing, other] = [(); 4].map(|()| sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let public = |key: &sm2::PrivateKey| PublicKey::Sm2(key.public_key());
        let certificate = |profile, key: &sm2::PrivateKey, by: (&str, &sm2::PrivateKey), serial| {
            specimen::certificate(profile, ("印章", &public(key)), (by.0, by.1), serial, NOW)
        };
        let root = specimen::certificate("root", ("根", &public(&ca)), ("根", &ca), 99, NOW);
        let maker_der = certificate("seal-maker", &making, ("根", &ca), 1);
        let signer_der = certificate("seal-signer", &signing, ("根", &ca), 2);
        let strangers = certificate("seal-maker", &making, ("别的", &other), 3);
        let signers: [&[u8]; 1] = [&signer_der];
        let usual = maker::SealRequest {
            es_id: CODE,
            name: "示例章",
            signers: &signers,
            created: NOW,
            valid_end: NOW.plus_days(9),
            picture_type: "png",
            picture: b"picture",
            size_mm: (40, 42),
            kind: 1,
            form: SealForm::V4,
            list: SignerList::Certificates,
        };
        let algorithms = AlgorithmPolicy::whatever_we_compute();
        let make = |request: &maker::SealRequest<'_>, by: &[u8]| {
            let token = maker::prepare(request, by, making.algorithm(), &algorithms).unwrap();
            let value = making.sign(token.to_sign(), &SystemRandom).unwrap();
            token.assemble(&value).unwrap()
        };
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&root, "root").unwrap();
        let key = subject_public_key_info(&public(&signing));
        let judge = |seal: &[u8], key: &[u8], trust: &TrustAnchors, now| {
            let (wanted, certificates) = (wanted(), [signer_der.clone()]);
            let expected = Expected { wanted: &wanted, code: CODE, key, ordered_at: NOW };
            let grounds = Grounds { trust, algorithms: &algorithms, now };
            examine(&Arrived { seal, certificates: &certificates }, &expected, &grounds)
        };
        let seal = make(&usual, &maker_der);
        let fitting = judge(&seal, &key, &trust, NOW).unwrap();
        assert_eq!((fitting.seal_sm3, fitting.maker_sm3), (sm3(&seal), sm3(&maker_der)));
        assert_eq!(fitting.valid_to, NOW.plus_days(9));

        let field =
            |request: maker::SealRequest<'_>| judge(&make(&request, &maker_der), &key, &trust, NOW).unwrap_err().code();
        assert_eq!(field(maker::SealRequest { form: SealForm::V5, ..usual }), "arrival-form");
        assert_eq!(field(maker::SealRequest { list: SignerList::Digests, ..usual }), "arrival-list");
        assert_eq!(field(maker::SealRequest { es_id: "99000000000002", ..usual }), "arrival-code");
        assert_eq!(field(maker::SealRequest { kind: 2, ..usual }), "arrival-type");
        assert_eq!(field(maker::SealRequest { name: "别的章", ..usual }), "arrival-name");
        assert_eq!(field(maker::SealRequest { picture: b"other", ..usual }), "arrival-picture");
        assert_eq!(field(maker::SealRequest { picture_type: "ofd", ..usual }), "arrival-picture");
        assert_eq!(field(maker::SealRequest { size_mm: (42, 40), ..usual }), "arrival-size");
        assert_eq!(field(maker::SealRequest { valid_end: NOW.plus_days(10), ..usual }), "arrival-validity");
        assert_eq!(field(maker::SealRequest { valid_end: NOW.plus_days(7), ..usual }), "arrival-validity");
        let later = maker::SealRequest { created: NOW.plus_days(1), valid_end: NOW.plus_days(10), ..usual };
        assert_eq!(field(later), "arrival-created");

        assert_eq!(judge(&seal, &key, &trust, NOW.plus_days(9)).unwrap_err().code(), "arrival-validity");
        let foreign = subject_public_key_info(&public(&other));
        assert_eq!(judge(&seal, &foreign, &trust, NOW).unwrap_err().code(), "certificate-of-another-key");
        let untrusted = judge(&make(&usual, &strangers), &key, &trust, NOW).unwrap_err();
        assert!(matches!(untrusted, ArrivalRefused::Path { whose: "maker", .. }), "{untrusted}");
        assert_eq!(judge(&seal, &key, &TrustAnchors::none(), NOW).unwrap_err().code(), "arrival-untrusted");
        let none = Arrived { seal: &seal, certificates: &[] };
        let wanted = wanted();
        let expected = Expected { wanted: &wanted, code: CODE, key: &key, ordered_at: NOW };
        let grounds = Grounds { trust: &trust, algorithms: &algorithms, now: NOW };
        assert_eq!(examine(&none, &expected, &grounds), Err(ArrivalRefused::NoCertificate));
        let mut changed = seal.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(judge(&changed, &key, &trust, NOW).unwrap_err().code(), "seal-signature-wrong");
    }
}
