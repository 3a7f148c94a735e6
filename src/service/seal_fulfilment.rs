//! Doing what was approved: a seal is made, replaced, resumed or revoked.
//!
//! To resume and to revoke is one transaction. To make a seal is three: *begin* takes its code and says so in the log;
//! the signer's certificate is *ordered* like any other, and the transaction that keeps it notes it beside the code; the
//! maker's key signs the seal; *keep* writes the seal, ends the application, and supersedes the seal in whose place it
//! stands. Each of them verifies every approval again.
//!
//! What a crash means at each arrow of `begin → order → sign → keep`: after *begin* the code is taken, the application is
//! still approved, and whoever fulfils it again goes on with the same code; after *order* with the same certificate too; a
//! seal that was signed and not kept was never released, and another one is signed. An application that is refused,
//! withdrawn or lapsed in between has its certificate revoked in the same transaction, and its code is given to nobody.
//!
//! A seal that the national system makes is *ordered* there after *begin*, and *collected* once it arrived: whoever fulfils the
//! application before that is told [`Error::SealOrdered`].
//!
//! A seal is superseded when its successor is kept, not when that is delivered: so a holder never has two seals of one kind
//! that have not ended, and what is lost meanwhile is a use, never the count.

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, KeyId, RequestId, SealId};
use crate::crypto::PublicKey;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody, RevocationReason as SealReason};
use crate::domain::ca::possession::{Asked, Proved};
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::state::RevocationReason;
use crate::domain::ca::subject::Attributes;
use crate::domain::ca::{self, Profiles, Request, prepare};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::seal::State;
use crate::domain::seal::application::{Holder, Maker, Purpose, SignerKey, Wanted};
use crate::domain::seal::maker::{self, SealRequest};
use crate::domain::trust::key::subject_public_key_info;
use crate::domain::trust::public_key;
use crate::format::x509::Certificate;
use crate::service::certificate_status::end_in;
use crate::service::issuance::issuer::ReadyIssuer;
use crate::service::issuance::{self, Completion, Order, serial};
use crate::service::keys::making::public_key_of;
use crate::service::seal_applications::{confirm, find, forget, may_be};
use crate::service::seal_expiry::by_the_clock;
use crate::service::seal_making::{MadeBy, SignedSeal, may_make, national, signed};
use crate::service::stamping::Stamping;
use crate::service::units::is_active;
use crate::service::{Error, Services, seal_changes, seal_codes, seal_filing};
use crate::store::alarms::StoredAlarm;
use crate::store::certificates::StoredCertificate;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::seal_applications::StoredApplication;
use crate::store::seal_keepers::StoredKeeper;
use crate::store::seal_makings::StoredMaking;
use crate::store::seal_records::{SealOrigin, StoredSealRecord};
use crate::store::seals::StoredSeal;
use crate::store::{
    Tx, alarms, audit, certificates, issued_certificates, keys, seal_applications, seal_keepers, seal_makings,
    seal_records, seals,
};

pub use crate::service::seal_making::Means;

/// The role of a signer's row among the certificates of our keys.
pub(in crate::service) const SIGNER: &str = "signer";

/// What came of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilled {
    /// The seal that was made, or changed.
    pub seal: SealId,
    /// Where it stands now.
    pub state: State,
}

/// Who asks, and in which call.
pub(in crate::service) type By<'a> = (&'a Actor, Option<&'a RequestId>);

/// Does what was approved, and nothing else. Anybody may ask for it: the approvals decide.
///
/// # Errors
/// [`Error::RequestStep`]: the application is not approved, was fulfilled before, or an approval does not hold any more;
/// [`Error::SealApplication`]: what is there now does not allow it any more; why the authority or the maker does not do it.
pub async fn fulfil(
    services: &Services,
    profiles: &Profiles,
    means: Means<'_>,
    by: By<'_>,
    id: &ApplicationId,
) -> Result<Fulfilled, Error> {
    match find(services, id).await?.application.submission.purpose {
        Purpose::Make(_) | Purpose::Replace { .. } => make(services, profiles, means, by, id).await,
        Purpose::Resume { .. } | Purpose::Revoke { .. } => change(services, profiles, by, id).await,
    }
}

