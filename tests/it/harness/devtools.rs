//! The wire to a browser: commands and answers of the DevTools protocol over one web socket, and what the pages were seen to do.

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How long the browser may take to answer a command.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A full-page screenshot of a large window, in base64.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// What a page and its workers were seen to do since they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `console.error`, uncaught exceptions and errors that the browser itself reports, without failed loads.
    pub(crate) console_errors: Vec<String>,
    /// Answers of 4xx and 5xx and requests without an answer, as the console shows them.
    pub(crate) failed_loads: Vec<String>,
    /// What the content security policy refused.
    pub(crate) csp_violations: Vec<String>,
    /// Every URL asked for, pages included.
    pub(crate) requests: Vec<String>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>,
    seen: Mutex<HashMap<String, Seen>>,
    /// The page that a worker's or frame's session belongs to.
    parents: Mutex<HashMap<String, String>>,
    offline: Mutex<HashMap<String, bool>>,
    next: AtomicU64,
}

/// The connection to one browser.
pub(crate) struct DevTools {
    out: mpsc::UnboundedSender<Message>,
    shared: Arc<Shared>,
}

impl DevTools {
    /// Connects to the address that the browser has written down.
    pub(crate) async fn connect(url: &str) -> Self {
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let socket = tokio_tungstenite::connect_async_with_config(url, Some(limits), true).await;
        let (mut sink, mut stream) = socket.expect("the browser takes a connection").0.split();
        let (out, mut queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let (reader, answers) = (Arc::clone(&shared), out.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Ok(text) = message.to_text()
                    && let Ok(message) = serde_json::from_str::<Value>(text)
                {
                    reader.take(&message, &answers);
                }
            }
            reader.waiting.lock().clear();
        });
        Self { out, shared }
    }

    /// Sends a command, to the browser or to a page's session, and waits for the result.
    pub(crate) async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        let (sender, answer) = oneshot::channel();
        let id = self.shared.number();
        self.shared.waiting.lock().insert(id, sender);
        post(&self.out, id, session, method, &params);
        match tokio::time::timeout(ANSWER_MAX, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("the browser has gone".to_owned()),
            Err(_) => Err(format!("no answer within {ANSWER_MAX:?}")),
        }
    }

    /// What a page was seen to do.
    pub(crate) fn seen(&self, session: &str) -> Seen {
        self.shared.seen.lock().get(session).cloned().unwrap_or_default()
    }

    /// The sessions of a page: its own, its workers', its frames'.
    pub(crate) fn family(&self, session: &str) -> Vec<String> {
        let parents = self.shared.parents.lock();
        let children = parents.keys().filter(|child| page_of(&parents, child) == session).cloned();
        std::iter::once(session.to_owned()).chain(children).collect()
    }

    /// Remembers whether workers that start later have a network.
    pub(crate) fn set_offline(&self, session: &str, offline: bool) {
        self.shared.offline.lock().insert(session.to_owned(), offline);
    }
}

/// The parameters that cut a session off, or connect it again.
pub(crate) fn network(offline: bool) -> Value {
    json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
}

fn post(out: &mpsc::UnboundedSender<Message>, id: u64, session: Option<&str>, method: &str, params: &Value) {
    let mut command = json!({"id": id, "method": method, "params": params});
    if let Some(session) = session {
        command["sessionId"] = json!(session);
    }
    // A browser that has gone is noticed by the answer that does not come.
    drop(out.send(Message::text(command.to_string())));
}

fn page_of<'a>(parents: &'a HashMap<String, String>, session: &'a str) -> &'a str {
    let mut page = session;
    while let Some(parent) = parents.get(page) {
        page = parent;
    }
    page
}

impl Shared {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn take(&self, message: &Value, out: &mpsc::UnboundedSender<Message>) {
        if let Some(id) = message["id"].as_u64() {
            let result = match message.get("error") {
                Some(error) => Err(error.to_string()),
                None => Ok(message["result"].clone()),
            };
            if let Some(sender) = self.waiting.lock().remove(&id) {
                drop(sender.send(result));
            }
            return;
        }
        let (Some(method), Some(session)) = (message["method"].as_str(), message["sessionId"].as_str()) else { return };
        let params = &message["params"];
        let page = page_of(&self.parents.lock(), session).to_owned();
        if method == "Target.attachedToTarget" {
            self.adopt(params["sessionId"].as_str().unwrap_or_default(), &page, out);
        } else {
            note(self.seen.lock().entry(page).or_default(), method, params);
        }
    }

    /// A worker or frame began: watch it as the page is watched.
    fn adopt(&self, child: &str, page: &str, out: &mpsc::UnboundedSender<Message>) {
        self.parents.lock().insert(child.to_owned(), page.to_owned());
        for method in ["Runtime.enable", "Log.enable", "Network.enable", "Audits.enable"] {
            post(out, self.number(), Some(child), method, &json!({}));
        }
        if self.offline.lock().get(page) == Some(&true) {
            post(out, self.number(), Some(child), "Network.emulateNetworkConditions", &network(true));
        }
    }
}

fn note(seen: &mut Seen, method: &str, params: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match method {
        "Network.requestWillBeSent" => seen.requests.push(text(&params["request"]["url"])),
        "Network.webSocketCreated" => seen.requests.push(text(&params["url"])),
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            let thrown = details["exception"]["description"].as_str().or(details["text"].as_str());
            seen.console_errors.push(thrown.unwrap_or("an exception").to_owned());
        }
        "Runtime.consoleAPICalled" if matches!(params["type"].as_str(), Some("error" | "assert")) => {
            let arguments = params["args"].as_array().into_iter().flatten();
            let shown =
                |value: &Value| value["description"].as_str().map_or_else(|| value["value"].to_string(), str::to_owned);
            seen.console_errors.push(arguments.map(shown).collect::<Vec<_>>().join(" "));
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            let line = format!("{} ({})", text(&entry["text"]), text(&entry["url"]));
            match entry["source"].as_str() {
                Some("network") => seen.failed_loads.push(line),
                // The policy's refusals arrive as issues, with more to say.
                Some("security") if line.contains("Content Security Policy") => {}
                _ => seen.console_errors.push(line),
            }
        }
        "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue" => {
            let details = &params["issue"]["details"]["contentSecurityPolicyIssueDetails"];
            let what = details["blockedURL"].as_str().or(details["contentSecurityPolicyViolationType"].as_str());
            let place = &details["sourceCodeLocation"];
            seen.csp_violations.push(format!(
                "{} refused {} at {}:{}",
                text(&details["violatedDirective"]),
                what.unwrap_or_default(),
                text(&place["url"]),
                place["lineNumber"],
            ));
        }
        _ => {}
    }
}
