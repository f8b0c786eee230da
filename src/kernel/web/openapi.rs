//! The OpenAPI 3.1 document, generated from the route table.

use super::call::PARAMETER_MAX;
use super::gate::API_VERSION;
use super::limits::Class;
use super::problem::ProblemDocument;
use super::route::{Access, Outcome, Route};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Texts in requests hold no control characters but line breaks and tabs, as `is_clean` checks them.
const CLEAN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

fn clean_text(schema: &mut Schema) {
    let is_text = match schema.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => false,
    };
    let is_said = ["pattern", "format", "enum", "const"].iter().any(|word| schema.get(*word).is_some());
    if is_text && !is_said {
        schema.insert("pattern".to_owned(), json!(CLEAN));
    }
}

/// What requests and answers are made of. The two differ: an optional field may be left out of a request, and is always there in an answer.
struct Shapes {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let clean = RecursiveTransform(clean_text);
        let requests = settings.clone().for_deserialize().with_transform(clean).into_generator();
        Self { requests, answers: settings.for_serialize().into_generator() }
    }

    fn take(mut self) -> (Map<String, Value>, Map<String, Value>) {
        (self.requests.take_definitions(true), self.answers.take_definitions(true))
    }
}

/// Shapes whose one name means one thing in a request and another in an answer. There must be none: the document has one place for names.
pub fn ambiguous_names(routes: &[Route]) -> Vec<String> {
    let mut shapes = Shapes::new();
    for route in routes {
        operation(route, &mut shapes);
    }
    let (requests, answers) = shapes.take();
    let is_other = |(name, shape): &(String, Value)| requests.get(name).is_some_and(|asked| asked != shape);
    answers.into_iter().filter(is_other).map(|(name, _)| name).collect()
}

/// The document of a table.
pub fn document(routes: &[Route]) -> Value {
    let mut shapes = Shapes::new();
    shapes.answers.subschema_for::<ProblemDocument>();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut shapes);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    let (requests, mut schemas) = shapes.take();
    schemas.extend(requests);
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
        "tags": tags(routes),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": headers(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "An API token: bdg_…" },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "bodega_session",
                    "description": "A browser's session. Requests that change something also carry its `X-CSRF-Token`.",
                },
            },
        },
    })
}

fn tags(routes: &[Route]) -> Vec<Value> {
    let names: BTreeSet<&str> = routes.iter().map(|route| tag(route.path)).collect();
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

/// Headers of answers.
fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let number =
        |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
    let mut out = json!({
        "Api-Version": text("The release of the API."),
        "ETag": text("Changes with the answer. Goes into `If-None-Match`, and where the operation says so into `If-Match`."),
        "Idempotent-Replayed": text("`true` when an earlier request with this `Idempotency-Key` is answered again."),
        "Location": text("Address of what was made, or of the job that does it."),
        "RateLimit": text("What is left of the limit (draft-ietf-httpapi-ratelimit-headers-11)."),
        "RateLimit-Policy": text("The limit that counts here."),
        "Retry-After": number("Seconds after which a repeat makes sense."),
        "X-Request-Id": text("The request, as in the logs and in problem documents."),
    });
    for name in ["Api-Version", "X-Request-Id"] {
        if let Some(header) = out.get_mut(name).and_then(Value::as_object_mut) {
            header.insert("required".to_owned(), json!(true));
        }
    }
    out
}

/// Headers of an answer of this status.
fn headers_of(route: &Route, status: u16) -> Value {
    let mut names = vec!["X-Request-Id", "Api-Version"];
    if route.class != Class::Free {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    match status {
        200 | 304 if route.method == "GET" => names.push("ETag"),
        201 | 202 => names.push("Location"),
        409 | 429 | 503 => names.push("Retry-After"),
        _ => {}
    }
    if takes_key(route) && (200..300).contains(&status) {
        names.push("Idempotent-Replayed");
    }
    let reference = |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.into_iter().map(reference).collect())
}

/// Whether an `Idempotency-Key` counts.
fn takes_key(route: &Route) -> bool {
    matches!(route.method, "POST" | "PATCH") && matches!(route.access, Access::Needs(_))
}

