//! Carrying out an order to re-make seals: all are revoked, then each is made anew.
//!
//! What a crash means: while seals are revoked, a page of them is revoked in one transaction that notes how far it came, so
//! the next run goes on behind it. A seal is made in the steps `begin → order → sign → keep`: after *begin* its code and its
//! key are taken and noted; the transaction that keeps the certificate notes it beside them; a seal that was signed and not
//! kept was never released; *keep* writes the seal with its predecessor. No seal is made before all are revoked, so no holder
//! has two in force; and where a holder got another one meanwhile by an application, none is made. Two runs at once do the
//! same work: what one keeps the other finds stale, and reads anew.

use std::sync::Arc;

use tokio::task::{JoinSet, spawn_blocking};

use crate::base::clock::Timestamp;
use crate::base::id::{JobId, KeyId, RequestId, SealId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::state::RevocationReason;
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::seal::State;
use crate::domain::seal::application::{ApplicationRefused, SealForm, SignerList, alone};
use crate::domain::seal::maker::{self, SealRequest};
use crate::domain::seal::remake::{RemakeRefused, RemakeState, RemakeStep};
use crate::format::ses::{CertificateList, SesSeal};
use crate::service::certificate_status::end_in;
use crate::service::issuance::{self, Completion, Issuance, Order};
use crate::service::issuance_jobs::outcome::{Meaning, meaning};
use crate::service::keys::making::public_key_of;
use crate::service::seal_applications::{may_keep, of_holder};
use crate::service::seal_fulfilment::{Means, asked, maker_in, signer_row};
use crate::service::seal_making::signed;
use crate::service::seal_remakes::beginning::begin;
use crate::service::seal_remakes::revoking::revoke_some;
use crate::service::seal_remakes::{confirm, end, find, known};
use crate::service::stamping::Stamping;
use crate::service::units::is_active;
use crate::service::{Error, Services};
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::seal_keepers::StoredKeeper;
use crate::store::seal_records::{SealOrigin, StoredSealRecord};
use crate::store::seal_remakes::{self, RemakeCounts, StoredRemake, StoredRemakeSeal};
use crate::store::seals::StoredSeal;
use crate::store::{self, Tx, audit, issued_certificates, keys, seal_keepers, seal_records, seals};

/// Seals that are made together.
const TOGETHER: i64 = 128;

/// Who asks, and in which call.
pub(super) type By<'a> = (&'a Actor, Option<&'a RequestId>);

/// Carries an order out until each of its seals has its successor, or the reason why it has none; gives it as it stands then.
/// Anybody may ask for it: the approvals decide, and are verified again in each transaction. `told` hears of progress.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Remake`]: it has ended, or the old maker is at work still; [`Error::RequestStep`]: an
/// approval is missing, or holds no more; what would befall every seal, such as no code, no maker, a retired authority, or
/// what passes, such as the database. The next run goes on.
pub async fn run(
    services: &Services,
    means: Means<'_>,
    by: By<'_>,
    id: &JobId,
    told: &(dyn Fn(&'static str, RemakeCounts) + Send + Sync),
) -> Result<StoredRemake, Error> {
    let stored = find(services, id).await?;
    if matches!(stored.state, RemakeState::Finished | RemakeState::Cancelled) {
        return Err(RemakeRefused::State { from: stored.state.name(), attempt: "be run" }.into());
    }
    loop {
        let moved = match find(services, id).await? {
            stored @ StoredRemake { state: RemakeState::Finished | RemakeState::Cancelled, .. } => return Ok(stored),
            StoredRemake { state: RemakeState::Submitted | RemakeState::Revoking { .. }, .. } => {
                revoke_some(services, by, id).await
            }
            stored @ StoredRemake { state: RemakeState::Making, .. } => make_some(services, means, by, &stored).await,
        };
        match moved {
            Ok(()) => {}
            Err(error) if is_quicker(&error) => {}
            Err(error) => return Err(error),
        }
        let stored = find(services, id).await?;
        let counts = services.store.read(|tx| Box::pin(seal_remakes::counts(tx, id))).await?;
        told(stored.state.name(), counts);
    }
}

/// Whether an error says that another run did the same a moment earlier, or ended the order.
fn is_quicker(error: &Error) -> bool {
    match error {
        Error::Shared(error) => is_quicker(error),
        Error::Store(store::Error::Stale { .. } | store::Error::Conflict { .. })
        | Error::Remake(RemakeRefused::State { .. })
        | Error::NotAsApproved { field: "certificate" } => true,
        _ => false,
    }
}

pub(super) fn event((actor, call): By<'_>, at: Timestamp, body: EventBody) -> Event {
    Event { at, actor: actor.clone(), request: call.cloned(), body }
}

/// Makes some seals anew; where none is left the order is finished.
async fn make_some(services: &Services, means: Means<'_>, by: By<'_>, stored: &StoredRemake) -> Result<(), Error> {
    let (mut certified, mut begun) =
        (at(services, &stored.id, RemakeStep::Certified).await?, at(services, &stored.id, RemakeStep::Begun).await?);
    if certified.is_empty() && begun.is_empty() {
        let revoked = at(services, &stored.id, RemakeStep::Revoked).await?;
        if revoked.is_empty() {
            return finish(services, by, &stored.id).await;
        }
        begun = begin(services, by, stored, revoked).await?;
    }
    if !begun.is_empty() {
        order(services, means.issuance, by, stored, begun).await?;
        certified = at(services, &stored.id, RemakeStep::Certified).await?;
    }
    let signed = sign(services, means.stamping, by, stored, certified).await?;
    keep(services, by, &stored.id, &signed).await
}

async fn at(services: &Services, id: &JobId, step: RemakeStep) -> Result<Vec<StoredRemakeSeal>, Error> {
    Ok(services.store.read(|tx| Box::pin(seal_remakes::seals_at(tx, id, step, None, TOGETHER))).await?)
}

async fn finish(services: &Services, by: By<'_>, id: &JobId) -> Result<(), Error> {
    let now = services.clock.now();
    let steps = services.store.run("finish seals re-made", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            if stored.state == RemakeState::Making {
                end(tx, by, stored, RemakeState::Finished, now).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await
}

/// The order, if seals are made for it now.
pub(super) async fn making(tx: &mut Tx<'_>, id: &JobId) -> Result<StoredRemake, Error> {
    let stored = known(tx, id).await?;
    if stored.state != RemakeState::Making {
        return Err(RemakeRefused::State { from: stored.state.name(), attempt: "be run" }.into());
    }
    confirm(tx, &stored).await?;
    Ok(stored)
}

/// Orders the certificates of the new seals' signers; a seal whose certificate will never be issued is refused.
async fn order(
    services: &Services,
    issuance: &Issuance,
    by: By<'_>,
    stored: &StoredRemake,
    rows: Vec<StoredRemakeSeal>,
) -> Result<(), Error> {
    let wanted =
        rows.iter().filter_map(|row| row.taken.clone().map(|taken| (row.seal.clone(), taken))).collect::<Vec<_>>();
    let wanted = &wanted;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for (seal, (_, _, key)) in wanted {
                let record = seal_records::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
                let row = keys::find(tx, key).await?.ok_or(Error::UnknownSeal)?;
                found.push((record.holder, public_key_of(&row)?));
            }
            Ok::<_, Error>(found)
        })
    });
    let known = steps.await?;
    let mut flight = JoinSet::new();
    for (row, (holder, public)) in rows.into_iter().zip(known) {
        let Some((_, code, key)) = &row.taken else { continue };
        let making = &stored.order.making;
        let order = Order {
            authority: making.authority.clone(),
            profile: making.profile.clone(),
            wanted: issuance::Wanted::Decided { asked: asked(&holder, code.as_str(), public), key: Some(key.clone()) },
            not_before: None,
            not_after: Some(row.since.plus_days(making.days.into())),
            transaction: None,
            actor: by.0.clone(),
            request: by.1.cloned(),
            completes: Some(Completion::SealRemake(row.seal.clone())),
        };
        let issuance = issuance.clone();
        flight.spawn(async move { (row, issuance.issue(order).await.map(|_| ())) });
    }
    let (mut worst, mut refused) = (None, Vec::new());
    while let Some(joined) = flight.join_next().await {
        let (row, issued) = joined.map_err(|_| Error::Interrupted)?;
        if let Err(error) = issued {
            match meaning(&error) {
                Meaning::Refused { code, .. } => refused.push((row, code)),
                _ if is_quicker(&error) => {}
                // It stays begun, and its turn comes again.
                _ => worst = Some(error),
            }
        }
    }
    refuse(services, by, &stored.id, &refused).await?;
    worst.map_or(Ok(()), Err)
}

/// Keeps that seals are not made by this order.
pub(super) async fn refuse(
    services: &Services,
    by: By<'_>,
    id: &JobId,
    rows: &[(StoredRemakeSeal, &'static str)],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let now = services.clock.now();
    let steps = services.store.run("refuse seals re-made", |tx| {
        Box::pin(async move {
            making(tx, id).await?;
            let mut revoked = Vec::new();
            for (row, code) in rows {
                revoked.extend(refuse_one(tx, by, row, code, now).await?);
            }
            Ok::<_, Error>(revoked)
        })
    });
    for certificate in steps.await? {
        services.publication.answers().forget_changed(&certificate);
    }
    Ok(())
}

/// Its code stays taken; a certificate that was issued is revoked.
async fn refuse_one(
    tx: &mut Tx<'_>,
    by: By<'_>,
    row: &StoredRemakeSeal,
    code: &str,
    now: Timestamp,
) -> Result<Option<IssuedCertificate>, Error> {
    let (refusal, step) = (Some(code.to_owned()), RemakeStep::Refused);
    seal_remakes::update_seal(tx, &StoredRemakeSeal { step, refusal, since: now, ..row.clone() }).await?;
    let body = EventBody::SealRemade {
        remake: row.remake.clone(),
        seal: row.seal.clone(),
        by: None,
        refusal: Some(code.to_owned()),
    };
    audit::append(tx, &event(by, now, body)).await?;
    match &row.certificate_sm3 {
        Some(sm3) => end_in(tx, by, sm3, RevocationReason::CessationOfOperation, now).await,
        None => Ok(None),
    }
}

/// Notes the certificate of a new seal's signer in the transaction that keeps it: it must be the one that was ordered for a
/// seal that has none yet, by an order whose approvals hold.
///
/// # Errors
/// As [`run`]; [`Error::NotAsApproved`].
pub(in crate::service) async fn certified(
    tx: &mut Tx<'_>,
    seal: &SealId,
    (certificate, own_key): (&IssuedCertificate, Option<&KeyId>),
    now: Timestamp,
) -> Result<(), Error> {
    let differs = |field| Err(Error::NotAsApproved { field });
    let row = seal_remakes::find_seal(tx, seal).await?.ok_or(Error::UnknownSeal)?;
    let stored = making(tx, &row.remake).await?;
    let Some((_, code, key)) = row.taken.clone().filter(|_| row.step == RemakeStep::Begun) else {
        return differs("certificate");
    };
    let ordered = &stored.order.making;
    if certificate.authority != ordered.authority || certificate.profile != ordered.profile {
        return differs("authority");
    }
    if own_key != Some(&key) || !certificate.subject.contains(code.as_str()) {
        return differs("key");
    }
    signer_row(tx, certificate, &key, now).await?;
    let certificate_sm3 = Some(certificate.sm3);
    let next = StoredRemakeSeal { step: RemakeStep::Certified, certificate_sm3, since: now, ..row };
    seal_remakes::update_seal(tx, &next).await?;
    Ok(())
}

/// A seal that the maker signed, and that is not kept yet.
struct SignedSeal {
    row: StoredRemakeSeal,
    der: Vec<u8>,
    maker: KeyId,
    valid_to: Timestamp,
}

/// The maker's key signs the new seals, between two transactions: each shows what the old one showed.
async fn sign(
    services: &Services,
    stamping: Option<&Stamping>,
    by: By<'_>,
    stored: &StoredRemake,
    rows: Vec<StoredRemakeSeal>,
) -> Result<Vec<SignedSeal>, Error> {
    let now = services.clock.now();
    let known = &rows;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (maker, maker_der) = maker_in(services, tx, now).await?;
            let signer = services.keys.signer(tx, &maker, KeyPurpose::SealMaking, now).await?;
            let mut found = Vec::new();
            for row in known {
                let old = seals::find(tx, &row.seal).await?.ok_or(Error::UnknownSeal)?;
                let record = seal_records::find(tx, &row.seal).await?.ok_or(Error::UnknownSeal)?;
                let certificate_sm3 = row.certificate_sm3.unwrap_or_default();
                let issued = issued_certificates::find_by_sm3(tx, &certificate_sm3).await?;
                found.push((old, record, issued.ok_or(Error::UnknownCertificate)?));
            }
            Ok::<_, Error>((maker, maker_der, signer, found))
        })
    });
    let (maker, maker_der, signer, found) = steps.await?;
    let maker_der = Arc::new(maker_der);
    let mut flight = JoinSet::new();
    for (row, (old, record, issued)) in rows.into_iter().zip(found) {
        let (services, maker, maker_der, signer) =
            (services.clone(), maker.clone(), Arc::clone(&maker_der), Arc::clone(&signer));
        let stamping = stamping.cloned();
        flight.spawn(async move {
            let (algorithm, algorithms) = (signer.algorithm(), Arc::clone(&services.algorithms));
            let code = row.taken.as_ref().map(|(_, code, _)| code.to_string()).unwrap_or_default();
            let preparing = spawn_blocking(move || {
                prepare((&old, &record, &issued), &code, (&maker_der, algorithm), &algorithms, now)
            });
            let Ok(prepared) = preparing.await else { return Err(Error::Interrupted) };
            let (token, valid_to) = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return Ok(Err((row, error.code()))),
            };
            let der = signed(&services, stamping.as_ref(), (signer, token)).await?;
            Ok(Ok(SignedSeal { row, der, maker, valid_to }))
        });
    }
    let (mut signed, mut refused) = (Vec::new(), Vec::new());
    while let Some(joined) = flight.join_next().await {
        match joined.map_err(|_| Error::Interrupted)?? {
            Ok(seal) => signed.push(seal),
            Err(row) => refused.push(row),
        }
    }
    refuse(services, by, &stored.id, &refused).await?;
    Ok(signed)
}

