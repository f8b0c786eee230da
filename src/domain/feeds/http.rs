//! The connection to Google and what it was told, over HTTP.

use super::port::FeedPorts;
use super::service::{self, Health, ItemView, NewFeedAccount};
use super::told::{Connection, ItemFilter, ItemState, StoreStock};
use super::{PRODUCT_LANE, STOCK_LANE};
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Place};
use crate::base::id::{TenantId, VariantId};
use crate::base::page::Page;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, json, json_reply, page, page_number};
use crate::kernel::web::route::{Access, Route};
use crate::kernel::work::Runner;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Until when the pushes of a store are paused, if they are.
pub type PausedUntil = Arc<dyn Fn(TenantId) -> Pin<Box<dyn Future<Output = Option<Timestamp>> + Send>> + Send + Sync>;

/// What the routes of feeds are wired to.
#[derive(Clone)]
pub struct FeedsWiring {
    /// Makes ports: credentials are tried out before they are stored, without a call.
    pub ports: Arc<dyn FeedPorts>,
    /// Where the vendor is: the live one, or a sandbox in demo and training.
    pub endpoint_default: String,
    /// Until when pushes are paused.
    pub paused_until: PausedUntil,
}

/// Reads pauses off a runner's queue: of the two lines the one that is tried first.
pub fn paused_by(runner: &Arc<Runner>) -> PausedUntil {
    let runner = Arc::clone(runner);
    Arc::new(move |tenant| {
        let runner = Arc::clone(&runner);
        Box::pin(async move {
            let lines = runner.queue().paused().await;
            let ours = lines.iter().filter(|line| line.tenant == tenant);
            ours.filter(|line| [PRODUCT_LANE, STOCK_LANE].contains(&line.lane)).map(|line| line.until).min()
        })
    })
}

/// An item of the feed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeedItem")]
pub struct FeedItemWire {
    /// Of what.
    variant_id: VariantId,
    /// SKU.
    sku: String,
    /// Title of product and variant.
    title: String,
    /// `new`, `pending`, `live` or `rejected`.
    product_state: &'static str,
    /// When the vendor last took its attributes.
    product_pushed_at: Option<Timestamp>,
    /// What its stores were told.
    stock: Vec<FeedStockWire>,
    /// What the vendor complains about.
    issue: Option<String>,
}

/// What one store was told of an item.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeedStock")]
pub struct FeedStockWire {
    /// The warehouse's code.
    warehouse_code: String,
    /// What the vendor was told.
    pushed_quantity: Option<i64>,
    /// What can be sold now.
    available: i64,
    /// When it was told.
    pushed_at: Option<Timestamp>,
    /// Whether the vendor was told something else than what can be sold now.
    stale: bool,
}

