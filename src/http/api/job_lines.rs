//! All that came of a job's rows as JSON Lines, read page by page while the client takes it: no more than a page is held.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;

use crate::base::id::JobId;
use crate::http::App;
use crate::http::api::issuance_jobs::RowShape;
use crate::http::problem::Problem;
use crate::service::door::Actor;
use crate::service::issuance_jobs::desk::{MOST_WITH_CERTIFICATES, ResultPage, ResultQuery};

type Reading = Pin<Box<dyn Future<Output = Result<ResultPage, Problem>> + Send>>;

/// The body of such an answer.
pub(crate) struct Lines {
    app: Arc<App>,
    actor: Actor,
    id: JobId,
    /// Read, and not yet given away.
    ready: VecDeque<Bytes>,
    /// Being read.
    reading: Option<Reading>,
    /// Behind which row the next page begins; nothing where all is read.
    after: Option<u32>,
}

impl Lines {
    /// From the row behind that number on. The first page is read before the answer begins, so that what is refused is
    /// refused by a problem document.
    pub(crate) async fn open(app: Arc<App>, actor: Actor, id: JobId, after: u32) -> Result<Body, Problem> {
        let first = page(Arc::clone(&app), actor.clone(), id.clone(), after).await?;
        let mut lines = Self { app, actor, id, ready: VecDeque::new(), reading: None, after: None };
        lines.take(first)?;
        Ok(Body::new(lines))
    }

    fn take(&mut self, page: ResultPage) -> Result<(), Problem> {
        let mut text = Vec::new();
        for row in page.rows {
            let shape = RowShape::with_certificate(row);
            serde_json::to_writer(&mut text, &shape).map_err(|broken| Problem::internal(&broken))?;
            text.push(b'\n');
        }
        if !text.is_empty() {
            self.ready.push_back(Bytes::from(text));
        }
        self.after = page.next;
        Ok(())
    }
}

async fn page(app: Arc<App>, actor: Actor, id: JobId, after: u32) -> Result<ResultPage, Problem> {
    let query = ResultQuery { after, limit: MOST_WITH_CERTIFICATES, with_certificates: true };
    app.door.issuance_job_results(&actor, &id, query).await
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(text) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            let Some(after) = self.after else { return Poll::Ready(None) };
            let mut reading = self
                .reading
                .take()
                .unwrap_or_else(|| Box::pin(page(Arc::clone(&self.app), self.actor.clone(), self.id.clone(), after)));
            match reading.as_mut().poll(context) {
                Poll::Pending => {
                    self.reading = Some(reading);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(found)) => {
                    if let Err(problem) = self.take(found) {
                        return Poll::Ready(Some(Err(broken(&problem))));
                    }
                }
                // The answer has begun: it breaks off, which every client sees.
                Poll::Ready(Err(problem)) => {
                    self.after = None;
                    return Poll::Ready(Some(Err(broken(&problem))));
                }
            }
        }
    }
}

fn broken(problem: &Problem) -> io::Error {
    tracing::error!(code = problem.code(), cause = problem.cause(), "the results of a job broke off");
    io::Error::other(problem.code())
}
