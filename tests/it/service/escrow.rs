//! Pairs of certificates, the encryption keys that are kept for their owners, and their recovery, on both databases.

use std::sync::Arc;
use std::time::Duration;

use libsm::sm2::encrypt::DecryptCtx;
use libsm::sm2::signature::SigCtx;
use sm4::cipher::{BlockCipherDecrypt as _, KeyInit as _};
use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::{ApplicationId, CallerId, EncryptionKeyId};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::config::profiles::built_in;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::{sha256, sm3};
use yinxin::crypto::{Signer, ecdsa, rsa, sm2};
use yinxin::domain::audit::{AbandonmentReason, Actor, EventBody};
use yinxin::domain::ca::Profiles;
use yinxin::domain::ca::recovery::{RecoveryReason, RecoveryRefusal};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::{KeyAlgorithm, KeyPurpose, KeyState, KeySuspensionReason, Profile, SealingAlgorithm};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::der::Writer;
use yinxin::format::keys::enveloped_key::Sm2EnvelopedKey;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::csr::{NewCertificationRequest, TEMPORARY_PUBLIC_KEY};
use yinxin::format::x509::name::NameAttributes;
use yinxin::service::callers::{Registration, bar_caller, register_caller};
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::due::{self, Keeping};
use yinxin::service::escrow::{self, IssuedPair, NewPair, destroy_ended, issue_pair, pair_of};
use yinxin::service::inventory::{self, Retention};
use yinxin::service::keys::enveloping::{EnvelopeForm, open_sm2};
use yinxin::service::keys::export::Protection;
use yinxin::service::keys::life_cycle;
use yinxin::service::keys::rotation::rotate;
use yinxin::service::keys::transfer::{ExportRule, export};
use yinxin::service::keys::{EncryptionKey, KeySource, KeyStore};
use yinxin::service::officers;
use yinxin::service::recovery::{self, Decision, NewRecovery};
use yinxin::service::{Error, KeySettings, Services};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::key_recoveries::StoredRecovery;

use crate::service::authority::{names, no_number_stands_twice, root_and_below};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("escrow");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("escrow on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("escrow-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    let desk = Desk { place: &place, profiles: Arc::new(built_in().unwrap()), below };
    let (owner, pair) = desk.a_pair_is_issued_and_its_key_opens(&services).await;
    desk.what_is_no_pair_leaves_nothing(&services).await;
    desk.a_database_that_fails_leaves_neither_of_both(&services).await;
    desk.what_is_kept_is_used_for_nothing_else(&services, &pair).await;
    let officers = Officers::register(&services, &owner).await;
    desk.two_officers_recover_a_key(&services, &pair, &officers).await;
    desk.nobody_alone_recovers_a_key(&services, &pair, &owner, &officers).await;
    desk.what_was_changed_by_hand_recovers_nothing(&services, &pair, &officers).await;
    desk.orders_lapse_and_are_refused(&services, &pair, &officers).await;
    let services = desk.a_rotated_key_encryption_key_loses_nothing(services, &pair, &officers).await;
    desk.keys_are_destroyed_when_their_time_is_over(&services, &pair).await;
    no_number_stands_twice(&services, &place).await;
}

/// A request of PKCS#10 for a person; `extra` is one more attribute in DER.
pub(crate) fn request(key: &dyn Signer, name: &str, extra: Option<&[u8]>) -> Vec<u8> {
    let subject = names(name).into_iter().map(|(kind, value)| (kind.oid(), value)).collect();
    let subject = NameAttributes(subject).to_der();
    let public_key = subject_public_key_info(&key.public_key());
    let mut tbs = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    }
    .to_tbs();
    if let Some(extra) = extra {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(0).raw(&subject).raw(&public_key).context(0, |list| {
                list.raw(extra);
            });
        });
        tbs = writer.into_bytes();
    }
    let value = key.sign(&tbs, &SystemRandom).unwrap();
    let algorithm = key.algorithm();
    NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &encode_value(algorithm, &value))
}

pub(crate) fn sm2_key() -> sm2::PrivateKey {
    sm2::PrivateKey::generate(&SystemRandom).unwrap()
}

