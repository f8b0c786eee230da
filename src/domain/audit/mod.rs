//! The journal for people and for live views: a list to search, and a stream of what happens now.
//!
//! Owns no table: the journal is the kernel's. Bodies go to who may read the audit log; the stream carries positions, names and ids only,
//! of what its reader may see.

pub mod http;
pub mod service;

/// Tables that this module owns: none.
pub const OWNS: &[&str] = &[];
