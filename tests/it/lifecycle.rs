//! How a process ends when it is asked to, and who may own a data folder.

use crate::harness::endurance::{figure, finish, tail};
use crate::harness::evidence::examine;
use crate::harness::load::Load;
use crate::harness::process::{Http, Store, bodega, desk, google, run_through, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A stop takes no longer.
const STOP_MAX: Duration = Duration::from_secs(10);
/// A refusal takes no longer.
const REFUSE_MAX: Duration = Duration::from_secs(1);

fn connect(store: &Store) -> TcpStream {
    let peer = TcpStream::connect(store.told("/url").trim_start_matches("http://")).unwrap();
    peer.set_read_timeout(Some(STOP_MAX)).unwrap();
    peer
}

/// Readiness says so at once, requests in flight are answered, no job is burned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_says_so_finishes_what_it_began_and_ends_well() {
    let (desk, log) = desk();
    let data = desk.path().join("data");
    let google = google().await;
    let mut store = Store::start(&data, &log, Some(&google.url));
    let load = Load::new(&store).await;
    let (http, stop) = (store.http(), CancellationToken::new());
    // A connection that was opened ahead and never used must not hold the stop up; a request that has begun is answered.
    let _unused = connect(&store);
    let mut begun = connect(&store);
    begun.write_all(b"GET /readyz HTTP/1.1\r\nhost: store\r\n").unwrap();
    let stopping = async {
        while load.acks().count() < 50 {
            tokio::task::yield_now().await;
        }
        let asked = Instant::now();
        store.terminate();
        let address = store.told("/url");
        while TcpStream::connect(address.trim_start_matches("http://")).is_ok() {
            assert!(asked.elapsed() < STOP_MAX, "it still listens");
        }
        begun.write_all(b"\r\n").unwrap();
        let mut answer = String::new();
        begun.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("\"stopping\""), "{answer}");
        let status = store.ended(STOP_MAX);
        assert!(status.success(), "{status:?}\n{}", tail(&log));
        figure(&format!("stop under load: {} ms", asked.elapsed().as_millis()));
        assert!(asked.elapsed() < STOP_MAX);
        stop.cancel();
    };
    tokio::join!(load.run(&http, 16, &stop), stopping);
    examine(&data, desk.path(), &load.acks());

    let mut store = Store::start(&data, &log, Some(&google.url));
    load.settle(&store.http()).await;
    assert_eq!(finish(&store).await, 0, "a stop in order burns nothing");
    store.terminate();
    assert!(store.ended(STOP_MAX).success());
    let acks = load.acks();
    examine(&data, desk.path(), &acks).assert_finished(&acks);
}

fn assert_refuses(what: &str, (went_well, said, took): (bool, String, Duration), sentence: &str) {
    assert!(!went_well, "{what} was let in");
    assert!(said.contains(sentence), "{what}: {said}");
    assert_eq!(said.trim().lines().filter(|line| line.starts_with("bodega: ")).count(), 1, "{what}: {said}");
    assert!(took < REFUSE_MAX, "{what} took {took:?}");
}

fn demo_on(data: &Path) -> (bool, String, Duration) {
    run_through(bodega().args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data), STOP_MAX)
}

fn serve_on(data: &Path) -> (bool, String, Duration) {
    run_through(bodega().arg("serve").env("BODEGA_LISTEN", "127.0.0.1:0").env("BODEGA_DATA", data), STOP_MAX)
}

/// Names and sizes of what lies in a folder.
fn contents(folder: &Path) -> Vec<(String, u64)> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    };
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(entry).collect();
    all.sort();
    all
}

/// One process owns a data folder, and whoever else wants it hears that within a second.
#[tokio::test]
async fn a_second_process_on_a_data_folder_says_so_and_ends_at_once() {
    let (desk, log) = desk();
    let data = desk.path().join("data");
    let mut store = Store::start(&data, &log, None);
    assert_refuses("a second demo", demo_on(&data), "another bodega process uses the data folder");
    assert_refuses("a server", serve_on(&data), "another bodega process uses the data folder");
    let verify = run_through(bodega().args(["audit", "verify", "--data"]).arg(&data), STOP_MAX);
    assert_refuses("an audit", verify, "another bodega process uses the data folder");
    assert_eq!(store.http().get("/readyz").await.status, 200, "the first one is not disturbed");
    store.terminate();
    assert!(store.ended(STOP_MAX).success());
    let (went_well, said, _) = run_through(bodega().args(["audit", "verify", "--data"]).arg(&data), STOP_MAX);
    assert!(went_well, "{said}");
}

