//! Seals whose key lies with the client: prepared, signed there, completed; counted once, given back once, kept through
//! restarts.

use yinxin::crypto::algorithm::OID_SM2_WITH_SM3;
use yinxin::crypto::{PublicKey, Signer as _, sm2};
use yinxin::domain::seal::authority::Used;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::x509::NewName;
use yinxin::format::x509::csr::NewCertificationRequest;
use yinxin::service::certificate_status::{self, Change};
use yinxin::service::prepared_signings::{self, COUNTS, Prepared};
use yinxin::service::seals::Sealed;
use yinxin::store::use_ledger::{LedgerQuery, UseOutcome};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("client-keys");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("keys with the client on PostgreSQL", "PostgreSQL");
    };
    contract(Place { url: server.url.clone(), folder: Folder::new("client-keys-postgres") }).await;
}

/// A client with a key of its own, and its seal.
struct Client {
    office: Office,
    key: Arc<sm2::PrivateKey>,
    seal: SealId,
    place: Place,
}

/// A request of PKCS#10 by a client's key.
pub(super) fn request(key: &sm2::PrivateKey, organisation: &str) -> Vec<u8> {
    let subject = NewName { organisation: organisation.into(), common_name: "signer".into() }.to_der();
    let public_key = subject_public_key_info(&PublicKey::Sm2(key.public_key()));
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    };
    let tbs = new.to_tbs();
    let value = encode_value(key.algorithm(), &key.sign(&tbs, &SystemRandom).unwrap());
    NewCertificationRequest::assemble(&tbs, OID_SM2_WITH_SM3, &value)
}

impl Client {
    fn user(&self) -> Actor {
        Actor::Caller { id: self.office.clerk.id.clone(), roles: Roles::new([Role::SealUser]).unwrap() }
    }

    async fn prepare_as(&self, user: &Actor, key: Option<&str>) -> Result<Prepared, &'static str> {
        let order = seals::Order { idempotency_key: key.map(str::to_owned), ..order(NOTICE) };
        let done = prepared_signings::prepare(&self.office.services, user, None, &self.seal, order).await;
        done.map_err(|error| error.code())
    }

    async fn prepare(&self) -> Result<Prepared, &'static str> {
        self.prepare_as(&self.user(), None).await
    }

    /// The client's value, as DER.
    fn sign(&self, prepared: &Prepared) -> Vec<u8> {
        encode_value(prepared.algorithm, &self.key.sign(&prepared.to_sign, &SystemRandom).unwrap())
    }

    async fn complete_as(&self, user: &Actor, prepared: &Prepared, value: &[u8]) -> Result<Sealed, &'static str> {
        let what = (&prepared.signature, value);
        let done = prepared_signings::complete(&self.office.services, user, None, what).await;
        done.map_err(|error| error.code())
    }

    async fn complete(&self, prepared: &Prepared, value: &[u8]) -> Result<Sealed, &'static str> {
        self.complete_as(&self.user(), prepared, value).await
    }

    async fn authorise(&self, most_uses: u32) {
        let (services, now) = (&self.office.services, self.office.services.clock.now());
        let terms = UseTerms {
            nonce: array(&SystemRandom).unwrap(),
            seal: self.seal.clone(),
            user: self.office.clerk.id.clone(),
            items: Vec::new(),
            document_kinds: Vec::new(),
            from: now,
            until: now.plus_days(300),
            most_uses: Some(most_uses),
            most_amount: None,
            most_sum: None,
            each_approved: false,
            second_factor: false,
        };
        let signature = self.office.keeper.sign(&seal_uses::to_authorise(services, &terms).await.unwrap());
        seal_uses::authorise(services, terms, self.office.keeper.by(&signature)).await.unwrap();
    }

    async fn withdraw_all(&self) {
        seal_uses::withdraw_all(&self.office.services, (BY, None), &self.seal).await.unwrap();
    }

    /// What the authorisations count that are not withdrawn.
    async fn used(&self) -> Vec<Used> {
        let page = seal_uses::list(&self.office.services, &self.seal, None, 99).await.unwrap();
        let open = page.authorisations.into_iter().filter(|one| one.authorisation.withdrawn_at.is_none());
        open.map(|one| one.authorisation.used).collect()
    }

    async fn outcome(&self, prepared: &Prepared) -> &'static str {
        let query = LedgerQuery { seal: Some(self.seal.clone()), ..LedgerQuery::default() };
        let page = seal_uses::ledger(&self.office.services, BY, &query, 500).await.unwrap();
        let line = page.entries.into_iter().find(|entry| entry.signature == prepared.signature).unwrap();
        match line.outcome {
            UseOutcome::Intended => "intended",
            UseOutcome::Signed { .. } => "signed",
            UseOutcome::Abandoned { .. } => "abandoned",
        }
    }

    async fn expire(&self) -> u64 {
        prepared_signings::expire(&self.office.services).await.unwrap()
    }
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 99)).await.unwrap();
    let key = Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap());
    let wanted = Wanted {
        key: SignerKey::Clients { csr: request(&key, "样章市试验局") },
        ..office.wanted(1, office.key().await)
    };
    let id = office.approved(office.asks(Purpose::Make(Box::new(wanted)))).await;
    let seal = office.fulfil(&id).await.unwrap().seal;
    let mut client = Client { office, key, seal, place };
    assert_eq!(client.prepare().await.unwrap_err(), "seal-not-delivered");
    client.office.deliver(&client.seal, &client.office.keeper).await.unwrap();
    a_client_signs_what_was_prepared(&client).await;
    uses_are_counted_and_given_back_once(&client).await;
    no_restart_loses_what_was_prepared(&mut client).await;
    nothing_is_released_that_may_not_be_used_any_more(&client).await;
    nobody_gets_around_it(&client).await;
}

