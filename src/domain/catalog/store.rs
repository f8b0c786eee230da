//! Every SQL text of products and variants.

use super::model::{
    Attributes, Product, ProductFilter, ProductStatus, ProductSummary, Stock, Variant, VariantFilter, VariantRef,
    full_title,
};
use crate::base::clock::Timestamp;
use crate::base::id::{ProductId, VariantId};
use crate::base::money::{Currency, Money};
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::types::Type;
use rusqlite::{Row, named_params};

fn status(row: &Row<'_>, index: usize) -> rusqlite::Result<ProductStatus> {
    let name = row.get_ref(index)?.as_str()?;
    ProductStatus::parse(name)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, name.to_owned().into()))
}

fn money(row: &Row<'_>, minor: usize, currency: usize) -> rusqlite::Result<Money> {
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(currency, Type::Text, Box::new(error));
    let unit = Currency::parse(row.get_ref(currency)?.as_str()?).map_err(wrong)?;
    Money::new(row.get(minor)?, unit).map_err(wrong)
}

// --- products

const PRODUCT_COLUMNS: &str =
    "id, handle, title, description, vendor, category, google_category, link, image_link, status,
     version, created_ms, updated_ms FROM catalog_product";

fn product_row(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        handle: row.get(1)?,
        attributes: Attributes {
            title: row.get(2)?,
            description: row.get(3)?,
            vendor: row.get(4)?,
            category: row.get(5)?,
            google_category: row.get(6)?,
            link: row.get(7)?,
            image_link: row.get(8)?,
            status: status(row, 9)?,
        },
        version: row.get(10)?,
        created: row.get(11)?,
        updated: row.get(12)?,
    })
}

/// Adds a product at version 1.
pub fn product_insert(
    tx: &WriteTx<'_>,
    id: ProductId,
    handle: &str,
    attributes: &Attributes,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO catalog_product (id, handle, title, description, vendor, category, google_category, link, image_link,
                                      status, created_ms, updated_ms)
         VALUES (:id, :handle, :title, :description, :vendor, :category, :google_category, :link, :image_link, :status,
                 :now, :now)",
        named_params! {
            ":id": id, ":handle": handle, ":title": attributes.title, ":description": attributes.description,
            ":vendor": attributes.vendor, ":category": attributes.category,
            ":google_category": attributes.google_category, ":link": attributes.link,
            ":image_link": attributes.image_link, ":status": attributes.status.name(), ":now": now,
        },
    )?;
    Ok(())
}

/// Writes a product's attributes and raises its version.
pub fn product_update(tx: &WriteTx<'_>, id: ProductId, attributes: &Attributes, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE catalog_product SET title = :title, description = :description, vendor = :vendor, category = :category,
                google_category = :google_category, link = :link, image_link = :image_link, status = :status,
                version = version + 1, updated_ms = :now
         WHERE id = :id",
        named_params! {
            ":id": id, ":title": attributes.title, ":description": attributes.description,
            ":vendor": attributes.vendor, ":category": attributes.category,
            ":google_category": attributes.google_category, ":link": attributes.link,
            ":image_link": attributes.image_link, ":status": attributes.status.name(), ":now": now,
        },
    )?;
    Ok(())
}

/// One product.
pub fn product_get(tx: &ReadTx<'_>, id: ProductId) -> Result<Option<Product>, DbError> {
    tx.one(&format!("SELECT {PRODUCT_COLUMNS} WHERE id = ?1"), [id], product_row)
}

/// Whether a handle is taken.
pub fn handle_exists(tx: &ReadTx<'_>, handle: &str) -> Result<bool, DbError> {
    tx.exists("SELECT 1 FROM catalog_product WHERE handle = ?1", [handle])
}

/// How much of a product there is.
pub fn product_stock(tx: &ReadTx<'_>, id: ProductId) -> Result<Stock, DbError> {
    let row = tx.one(
        "SELECT (SELECT count(*) FROM catalog_variant WHERE product_id = ?1), coalesce(sum(l.on_hand), 0),
                coalesce(sum(l.available), 0)
         FROM catalog_variant v JOIN v_inventory_level l ON l.variant_id = v.id WHERE v.product_id = ?1",
        [id],
        |row| Ok(Stock { variant_count: row.get(0)?, on_hand: row.get(1)?, available: row.get(2)? }),
    )?;
    Ok(row.unwrap_or_default())
}

/// Products before row `before`, newest first.
pub fn products_list(
    tx: &ReadTx<'_>,
    filter: &ProductFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<ProductSummary>, DbError> {
    tx.all(
        "SELECT p.seq, p.id, p.handle, p.title, p.vendor, p.category, p.status, p.updated_ms,
                (SELECT count(*) FROM catalog_variant v WHERE v.product_id = p.id),
                (SELECT coalesce(sum(l.on_hand), 0) FROM catalog_variant v
                 JOIN v_inventory_level l ON l.variant_id = v.id WHERE v.product_id = p.id),
                (SELECT coalesce(sum(l.available), 0) FROM catalog_variant v
                 JOIN v_inventory_level l ON l.variant_id = v.id WHERE v.product_id = p.id)
         FROM catalog_product p
         WHERE p.seq < :before AND (:status IS NULL OR p.status = :status)
           AND (:pattern IS NULL OR p.title GLOB :pattern OR EXISTS (
                SELECT 1 FROM catalog_variant v WHERE v.product_id = p.id
                AND (v.sku GLOB :pattern OR v.barcode GLOB :pattern OR v.title GLOB :pattern)))
         ORDER BY p.seq DESC LIMIT :limit",
        named_params! {
            ":before": before.unwrap_or(i64::MAX), ":status": filter.status.map(ProductStatus::name),
            ":pattern": filter.pattern, ":limit": limit,
        },
        |row| {
            Ok(ProductSummary {
                seq: row.get(0)?,
                id: row.get(1)?,
                handle: row.get(2)?,
                title: row.get(3)?,
                vendor: row.get(4)?,
                category: row.get(5)?,
                status: status(row, 6)?,
                updated: row.get(7)?,
                stock: Stock { variant_count: row.get(8)?, on_hand: row.get(9)?, available: row.get(10)? },
            })
        },
    )
}

// --- variants

/// Adds a variant.
pub fn variant_insert(tx: &WriteTx<'_>, variant: &Variant, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO catalog_variant (id, product_id, sku, barcode, title, price_minor, currency, weight_g, created_ms,
                                      updated_ms)
         VALUES (:id, :product, :sku, :barcode, :title, :minor, :currency, :weight, :now, :now)",
        named_params! {
            ":id": variant.id, ":product": variant.product_id, ":sku": variant.sku, ":barcode": variant.barcode,
            ":title": variant.title, ":minor": variant.price.minor, ":currency": variant.price.currency.code(),
            ":weight": variant.weight_g, ":now": now,
        },
    )?;
    Ok(())
}

