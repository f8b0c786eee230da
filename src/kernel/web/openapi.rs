//! The OpenAPI 3.1 document, generated from the route table.

use super::gate::API_VERSION;
use super::limits::Class;
use super::problem::ProblemDocument;
use super::route::{Access, Route};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The document of a table.
pub fn document(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<ProblemDocument>();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut generator);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    let schemas = Value::Object(generator.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "bodega",
            "version": API_VERSION,
            "summary": "A store's whole back office.",
            "description": "Orders, stock, channels, jobs and feeds of one store. Errors are problem documents of RFC 9457.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An API token: bdg_…" },
                "session": { "type": "apiKey", "in": "cookie", "name": "bodega_session" },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut out = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "security": security(route.access),
        "parameters": parameters(route, generator),
        "responses": responses(route, generator),
    });
    let Some(fields) = out.as_object_mut() else { return out };
    if let Access::Needs(permission) = route.access {
        fields.insert("x-permission".to_owned(), json!(permission.name()));
    }
    if let Some(body) = route.body {
        let schema = body(generator);
        fields.insert(
            "requestBody".to_owned(),
            json!({ "required": true, "content": { "application/json": { "schema": schema } } }),
        );
    } else if route.raw_body {
        let content = json!({ "application/json": { "schema": {} } });
        fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    out
}

fn tag(path: &str) -> &str {
    let rest = path.strip_prefix("/api/v1/").unwrap_or(path);
    let first = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
    if path.starts_with("/api/v1/") || first == "hooks" { first } else { "service" }
}

fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::Signature => json!([]),
        Access::SignedIn | Access::Needs(_) => json!([{ "token": [] }, { "session": [] }]),
    }
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut out: Vec<Value> = route
        .parameters()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(query) = route.query {
        let schema = query(generator).to_value();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, schema) in properties {
                let mut parameter = json!({ "name": name, "in": "query", "required": false, "schema": schema });
                if let (Some(text), Some(fields)) = (schema.get("description"), parameter.as_object_mut()) {
                    fields.insert("description".to_owned(), text.clone());
                }
                out.push(parameter);
            }
        }
    }
    if route.method == "POST" && matches!(route.access, Access::Needs(_)) {
        out.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Repeats with the same key and body have one effect and one answer.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    out
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut out = Map::new();
    for outcome in &route.outcomes {
        let mut response = json!({ "description": outcome.description });
        let content = match (outcome.schema, outcome.content_type) {
            (Some(schema), content_type) => {
                Some((content_type.unwrap_or("application/json"), schema(generator).to_value()))
            }
            (None, Some(content_type)) => Some((content_type, json!({ "type": "string" }))),
            (None, None) => None,
        };
        if let (Some((content_type, schema)), Some(fields)) = (content, response.as_object_mut()) {
            let mut by_type = Map::new();
            by_type.insert(content_type.to_owned(), json!({ "schema": schema }));
            fields.insert("content".to_owned(), Value::Object(by_type));
        }
        out.insert(outcome.status.to_string(), response);
    }
    for (status, description) in refusals(route) {
        let schema = json!({ "$ref": "#/components/schemas/ProblemDocument" });
        out.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": description,
                "content": { "application/problem+json": { "schema": schema } },
            })
        });
    }
    Value::Object(out)
}

/// The refusals that follow from a route's access, parameters and body, and its own.
fn refusals(route: &Route) -> Vec<(u16, &'static str)> {
    let mut out: Vec<u16> = route.refusals.clone();
    let has_parameters = route.parameters().next().is_some();
    if matches!(route.access, Access::SignedIn | Access::Needs(_)) {
        out.extend([401, 403]);
    }
    if route.access == Access::Signature {
        out.push(401);
    }
    if route.class != Class::Free {
        out.push(429);
    }
    if has_parameters || route.query.is_some() {
        out.push(422);
    }
    if has_parameters {
        out.push(404);
    }
    if route.body.is_some() || route.raw_body {
        out.extend([400, 413]);
    }
    if route.body.is_some() {
        out.extend([415, 422]);
    }
    if route.method == "POST" && matches!(route.access, Access::Needs(_)) {
        out.extend([409, 422]);
    }
    out.extend([503]);
    if route.method != "GET" {
        out.push(507);
    }
    out.sort_unstable();
    out.dedup();
    out.into_iter().map(|status| (status, describe(status))).collect()
}

const fn describe(status: u16) -> &'static str {
    match status {
        400 => "The bytes cannot be understood.",
        401 => "Not signed in, or the signature is wrong.",
        403 => "The named permission is missing.",
        404 => "There is no such thing in this store.",
        409 => "It contradicts what stands.",
        412 => "It was changed meanwhile.",
        413 => "The body is too large.",
        415 => "The content type is not read here.",
        422 => "Understood and refused.",
        429 => "Too many requests.",
        503 => "Not possible now.",
        507 => "The disk is full.",
        _ => "Refused.",
    }
}

/// Whether the problem schema has a name of its own; a golden test relies on it.
pub fn problem_schema_name() -> String {
    ProblemDocument::schema_name().into_owned()
}
