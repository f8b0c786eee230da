//! The story of an order, told from the journal: received, reserved or short, pushed.

use super::model::OrderLine;
use crate::base::error::Fault;
use crate::base::id::{Id, OrderId};
use crate::infra::db::ReadTx;
use crate::kernel::journal::JournalRow;
use crate::kernel::store;
use serde_json::Value;

/// Facts of one order that its page shows.
const ENTRIES_MAX: u32 = 250;

/// A step, with the sentence that a person reads.
#[derive(Debug)]
pub struct Step {
    /// The fact.
    pub row: JournalRow,
    /// In words.
    pub summary: String,
}

/// The steps of an order, oldest first. A push of a line's variant to Google is a step of the order that caused it.
pub fn timeline(tx: &ReadTx<'_>, order: OrderId, lines: &[OrderLine]) -> Result<Vec<Step>, Fault> {
    let mut rows = store::journal_before(tx, i64::MAX, Some(order.into()), ENTRIES_MAX)?;
    let first = rows.last().map_or(0, |row| row.seq);
    let mut variants: Vec<_> = lines.iter().filter_map(|line| line.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    for variant in variants {
        rows.extend(store::journal_next_of(tx, Id::from(variant), "feed.stock_pushed", first)?);
    }
    rows.sort_by_key(|row| row.seq);
    Ok(rows.into_iter().map(|row| Step { summary: summary(&row, lines), row }).collect())
}

fn summary(row: &JournalRow, lines: &[OrderLine]) -> String {
    let body: Value = row.body.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match row.kind.as_str() {
        "order.created" => {
            let number = body.pointer("/after/external_number").and_then(Value::as_str);
            match number {
                Some(number) => format!("Received as {number}"),
                None => "Placed".to_owned(),
            }
        }
        "inventory.reserved" => format!("Reserved {}", pieces(&body, lines)),
        "inventory.shortfall" => format!("Short of {}", pieces(&body, lines)),
        "inventory.filled" => {
            let got = body.get("quantity").and_then(Value::as_i64).unwrap_or(0);
            let line = body.get("line").and_then(Value::as_str).unwrap_or_default();
            format!("Stock arrived: {got} × {}", sku_of(line, lines))
        }
        "inventory.released" => format!("Gave back {}", pieces(&body, lines)),
        "inventory.consumed" => format!("Left the house: {}", pieces(&body, lines)),
        "order.lines_mapped" => {
            format!("SKU {} mapped", body.get("sku").and_then(Value::as_str).unwrap_or_default())
        }
        "order.updated" => updated(&body),
        "order.cancelled" => match body.get("reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
            Some(reason) => format!("Cancelled: {reason}"),
            None => "Cancelled".to_owned(),
        },
        "order.payment_cancelled" => "Payment no longer awaited".to_owned(),
        "feed.stock_pushed" => {
            let variant = crate::kernel::journal::Entity::show_id("variant", row.entity_id);
            let line = lines.iter().find(|line| line.variant.is_some_and(|id| id.to_string() == variant));
            format!("Stock of {} pushed to Google", line.and_then(|l| l.sku.as_deref()).unwrap_or("a line"))
        }
        other => other.replace(['.', '_'], " "),
    }
}

/// `Updated: KAF-1 2 → 3, total 24.40 → 36.60`
fn updated(body: &Value) -> String {
    let lines = body.get("lines").and_then(Value::as_array);
    let pieces = |view: &Value| view.get("quantity").and_then(Value::as_i64).unwrap_or(0);
    let line = |row: &Value| {
        let (before, after) = (row.get("before").map_or(0, pieces), row.get("after").map_or(0, pieces));
        let sku = row.get("sku").and_then(Value::as_str).unwrap_or("a line");
        (before != after).then(|| format!("{sku} {before} → {after}"))
    };
    let mut parts: Vec<String> = lines.into_iter().flatten().filter_map(line).collect();
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| text.replace('_', " "));
    for (name, after) in body.get("after").and_then(Value::as_object).into_iter().flatten() {
        let before = body.pointer(&format!("/before/{name}")).map(word).unwrap_or_default();
        parts.push(format!("{} {before} → {}", name.replace('_', " "), word(after)));
    }
    let written = body.get("written").and_then(Value::as_array);
    parts.extend(written.into_iter().flatten().filter_map(Value::as_str).map(|name| name.replace('_', " ")));
    if parts.is_empty() { "Updated".to_owned() } else { format!("Updated: {}", parts.join(", ")) }
}

/// `2 × KAF-1, 1 × TEE-4`
fn pieces(body: &Value, lines: &[OrderLine]) -> String {
    let rows = body.get("lines").and_then(Value::as_array);
    let part = |row: &Value| {
        let quantity = row.get("quantity").and_then(Value::as_i64).unwrap_or(0);
        let line = row.get("line").and_then(Value::as_str).unwrap_or_default();
        format!("{quantity} × {}", sku_of(line, lines))
    };
    let parts: Vec<String> = rows.into_iter().flatten().map(part).collect();
    parts.join(", ")
}

fn sku_of(line: &str, lines: &[OrderLine]) -> String {
    let found = lines.iter().find(|row| row.id.to_string() == line);
    found.and_then(|row| row.sku.clone()).unwrap_or_else(|| "a line".to_owned())
}
