//! Every SQL text of the order tables.

use super::model::{ExternalVersion, KnownOrder, NewLine, NewOrder, OrderFilter, OrderLine, OrderSummary, Totals};
use crate::base::clock::Timestamp;
use crate::base::id::{ChannelId, LineId, OrderId, VariantId, WarehouseId};
use crate::base::money::{Currency, Money};
use crate::base::text::like_pattern;
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::{Row, named_params};

/// Counters of an order that follow from its lines and its stock.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Lines of which pieces are left.
    pub lines: i64,
    /// Pieces.
    pub quantity: i64,
    /// Pieces that are not there.
    pub short: i64,
    /// Lines whose SKU is not known.
    pub unmapped: i64,
}

impl Counters {
    /// Of lines whose stock nobody has looked for yet.
    pub fn of<'l, I: Iterator<Item = &'l NewLine>>(lines: I) -> Self {
        let nothing = Self { lines: 0, quantity: 0, short: 0, unmapped: 0 };
        lines.filter(|line| !line.quantity.is_zero()).fold(nothing, |sum, line| Self {
            lines: sum.lines.saturating_add(1),
            quantity: sum.quantity.saturating_add(line.quantity.get()),
            unmapped: sum.unmapped.saturating_add(i64::from(line.variant.is_none())),
            ..sum
        })
    }
}

/// Writes an order. Gives its number.
pub fn order_insert(
    tx: &WriteTx<'_>,
    id: OrderId,
    new: &NewOrder,
    counters: Counters,
    now: Timestamp,
) -> Result<i64, DbError> {
    let Totals { subtotal, discount, shipping, tax, total } = new.totals;
    tx.insert(
        "INSERT INTO sales_order (id, channel_id, external_id, external_number, external_version, external_told_ms,
             customer_id, payment_status, currency, tax_inclusive, subtotal_minor, discount_minor, shipping_minor, tax_minor,
             total_minor, difference_minor, line_count, quantity, short, unmapped, note, address, placed_ms,
             created_ms, updated_ms)
         VALUES (:id, :channel, :external, :external_number, :external_version, :external_told, :customer, :payment, :currency,
             :inclusive, :subtotal, :discount, :shipping, :tax, :total, :difference, :lines, :quantity, :short,
             :unmapped, :note, :address, :placed, :now, :now)",
        named_params! {
            ":id": id, ":channel": new.origin.channel, ":external": new.origin.external_id,
            ":external_number": new.origin.external_number,
            ":external_version": new.origin.external_version.map(|version| version.changed),
            ":external_told": new.origin.external_version.and_then(|version| version.told),
            ":customer": new.customer, ":payment": new.payment_status.name(), ":currency": new.currency.code(),
            ":inclusive": new.tax_inclusive, ":subtotal": subtotal.minor, ":discount": discount.minor,
            ":shipping": shipping.minor, ":tax": tax.minor, ":total": total.minor,
            ":difference": new.difference.minor, ":lines": counters.lines,
            ":quantity": counters.quantity, ":short": counters.short, ":unmapped": counters.unmapped,
            ":note": new.note, ":address": new.address, ":placed": new.placed, ":now": now,
        },
    )
}

/// Writes a line.
pub fn line_insert(tx: &WriteTx<'_>, order: OrderId, id: LineId, position: i64, line: &NewLine) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO sales_order_line (id, order_id, position, external_id, variant_id, sku, title, quantity,
             unit_price_minor, discount_minor, tax_minor, total_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        rusqlite::params![
            id,
            order,
            position,
            line.external_id,
            line.variant,
            line.sku,
            line.title,
            line.quantity,
            line.unit_price.minor,
            line.discount.minor,
            line.tax.minor,
            line.total.minor
        ],
    )?;
    Ok(())
}

