//! Background work: the handlers' trait, the runner that leases jobs to them, and what an operator does with jobs.

pub mod handler;
pub mod http;
pub mod runner;
pub mod service;

pub use handler::{Handler, JobRun, Outcome, Policy, Running};
pub use runner::Runner;
