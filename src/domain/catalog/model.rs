//! Products and variants as the rules see them: their shapes, their versions, their names in addresses and in searches.

use super::CatalogError;
use crate::base::clock::Timestamp;
use crate::base::id::{ProductId, VariantId};
use crate::base::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Variants that a product may have.
pub const VARIANTS_MAX: usize = 100;
/// Characters of a search text.
pub const SEARCH_MAX: usize = 100;
/// Characters of a handle.
pub const HANDLE_MAX: usize = 200;

/// Whether a product is for sale.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    /// For sale.
    #[default]
    Active,
    /// Not yet.
    Draft,
    /// No longer.
    Archived,
}

impl ProductStatus {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draft => "draft",
            Self::Archived => "archived",
        }
    }

    /// The status of a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Draft, Self::Archived].into_iter().find(|status| status.name() == name)
    }
}

/// What a store may say of a product and change later.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// 1 to 300 characters.
    pub title: String,
    /// At most 20,000 characters, line breaks allowed.
    pub description: String,
    /// Maker or brand, at most 200 characters.
    pub vendor: String,
    /// In the store's own words, at most 300 characters.
    pub category: String,
    /// Number of Google's product taxonomy.
    pub google_category: Option<String>,
    /// Page of the product in the shop.
    pub link: Option<String>,
    /// Its main picture.
    pub image_link: Option<String>,
    /// Whether it is for sale.
    pub status: ProductStatus,
}

/// A product to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewProduct {
    /// Its name in addresses. Made from the title when there is none.
    pub handle: Option<String>,
    /// What is said of it.
    pub attributes: Attributes,
    /// 1 to [`VARIANTS_MAX`].
    pub variants: Vec<NewVariant>,
}

/// A variant to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVariant {
    /// 1 to 100 characters, unique in the store.
    pub sku: String,
    /// At most 50 characters.
    pub barcode: Option<String>,
    /// 1 to 300 characters. The product's title when there is none.
    pub title: Option<String>,
    /// Not negative.
    pub price: Money,
    /// Grams.
    pub weight_g: Option<i64>,
}

/// A product as it stands.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its name in addresses.
    pub handle: String,
    /// What is said of it.
    pub attributes: Attributes,
    /// Raised by every change of it or of one of its variants.
    pub version: i64,
    /// Made.
    pub created: Timestamp,
    /// Last change.
    pub updated: Timestamp,
}

/// A variant as it stands.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Position in lists.
    pub seq: i64,
    /// Its id.
    pub id: VariantId,
    /// Whose.
    pub product_id: ProductId,
    /// Its product's title.
    pub product_title: String,
    /// What it is found by.
    pub sku: String,
    /// What a scanner reads.
    pub barcode: Option<String>,
    /// What tells it from its siblings.
    pub title: String,
    /// Of one piece.
    pub price: Money,
    /// Grams.
    pub weight_g: Option<i64>,
    /// Of its product.
    pub version: i64,
    /// Last change.
    pub updated: Timestamp,
}

/// What other modules need of a variant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantRef {
    /// Its id.
    pub id: VariantId,
    /// Whose.
    pub product_id: ProductId,
    /// What it is found by.
    pub sku: String,
    /// The full title, with the product's.
    pub title: String,
    /// Of one piece.
    pub price: Money,
}

/// How much of a product there is, over all variants and warehouses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stock {
    /// Variants.
    pub variant_count: i64,
    /// Pieces that are there.
    pub on_hand: i64,
    /// Pieces that are promised to nobody.
    pub available: i64,
}

/// A row of the products list.
#[derive(Clone, Debug)]
pub struct ProductSummary {
    /// Position in lists.
    pub seq: i64,
    /// Its id.
    pub id: ProductId,
    /// Its name in addresses.
    pub handle: String,
    /// Its title.
    pub title: String,
    /// Maker or brand.
    pub vendor: String,
    /// In the store's own words.
    pub category: String,
    /// Whether it is for sale.
    pub status: ProductStatus,
    /// How much there is.
    pub stock: Stock,
    /// Last change of the product.
    pub updated: Timestamp,
}

