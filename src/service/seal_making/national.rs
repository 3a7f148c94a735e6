//! Seals that the national system makes: ordered with a request by the signer's key, waited for, compared with what was
//! applied for, kept; and what the system is told, and says, of them afterwards.
//!
//! What a crash means: after *order* the row waits to be sent; after *hear* the seal lies in its order's row, and whoever
//! looks next keeps it; an answer that was lost is asked for again, and one that comes twice changes nothing.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, KeyId, SealId};
use crate::crypto::PublicKey;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody, RevocationReason, SuspensionReason};
use crate::domain::ca::possession::Proved;
use crate::domain::ca::{self, Profiles, subject};
use crate::domain::key::KeyPurpose;
use crate::domain::seal::application::{SignerKey, Wanted};
use crate::domain::seal::arrival::{self, ArrivalRefused, Arrived, Expected, Fitting, Grounds};
use crate::domain::seal::maker;
use crate::domain::seal::order::{AnswerRefused, Heard, MakerAnswer, OrderState, OrderWithdrawal};
use crate::domain::seal::taking;
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::domain::verify::proof;
use crate::format::office::{AnswerBody, Change, Message, MessageBody, SealOrder, StateTold};
use crate::format::ses::SesSeal;
use crate::format::x509::Certificate;
use crate::format::x509::csr::NewCertificationRequest;
use crate::service::offices::sending::{Next, after, is_of_one_row};
use crate::service::offices::{self, NATIONAL_MAKER};
use crate::service::seal_expiry::by_the_clock;
use crate::service::seal_fulfilment::{self, By};
use crate::service::seal_making::{MadeBy, SignedSeal};
use crate::service::{Error, Services, seal_changes};
use crate::store::certificates::StoredCertificate;
use crate::store::office_messages::{MessageKind, StoredOfficeMessage};
use crate::store::seal_makings::StoredMaking;
use crate::store::seal_orders::{ArrivedSeal, StoredOrder};
use crate::store::{
    Tx, audit, certificates, office_messages, seal_applications, seal_makings, seal_orders, seal_records, seals,
};

fn event(body: EventBody, now: Timestamp) -> Event {
    Event { at: now, actor: Actor::Operator, request: None, body }
}

/// The request for the signer's certificate: the client's own, or one by the key of ours.
async fn request(services: &Services, profiles: &Profiles, wanted: &Wanted, code: &str) -> Result<Vec<u8>, Error> {
    let key = match &wanted.key {
        SignerKey::Clients { csr } => return Ok(csr.clone()),
        SignerKey::Ours(key) => key,
    };
    let (now, purpose) = (services.clock.now(), KeyPurpose::SealSigning);
    let signer = services.store.read(|tx| Box::pin(services.keys.signer(tx, key, purpose, now))).await?;
    let (algorithm, public_key) = (signer.algorithm(), subject_public_key_info(&signer.public_key()));
    let oid = algorithm.oid().ok_or(maker::Error::Algorithm)?;
    let profile = profiles.require(&wanted.profile).map_err(ca::Error::from)?;
    let asked = seal_fulfilment::subject_of(&wanted.holder, code);
    let subject = subject::merge(profile, &asked).map_err(ca::Error::from)?.to_der();
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    };
    let tbs = new.to_tbs();
    let value = services.pool.sign(signer, tbs.clone(), Arc::clone(&services.random)).await?;
    let der = NewCertificationRequest::assemble(&tbs, oid, &encode_value(algorithm, &value));
    Proved::read(&der)?;
    Ok(der)
}

/// Orders the seal, or finds the order that is there.
///
/// # Errors
/// As `seal_fulfilment::fulfil`; the key gives no request.
pub(in crate::service) async fn order(
    services: &Services,
    profiles: &Profiles,
    (actor, call): By<'_>,
    (id, wanted, making): (&ApplicationId, &Wanted, &StoredMaking),
) -> Result<StoredOrder, Error> {
    if let Some(found) = services.store.read(|tx| Box::pin(seal_orders::find(tx, id))).await? {
        return Ok(found);
    }
    let request = &request(services, profiles, wanted, making.code.as_str()).await?;
    let now = services.clock.now();
    let steps = services.store.run("order seal", |tx| {
        Box::pin(async move {
            if let Some(found) = seal_orders::find(tx, id).await? {
                return Ok(found);
            }
            seal_fulfilment::ready((services, profiles), tx, id).await?;
            let order = StoredOrder {
                application: id.clone(),
                seal: making.seal.clone(),
                request: request.clone(),
                ordered_at: now,
                state: OrderState::Ordered { since: now },
                arrived: None,
                version: 1,
            };
            seal_orders::insert(tx, &order).await?;
            let to = (NATIONAL_MAKER, id.as_str());
            offices::push(tx, to, MessageKind::Order, (None, None), (now, now)).await?;
            let (application, seal) = (id.clone(), making.seal.clone());
            let body = EventBody::SealOrdered { application, seal, request_sm3: sm3(request) };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            Ok::<_, Error>(order)
        })
    });
    steps.await
}

