//! Work on stock that does not fit the transaction that caused it.

use super::service::{FILL, FILL_JOB, fill_in};
use crate::base::id::VariantId;
use crate::infra::queue::Lane;
use crate::kernel::work::{Handler, JobRun, Outcome, Policy, Running};
use serde::Deserialize;
use std::time::Duration;

/// The lane of [`FillShortfalls`].
pub const FILL_LANE: Lane = 4;
/// Lines that one run fills. Each touches seven rows, of the thousand that one command may touch (D7).
const FILL_STEP: u32 = 100;

/// Fills the shortfalls that a receipt left over, in steps, until the stock or the waiting lines are used up.
pub struct FillShortfalls;

#[derive(Deserialize)]
struct Payload {
    variant_id: VariantId,
}

impl Handler for FillShortfalls {
    fn policy(&self) -> Policy {
        Policy {
            kind: FILL_JOB,
            lane: FILL_LANE,
            ladder: crate::kernel::work::handler::INTAKE_LADDER,
            concurrency: 2,
            time_max: Duration::from_secs(30),
        }
    }

    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a> {
        Box::pin(async move {
            let variant = match run.payload::<Payload>() {
                Ok(payload) => payload.variant_id,
                Err(fault) => return Outcome::Dead(fault.detail),
            };
            // A step that was full asks for the next one by merging into this very job, which then runs again.
            match run.complete(&FILL, move |cx| fill_in(cx, variant, FILL_STEP)).await {
                Ok(_) => Outcome::Done,
                Err(fault) => fault.into(),
            }
        })
    }
}
