//! The walls that one crate does not have: floors, the rooms of a domain module, and who may touch the system.
//!
//! Data has its walls in `tidy_data`, names, sizes and documents in `tidy_tree`. Each rule takes files and returns complaints,
//! so that its control test can hand it a file that must be caught.

use crate::harness::source::{Source, read};

/// The floors from the ground up. A file imports only lower floors.
const FLOORS: [&str; 7] = ["base", "infra", "kernel", "domain", "integrations", "surface", "app"];

/// Floors on which the rooms do not know each other: a vendor's words stay in its folder.
const APART: [&str; 2] = ["integrations", "surface"];

/// The line of the domain (D31): a module calls only those before it, and is reached from them by events or ports.
const LINE: [&str; 22] = [
    "business",
    "auth",
    "flags",
    "audit",
    "catalog",
    "pricing",
    "promotions",
    "customers",
    "inventory",
    "payments",
    "orders",
    "fulfilment",
    "returns",
    "channels",
    "feeds",
    "qr",
    "webhooks",
    "search",
    "analytics",
    "feedback",
    "central",
    "compliance",
];

/// What a file of a domain module may not name, by its name. Any other name is a verb with a file of its own and lives by the
/// rules of `service`.
struct Room {
    file: &'static str,
    /// Beginnings of crate paths.
    paths: &'static [&'static str],
    /// Rooms, of any module.
    rooms: &'static [&'static str],
    /// Words of code.
    words: &'static [&'static str],
}

const ROOMS: [Room; 9] = [
    Room { file: "mod", paths: &[], rooms: &[], words: &["axum", "hyper", "tokio", "rusqlite", "sled"] },
    Room {
        file: "model",
        paths: &["infra", "kernel"],
        rooms: &["store", "service", "http", "jobs", "sweeps", "port"],
        words: &["axum", "hyper", "tokio", "rusqlite", "sled", "async"],
    },
    Room {
        file: "store",
        paths: &["kernel"],
        rooms: &["service", "http", "jobs", "sweeps", "port"],
        words: &["axum", "hyper", "tokio", "sled", "async"],
    },
    Room {
        file: "service",
        paths: &["infra::queue", "infra::egress", "kernel::web", "kernel::work"],
        rooms: &["http", "jobs", "sweeps"],
        words: &["axum", "hyper", "rusqlite", "sled"],
    },
    Room {
        file: "events",
        paths: &["infra"],
        rooms: &["store", "service", "http", "jobs", "sweeps", "port"],
        words: &["axum", "hyper", "tokio", "rusqlite", "sled", "async"],
    },
    Room {
        file: "port",
        paths: &["infra", "kernel"],
        rooms: &["store", "service", "http", "jobs", "sweeps"],
        words: &["axum", "hyper", "rusqlite", "sled"],
    },
    Room {
        file: "http",
        paths: &["infra::db", "infra::queue", "infra::egress"],
        rooms: &["store", "jobs", "sweeps"],
        words: &["rusqlite", "sled"],
    },
    Room {
        file: "jobs",
        paths: &["infra::db", "kernel::web"],
        rooms: &["store", "http"],
        words: &["axum", "rusqlite", "sled"],
    },
    Room {
        file: "sweeps",
        paths: &["infra::db", "kernel::web"],
        rooms: &["store", "http"],
        words: &["axum", "rusqlite", "sled"],
    },
];

/// A door to the system, and who may use it: beginnings of paths, or with a leading `/` parts of them.
struct Door {
    calls: &'static [&'static str],
    keepers: &'static [&'static str],
    instead: &'static str,
}

