//! Many seals are re-made by one order of three persons: all are revoked before any is made, a kill loses nothing, and no
//! holder has two in force, on both databases.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use yinxin::base::clock::FixedClock;
use yinxin::base::id::{JobId, KeyId, SealId};
use yinxin::base::limits::Limits;
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::config::verification;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, ed25519};
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::audit::{EventBody, RevocationReason};
use yinxin::domain::ca::possession::Asked;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose, KeyState, KeySuspensionReason};
use yinxin::domain::officer::OfficerRole;
use yinxin::domain::seal::State;
use yinxin::domain::seal::application::Holder;
use yinxin::domain::seal::code::SealCode;
use yinxin::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use yinxin::domain::seal::remake::{Making, RemakeState, RemakeStep, Selection};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::verify::Indication;
use yinxin::format::ofd::container::Container;
use yinxin::format::ses::SesSignature;
use yinxin::format::tlog::Note;
use yinxin::format::tsp::TimeStampResp;
use yinxin::service::audit_log::AuditLog;
use yinxin::service::issuance::{Issuance, Order, UnitRole, Wanted};
use yinxin::service::keys::making::public_key_of;
use yinxin::service::keys::{KeySource, life_cycle};
use yinxin::service::revocation_lists::{Kind, current, issue};
use yinxin::service::seal_fulfilment::Means;
use yinxin::service::seal_remakes::{self, NewRemake, documents};
use yinxin::service::units::{NewUnit, establish};
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::service::{Error, Services, callers, seal_codes, seal_delivery};
use yinxin::store::crls::ShardKey;
use yinxin::store::issued_certificates::StoredStatus;
use yinxin::store::log::{self, StoredCosignature, TileKind};
use yinxin::store::seal_keepers::StoredKeeper;
use yinxin::store::seal_records::{SealOrigin, StoredSealRecord};
use yinxin::store::seal_remakes as store_remakes;
use yinxin::store::seal_remakes::StoredRemake;
use yinxin::store::seals::StoredSeal;
use yinxin::store::{audit, certificates, keys, seal_keepers, seal_records, seals};

use crate::service::audit_log;
use crate::service::authority::{BY, names, new_authority};
use crate::service::installation::{NOW, Place};
use crate::service::registration::Person;
use crate::service::seal_life::{Office, credit_code, division, officer};
use crate::service::stamping;
use crate::store::Folder;
use crate::store::postgres::Postgres;

const SEALS: &str = "YINXIN_REMAKE_SEALS";

/// An office with persons of its province, and what an order needs.
pub(crate) struct Province {
    pub(crate) office: Office,
    applicant: Person,
    approvers: [Person; 2],
    pub(crate) old_maker: KeyId,
}

impl Province {
    pub(crate) async fn open(services: Services) -> Self {
        let office = Office::open(services).await;
        office.maker().await;
        let old_maker = newest_maker(&office.services).await;
        seal_codes::assign(&office.services, (BY, None), &division("3301"), (1, 9_000_000)).await.unwrap();
        let approver = async || officer(&office.services, OfficerRole::Approver, "33").await;
        let approvers = [approver().await, approver().await];
        let applicant = officer(&office.services, OfficerRole::Applicant, "33").await;
        Self { office, applicant, approvers, old_maker }
    }

    fn services(&self) -> &Services {
        &self.office.services
    }

    /// The old maker's key is at rest, and another one makes seals.
    pub(crate) async fn change_maker(&self) {
        let why = KeySuspensionReason::SuspectedMisuse;
        life_cycle::suspend(self.services(), BY, &self.old_maker, why).await.unwrap();
        self.office.maker().await;
    }

    pub(crate) async fn newest_maker(&self) -> KeyId {
        newest_maker(self.services()).await
    }

    /// That maker's key is at rest, and another one makes seals.
    pub(crate) async fn retire_maker(&self, maker: &KeyId) {
        life_cycle::suspend(self.services(), BY, maker, KeySuspensionReason::Retired).await.unwrap();
        self.office.maker().await;
    }

    pub(crate) async fn asks(&self) -> NewRemake {
        let maker = life_cycle::find(self.services(), &self.old_maker).await.unwrap().public_key;
        NewRemake {
            selection: Selection { division: division("33"), maker: Some(maker), authority: None, algorithm: None },
            making: Making {
                authority: self.office.below.id.clone(),
                profile: "seal-signer".into(),
                algorithm: KeyAlgorithm::Sm2,
                days: 300,
            },
            reason: RevocationReason::KeyCompromise,
            compromised_at: None,
        }
    }

    async fn submit(&self, new: NewRemake, by: &Person) -> Result<StoredRemake, Error> {
        let nonce = array(&SystemRandom).unwrap();
        let order = seal_remakes::draft(self.services(), &self.office.profiles, &by.id, new, nonce).await?;
        let signature = by.sign(&order.to_submit());
        seal_remakes::submit(self.services(), order, by.by(&signature)).await
    }

    async fn approve(&self, id: &JobId, by: &Person) -> Result<StoredRemake, Error> {
        let signature = by.sign(&seal_remakes::to_approve(self.services(), id).await?);
        seal_remakes::approve(self.services(), id, by.by(&signature)).await
    }

    pub(crate) async fn approved(&self, new: NewRemake) -> JobId {
        let id = self.submit(new, &self.applicant).await.unwrap().id;
        for approver in &self.approvers {
            self.approve(&id, approver).await.unwrap();
        }
        id
    }

    pub(crate) async fn run(&self, id: &JobId) -> Result<StoredRemake, Error> {
        seal_remakes::run(
            self.services(),
            Means { issuance: &self.office.issuance, stamping: None },
            (BY, None),
            id,
            &|_, _| {},
        )
        .await
    }

