//! The emulator's control over HTTP, as the demo page and the tests use it.

use super::{Faults, OwnedWish, SandboxOrder, Shared, Tally};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Orders of one request, and orders in one list.
const COUNT_MAX: u64 = 10_000;
const LISTED_MAX: usize = 200;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/_control", get(status))
        .route("/_control/orders", get(orders).post(create))
        .route("/_control/orders/{id}/redeliver", post(redeliver))
        .route("/_control/orders/{id}/edit", post(edit))
        .route("/_control/orders/{id}/cancel", post(cancel))
        .route("/_control/retries", post(retries))
        .route("/_control/faults", put(faults))
        .route("/_control/subscription", put(subscription))
        .with_state(shared)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn refusal(status: StatusCode, sentence: &str) -> Response {
    answer(status, &json!({ "error": sentence }))
}

/// Reads a JSON body; an empty one is an empty object.
#[expect(clippy::result_large_err, reason = "the error is the answer itself")]
fn read<'de, T: Deserialize<'de>>(body: &'de Bytes) -> Result<T, Response> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn no_order() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is no such order, or the change does not fit it")
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let state = shared.state.lock();
    let body = json!({
        "shop_domain": shared.config.shop_domain,
        "subscription": state.subscription.as_ref().map(ToString::to_string),
        "subscriptions_deleted": state.deleted,
        "consecutive_failures": state.failures,
        "waiting_for_retry": state.retries.len(),
        "orders": state.orders.len(),
        "deliveries": state.tally,
        "faults": state.faults,
    });
    drop(state);
    answer(StatusCode::OK, &body)
}

fn shown(order: &SandboxOrder) -> Value {
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| {
            json!({
                "sku": line.article.sku,
                "quantity": line.quantity,
                "current_quantity": line.current_quantity,
            })
        })
        .collect();
    json!({
        "id": order.id.to_string(),
        "name": format!("#{}", order.number),
        "updated_at": order.updated_at,
        "cancelled": order.cancelled_at.is_some(),
        "total_cents": order.total(),
        "lines": lines,
    })
}

/// The latest orders first.
async fn orders(State(shared): State<Arc<Shared>>) -> Response {
    let state = shared.state.lock();
    let data: Vec<Value> = state.orders.values().rev().take(LISTED_MAX).map(|(order, _)| shown(order)).collect();
    let body = json!({ "total": state.orders.len(), "data": data });
    drop(state);
    answer(StatusCode::OK, &body)
}

#[derive(Deserialize)]
struct Create {
    #[serde(default = "one")]
    count: u64,
    #[serde(flatten)]
    wish: OwnedWish,
}

const fn one() -> u64 {
    1
}

async fn create(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let wanted: Create = match read(&body) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    if !(1..=COUNT_MAX).contains(&wanted.count) {
        return refusal(StatusCode::BAD_REQUEST, "count is a number from 1 to 10000");
    }
    let (tally, ids) = shared.create_orders(wanted.count, wanted.wish).await;
    let ids: Vec<String> = ids.into_iter().take(LISTED_MAX).map(|id| id.to_string()).collect();
    let mut body = told(tally);
    if let Some(object) = body.as_object_mut() {
        object.insert("created".to_owned(), wanted.count.into());
        object.insert("order_ids".to_owned(), ids.into());
    }
    answer(StatusCode::OK, &body)
}

fn told(tally: Tally) -> Value {
    serde_json::to_value(tally).unwrap_or_default()
}

/// Sends the last delivery of an order again, with the same ids: a retry.
async fn redeliver(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Response {
    let last = shared.state.lock().orders.get(&id).map(|(_, last)| last.clone());
    match last {
        Some(last) => answer(StatusCode::OK, &told(shared.deliver(last).await)),
        None => no_order(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    #[serde(default)]
    line: usize,
    current_quantity: i64,
}

async fn edit(State(shared): State<Arc<Shared>>, Path(id): Path<u64>, body: Bytes) -> Response {
    let wanted: Edit = match read(&body) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let now = shared.clock.now();
    let change = |order: &mut SandboxOrder| order.set_current_quantity(wanted.line, wanted.current_quantity, now);
    match shared.change(id, "orders/updated", change) {
        Some(delivery) => answer(StatusCode::OK, &told(shared.deliver(delivery).await)),
        None => no_order(),
    }
}

async fn cancel(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Response {
    let now = shared.clock.now();
    let change = |order: &mut SandboxOrder| {
        order.touch(now);
        order.cancelled_at = order.cancelled_at.or(Some(order.updated_at));
        true
    };
    match shared.change(id, "orders/cancelled", change) {
        Some(delivery) => answer(StatusCode::OK, &told(shared.deliver(delivery).await)),
        None => no_order(),
    }
}

/// Sends what failed again, with the original payload and ids. Shopify does so up to eight times within four hours.
async fn retries(State(shared): State<Arc<Shared>>) -> Response {
    let waiting: Vec<_> = shared.state.lock().retries.drain(..).collect();
    let mut tally = Tally::default();
    for delivery in waiting {
        tally.add(shared.deliver(delivery).await);
    }
    answer(StatusCode::OK, &told(tally))
}

async fn faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let faults: Faults = match read(&body) {
        Ok(faults) => faults,
        Err(refused) => return refused,
    };
    shared.state.lock().faults = faults.clone();
    answer(StatusCode::OK, &json!(faults))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    target: String,
}

async fn subscription(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let wanted: Subscription = match read(&body) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    match shared.subscribe(&wanted.target) {
        Ok(()) => answer(StatusCode::OK, &json!({ "target": wanted.target })),
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}