const DOORS: [Door; 9] = [
    Door {
        calls: &["SystemTime::now", "Timestamp::now(", "Zoned::now", "UNIX_EPOCH"],
        keepers: &["src/base/clock.rs"],
        instead: "ask the Clock that was passed in",
    },
    Door { calls: &["Instant::now"], keepers: &["src/base/clock.rs", "src/infra/"], instead: "ask Clock::monotonic" },
    Door {
        calls: &["env::var", "env::vars", "env::args", "env::current_dir", "env::temp_dir", "env::home_dir"],
        keepers: &["src/infra/config", "src/surface/cli", "src/main.rs"],
        instead: "take it from the configuration",
    },
    Door {
        calls: &["SystemRandom", "ring::rand", "getrandom", "thread_rng", "rand::random"],
        keepers: &[
            "src/infra/vault",
            "src/infra/entropy",
            "src/infra/tls",
            // Signing takes the library's own source of chance, for blinding; nothing that we keep comes from it.
            "src/integrations/google/token.rs",
        ],
        instead: "ask the IdMaker or Entropy that was passed in",
    },
    Door { calls: &["thread::sleep"], keepers: &[], instead: "wait for a condition with a deadline" },
    Door {
        calls: &["tokio::spawn", "task::spawn("],
        // The server has a task for each connection, and drains them.
        keepers: &["src/infra/tasks", "src/kernel/web/server", "src/kernel/work/", "src/app/", "/sandbox"],
        instead: "spawn through the task tracker, so that shutdown waits for it",
    },
    Door {
        calls: &["spawn_blocking"],
        // The funnel hands reads over, and the keeper of stores opens files.
        keepers: &["src/infra/tasks", "src/kernel/scope.rs", "src/kernel/tenants.rs", "src/kernel/work/", "src/app/"],
        instead: "what may block goes through the funnel or a bounded pool",
    },
    Door {
        calls: &["TcpStream", "UdpSocket", "HttpsConnector", "HttpConnector"],
        keepers: &[
            "src/infra/egress",
            "src/infra/tls",
            "src/kernel/web/server",
            "src/surface/",
            "src/app/",
            "/sandbox",
        ],
        instead: "egress is the only way out",
    },
    Door {
        calls: &["Connection::open", "sled::open", "sled::Config"],
        keepers: &["src/infra/db", "src/infra/queue"],
        instead: "infra::db and infra::queue open the files",
    },
];

fn complaint(file: &Source, line: usize, says: &str) -> String {
    format!("{}:{line}: {says}", file.path)
}

fn rank(names: &[String]) -> Option<usize> {
    let floor = names.first()?;
    FLOORS.iter().position(|known| known == floor)
}

fn line_rank(names: &[String]) -> Option<usize> {
    let module = names.get(1)?;
    LINE.iter().position(|known| known == module)
}

fn floors(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let home = file.module();
        if home.is_empty() {
            continue;
        }
        let Some(own) = rank(&home) else {
            found.push(complaint(file, 1, &format!("is on no floor; floors are {}", FLOORS.join(", "))));
            continue;
        };
        for path in file.crate_paths() {
            let Some(other) = rank(&path.names) else { continue };
            let wanted = path.names.join("::");
            if other > own {
                let says = format!("`{}` may not import `{wanted}`, which is on a higher floor", FLOORS[own]);
                found.push(complaint(file, path.line, &says));
            }
            let leaves_room = path.names.len() > 1 && home.len() > 1 && path.names[1] != home[1];
            if other == own && leaves_room && APART.contains(&FLOORS[own]) {
                let says = format!("`{}` may not import its neighbour `{wanted}`", home.join("::"));
                found.push(complaint(file, path.line, &says));
            }
        }
    }
    found
}

fn domain_line(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/domain/")) {
        let home = file.module();
        if home.len() < 2 {
            continue;
        }
        let Some(own) = line_rank(&home) else {
            found.push(complaint(file, 1, &format!("`{}` has no place in the declared line (D31)", home[1])));
            continue;
        };
        for path in file.crate_paths().iter().filter(|path| path.names.first().is_some_and(|name| name == "domain")) {
            // A name that is no module of the line stands in src/domain/mod.rs itself.
            if line_rank(&path.names).is_some_and(|other| other > own) {
                let says = format!("`{}` comes before `{}`: record an event, or name a port", LINE[own], path.names[1]);
                found.push(complaint(file, path.line, &says));
            }
        }
    }
    found
}

fn room_of(file: &Source) -> &'static Room {
    let stem = file.name().trim_end_matches(".rs");
    let by_name = |name: &str| ROOMS.iter().find(|room| room.file == name);
    by_name(stem).or_else(|| by_name("service")).unwrap()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