/// The seal that arrived for an order, once it is found to be the one that was applied for. One that is not is refused, told
/// of, and cancelled there.
///
/// # Errors
/// [`Error::SealOrdered`]: it is not here yet; [`Error::SealOrderEnded`]: it never will be; [`Error::Arrival`]: it is another.
pub(in crate::service) async fn collect(
    services: &Services,
    order: &StoredOrder,
    (wanted, making, predecessor): (&Wanted, &StoredMaking, Option<&SealId>),
) -> Result<SignedSeal, Error> {
    let arrived = match (&order.state, &order.arrived) {
        (OrderState::Arrived { .. }, Some(arrived)) => arrived.clone(),
        (OrderState::Ordered { .. } | OrderState::Accepted { .. }, _) => {
            return Err(Error::SealOrdered { state: order.state.name() });
        }
        (state, _) => return Err(Error::SealOrderEnded { state: state.name() }),
    };
    let office = services.offices.maker.clone().ok_or(Error::NoSealMaker)?;
    let judged = match seal_fulfilment::signer_key(services, wanted).await {
        Ok(key) => judge(services, (arrived.clone(), key), (wanted, making, order.ordered_at), office.trust).await?,
        Err(Error::SignerKeyInUse) => Err(ArrivalRefused::Differs { field: "holder" }),
        Err(error) => return Err(error),
    };
    match judged {
        Ok(fitting) => Ok(SignedSeal {
            certificate_sm3: sm3(&fitting.signer),
            valid_to: fitting.valid_to,
            by: MadeBy::National(Box::new(fitting)),
            der: arrived.seal,
            wanted: wanted.clone(),
            predecessor: predecessor.cloned(),
        }),
        Err(refused) => {
            let (now, id, code) = (services.clock.now(), &order.application, refused.code());
            let steps = services
                .store
                .run("refuse seal that arrived", |tx| Box::pin(withdraw(tx, id, (OrderWithdrawal::Unfit, code), now)));
            steps.await?;
            Err(refused.into())
        }
    }
}

/// Compares what arrived with what was applied for.
async fn judge(
    services: &Services,
    (arrived, key): (ArrivedSeal, PublicKey),
    (wanted, making, ordered_at): (&Wanted, &StoredMaking, Timestamp),
    trust: Arc<crate::domain::trust::TrustAnchors>,
) -> Result<Result<Fitting, ArrivalRefused>, Error> {
    let (wanted, code, now) = (wanted.clone(), making.code.to_string(), services.clock.now());
    let algorithms = Arc::clone(&services.algorithms);
    let judging = tokio::task::spawn_blocking(move || {
        let key = subject_public_key_info(&key);
        let expected = Expected { wanted: &wanted, code: &code, key: &key, ordered_at };
        let grounds = Grounds { trust: &trust, algorithms: &algorithms, now };
        let came = Arrived { seal: &arrived.seal, certificates: &arrived.certificates };
        let fitting = arrival::examine(&came, &expected, &grounds)?;
        stamped_right(&arrived.seal)?;
        Ok(fitting)
    });
    judging.await.map_err(|_| Error::Interrupted)
}

/// Refuses a time stamp that the verifier finds wrong. One of an authority that nobody knows proves nothing, and harms nothing.
fn stamped_right(seal: &[u8]) -> Result<(), ArrivalRefused> {
    let seal = SesSeal::parse_any(seal).map_err(taking::Error::from)?;
    let Some(token) = seal.time_stamp else { return Ok(()) };
    match proof::check(token, seal.signed_value) {
        Err(unproved) if unproved.is_wrong => Err(ArrivalRefused::TimeStamp { code: unproved.code }),
        _ => Ok(()),
    }
}

