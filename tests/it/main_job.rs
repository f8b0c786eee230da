//! The main job over real HTTP: from the bytes of a Shopify webhook to reserved stock, Google's record and the admin page in a browser.

use crate::harness::browser::Browser;
use crate::harness::shop::{SOON, Shop, hook_headers, order};
use bodega::base::id::{ChannelId, VariantId};
use bodega::domain::channels::service::{self as channels, NewChannel};
use bodega::integrations::google::sandbox::Faults;
use bodega::integrations::shopify::verify;
use bodega::kernel::command::Command;
use bodega::kernel::permit::Permission;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

/// As Shopify writes it: `\/` for a slash, `\u003c` for a bracket, amounts as texts and as sets, keys that nobody here reads.
const ORDER: &str = r##"{"id":6120050000042,"admin_graphql_api_id":"gid:\/\/shopify\/Order\/6120050000042","app_id":580111,"browser_ip":"203.0.113.7","buyer_accepts_marketing":false,"cancel_reason":null,"cancelled_at":null,"cart_token":"c1-6f2c","checkout_id":37501,"confirmed":true,"contact_email":"anneliese.mueller@example.com","created_at":"2026-11-21T09:15:30+01:00","currency":"EUR","current_subtotal_price":"52.81","current_total_discounts":"5.87","current_total_price":"57.71","current_total_tax":"4.24","customer_locale":"de-DE","discount_codes":[{"code":"HERBST","amount":"5.87","type":"percentage"}],"duties_included":false,"email":"anneliese.mueller@example.com","estimated_taxes":false,"financial_status":"paid","fulfillment_status":null,"landing_site":"\/","name":"#1042","note":"Bitte klingeln \u003c2. OG\u003e \u0026 danke","note_attributes":[],"number":42,"order_number":1042,"payment_gateway_names":["shopify_payments"],"phone":null,"presentment_currency":"EUR","processed_at":"2026-11-21T09:15:29+01:00","source_name":"web","subtotal_price":"52.81","subtotal_price_set":{"shop_money":{"amount":"52.81","currency_code":"EUR"},"presentment_money":{"amount":"52.81","currency_code":"EUR"}},"tags":"","tax_lines":[{"price":"3.46","rate":0.07,"title":"DE MwSt","channel_liable":false},{"price":"0.78","rate":0.19,"title":"DE MwSt","channel_liable":false}],"taxes_included":true,"test":false,"total_discounts":"5.87","total_line_items_price":"58.68","total_outstanding":"0.00","total_price":"57.71","total_price_set":{"shop_money":{"amount":"57.71","currency_code":"EUR"},"presentment_money":{"amount":"57.71","currency_code":"EUR"}},"total_shipping_price_set":{"shop_money":{"amount":"4.90","currency_code":"EUR"},"presentment_money":{"amount":"4.90","currency_code":"EUR"}},"total_tax":"4.24","total_tip_received":"0.00","total_weight":2750,"updated_at":"2026-11-21T09:15:31+01:00","user_id":null,"billing_address":null,"customer":{"id":7711,"email":"anneliese.mueller@example.com","first_name":"Anneliese","last_name":"M\u00fcller","state":"disabled","currency":"EUR"},"discount_applications":[{"target_type":"line_item","type":"discount_code","value":"10.0","value_type":"percentage","allocation_method":"across","target_selection":"all","code":"HERBST"}],"fulfillments":[],"line_items":[{"id":15600010001,"admin_graphql_api_id":"gid:\/\/shopify\/LineItem\/15600010001","current_quantity":2,"fulfillable_quantity":2,"fulfillment_status":null,"gift_card":false,"grams":1000,"name":"Kaffee \u0026 Kanne","price":"18.99","price_set":{"shop_money":{"amount":"18.99","currency_code":"EUR"},"presentment_money":{"amount":"18.99","currency_code":"EUR"}},"product_id":88001,"quantity":2,"requires_shipping":true,"sku":"STORY-1","taxable":true,"title":"Kaffee \u0026 Kanne","total_discount":"0.00","variant_id":99001,"vendor":"Rösterei","tax_lines":[{"price":"2.24","rate":0.07,"title":"DE MwSt"}],"duties":[],"discount_allocations":[{"amount":"3.80","amount_set":{"shop_money":{"amount":"3.80","currency_code":"EUR"},"presentment_money":{"amount":"3.80","currency_code":"EUR"}},"discount_application_index":0}]},{"id":15600010002,"current_quantity":3,"fulfillable_quantity":3,"name":"Tee","price":"6.90","quantity":3,"requires_shipping":true,"sku":"STORY-2","title":"Tee","total_discount":"0.00","variant_id":99002,"tax_lines":[{"price":"1.22","rate":0.07,"title":"DE MwSt"}],"duties":[],"discount_allocations":[{"amount":"2.07","discount_application_index":0}]}],"payment_terms":null,"refunds":[],"shipping_address":{"first_name":"Anneliese","address1":"Am Markt 5","phone":null,"city":"Bonn","zip":"53113","province":null,"country":"Germany","last_name":"M\u00fcller","address2":null,"company":null,"name":"Anneliese M\u00fcller","country_code":"DE","province_code":null},"shipping_lines":[{"id":501,"code":"DHL","discounted_price":"4.90","price":"4.90","source":"shopify","title":"DHL Paket","is_removed":false,"tax_lines":[{"price":"0.78","rate":0.19,"title":"DE MwSt"}],"discount_allocations":[]}]}"##;

