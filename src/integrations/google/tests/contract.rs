//! What we send and what the sandbox answers have the recorded shapes (requirement RV9).

use super::*;

const PRODUCTS: &str =
    "/products/v1/accounts/123456789/productInputs:insert?dataSource=accounts/123456789/dataSources/1000000001";

fn stock_path(id: &str) -> String {
    format!(
        "/inventories/v1/accounts/123456789/products/{}/localInventories:insert",
        data_encoding::BASE64URL_NOPAD.encode(id.as_bytes())
    )
}

#[test]
fn the_bodies_that_are_sent_equal_the_recorded_ones() {
    let account = FeedAccount {
        account_id: "123456789".to_owned(),
        data_source: "1000000001".to_owned(),
        content_language: "en".to_owned(),
        feed_label: "US".to_owned(),
    };
    let product = wire::product_input(&account, &tea(), 42).unwrap();
    assert_eq!(serde_json::to_value(product).unwrap(), fixture("product_input_insert_request"));
    let stock = wire::local_inventory(&shelf()).unwrap();
    assert_eq!(serde_json::to_value(stock).unwrap(), fixture("local_inventory_insert_request"));
}

#[test]
fn empty_attributes_are_left_out_and_missing_identifiers_are_said() {
    let mut input = tea();
    input.item = FeedItem { gtins: vec![], mpn: None, sale: None, image_link: None, weight_grams: None, ..input.item };
    let account = FeedAccount {
        account_id: "1".into(),
        data_source: "2".into(),
        content_language: "en".into(),
        feed_label: "US".into(),
    };
    let sent = serde_json::to_value(wire::product_input(&account, &input, i64::MAX).unwrap()).unwrap();
    assert_eq!(sent["versionNumber"], "9223372036854775807");
    assert_eq!(sent["productAttributes"]["identifierExists"], false);
    for absent in ["gtins", "mpn", "salePrice", "salePriceEffectiveDate", "imageLink", "shippingWeight"] {
        assert!(sent["productAttributes"].get(absent).is_none(), "{absent}");
    }
}

#[test]
fn amounts_are_micros_whatever_decimals_the_currency_has() {
    for (amount, code, micros) in
        [("18.99", "EUR", "18990000"), ("1500", "JPY", "1500000000"), ("1.234", "KWD", "1234000")]
    {
        let money = Money::parse(amount, Currency::parse(code).unwrap()).unwrap();
        assert_eq!(wire::PriceWire::from(money).amount_micros, micros);
    }
}

#[test]
fn names_are_base64url_without_padding() {
    let account = FeedAccount {
        account_id: "1".into(),
        data_source: "2".into(),
        content_language: "en".into(),
        feed_label: "US".into(),
    };
    assert_eq!(wire::encoded_product_id(&account, "sku/123"), "ZW5-VVN-c2t1LzEyMw");
}

#[tokio::test]
async fn the_sandbox_answers_inserts_in_the_recorded_shape() {
    let rig = rig().await;
    let answer = rig.raw(Method::POST, PRODUCTS, &fixture("product_input_insert_request").to_string()).await;
    assert_eq!((answer.status, body(&answer)), (200, fixture("product_input_insert_response")));
    let quotas = rig.raw(Method::GET, "/quota/v1/accounts/123456789/quotas", "").await;
    assert_eq!(body(&quotas), fixture("quotas_list_response"));
    let request = fixture("local_inventory_insert_request").to_string();
    let answer = rig.raw(Method::POST, &stock_path("en~US~TEA/100"), &request).await;
    assert_eq!((answer.status, body(&answer)), (200, fixture("local_inventory_insert_response")));
}

#[tokio::test]
async fn the_sandbox_refuses_in_the_recorded_shapes() {
    let rig = rig().await;
    let product = fixture("product_input_insert_request").to_string();
    let stock = fixture("local_inventory_insert_request").to_string();
    let expect = |answer: &Answer, status: u16, name: &str| {
        assert_eq!((answer.status, body(answer)), (status, fixture(name)), "{name}");
    };
    expect(
        &rig.plain(Method::GET, "/products/v1/accounts/123456789/products", "", Some("old")).await,
        401,
        "error_401_token",
    );
    expect(&rig.plain(Method::GET, "/products/v1/accounts/123456789/products", "", None).await, 401, "error_401_token");
    expect(&rig.raw(Method::GET, "/products/v1/accounts/abc/products", "").await, 400, "error_400_name");
    expect(&rig.raw(Method::GET, "/products/v1/accounts/987654321/products", "").await, 403, "error_403_account");
    expect(&rig.raw(Method::POST, &stock_path("en~US~NONE"), &stock).await, 404, "error_404_product");
    expect(&rig.raw(Method::GET, "/content/v2.1/123456789/products", "").await, 410, "error_410_content_api");
    let gone = rig.plain(Method::POST, "/content/v2.1/123456789/products", "{}", None).await;
    expect(&gone, 410, "error_410_content_api");
    assert_eq!(rig.raw(Method::POST, PRODUCTS, &product).await.status, 200);
    expect(&rig.raw(Method::POST, PRODUCTS, &product.replace("\"42\"", "\"41\"")).await, 409, "error_409_version");
    rig.faults(Faults { not_registered: true, ..Faults::default() }).await;
    expect(&rig.raw(Method::POST, PRODUCTS, &product).await, 401, "error_401_not_registered");
    rig.faults(Faults { daily_limit: Some(0), ..Faults::default() }).await;
    expect(&rig.raw(Method::POST, PRODUCTS, &product).await, 429, "error_429_day");
    rig.faults(Faults { minute_limit: Some(0), ..Faults::default() }).await;
    expect(&rig.raw(Method::POST, PRODUCTS, &product).await, 429, "error_429_minute");
    rig.faults(Faults { error_503: true, ..Faults::default() }).await;
    expect(&rig.raw(Method::POST, PRODUCTS, &product).await, 503, "error_503");
}

