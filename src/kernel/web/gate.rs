//! The gate: request id, limits, sign-in, rights, body, idempotency key, time-out, headers, log line. Every request passes it, no handler repeats it.

use super::call::{Answer, Call, fault_response, reply_response};
use super::limits::{Class, Counted, Left, Limiter, Limits};
use super::problem;
use super::route::{Access, Route};
use crate::base::error::{Fault, Kind};
use crate::base::id::TypedId as _;
use crate::kernel::actor::Actor;
use crate::kernel::once::{self, Key};
use crate::kernel::permit::Rights;
use crate::kernel::scope::{RequestMeta, Scope, Shared};
use crate::kernel::tenants::Tenant;
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Limited};
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// The API version of this release, echoed on every answer.
pub const API_VERSION: &str = "2026-11-21";
/// Longest time a handler has.
const HANDLER_MAX: Duration = Duration::from_secs(30);
/// Longest time a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest request id that is taken over from a caller.
const REQUEST_ID_MAX: usize = 100;

/// Settings of the web side.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// Requests per minute.
    pub limits: Limits,
}

/// Somebody who signed in.
pub struct Admission {
    /// Where.
    pub tenant: Arc<Tenant>,
    /// Who.
    pub actor: Actor,
    /// With which rights.
    pub rights: Rights,
    /// The token that unsafe requests must carry in `X-CSRF-Token`, for sign-in by cookie.
    pub csrf: Option<String>,
}

/// The answer of the gatekeeper.
pub type Admitting<'a> = Pin<Box<dyn Future<Output = Result<Option<Admission>, Fault>> + Send + 'a>>;

/// Knows who a request comes from. Implemented by the domain that owns users and tokens.
pub trait Gatekeeper: Send + Sync {
    /// Nobody when there are no credentials; a fault when there are wrong ones.
    fn admit<'a>(&'a self, shared: &'a Arc<Shared>, headers: &'a HeaderMap) -> Admitting<'a>;
}

/// What all requests share.
pub struct Gate {
    shared: Arc<Shared>,
    keeper: Arc<dyn Gatekeeper>,
    /// Counts requests; handlers with signatures count their own.
    pub limiter: Limiter,
}

/// From where a request came: set by the server for each connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// Whether over TLS.
    pub is_secure: bool,
}

/// What the gate learnt of a request on its way.
#[derive(Default)]
struct Seen {
    left: Option<Left>,
    tenant: Option<Arc<Tenant>>,
}

impl Gate {
    /// A gate over the product's parts.
    pub fn new(shared: Arc<Shared>, keeper: Arc<dyn Gatekeeper>, config: &WebConfig) -> Arc<Self> {
        let limiter = Limiter::new(config.limits, Arc::clone(&shared.clock));
        Arc::new(Self { shared, keeper, limiter })
    }

    /// The router of a table.
    pub fn router(self: &Arc<Self>, routes: &[Route]) -> Router {
        let mut router = Router::new();
        for route in routes {
            let gate = Arc::clone(self);
            let row = Arc::new(route.clone());
            let filter = match route.method {
                "POST" => MethodFilter::POST,
                "PUT" => MethodFilter::PUT,
                "DELETE" => MethodFilter::DELETE,
                "PATCH" => MethodFilter::PATCH,
                _ => MethodFilter::GET,
            };
            let serve = move |parameters: RawPathParams, request: Request| {
                let (gate, row) = (Arc::clone(&gate), Arc::clone(&row));
                async move { gate.serve(row, &parameters, request).await }
            };
            router = router.route(route.path, on(filter, serve));
        }
        let (absent, wrong) = (Arc::clone(self), Arc::clone(self));
        router
            .fallback(move |request: Request| {
                let gate = Arc::clone(&absent);
                async move { gate.refuse(&request, Kind::Missing, "no_such_route", "There is nothing at this address.") }
            })
            .method_not_allowed_fallback(move |request: Request| {
                let gate = Arc::clone(&wrong);
                async move { gate.refuse_method(&request) }
            })
    }

    fn refuse(&self, request: &Request, kind: Kind, code: &'static str, detail: &str) -> Response {
        let meta = self.meta(request.headers());
        finish(fault_response(&Fault::new(kind, code, detail), &meta.rid), &meta, None)
    }

    fn refuse_method(&self, request: &Request) -> Response {
        let meta = self.meta(request.headers());
        let detail = format!("{} is not possible here. The `Allow` header says what is.", request.method());
        let fault = Fault::new(Kind::Refused, "method_not_allowed", detail);
        finish(reply_response(problem::render_as(405, "Method not allowed", &fault, &meta.rid)), &meta, None)
    }