fn amount(value: &Value) -> &str {
    value["amount"].as_str().unwrap()
}

/// Reads Google's record of an item in the demo's shop until it shows that many pieces.
async fn until_google_shows(shop: &Shop, sku: &str, pieces: i64) {
    shop.until(&format!("Google shows {pieces} of {sku}"), Duration::from_secs(90), async || {
        let record = shop.google().inventory(sku, "BONN-01");
        if record.as_ref().and_then(|record| record.quantity) == Some(pieces) { Ok(()) } else { Err(record) }
    })
    .await;
}

/// The whole story, in one go. RA2.1, D4, D5: one event is one order, however often it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_order_becomes_reserved_stock_a_push_and_a_row_in_the_admin() {
    let shop = Shop::open().await;
    let (first, second) = (shop.article("STORY-1", "18.99", 5, 0).await, shop.article("STORY-2", "6.90", 2, 10).await);

    // The same event, five times at once under five deliveries, and one of the deliveries five times over.
    let copies = (0..5).map(|copy| shop.deliver(ORDER.as_bytes(), ["a", "b", "c", "d", "e"][copy], "event-1042"));
    let repeats = (0..5).map(|_| shop.deliver(ORDER.as_bytes(), "a", "event-1042"));
    let (copies, repeats) = tokio::join!(join_all(copies), join_all(repeats));
    let receipts: Vec<Value> = copies.into_iter().chain(repeats).map(|answer| answer.expect(200)).collect();
    let fresh: Vec<&Value> = receipts.iter().filter(|receipt| receipt["duplicate"] == false).collect();
    assert_eq!(fresh.len(), 1, "{receipts:?}");
    assert!(receipts.iter().all(|receipt| receipt["message_id"] == fresh[0]["message_id"]));

    let message = shop.message_done(fresh[0]["message_id"].as_str().unwrap()).await;
    assert_eq!(
        (&message["state"], &message["body"]),
        (&json!("done"), &json!(ORDER)),
        "the bytes are kept as they came"
    );
    assert_eq!(message["headers"]["x-shopify-event-id"], "event-1042");
    assert_eq!(shop.list("/api/v1/orders").await.len(), 1);
    let order = shop.order_of(&message).await;
    check_order(&order);
    assert_eq!(shop.level(first, "MAIN").await, (5, 2));
    assert_eq!((shop.level(second, "MAIN").await, shop.level(second, "DEPOT").await), ((2, 0), (10, 3)));

    until_google_shows(&shop, "STORY-1", 3).await;
    let timeline = format!("/api/v1/orders/{}/timeline", order["id"].as_str().unwrap());
    let steps = shop
        .until("the push is a step of the order", SOON, async || {
            let steps = shop.list(&timeline).await;
            let pushed = steps.iter().any(|step| step["summary"] == "Stock of STORY-1 pushed to Google");
            if pushed { Ok(steps) } else { Err(steps) }
        })
        .await;
    let said: Vec<&str> = steps.iter().map(|step| step["summary"].as_str().unwrap()).collect();
    assert_eq!(said[0], "Received as #1042");
    let reserved = said.iter().position(|text| *text == "Reserved 2 × STORY-1, 3 × STORY-2").unwrap();
    let pushed = said.iter().position(|text| *text == "Stock of STORY-1 pushed to Google").unwrap();
    assert!(0 < reserved && reserved < pushed, "{said:?}");
    shop.assert_sound().await;

    in_the_browser(&shop, &order).await;
    assert!(shop.stop().await, "everything came to rest");
}

