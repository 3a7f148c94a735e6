//! Messages by keys of callers, on both databases: every form judged, what stands in the rows and the log, whose key it is, what a
//! crash leaves, and what is refused.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use yinxin::base::id::{AuthorityId, CallerId, KeyId, RequestId, SignatureId};
use yinxin::base::limits::Limits;
use yinxin::config::{profiles, verification};
use yinxin::crypto::algorithm::DigestAlgorithm;
use yinxin::crypto::digest::{digest, sm3};
use yinxin::domain::audit::{AbandonmentReason, Actor, EventBody};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose, KeySuspensionReason};
use yinxin::domain::message::Form;
use yinxin::domain::verify::{Indication, Report};
use yinxin::format::keys::write_pem;
use yinxin::format::x509::Certificate;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::certificate_status::{self, Change};
use yinxin::service::development::{self, DevelopmentPki, NOTICE, ORGANISATION};
use yinxin::service::issuance::{Issuance, Issued, UnitRole};
use yinxin::service::keys::life_cycle::{resume, suspend};
use yinxin::service::message_signings::{MessageContent, MessageOrder, SignedMessage, establish_for, list, sign};
use yinxin::service::stamping::Stamping;
use yinxin::service::units::NewUnit;
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::service::{Error, Services};
use yinxin::store::keys;
use yinxin::store::message_signings::{self, MessageSigningState};

use crate::service::installation::{NOW, Place, events};
use crate::service::person_signings::{closed, opened};
use crate::service::registration::person;
use crate::service::stamping::{Told, options, start};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("message-signings");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    Box::pin(contract(Place { url, folder })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("messages on PostgreSQL", "PostgreSQL") };
    Box::pin(contract(Place { url: server.url.clone(), folder: Folder::new("message-signings-postgres") })).await;
}

const LETTER: &[u8] = "样章函件：仅供测试。".as_bytes();

/// A business system with a key of each kind that lies here.
struct System {
    services: Services,
    pki: DevelopmentPki,
    /// A P-256 root, DER.
    p256_root: Vec<u8>,
    stamping: Stamping,
    issuance: Issuance,
    actor: Actor,
    caller: CallerId,
    sm2: KeyId,
    p256: KeyId,
}

fn of_role(id: &CallerId, role: Role) -> Actor {
    Actor::Caller { id: id.clone(), roles: Roles::new([role]).unwrap() }
}

fn named(common_name: &str) -> Vec<(AttributeKind, String)> {
    vec![(AttributeKind::Organisation, ORGANISATION.to_owned()), (AttributeKind::CommonName, common_name.to_owned())]
}

async fn unit(
    (services, issuance): (&Services, &Issuance),
    authority: &str,
    caller: &CallerId,
    algorithm: KeyAlgorithm,
) -> Result<(Issued, KeyId), Error> {
    let (subject, profile) = (named("消息"), "message-signer".to_owned());
    let new = NewUnit { algorithm, location: None, subject, profile, not_after: Some(NOW.plus_days(30)) };
    let authority = &AuthorityId::parse(authority).unwrap();
    let issued = establish_for(services, issuance, &Actor::Operator, (authority, caller), new).await?;
    let wanted = &issued.sm3;
    let found = services.store.read(|tx| Box::pin(yinxin::store::certificates::find(tx, wanted))).await.unwrap();
    Ok((issued, found.unwrap().key.unwrap()))
}

impl System {
    async fn open(place: &Place) -> Self {
        let services = place.open().await;
        let profiles = Arc::new(profiles::built_in().unwrap());
        let pki = development::ensure(&services, &profiles).await.unwrap();
        let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
        development::ensure_unit(&services, &issuance, &pki, UnitRole::TimeStamping).await.unwrap();
        let stamping = start(&services, options(&Told::new())).await;
        let new = NewAuthority {
            id: AuthorityId::parse("p256").ok(),
            name: "P-256 根".into(),
            profile: "root".into(),
            parent: None,
            subject: named("P-256 根"),
            key: AuthorityKey::Generated(KeyAlgorithm::EcdsaP256),
            not_after: None,
            base_url: "http://ca.example".into(),
            crl_shards: 1,
        };
        let made = authorities::create(&services, &profiles, &Actor::Operator, &new).await.unwrap();
        let p256_root = authorities::find(&services, &made.id).await.unwrap().1;
        let caller = person(&services, &[Role::KeyUser]).await.id;
        let place = (&services, &issuance);
        let sm2 = unit(place, "development-authority", &caller, KeyAlgorithm::Sm2).await.unwrap().1;
        let p256 = unit(place, "p256", &caller, KeyAlgorithm::EcdsaP256).await.unwrap().1;
        let actor = of_role(&caller, Role::KeyUser);
        Self { services, pki, p256_root, stamping, issuance, actor, caller, sm2, p256 }
    }