    /// Ids of the request: the caller's where they are well formed, else new ones.
    fn meta(&self, headers: &HeaderMap) -> RequestMeta {
        let id: crate::base::id::RequestId = self.shared.ids.make();
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(|text| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
            !text.is_empty() && text.len() <= REQUEST_ID_MAX && text.bytes().all(plain)
        });
        let rid: Arc<str> = given.map_or_else(|| Arc::from(format!("{id}")), Arc::from);
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let trace = parent.and_then(|text| text.split('-').nth(1)).filter(|trace| {
            trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()) && trace.bytes().any(|b| b != b'0')
        });
        let trace: Arc<str> = trace.map_or_else(|| Arc::from(data_encoding::HEXLOWER.encode(&id.bytes())), Arc::from);
        RequestMeta { id, rid, trace }
    }

    async fn serve(self: Arc<Self>, route: Arc<Route>, parameters: &RawPathParams, request: Request) -> Response {
        let started = self.shared.clock.monotonic();
        let meta = self.meta(request.headers());
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let span = tracing::info_span!("request", rid = %meta.rid, trace_id = %meta.trace, op = route.name);
        let method = request.method().clone();
        let if_none_match = request.headers().get(header::IF_NONE_MATCH).cloned();
        let mut seen = Seen::default();
        let outcome = self.pass(&route, parameters, request, &meta, &mut seen).instrument(span).await;
        let mut response = match outcome {
            Ok(answer) => answer.into_response(),
            Err(fault) => fault_response(&fault, &meta.rid),
        };
        if method == Method::GET {
            response = not_modified(response, if_none_match.as_ref()).await;
        }
        let elapsed = self.shared.clock.monotonic().saturating_sub(started);
        record(&route, &response, elapsed, &meta, seen.tenant.as_deref());
        finish(response, &meta, seen.left)
    }

    async fn pass(
        &self,
        route: &Route,
        parameters: HashMap<String, String>,
        request: Request,
        meta: &RequestMeta,
        seen: &mut Seen,
    ) -> Result<Answer, Fault> {
        let (parts, body) = request.into_parts();
        let unknown = Peer { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), is_secure: false };
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(unknown);
        if matches!(route.class, Class::Public | Class::SignIn) {
            seen.left = Some(self.limiter.take(route.class, Counted::Address(peer.address))?);
        }
        let admission = match route.access {
            Access::Signature => None,
            Access::SignedIn | Access::Needs(_) => self.keeper.admit(&self.shared, &parts.headers).await?,
            // A browser sends the cookie of a session that has ended unasked: it must still reach the sign-in.
            Access::Public => match self.keeper.admit(&self.shared, &parts.headers).await {
                Err(fault) if fault.kind == Kind::Unauthenticated => None,
                other => other?,
            },
        };
        if let Some(admission) = &admission {
            seen.tenant = Some(Arc::clone(&admission.tenant));
        }
        self.check(route, &parts.method, &parts.headers, admission.as_ref(), &mut seen.left)?;
        let bytes = read_body(route, &parts.headers, body).await?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let scope = match admission {
            None => None,
            Some(admission) => Some(self.scope(route, &parts, meta, admission, &bytes).await?),
        };
        let call = Call {
            shared: Arc::clone(&self.shared),
            request: meta.clone(),
            peer: peer.address,
            is_secure: peer.is_secure,
            headers: parts.headers,
            body: bytes,
            scope,
            parameters,
            query,
        };
        let running = AssertUnwindSafe((route.handler)(call)).catch_unwind();
        match tokio::time::timeout(HANDLER_MAX, running).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(Fault::broken(format!("the handler of {} panicked", route.name))),
            Err(_elapsed) => Err(Fault::new(
                Kind::Unavailable,
                "timed_out",
                "This took too long and was given up. Repeat it with the same Idempotency-Key.",
            )
            .retry_in(Duration::from_secs(5))),
        }
    }

    fn check(
        &self,
        route: &Route,
        method: &Method,
        headers: &HeaderMap,
        admission: Option<&Admission>,
        left: &mut Option<Left>,
    ) -> Result<(), Fault> {
        let needed = match route.access {
            Access::Public | Access::Signature => return Ok(()),
            Access::SignedIn => None,
            Access::Needs(permission) => Some(permission),
        };
        let Some(admission) = admission else {
            let detail = "Sign in, or send an API token as a bearer token.";
            return Err(Fault::new(Kind::Unauthenticated, "not_signed_in", detail));
        };
        if route.class == Class::Api {
            *left = Some(self.limiter.take(Class::Api, Counted::Caller(admission.actor.id_bytes()))?);
        }
        let is_unsafe = !matches!(*method, Method::GET | Method::HEAD);
        if is_unsafe && let Some(expected) = &admission.csrf {
            let given = headers.get("x-csrf-token").map(HeaderValue::as_bytes).unwrap_or_default();
            if !crate::infra::vault::same(expected.as_bytes(), given) {
                let detail = "The request does not carry this session's X-CSRF-Token.";
                return Err(Fault::new(Kind::Denied, "csrf_token_missing", detail));
            }
        }
        match needed {
            Some(permission) if !admission.rights.has(permission) => Err(Fault::new(
                Kind::Denied,
                "permission_missing",
                format!("You need the permission `{permission}` for this."),
            )),
            _ => Ok(()),
        }
    }

    async fn scope(
        &self,
        route: &Route,
        parts: &axum::http::request::Parts,
        meta: &RequestMeta,
        admission: Admission,
        body: &Bytes,
    ) -> Result<Scope, Fault> {
        let file = self.shared.tenants.file_async(admission.tenant.id).await?;
        let key = match parts.headers.get("idempotency-key") {
            Some(value) if matches!(parts.method, Method::POST | Method::PATCH) => {
                let value = value.to_str().unwrap_or_default();
                let path = parts.extensions.get::<MatchedPath>().map_or(route.path, |_| parts.uri.path());
                Some(Key::new(admission.actor, route.method, path, once::parse_header(value)?, body))
            }
            _ => None,
        };
        let Admission { tenant, actor, rights, .. } = admission;
        let scope = Scope::new(Arc::clone(&self.shared), tenant, file, actor, rights, meta.clone());
        Ok(scope.with_key(key))
    }
}

