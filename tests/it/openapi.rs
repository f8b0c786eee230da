//! The OpenAPI document: the committed one is the one that is served, and what it says holds together.

use crate::harness::http::{Ask, Served, UNLIMITED};
use bodega::app::routes::openapi_document;
use bodega::kernel::web::openapi::ambiguous_names;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn references<'a>(value: &'a Value, out: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            out.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, out));
        }
        Value::Array(rows) => rows.iter().for_each(|row| references(row, out)),
        _ => {}
    }
}

/// D28: clients are generated from the committed document. `BODEGA_BLESS=1` writes it.
#[tokio::test]
async fn the_committed_document_is_the_one_of_the_table() {
    let served = Served::start(UNLIMITED).await;
    let mut text = serde_json::to_string_pretty(&openapi_document(&served.table)).unwrap();
    text.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/openapi.json");
    if std::env::var_os("BODEGA_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "assets/openapi.json is out of date: run this test with BODEGA_BLESS=1 and look at what changed"
    );
}

#[tokio::test]
async fn every_name_in_the_document_is_there_and_means_one_thing() {
    let served = Served::start(UNLIMITED).await;
    assert_eq!(ambiguous_names(&served.table), Vec::<String>::new());
    let document = openapi_document(&served.table);
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        let pointer = reference.strip_prefix('#').expect("all references are local");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            !name.ends_with("Wire") && !name.ends_with(|c: char| c.is_ascii_digit()),
            "{name} is no name for others"
        );
        assert!(used.contains(format!("#/components/schemas/{name}").as_str()), "{name} is not used");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: its name is taken");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{method} {path} has no summary");
            for parameter in operation["parameters"].as_array().unwrap() {
                let is_open = parameter["in"] == "path" && parameter["schema"]["type"] == "string";
                assert!(!is_open || path.starts_with("/hooks/"), "{method} {path}: {parameter} has no shape");
            }
        }
    }
}

/// What is served is what is committed, but for what is added while it is made.
#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let served = Served::start(UNLIMITED).await;
    let got = served.send(&Ask::new("GET", "/openapi.json")).await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
    let operations = |document: &Value| document["paths"].as_object().unwrap().len();
    // The document cannot hold the route that serves it before it is made.
    assert_eq!(operations(&got.json()) + 1, operations(&openapi_document(&served.table)));
}
