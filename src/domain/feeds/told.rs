//! What the store has of a variant beside what the vendor was told of it, and what follows for the next push.

use super::model::{
    Availability, Condition, FeedItem, ProductPush, PushHistory, attributes_hash, availability, product_push,
};
use crate::base::clock::Timestamp;
use crate::base::id::{ProductId, VariantId, WarehouseId};
use crate::base::money::Money;
use crate::base::quantity::Quantity;
use crate::base::text::cut;

/// The vendor's limits on texts, in characters.
const TITLE_MAX: usize = 150;
const DESCRIPTION_MAX: usize = 5_000;

/// The connection to the vendor.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Goes up with every other account.
    pub epoch: i64,
    /// The account number.
    pub account_id: String,
    /// The source that products are put into.
    pub data_source: String,
    /// Two letters.
    pub content_language: String,
    /// Usually the country.
    pub feed_label: String,
    /// Where the vendor is.
    pub endpoint: String,
    /// Sealed.
    pub credentials: Vec<u8>,
    /// Whether anything is pushed.
    pub is_active: bool,
    /// Why nothing gets through until a person changes the set-up.
    pub last_error: Option<String>,
}

/// A variant as the catalog has it.
#[derive(Clone, Debug)]
pub struct CatalogItem {
    /// Which.
    pub variant: VariantId,
    /// The text form of its product's id: what variants of one product share.
    pub group: String,
    /// SKU.
    pub sku: String,
    /// Barcode, checked by nobody.
    pub barcode: Option<String>,
    /// Title of the product.
    pub product_title: String,
    /// Title of the variant.
    pub variant_title: String,
    /// Description.
    pub description: String,
    /// Brand, empty if there is none.
    pub vendor: String,
    /// The store's own category, empty if there is none.
    pub category: String,
    /// The id in the vendor's taxonomy.
    pub vendor_category: Option<String>,
    /// The product's page.
    pub link: Option<String>,
    /// A picture.
    pub image_link: Option<String>,
    /// Price.
    pub price: Money,
    /// Weight in grams.
    pub weight_grams: Option<u32>,
    /// Whether it is sold.
    pub is_active: bool,
}

impl CatalogItem {
    /// Title of product and variant.
    pub fn title(&self) -> String {
        if self.variant_title == self.product_title {
            self.product_title.clone()
        } else {
            format!("{} · {}", self.product_title, self.variant_title)
        }
    }

    /// The attributes to push.
    pub fn feed_item(&self) -> FeedItem {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let title = cut(&self.title(), TITLE_MAX);
        FeedItem {
            offer_id: self.sku.clone(),
            description: some(&cut(&self.description, DESCRIPTION_MAX)).unwrap_or_else(|| title.clone()),
            title,
            link: self.link.clone().unwrap_or_default(),
            image_link: self.image_link.clone(),
            more_images: Vec::new(),
            price: self.price,
            sale: None,
            gtins: self.barcode.as_deref().filter(|code| is_gtin(code)).map(str::to_owned).into_iter().collect(),
            mpn: None,
            brand: some(&self.vendor),
            category: self.vendor_category.as_deref().and_then(some),
            product_types: some(&self.category).into_iter().collect(),
            group: Some(self.group.clone()),
            color: None,
            size: None,
            condition: Condition::New,
            weight_grams: self.weight_grams,
        }
    }
}

/// Whether a barcode is a GTIN: 8, 12, 13 or 14 digits of which the last is right. A wrong one would have the item refused.
pub fn is_gtin(code: &str) -> bool {
    if !matches!(code.len(), 8 | 12..=14) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let digits = code.bytes().rev().map(|b| u32::from(b.saturating_sub(b'0')));
    let weighed = digits.enumerate().map(|(at, digit)| if at % 2 == 1 { digit.saturating_mul(3) } else { digit });
    weighed.sum::<u32>().is_multiple_of(10)
}

/// What the vendor accepted or refused of an item.
#[derive(Clone, Debug, Default)]
pub struct ToldProduct {
    /// The accepted pushes.
    pub history: PushHistory,
    /// The version that was accepted last.
    pub version: Option<i64>,
    /// The first accepted push.
    pub first: Option<Timestamp>,
    /// What the vendor complains about.
    pub issue: Option<String>,
    /// The attributes that were refused, and when.
    pub refused: Option<([u8; 32], Timestamp)>,
}

