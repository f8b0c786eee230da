//! Faults as RFC 9457 problem documents: the one place where a kind becomes a status.

use crate::base::error::{Fault, FieldFault, Kind, Place};
use crate::kernel::once::Reply;
use serde::Serialize;

/// Content type of problem documents.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A problem document.
#[derive(Serialize, schemars::JsonSchema, Debug)]
pub struct ProblemDocument {
    /// A URN that stays the same for a code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The sentence for the user.
    pub detail: String,
    /// This occurrence.
    pub instance: String,
    /// Stable `snake_case` word.
    pub code: String,
    /// The request, as in the logs.
    pub request_id: String,
    /// Complaints about single parts of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

/// One complaint.
#[derive(Serialize, schemars::JsonSchema, Debug)]
pub struct ProblemField {
    /// JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Query or path parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Stable `snake_case` word.
    pub code: String,
    /// The sentence for the user.
    pub detail: String,
}

/// Status and title of a kind.
pub const fn status(kind: Kind) -> (u16, &'static str) {
    match kind {
        Kind::Malformed => (400, "Malformed request"),
        Kind::Unauthenticated => (401, "Not signed in"),
        Kind::Denied => (403, "Permission missing"),
        Kind::Missing => (404, "Not found"),
        Kind::Conflict => (409, "Conflict"),
        Kind::Precondition => (412, "Changed meanwhile"),
        Kind::TooLarge => (413, "Too large"),
        Kind::UnsupportedMedia => (415, "Unsupported content type"),
        Kind::Refused => (422, "Refused"),
        Kind::Limited => (429, "Too many requests"),
        Kind::Unavailable | Kind::UnknownOutcome => (503, "Unavailable"),
        Kind::DiskFull => (507, "Disk full"),
        Kind::Broken => (500, "Internal error"),
    }
}

fn field(fault: &FieldFault) -> ProblemField {
    let mut out = ProblemField {
        pointer: None,
        parameter: None,
        header: None,
        code: fault.code.to_owned(),
        detail: fault.detail.clone(),
    };
    match &fault.place {
        Place::Pointer(pointer) => out.pointer = Some(pointer.clone()),
        Place::Parameter(name) => out.parameter = Some(name.clone().into_owned()),
        Place::Header(name) => out.header = Some((*name).to_owned()),
    }
    out
}

/// A fault as an answer. The text of a fault of ours stays in the log.
pub fn render(fault: &Fault, rid: &str) -> Reply {
    let (status, title) = status(fault.kind);
    render_as(status, title, fault, rid)
}

/// A fault as an answer with a status of its own, for 405 and the like.
pub fn render_as(status: u16, title: &str, fault: &Fault, rid: &str) -> Reply {
    let detail = if fault.kind == Kind::Broken {
        tracing::error!(rid, code = fault.code, error = %fault.detail, "fault");
        "Something broke on our side. The request id leads to the log entry.".to_owned()
    } else {
        fault.detail.clone()
    };
    let document = ProblemDocument {
        kind: format!("urn:bodega:problem:{}", fault.code),
        title: title.to_owned(),
        status,
        detail,
        instance: format!("urn:bodega:request:{rid}"),
        code: fault.code.to_owned(),
        request_id: rid.to_owned(),
        errors: fault.fields.iter().map(field).collect(),
    };
    let mut headers = vec![("content-type".to_owned(), CONTENT_TYPE.to_owned())];
    if let Some(span) = fault.retry_after {
        headers.push(("retry-after".to_owned(), span.as_secs().max(1).to_string()));
    }
    // A document of strings and a number always serialises.
    let body = serde_json::to_vec(&document).unwrap_or_default();
    Reply { status, headers, body: body.into(), recorded: None, is_replay: false }
}
