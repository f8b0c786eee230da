//! What the demo's store begins with: catalog, warehouses, stock. It drives the same commands as everybody else.

use crate::base::error::{Fault, Kind};
use crate::base::id::{ChannelId, VariantId, WarehouseId};
use crate::domain::auth::service::{self as auth, NewUser};
use crate::domain::catalog::demo::parse_demo;
use crate::domain::catalog::service as catalog;
use crate::domain::channels::service::{self as channels, NewChannel};
use crate::domain::feeds::service::{self as feeds, NewFeedAccount};
use crate::domain::inventory::model::{Adjustment, MovementKind};
use crate::domain::inventory::service::{self as inventory, NewWarehouse};
use crate::kernel::command::Command;
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::Scope;

/// The demo catalog.
pub const CATALOG: &str = include_str!("../../assets/demo/catalog.json");

const SEED: Command = Command::new("demo.seed", Permission::ProductWrite);
const CONNECT: Command = Command::new("demo.connect_feed", Permission::FeedWrite);

/// Products that one command makes, and movements that one command writes: far below what a command may touch (D7).
const STEP: usize = 20;
const MOVEMENTS_STEP: usize = 100;

/// Where the demo's Google is, and what to sign with.
pub struct DemoFeed {
    /// Its address.
    pub endpoint: String,
    /// The account.
    pub account_id: String,
    /// The data source.
    pub data_source: String,
    /// The key file.
    pub credentials: String,
}

/// What the demo hands out.
pub struct Seeded {
    /// The Shopify channel.
    pub channel: ChannelId,
    /// An API token with all rights.
    pub token: String,
    /// A one-time sign-in code for the owner.
    pub link: String,
    /// The owner's password, where it was made just now: only its hash is kept.
    pub password: Option<String>,
}

/// The owner's e-mail address in the demo.
pub const OWNER_EMAIL: &str = "owner@demo.example";

/// Fills an empty store. `seed` decides the numbers of stock; the secret comes from outside (D26).
pub async fn fill(scope: &Scope, seed: u64, secret: &str, feed: DemoFeed) -> Result<Seeded, Fault> {
    let warehouses = warehouses(scope).await?;
    let variants = products(scope).await?;
    // Before the stock, whose arrival tells Google of every article once.
    scope
        .write(&CONNECT, move |cx| {
            feeds::connect_in(
                cx,
                NewFeedAccount {
                    account_id: feed.account_id,
                    data_source: feed.data_source,
                    content_language: "de".to_owned(),
                    feed_label: "DE".to_owned(),
                    endpoint: feed.endpoint,
                    credentials: feed.credentials,
                },
            )
            .map(drop)
        })
        .await?;
    stock(scope, seed, &warehouses, &variants).await?;
    let channel = {
        let new = NewChannel {
            provider: "shopify".to_owned(),
            name: "Haus Kaffee (Shopify)".to_owned(),
            external_shop: "haus-kaffee.myshopify.com".to_owned(),
            secret: secret.to_owned(),
            warehouses: Vec::new(),
        };
        scope.write(&channels::CREATE, move |cx| channels::create_in(cx, &new)).await?
    };
    let password = data_encoding::HEXLOWER.encode(&scope.shared().ids.random::<8>());
    let owner = NewUser {
        email: OWNER_EMAIL.to_owned(),
        name: "Alex Haus".to_owned(),
        password: Some(password.clone()),
        rights: Rights::all(),
    };
    let owner = auth::create_user(scope, owner).await?;
    let (_, token) = auth::create_token(scope, "demo", Rights::all(), None).await?;
    let link = auth::create_link(scope, owner).await?;
    Ok(Seeded { channel, token, link, password: Some(password) })
}

async fn warehouses(scope: &Scope) -> Result<Vec<WarehouseId>, Fault> {
    let mut ids = Vec::new();
    for (code, name, store_code, priority) in
        [("MAIN", "Laden Bonn", Some("BONN-01"), 10), ("DEPOT", "Lager Siegburg", None, 20)]
    {
        let new = NewWarehouse {
            code: code.to_owned(),
            name: name.to_owned(),
            store_code: store_code.map(str::to_owned),
            priority,
        };
        ids.push(inventory::create_warehouse(scope, new).await?.id);
    }
    Ok(ids)
}

async fn products(scope: &Scope) -> Result<Vec<VariantId>, Fault> {
    let broken = |error: &dyn std::fmt::Display| Fault::new(Kind::Broken, "demo_catalog", error.to_string());
    let mut products = parse_demo(CATALOG).map_err(|error| broken(&error))?.into_iter();
    let mut variants = Vec::new();
    loop {
        let step: Vec<_> = products.by_ref().take(STEP).collect();
        if step.is_empty() {
            return Ok(variants);
        }
        let made = scope.write(&SEED, move |cx| {
            let mut made = Vec::new();
            for product in step {
                let detail = catalog::create_product_in(cx, product)?;
                made.extend(detail.variants.iter().map(|variant| variant.id));
            }
            Ok(made)
        });
        variants.extend(made.await?);
    }
}

/// A generator for stock figures: the same seed gives the same store. Nothing secret comes from it.
struct Figures(u64);

impl Figures {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % bound.max(1)).unwrap_or(0)
    }
}

async fn stock(scope: &Scope, seed: u64, warehouses: &[WarehouseId], variants: &[VariantId]) -> Result<(), Fault> {
    let mut figures = Figures(seed);
    let mut receipts = Vec::new();
    for variant in variants {
        for (index, warehouse) in warehouses.iter().enumerate() {
            // One in twelve is sold out in the shop, so that short orders can be seen.
            let pieces = if figures.below(12) == 0 { 0 } else { figures.below(if index == 0 { 40 } else { 120 }) };
            if pieces > 0 {
                receipts.push(Adjustment {
                    variant: *variant,
                    warehouse: *warehouse,
                    delta: pieces,
                    kind: MovementKind::Receipt,
                    reason: "Opening stock".to_owned(),
                    note: String::new(),
                });
            }
        }
    }
    for step in receipts.chunks(MOVEMENTS_STEP) {
        let step = step.to_vec();
        scope
            .write(&inventory::ADJUST, move |cx| {
                for receipt in &step {
                    inventory::adjust_in(cx, receipt)?;
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}
