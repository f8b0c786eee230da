//! The walls around data: where SQL may stand, whose tables it may name, and what a migration brings with it.

use crate::harness::source::{Source, read};
use crate::tidy::{assert_caught, assert_tidy};
use std::collections::{BTreeMap, BTreeSet};

/// How a text begins that is SQL. Keywords are written in capitals, which tells them from English.
const STATEMENTS: [&str; 19] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "REPLACE INTO ",
    "WITH ",
    "CREATE ",
    "ALTER TABLE ",
    "DROP ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "BEGIN DEFERRED",
    "SAVEPOINT ",
    "RELEASE ",
    "ROLLBACK TO ",
    "VACUUM",
    "ATTACH ",
    "DETACH ",
];

/// Calls that take SQL, whatever its spelling.
const CALLS: [&str; 5] = [".prepare(", ".prepare_cached(", ".query_row(", ".execute_batch(", ".query_map("];

const ADR_HEADINGS: [&str; 5] = ["Context", "Decision", "Alternatives", "Consequences", "Rollback"];

/// Engine rooms: they write SQL without owning tables of a store, and may touch no owned one.
fn is_engine(path: &str) -> bool {
    path.starts_with("src/infra/db") || path.starts_with("src/infra/queue")
}

/// control.db is a world of its own, kept by one module that is named after it.
fn is_control(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "control" | "control.rs" | "control_store.rs"))
}

fn may_hold_sql(file: &Source) -> bool {
    file.name() == "store.rs" || is_engine(&file.path) || is_control(&file.path)
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sql_outside(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/") && file.is_rust() && !may_hold_sql(file)) {
        for (line, text) in file.product_literals() {
            let text = flat(text);
            if STATEMENTS.iter().any(|start| text.starts_with(start)) {
                let shown: String = text.chars().take(40).collect();
                found.push(format!("{}:{line}: SQL belongs in `store.rs` of the table's owner: `{shown}`", file.path));
            }
        }
        for (line, code) in file.product_lines() {
            for call in CALLS.iter().filter(|call| code.contains(**call)) {
                found.push(format!("{}:{line}: `{call}` belongs in `store.rs`", file.path));
            }
        }
    }
    found
}

/// The tables that `OWNS` declares, by folder: `pub const OWNS: &[&str] = &["order_head", "order_line"];` in a `mod.rs`.
fn owners(files: &[Source]) -> BTreeMap<String, Vec<String>> {
    let mut owners = BTreeMap::new();
    for file in files.iter().filter(|file| file.name() == "mod.rs") {
        let Some(offset) = file.code.find("const OWNS") else { continue };
        let first = file.code[..offset].lines().count().max(1);
        let last = first + file.code[offset..].split(';').next().unwrap().lines().count() - 1;
        let tables = file.literals.iter().filter(|(line, _)| (first..=last).contains(line));
        let folder = file.path.trim_end_matches("/mod.rs").to_owned();
        owners.insert(folder, tables.map(|(_, table)| table.clone()).collect());
    }
    owners
}

/// The declaration that a file lives under: of its folder, or the nearest above it.
fn owner_of<'a>(owners: &'a BTreeMap<String, Vec<String>>, path: &str) -> Option<(&'a str, &'a [String])> {
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        if let Some((name, tables)) = owners.get_key_value(above) {
            return Some((name, tables));
        }
        folder = above;
    }
    None
}

/// Words, and the signs that matter between them.
fn sql_tokens(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    let mut in_word = false;
    for sign in text.chars() {
        if sign == '\'' {
            quoted = !quoted;
        }
        let is_word = !quoted && (sign.is_alphanumeric() || matches!(sign, '_' | '{' | '}'));
        if is_word && in_word {
            words.last_mut().unwrap().push(sign);
        } else if is_word || !quoted && matches!(sign, '(' | ')' | ',' | '.') {
            words.push(sign.to_string());
        }
        in_word = is_word;
    }
    words
}

/// The names that `WITH` gives to its parts.
fn parts(tokens: &[String]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate().skip(1) {
        let opens = tokens.get(at + 1).is_some_and(|next| matches!(next.as_str(), "(" | "MATERIALIZED" | "NOT"));
        if token != "AS" || !opens {
            continue;
        }
        let mut name = at - 1;
        if tokens[name] == ")" {
            while name > 0 && tokens[name] != "(" {
                name -= 1;
            }
            name = name.saturating_sub(1);
        }
        names.insert(tokens[name].as_str());
    }
    names
}