/// A product with its variants.
#[derive(Clone, Debug)]
pub struct ProductDetail {
    /// The product.
    pub product: Product,
    /// How much there is.
    pub stock: Stock,
    /// In the order in which they were made.
    pub variants: Vec<Variant>,
}

/// Which products a list shows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ProductFilter {
    /// A [`search_pattern`] on title, SKU and barcode.
    pub pattern: Option<String>,
    /// Only in this status.
    pub status: Option<ProductStatus>,
}

/// Which variants a list shows.
#[derive(Clone, Debug, Default)]
pub struct VariantFilter {
    /// A [`search_pattern`] on titles, SKU and barcode.
    pub pattern: Option<String>,
    /// Only of this product.
    pub product_id: Option<ProductId>,
}

/// What becomes of a field that may be empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    /// It was not sent.
    #[default]
    Keep,
    /// `null` was sent.
    Clear,
    /// A value was sent.
    Set(T),
}

impl<T> Change<T> {
    /// Puts the change into the field.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// What becomes of a product. What is not set stays.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// See [`Attributes::title`].
    pub title: Option<String>,
    /// See [`Attributes::description`].
    pub description: Option<String>,
    /// See [`Attributes::vendor`].
    pub vendor: Option<String>,
    /// See [`Attributes::category`].
    pub category: Option<String>,
    /// See [`Attributes::google_category`].
    pub google_category: Change<String>,
    /// See [`Attributes::link`].
    pub link: Change<String>,
    /// See [`Attributes::image_link`].
    pub image_link: Change<String>,
    /// See [`Attributes::status`].
    pub status: Option<ProductStatus>,
}

/// What becomes of a variant. What is not set stays.
#[derive(Clone, Debug, Default)]
pub struct VariantChange {
    /// See [`NewVariant::title`].
    pub title: Option<String>,
    /// See [`NewVariant::barcode`].
    pub barcode: Change<String>,
    /// See [`NewVariant::price`].
    pub price: Option<Money>,
    /// See [`NewVariant::weight_g`].
    pub weight_g: Change<i64>,
}

/// The versions that a caller is ready to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Whatever stands.
    Any,
    /// One of these. None at all when the caller named what is no version of ours.
    OneOf(Vec<i64>),
}

impl Expected {
    /// Reads `If-Match`: `*`, or a list of strong tags whose text begins with the version. A weak tag matches nothing (RFC 9110, 13.1.1).
    pub fn parse(header: Option<&str>) -> Self {
        let Some(header) = header.map(str::trim).filter(|text| *text != "*") else { return Self::Any };
        let version = |tag: &str| {
            let inner = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            inner.split('-').next()?.parse::<i64>().ok()
        };
        Self::OneOf(header.split(',').filter_map(version).collect())
    }

    /// Refuses when `version` is not among them.
    pub fn check(&self, version: i64) -> Result<(), CatalogError> {
        match self {
            Self::OneOf(versions) if !versions.contains(&version) => Err(CatalogError::Stale(version)),
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}

/// A handle made from a title, as in `kaffeebohnen-hausmischung-1-kg`.
pub fn handle_of(title: &str) -> String {
    let mut handle = String::new();
    for letter in title.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' => handle.push_str("ae"),
            'ö' => handle.push_str("oe"),
            'ü' => handle.push_str("ue"),
            'ß' => handle.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => handle.push('a'),
            'è' | 'é' | 'ê' | 'ë' => handle.push('e'),
            'ì' | 'í' | 'î' | 'ï' => handle.push('i'),
            'ò' | 'ó' | 'ô' | 'õ' => handle.push('o'),
            'ù' | 'ú' | 'û' => handle.push('u'),
            'ç' => handle.push('c'),
            'ñ' => handle.push('n'),
            plain if plain.is_ascii_alphanumeric() => handle.push(plain),
            _ if handle.is_empty() || handle.ends_with('-') => {}
            _ => handle.push('-'),
        }
    }
    handle.truncate(HANDLE_MAX - 20);
    let trimmed = handle.trim_end_matches('-');
    if trimmed.is_empty() { "product".to_owned() } else { trimmed.to_owned() }
}