/// SC5: the verb names a level that is not what its movements make, and says so with its exit code.
#[test]
fn stock_of_a_stopped_folder_is_compared_from_the_command_line() {
    let (desk, log) = desk();
    let data = desk.path().join("data");
    let mut store = Store::start(&data, &log, None);
    store.terminate();
    assert!(store.ended(STOP_MAX).success());
    let reconcile = || {
        let ended = bodega().args(["inventory", "reconcile", "--data"]).arg(&data).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };
    let (code, said) = reconcile();
    assert!(code == Some(0) && said.trim().ends_with(" levels, equal"), "{said}");

    let file = crate::harness::evidence::store_file(&data);
    let connection = bodega::infra::db::open_connection(&file, bodega::infra::db::Role::Writer).unwrap();
    let spoil = "UPDATE inventory_level SET on_hand = on_hand + 2 WHERE (variant_id, warehouse_id) =
                     (SELECT variant_id, warehouse_id FROM v_inventory_level WHERE warehouse_code = 'MAIN' LIMIT 1)";
    assert_eq!(connection.execute(spoil, []).unwrap(), 1);
    drop(connection);
    let (code, said) = reconcile();
    assert!(code == Some(1) && said.contains(", 1 DIFFER") && said.contains(" at MAIN: "), "{said}");
    assert!(said.contains("on hand, but the movements make"), "{said}");
}

/// D25
#[test]
fn the_demo_and_a_real_store_never_share_a_folder() {
    let (desk, log) = desk();
    let demo = desk.path().join("demo");
    let mut store = Store::start(&demo, &log, None);
    store.terminate();
    assert!(store.ended(STOP_MAX).success());
    assert_refuses("a server on a demo's folder", serve_on(&demo), "is marked as the demo's");

    let real = desk.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("box.key"), [7; 32]).unwrap();
    let serving = desk.path().join("serving");
    let mut server = bodega()
        .arg("serve")
        .env("BODEGA_LISTEN", "127.0.0.1:0")
        .env("BODEGA_DATA", &real)
        .stdout(Stdio::null())
        .stderr(File::create(&serving).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + STOP_MAX;
    while !std::fs::read_to_string(&serving).unwrap().contains("\"serving\"") {
        assert!(Instant::now() < end, "{}", tail(&serving));
        std::thread::yield_now();
    }
    kill_process(Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert!(wait(&mut server, STOP_MAX).is_some_and(|status| status.success()), "{}", tail(&serving));
    let before = contents(&real);
    assert_refuses("a demo on a real folder", demo_on(&real), "holds a real store");
    assert_eq!(contents(&real), before, "a refused demo leaves no trace");
}

/// RA9.2, RA10.1: `init` makes a store once, and what it hands out opens the served store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_made_by_init_is_served_and_made_only_once() {
    let (desk, _log) = desk();
    let data = desk.path().join("data");
    let make = || {
        let mut command = bodega();
        command.arg("init").arg("--data").arg(&data).args(["--handle", "laden", "--name", "Laden"]);
        command.args(["--email", "owner@laden.example", "--json"]);
        command
    };
    let made = make().output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let (is_made_again, words, _) = run_through(&mut make(), STOP_MAX);
    assert!(!is_made_again && words.contains("there is a store in"), "{words}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = bodega()
        .arg("serve")
        .env("BODEGA_DATA", &data)
        .env("BODEGA_LISTEN", free.to_string())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while TcpStream::connect(free).is_err() {
        assert!(begun.elapsed() < STOP_MAX, "it does not listen");
        tokio::task::yield_now().await;
    }
    let http = Http::new(&format!("http://{free}"), told["api_token"].as_str().unwrap());
    let warehouse = serde_json::json!({ "code": "MAIN", "name": "Laden" });
    assert_eq!(http.post("/api/v1/warehouses", &warehouse).await.status, 201);
    let code = told["sign_in_path"].as_str().unwrap().split("code=").nth(1).unwrap();
    let session = http.post("/api/v1/session/link", &serde_json::json!({ "code": code })).await;
    assert_eq!((session.status, session.body["tenant"]["handle"].as_str()), (200, Some("laden")), "{session:?}");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(wait(&mut server, STOP_MAX).unwrap().success());
}
