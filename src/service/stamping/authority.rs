//! Which units make time stamps: found again by their role among the certificates, with their keys.

use std::sync::Arc;

use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::key::KeyPurpose;
use crate::domain::stamp::{Authority, Offer, Rules};
use crate::format::x509::Certificate;
use crate::service::stamping::Error;
use crate::service::stamping::clock::WatchedClock;
use crate::service::stamping::unit::Unit;
use crate::service::units::{UnitRole, above, is_active};
use crate::service::{self, Services};
use crate::store::certificates;

/// The role of a unit's certificate in the store.
pub(in crate::service::stamping) const ROLE: &str = UnitRole::TimeStamping.name();

/// A unit for each kind of key: the newest certificate of role `tsa` that is valid and active now and whose key may be used.
pub(in crate::service::stamping) async fn units(
    services: &Services,
    rules: &Arc<Rules>,
    clock: &Arc<WatchedClock>,
) -> Result<Vec<Unit>, service::Error> {
    let now = services.clock.now();
    let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, ROLE))).await?;
    let mut units: Vec<Unit> = Vec::new();
    for row in rows {
        let Some(key) = row.key.clone() else { continue };
        let parsed = Certificate::parse(&row.der).map_err(|error| Error::from(unfit(error)))?;
        let validity = (parsed.not_before, parsed.not_after);
        if now < validity.0 || now > validity.1 {
            tracing::warn!(key = %key, "the certificate of a time-stamping unit is not valid now; it is left out");
            continue;
        }
        let sm3 = &row.sm3;
        if !services.store.read(|tx| Box::pin(is_active(tx, sm3))).await? {
            tracing::warn!(key = %key, "the certificate of a time-stamping unit is not active; it is left out");
            continue;
        }
        let named = &key;
        let steps = services
            .store
            .read(|tx| Box::pin(async move { services.keys.signer(tx, named, KeyPurpose::TimeStamping, now).await }));
        let signer = match steps.await {
            Ok(signer) => signer,
            Err(error) => {
                // One key that may not be used keeps no other unit from its work.
                tracing::warn!(key = %key, code = error.code(), "a time-stamping unit is left out: {error}");
                continue;
            }
        };
        let kind = |algorithm: SignatureAlgorithm| algorithm == SignatureAlgorithm::Sm2Sm3;
        if units.iter().any(|known| kind(known.signer.algorithm()) == kind(signer.algorithm())) {
            continue;
        }
        let offer =
            Offer { chain: &[], policies: &rules.policies, digests: &rules.digests, tsa: None, family: rules.family };
        Authority::new(&row.der, signer.algorithm(), offer).map_err(Error::from)?;
        let chain = above(services, &parsed).await?;
        units.push(Unit {
            certificate: row.der.clone(),
            chain,
            validity,
            key,
            signer,
            rules: Arc::clone(rules),
            clock: Arc::clone(clock),
            services: services.clone(),
        });
    }
    Ok(units)
}

fn unfit(error: crate::format::der::Error) -> crate::domain::stamp::UnfitAuthority {
    crate::domain::stamp::UnfitAuthority::Certificate(error)
}
