//! Faces of the product that hold no rules: the embedded admin pages and the command line.

pub mod cli;
pub mod ui;
