//! Who signs reports: units of role `report-signer`, found again among the certificates.

use std::sync::Arc;

use crate::base::id::KeyId;
use crate::crypto::Signer;
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::format::x509::Certificate;
use crate::service::units::{UnitRole, above, is_active};
use crate::service::{Error, Services};
use crate::store::certificates;

/// The role of a report key's certificate in the store.
const ROLE: &str = UnitRole::Report.name();

/// A key that may sign reports now.
pub(super) struct Unit {
    pub(super) certificate: Vec<u8>,
    /// Certificates above, without roots.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) key: KeyId,
    pub(super) signer: Arc<dyn Signer>,
}

/// Whether there is a report key that may be used now: its certificate valid and active, the key in use.
///
/// # Errors
/// The store's.
pub async fn is_on(services: &Services) -> Result<bool, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            for row in certificates::in_role(tx, ROLE).await? {
                let Some(key) = row.key else { continue };
                let valid = Certificate::parse(&row.der).is_ok_and(|one| one.not_before <= now && now <= one.not_after);
                let wanted = (KeyPurpose::Report, KeyUse::Sign);
                if valid
                    && is_active(tx, &row.sm3).await?
                    && services.keys.permitted(tx, &key, wanted, now).await.is_ok()
                {
                    return Ok(true);
                }
            }
            Ok::<_, Error>(false)
        })
    });
    steps.await
}

/// The newest report key that may be used now: its certificate valid and active, the key in use.
pub(super) async fn current(services: &Services) -> Result<Option<Unit>, Error> {
    let now = services.clock.now();
    let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, ROLE))).await?;
    for row in rows {
        let (Some(key), sm3) = (row.key, row.sm3) else { continue };
        let Ok(parsed) = Certificate::parse(&row.der) else { continue };
        if now < parsed.not_before || now > parsed.not_after {
            continue;
        }
        let named = &key;
        let found = services.store.read(|tx| {
            Box::pin(async move {
                if !is_active(tx, &sm3).await? {
                    return Ok(None);
                }
                Ok::<_, Error>(Some(services.keys.signer(tx, named, KeyPurpose::Report, now).await?))
            })
        });
        match found.await {
            Ok(Some(signer)) => {
                let mut chain = above(services, &parsed).await?;
                // Whoever checks has the root, or does not believe it (RFC 5280 6.1).
                chain.retain(|der| Certificate::parse(der).is_ok_and(|one| one.subject.raw() != one.issuer.raw()));
                let certificate = row.der.clone();
                return Ok(Some(Unit { certificate, chain, key, signer }));
            }
            Ok(None) => {}
            // One key that may not be used keeps no other from its work.
            Err(error) => tracing::warn!(key = %key, code = error.code(), "a report key is left out: {error}"),
        }
    }
    Ok(None)
}