    async fn sign_as(&self, actor: &Actor, order: MessageOrder) -> Result<SignedMessage, Error> {
        let request = RequestId::parse("request-1").unwrap();
        sign(&self.services, Some(&self.stamping), (actor, Some(&request)), order).await
    }

    async fn sign(&self, order: MessageOrder) -> Result<SignedMessage, Error> {
        self.sign_as(&self.actor, order).await
    }

    /// Refuses, and leaves nothing in the log.
    async fn refused(&self, order: MessageOrder) -> &'static str {
        let before = events(&self.services).await.len();
        let refused = self.sign(order).await.unwrap_err();
        assert_eq!(events(&self.services).await.len(), before, "{refused:?}");
        refused.code()
    }

    fn judge(&self, message: &[u8], original: Option<&[u8]>) -> Report {
        let policy = verification::built_in("default", &sm3_hex).unwrap();
        let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
        judge.add_anchors(&self.pki.root, "root").unwrap();
        judge.add_anchors(&self.p256_root, "root").unwrap();
        judge.add_evidence(&self.pki.authority, "authority").unwrap();
        judge.judge("message", message, original)
    }

    async fn row(&self, id: &SignatureId) -> message_signings::StoredMessageSigning {
        self.services.store.read(|tx| Box::pin(message_signings::find(tx, id))).await.unwrap().unwrap()
    }
}

fn order(key: &KeyId, form: Form, content: MessageContent) -> MessageOrder {
    MessageOrder { key: key.clone(), form, content, lock: false, time_stamp: false, idempotency_key: None }
}

fn of_digest(algorithm: DigestAlgorithm, uri: Option<&str>) -> MessageContent {
    MessageContent::Digest { algorithm, value: digest(algorithm, LETTER), uri: uri.map(str::to_owned) }
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let system = System::open(&place).await;
    every_form_passes_and_stands_in_the_log(&system).await;
    digests_are_enough_where_the_form_allows_it(&system).await;
    openssl_takes_what_a_p256_key_signs(&system, place.folder.path()).await;
    one_request_is_one_message(&system, &place).await;
    a_key_is_its_callers_alone(&system).await;
    what_does_not_go_together_is_refused(&system).await;
    what_rests_signs_nothing(&system).await;
    what_breaks_off_releases_nothing(&system, &place).await;
}

async fn every_form_passes_and_stands_in_the_log(system: &System) {
    let large = LETTER.repeat(8000);
    for form in Form::ALL {
        for content in [LETTER, &large] {
            for attached in [true, false] {
                let octets = if form == Form::OfdSign { NOTICE } else { content };
                if form == Form::OfdSign && !attached {
                    continue;
                }
                let content = octets.to_vec();
                let content =
                    if attached { MessageContent::Attached(content) } else { MessageContent::Detached(content) };
                let before = events(&system.services).await.len();
                let signed = system.sign(order(&system.sm2, form, content)).await.unwrap();
                let verdict = system.judge(&signed.message, (!attached).then_some(octets));
                assert_eq!(verdict.indication, Indication::TotalPassed, "{form:?} {attached}: {}", verdict.to_json());
                let [judged] = verdict.signatures.as_slice() else { panic!("{verdict:?}") };
                assert_eq!((judged.details.claimed_time, signed.signed_at), (Some(NOW), NOW));
                let new = events(&system.services).await.split_off(before);
                let names = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
                let stamped: &[_] = if form == Form::CadesT { &["time-stamps-issued"] } else { &[] };
                assert_eq!(names, [&["message-signing-intended"], stamped, &["message-signed"]].concat());
                let row = system.row(&signed.signature).await;
                let result_sm3 = sm3(&signed.message);
                assert_eq!((&row.key, row.form.as_str()), (&system.sm2, form.name()));
                assert_eq!(row.state, MessageSigningState::Signed { result_sm3, finished_at: NOW });
                let EventBody::MessageSigningIntended { content_digest, content_algorithm, .. } = &new[0].body else {
                    panic!("{new:?}")
                };
                assert_eq!((content_algorithm.as_str(), &content_digest[..]), ("sm3", &sm3(octets)[..]));
                let done = new.last().unwrap();
                assert!(done.body.things().contains(&result_sm3));
                assert_eq!(done.request, Some(RequestId::parse("request-1").unwrap()));
                assert_eq!(done.actor, system.actor);
            }
        }
    }
}

