//! The connection, what is asked to be pushed, and what is recorded of pushes.

use super::model::REFRESH_AFTER;
use super::store;
use super::told::{Connection, DueStock, ItemFilter, ItemRow, StoreStock, Told};
use super::{FeedsError, PUSH_PRODUCT, PUSH_STOCK};
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, FieldFault, Place};
use crate::base::id::{Id, ProductId, VariantId};
use crate::base::quantity::Quantity;
use crate::base::text::cut;
use crate::infra::db::ReadTx;
use crate::infra::vault::SealKey;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::outbox::NewJob;
use crate::kernel::outbox::store as outbox;
use crate::kernel::permit::Permission;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Connects a Merchant account.
pub const CONNECT: Command = Command::new("feeds.connect", Permission::FeedWrite);
/// Switches the connection off.
pub const DISCONNECT: Command = Command::new("feeds.disconnect", Permission::FeedWrite);
/// Tells the vendor of one item anew.
pub const PUSH_NOW: Command = Command::new("feeds.push_now", Permission::FeedWrite);
/// Asks for the first push of items that were never told.
pub const FILL: Command = Command::background("feeds.fill", Permission::FeedWrite);
/// Asks for pushes of items that would expire.
pub const REFRESH: Command = Command::background("feeds.refresh", Permission::FeedWrite);
/// Asks for the stock push that follows a product push.
pub const ASK_STOCK: Command = Command::background("feeds.ask_stock", Permission::FeedWrite);
/// Records an accepted product push.
pub const RECORD_PRODUCT: Command = Command::background("feeds.record_product", Permission::FeedWrite);
/// Records accepted stock pushes.
pub const RECORD_STOCK: Command = Command::background("feeds.record_stock", Permission::FeedWrite);
/// Records that an item is refused.
pub const REJECT: Command = Command::background("feeds.reject", Permission::FeedWrite);
/// Keeps why nothing gets through.
pub const NOTE_ERROR: Command = Command::background("feeds.note_error", Permission::FeedWrite);

/// How long a change waits for others of the same variant.
pub const COALESCE_WINDOW: Duration = Duration::from_secs(1);
/// Items that one step of [`fill_in`] takes.
pub const FILL_STEP: u32 = 500;
/// The connection in the journal: there is one a store.
pub const FEED: Id = Id::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// Ties sealed credentials to their column.
const CREDENTIALS: &[u8] = b"feed_account.credentials";
/// Longest complaint that is kept, in characters.
const ISSUE_MAX: usize = 500;
const DAY: Duration = Duration::from_hours(24);

/// What a push job gets.
#[derive(Serialize, Deserialize, Debug)]
pub struct PushPayload {
    /// Of what.
    pub variant_id: VariantId,
}

/// A connection as it is asked for.
pub struct NewFeedAccount {
    /// The account number.
    pub account_id: String,
    /// The number of the source that products are put into.
    pub data_source: String,
    /// Two letters.
    pub content_language: String,
    /// Up to 20 of A-Z, 0-9, - and _.
    pub feed_label: String,
    /// Where the vendor is.
    pub endpoint: String,
    /// The service account's key file. Sealed when it is stored, never given out.
    pub credentials: String,
}

// --- the connection

