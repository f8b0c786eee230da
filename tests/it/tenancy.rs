//! Every route of the table, walked by those who may not: another store, nobody, and somebody without the right. And every write leaves its fact.

use crate::harness::http::{Ask, Got, Served, Tenanted, UNLIMITED};
use bodega::app::demo_http;
use bodega::base::clock::{Clock as _, SystemClock, Timestamp};
use bodega::base::id::UserId;
use bodega::domain::auth::service::{self as auth, NewUser};
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::sandbox::{GoogleSandbox, SandboxConfig};
use bodega::kernel::permit::{Permission, Rights};
use bodega::kernel::web::{Access, Route};
use serde_json::{Value, json};
use std::sync::Arc;

const EMAIL: &str = "ann@example.test";
const PASSWORD: &str = "correct horse battery";

/// What stands in a store, by the names that paths and bodies ask for.
struct Stock {
    store: Tenanted,
    user: UserId,
    order: String,
    product: String,
    variant: String,
    warehouse: String,
    channel: String,
    /// In quarantine.
    message: String,
    /// The dead letter of the message.
    job: String,
    spare_token: String,
    service_account: Value,
}

/// What a successful request leaves in the journal.
#[derive(PartialEq, Eq)]
enum Leaves {
    /// Reads leave nothing.
    Nothing,
    /// At least one fact of this request.
    Fact,
    /// No fact, for a reason.
    NoFact(&'static str),
}

/// How an operation is called so that it succeeds.
struct Recipe {
    path: String,
    body: Option<Value>,
    leaves: Leaves,
}

async fn service_account() -> Value {
    let clock = Arc::new(SystemClock::starting_at(Timestamp(0)));
    let google = GoogleSandbox::start(SandboxConfig::new(clock, Arc::new(SystemEntropy))).await.unwrap();
    serde_json::from_str(&google.key_json()).unwrap()
}

fn connection(service_account: &Value) -> Value {
    json!({
        "account_id": "1234567", "data_source": "7654321", "content_language": "de", "feed_label": "DE",
        "service_account": service_account,
    })
}

impl Stock {
    async fn fill(served: &Served, handle: &str) -> Self {
        let store = served.store(handle).await;
        let call = async |method: &str, path: &str, body: Option<Value>| {
            let ask = Ask::new(method, &format!("/api/v1{path}")).token(&store.token);
            let ask = body.map_or(ask.clone(), |body| ask.json(body.to_string()));
            let got = served.send(&ask).await;
            assert!((200..300).contains(&got.status), "{method} {path}: {}", got.json());
            got.json()
        };
        let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
        let warehouse = id(&call("POST", "/warehouses", Some(json!({ "code": "MAIN", "name": "Main" }))).await);
        let price = json!({ "amount": "9.90", "currency": "EUR" });
        let made = json!({ "title": format!("Tea of {handle}"), "variants": [{ "sku": "TEE-7", "price": price }] });
        let product = call("POST", "/products", Some(made)).await;
        let variant = id(&product["variants"][0]);
        let receipt = json!({ "variant_id": variant, "warehouse_id": warehouse, "delta": 50, "kind": "receipt", "reason": "new" });
        call("POST", "/inventory/adjustments", Some(receipt)).await;
        let order =
            json!({ "currency": "EUR", "lines": [{ "variant_id": variant, "quantity": 1, "unit_price": price }] });
        let order = id(&call("POST", "/orders", Some(order)).await);
        let channel = store.channel().await.to_string();
        let token = json!({ "name": "spare", "permissions": ["order.read"] });
        let spare_token = id(&call("POST", "/tokens", Some(token)).await);
        let password = Some(PASSWORD.to_owned());
        let email = format!("{handle}.{EMAIL}");
        let new = NewUser { email, name: "Ann".to_owned(), password, rights: Rights::all() };
        let user = auth::create_user(&store.scope, new).await.unwrap();
        let service_account = service_account().await;
        call("PUT", "/integrations/google", Some(connection(&service_account))).await;
        let (product, message, job) = (id(&product), String::new(), String::new());
        let mut stock = Self {
            store,
            user,
            order,
            product,
            variant,
            warehouse,
            channel,
            message,
            job,
            spare_token,
            service_account,
        };
        stock.hold_a_message(served, "first").await;
        stock
    }

