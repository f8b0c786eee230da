//! What the product stands on: files, queues, telemetry and the way out to the network.

pub mod egress;
