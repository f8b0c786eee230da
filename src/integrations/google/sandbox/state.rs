//! What the sandbox keeps: products, local inventories, tokens, limits, and what it has been told to do wrong.

use crate::base::clock::Timestamp;
use crate::domain::feeds::model::next_daily_reset;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Records that the control API lists of each kind.
const LISTED: usize = 200;
/// Effects that are kept of one record.
const EFFECTS_MAX: usize = 10_000;

/// What the sandbox does wrong. All off is a vendor in good health.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of the control API")]
pub struct Faults {
    /// The project is not registered with the account: every call is 401 until it is.
    pub not_registered: bool,
    /// How long after its first insert a product is unknown to reads and to local inventory.
    pub visible_after_ms: u64,
    /// Calls per minute and method group.
    pub minute_limit: Option<u64>,
    /// Calls per day and method group; the day begins at 12:00 UTC.
    pub daily_limit: Option<u64>,
    /// Every call is 503.
    pub error_503: bool,
    /// Every product insert is 409 ABORTED.
    pub abort_version: bool,
    /// The token service refuses every assertion.
    pub invalid_grant: bool,
    /// Requests are worked, but the connection is cut before the answer.
    pub lose_answers: bool,
    /// The port is closed.
    pub offline: bool,
}

/// One change of a stock record. An insert that changes nothing has none.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// The quantity from then on.
    pub quantity: Option<i64>,
    /// The availability from then on.
    pub availability: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The `X-Request-Id` of the insert that made it.
    pub request_id: String,
}

/// The stock of one item in one store, as the vendor has it.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct InventoryRecord {
    /// The item.
    pub offer_id: String,
    /// The store.
    pub store_code: String,
    /// Pieces.
    pub quantity: Option<i64>,
    /// Inserts that were accepted, repeats included.
    pub inserts: u64,
    /// What the inserts changed, in order: a repeat adds nothing.
    pub effects: Vec<Effect>,
    /// All attributes.
    pub attributes: Map<String, Value>,
}

/// A product as the vendor has it.
#[derive(Clone, Debug)]
pub(super) struct ProductRecord {
    pub(super) offer_id: String,
    pub(super) language: String,
    pub(super) label: String,
    pub(super) data_source: String,
    pub(super) version: Option<i64>,
    pub(super) attributes: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) visible_at: Timestamp,
    pub(super) inserts: u64,
}

#[derive(Default)]
pub(super) struct Usage {
    minute: i64,
    in_minute: u64,
    day_ends: Timestamp,
    pub(super) in_day: u64,
}

/// Which limit a call runs into.
pub(super) enum Exhausted {
    Minute,
    Day,
}

/// Everything the sandbox knows.
#[derive(Default)]
pub(super) struct World {
    pub(super) faults: Faults,
    pub(super) tokens: HashMap<String, Timestamp>,
    pub(super) products: BTreeMap<String, ProductRecord>,
    pub(super) stock: BTreeMap<(String, String), InventoryRecord>,
    pub(super) usage: BTreeMap<&'static str, Usage>,
    pub(super) requests: u64,
    pub(super) token_exchanges: u64,
    by_status: BTreeMap<u16, u64>,
}

impl World {
    pub(super) fn count(&mut self, status: u16) {
        let seen = self.by_status.entry(status).or_default();
        *seen = seen.saturating_add(1);
    }

    /// Counts a call of a method group, unless a limit is reached.
    pub(super) fn charge(&mut self, group: &'static str, now: Timestamp) -> Result<(), Exhausted> {
        let usage = self.usage.entry(group).or_default();
        let minute = now.0.div_euclid(60_000);
        if usage.minute != minute {
            usage.minute = minute;
            usage.in_minute = 0;
        }
        if now >= usage.day_ends {
            usage.day_ends = next_daily_reset(now);
            usage.in_day = 0;
        }
        if self.faults.daily_limit.is_some_and(|limit| usage.in_day >= limit) {
            return Err(Exhausted::Day);
        }
        if self.faults.minute_limit.is_some_and(|limit| usage.in_minute >= limit) {
            return Err(Exhausted::Minute);
        }
        usage.in_minute = usage.in_minute.saturating_add(1);
        usage.in_day = usage.in_day.saturating_add(1);
        Ok(())
    }

    /// The product of an id, once it can be seen.
    pub(super) fn visible(&self, id: &str, now: Timestamp) -> Option<&ProductRecord> {
        self.products.get(id).filter(|product| product.visible_at <= now)
    }

    /// Replaces the stock record of a product in a store, and notes an effect when it differs from what stood there.
    pub(super) fn put_stock(
        &mut self,
        (id, offer_id): (&str, &str),
        store: &str,
        attributes: Map<String, Value>,
        at: Timestamp,
        request_id: &str,
    ) {
        let quantity = attributes.get("quantity").and_then(super::validate::int64);
        let availability = attributes.get("availability").and_then(Value::as_str).map(str::to_owned);
        let record = self.stock.entry((id.to_owned(), store.to_owned())).or_insert_with(|| InventoryRecord {
            offer_id: offer_id.to_owned(),
            store_code: store.to_owned(),
            quantity: None,
            inserts: 0,
            effects: Vec::new(),
            attributes: Map::new(),
        });
        let changed = record.inserts == 0 || record.attributes != attributes;
        record.inserts = record.inserts.saturating_add(1);
        record.quantity = quantity;
        record.attributes = attributes;
        if changed && record.effects.len() < EFFECTS_MAX {
            record.effects.push(Effect { quantity, availability, at, request_id: request_id.to_owned() });
        }
    }

    pub(super) fn inventory(&self, offer_id: &str, store: &str) -> Option<InventoryRecord> {
        self.stock.values().find(|record| record.offer_id == offer_id && record.store_code == store).cloned()
    }

    pub(super) fn snapshot(&self) -> Value {
        let products: Vec<Value> = self
            .products
            .iter()
            .take(LISTED)
            .map(|(id, product)| {
                json!({
                    "id": id,
                    "offer_id": product.offer_id,
                    "version": product.version,
                    "inserts": product.inserts,
                    "updated_at": product.updated,
                    "visible_at": product.visible_at,
                    "title": product.attributes.get("title"),
                })
            })
            .collect();
        let by_status: Map<String, Value> =
            self.by_status.iter().map(|(status, seen)| (status.to_string(), json!(seen))).collect();
        json!({
            "faults": self.faults,
            "counters": {
                "requests": self.requests,
                "tokens": self.token_exchanges,
                "products": self.products.len(),
                "local_inventories": self.stock.len(),
                "by_status": by_status,
            },
            "records": {
                "products": products,
                "local_inventories": self.stock.values().take(LISTED).collect::<Vec<_>>(),
            },
        })
    }
}
