//! Every SQL text of the feed tables.

use super::model::PushHistory;
use super::told::{
    CatalogItem, Connection, DueStock, ItemFilter, ItemRow, ItemState, StoreStock, ToldProduct, ToldStock,
};
use crate::base::clock::Timestamp;
use crate::base::id::{ProductId, VariantId};
use crate::base::money::{Currency, Money};
use crate::base::quantity::Quantity;
use crate::base::text::like_pattern;
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::{Row, named_params};

// --- the connection

/// The connection, active or not.
pub fn connection(tx: &ReadTx<'_>) -> Result<Option<Connection>, DbError> {
    tx.one(
        "SELECT epoch, account_id, data_source, content_language, feed_label, endpoint, credentials, state = 'active',
                last_error
         FROM feed_account WHERE id = 1",
        [],
        |row| {
            Ok(Connection {
                epoch: row.get(0)?,
                account_id: row.get(1)?,
                data_source: row.get(2)?,
                content_language: row.get(3)?,
                feed_label: row.get(4)?,
                endpoint: row.get(5)?,
                credentials: row.get(6)?,
                is_active: row.get(7)?,
                last_error: row.get(8)?,
            })
        },
    )
}

/// Whether there is an active connection.
pub fn is_connected(tx: &ReadTx<'_>) -> Result<bool, DbError> {
    tx.exists("SELECT 1 FROM feed_account WHERE id = 1 AND state = 'active'", [])
}

/// Sets the connection.
pub fn connection_put(tx: &WriteTx<'_>, row: &Connection, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO feed_account (id, epoch, account_id, data_source, content_language, feed_label, endpoint,
                                   credentials, state, last_error, created_ms)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', NULL, ?8)
         ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, account_id = excluded.account_id,
             data_source = excluded.data_source, content_language = excluded.content_language,
             feed_label = excluded.feed_label, endpoint = excluded.endpoint, credentials = excluded.credentials,
             state = 'active', last_error = NULL",
        (
            row.epoch,
            &row.account_id,
            &row.data_source,
            &row.content_language,
            &row.feed_label,
            &row.endpoint,
            &row.credentials,
            now,
        ),
    )?;
    Ok(())
}

/// Switches the connection off and forgets its credentials. False when it was off.
pub fn connection_disable(tx: &WriteTx<'_>) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE feed_account SET state = 'disabled', credentials = x'', last_error = NULL
         WHERE id = 1 AND state = 'active'",
        [],
    )?;
    Ok(changed == 1)
}

/// Keeps, or clears, why nothing gets through.
pub fn connection_error(tx: &WriteTx<'_>, error: Option<&str>) -> Result<(), DbError> {
    tx.run("UPDATE feed_account SET last_error = ?1 WHERE id = 1 AND last_error IS NOT ?1", [error])?;
    Ok(())
}

// --- a variant and what was told of it

/// The SKU of a variant.
pub fn sku_of(tx: &ReadTx<'_>, variant: VariantId) -> Result<Option<String>, DbError> {
    tx.one("SELECT sku FROM v_catalog_variant WHERE variant_id = ?1", [variant], |row| row.get(0))
}