/// Reads the body within its size and time limits, after its content type was accepted.
async fn read_body(route: &Route, headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
    if route.body.is_some() {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail =
                format!("Send `Content-Type: application/json`, not `{}`.", crate::base::text::cut(essence, 60));
            return Err(Fault::new(Kind::UnsupportedMedia, "unsupported_content_type", detail));
        }
    } else if !route.raw_body {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let detail = format!("The body is larger than the {} bytes that are taken here.", route.body_max);
        Fault::new(Kind::TooLarge, "body_too_large", detail)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > route.body_max) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, route.body_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => {
            Err(Fault::new(Kind::Malformed, "body_incomplete", "The body ended before it was complete."))
        }
        Err(_elapsed) => Err(Fault::new(Kind::Malformed, "body_too_slow", "The body took longer than 20 s to arrive.")),
    }
}

/// A strong `ETag` on JSON answers, and 304 where the caller has it already.
async fn not_modified(response: Response, if_none_match: Option<&HeaderValue>) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if response.status() != StatusCode::OK || !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(parts, Body::empty());
    };
    let hash = crate::infra::vault::sha256(&[&bytes]);
    let hash = data_encoding::HEXLOWER.encode(hash.first_chunk::<12>().map_or(&[][..], |h| &h[..]));
    // A version that the handler gave stays readable in front: `If-Match` is compared with it, `If-None-Match` with all of it.
    let version = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| tag.trim_matches('"'));
    let tag = version.map_or_else(|| format!("\"{hash}\""), |version| format!("\"{version}-{hash}\""));
    let same = if_none_match
        .and_then(|value| value.to_str().ok())
        .is_some_and(|given| given == "*" || given.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    if let Ok(value) = HeaderValue::try_from(tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if same {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn record(route: &Route, response: &Response, elapsed: Duration, meta: &RequestMeta, tenant: Option<&Tenant>) {
    let status = response.status().as_u16();
    let class = match status {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    metrics::histogram!("bodega_http_request_duration_seconds", "op" => route.name).record(elapsed.as_secs_f64());
    metrics::counter!("bodega_http_requests_total", "op" => route.name, "status" => class).increment(1);
    let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    if let Some(tenant) = tenant {
        tracing::info!(
            rid = %meta.rid, trace_id = %meta.trace, tenant_id = %tenant.id, op = route.name, status, us, "request"
        );
    } else {
        tracing::info!(rid = %meta.rid, trace_id = %meta.trace, op = route.name, status, us, "request");
    }
}

/// Headers that every answer carries.
fn finish(mut response: Response, meta: &RequestMeta, left: Option<Left>) -> Response {
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("x-request-id", &meta.rid);
    put("api-version", API_VERSION);
    put("x-content-type-options", "nosniff");
    if let Some(left) = left {
        put("ratelimit-policy", &format!("\"{}\";q={};w=60", left.class.name(), left.quota));
        put("ratelimit", &format!("\"{}\";r={};t={}", left.class.name(), left.remaining, left.reset_seconds));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
