//! Commands and queries of the catalog.

use super::model::{
    Expected, NewProduct, ProductChange, ProductDetail, ProductFilter, ProductSummary, Variant, VariantChange,
    VariantFilter, VariantRef, handle_of,
};
use super::store;
use super::{CatalogError, TakenSku};
use crate::base::error::Fault;
use crate::base::id::{Id, ProductId, VariantId};
use crate::base::money::MoneyWire;
use crate::base::page::Page;
use crate::infra::db::{DbError, ReadTx};
use crate::kernel::cache::Tag;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;
use serde_json::json;
use std::sync::Arc;

/// Makes a product.
pub const CREATE_PRODUCT: Command = Command::new("catalog.create_product", Permission::ProductWrite);
/// Changes what is said of a product.
pub const UPDATE_PRODUCT: Command = Command::new("catalog.update_product", Permission::ProductWrite);
/// Changes a variant.
pub const UPDATE_VARIANT: Command = Command::new("catalog.update_variant", Permission::ProductWrite);

/// What the products list depends on.
const LIST_TAGS: &[Tag] = &[Tag::Product, Tag::Inventory];
/// Numbers that are tried behind a handle that was made from a title.
const HANDLE_TRIES: u32 = 50;

/// Makes a product with its variants.
pub async fn create_product(scope: &Scope, product: NewProduct) -> Result<ProductDetail, Fault> {
    scope.write(&CREATE_PRODUCT, move |cx| create_product_in(cx, product)).await
}

/// See [`create_product`].
pub fn create_product_in(cx: &mut Cx<'_>, product: NewProduct) -> Result<ProductDetail, Fault> {
    let product = product.checked()?;
    let handle = free_handle(cx, &product)?;
    refuse_taken_skus(cx, &product)?;
    let id: ProductId = cx.id();
    let now = cx.now();
    store::product_insert(cx.tx(), id, &handle, &product.attributes, now)?;
    let mut touched: Vec<Id> = Vec::with_capacity(product.variants.len());
    let mut told = Vec::with_capacity(product.variants.len());
    for new in product.variants {
        let variant = Variant {
            seq: 0,
            id: cx.id(),
            product_id: id,
            product_title: String::new(),
            sku: new.sku,
            barcode: new.barcode,
            title: new.title.unwrap_or_else(|| product.attributes.title.clone()),
            price: new.price,
            weight_g: new.weight_g,
            version: 1,
            updated: now,
        };
        store::variant_insert(cx.tx(), &variant, now)?;
        told.push(json!({ "id": variant.id, "sku": variant.sku, "price": MoneyWire::from(variant.price) }));
        touched.push(variant.id.into());
    }
    let body = json!({
        "handle": handle, "title": product.attributes.title, "status": product.attributes.status, "variants": told,
    });
    cx.record(Fact::new("product.created", Entity::Product, id, &body)?.touching(touched))?;
    detail(cx.read(), id)
}

fn free_handle(cx: &Cx<'_>, product: &NewProduct) -> Result<String, Fault> {
    if let Some(handle) = &product.handle {
        if store::handle_exists(cx.read(), handle)? {
            return Err(CatalogError::HandleTaken(handle.clone()).into());
        }
        return Ok(handle.clone());
    }
    let plain = handle_of(&product.attributes.title);
    let mut handle = plain.clone();
    for number in 2..HANDLE_TRIES {
        if !store::handle_exists(cx.read(), &handle)? {
            return Ok(handle);
        }
        handle = format!("{plain}-{number}");
    }
    Err(CatalogError::HandleTaken(plain).into())
}

fn refuse_taken_skus(cx: &Cx<'_>, product: &NewProduct) -> Result<(), Fault> {
    let mut taken = Vec::new();
    for (position, variant) in product.variants.iter().enumerate() {
        if store::sku_exists(cx.read(), &variant.sku)? {
            taken.push(TakenSku { position, sku: variant.sku.clone() });
        }
    }
    if taken.is_empty() { Ok(()) } else { Err(CatalogError::SkuTaken(taken).into()) }
}

/// Changes what is said of a product, if it stands at an expected version.
pub async fn update_product(
    scope: &Scope,
    id: ProductId,
    expected: Expected,
    change: ProductChange,
) -> Result<ProductDetail, Fault> {
    scope.write(&UPDATE_PRODUCT, move |cx| update_product_in(cx, id, &expected, change)).await
}

/// See [`update_product`].
pub fn update_product_in(
    cx: &mut Cx<'_>,
    id: ProductId,
    expected: &Expected,
    change: ProductChange,
) -> Result<ProductDetail, Fault> {
    let product = store::product_get(cx.read(), id)?.ok_or(CatalogError::NoProduct)?;
    expected.check(product.version)?;
    let (after, diff) = change.apply(&product.attributes)?;
    if !diff.is_empty() {
        store::product_update(cx.tx(), id, &after, cx.now())?;
        let touched = store::variant_ids_of(cx.read(), id)?.into_iter().map(Id::from);
        cx.record(Fact::new("product.updated", Entity::Product, id, &diff)?.touching(touched))?;
    }
    detail(cx.read(), id)
}

/// Changes a variant, if its product stands at an expected version.
pub async fn update_variant(
    scope: &Scope,
    id: VariantId,
    expected: Expected,
    change: VariantChange,
) -> Result<Variant, Fault> {
    scope.write(&UPDATE_VARIANT, move |cx| update_variant_in(cx, id, &expected, change)).await
}

