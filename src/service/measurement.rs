//! What measurements work on: an authority with certificates, and requests as clients send them.

use std::sync::Arc;

use crate::base::id::AuthorityId;
use crate::base::random::{Random, array};
use crate::crypto::algorithm::{OID_SHA1, OID_SM3, SignatureAlgorithm};
use crate::crypto::digest::{sha1_identifier, sm3};
use crate::crypto::{Signer, sm2};
use crate::domain::audit::Actor;
use crate::domain::ca;
use crate::domain::ca::Profiles;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::format::tsp::NewTimeStampReq;
use crate::format::x509::Certificate;
use crate::format::x509::csr::NewCertificationRequest;
use crate::format::x509::name::NameAttributes;
use crate::format::x509::ocsp::{NewCertId, NewOcspRequest};
use crate::service::authorities::{self, AuthorityKey, NewAuthority};
use crate::service::issuance::{Issuance, Order, Wanted};
use crate::service::{Error, Services, responder};

/// Certificates that OCSP is asked about.
const CERTIFICATES: usize = 256;
/// Requests that are alike but for their nonce.
const NONCES: usize = 256;
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::Sm2Sm3;

/// An authority of SM2 with certificates, an OCSP responder, and what clients ask.
#[derive(Debug, Clone)]
pub struct Material {
    /// The authority.
    pub authority: AuthorityId,
    /// A profile under which it certifies `csr`.
    pub profile: &'static str,
    /// A request of PKCS#10, DER, SM2.
    pub csr: Vec<u8>,
    /// OCSP requests without a nonce, one for each certificate; their answers are signed already.
    pub known: Vec<Vec<u8>>,
    /// OCSP requests with nonces.
    pub fresh: Vec<Vec<u8>>,
    /// The answer to the first of `known`, DER.
    pub answer: Vec<u8>,
    /// Requests for time stamps, SM3, with nonces.
    pub stamps: Vec<Vec<u8>>,
}

impl Material {
    /// Makes it all in that installation.
    ///
    /// # Errors
    /// Whatever befalls making an authority, issuing and answering.
    pub async fn make(services: &Services, profiles: &Arc<Profiles>) -> Result<Self, Error> {
        let new = NewAuthority {
            id: None,
            name: "measurement".to_owned(),
            profile: "root".to_owned(),
            parent: None,
            subject: vec![
                (AttributeKind::Organisation, "示例局".to_owned()),
                (AttributeKind::CommonName, "测试根（勿用于生产）".to_owned()),
            ],
            key: AuthorityKey::Generated(KeyAlgorithm::Sm2),
            not_after: None,
            base_url: "http://localhost".to_owned(),
            crl_shards: 16,
        };
        let root = authorities::create(services, profiles, &Actor::Operator, &new).await?;
        let issuance = Issuance::start(services.clone(), Arc::clone(profiles));
        responder::ensure(services, &issuance, &Actor::Operator, &root.id).await?;
        let random = &*services.random;
        let mut material = Self {
            authority: root.id.clone(),
            profile: "officer",
            csr: csr(random)?,
            known: Vec::new(),
            fresh: Vec::new(),
            answer: Vec::new(),
            stamps: Vec::new(),
        };
        let mut work = tokio::task::JoinSet::new();
        for _ in 0..CERTIFICATES {
            let (issuance, order) = (issuance.clone(), material.order());
            work.spawn(async move { issuance.issue(order).await });
        }
        let (_, issuer) = authorities::find(services, &root.id).await?;
        let issuer = Certificate::parse(&issuer).map_err(ca::Error::Unreadable)?;
        let (name, key) = (sha1_identifier(issuer.subject.raw()), sha1_identifier(issuer.public_key.key));
        while let Some(issued) = work.join_next().await {
            let serial = issued.map_err(|_| Error::Interrupted)??.serial;
            let id =
                NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: &name, issuer_key_hash: &key, serial: &serial };
            let id = id.to_der();
            let nonce: [u8; 32] = array(random)?;
            let request = |nonce| NewOcspRequest { cert_ids: &[&id], nonce, acceptable_responses: &[] }.to_der();
            material.known.push(request(None));
            material.fresh.push(request(Some(&nonce[..])));
        }
        for request in &material.known {
            material.answer = responder::answer(services, &root.id, request).await.to_der();
        }
        let digest = sm3(&material.csr);
        for _ in 0..NONCES {
            let mut nonce: [u8; 8] = array(random)?;
            // Content octets of a positive INTEGER.
            nonce[0] = nonce[0] & 0x3f | 0x40;
            let (policy, nonce) = (None, Some(&nonce[..]));
            let request =
                NewTimeStampReq { algorithm: OID_SM3, digest: &digest, policy, nonce, certificate_wanted: true };
            material.stamps.push(request.to_der());
        }
        Ok(material)
    }

    /// An order for the request.
    #[must_use]
    pub fn order(&self) -> Order {
        Order {
            authority: self.authority.clone(),
            profile: self.profile.to_owned(),
            wanted: Wanted::Request { csr: self.csr.clone(), subject: None },
            not_before: None,
            not_after: None,
            transaction: None,
            actor: Actor::Operator,
            request: None,
            completes: None,
        }
    }
}

/// A request for an officer.
fn csr(random: &dyn Random) -> Result<Vec<u8>, Error> {
    let wrong = |_| ca::Error::Signature;
    let key = sm2::PrivateKey::generate(random).map_err(wrong)?;
    let subject = [
        (AttributeKind::Organisation, "示例局"),
        (AttributeKind::OrganisationalUnit, "制证科"),
        (AttributeKind::SerialNumber, "1"),
        (AttributeKind::CommonName, "经办人"),
    ];
    let subject = subject.map(|(kind, value)| (kind.oid(), value.to_owned())).to_vec();
    let (subject, public_key) = (NameAttributes(subject).to_der(), subject_public_key_info(&Signer::public_key(&key)));
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    };
    let tbs = new.to_tbs();
    let value = Signer::sign(&key, &tbs, random).map_err(wrong)?;
    let oid = ALGORITHM.oid().ok_or(ca::Error::Signature)?;
    Ok(NewCertificationRequest::assemble(&tbs, oid, &encode_value(ALGORITHM, &value)))
}
