//! OCSP answers: what they say, who signs them, and how soon a change is in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, KeyId};
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SHA1};
use yinxin::crypto::digest::{digest, sha1_identifier};
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::key::{KeyAlgorithm, KeySuspensionReason};
use yinxin::domain::trust::{CheckedValue, check_signed};
use yinxin::format::x509::Certificate;
use yinxin::format::x509::crl::RevocationReason;
use yinxin::format::x509::ocsp::{
    BasicResponse, CertificateStatus, NewCertId, NewOcspRequest, OcspRefusal, OcspResponse, ResponderId,
};
use yinxin::service::authorities::retire;
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::keys::life_cycle;
use yinxin::service::publication::{Plan, Publishing, keep_current, publish_due};
use yinxin::service::responder::{self, Reply, answer, end_old, ensure, sign_ahead};
use yinxin::store::issued_certificates::{self, StoredStatus};
use yinxin::store::responders;

use crate::desk::{Authority, Desk, NOW, REVOKED, issuance};

/// How a CertID tells its issuer.
#[derive(Clone, Copy)]
enum By {
    Sha1,
    Digest(DigestAlgorithm),
}

fn cert_id(authority: &Authority, serial: &[u8], by: By) -> Vec<u8> {
    let issuer = Certificate::parse(&authority.certificate).unwrap();
    let oid = match by {
        By::Sha1 => OID_SHA1,
        By::Digest(algorithm) => algorithm.oid(),
    };
    let of = |octets: &[u8]| match by {
        By::Sha1 => sha1_identifier(octets).to_vec(),
        By::Digest(algorithm) => digest(algorithm, octets),
    };
    let (name, key) = (of(issuer.subject.raw()), of(issuer.public_key.key));
    NewCertId { hash_algorithm: oid, issuer_name_hash: &name, issuer_key_hash: &key, serial }.to_der()
}

fn request(ids: &[Vec<u8>], nonce: Option<&[u8]>) -> Vec<u8> {
    let ids = ids.iter().map(Vec::as_slice).collect::<Vec<_>>();
    NewOcspRequest { cert_ids: &ids, nonce, acceptable_responses: &[] }.to_der()
}

fn basic(reply: &Reply) -> Vec<u8> {
    let der = reply.to_der();
    match OcspResponse::parse(&der).unwrap() {
        OcspResponse::Successful(response) => response.raw.to_vec(),
        OcspResponse::Refused(refusal) => panic!("{}", refusal.name()),
    }
}

fn statuses(reply: &Reply) -> Vec<CertificateStatus> {
    BasicResponse::parse(&basic(reply)).unwrap().responses.iter().map(|single| single.status).collect()
}

