//! The browser harness shown to work, against a small page of its own.

use crate::harness::browser::{Browser, Modifier};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::{Router, routing::get};
use serde_json::json;
use std::time::Duration;

const PAGE: &str = "<!doctype html><html lang=en><title>Self-test</title><link rel=icon href=data:,>
<main><h1>Self-test</h1>
<label>Name <input id=name></label> <button id=go>Go</button> <output id=out></output>
<button id=below style='margin-top:3000px'>Below</button></main>
<script src=/page.js></script></html>";

const SCRIPT: &str = "
const out = document.getElementById('out'), name = document.getElementById('name');
document.getElementById('go').onclick = () => setTimeout(() => { out.textContent = 'Hello ' + name.value; }, 30);
document.getElementById('below').onclick = () => { out.textContent = 'below'; };
addEventListener('keydown', e => { if (e.key === 'k' && e.ctrlKey) { e.preventDefault(); out.textContent = 'palette'; } });
name.addEventListener('keydown', e => { if (e.key === 'Enter') out.textContent = 'entered'; });
";

const FAULTY: &str = "<!doctype html><title>Faulty</title><link rel=icon href=data:,>
<img src=/none.png><button></button><script>document.title = 'refused'</script><script src=/faulty.js></script>";

const FAULTY_SCRIPT: &str = "console.error('first', 2); setTimeout(() => { throw new Error('second'); });
fetch('http://other.invalid/x').catch(() => {}).finally(() => { document.body.id = 'done'; });";

async fn serve() -> String {
    let policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src *";
    let html =
        |text| get(move || async move { ([(CONTENT_TYPE, "text/html"), (CONTENT_SECURITY_POLICY, policy)], text) });
    let script = |text| get(move || async move { ([(CONTENT_TYPE, "text/javascript")], text) });
    let routes = Router::new()
        .route("/", html(PAGE))
        .route("/page.js", script(SCRIPT))
        .route("/faulty", html(FAULTY))
        .route("/faulty.js", script(FAULTY_SCRIPT))
        .route("/ping", get(|| async { "pong" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_clicked_typed_into_and_read() {
    let Some(browser) = Browser::launch().await else { return };
    let page = browser.page().await;
    page.open(&serve().await).await;
    page.click("#name").await;
    page.type_text("Ana ñ 7").await;
    page.click("#go").await;
    page.wait_for("document.getElementById('out').textContent === 'Hello Ana ñ 7'", SOON).await;
    page.press("Enter", &[]).await;
    page.click("#name").await;
    page.press("a", &[Modifier::Ctrl]).await;
    page.type_text("Bo").await;
    assert_eq!(page.eval("document.getElementById('name').value").await, json!("Bo"));
    page.press("Enter", &[]).await;
    assert_eq!(page.eval("out.textContent").await, json!("entered"));
    page.press("k", &[Modifier::Ctrl]).await;
    assert_eq!(page.eval("out.textContent").await, json!("palette"));
    page.click("#below").await;
    assert_eq!(page.eval("Promise.resolve(out.textContent)").await, json!("below"));
    for (held, flag) in [(Modifier::Alt, "altKey"), (Modifier::Meta, "metaKey"), (Modifier::Shift, "shiftKey")] {
        page.eval(&format!("addEventListener('keydown', e => {{ window.held = e.{flag} }}, {{once: true}})")).await;
        page.press("F2", &[held]).await;
        assert_eq!(page.eval("window.held").await, json!(true), "{flag}");
    }
    let seen = page.seen().await;
    assert!(
        seen.console_errors.is_empty() && seen.csp_violations.is_empty() && seen.failed_loads.is_empty(),
        "{seen:?}"
    );
    assert_eq!(page.foreign_requests().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_the_size_the_colours_and_the_network_it_is_given() {
    let Some(browser) = Browser::launch().await else { return };
    let page = browser.page().await;
    page.open(&serve().await).await;
    page.set_viewport(390, 700).await;
    page.set_dark(true).await;
    let facts = "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]";
    assert_eq!(page.eval(facts).await, json!([390, true]));
    page.set_dark(false).await;
    assert_eq!(page.eval(facts).await, json!([390, false]));
    let ping = "fetch('/ping').then(r => r.text()).catch(() => 'offline')";
    assert_eq!(page.eval(ping).await, json!("pong"));
    page.set_offline(true).await;
    assert_eq!(page.eval(ping).await, json!("offline"));
    page.set_offline(false).await;
    assert_eq!(page.eval(ping).await, json!("pong"));
    let shot = tempfile::NamedTempFile::new().unwrap();
    page.screenshot(shot.path()).await;
    let bytes = std::fs::read(shot.path()).unwrap();
    assert!(
        bytes.starts_with(b"\x89PNG")
            && bytes[16..24] == [0, 0, 390_u32.to_be_bytes()[2], 390_u32.to_be_bytes()[3], 0, 0, 2, 188]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_refusals_and_foreign_requests_are_seen() {
    let Some(browser) = Browser::launch().await else { return };
    let page = browser.page().await;
    page.open(&format!("{}/faulty", serve().await)).await;
    page.wait_for("document.body.id === 'done'", SOON).await;
    let seen = page.seen().await;
    assert!(seen.console_errors.iter().any(|line| line == "\"first\" 2"), "{seen:?}");
    assert!(seen.console_errors.iter().any(|line| line.starts_with("Error: second")), "{seen:?}");
    assert!(seen.failed_loads.iter().any(|line| line.contains("404") && line.contains("/none.png")), "{seen:?}");
    assert!(seen.csp_violations.iter().any(|line| line.starts_with("script-src")), "{seen:?}");
    assert_eq!(page.eval("document.title").await, json!("Faulty"), "the policy was on");
    assert_eq!(page.foreign_requests().await, ["http://other.invalid/x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_share_no_storage_and_axe_names_what_is_wrong() {
    let Some(browser) = Browser::launch().await else { return };
    let (first, second) = (browser.page().await, browser.page().await);
    let url = serve().await;
    first.open(&url).await;
    first.eval("document.cookie = 'a=b'").await;
    second.open(&format!("{url}/faulty")).await;
    assert_eq!(second.eval("document.cookie").await, json!(""));
    let clean = first.axe().await;
    assert!(clean.is_empty(), "{clean:#?}");
    let found = second.axe().await;
    if crate::harness::browser::has_axe() {
        let nameless = found.iter().find(|violation| violation.rule == "button-name").unwrap();
        assert_eq!((nameless.impact.as_str(), nameless.elements.as_slice()), ("critical", &["button".to_owned()][..]));
        assert!(nameless.help.contains("Buttons"), "{nameless:?}");
    }
}