/// The application, if it may be fulfilled now.
pub(in crate::service) async fn ready(
    (services, profiles): (&Services, &Profiles),
    tx: &mut Tx<'_>,
    id: &ApplicationId,
) -> Result<StoredApplication, Error> {
    let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
    confirm(tx, profiles, &stored).await?;
    may_be(tx, &services.seal_kinds, &stored.application.submission).await?;
    Ok(stored)
}

/// Ends an application, and tells of it.
async fn end(
    tx: &mut Tx<'_>,
    by: By<'_>,
    stored: StoredApplication,
    (seal, seal_sm3): (&SealId, [u8; 32]),
    now: Timestamp,
) -> Result<(), Error> {
    let (application, _) = stored.application.clone().fulfilled(seal_sm3, now)?;
    let kept = seal_applications::update(tx, &StoredApplication { application, ..stored }).await?;
    let body = EventBody::SealApplicationFulfilled { application: kept.id, seal: seal.clone(), seal_sm3 };
    tell(tx, by, body, now).await
}

async fn tell(tx: &mut Tx<'_>, (actor, call): By<'_>, body: EventBody, now: Timestamp) -> Result<(), Error> {
    audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
    Ok(())
}

/// A seal is resumed, or revoked together with its signer's certificate.
async fn change(services: &Services, profiles: &Profiles, by: By<'_>, id: &ApplicationId) -> Result<Fulfilled, Error> {
    let now = services.clock.now();
    let steps = services.store.run("fulfil seal application", |tx| {
        Box::pin(async move {
            let stored = ready((services, profiles), tx, id).await?;
            let purpose = &stored.application.submission.purpose;
            let name = purpose.seal().cloned().ok_or(Error::UnknownSeal)?;
            let seal = by_the_clock(seals::find(tx, &name).await?.ok_or(Error::UnknownSeal)?, now);
            let record = seal_records::find(tx, &name).await?.ok_or(Error::UnknownSeal)?;
            if matches!(purpose, Purpose::Resume { .. })
                && let Some(StoredAlarm { number: alarm, .. }) = alarms::holding(tx, &name).await?
            {
                return Err(Error::SealHeld { alarm });
            }
            let (state, body) = match purpose {
                Purpose::Revoke { reason, .. } => seal.state.clone().revoke(&name, now, *reason)?,
                _ => seal.state.clone().resume(&name, now)?,
            };
            seal_changes::change_state(tx, &seal, state.clone()).await?;
            tell(tx, by, body, now).await?;
            let revoked = match purpose {
                Purpose::Revoke { reason, .. } => {
                    end_in(tx, by, &record.certificate_sm3, of_certificate(*reason), now).await?
                }
                _ => None,
            };
            end(tx, by, stored, (&name, sm3(&seal.seal_der)), now).await?;
            Ok::<_, Error>((Fulfilled { seal: name, state }, revoked))
        })
    });
    let (fulfilled, revoked) = steps.await?;
    forget(services, revoked.as_ref());
    Ok(fulfilled)
}

/// Why the certificate of a seal's signer is revoked (RFC 5280 5.3.1).
pub(in crate::service) const fn of_certificate(reason: SealReason) -> RevocationReason {
    match reason {
        SealReason::KeyCompromise => RevocationReason::KeyCompromise,
        SealReason::FactsChanged => RevocationReason::AffiliationChanged,
        SealReason::Superseded => RevocationReason::Superseded,
        SealReason::CessationOfOperation => RevocationReason::CessationOfOperation,
        SealReason::AuthorityOrder => RevocationReason::PrivilegeWithdrawn,
    }
}

async fn make(
    services: &Services,
    profiles: &Profiles,
    means: Means<'_>,
    by: By<'_>,
    id: &ApplicationId,
) -> Result<Fulfilled, Error> {
    let mut begun = begin(services, profiles, by, id).await?;
    if begun.wanted.maker == Maker::National {
        return ordered(services, profiles, by, &begun).await;
    }
    if begun.making.certificate_sm3.is_none() {
        let ordered = means.issuance.issue(order(services, by, &begun).await?).await;
        begun = begin(services, profiles, by, id).await?;
        // Another process may have been quicker: then its certificate is that of the application.
        if let (Err(error), None) = (ordered, begun.making.certificate_sm3) {
            return Err(error);
        }
    }
    let signed = sign(services, means.stamping, &begun).await?;
    keep(services, profiles, by, &begun.making, &signed).await
}

