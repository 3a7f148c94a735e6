//! Alarms about the log itself and about rows, each once a day.

use crate::domain::audit::misuse::{Topic, Trace};
use crate::domain::audit::{Alarm, AlarmKind};
use crate::service::{Error, Services, alarms};
use crate::store::watching;

/// From one alarm of a kind about a witness to the next.
const AGAIN_SECONDS: i64 = 86_400;

/// Raises an alarm, about a witness, a row or an event, unless it was raised within a day. One that cannot be raised is told in the
/// program's log: the log has its own troubles then.
pub(in crate::service) async fn raise(
    services: &Services,
    kind: AlarmKind,
    (witness, event): (Option<&str>, Option<u64>),
    minutes: u64,
) {
    if let Err(error) = try_raise(services, kind, (witness, event), minutes).await {
        tracing::error!(code = error.code(), alarm = %kind, "an alarm is not raised: {error}");
    }
}

async fn try_raise(
    services: &Services,
    kind: AlarmKind,
    (witness, event): (Option<&str>, Option<u64>),
    minutes: u64,
) -> Result<(), Error> {
    let now = services.clock.now();
    let topic = &Topic::log(kind, witness.unwrap_or_default());
    let alarm = Alarm { kind, seal: None, caller: None, sink: witness.map(ToOwned::to_owned), event, count: minutes };
    let alarm = &alarm;
    let steps = services.store.run("raise alarm of the log", |tx| {
        Box::pin(async move {
            let told = watching::trace(tx, topic).await?.and_then(|old| old.alarmed_at);
            if told.is_some_and(|told| now < told.plus_seconds(AGAIN_SECONDS)) {
                return Ok(None);
            }
            let trace = Trace { since: now, before: 0, count: minutes, alarmed_at: Some(now), seen_at: now };
            watching::keep_trace(tx, topic, &trace).await?;
            alarms::raise(tx, alarm, false, now).await.map(Some)
        })
    });
    let raised: Option<_> = steps.await?;
    alarms::tell(raised.as_slice());
    Ok(())
}
