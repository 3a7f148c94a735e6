//! The development PKI: made fresh on each machine, kept in the database, trusted only where the configuration says so.
//!
//! SM2 root → seal-issuing authority → seal maker, two SM2 signers, one RSA signer; one seal for each signer. The
//! seals bear 样章 (specimen) and the name of an organisation that does not exist.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId, SealId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::{self, Profiles};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyState, Owner};
use crate::domain::seal::State;
use crate::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use crate::render::seal::{Centre, RoundFace};
use crate::render::{self, SealFace, SealPicture, Trust};
use crate::service::certificates::{Above, Issued, issue};
use crate::service::issuance::Issuance;
use crate::service::keys::{NewKey, made_bits};
use crate::service::units::{self, KnownUnit, NewUnit, UnitRole};
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::certificates::StoredCertificate;
use crate::store::issued_certificates::StoredStatus;
use crate::store::seals::StoredSeal;
use crate::store::{audit, authorities, certificates, seals};

/// The organisation of the development seals. It does not exist.
pub const ORGANISATION: &str = "示例市印信演示局";
/// Its credit code, with a right check character and a registration office that does not exist.
const CREDIT_CODE: &str = "99990000000000001F";
/// The specimen notice that comes with the program.
pub const NOTICE: &[u8] = render::NOTICE;
/// What the seals' faces say below the star.
pub const SPECIMEN: &str = "样章";
/// The stamp's diameter, millimetres.
pub const DIAMETER_MM: u16 = 42;

const ROOT: &str = "development-root";
const AUTHORITY: &str = "development-authority";
const MAKER: &str = "development-maker";
const SIGNERS: [(&str, KeyAlgorithm); 3] = [
    ("99000000000001", KeyAlgorithm::Sm2),
    ("99000000000002", KeyAlgorithm::Sm2),
    ("99000000000003", KeyAlgorithm::Rsa),
];

/// What the development PKI consists of, as far as others need it.
#[derive(Debug, Clone)]
pub struct DevelopmentPki {
    /// The root certificate: the anchor.
    pub root: Vec<u8>,
    /// The seal-issuing authority's certificate.
    pub authority: Vec<u8>,
    /// The seal maker's certificate.
    pub maker: Vec<u8>,
    /// The seals: first SM2 signer, second SM2 signer, RSA signer.
    pub seals: Vec<StoredSeal>,
}

/// The face of the development seals.
#[must_use]
pub fn face(number: &str) -> SealFace {
    SealFace::Round(RoundFace {
        organisation: ORGANISATION.to_owned(),
        centre: Centre::Star,
        // The mark of a specimen stands where a line would.
        lines: Vec::new(),
        code: Some(number.to_owned()),
        note: None,
        diameter_mm: DIAMETER_MM,
    })
}

/// The picture of a development seal.
///
/// # Errors
/// The face cannot be drawn.
pub fn picture(number: &str) -> Result<SealPicture, Error> {
    Ok(render::draw(&face(number), Trust::Development)?)
}

/// The development PKI of this database, made under these profiles if it is not there yet: all of it in one transaction.
///
/// # Errors
/// A profile is missing or refuses; the algorithm policy lets nobody make such keys, certificates or seals now, and nothing is kept; no randomness, or the
/// database refuses.
pub async fn ensure(services: &Services, profiles: &Profiles) -> Result<DevelopmentPki, Error> {
    if let Some(known) = load(services).await? {
        return Ok(known);
    }
    services.keys.permit_software()?;
    let now = services.clock.now();
    let made = &make(services, profiles, now).await?;
    let keep = services.store.run("make development PKI", |tx| {
        Box::pin(async move {
            let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
            for (id, key) in &made.keys {
                let attributes = key.attributes(Owner::installation());
                let body = services.keys.keep(tx, id, &attributes, (&key.private, &key.public), now).await?;
                audit::append(tx, &event(body)).await?;
            }
            for issued in &made.certificates {
                certificates::insert(tx, &issued.row).await?;
                audit::append(tx, &event(issued.event.clone())).await?;
            }
            for (seal, body) in &made.seals {
                seals::insert(tx, seal).await?;
                audit::append(tx, &event(body.clone())).await?;
            }
            Ok::<_, Error>(())
        })
    });
    keep.await?;
    load(services).await?.ok_or(Error::UnknownSeal)
}

