//! Channels, their inbox, quarantine and mappings over HTTP.

use super::model::{ChannelFigures, ChannelRow, MessageRow};
use super::queries;
use super::service::{self, NewChannel};
use crate::base::clock::Timestamp;
use crate::base::complaints::Complaints;
use crate::base::error::{Fault, Place};
use crate::base::id::{ChannelId, JobId, MessageId, OrderId, VariantId, WarehouseId};
use crate::base::page::Page;
use crate::domain::orders::service::MAP_STEP;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, PageQuery, json, json_reply, missing, page, page_number, page_of_few};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A sales channel.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Channel")]
struct ChannelWire {
    /// Id.
    id: ChannelId,
    /// Which vendor.
    provider: String,
    /// Name for people.
    name: String,
    /// The shop at the vendor.
    external_shop: String,
    /// `active` or `disabled`.
    state: &'static str,
    /// Where the vendor delivers to, below the store's own address.
    webhook_url: String,
    /// Messages so far.
    received: i64,
    /// The last of them.
    last_received_at: Option<Timestamp>,
    /// Messages that wait for a person.
    quarantined: i64,
    /// SKUs that nobody here knows.
    unmapped: i64,
    /// Deliveries that nobody signed.
    signature_failures: i64,
    /// The last of them.
    last_signature_failure_at: Option<Timestamp>,
}

/// A message.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Message")]
struct MessageWire {
    /// Id.
    id: MessageId,
    /// What about, in the vendor's words.
    topic: String,
    /// The order's key at the channel, once it is read.
    external_id: Option<String>,
    /// When it came.
    received_at: Timestamp,
    /// `received`, `done`, `quarantined`, `ignored` or `discarded`.
    state: String,
    /// Times that it was worked on.
    attempts: i64,
    /// Why it is in quarantine, or was ignored.
    error: Option<String>,
    /// The order that it became.
    order_id: Option<OrderId>,
    /// Bytes.
    size: i64,
}

/// A message with what came in.
#[derive(Serialize, JsonSchema)]
struct MessageDetail {
    #[serde(flatten)]
    message: MessageWire,
    /// Headers.
    headers: BTreeMap<String, String>,
    /// The body as text; bytes that are no UTF-8 are shown as �.
    body: String,
}

/// A SKU of a channel.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Mapping")]
struct MappingWire {
    /// The same as `external_sku`.
    id: String,
    /// As the channel writes it.
    external_sku: String,
    /// What it was sold as.
    title: String,
    /// Lines that wait.
    lines: i64,
    /// What it means.
    variant_id: Option<VariantId>,
    /// Its SKU here.
    sku: Option<String>,
    /// When it came first.
    first_seen_at: Timestamp,
}

/// A replay that was asked for.
#[derive(Serialize, JsonSchema)]
struct Replay {
    /// The job that does it.
    job_id: JobId,
}