/// A variant as the catalog has it.
pub fn item(tx: &ReadTx<'_>, variant: VariantId) -> Result<Option<CatalogItem>, DbError> {
    let found = tx.one(
        "SELECT product_id, sku, barcode, product_title, variant_title, description, vendor, category, google_category,
                link, image_link, price_minor, currency, weight_g, status = 'active'
         FROM v_catalog_variant WHERE variant_id = ?1",
        [variant],
        |row| {
            let code: String = row.get(12)?;
            let currency = Currency::parse(&code).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(12, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Ok(CatalogItem {
                variant,
                group: row.get::<_, ProductId>(0)?.to_string(),
                sku: row.get(1)?,
                barcode: row.get(2)?,
                product_title: row.get(3)?,
                variant_title: row.get(4)?,
                description: row.get(5)?,
                vendor: row.get(6)?,
                category: row.get(7)?,
                vendor_category: row.get(8)?,
                link: row.get(9)?,
                image_link: row.get(10)?,
                price: Money { minor: row.get(11)?, currency },
                weight_grams: row.get(13)?,
                is_active: row.get(14)?,
            })
        },
    )?;
    Ok(found)
}

/// What was told of a variant's attributes in this epoch; nothing when there is no row.
pub fn product(tx: &ReadTx<'_>, variant: VariantId, epoch: i64) -> Result<ToldProduct, DbError> {
    let found = tx.one(
        "SELECT attributes_hash, version, first_pushed_ms, pushed_ms, pushed_before_ms, issue, refused_hash, refused_ms
         FROM feed_product WHERE variant_id = ?1 AND epoch = ?2",
        (variant, epoch),
        |row| {
            let refused: Option<[u8; 32]> = row.get(6)?;
            let refused_at: Option<Timestamp> = row.get(7)?;
            Ok(ToldProduct {
                history: PushHistory { last: row.get(3)?, before: row.get(4)?, hash: row.get(0)? },
                version: row.get(1)?,
                first: row.get(2)?,
                issue: row.get(5)?,
                refused: refused.zip(refused_at),
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// The warehouses that hold a variant, and what their stores were told in this epoch.
pub fn stock(tx: &ReadTx<'_>, variant: VariantId, epoch: i64) -> Result<Vec<StoreStock>, DbError> {
    tx.all(
        "SELECT l.warehouse_id, l.warehouse_code, l.store_code, l.available, s.store_code, s.quantity, s.price_minor,
                s.currency, s.pushed_ms
         FROM v_inventory_level l
         LEFT JOIN feed_stock s ON s.variant_id = l.variant_id AND s.warehouse_id = l.warehouse_id AND s.epoch = ?2
         WHERE l.variant_id = ?1 ORDER BY l.warehouse_code",
        (variant, epoch),
        |row| {
            let told = match row.get::<_, Option<Quantity>>(5)? {
                Some(quantity) => Some(ToldStock {
                    store_code: row.get(4)?,
                    quantity,
                    price: (row.get(6)?, row.get(7)?),
                    at: row.get(8)?,
                }),
                None => None,
            };
            Ok(StoreStock {
                warehouse: row.get(0)?,
                warehouse_code: row.get(1)?,
                store_code: row.get(2)?,
                available: row.get(3)?,
                told,
            })
        },
    )
}

/// A product push was accepted. False when a newer version is on record: that one stands. A repeat of the same attributes is no update of the day.
pub fn product_pushed(
    tx: &WriteTx<'_>,
    variant: VariantId,
    epoch: i64,
    pushed: (&[u8; 32], i64),
    now: Timestamp,
) -> Result<bool, DbError> {
    let (hash, version) = pushed;
    let changed = tx.run(
        "INSERT INTO feed_product (variant_id, epoch, attributes_hash, version, first_pushed_ms, pushed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT (variant_id) DO UPDATE SET
             first_pushed_ms = CASE WHEN epoch = excluded.epoch THEN coalesce(first_pushed_ms, excluded.first_pushed_ms)
                                    ELSE excluded.first_pushed_ms END,
             pushed_before_ms = CASE WHEN epoch <> excluded.epoch THEN NULL
                                     WHEN attributes_hash = excluded.attributes_hash THEN pushed_before_ms
                                     ELSE pushed_ms END,
             is_visible = CASE WHEN epoch = excluded.epoch THEN is_visible ELSE 0 END,
             attributes_hash = excluded.attributes_hash, version = excluded.version, pushed_ms = excluded.pushed_ms,
             issue = NULL, refused_hash = NULL, refused_ms = NULL, epoch = excluded.epoch
         WHERE epoch <> excluded.epoch OR version IS NULL OR version <= excluded.version",
        (variant, epoch, hash, version, now),
    )?;
    Ok(changed == 1)
}

/// The vendor complains about an item; with `hash` about these very attributes.
pub fn product_refused(
    tx: &WriteTx<'_>,
    variant: VariantId,
    epoch: i64,
    refused: (&str, Option<&[u8; 32]>),
    now: Timestamp,
) -> Result<(), DbError> {
    let (issue, hash) = refused;
    tx.run(
        "INSERT INTO feed_product (variant_id, epoch, issue, refused_hash, refused_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (variant_id) DO UPDATE SET
             attributes_hash = CASE WHEN epoch = excluded.epoch THEN attributes_hash END,
             version = CASE WHEN epoch = excluded.epoch THEN version END,
             first_pushed_ms = CASE WHEN epoch = excluded.epoch THEN first_pushed_ms END,
             pushed_ms = CASE WHEN epoch = excluded.epoch THEN pushed_ms END,
             pushed_before_ms = CASE WHEN epoch = excluded.epoch THEN pushed_before_ms END,
             is_visible = CASE WHEN epoch = excluded.epoch THEN is_visible ELSE 0 END,
             issue = excluded.issue, refused_hash = excluded.refused_hash, refused_ms = excluded.refused_ms,
             epoch = excluded.epoch",
        (variant, epoch, issue, hash, hash.map(|_refused| now)),
    )?;
    Ok(())
}

/// A complaint is forgotten, so that the item is tried again.
pub fn product_forgiven(tx: &WriteTx<'_>, variant: VariantId) -> Result<(), DbError> {
    tx.run(
        "UPDATE feed_product SET issue = NULL, refused_hash = NULL, refused_ms = NULL WHERE variant_id = ?1",
        [variant],
    )?;
    Ok(())
}

/// The vendor took stock of an item: it knows the product. A complaint about its stock is over.
pub fn product_seen(tx: &WriteTx<'_>, variant: VariantId, epoch: i64) -> Result<(), DbError> {
    tx.run(
        "UPDATE feed_product SET is_visible = 1, issue = CASE WHEN refused_hash IS NOT NULL THEN issue END
         WHERE variant_id = ?1 AND epoch = ?2 AND (is_visible = 0 OR issue IS NOT NULL)",
        (variant, epoch),
    )?;
    Ok(())
}

/// A store was told.
pub fn stock_pushed(
    tx: &WriteTx<'_>,
    variant: VariantId,
    epoch: i64,
    stock: &DueStock,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO feed_stock (variant_id, warehouse_id, epoch, store_code, quantity, price_minor, currency, pushed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (variant_id, warehouse_id) DO UPDATE SET epoch = excluded.epoch, store_code = excluded.store_code,
             quantity = excluded.quantity, price_minor = excluded.price_minor, currency = excluded.currency,
             pushed_ms = excluded.pushed_ms",
        (
            variant,
            stock.warehouse,
            epoch,
            &stock.store_code,
            stock.quantity,
            stock.price.minor,
            stock.price.currency.code(),
            now,
        ),
    )?;
    Ok(())
}

/// What stores were told of a variant is forgotten, so that they are told again.
pub fn stock_forget(tx: &WriteTx<'_>, variant: VariantId) -> Result<(), DbError> {
    tx.run("DELETE FROM feed_stock WHERE variant_id = ?1", [variant])?;
    Ok(())
}

// --- lists

/// Items that are sold and were last pushed at or before `pushed`, oldest first: id and SKU. Those whose attributes the vendor refuses wait for a
/// change.
pub fn products_old(
    tx: &ReadTx<'_>,
    epoch: i64,
    pushed: Timestamp,
    limit: u32,
) -> Result<Vec<(VariantId, String)>, DbError> {
    tx.all(
        "SELECT p.variant_id, v.sku FROM feed_product p JOIN v_catalog_variant v ON v.variant_id = p.variant_id
         WHERE p.epoch = ?1 AND p.pushed_ms <= ?2 AND p.refused_ms IS NULL AND v.status = 'active'
         ORDER BY p.pushed_ms LIMIT ?3",
        (epoch, pushed, limit),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Items that are sold and were never told, after the position `after`: position, id and SKU.
pub fn products_untold(
    tx: &ReadTx<'_>,
    epoch: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, VariantId, String)>, DbError> {
    tx.all(
        "SELECT v.seq, v.variant_id, v.sku FROM v_catalog_variant v
         WHERE v.seq > ?2 AND v.status = 'active'
           AND NOT EXISTS (SELECT 1 FROM feed_product p WHERE p.variant_id = v.variant_id AND p.epoch = ?1)
         ORDER BY v.seq LIMIT ?3",
        (epoch, after, limit),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// How many records the vendor was told since then.
pub fn told_since(tx: &ReadTx<'_>, epoch: i64, since: Timestamp) -> Result<i64, DbError> {
    tx.value(
        "SELECT (SELECT count(*) FROM feed_product WHERE epoch = ?1 AND pushed_ms >= ?2)
              + (SELECT count(*) FROM feed_stock WHERE epoch = ?1 AND pushed_ms >= ?2)",
        (epoch, since),
    )
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    let state: String = row.get(4)?;
    Ok(ItemRow {
        seq: row.get(0)?,
        variant: row.get(1)?,
        sku: row.get(2)?,
        title: row.get(3)?,
        state: ItemState::parse(&state)
            .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, state.into()))?,
        pushed: row.get(5)?,
        issue: row.get(6)?,
    })
}

/// Items in the order of the catalog: what is sold, and what the vendor was told of.
pub fn items(tx: &ReadTx<'_>, epoch: i64, filter: &ItemFilter, limit: u32) -> Result<Vec<ItemRow>, DbError> {
    let pattern = filter.q.as_deref().map(like_pattern);
    tx.all(
        r"SELECT * FROM (
              SELECT v.seq, v.variant_id, v.sku,
                     CASE WHEN v.variant_title = v.product_title THEN v.product_title
                          ELSE v.product_title || ' · ' || v.variant_title END AS title,
                     CASE WHEN p.issue IS NOT NULL THEN 'rejected' WHEN p.pushed_ms IS NULL THEN 'new'
                          WHEN p.is_visible = 1 THEN 'live' ELSE 'pending' END AS state,
                     p.pushed_ms, p.issue
              FROM v_catalog_variant v
              LEFT JOIN feed_product p ON p.variant_id = v.variant_id AND p.epoch = :epoch
              WHERE v.seq > :after AND (v.status = 'active' OR p.variant_id IS NOT NULL)
                AND (:product IS NULL OR v.product_id = :product)
                AND (:q IS NULL OR v.sku LIKE :q ESCAPE '\' OR v.barcode LIKE :q ESCAPE '\'
                     OR v.product_title LIKE :q ESCAPE '\' OR v.variant_title LIKE :q ESCAPE '\'))
          WHERE :state IS NULL OR state = :state ORDER BY seq LIMIT :limit",
        named_params! {
            ":epoch": epoch, ":after": filter.after.unwrap_or(i64::MIN), ":product": filter.product, ":q": pattern,
            ":state": filter.state.map(ItemState::name), ":limit": limit,
        },
        item_row,
    )
}