async fn digests_are_enough_where_the_form_allows_it(system: &System) {
    for (form, uri) in [
        (Form::Cms, None),
        (Form::CadesB, None),
        (Form::CadesT, None),
        (Form::Gbt35275, None),
        (Form::Jws, Some("letters/1")),
        (Form::JwsJson, Some("letters/1")),
    ] {
        let before = events(&system.services).await.len();
        let signed = system.sign(order(&system.sm2, form, of_digest(DigestAlgorithm::Sm3, uri))).await.unwrap();
        let verdict = system.judge(&signed.message, Some(LETTER));
        assert_eq!(verdict.indication, Indication::TotalPassed, "{form:?}: {}", verdict.to_json());
        assert_ne!(system.judge(&signed.message, Some(b"another")).indication, Indication::TotalPassed);
        let EventBody::MessageSigningIntended { content_digest, .. } = &events(&system.services).await[before].body
        else {
            panic!("no intent")
        };
        assert_eq!(content_digest[..], sm3(LETTER));
    }
}

/// A peer that knows nothing of us: CMS of a P-256 key, attached, beside its content, and of a digest.
async fn openssl_takes_what_a_p256_key_signs(system: &System, folder: &Path) {
    std::fs::write(folder.join("root.pem"), write_pem(&system.p256_root, "CERTIFICATE")).unwrap();
    std::fs::write(folder.join("letter"), LETTER).unwrap();
    for (content, beside) in [
        (MessageContent::Attached(LETTER.to_vec()), false),
        (MessageContent::Detached(LETTER.to_vec()), true),
        (of_digest(DigestAlgorithm::Sha256, None), true),
    ] {
        let signed = system.sign(order(&system.p256, Form::CadesB, content)).await.unwrap();
        std::fs::write(folder.join("letter.p7s"), &signed.message).unwrap();
        let time = NOW.plus_seconds(1).unix().to_string();
        let fixed = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "letter.p7s", "-CAfile", "root.pem"];
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(fixed).args(["-purpose", "any", "-attime", &time, "-out", "read"]);
        if beside {
            command.args(["-content", "letter"]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(folder.join("read")).unwrap(), LETTER);
    }
}

async fn one_request_is_one_message(system: &System, place: &Place) {
    let keyed = |key: &str, content: &[u8], form| MessageOrder {
        idempotency_key: Some(key.to_owned()),
        time_stamp: form == Form::Gbt35275,
        ..order(&system.sm2, form, MessageContent::Attached(content.to_vec()))
    };
    // The last of them carries a time stamp, which is kept too.
    for (number, form) in [Form::CadesB, Form::Jws, Form::OfdSign, Form::CadesT, Form::Gbt35275].into_iter().enumerate()
    {
        let (key, content) = (format!("one-{number}"), if form == Form::OfdSign { NOTICE } else { LETTER });
        let first = system.sign(keyed(&key, content, form)).await.unwrap();
        let before = (events(&system.services).await.len(), place.count("message_signings").await);
        assert_eq!(system.sign(keyed(&key, content, form)).await.unwrap(), first);
        assert_eq!((events(&system.services).await.len(), place.count("message_signings").await), before);
        let other = system.sign(keyed(&key, b"another", form)).await.unwrap_err();
        assert_eq!(other.code(), "idempotency-key-reused");
    }
    let before = place.count("message_signings").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (services, actor, wanted) =
            (system.services.clone(), system.actor.clone(), keyed("ten", LETTER, Form::Cms));
        tasks.spawn(async move { sign(&services, None, (&actor, None), wanted).await.unwrap() });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer.unwrap(), first);
    }
    assert_eq!(place.count("message_signings").await, before + 1);
    // What is kept is small, whatever was signed.
    let largest = place.count("idempotency WHERE length(response) > 4096").await;
    assert_eq!(largest, 0);
}