fn check_order(order: &Value) {
    let totals = &order["totals"];
    let sums = ["subtotal", "discount", "shipping", "tax", "total"].map(|name| amount(&totals[name]));
    assert_eq!(sums, ["52.81", "5.87", "4.90", "4.24", "57.71"]);
    assert_eq!((order["stock_status"].as_str(), order["payment_status"].as_str()), (Some("reserved"), Some("paid")));
    assert_eq!(
        (&order["flagged"], &order["fulfilment_hold"], &order["difference"]),
        (&json!(false), &json!(false), &Value::Null)
    );
    assert_eq!(order["external_number"], "#1042");
    assert_eq!(order["customer"]["email"], "anneliese.mueller@example.com");
    assert_eq!(order["customer"]["name"], "Anneliese Müller");
    assert_eq!(order["note"], "Bitte klingeln <2. OG> & danke");
    assert_eq!(order["shipping_address"]["city"], "Bonn");
    let places = |line: &Value| -> Vec<(String, i64)> {
        let parts = line["allocations"].as_array().unwrap().iter();
        parts
            .map(|part| (part["warehouse_code"].as_str().unwrap().to_owned(), part["quantity"].as_i64().unwrap()))
            .collect()
    };
    assert_eq!(places(&order["lines"][0]), [("MAIN".to_owned(), 2)], "the first warehouse that has the line whole");
    assert_eq!(
        places(&order["lines"][1]),
        [("DEPOT".to_owned(), 3)],
        "a line is not split when one place has it whole"
    );
    assert_eq!((amount(&order["lines"][0]["total"]), amount(&order["lines"][1]["total"])), ("34.18", "18.63"));
}

async fn in_the_browser(shop: &Shop, order: &Value) {
    let Some(browser) = Browser::launch().await else { return };
    let page = browser.page().await;
    page.open(&shop.demo.sign_in_url).await;
    page.wait_for("!location.pathname.startsWith('/admin/sign-in')", SOON).await;
    page.open(&format!("{}orders", shop.demo.admin_url)).await;
    let row = |order: &Value| format!("a[href='/admin/orders/{}']", order["id"].as_str().unwrap());
    let number = format!("document.querySelector(\"{}\").textContent.includes('#{}')", row(order), order["number"]);
    page.wait_for(&number, SOON).await;

    // Another order comes while the list is open: its row appears without a reload.
    page.eval("window.sameDocument = true").await;
    let next = crate::harness::shop::order(2_001, &[("STORY-1", 1, 1_899)]);
    let next = shop.order_of(&shop.sell(&next).await).await;
    page.wait_for(&format!("document.querySelector(\"{}\")", row(&next)), SOON).await;
    assert_eq!(page.eval("window.sameDocument").await, json!(true));

    page.click(&row(order)).await;
    page.wait_for("document.querySelector('main').innerText.includes('Reserved')", SOON).await;
    page.wait_for("document.querySelector('main').innerText.includes('Stock of STORY-1 pushed to Google')", SOON).await;
    page.wait_for("document.querySelector('main').innerText.includes('57.71')", SOON).await;
    let seen = page.seen().await;
    assert!(seen.console_errors.is_empty() && seen.csp_violations.is_empty(), "{seen:#?}");
    assert_eq!(page.foreign_requests().await, Vec::<String>::new());
}