    /// Seals in use, without the way of an application: each with a certificate of its own and one key between them.
    async fn many(&self, from: usize, count: usize) -> Vec<SealId> {
        let mut made = Vec::new();
        let key = self.office.key().await;
        let public = public_key_of(&life_cycle::find(self.services(), &key).await.unwrap()).unwrap();
        let (signer, maker_der) = self.maker().await;
        for part in (from..from + count).collect::<Vec<_>>().chunks(256) {
            let mut flight = tokio::task::JoinSet::new();
            for number in part.iter().copied() {
                let (issuance, asked) = (self.office.issuance.clone(), asked(number, public.clone()));
                let order = Order {
                    authority: self.office.below.id.clone(),
                    profile: "seal-signer".into(),
                    wanted: Wanted::Decided { asked, key: None },
                    not_before: None,
                    not_after: None,
                    transaction: None,
                    actor: BY.clone(),
                    request: None,
                    completes: None,
                };
                let (signer, maker_der, picture) =
                    (Arc::clone(&signer), maker_der.clone(), self.office.picture.clone());
                flight.spawn(async move {
                    let issued = issuance.issue(order).await.unwrap();
                    let (code, name) = (code(number), format!("样章市试验局{number}"));
                    let request = SealRequest {
                        kind: 1,
                        es_id: &code,
                        name: &name,
                        signers: &[&issued.der],
                        created: NOW,
                        valid_end: issued.not_after,
                        picture_type: "png",
                        picture: &picture,
                        size_mm: (42, 42),
                        form: SealForm::V4,
                        list: SignerList::Certificates,
                    };
                    let policy = AlgorithmPolicy::whatever_we_compute();
                    let token = maker::prepare(&request, &maker_der, signer.algorithm(), &policy).unwrap();
                    let value = signer.sign(token.to_sign(), &SystemRandom).unwrap();
                    (number, token.assemble(&value).unwrap(), issued)
                });
            }
            let mut rows = Vec::new();
            while let Some(row) = flight.join_next().await {
                rows.push((SealId::fresh(NOW, &SystemRandom).unwrap(), row.unwrap()));
            }
            let (rows, key, keeper) = (&rows, &key, &self.office.keeper.id);
            let steps = self.services().store.run("keep what was made before", |tx| {
                Box::pin(async move {
                    for (id, (number, der, issued)) in rows {
                        let seal = StoredSeal {
                            id: id.clone(),
                            es_id: code(*number),
                            name: format!("样章市试验局{number}"),
                            seal_der: der.clone(),
                            signer_key: Some(key.clone()),
                            state: State::Active { since: NOW },
                            version: 1,
                        };
                        seals::insert(tx, &seal).await?;
                        let name = seal.name.clone();
                        let record = StoredSealRecord {
                            seal: id.clone(),
                            code: SealCode::parse(&code(*number)).unwrap(),
                            filing: None,
                            kind: 1,
                            name: name.clone(),
                            holder: Holder { credit_code: credit_code(*number), name, division: division("330106") },
                            keeper: keeper.clone(),
                            origin: SealOrigin::Import(JobId::parse("before").unwrap()),
                            predecessor: None,
                            certificate_sm3: issued.sm3,
                            valid_to: issued.not_after,
                            delivery: None,
                            version: 1,
                        };
                        seal_records::insert(tx, &record).await?;
                        let kept = StoredKeeper { seal: id.clone(), keeper: keeper.clone(), since: NOW, version: 1 };
                        seal_keepers::insert(tx, &kept).await?;
                    }
                    Ok::<_, yinxin::store::Error>(())
                })
            });
            steps.await.unwrap();
            made.extend(rows.iter().map(|(id, _)| id.clone()));
        }
        made.sort();
        made
    }

    async fn maker(&self) -> (Arc<dyn yinxin::crypto::Signer>, Vec<u8>) {
        let (services, key) = (self.services(), &self.old_maker);
        let steps = services.store.read(|tx| {
            Box::pin(async move {
                let signer = services.keys.signer(tx, key, KeyPurpose::SealMaking, NOW).await?;
                Ok::<_, Error>((signer, certificates::of_key(tx, key).await?.remove(0).der))
            })
        });
        steps.await.unwrap()
    }

    /// Where an old seal stands, and its successor.
    pub(crate) async fn fate(&self, old: &SealId) -> (&'static str, StoredStatus, Option<SealId>) {
        let known = seal_delivery::find(self.services(), old).await.unwrap();
        let found = self
            .services()
            .store
            .read(|tx| Box::pin(yinxin::store::seal_remakes::find_seal(tx, old)))
            .await
            .unwrap()
            .unwrap();
        let made = found.taken.filter(|_| found.step == RemakeStep::Made).map(|(successor, _, _)| successor);
        (known.seal.state.name(), self.office.certificate(old).await, made)
    }
}

async fn newest_maker(services: &Services) -> KeyId {
    let steps = services.store.read(|tx| Box::pin(keys::of_purpose(tx, KeyPurpose::SealMaking)));
    let all = steps.await.unwrap().into_iter().rev();
    all.into_iter().find(|key| matches!(key.state, KeyState::Active { .. })).unwrap().id
}

fn code(number: usize) -> String {
    format!("990000{number:08}")
}

fn asked(number: usize, key: yinxin::crypto::PublicKey) -> Asked {
    let organisation = format!("{}样章市试验局{number}", credit_code(number));
    let subject = vec![(AttributeKind::Organisation, organisation), (AttributeKind::CommonName, code(number))];
    Asked { subject, alternative_names: Vec::new(), identity: Vec::new(), key }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-remakes");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("seals re-made on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-remakes-postgres") }).await;
}

