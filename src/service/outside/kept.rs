//! Many questions to one server over few connections, which stay open from one question to the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::verify::address::Address;
use crate::service::outside::reach::SystemResolver;
use crate::service::outside::web::{Afterwards, Error, Once, Patience, Question, Web, answer, request};

/// Connections at once: as many as a browser opens to one server, and a few more.
pub const CONNECTIONS: usize = 8;

/// For one question.
const PATIENCE: Patience = Patience { connection: Duration::from_secs(5), whole: Duration::from_secs(30) };

/// A server that is asked for many files below one address.
#[derive(Clone)]
pub struct KeptServer {
    web: Web,
    address: Address,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Kept>>>,
}

/// A connection that has answered, and whoever drives it.
struct Kept {
    sender: SendRequest<Once>,
    driver: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl KeptServer {
    /// The server there; it is believed by these authorities where the address is one of https.
    #[must_use]
    pub fn new(address: Address, tls: Option<Arc<ClientConfig>>) -> Self {
        let web = Web { resolver: Arc::new(SystemResolver), tls, patience: PATIENCE };
        Self { web, address, places: Arc::new(Semaphore::new(CONNECTIONS)), idle: Arc::default() }
    }

    /// The address below which its files are.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The same with those bounds of one question.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.web.patience = patience;
        self
    }

    /// A file of at most so many octets; none where the server says that there is none (404, 410).
    ///
    /// # Errors
    /// No answer, or another one.
    pub async fn file(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let target = format!("{}/{name}", self.address.target.trim_end_matches('/'));
        let question = Question { address: Address { target, ..self.address.clone() }, body: None, most };
        let known = [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::GONE];
        let asked = || request(&question, Afterwards::Keep);
        let (status, octets) = self.answered(&asked, &known, most).await?;
        Ok((status == StatusCode::OK).then_some(octets))
    }

    /// The answer to that request, which may be sent twice, where it has one of these statuses and no more octets than that.
    pub(super) async fn answered(
        &self,
        request: &(dyn Fn() -> Result<Request<Once>, hyper::http::Error> + Sync),
        statuses: &[StatusCode],
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let whole = self.web.patience.whole;
        // Nobody closes it.
        let Ok(_place) = self.places.acquire().await else { return Err(Error::TimedOut(whole)) };
        let exchange = async {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let Some(kept) = kept {
                match self.ask(kept, request()?, statuses, most).await {
                    // The server may close whatever rests (RFC 9112 9.5): asked anew, over another connection.
                    Err(Error::Http(_)) => {}
                    answered => return answered,
                }
            }
            let (sender, connection) = self.web.connected(&self.address).await?;
            let driver = tokio::spawn(async move {
                // What breaks it is told to whoever waits for the answer.
                let _ = connection.await;
            });
            self.ask(Kept { sender, driver }, request()?, statuses, most).await
        };
        timeout(whole, exchange).await.unwrap_or(Err(Error::TimedOut(whole)))
    }

    async fn ask(
        &self,
        mut kept: Kept,
        request: Request<Once>,
        statuses: &[StatusCode],
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        kept.sender.ready().await?;
        let response = kept.sender.send_request(request).await?;
        let answered = answer(response, statuses, most).await?;
        if !kept.sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        }
        Ok(answered)
    }
}
