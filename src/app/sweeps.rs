//! What must become true whatever was missed: old records are forgotten, products are told to Google again before they expire, stock
//! is compared each night.

use crate::base::error::Fault;
use crate::domain::feeds::service as feeds;
use crate::domain::inventory::reconcile::service as reconcile;
use crate::kernel::command::{Command, Cx};
use crate::kernel::once;
use crate::kernel::outbox::store as outbox;
use crate::kernel::permit::Permission;
use crate::kernel::scope::{Scope, Shared};
use crate::kernel::store;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PURGE: Command = Command::background("sweeps.purge", Permission::JobWrite);
const REFRESH: Command = Command::background("sweeps.refresh_feed", Permission::FeedWrite);

/// Time between two rounds.
const EVERY: Duration = Duration::from_mins(10);
/// How long finished jobs stay as history (D2).
const HISTORY: Duration = Duration::from_hours(7 * 24);
/// Rows that one command forgets.
const STEP: u32 = 500;

/// Sweeps until stopped.
pub async fn run(shared: &Arc<Shared>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        for tenant in shared.tenants.all() {
            if let Err(fault) = round(shared, &tenant).await {
                tracing::warn!(tenant_id = %tenant.id, %fault, "a sweep failed; the next one tries again");
            }
        }
    }
}

/// One round over one store.
pub async fn round(shared: &Arc<Shared>, tenant: &Arc<crate::kernel::tenants::Tenant>) -> Result<(), Fault> {
    let scope = Scope::system(shared, tenant, super::own_request(shared)).await?;
    let step = usize::try_from(STEP).unwrap_or(usize::MAX);
    while scope.write(&PURGE, |cx| purge(cx)).await? >= step {}
    while scope.write(&REFRESH, |cx| feeds::refresh_due_in(cx, STEP)).await? >= STEP {}
    reconcile::nightly(&scope).await?;
    Ok(())
}

fn purge(cx: &Cx<'_>) -> Result<usize, Fault> {
    let answers = store::once_purge(cx.tx(), cx.now().minus(once::KEPT), STEP)?;
    let jobs = outbox::jobs_purge(cx.tx(), cx.now().minus(HISTORY), STEP)?;
    Ok(answers.max(jobs))
}
