//! Commands on channels and their messages.

use super::ChannelError;
use super::model::{ChannelRow, MessageRow, reconcile_totals};
use super::port::{Address, ChannelPort, Envelope, IncomingLine, IncomingOrder};
use super::store::{self, MessageEnd, MessageInsert};
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{ChannelId, MessageId, OrderId, TypedId as _, VariantId, WarehouseId};
use crate::base::quantity::Quantity;
use crate::base::text::cut;
use crate::domain::catalog::service as catalog;
use crate::domain::customers::model::NewCustomer;
use crate::domain::customers::service as customers;
use crate::domain::inventory::model::WhenShort;
use crate::domain::inventory::service as inventory;
use crate::domain::orders::follow::follow_in;
use crate::domain::orders::model::{
    ExternalVersion, KnownOrder, NewLine, NewOrder, OrderOrigin, PaymentStatus, Totals,
};
use crate::domain::orders::service as orders;
use crate::domain::payments::model::{AttemptState, NewAttempt};
use crate::infra::vault::SealKey;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::outbox::NewJob;
use crate::kernel::outbox::store as outbox;
use crate::kernel::permit::Permission;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Makes a channel.
pub const CREATE: Command = Command::new("channels.create", Permission::ChannelWrite);
/// Gives a channel a new secret.
pub const ROTATE: Command = Command::new("channels.rotate_secret", Permission::ChannelWrite);
/// Keeps a verified delivery.
pub const RECEIVE: Command = Command::new("channels.receive", Permission::ChannelWrite);
/// Counts a delivery that nobody signed.
pub const COUNT_FAILURE: Command = Command::background("channels.count_failure", Permission::ChannelWrite);
/// Turns a message into an order.
pub const INTAKE: Command = Command::background("channels.intake", Permission::ChannelWrite);
/// Works on a quarantined message again.
pub const REPLAY: Command = Command::new("channels.replay", Permission::ChannelWrite);
/// Gives a quarantined message up.
pub const DISCARD: Command = Command::new("channels.discard", Permission::ChannelWrite);
/// Says what a channel's SKU means.
pub const MAP: Command = Command::new("channels.map", Permission::ChannelWrite);

/// The kind of the job that works on a message.
pub const INTAKE_JOB: &str = "channels.intake";

/// Why an order is cancelled that was cancelled where it was sold.
const CANCELLED: &str = "cancelled at the channel";

/// How long the secret before counts after a rotation, if the caller does not say.
pub const ROTATION_OVERLAP: Duration = Duration::from_hours(24);

/// The vendors whose deliveries are read.
pub type Ports = Arc<BTreeMap<&'static str, Arc<dyn ChannelPort>>>;

/// A channel that is to be made.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// Which vendor.
    pub provider: String,
    /// Name for people.
    pub name: String,
    /// The shop at the vendor.
    pub external_shop: String,
    /// What the vendor signs with.
    pub secret: String,
    /// Which warehouses serve it, first to last; all by priority when empty.
    pub warehouses: Vec<WarehouseId>,
}

fn secret_context(id: ChannelId) -> [u8; 16] {
    id.bytes()
}

/// Makes a channel. Its id carries the tenant's routing number (D16).
pub fn create_in(cx: &mut Cx<'_>, new: &NewChannel) -> Result<ChannelId, Fault> {
    for (position, warehouse) in new.warehouses.iter().enumerate() {
        if !inventory::has_warehouse(cx.read(), *warehouse)? {
            return Err(ChannelError::NoWarehouse(position).into());
        }
    }
    let id: ChannelId = cx.routed_id();
    let seal = |plain: &[u8]| cx.key().seal(&secret_context(id), plain);
    let secret = seal(new.secret.as_bytes()).map_err(|error| Fault::broken(error.to_string()))?;
    let warehouses = serde_json::to_string(&new.warehouses).map_err(|error| Fault::broken(error.to_string()))?;
    let row = ChannelRow {
        id,
        provider: new.provider.clone(),
        name: new.name.clone(),
        external_shop: new.external_shop.clone(),
        is_active: true,
        secret,
        secret_before: None,
        warehouses,
        signature_failures: 0,
        signature_failed: None,
    };
    store::channel_insert(cx.tx(), &row, cx.now())?;
    let body =
        serde_json::json!({ "after": { "provider": new.provider, "name": new.name, "shop": new.external_shop } });
    cx.record(Fact::new("channel.created", Entity::Channel, id, &body)?)?;
    Ok(id)
}