/// See [`update_variant`].
pub fn update_variant_in(
    cx: &mut Cx<'_>,
    id: VariantId,
    expected: &Expected,
    change: VariantChange,
) -> Result<Variant, Fault> {
    let variant = found_variant(cx.read(), id)?;
    expected.check(variant.version)?;
    let (after, diff, price) = change.apply(&variant)?;
    if diff.is_empty() && price.is_empty() {
        return Ok(variant);
    }
    store::variant_update(cx.tx(), &after, cx.now())?;
    if !diff.is_empty() {
        let body = json!({ "variant_id": id, "sku": after.sku, "before": diff.before, "after": diff.after });
        cx.record(Fact::new("product.updated", Entity::Product, after.product_id, &body)?.touching([id.into()]))?;
    }
    if !price.is_empty() {
        let body = json!({
            "product_id": after.product_id, "sku": after.sku, "before": price.before, "after": price.after,
        });
        cx.record(Fact::new("price.changed", Entity::Variant, id, &body)?.touching([id.into()]))?;
    }
    found_variant(cx.read(), id)
}

/// One product with its variants.
pub async fn product_get(scope: &Scope, id: ProductId) -> Result<ProductDetail, Fault> {
    scope.read(Permission::ProductRead, |tx| detail(tx, id)).await
}

fn detail(tx: &ReadTx<'_>, id: ProductId) -> Result<ProductDetail, Fault> {
    let product = store::product_get(tx, id)?.ok_or(CatalogError::NoProduct)?;
    Ok(ProductDetail { product, stock: store::product_stock(tx, id)?, variants: store::variants_of(tx, id)? })
}

fn found_variant(tx: &ReadTx<'_>, id: VariantId) -> Result<Variant, Fault> {
    Ok(store::variant_find(tx, id)?.ok_or(CatalogError::NoVariant)?)
}

/// A page of products, newest first. `before` is the row number after which the page starts, `limit` the rows of the page.
///
/// Kept in the cache until a product or a stock level changes (D14): the epochs are read before the snapshot is taken.
pub async fn products_list(
    scope: &Scope,
    filter: ProductFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Arc<Page<ProductSummary>>, Fault> {
    // A cached answer needs the right as well.
    scope.allow(Permission::ProductRead)?;
    let (tenant, cache) = (scope.tenant().id, &scope.shared().hub.cache);
    let key = ("catalog.products_list", filter.clone(), before, limit);
    let fill = match cache.get::<Page<ProductSummary>>(tenant, &key, LIST_TAGS) {
        Ok(page) => return Ok(page),
        Err(fill) => fill,
    };
    let rows = scope
        .read_slow(Permission::ProductRead, move |tx| {
            Ok(store::products_list(tx, &filter, before, limit.saturating_add(1))?)
        })
        .await?;
    let page = Arc::new(Page::cut(rows, limit, |row| row.seq.to_be_bytes().to_vec()));
    cache.put(fill, Arc::clone(&page));
    Ok(page)
}

/// One variant with its product's title.
pub async fn variant_show(scope: &Scope, id: VariantId) -> Result<Variant, Fault> {
    scope.read(Permission::ProductRead, |tx| found_variant(tx, id)).await
}

/// A page of variants, newest first. `before` is the row number after which the page starts, `limit` the rows of the page.
pub async fn variants_list(
    scope: &Scope,
    filter: VariantFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Variant>, Fault> {
    let rows = scope
        .read_slow(Permission::ProductRead, move |tx| {
            Ok(store::variants_list(tx, &filter, before, limit.saturating_add(1))?)
        })
        .await?;
    Ok(Page::cut(rows, limit, |row| row.seq.to_be_bytes().to_vec()))
}

/// How a variant is named by those who do not sell it themselves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum VariantName {
    /// By its id.
    Id(VariantId),
    /// By its SKU, letter case counted.
    Sku(String),
}

/// The variant of this name, for a command that is about to be queued: nearly always from the cache, so that the writer has not to look. `permission` is
/// that command's. A variant is never removed, so one that is found is still there when the command runs; one that is not may be by then.
pub async fn variant_known(
    scope: &Scope,
    permission: Permission,
    name: VariantName,
) -> Result<Option<Arc<VariantRef>>, Fault> {
    scope.allow(permission)?;
    let (tenant, cache) = (scope.tenant().id, &scope.shared().hub.cache);
    let fill = match cache.get::<VariantRef>(tenant, &name, &[Tag::Product]) {
        Ok(found) => return Ok(Some(found)),
        Err(fill) => fill,
    };
    let found = scope.read(permission, move |tx| Ok(variant_named(tx, &name)?)).await?.map(Arc::new);
    if let Some(found) = &found {
        cache.put(fill, Arc::clone(found));
    }
    Ok(found)
}

/// The variant of this name, inside a transaction.
pub fn variant_named(tx: &ReadTx<'_>, name: &VariantName) -> Result<Option<VariantRef>, DbError> {
    match name {
        VariantName::Id(id) => variant_get(tx, *id),
        VariantName::Sku(sku) => variant_by_sku(tx, sku),
    }
}

/// The variant with this SKU, letter case counted. For commands of other modules, inside their transaction.
pub fn variant_by_sku(tx: &ReadTx<'_>, sku: &str) -> Result<Option<VariantRef>, DbError> {
    store::ref_by_sku(tx, sku)
}

/// The variant with this id. For commands of other modules, inside their transaction.
pub fn variant_get(tx: &ReadTx<'_>, id: VariantId) -> Result<Option<VariantRef>, DbError> {
    store::ref_by_id(tx, id)
}

/// The variants with these ids, in their order; ids that are none of this store's are passed over.
pub fn variants_by_ids(tx: &ReadTx<'_>, ids: &[VariantId]) -> Result<Vec<VariantRef>, DbError> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(store::ref_by_id(tx, *id)?);
    }
    Ok(found)
}
