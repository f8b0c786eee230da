//! What a feed item is, and the pure rules of when it is pushed (decision D34).

use crate::base::clock::Timestamp;
use crate::base::money::Money;
use crate::base::quantity::Quantity;
use ring::digest::{Context, SHA256};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
const DAY_MS: i64 = 86_400_000;
/// The hour of the day, in UTC, at which the vendor's daily quotas start anew: midday.
const RESET_HOUR_MS: i64 = 12 * 3_600_000;
/// An item is pushed again when its last push is this old: the vendor drops it after 30 days.
pub const REFRESH_AFTER: Duration = Duration::from_hours(25 * 24);

/// The condition of the goods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Never used.
    #[default]
    New,
    /// Used.
    Used,
    /// Brought back to working order.
    Refurbished,
}

/// Whether an item can be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Availability {
    /// Yes.
    InStock,
    /// A few are left.
    Limited,
    /// No.
    OutOfStock,
}

/// A lower price for a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sale {
    /// The price during the sale.
    pub price: Money,
    /// From when to when, always when `None`.
    pub window: Option<(Timestamp, Timestamp)>,
}

/// The attributes of one variant as the vendor shall show them. Stock is not among them: it has its own push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedItem {
    /// Our stable name for it at the vendor: the variant's SKU.
    pub offer_id: String,
    /// Title.
    pub title: String,
    /// Description in plain text.
    pub description: String,
    /// The item's page.
    pub link: String,
    /// The first picture.
    pub image_link: Option<String>,
    /// Further pictures, in order.
    pub more_images: Vec<String>,
    /// The regular price.
    pub price: Money,
    /// A sale, if there is one.
    pub sale: Option<Sale>,
    /// GTINs, at most ten.
    pub gtins: Vec<String>,
    /// The manufacturer's part number.
    pub mpn: Option<String>,
    /// The brand.
    pub brand: Option<String>,
    /// The id in the vendor's taxonomy.
    pub category: Option<String>,
    /// The store's own categories, as paths.
    pub product_types: Vec<String>,
    /// What variants of one product share.
    pub group: Option<String>,
    /// Colour.
    pub color: Option<String>,
    /// Size.
    pub size: Option<String>,
    /// Condition.
    pub condition: Condition,
    /// Weight for shipping, in grams.
    pub weight_grams: Option<u32>,
}

/// The availability that a quantity means: none is out of stock, up to `low` (when the store has such a mark) is limited.
pub fn availability(quantity: Quantity, low: Option<Quantity>) -> Availability {
    match low {
        _ if quantity.is_zero() => Availability::OutOfStock,
        Some(mark) if quantity <= mark => Availability::Limited,
        _ => Availability::InStock,
    }
}

/// A fingerprint of all attributes: SHA-256 over each field's name, length and bytes, in a fixed order, so that no two items share one by moving
/// text between fields. The form has a version: changing it means one push of every item.
pub fn attributes_hash(item: &FeedItem) -> [u8; 32] {
    let mut form = StableForm(Context::new(&SHA256));
    form.field("bodega.feed-item.1", &item.offer_id);
    form.field("title", &item.title);
    form.field("description", &item.description);
    form.field("link", &item.link);
    form.option("image", item.image_link.as_deref());
    form.list("images", &item.more_images);
    form.field("price", &item.price.to_string());
    if let Some(sale) = &item.sale {
        form.field("sale", &sale.price.to_string());
        if let Some((from, to)) = sale.window {
            form.field("sale-from", &from.0.to_string());
            form.field("sale-to", &to.0.to_string());
        }
    }
    form.list("gtins", &item.gtins);
    form.option("mpn", item.mpn.as_deref());
    form.option("brand", item.brand.as_deref());
    form.option("category", item.category.as_deref());
    form.list("types", &item.product_types);
    form.option("group", item.group.as_deref());
    form.option("color", item.color.as_deref());
    form.option("size", item.size.as_deref());
    form.field(
        "condition",
        match item.condition {
            Condition::New => "new",
            Condition::Used => "used",
            Condition::Refurbished => "refurbished",
        },
    );
    form.option("weight", item.weight_grams.map(|grams| grams.to_string()).as_deref());
    form.finish()
}