// --- signatures

const STORED: [&str; 4] = [
    "SELECT count(*) FROM channel_message",
    "SELECT count(*) FROM sales_order",
    "SELECT count(*) FROM outbox WHERE kind = 'channels.intake'",
    "SELECT count(*) FROM channel_mapping",
];

async fn stored(shop: &Shop) -> Vec<i64> {
    join_all(STORED.iter().map(|sql| shop.count(sql))).await
}

async fn signed(shop: &Shop, url: &str, secret: &str, body: &[u8], sent: &[u8], delivery: &str) -> u16 {
    let headers = hook_headers(delivery, delivery);
    let signature = verify::sign(secret.as_bytes(), body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("X-Shopify-Hmac-Sha256", &signature));
    shop.send("POST", url, &headers, sent.to_vec().into()).await.status
}

/// RA2.1, D23: what nobody signed is refused, whatever is wrong with it, and leaves nothing behind but a count.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_not_rightly_signed_is_refused_and_nothing_of_it_is_kept() {
    let shop = Shop::open_at_rest().await;
    let tenant = shop.shared.tenants.create(&shop.shared.ids, shop.shared.clock.now(), "other", "Other").await.unwrap();
    let other = shop.scope_of(&tenant).await;
    let new = NewChannel {
        provider: "shopify".to_owned(),
        name: "Other".to_owned(),
        external_shop: "other.myshopify.com".to_owned(),
        secret: "the secret of another store".to_owned(),
        warehouses: Vec::new(),
    };
    let others: ChannelId = other.write(&channels::CREATE, move |cx| channels::create_in(cx, &new)).await.unwrap();
    let (url, secret) = (shop.demo.channels.shopify.webhook_url.clone(), shop.demo.channels.shopify.secret.clone());
    let body = ORDER.as_bytes();
    let before = stored(&shop).await;

    assert_eq!(signed(&shop, &url, "wrong", body, body, "1").await, 401, "a wrong secret");
    let altered = ORDER.replace("57.71", "07.71");
    assert_eq!(signed(&shop, &url, &secret, body, altered.as_bytes(), "2").await, 401, "an altered body");
    let longer = format!("{ORDER} ");
    assert_eq!(signed(&shop, &url, &secret, body, longer.as_bytes(), "3").await, 401, "one byte more");
    let bare = hook_headers("4", "4");
    let bare: Vec<(&str, &str)> = bare.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(shop.webhook(body.to_vec(), &bare).await.status, 401, "no signature");
    for nonsense in ["", "AAAA", "not base64 at all!", "A971iWIMgT8Zj9A9eWfikrFj7wQ16/Qwcc4OlRl2PLc="] {
        let mut headers = bare.clone();
        headers.push(("X-Shopify-Hmac-Sha256", nonsense));
        assert_eq!(shop.webhook(body.to_vec(), &headers).await.status, 401, "`{nonsense}`");
    }
    let own = shop.demo.channels.shopify.id.clone();
    let unknown = format!("{}0", &own[..own.len() - 1]);
    for address in [unknown.as_str(), "chn_nonsense", "1"] {
        let url = url.replace(&own, address);
        assert_eq!(signed(&shop, &url, &secret, body, body, "5").await, 401, "an unknown channel");
    }
    assert_eq!(
        signed(&shop, &url.replace("/shopify/", "/etsy/"), &secret, body, body, "6").await,
        401,
        "another vendor"
    );
    let foreign = url.replace(&own, &others.to_string());
    assert_eq!(signed(&shop, &foreign, &secret, body, body, "7").await, 401, "another store's channel");

    assert_eq!(stored(&shop).await, before, "nothing was kept");
    let kept: i64 = other.read(Permission::OrderRead, |tx| Ok(tx.value(STORED[0], [])?)).await.unwrap();
    assert_eq!(kept, 0);
    let channel = shop.get(&shop.channel_path()).await;
    assert_eq!(channel["signature_failures"], 8, "those with a channel to their name are counted");
    assert_eq!(signed(&shop, &url, &secret, body, body, "8").await, 200, "and the right one passes");
}

