//! Authority to use a seal, from its keeper's signature to the ledger: who uses it, how often, and who cannot get around it,
//! on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::{AuthorisationId, CallerId, SealId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::{sha256, sm3};
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::officer::Hand;
use yinxin::domain::seal::authority::{SealUse, UnkeptSeals, UseTerms, Used};
use yinxin::domain::seal::confirmation::UseConfirmation;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::service::callers::{Registration, bar_caller, register_caller};
use yinxin::service::development::{self, NOTICE};
use yinxin::service::registration::Signed;
use yinxin::service::seal_uses::{self, SecondFactor, UsePurpose, WantedApproval};
use yinxin::service::seals::{self, Order, Sealed};
use yinxin::service::{Error, Services};
use yinxin::store::use_authorisations::StoredAuthorisation;
use yinxin::store::use_ledger::{LedgerEntry, LedgerQuery};

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::Hands;
use crate::service::signing::order;
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-uses");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("seal uses on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-uses-postgres") }).await;
}

/// A registered caller with a key of the person's own.
struct Person {
    id: CallerId,
    roles: Roles,
    key: sm2::PrivateKey,
}

impl Person {
    async fn new(services: &Services, roles: &[Role]) -> Self {
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let public_key = subject_public_key_info(&Signer::public_key(&key));
        let roles = Roles::new(roles.iter().copied()).unwrap();
        let registration = Registration {
            name: "用印人".into(),
            key_fingerprint: sha256(&public_key),
            public_key,
            algorithm: KeyAlgorithm::Sm2,
            roles: roles.clone(),
        };
        let id = register_caller(services, BY, None, registration).await.unwrap().id;
        Self { id, roles, key }
    }

    fn sign(&self, octets: &[u8]) -> Vec<u8> {
        encode_value(self.key.algorithm(), &self.key.sign(octets, &SystemRandom).unwrap())
    }

    fn actor(&self) -> Actor {
        Actor::Caller { id: self.id.clone(), roles: self.roles.clone() }
    }

    fn hand(&self) -> Hand {
        Hand { officer: self.id.clone(), key_sm3: sm3(&subject_public_key_info(&Signer::public_key(&self.key))) }
    }
}

/// A kept seal, its keeper, and two who use seals.
struct Cabinet {
    services: Services,
    seal: SealId,
    other_seal: SealId,
    keeper: Person,
    clerk: Person,
    stranger: Person,
}

impl Cabinet {
    async fn open(services: Services) -> Self {
        let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
        let keeper = Person::new(&services, &[Role::SealAdministrator]).await;
        let clerk = Person::new(&services, &[Role::SealUser]).await;
        let stranger = Person::new(&services, &[Role::SealUser]).await;
        let [seal, other_seal] = [0, 1].map(|number: usize| pki.seals[number].id.clone());
        Self { services, seal, other_seal, keeper, clerk, stranger }
    }

    fn terms(&self) -> UseTerms {
        UseTerms {
            nonce: array(&SystemRandom).unwrap(),
            seal: self.seal.clone(),
            user: self.clerk.id.clone(),
            items: Vec::new(),
            document_kinds: Vec::new(),
            from: NOW,
            until: NOW.plus_days(30),
            most_uses: None,
            most_amount: None,
            most_sum: None,
            each_approved: false,
            second_factor: false,
        }
    }

    async fn authorise(&self, terms: UseTerms) -> Result<StoredAuthorisation, Error> {
        let octets = seal_uses::to_authorise(&self.services, &terms).await?;
        let signature = self.keeper.sign(&octets);
        let signed = Signed { officer: &self.keeper.id, signature: &signature, call: None };
        seal_uses::authorise(&self.services, terms, signed).await
    }

    async fn given(&self, change: impl FnOnce(&mut UseTerms)) -> AuthorisationId {
        let mut terms = self.terms();
        change(&mut terms);
        self.authorise(terms).await.unwrap().authorisation.id
    }

    async fn withdraw(&self, id: &AuthorisationId) {
        seal_uses::withdraw(&self.services, (&self.keeper.actor(), None), id).await.unwrap();
    }

    async fn uses(&self, who: &Person, purpose: UsePurpose) -> Result<Sealed, Error> {
        seals::sign(&self.services, &who.actor(), None, &self.seal, Order { purpose, ..order(NOTICE) }).await
    }

