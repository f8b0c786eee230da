//! From Google's errors to what a job does next: by HTTP status first, then by the `ErrorInfo`'s reason, never by the message.

use super::wire::{ErrorAnswer, ErrorWire};
use crate::base::clock::Timestamp;
use crate::base::text::cut;
use crate::domain::feeds::model::next_daily_reset;
use crate::domain::feeds::port::PushError;
use crate::infra::egress::{Answer, EgressError};
use std::time::Duration;

/// How long to leave a per-minute limit alone when Google does not say.
const MINUTE: Duration = Duration::from_mins(1);
/// The longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_hours(1);
const MESSAGE_MAX: usize = 300;
const UNREGISTERED: &str = "GCP_NOT_REGISTERED";

/// Which call an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `productInputs:insert`.
    Product,
    /// `localInventories:insert`.
    Stock,
    /// Reading.
    Read,
}

/// The meaning of an answer that is no success. A 404 on stock is judged by the caller, who knows how young the product is.
pub fn push_error(answer: &Answer, operation: Operation, now: Timestamp) -> PushError {
    let error = serde_json::from_slice::<ErrorAnswer>(&answer.body).unwrap_or_default().error;
    let text = sentence(answer.status, &error);
    match answer.status {
        429 if has_reason(&error, "daily_limit_exceeded") => PushError::DailyQuota { until: next_daily_reset(now) },
        429 => PushError::RateLimited { retry_after: retry_after(answer).unwrap_or(MINUTE) },
        409 if operation == Operation::Product && names_version(&error) => PushError::StaleVersion,
        401 if has_reason(&error, UNREGISTERED) => PushError::Configuration(format!(
            "Google does not know this project yet: register it in the Merchant account, then wait five minutes. {text}"
        )),
        401 | 403 | 410 => PushError::Configuration(text),
        404 if operation == Operation::Product => {
            PushError::Configuration(format!("The data source or account does not exist. {text}"))
        }
        300..=399 => PushError::Configuration(format!(
            "Google redirects, which its API never does: is something in between? {text}"
        )),
        408 | 409 | 500.. => PushError::Server(text),
        _ => PushError::Invalid(text),
    }
}

/// Whether a 401 is about the project's registration, which no fresh token changes.
pub fn is_unregistered(answer: &Answer) -> bool {
    serde_json::from_slice::<ErrorAnswer>(&answer.body).is_ok_and(|body| has_reason(&body.error, UNREGISTERED))
}

/// The meaning of no answer.
pub fn transport_error(error: &EgressError) -> PushError {
    let reason = error.to_string();
    match error {
        EgressError::Offline { .. } => PushError::Offline { reason, until: None },
        EgressError::BreakerOpen { until } => PushError::Offline { reason, until: Some(*until) },
        EgressError::Unknown { .. } => PushError::Unknown(reason),
        EgressError::TooLarge { .. } => PushError::Server(reason),
        EgressError::Blocked { .. } | EgressError::Malformed(_) => PushError::Configuration(reason),
    }
}

fn has_reason(error: &ErrorWire, wanted: &str) -> bool {
    error.details.iter().any(|detail| {
        let reason = detail.reason.rsplit('/').next().unwrap_or_default();
        reason.eq_ignore_ascii_case(wanted)
            || detail.metadata.get("REASON").is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    })
}

/// An aborted insert is a stale version unless Google names another reason: dropping a push for a reason that we do not know would lose it.
fn names_version(error: &ErrorWire) -> bool {
    let mut reasons = error.details.iter().filter_map(|detail| detail.metadata.get("REASON")).peekable();
    reasons.peek().is_none() || reasons.any(|word| word.contains("VERSION"))
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(Duration::from_secs(1), WAIT_MAX))
}

fn sentence(status: u16, error: &ErrorWire) -> String {
    if error.message.is_empty() {
        return format!("Google answered with status {status}");
    }
    format!("Google answered: {} ({status} {})", cut(&error.message, MESSAGE_MAX), cut(&error.status, 40))
}
