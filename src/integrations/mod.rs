//! Clients of vendors: each implements a port of the domain over the one way out, and brings a sandbox that stands in for the vendor.

pub mod google;
