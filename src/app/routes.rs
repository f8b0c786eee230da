//! The whole route table, and the routes of the service itself.

use crate::base::error::{Fault, Kind};
use crate::domain::channels::hook::http::{self as hook, HookParts};
use crate::domain::channels::service::Ports;
use crate::domain::{audit, auth, catalog, channels, feeds, inventory, orders};
use crate::infra::db::{DbError, Lane};
use crate::infra::telemetry;
use crate::kernel::scope::Shared;
use crate::kernel::store as kernel_store;
use crate::kernel::tenants::StoreFile;
use crate::kernel::web::call::{Answer, json};
use crate::kernel::web::gate::API_VERSION;
use crate::kernel::web::limits::Class;
use crate::kernel::web::{Access, Call, Gate, Route, openapi};
use crate::kernel::work::{self, Runner};
use crate::surface::ui;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, Uri, header};
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// What the table is made of.
pub struct Parts<'a> {
    /// What all scopes share.
    pub shared: &'a Arc<Shared>,
    /// Background work.
    pub runner: &'a Arc<Runner>,
    /// The vendors whose deliveries are read.
    pub ports: &'a Ports,
    /// Cancelled when the instance stops.
    pub stop: &'a CancellationToken,
    /// Whether this is the demo.
    pub is_demo: bool,
    /// Where Google is.
    pub google_endpoint: String,
    /// Makes clients of Google.
    pub google: &'a Arc<dyn feeds::port::FeedPorts>,
}

/// The table of everything, and the slot in which the hook finds the gate.
pub fn table(parts: &Parts<'_>) -> (Vec<Route>, Arc<OnceLock<Arc<Gate>>>) {
    let gate: Arc<OnceLock<Arc<Gate>>> = Arc::new(OnceLock::new());
    let mut routes = Vec::new();
    routes.extend(auth::http::routes(auth::http::SessionContext { is_demo: parts.is_demo }));
    routes.extend(catalog::http::routes());
    routes.extend(inventory::http::routes());
    routes.extend(inventory::reconcile::http::routes());
    routes.extend(orders::http::routes());
    routes.extend(channels::http::routes());
    routes.push(hook::route(HookParts { ports: Arc::clone(parts.ports), gate: Arc::clone(&gate) }));
    routes.extend(feeds::http::routes(&feeds::http::FeedsWiring {
        ports: Arc::clone(parts.google),
        endpoint_default: parts.google_endpoint.clone(),
        paused_until: feeds::http::paused_by(parts.runner),
    }));
    routes.extend(work::http::routes(parts.runner));
    routes.extend(audit::http::routes(parts.stop));
    routes.extend(service(parts));
    let document = Arc::new(openapi::document(&routes).to_string());
    routes.push(
        Route::get("/openapi.json", "openapi_get", Access::Public, move |_call| {
            let document = Arc::clone(&document);
            async move { Ok(text("application/json", document.as_bytes().to_vec())) }
        })
        .limited_as(Class::Free)
        .summary("This document.")
        .answers_plain(200, "OpenAPI 3.1.", Some("application/json")),
    );
    (routes, gate)
}

/// The table as a router, with the admin pages.
pub fn router(gate: &Arc<Gate>, table: &[Route]) -> Router {
    let pages = Router::new()
        .route("/", get(|| async { redirect("/admin/") }))
        .route("/admin", get(page))
        .route("/admin/", get(page))
        .route("/admin/{*path}", get(page));
    gate.router_beside(pages, table)
}

async fn page(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let takes_gzip = text(header::ACCEPT_ENCODING).is_some_and(|value| value.contains("gzip"));
    ui::respond(uri.path(), takes_gzip, text(header::IF_NONE_MATCH))
}

fn redirect(to: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
    response
}

fn text(content_type: &'static str, body: Vec<u8>) -> Answer {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Answer::Response(Box::new(response))
}

/// Whether the instance is alive.
#[derive(Serialize, JsonSchema)]
struct Alive {
    /// `ok`
    status: &'static str,
}

/// Which release this is.
#[derive(Serialize, JsonSchema)]
struct Release {
    /// Of the binary.
    version: &'static str,
    /// Of the API.
    api_version: &'static str,
    /// Of the linked SQLite.
    sqlite: &'static str,
}