struct StableForm(Context);

impl StableForm {
    fn bytes(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.update(&length.to_be_bytes());
        self.0.update(bytes);
    }

    fn field(&mut self, name: &str, value: &str) {
        self.bytes(name.as_bytes());
        self.bytes(value.as_bytes());
    }

    fn option(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        for value in values {
            self.field(name, value);
        }
    }

    fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (slot, byte) in out.iter_mut().zip(self.0.finish().as_ref()) {
            *slot = *byte;
        }
        out
    }
}

/// When the vendor's daily quota starts anew: the next 12:00 UTC after `now`.
pub const fn next_daily_reset(now: Timestamp) -> Timestamp {
    let since_reset = now.0.saturating_sub(RESET_HOUR_MS).rem_euclid(DAY_MS);
    Timestamp(now.0.saturating_sub(since_reset).saturating_add(DAY_MS))
}

/// What is remembered of an item's product pushes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushHistory {
    /// When the last accepted push was.
    pub last: Option<Timestamp>,
    /// When the one before it was.
    pub before: Option<Timestamp>,
    /// [`attributes_hash`] of the last accepted push.
    pub hash: Option<[u8; 32]>,
}

/// Why a product is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushReason {
    /// The vendor has never seen it.
    First,
    /// Its attributes are not those that the vendor has.
    Changed,
    /// It would expire.
    Refresh,
}

/// Whether a product is pushed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProductPush {
    /// Now.
    Due(PushReason),
    /// It has changed, but the day's two pushes are used: then.
    NotBefore(Timestamp),
    /// The vendor has it as it is. The time at which it has to be refreshed.
    Current(Timestamp),
}

/// Decides whether a product is pushed: first, when changed (at most twice within any 24 hours, so never more than twice in the vendor's own
/// day), or when the last push is [`REFRESH_AFTER`] old.
pub fn product_push(history: &PushHistory, hash: &[u8; 32], now: Timestamp) -> ProductPush {
    let Some(last) = history.last else { return ProductPush::Due(PushReason::First) };
    let refresh = last.plus(REFRESH_AFTER);
    if history.hash.as_ref() != Some(hash) {
        return match history.before.map(|before| before.plus(DAY)) {
            Some(free) if now < free => ProductPush::NotBefore(free),
            _ => ProductPush::Due(PushReason::Changed),
        };
    }
    if now >= refresh { ProductPush::Due(PushReason::Refresh) } else { ProductPush::Current(refresh) }
}

