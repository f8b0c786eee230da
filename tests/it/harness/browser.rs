//! A real browser for tests: Chromium without a window, driven over the DevTools protocol.
//!
//! Without a browser a test says so and passes; with `BODEGA_REQUIRE_BROWSER=1`, as in the gate, it fails.

use crate::harness::devtools::{DevTools, Seen, network};
use crate::harness::skipped;
use serde_json::{Value, json};
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a page may take to load, and an element to be there.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(15);

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A key that is held while another is pressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modifier {
    /// Alt or Option.
    Alt,
    /// Control.
    Ctrl,
    /// Windows or Command.
    Meta,
    /// Shift.
    Shift,
}

/// Something that keeps people from using a page, as axe-core found it.
#[derive(Debug)]
pub(crate) struct Violation {
    /// The rule, as in `color-contrast`.
    pub(crate) rule: String,
    /// `serious` or `critical`.
    pub(crate) impact: String,
    /// What the rule wants.
    pub(crate) help: String,
    /// The selectors of the elements.
    pub(crate) elements: Vec<String>,
}

struct Process {
    child: Child,
    /// Its profile; goes after the process.
    profile: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The browser leads a process group of its own, so that its children end with it.
        let group = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap_or(());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A running browser. It ends when this and all its pages are dropped.
pub(crate) struct Browser {
    wire: Arc<DevTools>,
    process: Arc<Process>,
}

/// A tab with cookies and storage of its own.
pub(crate) struct Page {
    wire: Arc<DevTools>,
    session: String,
    opened: parking_lot::Mutex<Vec<String>>,
    _process: Arc<Process>,
}

/// Whether a missing browser is a failure.
fn is_required() -> bool {
    std::env::var("BODEGA_REQUIRE_BROWSER").is_ok_and(|value| value == "1")
}

fn find() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("BODEGA_CHROMIUM").map(PathBuf::from) {
        return if path.exists() {
            Ok(path)
        } else {
            Err(format!("BODEGA_CHROMIUM={} does not exist", path.display()))
        };
    }
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    known.into_iter().find(|path| path.exists()).ok_or_else(|| "there is no /usr/bin/chromium".to_owned())
}

/// Looks until there is something to see. Panics with `what` when there is not in time.
async fn until<T, F: Future<Output = Result<T, String>>>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + limit;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(last) if Instant::now() > end => panic!("waited {limit:?} in vain for {what}: {last}"),
            Err(_) => tokio::time::sleep(GLANCE).await,
        }
    }
}

