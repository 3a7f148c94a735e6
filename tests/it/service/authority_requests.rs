//! Authorities certified by somebody else's, on both databases: requested, certified, taken in, at work.

use std::sync::Arc;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::AuthorityId;
use yinxin::base::random::SystemRandom;
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::possession::PossessionError;
use yinxin::domain::ca::taking_in::TakingInError;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::format::x509::Certificate;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::authority_requests::{self, OutsideOrder, TakenIn, certify, take_in, withdraw};
use yinxin::service::keys::KeySource;
use yinxin::service::rollover::{RolloverOrder, rollover};
use yinxin::service::{Error, Services, inventory};
use yinxin::store;
use yinxin::store::authority_requests::StoredAuthorityRequest;

use crate::service::authority::{issuance, new_authority, order, request};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("authority-requests");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("authority requests on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("authority-requests-postgres") }).await;
}

fn id(name: &str) -> AuthorityId {
    AuthorityId::parse(name).unwrap()
}

async fn asked(services: &Services, new: &NewAuthority) -> Result<StoredAuthorityRequest, Error> {
    authority_requests::request(services, &built_in().unwrap(), BY, new).await
}

async fn taken(services: &Services, name: &str, given: &TakenIn) -> Result<(), Error> {
    take_in(services, &built_in().unwrap(), BY, (&id(name), given)).await.map(|_| ())
}