/// The tables and views that a text of SQL names, and whether it writes to them.
fn tables(text: &str) -> Vec<(String, bool)> {
    let tokens = sql_tokens(text);
    let parts = parts(&tokens);
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let before = if at == 0 { "" } else { word(at - 1) };
        let writes = match word(at) {
            "FROM" if before == "DISTINCT" => continue,
            "FROM" => before == "DELETE",
            "JOIN" => false,
            "INTO" if before != "VACUUM" => true,
            "UPDATE" if before != "DO" && before != "ON" => true,
            _ => continue,
        };
        let mut name = at + 1;
        if word(name) == "OR" {
            name += 2;
        }
        loop {
            if word(name + 1) == "." {
                name += 2;
            }
            let table = word(name);
            let is_name = table.starts_with(|c: char| c.is_ascii_lowercase());
            let is_function = word(name + 1) == "(" && !writes;
            let is_known = parts.contains(table) || table.starts_with("sqlite_") || table.starts_with("pragma_");
            if is_name && !is_function && !is_known {
                found.push((table.to_owned(), writes));
            }
            // `FROM a AS x, b`: read on behind the comma.
            let mut next = name + 1;
            if word(next) == "AS" {
                next += 1;
            }
            if word(next).starts_with(|c: char| c.is_ascii_lowercase()) {
                next += 1;
            }
            if writes || word(at) == "INTO" || word(next) != "," {
                break;
            }
            name = next + 1;
        }
    }
    found
}

fn foreign_tables(files: &[Source]) -> Vec<String> {
    let owners = owners(files);
    let mut found = Vec::new();
    for (folder, owned) in &owners {
        for (other, theirs) in owners.iter().filter(|(other, _)| *other > folder) {
            for table in owned.iter().filter(|table| theirs.contains(table)) {
                found.push(format!("{folder}/mod.rs:1: `{table}` is also owned by {other}"));
            }
        }
    }
    for file in files.iter().filter(|file| may_hold_sql(file) && file.is_rust() && !is_control(&file.path)) {
        let engine = is_engine(&file.path);
        let own = owner_of(&owners, &file.path);
        if own.is_none() && !engine {
            found.push(format!("{}:1: the module's mod.rs declares no `OWNS`", file.path));
            continue;
        }
        for (line, text) in file.product_literals() {
            for (table, writes) in tables(text) {
                let owner =
                    owners.iter().find(|(_, tables)| tables.contains(&table)).map(|(folder, _)| folder.as_str());
                let ours = own.is_some_and(|(_, tables)| tables.contains(&table)) || engine && owner.is_none();
                if !ours && (writes || !table.starts_with("v_")) {
                    let whose = owner.unwrap_or("no module that declares it");
                    found.push(format!("{}:{line}: `{table}` belongs to {whose}; read a `v_` view of it", file.path));
                }
            }
        }
    }
    found
}

/// Every table of a store's file has its owner in the source.
fn orphans(files: &[Source], schema: &[Source]) -> Vec<String> {
    let owners = owners(files);
    let mut found = Vec::new();
    for file in schema.iter().filter(|file| file.path.starts_with("schema/tenant/") && file.path.ends_with(".up.sql")) {
        for (line, number) in file.text.lines().zip(1..) {
            let words = sql_tokens(line);
            let create = words.first().is_some_and(|word| word == "CREATE");
            let Some(at) = words.iter().take(3).position(|word| word == "TABLE").filter(|_| create) else { continue };
            let skip = if words.get(at + 1).is_some_and(|word| word == "IF") { 4 } else { 1 };
            let Some(table) = words.get(at + skip) else { continue };
            if !owners.values().any(|tables| tables.contains(table)) {
                found.push(format!("{}:{number}: no mod.rs declares `{table}` in its `OWNS`", file.path));
            }
        }
    }
    found
}