/// RA4.1: while a secret is changed, deliveries signed with either are taken; after that only with the new one.
#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_count_while_one_is_changed_for_the_other() {
    let shop = Shop::open_at_rest().await;
    let (url, old) = (shop.demo.channels.shopify.webhook_url.clone(), shop.demo.channels.shopify.secret.clone());
    let new = "a new secret, long enough";
    let send = async |secret: &str, id: u64| {
        let body = order(id, &[("SKU-1001", 1, 1_899)]).to_string();
        signed(&shop, &url, secret, body.as_bytes(), body.as_bytes(), &id.to_string()).await
    };
    assert_eq!((send(&old, 1).await, send(new, 2).await), (200, 401));
    let rotation = json!({ "secret": new, "overlap_seconds": 3600 });
    shop.put(&format!("{}/secret", shop.channel_path()), &rotation).await.expect(200);
    assert_eq!((send(&old, 3).await, send(new, 4).await, send("neither of the two", 5).await), (200, 200, 401));
    shop.advance(Duration::from_secs(3601)).await;
    assert_eq!((send(&old, 6).await, send(new, 7).await), (401, 200));
    shop.until_count("SELECT count(*) FROM sales_order", 4, SOON).await;
}

// --- what cannot be matched or understood

/// RA4.3: an unknown SKU holds up its own line only, and gets its stock once somebody says what it means.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_sku_waits_on_the_list_while_the_rest_of_the_order_goes_on() {
    let shop = Shop::open_at_rest().await;
    let known = shop.article("KNOWN", "2.00", 5, 0).await;
    let meant = shop.article("MEANT", "3.00", 5, 0).await;
    let message = shop.sell(&order(31, &[("KNOWN", 2, 200), ("THEIRS", 3, 300)])).await;
    assert_eq!(message["state"], "done");
    let taken = shop.order_of(&message).await;
    assert_eq!((taken["stock_status"].as_str(), amount(&taken["total"])), (Some("unmapped"), "13.00"));
    assert_eq!((shop.level(known, "MAIN").await, shop.level(meant, "MAIN").await), ((5, 2), (5, 0)));
    let mappings = format!("{}/mappings", shop.channel_path());
    let open = shop.list(&format!("{mappings}?state=open")).await;
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0]["external_sku"], &open[0]["lines"]), (&json!("THEIRS"), &json!(1)));

    let mapped = shop.post(&mappings, &json!({ "external_sku": "THEIRS", "variant_id": meant })).await.expect(200);
    assert_eq!(mapped["resolved_lines"], 1);
    assert_eq!(shop.level(meant, "MAIN").await, (5, 3));
    assert_eq!(shop.order_of(&message).await["stock_status"], "reserved");
    assert!(shop.list(&format!("{mappings}?state=open")).await.is_empty());

    let next = shop.order_of(&shop.sell(&order(32, &[("THEIRS", 1, 300)])).await).await;
    assert_eq!(next["lines"][0]["variant_id"], json!(meant), "the next order knows it at once");
    shop.assert_sound().await;
}

async fn intake_job(shop: &Shop, message: &str) -> Value {
    let jobs = shop.list("/api/v1/jobs?kind=channels.intake&limit=250").await;
    for job in jobs {
        let job = shop.get(&format!("/api/v1/jobs/{}", job["id"].as_str().unwrap())).await;
        if job["payload"]["message_id"] == message {
            return job;
        }
    }
    panic!("no job for {message}");
}

