//! The demo's own routes: what the emulators hold, their faults, and orders to try things out with.

use super::demo::Sandboxes;
use crate::base::error::{Fault, Kind, Place};
use crate::integrations::google::sandbox::{Faults as GoogleFaults, GoogleSandbox};
use crate::integrations::shopify::sandbox::OwnedWish;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, json};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// Orders that one request sends at most.
const ORDERS_MAX: u64 = 500;

type Slot = Arc<OnceLock<Sandboxes>>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each turned by itself")]
struct FaultsBody {
    /// The project is not registered: every call is refused.
    #[serde(default)]
    not_registered: bool,
    /// How long a product stays invisible after its insert.
    #[serde(default)]
    visible_after_ms: u64,
    /// Calls per minute.
    minute_limit: Option<u64>,
    /// Calls per day.
    daily_limit: Option<u64>,
    /// Every call fails.
    #[serde(default)]
    error_503: bool,
    /// Every insert is called outdated.
    #[serde(default)]
    abort_version: bool,
    /// Nobody answers.
    #[serde(default)]
    offline: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrdersBody {
    /// How many, 1 to 500.
    #[schemars(range(min = 1, max = 500))]
    count: u64,
}

/// What the emulators hold.
#[derive(Serialize, JsonSchema)]
struct SandboxesWire {
    /// Google.
    google: GoogleWire,
    /// Shopify.
    shopify: ShopifyWire,
}

/// The emulated Google.
#[derive(Serialize, JsonSchema)]
struct GoogleWire {
    /// Its address.
    url: String,
    /// Switches that are on.
    faults: serde_json::Value,
    /// What it was told.
    records: serde_json::Value,
}

/// The emulated Shopify.
#[derive(Serialize, JsonSchema)]
struct ShopifyWire {
    /// Its address.
    url: String,
}

/// What became of orders that were sent.
#[derive(Serialize, JsonSchema)]
struct Sent {
    /// Answered.
    delivered: u64,
    /// Answered with 2xx.
    accepted: u64,
}

/// The routes of the demo.
pub fn routes(slot: &Slot) -> Vec<Route> {
    let demo = Access::Needs(Permission::DemoWrite);
    let (look, faults, orders) = (Arc::clone(slot), Arc::clone(slot), Arc::clone(slot));
    vec![
        Route::get("/api/v1/demo/sandboxes", "demo_sandboxes_get", demo, move |_call| {
            let slot = Arc::clone(&look);
            async move { sandboxes(ready(&slot)?) }
        })
        .summary("What the demo's emulators hold.")
        .answers::<SandboxesWire>(200, "The emulators."),
        Route::put("/api/v1/demo/sandboxes/google/faults", "demo_google_faults_put", demo, move |call| {
            let slot = Arc::clone(&faults);
            async move { set_faults(ready(&slot)?, &call).await }
        })
        .summary("Breaks the emulated Google on purpose.")
        .body::<FaultsBody>()
        .answers::<SandboxesWire>(200, "The emulators."),
        Route::post("/api/v1/demo/orders", "demo_orders_send", demo, move |call| {
            let slot = Arc::clone(&orders);
            async move { send_orders(ready(&slot)?, &call).await }
        })
        .summary("Lets the emulated Shopify sell something and deliver it, signed, over HTTP.")
        .body::<OrdersBody>()
        .answers::<Sent>(200, "What became of them."),
    ]
}

fn ready(slot: &Slot) -> Result<&Sandboxes, Fault> {
    slot.get().ok_or_else(|| Fault::new(Kind::Unavailable, "demo_starting", "The emulators are still starting."))
}

fn sandboxes(parts: &Sandboxes) -> Result<Answer, Fault> {
    let mut google = parts.google.as_ref().map(GoogleSandbox::snapshot).unwrap_or_default();
    let take = |value: &mut serde_json::Value, field: &str| value.get_mut(field).map(serde_json::Value::take);
    let faults = take(&mut google, "faults").unwrap_or_default();
    let records = take(&mut google, "records").unwrap_or_default();
    json(
        200,
        &SandboxesWire {
            google: GoogleWire { url: parts.google_url.clone(), faults, records },
            shopify: ShopifyWire { url: parts.shopify.url() },
        },
    )
}

async fn set_faults(parts: &Sandboxes, call: &Call) -> Result<Answer, Fault> {
    let body: FaultsBody = call.json()?;
    let google = parts.google.as_ref().ok_or_else(|| {
        Fault::new(Kind::Conflict, "emulator_elsewhere", "Google's emulator runs in another process: break it there.")
    })?;
    google
        .set_faults(GoogleFaults {
            not_registered: body.not_registered,
            visible_after_ms: body.visible_after_ms,
            minute_limit: body.minute_limit,
            daily_limit: body.daily_limit,
            error_503: body.error_503,
            abort_version: body.abort_version,
            offline: body.offline,
            ..GoogleFaults::default()
        })
        .await;
    sandboxes(parts)
}

async fn send_orders(parts: &Sandboxes, call: &Call) -> Result<Answer, Fault> {
    let body: OrdersBody = call.json()?;
    if !(1..=ORDERS_MAX).contains(&body.count) {
        let detail = format!("`count` lies between 1 and {ORDERS_MAX}.");
        return Err(Fault::field(Place::Pointer("/count".to_owned()), "out_of_range", detail));
    }
    let tally = parts.shopify.create_orders(body.count, OwnedWish::default()).await;
    json(200, &Sent { delivered: tally.delivered, accepted: tally.accepted })
}
