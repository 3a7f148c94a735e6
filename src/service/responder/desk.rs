//! Who answers for an authority: its responder's key and certificate, ready to sign.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::Signer;
use crate::crypto::digest::sha1_identifier;
use crate::domain::key::KeyPurpose;
use crate::format::x509::Certificate;
use crate::service::publication::Error as Refusal;
use crate::service::responder::asked::IssuerDigests;
use crate::service::responder::rotation::is_active;
use crate::service::{Error, Services};
use crate::store::{authorities, certificates, responders};

/// How long a responder is believed to be the newest one, and its key to be in use.
const BELIEVED: Duration = Duration::from_secs(5);

/// What answers are signed with.
pub(in crate::service::responder) struct Desk {
    pub(in crate::service::responder) issuer: IssuerDigests,
    pub(in crate::service::responder) signer: Arc<dyn Signer>,
    /// `byKey` (RFC 6960 4.2.1): the shorter form, as RFC 5019 2.2.2 has it.
    pub(in crate::service::responder) key_hash: [u8; 20],
    /// The responder's certificate, sent along.
    pub(in crate::service::responder) certificate: Vec<u8>,
    /// Its end: no answer is in force after that.
    pub(in crate::service::responder) not_after: Timestamp,
    loaded: Instant,
}

/// Desks by authority.
#[derive(Default)]
pub(in crate::service::responder) struct Desks(Mutex<HashMap<AuthorityId, Arc<Desk>>>);

impl Desks {
    /// The desk of that authority; nothing when it has no responder whose time is now.
    pub(in crate::service::responder) async fn of(
        &self,
        services: &Services,
        authority: &AuthorityId,
        now: Timestamp,
    ) -> Result<Option<Arc<Desk>>, Error> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(authority).cloned();
        if let Some(desk) = kept.filter(|desk| desk.loaded.elapsed() < BELIEVED) {
            return Ok(Some(desk).filter(|desk| now <= desk.not_after));
        }
        let desk = load(services, authority, now).await?.map(Arc::new);
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &desk {
            Some(desk) => desks.insert(authority.clone(), Arc::clone(desk)),
            None => desks.remove(authority),
        };
        Ok(desk.filter(|desk| now <= desk.not_after))
    }

    /// Asks the store next time.
    pub(in crate::service::responder) fn forget(&self, authority: &AuthorityId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(authority);
    }
}

async fn load(services: &Services, id: &AuthorityId, now: Timestamp) -> Result<Option<Desk>, Error> {
    let loaded = Instant::now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, id).await?.ok_or(Refusal::UnknownAuthority)?;
            let issuer = certificates::find(tx, &authority.certificate).await?.ok_or(Refusal::Certificate)?;
            let Some(responder) = responders::newest(tx, id).await? else { return Ok(None) };
            if !is_active(tx, &responder.certificate).await? {
                return Ok(None);
            }
            let own = certificates::find(tx, &responder.certificate).await?.ok_or(Refusal::Certificate)?;
            let signer = services.keys.signer(tx, &responder.key, KeyPurpose::Ocsp, now).await?;
            Ok::<_, Error>(Some((issuer.der, own.der, responder.not_after, signer)))
        })
    });
    let Some((issuer, certificate, not_after, signer)) = steps.await? else { return Ok(None) };
    let issuer = IssuerDigests::of(&Certificate::parse(&issuer).map_err(|_| Refusal::Certificate)?);
    let own = Certificate::parse(&certificate).map_err(|_| Refusal::Certificate)?;
    let key_hash = sha1_identifier(own.public_key.key);
    Ok(Some(Desk { issuer, signer, key_hash, certificate, not_after, loaded }))
}
