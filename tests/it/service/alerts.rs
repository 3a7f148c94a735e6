//! Alerts of what ends soon: each is told once, the nearest number first, and forgotten.

use std::sync::Arc;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::domain::audit::EventBody;
use yinxin::format::x509::Certificate;
use yinxin::service::alerts::{KEPT_DAYS, TOPIC, pending, raise};
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::issuance::Order;
use yinxin::service::{Services, authorities};
use yinxin::store::outbox;

use crate::service::authority::{BY, issuance, order, request, root_and_below};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_on_sqlite() {
    let folder = Folder::new("alerts");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("alerts on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("alerts-postgres") }).await;
}

const DAYS: [u32; 3] = [90, 30, 7];

async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    let orders = issuance(&services);
    let mut issued = Vec::new();
    for (number, days) in [(1, 5), (2, 20), (3, 60), (4, 200), (5, 60)] {
        let wanted = Order { not_after: Some(NOW.plus_days(days)), ..order(&below, request(number)) };
        issued.push(orders.issue(wanted).await.unwrap().sm3);
    }
    // The last one is not in use.
    change(&services, (BY, None), &issued[4], Change::Suspend).await.unwrap();
    let before = events(&services).await.len();
    let at = |moment: Timestamp| Services { clock: Arc::new(FixedClock(moment)), ..services.clone() };
    let told = async |days: i64| {
        let services = at(NOW.plus_days(days));
        let count = raise(&services, &DAYS).await.unwrap();
        assert_eq!(raise(&services, &DAYS).await.unwrap(), 0, "told once");
        let listed = pending(&services).await.unwrap();
        (count, listed.into_iter().map(|alert| (alert.certificate, alert.days)).collect::<Vec<_>>())
    };
    // Of the first, which lives five days only, nothing is told: its end was near when it was issued.
    assert_eq!(told(0).await, (0, vec![]));
    let [second, third, fourth] = [issued[1], issued[2], issued[3]];
    // Twenty days of life: of 7 only, when they have come.
    assert_eq!(told(14).await, (1, vec![(second, 7)]));
    // Sixty days: 30, then 7; what is over is listed no more.
    assert_eq!(told(31).await, (1, vec![(third, 30)]));
    assert_eq!(told(55).await, (1, vec![(third, 7)]));
    // Found late, the nearest number is the one.
    assert_eq!(told(199).await, (1, vec![(fourth, 7)]));
    let made = events(&services).await.split_off(before);
    let days = made.iter().map(|event| match &event.body {
        EventBody::ExpiryAlerted { certificate_sm3, days } => (*certificate_sm3, *days),
        other => panic!("{other:?}"),
    });
    assert_eq!(days.collect::<Vec<_>>(), [(second, 7), (third, 30), (third, 7), (fourth, 7)]);
    // Those of long ago are forgotten with what they told of.
    let messages = services.store.read(|tx| Box::pin(outbox::unsent(tx, 100))).await.unwrap();
    let messages = messages.into_iter().filter(|message| message.topic == TOPIC).collect::<Vec<_>>();
    assert_eq!(messages.iter().map(|message| message.payload.clone()).collect::<Vec<_>>(), [made[3].to_der()]);
    assert_eq!(place.count("expiry_alerts").await, 1);

    let certificate = authorities::find(&services, &below.id).await.unwrap().1;
    let end = Certificate::parse(&certificate).unwrap().not_after;
    let late = at(end.plus_days(-80));
    assert_eq!(raise(&late, &DAYS).await.unwrap(), 1);
    let listed = pending(&late).await.unwrap();
    let facts = listed.iter().map(|alert| (alert.certificate, alert.ending.name(), alert.days)).collect::<Vec<_>>();
    assert_eq!(facts, [(below.certificate, "authority", 90)]);
    raise(&at(end.plus_days(KEPT_DAYS + 2)), &[]).await.unwrap();
    assert_eq!(place.count("expiry_alerts").await, 0);
}