/// What a new seal says: name, picture, size, form and list of the old one, its own code and signer.
fn prepare(
    (old, record, issued): (&StoredSeal, &StoredSealRecord, &IssuedCertificate),
    code: &str,
    (maker_der, algorithm): (&[u8], crate::crypto::algorithm::SignatureAlgorithm),
    algorithms: &crate::domain::trust::AlgorithmPolicy,
    now: Timestamp,
) -> Result<(maker::SealToken, Timestamp), Error> {
    let seal = SesSeal::parse_any(&old.seal_der).map_err(crate::domain::seal::taking::Error::from)?;
    let form = match u64::from(seal.version) {
        1 => SealForm::V1,
        5 => SealForm::V5,
        _ => SealForm::V4,
    };
    let list = match &seal.certificates {
        CertificateList::Certificates(_) => SignerList::Certificates,
        CertificateList::Digests(_) => SignerList::Digests,
    };
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let request = SealRequest {
        kind: record.kind,
        es_id: code,
        name: &record.name,
        signers: &[&issued.der],
        created: now,
        valid_end: issued.not_after,
        picture_type: seal.picture_type,
        picture: seal.picture,
        size_mm: (side(seal.width), side(seal.height)),
        form,
        list,
    };
    Ok((maker::prepare(&request, maker_der, algorithm, algorithms)?, issued.not_after))
}