impl Browser {
    /// Starts a browser with an empty profile. `None` when there is none on this machine and none is required.
    pub(crate) async fn launch() -> Option<Self> {
        let path = match find() {
            Ok(path) => path,
            Err(why) => {
                assert!(!is_required(), "a browser is required, but {why}");
                skipped(&format!("{why}; install chromium or set BODEGA_CHROMIUM"));
                return None;
            }
        };
        let profile = tempfile::Builder::new().prefix("bodega-browser-").tempdir().unwrap();
        let log = profile.path().join("stderr");
        let child = Command::new(path)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(FLAGS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .process_group(0)
            .spawn()
            .expect("the browser starts");
        let process = Arc::new(Process { child, profile });
        let port_file = process.profile.path().join("DevToolsActivePort");
        let address = until(PATIENCE, "the browser's port", || async {
            let text = std::fs::read_to_string(&port_file).unwrap_or_default();
            match text.split_once('\n') {
                Some((port, path)) if !path.is_empty() => Ok(format!("ws://127.0.0.1:{port}{}", path.trim())),
                _ => Err(std::fs::read_to_string(&log).unwrap_or_default()),
            }
        });
        let wire = Arc::new(DevTools::connect(&address.await).await);
        Some(Self { wire, process })
    }

    /// An empty tab that shares nothing with the others, 1280 × 800.
    pub(crate) async fn page(&self) -> Page {
        let call = |method, params| async move { self.wire.call(None, method, params).await.unwrap() };
        let context = call("Target.createBrowserContext", json!({"disposeOnDetach": true})).await;
        let blank = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = call("Target.createTarget", blank).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = call("Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        let wire = Arc::clone(&self.wire);
        let page = Page { wire, session, opened: parking_lot::Mutex::default(), _process: Arc::clone(&self.process) };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable", "Audits.enable"] {
            page.call(domain, json!({})).await;
        }
        let follow = json!({"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true});
        page.call("Target.setAutoAttach", follow).await;
        page.set_viewport(1280, 800).await;
        page
    }
}

impl Page {
    async fn call(&self, method: &str, params: Value) -> Value {
        self.wire.call(Some(&self.session), method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Goes to an address and waits until it is loaded. Its origin counts as ours from now on.
    pub(crate) async fn open(&self, url: &str) {
        self.opened.lock().push(origin(url).to_owned());
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert!(answer.get("errorText").is_none(), "{url} does not open: {}", answer["errorText"]);
        self.wait_for("document.readyState === 'complete'", PATIENCE).await;
    }

    async fn try_eval(&self, js: &str, context: Option<&Value>) -> Result<Value, String> {
        let mut params = json!({"expression": js, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        if let Some(context) = context {
            params["contextId"] = context.clone();
        }
        let answer = self.wire.call(Some(&self.session), "Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(details) => {
                let thrown = details["exception"]["description"].as_str().or(details["text"].as_str());
                Err(format!("{}: `{}`", thrown.unwrap_or("exception"), js.chars().take(200).collect::<String>()))
            }
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// The value of an expression; a promise is waited for. Works under any content security policy.
    pub(crate) async fn eval(&self, js: &str) -> Value {
        self.try_eval(js, None).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until an expression is true. An exception counts as not yet, so that elements may be missing at first.
    pub(crate) async fn wait_for(&self, condition: &str, limit: Duration) {
        let truth = format!("Boolean({condition})");
        let look = || async {
            match self.try_eval(&truth, None).await {
                Ok(Value::Bool(true)) => Ok(()),
                Ok(_) => Err("it is false".to_owned()),
                Err(error) => Err(error),
            }
        };
        until(limit, condition, look).await;
    }

    /// Clicks the middle of the first such element, as a mouse does: it must be there, stand still and be covered by nothing.
    pub(crate) async fn click(&self, selector: &str) {
        let find = format!(
            "(async () => {{ const found = document.querySelector({selector:?});
                if (!found) return 'is not there';
                found.scrollIntoView({{block: 'center', inline: 'center', behavior: 'instant'}});
                const before = found.getBoundingClientRect();
                await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
                const box = found.getBoundingClientRect();
                if (!box.width || !box.height) return 'has no size';
                if (before.x !== box.x || before.y !== box.y) return 'is moving';
                if (found.disabled) return 'is disabled';
                const x = box.x + box.width / 2, y = box.y + box.height / 2;
                const top = document.elementFromPoint(x, y);
                if (!top || !(found.contains(top) || top.contains(found) || [...(found.labels ?? [])].some(l => l.contains(top))))
                    return 'is covered by ' + (top && top.outerHTML.slice(0, 120));
                return {{x, y}}; }})()"
        );
        let look = || async {
            match self.try_eval(&find, None).await? {
                Value::String(why) => Err(format!("it {why}")),
                point => Ok(point),
            }
        };
        let point = until(PATIENCE, &format!("{selector} to be clickable"), look).await;
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({"type": kind, "x": point["x"], "y": point["y"], "button": button, "buttons": buttons, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types into whatever has the focus, key by key.
    pub(crate) async fn type_text(&self, text: &str) {
        for sign in text.chars() {
            self.press(&sign.to_string(), &[]).await;
        }
    }

    /// Presses and releases a key: a character, or a name such as `Enter`, `Escape`, `Tab`, `ArrowDown`, `F2`.
    pub(crate) async fn press(&self, key: &str, modifiers: &[Modifier]) {
        let bits = modifiers.iter().fold(0, |bits, modifier| {
            bits | match modifier {
                Modifier::Alt => 1,
                Modifier::Ctrl => 2,
                Modifier::Meta => 4,
                Modifier::Shift => 8,
            }
        });
        let (key, code, number, text) = key_facts(key);
        let mut event =
            json!({"type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": bits});
        let is_command = modifiers.iter().any(|modifier| *modifier != Modifier::Shift);
        if !is_command && !text.is_empty() {
            event["text"] = json!(text);
        }
        if modifiers == [Modifier::Ctrl] && key == "a" {
            event["commands"] = json!(["selectAll"]);
        }
        self.call("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Writes what the window shows as a PNG.
    pub(crate) async fn screenshot(&self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        let bytes = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What `prefers-color-scheme` answers.
    pub(crate) async fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.call("Emulation.setEmulatedMedia", feature).await;
    }

    /// The size of the window in CSS pixels.
    pub(crate) async fn set_viewport(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes the network away from the page, its frames and its workers, or gives it back.
    pub(crate) async fn set_offline(&self, offline: bool) {
        self.wire.set_offline(&self.session, offline);
        for session in self.wire.family(&self.session) {
            let answer = self.wire.call(Some(&session), "Network.emulateNetworkConditions", network(offline)).await;
            // A worker may have ended meanwhile; the page has not.
            assert!(session != self.session || answer.is_ok(), "{answer:?}");
        }
    }

    /// Errors, refusals and requests so far.
    pub(crate) async fn seen(&self) -> Seen {
        // What happened before this answer has been reported before it.
        self.eval("0").await;
        self.wire.seen(&self.session)
    }

    /// Requests that went to an origin that was never opened.
    pub(crate) async fn foreign_requests(&self) -> Vec<String> {
        let seen = self.seen().await;
        let opened = self.opened.lock();
        let is_foreign = |url: &String| {
            let inner = ["data:", "blob:", "about:", "chrome"].iter().any(|scheme| url.starts_with(scheme));
            !inner && !opened.iter().any(|ours| origin(url) == ours || origin(url).replacen("ws", "http", 1) == *ours)
        };
        seen.requests.into_iter().filter(is_foreign).collect()
    }

    /// What axe-core finds serious or critical. It runs in a world of its own, so that the page's policy stays on.
    pub(crate) async fn axe(&self) -> Vec<Violation> {
        let Some(source) = axe_source() else { return Vec::new() };
        let tree = self.call("Page.getFrameTree", json!({})).await;
        let world = json!({"frameId": tree["frameTree"]["frame"]["id"], "worldName": "axe"});
        let context = self.call("Page.createIsolatedWorld", world).await["executionContextId"].clone();
        let run = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(v =>
            ({rule: v.id, impact: v.impact, help: v.help, elements: v.nodes.map(n => n.target.join(' '))})))";
        self.try_eval(&format!("{source};0"), Some(&context)).await.unwrap();
        let found = self.try_eval(run, Some(&context)).await.unwrap_or_else(|error| panic!("{error}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let violations = found.as_array().unwrap().iter().map(|violation| Violation {
            rule: text(&violation["rule"]),
            impact: text(&violation["impact"]),
            help: text(&violation["help"]),
            elements: violation["elements"].as_array().unwrap().iter().map(text).collect(),
        });
        violations.filter(|violation| matches!(violation.impact.as_str(), "serious" | "critical")).collect()
    }
}

/// The text of axe-core: from `BODEGA_AXE`, or where npm puts it. Missing is a failure only where it should have been installed.
fn axe_source() -> Option<String> {
    let assets = crate::harness::source::root().join("assets");
    let installed = || assets.join("node_modules/axe-core/axe.min.js");
    let path = std::env::var_os("BODEGA_AXE").map_or_else(installed, PathBuf::from);
    match std::fs::read_to_string(&path) {
        Ok(source) => Some(source),
        Err(error) => {
            let expected = is_required() && assets.join("package.json").exists();
            assert!(!expected, "axe-core is required: {}: {error}", path.display());
            skipped(&format!("no axe-core at {}; run npm ci in assets, or set BODEGA_AXE", path.display()));
            None
        }
    }
}

/// Whether axe-core can be run here.
pub(crate) fn has_axe() -> bool {
    axe_source().is_some()
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &url[..scheme.len() + 3 + host]
}

/// Key, code, number and typed text of a key.
fn key_facts(name: &str) -> (String, String, u32, String) {
    let named = |code: &str, number, text: &str| (name.to_owned(), code.to_owned(), number, text.to_owned());
    match name {
        "Enter" => named("Enter", 13, "\r"),
        "Tab" => named("Tab", 9, ""),
        "Escape" => named("Escape", 27, ""),
        "Backspace" => named("Backspace", 8, ""),
        "Delete" => named("Delete", 46, ""),
        "Home" => named("Home", 36, ""),
        "End" => named("End", 35, ""),
        "PageUp" => named("PageUp", 33, ""),
        "PageDown" => named("PageDown", 34, ""),
        "ArrowLeft" => named("ArrowLeft", 37, ""),
        "ArrowUp" => named("ArrowUp", 38, ""),
        "ArrowRight" => named("ArrowRight", 39, ""),
        "ArrowDown" => named("ArrowDown", 40, ""),
        " " => named("Space", 32, " "),
        "/" => named("Slash", 191, "/"),
        _ => other_key(name),
    }
}

fn other_key(name: &str) -> (String, String, u32, String) {
    let mut signs = name.chars();
    let (Some(sign), None) = (signs.next(), signs.next()) else {
        let number = name.strip_prefix('F').and_then(|number| number.parse::<u32>().ok());
        let number = number.unwrap_or_else(|| panic!("`{name}` is no key that is known here"));
        return (name.to_owned(), name.to_owned(), 111 + number, String::new());
    };
    let upper = sign.to_ascii_uppercase();
    let code = match upper {
        'A'..='Z' => format!("Key{upper}"),
        '0'..='9' => format!("Digit{upper}"),
        _ => String::new(),
    };
    let number = if code.is_empty() { 0 } else { u32::from(upper) };
    (name.to_owned(), code, number, name.to_owned())
}
