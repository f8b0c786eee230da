//! The catalog through the whole gate: create and read back, refusals, versions, search, and a list that is never stale.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bodega::base::clock::{Clock, ManualClock, Timestamp};
use bodega::base::id::{Entropy, Id, IdMaker, TypedId as _, UserId, VariantId};
use bodega::domain::catalog::model::{Expected, ProductChange};
use bodega::domain::catalog::{http, service};
use bodega::domain::customers;
use bodega::domain::customers::model::NewCustomer;
use bodega::infra::vault::SystemEntropy;
use bodega::kernel::actor::Actor;
use bodega::kernel::command::Command;
use bodega::kernel::journal::{Entity, Fact};
use bodega::kernel::ledger::Hub;
use bodega::kernel::once::Running;
use bodega::kernel::permit::{Permission, Rights};
use bodega::kernel::scope::{RequestMeta, Scope, Shared};
use bodega::kernel::tenants::{Tenant, Tenants, TenantsConfig};
use bodega::kernel::web::gate::{Admission, Admitting, Gate, Gatekeeper, WebConfig};
use bodega::kernel::web::limits::Limits;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt as _;

/// 2026-11-21T00:00:00Z.
const START: Timestamp = Timestamp(1_795_219_200_000);

struct OneUser {
    tenant: Arc<Tenant>,
    rights: Rights,
}

impl Gatekeeper for OneUser {
    fn admit<'a>(&'a self, _shared: &'a Arc<Shared>, _headers: &'a HeaderMap) -> Admitting<'a> {
        let actor = Actor::User(UserId::from_array([7; 16]));
        let admission = Admission { tenant: Arc::clone(&self.tenant), actor, rights: self.rights, csrf: None };
        Box::pin(async move { Ok(Some(admission)) })
    }
}

