//! The sandbox's Merchant API: what each call does and how it is refused.

use super::state::{Exhausted, ProductRecord, World};
use super::validate::{self, Refused};
use super::{Reply, SandboxConfig, decoded};
use crate::base::clock::Timestamp;
use axum::http::Method;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use std::time::Duration;

const DOMAIN: &str = "merchantapi.googleapis.com";
const PROJECT: &str = "bodega-sandbox";
const PROJECT_NUMBER: &str = "100000000001";
const PRODUCTS: &str = "products-insert";
const INVENTORIES: &str = "localinventories-insert";
/// What the quota call says where no limit is set.
const PER_DAY: u64 = 200_000;
const PER_MINUTE: u64 = 1_200;
const EXPIRES_AFTER: Duration = Duration::from_hours(30 * 24);

/// A request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) segments: Vec<&'a str>,
    pub(super) query: &'a str,
    pub(super) bearer: Option<&'a str>,
    pub(super) request_id: &'a str,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| decoded(value))
    }
}

/// An error in the shape of AIP-193 with an `ErrorInfo`.
pub(super) fn error(code: u16, status: &str, message: &str, reason: &str, metadata: &[(&str, &str)]) -> Reply {
    let metadata: Map<String, Value> = metadata.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": DOMAIN,
        "metadata": metadata,
    });
    Reply {
        status: code,
        body: json!({"error": {"code": code, "message": message, "status": status, "details": [detail]}}),
    }
}

