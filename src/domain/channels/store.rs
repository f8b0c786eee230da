//! Every SQL text of the channel tables.

use super::model::{ChannelFigures, ChannelRow, MappingRow, MessageRow};
use crate::base::clock::Timestamp;
use crate::base::id::{ChannelId, MessageId, OrderId, VariantId};
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::{Row, named_params};

const CHANNEL: &str =
    "id, provider, name, external_shop, state, secret, secret_before, secret_before_until, warehouses,
     signature_failures, signature_failed_ms FROM channel";

fn channel(row: &Row<'_>) -> rusqlite::Result<ChannelRow> {
    let before: Option<Vec<u8>> = row.get(6)?;
    let until: Option<Timestamp> = row.get(7)?;
    Ok(ChannelRow {
        id: row.get(0)?,
        provider: row.get(1)?,
        name: row.get(2)?,
        external_shop: row.get(3)?,
        is_active: row.get::<_, String>(4)? == "active",
        secret: row.get(5)?,
        secret_before: before.zip(until),
        warehouses: row.get(8)?,
        signature_failures: row.get(9)?,
        signature_failed: row.get(10)?,
    })
}

/// One channel.
pub fn channel_get(tx: &ReadTx<'_>, id: ChannelId) -> Result<Option<ChannelRow>, DbError> {
    tx.one(&format!("SELECT {CHANNEL} WHERE id = ?1"), [id], channel)
}

/// All channels.
pub fn channels_list(tx: &ReadTx<'_>) -> Result<Vec<ChannelRow>, DbError> {
    tx.all(&format!("SELECT {CHANNEL} ORDER BY id LIMIT 1000"), [], channel)
}

/// Adds a channel.
pub fn channel_insert(tx: &WriteTx<'_>, row: &ChannelRow, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO channel (id, provider, name, external_shop, secret, warehouses, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (row.id, &row.provider, &row.name, &row.external_shop, &row.secret, &row.warehouses, now),
    )?;
    Ok(())
}

/// Gives a channel a new secret; the one before counts until `until`.
pub fn channel_rotate(tx: &WriteTx<'_>, id: ChannelId, secret: &[u8], until: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE channel SET secret_before = secret, secret_before_until = ?3, secret = ?2 WHERE id = ?1",
        (id, secret, until),
    )?;
    Ok(changed == 1)
}

/// Counts a delivery that nobody signed.
pub fn channel_count_failure(tx: &WriteTx<'_>, id: ChannelId, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE channel SET signature_failures = signature_failures + 1, signature_failed_ms = ?2 WHERE id = ?1",
        (id, now),
    )?;
    Ok(())
}

// --- messages

/// A delivery that is to be kept.
pub struct MessageInsert<'a> {
    /// Used when it is new.
    pub id: MessageId,
    /// From where.
    pub channel: ChannelId,
    /// What about, in the channel's words.
    pub topic: &'a str,
    /// One per delivery.
    pub delivery_id: &'a str,
    /// One per event.
    pub event_id: Option<&'a str>,
    /// JSON object.
    pub headers: &'a str,
    /// Raw.
    pub body: &'a [u8],
    /// Why nothing follows from it: it is closed at once.
    pub ignored: Option<&'a str>,
    /// When it came.
    pub now: Timestamp,
}

/// Keeps a delivery. False when it, or its event, is here already.
pub fn message_insert(tx: &WriteTx<'_>, row: &MessageInsert<'_>) -> Result<bool, DbError> {
    let changed = tx.run(
        "INSERT INTO channel_message
             (id, channel_id, topic, delivery_id, event_id, headers, body, received_ms, state, reason, finished_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        (
            row.id,
            row.channel,
            row.topic,
            row.delivery_id,
            row.event_id,
            row.headers,
            row.body,
            row.now,
            if row.ignored.is_some() { "ignored" } else { "received" },
            row.ignored,
            row.ignored.map(|_| row.now),
        ),
    )?;
    Ok(changed == 1)
}

/// The message that a repeated delivery or event was kept as.
pub fn message_find(
    tx: &ReadTx<'_>,
    channel: ChannelId,
    topic: &str,
    delivery_id: &str,
    event_id: Option<&str>,
) -> Result<Option<MessageId>, DbError> {
    tx.one(
        "SELECT id FROM channel_message WHERE channel_id = ?1 AND delivery_id = ?2
         UNION ALL SELECT id FROM channel_message WHERE channel_id = ?1 AND topic = ?3 AND event_id = ?4 LIMIT 1",
        (channel, delivery_id, topic, event_id),
        |row| row.get(0),
    )
}

const MESSAGE: &str =
    "seq, id, channel_id, topic, external_id, state, attempts, reason, order_id, received_ms, length(body)";

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        channel: row.get(2)?,
        topic: row.get(3)?,
        external_id: row.get(4)?,
        state: row.get(5)?,
        attempts: row.get(6)?,
        reason: row.get(7)?,
        order: row.get(8)?,
        received: row.get(9)?,
        size: row.get(10)?,
    })
}

/// One message.
pub fn message_get(tx: &ReadTx<'_>, id: MessageId) -> Result<Option<MessageRow>, DbError> {
    tx.one(&format!("SELECT {MESSAGE} FROM channel_message WHERE id = ?1"), [id], message)
}

