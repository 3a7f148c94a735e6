//! The use cases of seals over a real database, on SQLite and on PostgreSQL.

mod alerts;
mod algorithms;
mod approved_orders;
pub(crate) mod audit_log;
mod audit_log_crash;
pub(crate) mod authority;
mod authority_crash;
mod authority_requests;
mod backups;
mod crash;
mod crossing;
pub(crate) mod escrow;
mod installation;
pub(crate) mod jobs;
mod jobs_crash;
mod keys;
mod message_signings;
mod old_tiles;
mod old_tiles_objects;
mod person_crash;
pub(crate) mod person_signings;
pub(crate) mod registration;
mod releases;
mod renewal;
mod retention;
mod seal_authority;
mod seal_crash;
mod seal_expiry;
mod seal_expiry_crash;
mod seal_imports;
pub(crate) mod seal_life;
mod seal_pages;
mod seal_remakes;
mod seal_rows;
mod seal_uses;
mod signed_reports;
pub(crate) mod signing;
pub(crate) mod stamping;
mod trust_lists;
mod units;
mod upgrade;
mod verification_batches;
mod watching;
mod watching_crash;
mod watching_receivers;
mod webhook_receiver;
mod webhooks;

use yinxin::domain::audit::EventBody;

use crate::service::installation::Place;
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("service");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("service on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("service-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let mut services = place.open().await;
    let pki = signing::the_development_pki_is_made_once(&services).await;
    let desk = signing::Desk { services: &services, pki: &pki, place: &place };
    desk.a_seal_is_used_with_intent_and_result().await;
    desk.later_seals_keep_earlier_ones_and_a_lock_ends_it().await;
    desk.what_cannot_be_sealed_leaves_nothing().await;
    desk.repeated_requests_get_the_first_answer().await;
    desk.one_key_at_once_signs_once().await;
    desk.only_seal_signing_keys_sign().await;
    desk.only_active_seals_sign().await;
    desk.a_seal_suspended_after_the_intent_releases_nothing().await;
    desk.only_active_keys_sign().await;
    desk.a_key_suspended_after_the_intent_releases_nothing().await;
    desk.a_result_that_cannot_be_kept_is_not_released().await;
    let (before, caller) = crash::between_intent_and_result(&services, &place, &pki).await;
    services = place.open().await;
    crash::is_told_at_the_next_start(&services, &place, &pki, &before, &caller).await;
    let desk = signing::Desk { services: &services, pki: &pki, place: &place };
    desk.a_changed_row_gives_no_authority().await;
    every_signing_is_closed_and_no_number_is_missing(&place, &services).await;
}

/// Reads the whole log: the store refuses gaps, and each intent has one end.
async fn every_signing_is_closed_and_no_number_is_missing(place: &Place, services: &yinxin::service::Services) {
    let events = installation::events(services).await;
    let count = services.store.read(|tx| Box::pin(yinxin::store::audit::count(tx))).await.unwrap();
    assert_eq!(events.len(), usize::try_from(count).unwrap());
    let mut open = std::collections::BTreeSet::new();
    let (mut signed, mut abandoned) = (0, 0);
    for event in &events {
        match &event.body {
            EventBody::SigningIntended { signature, .. } => assert!(open.insert(signature.clone())),
            EventBody::DocumentSigned { signature, .. } => {
                assert!(open.remove(signature));
                signed += 1;
            }
            EventBody::SigningAbandoned { signature, .. } => {
                assert!(open.remove(signature));
                abandoned += 1;
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let rows = async |state: &str| place.count(&format!("signatures WHERE state = '{state}'")).await;
    assert_eq!((rows("signed").await, rows("abandoned").await, rows("signing").await), (signed, abandoned, 0));
    assert!(signed >= 5 && abandoned >= 3, "{signed} signed, {abandoned} abandoned");
    assert_eq!(place.count("outbox").await, signed);
}
