//! What fields may hold, and what a change makes different.

use super::CatalogError;
use super::model::{Attributes, HANDLE_MAX, NewProduct, ProductChange, VARIANTS_MAX, Variant, VariantChange};
use crate::base::error::{FieldFault, Place};
use crate::base::money::{Money, MoneyWire};
use crate::base::text::is_clean;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Grams that a variant may weigh.
const WEIGHT_MAX: i64 = 1_000_000_000;

/// The fields that changed, before and after.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Diff {
    /// As it stood.
    pub before: Map<String, Value>,
    /// As it stands.
    pub after: Map<String, Value>,
}

impl Diff {
    fn note<T: Serialize + PartialEq>(&mut self, field: &str, before: &T, after: &T) {
        if before != after {
            let value = |of: &T| serde_json::to_value(of).unwrap_or(Value::Null);
            self.before.insert(field.to_owned(), value(before));
            self.after.insert(field.to_owned(), value(after));
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.after.is_empty()
    }
}

impl ProductChange {
    /// The attributes after the change, checked, and what is different.
    pub fn apply(self, before: &Attributes) -> Result<(Attributes, Diff), CatalogError> {
        let mut after = before.clone();
        after.title = self.title.unwrap_or(after.title);
        after.description = self.description.unwrap_or(after.description);
        after.vendor = self.vendor.unwrap_or(after.vendor);
        after.category = self.category.unwrap_or(after.category);
        after.status = self.status.unwrap_or(after.status);
        self.google_category.apply(&mut after.google_category);
        self.link.apply(&mut after.link);
        self.image_link.apply(&mut after.image_link);
        let mut complaints = Complaints::default();
        complaints.attributes(&mut after);
        complaints.finish()?;
        let mut diff = Diff::default();
        diff.note("title", &before.title, &after.title);
        diff.note("description", &before.description, &after.description);
        diff.note("vendor", &before.vendor, &after.vendor);
        diff.note("category", &before.category, &after.category);
        diff.note("google_category", &before.google_category, &after.google_category);
        diff.note("link", &before.link, &after.link);
        diff.note("image_link", &before.image_link, &after.image_link);
        diff.note("status", &before.status, &after.status);
        Ok((after, diff))
    }
}

impl VariantChange {
    /// The variant after the change, checked, what is different beside the price, and what is different in the price.
    pub fn apply(self, before: &Variant) -> Result<(Variant, Diff, Diff), CatalogError> {
        let mut after = before.clone();
        after.title = self.title.unwrap_or(after.title);
        after.price = self.price.unwrap_or(after.price);
        self.barcode.apply(&mut after.barcode);
        self.weight_g.apply(&mut after.weight_g);
        let mut complaints = Complaints::default();
        complaints.line("/title", &mut after.title, 1, 300);
        complaints.variant("", &mut after.barcode, after.price, after.weight_g);
        complaints.finish()?;
        let mut diff = Diff::default();
        diff.note("title", &before.title, &after.title);
        diff.note("barcode", &before.barcode, &after.barcode);
        diff.note("weight_g", &before.weight_g, &after.weight_g);
        let mut price = Diff::default();
        if before.price != after.price {
            let wire = |money: Money| serde_json::to_value(MoneyWire::from(money)).unwrap_or(Value::Null);
            price.note("price", &wire(before.price), &wire(after.price));
        }
        Ok((after, diff, price))
    }
}

impl NewProduct {
    /// The same product with trimmed texts, or all that is wrong with it.
    pub fn checked(mut self) -> Result<Self, CatalogError> {
        let mut complaints = Complaints::default();
        complaints.attributes(&mut self.attributes);
        if let Some(handle) = &self.handle {
            complaints.handle(handle);
        }
        if !(1..=VARIANTS_MAX).contains(&self.variants.len()) {
            let detail = format!("A product has 1 to {VARIANTS_MAX} variants.");
            complaints.add("/variants".to_owned(), "out_of_range", detail);
        }
        let mut seen = HashSet::new();
        for (position, variant) in self.variants.iter_mut().enumerate().take(VARIANTS_MAX) {
            let at = format!("/variants/{position}");
            complaints.line(&format!("{at}/sku"), &mut variant.sku, 1, 100);
            if let Some(title) = &mut variant.title {
                complaints.line(&format!("{at}/title"), title, 1, 300);
            }
            complaints.variant(&at, &mut variant.barcode, variant.price, variant.weight_g);
            if !seen.insert(variant.sku.clone()) {
                let detail = format!("The SKU `{}` stands twice in this product.", variant.sku);
                complaints.add(format!("{at}/sku"), "duplicate_sku", detail);
            }
        }
        complaints.finish()?;
        Ok(self)
    }
}

/// All that is wrong with a request, so that it is mended in one go.
#[derive(Default)]
struct Complaints(Vec<FieldFault>);

impl Complaints {
    fn add(&mut self, pointer: String, code: &'static str, detail: String) {
        self.0.push(FieldFault { place: Place::Pointer(pointer), code, detail });
    }

    fn finish(self) -> Result<(), CatalogError> {
        if self.0.is_empty() { Ok(()) } else { Err(CatalogError::Invalid(self.0)) }
    }

    /// Trims a text; line breaks are left in it.
    fn text(&mut self, pointer: &str, text: &mut String, min: usize, max: usize) {
        *text = text.trim().to_owned();
        if !(min..=max).contains(&text.chars().count()) || !is_clean(text) {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let detail = format!("`{name}` has {min} to {max} characters and no control characters.");
            self.add(pointer.to_owned(), "invalid_text", detail);
        }
    }