async fn a_client_signs_what_was_prepared(client: &Client) {
    let office = &client.office;
    assert_eq!(client.prepare().await.unwrap_err(), "use-not-authorised");
    assert_eq!(client.prepare_as(&Actor::Anonymous, None).await.unwrap_err(), "use-not-authorised");
    client.authorise(5).await;
    // Nothing of the client's key is here, so nothing is signed here.
    assert_eq!(office.sign(&client.seal).await, Err("signer-not-ours"));
    let before = events(&office.services).await.len();
    let prepared = client.prepare().await.unwrap();
    assert_eq!((client.outcome(&prepared).await, client.used().await), ("intended", vec![Used { uses: 1, sum: 0 }]));
    let again = prepared_signings::again(&office.services, &client.user(), &prepared.signature).await.unwrap();
    assert_eq!(again, prepared);

    // Another's value, and a value over something else, release nothing and end nothing.
    let other = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let foreign = encode_value(prepared.algorithm, &other.sign(&prepared.to_sign, &SystemRandom).unwrap());
    let elses = encode_value(prepared.algorithm, &client.key.sign(b"else", &SystemRandom).unwrap());
    for value in [&foreign[..], &elses, b"", b"nothing"] {
        assert_eq!(client.complete(&prepared, value).await.unwrap_err(), "value-wrong");
    }
    let stranger = person(&office.services, &[Role::SealUser]).await;
    let stranger = Actor::Caller { id: stranger.id, roles: Roles::new([Role::SealUser]).unwrap() };
    let value = client.sign(&prepared);
    assert_eq!(client.complete_as(&stranger, &prepared, &value).await.unwrap_err(), "unknown-signing");
    assert_eq!(client.complete_as(&Actor::Operator, &prepared, &value).await.unwrap_err(), "unknown-signing");

    let sealed = client.complete(&prepared, &value).await.unwrap();
    assert_eq!((client.outcome(&prepared).await, client.used().await), ("signed", vec![Used { uses: 1, sum: 0 }]));
    // The answer was lost: the same value gets the same document, another one nothing.
    assert_eq!(client.complete(&prepared, &value).await.unwrap(), sealed);
    assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "signing-ended");
    let told = events(&office.services).await.split_off(before);
    let names = told.iter().map(|event| event.class().name()).filter(|name| *name != "caller-registered");
    assert_eq!(names.collect::<Vec<_>>(), ["signing-prepared", "use-entered", "document-signed"]);

    let policy = verification::built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(&office.root, "root").unwrap();
    let below = kept(&office.services, &office.below.certificate).await;
    judge.add_evidence(&below, "below").unwrap();
    let report = judge.judge("document.ofd", &sealed.document, None);
    // The certificates name revocation lists, which nobody fetches here: everything else is right.
    let codes = report.signatures.iter().map(|one| (one.indication, one.code.clone())).collect::<Vec<_>>();
    assert_eq!(codes, [(Indication::Indeterminate, "revocation-unknown".to_owned())]);
    // A value of fixed width is one too.
    let prepared = client.prepare().await.unwrap();
    let fixed = client.key.sign(&prepared.to_sign, &SystemRandom).unwrap();
    client.complete(&prepared, &fixed).await.unwrap();
    client.withdraw_all().await;
}

