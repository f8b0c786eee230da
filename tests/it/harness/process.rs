//! The real binary as a child on a data folder of the test's choice, and a client that speaks to it.

use bodega::base::clock::{Clock, SystemClock, Timestamp};
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::sandbox::{Faults, GoogleSandbox, SandboxConfig};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a start may take before the test gives up.
const START_MAX: Duration = Duration::from_secs(20);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// The binary under test, with limits that no load of a test reaches.
pub(crate) fn bodega() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bodega"));
    for class in ["PUBLIC", "API", "CHANNEL", "BAD_SIGNATURE"] {
        command.env(format!("BODEGA_LIMITS_{class}"), "10000000");
    }
    command.stdin(Stdio::null());
    command
}

/// A demo that runs. It is killed on drop.
pub(crate) struct Store {
    child: Child,
    /// Its announcement.
    pub(crate) line: Value,
    /// From the start of the process to its announcement.
    pub(crate) start_took: Duration,
    /// When the process was started.
    pub(crate) started: Instant,
}

/// A demo that may not have come up yet.
pub(crate) struct Starting {
    child: Child,
    line: mpsc::Receiver<String>,
    started: Instant,
}

impl Starting {
    /// Starts a demo on `data`. What it logs is appended to `log`, which must not lie on a disk that the test breaks.
    pub(crate) fn new(data: &Path, log: &Path, google: Option<&str>) -> Self {
        let started = Instant::now();
        let mut command = bodega();
        command.args(["demo", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        if let Some(url) = google {
            command.args(["--google-sandbox", url]);
        }
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (sender, line) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut text = String::new();
            let mut reader = BufReader::new(stdout);
            reader.read_line(&mut text).unwrap_or(0);
            sender.send(text).unwrap_or(());
            // The pipe stays open, so that the child can say more.
            reader.read_to_string(&mut String::new()).unwrap_or(0);
        });
        Self { child, line, started }
    }

    /// Waits for the announcement.
    pub(crate) fn up(mut self) -> Store {
        let text = self.line.recv_timeout(START_MAX).unwrap_or_default();
        let Ok(line) = serde_json::from_str(&text) else {
            self.child.kill().unwrap();
            panic!("the demo does not come up: `{text}`, {:?}", self.child.wait());
        };
        Store { child: self.child, line, start_took: self.started.elapsed(), started: self.started }
    }

    /// Kills it wherever it is.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Store {
    /// Starts a demo and waits until it is up.
    pub(crate) fn start(data: &Path, log: &Path, google: Option<&str>) -> Self {
        Starting::new(data, log, google).up()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A text of the announcement.
    pub(crate) fn told(&self, pointer: &str) -> String {
        self.line.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}")).to_owned()
    }

    /// A client with the owner's token.
    pub(crate) fn http(&self) -> Http {
        Http::new(&self.told("/url"), &self.told("/api_token"))
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops every thread where it is: from here on nothing is said to anybody.
    pub(crate) fn freeze(&self) {
        let pid = self.child.id();
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::STOP).unwrap();
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let end = Instant::now() + START_MAX;
        while !std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().all(stands) {
            assert!(Instant::now() < end, "it does not stand still");
        }
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        wait(&mut self.child, within).unwrap_or_else(|| panic!("it still runs after {within:?}"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Waits for a child to end, and gives nothing when it did not.
pub(crate) fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::yield_now();
    }
}

/// Runs a command to its end: whether it went well, what it said on standard error, and how long it took.
pub(crate) fn run_through(command: &mut Command, within: Duration) -> (bool, String, Duration) {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let status = wait(&mut child, within);
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    (status.is_some_and(|status| status.success()), said.join().unwrap(), started.elapsed())
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answered {
    /// Status and code of a problem document.
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// A client of one process.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: String,
}

impl Http {
    /// A client that signs in with `token`.
    pub(crate) fn new(base: &str, token: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base: base.to_owned(), token: token.to_owned() }
    }

    /// Sends a request. Nothing comes back when the connection broke.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Option<Answered> {
        let mut request = hyper::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await.ok()?.to_bytes();
            Some(Answered { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
        };
        tokio::time::timeout(ANSWER_MAX, answer).await.expect("no answer and no end of the connection")
    }

    /// The header that signs in.
    pub(crate) fn bearer(&self) -> (String, String) {
        ("authorization".to_owned(), format!("Bearer {}", self.token))
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, &[self.bearer()], Vec::new()).await.unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        let headers = [self.bearer(), ("content-type".to_owned(), "application/json".to_owned())];
        let answered = self.send("POST", path, &headers, body.to_string().into_bytes()).await;
        answered.unwrap_or_else(|| panic!("no answer to POST {path}"))
    }

    /// Waits until no job is open. Gives those that are dead.
    pub(crate) async fn drained(&self, within: Duration) -> u64 {
        let end = Instant::now() + within;
        loop {
            let mut open = Vec::new();
            for state in ["ready", "running", "waiting"] {
                let rows = self.get(&format!("/api/v1/jobs?state={state}&limit=3")).await;
                open.extend(rows.body["data"].as_array().cloned().unwrap_or_default());
            }
            if open.is_empty() {
                let dead = self.get("/api/v1/jobs/dead-letters?limit=100").await;
                return u64::try_from(dead.body["data"].as_array().map_or(0, Vec::len)).unwrap();
            }
            assert!(Instant::now() < end, "jobs are still open: {open:#?}");
        }
    }
}

/// Google's stand-in in the test's own process, so that its record survives the store.
pub(crate) async fn google() -> GoogleSandbox {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(Timestamp(0)));
    let google = GoogleSandbox::start(SandboxConfig::new(clock, Arc::new(SystemEntropy))).await.unwrap();
    // A generous vendor: the opening stock would otherwise take half a minute at the usual pace.
    google.set_faults(Faults { minute_limit: Some(1_000_000), ..Faults::default() }).await;
    google
}

/// A folder for logs and copies, apart from the data.
pub(crate) fn desk() -> (tempfile::TempDir, PathBuf) {
    let desk = tempfile::Builder::new().prefix("bodega-test-").tempdir().unwrap();
    let log = desk.path().join("log");
    (desk, log)
}