async fn a_key_is_its_callers_alone(system: &System) {
    let known = list(&system.services, &system.actor).await.unwrap();
    assert_eq!(known.len(), 2);
    assert!(known.iter().all(|one| one.is_usable));
    for (key, certificates) in [(&system.p256, 1), (&system.sm2, 2)] {
        let one = known.iter().find(|one| one.key.id == *key).unwrap();
        assert_eq!(one.certificates.len(), certificates, "the root is not among them");
        assert!(Certificate::parse(&one.certificates[0]).unwrap().subject.display().contains("消息"));
    }
    let stranger = of_role(&person(&system.services, &[Role::KeyUser]).await.id, Role::KeyUser);
    assert_eq!(list(&system.services, &stranger).await.unwrap(), []);
    let wanted = || order(&system.sm2, Form::Cms, MessageContent::Attached(LETTER.to_vec()));
    let before = events(&system.services).await.len();
    assert_eq!(system.sign_as(&stranger, wanted()).await.unwrap_err().code(), "unknown-signing-key");
    for by in [of_role(&system.caller, Role::SealUser), Actor::Operator, Actor::Anonymous] {
        assert_eq!(system.sign_as(&by, wanted()).await.unwrap_err().code(), "not-key-user");
        assert_eq!(list(&system.services, &by).await.unwrap_err().code(), "not-key-user");
    }
    // Keys of every other purpose that are here, and one that is not.
    for purpose in KeyPurpose::ALL.iter().copied().filter(|purpose| *purpose != KeyPurpose::Message) {
        let keys = system.services.store.read(|tx| Box::pin(keys::of_purpose(tx, purpose))).await.unwrap();
        for key in keys {
            let wanted = order(&key.id, Form::Cms, MessageContent::Attached(LETTER.to_vec()));
            assert_eq!(system.sign(wanted).await.unwrap_err().code(), "unknown-signing-key", "{purpose}");
        }
    }
    let unknown = KeyId::parse("no-such-key").unwrap();
    let wanted = order(&unknown, Form::Cms, MessageContent::Attached(LETTER.to_vec()));
    assert_eq!(system.sign(wanted).await.unwrap_err().code(), "unknown-signing-key");
    assert_eq!(events(&system.services).await.len(), before);
    // Nobody gets a key who is no caller.
    let nobody = CallerId::parse("nobody").unwrap();
    let refused =
        unit((&system.services, &system.issuance), "p256", &nobody, KeyAlgorithm::EcdsaP256).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-caller");
}

