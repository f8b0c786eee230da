//! The schema's steps, embedded from `schema/`.

use super::migrate::Migration;

macro_rules! steps {
    ($folder:literal: $($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../schema/", $folder, "/", $name, ".up.sql")),
            down: include_str!(concat!("../../../schema/", $folder, "/", $name, ".down.sql")),
        }),*]
    };
}

/// Steps of `control.db`. It has the same journal and outbox as a store (D15).
pub const CONTROL: &[Migration] = steps!("control": 1 "0001_kernel", 2 "0002_tenants");

/// Steps of a tenant's file.
pub const TENANT: &[Migration] = steps!("tenant":
    1 "0001_kernel",
    2 "0002_auth",
    3 "0003_catalog",
    4 "0004_inventory",
    5 "0005_orders",
    6 "0006_channels",
    7 "0007_feeds",
    8 "0008_order_states",
    9 "0009_stock_checks",
);
