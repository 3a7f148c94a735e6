//! Judging the files of batches in the background, a few at a time.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::audit::{Actor, Event, EventBody};
use crate::service::door::{HandedIn, VerifyDocument};
use crate::service::front::Front;
use crate::service::verification_batches::contents::content;
use crate::service::verification_batches::{BatchFile, Batches, LOST};
use crate::service::{Error, Services};
use crate::store::audit;
use crate::store::verification_batches::{self as rows, BatchState, StoredBatch};

/// From one look for work to the next, where nobody told of any.
const EVERY: Duration = Duration::from_secs(1);
/// Looks from one at what is kept no longer to the next.
const ROUNDS: u32 = 60;

/// Judges the files of batches that were started, for as long as it is polled: some at a time, so that whoever waits for
/// an answer is not kept waiting.
pub async fn keep_verifying(front: Front) {
    let Some(batches) = front.batches().cloned() else { return };
    let services = front.services().clone();
    let mut rounds = 0_u32;
    loop {
        if rounds == 0 {
            match batches.keep_no_longer(&services).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "verification batches are forgotten"),
                Err(error) => tracing::warn!(code = error.code(), "verification batches are kept, and tried later"),
            }
        }
        rounds = rounds.saturating_add(1) % ROUNDS;
        match judge_some(&front, &batches, &services).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(code = error.code(), "a verification batch stands still, and is tried again"),
        }
        tokio::select! {
            () = batches.work.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// How many files are judged at once: half of the processors.
fn places() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2))
}

/// Judges some files, in the order of batches, and says whether there was anything to do.
async fn judge_some(front: &Front, batches: &Batches, services: &Services) -> Result<bool, Error> {
    let mut some = false;
    let mut judging = JoinSet::new();
    for batch in services.store.read(|tx| Box::pin(rows::running(tx))).await? {
        if !batches.of(&batch.id).is_dir() {
            continue; // another service's
        }
        let free = places().saturating_sub(judging.len());
        let limit = i64::try_from(free).unwrap_or(1);
        let id = &batch.id;
        let left = services.store.read(|tx| Box::pin(rows::unjudged(tx, id, limit.max(1)))).await?;
        if left.is_empty() {
            finish(services, &batch).await?;
        }
        for file in left.into_iter().take(free) {
            judging.spawn(judge(front.clone(), batches.clone(), batch.clone(), file));
        }
        some = true;
    }
    let mut outcome = Ok(some);
    while let Some(judged) = judging.join_next().await {
        if let Err(error) = judged.map_err(|_| Error::Interrupted).and_then(|judged| judged) {
            outcome = Err(error);
        }
    }
    outcome
}

async fn judge(front: Front, batches: Batches, batch: StoredBatch, file: BatchFile) -> Result<(), Error> {
    let by = match front.registered(&batch.owner).await {
        Ok(by) => by,
        // Barred since: what was asked before is done, and recorded as ours.
        Err(Error::CallerBarred | Error::UnknownCaller) => Actor::Operator,
        Err(error) => return Err(error),
    };
    let services = front.services().clone();
    let (id, position) = (&batch.id, file.position);
    let (indication, report, body) = match content(&batches.of(id), &file).await? {
        Some((document, original)) => {
            let (file_name, at, policy) = (file.name, batch.judged_as_of, Some(batch.policy.clone()));
            let evidence = HandedIn::default();
            let request = VerifyDocument { file_name, document, original, evidence, at, policy };
            let (report, body) = front.judge(request).await?;
            (report.indication.name().to_owned(), Some(report.to_json().into_bytes()), Some(body))
        }
        None => {
            tracing::error!(batch = %id, position, "the content of a file is not as it was taken");
            (LOST.to_owned(), None, None)
        }
    };
    let now = services.clock.now();
    let event = body.map(|body| Event { at: now, actor: by, request: None, body });
    let (indication, report, event) = (indication.as_str(), report.as_deref(), event.as_ref());
    let steps = services.store.run("keep a report of a verification batch", |tx| {
        Box::pin(async move {
            if rows::set_report(tx, id, position, (indication, report)).await?
                && let Some(event) = event
            {
                audit::append(tx, event).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await
}

async fn finish(services: &Services, batch: &StoredBatch) -> Result<(), Error> {
    let now = services.clock.now();
    let steps = services.store.run("finish verification batch", |tx| {
        Box::pin(async move {
            let files = u64::try_from(rows::counts(tx, &batch.id).await?.files).unwrap_or(u64::MAX);
            rows::advance(tx, &batch.id, (BatchState::Running, BatchState::Finished), now).await?;
            let body = EventBody::VerificationBatchFinished { batch: batch.id.clone(), files };
            audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}