    async fn refused(&self, who: &Person, purpose: UsePurpose) -> &'static str {
        self.uses(who, purpose).await.unwrap_err().code()
    }

    async fn found(&self, id: &AuthorisationId) -> StoredAuthorisation {
        let mut after = None;
        loop {
            let page = seal_uses::list(&self.services, &self.seal, after.as_ref(), 20).await.unwrap();
            if let Some(found) = page.authorisations.into_iter().find(|one| one.authorisation.id == *id) {
                return found;
            }
            after = Some(page.next.unwrap());
        }
    }

    async fn lines(&self) -> Vec<LedgerEntry> {
        seal_uses::ledger(&self.services, BY, &LedgerQuery::default(), 500).await.unwrap().entries
    }

    fn confirmation(&self, who: &Person, at: Timestamp, amount: Option<u64>) -> SecondFactor {
        let wanted = SealUse {
            seal: self.seal.clone(),
            user: who.id.clone(),
            item: None,
            document_kind: None,
            amount,
            document_sm3: sm3(NOTICE),
            second_factor_at: None,
        };
        let nonce = array(&SystemRandom).unwrap();
        let signature = who.sign(&UseConfirmation::to_sign(&nonce, at, &wanted, &who.hand()));
        SecondFactor::RegisteredKey(UseConfirmation { nonce, at, signature })
    }

    async fn approve(&self, wanted: WantedApproval, by: &Person) -> Result<(), Error> {
        let octets = seal_uses::to_approve_use(&self.services, &wanted).await?;
        let signature = by.sign(&octets);
        let signed = Signed { officer: &by.id, signature: &signature, call: None };
        seal_uses::approve_use(&self.services, wanted, signed).await.map(|_| ())
    }
}

fn amount(fen: u64) -> UsePurpose {
    UsePurpose { amount: Some(fen), ..UsePurpose::default() }
}

async fn contract(place: Place) {
    let cabinet = Cabinet::open(place.open().await).await;
    a_seal_without_a_keeper(&cabinet).await;
    only_who_may_keeps_and_gives(&cabinet).await;
    nobody_uses_a_kept_seal_unauthorised(&cabinet).await;
    each_use_is_entered(&cabinet).await;
    each_term_is_held(&cabinet).await;
    single_uses_are_approved(&cabinet).await;
    a_second_factor_fits_one_use(&cabinet).await;
    one_call_withdraws_all(&cabinet).await;
    the_ledger_shows_what_concerns_its_reader(&cabinet).await;
    many_at_once_keep_the_limit(&cabinet).await;
    what_comes_to_nothing_gives_its_count_back_once(&cabinet, &place).await;
    whoever_keeps_it_now_decides(&cabinet).await;
    every_use_stands_once(&cabinet, &place).await;
}

async fn a_seal_without_a_keeper(cabinet: &Cabinet) {
    let services = &cabinet.services;
    cabinet.uses(&cabinet.clerk, UsePurpose::default()).await.unwrap();
    let line = &cabinet.lines().await[0];
    assert_eq!(
        (line.outcome.name(), &line.authorisation, &line.user),
        ("signed", &None, &Some(cabinet.clerk.id.clone()))
    );
    let strict = services.clone().with_unkept(UnkeptSeals::Refuse);
    let before = events(services).await.len();
    for actor in [&cabinet.clerk.actor(), BY] {
        let refused = seals::sign(&strict, actor, None, &cabinet.seal, order(NOTICE)).await.unwrap_err();
        assert_eq!(refused.code(), "seal-unkept");
    }
    assert_eq!(events(services).await.len(), before);
    assert_eq!(cabinet.authorise(cabinet.terms()).await.unwrap_err().code(), "seal-without-keeper");
}