/// RA4.2: what cannot be understood is set aside with its reason; what comes after it is not held up.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_body_is_set_aside_with_its_reason_and_orders_behind_it_flow() {
    let shop = Shop::open_at_rest().await;
    let mut strange = order(41, &[("SKU-1001", 1, 1_899)]);
    strange["currency"] = json!("XXQ");
    let set_aside = shop.sell(&strange).await;
    let behind = shop.sell(&order(42, &[("SKU-1001", 1, 1_899)])).await;
    assert_eq!((&set_aside["state"], &behind["state"]), (&json!("quarantined"), &json!("done")));
    let reason = set_aside["error"].as_str().unwrap();
    assert!(reason.starts_with("/currency: ") && reason.contains("XXQ"), "{reason}");
    let id = set_aside["id"].as_str().unwrap();
    let quarantine = format!("{}/quarantine", shop.channel_path());
    assert_eq!(shop.list(&quarantine).await.len(), 1);
    let dead = shop.list("/api/v1/jobs/dead-letters").await;
    assert_eq!((dead.len(), dead[0]["last_error"].as_str()), (1, Some(reason)));

    // Nothing was mended, so the replay comes back to where it was.
    let replay = shop.call("POST", &format!("{quarantine}/{id}/replay"), &[], None).await.expect(202);
    assert_eq!(replay["job_id"], dead[0]["id"]);
    let again = shop.message_done(id).await;
    assert_eq!((&again["state"], &again["attempts"]), (&json!("quarantined"), &json!(2)));
    assert_eq!(shop.list("/api/v1/jobs/dead-letters").await.len(), 1);

    let discarded = shop.call("POST", &format!("{quarantine}/{id}/discard"), &[], None).await.expect(200);
    assert_eq!(discarded["state"], "discarded");
    assert!(shop.list(&quarantine).await.is_empty() && shop.list("/api/v1/jobs/dead-letters").await.is_empty());
    assert_eq!(intake_job(&shop, id).await["state"], "discarded");
    let twice = shop.call("POST", &format!("{quarantine}/{id}/replay"), &[], None).await;
    assert_eq!(twice.status, 409, "{}", twice.body);
}

static BREAK: Command = Command::new("test.break", Permission::OrderWrite);

async fn statement(shop: &Shop, sql: &'static str) {
    shop.scope().await.write(&BREAK, move |cx| Ok(cx.tx().run(sql, [])?)).await.unwrap();
}

/// RA4.2: three runs, then quarantine; once the cause is gone, a replay or a retry of the dead letter makes the order.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_failed_for_a_passing_reason_becomes_an_order_after_the_fix() {
    let shop = Shop::open_at_rest().await;
    statement(
        &shop,
        "CREATE TRIGGER broken BEFORE INSERT ON sales_order WHEN NEW.external_id IN ('51', '52')
         BEGIN SELECT RAISE(ABORT, 'out of order for now'); END",
    )
    .await;
    let mut ids = Vec::new();
    for number in [51, 52] {
        let body = order(number, &[("SKU-1001", 1, 1_899)]).to_string();
        let receipt = shop.deliver(body.as_bytes(), &format!("d{number}"), &format!("e{number}")).await.expect(200);
        ids.push(receipt["message_id"].as_str().unwrap().to_owned());
    }
    let behind = shop.sell(&order(53, &[("SKU-1001", 1, 1_899)])).await;
    assert_eq!(behind["state"], "done", "others are not held up");
    for (run, minutes) in [(1, 1), (2, 5)] {
        shop.until_count(
            &format!(
                "SELECT count(*) FROM outbox WHERE kind = 'channels.intake' AND attempts = {run} AND state = 'ready'"
            ),
            2,
            SOON,
        )
        .await;
        shop.advance(Duration::from_mins(minutes)).await;
    }
    for id in &ids {
        let message = shop.message_done(id).await;
        assert_eq!(message["state"], "quarantined");
        assert!(message["error"].as_str().unwrap().contains("out of order for now"), "{message}");
    }
    let job = intake_job(&shop, &ids[0]).await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(3)));
    let ends: Vec<&str> =
        job["history"].as_array().unwrap().iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["retry", "retry", "dead"]);

    statement(&shop, "DROP TRIGGER broken").await;
    let replay = format!("{}/quarantine/{}/replay", shop.channel_path(), ids[0]);
    shop.call("POST", &replay, &[], None).await.expect(202);
    let dead = intake_job(&shop, &ids[1]).await;
    shop.call("POST", &format!("/api/v1/jobs/{}/retry", dead["id"].as_str().unwrap()), &[], None).await.expect(200);
    shop.until_count("SELECT count(*) FROM sales_order", 3, SOON).await;
    for id in &ids {
        let message = shop.message_done(id).await;
        assert_eq!((&message["state"], &message["error"]), (&json!("done"), &Value::Null));
        assert_eq!(intake_job(&shop, id).await["state"], "done");
    }
    assert!(shop.list("/api/v1/jobs/dead-letters").await.is_empty());
    assert!(shop.list(&format!("{}/quarantine", shop.channel_path())).await.is_empty());
    shop.assert_sound().await;
}

