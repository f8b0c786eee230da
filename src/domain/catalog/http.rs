//! Products and variants over HTTP.

use super::model::{
    Attributes, Change, Expected, NewProduct, NewVariant, ProductChange, ProductDetail, ProductFilter, ProductStatus,
    ProductSummary, SEARCH_MAX, Variant, VariantChange, VariantFilter, search_pattern,
};
use super::service;
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, FieldFault, Place};
use crate::base::id::{ProductId, VariantId};
use crate::base::money::{Money, MoneyWire};
use crate::base::page::Page;
use crate::base::text::is_clean;
use crate::kernel::once::Reply;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, json, json_reply, page, page_number};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A product in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Product")]
struct ProductWire {
    /// Id.
    id: ProductId,
    /// Title.
    title: String,
    /// Its name in addresses.
    handle: String,
    /// Whether it is for sale.
    status: ProductStatus,
    /// Maker or brand.
    vendor: String,
    /// How many variants it has.
    variant_count: i64,
    /// Pieces that are there, over all variants and warehouses.
    on_hand: i64,
    /// Pieces of these that are promised to nobody.
    available: i64,
    /// In the store's own words.
    category: String,
    /// Last change of the product.
    updated_at: Timestamp,
}

/// A product with its variants.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProductDetail")]
struct ProductDetailWire {
    #[serde(flatten)]
    product: ProductWire,
    /// Text for shoppers.
    description: String,
    /// Number of Google's product taxonomy.
    google_category: Option<String>,
    /// Page of the product in the shop.
    link: Option<String>,
    /// Its main picture.
    image_link: Option<String>,
    /// Raised by every change of the product or of one of its variants. What `If-Match` is compared with.
    version: i64,
    /// Made.
    created_at: Timestamp,
    /// Its variants, oldest first.
    variants: Vec<VariantWire>,
}