    /// Trims a text that stands on one line.
    fn line(&mut self, pointer: &str, text: &mut String, min: usize, max: usize) {
        self.text(pointer, text, min, max);
        if text.contains(['\n', '\r', '\t']) {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            self.add(pointer.to_owned(), "invalid_text", format!("`{name}` stands on one line."));
        }
    }

    fn attributes(&mut self, attributes: &mut Attributes) {
        self.line("/title", &mut attributes.title, 1, 300);
        self.text("/description", &mut attributes.description, 0, 20_000);
        self.line("/vendor", &mut attributes.vendor, 0, 200);
        self.line("/category", &mut attributes.category, 0, 300);
        if let Some(number) = &attributes.google_category
            && (!(1..=20).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()))
        {
            let detail = "`google_category` is a number of Google's product taxonomy, as in 1868.".to_owned();
            self.add("/google_category".to_owned(), "invalid_category", detail);
        }
        self.address("/link", attributes.link.as_deref());
        self.address("/image_link", attributes.image_link.as_deref());
    }

    fn address(&mut self, pointer: &str, address: Option<&str>) {
        let Some(address) = address else { return };
        let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
        let is_plain =
            address.chars().count() <= 2000 && !address.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_plain || host.is_none_or(str::is_empty) {
            let detail = "An address begins with https:// or http:// and has at most 2000 characters.".to_owned();
            self.add(pointer.to_owned(), "invalid_address", detail);
        }
    }

    fn handle(&mut self, handle: &str) {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=HANDLE_MAX).contains(&handle.len()) || !handle.bytes().all(plain) {
            let detail = format!("`handle` has 1 to {HANDLE_MAX} of a-z, 0-9 and -.");
            self.add("/handle".to_owned(), "invalid_handle", detail);
        }
    }

    fn variant(&mut self, at: &str, barcode: &mut Option<String>, price: Money, weight_g: Option<i64>) {
        if let Some(code) = barcode {
            self.line(&format!("{at}/barcode"), code, 1, 50);
        }
        if price.minor < 0 {
            self.add(format!("{at}/price"), "out_of_range", "A price is not negative.".to_owned());
        }
        if weight_g.is_some_and(|grams| !(0..=WEIGHT_MAX).contains(&grams)) {
            let detail = format!("`weight_g` lies between 0 and {WEIGHT_MAX}.");
            self.add(format!("{at}/weight_g"), "out_of_range", detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::money::Currency;
    use crate::domain::catalog::model::{Change, NewVariant, ProductStatus};

    fn product() -> NewProduct {
        let price = Money::new(1899, Currency::parse("EUR").unwrap()).unwrap();
        let variant = NewVariant { sku: " A-1 ".to_owned(), barcode: None, title: None, price, weight_g: Some(250) };
        let attributes = Attributes { title: " Kaffee ".to_owned(), ..Attributes::default() };
        NewProduct { handle: None, attributes, variants: vec![variant] }
    }

    fn pointers(error: CatalogError) -> Vec<String> {
        let CatalogError::Invalid(fields) = error else { panic!("{error}") };
        fields
            .into_iter()
            .map(|field| match field.place {
                Place::Pointer(pointer) => pointer,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn texts_are_trimmed() {
        let checked = product().checked().unwrap();
        assert_eq!(checked.attributes.title, "Kaffee");
        assert_eq!(checked.variants[0].sku, "A-1");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_pointer() {
        let mut wrong = product();
        wrong.attributes.title = "  ".to_owned();
        wrong.attributes.google_category = Some("Coffee".to_owned());
        wrong.attributes.link = Some("javascript:alert(1)".to_owned());
        wrong.handle = Some("Über".to_owned());
        wrong.variants.push(NewVariant { sku: "A-1".to_owned(), ..wrong.variants[0].clone() });
        wrong.variants[1].price.minor = -1;
        wrong.variants[1].barcode = Some("1\n2".to_owned());
        wrong.variants[1].weight_g = Some(-1);
        assert_eq!(
            pointers(wrong.checked().unwrap_err()),
            [
                "/title",
                "/google_category",
                "/link",
                "/handle",
                "/variants/1/barcode",
                "/variants/1/price",
                "/variants/1/weight_g",
                "/variants/1/sku",
            ]
        );
    }

    #[test]
    fn a_product_has_1_to_100_variants() {
        let none = NewProduct { variants: Vec::new(), ..product() };
        assert_eq!(pointers(none.checked().unwrap_err()), ["/variants"]);
        let mut many = product();
        let sku = |n: usize| NewVariant { sku: format!("B-{n}"), ..many.variants[0].clone() };
        let added: Vec<NewVariant> = (0..100).map(sku).collect();
        many.variants.extend(added);
        assert_eq!(pointers(many.checked().unwrap_err()), ["/variants"]);
    }

    #[test]
    fn a_diff_holds_changed_fields_only() {
        let before = Attributes {
            title: "Kaffee".to_owned(),
            link: Some("https://a.example".to_owned()),
            ..Attributes::default()
        };
        let change = ProductChange {
            title: Some("Kaffee".to_owned()),
            link: Change::Clear,
            status: Some(ProductStatus::Draft),
            ..ProductChange::default()
        };
        let (after, diff) = change.apply(&before).unwrap();
        assert_eq!(after.link, None);
        assert_eq!(
            serde_json::to_value(&diff).unwrap(),
            serde_json::json!({
                "before": { "link": "https://a.example", "status": "active" },
                "after": { "link": null, "status": "draft" },
            })
        );
        assert!(ProductChange::default().apply(&before).unwrap().1.is_empty());
    }
}