/// Whether each part can do its work.
#[derive(Serialize, JsonSchema)]
struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// Each part with its state.
    parts: Vec<Part>,
}

/// One part.
#[derive(Serialize, JsonSchema)]
struct Part {
    /// Its name.
    name: String,
    /// `ok`, `degraded` or `failed`.
    state: &'static str,
    /// Why it is not ok.
    detail: Option<String>,
}

fn service(parts: &Parts<'_>) -> Vec<Route> {
    let (runner, stop) = (Arc::clone(parts.runner), parts.stop.clone());
    let free = |route: Route| route.limited_as(Class::Free);
    vec![
        free(Route::get("/healthz", "health_get", Access::Public, |_call| async {
            json(200, &Alive { status: "ok" })
        }))
        .summary("Whether the process is alive. Touches no disk.")
        .answers::<Alive>(200, "Alive."),
        free(Route::get("/readyz", "ready_get", Access::Public, move |call| {
            let (runner, stop) = (Arc::clone(&runner), stop.clone());
            async move { readiness(&call, &runner, stop.is_cancelled()).await }
        }))
        .summary("Whether each part can do its work.")
        .answers::<Readiness>(200, "Ready.")
        .answers::<Readiness>(503, "Not ready."),
        free(Route::get("/version", "version_get", Access::Public, |_call| async {
            let sqlite = rusqlite::version();
            json(200, &Release { version: env!("CARGO_PKG_VERSION"), api_version: API_VERSION, sqlite })
        }))
        .summary("Which release this is.")
        .answers::<Release>(200, "The versions."),
        free(Route::get("/metrics", "metrics_get", Access::Public, |_call| async {
            let registry = telemetry::registry().ok_or_else(|| {
                Fault::new(Kind::Unavailable, "no_metrics", "The registry of figures could not be installed.")
            })?;
            Ok(text("text/plain; version=0.0.4; charset=utf-8", registry.render().into_bytes()))
        }))
        .summary("Figures for Prometheus.")
        .answers_plain(200, "The figures.", Some("text/plain; version=0.0.4; charset=utf-8")),
    ]
}

/// Bytes without which the instance is not ready: a write that still finds room within a log is one of the last.
const ROOM_MIN: u64 = 1024 * 1024;

async fn readiness(call: &Call, runner: &Runner, is_stopping: bool) -> Result<Answer, Fault> {
    let mut parts = Vec::new();
    let part = |name: &str, state: &'static str, detail: Option<String>| Part { name: name.to_owned(), state, detail };
    let tenants = &call.shared.tenants;
    parts.push(match probe(call, tenants.control()).await {
        Ok(()) => part("control", "ok", None),
        Err(error) => part("control", "failed", Some(error.to_string())),
    });
    parts.push(match tenants.control().room_left() {
        Ok(bytes) if bytes >= ROOM_MIN => part("disk", "ok", None),
        Ok(bytes) => {
            part("disk", "failed", Some(format!("only {bytes} bytes are left on the disk of the data folder")))
        }
        Err(error) => part("disk", "failed", Some(error.to_string())),
    });
    let queue = runner.queue().health();
    let state = if queue.degraded.is_some() { "degraded" } else { "ok" };
    parts.push(part("queue", state, queue.degraded));
    for file in tenants.open_files() {
        let vitals = file.vitals();
        // Asked again: nobody sends writes to an instance that is not ready, so without this it would never be ready again.
        if (vitals.is_disk_full || vitals.is_degraded)
            && let Err(error) = probe(call, &file).await
        {
            parts.push(part(&file.id().to_string(), "failed", Some(error.to_string())));
        }
    }
    if is_stopping {
        parts.push(part("process", "failed", Some("stopping".to_owned())));
    }
    let is_ready = parts.iter().all(|part| part.state != "failed");
    let (status, word) = if is_ready { (200, "ready") } else { (503, "not_ready") };
    json(status, &Readiness { status: word, parts })
}

/// A write that somebody would notice if it failed.
async fn probe(call: &Call, file: &StoreFile) -> Result<(), DbError> {
    let now = call.shared.clock.now();
    file.write(Lane::Interactive, move |batch| batch.atomic(|tx, _ledger| kernel_store::meta_put(tx, "probe", now)))
        .await
}

/// The OpenAPI document of a table.
pub fn openapi_document(table: &[Route]) -> serde_json::Value {
    openapi::document(table)
}