async fn only_who_may_keeps_and_gives(cabinet: &Cabinet) {
    let services = &cabinet.services;
    let keep = async |who: &CallerId| seal_uses::give_to_keeper(services, (BY, None), &cabinet.seal, who).await;
    assert_eq!(keep(&cabinet.clerk.id).await.unwrap_err().code(), "not-seal-administrator");
    assert_eq!(keep(&CallerId::parse("nobody").unwrap()).await.unwrap_err().code(), "unknown-caller");
    let none = SealId::parse("none").unwrap();
    let told = seal_uses::give_to_keeper(services, (BY, None), &none, &cabinet.keeper.id).await.unwrap_err();
    assert_eq!(told.code(), "unknown-seal");
    assert_eq!(seal_uses::keeper(services, &cabinet.seal).await.unwrap(), None);
    keep(&cabinet.keeper.id).await.unwrap();
    let delivered = EventBody::SealDelivered { seal: cabinet.seal.clone(), keeper: cabinet.keeper.id.clone() };
    assert_eq!(events(services).await.pop().unwrap().body, delivered);

    let terms = cabinet.terms();
    let octets = seal_uses::to_authorise(services, &terms).await.unwrap();
    let before = events(services).await.len();
    let give = async |terms: &UseTerms, by: &CallerId, signature: Vec<u8>| {
        let signed = Signed { officer: by, signature: &signature, call: None };
        seal_uses::authorise(services, terms.clone(), signed).await.unwrap_err().code()
    };
    let right = cabinet.keeper.sign(&octets);
    assert_eq!(give(&terms, &cabinet.clerk.id, cabinet.clerk.sign(&octets)).await, "not-keeper");
    assert_eq!(give(&terms, &cabinet.keeper.id, cabinet.clerk.sign(&octets)).await, "terms-signature");
    let wider = UseTerms { until: NOW.plus_days(31), ..terms.clone() };
    assert_eq!(give(&wider, &cabinet.keeper.id, right.clone()).await, "terms-signature");
    let other = async |change: fn(&mut UseTerms)| {
        let mut terms = terms.clone();
        change(&mut terms);
        cabinet.authorise(terms).await.unwrap_err().code()
    };
    assert_eq!(other(|terms| terms.until = terms.from).await, "terms-period");
    assert_eq!(other(|terms| (terms.from, terms.until) = (NOW.plus_days(-9), NOW)).await, "terms-period");
    assert_eq!(other(|terms| terms.items = vec!["=1".into()]).await, "terms-named");
    assert_eq!(other(|terms| terms.most_uses = Some(0)).await, "terms-limit");
    assert_eq!(other(|terms| terms.most_sum = Some(u64::MAX)).await, "terms-limit");
    assert_eq!(other(|terms| terms.user = CallerId::parse("nobody").unwrap()).await, "unknown-caller");
    let keeper = UseTerms { user: cabinet.keeper.id.clone(), ..terms.clone() };
    assert_eq!(cabinet.authorise(keeper).await.unwrap_err().code(), "not-seal-user");
    assert_eq!(events(services).await.len(), before);

    let signed = Signed { officer: &cabinet.keeper.id, signature: &right, call: None };
    let stored = seal_uses::authorise(services, terms.clone(), signed).await.unwrap();
    let body = EventBody::UseAuthorised {
        authorisation: stored.authorisation.id.clone(),
        seal: cabinet.seal.clone(),
        user: cabinet.clerk.id.clone(),
        terms_sm3: sm3(&octets),
    };
    let last = events(services).await.pop().unwrap();
    assert_eq!((last.body, last.actor), (body, cabinet.keeper.actor()));
    // The same terms are not given twice, by whatever signature.
    assert_eq!(cabinet.authorise(terms).await.unwrap_err().code(), "authorisation-exists");
    let id = stored.authorisation.id;
    let refused = async |who: &Person, id: &AuthorisationId| {
        seal_uses::withdraw(services, (&who.actor(), None), id).await.unwrap_err().code()
    };
    assert_eq!(refused(&cabinet.clerk, &id).await, "not-keeper");
    assert_eq!(refused(&cabinet.keeper, &AuthorisationId::parse("none").unwrap()).await, "unknown-authorisation");
    cabinet.withdraw(&id).await;
    let withdrawn = EventBody::UseAuthorisationWithdrawn { authorisation: id.clone(), seal: cabinet.seal.clone() };
    assert_eq!(events(services).await.pop().unwrap().body, withdrawn);
    assert_eq!(refused(&cabinet.keeper, &id).await, "use-withdrawn");
}