/// The seal is ordered at the national system, and kept once it is here.
async fn ordered(services: &Services, profiles: &Profiles, by: By<'_>, begun: &Begun) -> Result<Fulfilled, Error> {
    let Begun { id, wanted, predecessor, making } = begun;
    let order = national::order(services, profiles, by, (id, wanted, making)).await?;
    let signed = national::collect(services, &order, (wanted, making, predecessor.as_ref())).await?;
    keep(services, profiles, by, making, &signed).await
}

/// Keeps a seal that arrived from the national system for an application.
///
/// # Errors
/// As [`fulfil`].
pub(in crate::service) async fn collect(
    services: &Services,
    profiles: &Profiles,
    id: &ApplicationId,
) -> Result<Fulfilled, Error> {
    let by = (&Actor::Operator, None);
    let begun = begin(services, profiles, by, id).await?;
    match &begun.wanted.maker {
        Maker::National => ordered(services, profiles, by, &begun).await,
        Maker::Own(_) => Err(Error::UnknownApplication),
    }
}

/// An application whose seal is about to be made.
struct Begun {
    id: ApplicationId,
    wanted: Wanted,
    predecessor: Option<SealId>,
    making: StoredMaking,
}

fn wanted_of(stored: &StoredApplication) -> Result<Wanted, Error> {
    stored.application.submission.purpose.wanted().cloned().ok_or(Error::UnknownApplication)
}

/// Takes what the seal needs, or finds what was taken before.
async fn begin(services: &Services, profiles: &Profiles, by: By<'_>, id: &ApplicationId) -> Result<Begun, Error> {
    let now = services.clock.now();
    let seal = &SealId::fresh(now, &*services.random)?;
    let steps = services.store.run("intend seal making", |tx| {
        Box::pin(async move {
            let stored = ready((services, profiles), tx, id).await?;
            let wanted = wanted_of(&stored)?;
            let predecessor = stored.application.submission.purpose.seal().cloned();
            if let Some(making) = seal_makings::find(tx, id).await? {
                return Ok(Begun { id: id.clone(), wanted, predecessor, making });
            }
            let signer = match &wanted.key {
                SignerKey::Ours(key) => {
                    free(services, tx, key, now).await?;
                    Some(key.clone())
                }
                SignerKey::Clients { .. } => None,
            };
            // Before a code is taken for nothing.
            match wanted.maker {
                Maker::Own(_) => maker_in(services, tx, now).await.map(|_| ())?,
                Maker::National => services.offices.maker.as_ref().map(|_| ()).ok_or(Error::NoSealMaker)?,
            }
            let code = seal_codes::take(tx, &wanted.holder.division).await?;
            let (application, seal) = (id.clone(), seal.clone());
            let making = StoredMaking { application, seal, code, certificate_sm3: None, begun_at: now, version: 1 };
            seal_makings::insert(tx, &making).await?;
            let body = EventBody::SealMakingIntended {
                application: id.clone(),
                seal: making.seal.clone(),
                code: making.code.to_string(),
                signer,
            };
            tell(tx, by, body, now).await?;
            Ok::<_, Error>(Begun { id: id.clone(), wanted, predecessor, making })
        })
    });
    steps.await
}

