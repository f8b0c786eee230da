//! The address that vendors deliver to: verify over the raw bytes, store, answer. The work is done after.

use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{ChannelId, MessageId, TypedId as _};
use crate::domain::channels::ChannelError;
use crate::domain::channels::model::ChannelRow;
use crate::domain::channels::port::{BadSignature, Verdict};
use crate::domain::channels::queries;
use crate::domain::channels::service::{self, COUNT_FAILURE, Delivery, Ports, RECEIVE, Received};
use crate::kernel::actor::Actor;
use crate::kernel::cache::Tag;
use crate::kernel::command::Cx;
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::scope::Scope;
use crate::kernel::tenants::Tenant;
use crate::kernel::web::Gate;
use crate::kernel::web::call::{Answer, Call, json};
use crate::kernel::web::limits::{Class, Counted};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Largest delivery. Shopify's own limit for a payload is far below it.
pub const DELIVERY_MAX: usize = 2 * 1024 * 1024;
/// Longest value of a header that is kept with a delivery.
const HEADER_KEPT_MAX: usize = 1000;

/// What a vendor is answered with.
#[derive(Serialize, JsonSchema)]
struct Receipt {
    /// The message that the delivery is kept as.
    message_id: MessageId,
    /// Whether it was here already.
    duplicate: bool,
}

/// A channel with its secrets opened, as it is cached.
struct Live {
    row: ChannelRow,
    secrets: Vec<(Vec<u8>, Option<Timestamp>)>,
}

/// What the hook needs besides the call: the vendors, and the gate for its limits, which is made after the table.
pub struct HookParts {
    /// The vendors.
    pub ports: Ports,
    /// Set once the gate stands.
    pub gate: Arc<OnceLock<Arc<Gate>>>,
}

/// The route of deliveries.
pub fn route(parts: HookParts) -> Route {
    let parts = Arc::new(parts);
    Route::post("/hooks/{provider}/{channel_id}", "hook_receive", Access::Signature, move |call| {
        let parts = Arc::clone(&parts);
        async move { receive(&parts, &call).await }
    })
    .summary("Takes a vendor's delivery. It is stored before it is answered, and worked on after.")
    .raw_body(DELIVERY_MAX)
    .answers::<Receipt>(200, "Stored, now or before.")
    .refuses(&[429])
}

async fn receive(parts: &HookParts, call: &Call) -> Result<Answer, Fault> {
    // What is unknown looks the same as what is wrongly signed, so that nobody can try out addresses.
    let known = find(call).await?;
    let provider = call.parameter("provider")?;
    let matched = known.filter(|(_, live)| live.row.provider == provider && live.row.is_active);
    let (Some((scope, live)), Some(port)) = (matched, parts.ports.get(provider)) else {
        return Err(refuse(parts, call)?);
    };
    let now = scope.clock().now();
    let secrets: Vec<&[u8]> = live
        .secrets
        .iter()
        .filter(|(_, until)| until.is_none_or(|until| now < until))
        .map(|(s, _)| s.as_slice())
        .collect();
    let lookup = |name: &str| call.header(name);
    let channel = live.row.id;
    if let Verdict::Bad(why) = port.verify(&secrets, &lookup, &call.body) {
        let refusal = refuse(parts, call)?;
        let text = signature_text(why);
        scope.write(&COUNT_FAILURE, move |cx| service::count_failure_in(cx, channel, text)).await?;
        return Err(refusal);
    }
    if let Some(gate) = parts.gate.get() {
        gate.limiter.take(Class::Channel, Counted::Caller(channel.bytes()))?;
    }
    let envelope = port.envelope(&lookup)?;
    let ignored = port.ignores(&envelope.topic);
    let (headers, body) = (kept_headers(call), call.body.clone());
    let keep = move |cx: &mut Cx<'_>| {
        let delivery = Delivery { envelope: &envelope, headers: &headers, body: &body, ignored: ignored.as_deref() };
        service::receive_in(cx, channel, &delivery)
    };
    let Received { message, is_duplicate } = scope.write(&RECEIVE, keep).await?;
    let outcome = if is_duplicate { "duplicate" } else { "new" };
    metrics::counter!("bodega_hook_deliveries_total", "outcome" => outcome).increment(1);
    json(200, &Receipt { message_id: message, duplicate: is_duplicate })
}

/// The channel of the address, with a scope in which it acts.
async fn find(call: &Call) -> Result<Option<(Scope, Arc<Live>)>, Fault> {
    let Ok(id) = ChannelId::parse(call.parameter("channel_id")?) else { return Ok(None) };
    let Some(tenant) = call.shared.tenants.routed(id).filter(|tenant| tenant.is_active) else { return Ok(None) };
    let file = call.shared.tenants.file_async(tenant.id).await?;
    let rights: Rights = [Permission::ChannelRead, Permission::ChannelWrite].into_iter().collect();
    let scope = Scope::new(
        Arc::clone(&call.shared),
        Arc::clone(&tenant),
        file,
        Actor::Channel(id),
        rights,
        call.request.clone(),
    );
    let fill = match call.shared.hub.cache.get::<Live>(tenant.id, &id, &[Tag::Channel]) {
        Ok(live) => return Ok(Some((scope, live))),
        Err(fill) => fill,
    };
    let row = queries::channel_row(&scope, id).await?;
    let Some(row) = row else { return Ok(None) };
    let live = Arc::new(open(row, &tenant)?);
    call.shared.hub.cache.put(fill, Arc::clone(&live));
    Ok(Some((scope, live)))
}

fn open(row: ChannelRow, tenant: &Tenant) -> Result<Live, ChannelError> {
    let before = row.secret_before.as_ref().map(|(_, until)| *until);
    // At the beginning of time both secrets count: until when the one before does is looked at for each delivery.
    let secrets = service::live_secrets(&row, &tenant.key, Timestamp(0))?;
    let secrets = secrets.into_iter().zip([None, before]).collect();
    Ok(Live { row, secrets })
}

/// The refusal of a delivery, after it was counted against its address.
fn refuse(parts: &HookParts, call: &Call) -> Result<Fault, Fault> {
    metrics::counter!("bodega_hook_deliveries_total", "outcome" => "refused").increment(1);
    if let Some(gate) = parts.gate.get() {
        gate.limiter.take(Class::BadSignature, Counted::Address(call.peer))?;
    }
    Ok(ChannelError::BadSignature.into())
}

const fn signature_text(why: BadSignature) -> &'static str {
    match why {
        BadSignature::Missing => "no signature",
        BadSignature::Malformed => "not a signature",
        BadSignature::Mismatch => "signed with another secret, or altered",
        BadSignature::NoSecret => "the channel has no secret",
    }
}

/// The delivery's headers as a JSON object, without credentials.
fn kept_headers(call: &Call) -> String {
    let secret = ["authorization", "cookie", "proxy-authorization"];
    let mut kept: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &call.headers {
        if let Ok(value) = value.to_str()
            && !secret.contains(&name.as_str())
            && value.len() <= HEADER_KEPT_MAX
        {
            kept.insert(name.as_str(), value);
        }
    }
    serde_json::to_string(&kept).unwrap_or_else(|_| "{}".to_owned())
}
