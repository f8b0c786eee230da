//! HTTP for everybody: the route table, the gate that each request passes, problem documents, limits, the OpenAPI document, the server.

pub mod call;
pub mod gate;
pub mod limits;
pub mod openapi;
pub mod problem;
pub mod route;
pub mod server;

pub use call::{Answer, Call};
pub use gate::{Admission, Gate, Gatekeeper, WebConfig};
pub use route::{Access, Route};