/// Whether a key of ours may become the signer of a new seal: it may sign with seals, and no certificate names it.
async fn free(services: &Services, tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<PublicKey, Error> {
    let row = services.keys.permitted(tx, key, (KeyPurpose::SealSigning, KeyUse::Sign), now).await?;
    match certificates::of_key(tx, key).await?.is_empty() {
        true => Ok(public_key_of(&row)?),
        false => Err(Error::SignerKeyInUse),
    }
}

/// The newest key that makes seals, and its certificate, both to be used now.
pub(in crate::service) async fn maker_in(
    services: &Services,
    tx: &mut Tx<'_>,
    now: Timestamp,
) -> Result<(KeyId, Vec<u8>), Error> {
    for key in keys::of_purpose(tx, KeyPurpose::SealMaking).await?.into_iter().rev() {
        let wanted = (KeyPurpose::SealMaking, KeyUse::Sign);
        if services.keys.permitted(tx, &key.id, wanted, now).await.is_err() {
            continue;
        }
        for row in certificates::of_key(tx, &key.id).await? {
            let within = Certificate::parse(&row.der).is_ok_and(|one| one.not_before <= now && now <= one.not_after);
            if within && is_active(tx, &row.sm3).await? {
                return Ok((key.id, row.der));
            }
        }
    }
    Err(Error::NoSealMaker)
}

/// What the signer's certificate is to say.
pub(in crate::service) fn asked(holder: &Holder, code: &str, key: PublicKey) -> Asked {
    let subject = subject_of(holder, code);
    Asked { subject, alternative_names: Vec::new(), identity: Vec::new(), key }
}

/// The name in the signer's certificate.
pub(in crate::service) fn subject_of(holder: &Holder, code: &str) -> Attributes {
    let organisation = format!("{}{}", holder.credit_code, holder.name);
    vec![(AttributeKind::Organisation, organisation), (AttributeKind::CommonName, code.to_owned())]
}

/// The signer's key: one of ours that is free, or the client's, who proved to hold it.
pub(in crate::service) async fn signer_key(services: &Services, wanted: &Wanted) -> Result<PublicKey, Error> {
    match &wanted.key {
        SignerKey::Ours(key) => {
            let now = services.clock.now();
            services.store.read(|tx| Box::pin(free(services, tx, key, now))).await
        }
        SignerKey::Clients { csr } => Ok(Proved::read(csr)?.key().clone()),
    }
}

/// Whether the authority would issue the signer's certificate as things stand. Nothing is signed.
///
/// # Errors
/// Why not; [`Error::SignerKeyInUse`].
pub(in crate::service) async fn rehearse(
    services: &Services,
    profiles: &Profiles,
    wanted: &Wanted,
) -> Result<(), Error> {
    let now = services.clock.now();
    let key = signer_key(services, wanted).await?;
    may_make(services, wanted)?;
    let Maker::Own(authority) = &wanted.maker else {
        profiles.require(&wanted.profile).map_err(ca::Error::from)?;
        return Ok(());
    };
    let issuer = ReadyIssuer::load(services, authority, now).await?;
    let profile = profiles.require(&wanted.profile).map_err(ca::Error::from)?.clone();
    if profile.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let code = format!("{}00000000", wanted.holder.division.six_digits());
    let (asked, end, services) = (asked(&wanted.holder, &code, key), end_of(wanted, now), services.clone());
    let trying = tokio::task::spawn_blocking(move || {
        let above = issuer.certificate()?;
        if end > above.not_after {
            // Where the profile shortens, the end would not be the one that was approved.
            return Err(ca::Error::BeyondIssuer { from: above.not_before, to: above.not_after }.into());
        }
        let request = Request {
            profile: &profile,
            subject: &asked.subject,
            alternative_names: &asked.alternative_names,
            identity: &asked.identity,
            key: &asked.key,
            not_before: now,
            not_after: Some(end),
            serial: &serial(&*services.random)?,
            transaction: None,
            name_constraints: None,
        };
        prepare(&request, &issuer.as_issuer(&above), (&services.algorithms, now))?;
        Ok::<_, Error>(())
    });
    trying.await.map_err(|_| Error::Interrupted)?
}

fn end_of(wanted: &Wanted, begun: Timestamp) -> Timestamp {
    begun.plus_days(wanted.days.into())
}

async fn order(services: &Services, (actor, call): By<'_>, begun: &Begun) -> Result<Order, Error> {
    let Begun { wanted, making, .. } = begun;
    let key = signer_key(services, wanted).await?;
    let own_key = match &wanted.key {
        SignerKey::Ours(key) => Some(key.clone()),
        SignerKey::Clients { .. } => None,
    };
    let Maker::Own(authority) = &wanted.maker else { return Err(Error::NoSealMaker) };
    Ok(Order {
        authority: authority.clone(),
        profile: wanted.profile.clone(),
        wanted: issuance::Wanted::Decided { asked: asked(&wanted.holder, making.code.as_str(), key), key: own_key },
        not_before: None,
        not_after: Some(end_of(wanted, making.begun_at)),
        transaction: None,
        actor: actor.clone(),
        request: call.cloned(),
        completes: Some(Completion::SealApplication(begun.id.clone())),
    })
}

/// Notes the signer's certificate in the transaction that keeps it: every approval is verified once more, and the
/// certificate must be the one that was approved. An application has one certificate; of two that were ordered at once one
/// is kept.
///
/// # Errors
/// As [`fulfil`]; [`Error::NotAsApproved`]; [`Error::SignerKeyInUse`].
pub(in crate::service) async fn certified(
    services: &Services,
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    id: &ApplicationId,
    (certificate, own_key): (&IssuedCertificate, Option<&KeyId>),
    now: Timestamp,
) -> Result<(), Error> {
    let differs = |field| Err(Error::NotAsApproved { field });
    let stored = ready((services, profiles), tx, id).await?;
    let wanted = wanted_of(&stored)?;
    let making = seal_makings::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
    if making.certificate_sm3.is_some() {
        return differs("certificate");
    }
    if Maker::Own(certificate.authority.clone()) != wanted.maker {
        return differs("authority");
    }
    if certificate.profile != wanted.profile {
        return differs("profile");
    }
    let approved = match (&wanted.key, own_key) {
        (SignerKey::Ours(key), Some(own)) if key == own => free(services, tx, key, now).await?,
        (SignerKey::Clients { csr }, None) => Proved::read(csr)?.key().clone(),
        _ => return differs("key"),
    };
    let written = Certificate::parse(&certificate.der).map_err(ca::Error::Unreadable)?;
    if public_key(&written.public_key).map(|key| subject_public_key_info(&key))
        != Some(subject_public_key_info(&approved))
    {
        return differs("key");
    }
    if !certificate.subject.contains(making.code.as_str())
        || !certificate.subject.contains(wanted.holder.credit_code.as_str())
    {
        return differs("subject");
    }
    if let Some(key) = own_key {
        signer_row(tx, certificate, key, now).await?;
    }
    seal_makings::certified(tx, &making, &certificate.sm3).await?;
    Ok(())
}

/// Keeps the row by which a seal finds the certificate of its signer, a key of ours.
pub(in crate::service) async fn signer_row(
    tx: &mut Tx<'_>,
    certificate: &IssuedCertificate,
    key: &KeyId,
    now: Timestamp,
) -> Result<(), Error> {
    let written = Certificate::parse(&certificate.der).map_err(ca::Error::Unreadable)?;
    let row = StoredCertificate {
        sm3: certificate.sm3,
        serial: certificate.serial.to_vec(),
        subject: written.subject.raw().to_vec(),
        issuer: written.issuer.raw().to_vec(),
        key: Some(key.clone()),
        der: certificate.der.clone(),
        role: SIGNER.to_owned(),
        issued_at: now,
    };
    Ok(certificates::insert(tx, &row).await?)
}

/// The maker's key signs, and time is stamped where that is wanted, between two transactions.
async fn sign(services: &Services, stamping: Option<&Stamping>, begun: &Begun) -> Result<SignedSeal, Error> {
    let (now, Begun { id, wanted, predecessor, making }) = (services.clock.now(), begun);
    let certificate_sm3 = making.certificate_sm3.ok_or(Error::NotAsApproved { field: "certificate" })?;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let issued = issued_certificates::find_by_sm3(tx, &certificate_sm3).await?;
            let issued = issued.ok_or(Error::UnknownCertificate)?;
            let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
            let picture = seal_applications::file(tx, &stored, 0).await?;
            let (maker, maker_der) = maker_in(services, tx, now).await?;
            let signer = services.keys.signer(tx, &maker, KeyPurpose::SealMaking, now).await?;
            Ok::<_, Error>((issued, picture, maker, maker_der, signer))
        })
    });
    let (issued, picture, maker, maker_der, signer) = steps.await?;
    let valid_to = end_of(wanted, making.begun_at).min(issued.not_after);
    let request = SealRequest {
        kind: wanted.kind,
        es_id: making.code.as_str(),
        name: &wanted.name,
        signers: &[&issued.der],
        created: now,
        valid_end: valid_to,
        picture_type: "png",
        picture: &picture,
        size_mm: wanted.size_mm,
        form: wanted.form,
        list: wanted.list,
    };
    let token = maker::prepare(&request, &maker_der, signer.algorithm(), &services.algorithms)?;
    let der = signed(services, stamping, (signer, token)).await?;
    let (wanted, predecessor) = (wanted.clone(), predecessor.clone());
    Ok(SignedSeal { der, by: MadeBy::Own(maker), certificate_sm3, valid_to, wanted, predecessor })
}