fn migrations(schema: &[Source]) -> Vec<String> {
    let has = |path: &str| schema.iter().find(|file| file.path == path);
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let mut records = BTreeSet::new();
    for file in schema.iter().filter(|file| !file.path.starts_with("schema/adr/")) {
        let mut parts = file.path.split('/').skip(1);
        let (Some(database), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
            found.push(format!("{}:1: a migration is schema/<database>/NNNN_name.up.sql", file.path));
            continue;
        };
        if let Some(stem) = name.strip_suffix(".down.sql") {
            if has(&format!("schema/{database}/{stem}.up.sql")).is_none() {
                found.push(format!("{}:1: leads down from a migration that does not exist", file.path));
            }
            continue;
        }
        let stem = name.strip_suffix(".up.sql").unwrap_or_default();
        let (number, words) = stem.split_once('_').unwrap_or_default();
        let is_snake =
            !words.is_empty() && words.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !matches!(database, "control" | "tenant") || number.len() != 4 || !is_snake {
            found.push(format!("{}:1: a migration is schema/{{control,tenant}}/NNNN_name.up.sql", file.path));
            continue;
        }
        let expected = last.get(database).map_or(1, |number| number + 1);
        if number.parse() != Ok(expected) {
            found.push(format!("{}:1: the next number of {database} is {expected:04}", file.path));
        }
        last.insert(database, number.parse().unwrap_or(expected));
        let down = format!("schema/{database}/{stem}.down.sql");
        if has(&down).is_none_or(|file| file.text.trim().is_empty()) {
            found.push(format!("{}:1: has no way down; write {down}", file.path));
        }
        let record = format!("schema/adr/{database}-{}.md", stem.replace('_', "-"));
        match has(&record) {
            None => found.push(format!("{}:1: has no decision record; write {record}", file.path)),
            Some(adr) => found.extend(missing_headings(adr)),
        }
        records.insert(record);
    }
    for file in schema.iter().filter(|file| file.path.starts_with("schema/adr/") && !records.contains(&file.path)) {
        found.push(format!("{}:1: no migration has this name", file.path));
    }
    found
}

fn missing_headings(adr: &Source) -> Vec<String> {
    let headings: Vec<&str> = adr.text.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect();
    let missing = ADR_HEADINGS.iter().filter(|heading| !headings.contains(*heading));
    missing.map(|heading| format!("{}:1: has no heading `## {heading}`", adr.path)).collect()
}

#[test]
fn sql_stands_only_in_stores() {
    assert_tidy(&sql_outside(&read(&["src"])));
}

#[test]
fn sql_elsewhere_is_caught() {
    let file = |path: &str, text: &str| [Source::new(path, text)];
    let service = file("src/domain/orders/service.rs", "\nlet q = \"SELECT id\n FROM order_head\";");
    assert_caught(&sql_outside(&service), "src/domain/orders/service.rs:2: SQL belongs in `store.rs`");
    let hidden = file("src/kernel/journal/mod.rs", "let n = tx.query_row(Q, (), f);");
    assert_caught(&sql_outside(&hidden), ".query_row(");
    let raw = file("src/domain/orders/http.rs", "let q = r#\"DELETE FROM order_head\"#;");
    assert_caught(&sql_outside(&raw), "DELETE FROM");
    assert_tidy(&sql_outside(&file("src/domain/orders/store.rs", "let q = \"SELECT 1\";")));
    assert_tidy(&sql_outside(&file("src/infra/db/open.rs", "let q = \"PRAGMA foreign_keys = ON\";")));
    assert_tidy(&sql_outside(&file("src/domain/orders/http.rs", "let q = \"Select a product from the list\";")));
}

#[test]
fn a_module_names_only_its_own_tables_and_the_views_of_others() {
    assert_tidy(&foreign_tables(&read(&["src"])));
}