/// Whether the answer is JSON of a read, which carries a tag.
fn is_tagged(route: &Route) -> bool {
    let is_json = |outcome: &Outcome| outcome.status == 200 && outcome.schema.is_some();
    route.method == "GET" && route.outcomes.iter().any(is_json)
}

fn operation(route: &Route, shapes: &mut Shapes) -> Value {
    let mut out = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "security": security(route.access),
        "parameters": parameters(route, shapes),
        "responses": responses(route, shapes),
    });
    let Some(fields) = out.as_object_mut() else { return out };
    if let Access::Needs(permission) = route.access {
        fields.insert("x-permission".to_owned(), json!(permission.name()));
    }
    if let Some(body) = route.body {
        let schema = body(&mut shapes.requests);
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

fn parameters(route: &Route, shapes: &mut Shapes) -> Vec<Value> {
    let mut out: Vec<Value> = route
        .parameters()
        .map(|name| {
            let shape = route.path_shapes.iter().find(|(of, _)| *of == name);
            let schema =
                shape.map_or_else(|| json!({ "type": "string" }), |(_, shape)| shape(&mut shapes.requests).to_value());
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    if let Some(query) = route.query {
        let schema = query(&mut shapes.requests).to_value();
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, schema) in properties {
                let schema = one_value(schema);
                let mut parameter = json!({ "name": name, "in": "query", "required": false, "schema": schema });
                if let (Some(text), Some(fields)) = (schema.get("description"), parameter.as_object_mut()) {
                    fields.insert("description".to_owned(), text.clone());
                }
                out.push(parameter);
            }
        }
    }
    let mut header = |name: &str, description: &str, schema: Value| {
        out.push(json!({
            "name": name, "in": "header", "required": false, "description": description, "schema": schema,
        }));
    };
    if takes_key(route) {
        let schema =
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^([!#-~][ -~]*|\"[ -~]+\" *)$" });
        header("Idempotency-Key", "Repeats with the same key and body have one effect and one answer.", schema);
    }
    if route.refusals.contains(&412) {
        header("If-Match", "Only at this version.", json!({ "type": "string" }));
    }
    if is_tagged(route) {
        header("If-None-Match", "Only if it changed.", json!({ "type": "string" }));
    }
    out
}

/// The shape of a parameter: it is there or not, but never null; texts have the length that all parameters have.
fn one_value(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        if let Some(Value::Array(types)) = fields.get("type")
            && let [only] = types.iter().filter(|name| *name != "null").collect::<Vec<_>>().as_slice()
        {
            let only = (*only).clone();
            fields.insert("type".to_owned(), only);
        }
        if let Some(Value::Array(forms)) = fields.get("anyOf")
            && let [only] =
                forms.iter().filter(|form| form.get("type") != Some(&json!("null"))).collect::<Vec<_>>().as_slice()
        {
            return (*only).clone();
        }
        if fields.get("type") == Some(&json!("string")) {
            fields.entry("maxLength").or_insert_with(|| json!(PARAMETER_MAX));
            if !fields.contains_key("enum") {
                fields.entry("pattern").or_insert_with(|| json!(CLEAN));
            }
        }
    }
    schema
}

fn responses(route: &Route, shapes: &mut Shapes) -> Value {
    let mut out = Map::new();
    for outcome in &route.outcomes {
        let headers = headers_of(route, outcome.status);
        let mut response = json!({ "description": outcome.description, "headers": headers });
        let content = match (outcome.schema, outcome.content_type) {
            (Some(schema), content_type) => {
                Some((content_type.unwrap_or("application/json"), schema(&mut shapes.answers).to_value()))
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
    if is_tagged(route) {
        let headers = headers_of(route, 304);
        out.insert(
            "304".to_owned(),
            json!({ "description": "It is still what `If-None-Match` names.", "headers": headers }),
        );
    }
    for (status, description) in refusals(route) {
        let schema = json!({ "$ref": "#/components/schemas/ProblemDocument" });
        out.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": description,
                "headers": headers_of(route, status),
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
    if has_parameters || route.query.is_some() || matches!(route.access, Access::SignedIn | Access::Needs(_)) {
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
    if takes_key(route) {
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