impl PushHistory {
    /// The history after an accepted push.
    #[must_use]
    pub const fn pushed(self, hash: [u8; 32], at: Timestamp) -> Self {
        Self { last: Some(at), before: self.last, hash: Some(hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::money::Currency;

    fn item() -> FeedItem {
        FeedItem {
            offer_id: "SKU-1".into(),
            title: "Green tea".into(),
            description: "Loose leaves.".into(),
            link: "https://shop.example.com/p/1".into(),
            image_link: None,
            more_images: vec![],
            price: Money::parse("4.90", Currency::parse("EUR").unwrap()).unwrap(),
            sale: None,
            gtins: vec![],
            mpn: None,
            brand: None,
            category: None,
            product_types: vec![],
            group: None,
            color: None,
            size: None,
            condition: Condition::New,
            weight_grams: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// D34: every attribute counts, and none can stand in for another.
    #[test]
    fn every_attribute_changes_the_fingerprint() {
        let text = || Some("x".to_owned());
        let changes: Vec<fn(&mut FeedItem)> = vec![
            |i| i.offer_id = "SKU-2".into(),
            |i| i.title = "x".into(),
            |i| i.description = "x".into(),
            |i| i.link = "x".into(),
            |i| i.price.minor += 1,
            |i| i.sale = Some(Sale { price: i.price, window: None }),
            |i| i.sale = Some(Sale { price: i.price, window: Some((Timestamp(1), Timestamp(2))) }),
            |i| i.gtins = vec!["1".into(), "2".into()],
            |i| i.gtins = vec!["12".into()],
            |i| i.more_images = vec!["x".into()],
            |i| i.product_types = vec!["x".into()],
            |i| i.condition = Condition::Used,
            |i| i.weight_grams = Some(1),
        ];
        let mut variants: Vec<FeedItem> = changes
            .into_iter()
            .map(|change| {
                let mut changed = item();
                change(&mut changed);
                changed
            })
            .collect();
        variants.push(FeedItem { image_link: text(), ..item() });
        variants.push(FeedItem { mpn: text(), ..item() });
        variants.push(FeedItem { brand: text(), ..item() });
        variants.push(FeedItem { category: text(), ..item() });
        variants.push(FeedItem { group: text(), ..item() });
        variants.push(FeedItem { color: text(), ..item() });
        variants.push(FeedItem { size: text(), ..item() });
        variants.push(item());
        let hashes: std::collections::HashSet<[u8; 32]> = variants.iter().map(attributes_hash).collect();
        assert_eq!(hashes.len(), variants.len());
        assert_eq!(attributes_hash(&item()), attributes_hash(&item()));
    }

    #[test]
    fn availability_follows_the_quantity() {
        let pieces = |n| Quantity::new(n).unwrap();
        assert_eq!(availability(pieces(0), None), Availability::OutOfStock);
        assert_eq!(availability(pieces(0), Some(pieces(2))), Availability::OutOfStock);
        assert_eq!(availability(pieces(2), Some(pieces(2))), Availability::Limited);
        assert_eq!(availability(pieces(3), Some(pieces(2))), Availability::InStock);
        assert_eq!(availability(pieces(1), None), Availability::InStock);
    }

    #[test]
    fn the_daily_reset_is_at_midday_utc() {
        for (now, reset) in [
            ("2026-11-21T00:00:00Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T11:59:59.999Z", "2026-11-21T12:00:00Z"),
            ("2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"),
            ("2026-12-31T23:59:59Z", "2027-01-01T12:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T12:00:00Z"),
        ] {
            assert_eq!(next_daily_reset(at(now)), at(reset), "{now}");
        }
    }

    /// D34: first, changed at most twice a day, and before the 30 days end.
    #[test]
    fn a_product_is_pushed_first_then_on_change_twice_a_day_then_when_it_is_old() {
        let (one, two, three) = ([1; 32], [2; 32], [3; 32]);
        let start = at("2026-11-01T09:00:00Z");
        let fresh = PushHistory::default();
        assert_eq!(product_push(&fresh, &one, start), ProductPush::Due(PushReason::First));
        let once = fresh.pushed(one, start);
        assert_eq!(product_push(&once, &one, start), ProductPush::Current(start.plus(REFRESH_AFTER)));
        let later = at("2026-11-01T10:00:00Z");
        assert_eq!(product_push(&once, &two, later), ProductPush::Due(PushReason::Changed));
        let twice = once.pushed(two, later);
        let free = at("2026-11-02T09:00:00Z");
        assert_eq!(product_push(&twice, &three, at("2026-11-01T23:00:00Z")), ProductPush::NotBefore(free));
        assert_eq!(product_push(&twice, &three, free), ProductPush::Due(PushReason::Changed));
        let old = later.plus(REFRESH_AFTER);
        assert_eq!(product_push(&twice, &two, old.minus(Duration::from_millis(1))), ProductPush::Current(old));
        assert_eq!(product_push(&twice, &two, old), ProductPush::Due(PushReason::Refresh));
    }
}
