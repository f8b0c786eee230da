//! Files that hold a store's books: schema steps up and down with data, and a journal in which no byte can be changed unseen.

use crate::harness::shop::{Shop, order};
use bodega::infra::db::{Role, TENANT, migrate_down, migrate_up, open_connection, read_on};
use bodega::integrations::shopify::sandbox::Dice;
use bodega::kernel::journal::{self, ChainBreak, ChainReport};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::PathBuf;

/// The file of a demo that has sold something and is stopped. It lives as long as the folder.
async fn stopped_store() -> (tempfile::TempDir, PathBuf) {
    let shop = Shop::open_at_rest().await;
    for number in 1..=5 {
        shop.sell(&order(number, &[("SKU-1001", 1, 1_899), ("UNKNOWN", 1, 100)])).await;
    }
    let mut strange = order(6, &[]);
    strange["currency"] = serde_json::json!("?");
    shop.sell(&strange).await;
    let file = shop.shared.tenants.folder_of(shop.tenant().id).join("data.db");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("data.db");
    let data = shop.data().to_owned();
    assert!(file.starts_with(&data));
    let kept = shop.into_folder().await;
    std::fs::copy(&file, &copy).unwrap();
    // A checkpoint that was under way may have kept the close from folding the log in; then it belongs to the file.
    let log = file.with_extension("db-wal");
    if log.exists() {
        std::fs::copy(&log, copy.with_extension("db-wal")).unwrap();
    }
    drop(kept);
    (folder, copy)
}