/// Gives a channel a new secret. The one before counts for `overlap` longer, so that no delivery under way is refused (RA4.1).
pub fn rotate_in(cx: &mut Cx<'_>, id: ChannelId, secret: &str, overlap: Duration) -> Result<(), Fault> {
    let sealed = cx.key().seal(&secret_context(id), secret.as_bytes());
    let sealed = sealed.map_err(|error| Fault::broken(error.to_string()))?;
    let until = cx.now().plus(overlap);
    if !store::channel_rotate(cx.tx(), id, &sealed, until)? {
        return Err(ChannelError::NoChannel.into());
    }
    let body = serde_json::json!({ "before_until": until });
    cx.record(Fact::new("channel.secret_rotated", Entity::Channel, id, &body)?)?;
    Ok(())
}

/// The secrets of a channel that count now, the newest first.
pub fn live_secrets(row: &ChannelRow, key: &SealKey, now: Timestamp) -> Result<Vec<Vec<u8>>, ChannelError> {
    let open = |sealed: &[u8]| {
        key.open(&secret_context(row.id), sealed).map_err(|_sealed| ChannelError::Secret(row.id.to_string()))
    };
    let mut secrets = vec![open(&row.secret)?];
    if let Some((before, until)) = &row.secret_before
        && now < *until
    {
        secrets.push(open(before)?);
    }
    Ok(secrets)
}

/// A delivery whose signature is good.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// What its headers say.
    pub envelope: &'a Envelope,
    /// All its headers but credentials, as a JSON object.
    pub headers: &'a str,
    /// Raw.
    pub body: &'a [u8],
    /// Why nothing follows from it, when its topic alone tells.
    pub ignored: Option<&'a str>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// The message that it is kept as.
    pub message: MessageId,
    /// Whether it was here already.
    pub is_duplicate: bool,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct IntakePayload {
    pub(super) message_id: MessageId,
}

/// Keeps a verified delivery, and asks for its intake if anything can follow from it. A delivery or event that is here already is absorbed (RA2.1, D5).
pub fn receive_in(cx: &mut Cx<'_>, channel: ChannelId, delivery: &Delivery<'_>) -> Result<Received, Fault> {
    let id: MessageId = cx.id();
    let envelope = delivery.envelope;
    let event_id = envelope.event_id.as_deref();
    let row = MessageInsert {
        id,
        channel,
        topic: &envelope.topic,
        delivery_id: &envelope.delivery_id,
        event_id,
        headers: delivery.headers,
        body: delivery.body,
        ignored: delivery.ignored,
        now: cx.now(),
    };
    if store::message_insert(cx.tx(), &row)? {
        if delivery.ignored.is_none() {
            cx.enqueue(&intake_job(id, &envelope.topic)?.first())?;
        }
        return Ok(Received { message: id, is_duplicate: false });
    }
    let known = store::message_find(cx.read(), channel, &envelope.topic, &envelope.delivery_id, event_id)?;
    Ok(Received { message: known.unwrap_or(id), is_duplicate: true })
}

fn intake_job(id: MessageId, topic: &str) -> Result<NewJob, Fault> {
    NewJob::new(INTAKE_JOB, id.to_string(), cut(topic, 100), &IntakePayload { message_id: id })
}

/// Counts a delivery that nobody signed, for the alarm: a wrong stored secret would cost the subscription (D23).
pub fn count_failure_in(cx: &mut Cx<'_>, channel: ChannelId, why: &str) -> Result<(), Fault> {
    store::channel_count_failure(cx.tx(), channel, cx.now())?;
    let body = serde_json::json!({ "reason": why });
    cx.record(Fact::new("channel.signature_failed", Entity::Channel, channel, &body)?)?;
    Ok(())
}

/// Closes a message that nothing follows from.
pub fn ignore_in(cx: &Cx<'_>, message: MessageId, reason: &str) -> Result<(), Fault> {
    let end = MessageEnd { id: message, state: "ignored", reason: Some(reason), external_id: None, order: None };
    Ok(store::message_end(cx.tx(), &end, cx.now())?)
}