    /// A new message in quarantine with its dead letter: most of what can be done to them uses them up.
    async fn hold_a_message(&mut self, served: &Served, delivery: &str) {
        let hook = Ask::new("POST", &format!("/hooks/shopify/{}", self.channel)).delivery("{}", delivery);
        let got = served.send(&hook).await;
        assert_eq!(got.status, 200, "{}", got.json());
        let message = got.json()["message_id"].as_str().unwrap().to_owned();
        let channel = &self.channel;
        let newest = async |path: &str| {
            let got = served.send(&Ask::new("GET", path).token(&self.store.token)).await.json();
            got["data"][0]["id"].as_str().unwrap_or_default().to_owned()
        };
        while newest(&format!("/api/v1/channels/{channel}/quarantine?limit=1")).await != message {
            tokio::task::yield_now().await;
        }
        let job = newest("/api/v1/jobs/dead-letters?limit=1").await;
        (self.message, self.job) = (message, job);
    }

    /// All ids by which somebody else could reach this store.
    fn ids(&self) -> Vec<&str> {
        let goods = [&self.order, &self.product, &self.variant, &self.warehouse];
        let rest = [&self.channel, &self.spare_token, &self.message, &self.job];
        goods.into_iter().chain(rest).map(String::as_str).collect()
    }

    /// The path of a route, with this store's ids. None for a parameter that the walk does not know: it must learn it.
    fn path(&self, route: &Route) -> Option<String> {
        let mut path = route.path.to_owned();
        for name in route.parameters() {
            let kind =
                route.path.strip_prefix("/api/v1/").unwrap_or(route.path).split('/').find(|part| !part.is_empty())?;
            let id = match (kind, name) {
                ("orders", "id") => &self.order,
                ("products", "id") => &self.product,
                ("variants", "id") | ("feeds", "variant_id") => &self.variant,
                ("channels", "id") | ("hooks", "channel_id") => &self.channel,
                ("channels", "message_id") => &self.message,
                ("jobs", "id") => &self.job,
                ("tokens", "id") => &self.spare_token,
                ("hooks", "provider") => "shopify",
                _ => return None,
            };
            path = path.replace(&format!("{{{name}}}"), id);
        }
        Some(path)
    }