/// Keeps the new seals, in one transaction; one whose holder or keeper does not allow it any more is refused.
async fn keep(services: &Services, by: By<'_>, id: &JobId, signed: &[SignedSeal]) -> Result<(), Error> {
    if signed.is_empty() {
        return Ok(());
    }
    let now = services.clock.now();
    let steps = services.store.run("keep seals re-made", |tx| {
        Box::pin(async move {
            making(tx, id).await?;
            let mut revoked = Vec::new();
            for seal in signed {
                let record = seal_records::find(tx, &seal.row.seal).await?.ok_or(Error::UnknownSeal)?;
                match in_the_way(services, tx, seal, &record, now).await? {
                    Some(code) => revoked.extend(refuse_one(tx, by, &seal.row, code, now).await?),
                    None => keep_one(tx, by, seal, record, now).await?,
                }
            }
            Ok::<_, Error>(revoked)
        })
    });
    for certificate in steps.await? {
        services.publication.answers().forget_changed(&certificate);
    }
    Ok(())
}

/// Why a new seal is not kept, as a stable code.
async fn in_the_way(
    services: &Services,
    tx: &mut Tx<'_>,
    seal: &SignedSeal,
    record: &StoredSealRecord,
    now: Timestamp,
) -> Result<Option<&'static str>, Error> {
    services.keys.permitted(tx, &seal.maker, (KeyPurpose::SealMaking, KeyUse::Sign), now).await?;
    if !is_active(tx, &seal.row.certificate_sm3.unwrap_or_default()).await? {
        return Ok(Some("signer-certificate-unusable"));
    }
    let Some(kind) = services.seal_kinds.find(record.kind) else {
        return Ok(Some(ApplicationRefused::Kind { code: record.kind }.code()));
    };
    let holder = &record.holder.credit_code;
    if let Err(refused) = alone(kind, (holder, &record.name), &of_holder(tx, holder).await?, None) {
        return Ok(Some(refused.code()));
    }
    match may_keep(tx, &record.keeper).await {
        Ok(_) => Ok(None),
        Err(error @ Error::SealKeeper) => Ok(Some(error.code())),
        Err(error) => Err(error),
    }
}

