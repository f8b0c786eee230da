//! Every page of the admin in a real browser: it stands, in both colours and on a telephone, for people with and without a mouse.

use crate::harness::browser::{Browser, Modifier, Page};
use crate::harness::shop::{SOON, Shop, order};
use bodega::base::id::{UserId, VariantId};
use bodega::domain::auth::service::{self as auth, NewUser};
use bodega::kernel::permit::{Permission, Rights};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Between two looks at a page.
const GLANCE: Duration = Duration::from_millis(15);

/// A page's path and what stands on it once everything has arrived.
struct Screen {
    path: String,
    heading: String,
    shows: String,
}

fn screen(path: impl Into<String>, heading: impl Into<String>, shows: impl Into<String>) -> Screen {
    Screen { path: path.into(), heading: heading.into(), shows: shows.into() }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Orders that came in well, one that is set aside and one with an article nobody knows. Gives all pages that show them.
async fn fill(shop: &Shop) -> Vec<Screen> {
    let sent = shop.post("/api/v1/demo/orders", &json!({ "count": 4 })).await;
    assert!((200..300).contains(&sent.status), "{}", sent.body);
    shop.until_count("SELECT count(*) FROM sales_order", 4, SOON).await;
    let mut strange = order(41, &[("SKU-1001", 1, 1_899)]);
    strange["currency"] = json!("XXQ");
    let set_aside = shop.sell(&strange).await;
    assert_eq!(set_aside["state"], "quarantined");
    let unknown = shop.order_of(&shop.sell(&order(42, &[("THEIRS", 1, 300)])).await).await;
    assert_eq!(unknown["stock_status"], "unmapped");

    let orders = shop.list("/api/v1/orders").await;
    let (number, id) = (format!("#{}", unknown["number"]), text(&unknown["id"]));
    let known = orders.iter().find(|order| order["id"] != unknown["id"]).unwrap();
    let known = shop.get(&format!("/api/v1/orders/{}", text(&known["id"]))).await;
    let line = &known["lines"][0];
    let product = shop.get(&format!("/api/v1/products/{}", text(&line["product_id"]))).await;
    let (sku, title) = (text(&line["sku"]), text(&product["title"]));
    let dead = shop.list("/api/v1/jobs/dead-letters").await;
    let dead = shop.get(&format!("/api/v1/jobs/{}", text(&dead[0]["id"]))).await;
    let subject = if text(&dead["subject"]).is_empty() { text(&dead["id"]) } else { text(&dead["subject"]) };
    let channel = shop.get(&shop.channel_path()).await;
    let channel_page = format!("/admin/channels/{}", text(&channel["id"]));
    let stock_page = format!("/admin/stock/{}", text(&line["variant_id"]));
    vec![
        screen("/admin/", "Overview", &number),
        screen("/admin/orders", "Orders", &number),
        screen(format!("/admin/orders/{id}"), format!("Order {number}"), "THEIRS"),
        screen(format!("/admin/orders/{}", text(&known["id"])), format!("Order #{}", known["number"]), sku),
        screen(format!("/admin/stock?q={sku}"), "Stock", sku),
        screen("/admin/stock", "Stock", "MAIN"),
        screen(&stock_page, sku, "MAIN"),
        screen(format!("{stock_page}?tab=reservations"), sku, "Reservations"),
        screen("/admin/products", "Products", "Active"),
        screen(format!("/admin/products/{}", text(&product["id"])), title, sku),
        screen("/admin/jobs", "Jobs", "Done"),
        screen(format!("/admin/jobs/{}", text(&dead["id"])), subject, "XXQ"),
        screen("/admin/dead-letters", "Dead letters", "XXQ"),
        screen("/admin/channels", "Channels", text(&channel["name"])),
        screen(&channel_page, text(&channel["name"]), "orders/create"),
        screen(format!("{channel_page}?tab=quarantine"), text(&channel["name"]), "XXQ"),
        screen(format!("{channel_page}?tab=mappings"), text(&channel["name"]), "THEIRS"),
        screen("/admin/feeds", "Google", "SKU-"),
        screen(format!("/admin/audit?entity_id={id}"), "Audit log", "order."),
        screen("/admin/audit", "Audit log", "feed."),
        screen("/admin/sandbox", "Sandbox", "Google"),
    ]
}

/// Waits until the page's heading and content stand, and nothing is still to come. What moves is put where it will come to rest.
async fn stands(page: &Page, screen: &Screen) {
    let missing = format!(
        "(() => {{
            const main = document.querySelector('main'), heading = main?.querySelector('h1');
            if (!heading?.textContent.includes({heading:?})) return 'its heading is ' + heading?.textContent;
            if (!main.textContent.includes({shows:?})) return 'it shows ' + main.innerText.slice(0, 1500);
            const open = document.querySelector('.skeleton, main [role=alert]');
            if (open) return open.outerHTML.slice(0, 500);
            const finite = document.getAnimations().filter(it => it.effect.getComputedTiming().endTime !== Infinity);
            for (const it of finite) it.finish();
            return null; }})()",
        heading = screen.heading,
        shows = screen.shows,
    );
    let end = Instant::now() + SOON;
    loop {
        let missing = page.eval(&missing).await;
        if missing == Value::Null {
            return;
        }
        assert!(Instant::now() < end, "{} does not show {:?}: {missing}", screen.path, screen.shows);
        tokio::time::sleep(GLANCE).await;
    }
}