/// Headers and raw body of a message.
pub fn message_content(tx: &ReadTx<'_>, id: MessageId) -> Result<Option<(String, Vec<u8>)>, DbError> {
    tx.one("SELECT headers, body FROM channel_message WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Messages of a channel, newest first.
pub fn messages_list(
    tx: &ReadTx<'_>,
    channel: ChannelId,
    state: Option<&str>,
    before: i64,
    limit: u32,
) -> Result<Vec<MessageRow>, DbError> {
    // The quarantine has an index of its own.
    let hint = if state == Some("quarantined") { "AND state = 'quarantined'" } else { "" };
    let sql = format!(
        "SELECT {MESSAGE} FROM channel_message
         WHERE channel_id = :channel {hint} AND (:state IS NULL OR state = :state) AND seq < :before
         ORDER BY seq DESC LIMIT :limit"
    );
    let params = named_params! { ":channel": channel, ":state": state, ":before": before, ":limit": limit };
    tx.all(&sql, params, message)
}

/// What became of a message.
pub struct MessageEnd<'a> {
    /// Which.
    pub id: MessageId,
    /// The new state.
    pub state: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// The order's key at the channel.
    pub external_id: Option<&'a str>,
    /// The order.
    pub order: Option<OrderId>,
}

/// Closes a message, or puts it back.
pub fn message_end(tx: &WriteTx<'_>, end: &MessageEnd<'_>, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE channel_message SET state = ?2, reason = ?3, external_id = coalesce(?4, external_id),
                order_id = coalesce(?5, order_id), attempts = attempts + (?2 <> 'received'),
                finished_ms = CASE WHEN ?2 = 'received' THEN NULL ELSE ?6 END
         WHERE id = ?1",
        (end.id, end.state, end.reason, end.external_id, end.order, now),
    )?;
    Ok(())
}

/// Figures of a channel.
pub fn channel_figures(tx: &ReadTx<'_>, channel: ChannelId) -> Result<ChannelFigures, DbError> {
    let received = tx.value("SELECT count(*) FROM channel_message WHERE channel_id = ?1", [channel])?;
    let last_received = tx.one(
        "SELECT received_ms FROM channel_message WHERE channel_id = ?1 ORDER BY seq DESC LIMIT 1",
        [channel],
        |row| row.get(0),
    )?;
    let quarantined =
        tx.value("SELECT count(*) FROM channel_message WHERE channel_id = ?1 AND state = 'quarantined'", [channel])?;
    let unmapped =
        tx.value("SELECT count(*) FROM channel_mapping WHERE channel_id = ?1 AND variant_id IS NULL", [channel])?;
    Ok(ChannelFigures { received, last_received, quarantined, unmapped })
}

// --- mappings

/// Which variant a channel's SKU was mapped to by hand.
pub fn mapping_find(tx: &ReadTx<'_>, channel: ChannelId, sku: &str) -> Result<Option<VariantId>, DbError> {
    let row = tx.one(
        "SELECT variant_id FROM channel_mapping WHERE channel_id = ?1 AND external_sku = ?2 AND variant_id IS NOT NULL",
        (channel, sku),
        |row| row.get(0),
    )?;
    Ok(row)
}

/// Puts an unknown SKU on the list.
pub fn mapping_open(
    tx: &WriteTx<'_>,
    channel: ChannelId,
    sku: &str,
    title: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO channel_mapping (channel_id, external_sku, title, first_seen_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING",
        (channel, sku, title, now),
    )?;
    Ok(())
}

/// Maps a SKU.
pub fn mapping_set(
    tx: &WriteTx<'_>,
    channel: ChannelId,
    sku: &str,
    variant: VariantId,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO channel_mapping (channel_id, external_sku, title, variant_id, first_seen_ms, updated_ms)
         VALUES (?1, ?2, '', ?3, ?4, ?4)
         ON CONFLICT (channel_id, external_sku) DO UPDATE SET variant_id = excluded.variant_id, updated_ms = excluded.updated_ms",
        (channel, sku, variant, now),
    )?;
    Ok(())
}

/// SKUs of a channel, in their order.
pub fn mappings_list(
    tx: &ReadTx<'_>,
    channel: ChannelId,
    is_mapped: Option<bool>,
    after: &str,
    limit: u32,
) -> Result<Vec<MappingRow>, DbError> {
    tx.all(
        "SELECT m.external_sku, m.title,
                (SELECT count(*) FROM v_sales_order_unmapped u WHERE u.sku = m.external_sku AND u.channel_id = m.channel_id),
                m.variant_id, v.sku, m.first_seen_ms
         FROM channel_mapping m LEFT JOIN v_catalog_variant v ON v.variant_id = m.variant_id
         WHERE m.channel_id = ?1 AND m.external_sku > ?2 AND (?3 IS NULL OR (m.variant_id IS NOT NULL) = ?3)
         ORDER BY m.external_sku LIMIT ?4",
        (channel, after, is_mapped, limit),
        |row| {
            Ok(MappingRow {
                external_sku: row.get(0)?,
                title: row.get(1)?,
                lines: row.get(2)?,
                variant: row.get(3)?,
                sku: row.get(4)?,
                first_seen: row.get(5)?,
            })
        },
    )
}