/// The scalar, by an SM2 and an SM4 that are not ours.
fn opened_elsewhere(envelope: &[u8], by: &sm2::PrivateKey) -> Vec<u8> {
    let read = Sm2EnvelopedKey::parse(envelope).unwrap();
    let scalar = SigCtx::new().load_seckey(by.to_bytes().expose()).unwrap();
    let ciphertext = [&read.encrypted_key.c1[..], &read.encrypted_key.c2, &read.encrypted_key.c3].concat();
    let session: [u8; 16] = DecryptCtx::new(16, scalar).decrypt(&ciphertext).unwrap().try_into().unwrap();
    let cipher = sm4::Sm4::new(&session.into());
    let blocks = read.encrypted_private.chunks(16).flat_map(|block| {
        let mut block = <[u8; 16]>::try_from(block).unwrap().into();
        cipher.decrypt_block(&mut block);
        <[u8; 16]>::from(block)
    });
    blocks.collect()
}

fn at(services: &Services, now: Timestamp) -> Services {
    Services { clock: Arc::new(FixedClock(now)), ..services.clone() }
}

fn spki(key: &sm2::PrivateKey) -> Vec<u8> {
    subject_public_key_info(&Signer::public_key(key))
}

/// Officers with their keys. The third is registered with the first one's key, under another fingerprint; the last is the
/// owner of the pair.
struct Officers {
    keys: Vec<sm2::PrivateKey>,
    ids: Vec<CallerId>,
}

impl Officers {
    async fn register(services: &Services, owner: &sm2::PrivateKey) -> Self {
        let (first, second) = (sm2_key(), sm2_key());
        let keys = vec![copy(&first), second, first, copy(owner)];
        let mut ids = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            ids.push(register(services, &format!("officer {number}"), key, Role::CertificateOfficer, number).await);
        }
        Self { keys, ids }
    }

    async fn decide(&self, services: &Services, order: &ApplicationId, by: usize) -> Result<StoredRecovery, Error> {
        let octets = recovery::find(services, order).await.unwrap().recovery.order.to_approve();
        let value = Signer::sign(&self.keys[by], &octets, &SystemRandom).unwrap();
        // As other programs write it.
        let value = encode_value(SignatureAlgorithm::Sm2Sm3, &value);
        recovery::decide(services, None, (order, Decision::Approve), (&self.ids[by], &value)).await
    }
}

fn copy(key: &sm2::PrivateKey) -> sm2::PrivateKey {
    sm2::PrivateKey::from_bytes(key.to_bytes().expose()).unwrap()
}

async fn register(services: &Services, name: &str, key: &sm2::PrivateKey, role: Role, number: usize) -> CallerId {
    let public_key = spki(key);
    let registration = Registration {
        name: name.to_owned(),
        key_fingerprint: sha256(&[&public_key[..], &[u8::try_from(number).unwrap()]].concat()),
        public_key,
        algorithm: KeyAlgorithm::Sm2,
        roles: Roles::new([role]).unwrap(),
    };
    let id = register_caller(services, BY, None, registration).await.unwrap().id;
    if role == Role::CertificateOfficer {
        officers::appoint(services, (BY, None), &id, OfficerRole::Approver).await.unwrap();
    }
    id
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.unwrap_err().code()
}

struct Desk<'a> {
    place: &'a Place,
    profiles: Arc<Profiles>,
    below: StoredAuthority,
}

