//! What a stopped store holds, looked at in a copy: recovery is the product's own affair and must not be done by a test.

use super::load::Acks;
use bodega::domain::inventory::store::drift;
use bodega::infra::db::{DbError, ReadTx, Role, open_connection, read_on};
use bodega::kernel::journal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Rows of the journal.
    pub(crate) journal: i64,
    /// Orders of channels by their id at the shop.
    pub(crate) channel_orders: usize,
    /// Orders of the API by note.
    pub(crate) orders: BTreeMap<String, i64>,
    /// Movements by note.
    pub(crate) movements: BTreeMap<String, i64>,
    /// Jobs by state.
    pub(crate) jobs: BTreeMap<String, i64>,
    /// Keys that were acknowledged and are not there.
    pub(crate) lost: Vec<String>,
    /// Messages by state and, if any, reason.
    pub(crate) messages: BTreeMap<String, i64>,
}

/// Checks a stopped data folder against what was acknowledged: all of it must be there.
pub(crate) fn examine(data: &Path, desk: &Path, acks: &Acks) -> Found {
    let found = survey(data, desk, acks);
    assert!(found.lost.is_empty(), "acknowledged, and not there: {:?}", found.lost);
    found
}

/// The same, for whoever judges himself what may be missing.
pub(crate) fn survey(data: &Path, desk: &Path, acks: &Acks) -> Found {
    let copy = desk.join("copy");
    std::fs::create_dir_all(&copy).unwrap();
    let control = copied(&data.join("control.db"), &copy, "control.db");
    let control = open_connection(&control, Role::Writer).unwrap();
    read_on(&control, |tx| {
        whole(tx);
        Ok::<_, DbError>(())
    })
    .unwrap();
    drop(control);
    let store = copied(&store_file(data), &copy, "data.db");
    let connection = open_connection(&store, Role::Writer).unwrap();
    let found = read_on(&connection, |tx| look(tx, acks)).unwrap();
    drop(connection);
    std::fs::remove_dir_all(&copy).unwrap();
    found
}

/// The file of the only store.
pub(crate) fn store_file(data: &Path) -> PathBuf {
    let only = |folder: &Path| std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    only(&only(&data.join("tenants"))).join("data.db")
}

fn copied(from: &Path, to: &Path, name: &str) -> PathBuf {
    let target = to.join(name);
    std::fs::copy(from, &target).unwrap();
    let wal = |path: &Path| path.with_extension("db-wal");
    if wal(from).exists() {
        std::fs::copy(wal(from), wal(&target)).unwrap();
    }
    target
}

/// The chain and the file are whole.
fn whole(tx: &ReadTx<'_>) -> i64 {
    let report = journal::verify(tx).unwrap();
    assert_eq!(report.broken, None, "the chain is broken");
    assert_eq!(tx.value::<String>("PRAGMA quick_check", []).unwrap(), "ok");
    assert!(!tx.exists("PRAGMA foreign_key_check", []).unwrap(), "a row refers to nothing");
    report.rows
}

fn counted(tx: &ReadTx<'_>, sql: &str) -> Result<BTreeMap<String, i64>, DbError> {
    Ok(tx.all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?.into_iter().collect())
}

fn look(tx: &ReadTx<'_>, acks: &Acks) -> Result<Found, DbError> {
    let drifted = drift(tx)?;
    assert!(drifted.is_empty(), "levels differ from their movements or reservations: {drifted:?}");
    let deliveries = counted(tx, "SELECT delivery_id, count(*) FROM channel_message GROUP BY delivery_id")?;
    let externals =
        counted(tx, "SELECT external_id, count(*) FROM sales_order WHERE channel_id IS NOT NULL GROUP BY external_id")?;
    let orders = counted(tx, "SELECT note, count(*) FROM sales_order WHERE channel_id IS NULL GROUP BY note")?;
    let movements = counted(tx, "SELECT note, count(*) FROM inventory_movement WHERE note <> '' GROUP BY note")?;
    let absent = |acked: &BTreeMap<String, String>, there: &BTreeMap<String, i64>| {
        acked.keys().filter(|key| !there.contains_key(*key)).cloned().collect::<Vec<_>>()
    };
    let mut lost = absent(&acks.deliveries, &deliveries);
    lost.extend(absent(&acks.orders, &orders));
    lost.extend(absent(&acks.movements, &movements));
    for (key, count) in externals.iter().chain(&orders).chain(&movements) {
        assert_eq!(*count, 1, "{key} stands {count} times");
    }
    for key in &acks.refused {
        assert!(!orders.contains_key(key), "the refused order {key} stands");
    }
    let orphans =
        "SELECT 1 FROM inventory_reservation r LEFT JOIN sales_order o ON o.id = r.owner_id WHERE o.id IS NULL";
    assert!(!tx.exists(orphans, [])?, "a reservation without an order");
    Ok(Found {
        journal: whole(tx),
        lost,
        channel_orders: externals.len(),
        orders,
        movements,
        jobs: counted(tx, "SELECT state, count(*) FROM outbox GROUP BY state")?,
        messages: counted(
            tx,
            "SELECT state || coalesce(': ' || reason, ''), count(*) FROM channel_message GROUP BY 1",
        )?,
    })
}

impl Found {
    /// Everything that was taken in came to its end, once.
    pub(crate) fn assert_finished(&self, acks: &Acks) {
        assert_eq!(self.jobs.keys().map(String::as_str).collect::<Vec<_>>(), ["done"], "{:?}", self.jobs);
        assert_eq!(self.messages.keys().map(String::as_str).collect::<Vec<_>>(), ["done"], "{:?}", self.messages);
        assert_eq!(self.channel_orders, acks.deliveries.len(), "one order for each delivery");
        assert_eq!(self.orders.len(), acks.orders.len(), "one order for each key");
        assert_eq!(self.movements.len(), acks.movements.len(), "one movement for each key");
    }
}
