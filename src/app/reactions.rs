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
        "job.dead_lettered" => quarantine(cx, fact),
        _ => Ok(()),
    }
}

fn push_stock(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    if !feeds::is_connected(cx.read())? {
        return Ok(());
    }
    let variants: Vec<VariantId> = fact.touched.iter().map(|id| VariantId::from(*id)).collect();
    feeds::enqueue_stock_in(cx, variants)
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

/// A message whose intake gave up waits in quarantine.
fn quarantine(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    #[derive(serde::Deserialize)]
    struct Dead {
        kind: String,
        subject: String,
        error: String,
    }
    match serde_json::from_str::<Dead>(&fact.body) {
        Ok(dead) if dead.kind == channels::INTAKE_JOB => channels::quarantine_in(cx, &dead.subject, &dead.error),
        _ => Ok(()),
    }
}
