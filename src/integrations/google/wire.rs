//! The JSON of Merchant API v1: 64-bit integers are texts, amounts are micros, names of resources are always sent base64url-encoded, so that an
//! SKU with a slash, a per cent sign or a tilde needs no escaping.

use crate::base::clock::Timestamp;
use crate::base::money::Money;
use crate::domain::feeds::model::{Availability, Condition, Sale};
use crate::domain::feeds::port::{FeedAccount, Pickup, ProductInput, StockPush};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

/// Longest feed label.
const FEED_LABEL_MAX: usize = 20;
/// Longest location on the shelf, in bytes.
const SHELF_MAX: usize = 20;
/// Most GTINs of one product.
const GTINS_MAX: usize = 10;

/// An amount of money.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct PriceWire {
    /// Millionths of the currency's whole.
    pub amount_micros: String,
    /// ISO 4217.
    pub currency_code: String,
}

impl From<Money> for PriceWire {
    fn from(money: Money) -> Self {
        let micros = i128::from(money.minor).saturating_mul(i128::from(1_000_000 / money.currency.unit()));
        Self { amount_micros: micros.to_string(), currency_code: money.currency.code().to_owned() }
    }
}

/// A span of time.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct IntervalWire {
    /// RFC 3339.
    pub start_time: String,
    /// RFC 3339.
    pub end_time: String,
}

impl From<(Timestamp, Timestamp)> for IntervalWire {
    fn from((start, end): (Timestamp, Timestamp)) -> Self {
        Self { start_time: start.to_string(), end_time: end.to_string() }
    }
}

/// A weight.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct WeightWire {
    /// How many of the unit.
    pub value: u32,
    /// `g`: whole grams need no fraction.
    pub unit: String,
}

/// The attributes of a product.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ProductAttributesWire {
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// The product's page.
    pub link: String,
    /// First picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_link: Option<String>,
    /// Further pictures.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub additional_image_links: Vec<String>,
    /// `IN_STOCK`, `LIMITED_AVAILABILITY`, `OUT_OF_STOCK`.
    pub availability: String,
    /// `NEW`, `USED`, `REFURBISHED`.
    pub condition: String,
    /// Regular price.
    pub price: PriceWire,
    /// Price during a sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_price: Option<PriceWire>,
    /// When the sale is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sale_price_effective_date: Option<IntervalWire>,
    /// GTINs, at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub gtins: Vec<String>,
    /// Manufacturer's part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mpn: Option<String>,
    /// Brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// `false` when the product has neither GTIN nor part number with brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier_exists: Option<bool>,
    /// Id in the taxonomy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google_product_category: Option<String>,
    /// The store's own categories.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub product_types: Vec<String>,
    /// Group of variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_group_id: Option<String>,
    /// Colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_weight: Option<WeightWire>,
}

/// Body of `productInputs:insert`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ProductInputWire {
    /// Our name.
    pub offer_id: String,
    /// Two letters.
    pub content_language: String,
    /// Feed label.
    pub feed_label: String,
    /// 64-bit integer as text.
    pub version_number: String,
    /// Attributes.
    pub product_attributes: ProductAttributesWire,
}

/// Body of `localInventories:insert`.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct LocalInventoryWire {
    /// Store code of the Business Profile.
    pub store_code: String,
    /// Attributes.
    pub local_inventory_attributes: LocalAttributesWire,
}

/// The stock of a product in a store.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct LocalAttributesWire {
    /// Price in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceWire>,
    /// `IN_STOCK`, `LIMITED_AVAILABILITY`, `OUT_OF_STOCK`.
    pub availability: String,
    /// 64-bit integer as text.
    pub quantity: String,
    /// `BUY`, `RESERVE`, `NOT_SUPPORTED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pickup_method: Option<String>,
    /// `SAME_DAY`; goes with the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pickup_sla: Option<String>,
    /// At most 20 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instore_product_location: Option<String>,
}

/// Answer of `productInputs:insert`, as far as it is read.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ProductInputAnswer {
    /// The processed product's name.
    pub product: String,
    /// The same, encoded by the server: to be kept and used again.
    pub base64_encoded_product: String,
    /// The version that stands.
    pub version_number: String,
}

/// Answer of `quotas`, as far as it is read.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct QuotasAnswer {
    /// The groups.
    pub quota_groups: Vec<QuotaGroupWire>,
    /// Where to read on.
    pub next_page_token: Option<String>,
}

/// One quota, shared by methods.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct QuotaGroupWire {
    /// Its name.
    pub name: String,
    /// Calls made today.
    pub quota_usage: String,
    /// Calls per day.
    pub quota_limit: String,
    /// Calls per minute.
    pub quota_minute_limit: String,
    /// The methods.
    pub method_details: Vec<MethodWire>,
}

