//! Intake: messages become orders.

use super::port::{ChannelPort, IncomingEvent};
use super::queries;
use super::service::{self, INTAKE, INTAKE_JOB, IntakePayload, Ports};
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Kind};
use crate::infra::queue::Lane;
use crate::kernel::work::handler::INTAKE_LADDER;
use crate::kernel::work::{Handler, JobRun, Outcome, Policy, Running};
use std::collections::BTreeMap;
use std::time::Duration;

/// The lane of [`Intake`].
pub const INTAKE_LANE: Lane = 1;

/// Works on received messages.
pub struct Intake {
    /// The vendors.
    pub ports: Ports,
}

impl Handler for Intake {
    fn policy(&self) -> Policy {
        Policy {
            kind: INTAKE_JOB,
            lane: INTAKE_LANE,
            ladder: INTAKE_LADDER,
            concurrency: 64,
            time_max: Duration::from_secs(30),
        }
    }

    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a> {
        Box::pin(async move {
            match self.work(run).await {
                Ok(outcome) => outcome,
                // What the rules refuse will be refused again: a person must look.
                Err(fault) if matches!(fault.kind, Kind::Refused | Kind::Missing | Kind::Malformed) => {
                    Outcome::Dead(fault.detail)
                }
                Err(fault) => fault.into(),
            }
        })
    }
}

impl Intake {
    async fn work(&self, run: &JobRun) -> Result<Outcome, Fault> {
        let id = run.payload::<IntakePayload>()?.message_id;
        let Some((delivered, provider)) = queries::for_intake(&run.scope, id).await? else { return Ok(Outcome::Done) };
        let queries::Delivered { row: message, headers, body } = delivered;
        if message.state != "received" {
            return Ok(Outcome::Done);
        }
        let Some(port) = self.ports.get(provider.as_str()) else {
            return Ok(Outcome::Dead(format!("nobody here reads `{provider}`")));
        };
        match port.read(&message.topic, &body) {
            Err(unreadable) => return Ok(Outcome::Dead(unreadable.to_string())),
            Ok(IncomingEvent::Ignored { reason }) => {
                run.complete(&INTAKE, move |cx| service::ignore_in(cx, id, &reason)).await?;
            }
            Ok(IncomingEvent::Order(order)) => {
                tracing::info!(external_id = %order.external_id, message = %id, "order received");
                let told = sent_at(port.as_ref(), &headers);
                run.complete(&INTAKE, move |cx| service::take_in(cx, &message, &order, told)).await?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// When the channel sent a delivery, by its kept headers.
fn sent_at(port: &dyn ChannelPort, headers: &str) -> Option<Timestamp> {
    let kept: BTreeMap<String, String> = serde_json::from_str(headers).ok()?;
    port.envelope(&|name| kept.get(name).map(String::as_str)).ok()?.triggered_at
}