async fn started(name: &str, algorithm: KeyAlgorithm) -> (Desk, Authority) {
    let desk = Desk::new(name, Plan::default()).await;
    let authority = desk.authority("ca", algorithm, "http://a.example", 1).await;
    ensure(&desk.services, &issuance(&desk.services), &Actor::Operator, &authority.id).await.unwrap();
    (desk, authority)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_status_is_told_under_each_digest_and_signed_by_a_delegate() {
    for (name, algorithm) in [("sm2", KeyAlgorithm::Sm2), ("p256", KeyAlgorithm::EcdsaP256), ("rsa", KeyAlgorithm::Rsa)]
    {
        let (desk, authority) = started(name, algorithm).await;
        let rows = authority.issue(&desk.services, 3, 30).await;
        let invalidity_date = Some(NOW.plus_seconds(-9));
        desk.status(&rows[1], StoredStatus::Revoked { reason: 1, invalidity_date }).await;
        desk.status(&rows[2], StoredStatus::Suspended).await;
        let revoked = |reason| CertificateStatus::Revoked { since: NOW, reason: Some(reason) };
        let expected = [
            CertificateStatus::Good,
            revoked(RevocationReason::KeyCompromise),
            revoked(RevocationReason::CertificateHold),
        ];
        for by in [By::Sha1, By::Digest(DigestAlgorithm::Sha256), By::Digest(DigestAlgorithm::Sm3)] {
            for (row, expected) in rows.iter().zip(expected) {
                let asked = request(&[cert_id(&authority, &row.serial, by)], None);
                let reply = answer(&desk.services, &authority.id, &asked).await;
                assert_eq!(statuses(&reply), [expected], "{name}");
                assert_eq!(answer(&desk.services, &authority.id, &asked).await, reply);
            }
        }
        assert_eq!(desk.services.publication.answers().count(), 9);

        let asked = request(&[cert_id(&authority, &rows[1].serial, By::Sha1)], None);
        let der = basic(&answer(&desk.services, &authority.id, &asked).await);
        let response = BasicResponse::parse(&der).unwrap();
        let responder = Certificate::parse(response.certificates[0]).unwrap();
        assert_eq!(response.responder, ResponderId::Key(&sha1_identifier(responder.public_key.key)));
        assert_eq!(response.responses[0].invalidity_date, invalidity_date);
        assert_eq!(response.responses[0].next_update, Some(NOW.plus_seconds(3600)));
        assert!(responder.issuer.matches(&Certificate::parse(&authority.certificate).unwrap().subject));
        let judged = check_signed(
            &responder.public_key,
            &response.signature_algorithm,
            (response.tbs, response.signature),
            &KeyTables::default(),
        );
        assert!(matches!(judged, CheckedValue::Right { .. }), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_comes_back_and_is_never_kept() {
    let (desk, authority) = started("nonce", KeyAlgorithm::Sm2).await;
    let rows = authority.issue(&desk.services, 2, 30).await;
    let id = |row: usize| cert_id(&authority, &rows[row].serial, By::Sha1);
    let asked = request(&[id(0)], Some(&[7; 32]));
    let reply = answer(&desk.services, &authority.id, &asked).await;
    let der = basic(&reply);
    assert_eq!(BasicResponse::parse(&der).unwrap().nonce, Some(&[7; 32][..]));
    assert!(matches!(reply, Reply::Fresh(_)));
    // Several at once, one of them never issued, one of another authority.
    let other =
        NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: &[1; 20], issuer_key_hash: &[2; 20], serial: &[5] };
    let asked = request(&[id(0), cert_id(&authority, &[5], By::Sha1), id(1), other.to_der()], None);
    let reply = answer(&desk.services, &authority.id, &asked).await;
    let (good, unknown) = (CertificateStatus::Good, CertificateStatus::Unknown);
    assert_eq!(statuses(&reply), [good, unknown, good, unknown]);
    assert!(matches!(reply, Reply::Fresh(_)));
    assert_eq!(desk.services.publication.answers().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_is_refused_in_the_words_of_the_protocol() {
    let desk = Desk::new("refusals", Plan::default()).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, "http://a.example", 1).await;
    let rows = authority.issue(&desk.services, 1, 30).await;
    let asked = request(&[cert_id(&authority, &rows[0].serial, By::Sha1)], None);
    let ask = async |authority: &AuthorityId, request: &[u8]| answer(&desk.services, authority, request).await;
    // Nobody can sign yet.
    assert_eq!(ask(&authority.id, &asked).await, Reply::Refused(OcspRefusal::TryLater));
    ensure(&desk.services, &issuance(&desk.services), &Actor::Operator, &authority.id).await.unwrap();
    assert_eq!(statuses(&ask(&authority.id, &asked).await), [CertificateStatus::Good]);
    assert_eq!(ask(&authority.id, b"").await, Reply::Refused(OcspRefusal::MalformedRequest));
    assert_eq!(ask(&authority.id, &[&asked[..], &[0]].concat()).await, Reply::Refused(OcspRefusal::MalformedRequest));
    let nobody = AuthorityId::parse("nobody").unwrap();
    assert_eq!(ask(&nobody, &asked).await, Reply::Refused(OcspRefusal::Unauthorized));
    let other =
        NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: &[1; 20], issuer_key_hash: &[2; 20], serial: &[5] };
    assert_eq!(ask(&authority.id, &request(&[other.to_der()], None)).await, Reply::Refused(OcspRefusal::Unauthorized));
    let sha384 = cert_id(&authority, &rows[0].serial, By::Digest(DigestAlgorithm::Sha384));
    assert_eq!(ask(&authority.id, &request(&[sha384], None)).await, Reply::Refused(OcspRefusal::Unauthorized));
    // A number that we never gave is unknown, and stays out of memory: it may be given yet.
    let kept = desk.services.publication.answers().count();
    for serial in [&[5][..], &[1; 20]] {
        let reply = ask(&authority.id, &request(&[cert_id(&authority, serial, By::Sha1)], None)).await;
        assert_eq!(statuses(&reply), [CertificateStatus::Unknown]);
    }
    assert_eq!(desk.services.publication.answers().count(), kept);
    // Where the changes of others cannot be read, nothing kept is given.
    desk.services.store.close().await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(ask(&authority.id, &asked).await, Reply::Refused(OcspRefusal::TryLater));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_told_at_once_here_and_within_a_second_elsewhere() {
    let (desk, authority) = started("soon", KeyAlgorithm::Sm2).await;
    let second = desk.second(Plan::default()).await;
    let rows = authority.issue(&desk.services, 1, 30).await;
    let asked = request(&[cert_id(&authority, &rows[0].serial, By::Sha1)], None);
    for node in [&desk.services, &second] {
        assert_eq!(statuses(&answer(node, &authority.id, &asked).await), [CertificateStatus::Good]);
        assert_eq!(node.publication.answers().count(), 1);
    }
    let watching = tokio::spawn({
        let second = second.clone();
        async move {
            loop {
                responder::catch_up(&second).await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    });
    let changed = Instant::now();
    desk.status(&rows[0], REVOKED).await;
    desk.services.publication.answers().forget(&authority.id, &rows[0].serial);
    let revoked = [CertificateStatus::Revoked { since: NOW, reason: Some(RevocationReason::KeyCompromise) }];
    assert_eq!(statuses(&answer(&desk.services, &authority.id, &asked).await), revoked);
    while statuses(&answer(&second, &authority.id, &asked).await) != revoked {
        assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    watching.abort();
    // Without anybody who watches, who answers looks himself.
    desk.status(&authority.issue(&desk.services, 1, 30).await[0], REVOKED).await;
    let rows = authority.issue(&desk.services, 1, 30).await;
    let asked = request(&[cert_id(&authority, &rows[0].serial, By::Sha1)], None);
    assert_eq!(statuses(&answer(&second, &authority.id, &asked).await), [CertificateStatus::Good]);
    desk.status(&rows[0], REVOKED).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(statuses(&answer(&second, &authority.id, &asked).await), revoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responders_are_replaced_before_their_end() {
    let (desk, authority) = started("rotation", KeyAlgorithm::EcdsaP256).await;
    let issuance = issuance(&desk.services);
    let ensured = async |days| {
        desk.clock.set(NOW.plus_days(days));
        ensure(&desk.services, &issuance, &Actor::Operator, &authority.id).await.unwrap()
    };
    let first = ensured(0).await;
    assert_eq!((first.not_before, first.not_after), (NOW, NOW.plus_days(30).plus_seconds(-1)));
    assert_eq!(ensured(19).await, first);
    let second = ensured(21).await;
    assert_ne!((&second.key, second.certificate), (&first.key, first.certificate));
    let row = &authority.issue(&desk.services, 1, 60).await[0];
    let asked = request(&[cert_id(&authority, &row.serial, By::Sha1)], None);
    let der = basic(&answer(&desk.services, &authority.id, &asked).await);
    let response = BasicResponse::parse(&der).unwrap();
    assert_eq!(yinxin::crypto::digest::sm3(response.certificates[0]), second.certificate);
    let changed = desk.events().await.into_iter().filter(|body| matches!(body, EventBody::ResponderChanged { .. }));
    assert_eq!(changed.count(), 2);
    // The first one's key is destroyed when its certificate has ended, not before.
    let key_state = async |id: &KeyId| life_cycle::find(&desk.services, id).await.unwrap().state.name();
    assert_eq!(end_old(&desk.services, &Actor::Operator, &authority.id).await.unwrap(), 0);
    desk.clock.set(first.not_after.plus_seconds(1));
    assert_eq!(end_old(&desk.services, &Actor::Operator, &authority.id).await.unwrap(), 1);
    assert_eq!((key_state(&first.key).await, key_state(&second.key).await), ("destroyed", "active"));
    let destroyed = desk.events().await.into_iter().filter(|body| matches!(body, EventBody::KeyDestroyed { .. }));
    assert_eq!(destroyed.count(), 1);
    // No answer outlives who signed it; and who has ended answers no more.
    desk.clock.set(second.not_after.plus_seconds(-10));
    let reply = answer(&desk.services, &authority.id, &asked).await;
    let der = basic(&reply);
    assert_eq!(BasicResponse::parse(&der).unwrap().responses[0].next_update, Some(second.not_after));
    desk.clock.set(second.not_after.plus_seconds(1));
    assert_eq!(answer(&desk.services, &authority.id, &asked).await, Reply::Refused(OcspRefusal::TryLater));
}

/// On every node: none answers by it within a second, and the next round has another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_responder_answers_no_more_and_is_replaced() {
    let (desk, authority) = started("revoked", KeyAlgorithm::Sm2).await;
    let second = desk.second(Plan::default()).await;
    let issuance = issuance(&desk.services);
    let first = ensure(&desk.services, &issuance, &Actor::Operator, &authority.id).await.unwrap();
    let row = &authority.issue(&desk.services, 1, 60).await[0];
    let asked = request(&[cert_id(&authority, &row.serial, By::Sha1)], None);
    for node in [&desk.services, &second] {
        assert_eq!(statuses(&answer(node, &authority.id, &asked).await), [CertificateStatus::Good]);
    }
    let revoke = Change::Revoke { reason: RevocationReason::KeyCompromise, invalidity_date: None };
    change(&desk.services, (&Actor::Operator, None), &first.certificate, revoke).await.unwrap();
    let none = Reply::Refused(OcspRefusal::TryLater);
    assert_eq!(answer(&desk.services, &authority.id, &asked).await, none);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(answer(&second, &authority.id, &asked).await, none);
    // The timer's round, also for an authority that issues nothing else any more.
    retire(&desk.services, &Actor::Operator, &authority.id).await.unwrap();
    publish_due(&desk.services, &issuance).await;
    let der = basic(&answer(&desk.services, &authority.id, &asked).await);
    let signer = yinxin::crypto::digest::sm3(BasicResponse::parse(&der).unwrap().certificates[0]);
    assert_ne!(signer, first.certificate);
    let gone = life_cycle::find(&desk.services, &first.key).await.unwrap();
    assert_eq!(gone.state.name(), "destroyed");
    // Responders stand among the issued ones, under an intent each.
    let issued = desk.services.store.read(|tx| Box::pin(issued_certificates::find_by_sm3(tx, &signer))).await.unwrap();
    assert_eq!(issued.unwrap().profile, "ocsp-responder");
    let intents = desk.events().await.into_iter().filter(|body| matches!(body, EventBody::IssuanceIntended { .. }));
    assert_eq!(intents.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_responders_of_one_second_the_later_one_answers() {
    let (desk, authority) = started("second", KeyAlgorithm::Sm2).await;
    for _ in 0..4 {
        let issuance = issuance(&desk.services);
        let now = ensure(&desk.services, &issuance, &Actor::Operator, &authority.id).await.unwrap();
        let key = &now.key;
        life_cycle::suspend(&desk.services, &Actor::Operator, key, KeySuspensionReason::Retired).await.unwrap();
        let next = ensure(&desk.services, &issuance, &Actor::Operator, &authority.id).await.unwrap();
        assert_ne!(next, now);
        let newest = desk.services.store.read(|tx| Box::pin(responders::newest(tx, &authority.id))).await.unwrap();
        assert_eq!(newest, Some(next));
    }
}

/// A few in each round, the next ones in the next, and from the beginning again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timer_signs_answers_ahead() {
    let desk = Desk::new("timer", Plan { ahead: 4, ..Plan::default() }).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, "http://a.example", 1).await;
    let issuance = issuance(&desk.services);
    authority.issue(&desk.services, 9, 30).await;
    let count = || desk.services.publication.answers().count();
    let mut rounds = Vec::new();
    for _ in 0..4 {
        publish_due(&desk.services, &issuance).await;
        rounds.push(count());
    }
    // The responder's own certificate is one more.
    assert_eq!(rounds, [4, 8, 10, 10]);
    assert_eq!(sign_ahead(&desk.services, &authority.id, 100).await.unwrap(), 6);
    desk.services.publication.answers().forget_responder(&authority.id);
    assert_eq!(count(), 0);
    let timer = tokio::spawn(keep_current(desk.services.clone(), issuance));
    let started = Instant::now();
    while count() < 4 {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    timer.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_signed_ahead_as_far_as_there_is_room() {
    let (desk, authority) = started("ahead", KeyAlgorithm::Sm2).await;
    let rows = authority.issue(&desk.services, 20, 30).await;
    // The responder's own certificate is one more.
    assert_eq!(sign_ahead(&desk.services, &authority.id, 100).await.unwrap(), 21);
    assert_eq!(desk.services.publication.answers().count(), 21);
    let small = desk.services.clone();
    let small = yinxin::service::Services {
        publication: Arc::new(Publishing::new(Plan { answers: 0, ..Plan::default() })),
        ..small
    };
    let asked = request(&[cert_id(&authority, &rows[3].serial, By::Sha1)], None);
    assert!(matches!(answer(&small, &authority.id, &asked).await, Reply::Kept(_)));
    assert_eq!(small.publication.answers().count(), 0);
    // A kept answer is signed anew after half its time.
    let moment = |reply: &Reply| match reply {
        Reply::Kept(answer) => answer.this_update,
        other => panic!("{other:?}"),
    };
    let at = async |seconds| {
        desk.clock.set(NOW.plus_seconds(seconds));
        moment(&answer(&desk.services, &authority.id, &asked).await)
    };
    let expected: [Timestamp; 3] = [NOW, NOW, NOW.plus_seconds(1800)];
    assert_eq!([at(1).await, at(1799).await, at(1800).await], expected);
}