/// Texts as long as Shopify lets them be must not cost an order.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_very_long_texts_is_taken_in() {
    let shop = Shop::open_at_rest().await;
    let mut long = order(61, &[("SKU-1001", 1, 1_899)]);
    long["line_items"][0]["sku"] = json!("S".repeat(255));
    long["line_items"][0]["title"] = json!("ü".repeat(2_000));
    long["customer"]["first_name"] = json!("a".repeat(255));
    long["customer"]["last_name"] = json!("b".repeat(255));
    long["customer"]["email"] = json!(format!("{}@example.com", "e".repeat(300)));
    long["phone"] = json!("0".repeat(255));
    long["note"] = json!("n".repeat(9_000));
    long["name"] = json!("#".repeat(300));
    long["payment_gateway_names"] = json!(["g".repeat(255)]);
    let message = shop.sell(&long).await;
    assert_eq!(message["state"], "done", "{}", message["error"]);
}

// --- shortfalls and sums

async fn of_variant(shop: &Shop, variant: VariantId) -> Value {
    shop.list(&format!("/api/v1/inventory/levels?variant_id={variant}&state=short"))
        .await
        .first()
        .cloned()
        .unwrap_or_default()
}

/// D32: what was sold and is not there is visible as such, and filled first in, first out when pieces arrive.
#[tokio::test(flavor = "multi_thread")]
async fn missing_pieces_show_and_the_first_who_waits_gets_them_first() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("RARE", "5.00", 1, 0).await;
    let mut orders = Vec::new();
    for number in 71..74 {
        orders.push(shop.sell(&order(number, &[("RARE", 2, 500)])).await);
    }
    let short = async || {
        let taken = join_all(orders.iter().map(|message| shop.order_of(message))).await;
        taken.iter().map(|order| order["short_quantity"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(short().await, [1, 2, 2]);
    assert_eq!(of_variant(&shop, variant).await["short"], 5);
    assert_eq!(shop.list("/api/v1/orders?stock_status=short").await.len(), 3);

    shop.receive(&variant.to_string(), "MAIN", 2).await;
    assert_eq!(short().await, [0, 1, 2], "the oldest first, then the next one as far as it goes");
    assert_eq!(shop.level(variant, "MAIN").await, (3, 3));
    shop.receive(&variant.to_string(), "DEPOT", 4).await;
    assert_eq!(short().await, [0, 0, 0]);
    assert_eq!(shop.level(variant, "DEPOT").await, (4, 3));
    assert_eq!(of_variant(&shop, variant).await, Value::Null);
    assert!(shop.list("/api/v1/orders?stock_status=short").await.is_empty());
    let steps = shop.list(&format!("/api/v1/orders/{}/timeline", orders[2]["order_id"].as_str().unwrap())).await;
    let said: Vec<&str> = steps.iter().map(|step| step["summary"].as_str().unwrap()).collect();
    assert_eq!(said, ["Received as #73", "Short of 2 × RARE", "Stock arrived: 2 × RARE"]);
    shop.assert_sound().await;
}

/// D32: totals that do not add up are taken in, flagged with the difference, reserved, and held.
#[tokio::test(flavor = "multi_thread")]
async fn totals_that_do_not_add_up_are_flagged_with_their_difference_and_held() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("ODD", "10.00", 5, 0).await;
    let mut odd = order(81, &[("ODD", 2, 1_000)]);
    odd["total_price"] = json!("20.07");
    let taken = shop.order_of(&shop.sell(&odd).await).await;
    assert_eq!((&taken["flagged"], &taken["fulfilment_hold"]), (&json!(true), &json!(true)));
    assert_eq!(taken["difference"], json!({ "amount": "0.07", "currency": "EUR" }));
    assert_eq!(amount(&taken["total"]), "20.00", "our own sum stands");
    assert_eq!(shop.level(variant, "MAIN").await, (5, 2), "the stock is held all the same");
    let mut less = order(82, &[("ODD", 1, 1_000)]);
    less["total_price"] = json!("9.99");
    let taken = shop.order_of(&shop.sell(&less).await).await;
    assert_eq!(amount(&taken["difference"]), "-0.01");
    let flagged = shop.list("/api/v1/orders?flagged=true").await;
    assert_eq!(flagged.len(), 2);
}

/// A signed delivery is answered, never failed, however long its headers are.
#[tokio::test(flavor = "multi_thread")]
async fn headers_as_long_as_they_may_be_are_kept_and_longer_ones_are_refused() {
    let shop = Shop::open_at_rest().await;
    let body = order(91, &[("SKU-1001", 1, 1_899)]).to_string();
    let long = "x".repeat(255);
    assert_eq!(shop.deliver(body.as_bytes(), &long, &long).await.status, 200);
    let longer = "x".repeat(256);
    let refused = shop.deliver(body.as_bytes(), &longer, "e").await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (400, Some("header_malformed")));
}