/// A method under a quota.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct MethodWire {
    /// As in `productInputs.insert`.
    pub method: String,
}

/// An error of Google's APIs (AIP-193).
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct ErrorAnswer {
    /// The error.
    pub error: ErrorWire,
}

/// What an error says.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct ErrorWire {
    /// For a person.
    pub message: String,
    /// Canonical code, as in `ABORTED`.
    pub status: String,
    /// Details of several types.
    pub details: Vec<ErrorDetailWire>,
}

/// A detail of an error, read as an `ErrorInfo`.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct ErrorDetailWire {
    /// As in `quota/daily_limit_exceeded`.
    pub reason: String,
    /// Further words; `REASON` is the one that is read.
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// The body that puts a product. Fails with a sentence about the item when Google would refuse it for its shape.
pub fn product_input(account: &FeedAccount, input: &ProductInput, version: i64) -> Result<ProductInputWire, String> {
    let item = &input.item;
    let label_ok =
        account.feed_label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if account.feed_label.is_empty() || account.feed_label.len() > FEED_LABEL_MAX || !label_ok {
        return Err(format!("The feed label `{}` must be 1 to 20 of A-Z, 0-9, - and _", account.feed_label));
    }
    if item.gtins.len() > GTINS_MAX {
        return Err(format!("`{}` has {} GTINs, and ten are the most", item.offer_id, item.gtins.len()));
    }
    let identified = !item.gtins.is_empty() || (item.mpn.is_some() && item.brand.is_some());
    Ok(ProductInputWire {
        offer_id: item.offer_id.clone(),
        content_language: account.content_language.clone(),
        feed_label: account.feed_label.clone(),
        version_number: version.to_string(),
        product_attributes: ProductAttributesWire {
            title: item.title.clone(),
            description: item.description.clone(),
            link: item.link.clone(),
            image_link: item.image_link.clone(),
            additional_image_links: item.more_images.clone(),
            availability: availability(input.availability).to_owned(),
            condition: condition(item.condition).to_owned(),
            price: item.price.into(),
            sale_price: item.sale.map(|sale: Sale| sale.price.into()),
            sale_price_effective_date: item.sale.and_then(|sale| sale.window).map(IntervalWire::from),
            gtins: item.gtins.clone(),
            mpn: item.mpn.clone(),
            brand: item.brand.clone(),
            identifier_exists: (!identified).then_some(false),
            google_product_category: item.category.clone(),
            product_types: item.product_types.clone(),
            item_group_id: item.group.clone(),
            color: item.color.clone(),
            size: item.size.clone(),
            shipping_weight: item.weight_grams.map(|value| WeightWire { value, unit: "g".to_owned() }),
        },
    })
}

/// The body that puts the stock of a product in a store.
pub fn local_inventory(stock: &StockPush) -> Result<LocalInventoryWire, String> {
    if stock.store_code.is_empty() {
        return Err(format!("The warehouse of `{}` has no store code", stock.offer_id));
    }
    if let Some(shelf) = stock.shelf.as_ref().filter(|shelf| shelf.len() > SHELF_MAX) {
        return Err(format!("The location `{shelf}` of `{}` is longer than 20 bytes", stock.offer_id));
    }
    let pickup = stock.pickup.map(|pickup| match pickup {
        Pickup::BuySameDay => "BUY",
        Pickup::ReserveSameDay => "RESERVE",
    });
    Ok(LocalInventoryWire {
        store_code: stock.store_code.clone(),
        local_inventory_attributes: LocalAttributesWire {
            price: stock.price.map(PriceWire::from),
            availability: availability(stock.availability).to_owned(),
            quantity: stock.quantity.get().to_string(),
            pickup_method: pickup.map(str::to_owned),
            pickup_sla: pickup.map(|_| "SAME_DAY".to_owned()),
            instore_product_location: stock.shelf.clone(),
        },
    })
}

/// `{contentLanguage}~{feedLabel}~{offerId}`, base64url without padding.
pub fn encoded_product_id(account: &FeedAccount, offer_id: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{}~{}~{offer_id}", account.content_language, account.feed_label).as_bytes())
}

/// Reads an integer that is sent as text; 0 when it is none.
pub fn int64(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

const fn availability(value: Availability) -> &'static str {
    match value {
        Availability::InStock => "IN_STOCK",
        Availability::Limited => "LIMITED_AVAILABILITY",
        Availability::OutOfStock => "OUT_OF_STOCK",
    }
}

const fn condition(value: Condition) -> &'static str {
    match value {
        Condition::New => "NEW",
        Condition::Used => "USED",
        Condition::Refurbished => "REFURBISHED",
    }
}
