//! A seal is used: what stands in the rows, the log and the document, and what stands nowhere after a refusal.

use yinxin::base::id::{CallerId, RequestId, SignatureId};
use yinxin::base::limits::Limits;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{AbandonmentReason, Actor, Event, EventBody, RevocationReason, SuspensionReason};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose, KeyRefusal, KeySuspensionReason, Owner};
use yinxin::domain::seal::State;
use yinxin::domain::seal::signing::Placement;
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::domain::verify::Indication;
use yinxin::format::ofd::container::Container;
use yinxin::service::callers::{Registration, register_caller};
use yinxin::service::development::{self, DevelopmentPki, NOTICE};
use yinxin::service::keys::NewKey;
use yinxin::service::keys::life_cycle::{resume, suspend};
use yinxin::service::seal_uses::UsePurpose;
use yinxin::service::seals::{self, Order, Sealed};
use yinxin::service::{Error, Services, keys};
use yinxin::store::outbox::StoredMessage;
use yinxin::store::seals::StoredSeal;
use yinxin::store::signatures::{SigningState, StoredSignature};
use yinxin::store::{self, outbox, signatures};

use crate::service::installation::{NOW, Place, assert_same, events, judge, report};

const PLACE: Placement = Placement { page: 3, x_mm: 124.0, y_mm: 211.682, lock: false };

pub(crate) fn order(document: &[u8]) -> Order {
    Order { document: document.to_vec(), plan: PLACE.into(), idempotency_key: None, purpose: UsePurpose::default() }
}

fn moved(document: &[u8], x_mm: f64, lock: bool) -> Order {
    Order { plan: Placement { x_mm, lock, ..PLACE }.into(), ..order(document) }
}

pub(crate) async fn caller(services: &Services, key: u8) -> Actor {
    let roles = Roles::new([Role::SealUser]).unwrap();
    let registration = Registration {
        name: "business".into(),
        key_fingerprint: [key; 32],
        public_key: vec![key],
        algorithm: KeyAlgorithm::Sm2,
        roles: roles.clone(),
    };
    let caller = register_caller(services, &Actor::Operator, None, registration).await.unwrap();
    Actor::Caller { id: caller.id, roles }
}

pub(crate) async fn the_development_pki_is_made_once(services: &Services) -> DevelopmentPki {
    let first = development::ensure(services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    let names = events(services).await.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    let mut expected = vec!["key-encryption-key-created", "service-started"];
    expected.extend(["key-created"; 6]);
    expected.extend(["certificate-issued"; 6]);
    expected.extend(["seal-issued"; 3]);
    assert_eq!(names, expected);
    let second = development::ensure(services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    assert_same(&first, &second);
    assert_eq!(events(services).await.len(), expected.len());
    assert_eq!(first.seals.len(), 3);
    first
}

/// What must not change when nothing is signed.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    events: i64,
    signatures: i64,
    outbox: i64,
}

pub(crate) struct Desk<'a> {
    pub(crate) services: &'a Services,
    pub(crate) pki: &'a DevelopmentPki,
    pub(crate) place: &'a Place,
}