async fn nobody_uses_a_kept_seal_unauthorised(cabinet: &Cabinet) {
    let before = (events(&cabinet.services).await.len(), cabinet.lines().await.len());
    assert_eq!(cabinet.refused(&cabinet.stranger, UsePurpose::default()).await, "use-not-authorised");
    assert_eq!(cabinet.refused(&cabinet.keeper, UsePurpose::default()).await, "use-not-authorised");
    assert_eq!(cabinet.refused(&cabinet.clerk, UsePurpose::default()).await, "use-withdrawn");
    for actor in [BY, &Actor::Anonymous] {
        let refused = seals::sign(&cabinet.services, actor, None, &cabinet.seal, order(NOTICE)).await.unwrap_err();
        assert_eq!(refused.code(), "use-not-authorised");
    }
    assert_eq!((events(&cabinet.services).await.len(), cabinet.lines().await.len()), before);
}

async fn each_use_is_entered(cabinet: &Cabinet) {
    let id = cabinet.given(|terms| terms.items = vec!["item-1".into()]).await;
    let purpose = UsePurpose { item: Some("item-1".into()), document_kind: Some("letter".into()), ..amount(7) };
    let sealed = cabinet.uses(&cabinet.clerk, purpose).await.unwrap();
    let line = cabinet.lines().await.into_iter().find(|line| line.signature == sealed.signature).unwrap();
    assert_eq!((line.outcome.name(), &line.authorisation), ("signed", &Some((id.clone(), 1))));
    assert_eq!(
        (line.item.as_deref(), line.document_kind.as_deref(), line.amount),
        (Some("item-1"), Some("letter"), Some(7))
    );
    assert_eq!((line.user.as_ref(), line.document_sm3), (Some(&cabinet.clerk.id), sm3(NOTICE)));
    let names = events(&cabinet.services).await.iter().rev().take(3).map(|one| one.class().name()).collect::<Vec<_>>();
    assert_eq!(names, ["document-signed", "use-entered", "signing-intended"]);
    let stored = cabinet.found(&id).await;
    assert_eq!((stored.authorisation.used, stored.entered), (Used { uses: 1, sum: 7 }, 1));
    // Another seal is another matter.
    let order = Order { purpose: UsePurpose { item: Some("item-1".into()), ..amount(7) }, ..order(NOTICE) };
    seal_uses::give_to_keeper(&cabinet.services, (BY, None), &cabinet.other_seal, &cabinet.keeper.id).await.unwrap();
    let other = seals::sign(&cabinet.services, &cabinet.clerk.actor(), None, &cabinet.other_seal, order).await;
    assert_eq!(other.unwrap_err().code(), "use-not-authorised");
    cabinet.withdraw(&id).await;
}

async fn each_term_is_held(cabinet: &Cabinet) {
    let clerk = &cabinet.clerk;
    let id = cabinet
        .given(|terms| {
            terms.items = vec!["a".into(), "b".into()];
            terms.document_kinds = vec!["letter".into()];
            (terms.most_uses, terms.most_amount, terms.most_sum) = (Some(3), Some(500), Some(900));
        })
        .await;
    let right = |fen| UsePurpose { item: Some("b".into()), document_kind: Some("letter".into()), ..amount(fen) };
    assert_eq!(cabinet.refused(clerk, UsePurpose { item: None, ..right(1) }).await, "use-item");
    assert_eq!(cabinet.refused(clerk, UsePurpose { item: Some("c".into()), ..right(1) }).await, "use-item");
    assert_eq!(cabinet.refused(clerk, UsePurpose { item: Some("=a".into()), ..right(1) }).await, "use-item");
    assert_eq!(cabinet.refused(clerk, UsePurpose { document_kind: None, ..right(1) }).await, "use-document-kind");
    assert_eq!(cabinet.refused(clerk, UsePurpose { amount: None, ..right(1) }).await, "use-amount");
    assert_eq!(cabinet.refused(clerk, right(501)).await, "use-amount");
    assert_eq!(cabinet.refused(clerk, right(u64::MAX)).await, "use-amount");
    cabinet.uses(clerk, right(500)).await.unwrap();
    assert_eq!(cabinet.refused(clerk, right(401)).await, "use-amount");
    cabinet.uses(clerk, right(300)).await.unwrap();
    cabinet.uses(clerk, right(100)).await.unwrap();
    assert_eq!(cabinet.refused(clerk, right(0)).await, "use-count");
    assert_eq!(cabinet.found(&id).await.authorisation.used, Used { uses: 3, sum: 900 });
    cabinet.withdraw(&id).await;
    let at = |now| Services { clock: Arc::new(FixedClock(now)), ..cabinet.services.clone() };
    let id = cabinet.given(|terms| (terms.from, terms.until) = (NOW.plus_days(1), NOW.plus_days(2))).await;
    for (day, refused) in [(0, Some("use-period")), (1, None), (2, Some("use-period"))] {
        let told = seals::sign(&at(NOW.plus_days(day)), &clerk.actor(), None, &cabinet.seal, order(NOTICE)).await;
        assert_eq!(told.err().map(|error| error.code()), refused, "{day}");
    }
    cabinet.withdraw(&id).await;
}