fn schema(connection: &Connection) -> Vec<(String, String, String, Option<String>)> {
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// D19: each step goes down and up again on a file with rows, and the schema is the same as before.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_schema_goes_down_and_up_again_on_a_store_with_data() {
    let (_folder, path) = stopped_store().await;
    let mut connection = open_connection(&path, Role::Writer).unwrap();
    let before = schema(&connection);
    let orders = count(&connection, "SELECT count(*) FROM sales_order");
    assert!(orders >= 5 && count(&connection, "SELECT count(*) FROM journal") > 100);
    let last = TENANT.last().unwrap().version;
    for target in (0..last).rev() {
        migrate_down(&mut connection, TENANT, target).unwrap();
        let left = schema(&connection);
        assert!(left != before, "step {} left all of it", target + 1);
        let of_journal = |table: &str| left.iter().any(|row| row.1 == table);
        assert_eq!((of_journal("journal"), of_journal("feed_stock")), (target > 0, target >= 7));
        if target >= 5 {
            assert_eq!(
                count(&connection, "SELECT count(*) FROM sales_order"),
                orders,
                "steps above take nothing of it"
            );
        }
        migrate_up(&mut connection, &path, TENANT).unwrap();
        assert_eq!(schema(&connection), before, "down to {target} and up again");
        assert_eq!(connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        assert_eq!(count(&connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(path.with_extension(format!("db.v{target}")).exists(), target > 0, "the way back is kept");
    }
    assert_eq!(count(&connection, "SELECT count(*) FROM journal"), 0, "down to nothing means nothing");
}

// --- the journal

fn verify(connection: &Connection) -> ChainReport {
    read_on(connection, journal::verify).unwrap()
}

fn seq_of(broken: Option<&ChainBreak>) -> Option<i64> {
    Some(match broken? {
        ChainBreak::Gap { expected, .. } => *expected,
        ChainBreak::Header { seq } | ChainBreak::Body { seq } => *seq,
    })
}

/// One bit of a value changed.
fn flipped(value: Value, dice: &mut Dice) -> Value {
    let mut flip = |mut bytes: Vec<u8>| {
        let at = usize::try_from(dice.below(u64::try_from(bytes.len()).unwrap())).unwrap();
        bytes[at] ^= 1 << dice.below(8);
        bytes
    };
    match value {
        Value::Integer(number) => Value::Integer(number ^ (1 << dice.below(40))),
        Value::Text(text) => {
            let bytes = flip(text.into_bytes());
            // What is no text any more goes in by its bytes.
            String::from_utf8(bytes).map_or_else(|error| Value::Blob(error.into_bytes()), Value::Text)
        }
        Value::Blob(bytes) => Value::Blob(flip(bytes)),
        other => panic!("{other:?}"),
    }
}

const COLUMNS: [&str; 11] = [
    "at_ms",
    "kind",
    "schema_version",
    "command",
    "actor_kind",
    "actor_id",
    "entity",
    "entity_id",
    "request_id",
    "body_hash",
    "hash",
];

fn unguarded(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON;
             DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete;
             DROP TRIGGER journal_body_no_update; DROP TRIGGER journal_body_no_delete;",
        )
        .unwrap();
    connection
}

/// `SC6a`: any one changed bit of the journal is found, and the first row that is wrong is named.
#[tokio::test(flavor = "multi_thread")]
async fn any_changed_bit_of_the_journal_is_found_and_its_row_is_named() {
    let (_folder, path) = stopped_store().await;
    let connection = unguarded(&path);
    let whole = verify(&connection);
    assert_eq!((whole.broken, whole.erased), (None, 0));
    let mut dice = Dice::seeded(20_261_121);
    let rows = [1, whole.rows / 2, whole.rows - 1, whole.rows];
    for seq in rows {
        for (table, column) in COLUMNS.map(|column| ("journal", column)).into_iter().chain([("journal_body", "body")]) {
            for _ in 0..3 {
                let read = format!("SELECT {column} FROM {table} WHERE seq = ?1");
                let value: Value = connection.query_row(&read, [seq], |row| row.get(0)).unwrap();
                let changed = flipped(value.clone(), &mut dice);
                connection.execute_batch("BEGIN").unwrap();
                let cast = if matches!(value, Value::Text(_)) { "CAST(?1 AS TEXT)" } else { "?1" };
                let write = format!("UPDATE {table} SET {column} = {cast} WHERE seq = ?2");
                assert_eq!(connection.execute(&write, (&changed, seq)).unwrap(), 1);
                let report = verify(&connection);
                assert_eq!(
                    seq_of(report.broken.as_ref()),
                    Some(seq),
                    "{column} of row {seq}: {value:?} to {changed:?}"
                );
                connection.execute_batch("ROLLBACK").unwrap();
            }
        }
    }
    assert_eq!(verify(&connection).broken, None, "and nothing else is");
}

/// `SC6a`: rows that are taken out, put in, or change places are found too.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_with_rows_missing_moved_or_swapped_is_broken_where_it_begins() {
    let (_folder, path) = stopped_store().await;
    let connection = unguarded(&path);
    for (wrong, at) in [
        ("DELETE FROM journal WHERE seq = 7", 7),
        ("DELETE FROM journal_body WHERE seq = 8", 8),
        ("DELETE FROM journal WHERE seq = 1", 1),
        ("UPDATE journal SET seq = 1000000 WHERE seq = 9", 9),
        (
            "UPDATE journal SET seq = -1 WHERE seq = 4; UPDATE journal SET seq = 4 WHERE seq = 5; UPDATE journal SET seq = 5 WHERE seq = -1",
            4,
        ),
        (
            "UPDATE journal_body SET seq = -1 WHERE seq = 4; UPDATE journal_body SET seq = 4 WHERE seq = 5; UPDATE journal_body SET seq = 5 WHERE seq = -1",
            4,
        ),
        ("UPDATE journal SET hash = zeroblob(31) WHERE seq = 3", 3),
        ("UPDATE journal SET actor_kind = 256 WHERE seq = 3", 3),
    ] {
        connection.execute_batch(&format!("BEGIN; {wrong}")).unwrap();
        assert_eq!(seq_of(verify(&connection).broken.as_ref()), Some(at), "{wrong}");
        connection.execute_batch("ROLLBACK").unwrap();
    }
    connection.execute_batch("BEGIN; UPDATE journal_body SET body = NULL WHERE seq = 3").unwrap();
    let erased = verify(&connection);
    assert_eq!((erased.broken, erased.erased), (None, 1), "an erased body breaks nothing, and is counted");
}
