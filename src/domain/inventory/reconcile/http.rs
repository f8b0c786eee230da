//! Reconciliation over HTTP.

use super::service::{self, RECONCILE};
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::page::Page;
use crate::domain::inventory::http::ActorWire;
use crate::domain::inventory::model::{Difference, Reconciliation};
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, PageQuery, json, json_reply, page_number};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::Serialize;

/// What a comparison of stock found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reconciliation")]
struct ReconciliationWire {
    /// Position.
    seq: i64,
    /// When.
    at: Timestamp,
    /// How long it took, in milliseconds.
    took_ms: i64,
    /// Levels that were compared.
    levels: i64,
    /// Levels that differ; at most 1,000 are told.
    drifted: i64,
    /// What differs.
    differences: Vec<Difference>,
    /// Who asked.
    actor: ActorWire,
}

/// The routes of reconciliation.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/inventory/reconciliations",
            "inventory_reconciliations_list",
            Access::Needs(Permission::InventoryRead),
            list,
        )
        .summary("Comparisons of stock with its movements and reservations, newest first.")
        .query::<PageQuery>()
        .answers::<Page<ReconciliationWire>>(200, "The comparisons."),
        Route::post(
            "/api/v1/inventory/reconciliations",
            "inventory_reconcile",
            Access::Needs(Permission::InventoryWrite),
            reconcile,
        )
        .summary("Compares all stock with its movements and reservations now. Nothing is corrected.")
        .answers::<ReconciliationWire>(201, "What was found."),
    ]
}

fn wire(row: &Reconciliation) -> ReconciliationWire {
    ReconciliationWire {
        seq: row.seq,
        at: row.at,
        took_ms: row.took_ms,
        levels: row.levels,
        drifted: row.drifted,
        differences: serde_json::from_str(&row.differences).unwrap_or_default(),
        actor: row.actor.into(),
    }
}

async fn list(call: Call) -> Result<Answer, Fault> {
    let query: PageQuery = call.query()?;
    let wanted = query.wanted()?;
    let before = page_number(&wanted)?.unwrap_or(i64::MAX);
    let rows = service::reconciliations(call.scope()?, before, wanted.limit.saturating_add(1)).await?;
    json(200, &Page::cut(rows, wanted.limit, |row| row.seq.to_be_bytes().to_vec()).map(|row| wire(&row)))
}

async fn reconcile(call: Call) -> Result<Answer, Fault> {
    let scope = call.scope()?;
    let found = service::compare(scope).await?;
    let id = scope.tenant().id;
    let reply = scope.reply(&RECONCILE, move |cx| json_reply(201, &wire(&service::note_in(cx, id, &found)?)));
    reply.await.map(Answer::Reply)
}