fn rooms(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/domain/") && file.is_rust()) {
        if file.module().len() < 2 {
            continue;
        }
        let room = room_of(file);
        // The list of a module's files names all of them.
        let is_list = file.name() == "mod.rs";
        let tests = file.tests_from();
        for path in file.crate_paths().iter().filter(|path| path.line < tests) {
            let wanted = path.names.join("::");
            let banned_path =
                room.paths.iter().any(|start| wanted == *start || wanted.starts_with(&format!("{start}::")));
            let other_store =
                path.names.iter().any(|name| name == "store") && path.names.get(1) != file.module().get(1);
            let in_domain = path.names.first().is_some_and(|name| name == "domain");
            let banned_room = in_domain && path.names.iter().skip(2).any(|name| room.rooms.contains(&name.as_str()));
            if banned_path || in_domain && other_store || banned_room && !is_list {
                found.push(complaint(file, path.line, &format!("`{}.rs` may not name `{wanted}`", room.file)));
            }
        }
        for (number, line) in file.product_lines() {
            for word in room.words.iter().filter(|word| has_word(line, word)) {
                found.push(complaint(file, number, &format!("`{}.rs` may not know `{word}`", room.file)));
            }
        }
    }
    found
}

/// A vendor's client meets a domain by its ports and types; nobody above reaches past a service.
fn upper_floors(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let banned: &[&str] = match file.module().first().map(String::as_str) {
            Some("integrations") => &["store", "service", "http", "jobs", "sweeps"],
            Some("surface" | "app") => &["store"],
            _ => continue,
        };
        let tests = file.tests_from();
        for path in file.crate_paths().iter().filter(|path| path.line < tests) {
            let in_domain = path.names.first().is_some_and(|name| name == "domain");
            if in_domain && path.names.iter().skip(2).any(|name| banned.contains(&name.as_str())) {
                found.push(complaint(file, path.line, &format!("may not reach into `{}`", path.names.join("::"))));
            }
        }
    }
    found
}

fn doors(files: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/") && file.is_rust()) {
        let keeps = |keeper: &str| {
            if keeper.starts_with('/') { file.path.contains(keeper) } else { file.path.starts_with(keeper) }
        };
        for door in DOORS.iter().filter(|door| !door.keepers.iter().any(|keeper| keeps(keeper))) {
            for (number, line) in file.product_lines() {
                for call in door.calls.iter().filter(|call| line.contains(**call)) {
                    found.push(complaint(
                        file,
                        number,
                        &format!("`{call}` has its keeper elsewhere: {}", door.instead),
                    ));
                }
            }
        }
    }
    found
}

