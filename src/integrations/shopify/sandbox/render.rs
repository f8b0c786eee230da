//! The payload of an order, byte for byte in the shape that Shopify sends: its order of keys, `\/` for a slash, `\u003c` for a bracket.

use super::order::{SHIPPING_TAX_RATE, SandboxLine, SandboxOrder, Sums};
use crate::base::clock::Timestamp;
use std::fmt::{Display, Write as _};

const FIRST_NAMES: [&str; 8] = ["Maria", "Jürgen", "Anneliese", "Tomás", "Özlem", "Björn", "Chloé", "Wei"];
const LAST_NAMES: [&str; 7] = ["Müller", "Weiß", "Yıldız", "O'Neill", "von der Heide", "Nowak", "Schäfer"];
const STREETS: [&str; 5] = ["Hauptstraße", "Am Markt", "Lindenallee", "Gartenweg", "Kaiserstr."];
const TOWNS: [(&str, &str); 5] =
    [("53113", "Bonn"), ("50667", "Köln"), ("80331", "München"), ("04109", "Leipzig"), ("20095", "Hamburg")];
const NOTES: [&str; 4] = ["", "", "Bitte klingeln – 2. OG <links> & danke", "Geschenk: \"Für Oma\"\nnicht vor 18 Uhr"];

/// An object that is being written.
struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object { out, empty: true });
    out.push('}');
}