async fn uses_are_counted_and_given_back_once(client: &Client) {
    client.authorise(2).await;
    let first = client.prepare().await.unwrap();
    let second = client.prepare().await.unwrap();
    assert_eq!(client.prepare().await.unwrap_err(), "use-count");
    assert_eq!(client.expire().await, 0);
    client.office.hands.0.fetch_add(COUNTS, Ordering::SeqCst);
    // The last second counts still.
    client.complete(&second, &client.sign(&second)).await.unwrap();
    client.office.hands.0.fetch_add(1, Ordering::SeqCst);
    assert_eq!(client.complete(&first, &client.sign(&first)).await.unwrap_err(), "signing-ended");
    assert_eq!(client.prepare().await.unwrap_err(), "use-count");
    let (one, other) = tokio::join!(client.expire(), client.expire());
    assert_eq!((one + other, client.expire().await), (1, 0));
    assert_eq!((client.outcome(&first).await, client.used().await), ("abandoned", vec![Used { uses: 1, sum: 0 }]));
    // Of many at once one gets what is left.
    let all = futures_of(client, 6).await;
    assert_eq!(all.iter().filter(|done| done.is_ok()).count(), 1);
    let last = all.into_iter().find_map(Result::ok).unwrap();
    prepared_signings::give_up(&client.office.services, &client.user(), None, &last.signature).await.unwrap();
    let twice = prepared_signings::give_up(&client.office.services, &client.user(), None, &last.signature).await;
    assert_eq!(twice.unwrap_err().code(), "signing-ended");
    assert_eq!(client.complete(&last, &client.sign(&last)).await.unwrap_err(), "signing-ended");
    assert_eq!(client.used().await, [Used { uses: 1, sum: 0 }]);
    client.withdraw_all().await;
}

async fn futures_of(client: &Client, count: usize) -> Vec<Result<Prepared, &'static str>> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (services, user, seal) = (client.office.services.clone(), client.user(), client.seal.clone());
        tasks.spawn(async move {
            let done = prepared_signings::prepare(&services, &user, None, &seal, order(NOTICE)).await;
            done.map_err(|error| error.code())
        });
    }
    tasks.join_all().await
}