/// Adds what axe-core holds against the page as it is.
async fn judge(page: &Page, place: &str, faults: &mut Vec<String>) {
    for found in page.axe().await {
        faults.push(format!("{place}: {} {}: {} at {:?}", found.impact, found.rule, found.help, found.elements));
    }
}

/// Adds what makes the page wider than the window, if anything does.
async fn fits(page: &Page, place: &str, faults: &mut Vec<String>) {
    let wide = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => {
        const root = document.scrollingElement;
        if (root.scrollWidth <= innerWidth && innerWidth === 390) return null;
        const beyond = [...document.body.querySelectorAll('*')].filter(it => it.getBoundingClientRect().right > 391);
        return `${root.scrollWidth} of ${innerWidth}: ` + beyond.slice(0, 4).map(it => it.outerHTML.slice(0, 120)).join(' | '); })";
    let wide = page.eval(wide).await;
    if wide != Value::Null {
        faults.push(format!("{place}: scrolls sideways, {wide}"));
    }
}

/// The page's errors and refusals so far, without refused requests that were provoked.
async fn assert_quiet(page: &Page, provoked: &[&str]) {
    let seen = page.seen().await;
    assert!(seen.console_errors.is_empty() && seen.csp_violations.is_empty(), "{seen:#?}");
    let is_provoked = |line: &&String| provoked.iter().any(|status| line.contains(status));
    let failed: Vec<&String> = seen.failed_loads.iter().filter(|line| !is_provoked(line)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(page.foreign_requests().await, Vec::<String>::new());
}

const GROUND: &str =
    "getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).color";

/// Looks at pages in light, in dark and 390 pixels wide. Gives what is wrong with them.
async fn look(page: &Page, url: &str, screens: &[Screen]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut grounds = Vec::new();
    for dark in [false, true] {
        page.set_dark(dark).await;
        for screen in screens {
            page.set_viewport(1280, 800).await;
            page.open(&format!("{url}{}", screen.path)).await;
            stands(page, screen).await;
            let place = format!("{} in {}", screen.path, if dark { "dark" } else { "light" });
            judge(page, &place, &mut faults).await;
            if !dark {
                page.set_viewport(390, 800).await;
                page.open(&format!("{url}{}", screen.path)).await;
                stands(page, screen).await;
                fits(page, &screen.path, &mut faults).await;
                judge(page, &format!("{} at 390 px", screen.path), &mut faults).await;
            }
        }
        grounds.push(page.eval(GROUND).await);
    }
    assert_ne!(grounds[0], grounds[1], "dark is dark");
    page.set_viewport(1280, 800).await;
    page.set_dark(false).await;
    faults
}

/// The way through the admin without a mouse.
async fn by_keyboard(page: &Page, url: &str) {
    page.open(&format!("{url}/admin/")).await;
    page.wait_for("document.querySelector('main h1').textContent === 'Overview'", SOON).await;
    page.press("g", &[]).await;
    page.press("o", &[]).await;
    page.wait_for("location.pathname === '/admin/orders' && document.querySelector('main .row-link')", SOON).await;
    page.press("/", &[]).await;
    page.wait_for("document.activeElement.matches('main [data-search]')", SOON).await;
    assert_eq!(page.eval("document.activeElement.value").await, json!(""), "the key itself is not typed");
    page.press("k", &[Modifier::Ctrl]).await;
    page.wait_for("document.querySelector('dialog.palette[open]').contains(document.activeElement)", SOON).await;
    page.press("Escape", &[]).await;
    page.wait_for("!document.querySelector('dialog') && document.activeElement.matches('[data-search]')", SOON).await;
    // In a field a question mark is a question mark, so the focus has to leave it first.
    for _ in 0..20 {
        page.press("Tab", &[]).await;
        if page.eval("!document.activeElement.matches('input, select, textarea')").await == json!(true) {
            break;
        }
    }
    page.press("?", &[Modifier::Shift]).await;
    page.wait_for("document.querySelector('dialog[open] .keys').textContent.includes('Orders')", SOON).await;
    let mut faults = Vec::new();
    judge(page, "the help", &mut faults).await;
    page.press("Escape", &[]).await;
    page.wait_for("!document.querySelector('dialog')", SOON).await;
    page.press("k", &[Modifier::Ctrl]).await;
    page.wait_for("document.querySelector('dialog.palette[open]').contains(document.activeElement)", SOON).await;
    judge(page, "the palette", &mut faults).await;
    page.type_text("audit").await;
    page.wait_for("document.querySelector('[role=option]').textContent.includes('Audit log')", SOON).await;
    page.press("Enter", &[]).await;
    page.wait_for("location.pathname === '/admin/audit' && !document.querySelector('dialog')", SOON).await;
    assert!(faults.is_empty(), "{faults:#?}");
}

/// RA8.1: the refusal of a change below what is promised is shown in the words of the API.
async fn adjusts_below_what_is_promised(shop: &Shop, page: &Page, variant: VariantId) {
    let warehouse = shop.warehouse("MAIN").await;
    let body =
        json!({ "variant_id": variant, "warehouse_id": warehouse, "delta": -4, "kind": "damage", "reason": "Broken" });
    let refused = shop.post("/api/v1/inventory/adjustments", &body).await.expect(409);
    let sentence = "Insufficient stock: 2 left at MAIN";
    assert_eq!((text(&refused["code"]), text(&refused["detail"])), ("insufficient_stock", sentence));

    page.open(&format!("{}/admin/stock/{variant}", shop.demo.url)).await;
    stands(page, &screen("", "PROMISED", "MAIN")).await;
    let choose = |name: &str, value: &str| {
        format!(
            "(() => {{ const box = document.querySelector('main select[name={name}]'); box.value = {value:?};
                box.dispatchEvent(new Event('change', {{ bubbles: true }})); return box.value; }})()"
        )
    };
    assert_eq!(page.eval(&choose("warehouse_id", &warehouse.to_string())).await, json!(warehouse));
    assert_eq!(page.eval(&choose("kind", "damage")).await, json!("damage"));
    page.click("main input[name=delta]").await;
    page.type_text("-4").await;
    page.press("Enter", &[]).await;
    let shown = format!("document.querySelector('main form').innerText.includes({sentence:?})");
    page.wait_for(&shown, SOON).await;
    let mut faults = Vec::new();
    judge(page, "a refused change", &mut faults).await;
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(page.eval("document.querySelector('main input[name=delta]').value").await, json!("-4"), "it is kept");
    assert_eq!(shop.level(variant, "MAIN").await, (5, 3), "nothing was changed");
}