async fn contract(place: Place) {
    let province = Province::open(place.open().await).await;
    an_order_wants_three_persons_of_its_division(&province, &place).await;
    all_are_revoked_and_each_is_made_anew(&province, &place).await;
    what_an_order_does_not_mean_stays(&province).await;
    whoever_is_dismissed_approved_nothing(&province).await;
    a_changed_row_re_makes_nothing(&province, &place).await;
    a_changed_row_of_a_seal_gives_no_successor(&province, &place).await;
    nobody_gets_two_seals(&province, &place).await;
}

async fn an_order_wants_three_persons_of_its_division(province: &Province, place: &Place) {
    let asks = async || province.asks().await;
    let office = &province.office;
    let refused = async |new: NewRemake, by: &Person| province.submit(new, by).await.unwrap_err().code();
    // The applicant of a city orders nothing for its province.
    assert_eq!(refused(asks().await, &office.applicant).await, "officer-division");
    assert_eq!(refused(asks().await, &province.approvers[0]).await, "officer-role");
    assert_eq!(refused(asks().await, &office.clerk).await, "not-seal-administrator");
    let mut new = asks().await;
    new.making.days = 0;
    assert_eq!(refused(new, &province.applicant).await, "seal-validity");
    let mut new = asks().await;
    new.selection.authority = Some(new.making.authority.clone());
    assert_eq!(refused(new, &province.applicant).await, "remake-same-authority");
    let new = NewRemake { compromised_at: Some(NOW.plus_days(1)), ..asks().await };
    assert_eq!(refused(new, &province.applicant).await, "remake-compromise-ahead");
    let mut new = asks().await;
    new.making.profile = "seal-issuing-ca".into();
    assert_eq!(refused(new, &province.applicant).await, "authority-profile");
    // Another's signature, and one over another order.
    let nonce = array(&SystemRandom).unwrap();
    let draft = seal_remakes::draft(province.services(), &office.profiles, &province.applicant.id, asks().await, nonce);
    let order = draft.await.unwrap();
    let forged = province.approvers[0].sign(&order.to_submit());
    let submit = seal_remakes::submit(province.services(), order.clone(), province.applicant.by(&forged)).await;
    assert_eq!(submit.unwrap_err().code(), "step-signature");
    let signature = province.applicant.sign(&order.to_submit());
    let submit = async || {
        let by = province.applicant.by(&signature);
        seal_remakes::submit(province.services(), order.clone(), by).await
    };
    let id = submit().await.unwrap().id;
    assert_eq!(submit().await.unwrap_err().code(), "seal-application-exists");

    let approve = async |by: &Person| province.approve(&id, by).await.unwrap_err().code();
    assert_eq!(approve(&province.applicant).await, "officer-role");
    let city = officer(province.services(), OfficerRole::Approver, "3301").await;
    assert_eq!(approve(&city).await, "officer-division");
    assert_eq!(province.run(&id).await.unwrap_err().code(), "request-state");
    province.approve(&id, &province.approvers[0]).await.unwrap();
    assert_eq!(approve(&province.approvers[0]).await, "approver-repeated");
    assert_eq!(province.run(&id).await.unwrap_err().code(), "request-state");
    province.approve(&id, &province.approvers[1]).await.unwrap();
    let third = officer(province.services(), OfficerRole::Approver, "33").await;
    assert_eq!(approve(&third).await, "remake-state");
    // The maker whose seals are to go is at work still.
    assert_eq!(province.run(&id).await.unwrap_err().code(), "remake-maker-at-work");
    assert_eq!(place.count("seal_remake_seals").await, 0);
    let cancelled = seal_remakes::cancel(province.services(), (BY, None), &id).await.unwrap();
    assert_eq!(cancelled.state, RemakeState::Cancelled);
    assert_eq!(province.run(&id).await.unwrap_err().code(), "remake-state");
    let again = seal_remakes::cancel(province.services(), (BY, None), &id).await.unwrap_err();
    assert_eq!(again.code(), "remake-state");
}