async fn single_uses_are_approved(cabinet: &Cabinet) {
    let clerk = &cabinet.clerk;
    let id = cabinet.given(|terms| terms.each_approved = true).await;
    let own = UseTerms { user: cabinet.keeper.id.clone(), each_approved: true, ..cabinet.terms() };
    assert_eq!(cabinet.authorise(own).await.unwrap_err().code(), "terms-own-approval");
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "use-not-approved");
    let wanted = |nonce: u8, document: &[u8], amount| WantedApproval {
        authorisation: id.clone(),
        nonce: [nonce; 32],
        document_sm3: sm3(document),
        amount,
    };
    assert_eq!(cabinet.approve(wanted(1, NOTICE, Some(5)), clerk).await.unwrap_err().code(), "not-keeper");
    cabinet.approve(wanted(1, b"other", Some(5)), &cabinet.keeper).await.unwrap();
    cabinet.approve(wanted(2, NOTICE, Some(4)), &cabinet.keeper).await.unwrap();
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "use-not-approved");
    cabinet.approve(wanted(3, NOTICE, Some(5)), &cabinet.keeper).await.unwrap();
    let again = cabinet.approve(wanted(3, NOTICE, Some(5)), &cabinet.keeper).await;
    assert_eq!(again.unwrap_err().code(), "authorisation-exists");
    cabinet.uses(clerk, amount(5)).await.unwrap();
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "use-not-approved", "it counts once");
    cabinet.withdraw(&id).await;
    assert_eq!(cabinet.approve(wanted(4, NOTICE, None), &cabinet.keeper).await.unwrap_err().code(), "use-withdrawn");
}

async fn a_second_factor_fits_one_use(cabinet: &Cabinet) {
    let clerk = &cabinet.clerk;
    let id = cabinet.given(|terms| terms.second_factor = true).await;
    let with = |factor: SecondFactor, fen| UsePurpose { second_factor: Some(factor), ..amount(fen) };
    let fresh = || cabinet.confirmation(clerk, NOW, Some(5));
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "second-factor-missing");
    assert_eq!(cabinet.refused(clerk, with(fresh(), 6)).await, "second-factor-missing");
    let strangers = cabinet.confirmation(&cabinet.stranger, NOW, Some(5));
    assert_eq!(cabinet.refused(clerk, with(strangers, 5)).await, "second-factor-missing");
    let old = cabinet.confirmation(clerk, Timestamp::from_unix(NOW.unix() - 301), Some(5));
    assert_eq!(cabinet.refused(clerk, with(old, 5)).await, "second-factor-missing");
    let one = fresh();
    let sealed = cabinet.uses(clerk, with(one.clone(), 5)).await.unwrap();
    let line = cabinet.lines().await.into_iter().find(|line| line.signature == sealed.signature).unwrap();
    assert_eq!(line.factor, Some(("registered-key".to_owned(), NOW)));
    assert_eq!(cabinet.refused(clerk, with(one, 5)).await, "replayed");
    cabinet.uses(clerk, with(fresh(), 5)).await.unwrap();
    assert_eq!(cabinet.found(&id).await.authorisation.used.uses, 2);
    cabinet.withdraw(&id).await;
}

async fn one_call_withdraws_all(cabinet: &Cabinet) {
    let services = &cabinet.services;
    for _ in 0..3 {
        cabinet.given(|_| {}).await;
    }
    cabinet.given(|terms| terms.user = cabinet.stranger.id.clone()).await;
    cabinet.uses(&cabinet.stranger, UsePurpose::default()).await.unwrap();
    let all = async |by: &Actor| seal_uses::withdraw_all(services, (by, None), &cabinet.seal).await;
    assert_eq!(all(&cabinet.clerk.actor()).await.unwrap_err().code(), "not-keeper");
    assert_eq!(all(&Actor::Anonymous).await.unwrap_err().code(), "not-keeper");
    assert_eq!(all(&cabinet.keeper.actor()).await.unwrap(), 4);
    let body = EventBody::UsesWithdrawn { seal: cabinet.seal.clone(), count: 4 };
    assert_eq!(events(services).await.pop().unwrap().body, body);
    assert_eq!(cabinet.refused(&cabinet.stranger, UsePurpose::default()).await, "use-withdrawn");
    assert_eq!(all(BY).await.unwrap(), 0);
}

