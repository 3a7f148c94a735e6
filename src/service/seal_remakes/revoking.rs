//! The first part of an order to re-make seals: every seal that it means is revoked, with its signer's certificate where that is
//! ours.
//!
//! A page of seals is one transaction, which notes how far it came: *a crash* anywhere leaves whole pages.

use crate::base::clock::Timestamp;
use crate::base::id::JobId;
use crate::domain::audit::EventBody;
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeyUse};
use crate::domain::seal::remake::{Candidate, RemakeRefused, RemakeState, RemakeStep, Selection};
use crate::domain::trust::key::{public_key, subject_public_key_info};
use crate::format::ses::SesSeal;
use crate::format::x509::Certificate;
use crate::service::certificate_status::{Change, change_in, end_in};
use crate::service::seal_changes::change_state;
use crate::service::seal_fulfilment::of_certificate;
use crate::service::seal_remakes::carrying::{By, event};
use crate::service::seal_remakes::{confirm, known};
use crate::service::{Error, Services};
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::seal_records::StoredSealRecord;
use crate::store::seal_remakes::{self, StoredRemake, StoredRemakeSeal};
use crate::store::seals::StoredSeal;
use crate::store::{Tx, audit, certificates, issued_certificates, keys, seal_records, seals};

/// Seals that one transaction looks at, and revokes where they are meant.
const PAGE: i64 = 128;

/// Looks at some seals behind the last one, and revokes those that are meant.
pub(super) async fn revoke_some(services: &Services, by: By<'_>, id: &JobId) -> Result<(), Error> {
    let now = services.clock.now();
    let steps = services.store.run("revoke seals of an order", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            confirm(tx, &stored).await?;
            let after = match &stored.state {
                RemakeState::Submitted => None,
                RemakeState::Revoking { after } => after.clone(),
                _ => return Ok(Vec::new()),
            };
            not_at_work(services, tx, &stored.order.selection, now).await?;
            let page = seal_records::list(tx, after.as_ref(), PAGE).await?;
            let (mut revoked, last) = (Vec::new(), page.last().map(|record| record.seal.clone()));
            for record in page {
                revoked.extend(revoke_one(tx, by, (&stored, &record), now).await?);
            }
            let begun_at = stored.begun_at.or(Some(now));
            let next = match last {
                Some(last) => {
                    let state = RemakeState::Revoking { after: Some(last) };
                    StoredRemake { state, begun_at, ..stored }
                }
                None => {
                    let seals = seal_remakes::counts(tx, id).await?.revoked;
                    let body = EventBody::SealRemakeAllRevoked { remake: id.clone(), seals };
                    audit::append(tx, &event(by, now, body)).await?;
                    StoredRemake { state: RemakeState::Making, begun_at, revoked_at: Some(now), ..stored }
                }
            };
            seal_remakes::update(tx, &next).await?;
            Ok::<_, Error>(revoked)
        })
    });
    for certificate in steps.await? {
        services.publication.answers().forget_changed(&certificate);
    }
    Ok(())
}

/// A maker whose seals are to go makes none meanwhile.
async fn not_at_work(services: &Services, tx: &mut Tx<'_>, selection: &Selection, now: Timestamp) -> Result<(), Error> {
    let Some(maker) = &selection.maker else { return Ok(()) };
    let Some(key) = keys::find_by_public_key(tx, maker).await? else { return Ok(()) };
    match services.keys.permitted(tx, &key.id, (KeyPurpose::SealMaking, KeyUse::Sign), now).await {
        Ok(_) => Err(RemakeRefused::MakerAtWork.into()),
        Err(_) => Ok(()),
    }
}

/// Revokes a seal that is meant, with its signer's certificate where that is ours, and enters it in the order.
async fn revoke_one(
    tx: &mut Tx<'_>,
    by: By<'_>,
    (stored, record): (&StoredRemake, &StoredSealRecord),
    now: Timestamp,
) -> Result<Option<IssuedCertificate>, Error> {
    let order = &stored.order;
    if !order.selection.division.contains(&record.holder.division) {
        return Ok(None);
    }
    let seal = seals::find(tx, &record.seal).await?.ok_or(Error::UnknownSeal)?;
    let issued = issued_certificates::find_by_sm3(tx, &record.certificate_sm3).await?;
    if seal.state.is_ended() || !is_meant(tx, &order.selection, record, (&seal, issued.as_ref())).await? {
        return Ok(None);
    }
    let (state, body) = seal.state.clone().revoke(&record.seal, now, order.reason)?;
    change_state(tx, &seal, state).await?;
    audit::append(tx, &event(by, now, body)).await?;
    let refusal = seal.signer_key.is_none().then(|| Error::SignerNotOurs.code().to_owned());
    let step = if refusal.is_some() { RemakeStep::Refused } else { RemakeStep::Revoked };
    let row = StoredRemakeSeal {
        seal: record.seal.clone(),
        remake: stored.id.clone(),
        step,
        taken: None,
        certificate_sm3: None,
        refusal,
        since: now,
        version: 1,
    };
    seal_remakes::insert_seal(tx, &row).await?;
    if issued.is_none() {
        return Ok(None);
    }
    let revoke = Change::Revoke { reason: of_certificate(order.reason), invalidity_date: order.compromised_at };
    match change_in(tx, by, &record.certificate_sm3, revoke, now).await {
        Ok(changed) => Ok(Some(changed)),
        // Revoked before, or ended; or the moment of the compromise lies before it began.
        Err(Error::CertificateState(_)) => {
            end_in(tx, by, &record.certificate_sm3, of_certificate(order.reason), now).await
        }
        Err(error) => Err(error),
    }
}

/// Whether a selection means that seal; only what it asks about is read.
async fn is_meant(
    tx: &mut Tx<'_>,
    selection: &Selection,
    record: &StoredSealRecord,
    (seal, issued): (&StoredSeal, Option<&IssuedCertificate>),
) -> Result<bool, Error> {
    let key_of = |der: &[u8]| Certificate::parse(der).ok().and_then(|read| public_key(&read.public_key));
    let mut maker = None;
    if selection.maker.is_some() {
        let read = SesSeal::parse_any(&seal.seal_der).ok();
        maker = read.and_then(|seal| key_of(seal.maker_certificate)).map(|key| subject_public_key_info(&key));
    }
    let mut algorithm = None;
    if selection.algorithm.is_some() {
        let der = match issued {
            Some(issued) => Some(issued.der.clone()),
            None => certificates::find(tx, &record.certificate_sm3).await?.map(|row| row.der),
        };
        let key = der.and_then(|der| key_of(&der));
        algorithm = key.and_then(|key| KeyAlgorithm::ALL.iter().copied().find(|one| one.key_name() == key.name()));
    }
    let candidate = Candidate {
        division: &record.holder.division,
        maker: maker.as_deref(),
        authority: issued.map(|issued| &issued.authority),
        algorithm,
    };
    Ok(selection.means(&candidate))
}
