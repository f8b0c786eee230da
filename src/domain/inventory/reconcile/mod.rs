//! Reconciliation: the levels are compared with the movements and reservations that made them, each night and when somebody asks (SC5, CX7, D33).

pub mod http;
pub mod service;
