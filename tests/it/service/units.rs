//! Units of each role over a real database: made at once, each has a key of its own; what is left over is used.

use std::collections::BTreeSet;
use std::sync::Arc;

use yinxin::base::id::AuthorityId;
use yinxin::domain::audit::Actor;
use yinxin::domain::ca::Profiles;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, Owner};
use yinxin::service::Services;
use yinxin::service::development::{self, ORGANISATION};
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::making::generate;
use yinxin::service::units::{NewUnit, UnitRole, establish, list, retire};

use crate::service::installation::{NOW, Place};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_on_sqlite() {
    let folder = Folder::new("units");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("units on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("units-postgres") }).await;
}

async fn contract(place: Place) {
    let services = place.open().await;
    let profiles = Arc::new(yinxin::config::profiles::built_in().unwrap());
    let pki = development::ensure(&services, &profiles).await.unwrap();
    let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
    for role in [UnitRole::TimeStamping, UnitRole::Report] {
        development::ensure_unit(&services, &issuance, &pki, role).await.unwrap();
        made_at_once_they_have_keys_of_their_own(&services, &profiles, role).await;
    }
    one_role_does_not_see_the_other(&services).await;
}

fn new_unit(role: UnitRole) -> NewUnit {
    let subject = vec![
        (AttributeKind::Organisation, ORGANISATION.to_owned()),
        (AttributeKind::CommonName, format!("Unit {}", role.name())),
    ];
    let (profile, not_after) = (role.profile().to_owned(), Some(NOW.plus_days(30)));
    NewUnit { algorithm: KeyAlgorithm::Sm2, location: None, subject, profile, not_after }
}

/// A key that a unit left which did not come about is one unit's, whoever asks at the same time.
async fn made_at_once_they_have_keys_of_their_own(services: &Services, profiles: &Arc<Profiles>, role: UnitRole) {
    let attributes = KeyAttributes::new(Owner::installation(), role.purpose(), KeyAlgorithm::Sm2);
    // Two engines, as two processes have them, and two orders in one group.
    let engine = || Issuance::start(services.clone(), Arc::clone(profiles));
    let (one, two) = (engine(), engine());
    let (by, name) = (&Actor::Operator, AuthorityId::parse("development-authority").unwrap());
    let asked = (&name, role);
    for _ in 0..4 {
        let location = services.keys.own_location();
        let orphan = generate(services, by, location, &attributes).await.unwrap().id;
        let (first, second, third) = tokio::join!(
            establish(services, &one, by, asked, new_unit(role)),
            establish(services, &two, by, asked, new_unit(role)),
            establish(services, &one, by, asked, new_unit(role)),
        );
        let made = [first.unwrap().sm3, second.unwrap().sm3, third.unwrap().sm3];
        let known = list(services, role).await.unwrap();
        let keys = known.iter().filter(|unit| made.contains(&unit.certificate.sm3)).map(|unit| unit.key.clone());
        let keys = keys.collect::<BTreeSet<_>>();
        assert_eq!((keys.len(), keys.contains(&orphan)), (3, true));
        assert!(known.iter().all(|unit| !keys.contains(&unit.key) || unit.key_state.name() == "active"));
        for sm3 in &made {
            retire(services, by, (role, sm3)).await.unwrap();
        }
    }
    // Whose order fails leaves the key to whoever took it: nothing of it is destroyed that a certificate names.
    let orphan = generate(services, by, services.keys.own_location(), &attributes).await.unwrap().id;
    let wrong = NewUnit { profile: "officer".into(), ..new_unit(role) };
    let (good, refused) =
        tokio::join!(establish(services, &one, by, asked, new_unit(role)), establish(services, &two, by, asked, wrong));
    assert_eq!(refused.unwrap_err().code(), "attribute-missing");
    let good = good.unwrap().sm3;
    let unit = list(services, role).await.unwrap().into_iter().find(|unit| unit.certificate.sm3 == good).unwrap();
    assert_eq!((unit.key, unit.key_state.name()), (orphan, "active"));
    retire(services, by, (role, &good)).await.unwrap();
}

async fn one_role_does_not_see_the_other(services: &Services) {
    let (stamps, reports) = (UnitRole::TimeStamping, UnitRole::Report);
    let mut known = Vec::new();
    for role in [stamps, reports] {
        known.push(list(services, role).await.unwrap());
    }
    let [stamping, reporting] = known.as_slice() else { panic!("{known:?}") };
    assert!(stamping.iter().all(|unit| unit.certificate.profile == "tsa"));
    assert!(reporting.iter().all(|unit| unit.certificate.profile == "report-signer"));
    let of_reports = reporting[0].certificate.sm3;
    let refused = retire(services, &Actor::Operator, (stamps, &of_reports)).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-certificate");
}
