//! An instance that serves on loopback, and a client that sends exactly the bytes it is told to.

use bodega::app::{App, Setup, own_request};
use bodega::base::clock::{Clock, ManualClock, Timestamp};
use bodega::base::id::{ChannelId, Entropy, TokenId};
use bodega::domain::auth::service as auth;
use bodega::domain::channels::service::{self as channels, NewChannel};
use bodega::infra::queue::Backend;
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::GoogleEndpoints;
use bodega::kernel::permit::Rights;
use bodega::kernel::scope::{Scope, Shared};
use bodega::kernel::web::Route;
use bodega::kernel::web::limits::Limits;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What the shop's deliveries are signed with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Longest time that an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const MANY: u32 = 100_000_000;
/// So many requests that no test meets a limit it does not look for.
pub(crate) const UNLIMITED: Limits =
    Limits { public: MANY, sign_in: MANY, api: MANY, channel: MANY, bad_signature: MANY };

/// An instance that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) table: Vec<Route>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A store with a token that may do everything.
pub(crate) struct Tenanted {
    pub(crate) scope: Scope,
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// A header's value; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The problem's code, and the place of its first complaint, as in `pointer /lines`.
    pub(crate) fn complaint(&self) -> (String, String) {
        let body = self.json();
        let first = &body["errors"][0];
        let place = ["pointer", "parameter", "header"].into_iter().find_map(|kind| Some((kind, first[kind].as_str()?)));
        let place = place.map(|(kind, name)| format!("{kind} {name}")).unwrap_or_default();
        (body["code"].as_str().unwrap_or_default().to_owned(), place)
    }
}

/// A request, written out byte by byte.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_chunked: bool,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: Vec::new(), is_chunked: false }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A body without a content type.
    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A body that says that it is JSON.
    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").bytes(body)
    }

    /// The body in chunks, its length unsaid.
    pub(crate) fn chunked(mut self) -> Self {
        self.is_chunked = true;
        self
    }

    /// Signed as Shopify signs.
    pub(crate) fn delivery(self, body: impl Into<Vec<u8>>, delivery: &str) -> Self {
        let body = body.into();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = data_encoding::BASE64.encode(ring::hmac::sign(&key, &body).as_ref());
        self.header("x-shopify-hmac-sha256", &signature)
            .header("x-shopify-topic", "orders/create")
            .header("x-shopify-webhook-id", delivery)
            .header("x-shopify-shop-domain", "shop.myshopify.com")
            .header("x-shopify-api-version", "2026-10")
            .json(body)
    }

    fn written(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: store.test\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
        }
        let announces = self.headers.iter().any(|(name, _)| name == "content-length");
        if self.is_chunked {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            let mut bytes = head.into_bytes();
            for chunk in self.body.chunks(64 * 1024) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            return bytes;
        }
        if !announces && (!self.body.is_empty() || self.method != "GET") {
            head.extend(["content-length: ", &self.body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

impl Served {
    /// An empty instance whose time stands still. Background work runs.
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_with(limits, |_shared| Vec::new()).await
    }

    /// The same with routes beside those of every instance.
    pub(crate) async fn start_with(limits: Limits, more: impl FnOnce(&Arc<Shared>) -> Vec<Route>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_795_219_200_000)));
        let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let setup = Setup {
            data: folder.path().join("data"),
            clock: as_clock,
            entropy,
            limits,
            backend: Backend::Memory,
            open_files: 8,
            may_create_key: true,
            // Nobody is there: what is pushed is parked.
            google: GoogleEndpoints::sandbox("http://127.0.0.1:9").unwrap(),
            is_demo: false,
        };
        let app = App::open(setup, more).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, table, stop) = (Arc::clone(app.shared()), app.table().to_vec(), app.stop_token().clone());
        app.start_work();
        tokio::spawn(app.serve(listener));
        Self { address, shared, clock, table, stop, _folder: folder }
    }

    /// A new store.
    pub(crate) async fn store(&self, handle: &str) -> Tenanted {
        let tenant = self.shared.tenants.create(&self.shared.ids, self.clock.now(), handle, handle).await.unwrap();
        let scope = Scope::system(&self.shared, &tenant, own_request(&self.shared)).await.unwrap();
        let (_, token) = auth::create_token(&scope, "all", Rights::all(), None).await.unwrap();
        Tenanted { scope, token }
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn send(&self, ask: &Ask) -> Got {
        self.send_bytes(&ask.written()).await.expect("an answer")
    }

    /// Sends bytes as they are. None if the connection was closed without an answer.
    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> Option<Got> {
        exchange(self.address, bytes).await
    }
}

/// Sends bytes to an address and reads the answer to its end.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Got> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let written = async {
        // Whoever refuses a body does not read it to its end.
        drop(writer.write_all(bytes).await);
    };
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            }
            if is_whole(&answer) {
                return;
            }
        }
    };
    tokio::time::timeout(ANSWER_MAX, async {
        tokio::pin!(read);
        tokio::select! {
            () = &mut read => {}
            () = written => read.await,
        }
    })
    .await
    .expect("an answer in time");
    parsed(&answer)
}

fn is_whole(bytes: &[u8]) -> bool {
    parsed(bytes).is_some_and(|got| {
        let length: Option<usize> = got.header("content-length").parse().ok();
        length.is_some_and(|length| got.body.len() >= length)
    })
}

fn parsed(bytes: &[u8]) -> Option<Got> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Got { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
}

impl Tenanted {
    /// A Shopify channel that signs with [`SECRET`].
    pub(crate) async fn channel(&self) -> ChannelId {
        let new = NewChannel {
            provider: "shopify".to_owned(),
            name: "Shop".to_owned(),
            external_shop: "shop.myshopify.com".to_owned(),
            secret: SECRET.to_owned(),
            warehouses: Vec::new(),
        };
        self.scope.write(&channels::CREATE, move |cx| channels::create_in(cx, &new)).await.unwrap()
    }

    /// A token with some rights.
    pub(crate) async fn token(&self, rights: Rights, expires: Option<Timestamp>) -> (TokenId, String) {
        auth::create_token(&self.scope, "some", rights, expires).await.unwrap()
    }
}

/// A request, and the status, code and place of complaint that answer it.
pub(crate) type Row = (&'static str, Ask, u16, &'static str, String);

/// A read by a store's own token.
pub(crate) fn get(store: &Tenanted, path: &str) -> Ask {
    Ask::new("GET", path).token(&store.token)
}

/// A write by a store's own token.
pub(crate) fn post(store: &Tenanted, path: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask::new("POST", path).token(&store.token).json(body)
}

/// Sends each request and complains of all whose answer is another, or no problem document.
pub(crate) async fn check(served: &Served, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, ask, status, code, place) in rows {
        let got = served.send(&ask).await;
        let seen = (got.status, got.complaint());
        if seen != (status, (code.to_owned(), place.clone())) {
            wrong.push(format!(
                "{name}: {seen:?}, not {status} {code} {place}\n    {}",
                String::from_utf8_lossy(&got.body)
            ));
        }
        let body = got.json();
        let is_problem = got.header("content-type") == "application/problem+json"
            && body["status"] == json!(got.status)
            && body["request_id"] == got.header("x-request-id")
            && body["title"].as_str().is_some_and(|title| !title.is_empty())
            && body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty() && (got.status == 400 || !detail.contains("at line")));
        if !is_problem {
            wrong.push(format!("{name} is no problem document: {body}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