async fn no_restart_loses_what_was_prepared(client: &mut Client) {
    client.authorise(9).await;
    let prepared = client.prepare_as(&client.user(), Some("key-1")).await.unwrap();
    // The client did not hear the answer, and asks again under the same key.
    assert_eq!(client.prepare_as(&client.user(), Some("key-1")).await.unwrap(), prepared);
    assert_eq!(client.used().await, [Used { uses: 1, sum: 0 }]);
    // Another process, as after a kill: whatever else was open is abandoned at its start.
    let hands = client.office.hands.clone();
    client.office.services = Services { clock: hands, ..client.place.open().await };
    assert_eq!(client.outcome(&prepared).await, "intended");
    assert_eq!(client.prepare_as(&client.user(), Some("key-1")).await.unwrap(), prepared);
    let value = client.sign(&prepared);
    let sealed = client.complete(&prepared, &value).await.unwrap();
    let hands = client.office.hands.clone();
    client.office.services = Services { clock: hands, ..client.place.open().await };
    assert_eq!(client.complete(&prepared, &value).await.unwrap(), sealed);
    assert_eq!(client.used().await, [Used { uses: 1, sum: 0 }]);
    // After a day it is forgotten here.
    client.office.wait_days(2);
    assert_eq!(client.expire().await, 0);
    assert_eq!(client.complete(&prepared, &value).await.unwrap_err(), "signing-ended");
    client.withdraw_all().await;
}

async fn nothing_is_released_that_may_not_be_used_any_more(client: &Client) {
    let office = &client.office;
    client.authorise(9).await;
    let prepared = client.prepare().await.unwrap();
    client.withdraw_all().await;
    assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "use-withdrawn");
    assert_eq!(client.outcome(&prepared).await, "abandoned");
    assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "signing-ended");

    client.authorise(9).await;
    let prepared = client.prepare().await.unwrap();
    office.suspend(&client.seal, &office.applicant).await.unwrap();
    assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "seal-suspended");
    assert_eq!((client.outcome(&prepared).await, client.used().await), ("abandoned", vec![Used::default()]));
    assert_eq!(client.prepare().await.unwrap_err(), "seal-suspended");
    let resume = office.approved(office.asks(Purpose::Resume { seal: client.seal.clone() })).await;
    office.fulfil(&resume).await.unwrap();
}

async fn nobody_gets_around_it(client: &Client) {
    let office = &client.office;
    // A key of ours signs here, and nothing is prepared for it.
    let ours = office.seal(2).await;
    office.authorise(&ours).await;
    let refused = prepared_signings::prepare(&office.services, &client.user(), None, &ours, order(NOTICE)).await;
    assert_eq!(refused.unwrap_err().code(), "signer-ours");
    // Whoever prepares without end is told so.
    client.withdraw_all().await;
    client.authorise(900).await;
    for _ in 0..60 {
        client.prepare().await.unwrap();
    }
    let all = futures_of(client, 10).await;
    assert_eq!(all.iter().filter(|done| done.as_ref() == Err(&"too-many-prepared")).count(), 6);
    office.hands.0.fetch_add(COUNTS + 1, Ordering::SeqCst);
    assert_eq!((client.expire().await, client.expire().await), (50, 14));
    assert_eq!(client.used().await, [Used::default()]);
    // A row that was changed by hand releases nothing.
    let prepared = client.prepare().await.unwrap();
    let set = |what: &str| format!("UPDATE prepared_signings SET {what} WHERE signature = '{}'", prepared.signature);
    let later = format!("expires_at = expires_at + {COUNTS}");
    for (change, back) in
        [("page = 2", "page = 3"), (later.as_str(), "expires_at = prepared_at + 600"), ("locks = 1", "locks = 0")]
    {
        assert_eq!(client.place.by_hand(&set(change)).await, 1);
        assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "inconsistent", "{change}");
        client.place.by_hand(&set(back)).await;
    }
    client.complete(&prepared, &client.sign(&prepared)).await.unwrap();
    // A certificate that is revoked signs no more.
    let prepared = client.prepare().await.unwrap();
    let known = seal_delivery::find(&office.services, &client.seal).await.unwrap();
    let revoke =
        Change::Revoke { reason: yinxin::domain::ca::state::RevocationReason::KeyCompromise, invalidity_date: None };
    certificate_status::change(&office.services, (BY, None), &known.record.certificate_sm3, revoke).await.unwrap();
    assert_eq!(client.complete(&prepared, &client.sign(&prepared)).await.unwrap_err(), "signer-certificate-ended");
    assert_eq!(client.prepare().await.unwrap_err(), "signer-certificate-ended");
}