async fn all_are_revoked_and_each_is_made_anew(province: &Province, place: &Place) {
    let old = province.many(1000, 5).await;
    // Two that went the whole way; one of them signed a document.
    let (used, other) = (province.office.seal(1).await, province.office.seal(2).await);
    province.office.sign(&used).await.unwrap();
    province.change_maker().await;
    let id = province.approved(province.asks().await).await;
    // Two runs at once do the same work.
    let services = Services { clock: province.office.hands.clone(), ..place.open().await };
    let issuance = Issuance::start(services.clone(), Arc::clone(&province.office.profiles));
    let beside =
        seal_remakes::run(&services, Means { issuance: &issuance, stamping: None }, (BY, None), &id, &|_, _| {});
    let (done, beside) = tokio::join!(province.run(&id), beside);
    let done = done.unwrap();
    assert_eq!((&done.state, beside.unwrap().state), (&RemakeState::Finished, RemakeState::Finished));
    assert!(done.begun_at <= done.revoked_at && done.revoked_at <= done.ended_at);
    let counts = seal_remakes::counts(province.services(), &id).await.unwrap();
    assert_eq!((counts.revoked, counts.made, counts.refused), (7, 7, 0));
    let revoked = StoredStatus::Revoked { reason: 1, invalidity_date: None };
    let mut codes = BTreeSet::new();
    for seal in old.iter().chain([&used, &other]) {
        let (state, certificate, successor) = province.fate(seal).await;
        assert_eq!((state, certificate), ("revoked", revoked));
        let successor = successor.unwrap();
        let [before, after] = [seal, &successor].map(|id| seal_delivery::find(province.services(), id));
        let (before, after) = (before.await.unwrap(), after.await.unwrap());
        assert_eq!(after.seal.state.name(), "made");
        assert_eq!((after.record.origin.name(), after.record.predecessor.as_ref()), ("remake", Some(seal)));
        let same = |record: &StoredSealRecord| {
            (record.kind, record.name.clone(), record.holder.clone(), record.keeper.clone())
        };
        assert_eq!(same(&before.record), same(&after.record));
        assert_ne!(before.seal.signer_key, after.seal.signer_key);
        assert_eq!(province.office.certificate(&successor).await, StoredStatus::Active);
        assert!(codes.insert(after.record.code.clone()) && after.record.code != before.record.code);
    }
    assert_eq!(province.office.sign(&used).await, Err("seal-revoked"));
    // The keeper takes the new one, and authorises its use anew.
    let (_, _, successor) = province.fate(&used).await;
    let successor = successor.unwrap();
    assert_eq!(province.office.sign(&successor).await, Err("seal-not-delivered"));
    assert_eq!(province.office.deliver(&successor, &province.office.keeper).await.unwrap(), "active");
    province.office.sign(&successor).await.unwrap();
    // Without a log of leaves nothing proves when the document was signed: it is named.
    let (named, next) = documents::unproven(province.services(), &id, None, &[]).await.unwrap();
    assert_eq!(named.iter().map(|one| (one.seal.clone(), one.why)).collect::<Vec<_>>(), [(used, "no-log-proof")]);
    let (more, end) = documents::unproven(province.services(), &id, next, &[]).await.unwrap();
    assert!(more.is_empty() && end.is_none());
    // Each step has its event.
    assert_eq!(place.count("seal_remake_seals WHERE step = 'made'").await, 7);
    let told = told(province.services()).await;
    assert_eq!((told.remade.len(), told.all_revoked), (7, 1));
}

async fn what_an_order_does_not_mean_stays(province: &Province) {
    let by_new_maker = province.office.seal(3).await;
    let id = province.approved(province.asks().await).await;
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    assert_eq!(seal_remakes::counts(province.services(), &id).await.unwrap().revoked, 0);
    assert_eq!(province.office.state(&by_new_maker).await, "active");
    // By another authority: those of the old one, and only those of that division.
    let profiles = &province.office.profiles;
    let root = yinxin::base::id::AuthorityId::parse("root").unwrap();
    let root = yinxin::service::authorities::find(province.services(), &root).await.unwrap();
    let next = new_authority("next", "seal-issuing-ca", Some(&root.0));
    let next = yinxin::service::authorities::create(province.services(), profiles, BY, &next).await.unwrap();
    let selection = Selection {
        division: division("3302"),
        maker: None,
        authority: Some(province.office.below.id.clone()),
        algorithm: Some(KeyAlgorithm::Sm2),
    };
    let making = Making { authority: next.id.clone(), ..province.asks().await.making };
    let new = NewRemake { selection, making, reason: RevocationReason::Superseded, compromised_at: None };
    let id = province.approved(new.clone()).await;
    province.run(&id).await.unwrap();
    assert_eq!(seal_remakes::counts(province.services(), &id).await.unwrap().revoked, 0);
    let selection = Selection { division: division("3301"), ..new.selection.clone() };
    let id = province.approved(NewRemake { selection, ..new }).await;
    province.run(&id).await.unwrap();
    let (state, certificate, successor) = province.fate(&by_new_maker).await;
    let superseded = StoredStatus::Revoked { reason: 4, invalidity_date: None };
    assert_eq!((state, certificate), ("revoked", superseded));
    let known = seal_delivery::find(province.services(), &successor.unwrap()).await.unwrap();
    let issued = yinxin::service::inventory::find(province.services(), &known.record.certificate_sm3).await.unwrap();
    assert_eq!(issued.authority, next.id);
}

async fn whoever_is_dismissed_approved_nothing(province: &Province) {
    let gone = officer(province.services(), OfficerRole::Approver, "33").await;
    let new = province.asks().await;
    let id = province.submit(new, &province.applicant).await.unwrap().id;
    province.approve(&id, &gone).await.unwrap();
    province.approve(&id, &province.approvers[0]).await.unwrap();
    yinxin::service::seal_officers::dismiss(province.services(), (BY, None), &gone.id).await.unwrap();
    assert_eq!(province.run(&id).await.unwrap_err().code(), "approver-gone");
    seal_remakes::cancel(province.services(), (BY, None), &id).await.unwrap();
}

