//! The shapes that the API accepts, checked field by field and independent of the client's own types.

use super::Reply;
use super::merchant::error;
use serde_json::{Map, Value};

const PRODUCT_INPUT: &[&str] = &[
    "name",
    "base64EncodedName",
    "product",
    "base64EncodedProduct",
    "legacyLocal",
    "offerId",
    "contentLanguage",
    "feedLabel",
    "versionNumber",
    "productAttributes",
    "customAttributes",
];
const PRODUCT_ATTRIBUTES: &[&str] = &[
    "title",
    "description",
    "link",
    "imageLink",
    "additionalImageLinks",
    "availability",
    "condition",
    "price",
    "salePrice",
    "salePriceEffectiveDate",
    "gtins",
    "mpn",
    "brand",
    "identifierExists",
    "googleProductCategory",
    "productTypes",
    "itemGroupId",
    "color",
    "size",
    "shippingWeight",
];
const LOCAL_INVENTORY: &[&str] = &["name", "base64EncodedName", "account", "storeCode", "localInventoryAttributes"];
const LOCAL_ATTRIBUTES: &[&str] = &[
    "price",
    "salePrice",
    "salePriceEffectiveDate",
    "availability",
    "quantity",
    "pickupMethod",
    "pickupSla",
    "instoreProductLocation",
];
const PRODUCT_AVAILABILITY: &[&str] = &["IN_STOCK", "OUT_OF_STOCK", "PREORDER", "LIMITED_AVAILABILITY", "BACKORDER"];
const LOCAL_AVAILABILITY: &[&str] = &["IN_STOCK", "LIMITED_AVAILABILITY", "ON_DISPLAY_TO_ORDER", "OUT_OF_STOCK"];
const CONDITION: &[&str] = &["NEW", "USED", "REFURBISHED"];
const PICKUP_METHOD: &[&str] = &["BUY", "RESERVE", "SHIP_TO_STORE", "NOT_SUPPORTED"];
const PICKUP_SLA: &[&str] =
    &["SAME_DAY", "NEXT_DAY", "TWO_DAY", "THREE_DAY", "FOUR_DAY", "FIVE_DAY", "SIX_DAY", "SEVEN_DAY", "MULTI_WEEK"];

/// A complaint: the answer that says it.
pub(super) type Refused = Reply;

/// A product input that was accepted.
pub(super) struct Product {
    pub(super) offer_id: String,
    pub(super) language: String,
    pub(super) label: String,
    pub(super) version: Option<i64>,
    pub(super) attributes: Map<String, Value>,
}

/// Reads a JSON object, as the API's front end does.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    serde_json::from_slice(body).map_err(|_unreadable| plain("Invalid JSON payload received. Unexpected token."))
}

/// A 64-bit integer: JSON of protocol buffers takes it as text or as number.
pub(super) fn int64(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Checks the body of `productInputs:insert`.
pub(super) fn product(body: &Map<String, Value>) -> Result<Product, Refused> {
    known(body, PRODUCT_INPUT, "product_input")?;
    let offer_id = required(body, "offerId")?;
    let language = required(body, "contentLanguage")?;
    if language.len() != 2 || !language.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(field(
            "contentLanguage",
            "INVALID_LANGUAGE",
            "The language must be a two-letter ISO 639-1 code.",
            &language,
        ));
    }
    let label = required(body, "feedLabel")?;
    if label.len() > 20
        || !label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    {
        return Err(field(
            "feedLabel",
            "INVALID_FEED_LABEL",
            "The feed label can have up to 20 of A-Z, 0-9, hyphen and underscore.",
            &label,
        ));
    }
    let version = integer(body, "versionNumber")?;
    let attributes = nested(body, "productAttributes")?;
    known(&attributes, PRODUCT_ATTRIBUTES, "product_input.product_attributes")?;
    one_of(&attributes, "availability", PRODUCT_AVAILABILITY)?;
    one_of(&attributes, "condition", CONDITION)?;
    price(&attributes, "price")?;
    price(&attributes, "salePrice")?;
    for list in ["gtins", "productTypes", "additionalImageLinks"] {
        texts(&attributes, list)?;
    }
    if attributes.get("gtins").and_then(Value::as_array).is_some_and(|gtins| gtins.len() > 10) {
        return Err(field("productAttributes.gtins", "TOO_MANY_VALUES", "At most 10 GTINs can be given.", ""));
    }
    if let Some(weight) = attributes.get("shippingWeight") {
        let unit = weight.get("unit").and_then(Value::as_str).unwrap_or_default();
        if !weight.get("value").is_some_and(Value::is_number) || !["g", "kg", "oz", "lb"].contains(&unit) {
            return Err(field(
                "productAttributes.shippingWeight",
                "INVALID_WEIGHT",
                "A weight has a number and one of g, kg, oz, lb.",
                unit,
            ));
        }
    }
    Ok(Product { offer_id, language, label, version, attributes })
}