#[test]
fn a_foreign_table_is_caught() {
    let owner = |name: &str, tables: &str| {
        Source::new(&format!("src/domain/{name}/mod.rs"), &format!("//! x\npub const OWNS: &[&str] = &[{tables}];\n"))
    };
    let store = |sql: &str| Source::new("src/domain/orders/store.rs", &format!("const Q: &str = \"{sql}\";"));
    let check = |sql: &str| {
        let owners = [owner("orders", "\"order_head\",\n\"order_line\""), owner("inventory", "\"inventory_level\"")];
        foreign_tables(&owners.into_iter().chain([store(sql)]).collect::<Vec<_>>())
    };
    assert_caught(&check("SELECT 1 FROM inventory_level"), "`inventory_level` belongs to src/domain/inventory");
    assert_caught(&check("SELECT 1 FROM order_head h JOIN inventory_level USING (id)"), "inventory_level");
    assert_caught(&check("SELECT 1 FROM order_head AS h, inventory_level"), "inventory_level");
    assert_caught(&check("UPDATE OR IGNORE inventory_level SET on_hand = 1"), "inventory_level");
    assert_caught(&check("INSERT INTO nobody (id) VALUES (1)"), "no module that declares it");
    assert_caught(&check("INSERT INTO v_inventory_level (id) VALUES (1)"), "v_inventory_level");
    for sql in [
        "SELECT 1 FROM v_inventory_level v, order_line WHERE a IS NOT DISTINCT FROM b",
        "WITH RECURSIVE due (id, at) AS (SELECT 1 FROM order_head), later AS MATERIALIZED (SELECT 1) SELECT 1 FROM due JOIN later",
        "INSERT INTO main.order_line (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 'FROM nowhere'",
        "SELECT value FROM json_each(?1)",
        "SELECT {COLUMNS} FROM {table}",
    ] {
        assert_tidy(&check(sql));
    }
    assert_caught(&foreign_tables(&[store("SELECT 1")]), "declares no `OWNS`");
    let twice = [owner("orders", "\"order_head\""), owner("returns", "\"order_head\"")];
    assert_caught(&foreign_tables(&twice), "also owned by");
    let engine = Source::new("src/infra/db/check.rs", "const Q: &str = \"DELETE FROM order_head\";");
    assert_caught(&foreign_tables(&[owner("orders", "\"order_head\""), engine]), "order_head");
}

#[test]
fn every_table_of_a_store_has_its_owner() {
    assert_tidy(&orphans(&read(&["src"]), &read(&["schema"])));
}

#[test]
fn a_table_without_owner_is_caught() {
    let owner = Source::new("src/domain/orders/mod.rs", "const OWNS: &[&str] = &[\"order_head\"];");
    let schema =
        "CREATE TABLE order_head (id BLOB) STRICT;\nCREATE VIRTUAL TABLE stray USING fts5(a);\nCREATE INDEX i ON x(y);";
    assert_caught(
        &orphans(&[owner], &[Source::new("schema/tenant/0001_core.up.sql", schema)]),
        "up.sql:2: no mod.rs declares `stray`",
    );
}

#[test]
fn every_migration_has_a_way_down_and_its_decision_record() {
    assert_tidy(&migrations(&read(&["schema"])));
}

#[test]
fn an_incomplete_migration_is_caught() {
    let adr = ADR_HEADINGS.map(|heading| format!("## {heading}\nx\n")).join("\n");
    let whole = [
        ("schema/tenant/0001_core.up.sql", "CREATE TABLE a (b);"),
        ("schema/tenant/0001_core.down.sql", "DROP TABLE a;"),
        ("schema/adr/tenant-0001-core.md", adr.as_str()),
    ];
    let without = |left_out: &str, instead: Option<(&str, &str)>| {
        let kept = whole.iter().filter(|(path, _)| *path != left_out).copied();
        migrations(&kept.chain(instead).map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>())
    };
    assert_tidy(&without("", None));
    assert_caught(&without("schema/tenant/0001_core.down.sql", None), "has no way down");
    assert_caught(&without("schema/adr/tenant-0001-core.md", None), "write schema/adr/tenant-0001-core.md");
    let cut = adr.replace("## Rollback", "Rollback");
    let record = "schema/adr/tenant-0001-core.md";
    assert_caught(&without(record, Some((record, &cut))), "has no heading `## Rollback`");
    assert_caught(&without("", Some(("schema/adr/tenant-0002-more.md", &adr))), "no migration has this name");
    assert_caught(&without("", Some(("schema/tenant/3_more.up.sql", "x"))), "NNNN_name.up.sql");
    let gap = without("", Some(("schema/tenant/0003_more.up.sql", "x")));
    assert!(gap[0].contains("the next number of tenant is 0002"), "{gap:#?}");
}
