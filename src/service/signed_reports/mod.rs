//! Signed reports: the report of a verification, signed by a key of the installation that is for nothing else.
//!
//! What a crash means at each arrow of `report → sign → check → record → answer`: before *record* nothing happened that
//! anybody knows of: a signed report that may exist was never released. After *record* the log names one that perhaps
//! nobody has: whoever asks again gets another one. So every signed report that left has its event.

mod document;
mod units;

use std::sync::Arc;

use crate::base::id::{RequestId, SealId};
use crate::base::limits::Limits;
use crate::crypto::digest::sm3;
use crate::crypto::sm2::KeyTables;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::seal::signing::Placement;
use crate::domain::verify::Report;
use crate::domain::verify::signed_report::{self, ReportToken, Signatory};
use crate::service::seal_uses::UsePurpose;
use crate::service::seals::{self, Order};
use crate::service::units::is_active;
use crate::service::{Error, Services};
use crate::store::audit;

pub use document::unsigned_document;
pub use signed_report::Form;
pub use units::is_on;

/// Where the seal of a report stands: beside the title, on the first page of A4.
const PLACE: Placement = Placement { page: 1, x_mm: 154.0, y_mm: 12.0, lock: true };

/// The document of a report, sealed by a seal of the installation as any document is: with intent and result in the log.
/// Nothing can be added to it afterwards.
///
/// Whoever asks for a report has it sealed so, a stranger too, where the installation names a seal for reports: what is
/// sealed is what we judged and wrote, and nothing of theirs. Such a seal should be for nothing else.
///
/// # Errors
/// As [`seals::sign`]: the seal is unknown or not active, or the key of its signer is not ours.
pub async fn seal(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    report: &Report,
    seal: &SealId,
) -> Result<Vec<u8>, Error> {
    let report = report.clone();
    let written = tokio::task::spawn_blocking(move || unsigned_document(&report));
    let document = written.await.map_err(|_| Error::Interrupted)??;
    let order = Order { document, plan: PLACE.into(), idempotency_key: None, purpose: UsePurpose::default() };
    Ok(seals::sign(services, actor, request, seal, order).await?.document)
}

/// Signs a report in that form with the newest usable report key, and records it: when it is given, its event is durable.
///
/// # Errors
/// [`Error::ReportSigningOff`]: there is no such key; [`Error::Reporting`]; the key store's; the database's.
pub async fn sign(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    report: &Report,
    form: Form,
) -> Result<Vec<u8>, Error> {
    let unit = units::current(services).await?.ok_or(Error::ReportSigningOff)?;
    let json = report.to_json().into_bytes();
    let (report_sm3, now) = (sm3(&json), services.clock.now());
    let content = match form {
        Form::Jws | Form::Cms => json,
        Form::Ofd => {
            let report = report.clone();
            let written = tokio::task::spawn_blocking(move || unsigned_document(&report));
            written.await.map_err(|_| Error::Interrupted)??
        }
    };
    let signatory =
        Signatory { certificate: &unit.certificate, chain: &unit.chain, algorithm: unit.signer.algorithm() };
    let token: ReportToken<'_> = signed_report::prepare(form, &content, signatory, now, &Limits::DEFAULT)?;
    let (signer, random) = (Arc::clone(&unit.signer), Arc::clone(&services.random));
    let value = services.pool.sign(signer, token.to_sign().to_vec(), random).await?;
    let signed = token.assemble(&value, &KeyTables::default())?;
    let (key, certificate_sm3) = (&unit.key, sm3(&unit.certificate));
    let (form, result_sm3) = (form.name().to_owned(), sm3(&signed));
    let body = EventBody::ReportSigned { report_sm3, form, certificate_sm3, key: key.clone(), result_sm3 };
    let event = &Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let steps = services.store.run("record signed report", |tx| {
        Box::pin(async move {
            // Suspended or destroyed meanwhile, the key signed for nobody: the report is thrown away.
            services.keys.permitted(tx, key, (KeyPurpose::Report, KeyUse::Sign), now).await?;
            if !is_active(tx, &certificate_sm3).await? {
                return Err(Error::ReportSigningOff);
            }
            audit::append(tx, event).await?;
            Ok(())
        })
    });
    steps.await?;
    Ok(signed)
}