/// An order of the store's own is cancelled from its page, by keyboard; it is told there, and its stock is free.
async fn cancels_by_keyboard(shop: &Shop, page: &Page) {
    let variant = shop.article("UNWANTED", "5.00", 5, 0).await;
    let line = json!({ "sku": "UNWANTED", "quantity": 2, "unit_price": { "amount": "5.00", "currency": "EUR" } });
    let placed = shop.post("/api/v1/orders", &json!({ "currency": "EUR", "lines": [line] })).await.expect(201);
    page.open(&format!("{}/admin/orders/{}", shop.demo.url, text(&placed["id"]))).await;
    stands(page, &screen("", format!("Order #{}", placed["number"]), "UNWANTED")).await;
    page.click("main .actions button").await;
    page.wait_for("document.querySelector('dialog[open] input[name=reason]') !== null", SOON).await;
    let mut faults = Vec::new();
    judge(page, "the dialog that cancels", &mut faults).await;
    assert!(faults.is_empty(), "{faults:#?}");
    page.eval("document.querySelector('dialog input[name=reason]').focus()").await;
    page.type_text("Bought twice").await;
    page.press("Enter", &[]).await;
    let told = "document.querySelector('dialog') === null
        && document.querySelector('main .timeline').innerText.includes('Cancelled: Bought twice')
        && document.querySelector('main h1').parentElement.innerText.includes('Cancelled')
        && document.querySelector('main .actions button') === null";
    page.wait_for(told, SOON).await;
    assert_eq!(shop.level(variant, "MAIN").await, (5, 0));
}