    /// How the operation succeeds in this store. None for one that the walk does not know: it must learn it.
    async fn recipe(&self, route: &Route) -> Option<Recipe> {
        let path = self.path(route)?;
        let price = json!({ "amount": "9.90", "currency": "EUR" });
        let (variant, warehouse) = (&self.variant, &self.warehouse);
        if route.method == "GET" {
            return Some(Recipe { path, body: None, leaves: Leaves::Nothing });
        }
        let body = match route.name {
            "session_start" => {
                let email = format!("{}.{EMAIL}", self.store.scope.tenant().handle);
                Some(json!({ "email": email, "password": PASSWORD }))
            }
            "session_start_by_link" => {
                let code = auth::create_link(&self.store.scope, self.user).await.unwrap();
                Some(json!({ "code": code }))
            }
            "token_create" => Some(json!({ "name": "another", "permissions": ["order.read"] })),
            "product_create" => Some(json!({ "title": "Coffee", "variants": [{ "sku": "KAFFEE-1", "price": price }] })),
            "product_update" | "variant_update" => Some(json!({ "title": "Green tea" })),
            "warehouse_create" => Some(json!({ "code": "DEPOT", "name": "Depot" })),
            "inventory_adjust" => Some(
                json!({ "variant_id": variant, "warehouse_id": warehouse, "delta": 1, "kind": "return", "reason": "back" }),
            ),
            "order_place" => Some(
                json!({ "currency": "EUR", "lines": [{ "variant_id": variant, "quantity": 1, "unit_price": price }] }),
            ),
            "channel_create" => Some(json!({
                "provider": "shopify", "name": "Second", "external_shop": "second.myshopify.com", "secret": "s".repeat(32),
                "warehouse_ids": [warehouse],
            })),
            "channel_rotate_secret" => Some(json!({ "secret": "t".repeat(32) })),
            "channel_sku_map" => Some(json!({ "external_sku": "TEE-SEVEN", "variant_id": variant })),
            "google_put" => Some(connection(&self.service_account)),
            "dead_letters_retry" | "job_discard" | "demo_google_faults_put" | "order_cancel" => Some(json!({})),
            "demo_orders_send" => Some(json!({ "count": 1 })),
            "session_end"
            | "token_revoke"
            | "channel_message_replay"
            | "channel_message_discard"
            | "job_retry"
            | "google_delete"
            | "inventory_reconcile"
            | "feed_item_push"
            | "hook_receive" => None,
            _ => return None,
        };
        let leaves = match route.name {
            "hook_receive" => Leaves::NoFact("the stored message is the record; its intake leaves the facts"),
            name if name.starts_with("demo_") => Leaves::NoFact("moves the emulators, nothing of the store"),
            "feed_item_push" => {
                Leaves::NoFact("asks for work only: the job stands in the outbox, its outcome leaves the fact")
            }
            _ => Leaves::Fact,
        };
        Some(Recipe { path, body, leaves })
    }
}

fn ask(route: &Route, recipe: &Recipe) -> Ask {
    let ask = Ask::new(route.method, &recipe.path);
    recipe.body.as_ref().map_or(ask.clone(), |body| ask.json(body.to_string()))
}

/// The table with the demo's own routes, whose emulators never start.
async fn start() -> Served {
    Served::start_with(UNLIMITED, |_shared| demo_http::routes(&Arc::default())).await
}

fn is_guarded(route: &Route) -> bool {
    matches!(route.access, Access::SignedIn | Access::Needs(_))
}

fn problem(got: &Got) -> (u16, String) {
    (got.status, got.complaint().0)
}

/// AU3: another store's ids are not there: never data, never a hint that they exist.
#[tokio::test]
async fn no_route_gives_or_takes_anything_of_another_store() {
    let served = start().await;
    let (ours, theirs) = (Stock::fill(&served, "ours").await, Stock::fill(&served, "theirs").await);
    let mut walked = 0;
    for route in served.table.iter().filter(|route| is_guarded(route)) {
        let name = route.name;
        let recipe = theirs.recipe(route).await.unwrap_or_else(|| panic!("the walk has no recipe for {name}"));
        if name == "events_stream" || name.starts_with("demo_") {
            continue;
        }
        if route.parameters().next().is_some() {
            let got = served.send(&ask(route, &recipe).token(&ours.store.token)).await;
            assert_eq!(got.status, 404, "{name}: {}", got.json());
            walked += 1;
        } else if route.method == "GET" {
            let got = served.send(&ask(route, &recipe).token(&ours.store.token)).await;
            let text = String::from_utf8(got.body).unwrap();
            let leaked: Vec<_> = theirs.ids().into_iter().filter(|id| text.contains(id)).collect();
            assert!(leaked.is_empty(), "{name} shows {leaked:?} of another store");
        }
    }
    assert!(walked >= 20, "{walked} routes were walked");
    // Ids in bodies.
    let price = json!({ "amount": "9.90", "currency": "EUR" });
    let adjust = |variant: &str, warehouse: &str| json!({ "variant_id": variant, "warehouse_id": warehouse, "delta": 1, "kind": "return", "reason": "back" });
    let lines = json!([{ "variant_id": theirs.variant, "quantity": 1, "unit_price": price }]);
    let channel = json!({
        "provider": "shopify", "name": "x", "external_shop": "x.myshopify.com", "secret": "s".repeat(32),
        "warehouse_ids": [theirs.warehouse],
    });
    let mapping = json!({ "external_sku": "X", "variant_id": theirs.variant });
    for (path, body, status) in [
        ("/api/v1/orders".to_owned(), json!({ "currency": "EUR", "lines": lines }), 422),
        ("/api/v1/inventory/adjustments".to_owned(), adjust(&theirs.variant, &ours.warehouse), 404),
        ("/api/v1/inventory/adjustments".to_owned(), adjust(&ours.variant, &theirs.warehouse), 404),
        (format!("/api/v1/channels/{}/mappings", ours.channel), mapping, 404),
        ("/api/v1/channels".to_owned(), channel, 422),
    ] {
        let got = served.send(&Ask::new("POST", &path).token(&ours.store.token).json(body.to_string())).await;
        assert_eq!(got.status, status, "{path} {body}: {}", got.json());
    }
    // Ids in queries find nothing.
    for path in [
        format!("/api/v1/orders?channel_id={}", theirs.channel),
        format!("/api/v1/inventory/levels?variant_id={}", theirs.variant),
        format!("/api/v1/inventory/levels?warehouse_id={}", theirs.warehouse),
        format!("/api/v1/inventory/movements?variant_id={}", theirs.variant),
        format!("/api/v1/inventory/reservations?order_id={}", theirs.order),
        format!("/api/v1/variants?product_id={}", theirs.product),
        format!("/api/v1/audit?entity_id={}", theirs.order),
    ] {
        let got = served.send(&Ask::new("GET", &path).token(&ours.store.token)).await;
        assert_eq!((got.status, &got.json()["data"]), (200, &json!([])), "{path}");
    }
    // A message of theirs below a channel of ours.
    let mixed = format!("/api/v1/channels/{}/inbox/{}", ours.channel, theirs.message);
    assert_eq!(served.send(&Ask::new("GET", &mixed).token(&ours.store.token)).await.status, 404);
}

/// RA7.1: nobody gets past a route that is not public, and who lacks the right is told which one.
#[tokio::test]
async fn no_route_is_open_to_nobody_or_to_somebody_without_the_right() {
    let served = start().await;
    let stock = Stock::fill(&served, "main").await;
    let mut named = 0;
    for route in &served.table {
        let name = route.name;
        let recipe = stock.recipe(route).await.unwrap_or_else(|| panic!("the walk has no recipe for {name}"));
        let got = if name == "hook_receive" || is_guarded(route) {
            served.send(&ask(route, &recipe)).await
        } else {
            continue;
        };
        let code = if name == "hook_receive" { "bad_signature" } else { "not_signed_in" };
        assert_eq!(problem(&got), (401, code.to_owned()), "{name}");
        let Access::Needs(needed) = route.access else { continue };
        let others: Rights = Permission::ALL.iter().copied().filter(|right| *right != needed).collect();
        let (_, poor) = stock.store.token(others, None).await;
        let got = served.send(&ask(route, &recipe).token(&poor)).await;
        assert_eq!(problem(&got), (403, "permission_missing".to_owned()), "{name}");
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{needed}`")), "{name}: {detail}");
        named += 1;
    }
    assert!(named >= 40, "{named} routes need a right");
    let public: Vec<&str> =
        served.table.iter().filter(|route| route.access == Access::Public).map(|route| route.name).collect();
    let known = [
        "session_start",
        "session_start_by_link",
        "health_get",
        "ready_get",
        "version_get",
        "metrics_get",
        "openapi_get",
    ];
    assert_eq!(public, known, "a route that anybody may call is a decision");
}

async fn facts_of(served: &Served, store: &Tenanted, request: &str) -> usize {
    let got = served.send(&Ask::new("GET", "/api/v1/audit?limit=250").token(&store.token)).await;
    let rows = got.json()["data"].as_array().unwrap().clone();
    rows.iter().filter(|row| row["request_id"] == request).count()
}

/// RV1: no write path without its fact.
#[tokio::test]
async fn every_write_that_succeeds_leaves_its_fact() {
    let served = start().await;
    let mut stock = Stock::fill(&served, "main").await;
    let token = stock.store.token.clone();
    let mut walked = 0;
    for route in served.table.iter().filter(|route| route.method != "GET") {
        let name = route.name;
        if name.starts_with("job_") || name.starts_with("channel_message_") || name == "dead_letters_retry" {
            stock.hold_a_message(&served, name).await;
        }
        let recipe = stock.recipe(route).await.unwrap_or_else(|| panic!("the walk has no recipe for {name}"));
        if name.starts_with("demo_") || matches!(name, "session_end" | "hook_receive") {
            continue;
        }
        let request = if is_guarded(route) { ask(route, &recipe).token(&token) } else { ask(route, &recipe) };
        let got = served.send(&request).await;
        assert!((200..300).contains(&got.status), "{name}: {}", got.json());
        let facts = facts_of(&served, &stock.store, got.header("x-request-id")).await;
        match recipe.leaves {
            Leaves::Fact => assert!(facts >= 1, "{name} left no fact"),
            Leaves::NoFact(reason) => assert_eq!(facts, 0, "{name} leaves a fact: the list is out of date ({reason})"),
            Leaves::Nothing => panic!("{name} is a write"),
        }
        walked += 1;
    }
    assert!(walked >= 20, "{walked} writes");
}

/// RV13: a session's cookie is out of reach for scripts and other sites, a forged request is refused, and signing out leaves its fact.
#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let served = start().await;
    let stock = Stock::fill(&served, "main").await;
    let body = json!({ "email": format!("main.{EMAIL}"), "password": PASSWORD }).to_string();
    let session = served.send(&Ask::new("POST", "/api/v1/session").json(body)).await;
    assert_eq!(session.status, 200, "{}", session.json());
    let set = session.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = set.split(';').next().unwrap();
    let csrf = session.json()["csrf_token"].as_str().unwrap().to_owned();
    for route in served.table.iter().filter(|route| is_guarded(route) && route.method != "GET") {
        let recipe = stock.recipe(route).await.unwrap_or_else(|| panic!("the walk has no recipe for {}", route.name));
        for forged in [None, Some(""), Some("guessed")] {
            let ask = ask(route, &recipe).header("cookie", cookie).header("origin", "https://evil.test");
            let ask = forged.map_or(ask.clone(), |text| ask.header("x-csrf-token", text));
            let got = served.send(&ask).await;
            assert_eq!(problem(&got), (403, "csrf_token_missing".to_owned()), "{}", route.name);
        }
    }
    let end = Ask::new("DELETE", "/api/v1/session").header("cookie", cookie).header("x-csrf-token", &csrf);
    let ended = served.send(&end).await;
    assert_eq!(ended.status, 204);
    assert!(ended.header("set-cookie").contains("Max-Age=0"), "{}", ended.header("set-cookie"));
    assert_eq!(facts_of(&served, &stock.store, ended.header("x-request-id")).await, 1);
    let after = served.send(&Ask::new("GET", "/api/v1/session").header("cookie", cookie)).await;
    assert_eq!(problem(&after), (401, "session_ended".to_owned()));
}

/// RV13: what a browser may do with an answer is said in it.
#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let served = start().await;
    let stock = Stock::fill(&served, "main").await;
    for route in served.table.iter().filter(|route| route.method == "GET" && route.name != "events_stream") {
        let recipe = stock.recipe(route).await.unwrap_or_else(|| panic!("the walk has no recipe for {}", route.name));
        for ask in [ask(route, &recipe), ask(route, &recipe).token(&stock.store.token)] {
            let got = served.send(&ask).await;
            assert_eq!(got.header("x-content-type-options"), "nosniff", "{}", route.name);
            assert_eq!(got.header("cache-control"), "no-store", "{}", route.name);
            assert!(got.header("x-request-id").starts_with("req_"), "{}", route.name);
            assert_eq!(got.header("api-version").len(), "2026-11-21".len(), "{}", route.name);
        }
    }
    for path in ["/admin/", "/admin/orders", "/admin/sign-in?code=x"] {
        let page = served.send(&Ask::new("GET", path)).await;
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        if page.status == 404 {
            // A build without the pages.
            continue;
        }
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
    }
    let now = served.clock.now();
    assert_eq!(served.clock.now(), now, "nothing here moved the time");
}
