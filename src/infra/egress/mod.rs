//! The only HTTP client out. Every call has a target and an operation class, time limits, a size cap, an address guard, a circuit breaker, a log
//! line and metrics. Redirects are not followed: an answer of 3xx is handed back as it is.
//!
//! The errors tell apart what a job runner must know: nothing was sent ([`EgressError::Offline`], [`EgressError::BreakerOpen`],
//! [`EgressError::Blocked`]) or the vendor may have acted ([`EgressError::Unknown`]).

mod breaker;
mod connect;
mod endpoint;
mod error;
mod guard;
#[cfg(test)]
mod tests;

pub use breaker::{BreakerKey, FAILURES_TO_OPEN, OPEN_FOR};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{EgressError, OfflineCause};
pub use guard::Reach;

use crate::base::clock::{Clock, Timestamp};
use crate::base::error::Fault;
use breaker::{Breakers, Verdict};
use bytes::{Bytes, BytesMut};
use connect::{ConnectFault, Guarded, Names, Timed};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

const AGENT: &str = concat!("bodega/", env!("CARGO_PKG_VERSION"));
/// Largest head of an answer.
const HEAD_MAX: usize = 64 * 1024;
/// How long a connection is kept for the next call.
const IDLE: Duration = Duration::from_mins(1);
/// Connections kept for one host.
const IDLE_PER_HOST: usize = 4;

/// Bounds of one call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first name look-up to the last byte of the answer.
    pub total: Duration,
    /// Most bytes of the answer's body.
    pub body: usize,
}

impl Limits {
    /// For calls that answer with a record or a page of them: 30 s, 4 MiB.
    pub const API: Self = Self { total: Duration::from_secs(30), body: 4 * 1024 * 1024 };
}

/// Who asked: put on the wire and into the log line.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Sent as `X-Request-Id`.
    pub request_id: String,
    /// Sent as `traceparent` (W3C trace context).
    pub traceparent: Option<String>,
}

/// One request to a vendor.
#[derive(Clone, Debug)]
pub struct Call {
    /// The vendor's name, as in `google`: label of metrics and part of the breaker's key.
    pub target: &'static str,
    /// The account at the vendor, part of the breaker's key.
    pub account: String,
    /// The operation class, as in `stock`: part of the breaker's key.
    pub class: &'static str,
    /// Where to.
    pub endpoint: Endpoint,
    /// The method.
    pub method: Method,
    /// Path below the endpoint with its query, percent-encoded.
    pub path: String,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Bytes,
    /// Who asked.
    pub trace: Trace,
    /// Bounds.
    pub limits: Limits,
}

impl Call {
    /// A call without body or further headers, within [`Limits::API`].
    pub fn new(
        target: &'static str,
        class: &'static str,
        endpoint: &Endpoint,
        method: Method,
        path: impl Into<String>,
    ) -> Self {
        Self {
            target,
            account: String::new(),
            class,
            endpoint: endpoint.clone(),
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            trace: Trace::default(),
            limits: Limits::API,
        }
    }

    /// With the account that the breaker tells apart.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// With who asked.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// With a body of a type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }

    /// With a header. Fails on bytes that no header can carry.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, EgressError> {
        self.headers.insert(HeaderName::from_static(name), header_value(name, value)?);
        Ok(self)
    }

    /// With an `Authorization: Bearer` header, kept out of debug output.
    pub fn bearer(mut self, token: &str) -> Result<Self, EgressError> {
        let mut value = header_value("authorization", &format!("Bearer {token}"))?;
        value.set_sensitive(true);
        self.headers.insert(hyper::header::AUTHORIZATION, value);
        Ok(self)
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, EgressError> {
    HeaderValue::from_str(value)
        .map_err(|_bytes| EgressError::Malformed(format!("the header {name} cannot carry its value")))
}

/// What a vendor answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code, whatever it is.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

type HttpClient = Client<Timed, Full<Bytes>>;

struct Inner {
    public: HttpClient,
    loopback: HttpClient,
    breakers: Breakers,
    clock: Arc<dyn Clock>,
}

/// The way out. Cheap to clone; all clones share connections and breakers.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

impl Egress {
    /// The time that name resolution, TCP and TLS may take together.
    pub const CONNECT: Duration = Duration::from_secs(10);

    /// A way out whose breakers follow `clock`. Fails only if the TLS library refuses its own defaults.
    pub fn new(clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        Self::with_connect_limit(clock, Self::CONNECT)
    }

    /// As [`Egress::new`], with another limit for connecting.
    pub fn with_connect_limit(clock: Arc<dyn Clock>, connect: Duration) -> Result<Self, Fault> {
        let names = Names::default();
        let public = client(Guarded { names: names.clone(), reach: Reach::Public }, connect)?;
        let loopback = client(Guarded { names, reach: Reach::Loopback }, connect)?;
        let breakers = Breakers::new(Arc::clone(&clock));
        Ok(Self { inner: Arc::new(Inner { public, loopback, breakers, clock }) })
    }

    /// Makes a call and reads its answer, whatever the status.
    pub async fn send(&self, call: Call) -> Result<Answer, EgressError> {
        let span =
            tracing::info_span!("egress", vendor = call.target, class = call.class, rid = %call.trace.request_id);
        self.measured(call).instrument(span).await
    }

    /// The breakers that are open, and when each lets a probe through.
    pub fn open_breakers(&self) -> Vec<(BreakerKey, Timestamp)> {
        self.inner.breakers.open()
    }

    async fn measured(&self, call: Call) -> Result<Answer, EgressError> {
        let started = self.inner.clock.monotonic();
        let (target, method, host) = (call.target, call.method.clone(), call.endpoint.host().to_owned());
        let path = call.path.split('?').next().unwrap_or_default().to_owned();
        let rid = call.trace.request_id.clone();
        let result = self.judged(call).await;
        let took = self.inner.clock.monotonic().saturating_sub(started);
        let (status, outcome) = match &result {
            Ok(answer) => (answer.status, status_class(answer.status)),
            Err(error) => (0, error.outcome()),
        };
        metrics::counter!("bodega_egress_requests_total", "target" => target, "outcome" => outcome).increment(1);
        metrics::histogram!("bodega_egress_duration_seconds", "target" => target).record(took.as_secs_f64());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(_) => tracing::info!(%method, host, path, status, ms, rid, outcome, "outbound call"),
            Err(error) => {
                tracing::warn!(%method, host, path, ms, rid, outcome, %error, "outbound call without an answer");
            }
        }
        result
    }

    async fn judged(&self, call: Call) -> Result<Answer, EgressError> {
        let key = BreakerKey { target: call.target, account: call.account.clone(), class: call.class };
        let permit = self.inner.breakers.admit(key).map_err(|until| EgressError::BreakerOpen { until })?;
        let result = self.exchange(call).await;
        permit.settle(match &result {
            Ok(answer) if answer.status >= 500 => Verdict::Failed,
            Ok(_) | Err(EgressError::TooLarge { .. }) => Verdict::Healthy,
            Err(EgressError::Offline { .. } | EgressError::Unknown { .. }) => Verdict::Failed,
            Err(EgressError::Blocked { .. } | EgressError::BreakerOpen { .. } | EgressError::Malformed(_)) => {
                Verdict::Nothing
            }
        });
        result
    }

    async fn exchange(&self, call: Call) -> Result<Answer, EgressError> {
        let limits = call.limits;
        let client = match call.endpoint.reach() {
            Reach::Public => &self.inner.public,
            Reach::Loopback => &self.inner.loopback,
        };
        let mut request = request(call)?;
        let captured = capture_connection(&mut request);
        let whole = async {
            let response = client.request(request).await.map_err(|error| classify(&error))?;
            read(response, limits.body).await
        };
        match tokio::time::timeout(limits.total, whole).await {
            Ok(result) => result,
            Err(_) if captured.connection_metadata().is_none() => Err(EgressError::Offline {
                cause: OfflineCause::ConnectTimeout,
                reason: format!("no connection within {:?}", limits.total),
            }),
            Err(_) => Err(EgressError::Unknown { reason: format!("no answer within {:?}", limits.total) }),
        }
    }
}

fn client(guarded: Guarded, limit: Duration) -> Result<HttpClient, Fault> {
    let broken = |error: rustls::Error| Fault::broken(format!("TLS cannot be set up: {error}"));
    let builder = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
        .map_err(broken)?;
    let builder = match guarded.reach {
        Reach::Public => builder.https_only(),
        Reach::Loopback => builder.https_or_http(),
    };
    let inner = builder.enable_http1().wrap_connector(guarded);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .http1_max_buf_size(HEAD_MAX)
        .build(Timed { inner, limit }))
}

fn request(call: Call) -> Result<Request<Full<Bytes>>, EgressError> {
    let uri: Uri =
        call.endpoint.at(&call.path).ok_or_else(|| EgressError::Malformed(format!("`{}` is not a path", call.path)))?;
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = call.headers;
    headers.remove(HOST);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if !call.trace.request_id.is_empty() {
        headers.insert("x-request-id", header_value("x-request-id", &call.trace.request_id)?);
    }
    if let Some(parent) = &call.trace.traceparent {
        headers.insert("traceparent", header_value("traceparent", parent)?);
    }
    Ok(request)
}

/// Tells what was not sent from what may have been. Hyper's "canceled" means that the request was still queued when the connection ended.
fn classify(error: &ClientError) -> EgressError {
    let mut unsent = error.is_connect();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(fault) = inner.downcast_ref::<ConnectFault>() {
            return fault.0.clone();
        }
        if let Some(http) = inner.downcast_ref::<hyper::Error>() {
            unsent |= http.is_canceled() || http.is_user();
        }
        text = inner.to_string();
        source = inner.source();
    }
    if unsent {
        EgressError::Offline { cause: OfflineCause::Connect, reason: text }
    } else {
        EgressError::Unknown { reason: text }
    }
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, EgressError> {
    let (head, mut body) = response.into_parts();
    let status = head.status.as_u16();
    let too_large = EgressError::TooLarge { status, limit };
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(too_large);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| EgressError::Unknown { reason: format!("the answer broke off ({error})") })?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len().saturating_add(data.len()) > limit {
            return Err(too_large);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Answer { status, headers: head.headers, body: whole.freeze() })
}

const fn status_class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
