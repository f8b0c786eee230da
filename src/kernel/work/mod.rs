//! Background work: handlers, the runner that leases jobs to them, and what an operator does with jobs.
pub mod handler;
pub mod runner;
