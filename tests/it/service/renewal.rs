//! Certificates renewed with the same key and with a new one, on both databases.

use std::sync::Arc;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::random::SystemRandom;
use yinxin::config::profiles::built_in;
use yinxin::crypto::{Signer, ecdsa};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::Profiles;
use yinxin::domain::ca::renewal::RenewalPolicy;
use yinxin::domain::ca::state::RevocationReason;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::x509::Certificate;
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::escrow::{NewPair, issue_pair};
use yinxin::service::inventory;
use yinxin::service::issuance::{Issued, Order};
use yinxin::service::renewal::{NewRenewal, Proof, octets_to_sign, renew, supersede_due};
use yinxin::service::{Error, Services};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::issued_certificates::StoredStatus;

use crate::service::authority::{issuance, no_number_stands_twice, order, root_and_below};
use crate::service::escrow::{request, sm2_key};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const SUPERSEDED: StoredStatus = StoredStatus::Revoked { reason: 4, invalidity_date: None };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("renewal");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("renewal on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("renewal-postgres") }).await;
}

async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    let desk = Desk { services, place: &place, profiles: Arc::new(built_in().unwrap()), below };
    desk.the_same_key_is_renewed_until_it_is_old().await;
    desk.a_new_key_is_certified_when_the_old_one_asks().await;
    desk.what_is_not_renewed_is_refused_by_its_code().await;
    desk.a_keys_age_counts_from_its_first_certificate().await;
    desk.old_certificates_are_superseded_when_they_should_be().await;
    no_number_stands_twice(&desk.services, &place).await;
}

struct Desk<'a> {
    services: Services,
    place: &'a Place,
    profiles: Arc<Profiles>,
    below: StoredAuthority,
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.unwrap_err().code()
}

fn signed(key: &dyn Signer, certificate: &[u8; 32], csr: Option<&[u8]>) -> Vec<u8> {
    let value = key.sign(&octets_to_sign(certificate, csr), &SystemRandom).unwrap();
    encode_value(key.algorithm(), &value)
}

