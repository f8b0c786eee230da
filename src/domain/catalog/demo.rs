//! The demo's catalog, as it stands in `assets/demo/catalog.json`.

use super::model::{Attributes, NewProduct, NewVariant, ProductStatus};
use crate::base::error::{Kind, Problem};
use crate::base::money::{Currency, Money, MoneyError};
use serde::Deserialize;

/// Why a demo catalog cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Not JSON of the expected shape.
    #[error("the demo catalog cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A price, or the currency.
    #[error("the demo catalog has a wrong price: {0}")]
    Price(#[from] MoneyError),
}

impl Problem for DemoError {
    fn kind(&self) -> Kind {
        Kind::Broken
    }
    fn code(&self) -> &'static str {
        "demo_catalog_broken"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DemoCatalog {
    currency: String,
    /// Where the shop's product pages stand.
    shop_url: String,
    products: Vec<DemoProduct>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DemoProduct {
    handle: String,
    title: String,
    description: String,
    vendor: String,
    category: String,
    google_category: String,
    variants: Vec<DemoVariant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DemoVariant {
    sku: String,
    barcode: String,
    title: String,
    price: String,
    weight_g: i64,
}

/// Reads a demo catalog into products that are ready to be made.
pub fn parse_demo(json: &str) -> Result<Vec<NewProduct>, DemoError> {
    let catalog: DemoCatalog = serde_json::from_str(json)?;
    let currency = Currency::parse(&catalog.currency)?;
    let mut products = Vec::with_capacity(catalog.products.len());
    for product in catalog.products {
        let mut variants = Vec::with_capacity(product.variants.len());
        for variant in product.variants {
            variants.push(NewVariant {
                sku: variant.sku,
                barcode: Some(variant.barcode),
                title: Some(variant.title),
                price: Money::parse(&variant.price, currency)?,
                weight_g: Some(variant.weight_g),
            });
        }
        let attributes = Attributes {
            title: product.title,
            description: product.description,
            vendor: product.vendor,
            category: product.category,
            google_category: Some(product.google_category),
            link: Some(format!("{}/products/{}", catalog.shop_url, product.handle)),
            image_link: Some(format!("{}/images/{}.jpg", catalog.shop_url, product.handle)),
            status: ProductStatus::Active,
        };
        products.push(NewProduct { handle: Some(product.handle), attributes, variants });
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::model::is_gtin;
    use std::collections::HashSet;

    const DEMO: &str = include_str!("../../../assets/demo/catalog.json");

    /// The demo has at least 300 variants.
    #[test]
    fn the_demo_catalog_is_one_that_the_store_would_take() {
        let products = parse_demo(DEMO).unwrap();
        assert!(products.len() >= 45, "{} products", products.len());
        let variants: Vec<NewVariant> = products.iter().flat_map(|product| product.variants.clone()).collect();
        assert!(variants.len() >= 320, "{} variants", variants.len());
        let unlike = |of: fn(&NewVariant) -> String| variants.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(unlike(|variant| variant.sku.clone()), variants.len(), "an SKU stands twice");
        assert_eq!(unlike(|variant| variant.barcode.clone().unwrap()), variants.len(), "a barcode stands twice");
        let handles: HashSet<_> = products.iter().map(|product| product.handle.clone()).collect();
        assert_eq!(handles.len(), products.len(), "a handle stands twice");
        for product in products {
            product.checked().unwrap();
        }
    }

    #[test]
    fn its_barcodes_are_in_store_numbers_with_a_right_check_digit() {
        for variant in parse_demo(DEMO).unwrap().into_iter().flat_map(|product| product.variants) {
            let code = variant.barcode.unwrap();
            assert!(code.len() == 13 && code.starts_with('2') && is_gtin(&code), "{code}");
        }
    }

    #[test]
    fn the_house_blend_of_the_tutorials_is_in_it() {
        let products = parse_demo(DEMO).unwrap();
        let found = products.iter().flat_map(|product| &product.variants).find(|variant| variant.sku == "SKU-1001");
        let variant = found.unwrap();
        assert_eq!(variant.title.as_deref(), Some("Kaffeebohnen Hausmischung 1 kg"));
        assert_eq!(variant.price.to_string(), "18.99 EUR");
    }
}