/// What a store was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldStock {
    /// Under which code.
    pub store_code: String,
    /// Pieces.
    pub quantity: Quantity,
    /// Price.
    pub price: (i64, String),
    /// When.
    pub at: Timestamp,
}

/// What a warehouse has of a variant, and what its store was told.
#[derive(Clone, Debug)]
pub struct StoreStock {
    /// Which.
    pub warehouse: WarehouseId,
    /// Its code.
    pub warehouse_code: String,
    /// The vendor's code; `None` for a warehouse that is shown nowhere.
    pub store_code: Option<String>,
    /// Pieces that can be sold.
    pub available: Quantity,
    /// What the store was told.
    pub told: Option<ToldStock>,
}

/// A store that has to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueStock {
    /// Which warehouse.
    pub warehouse: WarehouseId,
    /// The vendor's code.
    pub store_code: String,
    /// What it was told before.
    pub before: Option<Quantity>,
    /// What it shall be told.
    pub quantity: Quantity,
    /// The price it shall be told.
    pub price: Money,
}

/// A variant on one snapshot: what stands here and what was told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The connection.
    pub connection: Connection,
    /// What stands here.
    pub item: CatalogItem,
    /// What was told of its attributes.
    pub product: ToldProduct,
    /// Its warehouses.
    pub stock: Vec<StoreStock>,
}

impl Told {
    /// The fingerprint of the attributes that stand here.
    pub fn hash(&self) -> [u8; 32] {
        attributes_hash(&self.item.feed_item())
    }

    /// Whether the product is pushed now; `None` for one that is not sold, or whose very attributes were refused before the job was asked for: the
    /// refusal is shown, and each further job would only be one more dead letter.
    pub fn product_push(&self, now: Timestamp, asked: Timestamp) -> Option<ProductPush> {
        let hash = self.hash();
        let is_refused = self.product.refused.is_some_and(|(refused, at)| refused == hash && at <= asked);
        (self.item.is_active && !is_refused).then(|| product_push(&self.product.history, &hash, now))
    }

    /// The version of the next push: the time, and more than the last one in any case.
    pub fn next_version(&self, now: Timestamp) -> i64 {
        self.product.version.map_or(now.0, |last| now.0.max(last.saturating_add(1))).max(1)
    }

    /// What can be sold in all warehouses together.
    pub fn availability(&self) -> Availability {
        let any = self.stock.iter().map(|stock| stock.available).max().unwrap_or(Quantity::ZERO);
        availability(any, None)
    }

    /// The stores that were told something else than what stands here. What is not sold has none left.
    pub fn due_stock(&self) -> Vec<DueStock> {
        let due = self.stock.iter().filter_map(|stock| {
            let store_code = stock.store_code.clone()?;
            let quantity = if self.item.is_active { stock.available } else { Quantity::ZERO };
            let price = self.item.price;
            let told = stock.told.as_ref().filter(|told| told.store_code == store_code);
            let is_told = told.is_some_and(|told| {
                told.quantity == quantity && told.price.0 == price.minor && told.price.1 == price.currency.code()
            });
            let before = told.map(|told| told.quantity);
            (!is_told).then_some(DueStock { warehouse: stock.warehouse, store_code, before, quantity, price })
        });
        due.collect()
    }
}

/// Where an item stands at the vendor, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemState {
    /// It was never told.
    New,
    /// Told, and not shown yet.
    Pending,
    /// Shown.
    Live,
    /// The vendor complains.
    Rejected,
}

impl ItemState {
    /// The name in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Live => "live",
            Self::Rejected => "rejected",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::New, Self::Pending, Self::Live, Self::Rejected].into_iter().find(|state| state.name() == name)
    }
}

/// Which items a list shows.
#[derive(Debug, Default, Clone)]
pub struct ItemFilter {
    /// Part of SKU, barcode or title.
    pub q: Option<String>,
    /// Only in this state.
    pub state: Option<ItemState>,
    /// Only of this product.
    pub product: Option<ProductId>,
    /// Only after this position.
    pub after: Option<i64>,
}

