//! Bodies that are read page by page while the client takes them: no more than a page is held.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;

use crate::http::problem::Problem;

/// A page as text, and behind what the next one begins; nothing on the last.
pub(crate) type Page<C> = (Vec<u8>, Option<C>);
type Reading<C> = Pin<Box<dyn Future<Output = Result<Page<C>, Problem>> + Send>>;
type Read<C> = Box<dyn Fn(C) -> Reading<C> + Send>;

/// The body of such an answer.
pub(crate) struct Lines<C> {
    read: Read<C>,
    /// Read, and not yet given away.
    ready: VecDeque<Bytes>,
    /// Being read.
    reading: Option<Reading<C>>,
    /// Where the next page begins; nothing where all is read.
    after: Option<C>,
}

impl<C: Clone + Unpin + Send + 'static> Lines<C> {
    /// From that place on, behind an opening. The first page is read before the answer begins, so that what is refused is
    /// refused by a problem document.
    pub(crate) async fn open(
        from: C,
        opening: Vec<u8>,
        read: impl Fn(C) -> Reading<C> + Send + 'static,
    ) -> Result<Body, Problem> {
        let first = read(from).await?;
        let mut lines = Self { read: Box::new(read), ready: VecDeque::new(), reading: None, after: None };
        lines.ready.extend((!opening.is_empty()).then(|| Bytes::from(opening)));
        lines.take(first);
        Ok(Body::new(lines))
    }

    fn take(&mut self, (text, next): Page<C>) {
        self.ready.extend((!text.is_empty()).then(|| Bytes::from(text)));
        self.after = next;
    }
}

impl<C: Clone + Unpin + Send + 'static> HttpBody for Lines<C> {
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
            let Some(after) = self.after.clone() else { return Poll::Ready(None) };
            let mut reading = self.reading.take().unwrap_or_else(|| (self.read)(after));
            match reading.as_mut().poll(context) {
                Poll::Pending => {
                    self.reading = Some(reading);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(page)) => self.take(page),
                // The answer has begun: it breaks off, which every client sees.
                Poll::Ready(Err(problem)) => {
                    self.after = None;
                    tracing::error!(code = problem.code(), cause = problem.cause(), "an answer broke off");
                    return Poll::Ready(Some(Err(io::Error::other(problem.code()))));
                }
            }
        }
    }
}