/// The order of a channel's key.
pub fn find_external(tx: &ReadTx<'_>, channel: ChannelId, external_id: &str) -> Result<Option<KnownOrder>, DbError> {
    tx.one(
        "SELECT id, external_version, external_told_ms, status FROM sales_order WHERE channel_id = ?1 AND external_id = ?2",
        (channel, external_id),
        |row| {
            let told = row.get(2)?;
            let version = row.get::<_, Option<_>>(1)?.map(|changed| ExternalVersion { changed, told });
            Ok(KnownOrder { id: row.get(0)?, version, is_open: row.get_ref(3)?.as_str()? == "open" })
        },
    )
}

/// Cancels. False when it is cancelled already.
pub fn order_cancel(tx: &WriteTx<'_>, id: OrderId, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE sales_order SET status = 'cancelled', short = 0, updated_ms = ?2, version = version + 1
         WHERE id = ?1 AND status = 'open'",
        (id, now),
    )?;
    Ok(changed == 1)
}

/// A payment that has not come is not awaited any more. False when it has come, in whole or in part.
pub fn order_void(tx: &WriteTx<'_>, id: OrderId) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE sales_order SET payment_status = 'voided' WHERE id = ?1 AND payment_status IN ('pending', 'authorized')",
        [id],
    )?;
    Ok(changed == 1)
}

/// Writes what a channel tells of an order over what was known. Lines, missing pieces and the state are not part of it.
pub fn order_follow(
    tx: &WriteTx<'_>,
    id: OrderId,
    told: &NewOrder,
    counters: Counters,
    now: Timestamp,
) -> Result<(), DbError> {
    let Totals { subtotal, discount, shipping, tax, total } = told.totals;
    tx.run(
        "UPDATE sales_order SET external_number = :external_number, customer_id = coalesce(:customer, customer_id),
             payment_status = :payment, tax_inclusive = :inclusive, subtotal_minor = :subtotal,
             discount_minor = :discount, shipping_minor = :shipping, tax_minor = :tax, total_minor = :total,
             difference_minor = :difference, line_count = :lines, quantity = :quantity, unmapped = :unmapped,
             note = :note, address = :address, updated_ms = :now, version = version + 1
         WHERE id = :id",
        named_params! {
            ":id": id, ":external_number": told.origin.external_number, ":customer": told.customer,
            ":payment": told.payment_status.name(), ":inclusive": told.tax_inclusive, ":subtotal": subtotal.minor,
            ":discount": discount.minor, ":shipping": shipping.minor, ":tax": tax.minor, ":total": total.minor,
            ":difference": told.difference.minor, ":lines": counters.lines, ":quantity": counters.quantity,
            ":unmapped": counters.unmapped, ":note": told.note, ":address": told.address, ":now": now,
        },
    )?;
    Ok(())
}

/// Notes which state of an order is known. One that was fetched does not make forgotten when the last one of its second was sent.
pub fn order_version(tx: &WriteTx<'_>, id: OrderId, version: ExternalVersion) -> Result<(), DbError> {
    tx.run(
        "UPDATE sales_order SET external_version = ?2,
                external_told_ms = CASE WHEN external_version = ?2 THEN coalesce(?3, external_told_ms) ELSE ?3 END
         WHERE id = ?1",
        (id, version.changed, version.told),
    )?;
    Ok(())
}

/// Writes what is true of a line now.
pub fn line_follow(tx: &WriteTx<'_>, order: OrderId, id: LineId, position: i64, line: &NewLine) -> Result<(), DbError> {
    tx.run(
        "UPDATE sales_order_line SET position = ?3, variant_id = ?4, sku = ?5, title = ?6, quantity = ?7,
                unit_price_minor = ?8, discount_minor = ?9, tax_minor = ?10, total_minor = ?11
         WHERE order_id = ?1 AND id = ?2",
        rusqlite::params![
            order,
            id,
            position,
            line.variant,
            line.sku,
            line.title,
            line.quantity,
            line.unit_price.minor,
            line.discount.minor,
            line.tax.minor,
            line.total.minor
        ],
    )?;
    Ok(())
}

/// Brings the count of missing pieces in line with the shortfalls.
pub fn order_refresh_short(tx: &WriteTx<'_>, id: OrderId, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE sales_order SET updated_ms = ?2, version = version + 1,
                short = (SELECT coalesce(sum(missing), 0) FROM v_inventory_shortfall WHERE owner_id = ?1)
         WHERE id = ?1",
        (id, now),
    )?;
    Ok(())
}