async fn the_ledger_shows_what_concerns_its_reader(cabinet: &Cabinet) {
    let auditor = Person::new(&cabinet.services, &[Role::AuditAdministrator]).await;
    let all = cabinet.lines().await;
    assert!(all.len() > 6);
    let read = async |who: &Person, query: LedgerQuery| {
        seal_uses::ledger(&cabinet.services, &who.actor(), &query, 500).await.map(|page| page.entries)
    };
    let (any, of_seal) =
        (LedgerQuery::default(), LedgerQuery { seal: Some(cabinet.seal.clone()), ..LedgerQuery::default() });
    assert_eq!(read(&auditor, any.clone()).await.unwrap(), all);
    assert_eq!(read(&cabinet.keeper, of_seal.clone()).await.unwrap(), all);
    assert!(read(&cabinet.keeper, any.clone()).await.unwrap().is_empty(), "the own uses");
    let own = read(&cabinet.stranger, of_seal).await.unwrap();
    assert_eq!(own.iter().map(|line| line.user.as_ref()).collect::<Vec<_>>(), [Some(&cabinet.stranger.id)]);
    let others = LedgerQuery { user: Some(cabinet.clerk.id.clone()), ..any.clone() };
    assert_eq!(read(&cabinet.stranger, others).await.unwrap_err().code(), "ledger-not-yours");
    let nobody = seal_uses::ledger(&cabinet.services, &Actor::Anonymous, &any, 9).await;
    assert_eq!(nobody.unwrap_err().code(), "ledger-not-yours");
    // Page by page it is the same.
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let query = LedgerQuery { after, ..any.clone() };
        let page = seal_uses::ledger(&cabinet.services, BY, &query, 2).await.unwrap();
        pages.extend(page.entries);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, all);
}

async fn many_at_once_keep_the_limit(cabinet: &Cabinet) {
    let id = cabinet.given(|terms| (terms.most_uses, terms.most_sum) = (Some(5), Some(400))).await;
    let mut tasks = Vec::new();
    for _ in 0..24 {
        let (services, seal, actor) = (cabinet.services.clone(), cabinet.seal.clone(), cabinet.clerk.actor());
        let order = Order { purpose: amount(100), ..order(NOTICE) };
        tasks.push(tokio::spawn(async move { seals::sign(&services, &actor, None, &seal, order).await }));
    }
    let (mut done, mut refused) = (0, Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => refused.push(error.code()),
        }
    }
    assert_eq!((done, refused), (4, vec!["use-amount"; 20]));
    assert_eq!(cabinet.found(&id).await.authorisation.used, Used { uses: 4, sum: 400 });
    cabinet.withdraw(&id).await;
}

/// Makes the database refuse that change of an act of signing.
async fn refuse(place: &Place, when: &str) {
    if place.is_sqlite() {
        let trigger = format!(
            "CREATE TRIGGER stop BEFORE UPDATE ON signatures WHEN {when} BEGIN SELECT RAISE(ABORT, 'full'); END;"
        );
        return place.script(&trigger).await;
    }
    place
        .script(&format!(
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$;
             CREATE TRIGGER stop BEFORE UPDATE ON signatures FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION stop();"
        ))
        .await;
}

async fn allow(place: &Place) {
    let drop =
        if place.is_sqlite() { "DROP TRIGGER stop;" } else { "DROP TRIGGER stop ON signatures; DROP FUNCTION stop();" };
    place.script(drop).await;
}

const NO_RESULT: &str = "NEW.state = 'signed'";
const NO_END: &str = "NEW.state <> 'signing'";

