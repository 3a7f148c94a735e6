//! Orders under an `Idempotency-Key`: each is issued once, and whoever repeats it gets the same certificate.
//!
//! What a crash means at each arrow of `reserve → issue → answer`: before the certificate is kept the next start frees the
//! key; the key is completed in the transaction that keeps the certificate, so that after it the same is told again.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::crypto::digest::sm3;
use crate::service::idempotency::{self, Reservation, Reserving};
use crate::service::issuance::{Completion, Issuance, Issued, Order, Wanted};
use crate::service::{Error, Services, inventory};

/// Where orders from outside go.
#[derive(Clone)]
pub struct Orders {
    services: Services,
    issuance: Issuance,
    keys: Reserving,
}

impl Orders {
    /// Before that engine. Wants a runtime.
    #[must_use]
    pub fn new(services: Services, issuance: Issuance) -> Self {
        let keys = Reserving::start(services.clone());
        Self { services, issuance, keys }
    }

    /// Issues the certificate that is ordered, or gives the one that the same order led to before. It is the caller who
    /// orders, with the roles that it has when the key is reserved.
    ///
    /// Whoever calls this must let it end: a key whose order was given up half-way stays reserved until the next start.
    ///
    /// # Errors
    /// No such caller, or it is barred; the key came with another order, or its first order is at work; [`Error::Possession`] and the others of
    /// [`Issuance::issue`].
    pub async fn issue(&self, order: Order, (caller, key): (&CallerId, &str)) -> Result<Issued, Error> {
        let (actor, reservation) = self.keys.reserve(caller, key, &digest_of(&order)).await?;
        if let Reservation::Done { response, events, .. } = reservation {
            idempotency::receipt_again(&self.services, order.request.as_ref(), &events).await;
            let name: [u8; 32] = response.try_into().map_err(|_| Error::AnswerUnreadable)?;
            let kept = inventory::find(&self.services, &name).await?;
            let (serial, not_before, not_after) = (kept.serial, kept.not_before, kept.not_after);
            return Ok(Issued { sm3: name, serial, der: kept.der, not_before, not_after });
        }
        let completes = Some(Completion::IdempotencyKey(caller.clone(), key.to_owned()));
        let order = Order { actor, completes, ..order };
        let outcome = self.issuance.issue(order).await;
        idempotency::free_where_failed(&self.services, Some((caller, key)), outcome).await
    }
}

/// What makes two orders the same: everything that is asked for, each part with its length before it.
fn digest_of(order: &Order) -> [u8; 32] {
    let mut parts = vec![order.authority.as_str().as_bytes().to_vec(), order.profile.as_bytes().to_vec()];
    match &order.wanted {
        Wanted::Request { csr, subject } => {
            parts.push(csr.clone());
            parts.push(vec![u8::from(subject.is_some())]);
            for (kind, value) in subject.iter().flatten() {
                parts.push(kind.name().as_bytes().to_vec());
                parts.push(value.as_bytes().to_vec());
            }
        }
        // Ordered by the service itself, never under a key.
        wanted => parts.push(format!("{wanted:?}").into_bytes()),
    }
    let moment = |moment: Option<Timestamp>| moment.map_or_else(Vec::new, |at| at.unix().to_be_bytes().to_vec());
    parts.extend([moment(order.not_before), moment(order.not_after)]);
    parts.push(order.transaction.map_or_else(Vec::new, |digest| digest.to_vec()));
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
    // How many they are tells where the subject ends.
    let mut text = length(parts.len()).to_vec();
    for part in &parts {
        text.extend_from_slice(&length(part.len()));
        text.extend_from_slice(part);
    }
    sm3(&text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::id::{AuthorityId, RequestId};
    use crate::domain::audit::Actor;
    use crate::domain::ca::profile::AttributeKind;

    fn order() -> Order {
        Order {
            authority: AuthorityId::parse("ca").unwrap(),
            profile: "officer".into(),
            wanted: Wanted::Request { csr: vec![1, 2], subject: None },
            not_before: None,
            not_after: None,
            transaction: None,
            actor: Actor::Operator,
            request: None,
            completes: None,
        }
    }

    fn with_subject(subject: &[(AttributeKind, &str)]) -> Order {
        let subject = subject.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect();
        Order { wanted: Wanted::Request { csr: vec![1, 2], subject: Some(subject) }, ..order() }
    }

    #[test]
    fn orders_that_ask_for_the_same_are_the_same() {
        let again = Order { request: Some(RequestId::parse("r").unwrap()), ..order() };
        assert_eq!(digest_of(&order()), digest_of(&again));
        let moment = Some(Timestamp::from_unix(5));
        let others = [
            order(),
            Order { authority: AuthorityId::parse("cb").unwrap(), ..order() },
            Order { profile: "office".into(), ..order() },
            Order { wanted: Wanted::Request { csr: vec![1, 3], subject: None }, ..order() },
            Order { not_before: moment, ..order() },
            Order { not_after: moment, ..order() },
            Order { transaction: Some([0; 32]), ..order() },
            with_subject(&[]),
            with_subject(&[(AttributeKind::CommonName, "甲")]),
            with_subject(&[(AttributeKind::CommonName, "甲"), (AttributeKind::Organisation, "乙")]),
            with_subject(&[(AttributeKind::Organisation, "乙"), (AttributeKind::CommonName, "甲")]),
            with_subject(&[(AttributeKind::CommonName, "甲乙")]),
        ];
        let digests = others.iter().map(digest_of).collect::<BTreeSet<_>>();
        assert_eq!(digests.len(), others.len());
    }
}