impl Desk<'_> {
    fn at(&self, now: Timestamp) -> Services {
        Services { clock: Arc::new(FixedClock(now)), ..self.services.clone() }
    }

    /// A certificate of a person, from that moment on.
    async fn issued(&self, key: &dyn Signer, name: &str, now: Timestamp) -> Issued {
        let order = Order { profile: "person-signing".to_owned(), ..order(&self.below, request(key, name, None)) };
        issuance(&self.at(now)).issue(order).await.unwrap()
    }

    fn asks(&self, old: &Issued, proof: Proof) -> NewRenewal {
        NewRenewal {
            certificate: old.sm3,
            proof,
            authority: None,
            not_after: None,
            supersede_after: None,
            actor: Actor::Operator,
            request: None,
        }
    }

    async fn renewed(&self, new: &NewRenewal, now: Timestamp) -> Result<Issued, Error> {
        renew(&self.at(now), &self.profiles, new).await
    }

    async fn status(&self, sm3: &[u8; 32]) -> StoredStatus {
        inventory::find(&self.services, sm3).await.unwrap().status
    }

    async fn the_same_key_is_renewed_until_it_is_old(&self) {
        let key = sm2_key();
        let old = self.issued(&key, "某人", NOW).await;
        let new = self.asks(&old, Proof::Signature(signed(&key, &old.sm3, None)));
        let from = old.not_after.plus_days(-RenewalPolicy::USUAL.days_before);
        assert_eq!(code(self.renewed(&new, from.plus_seconds(-1)).await), "renewal-too-early");
        assert_eq!(code(self.renewed(&new, old.not_after.plus_seconds(1)).await), "renewal-too-late");
        let before = events(&self.services).await.len();
        let now = old.not_after.plus_days(-10);
        let next = self.renewed(&new, now).await.unwrap();
        let told = events(&self.services).await.split_off(before);
        let named = told.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        assert_eq!(named, ["issuance-intended", "certificate-issued", "certificate-renewed"]);
        let body =
            EventBody::CertificateRenewed { certificate_sm3: next.sm3, renewed_sm3: old.sm3, supersede_at: None };
        assert_eq!(told.last().unwrap().body, body);
        let [first, second] = [&old.der, &next.der].map(|der| Certificate::parse(der).unwrap());
        assert_eq!((first.subject, first.public_key.raw), (second.subject, second.public_key.raw));
        // Three years in all, of which two are over.
        let end = NOW.plus_days(RenewalPolicy::USUAL.key_days);
        assert_eq!((next.not_before, next.not_after), (now, end));
        assert_eq!(self.status(&old.sm3).await, StoredStatus::Active);
        // Once; but again when the successor is gone.
        assert_eq!(code(self.renewed(&new, now).await), "renewal-repeated");
        let wanted = Change::Revoke { reason: RevocationReason::AffiliationChanged, invalidity_date: None };
        change(&self.at(now), (&Actor::Operator, None), &next.sm3, wanted).await.unwrap();
        let by_request = self.asks(&old, Proof::Request(request(&key, "another name is not looked at", None)));
        let again = self.renewed(&by_request, now).await.unwrap();
        assert_eq!(Certificate::parse(&again.der).unwrap().subject, first.subject);
        let third = self.asks(&again, Proof::Signature(signed(&key, &again.sm3, None)));
        assert_eq!(code(self.renewed(&third, end).await), "renewal-key-too-old");
    }

    async fn a_new_key_is_certified_when_the_old_one_asks(&self) {
        let (key, fresh) = (sm2_key(), ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
        let old = self.issued(&key, "某人", NOW).await;
        let now = old.not_after.plus_days(-1);
        let csr = request(&fresh, "某人", None);
        let signature = signed(&key, &old.sm3, Some(&csr));
        let mut forged = csr.clone();
        *forged.last_mut().unwrap() ^= 1;
        let own = request(&key, "某人", None);
        let of_own = signed(&key, &old.sm3, Some(&own));
        let of_forged = signed(&key, &old.sm3, Some(&forged));
        let other = request(&sm2_key(), "某人", None);
        let by_fresh = signed(&fresh, &old.sm3, Some(&csr));
        let for_another = signed(&key, &[1; 32], Some(&csr));
        let cases = [
            (Proof::NewKey { csr: other.clone(), signature: signature.clone() }, "renewal-signature"),
            (Proof::NewKey { csr: csr.clone(), signature: by_fresh }, "renewal-signature"),
            (Proof::NewKey { csr: csr.clone(), signature: for_another }, "renewal-signature"),
            (Proof::NewKey { csr: csr.clone(), signature: Vec::new() }, "renewal-signature"),
            (Proof::NewKey { csr: own, signature: of_own }, "renewal-key-not-new"),
            (Proof::NewKey { csr: forged, signature: of_forged }, "csr-signature"),
            // What is signed for a new key does not renew the old one, nor does a request by somebody else's key.
            (Proof::Signature(signature.clone()), "renewal-signature"),
            (Proof::Request(other), "renewal-signature"),
        ];
        let kept = self.place.count("issued_certificates").await;
        for (proof, expected) in cases {
            assert_eq!(code(self.renewed(&self.asks(&old, proof.clone()), now).await), expected, "{proof:?}");
        }
        assert_eq!(self.place.count("issued_certificates").await, kept);
        let next = self.renewed(&self.asks(&old, Proof::NewKey { csr, signature }), now).await.unwrap();
        let read = Certificate::parse(&next.der).unwrap();
        assert_eq!(read.public_key.raw, subject_public_key_info(&Signer::public_key(&fresh)));
        assert_eq!(read.subject, Certificate::parse(&old.der).unwrap().subject);
        let usual = self.profiles.require("person-signing").unwrap().rules().validity.usual;
        assert_eq!(next.not_after, now.plus_seconds(usual - 1));
        assert_eq!(self.place.count(&format!("renewals WHERE renewed_at = {}", now.unix())).await, 1);
    }

    async fn what_is_not_renewed_is_refused_by_its_code(&self) {
        let key = sm2_key();
        let old = self.issued(&key, "某人", NOW).await;
        let now = old.not_after.plus_days(-1);
        let proof = |old: &Issued| Proof::Signature(signed(&key, &old.sm3, None));
        let by = (&Actor::Operator, None);
        change(&self.services, by, &old.sm3, Change::Suspend).await.unwrap();
        assert_eq!(code(self.renewed(&self.asks(&old, proof(&old)), now).await), "renewal-not-active");
        let wanted = Change::Revoke { reason: RevocationReason::KeyCompromise, invalidity_date: None };
        change(&self.services, by, &old.sm3, wanted).await.unwrap();
        assert_eq!(code(self.renewed(&self.asks(&old, proof(&old)), now).await), "renewal-not-active");
        let nobody = NewRenewal { certificate: [0; 32], ..self.asks(&old, proof(&old)) };
        assert_eq!(code(self.renewed(&nobody, now).await), "unknown-certificate");
        let authority = NewRenewal { certificate: self.below.certificate, ..self.asks(&old, proof(&old)) };
        assert_eq!(code(self.renewed(&authority, now).await), "authority-profile");
        // An encryption key signs nothing, not even for its owner.
        let pair = NewPair {
            authority: self.below.id.clone(),
            signing_profile: "person-signing".to_owned(),
            encryption_profile: "person-encryption".to_owned(),
            csr: request(&key, "某人", None),
            subject: None,
            not_before: None,
            not_after: None,
            actor: Actor::Operator,
            request: None,
        };
        let pair = issue_pair(&self.services, &self.profiles, &pair).await.unwrap();
        let opened = yinxin::service::keys::enveloping::open_sm2(&pair.envelope.der, &key).unwrap();
        let proof = Proof::Signature(signed(&opened, &pair.encryption.sm3, None));
        let refused = self.renewed(&self.asks(&pair.encryption, proof), now).await;
        assert_eq!(code(refused), "renewal-encryption");
    }

    async fn a_keys_age_counts_from_its_first_certificate(&self) {
        let key = sm2_key();
        let first = self.issued(&key, "某人", NOW).await;
        // The same key under another name, long after.
        let later = NOW.plus_days(500);
        let second = self.issued(&key, "另一人", later).await;
        assert_ne!(Certificate::parse(&first.der).unwrap().subject, Certificate::parse(&second.der).unwrap().subject);
        let new = self.asks(&second, Proof::Signature(signed(&key, &second.sm3, None)));
        assert_eq!(code(self.renewed(&new, second.not_after.plus_days(-1)).await), "renewal-key-too-old");
    }

    async fn old_certificates_are_superseded_when_they_should_be(&self) {
        let settled = async || self.place.count("renewals WHERE settled_at IS NOT NULL").await;
        let before = settled().await;
        let mut olds = Vec::new();
        let mut nexts = Vec::new();
        for (number, supersede_after) in [Some(0), Some(3), Some(3), None].into_iter().enumerate() {
            let key = sm2_key();
            let old = self.issued(&key, &format!("某人{number}"), NOW).await;
            let proof = Proof::Signature(signed(&key, &old.sm3, None));
            let new = NewRenewal { supersede_after, ..self.asks(&old, proof) };
            nexts.push(self.renewed(&new, old.not_after.plus_days(-10)).await.unwrap());
            olds.push(old);
        }
        let now = olds[0].not_after.plus_days(-10);
        assert_eq!(self.status(&olds[0].sm3).await, SUPERSEDED);
        assert_eq!(settled().await, before + 1);
        // Whoever lost the successor keeps the old one.
        let wanted = Change::Revoke { reason: RevocationReason::KeyCompromise, invalidity_date: None };
        change(&self.at(now), (&Actor::Operator, None), &nexts[2].sm3, wanted).await.unwrap();
        assert_eq!(supersede_due(&self.at(now.plus_days(3).plus_seconds(-1))).await.unwrap(), 0);
        assert_eq!(supersede_due(&self.at(now.plus_days(3))).await.unwrap(), 1);
        let mut found = Vec::new();
        for old in &olds {
            found.push(self.status(&old.sm3).await);
        }
        assert_eq!(found, [SUPERSEDED, SUPERSEDED, StoredStatus::Active, StoredStatus::Active]);
        assert_eq!(settled().await, before + 3);
        assert_eq!(supersede_due(&self.at(now.plus_days(9))).await.unwrap(), 0);
        // A row changed by hand supersedes nothing.
        let changed = "UPDATE renewals SET supersede_at = 1 WHERE supersede_at IS NULL";
        assert!(self.place.by_hand(changed).await > 0);
        assert_eq!(code(supersede_due(&self.at(now.plus_days(9))).await), "inconsistent");
        assert_eq!(self.status(&olds[3].sm3).await, StoredStatus::Active);
    }
}
