//! Reading the journal: who may see which row, a page of it, what is new in it.

use crate::base::error::Fault;
use crate::base::id::{Id, TenantId};
use crate::domain::auth::service::actor_name;
use crate::infra::db::ReadTx;
use crate::kernel::journal::JournalRow;
use crate::kernel::permit::Permission;
use crate::kernel::scope::{Scope, Shared};
use crate::kernel::store;
use std::collections::HashMap;
use std::sync::Arc;

/// Which rows a list shows.
#[derive(Debug, Default, Clone)]
pub struct AuditFilter {
    /// About this entity.
    pub entity: Option<Id>,
    /// Whose kind begins so.
    pub prefix: Option<String>,
    /// Before this position.
    pub before: Option<i64>,
}

/// A row and the name of who did it.
pub struct NamedRow {
    /// The row.
    pub row: JournalRow,
    /// Who, for people.
    pub actor: String,
}

/// Rows of the journal, newest first.
pub async fn list(scope: &Scope, filter: AuditFilter, limit: u32) -> Result<Vec<NamedRow>, Fault> {
    scope.read_slow(Permission::AuditRead, move |tx| named(tx, &filter, limit)).await
}

fn named(tx: &ReadTx<'_>, filter: &AuditFilter, limit: u32) -> Result<Vec<NamedRow>, Fault> {
    let before = filter.before.unwrap_or(i64::MAX);
    let rows = match filter.prefix.as_deref() {
        None | Some("") => store::journal_before(tx, before, filter.entity, limit)?,
        Some(prefix) => store::journal_search(tx, before, filter.entity, prefix, limit)?,
    };
    let mut names: HashMap<(u8, [u8; 16]), String> = HashMap::new();
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let (kind, id) = row.actor;
        let actor = match names.get(&row.actor) {
            Some(name) => name.clone(),
            None => actor_name(tx, kind, id)?,
        };
        names.insert(row.actor, actor.clone());
        out.push(NamedRow { row, actor });
    }
    Ok(out)
}

/// The right that seeing a row in a live view needs. What a kind is about comes before which entity it names: stock is recorded on variants.
pub fn needed(entity: &str, kind: &str) -> Permission {
    match kind.split('.').next().unwrap_or_default() {
        "inventory" | "stock" => return Permission::InventoryRead,
        "feed" => return Permission::FeedRead,
        _ => {}
    }
    match entity {
        "order" | "customer" => Permission::OrderRead,
        "product" | "variant" => Permission::ProductRead,
        "warehouse" => Permission::InventoryRead,
        "channel" | "message" => Permission::ChannelRead,
        "job" => Permission::JobRead,
        "feed" => Permission::FeedRead,
        "user" | "token" => Permission::UserRead,
        _ => Permission::AuditRead,
    }
}

/// The journal's last position in a store.
pub async fn head(shared: &Arc<Shared>, tenant: TenantId) -> Result<i64, Fault> {
    let file = shared.tenants.file_async(tenant).await?;
    file.read(|tx| Ok(store::journal_head(tx)?.seq)).await
}

/// Rows after a position, oldest first. Opens the store's file if need be and lets go of it again.
pub async fn after(shared: &Arc<Shared>, tenant: TenantId, seq: i64, limit: u32) -> Result<Vec<JournalRow>, Fault> {
    let file = shared.tenants.file_async(tenant).await?;
    file.read(|tx| store::journal_after(tx, seq, limit).map_err(Fault::from)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_needs_the_right_of_what_it_is_about() {
        assert_eq!(needed("order", "order.created"), Permission::OrderRead);
        assert_eq!(needed("variant", "inventory.adjusted"), Permission::InventoryRead);
        assert_eq!(needed("variant", "price.changed"), Permission::ProductRead);
        assert_eq!(needed("variant", "feed.item_approved"), Permission::FeedRead);
        assert_eq!(needed("user", "session.started"), Permission::UserRead);
        assert_eq!(needed("something_new", "x.y"), Permission::AuditRead);
    }
}