/// Keeps the seal, ends its application, and supersedes the seal in whose place it stands.
async fn keep(
    services: &Services,
    profiles: &Profiles,
    by: By<'_>,
    making: &StoredMaking,
    signed: &SignedSeal,
) -> Result<Fulfilled, Error> {
    let now = services.clock.now();
    let steps = services.store.run("keep seal", |tx| {
        Box::pin(async move {
            let (id, wanted) = (&making.seal, &signed.wanted);
            let stored = ready((services, profiles), tx, &making.application).await?;
            let signer_key = match &wanted.key {
                SignerKey::Ours(key) => Some(key.clone()),
                SignerKey::Clients { .. } => None,
            };
            let seal_sm3 = sm3(&signed.der);
            let issued = match &signed.by {
                MadeBy::Own(maker) => {
                    // Revoked, suspended or put to rest since the seal was signed: it is not released.
                    services.keys.permitted(tx, maker, (KeyPurpose::SealMaking, KeyUse::Sign), now).await?;
                    if !is_active(tx, &signed.certificate_sm3).await? {
                        return Err(Error::NotAsApproved { field: "certificate" });
                    }
                    let (seal, maker, signer) = (id.clone(), maker.clone(), signer_key.clone());
                    EventBody::SealIssued { seal, seal_sm3, maker, signer }
                }
                MadeBy::National(fitting) => {
                    national::kept(tx, &making.application, (fitting, signer_key.as_ref()), now).await?;
                    EventBody::SealReceived {
                        seal: id.clone(),
                        seal_sm3,
                        maker_sm3: fitting.maker_sm3,
                        certificate_sm3: signed.certificate_sm3,
                        signer: signer_key.clone(),
                    }
                }
            };
            let state = State::Made { since: now };
            let seal = StoredSeal {
                id: id.clone(),
                es_id: making.code.to_string(),
                name: wanted.name.clone(),
                seal_der: signed.der.clone(),
                signer_key: signer_key.clone(),
                state: state.clone(),
                version: 1,
            };
            seals::insert(tx, &seal).await?;
            let record = StoredSealRecord {
                seal: id.clone(),
                code: making.code.clone(),
                filing: wanted.filing.clone(),
                kind: wanted.kind,
                name: wanted.name.clone(),
                holder: wanted.holder.clone(),
                keeper: wanted.keeper.clone(),
                origin: SealOrigin::Application(making.application.clone()),
                predecessor: signed.predecessor.clone(),
                certificate_sm3: signed.certificate_sm3,
                valid_to: signed.valid_to,
                delivery: None,
                version: 1,
            };
            seal_records::insert(tx, &record).await?;
            let kept = StoredKeeper { seal: id.clone(), keeper: wanted.keeper.clone(), since: now, version: 1 };
            seal_keepers::insert(tx, &kept).await?;
            tell(tx, by, issued, now).await?;
            seal_filing::file(services, tx, id, now).await?;
            if let Some(before) = &signed.predecessor {
                let old = by_the_clock(seals::find(tx, before).await?.ok_or(Error::UnknownSeal)?, now);
                let (superseded, body) = old.state.clone().supersede(before, id, now)?;
                seal_changes::change_state(tx, &old, superseded).await?;
                tell(tx, by, body, now).await?;
            }
            end(tx, by, stored, (id, seal_sm3), now).await?;
            Ok::<_, Error>(Fulfilled { seal: id.clone(), state })
        })
    });
    steps.await
}
