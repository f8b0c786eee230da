//! The machinery below the domains: what touches files, threads and the network.

pub mod queue;