/// An item of a list.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// Position of the variant.
    pub seq: i64,
    /// Of what.
    pub variant: VariantId,
    /// SKU.
    pub sku: String,
    /// Title of product and variant.
    pub title: String,
    /// Where it stands.
    pub state: ItemState,
    /// Last accepted product push.
    pub pushed: Option<Timestamp>,
    /// What the vendor complains about.
    pub issue: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::money::Currency;

    fn told() -> Told {
        let price = Money::parse("4.90", Currency::parse("EUR").unwrap()).unwrap();
        let connection = Connection {
            epoch: 1,
            account_id: "1".into(),
            data_source: "2".into(),
            content_language: "en".into(),
            feed_label: "US".into(),
            endpoint: String::new(),
            credentials: vec![],
            is_active: true,
            last_error: None,
        };
        let item = CatalogItem {
            variant: VariantId::from([1; 16]),
            group: "prd_1".into(),
            sku: "SKU-1".into(),
            barcode: Some("4012345678901".into()),
            product_title: "Tea".into(),
            variant_title: "100 g".into(),
            description: String::new(),
            vendor: String::new(),
            category: String::new(),
            vendor_category: None,
            link: None,
            image_link: None,
            price,
            weight_grams: None,
            is_active: true,
        };
        let stock = StoreStock {
            warehouse: WarehouseId::from([2; 16]),
            warehouse_code: "MAIN".into(),
            store_code: Some("MAIN-1".into()),
            available: Quantity::new(3).unwrap(),
            told: None,
        };
        Told { connection, item, product: ToldProduct::default(), stock: vec![stock] }
    }

    #[test]
    fn a_barcode_is_a_gtin_only_with_its_check_digit() {
        for good in ["4012345678901", "96385074", "036000291452", "10614141000415"] {
            assert!(is_gtin(good), "{good}");
        }
        for bad in ["4012345678902", "", "123", "SKU-12345678", "40123456789012345"] {
            assert!(!is_gtin(bad), "{bad}");
        }
    }

    /// D34: only what differs is sent: quantity, price, or the store's code.
    #[test]
    fn a_store_is_told_when_quantity_price_or_code_differ() {
        let mut view = told();
        assert_eq!(view.due_stock().len(), 1);
        let stand = ToldStock {
            store_code: "MAIN-1".into(),
            quantity: Quantity::new(3).unwrap(),
            price: (490, "EUR".into()),
            at: Timestamp(1),
        };
        view.stock[0].told = Some(stand.clone());
        assert_eq!(view.due_stock(), []);
        view.stock[0].available = Quantity::new(2).unwrap();
        assert_eq!(view.due_stock()[0].before, Quantity::new(3));
        view.stock[0].available = Quantity::new(3).unwrap();
        view.item.price.minor = 500;
        assert_eq!(view.due_stock().len(), 1);
        view.item.price.minor = 490;
        view.stock[0].told = Some(ToldStock { store_code: "OLD".into(), ..stand.clone() });
        assert_eq!(view.due_stock()[0].before, None);
        view.stock[0].told = Some(stand);
        view.item.is_active = false;
        assert_eq!(view.due_stock()[0].quantity, Quantity::ZERO);
        view.stock[0].store_code = None;
        assert_eq!(view.due_stock(), []);
    }

    #[test]
    fn versions_grow_although_the_clock_was_set_back() {
        let mut view = told();
        assert_eq!(view.next_version(Timestamp(500)), 500);
        view.product.version = Some(900);
        assert_eq!(view.next_version(Timestamp(500)), 901);
        assert_eq!(view.next_version(Timestamp(1_000)), 1_000);
    }

    #[test]
    fn refused_attributes_are_tried_again_by_the_job_that_was_refused_only() {
        let mut view = told();
        view.product.refused = Some((view.hash(), Timestamp(100)));
        assert_eq!(view.product_push(Timestamp(200), Timestamp(150)), None);
        assert!(view.product_push(Timestamp(200), Timestamp(50)).is_some(), "a person retried the dead letter");
        view.item.product_title = "Better tea".into();
        assert!(view.product_push(Timestamp(200), Timestamp(150)).is_some());
    }
}