async fn what_comes_to_nothing_gives_its_count_back_once(cabinet: &Cabinet, place: &Place) {
    let clerk = &cabinet.clerk;
    let id = cabinet.given(|terms| (terms.most_uses, terms.each_approved) = (Some(1), true)).await;
    let approval =
        WantedApproval { authorisation: id.clone(), nonce: [9; 32], document_sm3: sm3(NOTICE), amount: Some(5) };
    cabinet.approve(approval, &cabinet.keeper).await.unwrap();
    let used = async || cabinet.found(&id).await.authorisation.used.uses;
    refuse(place, NO_RESULT).await;
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "database");
    allow(place).await;
    assert_eq!(used().await, 0);
    // As if the process had ended between the intent and the result: nothing can be closed.
    refuse(place, NO_END).await;
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "database");
    allow(place).await;
    assert_eq!(used().await, 1);
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "use-count");
    for _ in 0..2 {
        cabinet.services.start().await.unwrap();
        assert_eq!(used().await, 0, "once");
    }
    cabinet.uses(clerk, amount(5)).await.unwrap();
    assert_eq!(cabinet.refused(clerk, amount(5)).await, "use-count");
    let outcomes =
        cabinet.lines().await.into_iter().filter(|line| line.authorisation.as_ref().is_some_and(|(of, _)| *of == id));
    assert_eq!(outcomes.map(|line| line.outcome.name()).filter(|name| *name == "abandoned").count(), 2);
    cabinet.withdraw(&id).await;
}

async fn whoever_keeps_it_now_decides(cabinet: &Cabinet) {
    let services = &cabinet.services;
    cabinet.given(|_| {}).await;
    cabinet.uses(&cabinet.clerk, UsePurpose::default()).await.unwrap();
    let next = Person::new(services, &[Role::SealAdministrator]).await;
    seal_uses::give_to_keeper(services, (BY, None), &cabinet.seal, &next.id).await.unwrap();
    assert_eq!(cabinet.refused(&cabinet.clerk, UsePurpose::default()).await, "use-keeper");
    assert_eq!(cabinet.authorise(cabinet.terms()).await.unwrap_err().code(), "not-keeper");
    seal_uses::give_to_keeper(services, (BY, None), &cabinet.seal, &cabinet.keeper.id).await.unwrap();
    cabinet.uses(&cabinet.clerk, UsePurpose::default()).await.unwrap();
    bar_caller(services, BY, None, &cabinet.keeper.id).await.unwrap();
    assert_eq!(cabinet.refused(&cabinet.clerk, UsePurpose::default()).await, "use-keeper");
    bar_caller(services, BY, None, &cabinet.clerk.id).await.unwrap();
    assert_eq!(cabinet.refused(&cabinet.clerk, UsePurpose::default()).await, "caller-barred");
}

/// Every released signature has one line and, under an authorisation, one event; none that was abandoned counts.
async fn every_use_stands_once(cabinet: &Cabinet, place: &Place) {
    let join = "signatures AS s JOIN use_ledger AS l ON l.signature = s.id WHERE s.state =";
    for (state, outcome) in [("signed", "signed"), ("abandoned", "abandoned")] {
        let rows = place.count(&format!("signatures WHERE state = '{state}'")).await;
        assert!(rows > 0);
        assert_eq!(place.count(&format!("{join} '{state}' AND l.outcome = '{outcome}'")).await, rows, "{state}");
    }
    assert_eq!(place.count("use_ledger WHERE outcome = 'intended'").await, 0);
    let mut entered = Vec::new();
    for event in events(&cabinet.services).await {
        if let EventBody::UseEntered { signature, .. } = event.body {
            entered.push(signature.to_string());
        }
    }
    let lines = cabinet.lines().await;
    let under = lines.iter().filter(|line| line.authorisation.is_some());
    let mut named = under.map(|line| line.signature.to_string()).collect::<Vec<_>>();
    entered.sort();
    named.sort();
    assert_eq!(entered, named);
    let counted = "use_authorisations AS a WHERE a.uses <> (SELECT count(*) FROM use_ledger AS l \
                   WHERE l.authorisation = a.id AND l.outcome <> 'abandoned')";
    assert_eq!(place.count(counted).await, 0);
}

