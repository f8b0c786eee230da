//! What faces the outside besides the REST interface: the pages that are embedded in the binary.

pub mod ui;
