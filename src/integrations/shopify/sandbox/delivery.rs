//! One delivery of the emulated shop: its ids, its signed headers and its bytes.

use super::order::{Dice, SandboxOrder, Wish, make_up};
use super::render::render;
use crate::base::clock::Timestamp;
use crate::integrations::shopify::{API_VERSION, verify};

/// A delivery that can be sent any number of times.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// As in `orders/create`.
    pub topic: &'static str,
    /// Shopify's id of the order.
    pub order: u64,
    /// The same over the retries of this delivery.
    pub delivery_id: String,
    /// The same over all deliveries of the event.
    pub event_id: String,
    /// When the event happened.
    pub triggered_at: Timestamp,
    /// The payload as it was when the event happened.
    pub body: Vec<u8>,
}

impl Delivery {
    /// A delivery of the order as it stands.
    pub fn of(order: &SandboxOrder, topic: &'static str, shop_domain: &str, now: Timestamp, dice: &mut Dice) -> Self {
        Self {
            topic,
            order: order.id,
            delivery_id: dice.uuid(),
            event_id: dice.uuid(),
            triggered_at: now,
            body: render(order, shop_domain),
        }
    }

    /// All headers, signed with `secret`.
    pub fn headers(&self, shop_domain: &str, secret: &[u8]) -> Vec<(&'static str, String)> {
        let triggered_at = self.triggered_at.to_string();
        vec![
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", "Shopify-Captain-Hook".to_owned()),
            ("X-Shopify-Topic", self.topic.to_owned()),
            ("X-Shopify-Shop-Domain", shop_domain.to_owned()),
            ("X-Shopify-API-Version", API_VERSION.to_owned()),
            ("X-Shopify-Webhook-Id", self.delivery_id.clone()),
            ("X-Shopify-Event-Id", self.event_id.clone()),
            ("X-Shopify-Triggered-At", format!("{}000000Z", triggered_at.trim_end_matches('Z'))),
            ("X-Shopify-Hmac-Sha256", verify::sign(secret, &self.body)),
        ]
    }
}

/// What [`sample_order`] makes up.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The same seed and number give the same bytes.
    pub seed: u64,
    /// Unique per shop: ids are made from it.
    pub number: u64,
    /// The shop that it comes from.
    pub shop_domain: &'a str,
    /// What it is signed with.
    pub secret: &'a [u8],
    /// When it was bought.
    pub now: Timestamp,
    /// What it is about.
    pub wish: Wish<'a>,
}

/// A signed `orders/create`, headers and body, made from its parameters alone: for tests, load and benches.
pub fn sample_order(sample: &Sample<'_>) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let mut dice = Dice::seeded(sample.seed ^ sample.number.rotate_left(32));
    let order = make_up(&mut dice, sample.number, sample.now, sample.wish);
    let delivery = Delivery::of(&order, "orders/create", sample.shop_domain, sample.now, &mut dice);
    (delivery.headers(sample.shop_domain, sample.secret), delivery.body)
}