impl Desk<'_> {
    fn asks(&self, csr: Vec<u8>) -> NewPair {
        NewPair {
            authority: self.below.id.clone(),
            signing_profile: "person-signing".to_owned(),
            encryption_profile: "person-encryption".to_owned(),
            csr,
            subject: None,
            not_before: None,
            not_after: None,
            actor: Actor::Operator,
            request: None,
        }
    }

    async fn issue(&self, services: &Services, csr: Vec<u8>) -> Result<IssuedPair, Error> {
        issue_pair(services, &self.profiles, &self.asks(csr)).await
    }

    /// What is there of everything that a pair is made of.
    async fn rows(&self) -> Vec<i64> {
        let mut counts = Vec::new();
        for table in ["keys", "issued_certificates", "escrowed_keys", "certified_keys"] {
            counts.push(self.place.count(table).await);
        }
        counts
    }

    async fn a_pair_is_issued_and_its_key_opens(&self, services: &Services) -> (sm2::PrivateKey, IssuedPair) {
        let owner = sm2_key();
        let before = events(services).await.len();
        let pair = self.issue(services, request(&owner, "某人", None)).await.unwrap();
        let new = events(services).await.split_off(before);
        let named = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        let expected = ["issuance-intended", "key-created", "certificate-issued", "certificate-issued", "key-escrowed"];
        assert_eq!(named, expected);
        let told = EventBody::KeyEscrowed {
            key: pair.key.clone(),
            certificate_sm3: pair.encryption.sm3,
            signing_certificate_sm3: pair.signing.sm3,
            recipient_sm3: sm3(&spki(&owner)),
        };
        assert_eq!(new.last().unwrap().body, told);
        let [signs, encrypts] = [&pair.signing.der, &pair.encryption.der].map(|der| Certificate::parse(der).unwrap());
        assert_eq!((signs.subject, signs.not_after), (encrypts.subject, encrypts.not_after));
        assert_eq!((signs.key_usage.unwrap().0, encrypts.key_usage.unwrap().0), (0b11, 0b1100));
        assert_eq!(signs.public_key.raw, spki(&owner));

        assert_eq!(pair.envelope.form, EnvelopeForm::Sm2EnvelopedKey);
        let opened = open_sm2(&pair.envelope.der, &owner).unwrap();
        assert_eq!(spki(&opened), encrypts.public_key.raw);
        assert_eq!(opened_elsewhere(&pair.envelope.der, &owner), opened.to_bytes().expose());
        let text = opened.public_key().encrypt(b"text", &SystemRandom).unwrap();
        assert_eq!(opened.decrypt(&text).unwrap().expose(), b"text");
        // Whoever lost the answer gets the same one, by either name.
        for sm3 in [&pair.signing.sm3, &pair.encryption.sm3] {
            assert_eq!(pair_of(services, sm3).await.unwrap(), pair);
        }
        assert_eq!(code(pair_of(services, &[0; 32]).await), "unknown-escrow");

        // As CFCA's requests ask: for a temporary key.
        let temporary = sm2_key();
        let point = temporary.public_key().to_bytes();
        let (x, y) = point[1..].split_at(32);
        let fields = [&[0, 0xb4, 0, 0, 0, 1, 0, 0][..], x, &[0; 32], y, &[0; 32]].concat();
        let attribute = |fields: &[u8]| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.oid(TEMPORARY_PUBLIC_KEY).octets_of(|value| {
                    value.sequence(|inner| {
                        inner.small(1).octet_string(fields);
                    });
                });
            });
            writer.into_bytes()
        };
        let other = self.issue(services, request(&owner, "某人", Some(&attribute(&fields)))).await.unwrap();
        assert_eq!(other.envelope.recipient_sm3, sm3(&spki(&temporary)));
        assert_eq!(open_sm2(&other.envelope.der, &owner).map(|_| ()).unwrap_err().code(), "envelope-broken");
        let opened = open_sm2(&other.envelope.der, &temporary).unwrap();
        assert_eq!(spki(&opened), Certificate::parse(&other.encryption.der).unwrap().public_key.raw);
        let mut off = fields.clone();
        off[8] ^= 1;
        let refused = self.issue(services, request(&owner, "某人", Some(&attribute(&off)))).await;
        assert_eq!(code(refused), "csr-temporary-key");

        // RSA, as a message of CMS; `enveloping.rs` has OpenSSL open one.
        let rsa = rsa::PrivateKey::generate(3072).unwrap();
        let pair_of_rsa = self.issue(services, request(&rsa, "某人", None)).await.unwrap();
        assert_eq!(pair_of_rsa.envelope.form, EnvelopeForm::EnvelopedData);
        let encrypts = Certificate::parse(&pair_of_rsa.encryption.der).unwrap();
        assert_ne!(encrypts.public_key.raw, subject_public_key_info(&Signer::public_key(&rsa)));
        (owner, pair)
    }

    async fn what_is_no_pair_leaves_nothing(&self, services: &Services) {
        let before = (self.rows().await, events(services).await.len());
        let csr = request(&sm2_key(), "某人", None);
        let mut forged = csr.clone();
        *forged.last_mut().unwrap() ^= 1;
        let p256 = request(&ecdsa::PrivateKey::generate(&SystemRandom).unwrap(), "某人", None);
        let new = self.asks(csr);
        let (person, encryption) = (new.signing_profile.clone(), new.encryption_profile.clone());
        let cases = [
            (NewPair { csr: forged, ..new.clone() }, "csr-signature"),
            (NewPair { csr: vec![0x30, 0], ..new.clone() }, "csr-malformed"),
            (NewPair { csr: p256, ..new.clone() }, "pair-kind"),
            (NewPair { encryption_profile: person, ..new.clone() }, "pair-usage"),
            (NewPair { signing_profile: encryption, ..new.clone() }, "pair-usage"),
            (NewPair { signing_profile: "intermediate".into(), ..new.clone() }, "authority-profile"),
            (NewPair { encryption_profile: "unheard-of".into(), ..new.clone() }, "profile-unknown"),
            (NewPair { subject: Some(Vec::new()), ..new.clone() }, "attribute-missing"),
            (NewPair { not_after: Some(NOW.plus_seconds(-1)), ..new.clone() }, "validity-empty"),
        ];
        for (new, expected) in cases {
            assert_eq!(code(issue_pair(services, &self.profiles, &new).await), expected);
        }
        // Where no private key may be outside the device there is no key to give out.
        let salt = [1; 32];
        let key = EncryptionKey::fresh(EncryptionKeyId::parse("e").unwrap(), &salt, &SystemRandom).unwrap();
        let keys = KeyStore::new(key, SealingAlgorithm::Sm4Gcm, Arc::new(SystemRandom)).with_profile(Profile::Gm3);
        let gm3 = Services { keys: Arc::new(keys), ..services.clone() };
        assert_eq!(code(issue_pair(&gm3, &self.profiles, &new).await), "profile-forbids-software-keys");
        assert_eq!((self.rows().await, events(services).await.len()), before);
    }

    async fn a_database_that_fails_leaves_neither_of_both(&self, services: &Services) {
        let before = self.rows().await;
        if self.place.is_sqlite() {
            let sql = "CREATE TRIGGER fail BEFORE INSERT ON escrowed_keys BEGIN SELECT RAISE(ABORT, 'full'); END";
            self.place.by_hand(sql).await;
        } else {
            let sql = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'full'; END $$";
            self.place.by_hand(sql).await;
            let sql = "CREATE TRIGGER fail BEFORE INSERT ON escrowed_keys FOR EACH ROW EXECUTE FUNCTION fail()";
            self.place.by_hand(sql).await;
        }
        let csr = request(&sm2_key(), "某人", None);
        assert_eq!(code(self.issue(services, csr.clone()).await), "database");
        assert_eq!(self.rows().await, before);
        let last = events(services).await.pop().unwrap().body;
        assert!(matches!(last, EventBody::IssuanceAbandoned { reason: AbandonmentReason::NotKept, .. }), "{last:?}");
        assert_eq!(self.place.count("issuance_batches WHERE state = 'issuing'").await, 0);
        let sql = if self.place.is_sqlite() { "DROP TRIGGER fail" } else { "DROP FUNCTION fail() CASCADE" };
        self.place.by_hand(sql).await;
        self.issue(services, csr).await.unwrap();
        let after = self.rows().await;
        assert_eq!(after.iter().zip(before).map(|(after, before)| after - before).collect::<Vec<_>>(), [1, 2, 1, 2]);
    }

    async fn what_is_kept_is_used_for_nothing_else(&self, services: &Services, pair: &IssuedPair) {
        let key = life_cycle::find(services, &pair.key).await.unwrap();
        assert_eq!((key.attributes.purpose, key.attributes.owner.as_str()), (KeyPurpose::Escrow, "示例局, 某人"));
        for purpose in KeyPurpose::ALL.iter().copied() {
            let (keys, id) = (&*services.keys, &pair.key);
            let signer = services.store.read(|tx| Box::pin(keys.signer(tx, id, purpose, NOW))).await;
            let refused = signer.map(|_| ()).unwrap_err().code();
            assert!(matches!(refused, "key-not-for-this" | "key-use-not-allowed"), "{purpose}: {refused}");
        }
        let passphrase = Secret::new(b"a long enough passphrase".to_vec());
        for rule in [ExportRule::Marked, ExportRule::Development] {
            let how = (&passphrase, Protection::Aes256Sha256, rule);
            assert_eq!(export(services, BY, &pair.key, how).await.unwrap_err().code(), "key-in-escrow");
        }
        assert_eq!(life_cycle::destroy(services, BY, &pair.key).await.unwrap_err().code(), "key-in-escrow");
    }

    fn recovery(&self, pair: &IssuedPair, recipient: &sm2::PrivateKey) -> NewRecovery {
        NewRecovery {
            certificate: pair.encryption.sm3,
            recipient: spki(recipient),
            reason: RecoveryReason::KeyLost,
            evidence_sm3: [5; 32],
            days: 7,
        }
    }

    /// An order, approved by those officers.
    async fn approved(
        &self,
        services: &Services,
        (pair, recipient): (&IssuedPair, &sm2::PrivateKey),
        (officers, by): (&Officers, &[usize]),
    ) -> ApplicationId {
        let stored = recovery::order(services, (BY, None), &self.recovery(pair, recipient)).await.unwrap();
        let id = stored.recovery.order.id;
        for officer in by {
            officers.decide(services, &id, *officer).await.unwrap();
        }
        id
    }

    async fn two_officers_recover_a_key(&self, services: &Services, pair: &IssuedPair, officers: &Officers) {
        let recipient = sm2_key();
        let before = events(services).await.len();
        let id = self.approved(services, (pair, &recipient), (officers, &[0, 1])).await;
        let open = recovery::list(services, true, None, 10).await.unwrap();
        assert_eq!(open.iter().map(|one| one.recovery.state_name()).collect::<Vec<_>>(), ["approved"]);
        let recovered = recovery::recover(services, (BY, None), &id).await.unwrap();
        let opened = open_sm2(&recovered.envelope.der, &recipient).unwrap();
        assert_eq!(spki(&opened), Certificate::parse(&pair.encryption.der).unwrap().public_key.raw);
        assert_eq!(opened_elsewhere(&recovered.envelope.der, &recipient), opened.to_bytes().expose());
        let new = events(services).await.split_off(before);
        let named = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        let expected = ["recovery-ordered", "application-approved", "application-approved", "key-recovered"];
        assert_eq!(named, expected);
        let actors = new.iter().map(|event| match &event.actor {
            Actor::Caller { id, .. } => Some(id.clone()),
            _ => None,
        });
        let [first, second, ..] = &officers.ids[..] else { panic!("officers") };
        assert_eq!(actors.collect::<Vec<_>>(), [None, Some(first.clone()), Some(second.clone()), None]);
        let recipient_sm3 = sm3(&spki(&recipient));
        let told = EventBody::KeyRecovered { key: pair.key.clone(), application: id.clone(), recipient_sm3 };
        assert_eq!(new.last().unwrap().body, told);
        // Once.
        assert_eq!(code(recovery::recover(services, (BY, None), &id).await), "recovery-state");
        assert_eq!(code(officers.decide(services, &id, 1).await), "recovery-state");
        assert_eq!(recovery::list(services, true, None, 10).await.unwrap().len(), 0);
        let all = recovery::list(services, false, None, 10).await.unwrap();
        assert_eq!(all.iter().map(|one| one.recovery.state_name()).collect::<Vec<_>>(), ["recovered"]);
    }

    async fn nobody_alone_recovers_a_key(
        &self,
        services: &Services,
        pair: &IssuedPair,
        owner: &sm2::PrivateKey,
        officers: &Officers,
    ) {
        let recipient = sm2_key();
        let recover = async |id: &ApplicationId| code(recovery::recover(services, (BY, None), id).await);
        let id = self.approved(services, (pair, &recipient), (officers, &[])).await;
        assert_eq!(recover(&id).await, "recovery-state");
        officers.decide(services, &id, 0).await.unwrap();
        assert_eq!(recover(&id).await, "recovery-state");
        // The same officer, the same key under another name, the owner.
        assert_eq!(code(officers.decide(services, &id, 0).await), "approver-repeated");
        assert_eq!(code(officers.decide(services, &id, 2).await), "approver-repeated");
        assert_eq!(code(officers.decide(services, &id, 3).await), "approver-is-owner");
        // Whoever would get it, though an officer too.
        let stored = recovery::order(services, (BY, None), &self.recovery(pair, &officers.keys[1])).await.unwrap();
        assert_eq!(code(officers.decide(services, &stored.recovery.order.id, 1).await), "approver-is-owner");
        // A signature over another order, and by another's key.
        let other = stored.recovery.order.to_approve();
        let value = Signer::sign(&officers.keys[1], &other, &SystemRandom).unwrap();
        let by = async |who: &CallerId, value: &[u8]| {
            code(recovery::decide(services, None, (&id, Decision::Approve), (who, value)).await)
        };
        assert_eq!(by(&officers.ids[1], &value).await, "approval-signature");
        assert_eq!(by(&officers.ids[1], b"").await, "approval-signature");
        let user = register(services, "user", &sm2_key(), Role::SealUser, 9).await;
        assert_eq!(by(&user, &value).await, "not-certificate-officer");
        assert_eq!(by(&CallerId::parse("nobody").unwrap(), &value).await, "unknown-caller");
        assert_eq!(recover(&id).await, "recovery-state");
        // An officer who is barred after approving has not approved.
        let key = sm2_key();
        let barred = register(services, "barred", &key, Role::CertificateOfficer, 10).await;
        let octets = recovery::find(services, &id).await.unwrap().recovery.order.to_approve();
        let value = Signer::sign(&key, &octets, &SystemRandom).unwrap();
        recovery::decide(services, None, (&id, Decision::Approve), (&barred, &value)).await.unwrap();
        bar_caller(services, BY, None, &barred).await.unwrap();
        assert_eq!(recover(&id).await, "caller-barred");
        assert_eq!(by(&barred, &value).await, "caller-barred");

        let wrong = NewRecovery { certificate: [0; 32], ..self.recovery(pair, &recipient) };
        assert_eq!(code(recovery::order(services, (BY, None), &wrong).await), "unknown-escrow");
        let p256 = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        let p256 = subject_public_key_info(&Signer::public_key(&p256));
        for recipient in [p256, vec![0x30, 0]] {
            let wrong = NewRecovery { recipient, ..self.recovery(pair, owner) };
            assert_eq!(code(recovery::order(services, (BY, None), &wrong).await), "recovery-recipient");
        }
        for days in [0, 31] {
            let wrong = NewRecovery { days, ..self.recovery(pair, owner) };
            assert_eq!(code(recovery::order(services, (BY, None), &wrong).await), "recovery-term");
        }
        // A key that is suspended leaves for nobody.
        let id = self.approved(services, (pair, &recipient), (officers, &[0, 1])).await;
        life_cycle::suspend(services, BY, &pair.key, KeySuspensionReason::AuthorityOrder).await.unwrap();
        assert_eq!(recover(&id).await, "key-suspended");
        life_cycle::resume(services, BY, &pair.key).await.unwrap();
        // The certificate may be revoked: what was encrypted stays encrypted.
        let wanted = Change::Revoke {
            reason: yinxin::domain::ca::state::RevocationReason::CessationOfOperation,
            invalidity_date: None,
        };
        change(services, (BY, None), &pair.encryption.sm3, wanted).await.unwrap();
        recovery::recover(services, (BY, None), &id).await.unwrap();
    }

    async fn what_was_changed_by_hand_recovers_nothing(
        &self,
        services: &Services,
        pair: &IssuedPair,
        officers: &Officers,
    ) {
        let (recipient, thief) = (sm2_key(), sm2_key());
        let id = self.approved(services, (pair, &recipient), (officers, &[0, 1])).await;
        let recover = async || code(recovery::recover(services, (BY, None), &id).await);
        let blob = |octets: &[u8]| {
            let digits = octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
            if self.place.is_sqlite() { format!("x'{digits}'") } else { format!("'\\x{digits}'") }
        };
        let (theirs, ours) = (blob(&spki(&thief)), blob(&spki(&recipient)));
        let order = format!("WHERE id = '{id}'");
        let first = format!("WHERE recovery = '{id}' AND officer = '{}'", officers.ids[0]);
        let row = format!("WHERE key_id = '{}'", pair.key);
        let owner = blob(&recovery::find(services, &id).await.unwrap().recovery.order.owner_key_sm3);
        let changes = [
            (
                format!("UPDATE key_recoveries SET recipient = {theirs} {order}"),
                format!("UPDATE key_recoveries SET recipient = {ours} {order}"),
            ),
            (
                format!("UPDATE key_recoveries SET expires_at = expires_at + 1 {order}"),
                format!("UPDATE key_recoveries SET expires_at = expires_at - 1 {order}"),
            ),
            (
                format!("UPDATE recovery_approvals SET at = at + 1 {first}"),
                format!("UPDATE recovery_approvals SET at = at - 1 {first}"),
            ),
            (
                format!("UPDATE key_recoveries SET owner_key_sm3 = {} {order}", blob(&[0; 32])),
                format!("UPDATE key_recoveries SET owner_key_sm3 = {owner} {order}"),
            ),
        ];
        for (change, back) in &changes {
            assert_eq!(self.place.by_hand(change).await, 1);
            assert_eq!(recover().await, "inconsistent", "{change}");
            assert_eq!(self.place.by_hand(back).await, 1);
        }
        let (change, back) = (
            format!("UPDATE escrowed_keys SET ends_at = ends_at - 1 {row}"),
            format!("UPDATE escrowed_keys SET ends_at = ends_at + 1 {row}"),
        );
        self.place.by_hand(&change).await;
        assert_eq!(code(escrow::find(services, &pair.encryption.sm3).await), "inconsistent");
        self.place.by_hand(&back).await;
        // An approval taken away is none.
        self.place.by_hand(&format!("DELETE FROM recovery_approvals {first}")).await;
        assert_eq!(recover().await, "recovery-state");
    }

    async fn orders_lapse_and_are_refused(&self, services: &Services, pair: &IssuedPair, officers: &Officers) {
        let recipient = sm2_key();
        let id = self.approved(services, (pair, &recipient), (officers, &[0, 1])).await;
        let later = at(services, NOW.plus_days(7).plus_seconds(1));
        assert_eq!(code(recovery::recover(&later, (BY, None), &id).await), "recovery-lapsed");
        let open = recovery::list(services, true, None, 100).await.unwrap().len();
        assert_eq!(recovery::lapse_overdue(&at(services, NOW.plus_days(7))).await.unwrap(), 0);
        let before = events(services).await.len();
        let lapsed = recovery::lapse_overdue(&later).await.unwrap();
        assert_eq!(usize::try_from(lapsed).unwrap(), open);
        let told = events(services).await.split_off(before);
        assert!(told.iter().all(|event| event.class().name() == "recovery-lapsed") && told.len() == open);
        assert_eq!(recovery::lapse_overdue(&later).await.unwrap(), 0);
        assert_eq!(code(recovery::recover(services, (BY, None), &id).await), "recovery-state");

        let id = self.approved(services, (pair, &recipient), (officers, &[0])).await;
        let reason = RecoveryRefusal::NotEntitled;
        let octets = recovery::find(services, &id).await.unwrap().recovery.order.to_refuse(reason);
        let value = Signer::sign(&officers.keys[1], &octets, &SystemRandom).unwrap();
        let by = (&officers.ids[1], &value[..]);
        let other = Decision::Refuse(RecoveryRefusal::Mistaken);
        assert_eq!(code(recovery::decide(services, None, (&id, other), by).await), "approval-signature");
        let refused = recovery::decide(services, None, (&id, Decision::Refuse(reason)), by).await.unwrap();
        assert_eq!(refused.recovery.state_name(), "refused");
        assert_eq!(recovery::find(services, &id).await.unwrap(), refused);
        assert_eq!(code(officers.decide(services, &id, 1).await), "recovery-state");
        assert_eq!(code(recovery::find(services, &ApplicationId::parse("none").unwrap()).await), "unknown-recovery");
    }

    async fn a_rotated_key_encryption_key_loses_nothing(
        &self,
        services: Services,
        pair: &IssuedPair,
        officers: &Officers,
    ) -> Services {
        services.store.close().await;
        let source = KeySource::File { path: self.place.folder.path().join("key"), create: false };
        let settings = KeySettings::from_source(source);
        let clock = Arc::new(FixedClock(NOW));
        let attached = Services::attach(&self.place.url, &settings, clock, Arc::new(SystemRandom)).await;
        let (services, wrapping) = attached.unwrap();
        let sealed = life_cycle::find(&services, &pair.key).await.unwrap().custody;
        rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap();
        assert_ne!(life_cycle::find(&services, &pair.key).await.unwrap().custody, sealed);
        let recipient = sm2_key();
        let id = self.approved(&services, (pair, &recipient), (officers, &[1, 0])).await;
        let recovered = recovery::recover(&services, (BY, None), &id).await.unwrap();
        let opened = open_sm2(&recovered.envelope.der, &recipient).unwrap();
        assert_eq!(spki(&opened), Certificate::parse(&pair.encryption.der).unwrap().public_key.raw);
        services
    }

    async fn keys_are_destroyed_when_their_time_is_over(&self, services: &Services, pair: &IssuedPair) {
        let kept = self.place.count("escrowed_keys WHERE destroyed_at IS NULL").await;
        let (five, ten) = (Retention::years(5).unwrap(), Retention::years(10).unwrap());
        let end = pair.encryption.not_after;
        assert_eq!(destroy_ended(&at(services, end.plus_days(5 * 366)), BY, five).await.unwrap(), 0);
        let later = at(services, end.plus_days(5 * 366 + 1));
        assert_eq!(destroy_ended(&later, BY, ten).await.unwrap(), 0);
        // A key whose recovery is ordered waits for the officers.
        let waiting = recovery::order(&later, (BY, None), &self.recovery(pair, &sm2_key())).await.unwrap();
        let before = events(services).await.len();
        let gone = destroy_ended(&later, BY, five).await.unwrap();
        assert_eq!(i64::try_from(gone).unwrap(), kept - 1);
        let named = events(services).await.split_off(before);
        let named = named.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        assert_eq!(named, ["key-suspended", "key-destroyed"].repeat(usize::try_from(gone).unwrap()));
        assert_eq!(destroy_ended(&later, BY, five).await.unwrap(), 0);
        assert!(escrow::find(services, &pair.signing.sm3).await.unwrap().destroyed_at.is_none());

        // Then a service at work destroys it, when it is told how long keys are kept.
        let over = waiting.recovery.order.expires_at.plus_seconds(1);
        let (later, open) = (at(services, over), "escrowed_keys WHERE destroyed_at IS NULL");
        // Not while a court wants it kept.
        life_cycle::suspend(services, BY, &pair.key, KeySuspensionReason::AuthorityOrder).await.unwrap();
        assert_eq!(destroy_ended(&later, BY, five).await.unwrap(), 0);
        life_cycle::resume(services, BY, &pair.key).await.unwrap();
        let kept = async |keys| {
            let timer = tokio::spawn(due::keep_current(later.clone(), Keeping { keys, ..Keeping::default() }));
            // Its first round ends the order before it looks at keys.
            let ended = "key_recoveries WHERE outcome IS NULL";
            let wanted = i64::from(keys != Some(five));
            let told = async {
                while self.place.count(ended).await > 0 || self.place.count(open).await > wanted {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), told).await.unwrap();
            // Long enough for one that destroys too much.
            tokio::time::sleep(Duration::from_millis(300)).await;
            timer.abort();
            self.place.count(open).await
        };
        assert_eq!((kept(None).await, kept(Some(ten)).await), (1, 1));
        let before = events(services).await.len();
        assert_eq!(kept(Some(five)).await, 0);
        let named = events(services).await.split_off(before);
        let named = named.iter().map(|event| (event.class().name(), &event.actor)).collect::<Vec<_>>();
        assert_eq!(named, [("key-suspended", BY), ("key-destroyed", BY)]);
        let key = life_cycle::find(services, &pair.key).await.unwrap();
        assert!(matches!(key.state, KeyState::Destroyed { .. }), "{key:?}");
        let row = escrow::find(services, &pair.signing.sm3).await.unwrap();
        assert_eq!((row.envelope.len(), row.destroyed_at), (0, Some(over)));
        assert_eq!(code(pair_of(services, &pair.encryption.sm3).await), "escrow-destroyed");
        let wrong = self.recovery(pair, &sm2_key());
        assert_eq!(code(recovery::order(services, (BY, None), &wrong).await), "escrow-destroyed");
        assert_eq!(destroy_ended(&later, BY, five).await.unwrap(), 0);
        // Records of certificates go by their own rule, with what is known of their keys.
        assert!(inventory::forget(&later, five).await.unwrap() > 0);
        assert_eq!(self.place.count("certified_keys").await, 0);
    }
}
