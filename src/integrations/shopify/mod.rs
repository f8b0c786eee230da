//! Shopify: deliveries of its webhooks are verified, read and mapped to the port of sales channels; an emulator of it stands beside.
//!
//! `verify` signatures · `wire` the payload's shape · `read` values with their place · `map` to the port · `sandbox` the emulator.

mod map;
mod read;
pub mod sandbox;
pub mod verify;
mod wire;

use crate::base::clock::Timestamp;
use crate::base::text;
use crate::domain::channels::port::{
    ChannelPort, Envelope, EnvelopeError, HeaderLookup, IncomingEvent, Unreadable, Verdict,
};

/// The version of Shopify's API whose payloads are read.
pub const API_VERSION: &str = "2026-10";

const HEADER_MAX: usize = 255;

/// Shopify as a sales channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shopify;

impl ChannelPort for Shopify {
    fn verify(&self, secrets: &[&[u8]], headers: &HeaderLookup<'_>, body: &[u8]) -> Verdict {
        verify::verify(secrets, headers, body)
    }

    fn envelope(&self, headers: &HeaderLookup<'_>) -> Result<Envelope, EnvelopeError> {
        let required = |names| header(headers, names)?.ok_or(EnvelopeError::Missing(first(names)));
        Ok(Envelope {
            topic: required(["x-shopify-topic", "shopify-topic"])?.to_ascii_lowercase(),
            delivery_id: required(["x-shopify-webhook-id", "shopify-webhook-id"])?,
            event_id: header(headers, ["x-shopify-event-id", "shopify-event-id"])?,
            shop: header(headers, ["x-shopify-shop-domain", "shopify-shop-domain"])?
                .map(|shop| shop.to_ascii_lowercase()),
            api_version: header(headers, ["x-shopify-api-version", "shopify-api-version"])?,
            // A time that cannot be read is no reason to lose an order: nothing is decided by it.
            triggered_at: header(headers, ["x-shopify-triggered-at", "shopify-triggered-at"])?
                .and_then(|at| Timestamp::parse(&at).ok()),
        })
    }

    fn ignores(&self, topic: &str) -> Option<String> {
        let is_read = matches!(topic, "orders/create" | "orders/updated" | "orders/cancelled");
        (!is_read).then(|| format!("the topic `{}` is not acted on", text::cut(topic, 100)))
    }

    fn read(&self, topic: &str, body: &[u8]) -> Result<IncomingEvent, Unreadable> {
        if let Some(reason) = self.ignores(topic) {
            return Ok(IncomingEvent::Ignored { reason });
        }
        let order = wire::parse(body).map_err(|error| not_json(&error, body))?;
        map::order(&order, topic == "orders/cancelled").map(|order| IncomingEvent::Order(Box::new(order)))
    }
}

const fn first(names: [&'static str; 2]) -> &'static str {
    let [first, _] = names;
    first
}

fn header(headers: &HeaderLookup<'_>, names: [&'static str; 2]) -> Result<Option<String>, EnvelopeError> {
    let Some(value) = names.into_iter().find_map(headers).map(str::trim).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if value.len() > HEADER_MAX || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(EnvelopeError::Malformed(first(names)));
    }
    Ok(Some(value.to_owned()))
}

fn not_json(error: &serde_json::Error, body: &[u8]) -> Unreadable {
    let place = format!("line {}, column {}", error.line(), error.column());
    let shown = error.to_string();
    let repeated = shown.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
    let reason = match repeated {
        _ if body.is_empty() => "the body is empty".to_owned(),
        Some(key) => format!("the key `{key}` appears twice in one object ({place})"),
        None if error.is_eof() => format!("the JSON breaks off ({place})"),
        None => format!("the body is not JSON ({place})"),
    };
    Unreadable { pointer: String::new(), reason }
}

#[cfg(test)]
mod tests;
