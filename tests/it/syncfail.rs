//! The disk does not confirm a write: nobody is told that it stands, and a repeat with the same key gives one effect (D12).

use crate::harness::endurance::{assert_google_agrees, figure, finish, tail};
use crate::harness::evidence::examine;
use crate::harness::load::{Load, Op};
use crate::harness::process::{Http, Store, desk, google};
use crate::harness::skipped;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Makes every sync of a process fail for as long as it lives.
struct BrokenSync(Child);

impl BrokenSync {
    /// Nothing where it cannot be done, with the reason said.
    fn of(store: &Store) -> Option<Self> {
        let syncs = "fsync,fdatasync,sync_file_range";
        let spawned = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={syncs}"), "-e", &format!("inject={syncs}:error=EIO"), "-p"])
            .arg(store.pid().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                skipped(&format!("no sync can be made to fail: strace: {error}"));
                return None;
            }
        };
        // The first line is a sync that was made to fail, or why strace may not. The probe behind `/readyz` syncs.
        let stderr = child.stderr.take().unwrap();
        let (sender, first) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                sender.send(line).unwrap_or(());
            }
        });
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let url = store.told("/url");
            let asked = std::net::TcpStream::connect(url.trim_start_matches("http://"))
                .and_then(|mut peer| std::io::Write::write_all(&mut peer, b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n"));
            asked.unwrap();
            match first.recv_timeout(Duration::from_millis(200)) {
                Ok(line) if line.contains("INJECTED") => return Some(Self(child)),
                Ok(line) if line.contains("attach") || line.contains("ptrace") => {
                    child.kill().unwrap_or(());
                    child.wait().unwrap();
                    skipped(&format!("no sync can be made to fail: {line}"));
                    return None;
                }
                _ => assert!(Instant::now() < end, "strace does not take hold"),
            }
        }
    }

    fn mended(mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

async fn assert_unknown(load: &Load, http: &Http, op: Op) {
    let answered = load.send(http, op).await.expect("an answer");
    assert_eq!(answered.code(), (503, "outcome_unknown"), "{answered:?}");
}

/// D12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_disk_does_not_confirm_is_unknown_and_a_repeat_with_its_key_gives_one_effect() {
    let (desk, log) = desk();
    let data = desk.path().join("data");
    let google = google().await;
    let mut store = Store::start(&data, &log, Some(&google.url));
    let load = Load::new(&store).await;
    let http = store.http();
    for round in 0..5 {
        for op in [load.adjustment(), load.order(), load.delivery()] {
            assert!(load.send(&http, op).await.expect("an answer").status < 300);
        }
        let Some(broken) = BrokenSync::of(&store) else { return };
        for op in [load.order(), load.adjustment(), load.delivery()] {
            assert_unknown(&load, &http, op).await;
        }
        let ready = http.get("/readyz").await;
        assert_eq!(ready.status, 503, "{ready:?}");
        let reading = http.get("/api/v1/orders?limit=5").await;
        assert_eq!(reading.status, 200, "reading goes on: {reading:?}");
        if round == 4 {
            // Killed in this state, recovery may find the unconfirmed writes whole. They then stand, and the repeat must not double them.
            store.kill();
            broken.mended();
            examine(&data, desk.path(), &load.acks());
            store = Store::start(&data, &log, Some(&google.url));
            break;
        }
        broken.mended();
        let mended = Instant::now();
        let ready = http.get("/readyz").await;
        assert_eq!(ready.status, 200, "asking is enough to reopen: {ready:?}\n{}", tail(&log));
        load.settle(&http).await;
        figure(&format!(
            "failed sync, round {round}: all repeated {} ms after the disk was well",
            mended.elapsed().as_millis()
        ));
    }
    load.settle(&store.http()).await;
    finish(&store).await;
    assert_google_agrees(&google, &store, &load.skus()[..5]).await;
    store.terminate();
    assert!(store.ended(Duration::from_secs(10)).success(), "{}", tail(&log));
    let acks = load.acks();
    examine(&data, desk.path(), &acks).assert_finished(&acks);
}