/// The title under which a variant is sold: `Espresso Napoli, 250 g`. A title that says it all stands alone.
pub fn full_title(product: &str, variant: &str) -> String {
    if variant.starts_with(product) { variant.to_owned() } else { format!("{product}, {variant}") }
}

/// A `GLOB` pattern that finds `text` anywhere, whatever its letter case. `LIKE` ignores the case of ASCII letters only, which would miss
/// `Öl` when `öl` is asked for. No character of `text` is a wildcard.
pub fn search_pattern(text: &str) -> String {
    let mut pattern = String::from("*");
    for letter in text.chars() {
        let mut lower = letter.to_lowercase();
        let mut upper = letter.to_uppercase();
        match (lower.next(), lower.next(), upper.next(), upper.next()) {
            (Some(low), None, Some(high), None) if low != high => pattern.extend(['[', low, high, ']']),
            _ if matches!(letter, '*' | '?' | '[') => pattern.extend(['[', letter, ']']),
            _ => pattern.push(letter),
        }
    }
    pattern.push('*');
    pattern
}

/// Whether `code` is a GTIN of 8, 12, 13 or 14 digits with the right check digit (GS1 General Specifications, 7.9).
pub fn is_gtin(code: &str) -> bool {
    if !matches!(code.len(), 8 | 12 | 13 | 14) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let weigh = |(position, digit): (usize, u8)| {
        let weight = if position % 2 == 1 { 3 } else { 1 };
        u32::from(digit.saturating_sub(b'0')).saturating_mul(weight)
    };
    code.bytes().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_handle_is_made_of_the_title_with_umlauts_written_out() {
        assert_eq!(handle_of("Kaffeebohnen Hausmischung 1 kg"), "kaffeebohnen-hausmischung-1-kg");
        assert_eq!(handle_of("  Größe L – Küchentücher (3er) "), "groesse-l-kuechentuecher-3er");
        assert_eq!(handle_of("日本茶"), "product");
        assert!(handle_of(&"ä".repeat(300)).len() <= HANDLE_MAX);
    }

    #[test]
    fn a_full_title_does_not_say_the_products_twice() {
        assert_eq!(full_title("Espresso Napoli", "250 g"), "Espresso Napoli, 250 g");
        assert_eq!(full_title("Espresso Napoli", "Espresso Napoli 1 kg"), "Espresso Napoli 1 kg");
    }

    #[test]
    fn a_search_pattern_takes_every_letter_in_both_cases_and_no_wildcard() {
        assert_eq!(search_pattern("Öl 5%"), "*[öÖ][lL] 5%*");
        assert_eq!(search_pattern("a*[?]_ß"), "*[aA][*][[][?]]_ß*");
    }

    #[test]
    fn only_a_right_check_digit_makes_a_gtin() {
        assert!(is_gtin("4006381333931"));
        assert!(is_gtin("96385074"));
        assert!(!is_gtin("4006381333932"));
        assert!(!is_gtin("400638133393"));
        assert!(!is_gtin("40063813339३1"));
    }

    #[test]
    fn if_match_admits_its_versions_and_no_weak_tag() {
        assert_eq!(Expected::parse(None), Expected::Any);
        assert_eq!(Expected::parse(Some("*")), Expected::Any);
        assert_eq!(Expected::parse(Some("\"3\", \"4-abcdef\"")), Expected::OneOf(vec![3, 4]));
        assert_eq!(Expected::parse(Some("W/\"3\"")), Expected::OneOf(vec![]));
        assert!(Expected::parse(Some("3")).check(3).is_err());
        assert!(matches!(Expected::OneOf(vec![2]).check(3), Err(CatalogError::Stale(3))));
    }

    proptest! {
        #[test]
        fn any_title_gives_a_handle_that_is_one(title in "\\PC{0,300}") {
            let handle = handle_of(&title);
            prop_assert!((1..=HANDLE_MAX).contains(&handle.len()));
            prop_assert!(handle.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }
}