/// What a mapping did.
#[derive(Serialize, JsonSchema)]
struct Mapped {
    /// Lines that got their variant.
    resolved_lines: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InboxQuery {
    /// Only in this state.
    state: Option<MessageState>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum MessageState {
    Received,
    Done,
    Quarantined,
    Ignored,
    Discarded,
}

impl MessageState {
    const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Done => "done",
            Self::Quarantined => "quarantined",
            Self::Ignored => "ignored",
            Self::Discarded => "discarded",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MappingsQuery {
    /// `open` or `mapped`.
    state: Option<MappingState>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum MappingState {
    Open,
    Mapped,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MappingBody {
    /// As the channel writes it.
    #[schemars(length(min = 1, max = 255))]
    external_sku: String,
    /// What it means.
    variant_id: VariantId,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelBody {
    /// Which vendor.
    provider: ProviderWire,
    /// Name for people.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// The shop at the vendor, as in `haus.myshopify.com`.
    #[schemars(length(min = 1, max = 300))]
    external_shop: String,
    /// What the vendor signs with; for Shopify the app's client secret.
    #[schemars(length(min = 16, max = 200))]
    secret: String,
    /// Which warehouses serve it, first to last; all by priority when absent.
    #[schemars(length(max = 50))]
    warehouse_ids: Option<Vec<WarehouseId>>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Provider")]
enum ProviderWire {
    Shopify,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// The new secret.
    #[schemars(length(min = 16, max = 200))]
    secret: String,
    /// How long the one before counts, in seconds; a day if absent, a week at most.
    #[schemars(range(min = 0, max = 604_800))]
    overlap_seconds: Option<u64>,
}

/// The routes of channels.
pub fn routes() -> Vec<Route> {
    let read = Access::Needs(Permission::ChannelRead);
    let write = Access::Needs(Permission::ChannelWrite);
    let routes = vec![
        Route::get("/api/v1/channels", "channels_list", read, list)
            .summary("Sales channels with their health.")
            .query::<PageQuery>()
            .answers::<Page<ChannelWire>>(200, "All channels."),
        Route::post("/api/v1/channels", "channel_create", write, create)
            .summary("Connects a sales channel.")
            .body::<ChannelBody>()
            .answers::<ChannelWire>(201, "The channel."),
        Route::get("/api/v1/channels/{id}", "channel_get", read, get)
            .summary("One channel with its health.")
            .answers::<ChannelWire>(200, "The channel."),
        Route::put("/api/v1/channels/{id}/secret", "channel_rotate_secret", write, rotate)
            .summary("Gives a channel a new secret; the one before counts for a while.")
            .body::<SecretBody>()
            .answers::<ChannelWire>(200, "The channel."),
        Route::get("/api/v1/channels/{id}/inbox", "channel_inbox_list", read, inbox)
            .summary("What a channel delivered, newest first.")
            .query::<InboxQuery>()
            .answers::<Page<MessageWire>>(200, "The messages."),
        Route::get("/api/v1/channels/{id}/inbox/{message_id}", "channel_message_get", read, message_get)
            .summary("One message, raw.")
            .answers::<MessageDetail>(200, "The message."),
        Route::get("/api/v1/channels/{id}/quarantine", "channel_quarantine_list", read, quarantine)
            .summary("Messages that could not be understood.")
            .query::<InboxQuery>()
            .answers::<Page<MessageWire>>(200, "The messages."),
        Route::post("/api/v1/channels/{id}/quarantine/{message_id}/replay", "channel_message_replay", write, replay)
            .summary("Works on a quarantined message again.")
            .answers::<Replay>(202, "Asked for."),
        Route::post("/api/v1/channels/{id}/quarantine/{message_id}/discard", "channel_message_discard", write, discard)
            .summary("Gives a quarantined message up.")
            .answers::<MessageWire>(200, "The message."),
        Route::get("/api/v1/channels/{id}/mappings", "channel_mappings_list", read, mappings)
            .summary("SKUs of a channel that are not simply the store's own.")
            .query::<MappingsQuery>()
            .answers::<Page<MappingWire>>(200, "The SKUs."),
        Route::post("/api/v1/channels/{id}/mappings", "channel_sku_map", write, map)
            .summary("Says what a channel's SKU means. Waiting lines get their stock.")
            .body::<MappingBody>()
            .answers::<Mapped>(200, "How many lines."),
    ];
    routes.into_iter().map(|route| route.path::<ChannelId>("id").path::<MessageId>("message_id")).collect()
}

fn channel_wire((row, figures): &(ChannelRow, ChannelFigures)) -> ChannelWire {
    ChannelWire {
        id: row.id,
        provider: row.provider.clone(),
        name: row.name.clone(),
        external_shop: row.external_shop.clone(),
        state: if row.is_active { "active" } else { "disabled" },
        webhook_url: format!("/hooks/{}/{}", row.provider, row.id),
        received: figures.received,
        last_received_at: figures.last_received,
        quarantined: figures.quarantined,
        unmapped: figures.unmapped,
        signature_failures: row.signature_failures,
        last_signature_failure_at: row.signature_failed,
    }
}

async fn list(call: Call) -> Result<Answer, Fault> {
    let query: PageQuery = call.query()?;
    let rows = queries::channels(call.scope()?).await?;
    json(200, &page_of_few(&query, rows)?.map(|row| channel_wire(&row)))
}

async fn get(call: Call) -> Result<Answer, Fault> {
    let id: ChannelId = call.id("id")?;
    json(200, &channel_wire(&queries::channel(call.scope()?, id).await?))
}

async fn create(call: Call) -> Result<Answer, Fault> {
    let body: ChannelBody = call.json()?;
    let mut faults = Complaints::default();
    faults.text("/name", &body.name, 1, 200);
    faults.text("/external_shop", &body.external_shop, 1, 300);
    faults.text("/secret", &body.secret, 16, 200);
    let provider = match body.provider {
        ProviderWire::Shopify => "shopify".to_owned(),
    };
    let warehouses = body.warehouse_ids.unwrap_or_default();
    if warehouses.len() > 50 {
        faults.add("/warehouse_ids", "out_of_range", "A channel names at most 50 warehouses.");
    }
    faults.end()?;
    let new =
        NewChannel { provider, name: body.name, external_shop: body.external_shop, secret: body.secret, warehouses };
    let reply = call.scope()?.reply(&service::CREATE, move |cx| {
        let id = service::create_in(cx, &new)?;
        json_reply(201, &channel_wire(&queries::channel_in(cx.read(), id)?))
    });
    reply.await.map(Answer::Reply)
}

async fn rotate(call: Call) -> Result<Answer, Fault> {
    let id: ChannelId = call.id("id")?;
    let body: SecretBody = call.json()?;
    let mut faults = Complaints::default();
    faults.text("/secret", &body.secret, 16, 200);
    let overlap = body.overlap_seconds.map_or(service::ROTATION_OVERLAP, Duration::from_secs);
    if overlap > Duration::from_hours(168) {
        faults.add("/overlap_seconds", "out_of_range", "The secret before counts for a week at most.");
    }
    faults.end()?;
    let reply = call.scope()?.reply(&service::ROTATE, move |cx| {
        service::rotate_in(cx, id, &body.secret, overlap)?;
        json_reply(200, &channel_wire(&queries::channel_in(cx.read(), id)?))
    });
    reply.await.map(Answer::Reply)
}

fn message_wire(row: MessageRow) -> MessageWire {
    MessageWire {
        id: row.id,
        topic: row.topic,
        external_id: row.external_id,
        received_at: row.received,
        state: row.state,
        attempts: row.attempts,
        error: row.reason,
        order_id: row.order,
        size: row.size,
    }
}

async fn inbox(call: Call) -> Result<Answer, Fault> {
    let query: InboxQuery = call.query()?;
    messages(&call, &query, query.state.map(MessageState::name)).await
}

async fn quarantine(call: Call) -> Result<Answer, Fault> {
    let query: InboxQuery = call.query()?;
    messages(&call, &query, Some("quarantined")).await
}

async fn messages(call: &Call, query: &InboxQuery, state: Option<&str>) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let before = page_number(&wanted)?.unwrap_or(i64::MAX);
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::messages(call.scope()?, channel, state, before, limit).await?;
    json(200, &Page::cut(rows, wanted.limit, |row| row.seq.to_be_bytes().to_vec()).map(message_wire))
}

async fn message_get(call: Call) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let id: MessageId = call.id("message_id")?;
    let found = queries::message(call.scope()?, channel, id).await?;
    let queries::Delivered { row, headers, body } = found.ok_or_else(|| missing("message"))?;
    let headers = serde_json::from_str(&headers).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    json(200, &MessageDetail { message: message_wire(row), headers, body })
}

async fn replay(call: Call) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let id: MessageId = call.id("message_id")?;
    let reply = call.scope()?.reply(&service::REPLAY, move |cx| {
        let job_id = service::replay_in(cx, channel, id)?;
        let mut reply = json_reply(202, &Replay { job_id })?;
        reply.headers.push(("location".to_owned(), format!("/api/v1/jobs/{job_id}")));
        Ok(reply)
    });
    reply.await.map(Answer::Reply)
}

async fn discard(call: Call) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let id: MessageId = call.id("message_id")?;
    let reply = call
        .scope()?
        .reply(&service::DISCARD, move |cx| json_reply(200, &message_wire(service::discard_in(cx, channel, id)?)));
    reply.await.map(Answer::Reply)
}

async fn mappings(call: Call) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let query: MappingsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let after = match &wanted.after {
        None => String::new(),
        Some(bytes) => String::from_utf8(bytes.clone()).map_err(|_not_text| {
            Fault::field(Place::Parameter("cursor".into()), "invalid_cursor", "`cursor` is not one that was given out.")
        })?,
    };
    let is_mapped = query.state.map(|state| state == MappingState::Mapped);
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::mappings(call.scope()?, channel, is_mapped, &after, limit).await?;
    let page = Page::cut(rows, wanted.limit, |row| row.external_sku.clone().into_bytes()).map(|row| MappingWire {
        id: row.external_sku.clone(),
        external_sku: row.external_sku,
        title: row.title,
        lines: row.lines,
        variant_id: row.variant,
        sku: row.sku,
        first_seen_at: row.first_seen,
    });
    json(200, &page)
}

async fn map(call: Call) -> Result<Answer, Fault> {
    let channel: ChannelId = call.id("id")?;
    let body: MappingBody = call.json()?;
    let mut faults = Complaints::default();
    faults.text("/external_sku", &body.external_sku, 1, 255);
    faults.end()?;
    let scope = call.scope()?;
    let (sku, variant) = (body.external_sku, body.variant_id);
    let first = sku.clone();
    let reply = scope.reply(&service::MAP, move |cx| {
        let resolved_lines = service::map_in(cx, channel, &first, variant)?;
        json_reply(200, &Mapped { resolved_lines })
    });
    let reply = reply.await?;
    // More waiting lines than one command takes follow in commands of their own.
    let mut last = if reply.is_replay { 0 } else { first_step(&reply.body) };
    while last == MAP_STEP {
        let again = sku.clone();
        last = scope.write(&service::MAP, move |cx| service::map_in(cx, channel, &again, variant)).await?;
    }
    Ok(Answer::Reply(reply))
}

fn first_step(body: &[u8]) -> u32 {
    #[derive(Deserialize)]
    struct Step {
        resolved_lines: u32,
    }
    serde_json::from_slice::<Step>(body).map_or(0, |step| step.resolved_lines)
}