// --- Google out of reach

async fn push_jobs(shop: &Shop, state: &str) -> i64 {
    shop.count(&format!("SELECT count(*) FROM outbox WHERE kind = 'feeds.push_stock' AND state = '{state}'")).await
}

/// D1, RV2: two days without a line burn no attempt and bury nothing; when the line is back, Google learns how things stand now, once.
#[tokio::test(flavor = "multi_thread")]
async fn two_days_without_a_line_to_google_burn_nothing_and_drain_when_it_is_back() {
    let shop = Shop::open_at_rest().await;
    let google = shop.google();
    google.set_faults(Faults { offline: true, ..Faults::default() }).await;
    shop.article("STORY-1", "18.99", 9, 0).await;
    let all = push_jobs(&shop, "ready").await;
    assert!(all > 300);
    for hour in 0..48_u64 {
        if hour % 12 == 0 {
            assert_eq!(shop.sell(&order(9_000 + hour, &[("STORY-1", 1, 1_899)])).await["state"], "done");
        }
        shop.advance(Duration::from_hours(1)).await;
        let probes = "SELECT count(*) FROM outbox WHERE kind = 'feeds.push_stock' AND state = 'waiting'";
        shop.until("a probe came back", SOON, async || if shop.count(probes).await > 0 { Ok(()) } else { Err(()) })
            .await;
    }
    let spent = "SELECT count(*) FROM outbox WHERE kind LIKE 'feeds.%' AND (attempts > 0 OR state IN ('dead', 'done'))";
    assert_eq!(shop.count(spent).await, 0, "nothing was burned");

    google.set_faults(Faults::default()).await;
    shop.until("Google knows what is left", Duration::from_secs(120), async || {
        shop.advance(Duration::from_secs(35)).await;
        let open =
            push_jobs(&shop, "ready").await + push_jobs(&shop, "waiting").await + push_jobs(&shop, "running").await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    assert_eq!(shop.count("SELECT count(*) FROM outbox WHERE state = 'dead'").await, 0);
    let record = google.inventory("STORY-1", "BONN-01").unwrap();
    let told: Vec<Option<i64>> = record.effects.iter().map(|effect| effect.quantity).collect();
    assert_eq!(told, [Some(5)], "four were sold meanwhile, and that is all that Google was told");
    shop.assert_sound().await;
}