#[tokio::test]
async fn the_sandbox_refuses_bodies_of_a_wrong_shape() {
    let rig = rig().await;
    let good = fixture("product_input_insert_request");
    let changes: &[(&str, Value)] = &[
        ("/offerId", Value::from("")),
        ("/contentLanguage", Value::from("english")),
        ("/feedLabel", Value::from("us")),
        ("/feedLabel", Value::from("A".repeat(21))),
        ("/versionNumber", Value::from("x")),
        ("/productAttributes", Value::from("x")),
        ("/productAttributes/availability", Value::from("in_stock")),
        ("/productAttributes/condition", Value::from("OLD")),
        ("/productAttributes/price/amountMicros", Value::from("1.5")),
        ("/productAttributes/price/amountMicros", Value::from("-1")),
        ("/productAttributes/price/currencyCode", Value::from("EURO")),
        ("/productAttributes/price", Value::from(5)),
        ("/productAttributes/gtins", Value::from("4012345678901")),
        ("/productAttributes/gtins", Value::from(vec!["4012345678901"; 11])),
        ("/productAttributes/shippingWeight/unit", Value::from("stone")),
    ];
    for (pointer, value) in changes {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        let answer = rig.raw(Method::POST, PRODUCTS, &wrong.to_string()).await;
        assert_eq!(
            (answer.status, &body(&answer)["error"]["status"]),
            (400, &Value::from("INVALID_ARGUMENT")),
            "{pointer} {value}"
        );
    }
    let mut extra = good.clone();
    extra["channel"] = Value::from("online");
    assert_eq!(rig.raw(Method::POST, PRODUCTS, &extra.to_string()).await.status, 400);
    assert_eq!(rig.raw(Method::POST, PRODUCTS, "{").await.status, 400);
    let no_source = "/products/v1/accounts/123456789/productInputs:insert";
    assert_eq!(rig.raw(Method::POST, no_source, &good.to_string()).await.status, 400);
    let stock = fixture("local_inventory_insert_request");
    for (pointer, value) in [
        ("/storeCode", Value::from("")),
        ("/localInventoryAttributes/quantity", Value::from("-1")),
        ("/localInventoryAttributes/quantity", Value::from("many")),
        ("/localInventoryAttributes/availability", Value::from("PREORDER")),
        ("/localInventoryAttributes/pickupSla", Value::from("NOW")),
        ("/localInventoryAttributes/instoreProductLocation", Value::from("x".repeat(21))),
    ] {
        let mut wrong = stock.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(
            rig.raw(Method::POST, &stock_path("en~US~TEA/100"), &wrong.to_string()).await.status,
            400,
            "{pointer} {value}"
        );
    }
}

#[tokio::test]
async fn products_are_listed_by_pages_and_read_under_both_names() {
    let rig = rig().await;
    for number in 0..5 {
        let mut product = fixture("product_input_insert_request");
        product["offerId"] = Value::from(format!("SKU-{number}"));
        assert_eq!(rig.raw(Method::POST, PRODUCTS, &product.to_string()).await.status, 200);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/products/v1/accounts/123456789/products?pageSize=2&pageToken={token}");
        let page = body(&rig.raw(Method::GET, &path, "").await);
        seen.extend(page["products"].as_array().unwrap().iter().map(|p| p["offerId"].as_str().unwrap().to_owned()));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["SKU-0", "SKU-1", "SKU-2", "SKU-3", "SKU-4"]);
    for id in ["en~US~SKU-3", "en%7EUS%7ESKU-3", &data_encoding::BASE64URL_NOPAD.encode(b"en~US~SKU-3")] {
        let product = body(&rig.raw(Method::GET, &format!("/products/v1/accounts/123456789/products/{id}"), "").await);
        assert_eq!(product["offerId"], "SKU-3", "{id}");
        assert_eq!(product["productStatus"]["destinationStatuses"][1]["reportingContext"], "FREE_LOCAL_LISTINGS");
    }
}

#[tokio::test]
async fn the_control_api_answers_also_when_the_vendor_is_offline() {
    let rig = rig().await;
    rig.product(1).await.unwrap();
    rig.stock(7).await.unwrap();
    let control = Endpoint::sandbox(&rig.sandbox.control_url).unwrap();
    let call = |method: Method, path: &str| Call::new("control", "control", &control, method, path);
    let set = call(Method::PUT, "/_control/faults").body("application/json", r#"{"offline":true}"#);
    assert_eq!(body(&rig.egress.send(set).await.unwrap())["offline"], true);
    assert!(matches!(rig.stock(8).await, Err(PushError::Offline { .. })));
    let record = body(&rig.egress.send(call(Method::GET, "/_control/inventory/TEA%2F100/MAIN-1")).await.unwrap());
    assert_eq!((&record["quantity"], &record["inserts"]), (&Value::from(7), &Value::from(1)));
    let overview = body(&rig.egress.send(call(Method::GET, "/_control")).await.unwrap());
    assert_eq!(overview["counters"]["local_inventories"], 1);
    assert_eq!(overview["records"]["products"][0]["offer_id"], "TEA/100");
    let wrong = call(Method::PUT, "/_control/faults").body("application/json", r#"{"offlin":true}"#);
    assert_eq!(rig.egress.send(wrong).await.unwrap().status, 400);
}