fn checked(wanted: &NewFeedAccount) -> Result<(), Fault> {
    let is_number = |text: &str| (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_label = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label = &wanted.feed_label;
    let rules = [
        (is_number(&wanted.account_id), "account_id", "`account_id` is the number of the Merchant account."),
        (is_number(&wanted.data_source), "data_source", "`data_source` is the number of an API data source."),
        (
            wanted.content_language.len() == 2 && wanted.content_language.bytes().all(|b| b.is_ascii_lowercase()),
            "content_language",
            "`content_language` is two lower-case letters, as in en.",
        ),
        (
            (1..=20).contains(&label.len()) && label.bytes().all(is_label),
            "feed_label",
            "`feed_label` has 1 to 20 of A-Z, 0-9, - and _.",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, ..)| !holds);
    let fields: Vec<FieldFault> = broken
        .map(|(_, field, detail)| FieldFault {
            place: Place::Pointer(format!("/{field}")),
            code: "invalid_value",
            detail: detail.to_owned(),
        })
        .collect();
    if fields.is_empty() { Ok(()) } else { Err(Fault::fields(fields)) }
}

/// Connects an account, or replaces the connection. Another account begins with nothing told; the same one with new credentials goes on. Asks for
/// the first push of what was never told, and gives the position from which [`fill_in`] goes on, if one step was not enough.
pub fn connect_in(cx: &mut Cx<'_>, wanted: NewFeedAccount) -> Result<Option<i64>, Fault> {
    checked(&wanted)?;
    let credentials =
        cx.key().seal(CREDENTIALS, wanted.credentials.as_bytes()).map_err(|error| Fault::broken(error.to_string()))?;
    let before = store::connection(cx.read())?;
    let epoch = before.as_ref().map_or(1, |old| {
        let is_same = old.account_id == wanted.account_id
            && old.data_source == wanted.data_source
            && old.content_language == wanted.content_language
            && old.feed_label == wanted.feed_label
            && old.endpoint == wanted.endpoint;
        if is_same { old.epoch } else { old.epoch.saturating_add(1) }
    });
    let row = Connection {
        epoch,
        account_id: wanted.account_id,
        data_source: wanted.data_source,
        content_language: wanted.content_language,
        feed_label: wanted.feed_label,
        endpoint: wanted.endpoint,
        credentials,
        is_active: true,
        last_error: None,
    };
    store::connection_put(cx.tx(), &row, cx.now())?;
    let body = json!({
        "account_id": row.account_id,
        "data_source": row.data_source,
        "content_language": row.content_language,
        "feed_label": row.feed_label,
        "before": before.filter(|old| old.is_active).map(|old| old.account_id),
    });
    cx.record(Fact::new("feed.connected", Entity::Feed, FEED, &body)?)?;
    fill_in(cx, 0)
}

/// Switches the connection off and forgets its credentials. Open jobs end without a call.
pub fn disconnect_in(cx: &mut Cx<'_>) -> Result<(), Fault> {
    let Some(before) = store::connection(cx.read())?.filter(|row| row.is_active) else {
        return Err(FeedsError::NotConnected.into());
    };
    store::connection_disable(cx.tx())?;
    cx.record(Fact::new("feed.disconnected", Entity::Feed, FEED, &json!({ "account_id": before.account_id }))?)?;
    Ok(())
}

/// Whether there is an active connection: one look at one row.
pub fn is_connected(tx: &ReadTx<'_>) -> Result<bool, Fault> {
    Ok(store::is_connected(tx)?)
}

/// The key file of a connection.
pub fn credentials(key: &SealKey, connection: &Connection) -> Result<String, FeedsError> {
    let plain = key.open(CREDENTIALS, &connection.credentials).map_err(|_sealed| FeedsError::Credentials)?;
    String::from_utf8(plain).map_err(|_bytes| FeedsError::Credentials)
}

/// Keeps why nothing gets through until a person changes the set-up.
pub fn note_error_in(cx: &mut Cx<'_>, error: &str) -> Result<(), Fault> {
    Ok(store::connection_error(cx.tx(), Some(&cut(error, ISSUE_MAX)))?)
}

// --- asking for pushes

fn job(kind: &'static str, variant: VariantId, sku: &str) -> Result<NewJob, Fault> {
    NewJob::new(kind, variant.to_string(), sku.to_owned(), &PushPayload { variant_id: variant })
}

fn sku_of(cx: &Cx<'_>, variant: VariantId) -> Result<Option<String>, Fault> {
    Ok(store::sku_of(cx.read(), variant)?)
}

/// Asks for a stock push of each variant, if there is a connection. Further changes within [`COALESCE_WINDOW`] join it.
pub fn enqueue_stock_in(cx: &mut Cx<'_>, variants: impl IntoIterator<Item = VariantId>) -> Result<(), Fault> {
    if !store::is_connected(cx.read())? {
        return Ok(());
    }
    for variant in variants {
        if cx.is_awaited(PUSH_STOCK, &variant.to_string(), COALESCE_WINDOW)? {
            continue;
        }
        if let Some(sku) = sku_of(cx, variant)? {
            enqueue_stock_of_in(cx, variant, &sku)?;
        }
    }
    Ok(())
}

/// [`enqueue_stock_in`] for a caller who knows the SKU and has seen that there is a connection: nothing is read.
pub fn enqueue_stock_of_in(cx: &mut Cx<'_>, variant: VariantId, sku: &str) -> Result<(), Fault> {
    cx.enqueue(&job(PUSH_STOCK, variant, sku)?.after(COALESCE_WINDOW))
}

/// Asks for a product push. The job itself finds out whether anything differs, and asks for a stock push when stores were told another price. The
/// caller has seen that there is a connection.
pub fn enqueue_product_in(cx: &mut Cx<'_>, variant: VariantId) -> Result<(), Fault> {
    let Some(sku) = sku_of(cx, variant)? else { return Ok(()) };
    cx.enqueue(&job(PUSH_PRODUCT, variant, &sku)?.after(COALESCE_WINDOW))
}

/// Tells the vendor of an item anew: complaints and what its stores were told are forgotten, and a stock push is asked for at once. That pushes the
/// product first if it differs.
pub fn push_now_in(cx: &mut Cx<'_>, variant: VariantId) -> Result<(), Fault> {
    if !store::is_connected(cx.read())? {
        return Err(FeedsError::NotConnected.into());
    }
    let sku = sku_of(cx, variant)?.ok_or(FeedsError::NoVariant)?;
    store::product_forgiven(cx.tx(), variant)?;
    store::stock_forget(cx.tx(), variant)?;
    cx.enqueue(&job(PUSH_STOCK, variant, &sku)?)
}

/// Asks for pushes of at most `limit` products that would expire, oldest first. Gives how many were asked for: those whose push is open already do
/// not count.
pub fn refresh_due_in(cx: &mut Cx<'_>, limit: u32) -> Result<u32, Fault> {
    let Some(connection) = store::connection(cx.read())?.filter(|row| row.is_active) else { return Ok(0) };
    let old = store::products_old(cx.read(), connection.epoch, cx.now().minus(REFRESH_AFTER), limit)?;
    let mut asked = 0_u32;
    for (variant, sku) in old {
        if !outbox::job_is_open(cx.read(), PUSH_PRODUCT, &variant.to_string())? {
            cx.enqueue(&job(PUSH_PRODUCT, variant, &sku)?)?;
            asked = asked.saturating_add(1);
        }
    }
    Ok(asked)
}

/// Asks for the first push of at most [`FILL_STEP`] sold variants that were never told, after the position `after` (0 at first). Gives the position
/// to go on from, or none at the end.
pub fn fill_in(cx: &mut Cx<'_>, after: i64) -> Result<Option<i64>, Fault> {
    let Some(connection) = store::connection(cx.read())?.filter(|row| row.is_active) else { return Ok(None) };
    let rows = store::products_untold(cx.read(), connection.epoch, after, FILL_STEP)?;
    let is_full = rows.len() == usize::try_from(FILL_STEP).unwrap_or(usize::MAX);
    let last = rows.last().map(|(seq, ..)| *seq).filter(|_| is_full);
    for (_, variant, sku) in rows {
        cx.enqueue(&job(PUSH_STOCK, variant, &sku)?)?;
    }
    Ok(last)
}

// --- what the jobs read and record

/// A variant with all that a push needs, on one snapshot. None without an active connection, or without the variant.
pub fn told(tx: &ReadTx<'_>, variant: VariantId) -> Result<Option<Told>, Fault> {
    let Some(connection) = store::connection(tx)?.filter(|row| row.is_active) else { return Ok(None) };
    let Some(item) = store::item(tx, variant)? else { return Ok(None) };
    let product = store::product(tx, variant, connection.epoch)?;
    let stock = store::stock(tx, variant, connection.epoch)?;
    Ok(Some(Told { connection, item, product, stock }))
}

/// Records that the vendor accepted the product as it stood in `told`, as `version`.
pub fn record_product_in(cx: &mut Cx<'_>, told: &Told, version: i64) -> Result<(), Fault> {
    let (variant, epoch, hash) = (told.item.variant, told.connection.epoch, told.hash());
    store::connection_error(cx.tx(), None)?;
    if !store::product_pushed(cx.tx(), variant, epoch, (&hash, version), cx.now())? {
        return Ok(());
    }
    let body = json!({ "sku": told.item.sku, "version": { "before": told.product.version, "after": version } });
    cx.record(Fact::new("feed.product_pushed", Entity::Variant, variant, &body)?)?;
    Ok(())
}

/// Records what stores were told of a variant's stock, as one fact.
pub fn record_stock_in(cx: &mut Cx<'_>, told: &Told, pushed: &[DueStock]) -> Result<(), Fault> {
    if pushed.is_empty() {
        return Ok(());
    }
    let (variant, epoch) = (told.item.variant, told.connection.epoch);
    for stock in pushed {
        store::stock_pushed(cx.tx(), variant, epoch, stock, cx.now())?;
    }
    store::product_seen(cx.tx(), variant, epoch)?;
    store::connection_error(cx.tx(), None)?;
    let stores: Vec<_> = pushed
        .iter()
        .map(|stock| {
            json!({
                "store_code": stock.store_code,
                "warehouse_id": stock.warehouse,
                "quantity": { "before": stock.before.map(Quantity::get), "after": stock.quantity.get() },
            })
        })
        .collect();
    let body = json!({ "sku": told.item.sku, "stores": stores });
    cx.record(Fact::new("feed.stock_pushed", Entity::Variant, variant, &body)?)?;
    Ok(())
}

/// Records that the vendor refuses an item: its attributes, or else its stock. The same complaint is recorded once.
pub fn reject_in(cx: &mut Cx<'_>, told: &Told, issue: &str, is_product: bool) -> Result<(), Fault> {
    let (variant, epoch) = (told.item.variant, told.connection.epoch);
    let issue = cut(issue, ISSUE_MAX);
    let stands = store::product(cx.read(), variant, epoch)?;
    let hash = told.hash();
    // A complaint about stock must not end one about the very attributes.
    let refused = if is_product { Some(hash) } else { stands.refused.map(|(hash, _)| hash) };
    store::product_refused(cx.tx(), variant, epoch, (&issue, refused.as_ref()), cx.now())?;
    store::connection_error(cx.tx(), None)?;
    if stands.issue.as_ref() != Some(&issue) {
        let body = json!({ "sku": told.item.sku, "issue": { "before": stands.issue, "after": issue } });
        cx.record(Fact::new("feed.item_rejected", Entity::Variant, variant, &body)?)?;
    }
    Ok(())
}

// --- lists

/// An item with what its stores were told.
#[derive(Debug)]
pub struct ItemView {
    /// The item.
    pub row: ItemRow,
    /// Its warehouses that are shown somewhere.
    pub stock: Vec<StoreStock>,
}

/// Items in the order of the catalog. Without a connection everything is new.
pub fn items(tx: &ReadTx<'_>, filter: &ItemFilter, limit: u32) -> Result<Vec<ItemView>, Fault> {
    let epoch = store::connection(tx)?.map_or(0, |row| row.epoch);
    let view = |row: ItemRow| {
        let mut stock = store::stock(tx, row.variant, epoch)?;
        stock.retain(|place| place.store_code.is_some());
        Ok(ItemView { row, stock })
    };
    store::items(tx, epoch, filter, limit)?.into_iter().map(view).collect()
}

/// The items of one product.
pub fn items_of(tx: &ReadTx<'_>, product: ProductId) -> Result<Vec<ItemView>, Fault> {
    items(tx, &ItemFilter { product: Some(product), ..ItemFilter::default() }, crate::base::page::PAGE_MAX)
}

/// How the connection is.
#[derive(Debug)]
pub struct Health {
    /// The connection, active or not.
    pub connection: Option<Connection>,
    /// Records that the vendor was told within a day.
    pub told_24h: i64,
    /// Since when the oldest open push waits.
    pub oldest_waiting: Option<Timestamp>,
}

/// How the connection is at `now`.
pub fn health(tx: &ReadTx<'_>, now: Timestamp) -> Result<Health, Fault> {
    let connection = store::connection(tx)?;
    let epoch = connection.as_ref().map_or(0, |row| row.epoch);
    let told_24h = store::told_since(tx, epoch, now.minus(DAY))?;
    let product = outbox::jobs_oldest(tx, PUSH_PRODUCT)?;
    let stock = outbox::jobs_oldest(tx, PUSH_STOCK)?;
    Ok(Health { connection, told_24h, oldest_waiting: product.into_iter().chain(stock).min() })
}