/// How the connection to Google is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GoogleConnection")]
pub struct GoogleWire {
    /// Whether anything is pushed.
    connected: bool,
    /// The Merchant account.
    account_id: Option<String>,
    /// The source that products are put into.
    data_source: Option<String>,
    /// Language of titles.
    content_language: Option<String>,
    /// Feed label.
    feed_label: Option<String>,
    /// When a paused line is tried again.
    paused_until: Option<Timestamp>,
    /// Why nothing gets through until a person changes the set-up.
    last_error: Option<String>,
    /// Records that Google was told within a day.
    pushed_24h: i64,
    /// Since when the oldest push waits.
    oldest_waiting_at: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ItemsQuery {
    /// Part of SKU, barcode or title.
    q: Option<String>,
    /// Only in this state.
    state: Option<StateWire>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FeedState")]
enum StateWire {
    New,
    Pending,
    Live,
    Rejected,
}

impl From<StateWire> for ItemState {
    fn from(wire: StateWire) -> Self {
        match wire {
            StateWire::New => Self::New,
            StateWire::Pending => Self::Pending,
            StateWire::Live => Self::Live,
            StateWire::Rejected => Self::Rejected,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectBody {
    /// The number of the Merchant account.
    #[schemars(length(min = 1, max = 30))]
    account_id: String,
    /// The number of its API data source.
    #[schemars(length(min = 1, max = 30))]
    data_source: String,
    /// Two lower-case letters.
    #[schemars(length(min = 2, max = 2))]
    content_language: String,
    /// 1 to 20 of A-Z, 0-9, - and _.
    #[schemars(length(min = 1, max = 20))]
    feed_label: String,
    /// The service account's key file. It is sealed and never given out.
    service_account: serde_json::Map<String, serde_json::Value>,
}

/// What was asked for.
#[derive(Serialize, JsonSchema)]
struct PushAsked {
    /// Of what.
    variant_id: VariantId,
}

/// The routes of feeds.
pub fn routes(wiring: &FeedsWiring) -> Vec<Route> {
    let read = Access::Needs(Permission::FeedRead);
    let write = Access::Needs(Permission::FeedWrite);
    let (for_get, for_put, for_delete) = (wiring.clone(), wiring.clone(), wiring.clone());
    vec![
        Route::get("/api/v1/feeds/items", "feed_items_list", read, list)
            .summary("What Google was told of each item.")
            .query::<ItemsQuery>()
            .answers::<Page<FeedItemWire>>(200, "The items."),
        Route::post("/api/v1/feeds/items/{variant_id}/push", "feed_item_push", write, push)
            .path::<VariantId>("variant_id")
            .summary("Tells Google of one item anew.")
            .answers::<PushAsked>(202, "The pushes are asked for.")
            .refuses(&[409]),
        Route::get("/api/v1/integrations/google", "google_get", read, move |call| get(for_get.clone(), call))
            .summary("How the connection to Google is.")
            .answers::<GoogleWire>(200, "The connection."),
        Route::put("/api/v1/integrations/google", "google_put", write, move |call| connect(for_put.clone(), call))
            .summary("Connects a Merchant account, or replaces the connection.")
            .body::<ConnectBody>()
            .answers::<GoogleWire>(200, "The connection."),
        Route::delete("/api/v1/integrations/google", "google_delete", write, move |call| {
            disconnect(for_delete.clone(), call)
        })
        .summary("Switches the connection off and forgets its credentials.")
        .answers::<GoogleWire>(200, "The connection.")
        .refuses(&[409]),
    ]
}

fn stock_wire(place: StoreStock) -> FeedStockWire {
    let available = place.available.get();
    let pushed_quantity = place.told.as_ref().map(|told| told.quantity.get());
    FeedStockWire {
        warehouse_code: place.warehouse_code,
        available,
        pushed_quantity,
        pushed_at: place.told.map(|told| told.at),
        stale: pushed_quantity != Some(available),
    }
}

/// An item as lists show it, also within a product.
pub fn item_wire(view: ItemView) -> FeedItemWire {
    FeedItemWire {
        variant_id: view.row.variant,
        sku: view.row.sku,
        title: view.row.title,
        product_state: view.row.state.name(),
        product_pushed_at: view.row.pushed,
        stock: view.stock.into_iter().map(stock_wire).collect(),
        issue: view.row.issue,
    }
}

fn google_wire(health: Health, paused_until: Option<Timestamp>) -> GoogleWire {
    let is_connected = health.connection.as_ref().is_some_and(|row| row.is_active);
    let row = health.connection;
    let of = |field: fn(&Connection) -> &String| row.as_ref().map(|row| field(row).clone());
    GoogleWire {
        connected: is_connected,
        account_id: of(|row| &row.account_id),
        data_source: of(|row| &row.data_source),
        content_language: of(|row| &row.content_language),
        feed_label: of(|row| &row.feed_label),
        paused_until: paused_until.filter(|_| is_connected),
        last_error: row.as_ref().and_then(|row| row.last_error.clone()),
        pushed_24h: health.told_24h,
        oldest_waiting_at: health.oldest_waiting,
    }
}

async fn list(call: Call) -> Result<Answer, Fault> {
    let query: ItemsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let filter = ItemFilter {
        q: query.q.filter(|text| !text.trim().is_empty()),
        state: query.state.map(ItemState::from),
        product: None,
        after: page_number(&wanted)?,
    };
    let limit = wanted.limit.saturating_add(1);
    let rows = call.scope()?.read_slow(Permission::FeedRead, move |tx| service::items(tx, &filter, limit)).await?;
    let page = Page::cut(rows, wanted.limit, |view| view.row.seq.to_be_bytes().to_vec()).map(item_wire);
    json(200, &page)
}

async fn push(call: Call) -> Result<Answer, Fault> {
    let variant_id: VariantId = call.id("variant_id")?;
    let reply = call.scope()?.reply(&service::PUSH_NOW, move |cx| {
        service::push_now_in(cx, variant_id)?;
        json_reply(202, &PushAsked { variant_id })
    });
    reply.await.map(Answer::Reply)
}

async fn get(wiring: FeedsWiring, call: Call) -> Result<Answer, Fault> {
    let scope = call.scope()?;
    let now = scope.clock().now();
    let health = scope.read(Permission::FeedRead, |tx| service::health(tx, now)).await?;
    let paused = (wiring.paused_until)(scope.tenant().id).await;
    json(200, &google_wire(health, paused))
}

async fn connect(wiring: FeedsWiring, call: Call) -> Result<Answer, Fault> {
    let body: ConnectBody = call.json()?;
    let credentials = serde_json::Value::Object(body.service_account).to_string();
    if let Err(error) = wiring.ports.port(&wiring.endpoint_default, &credentials) {
        return Err(Fault::field(Place::Pointer("/service_account".to_owned()), "invalid_credentials", error));
    }
    let wanted = NewFeedAccount {
        account_id: body.account_id,
        data_source: body.data_source,
        content_language: body.content_language,
        feed_label: body.feed_label,
        endpoint: wiring.endpoint_default.clone(),
        credentials,
    };
    let scope = call.scope()?;
    let paused = (wiring.paused_until)(scope.tenant().id).await;
    let rest = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&rest);
    let reply = scope
        .reply(&service::CONNECT, move |cx| {
            *seen.lock() = service::connect_in(cx, wanted)?;
            json_reply(200, &google_wire(service::health(cx.read(), cx.now())?, paused))
        })
        .await?;
    // In steps, so that orders are not held up. Connecting again goes on where the process ended in between.
    let mut after = *rest.lock();
    while let Some(position) = after {
        after = scope.write(&service::FILL, move |cx| service::fill_in(cx, position)).await?;
    }
    Ok(Answer::Reply(reply))
}

async fn disconnect(wiring: FeedsWiring, call: Call) -> Result<Answer, Fault> {
    let scope = call.scope()?;
    let paused = (wiring.paused_until)(scope.tenant().id).await;
    let reply = scope.reply(&service::DISCONNECT, move |cx| {
        service::disconnect_in(cx)?;
        json_reply(200, &google_wire(service::health(cx.read(), cx.now())?, paused))
    });
    reply.await.map(Answer::Reply)
}