/// Ends an order in the transaction that keeps its seal, and keeps the signer's certificate.
///
/// # Errors
/// [`Error::SealOrderEnded`]: it was withdrawn meanwhile, or another seal came.
pub(in crate::service) async fn kept(
    tx: &mut Tx<'_>,
    application: &ApplicationId,
    (fitting, own_key): (&Fitting, Option<&KeyId>),
    now: Timestamp,
) -> Result<(), Error> {
    let order = seal_orders::find(tx, application).await?.ok_or(Error::UnknownApplication)?;
    let ended = || Error::SealOrderEnded { state: order.state.name() };
    let state = order.state.keep(now).map_err(|_| ended())?;
    if !matches!(&state, OrderState::Kept { seal_sm3, .. } if *seal_sm3 == fitting.seal_sm3) {
        return Err(ended());
    }
    seal_orders::update(tx, &StoredOrder { state, arrived: None, ..order.clone() }).await?;
    let written = Certificate::parse(&fitting.signer).map_err(ca::Error::Unreadable)?;
    let row = StoredCertificate {
        sm3: sm3(&fitting.signer),
        serial: written.serial.to_vec(),
        subject: written.subject.raw().to_vec(),
        issuer: written.issuer.raw().to_vec(),
        key: own_key.cloned(),
        der: fitting.signer.clone(),
        role: seal_fulfilment::SIGNER.to_owned(),
        issued_at: now,
    };
    Ok(certificates::insert(tx, &row).await?)
}

/// Nothing more is wanted of the order for an application, if there is one: the system is to be told. An order whose seal is
/// kept stays.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn withdraw(
    tx: &mut Tx<'_>,
    application: &ApplicationId,
    (why, outcome): (OrderWithdrawal, &str),
    now: Timestamp,
) -> Result<(), Error> {
    let Some(order) = seal_orders::find(tx, application).await? else { return Ok(()) };
    let Ok(state) = order.state.withdraw(why, now) else { return Ok(()) };
    if state == order.state {
        return Ok(());
    }
    let body = EventBody::OrderEnded {
        application: application.clone(),
        seal: order.seal.clone(),
        outcome: outcome.to_owned(),
    };
    audit::append(tx, &event(body, now)).await?;
    seal_orders::update(tx, &StoredOrder { state, arrived: None, ..order }).await?;
    cancel(tx, application, now).await
}

/// The system is to be told that nothing is wanted, behind whatever is on its way.
async fn cancel(tx: &mut Tx<'_>, application: &ApplicationId, now: Timestamp) -> Result<(), Error> {
    let to = (NATIONAL_MAKER, application.as_str());
    let free = offices::end_open(tx, to, "withdrawn", now).await?;
    offices::push(tx, to, MessageKind::Cancel, (None, None), (now, free)).await
}

/// The octets of a message, as things stand now; nothing where there is nothing to say any more.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn compose(
    services: &Services,
    message: &StoredOfficeMessage,
) -> Result<Option<Vec<u8>>, Error> {
    let id = ApplicationId::parse(&message.subject).map_err(|_| Error::UnknownApplication)?;
    let said = |body: MessageBody<'_>| {
        Ok(Some(Message { name: message.name, subject: message.subject.as_str(), body }.to_der()))
    };
    match message.kind {
        MessageKind::Cancel => said(MessageBody::Cancel),
        MessageKind::State => {
            let state = offices::word(services, message).await?;
            let known = services.store.read(|tx| Box::pin(seal_orders::find(tx, &id))).await?;
            known.ok_or(Error::UnknownApplication)?;
            said(MessageBody::State(StateTold { state, reason: message.reason.as_deref() }))
        }
        MessageKind::File => Ok(None),
        MessageKind::Order => {
            let id = &id;
            let steps = services.store.read(|tx| {
                Box::pin(async move {
                    let order = seal_orders::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
                    let stored = seal_applications::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
                    let making = seal_makings::find(tx, id).await?.ok_or(Error::UnknownApplication)?;
                    let picture = seal_applications::file(tx, &stored, 0).await?;
                    let before = match stored.application.submission.purpose.seal() {
                        Some(seal) => seal_records::find(tx, seal).await?,
                        None => None,
                    };
                    Ok::<_, Error>((order, stored, making, picture, before.map(|record| record.code.to_string())))
                })
            });
            let (order, stored, making, picture, replaces) = steps.await?;
            let is_again = message.detail.is_some() && message.attempts == 0;
            let wanted = stored.application.submission.purpose.wanted().ok_or(Error::UnknownApplication)?;
            match &order.state {
                OrderState::Accepted { .. } if !is_again => said(MessageBody::Ask),
                state if state.is_awaited() => {
                    let division = wanted.holder.division.code();
                    said(MessageBody::Order(Box::new(SealOrder {
                        kind: wanted.kind.into(),
                        name: &wanted.name,
                        credit_code: wanted.holder.credit_code.as_str(),
                        holder: &wanted.holder.name,
                        division: &division,
                        code: making.code.as_str(),
                        size_mm: (wanted.size_mm.0.into(), wanted.size_mm.1.into()),
                        days: wanted.days,
                        form: wanted.form.name(),
                        list: wanted.list.name(),
                        picture: &picture,
                        request: &order.request,
                        replaces: replaces.as_deref(),
                    })))
                }
                _ => Ok(None),
            }
        }
    }
}