async fn contract(place: Place) {
    let services = &place.open().await;
    let offline = Folder::new("authority-requests-offline");
    let source = KeySource::File { path: offline.path().join("key"), create: true };
    let url = format!("sqlite:{}", offline.path().join("rows.db").display());
    let theirs = Services::open(&url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap();
    let profiles = built_in().unwrap();
    let root = authorities::create(&theirs, &profiles, BY, &new_authority("root", "root", None)).await.unwrap();
    let (_, root_der) = authorities::find(&theirs, &root.id).await.unwrap();

    // Names and keys that are taken, and profiles that ask nobody.
    let waiting = asked(services, &new_authority("online", "intermediate", None)).await.unwrap();
    let told = events(services).await;
    let requested = |change: &str, root_sm3| EventBody::AuthorityRequestChanged {
        authority: waiting.id.clone(),
        key: waiting.key.clone(),
        request_sm3: sm3(&waiting.csr),
        change: change.to_owned(),
        root_sm3,
    };
    assert_eq!(told.last().unwrap().body, requested("requested", None));
    let again = asked(services, &new_authority("online", "intermediate", None)).await.unwrap_err();
    assert_eq!(again.code(), "authority-exists");
    let made = authorities::create(services, &profiles, BY, &new_authority("online", "root", None)).await.unwrap_err();
    assert_eq!(made.code(), "authority-exists");
    let named = AuthorityKey::Named(waiting.key.clone());
    let same_key = NewAuthority { key: named.clone(), ..new_authority("other", "intermediate", None) };
    assert_eq!(asked(services, &same_key).await.unwrap_err().code(), "authority-key-in-use");
    let same_key = NewAuthority { key: named, ..new_authority("other", "root", None) };
    let refused = authorities::create(services, &profiles, BY, &same_key).await.unwrap_err();
    assert_eq!(refused.code(), "authority-key-in-use");
    for profile in ["root", "officer"] {
        let refused = asked(services, &new_authority("none", profile, None)).await.unwrap_err();
        assert_eq!(refused.code(), "authority-profile", "{profile}");
    }
    assert_eq!(authority_requests::list(services).await.unwrap(), std::slice::from_ref(&waiting));
    assert_eq!((place.count("keys").await, events(services).await.len()), (1, told.len()));

    // By its request only; nothing but an authority.
    let wanted = |csr: &[u8], profile: &str| OutsideOrder {
        issuer: root.id.clone(),
        csr: csr.to_vec(),
        profile: profile.to_owned(),
        not_after: None,
    };
    let officer = certify(&theirs, &profiles, BY, &wanted(&waiting.csr, "officer")).await.unwrap_err();
    assert_eq!(officer.code(), "authority-profile");
    let mut changed = waiting.csr.clone();
    *changed.last_mut().unwrap() ^= 1;
    let refused = certify(&theirs, &profiles, BY, &wanted(&changed, "intermediate")).await.unwrap_err();
    assert!(matches!(refused, Error::Possession(PossessionError::Signature)), "{refused:?}");
    let issued = certify(&theirs, &profiles, BY, &wanted(&waiting.csr, "intermediate")).await.unwrap();
    assert_eq!(inventory::find(&theirs, &issued.sm3).await.unwrap().profile, "intermediate");
    let read = Certificate::parse(&issued.der).unwrap();
    assert_eq!(read.subject.display(), "C=CN, O=示例局, CN=机构 online");

    // What is not its certificate leaves it waiting.
    let given = TakenIn { certificate: issued.der.clone(), root: root_der.clone(), between: Vec::new() };
    let unknown = taken(services, "nobody", &given).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownAuthorityRequest), "{unknown:?}");
    let second = asked(services, &new_authority("second", "intermediate", None)).await.unwrap();
    let other = taken(services, "second", &given).await.unwrap_err();
    assert!(matches!(other, Error::TakingIn(TakingInError::OtherKey)), "{other:?}");
    for (change, back) in
        [("profile = 'seal-issuing-ca'", "profile = 'intermediate'"), ("crl_shards = 5", "crl_shards = 4")]
    {
        let set = |to: &str| format!("UPDATE authority_requests SET {to} WHERE id = 'online'");
        assert_eq!(place.by_hand(&set(change)).await, 1);
        let refused = taken(services, "online", &given).await.unwrap_err();
        let table = "authority_requests";
        assert!(
            matches!(&refused, Error::Store(store::Error::Inconsistent { table: found, .. }) if *found == table),
            "{refused:?}"
        );
        assert_eq!(place.by_hand(&set(back)).await, 1);
    }
    let gone = withdraw(services, BY, &second.id).await.unwrap();
    assert_eq!((gone.id.as_str(), place.count("keys").await), ("second", 2));
    assert_eq!(withdraw(services, BY, &second.id).await.unwrap_err().code(), "unknown-authority-request");

    // Taken in, it issues, and its lists and paths are as those of every authority.
    taken(services, "online", &given).await.unwrap();
    let (authority, der) = authorities::find(services, &waiting.id).await.unwrap();
    assert_eq!((&authority.key, authority.parent.as_ref(), &der), (&waiting.key, None, &issued.der));
    let told = events(services).await;
    assert_eq!(told.iter().rev().nth(1).unwrap().body, requested("taken-in", Some(sm3(&root_der))));
    assert_eq!(told.last().unwrap().body.class().name(), "authority-created");
    assert_eq!(place.count("authority_requests").await, 0);
    assert_eq!(place.count("certificates WHERE role = 'above'").await, 1);
    let leaf = issuance(services).issue(order(&authority, request(1))).await.unwrap();
    assert_eq!(Certificate::parse(&leaf.der).unwrap().issuer, read.subject);
    let again = taken(services, "online", &given).await.unwrap_err();
    assert!(matches!(again, Error::UnknownAuthorityRequest), "{again:?}");
    let below = new_authority("below", "seal-issuing-ca", Some(&authority));
    authorities::create(services, &profiles, BY, &below).await.unwrap();
    let roll = RolloverOrder {
        old: authority.id.clone(),
        new: id("online-2"),
        name: "后继".to_owned(),
        key: AuthorityKey::Generated(KeyAlgorithm::Sm2),
        not_after: None,
    };
    let refused = rollover(services, &profiles, BY, &roll).await.unwrap_err();
    assert!(matches!(refused, Error::AuthorityFromOutside), "{refused:?}");
}