async fn what_does_not_go_together_is_refused(system: &System) {
    let letter = || MessageContent::Attached(LETTER.to_vec());
    let sm2 = |form, content| order(&system.sm2, form, content);
    let stamped = |order: MessageOrder| MessageOrder { time_stamp: true, ..order };
    for (wanted, code) in [
        (sm2(Form::Cms, of_digest(DigestAlgorithm::Sha256, None)), "digest-of-another-algorithm"),
        (sm2(Form::Jws, of_digest(DigestAlgorithm::Sm3, None)), "digest-not-enough"),
        (sm2(Form::OfdSign, of_digest(DigestAlgorithm::Sm3, None)), "digest-not-enough"),
        (sm2(Form::OfdSign, MessageContent::Detached(NOTICE.to_vec())), "form-holds-content"),
        (sm2(Form::OfdSign, letter()), "zip-malformed"),
        (order(&system.p256, Form::Gbt35275, letter()), "form-unfit-for-key"),
        (stamped(sm2(Form::Jws, letter())), "form-unfit-for-time-stamp"),
        (stamped(sm2(Form::CadesB, letter())), "form-unfit-for-time-stamp"),
    ] {
        assert_eq!(system.refused(wanted).await, code);
    }
    let locked = MessageOrder { lock: true, ..sm2(Form::Cms, letter()) };
    assert_eq!(system.refused(locked).await, "form-unfit-for-lock");
    let short = MessageContent::Digest { algorithm: DigestAlgorithm::Sm3, value: vec![1; 31], uri: None };
    assert_eq!(system.refused(sm2(Form::Cms, short)).await, "digest-length");
    // No unit makes time stamps: nothing is signed that would lack one.
    let before = events(&system.services).await.len();
    for wanted in [sm2(Form::CadesT, letter()), stamped(sm2(Form::Cms, letter()))] {
        let refused = sign(&system.services, None, (&system.actor, None), wanted).await.unwrap_err();
        assert_eq!(refused.code(), "stamping-off");
    }
    assert_eq!(events(&system.services).await.len(), before);
}

async fn what_rests_signs_nothing(system: &System) {
    let wanted = || order(&system.sm2, Form::Cms, MessageContent::Attached(LETTER.to_vec()));
    let services = &system.services;
    suspend(services, &Actor::Operator, &system.sm2, KeySuspensionReason::OwnerRequest).await.unwrap();
    assert_eq!(system.refused(wanted()).await, "key-suspended");
    let known = async || {
        let all = list(services, &system.actor).await.unwrap();
        all.into_iter().find(|one| one.key.id == system.sm2).unwrap()
    };
    assert!(!known().await.is_usable);
    resume(services, &Actor::Operator, &system.sm2).await.unwrap();
    system.sign(wanted()).await.unwrap();
    let certificate = sm3(&known().await.certificates[0]);
    let by = (&Actor::Operator, None);
    certificate_status::change(services, by, &certificate, Change::Suspend).await.unwrap();
    assert_eq!(system.refused(wanted()).await, "signer-certificate-ended");
    assert!(!known().await.is_usable);
    certificate_status::change(services, by, &certificate, Change::Resume).await.unwrap();
    system.sign(wanted()).await.unwrap();
}

async fn what_breaks_off_releases_nothing(system: &System, place: &Place) {
    let wanted = || MessageOrder {
        idempotency_key: Some("broken".to_owned()),
        ..order(&system.sm2, Form::Cms, MessageContent::Attached(LETTER.to_vec()))
    };
    for (table, event, intended) in
        [("message_signings", "INSERT", false), ("message_signings", "UPDATE", true), ("idempotency", "UPDATE", true)]
    {
        let (before, signed) =
            (events(&system.services).await.len(), place.count("message_signings WHERE state = 'signed'").await);
        closed(place, table, event).await;
        let refused = system.sign(wanted()).await.unwrap_err();
        opened(place, table).await;
        assert!(["database", "contended"].contains(&refused.code()), "{table}: {refused:?}");
        let new = events(&system.services).await.split_off(before);
        let names = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        assert_eq!(names.contains(&"message-signing-intended"), intended, "{table}: {names:?}");
        assert!(!names.contains(&"message-signed"), "{table}: {names:?}");
        assert_eq!(place.count("message_signings WHERE state = 'signed'").await, signed);
    }
    // What could not be closed either, the next start closes.
    assert_eq!(place.count("message_signings WHERE state = 'signing'").await, 1);
    let before = events(&system.services).await.len();
    system.services.start().await.unwrap();
    assert_eq!(place.count("message_signings WHERE state = 'signing'").await, 0);
    let closing = events(&system.services).await.split_off(before).remove(0).body;
    let EventBody::MessageSigningAbandoned { signature, reason } = closing else { panic!("{closing:?}") };
    assert_eq!(reason, AbandonmentReason::Interrupted);
    assert_eq!(system.row(&signature).await.state, MessageSigningState::Abandoned { finished_at: NOW });
    // The key is free: the same order is done now, once.
    let done = system.sign(wanted()).await.unwrap();
    assert_eq!(system.sign(wanted()).await.unwrap(), done);
}
