//! A crash between intent and result: the next start closes what was left open, and frees what was reserved.

use yinxin::base::id::SignatureId;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use yinxin::service::Services;
use yinxin::service::development::{self, DevelopmentPki, NOTICE};
use yinxin::service::idempotency::{self, Reservation};
use yinxin::service::seals::{self, Order};
use yinxin::store::{audit, signatures};

use crate::service::installation::{NOW, Place, assert_same, events};
use crate::service::signing::{caller, id_of, order};

/// Does what `seals::sign` does up to its intent, as if the process had ended there; gives the log's length.
pub(crate) async fn between_intent_and_result(
    services: &Services,
    place: &Place,
    pki: &DevelopmentPki,
) -> ((usize, SignatureId), Actor) {
    let actor = caller(services, 7).await;
    let reserved = idempotency::reserve(services, id_of(&actor), "crash", &[1; 32]).await.unwrap();
    assert_eq!(reserved, Reservation::First);
    let signature = SignatureId::fresh(NOW, &*services.random).unwrap();
    let seal = &pki.seals[0];
    let body = EventBody::SigningIntended {
        signature: signature.clone(),
        seal: seal.id.clone(),
        document_sm3: sm3(NOTICE),
        key: seal.signer_key.clone().unwrap(),
    };
    let event = Event { at: NOW, actor: actor.clone(), request: None, body };
    let (name, event) = (&signature, &event);
    let intend = services.store.run("intend", |tx| {
        Box::pin(async move {
            signatures::record_intent(tx, name, &seal.id, &sm3(NOTICE), NOW).await?;
            audit::append(tx, event).await
        })
    });
    intend.await.unwrap();
    assert_eq!(place.count("signatures WHERE state = 'signing'").await, 1);
    let length = events(services).await.len();
    services.store.close().await;
    ((length, signature), actor)
}

pub(crate) async fn is_told_at_the_next_start(
    services: &Services,
    place: &Place,
    pki: &DevelopmentPki,
    (length, signature): &(usize, SignatureId),
    actor: &Actor,
) {
    let new = events(services).await.split_off(*length).into_iter().map(|event| event.body).collect::<Vec<_>>();
    let abandoned =
        EventBody::SigningAbandoned { signature: signature.clone(), reason: AbandonmentReason::Interrupted };
    assert_eq!(new, [abandoned, EventBody::ServiceStarted { version: env!("CARGO_PKG_VERSION").into() }]);
    assert_eq!(place.count("signatures WHERE state = 'signing'").await, 0);
    // Seals have changed their state since, so only what is fixed is compared.
    let again = development::ensure(services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    let seals = pki.seals.clone();
    assert_same(&DevelopmentPki { seals: seals.clone(), ..again }, &DevelopmentPki { seals, ..pki.clone() });
    let order = Order { idempotency_key: Some("crash".into()), ..order(NOTICE) };
    seals::sign(services, actor, None, &pki.seals[0].id, order).await.unwrap();
}
