//! What follows from facts: which jobs they cause, and which counts of higher modules they move. Runs in the fact's own transaction.

use crate::base::error::Fault;
use crate::base::id::VariantId;
use crate::domain::channels::service as channels;
use crate::domain::feeds::service as feeds;
use crate::domain::orders::service as orders;
use crate::kernel::command::Cx;
use crate::kernel::journal::Fact;

/// The table of reactions.
pub fn react(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    match fact.kind {
        // Availability moved: Google is told.
        "inventory.adjusted" | "inventory.reserved" | "inventory.released" | "inventory.consumed" => {
            push_stock(cx, fact)
        }
        "inventory.filled" => {
            orders::refresh_short_in(cx, fact.id.into())?;
            push_stock(cx, fact)
        }
        "product.created" | "product.updated" | "price.changed" => push_products(cx, fact),
        // A message whose intake gave up waits in quarantine, and leaves it when somebody retries the job.
        "job.dead_lettered" => intake(fact).map_or(Ok(()), |job| channels::quarantine_in(cx, &job.subject, &job.error)),
        "job.retried" => intake(fact).map_or(Ok(()), |job| channels::unquarantine_in(cx, &job.subject)),
        _ => Ok(()),
    }
}

fn push_stock(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    feeds::enqueue_stock_in(cx, fact.touched.iter().map(|id| VariantId::from(*id)))
}

fn push_products(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    if !feeds::is_connected(cx.read())? {
        return Ok(());
    }
    for id in fact.touched.clone() {
        feeds::enqueue_product_in(cx, VariantId::from(id))?;
    }
    Ok(())
}

/// What the facts about a job's end and retry say of it.
#[derive(serde::Deserialize)]
struct JobFact {
    kind: String,
    subject: String,
    #[serde(default)]
    error: String,
}

/// The job of a fact, if it is an intake.
fn intake(fact: &Fact) -> Option<JobFact> {
    serde_json::from_str::<JobFact>(&fact.body).ok().filter(|job| job.kind == channels::INTAKE_JOB)
}
