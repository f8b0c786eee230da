//! Faults: what kind of thing went wrong, a stable code, and the sentence that the user reads.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The closed set of ways in which a request or a job can fail. Mapped to a status, a retry decision and an exit code in one place each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The bytes cannot be understood.
    Malformed,
    /// Nobody is signed in, or the credentials are wrong.
    Unauthenticated,
    /// Signed in, but without the right.
    Denied,
    /// There is no such thing for this caller.
    Missing,
    /// It contradicts what stands.
    Conflict,
    /// `If-Match` did not match.
    Precondition,
    /// The body or a field is larger than its limit.
    TooLarge,
    /// The content type is not one that is read here.
    UnsupportedMedia,
    /// Understood and refused: a rule says no.
    Refused,
    /// Too many requests.
    Limited,
    /// Cannot be done now; the same request may work later.
    Unavailable,
    /// The write may or may not have happened: repeat with the same key (D12).
    UnknownOutcome,
    /// The disk is full.
    DiskFull,
    /// A fault of ours. Its text is for the log only.
    Broken,
}

/// Which part of the request a complaint is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// JSON pointer into the body.
    Pointer(String),
    /// Query or path parameter.
    Parameter(Cow<'static, str>),
    /// Header.
    Header(&'static str),
}

/// One complaint about one part of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldFault {
    /// Where.
    pub place: Place,
    /// Stable `snake_case` word.
    pub code: &'static str,
    /// A sentence for a person.
    pub detail: String,
}

/// What every module's error enum says of itself.
pub trait Problem: Error {
    /// The kind.
    fn kind(&self) -> Kind;
    /// Stable `snake_case` word for machines.
    fn code(&self) -> &'static str;
    /// Complaints about single fields.
    fn fields(&self) -> Vec<FieldFault> {
        Vec::new()
    }
    /// When a repeat makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// A problem on its way to the edge: what all modules' errors become when they leave their module.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The kind.
    pub kind: Kind,
    /// Stable `snake_case` word for machines.
    pub code: &'static str,
    /// The sentence that the user reads.
    pub detail: String,
    /// Complaints about single fields.
    pub fields: Vec<FieldFault>,
    /// When a repeat makes sense.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault without field complaints.
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), fields: Vec::new(), retry_after: None }
    }

    /// A refusal that names one field.
    pub fn field(place: Place, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let fields = vec![FieldFault { place, code, detail: detail.clone() }];
        Self { kind: Kind::Refused, code: "validation_failed", detail, fields, retry_after: None }
    }

    /// A refusal that names several fields.
    pub fn fields(fields: Vec<FieldFault>) -> Self {
        let detail = match fields.as_slice() {
            [only] => only.detail.clone(),
            many => format!("{} fields need attention.", many.len()),
        };
        Self { kind: Kind::Refused, code: "validation_failed", detail, fields, retry_after: None }
    }

    /// A fault of ours.
    pub fn broken(detail: impl Into<String>) -> Self {
        Self::new(Kind::Broken, "internal_error", detail)
    }

    /// With a hint when to come back.
    #[must_use]
    pub fn retry_in(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl<P: Problem> From<P> for Fault {
    fn from(problem: P) -> Self {
        let mut detail = problem.to_string();
        if problem.kind() == Kind::Broken {
            let mut source = problem.source();
            while let Some(inner) = source {
                detail.push_str(": ");
                detail.push_str(&inner.to_string());
                source = inner.source();
            }
        }
        Self {
            kind: problem.kind(),
            code: problem.code(),
            detail,
            fields: problem.fields(),
            retry_after: problem.retry_after(),
        }
    }
}
