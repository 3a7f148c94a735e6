//! What every request leaves behind: an identifier, a log line, figures, and the headers that every answer bears.
//!
//! Logged are method, route as in the route table, status, time and caller. Never a raw address, header or body.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::Instrument;

use crate::base::clock::Timestamp;
use crate::base::id::RequestId;
use crate::http::App;
use crate::http::guard::{AnsweredTo, PlainHttp};
use crate::http::pages::{is_page, problem_page};
use crate::http::problem::{Code, Problem};

/// The header that names the request in every answer.
pub(crate) const REQUEST_ID: &str = "yinxin-request-id";

const REQUESTS: &str = "yinxin_http_requests_total";
const SECONDS: &str = "yinxin_http_request_seconds";
const IN_FLIGHT: &str = "yinxin_http_requests_in_flight";
const UNRECORDED: &str = "yinxin_http_refusals_unrecorded_total";

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

#[rustfmt::skip]
const HEADERS: &[(HeaderName, &str)] = &[
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The figures of this door. Each door has its own, so that nothing is global.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(BUCKETS)?.build_recorder();
        let handle = recorder.handle();
        let metrics = Self { recorder: Arc::new(recorder), handle };
        metrics::with_local_recorder(&*metrics.recorder, || {
            metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
            metrics::describe_histogram!(SECONDS, "Time from a request's headers to its answer's headers.");
            metrics::describe_gauge!(IN_FLIGHT, "Requests being served now.");
            metrics::describe_counter!(UNRECORDED, "Strangers' refusals beyond what the audit log takes.");
        });
        Ok(metrics)
    }

    /// The recorder, for figures of other layers: `metrics::set_global_recorder` takes it.
    #[must_use]
    pub fn recorder(&self) -> Arc<PrometheusRecorder> {
        self.recorder.clone()
    }

    /// The figures in Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds samples into buckets. Without it they would pile up in memory.
    pub(crate) fn fold(&self) {
        self.handle.run_upkeep();
    }

    pub(crate) fn unrecorded(&self) {
        metrics::with_local_recorder(&*self.recorder, || metrics::counter!(UNRECORDED).increment(1));
    }

    fn in_flight(&self, change: f64) {
        metrics::with_local_recorder(&*self.recorder, || metrics::gauge!(IN_FLIGHT).increment(change));
    }

    fn answered(&self, method: &'static str, route: &str, status: u16, seconds: f64) {
        metrics::with_local_recorder(&*self.recorder, || {
            let (route, status) = (route.to_owned(), status.to_string());
            metrics::counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status).increment(1);
            metrics::histogram!(SECONDS, "method" => method, "route" => route).record(seconds);
        });
    }
}

/// Counts a request as long as it is alive, however it ends.
struct InFlight(Metrics);

impl InFlight {
    fn begin(metrics: &Metrics) -> Self {
        metrics.in_flight(1.0);
        Self(metrics.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight(-1.0);
    }
}

/// How many events strangers may cause in a minute.
#[derive(Debug, Default)]
pub(crate) struct Budget(Mutex<(i64, u32)>);

impl Budget {
    const PER_MINUTE: u32 = 60;

    /// Whether one more is within the budget of this minute.
    pub(crate) fn spend(&self, now: Timestamp) -> bool {
        let minute = now.unix().div_euclid(60);
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != minute {
            *spent = (minute, 0);
        }
        let allowed = spent.1 < Self::PER_MINUTE;
        spent.1 = spent.1.saturating_add(1);
        allowed
    }
}

/// The outermost layer: whatever happens inside, one well-formed answer leaves here.
pub(crate) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let _in_flight = InFlight::begin(&app.metrics);
    let started = tokio::time::Instant::now();
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)".to_owned(), |path| path.as_str().to_owned());
    let is_plain = request.extensions().get::<PlainHttp>().is_some();
    let id = RequestId::fresh(app.door.clock().now(), &*app.random);
    let name = id.as_ref().map_or("-", RequestId::as_str).to_owned();
    let span = tracing::info_span!("request", request_id = %name, method, route);
    let mut response = match id {
        Err(dead) => {
            tracing::error!(cause = %dead, "no request can be named");
            Problem::new(Code::Unavailable, "The request was not served.").into_response()
        }
        Ok(id) => {
            request.extensions_mut().insert(id);
            let inner = caught(next.run(request)).instrument(span.clone());
            match tokio::time::timeout(app.settings.request, inner).await {
                Ok(Some(response)) => response,
                Ok(None) => Problem::new(Code::Internal, "The request was not served.").into_response(),
                Err(_) => Problem::new(Code::TimedOut, "Ask again later; a request that changes something may have succeeded: repeat it with its Idempotency-Key.").into_response(),
            }
        }
    };
    let caller = response.extensions_mut().remove::<AnsweredTo>();
    let (mut response, code, cause) = finished(response, &name, is_page(&route));
    for (name_of, value) in HEADERS {
        // RFC 6797 7.2: not over plain HTTP.
        if is_plain && *name_of == header::STRICT_TRANSPORT_SECURITY {
            continue;
        }
        // What is published says itself how long it may be kept; no other endpoint says anything.
        response.headers_mut().entry(name_of.clone()).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    app.metrics.answered(method, &route, status, elapsed.as_secs_f64());
    let caller = caller.as_ref().map_or("-", |AnsweredTo(id)| id.as_str());
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if let Some(cause) = cause {
            tracing::error!(status, code, ms, caller, cause, "answered");
        } else {
            tracing::info!(status, code, ms, caller, "answered");
        }
    });
    response
}

/// Turns every error into a problem document, or on a page into a page; also those that the framework makes.
fn finished(mut response: Response, request_id: &str, on_page: bool) -> (Response, &'static str, Option<String>) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return (response, "-", None);
    }
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| match status {
        StatusCode::NOT_FOUND => Problem::new(Code::RouteUnknown, "See /api/openapi.json."),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodRefused, "See the Allow header."),
        _ if status.is_client_error() => Problem::new(Code::BodyMalformed, "The request cannot be read."),
        _ => Problem::new(Code::Internal, "The request was not served."),
    });
    let as_page = if on_page { problem_page(&problem, request_id) } else { None };
    let mut answer = as_page.unwrap_or_else(|| problem.answer(request_id));
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    (answer, problem.code(), problem.cause().map(str::to_owned))
}

/// Labels must come from a closed set: a stranger may invent any method.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Runs a future; `None` when it panics. The panic hook has written the cause by then.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        // The future is dropped after a panic, so no broken state of it is seen again.
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_sixty_events_a_minute() {
        let budget = Budget::default();
        let at = |second| Timestamp::from_unix(second);
        assert_eq!((0..100).filter(|_| budget.spend(at(0))).count(), 60);
        assert!(!budget.spend(at(59)));
        assert!(budget.spend(at(60)));
    }

    #[test]
    fn errors_of_the_framework_become_problems() {
        for (status, code) in [
            (StatusCode::NOT_FOUND, "route-unknown"),
            (StatusCode::METHOD_NOT_ALLOWED, "method-refused"),
            (StatusCode::BAD_REQUEST, "body-malformed"),
            (StatusCode::BAD_GATEWAY, "internal"),
        ] {
            let (answer, found, _) = finished(status.into_response(), "x", false);
            assert_eq!(found, code);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
