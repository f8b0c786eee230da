//! What the product stands on: files, queue, the way out, secrets, settings, logs. Knows no business word.

pub mod config;
pub mod db;
pub mod egress;
pub mod queue;
pub mod tasks;
pub mod telemetry;
pub mod vault;