fn escape(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                put(out, format_args!("\\u{:04x}", u32::from(c)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Writes into memory, which cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    /// A value that is JSON already: a number, true, false, `[]`.
    fn raw(&mut self, key: &str, value: impl Display) {
        put(self.key(key), format_args!("{value}"));
    }

    fn null(&mut self, keys: &[&str]) {
        for key in keys {
            self.key(key).push_str("null");
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        escape(self.key(key), value);
    }

    fn money(&mut self, key: &str, cents: i64) {
        put(self.key(key), format_args!("\"{}.{:02}\"", cents / 100, cents % 100));
    }

    fn set(&mut self, key: &str, cents: i64) {
        let (whole, rest) = (cents / 100, cents % 100);
        put(
            self.key(key),
            format_args!(
                r#"{{"shop_money":{{"amount":"{whole}.{rest:02}","currency_code":"EUR"}},"presentment_money":{{"amount":"{whole}.{rest:02}","currency_code":"EUR"}}}}"#
            ),
        );
    }

    /// An amount as a text and as a set, as most are given.
    fn both(&mut self, key: &str, cents: i64) {
        self.money(key, cents);
        self.set(&format!("{key}_set"), cents);
    }

    fn time(&mut self, key: &str, at: Timestamp) {
        let local = jiff::Timestamp::from_millisecond(at.seconds().saturating_mul(1000))
            .map(|at| jiff::tz::Offset::constant(1).to_datetime(at));
        match local {
            Ok(local) => self.raw(key, format_args!("\"{local}+01:00\"")),
            Err(_) => self.null(&[key]),
        }
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.key(key), fill);
    }

    fn list<T>(&mut self, key: &str, items: impl IntoIterator<Item = T>, each: impl Fn(&mut Object<'_>, T)) {
        let out = self.key(key);
        out.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            object(out, |o| each(o, item));
        }
        out.push(']');
    }

    fn gid(&mut self, kind: &str, id: u64) {
        self.raw("admin_graphql_api_id", format_args!(r#""gid:\/\/shopify\/{kind}\/{id}""#));
    }
}

/// Picks by the buyer's number, a different digit of it for each `step`.
fn pick<T: Copy>(from: &[T], buyer: u64, step: u32) -> Option<T> {
    let count = u64::try_from(from.len()).unwrap_or(1).max(1);
    usize::try_from((buyer >> (step * 8)) % count).ok().and_then(|index| from.get(index).copied())
}

/// Writes the order as the body of a delivery.
pub fn render(order: &SandboxOrder, shop_domain: &str) -> Vec<u8> {
    let mut out = String::with_capacity(6_000 + order.lines.len() * 1_800);
    object(&mut out, |o| {
        head(o, order);
        sums(o, order);
        tail(o, order, shop_domain);
        people(o, order);
        o.list("discount_applications", &order.applications, |o, (is_code, name)| {
            o.text("target_type", "line_item");
            o.text("type", if *is_code { "discount_code" } else { "automatic" });
            o.text("allocation_method", "across");
            o.text("target_selection", "all");
            o.text(if *is_code { "code" } else { "title" }, name);
        });
        o.raw("fulfillments", "[]");
        o.list("line_items", &order.lines, |o, item| line(o, item, order));
        o.null(&["payment_terms"]);
        refunds(o, order);
        address(o, "shipping_address", order.buyer);
        shipping(o, order);
        o.raw("returns", "[]");
        o.raw("line_item_groups", "[]");
    });
    out.into_bytes()
}

fn head(o: &mut Object<'_>, order: &SandboxOrder) {
    o.raw("id", order.id);
    o.gid("Order", order.id);
    o.raw("app_id", 580_111);
    o.null(&["browser_ip"]);
    o.raw("buyer_accepts_marketing", false);
    match order.cancelled_at {
        Some(at) => {
            o.text("cancel_reason", "customer");
            o.time("cancelled_at", at);
        }
        None => o.null(&["cancel_reason", "cancelled_at"]),
    }
    o.null(&["cart_token", "checkout_id", "checkout_token", "client_details", "closed_at"]);
    o.raw("confirmation_number", format_args!("\"S{:08X}\"", order.buyer >> 32));
    o.raw("confirmed", true);
    o.text("contact_email", &email(order.buyer));
    o.time("created_at", order.placed_at);
    o.text("currency", "EUR");
}

fn sums(o: &mut Object<'_>, order: &SandboxOrder) {
    let Sums { discount, subtotal, tax, total, .. } = order.sums(true);
    o.set("current_shipping_price_set", order.shipping);
    o.both("current_subtotal_price", subtotal);
    o.null(&["current_total_additional_fees_set"]);
    o.both("current_total_discounts", discount);
    o.null(&["current_total_duties_set"]);
    o.both("current_total_price", total);
    o.both("current_total_tax", tax);
    o.text("customer_locale", "de");
    o.null(&["device_id"]);
    let code = order.applications.iter().enumerate().find(|(_, (is_code, _))| *is_code);
    o.list("discount_codes", code, |o, (application, (_, name))| {
        let parts = order.lines.iter().flat_map(|line| &line.discounts).filter(|(of, _)| *of == application);
        o.text("code", name);
        o.money("amount", parts.map(|(_, part)| part).sum());
        o.text("type", "percentage");
    });
    o.raw("duties_included", false);
    o.text("email", &email(order.buyer));
    o.raw("estimated_taxes", false);
    o.text("financial_status", if order.cancelled_at.is_some() { "refunded" } else { "paid" });
    o.null(&["fulfillment_status", "landing_site", "landing_site_ref", "location_id"]);
}

fn tail(o: &mut Object<'_>, order: &SandboxOrder, shop_domain: &str) {
    let Sums { gross, discount, subtotal, tax, total } = order.sums(false);
    o.text("merchant_business_entity_id", "MTIzNDU2Nzg5MA");
    o.null(&["merchant_of_record_app_id"]);
    o.raw("name", format_args!("\"#{}\"", order.number));
    match pick(&NOTES, order.buyer, 4).filter(|note| !note.is_empty()) {
        Some(note) => o.text("note", note),
        None => o.null(&["note"]),
    }
    o.raw("note_attributes", "[]");
    o.raw("number", order.number.saturating_sub(1_000));
    o.raw("order_number", order.number);
    o.text("order_status_url", &format!("https://{shop_domain}/1/orders/{:x}/authenticate?key=sandbox", order.buyer));
    o.null(&["original_total_additional_fees_set", "original_total_duties_set"]);
    o.raw("payment_gateway_names", r#"["shopify_payments"]"#);
    o.null(&["phone", "po_number"]);
    o.text("presentment_currency", "EUR");
    o.time("processed_at", order.placed_at);
    o.null(&["reference", "referring_site", "source_identifier"]);
    o.text("source_name", "web");
    o.null(&["source_url"]);
    o.both("subtotal_price", subtotal);
    o.text("tags", "");
    o.raw("tax_exempt", false);
    let taxes = order.lines.iter().map(|line| (line.tax_rate, line.tax(order.taxes_included)));
    let all = taxes.chain([(SHIPPING_TAX_RATE, order.shipping_tax())]);
    let rates = [7, 19].map(|rate| (rate, all.clone().filter(|tax| tax.0 == rate).map(|tax| tax.1).sum::<i64>()));
    o.list("tax_lines", rates.into_iter().filter(|(_, tax)| *tax > 0), |o, (rate, tax)| tax_line(o, rate, tax));
    o.raw("taxes_included", order.taxes_included);
    o.raw("test", false);
    o.raw("token", format_args!("\"{:016x}\"", order.buyer));
    o.set("total_cash_rounding_payment_adjustment_set", 0);
    o.set("total_cash_rounding_refund_adjustment_set", 0);
    o.both("total_discounts", discount);
    o.both("total_line_items_price", gross);
    o.money("total_outstanding", 0);
    o.both("total_price", total);
    o.set("total_shipping_price_set", order.shipping);
    o.both("total_tax", tax);
    o.money("total_tip_received", 0);
    o.raw("total_weight", order.lines.iter().map(|line| line.quantity * 500).sum::<i64>());
    o.time("updated_at", order.updated_at);
    o.null(&["user_id"]);
}

fn email(buyer: u64) -> String {
    format!("kunde{}@example.com", buyer % 5_000)
}

fn tax_line(o: &mut Object<'_>, rate: i64, tax: i64) {
    o.raw("channel_liable", false);
    o.both("price", tax);
    o.raw("rate", format_args!("0.{rate:02}"));
    o.text("title", "DE MwSt");
}

fn people(o: &mut Object<'_>, order: &SandboxOrder) {
    address(o, "billing_address", order.buyer);
    o.object("customer", |o| {
        let id = 7_000_000_000_000 + order.buyer % 5_000;
        o.raw("id", id);
        o.time("created_at", order.placed_at);
        o.time("updated_at", order.placed_at);
        o.text("first_name", pick(&FIRST_NAMES, order.buyer, 0).unwrap_or_default());
        o.text("last_name", pick(&LAST_NAMES, order.buyer, 1).unwrap_or_default());
        o.text("state", "disabled");
        o.null(&["note"]);
        o.raw("verified_email", true);
        o.null(&["multipass_identifier"]);
        o.raw("tax_exempt", false);
        o.text("email", &email(order.buyer));
        o.null(&["phone"]);
        o.text("currency", "EUR");
        o.raw("tax_exemptions", "[]");
        o.gid("Customer", id);
    });
}

fn address(o: &mut Object<'_>, key: &str, buyer: u64) {
    let first = pick(&FIRST_NAMES, buyer, 0).unwrap_or_default();
    let last = pick(&LAST_NAMES, buyer, 1).unwrap_or_default();
    let (zip, town) = pick(&TOWNS, buyer, 2).unwrap_or_default();
    o.object(key, |o| {
        o.text("first_name", first);
        o.text("last_name", last);
        o.null(&["company"]);
        o.text("address1", &format!("{} {}", pick(&STREETS, buyer, 3).unwrap_or_default(), buyer % 90 + 1));
        o.text("address2", "");
        o.text("phone", "+49 228 555010");
        o.text("city", town);
        o.null(&["province", "province_code"]);
        o.text("country", "Germany");
        o.text("country_code", "DE");
        o.text("zip", zip);
        o.null(&["latitude", "longitude"]);
        o.text("name", &format!("{first} {last}"));
    });
}

fn line(o: &mut Object<'_>, line: &SandboxLine, order: &SandboxOrder) {
    o.raw("id", line.id);
    o.gid("LineItem", line.id);
    o.raw("attributed_staffs", "[]");
    o.raw("current_quantity", line.current_quantity);
    o.raw("fulfillable_quantity", line.current_quantity);
    o.text("fulfillment_service", "manual");
    o.null(&["fulfillment_status"]);
    o.raw("gift_card", false);
    o.raw("grams", 500);
    o.text("name", &line.article.title);
    o.both("price", line.article.price);
    o.raw("product_exists", true);
    o.raw("product_id", 8_000_000_000_000 + line.id % 1_000);
    o.raw("properties", "[]");
    o.raw("quantity", line.quantity);
    o.raw("requires_shipping", true);
    o.null(&["sales_line_item_group_id"]);
    o.text("sku", &line.article.sku);
    o.raw("taxable", true);
    o.text("title", &line.article.title);
    o.both("total_discount", 0);
    o.raw("variant_id", 40_000_000_000_000 + line.id % 1_000);
    o.text("variant_inventory_management", "shopify");
    o.null(&["variant_title"]);
    o.text("vendor", "Haus");
    let tax = line.tax(order.taxes_included);
    o.list("tax_lines", [tax], |o, tax| tax_line(o, line.tax_rate, tax));
    o.raw("duties", "[]");
    o.list("discount_allocations", &line.discounts, |o, (application, part)| {
        o.money("amount", *part);
        o.raw("discount_application_index", application);
        o.set("amount_set", *part);
    });
}

/// An edit that takes goods out appears as a refund without money movement.
fn refunds(o: &mut Object<'_>, order: &SandboxOrder) {
    let removed = || order.lines.iter().filter(|line| line.current_quantity < line.quantity);
    o.list("refunds", removed().next().map(|_| order), |o, order| {
        o.raw("id", 900_000_000_000 + order.number);
        o.gid("Refund", 900_000_000_000 + order.number);
        o.time("created_at", order.updated_at);
        o.null(&["note"]);
        o.raw("order_id", order.id);
        o.time("processed_at", order.updated_at);
        o.raw("restock", true);
        o.raw("transactions", "[]");
        o.list("refund_line_items", removed(), |o, line| {
            o.raw("id", line.id + 1);
            o.raw("line_item_id", line.id);
            o.null(&["location_id"]);
            o.raw("quantity", line.quantity - line.current_quantity);
            o.text("restock_type", "cancel");
            o.both("subtotal", line.removed_net());
            o.both("total_tax", line.removed_tax(order.taxes_included));
        });
        o.raw("order_adjustments", "[]");
    });
}

fn shipping(o: &mut Object<'_>, order: &SandboxOrder) {
    o.list("shipping_lines", [order.shipping], |o, price| {
        o.raw("id", 5_000_000_000_000 + order.number);
        o.null(&["carrier_identifier"]);
        o.text("code", "Standard");
        o.set("current_discounted_price_set", price);
        o.both("discounted_price", price);
        o.raw("is_removed", false);
        o.null(&["phone"]);
        o.both("price", price);
        o.null(&["requested_fulfillment_service_id"]);
        o.text("source", "shopify");
        o.text("title", "Standard");
        o.list("tax_lines", Some(order.shipping_tax()).filter(|tax| *tax > 0), |o, tax| {
            tax_line(o, SHIPPING_TAX_RATE, tax);
        });
        o.raw("discount_allocations", "[]");
    });
}
