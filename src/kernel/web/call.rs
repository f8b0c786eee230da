//! A request as handlers see it, and what they answer with.

use super::problem;
use crate::base::error::{Fault, Kind, Place};
use crate::base::id::TypedId;
use crate::base::page::{PAGE_DEFAULT, PAGE_MAX, Page, PageRequest, decode_cursor, encode_cursor};
use crate::base::text::{cut, is_clean};
use crate::kernel::once::Reply;
use crate::kernel::scope::{RequestMeta, Scope, Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Longest value of a parameter in the query.
pub const PARAMETER_MAX: usize = 300;

/// A request that passed the gate.
pub struct Call {
    /// What all scopes share.
    pub shared: Arc<Shared>,
    /// The request's ids.
    pub request: RequestMeta,
    /// From where.
    pub peer: IpAddr,
    /// Whether it came over TLS.
    pub is_secure: bool,
    /// All headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
    pub(super) scope: Option<Scope>,
    pub(super) parameters: HashMap<String, String>,
    pub(super) query: String,
}

/// What a handler answers with.
pub enum Answer {
    /// A short answer, possibly recorded.
    Reply(Reply),
    /// Anything else: streams, files.
    Response(Box<axum::response::Response>),
}

impl Call {
    /// The caller's scope. Routes with access by sign-in always have one.
    pub fn scope(&self) -> Result<&Scope, Fault> {
        self.scope.as_ref().ok_or_else(|| {
            Fault::new(Kind::Unauthenticated, "not_signed_in", "Sign in, or send an API token as a bearer token.")
        })
    }

    /// An id in the path.
    pub fn id<T: TypedId>(&self, name: &'static str) -> Result<T, Fault> {
        let text = self.parameter(name)?;
        T::parse(text).map_err(|error| Fault::field(Place::Parameter(name.into()), "invalid_id", error.to_string()))
    }

    /// A text in the path.
    pub fn parameter(&self, name: &'static str) -> Result<&str, Fault> {
        let found = self.parameters.get(name).map(String::as_str);
        found.ok_or_else(|| Fault::broken(format!("the route has no parameter {name}")))
    }

    /// The query, checked against its shape.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        check_parameters(&self.query)?;
        let reader = serde_urlencoded::Deserializer::new(form_pairs(&self.query));
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner().to_string();
            let name = quoted_word(&inner).filter(|_| names_field(&inner)).unwrap_or(path);
            Fault::field(Place::Parameter(Cow::Owned(name)), "invalid_parameter", sentence(&inner))
        })
    }

    /// The JSON body, checked against its shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        // All bodies are objects. An array would be taken for the fields in their order.
        if self.body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Fault::field(Place::Pointer(String::new()), "invalid_value", "The body must be an object."));
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let pointer = pointer_of(error.path());
            json_fault(&error.into_inner(), pointer)
        })?;
        reader.end().map_err(|error| json_fault(&error, String::new()))?;
        Ok(value)
    }

    /// A header as text, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What no parameter may hold, whatever it is for.
fn check_parameters(query: &str) -> Result<(), Fault> {
    for (name, value) in form_pairs(query) {
        if value.chars().count() > PARAMETER_MAX || !is_clean(&value) {
            let name = cut(&name, 60);
            let detail = format!("`{name}` has at most {PARAMETER_MAX} characters and no control characters.");
            return Err(Fault::field(Place::Parameter(name.into()), "invalid_text", detail));
        }
    }
    Ok(())
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

fn json_fault(error: &serde_json::Error, pointer: String) -> Fault {
    if error.classify() != serde_json::error::Category::Data {
        return Fault::new(Kind::Malformed, "malformed_json", format!("The body is not JSON: {error}."));
    }
    let text = error.to_string();
    // The pointer says where; line and column would only make the sentence longer.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let pointer = match quoted_word(text).filter(|_| names_field(text)) {
        Some(field) => {
            let field = escaped(&field);
            let parent = pointer.strip_suffix(&format!("/{field}")).unwrap_or(&pointer);
            format!("{parent}/{field}")
        }
        None => pointer,
    };
    Fault::field(Place::Pointer(pointer), "invalid_value", sentence(&in_json_words(text)))
}