/// The lines of open orders of a channel that wait for a SKU to be known: order, line, pieces. Oldest first.
pub fn lines_waiting_for(
    tx: &ReadTx<'_>,
    channel: ChannelId,
    sku: &str,
    limit: u32,
) -> Result<Vec<(OrderId, LineId, i64)>, DbError> {
    tx.all(
        "SELECT l.order_id, l.id, l.quantity FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
         WHERE l.variant_id IS NULL AND l.sku = ?2 AND o.channel_id = ?1 AND o.status = 'open'
         ORDER BY l.seq LIMIT ?3",
        (channel, sku, limit),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// A line's SKU is known now.
pub fn line_map(tx: &WriteTx<'_>, line: LineId, order: OrderId, variant: VariantId) -> Result<(), DbError> {
    tx.run(
        "UPDATE sales_order_line SET variant_id = ?3 WHERE order_id = ?2 AND id = ?1 AND variant_id IS NULL",
        (line, order, variant),
    )?;
    tx.run(
        "UPDATE sales_order SET version = version + 1, unmapped =
             (SELECT count(*) FROM sales_order_line WHERE order_id = ?1 AND variant_id IS NULL AND quantity > 0)
         WHERE id = ?1",
        [order],
    )?;
    Ok(())
}

const COLUMNS: &str = "o.seq, o.id, o.channel_id, o.external_id, o.external_number, o.customer_id, c.email, c.name,
     o.status, o.payment_status, o.currency, o.subtotal_minor, o.discount_minor, o.shipping_minor, o.tax_minor,
     o.total_minor, o.difference_minor, o.tax_inclusive, o.line_count, o.quantity, o.short, o.unmapped, o.note,
     o.address, o.placed_ms, o.created_ms, o.version
     FROM sales_order o LEFT JOIN v_customer c ON c.customer_id = o.customer_id";

fn currency_of(code: &str) -> rusqlite::Result<Currency> {
    Currency::parse(code)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn summary(row: &Row<'_>) -> rusqlite::Result<OrderSummary> {
    let currency = currency_of(row.get_ref(10)?.as_str()?)?;
    let money = |index| Ok::<_, rusqlite::Error>(Money { minor: row.get(index)?, currency });
    let customer: Option<_> = row.get(5)?;
    Ok(OrderSummary {
        number: row.get(0)?,
        id: row.get(1)?,
        channel: row.get(2)?,
        external_id: row.get(3)?,
        external_number: row.get(4)?,
        customer: match customer {
            Some(id) => Some((id, row.get(6)?, row.get::<_, Option<String>>(7)?.unwrap_or_default())),
            None => None,
        },
        status: row.get(8)?,
        payment_status: row.get(9)?,
        totals: Totals {
            subtotal: money(11)?,
            discount: money(12)?,
            shipping: money(13)?,
            tax: money(14)?,
            total: money(15)?,
        },
        difference: money(16)?,
        tax_inclusive: row.get(17)?,
        line_count: row.get(18)?,
        quantity: row.get(19)?,
        short: row.get(20)?,
        unmapped: row.get(21)?,
        note: row.get(22)?,
        address: row.get(23)?,
        placed: row.get(24)?,
        created: row.get(25)?,
        version: row.get(26)?,
    })
}

/// One order.
pub fn order_get(tx: &ReadTx<'_>, id: OrderId) -> Result<Option<OrderSummary>, DbError> {
    tx.one(&format!("SELECT {COLUMNS} WHERE o.id = ?1"), [id], summary)
}

/// Orders, newest first.
pub fn orders_list(tx: &ReadTx<'_>, filter: &OrderFilter, limit: u32) -> Result<Vec<OrderSummary>, DbError> {
    let pattern = filter.q.as_deref().map(like_pattern);
    let number = filter.q.as_deref().and_then(|q| q.trim().trim_start_matches('#').parse::<i64>().ok());
    // What needs attention or was cancelled is rare: partial indexes find it without reading the rest.
    let attention = if filter.is_flagged || matches!(filter.stock.as_deref(), Some("short" | "unmapped")) {
        "AND (o.short > 0 OR o.unmapped > 0 OR o.difference_minor <> 0)"
    } else {
        ""
    };
    let cancelled = if filter.status.as_deref() == Some("cancelled") { "AND o.status = 'cancelled'" } else { "" };
    let sql = format!(
        r"SELECT {COLUMNS}
          WHERE o.seq < :before {attention} {cancelled}
            AND (:status IS NULL OR o.status = :status)
            AND (:channel IS NULL OR o.channel_id = :channel)
            AND (:flagged = 0 OR o.difference_minor <> 0)
            AND (:stock IS NULL
                 OR (:stock = 'short' AND o.short > 0 AND o.status = 'open')
                 OR (:stock = 'unmapped' AND o.unmapped > 0 AND o.status = 'open')
                 OR (:stock = 'reserved' AND o.short = 0 AND o.unmapped = 0 AND o.status = 'open'))
            AND (:q IS NULL OR o.seq = :number OR o.external_number LIKE :q ESCAPE '\'
                 OR c.name LIKE :q ESCAPE '\' OR c.email LIKE :q ESCAPE '\')
          ORDER BY o.seq DESC LIMIT :limit"
    );
    tx.all(
        &sql,
        named_params! {
            ":before": filter.before.unwrap_or(i64::MAX), ":status": filter.status, ":channel": filter.channel,
            ":flagged": filter.is_flagged, ":stock": filter.stock, ":q": pattern, ":number": number, ":limit": limit,
        },
        summary,
    )
}

/// The lines of an order.
pub fn lines_of(tx: &ReadTx<'_>, order: OrderId, currency: Currency) -> Result<Vec<OrderLine>, DbError> {
    tx.all(
        "SELECT id, position, variant_id, sku, title, quantity, unit_price_minor, discount_minor, tax_minor, total_minor,
                external_id
         FROM sales_order_line WHERE order_id = ?1 ORDER BY position",
        [order],
        |row| {
            let money = |index| Ok::<_, rusqlite::Error>(Money { minor: row.get(index)?, currency });
            Ok(OrderLine {
                id: row.get(0)?,
                position: row.get(1)?,
                variant: row.get(2)?,
                sku: row.get(3)?,
                title: row.get(4)?,
                quantity: row.get(5)?,
                unit_price: money(6)?,
                discount: money(7)?,
                tax: money(8)?,
                total: money(9)?,
                external_id: row.get(10)?,
            })
        },
    )
}

/// What each line was promised: line, warehouse, its code, pieces. Open and consumed ones.
pub fn allocations_of(tx: &ReadTx<'_>, order: OrderId) -> Result<Vec<(LineId, WarehouseId, String, i64)>, DbError> {
    tx.all(
        "SELECT line_id, warehouse_id, warehouse_code, sum(quantity) FROM v_inventory_allocation
         WHERE owner_id = ?1 AND state IN ('open', 'consumed') GROUP BY line_id, warehouse_id ORDER BY min(seq)",
        [order],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )
}

/// What each line misses: line, pieces.
pub fn missing_of(tx: &ReadTx<'_>, order: OrderId) -> Result<Vec<(LineId, i64)>, DbError> {
    tx.all(
        "SELECT line_id, sum(missing) FROM v_inventory_shortfall WHERE owner_id = ?1 GROUP BY line_id",
        [order],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How many orders there are: open, with missing pieces, unmapped, flagged.
pub fn orders_count(tx: &ReadTx<'_>) -> Result<(i64, i64, i64), DbError> {
    let row = tx.one(
        "SELECT count(*) FILTER (WHERE short > 0), count(*) FILTER (WHERE unmapped > 0),
                count(*) FILTER (WHERE difference_minor <> 0)
         FROM sales_order WHERE (short > 0 OR unmapped > 0 OR difference_minor <> 0) AND status = 'open'",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(row.unwrap_or((0, 0, 0)))
}