/// Answers one call.
pub(super) fn handle(world: &mut World, config: &SandboxConfig, asked: &Asked<'_>, now: Timestamp) -> Reply {
    if asked.segments.first() == Some(&"content") {
        return content_api_gone();
    }
    if world.faults.error_503 {
        return Reply {
            status: 503,
            body: json!({"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}),
        };
    }
    let known = asked.bearer.and_then(|token| world.tokens.get(token));
    if known.is_none_or(|ends| *ends <= now) {
        return bad_token();
    }
    match route(world, config, asked, now) {
        Ok(reply) => reply,
        Err(refused) => refused,
    }
}

fn route(world: &mut World, config: &SandboxConfig, asked: &Asked<'_>, now: Timestamp) -> Result<Reply, Refused> {
    let [api, "v1", "accounts", account, rest @ ..] = asked.segments.as_slice() else { return Ok(no_such_method()) };
    if account.is_empty() || !account.bytes().all(|b| b.is_ascii_digit()) {
        let text = "The account ID in the resource name must be a number.";
        return Err(validate::field("name", "INVALID_NAME_PART_NOT_NUMBER", text, account));
    }
    if *account != config.account_id {
        let accounts = format!("[{account}]");
        let metadata = [("REASON", "PERMISSION_DENIED_ACCOUNTS"), ("ACCOUNT_IDS", accounts.as_str())];
        let message = format!("The caller does not have access to the accounts: {accounts}");
        return Ok(error(403, "PERMISSION_DENIED", &message, "permission_denied", &metadata));
    }
    if (*api, rest, &asked.method) == ("accounts", &["developerRegistration:registerGcp"][..], &Method::POST) {
        validate::object(asked.body)?;
        world.faults.not_registered = false;
        return Ok(ok(
            json!({"name": format!("accounts/{account}/developerRegistration"), "gcpIds": [PROJECT_NUMBER]}),
        ));
    }
    if world.faults.not_registered {
        return Ok(not_registered());
    }
    match (*api, rest, &asked.method) {
        ("products", ["productInputs:insert"], &Method::POST) => insert_product(world, config, asked, now),
        ("products", ["products"], &Method::GET) => list_products(world, config, asked, now),
        ("products", ["products", id], &Method::GET) => {
            let id = product_id(id);
            let product = world.visible(&id, now).ok_or_else(|| no_product(&id))?;
            Ok(ok(product_json(config, &id, product)))
        }
        ("inventories", ["products", id, "localInventories:insert"], &Method::POST) => {
            insert_stock(world, config, asked, id, now)
        }
        ("inventories", ["products", id, "localInventories"], &Method::GET) => {
            list_stock(world, config, asked, id, now)
        }
        ("quota", ["quotas"], &Method::GET) => Ok(quotas(world, config)),
        _ => Ok(no_such_method()),
    }
}

fn insert_product(
    world: &mut World,
    config: &SandboxConfig,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Reply, Refused> {
    charge(world, PRODUCTS, now)?;
    let source = asked.parameter("dataSource").unwrap_or_default();
    if source.is_empty() {
        return Err(validate::field("dataSource", "REQUIRED_FIELD_MISSING", "A value is required.", ""));
    }
    if source != format!("accounts/{}/dataSources/{}", config.account_id, config.data_source) {
        let message = format!("Data source {source} does not exist.");
        return Ok(error(404, "NOT_FOUND", &message, "notFound", &[("REASON", "NOT_FOUND")]));
    }
    let product = validate::product(&validate::object(asked.body)?)?;
    let id = format!("{}~{}~{}", product.language, product.label, product.offer_id);
    let stands = world.products.get(&id);
    let older = stands.and_then(|stands| stands.version).zip(product.version).is_some_and(|(has, given)| given < has);
    if older || world.faults.abort_version {
        return Ok(version_too_low());
    }
    let visible_at = stands
        .map_or_else(|| now.plus(Duration::from_millis(world.faults.visible_after_ms)), |stands| stands.visible_at);
    let record = ProductRecord {
        offer_id: product.offer_id,
        language: product.language,
        label: product.label,
        data_source: source,
        version: product.version.or_else(|| stands.and_then(|stands| stands.version)),
        attributes: product.attributes,
        created: stands.map_or(now, |stands| stands.created),
        updated: now,
        visible_at,
        inserts: stands.map_or(0, |stands| stands.inserts).saturating_add(1),
    };
    let mut body = head(&record);
    for (kind, name, encoded) in
        [("productInputs", "name", "base64EncodedName"), ("products", "product", "base64EncodedProduct")]
    {
        body.insert(name.to_owned(), json!(format!("accounts/{}/{kind}/{id}", config.account_id)));
        body.insert(encoded.to_owned(), json!(format!("accounts/{}/{kind}/{}", config.account_id, encode(&id))));
    }
    world.products.insert(id, record);
    Ok(ok(Value::Object(body)))
}

fn insert_stock(
    world: &mut World,
    config: &SandboxConfig,
    asked: &Asked<'_>,
    id: &str,
    now: Timestamp,
) -> Result<Reply, Refused> {
    charge(world, INVENTORIES, now)?;
    let (store, attributes) = validate::local_inventory(&validate::object(asked.body)?)?;
    let id = product_id(id);
    let offer = world.visible(&id, now).ok_or_else(|| no_product(&id))?.offer_id.clone();
    let body = stock_json(config, &id, &store, &attributes);
    world.put_stock((&id, &offer), &store, attributes, now, asked.request_id);
    Ok(ok(body))
}

fn list_products(world: &World, config: &SandboxConfig, asked: &Asked<'_>, now: Timestamp) -> Result<Reply, Refused> {
    let rows = world
        .products
        .iter()
        .filter(|(_, product)| product.visible_at <= now)
        .map(|(id, product)| product_json(config, id, product));
    page(rows.collect(), asked, "products", 25, 1_000)
}

fn list_stock(
    world: &World,
    config: &SandboxConfig,
    asked: &Asked<'_>,
    id: &str,
    now: Timestamp,
) -> Result<Reply, Refused> {
    let id = product_id(id);
    world.visible(&id, now).ok_or_else(|| no_product(&id))?;
    let rows = world.stock.iter().filter(|((product, _), _)| *product == id);
    page(
        rows.map(|((_, store), record)| stock_json(config, &id, store, &record.attributes)).collect(),
        asked,
        "localInventories",
        25_000,
        25_000,
    )
}

/// One page of rows. The page token is opaque to clients.
fn page(rows: Vec<Value>, asked: &Asked<'_>, name: &str, default: usize, most: usize) -> Result<Reply, Refused> {
    let bad = |what: &str| validate::field(what, "INVALID_VALUE", "The value is not valid.", "");
    let size = match asked.parameter("pageSize") {
        Some(text) => match text.parse::<usize>().map_err(|_not_a_number| bad("pageSize"))? {
            0 => default,
            given => given.min(most),
        },
        None => default,
    };
    let from = match asked.parameter("pageToken").filter(|token| !token.is_empty()) {
        Some(token) => BASE64URL_NOPAD
            .decode(token.as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.strip_prefix("row:")?.parse::<usize>().ok())
            .ok_or_else(|| bad("pageToken"))?,
        None => 0,
    };
    let until = from.saturating_add(size);
    let more = rows.len() > until;
    let mut body = Map::new();
    body.insert(name.to_owned(), rows.into_iter().skip(from).take(size).collect());
    if more {
        body.insert("nextPageToken".to_owned(), json!(encode(&format!("row:{until}"))));
    }
    Ok(ok(Value::Object(body)))
}

fn quotas(world: &World, config: &SandboxConfig) -> Reply {
    let group = |name: &'static str, api: &str, method: &str| {
        json!({
            "name": format!("accounts/{}/quotas/{name}", config.account_id),
            "quotaUsage": world.usage.get(name).map_or(0, |usage| usage.in_day).to_string(),
            "quotaLimit": world.faults.daily_limit.unwrap_or(PER_DAY).to_string(),
            "quotaMinuteLimit": world.faults.minute_limit.unwrap_or(PER_MINUTE).to_string(),
            "methodDetails": [{"method": method, "version": "v1", "subapi": api, "path": format!("{api}/v1/{method}")}],
        })
    };
    ok(json!({"quotaGroups": [
        group(PRODUCTS, "products", "productInputs.insert"),
        group(INVENTORIES, "inventories", "localInventories.insert"),
    ]}))
}

fn charge(world: &mut World, group: &'static str, now: Timestamp) -> Result<(), Refused> {
    let (reason, upper) = match world.charge(group, now) {
        Ok(()) => return Ok(()),
        Err(Exhausted::Day) => ("quota/daily_limit_exceeded", "DAILY_LIMIT_EXCEEDED"),
        Err(Exhausted::Minute) => ("quota/request_rate_too_high", "REQUEST_RATE_TOO_HIGH"),
    };
    Err(error(429, "RESOURCE_EXHAUSTED", &format!("Quota exceeded: {reason}"), reason, &[("REASON", upper)]))
}

fn ok(body: Value) -> Reply {
    Reply { status: 200, body }
}

fn encode(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// A product's id as it stands in a path: plain, or base64url of the whole.
fn product_id(segment: &str) -> String {
    let plain = decoded(segment);
    if plain.contains('~') {
        return plain;
    }
    let bytes = BASE64URL_NOPAD.decode(segment.as_bytes()).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(plain)
}

fn head(product: &ProductRecord) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("offerId".to_owned(), json!(product.offer_id));
    body.insert("contentLanguage".to_owned(), json!(product.language));
    body.insert("feedLabel".to_owned(), json!(product.label));
    if let Some(version) = product.version {
        body.insert("versionNumber".to_owned(), json!(version.to_string()));
    }
    body.insert("productAttributes".to_owned(), Value::Object(product.attributes.clone()));
    body
}

fn product_json(config: &SandboxConfig, id: &str, product: &ProductRecord) -> Value {
    let mut body = head(product);
    let destination = |context: &str| {
        json!({
            "reportingContext": context,
            "approvedCountries": [product.label],
            "pendingCountries": [],
            "disapprovedCountries": [],
        })
    };
    body.insert("name".to_owned(), json!(format!("accounts/{}/products/{id}", config.account_id)));
    body.insert(
        "base64EncodedName".to_owned(),
        json!(format!("accounts/{}/products/{}", config.account_id, encode(id))),
    );
    body.insert("dataSource".to_owned(), json!(product.data_source));
    body.insert(
        "productStatus".to_owned(),
        json!({
            "destinationStatuses": [destination("FREE_LISTINGS"), destination("FREE_LOCAL_LISTINGS")],
            "itemLevelIssues": [],
            "creationDate": product.created,
            "lastUpdateDate": product.updated,
            "googleExpirationDate": product.updated.plus(EXPIRES_AFTER),
        }),
    );
    Value::Object(body)
}

fn stock_json(config: &SandboxConfig, id: &str, store: &str, attributes: &Map<String, Value>) -> Value {
    let account = &config.account_id;
    json!({
        "name": format!("accounts/{account}/products/{id}/localInventories/{store}"),
        "base64EncodedName": format!("accounts/{account}/products/{}/localInventories/{store}", encode(id)),
        "account": account,
        "storeCode": store,
        "localInventoryAttributes": attributes,
    })
}

fn no_product(id: &str) -> Reply {
    error(404, "NOT_FOUND", &format!("Product {id} does not exist."), "notFound", &[("REASON", "NOT_FOUND")])
}

fn no_such_method() -> Reply {
    Reply { status: 404, body: json!({"error": {"code": 404, "message": "Method not found.", "status": "NOT_FOUND"}}) }
}

fn version_too_low() -> Reply {
    let message = "The version number is lower than the current version number of the product.";
    error(409, "ABORTED", message, "aborted", &[("REASON", "VERSION_NUMBER_TOO_LOW")])
}

fn not_registered() -> Reply {
    let message = format!(
        "GCP project with id {PROJECT} and number {PROJECT_NUMBER} is not registered with the merchant account. Follow these steps \
         https://developers.google.com/merchant/api/guides/quickstart#register_as_a_developer to register the GCP project with the merchant \
         account then try calling the API again in 5 minutes."
    );
    error(401, "UNAUTHENTICATED", &message, "unauthenticated", &[("REASON", "GCP_NOT_REGISTERED")])
}

fn bad_token() -> Reply {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication \
                   credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_EXPIRED",
        "domain": "googleapis.com",
        "metadata": {"service": DOMAIN},
    });
    Reply {
        status: 401,
        body: json!({"error": {"code": 401, "message": message, "status": "UNAUTHENTICATED", "details": [detail]}}),
    }
}

fn content_api_gone() -> Reply {
    let guide = "https://developers.google.com/merchant/api/guides/compatibility";
    let message = format!(
        "Content API for Shopping was sunset on August 18, 2026 for GCP project with id {PROJECT} and number {PROJECT_NUMBER}. Please migrate \
         to the Merchant API v1 version. See {guide} for more details"
    );
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "content_api_sunset",
        "domain": "shoppingcontent.googleapis.com",
        "metadata": {"GCP_ID": PROJECT, "GCP_NUMBER": PROJECT_NUMBER, "HELP_CENTER_LINK": guide},
    });
    Reply {
        status: 410,
        body: json!({"error": {"code": 410, "message": message, "status": "ABORTED", "details": [detail]}}),
    }
}