/// A variant: what is counted, priced and sold.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Variant")]
struct VariantWire {
    /// Id.
    id: VariantId,
    /// Whose.
    product_id: ProductId,
    /// Its product's title.
    product_title: String,
    /// What it is found by.
    sku: String,
    /// What a scanner reads.
    barcode: Option<String>,
    /// What tells it from its siblings.
    title: String,
    /// Of one piece.
    price: MoneyWire,
    /// Grams.
    weight_g: Option<i64>,
    /// Of its product. What `If-Match` is compared with.
    version: i64,
    /// Last change.
    updated_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProductsQuery {
    /// Part of a title, SKU or barcode.
    #[schemars(length(max = 100))]
    q: Option<String>,
    /// Only in this status.
    status: Option<ProductStatus>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VariantsQuery {
    /// Part of a title, SKU or barcode.
    #[schemars(length(max = 100))]
    q: Option<String>,
    /// Only of this product.
    product_id: Option<ProductId>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

/// A product to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewProduct")]
struct NewProductWire {
    /// Title.
    #[schemars(length(min = 1, max = 300))]
    title: String,
    /// Its name in addresses. Made from the title when it is not given.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9-]+$"))]
    handle: Option<String>,
    /// Text for shoppers.
    #[serde(default)]
    #[schemars(length(max = 20000))]
    description: String,
    /// Maker or brand.
    #[serde(default)]
    #[schemars(length(max = 200))]
    vendor: String,
    /// In the store's own words.
    #[serde(default)]
    #[schemars(length(max = 300))]
    category: String,
    /// Number of Google's product taxonomy.
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    google_category: Option<String>,
    /// Page of the product in the shop.
    #[schemars(length(max = 2000))]
    link: Option<String>,
    /// Its main picture.
    #[schemars(length(max = 2000))]
    image_link: Option<String>,
    /// `active` when it is not given.
    #[serde(default)]
    status: ProductStatus,
    /// Its variants.
    #[schemars(length(min = 1, max = 100))]
    variants: Vec<NewVariantWire>,
}

/// A variant to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewVariant")]
struct NewVariantWire {
    /// Unique in the store.
    #[schemars(length(min = 1, max = 100))]
    sku: String,
    /// What a scanner reads.
    #[schemars(length(min = 1, max = 50))]
    barcode: Option<String>,
    /// The product's title when it is not given.
    #[schemars(length(min = 1, max = 300))]
    title: Option<String>,
    /// Of one piece, not negative.
    price: MoneyWire,
    /// Grams.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    weight_g: Option<i64>,
}

/// What becomes of a product. What is not sent stays; `null` clears.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProductChange")]
struct ProductChangeWire {
    /// Title.
    #[schemars(length(min = 1, max = 300))]
    title: Option<String>,
    /// Text for shoppers.
    #[schemars(length(max = 20000))]
    description: Option<String>,
    /// Maker or brand.
    #[schemars(length(max = 200))]
    vendor: Option<String>,
    /// In the store's own words.
    #[schemars(length(max = 300))]
    category: Option<String>,
    /// Number of Google's product taxonomy.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    google_category: Change<String>,
    /// Page of the product in the shop.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    link: Change<String>,
    /// Its main picture.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    image_link: Change<String>,
    /// Whether it is for sale.
    status: Option<ProductStatus>,
}

/// What becomes of a variant. What is not sent stays; `null` clears.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VariantChange")]
struct VariantChangeWire {
    /// What tells it from its siblings.
    #[schemars(length(min = 1, max = 300))]
    title: Option<String>,
    /// What a scanner reads.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    barcode: Change<String>,
    /// Of one piece, not negative.
    price: Option<MoneyWire>,
    /// Grams.
    #[serde(default)]
    #[schemars(with = "Option<i64>")]
    weight_g: Change<i64>,
}

/// The routes of the catalog.
pub fn routes() -> Vec<Route> {
    let read = Access::Needs(Permission::ProductRead);
    let write = Access::Needs(Permission::ProductWrite);
    vec![
        Route::get("/api/v1/products", "products_list", read, products)
            .summary("Products with their stock, newest first.")
            .query::<ProductsQuery>()
            .answers::<Page<ProductWire>>(200, "The products."),
        Route::post("/api/v1/products", "product_create", write, create)
            .summary("Makes a product with 1 to 100 variants.")
            .body::<NewProductWire>()
            .answers::<ProductDetailWire>(201, "The product.")
            .refuses(&[409]),
        Route::get("/api/v1/products/{id}", "product_get", read, product)
            .path::<ProductId>("id")
            .summary("One product with its variants.")
            .answers::<ProductDetailWire>(200, "The product."),
        Route::patch("/api/v1/products/{id}", "product_update", write, update)
            .path::<ProductId>("id")
            .summary("Changes what is said of a product; with `If-Match` only at that version.")
            .body::<ProductChangeWire>()
            .answers::<ProductDetailWire>(200, "The product.")
            .refuses(&[412]),
        Route::get("/api/v1/variants", "variants_list", read, variants)
            .summary("Variants, newest first.")
            .query::<VariantsQuery>()
            .answers::<Page<VariantWire>>(200, "The variants."),
        Route::get("/api/v1/variants/{id}", "variant_get", read, variant)
            .path::<VariantId>("id")
            .summary("One variant.")
            .answers::<VariantWire>(200, "The variant."),
        Route::patch("/api/v1/variants/{id}", "variant_update", write, update_variant)
            .path::<VariantId>("id")
            .summary("Changes a variant; with `If-Match` only at that version of its product.")
            .body::<VariantChangeWire>()
            .answers::<VariantWire>(200, "The variant.")
            .refuses(&[412]),
    ]
}

impl From<ProductSummary> for ProductWire {
    fn from(row: ProductSummary) -> Self {
        Self {
            id: row.id,
            title: row.title,
            handle: row.handle,
            status: row.status,
            vendor: row.vendor,
            variant_count: row.stock.variant_count,
            on_hand: row.stock.on_hand,
            available: row.stock.available,
            category: row.category,
            updated_at: row.updated,
        }
    }
}

impl From<ProductDetail> for ProductDetailWire {
    fn from(detail: ProductDetail) -> Self {
        let ProductDetail { product, stock, variants } = detail;
        let said = product.attributes;
        Self {
            product: ProductWire {
                id: product.id,
                title: said.title,
                handle: product.handle,
                status: said.status,
                vendor: said.vendor,
                variant_count: stock.variant_count,
                on_hand: stock.on_hand,
                available: stock.available,
                category: said.category,
                updated_at: product.updated,
            },
            description: said.description,
            google_category: said.google_category,
            link: said.link,
            image_link: said.image_link,
            version: product.version,
            created_at: product.created,
            variants: variants.into_iter().map(VariantWire::from).collect(),
        }
    }
}

impl From<Variant> for VariantWire {
    fn from(variant: Variant) -> Self {
        Self {
            id: variant.id,
            product_id: variant.product_id,
            product_title: variant.product_title,
            sku: variant.sku,
            barcode: variant.barcode,
            title: variant.title,
            price: variant.price.into(),
            weight_g: variant.weight_g,
            version: variant.version,
            updated_at: variant.updated,
        }
    }
}

fn amount(wire: &MoneyWire, pointer: &str) -> Result<Money, FieldFault> {
    Money::try_from(wire).map_err(|error| FieldFault {
        place: Place::Pointer(pointer.to_owned()),
        code: "invalid_amount",
        detail: format!("{error}."),
    })
}

impl TryFrom<NewProductWire> for NewProduct {
    type Error = Fault;
    fn try_from(wire: NewProductWire) -> Result<Self, Fault> {
        let mut complaints = Vec::new();
        let mut variants = Vec::with_capacity(wire.variants.len());
        for (position, variant) in wire.variants.into_iter().enumerate() {
            match amount(&variant.price, &format!("/variants/{position}/price")) {
                Ok(price) => variants.push(NewVariant {
                    sku: variant.sku,
                    barcode: variant.barcode,
                    title: variant.title,
                    price,
                    weight_g: variant.weight_g,
                }),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if !complaints.is_empty() {
            return Err(Fault::fields(complaints));
        }
        let attributes = Attributes {
            title: wire.title,
            description: wire.description,
            vendor: wire.vendor,
            category: wire.category,
            google_category: wire.google_category,
            link: wire.link,
            image_link: wire.image_link,
            status: wire.status,
        };
        Ok(Self { handle: wire.handle, attributes, variants })
    }
}

fn pattern(q: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = q.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > SEARCH_MAX || !is_clean(text) {
        let detail = format!("`q` has at most {SEARCH_MAX} characters and no control characters.");
        return Err(Fault::field(Place::Parameter("q".into()), "invalid_text", detail));
    }
    Ok(Some(search_pattern(text)))
}

/// JSON with the version as its tag.
fn tagged(status: u16, version: i64, value: &impl Serialize) -> Result<Reply, Fault> {
    let mut reply = json_reply(status, value)?;
    reply.headers.push(("etag".to_owned(), format!("\"{version}\"")));
    Ok(reply)
}

fn product_reply(status: u16, detail: ProductDetail) -> Result<Reply, Fault> {
    tagged(status, detail.product.version, &ProductDetailWire::from(detail))
}

fn variant_reply(variant: Variant) -> Result<Reply, Fault> {
    tagged(200, variant.version, &VariantWire::from(variant))
}

async fn products(call: Call) -> Result<Answer, Fault> {
    let query: ProductsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let filter = ProductFilter { pattern: pattern(query.q.as_deref())?, status: query.status };
    let listed = service::products_list(call.scope()?, filter, page_number(&wanted)?, wanted.limit).await?;
    json(200, &Page::clone(&listed).map(ProductWire::from))
}

async fn product(call: Call) -> Result<Answer, Fault> {
    let detail = service::product_get(call.scope()?, call.id("id")?).await?;
    product_reply(200, detail).map(Answer::Reply)
}

async fn create(call: Call) -> Result<Answer, Fault> {
    let wire: NewProductWire = call.json()?;
    let product = NewProduct::try_from(wire)?;
    let reply = call.scope()?.reply(&service::CREATE_PRODUCT, move |cx| {
        let detail = service::create_product_in(cx, product)?;
        let address = format!("/api/v1/products/{}", detail.product.id);
        let mut reply = product_reply(201, detail)?;
        reply.headers.push(("location".to_owned(), address));
        Ok(reply)
    });
    reply.await.map(Answer::Reply)
}

async fn update(call: Call) -> Result<Answer, Fault> {
    let id: ProductId = call.id("id")?;
    let wire: ProductChangeWire = call.json()?;
    let expected = Expected::parse(call.header("if-match"));
    let change = ProductChange {
        title: wire.title,
        description: wire.description,
        vendor: wire.vendor,
        category: wire.category,
        google_category: wire.google_category,
        link: wire.link,
        image_link: wire.image_link,
        status: wire.status,
    };
    let reply = call.scope()?.reply(&service::UPDATE_PRODUCT, move |cx| {
        product_reply(200, service::update_product_in(cx, id, &expected, change)?)
    });
    reply.await.map(Answer::Reply)
}

async fn variants(call: Call) -> Result<Answer, Fault> {
    let query: VariantsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let filter = VariantFilter { pattern: pattern(query.q.as_deref())?, product_id: query.product_id };
    let listed = service::variants_list(call.scope()?, filter, page_number(&wanted)?, wanted.limit).await?;
    json(200, &listed.map(VariantWire::from))
}

async fn variant(call: Call) -> Result<Answer, Fault> {
    let variant = service::variant_show(call.scope()?, call.id("id")?).await?;
    variant_reply(variant).map(Answer::Reply)
}

async fn update_variant(call: Call) -> Result<Answer, Fault> {
    let id: VariantId = call.id("id")?;
    let wire: VariantChangeWire = call.json()?;
    let expected = Expected::parse(call.header("if-match"));
    let price = match &wire.price {
        Some(price) => Some(amount(price, "/price").map_err(|complaint| Fault::fields(vec![complaint]))?),
        None => None,
    };
    let change = VariantChange { title: wire.title, barcode: wire.barcode, price, weight_g: wire.weight_g };
    let reply = call.scope()?.reply(&service::UPDATE_VARIANT, move |cx| {
        variant_reply(service::update_variant_in(cx, id, &expected, change)?)
    });
    reply.await.map(Answer::Reply)
}