/// What an answer means, in one transaction: the order, what is still to be said, and what is told of it.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn hear(
    tx: &mut Tx<'_>,
    message: &StoredOfficeMessage,
    body: &AnswerBody<'_>,
    now: Timestamp,
) -> Result<Next, Error> {
    match (message.kind, body) {
        (MessageKind::State, AnswerBody::Done) => Ok(Next::Ends("done".to_owned())),
        (MessageKind::State, AnswerBody::Refused(code)) => {
            offices::report(tx, (NATIONAL_MAKER, &message.subject), code, now).await?;
            Ok(Next::Ends("refused".to_owned()))
        }
        (MessageKind::Order, AnswerBody::Unknown) => {
            // It lost the order: it gets it once more, as it is.
            let to = (NATIONAL_MAKER, message.subject.as_str());
            office_messages::end(tx, &message.id, "unknown", now).await?;
            let later = now.plus_seconds(after(message.attempts));
            offices::push(tx, to, MessageKind::Order, (Some("again"), None), (now, later)).await?;
            Ok(Next::Ends("unknown".to_owned()))
        }
        (MessageKind::Cancel, AnswerBody::Done) => hear_order(tx, message, (&MakerAnswer::Cancelled, None), now).await,
        (MessageKind::Order, AnswerBody::Received(number)) => {
            let answer = MakerAnswer::Accepted { number: (*number).to_owned() };
            hear_order(tx, message, (&answer, None), now).await
        }
        (MessageKind::Order, AnswerBody::Made(made)) => {
            let answer = MakerAnswer::Made { number: made.number.to_owned(), seal_sm3: sm3(made.seal) };
            let certificates = made.certificates.iter().map(|one| one.to_vec()).collect();
            let arrived = ArrivedSeal { seal: made.seal.to_vec(), certificates };
            hear_order(tx, message, (&answer, Some(arrived)), now).await
        }
        (MessageKind::Order, AnswerBody::Refused(reason)) => {
            let answer = MakerAnswer::Refused { reason: (*reason).to_owned() };
            hear_order(tx, message, (&answer, None), now).await
        }
        _ => {
            offices::report(tx, (NATIONAL_MAKER, &message.subject), AnswerRefused::Unasked.code(), now).await?;
            Ok(Next::Again(after(message.attempts)))
        }
    }
}