/// Writes what of a variant can change, and raises its product's version.
pub fn variant_update(tx: &WriteTx<'_>, variant: &Variant, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE catalog_variant SET barcode = :barcode, title = :title, price_minor = :minor, currency = :currency,
                weight_g = :weight, updated_ms = :now
         WHERE id = :id",
        named_params! {
            ":id": variant.id, ":barcode": variant.barcode, ":title": variant.title, ":minor": variant.price.minor,
            ":currency": variant.price.currency.code(), ":weight": variant.weight_g, ":now": now,
        },
    )?;
    tx.run(
        "UPDATE catalog_product SET version = version + 1, updated_ms = ?2 WHERE id = ?1",
        (variant.product_id, now),
    )?;
    Ok(())
}

const VARIANT_COLUMNS: &str =
    "v.seq, v.id, v.product_id, p.title, v.sku, v.barcode, v.title, v.price_minor, v.currency,
     v.weight_g, p.version, v.updated_ms FROM catalog_variant v JOIN catalog_product p ON p.id = v.product_id";

fn variant_row(row: &Row<'_>) -> rusqlite::Result<Variant> {
    Ok(Variant {
        seq: row.get(0)?,
        id: row.get(1)?,
        product_id: row.get(2)?,
        product_title: row.get(3)?,
        sku: row.get(4)?,
        barcode: row.get(5)?,
        title: row.get(6)?,
        price: money(row, 7, 8)?,
        weight_g: row.get(9)?,
        version: row.get(10)?,
        updated: row.get(11)?,
    })
}

/// One variant.
pub fn variant_find(tx: &ReadTx<'_>, id: VariantId) -> Result<Option<Variant>, DbError> {
    tx.one(&format!("SELECT {VARIANT_COLUMNS} WHERE v.id = ?1"), [id], variant_row)
}

/// The variants of a product, oldest first.
pub fn variants_of(tx: &ReadTx<'_>, product: ProductId) -> Result<Vec<Variant>, DbError> {
    tx.all(&format!("SELECT {VARIANT_COLUMNS} WHERE v.product_id = ?1 ORDER BY v.seq"), [product], variant_row)
}

/// The ids of a product's variants, oldest first.
pub fn variant_ids_of(tx: &ReadTx<'_>, product: ProductId) -> Result<Vec<VariantId>, DbError> {
    tx.all("SELECT id FROM catalog_variant WHERE product_id = ?1 ORDER BY seq", [product], |row| row.get(0))
}

/// Variants before row `before`, newest first.
pub fn variants_list(
    tx: &ReadTx<'_>,
    filter: &VariantFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Variant>, DbError> {
    let sql = format!(
        "SELECT {VARIANT_COLUMNS}
         WHERE v.seq < :before AND (:product IS NULL OR v.product_id = :product)
           AND (:pattern IS NULL OR v.sku GLOB :pattern OR v.barcode GLOB :pattern OR v.title GLOB :pattern
                OR p.title GLOB :pattern)
         ORDER BY v.seq DESC LIMIT :limit"
    );
    tx.all(
        &sql,
        named_params! {
            ":before": before.unwrap_or(i64::MAX), ":product": filter.product_id, ":pattern": filter.pattern,
            ":limit": limit,
        },
        variant_row,
    )
}

const REF_COLUMNS: &str = "v.id, v.product_id, v.sku, p.title, v.title, v.price_minor, v.currency
     FROM catalog_variant v JOIN catalog_product p ON p.id = v.product_id";

fn ref_row(row: &Row<'_>) -> rusqlite::Result<VariantRef> {
    Ok(VariantRef {
        id: row.get(0)?,
        product_id: row.get(1)?,
        sku: row.get(2)?,
        title: full_title(row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str()?),
        price: money(row, 5, 6)?,
    })
}

/// The variant with this SKU.
pub fn ref_by_sku(tx: &ReadTx<'_>, sku: &str) -> Result<Option<VariantRef>, DbError> {
    tx.one(&format!("SELECT {REF_COLUMNS} WHERE v.sku = ?1"), [sku], ref_row)
}

/// The variant with this id, as other modules see it.
pub fn ref_by_id(tx: &ReadTx<'_>, id: VariantId) -> Result<Option<VariantRef>, DbError> {
    tx.one(&format!("SELECT {REF_COLUMNS} WHERE v.id = ?1"), [id], ref_row)
}

/// Whether an SKU is taken.
pub fn sku_exists(tx: &ReadTx<'_>, sku: &str) -> Result<bool, DbError> {
    tx.exists("SELECT 1 FROM catalog_variant WHERE sku = ?1", [sku])
}
