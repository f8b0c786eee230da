//! What is read of channels, their messages and mappings.

use super::ChannelError;
use super::model::{ChannelFigures, ChannelRow, MappingRow, MessageRow};
use super::store;
use crate::base::error::Fault;
use crate::base::id::{ChannelId, MessageId};
use crate::infra::db::ReadTx;
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;

/// A channel with its figures, in a transaction that stands already.
pub fn channel_in(tx: &ReadTx<'_>, id: ChannelId) -> Result<(ChannelRow, ChannelFigures), Fault> {
    let row = store::channel_get(tx, id)?.ok_or(ChannelError::NoChannel)?;
    let figures = store::channel_figures(tx, id)?;
    Ok((row, figures))
}

/// A channel with its figures.
pub async fn channel(scope: &Scope, id: ChannelId) -> Result<(ChannelRow, ChannelFigures), Fault> {
    scope.read(Permission::ChannelRead, |tx| channel_in(tx, id)).await
}

/// A channel without its figures, if there is one.
pub async fn channel_row(scope: &Scope, id: ChannelId) -> Result<Option<ChannelRow>, Fault> {
    scope.read(Permission::ChannelRead, |tx| store::channel_get(tx, id).map_err(Fault::from)).await
}

/// All channels with their figures.
pub async fn channels(scope: &Scope) -> Result<Vec<(ChannelRow, ChannelFigures)>, Fault> {
    let list = |tx: &ReadTx<'_>| {
        let rows = store::channels_list(tx)?;
        let with_figures = |row: ChannelRow| store::channel_figures(tx, row.id).map(|figures| (row, figures));
        rows.into_iter().map(with_figures).collect::<Result<Vec<_>, _>>().map_err(Fault::from)
    };
    scope.read(Permission::ChannelRead, list).await
}

/// Messages of a channel before a position, newest first, in one state if given.
pub async fn messages(
    scope: &Scope,
    channel: ChannelId,
    state: Option<&str>,
    before: i64,
    limit: u32,
) -> Result<Vec<MessageRow>, Fault> {
    let list = |tx: &ReadTx<'_>| {
        store::channel_get(tx, channel)?.ok_or(ChannelError::NoChannel)?;
        Ok(store::messages_list(tx, channel, state, before, limit)?)
    };
    scope.read(Permission::ChannelRead, list).await
}

/// A message as it came in.
pub struct Delivered {
    /// Its row.
    pub row: MessageRow,
    /// JSON object.
    pub headers: String,
    /// Raw.
    pub body: Vec<u8>,
}

/// A message of a channel with what came in, if there is one.
pub async fn message(scope: &Scope, channel: ChannelId, id: MessageId) -> Result<Option<Delivered>, Fault> {
    let find = |tx: &ReadTx<'_>| {
        let Some(row) = store::message_get(tx, id)?.filter(|row| row.channel == channel) else { return Ok(None) };
        let content = store::message_content(tx, id)?;
        Ok(content.map(|(headers, body)| Delivered { row, headers, body }))
    };
    scope.read(Permission::ChannelRead, find).await
}

/// A message for its intake: with the vendor whose words it is in.
pub async fn for_intake(scope: &Scope, id: MessageId) -> Result<Option<(Delivered, String)>, Fault> {
    let find = |tx: &ReadTx<'_>| {
        let Some(row) = store::message_get(tx, id)? else { return Ok(None) };
        let Some(channel) = store::channel_get(tx, row.channel)? else { return Ok(None) };
        let content = store::message_content(tx, id)?;
        Ok(content.map(|(headers, body)| (Delivered { row, headers, body }, channel.provider)))
    };
    scope.read(Permission::ChannelRead, find).await
}

/// SKUs of a channel after one, in their order.
pub async fn mappings(
    scope: &Scope,
    channel: ChannelId,
    is_mapped: Option<bool>,
    after: &str,
    limit: u32,
) -> Result<Vec<MappingRow>, Fault> {
    let list = |tx: &ReadTx<'_>| {
        store::channel_get(tx, channel)?.ok_or(ChannelError::NoChannel)?;
        Ok(store::mappings_list(tx, channel, is_mapped, after, limit)?)
    };
    scope.read(Permission::ChannelRead, list).await
}