/// The unit of that role of this development PKI, made if it is not there yet, or if none is valid and active any more.
///
/// It is ordered as every certificate is, so the development authority becomes an authority of the installation; it publishes
/// nowhere. The rest of this PKI is not ordered so: it comes into being in one transaction, with an authority that is not
/// there before it.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_unit(
    services: &Services,
    issuance: &Issuance,
    pki: &DevelopmentPki,
    role: UnitRole,
) -> Result<(), Error> {
    let now = services.clock.now();
    if units::list(services, role).await?.iter().any(|unit| works(unit, now)) {
        return Ok(());
    }
    let id = AuthorityId::parse(AUTHORITY).map_err(|_| Error::UnknownAuthority)?;
    register_authority(services, &id, &sm3(&pki.authority)).await?;
    let name = match role {
        UnitRole::TimeStamping => "Yinxin DEVELOPMENT TSA 印信开发时间戳",
        UnitRole::Report => "Yinxin DEVELOPMENT reports 印信开发验证报告",
        UnitRole::SealMaker => "Yinxin DEVELOPMENT maker 印信开发制章",
        UnitRole::Message => "Yinxin DEVELOPMENT messages 印信开发消息签名",
        UnitRole::Responder => "Yinxin DEVELOPMENT OCSP 印信开发证书状态",
    };
    let subject =
        vec![(AttributeKind::Organisation, ORGANISATION.to_owned()), (AttributeKind::CommonName, name.to_owned())];
    let new = NewUnit {
        algorithm: KeyAlgorithm::Sm2,
        location: None,
        subject,
        profile: role.profile().to_owned(),
        not_after: Some(now.plus_days(3 * 365)),
    };
    units::establish(services, issuance, &Actor::Operator, (&id, role), new).await.map(|_| ())
}

/// The units of this development PKI: the report key, and where it is wanted the time-stamping unit.
///
/// # Errors
/// As [`ensure`].
pub async fn ensure_units(
    services: &Services,
    issuance: &Issuance,
    pki: &DevelopmentPki,
    stamping: bool,
) -> Result<(), Error> {
    if stamping {
        ensure_unit(services, issuance, pki, UnitRole::TimeStamping).await?;
    }
    ensure_unit(services, issuance, pki, UnitRole::Report).await
}

/// Whether a unit is at work at that moment.
fn works(unit: &KnownUnit, now: Timestamp) -> bool {
    unit.certificate.status == StoredStatus::Active
        && now <= unit.certificate.not_after
        && matches!(unit.key_state, KeyState::Active { .. })
}

/// Makes the authority of this PKI one that can be ordered from, once.
async fn register_authority(services: &Services, id: &AuthorityId, certificate: &[u8; 32]) -> Result<(), Error> {
    let now = services.clock.now();
    let steps = services.store.run("register development authority", |tx| {
        Box::pin(async move {
            if authorities::find(tx, id).await?.is_some() {
                return Ok(());
            }
            let row = certificates::find(tx, certificate).await?.ok_or(Error::UnknownCertificate)?;
            let key = row.key.ok_or(Error::UnknownCertificate)?;
            let authority = StoredAuthority {
                id: id.clone(),
                name: "Yinxin DEVELOPMENT Seal CA 印信开发印章证书机构".to_owned(),
                certificate: *certificate,
                key: key.clone(),
                parent: None,
                base_url: String::new(),
                crl_shards: 1,
                created_at: now,
                retired_at: None,
                version: 1,
            };
            authorities::insert(tx, &authority).await?;
            let (authority, certificate_sm3) = (id.clone(), *certificate);
            let body = EventBody::AuthorityCreated { authority, certificate_sm3, key, parent: None };
            audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}

async fn load(services: &Services) -> Result<Option<DevelopmentPki>, Error> {
    let rows = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for role in [ROOT, AUTHORITY, MAKER] {
                found.push(certificates::in_role(tx, role).await?);
            }
            let seals = seals::list(tx, None, 1000).await?;
            Ok::<_, Error>((found, seals))
        })
    });
    let (found, mut seals) = rows.await?;
    let first =
        |index: usize| found.get(index).and_then(|rows| rows.first()).map(|row: &StoredCertificate| row.der.clone());
    seals.retain(|seal| SIGNERS.iter().any(|(number, ..)| *number == seal.es_id));
    seals.sort_by(|a, b| a.es_id.cmp(&b.es_id));
    let (Some(root), Some(authority), Some(maker)) = (first(0), first(1), first(2)) else { return Ok(None) };
    Ok(Some(DevelopmentPki { root, authority, maker, seals }))
}

struct Made {
    keys: Vec<(KeyId, NewKey)>,
    certificates: Vec<Issued>,
    seals: Vec<(StoredSeal, EventBody)>,
}

