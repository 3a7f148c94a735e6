//! The figures, one after another: what goes over HTTP and what stands beside it take turns, so that both meet the same
//! moments of the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::base::id::RequestId;
use crate::cli::bench::Failure;
use crate::cli::bench::load::{Load, Make, Target, ticks};
use crate::domain::ca::Profiles;
use crate::service::door::{Actor, HandedIn, UseCases as _, VerifyDocument};
use crate::service::front::Front;
use crate::service::issuance::Issuance;
use crate::service::measurement::Material;
use crate::service::{self, Services, responder};

/// How threads of the load are called.
pub(crate) const LOAD: &str = "load";
/// Turns of each figure.
const TURNS: u32 = 4;
/// Before the first turn.
const WARM_UP: Duration = Duration::from_millis(250);
/// Orders that wait at the same time where there is no HTTP.
const ORDERS: usize = 512;
/// Strangers' uploads that the server takes at once.
const UPLOADS: usize = 4;

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What was measured over HTTP.
    pub(crate) what: &'static str,
    /// How often a second.
    pub(crate) per_second: f64,
    /// What it is compared with.
    pub(crate) beside: &'static str,
    /// How often that.
    pub(crate) beside_per_second: f64,
    /// The one over the other.
    pub(crate) share: f64,
    /// The load's share of this process's time on the processors while HTTP was measured.
    pub(crate) load_cpu_share: Option<f64>,
}

/// What the figures are made with.
pub(crate) struct Rows {
    pub(crate) secure: Target,
    pub(crate) plain: Target,
    pub(crate) front: Arc<Front>,
    pub(crate) services: Services,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) material: Arc<Material>,
    pub(crate) sealed: Bytes,
    pub(crate) request: RequestId,
    pub(crate) connections: usize,
    pub(crate) lasting: Duration,
}

/// Does something for a while; gives how often.
type Turn<'a> = Box<dyn FnMut(Duration) -> Result<u64, Failure> + 'a>;

impl Rows {
    /// All of them.
    pub(crate) fn measure(&self, serving: &Runtime, loading: &Runtime) -> Result<Vec<Row>, Failure> {
        Ok(vec![
            self.certificates(serving, loading)?,
            self.kept_answers(loading)?,
            self.fresh_answers(serving, loading)?,
            self.stamps(serving, loading)?,
            self.verifications(serving, loading)?,
        ])
    }

    fn certificates(&self, serving: &Runtime, loading: &Runtime) -> Result<Row, Failure> {
        let Material { authority, profile, csr, .. } = &*self.material;
        let order = serde_json::json!({ "authority": authority, "profile": profile, "csr": STANDARD.encode(csr) });
        let order = Bytes::from(order.to_string());
        let make = move |number: u64| {
            let mut request = posted("/api/v1/certificates", "application/json", order.clone());
            request.headers_mut().insert("idempotency-key", HeaderValue::from(number));
            request
        };
        let http = self.over_http(loading, &self.secure, self.connections, Arc::new(make))?;
        let issuance = serving.block_on(async { Issuance::start(self.services.clone(), Arc::clone(&self.profiles)) });
        let order = self.material.order();
        let beside = repeated(serving, ORDERS, move |_| {
            let (issuance, order) = (issuance.clone(), order.clone());
            async move { issuance.issue(order).await.map(|_| ()) }
        });
        self.row(("certificates, SM2, POST by TLS", http), ("issued, logged and durable, in process", beside))
    }

    fn kept_answers(&self, loading: &Runtime) -> Result<Row, Failure> {
        let path = |route: &str, der: &[u8]| {
            // Base64 in a path (RFC 6960 A.1).
            let text = STANDARD.encode(der).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            format!("/{route}/{text}")
        };
        let asking = |route: String| -> Make {
            let paths = self.material.known.iter().map(|der| path(&route, der)).collect::<Vec<_>>();
            Arc::new(move |number| {
                request(Method::GET, pick(&paths, number).map_or("/", String::as_str), Body::empty())
            })
        };
        let known = asking(format!("ocsp/{}", self.material.authority));
        let http = self.over_http(loading, &self.plain, self.connections, known)?;
        let constant = asking("constant".to_owned());
        let beside = self.over_http(loading, &self.plain, self.connections, constant)?;
        self.row(("OCSP, signed before, GET", http), ("a constant of that size, GET, same server", beside))
    }

    fn fresh_answers(&self, serving: &Runtime, loading: &Runtime) -> Result<Row, Failure> {
        let (material, path) = (Arc::clone(&self.material), format!("/ocsp/{}", self.material.authority));
        let make = move |number| {
            let der = pick(&material.fresh, number).cloned().unwrap_or_default();
            posted(&path, "application/ocsp-request", der.into())
        };
        let http = self.over_http(loading, &self.plain, self.connections, Arc::new(make))?;
        let (services, material) = (self.services.clone(), Arc::clone(&self.material));
        let beside = repeated(serving, self.connections, move |number| {
            let (services, material) = (services.clone(), Arc::clone(&material));
            async move {
                let request = pick(&material.fresh, number).map_or(&[][..], Vec::as_slice);
                match responder::answer(&services, &material.authority, request).await {
                    responder::Reply::Fresh(_) => Ok(()),
                    responder::Reply::Kept(_) | responder::Reply::Refused(_) => Err(service::Error::Interrupted),
                }
            }
        });
        self.row(("OCSP with a nonce, SM2, POST", http), ("signed at once, in process", beside))
    }