/// A tab of a user's own, past the door by a one-time link.
async fn signed_in(shop: &Shop, browser: &Browser, user: UserId) -> Page {
    let code = auth::create_link(&shop.scope().await, user).await.unwrap();
    let page = browser.page().await;
    page.open(&format!("{}sign-in?code={code}", shop.demo.admin_url)).await;
    page.wait_for("location.pathname === '/admin/'", SOON).await;
    page
}

/// A user who may read orders and nothing else is told so, and is not shown the way to the rest.
async fn without_a_right(shop: &Shop, browser: &Browser) {
    let scope = shop.scope().await;
    let rights = [Permission::OrderRead].into_iter().collect::<Rights>();
    let user = NewUser { email: "reader@example.com".to_owned(), name: "Ria".to_owned(), password: None, rights };
    let user = auth::create_user(&scope, user).await.unwrap();
    let page = signed_in(shop, browser, user).await;
    stands(&page, &screen("", "Overview", "Ria")).await;
    let offered = page.eval("[...document.querySelectorAll('#nav li a')].map(it => it.getAttribute('href'))").await;
    assert_eq!(offered, json!(["/admin/", "/admin/orders"]));
    let url = &shop.demo.url;
    let mut faults = look(&page, url, &[screen("/admin/orders", "Orders", "#")]).await;
    for (path, right) in [
        ("stock", "inventory.read"),
        ("products", "product.read"),
        ("jobs", "job.read"),
        ("dead-letters", "job.read"),
        ("channels", "channel.read"),
        ("feeds", "feed.read"),
        ("audit", "audit.read"),
        ("sandbox", "demo.write"),
    ] {
        page.open(&format!("{url}/admin/{path}")).await;
        stands(&page, &screen(path, "No permission", right)).await;
        judge(&page, &format!("{path} without permission"), &mut faults).await;
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // Nothing that is not theirs was even asked for: a 403 would be among the failed loads.
    assert_quiet(&page, &[]).await;
}

/// RA8.1, RV12: each page works, is accessible, keeps to its policy and fits, and the words of a refusal are the API's own.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_stands_in_light_and_dark_for_everyone_and_keeps_to_its_policy() {
    let Some(browser) = Browser::launch().await else { return };
    let shop = Shop::open().await;
    let screens = fill(&shop).await;
    let promised = shop.article("PROMISED", "5.00", 5, 0).await;
    shop.sell(&order(43, &[("PROMISED", 3, 500)])).await;
    let url = shop.demo.url.clone();

    let door = browser.page().await;
    let faults = look(&door, &url, &[screen("/admin/sign-in", "Sign in", "Password")]).await;
    assert!(faults.is_empty(), "{faults:#?}");
    assert_quiet(&door, &[]).await;

    let page = browser.page().await;
    page.open(&shop.demo.sign_in_url).await;
    page.wait_for("location.pathname === '/admin/'", SOON).await;
    by_keyboard(&page, &url).await;
    assert_quiet(&page, &["401", "404"]).await;

    let scope = shop.scope().await;
    let owner = auth::user_by_email(&scope, shop.demo.owner.email).await.unwrap();
    let desk = signed_in(&shop, &browser, owner).await;
    adjusts_below_what_is_promised(&shop, &desk, promised).await;
    cancels_by_keyboard(&shop, &desk).await;
    assert_quiet(&desk, &["401", "404", "409"]).await;

    without_a_right(&shop, &browser).await;

    let faults = look(&page, &url, &screens).await;
    assert!(faults.is_empty(), "{faults:#?}");
    assert_quiet(&page, &["401", "404"]).await;
    shop.assert_sound().await;
    assert!(shop.stop().await, "everything came to rest");
}
