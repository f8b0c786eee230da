//! The route table: one row per operation, as data. Routing, permissions, limits and the OpenAPI document are all read from it.

use super::call::{Answer, Call};
use super::limits::Class;
use crate::base::error::Fault;
use crate::kernel::permit::Permission;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever holds the right.
    Needs(Permission),
    /// A vendor, by a signature that the handler checks.
    Signature,
}

/// Largest body of a route that does not say otherwise.
pub const BODY_MAX: usize = 1024 * 1024;

/// Longest time a body may take to arrive.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(20);

/// What a handler is to the table.
pub type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>> + Send + Sync>;

/// Makes a schema in a document's generator.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One way in which an operation answers.
#[derive(Clone, Copy)]
pub struct Outcome {
    /// Status.
    pub status: u16,
    /// When.
    pub description: &'static str,
    /// Shape of the JSON body.
    pub schema: Option<SchemaOf>,
    /// Content type; JSON if there is a schema.
    pub content_type: Option<&'static str>,
}

/// One operation.
#[derive(Clone)]
pub struct Route {
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// With `{name}` for parameters.
    pub path: &'static str,
    /// Unique, `noun_verb`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Who may call.
    pub access: Access,
    /// Under which limit.
    pub class: Class,
    /// Shapes of the parameters in the path.
    pub path_shapes: Vec<(&'static str, SchemaOf)>,
    /// Shape of the query.
    pub query: Option<SchemaOf>,
    /// Shape of the JSON body.
    pub body: Option<SchemaOf>,
    /// Whether the body may be anything, such as a vendor's delivery.
    pub raw_body: bool,
    /// Largest body in bytes.
    pub body_max: usize,
    /// Longest time the body may take to arrive.
    pub body_time: Duration,
    /// Answers beside those that every operation has.
    pub outcomes: Vec<Outcome>,
    /// Kinds of refusal that this operation has of its own.
    pub refusals: Vec<u16>,
    /// What runs.
    pub handler: Handler,
}

impl Route {
    fn new<F, R>(method: &'static str, path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        let class = match access {
            Access::Public => Class::Public,
            Access::SignedIn | Access::Needs(_) => Class::Api,
            Access::Signature => Class::Free,
        };
        Self {
            method,
            path,
            name,
            summary: "",
            access,
            class,
            path_shapes: Vec::new(),
            query: None,
            body: None,
            raw_body: false,
            body_max: BODY_MAX,
            body_time: BODY_TIME_MAX,
            outcomes: Vec::new(),
            refusals: Vec::new(),
            handler: Arc::new(move |call| Box::pin(handler(call))),
        }
    }

    /// A read.
    pub fn get<F, R>(path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self::new("GET", path, name, access, handler)
    }

    /// A command.
    pub fn post<F, R>(path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self::new("POST", path, name, access, handler)
    }

    /// A replacement.
    pub fn put<F, R>(path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self::new("PUT", path, name, access, handler)
    }

    /// A change of some fields.
    pub fn patch<F, R>(path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self::new("PATCH", path, name, access, handler)
    }

    /// A removal.
    pub fn delete<F, R>(path: &'static str, name: &'static str, access: Access, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self::new("DELETE", path, name, access, handler)
    }

    /// What it does, in one sentence.
    #[must_use]
    pub const fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    /// Under another limit than its access suggests.
    #[must_use]
    pub const fn limited_as(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The parameter `name` of the path has this shape.
    #[must_use]
    pub fn path<T: JsonSchema>(mut self, name: &'static str) -> Self {
        self.path_shapes.push((name, |generator| generator.subschema_for::<T>()));
        self
    }

    /// Reads a query of this shape.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| T::json_schema(generator));
        self
    }

    /// Reads a JSON body of this shape.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Reads any body up to `max` bytes.
    #[must_use]
    pub const fn raw_body(mut self, max: usize) -> Self {
        self.raw_body = true;
        self.body_max = max;
        self
    }

    /// Answers with JSON of this shape.
    #[must_use]
    pub fn answers<T: JsonSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        self.outcomes.push(Outcome { status, description, schema: Some(schema), content_type: None });
        self
    }

    /// Answers without a JSON body.
    #[must_use]
    pub fn answers_plain(mut self, status: u16, description: &'static str, content_type: Option<&'static str>) -> Self {
        self.outcomes.push(Outcome { status, description, schema: None, content_type });
        self
    }

    /// Refuses with these statuses beside those that its access, body and parameters imply.
    #[must_use]
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend_from_slice(statuses);
        self
    }

    /// Whether the path has parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