/// Fails with all complaints of a rule at once.
pub(crate) fn assert_tidy(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Fails unless the rule finds exactly one thing, and says these words of it.
pub(crate) fn assert_caught(complaints: &[String], says: &str) {
    assert_eq!(complaints.len(), 1, "one complaint was expected, found: {complaints:#?}");
    assert!(complaints[0].contains(says), "{} does not say `{says}`", complaints[0]);
}

#[test]
fn a_file_imports_only_lower_floors() {
    let files = read(&["src"]);
    assert!(files.len() > 5, "the source was not found: {} files", files.len());
    assert_tidy(&floors(&files));
}

#[test]
fn an_import_from_above_is_caught() {
    let file = |path, text| [Source::new(path, text)];
    let upward = file("src/base/id.rs", "//! x\nuse crate::kernel::scope::Scope;");
    assert_caught(&floors(&upward), "src/base/id.rs:2: `base` may not import `kernel::scope::Scope`");
    let relative = file("src/infra/db/tx.rs", "use super::super::super::app::wiring;");
    assert_caught(&floors(&relative), "app::wiring");
    let grouped = file("src/kernel/scope.rs", "use crate::{base::id, domain::orders};");
    assert_caught(&floors(&grouped), "domain::orders");
    let vendor = file("src/integrations/google/mod.rs", "use crate::integrations::shopify::wire;");
    assert_caught(&floors(&vendor), "neighbour");
    assert_caught(&floors(&file("src/tools/x.rs", "")), "on no floor");
    assert_tidy(&floors(&file("src/kernel/scope.rs", "use crate::infra::db; pub(crate) fn f() {} // crate::app::x")));
}

#[test]
fn a_domain_module_calls_only_down_the_declared_line() {
    assert_tidy(&domain_line(&read(&["src"])));
}

#[test]
fn a_call_up_the_line_is_caught() {
    let up = [Source::new("src/domain/inventory/service.rs", "use crate::domain::orders::model::Order;")];
    assert_caught(&domain_line(&up), "`inventory` comes before `orders`");
    let unknown = [Source::new("src/domain/gadgets/mod.rs", "//! x")];
    assert_caught(&domain_line(&unknown), "no place in the declared line");
    let down = [Source::new("src/domain/orders/service.rs", "use crate::domain::inventory::reserve_in;")];
    assert_tidy(&domain_line(&down));
}

#[test]
fn the_files_of_a_domain_module_keep_to_their_room() {
    assert_tidy(&rooms(&read(&["src"])));
}

#[test]
fn a_line_in_the_wrong_room_is_caught() {
    let file = |name: &str, text: &str| [Source::new(&format!("src/domain/orders/{name}.rs"), text)];
    assert_caught(
        &rooms(&file("model", "use crate::infra::db::ReadTx;")),
        "`model.rs` may not name `infra::db::ReadTx`",
    );
    assert_caught(&rooms(&file("model", "pub async fn f() {}")), "may not know `async`");
    assert_caught(&rooms(&file("store", "use crate::kernel::scope::Scope;")), "kernel::scope");
    assert_caught(&rooms(&file("service", "use axum::Json;")), "may not know `axum`");
    assert_caught(&rooms(&file("cancel", "use super::http::Wire;")), "`service.rs` may not name");
    assert_caught(&rooms(&file("http", "use super::store;")), "`http.rs` may not name `domain::orders::store`");
    assert_caught(&rooms(&file("service", "use crate::domain::inventory::store::find;")), "inventory::store");
    assert_caught(&rooms(&file("jobs", "use crate::kernel::web::route;")), "kernel::web");
    assert_caught(&rooms(&file("port", "use crate::kernel::scope::Scope;")), "kernel::scope");
    assert_caught(&rooms(&file("events", "use super::service::place;")), "domain::orders::service");
    assert_tidy(&rooms(&file("service", "use super::{model, store}; use crate::kernel::scope::Scope;")));
    assert_tidy(&rooms(&file("mod", "pub mod store; pub use self::service::place;")));
    let tests_may = "use super::model;\n#[cfg(test)]\nmod tests { use crate::kernel::web::x; }";
    assert_tidy(&rooms(&file("jobs", tests_may)));
}

#[test]
fn clients_and_surfaces_do_not_reach_past_a_service() {
    assert_tidy(&upper_floors(&read(&["src"])));
}

#[test]
fn reaching_past_a_service_is_caught() {
    let client = [Source::new("src/integrations/google/mod.rs", "use crate::domain::feeds::service::record;")];
    assert_caught(&upper_floors(&client), "feeds::service");
    let surface = [Source::new("src/surface/cli/jobs.rs", "use crate::domain::orders::store;")];
    assert_caught(&upper_floors(&surface), "orders::store");
    let port = [Source::new("src/integrations/google/mod.rs", "use crate::domain::feeds::port::Feed;")];
    assert_tidy(&upper_floors(&port));
}

#[test]
fn the_system_is_touched_only_by_its_keepers() {
    assert_tidy(&doors(&read(&["src"])));
}

#[test]
fn a_touch_of_the_system_elsewhere_is_caught() {
    for (call, says) in [
        ("let t = std::time::SystemTime::now();", "Clock"),
        ("let t = Instant::now();", "monotonic"),
        ("let v = std::env::var(\"X\");", "configuration"),
        ("let r = ring::rand::f();", "Entropy"),
        ("std::thread::sleep(d);", "deadline"),
        ("tokio::spawn(f);", "tracker"),
        ("tokio::task::spawn_blocking(f);", "bounded pool"),
        ("TcpStream::connect(a);", "egress"),
        ("rusqlite::Connection::open(p);", "infra::db"),
    ] {
        assert_caught(&doors(&[Source::new("src/kernel/flags.rs", call)]), says);
        let in_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ fn g() {{ {call} }} }}");
        assert_tidy(&doors(&[Source::new("src/kernel/flags.rs", &in_tests)]));
        assert_tidy(&doors(&[Source::new("src/kernel/flags.rs", &format!("// {call}\nlet s = {call:?};"))]));
    }
    assert_tidy(&doors(&[Source::new("src/base/clock.rs", "std::time::SystemTime::now()")]));
    assert_tidy(&doors(&[Source::new("src/integrations/google/sandbox/server.rs", "tokio::spawn(f);")]));
    assert_tidy(&doors(&[Source::new("src/kernel/journal/tests.rs", "tokio::spawn(f);")]));
}