async fn keep_one(
    tx: &mut Tx<'_>,
    by: By<'_>,
    seal: &SignedSeal,
    record: StoredSealRecord,
    now: Timestamp,
) -> Result<(), Error> {
    let SignedSeal { row, der, maker, valid_to } = seal;
    let (Some((id, code, key)), Some(certificate_sm3)) = (row.taken.clone(), row.certificate_sm3) else {
        return Err(Error::NotAsApproved { field: "certificate" });
    };
    let kept = StoredSeal {
        id: id.clone(),
        es_id: code.to_string(),
        name: record.name.clone(),
        seal_der: der.clone(),
        signer_key: Some(key.clone()),
        state: State::Made { since: now },
        version: 1,
    };
    seals::insert(tx, &kept).await?;
    let keeper = StoredKeeper { seal: id.clone(), keeper: record.keeper.clone(), since: now, version: 1 };
    let next = StoredSealRecord {
        seal: id.clone(),
        code,
        origin: SealOrigin::Remake(row.remake.clone()),
        predecessor: Some(row.seal.clone()),
        certificate_sm3,
        valid_to: *valid_to,
        delivery: None,
        version: 1,
        ..record
    };
    seal_records::insert(tx, &next).await?;
    seal_keepers::insert(tx, &keeper).await?;
    let step = RemakeStep::Made;
    seal_remakes::update_seal(tx, &StoredRemakeSeal { step, since: now, ..row.clone() }).await?;
    let issued =
        EventBody::SealIssued { seal: id.clone(), seal_sm3: sm3(der), maker: maker.clone(), signer: Some(key) };
    let (remake, seal) = (row.remake.clone(), row.seal.clone());
    let remade = EventBody::SealRemade { remake, seal, by: Some(id), refusal: None };
    audit::append_many(tx, &[event(by, now, issued), event(by, now, remade)]).await?;
    Ok(())
}
