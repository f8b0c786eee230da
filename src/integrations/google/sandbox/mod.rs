//! A stand-in for Google's Merchant API and token service, served over real HTTP on this machine: for demo, training and tests (decision D25).
//!
//! It keeps what it is told, answers in the documented shapes and can be made to fail in the documented ways. It has two addresses: the vendor's,
//! which can be taken offline, and one for control, which cannot.
//!
//! | control call | what |
//! |---|---|
//! | `GET /_control` | faults, counters and records |
//! | `PUT /_control/faults` | sets all faults; what is left out is off |
//! | `GET /_control/inventory/{offerId}/{storeCode}` | one record with the inserts seen and the distinct effects they had |

mod merchant;
mod oauth;
mod server;
mod state;
mod validate;

pub use state::{Effect, Faults, InventoryRecord};

use super::SANDBOX_KEY;
use super::token::ServiceAccount;
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::Entropy;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use merchant::Asked;
use parking_lot::Mutex;
use serde_json::{Value, json};
use server::{Cut, Serving};
use state::World;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Largest request that is read.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// How a sandbox is set up.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Its time: limits, visibility and tokens follow it.
    pub clock: Arc<dyn Clock>,
    /// Where access tokens come from.
    pub entropy: Arc<dyn Entropy>,
    /// The Merchant account that exists in it.
    pub account_id: String,
    /// The data source that exists in it.
    pub data_source: String,
    /// The address for vendor calls; port 0 takes any.
    pub listen: SocketAddr,
}

impl SandboxConfig {
    /// Account 123456789 with data source 1000000001 on any port of this machine.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { clock, entropy, account_id: "123456789".to_owned(), data_source: "1000000001".to_owned(), listen }
    }
}

/// A running sandbox. Stops when dropped.
pub struct GoogleSandbox {
    /// The vendor's base address.
    pub url: String,
    /// The control API's base address, also when the vendor is offline.
    pub control_url: String,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    config: SandboxConfig,
    audience: String,
    account: ServiceAccount,
    world: Mutex<World>,
    offline: watch::Sender<bool>,
    applied: watch::Receiver<bool>,
}

/// What a handler answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl GoogleSandbox {
    /// Starts a sandbox. Fails when its address is taken, is not on this machine, or the key in the binary is damaged.
    #[expect(clippy::disallowed_methods, reason = "the emulator is a server of its own; it stops with its handle")]
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() {
            return Err(io::Error::other("a sandbox listens on this machine only"));
        }
        let listener = TcpListener::bind(config.listen).await?;
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let control_url = format!("http://{}", control.local_addr()?);
        let account = ServiceAccount::parse(SANDBOX_KEY).map_err(io::Error::other)?;
        let (offline, wanted) = watch::channel(false);
        let (report, applied) = watch::channel(false);
        let audience = format!("{url}/token");
        let shared =
            Arc::new(Shared { config, audience, account, world: Mutex::new(World::default()), offline, applied });
        let stop = CancellationToken::new();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (never, always_on) = watch::channel(false);
        tokio::spawn(Serving { app: app.clone(), wanted, report, stop: stop.clone() }.run(listener));
        tokio::spawn(Serving { app, wanted: always_on, report: never, stop: stop.clone() }.run(control));
        Ok(Self { url, control_url, shared, _stop: stop.drop_guard() })
    }

    /// The key file to sign with, its token address pointing here.
    pub fn key_json(&self) -> String {
        Self::key_json_for(&self.url)
    }

    /// The key file to sign with for the sandbox at `url`.
    pub fn key_json_for(url: &str) -> String {
        let mut key: Value = serde_json::from_str(SANDBOX_KEY).unwrap_or_default();
        if let Some(fields) = key.as_object_mut() {
            fields.insert("token_uri".to_owned(), Value::String(format!("{url}/token")));
        }
        key.to_string()
    }

    /// The account number that exists here.
    pub fn account_id(&self) -> &str {
        &self.shared.config.account_id
    }

    /// The data source that exists here.
    pub fn data_source(&self) -> &str {
        &self.shared.config.data_source
    }

    /// The faults that are on.
    pub fn faults(&self) -> Faults {
        self.shared.world.lock().faults.clone()
    }

    /// Sets all faults. Returns when they hold: when it goes offline, the port is closed.
    pub async fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults).await;
    }

    /// What `GET /_control` answers.
    pub fn snapshot(&self) -> Value {
        self.shared.world.lock().snapshot()
    }

    /// The record of one item in one store.
    pub fn inventory(&self, offer_id: &str, store_code: &str) -> Option<InventoryRecord> {
        self.shared.world.lock().inventory(offer_id, store_code)
    }

    /// Makes all access tokens invalid, as Google does when a key is rotated.
    pub fn revoke_tokens(&self) {
        self.shared.world.lock().tokens.clear();
    }
}