/// Makes everything in memory: nothing is kept until all of it exists.
async fn make(services: &Services, profiles: &Profiles, now: Timestamp) -> Result<Made, Error> {
    let random = &*services.random;
    let key = async |purpose, algorithm| {
        let attributes = KeyAttributes::new(Owner::installation(), purpose, algorithm);
        services.keys.permit_new(&attributes, made_bits(purpose, algorithm), now)?;
        let (id, random) = (KeyId::fresh(now, random)?, Arc::clone(&services.random));
        let generating = tokio::task::spawn_blocking(move || NewKey::generate(purpose, algorithm, &*random));
        Ok::<_, Error>((id, generating.await.map_err(|_| Error::Interrupted)??))
    };
    let with = (services, now);
    let named = |organisation: &str, common_name: &str| {
        [(AttributeKind::Organisation, organisation.to_owned()), (AttributeKind::CommonName, common_name.to_owned())]
    };
    let name = |common_name: &str| named(ORGANISATION, common_name);
    let profile = |name: &str| profiles.require(name).map_err(ca::Error::from);
    let until = |years: i64| now.plus_days(years.saturating_mul(365));
    let (root_id, root) = key(KeyPurpose::CertificateAuthority, KeyAlgorithm::Sm2).await?;
    let subject = name("Yinxin DEVELOPMENT Root 印信开发根（勿用于生产）");
    let role = (profile("root")?, ROOT);
    let root_certificate = issue((&root, &root_id), &subject, role, &Above::Nobody, (now, until(20)), with).await?;
    let above = Above::Authority(&root_certificate.row.der, &root.signer);
    let (authority_id, authority) = key(KeyPurpose::CertificateAuthority, KeyAlgorithm::Sm2).await?;
    let subject = name("Yinxin DEVELOPMENT Seal CA 印信开发印章证书机构");
    let role = (profile("seal-issuing-ca")?, AUTHORITY);
    let authority_certificate =
        issue((&authority, &authority_id), &subject, role, &above, (now, until(10)), with).await?;
    let above = Above::Authority(&authority_certificate.row.der, &authority.signer);
    let (maker_id, maker_key) = key(KeyPurpose::SealMaking, KeyAlgorithm::Sm2).await?;
    let role = (profile("seal-maker")?, MAKER);
    let subject = name("印信开发制章机构");
    let maker_certificate = issue((&maker_key, &maker_id), &subject, role, &above, (now, until(5)), with).await?;
    let mut made = Made { keys: Vec::new(), certificates: Vec::new(), seals: Vec::new() };
    for (number, algorithm) in SIGNERS {
        let (id, signer) = key(KeyPurpose::SealSigning, algorithm).await?;
        let role = (profile("seal-signer")?, "development-signer");
        let subject = named(&format!("{CREDIT_CODE}{ORGANISATION}"), number);
        let certificate = issue((&signer, &id), &subject, role, &above, (now, until(3)), with).await?;
        let picture = tokio::task::spawn_blocking(move || picture(number)).await.map_err(|_| Error::Interrupted)??;
        let request = SealRequest {
            es_id: number,
            name: &format!("{ORGANISATION}（{SPECIMEN}）"),
            signers: &[&certificate.row.der],
            created: now,
            valid_end: until(3),
            picture_type: "png",
            picture: &picture.png,
            size_mm: (DIAMETER_MM, DIAMETER_MM),
            kind: 1,
            form: SealForm::V4,
            list: SignerList::Certificates,
        };
        let token =
            maker::prepare(&request, &maker_certificate.row.der, maker_key.signer.algorithm(), &services.algorithms)?;
        let by = Arc::clone(&maker_key.signer);
        let value = services.pool.sign(by, token.to_sign().to_vec(), Arc::clone(&services.random)).await?;
        let seal_der = token.assemble(&value)?;
        let seal = SealId::fresh(now, random)?;
        let body = EventBody::SealIssued {
            seal: seal.clone(),
            seal_sm3: sm3(&seal_der),
            maker: maker_id.clone(),
            signer: Some(id.clone()),
        };
        let row = StoredSeal {
            id: seal,
            es_id: number.to_owned(),
            name: request.name.to_owned(),
            seal_der,
            signer_key: Some(id.clone()),
            state: State::Active { since: now },
            version: 1,
        };
        made.seals.push((row, body));
        made.certificates.push(certificate);
        made.keys.push((id, signer));
    }
    made.keys.extend([(root_id, root), (authority_id, authority), (maker_id, maker_key)]);
    made.certificates.extend([root_certificate, authority_certificate, maker_certificate]);
    Ok(made)
}