/// Turns the state of an order that a channel told into ours. One order per channel and external id; an older state than the known one is ignored
/// (RA2.2). `told` is when the channel sent it.
pub fn take_in(
    cx: &mut Cx<'_>,
    message: &MessageRow,
    incoming: &IncomingOrder,
    told: Option<Timestamp>,
) -> Result<(), Fault> {
    let version = ExternalVersion { changed: incoming.version, told };
    let channel = store::channel_get(cx.read(), message.channel)?.ok_or(ChannelError::NoChannel)?;
    let known = orders::find_external(cx.read(), channel.id, &incoming.external_id)?;
    let (state, reason, order) = match known {
        None if incoming.is_test => ("ignored", Some("A trial order: no goods leave for it."), None),
        None => ("done", None, Some(place(cx, &channel, incoming, version)?)),
        Some(known) if known.is_newer_than(&version) => {
            ("ignored", Some("A newer state of this order is known."), Some(known.id))
        }
        Some(known) if follow(cx, &channel, &known, incoming, version)? => ("done", None, Some(known.id)),
        Some(known) => ("ignored", Some("This state of the order is known already."), Some(known.id)),
    };
    let external_id = Some(incoming.external_id.as_str());
    let end = MessageEnd { id: message.id, state, reason, external_id, order };
    store::message_end(cx.tx(), &end, cx.now())?;
    Ok(())
}

fn place(
    cx: &mut Cx<'_>,
    channel: &ChannelRow,
    incoming: &IncomingOrder,
    version: ExternalVersion,
) -> Result<OrderId, Fault> {
    let (order, attempt) = as_ours(cx, channel, incoming, version)?;
    let placed = orders::place_in(cx, &order, attempt.as_ref(), WhenShort::Record)?;
    if incoming.cancelled_at.is_some() {
        orders::cancel_in(cx, placed.id, CANCELLED)?;
    }
    Ok(placed.id)
}

fn follow(
    cx: &mut Cx<'_>,
    channel: &ChannelRow,
    known: &KnownOrder,
    incoming: &IncomingOrder,
    version: ExternalVersion,
) -> Result<bool, Fault> {
    let (order, attempt) = as_ours(cx, channel, incoming, version)?;
    let is_changed = follow_in(cx, known, &order, attempt.as_ref())?;
    let is_cancelled = incoming.cancelled_at.is_some() && orders::cancel_in(cx, known.id, CANCELLED)?;
    Ok(is_changed || is_cancelled)
}

/// The order that a channel tells, with our variants and our customer.
fn as_ours(
    cx: &mut Cx<'_>,
    channel: &ChannelRow,
    incoming: &IncomingOrder,
    version: ExternalVersion,
) -> Result<(NewOrder, Option<NewAttempt>), Fault> {
    let too_large = |error: crate::base::money::MoneyError| {
        Fault::new(crate::base::error::Kind::Refused, "amount_too_large", error.to_string())
    };
    let sums = reconcile_totals(incoming).map_err(too_large)?;
    let ours = sums.now.totals;
    let mut lines = Vec::with_capacity(incoming.lines.len());
    for line in &incoming.lines {
        lines.push(map_line(cx, channel.id, line)?);
    }
    let customer = incoming.customer.as_ref().map(|customer| NewCustomer {
        email: customer.email.clone(),
        name: customer.name.clone(),
        phone: customer.phone.clone(),
    });
    let customer = match customer {
        Some(customer) => customers::link_in(cx, customer)?,
        None => None,
    };
    let zero = crate::base::money::Money::zero(incoming.currency);
    let order = NewOrder {
        origin: OrderOrigin {
            channel: Some(channel.id),
            external_id: Some(incoming.external_id.clone()),
            external_number: incoming.external_number.clone(),
            external_version: Some(version),
            warehouses: serde_json::from_str(&channel.warehouses).unwrap_or_default(),
        },
        placed: incoming.placed_at,
        currency: incoming.currency,
        tax_inclusive: incoming.tax_inclusive,
        totals: Totals {
            subtotal: ours.subtotal,
            discount: ours.discount,
            shipping: ours.shipping,
            tax: ours.tax,
            total: ours.total,
        },
        difference: sums.flag().unwrap_or(zero),
        lines,
        customer,
        payment_status: incoming.payment_status,
        note: cut(incoming.note.as_deref().unwrap_or_default(), 5000),
        address: incoming.shipping_address.as_ref().map(address_json),
    };
    Ok((order, payment(incoming, ours.total)))
}