/// Any order of authorisations, withdrawals, uses, failures, crashes and days.
#[test]
fn any_order_keeps_the_limits() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = Folder::new("seal-uses-model");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let place = Place { url, folder };
    let hands = Arc::new(Hands(AtomicI64::new(NOW.unix())));
    let cabinet = runtime.block_on(async {
        let services = Services { clock: hands.clone(), ..place.open().await };
        let cabinet = Cabinet::open(services).await;
        seal_uses::give_to_keeper(&cabinet.services, (BY, None), &cabinet.seal, &cabinet.keeper.id).await.unwrap();
        cabinet
    });
    let steps = proptest::collection::vec((0_u8..7, 1_u64..5), 1..14);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(16) });
    runner.run(&steps, |steps| runtime.block_on(model(&cabinet, &place, &hands, steps))).unwrap();
    runtime.block_on(async {
        cabinet.uses(&cabinet.clerk, UsePurpose::default()).await.unwrap_err();
        let lines = place.count("use_ledger").await;
        let signatures = place.count("signatures").await;
        assert!(lines > 0);
        assert_eq!(lines, signatures);
    });
}

async fn model(cabinet: &Cabinet, place: &Place, hands: &Hands, steps: Vec<(u8, u64)>) -> Result<(), TestCaseError> {
    // What should be left of each authorisation: until when, uses and sum, in the order in which they are tried.
    let mut open: Vec<(AuthorisationId, i64, u64, u64)> = Vec::new();
    seal_uses::withdraw_all(&cabinet.services, (BY, None), &cabinet.seal).await.unwrap();
    for (step, number) in steps {
        let now = hands.0.load(Ordering::SeqCst);
        match step {
            0 => {
                let (from, until) =
                    (Timestamp::from_unix(now), Timestamp::from_unix(now + 10 * i64::try_from(number).unwrap()));
                let most = u32::try_from(number).unwrap();
                let limits = |terms: &mut UseTerms| {
                    (terms.from, terms.until) = (from, until);
                    (terms.most_uses, terms.most_sum) = (Some(most), Some(6));
                };
                open.push((cabinet.given(limits).await, until.unix(), number, 6));
                open.sort_by(|a, b| (a.1, a.0.as_str()).cmp(&(b.1, b.0.as_str())));
            }
            1 if !open.is_empty() => {
                let (id, ..) = open.remove(usize::try_from(number).unwrap() % open.len());
                cabinet.withdraw(&id).await;
            }
            2 => {
                seal_uses::withdraw_all(&cabinet.services, (BY, None), &cabinet.seal).await.unwrap();
                open.clear();
            }
            3..=5 => {
                let permitting =
                    open.iter_mut().find(|(_, until, uses, sum)| now < *until && *uses > 0 && *sum >= number);
                let fails = (step > 3).then_some(if step == 4 { NO_RESULT } else { NO_END });
                if let Some(when) = fails {
                    refuse(place, when).await;
                }
                let outcome = cabinet.uses(&cabinet.clerk, amount(number)).await;
                if fails.is_some() {
                    allow(place).await;
                }
                if step == 5 {
                    cabinet.services.start().await.unwrap();
                }
                match (permitting, fails) {
                    (None, _) => prop_assert!(matches!(outcome, Err(Error::Use(_))), "{outcome:?}"),
                    (Some(_), Some(_)) => prop_assert!(matches!(outcome, Err(Error::Store(_))), "{outcome:?}"),
                    (Some((_, _, uses, sum)), None) => {
                        prop_assert!(outcome.is_ok(), "{outcome:?}");
                        (*uses, *sum) = (*uses - 1, *sum - number);
                    }
                }
            }
            _ => hands.0.store(now + i64::try_from(number).unwrap() * 4, Ordering::SeqCst),
        }
        for (id, _, uses, sum) in &open {
            let stored = cabinet.found(id).await;
            let most = u64::from(stored.authorisation.terms.most_uses.unwrap());
            prop_assert_eq!(u64::from(stored.authorisation.used.uses), most - uses);
            prop_assert_eq!(stored.authorisation.used.sum, 6 - sum);
        }
    }
    seal_uses::withdraw_all(&cabinet.services, (BY, None), &cabinet.seal).await.unwrap();
    every_use_stands_once_so_far(cabinet, place).await;
    Ok(())
}

async fn every_use_stands_once_so_far(cabinet: &Cabinet, place: &Place) {
    let join = "signatures AS s JOIN use_ledger AS l ON l.signature = s.id WHERE s.state = l.outcome";
    assert_eq!(place.count(join).await, place.count("signatures").await);
    let mut entered = 0;
    let log = events(&cabinet.services).await;
    for event in &log {
        entered += i64::from(matches!(event.body, EventBody::UseEntered { .. }));
    }
    assert_eq!(place.count("use_ledger WHERE authorisation IS NOT NULL").await, entered);
}