    fn stamps(&self, serving: &Runtime, loading: &Runtime) -> Result<Row, Failure> {
        let material = Arc::clone(&self.material);
        let make = move |number| {
            let der = pick(&material.stamps, number).cloned().unwrap_or_default();
            posted("/tsa", "application/timestamp-query", der.into())
        };
        let http = self.over_http(loading, &self.plain, self.connections, Arc::new(make))?;
        let (front, material) = (Arc::clone(&self.front), Arc::clone(&self.material));
        let beside = repeated(serving, self.connections, move |number| {
            let (front, request) = (Arc::clone(&front), pick(&material.stamps, number).cloned().unwrap_or_default());
            async move { front.stamp(request).await.map(|_| ()) }
        });
        self.row(("time stamps, SM2, POST", http), ("stamped and logged, in process", beside))
    }

    fn verifications(&self, serving: &Runtime, loading: &Runtime) -> Result<Row, Failure> {
        let (at_once, sealed) = (self.connections.min(UPLOADS), self.sealed.clone());
        let make = move |_| posted("/api/v1/verifications", "application/ofd", sealed.clone());
        let http = self.over_http(loading, &self.secure, at_once, Arc::new(make))?;
        let (front, sealed) = (Arc::clone(&self.front), self.sealed.clone());
        let peer = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let actor = Actor { caller: None, request_id: self.request.clone(), peer };
        let beside = repeated(serving, at_once, move |_| {
            let (front, document, actor) = (Arc::clone(&front), sealed.to_vec(), actor.clone());
            let (file_name, evidence) = ("notice.ofd".to_owned(), HandedIn::default());
            let wanted = VerifyDocument { file_name, document, original: None, evidence, at: None, policy: None };
            async move { front.verify(&actor, wanted).await.map(|_| ()) }
        });
        self.row(("verifications, OFD with an SM2 seal, by TLS", http), ("verified and logged, in process", beside))
    }

    fn over_http<'a>(
        &self,
        loading: &'a Runtime,
        target: &Target,
        connections: usize,
        make: Make,
    ) -> Result<Turn<'a>, Failure> {
        let mut load = loading.block_on(Load::open(target, connections, make))?;
        Ok(Box::new(move |lasting| Ok(loading.block_on(load.run(lasting))?)))
    }

    /// Both take turns.
    fn row(
        &self,
        (what, mut http): (&'static str, Turn<'_>),
        (beside, mut other): (&'static str, Turn<'_>),
    ) -> Result<Row, Failure> {
        http(WARM_UP)?;
        other(WARM_UP)?;
        let (mut first, mut second, mut cpu) = ((0, 0.0), (0, 0.0), Some((0, 0)));
        for _ in 0..TURNS {
            let before = ticks(LOAD);
            timed(&mut http, self.lasting / TURNS, &mut first)?;
            let spent = before
                .zip(ticks(LOAD))
                .map(|(before, after)| (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1)));
            cpu = cpu.zip(spent).map(|(sum, spent)| (spent.0.saturating_add(sum.0), spent.1.saturating_add(sum.1)));
            timed(&mut other, self.lasting / TURNS, &mut second)?;
        }
        let (per_second, beside_per_second) = (rate(first), rate(second));
        let share = |(load, all): (u64, u64)| (all > 0).then(|| number(load) / number(all));
        let load_cpu_share = cpu.and_then(share);
        Ok(Row { what, per_second, beside, beside_per_second, share: per_second / beside_per_second, load_cpu_share })
    }
}

/// One turn, with its time.
fn timed(turn: &mut Turn<'_>, lasting: Duration, sum: &mut (u64, f64)) -> Result<(), Failure> {
    let started = Instant::now();
    let count = turn(lasting)?;
    *sum = (sum.0.saturating_add(count), sum.1 + started.elapsed().as_secs_f64());
    Ok(())
}

fn rate((count, seconds): (u64, f64)) -> f64 {
    number(count) / seconds
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn pick<T>(items: &[T], number: u64) -> Option<&T> {
    let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
    items.get(usize::try_from(number % count).ok()?)
}

fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // What we write ourselves is an address; another one is refused by the server, and told.
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    request
}

fn posted(path: &str, kind: &'static str, body: Bytes) -> Request<Body> {
    let mut request = request(Method::POST, path, Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    request
}

/// Does the work in so many tasks of that runtime, again and again until the time is up.
fn repeated<'a, F>(
    runtime: &'a Runtime,
    at_once: usize,
    work: impl Fn(u64) -> F + Clone + Send + Sync + 'a + 'static,
) -> Turn<'a>
where
    F: Future<Output = Result<(), service::Error>> + Send + 'static,
{
    let next = Arc::new(AtomicU64::new(0));
    Box::new(move |lasting| {
        let (work, next) = (work.clone(), Arc::clone(&next));
        runtime.block_on(async move {
            let end = Instant::now() + lasting;
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..at_once {
                let (work, next) = (work.clone(), Arc::clone(&next));
                tasks.spawn(async move {
                    let mut count = 0_u64;
                    while Instant::now() < end {
                        work(next.fetch_add(1, Ordering::Relaxed)).await?;
                        count = count.saturating_add(1);
                    }
                    Ok::<_, service::Error>(count)
                });
            }
            let mut sum = 0_u64;
            while let Some(done) = tasks.join_next().await {
                sum = sum.saturating_add(done.map_err(|_| service::Error::Interrupted)??);
            }
            Ok(sum)
        })
    })
}