/// A line with its variant: by the mapping made by hand, else by SKU. An unknown SKU goes on the list, and the rest of the order goes on.
fn map_line(cx: &Cx<'_>, channel: ChannelId, line: &IncomingLine) -> Result<NewLine, Fault> {
    let found = match &line.sku {
        None => None,
        Some(sku) => match store::mapping_find(cx.read(), channel, sku)? {
            Some(variant) => catalog::variant_get(cx.read(), variant)?,
            None => catalog::variant_by_sku(cx.read(), sku)?,
        },
    };
    if let (None, Some(sku)) = (&found, &line.sku) {
        store::mapping_open(cx.tx(), channel, sku, &cut(&line.title, 500), cx.now())?;
    }
    let pieces = line.current_quantity;
    let quantity =
        Quantity::new(pieces).ok_or_else(|| Fault::broken("a quantity that the port should have refused"))?;
    let gross = line.unit_price.times(pieces).map_err(|error| Fault::broken(error.to_string()))?;
    // Discount and tax are stated for the ordered pieces; what is left of a line bears its share, rounded once.
    let share = |amount: crate::base::money::Money| {
        let rest = line.quantity.saturating_sub(pieces);
        let parts = amount.allocate(&[pieces, rest]);
        crate::base::money::Money { minor: parts.first().copied().unwrap_or(0), currency: amount.currency }
    };
    let is_whole = pieces == line.quantity || line.quantity == 0;
    let discount = if is_whole { line.discount } else { share(line.discount) };
    let tax = if is_whole { line.tax } else { share(line.tax) };
    let total = gross.minus(discount).map_err(|error| Fault::broken(error.to_string()))?;
    Ok(NewLine {
        external_id: Some(line.external_id.clone()),
        variant: found.as_ref().map(|found| found.id),
        product: found.map(|found| found.product_id),
        sku: line.sku.clone(),
        title: cut(&line.title, 500),
        quantity,
        unit_price: line.unit_price,
        discount,
        tax,
        total,
    })
}

/// The payment as the channel tells it: what is not outstanding has come, by the first provider that it names.
fn payment(incoming: &IncomingOrder, total: crate::base::money::Money) -> Option<NewAttempt> {
    let state = match incoming.payment_status {
        PaymentStatus::Pending => AttemptState::Pending,
        PaymentStatus::Authorized => AttemptState::Authorized,
        PaymentStatus::Voided => AttemptState::Cancelled,
        PaymentStatus::PartiallyPaid
        | PaymentStatus::Paid
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded => AttemptState::Captured,
    };
    let outstanding = incoming.payments.outstanding.filter(|_| incoming.payment_status == PaymentStatus::PartiallyPaid);
    let amount = outstanding.map_or(Some(total), |rest| total.minus(rest).ok()).filter(|amount| amount.minor >= 0)?;
    let provider = incoming.payments.providers.first().map_or("channel", String::as_str);
    Some(NewAttempt { provider: cut(provider, 60), state, amount })
}

fn address_json(address: &Address) -> String {
    serde_json::json!({
        "name": address.name, "company": address.company, "address1": address.address1, "address2": address.address2,
        "zip": address.zip, "city": address.city, "province_code": address.province_code,
        "country_code": address.country_code, "phone": address.phone,
    })
    .to_string()
}

/// A message whose job gave up goes to quarantine with the reason. Called by the reaction to `job.dead_lettered`.
pub fn quarantine_in(cx: &mut Cx<'_>, subject: &str, reason: &str) -> Result<(), Fault> {
    let Ok(id) = MessageId::parse(subject) else { return Ok(()) };
    let end = MessageEnd { id, state: "quarantined", reason: Some(&cut(reason, 2000)), external_id: None, order: None };
    store::message_end(cx.tx(), &end, cx.now())?;
    cx.record(Fact::new("message.quarantined", Entity::Message, id, &serde_json::json!({ "reason": reason }))?)?;
    Ok(())
}