impl Desk<'_> {
    async fn sign(&self, actor: &Actor, seal: usize, order: Order) -> Result<Sealed, Error> {
        seals::sign(self.services, actor, None, &self.pki.seals[seal].id, order).await
    }

    async fn refused(&self, seal: usize, order: Order) -> &'static str {
        self.sign(&Actor::Operator, seal, order).await.unwrap_err().code()
    }

    async fn counts(&self) -> Counts {
        Counts {
            events: self.place.count("audit_events").await,
            signatures: self.place.count("signatures").await,
            outbox: self.place.count("outbox").await,
        }
    }

    async fn last_events(&self, number: usize) -> Vec<Event> {
        let mut all = events(self.services).await;
        all.split_off(all.len() - number)
    }

    async fn row(&self, id: &SignatureId) -> Option<StoredSignature> {
        self.services.store.read(|tx| Box::pin(signatures::find(tx, id))).await.unwrap()
    }

    pub(crate) async fn a_seal_is_used_with_intent_and_result(&self) {
        let actor = caller(self.services, 1).await;
        let request = RequestId::parse("request-1").unwrap();
        let seal = &self.pki.seals[0];
        let sealed = seals::sign(self.services, &actor, Some(&request), &seal.id, order(NOTICE)).await.unwrap();
        assert_eq!(sealed.signed_at, NOW);
        let expected = (Indication::TotalPassed, vec![Indication::TotalPassed]);
        assert_eq!(judge(self.pki, &sealed.document), expected);

        let container = Container::read(&sealed.document, &Limits::DEFAULT).unwrap();
        let value = container.names().find(|name| name.absolute().ends_with("/SignedValue.dat")).unwrap();
        let (signature, id) = (sealed.signature.clone(), seal.id.clone());
        let (document_sm3, result_sm3) = (sm3(NOTICE), sm3(&sealed.document));
        let key = seal.signer_key.clone().unwrap();
        let event = |body| Event { at: NOW, actor: actor.clone(), request: Some(request.clone()), body };
        let intent =
            event(EventBody::SigningIntended { signature: signature.clone(), seal: id.clone(), document_sm3, key });
        let done = event(EventBody::DocumentSigned {
            signature: signature.clone(),
            seal: id.clone(),
            document_sm3,
            signed_value_sm3: sm3(container.part(value).unwrap()),
            result_sm3,
        });
        assert_eq!(self.last_events(2).await, [intent, done.clone()]);
        let state = SigningState::Signed { result_sm3, finished_at: NOW };
        let row = StoredSignature { id: signature.clone(), seal: id, document_sm3, created_at: NOW, state };
        assert_eq!(self.row(&signature).await, Some(row));
        let messages = self.services.store.read(|tx| Box::pin(outbox::unsent(tx, 10))).await.unwrap();
        let message = StoredMessage {
            id: signature.to_string(),
            topic: "document-signed".into(),
            payload: done.to_der(),
            created_at: NOW,
        };
        assert_eq!(messages, [message]);
    }

    pub(crate) async fn later_seals_keep_earlier_ones_and_a_lock_ends_it(&self) {
        let by = &Actor::Operator;
        let once = self.sign(by, 0, order(NOTICE)).await.unwrap().document;
        let twice = self.sign(by, 1, moved(&once, 80.0, false)).await.unwrap().document;
        let passed = Indication::TotalPassed;
        assert_eq!(judge(self.pki, &twice), (passed, vec![passed; 2]));
        let locked = self.sign(by, 2, moved(&twice, 36.0, true)).await.unwrap().document;
        assert_eq!(judge(self.pki, &locked), (passed, vec![passed; 3]));
        let number = |seal: &StoredSeal| seal.es_id.clone();
        let by_seal = report(self.pki, &locked).signatures.into_iter().map(|one| one.seal_summary.unwrap().es_id);
        assert_eq!(by_seal.collect::<Vec<_>>(), self.pki.seals.iter().map(number).collect::<Vec<_>>());
        let before = self.counts().await;
        assert_eq!(self.refused(0, moved(&locked, 20.0, false)).await, "document-locked");
        assert_eq!(self.counts().await, before);
    }

    pub(crate) async fn what_cannot_be_sealed_leaves_nothing(&self) {
        let before = self.counts().await;
        let at = |page, x_mm, y_mm| Order { plan: Placement { page, x_mm, y_mm, lock: false }.into(), ..order(NOTICE) };
        assert_eq!(self.refused(0, at(9, 10.0, 10.0)).await, "page-unknown");
        assert_eq!(self.refused(0, at(0, 10.0, 10.0)).await, "page-unknown");
        assert_eq!(self.refused(0, at(1, 500.0, 10.0)).await, "stamp-outside");
        assert_eq!(self.refused(0, at(1, -0.1, 10.0)).await, "stamp-outside");
        assert_eq!(self.refused(0, at(1, f64::NAN, 10.0)).await, "stamp-outside");
        assert_eq!(self.refused(0, order(b"not a package")).await, "zip-malformed");
        let none = yinxin::base::id::SealId::parse("none").unwrap();
        let unknown = seals::sign(self.services, &Actor::Operator, None, &none, order(NOTICE)).await.unwrap_err();
        assert_eq!(unknown.code(), "unknown-seal");
        assert_eq!(self.counts().await, before);
    }

    pub(crate) async fn repeated_requests_get_the_first_answer(&self) {
        let (one, other) = (caller(self.services, 2).await, caller(self.services, 3).await);
        let with = |key: &str, order: Order| Order { idempotency_key: Some(key.to_owned()), ..order };
        let first = self.sign(&one, 0, with("k", order(NOTICE))).await.unwrap();
        let before = self.counts().await;
        let again = self.sign(&one, 0, with("k", order(NOTICE))).await.unwrap();
        assert_eq!(again, first);
        // The document is not kept: it is made again from the one that came again.
        let id = id_of(&one);
        let kept = format!("idempotency WHERE caller = '{id}' AND key = 'k'");
        assert_eq!(self.place.count(&format!("{kept} AND length(response) < 400")).await, 1);
        let code = async |seal, order| self.sign(&one, seal, with("k", order)).await.unwrap_err().code();
        assert_eq!(code(0, moved(NOTICE, 80.0, false)).await, "idempotency-key-reused");
        assert_eq!(code(0, moved(NOTICE, PLACE.x_mm, true)).await, "idempotency-key-reused");
        assert_eq!(code(0, order(b"other")).await, "idempotency-key-reused");
        let seam = StampPlan::read("seam edge=right", false).unwrap();
        assert_eq!(code(0, Order { plan: seam, ..order(NOTICE) }).await, "idempotency-key-reused");
        assert_eq!(code(1, order(NOTICE)).await, "idempotency-key-reused");
        assert_eq!(self.sign(&one, 0, with("", order(NOTICE))).await.unwrap_err().code(), "invalid-idempotency-key");
        assert_eq!(self.counts().await, before);
        // What is kept gives that document, or nothing.
        let shorter = "UPDATE idempotency SET response = substr(response, 1, length(response) - 1)";
        let shorter = format!("{shorter} WHERE caller = '{id}' AND key = 'k'");
        assert_eq!(self.place.by_hand(&shorter).await, 1);
        assert_eq!(code(0, order(NOTICE)).await, "answer-not-remade");
        assert_eq!(self.counts().await, before);
        // Keys are each caller's own.
        let theirs = self.sign(&other, 0, with("k", order(NOTICE))).await.unwrap();
        assert_ne!(theirs.signature, first.signature);

        let failed = self.sign(&one, 0, with("l", moved(NOTICE, 900.0, false))).await.unwrap_err();
        assert_eq!(failed.code(), "stamp-outside");
        self.sign(&one, 0, with("l", order(NOTICE))).await.unwrap();
    }

    pub(crate) async fn one_key_at_once_signs_once(&self) {
        let actor = caller(self.services, 4).await;
        let before = self.counts().await;
        let mut tasks = Vec::new();
        for _ in 0..10 {
            let (services, seal, actor) = (self.services.clone(), self.pki.seals[0].id.clone(), actor.clone());
            let order = Order { idempotency_key: Some("same".into()), ..order(NOTICE) };
            tasks.push(tokio::spawn(async move { seals::sign(&services, &actor, None, &seal, order).await }));
        }
        let mut sealed = Vec::new();
        for task in tasks {
            sealed.push(task.await.unwrap().unwrap());
        }
        sealed.dedup();
        assert_eq!(sealed.len(), 1);
        // Intent and result.
        let (events, signatures, outbox) = (before.events + 2, before.signatures + 1, before.outbox + 1);
        assert_eq!(self.counts().await, Counts { events, signatures, outbox });
    }

    pub(crate) async fn only_seal_signing_keys_sign(&self) {
        let (services, random) = (self.services, &*self.services.random);
        for purpose in KeyPurpose::ALL.iter().copied() {
            let key = NewKey::generate(purpose, KeyAlgorithm::Sm2, random).unwrap();
            let id = yinxin::base::id::KeyId::fresh(NOW, random).unwrap();
            let (store, name, key) = (&*services.keys, &id, &key);
            let attributes = key.attributes(Owner::installation());
            let keep = services.store.run("keep key", |tx| {
                let attributes = attributes.clone();
                Box::pin(async move { store.keep(tx, name, &attributes, (&key.private, &key.public), NOW).await })
            });
            keep.await.unwrap();
            for door in KeyPurpose::ALL.iter().copied() {
                let signer = services.store.read(|tx| Box::pin(store.signer(tx, name, door, NOW))).await;
                match signer {
                    Ok(signer) => {
                        assert_eq!(purpose, door);
                        assert!(
                            !matches!(purpose, KeyPurpose::Decryption | KeyPurpose::Integrity | KeyPurpose::Escrow),
                            "{purpose}"
                        );
                        assert_eq!(signer.public_key(), key.public_key());
                    }
                    Err(keys::Error::Refused(KeyRefusal::OtherPurpose { key, purpose: of, wanted })) => {
                        assert_ne!(purpose, door);
                        assert_eq!((&key, of, wanted), (name, purpose, door));
                    }
                    Err(keys::Error::Refused(KeyRefusal::UseNotAllowed { .. })) => {
                        assert_eq!(purpose, door);
                        assert!(
                            matches!(purpose, KeyPurpose::Decryption | KeyPurpose::Integrity | KeyPurpose::Escrow),
                            "{purpose}"
                        );
                    }
                    Err(other) => panic!("{purpose} at the door of {door}: {other:?}"),
                }
            }
        }
    }

    async fn change(&self, seal: usize, next: impl Fn(&StoredSeal) -> State) -> State {
        let id = &self.pki.seals[seal].id;
        let find = self.services.store.read(|tx| Box::pin(store::seals::find(tx, id)));
        let row = find.await.unwrap().unwrap();
        let state = next(&row);
        let row = &row;
        self.services
            .store
            .run("change", |tx| Box::pin(store::seals::change_state(tx, row, state.clone())))
            .await
            .unwrap();
        state
    }

    async fn suspend(&self, seal: usize) {
        let reason = SuspensionReason::OwnerRequest;
        self.change(seal, |row| row.state.clone().suspend(&row.id, NOW, reason).unwrap().0).await;
    }

    async fn resume(&self, seal: usize) {
        self.change(seal, |row| row.state.clone().resume(&row.id, NOW).unwrap().0).await;
    }

    pub(crate) async fn only_active_seals_sign(&self) {
        self.suspend(1).await;
        let before = self.counts().await;
        let refused = self.sign(&Actor::Operator, 1, order(NOTICE)).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("seal-suspended", "a seal that is suspended cannot sign")
        );
        let status = seals::status(self.services, &self.pki.seals[1].id).await.unwrap();
        assert_eq!(status.state, State::Suspended { since: NOW, reason: SuspensionReason::OwnerRequest });
        assert_eq!(self.counts().await, before);
        self.resume(1).await;
        self.sign(&Actor::Operator, 1, order(NOTICE)).await.unwrap();

        let before = self.counts().await;
        let reason = RevocationReason::KeyCompromise;
        self.change(2, |row| row.state.clone().revoke(&row.id, NOW, reason).unwrap().0).await;
        let refused = self.sign(&Actor::Operator, 2, order(NOTICE)).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("seal-revoked", "a seal that is revoked cannot sign")
        );
        assert_eq!(self.counts().await, before);
    }

    pub(crate) async fn only_active_keys_sign(&self) {
        let key = self.pki.seals[1].signer_key.clone().unwrap();
        suspend(self.services, &Actor::Operator, &key, KeySuspensionReason::OwnerRequest).await.unwrap();
        let before = self.counts().await;
        let refused = self.sign(&Actor::Operator, 1, order(NOTICE)).await.unwrap_err();
        assert_eq!((refused.code(), refused.to_string()), ("key-suspended", format!("the key {key} is suspended")));
        assert_eq!(self.counts().await, before);
        resume(self.services, &Actor::Operator, &key).await.unwrap();
        self.sign(&Actor::Operator, 1, order(NOTICE)).await.unwrap();
    }

    /// The key's row becomes the suspended one in the very moment in which the intent is kept.
    pub(crate) async fn a_key_suspended_after_the_intent_releases_nothing(&self) {
        let actor = caller(self.services, 8).await;
        let key = self.pki.seals[1].signer_key.clone().unwrap();
        let columns = "state, state_since, suspension_reason, version, integrity";
        let put =
            |table: &str| format!("UPDATE keys SET ({columns}) = (SELECT {columns} FROM {table}) WHERE id = '{key}'");
        self.place.by_hand(&format!("CREATE TABLE key_awake AS SELECT {columns} FROM keys WHERE id = '{key}'")).await;
        suspend(self.services, &Actor::Operator, &key, KeySuspensionReason::OwnerRequest).await.unwrap();
        self.place.by_hand(&format!("CREATE TABLE key_asleep AS SELECT {columns} FROM keys WHERE id = '{key}'")).await;
        assert_eq!(self.place.by_hand(&put("key_awake")).await, 1);
        self.trigger("AFTER INSERT", "NEW.state = 'signing'", &put("key_asleep")).await;
        let before = self.counts().await;
        let order = Order { idempotency_key: Some("k".into()), ..order(NOTICE) };
        let refused = self.sign(&actor, 1, order.clone()).await.unwrap_err();
        self.drop_trigger().await;
        assert_eq!(refused.code(), "key-suspended");
        self.assert_abandoned(&actor, before, AbandonmentReason::KeyFailed).await;
        resume(self.services, &Actor::Operator, &key).await.unwrap();
        self.sign(&actor, 1, order).await.unwrap();
    }

    /// A trigger that acts when the statement of the event is run.
    async fn trigger(&self, event: &str, condition: &str, action: &str) {
        if self.place.is_sqlite() {
            let sql = format!("CREATE TRIGGER meddle {event} ON signatures WHEN {condition} BEGIN {action}; END");
            self.place.by_hand(&sql).await;
            return;
        }
        let function = format!(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NEW; END $$"
        );
        self.place.by_hand(&function).await;
        let sql = format!(
            "CREATE TRIGGER meddle {event} ON signatures FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION meddle()"
        );
        self.place.by_hand(&sql).await;
    }

    async fn drop_trigger(&self) {
        if self.place.is_sqlite() {
            self.place.by_hand("DROP TRIGGER meddle").await;
        } else {
            self.place.by_hand("DROP FUNCTION meddle() CASCADE").await;
        }
    }

    /// The newest signing came to nothing for that reason, and its idempotency key is free again.
    async fn assert_abandoned(&self, actor: &Actor, before: Counts, expected: AbandonmentReason) {
        let newest = self.last_events(2).await;
        let [EventBody::SigningIntended { signature, .. }, EventBody::SigningAbandoned { signature: closed, reason }] =
            [&newest[0].body, &newest[1].body]
        else {
            panic!("{newest:?}")
        };
        assert_eq!((signature, *reason), (closed, expected));
        let state = self.row(signature).await.unwrap().state;
        assert_eq!(state, SigningState::Abandoned { finished_at: NOW });
        let Counts { events, signatures, outbox } = before;
        assert_eq!(self.counts().await, Counts { events: events + 2, signatures: signatures + 1, outbox });
        let Actor::Caller { id, .. } = actor else { panic!("{actor:?}") };
        assert_eq!(self.place.count(&format!("idempotency WHERE caller = '{id}'")).await, 0);
    }

    /// The seal's row becomes the suspended one in the very moment in which the intent is kept.
    pub(crate) async fn a_seal_suspended_after_the_intent_releases_nothing(&self) {
        let actor = caller(self.services, 5).await;
        let id = &self.pki.seals[1].id;
        let columns = "active_since, suspended_since, suspension_reason, version, integrity";
        let put =
            |table: &str| format!("UPDATE seals SET ({columns}) = (SELECT {columns} FROM {table}) WHERE id = '{id}'");
        self.place.by_hand(&format!("CREATE TABLE awake AS SELECT {columns} FROM seals WHERE id = '{id}'")).await;
        self.suspend(1).await;
        self.place.by_hand(&format!("CREATE TABLE asleep AS SELECT {columns} FROM seals WHERE id = '{id}'")).await;
        // Else the row of before would be known for an older one.
        assert_eq!(self.place.by_hand(&format!("DELETE FROM newest_rows WHERE name = 'seals/{id}'")).await, 1);
        assert_eq!(self.place.by_hand(&put("awake")).await, 1);
        self.trigger("AFTER INSERT", "NEW.state = 'signing'", &put("asleep")).await;
        let before = self.counts().await;
        let order = Order { idempotency_key: Some("k".into()), ..order(NOTICE) };
        let refused = self.sign(&actor, 1, order.clone()).await.unwrap_err();
        self.drop_trigger().await;
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("seal-suspended", "a seal that is suspended cannot sign")
        );
        self.assert_abandoned(&actor, before, AbandonmentReason::SealNotActive).await;
        self.resume(1).await;
        self.sign(&actor, 1, order).await.unwrap();
    }

    pub(crate) async fn a_result_that_cannot_be_kept_is_not_released(&self) {
        let actor = caller(self.services, 6).await;
        let full = if self.place.is_sqlite() { "SELECT RAISE(ABORT, 'full')" } else { "RAISE EXCEPTION 'full'" };
        self.trigger("BEFORE UPDATE", "NEW.state = 'signed'", full).await;
        let before = self.counts().await;
        let order = Order { idempotency_key: Some("k".into()), ..order(NOTICE) };
        let refused = self.sign(&actor, 0, order.clone()).await.unwrap_err();
        self.drop_trigger().await;
        assert!(matches!(refused, Error::Store(_)), "{refused:?}");
        self.assert_abandoned(&actor, before, AbandonmentReason::NotKept).await;
        self.sign(&actor, 0, order).await.unwrap();
    }

    pub(crate) async fn a_changed_row_gives_no_authority(&self) {
        let id = &self.pki.seals[2].id;
        // The third seal was revoked; somebody with the database's password brings it back.
        let sql =
            format!("UPDATE seals SET revoked_at = NULL, revocation_reason = NULL, active_since = 1 WHERE id = '{id}'");
        assert_eq!(self.place.by_hand(&sql).await, 1);
        let before = self.counts().await;
        let refused = self.sign(&Actor::Operator, 2, order(NOTICE)).await.unwrap_err();
        let Error::Store(store::Error::Inconsistent { table: "seals", row }) = &refused else { panic!("{refused:?}") };
        assert_eq!((row.as_str(), refused.code()), (id.as_str(), "inconsistent"));
        // Neither can another signer's key be put under a seal.
        let other = self.pki.seals[1].signer_key.clone().unwrap();
        let sql = format!("UPDATE seals SET signer_key = '{other}' WHERE id = '{}'", self.pki.seals[0].id);
        assert_eq!(self.place.by_hand(&sql).await, 1);
        assert_eq!(self.refused(0, order(NOTICE)).await, "inconsistent");
        assert_eq!(self.counts().await, before);
    }
}

/// The id of an actor that is a caller.
pub(crate) fn id_of(actor: &Actor) -> &CallerId {
    let Actor::Caller { id, .. } = actor else { panic!("{actor:?}") };
    id
}