async fn a_changed_row_re_makes_nothing(province: &Province, place: &Place) {
    let id = province.approved(province.asks().await).await;
    for (change, back) in [
        ("seal_remakes SET division = '000000'", "seal_remakes SET division = '330000'"),
        ("seal_remakes SET days = days + 1", "seal_remakes SET days = days - 1"),
        ("seal_remakes SET version = version + 1", "seal_remakes SET version = version - 1"),
    ] {
        let by_hand = async |what: &str| place.by_hand(&format!("UPDATE {what} WHERE id = '{id}'")).await;
        assert_eq!(by_hand(change).await, 1);
        assert_eq!(province.run(&id).await.unwrap_err().code(), "inconsistent", "{change}");
        assert_eq!(by_hand(back).await, 1);
    }
    let moved = format!("UPDATE seal_remake_approvals SET at = at + 1 WHERE remake = '{id}' AND number = 1");
    assert_eq!(place.by_hand(&moved).await, 1);
    assert_eq!(province.run(&id).await.unwrap_err().code(), "inconsistent");
    let back = moved.replace("at + 1", "at - 1");
    assert_eq!(place.by_hand(&back).await, 1);
    place.script(&format!("CREATE TABLE kept_remakes AS SELECT * FROM seal_remakes WHERE id = '{id}'")).await;
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    place.script(&format!("CREATE TABLE now_remakes AS SELECT * FROM seal_remakes WHERE id = '{id}'")).await;
    // The order from before it was done: it would be done again.
    let columns = "state, looked_at, begun_at, revoked_at, ended_at, version, integrity";
    let before =
        format!("UPDATE seal_remakes SET ({columns}) = (SELECT {columns} FROM kept_remakes) WHERE id = '{id}'");
    assert_eq!(place.by_hand(&before).await, 1);
    assert_eq!(province.run(&id).await.unwrap_err().code(), "inconsistent");
    let refused = province.services().store.refused_rows();
    assert!(refused.contains(&("seal_remakes", id.to_string())), "{refused:?}");
    assert_eq!(place.by_hand(&before.replace("kept_remakes", "now_remakes")).await, 1);
    let found = province.services().store.read(|tx| Box::pin(store_remakes::find(tx, &id))).await.unwrap();
    assert_eq!(found.unwrap().state, RemakeState::Finished);
}

/// Seals of an order: edited, copied, from before their successor was made, deleted.
async fn a_changed_row_of_a_seal_gives_no_successor(province: &Province, place: &Place) {
    let services = province.services();
    let mut made = Vec::new();
    for order in services.store.read(|tx| Box::pin(store_remakes::list(tx, 9))).await.unwrap() {
        let (id, step) = (&order.id, RemakeStep::Made);
        made.extend(services.store.read(|tx| Box::pin(store_remakes::seals_at(tx, id, step, None, 2))).await.unwrap());
    }
    let (one, other) = (made[0].seal.clone(), made[1].seal.clone());
    let find = async || {
        let found = services.store.read(|tx| Box::pin(store_remakes::find_seal(tx, &one))).await;
        found.map(|row| row.unwrap().step.name()).map_err(|error| error.to_string())
    };
    let refused = Err(format!("the row {one} of seal_remake_seals is not as it was written"));
    place.script("CREATE TABLE kept_seals AS SELECT * FROM seal_remake_seals").await;
    let own = format!("(SELECT version FROM kept_seals WHERE seal = '{one}')");
    let others = format!("(SELECT integrity FROM kept_seals WHERE seal = '{other}')");
    for (change, back) in [
        ("since = since + 1".to_owned(), "since = since - 1".to_owned()),
        ("version = version + 1".to_owned(), format!("version = {own}")),
        (
            format!("integrity = {others}"),
            format!("integrity = (SELECT integrity FROM kept_seals WHERE seal = '{one}')"),
        ),
    ] {
        let by_hand = async |what: &str| {
            place.by_hand(&format!("UPDATE seal_remake_seals SET {what} WHERE seal = '{one}'")).await
        };
        assert_eq!(find().await.as_deref(), Ok("made"));
        assert_eq!(by_hand(&change).await, 1);
        assert_eq!(find().await, refused, "{change}");
        assert_eq!(by_hand(&back).await, 1);
    }
    // A version that was kept since is as if this one had been put back.
    let later = format!("UPDATE newest_rows SET version = version + 1 WHERE name = 'seal_remake_seals/{one}'");
    assert_eq!(place.by_hand(&later).await, 1);
    assert_eq!(find().await, refused);
    assert_eq!(place.by_hand(&later.replace("+ 1", "- 1")).await, 1);
    assert_eq!(find().await.as_deref(), Ok("made"));
    assert_eq!(place.by_hand(&format!("DELETE FROM seal_remake_seals WHERE seal = '{one}'")).await, 1);
    assert_eq!(find().await, refused);
    let rows = services.store.refused_rows();
    assert!(rows.contains(&("seal_remake_seals", one.to_string())), "{rows:?}");
}

/// A holder who got another seal while all were revoked, a keeper who is barred, and a seal whose key is not ours.
async fn nobody_gets_two_seals(province: &Province, place: &Place) {
    let office = &province.office;
    let taken = office.seal(20).await;
    let kept = office.seal(21).await;
    let bare = office.seal(22).await;
    let maker = life_cycle::find(province.services(), &newest_maker(province.services()).await).await.unwrap();
    let selection = Selection { maker: Some(maker.public_key.clone()), ..province.asks().await.selection };
    let id = province.approved(NewRemake { selection, ..province.asks().await }).await;
    let why = KeySuspensionReason::SuspectedMisuse;
    life_cycle::suspend(province.services(), BY, &maker.id, why).await.unwrap();
    // No maker is at work: all are revoked, and none is made.
    assert_eq!(province.run(&id).await.unwrap_err().code(), "no-seal-maker");
    let stored = seal_remakes::find(province.services(), &id).await.unwrap();
    assert_eq!((stored.state, office.state(&taken).await), (RemakeState::Making, "revoked"));
    office.maker().await;
    let application = office.approved(office.make(20).await).await;
    let own = office.fulfil(&application).await.unwrap().seal;
    callers::bar_caller(province.services(), BY, None, &office.keeper.id).await.unwrap();
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    let refused = seal_remakes::refused(province.services(), &id).await.unwrap();
    let mut codes = refused.iter().map(|row| (row.seal.clone(), row.refusal.clone().unwrap())).collect::<Vec<_>>();
    codes.retain(|(seal, _)| [&taken, &kept, &bare].contains(&seal));
    let mut expected = [(taken, "seal-single"), (kept, "seal-keeper"), (bare, "seal-keeper")];
    expected.sort();
    assert_eq!(codes, expected.map(|(seal, code)| (seal, code.to_owned())));
    assert_eq!(office.state(&own).await, "made");
    // What was issued for them is revoked.
    let active = "issued_certificates WHERE profile = 'seal-signer' AND status = 'active' AND sm3 IN \
                  (SELECT certificate_sm3 FROM seal_remake_seals WHERE step = 'refused')";
    assert_eq!(place.count(active).await, 0);
}