/// What a complaint expects, without the names of types of this program.
fn in_json_words(text: &str) -> String {
    let Some((found, expected)) = text.split_once(", expected ") else { return text.to_owned() };
    let expected = match expected {
        "i64" | "u64" | "i32" | "u32" | "usize" => "a whole number",
        "a sequence" => "an array",
        "a map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// Whether a complaint is about a field as a whole, which it then names.
fn names_field(text: &str) -> bool {
    ["unknown field", "missing field", "duplicate field"].iter().any(|begin| text.starts_with(begin))
}

/// `unknown field `x`, expected …` names its field.
fn quoted_word(text: &str) -> Option<String> {
    text.split('`').nth(1).map(str::to_owned)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// A field's name as a part of a JSON pointer.
fn escaped(field: &str) -> String {
    field.replace('~', "~0").replace('/', "~1")
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    let part = |segment: &serde_path_to_error::Segment| match segment {
        serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
        serde_path_to_error::Segment::Map { key } => format!("/{}", escaped(key)),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => String::new(),
    };
    path.iter().map(part).collect()
}

/// `limit` and `cursor` of a list's query.
pub fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, Fault> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Fault::field(
            Place::Parameter("limit".into()),
            "out_of_range",
            format!("`limit` must lie between 1 and {PAGE_MAX}."),
        ));
    }
    let after = cursor
        .map(|text| {
            decode_cursor(text).ok_or_else(|| {
                Fault::field(
                    Place::Parameter("cursor".into()),
                    "invalid_cursor",
                    "`cursor` is not one that was given out.",
                )
            })
        })
        .transpose()?;
    Ok(PageRequest { limit, after })
}

/// The query of a list that has no filters.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

impl PageQuery {
    /// The wanted page.
    pub fn wanted(&self) -> Result<PageRequest, Fault> {
        page(self.limit, self.cursor.as_deref())
    }
}

/// The wanted page of rows that are few enough to be read whole. The cursor is the position.
pub fn page_of_few<T>(query: &PageQuery, rows: Vec<T>) -> Result<Page<T>, Fault> {
    let wanted = query.wanted()?;
    let from = page_number(&wanted)?.and_then(|from| usize::try_from(from).ok()).unwrap_or(0);
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > from.saturating_add(limit);
    let next = i64::try_from(from.saturating_add(limit)).unwrap_or(i64::MAX);
    let next_cursor = has_more.then(|| encode_cursor(&next.to_be_bytes()));
    Ok(Page { data: rows.into_iter().skip(from).take(limit).collect(), has_more, next_cursor })
}

/// A cursor that is a row number.
pub fn page_number(page: &PageRequest) -> Result<Option<i64>, Fault> {
    let Some(bytes) = &page.after else { return Ok(None) };
    let bytes: [u8; 8] = bytes.as_slice().try_into().map_err(|_length| {
        Fault::field(Place::Parameter("cursor".into()), "invalid_cursor", "`cursor` is not one that was given out.")
    })?;
    Ok(Some(i64::from_be_bytes(bytes)))
}

/// JSON as a reply.
pub fn json_reply(status: u16, value: &impl Serialize) -> Result<Reply, Fault> {
    let body = serde_json::to_vec(value).map_err(|error| Fault::broken(error.to_string()))?;
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(Reply { status, headers, body: body.into(), recorded: None, is_replay: false })
}

/// JSON as an answer.
pub fn json(status: u16, value: &impl Serialize) -> Result<Answer, Fault> {
    json_reply(status, value).map(Answer::Reply)
}

/// An answer without a body.
pub const fn no_content() -> Answer {
    Answer::Reply(Reply { status: 204, headers: Vec::new(), body: Bytes::new(), recorded: None, is_replay: false })
}

/// Nothing of this id in this store.
pub fn missing(what: &str) -> Fault {
    Fault::new(Kind::Missing, "not_found", format!("There is no such {what}."))
}

impl Answer {
    /// The HTTP response.
    pub fn into_response(self) -> axum::response::Response {
        match self {
            Self::Response(response) => *response,
            Self::Reply(reply) => reply_response(reply),
        }
    }
}

/// A reply as an HTTP response.
pub fn reply_response(reply: Reply) -> axum::response::Response {
    let mut response = axum::response::Response::new(axum::body::Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    if reply.is_replay {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// A fault as an HTTP response.
pub fn fault_response(fault: &Fault, rid: &str) -> axum::response::Response {
    reply_response(problem::render(fault, rid))
}