/// Checks the body of `localInventories:insert`: the store code and the attributes.
pub(super) fn local_inventory(body: &Map<String, Value>) -> Result<(String, Map<String, Value>), Refused> {
    known(body, LOCAL_INVENTORY, "local_inventory")?;
    let store = required(body, "storeCode")?;
    let attributes = nested(body, "localInventoryAttributes")?;
    known(&attributes, LOCAL_ATTRIBUTES, "local_inventory.local_inventory_attributes")?;
    one_of(&attributes, "availability", LOCAL_AVAILABILITY)?;
    one_of(&attributes, "pickupMethod", PICKUP_METHOD)?;
    one_of(&attributes, "pickupSla", PICKUP_SLA)?;
    price(&attributes, "price")?;
    price(&attributes, "salePrice")?;
    if integer(&attributes, "quantity")?.is_some_and(|pieces| pieces < 0) {
        return Err(field(
            "localInventoryAttributes.quantity",
            "NEGATIVE_QUANTITY",
            "The quantity must be zero or more.",
            "",
        ));
    }
    let supported = attributes.get("pickupMethod").is_some_and(|method| method != "NOT_SUPPORTED");
    if supported != attributes.contains_key("pickupSla") {
        return Err(field(
            "localInventoryAttributes.pickupSla",
            "PICKUP_INCOMPLETE",
            "Pickup method and pickup SLA go together.",
            "",
        ));
    }
    let location = attributes.get("instoreProductLocation").and_then(Value::as_str).unwrap_or_default();
    if location.len() > 20 {
        return Err(field(
            "localInventoryAttributes.instoreProductLocation",
            "VALUE_TOO_LONG",
            "The location can have up to 20 bytes.",
            location,
        ));
    }
    Ok((store, attributes))
}

/// A complaint about one field, in the documented shape.
pub(super) fn field(location: &str, reason: &str, text: &str, value: &str) -> Refused {
    let metadata = [("REASON", reason), ("FIELD_LOCATION", location), ("FIELD_VALUE", value)];
    error(400, "INVALID_ARGUMENT", &format!("[{location}] {text}"), "invalid", &metadata)
}

fn plain(text: &str) -> Refused {
    Reply {
        status: 400,
        body: serde_json::json!({"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}),
    }
}

fn known(body: &Map<String, Value>, names: &[&str], at: &str) -> Result<(), Refused> {
    match body.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => {
            Err(plain(&format!("Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.")))
        }
        None => Ok(()),
    }
}

fn required(body: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    let text = body.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    if text.is_empty() {
        return Err(field(name, "REQUIRED_FIELD_MISSING", "A value is required.", ""));
    }
    Ok(text.to_owned())
}

fn nested(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refused> {
    match body.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields.clone()),
        Some(_) => Err(plain(&format!("Invalid value at '{name}'"))),
    }
}

fn integer(body: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refused> {
    match body.get(name) {
        None => Ok(None),
        Some(value) => {
            int64(value).map(Some).ok_or_else(|| plain(&format!("Invalid value at '{name}' (TYPE_INT64), {value}")))
        }
    }
}

fn one_of(body: &Map<String, Value>, name: &str, values: &[&str]) -> Result<(), Refused> {
    match body.get(name) {
        Some(value) if !value.as_str().is_some_and(|word| values.contains(&word)) => {
            Err(plain(&format!("Invalid value at '{name}' (TYPE_ENUM), {value}")))
        }
        _ => Ok(()),
    }
}

fn texts(body: &Map<String, Value>, name: &str) -> Result<(), Refused> {
    match body.get(name) {
        None => Ok(()),
        Some(Value::Array(values)) if values.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(plain(&format!("Invalid value at '{name}'"))),
    }
}

fn price(body: &Map<String, Value>, name: &str) -> Result<(), Refused> {
    let Some(value) = body.get(name) else { return Ok(()) };
    let micros = value.get("amountMicros").and_then(int64);
    let currency = value.get("currencyCode").and_then(Value::as_str).unwrap_or_default();
    let fields = value.as_object().map_or(0, Map::len);
    if micros.is_none_or(|amount| amount < 0) || currency.len() != 3 || fields != 2 {
        return Err(field(
            name,
            "INVALID_PRICE",
            "A price has amountMicros and a three-letter currencyCode.",
            &value.to_string(),
        ));
    }
    Ok(())
}