/// A message whose dead letter is retried waits for its intake again: the job would find it in quarantine and leave it there. Called by the
/// reaction to `job.retried`.
pub fn unquarantine_in(cx: &mut Cx<'_>, subject: &str) -> Result<(), Fault> {
    let Ok(id) = MessageId::parse(subject) else { return Ok(()) };
    let Some(row) = store::message_get(cx.read(), id)?.filter(|row| row.state == "quarantined") else { return Ok(()) };
    released_in(cx, &row)
}

fn released_in(cx: &mut Cx<'_>, row: &MessageRow) -> Result<(), Fault> {
    let end = MessageEnd { id: row.id, state: "received", reason: None, external_id: None, order: None };
    store::message_end(cx.tx(), &end, cx.now())?;
    cx.record(Fact::new("message.replayed", Entity::Message, row.id, &serde_json::json!({ "topic": row.topic }))?)?;
    Ok(())
}

fn quarantined(cx: &Cx<'_>, channel: ChannelId, id: MessageId) -> Result<MessageRow, Fault> {
    let found = store::message_get(cx.read(), id)?.filter(|row| row.channel == channel);
    let row = found.ok_or(ChannelError::NoMessage)?;
    if row.state == "quarantined" { Ok(row) } else { Err(ChannelError::NotQuarantined(row.state).into()) }
}

/// The dead letter of a message, if it is still there.
fn dead_letter(cx: &Cx<'_>, id: MessageId) -> Result<Option<crate::kernel::outbox::JobRow>, Fault> {
    Ok(outbox::job_of_subject(cx.read(), INTAKE_JOB, &id.to_string())?)
}

/// Works on a quarantined message again, after whatever was wrong is mended. Gives the job.
pub fn replay_in(cx: &mut Cx<'_>, channel: ChannelId, id: MessageId) -> Result<crate::base::id::JobId, Fault> {
    let row = quarantined(cx, channel, id)?;
    released_in(cx, &row)?;
    match dead_letter(cx, id)? {
        Some(job) if outbox::job_retry(cx.tx(), job.seq, cx.now())? => {
            cx.announce(INTAKE_JOB, job.seq, cx.now());
            Ok(job.id)
        }
        _ => {
            cx.enqueue(&intake_job(id, &row.topic)?)?;
            let job = dead_letter(cx, id)?;
            job.map(|job| job.id).ok_or_else(|| Fault::broken("the job that was just asked for is not there"))
        }
    }
}

/// Gives a quarantined message up, and its dead letter with it.
pub fn discard_in(cx: &mut Cx<'_>, channel: ChannelId, id: MessageId) -> Result<MessageRow, Fault> {
    let row = quarantined(cx, channel, id)?;
    let reason = row.reason.clone().unwrap_or_default();
    let end = MessageEnd { id, state: "discarded", reason: Some(&reason), external_id: None, order: None };
    store::message_end(cx.tx(), &end, cx.now())?;
    if let Some(job) = dead_letter(cx, id)? {
        outbox::job_discard(cx.tx(), job.seq, "the message was discarded", cx.now())?;
    }
    cx.record(Fact::new("message.discarded", Entity::Message, id, &serde_json::json!({ "topic": row.topic }))?)?;
    store::message_get(cx.read(), id)?.ok_or_else(|| ChannelError::NoMessage.into())
}

/// Says what a channel's SKU means. Lines of open orders that waited for it get their stock. Gives how many in this step; the caller repeats
/// while it is [`orders::MAP_STEP`].
pub fn map_in(cx: &mut Cx<'_>, channel: ChannelId, sku: &str, variant: VariantId) -> Result<u32, Fault> {
    let row = store::channel_get(cx.read(), channel)?.ok_or(ChannelError::NoChannel)?;
    if catalog::variant_get(cx.read(), variant)?.is_none() {
        return Err(ChannelError::NoVariant.into());
    }
    store::mapping_set(cx.tx(), channel, sku, variant, cx.now())?;
    let body = serde_json::json!({ "external_sku": sku, "variant": variant });
    cx.record(Fact::new("channel.sku_mapped", Entity::Channel, channel, &body)?)?;
    let warehouses: Vec<WarehouseId> = serde_json::from_str(&row.warehouses).unwrap_or_default();
    orders::map_lines_in(cx, channel, sku, variant, &warehouses)
}