impl Shared {
    async fn set_faults(&self, faults: Faults) {
        let offline = faults.offline;
        self.world.lock().faults = faults;
        self.offline.send_replace(offline);
        let mut applied = self.applied.clone();
        // An error means that the server has stopped, and then there is nothing to wait for.
        drop(applied.wait_for(|now| *now == offline).await);
    }

    async fn control(&self, method: &Method, path: &[&str], body: &[u8]) -> Reply {
        match (method, path) {
            (&Method::GET, []) => Reply { status: 200, body: self.world.lock().snapshot() },
            (&Method::PUT, ["faults"]) => match serde_json::from_slice::<Faults>(body) {
                Ok(faults) => {
                    self.set_faults(faults).await;
                    Reply { status: 200, body: json!(self.world.lock().faults) }
                }
                Err(error) => Reply { status: 400, body: json!({"error": error.to_string()}) },
            },
            (&Method::GET, ["inventory", offer, store]) => {
                match self.world.lock().inventory(&decoded(offer), &decoded(store)) {
                    Some(record) => Reply { status: 200, body: json!(record) },
                    None => Reply { status: 404, body: json!({"error": "no such record"}) },
                }
            }
            _ => Reply { status: 404, body: json!({"error": "no such control"}) },
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let now = shared.config.clock.now();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return respond(
            now,
            &Reply { status: 413, body: json!({"error": {"code": 413, "message": "Request too large."}}) },
        );
    };
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    if let ["_control", rest @ ..] = segments.as_slice() {
        return respond(now, &shared.control(&head.method, rest, &body).await);
    }
    let reply = {
        let mut world = shared.world.lock();
        world.requests = world.requests.saturating_add(1);
        let reply = if segments == ["token"] {
            oauth::token(&mut world, &shared.config, &shared.account, &shared.audience, &body)
        } else {
            let asked = Asked {
                method: head.method,
                segments,
                query: head.uri.query().unwrap_or_default(),
                bearer: text(&head.headers, "authorization").strip_prefix("Bearer "),
                request_id: text(&head.headers, "x-request-id"),
                body: &body,
            };
            merchant::handle(&mut world, &shared.config, &asked, now)
        };
        world.count(reply.status);
        reply
    };
    if shared.world.lock().faults.lose_answers
        && let Some(cut) = head.extensions.get::<Cut>()
    {
        cut.0.cancel();
        return std::future::pending().await;
    }
    respond(now, &reply)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn respond(now: Timestamp, reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.to_string()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    let instant = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&instant);
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.insert(header::DATE, date);
    }
    response
}

/// Undoes per cent encoding; what cannot be decoded stays as it is.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let pair = (byte == b'%').then(|| {
            let mut ahead = bytes.clone();
            let (high, low) = (ahead.next()?, ahead.next()?);
            let digits = [high, low];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        });
        match pair.flatten() {
            Some(value) => {
                out.push(value);
                bytes.next();
                bytes.next();
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