/// What the log tells of orders.
#[derive(Default)]
struct Told {
    remade: BTreeSet<SealId>,
    revoked: BTreeSet<SealId>,
    all_revoked: usize,
    ended: usize,
    codes: BTreeSet<String>,
}

async fn told(services: &Services) -> Told {
    let (mut from, mut told) = (0, Told::default());
    loop {
        let part = services.store.read(|tx| Box::pin(audit::read(tx, from, 10_000))).await.unwrap();
        let Some((last, _)) = part.last() else { return told };
        from = last + 1;
        for (_, event) in part {
            match event.body {
                EventBody::SealRemade { seal, by: Some(_), .. } => assert!(told.remade.insert(seal), "made twice"),
                EventBody::SealRevoked { seal, .. } => {
                    assert_eq!(told.all_revoked, 0, "revoked after all were");
                    assert!(told.revoked.insert(seal), "revoked twice");
                }
                EventBody::SealRemakeIntended { code, .. } => assert!(told.codes.insert(code), "a code twice"),
                EventBody::SealRemakeAllRevoked { .. } => told.all_revoked += 1,
                EventBody::SealRemakeEnded { .. } => told.ended += 1,
                _ => {}
            }
        }
    }
}

const URL: &str = "YINXIN_TEST_REMAKE_URL";
const KEY: &str = "YINXIN_TEST_REMAKE_KEY";
const JOB: &str = "YINXIN_TEST_REMAKE_JOB";