async fn hear_order(
    tx: &mut Tx<'_>,
    message: &StoredOfficeMessage,
    (answer, arrived): (&MakerAnswer, Option<ArrivedSeal>),
    now: Timestamp,
) -> Result<Next, Error> {
    let application = ApplicationId::parse(&message.subject).map_err(|_| Error::UnknownApplication)?;
    let order = seal_orders::find(tx, &application).await?.ok_or(Error::UnknownApplication)?;
    match order.state.hear(answer, now) {
        Heard::Counts(state) => {
            if let OrderState::Refused { .. } = &state {
                let (seal, outcome) = (order.seal.clone(), "refused".to_owned());
                let body = EventBody::OrderEnded { application, seal, outcome };
                audit::append(tx, &event(body, now)).await?;
            }
            let next = if state.is_awaited() { Next::Later } else { Next::Ends(state.name().to_owned()) };
            let arrived = arrived.filter(|_| matches!(state, OrderState::Arrived { .. }));
            seal_orders::update(tx, &StoredOrder { state, arrived, ..order }).await?;
            Ok(next)
        }
        Heard::Again if order.state.is_awaited() => Ok(Next::Later),
        Heard::Again => Ok(Next::Ends(order.state.name().to_owned())),
        Heard::Refused { why, state } => {
            offices::report(tx, (NATIONAL_MAKER, &message.subject), why.code(), now).await?;
            let (owed, owes, awaited) = (order.state.owes_cancel(), state.owes_cancel(), state.is_awaited());
            if state != order.state {
                seal_orders::update(tx, &StoredOrder { state, arrived: None, ..order }).await?;
            }
            if owes && !owed {
                cancel(tx, &application, now).await?;
            }
            Ok(if awaited { Next::Again(after(message.attempts)) } else { Next::Ends(why.code().to_owned()) })
        }
    }
}

/// Takes what the system decided by itself about a seal of ours. A seal rests, or ends, at once; that it may be used again
/// is an application's matter here, and only told.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn decided(tx: &mut Tx<'_>, change: &Change<'_>, now: Timestamp) -> Result<(), Error> {
    let outcome = match take(tx, change, now).await {
        Ok(outcome) => outcome,
        // Refused and alarmed already. What stands behind it must not wait for whoever puts the row right.
        Err(error) if is_of_one_row(&error) => "row-changed",
        Err(error) => return Err(error),
    };
    let body = EventBody::OfficeDecided {
        office: NATIONAL_MAKER.to_owned(),
        subject: change.subject.to_owned(),
        state: change.state.to_owned(),
        outcome: outcome.to_owned(),
    };
    audit::append(tx, &event(body, now)).await?;
    Ok(())
}

async fn take(tx: &mut Tx<'_>, change: &Change<'_>, now: Timestamp) -> Result<&'static str, Error> {
    let order = match ApplicationId::parse(change.subject) {
        Ok(application) => seal_orders::find(tx, &application).await?,
        Err(_) => None,
    };
    let Some(order) = order else { return Ok("unknown-subject") };
    if !matches!(order.state, OrderState::Kept { .. }) {
        // An order that is cancelled there is refused to whoever asks for it next.
        return Ok("no-seal-yet");
    }
    let Some(seal) = seals::find(tx, &order.seal).await? else { return Ok("no-seal-yet") };
    let seal = by_the_clock(seal, now);
    let next = match change.state {
        "suspended" => seal.state.clone().suspend(&seal.id, now, SuspensionReason::AuthorityOrder),
        "cancelled" => seal.state.clone().revoke(&seal.id, now, RevocationReason::AuthorityOrder),
        "active" => return Ok("needs-an-application"),
        _ => return Ok("unknown-state"),
    };
    let Ok((state, body)) = next else { return Ok("state-does-not-allow-it") };
    seal_changes::change_state(tx, &seal, state).await?;
    audit::append(tx, &event(body, now)).await?;
    Ok("taken")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::OID_SM2_WITH_SM3;
    use crate::format::ses::{Layout, NewSeal, NewSigners};

    #[test]
    fn a_seal_with_a_wrong_time_stamp_is_not_taken() {
        let moment = Timestamp::from_unix(1_800_000_000);
        let info = NewSeal {
            layout: Layout::V5,
            vendor: "yinxin",
            es_id: "99000000000001",
            kind: 1,
            name: "示例章",
            signers: NewSigners::Certificates(&[&[1]]),
            created: moment,
            valid_start: moment,
            valid_end: moment,
            picture_type: "png",
            picture: b"picture",
            width: 40,
            height: 40,
        }
        .to_info();
        let with = |stamp| NewSeal::assemble_stamped(Layout::V5, &info, b"maker", OID_SM2_WITH_SM3, (&[7; 70], stamp));
        assert_eq!(stamped_right(&with(None)), Ok(()));
        let refused = stamped_right(&with(Some(b"no token"))).unwrap_err();
        assert_eq!(refused, ArrivalRefused::TimeStamp { code: "time-stamp-malformed" });
        assert_eq!(refused.code(), "arrival-time-stamp");
    }
}