struct Store {
    shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    router: Router,
    _folder: tempfile::TempDir,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Store {
    async fn open(rights: Rights) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(START));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let hub = Arc::new(Hub::default());
        let config = TenantsConfig { folder: folder.path().to_owned(), open_max: 4, may_create_key: true };
        let tenants = Tenants::open(&config, &clock, &entropy, &hub).unwrap();
        let ids = IdMaker::new(Arc::clone(&clock), entropy);
        let tenant = tenants.create(&ids, START, "haus", "Haus Kaffee & Küche").await.unwrap();
        let shared =
            Arc::new(Shared { tenants, clock, ids, hub, reaction: |_cx, _fact| Ok(()), running: Running::default() });
        let keeper = Arc::new(OneUser { tenant: Arc::clone(&tenant), rights });
        let limits = Limits { api: 1_000_000, ..Limits::default() };
        let gate = Gate::new(Arc::clone(&shared), keeper, &WebConfig { limits });
        Self { shared, tenant, router: gate.router(&http::routes()), _folder: folder }
    }

    async fn scope(&self) -> Scope {
        let request = RequestMeta { id: self.shared.ids.make(), rid: Arc::from("test"), trace: Arc::from("test") };
        Scope::system(&self.shared, &self.tenant, request).await.unwrap()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answered {
        send(&self.router, method, path, headers, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let answered = self.send("GET", path, &[], None).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        answered.body
    }

    async fn create(&self, body: &Value) -> Value {
        let answered = self.send("POST", "/api/v1/products", &[], Some(body)).await;
        assert_eq!(answered.status, 201, "{}", answered.body);
        answered.body
    }
}

async fn send(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answered {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answered { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn product(title: &str, skus: &[&str]) -> Value {
    let variant = |sku: &&str| json!({ "sku": sku, "price": { "amount": "18.99", "currency": "EUR" } });
    json!({ "title": title, "vendor": "Rösterei", "variants": skus.iter().map(variant).collect::<Vec<_>>() })
}

fn titles(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap()).collect()
}

fn path_of(kind: &str, row: &Value) -> String {
    format!("/api/v1/{kind}/{}", row["id"].as_str().unwrap())
}

/// What a stock command would do, so that the list has something to sum.
async fn receive(store: &Store, variant: &Value, on_hand: i64, reserved: i64) {
    static RECEIVE: Command = Command::new("test.receive", Permission::InventoryWrite);
    let variant = VariantId::parse(variant["id"].as_str().unwrap()).unwrap();
    let scope = store.scope().await;
    let written = scope.write(&RECEIVE, move |cx| {
        let warehouse: bodega::base::id::WarehouseId = cx.id();
        let code = format!("{warehouse}");
        cx.tx().run(
            "INSERT INTO inventory_warehouse (id, code, name, priority, created_ms) VALUES (?1, ?2, ?2, 0, 0)",
            (warehouse, code),
        )?;
        cx.tx().run(
            "INSERT INTO inventory_level (variant_id, warehouse_id, on_hand, reserved, updated_ms)
             VALUES (?1, ?2, ?3, ?4, 0)",
            (variant, warehouse, on_hand, reserved),
        )?;
        cx.record(Fact::new("inventory.adjusted", Entity::Variant, variant, &json!({}))?)?;
        Ok(())
    });
    written.await.unwrap();
}

async fn facts(store: &Store) -> Vec<(String, String)> {
    let scope = store.scope().await;
    let read = scope.read(Permission::AuditRead, |tx| {
        let rows = bodega::kernel::store::journal_after(tx, 0, 100)?;
        Ok(rows.into_iter().map(|row| (row.kind, row.body.unwrap_or_default())).collect())
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_product_reads_back_as_it_was_made() {
    let store = Store::open(Rights::all()).await;
    let body = json!({
        "title": " Kaffeebohnen Hausmischung 1 kg ", "description": "Nussig.\nMild.", "vendor": "Rösterei am Hafen",
        "category": "Kaffee", "google_category": "1868", "link": "https://haus.example/p/1",
        "variants": [
            { "sku": "SKU-1001", "barcode": "2004100013005", "price": { "amount": "18.99", "currency": "EUR" },
              "weight_g": 1000 },
            { "sku": "SKU-1002", "title": "gemahlen", "price": { "amount": "19.49", "currency": "EUR" } },
        ],
    });
    let answered = store.send("POST", "/api/v1/products", &[], Some(&body)).await;
    assert_eq!(answered.status, 201, "{}", answered.body);
    let made = answered.body;
    assert_eq!(answered.headers["location"], path_of("products", &made));
    assert_eq!(made["title"], "Kaffeebohnen Hausmischung 1 kg");
    assert_eq!(made["handle"], "kaffeebohnen-hausmischung-1-kg");
    assert_eq!(made["status"], "active");
    assert_eq!(made["variant_count"], 2);
    assert_eq!(made["variants"][0]["title"], "Kaffeebohnen Hausmischung 1 kg");
    assert_eq!(made["variants"][0]["price"], json!({ "amount": "18.99", "currency": "EUR" }));
    assert_eq!(store.get(&path_of("products", &made)).await, made);
    assert_eq!(store.get(&path_of("variants", &made["variants"][1])).await, made["variants"][1]);

    let again = store.create(&product("Kaffeebohnen Hausmischung 1 kg", &["SKU-1003"])).await;
    assert_eq!(again["handle"], "kaffeebohnen-hausmischung-1-kg-2");
    let first = store.get("/api/v1/products?limit=1").await;
    assert_eq!(first["data"][0]["id"], again["id"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = store.get(&format!("/api/v1/products?limit=1&cursor={cursor}")).await;
    assert_eq!(second["data"][0]["id"], made["id"]);
    assert_eq!(second["has_more"], false);
}

#[tokio::test]
async fn an_sku_that_is_taken_is_refused_with_its_pointer_and_nothing_is_kept() {
    let store = Store::open(Rights::all()).await;
    store.create(&product("Kaffee", &["SKU-1"])).await;
    let refused = store.send("POST", "/api/v1/products", &[], Some(&product("Tee", &["SKU-2", "SKU-1"]))).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.body["code"], "sku_taken");
    assert_eq!(refused.body["errors"][0]["pointer"], "/variants/1/sku");
    assert_eq!(refused.body["detail"], "The SKU `SKU-1` is taken by another variant.");
    assert_eq!(titles(&store.get("/api/v1/products").await), ["Kaffee"]);

    let twice = store.send("POST", "/api/v1/products", &[], Some(&product("Tee", &["SKU-3", "SKU-3"]))).await;
    assert_eq!((twice.status, &twice.body["errors"][0]["code"]), (422, &json!("duplicate_sku")));
    let mut priced = product("Tee", &["SKU-4"]);
    priced["variants"][0]["price"]["amount"] = json!("1.999");
    let refused = store.send("POST", "/api/v1/products", &[], Some(&priced)).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/variants/0/price")));
}

#[tokio::test]
async fn a_change_of_another_version_is_refused() {
    let store = Store::open(Rights::all()).await;
    let made = store.create(&product("Kaffee", &["SKU-1"])).await;
    let path = path_of("products", &made);
    let read = store.send("GET", &path, &[], None).await;
    let tag = read.headers["etag"].to_str().unwrap();
    let same = store.send("PATCH", &path, &[("if-match", tag)], Some(&json!({ "title": "Kaffee" }))).await;
    assert_eq!(same.status, 200);
    assert_eq!(store.send("GET", &path, &[("if-none-match", tag)], None).await.status, 304);
    let change = json!({ "title": "Kaffee neu", "link": "https://haus.example/p/1" });
    let changed = store.send("PATCH", &path, &[("if-match", "\"1\"")], Some(&change)).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(2)));
    let stale = store.send("PATCH", &path, &[("if-match", "\"1\"")], Some(&json!({ "title": "x" }))).await;
    assert_eq!((stale.status, &stale.body["code"]), (412, &json!("version_mismatch")));
    assert_eq!(stale.body["errors"][0]["header"], "If-Match");
    let cleared = store.send("PATCH", &path, &[("if-match", "*")], Some(&json!({ "link": null }))).await;
    assert_eq!((&cleared.body["title"], &cleared.body["link"]), (&json!("Kaffee neu"), &Value::Null));

    // A variant's change is a change of its product.
    let variant = path_of("variants", &made["variants"][0]);
    let price = json!({ "price": { "amount": "20.00", "currency": "EUR" }, "barcode": "4006381333931" });
    let stale = store.send("PATCH", &variant, &[("if-match", "\"2\"")], Some(&price)).await;
    assert_eq!(stale.status, 412);
    let changed = store.send("PATCH", &variant, &[("if-match", "\"3\"")], Some(&price)).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(4)));
    assert_eq!(changed.body["price"]["amount"], "20.00");
    let missing = store.send("PATCH", "/api/v1/variants/var_00000000000000000000000000", &[], Some(&price)).await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn the_journal_holds_what_changed_and_nothing_when_nothing_did() {
    let store = Store::open(Rights::all()).await;
    let made = store.create(&product("Kaffee", &["SKU-1"])).await;
    let (path, variant) = (path_of("products", &made), path_of("variants", &made["variants"][0]));
    store.send("PATCH", &path, &[], Some(&json!({ "title": "Kaffee" }))).await;
    store.send("PATCH", &path, &[], Some(&json!({ "title": "Tee", "vendor": "Rösterei" }))).await;
    let price = json!({ "title": "Kaffee", "price": { "amount": "20", "currency": "EUR" } });
    store.send("PATCH", &variant, &[], Some(&price)).await;
    let facts = facts(&store).await;
    let kinds: Vec<&str> = facts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["product.created", "product.updated", "price.changed"]);
    let body: Value = serde_json::from_str(&facts[1].1).unwrap();
    assert_eq!(body, json!({ "before": { "title": "Kaffee" }, "after": { "title": "Tee" } }));
    let body: Value = serde_json::from_str(&facts[2].1).unwrap();
    assert_eq!(body["before"]["price"]["amount"], "18.99");
    assert_eq!(body["after"]["price"]["amount"], "20.00");
}

#[tokio::test]
async fn a_search_finds_titles_skus_and_barcodes_and_knows_no_wildcards() {
    let store = Store::open(Rights::all()).await;
    store.create(&product("Rabatt 100% Öl", &["OEL_1"])).await;
    store.create(&product("Rabatt 1000 Essig", &["OELX1"])).await;
    store.create(&product("Stern * [klein]?", &["STERN"])).await;
    let found = async |q: &str| {
        let q: String = form_urlencoded::byte_serialize(q.as_bytes()).collect();
        let list = store.get(&format!("/api/v1/products?q={q}")).await;
        let found: Vec<String> = titles(&list).into_iter().map(str::to_owned).collect();
        let variants = store.get(&format!("/api/v1/variants?q={q}")).await;
        assert_eq!(variants["data"].as_array().unwrap().len(), found.len(), "{q}");
        found
    };
    assert_eq!(found("100%").await, ["Rabatt 100% Öl"]);
    assert_eq!(found("oel_").await, ["Rabatt 100% Öl"]);
    assert_eq!(found("%").await, ["Rabatt 100% Öl"]);
    assert_eq!(found("*").await, ["Stern * [klein]?"]);
    assert_eq!(found("[KLEIN]?").await, ["Stern * [klein]?"]);
    assert_eq!(found("öL").await, ["Rabatt 100% Öl"]);
    assert_eq!(found("rabatt").await.len(), 2);
    assert!(found("nichts").await.is_empty());
    let long = store.send("GET", &format!("/api/v1/products?q={}", "x".repeat(101)), &[], None).await;
    assert_eq!((long.status, &long.body["errors"][0]["parameter"]), (422, &json!("q")));
}

#[tokio::test]
async fn the_list_sums_stock_over_variants_and_warehouses() {
    let store = Store::open(Rights::all()).await;
    let made = store.create(&product("Kaffee", &["SKU-1", "SKU-2"])).await;
    assert_eq!(store.get("/api/v1/products").await["data"][0]["on_hand"], 0);
    receive(&store, &made["variants"][0], 10, 4).await;
    receive(&store, &made["variants"][0], 5, 0).await;
    receive(&store, &made["variants"][1], 3, 3).await;
    let row = &store.get("/api/v1/products").await["data"][0];
    assert_eq!((&row["variant_count"], &row["on_hand"], &row["available"]), (&json!(2), &json!(18), &json!(11)));
    let detail = store.get(&path_of("products", &made)).await;
    assert_eq!((&detail["on_hand"], &detail["available"]), (&json!(18), &json!(11)));
}

/// SC12: never a stale read after an acknowledged write, also while others fill the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_list_is_never_stale_after_an_acknowledged_write() {
    let store = Store::open(Rights::all()).await;
    let made = store.create(&product("Runde 0", &["SKU-1"])).await;
    let path = path_of("products", &made);
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..3 {
        let (router, done) = (store.router.clone(), Arc::clone(&done));
        readers.push(tokio::spawn(async move {
            let mut reads = 0_u32;
            while !done.load(Ordering::SeqCst) {
                assert_eq!(send(&router, "GET", "/api/v1/products", &[], None).await.status, 200);
                reads += 1;
            }
            reads
        }));
    }
    for round in 1..=150 {
        let title = format!("Runde {round}");
        let changed = store.send("PATCH", &path, &[], Some(&json!({ "title": title }))).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_eq!(titles(&store.get("/api/v1/products").await), [title.as_str()]);
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_cached_list_is_not_given_to_somebody_without_the_right() {
    let store = Store::open(Rights::from_names(&["order.read"])).await;
    let system = store.scope().await;
    service::products_list(&system, bodega::domain::catalog::model::ProductFilter::default(), None, 25).await.unwrap();
    let denied = store.send("GET", "/api/v1/products", &[], None).await;
    assert_eq!(denied.status, 403);
    let request = RequestMeta { id: store.shared.ids.make(), rid: Arc::from("test"), trace: Arc::from("test") };
    let file = store.shared.tenants.file(store.tenant.id).unwrap();
    let (shared, tenant) = (Arc::clone(&store.shared), Arc::clone(&store.tenant));
    let scope = Scope::new(shared, tenant, file, Actor::System, Rights::NONE, request);
    let listed =
        service::products_list(&scope, bodega::domain::catalog::model::ProductFilter::default(), None, 25).await;
    assert_eq!(listed.err().map(|fault| fault.code), Some("permission_missing"));
}

#[tokio::test]
async fn other_modules_find_variants_by_sku_and_id() {
    let store = Store::open(Rights::all()).await;
    let made = store.create(&product("Kaffee", &["SKU-1", "SKU-2"])).await;
    let product_id = bodega::base::id::ProductId::parse(made["id"].as_str().unwrap()).unwrap();
    let scope = store.scope().await;
    let read = scope.read(Permission::ProductRead, move |tx| {
        let first = service::variant_by_sku(tx, "SKU-1")?.unwrap();
        assert_eq!((first.product_id, first.title.as_str(), first.price.minor), (product_id, "Kaffee", 1899));
        assert_eq!(service::variant_by_sku(tx, "sku-1")?, None);
        assert_eq!(service::variant_get(tx, first.id)?.as_ref(), Some(&first));
        let second = service::variant_by_sku(tx, "SKU-2")?.unwrap();
        let unknown = VariantId::from_array([9; 16]);
        assert_eq!(service::variants_by_ids(tx, &[second.id, unknown, first.id])?, [second, first]);
        Ok(())
    });
    read.await.unwrap();
    let stale = service::update_product(&scope, product_id, Expected::OneOf(vec![9]), ProductChange::default()).await;
    assert_eq!(stale.err().map(|fault| fault.code), Some("version_mismatch"));
}

#[tokio::test]
async fn a_customer_is_known_again_by_e_mail_and_never_loses_what_is_known() {
    static LINK: Command = Command::new("test.link", Permission::OrderWrite);
    let store = Store::open(Rights::all()).await;
    let scope = store.scope().await;
    let link = async |email: Option<&str>, name: Option<&str>, phone: Option<&str>| {
        let text = |part: Option<&str>| part.map(str::to_owned);
        let new = NewCustomer { email: text(email), name: text(name), phone: text(phone) };
        let found = scope.write(&LINK, move |cx| {
            let Some(id) = customers::service::link_in(cx, new)? else { return Ok(None) };
            Ok(customers::service::customer_get(cx.read(), id)?)
        });
        found.await.unwrap()
    };
    let first = link(Some("Ada@Example.org"), None, Some("030 1")).await.unwrap();
    assert_eq!((first.name.as_str(), first.phone.as_deref()), ("", Some("030 1")));
    let again = link(Some("ada@example.ORG"), Some("Ada Lovelace"), None).await.unwrap();
    assert_eq!((again.id, again.name.as_str(), again.phone.as_deref()), (first.id, "Ada Lovelace", Some("030 1")));
    let other = link(Some("ada@example.org"), Some("A."), Some("030 2")).await.unwrap();
    assert_eq!(other, again);
    assert_eq!(link(Some("no address"), Some(" "), Some("030 3")).await, None);
    let named = link(None, Some("Ohne Adresse"), None).await.unwrap();
    assert_ne!(named.id, first.id);
    let facts = facts(&store).await;
    let expected =
        [("customer.created", "{}"), ("customer.updated", r#"{"filled":["name"]}"#), ("customer.created", "{}")];
    assert_eq!(facts.iter().map(|(kind, body)| (kind.as_str(), body.as_str())).collect::<Vec<_>>(), expected);
    assert!(Id::from(named.id) > Id::from(first.id));
}