async fn reopened(url: &str, key: &std::path::Path) -> Services {
    let source = KeySource::File { path: key.to_owned(), create: true };
    Services::open(url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `an_order_survives_every_kill`, which ends it"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let services = reopened(&variable(URL), std::path::Path::new(&variable(KEY))).await;
    let issuance = Issuance::start(services.clone(), Arc::new(built_in().unwrap()));
    let id = JobId::parse(&variable(JOB)).unwrap();
    println!("begun.");
    let told = |state: &'static str, counts: yinxin::store::seal_remakes::RemakeCounts| {
        println!("carried {state} {} {}.", counts.revoked, counts.made);
    };
    seal_remakes::run(&services, Means { issuance: &issuance, stamping: None }, (BY, None), &id, &told).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_survives_every_kill() {
    let folder = Folder::new("seal-remakes-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    survive(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_survives_every_kill_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("killed orders on PostgreSQL", "PostgreSQL") };
    survive(Place { url: server.url.clone(), folder: Folder::new("seal-remakes-crash-postgres") }).await;
}

/// Three kills: while seals are revoked, and twice while they are made. What is told of at a kill is there after it.
async fn survive(place: Place) {
    let count = std::env::var(SEALS).map_or(400, |count| count.parse::<usize>().unwrap());
    let province = Province::open(place.open().await).await;
    let old = province.many(1000, count).await;
    province.change_maker().await;
    let id = province.approved(province.asks().await).await;
    province.services().store.close().await;
    let key = place.folder.path().join("key");
    let begun = Instant::now();
    let mut all_revoked: Option<Duration> = None;
    let (mut revoking_kills, mut making_kills) = (0, 0);
    for round in 0..4 {
        let arguments = ["service::seal_remakes::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(arguments).env(URL, &place.url).env(KEY, &key).env(JOB, id.as_str());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (mut last, mut killed) = ((0, 0), false);
        for line in lines {
            let Some(told) = line.split_once("carried ").and_then(|(_, told)| told.strip_suffix('.')) else { continue };
            let [state, revoked, made] = told.split(' ').collect::<Vec<_>>()[..] else { continue };
            last = (revoked.parse::<usize>().unwrap(), made.parse::<usize>().unwrap());
            if state != "revoking" && all_revoked.is_none() {
                all_revoked = Some(begun.elapsed());
            }
            // Each at its part of the way; between two commits, wherever that is.
            let reached = match round {
                0 => last.0 > count / 3,
                1 => last.1 > count / 4,
                2 => last.1 > count / 2,
                _ => false,
            };
            if reached && !killed {
                let [pause] = array::<1>(&SystemRandom).unwrap();
                std::thread::sleep(Duration::from_millis(u64::from(pause)));
                child.kill().unwrap();
                killed = true;
                if state == "revoking" {
                    revoking_kills += 1;
                } else {
                    making_kills += 1;
                }
            }
        }
        let ended = child.wait().unwrap();
        // Nobody but this test ends it: what else it ended by stands above.
        assert!(killed || ended.success(), "round {round}: {ended}");
        let services = reopened(&place.url, &key).await;
        let counts = seal_remakes::counts(&services, &id).await.unwrap();
        assert!(counts.revoked >= last.0.try_into().unwrap() && counts.made >= last.1.try_into().unwrap());
        in_force_at_most_once(&place).await;
        let told = told(&services).await;
        let steps = |at: &str| format!("seal_remake_seals WHERE step {at}");
        assert_eq!(place.count(&steps("= 'made'")).await, i64::try_from(told.remade.len()).unwrap());
        assert_eq!(
            place.count(&steps("IN ('begun', 'certified', 'made')")).await,
            i64::try_from(told.codes.len()).unwrap()
        );
        assert_eq!(place.count("seal_remake_seals").await, i64::try_from(told.revoked.len()).unwrap());
        if counts.made > 0 {
            assert_eq!((told.all_revoked, told.revoked.len()), (1, count), "none is made before all are revoked");
        }
        services.store.close().await;
    }
    let all_made = begun.elapsed();
    let services = reopened(&place.url, &key).await;
    let stored = seal_remakes::find(&services, &id).await.unwrap();
    assert_eq!(stored.state, RemakeState::Finished);
    let (counts, all) = (seal_remakes::counts(&services, &id).await.unwrap(), u64::try_from(old.len()).unwrap());
    assert_eq!((counts.revoked, counts.made, counts.refused), (all, all, 0));
    let told = told(&services).await;
    assert_eq!((told.all_revoked, told.ended, told.codes.len()), (1, 1, count));
    assert_eq!(place.count("further_seal_records WHERE origin = 'remake'").await, i64::try_from(count).unwrap());
    let revoked = "issued_certificates WHERE profile = 'seal-signer' AND status = 'revoked'";
    assert_eq!(place.count(revoked).await, i64::try_from(count).unwrap());
    assert_eq!(place.count("certificates WHERE role = 'signer'").await, i64::try_from(count).unwrap());
    println!(
        "{count} seals, {revoking_kills} kills while revoked and {making_kills} while made: all revoked after {:.1} min, all \
         re-made after {:.1} min",
        all_revoked.unwrap().as_secs_f64() / 60.0,
        all_made.as_secs_f64() / 60.0
    );
}

/// No holder has two seals that have not ended.
async fn in_force_at_most_once(place: &Place) {
    let twice = "(SELECT credit_code FROM further_seal_records JOIN seals ON seals.id = further_seal_records.seal \
                 WHERE seals.revoked_at IS NULL AND (seals.stage IS NULL OR seals.stage = 'made') \
                 GROUP BY credit_code HAVING count(*) > 1) AS twice";
    assert_eq!(place.count(twice).await, 0);
}

/// A document that was stamped before its seal was revoked passes after it; without the stamp it does not, and it is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stamped_before_stays_valid() {
    let folder = Folder::new("seal-remakes-stamped");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let place = Place { url, folder };
    let province = Province::open(place.open().await).await;
    let (office, services) = (&province.office, province.services());
    let used = office.seal(1).await;
    let document = office.sign(&used).await.unwrap();
    let new = NewUnit {
        algorithm: KeyAlgorithm::Sm2,
        location: None,
        subject: names("时间戳"),
        profile: "tsa".into(),
        not_after: None,
    };
    let by = (&office.below.id, UnitRole::TimeStamping);
    establish(services, &office.issuance, BY, by, new).await.unwrap();
    let stamping = stamping::start(services, stamping::options(&stamping::Told::new())).await;
    let answer = stamping.stamp(stamping::request_over(&signature_value(&document), &[1])).await.unwrap();
    let token = TimeStampResp::parse(&answer).unwrap().token.unwrap().to_vec();

    office.wait_days(1);
    province.change_maker().await;
    let compromised_at = Some(services.clock.now());
    let id = province.approved(NewRemake { compromised_at, ..province.asks().await }).await;
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    let revoked = StoredStatus::Revoked { reason: 1, invalidity_date: compromised_at };
    assert_eq!(office.certificate(&used).await, revoked);

    let (lists, below) = what_the_authorities_say(office).await;
    let judge = |stamps: &[&[u8]]| {
        let policy = verification::built_in("default", &sm3_hex).unwrap();
        let mut judge = Verification::new(policy, services.clock.now(), Limits::DEFAULT);
        judge.add_anchors(&office.root, "root").unwrap();
        judge.add_evidence(&below, "below").unwrap();
        for list in &lists {
            judge.add_evidence(list, "list").unwrap();
        }
        for stamp in stamps {
            judge.add_evidence(stamp, "stamp").unwrap();
        }
        let report = judge.judge("document.ofd", &document, None);
        (report.indication, report.signatures[0].sub_indication, report.signatures[0].reason.clone())
    };
    let (indication, _, why) = judge(&[&token]);
    assert_eq!(indication, Indication::TotalPassed, "{why}");
    let (indication, sub_indication, why) = judge(&[]);
    assert_eq!((indication, sub_indication), (Indication::Indeterminate, Some("REVOKED_NO_POE")), "{why}");
    let (named, _) = documents::unproven(services, &id, None, &[]).await.unwrap();
    assert_eq!(named.iter().map(|one| one.result_sm3).collect::<Vec<_>>(), [Some(sm3(&document))]);
}

/// What tells of the revocation, and the certificate of the authority below the root.
pub(crate) async fn what_the_authorities_say(office: &Office) -> (Vec<Vec<u8>>, Vec<u8>) {
    let services = &office.services;
    let mut lists = Vec::new();
    let root = yinxin::base::id::AuthorityId::parse("root").unwrap();
    for authority in [&root, &office.below.id] {
        for shard in 0..4 {
            let key = ShardKey { authority: authority.clone(), shard };
            issue(services, BY, &key, Kind::Full).await.unwrap();
            lists.push(current(services, &key, Kind::Full).await.unwrap().unwrap().der.to_vec());
        }
    }
    let below = services.store.read(|tx| Box::pin(certificates::find(tx, &office.below.certificate))).await;
    let below = below.unwrap().unwrap().der;
    (lists, below)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_witnesses_saw_before_stays_valid_on_sqlite() {
    let folder = Folder::new("seal-remakes-seen");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    what_witnesses_saw_before_stays_valid(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_witnesses_saw_before_stays_valid_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("documents that witnesses saw, on PostgreSQL", "PostgreSQL");
    };
    let folder = Folder::new("seal-remakes-seen-postgres");
    what_witnesses_saw_before_stays_valid(Place { url: server.url.clone(), folder }).await;
}

/// The newest checkpoint, cosigned now and kept; gives whether it stays.
async fn seen(log: &AuditLog, services: &Services, (key, signer): (&Verifier, &ed25519::PrivateKey)) -> bool {
    log.sequence().await.unwrap();
    let head = log.head(TreeHash::Sm3).await.unwrap();
    let note = Note::parse(&head.note).unwrap();
    let at = services.clock.now();
    let mut lines = note.signatures.clone();
    lines.push(key.cosign(note.text, at, signer, &SystemRandom).unwrap());
    let note = Note::write(note.text, &lines).unwrap().into_bytes();
    let new = StoredCosignature { kind: TileKind::Sm3, witness: key.name().to_owned(), size: head.size, at, note };
    let new = &new;
    let keep = services.store.run("keep", |tx| Box::pin(log::keep_seen(tx, new, at.plus_seconds(-600))));
    keep.await.unwrap()
}

/// The verifier and the list of documents to be signed again say the same: what a witness saw in time is proven, a leaf alone is
/// not, nor one that was seen too late.
async fn what_witnesses_saw_before_stays_valid(place: Place) {
    let province = Province::open(place.open().await).await;
    let (office, services) = (&province.office, province.services());
    let log = audit_log::open(services).await;
    let signer = ed25519::PrivateKey::from_bytes(&[0x31; 32]).unwrap();
    let witness = Verifier::of_witness("witness.example/one", &Signer::public_key(&signer)).unwrap();
    let by = (&witness, &signer);
    let used = office.seal(1).await;
    let early = office.sign(&used).await.unwrap();
    assert!(seen(&log, services, by).await);
    // Within ten minutes no other stays, whatever it holds.
    office.hands.0.fetch_add(60, std::sync::atomic::Ordering::SeqCst);
    let late = office.sign(&used).await.unwrap();
    assert!(!seen(&log, services, by).await);
    office.hands.0.fetch_add(60, std::sync::atomic::Ordering::SeqCst);
    province.change_maker().await;
    let id = province.approved(province.asks().await).await;
    assert_eq!(province.run(&id).await.unwrap().state, RemakeState::Finished);
    office.wait_days(1);
    assert!(seen(&log, services, by).await);

    let (lists, below) = what_the_authorities_say(office).await;
    let mut passing = Vec::new();
    for document in [&early, &late] {
        let proofs = log.proofs_of(&sm3(document)).await.unwrap();
        let [proof] = &proofs[..] else { panic!("{} proofs", proofs.len()) };
        let judge = |proof: &str, knows_witness: bool| {
            let policy = verification::built_in("default", &sm3_hex).unwrap();
            let mut judge = Verification::new(policy, services.clock.now(), Limits::DEFAULT);
            judge.add_anchors(&office.root, "root").unwrap();
            judge.add_evidence(&below, "below").unwrap();
            lists.iter().for_each(|list| judge.add_evidence(list, "list").unwrap());
            judge.add_evidence(proof.as_bytes(), "proof").unwrap();
            judge.add_log_key(log.verifier(TreeHash::Sm3).unwrap().clone());
            if knows_witness {
                judge.add_log_key(witness.clone());
            }
            let report = judge.judge("document.ofd", document, None);
            assert_eq!(report.signatures[0].logged.code, "in-log");
            (report.indication, report.signatures[0].sub_indication)
        };
        let revoked = (Indication::Indeterminate, Some("REVOKED_NO_POE"));
        // The leaf under the log's own newest word, and what was seen by somebody whom nobody knows.
        assert_eq!(judge(&proof.sm3, true), revoked);
        assert_eq!(judge(proof.seen.as_ref().unwrap(), false), revoked);
        let (indication, _) = judge(proof.seen.as_ref().unwrap(), true);
        if indication == Indication::TotalPassed {
            passing.push(sm3(document));
        }
    }
    assert_eq!(passing, [sm3(&early)]);
    let named = async |witnesses: &[Verifier]| {
        let (named, _) = documents::unproven(services, &id, None, witnesses).await.unwrap();
        let mut named = named.into_iter().map(|one| (one.result_sm3.unwrap(), one.why)).collect::<Vec<_>>();
        named.sort_unstable();
        named
    };
    assert_eq!(named(std::slice::from_ref(&witness)).await, [(sm3(&late), "not-seen-in-time")]);
    let mut both = vec![(sm3(&early), "not-seen-in-time"), (sm3(&late), "not-seen-in-time")];
    both.sort_unstable();
    assert_eq!(named(&[]).await, both);
    // Whoever changes what is kept proves nothing by it.
    let other = ed25519::PrivateKey::from_bytes(&[0x32; 32]).unwrap();
    let other = Verifier::of_witness("witness.example/one", &Signer::public_key(&other)).unwrap();
    assert_eq!(named(&[other]).await, both);
}

/// The octets of the value that a time stamp is over.
fn signature_value(document: &[u8]) -> Vec<u8> {
    let container = Container::read(document, &Limits::DEFAULT).unwrap();
    let name = container.names().find(|name| name.absolute().ends_with("/SignedValue.dat")).unwrap().clone();
    let value = container.part(&name).unwrap();
    SesSignature::parse(value).unwrap().signature.to_vec()
}
